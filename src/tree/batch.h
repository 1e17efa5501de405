/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Batches: changes that must appear at once and do not fit an entry lie in an object of their own (assetfs-format(5), "Batch"), which is put before the entry that names it.
 *
 * Reading: follow_take() asks batch_open() for the changes. What is not here is fetched by who follows, and the entry taken once more. A batch that is missing, or is not what the entry says,
 * stops following before the entry: nothing is guessed.
 *
 * Writing: the sealed object is kept beside the entry in flight (struct inflight, and tree.db) until that is resolved.
 */
#ifndef ASSETFS_BATCH_H
#define ASSETFS_BATCH_H

#include "tree/state.h"

/* Under the lock: adds the changes of the entry's batch to its own. 0, also for an entry without one; -EINPROGRESS: batch_wait() or batch_fetch_here(), then once more;
 * -EBADE: it is damaged, following has stopped. */
int batch_open(struct tree *, struct entry *) ATTR_WARN_UNUSED;
/* A batch was asked for and is not here yet. Under the lock. */
bool batch_is_wanted(const struct tree *);
/* Without the lock: fetches it. ready() on the loop, 0 or why not; what cannot come right has stopped the tree. */
void batch_wait(struct tree *, void (*ready)(void *arg, int err), void *arg);
/* The same for a thread that may block. */
int batch_fetch_here(struct tree *, struct buf *why) ATTR_WARN_UNUSED;
/* The same for any entry, which nobody follows: blocks, not on the loop. 0; -EBADMSG: it is not what the entry says; errors of store_get_range(). */
int batch_read(struct tree *, struct entry *) ATTR_WARN_UNUSED;

/* Of the changes of an entry: into t->inflight, and into the entry what names it, instead of them. -EFBIG: above BATCH_MAX. */
int batch_seal(struct tree *, struct entry *) ATTR_WARN_UNUSED;
/* The key of a batch: malloc'd. */
char *batch_key(const char *prefix, const uint8_t digest[DIGEST_SIZE]);

#endif
