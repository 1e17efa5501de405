/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two walks: the first only learns the directories and their ranks, for a directory stands beside its
 * siblings, under the rank of its parent, and says its own, which is known when all before it have been
 * walked. The second writes the names of everything else. Numbers are sorted by SQLite, on disk.
 */
#include "tree/base_build.h"
#include "base/log.h"
#include "tree/base_rows.h"
#include "tree/entry.h"
#include "tree/state.h"
#include <fcntl.h>
#include <uthash.h>

/* Numbers of one directory that are sorted at once. */
#define NUMBERS_MAX 65536
#define CACHE_KIB "8192"

/* A directory; its rank is its place in the array and 1. */
struct node {
    uint64_t number;
    uint64_t base_rank; /* in the base below; 0: its rows are local ones */
    uint64_t name;      /* where in `names` */
    uint32_t parent;    /* rank; 0: the root's */
    uint32_t end;       /* rank after the last below it */
    uint8_t n;
};

/* A directory that was seen and not walked yet. */
struct found {
    uint64_t number, base_rank, name;
    uint32_t parent;
    uint8_t n;
};

struct session {
    uint64_t number, last;
    UT_hash_handle hh;
};

enum local_query { L_SUBDIRS, L_FILES, L_INODE, L_HERE, L_SEQ, L_STATES, L_SESSIONS, L_COUNT };
static const char *const local_queries[L_COUNT] = {
    [L_SUBDIRS] = "SELECT name, ino FROM c_name WHERE parent = ?1 AND type = 16384 ORDER BY name DESC",
    [L_FILES] =
        ("SELECT n.name, n.ino, i.seq, i.rec, i.nlink FROM c_name n LEFT JOIN c_inode i ON i.ino = n.ino "
         "WHERE n.parent = ?1 AND n.type <> 16384 ORDER BY n.name"),
    [L_INODE] = "SELECT rec, nlink, seq FROM c_inode WHERE ino = ?1",
    [L_HERE] = "SELECT 1 FROM c_here WHERE rowid = ?1",
    [L_SEQ] = "SELECT value FROM meta WHERE key = 'seq'",
    [L_STATES] = "SELECT key, value FROM c_state ORDER BY key",
    [L_SESSIONS] = "SELECT number, label, nonce FROM c_session ORDER BY number",
};

enum out_query {
    O_META,
    O_STATE,
    O_SESSION,
    O_DIR,
    O_PLACE,
    O_FILE,
    O_LINK,
    O_LINK_DIR,
    O_RUN,
    O_NOTE_LINK,
    O_NOTE_RUN,
    O_LINKED,
    O_LINKED_DIRS,
    O_RUNS,
    O_COUNT
};
static const char *const out_queries[O_COUNT] = {
    [O_META] = "INSERT INTO meta(key, value) VALUES(?1, ?2)",
    [O_STATE] = "INSERT INTO states(key, item) VALUES(?1, ?2)",
    [O_SESSION] = "INSERT INTO sessions(number, label, nonce, last) VALUES(?1, ?2, ?3, ?4)",
    [O_DIR] =
        "INSERT INTO dirs(parent, name, number, rank, nlink, seq, record) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [O_PLACE] = "INSERT INTO places(number, rank, parent) VALUES(?1, ?2, ?3)",
    [O_FILE] = "INSERT INTO files(parent, name, number, seq, record) VALUES(?1, ?2, ?3, ?4, ?5)",
    [O_LINK] = "INSERT INTO links(number, nlink, seq, record) VALUES(?1, ?2, ?3, ?4)",
    [O_LINK_DIR] = "INSERT INTO link_dirs(number, parent) VALUES(?1, ?2)",
    [O_RUN] = "INSERT INTO runs(first, last, parent) VALUES(?1, ?2, ?3)",
    [O_NOTE_LINK] = "INSERT INTO temp.note_link(number, parent) VALUES(?1, ?2)",
    [O_NOTE_RUN] = "INSERT INTO temp.note_run(first, last, parent, bridge) VALUES(?1, ?2, ?3, ?4)",
    [O_LINKED] = "SELECT DISTINCT number FROM temp.note_link ORDER BY number",
    [O_LINKED_DIRS] = "SELECT DISTINCT number, parent FROM temp.note_link ORDER BY number, parent",
    [O_RUNS] = "SELECT first, last, parent, bridge FROM temp.note_run ORDER BY first",
};

enum phase { WALK, DIRS, PLACES, FILES, LINKS, LINK_DIRS, RUNS, SESSIONS, LAST, DONE };

struct base_build {
    sqlite3 *db;
    struct base *from;
    char *path;
    sqlite3 *out;
    sqlite3_stmt *local[L_COUNT], *put[O_COUNT];
    enum phase phase;
    uint64_t seq, inodes, bytes;
    int err; /* what a callback of the base met */

    struct node *nodes; /* of rank 1 and so on */
    size_t n_nodes, cap_nodes;
    char *names;
    size_t n_names, cap_names;
    struct found *stack;
    size_t n_stack, cap_stack;
    size_t children; /* where those of the directory that is being walked begin in the stack */
    bool listing;    /* it has been popped, and is not listed to its end */

    size_t at;    /* rank, or place in by_number, that is next */
    size_t child; /* of the children of `at`: rank of the next; 0: from the first */
    uint32_t *by_number;
    bool reading;               /* a statement is in the middle of its rows */
    char after[NAME_MAX_BYTES]; /* the last name that was taken from the base; n 0: none */
    size_t after_n;
    unsigned budget;

    uint64_t *numbers; /* of the files of one directory */
    size_t n_numbers;
    bool large;      /* it has had more of them */
    uint64_t number; /* an inode with several names whose record is next; 0: none */
    struct run {
        uint64_t first, last, parent;
        bool bridge;
    } run; /* not written yet; first 0: none */
    struct session *sessions;
};

/* Local rows, and the rows that are written */

static int bind(sqlite3 *sql, sqlite3_stmt **s, const char *text) {
    if (!*s) {
        int rc = sqlite3_prepare_v3(sql, text, -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
        if (rc != SQLITE_OK) {
            log_error("base: %s: %s", text, sqlite3_errmsg(sql));
            return rc == SQLITE_ERROR ? -EBADMSG : sql_errno(rc);
        }
    }
    sqlite3_reset(*s);
    return 0;
}

static int local(struct base_build *b, enum local_query q, uint64_t number, sqlite3_stmt **ret) {
    int r = bind(b->db, &b->local[q], local_queries[q]);
    *ret = b->local[q];
    if (r == 0 && sqlite3_bind_parameter_count(*ret))
        sqlite3_bind_int64(*ret, 1, (int64_t)number);
    return r;
}

/* 1 a row, 0 no more. */
static int step(sqlite3_stmt *s) {
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return 1;
    sqlite3_reset(s);
    return sql_errno(rc);
}

/* A row's values are bound one after another; put_row() writes it. */
struct row {
    sqlite3_stmt *s;
    int n, err;
};

static struct row put(struct base_build *b, enum out_query q) {
    struct row w = {.err = bind(b->out, &b->put[q], out_queries[q])};
    w.s = b->put[q];
    return w;
}

static void add_int(struct row *w, uint64_t v) {
    if (w->err == 0)
        sqlite3_bind_int64(w->s, ++w->n, (int64_t)v);
}

static void add_bytes(struct row *w, const void *p, size_t n) {
    if (w->err == 0)
        sqlite3_bind_blob64(w->s, ++w->n, n ? p : "", n, SQLITE_STATIC);
}

static void add_text(struct row *w, const char *s) {
    if (w->err == 0)
        sqlite3_bind_text(w->s, ++w->n, s, -1, SQLITE_STATIC);
}

static void add_null(struct row *w) {
    if (w->err == 0)
        sqlite3_bind_null(w->s, ++w->n);
}

static int put_row(struct row *w) {
    return w->err < 0 ? w->err : step(w->s);
}

static int put_meta(struct base_build *b, const char *key, uint64_t value) {
    struct row w = put(b, O_META);
    add_text(&w, key);
    add_int(&w, value);
    return put_row(&w);
}

static int out_exec(struct base_build *b, const char *sql) {
    int rc = sqlite3_exec(b->out, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        log_error("base: %s", sqlite3_errmsg(b->out));
    return sql_errno(rc);
}

/* An inode's local row: 1, 0 none. Valid until the next call. */
static int local_inode(struct base_build *b, uint64_t ino, struct base_row *ret) {
    sqlite3_stmt *s;
    int r = local(b, L_INODE, ino, &s);
    if (r == 0)
        r = step(s);
    if (r != 1)
        return r;
    ret->ino = ino;
    ret->rec = sqlite3_column_blob(s, 0);
    ret->rec_len = (size_t)sqlite3_column_bytes(s, 0);
    ret->nlink = (uint32_t)sqlite3_column_int64(s, 1);
    ret->seq = (uint64_t)sqlite3_column_int64(s, 2);
    return 1;
}

/* Every inode, once. */
static int count_inode(struct base_build *b, uint64_t ino, const void *rec, size_t n, bool directory) {
    uint32_t mode;
    uint64_t size, number = ino >> SESSION_SHIFT;
    struct session *s;
    if (!rec || record_peek(rec, n, &mode, &size) < 0 || S_ISDIR(mode) != directory)
        return -EBADMSG;
    b->inodes++;
    b->bytes += size;
    HASH_FIND(hh, b->sessions, &number, sizeof number, s);
    if (!s) {
        s = xcalloc(1, sizeof *s);
        s->number = number;
        HASH_ADD(hh, b->sessions, number, sizeof s->number, s);
    }
    s->last = MAX(s->last, ino);
    return 0;
}

/* First walk */

static struct node *node_of(struct base_build *b, size_t rank) {
    return &b->nodes[rank - 1];
}

static void push(struct base_build *b, uint64_t number, const char *name, size_t n, uint64_t base_rank) {
    if (b->n_stack == b->cap_stack)
        b->stack = xrealloc(b->stack, (b->cap_stack = MAX(2 * b->cap_stack, 256)) * sizeof *b->stack);
    if (b->n_names + n > b->cap_names)
        b->names = xrealloc(b->names, b->cap_names = MAX(2 * b->cap_names, 65536));
    b->stack[b->n_stack++] = (struct found){number, base_rank, b->n_names, (uint32_t)b->n_nodes, (uint8_t)n};
    if (n)
        memcpy(b->names + b->n_names, name, n);
    b->n_names += n;
}

/* Makes a node of the directory on top of the stack. Where its rows are: here, or in the base. */
static int visit(struct base_build *b) {
    struct found *f = &b->stack[b->n_stack - 1];
    sqlite3_stmt *s;
    if (b->from && !f->base_rank) {
        int r = local(b, L_HERE, f->number, &s);
        if (r == 0)
            r = step(s);
        if (r == 0)
            r = base_place(b->from, f->number, &f->base_rank);
        else if (r == 1)
            sqlite3_reset(s), r = 0;
        if (r < 0 && r != -ENOENT) /* which the base does not have is newer than the base, and here (fault.h) */
            return r;
    }
    if (b->n_nodes == UINT32_MAX - 1)
        return -EFBIG;
    if (b->n_nodes == b->cap_nodes)
        b->nodes = xrealloc(b->nodes, (b->cap_nodes = MAX(2 * b->cap_nodes, 256)) * sizeof *b->nodes);
    b->nodes[b->n_nodes++] = (struct node){
        .number = f->number, .base_rank = f->base_rank, .name = f->name, .parent = f->parent, .n = f->n};
    b->children = --b->n_stack;
    b->listing = true;
    b->after_n = 0;
    return 0;
}

static bool push_from_base(void *arg, const struct base_row *row, uint64_t rank) {
    struct base_build *b = arg;
    if (rank <= node_of(b, b->n_nodes)->base_rank) { /* below means after: so there are no loops */
        b->err = -EBADMSG;
        return false;
    }
    push(b, row->ino, row->name, row->n, rank);
    memcpy(b->after, row->name, row->n);
    b->after_n = row->n;
    return true;
}

static int list_base(struct base_build *b) {
    bool more;
    int r = base_subdirs(b->from, node_of(b, b->n_nodes)->base_rank, b->after_n ? b->after : NULL, b->after_n,
                         push_from_base, b, &more);
    if (r == 0)
        r = b->err;
    if (r < 0)
        return r;
    for (size_t i = b->children, j = b->n_stack; i + 1 < j; i++) { /* the first name on top */
        struct found f = b->stack[--j];
        b->stack[j] = b->stack[i];
        b->stack[i] = f;
    }
    return 0;
}

static int list_local(struct base_build *b) {
    sqlite3_stmt *s;
    int r = local(b, L_SUBDIRS, node_of(b, b->n_nodes)->number, &s);
    while (r >= 0 && (r = step(s)) == 1) {
        size_t n = (size_t)sqlite3_column_bytes(s, 0);
        if (n == 0 || n > NAME_MAX_BYTES)
            return sqlite3_reset(s), -EBADMSG;
        push(b, (uint64_t)sqlite3_column_int64(s, 1), sqlite3_column_blob(s, 0), n, 0);
    }
    return r;
}

static void compute_ends(struct base_build *b) {
    for (size_t rank = b->n_nodes; rank > 0; rank--) {
        struct node *n = node_of(b, rank);
        n->end = MAX(n->end, (uint32_t)rank + 1);
        if (n->parent)
            node_of(b, n->parent)->end = MAX(node_of(b, n->parent)->end, n->end);
    }
}

/* Each phase does its next piece: 1 there is more, 0 the phase is over. */

static int walk(struct base_build *b) {
    int r = b->listing ? 0 : visit(b);
    if (r == 0)
        r = node_of(b, b->n_nodes)->base_rank ? list_base(b) : list_local(b);
    if (r < 0)
        return r;
    b->listing = false;
    b->budget -= MIN(b->budget, b->n_stack - b->children);
    if (b->n_stack)
        return 1;
    free(b->stack);
    b->stack = NULL;
    compute_ends(b);
    b->at = 1;
    return out_exec(b, base_schema_dirs);
}

/* Directories */

static int put_dir(struct base_build *b, size_t rank) {
    const struct node *n = node_of(b, rank), *up = n->parent ? node_of(b, n->parent) : NULL;
    struct base_row row = {0};
    int r;
    if (up && up->base_rank)
        r = base_dir(b->from, up->base_rank, b->names + n->name, n->n, &row);
    else {
        r = local_inode(b, n->number, &row);
        r = r == 1 ? 0 : r < 0 ? r : !up && b->from ? base_root(b->from, &row) : -ENOENT;
    }
    if (r == 0)
        r = count_inode(b, n->number, row.rec, row.rec_len, true);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    struct row w = put(b, O_DIR);
    add_int(&w, n->parent);
    add_bytes(&w, b->names + n->name, n->n);
    add_int(&w, n->number);
    add_int(&w, rank);
    add_int(&w, row.nlink);
    add_int(&w, row.seq);
    add_bytes(&w, row.rec, row.rec_len);
    return put_row(&w);
}

static int put_state(struct base_build *b) {
    sqlite3_stmt *s;
    int r = local(b, L_STATES, 0, &s);
    while (r >= 0 && (r = step(s)) == 1) {
        struct row w = put(b, O_STATE);
        add_text(&w, (const char *)sqlite3_column_text(s, 0));
        add_bytes(&w, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
        r = put_row(&w);
    }
    return r;
}

/* The children of `at`, beside one another. */
static int dirs(struct base_build *b) {
    int r = 0;
    if (!b->child) {
        r = b->at == 1 ? put_dir(b, 1) : 0;
        if (r == 0 && b->at == 1)
            r = put_state(b);
        b->child = b->at + 1;
    }
    if (r < 0)
        return b->child = 0, r;
    while (b->child < node_of(b, b->at)->end && b->budget) {
        r = put_dir(b, b->child);
        if (r < 0)
            return r;
        b->child = node_of(b, b->child)->end;
        b->budget--;
    }
    if (b->child < node_of(b, b->at)->end)
        return 1;
    b->child = 0;
    return b->at++ < b->n_nodes;
}

static int compare_ranks(const void *x, const void *y, void *arg) {
    const struct node *nodes = arg;
    uint64_t a = nodes[*(const uint32_t *)x - 1].number, b = nodes[*(const uint32_t *)y - 1].number;
    return a < b ? -1 : a > b;
}

static int places(struct base_build *b) {
    if (!b->by_number) {
        b->by_number = xcalloc(b->n_nodes, sizeof *b->by_number);
        for (size_t i = 0; i < b->n_nodes; i++)
            b->by_number[i] = (uint32_t)i + 1;
        qsort_r(b->by_number, b->n_nodes, sizeof *b->by_number, compare_ranks, b->nodes);
        b->at = 0;
    }
    const struct node *n = node_of(b, b->by_number[b->at]);
    struct row w = put(b, O_PLACE);
    add_int(&w, n->number);
    add_int(&w, b->by_number[b->at]);
    add_int(&w, n->parent ? node_of(b, n->parent)->number : 0);
    int r = put_row(&w);
    if (r < 0 || ++b->at < b->n_nodes)
        return r < 0 ? r : 1;
    free(b->by_number);
    b->by_number = NULL;
    b->at = 1;
    return out_exec(b, base_schema_files);
}

/* Files */

static int compare_numbers(const void *x, const void *y) {
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

/* Notes the numbers of one directory as runs without gaps; those of all directories are sorted later. */
static int note_runs(struct base_build *b, uint64_t parent, bool bridge) {
    qsort(b->numbers, b->n_numbers, sizeof *b->numbers, compare_numbers);
    int r = 0;
    for (size_t i = 0, j; i < b->n_numbers && r == 0; i = j) {
        for (j = i + 1; j < b->n_numbers && b->numbers[j] == b->numbers[j - 1] + 1;)
            j++;
        struct row w = put(b, O_NOTE_RUN);
        add_int(&w, b->numbers[i]);
        add_int(&w, b->numbers[j - 1]);
        add_int(&w, parent);
        add_int(&w, bridge);
        r = put_row(&w);
    }
    b->n_numbers = 0;
    return r;
}

static int note_number(struct base_build *b, uint64_t ino) {
    if (b->n_numbers == NUMBERS_MAX) {
        b->large = true;
        int r = note_runs(b, node_of(b, b->at)->number, false);
        if (r < 0)
            return r;
    }
    b->numbers[b->n_numbers++] = ino;
    return 0;
}

/* One name. rec NULL, or nlink above 1: the inode has others. */
static int put_file(struct base_build *b, const struct base_row *row) {
    bool linked = !row->rec || row->nlink > 1;
    int r = linked ? 0 : count_inode(b, row->ino, row->rec, row->rec_len, false);
    if (r < 0)
        return r;
    struct row w = put(b, O_FILE);
    add_int(&w, b->at);
    add_bytes(&w, row->name, row->n);
    add_int(&w, row->ino);
    if (linked) {
        add_null(&w);
        add_null(&w);
    } else {
        add_int(&w, row->seq);
        add_bytes(&w, row->rec, row->rec_len);
    }
    r = put_row(&w);
    if (r < 0 || !linked)
        return r < 0 ? r : note_number(b, row->ino);
    w = put(b, O_NOTE_LINK);
    add_int(&w, row->ino);
    add_int(&w, node_of(b, b->at)->number);
    return put_row(&w);
}

static bool file_from_base(void *arg, const struct base_row *given) {
    struct base_build *b = arg;
    struct base_row row = *given;
    if (b->budget == 0)
        return false;
    b->budget--;
    /* One of several names: others may have been taken away, or its record changed, where they are here. */
    int r = row.rec ? 0 : local_inode(b, row.ino, &row);
    b->err = r < 0 ? r : put_file(b, &row);
    memcpy(b->after, row.name, row.n);
    b->after_n = row.n;
    return b->err == 0;
}

static int files_of_base(struct base_build *b) {
    bool more;
    int r = base_files(b->from, node_of(b, b->at)->base_rank, b->after_n ? b->after : NULL, b->after_n,
                       file_from_base, b, &more);
    return b->err < 0 ? b->err : r < 0 ? r : more;
}

static int files_of_local(struct base_build *b) {
    sqlite3_stmt *s = b->local[L_FILES];
    int r = b->reading ? 0 : local(b, L_FILES, node_of(b, b->at)->number, &s);
    b->reading = true;
    while (r == 0 && b->budget) {
        b->budget--;
        r = step(s);
        if (r != 1)
            return r;
        struct base_row row = {.name = sqlite3_column_blob(s, 0),
                               .n = (size_t)sqlite3_column_bytes(s, 0),
                               .ino = (uint64_t)sqlite3_column_int64(s, 1),
                               .seq = (uint64_t)sqlite3_column_int64(s, 2),
                               .rec = sqlite3_column_blob(s, 3),
                               .rec_len = (size_t)sqlite3_column_bytes(s, 3),
                               .nlink = (uint32_t)sqlite3_column_int64(s, 4)};
        r = row.rec ? put_file(b, &row) : -EBADMSG;
    }
    return r < 0 ? r : 1;
}

static int files(struct base_build *b) {
    int r = node_of(b, b->at)->base_rank ? files_of_base(b) : files_of_local(b);
    if (r != 0)
        return r;
    r = note_runs(b, node_of(b, b->at)->number, !b->large && b->n_numbers <= BASE_RUN_BRIDGE);
    b->reading = b->large = false;
    b->after_n = 0;
    if (r < 0 || b->at++ < b->n_nodes)
        return r < 0 ? r : 1;
    return out_exec(b, base_schema_links);
}

/* What was noted, sorted */

/* The next row of a sorted table of notes: 1, 0 no more. */
static int next_note(struct base_build *b, enum out_query q) {
    int r = b->reading ? 0 : bind(b->out, &b->put[q], out_queries[q]);
    if (r == 0)
        r = step(b->put[q]);
    b->reading = r == 1;
    return r;
}

static uint64_t note_column(struct base_build *b, enum out_query q, int column) {
    return (uint64_t)sqlite3_column_int64(b->put[q], column);
}

static int links(struct base_build *b) {
    struct base_row row = {0};
    int r;
    if (!b->number) {
        r = next_note(b, O_LINKED);
        if (r != 1)
            return r;
        b->number = note_column(b, O_LINKED, 0);
    }
    r = local_inode(b, b->number, &row);
    if (r == 0 && b->from)
        r = base_link(b->from, b->number, &row);
    else
        r = r == 1 ? 0 : r < 0 ? r : -ENOENT;
    if (r == 0)
        r = count_inode(b, b->number, row.rec, row.rec_len, false);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    struct row w = put(b, O_LINK);
    add_int(&w, b->number);
    add_int(&w, row.nlink);
    add_int(&w, row.seq);
    add_bytes(&w, row.rec, row.rec_len);
    b->number = 0;
    r = put_row(&w);
    return r < 0 ? r : 1;
}

static int link_dirs(struct base_build *b) {
    int r = next_note(b, O_LINKED_DIRS);
    if (r == 0)
        return out_exec(b, base_schema_runs);
    if (r < 0)
        return r;
    struct row w = put(b, O_LINK_DIR);
    add_int(&w, note_column(b, O_LINKED_DIRS, 0));
    add_int(&w, note_column(b, O_LINKED_DIRS, 1));
    r = put_row(&w);
    return r < 0 ? r : 1;
}

static int put_run(struct base_build *b) {
    struct row w = put(b, O_RUN);
    add_int(&w, b->run.first);
    add_int(&w, b->run.last);
    add_int(&w, b->run.parent);
    return put_row(&w);
}

/* Neighbours of one directory become one: of a small one whatever is between, for no other directory has
 * that. */
static int runs(struct base_build *b) {
    int r = next_note(b, O_RUNS);
    if (r < 0)
        return r;
    if (r == 0)
        return b->run.first ? put_run(b) : 0;
    struct run next = {note_column(b, O_RUNS, 0), note_column(b, O_RUNS, 1), note_column(b, O_RUNS, 2),
                       note_column(b, O_RUNS, 3) != 0};
    if (b->run.first && next.parent == b->run.parent && (next.bridge || next.first == b->run.last + 1)) {
        b->run.last = next.last;
        return 1;
    }
    r = b->run.first ? put_run(b) : 0;
    b->run = next;
    return r < 0 ? r : 1;
}

static int sessions(struct base_build *b) {
    sqlite3_stmt *s;
    int r = out_exec(b, base_schema_sessions);
    if (r == 0)
        r = local(b, L_SESSIONS, 0, &s);
    while (r >= 0 && (r = step(s)) == 1) {
        struct session *found;
        uint64_t number = (uint64_t)sqlite3_column_int64(s, 0);
        HASH_FIND(hh, b->sessions, &number, sizeof number, found);
        struct row w = put(b, O_SESSION);
        add_int(&w, number);
        add_text(&w, (const char *)sqlite3_column_text(s, 1));
        add_bytes(&w, sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2));
        add_int(&w, found ? found->last : 0);
        r = put_row(&w);
    }
    return r;
}

static void close_out(struct base_build *b) {
    for (int i = 0; i < O_COUNT; i++) {
        sqlite3_finalize(b->put[i]);
        b->put[i] = NULL;
    }
    sqlite3_close(b->out);
    b->out = NULL;
}

static int finish(struct base_build *b) {
    int r = put_meta(b, "bytes", b->bytes);
    if (r == 0)
        r = put_meta(b, "inodes", b->inodes);
    if (r == 0)
        r = put_meta(b, "sequence", b->seq);
    if (r == 0)
        r = put_meta(b, "version", BASE_VERSION);
    if (r == 0)
        r = out_exec(b, "COMMIT");
    if (r < 0)
        return r;
    close_out(b);
    CLEANUP_CLOSE int fd = open(b->path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int (*const phases[DONE])(struct base_build *) = {walk,      dirs, places,   files, links,
                                                         link_dirs, runs, sessions, finish};

int base_build_step(struct base_build *b, unsigned rows) {
    b->budget = MAX(rows, 1);
    while (b->phase < DONE) {
        if (b->budget == 0)
            return 1;
        b->budget--;
        int r = phases[b->phase](b);
        if (r < 0)
            return r;
        b->phase += r == 0;
    }
    return 0;
}

static int begin(struct base_build *b) {
    sqlite3_stmt *s;
    int r = local(b, L_SEQ, 0, &s);
    if (r == 0)
        r = step(s);
    if (r != 1)
        return r < 0 ? r : -EBADMSG;
    b->seq = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    int fd = open(b->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    int rc = sqlite3_open_v2(b->path, &b->out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    /* What is not whole is removed: it needs no journal, and reaches the disk at the end. */
    return rc != SQLITE_OK ? sql_errno(rc)
                           : out_exec(b, "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA "
                                         "synchronous=OFF; PRAGMA temp_store=FILE;"
                                         "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-" CACHE_KIB ";"
                                         "CREATE TEMP TABLE note_link(number INTEGER, parent INTEGER);"
                                         "CREATE TEMP TABLE note_run(first INTEGER, last INTEGER, parent "
                                         "INTEGER, bridge INTEGER); BEGIN");
}

int base_build_new(sqlite3 *db, struct base *from, const char *path, struct base_build **ret) {
    struct base_build *b = xcalloc(1, sizeof *b);
    *b = (struct base_build){.db = db, .from = from, .path = xstrdup(path)};
    b->numbers = xcalloc(NUMBERS_MAX, sizeof *b->numbers);
    push(b, ROOT_INO, NULL, 0, 0);
    int r = begin(b);
    if (r < 0 && !b->out) { /* the file is somebody else's */
        free(b->path);
        b->path = NULL;
    }
    *ret = r < 0 ? base_build_free(b) : b;
    return r;
}

struct base_build *base_build_free(struct base_build *b) {
    struct session *s, *next;
    if (!b)
        return NULL;
    close_out(b);
    for (int i = 0; i < L_COUNT; i++)
        sqlite3_finalize(b->local[i]);
    if (b->path && b->phase != DONE)
        unlink(b->path);
    HASH_ITER (hh, b->sessions, s, next) {
        HASH_DEL(b->sessions, s);
        free(s);
    }
    free(b->nodes);
    free(b->names);
    free(b->stack);
    free(b->by_number);
    free(b->numbers);
    free(b->path);
    free(b);
    return NULL;
}
