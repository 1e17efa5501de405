/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/local.h"
#include "tree/file_state.h"
#include "tree/name_kind.h"

bool local_is(struct tree *t, uint64_t ino) {
    struct row_pending p;
    return rows_p_inode(t, ino, NULL, &p) == 1 && row_local(&p);
}

bool local_is_name(struct tree *t, uint64_t parent, const char *name, size_t n) {
    return name_kind(t->cfg.names, name, n) == NAME_LOCAL || (parent != ROOT_INO && local_is(t, parent));
}

/* Pending rows of a directory, copied: what is done with them changes the table. */

struct child {
    char *name;
    size_t n;
    uint64_t ino;
};
struct children {
    struct child *v;
    size_t n;
};

static int list_children(struct tree *t, uint64_t dir, struct children *l) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_CHILD, "i", dir);
    int r;
    while ((r = db_step(s)) == 1) {
        if (!sqlite3_column_int64(s, 1))
            continue;
        if ((l->n & (l->n - 1)) == 0)
            l->v = xrealloc(l->v, MAX(1, 2 * l->n) * sizeof *l->v);
        size_t n = (size_t)sqlite3_column_bytes(s, 0);
        l->v[l->n++] = (struct child){xmemdup(sqlite3_column_blob(s, 0), n), n, (uint64_t)sqlite3_column_int64(s, 1)};
    }
    return r;
}

static void free_children(struct children *l) {
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].name);
    free(l->v);
}

/* A walk through a directory and what lies in it, without recursion: a tree may be deeper than the stack. */
struct todo {
    uint64_t ino;
    uint32_t type;
    struct todo *next;
};

static void push(struct todo **todo, uint64_t ino, uint32_t type) {
    struct todo *w = xmalloc(sizeof *w);
    *w = (struct todo){ino, type, *todo};
    *todo = w;
}

static struct todo pop(struct todo **todo) {
    struct todo w = **todo;
    free(*todo);
    *todo = w.next;
    return w;
}

static int inode_type(struct tree *t, uint64_t ino, uint32_t *ret, uint32_t *nlink) {
    CLEANUP_RECORD struct record rec = {0};
    int r = rows_v_inode(t, ino, &rec, nlink, NULL);
    *ret = rec.mode;
    return r == 1 ? 0 : r < 0 ? r : -ESTALE;
}

static int check_one(struct tree *t, const struct todo *w, struct todo **more) {
    struct children l = {0};
    uint32_t type, nlink;
    int r = inode_type(t, w->ino, &type, &nlink);
    if (r == 0 && !S_ISDIR(type))
        return nlink > 1 ? -EXDEV : 0;
    if (r == 0)
        r = rows_c_has_child(t, w->ino);
    if (r == 1)
        r = -EXDEV;
    if (r == 0)
        r = list_children(t, w->ino, &l);
    for (size_t i = 0; i < l.n && r == 0; i++)
        push(more, l.v[i].ino, 0);
    free_children(&l);
    return r;
}

int local_check(struct tree *t, uint64_t ino, uint32_t type, bool local) {
    struct todo *todo = NULL;
    int r = 0;
    if (local_is(t, ino) == local)
        return 0;
    push(&todo, ino, type);
    while (todo) {
        struct todo w = pop(&todo);
        if (r == 0)
            r = check_one(t, &w, &todo);
    }
    return r;
}

/* What is to be committed next is not durable. What was written after a snapshot waits for that one's entry, not the other way round. */
static bool is_blocked(const struct row_pending *p) {
    return p->snap ? p->stage != SNAP_DURABLE : p->spool != 0;
}

static int turn_inode(struct tree *t, uint64_t ino, bool local) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p = {0};
    int r = rows_v_inode(t, ino, &rec, NULL, &p);
    if (r != 1)
        return r < 0 ? r : -ESTALE;
    p.op = t->op;
    p.since = local ? ROW_LOCAL : t->op;
    p.written = t->op;
    p.after = p.snap && p.spool ? t->op : 0;
    p.due = env_mono(t->env) + t->cfg.settle_ns;
    r = rows_p_block(t, ino, &p, is_blocked(&p));
    if (r == 0)
        r = rows_p_put(t, ino, &rec, &p);
    if (r == 0 && !local)
        settle_kick(t);
    return r;
}

/* Its rows: each is set again as it is, which makes it what its inode is now. */
static int turn_children(struct tree *t, uint64_t dir, bool local, struct todo **more) {
    struct children l = {0};
    int64_t now = tree_time(t);
    int r = list_children(t, dir, &l);
    for (size_t i = 0; i < l.n && r == 0; i++) {
        struct child *c = &l.v[i];
        uint32_t type;
        if (!local && local_is_name(t, dir, c->name, c->n))
            continue; /* its own name keeps it here */
        r = inode_type(t, c->ino, &type, NULL);
        if (r == 0)
            r = turn_inode(t, c->ino, local);
        if (r == 0)
            r = rows_v_set_name(t, dir, c->name, c->n, c->ino, type, false, now);
        if (r == 0 && S_ISDIR(type))
            push(more, c->ino, type);
    }
    free_children(&l);
    return r;
}

int local_turn(struct tree *t, uint64_t ino, uint32_t type, bool local) {
    struct todo *todo = NULL;
    if (local_is(t, ino) == local)
        return 0;
    int r = turn_inode(t, ino, local);
    if (S_ISDIR(type))
        push(&todo, ino, type);
    while (todo) {
        struct todo w = pop(&todo);
        if (r == 0)
            r = turn_children(t, w.ino, local, &todo);
    }
    return r;
}

/* One row of a statement (name, ino, type), or (parent, name, ino, type). */
struct local_row {
    uint64_t parent, ino;
    char name[NAME_MAX_BYTES];
    size_t n;
    uint32_t type;
};

static int step_row(sqlite3_stmt *s, bool with_parent, uint64_t parent, struct local_row *ret) {
    int r = db_step(s), at = with_parent;
    if (r == 1) {
        ret->parent = with_parent ? (uint64_t)sqlite3_column_int64(s, 0) : parent;
        ret->n = MIN((size_t)sqlite3_column_bytes(s, at), sizeof ret->name);
        memcpy(ret->name, sqlite3_column_blob(s, at), ret->n);
        ret->ino = (uint64_t)sqlite3_column_int64(s, at + 1);
        ret->type = (uint32_t)sqlite3_column_int(s, at + 2);
    }
    db_reset(s);
    return r;
}

/* The local name, and with its last name the inode: handles that are open keep it. */
static int drop(struct tree *t, const struct local_row *row) {
    int64_t now = tree_time(t);
    int r = rows_v_set_name(t, row->parent, row->name, row->n, 0, 0, false, now);
    tree_note_entry(t, row->parent, row->name, row->n);
    tree_note_inode(t, row->parent, true);
    return r < 0 ? r : names_lost(t, row->ino, row->type, true, now);
}

int local_move_names(struct tree *t, uint64_t from, uint64_t to) {
    struct local_row row;
    int r;
    while ((r = step_row(db_bind(&t->db, STMT_P_LOCAL_IN, "i", from), false, from, &row)) == 1) {
        struct row_name there;
        r = rows_v_name(t, to, row.name, row.n, &there);
        if (r == 0) {
            r = rows_v_set_name(t, to, row.name, row.n, row.ino, row.type, false, tree_time(t));
            if (r == 0)
                r = rows_v_set_name(t, from, row.name, row.n, 0, 0, false, 0);
        } else if (r == 1) {
            r = drop(t, &row);
        }
        if (r < 0)
            break;
    }
    return MIN(r, 0);
}

/* What was local and is in the shared tree again gives up its local name: the record is the shared one's. */
static int give_back(struct tree *t, const struct local_row *row) {
    int r = rows_v_set_name(t, row->parent, row->name, row->n, 0, 0, false, tree_time(t));
    struct row_pending p;
    tree_note_entry(t, row->parent, row->name, row->n);
    tree_note_inode(t, row->ino, true);
    if (r == 0)
        r = MIN(0, rows_p_inode(t, row->ino, NULL, &p));
    if (r == 0)
        r = rows_p_drop(t, row->ino);
    if (r == 0) { /* open handles read what the shared tree has */
        file_drop_bytes(t, row->ino, &p);
        file_changed(t, row->ino);
    }
    return r;
}

int local_sweep(struct tree *t) {
    struct local_row row;
    int r;
    while ((r = step_row(db_bind(&t->db, STMT_P_LOCAL_LOST, ""), true, 0, &row)) == 1) {
        int shared = rows_c_inode(t, row.ino, NULL, NULL, NULL);
        r = shared < 0 ? shared : shared ? give_back(t, &row) : drop(t, &row);
        if (r < 0)
            break;
    }
    return MIN(r, 0);
}

void local_count(struct tree *t, uint64_t *ret_files, uint64_t *ret_bytes, uint64_t *ret_rows) {
    *ret_files = *ret_bytes = *ret_rows = 0;
    if (!t->pending_rows)
        return;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_LOCAL_COUNT, "");
    if (db_step(s) == 1) {
        *ret_files = (uint64_t)sqlite3_column_int64(s, 0);
        *ret_bytes = (uint64_t)sqlite3_column_int64(s, 1);
    }
    db_reset(s);
    s = db_bind(&t->db, STMT_P_LOCAL_ROWS, "");
    if (db_step(s) == 1)
        *ret_rows = *ret_files + (uint64_t)sqlite3_column_int64(s, 0);
    db_reset(s);
}
