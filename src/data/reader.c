/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/reader.h"
#include "base/file.h"
#include "data/reader_state.h"
#include <utlist.h>

#define AHEAD_MIN ((uint64_t)128 << 10)
#define AHEAD_SLOP BLOCK_SIZE /* the kernel sends neighbouring reads by several threads, in any order */
#define PASSES_MAX 4
/* A round trip for each jump costs more than the blocks that nobody will want, once this part of them was asked for, in what is small enough to be read whole. */
#define JUMPS_MIN 2
#define JUMP_BLOCKS 16

/* ---- buffers: a fresh mapping for each read would cost more than the read; lock held */

static void *pool_take(struct reader *r, size_t len) {
    return len <= BLOCK_SIZE && r->n_bufs > 0 ? r->bufs[--r->n_bufs] : xmalloc(MAX(len, BLOCK_SIZE));
}

static void pool_give(struct reader *r, void *buf, size_t len) {
    if (buf && len <= BLOCK_SIZE && r->n_bufs < BUF_POOL)
        r->bufs[r->n_bufs++] = buf;
    else
        free(buf);
}

/* ---- one read */

static struct read *read_new(struct reader *r, struct content *c, uint64_t off, size_t len, reader_done done,
                             void *arg) {
    unsigned n = (unsigned)((off + len - 1) / BLOCK_SIZE - off / BLOCK_SIZE + 1);
    struct read *rd = xcalloc(1, sizeof *rd + n * sizeof rd->waiters[0]);
    rd->reader = r;
    rd->content = content_ref(c);
    rd->off = off;
    rd->len = len;
    rd->done = done;
    rd->arg = arg;
    rd->first = off / BLOCK_SIZE;
    rd->n = rd->missing = n;
    return rd;
}

void read_free(struct read *rd) {
    struct reader *r = rd->reader;
    {
        SCOPE_LOCK(&r->lock);
        if (rd->table)
            table_unref(r, rd->table);
        pool_give(r, rd->buf, rd->len);
    }
    content_unref(rd->content);
    free(rd);
}

void read_detach(struct read *rd) {
    load_leave(rd);
    for (unsigned i = 0; i < rd->n; i++) {
        struct waiter *w = &rd->waiters[i];
        if (w->flight)
            DL_DELETE(w->flight->waiters, w);
        w->flight = NULL;
    }
    if (rd->listed)
        DL_DELETE(rd->reader->reads, rd);
    rd->listed = false;
    rd->answered = true;
}

void read_fail(struct read *rd, int err) {
    rd->done(rd->arg, err, NULL, 0);
    if (!rd->working) /* else the worker's end frees it */
        read_free(rd);
}

/* ---- time */

static void on_deadline(void *arg);

static void arm_deadline(struct reader *r, int64_t at) {
    r->deadline_set = true;
    r->deadline.fn = on_deadline;
    r->deadline.arg = r;
    env_timer_set(r->cfg.env, &r->deadline, at);
}

/* From now on the loop may answer it at any time: the caller must not touch it without the lock. lock held.
 */
void read_list(struct read *rd) {
    struct reader *r = rd->reader;
    if (rd->listed)
        return;
    rd->listed = true;
    rd->deadline = env_mono(r->cfg.env) + r->cfg.timeout_ns;
    DL_APPEND(r->reads, rd);
    if (!r->deadline_set)
        arm_deadline(r, rd->deadline);
}

void reader_settle(struct reader *r) {
    if (r->reads || !r->deadline_set)
        return;
    env_timer_cancel(r->cfg.env, &r->deadline);
    r->deadline_set = false;
}

/* Answers every read whose deadline is not after `until`. On the loop. */
static void answer_late(struct reader *r, int64_t until, int err) {
    struct read *late = NULL, *rd, *tmp;
    pthread_mutex_lock(&r->lock);
    while ((rd = r->reads) && rd->deadline <= until) {
        read_detach(rd);
        DL_APPEND(late, rd);
    }
    pthread_mutex_unlock(&r->lock);
    DL_FOREACH_SAFE (late, rd, tmp) {
        read_fail(rd, err);
    }
}

static void on_deadline(void *arg) {
    struct reader *r = arg;
    answer_late(r, env_mono(r->cfg.env), -ETIMEDOUT);
    SCOPE_LOCK(&r->lock);
    r->deadline_set = false;
    if (r->reads)
        arm_deadline(r, r->reads->deadline);
}

/* ---- the cache, then the store */

static unsigned landed_sum(struct read *rd) {
    unsigned sum = 0;
    for (unsigned i = 0; i < rd->n; i++)
        sum += *landed_of(rd->reader, rd->content->id, rd->first + i);
    return sum;
}

static void read_block(struct read *rd, unsigned i) {
    uint64_t block = rd->first + i, start = block * BLOCK_SIZE;
    uint64_t lo = MAX(rd->off, start), hi = MIN(rd->off + rd->len, start + BLOCK_SIZE);
    const uint8_t *digest = digest_at(rd->content, rd->table, block);
    if (block_cache_read(rd->reader->cfg.cache, rd->content, block, digest, lo - start, (size_t)(hi - lo),
                         rd->buf + (lo - rd->off)) < 0)
        return;
    rd->waiters[i].got = true;
    rd->missing--;
}

/* Reads what the cache has. May block on the disk. */
static void read_pass(struct read *rd) {
    struct reader *r = rd->reader;
    pthread_mutex_lock(&r->lock);
    if (!rd->buf)
        rd->buf = pool_take(r, rd->len);
    rd->landed = landed_sum(rd);
    pthread_mutex_unlock(&r->lock);
    rd->passes++;
    for (unsigned i = 0; i < rd->n; i++)
        if (!rd->waiters[i].got)
            read_block(rd, i);
}

static void read_work(void *arg) {
    read_pass(arg);
}

static void read_go(struct read *rd, bool may_block);

static void read_complete(struct read *rd) {
    if (rd->listed) {
        SCOPE_LOCK(&rd->reader->lock);
        read_detach(rd);
        reader_settle(rd->reader);
    }
    rd->done(rd->arg, 0, rd->buf, rd->len);
    read_free(rd);
}

/* What the pass has not found is fetched, unless it may have come while we looked. */
static void read_rest(struct read *rd, bool may_block) {
    struct reader *r = rd->reader;
    pthread_mutex_lock(&r->lock);
    bool closing = r->closing, look_again = landed_sum(rd) != rd->landed && rd->passes < PASSES_MAX;
    if (!closing && !look_again) {
        if (rd->n == 1) { /* is answered from what is fetched */
            pool_give(r, rd->buf, rd->len);
            rd->buf = NULL;
        }
        read_list(rd);
        flights_join(rd);
    }
    if (closing && rd->listed)
        read_detach(rd);
    pthread_mutex_unlock(&r->lock);
    if (closing)
        read_fail(rd, -EINTR);
    else if (look_again)
        read_go(rd, may_block);
    else
        reader_pump(r);
}

static void read_worked(void *arg) {
    struct read *rd = arg;
    struct reader *r = rd->reader;
    rd->working = false;
    if (rd->answered)
        read_free(rd);
    else if (rd->missing == 0)
        read_complete(rd);
    else
        read_rest(rd, false);
    reader_done_one(r);
}

/* A block that was not checked yet has to be hashed: one may be here, several go to a worker. */
static bool is_quick(struct read *rd) {
    unsigned slow = 0;
    for (unsigned i = 0; rd->n > 1 && i < rd->n && slow < 2; i++) {
        uint64_t block = rd->first + i;
        const uint8_t *digest = digest_at(rd->content, rd->table, block);
        slow +=
            !rd->waiters[i].got && !block_cache_verified(rd->reader->cfg.cache, rd->content, block, digest);
    }
    return slow < 2;
}

static void read_go(struct read *rd, bool may_block) {
    if (may_block && is_quick(rd)) {
        read_pass(rd);
        if (rd->missing == 0)
            read_complete(rd);
        else
            read_rest(rd, true);
        return;
    }
    struct reader *r = rd->reader;
    pthread_mutex_lock(&r->lock);
    rd->working = true;
    r->busy++;
    read_list(rd);
    pthread_mutex_unlock(&r->lock);
    env_work(r->cfg.env, read_work, read_worked, rd);
}

void read_resume(struct read *rd) {
    read_go(rd, false);
}

/* ---- read-ahead */

struct ahead {
    struct content *content;
    struct digest_table *table;
    uint64_t first;
    unsigned n;
};

/* In blocks. Many gets at once, of a size worth a request: one connection alone is slow on a long way, and a
 * CDN that has nothing of an object yet gives a range of it no faster than its bucket gives one stream. */
static uint64_t ahead_piece(const struct reader *r, const struct read_stream *s) {
    return MAX(MIN(s->window / 16, r->cfg.store->get_size) / BLOCK_SIZE, 1);
}

/* Whether this jump makes all of it worth fetching: once. lock held. */
static bool jumps_enough(const struct reader *r, struct read_stream *s, uint64_t size) {
    return r->cfg.max_ahead > 0 && size <= READER_WHOLE_MAX && ++s->jumps == MAX(JUMPS_MIN, BLOCK_COUNT(size) / JUMP_BLOCKS);
}

static void ahead_fill(struct ahead *ret, const struct read *rd, uint64_t first, uint64_t n) {
    ret->first = first;
    ret->n = (unsigned)n;
    ret->content = content_ref(rd->content);
    ret->table = rd->table;
    if (ret->table)
        ret->table->refs++;
}

/* Follows the stream: a run of sequential reads is read ahead by four times as much as it has read already (in
 * powers of two), in large pieces: so each round trip brings about five times as much as the one before.
 * lock held. */
static void stream_follow(struct reader *r, struct read_stream *s, const struct read *rd, struct ahead *ret) {
    uint64_t end = rd->off + rd->len, size = rd->content->size;
    bool sequential = rd->off == s->next ||
                      (s->window && rd->off <= s->next + AHEAD_SLOP && rd->off + AHEAD_SLOP >= s->next);
    if (!sequential || s->start > rd->off)
        s->start = rd->off;
    if (!sequential)
        s->window = s->ahead = 0;
    s->next = sequential ? MAX(s->next, end) : end;
    if (!sequential && jumps_enough(r, s, size))
        ahead_fill(ret, rd, 0, BLOCK_COUNT(size));
    if (!sequential || r->cfg.max_ahead == 0)
        return;
    s->window = MAX(s->window, MIN(AHEAD_MIN, r->cfg.max_ahead));
    while (s->window < 4 * (s->next - s->start) && s->window < r->cfg.max_ahead)
        s->window = MIN(2 * s->window, r->cfg.max_ahead);
    uint64_t from = MAX(BLOCK_COUNT(s->ahead), s->next / BLOCK_SIZE),
             to = BLOCK_COUNT(MIN(s->next + s->window, size));
    uint64_t n = to > from ? to - from : 0;
    if (to < BLOCK_COUNT(size))
        n -= n % ahead_piece(r, s);
    if (n == 0 || r->memory + r->queued >= AHEAD_MEMORY)
        return;
    s->ahead = MIN((from + n) * BLOCK_SIZE, size);
    ahead_fill(ret, rd, from, n);
}

static unsigned landed_ahead(struct reader *r, const struct ahead *a) {
    unsigned sum = 0;
    for (unsigned i = 0; i < a->n; i++)
        sum += *landed_of(r, a->content->id, a->first + i);
    return sum;
}

/* Fetches what is not in the cache; looks again when something came while it looked. */
static void ahead_go(struct reader *r, struct ahead *a) {
    CLEANUP_FREE bool *missing = xcalloc(a->n, sizeof *missing);
    bool settled = false;
    for (int pass = 1; !settled; pass++) {
        pthread_mutex_lock(&r->lock);
        unsigned landed = landed_ahead(r, a);
        pthread_mutex_unlock(&r->lock);
        for (unsigned i = 0; i < a->n; i++)
            missing[i] = !block_cache_has(r->cfg.cache, a->content, a->first + i);
        pthread_mutex_lock(&r->lock);
        settled = landed_ahead(r, a) == landed || pass == PASSES_MAX;
        if (settled && !r->closing)
            flights_ahead(r, a->content, a->table, a->first, a->n, missing);
        if (settled)
            table_unref(r, a->table);
        pthread_mutex_unlock(&r->lock);
    }
    content_unref(a->content);
    reader_pump(r);
}

/* ---- */

void reader_read(struct reader *r, struct content *c, uint64_t off, size_t len, struct read_stream *stream,
                 reader_done done, void *arg) {
    if (off >= c->size || len == 0) {
        done(arg, 0, NULL, 0);
        return;
    }
    struct read *rd = read_new(r, c, off, (size_t)MIN(len, c->size - off), done, arg);
    struct ahead ahead = {.n = 0};
    bool known = digests_known(c);
    if (!known || stream) {
        SCOPE_LOCK(&r->lock);
        if (!known)
            rd->table = table_find(r, c);
        known = known || rd->table;
        if (known && stream)
            stream_follow(r, stream, rd, &ahead);
    }
    if (!known) {
        digests_want(rd);
        return;
    }
    read_go(rd, true);
    if (ahead.n > 0)
        ahead_go(r, &ahead);
}

void reader_ahead(struct reader *r, struct content *c, uint64_t bytes) {
    struct ahead ahead = {.n = (unsigned)BLOCK_COUNT(MIN(bytes, c->size))};
    if (ahead.n == 0)
        return;
    if (!digests_known(c)) {
        SCOPE_LOCK(&r->lock);
        ahead.table = table_find(r, c);
        if (!ahead.table)
            return;
    }
    ahead.content = content_ref(c);
    ahead_go(r, &ahead);
}

int reader_new(const struct reader_config *config, struct reader **ret) {
    CLEANUP_FREE char *digests = xasprintf("%s/digests", config->dir);
    int err = file_make_dirs(digests, 0700);
    if (err < 0)
        return err;
    struct reader *r = xcalloc(1, sizeof *r);
    r->cfg = *config;
    r->prefix = xstrdup(config->prefix);
    r->dir = xstrdup(config->dir);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->idle, NULL);
    *ret = r;
    return 0;
}

void reader_done_one(struct reader *r) {
    SCOPE_LOCK(&r->lock);
    if (--r->busy == 0)
        pthread_cond_broadcast(&r->idle);
}

static void on_close(void *arg) {
    struct reader *r = arg;
    answer_late(r, INT64_MAX, -EINTR);
    flights_abandon(r);
    loads_abandon(r);
    pthread_mutex_lock(&r->lock);
    reader_settle(r);
    pthread_mutex_unlock(&r->lock);
    reader_done_one(r);
}

struct reader *reader_free(struct reader *r) {
    if (!r)
        return NULL;
    pthread_mutex_lock(&r->lock);
    r->closing = true;
    if (r->busy > 0 || r->deadline_set) {
        r->busy++;
        pthread_mutex_unlock(&r->lock);
        env_post(r->cfg.env, on_close, r);
        pthread_mutex_lock(&r->lock);
        while (r->busy > 0)
            pthread_cond_wait(&r->idle, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    tables_free(r);
    while (r->n_bufs > 0)
        free(r->bufs[--r->n_bufs]);
    pthread_cond_destroy(&r->idle);
    pthread_mutex_destroy(&r->lock);
    free(r->prefix);
    free(r->dir);
    free(r);
    return NULL;
}
