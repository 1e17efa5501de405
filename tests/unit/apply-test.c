/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What applies and what is void: every rule of apply.h, on a tree with two sessions. A void change must leave everything as it was.
 */
#include "tree/apply.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define OURS(b) ((b)->tree->session)
#define INO(b, counter) (OURS(b) << SESSION_SHIFT | (counter))
#define WHEN (SIM_NOW + 1000000 * NS_PER_S) /* later than anything */

/* A change under construction; names and records are owned by it. */
static void add_name(struct change *c, uint64_t parent, const char *name, size_t n, uint64_t was, uint64_t now) {
    c->names = xrealloc(c->names, (c->n_names + 1) * sizeof *c->names);
    c->names[c->n_names++] =
        (struct name_edit){.parent = parent, .name = xmemdup(name, n), .n = n, .was = was, .now = now, .when = WHEN};
}

static void name(struct change *c, uint64_t parent, const char *s, uint64_t was, uint64_t now) {
    add_name(c, parent, s, strlen(s), was, now);
}

static struct inode_edit *inode(struct change *c, uint64_t ino, enum was_kind was, uint32_t mode) {
    c->inodes = xrealloc(c->inodes, (c->n_inodes + 1) * sizeof *c->inodes);
    struct inode_edit *e = &c->inodes[c->n_inodes++];
    *e = (struct inode_edit){.ino = ino, .was = was, .rec = {.mode = mode, .mtime = 5, .ctime = 5, .btime = 5, .atime = 5}};
    if (S_ISLNK(mode))
        e->rec.target = xstrdup("target");
    return e;
}

static void state(struct change *c, const char *key, const char *was, const char *now) {
    c->states = xrealloc(c->states, (c->n_states + 1) * sizeof *c->states);
    struct state_edit *e = &c->states[c->n_states++];
    *e = (struct state_edit){.key = xstrdup(key)};
    if (was)
        e->was = xmemdup(was, strlen(was)), e->was_len = strlen(was);
    if (now)
        e->now = xmemdup(now, strlen(now)), e->now_len = strlen(now);
}

static void give_content(struct record *rec, const char *text, const char *key) {
    uint8_t id[DIGEST_SIZE];
    digest_of(text, strlen(text), id);
    rec->content = content_new(id, strlen(text), key, NULL, NULL);
    rec->size = strlen(text);
}

/* Applies and frees it, as an entry of `session` would. */
static int apply_as(struct tree_box *b, struct change *c, uint64_t session) {
    struct tree *t = b->tree;
    char *wrong;
    tree_lock(t);
    assert_int_equal(db_begin(&t->db), 0);
    int r = apply_change(t, c, session, t->seq + 1, NULL);
    assert_int_equal(db_commit(&t->db), 0);
    tree_unlock(t);
    change_free(c);
    wrong = tree_box_wrong(b);
    if (wrong)
        fail_msg("%s", wrong);
    return r;
}

static void applies(struct tree_box *b, struct change *c) {
    assert_int_equal(apply_as(b, c, OURS(b)), 1);
}

static char *dump(struct tree_box *b) {
    static const char query[] = "SELECT group_concat(x, ';') FROM (SELECT 'n' || parent || hex(name) || ino || type AS x FROM c_name UNION ALL "
                                "SELECT 'i' || ino || hex(rec) || nlink || seq FROM c_inode UNION ALL SELECT 's' || key || hex(value) FROM c_state "
                                "UNION ALL SELECT 'o' || hex(id) || key FROM object)";
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(b->tree->db.sql, query, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    char *ret = xstrdup((const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return ret;
}

static void is_void_as(struct tree_box *b, struct change *c, uint64_t session) {
    CLEANUP_FREE char *before = dump(b);
    struct set_digest set = b->tree->set;
    uint64_t files = b->tree->total_files, bytes = b->tree->total_bytes;
    assert_int_equal(apply_as(b, c, session), 0);
    CLEANUP_FREE char *after = dump(b);
    assert_string_equal(after, before);
    assert_memory_equal(&b->tree->set, &set, sizeof set);
    assert_int_equal(b->tree->total_files, files);
    assert_int_equal(b->tree->total_bytes, bytes);
}

static void is_void(struct tree_box *b, struct change *c) {
    is_void_as(b, c, OURS(b));
}

/* d/ d/e/ f=text g (empty): all confirmed. */
static int setup(void **st) {
    struct tree_box *b = tree_box_new();
    assert_int_equal(box_mkdir(b, "d"), 0);
    assert_int_equal(box_mkdir(b, "d/e"), 0);
    assert_int_equal(box_put(b, "f", "text"), 0);
    assert_int_equal(box_create(b, "g"), 0);
    box_commit(b);
    *st = b;
    return 0;
}

/* What applies */

static void a_new_file(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    name(&c, ROOT_INO, "new", 0, INO(b, 100));
    applies(b, &c);
    assert_int_equal(box_ino(b, "new"), INO(b, 100));
}

static void a_chain_of_directories_in_one_change(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    name(&c, INO(b, 100), "below", 0, INO(b, 101));
    name(&c, ROOT_INO, "above", 0, INO(b, 100));
    inode(&c, INO(b, 101), WAS_NEW, S_IFREG | 0600);
    inode(&c, INO(b, 100), WAS_NEW, S_IFDIR | 0700);
    applies(b, &c);
    assert_int_equal(box_ino(b, "above/below"), INO(b, 101));
}

static void an_exchange(void **st) {
    struct tree_box *b = *st;
    uint64_t f = box_ino(b, "f"), g = box_ino(b, "g");
    struct change c = {0};
    name(&c, ROOT_INO, "f", f, g);
    name(&c, ROOT_INO, "g", g, f);
    applies(b, &c);
    assert_int_equal(box_ino(b, "f"), g);
    assert_int_equal(box_ino(b, "g"), f);
}

static void a_removal_takes_the_inode(void **st) {
    struct tree_box *b = *st;
    uint64_t f = box_ino(b, "f");
    struct change c = {0};
    name(&c, ROOT_INO, "f", f, 0);
    applies(b, &c);
    assert_int_equal(rows_c_inode(b->tree, f, NULL, NULL, NULL), 0);
}

static void what_was_removed_comes_back(void **st) {
    struct tree_box *b = *st;
    uint64_t f = box_ino(b, "f");
    struct change c = {0}, back = {0};
    name(&c, ROOT_INO, "f", f, 0);
    applies(b, &c);
    inode(&back, f, WAS_BACK, S_IFREG | 0600);
    name(&back, ROOT_INO, "f", 0, f);
    applies(b, &back);
    assert_int_equal(box_ino(b, "f"), f);
}

static void a_directory_replaces_an_empty_one(void **st) {
    struct tree_box *b = *st;
    uint64_t d = box_ino(b, "d"), e = box_ino(b, "d/e");
    struct change c = {0};
    name(&c, ROOT_INO, "d", d, e);
    name(&c, d, "e", e, 0);
    applies(b, &c);
    assert_int_equal(box_ino(b, "d"), e);
    assert_int_equal(rows_c_inode(b->tree, d, NULL, NULL, NULL), 0);
}

static void a_state(void **st) {
    struct tree_box *b = *st;
    struct change c = {0}, next = {0}, gone = {0};
    state(&c, "area", NULL, "\x01");
    applies(b, &c);
    state(&next, "area", "\x01", "\x02");
    applies(b, &next);
    state(&gone, "area", "\x02", NULL);
    applies(b, &gone);
}

static void the_root_gets_a_record(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, ROOT_INO, WAS_PLAIN, S_IFDIR | 0700);
    applies(b, &c);
}

/* Void: what stood there before */

static void a_name_that_is_there(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    name(&c, ROOT_INO, "f", 0, INO(b, 100));
    is_void(b, &c);
}

static void a_name_that_is_another(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    name(&c, ROOT_INO, "f", box_ino(b, "g"), 0);
    is_void(b, &c);
}

static void a_name_that_is_not_there(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    name(&c, ROOT_INO, "nothing", box_ino(b, "g"), 0);
    is_void(b, &c);
}

static void one_name_twice(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    uint64_t g = box_ino(b, "g");
    name(&c, ROOT_INO, "x", 0, g);
    name(&c, ROOT_INO, "x", 0, box_ino(b, "f"));
    is_void(b, &c);
}

static void one_inode_twice(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    inode(&c, INO(b, 100), WAS_NEW, S_IFDIR | 0600);
    name(&c, ROOT_INO, "x", 0, INO(b, 100));
    is_void(b, &c);
}

static void one_state_twice(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    state(&c, "area", NULL, "\x01");
    state(&c, "area", NULL, "\x02");
    is_void(b, &c);
}

static void a_number_that_is_taken(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, box_ino(b, "f"), WAS_NEW, S_IFREG | 0600);
    name(&c, ROOT_INO, "x", 0, box_ino(b, "f"));
    is_void(b, &c);
}

static void back_what_never_left(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, box_ino(b, "f"), WAS_BACK, S_IFREG | 0600);
    name(&c, ROOT_INO, "x", 0, box_ino(b, "f"));
    is_void(b, &c);
}

static void a_record_of_what_is_not_there(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_PLAIN, S_IFREG | 0600);
    name(&c, ROOT_INO, "x", 0, INO(b, 100));
    is_void(b, &c);
}

static void another_content_than_it_has(void **st) {
    struct tree_box *b = *st;
    struct change c = {0}, plain = {0}, etag = {0};
    struct inode_edit *e = inode(&c, box_ino(b, "f"), WAS_CONTENT, S_IFREG | 0600);
    digest_of("else", 4, e->was_id);
    is_void(b, &c);
    inode(&plain, box_ino(b, "f"), WAS_PLAIN, S_IFREG | 0600);
    is_void(b, &plain);
    inode(&etag, box_ino(b, "f"), WAS_ETAG, S_IFREG | 0600)->was_etag = xstrdup("etag");
    is_void(b, &etag);
}

static void the_content_it_has(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    struct inode_edit *e = inode(&c, box_ino(b, "f"), WAS_CONTENT, S_IFREG | 0600);
    digest_of("text", 4, e->was_id);
    applies(b, &c);
}

static void another_type(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, box_ino(b, "g"), WAS_PLAIN, S_IFLNK | 0777);
    is_void(b, &c);
}

static void another_state(void **st) {
    struct tree_box *b = *st;
    struct change c = {0}, first = {0}, again = {0};
    state(&c, "area", "\x01", "\x02");
    is_void(b, &c);
    state(&first, "area", NULL, "\x01");
    applies(b, &first);
    state(&again, "area", NULL, "\x02");
    is_void(b, &again);
}

/* Void: numbers */

static void a_number_of_another_session(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    name(&c, ROOT_INO, "x", 0, INO(b, 100));
    is_void_as(b, &c, OURS(b) + 1);
}

static void a_number_of_no_session(void **st) {
    struct tree_box *b = *st;
    const uint64_t numbers[] = {2, COUNTER_MAX, OURS(b) << SESSION_SHIFT, (uint64_t)1000 << SESSION_SHIFT | 1, INT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        struct change c = {0};
        inode(&c, numbers[i], WAS_NEW, S_IFREG | 0600);
        name(&c, ROOT_INO, "x", 0, numbers[i]);
        is_void_as(b, &c, numbers[i] >> SESSION_SHIFT);
    }
}

static void back_of_a_session_that_is_not_yet(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    uint64_t ino = (uint64_t)1000 << SESSION_SHIFT | 1;
    inode(&c, ino, WAS_BACK, S_IFREG | 0600);
    name(&c, ROOT_INO, "x", 0, ino);
    is_void(b, &c);
}

/* Void: names */

static void bad_name(struct tree_box *b, const char *s, size_t n) {
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    add_name(&c, ROOT_INO, s, n, 0, INO(b, 100));
    is_void(b, &c);
}

static void names_no_file_can_have(void **st) {
    char longest[300];
    memset(longest, 'x', sizeof longest);
    bad_name(*st, "", 0);
    bad_name(*st, ".", 1);
    bad_name(*st, "..", 2);
    bad_name(*st, "a/b", 3);
    bad_name(*st, "/", 1);
    bad_name(*st, "a\0b", 3);
    bad_name(*st, "\0", 1);
    bad_name(*st, longest, 256);
}

static void names_that_look_bad_but_are_not(void **st) {
    struct tree_box *b = *st;
    char longest[255];
    memset(longest, 'x', sizeof longest);
    const struct {
        const char *s;
        size_t n;
    } names[] = {{"...", 3}, {" ", 1}, {"\xff\xfe", 2}, {"..a", 3}, {"\n", 1}, {longest, 255}, {"\\", 1}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct change c = {0};
        inode(&c, INO(b, 100 + i), WAS_NEW, S_IFREG | 0600);
        add_name(&c, ROOT_INO, names[i].s, names[i].n, 0, INO(b, 100 + i));
        applies(b, &c);
    }
}

static void one_bad_name_among_good_ones(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    name(&c, ROOT_INO, "good", 0, INO(b, 100));
    name(&c, ROOT_INO, "b/ad", 0, INO(b, 100));
    is_void(b, &c);
}

/* Void: what would be no tree */

static void the_root_under_a_name(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    name(&c, box_ino(b, "d"), "root", 0, ROOT_INO);
    is_void(b, &c);
}

static void a_name_in_a_file(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    name(&c, box_ino(b, "f"), "x", 0, INO(b, 100));
    is_void(b, &c);
}

static void a_name_in_no_directory(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    name(&c, INO(b, 99), "x", 0, INO(b, 100));
    is_void(b, &c);
}

static void a_name_of_nothing(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    name(&c, ROOT_INO, "x", 0, INO(b, 100));
    is_void(b, &c);
}

static void a_record_without_a_name(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    is_void(b, &c);
}

static void a_directory_with_two_names(void **st) {
    struct tree_box *b = *st;
    struct change c = {0}, new = {0};
    name(&c, ROOT_INO, "x", 0, box_ino(b, "d/e"));
    is_void(b, &c);
    inode(&new, INO(b, 100), WAS_NEW, S_IFDIR | 0700);
    name(&new, ROOT_INO, "x", 0, INO(b, 100));
    name(&new, ROOT_INO, "y", 0, INO(b, 100));
    is_void(b, &new);
}

static void a_directory_in_itself(void **st) {
    struct tree_box *b = *st;
    uint64_t d = box_ino(b, "d");
    struct change c = {0};
    name(&c, ROOT_INO, "d", d, 0);
    name(&c, d, "d", 0, d);
    is_void(b, &c);
}

static void a_loop_of_two(void **st) {
    struct tree_box *b = *st;
    uint64_t d = box_ino(b, "d"), e = box_ino(b, "d/e");
    struct change c = {0};
    name(&c, ROOT_INO, "d", d, 0);
    name(&c, e, "d", 0, d);
    is_void(b, &c);
}

static void a_new_island(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFDIR | 0700);
    inode(&c, INO(b, 101), WAS_NEW, S_IFDIR | 0700);
    name(&c, INO(b, 100), "x", 0, INO(b, 101));
    name(&c, INO(b, 101), "y", 0, INO(b, 100));
    is_void(b, &c);
}

static void a_removed_directory_with_names(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    name(&c, ROOT_INO, "d", box_ino(b, "d"), 0);
    is_void(b, &c);
}

static void a_replaced_directory_with_names(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFDIR | 0700);
    name(&c, ROOT_INO, "d", box_ino(b, "d"), INO(b, 100));
    is_void(b, &c);
}

static void a_name_in_a_directory_that_goes_in_the_same_change(void **st) {
    struct tree_box *b = *st;
    uint64_t d = box_ino(b, "d"), e = box_ino(b, "d/e");
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600);
    name(&c, d, "e", e, 0);
    name(&c, e, "x", 0, INO(b, 100));
    is_void(b, &c);
}

static void removing_upwards_in_one_change(void **st) {
    struct tree_box *b = *st;
    uint64_t d = box_ino(b, "d"), e = box_ino(b, "d/e");
    struct change c = {0};
    name(&c, ROOT_INO, "d", d, 0); /* the order in a change says nothing */
    name(&c, d, "e", e, 0);
    applies(b, &c);
    assert_int_equal(box_ino(b, "d"), 0);
}

/* Void: records that are only good for tree.db */

static void a_size_without_content(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600)->rec.size = 5;
    name(&c, ROOT_INO, "x", 0, INO(b, 100));
    is_void(b, &c);
}

static void a_condemned_key(void **st) {
    struct tree_box *b = *st;
    struct change c = {0}, verdict = {0}, other = {0};
    state(&verdict, "condemned/files/bad", NULL, "\xf5");
    applies(b, &verdict);
    give_content(&inode(&c, INO(b, 100), WAS_NEW, S_IFREG | 0600)->rec, "bytes", "files/bad");
    name(&c, ROOT_INO, "x", 0, INO(b, 100));
    is_void(b, &c);
    give_content(&inode(&other, INO(b, 100), WAS_NEW, S_IFREG | 0600)->rec, "bytes", "files/good");
    name(&other, ROOT_INO, "x", 0, INO(b, 100));
    applies(b, &other);
}

static void an_empty_change(void **st) {
    struct tree_box *b = *st;
    struct change c = {0};
    CLEANUP_FREE char *before = dump(b);
    apply_as(b, &c, OURS(b));
    CLEANUP_FREE char *after = dump(b);
    assert_string_equal(after, before);
}

/* Times */

static void stat_of(struct tree_box *b, const char *path, struct attr *a) {
    assert_int_equal(box_stat(b, path, a), 0);
}

static void a_name_touches_its_directory_and_inode(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    struct change c = {0};
    name(&c, box_ino(b, "d"), "g", 0, box_ino(b, "g"));
    name(&c, ROOT_INO, "g", box_ino(b, "g"), 0);
    applies(b, &c);
    stat_of(b, "d", &a);
    assert_int_equal(a.mtime, WHEN);
    assert_int_equal(a.ctime, WHEN);
    stat_of(b, "", &a);
    assert_int_equal(a.mtime, WHEN);
    stat_of(b, "d/g", &a);
    assert_int_equal(a.ctime, WHEN);
    assert_true(a.mtime < WHEN);
}

static void an_older_change_of_names_does_not_turn_times_back(void **st) {
    struct tree_box *b = *st;
    struct attr before, after;
    struct change c = {0};
    stat_of(b, "", &before);
    name(&c, ROOT_INO, "g", box_ino(b, "g"), 0);
    c.names[0].when = 7;
    applies(b, &c);
    stat_of(b, "", &after);
    assert_int_equal(after.mtime, before.mtime);
    assert_int_equal(after.ctime, before.ctime);
}

static void the_latest_name_of_a_change_counts_in_any_order(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    struct change c = {0};
    name(&c, ROOT_INO, "f", box_ino(b, "f"), 0);
    name(&c, ROOT_INO, "g", box_ino(b, "g"), 0);
    c.names[0].when = WHEN + 5;
    applies(b, &c);
    stat_of(b, "", &a);
    assert_int_equal(a.mtime, WHEN + 5);
}

/* What was */

static void before_tells_what_stood_there(void **st) {
    struct tree_box *b = *st;
    struct before before = {0};
    struct change c = {0};
    uint64_t f = box_ino(b, "f");
    name(&c, ROOT_INO, "f", f, 0);
    struct tree *t = b->tree;
    assert_int_equal(db_begin(&t->db), 0);
    assert_int_equal(apply_change(t, &c, OURS(b), t->seq + 1, &before), 1);
    assert_int_equal(db_commit(&t->db), 0);
    assert_int_equal(before_find_name(&before, ROOT_INO, "f", 1)->row.ino, f);
    const struct before_inode *i = before_find_inode(&before, f);
    assert_non_null(i);
    assert_true(i->present);
    assert_int_equal(i->rec.size, 4);
    assert_non_null(before_find_inode(&before, ROOT_INO)); /* its times */
    assert_null(before_find_name(&before, ROOT_INO, "g", 1));
    before_free(&before);
    change_free(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_new_file),
        T(a_chain_of_directories_in_one_change),
        T(an_exchange),
        T(a_removal_takes_the_inode),
        T(what_was_removed_comes_back),
        T(a_directory_replaces_an_empty_one),
        T(a_state),
        T(the_root_gets_a_record),
        T(a_name_that_is_there),
        T(a_name_that_is_another),
        T(a_name_that_is_not_there),
        T(one_name_twice),
        T(one_inode_twice),
        T(one_state_twice),
        T(a_number_that_is_taken),
        T(back_what_never_left),
        T(a_record_of_what_is_not_there),
        T(another_content_than_it_has),
        T(the_content_it_has),
        T(another_type),
        T(another_state),
        T(a_number_of_another_session),
        T(a_number_of_no_session),
        T(back_of_a_session_that_is_not_yet),
        T(names_no_file_can_have),
        T(names_that_look_bad_but_are_not),
        T(one_bad_name_among_good_ones),
        T(the_root_under_a_name),
        T(a_name_in_a_file),
        T(a_name_in_no_directory),
        T(a_name_of_nothing),
        T(a_record_without_a_name),
        T(a_directory_with_two_names),
        T(a_directory_in_itself),
        T(a_loop_of_two),
        T(a_new_island),
        T(a_removed_directory_with_names),
        T(a_replaced_directory_with_names),
        T(a_name_in_a_directory_that_goes_in_the_same_change),
        T(removing_upwards_in_one_change),
        T(a_size_without_content),
        T(a_condemned_key),
        T(an_empty_change),
        T(a_name_touches_its_directory_and_inode),
        T(an_older_change_of_names_does_not_turn_times_back),
        T(the_latest_name_of_a_change_counts_in_any_order),
        T(before_tells_what_stood_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
