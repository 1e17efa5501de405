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

/* A byte counts most of them. */
static void very_many_replies_are_counted(void **state) {
    (void)state;
    struct lookups *l = lookups_new();
    for (unsigned inos = 5; inos <= 6; inos++)
        for (unsigned i = 0; i < 100000 + inos; i++)
            lookups_add(l, inos);
    assert_false(lookups_sub(l, 5, 99750));
    for (unsigned i = 0; i < 254; i++)
        assert_false(lookups_sub(l, 5, 1));
    assert_true(lookups_sub(l, 5, 1));
    assert_false(lookups_has(l, 5));
    assert_false(lookups_sub(l, 6, 100005));
    lookups_add(l, 6);
    assert_true(lookups_sub(l, 6, 2));
    lookups_add(l, 5);
    assert_true(lookups_sub(l, 5, 1000000));
    lookups_free(l);
}

/* Against a plain array, with numbers that lie close together and far apart, while the table grows and shrinks. */
static void counts_are_right_while_many_come_and_go(void **state) {
    enum { N = 5000 };
    static unsigned counts[N];
    struct lookups *l = lookups_new();
    uint64_t random = 88172645463325252u;
    (void)state;
    for (unsigned step = 0; step < 200000; step++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        unsigned i = (unsigned)(random % N);
        uint64_t ino = i % 2 ? ((uint64_t)i << 24 | i) : 2 + i;
        bool more = (step / 40000) % 2 == 0 ? random >> 62 != 0 : random >> 62 == 0;
        if (more) {
            lookups_add(l, ino);
            counts[i]++;
        } else {
            unsigned n = 1 + (unsigned)(random >> 60 & 1);
            assert_int_equal(lookups_sub(l, ino, n), counts[i] > 0 && counts[i] <= n);
            counts[i] -= n < counts[i] ? n : counts[i];
        }
        assert_int_equal(lookups_has(l, ino), counts[i] > 0);
    }
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(lookups_has(l, i % 2 ? ((uint64_t)i << 24 | i) : 2 + i), counts[i] > 0);
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
        cmocka_unit_test(very_many_replies_are_counted),
        cmocka_unit_test(counts_are_right_while_many_come_and_go),
        cmocka_unit_test(the_list_has_the_root_first_and_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
