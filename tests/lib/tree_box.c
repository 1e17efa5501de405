/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree_box.h"
#include "tmpdir.h"

#include <fcntl.h>
#include <inttypes.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define WAIT_MAX (600 * NS_PER_S)

static void die(const char *fmt, ...) ATTR_PRINTF(1, 2);
static void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "tree_box: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    abort();
}

/* Making one */

struct keyring *tree_box_keys(void) {
    uint8_t key[SEAL_KEY_SIZE];
    struct keyring *k = keyring_new();
    memset(key, 'k', sizeof key);
    keyring_add(k, key);
    return k;
}

void tree_box_init(struct sim *sim, struct mem_bucket *bucket) {
    static const uint8_t id[16] = "volume of a test";
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct env *env = sim_env_new(sim, 0);
    struct store *store = store_mem_new(bucket, env, NULL);
    struct keyring *keys = tree_box_keys();
    int r = tree_init(env, store, keys, ".assetfs", id, "init", "tester", 0, 0, false, &why);
    if (r < 0)
        die("no volume: %s", buf_str(&why));
    keyring_free(keys);
    store_free(store);
}

static bool can_drain(void *arg) {
    struct tree_box *b = arg;
    return b->tree && tree_can_drain(b->tree);
}

static void on_entry(void *arg, uint64_t parent ATTR_UNUSED, const char *name ATTR_UNUSED, size_t n ATTR_UNUSED) {
    ((struct tree_box *)arg)->invalidated++;
}

static void on_inode(void *arg, uint64_t ino ATTR_UNUSED, bool data ATTR_UNUSED) {
    ((struct tree_box *)arg)->invalidated++;
}

bool box_forget(struct tree_box *b) {
    struct lazy *l = b->tree ? lazy_forget(b->tree, b->lazy, b->dir) : NULL;
    b->lazy = l ? l : b->lazy;
    return l != NULL;
}

static void forget_if_asked(struct tree_box *b) {
    if (lazy_is_on())
        box_forget(b);
}

/* A failure leaves the box without a tree. */
static int open_all(struct tree_box *b) {
    struct block_cache_config cache = {.env = b->env, .counters = &b->counters, .dir = b->dir, .limit = (uint64_t)256 << 20};
    int r = block_cache_open(&cache, &b->cache);
    struct reader_config reader = {.env = b->env,
                                   .counters = &b->counters,
                                   .store = b->store,
                                   .cache = b->cache,
                                   .keys = b->keys,
                                   .prefix = ".assetfs",
                                   .dir = b->dir,
                                   .timeout_ns = 60 * NS_PER_S};
    if (r == 0)
        r = reader_new(&reader, &b->reader);
    struct spool_config spool = {.env = b->env,
                                 .dir = b->dir,
                                 .reader = b->reader,
                                 .cache = b->cache,
                                 .max_file_size = (uint64_t)1 << 40,
                                 .timeout_ns = 60 * NS_PER_S,
                                 .can_drain = can_drain,
                                 .arg = b};
    if (r == 0)
        r = spool_open(&spool, &b->spool);
    b->cfg.block_reader = b->reader;
    b->cfg.spool = b->spool;
    buf_reset(&b->why);
    if (r == 0)
        r = tree_open(&b->cfg, &b->tree, &b->why);
    if (r == 0)
        b->lazy = lazy_again(b->tree, b->dir);
    if (r == 0)
        r = tree_start(b->tree, &b->why);
    forget_if_asked(b);
    return r;
}

struct tree_box *tree_box_open(const struct tree_box_config *c, int *ret_err) {
    struct tree_box *b = xcalloc(1, sizeof *b);
    b->sim = c->sim;
    b->bucket = c->bucket;
    b->env = c->env ? c->env : sim_env_new(c->sim, 0);
    b->label = xstrdup(c->label ? c->label : "host");
    b->dir = c->dir ? c->dir : tmpdir_new();
    b->store = c->store ? c->store : store_fault_new(store_mem_new(c->bucket, b->env, &b->counters));
    b->keys = tree_box_keys();
    b->why = BUF_INIT(4096);
    b->cfg = (struct tree_config){.env = b->env,
                                  .counters = &b->counters,
                                  .writer = b->store,
                                  .reader = b->store,
                                  .keys = b->keys,
                                  .prefix = ".assetfs",
                                  .dir = b->dir,
                                  .host_label = b->label,
                                  .names = c->names,
                                  .user_label = "tester",
                                  .machine_id = c->machine_id ? c->machine_id : "machine",
                                  .durability = c->durability,
                                  .settle_ns = 500 * NS_PER_MS,
                                  .poll_ns = 5 * NS_PER_S,
                                  .fsync_timeout_ns = 60 * NS_PER_S,
                                  .timeout_ns = c->timeout_ns,
                                  .read_only = c->read_only,
                                  .at = c->at,
                                  .hooks = {on_entry, on_inode, b}};
    *ret_err = open_all(b);
    return b;
}

struct tree_box *tree_box_new(void) {
    struct sim *sim = sim_new(1);
    struct mem_bucket *bucket = mem_bucket_new();
    int r;
    tree_box_init(sim, bucket);
    struct tree_box *b = tree_box_open(&(struct tree_box_config){.sim = sim, .bucket = bucket}, &r);
    b->owns = true;
    if (r < 0 || box_claim(b) < 0)
        die("%s", r < 0 ? buf_str(&b->why) : "no session");
    return b;
}

struct tree_box *tree_box_join(struct tree_box *b, const char *label) {
    int r;
    struct tree_box *other = tree_box_open(&(struct tree_box_config){.sim = b->sim, .bucket = b->bucket, .label = label}, &r);
    if (r < 0 || box_claim(other) < 0)
        die("%s", r < 0 ? buf_str(&other->why) : "no session");
    return other;
}

void tree_box_close(struct tree_box *b) {
    b->tree = tree_close(b->tree);
    b->lazy = lazy_free(b->lazy);
    if (b->spool)
        b->spool = spool_close(b->spool);
    if (b->reader)
        b->reader = reader_free(b->reader);
    b->cache = block_cache_close(b->cache);
}

void tree_box_reopen(struct tree_box *b) {
    tree_box_close(b);
    int r = open_all(b);
    if (r < 0)
        die("it does not open again: %s: %s", strerror(-r), buf_str(&b->why));
}

void *tree_box_free(struct tree_box *b) {
    if (!b)
        return NULL;
    tree_box_close(b);
    store_free(b->store);
    keyring_free(b->keys);
    tmpdir_free(b->dir);
    buf_free(&b->why);
    free(b->label);
    if (b->owns) {
        sim_free(b->sim);
        mem_bucket_free(b->bucket);
    }
    free(b);
    return NULL;
}

int tree_box_setup(void **state) {
    *state = tree_box_new();
    return 0;
}

int tree_box_teardown(void **state) {
    struct tree_box *b = *state;
    CLEANUP_FREE char *wrong = b && b->tree && b->lazy ? tree_box_wrong_in_all(b) : NULL;
    if (wrong)
        die("%s", wrong);
    *state = tree_box_free(*state);
    return 0;
}

/* Waiting */

static void note_done(void *arg, int err) {
    int *r = arg;
    *r = err;
}

/* An answer that is not there yet. */
#define UNANSWERED 1

static int wait_for(struct tree_box *b, const int *r) {
    int64_t end = sim_mono(b->sim) + WAIT_MAX;
    while (*r == UNANSWERED)
        if (sim_mono(b->sim) > end || !sim_step(b->sim))
            die("a call is not answered");
    return *r;
}

int box_claim(struct tree_box *b) {
    int64_t end = sim_mono(b->sim) + 60 * NS_PER_S;
    while (sim_mono(b->sim) < end) {
        tree_lock(b->tree);
        int r = tree_writable(b->tree);
        tree_unlock(b->tree);
        if (r == 0)
            return 0;
        sim_run(b->sim, 100 * NS_PER_MS);
    }
    return -EIO;
}

void box_commit(struct tree_box *b) {
    int r = UNANSWERED;
    tree_used(b->tree);
    tree_sync(b->tree, note_done, &r);
    if (wait_for(b, &r) != 0)
        die("sync: %s", strerror(-r));
    forget_if_asked(b);
}

void box_follow(struct tree_box *b) {
    struct tree_status st;
    uint64_t last = 0, seq;
    int64_t end = sim_mono(b->sim) + WAIT_MAX;
    for (;;) {
        tree_used(b->tree);
        tree_poll_now(b->tree);
        sim_run(b->sim, NS_PER_S);
        tree_status(b->tree, &st);
        seq = st.sequence;
        tree_status_free(&st);
        if (seq == last || sim_mono(b->sim) > end)
            break;
        last = seq;
    }
    forget_if_asked(b);
}

/* Calls by path */

uint64_t box_ino(struct tree_box *b, const char *path) {
    struct attr a;
    return box_stat(b, path, &a) == 0 ? a.ino : 0;
}

int box_stat(struct tree_box *b, const char *path, struct attr *ret) {
    int r = names_getattr(b->tree, ROOT_INO, ret);
    while (r == 0 && *path) {
        size_t n = strcspn(path, "/");
        r = names_lookup(b->tree, ret->ino, path, n, ret);
        path += n + (path[n] == '/');
    }
    return r;
}

struct place {
    uint64_t parent;
    const char *name;
    size_t n;
};

static int find_place(struct tree_box *b, const char *path, struct place *ret) {
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
    struct attr a;
    int r = box_stat(b, dir, &a);
    ret->parent = a.ino;
    ret->name = slash ? slash + 1 : path;
    ret->n = strlen(ret->name);
    return r;
}

static int make(struct tree_box *b, const char *path, const struct make *m) {
    struct place p;
    struct attr a;
    int r = find_place(b, path, &p);
    return r < 0 ? r : names_make(b->tree, p.parent, p.name, p.n, m, &a);
}

int box_mkdir(struct tree_box *b, const char *path) {
    return make(b, path, &(struct make){.mode = S_IFDIR | 0755});
}

int box_create(struct tree_box *b, const char *path) {
    return make(b, path, &(struct make){.mode = S_IFREG | 0644});
}

int box_symlink(struct tree_box *b, const char *path, const char *target) {
    return make(b, path, &(struct make){.mode = S_IFLNK | 0777, .target = target});
}

struct written {
    int err;
};

static void note_written(void *arg, int err, size_t n ATTR_UNUSED) {
    *(int *)arg = err;
}

static int write_file(struct tree_box *b, const char *path, const char *content, bool append) {
    struct attr a;
    struct file *f;
    int r = box_stat(b, path, &a), flags = O_WRONLY | (append ? O_APPEND : O_TRUNC), answer = UNANSWERED;
    if (r == -ENOENT) {
        r = box_create(b, path);
        if (r == 0)
            r = box_stat(b, path, &a);
    }
    if (r == 0)
        r = file_open(b->tree, a.ino, flags, &f);
    if (r < 0)
        return r;
    file_write(f, content, strlen(content), 0, append, note_written, &answer);
    r = wait_for(b, &answer);
    file_close(f, flags);
    return r;
}

int box_put(struct tree_box *b, const char *path, const char *content) {
    return write_file(b, path, content, false);
}

int box_append(struct tree_box *b, const char *path, const char *content) {
    return write_file(b, path, content, true);
}

int box_truncate(struct tree_box *b, const char *path, uint64_t size) {
    int answer = UNANSWERED;
    struct attr a;
    int r = box_stat(b, path, &a);
    if (r < 0)
        return r;
    file_truncate(b->tree, a.ino, size, note_done, &answer);
    return wait_for(b, &answer);
}

int box_link(struct tree_box *b, const char *from, const char *to) {
    struct place p;
    struct attr a;
    uint64_t ino = box_ino(b, from);
    int r = find_place(b, to, &p);
    return r < 0 ? r : names_link(b->tree, ino, p.parent, p.name, p.n, &a);
}

int box_unlink(struct tree_box *b, const char *path) {
    struct place p;
    int r = find_place(b, path, &p);
    return r < 0 ? r : names_unlink(b->tree, p.parent, p.name, p.n);
}

int box_rmdir(struct tree_box *b, const char *path) {
    struct place p;
    int r = find_place(b, path, &p);
    return r < 0 ? r : names_rmdir(b->tree, p.parent, p.name, p.n);
}

int box_rename(struct tree_box *b, const char *from, const char *to, unsigned flags) {
    struct place p, q;
    int r = find_place(b, from, &p);
    if (r == 0)
        r = find_place(b, to, &q);
    return r < 0 ? r : names_rename(b->tree, p.parent, p.name, p.n, q.parent, q.name, q.n, flags);
}

int box_chmod(struct tree_box *b, const char *path, uint32_t mode) {
    struct setattr s = {.what = SET_MODE, .mode = mode};
    struct attr a;
    uint64_t ino = box_ino(b, path);
    return ino ? names_setattr(b->tree, ino, &s, &a) : -ENOENT;
}

int box_fsync(struct tree_box *b, const char *path) {
    int answer = UNANSWERED;
    uint64_t ino = box_ino(b, path);
    file_fsync_inode(b->tree, ino, note_done, &answer);
    return wait_for(b, &answer);
}

struct reading {
    struct buf *into;
    int answer;
};

static void note_read(void *arg, int err, const void *data, size_t len) {
    struct reading *r = arg;
    if (err == 0)
        buf_append(r->into, data, len);
    r->answer = err;
}

int box_read_ino(struct tree_box *b, uint64_t ino, struct buf *ret) {
    struct reading reading = {.into = ret, .answer = UNANSWERED};
    struct file *f;
    int r = file_open(b->tree, ino, O_RDONLY, &f);
    if (r < 0)
        return r;
    file_read(f, 0, 16u << 20, NULL, note_read, &reading);
    r = wait_for(b, &reading.answer);
    file_close(f, O_RDONLY);
    return r;
}

char *box_read(struct tree_box *b, const char *path, size_t *ret_n, int *ret_err) {
    CLEANUP_BUF struct buf data = BUF_INIT(17u << 20);
    uint64_t ino = box_ino(b, path);
    int r = ino ? box_read_ino(b, ino, &data) : -ENOENT;
    if (ret_err)
        *ret_err = r;
    return r < 0 ? NULL : (char *)buf_take(&data, ret_n);
}

/* Looking */

bool box_list_one(void *arg, const struct names_entry *e) {
    struct box_listed *l = arg;
    l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n] = *e;
    l->v[l->n++].name = xstrndup(e->name, e->n);
    return true;
}

static void print_one(struct tree_box *b, uint64_t ino, const char *path, struct buf *out);

static void print_dir(struct tree_box *b, uint64_t dir, const char *path, struct buf *out) {
    struct box_listed l = {0};
    uint64_t up;
    int r = names_list(b->tree, dir, box_list_one, &l, &up);
    if (r < 0)
        die("%s: %s", path, strerror(-r));
    for (size_t i = 0; i < l.n; i++) {
        CLEANUP_FREE char *below = xasprintf("%s%s%s", path, *path ? "/" : "", l.v[i].name);
        print_one(b, l.v[i].ino, below, out);
        free((char *)l.v[i].name);
    }
    free(l.v);
}

static void print_one(struct tree_box *b, uint64_t ino, const char *path, struct buf *out) {
    CLEANUP_BUF struct buf data = BUF_INIT(17u << 20);
    struct attr a;
    int r = names_getattr(b->tree, ino, &a);
    if (r < 0)
        die("%s has no inode: %s", path, strerror(-r));
    buf_printf(out, "%s%s", out->len ? " " : "", path);
    if (S_ISDIR(a.mode)) {
        buf_append_byte(out, '/');
        print_dir(b, ino, path, out);
    } else if (S_ISLNK(a.mode)) {
        r = names_readlink(b->tree, ino, &data);
        buf_printf(out, "->%s", r < 0 ? strerror(-r) : buf_str(&data));
    } else if (S_ISREG(a.mode)) {
        r = box_read_ino(b, ino, &data);
        buf_printf(out, "=%s", r < 0 ? strerror(-r) : buf_str(&data));
    }
}

char *box_print(struct tree_box *b) {
    CLEANUP_BUF struct buf out = BUF_INIT(64u << 20);
    print_dir(b, ROOT_INO, "", &out);
    return (char *)buf_take(&out, NULL);
}

void assert_view(struct tree_box *b, const char *want) {
    CLEANUP_FREE char *got = box_print(b);
    assert_string_equal(got, want);
}

/* Invariants */

struct check {
    const char *sql, *wrong; /* the query gives rows when it is wrong */
};

/* The first ones need all of C to be here. */
#define PARTIAL 2
static const struct check checks[] = {
    {"SELECT ino FROM p_inode i WHERE ino <> 1 AND NOT EXISTS (SELECT 1 FROM p_name p WHERE p.ino = i.ino) AND NOT EXISTS (SELECT 1 FROM c_name c WHERE c.ino = i.ino "
     "AND NOT EXISTS (SELECT 1 FROM p_name p WHERE p.parent = c.parent AND p.name = c.name))",
     "a pending inode has no name in the view"},
    {"SELECT i.ino FROM c_inode i WHERE nlink <> (SELECT count(*) FROM c_name n WHERE n.ino = i.ino AND n.type <> 16384) "
     "+ (SELECT count(*) FROM c_name n WHERE n.parent = i.ino AND n.type = 16384) + CASE WHEN i.ino = 1 OR EXISTS(SELECT 1 FROM c_name n "
     "WHERE n.ino = i.ino AND n.type = 16384) THEN 2 ELSE 0 END",
     "a link count of C"},
    {"SELECT ino FROM c_inode i WHERE ino <> 1 AND NOT EXISTS (SELECT 1 FROM c_name n WHERE n.ino = i.ino)", "an inode of C has no name"},
    {"SELECT ino FROM c_name n WHERE NOT EXISTS (SELECT 1 FROM c_inode i WHERE i.ino = n.ino)", "a name of C leads nowhere"},
    {"SELECT parent FROM c_name n WHERE NOT EXISTS (SELECT 1 FROM c_inode i WHERE i.ino = n.parent)", "a name of C lies in no directory"},
    {"SELECT ino FROM p_name p WHERE ino > 0 AND NOT EXISTS (SELECT 1 FROM p_inode i WHERE i.ino = p.ino) "
     "AND NOT EXISTS (SELECT 1 FROM c_inode i WHERE i.ino = p.ino)",
     "a pending name leads nowhere"},
    {"SELECT p.ino FROM p_name p JOIN p_inode i ON i.ino = p.ino WHERE p.ready = i.blocked", "a pending name's readiness is not its inode's"},
    {"SELECT ino FROM p_inode i WHERE blocked = 0 AND (spool > 0 OR (snap > 0 AND stage < 2)) AND after = 0", "an inode with bytes to upload is not blocked"},
    {"SELECT ino FROM p_link WHERE d = 0", "a link difference of nothing"},
    {"SELECT 1 WHERE NOT EXISTS(SELECT 1 FROM p_name) AND EXISTS(SELECT 1 FROM p_link)", "a link difference without pending names"},
};

/* Not while an entry is in flight: then rows that equal C's stay until its fate is known. */
static const struct check settled_checks[] = {
    {"SELECT 1 FROM p_name p JOIN c_name c ON c.parent = p.parent AND c.name = p.name WHERE c.ino = p.ino", "a pending name equals C's"},
    {"SELECT 1 FROM p_name p WHERE p.ino = 0 AND NOT EXISTS (SELECT 1 FROM c_name c WHERE c.parent = p.parent AND c.name = p.name)",
     "a pending name says that nothing is where C has nothing"},
};

static char *run_check(sqlite3 *sql, const struct check *c) {
    sqlite3_stmt *s;
    char *ret = NULL;
    if (sqlite3_prepare_v3(sql, c->sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK)
        die("%s: %s", c->sql, sqlite3_errmsg(sql));
    if (sqlite3_step(s) == SQLITE_ROW)
        ret = xasprintf("%s (%" PRIx64 ")", c->wrong, (uint64_t)sqlite3_column_int64(s, 0));
    sqlite3_finalize(s);
    return ret;
}

static uint64_t count(sqlite3 *sql, const char *query) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v3(sql, query, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK)
        die("%s: %s", query, sqlite3_errmsg(sql));
    sqlite3_step(s);
    uint64_t n = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

char *tree_box_wrong_in_all(struct tree_box *b) {
    struct tree *t = b->tree;
    char *ret = NULL;
    lazy_fetch_all(t);
    tree_lock(t);
    for (size_t i = 0; i < PARTIAL && !ret; i++)
        ret = run_check(t->db.sql, &checks[i]);
    uint64_t inodes = count(t->db.sql, "SELECT count(*) FROM c_inode");
    if (!ret && inodes != t->total_files)
        ret = xasprintf("%" PRIu64 " inodes when all are here, counted as %" PRIu64, inodes, t->total_files);
    tree_unlock(t);
    return ret ? ret : tree_box_wrong(b);
}

char *tree_box_wrong(struct tree_box *b) {
    struct tree *t = b->tree;
    char *ret = NULL;
    tree_lock(t);
    for (size_t i = fault_is_lazy(t) ? PARTIAL : 0; i < ARRAY_SIZE(checks) && !ret; i++)
        ret = run_check(t->db.sql, &checks[i]);
    for (size_t i = 0; i < ARRAY_SIZE(settled_checks) && !ret && !t->inflight.active; i++)
        ret = run_check(t->db.sql, &settled_checks[i]);
    uint64_t rows = count(t->db.sql, "SELECT (SELECT count(*) FROM p_name) + (SELECT count(*) FROM p_inode) + (SELECT count(*) FROM p_state)");
    if (!ret && rows != (uint64_t)t->pending_rows)
        ret = xasprintf("%" PRIu64 " pending rows, counted as %" PRId64, rows, t->pending_rows);
    uint64_t inodes = count(t->db.sql, "SELECT count(*) FROM c_inode");
    if (!ret && inodes != t->total_files && !fault_is_lazy(t))
        ret = xasprintf("%" PRIu64 " inodes, counted as %" PRIu64, inodes, t->total_files);
    tree_unlock(t);
    return ret;
}
