/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two hosts on one volume, for cmocka tests of what one has pending when the other's entry comes in. `a` commits first; `b` is away meanwhile.
 */
#ifndef ASSETFS_TEST_PAIR_H
#define ASSETFS_TEST_PAIR_H

#include "tree/file.h"
#include "tree_box.h"

struct pair {
    struct tree_box *a, *b;
    unsigned away; /* the rule that keeps b from the bucket */
};

int pair_setup(void **state);
int pair_teardown(void **state);
#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

void ok(int r);
/* Both know what a has made so far. */
void share(struct pair *);
/* b has no bucket from now on. */
void part_ways(struct pair *);
/* a's work is committed, b comes back and merges. */
void meet(struct pair *);
/* All is committed, and both views are `want`; nothing was void, nothing is pending. */
void same(struct pair *, const char *want);

/* For file_fsync(): *arg, an int, becomes the error. */
void answer(void *arg, int err);
/* A write through an open handle, at its beginning, that is answered at once. */
void write_now(struct file *, const char *text);

#endif
