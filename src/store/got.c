/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/got.h"
#include "base/buf.h"
#include "store/refusal.h"

bool got_cached(const struct http_response *r) {
    const char *cache = http_header(r, "x-cache"), *age = http_header(r, "age");
    return (cache && strcasestr(cache, "hit")) || (age && strtol(age, NULL, 10) > 0);
}

static struct bytes *keep_body(const void *whose) {
    return http_keep_body(whose);
}

int got_no_answer(int http_err) {
    return http_err == -ETIMEDOUT ? -ETIMEDOUT : -EIO;
}

/* A length that is not what it must be: a broken answer, or a page that is not the object. */
static int odd(struct buf *why, const char *key, const char *what) {
    buf_printf(why, "the answer for %s %s", key, what);
    return -EIO;
}

static int read_whole(const struct http_response *r, const char *key, struct store_got *ret,
                      struct buf *why) {
    if (r->status != 200)
        return odd(why, key, "is a part of an object, but all of it was asked for");
    if (r->total != UINT64_MAX && r->total != r->len)
        return odd(why, key, "is shorter than it says itself");
    ret->total = r->len;
    return 0;
}

/* 206, or a 200 that was cut to the range. */
static int read_range(const struct http_response *r, const char *key, uint64_t off, uint64_t len,
                      struct store_got *ret, struct buf *why) {
    if (r->status == 206 && !r->ranged)
        return odd(why, key, "is another range than the one that was asked for");
    if (r->total == UINT64_MAX)
        return odd(why, key, "does not say how large the object is");
    ret->total = r->total;
    if (off >= r->total) {
        buf_printf(why, "the object at %s has %llu bytes, and bytes from %llu on were asked for", key,
                   (unsigned long long)r->total, (unsigned long long)off);
        return -ERANGE;
    }
    if (r->len != MIN(len, r->total - off))
        return odd(why, key, "has another length than its range");
    return 0;
}

static int refused(const struct http_response *r, const char *key, struct buf *why) {
    struct refusal refusal;
    refusal_read(r, REFUSAL_GET, &refusal);
    int err = refusal_errno(&refusal);
    refusal_explain(&refusal, key, why);
    refusal_free(&refusal);
    return err;
}

void got_read(const struct http_response *r, const char *key, uint64_t off, uint64_t len,
              struct store_got *ret, struct buf *why) {
    *ret = (struct store_got){0};
    if (r->err == -EMSGSIZE && len == 0) {
        buf_printf(why, "the object at %s is too large to be read at once", key);
        ret->err = -EINVAL;
    } else if (r->err < 0) {
        buf_printf(why, "%s", r->why ? r->why : strerror(-r->err));
        ret->err = got_no_answer(r->err);
    } else {
        ret->cached = got_cached(r);
        ret->err = r->status != 200 && r->status != 206 ? refused(r, key, why)
                   : len == 0                           ? read_whole(r, key, ret, why)
                                                        : read_range(r, key, off, len, ret, why);
    }
    if (ret->err == 0) {
        ret->data = r->body;
        ret->len = r->len;
        ret->keep = keep_body;
        ret->whose = r;
    }
    ret->why = ret->err < 0 ? buf_str(why) : NULL;
}
