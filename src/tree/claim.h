/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Waiting for a session: a host that has none claims it with an entry at its first change (commit.c), and until the bucket has that entry no number can be given out. Calls that come meanwhile
 * wait, as long as the bucket is only in trouble; they are refused when it refuses.
 *
 * Two ways, both under the tree lock: a call that can be made again fails with -EINPROGRESS, as if rows were missing (fault.h), and fault_wait() or claim_wait() says when; the few others stand
 * and wait (tree_writable()), but not many at a time, for they hold threads that the rest of the mount needs.
 */
#ifndef ASSETFS_TREE_CLAIM_H
#define ASSETFS_TREE_CLAIM_H

#include "tree/state.h"

struct claim_waiter;

/* 0: this host may change the tree; -EROFS: it may not, or the bucket has just refused an entry; -EINPROGRESS: it has no session yet, which is wanted from now on: fault_wait(), on the same
 * thread, then again. */
int claim_need(struct tree *) ATTR_WARN_UNUSED;
/* Whether it was that for which this thread's last call failed with -EINPROGRESS. Forgets it. */
bool claim_is_noted(const struct tree *);
/* ready(arg, 0) on the loop when asking again may help; ready(arg, -EIO) if that takes longer than timeout_ns (0: for ever). tree_close() waits until it has returned. Under the lock. */
void claim_wait(struct tree *, int64_t timeout_ns, void (*ready)(void *arg, int err), void *arg);
/* There is a session, or will not be: everybody who waits asks again. Under the lock. */
void claim_ended(struct tree *);
/* Somebody waits for one. */
bool claim_is_waited_for(const struct tree *);

#endif
