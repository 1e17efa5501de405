/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The volume's state (assetfs-format(5), "VOLUME STATE") as this host sees it: what it has set and not committed yet (p_state), over what the journal says (c_state).
 *
 * A pending edit rides in the next entry, as a change of its own. It outlives a restart and a lost race: it is a value that a key is to have, and what stood there before is looked up when an
 * entry is built, so that of two hosts that set one key the later counts.
 *
 * All under the tree lock; what writes does so in a transaction. 0 or a negative errno, 1 where it says so.
 */
#ifndef ASSETFS_VOLUME_STATE_H
#define ASSETFS_VOLUME_STATE_H

#include "tree/entry.h"
#include "tree/state.h"

/* The key becomes item (encoded CBOR), or goes: NULL. */
int volume_state_set(struct tree *, const char *key, const void *item, size_t n) ATTR_WARN_UNUSED;
/* 1: there, appended; 0: not. */
int volume_state_get(struct tree *, const char *key, struct buf *ret) ATTR_WARN_UNUSED;
/* Each key of the view that begins so, ascending; arguments are valid during the call. */
int volume_state_each(struct tree *, const char *begins, int (*each)(void *arg, const char *key, const void *item, size_t n), void *arg) ATTR_WARN_UNUSED;

/* For commit.c: appends to the changes of the next entry those of pending edits. */
int volume_state_build(struct tree *, struct change **list, size_t *n) ATTR_WARN_UNUSED;
/* In the transaction that applied an entry, ours or another's: what C says by now is pending no more. ours: built from edits up to operation op. */
int volume_state_applied(struct tree *, const struct entry *, bool ours, uint64_t op) ATTR_WARN_UNUSED;

#endif
