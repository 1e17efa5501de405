/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fetch of something that is known to exist, over a store whose absences may be untrue (or not).
 */
#include "data/fetch.h"
#include "fake_env.h"
#include "store_fault.h"
#include "store_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct fake_env *fake;
static struct mem_bucket *bucket;
static struct store *store;

/* One fetch of "x", and what came of it. */
static struct {
    struct fetch fetch;
    bool unwanted;
    unsigned done;
    int err;
    int64_t at;
} f;

static bool wanted(struct fetch *fetch) {
    (void)fetch;
    return !f.unwanted;
}

static void done(struct fetch *fetch, const struct store_got *got) {
    (void)fetch;
    f.done++;
    f.err = got->err;
    f.at = env_mono(fake_env(fake)) - FAKE_ENV_MONO;
}

static int setup(void **state) {
    (void)state;
    fake = fake_env_new();
    bucket = mem_bucket_new();
    store = store_fault_new(store_mem_new(bucket, fake_env(fake), NULL));
    store->absence_ns = STORE_ABSENCE_NS;
    mem_bucket_set(bucket, "x", "hello", 5);
    memset(&f, 0, sizeof f);
    f.fetch = (struct fetch){.store = store, .key = "x", .len = 5, .wanted = wanted, .done = done};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    store_free(store);
    mem_bucket_free(bucket);
    fake_env_free(fake);
    return 0;
}

static void run_for(int64_t ns) {
    fake_env_advance(fake, ns);
}

static void what_is_there_comes_at_once(void **state) {
    (void)state;
    fetch_start(&f.fetch);
    fake_env_run(fake);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.err, 0);
}

static void an_absence_is_asked_again_for_fifteen_seconds(void **state) {
    (void)state;
    store_fault_hide(store, "x");
    fetch_start(&f.fetch);
    run_for(14 * NS_PER_S);
    assert_int_equal(f.done, 0);
    run_for(10 * NS_PER_S);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.err, -ENOENT);
    assert_true(f.at >= STORE_ABSENCE_NS);
    assert_true(store_fault_gets(store, "x") > 4);
    assert_true(store_fault_gets(store, "x") < 40);
}

static void an_absence_that_passes_is_nobodys_trouble(void **state) {
    (void)state;
    store_fault_hide(store, "x");
    fetch_start(&f.fetch);
    run_for(9 * NS_PER_S);
    store_fault_clear(store);
    run_for(6 * NS_PER_S);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.err, 0);
}

static void a_refusal_that_passes_is_neither(void **state) {
    (void)state;
    store_fault_refuse_gets(store);
    fetch_start(&f.fetch);
    run_for(9 * NS_PER_S);
    assert_int_equal(f.done, 0);
    store_fault_clear(store);
    run_for(6 * NS_PER_S);
    assert_int_equal(f.err, 0);
    assert_int_equal(f.done, 1);
}

static void the_second_try_goes_past_the_caches(void **state) {
    (void)state;
    store_fault_hide(store, "x");
    fetch_start(&f.fetch);
    assert_false(f.fetch.flags & STORE_FRESH);
    fake_env_run(fake);
    assert_true(f.fetch.flags & STORE_FRESH);
}

static void who_does_not_want_it_any_more_waits_no_longer(void **state) {
    (void)state;
    store_fault_hide(store, "x");
    fetch_start(&f.fetch);
    run_for(2 * NS_PER_S);
    f.unwanted = true;
    run_for(6 * NS_PER_S);
    assert_int_equal(f.done, 1);
}

static void trouble_between_begins_the_time_anew(void **state) {
    (void)state;
    store_fault_hide(store, "x");
    fetch_start(&f.fetch);
    run_for(10 * NS_PER_S);
    store_fault_clear(store);
    store_fault_fail(store, FAULT_GET, NULL, 1, 0, -EIO);
    run_for(10 * NS_PER_S);
    store_fault_clear(store);
    store_fault_hide(store, "x");
    run_for(8 * NS_PER_S);
    assert_int_equal(f.done, 0);
}

static void trouble_is_tried_as_long_as_it_is_wanted(void **state) {
    (void)state;
    store_fault_vanish(store);
    fetch_start(&f.fetch);
    run_for(300 * NS_PER_S);
    assert_int_equal(f.done, 0);
    store_fault_clear(store);
    run_for(6 * NS_PER_S);
    assert_int_equal(f.err, 0);
    assert_int_equal(f.done, 1);
}

static void where_absence_is_certain_it_is_believed_at_the_second_look(void **state) {
    (void)state;
    store->absence_ns = 0;
    store_fault_hide(store, "x");
    fetch_start(&f.fetch);
    fake_env_run(fake);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.err, -ENOENT);
    assert_int_equal(store_fault_gets(store, "x"), 2);
}

static void a_range_beyond_the_end_is_asked_twice(void **state) {
    (void)state;
    f.fetch.off = 10;
    fetch_start(&f.fetch);
    fake_env_run(fake);
    assert_int_equal(f.err, -ERANGE);
    assert_int_equal(store_fault_gets(store, "x"), 2);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(what_is_there_comes_at_once),
        T(an_absence_is_asked_again_for_fifteen_seconds),
        T(an_absence_that_passes_is_nobodys_trouble),
        T(a_refusal_that_passes_is_neither),
        T(the_second_try_goes_past_the_caches),
        T(who_does_not_want_it_any_more_waits_no_longer),
        T(trouble_between_begins_the_time_anew),
        T(trouble_is_tried_as_long_as_it_is_wanted),
        T(where_absence_is_certain_it_is_believed_at_the_second_look),
        T(a_range_beyond_the_end_is_asked_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
