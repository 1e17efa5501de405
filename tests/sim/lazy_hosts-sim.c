/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `hosts-sim --lazy --schedules 40`: hosts that now and then have fetched nothing of the tree any more (tests/lib/lazy.h). Its failures are run again by hosts-sim --lazy.
 */
int sim_main(int argc, char **argv);
#define main sim_main
#include "hosts-sim.c"
#undef main

int main(void) {
    char name[] = "lazy_hosts-sim", lazy[] = "--lazy", schedules[] = "--schedules", n[] = "40";
    char *argv[] = {name, lazy, schedules, n, NULL};
    return sim_main(4, argv);
}
