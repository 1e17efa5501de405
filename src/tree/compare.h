/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes that a merge compares (rules §4: "before it, hash spool files that are to be compared"). What programs have just written here has no content id before it settles, and so would equal
 * nothing: two hosts that copy the same files at the same time would end with conflicted copies of equal files. So the first run of a merge notes what it would compare with a content of the same size
 * (compare_note()), changes nothing and ends with -EINPROGRESS; the bytes are hashed where they lie, on a worker (compare_wait()); then the entry is taken once more, with what is known by then
 * (compare_known()). A file is hashed once for an entry: one that is written on meanwhile, that is not wholly here, or that is very large, is equal to nothing.
 *
 * The table is the tree's, and goes when an entry has been taken. All under the tree lock where nothing else is said; without transactions: nothing of it is in the database.
 */
#ifndef ASSETFS_COMPARE_H
#define ASSETFS_COMPARE_H

#include "tree/rows.h"

/* Whether the merge that follows may ask for hashes: only where somebody calls compare_wait() then. */
void compare_allow(struct tree *, bool allow);
bool compare_is_allowed(const struct tree *);
/* The merge compares bytes of this inode, without a content id, with this record's content. */
void compare_note(struct tree *, uint64_t ino, const struct record *with);
/* Something that was noted has not been hashed yet. */
bool compare_is_wanted(const struct tree *);
/* True: the bytes of this row are known; their size, and (size > 0) content id. */
bool compare_known(struct tree *, uint64_t ino, const struct row_pending *, uint64_t *ret_size, uint8_t ret_id[DIGEST_SIZE]);
/* The inode's bytes are about to change. */
void compare_forget(struct tree *, uint64_t ino);
void compare_clear(struct tree *);

/* Without the lock: hashes what is wanted. ready(arg, 0) on the loop: whatever could be hashed is. tree_close() waits until it has returned. */
void compare_wait(struct tree *, void (*ready)(void *arg, int err), void *arg);
/* The same, under the lock. */
void compare_wait_later(struct tree *, void (*ready)(void *arg, int err), void *arg);
/* The same for a thread that may block; 0. */
int compare_here(struct tree *);

#endif
