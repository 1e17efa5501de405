/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names that stay on this host: nothing of them reaches the bucket, they are as good as others here, and what others do to the directory they lie in is not held up by them.
 */
#include "tree/local.h"
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
    o->cfg.names = rules;
    tree_box_reopen(o);
    box_follow(o);
    return o;
}

static uint64_t local_files(struct tree_box *b) {
    struct tree_status st;
    tree_status(b->tree, &st);
    uint64_t n = st.local_only_files;
    assert_int_equal(st.local_files, 0);
    assert_int_equal(st.pending_changes, 0);
    tree_status_free(&st);
    return n;
}

static void they_stay_here_and_survive(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_put(b, "d/photo.jpg", "pixels"));
    box_commit(b);
    size_t before = entries(b), put = objects(b);
    ok(box_put(b, "d/.DS_Store", "icons"));
    ok(box_put(b, "d/._photo.jpg", "fork"));
    ok(box_mkdir(b, ".Trashes"));
    ok(box_put(b, ".Trashes/file", "rubbish"));
    ok(box_symlink(b, ".Trashes/link", "file"));
    ok(box_create(b, "Thumbs.db"));
    ok(box_chmod(b, "Thumbs.db", 0600));
    run(b, 1000);
    box_commit(b);
    assert_int_equal(entries(b), before);
    assert_int_equal(objects(b), put);
    assert_int_equal(local_files(b), 6);
    static const char *const all = ".Trashes/ .Trashes/file=rubbish .Trashes/link->file Thumbs.db= d/ d/.DS_Store=icons d/._photo.jpg=fork d/photo.jpg=pixels";
    assert_view(b, all);
    tree_box_reopen(b);
    is_sound(b);
    assert_view(b, all);
    ok(box_put(b, "d/.DS_Store", "new icons"));
    ok(box_append(b, "d/.DS_Store", " and more"));
    run(b, 1000);
    assert_int_equal(objects(b), put);
    struct attr a;
    ok(box_stat(b, "Thumbs.db", &a));
    assert_int_equal(a.mode, S_IFREG | 0600);
    struct tree_box *o = other_host(b);
    assert_view(o, "d/ d/photo.jpg=pixels");
    tree_box_free(o);
}

static void fsync_and_sync_do_not_wait_for_the_bucket(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, ".DS_Store", "icons"));
    size_t before = entries(b);
    ok(box_fsync(b, ".DS_Store"));
    box_commit(b);
    assert_int_equal(entries(b), before);
    assert_int_equal(local_files(b), 1);
}

static void the_directory_keeps_its_times(void **st) {
    struct tree_box *b = *st;
    struct attr before, after;
    ok(box_mkdir(b, "d"));
    box_commit(b);
    ok(box_stat(b, "d", &before));
    ok(box_put(b, "d/.DS_Store", "icons"));
    ok(box_rename(b, "d/.DS_Store", "d/._x", 0));
    ok(box_unlink(b, "d/._x"));
    ok(box_stat(b, "d", &after));
    assert_int_equal(after.mtime, before.mtime);
    assert_int_equal(b->tree->pending_rows, 0);
    ok(box_mkdir(b, ".Trashes"));
    ok(box_stat(b, ".Trashes", &before));
    sim_run(b->sim, NS_PER_S);
    ok(box_put(b, ".Trashes/x", "1")); /* one that is local itself does not */
    ok(box_stat(b, ".Trashes", &after));
    assert_true(after.mtime > before.mtime);
    is_sound(b);
}

static void a_normal_name_makes_it_normal(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "._draft", "text"));
    uint64_t ino = box_ino(b, "._draft");
    run(b, 5);
    ok(box_rename(b, "._draft", "draft.txt", 0));
    assert_int_equal(box_ino(b, "draft.txt"), ino);
    run(b, 5);
    assert_int_equal(b->tree->pending_rows, 0);
    assert_int_equal(objects(b), 1);
    struct tree_box *o = other_host(b);
    assert_view(o, "draft.txt=text");
    tree_box_free(o);
}

static void an_empty_one_and_a_directory_become_normal(void **st) {
    struct tree_box *b = *st;
    ok(box_create(b, "._empty"));
    ok(box_mkdir(b, ".TemporaryItems"));
    ok(box_mkdir(b, ".TemporaryItems/doc.pages"));
    ok(box_put(b, ".TemporaryItems/doc.pages/index", "text"));
    ok(box_put(b, ".TemporaryItems/doc.pages/.DS_Store", "icons"));
    run(b, 5);
    assert_int_equal(objects(b), 0);
    ok(box_rename(b, "._empty", "empty", 0));
    ok(box_rename(b, ".TemporaryItems/doc.pages", "doc.pages", 0));
    run(b, 5);
    struct tree_box *o = other_host(b);
    assert_view(o, "doc.pages/ doc.pages/index=text empty=");
    assert_int_equal(local_files(b), 2); /* .TemporaryItems and .DS_Store */
    tree_box_free(o);
}

static void a_local_name_takes_it_from_the_others(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "known", "text"));
    ok(box_put(b, "keep", "keep"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    ok(box_rename(b, "known", "._known", 0));
    run(b, 5);
    box_follow(o);
    assert_view(o, "keep=keep");
    assert_view(b, "._known=text keep=keep");
    tree_box_reopen(b);
    assert_view(b, "._known=text keep=keep");
    ok(box_append(b, "._known", ", more"));
    ok(box_rename(b, "._known", "known", 0)); /* and back */
    run(b, 5);
    box_follow(o);
    assert_view(o, "keep=keep known=text, more");
    tree_box_free(o);
}

/* Its upload may be under way when the name changes. */
static void a_file_that_is_being_uploaded_becomes_local(void **st) {
    struct tree_box *b = *st;
    for (int ms = 0; ms < 1200; ms += 100) {
        size_t before = entries(b);
        ok(box_put(b, "new", "text"));
        sim_run(b->sim, ms * NS_PER_MS);
        ok(box_rename(b, "new", "._new", 0));
        run(b, 20);
        assert_view(b, "._new=text");
        assert_int_equal(local_files(b), 1);
        assert_true(entries(b) <= before + 2);
        ok(box_append(b, "._new", "!"));
        assert_view(b, "._new=text!");
        tree_box_reopen(b);
        assert_view(b, "._new=text!");
        ok(box_unlink(b, "._new"));
        run(b, 5);
        assert_int_equal(b->tree->pending_rows, 0);
    }
}

static void links_do_not_cross(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, ".DS_Store", "icons"));
    ok(box_put(b, "f", "1"));
    assert_int_equal(box_link(b, ".DS_Store", "g"), -EXDEV);
    assert_int_equal(box_link(b, "f", "._f"), -EXDEV);
    ok(box_link(b, "f", "g"));
    assert_int_equal(box_rename(b, "f", "._f", 0), -EXDEV); /* it has another name */
    ok(box_link(b, ".DS_Store", "._two"));
    assert_int_equal(box_rename(b, "._two", "two", 0), -EXDEV);
    is_sound(b);
}

static void a_directory_the_others_see_does_not_cross(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_put(b, "d/f", "1"));
    box_commit(b);
    assert_int_equal(box_rename(b, "d", ".Trashes", 0), -EXDEV);
    ok(box_mkdir(b, "e"));
    box_commit(b);
    ok(box_rename(b, "e", ".Trashes", 0)); /* an empty one does */
    box_commit(b);
    struct tree_box *o = other_host(b);
    assert_view(o, "d/ d/f=1");
    tree_box_free(o);
}

static void exchanged_with_a_normal_one(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "f", "shared"));
    box_commit(b);
    ok(box_put(b, "._f", "local"));
    ok(box_rename(b, "f", "._f", RENAME_EXCHANGE));
    box_commit(b);
    is_sound(b);
    assert_view(b, "._f=shared f=local");
    struct tree_box *o = other_host(b);
    assert_view(o, "f=local");
    tree_box_free(o);
}

static void rmdir_here_is_that_of_ext4(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_put(b, "d/.DS_Store", "icons"));
    box_commit(b);
    assert_int_equal(box_rmdir(b, "d"), -ENOTEMPTY);
    ok(box_mkdir(b, "e"));
    assert_int_equal(box_rename(b, "e", "d", 0), -ENOTEMPTY);
    ok(box_unlink(b, "d/.DS_Store"));
    ok(box_rmdir(b, "d"));
    box_commit(b);
    assert_view(b, "e/");
    is_sound(b);
}

static void another_host_removes_the_directory(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_put(b, "d/f", "1"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    ok(box_put(b, "d/.DS_Store", "icons"));
    ok(box_mkdir(b, "d/.Trashes"));
    ok(box_put(b, "d/.Trashes/x", "2"));
    struct file *f;
    ok(file_open(b->tree, box_ino(b, "d/.DS_Store"), O_RDONLY, &f));
    ok(box_unlink(o, "d/f"));
    ok(box_rmdir(o, "d"));
    box_commit(o);
    box_follow(b);
    is_sound(b);
    assert_view(b, "");
    file_close(f, O_RDONLY);
    box_commit(b);
    assert_int_equal(b->tree->pending_rows, 0);
    box_follow(o);
    assert_view(o, ""); /* nothing came back */
    tree_box_free(o);
}

/* Something of ours in it does keep it; the local names with it. */
static void another_host_removes_a_directory_that_we_write_into(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    ok(box_put(b, "d/.DS_Store", "icons"));
    ok(box_put(b, "d/new", "text"));
    ok(box_rmdir(o, "d"));
    box_commit(o);
    box_follow(b);
    is_sound(b);
    box_commit(b);
    assert_view(b, "d/ d/.DS_Store=icons d/new=text");
    box_follow(o);
    assert_view(o, "d/ d/new=text");
    tree_box_free(o);
}

static void both_made_the_directory(void **st) {
    struct tree_box *b = *st;
    struct tree_box *o = other_host(b);
    ok(box_mkdir(o, "d"));
    ok(box_put(o, "d/theirs", "1"));
    ok(box_mkdir(b, "d"));
    ok(box_put(b, "d/ours", "2"));
    ok(box_put(b, "d/.DS_Store", "icons"));
    ok(box_put(o, "d/.DS_Store", "their icons"));
    box_commit(o);
    box_commit(b);
    box_follow(o);
    box_follow(b);
    is_sound(b);
    is_sound(o);
    assert_view(b, "d/ d/.DS_Store=icons d/ours=2 d/theirs=1");
    assert_view(o, "d/ d/.DS_Store=their icons d/ours=2 d/theirs=1");
    tree_box_free(o);
}

static void another_host_renames_the_directory(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    ok(box_put(b, "d/.DS_Store", "icons"));
    ok(box_rename(o, "d", "e", 0));
    box_commit(o);
    box_follow(b);
    assert_view(b, "e/ e/.DS_Store=icons");
    is_sound(b);
    tree_box_free(o);
}

/* We made it local, another host wrote it: what was written wins. */
static void another_host_changes_what_became_local(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "f", "one"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    ok(box_put(o, "f", "two"));
    ok(box_rename(b, "f", "._f", 0));
    box_commit(o);
    box_follow(b);
    is_sound(b);
    box_commit(b);
    box_follow(o);
    is_sound(b);
    assert_view(o, "f=two");
    assert_view(b, "f=two");
    tree_box_free(o);
}

/* The same while the entry that takes the name away is on its way, and loses its number to the other host's. */
static void another_host_wins_against_what_became_local(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "f", "one"));
    box_commit(b);
    struct tree_box *o = other_host(b);
    for (int ms = 400; ms < 1200; ms += 20) {
        char two[16];
        snprintf(two, sizeof two, "two at %d", ms);
        ok(box_put(o, "f", two));
        sim_run(b->sim, ms * NS_PER_MS);
        ok(box_put(b, "._f", "old"));
        ok(box_rename(b, "f", "._f", 0));
        box_commit(o);
        box_commit(b);
        box_follow(o);
        box_follow(b);
        is_sound(b);
        if (box_ino(b, "f") == 0) { /* it was here first: what the other wrote came back as a file of its own, or it came later and nothing was left to change */
            ok(box_rename(b, "._f", "f", 0));
            box_commit(b);
            box_follow(o);
            continue;
        }
        CLEANUP_FREE char *want = xasprintf("f=%s", two);
        assert_view(o, want);
        assert_view(b, want);
    }
    tree_box_free(o);
}

/* It had been put into the bucket, but into no entry, when it went and came back with more written to it. */
static void a_durable_snapshot_comes_back(void **st) {
    struct tree_box *b = *st;
    for (int ms = 0; ms < 3000; ms += 100) {
        ok(box_put(b, "new", "text"));
        sim_run(b->sim, ms * NS_PER_MS);
        ok(box_rename(b, "new", "._new", 0));
        ok(box_append(b, "._new", "!"));
        ok(box_rename(b, "._new", "new", 0));
        box_commit(b);
        assert_view(b, "new=text!");
        assert_int_equal(b->tree->pending_rows, 0);
        is_sound(b);
        ok(box_unlink(b, "new"));
        box_commit(b);
    }
}

/* The other host shares what is local here (another set of options). */
static void a_shared_file_of_a_local_name(void **st) {
    struct tree_box *b = *st;
    struct tree_box *o = tree_box_join(b, "shares all");
    ok(box_mkdir(o, "d"));
    ok(box_put(o, "d/.DS_Store", "theirs"));
    box_commit(o);
    box_follow(b);
    assert_view(b, "d/ d/.DS_Store=theirs");
    ok(box_put(b, "x", "ours"));
    ok(box_rename(b, "x", "d/.DS_Store", 0)); /* stands over it here */
    box_commit(b);
    assert_view(b, "d/ d/.DS_Store=ours");
    box_follow(o);
    assert_view(o, "d/ d/.DS_Store=theirs");
    ok(box_unlink(b, "d/.DS_Store")); /* gone means gone */
    ok(box_rmdir(b, "d"));
    box_commit(b);
    box_follow(o);
    assert_view(o, "");
    is_sound(b);
    tree_box_free(o);
}

static void removals_of_others_do_not_wait(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "f", "1"));
    box_commit(b);
    ok(box_put(b, ".DS_Store", "icons"));
    ok(box_unlink(b, "f"));
    run(b, 5);
    struct tree_box *o = other_host(b);
    assert_view(o, "");
    tree_box_free(o);
}

static void a_local_temporary_name(void **st) {
    struct tree_box *b = *st;
    size_t before = entries(b);
    ok(box_put(b, ".DS_Store.x1Y2z3", "icons")); /* rsync */
    run(b, 5);
    ok(box_rename(b, ".DS_Store.x1Y2z3", ".DS_Store", 0));
    run(b, 700);
    assert_int_equal(objects(b), 0);
    assert_true(entries(b) <= before + 1);
    assert_int_equal(local_files(b), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_rules, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(they_stay_here_and_survive),
        TEST(fsync_and_sync_do_not_wait_for_the_bucket),
        TEST(the_directory_keeps_its_times),
        TEST(a_normal_name_makes_it_normal),
        TEST(an_empty_one_and_a_directory_become_normal),
        TEST(a_local_name_takes_it_from_the_others),
        TEST(a_file_that_is_being_uploaded_becomes_local),
        TEST(links_do_not_cross),
        TEST(a_directory_the_others_see_does_not_cross),
        TEST(exchanged_with_a_normal_one),
        TEST(rmdir_here_is_that_of_ext4),
        TEST(another_host_removes_the_directory),
        TEST(another_host_removes_a_directory_that_we_write_into),
        TEST(both_made_the_directory),
        TEST(another_host_renames_the_directory),
        TEST(another_host_changes_what_became_local),
        TEST(another_host_wins_against_what_became_local),
        TEST(a_durable_snapshot_comes_back),
        TEST(a_shared_file_of_a_local_name),
        TEST(removals_of_others_do_not_wait),
        TEST(a_local_temporary_name),
    };
    rules = name_rules_new(NULL, ".DS_Store:._*:.Trashes:.TemporaryItems:Thumbs.db");
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    name_rules_free(rules);
    return r;
}
