/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All of unnamed-test.c once more, on hosts that have fetched nothing of the tree yet (lazy.h), again and again.
 */
#include "unnamed-test.c"

__attribute__((constructor)) static void turn_on(void) {
    lazy_turn_on();
}
