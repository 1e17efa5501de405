/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Making the confirmed tree anew, out of the bucket. When an entry was built on another tree than this host has, somebody is wrong, and this host looks at itself first; and a host that began from a
 * checkpoint which turns out to be damaged or lost later on needs another beginning. The journal is applied once more, into a database beside tree.db, from a checkpoint if this host began from
 * one: after a disagreement from the newest, else from the newest that is not its own, then from the one before, at last from entry 1. A checkpoint that the entries after it do not bear out
 * (each says on which tree it was built) is passed over. What comes of it takes the place of the confirmed tree; what is pending here, the spool and uploads stay, and are merged over it
 * (rules §4, with the old tree as base); inode numbers are those of the journal, so open handles and what the kernel knows stay valid. What this host has committed, and does not fit the right tree
 * (it fitted only the damaged one, and is void for everybody), is pending again: own_void.h.
 *
 * Whatever a checkpoint and the entries after it say is somebody's claim. Where they agree with the entry, this host was wrong; where none does, the journal decides, from entry 1: what it makes is
 * the tree. If this host has that already, the entry's writer is damaged, and this host goes on (dispute.h). Only where the journal cannot be read from entry 1 either, and no checkpoint gives this
 * host's tree, does it stop before the entry, read-only.
 *
 * Directories that were here are here afterwards; the others are fetched from the new base. Who waits for rows of a lost base waits on, for as long as a request may (timeout), then fails with EIO. While the
 * bucket does not answer everything stays as it is, and is tried again.
 *
 * Meanwhile programs go on. Nothing is committed while this host doubts its own tree. On the loop, with the fresh tree under a lock of its own, without the tree lock but for the last step.
 */
#ifndef ASSETFS_REBUILD_H
#define ASSETFS_REBUILD_H

#include "tree/state.h"

struct rebuild;

/* Under the lock, when the entry at t->seq + 1 (by `host`) does not fit: begins, unless it is under way. */
void rebuild_begin(struct tree *, const struct entry *);
/* Under the lock, when changes of an entry, which has been applied, did not fit the tree: either its writer is broken, or this host is damaged. So it looks at itself before it commits
 * anything; where another host wrote it, and this one has looked a while ago and was well, or has made its tree anew since it was started, it does not. Its own changes fit its own tree, so for
 * those it always looks; where it is well, that is a bug, and it stops. */
void rebuild_suspect(struct tree *, const struct entry *, bool ours);
/* Under the lock: a row of the confirmed tree is no record, or a file that was written here has lost its names there, and the next entry cannot be applied. */
void rebuild_unreadable(struct tree *, const struct entry *);
/* Under the lock, on the loop: the checkpoint this host began from cannot be used any more (-EBADMSG, -ENOENT). */
void rebuild_lost(struct tree *, int err);
/* Under the lock: what is committed now might be built on a wrong tree. */
bool rebuild_bars_commits(const struct tree *);
/* tree.c: on the loop when the tree is being closed, under the lock. */
void rebuild_close(struct tree *);

#endif
