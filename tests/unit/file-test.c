/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file.h"
#include "tmpdir.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int open_new(void **state, const char *name) {
    CLEANUP_FREE char *path = tmpdir_path(*state, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void assert_content(const char *path, const char *want) {
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    assert_int_equal(file_load(path, &b), 0);
    assert_string_equal(buf_str(&b), want);
}

static void pwrite_and_pread(void **state) {
    CLEANUP_CLOSE int fd = open_new(state, "f");
    char back[4];
    assert_int_equal(file_pwrite_all(fd, "abcd", 4, 10), 0);
    assert_int_equal(file_pread_all(fd, back, 4, 10), 0);
    assert_memory_equal(back, "abcd", 4);
    assert_int_equal(file_pread_all(fd, back, 4, 8), 0);
    assert_memory_equal(back, "\0\0ab", 4);
}

static void pread_behind_the_end(void **state) {
    CLEANUP_CLOSE int fd = open_new(state, "f");
    char back[4];
    assert_int_equal(file_pwrite_all(fd, "abcd", 4, 0), 0);
    assert_int_equal(file_pread_all(fd, back, 4, 1), -ENODATA);
    assert_int_equal(file_pread_all(fd, back, 1, 100), -ENODATA);
    assert_int_equal(file_pread_all(fd, back, 0, 100), 0);
}

static void errors_are_negative_errno(void **state) {
    (void)state;
    char c = 0;
    assert_int_equal(file_pread_all(-1, &c, 1, 0), -EBADF);
    assert_int_equal(file_pwrite_all(-1, &c, 1, 0), -EBADF);
    CLEANUP_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    assert_int_equal(file_pwrite_all(full, &c, 1, 0), -ENOSPC);
}

static void read_appends_the_whole_file(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "f"), *big = xmalloc(200000);
    CLEANUP_BUF struct buf b = BUF_INIT(200001);
    memset(big, 'x', 200000);
    assert_int_equal(file_write_atomic(path, big, 200000, 0600), 0);
    buf_append_str(&b, "<");
    assert_int_equal(file_load(path, &b), 0);
    assert_int_equal(b.len, 200001);
    assert_memory_equal(b.data + 1, big, 200000);
}

static void read_of_a_file_too_large(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "f");
    CLEANUP_BUF struct buf exact = BUF_INIT(4), small = BUF_INIT(3);
    assert_int_equal(file_write_atomic(path, "abcd", 4, 0600), 0);
    assert_int_equal(file_load(path, &exact), 0);
    assert_int_equal(file_load(path, &small), -EFBIG);
    assert_int_equal(small.len, 0);
}

/* /proc files say that they have no size. */
static void read_of_a_file_without_size(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20), small = BUF_INIT(3);
    assert_int_equal(file_load("/proc/self/status", &b), 0);
    assert_memory_equal(b.data, "Name:", 5);
    assert_int_equal(file_load("/proc/self/status", &small), -EFBIG);
    assert_int_equal(small.len, 0);
}

static void read_of_no_file(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "missing");
    CLEANUP_BUF struct buf b = BUF_INIT(10);
    assert_int_equal(file_load(path, &b), -ENOENT);
    assert_int_equal(file_load(*state, &b), -EISDIR);
}

static void write_atomic_replaces(void **state) {
    struct stat st;
    CLEANUP_FREE char *path = tmpdir_path(*state, "f"), *tmp = tmpdir_path(*state, "f.tmp");
    assert_int_equal(file_write_atomic(path, "old, longer", 11, 0600), 0);
    assert_int_equal(file_write_atomic(path, "new", 3, 0600), 0);
    assert_content(path, "new");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(tmp, F_OK), -1);
}

static void write_atomic_gets_over_a_leftover(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "f"), *tmp = tmpdir_path(*state, "f.tmp");
    CLEANUP_FREE char *victim = tmpdir_path(*state, "victim");
    assert_int_equal(file_write_atomic(victim, "victim", 6, 0600), 0);
    assert_int_equal(symlink(victim, tmp), 0);
    assert_int_equal(file_write_atomic(path, "new", 3, 0600), 0);
    assert_content(path, "new");
    assert_content(victim, "victim");
}

static void write_atomic_that_fails_leaves_nothing(void **state) {
    CLEANUP_FREE char *dir = tmpdir_path(*state, "d"), *inside = tmpdir_path(*state, "d/f");
    CLEANUP_FREE char *tmp = tmpdir_path(*state, "d.tmp"), *nowhere = tmpdir_path(*state, "missing/f");
    assert_int_equal(file_make_dirs(dir, 0700), 0);
    assert_int_equal(file_write_atomic(inside, "x", 1, 0600), 0);
    assert_int_equal(file_write_atomic(dir, "x", 1, 0600), -EISDIR);
    assert_int_equal(access(tmp, F_OK), -1);
    assert_int_equal(file_write_atomic(nowhere, "x", 1, 0600), -ENOENT);
}

static void make_dirs_makes_all(void **state) {
    struct stat st;
    CLEANUP_FREE char *path = tmpdir_path(*state, "a//b/c/"), *top = tmpdir_path(*state, "a");
    assert_int_equal(file_make_dirs(path, 0700), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(stat(top, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(file_make_dirs(path, 0700), 0);
    assert_int_equal(file_make_dirs("/", 0700), 0);
    assert_int_equal(file_make_dirs("", 0700), -ENOENT);
}

static void make_dirs_takes_relative_paths(void **state) {
    char cwd[4096];
    struct stat st;
    CLEANUP_FREE char *want = tmpdir_path(*state, "x/y");
    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(chdir(*state), 0);
    int r = file_make_dirs("x/y", 0700);
    assert_int_equal(chdir(cwd), 0);
    assert_int_equal(r, 0);
    assert_int_equal(stat(want, &st), 0);
}

static void make_dirs_through_a_file(void **state) {
    CLEANUP_FREE char *file = tmpdir_path(*state, "f"), *below = tmpdir_path(*state, "f/a/b");
    assert_int_equal(file_write_atomic(file, "", 0, 0600), 0);
    assert_int_equal(file_make_dirs(file, 0700), -ENOTDIR);
    assert_int_equal(file_make_dirs(below, 0700), -ENOTDIR);
}

static void sync_dir(void **state) {
    CLEANUP_FREE char *file = tmpdir_path(*state, "f");
    assert_int_equal(file_write_atomic(file, "", 0, 0600), 0);
    assert_int_equal(file_sync_dir(*state), 0);
    assert_int_equal(file_sync_dir(file), -ENOTDIR);
}

static void copy_range(void **state) {
    CLEANUP_CLOSE int from = open_new(state, "from"), to = open_new(state, "to");
    CLEANUP_FREE char *data = xmalloc(3 << 20), *back = xmalloc(3 << 20);
    for (size_t i = 0; i < 3 << 20; i++)
        data[i] = (char)(i * 7 + i / 4096);
    assert_int_equal(file_pwrite_all(from, data, 3 << 20, 0), 0);
    assert_int_equal(file_copy_range(from, 5, to, 11, (3 << 20) - 5), 0);
    assert_int_equal(file_pread_all(to, back, (3 << 20) - 5, 11), 0);
    assert_memory_equal(back, data + 5, (3 << 20) - 5);
    assert_int_equal(lseek(to, 0, SEEK_END), (3 << 20) + 6);
}

static void copy_range_leaves_the_rest(void **state) {
    CLEANUP_CLOSE int from = open_new(state, "from"), to = open_new(state, "to");
    char back[6];
    assert_int_equal(file_pwrite_all(from, "abcdef", 6, 0), 0);
    assert_int_equal(file_pwrite_all(to, "......", 6, 0), 0);
    assert_int_equal(file_copy_range(from, 1, to, 2, 3), 0);
    assert_int_equal(file_copy_range(from, 0, to, 0, 0), 0);
    assert_int_equal(file_pread_all(to, back, 6, 0), 0);
    assert_memory_equal(back, "..bcd.", 6);
}

static void copy_range_behind_the_end(void **state) {
    CLEANUP_CLOSE int from = open_new(state, "from"), to = open_new(state, "to");
    assert_int_equal(file_pwrite_all(from, "abc", 3, 0), 0);
    assert_int_equal(file_copy_range(from, 0, to, 0, 4), -ENODATA);
}

/* What copy_file_range() does not do between two filesystems, or for devices, is done by read and write. */
static void copy_range_from_a_device(void **state) {
    CLEANUP_CLOSE int to = open_new(state, "to");
    CLEANUP_CLOSE int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    char back[4];
    assert_int_equal(file_pwrite_all(to, "abcd", 4, 0), 0);
    assert_int_equal(file_copy_range(zero, 0, to, 1, 2), 0);
    assert_int_equal(file_pread_all(to, back, 4, 0), 0);
    assert_memory_equal(back, "a\0\0d", 4);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DIR(pwrite_and_pread),
        WITH_DIR(pread_behind_the_end),
        cmocka_unit_test(errors_are_negative_errno),
        WITH_DIR(read_appends_the_whole_file),
        WITH_DIR(read_of_a_file_too_large),
        cmocka_unit_test(read_of_a_file_without_size),
        WITH_DIR(read_of_no_file),
        WITH_DIR(write_atomic_replaces),
        WITH_DIR(write_atomic_gets_over_a_leftover),
        WITH_DIR(write_atomic_that_fails_leaves_nothing),
        WITH_DIR(make_dirs_makes_all),
        WITH_DIR(make_dirs_takes_relative_paths),
        WITH_DIR(make_dirs_through_a_file),
        WITH_DIR(sync_dir),
        WITH_DIR(copy_range),
        WITH_DIR(copy_range_leaves_the_rest),
        WITH_DIR(copy_range_behind_the_end),
        WITH_DIR(copy_range_from_a_device),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
