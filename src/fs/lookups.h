/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which inodes the kernel knows, and how many of our replies told it so. The kernel counts every reply that
 * carries an entry, and gives the counts back with FORGET; at zero it has no reference to the inode any more.
 *
 * The count goes up before the reply is sent, so an inode that is not in here is one the kernel cannot have
 * cached: a notification about it can be saved.
 *
 * Threads: any; one mutex inside.
 */
#ifndef ASSETFS_LOOKUPS_H
#define ASSETFS_LOOKUPS_H

#include "base/base.h"

struct lookups;

struct lookups *lookups_new(void);
struct lookups *lookups_free(struct lookups *); /* NULL-safe; returns NULL */
void lookups_add(struct lookups *, uint64_t ino);
/* True when the kernel does not know the inode any more. Never more is taken away than was added. */
bool lookups_sub(struct lookups *, uint64_t ino, uint64_t n);
/* The root is always known. */
bool lookups_has(struct lookups *, uint64_t ino);
/* All known inodes, the root first; *ret is malloc'd. Returns how many. */
size_t lookups_list(struct lookups *, uint64_t **ret);

#endif
