/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Waiting until everything written here is durable, with a limit, from a thread that may block.
 */
#ifndef ASSETFS_DRAIN_H
#define ASSETFS_DRAIN_H

#include "tree/tree.h"

/* Called about ten times a second while it waits; false gives up. */
typedef bool (*drain_progress)(void *arg, const struct tree_status *);

/* Waits at most timeout_ns (< 0: without limit). 0: durable; -ETIMEDOUT: the limit was reached; -ECANCELED:
 * progress gave up; or the error that the wait ended with. progress may be NULL. Not on the loop. */
int drain_wait(struct tree *, struct env *, int64_t timeout_ns, drain_progress progress, void *arg);
/* The same for the volume's state alone (areas, keys). */
int drain_wait_state(struct tree *, struct env *, int64_t timeout_ns);

#endif
