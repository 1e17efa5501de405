/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/fault_ahead.h"
#include "base/log.h"
#include "tree/fault_rows.h"

/* Directories in one transaction, which has also a bound of rows. */
#define DIRS_MAX 512
#define WINDOW_FIRST 4
/* From here on the base is read as by a scan. */
#define WINDOW_SCAN 32
/* Of directories that are here already, so many are passed over to find the next one that is not. */
#define PASSED_MAX 256
/* Directories above one that somebody needs. */
#define ABOVE_MAX 64

/* Of the walk: it goes on in this directory after this name. */
struct level {
    uint64_t dir;
    size_t n;
    char name[NAME_MAX_BYTES];
};

struct fault_ahead {
    struct level *levels;
    size_t n, cap;
    uint64_t next; /* the walk has come to it, and it was not fetched; 0: none */
    unsigned window;
    bool scans;
};

struct fault_ahead *fault_ahead_new(void) {
    return xcalloc(1, sizeof(struct fault_ahead));
}

struct fault_ahead *fault_ahead_free(struct fault_ahead *a) {
    if (a)
        free(a->levels);
    free(a);
    return NULL;
}

/* What is written together */

struct together {
    struct fault_rows *rows;
    struct {
        uint64_t dir;
        size_t end; /* of its rows */
    } dirs[DIRS_MAX];
    size_t n;
};

static bool is_taken(const struct together *g, uint64_t dir) {
    for (size_t i = g->n; i > 0; i--)
        if (g->dirs[i - 1].dir == dir)
            return true;
    return false;
}

/* All rows of the directory, or none. 1: none, and there is no room for more. */
static int take(struct together *g, const struct fault_source *source, uint64_t dir) {
    size_t before = g->rows->n;
    bool more = false;
    if (g->n == DIRS_MAX || fault_rows_full(g->rows))
        return 1;
    int r = source->children(source->arg, dir, NULL, 0, fault_rows_add, g->rows, &more);
    if (r < 0 || more) {
        fault_rows_cut(g->rows, before);
        return r < 0 ? r : 1;
    }
    g->dirs[g->n].dir = dir;
    g->dirs[g->n++].end = g->rows->n;
    return 0;
}

/* C's row of the directory: 1, 0 none. Under the lock. */
static int name_of(struct tree *t, uint64_t dir, struct level *ret) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_NAMES_OF, "i", dir);
    int r = db_step(s);
    if (r == 1) {
        ret->dir = (uint64_t)sqlite3_column_int64(s, 0);
        ret->n = MIN((size_t)sqlite3_column_bytes(s, 1), sizeof ret->name);
        memcpy(ret->name, sqlite3_column_blob(s, 1), ret->n);
        db_reset(s);
    }
    return r;
}

/* Only below one that is here, where it still is: else fault.c finds out what has become of it. 1, 0 not now. */
static int may_write(struct tree *t, uint64_t dir) {
    struct level above;
    int r = fault_is_here(t, dir);
    if (r != 0)
        return MIN(r, 0);
    if (dir == ROOT_INO)
        return 1;
    r = name_of(t, dir, &above);
    return r == 1 ? fault_is_here(t, above.dir) : r;
}

static int write_one(struct tree *t, const struct together *g, size_t i) {
    uint64_t dir = g->dirs[i].dir;
    int r = may_write(t, dir);
    if (r == 1)
        r = fault_rows_write(t, dir, g->rows, i ? g->dirs[i - 1].end : 0, g->dirs[i].end);
    else
        return r;
    return r < 0 ? r : db_run(&t->db, STMT_C_HERE, "i", dir);
}

/* An error is told to who needs one of them, when it comes again. */
static void write_all(struct tree *t, const struct together *g) {
    if (!g->n)
        return;
    tree_lock(t);
    int r = tree_begin(t);
    if (r == 0) {
        for (size_t i = 0; i < g->n && r == 0; i++)
            r = write_one(t, g, i);
        r = tree_end(t, r);
    }
    if (r < 0)
        log_debug("directories that were fetched ahead are not kept: %s", strerror(-r));
    tree_unlock(t);
}

/* Those that others wait for */

static bool here(struct tree *t, uint64_t dir) {
    tree_lock(t);
    int r = fault_is_here(t, dir);
    tree_unlock(t);
    return r != 0;
}

static void last_one(void *arg, uint64_t dir) {
    *(uint64_t *)arg = dir;
}

/* It, after those above it that are not here. */
static int take_with_above(struct together *g, struct tree *t, const struct fault_source *source, uint64_t dir) {
    uint64_t chain[ABOVE_MAX];
    size_t n = 0;
    int r = 0;
    while (dir && n < ABOVE_MAX && !is_taken(g, dir) && !here(t, dir)) {
        chain[n++] = dir;
        dir = 0;
        r = source->parents(source->arg, chain[n - 1], last_one, &dir);
        if (r < 0)
            return r;
    }
    for (r = 0; n > 0 && r == 0; n--)
        r = take(g, source, chain[n - 1]);
    return r;
}

/* Where blocks are missing, others are asked for all the same: they come at the same time. */
static void take_wishes(struct together *g, struct tree *t, const struct fault_source *source, const struct fault_wish *w, size_t n) {
    uint64_t dir, before = 0;
    int r = 0;
    for (size_t i = 0; i < n && (r == 0 || r == -EINPROGRESS); i++) {
        dir = w[i].is_dir ? w[i].ino : 0;
        r = w[i].is_dir ? 0 : MIN(source->parents(source->arg, w[i].ino, last_one, &dir), 0);
        if (r == 0 && dir && dir != before)
            r = take_with_above(g, t, source, dir);
        before = dir;
    }
}

/* Those that follow */

static void push(struct fault_ahead *a, uint64_t dir) {
    if (a->n == a->cap)
        a->levels = xrealloc(a->levels, (a->cap = MAX(2 * a->cap, 16)) * sizeof *a->levels);
    a->levels[a->n].dir = dir;
    a->levels[a->n++].n = 0;
}

/* The walk is at the end of its first level: it goes on above. 1, 0 it is at the end of all */
static int climb(struct fault_ahead *a, struct tree *t) {
    struct level above;
    uint64_t dir = a->levels[0].dir;
    if (dir == ROOT_INO)
        return 0;
    tree_lock(t);
    int r = name_of(t, dir, &above);
    tree_unlock(t);
    if (r == 1)
        a->levels[0] = above;
    return r;
}

/* The next directory in depth-first order: 1, 0 there is none. */
static int next_dir(struct fault_ahead *a, struct tree *t, const struct fault_source *source, uint64_t *ret) {
    *ret = a->next;
    if (a->next) {
        a->next = 0;
        return 1;
    }
    while (a->n) {
        struct level *l = &a->levels[a->n - 1];
        int r = source->next_dir(source->arg, l->dir, l->name, &l->n, ret);
        if (r == 1)
            push(a, *ret);
        if (r == 0 || r == -ENOENT) {
            if (a->n > 1)
                r = a->n--;
            else
                r = climb(a, t);
            if (r > 0)
                continue;
        }
        return r;
    }
    return 0;
}

/* Whether the program has asked for just what comes next. */
static bool goes_on(struct fault_ahead *a, struct tree *t, const struct fault_source *source, uint64_t dir) {
    uint64_t next;
    unsigned passed = 0;
    while (next_dir(a, t, source, &next) == 1) {
        if (next == dir)
            return true;
        if (++passed > PASSED_MAX || !here(t, next))
            return false;
    }
    return false;
}

static void set_scan(struct fault_ahead *a, const struct fault_source *source, bool on) {
    if (on != a->scans && source->scan)
        source->scan(source->arg, on);
    a->scans = on;
}

static void take_following(struct fault_ahead *a, struct together *g, struct tree *t, const struct fault_source *source, uint64_t dir) {
    uint64_t next, last = a->n ? a->levels[a->n - 1].dir : 0;
    if (!goes_on(a, t, source, dir)) {
        set_scan(a, source, false);
        a->n = a->window = 0;
        a->next = 0;
        push(a, dir);
        return;
    }
    if (!a->window && a->n > 1 && a->levels[a->n - 2].dir == last) /* the way down to a file looks like that too */
        return;
    a->window = MIN(MAX(2 * a->window, WINDOW_FIRST), DIRS_MAX);
    set_scan(a, source, a->window >= WINDOW_SCAN);
    for (unsigned i = 0; i < a->window && next_dir(a, t, source, &next) == 1; i++)
        if (!is_taken(g, next) && !here(t, next) && take(g, source, next) != 0) {
            a->next = next;
            break;
        }
}

void fault_ahead_run(struct fault_ahead *a, struct tree *t, const struct fault_source *source, uint64_t dir, const struct fault_wish *w, size_t n) {
    bool walks = source->next_dir && dir;
    if (!n && !walks)
        return;
    struct together *g = xmalloc(sizeof *g);
    g->rows = fault_rows_new();
    g->n = 0;
    take_wishes(g, t, source, w, n);
    if (walks)
        take_following(a, g, t, source, dir);
    write_all(t, g);
    fault_rows_free(g->rows);
    free(g);
}
