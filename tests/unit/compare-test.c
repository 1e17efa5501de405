/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two hosts that write the same at the same time, and the other's entry comes while what this one wrote has not been hashed: it is, before it is compared (tree/compare.h). b never settles by itself.
 */
#include "pair.h"
#include "tree/compare.h"
#include "tree/names.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define COPY " (conflicted copy, other 2023-11-14)"

static int setup(void **state) {
    pair_setup(state);
    struct pair *p = *state;
    p->b->tree->cfg.settle_ns = 3600 * NS_PER_S;
    return 0;
}

/* a's entry has come; nobody here has asked for a sync. */
static void meets(struct pair *p, const char *want) {
    meet(p);
    sim_run(p->b->sim, 10 * NS_PER_S);
    assert_int_equal(p->b->tree->seq, p->a->tree->seq);
    assert_view(p->b, want);
}

static uint64_t copies(struct pair *p) {
    return counter_get(&p->b->counters, COUNTER_CONFLICT_COPIES);
}

/* What a merge compares is nowhere afterwards: the content has a key, and digests where it needs them. */
static void reads_as(struct pair *p, const char *path, const char *want) {
    CLEANUP_RECORD struct record a = {0}, b = {0};
    struct tree_box *const both[] = {p->a, p->b};
    for (size_t i = 0; i < 2; i++) {
        size_t n;
        int err;
        CLEANUP_FREE char *got = box_read(both[i], path, &n, &err);
        assert_non_null(got);
        assert_string_equal(got, want);
    }
    assert_int_equal(rows_v_inode(p->a->tree, box_ino(p->a, path), &a, NULL, NULL), 1);
    assert_int_equal(rows_v_inode(p->b->tree, box_ino(p->b, path), &b, NULL, NULL), 1);
    assert_true(record_equal(&a, &b));
}

static void new_files_are_one(void **st) {
    struct pair *p = *st;
    part_ways(p);
    ok(box_put(p->b, "f", "text"));
    ok(box_put(p->a, "f", "text"));
    meets(p, "f=text");
    assert_int_equal(copies(p), 0);
    same(p, "f=text");
    reads_as(p, "f", "text");
}

static void files_in_directories_that_become_one_are_one(void **st) {
    struct pair *p = *st;
    part_ways(p);
    ok(box_mkdir(p->b, "d"));
    ok(box_mkdir(p->b, "d/e"));
    ok(box_put(p->b, "d/e/x", "the same"));
    ok(box_put(p->b, "d/y", "the same too"));
    ok(box_put(p->b, "d/mine", "of b"));
    ok(box_mkdir(p->a, "d"));
    ok(box_mkdir(p->a, "d/e"));
    ok(box_put(p->a, "d/e/x", "the same"));
    ok(box_put(p->a, "d/y", "the same too"));
    ok(box_put(p->a, "d/theirs", "of a"));
    meets(p, "d/ d/e/ d/e/x=the same d/mine=of b d/theirs=of a d/y=the same too");
    assert_int_equal(copies(p), 0);
    same(p, "d/ d/e/ d/e/x=the same d/mine=of b d/theirs=of a d/y=the same too");
}

static void saves_over_one_name_are_one(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "old"));
    share(p);
    part_ways(p);
    ok(box_put(p->b, "f.new", "new"));
    ok(box_rename(p->b, "f.new", "f", 0));
    ok(box_put(p->a, "f.new", "new"));
    ok(box_rename(p->a, "f.new", "f", 0));
    meets(p, "f=new");
    assert_int_equal(copies(p), 0);
    same(p, "f=new");
    reads_as(p, "f", "new");
}

static void writes_to_one_file_are_one(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "old"));
    share(p);
    part_ways(p);
    ok(box_put(p->b, "f", "new"));
    ok(box_chmod(p->b, "f", 0600));
    ok(box_put(p->a, "f", "new"));
    meets(p, "f=new");
    assert_int_equal(copies(p), 0);
    same(p, "f=new");
    reads_as(p, "f", "new");
    struct attr at;
    ok(box_stat(p->a, "f", &at));
    assert_int_equal(at.mode, S_IFREG | 0600);
}

static void the_time_is_that_of_the_bytes(void **st) {
    struct pair *p = *st;
    struct attr at;
    const int64_t then = 1000000000 * NS_PER_S;
    const struct setattr s = {.what = SET_MTIME, .mtime = then};
    part_ways(p);
    ok(box_put(p->b, "f", "text"));
    ok(names_setattr(p->b->tree, box_ino(p->b, "f"), &s, &at));
    ok(box_put(p->a, "f", "text"));
    ok(names_setattr(p->a->tree, box_ino(p->a, "f"), &s, &at));
    meets(p, "f=text");
    same(p, "f=text");
    reads_as(p, "f", "text");
    ok(box_stat(p->a, "f", &at));
    assert_int_equal(at.mtime, then);
}

static void files_of_several_blocks_are_one(void **st) {
    struct pair *p = *st;
    size_t n = 2 * BLOCK_SIZE + 5;
    CLEANUP_FREE char *text = xmalloc(n + 1);
    memset(text, 'x', n);
    text[n] = '\0';
    ok(box_put(p->a, "old", "old"));
    share(p);
    part_ways(p);
    ok(box_put(p->b, "new", text));
    ok(box_put(p->b, "old", text));
    ok(box_put(p->a, "new", text));
    ok(box_put(p->a, "old", text));
    meet(p);
    sim_run(p->b->sim, 10 * NS_PER_S);
    assert_int_equal(copies(p), 0);
    box_commit(p->b);
    box_follow(p->a);
    assert_int_equal(p->b->tree->pending_rows, 0);
    reads_as(p, "new", text);
    reads_as(p, "old", text);
}

static void files_that_were_cut_off_are_one(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "old"));
    share(p);
    part_ways(p);
    ok(box_truncate(p->b, "f", 0));
    ok(box_truncate(p->a, "f", 0));
    meets(p, "f=");
    assert_int_equal(copies(p), 0);
    same(p, "f=");
    reads_as(p, "f", "");
}

static void other_bytes_of_the_same_size_are_two(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "g", "base"));
    share(p);
    part_ways(p);
    ok(box_put(p->b, "f", "mine"));
    ok(box_put(p->b, "g", "mine"));
    ok(box_put(p->a, "f", "your"));
    ok(box_put(p->a, "g", "your"));
    meets(p, "f=your f" COPY "=mine g=your g" COPY "=mine");
    same(p, "f=your f" COPY "=mine g=your g" COPY "=mine");
}

/* a's entry is here, and waits for what b has written to be hashed. */
static void until_it_hashes(struct pair *p) {
    meet(p);
    for (int i = 0; i < 10000 && !compare_is_wanted(p->b->tree); i++)
        assert_true(sim_step(p->b->sim));
    assert_true(compare_is_wanted(p->b->tree));
}

/* Hashed, and before that is used a program writes to it again. */
static void what_is_written_meanwhile_is_not_lost(void **st) {
    struct pair *p = *st;
    part_ways(p);
    ok(box_put(p->b, "f", "text"));
    ok(box_put(p->a, "f", "text"));
    until_it_hashes(p);
    ok(box_put(p->b, "f", "mine"));
    same(p, "f=text f" COPY "=mine");
}

static void a_restart_meanwhile_is_no_harm(void **st) {
    struct pair *p = *st;
    part_ways(p);
    ok(box_put(p->b, "f", "text"));
    ok(box_put(p->a, "f", "text"));
    until_it_hashes(p);
    tree_box_reopen(p->b);
    same(p, "f=text");
}

/* As deferred-test's the_same_bytes_make_no_copy, but closed before they were hashed. */
static void what_was_open_is_hashed_at_the_close(void **st) {
    struct pair *p = *st;
    struct file *f;
    ok(box_put(p->a, "f", "base"));
    share(p);
    ok(file_open(p->b->tree, box_ino(p->b, "f"), O_RDWR, &f));
    ok(box_put(p->a, "f", "theirs"));
    box_commit(p->a);
    box_follow(p->b);
    write_now(f, "theirs");
    file_close(f, O_RDWR);
    sim_run(p->b->sim, NS_PER_S);
    assert_view(p->b, "f=theirs");
    assert_int_equal(copies(p), 0);
    same(p, "f=theirs");
}

static void another_host_lost_the_race(void **st) {
    struct pair *p = *st;
    part_ways(p);
    ok(box_put(p->b, "f", "text"));
    ok(box_mkdir(p->b, "d")); /* ready: it is put, and refused */
    ok(box_put(p->a, "f", "text"));
    box_commit(p->a);
    store_fault_remove(p->b->store, p->away);
    same(p, "d/ f=text");
    assert_int_equal(copies(p), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, pair_teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(new_files_are_one),
        T(files_in_directories_that_become_one_are_one),
        T(saves_over_one_name_are_one),
        T(writes_to_one_file_are_one),
        T(the_time_is_that_of_the_bytes),
        T(files_of_several_blocks_are_one),
        T(files_that_were_cut_off_are_one),
        T(other_bytes_of_the_same_size_are_two),
        T(what_is_written_meanwhile_is_not_lost),
        T(a_restart_meanwhile_is_no_harm),
        T(what_was_open_is_hashed_at_the_close),
        T(another_host_lost_the_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
