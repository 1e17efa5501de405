/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void the_worst_counts(void **state) {
    (void)state;
    struct report r = {0};
    assert_int_equal(report_worst(&r), FINDING_OK);
    report_add(&r, "a", FINDING_OK, "m", NULL, "f");
    report_add(&r, "b", FINDING_WARNING, "m", "s", "f");
    report_add(&r, "c", FINDING_NOTE, "m", NULL, "f");
    assert_int_equal(report_worst(&r), FINDING_WARNING);
    report_add(&r, "d", FINDING_BROKEN, "m", "s", "f");
    report_add(&r, "e", FINDING_OK, "m", NULL, "f");
    assert_int_equal(report_worst(&r), FINDING_BROKEN);
    assert_string_equal(report_find(&r, "d")->step, "s");
    assert_null(report_find(&r, "f"));
    report_free(&r);
}

static void text_has_a_line_each_and_a_sum(void **state) {
    (void)state;
    struct report r = {0};
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    report_add(&r, "put", FINDING_OK, "the writer can put", NULL, "%d", 200);
    report_add(&r, "list", FINDING_WARNING, "the writer can list", "take it away", "%s", "200 too");
    report_text(&r, &b);
    assert_string_equal(buf_str(&b),
                        "ok       put            200: the writer can put\n"
                        "warning  list           200 too: the writer can list. To do: take it away\n"
                        "1 ok, 0 to know, 1 warnings, 0 broken\n");
    report_free(&r);
}

static void what_a_server_says_stays_on_its_line(void **state) {
    (void)state;
    struct report r = {0};
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    CLEANUP_FREE char *longish = xcalloc(1, 100001);
    memset(longish, 'x', 100000);
    report_add(&r, "put", FINDING_BROKEN, "m", "s", "two\nlines\x1b[2J\r%s", longish);
    report_text(&r, &b);
    assert_true(b.len < 4096);
    assert_null(strchr(buf_str(&b), '\x1b'));
    assert_int_equal(strcspn(buf_str(&b), "\n"), strchr(buf_str(&b), '\n') - buf_str(&b));
    assert_non_null(strstr(buf_str(&b), "two lines [2J "));
    report_free(&r);
}

static void json_is_escaped_and_has_null(void **state) {
    (void)state;
    struct report r = {0};
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    report_add(&r, "put", FINDING_OK, "say \"hi\"", NULL, "a\\b");
    report_json(&r, "pictures", "s3://assets", &b);
    assert_string_equal(
        buf_str(&b),
        "{\"volume\":\"pictures\",\"url\":\"s3://assets\",\"result\":\"ok\",\"checks\":[{\"check\":"
        "\"put\",\"result\":\"ok\",\"found\":\"a\\\\b\",\"means\":\"say "
        "\\\"hi\\\"\",\"do\":null,\"details\":null}]}\n");
    report_free(&r);
}

static void details_are_for_what_is_not_well(void **state) {
    (void)state;
    struct report r = {0};
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    report_details(&r, "nobody's");
    report_add(&r, "a", FINDING_OK, "m", NULL, "f");
    report_details(&r, "id 1");
    report_add(&r, "b", FINDING_NOTE, "m", NULL, "f");
    report_details(&r, "");
    report_details(&r, "id 2");
    report_details(&r, "id 3");
    report_text(&r, &b);
    assert_null(strstr(buf_str(&b), "id 1"));
    assert_non_null(strstr(buf_str(&b), "f: m (id 2)\n"));
    assert_null(strstr(buf_str(&b), "id 3"));
    report_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_counts),
        cmocka_unit_test(text_has_a_line_each_and_a_sum),
        cmocka_unit_test(what_a_server_says_stays_on_its_line),
        cmocka_unit_test(details_are_for_what_is_not_well),
        cmocka_unit_test(json_is_escaped_and_has_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
