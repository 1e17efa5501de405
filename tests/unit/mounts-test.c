/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/mounts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct mount_entry entries[] = {
    {(char *)"a", (char *)"/mnt"},
    {(char *)"b", (char *)"/mnt/sub"},
    {(char *)"c", (char *)"/mnt"},
};
static const struct mount_list list = {entries, ARRAY_SIZE(entries)};

static void mounts_at_one_place_are_counted(void **state) {
    (void)state;
    assert_int_equal(mounts_at(&list, "/mnt"), 2);
    assert_int_equal(mounts_at(&list, "/mnt/sub"), 1);
    assert_int_equal(mounts_at(&list, "/mn"), 0);
}

static void the_innermost_mount_is_around_a_path(void **state) {
    (void)state;
    assert_string_equal(mounts_around(&list, "/mnt/sub/x/y")->source, "b");
    assert_string_equal(mounts_around(&list, "/mnt/sub")->source, "b");
}

static void the_topmost_of_two_at_one_place_counts(void **state) {
    (void)state;
    assert_string_equal(mounts_around(&list, "/mnt/other")->source, "c");
}

static void a_name_that_only_begins_alike_is_not_inside(void **state) {
    (void)state;
    assert_null(mounts_around(&list, "/mntx"));
    assert_null(mounts_around(&list, "/"));
    assert_string_equal(mounts_around(&list, "/mnt/subx")->source, "c");
}

static void a_mount_on_the_root_is_around_everything(void **state) {
    (void)state;
    struct mount_entry root = {(char *)"r", (char *)"/"};
    struct mount_list l = {&root, 1};
    assert_string_equal(mounts_around(&l, "/any/thing")->source, "r");
}

static void the_kernels_list_can_be_read(void **state) {
    (void)state;
    CLEANUP_MOUNTS struct mount_list l = {0};
    assert_int_equal(mounts_read(&l), 0);
    for (size_t i = 0; i < l.n; i++)
        assert_int_equal(l.entries[i].target[0], '/');
}

static void what_is_not_mounted_is_not_waited_for(void **state) {
    (void)state;
    assert_int_equal(mounts_wait_below("/nothing is mounted here", 1, 0), 0);
    assert_int_equal(mounts_wait_below("/nothing is mounted here", 0, 0), -ETIMEDOUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mounts_at_one_place_are_counted),
        cmocka_unit_test(the_innermost_mount_is_around_a_path),
        cmocka_unit_test(the_topmost_of_two_at_one_place_counts),
        cmocka_unit_test(a_name_that_only_begins_alike_is_not_inside),
        cmocka_unit_test(a_mount_on_the_root_is_around_everything),
        cmocka_unit_test(the_kernels_list_can_be_read),
        cmocka_unit_test(what_is_not_mounted_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
