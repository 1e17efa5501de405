/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Blocks being fetched: single flight, gets of neighbours together, checking, answering.
 */
#include "data/reader.h"
#include "base/log.h"
#include "data/reader_state.h"
#include <utlist.h>

#define BATCH_MAX ((uint64_t)16 << 20) /* one get, whatever the store would like */
#define GETS_DEFAULT 8

/* FNV-1a: two objects may hold the same content (another area, another extension); each is fetched by itself.
 */
static uint64_t hash_str(const char *s) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h;
}

void flight_key_of(const struct content *c, const uint8_t *digest, uint64_t block, struct flight_key *ret) {
    memset(ret, 0, sizeof *ret);
    memcpy(ret->id, c->id, DIGEST_SIZE);
    memcpy(ret->digest, digest, DIGEST_SIZE);
    ret->block = block;
    ret->object = hash_str(c->key);
}

unsigned *landed_of(struct reader *r, const uint8_t id[DIGEST_SIZE], uint64_t block) {
    return &r->landed[(id[0] + block) % LANDED_BUCKETS];
}

static struct flight *flight_find(struct reader *r, const struct flight_key *key) {
    struct flight *f;
    HASH_FIND(hh, r->flights, key, sizeof *key, f);
    return f;
}

/* ---- batches */

static bool batch_wanted(struct fetch *);
static void batch_got(struct fetch *, const struct store_got *);

static struct batch *batch_new(struct reader *r, struct content *c, uint64_t first, unsigned n,
                               unsigned flags) {
    struct batch *b = xcalloc(1, sizeof *b);
    b->reader = r;
    b->content = content_ref(c);
    b->first = first;
    b->n = b->left = n;
    b->flights = xcalloc(n, sizeof(struct flight *));
    b->len = MIN(n * BLOCK_SIZE, c->size - first * BLOCK_SIZE);
    b->fetch = (struct fetch){.store = r->cfg.store,
                              .key = b->content->key,
                              .off = first * BLOCK_SIZE,
                              .len = b->len,
                              .flags = flags,
                              .wanted = batch_wanted,
                              .done = batch_got};
    r->busy++;
    return b;
}

static void batch_enqueue(struct batch *b, enum batch_queue queue) {
    b->queue = queue;
    b->reader->queued += b->len;
    DL_APPEND(b->reader->queues[queue], b);
}

static void batch_dequeue(struct batch *b) {
    b->reader->queued -= b->len;
    DL_DELETE(b->reader->queues[b->queue], b);
}

static void batch_free(struct batch *b) {
    content_unref(b->content);
    free(b->flights);
    bytes_free(b->bytes);
    free(b);
}

/* Takes one that may start now, demanded ones first. lock held. */
static struct batch *batch_next(struct reader *r) {
    unsigned most = r->cfg.store->parallel_gets ? r->cfg.store->parallel_gets : GETS_DEFAULT;
    struct batch *b = r->queues[QUEUE_DEMAND] ? r->queues[QUEUE_DEMAND] : r->queues[QUEUE_AHEAD];
    if (!b || r->closing || r->n_under_way >= most || (r->memory > 0 && r->memory + b->len > FETCH_MEMORY))
        return NULL;
    batch_dequeue(b);
    b->under_way = true;
    r->n_under_way++;
    r->memory += b->len;
    DL_APPEND(r->under_way, b);
    return b;
}

void reader_pump(struct reader *r) {
    for (;;) {
        pthread_mutex_lock(&r->lock);
        struct batch *b = batch_next(r);
        pthread_mutex_unlock(&r->lock);
        if (!b)
            return;
        fetch_start(&b->fetch);
    }
}

/* All its flights are done. No lock held. */
static void batch_end(struct batch *b) {
    struct reader *r = b->reader;
    pthread_mutex_lock(&r->lock);
    r->n_under_way--;
    r->memory -= b->len;
    DL_DELETE(r->under_way, b);
    reader_settle(r);
    pthread_mutex_unlock(&r->lock);
    batch_free(b);
    reader_pump(r);
    reader_done_one(r);
}

/* lock held */
static bool batch_has_waiters(const struct batch *b) {
    for (unsigned i = 0; i < b->n; i++)
        if (b->flights[i] && b->flights[i]->waiters)
            return true;
    return false;
}

static bool batch_wanted(struct fetch *fetch) {
    struct batch *b = container_of(fetch, struct batch, fetch);
    SCOPE_LOCK(&b->reader->lock);
    b->failing = !b->reader->closing && batch_has_waiters(b);
    return b->failing;
}

/* On the loop, where batches end. */
static void flights_revive(void *arg) {
    struct reader *r = arg;
    struct batch *b;
    do {
        pthread_mutex_lock(&r->lock);
        r->reviving = false;
        for (b = r->under_way; b && !b->revived; b = b->next)
            ;
        if (b)
            b->revived = false;
        pthread_mutex_unlock(&r->lock);
        if (b)
            fetch_anew(&b->fetch);
    } while (b);
    reader_done_one(r);
}

/* Everybody who waited has given up, so what failed for them must not make the next one wait: the bucket may have come back since. lock held. */
static void batch_revive(struct batch *b) {
    struct reader *r = b->reader;
    b->revived = true;
    b->failing = false;
    if (r->reviving)
        return;
    r->reviving = true;
    r->busy++;
    env_post(r->cfg.env, flights_revive, r);
}

/* ---- answering */

/* The part of the block that the read asked for. */
static void overlap(const struct read *rd, uint64_t block, size_t len, size_t *from, size_t *n, size_t *to) {
    uint64_t start = block * BLOCK_SIZE;
    uint64_t lo = MAX(rd->off, start), hi = MIN(rd->off + rd->len, start + len);
    *from = (size_t)(lo - start);
    *n = (size_t)(hi - lo);
    *to = (size_t)(lo - rd->off);
}

/* Gives every waiter its bytes (err 0) or takes its read out. Reads that are complete are returned as a list:
 * what is left is to call them. lock held. */
static struct read *waiters_land(struct flight *f, int err, const uint8_t *data, size_t len) {
    struct read *complete = NULL;
    struct waiter *w;
    while ((w = f->waiters)) {
        struct read *rd = w->read;
        DL_DELETE(f->waiters, w);
        w->flight = NULL;
        w->got = true;
        rd->missing--;
        if (err == 0 && rd->n > 1) {
            size_t from, n, to;
            overlap(rd, f->key.block, len, &from, &n, &to);
            memcpy(rd->buf + to, data + from, n);
        }
        if (err < 0 || rd->missing == 0) {
            read_detach(rd);
            DL_APPEND(complete, rd);
        }
    }
    return complete;
}

/* No lock held. */
static void waiters_call(struct flight *f, struct read *complete, int err, const uint8_t *data) {
    struct read *rd, *tmp;
    DL_FOREACH_SAFE (complete, rd, tmp) {
        DL_DELETE(complete, rd);
        if (err < 0) {
            read_fail(rd, err);
            continue;
        }
        if (rd->n > 1)
            rd->done(rd->arg, 0, rd->buf, rd->len);
        else
            rd->done(rd->arg, 0, data + (rd->off - f->key.block * BLOCK_SIZE), rd->len);
        read_free(rd);
    }
}

/* Ends a flight; no lock held. */
static void flight_end(struct flight *f, int err, const uint8_t *data, size_t len) {
    struct batch *b = f->batch;
    struct reader *r = b->reader;
    pthread_mutex_lock(&r->lock);
    HASH_DEL(r->flights, f);
    b->flights[f->index] = NULL;
    if (err == 0)
        ++*landed_of(r, f->key.id, f->key.block);
    struct read *complete = waiters_land(f, err, data, len);
    bool last = --b->left == 0;
    pthread_mutex_unlock(&r->lock);
    waiters_call(f, complete, err, data);
    free(f);
    if (last)
        batch_end(b);
}

static void batch_fail(struct batch *b, int err) {
    unsigned n = b->n; /* b may go with its last flight */
    for (unsigned i = 0; i < n; i++)
        flight_end(b->flights[i], err, NULL, 0);
}

/* ---- what came */

static const uint8_t *flight_data(const struct flight *f) {
    return (const uint8_t *)f->batch->bytes->data + f->index * BLOCK_SIZE;
}

/* On the loop: the bytes are right, and whoever waits need not wait for the disk of the cache. Whoever comes
 * from now on waits for flight_checked(), which follows. */
static void flight_right(void *arg) {
    struct flight *f = arg;
    struct reader *r = f->batch->reader;
    const uint8_t *p = flight_data(f);
    pthread_mutex_lock(&r->lock);
    struct read *complete = waiters_land(f, 0, p, block_bytes(f->batch->content, f->key.block));
    pthread_mutex_unlock(&r->lock);
    waiters_call(f, complete, 0, p);
}

static bool flight_has_waiters(struct flight *f) {
    SCOPE_LOCK(&f->batch->reader->lock);
    return f->waiters != NULL;
}

static void flight_check(void *arg) {
    struct flight *f = arg;
    struct batch *b = f->batch;
    const uint8_t *p = flight_data(f);
    size_t len = block_bytes(b->content, f->key.block);
    uint8_t sum[DIGEST_SIZE];
    digest_of(p, len, sum);
    f->ok = memcmp(sum, f->key.digest, DIGEST_SIZE) == 0;
    if (f->ok && flight_has_waiters(f))
        env_post(b->reader->cfg.env, flight_right, f);
    if (f->ok)
        (void)block_cache_put(b->reader->cfg.cache, b->content, f->key.block, f->key.digest, p, len);
}

static void log_bad(const struct batch *b, const char *what) {
    log_error("%s: %s; twice, the second time past the caches. Not shown to anybody", b->content->key, what);
}

/* A block with wrong bytes gets a get of its own, past the caches. No lock held. */
static void flight_refetch(struct flight *f) {
    struct batch *old = f->batch;
    pthread_mutex_lock(&old->reader->lock);
    if (old->reader->closing) {
        pthread_mutex_unlock(&old->reader->lock);
        flight_end(f, -EINTR, NULL, 0);
        return;
    }
    struct batch *b = batch_new(old->reader, old->content, f->key.block, 1, STORE_FRESH);
    old->flights[f->index] = NULL;
    f->batch = b;
    f->index = 0;
    b->flights[0] = f;
    batch_enqueue(b, QUEUE_DEMAND);
    bool last = --old->left == 0;
    pthread_mutex_unlock(&old->reader->lock);
    if (last)
        batch_end(old); /* pumps */
    else
        reader_pump(old->reader);
}

static void flight_checked(void *arg) {
    struct flight *f = arg;
    struct batch *b = f->batch;
    if (f->ok) {
        flight_end(f, 0, flight_data(f), block_bytes(b->content, f->key.block));
    } else if (b->fetch.flags & STORE_FRESH) {
        log_bad(b, "the object's bytes are not those that its digest says");
        flight_end(f, -EIO, NULL, 0);
    } else {
        flight_refetch(f);
    }
}

static void batch_got(struct fetch *fetch, const struct store_got *got) {
    struct batch *b = container_of(fetch, struct batch, fetch);
    bool wrong_size =
        got->err == -ERANGE || (got->err == 0 && (got->len != b->len || got->total != b->content->size));
    if (wrong_size && !(fetch->flags & STORE_FRESH)) {
        fetch->flags |= STORE_FRESH;
        fetch_start(fetch);
        return;
    }
    if (wrong_size)
        log_bad(b, "the object's size is not what is recorded");
    if (wrong_size || got->err < 0) {
        batch_fail(b, wrong_size || got->err == -EINVAL ? -EIO : got->err);
        return;
    }
    b->bytes = store_got_keep(got);
    unsigned n = b->n;
    struct flight **flights = xmemdup(b->flights, n * sizeof *flights); /* b goes when the last is done */
    struct env *env = b->reader->cfg.env;
    for (unsigned i = 0; i < n; i++)
        env_work(env, flight_check, flight_checked, flights[i]);
    free(flights);
}

/* ---- making flights; lock held */

static struct flight *flight_new(struct batch *b, unsigned index, const struct flight_key *key) {
    struct reader *r = b->reader;
    struct flight *f = xcalloc(1, sizeof *f);
    f->key = *key;
    f->batch = b;
    f->index = index;
    b->flights[index] = f;
    HASH_ADD(hh, r->flights, key, sizeof f->key, f);
    counter_add(r->cfg.counters, COUNTER_CACHE_MISSES, 1);
    return f;
}

static unsigned batch_blocks(const struct reader *r) {
    uint64_t most = MIN(r->cfg.store->get_size, BATCH_MAX) / BLOCK_SIZE;
    return most ? (unsigned)most : 1;
}

/* Queues [first, first + n), none of them in flight, as one batch or several. */
static void queue_run(struct reader *r, struct content *c, const struct digest_table *t, uint64_t first,
                      unsigned n, enum batch_queue queue) {
    while (n > 0) {
        unsigned k = MIN(n, batch_blocks(r));
        struct batch *b = batch_new(r, c, first, k, 0);
        for (unsigned i = 0; i < k; i++) {
            struct flight_key key;
            flight_key_of(c, digest_at(c, t, first + i), first + i, &key);
            flight_new(b, i, &key);
        }
        batch_enqueue(b, queue);
        first += k;
        n -= k;
    }
}

/* Queues every run of blocks that are missing and not in flight. */
static void queue_missing(struct reader *r, struct content *c, const struct digest_table *t, uint64_t first,
                          unsigned n, const bool *missing, enum batch_queue queue) {
    unsigned run = 0;
    for (unsigned i = 0; i <= n; i++) {
        struct flight_key key;
        bool wanted = i < n && missing[i];
        if (wanted)
            flight_key_of(c, digest_at(c, t, first + i), first + i, &key);
        if (wanted && !flight_find(r, &key)) {
            run++;
        } else if (run) {
            queue_run(r, c, t, first + i - run, run, queue);
            run = 0;
        }
    }
}

void flights_ahead(struct reader *r, struct content *c, const struct digest_table *t, uint64_t first,
                   unsigned n, const bool *missing) {
    queue_missing(r, c, t, first, n, missing, QUEUE_AHEAD);
}

void flights_join(struct read *rd) {
    struct reader *r = rd->reader;
    CLEANUP_FREE bool *missing = xcalloc(rd->n, sizeof *missing);
    for (unsigned i = 0; i < rd->n; i++)
        missing[i] = !rd->waiters[i].got;
    queue_missing(r, rd->content, rd->table, rd->first, rd->n, missing, QUEUE_DEMAND);
    rd->missing = 0;
    for (unsigned i = 0; i < rd->n; i++) {
        struct flight_key key;
        struct waiter *w = &rd->waiters[i];
        if (w->got)
            continue;
        flight_key_of(rd->content, digest_at(rd->content, rd->table, rd->first + i), rd->first + i, &key);
        w->flight = flight_find(r, &key);
        w->read = rd;
        struct batch *b = w->flight->batch;
        if (b->failing && !batch_has_waiters(b))
            batch_revive(b);
        DL_APPEND(w->flight->waiters, w);
        rd->missing++;
        if (!b->under_way && b->queue == QUEUE_AHEAD) { /* somebody waits for it now */
            batch_dequeue(b);
            batch_enqueue(b, QUEUE_DEMAND);
        }
    }
}

/* ---- the end */

void flights_abandon(struct reader *r) {
    struct batch *b, *tmp;
    for (int q = 0; q < QUEUE_COUNT; q++) {
        for (;;) {
            pthread_mutex_lock(&r->lock);
            b = r->queues[q];
            if (b) { /* as if it were under way, so that it ends like any other */
                batch_dequeue(b);
                b->under_way = true;
                r->n_under_way++;
                r->memory += b->len;
                DL_APPEND(r->under_way, b);
            }
            pthread_mutex_unlock(&r->lock);
            if (!b)
                break;
            batch_fail(b, -EINTR);
        }
    }
    DL_FOREACH_SAFE (r->under_way, b,
                     tmp) { /* this list changes on the loop only, once nothing starts any more */
        fetch_hurry_up(&b->fetch);
    }
}
