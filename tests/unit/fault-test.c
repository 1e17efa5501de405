/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rows that are fetched when somebody asks for them (tree/fault.h): which are, once, what is told of errors, and that all of them together are what a host has that has read the whole journal.
 */
#include "tree_box.h"
#include "tmpdir.h"
#include "tree/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ok(int r) {
    assert_int_equal(r, 0);
}

static int64_t ask(sqlite3 *sql, const char *query) {
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(sql, query, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static int64_t count(struct tree_box *b, const char *table) {
    CLEANUP_FREE char *query = xasprintf("SELECT count(*) FROM %s", table);
    return ask(b->tree->db.sql, query);
}

static void forget(struct tree_box *b) {
    box_commit(b);
    assert_true(box_forget(b));
    assert_int_equal(count(b, "c_name"), 0);
}

/* Every row of C in one text. */
static char *dump(struct tree_box *b) {
    static const char query[] =
        "SELECT group_concat(x, char(10)) FROM (SELECT printf('%d/%s=%d %d', parent, name, ino, type) AS x FROM (SELECT * FROM c_name ORDER BY parent, name) UNION ALL "
        "SELECT printf('%d %s %d %d', ino, hex(rec), nlink, seq) FROM (SELECT * FROM c_inode ORDER BY ino))";
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(b->tree->db.sql, query, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    char *ret = xstrdup((const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return ret;
}

/* A host that has read the whole journal has the same rows, totals and digest. */
static void is_as_replayed(struct tree_box *b) {
    box_commit(b);
    struct tree_box *fresh = tree_box_join(b, "fresh");
    box_follow(b);
    lazy_fetch_all(b->tree);
    CLEANUP_FREE char *mine = dump(b), *theirs = dump(fresh);
    assert_string_equal(mine, theirs);
    assert_int_equal(b->tree->total_files, fresh->tree->total_files);
    assert_int_equal(b->tree->total_bytes, fresh->tree->total_bytes);
    assert_memory_equal(&b->tree->set, &fresh->tree->set, sizeof b->tree->set);
    CLEANUP_FREE char *wrong = tree_box_wrong_in_all(b);
    assert_null(wrong);
    tree_box_free(fresh);
}

static void make_tree(struct tree_box *b) {
    ok(box_mkdir(b, "a"));
    ok(box_mkdir(b, "a/deep"));
    ok(box_put(b, "a/deep/x", "in x"));
    ok(box_put(b, "a/y", "in y"));
    ok(box_mkdir(b, "b"));
    ok(box_put(b, "b/z", "in z"));
    ok(box_link(b, "a/y", "b/y too"));
    ok(box_symlink(b, "b/link", "target"));
}

static void only_what_is_asked_for_is_fetched(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    make_tree(b);
    forget(b);
    ok(box_stat(b, "a/y", &a));
    assert_int_equal(a.nlink, 2);
    assert_int_equal(lazy_listings(b->lazy), 2); /* the root, and a */
    ok(box_stat(b, "a/y", &a));
    assert_int_equal(box_stat(b, "a/not there", &a), -ENOENT);
    assert_int_equal(lazy_listings(b->lazy), 2);
    assert_int_equal(count(b, "c_here"), 2);
    assert_view(b, "a/ a/deep/ a/deep/x=in x a/y=in y b/ b/link->target b/y too=in y b/z=in z");
    assert_int_equal(lazy_listings(b->lazy), 4);
    is_as_replayed(b);
}

static void by_number_what_lies_above_comes_first(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    make_tree(b);
    box_commit(b);
    uint64_t ino = box_ino(b, "a/deep/x");
    forget(b);
    ok(names_getattr(b->tree, ino, &a));
    assert_int_equal(a.size, 4);
    assert_int_equal(lazy_listings(b->lazy), 3);
    ok(names_lookup(b->tree, box_ino(b, "a/deep"), "..", 2, &a));
    assert_int_equal(a.ino, box_ino(b, "a"));
}

static void a_number_that_nobody_has(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    make_tree(b);
    ok(box_put(b, "c", "in c"));
    box_commit(b);
    uint64_t ino = box_ino(b, "a/y");
    ok(box_unlink(b, "a/y"));
    ok(box_unlink(b, "b/y too"));
    names_forget(b->tree, ino);
    forget(b);
    assert_int_equal(names_getattr(b->tree, ino, &a), -ESTALE);
    assert_int_equal(count(b, "c_absent"), 1);
    assert_int_equal(names_getattr(b->tree, ino, &a), -ESTALE);
    assert_int_equal(names_getattr(b->tree, ino + (UINT64_C(1000) << SESSION_SHIFT), &a), -ESTALE); /* of a session nobody has: nobody is asked */
    assert_int_equal(count(b, "c_absent"), 1);
}

static void one_of_two_names_goes_without_the_other(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    make_tree(b);
    forget(b);
    ok(box_unlink(b, "a/y"));
    box_commit(b);
    assert_int_equal(lazy_listings(b->lazy), 2);
    ok(box_stat(b, "b/y too", &a));
    assert_int_equal(a.nlink, 1);
    ok(box_unlink(b, "b/y too"));
    assert_int_equal(box_stat(b, "b/y too", &a), -ENOENT);
    is_as_replayed(b);
}

static void a_directory_is_empty_when_it_has_been_looked_into(void **st) {
    struct tree_box *b = *st;
    make_tree(b);
    ok(box_mkdir(b, "empty"));
    forget(b);
    assert_int_equal(box_rmdir(b, "a/deep"), -ENOTEMPTY);
    ok(box_rmdir(b, "empty"));
    ok(box_unlink(b, "a/deep/x"));
    ok(box_rmdir(b, "a/deep"));
    ok(box_rename(b, "b", "c", 0));
    box_commit(b);
    assert_view(b, "a/ a/y=in y c/ c/link->target c/y too=in y c/z=in z");
    is_as_replayed(b);
}

static void others_write_where_nothing_is_here(void **st) {
    struct tree_box *b = *st, *other = tree_box_join(b, "other");
    make_tree(b);
    forget(b);
    box_follow(other);
    ok(box_put(other, "a/deep/x", "more in x"));
    ok(box_unlink(other, "b/y too"));
    ok(box_rename(other, "b/z", "a/deep/z", 0));
    ok(box_mkdir(other, "a/new"));
    ok(box_put(other, "a/new/n", "in n"));
    box_commit(other);
    ok(box_put(b, "b/mine", "mine"));
    box_commit(b);
    box_follow(b);
    assert_view(b, "a/ a/deep/ a/deep/x=more in x a/deep/z=in z a/new/ a/new/n=in n a/y=in y b/ b/link->target b/mine=mine");
    assert_int_equal(counter_get(&b->counters, COUNTER_CHANGES_VOID), 0);
    is_as_replayed(b);
    tree_box_free(other);
}

static void an_error_is_told_and_forgotten(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    make_tree(b);
    forget(b);
    lazy_fail(b->lazy, 1, -EIO);
    assert_int_equal(box_stat(b, "a", &a), -EIO);
    ok(box_stat(b, "a", &a));
    assert_int_equal(b->tree->offline, 0);
}

static void following_waits_and_goes_on_after_an_error(void **st) {
    struct tree_box *b = *st, *other = tree_box_join(b, "other");
    make_tree(b);
    forget(b);
    box_follow(other);
    ok(box_put(other, "a/deep/x", "more in x"));
    box_commit(other);
    lazy_fail(b->lazy, 2, -EIO);
    box_follow(b);
    box_follow(b);
    assert_int_equal(b->tree->seq, other->tree->seq);
    assert_false(b->tree->offline);
    assert_false(b->tree->stopped);
    tree_box_free(other);
}

#define MANY 5000

static void a_large_directory_and_an_end_in_the_middle(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    ok(box_mkdir(b, "d"));
    uint64_t dir = box_ino(b, "d");
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        ok(names_make(b->tree, dir, name, strlen(name), &(struct make){.mode = S_IFREG | 0600}, &a));
    }
    forget(b);
    ok(box_stat(b, "d", &a));
    lazy_brake(b->lazy, 2500); /* more questions than that are not answered */
    tree_lock(b->tree);
    assert_int_equal(fault_need_dir(b->tree, dir), -EINPROGRESS);
    tree_unlock(b->tree);
    sim_run(b->sim, 100 * NS_PER_S);
    assert_true(count(b, "c_name") > 1000);
    assert_true(count(b, "c_name") < MANY);
    tree_lock(b->tree);
    assert_int_equal(fault_is_here(b->tree, dir), 0);
    struct row_name row;
    assert_int_equal(rows_c_name(b->tree, dir, "0", 1, &row), -EINPROGRESS); /* though it is there */
    tree_unlock(b->tree);
    tree_box_reopen(b);
    ok(box_unlink(b, "d/17"));
    box_commit(b);
    assert_int_equal(box_stat(b, "d/17", &a), -ENOENT);
    is_as_replayed(b);
    assert_int_equal(count(b, "c_name"), MANY);
}

static void a_walk_stops_where_nothing_is_here_and_goes_on(void **st) {
    struct tree_box *b = *st;
    struct walk w;
    struct walk_file f[8];
    size_t n = 0;
    bool end = false;
    make_tree(b);
    forget(b);
    ok(walk_to(b->tree, box_ino(b, "a/y"), &w));
    n = walk_next(b->tree, &w, f, 8, &end);
    assert_int_equal(n, 0);
    assert_false(end);
    for (int tries = 0; tries < 100 && !end; tries++) {
        sim_run(b->sim, NS_PER_S);
        n += walk_next(b->tree, &w, f + n, 8 - n, &end);
    }
    assert_true(end);
    assert_int_equal(n, 2); /* b/y too, b/z */
    assert_int_equal(f[1].ino, box_ino(b, "b/z"));
    for (size_t i = 0; i < n; i++)
        content_unref(f[i].content);
}

#define SHELVES 30

static void make_shelves(struct tree_box *b) {
    for (int i = 0; i < SHELVES; i++) {
        CLEANUP_FREE char *dir = xasprintf("shelf %02d", i), *below = xasprintf("%s/below", dir), *file = xasprintf("%s/book", below);
        ok(box_mkdir(b, dir));
        ok(box_mkdir(b, below));
        ok(box_put(b, file, "text"));
    }
    lazy_go_ahead(true);
    forget(b);
    lazy_go_ahead(false);
}

/* How many of them had to be asked for. */
static int go_through(struct tree_box *b) {
    struct attr a;
    int asked = 0;
    for (int i = 0; i < SHELVES; i++) {
        CLEANUP_FREE char *dir = xasprintf("shelf %02d", i), *below = xasprintf("%s/below", dir), *file = xasprintf("%s/book", below);
        ok(box_stat(b, dir, &a));
        asked += fault_is_here(b->tree, a.ino) == 0;
        ok(box_stat(b, below, &a));
        asked += fault_is_here(b->tree, a.ino) == 0;
        ok(box_stat(b, file, &a));
    }
    return asked;
}

static void who_goes_through_the_tree_gets_what_follows(void **st) {
    struct tree_box *b = *st;
    make_shelves(b);
    int asked = go_through(b);
    assert_in_range(asked, 2, SHELVES);
    is_as_replayed(b);
}

static void what_follows_has_moved_or_is_gone(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    make_shelves(b);
    ok(box_rename(b, "shelf 05", "zz", 0));
    ok(box_rename(b, "shelf 07/below", "shelf 20/here", 0));
    ok(box_unlink(b, "shelf 09/below/book"));
    ok(box_rmdir(b, "shelf 09/below"));
    ok(box_rmdir(b, "shelf 09"));
    ok(box_mkdir(b, "shelf 09"));
    ok(box_mkdir(b, "shelf 09/below"));
    ok(box_put(b, "shelf 09/below/book", "another"));
    ok(box_rename(b, "zz", "shelf 05", 0));
    ok(box_rename(b, "shelf 20/here", "shelf 07/below", 0));
    box_commit(b);
    go_through(b);
    ok(box_stat(b, "shelf 09/below/book", &a));
    assert_int_equal(a.size, 7);
    is_as_replayed(b);
}

static void a_single_path_brings_nothing_else(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    make_shelves(b);
    ok(box_stat(b, "shelf 17/below/book", &a));
    assert_int_equal(count(b, "c_here"), 3);
    ok(box_stat(b, "shelf 03/below/book", &a));
    ok(box_stat(b, "shelf 23/below/book", &a));
    assert_int_equal(count(b, "c_here"), 7);
}

static void closing_answers_who_waits(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    make_tree(b);
    forget(b);
    lazy_brake(b->lazy, 0);
    int answers[2] = {1, 1};
    tree_lock(b->tree);
    assert_int_equal(fault_need_dir(b->tree, ROOT_INO), -EINPROGRESS);
    tree_unlock(b->tree);
    fault_wait(b->tree, lazy_note, &answers[0]);
    fault_wait_all(b->tree, lazy_note, &answers[1]);
    sim_run(b->sim, NS_PER_S);
    assert_int_equal(answers[0], 1);
    tree_box_reopen(b);
    assert_int_equal(answers[0], -EINTR);
    assert_int_equal(answers[1], -EINTR);
    ok(box_stat(b, "a", &a));
}

/* Old databases. */

static const char first_schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE c_inode(ino INTEGER PRIMARY KEY, rec BLOB NOT NULL, nlink INTEGER NOT NULL, seq INTEGER NOT NULL);"
    "CREATE TABLE c_name(parent INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL, type INTEGER NOT NULL, PRIMARY KEY(parent, name)) WITHOUT ROWID;"
    "CREATE INDEX c_name_ino ON c_name(ino);"
    "CREATE TABLE c_session(number INTEGER PRIMARY KEY, label TEXT, nonce BLOB);"
    "CREATE TABLE c_state(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
    "CREATE TABLE p_inode(ino INTEGER PRIMARY KEY, rec BLOB NOT NULL, op INTEGER NOT NULL, since INTEGER NOT NULL, written INTEGER NOT NULL, after INTEGER NOT NULL,"
    " blocked INTEGER NOT NULL, spool INTEGER NOT NULL, snap INTEGER NOT NULL, stage INTEGER NOT NULL, due INTEGER NOT NULL, size INTEGER NOT NULL,"
    " mtime INTEGER NOT NULL, work INTEGER GENERATED ALWAYS AS (spool > 0 OR (snap > 0 AND stage < 2)) STORED);"
    "CREATE INDEX p_inode_op ON p_inode(op) WHERE blocked = 0;"
    "CREATE INDEX p_inode_written ON p_inode(written) WHERE blocked = 1 AND written > 0;"
    "CREATE INDEX p_inode_after ON p_inode(after) WHERE after > 0;"
    "CREATE INDEX p_inode_since ON p_inode(since);"
    "CREATE INDEX p_inode_due ON p_inode(due) WHERE work = 1;"
    "CREATE TABLE p_name(parent INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL, type INTEGER NOT NULL, op INTEGER NOT NULL, since INTEGER NOT NULL,"
    " removed INTEGER NOT NULL, time INTEGER NOT NULL, ready INTEGER NOT NULL, PRIMARY KEY(parent, name)) WITHOUT ROWID;"
    "CREATE INDEX p_name_ino ON p_name(ino);"
    "CREATE INDEX p_name_ready ON p_name(op) WHERE ready = 1;"
    "CREATE INDEX p_name_since ON p_name(since);"
    "CREATE TABLE p_link(ino INTEGER PRIMARY KEY, d INTEGER NOT NULL);"
    "CREATE TABLE object(id BLOB NOT NULL, key TEXT NOT NULL, PRIMARY KEY(id, key)) WITHOUT ROWID;"
    "CREATE TABLE alias(ino INTEGER PRIMARY KEY, target INTEGER NOT NULL);"
    "CREATE TABLE held(ino INTEGER PRIMARY KEY, rec BLOB NOT NULL);"
    "CREATE TABLE inflight(one INTEGER PRIMARY KEY CHECK(one = 1), seq INTEGER NOT NULL, nonce BLOB NOT NULL, bytes BLOB NOT NULL, op INTEGER NOT NULL);"
    "INSERT INTO c_session VALUES(2, 'old', x'00'); INSERT INTO c_name VALUES(1, x'6f6c64', 33554433, 32768);";
static const char second_schema[] =
    "ALTER TABLE p_name ADD COLUMN held INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX p_name_ready;"
    "CREATE INDEX p_name_ready ON p_name(op) WHERE ready = 1 AND held = 0;"
    "CREATE INDEX p_name_held ON p_name(held) WHERE held > 0;"
    "DROP INDEX p_inode_due;"
    "CREATE INDEX p_inode_due ON p_inode(due) WHERE work + blocked > 0;";

static void check_upgrade(int version) {
    char *dir = tmpdir_new();
    CLEANUP_FREE char *path = tmpdir_path(dir, "tree.db"), *stamp = xasprintf("PRAGMA user_version=%d", version);
    sqlite3 *sql;
    struct db db;
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sql, first_schema, NULL, NULL, NULL), SQLITE_OK);
    if (version > 1)
        assert_int_equal(sqlite3_exec(sql, second_schema, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sql, stamp, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(sql);
    ok(db_open(&db, path));
    assert_int_equal(ask(db.sql, "PRAGMA user_version"), DB_SCHEMA_VERSION);
    assert_int_equal(ask(db.sql, "SELECT last FROM c_session WHERE number = 2"), 0);
    assert_int_equal(ask(db.sql, "SELECT ino FROM c_name WHERE name = x'6f6c64'"), 33554433);
    assert_int_equal(ask(db.sql, "SELECT (SELECT count(*) FROM c_here) + (SELECT count(*) FROM c_absent)"), 0);
    db_close(&db);
    tmpdir_free(dir);
}

static void databases_of_earlier_versions(void **st) {
    (void)st;
    check_upgrade(1);
    check_upgrade(2);
}

int main(void) {
#define BOX(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)
    const struct CMUnitTest tests[] = {
        BOX(only_what_is_asked_for_is_fetched),
        BOX(by_number_what_lies_above_comes_first),
        BOX(a_number_that_nobody_has),
        BOX(one_of_two_names_goes_without_the_other),
        BOX(a_directory_is_empty_when_it_has_been_looked_into),
        BOX(others_write_where_nothing_is_here),
        BOX(an_error_is_told_and_forgotten),
        BOX(following_waits_and_goes_on_after_an_error),
        BOX(a_large_directory_and_an_end_in_the_middle),
        BOX(a_walk_stops_where_nothing_is_here_and_goes_on),
        BOX(who_goes_through_the_tree_gets_what_follows),
        BOX(what_follows_has_moved_or_is_gone),
        BOX(a_single_path_brings_nothing_else),
        BOX(closing_answers_who_waits),
        cmocka_unit_test(databases_of_earlier_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
