/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Holding back temporary names (design §4, "settle"). A name that is temporary (name_kind.h), or lies in a directory whose name is, is not committed, and the bytes behind
 * it are not uploaded, until
 *
 *     it is renamed to a final name (or linked there): that is committed at once, with the extension and the type of that name
 *     somebody waits for it: fsync of it, `sync`, unmounting
 *     HOLD_NS have passed, or the local disk is full
 *
 * Where it stands: p_name.held, the time when the row is let go. build.c leaves held rows out of what it commits: the inode behind a new one stays unknown to the others; of a
 * committed file that was renamed to a temporary name (an editor's backup), the others keep the old name until something else takes its place.
 *
 * All under the tree lock; those that return int write, in a transaction: 0 or a negative errno.
 */
#ifndef ASSETFS_HOLD_H
#define ASSETFS_HOLD_H

#include "tree/rows.h"

#define HOLD_NS (600 * NS_PER_S)

/* mono: until when a name that is put there now is held back; 0: not at all. */
int64_t hold_until(struct tree *, uint64_t parent, const char *name, size_t n);
/* mono: its bytes need not be uploaded before, for all its names in the view are temporary; 0: now. */
int64_t hold_of(struct tree *, uint64_t ino);
/* Whether an inode has a name in the view that is not held back. */
int hold_is_named(struct tree *, uint64_t ino);
/* Somebody waits for the inode: none of its names is held back any more, nor of the directories above. */
int hold_release(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;
int hold_release_all(struct tree *) ATTR_WARN_UNUSED;
/* Files with bytes in the spool that nothing but time lets go. */
uint64_t hold_count(struct tree *);
/* The local disk is full, and nothing else leaves it: what is held back is uploaded, too. */
void hold_make_room(struct tree *);
/* The inode (or what lies in the directory) has got this name: if that is a final one, what waited for it goes on now. Looks at none of its other names. */
int hold_named(struct tree *, uint64_t ino, uint32_t type, uint64_t parent, const char *name, size_t n) ATTR_WARN_UNUSED;
/* Lets go what has been held long enough. mono: when to look again, INT64_MAX: never. */
int64_t hold_expire(struct tree *, int64_t now);
int64_t hold_next(struct tree *);
/* After a restart, whose clock is another one. */
int hold_recover(struct tree *) ATTR_WARN_UNUSED;

#endif
