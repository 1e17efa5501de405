/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim_store.h"
#include "base/digest.h"
#include "base/file.h"

#include <utlist.h>

struct sim_store {
    struct store base; /* first */
    struct sim *sim;
    struct mem_bucket *bucket;
    const struct sim_net *net;
    struct op *ops; /* not answered yet */
    bool dead;
};

struct op {
    struct op *prev, *next;
    struct sim_store *store; /* NULL: its host was killed */
    struct sim *sim;
    struct mem_bucket *bucket;
    char *key;
    bool is_put, lost, unanswered, squatted, refused;
    unsigned char *bytes; /* to be put, or what was got */
    size_t len;
    uint64_t off, want, total;
    int err;
    store_put_done put_done;
    store_get_done get_done;
    void *arg;
};

static void op_free(struct op *op) {
    free(op->key);
    free(op->bytes);
    free(op);
}

/* On the host's loop. */
static void answer(void *arg) {
    struct op *op = arg;
    static const char why[] = "the network of the simulation";
    if (op->is_put) {
        op->put_done(op->arg, op->err, op->err ? why : NULL);
    } else {
        struct store_got got = {.err = op->err, .why = op->err ? why : NULL};
        if (op->err == 0)
            got.data = op->bytes, got.len = op->len, got.total = op->total;
        op->get_done(op->arg, &got);
    }
    op_free(op);
}

static void come_back(void *arg) {
    struct op *op = arg;
    if (!op->store) {
        op_free(op);
        return;
    }
    DL_DELETE(op->store->ops, op);
    if (op->unanswered || op->store->net->offline)
        op->err = -EIO;
    env_post(op->store->base.env, answer, op);
}

static void do_put(struct op *op) {
    static const char garbage[] = "garbage that nobody asked for";
    if (op->squatted && !mem_bucket_has(op->bucket, op->key))
        mem_bucket_set(op->bucket, op->key, garbage, sizeof garbage);
    if (mem_bucket_has(op->bucket, op->key))
        op->err = -EEXIST;
    else
        mem_bucket_set(op->bucket, op->key, op->bytes, op->len);
}

static void do_get(struct op *op) {
    size_t size;
    const unsigned char *data = mem_bucket_get(op->bucket, op->key, &size);
    if (!data) {
        op->err = -ENOENT;
    } else if (op->off >= size && (op->off || op->want)) {
        op->err = -ERANGE;
    } else {
        op->total = size;
        op->len = op->want ? MIN(op->want, size - op->off) : size - op->off;
        op->bytes = xmalloc(op->len + 1);
        memcpy(op->bytes, data + op->off, op->len);
    }
}

static void arrive(void *arg) {
    struct op *op = arg;
    const struct sim_net *net = op->store ? op->store->net : NULL;
    if (op->lost || (net && net->offline))
        op->err = -EIO;
    else if (op->is_put && net && net->refused)
        op->err = -EACCES;
    else if (op->is_put)
        do_put(op);
    else
        do_get(op);
    if (op->store)
        sim_after(op->sim, (int64_t)sim_below(op->sim, (uint64_t)net->latency_ns + 1), come_back, op);
    else
        op_free(op);
}

static struct op *begin(struct sim_store *s, const char *key, bool is_put, void *arg) {
    struct op *op = xcalloc(1, sizeof *op);
    *op = (struct op){.store = s, .sim = s->sim, .bucket = s->bucket, .key = xstrdup(key), .is_put = is_put, .arg = arg};
    op->lost = sim_chance(s->sim, s->net->lost);
    op->unanswered = sim_chance(s->sim, s->net->unanswered);
    op->squatted = is_put && sim_chance(s->sim, s->net->squatted);
    return op;
}

static void send_off(struct op *op) {
    struct sim_store *s = op->store;
    if (s->dead) {
        op->err = -EIO;
        env_post(s->base.env, answer, op);
        return;
    }
    DL_APPEND(s->ops, op);
    sim_after(op->sim, (int64_t)sim_below(op->sim, (uint64_t)s->net->latency_ns + 1), arrive, op);
}

static void put_if_absent(struct store *base, const struct store_put *put, store_put_done done, void *arg) {
    struct sim_store *s = container_of(base, struct sim_store, base);
    struct op *op = begin(s, put->key, true, arg);
    uint8_t sha256[DIGEST_SIZE];
    op->put_done = done;
    op->len = (size_t)put->size;
    op->bytes = xmalloc(op->len + 1);
    if (put->bytes)
        memcpy(op->bytes, put->bytes, op->len);
    else if (file_pread_all(put->fd, op->bytes, op->len, 0) < 0)
        op->lost = true;
    digest_of(op->bytes, op->len, sha256);
    if (memcmp(sha256, put->sha256, DIGEST_SIZE)) {
        fprintf(stderr, "sim_store: the bytes of %s are not those of their digest\n", put->key);
        abort();
    }
    counter_add(base->counters, COUNTER_STORE_PUTS, 1);
    send_off(op);
}

static void get_range(struct store *base, const char *key, uint64_t off, uint64_t len, unsigned flags ATTR_UNUSED,
                      store_get_done done, void *arg) {
    struct sim_store *s = container_of(base, struct sim_store, base);
    struct op *op = begin(s, key, false, arg);
    op->get_done = done;
    op->off = off;
    op->want = len;
    counter_add(base->counters, COUNTER_STORE_GETS, 1);
    send_off(op);
}

static void free_store(struct store *base) {
    struct sim_store *s = container_of(base, struct sim_store, base);
    struct op *op, *next;
    DL_FOREACH_SAFE (s->ops, op, next) /* nobody waits for them any more */
        op->store = NULL;
    free(base->address);
    free(s);
}

static const struct store_ops ops = {.put_if_absent = put_if_absent, .get_range = get_range, .free = free_store};

struct store *sim_store_new(struct sim *sim, struct env *env, struct mem_bucket *bucket, struct counters *counters,
                            const struct sim_net *net) {
    struct sim_store *s = xcalloc(1, sizeof *s);
    s->sim = sim;
    s->bucket = bucket;
    s->net = net;
    s->base = (struct store){.ops = &ops,
                             .env = env,
                             .counters = counters,
                             .address = xstrdup("sim:"),
                             .parallel_puts = 8,
                             .parallel_gets = 8,
                             .get_size = 8 * BLOCK_SIZE};
    return &s->base;
}

void sim_store_kill(struct store *base) {
    struct sim_store *s = container_of(base, struct sim_store, base);
    struct op *op, *next;
    s->dead = true;
    DL_FOREACH_SAFE (s->ops, op, next) {
        struct op *widow = xcalloc(1, sizeof *widow); /* answers whoever waits; the request itself goes on alone */
        *widow = (struct op){.is_put = op->is_put, .err = -EIO, .put_done = op->put_done, .get_done = op->get_done, .arg = op->arg};
        DL_DELETE(s->ops, op);
        op->store = NULL;
        op->lost |= sim_chance(s->sim, 500);
        env_post(base->env, answer, widow);
    }
}
