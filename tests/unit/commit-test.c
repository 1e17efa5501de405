/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From pending rows to an entry in the bucket, with the whole host around it.
 */
#include "tree/names.h"
#include "tree_box.h"

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

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_rename_commits_equal_bytes_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
