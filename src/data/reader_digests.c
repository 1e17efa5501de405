/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Block digests of large contents: from memory, else from DIR/digests/<content id>, else from the bucket.
 * What is kept on disk is the sealed object as it was fetched; it is opened and checked each time, on a
 * worker.
 */
#include "data/reader.h"
#include "base/file.h"
#include "base/log.h"
#include "data/reader_state.h"
#include <fcntl.h>
#include <utlist.h>

#define TABLES_MAX ((size_t)32 << 20)  /* bytes of tables nobody uses just now */
#define OBJECT_MAX ((size_t)256 << 20) /* of a digests object: 8 TiB of content */

struct digest_load {
    struct reader *reader;
    struct content *content;
    char *key, *path;
    struct read *reads; /* that wait; guarded by the reader's lock */
    struct fetch fetch;
    struct buf object; /* sealed; the loop and the worker in turn */
    uint8_t *digests;  /* what the worker made of it */
    int err;
    struct digest_load *prev, *next;
};

bool digests_known(const struct content *c) {
    return c->digests || c->size <= BLOCK_SIZE;
}

const uint8_t *digest_at(const struct content *c, const struct digest_table *t, uint64_t block) {
    if (c->size <= BLOCK_SIZE)
        return c->id;
    return (t ? t->digests : c->digests) + block * DIGEST_SIZE;
}

/* ---- tables; lock held */

static void table_drop(struct reader *r, struct digest_table *t) {
    HASH_DEL(r->tables, t);
    DL_DELETE(r->tables_lru, t);
    r->table_bytes -= t->bytes;
    free(t->digests);
    free(t);
}

struct digest_table *table_find(struct reader *r, const struct content *c) {
    struct digest_table *t;
    HASH_FIND(hh, r->tables, c->digests_digest, DIGEST_SIZE, t);
    if (!t || t->bytes != BLOCK_COUNT(c->size) * DIGEST_SIZE)
        return NULL;
    t->refs++;
    DL_DELETE(r->tables_lru, t);
    DL_PREPEND(r->tables_lru, t);
    return t;
}

void table_unref(struct reader *r, struct digest_table *t) {
    if (t)
        t->refs--;
    struct digest_table *last = r->tables_lru ? r->tables_lru->prev : NULL;
    while (last && r->table_bytes > TABLES_MAX) {
        struct digest_table *newer = last == r->tables_lru ? NULL : last->prev;
        if (last->refs == 0)
            table_drop(r, last);
        last = newer;
    }
}

/* Takes over digests. */
static void table_add(struct reader *r, const struct content *c, uint8_t *digests) {
    struct digest_table *t;
    HASH_FIND(hh, r->tables, c->digests_digest, DIGEST_SIZE, t);
    if (t) {
        free(digests);
        return;
    }
    t = xcalloc(1, sizeof *t);
    memcpy(t->key, c->digests_digest, DIGEST_SIZE);
    t->digests = digests;
    t->bytes = BLOCK_COUNT(c->size) * DIGEST_SIZE;
    r->table_bytes += t->bytes;
    HASH_ADD(hh, r->tables, key, DIGEST_SIZE, t);
    DL_PREPEND(r->tables_lru, t);
}

void tables_free(struct reader *r) {
    struct digest_table *t, *tmp;
    HASH_ITER (hh, r->tables, t, tmp) {
        table_drop(r, t);
    }
}

/* ---- the file beside */

static char *path_of(const struct reader *r, const uint8_t id[DIGEST_SIZE]) {
    char hex[DIGEST_HEX_SIZE];
    digest_hex(id, hex);
    return xasprintf("%s/digests/%s", r->dir, hex);
}

/* Atomic, but not synced: what a crash spoils is found out and fetched again. */
static int keep(const char *path, const void *p, size_t n) {
    CLEANUP_FREE char *tmp = xasprintf("%s.XXXXXX", path);
    CLEANUP_CLOSE int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = file_pwrite_all(fd, p, n, 0);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(tmp);
    return r;
}

int reader_keep_digests(struct reader *r, const uint8_t id[DIGEST_SIZE], const void *sealed, size_t n) {
    CLEANUP_FREE char *path = path_of(r, id);
    return keep(path, sealed, n);
}

/* Opens and checks the object in l->object. On a worker. */
static int load_open(struct digest_load *l) {
    CLEANUP_BUF struct buf plain = BUF_INIT(OBJECT_MAX);
    int r = unseal(l->reader->cfg.keys, l->key, l->object.data, l->object.len, &plain);
    return r < 0 ? r : digests_parse(l->content, plain.data, plain.len, &l->digests);
}

static void load_file(void *arg) {
    struct digest_load *l = arg;
    l->err = file_load(l->path, &l->object);
    if (l->err == 0 && (l->err = load_open(l)) == -EBADMSG)
        (void)unlink(l->path);
    buf_reset(&l->object);
}

static void load_fetched(void *arg) {
    struct digest_load *l = arg;
    l->err = load_open(l);
    if (l->err == 0)
        (void)keep(l->path, l->object.data, l->object.len);
    buf_reset(&l->object);
}

/* ---- loading; on the loop, no lock held */

static void load_end(struct digest_load *l, int err) {
    struct reader *r = l->reader;
    struct read *reads, *rd, *tmp;
    pthread_mutex_lock(&r->lock);
    DL_DELETE(r->loads, l);
    reads = l->reads;
    if (err == 0)
        table_add(r, l->content, STEAL_PTR(&l->digests));
    for (rd = reads; rd; rd = rd->load_next) {
        rd->load = NULL;
        if (err == 0)
            rd->table = table_find(r, l->content);
        else
            read_detach(rd);
    }
    table_unref(r, NULL); /* makes room */
    reader_settle(r);
    pthread_mutex_unlock(&r->lock);
    for (rd = reads; rd; rd = tmp) {
        tmp = rd->load_next;
        if (err == 0)
            read_resume(rd);
        else
            read_fail(rd, err);
    }
    content_unref(l->content);
    buf_free(&l->object);
    free(l->digests);
    free(l->key);
    free(l->path);
    free(l);
    reader_done_one(r);
}

static bool load_wanted(struct fetch *f) {
    struct digest_load *l = container_of(f, struct digest_load, fetch);
    SCOPE_LOCK(&l->reader->lock);
    return l->reads && !l->reader->closing;
}

static void load_fetched_done(void *arg) {
    struct digest_load *l = arg;
    if (l->err == 0 || (l->err == -EBADMSG && !(l->fetch.flags & STORE_FRESH) && load_wanted(&l->fetch))) {
        if (l->err == 0) {
            load_end(l, 0);
        } else {
            l->fetch.flags |= STORE_FRESH;
            fetch_start(&l->fetch);
        }
        return;
    }
    log_errno(l->err, "%s: the digests object cannot be used; the file it belongs to cannot be read", l->key);
    load_end(l, -EIO);
}

static void load_got(struct fetch *f, const struct store_got *got) {
    struct digest_load *l = container_of(f, struct digest_load, fetch);
    if (got->err < 0) {
        load_end(l, got->err == -EINVAL || got->err == -ERANGE ? -EIO : got->err);
        return;
    }
    (void)buf_append(&l->object, got->data,
                     got->len); /* too large: stays empty, which is no digests object */
    env_work(l->reader->cfg.env, load_fetched, load_fetched_done, l);
}

static void load_file_done(void *arg) {
    struct digest_load *l = arg;
    if (l->err == 0 || !load_wanted(&l->fetch))
        load_end(l, l->err == 0 ? 0 : -EINTR);
    else
        fetch_start(&l->fetch);
}

/* ---- */

static struct digest_load *load_new(struct reader *r, struct content *c) {
    struct digest_load *l = xcalloc(1, sizeof *l);
    l->reader = r;
    l->content = content_ref(c);
    l->key = digests_key(r->prefix, c->id);
    l->path = path_of(r, c->id);
    l->object = BUF_INIT(OBJECT_MAX);
    l->fetch = (struct fetch){.store = r->cfg.store, .key = l->key, .wanted = load_wanted, .done = load_got};
    r->busy++;
    DL_APPEND(r->loads, l);
    return l;
}

static bool loads_for(const struct digest_load *l, const struct content *c) {
    return content_same(l->content, c) && l->content->size == c->size &&
           memcmp(l->content->digests_digest, c->digests_digest, DIGEST_SIZE) == 0;
}

void digests_want(struct read *rd) {
    struct reader *r = rd->reader;
    struct digest_load *l, *new = NULL;
    pthread_mutex_lock(&r->lock);
    if (r->closing) {
        pthread_mutex_unlock(&r->lock);
        read_fail(rd, -EINTR);
        return;
    }
    rd->table = table_find(r, rd->content); /* it may have come meanwhile */
    if (!rd->table) {
        DL_FOREACH (r->loads, l) {
            if (loads_for(l, rd->content))
                break;
        }
        if (!l)
            l = new = load_new(r, rd->content);
        rd->load = l;
        read_list(rd);
        DL_APPEND2(l->reads, rd, load_prev, load_next);
    }
    bool have = rd->table;
    pthread_mutex_unlock(&r->lock);
    if (have)
        read_resume(rd);
    else if (new)
        env_work(r->cfg.env, load_file, load_file_done, new);
}

void load_leave(struct read *rd) {
    if (!rd->load)
        return;
    DL_DELETE2(rd->load->reads, rd, load_prev, load_next);
    rd->load = NULL;
}

void loads_abandon(struct reader *r) {
    struct digest_load *l, *tmp;
    DL_FOREACH_SAFE (r->loads, l, tmp) {
        fetch_hurry_up(&l->fetch);
    }
}
