/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The simulation of hosts: world.h. Without arguments the first half of the schedules of `make check`; more_hosts-sim runs the others, beside it.
 */
#include "world.h"

int main(int argc, char **argv) {
    return sim_main(argc, argv, 1, 10000);
}
