/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Changes that must appear at once and do not fit an entry: they go through a batch, whole, also after a
 * restart; hosts that cannot read it stop before the entry and say which.
 */
#include "tree/batch.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define FILES 6

static const char *const names[FILES] = {"a", "b", "c", "d", "e", "f"};

/* Extended attributes of nearly 1 MiB, all of one byte. */
static void set_large(struct tree_box *b, const char *path, char fill) {
    CLEANUP_FREE char *value = xmalloc(60000);
    memset(value, fill, 60000);
    for (int i = 0; i < 17; i++) {
        char name[32];
        snprintf(name, sizeof name, "user.large%d", i);
        assert_int_equal(names_setxattr(b->tree, box_ino(b, path), name, value, 60000, 0), 0);
    }
}

static char fill_of(struct tree_box *b, const char *path) {
    CLEANUP_BUF struct buf v = BUF_INIT(100000);
    assert_int_equal(names_getxattr(b->tree, box_ino(b, path), "user.large16", &v), 0);
    return (char)v.data[0];
}

static void make_files(struct tree_box *b) {
    for (int i = 0; i < FILES; i++)
        assert_int_equal(box_put(b, names[i], names[i]), 0);
    box_commit(b);
}

/* Each file gets the place of the one before, and large attributes: no part of that can go alone. */
static void rotate(struct tree_box *b) {
    for (int i = 0; i < FILES; i++)
        set_large(b, names[i], (char)('A' + i));
    assert_int_equal(box_rename(b, names[0], "t", 0), 0);
    for (int i = 1; i < FILES; i++)
        assert_int_equal(box_rename(b, names[i], names[i - 1], 0), 0);
    assert_int_equal(box_rename(b, "t", names[FILES - 1], 0), 0);
}

static void assert_rotated(struct tree_box *b) {
    assert_view(b, "a=b b=c c=d d=e e=f f=a");
    for (int i = 0; i < FILES; i++)
        assert_int_equal(fill_of(b, names[i]), 'A' + (i + 1) % FILES);
}

static size_t batches(struct tree_box *b) {
    return mem_bucket_count(b->bucket, ".assetfs/batch/");
}

static void all_at_once(void **state) {
    struct tree_box *b = *state;
    make_files(b);
    struct tree_box *other = tree_box_join(b, "other");
    box_follow(b);
    uint64_t seq = b->tree->seq;
    rotate(b);
    box_commit(b);
    assert_int_equal(batches(b), 1);
    assert_int_equal(b->tree->seq, seq + 1);
    assert_rotated(b);
    box_follow(other);
    assert_rotated(other);
    struct tree_box *late = tree_box_join(b, "late");
    assert_rotated(late);
    /* What is small goes the usual way afterwards. */
    assert_int_equal(box_put(other, "g", "g"), 0);
    box_commit(other);
    box_follow(b);
    assert_int_equal(batches(b), 1);
    assert_int_not_equal(box_ino(b, "g"), 0);
    tree_box_free(late);
    tree_box_free(other);
}

/* The process ends while batch and entry are on their way, again and again. */
static void after_a_restart(void **state) {
    struct tree_box *b = *state;
    make_files(b);
    rotate(b);
    for (int i = 0; i < 100 && b->tree->pending_rows; i++) {
        sim_run(b->sim, 20 * NS_PER_MS);
        tree_box_reopen(b);
    }
    box_commit(b);
    assert_rotated(b);
    assert_true(batches(b) >= 1);
    char *wrong = tree_box_wrong(b);
    if (wrong)
        fail_msg("%s", wrong);
    struct tree_box *late = tree_box_join(b, "late");
    assert_rotated(late);
    tree_box_free(late);
}

/* Two hosts want the number: who comes second makes another batch, or finds that its names are taken. */
static void lost_race(void **state) {
    struct tree_box *b = *state;
    make_files(b);
    struct tree_box *other = tree_box_join(b, "other");
    rotate(b);
    assert_int_equal(box_put(other, "g", "g"), 0);
    box_commit(other);
    box_commit(b);
    box_follow(other);
    box_follow(b);
    assert_view(b, "a=b b=c c=d d=e e=f f=a g=g");
    assert_view(other, "a=b b=c c=d d=e e=f f=a g=g");
    tree_box_free(other);
}

static void assert_stopped(struct tree_box *b, const char *what) {
    struct tree_status st;
    tree_status(b->tree, &st);
    assert_true(st.read_only);
    assert_non_null(st.reason);
    if (!strstr(st.reason, what))
        fail_msg("%s", st.reason);
    CLEANUP_FREE char *number = xasprintf("journal entry %llu ", (unsigned long long)st.sequence + 1);
    assert_non_null(strstr(st.reason, number));
    tree_status_free(&st);
}

static void missing_or_wrong(struct tree_box *b, bool missing) {
    make_files(b);
    struct tree_box *other = tree_box_join(b, "other");
    box_follow(b);
    rotate(b);
    box_commit(b);
    assert_int_equal(batches(b), 1);
    CLEANUP_FREE char *key = mem_bucket_key(b->bucket, ".assetfs/batch/", 0);
    assert_true(missing ? mem_bucket_delete(b->bucket, key) : mem_bucket_corrupt(b->bucket, key, 1000));
    tree_poll_now(other->tree);
    sim_run(b->sim, 120 * NS_PER_S);
    assert_stopped(other, missing ? "is not in the bucket" : "is not what the entry says");
    assert_view(other, "a=a b=b c=c d=d e=e f=f");
    int err; /* one that knows nothing comes as far as that */
    struct tree_box *late = tree_box_open(
        &(struct tree_box_config){.sim = b->sim, .bucket = b->bucket, .label = "late", .read_only = true},
        &err);
    assert_int_equal(err, 0);
    assert_stopped(late, missing ? "is not in the bucket" : "is not what the entry says");
    assert_view(late, "a=a b=b c=c d=d e=e f=f");
    assert_int_equal(box_create(late, "x"), -EROFS);
    tree_box_free(late);
    tree_box_free(other);
}

static void missing(void **state) {
    missing_or_wrong(*state, true);
}

static void wrong(void **state) {
    missing_or_wrong(*state, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_at_once, tree_box_setup, tree_box_teardown),
        cmocka_unit_test_setup_teardown(after_a_restart, tree_box_setup, tree_box_teardown),
        cmocka_unit_test_setup_teardown(lost_race, tree_box_setup, tree_box_teardown),
        cmocka_unit_test_setup_teardown(missing, tree_box_setup, tree_box_teardown),
        cmocka_unit_test_setup_teardown(wrong, tree_box_setup, tree_box_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
