/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Hosts that make checkpoints and begin from them, for cmocka tests: a failure here fails the test.
 */
#ifndef ASSETFS_TESTS_CHECKPOINT_BOX_H
#define ASSETFS_TESTS_CHECKPOINT_BOX_H

#include "tree/checkpoint.h"
#include "tree_box.h"

#define CHECKPOINT_PREFIX ".assetfs/checkpoint/"

struct checkpoint_listed {
    struct names_entry *v;
    size_t n;
};

bool checkpoint_finished(struct tree_box *, uint64_t round, struct tree_checkpoint *);
/* Makes one, however that ends; and one that must not fail. */
struct tree_checkpoint checkpoint_make(struct tree_box *);
void checkpoint_made(struct tree_box *);
/* The key of the newest that the host knows; malloc'd. */
char *checkpoint_key(struct tree_box *);

/* So many entries with a file each, in a directory of their own. */
void checkpoint_fill_dir(struct tree_box *, const char *dir, unsigned n);
/* Many files with long names in one directory, in few entries: more than one block. */
void checkpoint_fill_wide(struct tree_box *, const char *dir);

/* .v is malloc'd. */
struct checkpoint_listed checkpoint_list(struct tree_box *, uint64_t dir);
/* Everything below is asked for, so that box_print() meets no fault. */
void checkpoint_visit(struct tree_box *, uint64_t dir);
void checkpoint_same_view(struct tree_box *a, struct tree_box *b);

#endif
