/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Objects go by the rules of the areas that their names lie in.
 */
#include "base/mime.h"
#include "tree/area_set.h"
#include "tree/home.h"
#include "tree/name_kind.h"
#include "tree_box.h"
#include <linux/fs.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct name_rules *rules;
static struct mime *mime;

static void ok(int r) {
    assert_int_equal(r, 0);
}

static void set(struct tree_box *b, const char *path, const char *words) {
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    CLEANUP_FREE char *note = NULL;
    if (tree_area_set(b->tree, path, words, &note, &why) < 0)
        fail_msg("%s", buf_str(&why));
}

/* public/ is open, domains/ signed. */
static int with_areas(void **st) {
    struct tree_box *b = tree_box_new();
    b->cfg.names = rules;
    b->cfg.mime = mime;
    tree_box_reopen(b);
    ok(box_mkdir(b, "public"));
    ok(box_mkdir(b, "public/deep"));
    ok(box_mkdir(b, "domains"));
    set(b, "public", "access=open meta.owner=me");
    set(b, "domains", "access=signed class=STANDARD_IA cache-control=no-cache");
    box_commit(b);
    *st = b;
    return 0;
}

static char *key_of(struct tree_box *b, const char *path) {
    struct truth t;
    ok(names_truth(b->tree, box_ino(b, path), &t));
    return t.key;
}

static void key_begins(struct tree_box *b, const char *path, const char *begin) {
    CLEANUP_FREE char *key = key_of(b, path);
    assert_non_null(key);
    if (strncmp(key, begin, strlen(begin)) != 0)
        fail_msg("%s is at %s, not below %s", path, key, begin);
    assert_true(mem_bucket_has(b->bucket, key));
}

static void header_is(struct tree_box *b, const char *path, const char *name, const char *want) {
    CLEANUP_FREE char *key = key_of(b, path);
    const char *is = mem_bucket_header(b->bucket, key, name);
    if (want)
        assert_string_equal(is, want);
    else
        assert_null(is);
}

static size_t objects(struct tree_box *b) {
    return mem_bucket_count(b->bucket, "") - mem_bucket_count(b->bucket, ".assetfs/");
}

static void is_sound(struct tree_box *b) {
    CLEANUP_FREE char *wrong = tree_box_wrong(b);
    if (wrong)
        fail_msg("%s", wrong);
    assert_int_equal(spool_files(b->spool), 0);
}

static void the_rule_decides_key_and_headers(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "public/a.jpg", "a"));
    ok(box_put(b, "public/deep/page.html", "b"));
    ok(box_put(b, "domains/cv.txt", "c"));
    ok(box_put(b, "rest.html", "d"));
    box_commit(b);
    key_begins(b, "public/a.jpg", "public/");
    key_begins(b, "public/deep/page.html", "public/");
    key_begins(b, "domains/cv.txt", "domains/");
    key_begins(b, "rest.html", "files/");
    header_is(b, "public/a.jpg", "Cache-Control", AREA_CACHE_CONTROL);
    header_is(b, "public/a.jpg", "Content-Disposition", NULL);
    header_is(b, "public/a.jpg", "x-amz-meta-owner", "me");
    header_is(b, "public/deep/page.html", "Content-Disposition", "attachment");
    header_is(b, "domains/cv.txt", "Cache-Control", "no-cache");
    header_is(b, "domains/cv.txt", "x-amz-storage-class", "STANDARD_IA");
    header_is(b, "rest.html", "Cache-Control", AREA_CACHE_CONTROL);
    header_is(b, "rest.html", "Content-Disposition", NULL); /* not open */
    is_sound(b);
}

static void one_object_for_each_area(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "public/a.jpg", "same"));
    ok(box_put(b, "public/deep/b.jpg", "same"));
    ok(box_put(b, "domains/c.jpg", "same"));
    ok(box_put(b, "d.jpg", "same"));
    box_commit(b);
    assert_int_equal(objects(b), 3);
    is_sound(b);
}

static void a_file_in_another_area_is_another_object(void **st) {
    struct tree_box *b = *st, *o = tree_box_join(b, "other");
    ok(box_put(b, "public/a.jpg", "bytes"));
    box_commit(b);
    box_follow(o);
    store_fault_fail(b->store, FAULT_PUT, "domains/", 1, 0, -EIO);
    ok(box_rename(b, "public/a.jpg", "domains/a.jpg", 0));
    assert_view(b, "domains/ domains/a.jpg=bytes public/ public/deep/");
    sim_run(b->sim, 5 * NS_PER_S);
    box_follow(o);
    assert_view(o, "domains/ public/ public/a.jpg=bytes public/deep/"); /* until the object is there */
    store_fault_clear(b->store);
    box_commit(b);
    box_follow(o);
    assert_view(o, "domains/ domains/a.jpg=bytes public/ public/deep/");
    key_begins(o, "domains/a.jpg", "domains/");
    header_is(b, "domains/a.jpg", "x-amz-storage-class", "STANDARD_IA");
    assert_int_equal(objects(b), 2);
    ok(box_rename(b, "domains/a.jpg", "public/b.jpg", 0)); /* back: it is there already */
    box_commit(b);
    key_begins(b, "public/b.jpg", "public/");
    assert_int_equal(objects(b), 2);
    is_sound(b);
    tree_box_free(o);
}

static void files_change_places_across_areas(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "public/a", "one"));
    ok(box_put(b, "domains/b", "two"));
    box_commit(b);
    ok(box_rename(b, "public/a", "domains/b", RENAME_EXCHANGE));
    box_commit(b);
    assert_view(b, "domains/ domains/b=one public/ public/a=two public/deep/");
    key_begins(b, "public/a", "public/");
    key_begins(b, "domains/b", "domains/");
    is_sound(b);
}

static void directories_do_not_cross(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "x"));
    ok(box_mkdir(b, "public/y"));
    assert_int_equal(box_rename(b, "x", "public/x", 0), -EXDEV);
    assert_int_equal(box_rename(b, "public/y", "domains/y", 0), -EXDEV);
    assert_int_equal(box_rename(b, "public/y", "y", 0), -EXDEV);
    assert_int_equal(box_rename(b, "public", "p", 0), -EXDEV); /* the area itself */
    assert_int_equal(box_rename(b, "public/y", "x", RENAME_EXCHANGE), -EXDEV);
    ok(box_rename(b, "public/y", "public/deep/y", 0));
    ok(box_rename(b, "x", "z", 0));
    set(b, "z/inner/area", "access=signed");
    assert_int_equal(box_rename(b, "z", "x", 0), -EXDEV); /* it has an area in it */
    box_commit(b);
    is_sound(b);
}

static void links_do_not_cross(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "public/a", "bytes"));
    assert_int_equal(box_link(b, "public/a", "domains/a"), -EXDEV);
    assert_int_equal(box_link(b, "public/a", "a"), -EXDEV);
    ok(box_link(b, "public/a", "public/deep/a"));
    assert_int_equal(box_rename(b, "public/a", "domains/a", 0), -EXDEV); /* its other name stays */
    ok(box_symlink(b, "s", "x"));
    ok(box_rename(b, "s", "public/s", 0));
    box_commit(b);
    is_sound(b);
}

static void a_new_rule_is_for_new_objects(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "public/a.jpg", "old"));
    box_commit(b);
    set(b, "public", "access=open key=v2/{sha256}{ext}");
    ok(box_put(b, "public/b.jpg", "new"));
    ok(box_rename(b, "public/a.jpg", "public/deep/c.jpg", 0)); /* the same area: it stays where it is */
    ok(box_chmod(b, "public/deep/c.jpg", 0600));
    box_commit(b);
    key_begins(b, "public/deep/c.jpg", "public/");
    key_begins(b, "public/b.jpg", "v2/");
    assert_int_equal(objects(b), 2);
    is_sound(b);
}

static void done(void *arg, int err) {
    ok(err);
    ++*(int *)arg;
}

static void apply_brings_older_objects_home(void **st) {
    struct tree_box *b = *st, *o = tree_box_join(b, "other");
    struct tree_wait *w;
    int ended = 0;
    ok(box_put(b, "public/a.jpg", "old"));
    ok(box_create(b, "public/empty"));
    box_commit(b);
    set(b, "public", "access=open key=v2/{sha256}{ext}");
    box_commit(b);
    box_follow(o);
    assert_int_equal(tree_area_apply(b->tree, box_ino(b, "public/a.jpg"), done, &ended, &w), 1);
    assert_non_null(w);
    sim_run(b->sim, 5 * NS_PER_S);
    assert_int_equal(ended, 1);
    key_begins(b, "public/a.jpg", "v2/");
    assert_int_equal(tree_area_apply(b->tree, box_ino(b, "public/a.jpg"), done, &ended, &w), 0);
    assert_int_equal(tree_area_apply(b->tree, box_ino(b, "public/empty"), done, &ended, &w), 0);
    assert_int_equal(tree_area_apply(b->tree, box_ino(b, "public"), done, &ended, &w), 0);
    box_follow(o);
    key_begins(o, "public/a.jpg", "v2/");
    assert_int_equal(objects(b), 2);
    is_sound(b);
    tree_box_free(o);
}

static void apply_goes_on_after_a_restart(void **st) {
    struct tree_box *b = *st;
    struct tree_wait *w;
    int ended = 0;
    ok(box_put(b, "public/a.jpg", "old"));
    box_commit(b);
    set(b, "public", "access=open key=v2/{sha256}{ext}");
    box_commit(b);
    store_fault_fail(b->store, FAULT_PUT, "v2/", 1, 0, -EIO);
    assert_int_equal(tree_area_apply(b->tree, box_ino(b, "public/a.jpg"), done, &ended, &w), 1);
    sim_run(b->sim, NS_PER_S);
    tree_sync_cancel(b->tree, w);
    tree_box_reopen(b);
    store_fault_clear(b->store);
    box_commit(b);
    key_begins(b, "public/a.jpg", "v2/");
    assert_int_equal(ended, 0);
    is_sound(b);
}

static void a_key_with_a_time_is_made_once(void **st) {
    struct tree_box *b = *st;
    set(b, "public", "access=open key=t/{timestamp}-{sha256}{ext}");
    ok(box_put(b, "public/a.jpg", "same"));
    box_commit(b);
    sim_run(b->sim, 100 * NS_PER_S);
    ok(box_put(b, "public/b.jpg", "same"));
    box_commit(b);
    CLEANUP_FREE char *a = key_of(b, "public/a.jpg"), *c = key_of(b, "public/b.jpg");
    assert_string_equal(a, c);
    assert_int_equal(objects(b), 1);
    ok(box_rename(b, "public/b.jpg", "public/deep/c.jpg", 0));
    box_commit(b);
    key_begins(b, "public/deep/c.jpg", a);
    is_sound(b);
}

static void a_rule_that_comes_while_a_file_waits(void **st) {
    struct tree_box *b = *st;
    store_fault_fail(b->store, FAULT_PUT, "public/", 1, 0, -EIO);
    ok(box_put(b, "public/a.jpg", "bytes"));
    sim_run(b->sim, 3 * NS_PER_S);
    set(b, "public", "access=open key=v2/{sha256}{ext}");
    store_fault_clear(b->store);
    box_commit(b);
    assert_view(b, "domains/ public/ public/a.jpg=bytes public/deep/");
    key_begins(b, "public/a.jpg", "public/"); /* hashed under the rule before it */
    is_sound(b);
}

static void the_area_goes_and_the_files_stay(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "public/a.jpg", "bytes"));
    box_commit(b);
    set(b, "public", NULL);
    ok(box_put(b, "public/b.jpg", "others"));
    box_commit(b);
    key_begins(b, "public/a.jpg", "public/");
    key_begins(b, "public/b.jpg", "files/");
    ok(box_rename(b, "public", "p", 0));
    box_commit(b);
    is_sound(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_areas, tree_box_teardown)

int main(void) {
    static const char database[] = "50:image/jpeg:*.jpg\n50:text/html:*.html\n50:text/plain:*.txt\n";
    const struct CMUnitTest tests[] = {
        TEST(the_rule_decides_key_and_headers),
        TEST(one_object_for_each_area),
        TEST(a_file_in_another_area_is_another_object),
        TEST(files_change_places_across_areas),
        TEST(directories_do_not_cross),
        TEST(links_do_not_cross),
        TEST(a_new_rule_is_for_new_objects),
        TEST(apply_brings_older_objects_home),
        TEST(apply_goes_on_after_a_restart),
        TEST(a_key_with_a_time_is_made_once),
        TEST(a_rule_that_comes_while_a_file_waits),
        TEST(the_area_goes_and_the_files_stay),
    };
    rules = name_rules_new(NULL, NULL);
    mime = mime_new();
    mime_add_globs2(mime, database, strlen(database));
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    name_rules_free(rules);
    mime_free(mime);
    return r;
}
