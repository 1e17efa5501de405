/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/rebuild.h"
#include "base/log.h"
#include "tree/apply.h"
#include "tree/fault.h"
#include <inttypes.h>
#include <unistd.h>

/* Entries asked for at once. */
#define WINDOW 16
#define AGAIN_NS (2 * NS_PER_S)
/* Whoever writes what fits nowhere must not keep everybody busy with themselves. */
#define TRUSTED_NS (3600 * NS_PER_S)

struct piece {
    struct rebuild *rebuild;
    struct buf data;
    bool there;
};

struct rebuild {
    struct tree *tree;
    struct tree fresh; /* no more of it than apply needs: the database, the digest and the totals */
    char *path;
    char *host;                 /* who wrote the entry that does not fit */
    bool suspect;               /* no entry has been refused yet: the tree is compared as it is when the journal has been applied */
    uint8_t want[DIGEST_SIZE];  /* what it says this tree is */
    uint64_t first;             /* the number of pieces[0] */
    struct piece pieces[WINDOW];
    unsigned n, waiting;
    struct env_timer timer;
};

static void remove_files(const char *path) {
    static const char *const kinds[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP_FREE char *file = xasprintf("%s%s", path, kinds[i]);
        unlink(file);
    }
}

static void forget_pieces(struct rebuild *b) {
    for (size_t i = 0; i < WINDOW; i++) {
        buf_free(&b->pieces[i].data);
        b->pieces[i].there = false;
    }
}

/* Under the lock. */
static void end(struct rebuild *b) {
    struct tree *t = b->tree;
    t->rebuild = NULL;
    env_timer_cancel(t->env, &b->timer);
    forget_pieces(b);
    if (b->fresh.db.sql)
        db_close(&b->fresh.db);
    remove_files(b->path);
    free(b->path);
    free(b->host);
    free(b);
    tree_release(t);
}

/* What differs, as rows of the damaged tree (before) and of the fresh one. */

struct difference {
    uint64_t parent, ino; /* parent 0: an inode */
    char *name;
    size_t n;
    struct row_name was, now;
};

struct differences {
    struct difference *v;
    size_t n;
};

static struct difference *add(struct differences *d) {
    if ((d->n & (d->n - 1)) == 0)
        d->v = xrealloc(d->v, MAX(1, 2 * d->n) * sizeof *d->v);
    d->v[d->n] = (struct difference){0};
    return &d->v[d->n++];
}

static void free_differences(struct differences *d) {
    for (size_t i = 0; i < d->n; i++)
        free(d->v[i].name);
    free(d->v);
}

static struct row_name row_at(sqlite3_stmt *s, int column) {
    return (struct row_name){(uint64_t)sqlite3_column_int64(s, column), (uint32_t)sqlite3_column_int(s, column + 1)};
}

static const char names_query[] =
    "SELECT n.parent, n.name, n.ino, n.type, coalesce(f.ino, 0), coalesce(f.type, 0) FROM main.c_name n LEFT JOIN fresh.c_name f "
    "ON f.parent = n.parent AND f.name = n.name WHERE f.ino IS NOT n.ino OR f.type IS NOT n.type UNION ALL "
    "SELECT f.parent, f.name, 0, 0, f.ino, f.type FROM fresh.c_name f WHERE NOT EXISTS "
    "(SELECT 1 FROM main.c_name n WHERE n.parent = f.parent AND n.name = f.name)";

static int find_names(struct tree *t, struct differences *d, struct before *b) {
    sqlite3_stmt *s;
    int r;
    if (sqlite3_prepare_v2(t->db.sql, names_query, -1, &s, NULL) != SQLITE_OK)
        return db_errno(&t->db);
    while ((r = sqlite3_step(s)) == SQLITE_ROW) {
        struct difference *x = add(d);
        x->parent = (uint64_t)sqlite3_column_int64(s, 0);
        x->n = MIN((size_t)sqlite3_column_bytes(s, 1), NAME_MAX_BYTES);
        x->name = xmemdup(sqlite3_column_blob(s, 1), x->n);
        x->was = row_at(s, 2);
        x->now = row_at(s, 4);
        before_keep_name(b, x->parent, x->name, x->n, &x->was);
    }
    sqlite3_finalize(s);
    return r == SQLITE_DONE ? 0 : db_errno(&t->db);
}

static const char inodes_query[] = "SELECT i.ino, i.rec FROM main.c_inode i LEFT JOIN fresh.c_inode f ON f.ino = i.ino WHERE f.rec IS NOT i.rec UNION ALL "
                                   "SELECT f.ino, NULL FROM fresh.c_inode f WHERE NOT EXISTS (SELECT 1 FROM main.c_inode i WHERE i.ino = f.ino)";

/* A record that cannot even be read is none. */
static int find_inodes(struct tree *t, struct differences *d, struct before *b) {
    sqlite3_stmt *s;
    int r;
    if (sqlite3_prepare_v2(t->db.sql, inodes_query, -1, &s, NULL) != SQLITE_OK)
        return db_errno(&t->db);
    while ((r = sqlite3_step(s)) == SQLITE_ROW) {
        CLEANUP_RECORD struct record was = {0};
        struct difference *x = add(d);
        x->ino = (uint64_t)sqlite3_column_int64(s, 0);
        bool readable = sqlite3_column_type(s, 1) != SQLITE_NULL &&
                        record_parse(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), &was) == 0;
        before_keep_inode(b, x->ino, readable, &was);
    }
    sqlite3_finalize(s);
    return r == SQLITE_DONE ? 0 : db_errno(&t->db);
}

static int run(struct tree *t, const char *sql) {
    return sqlite3_exec(t->db.sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_errno(&t->db);
}

/* Names through rows_c_set_name(), which keeps the links of the view; the rest as it is. */
static int write_fresh(void *arg, struct before *b) {
    struct tree *t = arg;
    struct differences names = {0}, inodes = {0};
    int r = find_names(t, &names, b);
    if (r == 0)
        r = find_inodes(t, &inodes, b);
    for (size_t i = 0; i < names.n && r == 0; i++) {
        const struct difference *x = &names.v[i];
        r = rows_c_set_name(t, x->parent, x->name, x->n, x->now.ino, x->now.type);
    }
    for (size_t i = 0; i < inodes.n && r == 0; i++) {
        CLEANUP_FREE char *sql = xasprintf("DELETE FROM main.c_inode WHERE ino = %" PRId64 "; INSERT INTO main.c_inode SELECT * FROM fresh.c_inode WHERE ino = %" PRId64,
                                           (int64_t)inodes.v[i].ino, (int64_t)inodes.v[i].ino);
        r = run(t, sql);
    }
    if (r == 0)
        r = run(t, "UPDATE main.c_inode SET nlink = f.nlink, seq = f.seq FROM fresh.c_inode f WHERE f.ino = main.c_inode.ino "
                   "AND (f.nlink <> main.c_inode.nlink OR f.seq <> main.c_inode.seq);"
                   "DELETE FROM main.c_session; INSERT INTO main.c_session SELECT * FROM fresh.c_session;"
                   "DELETE FROM main.c_state; INSERT INTO main.c_state SELECT * FROM fresh.c_state;"
                   "INSERT OR IGNORE INTO main.object SELECT * FROM fresh.object;");
    if (r == 0)
        log_warning("the local state in %s was damaged: %zu names and %zu inodes of it were not what the journal says, and are set right", t->cfg.dir, names.n,
                    inodes.n);
    free_differences(&names);
    free_differences(&inodes);
    return r;
}

/* Under the lock. */
static int take_place(struct rebuild *b) {
    struct tree *t = b->tree;
    db_close(&b->fresh.db);
    char *sql = sqlite3_mprintf("ATTACH %Q AS fresh", b->path);
    int r = run(t, sql);
    sqlite3_free(sql);
    if (r < 0)
        return r;
    r = follow_replace(t, &b->fresh, write_fresh, t);
    int detached = run(t, "DETACH fresh");
    return r < 0 ? r : detached;
}

/* A suspicion: what the journal makes of it is right. Under the lock. */
static void finish_suspicion(struct rebuild *b) {
    struct tree *t = b->tree;
    uint8_t fresh[DIGEST_SIZE], here[DIGEST_SIZE];
    set_digest_value(&b->fresh.set, fresh);
    set_digest_value(&t->set, here);
    bool well = !memcmp(fresh, here, DIGEST_SIZE);
    int r = well ? 0 : take_place(b);
    if (well)
        t->well_at = env_mono(t->env);
    if (r < 0)
        tree_stop(t, "the local state in %s is damaged (it showed before journal entry %" PRIu64 "), and cannot be set right: %s", t->cfg.dir, t->seq + 1, strerror(-r));
}

static void ask(struct rebuild *b);

/* The last entry before the one that does not fit has been applied. On the loop. */
static void finish(struct rebuild *b) {
    struct tree *t = b->tree;
    uint8_t now[DIGEST_SIZE];
    set_digest_value(&b->fresh.set, now);
    tree_lock(t);
    if (b->suspect && b->fresh.seq != t->seq) { /* it goes on meanwhile, at the start in another thread */
        tree_unlock(t);
        ask(b);
        return;
    }
    if (b->suspect) {
        finish_suspicion(b);
        end(b);
        commit_kick(t);
        settle_kick(t);
        tree_unlock(t);
        follow_now(t);
        return;
    }
    bool agrees = !memcmp(now, b->want, DIGEST_SIZE) && !memcmp(b->fresh.head_hash, t->head_hash, DIGEST_SIZE);
    int r = agrees ? take_place(b) : 0;
    if (!agrees)
        tree_stop(t, "journal entry %" PRIu64 " by %s was built on another tree than the journal before it makes: that host is damaged. This host stops before it; "
                     "what it has not committed stays queued",
                  t->seq + 1, b->host);
    else if (r < 0)
        tree_stop(t, "the local state in %s is damaged (it showed at journal entry %" PRIu64 "), and cannot be set right: %s", t->cfg.dir, t->seq + 1, strerror(-r));
    end(b);
    tree_unlock(t);
    if (agrees && r == 0)
        follow_now(t);
}

/* 0; the journal cannot be what this host has applied once. */
static int apply_piece(struct rebuild *b, const struct piece *p) {
    CLEANUP_ENTRY struct entry e = {0};
    struct tree *u = &b->fresh;
    size_t n_void;
    uint64_t seq = u->seq + 1;
    int r = follow_open(u, seq, p->data.data, p->data.len, &e);
    if (r == -EBADMSG && seq > 1) { /* void */
        u->seq = seq;
        return 0;
    }
    if (r == 0 && seq > 1 && memcmp(e.previous, u->head_hash, DIGEST_SIZE))
        r = -EBADE;
    if (r == 0)
        r = apply_entry(u, &e, NULL, &n_void);
    if (r < 0)
        return r;
    digest_of(p->data.data, p->data.len, u->head_hash);
    u->seq = seq;
    return 0;
}

static void ask_again(void *arg) {
    ask(arg);
}

static void all_here(struct rebuild *b) {
    struct tree *t = b->tree;
    bool missing = false;
    for (unsigned i = 0; i < b->n; i++)
        missing |= !b->pieces[i].there;
    tree_lock(t);
    bool closing = t->closing;
    if (closing)
        end(b);
    else if (missing)
        env_timer_set(t->env, &b->timer, env_mono(t->env) + AGAIN_NS);
    tree_unlock(t);
    if (closing || missing)
        return;
    int r = db_begin(&b->fresh.db);
    for (unsigned i = 0; i < b->n && r == 0; i++)
        r = apply_piece(b, &b->pieces[i]);
    if (r == 0)
        r = db_commit(&b->fresh.db);
    if (r == 0) {
        ask(b);
        return;
    }
    tree_lock(t);
    tree_stop(t, "journal entry %" PRIu64 " was built on another tree than this host has, and the journal cannot be applied anew to see why: entry %" PRIu64 ": %s",
              t->seq + 1, b->fresh.seq + 1, strerror(-r));
    end(b);
    tree_unlock(t);
}

static void got(void *arg, const struct store_got *g) {
    struct piece *p = arg;
    struct rebuild *b = p->rebuild;
    if (g->err == 0 && buf_append(&p->data, g->data, g->len) == 0)
        p->there = true;
    if (--b->waiting == 0)
        all_here(b);
}

/* The next window, or what is missing of this one. On the loop. */
static void ask(struct rebuild *b) {
    struct tree *t = b->tree;
    if (b->first + b->n == b->fresh.seq + 1) {
        forget_pieces(b);
        b->first = b->fresh.seq + 1;
        b->n = (unsigned)MIN(WINDOW, t->seq - b->fresh.seq);
    }
    if (b->n == 0) {
        finish(b);
        return;
    }
    b->waiting = 1; /* answers may come at once */
    for (unsigned i = 0; i < b->n; i++) {
        if (b->pieces[i].there)
            continue;
        CLEANUP_FREE char *key = entry_key(t->cfg.prefix, b->first + i);
        buf_free(&b->pieces[i].data);
        b->pieces[i] = (struct piece){.rebuild = b, .data = BUF_INIT(ENTRY_MAX + 1)};
        b->waiting++;
        store_get_range(t->cfg.reader, key, 0, 0, 0, got, &b->pieces[i]);
    }
    if (--b->waiting == 0)
        all_here(b);
}

static void begin(struct tree *t, const struct entry *e, bool suspect) {
    if (fault_is_lazy(t)) {
        tree_stop(t, "journal entry %" PRIu64 " by %s was built on another tree than this host has; unmount, move the local state %s "
                     "away once `assetfs status` shows nothing queued, and mount again",
                  e->sequence, e->host, t->cfg.dir);
        return;
    }
    struct rebuild *b = xcalloc(1, sizeof *b);
    b->tree = t;
    b->suspect = suspect;
    b->path = xasprintf("%s/rebuild.db", t->cfg.dir);
    b->host = xstrdup(e->host);
    b->first = 1;
    memcpy(b->want, e->tree, DIGEST_SIZE);
    b->fresh.cfg = t->cfg;
    b->fresh.env = t->env;
    b->timer = (struct env_timer){.fn = ask_again, .arg = b};
    remove_files(b->path);
    int r = db_open(&b->fresh.db, b->path);
    if (r == 0)
        r = run(&b->fresh, "PRAGMA synchronous=OFF");
    tree_hold(t);
    t->rebuild = b;
    log_warning("journal entry %" PRIu64 " by %s %s: the journal is applied anew to see whether this host is wrong", e->sequence, e->host,
                suspect ? "has changes that do not fit here" : "was built on another tree than this host has");
    if (r < 0) {
        tree_stop(t, "journal entry %" PRIu64 " by %s was built on another tree than this host has, and %s cannot be made: %s", e->sequence, e->host, b->path, strerror(-r));
        end(b);
        return;
    }
    env_timer_set(t->env, &b->timer, env_mono(t->env));
}

void rebuild_begin(struct tree *t, const struct entry *e) {
    if (!t->rebuild && !t->stopped && !t->closing)
        begin(t, e, false);
}

void rebuild_suspect(struct tree *t, const struct entry *e) {
    bool trusted = t->made_here || (t->well_at && env_mono(t->env) - t->well_at < TRUSTED_NS);
    if (!t->rebuild && !t->stopped && !t->closing && !trusted && !fault_is_lazy(t))
        begin(t, e, true);
}

void rebuild_close(struct tree *t) {
    struct rebuild *b = t->rebuild;
    if (b && b->waiting == 0)
        end(b);
}
