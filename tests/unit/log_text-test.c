/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/log_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_text(const char *json, const char *expected) {
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    log_text(json, &b);
    assert_string_equal(b.len ? buf_str(&b) : "", expected);
}

static void the_head_is_one_line_in_its_own_order(void **state) {
    (void)state;
    assert_text("{\"host\":\"desk\",\"sequence\":12,\"time\":1795318650455227333,\"user\":\"alice\","
                "\"message\":\"hi\"}",
                "12  2026-11-22T03:37:30Z  alice@desk  hi\n");
}

static void names_are_new_gone_or_lead_elsewhere(void **state) {
    (void)state;
    assert_text("{\"sequence\":3,\"changes\":[{\"names\":[{\"parent\":1,\"name\":\"a\",\"was\":0,\"now\":7},"
                "{\"parent\":1,\"name\":\"b\",\"was\":7,\"now\":0},{\"parent\":1,\"name\":\"c\",\"was\":7,"
                "\"now\":8}],"
                "\"inodes\":[{\"ino\":7}]}]}",
                "3\n    + a\n    - b\n    * c\n");
}

static void an_inode_is_shown_where_no_name_changed(void **state) {
    (void)state;
    assert_text("{\"sequence\":3,\"changes\":[{\"names\":[],\"inodes\":[{\"ino\":7,\"key\":\"files/"
                "x\"},{\"ino\":8}]}]}",
                "3\n    ~ 7 files/x\n    ~ 8\n");
}

static void each_change_is_shown(void **state) {
    (void)state;
    assert_text(
        "{\"sequence\":3,\"changes\":[{\"names\":[{\"name\":\"a\",\"was\":0,\"now\":7}],\"inodes\":[]},"
        "{\"names\":[{\"name\":\"b\",\"was\":0,\"now\":8}],\"inodes\":[]}]}",
        "3\n    + a\n    + b\n");
}

static void odd_names_stay_inside_their_line(void **state) {
    (void)state;
    assert_text(
        "{\"sequence\":3,\"changes\":[{\"names\":[{\"name\":\"}],\\\"\\u001b\\\\\",\"was\":0,\"now\":7}]}]}",
        "3\n    + }],\"\\u001b\\\n");
}

static void void_entries_and_the_first_one_are_named(void **state) {
    (void)state;
    assert_text("{\"sequence\":3,\"void\":true}", "3\n    void: nobody can read it, it has no effect\n");
    assert_text("{\"sequence\":1,\"volume\":true,\"changes\":[]}", "1\n    the volume was made\n");
    assert_text("{\"sequence\":1,\"volume\":false,\"changes\":[]}", "1\n");
}

static void what_is_no_object_is_given_as_it_is(void **state) {
    (void)state;
    assert_text("void", "void\n");
}

static void cut_off_lines_end_quietly(void **state) {
    (void)state;
    static const char line[] =
        "{\"sequence\":3,\"changes\":[{\"names\":[{\"name\":\"\\\"a\",\"was\":0,\"now\":7}]}]}";
    for (size_t n = 1; n < sizeof line - 1; n++) {
        CLEANUP_BUF struct buf b = BUF_INIT(65536);
        CLEANUP_FREE char *cut = xstrndup(line, n);
        log_text(cut, &b);
        assert_int_equal(b.err, 0);
        assert_true(b.len < 64);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_is_one_line_in_its_own_order),
        cmocka_unit_test(names_are_new_gone_or_lead_elsewhere),
        cmocka_unit_test(an_inode_is_shown_where_no_name_changed),
        cmocka_unit_test(each_change_is_shown),
        cmocka_unit_test(odd_names_stay_inside_their_line),
        cmocka_unit_test(void_entries_and_the_first_one_are_named),
        cmocka_unit_test(what_is_no_object_is_given_as_it_is),
        cmocka_unit_test(cut_off_lines_end_quietly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
