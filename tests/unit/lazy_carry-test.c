/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All of carry-test.c once more, on hosts that have fetched nothing of the tree yet (lazy.h), again and again.
 */
#include "carry-test.c"

__attribute__((constructor)) static void turn_on(void) {
    lazy_turn_on();
}
