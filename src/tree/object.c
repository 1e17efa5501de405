/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/object.h"
#include "base/digest.h"
#include "tree/entry.h"

struct batch {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    size_t left; /* guarded by lock */
};

struct one {
    struct batch *batch;
    struct object_get *fetch;
};

static void batch_init(struct batch *b, size_t n) {
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->cond, NULL);
    b->left = n;
}

static void batch_wait(struct batch *b) {
    pthread_mutex_lock(&b->lock);
    while (b->left)
        pthread_cond_wait(&b->cond, &b->lock);
    pthread_mutex_unlock(&b->lock);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->cond);
}

static void batch_done(struct batch *b) {
    SCOPE_LOCK(&b->lock);
    if (--b->left == 0)
        pthread_cond_signal(&b->cond);
}

static void got_one(void *arg, const struct store_got *got) {
    struct one *o = arg;
    struct object_get *f = o->fetch;
    f->cached = got->cached;
    f->err = got->err == -ERANGE ? 0 : got->err; /* an empty object is there */
    if (got->err == 0)
        f->err = buf_append(&f->data, got->data, MIN(got->len, f->data.max)); /* what is larger is no entry, whatever it holds */
    else if (got->why)
        f->why = xstrdup(got->why);
    batch_done(o->batch);
}

void object_get_all(struct store *s, struct object_get *list, size_t n, bool probe) {
    struct batch b;
    struct one *ones = xcalloc(n, sizeof *ones);
    batch_init(&b, n);
    for (size_t i = 0; i < n; i++) {
        ones[i] = (struct one){&b, &list[i]};
        list[i].data = BUF_INIT(list[i].max ? list[i].max : ENTRY_MAX + 1);
        store_get_range(s, list[i].key, 0, probe ? 1 : 0, STORE_FRESH, got_one, &ones[i]);
    }
    batch_wait(&b);
    free(ones);
}

void object_gets_free(struct object_get *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(list[i].key);
        free(list[i].why);
        buf_free(&list[i].data);
    }
}

int object_get(struct store *s, const char *key, struct buf *ret, struct buf *why) {
    struct object_get f = {.key = xstrdup(key), .max = ret->max};
    object_get_all(s, &f, 1, false);
    int r = f.err == 0 ? buf_append(ret, f.data.data, f.data.len) : f.err;
    if (f.why && why)
        buf_append_str(why, f.why);
    object_gets_free(&f, 1);
    return r;
}

struct pause {
    struct batch batch;
    struct env_timer timer;
};

static void pause_over(void *arg) {
    batch_done(arg);
}

void object_wait(struct env *env, int64_t ns) {
    struct pause p = {.timer = {.fn = pause_over, .arg = &p.batch}};
    batch_init(&p.batch, 1);
    env_timer_set(env, &p.timer, env_mono(env) + ns);
    batch_wait(&p.batch);
}

struct put_one {
    struct batch batch;
    int err;
    struct buf *why;
};

static void put_done(void *arg, int err, const char *why) {
    struct put_one *p = arg;
    p->err = err;
    if (why && p->why)
        buf_append_str(p->why, why);
    batch_done(&p->batch);
}

int object_put(struct store *s, const char *key, const void *p, size_t n, struct buf *why) {
    struct put_one one = {.why = why};
    struct store_put put = {.key = key, .bytes = p, .size = n};
    digest_of(p, n, put.sha256);
    batch_init(&one.batch, 1);
    store_put_if_absent(s, &put, put_done, &one);
    batch_wait(&one.batch);
    return one.err;
}
