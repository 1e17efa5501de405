/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An object is put by a rule, to see whether it can be.
 */
#include "tree/area_set.h"
#include "tree/area_trial.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct answer {
    bool there;
    int err;
    char why[256];
};

static void answered(void *arg, int err, const char *why) {
    struct answer *a = arg;
    a->there = true;
    a->err = err;
    snprintf(a->why, sizeof a->why, "%s", why ? why : "");
}

static void set(struct tree_box *b, const char *path, const char *words) {
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    CLEANUP_FREE char *note = NULL;
    if (tree_area_set(b->tree, path, words, &note, &why) < 0)
        fail_msg("%s", buf_str(&why));
}

static struct answer try(struct tree_box *b, const char *path) {
    struct answer a = {0};
    assert_int_equal(tree_area_try(b->tree, path, answered, &a), 0);
    sim_run(b->sim, NS_PER_S);
    assert_true(a.there);
    return a;
}

static void an_object_is_put_by_the_rule(void **st) {
    struct tree_box *b = *st;
    size_t before;
    set(b, "public", "access=open key=p/{sha256}{ext} class=STANDARD_IA meta.owner=me");
    box_commit(b);
    before = mem_bucket_count(b->bucket, "");
    assert_int_equal(try(b, "/public/").err, 0);
    assert_int_equal(mem_bucket_count(b->bucket, "p/"), 1);
    assert_int_equal(mem_bucket_count(b->bucket, ""), before + 1);
    assert_int_equal(try(b, "public").err, 0); /* it is there: that is as good */
    assert_int_equal(try(b, "public/below").err, 0);
    assert_int_equal(mem_bucket_count(b->bucket, ""), before + 1);
    assert_int_equal(try(b, "elsewhere").err, 0);
    assert_int_equal(mem_bucket_count(b->bucket, "files/"), 1);
}

static void what_is_refused_is_told(void **st) {
    struct tree_box *b = *st;
    set(b, "public", "access=open");
    store_fault_add(b->store, &(struct fault_rule){.kind = FAULT_FAIL, .ops = FAULT_PUT, .prefix = "public/", .err = -EACCES, .why = "the writer may not"});
    struct answer a = try(b, "public");
    assert_int_equal(a.err, -EACCES);
    assert_string_equal(a.why, "the writer may not");
    assert_int_equal(mem_bucket_count(b->bucket, "public/"), 0);
}

static void what_is_no_path_is_not_tried(void **st) {
    struct tree_box *b = *st;
    struct answer a = {0};
    assert_int_equal(tree_area_try(b->tree, "a/../b", answered, &a), -EINVAL);
    sim_run(b->sim, NS_PER_S);
    assert_false(a.there);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_object_is_put_by_the_rule),
        TEST(what_is_refused_is_told),
        TEST(what_is_no_path_is_not_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
