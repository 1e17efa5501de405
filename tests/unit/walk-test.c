/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files that follow one, in both orders that programs read trees in.
 */
#include "tree/walk.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ok(int r) {
    assert_int_equal(r, 0);
}

/* a, b/ (with b/x, b/y/, b/y/z), c, d/ (empty), e */
static void make_tree(struct tree_box *b) {
    ok(box_put(b, "a", "1"));
    ok(box_mkdir(b, "b"));
    ok(box_put(b, "b/x", "2"));
    ok(box_mkdir(b, "b/y"));
    ok(box_put(b, "b/y/z", "3"));
    ok(box_put(b, "c", "4"));
    ok(box_mkdir(b, "d"));
    ok(box_put(b, "e", "5"));
}

static const char *name_of(struct tree_box *b, uint64_t ino) {
    static const char *const all[] = {"a", "b/x", "b/y/z", "c", "e", "b/w", "link"};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (box_ino(b, all[i]) == ino)
            return all[i];
    return "?";
}

/* What follows `from`, `at_once` files a call; "a c e|" with the end of the tree as "|". */
static void follows(struct tree_box *b, const char *from, bool files_first, size_t at_once, const char *want) {
    struct walk w;
    struct walk_file f[16];
    CLEANUP_BUF struct buf text = BUF_INIT(4096);
    bool end = false;
    ok(walk_to(b->tree, box_ino(b, from), &w));
    w.files_first = files_first;
    for (int calls = 0; !end && calls < 32; calls++) {
        size_t n = walk_next(b->tree, &w, f, at_once, &end);
        for (size_t i = 0; i < n; i++) {
            buf_printf(&text, "%s%s", text.len ? " " : "", name_of(b, f[i].ino));
            content_unref(f[i].content);
        }
    }
    buf_append_str(&text, end ? "|" : "");
    assert_string_equal(buf_str(&text), want);
}

static void subdirectories_where_they_stand(void **st) {
    make_tree(*st);
    follows(*st, "a", false, 16, "b/x b/y/z c e|");
    follows(*st, "b/y/z", false, 16, "c e|");
    follows(*st, "e", false, 16, "|");
}

static void files_before_subdirectories(void **st) {
    make_tree(*st);
    follows(*st, "a", true, 16, "c e b/x b/y/z|");
    follows(*st, "c", true, 16, "e b/x b/y/z|");
    follows(*st, "b/x", true, 16, "b/y/z|");
}

static void one_at_a_time(void **st) {
    make_tree(*st);
    follows(*st, "a", false, 1, "b/x b/y/z c e|");
    follows(*st, "a", true, 1, "c e b/x b/y/z|");
}

static void the_same_when_it_is_committed(void **st) {
    make_tree(*st);
    box_commit(*st);
    follows(*st, "a", false, 3, "b/x b/y/z c e|");
    follows(*st, "a", true, 3, "c e b/x b/y/z|");
}

static void pending_names_stand_over_confirmed_ones(void **st) {
    struct tree_box *b = *st;
    make_tree(b);
    box_commit(b);
    ok(box_unlink(b, "c"));
    ok(box_put(b, "b/w", "new"));
    follows(b, "a", false, 16, "b/w b/x b/y/z e|");
}

static void content_is_given_for_what_is_in_the_bucket_only(void **st) {
    struct tree_box *b = *st;
    struct walk w;
    struct walk_file f[2];
    bool end;
    ok(box_put(b, "a", "1"));
    ok(box_put(b, "c", "in the bucket"));
    box_commit(b);
    ok(box_put(b, "e", "here"));
    ok(walk_to(b->tree, box_ino(b, "a"), &w));
    assert_int_equal(walk_next(b->tree, &w, f, 2, &end), 2);
    assert_int_equal(f[0].content->size, strlen("in the bucket"));
    assert_null(f[1].content);
    content_unref(f[0].content);
}

static void goes_on_where_its_directory_was_removed(void **st) {
    struct tree_box *b = *st;
    struct walk w;
    struct walk_file f[4];
    bool end;
    make_tree(b);
    ok(walk_to(b->tree, box_ino(b, "b/y/z"), &w));
    ok(box_unlink(b, "b/y/z"));
    ok(box_rmdir(b, "b/y"));
    assert_int_equal(walk_next(b->tree, &w, f, 4, &end), 0);
    assert_true(end);
}

static void an_inode_without_a_name(void **st) {
    struct tree_box *b = *st;
    struct walk w;
    ok(box_put(b, "a", "1"));
    uint64_t ino = box_ino(b, "a");
    ok(box_unlink(b, "a"));
    assert_int_equal(walk_to(b->tree, ino, &w), -ENOENT);
}

static void a_long_part_without_files_is_crossed_in_several_calls(void **st) {
    struct tree_box *b = *st;
    struct walk w;
    struct walk_file f;
    bool end = false;
    size_t n = 0;
    ok(box_put(b, "a", "1"));
    for (int i = 0; i < 700; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%04d", i);
        ok(box_mkdir(b, name));
    }
    ok(box_put(b, "e", "2"));
    ok(walk_to(b->tree, box_ino(b, "a"), &w));
    n = walk_next(b->tree, &w, &f, 1, &end);
    assert_int_equal(n, 0);
    assert_false(end);
    for (int calls = 0; n == 0 && !end && calls < 16; calls++)
        n = walk_next(b->tree, &w, &f, 1, &end);
    assert_int_equal(n, 1);
    assert_int_equal(f.ino, box_ino(b, "e"));
    content_unref(f.content);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)
    const struct CMUnitTest tests[] = {
        TEST(subdirectories_where_they_stand),
        TEST(files_before_subdirectories),
        TEST(one_at_a_time),
        TEST(the_same_when_it_is_committed),
        TEST(pending_names_stand_over_confirmed_ones),
        TEST(content_is_given_for_what_is_in_the_bucket_only),
        TEST(goes_on_where_its_directory_was_removed),
        TEST(an_inode_without_a_name),
        TEST(a_long_part_without_files_is_crossed_in_several_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
