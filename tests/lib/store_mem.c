/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_mem.h"
#include "base/digest.h"
#include "base/file.h"

#include <uthash.h>

struct mem_object {
    UT_hash_handle hh;
    char *key, *content_type;
    unsigned char *data;
    size_t size;
    struct keep *keep;
};

struct mem_bucket {
    pthread_mutex_t lock;
    struct mem_object *objects; /* guarded by lock */
};

struct mem_store {
    struct store base;
    struct mem_bucket *bucket;
};

/* ---- objects; the bucket's lock is held ---- */

static struct mem_object *find(struct mem_bucket *b, const char *key) {
    struct mem_object *o;
    HASH_FIND_STR(b->objects, key, o);
    return o;
}

static void object_remove(struct mem_bucket *b, struct mem_object *o) {
    HASH_DEL(b->objects, o);
    keep_unref(o->keep);
    free(o->key);
    free(o->content_type);
    free(o->data);
    free(o);
}

/* Takes data over. */
static struct mem_object *object_add(struct mem_bucket *b, const char *key, unsigned char *data, size_t n,
                                     const char *type, const struct keep *keep) {
    struct mem_object *o = xcalloc(1, sizeof *o);
    o->key = xstrdup(key);
    o->content_type = xstrdup(type ? type : "application/octet-stream");
    o->data = data;
    o->size = n;
    o->keep = keep_ref((struct keep *)(uintptr_t)keep);
    HASH_ADD_KEYPTR(hh, b->objects, o->key, strlen(o->key), o);
    return o;
}

static unsigned char *copy_bytes(const void *p, size_t n) {
    unsigned char *ret = xmalloc(n + 1);
    if (n)
        memcpy(ret, p, n);
    return ret;
}

static int by_key(const struct mem_object *a, const struct mem_object *b) {
    return strcmp(a->key, b->key);
}

static bool begins(const char *key, const char *prefix) {
    return !strncmp(key, prefix, strlen(prefix));
}

/* ---- the store ---- */

struct mem_op {
    struct mem_store *store;
    int err;
    const char *why;
    store_put_done put_done;
    store_get_done get_done;
    store_list_each each;
    unsigned char *data;
    size_t len;
    uint64_t total;
    char **keys;
    uint64_t *sizes;
    void *arg;
};

static void op_fail(struct mem_op *op, int err, const char *why) {
    op->err = err;
    op->why = why;
}

static bool key_is_good(const char *key) {
    size_t n = strlen(key);
    return n > 0 && n <= 1024 && key[0] != '/';
}

static void put_answer(void *arg) {
    struct mem_op *op = arg;
    op->put_done(op->arg, op->err, op->why);
    free(op);
}

static unsigned char *read_source(const struct store_put *put, struct mem_op *op) {
    if (put->bytes || put->size == 0)
        return copy_bytes(put->bytes, put->size);
    unsigned char *data = xmalloc(put->size);
    if (file_pread_all(put->fd, data, put->size, 0) == 0)
        return data;
    free(data);
    op_fail(op, -EIO, "the local file cannot be read whole");
    return NULL;
}

static void put_now(struct mem_store *m, const struct store_put *put, struct mem_op *op) {
    uint8_t sha256[DIGEST_SIZE];
    if (!key_is_good(put->key)) {
        op_fail(op, -EINVAL, "the bucket cannot hold such a key");
        return;
    }
    CLEANUP_FREE unsigned char *data = read_source(put, op);
    if (!data)
        return;
    digest_of(data, put->size, sha256);
    if (memcmp(sha256, put->sha256, DIGEST_SIZE)) {
        op_fail(op, -EIO, "the bytes to be put are not those their SHA-256 was computed of");
        return;
    }
    SCOPE_LOCK(&m->bucket->lock);
    if (find(m->bucket, put->key)) {
        op_fail(op, -EEXIST, "there is an object already");
        return;
    }
    object_add(m->bucket, put->key, STEAL_PTR(&data), put->size, put->content_type, put->keep);
    counter_add(m->base.counters, COUNTER_BYTES_UPLOADED, put->size);
}

static struct mem_op *op_new(struct mem_store *m, void *arg) {
    struct mem_op *op = xcalloc(1, sizeof *op);
    op->store = m;
    op->arg = arg;
    return op;
}

static void mem_put_if_absent(struct store *s, const struct store_put *put, store_put_done done, void *arg) {
    struct mem_store *m = container_of(s, struct mem_store, base);
    struct mem_op *op = op_new(m, arg);
    op->put_done = done;
    counter_add(s->counters, COUNTER_STORE_PUTS, 1);
    put_now(m, put, op);
    env_post(s->env, put_answer, op);
}

static void get_answer(void *arg) {
    struct mem_op *op = arg;
    struct store_got got = {.err = op->err, .why = op->why};
    if (op->err == 0) {
        got.data = op->data;
        got.len = op->len;
        got.total = op->total;
        counter_add(op->store->base.counters, COUNTER_BYTES_FETCHED, op->len);
    }
    op->get_done(op->arg, &got);
    free(op->data);
    free(op);
}

static void get_now(struct mem_store *m, const char *key, uint64_t off, uint64_t len, struct mem_op *op) {
    if (!key_is_good(key)) {
        op_fail(op, -EINVAL, "the bucket cannot hold such a key");
        return;
    }
    SCOPE_LOCK(&m->bucket->lock);
    struct mem_object *o = find(m->bucket, key);
    if (!o) {
        op_fail(op, -ENOENT, "there is no such object");
        return;
    }
    if (off >= o->size && !(off == 0 && len == 0)) {
        op_fail(op, -ERANGE, "the object ends before the range begins");
        return;
    }
    uint64_t n = o->size - off;
    op->len = len ? MIN(n, len) : n;
    op->total = o->size;
    op->data = copy_bytes(o->data + off, op->len);
}

static void mem_get_range(struct store *s, const char *key, uint64_t off, uint64_t len,
                          unsigned flags ATTR_UNUSED, store_get_done done, void *arg) {
    struct mem_store *m = container_of(s, struct mem_store, base);
    struct mem_op *op = op_new(m, arg);
    op->get_done = done;
    counter_add(s->counters, COUNTER_STORE_GETS, 1);
    get_now(m, key, off, len, op);
    env_post(s->env, get_answer, op);
}

static void list_answer(void *arg) {
    struct mem_op *op = arg;
    for (size_t i = 0; i < op->len; i++) {
        op->each(op->arg, op->keys[i], op->sizes[i], 0);
        free(op->keys[i]);
    }
    op->each(op->arg, NULL, 0, 0);
    free(op->keys);
    free(op->sizes);
    free(op);
}

static void mem_list(struct store *s, const char *prefix, store_list_each each, void *arg) {
    struct mem_store *m = container_of(s, struct mem_store, base);
    struct mem_op *op = op_new(m, arg);
    op->each = each;
    {
        SCOPE_LOCK(&m->bucket->lock);
        size_t n = HASH_COUNT(m->bucket->objects);
        op->keys = xcalloc(n + 1, sizeof *op->keys);
        op->sizes = xcalloc(n + 1, sizeof *op->sizes);
        for (struct mem_object *o = m->bucket->objects; o; o = o->hh.next) {
            if (!begins(o->key, prefix))
                continue;
            op->keys[op->len] = xstrdup(o->key);
            op->sizes[op->len++] = o->size;
        }
    }
    env_post(s->env, list_answer, op);
}

static char *mem_url(struct store *s ATTR_UNUSED, const char *key) {
    return xasprintf("mem:%s", key);
}

static void mem_free(struct store *s) {
    free(s->address);
    free(container_of(s, struct mem_store, base));
}

static const struct store_ops mem_ops = {
    .put_if_absent = mem_put_if_absent,
    .get_range = mem_get_range,
    .list = mem_list,
    .url = mem_url,
    .free = mem_free,
};

struct store *store_mem_new(struct mem_bucket *b, struct env *env, struct counters *counters) {
    struct mem_store *m = xcalloc(1, sizeof *m);
    m->bucket = b;
    m->base = (struct store){
        .ops = &mem_ops,
        .env = env,
        .counters = counters,
        .address = xstrdup("mem:"),
        .parallel_puts = 8,
        .parallel_gets = 8,
        .get_size = 8 * BLOCK_SIZE,
    };
    return &m->base;
}

/* ---- the bucket ---- */

struct mem_bucket *mem_bucket_new(void) {
    struct mem_bucket *b = xcalloc(1, sizeof *b);
    pthread_mutex_init(&b->lock, NULL);
    return b;
}

static void remove_all(struct mem_bucket *b) {
    struct mem_object *o, *next;
    HASH_ITER (hh, b->objects, o, next) {
        object_remove(b, o);
    }
}

struct mem_bucket *mem_bucket_free(struct mem_bucket *b) {
    if (!b)
        return NULL;
    remove_all(b);
    pthread_mutex_destroy(&b->lock);
    free(b);
    return NULL;
}

size_t mem_bucket_count(struct mem_bucket *b, const char *prefix) {
    SCOPE_LOCK(&b->lock);
    size_t n = 0;
    for (struct mem_object *o = b->objects; o; o = o->hh.next)
        n += begins(o->key, prefix);
    return n;
}

bool mem_bucket_has(struct mem_bucket *b, const char *key) {
    SCOPE_LOCK(&b->lock);
    return find(b, key);
}

const void *mem_bucket_get(struct mem_bucket *b, const char *key, size_t *ret_n) {
    SCOPE_LOCK(&b->lock);
    struct mem_object *o = find(b, key);
    if (o && ret_n)
        *ret_n = o->size;
    return o ? o->data : NULL;
}

const char *mem_bucket_content_type(struct mem_bucket *b, const char *key) {
    SCOPE_LOCK(&b->lock);
    struct mem_object *o = find(b, key);
    return o ? o->content_type : NULL;
}

const char *mem_bucket_header(struct mem_bucket *b, const char *key, const char *name) {
    SCOPE_LOCK(&b->lock);
    struct mem_object *o = find(b, key);
    const struct keep *k = o ? o->keep : NULL;
    for (size_t i = 0; k && i < k->n_metadata; i++)
        if (!strncasecmp(name, "x-amz-meta-", 11) && !strcasecmp(k->metadata[i].name, name + 11))
            return k->metadata[i].value;
    return !k                                            ? NULL
           : !strcasecmp(name, "Cache-Control")       ? k->cache_control
           : !strcasecmp(name, "Content-Disposition") ? k->content_disposition
           : !strcasecmp(name, "x-amz-storage-class") ? k->storage_class
                                                      : NULL;
}

char *mem_bucket_key(struct mem_bucket *b, const char *prefix, size_t n) {
    SCOPE_LOCK(&b->lock);
    HASH_SORT(b->objects, by_key);
    for (struct mem_object *o = b->objects; o; o = o->hh.next)
        if (begins(o->key, prefix) && n-- == 0)
            return xstrdup(o->key);
    return NULL;
}

void mem_bucket_set(struct mem_bucket *b, const char *key, const void *p, size_t n) {
    SCOPE_LOCK(&b->lock);
    struct mem_object *o = find(b, key);
    if (o)
        object_remove(b, o);
    object_add(b, key, copy_bytes(p, n), n, NULL, NULL);
}

bool mem_bucket_corrupt(struct mem_bucket *b, const char *key, size_t off) {
    SCOPE_LOCK(&b->lock);
    struct mem_object *o = find(b, key);
    if (!o || off >= o->size)
        return false;
    o->data[off] ^= 1;
    return true;
}

bool mem_bucket_delete(struct mem_bucket *b, const char *key) {
    SCOPE_LOCK(&b->lock);
    struct mem_object *o = find(b, key);
    if (o)
        object_remove(b, o);
    return o;
}

struct mem_bucket *mem_bucket_copy(struct mem_bucket *b) {
    struct mem_bucket *copy = mem_bucket_new();
    mem_bucket_restore(copy, b);
    return copy;
}

void mem_bucket_restore(struct mem_bucket *b, struct mem_bucket *from) {
    struct mem_bucket copy = {0}; /* so that the two locks are never held together */
    {
        SCOPE_LOCK(&from->lock);
        for (struct mem_object *o = from->objects; o; o = o->hh.next)
            object_add(&copy, o->key, copy_bytes(o->data, o->size), o->size, o->content_type, o->keep);
    }
    SCOPE_LOCK(&b->lock);
    remove_all(b);
    b->objects = copy.objects;
}
