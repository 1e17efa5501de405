/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void the_three_forms_of_the_rfc(void **state) {
    (void)state;
    assert_int_equal(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    assert_int_equal(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    assert_int_equal(http_date("Sun Nov  6 08:49:37 1994"), 784111777);
}

static void the_first_second(void **state) {
    (void)state;
    assert_int_equal(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
}

static void after_2038(void **state) {
    (void)state;
    assert_int_equal(http_date("Wed, 01 Jan 2070 00:00:00 GMT"), 3155760000);
}

static void the_29th_of_february(void **state) {
    (void)state;
    assert_int_equal(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), 1709208000);
    assert_int_equal(http_date("Wed, 29 Feb 2023 12:00:00 GMT"), -1);
}

static void a_leap_second_is_the_next_one(void **state) {
    (void)state;
    assert_int_equal(http_date("Sat, 31 Dec 2016 23:59:60 GMT"), http_date("Sun, 01 Jan 2017 00:00:00 GMT"));
}

static void a_wrong_day_of_the_week_does_not_matter(void **state) {
    (void)state;
    assert_int_equal(http_date("Mon, 06 Nov 1994 08:49:37 GMT"), 784111777);
}

static void two_digits_of_a_year(void **state) {
    (void)state;
    assert_int_equal(http_date("Tuesday, 01-Jan-69 00:00:00 GMT"),
                     http_date("Tue, 01 Jan 2069 00:00:00 GMT"));
    assert_int_equal(http_date("Thursday, 01-Jan-70 00:00:00 GMT"), 0);
}

static void what_is_none(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "0",
        "-1",
        "120",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nix 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "1994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(http_date(texts[i]), -1);
    assert_int_equal(http_date(NULL), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_of_the_rfc),
        cmocka_unit_test(the_first_second),
        cmocka_unit_test(after_2038),
        cmocka_unit_test(the_29th_of_february),
        cmocka_unit_test(a_leap_second_is_the_next_one),
        cmocka_unit_test(a_wrong_day_of_the_week_does_not_matter),
        cmocka_unit_test(two_digits_of_a_year),
        cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
