/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void lengths_at_the_borders_of_the_forms(void **state) {
    (void)state;
    assert_int_equal(utf8_char("\0", 1), 1);
    assert_int_equal(utf8_char("\x7f", 1), 1);
    assert_int_equal(utf8_char("\xc2\x80", 2), 2);
    assert_int_equal(utf8_char("\xdf\xbf", 2), 2);
    assert_int_equal(utf8_char("\xe0\xa0\x80", 3), 3);
    assert_int_equal(utf8_char("\xed\x9f\xbf", 3), 3);
    assert_int_equal(utf8_char("\xee\x80\x80", 3), 3);
    assert_int_equal(utf8_char("\xef\xbf\xbf", 3), 3);
    assert_int_equal(utf8_char("\xf0\x90\x80\x80", 4), 4);
    assert_int_equal(utf8_char("\xf4\x8f\xbf\xbf", 4), 4);
}

static void what_is_no_character(void **state) {
    (void)state;
    const char *const bad[] = {
        "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",         "\xc3\x28",     "\xe2\x82\x28",     "\xf0\x90\x80\x28"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(utf8_char(bad[i], strlen(bad[i])), 0);
}

static void a_character_cut_off(void **state) {
    (void)state;
    assert_int_equal(utf8_char("", 0), 0);
    assert_int_equal(utf8_char("\xf0\x90\x80\x80", 3), 0);
    assert_int_equal(utf8_char("\xe2\x82\xac", 2), 0);
    assert_int_equal(utf8_char("\xc3\xbc", 1), 0);
}

static void only_the_first_character_counts(void **state) {
    (void)state;
    assert_int_equal(utf8_char("a\xff", 2), 1);
    assert_int_equal(utf8_char("\xc3\xbc\xff", 3), 2);
}

static void whole_texts(void **state) {
    (void)state;
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("Gr\xc3\xbc\xc3\x9f\0e", 8));
    assert_false(utf8_valid("Gr\xfc\xdf", 4));
    assert_false(utf8_valid("abc\xc3", 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_at_the_borders_of_the_forms),
        cmocka_unit_test(what_is_no_character),
        cmocka_unit_test(a_character_cut_off),
        cmocka_unit_test(only_the_first_character_counts),
        cmocka_unit_test(whole_texts),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
