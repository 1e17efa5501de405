/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/content.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint8_t id_a[DIGEST_SIZE] = {1}, id_b[DIGEST_SIZE] = {2};

static void copies_what_it_is_given(void **state) {
    (void)state;
    char key[] = "files/x";
    uint8_t digests[2 * DIGEST_SIZE] = {7, 8};
    struct content *c = content_new(id_a, BLOCK_SIZE + 1, key, digests, NULL);
    key[0] = 'X';
    digests[0] = 0;
    assert_string_equal(c->key, "files/x");
    assert_int_equal(c->digests[0], 7);
    assert_int_equal(c->digests[1], 8);
    assert_int_equal(c->size, BLOCK_SIZE + 1);
    assert_memory_equal(c->id, id_a, DIGEST_SIZE);
    content_unref(c);
}

static void a_large_one_has_only_the_digests_digest(void **state) {
    (void)state;
    struct content *c = content_new(id_a, 100 * BLOCK_SIZE, "k", NULL, id_b);
    assert_null(c->digests);
    assert_memory_equal(c->digests_digest, id_b, DIGEST_SIZE);
    content_unref(c);
}

static void lives_until_its_last_reference(void **state) {
    (void)state;
    struct content *c = content_new(id_a, 1, "k", NULL, NULL);
    assert_ptr_equal(content_ref(c), c);
    content_unref(c);
    assert_string_equal(c->key, "k");
    content_unref(c);
}

static void null_is_harmless(void **state) {
    (void)state;
    assert_null(content_ref(NULL));
    content_unref(NULL);
}

static void same_means_the_same_id(void **state) {
    (void)state;
    struct content *a = content_new(id_a, 1, "k", NULL, NULL),
                   *a2 = content_new(id_a, 1, "other", NULL, NULL);
    struct content *b = content_new(id_b, 1, "k", NULL, NULL);
    assert_true(content_same(a, a2));
    assert_false(content_same(a, b));
    assert_false(content_same(a, NULL));
    assert_false(content_same(NULL, a));
    assert_true(content_same(NULL, NULL));
    content_unref(a);
    content_unref(a2);
    content_unref(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_what_it_is_given),
        cmocka_unit_test(a_large_one_has_only_the_digests_digest),
        cmocka_unit_test(lives_until_its_last_reference),
        cmocka_unit_test(null_is_harmless),
        cmocka_unit_test(same_means_the_same_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
