/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/counters.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void add_and_get(void **state) {
    (void)state;
    struct counters c = {0};
    counter_add(&c, COUNTER_CACHE_HITS, 1);
    counter_add(&c, COUNTER_CACHE_HITS, 41);
    assert_int_equal(counter_get(&c, COUNTER_CACHE_HITS), 42);
    assert_int_equal(counter_get(&c, COUNTER_CACHE_MISSES), 0);
}

static void no_counters_count_nothing(void **state) {
    (void)state;
    counter_add(NULL, COUNTER_CACHE_HITS, 1);
    assert_int_equal(counter_get(NULL, COUNTER_CACHE_HITS), 0);
}

static void every_counter_has_a_name_of_its_own(void **state) {
    (void)state;
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        assert_non_null(counter_name((enum counter)i));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(counter_name((enum counter)i), counter_name((enum counter)k));
    }
}

static void names_that_scripts_know(void **state) {
    (void)state;
    assert_string_equal(counter_name(COUNTER_CACHE_HITS), "cache_hits");
    assert_string_equal(counter_name(COUNTER_CACHE_MISSES), "cache_misses");
    assert_string_equal(counter_name(COUNTER_HTTP_REQUESTS), "http_requests");
}

static void json_has_pairs_and_commas(void **state) {
    (void)state;
    struct counters c = {0};
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    counter_add(&c, COUNTER_FUSE_REQUESTS, 3);
    counter_add(&c, COUNTER_CONFLICT_COPIES, UINT64_MAX);
    counters_json(&c, &b);
    const char *s = buf_str(&b);
    assert_ptr_equal(strstr(s, "\"fuse_requests\":3,\"cache_hits\":0,"), s);
    const char *end = ",\"conflict_copies\":18446744073709551615";
    assert_string_equal(s + strlen(s) - strlen(end), end);
}

static void *add_many(void *arg) {
    for (int i = 0; i < 10000; i++)
        counter_add(arg, COUNTER_STORE_GETS, 1);
    return NULL;
}

static void threads_lose_nothing(void **state) {
    (void)state;
    struct counters c = {0};
    pthread_t t[2];
    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, add_many, &c), 0);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        pthread_join(t[i], NULL);
    assert_int_equal(counter_get(&c, COUNTER_STORE_GETS), 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_and_get),
        cmocka_unit_test(no_counters_count_nothing),
        cmocka_unit_test(every_counter_has_a_name_of_its_own),
        cmocka_unit_test(names_that_scripts_know),
        cmocka_unit_test(json_has_pairs_and_commas),
        cmocka_unit_test(threads_lose_nothing),
    };
    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
