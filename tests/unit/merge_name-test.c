/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/merge.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_conflict_name(const char *name, const char *host, unsigned k, const char *want) {
    char got[NAME_MAX_BYTES + 1];
    size_t n = merge_conflict_name(name, strlen(name), host, "2026-01-02", k, got);
    got[n] = '\0';
    assert_string_equal(got, want);
}

static void mark_stands_before_the_extension(void **state) {
    (void)state;
    assert_conflict_name("a.tar.gz", "h", 1, "a.tar (conflicted copy, h 2026-01-02).gz");
    assert_conflict_name("a", "h", 1, "a (conflicted copy, h 2026-01-02)");
    assert_conflict_name("a.txt", "h", 2, "a (conflicted copy, h 2026-01-02) 2.txt");
}

static void leading_dot_begins_no_extension(void **state) {
    (void)state;
    assert_conflict_name(".profile", "h", 1, ".profile (conflicted copy, h 2026-01-02)");
    assert_conflict_name(".a.b", "h", 1, ".a (conflicted copy, h 2026-01-02).b");
}

static void host_label_makes_no_path(void **state) {
    (void)state;
    assert_conflict_name("a", "x/../y", 1, "a (conflicted copy, x-..-y 2026-01-02)");
}

static void long_name_is_cut_at_a_character(void **state) {
    (void)state;
    char name[NAME_MAX_BYTES + 1] = "", got[NAME_MAX_BYTES];
    for (size_t i = 0; i + 2 < NAME_MAX_BYTES - 4; i += 2)
        memcpy(name + i, "\xc3\xa4", 2);
    strcat(name, ".jpg");
    for (const char *host = "host"; *host; host++) { /* so that the cut falls on either byte */
        size_t n = merge_conflict_name(name, strlen(name), host, "2026-01-02", 1, got);
        assert_true(n >= NAME_MAX_BYTES - 1);
        assert_true(n <= NAME_MAX_BYTES);
        assert_memory_equal(got + n - 4, ".jpg", 4);
        const char *mark = memmem(got, n, " (", 2);
        assert_int_equal((mark - got) % 2, 0);
    }
}

static void extension_without_room_is_part_of_the_stem(void **state) {
    (void)state;
    char name[NAME_MAX_BYTES], got[NAME_MAX_BYTES];
    memset(name, 'x', sizeof name);
    name[1] = '.';
    size_t n = merge_conflict_name(name, sizeof name, "h", "2026-01-02", 1, got);
    assert_int_equal(n, NAME_MAX_BYTES);
    assert_memory_equal(got + n - strlen("2026-01-02)"), "2026-01-02)", strlen("2026-01-02)"));
}

static void endless_host_label_leaves_room(void **state) {
    (void)state;
    char host[256], got[NAME_MAX_BYTES];
    memset(host, 'h', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    size_t n = merge_conflict_name("name.txt", 8, host, "2026-01-02", 4000000000u, got);
    assert_memory_equal(got, "name (", 6);
    assert_memory_equal(got + n - 4, ".txt", 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark_stands_before_the_extension),
        cmocka_unit_test(leading_dot_begins_no_extension),
        cmocka_unit_test(host_label_makes_no_path),
        cmocka_unit_test(long_name_is_cut_at_a_character),
        cmocka_unit_test(extension_without_room_is_part_of_the_stem),
        cmocka_unit_test(endless_host_label_leaves_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
