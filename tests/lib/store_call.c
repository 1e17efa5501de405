/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_call.h"
#include "base/digest.h"

static void finish(struct call *c, int err, const char *why) {
    c->err = err;
    c->why = why ? xstrdup(why) : NULL;
    c->done++;
    if (c->then)
        c->then(c);
}

static void put_done(void *arg, int err, const char *why) {
    finish(arg, err, why);
}

void call_put_fd(struct call *c, struct store *s, const char *key, int fd, uint64_t n,
                 const uint8_t sha256[DIGEST_SIZE]) {
    c->key = xstrdup(key);
    c->put.key = c->key;
    c->put.fd = fd;
    c->put.size = n;
    memcpy(c->put.sha256, sha256, DIGEST_SIZE);
    store_put_if_absent(s, &c->put, put_done, c);
}

void call_put(struct call *c, struct store *s, const char *key, const void *bytes, size_t n) {
    uint8_t sha256[DIGEST_SIZE];
    digest_of(bytes, n, sha256);
    c->put.bytes = bytes;
    call_put_fd(c, s, key, -1, n, sha256);
}

static void get_done(void *arg, const struct store_got *got) {
    struct call *c = arg;
    if (got->err == 0) {
        c->data = xcalloc(1, got->len + 1);
        if (got->len)
            memcpy(c->data, got->data, got->len);
        c->len = got->len;
        c->total = got->total;
    }
    finish(c, got->err, got->why);
}

void call_get(struct call *c, struct store *s, const char *key, uint64_t off, uint64_t len) {
    store_get_range(s, key, off, len, 0, get_done, c);
}

static void list_each(void *arg, const char *key, uint64_t size, int err) {
    struct call *c = arg;
    if (!key) {
        finish(c, err, NULL);
        return;
    }
    size_t n = strlen(key);
    c->data = xrealloc(c->data, c->len + n + 2);
    memcpy(c->data + c->len, key, n);
    memcpy(c->data + c->len + n, "\n", 2);
    c->len += n + 1;
    c->total += size;
}

void call_list(struct call *c, struct store *s, const char *prefix) {
    c->data = xcalloc(1, 1);
    s->ops->list(s, prefix, list_each, c);
}

void call_reset(struct call *c) {
    free(c->why);
    free(c->data);
    free(c->key);
    *c = (struct call){0};
}
