/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_env.h"

struct item {
    struct item *next;
    env_fn fn;
    env_fn done; /* of a work: queued when fn has returned */
    void *arg;
};

struct fake_env {
    struct env env; /* first: a struct env * is a struct fake_env * */
    pthread_mutex_t lock;
    /* guarded by lock */
    int64_t now, mono;
    uint64_t random;
    struct item *head, **tail;
    size_t queued;
    struct env_timer **timers; /* armed, in no order; timer->slot is its index */
    size_t n_timers, cap_timers;
};

static struct fake_env *fake_of(struct env *e) {
    return container_of(e, struct fake_env, env);
}

static int64_t fake_now(struct env *e) {
    struct fake_env *f = fake_of(e);
    SCOPE_LOCK(&f->lock);
    return f->now;
}

static int64_t fake_mono(struct env *e) {
    struct fake_env *f = fake_of(e);
    SCOPE_LOCK(&f->lock);
    return f->mono;
}

/* splitmix64 */
static uint64_t next_random(struct fake_env *f) {
    uint64_t z = (f->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fake_random(struct env *e, void *buf, size_t n) {
    struct fake_env *f = fake_of(e);
    unsigned char *p = buf;
    SCOPE_LOCK(&f->lock);
    while (n > 0) {
        uint64_t v = next_random(f);
        size_t k = MIN(n, sizeof v);
        memcpy(p, &v, k);
        p += k;
        n -= k;
    }
}

static void enqueue(struct fake_env *f, env_fn fn, env_fn done, void *arg) {
    struct item *it = xmalloc(sizeof *it);
    *it = (struct item){.fn = fn, .done = done, .arg = arg};
    SCOPE_LOCK(&f->lock);
    *f->tail = it;
    f->tail = &it->next;
    f->queued++;
}

static void fake_post(struct env *e, env_fn fn, void *arg) {
    enqueue(fake_of(e), fn, NULL, arg);
}

static void fake_work(struct env *e, env_fn fn, env_fn done, void *arg) {
    enqueue(fake_of(e), fn, done, arg);
}

static void disarm(struct fake_env *f, struct env_timer *t) {
    if (!t->armed)
        return;
    struct env_timer *last = f->timers[--f->n_timers];
    f->timers[t->slot] = last;
    last->slot = t->slot;
    t->armed = false;
}

static void fake_timer_set(struct env *e, struct env_timer *t, int64_t at) {
    struct fake_env *f = fake_of(e);
    SCOPE_LOCK(&f->lock);
    t->at = at;
    if (t->armed)
        return;
    if (f->n_timers == f->cap_timers) {
        f->cap_timers = f->cap_timers ? 2 * f->cap_timers : 8;
        f->timers = xrealloc(f->timers, f->cap_timers * sizeof *f->timers);
    }
    t->slot = f->n_timers;
    t->armed = true;
    f->timers[f->n_timers++] = t;
}

static void fake_timer_cancel(struct env *e, struct env_timer *t) {
    struct fake_env *f = fake_of(e);
    SCOPE_LOCK(&f->lock);
    disarm(f, t);
}

struct fake_env *fake_env_new(void) {
    struct fake_env *f = xcalloc(1, sizeof *f);
    f->env = (struct env){.now_ns = fake_now,
                          .mono_ns = fake_mono,
                          .random = fake_random,
                          .post = fake_post,
                          .timer_set = fake_timer_set,
                          .timer_cancel = fake_timer_cancel,
                          .work = fake_work};
    pthread_mutex_init(&f->lock, NULL);
    f->now = FAKE_ENV_NOW;
    f->mono = FAKE_ENV_MONO;
    f->tail = &f->head;
    return f;
}

struct fake_env *fake_env_free(struct fake_env *f) {
    if (!f)
        return NULL;
    for (struct item *it = f->head, *next; it; it = next) {
        next = it->next;
        free(it);
    }
    free(f->timers);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return NULL;
}

struct env *fake_env(struct fake_env *f) {
    return &f->env;
}

bool fake_env_run_one(struct fake_env *f) {
    struct item *it;
    {
        SCOPE_LOCK(&f->lock);
        it = f->head;
        if (!it)
            return false;
        f->head = it->next;
        if (!f->head)
            f->tail = &f->head;
        f->queued--;
    }
    it->fn(it->arg);
    if (it->done)
        enqueue(f, it->done, NULL, it->arg);
    free(it);
    return true;
}

/* The earliest armed timer; lock held. */
static struct env_timer *first_timer(struct fake_env *f) {
    struct env_timer *first = NULL;
    for (size_t i = 0; i < f->n_timers; i++)
        if (!first || f->timers[i]->at < first->at)
            first = f->timers[i];
    return first;
}

/* Fires one timer that is due. */
static bool fire_one(struct fake_env *f) {
    env_fn fn;
    void *arg;
    {
        SCOPE_LOCK(&f->lock);
        struct env_timer *t = first_timer(f);
        if (!t || t->at > f->mono)
            return false;
        disarm(f, t);
        fn = t->fn;
        arg = t->arg;
    }
    fn(arg);
    return true;
}

size_t fake_env_run(struct fake_env *f) {
    size_t n = 0;
    while (fake_env_run_one(f) || fire_one(f))
        n++;
    return n;
}

/* Moves to the next timer, or to `end` if none is before it. False: was at the end already. */
static bool step(struct fake_env *f, int64_t end) {
    SCOPE_LOCK(&f->lock);
    if (f->mono >= end)
        return false;
    struct env_timer *t = first_timer(f);
    int64_t to = t && t->at < end ? MAX(t->at, f->mono) : end;
    f->now += to - f->mono;
    f->mono = to;
    return true;
}

void fake_env_advance(struct fake_env *f, int64_t ns) {
    int64_t end = fake_mono(&f->env) + ns;
    do
        fake_env_run(f);
    while (step(f, end));
}

bool fake_env_run_until(struct fake_env *f, const bool *flag, int64_t max_ns) {
    int64_t end = fake_mono(&f->env) + max_ns;
    for (;;) {
        while (!(flag && *flag) && (fake_env_run_one(f) || fire_one(f)))
            ;
        if ((flag && *flag) || (fake_env_queued(f) == 0 && fake_env_next_timer(f) < 0))
            return true;
        if (!step(f, end))
            return false;
    }
}

void fake_env_skip(struct fake_env *f, int64_t ns) {
    SCOPE_LOCK(&f->lock);
    f->now += ns;
    f->mono += ns;
}

void fake_env_set_now(struct fake_env *f, int64_t now_ns) {
    SCOPE_LOCK(&f->lock);
    f->now = now_ns;
}

void fake_env_seed(struct fake_env *f, uint64_t seed) {
    SCOPE_LOCK(&f->lock);
    f->random = seed;
}

size_t fake_env_queued(struct fake_env *f) {
    SCOPE_LOCK(&f->lock);
    return f->queued;
}

int64_t fake_env_next_timer(struct fake_env *f) {
    SCOPE_LOCK(&f->lock);
    struct env_timer *t = first_timer(f);
    return t ? t->at : -1;
}
