/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An environment (base/env.h) for unit tests: the clock stands still unless it is told to move, random
 * numbers come from a seed, and nothing runs but inside fake_env_run() and its relatives, in the calling
 * thread. Works are queued like posts and run in the same order, their `done` after them as one more item at
 * the end of the queue.
 *
 *     struct fake_env *fake = fake_env_new();
 *     thing_start(thing, fake_env(fake), done, &result);
 *     fake_env_run(fake);                      everything that can run now
 *     fake_env_advance(fake, 5 * NS_PER_S);    five seconds pass, timers fire in their order
 *     fake_env_free(fake);
 *
 * post, timers, work and the clocks may be used from any thread (one mutex inside); run by one thread at a
 * time.
 */
#ifndef ASSETFS_TESTS_FAKE_ENV_H
#define ASSETFS_TESTS_FAKE_ENV_H

#include "base/env.h"

/* The clocks at birth: 2023-11-14T22:13:20Z, and 1000 s of monotonic time. */
#define FAKE_ENV_NOW ((int64_t)1700000000 * NS_PER_S)
#define FAKE_ENV_MONO ((int64_t)1000 * NS_PER_S)

struct fake_env;

struct fake_env *fake_env_new(void);
/* Forgets what is still queued or armed. NULL-safe; returns NULL. */
struct fake_env *fake_env_free(struct fake_env *);
struct env *fake_env(struct fake_env *);

/* Runs what is queued, what that queues, and timers that are due, until nothing can run at this time. Returns
 * how many ran. */
size_t fake_env_run(struct fake_env *);
/* Runs one queued item (due timers are not looked at). False: there was none. */
bool fake_env_run_one(struct fake_env *);
/* Time passes: runs what can run, then moves from timer to timer up to now + ns, running in between. */
void fake_env_advance(struct fake_env *, int64_t ns);
/* As fake_env_advance, but stops as soon as nothing is queued and no timer is armed, or `*flag` is true (flag
 * may be NULL). Returns false when `max_ns` passed first. */
bool fake_env_run_until(struct fake_env *, const bool *flag, int64_t max_ns);

/* Moves both clocks without running anything. */
void fake_env_skip(struct fake_env *, int64_t ns);
/* The wall clock alone jumps. */
void fake_env_set_now(struct fake_env *, int64_t now_ns);
/* The random sequence begins anew. */
void fake_env_seed(struct fake_env *, uint64_t seed);
size_t fake_env_queued(struct fake_env *);
/* mono_ns of the first armed timer, -1 if none. */
int64_t fake_env_next_timer(struct fake_env *);

#endif
