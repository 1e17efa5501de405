/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The real environment (base/env.h): one loop thread with a timer heap, and a pool of worker threads.
 *
 * loop_new() starts the threads; call it after daemonizing. loop_free() runs what was posted before it,
 * waits for workers to finish what they have, drops armed timers, and joins. It must not be called on
 * the loop.
 *
 * When the whole process has stood still for more than some seconds (SIGSTOP, a suspended machine), every timer is later by that: the time counts for no timeout.
 */
#ifndef ASSETFS_LOOP_H
#define ASSETFS_LOOP_H

#include "base/env.h"

struct loop;

/* workers: 1..64 threads for env_work(). Returns 0 or a negative errno (-EAGAIN: no more threads). */
int loop_new(unsigned workers, struct loop **ret) ATTR_WARN_UNUSED;
struct loop *loop_free(struct loop *); /* NULL-safe; returns NULL */
struct env *loop_env(struct loop *) ATTR_NONNULL;
/* True when called on the loop thread: for assertions. */
bool loop_is_current(struct loop *) ATTR_NONNULL;

#endif
