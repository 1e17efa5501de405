/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "tree/base.h"
#include "tree/checkpoint.h"
#include "tree/fault.h"
#include <inttypes.h>

/* Opened blocks in memory. */
#define MEMORY ((uint64_t)32 << 20)

int checkpoint_base_open(struct tree *t, const struct checkpoint_ref *ref, struct checkpoint_base **ret) {
    CLEANUP_FREE char *key = checkpoint_ref_key(t->cfg.prefix, ref);
    struct sealed_db_config cfg = {.env = t->env,
                                   .counters = t->cfg.counters,
                                   .store = t->cfg.reader,
                                   .keys = t->cfg.keys,
                                   .volume_id = t->volume_id,
                                   .key = key,
                                   .dir = t->cfg.dir,
                                   .min_free = t->cfg.min_free,
                                   .memory = MEMORY,
                                   .timeout_ns = MAX(t->cfg.timeout_ns, NS_PER_S),
                                   .lazy = true};
    struct checkpoint_base *b = xcalloc(1, sizeof *b);
    b->tree = t;
    b->ref = *ref;
    int r = sealed_db_open(&cfg, &ref->object, &b->object);
    if (r < 0) {
        free(b);
        return r;
    }
    *ret = b;
    return 0;
}

struct checkpoint_base *checkpoint_base_free(struct checkpoint_base *b) {
    if (!b)
        return NULL;
    base_close(b->base);
    sqlite3_close(b->sql);
    sealed_db_close(b->object);
    free(b);
    return NULL;
}

static int sql_meaning(void *arg, sqlite3 *sql) {
    return sealed_db_error(arg, sql);
}

int checkpoint_base_connect(struct checkpoint_base *b, sqlite3 **sql, struct base **base) {
    int r = *sql ? 0 : sealed_db_connect(b->object, sql);
    if (r == 0 && !*base)
        r = base_open(*sql, b->ref.seq, sql_meaning, b->object, base);
    return r;
}

/* What fault.c asks */

static int children(void *arg, uint64_t dir, const char *after, size_t after_n, bool (*each)(void *, const struct base_row *), void *each_arg,
                    bool *ret_more) {
    struct checkpoint_base *b = arg;
    int r = checkpoint_base_connect(b, &b->sql, &b->base);
    if (dir != ROOT_INO) /* who only lists the root need not have it all */
        sealed_db_warm(b->object);
    return r < 0 ? r : base_children(b->base, dir, after, after_n, each, each_arg, ret_more);
}

static int next_dir(void *arg, uint64_t dir, char name[NAME_MAX_BYTES], size_t *n, uint64_t *ret) {
    struct checkpoint_base *b = arg;
    int r = checkpoint_base_connect(b, &b->sql, &b->base);
    return r < 0 ? r : base_next_dir(b->base, dir, name, n, ret);
}

static void scan(void *arg, bool on) {
    struct checkpoint_base *b = arg;
    if (b->sql)
        sealed_db_scan(b->object, b->sql, on);
}

static int parents(void *arg, uint64_t ino, void (*each)(void *, uint64_t dir), void *each_arg) {
    struct checkpoint_base *b = arg;
    int r = checkpoint_base_connect(b, &b->sql, &b->base);
    sealed_db_warm(b->object);
    return r < 0 ? r : base_parents(b->base, ino, each, each_arg);
}

/* It has turned out bad: the next start is to do without it. On the loop. */
static void note_bad(struct checkpoint_base *b) {
    struct tree *t = b->tree;
    if (b->said)
        return;
    b->said = true;
    log_error("the checkpoint of journal entry %" PRIu64 " that this host began from is damaged or lost: what was not looked at yet cannot be read. The next mount "
              "with nothing queued begins anew",
              b->ref.seq);
    tree_lock(t);
    int r = db_meta_set_bytes(&t->db, CHECKPOINT_BAD, b->ref.object.digest, DIGEST_SIZE);
    if (r < 0)
        log_errno(r, "tree.db cannot be written");
    tree_unlock(t);
}

struct base_wait {
    struct checkpoint_base *base;
    void (*ready)(void *arg, int err);
    void *arg;
};

static void waited(void *arg, int err) {
    struct base_wait *w = arg;
    if (err == -EBADMSG || err == -ENOENT)
        note_bad(w->base);
    w->ready(w->arg, err);
    free(w);
}

static void wait_for(void *arg, void (*ready)(void *, int err), void *ready_arg) {
    struct checkpoint_base *b = arg;
    struct base_wait *w = xmalloc(sizeof *w);
    *w = (struct base_wait){b, ready, ready_arg};
    sealed_db_wait(b->object, b->sql, waited, w);
}

void checkpoint_base_attach(struct checkpoint_base *b) {
    fault_attach(b->tree, &(struct fault_source){.children = children, .parents = parents, .wait = wait_for, .arg = b, .next_dir = next_dir, .scan = scan});
}
