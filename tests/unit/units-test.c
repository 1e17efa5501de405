/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_size(const char *s, uint64_t want) {
    uint64_t got = 99;
    assert_int_equal(size_parse(s, &got), 0);
    assert_int_equal(got, want);
}

static void assert_no_size(const char *s, int err) {
    uint64_t got = 99;
    assert_int_equal(size_parse(s, &got), err);
    assert_int_equal(got, 99);
}

static void sizes_with_every_unit(void **state) {
    (void)state;
    assert_size("0", 0);
    assert_size("12", 12);
    assert_size("12B", 12);
    assert_size("4K", 4096);
    assert_size("4KB", 4096);
    assert_size("4KiB", 4096);
    assert_size("3M", UINT64_C(3) << 20);
    assert_size("20G", UINT64_C(20) << 30);
    assert_size("20g", UINT64_C(20) << 30);
    assert_size("1T", UINT64_C(1) << 40);
    assert_size("1.5 GiB", UINT64_C(3) << 29);
}

static void sizes_with_decimals(void **state) {
    (void)state;
    assert_size("1.5G", UINT64_C(3) << 29);
    assert_size("0.5K", 512);
    assert_size("0.1K", 102);
    assert_size("1.00000000000000000000000001K", 1024);
    assert_size("18446744073709551615", UINT64_MAX);
}

static void sizes_that_are_none(void **state) {
    (void)state;
    const char *const bad[] = {"",   " ",  "G",   "-1", "+1",  "1X",   "1iB",  "1KK",
                               "1 ", " 1", ".5G", "1.", "1.G", "1,5G", "0x10", "1e3"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_no_size(bad[i], -EINVAL);
}

static void sizes_too_large(void **state) {
    (void)state;
    assert_no_size("18446744073709551616", -ERANGE);
    assert_no_size("16777216T", -ERANGE);
    assert_size("16777215T", UINT64_MAX - (UINT64_C(1) << 40) + 1);
}

static void assert_duration(const char *s, int64_t want) {
    int64_t got = 99;
    assert_int_equal(duration_parse(s, &got), 0);
    assert_int_equal(got, want);
}

static void durations_with_every_unit(void **state) {
    (void)state;
    const int64_t s = 1000000000;
    assert_duration("5", 5 * s);
    assert_duration("5s", 5 * s);
    assert_duration("500ms", s / 2);
    assert_duration("10m", 600 * s);
    assert_duration("1h", 3600 * s);
    assert_duration("2d", 2 * 86400 * s);
    assert_duration("1.5s", 3 * s / 2);
    assert_duration("0", 0);
}

static void durations_that_are_none(void **state) {
    (void)state;
    int64_t got = 99;
    const char *const bad[] = {"", "s", "-5s", "5x", "5M", "5 minutes", "1h30m", "5ss"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(duration_parse(bad[i], &got), -EINVAL);
    assert_int_equal(duration_parse("106752d", &got), -ERANGE);
    assert_int_equal(duration_parse("99999999999999999999s", &got), -ERANGE);
    assert_int_equal(got, 99);
}

static void assert_size_text(uint64_t bytes, const char *want) {
    char got[UNITS_SIZE];
    assert_ptr_equal(size_format(bytes, got), got);
    assert_string_equal(got, want);
}

static void sizes_as_text(void **state) {
    (void)state;
    assert_size_text(0, "0 B");
    assert_size_text(12, "12 B");
    assert_size_text(1023, "1023 B");
    assert_size_text(1024, "1.0 KiB");
    assert_size_text(UINT64_C(3) << 29, "1.5 GiB");
    assert_size_text(UINT64_MAX, "16.0 EiB");
}

static void rounding_up_reaches_the_next_unit(void **state) {
    (void)state;
    assert_size_text((1 << 20) - 60, "1023.9 KiB");
    assert_size_text((1 << 20) - 1, "1.0 MiB");
}

static void assert_duration_text(int64_t ns, const char *want) {
    char got[UNITS_SIZE];
    assert_ptr_equal(duration_format(ns, got), got);
    assert_string_equal(got, want);
}

static void durations_as_text(void **state) {
    (void)state;
    const int64_t s = 1000000000;
    assert_duration_text(0, "0 ms");
    assert_duration_text(s * 35 / 100, "350 ms");
    assert_duration_text(s - 1, "999 ms");
    assert_duration_text(s, "1s");
    assert_duration_text(65 * s, "1m 5s");
    assert_duration_text(60 * s, "1m");
    assert_duration_text(3600 * s + 59 * s, "1h");
    assert_duration_text(2 * 86400 * s + 3 * 3600 * s, "2d 3h");
    assert_duration_text(-65 * s, "-1m 5s");
    assert_duration_text(-1, "0 ms");
    assert_duration_text(INT64_MIN, "-106751d 23h");
}

static void assert_time(int64_t ns, const char *text) {
    char got[UNITS_SIZE];
    int64_t back;
    assert_string_equal(time_format(ns, got), text);
    assert_int_equal(time_parse(text, &back), 0);
    assert_int_equal(back, ns);
}

static void times_there_and_back(void **state) {
    (void)state;
    const int64_t s = 1000000000;
    assert_time(0, "1970-01-01T00:00:00Z");
    assert_time(1795314576 * s, "2026-11-22T02:29:36Z");
    assert_time(-1 * s, "1969-12-31T23:59:59Z");
    assert_time(951782400 * s, "2000-02-29T00:00:00Z");
}

static void fractions_are_cut_downwards(void **state) {
    (void)state;
    char got[UNITS_SIZE];
    assert_string_equal(time_format(1999999999, got), "1970-01-01T00:00:01Z");
    assert_string_equal(time_format(-1, got), "1969-12-31T23:59:59Z");
    assert_string_equal(time_format(INT64_MAX, got), "2262-04-11T23:47:16Z");
    assert_string_equal(time_format(INT64_MIN, got), "1677-09-21T00:12:43Z");
}

static void times_in_seconds(void **state) {
    (void)state;
    int64_t ns;
    assert_int_equal(time_parse("@1795314576", &ns), 0);
    assert_int_equal(ns, 1795314576 * INT64_C(1000000000));
    assert_int_equal(time_parse("@-1", &ns), 0);
    assert_int_equal(ns, -1000000000);
}

static void times_that_are_none(void **state) {
    (void)state;
    int64_t ns = 99;
    const char *const bad[] = {"",
                               "@",
                               "@x",
                               "@ 1",
                               "@+1",
                               "@--1",
                               "@1x",
                               "2026-11-22",
                               "2026-11-22T02:29:36",
                               "2026-11-22T02:29:36+01:00",
                               "2026-11-22 02:29:36Z",
                               "2026-02-30T00:00:00Z",
                               "2026-13-01T00:00:00Z",
                               "2026-11-22T24:00:00Z",
                               "2026-11-22T02:29:36Z ",
                               " 2026-11-22T02:29:36Z",
                               "2026-1-2T02:29:36Z"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(time_parse(bad[i], &ns), -EINVAL);
    assert_int_equal(time_parse("@99999999999", &ns), -ERANGE);
    assert_int_equal(time_parse("@99999999999999999999", &ns), -ERANGE);
    assert_int_equal(time_parse("9999-01-01T00:00:00Z", &ns), -ERANGE);
    assert_int_equal(ns, 99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_with_every_unit),
        cmocka_unit_test(sizes_with_decimals),
        cmocka_unit_test(sizes_that_are_none),
        cmocka_unit_test(sizes_too_large),
        cmocka_unit_test(durations_with_every_unit),
        cmocka_unit_test(durations_that_are_none),
        cmocka_unit_test(sizes_as_text),
        cmocka_unit_test(rounding_up_reaches_the_next_unit),
        cmocka_unit_test(durations_as_text),
        cmocka_unit_test(times_there_and_back),
        cmocka_unit_test(fractions_are_cut_downwards),
        cmocka_unit_test(times_in_seconds),
        cmocka_unit_test(times_that_are_none),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
