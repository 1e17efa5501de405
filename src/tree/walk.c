/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/walk.h"
#include "tree/fault.h"
#include "tree/rows.h"

/* Rows that one call looks at, so that a directory of a million names without a file to give holds up nobody. */
#define ROWS_MAX 512

static int first_name(void *arg, uint64_t parent, const char *name, size_t n) {
    struct walk *w = arg;
    w->parent = parent;
    memcpy(w->name, name, n);
    w->n = n;
    return -EEXIST;
}

int walk_to(struct tree *t, uint64_t ino, struct walk *ret) {
    *ret = (struct walk){0};
    tree_lock(t);
    int r = rows_v_names_of(t, tree_resolve(t, ino), first_name, ret);
    tree_unlock(t);
    return r == -EEXIST ? 0 : r < 0 ? r : -ENOENT;
}

static void enter(struct walk *w, uint64_t dir) {
    w->parent = dir;
    w->n = 0;
    w->in_dirs = false;
}

/* The directory is done. False: it was the root. */
static bool leave(struct tree *t, struct walk *w) {
    if (w->files_first && !w->in_dirs) {
        w->n = 0;
        w->in_dirs = true;
        return true;
    }
    uint64_t dir = w->parent;
    bool above = dir != ROOT_INO && rows_v_names_of(t, dir, first_name, w) == -EEXIST;
    w->in_dirs = w->files_first;
    return above;
}

static struct content *content_of(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    if (rows_v_inode(t, ino, &rec, NULL, &p) != 1 || p.spool || p.snap)
        return NULL;
    return rec.content ? content_ref(rec.content) : NULL;
}

/* What a row means for the walk. True: the directory is entered. */
static bool visit(struct walk *w, uint64_t ino, uint32_t type, uint64_t *ret_file) {
    *ret_file = 0;
    if (S_ISREG(type) && !w->in_dirs)
        *ret_file = ino;
    if (!S_ISDIR(type) || w->files_first != w->in_dirs)
        return false;
    enter(w, ino);
    return true;
}

/* Goes through the directory from where the walk is. Returns how many rows it has looked at; *ret_done: it is at the end of it. */
static size_t scan(struct tree *t, struct walk *w, uint64_t *inos, uint64_t *parents, size_t *n, size_t max, size_t rows, bool *ret_done) {
    if (fault_need_dir(t, w->parent) < 0) { /* it is on its way */
        *ret_done = false;
        return rows;
    }
    sqlite3_stmt *s = db_bind(&t->db, t->pending_rows ? STMT_LIST_AFTER : STMT_LIST_C_AFTER, "ibi", w->parent, w->name, w->n, (int64_t)rows);
    size_t seen = 0;
    bool entered = false;
    int r = 1;
    while (*n < max && !entered && (r = db_step(s)) == 1) {
        uint64_t file, parent = w->parent;
        seen++;
        w->n = (size_t)sqlite3_column_bytes(s, 0);
        memcpy(w->name, sqlite3_column_blob(s, 0), w->n);
        entered = visit(w, (uint64_t)sqlite3_column_int64(s, 1), (uint32_t)sqlite3_column_int(s, 2), &file);
        if (file) {
            inos[*n] = file;
            parents[(*n)++] = parent;
        }
    }
    db_reset(s);
    *ret_done = r != 1 && seen < rows;
    return seen;
}

size_t walk_next(struct tree *t, struct walk *w, struct walk_file *ret, size_t max, bool *ret_end) {
    CLEANUP_FREE uint64_t *inos = xcalloc(2 * max + 1, sizeof *inos);
    size_t n = 0, rows = ROWS_MAX;
    *ret_end = false;
    tree_lock(t);
    while (n < max && rows > 0 && !*ret_end) {
        bool done;
        rows -= scan(t, w, inos, inos + max, &n, max, rows, &done);
        if (done) {
            *ret_end = !leave(t, w);
            rows -= rows > 0; /* empty directories count as well */
        }
    }
    for (size_t i = 0; i < n; i++)
        ret[i] = (struct walk_file){inos[i], inos[max + i], content_of(t, inos[i])};
    tree_unlock(t);
    return n;
}
