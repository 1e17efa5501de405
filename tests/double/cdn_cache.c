/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cdn_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <uthash.h>

struct interval {
    uint64_t off, end;
};

struct kept {
    UT_hash_handle hh;
    char *key;
    char *path; /* our link to the file; NULL: no object */
    char *headers;
    struct stat st; /* whose it is */
    struct timespec since;
    struct interval *pieces; /* in no order, apart */
    size_t n_pieces;
    uint64_t rotten[ANSWER_FLIPS];
    size_t n_rotten;
    /* an error */
    int status; /* 0: none */
    char *body;
    struct timespec error_since;
    int ttl;
};

struct cdn_cache {
    struct bucket *bucket;
    pthread_mutex_t lock;
    struct kept *table; /* by key; guarded by lock */
};

struct cdn_cache *cdn_cache_new(struct bucket *b) {
    struct cdn_cache *c = xcalloc(1, sizeof *c);
    c->bucket = b;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void drop_object(struct kept *k) {
    if (k->path)
        unlink(k->path);
    free(k->path);
    free(k->headers);
    free(k->pieces);
    k->path = k->headers = NULL;
    k->pieces = NULL;
    k->n_pieces = k->n_rotten = 0;
}

void cdn_cache_clear(struct cdn_cache *c) {
    SCOPE_LOCK(&c->lock);
    struct kept *k, *next;
    HASH_ITER (hh, c->table, k, next) {
        HASH_DEL(c->table, k);
        drop_object(k);
        free(k->body);
        free(k->key);
        free(k);
    }
}

void cdn_cache_free(struct cdn_cache *c) {
    if (!c)
        return;
    cdn_cache_clear(c);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct kept *find(struct cdn_cache *c, const char *key) {
    struct kept *k;
    HASH_FIND_STR(c->table, key, k);
    return k;
}

static struct kept *find_or_add(struct cdn_cache *c, const char *key) {
    struct kept *k = find(c, key);
    if (!k) {
        k = xcalloc(1, sizeof *k);
        k->key = xstrdup(key);
        HASH_ADD_KEYPTR(hh, c->table, k->key, strlen(k->key), k);
    }
    return k;
}

static long seconds_since(const struct timespec *then) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)(((now.tv_sec - then->tv_sec) * NS_PER_S + now.tv_nsec - then->tv_nsec) / NS_PER_S);
}

bool cdn_cache_find(struct cdn_cache *c, const char *key, struct object *ret, long *age) {
    struct object o = {.fd = -1};
    pthread_mutex_lock(&c->lock);
    struct kept *k = find(c, key);
    if (k && k->path) {
        o.path = xstrdup(k->path);
        o.headers = xstrdup(k->headers);
        o.size = (uint64_t)k->st.st_size;
        o.modified = k->st.st_mtim.tv_sec;
        *age = seconds_since(&k->since);
    }
    pthread_mutex_unlock(&c->lock);
    if (o.path)
        o.fd = open(o.path, O_RDONLY | O_CLOEXEC);
    if (o.fd < 0) {
        object_close(&o);
        return false;
    }
    *ret = o;
    return true;
}

static bool covers(const struct kept *k, uint64_t off, uint64_t end) {
    for (size_t i = 0; i < k->n_pieces; i++) {
        if (k->pieces[i].off <= off && end <= k->pieces[i].end)
            return true;
    }
    return false;
}

bool cdn_cache_has(struct cdn_cache *c, const char *key, uint64_t off, uint64_t len, struct answer *a) {
    SCOPE_LOCK(&c->lock);
    struct kept *k = find(c, key);
    if (!k || !k->path || !covers(k, off, off + len))
        return false;
    for (size_t i = 0; i < k->n_rotten; i++) {
        if (k->rotten[i] >= off && k->rotten[i] < off + len)
            answer_flip(a, k->rotten[i]);
    }
    return true;
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Our own link to what is open, which may have another name by now, or none. */
static char *link_open(struct cdn_cache *c, int fd) {
    char from[32];
    char *to = bucket_work_name(c->bucket, "cdn");
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)
        return to;
    free(to);
    return NULL;
}

/* Joins it with what it touches. */
static void add_piece(struct kept *k, uint64_t off, uint64_t end) {
    for (size_t i = 0; i < k->n_pieces;) {
        struct interval *p = &k->pieces[i];
        if (p->end < off || p->off > end) {
            i++;
            continue;
        }
        off = MIN(off, p->off);
        end = MAX(end, p->end);
        *p = k->pieces[--k->n_pieces];
    }
    k->pieces = xrealloc(k->pieces, (k->n_pieces + 1) * sizeof *k->pieces);
    k->pieces[k->n_pieces++] = (struct interval){off, end};
}

void cdn_cache_keep(struct cdn_cache *c, const char *key, const struct object *o, uint64_t off,
                    uint64_t len) {
    struct stat st;
    if (fstat(o->fd, &st) < 0)
        return;
    SCOPE_LOCK(&c->lock);
    struct kept *k = find_or_add(c, key);
    if (!k->path || !is_same(&k->st, &st)) {
        drop_object(k);
        k->path = link_open(c, o->fd);
        if (!k->path)
            return; /* it was removed just now */
        k->headers = xstrdup(o->headers);
        k->st = st;
        clock_gettime(CLOCK_MONOTONIC, &k->since);
    }
    add_piece(k, off, off + len);
}

void cdn_cache_rot(struct cdn_cache *c, const char *key, uint64_t offset) {
    SCOPE_LOCK(&c->lock);
    struct kept *k = find(c, key);
    if (k && k->path && k->n_rotten < ANSWER_FLIPS)
        k->rotten[k->n_rotten++] = offset;
}

void cdn_cache_keep_error(struct cdn_cache *c, const char *key, int status, const char *body, int ttl) {
    SCOPE_LOCK(&c->lock);
    struct kept *k = find_or_add(c, key);
    free(k->body);
    k->body = xstrdup(body);
    k->status = status;
    k->ttl = ttl;
    clock_gettime(CLOCK_MONOTONIC, &k->error_since);
}

bool cdn_cache_find_error(struct cdn_cache *c, const char *key, int *status, char **body, long *age) {
    SCOPE_LOCK(&c->lock);
    struct kept *k = find(c, key);
    if (!k || !k->status)
        return false;
    *age = seconds_since(&k->error_since);
    if (*age >= k->ttl) {
        k->status = 0;
        return false;
    }
    *status = k->status;
    *body = xstrdup(k->body);
    return true;
}
