/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Faults: a host that began from a checkpoint (checkpoint.h) has the rows of C only of the directories that somebody has asked for. The others stand in the base; the first
 * call that needs one fails with -EINPROGRESS, changes nothing, and is made again when the directory is here.
 *
 *  - A directory of C is here wholly or not at all: all its names with their inodes are in c_name and c_inode, or none is. c_here lists those that are (with no base: all are, and
 *    the table is empty). A directory that was made after the base is here from the beginning.
 *  - A directory that is here has all the directories above it here.
 *  - So where a directory is here, the rows of the local database are the whole truth, and the base is never asked. Nothing is ever deleted by way of the base.
 *  - A number: its row is in c_inode, or the base is asked for the directories it has a name in; if these are here, it is gone. c_absent keeps numbers that the base does not have.
 *
 * Fetching is single flight, by directory, on the loop and its workers; the tree lock is held only while rows are written, some thousands at a time.
 */
#ifndef ASSETFS_FAULT_H
#define ASSETFS_FAULT_H

#include "tree/state.h"

/* Under the tree lock, from rows.c: 0 if the directory (or the number with all its names) is here, -EINPROGRESS and noted if not. */
int fault_need_dir(struct tree *, uint64_t dir) ATTR_WARN_UNUSED;
int fault_need_inode(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;
/* After a call has returned -EINPROGRESS, without the lock: ready(arg, 0) on the loop when what was noted is here (or something else is: make the call again);
 * or -EIO, -ETIMEDOUT: the call fails with that. */
void fault_wait(struct tree *, void (*ready)(void *arg, int err), void *arg);

#endif
