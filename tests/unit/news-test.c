/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is told of each path. With real programs and addresses: tests/sh/follow.sh.
 */
#include "tree/news.h"
#include "tree_box.h"

#include <linux/fs.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ok(int r) {
    assert_int_equal(r, 0);
}

/* "change path < from" and a sign, a line each: "!" another object, "=" the same, "+" only now, "-" only
 * before, "." none. */
static void append(void *arg, const struct news *n) {
    const char *sign = n->was && n->now ? strcmp(n->was, n->now) ? "!" : "="
                       : n->was         ? "-"
                       : n->now         ? "+"
                                        : ".";
    buf_printf(arg, "%s %s%s%s %s\n", n->change, n->path, n->from ? " < " : "", n->from ? n->from : "", sign);
}

static struct news_cursor at;

static void begin(struct tree_box *b) {
    at = (struct news_cursor){.since = tree_sequence(b->tree)};
}

static void told(struct tree_box *b, const char *want) {
    CLEANUP_BUF struct buf got = BUF_INIT(1 << 20);
    uint64_t floor;
    buf_append_str(&got, "");
    while (tree_news(b->tree, &at, &floor, append, &got) > 0)
        ;
    assert_string_equal(got.len ? buf_str(&got) : "", want);
}

static void files_come_change_and_go(void **st) {
    struct tree_box *b = *st;
    begin(b);
    ok(box_put(b, "a.txt", "one"));
    ok(box_mkdir(b, "d"));
    box_commit(b);
    told(b, "added /a.txt +\n");
    ok(box_put(b, "a.txt", "two"));
    box_commit(b);
    told(b, "replaced /a.txt !\n");
    ok(box_unlink(b, "a.txt"));
    box_commit(b);
    told(b, "removed /a.txt -\n");
}

static void what_has_no_content_is_not_told(void **st) {
    struct tree_box *b = *st;
    begin(b);
    ok(box_put(b, "empty", ""));
    ok(box_mkdir(b, "d"));
    box_commit(b);
    ok(box_rename(b, "empty", "d/empty", 0));
    box_commit(b);
    told(b, "");
}

static void a_rename_is_a_move(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.txt", "one"));
    box_commit(b);
    begin(b);
    ok(box_rename(b, "a.txt", "b.txt", 0));
    box_commit(b);
    told(b, "moved /b.txt < /a.txt =\nremoved /a.txt -\n");
}

static void a_rename_over_a_file_replaces_it(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.txt", "one"));
    ok(box_put(b, "b.txt", "two"));
    box_commit(b);
    begin(b);
    ok(box_rename(b, "b.txt", "a.txt", 0));
    box_commit(b);
    told(b, "replaced /a.txt < /b.txt !\nremoved /b.txt -\n");
}

static void an_exchange_replaces_both(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.txt", "one"));
    ok(box_put(b, "b.txt", "two"));
    box_commit(b);
    begin(b);
    ok(box_rename(b, "a.txt", "b.txt", RENAME_EXCHANGE));
    box_commit(b);
    told(b, "replaced /a.txt < /b.txt !\nreplaced /b.txt < /a.txt !\n");
}

static void a_directory_moves_as_a_whole(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_mkdir(b, "d/e"));
    ok(box_put(b, "d/e/f.txt", "one"));
    box_commit(b);
    begin(b);
    ok(box_rename(b, "d", "x", 0));
    box_commit(b);
    told(b, "moved /x < /d .\n");
    ok(box_put(b, "x/e/f.txt", "two"));
    box_commit(b);
    told(b, "replaced /x/e/f.txt !\n");
}

static void all_names_of_a_file_are_told(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.txt", "one"));
    ok(box_link(b, "a.txt", "b.txt"));
    box_commit(b);
    begin(b);
    ok(box_put(b, "b.txt", "two"));
    box_commit(b);
    told(b, "replaced /a.txt !\nreplaced /b.txt !\n");
}

static void files_of_removed_directories_have_their_paths(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_mkdir(b, "d/e"));
    ok(box_put(b, "d/e/f.txt", "one"));
    box_commit(b);
    begin(b);
    ok(box_unlink(b, "d/e/f.txt"));
    ok(box_rmdir(b, "d/e"));
    ok(box_rmdir(b, "d"));
    box_commit(b);
    told(b, "removed /d/e/f.txt -\n");
}

static void others_changes_are_told(void **st) {
    struct tree_box *b = *st;
    struct tree_box *o = tree_box_join(b, "other");
    begin(b);
    ok(box_put(o, "a.txt", "one"));
    box_commit(o);
    box_follow(b);
    told(b, "added /a.txt +\n");
    tree_box_free(o);
}

static void they_outlast_an_unmount(void **st) {
    struct tree_box *b = *st;
    begin(b);
    ok(box_put(b, "a.txt", "one"));
    box_commit(b);
    tree_box_reopen(b);
    told(b, "added /a.txt +\n");
}

static void what_came_before_is_not_known(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "a.txt", "one"));
    box_commit(b);
    struct tree_box *o = tree_box_join(b, "other");
    uint64_t floor = 0;
    at = (struct news_cursor){.since = 1};
    assert_int_equal(tree_news(o->tree, &at, &floor, append, NULL), -ESTALE);
    assert_in_range(floor, 2, tree_sequence(o->tree));
    at = (struct news_cursor){.since = floor};
    told(o, "");
    tree_box_free(o);
}

#define T(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(files_come_change_and_go),
        T(what_has_no_content_is_not_told),
        T(a_rename_is_a_move),
        T(a_rename_over_a_file_replaces_it),
        T(an_exchange_replaces_both),
        T(a_directory_moves_as_a_whole),
        T(all_names_of_a_file_are_told),
        T(files_of_removed_directories_have_their_paths),
        T(others_changes_are_told),
        T(they_outlast_an_unmount),
        T(what_came_before_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
