/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From pending rows to an entry in the bucket, with the whole host around it.
 */
#include "tree/file.h"
#include "tree/names.h"
#include "tree_box.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ok(int r) {
    assert_int_equal(r, 0);
}

static void set_mtime(struct tree_box *b, const char *path, int64_t mtime) {
    struct setattr s = {.what = SET_MTIME, .mtime = mtime};
    struct attr a;
    ok(names_setattr(b->tree, box_ino(b, path), &s, &a));
}

static struct row_pending row_of(struct tree_box *b, const char *path) {
    struct row_pending p;
    assert_int_equal(rows_p_inode(b->tree, box_ino(b, path), NULL, &p), 1);
    return p;
}

/* rsync -a of what is there already, and a rename: the entry brings the name alone, for the record differs in nothing that a rename does not bring. The snapshot goes all the
 * same. */
static void a_rename_commits_equal_bytes_as_well(void **state) {
    struct tree_box *b = *state;
    struct attr a;
    ok(box_put(b, "f", "text"));
    box_commit(b);
    ok(box_stat(b, "f", &a));
    ok(box_put(b, "f", "text"));
    set_mtime(b, "f", a.mtime);
    for (int i = 0; i < 600 && row_of(b, "f").stage != SNAP_DURABLE; i++)
        sim_run(b->sim, NS_PER_MS);
    assert_int_equal(row_of(b, "f").stage, SNAP_DURABLE);
    ok(box_rename(b, "f", "g", 0));
    assert_true(row_of(b, "g").snap > 0);
    box_commit(b);
    assert_int_equal(b->tree->pending_rows, 0);
    assert_int_equal(spool_files(b->spool), 0);
    assert_view(b, "g=text");
    ok(box_stat(b, "g", &a));
}

static void answered(void *arg, int err) {
    *(int *)arg = err;
}

static void written(void *arg, int err, size_t n) {
    (void)n;
    *(int *)arg = err;
}

/* Operations that leave nothing to commit count as well: what is written after a restart comes after those of the entry that was in flight then. */
static void fsync_after_a_restart_waits_for_what_was_written_since(void **state) {
    struct tree_box *b = *state;
    CLEANUP_RECORD struct record rec = {0};
    struct file *f;
    int synced = 1, r = 1;
    ok(box_create(b, "f"));
    store_fault_lose_answer(b->store, ".assetfs/journal/", 1, 1);
    store_fault_fail(b->store, FAULT_GET, ".assetfs/journal/", 1, 0, -EIO);
    for (int i = 0; i < 5; i++)
        tree_sync(b->tree, answered, &synced);
    sim_run(b->sim, 2 * NS_PER_S);
    assert_true(b->tree->inflight.active);
    tree_box_reopen(b);
    uint64_t ino = box_ino(b, "f"), seq = b->tree->seq;
    ok(file_open(b->tree, ino, O_WRONLY, &f));
    file_write(f, "text", 4, 0, false, written, &r);
    ok(r);
    store_fault_clear(b->store);
    tree_poll_now(b->tree);
    for (int i = 0; i < 1000 && b->tree->seq == seq; i++)
        sim_run(b->sim, NS_PER_MS);
    assert_int_equal(b->tree->seq, seq + 1);
    r = 1;
    file_fsync(f, answered, &r);
    for (int i = 0; i < 10000 && r == 1; i++)
        sim_run(b->sim, NS_PER_MS);
    ok(r);
    assert_int_equal(rows_c_inode(b->tree, ino, &rec, NULL, NULL), 1);
    assert_int_equal(rec.size, 4);
    file_close(f, O_WRONLY);
}

/* g takes the place of a directory. Its snapshot can only go with the removal of what was in there, which waits for what was written to g after the snapshot. */
static void a_file_written_on_replaces_a_directory(void **state) {
    struct tree_box *b = *state;
    struct file *f;
    int r = 1;
    ok(box_mkdir(b, "d"));
    ok(box_put(b, "d/x", "in the way"));
    box_commit(b);
    ok(box_create(b, "g"));
    ok(file_open(b->tree, box_ino(b, "g"), O_WRONLY, &f));
    file_write(f, "one", 3, 0, false, written, &r);
    ok(r);
    for (int i = 0; i < 10000 && row_of(b, "g").stage != SNAP_DURABLE; i++)
        sim_run(b->sim, NS_PER_MS);
    assert_int_equal(row_of(b, "g").stage, SNAP_DURABLE);
    file_write(f, " and two", 8, 3, false, written, &r);
    ok(box_unlink(b, "d/x"));
    ok(box_rmdir(b, "d"));
    ok(box_rename(b, "g", "d", 0));
    file_close(f, O_WRONLY);
    box_commit(b);
    assert_view(b, "d=one and two");
    assert_int_equal(b->tree->pending_rows, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_rename_commits_equal_bytes_as_well),
        TEST(fsync_after_a_restart_waits_for_what_was_written_since),
        TEST(a_file_written_on_replaces_a_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
