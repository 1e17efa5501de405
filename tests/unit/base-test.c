/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bases: what is written is read again, row by row; the base of a base with changes above it is the same file
 * as the base of the whole tree; a page that is not here yet is waited for at any step.
 */
#include "tree/base_build.h"
#include "flaky_vfs.h"
#include "mem_tree.h"
#include "tmpdir.h"
#include "tree/base_rows.h"
#include "tree/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SEQ 4711

/* A local database, with rows.c to write it, and the directories in it. */
struct local {
    struct tree t;
    char *path;
};

static struct local *local_new(const char *dir, const char *name) {
    struct local *l = xcalloc(1, sizeof *l);
    l->path = tmpdir_path(dir, name);
    assert_int_equal(db_open(&l->t.db, l->path), 0);
    assert_int_equal(sqlite3_exec(l->t.db.sql, "CREATE TABLE IF NOT EXISTS c_here(dir INTEGER PRIMARY KEY)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(db_meta_set_int(&l->t.db, "seq", SEQ), 0);
    return l;
}

static void local_free(struct local *l) {
    db_close(&l->t.db);
    free(l->path);
    free(l);
}

static int64_t local_int(struct local *l, const char *sql) {
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(l->t.db.sql, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t v = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return v;
}

static void set_inode(struct local *l, uint64_t ino, uint32_t mode, const char *text, uint64_t seq) {
    CLEANUP_RECORD struct record rec = {0};
    mem_record(&rec, mode, text);
    if (ino % 5 == 0)
        record_set_xattr(&rec, "user.note", "\0\1\2", 3);
    if (S_ISCHR(mode))
        rec.rdev_major = 4, rec.rdev_minor = (uint32_t)ino & 0xff;
    rec.mtime = (int64_t)seq;
    assert_int_equal(rows_c_set_inode(&l->t, ino, &rec, seq), 0);
}

static void set_name(struct local *l, uint64_t parent, const char *name, size_t n, uint64_t ino,
                     uint32_t type) {
    assert_int_equal(rows_c_set_name(&l->t, parent, name, n, ino, type), 0);
}

static void make(struct local *l, uint64_t parent, const char *name, uint64_t ino, uint32_t mode,
                 const char *text) {
    set_inode(l, ino, mode, text, ino & 0xffff);
    set_name(l, parent, name, strlen(name), ino, mode & S_IFMT);
}

static void begin(struct local *l) {
    assert_int_equal(db_begin(&l->t.db), 0);
}

static void commit(struct local *l) {
    assert_int_equal(db_commit(&l->t.db), 0);
}

/* Builds in steps of a few rows, asking again where a page is not here. */
static char *build(struct local *l, struct base *from, const char *dir, const char *name) {
    char *path = tmpdir_path(dir, name);
    struct base_build *b;
    sqlite3 *sql;
    int r;
    assert_int_equal(sqlite3_open_v2(l->path, &sql, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sql, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(base_build_new(sql, from, path, &b), 0);
    do
        r = base_build_step(b, 3);
    while (r == 1 || r == -EINPROGRESS);
    assert_int_equal(r, 0);
    base_build_free(b);
    sqlite3_close(sql);
    return path;
}

struct opened {
    sqlite3 *sql;
    struct base *base;
};

static struct opened open_base(const char *path) {
    struct opened o = {flaky_open(path), NULL};
    int r;
    do
        r = base_open(o.sql, SEQ, flaky_error, NULL, &o.base);
    while (r == -EINPROGRESS);
    assert_int_equal(r, 0);
    return o;
}

static void close_base(struct opened *o) {
    base_close(o->base);
    sqlite3_close(o->sql);
}

/* Comparing a base with the rows it was made of */

struct check {
    struct local *l;
    sqlite3_stmt *rows;
    char after[NAME_MAX_BYTES];
    size_t after_n, given;
    uint64_t dir;
};

static bool check_row(void *arg, const struct base_row *row) {
    struct check *c = arg;
    assert_int_equal(sqlite3_step(c->rows), SQLITE_ROW);
    assert_int_equal(row->n, sqlite3_column_bytes(c->rows, 0));
    assert_memory_equal(row->name, sqlite3_column_blob(c->rows, 0), row->n);
    assert_int_equal(row->ino, sqlite3_column_int64(c->rows, 1));
    assert_int_equal(row->type, sqlite3_column_int64(c->rows, 2));
    assert_int_equal(row->rec_len, sqlite3_column_bytes(c->rows, 3));
    assert_memory_equal(row->rec, sqlite3_column_blob(c->rows, 3), row->rec_len);
    assert_int_equal(row->nlink, sqlite3_column_int64(c->rows, 4));
    assert_int_equal(row->seq, sqlite3_column_int64(c->rows, 5));
    memcpy(c->after, row->name, row->n);
    c->after_n = row->n;
    return ++c->given % 10 != 0;
}

static void check_children(struct local *l, struct base *b, uint64_t dir) {
    struct check c = {.l = l, .dir = dir};
    bool more = false;
    assert_int_equal(sqlite3_prepare_v2(l->t.db.sql,
                                        "SELECT n.name, n.ino, n.type, i.rec, i.nlink, i.seq FROM c_name n "
                                        "JOIN c_inode i ON i.ino = n.ino "
                                        "WHERE n.parent = ?1 ORDER BY n.name",
                                        -1, &c.rows, NULL),
                     SQLITE_OK);
    sqlite3_bind_int64(c.rows, 1, (int64_t)dir);
    int r;
    do
        r = base_children(b, dir, c.after_n ? c.after : NULL, c.after_n, check_row, &c, &more);
    while (r == -EINPROGRESS || (r == 0 && more));
    assert_int_equal(r, 0);
    assert_int_equal(sqlite3_step(c.rows), SQLITE_DONE);
    sqlite3_finalize(c.rows);
}

static void count_parent(void *arg, uint64_t dir) {
    uint64_t *found = arg;
    found[0]++;
    found[1] += dir;
}

static void check_parents(struct local *l, struct base *b, uint64_t ino) {
    uint64_t found[2] = {0}, want[2] = {0};
    sqlite3_stmt *s;
    int r;
    assert_int_equal(
        sqlite3_prepare_v2(l->t.db.sql, "SELECT DISTINCT parent FROM c_name WHERE ino = ?1", -1, &s, NULL),
        SQLITE_OK);
    sqlite3_bind_int64(s, 1, (int64_t)ino);
    while (sqlite3_step(s) == SQLITE_ROW)
        count_parent(want, (uint64_t)sqlite3_column_int64(s, 0));
    sqlite3_finalize(s);
    do
        r = base_parents(b, ino, count_parent, found);
    while (r == -EINPROGRESS);
    assert_int_equal(r, 1);
    assert_int_equal(found[0], want[0]);
    assert_int_equal(found[1], want[1]);
}

static void check_base(struct local *l, const char *path) {
    struct opened o = open_base(path);
    uint64_t inodes, bytes;
    sqlite3_stmt *s;
    assert_int_equal(base_totals(o.base, &inodes, &bytes), 0);
    assert_int_equal(inodes, l->t.total_files);
    assert_int_equal(bytes, l->t.total_bytes);
    assert_int_equal(inodes, local_int(l, "SELECT count(*) FROM c_inode"));
    assert_int_equal(sqlite3_prepare_v2(l->t.db.sql, "SELECT ino, rec FROM c_inode", -1, &s, NULL),
                     SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW) {
        CLEANUP_RECORD struct record rec = {0};
        uint64_t ino = (uint64_t)sqlite3_column_int64(s, 0);
        assert_int_equal(record_parse(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), &rec),
                         0);
        check_parents(l, o.base, ino);
        if (S_ISDIR(rec.mode))
            check_children(l, o.base, ino);
    }
    sqlite3_finalize(s);
    close_base(&o);
}

/* The same bytes. */
static void assert_same_file(const char *a, const char *b) {
    CLEANUP_FREE char *command = xasprintf("cmp '%s' '%s'", a, b);
    assert_int_equal(system(command), 0);
}

/* Random trees */

struct random {
    uint64_t state, next;
    uint64_t dirs[400];
    size_t n_dirs;
    uint64_t files[2000]; /* of these, n_files are left */
    size_t n_files;
};

static uint64_t draw(struct random *w, uint64_t below) {
    w->state = w->state * 6364136223846793005u + 1442695040888963407u;
    return (w->state >> 33) % below;
}

/* A number of one of some sessions, later ones larger. */
static uint64_t draw_number(struct random *w) {
    static const uint64_t of[] = {2, 3, 900};
    return of[draw(w, 3)] << SESSION_SHIFT | ++w->next;
}

static size_t draw_name(struct random *w, char *name) {
    static const char *const odd[] = {"\xff", "a\nb", " ", "~", "\x01\x02", "-rf", "\xc3\x28"};
    if (draw(w, 8) == 0) {
        memset(name, 'x', NAME_MAX_BYTES);
        int n = sprintf(name, "%d", (int)w->next);
        name[n] = 'y';
        return NAME_MAX_BYTES;
    }
    return (size_t)sprintf(name, "%s%d", draw(w, 4) ? "f" : odd[draw(w, ARRAY_SIZE(odd))], (int)w->next);
}

/* What is done is done to both. */
struct pair {
    struct local *all, *part; /* part may be NULL */
    uint64_t new_from;        /* counter of the first number that the base does not have; 0: there is none */
};

static void both_make(struct pair p, uint64_t parent, const char *name, size_t n, uint64_t ino, uint32_t mode,
                      const char *text) {
    for (int i = 0; i < 2; i++) {
        struct local *l = i ? p.part : p.all;
        if (l && mode)
            set_inode(l, ino, mode, text, 100 + (ino & 0xff));
        if (l)
            set_name(l, parent, name, n, ino, mode);
    }
}

static void make_some(struct random *w, struct pair p, bool (*may)(struct pair, uint64_t dir),
                      unsigned count) {
    static const uint32_t modes[] = {S_IFDIR | 0755, S_IFDIR | 0700, S_IFREG | 0644, S_IFREG | 0600,
                                     S_IFREG | 0644, S_IFREG,        S_IFLNK | 0777, S_IFCHR | 0600,
                                     S_IFIFO | 0600, S_IFSOCK};
    char name[NAME_MAX_BYTES + 1];
    for (unsigned i = 0; i < count; i++) {
        uint64_t parent = w->dirs[w->n_dirs - 1 - draw(w, draw(w, 3) ? w->n_dirs : MIN(w->n_dirs, 2))],
                 ino = draw_number(w);
        uint32_t mode = modes[draw(w, ARRAY_SIZE(modes))];
        size_t n = draw_name(w, name);
        if (!may(p, parent))
            continue;
        if (S_ISDIR(mode) && w->n_dirs == ARRAY_SIZE(w->dirs))
            mode = S_IFREG | 0644;
        both_make(p, parent, name, n, ino, mode,
                  S_ISREG(mode) && draw(w, 2) ? "text"
                  : S_ISLNK(mode)             ? "to"
                                              : "");
        if (S_ISDIR(mode)) {
            w->dirs[w->n_dirs++] = ino;
        } else if (S_ISREG(mode) && w->n_files < ARRAY_SIZE(w->files)) {
            w->files[w->n_files++] = ino;
        }
    }
}

static bool any(struct pair p, uint64_t dir) {
    (void)p;
    (void)dir;
    return true;
}

static struct random random_new(uint64_t seed, struct local *l) {
    struct random w = {.state = seed * 2654435761u + 1, .dirs = {ROOT_INO}, .n_dirs = 1};
    set_inode(l, ROOT_INO, S_IFDIR | 0755, NULL, 1);
    static const uint8_t nonce[NONCE_SIZE] = {1, 2, 3};
    assert_int_equal(rows_c_add_session(&l->t, 2, "one", nonce), 0);
    assert_int_equal(rows_c_add_session(&l->t, 900, "", nonce), 0);
    assert_int_equal(rows_c_set_state(&l->t, "area/x", "\xf6", 1), 0);
    return w;
}

static void link_some(struct random *w, struct pair p, bool (*may)(struct pair, uint64_t dir),
                      unsigned count) {
    char name[NAME_MAX_BYTES + 1];
    for (unsigned i = 0; i < count && w->n_files; i++) {
        uint64_t dir = w->dirs[draw(w, w->n_dirs)], ino = w->files[draw(w, w->n_files)];
        size_t n = (size_t)sprintf(name, "link%u-%d", i, (int)w->next++);
        bool here = may(p, dir);
        if (p.part) /* a file is linked where it is here with all its names */
            here = here && rows_c_inode(&p.part->t, ino, NULL, NULL, NULL) == 1;
        if (!here || rows_c_inode(&p.all->t, ino, NULL, NULL, NULL) != 1)
            continue;
        for (int k = 0; k < 2; k++)
            if (k ? p.part : p.all)
                set_name(k ? p.part : p.all, dir, name, n, ino, S_IFREG);
    }
}

static void written_and_read(void **state) {
    for (uint64_t seed = 1; seed <= 4; seed++) {
        char *dir = tmpdir_new();
        struct local *l = local_new(dir, "all.db");
        begin(l);
        struct random w = random_new(seed, l);
        make_some(&w, (struct pair){.all = l}, any, 600);
        link_some(&w, (struct pair){.all = l}, any, 40);
        commit(l);
        char *path = build(l, NULL, dir, "base");
        check_base(l, path);
        free(path);
        local_free(l);
        tmpdir_free(dir);
    }
    (void)state;
}

static void empty_tree(void **state) {
    struct local *l = local_new(*state, "all.db");
    begin(l);
    set_inode(l, ROOT_INO, S_IFDIR | 0755, NULL, 1);
    commit(l);
    char *path = build(l, NULL, *state, "base");
    check_base(l, path);
    struct opened o = open_base(path);
    struct base_row row;
    bool more;
    int r;
    while ((r = base_root(o.base, &row)) == -EINPROGRESS)
        ;
    assert_int_equal(r, 0);
    assert_int_equal(row.ino, ROOT_INO);
    assert_int_equal(row.nlink, 2);
    uint64_t found[2];
    while ((r = base_parents(o.base, 2 << SESSION_SHIFT | 1, count_parent, found)) == -EINPROGRESS)
        ;
    assert_int_equal(r, 0);
    while ((r = base_children(o.base, 4242, NULL, 0, NULL, NULL, &more)) == -EINPROGRESS)
        ;
    assert_int_equal(r, -ENOENT);
    close_base(&o);
    free(path);
    local_free(l);
}

static void one_large_directory(void **state) {
    struct local *l = local_new(*state, "all.db");
    char name[32];
    begin(l);
    set_inode(l, ROOT_INO, S_IFDIR | 0755, NULL, 1);
    make(l, ROOT_INO, "other", 2 << SESSION_SHIFT | 200000, S_IFDIR | 0755, NULL);
    for (uint64_t i = 1; i <= 100000; i++) {
        sprintf(name, "%08x", (unsigned)(i * 2654435761u));
        if (i % 1000) /* some numbers are missing: with nothing, or elsewhere */
            make(l, ROOT_INO, name, 2 << SESSION_SHIFT | i, S_IFREG | 0644, "");
        else if (i % 2000)
            make(l, 2 << SESSION_SHIFT | 200000, name, 2 << SESSION_SHIFT | i, S_IFREG | 0644, "");
    }
    commit(l);
    char *path = build(l, NULL, *state, "base");
    struct opened o = open_base(path);
    for (uint64_t i = 996; i < 1004; i++)
        check_parents(l, o.base, 2 << SESSION_SHIFT | i);
    uint64_t found[2];
    int r;
    while ((r = base_parents(o.base, 2 << SESSION_SHIFT | 2000, count_parent, found)) == -EINPROGRESS)
        ;
    assert_int_equal(r, 0);
    check_children(l, o.base, ROOT_INO);
    close_base(&o);
    free(path);
    local_free(l);
}

/* Directories here and not here */

/* What was made after the base is here without a row that says so. */
static bool is_here(struct pair p, uint64_t dir) {
    if (p.new_from && (dir & COUNTER_MAX) >= p.new_from)
        return true;
    CLEANUP_FREE char *sql =
        xasprintf("SELECT EXISTS(SELECT 1 FROM c_here WHERE rowid = %lld)", (long long)dir);
    return local_int(p.part, sql) == 1;
}

static bool fetch_row(void *arg, const struct base_row *row) {
    struct check *c = arg;
    CLEANUP_RECORD struct record rec = {0};
    assert_int_equal(record_parse(row->rec, row->rec_len, &rec), 0);
    assert_int_equal(
        db_run(&c->l->t.db, STMT_C_NAME_SET, "ibii", c->dir, row->name, row->n, row->ino, (int64_t)row->type),
        0);
    if (rows_c_inode(&c->l->t, row->ino, NULL, NULL, NULL) == 0)
        assert_int_equal(db_run(&c->l->t.db, STMT_C_INODE_SET, "ibii", row->ino, row->rec, row->rec_len,
                                (int64_t)row->nlink, row->seq),
                         0);
    memcpy(c->after, row->name, row->n);
    c->after_n = row->n;
    return true;
}

/* As fault.h has it: with all above it. */
static void fetch(struct local *l, struct base *b, uint64_t dir) {
    struct check c = {.l = l, .dir = dir};
    uint64_t found[2] = {0};
    bool more;
    int r;
    if (is_here((struct pair){.part = l}, dir))
        return;
    while ((r = base_parents(b, dir, count_parent, found)) == -EINPROGRESS)
        ;
    if (dir != ROOT_INO)
        fetch(l, b, found[1]);
    do
        r = base_children(b, dir, c.after_n ? c.after : NULL, c.after_n, fetch_row, &c, &more);
    while (r == -EINPROGRESS);
    assert_int_equal(r, 0);
    CLEANUP_FREE char *sql = xasprintf("INSERT INTO c_here(rowid) VALUES(%lld)", (long long)dir);
    assert_int_equal(sqlite3_exec(l->t.db.sql, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* A number with all its names, as fault_need_inode(). */
struct fetching {
    struct local *l;
    uint64_t dirs[64];
    size_t n;
};

static void note_dir(void *arg, uint64_t dir) {
    struct fetching *f = arg;
    assert_in_range(f->n, 0, 63);
    f->dirs[f->n++] = dir;
}

static void fetch_inode(struct local *l, struct base *b, uint64_t ino) {
    struct fetching f = {.l = l};
    int r;
    while ((r = base_parents(b, ino, note_dir, &f)) == -EINPROGRESS)
        ;
    for (size_t i = 0; i < f.n; i++)
        fetch(l, b, f.dirs[i]);
}

static void drop_name(struct pair p, uint64_t parent, const char *name, size_t n, uint64_t ino) {
    for (int i = 0; i < 2; i++) {
        struct local *l = i ? p.part : p.all;
        uint32_t nlink = 0;
        set_name(l, parent, name, n, 0, 0);
        assert_int_equal(rows_c_inode(&l->t, ino, NULL, &nlink, NULL), 1);
        if (nlink == 0)
            assert_int_equal(rows_c_set_inode(&l->t, ino, NULL, 0), 0);
    }
}

/* Takes the first name of files where it is here; moves some directories. */
static void change_some(struct random *w, struct pair p, struct base *b) {
    for (int i = 0; i < 30 && w->n_files; i++) {
        uint64_t ino = w->files[draw(w, w->n_files)];
        if (draw(w, 2) &&
            rows_c_inode(&p.all->t, ino, NULL, NULL, NULL) == 1) { /* its record, with all its names here */
            fetch_inode(p.part, b, ino);
            set_inode(p.all, ino, S_IFREG | 0444, "new", 300);
            set_inode(p.part, ino, S_IFREG | 0444, "new", 300);
            continue;
        }
        sqlite3_stmt *s;
        char name[NAME_MAX_BYTES];
        assert_int_equal(sqlite3_prepare_v2(p.part->t.db.sql,
                                            "SELECT parent, name FROM c_name WHERE ino = ?1", -1, &s, NULL),
                         SQLITE_OK);
        sqlite3_bind_int64(s, 1, (int64_t)ino);
        bool found = sqlite3_step(s) == SQLITE_ROW;
        uint64_t parent = found ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
        size_t n = found ? (size_t)sqlite3_column_bytes(s, 1) : 0;
        if (found)
            memcpy(name, sqlite3_column_blob(s, 1), n);
        sqlite3_finalize(s);
        if (found)
            drop_name(p, parent, name, n, ino);
    }
    for (int i = 0; i < 4;
         i++) { /* a directory that need not be here goes to the root, where the root is here */
        uint64_t dir = w->dirs[draw(w, w->n_dirs)];
        uint64_t up;
        assert_true(rows_c_parent(&p.part->t, dir, &up) >= 0);
        if (dir == ROOT_INO || !up || up == ROOT_INO)
            continue;
        sqlite3_stmt *s;
        char name[NAME_MAX_BYTES], moved[32];
        assert_int_equal(
            sqlite3_prepare_v2(p.part->t.db.sql, "SELECT name FROM c_name WHERE ino = ?1", -1, &s, NULL),
            SQLITE_OK);
        sqlite3_bind_int64(s, 1, (int64_t)dir);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        size_t n = (size_t)sqlite3_column_bytes(s, 0), m = (size_t)sprintf(moved, "moved%d", (int)w->next++);
        memcpy(name, sqlite3_column_blob(s, 0), n);
        sqlite3_finalize(s);
        for (int k = 0; k < 2; k++) {
            set_name(k ? p.part : p.all, up, name, n, 0, 0);
            set_name(k ? p.part : p.all, ROOT_INO, moved, m, dir, S_IFDIR);
        }
    }
}

static void base_of_a_base(void **state) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        char *dir = tmpdir_new();
        struct pair p = {local_new(dir, "all.db"), NULL, 0};
        begin(p.all);
        struct random w = random_new(seed, p.all);
        make_some(&w, p, any, 500);
        link_some(&w, p, any, 60);
        commit(p.all);
        char *below = build(p.all, NULL, dir, "below");
        struct opened o = open_base(below);

        p.part = local_new(dir, "part.db");
        p.new_from = w.next + 1;
        begin(p.all);
        begin(p.part);
        static const uint8_t nonce[NONCE_SIZE] = {1, 2, 3};
        assert_int_equal(rows_c_add_session(&p.part->t, 2, "one", nonce), 0);
        assert_int_equal(rows_c_add_session(&p.part->t, 900, "", nonce), 0);
        assert_int_equal(rows_c_set_state(&p.part->t, "area/x", "\xf6", 1), 0);
        if (seed > 1) { /* with the first, nothing is here */
            set_inode(p.part, ROOT_INO, S_IFDIR | 0755, NULL, 1);
            assert_int_equal(db_run(&p.part->t.db, STMT_C_LINK, "ii", ROOT_INO,
                                    local_int(p.all, "SELECT nlink - 2 FROM c_inode WHERE ino = 1")),
                             0);
            for (uint64_t i = 0; i < 2 * seed; i++)
                fetch(p.part, o.base, w.dirs[draw(&w, w.n_dirs)]);
            change_some(&w, p, o.base);
            make_some(&w, p, is_here, 60);
            link_some(&w, p, is_here, 30);
            change_some(&w, p, o.base);
        }
        commit(p.all);
        commit(p.part);
        char *merged = build(p.part, o.base, dir, "merged"), *whole = build(p.all, NULL, dir, "whole");
        assert_same_file(merged, whole);
        check_base(p.all, merged);
        close_base(&o);
        free(below);
        free(merged);
        free(whole);
        local_free(p.all);
        local_free(p.part);
        tmpdir_free(dir);
    }
    assert_in_range(flaky_failures(), 200, UINT32_MAX);
    (void)state;
}

static void what_is_no_base(void **state) {
    struct local *l = local_new(*state, "all.db");
    struct base *base;
    begin(l);
    set_inode(l, ROOT_INO, S_IFDIR | 0755, NULL, 1);
    commit(l);
    assert_int_equal(base_open(l->t.db.sql, SEQ, NULL, NULL, &base), -EBADMSG);
    assert_null(base);
    char *path = build(l, NULL, *state, "base");
    sqlite3 *sql;
    assert_int_equal(sqlite3_open_v2(path, &sql, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(base_open(sql, SEQ + 1, NULL, NULL, &base), -EBADMSG);
    assert_int_equal(base_open(sql, SEQ, NULL, NULL, &base), 0);
    base_close(base);
    sqlite3_close(sql);
    free(path);
    local_free(l);
}

static void an_unfinished_file_goes(void **state) {
    struct local *l = local_new(*state, "all.db");
    struct base_build *b;
    begin(l);
    set_inode(l, ROOT_INO, S_IFDIR | 0755, NULL, 1);
    make(l, ROOT_INO, "f", 2 << SESSION_SHIFT | 1, S_IFREG, "");
    commit(l);
    char *path = tmpdir_path(*state, "base");
    assert_int_equal(base_build_new(l->t.db.sql, NULL, path, &b), 0);
    assert_int_equal(base_build_step(b, 1), 1);
    assert_int_equal(access(path, F_OK), 0);
    struct base_build *second;
    assert_int_equal(base_build_new(l->t.db.sql, NULL, path, &second), -EEXIST);
    assert_int_equal(access(path, F_OK), 0);
    base_build_free(b);
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    local_free(l);
}

/* A name without its inode is a damaged database: no base is made of it. */
static void a_name_without_inode(void **state) {
    struct local *l = local_new(*state, "all.db");
    struct base_build *b;
    begin(l);
    set_inode(l, ROOT_INO, S_IFDIR | 0755, NULL, 1);
    assert_int_equal(
        db_run(&l->t.db, STMT_C_NAME_SET, "ibii", ROOT_INO, "f", (size_t)1, (uint64_t)77, (int64_t)S_IFREG),
        0);
    commit(l);
    char *path = tmpdir_path(*state, "base");
    assert_int_equal(base_build_new(l->t.db.sql, NULL, path, &b), 0);
    assert_int_equal(base_build_step(b, 100000), -EBADMSG);
    base_build_free(b);
    free(path);
    local_free(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read),
        cmocka_unit_test_setup_teardown(empty_tree, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(one_large_directory, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test(base_of_a_base),
        cmocka_unit_test_setup_teardown(what_is_no_base, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(an_unfinished_file_goes, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(a_name_without_inode, tmpdir_setup, tmpdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
