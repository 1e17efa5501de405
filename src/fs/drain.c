/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/drain.h"
#include "tree/area_set.h"
#include <time.h>

#define STEP_NS (100 * NS_PER_MS)

struct drain {
    struct tree *tree;
    struct tree_wait *wait;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done, cancelled; /* guarded by mutex */
    int err;              /* guarded by mutex */
};

static void on_done(void *arg, int err) {
    struct drain *d = arg;
    SCOPE_LOCK(&d->mutex);
    d->done = true;
    d->err = err;
    pthread_cond_signal(&d->changed);
}

/* On the loop, where on_done() runs: it has run or will not. */
static void cancel(void *arg) {
    struct drain *d = arg;
    pthread_mutex_lock(&d->mutex);
    bool done = d->done;
    pthread_mutex_unlock(&d->mutex);
    if (!done && d->wait)
        tree_sync_cancel(d->tree, d->wait);
    SCOPE_LOCK(&d->mutex);
    d->cancelled = true;
    pthread_cond_signal(&d->changed);
}

/* Under the mutex. Waits at most ns. */
static void wait_step(struct drain *d, int64_t ns) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t sum = until.tv_nsec + ns;
    until.tv_sec += sum / NS_PER_S;
    until.tv_nsec = sum % NS_PER_S;
    pthread_cond_timedwait(&d->changed, &d->mutex, &until);
}

static bool wait_done(struct drain *d, int64_t ns) {
    SCOPE_LOCK(&d->mutex);
    if (!d->done && ns > 0)
        wait_step(d, ns);
    return d->done;
}

static bool tell(struct drain *d, drain_progress progress, void *arg) {
    struct tree_status st;
    if (!progress)
        return true;
    tree_status(d->tree, &st);
    bool go_on = progress(arg, &st);
    tree_status_free(&st);
    return go_on;
}

/* tree_sync() has returned, so wait is set: the loop sees it by the post. */
static void cancel_and_wait(struct drain *d, struct env *env) {
    env_post(env, cancel, d);
    SCOPE_LOCK(&d->mutex);
    while (!d->cancelled)
        pthread_cond_wait(&d->changed, &d->mutex);
}

typedef struct tree_wait *(*begin_fn)(struct tree *, void (*done)(void *arg, int err), void *arg);

static int wait_for(begin_fn begin, struct tree *tree, struct env *env, int64_t timeout_ns, drain_progress progress, void *arg) {
    struct drain d = {.tree = tree};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d.changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&d.mutex, NULL);
    int64_t began = env_mono(env), left = timeout_ns;
    int r = 0;
    d.wait = begin(tree, on_done, &d);
    while (r == 0 && !wait_done(&d, timeout_ns < 0 ? STEP_NS : MIN(left, STEP_NS))) {
        left = timeout_ns - (env_mono(env) - began);
        if (timeout_ns >= 0 && left <= 0)
            r = -ETIMEDOUT;
        else if (!tell(&d, progress, arg))
            r = -ECANCELED;
    }
    if (r < 0)
        cancel_and_wait(&d, env);
    if (d.done)
        r = d.err;
    pthread_mutex_destroy(&d.mutex);
    pthread_cond_destroy(&d.changed);
    return r;
}

int drain_wait(struct tree *tree, struct env *env, int64_t timeout_ns, drain_progress progress, void *arg) {
    return wait_for(tree_sync, tree, env, timeout_ns, progress, arg);
}

static struct tree_wait *begin_state(struct tree *tree, void (*done)(void *arg, int err), void *arg) {
    struct tree_wait *w = tree_state_sync(tree, done, arg);
    if (!w)
        done(arg, 0);
    return w;
}

int drain_wait_state(struct tree *tree, struct env *env, int64_t timeout_ns) {
    return wait_for(begin_state, tree, env, timeout_ns, NULL, NULL);
}
