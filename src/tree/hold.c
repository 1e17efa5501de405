/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/hold.h"
#include "base/log.h"
#include "tree/file_state.h"
#include "tree/name_kind.h"

/* A walk over the names of an inode. */
struct walk {
    struct tree *tree;
    int64_t until;
};

/* A directory is temporary by its name, or is held back itself with the one it lies in. */
static int look_at_directory(void *arg, uint64_t parent, const char *name, size_t n) {
    struct walk *w = arg;
    struct row_pending_name p;
    if (name_kind(w->tree->cfg.names, name, n) == NAME_TEMPORARY || (rows_p_name(w->tree, parent, name, n, &p) == 1 && p.held))
        w->until = env_mono(w->tree->env) + HOLD_NS;
    return -EEXIST; /* it has but one */
}

int64_t hold_until(struct tree *t, uint64_t parent, const char *name, size_t n) {
    struct walk w = {.tree = t};
    if (!t->cfg.names)
        return 0;
    if (name_kind(t->cfg.names, name, n) == NAME_TEMPORARY)
        return env_mono(t->env) + HOLD_NS;
    if (parent != ROOT_INO)
        rows_v_names_of(t, parent, look_at_directory, &w);
    return w.until;
}

/* A name that was let go, or is committed, but still looks temporary: its file is written on under it, and is uploaded now and then only. */
static int look_at_name(void *arg, uint64_t parent, const char *name, size_t n) {
    struct walk *w = arg;
    struct row_pending_name p;
    int r = rows_p_name(w->tree, parent, name, n, &p);
    int64_t until = r == 1 && p.held ? p.held : 0;
    if (!until && hold_until(w->tree, parent, name, n))
        until = 1;
    w->until = until ? MAX(w->until, until) : 0;
    return until ? 0 : -EEXIST;
}

int64_t hold_of(struct tree *t, uint64_t ino) {
    struct walk w = {.tree = t};
    if (!t->cfg.names)
        return 0;
    rows_v_names_of(t, ino, look_at_name, &w);
    if (w.until != 1)
        return w.until;
    struct file *f = file_find(t, ino);
    return f && f->writers ? f->dirty_since + HOLD_NS : 0;
}

static int find_free(void *arg, uint64_t parent, const char *name, size_t n) {
    struct row_pending_name p;
    int r = rows_p_name(arg, parent, name, n, &p);
    return r == 1 && (p.held || p.since == ROW_LOCAL) ? 0 : r < 0 ? r : -EEXIST;
}

/* Rows of C that a held or a local row stands over are names still, for everybody else. */
static int find_covered(struct tree *t, uint64_t ino) {
    struct row_pending_name p;
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_NAMES_OF, "i", ino);
    int r, found = 0;
    while ((r = db_step(s)) == 1) {
        size_t n = (size_t)sqlite3_column_bytes(s, 1);
        CLEANUP_FREE char *name = xmemdup(sqlite3_column_blob(s, 1), n);
        int had = rows_p_name(t, (uint64_t)sqlite3_column_int64(s, 0), name, n, &p);
        if (had < 0 || (had == 1 && (p.held || p.since == ROW_LOCAL))) {
            found = had;
            break;
        }
    }
    db_reset(s);
    return r < 0 ? r : found;
}

int hold_is_named(struct tree *t, uint64_t ino) {
    int r = ino == ROOT_INO ? 1 : rows_v_names_of(t, ino, find_free, t);
    return r == -EEXIST ? 1 : r == 0 ? find_covered(t, ino) : r;
}

int hold_release(struct tree *t, uint64_t ino) {
    int r = 1;
    if (!t->cfg.names || hold_next(t) == INT64_MAX)
        return 0;
    for (uint64_t at = ino; r == 1 && at != ROOT_INO;) {
        r = db_run(&t->db, STMT_P_HELD_OF, "i", at);
        if (r == 0)
            r = rows_v_parent(t, at, &at);
    }
    return MIN(r, 0);
}

int hold_release_all(struct tree *t) {
    return db_run(&t->db, STMT_P_HELD_ALL, "i", (int64_t)0);
}

/* Nothing but held bytes is due in so long a time. */
#define FAR_NS (60 * NS_PER_S)

uint64_t hold_count(struct tree *t) {
    if (!t->cfg.names)
        return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_HELD_WORK, "i", env_mono(t->env) + FAR_NS);
    uint64_t n = db_step(s) == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    db_reset(s);
    return n;
}

void hold_make_room(struct tree *t) {
    int64_t now = env_mono(t->env);
    if (!hold_count(t))
        return;
    log_info("the disk is full: files with temporary names are uploaded, too");
    int r = hold_release_all(t);
    if (r == 0)
        r = db_run(&t->db, STMT_P_HELD_BYTES, "ii", now, now + FAR_NS);
    if (r < 0)
        log_errno(r, "tree.db cannot be written");
    settle_kick(t);
    commit_kick(t);
}

/* Its bytes wait no longer for another name. */
static int hurry(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int64_t now = env_mono(t->env);
    int r = rows_p_inode(t, ino, &rec, &p);
    if (r != 1 || !p.spool || p.due <= now || p.due == INT64_MAX)
        return MIN(r, 0);
    p.due = now;
    return rows_p_put(t, ino, &rec, &p);
}

/* Directories still to be looked into. */
struct below {
    uint64_t dir;
    struct below *next;
};

static int release_child(struct tree *t, uint64_t ino, struct below **more) {
    CLEANUP_RECORD struct record rec = {0};
    int r = rows_v_inode(t, ino, &rec, NULL, NULL);
    if (r != 1 || !S_ISDIR(rec.mode))
        return r == 1 ? hurry(t, ino) : MIN(r, 0);
    struct below *b = xmalloc(sizeof *b);
    *b = (struct below){ino, *more};
    *more = b;
    return 0;
}

static int release_in(struct tree *t, uint64_t dir, struct below **more) {
    uint64_t *list = NULL;
    size_t n = 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_CHILD, "i", dir);
    int r;
    while ((r = db_step(s)) == 1) {
        if ((n & (n - 1)) == 0)
            list = xrealloc(list, MAX(1, 2 * n) * sizeof *list);
        list[n++] = (uint64_t)sqlite3_column_int64(s, 1);
    }
    if (r == 0)
        r = db_run(&t->db, STMT_P_HELD_IN, "i", dir);
    for (size_t i = 0; i < n && r == 0; i++)
        if (list[i])
            r = release_child(t, list[i], more);
    free(list);
    return r;
}

/* What lies in a directory that has got its final name goes with it. */
static int release_below(struct tree *t, uint64_t dir) {
    struct below *todo = xmalloc(sizeof *todo);
    int r = 0;
    *todo = (struct below){dir, NULL};
    while (todo) {
        struct below *b = todo;
        todo = b->next;
        if (r == 0)
            r = release_in(t, b->dir, &todo);
        free(b);
    }
    return r;
}

int hold_named(struct tree *t, uint64_t ino, uint32_t type, uint64_t parent, const char *name, size_t n) {
    if (!t->cfg.names || hold_until(t, parent, name, n))
        return 0;
    int r = S_ISDIR(type) ? release_below(t, ino) : S_ISREG(type) ? hurry(t, ino) : 0;
    if (r == 0)
        settle_kick(t);
    return r;
}

int64_t hold_next(struct tree *t) {
    int64_t at = INT64_MAX;
    if (!t->cfg.names)
        return at;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_HELD_NEXT, "");
    if (db_step(s) == 1 && sqlite3_column_type(s, 0) != SQLITE_NULL)
        at = sqlite3_column_int64(s, 0);
    db_reset(s);
    return at;
}

int64_t hold_expire(struct tree *t, int64_t now) {
    int64_t at = hold_next(t);
    if (at > now)
        return at;
    int r = db_run(&t->db, STMT_P_HELD_PAST, "i", now);
    if (r < 0) {
        log_errno(r, "tree.db cannot be written");
        return now + NS_PER_S;
    }
    commit_kick(t);
    return hold_next(t);
}

int hold_recover(struct tree *t) {
    return t->cfg.names ? db_run(&t->db, STMT_P_HELD_ALL, "i", env_mono(t->env) + HOLD_NS) : hold_release_all(t);
}
