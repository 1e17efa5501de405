/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first change of a host, while the bucket is in trouble.
 */
#define LAZY_ITSELF /* calls are not made again by themselves */
#include "tree/claim.h"
#include "tree/fault.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define JOURNAL ".assetfs/journal/"
#define NOT_YET 1

static void ok(int r) {
    assert_int_equal(r, 0);
}

/* A host without a session, whose calls wait. */
static int setup(void **state) {
    struct tree_box *b = tree_box_new();
    b->cfg.machine_id = "another";
    b->cfg.timeout_ns = 60 * NS_PER_S;
    tree_box_reopen(b);
    assert_int_equal(b->tree->session, 0);
    *state = b;
    return 0;
}

static int make(struct tree_box *b, const char *name) {
    struct make m = {.mode = S_IFREG | 0644};
    struct attr a;
    return names_make(b->tree, 1, name, strlen(name), &m, &a);
}

static void ready(void *arg, int err) {
    *(int *)arg = err;
}

/* As fs/park.c: the call is made again when asking again may help. */
static int make_within(struct tree_box *b, const char *path, int64_t ns) {
    int64_t until = env_mono(b->env) + ns;
    int r;
    while ((r = make(b, path)) == -EINPROGRESS && env_mono(b->env) < until) {
        static int err;
        err = NOT_YET;
        fault_wait(b->tree, ready, &err);
        while (err == NOT_YET && env_mono(b->env) < until)
            sim_run(b->sim, NS_PER_S / 10);
        if (err == NOT_YET)
            return -EINPROGRESS;
        ok(err);
    }
    return r;
}

static void waits_while_the_bucket_says_slow_down(void **state) {
    struct tree_box *b = *state;
    unsigned rule = store_fault_fail(b->store, FAULT_PUT, JOURNAL, 1, 20, -EIO);
    ok(make_within(b, "f", 60 * NS_PER_S));
    assert_int_equal(store_fault_hits(b->store, rule), 20);
    assert_view(b, "f=");
}

static void many_calls_wait(void **state) {
    struct tree_box *b = *state;
    int err[100];
    store_fault_fail(b->store, FAULT_PUT, JOURNAL, 1, 3, -EIO);
    for (size_t i = 0; i < ARRAY_SIZE(err); i++) {
        CLEANUP_FREE char *name = xasprintf("%zu", i);
        assert_int_equal(make(b, name), -EINPROGRESS);
        err[i] = NOT_YET;
        fault_wait(b->tree, ready, &err[i]);
    }
    sim_run(b->sim, 20 * NS_PER_S);
    for (size_t i = 0; i < ARRAY_SIZE(err); i++)
        ok(err[i]);
    ok(make(b, "f"));
}

static void waits_while_nothing_answers(void **state) {
    struct tree_box *b = *state;
    unsigned rule = store_fault_vanish(b->store);
    sim_run(b->sim, 90 * NS_PER_S);
    assert_true(b->tree->offline);
    assert_int_equal(make_within(b, "f", 10 * NS_PER_S), -EINPROGRESS);
    store_fault_remove(b->store, rule);
    ok(make_within(b, "f", 60 * NS_PER_S));
}

static void is_read_only_where_the_bucket_refuses(void **state) {
    struct tree_box *b = *state;
    unsigned rule = store_fault_refuse_puts(b->store);
    assert_int_equal(make_within(b, "f", 20 * NS_PER_S), -EROFS);
    assert_int_equal(make(b, "f"), -EROFS); /* at once */
    sim_run(b->sim, 6 * NS_PER_S);
    assert_int_equal(make_within(b, "f", 5 * NS_PER_S), -EROFS); /* asked again, and answered */
    store_fault_remove(b->store, rule);
    sim_run(b->sim, 6 * NS_PER_S);
    ok(make_within(b, "f", 5 * NS_PER_S)); /* though the entry was put off for a minute */
}

static void is_answered_when_the_tree_closes(void **state) {
    struct tree_box *b = *state;
    int err = NOT_YET;
    store_fault_fail(b->store, FAULT_PUT, JOURNAL, 1, 0, -EIO);
    assert_int_equal(make(b, "f"), -EINPROGRESS);
    fault_wait(b->tree, ready, &err);
    tree_box_close(b);
    ok(err);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, tree_box_teardown)
    const struct CMUnitTest tests[] = {
        T(waits_while_the_bucket_says_slow_down),
        T(many_calls_wait),
        T(waits_while_nothing_answers),
        T(is_read_only_where_the_bucket_refuses),
        T(is_answered_when_the_tree_closes),
    };
    return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
