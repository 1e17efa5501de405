/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The fixture of the merge tests. Two hosts start from one tree, each does something without seeing the
 * other; A's entry is first, B merges. The merge sees A's tree as N and B's as V. What is expected is B's
 * view afterwards, which B's own entry then makes everybody's.
 */
#ifndef TESTS_MERGE_STORY_H
#define TESTS_MERGE_STORY_H

#include "mem_path.h"

struct story {
    struct mem_merge m;
    struct mem_tree *a, *b; /* what each host sees */
    uint64_t next_a;        /* numbers: the start's are 10.., A's 100.., B's 200.. */
    uint64_t next_b;
    struct merge_result result;
    struct mem_tree view;
};

int merge_story_setup(void **state);
int merge_story_teardown(void **state);
#define STORY(test) cmocka_unit_test_setup_teardown(test, merge_story_setup, merge_story_teardown)

/* The tree both know, to be filled; after part() each has its own. */
struct mem_tree *start(struct story *);
void part(struct story *);
/* f with content 0; g with content 1 beside it; an empty directory d. */
void start_with_f(struct story *);
void start_with_f_and_g(struct story *);
void start_with_d(struct story *);

/* Merges, and fails the test if the view is no tree afterwards. */
void merge(struct story *);
void merges_to(struct story *, const char *want); /* as mem_path_print() */
/* Nothing of B's is left to commit. */
void assert_nothing_pending(const struct story *);

#endif
