/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files that stay on this host (design §8, `local_only`; rules §8): their names say so (name_kind.h), or they lie in a directory that does. They are accepted, read and
 * listed here, survive a remount, and are never uploaded or journaled.
 *
 * They are pending rows that stay pending: p_name.since and p_inode.since are ROW_LOCAL. rows_p_put() sees to it that such a row is never due and never ready, so that build,
 * settle, waits and held removals pass it by; the merge is not shown it (carry.c). The number is one of this host's session, so that a file can become a normal one and
 * stay the same inode.
 *
 * A rename to a normal name makes it a normal file, and the reverse: then it leaves the shared tree. What several names lead to cannot be both at once: such a rename, and a
 * link across, is -EXDEV, as it is for a directory in which the others see something (mv copies then). A shared directory keeps its times when local names come and go.
 *
 * All under the tree lock; what changes something does so in a transaction. 0 or a negative errno.
 */
#ifndef ASSETFS_LOCAL_H
#define ASSETFS_LOCAL_H

#include "tree/rows.h"

bool local_is(struct tree *, uint64_t ino);
/* What stands at this name, or will, stays here. */
bool local_is_name(struct tree *, uint64_t parent, const char *name, size_t n);
/* May the inode, of one name, become local, or normal? -EXDEV. */
int local_check(struct tree *, uint64_t ino, uint32_t type, bool local) ATTR_WARN_UNUSED;
/* It becomes so, with all that lies in it; its own name row is set by the caller after that. */
int local_turn(struct tree *, uint64_t ino, uint32_t type, bool local) ATTR_WARN_UNUSED;
/* A directory of ours became another one: its local names go there. */
int local_move_names(struct tree *, uint64_t from, uint64_t to) ATTR_WARN_UNUSED;
/* After another host's entry: local names go with their directory, and where the shared tree has brought a file back. */
int local_sweep(struct tree *) ATTR_WARN_UNUSED;
void local_count(struct tree *, uint64_t *ret_files, uint64_t *ret_bytes, uint64_t *ret_rows);

#endif
