/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What comes out where two hosts did something to the same names or files: the table of conflicts, a test for
 * each row.
 */
#include "tree/merge.h"
#include "merge_story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* --- directories and files of one name */

static void mkdir_and_mkdir_are_one_directory(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_mkdir(s->a, "n", 100);
    mem_path_create(s->a, "n/1", 101, "p");
    mem_path_mkdir(s->b, "n", 200);
    mem_path_create(s->b, "n/2", 201, "q");
    merges_to(s, "n/ n/1=p n/2=q");
    assert_int_equal(mem_path_ino(&s->view, "n"), 100);
    assert_int_equal(s->result.n_aliases, 1);
    assert_int_equal(s->result.aliases[0].from, 200);
    assert_int_equal(s->result.aliases[0].to, 100);
}

static void clashes_inside_a_joined_directory_are_resolved_likewise(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_mkdir(s->a, "n", 100);
    mem_path_mkdir(s->a, "n/d", 101);
    mem_path_create(s->a, "n/d/x", 102, "p");
    mem_path_mkdir(s->b, "n", 200);
    mem_path_mkdir(s->b, "n/d", 201);
    mem_path_create(s->b, "n/d/x", 202, "q");
    merges_to(s, "n/ n/d/ n/d/x=p n/d/x~B=q");
}

static void mkdir_and_mkdir_with_the_losers_renamed_are_two(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_mkdir(s->a, "n", 100);
    mem_path_create(s->a, "n/1", 101, "p");
    mem_path_mkdir(s->b, "m", 200); /* was n for a while */
    mem_path_create(s->b, "m/2", 201, "q");
    merges_to(s, "m/ m/2=q n/ n/1=p");
}

static void file_stands_beside_a_directory(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_mkdir(s->a, "n", 100);
    mem_path_create(s->b, "n", 200, "q");
    merges_to(s, "n/ n~B=q");
    assert_int_equal(s->result.conflicts, 1);
}

static void equal_files_are_one(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_create(s->a, "n", 100, "p");
    mem_path_create(s->b, "n", 200, "p");
    mem_path_record(s->b, "n")->atime = 7; /* when each was made is no attribute to commit */
    mem_path_record(s->b, "n")->ctime = 7;
    merges_to(s, "n=p");
    assert_int_equal(mem_path_ino(&s->view, "n"), 100);
    assert_nothing_pending(s);
}

static void equal_files_are_one_with_the_later_attributes(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_create(s->a, "n", 100, "p");
    record_set_xattr(mem_path_record(s->a, "n"), "user.a", "1", 1);
    mem_path_create(s->b, "n", 200, "p");
    mem_path_record(s->b, "n")->mtime = 5;
    mem_path_chmod(s->b, "n", 0600);
    record_set_xattr(mem_path_record(s->b, "n"), "user.b", "2", 1);
    merges_to(s, "n*=p");
    const struct record *rec = mem_path_record(&s->view, "n");
    assert_int_equal(rec->mtime, 5);
    assert_non_null(record_xattr(rec, "user.a"));
    assert_non_null(record_xattr(rec, "user.b"));
}

static void equal_symlinks_are_one(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_symlink(s->a, "n", 100, "to");
    mem_path_symlink(s->b, "n", 200, "to");
    merges_to(s, "n->to");
}

static void equal_files_stay_two_while_one_is_open(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_create(s->a, "n", 100, "p");
    mem_path_create(s->b, "n", 200, "p");
    mem_merge_open(&s->m, 200);
    merges_to(s, "n=p n~B=p");
}

static void different_files_stand_beside_each_other(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_create(s->a, "n", 100, "p");
    mem_path_create(s->b, "n", 200, "q");
    merges_to(s, "n=p n~B=q");
    assert_int_equal(mem_path_ino(&s->view, "n"), 100);
}

static void conflict_name_that_is_taken_is_numbered(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_create(s->a, "n", 100, "p");
    mem_path_create(s->b, "n", 200, "q");
    mem_path_create(s->b, "n (conflicted copy, B 2026-01-02)", 201, "r");
    merges_to(s, "n=p n~B=r n~B 2=q");
}

/* --- content */

static void write_and_write_make_a_copy(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_write(s->a, "f", "p");
    mem_path_write(s->b, "f", "q");
    merges_to(s, "f=p f~B=q");
    assert_int_equal(s->result.n_copies, 1);
    assert_int_equal(s->result.copies[0].from, 10);
    assert_int_equal(s->result.copies[0].to, 300);
}

static void equal_writes_leave_nothing_to_commit(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_write(s->a, "f", "p");
    mem_path_write(s->b, "f", "p");
    merges_to(s, "f=p");
    assert_nothing_pending(s);
}

static void save_and_write_keep_both(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_save(s->a, "f", 100, "p");
    mem_path_write(s->b, "f", "q");
    merges_to(s, "f=p f~B=q");
}

static void write_and_save_keep_both(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_write(s->a, "f", "p");
    mem_path_save(s->b, "f", 200, "q");
    merges_to(s, "f=p f~B=q");
}

static void save_and_save_keep_both(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_save(s->a, "f", 100, "p");
    mem_path_save(s->b, "f", 200, "q");
    merges_to(s, "f=p f~B=q");
}

static void equal_saves_are_one_file(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_save(s->a, "f", 100, "p");
    mem_path_save(s->b, "f", 200, "p");
    merges_to(s, "f=p");
    assert_nothing_pending(s);
}

static void save_over_an_applied_version_replaces_it(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_create(s->a, "elsewhere", 100, "p");
    mem_path_save(s->b, "f", 200, "q");
    merges_to(s, "elsewhere=p f=q");
    assert_int_equal(s->result.conflicts, 0);
}

static void write_and_write_with_two_names_make_one_copy(void **state) {
    struct story *s = *state;
    mem_path_create(start(s), "f", 10, "0");
    mem_path_link(start(s), "f", "g");
    part(s);
    mem_path_write(s->a, "f", "p");
    mem_path_write(s->b, "g", "q");
    merges_to(s, "f=p f~B=q g=p(link)");
}

static void log_rotation_and_append_go_together(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_rename(s->a, "f", "f1");
    mem_path_create(s->a, "f", 100, "p");
    mem_path_write(s->b, "f", "0+");
    merges_to(s, "f=p f1=0+");
}

/* --- removals */

static void unlink_gives_way_to_a_write(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_remove(s->a, "f");
    mem_path_write(s->b, "f", "q");
    merges_to(s, "f=q");
}

static void later_unlink_gives_way_to_a_write(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_write(s->a, "f", "p");
    mem_path_remove(s->b, "f");
    merges_to(s, "f=p");
    assert_nothing_pending(s);
}

static void later_unlink_gives_way_to_a_save(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_save(s->a, "f", 100, "p");
    mem_path_remove(s->b, "f");
    merges_to(s, "f=p");
}

static void unlink_gives_way_to_an_open_handle(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_remove(s->a, "f");
    mem_merge_open(&s->m, 10);
    merges_to(s, "f=0");
}

static void unlink_and_chmod_is_gone(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_remove(s->a, "f");
    mem_path_chmod(s->b, "f", 0600);
    merges_to(s, "");
    assert_nothing_pending(s);
}

static void chmod_and_unlink_is_gone(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_chmod(s->a, "f", 0600);
    mem_path_remove(s->b, "f");
    merges_to(s, "");
}

static void unlink_and_rename_is_renamed(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_remove(s->a, "f");
    mem_path_rename(s->b, "f", "m");
    merges_to(s, "m=0");
    assert_int_equal(s->result.n_inodes, 1); /* brought back with its record */
}

static void rename_and_unlink_is_renamed(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_rename(s->a, "f", "m");
    mem_path_remove(s->b, "f");
    merges_to(s, "m=0");
}

static void unlink_and_link_leaves_the_link(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_remove(s->a, "f");
    mem_path_link(s->b, "f", "g");
    merges_to(s, "g=0");
}

static void second_unlink_of_the_last_two_names_is_void(void **state) {
    struct story *s = *state;
    mem_path_create(start(s), "f", 10, "0");
    mem_path_link(start(s), "f", "g");
    part(s);
    mem_path_remove(s->a, "f");
    mem_path_remove(s->b, "g");
    merges_to(s, "g=0");
}

static void made_and_removed_again_leaves_nothing(void **state) {
    struct story *s = *state;
    part(s);
    mem_path_create(s->a, "n", 100, "p");
    mem_path_create(s->b, "n", 200, "q");
    mem_path_remove(s->b, "n");
    merges_to(s, "n=p");
    assert_nothing_pending(s);
}

/* --- renames */

static void rename_and_write_both_hold(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_rename(s->a, "f", "m");
    mem_path_write(s->b, "f", "q");
    merges_to(s, "m=q");
}

static void rename_and_save_both_hold(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_rename(s->a, "f", "m");
    mem_path_save(s->b, "f", 200, "q");
    merges_to(s, "f=q m=0");
}

static void save_and_rename_both_hold(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_save(s->a, "f", 100, "p");
    mem_path_rename(s->b, "f", "m");
    merges_to(s, "f=p m=0");
}

static void later_of_two_renames_holds(void **state) {
    struct story *s = *state;
    start_with_f(s);
    mem_path_rename(s->a, "f", "m");
    mem_path_rename(s->b, "f", "k");
    merges_to(s, "k=0");
}

static void later_of_two_directory_renames_holds(void **state) {
    struct story *s = *state;
    start_with_d(s);
    mem_path_rename(s->a, "d", "m");
    mem_path_rename(s->b, "d", "k");
    merges_to(s, "k/");
}

static void two_renames_onto_one_name_keep_both(void **state) {
    struct story *s = *state;
    start_with_f_and_g(s);
    mem_path_rename(s->a, "f", "m");
    mem_path_rename(s->b, "g", "m");
    merges_to(s, "m=0 m~B=1");
}

static void renames_onto_each_other_exchange(void **state) {
    struct story *s = *state;
    start_with_f_and_g(s);
    mem_path_rename(s->a, "f", "g");
    mem_path_rename(s->b, "g", "f");
    merges_to(s, "f=1 g=0");
}

static void equal_exchanges_exchange_once(void **state) {
    struct story *s = *state;
    start_with_f_and_g(s);
    mem_path_exchange(s->a, "f", "g");
    mem_path_exchange(s->b, "f", "g");
    merges_to(s, "f=1 g=0");
    assert_nothing_pending(s);
}

static void exchange_and_save_keep_all(void **state) {
    struct story *s = *state;
    start_with_f_and_g(s);
    mem_path_exchange(s->a, "f", "g");
    mem_path_save(s->b, "f", 200, "q");
    merges_to(s, "f=1 f~B=q g=0");
}

static void save_and_exchange_keep_all(void **state) {
    struct story *s = *state;
    start_with_f_and_g(s);
    mem_path_save(s->a, "f", 100, "p");
    mem_path_exchange(s->b, "f", "g");
    merges_to(s, "f=p f~B=1 g=0");
}

/* --- directories */

static void rmdir_gives_way_to_what_is_made_inside(void **state) {
    struct story *s = *state;
    start_with_d(s);
    mem_path_remove(s->a, "d");
    mem_path_create(s->b, "d/x", 200, "q");
    merges_to(s, "d/ d/x=q");
    assert_int_equal(mem_path_ino(&s->view, "d"), 10);
}

static void later_rmdir_gives_way_to_what_is_made_inside(void **state) {
    struct story *s = *state;
    start_with_d(s);
    mem_path_create(s->a, "d/x", 100, "p");
    mem_path_remove(s->b, "d");
    merges_to(s, "d/ d/x=p");
    assert_nothing_pending(s);
}

static void removed_directories_come_back_upwards(void **state) {
    struct story *s = *state;
    mem_path_mkdir(start(s), "d", 10);
    mem_path_mkdir(start(s), "d/e", 11);
    part(s);
    mem_path_remove(s->a, "d/e");
    mem_path_remove(s->a, "d");
    mem_path_create(s->b, "d/e/x", 200, "q");
    merges_to(s, "d/ d/e/ d/e/x=q");
}

static void rm_r_gives_way_only_where_something_was_written(void **state) {
    struct story *s = *state;
    mem_path_mkdir(start(s), "d", 10);
    mem_path_create(start(s), "d/x", 11, "0");
    mem_path_create(start(s), "d/y", 12, "1");
    part(s);
    mem_path_remove(s->a, "d/x");
    mem_path_remove(s->a, "d/y");
    mem_path_remove(s->a, "d");
    mem_path_write(s->b, "d/x", "q");
    merges_to(s, "d/ d/x=q");
}

static void what_is_made_inside_goes_into_the_new_directory(void **state) {
    struct story *s = *state;
    start_with_d(s);
    mem_path_remove(s->a, "d");
    mem_path_mkdir(s->a, "d", 100);
    mem_path_create(s->b, "d/x", 200, "q");
    merges_to(s, "d/ d/x=q");
    assert_int_equal(mem_path_ino(&s->view, "d"), 100);
}

static void directory_stands_beside_the_file_that_took_its_name(void **state) {
    struct story *s = *state;
    start_with_d(s);
    mem_path_remove(s->a, "d");
    mem_path_create(s->a, "d", 100, "p");
    mem_path_create(s->b, "d/x", 200, "q");
    merges_to(s, "d=p d~B/ d~B/x=q");
}

static void what_is_made_inside_follows_a_moved_directory(void **state) {
    struct story *s = *state;
    mem_path_mkdir(start(s), "d", 10);
    mem_path_mkdir(start(s), "e", 11);
    part(s);
    mem_path_rename(s->a, "d", "e/d");
    mem_path_create(s->b, "d/x", 200, "q");
    merges_to(s, "e/ e/d/ e/d/x=q");
}

static void start_with_d_and_e(struct story *s) {
    mem_path_mkdir(start(s), "d", 10);
    mem_path_mkdir(start(s), "e", 11);
    part(s);
    mem_path_rename(s->a, "d", "e/d");
    mem_path_rename(s->b, "e", "d/e");
}

static void second_move_of_a_loop_is_void(void **state) {
    struct story *s = *state;
    start_with_d_and_e(s);
    merges_to(s, "e/ e/d/");
    assert_nothing_pending(s);
}

static void files_made_in_a_loop_stay_in_it(void **state) {
    struct story *s = *state;
    start_with_d_and_e(s);
    mem_path_create(s->b, "d/e/x", 200, "q");
    merges_to(s, "e/ e/d/ e/x=q");
}

static void what_took_the_name_of_an_undone_move_makes_room(void **state) {
    struct story *s = *state;
    start_with_d_and_e(s);
    mem_path_create(s->b, "e", 200, "q");
    merges_to(s, "e/ e/d/ e~B=q");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(mkdir_and_mkdir_are_one_directory),
        STORY(clashes_inside_a_joined_directory_are_resolved_likewise),
        STORY(mkdir_and_mkdir_with_the_losers_renamed_are_two),
        STORY(file_stands_beside_a_directory),
        STORY(equal_files_are_one),
        STORY(equal_files_are_one_with_the_later_attributes),
        STORY(equal_symlinks_are_one),
        STORY(equal_files_stay_two_while_one_is_open),
        STORY(different_files_stand_beside_each_other),
        STORY(conflict_name_that_is_taken_is_numbered),
        STORY(write_and_write_make_a_copy),
        STORY(equal_writes_leave_nothing_to_commit),
        STORY(save_and_write_keep_both),
        STORY(write_and_save_keep_both),
        STORY(save_and_save_keep_both),
        STORY(equal_saves_are_one_file),
        STORY(save_over_an_applied_version_replaces_it),
        STORY(write_and_write_with_two_names_make_one_copy),
        STORY(log_rotation_and_append_go_together),
        STORY(unlink_gives_way_to_a_write),
        STORY(later_unlink_gives_way_to_a_write),
        STORY(later_unlink_gives_way_to_a_save),
        STORY(unlink_gives_way_to_an_open_handle),
        STORY(unlink_and_chmod_is_gone),
        STORY(chmod_and_unlink_is_gone),
        STORY(unlink_and_rename_is_renamed),
        STORY(rename_and_unlink_is_renamed),
        STORY(unlink_and_link_leaves_the_link),
        STORY(second_unlink_of_the_last_two_names_is_void),
        STORY(made_and_removed_again_leaves_nothing),
        STORY(rename_and_write_both_hold),
        STORY(rename_and_save_both_hold),
        STORY(save_and_rename_both_hold),
        STORY(later_of_two_renames_holds),
        STORY(later_of_two_directory_renames_holds),
        STORY(two_renames_onto_one_name_keep_both),
        STORY(renames_onto_each_other_exchange),
        STORY(equal_exchanges_exchange_once),
        STORY(exchange_and_save_keep_all),
        STORY(save_and_exchange_keep_all),
        STORY(rmdir_gives_way_to_what_is_made_inside),
        STORY(later_rmdir_gives_way_to_what_is_made_inside),
        STORY(removed_directories_come_back_upwards),
        STORY(rm_r_gives_way_only_where_something_was_written),
        STORY(what_is_made_inside_goes_into_the_new_directory),
        STORY(directory_stands_beside_the_file_that_took_its_name),
        STORY(what_is_made_inside_follows_a_moved_directory),
        STORY(second_move_of_a_loop_is_void),
        STORY(files_made_in_a_loop_stay_in_it),
        STORY(what_took_the_name_of_an_undone_move_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
