/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fuzz target: one function that takes any bytes, and aborts when what must hold for them does not.
 */
#ifndef ASSETFS_TESTS_FUZZ_MAIN_H
#define ASSETFS_TESTS_FUZZ_MAIN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Returns 0. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#endif
