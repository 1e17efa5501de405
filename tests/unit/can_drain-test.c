/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When a write into a full spool has something to wait for: tree_can_drain(), at every stage from a write to the block cache.
 */
#include "tree/file.h"
#include "tree/names.h"
#include "tree/state.h"
#include "tree_box.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool drains(struct tree_box *b) {
    return tree_can_drain(b->tree);
}

static void ok(int r) {
    assert_int_equal(r, 0);
}

static void nothing_is_waited_for(void **state) {
    struct tree_box *b = *state;
    assert_false(drains(b));
    ok(box_put(b, "f", "text"));
    box_commit(b);
    assert_false(drains(b));
    ok(box_chmod(b, "f", 0600)); /* no bytes */
    assert_false(drains(b));
}

static void a_closed_file_that_rests(void **state) {
    struct tree_box *b = *state;
    ok(box_put(b, "f", "text"));
    assert_int_equal(b->tree->settling, 0);
    assert_true(drains(b));
}

static void an_upload(void **state) {
    struct tree_box *b = *state;
    store_fault_hold(b->store, FAULT_PUT, "files/");
    ok(box_put(b, "f", "text"));
    sim_run(b->sim, 10 * NS_PER_S);
    assert_int_equal(b->tree->settling, 1);
    assert_true(drains(b));
    store_fault_release(b->store);
}

/* The upload is over, its bytes are still in the spool. */
static void an_uploaded_file_that_waits_for_its_commit(void **state) {
    struct tree_box *b = *state;
    struct row_pending p;
    store_fault_hold(b->store, FAULT_PUT, ".assetfs/journal/");
    ok(box_put(b, "f", "text"));
    sim_run(b->sim, 10 * NS_PER_S);
    assert_int_equal(rows_p_inode(b->tree, box_ino(b, "f"), NULL, &p), 1);
    assert_int_equal(p.stage, SNAP_DURABLE);
    assert_int_equal(b->tree->settling, 0);
    assert_true(drains(b));
    store_fault_release(b->store);
    box_commit(b);
    assert_false(drains(b));
}

/* Its row is gone, its file not yet the cache's. */
static void a_file_that_is_being_handed_over(void **state) {
    struct tree_box *b = *state;
    ok(box_put(b, "f", "text"));
    box_commit(b);
    b->tree->handing_over = 1;
    assert_true(drains(b));
    b->tree->handing_over = 0;
    assert_false(drains(b));
}

static void a_refused_upload_is_not_waited_for(void **state) {
    struct tree_box *b = *state;
    unsigned refused = store_fault_refuse_puts(b->store);
    ok(box_put(b, "f", "text"));
    sim_run(b->sim, 10 * NS_PER_S);
    assert_int_equal(b->tree->stuck, 1);
    assert_false(drains(b));
    ok(box_put(b, "g", "other")); /* but this one may be taken */
    assert_true(drains(b));
    store_fault_remove(b->store, refused);
}

static void a_bucket_that_is_away_is_not_waited_for(void **state) {
    struct tree_box *b = *state;
    store_fault_vanish(b->store);
    ok(box_put(b, "f", "text"));
    tree_used(b->tree);
    tree_poll_now(b->tree);
    sim_run(b->sim, 10 * NS_PER_S);
    assert_true(b->tree->offline);
    assert_false(drains(b));
}

static void written(void *arg, int err, size_t n) {
    (void)n;
    *(int *)arg = err;
}

static void answered(void *arg, int err) {
    *(int *)arg = err;
}

/* Who writes waits for others, never for itself: here for a block that it has to fetch first. */
static void a_write_under_way_is_not_waited_for(void **state) {
    struct tree_box *a = *state, *b;
    struct file *f;
    int r = 1;
    ok(box_put(a, "f", "0123456789"));
    box_commit(a);
    b = tree_box_join(a, "other");
    ok(box_claim(b));
    box_follow(b);
    store_fault_hold(b->store, FAULT_GET, "files/");
    ok(file_open(b->tree, box_ino(b, "f"), O_WRONLY, &f));
    file_write(f, "x", 1, 3, false, written, &r);
    sim_run(b->sim, NS_PER_S);
    assert_int_equal(r, 1);
    assert_false(drains(b));
    store_fault_release(b->store);
    sim_run(b->sim, NS_PER_S);
    ok(r);
    assert_true(drains(b)); /* it will settle, open or not: its release may be on its way */
    file_close(f, O_WRONLY);
    assert_true(drains(b));
    box_commit(b);
    assert_false(drains(b));
    tree_box_free(b);
}

/* The bytes of a removed file leave with its last handle. The kernel tells of that a moment after the program has closed it; one that is just open may stay so. */
static void a_removed_file_whose_release_is_on_its_way(void **state) {
    struct tree_box *b = *state;
    struct file *f;
    int r = 1;
    ok(box_create(b, "f"));
    uint64_t ino = box_ino(b, "f");
    ok(file_open(b->tree, ino, O_WRONLY, &f));
    file_write(f, "text", 4, 0, false, written, &r);
    ok(r);
    ok(box_unlink(b, "f"));
    assert_false(drains(b));
    file_flush(f, answered, &r);
    assert_true(drains(b));
    file_write(f, "more", 4, 4, false, written, &r); /* it was another close */
    assert_false(drains(b));
    file_flush(f, answered, &r);
    assert_true(drains(b));
    sim_run(b->sim, 10 * NS_PER_S); /* mapped, say */
    assert_false(drains(b));
    file_close(f, O_WRONLY);
    names_forget(b->tree, ino);
    assert_int_equal(spool_files(b->spool), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_waited_for),
        TEST(a_closed_file_that_rests),
        TEST(an_upload),
        TEST(an_uploaded_file_that_waits_for_its_commit),
        TEST(a_file_that_is_being_handed_over),
        TEST(a_refused_upload_is_not_waited_for),
        TEST(a_bucket_that_is_away_is_not_waited_for),
        TEST(a_write_under_way_is_not_waited_for),
        TEST(a_removed_file_whose_release_is_on_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
