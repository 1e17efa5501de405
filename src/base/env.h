/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What code that must also run in a simulation gets from outside: time, random numbers, and somewhere to
 * run. tree/, data/uploader and net/retry take a `struct env` and start no thread, read no clock and draw
 * no random number by any other way. base/loop.h makes the real one; tests/sim makes a virtual one.
 *
 * Threads: now_ns, mono_ns and random may be called from any thread. The loop is one thread at a time:
 * functions given to post() and timers run on it, one after another. work() runs its first function on a
 * worker thread, where blocking is allowed, and its second on the loop afterwards.
 */
#ifndef ASSETFS_ENV_H
#define ASSETFS_ENV_H

#include "base/base.h"

typedef void (*env_fn)(void *arg);

/* One-shot timer, owned by the caller, zero-initialised, who must cancel it before freeing it. */
struct env_timer {
    env_fn fn;
    void *arg;
    int64_t at;     /* mono_ns at which it fires; guarded by the environment */
    bool armed;     /* guarded by the environment */
    size_t slot;    /* place in the environment's heap; guarded by the environment */
};

struct env {
    /* Wall clock, ns since 1970-01-01 UTC. May jump. */
    int64_t (*now_ns)(struct env *);
    /* Monotonic clock, ns. Never jumps, stands still for nobody. */
    int64_t (*mono_ns)(struct env *);
    /* Fills buf with n unpredictable bytes. Never fails. */
    void (*random)(struct env *, void *buf, size_t n);
    /* Runs fn(arg) on the loop, soon, in the order of the calls. From any thread. */
    void (*post)(struct env *, env_fn fn, void *arg);
    /* Arms (or moves) a timer: t->fn(t->arg) runs on the loop once mono_ns() >= at. From any thread. */
    void (*timer_set)(struct env *, struct env_timer *t, int64_t at_mono_ns);
    /* Disarms. Called on the loop, it guarantees that fn does not run any more; harmless when not armed. */
    void (*timer_cancel)(struct env *, struct env_timer *t);
    /* Runs fn(arg) on a worker, where it may block, then done(arg) on the loop (done may be NULL). From any
     * thread. There is a bounded number of workers; the queue is not bounded, the caller is. */
    void (*work)(struct env *, env_fn fn, env_fn done, void *arg);
};

static inline int64_t env_now(struct env *e) {
    return e->now_ns(e);
}
static inline int64_t env_mono(struct env *e) {
    return e->mono_ns(e);
}
static inline void env_random(struct env *e, void *buf, size_t n) {
    e->random(e, buf, n);
}
static inline void env_post(struct env *e, env_fn fn, void *arg) {
    e->post(e, fn, arg);
}
static inline void env_timer_set(struct env *e, struct env_timer *t, int64_t at_mono_ns) {
    e->timer_set(e, t, at_mono_ns);
}
static inline void env_timer_cancel(struct env *e, struct env_timer *t) {
    e->timer_cancel(e, t);
}
static inline void env_work(struct env *e, env_fn fn, env_fn done, void *arg) {
    e->work(e, fn, done, arg);
}

#define NS_PER_MS ((int64_t)1000000)
#define NS_PER_S ((int64_t)1000000000)

#endif
