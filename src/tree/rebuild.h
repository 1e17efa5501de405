/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When an entry was built on another tree than this host has, somebody is wrong. This host looks at itself first: it applies the whole journal once more, into a database beside tree.db, and where
 * the outcome is what the entry says, that takes the place of the confirmed tree; what is pending here, the spool and uploads stay, and are merged over it (rules §4, with the damaged tree as
 * base). Where it is not, the fault is not here: this host stops before that entry, read-only, and names it.
 *
 * Meanwhile programs go on, and nothing is committed. On the loop, without the tree lock but for the last step. A host that began from a checkpoint is not rebuilt: it stops.
 */
#ifndef ASSETFS_REBUILD_H
#define ASSETFS_REBUILD_H

#include "tree/state.h"

struct rebuild;

/* Under the lock, when the entry at t->seq + 1 (by `host`) does not fit: begins, unless it is under way. */
void rebuild_begin(struct tree *, const struct entry *);
/* Under the lock, when changes of another host's entry, which has been applied, did not fit the tree: either its writer is broken, or this host is damaged, and what it commits next would stop
 * everybody else. So it looks at itself before it commits anything; where it has done so a while ago and was well, or has made its tree anew since it was started, it does not. */
void rebuild_suspect(struct tree *, const struct entry *);
/* tree.c: on the loop when the tree is being closed, under the lock. */
void rebuild_close(struct tree *);

#endif
