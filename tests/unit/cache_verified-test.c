/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/cache_verified.h"
#include "base/digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct verified_set set;

static void id_of(unsigned i, uint8_t ret[DIGEST_SIZE]) {
    digest_of(&i, sizeof i, ret);
}

static int teardown(void **state) {
    (void)state;
    verified_clear(&set);
    return 0;
}

static void finds_what_was_added_and_nothing_else(void **state) {
    (void)state;
    uint8_t id[DIGEST_SIZE], digest[DIGEST_SIZE];
    id_of(1, id);
    id_of(2, digest);
    assert_null(verified_find(&set, id, 5, digest));
    verified_add(&set, id, 5, digest, 9, true);
    struct verified *v = verified_find(&set, id, 5, digest);
    assert_non_null(v);
    assert_int_equal(v->used, 9);
    assert_true(v->is_protected);
    assert_null(verified_find(&set, id, 6, digest));
    assert_null(verified_find(&set, digest, 5, digest));
}

static void another_digest_is_not_verified(void **state) {
    (void)state;
    uint8_t id[DIGEST_SIZE], digest[DIGEST_SIZE], other[DIGEST_SIZE];
    id_of(1, id);
    id_of(2, digest);
    id_of(3, other);
    verified_add(&set, id, 0, digest, 0, false);
    assert_null(verified_find(&set, id, 0, other));
    assert_non_null(verified_find(&set, id, 0, NULL));
    verified_add(&set, id, 0, other, 0, false); /* replaces */
    assert_null(verified_find(&set, id, 0, digest));
    verified_remove(&set, id, 0);
    assert_null(verified_find(&set, id, 0, NULL));
}

/* Against a plain array: adds and removes in a fixed disorder, all looked up after each round. */
static void behaves_like_an_array(void **state) {
    (void)state;
    enum { IDS = 7, BLOCKS = 300 };
    static bool there[IDS][BLOCKS];
    uint8_t ids[IDS][DIGEST_SIZE];
    uint32_t x = 12345;
    for (unsigned i = 0; i < IDS; i++) {
        id_of(i, ids[i]);
        ids[i][DIGEST_SIZE - 1] = 3; /* all in one shard */
    }
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned k = 0; k < 200; k++) {
            x = x * 1664525u + 1013904223u;
            unsigned i = (x >> 16) % IDS, b = (x >> 8) % BLOCKS;
            there[i][b] = x >> 31;
            if (there[i][b])
                verified_add(&set, ids[i], b, ids[(i + b) % IDS], b, false);
            else
                verified_remove(&set, ids[i], b);
        }
        for (unsigned i = 0; i < IDS; i++)
            for (unsigned b = 0; b < BLOCKS; b++)
                assert_int_equal(verified_find(&set, ids[i], b, ids[(i + b) % IDS]) != NULL, there[i][b]);
    }
}

static void removing_a_content_leaves_the_others(void **state) {
    (void)state;
    uint8_t ids[5][DIGEST_SIZE];
    for (unsigned i = 0; i < 5; i++) {
        id_of(i, ids[i]);
        ids[i][DIGEST_SIZE - 1] = 3;
        for (unsigned b = 0; b < 200; b++)
            verified_add(&set, ids[i], b, ids[i], 0, false);
    }
    verified_remove_content(&set, ids[2]);
    for (unsigned i = 0; i < 5; i++)
        for (unsigned b = 0; b < 200; b++)
            assert_int_equal(verified_find(&set, ids[i], b, ids[i]) != NULL, i != 2);
}

static void clearing_a_shard_leaves_the_others(void **state) {
    (void)state;
    uint8_t a[DIGEST_SIZE], b[DIGEST_SIZE];
    id_of(1, a);
    id_of(2, b);
    a[DIGEST_SIZE - 1] = 1;
    b[DIGEST_SIZE - 1] = 2;
    verified_add(&set, a, 0, a, 0, false);
    verified_add(&set, b, 0, b, 0, false);
    verified_clear_shard(&set, 1);
    assert_null(verified_find(&set, a, 0, a));
    assert_non_null(verified_find(&set, b, 0, b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(finds_what_was_added_and_nothing_else, teardown),
        cmocka_unit_test_teardown(another_digest_is_not_verified, teardown),
        cmocka_unit_test_teardown(behaves_like_an_array, teardown),
        cmocka_unit_test_teardown(removing_a_content_leaves_the_others, teardown),
        cmocka_unit_test_teardown(clearing_a_shard_leaves_the_others, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
