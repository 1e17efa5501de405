/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_fault.h"
#include "fake_env.h"
#include "store_call.h"
#include "store_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct fake_env *fake;
static struct mem_bucket *bucket;
static struct store *s;

static int setup(void **state) {
    (void)state;
    fake = fake_env_new();
    bucket = mem_bucket_new();
    s = store_fault_new(store_mem_new(bucket, fake_env(fake), NULL));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    s = store_free(s);
    bucket = mem_bucket_free(bucket);
    fake = fake_env_free(fake);
    return 0;
}

static int put(const char *key) {
    CLEANUP_CALL struct call c = {0};
    call_put(&c, s, key, "hello", 5);
    assert_int_equal(c.done, 0);
    fake_env_run(fake);
    assert_int_equal(c.done, 1);
    return c.err;
}

static int get(const char *key) {
    CLEANUP_CALL struct call c = {0};
    call_get(&c, s, key, 0, 0);
    assert_int_equal(c.done, 0);
    fake_env_run(fake);
    assert_int_equal(c.done, 1);
    return c.err;
}

static void without_rules_it_is_the_inner_store(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    assert_int_equal(put("a"), 0);
    call_get(&c, s, "a", 1, 3);
    fake_env_run(fake);
    assert_string_equal((char *)c.data, "ell");
    assert_int_equal(c.total, 5);
    CLEANUP_FREE char *url = store_url(s, "a");
    assert_string_equal(url, "mem:a");
    assert_string_equal(s->address, "mem:");
}

static void nth_fails_once(void **state) {
    (void)state;
    unsigned rule = store_fault_fail(s, FAULT_PUT, NULL, 2, 1, -ENOSPC);
    assert_int_equal(put("a"), 0);
    assert_int_equal(put("b"), -ENOSPC);
    assert_int_equal(put("b"), 0);
    assert_int_equal(store_fault_hits(s, rule), 1);
}

static void fails_from_then_on(void **state) {
    (void)state;
    store_fault_fail(s, FAULT_GET, NULL, 2, 0, -ETIMEDOUT);
    put("a");
    assert_int_equal(get("a"), 0);
    assert_int_equal(get("a"), -ETIMEDOUT);
    assert_int_equal(get("a"), -ETIMEDOUT);
}

static void failed_put_leaves_nothing(void **state) {
    (void)state;
    store_fault_fail(s, FAULT_PUT, NULL, 1, 1, -EIO);
    assert_int_equal(put("a"), -EIO);
    assert_false(mem_bucket_has(bucket, "a"));
}

static void prefix_chooses(void **state) {
    (void)state;
    store_fault_fail(s, FAULT_PUT, "files/", 1, 0, -EIO);
    assert_int_equal(put("files/a"), -EIO);
    assert_int_equal(put("other/a"), 0);
}

static void nth_counts_only_what_the_rule_looks_at(void **state) {
    (void)state;
    store_fault_fail(s, FAULT_PUT, "files/", 2, 1, -EIO);
    assert_int_equal(put("other/a"), 0);
    assert_int_equal(put("files/a"), 0);
    assert_int_equal(get("files/a"), 0);
    assert_int_equal(put("files/b"), -EIO);
}

static void removed_rule_acts_no_more(void **state) {
    (void)state;
    unsigned rule = store_fault_refuse_puts(s);
    assert_int_equal(put("a"), -EACCES);
    store_fault_remove(s, rule);
    assert_int_equal(put("a"), 0);
}

static void cleared_rules_act_no_more(void **state) {
    (void)state;
    store_fault_vanish(s);
    store_fault_refuse_gets(s);
    store_fault_clear(s);
    assert_int_equal(put("a"), 0);
    assert_int_equal(get("a"), 0);
}

static void lost_answer_was_done(void **state) {
    (void)state;
    store_fault_lose_answer(s, NULL, 1, 1);
    assert_int_equal(put("a"), -EIO);
    assert_true(mem_bucket_has(bucket, "a"));
    assert_int_equal(put("a"), -EEXIST);
}

static void cut_get_is_short_without_an_error(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    put("a");
    store_fault_cut(s, NULL, 1, 1, 2);
    call_get(&c, s, "a", 0, 0);
    fake_env_run(fake);
    assert_int_equal(c.err, 0);
    assert_int_equal(c.len, 2);
    assert_int_equal(c.total, 5);
}

static void corrupted_get_differs_by_one_bit(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    put("a");
    store_fault_corrupt(s, NULL, 1, 1);
    call_get(&c, s, "a", 0, 0);
    fake_env_run(fake);
    assert_string_equal((char *)c.data, "iello");
    assert_int_equal(memcmp(mem_bucket_get(bucket, "a", NULL), "hello", 5), 0);
}

static void squatted_put_finds_garbage(void **state) {
    (void)state;
    store_fault_squat(s, "a", 1, 1);
    assert_int_equal(put("a"), -EEXIST);
    assert_memory_equal(mem_bucket_get(bucket, "a", NULL), FAULT_GARBAGE, strlen(FAULT_GARBAGE));
    assert_int_equal(put("a-1"), 0);
}

static void refusals_and_vanishing(void **state) {
    (void)state;
    put("a");
    unsigned rule = store_fault_refuse_gets(s);
    assert_int_equal(get("a"), -EACCES);
    assert_int_equal(put("b"), 0);
    store_fault_remove(s, rule);
    store_fault_vanish(s);
    assert_int_equal(get("a"), -EIO);
    assert_int_equal(put("c"), -EIO);
    CLEANUP_CALL struct call c = {0};
    call_list(&c, s, "");
    fake_env_run(fake);
    assert_int_equal(c.done, 1);
    assert_int_equal(c.err, -EIO);
}

static void hidden_key_is_enoent_and_no_other(void **state) {
    (void)state;
    put("journal/2");
    put("journal/21");
    store_fault_hide(s, "journal/2");
    assert_int_equal(get("journal/2"), -ENOENT);
    assert_int_equal(get("journal/21"), 0);
}

static void delayed_put_begins_later(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    store_fault_delay(s, FAULT_PUT, NULL, 50);
    call_put(&c, s, "a", "x", 1);
    fake_env_advance(fake, 49 * NS_PER_MS);
    assert_int_equal(c.done, 0);
    assert_false(mem_bucket_has(bucket, "a"));
    fake_env_advance(fake, 1 * NS_PER_MS);
    assert_int_equal(c.done, 1);
    assert_true(mem_bucket_has(bucket, "a"));
}

static void late_answer_was_done_at_once(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    store_fault_add(s, &(struct fault_rule){.kind = FAULT_LATE, .value = 50});
    call_put(&c, s, "a", "x", 1);
    fake_env_run(fake);
    assert_true(mem_bucket_has(bucket, "a"));
    assert_int_equal(c.done, 0);
    fake_env_advance(fake, 50 * NS_PER_MS);
    assert_int_equal(c.done, 1);
}

static void delay_and_failure_add_up(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    store_fault_delay(s, FAULT_GET, NULL, 50);
    store_fault_fail(s, FAULT_GET, NULL, 1, 1, -ETIMEDOUT);
    call_get(&c, s, "a", 0, 0);
    fake_env_run(fake);
    assert_int_equal(c.done, 0);
    fake_env_advance(fake, 50 * NS_PER_MS);
    assert_int_equal(c.err, -ETIMEDOUT);
}

static void held_put_goes_on_when_released(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    store_fault_hold(s, FAULT_PUT, NULL);
    call_put(&c, s, "a", "x", 1);
    fake_env_run(fake);
    assert_int_equal(store_fault_held(s), 1);
    assert_false(mem_bucket_has(bucket, "a"));
    store_fault_release(s);
    fake_env_run(fake);
    assert_int_equal(c.done, 1);
    assert_int_equal(c.err, 0);
    assert_int_equal(store_fault_held(s), 0);
    assert_int_equal(put("b"), 0);
}

static void held_answer_was_done_at_once(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    put("a");
    store_fault_add(s, &(struct fault_rule){.kind = FAULT_HOLD_ANSWER, .ops = FAULT_GET});
    call_get(&c, s, "a", 0, 0);
    fake_env_run(fake);
    mem_bucket_delete(bucket, "a");
    store_fault_wait_held(s, 1);
    assert_int_equal(c.done, 0);
    store_fault_release(s);
    fake_env_run(fake);
    assert_string_equal((char *)c.data, "hello");
}

static void counts_by_prefix(void **state) {
    (void)state;
    put("a/1");
    put("a/1");
    put("b/1");
    get("a/1");
    assert_int_equal(store_fault_puts(s, NULL), 3);
    assert_int_equal(store_fault_puts(s, "a/"), 2);
    assert_int_equal(store_fault_gets(s, "a/"), 1);
    assert_int_equal(store_fault_gets(s, "b/"), 0);
}

static void failed_operations_are_counted(void **state) {
    (void)state;
    store_fault_refuse_puts(s);
    put("a");
    assert_int_equal(store_fault_puts(s, "a"), 1);
}

static void text_makes_rules(void **state) {
    (void)state;
    assert_int_equal(store_fault_parse(s, "put:fail=ENOSPC,nth=2,count=1,prefix=files/;get:hide,key=files/a"),
                     0);
    assert_int_equal(put("files/a"), 0);
    assert_int_equal(put("other"), 0);
    assert_int_equal(put("files/b"), -ENOSPC);
    assert_int_equal(put("files/b"), 0);
    assert_int_equal(get("files/a"), -ENOENT);
    assert_int_equal(get("files/b"), 0);
}

static void text_knows_every_kind(void **state) {
    (void)state;
    assert_int_equal(store_fault_parse(
                         s, "put:delay=5;any:late=5;put:fail;put:lose=ETIMEDOUT;get:cut=10;get:corrupt;"
                            "get:corrupt=7;put:squat;put:refuse;any:vanish;get:hide,prefix=a;list:fail=EIO;"),
                     0);
}

static void empty_text_is_no_rule(void **state) {
    (void)state;
    assert_int_equal(store_fault_parse(s, ""), 0);
    assert_int_equal(put("a"), 0);
}

static void wrong_text_adds_nothing(void **state) {
    (void)state;
    const char *const wrong[] = {
        "vanish",         "put",           "put:",         "put:nonsense", "get:delay",
        "get:delay=",     "get:delay=5x",  "get:delay=-5", "put:squat=1",  "put:fail=EWHAT",
        "put:fail,nth",   "put:fail,nth=", "put:fail,x=1", "write:fail",   "any:vanish;oops",
        "put:fail,prefix"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(store_fault_parse(s, wrong[i]), -EINVAL);
    assert_int_equal(put("a"), 0);
    assert_int_equal(get("a"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(without_rules_it_is_the_inner_store),
        T(nth_fails_once),
        T(fails_from_then_on),
        T(failed_put_leaves_nothing),
        T(prefix_chooses),
        T(nth_counts_only_what_the_rule_looks_at),
        T(removed_rule_acts_no_more),
        T(cleared_rules_act_no_more),
        T(lost_answer_was_done),
        T(cut_get_is_short_without_an_error),
        T(corrupted_get_differs_by_one_bit),
        T(squatted_put_finds_garbage),
        T(refusals_and_vanishing),
        T(hidden_key_is_enoent_and_no_other),
        T(delayed_put_begins_later),
        T(late_answer_was_done_at_once),
        T(delay_and_failure_add_up),
        T(held_put_goes_on_when_released),
        T(held_answer_was_done_at_once),
        T(counts_by_prefix),
        T(failed_operations_are_counted),
        T(text_makes_rules),
        T(text_knows_every_kind),
        T(empty_text_is_no_rule),
        T(wrong_text_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
