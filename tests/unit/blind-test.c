/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commits while the journal cannot be read and the bucket takes puts.
 */
#include "tree_box.h"
#include <inttypes.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define JOURNAL ".assetfs/journal/"

static void ok(int r) {
    assert_int_equal(r, 0);
}

static void answered(void *arg, int err) {
    *(int *)arg = err;
}

/* 1: not yet */
static int synced_within(struct tree_box *b, int64_t ns) {
    static int r;
    r = 1;
    struct tree_wait *w = tree_sync(b->tree, answered, &r);
    for (int64_t t = 0; t < ns && r == 1; t += NS_PER_S / 10)
        sim_run(b->sim, NS_PER_S / 10);
    if (r == 1) {
        tree_sync_cancel(b->tree, w);
        sim_run(b->sim, NS_PER_MS);
        return 1;
    }
    return r;
}

static void a_journal_that_hangs_holds_up_no_commit(void **state) {
    struct tree_box *b = *state;
    sim_run(b->sim, 20 * NS_PER_S);
    store_fault_hold(b->store, FAULT_GET, JOURNAL);
    sim_run(b->sim, 70 * NS_PER_S); /* what was seen is old, and nobody can look again */
    ok(box_put(b, "f", "text"));
    ok(synced_within(b, 5 * NS_PER_S));
    ok(box_put(b, "g", "more"));
    ok(synced_within(b, 5 * NS_PER_S));
    store_fault_release(b->store);
    sim_run(b->sim, 20 * NS_PER_S);
    assert_false(b->tree->offline);
    assert_false(b->tree->read_only);
    assert_view(b, "f=text g=more");
}

static void a_journal_that_fails_holds_up_no_commit(void **state) {
    struct tree_box *b = *state;
    unsigned rule = store_fault_fail(b->store, FAULT_GET, JOURNAL, 1, 0, -EIO);
    sim_run(b->sim, 30 * NS_PER_S);
    assert_true(b->tree->offline);
    for (int i = 0; i < 20; i++) {
        CLEANUP_FREE char *name = xasprintf("f%d", i);
        ok(box_create(b, name));
        ok(synced_within(b, 5 * NS_PER_S));
    }
    assert_true(b->tree->put_while_offline);
    store_fault_remove(b->store, rule);
    sim_run(b->sim, 20 * NS_PER_S);
    assert_false(b->tree->offline);
    assert_int_equal(b->tree->pending_rows, 0);
}

/* The number is taken: what stands there is read before anything is put. */
static void waits_where_another_host_has_written(void **state) {
    struct tree_box *a = *state, *b = tree_box_join(a, "b");
    box_follow(a);
    unsigned rule = store_fault_fail(a->store, FAULT_GET, JOURNAL, 1, 0, -EIO);
    sim_run(a->sim, 30 * NS_PER_S);
    ok(box_put(b, "of b", "b"));
    box_commit(b);
    ok(box_put(a, "of a", "a"));
    assert_int_equal(synced_within(a, 30 * NS_PER_S), 1);
    assert_view(a, "of a=a");
    store_fault_remove(a->store, rule);
    ok(synced_within(a, 60 * NS_PER_S));
    box_follow(b);
    assert_view(a, "of a=a of b=b");
    assert_view(b, "of a=a of b=b");
    tree_box_free(b);
}

/* Its fate shows when the same bytes are put again: the number is taken, and nobody can tell by whom. */
static void waits_where_an_answer_was_lost(void **state) {
    struct tree_box *b = *state;
    unsigned rule = store_fault_fail(b->store, FAULT_GET, JOURNAL, 1, 0, -EIO);
    sim_run(b->sim, 30 * NS_PER_S);
    unsigned lost = store_fault_lose_answer(b->store, JOURNAL, 1, 1);
    ok(box_put(b, "f", "text"));
    assert_int_equal(synced_within(b, 30 * NS_PER_S), 1);
    assert_int_equal(store_fault_hits(b->store, lost), 1);
    uint64_t seq = b->tree->seq;
    store_fault_remove(b->store, rule);
    ok(synced_within(b, 60 * NS_PER_S));
    assert_int_equal(b->tree->seq, seq + 1); /* once */
    assert_view(b, "f=text");
}

/* A put that certainly was not done is simply done again. */
static void a_put_that_fails_is_not_read_back(void **state) {
    struct tree_box *b = *state;
    store_fault_fail(b->store, FAULT_GET, JOURNAL, 1, 0, -EIO);
    sim_run(b->sim, 30 * NS_PER_S);
    store_fault_fail(b->store, FAULT_PUT, JOURNAL, 1, 3, -EIO);
    ok(box_put(b, "f", "text"));
    ok(synced_within(b, 20 * NS_PER_S));
}

/* The newest entry reads as absent: that may be a bucket that has gone backwards, and what comes after it must not be put. */
static void never_beside_an_absent_witness(void **state) {
    struct tree_box *b = *state;
    CLEANUP_FREE char *newest = NULL;
    ok(box_put(b, "before", "text"));
    box_commit(b);
    newest = xasprintf(JOURNAL "%016" PRIu64, b->tree->seq);
    b->store->absence_ns = STORE_ABSENCE_NS;
    store_fault_hide(b->store, newest);
    for (int i = 0; i < 100 && !b->tree->absent_since; i++)
        sim_run(b->sim, NS_PER_S / 10);
    assert_true(b->tree->absent_since != 0);
    store_fault_fail(b->store, FAULT_GET, JOURNAL, 1, 0, -EIO);
    size_t puts = store_fault_puts(b->store, JOURNAL);
    sim_run(b->sim, 30 * NS_PER_S);
    ok(box_put(b, "f", "text"));
    assert_int_equal(synced_within(b, 30 * NS_PER_S), 1);
    assert_int_equal(store_fault_puts(b->store, JOURNAL), puts);
}

/* What was seen hours ago is not enough. */
static void not_for_ever(void **state) {
    struct tree_box *b = *state;
    unsigned rule = store_fault_fail(b->store, FAULT_GET, JOURNAL, 1, 0, -EIO);
    sim_run(b->sim, 7200 * NS_PER_S);
    ok(box_put(b, "f", "text"));
    assert_int_equal(synced_within(b, 60 * NS_PER_S), 1);
    store_fault_remove(b->store, rule);
    ok(synced_within(b, 60 * NS_PER_S));
}

/* What waits for its next try when all was away is put at once when it is back. */
static void goes_on_at_once_after_an_outage(void **state) {
    struct tree_box *b = *state;
    unsigned rule = store_fault_vanish(b->store);
    sim_run(b->sim, 30 * NS_PER_S);
    ok(box_put(b, "f", "text"));
    assert_int_equal(synced_within(b, 600 * NS_PER_S), 1);
    assert_false(tree_can_drain(b->tree));
    store_fault_remove(b->store, rule);
    for (int i = 0; i < 600 && b->tree->offline; i++)
        sim_run(b->sim, NS_PER_S / 10);
    assert_false(b->tree->offline);
    ok(synced_within(b, 5 * NS_PER_S));
}

static uint64_t write_some(struct tree_box *b) {
    for (int i = 0; i < 3; i++) {
        CLEANUP_FREE char *name = xasprintf("before%d", i);
        ok(box_put(b, name, "text"));
        box_commit(b);
    }
    sim_run(b->sim, 20 * NS_PER_S);
    return b->tree->seq;
}

/* The journal cannot be read from now on, and the bucket goes back by two. */
static unsigned restore_unseen(struct tree_box *b) {
    unsigned rule = store_fault_fail(b->store, FAULT_GET, JOURNAL, 1, 0, -EIO);
    sim_run(b->sim, 30 * NS_PER_S);
    for (uint64_t seq = b->tree->seq - 1; seq <= b->tree->seq; seq++) {
        CLEANUP_FREE char *key = xasprintf(JOURNAL "%016" PRIu64, seq);
        assert_true(mem_bucket_delete(b->bucket, key));
    }
    return rule;
}

static void says_that_it_went_backwards(struct tree_box *b, uint64_t newest) {
    CLEANUP_FREE char *what = xasprintf("went backwards: journal entry %" PRIu64 " ", newest);
    for (int i = 0; i < 600 && !b->tree->read_only; i++)
        sim_run(b->sim, NS_PER_S / 10);
    assert_true(b->tree->read_only);
    assert_non_null(strstr(b->tree->reason, what));
}

/* Its entries stand on a gap, where nobody who comes anew finds them: that is told as soon as it can be seen. */
static void a_bucket_that_was_restored_meanwhile(void **state) {
    struct tree_box *b = *state;
    uint64_t newest = write_some(b);
    b->store->absence_ns = STORE_ABSENCE_NS;
    unsigned rule = restore_unseen(b);
    for (int i = 0; i < 5; i++) {
        CLEANUP_FREE char *name = xasprintf("f%d", i);
        ok(box_put(b, name, "text"));
        ok(synced_within(b, 5 * NS_PER_S));
    }
    assert_int_equal(b->tree->anchor, newest);
    store_fault_remove(b->store, rule);
    says_that_it_went_backwards(b, newest);
    assert_view(b, "before0=text before1=text before2=text f0=text f1=text f2=text f3=text f4=text");
}

static void a_bucket_that_was_restored_before_a_remount(void **state) {
    struct tree_box *b = *state;
    uint64_t newest = write_some(b);
    unsigned rule = restore_unseen(b);
    ok(box_put(b, "f", "text"));
    ok(synced_within(b, 5 * NS_PER_S));
    store_fault_remove(b->store, rule);
    tree_box_reopen(b);
    says_that_it_went_backwards(b, newest);
    assert_view(b, "before0=text before1=text before2=text f=text");
}

/* Who reads what was put there knows what stood before. */
static void a_reader_notices_it_too(void **state) {
    struct tree_box *a = *state, *b = tree_box_join(a, "b");
    uint64_t newest = write_some(a);
    box_follow(b);
    assert_int_equal(b->tree->seq, newest);
    unsigned blind = store_fault_fail(b->store, FAULT_GET, JOURNAL, 1, 0, -EIO), rule = restore_unseen(a);
    ok(box_put(a, "f", "text"));
    ok(synced_within(a, 5 * NS_PER_S));
    store_fault_remove(b->store, blind);
    says_that_it_went_backwards(b, newest);
    assert_view(b, "before0=text before1=text before2=text f=text");
    store_fault_remove(a->store, rule);
    tree_box_free(b);
}

/* All is as it should be: it is asked for once. */
static void a_bucket_that_was_not_restored(void **state) {
    struct tree_box *b = *state;
    unsigned rule = store_fault_fail(b->store, FAULT_GET, JOURNAL, 1, 0, -EIO);
    sim_run(b->sim, 30 * NS_PER_S);
    ok(box_put(b, "f", "text"));
    ok(synced_within(b, 5 * NS_PER_S));
    assert_true(b->tree->anchor > 0);
    store_fault_remove(b->store, rule);
    sim_run(b->sim, 20 * NS_PER_S);
    assert_int_equal(b->tree->anchor, 0);
    assert_false(b->tree->read_only);
    assert_false(b->tree->offline);
}

/* A cache's memory of the time before it was put. */
static void an_anchor_that_is_absent_for_a_moment(void **state) {
    struct tree_box *b = *state;
    b->store->absence_ns = STORE_ABSENCE_NS;
    sim_run(b->sim, 20 * NS_PER_S);
    CLEANUP_FREE char *key = xasprintf(JOURNAL "%016" PRIu64, b->tree->seq);
    ok(box_put(b, "f", "text"));
    ok(synced_within(b, 20 * NS_PER_S));
    store_fault_hide(b->store, key);
    for (int i = 0; i < 100 && !b->tree->absent_since; i++)
        sim_run(b->sim, NS_PER_S / 10);
    assert_true(b->tree->anchor_is_gone);
    store_fault_clear(b->store);
    sim_run(b->sim, 60 * NS_PER_S);
    assert_int_equal(b->tree->absent_since, 0);
    assert_int_equal(b->tree->anchor, 0);
    assert_false(b->tree->read_only);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, tree_box_setup, tree_box_teardown)
    const struct CMUnitTest tests[] = {
        T(a_journal_that_hangs_holds_up_no_commit),
        T(a_journal_that_fails_holds_up_no_commit),
        T(waits_where_another_host_has_written),
        T(waits_where_an_answer_was_lost),
        T(a_put_that_fails_is_not_read_back),
        T(never_beside_an_absent_witness),
        T(not_for_ever),
        T(goes_on_at_once_after_an_outage),
        T(a_bucket_that_was_restored_meanwhile),
        T(a_bucket_that_was_restored_before_a_remount),
        T(a_reader_notices_it_too),
        T(a_bucket_that_was_not_restored),
        T(an_anchor_that_is_absent_for_a_moment),
    };
    return cmocka_run_group_tests_name("blind", tests, NULL, NULL);
}
