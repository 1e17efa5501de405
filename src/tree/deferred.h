/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A merge that waits (rules M4): another host changed the content of a file that programs here have open for writing. They go on with the version they opened, by the handle and by the
 * name, until the last of them has closed it, the last name is taken away, or the daemon starts again; then the merge decides, with what is confirmed by then. Meanwhile
 *
 *     row of P     has this host's bytes; of it only names and attributes are committed, never the content (deferred_shared())
 *     row of held  the record the handles were opened on: what our programs have seen
 *     copy         fsync, sync and the settle timer do not wait for the close: what is there then becomes a conflicted copy beside the file, which is committed; the last close brings the
 *                  copy up to date, unless somebody else has written it
 *
 * `since` of a row that has nothing left to be written out is ROW_CALM: nobody waits for it. rows_p_put() keeps that.
 *
 * All under the tree lock; what changes something does so in a transaction. 0 or a negative errno where nothing else is said.
 */
#ifndef ASSETFS_DEFERRED_H
#define ASSETFS_DEFERRED_H

#include "tree/rows.h"

#define ROW_CALM (ROW_LOCAL - 1)

/* Counts them: after opening, and after a transaction was rolled back. */
int deferred_load(struct tree *) ATTR_WARN_UNUSED;
bool deferred_is(struct tree *, uint64_t ino);
/* The record its handles were opened on: 1, 0: its merge does not wait. */
int deferred_seen(struct tree *, uint64_t ino, struct record *ret);
int deferred_begin(struct tree *, uint64_t ino, const struct record *seen) ATTR_WARN_UNUSED;
int deferred_end(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;
/* What of our record the others may be told: all but its content. */
void deferred_shared(struct record *, const struct record *confirmed);
/* What rows_p_put() makes of `since`. */
uint64_t deferred_since(struct tree *, uint64_t ino, const struct record *, const struct row_pending *);
/* The copy with what was saved last, if it still has that; 0: none. */
uint64_t deferred_copy(struct tree *, uint64_t ino);
/* If its bytes are durable and nowhere else: they become the copy. Whoever waited for them waits for the copy now. */
int deferred_save(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;
/* Decides what need not wait any more; not while an entry is in flight, for its fate decides with it, or before the rows it needs are here (fault.h): follow_after() comes back to it. In a
 * transaction of its own. */
void deferred_decide(struct tree *);

#endif
