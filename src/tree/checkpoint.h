/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The life of checkpoints: bases of the confirmed tree (base.h), sealed in blocks (data/sealed_db.h), put under <prefix>/checkpoint/<digest>, and named by entries (checkpoint_ref.h).
 *
 * Making one: any read-write host, in the background, from a snapshot of tree.db (a connection and a read transaction of its own): built into a temporary file in DIR/checkpoint, sealed, put,
 * then announced in the next entry, which may bring changes or nothing else. Nobody waits for it; when it fails that is logged, and tried again later.
 *
 * When: a host that comes anew replays what was written since the newest checkpoint, at about 20 ms for an entry (a request) and 0.2 ms for a change; a base costs its maker an upload of about
 * 75 bytes a name of the whole tree. So one is due when enough was written to make the replay felt (checkpoint_entries entries, or checkpoint_changes changes, or half of each; a KiB of the
 * journal counts as a change where that is more), but not before the changes are an eighth of the tree's inodes, where an entry counts as checkpoint_changes / checkpoint_entries changes: what
 * is uploaded for checkpoints stays below about 600 bytes a change however large the tree is, a few times its journal entry. Hosts that find one due wait for a random time first, 30 s to 10
 * min, and for a moment at which nobody uses the mount (for an hour at most), and look again then: one of many hosts makes it, seldom two.
 *
 * Beginning from one: checkpoint_start(). The database then has the directories that somebody has asked for (fault.h), and checkpoint_base.c gives the others out of the base. If a part of the
 * base turns out to be lost or damaged only then, who needs it waits while C is begun anew (rebuild.h): from the one before, or from entry 1.
 *
 * Threads: all functions under the tree lock unless they say otherwise.
 */
#ifndef ASSETFS_CHECKPOINT_H
#define ASSETFS_CHECKPOINT_H

#include "tree/state.h"

void checkpoint_init(struct tree *);
/* After the database is open: what is known, from the meta table; leftovers of a making that was killed are removed. */
int checkpoint_load(struct tree *) ATTR_WARN_UNUSED;
/* On the loop, when the tree is being closed. */
void checkpoint_stop(struct tree *);
/* After everything has ended; without the lock, not on the loop. */
void checkpoint_free(struct tree *);

/* In the transaction that applied an entry: what it says of checkpoints (unless its writer is damaged), and how much it brought. The caller takes it back (checkpoint_known) if the transaction
 * fails. */
int checkpoint_applied(struct tree *, const struct entry *, bool damaged) ATTR_WARN_UNUSED;
/* Something was applied: arms the timer if one is due, ends a making that was announced. */
void checkpoint_kick(struct tree *);
/* Whether an entry is wanted to announce one; and what field 11 of the next entry says. */
bool checkpoint_wants_entry(const struct tree *);
void checkpoint_fill(const struct tree *, struct entry *);
int checkpoint_save(struct tree *) ATTR_WARN_UNUSED; /* in a transaction: `known` into the meta table */

/* checkpoint_start.c: neither under the lock nor on the loop; these wait for the network. */
/* The base that the database began from, if any: it is opened, and faults are answered from it. */
int checkpoint_attach(struct tree *, struct buf *why) ATTR_WARN_UNUSED;
/* The journal has been found to go to head: puts the tree of a checkpoint in the place of C if that saves much of the replay and nothing is pending. Else the tree is as it was, unless
 * its base was found to be bad: then it is empty, and everything is to be replayed. What was wrong with checkpoints is logged. */
int checkpoint_start(struct tree *, uint64_t head) ATTR_WARN_UNUSED;
/* Nothing is known any more, and all of the journal is to be read. */
int checkpoint_forget(struct tree *) ATTR_WARN_UNUSED;

/* In the meta table: the digest of a base that was found to be damaged or lost. */
#define CHECKPOINT_BAD "base_bad"

/* checkpoint_base.c: a base in the bucket, open. Own lock-free state: one caller at a time for each connection. */
struct checkpoint_base {
    struct tree *tree;
    struct checkpoint_ref ref;
    struct sealed_db *object;
    sqlite3 *sql;
    struct base *base;
    bool lost;                    /* it cannot be used any more */
    struct checkpoint_base *next; /* of those that are not used any more; freed with the tree, for that waits for the loop */
};
int checkpoint_base_open(struct tree *, const struct checkpoint_ref *, struct checkpoint_base **ret) ATTR_WARN_UNUSED;
struct checkpoint_base *checkpoint_base_free(struct checkpoint_base *); /* NULL-safe; not on the loop */
/* A connection and its base. -EINPROGRESS: sealed_db_wait() with *sql, as it then is, and call again. */
int checkpoint_base_connect(struct checkpoint_base *, sqlite3 **sql, struct base **base) ATTR_WARN_UNUSED;
void checkpoint_base_attach(struct checkpoint_base *); /* fault_attach(); takes the tree lock */
struct fault_source;
struct fault_source checkpoint_base_source(struct checkpoint_base *); /* where it is b->tree's, its loss begins a rebuild */
/* At a start, without the lock: what DIR/checkpoint has of other bases goes. */
void checkpoint_base_remove_others(struct tree *);
/* Under the lock: kept until the tree is closed. NULL-safe. */
void checkpoint_base_retire(struct tree *, struct checkpoint_base *);

/* For rebuild.c. */
/* Not on the loop: C of b->tree, an empty database, becomes that of the checkpoint. -EINPROGRESS: sealed_db_wait() with b->sql, as it then is, and once more. */
int checkpoint_adopt(struct checkpoint_base *) ATTR_WARN_UNUSED;
/* The reference in the object of an entry; false: there is none. */
bool checkpoint_ref_of(struct tree *, uint64_t seq, const void *p, size_t n, struct checkpoint_ref *ret);

#endif
