/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Hosts that now and then have fetched nothing of the tree any more (tests/lib/lazy.h). Its failures are run again by hosts-sim --lazy.
 */
#include "world.h"

int main(int argc, char **argv) {
    lazy_turn_on();
    return sim_main(argc, argv, 1, 300);
}
