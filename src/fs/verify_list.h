/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The contents of a tree one after another, and which of them have been checked: what a verification has to do and has done. In DIR: tree.db (the tree, only read) and checked.db.
 *
 * One thread at a time.
 */
#ifndef ASSETFS_VERIFY_LIST_H
#define ASSETFS_VERIFY_LIST_H

#include "data/content.h"

struct verify_list;

/* *ret_inodes: how many inodes there are. */
int verify_list_open(const char *dir, struct verify_list **ret, uint64_t *ret_inodes) ATTR_WARN_UNUSED;
struct verify_list *verify_list_close(struct verify_list *);
/* The content of the next inode that has one: 1 and a reference; 0: there are no more. *ret_seen: inodes so far. */
int verify_list_next(struct verify_list *, struct content **ret, uint64_t *ret_seen) ATTR_WARN_UNUSED;
/* Whether this object has been checked: well, or just now. Several files may have one. */
bool verify_list_has(struct verify_list *, const struct content *);
void verify_list_add(struct verify_list *, const struct content *);
/* Forgets the tree and what was checked. */
int verify_forget(const char *dir) ATTR_WARN_UNUSED;

#endif
