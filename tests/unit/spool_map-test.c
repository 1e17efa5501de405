/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool_map.h"
#include "base/file.h"
#include "tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define BLOCKS(n) ((uint64_t)(n)*BLOCK_SIZE)
/* Where the header has the boot id. */
#define BOOT_OFFSET 32

static char *map_path(void **state) {
    return tmpdir_path(*state, "1.map");
}

static struct spool_map *make(const char *path, uint64_t size) {
    struct spool_map *m;
    assert_int_equal(spool_map_create(path, size, 7, &m), 0);
    return m;
}

static struct spool_map *open_again(const char *path, uint64_t size) {
    struct spool_map *m;
    assert_int_equal(spool_map_open(path, size, &m), 0);
    return m;
}

/* As if the machine had been started anew. */
static void reboot(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(file_pwrite_all(fd, "another boot id!", 16, BOOT_OFFSET), 0);
    close(fd);
}

static void test_new_map_has_nothing(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(3) - 1);
    assert_int_equal(spool_map_absent(m), 3);
    assert_false(spool_map_here(m, 0));
    assert_false(spool_map_here(m, 2));
    assert_true(spool_map_here(m, 3));
    assert_int_equal(spool_map_mtime(m), 7);
    spool_map_close(m);
}

static void test_set_counts_each_block_once(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(200));
    spool_map_set(m, 60, 10);
    spool_map_set(m, 65, 10);
    assert_int_equal(spool_map_absent(m), 185);
    assert_false(spool_map_here(m, 59));
    assert_true(spool_map_here(m, 60));
    assert_true(spool_map_here(m, 74));
    assert_false(spool_map_here(m, 75));
    spool_map_close(m);
}

static void test_set_beyond_the_end_is_harmless(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(64));
    spool_map_set(m, 63, 100);
    assert_int_equal(spool_map_absent(m), 63);
    spool_map_close(m);
}

static void test_next_absent_and_next_here(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(130));
    spool_map_set(m, 0, 64);
    assert_int_equal(spool_map_next_absent(m, 0), 64);
    assert_int_equal(spool_map_next_absent(m, 100), 100);
    assert_int_equal(spool_map_next_here(m, 64), 130);
    spool_map_set(m, 64, 66);
    assert_true(spool_map_next_absent(m, 0) == SPOOL_MAP_NONE);
    assert_int_equal(spool_map_absent(m), 0);
    spool_map_close(m);
}

static void test_cut_makes_what_is_beyond_here(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(10));
    spool_map_cut(m, BLOCKS(4) + 1);
    assert_int_equal(spool_map_absent(m), 5);
    assert_true(spool_map_here(m, 5));
    spool_map_cut(m, BLOCKS(9));
    assert_int_equal(spool_map_limit(m), BLOCKS(4) + 1);
    spool_map_cut(m, 0);
    assert_int_equal(spool_map_absent(m), 0);
    spool_map_close(m);
}

static void test_survives_without_being_closed(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(100));
    spool_map_set(m, 70, 3);
    spool_map_cut(m, BLOCKS(90));
    spool_map_set_mtime(m, -5);
    struct spool_map *again = open_again(path, BLOCKS(100));
    assert_int_equal(spool_map_absent(again), 87);
    assert_true(spool_map_here(again, 71));
    assert_int_equal(spool_map_limit(again), BLOCKS(90));
    assert_int_equal(spool_map_mtime(again), -5);
    spool_map_close(again);
    spool_map_close(m);
}

static void test_after_a_reboot_only_what_was_synced(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(100));
    spool_map_set(m, 1, 1);
    CLEANUP_FREE uint64_t *here = spool_map_sync_begin(m);
    spool_map_set(m, 2, 1); /* while the file is being synced */
    assert_int_equal(spool_map_sync_end(m, here), 0);
    spool_map_close(m);
    reboot(path);
    m = open_again(path, BLOCKS(100));
    assert_true(spool_map_here(m, 1));
    assert_false(spool_map_here(m, 2));
    assert_int_equal(spool_map_absent(m), 99);
    spool_map_set(m, 3, 1);
    spool_map_close(m);
    m = open_again(path, BLOCKS(100)); /* the boot is this one now */
    assert_true(spool_map_here(m, 3));
    spool_map_close(m);
}

static void test_a_short_map_proves_what_it_has(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(200));
    spool_map_set(m, 0, 200);
    spool_map_close(m);
    assert_int_equal(truncate(path, 64 + 16), 0);
    m = open_again(path, BLOCKS(200));
    assert_true(spool_map_here(m, 63));
    assert_false(spool_map_here(m, 64));
    assert_int_equal(spool_map_absent(m), 136);
    spool_map_close(m);
}

static void test_missing_is_enoent(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m;
    assert_int_equal(spool_map_open(path, BLOCKS(1), &m), -ENOENT);
}

static void test_another_base_is_bad(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    struct spool_map *m = make(path, BLOCKS(5));
    spool_map_close(m);
    assert_int_equal(spool_map_open(path, BLOCKS(6), &m), -EBADMSG);
}

static void test_garbage_is_bad(void **state) {
    CLEANUP_FREE char *path = map_path(state);
    char garbage[100];
    struct spool_map *m;
    memset(garbage, 'x', sizeof garbage);
    assert_int_equal(file_write_atomic(path, garbage, sizeof garbage, 0600), 0);
    assert_int_equal(spool_map_open(path, BLOCKS(5), &m), -EBADMSG);
    assert_int_equal(file_write_atomic(path, "", 0, 0600), 0);
    assert_int_equal(spool_map_open(path, BLOCKS(5), &m), -EBADMSG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_new_map_has_nothing),
        TEST(test_set_counts_each_block_once),
        TEST(test_set_beyond_the_end_is_harmless),
        TEST(test_next_absent_and_next_here),
        TEST(test_cut_makes_what_is_beyond_here),
        TEST(test_survives_without_being_closed),
        TEST(test_after_a_reboot_only_what_was_synced),
        TEST(test_a_short_map_proves_what_it_has),
        TEST(test_missing_is_enoent),
        TEST(test_another_base_is_bad),
        TEST(test_garbage_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
