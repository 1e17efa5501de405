/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A world in virtual time, for simulations and for tests of code that waits: any number of environments (base/env.h, one a host)
 * share one clock, one source of random numbers and one queue of events, and everything runs in the calling thread, one event
 * after another, in an order that follows from the seed alone.
 *
 *     struct sim *sim = sim_new(seed);
 *     struct env *env = sim_env_new(sim, 0);
 *     r = tree_start(tree, &why);             waits: events run meanwhile
 *     sim_run(sim, 5 * NS_PER_S);             five seconds pass
 *
 * Code that waits for a condition variable waits here for ever, for there is no other thread. So this file replaces
 * pthread_cond_wait() for the program that links it: while a world exists, a wait runs the next event and returns (a wait may
 * always return early). A program in which nothing can happen any more and that waits ends with a message.
 *
 * work(): its function runs in one piece at a virtual time of its own; works overtake one another as those of a pool do.
 */
#ifndef ASSETFS_TESTS_SIM_ENV_H
#define ASSETFS_TESTS_SIM_ENV_H

#include "base/env.h"

/* The wall clock when a world begins: 2023-11-14T22:13:20Z; and its monotonic time. */
#define SIM_NOW ((int64_t)1700000000 * NS_PER_S)
#define SIM_MONO ((int64_t)1000 * NS_PER_S)

struct sim;

/* One world at a time. */
struct sim *sim_new(uint64_t seed);
/* Forgets what has not run yet. After the environments' users are gone. NULL-safe; returns NULL. */
struct sim *sim_free(struct sim *);
/* Posts and works take up to so long; 0 (the beginning): they run at once, in their order. */
void sim_delays(struct sim *, int64_t post_ns, int64_t work_ns);

/* skew: how far its wall clock is off. Freed with the world. */
struct env *sim_env_new(struct sim *, int64_t skew_ns);
void sim_env_skew(struct env *, int64_t skew_ns);
/* Nothing of this environment runs any more, until it is thawed: a killed process whose memory is to be freed later. */
void sim_env_freeze(struct env *);
void sim_env_thaw(struct env *);
bool sim_env_is_frozen(struct env *);

/* Runs fn(arg) after so much time, whatever becomes of a host. */
void sim_after(struct sim *, int64_t ns, env_fn fn, void *arg);

int64_t sim_mono(struct sim *);
/* The random numbers go on from here. */
void sim_reseed(struct sim *, uint64_t seed);
uint64_t sim_random(struct sim *);
uint64_t sim_below(struct sim *, uint64_t n);               /* 0..n-1 */
bool sim_chance(struct sim *, unsigned per_mille);

bool sim_step(struct sim *);                                /* the next event; false: there is none */
void sim_run(struct sim *, int64_t ns);                     /* so much time passes */
/* The next event, if it is not after `end`; else it becomes that late. */
void sim_run_one(struct sim *, int64_t end_mono_ns);
/* Until *flag; false: max_ns passed first, or nothing is left to happen. */
bool sim_run_until(struct sim *, const bool *flag, int64_t max_ns);
uint64_t sim_events(struct sim *);                          /* how many have run */

/* Called at every call into an environment (a post, a timer, a random number, a clock): where a process can be killed that is in the middle of
 * something. May be NULL. */
void sim_set_probe(struct sim *, void (*probe)(void *arg, struct env *), void *arg);

#endif
