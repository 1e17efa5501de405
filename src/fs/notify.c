/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/notify.h"
#include "base/env.h"
#include <time.h>
#include <uthash.h>
#include <utlist.h>

/* An inode item has no name. */
struct item {
    struct item *prev, *next;
    UT_hash_handle hh;
    bool data; /* inode: cached pages too */
    size_t n;
    struct key {
        uint64_t ino; /* inode, or the name's directory */
        char name[];
    } key;
};

struct notify {
    struct notify_target target;
    size_t max;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;    /* items, overflow or stop changed */
    struct item *queue;     /* guarded by mutex: oldest first */
    struct item *table;     /* guarded by mutex: the same items by key */
    bool overflow, stopped; /* guarded by mutex */
    bool joined;            /* only notify_stop() and notify_free() */
};

/* An inode that is known here and unknown to the kernel is on its way in a reply that is just being sent. */
#define MAX_TRIES 6

static size_t key_size(size_t n) {
    return offsetof(struct key, name) + n;
}

static struct item *item_new(uint64_t ino, const char *name, size_t n) {
    struct item *it = xcalloc(1, sizeof *it + n + 1);
    it->key.ino = ino;
    it->n = n;
    if (n)
        memcpy(it->key.name, name, n);
    return it;
}

/* Under the mutex. Takes `it`. */
static void enqueue(struct notify *q, struct item *it) {
    struct item *there = NULL;
    HASH_FIND(hh, q->table, &it->key, key_size(it->n), there);
    if (there || q->stopped || HASH_COUNT(q->table) >= q->max) {
        if (there)
            there->data |= it->data;
        else if (!q->stopped)
            q->overflow = true;
        free(it);
    } else {
        HASH_ADD_KEYPTR(hh, q->table, &it->key, key_size(it->n), it);
        DL_APPEND(q->queue, it);
    }
    pthread_cond_signal(&q->wake);
}

static void remove_item(struct notify *q, struct item *it) {
    HASH_DEL(q->table, it);
    DL_DELETE(q->queue, it);
}

void notify_inode(struct notify *q, uint64_t ino, bool data) {
    struct item *it = item_new(ino, NULL, 0);
    it->data = data;
    SCOPE_LOCK(&q->mutex);
    enqueue(q, it);
}

void notify_entry(struct notify *q, uint64_t parent, const char *name, size_t n) {
    if (n == 0 || !q->target.known(q->target.arg, parent))
        return;
    struct item *it = item_new(parent, name, n), *listing = item_new(parent, NULL, 0);
    listing->data = true;
    SCOPE_LOCK(&q->mutex);
    enqueue(q, it);
    enqueue(q, listing);
}

static void send_inode(struct notify *q, struct item *it) {
    struct notify_target *t = &q->target;
    for (unsigned tries = 0; t->known(t->arg, it->key.ino); tries++) {
        if (t->inval_inode(t->arg, it->key.ino, it->data) != -ENOENT || tries == MAX_TRIES)
            return;
        nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS << tries}, NULL);
    }
}

static void send_item(struct notify *q, struct item *it) {
    if (it->n)
        q->target.inval_entry(q->target.arg, it->key.ino, it->key.name, it->n);
    else
        send_inode(q, it);
}

static void *run(void *arg) {
    struct notify *q = arg;
    pthread_mutex_lock(&q->mutex);
    while (!q->stopped) {
        struct item *it = q->queue;
        bool overflow = !it && q->overflow;
        if (it)
            remove_item(q, it);
        else if (overflow)
            q->overflow = false;
        else {
            pthread_cond_wait(&q->wake, &q->mutex);
            continue;
        }
        pthread_mutex_unlock(&q->mutex);
        if (it)
            send_item(q, it);
        else
            q->target.everything(q->target.arg);
        free(it);
        pthread_mutex_lock(&q->mutex);
    }
    pthread_mutex_unlock(&q->mutex);
    return NULL;
}

int notify_new(const struct notify_target *target, size_t max, struct notify **ret) {
    struct notify *q = xcalloc(1, sizeof *q);
    q->target = *target;
    q->max = max;
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->wake, NULL);
    int r = pthread_create(&q->thread, NULL, run, q);
    if (r) {
        q->joined = true;
        q->stopped = true;
        notify_free(q);
        return -r;
    }
    *ret = q;
    return 0;
}

int notify_stop(struct notify *q, int64_t timeout_ns) {
    if (q->joined)
        return 0;
    pthread_mutex_lock(&q->mutex);
    q->stopped = true;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->mutex);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t ns = until.tv_nsec + timeout_ns;
    until.tv_sec += ns / NS_PER_S;
    until.tv_nsec = ns % NS_PER_S;
    int r = pthread_timedjoin_np(q->thread, NULL, &until);
    q->joined = r == 0;
    return -r;
}

struct notify *notify_free(struct notify *q) {
    if (!q)
        return NULL;
    struct item *it, *next;
    DL_FOREACH_SAFE (q->queue, it, next) {
        remove_item(q, it);
        free(it);
    }
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->mutex);
    free(q);
    return NULL;
}
