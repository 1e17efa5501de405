/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/answer.h"
#include "fs/reply.h"

/* Three meet here: the thread that began it, the completion (on that thread or on the loop), and the
 * interrupt, which comes on any thread and is therefore carried to the loop. Whoever sets `replied` replies;
 * the others must not touch the request.
 *
 * refs: one of the beginner's until answer_started(), one of the completion's, one of the interrupt's on its
 * way. A completion that is cancelled will not run: its reference is then the interrupt's as well. */
struct answer {
    struct session *session;
    fuse_req_t req;
    pthread_mutex_t mutex;
    struct tree_wait *wait;                       /* guarded by mutex */
    bool started, interrupted, replied, finished; /* guarded by mutex */
    int refs;                                     /* guarded by mutex */
};

static void unref(struct answer *a, int n) {
    pthread_mutex_lock(&a->mutex);
    int left = a->refs -= n;
    pthread_mutex_unlock(&a->mutex);
    if (left == 0) {
        pthread_mutex_destroy(&a->mutex);
        free(a);
    }
}

/* No interrupt comes any more after the first line, and none is still using the request. */
static void reply(struct answer *a, int err) {
    fuse_req_interrupt_func(a->req, NULL, NULL);
    reply_err(a->req, err);
}

/* On the loop, after answer_started(): the completion has run, or it can be kept from running. */
static void give_up(void *arg) {
    struct answer *a = arg;
    pthread_mutex_lock(&a->mutex);
    bool mine = !a->replied, cancel = !a->finished && a->wait;
    a->replied = true;
    pthread_mutex_unlock(&a->mutex);
    if (mine)
        reply(a, -EINTR);
    if (cancel)
        tree_sync_cancel(a->session->tree, a->wait);
    unref(a, cancel ? 2 : 1);
}

/* Under the mutex. */
static void carry_to_loop(struct answer *a) {
    if (!a->interrupted || !a->started || a->finished)
        return;
    a->refs++;
    env_post(a->session->env, give_up, a);
}

/* libfuse calls it at most once, and may still hold the request: it must not be replied here. */
static void on_interrupt(fuse_req_t req ATTR_UNUSED, void *arg) {
    struct answer *a = arg;
    SCOPE_LOCK(&a->mutex);
    if (a->interrupted)
        return;
    a->interrupted = true;
    carry_to_loop(a);
}

struct answer *answer_new(struct session *s, fuse_req_t req) {
    struct answer *a = xcalloc(1, sizeof *a);
    a->session = s;
    a->req = req;
    a->refs = 2;
    pthread_mutex_init(&a->mutex, NULL);
    fuse_req_interrupt_func(req, on_interrupt, a);
    return a;
}

void answer_done(void *arg, int err) {
    struct answer *a = arg;
    pthread_mutex_lock(&a->mutex);
    bool mine = !a->replied;
    a->replied = a->finished = true;
    pthread_mutex_unlock(&a->mutex);
    if (mine)
        reply(a, err);
    unref(a, 1);
}

void answer_started(struct answer *a, struct tree_wait *wait) {
    pthread_mutex_lock(&a->mutex);
    a->started = true;
    a->wait = wait;
    carry_to_loop(a);
    pthread_mutex_unlock(&a->mutex);
    unref(a, 1);
}
