/* SPDX-License-Identifier: GPL-2.0-or-later */
#define LAZY_ITSELF
#include "lazy.h"
#include "sim_env.h"
#include "tree/base_build.h"
#include "tree/rebuild.h"
#include "tree/rows.h"
#include <limits.h>
#include <utlist.h>

struct waiting {
    struct lazy *lazy;
    void (*ready)(void *, int);
    void *arg;
    struct env_timer timer;
    struct waiting *prev, *next;
};

struct lazy {
    struct env *env;
    struct tree *tree;
    sqlite3 *sql;
    struct base *base;
    uint64_t random;
    unsigned failures, listings;
    bool braked, steady, spoilt;
    unsigned rows_left; /* then */
    int err;
    struct waiting *waiting;
};

static bool is_on, goes_ahead;

void lazy_turn_on(void) {
    is_on = true;
}

void lazy_go_ahead(bool on) {
    goes_ahead = on;
}

bool lazy_is_on(void) {
    return is_on;
}

static void die(const char *what, int r) {
    fprintf(stderr, "lazy: %s: %s\n", what, strerror(-r));
    abort();
}

static unsigned draw(struct lazy *l, unsigned n) {
    l->random = l->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(l->random >> 33) % n;
}

/* The source */

static int hesitate(struct lazy *l) {
    if (l->spoilt)
        return -EBADMSG;
    if (l->failures) {
        l->failures--;
        return l->err;
    }
    if (l->braked && !l->rows_left)
        return -EINPROGRESS;
    return !l->steady && draw(l, 3) ? -EINPROGRESS : 0;
}

/* Breaks a listing off. */
struct cut {
    struct lazy *lazy;
    bool (*each)(void *, const struct base_row *);
    void *arg;
    unsigned left;
    bool cut;
};

static bool pass_on(void *arg, const struct base_row *row) {
    struct cut *c = arg;
    if (c->left-- == 0 || (c->lazy->braked && !c->lazy->rows_left)) {
        c->cut = true;
        return false;
    }
    c->lazy->rows_left -= c->lazy->braked;
    return c->each(c->arg, row);
}

static int children(void *arg, uint64_t dir, const char *after, size_t after_n, bool (*each)(void *, const struct base_row *), void *each_arg,
                    bool *ret_more) {
    struct lazy *l = arg;
    struct cut c = {l, each, each_arg, l->steady || draw(l, 2) ? UINT_MAX : draw(l, 4), false};
    int r = hesitate(l);
    if (r == 0)
        r = base_children(l->base, dir, after, after_n, pass_on, &c, ret_more);
    l->listings += r == 0 && !c.cut && !*ret_more;
    return r == 0 && c.cut ? -EINPROGRESS : r;
}

static int parents(void *arg, uint64_t ino, void (*each)(void *, uint64_t dir), void *each_arg) {
    struct lazy *l = arg;
    int r = hesitate(l);
    return r < 0 ? r : base_parents(l->base, ino, each, each_arg);
}

static int next_dir(void *arg, uint64_t dir, char name[NAME_MAX_BYTES], size_t *n, uint64_t *ret) {
    struct lazy *l = arg;
    int r = l->failures || l->braked ? hesitate(l) : 0;
    return r < 0 ? r : base_next_dir(l->base, dir, name, n, ret);
}

static void wait_over(void *arg) {
    struct waiting *w = arg;
    DL_DELETE(w->lazy->waiting, w);
    w->ready(w->arg, 0);
    free(w);
}

static void wait_for_pages(void *arg, void (*ready)(void *, int), void *ready_arg) {
    struct lazy *l = arg;
    struct waiting *w = xcalloc(1, sizeof *w);
    *w = (struct waiting){.lazy = l, .ready = ready, .arg = ready_arg, .timer = {.fn = wait_over, .arg = w}};
    DL_APPEND(l->waiting, w);
    if (l->braked && !l->rows_left)
        return;
    env_timer_set(l->env, &w->timer, env_mono(l->env) + draw(l, 30) * NS_PER_MS);
}

static void lost(void *arg, int err) {
    struct lazy *l = arg;
    tree_lock(l->tree);
    rebuild_lost(l->tree, err);
    tree_unlock(l->tree);
}

static void attach(struct lazy *l, struct tree *t) {
    l->tree = t;
    fault_attach(t, &(struct fault_source){.children = children,
                                           .parents = parents,
                                           .wait = wait_for_pages,
                                           .arg = l,
                                           .next_dir = is_on || goes_ahead ? next_dir : NULL,
                                           .lost = lost});
}

static struct lazy *lazy_open(struct tree *t, const char *path, uint64_t seq) {
    struct lazy *l = xcalloc(1, sizeof *l);
    l->env = t->env;
    l->random = seq;
    l->steady = goes_ahead;
    int r = sqlite3_open_v2(path, &l->sql, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK ? base_open(l->sql, seq, NULL, NULL, &l->base) : -EIO;
    if (r < 0)
        die("the base does not open", r);
    return l;
}

struct lazy *lazy_again(struct tree *t, const char *dir) {
    CLEANUP_FREE char *path = xasprintf("%s/lazy.db", dir);
    if (!fault_is_lazy(t) || access(path, F_OK) < 0) /* it began from a checkpoint in the bucket, or from none */
        return NULL;
    struct lazy *l = lazy_open(t, path, (uint64_t)db_meta_int(&t->db, "lazy_seq", 0));
    attach(l, t);
    return l;
}

void lazy_fail(struct lazy *l, unsigned n, int err) {
    l->failures = n;
    l->err = err;
}

void lazy_spoil(struct lazy *l) {
    if (l)
        l->spoilt = true;
}

void lazy_brake(struct lazy *l, unsigned rows) {
    l->braked = true;
    l->rows_left = rows;
}

void lazy_note(void *arg, int err) {
    *(int *)arg = err;
}

unsigned lazy_listings(const struct lazy *l) {
    return l->listings;
}

struct lazy *lazy_free(struct lazy *l) {
    struct waiting *w, *next;
    if (!l)
        return NULL;
    DL_FOREACH_SAFE(l->waiting, w, next) {
        env_timer_cancel(l->env, &w->timer);
        w->ready(w->arg, -EINTR);
        free(w);
    }
    base_close(l->base);
    sqlite3_close(l->sql);
    free(l);
    return NULL;
}

/* Forgetting */

static void build(struct tree *t, struct lazy *from, const char *path) {
    struct base_build *b;
    sqlite3 *sql;
    if (sqlite3_open_v2(t->db.path, &sql, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK || sqlite3_exec(sql, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        die("tree.db", -EIO);
    int r = base_build_new(sql, from ? from->base : NULL, path, &b);
    if (r < 0)
        die("no base can be built", r);
    do
        r = base_build_step(b, 100);
    while (r == 1);
    if (r < 0)
        die("the base could not be built", r);
    base_build_free(b);
    sqlite3_close(sql);
}

static void run_sql(struct tree *t, const char *sql) {
    char *why = NULL;
    if (sqlite3_exec(t->db.sql, sql, NULL, NULL, &why) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, why);
        die("tree.db", -EIO);
    }
}

static void set_last(void *arg, uint64_t number, const char *label, const void *nonce, uint64_t last) {
    CLEANUP_FREE char *sql = xasprintf("UPDATE c_session SET last = %llu WHERE number = %llu", (unsigned long long)last, (unsigned long long)number);
    (void)label;
    (void)nonce;
    run_sql(arg, sql);
}

/* As a host that starts from a checkpoint. */
static void begin_from(struct tree *t, struct lazy *l) {
    struct base_row root;
    if (db_begin(&t->db) < 0)
        die("tree.db", -EIO);
    run_sql(t, "DELETE FROM c_name; DELETE FROM c_inode; UPDATE c_session SET last = 0;");
    int r = base_root(l->base, &root);
    if (r == 0)
        r = db_run(&t->db, STMT_C_INODE_ADD, "ibii", root.ino, root.rec, root.rec_len, (int64_t)root.nlink, root.seq);
    if (r == 0)
        r = base_sessions(l->base, set_last, t);
    if (r == 0)
        r = fault_begin(t);
    if (r == 0)
        r = db_meta_set_int(&t->db, "lazy_seq", (int64_t)t->seq);
    if (r == 0)
        r = db_commit(&t->db);
    if (r < 0)
        die("beginning from the base", r);
}

struct lazy *lazy_forget(struct tree *t, struct lazy *from, const char *dir) {
    if (!t->db.path || t->db.path[0] != '/' || t->seq == 0 || t->pending_rows || t->inflight.active || t->files || t->orphans)
        return NULL;
    CLEANUP_FREE char *path = xasprintf("%s/lazy.db", dir), *new = xasprintf("%s/lazy.new", dir);
    unlink(new);
    build(t, fault_is_lazy(t) ? from : NULL, new);
    struct lazy *l = lazy_open(t, new, t->seq);
    if (rename(new, path) < 0)
        die(path, -errno);
    begin_from(t, l);
    attach(l, t);
    lazy_free(from);
    return l;
}

/* Calls */

struct waited {
    bool done, left; /* left: nobody waits any more */
    int err;
};

static void waited(void *arg, int err) {
    struct waited *w = arg;
    w->err = err;
    w->done = true;
    if (w->left)
        free(w);
}

int lazy_wait(struct tree *t) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    struct waited *w = xcalloc(1, sizeof *w);
    fault_wait(t, waited, w);
    while (!w->done && !sim_env_is_frozen(t->env)) {
        pthread_mutex_lock(&mutex);
        pthread_cond_wait(&cond, &mutex); /* the next event: sim_env.h */
        pthread_mutex_unlock(&mutex);
    }
    int err = w->done ? w->err : -EINTR;
    w->left = true;
    if (w->done)
        free(w);
    return err;
}

#define AGAIN(call)                                                                                          \
    int r, waited_r = 0;                                                                                     \
    do                                                                                                       \
        r = (call);                                                                                          \
    while (r == -EINPROGRESS && (waited_r = lazy_wait(t)) == 0);                                             \
    return waited_r < 0 ? waited_r : r

int lazy_names_lookup(struct tree *t, uint64_t parent, const char *name, size_t n, struct attr *ret) {
    AGAIN(names_lookup(t, parent, name, n, ret));
}
int lazy_names_getattr(struct tree *t, uint64_t ino, struct attr *ret) {
    AGAIN(names_getattr(t, ino, ret));
}
int lazy_names_list(struct tree *t, uint64_t dir, bool (*each)(void *arg, const struct names_entry *), void *arg, uint64_t *ret_parent) {
    AGAIN(names_list(t, dir, each, arg, ret_parent));
}
int lazy_names_readlink(struct tree *t, uint64_t ino, struct buf *ret) {
    AGAIN(names_readlink(t, ino, ret));
}
int lazy_names_make(struct tree *t, uint64_t parent, const char *name, size_t n, const struct make *m, struct attr *ret) {
    AGAIN(names_make(t, parent, name, n, m, ret));
}
int lazy_names_link(struct tree *t, uint64_t ino, uint64_t parent, const char *name, size_t n, struct attr *ret) {
    AGAIN(names_link(t, ino, parent, name, n, ret));
}
int lazy_names_unlink(struct tree *t, uint64_t parent, const char *name, size_t n) {
    AGAIN(names_unlink(t, parent, name, n));
}
int lazy_names_rmdir(struct tree *t, uint64_t parent, const char *name, size_t n) {
    AGAIN(names_rmdir(t, parent, name, n));
}
int lazy_names_rename(struct tree *t, uint64_t parent, const char *name, size_t n, uint64_t to_parent, const char *to_name, size_t to_n,
                      unsigned flags) {
    AGAIN(names_rename(t, parent, name, n, to_parent, to_name, to_n, flags));
}
int lazy_names_setattr(struct tree *t, uint64_t ino, const struct setattr *s, struct attr *ret) {
    AGAIN(names_setattr(t, ino, s, ret));
}
int lazy_names_setxattr(struct tree *t, uint64_t ino, const char *name, const void *value, size_t n, int flags) {
    AGAIN(names_setxattr(t, ino, name, value, n, flags));
}
int lazy_names_removexattr(struct tree *t, uint64_t ino, const char *name) {
    AGAIN(names_removexattr(t, ino, name));
}
int lazy_names_getxattr(struct tree *t, uint64_t ino, const char *name, struct buf *ret) {
    AGAIN(names_getxattr(t, ino, name, ret));
}
int lazy_names_listxattr(struct tree *t, uint64_t ino, struct buf *ret) {
    AGAIN(names_listxattr(t, ino, ret));
}
int lazy_names_truth(struct tree *t, uint64_t ino, struct truth *ret) {
    AGAIN(names_truth(t, ino, ret));
}
int lazy_file_open(struct tree *t, uint64_t ino, int flags, struct file **ret) {
    AGAIN(file_open(t, ino, flags, ret));
}
int lazy_walk_to(struct tree *t, uint64_t ino, struct walk *ret) {
    AGAIN(walk_to(t, ino, ret));
}

/* One that must wait says so at once. */
struct truncation {
    bool waits, returned;
    file_done done;
    void *arg;
    int refs;
};

static void truncated(void *arg, int err) {
    struct truncation *c = arg;
    if (!c->returned && err == -EINPROGRESS)
        c->waits = true;
    else
        c->done(c->arg, err);
    if (--c->refs == 0)
        free(c);
}

void lazy_file_truncate(struct tree *t, uint64_t ino, uint64_t size, file_done done, void *arg) {
    for (bool waits = true; waits;) {
        struct truncation *c = xcalloc(1, sizeof *c);
        *c = (struct truncation){.done = done, .arg = arg, .refs = 2};
        file_truncate(t, ino, size, truncated, c);
        c->returned = true;
        waits = c->waits;
        if (--c->refs == 0)
            free(c);
        int r = waits ? lazy_wait(t) : 0;
        if (r < 0) {
            done(arg, r);
            return;
        }
    }
}

struct dirs {
    uint64_t *v;
    size_t n;
};

static bool add_dir(void *arg, const struct names_entry *e) {
    struct dirs *d = arg;
    if (S_ISDIR(e->type)) {
        d->v = xrealloc(d->v, (d->n + 1) * sizeof *d->v);
        d->v[d->n++] = e->ino;
    }
    return true;
}

/* Of C, whatever the view has taken away: by rows, not by calls. */
static int need_all(struct tree *t) {
    sqlite3_stmt *s;
    struct dirs d = {0};
    int r = 0;
    tree_lock(t);
    sqlite3_prepare_v2(t->db.sql, "SELECT ino FROM c_name WHERE type = 16384 UNION SELECT 1", -1, &s, NULL);
    while (sqlite3_step(s) == SQLITE_ROW)
        add_dir(&d, &(struct names_entry){.ino = (uint64_t)sqlite3_column_int64(s, 0), .type = S_IFDIR});
    sqlite3_finalize(s);
    for (size_t i = 0; i < d.n; i++)
        r = MIN(r, fault_need_dir(t, d.v[i]));
    free(d.v);
    tree_unlock(t);
    return r;
}

void lazy_fetch_all(struct tree *t) {
    int r;
    while ((r = need_all(t)) == -EINPROGRESS)
        if ((r = fault_wait_here(t)) < 0)
            die("fetching all", r);
    if (r < 0)
        die("fetching all", r);
}
