/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/header_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void lines_are_taken(void **state) {
    (void)state;
    static const char text[] =
        "# of the authoriser\r\n\r\nX-Token:  a b  \r\nx-other:c\n\n  \nAuthorization: Bearer x#y";
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct header_lines h = {0};
    assert_int_equal(header_file_parse(text, strlen(text), &h, &why), 0);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.lines[0], "X-Token: a b");
    assert_string_equal(h.lines[1], "x-other: c");
    assert_string_equal(h.lines[2], "Authorization: Bearer x#y");
    assert_true(header_lines_have(&h, "X-OTHER"));
    assert_false(header_lines_have(&h, "X"));
    header_lines_free(&h);
    assert_int_equal(h.n, 0);
}

static void an_empty_file_has_none(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct header_lines h = {.n = 7};
    assert_int_equal(header_file_parse("", 0, &h, &why), 0);
    assert_int_equal(h.n, 0);
}

static void assert_refused(const char *p, size_t n, const char *says) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct header_lines h = {.n = 7};
    assert_int_equal(header_file_parse(p, n, &h, &why), -EINVAL);
    assert_int_equal(h.n, 7);
    if (!strstr(buf_str(&why), says))
        fail_msg("nothing about '%s' in: %s", says, buf_str(&why));
    assert_null(strstr(buf_str(&why), "geheim"));
}

static void what_is_no_header_is_refused_by_its_line(void **state) {
    (void)state;
    assert_refused("geheim", 6, "line 1 is not");
    assert_refused("A: b\ngeheim: ", 13, "line 2 has no value");
    assert_refused("A: b\n\n c: geheim", 16, "line 3 is not");
    assert_refused("A b: geheim", 11, "line 1 is not");
    assert_refused(": geheim", 8, "line 1 is not");
    assert_refused("A: geheim\0x", 11, "control character");
    assert_refused("A: geheim\rX: y", 14, "control character");
    assert_refused("A: geheim\x1bx", 11, "control character");
}

static void own_headers_are_not_replaced(void **state) {
    (void)state;
    static const char *const own[] = {"Host: geheim",         "range: geheim",
                                      "CONTENT-LENGTH: 7",    "Content-Anything: geheim",
                                      "transfer-encoding: x", "Accept-Encoding: br"};
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        assert_refused(own[i], strlen(own[i]), "assetfs sends itself");
}

static void too_much_is_refused(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < HEADER_LINES_MAX + 1; i++)
        buf_append_str(&b, "A: b\n");
    assert_refused((const char *)b.data, b.len, "line 33 is one header too many");
    buf_reset(&b);
    while (b.len <= HEADER_FILE_MAX)
        buf_append_str(&b, "# 1234567890\n");
    assert_refused((const char *)b.data, b.len, "longer than");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken),
        cmocka_unit_test(an_empty_file_has_none),
        cmocka_unit_test(what_is_no_header_is_refused_by_its_line),
        cmocka_unit_test(own_headers_are_not_replaced),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
