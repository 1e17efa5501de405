/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keys and types go by the name, and follow it.
 */
#include "tree/home.h"
#include "base/mime.h"
#include "tree/name_kind.h"
#include "tree_box.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct name_rules *rules;
static struct mime *mime;

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

static int with_rules(void **st) {
    struct tree_box *b = tree_box_new();
    b->cfg.names = rules;
    b->cfg.mime = mime;
    tree_box_reopen(b);
    *st = b;
    return 0;
}

/* "files/<hash><extension>", as the tree says. */
static char *key_of(struct tree_box *b, const char *path) {
    struct truth t;
    ok(names_truth(b->tree, box_ino(b, path), &t));
    return t.key;
}

static void has(struct tree_box *b, const char *path, const char *extension, const char *type) {
    CLEANUP_FREE char *key = key_of(b, path);
    const size_t hash = strlen("files/") + 64;
    assert_non_null(key);
    assert_string_equal(key + hash, extension);
    assert_string_equal(mem_bucket_content_type(b->bucket, key), type);
}

static void key_and_type_go_by_the_name(void **st) {
    struct tree_box *b = *st;
    static const struct {
        const char *name, *extension, *type;
    } files[] = {
        {"photo.jpg", ".jpg", "image/jpeg"},
        {"PHOTO2.JPG", ".jpg", "image/jpeg"},
        {"set.tar.gz", ".gz", "application/x-compressed-tar"},
        {"Makefile", "", "text/x-makefile"},
        {"nothing", "", MIME_UNKNOWN},
        {"odd.x y", "", MIME_UNKNOWN},
        {".hidden", "", MIME_UNKNOWN},
        {"page.html", ".html", "text/html"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        ok(box_put(b, files[i].name, files[i].name));
    box_commit(b);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        has(b, files[i].name, files[i].extension, files[i].type);
}

static void one_object_for_each_extension(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.jpg", "same"));
    ok(box_put(b, "b.jpg", "same"));
    ok(box_put(b, "c.html", "same"));
    box_commit(b);
    assert_int_equal(objects(b), 2);
    has(b, "b.jpg", ".jpg", "image/jpeg");
    has(b, "c.html", ".html", "text/html");
}

static void a_new_extension_is_a_new_object(void **st) {
    struct tree_box *b = *st;
    struct attr before, after;
    ok(box_put(b, "a.jpg", "bytes"));
    box_commit(b);
    ok(box_stat(b, "a.jpg", &before));
    struct tree_box *o = tree_box_join(b, "other");
    box_follow(o);
    store_fault_fail(b->store, FAULT_PUT, "files/", 1, 0, -EIO);
    ok(box_rename(b, "a.jpg", "a.html", 0));
    assert_view(b, "a.html=bytes");
    run(b, 5);
    box_follow(o);
    assert_view(o, "a.jpg=bytes"); /* until the object is there */
    store_fault_clear(b->store);
    box_commit(b);
    assert_int_equal(b->tree->pending_rows, 0);
    has(b, "a.html", ".html", "text/html");
    assert_int_equal(objects(b), 2);
    box_follow(o);
    assert_view(o, "a.html=bytes");
    has(o, "a.html", ".html", "text/html");
    ok(box_stat(b, "a.html", &after));
    assert_int_equal(after.mtime, before.mtime);
    assert_int_equal(after.ino, before.ino);
    assert_int_equal(spool_bytes(b->spool), 0);
    tree_box_free(o);
}

static void back_again_needs_no_object(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.jpg", "bytes"));
    box_commit(b);
    ok(box_rename(b, "a.jpg", "a.html", 0));
    box_commit(b);
    uint64_t puts = counter_get(&b->counters, COUNTER_STORE_PUTS);
    ok(box_rename(b, "a.html", "b.jpg", 0));
    box_commit(b);
    has(b, "b.jpg", ".jpg", "image/jpeg");
    assert_int_equal(objects(b), 2);
    assert_int_equal(counter_get(&b->counters, COUNTER_STORE_PUTS), puts + 1); /* the entry */
}

static void the_same_extension_is_the_same_object(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.jpg", "bytes"));
    box_commit(b);
    ok(box_rename(b, "a.jpg", "b.JPG", 0));
    box_commit(b);
    ok(box_mkdir(b, "d.html"));
    ok(box_rename(b, "b.JPG", "d.html/b.jpg", 0));
    box_commit(b);
    ok(box_rename(b, "d.html", "e", 0));
    box_commit(b);
    assert_int_equal(objects(b), 1);
}

static void one_fitting_name_of_several_is_enough(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.jpg", "bytes"));
    box_commit(b);
    ok(box_link(b, "a.jpg", "b.jpg"));
    ok(box_rename(b, "a.jpg", "a.html", 0));
    box_commit(b);
    assert_int_equal(objects(b), 1);
    has(b, "a.html", ".jpg", "image/jpeg");
    ok(box_unlink(b, "b.jpg"));
    box_commit(b);
    assert_int_equal(objects(b), 1); /* a removal moves nothing */
    is_sound(b);
}

/* Renamed and renamed again, at every moment of the way. */
static void renamed_while_it_moves(void **st) {
    struct tree_box *b = *st;
    for (int ms = 0; ms < 400; ms += 10) {
        CLEANUP_FREE char *text = xasprintf("bytes %d", ms);
        ok(box_put(b, "a.jpg", text));
        sim_run(b->sim, ms * 3 * NS_PER_MS);
        ok(box_rename(b, "a.jpg", "a.html", 0));
        sim_run(b->sim, ms * NS_PER_MS);
        is_sound(b);
        ok(box_rename(b, "a.html", "a.txt", 0));
        box_commit(b);
        assert_int_equal(b->tree->pending_rows, 0);
        has(b, "a.txt", ".txt", "text/plain");
        CLEANUP_FREE char *want = xasprintf("a.txt=%s", text);
        assert_view(b, want);
        ok(box_unlink(b, "a.txt"));
        box_commit(b);
    }
    assert_int_equal(spool_bytes(b->spool), 0);
}

static void written_while_it_moves(void **st) {
    struct tree_box *b = *st;
    for (int ms = 0; ms < 300; ms += 10) {
        CLEANUP_FREE char *text = xasprintf("bytes %d", ms), *want = xasprintf("a.html=%s, more", text);
        ok(box_put(b, "a.jpg", text));
        box_commit(b);
        ok(box_rename(b, "a.jpg", "a.html", 0));
        sim_run(b->sim, ms * NS_PER_MS);
        ok(box_append(b, "a.html", ", more"));
        assert_view(b, want);
        box_commit(b);
        assert_int_equal(b->tree->pending_rows, 0);
        has(b, "a.html", ".html", "text/html");
        assert_view(b, want);
        is_sound(b);
        ok(box_unlink(b, "a.html"));
        box_commit(b);
    }
    assert_int_equal(spool_bytes(b->spool), 0);
}

static void a_restart_goes_on(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.jpg", "bytes"));
    box_commit(b);
    store_fault_fail(b->store, FAULT_PUT, "files/", 1, 0, -EIO);
    ok(box_rename(b, "a.jpg", "a.html", 0));
    run(b, 3);
    tree_box_reopen(b);
    is_sound(b);
    assert_view(b, "a.html=bytes");
    store_fault_clear(b->store);
    run(b, 30);
    assert_int_equal(b->tree->pending_rows, 0);
    has(b, "a.html", ".html", "text/html");
    assert_int_equal(spool_files(b->spool), 0);
}

static void another_host_writes_it_meanwhile(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.jpg", "one"));
    box_commit(b);
    struct tree_box *o = tree_box_join(b, "other");
    o->cfg.names = rules;
    o->cfg.mime = mime;
    tree_box_reopen(o);
    box_follow(o);
    store_fault_fail(b->store, FAULT_PUT, "files/", 1, 0, -EIO);
    ok(box_rename(b, "a.jpg", "a.html", 0));
    run(b, 1);
    ok(box_put(o, "a.jpg", "two"));
    box_commit(o);
    box_follow(b);
    is_sound(b);
    store_fault_clear(b->store);
    box_commit(b);
    box_follow(o);
    is_sound(b);
    assert_int_equal(b->tree->pending_rows, 0);
    assert_view(b, "a.html=two"); /* renamed here, written there: no copy */
    assert_view(o, "a.html=two");
    has(b, "a.html", ".html", "text/html");
    tree_box_free(o);
}

static void another_host_empties_it_meanwhile(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.jpg", "one"));
    box_commit(b);
    struct tree_box *o = tree_box_join(b, "other");
    box_follow(o);
    store_fault_fail(b->store, FAULT_PUT, "files/", 1, 0, -EIO);
    ok(box_rename(b, "a.jpg", "a.html", 0));
    run(b, 1);
    ok(box_truncate(o, "a.jpg", 0));
    box_commit(o);
    box_follow(b);
    store_fault_clear(b->store);
    box_commit(b);
    box_follow(o);
    assert_int_equal(b->tree->pending_rows, 0);
    assert_view(o, "a.html=");
    is_sound(b);
    tree_box_free(o);
}

/* GLib: fsync of the temporary name, then the rename: only then is it known what it is. */
static void a_durable_temporary_name_gets_its_type_later(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, ".goutputstream-AB12CD", "bytes"));
    ok(box_fsync(b, ".goutputstream-AB12CD"));
    has(b, ".goutputstream-AB12CD", "", MIME_UNKNOWN);
    ok(box_rename(b, ".goutputstream-AB12CD", "a.jpg", 0));
    box_commit(b);
    has(b, "a.jpg", ".jpg", "image/jpeg");
}

static void removed_while_it_moves(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.jpg", "bytes"));
    box_commit(b);
    store_fault_fail(b->store, FAULT_PUT, "files/", 1, 0, -EIO);
    ok(box_rename(b, "a.jpg", "a.html", 0));
    run(b, 1);
    ok(box_unlink(b, "a.html"));
    store_fault_clear(b->store);
    box_commit(b);
    run(b, 30);
    assert_int_equal(b->tree->pending_rows, 0);
    assert_view(b, "");
    assert_int_equal(spool_files(b->spool), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_rules, tree_box_teardown)

int main(void) {
    static const char database[] = "50:image/jpeg:*.jpg\n50:text/html:*.html\n50:text/plain:*.txt\n50:application/gzip:*.gz\n"
                                   "50:application/x-compressed-tar:*.tar.gz\n50:text/x-makefile:makefile\n";
    const struct CMUnitTest tests[] = {
        TEST(key_and_type_go_by_the_name),
        TEST(one_object_for_each_extension),
        TEST(a_new_extension_is_a_new_object),
        TEST(back_again_needs_no_object),
        TEST(the_same_extension_is_the_same_object),
        TEST(one_fitting_name_of_several_is_enough),
        TEST(renamed_while_it_moves),
        TEST(written_while_it_moves),
        TEST(a_restart_goes_on),
        TEST(another_host_writes_it_meanwhile),
        TEST(another_host_empties_it_meanwhile),
        TEST(a_durable_temporary_name_gets_its_type_later),
        TEST(removed_while_it_moves),
    };
    rules = name_rules_new(NULL, NULL);
    mime = mime_new();
    mime_add_globs2(mime, database, strlen(database));
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    name_rules_free(rules);
    mime_free(mime);
    return r;
}
