/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keys of journal entries: ".../journal/0000000000000123" (assetfs-format(5)).
 */
#ifndef DOUBLE_JOURNAL_KEY_H
#define DOUBLE_JOURNAL_KEY_H

#include "text.h"

/* The key of an entry of that number or a later one. */
static inline bool journal_key_from(const char *key, uint64_t first) {
    const char *slash = strrchr(key, '/');
    uint64_t n;
    return slash && slash - key >= 8 && !strncmp(slash - 8, "/journal", 8) && strlen(slash + 1) == 16 && text_number(slash + 1, &n) && n >= first;
}

#endif
