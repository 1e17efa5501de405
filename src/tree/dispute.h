/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entries that were built on another tree than this one. The tree after an entry is what applying it change by change gives; the digest in it only tells that its writer, or this host, has a
 * damaged local state. This host looks at itself first (rebuild.h). Once it has read the journal from entry 1 and come to the tree it has, the writer is the one that is wrong: then the entry is
 * applied like any other (what does not fit is void alone), so are the next ones of that writer for a while, and this host goes on.
 *
 * The writer learns of it by the next entry that a healthy host commits. Where they only read, one that is sure of itself commits an entry without changes (an objection), at most one in
 * TRUSTED_NS: so two hosts that both believe to be right (a bug in a release) do not answer each other for ever, and each looks at itself once in that time.
 *
 * All of it under the tree lock; nothing here blocks.
 */
#ifndef ASSETFS_DISPUTE_H
#define ASSETFS_DISPUTE_H

#include "tree/state.h"

/* For so long a host that was sure of itself is not made to look again by the same writer, or by changes that do not fit. */
#define TRUSTED_NS (3600 * NS_PER_S)

/* The entry at t->seq + 1 was built on another tree. True: its writer is damaged, or was when it wrote this; false: nobody knows yet. */
bool dispute_is_theirs(const struct tree *, const struct entry *);
/* Such an entry is being applied (in the transaction), and was. */
int dispute_note(struct tree *, const struct entry *) ATTR_WARN_UNUSED;
void dispute_noted(struct tree *, const struct entry *);
/* An entry that was built on this tree was applied: another host's, or (ours) the one that was in flight. */
void dispute_agreed(struct tree *, const struct entry *, bool ours);
void dispute_free(struct tree *);

/* This tree is what the journal makes of it, from entry 1 up to t->seq. */
void dispute_proven(struct tree *);
/* What this host has written until now may have been built on a wrong tree: it does not look at itself for that again. */
void dispute_own(struct tree *);

/* Somebody should hear of this host's tree; and whether it is time for an entry that says nothing else. */
void dispute_object(struct tree *);
bool dispute_wants_entry(const struct tree *);

/* In the meta table: how many entries of the journal were built on another tree, and which was the last. */
#define DISPUTE_ENTRIES "damaged_entries"
#define DISPUTE_LAST "damaged_last"

#endif
