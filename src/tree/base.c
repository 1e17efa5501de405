/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/base.h"
#include "tree/apply.h"
#include "tree/base_rows.h"

const char base_schema_dirs[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE states(key TEXT PRIMARY KEY, item BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE dirs(parent INTEGER NOT NULL, name BLOB NOT NULL, number INTEGER NOT NULL, rank INTEGER "
    "NOT NULL, nlink INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY(parent, name)) WITHOUT ROWID;"
    "CREATE TABLE places(number INTEGER PRIMARY KEY, rank INTEGER NOT NULL, parent INTEGER NOT NULL);";
const char base_schema_files[] = "CREATE TABLE files(parent INTEGER NOT NULL, name BLOB NOT NULL, number "
                                 "INTEGER NOT NULL, seq INTEGER, record BLOB,"
                                 " PRIMARY KEY(parent, name)) WITHOUT ROWID;";
const char base_schema_links[] = "CREATE TABLE links(number INTEGER PRIMARY KEY, nlink INTEGER NOT NULL, seq "
                                 "INTEGER NOT NULL, record BLOB NOT NULL);"
                                 "CREATE TABLE link_dirs(number INTEGER NOT NULL, parent INTEGER NOT NULL, "
                                 "PRIMARY KEY(number, parent)) WITHOUT ROWID;";
const char base_schema_runs[] =
    "CREATE TABLE runs(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, parent INTEGER NOT NULL);";
const char base_schema_sessions[] = "CREATE TABLE sessions(number INTEGER PRIMARY KEY, label TEXT NOT NULL, "
                                    "nonce BLOB NOT NULL, last INTEGER NOT NULL);";

enum query {
    Q_META,
    Q_PLACE,
    Q_PARENT,
    Q_DIR,
    Q_SUBDIRS,
    Q_FILES,
    Q_LINK,
    Q_LINK_DIRS,
    Q_RUN,
    Q_STATES,
    Q_SESSIONS,
    Q_COUNT
};

static const char *const queries[Q_COUNT] = {
    [Q_META] = "SELECT value FROM meta WHERE key = ?1",
    [Q_PLACE] = "SELECT rank FROM places WHERE number = ?1",
    [Q_PARENT] = "SELECT parent FROM places WHERE number = ?1",
    [Q_DIR] = "SELECT name, number, seq, record, nlink, rank FROM dirs WHERE parent = ?1 AND name = ?2",
    [Q_SUBDIRS] = ("SELECT name, number, seq, record, nlink, rank FROM dirs WHERE parent = ?1 AND name > ?2 "
                   "ORDER BY name"),
    [Q_FILES] = "SELECT name, number, seq, record FROM files WHERE parent = ?1 AND name > ?2 ORDER BY name",
    [Q_LINK] = "SELECT nlink, seq, record FROM links WHERE number = ?1",
    [Q_LINK_DIRS] = "SELECT parent FROM link_dirs WHERE number = ?1",
    [Q_RUN] = "SELECT last, parent FROM runs WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
    [Q_STATES] = "SELECT key, item FROM states ORDER BY key",
    [Q_SESSIONS] = "SELECT number, label, nonce, last FROM sessions ORDER BY number",
};

struct base {
    sqlite3 *sql;
    int (*error)(void *arg, sqlite3 *);
    void *arg;
    sqlite3_stmt *stmts[Q_COUNT];
    uint64_t inodes, bytes;
};

/* What a result code means: the layer below knows why it could not read. */
static int meaning(struct base *b, int rc) {
    rc &= 0xff;
    if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_ERROR)
        return -EBADMSG;
    int r = b->error ? b->error(b->arg, b->sql) : rc == SQLITE_NOMEM ? -ENOMEM : -EIO;
    return r < 0 ? r : -EIO;
}

/* A statement with nothing bound. Each is prepared when it is first needed: that reads pages too. */
static int query(struct base *b, enum query q, sqlite3_stmt **ret) {
    if (!b->stmts[q]) {
        int rc = sqlite3_prepare_v3(b->sql, queries[q], -1, SQLITE_PREPARE_PERSISTENT, &b->stmts[q], NULL);
        if (rc != SQLITE_OK)
            return meaning(b, rc);
    }
    *ret = b->stmts[q];
    sqlite3_reset(*ret);
    return 0;
}

static int query_number(struct base *b, enum query q, uint64_t number, sqlite3_stmt **ret) {
    int r = query(b, q, ret);
    if (r == 0)
        sqlite3_bind_int64(*ret, 1, (int64_t)number);
    return r;
}

/* A name, or the one to go on after: NULL before the first. */
static int query_name(struct base *b, enum query q, uint64_t rank, const char *name, size_t n,
                      sqlite3_stmt **ret) {
    int r = query_number(b, q, rank, ret);
    if (r == 0)
        sqlite3_bind_blob64(*ret, 2, n ? name : "", n, SQLITE_TRANSIENT);
    return r;
}

/* 1 a row, 0 no more, else what it means. Without a row the statement is reset. */
static int step(struct base *b, sqlite3_stmt *s) {
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return 1;
    int r = rc == SQLITE_DONE ? 0 : meaning(b, rc);
    sqlite3_reset(s);
    return r;
}

static int meta(struct base *b, const char *key, uint64_t *ret) {
    sqlite3_stmt *s;
    int r = query(b, Q_META, &s);
    if (r < 0)
        return r;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    r = step(b, s);
    if (r == 1)
        *ret = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return r < 0 ? r : r == 1 ? 0 : -EBADMSG;
}

int base_open(sqlite3 *sql, uint64_t seq, int (*error)(void *arg, sqlite3 *), void *arg, struct base **ret) {
    struct base *b = xcalloc(1, sizeof *b);
    uint64_t version = 0, sequence = 0;
    *b = (struct base){.sql = sql, .error = error, .arg = arg};
    int r = meta(b, "version", &version);
    if (r == 0 && version != BASE_VERSION)
        r = -EBADMSG;
    if (r == 0)
        r = meta(b, "sequence", &sequence);
    if (r == 0 && sequence != seq)
        r = -EBADMSG;
    if (r == 0)
        r = meta(b, "inodes", &b->inodes);
    if (r == 0)
        r = meta(b, "bytes", &b->bytes);
    *ret = r < 0 ? base_close(b) : b;
    return r;
}

struct base *base_close(struct base *b) {
    if (!b)
        return NULL;
    for (int i = 0; i < Q_COUNT; i++)
        sqlite3_finalize(b->stmts[i]);
    free(b);
    return NULL;
}

int base_totals(struct base *b, uint64_t *ret_inodes, uint64_t *ret_bytes) {
    *ret_inodes = b->inodes;
    *ret_bytes = b->bytes;
    return 0;
}

/* The columns that dirs and files begin with. A record may be missing in files only. */
static int take_row(sqlite3_stmt *s, struct base_row *ret) {
    *ret = (struct base_row){.name = sqlite3_column_blob(s, 0),
                             .n = (size_t)sqlite3_column_bytes(s, 0),
                             .ino = (uint64_t)sqlite3_column_int64(s, 1),
                             .seq = (uint64_t)sqlite3_column_int64(s, 2),
                             .rec = sqlite3_column_blob(s, 3),
                             .rec_len = (size_t)sqlite3_column_bytes(s, 3),
                             .nlink = 1};
    return ret->ino ? 0 : -EBADMSG;
}

static int take_type(struct base_row *row, bool directory) {
    uint32_t mode;
    uint64_t size;
    int r = row->rec ? record_peek(row->rec, row->rec_len, &mode, &size) : -EBADMSG;
    if (r < 0 || S_ISDIR(mode) != directory)
        return -EBADMSG;
    row->type = mode & S_IFMT;
    return 0;
}

static int take_dir(sqlite3_stmt *s, struct base_row *ret) {
    int r = take_row(s, ret);
    ret->nlink = (uint32_t)sqlite3_column_int64(s, 4);
    return r < 0 ? r : take_type(ret, true);
}

int base_link(struct base *b, uint64_t ino, struct base_row *ret) {
    sqlite3_stmt *s;
    int r = query_number(b, Q_LINK, ino, &s);
    if (r == 0)
        r = step(b, s);
    if (r != 1)
        return r < 0 ? r : -ENOENT;
    ret->nlink = (uint32_t)sqlite3_column_int64(s, 0);
    ret->seq = (uint64_t)sqlite3_column_int64(s, 1);
    ret->rec = sqlite3_column_blob(s, 2);
    ret->rec_len = (size_t)sqlite3_column_bytes(s, 2);
    return take_type(ret, false);
}

int base_place(struct base *b, uint64_t dir, uint64_t *ret_rank) {
    sqlite3_stmt *s;
    int r = query_number(b, Q_PLACE, dir, &s);
    if (r == 0)
        r = step(b, s);
    if (r != 1)
        return r < 0 ? r : -ENOENT;
    *ret_rank = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return *ret_rank ? 0 : -EBADMSG;
}

int base_dir(struct base *b, uint64_t parent_rank, const char *name, size_t n, struct base_row *ret) {
    sqlite3_stmt *s;
    int r = query_name(b, Q_DIR, parent_rank, name, n, &s);
    if (r == 0)
        r = step(b, s);
    return r < 0 ? r : r == 0 ? -ENOENT : take_dir(s, ret);
}

int base_root(struct base *b, struct base_row *ret) {
    int r = base_dir(b, 0, NULL, 0, ret);
    return r == -ENOENT || (r == 0 && ret->ino != ROOT_INO) ? -EBADMSG : r;
}

/* One table's rows of a directory, as a cursor that is a row ahead. */
struct cursor {
    sqlite3_stmt *s;
    bool directories;
    struct base_row row;
    int at; /* 1 there is a row, 0 no more */
};

static int cursor_next(struct base *b, struct cursor *c) {
    int r = c->at = step(b, c->s);
    if (r == 1)
        r = c->directories ? take_dir(c->s, &c->row) : take_row(c->s, &c->row);
    if (r == 0 && c->at == 1 && !apply_name_valid(c->row.name, c->row.n))
        r = -EBADMSG;
    return r;
}

static int cursor_open(struct base *b, struct cursor *c, bool directories, uint64_t rank, const char *after,
                       size_t n) {
    *c = (struct cursor){.directories = directories};
    int r = query_name(b, directories ? Q_SUBDIRS : Q_FILES, rank, after, after ? n : 0, &c->s);
    return r < 0 ? r : cursor_next(b, c);
}

int base_subdirs(struct base *b, uint64_t rank, const char *after, size_t after_n,
                 bool (*each)(void *arg, const struct base_row *, uint64_t rank), void *arg, bool *ret_more) {
    struct cursor c;
    bool more = true;
    int r = cursor_open(b, &c, true, rank, after, after_n);
    while (r == 0 && c.at == 1 && more) {
        more = each(arg, &c.row, (uint64_t)sqlite3_column_int64(c.s, 5));
        if (more)
            r = cursor_next(b, &c);
    }
    sqlite3_reset(c.s);
    *ret_more = !more;
    return r;
}

int base_next_dir(struct base *b, uint64_t dir, char name[NAME_MAX_BYTES], size_t *n, uint64_t *ret) {
    struct cursor c;
    uint64_t rank;
    int r = base_place(b, dir, &rank);
    if (r == 0)
        r = cursor_open(b, &c, true, rank, name, *n);
    if (r < 0 || c.at != 1)
        return r;
    *ret = c.row.ino;
    *n = c.row.n;
    memcpy(name, c.row.name, c.row.n);
    sqlite3_reset(c.s);
    return 1;
}

int base_files(struct base *b, uint64_t rank, const char *after, size_t after_n,
               bool (*each)(void *arg, const struct base_row *), void *arg, bool *ret_more) {
    struct cursor c;
    bool more = true;
    int r = cursor_open(b, &c, false, rank, after, after_n);
    while (r == 0 && c.at == 1 && more) {
        r = c.row.rec ? take_type(&c.row, false) : 0;
        if (r == 0)
            more = each(arg, &c.row);
        if (r == 0 && more)
            r = cursor_next(b, &c);
    }
    sqlite3_reset(c.s);
    *ret_more = !more;
    return r;
}

static int compare(const struct base_row *a, const struct base_row *b) {
    int r = memcmp(a->name, b->name, MIN(a->n, b->n));
    return r ? r : a->n < b->n ? -1 : a->n > b->n;
}

static int give(struct base *b, struct cursor *c, bool (*each)(void *arg, const struct base_row *), void *arg,
                bool *more) {
    int r = 0;
    if (!c->directories && !c->row.rec)
        r = base_link(b, c->row.ino, &c->row);
    else if (!c->directories)
        r = take_type(&c->row, false);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    *more = each(arg, &c->row);
    return *more ? cursor_next(b, c) : 0;
}

int base_children(struct base *b, uint64_t dir, const char *after, size_t after_n,
                  bool (*each)(void *arg, const struct base_row *), void *arg, bool *ret_more) {
    struct cursor dirs = {0}, files = {0};
    uint64_t rank;
    bool more = true;
    int r = base_place(b, dir, &rank);
    if (r == 0)
        r = cursor_open(b, &dirs, true, rank, after, after_n);
    if (r == 0)
        r = cursor_open(b, &files, false, rank, after, after_n);
    while (r == 0 && more && (dirs.at == 1 || files.at == 1)) {
        bool first = files.at != 1 || (dirs.at == 1 && compare(&dirs.row, &files.row) < 0);
        r = give(b, first ? &dirs : &files, each, arg, &more);
    }
    sqlite3_reset(dirs.s);
    sqlite3_reset(files.s);
    *ret_more = !more;
    return r;
}

/* The one column of a query that answers with at most one row. 1, 0 */
static int one_parent(struct base *b, enum query q, uint64_t ino, void (*each)(void *arg, uint64_t dir),
                      void *arg) {
    sqlite3_stmt *s;
    int r = query_number(b, q, ino, &s);
    if (r == 0)
        r = step(b, s);
    if (r != 1)
        return r;
    bool found = q != Q_RUN || (uint64_t)sqlite3_column_int64(s, 0) >= ino;
    uint64_t parent = (uint64_t)sqlite3_column_int64(s, q == Q_RUN);
    sqlite3_reset(s);
    if (found && parent)
        each(arg, parent);
    return found;
}

static int link_parents(struct base *b, uint64_t ino, void (*each)(void *arg, uint64_t dir), void *arg) {
    uint64_t *dirs = NULL;
    size_t n = 0;
    sqlite3_stmt *s;
    int r = query_number(b, Q_LINK_DIRS, ino, &s);
    while (r >= 0 && (r = step(b, s)) == 1) {
        dirs = xrealloc(dirs, (n + 1) * sizeof *dirs);
        dirs[n++] = (uint64_t)sqlite3_column_int64(s, 0);
    }
    for (size_t i = 0; i < n && r == 0; i++)
        each(arg, dirs[i]);
    free(dirs);
    return r < 0 ? r : n > 0;
}

int base_parents(struct base *b, uint64_t ino, void (*each)(void *arg, uint64_t dir), void *arg) {
    int r = one_parent(b, Q_PARENT, ino, each, arg);
    if (r == 0)
        r = link_parents(b, ino, each, arg);
    return r ? r : one_parent(b, Q_RUN, ino, each, arg);
}

/* A row of states or sessions, kept until all of them are here. */
struct kept {
    char *text;
    void *bytes;
    size_t n;
    uint64_t number, last;
};

static int keep_row(sqlite3_stmt *s, enum query q, struct kept *k) {
    int text = q == Q_SESSIONS, bytes = text + 1;
    if (sqlite3_column_type(s, text) != SQLITE_TEXT || sqlite3_column_type(s, bytes) != SQLITE_BLOB)
        return -EBADMSG;
    size_t n = (size_t)sqlite3_column_bytes(s, bytes);
    if (q == Q_SESSIONS && n != NONCE_SIZE)
        return -EBADMSG;
    *k = (struct kept){.text = xstrdup((const char *)sqlite3_column_text(s, text)),
                       .bytes = xmemdup(sqlite3_column_blob(s, bytes), n),
                       .n = n};
    if (q == Q_SESSIONS) {
        k->number = (uint64_t)sqlite3_column_int64(s, 0);
        k->last = (uint64_t)sqlite3_column_int64(s, 3);
    }
    return 0;
}

static int keep_all(struct base *b, enum query q, struct kept **ret, size_t *ret_n) {
    size_t n = 0, cap = 0;
    sqlite3_stmt *s = NULL;
    *ret = NULL;
    int r = query(b, q, &s);
    while (r == 0 && (r = step(b, s)) == 1) {
        if (n == cap)
            *ret = xrealloc(*ret, (cap = MAX(2 * cap, 64)) * sizeof **ret);
        r = keep_row(s, q, &(*ret)[n]);
        n += r == 0;
    }
    sqlite3_reset(s);
    *ret_n = n;
    return r;
}

static void free_kept(struct kept *k, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(k[i].text);
        free(k[i].bytes);
    }
    free(k);
}

int base_states(struct base *b, void (*each)(void *arg, const char *key, const void *item, size_t n),
                void *arg) {
    struct kept *k;
    size_t n;
    int r = keep_all(b, Q_STATES, &k, &n);
    for (size_t i = 0; i < n && r == 0; i++)
        each(arg, k[i].text, k[i].bytes, k[i].n);
    free_kept(k, n);
    return r;
}

int base_sessions(struct base *b,
                  void (*each)(void *arg, uint64_t number, const char *label, const void *nonce,
                               uint64_t last),
                  void *arg) {
    struct kept *k;
    size_t n;
    int r = keep_all(b, Q_SESSIONS, &k, &n);
    for (size_t i = 0; i < n && r == 0; i++)
        each(arg, k[i].number, k[i].text, k[i].bytes, k[i].last);
    free_kept(k, n);
    return r;
}
