/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/brake.h"
#include <utlist.h>

#define PAUSE_MIN_NS (125 * NS_PER_MS)
#define PAUSE_MAX_NS (5 * NS_PER_S)
#define PAUSE_DOUBLINGS 6
/* With so many at once there is no limit any more. */
#define FREE_FROM 64

struct brake {
    struct env *env;
    unsigned running;
    unsigned limit; /* how many may be; 0: any number */
    unsigned refusals; /* pauses in a row that ended in another refusal */
    int64_t not_before; /* the end of the pause, mono_ns */
    struct brake_wait *urgent, *waiting;
    struct env_timer timer;
    bool stopped;
};

static void on_timer(void *arg);

struct brake *brake_new(struct env *env) {
    struct brake *b = xcalloc(1, sizeof *b);
    b->env = env;
    b->timer = (struct env_timer){.fn = on_timer, .arg = b};
    return b;
}

struct brake *brake_free(struct brake *b) {
    if (b)
        env_timer_cancel(b->env, &b->timer);
    free(b);
    return NULL;
}

static struct brake_wait **queue_of(struct brake *b, const struct brake_wait *w) {
    return w->urgent ? &b->urgent : &b->waiting;
}

static void leave(struct brake *b, struct brake_wait *w, int err) {
    struct brake_wait **queue = queue_of(b, w);
    DL_DELETE(*queue, w);
    if (err == 0)
        b->running++;
    w->go(w->arg, err);
}

static bool may_go(const struct brake *b) {
    return b->limit == 0 || (b->running < b->limit && env_mono(b->env) >= b->not_before);
}

static void expire(struct brake *b, struct brake_wait **queue) {
    struct brake_wait *w, *next;
    int64_t now = env_mono(b->env);
    DL_FOREACH_SAFE (*queue, w, next)
        if (now >= w->deadline)
            leave(b, w, -ETIMEDOUT);
}

static int64_t first_deadline(const struct brake_wait *queue, int64_t at) {
    for (; queue; queue = queue->next)
        at = MIN(at, queue->deadline);
    return at;
}

/* While the limit is reached, the end of what is under way goes on with the queue. */
static void set_timer(struct brake *b) {
    env_timer_cancel(b->env, &b->timer);
    int64_t at = first_deadline(b->urgent, first_deadline(b->waiting, INT64_MAX));
    if ((b->urgent || b->waiting) && b->running < b->limit)
        at = MIN(at, b->not_before);
    if (at < INT64_MAX)
        env_timer_set(b->env, &b->timer, at);
}

static void pump(struct brake *b) {
    struct brake_wait *w;
    while ((w = b->urgent ? b->urgent : b->waiting) && may_go(b))
        leave(b, w, 0);
    set_timer(b);
}

static void on_timer(void *arg) {
    struct brake *b = arg;
    expire(b, &b->urgent);
    expire(b, &b->waiting);
    pump(b);
}

void brake_ask(struct brake *b, struct brake_wait *w) {
    if (b->stopped) {
        w->go(w->arg, -ECANCELED);
    } else if (b->limit == 0) {
        b->running++;
        w->go(w->arg, 0);
    } else {
        struct brake_wait **queue = queue_of(b, w);
        DL_APPEND(*queue, w);
        pump(b);
    }
}

static int64_t pause_of(struct brake *b) {
    uint64_t random;
    int64_t most = MIN(PAUSE_MIN_NS << MIN(b->refusals, PAUSE_DOUBLINGS), PAUSE_MAX_NS);
    env_random(b->env, &random, sizeof random);
    return most / 2 + (int64_t)(random % (uint64_t)(most / 2 + 1));
}

static void refused(struct brake *b) {
    int64_t now = env_mono(b->env);
    b->limit = 1;
    if (now < b->not_before)
        return; /* it was under way when another one was refused */
    b->not_before = now + pause_of(b);
    b->refusals++;
}

static void answered(struct brake *b) {
    b->refusals = 0;
    b->limit *= 2;
    if (b->limit >= FREE_FROM)
        b->limit = 0;
}

void brake_end(struct brake *b, enum brake_end how) {
    b->running--;
    if (how == BRAKE_REFUSED)
        refused(b);
    else if (how == BRAKE_ANSWERED && b->limit)
        answered(b);
    if (b->urgent || b->waiting)
        pump(b);
}

void brake_stop(struct brake *b) {
    b->stopped = true;
    while (b->urgent || b->waiting)
        leave(b, b->urgent ? b->urgent : b->waiting, -ECANCELED);
    env_timer_cancel(b->env, &b->timer);
}
