/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "spool_box.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static struct spool_file *make(struct spool_box *b) {
    struct spool_file *f;
    assert_int_equal(spool_create(b->spool, 1, NULL, &f), 0);
    return f;
}

static void test_write_is_in_the_file_when_it_completes(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    char back[6] = "";
    begin_write(&r, f, "hello", 5, 3);
    assert_int_equal(r.done, 1); /* in this thread, at once */
    assert_int_equal(r.err, 0);
    assert_int_equal(fake_env_queued(b->fake), 0);
    assert_int_equal(pread(spool_fd(f), back, 5, 3), 5);
    assert_string_equal(back, "hello");
    spool_unref(f);
}

static void test_read_stops_at_the_end(void **state) {
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(*state);
    begin_write(&r, f, "hello", 5, 0);
    begin_read(&r, f, 2, 100);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.len, 3);
    assert_memory_equal(r.data, "llo", 3);
    begin_read(&r, f, 5, 100);
    assert_int_equal(r.err, 0);
    assert_int_equal(r.len, 0);
    begin_read(&r, f, UINT64_MAX - 3, 100);
    assert_int_equal(r.err, 0);
    assert_int_equal(r.len, 0);
    spool_unref(f);
}

static void test_gaps_are_zeros(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 2 * MIB, 10);
    assert_bytes(b, f, 0, 0, 2 * MIB);
    assert_bytes(b, f, 1, 2 * MIB, 10);
    spool_unref(f);
}

static void test_truncate_shrinks_and_extends(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 1000);
    do_truncate(b, f, 400);
    assert_int_equal(file_size(f), 400);
    do_truncate(b, f, 1000);
    assert_bytes(b, f, 1, 0, 400);
    assert_bytes(b, f, 0, 400, 600);
    spool_unref(f);
}

static void test_empty_write_changes_nothing(void **state) {
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(*state);
    begin_write(&r, f, "", 0, 100);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
    assert_int_equal(file_size(f), 0);
    spool_unref(f);
}

static void test_above_max_file_size_is_efbig(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    begin_write(&r, f, "ab", 2, b->cfg.max_file_size - 1);
    assert_int_equal(r.err, -EFBIG);
    begin_write(&r, f, "ab", 2, UINT64_MAX);
    assert_int_equal(r.err, -EFBIG);
    begin_truncate(&r, f, b->cfg.max_file_size + 1);
    assert_int_equal(r.err, -EFBIG);
    begin_fallocate(&r, f, 0, b->cfg.max_file_size, 1);
    assert_int_equal(r.err, -EFBIG);
    assert_int_equal(file_size(f), 0);
    spool_unref(f);
}

static void test_sealed_file_never_changes(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 10);
    spool_seal(f);
    spool_seal(f);
    begin_write(&r, f, "x", 1, 0);
    assert_int_equal(r.err, -EPERM);
    begin_truncate(&r, f, 0);
    assert_int_equal(r.err, -EPERM);
    begin_fallocate(&r, f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5);
    assert_int_equal(r.err, -EPERM);
    assert_bytes(b, f, 1, 0, 10);
    spool_unref(f);
}

static void test_reserve_takes_room(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    begin_fallocate(&r, f, FALLOC_FL_KEEP_SIZE, 0, 4 * MIB);
    assert_int_equal(r.err, 0);
    assert_int_equal(file_size(f), 0);
    assert_int_equal(spool_bytes(b->spool), 4 * MIB);
    do_write(b, f, 1, 0, 4 * MIB);
    assert_int_equal(spool_bytes(b->spool), 4 * MIB);
    begin_fallocate(&r, f, 0, 0, 5 * MIB);
    assert_int_equal(file_size(f), 5 * MIB);
    spool_unref(f);
}

static void test_punch_hole(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 4 * MIB);
    begin_fallocate(&r, f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, 2 * MIB);
    assert_int_equal(r.err, 0);
    assert_bytes(b, f, 1, 0, MIB);
    assert_bytes(b, f, 0, MIB, 2 * MIB);
    assert_bytes(b, f, 1, 3 * MIB, MIB);
    assert_true(spool_bytes(b->spool) < 3 * MIB);
    begin_fallocate(&r, f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * MIB, UINT64_MAX);
    assert_int_equal(r.err, 0);
    assert_int_equal(file_size(f), 4 * MIB);
    spool_unref(f);
}

static void test_zero_range(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 1000);
    begin_fallocate(&r, f, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 500, 1000);
    assert_int_equal(r.err, 0);
    assert_int_equal(file_size(f), 1000);
    begin_fallocate(&r, f, FALLOC_FL_ZERO_RANGE, 500, 1000);
    assert_int_equal(file_size(f), 1500);
    assert_bytes(b, f, 1, 0, 500);
    assert_bytes(b, f, 0, 500, 1000);
    spool_unref(f);
}

static void test_other_fallocate_modes_are_not_supported(void **state) {
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(*state);
    begin_fallocate(&r, f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096);
    assert_int_equal(r.err, -EOPNOTSUPP);
    begin_fallocate(&r, f, 0, 0, 0);
    assert_int_equal(r.err, -EINVAL);
    spool_unref(f);
}

static void test_mtime(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    struct stat st;
    int64_t t;
    assert_int_equal(spool_set_mtime(f, -1), 0); /* a nanosecond before 1970 */
    spool_stat(f, NULL, &t, NULL);
    assert_int_equal(t, -1);
    int64_t before = env_now(b->env);
    do_write(b, f, 1, 0, 1);
    spool_stat(f, NULL, &t, NULL);
    assert_true(t >= before && t <= env_now(b->env)); /* not a tick of the kernel's clock earlier */
    assert_int_equal(spool_set_mtime(f, t), 0);
    assert_int_equal(fstat(spool_fd(f), &st), 0); /* what a restart finds */
    assert_int_equal(t, st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec);
    spool_unref(f);
}

static void test_seek(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 4096);
    do_write(b, f, 1, MIB, 4096);
    do_truncate(b, f, 2 * MIB);
    assert_int_equal(spool_seek(f, 0, SEEK_HOLE), 4096);
    assert_int_equal(spool_seek(f, 5000, SEEK_DATA), MIB);
    assert_int_equal(spool_seek(f, MIB + 4096, SEEK_DATA), -ENXIO);
    assert_int_equal(spool_seek(f, 2 * MIB, SEEK_HOLE), -ENXIO);
    assert_int_equal(spool_seek(f, 0, SEEK_END), -EINVAL);
    spool_unref(f);
}

static void test_sync(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    begin_sync(&r, f);
    assert_int_equal(r.done, 0);
    fake_env_run(b->fake);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
    spool_unref(f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, spool_box_setup, spool_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_write_is_in_the_file_when_it_completes),
        TEST(test_read_stops_at_the_end),
        TEST(test_gaps_are_zeros),
        TEST(test_truncate_shrinks_and_extends),
        TEST(test_empty_write_changes_nothing),
        TEST(test_above_max_file_size_is_efbig),
        TEST(test_sealed_file_never_changes),
        TEST(test_reserve_takes_room),
        TEST(test_punch_hole),
        TEST(test_zero_range),
        TEST(test_other_fallocate_modes_are_not_supported),
        TEST(test_mtime),
        TEST(test_seek),
        TEST(test_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
