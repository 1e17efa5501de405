/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "tree/base.h"
#include "tree/checkpoint.h"
#include "tree/fault.h"
#include "tree/rebuild.h"
#include <dirent.h>
#include <utlist.h>

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

static void wait_for(void *arg, void (*ready)(void *, int err), void *ready_arg) {
    struct checkpoint_base *b = arg;
    sealed_db_wait(b->object, b->sql, ready, ready_arg);
}

/* On the loop. A start in the middle of the rebuild must know it too. */
static void lost(void *arg, int err) {
    struct checkpoint_base *b = arg;
    struct tree *t = b->tree;
    tree_lock(t);
    if (b == t->checkpoint.base) {
        int r = db_meta_set_bytes(&t->db, CHECKPOINT_BAD, b->ref.object.digest, DIGEST_SIZE);
        if (r < 0)
            log_errno(r, "tree.db cannot be written");
        rebuild_lost(t, err);
    }
    tree_unlock(t);
}

struct fault_source checkpoint_base_source(struct checkpoint_base *b) {
    bool used = b->tree->checkpoint.base == b;
    return (struct fault_source){.children = children, .parents = parents, .wait = wait_for, .arg = b, .next_dir = next_dir, .scan = scan, .lost = used ? lost : NULL};
}

void checkpoint_base_attach(struct checkpoint_base *b) {
    struct fault_source s = checkpoint_base_source(b);
    fault_attach(b->tree, &s);
}

/* Named as sealed_db.c names them: temporary files of a making are others. */
static bool is_kept_base(const char *name) {
    return strlen(name) == DIGEST_HEX_SIZE - 1 && strspn(name, "0123456789abcdef") == DIGEST_HEX_SIZE - 1;
}

void checkpoint_base_remove_others(struct tree *t) {
    CLEANUP_FREE char *path = xasprintf("%s/checkpoint", t->cfg.dir);
    char own[DIGEST_HEX_SIZE] = "";
    DIR *d = opendir(path);
    if (!d)
        return;
    if (t->checkpoint.base)
        digest_hex(t->checkpoint.base->ref.object.digest, own);
    for (struct dirent *e; (e = readdir(d));)
        if (is_kept_base(e->d_name) && strcmp(e->d_name, own) && unlinkat(dirfd(d), e->d_name, 0) < 0)
            log_errno(-errno, "%s/%s, of a checkpoint that is not used any more, cannot be removed", path, e->d_name);
    closedir(d);
}

void checkpoint_base_retire(struct tree *t, struct checkpoint_base *b) {
    if (b)
        LL_PREPEND(t->checkpoint.retired, b);
}
