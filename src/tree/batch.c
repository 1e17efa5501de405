/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/batch.h"
#include "base/log.h"
#include "tree/object.h"
#include <inttypes.h>

#define CONTEXT "batch"

char *batch_key(const char *prefix, const uint8_t digest[DIGEST_SIZE]) {
    char hex[DIGEST_HEX_SIZE];
    digest_hex(digest, hex);
    return xasprintf("%s/batch/%s", prefix, hex);
}

/* Reading */

static bool is_it(const struct batch_ref *want, const void *p, size_t n) {
    uint8_t digest[DIGEST_SIZE];
    if (n != want->size)
        return false;
    digest_of(p, n, digest);
    return !memcmp(digest, want->digest, DIGEST_SIZE);
}

static int stop(struct tree *t, uint64_t seq, const char *what) {
    tree_stop(t,
              "the changes of journal entry %" PRIu64
              " lie in a batch that %s. This host stops following before it; restore "
              "the object in the bucket",
              seq, what);
    return -EBADE;
}

int batch_open(struct tree *t, struct entry *e) {
    struct batch_want *w = &t->batch;
    CLEANUP_BUF struct buf plain = BUF_INIT(BATCH_MAX);
    const struct buf *bytes = &w->bytes;
    if (!e->batch.size)
        return 0;
    if (t->inflight.active && is_it(&e->batch, t->inflight.batch.data, t->inflight.batch.len))
        bytes = &t->inflight.batch;
    else if (!is_it(&e->batch, bytes->data, bytes->len)) {
        buf_free(&w->bytes);
        w->ref = e->batch;
        w->seq = e->sequence;
        w->wanted = true;
        return -EINPROGRESS;
    }
    int r = unseal(t->cfg.keys, CONTEXT, bytes->data, bytes->len, &plain);
    if (r == 0)
        r = entry_add_changes(e, plain.data, plain.len);
    w->wanted = false;
    if (r == 0)
        return 0;
    buf_free(&w->bytes);
    return stop(t, e->sequence, "is sealed under another key or damaged");
}

bool batch_is_wanted(const struct tree *t) {
    return t->batch.wanted;
}

/* Under the lock: what was read. Past caches, and the object was there before the entry: what is missing is
 * given the time that caches remember, no more. */
static int take_bytes(struct tree *t, int err, const void *p, size_t n) {
    struct batch_want *w = &t->batch;
    int64_t now = env_mono(t->env);
    bool wrong = err == 0 && !is_it(&w->ref, p, n);
    if (err == 0 && !wrong) {
        w->bytes = BUF_INIT(BATCH_MAX);
        w->failing_since = 0;
        w->wanted = false;
        return buf_append(&w->bytes, p, n);
    }
    if (!wrong && err != -ENOENT)
        return err;
    if (!w->failing_since)
        w->failing_since = now;
    if (now - w->failing_since < t->cfg.reader->absence_ns)
        return -EIO;
    return stop(t, w->seq, wrong ? "is not what the entry says" : "is not in the bucket");
}

int batch_read(struct tree *t, struct entry *e) {
    CLEANUP_BUF struct buf data = BUF_INIT(BATCH_MAX), plain = BUF_INIT(BATCH_MAX);
    if (!e->batch.size)
        return 0;
    CLEANUP_FREE char *key = batch_key(t->cfg.prefix, e->batch.digest);
    int r = object_get(t->cfg.reader, key, &data, NULL);
    if (r == 0 && !is_it(&e->batch, data.data, data.len))
        r = -EBADMSG;
    if (r == 0)
        r = unseal(t->cfg.keys, CONTEXT, data.data, data.len, &plain);
    return r < 0 ? r : entry_add_changes(e, plain.data, plain.len);
}

struct fetch {
    struct tree *tree;
    void (*ready)(void *arg, int err);
    void *arg;
};

static void fetched(void *arg, const struct store_got *got) {
    struct fetch *f = arg;
    struct tree *t = f->tree;
    tree_lock(t);
    int r = t->closing ? -EINTR : take_bytes(t, got->err, got->data, got->len);
    tree_unlock(t);
    f->ready(f->arg, r);
    tree_lock(t);
    tree_release(t);
    tree_unlock(t);
    free(f);
}

void batch_wait(struct tree *t, void (*ready)(void *arg, int err), void *arg) {
    struct fetch *f = xmalloc(sizeof *f);
    *f = (struct fetch){t, ready, arg};
    tree_lock(t);
    CLEANUP_FREE char *key = batch_key(t->cfg.prefix, t->batch.ref.digest);
    tree_hold(t);
    tree_unlock(t);
    store_get_range(t->cfg.reader, key, 0, 0, STORE_FRESH, fetched, f);
}

int batch_fetch_here(struct tree *t, struct buf *why) {
    int64_t until = env_mono(t->env) + t->cfg.reader->absence_ns + t->cfg.timeout_ns;
    tree_lock(t);
    CLEANUP_FREE char *key = batch_key(t->cfg.prefix, t->batch.ref.digest);
    tree_unlock(t);
    for (;;) {
        CLEANUP_BUF struct buf data = BUF_INIT(BATCH_MAX), said = BUF_INIT(65536);
        int r = object_get(t->cfg.reader, key, &data, &said);
        tree_lock(t);
        r = take_bytes(t, r, data.data, data.len);
        bool over = r == 0 || t->stopped || env_mono(t->env) >= until;
        tree_unlock(t);
        if (over) {
            if (r < 0)
                buf_printf(why, "%s cannot be read: %s", key, said.len ? buf_str(&said) : strerror(-r));
            return r;
        }
        object_wait(t->env, NS_PER_S / 2);
    }
}

/* Writing */

int batch_seal(struct tree *t, struct entry *e) {
    CLEANUP_BUF struct buf plain = BUF_INIT(BATCH_MAX - SEAL_OVERHEAD);
    struct inflight *f = &t->inflight;
    uint8_t salt[SEAL_SALT_SIZE];
    entry_encode_changes(e, &plain);
    if (plain.err)
        return plain.err;
    env_random(t->env, salt, sizeof salt);
    f->batch = BUF_INIT(BATCH_MAX);
    int r = seal(t->cfg.keys, salt, CONTEXT, plain.data, plain.len, &f->batch);
    if (r < 0)
        return r;
    e->batch.size = f->batch.len;
    digest_of(f->batch.data, f->batch.len, e->batch.digest);
    e->changes = NULL; /* the caller's */
    e->n_changes = 0;
    return 0;
}
