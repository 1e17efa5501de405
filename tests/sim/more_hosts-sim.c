/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The other half of what hosts-sim runs. Its failures are run again by either.
 */
#include "world.h"

int main(int argc, char **argv) {
    return sim_main(argc, argv, 10001, 10000);
}
