/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * at=: what it may say, and which journal entry it means, also where clocks were wrong and numbers void.
 */
#include "base/past.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define T0 (INT64_C(1795339800) * NS_PER_S) /* 2026-11-22T09:30:00Z */

static void assert_past_time(const char *text, int64_t want) {
    CLEANUP_BUF struct buf why = BUF_INIT(1000);
    struct past p;
    assert_int_equal(past_parse(text, &p, &why), 0);
    assert_int_equal(p.kind, PAST_TIME);
    assert_int_equal(p.time, want);
}

static void times(void **state) {
    (void)state;
    assert_past_time("2026-11-22T09:30:00Z", T0);
    assert_past_time("2026-11-22 09:30:00", T0);
    assert_past_time("2026-11-22T09:30", T0);
    assert_past_time("2026-11-22 09:30 UTC", T0);
    assert_past_time("2026-11-22 09:30:00.25Z", T0 + NS_PER_S / 4);
    assert_past_time("2026-11-22T09:30:00,000000001+00:00", T0 + 1);
    assert_past_time("2026-11-22T10:30:00+01:00", T0);
    assert_past_time("2026-11-22 04:00:00 -0530", T0);
    assert_past_time("2026-11-22", T0 - (9 * 60 + 30) * 60 * NS_PER_S);
    assert_past_time("@1795339800", T0);
}

static void now_and_numbers(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(1000);
    struct past p;
    assert_int_equal(past_parse("now", &p, &why), 0);
    assert_int_equal(p.kind, PAST_NOW);
    assert_int_equal(past_parse("0004711", &p, &why), 0);
    assert_int_equal(p.kind, PAST_SEQUENCE);
    assert_int_equal(p.sequence, 4711);
}

static void what_it_cannot_be(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "0",
                                      "99999999999999999",
                                      "-1",
                                      "1x",
                                      "NOW",
                                      "yesterday",
                                      "2026-11-31",
                                      "2026-1-2",
                                      "2026-11-22T",
                                      "2026-11-22T09",
                                      "2026-11-22T24:00",
                                      "2026-11-22T09:30:",
                                      "2026-11-22T09:30:00.",
                                      "2026-11-22T09:30Zx",
                                      "2026-11-22T09:30+1",
                                      "2026-11-22T09:30+24:00",
                                      "9999-01-01",
                                      "@",
                                      " 2026-11-22"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP_BUF struct buf why = BUF_INIT(1000);
        struct past p;
        assert_int_equal(past_parse(bad[i], &p, &why), -EINVAL);
        assert_true(why.len > 20);
        assert_int_equal(p.kind, PAST_NONE);
    }
}

/* A mount of the box's volume as it was. */
static struct tree_box *open_past(struct tree_box *b, struct past at, int *err) {
    return tree_box_open(
        &(struct tree_box_config){
            .sim = b->sim, .bucket = b->bucket, .label = "past", .read_only = true, .at = at},
        err);
}

static void assert_past(struct tree_box *b, struct past at, const char *want) {
    int err;
    struct tree_box *past = open_past(b, at, &err);
    assert_int_equal(err, 0);
    assert_view(past, want);
    tree_box_free(past);
}

static void assert_refused(struct tree_box *b, struct past at, const char *why) {
    int err;
    struct tree_box *past = open_past(b, at, &err);
    assert_int_equal(err, -EINVAL);
    assert_non_null(strstr(buf_str(&past->why), why));
    tree_box_free(past);
}

static void step(struct tree_box *b, const char *name) {
    assert_int_equal(box_put(b, name, name), 0);
    box_commit(b);
}

static struct past at_time(int64_t ns) {
    return (struct past){.kind = PAST_TIME, .time = ns};
}

static void states_of_the_past(void **state) {
    struct tree_box *b = *state;
    uint64_t first = b->tree->seq;
    assert_past(b, (struct past){.kind = PAST_NOW}, "");
    step(b, "a");
    int64_t after_a = env_now(b->env);
    sim_run(b->sim, 3600 * NS_PER_S);
    int64_t before_b = env_now(b->env);
    step(b, "b");
    sim_run(b->sim, 3600 * NS_PER_S);
    assert_past(b, (struct past){.kind = PAST_SEQUENCE, .sequence = first}, "");
    assert_past(b, (struct past){.kind = PAST_SEQUENCE, .sequence = b->tree->seq}, "a=a b=b");
    assert_past(b, (struct past){.kind = PAST_NOW}, "a=a b=b");
    assert_past(b, at_time(after_a), "a=a");
    assert_past(b, at_time(before_b - NS_PER_S), "a=a");
    assert_past(b, at_time(env_now(b->env)), "a=a b=b");
    assert_refused(b, (struct past){.kind = PAST_SEQUENCE, .sequence = b->tree->seq + 1},
                   "the newest journal entry is");
    assert_refused(b, at_time(env_now(b->env) + 3600 * NS_PER_S), "in the future");
    assert_refused(b, at_time(0), "the volume was made later");
}

static void it_stays_as_it_is(void **state) {
    struct tree_box *b = *state;
    int err;
    step(b, "a");
    struct tree_box *past = open_past(b, (struct past){.kind = PAST_NOW}, &err);
    assert_int_equal(err, 0);
    step(b, "b");
    tree_poll_now(past->tree);
    sim_run(b->sim, 600 * NS_PER_S);
    assert_view(past, "a=a");
    assert_int_equal(box_create(past, "x"), -EROFS);
    tree_box_free(past);
}

/* Numbers without a readable entry have no time: those before them count. */
static void void_numbers(void **state) {
    struct tree_box *b = *state;
    step(b, "a");
    int64_t after_a = env_now(b->env);
    for (int i = 0; i < 3; i++) {
        CLEANUP_FREE char *key = entry_key(b->cfg.prefix, b->tree->seq + 1 + (uint64_t)i);
        mem_bucket_set(b->bucket, key, "garbage", 7);
    }
    sim_run(b->sim, 3600 * NS_PER_S);
    box_follow(b);
    assert_past(b, at_time(env_now(b->env)), "a=a");
    step(b, "b");
    assert_past(b, at_time(after_a), "a=a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(now_and_numbers),
        cmocka_unit_test(what_it_cannot_be),
        cmocka_unit_test_setup_teardown(states_of_the_past, tree_box_setup, tree_box_teardown),
        cmocka_unit_test_setup_teardown(it_stays_as_it_is, tree_box_setup, tree_box_teardown),
        cmocka_unit_test_setup_teardown(void_numbers, tree_box_setup, tree_box_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
