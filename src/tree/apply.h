/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Applying an entry to the confirmed tree: it decides nothing, it checks and writes (rules §3). Called under the tree lock in a transaction; the outcome is the same on every host.
 */
#ifndef ASSETFS_APPLY_H
#define ASSETFS_APPLY_H

#include "tree/rows.h"

/* What C was before: the rows and inodes an entry touched, each as it stood. The merge reads the old tree through it, the kernel is told by it. */
struct before_name {
    uint64_t parent;
    char *name; /* points into key */
    size_t n;
    struct row_name row;
    UT_hash_handle hh;
    char key[]; /* parent and name */
};
struct before_inode {
    uint64_t ino;
    bool present;
    struct record rec;
    UT_hash_handle hh;
};
struct before {
    struct before_name *names;
    struct before_inode *inodes;
};
void before_free(struct before *);
/* As it stood, unless an earlier one is kept already; b may be NULL. */
void before_keep_name(struct before *b, uint64_t parent, const char *name, size_t n, const struct row_name *row);
void before_keep_inode(struct before *b, uint64_t ino, bool present, const struct record *rec);
const struct before_name *before_find_name(const struct before *, uint64_t parent, const char *name, size_t n);
const struct before_inode *before_find_inode(const struct before *, uint64_t ino);

/* One change: 1 applied, 0 void (C is as it was), negative errno of the database. session: the writer's. before may be NULL. */
int apply_change(struct tree *, const struct change *, uint64_t session, uint64_t seq, struct before *) ATTR_WARN_UNUSED;

/* All changes of an entry, its session and (entry 1) the root; then seq. *ret_void: how many changes were void; ret_which (or NULL): n_changes of them, true for those. The caller has checked
 * sequence and previous, and sets head_hash. */
int apply_entry(struct tree *, const struct entry *, struct before *, size_t *ret_void, bool *ret_which) ATTR_WARN_UNUSED;

/* 1..255 bytes, no '/', no NUL, not "." or "..". */
bool apply_name_valid(const char *name, size_t n);

#endif
