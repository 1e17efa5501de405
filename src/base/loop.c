/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/loop.h"
#include <signal.h>
#include <sys/random.h>
#include <time.h>

#define MAX_WORKERS 64
/* A timer that is so late has not been waited for: the process stood still (SIGSTOP, a frozen cgroup, a suspended virtual machine). */
#define STOOD_STILL_NS (5 * NS_PER_S)

/* Work waits in `work` with fn and done, then in `posted` with done as fn. */
struct task {
    struct task *next;
    env_fn fn, done;
    void *arg;
};

struct queue {
    struct task *head, **tail; /* tail is NULL while the queue is empty */
};

/* One mutex guards everything that changes after loop_new(); it is never held while a caller's function runs.
 *
 *     running    loop_free() sets stopping
 *     stopping   timers do not fire any more; posted functions and work still run, those they start, too
 *     drained    nothing posted, no work queued or at work: the loop thread ends
 *     closed     loop_free(), after joining the loop: workers end
 */
struct loop {
    struct env env;
    pthread_t thread, workers[MAX_WORKERS];
    bool has_thread;
    unsigned n_workers;
    pthread_mutex_t mutex;
    pthread_cond_t wake;      /* the loop: posted, an earlier timer, stopping, last work done */
    pthread_cond_t work_wake; /* workers: work, closed */
    struct queue posted, work;
    size_t working; /* tasks in a worker's hands */
    bool stopping, closed;
    struct env_timer **heap; /* binary heap, earliest first; heap[t->slot] == t */
    size_t n_timers, cap_timers;
};

static _Thread_local struct loop *current;

static struct loop *loop_of(struct env *e) {
    return container_of(e, struct loop, env);
}

static int64_t read_clock(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t real_now(struct env *e ATTR_UNUSED) {
    return read_clock(CLOCK_REALTIME);
}

static int64_t real_mono(struct env *e ATTR_UNUSED) {
    return read_clock(CLOCK_MONOTONIC);
}

static void real_random(struct env *e ATTR_UNUSED, void *buf, size_t n) {
    uint8_t *p = buf;
    while (n > 0) {
        ssize_t r = getrandom(p, n, 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            perror("assetfs: getrandom"); /* keys and nonces hang on it: no second best */
            abort();
        }
        p += r;
        n -= (size_t)r;
    }
}

static void push(struct queue *q, struct task *t) {
    t->next = NULL;
    if (q->tail)
        *q->tail = t;
    else
        q->head = t;
    q->tail = &t->next;
}

static struct task *pop(struct queue *q) {
    struct task *t = q->head;
    if (!t)
        return NULL;
    q->head = t->next;
    if (!q->head)
        q->tail = NULL;
    return t;
}

static struct task *task_new(env_fn fn, env_fn done, void *arg) {
    struct task *t = xmalloc(sizeof *t);
    *t = (struct task){.fn = fn, .done = done, .arg = arg};
    return t;
}

static void real_post(struct env *e, env_fn fn, void *arg) {
    struct loop *l = loop_of(e);
    struct task *t = task_new(fn, NULL, arg);
    SCOPE_LOCK(&l->mutex);
    push(&l->posted, t);
    pthread_cond_signal(&l->wake);
}

static void real_work(struct env *e, env_fn fn, env_fn done, void *arg) {
    struct loop *l = loop_of(e);
    struct task *t = task_new(fn, done, arg);
    SCOPE_LOCK(&l->mutex);
    push(&l->work, t);
    pthread_cond_signal(&l->work_wake);
}

static void heap_place(struct loop *l, size_t slot, struct env_timer *t) {
    l->heap[slot] = t;
    t->slot = slot;
}

static void heap_up(struct loop *l, struct env_timer *t) {
    size_t slot = t->slot;
    while (slot > 0 && l->heap[(slot - 1) / 2]->at > t->at) {
        heap_place(l, slot, l->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    heap_place(l, slot, t);
}

static void heap_down(struct loop *l, struct env_timer *t) {
    size_t slot = t->slot;
    for (size_t child; (child = 2 * slot + 1) < l->n_timers; slot = child) {
        if (child + 1 < l->n_timers && l->heap[child + 1]->at < l->heap[child]->at)
            child++;
        if (l->heap[child]->at >= t->at)
            break;
        heap_place(l, slot, l->heap[child]);
    }
    heap_place(l, slot, t);
}

static void heap_remove(struct loop *l, struct env_timer *t) {
    struct env_timer *last = l->heap[--l->n_timers];
    t->armed = false;
    if (last == t)
        return;
    heap_place(l, t->slot, last);
    heap_up(l, last);
    heap_down(l, last);
}

static void heap_insert(struct loop *l, struct env_timer *t) {
    if (l->n_timers == l->cap_timers) {
        l->cap_timers = MAX(2 * l->cap_timers, 16);
        l->heap = xrealloc(l->heap, l->cap_timers * sizeof *l->heap);
    }
    t->armed = true;
    heap_place(l, l->n_timers++, t);
    heap_up(l, t);
}

static void real_timer_set(struct env *e, struct env_timer *t, int64_t at) {
    struct loop *l = loop_of(e);
    SCOPE_LOCK(&l->mutex);
    if (t->armed)
        heap_remove(l, t);
    t->at = at;
    heap_insert(l, t);
    if (l->heap[0] == t)
        pthread_cond_signal(&l->wake);
}

static void real_timer_cancel(struct env *e, struct env_timer *t) {
    struct loop *l = loop_of(e);
    SCOPE_LOCK(&l->mutex);
    if (t->armed)
        heap_remove(l, t);
}

/* Called, and returns, with the mutex held; gives it up while what was posted before the call runs. */
static void run_posted(struct loop *l) {
    struct queue batch = l->posted;
    l->posted = (struct queue){0};
    pthread_mutex_unlock(&l->mutex);
    for (struct task *t; (t = pop(&batch));) {
        t->fn(t->arg);
        free(t);
    }
    pthread_mutex_lock(&l->mutex);
}

/* As run_posted(). One timer at a time: each may cancel the next. Stops when something is posted, so that a
 * timer that always sets itself anew starves nobody. */
static void run_timers(struct loop *l) {
    int64_t now = real_mono(&l->env);
    while (!l->stopping && l->n_timers > 0 && l->heap[0]->at <= now) {
        struct env_timer *t = l->heap[0];
        env_fn fn = t->fn;
        void *arg = t->arg;
        heap_remove(l, t);
        pthread_mutex_unlock(&l->mutex);
        fn(arg); /* may free t */
        pthread_mutex_lock(&l->mutex);
        if (l->posted.head)
            return;
    }
}

/* Until the first timer is due. Time in which the process stood still is taken from no timer: whoever waits for an answer has waited for one only while somebody could
 * hear it. With the mutex held. */
static void wait_for_timer(struct loop *l, int64_t since) {
    int64_t due = l->heap[0]->at;
    struct timespec at = {.tv_sec = due / NS_PER_S, .tv_nsec = (long)(due % NS_PER_S)};
    pthread_cond_timedwait(&l->wake, &l->mutex, &at);
    int64_t now = real_mono(&l->env);
    if (now - due <= STOOD_STILL_NS)
        return;
    for (size_t i = 0; i < l->n_timers; i++) /* all by the same, so that the heap stays one */
        l->heap[i]->at += now - since;
}

/* With the mutex held; false when the loop has nothing left to do for ever. */
static bool wait_for_something(struct loop *l) {
    if (l->posted.head)
        return true;
    if (l->stopping) {
        if (!l->work.head && l->working == 0)
            return false;
        pthread_cond_wait(&l->wake, &l->mutex);
    } else if (l->n_timers == 0) {
        pthread_cond_wait(&l->wake, &l->mutex);
    } else {
        int64_t now = real_mono(&l->env);
        if (l->heap[0]->at > now)
            wait_for_timer(l, now);
    }
    return true;
}

static void *loop_main(void *arg) {
    struct loop *l = arg;
    current = l;
    pthread_setname_np(pthread_self(), "assetfs-loop");
    SCOPE_LOCK(&l->mutex);
    while (wait_for_something(l)) {
        run_posted(l);
        run_timers(l);
    }
    return NULL;
}

static void *worker_main(void *arg) {
    struct loop *l = arg;
    pthread_setname_np(pthread_self(), "assetfs-worker");
    SCOPE_LOCK(&l->mutex);
    for (;;) {
        struct task *t = pop(&l->work);
        if (!t && l->closed)
            return NULL;
        if (!t) {
            pthread_cond_wait(&l->work_wake, &l->mutex);
            continue;
        }
        l->working++;
        pthread_mutex_unlock(&l->mutex);
        t->fn(t->arg);
        pthread_mutex_lock(&l->mutex);
        l->working--;
        t->fn = t->done;
        if (t->fn)
            push(&l->posted, t);
        else
            free(t);
        pthread_cond_signal(&l->wake);
    }
}

/* Signals are for the main thread. */
static int start_threads(struct loop *l, unsigned workers) {
    sigset_t all, saved;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    int r = pthread_create(&l->thread, NULL, loop_main, l);
    l->has_thread = r == 0;
    while (r == 0 && l->n_workers < workers) {
        r = pthread_create(&l->workers[l->n_workers], NULL, worker_main, l);
        if (r == 0)
            l->n_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    return -r;
}

static void init_conditions(struct loop *l) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &attr);
    pthread_cond_init(&l->work_wake, &attr);
    pthread_condattr_destroy(&attr);
}

int loop_new(unsigned workers, struct loop **ret) {
    if (workers < 1 || workers > MAX_WORKERS)
        return -EINVAL;
    struct loop *l = xcalloc(1, sizeof *l);
    l->env = (struct env){
        .now_ns = real_now,
        .mono_ns = real_mono,
        .random = real_random,
        .post = real_post,
        .timer_set = real_timer_set,
        .timer_cancel = real_timer_cancel,
        .work = real_work,
    };
    pthread_mutex_init(&l->mutex, NULL);
    init_conditions(l);
    int r = start_threads(l, workers);
    if (r < 0) {
        loop_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

static void stop_loop(struct loop *l) {
    SCOPE_LOCK(&l->mutex);
    l->stopping = true;
    pthread_cond_signal(&l->wake);
}

static void stop_workers(struct loop *l) {
    SCOPE_LOCK(&l->mutex);
    l->closed = true;
    pthread_cond_broadcast(&l->work_wake);
}

struct loop *loop_free(struct loop *l) {
    if (!l)
        return NULL;
    stop_loop(l);
    if (l->has_thread)
        pthread_join(l->thread, NULL);
    stop_workers(l);
    for (unsigned i = 0; i < l->n_workers; i++)
        pthread_join(l->workers[i], NULL);
    for (size_t i = 0; i < l->n_timers; i++)
        l->heap[i]->armed = false;
    free(l->heap);
    pthread_cond_destroy(&l->wake);
    pthread_cond_destroy(&l->work_wake);
    pthread_mutex_destroy(&l->mutex);
    free(l);
    return NULL;
}

struct env *loop_env(struct loop *l) {
    return &l->env;
}

bool loop_is_current(struct loop *l) {
    return current == l;
}
