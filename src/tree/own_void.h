/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What this host has committed while its tree was damaged, and what fits the right tree nowhere: it fitted only the damaged one, so it is void for everybody, but programs were told that it is durable.
 * A rebuild (rebuild.h) that meets such changes makes them pending again: rows of the view that differ from what stood there before the change (its `was`) are merged over the right tree like any
 * local change (rules §4). So a file comes back as itself, or as a conflicted copy. Its content is in the bucket, under the key that its record has: nothing is put again.
 *
 *     while the journal is applied anew     own_voids_add()       for each such change, in the order of the journal
 *     in the transaction of the end         own_voids_keep()      what the view has in those rows, before C is replaced; and the base of the merge
 *                                           own_voids_pend()      after it: as pending rows
 *
 * The lists own what they hold. No lock of their own: the rebuild's on the loop; own_voids_keep() and own_voids_pend() under the tree lock.
 */
#ifndef ASSETFS_OWN_VOID_H
#define ASSETFS_OWN_VOID_H

#include "tree/apply.h"

struct own_void {
    struct change change;
    struct record *right; /* for each of its inodes: the record in the right tree just then; mode 0: none */
};
struct own_voids {
    struct own_void *v;
    size_t n;
};
/* Takes the change over (and leaves an empty one); `fresh` is the right tree after its entry, under the lock of that. */
void own_voids_add(struct own_voids *, struct tree *fresh, struct change *);
void own_voids_clear(struct own_voids *);

/* Rows of the view that are to be pending. */
struct kept_name {
    uint64_t parent;
    const struct name_edit *edit;
    struct row_name row;
};
struct kept_inode {
    uint64_t ino;
    struct record rec;
};
struct kept_state {
    const char *key;
    uint8_t *item; /* NULL: none */
    size_t n;
};
struct own_kept {
    struct kept_name *names;
    struct kept_inode *inodes;
    struct kept_state *states;
    size_t n_names, n_inodes, n_states;
};
/* With the right tree's database attached as `fresh`. 0 or a negative errno. */
int own_voids_keep(const struct own_voids *, struct tree *, struct before *, struct own_kept *ret) ATTR_WARN_UNUSED;
int own_voids_pend(struct tree *, const struct own_kept *) ATTR_WARN_UNUSED;
void own_kept_free(struct own_kept *);

#endif
