/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/lookups.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void an_inode_is_known_until_the_last_count_is_given_back(void **state) {
    (void)state;
    struct lookups *l = lookups_new();
    lookups_add(l, 5);
    lookups_add(l, 5);
    lookups_add(l, 5);
    assert_false(lookups_sub(l, 5, 2));
    assert_true(lookups_has(l, 5));
    assert_true(lookups_sub(l, 5, 1));
    assert_false(lookups_has(l, 5));
    lookups_free(l);
}

static void an_inode_may_be_learnt_again(void **state) {
    (void)state;
    struct lookups *l = lookups_new();
    lookups_add(l, 5);
    assert_true(lookups_sub(l, 5, 1));
    lookups_add(l, 5);
    assert_true(lookups_has(l, 5));
    lookups_free(l);
}

static void the_root_is_always_known(void **state) {
    (void)state;
    struct lookups *l = lookups_new();
    lookups_add(l, 1);
    assert_false(lookups_sub(l, 1, 1));
    assert_true(lookups_has(l, 1));
    lookups_free(l);
}

static void giving_back_what_was_never_given_changes_nothing(void **state) {
    (void)state;
    struct lookups *l = lookups_new();
    assert_false(lookups_sub(l, 6, 1));
    lookups_add(l, 5);
    assert_true(lookups_sub(l, 5, 100));
    assert_false(lookups_sub(l, 5, 1));
    lookups_free(l);
}

static void the_list_has_the_root_first_and_each_once(void **state) {
    (void)state;
    struct lookups *l = lookups_new();
    uint64_t *inos;
    lookups_add(l, 7);
    lookups_add(l, 7);
    lookups_add(l, 9);
    assert_int_equal(lookups_list(l, &inos), 3);
    assert_int_equal(inos[0], 1);
    assert_int_equal(inos[1] + inos[2], 16);
    free(inos);
    lookups_free(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_inode_is_known_until_the_last_count_is_given_back),
        cmocka_unit_test(an_inode_may_be_learnt_again),
        cmocka_unit_test(the_root_is_always_known),
        cmocka_unit_test(giving_back_what_was_never_given_changes_nothing),
        cmocka_unit_test(the_list_has_the_root_first_and_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
