/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim_env.h"

#include <dlfcn.h>

struct event {
    int64_t at;
    uint64_t order; /* of those at one time */
    struct sim_host *host;
    struct env_timer *timer; /* or fn, arg, done */
    env_fn fn, done;
    void *arg;
};

struct sim_host {
    struct env env; /* first */
    struct sim *sim;
    struct sim_host *next;
    int64_t skew, last_post;
    bool frozen;
    struct event *parked; /* while frozen */
    size_t n_parked;
};

struct sim {
    uint64_t random;
    int64_t mono;
    int64_t post_ns, work_ns;
    uint64_t order, events;
    struct event *heap;
    size_t n, cap;
    struct sim_host *hosts;
    void (*probe)(void *arg, struct env *);
    void *probe_arg;
};

static struct sim *the_world;

/* Random numbers: splitmix64 */

void sim_reseed(struct sim *s, uint64_t seed) {
    s->random = seed;
}

uint64_t sim_random(struct sim *s) {
    uint64_t z = (s->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim *s, uint64_t n) {
    return n ? sim_random(s) % n : 0;
}

bool sim_chance(struct sim *s, unsigned per_mille) {
    return sim_below(s, 1000) < per_mille;
}

/* The queue: a heap by (time, order). A timer that moved or was cancelled leaves an event behind that does nothing (fn is NULL). */

static bool before(const struct event *a, const struct event *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct sim *s, struct event e) {
    if (s->n == s->cap) {
        s->cap = MAX(64, 2 * s->cap);
        s->heap = xrealloc(s->heap, s->cap * sizeof *s->heap);
    }
    size_t i = s->n++;
    e.order = s->order++;
    for (; i > 0 && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = e;
}

static struct event pop(struct sim *s) {
    struct event first = s->heap[0], last = s->heap[--s->n];
    size_t i = 0, child;
    for (; (child = 2 * i + 1) < s->n; i = child) {
        if (child + 1 < s->n && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return first;
}

/* The environment */

static struct sim_host *host_of(struct env *e) {
    return container_of(e, struct sim_host, env);
}

static void probe(struct env *e) {
    struct sim *s = host_of(e)->sim;
    if (s->probe)
        s->probe(s->probe_arg, e);
}

static int64_t host_now(struct env *e) {
    struct sim_host *h = host_of(e);
    return SIM_NOW - SIM_MONO + h->sim->mono + h->skew;
}

static int64_t host_mono(struct env *e) {
    return host_of(e)->sim->mono;
}

static void host_random(struct env *e, void *buf, size_t n) {
    unsigned char *p = buf;
    probe(e);
    while (n > 0) {
        uint64_t v = sim_random(host_of(e)->sim);
        size_t k = MIN(n, sizeof v);
        memcpy(p, &v, k);
        p += k;
        n -= k;
    }
}

static void host_post(struct env *e, env_fn fn, void *arg) {
    struct sim_host *h = host_of(e);
    struct sim *s = h->sim;
    probe(e);
    int64_t at = s->mono + (int64_t)sim_below(s, (uint64_t)s->post_ns + 1);
    h->last_post = at = MAX(at, h->last_post); /* in the order of the calls */
    push(s, (struct event){.at = at, .host = h, .fn = fn, .arg = arg});
}

static void host_work(struct env *e, env_fn fn, env_fn done, void *arg) {
    struct sim_host *h = host_of(e);
    struct sim *s = h->sim;
    probe(e);
    push(s, (struct event){.at = s->mono + (int64_t)sim_below(s, (uint64_t)s->work_ns + 1),
                           .host = h,
                           .fn = fn,
                           .done = done,
                           .arg = arg});
}

static void forget_timer(struct event *list, size_t n, const struct env_timer *t) {
    for (size_t i = 0; i < n; i++)
        if (list[i].timer == t)
            list[i].timer = NULL, list[i].fn = NULL;
}

/* Its owner may free it after this: its event must not look at it any more. */
static void host_timer_cancel(struct env *e, struct env_timer *t) {
    struct sim_host *h = host_of(e);
    if (!t->armed)
        return;
    t->armed = false;
    forget_timer(h->sim->heap, h->sim->n, t);
    forget_timer(h->parked, h->n_parked, t);
}

static void host_timer_set(struct env *e, struct env_timer *t, int64_t at) {
    struct sim_host *h = host_of(e);
    probe(e);
    host_timer_cancel(e, t);
    t->at = at;
    t->armed = true;
    push(h->sim, (struct event){.at = MAX(at, h->sim->mono), .host = h, .timer = t, .fn = t->fn, .arg = t->arg});
}

struct env *sim_env_new(struct sim *s, int64_t skew_ns) {
    struct sim_host *h = xcalloc(1, sizeof *h);
    h->env = (struct env){.now_ns = host_now,
                          .mono_ns = host_mono,
                          .random = host_random,
                          .post = host_post,
                          .timer_set = host_timer_set,
                          .timer_cancel = host_timer_cancel,
                          .work = host_work};
    h->sim = s;
    h->skew = skew_ns;
    h->next = s->hosts;
    s->hosts = h;
    return &h->env;
}

void sim_env_skew(struct env *e, int64_t skew_ns) {
    host_of(e)->skew = skew_ns;
}

void sim_env_freeze(struct env *e) {
    host_of(e)->frozen = true;
}

bool sim_env_is_frozen(struct env *e) {
    return host_of(e)->frozen;
}

void sim_env_thaw(struct env *e) {
    struct sim_host *h = host_of(e);
    h->frozen = false;
    for (size_t i = 0; i < h->n_parked; i++) {
        struct event ev = h->parked[i];
        ev.at = h->sim->mono;
        push(h->sim, ev);
    }
    free(h->parked);
    h->parked = NULL;
    h->n_parked = 0;
}

static void park(struct sim_host *h, const struct event *e) {
    h->parked = xrealloc(h->parked, (h->n_parked + 1) * sizeof *h->parked);
    h->parked[h->n_parked++] = *e;
}

/* The world */

struct sim *sim_new(uint64_t seed) {
    struct sim *s = xcalloc(1, sizeof *s);
    s->random = seed * 0x9e3779b97f4a7c15u + 1;
    s->mono = SIM_MONO;
    the_world = s;
    return s;
}

struct sim *sim_free(struct sim *s) {
    if (!s)
        return NULL;
    for (struct sim_host *h = s->hosts, *next; h; h = next) {
        next = h->next;
        free(h->parked);
        free(h);
    }
    free(s->heap);
    free(s);
    the_world = NULL;
    return NULL;
}

void sim_delays(struct sim *s, int64_t post_ns, int64_t work_ns) {
    s->post_ns = post_ns;
    s->work_ns = work_ns;
}

void sim_after(struct sim *s, int64_t ns, env_fn fn, void *arg) {
    push(s, (struct event){.at = s->mono + ns, .fn = fn, .arg = arg});
}

int64_t sim_mono(struct sim *s) {
    return s->mono;
}

uint64_t sim_events(struct sim *s) {
    return s->events;
}

void sim_set_probe(struct sim *s, void (*fn)(void *arg, struct env *), void *arg) {
    s->probe = fn;
    s->probe_arg = arg;
}

bool sim_step(struct sim *s) {
    while (s->n) {
        struct event e = pop(s);
        if (!e.fn)
            continue;
        if (e.host && e.host->frozen) {
            park(e.host, &e);
            continue;
        }
        s->mono = MAX(s->mono, e.at);
        s->events++;
        if (e.timer)
            e.timer->armed = false;
        e.fn(e.arg);
        if (e.done)
            host_post(&e.host->env, e.done, e.arg);
        return true;
    }
    return false;
}

/* The first event that will do something. */
static const struct event *first(struct sim *s) {
    while (s->n) {
        const struct event *e = &s->heap[0];
        if (e->fn && !(e->host && e->host->frozen))
            return e;
        struct event gone = pop(s);
        if (gone.fn && gone.host && gone.host->frozen)
            park(gone.host, &gone);
    }
    return NULL;
}

void sim_run_one(struct sim *s, int64_t end) {
    const struct event *e = first(s);
    if (e && e->at <= end)
        sim_step(s);
    else
        s->mono = MAX(s->mono, end);
}

void sim_run(struct sim *s, int64_t ns) {
    int64_t end = s->mono + ns;
    for (const struct event *e; (e = first(s)) && e->at <= end;)
        sim_step(s);
    s->mono = MAX(s->mono, end);
}

bool sim_run_until(struct sim *s, const bool *flag, int64_t max_ns) {
    int64_t end = s->mono + max_ns;
    for (const struct event *e; !*flag && (e = first(s)) && e->at <= end;)
        sim_step(s);
    return *flag;
}

/* Waiting */

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex) {
    if (!the_world) {
        int (*real)(pthread_cond_t *, pthread_mutex_t *);
        void *found = dlsym(RTLD_NEXT, "pthread_cond_wait");
        memcpy(&real, &found, sizeof real);
        return real(cond, mutex);
    }
    pthread_mutex_unlock(mutex);
    if (!sim_step(the_world)) {
        fprintf(stderr, "sim: somebody waits, and nothing can happen any more\n");
        abort();
    }
    pthread_mutex_lock(mutex);
    return 0;
}
