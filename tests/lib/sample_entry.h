/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Journal entries for tests: good ones to begin with, and the corpus in tests/data/entries that is made of them, good-* and bad-*.
 */
#ifndef ASSETFS_TESTS_SAMPLE_ENTRY_H
#define ASSETFS_TESTS_SAMPLE_ENTRY_H

#include "tree/entry.h"

#define SAMPLE_PREFIX ".assetfs"
#define SAMPLE_SEQUENCE 7

/* Entry 7 of session 5 with a change of every kind. To be freed. */
void sample_entry(struct entry *ret);
/* Entry 1. */
void sample_first_entry(struct entry *ret);
/* The key the sealed ones are sealed under. */
struct keyring *sample_entry_keys(void);

/* One file of the corpus. */
struct sample_case {
    const char *name; /* good-... or bad-... */
    uint64_t sequence; /* under which it is read */
    bool sealed;       /* or plain */
    int err;           /* what entry_open() must say */
};
/* All of them, made anew, in a fixed order: the files in tests/data/entries are what this gives. */
void sample_corpus(void (*each)(void *arg, const struct sample_case *, const void *p, size_t n), void *arg);

#endif
