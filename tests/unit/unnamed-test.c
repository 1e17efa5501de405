/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files without a name that are still open: what is written to them goes nowhere, but reads as it was written, at whatever stage the unlink has met them.
 */
#include "tree/file.h"
#include "tree/file_state.h"
#include "tree/names.h"
#include "tree_box.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ok(int r) {
    assert_int_equal(r, 0);
}

static void written(void *arg, int err, size_t n) {
    (void)n;
    *(int *)arg = err;
}

struct answer {
    int err;
    char text[100];
};

static void was_read(void *arg, int err, const void *p, size_t n) {
    struct answer *a = arg;
    a->err = err;
    memcpy(a->text, p, MIN(n, sizeof a->text - 1));
}

static void assert_reads(struct tree_box *b, struct file *f, const char *want) {
    struct answer a = {.err = 1};
    file_read(f, 0, 50, NULL, was_read, &a);
    sim_run(b->sim, NS_PER_S);
    ok(a.err);
    assert_string_equal(a.text, want);
}

/* "0123456789" is in the bucket and "abc" has been written over its beginning. */
static struct file *begin(struct tree_box *b) {
    struct file *f;
    int r = 1;
    ok(box_put(b, "f", "0123456789"));
    box_commit(b);
    ok(file_open(b->tree, box_ino(b, "f"), O_RDWR, &f));
    file_write(f, "abc", 3, 0, false, written, &r);
    sim_run(b->sim, 0);
    ok(r);
    return f;
}

static void append(struct tree_box *b, struct file *f) {
    int r = 1;
    file_write(f, "more", 4, 10, true, written, &r);
    sim_run(b->sim, NS_PER_S);
    ok(r);
    assert_reads(b, f, "abc3456789more");
}

static void end(struct tree_box *b, struct file *f) {
    uint64_t ino = f->ino;
    file_close(f, O_RDWR);
    names_forget(b->tree, ino);
    box_commit(b);
    assert_view(b, "");
    assert_int_equal(spool_bytes(b->spool), 0);
}

static void written_on_before_it_settles(void **state) {
    struct tree_box *b = *state;
    struct file *f = begin(b);
    ok(box_unlink(b, "f"));
    append(b, f);
    end(b, f);
}

static void written_on_while_its_snapshot_is_hashed(void **state) {
    struct tree_box *b = *state;
    struct file *f = begin(b);
    int r = 1;
    sim_delays(b->sim, 0, 100 * NS_PER_MS);
    for (int i = 0; i < 10000 && !f->settling; i++)
        sim_run(b->sim, NS_PER_MS);
    assert_true(f->settling);
    ok(box_unlink(b, "f"));
    file_write(f, "more", 4, 10, true, written, &r);
    assert_int_equal(r, 1); /* parked */
    sim_run(b->sim, NS_PER_S);
    ok(r);
    assert_reads(b, f, "abc3456789more");
    sim_delays(b->sim, 0, 0);
    end(b, f);
}

static void written_on_while_its_snapshot_is_uploaded(void **state) {
    struct tree_box *b = *state;
    struct file *f = begin(b);
    store_fault_hold(b->store, FAULT_PUT, "files/");
    sim_run(b->sim, 10 * NS_PER_S);
    assert_true(f->settling);
    ok(box_unlink(b, "f"));
    append(b, f);
    store_fault_release(b->store);
    sim_run(b->sim, 10 * NS_PER_S);
    assert_reads(b, f, "abc3456789more");
    end(b, f);
}

static void written_on_when_its_snapshot_waits_for_the_commit(void **state) {
    struct tree_box *b = *state;
    struct file *f = begin(b);
    store_fault_hold(b->store, FAULT_PUT, ".assetfs/journal/");
    sim_run(b->sim, 10 * NS_PER_S);
    assert_non_null(f->snap);
    assert_false(f->settling);
    ok(box_unlink(b, "f"));
    append(b, f);
    store_fault_release(b->store);
    end(b, f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(written_on_before_it_settles),
        TEST(written_on_while_its_snapshot_is_hashed),
        TEST(written_on_while_its_snapshot_is_uploaded),
        TEST(written_on_when_its_snapshot_waits_for_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
