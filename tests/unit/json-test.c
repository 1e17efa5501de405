/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_member_a_line(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    struct json j = {.out = &b};
    json_object(&j, NULL);
    json_text(&j, "a", "x\"y");
    json_array(&j, "list");
    json_number(&j, NULL, -3);
    json_object(&j, NULL);
    json_bool(&j, "b", true);
    json_end(&j);
    json_end(&j);
    json_text(&j, "none", NULL);
    json_texts(&j, "short", (const char *const[]){"GET", "HEAD"}, 2);
    json_end(&j);
    assert_string_equal(
        buf_str(&b),
        "{\n  \"a\": \"x\\\"y\",\n  \"list\": [\n    -3,\n    {\n      \"b\": true\n    }\n  ],\n"
        "  \"none\": null,\n  \"short\": [\"GET\", \"HEAD\"]\n}");
}

static void empty_ones_stay_short(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    struct json j = {.out = &b, .margin = 4};
    json_array(&j, NULL);
    json_object(&j, NULL);
    json_end(&j);
    json_texts(&j, NULL, NULL, 0);
    json_end(&j);
    assert_string_equal(buf_str(&b), "[\n      {},\n      []\n    ]");
}

static void too_much_is_told_by_the_buffer(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(8);
    struct json j = {.out = &b};
    json_text(&j, NULL, "more than eight bytes");
    assert_int_equal(b.err, -EFBIG);
    assert_null(buf_str(&b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_a_line),
        cmocka_unit_test(empty_ones_stay_short),
        cmocka_unit_test(too_much_is_told_by_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
