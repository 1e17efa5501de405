/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void append_grows(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_append(&b, "0123456789", 10), 0);
    assert_int_equal(b.len, 10000);
    assert_memory_equal(b.data + 9990, "0123456789", 10);
}

static void ceiling_can_be_reached_and_not_passed(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(4);
    assert_int_equal(buf_append(&b, "abcd", 4), 0);
    assert_string_equal(buf_str(&b), "abcd");
    assert_int_equal(buf_append_byte(&b, 'e'), -EFBIG);
    assert_int_equal(b.len, 4);
}

static void error_sticks(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(4);
    assert_int_equal(buf_append_str(&b, "too long"), -EFBIG);
    assert_int_equal(buf_append_str(&b, "a"), -EFBIG);
    assert_int_equal(b.err, -EFBIG);
    assert_null(buf_str(&b));
    assert_null(buf_take(&b, NULL));
}

static void reset_clears_the_error_and_keeps_the_memory(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(4);
    buf_append_str(&b, "abc");
    unsigned char *data = b.data;
    buf_append_str(&b, "def");
    buf_reset(&b);
    assert_int_equal(buf_append_str(&b, "xyz"), 0);
    assert_ptr_equal(b.data, data);
    assert_string_equal(buf_str(&b), "xyz");
}

static void huge_request_is_refused_not_wrapped(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(SIZE_MAX);
    assert_int_equal(buf_append_str(&b, "a"), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -EFBIG);
}

/* What was freed is looked at no more; what has moved is the only thing to see. */
static void a_secret_keeps_its_bytes_where_it_grows(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_SECRET(1 << 20);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_append(&b, "0123456789", 10), 0);
    assert_int_equal(b.len, 10000);
    for (size_t i = 0; i < b.len; i += 10)
        assert_memory_equal(b.data + i, "0123456789", 10);
    buf_wipe(&b);
    assert_null(b.data);
}

static void nothing_of_nothing_may_be_null(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(0);
    assert_int_equal(buf_append(&b, NULL, 0), 0);
    assert_string_equal(buf_str(&b), "");
}

static void printf_appends(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(100);
    buf_append_str(&b, "n=");
    assert_int_equal(buf_printf(&b, "%d %s", 42, "x"), 0);
    assert_string_equal(buf_str(&b), "n=42 x");
}

static void printf_honours_the_ceiling(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(5);
    assert_int_equal(buf_printf(&b, "%s", "12345"), 0);
    assert_int_equal(buf_printf(&b, "%d", 6), -EFBIG);
}

static void take_hands_the_memory_over(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(10);
    size_t n;
    buf_append_str(&b, "abc");
    CLEANUP_FREE unsigned char *p = buf_take(&b, &n);
    assert_int_equal(n, 3);
    assert_string_equal((char *)p, "abc");
    assert_null(b.data);
    assert_int_equal(buf_append_str(&b, "more"), 0);
}

static void take_of_an_empty_buffer_is_a_string(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(10);
    CLEANUP_FREE unsigned char *p = buf_take(&b, NULL);
    assert_string_equal((char *)p, "");
}

static void free_may_be_repeated(void **state) {
    (void)state;
    struct buf b = BUF_INIT(10);
    buf_append_str(&b, "abc");
    buf_free(&b);
    buf_free(&b);
    buf_wipe(&b);
    assert_null(b.data);
}

static void assert_json(const char *s, size_t n, const char *want) {
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    assert_int_equal(buf_append_json(&b, s, n), 0);
    assert_string_equal(buf_str(&b), want);
}

static void json_escapes(void **state) {
    (void)state;
    assert_json("", 0, "\"\"");
    assert_json("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    assert_json("\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\"");
    assert_json("\0\x1f\x7f", 3, "\"\\u0000\\u001f\\u007f\"");
}

static void json_keeps_utf8(void **state) {
    (void)state;
    assert_json("Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15,
                "\"Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

static void json_escapes_what_is_not_utf8(void **state) {
    (void)state;
    assert_json("a\xfc", 2, "\"a\\u00fc\"");
    assert_json("\xc3", 1, "\"\\u00c3\"");                                  /* cut off */
    assert_json("\xc0\x80", 2, "\"\\u00c0\\u0080\"");                       /* overlong */
    assert_json("\xed\xa0\x80", 3, "\"\\u00ed\\u00a0\\u0080\"");            /* surrogate */
    assert_json("\xf4\x90\x80\x80", 4, "\"\\u00f4\\u0090\\u0080\\u0080\""); /* above U+10FFFF */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_grows),
        cmocka_unit_test(ceiling_can_be_reached_and_not_passed),
        cmocka_unit_test(error_sticks),
        cmocka_unit_test(reset_clears_the_error_and_keeps_the_memory),
        cmocka_unit_test(huge_request_is_refused_not_wrapped),
        cmocka_unit_test(a_secret_keeps_its_bytes_where_it_grows),
        cmocka_unit_test(nothing_of_nothing_may_be_null),
        cmocka_unit_test(printf_appends),
        cmocka_unit_test(printf_honours_the_ceiling),
        cmocka_unit_test(take_hands_the_memory_over),
        cmocka_unit_test(take_of_an_empty_buffer_is_a_string),
        cmocka_unit_test(free_may_be_repeated),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(json_keeps_utf8),
        cmocka_unit_test(json_escapes_what_is_not_utf8),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
