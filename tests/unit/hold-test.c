/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Temporary names are held back: what goes into the bucket and the journal, and when. One host; a second one where it matters what others see.
 */
#include "tree/hold.h"
#include "tree/name_kind.h"
#include "tree_box.h"

#include <fcntl.h>
#include <linux/fs.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct name_rules *rules;

static void ok(int r) {
    assert_int_equal(r, 0);
}

static void is_sound(struct tree_box *b) {
    CLEANUP_FREE char *wrong = tree_box_wrong(b);
    if (wrong)
        fail_msg("%s", wrong);
}

static void run(struct tree_box *b, int64_t seconds) {
    tree_used(b->tree);
    sim_run(b->sim, seconds * NS_PER_S);
    is_sound(b);
}

static size_t objects(struct tree_box *b) {
    return mem_bucket_count(b->bucket, "files/");
}

static size_t entries(struct tree_box *b) {
    return mem_bucket_count(b->bucket, ".assetfs/journal/");
}

static int with_rules(void **st) {
    struct tree_box *b = tree_box_new();
    b->cfg.names = rules;
    tree_box_reopen(b);
    *st = b;
    return 0;
}

static struct tree_box *other_host(struct tree_box *b) {
    struct tree_box *o = tree_box_join(b, "other");
    box_follow(o);
    return o;
}

static void a_temporary_name_waits_for_its_final_one(void **st) {
    struct tree_box *b = *st;
    size_t before = entries(b);
    ok(box_put(b, ".photo.jpg.x1Y2z3", "pixels"));
    run(b, 60);
    assert_int_equal(objects(b), 0);
    assert_int_equal(entries(b), before);
    assert_view(b, ".photo.jpg.x1Y2z3=pixels");
    ok(box_rename(b, ".photo.jpg.x1Y2z3", "photo.jpg", 0));
    run(b, 3);
    assert_int_equal(objects(b), 1);
    assert_int_equal(entries(b), before + 1);
    CLEANUP_FREE char *key = mem_bucket_key(b->bucket, "files/", 0);
    assert_string_equal(key + strlen(key) - 4, ".jpg");
    struct tree_box *o = other_host(b);
    assert_view(o, "photo.jpg=pixels");
    tree_box_free(o);
}

static void a_file_that_is_removed_again_leaves_nothing(void **st) {
    struct tree_box *b = *st;
    size_t before = entries(b);
    ok(box_put(b, "film.mp4.part", "frames"));
    run(b, 30);
    ok(box_unlink(b, "film.mp4.part"));
    run(b, 30);
    assert_int_equal(objects(b), 0);
    assert_true(entries(b) <= before + 1); /* the directory's time */
    assert_int_equal(b->tree->pending_rows, 0);
}

static void ten_minutes_are_enough(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "film.mp4.part", "frames"));
    ok(box_create(b, "empty.part"));
    ok(box_symlink(b, "link~", "film"));
    run(b, 590);
    assert_int_equal(objects(b), 0);
    run(b, 20);
    assert_int_equal(objects(b), 1);
    assert_int_equal(b->tree->pending_rows, 0);
    struct tree_box *o = other_host(b);
    assert_view(o, "empty.part= film.mp4.part=frames link~->film");
    tree_box_free(o);
}

static void fsync_makes_it_durable(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, ".photo.jpg.x1Y2z3", "pixels"));
    ok(box_fsync(b, ".photo.jpg.x1Y2z3"));
    assert_int_equal(objects(b), 1);
    struct tree_box *o = other_host(b);
    assert_view(o, ".photo.jpg.x1Y2z3=pixels");
    ok(box_rename(b, ".photo.jpg.x1Y2z3", "photo.jpg", 0));
    run(b, 3);
    assert_int_equal(objects(b), 1); /* the name that was meant had decided */
    box_follow(o);
    assert_view(o, "photo.jpg=pixels");
    tree_box_free(o);
}

static void fsync_in_a_held_directory(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, ".~tmp~"));
    ok(box_put(b, ".~tmp~/photo.jpg", "pixels"));
    ok(box_put(b, ".~tmp~/other.jpg", "more"));
    ok(box_fsync(b, ".~tmp~/photo.jpg"));
    struct tree_box *o = other_host(b);
    assert_view(o, ".~tmp~/ .~tmp~/photo.jpg=pixels");
    tree_box_free(o);
}

static void fsync_of_the_directory_does_not_wait_for_it(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    box_commit(b);
    ok(box_put(b, "d/film.part", "frames"));
    ok(box_fsync(b, "d"));
    assert_int_equal(objects(b), 0);
}

static void sync_takes_everything(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "x.download"));
    ok(box_put(b, "x.download/x", "half"));
    ok(box_put(b, "text~", "old"));
    box_commit(b);
    assert_int_equal(b->tree->pending_rows, 0);
    struct tree_box *o = other_host(b);
    assert_view(o, "text~=old x.download/ x.download/x=half");
    tree_box_free(o);
}

static void sync_ends_while_others_begin(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a", "1"));
    ok(box_put(b, "b.part", "2"));
    box_commit(b);
    ok(box_put(b, "c.part", "3")); /* touches the root's times once more */
    ok(box_put(b, "d", "4"));
    box_commit(b);
    assert_int_equal(b->tree->pending_rows, 0);
}

static void delayed_updates_come_all_together(void **st) {
    struct tree_box *b = *st;
    size_t before = entries(b);
    ok(box_mkdir(b, ".~tmp~"));
    for (int i = 0; i < 20; i++) {
        CLEANUP_FREE char *temporary = xasprintf(".f%d.jpg.x1Y2z3", i), *kept = xasprintf(".~tmp~/f%d.jpg", i),
                          *text = xasprintf("picture %d", i);
        ok(box_put(b, temporary, text));
        ok(box_rename(b, temporary, kept, 0));
    }
    run(b, 60);
    assert_int_equal(objects(b), 0);
    assert_int_equal(entries(b), before);
    for (int i = 0; i < 20; i++) {
        CLEANUP_FREE char *kept = xasprintf(".~tmp~/f%d.jpg", i), *final = xasprintf("f%d.jpg", i);
        ok(box_rename(b, kept, final, 0));
    }
    ok(box_rmdir(b, ".~tmp~"));
    run(b, 5);
    assert_int_equal(objects(b), 20);
    assert_int_equal(b->tree->pending_rows, 0);
    assert_true(entries(b) <= before + 2);
}

static void a_directory_gets_its_final_name(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "set.part"));
    ok(box_mkdir(b, "set.part/deep"));
    ok(box_put(b, "set.part/a.jpg", "1"));
    ok(box_put(b, "set.part/deep/b.jpg", "2"));
    run(b, 60);
    assert_int_equal(objects(b), 0);
    ok(box_rename(b, "set.part", "set", 0));
    run(b, 5);
    assert_int_equal(objects(b), 2);
    struct tree_box *o = other_host(b);
    assert_view(o, "set/ set/a.jpg=1 set/deep/ set/deep/b.jpg=2");
    tree_box_free(o);
}

/* vim: the old version becomes the backup, the new one is written under the name, the backup goes. */
static void an_editor_saves(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "text", "one"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    size_t before = entries(b);
    ok(box_rename(b, "text", "text~", 0));
    run(b, 5);
    assert_int_equal(entries(b), before); /* the others keep what they have */
    ok(box_put(b, "text", "two"));
    ok(box_fsync(b, "text"));
    assert_view(b, "text=two text~=one");
    is_sound(b);
    box_follow(o);
    assert_view(o, "text=two"); /* no backup */
    ok(box_unlink(b, "text~"));
    run(b, 5);
    assert_true(entries(b) <= before + 2);
    assert_int_equal(b->tree->pending_rows, 0);
    box_follow(o);
    assert_view(o, "text=two");
    tree_box_free(o);
}

/* emacs keeps the backup; the next save replaces it. */
static void a_backup_that_stays_comes_later(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "text", "one"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    for (int i = 0; i < 3; i++) {
        CLEANUP_FREE char *text = xasprintf("version %d", i);
        ok(box_rename(b, "text", "text~", 0));
        ok(box_put(b, "text", text));
        run(b, 5);
        box_follow(o);
        CLEANUP_FREE char *want = xasprintf("text=version %d", i);
        assert_view(o, want);
        is_sound(b);
        tree_box_reopen(b);
        is_sound(b);
    }
    assert_view(b, "text=version 2 text~=version 1");
    run(b, 610);
    assert_int_equal(b->tree->pending_rows, 0);
    box_follow(o);
    assert_view(o, "text=version 2 text~=version 1");
    tree_box_free(o);
}

static void a_link_is_a_final_name(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "film.part", "frames"));
    run(b, 30);
    ok(box_link(b, "film.part", "film"));
    run(b, 5);
    assert_int_equal(objects(b), 1);
    struct tree_box *o = other_host(b);
    assert_view(o, "film=frames");
    ok(box_unlink(b, "film.part"));
    run(b, 5);
    assert_int_equal(b->tree->pending_rows, 0);
    tree_box_free(o);
}

static void a_backup_link_of_a_known_file(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "text", "one"));
    box_commit(b);
    ok(box_link(b, "text", "text~"));
    run(b, 5);
    struct tree_box *o = other_host(b);
    assert_view(o, "text=one");
    ok(box_append(b, "text", ", two"));
    run(b, 5);
    box_follow(o);
    assert_view(o, "text=one, two");
    box_commit(b);
    box_follow(o);
    assert_view(o, "text=one, two text~=one, two");
    tree_box_free(o);
}

/* Not the rename alone, which would only take the file from the others. */
static void exchanging_with_a_temporary_name(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "text", "one"));
    box_commit(b);
    ok(box_put(b, "text.tmp", "two"));
    run(b, 5);
    ok(box_rename(b, "text.tmp", "text", RENAME_EXCHANGE));
    run(b, 5);
    struct tree_box *o = other_host(b);
    assert_view(o, "text=two");
    ok(box_unlink(b, "text.tmp"));
    box_commit(b);
    box_follow(o);
    assert_view(o, "text=two");
    is_sound(b);
    tree_box_free(o);
}

static void nothing_is_removed_before_what_was_written(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "text", "one"));
    box_commit(b);
    ok(box_put(b, "text.part", "two"));
    ok(box_unlink(b, "text"));
    run(b, 30);
    struct tree_box *o = other_host(b);
    assert_view(o, "text=one"); /* its successor is not safe yet */
    ok(box_rename(b, "text.part", "text", 0));
    run(b, 5);
    box_follow(o);
    assert_view(o, "text=two");
    tree_box_free(o);
}

/* Its bytes are in the bucket, but under a temporary name that nobody else knows. */
static void nothing_is_removed_before_what_was_uploaded_has_a_name(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "text", "one"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    store_fault_hold(b->store, FAULT_PUT, ".assetfs/journal/");
    ok(box_create(b, "in flight"));
    run(b, 5);
    ok(box_put(b, "new", "two"));
    run(b, 5);
    assert_int_equal(objects(b), 2);
    ok(box_rename(b, "new", "new.part", 0));
    ok(box_unlink(b, "text"));
    store_fault_release(b->store);
    run(b, 30);
    box_follow(o);
    assert_view(o, "in flight= text=one");
    ok(box_rename(b, "new.part", "text", 0));
    run(b, 5);
    box_follow(o);
    assert_view(o, "in flight= text=two");
    tree_box_free(o);
}

/* What others have written into it was not seen here, where it is open. */
static void a_backup_of_what_waits_for_a_close(void **st) {
    struct tree_box *b = *st;
    struct file *f;
    ok(box_put(b, "text", "one"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    ok(file_open(b->tree, box_ino(b, "text"), O_WRONLY, &f));
    ok(box_put(o, "text", "theirs"));
    box_commit(o);
    box_follow(b);
    ok(box_rename(b, "text", "text~", 0));
    ok(box_put(b, "text", "ours"));
    run(b, 30);
    box_follow(o);
    assert_view(o, "text=ours text~=theirs");
    file_close(f, O_WRONLY);
    box_commit(b);
    box_follow(o);
    assert_view(b, "text=ours text~=theirs");
    assert_view(o, "text=ours text~=theirs");
    is_sound(b);
    tree_box_free(o);
}

static void others_go_on_meanwhile(void **st) {
    struct tree_box *b = *st;
    for (int i = 0; i < 50; i++) {
        CLEANUP_FREE char *temporary = xasprintf("t%d.part", i), *name = xasprintf("f%d", i);
        ok(box_put(b, temporary, "half"));
        ok(box_put(b, name, name));
    }
    run(b, 10);
    assert_int_equal(objects(b), 50);
    struct tree_status st2;
    tree_status(b->tree, &st2);
    assert_int_equal(st2.local_files, 50);
    tree_status_free(&st2);
}

static void a_restart_begins_again(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, ".~tmp~"));
    ok(box_create(b, ".~tmp~/empty"));
    run(b, 300);
    size_t before = entries(b);
    tree_box_reopen(b);
    run(b, 590);
    assert_int_equal(entries(b), before);
    run(b, 20);
    assert_int_equal(b->tree->pending_rows, 0);
    struct tree_box *o = other_host(b);
    assert_view(o, ".~tmp~/ .~tmp~/empty=");
    tree_box_free(o);
}

static void ignore(void *arg ATTR_UNUSED, int err, size_t n ATTR_UNUSED) {
    assert_int_equal(err, 0);
}

/* A download that is written for long is not uploaded again and again. */
static void an_open_file_is_uploaded_now_and_then(void **st) {
    struct tree_box *b = *st;
    struct file *f;
    ok(box_create(b, "film.part"));
    ok(file_open(b->tree, box_ino(b, "film.part"), O_WRONLY, &f));
    for (int i = 0; i < 1300; i++) {
        file_write(f, "frame", 5, (uint64_t)i * 5, false, ignore, NULL);
        run(b, 1);
    }
    assert_in_range(objects(b), 1, 3);
    file_close(f, O_WRONLY);
    ok(box_rename(b, "film.part", "film.mp4", 0));
    run(b, 5);
    assert_int_equal(b->tree->pending_rows, 0);
    is_sound(b);
}

static void a_foreign_change_of_a_file_that_became_a_backup(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "text", "one"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    ok(box_rename(b, "text", "text~", 0));
    ok(box_put(o, "text", "theirs"));
    box_commit(o);
    box_follow(b);
    is_sound(b);
    ok(box_put(b, "text", "ours"));
    box_commit(b);
    box_follow(o);
    box_follow(b);
    is_sound(b);
    is_sound(o);
    CLEANUP_FREE char *here = box_print(b), *there = box_print(o);
    assert_string_equal(here, there);
    assert_non_null(strstr(here, "=theirs"));
    assert_non_null(strstr(here, "=ours"));
    tree_box_free(o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_rules, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_temporary_name_waits_for_its_final_one),
        TEST(a_file_that_is_removed_again_leaves_nothing),
        TEST(ten_minutes_are_enough),
        TEST(fsync_makes_it_durable),
        TEST(fsync_in_a_held_directory),
        TEST(fsync_of_the_directory_does_not_wait_for_it),
        TEST(sync_takes_everything),
        TEST(sync_ends_while_others_begin),
        TEST(delayed_updates_come_all_together),
        TEST(a_directory_gets_its_final_name),
        TEST(an_editor_saves),
        TEST(a_backup_that_stays_comes_later),
        TEST(a_link_is_a_final_name),
        TEST(a_backup_link_of_a_known_file),
        TEST(exchanging_with_a_temporary_name),
        TEST(nothing_is_removed_before_what_was_written),
        TEST(nothing_is_removed_before_what_was_uploaded_has_a_name),
        TEST(a_backup_of_what_waits_for_a_close),
        TEST(others_go_on_meanwhile),
        TEST(a_restart_begins_again),
        TEST(an_open_file_is_uploaded_now_and_then),
        TEST(a_foreign_change_of_a_file_that_became_a_backup),
    };
    rules = name_rules_new(NULL, NULL);
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    name_rules_free(rules);
    return r;
}
