/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One inode that both hosts changed: its attributes, and its content while it is open.
 */
#include "tree/merge.h"
#include "merge_story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

/* --- attributes (M1) */

static void each_attribute_is_merged_by_itself(void **state) {
    struct story *s = *state;
    start_with_f(s);
    struct record *a = mem_path_record(s->a, "f"), *b = mem_path_record(s->b, "f");
    a->uid = 1;
    a->atime = 11;
    a->ctime = 20;
    mem_path_chmod(s->a, "f", 0640);
    b->gid = 2;
    b->ctime = 10;
    mem_path_chmod(s->b, "f", 0600);
    merge(s);
    const struct record *rec = mem_path_record(&s->view, "f");
    assert_int_equal(rec->mode, S_IFREG | 0600);
    assert_int_equal(rec->uid, 1);
    assert_int_equal(rec->gid, 2);
    assert_int_equal(rec->atime, 11);
    assert_int_equal(rec->ctime, 20);
}

static void xattrs_are_merged_name_by_name(void **state) {
    struct story *s = *state;
    mem_path_create(start(s), "f", 10, "0");
    record_set_xattr(mem_path_record(start(s), "f"), "user.gone", "x", 1);
    record_set_xattr(mem_path_record(start(s), "f"), "user.both", "x", 1);
    part(s);
    record_set_xattr(mem_path_record(s->a, "f"), "user.a", "A", 1);
    record_set_xattr(mem_path_record(s->a, "f"), "user.both", "A", 1);
    record_set_xattr(mem_path_record(s->b, "f"), "user.both", "B", 1);
    record_set_xattr(mem_path_record(s->b, "f"), "user.gone", NULL, 0);
    merge(s);
    const struct record *rec = mem_path_record(&s->view, "f");
    assert_int_equal(rec->n_xattrs, 2);
    assert_memory_equal(record_xattr(rec, "user.a")->value, "A", 1);
    assert_memory_equal(record_xattr(rec, "user.both")->value, "B", 1);
}

static void mtime_belongs_to_the_content(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_write(s->a, "f", "p");
    mem_path_record(s->a, "f")->mtime = 5;
    mem_path_record(s->b, "f")->mtime = 9; /* utimens on the old content */
    merge(s);
    assert_int_equal(mem_path_record(&s->view, "f")->mtime, 5);
}

static void mtime_alone_is_a_field_of_its_own(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_chmod(s->a, "f", 0600);
    mem_path_record(s->b, "f")->mtime = 9;
    merge(s);
    assert_int_equal(mem_path_record(&s->view, "f")->mtime, 9);
    assert_int_equal(mem_path_record(&s->view, "f")->mode, S_IFREG | 0600);
}

static void our_content_brings_our_mtime(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_record(s->a, "f")->mtime = 5;
    mem_path_write(s->b, "f", "q");
    mem_path_record(s->b, "f")->mtime = 3;
    merge(s);
    assert_int_equal(mem_path_record(&s->view, "f")->mtime, 3);
}

static void directory_mtime_is_that_of_the_later_change(void **state) {
    struct story *s = *state;
    start_with_d(s);
    struct record *a = mem_path_record(s->a, "d"), *b = mem_path_record(s->b, "d");
    a->mtime = a->ctime = 20;
    b->mtime = b->ctime = 10;
    merge(s);
    assert_int_equal(mem_path_record(&s->view, "d")->mtime, 20);
    assert_nothing_pending(s);
}

static void directory_mtime_is_ours_where_only_we_changed_it(void **state) {
    struct story *s = *state;
    start_with_d(s);
    struct record *a = mem_path_record(s->a, "d"), *b = mem_path_record(s->b, "d");
    a->mode = S_IFDIR | 0700;
    a->ctime = 20;
    b->mtime = b->ctime = 10;
    merge(s);
    assert_int_equal(mem_path_record(&s->view, "d")->mtime, 10);
    assert_int_equal(mem_path_record(&s->view, "d")->ctime, 20);
}

/* --- held while open (M4) */

static void open_file_keeps_its_content_and_is_held(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_write(s->a, "f", "p");
    mem_merge_open(&s->m, 10); /* opened for writing, nothing written yet */
    merges_to(s, "f=0");
    assert_int_equal(s->result.n_held, 1);
    assert_int_equal(s->result.held[0].ino, 10);
    assert_string_equal(s->result.held[0].rec.content->key, "0");
}

/* The last close: N = C, and what was held is the base. */
static void last_close(struct story *s, const char *seen) {
    CLEANUP_RECORD struct record rec;
    mem_record(&rec, S_IFREG | MEM_FILE_MODE, seen);
    mem_tree_set_inode(&s->m.held, 10, &rec);
}

static void written_file_becomes_a_copy_at_the_last_close(void **state) {
    struct story *s = *state;
    mem_path_create(start(s), "f", 10, "p");
    part(s);
    mem_path_write(s->b, "f", "q");
    last_close(s, "0");
    merges_to(s, "f=p f~B=q");
    assert_int_equal(s->result.n_released, 1);
    assert_int_equal(s->result.n_copies, 1);
}

static void unwritten_file_takes_theirs_at_the_last_close(void **state) {
    struct story *s = *state;
    mem_path_create(start(s), "f", 10, "p");
    part(s);
    mem_path_write(s->b, "f", "0");
    last_close(s, "0");
    merges_to(s, "f=p");
    assert_nothing_pending(s);
    assert_int_equal(s->result.n_released, 1);
}

static void replaced_while_held_keeps_what_was_never_seen(void **state) {
    struct story *s = *state;
    mem_path_create(start(s), "f", 10, "p");
    part(s);
    mem_path_save(s->b, "f", 200, "q");
    last_close(s, "0");
    merges_to(s, "f=p f~B=q");
    assert_int_equal(s->result.n_released, 1);
}

static void attributes_taken_while_held_are_not_ours(void **state) {
    struct story *s = *state;
    mem_path_create(start(s), "f", 10, "p");
    mem_path_chmod(start(s), "f", 0640); /* theirs, after our program had opened it */
    part(s);
    mem_path_write(s->b, "f", "0");
    mem_path_chmod(s->a, "f", 0600); /* and theirs again */
    last_close(s, "0");
    merge(s);
    assert_int_equal(mem_path_record(&s->view, "f")->mode, S_IFREG | 0600);
    assert_nothing_pending(s);
}

static void base_of_a_file_both_brought_back_can_be_stored(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_create(s->a, "f", 10, "p"); /* removed before, and still known to both */
    mem_path_create(s->b, "f", 10, "q");
    mem_merge_open(&s->m, 10);
    merges_to(s, "f=q");
    assert_int_equal(s->result.n_held, 1);
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX);
    CLEANUP_RECORD struct record back = {0};
    record_encode(&s->result.held[0].rec, &b);
    assert_int_equal(record_parse(b.data, b.len, &back), 0);
    assert_false(record_same_content(&back, mem_path_record(s->a, "f")));
    assert_false(record_same_content(&back, mem_path_record(s->b, "f")));
}

static uint64_t no_number(void *arg) {
    (void)arg;
    return 0;
}

static void copy_without_a_number_decides_nothing(void **state) {
    struct story *s = *state;
    start_with_f_and_g(s);
    mem_path_write(s->a, "f", "p");
    mem_path_write(s->b, "f", "q");
    mem_path_remove(s->a, "g");
    mem_path_write(s->b, "g", "q"); /* and something waits to be placed */
    struct merge_source src = mem_merge_source(&s->m);
    src.mint = no_number;
    assert_int_equal(merge_run(&src, &s->result), -EAGAIN);
    assert_nothing_pending(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(each_attribute_is_merged_by_itself),
        STORY(xattrs_are_merged_name_by_name),
        STORY(mtime_belongs_to_the_content),
        STORY(mtime_alone_is_a_field_of_its_own),
        STORY(our_content_brings_our_mtime),
        STORY(directory_mtime_is_that_of_the_later_change),
        STORY(directory_mtime_is_ours_where_only_we_changed_it),
        STORY(open_file_keeps_its_content_and_is_held),
        STORY(written_file_becomes_a_copy_at_the_last_close),
        STORY(unwritten_file_takes_theirs_at_the_last_close),
        STORY(replaced_while_held_keeps_what_was_never_seen),
        STORY(attributes_taken_while_held_are_not_ours),
        STORY(copy_without_a_number_decides_nothing),
        STORY(base_of_a_file_both_brought_back_can_be_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
