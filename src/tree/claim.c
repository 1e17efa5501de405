/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/claim.h"
#include <time.h>
#include <utlist.h>

#define STAND_NS (10 * NS_PER_S)
#define REFUSED_FOR_NS (5 * NS_PER_S)
/* While a session is wanted the bucket is asked that often, whatever it has said. */
#define TRY_NS (2 * NS_PER_S)
/* Calls that may stand and wait at a time: the kernel's other requests need threads too. */
#define STANDING_MAX 2

struct claim_waiter {
    struct tree *tree;
    void (*ready)(void *, int);
    void *arg;
    bool ended; /* out of the list: call_ready() has it */
    struct env_timer timer;
    struct claim_waiter *prev, *next;
};

static _Thread_local const struct tree *noted;

static struct timespec monotonic_in(int64_t ns) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t at = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec + ns;
    return (struct timespec){at / NS_PER_S, at % NS_PER_S};
}

/* As claim_need(). since: when the call came, which is not answered by a refusal long before it. */
static int look(struct tree *t, int64_t since) {
    if (t->cfg.read_only || t->read_only || t->closing)
        return -EROFS;
    if (t->session && t->counter + COUNTER_SPARE < COUNTER_MAX)
        return 0;
    t->session_wanted = true;
    if (t->commit_armed && t->inflight.active && t->commit_at > env_mono(t->env) + TRY_NS)
        t->commit_armed = false; /* it was put off for longer than anybody stands and waits */
    commit_kick(t);
    return t->session_failed_at && since - t->session_failed_at < REFUSED_FOR_NS ? -EROFS : -EINPROGRESS;
}

static bool may_wait(const struct tree *t) {
    return t->cfg.timeout_ns > 0 && t->started;
}

int claim_need(struct tree *t) {
    int r = look(t, env_mono(t->env));
    if (r == -EINPROGRESS && !may_wait(t))
        return -EIO;
    if (r == -EINPROGRESS)
        noted = t;
    return r;
}

bool claim_is_noted(const struct tree *t) {
    bool yes = noted == t;
    noted = NULL;
    return yes;
}

bool claim_is_waited_for(const struct tree *t) {
    return t->claims || t->claims_standing;
}

int tree_writable(struct tree *t) {
    int64_t since = env_mono(t->env);
    struct timespec until = monotonic_in(MIN(t->cfg.timeout_ns, STAND_NS));
    int r, late = 0;
    while ((r = look(t, since)) == -EINPROGRESS) {
        if (late || !may_wait(t) || t->claims_standing >= STANDING_MAX)
            return -EIO;
        t->claims_standing++;
        late = pthread_cond_timedwait(&t->session_cond, &t->lock, &until);
        t->claims_standing--;
    }
    return r;
}

static void end(struct claim_waiter *w, int err) {
    struct tree *t = w->tree;
    env_timer_cancel(t->env, &w->timer);
    w->ready(w->arg, err);
    free(w);
    tree_lock(t);
    tree_release(t);
    tree_unlock(t);
}

static void expired(void *arg) {
    struct claim_waiter *w = arg;
    struct tree *t = w->tree;
    tree_lock(t);
    bool mine = !w->ended;
    if (mine)
        DL_DELETE(t->claims, w);
    tree_unlock(t);
    if (mine)
        end(w, -EIO);
}

void claim_wait(struct tree *t, int64_t timeout_ns, void (*ready)(void *arg, int err), void *arg) {
    struct claim_waiter *w = xcalloc(1, sizeof *w);
    *w = (struct claim_waiter){.tree = t, .ready = ready, .arg = arg, .timer = {.fn = expired, .arg = w}};
    tree_hold(t);
    DL_APPEND(t->claims, w);
    if (timeout_ns > 0)
        env_timer_set(t->env, &w->timer, env_mono(t->env) + timeout_ns);
    if (look(t, env_mono(t->env)) != -EINPROGRESS) /* it has come in between */
        claim_ended(t);
}

/* On the loop. */
static void call_ready(void *arg) {
    struct claim_waiter *ended = arg, *w, *next;
    DL_FOREACH_SAFE(ended, w, next) {
        end(w, 0);
    }
}

void claim_ended(struct tree *t) {
    struct claim_waiter *w;
    pthread_cond_broadcast(&t->session_cond);
    DL_FOREACH(t->claims, w) {
        w->ended = true;
    }
    if (t->claims)
        env_post(t->env, call_ready, t->claims);
    t->claims = NULL;
}
