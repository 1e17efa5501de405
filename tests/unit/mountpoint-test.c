/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/mountpoint.h"
#include "tmpdir.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

static const char mountinfo[] = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                                "36 21 0:51 / /mnt/a\\040b rw,nosuid,nodev shared:7 master:2 - fuse.assetfs "
                                "file:///srv/bucket rw,user_id=0\n"
                                "37 21 0:52 / /mnt/twice rw - tmpfs tmpfs rw\n"
                                "38 37 0:53 / /mnt/twice rw - fuse.assetfs file:///srv/with\\040space rw\n"
                                "39 21 0:54 /sub /mnt/sshfs rw - fuse.sshfs host: rw\n";

static void a_mount_is_found_by_its_place(void **state) {
    (void)state;
    struct mounted m;
    assert_int_equal(mountinfo_find(mountinfo, "/mnt/a b", &m), 0);
    assert_string_equal(m.type, "fuse.assetfs");
    assert_string_equal(m.source, "file:///srv/bucket");
    assert_int_equal(m.major, 0);
    assert_int_equal(m.minor, 51);
    mounted_free(&m);
}

static void the_upper_of_two_mounts_counts(void **state) {
    (void)state;
    struct mounted m;
    assert_int_equal(mountinfo_find(mountinfo, "/mnt/twice", &m), 0);
    assert_string_equal(m.type, "fuse.assetfs");
    assert_string_equal(m.source, "file:///srv/with space");
    mounted_free(&m);
}

static void a_place_inside_a_mount_is_no_mount(void **state) {
    (void)state;
    struct mounted m;
    assert_int_equal(mountinfo_find(mountinfo, "/mnt", &m), -ENOENT);
    assert_int_equal(mountinfo_find(mountinfo, "/mnt/sshfs/x", &m), -ENOENT);
}

static void lines_that_are_no_mounts_are_skipped(void **state) {
    (void)state;
    struct mounted m;
    assert_int_equal(mountinfo_find("", "/", &m), -ENOENT);
    assert_int_equal(mountinfo_find("nonsense\n1 2 3:4 / /x rw - \n - \n1 - a b\n", "/x", &m), -ENOENT);
}

static void this_process_has_a_root(void **state) {
    (void)state;
    struct mounted m;
    if (mountpoint_find("/", &m) < 0)
        skip();
    assert_non_null(m.type);
    mounted_free(&m);
    assert_false(mountpoint_is_assetfs("/"));
}

static void an_empty_directory_will_do(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *at = NULL;
    assert_int_equal(mountpoint_check(*state, &at, &why), 0);
    assert_string_equal(at, *state);
}

static void a_symbolic_link_is_followed(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *at = NULL, *link = tmpdir_path(*state, "link"), *dir = tmpdir_path(*state, "dir");
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(symlink("dir", link), 0);
    assert_int_equal(mountpoint_check(link, &at, &why), 0);
    assert_string_equal(at, dir);
}

static void what_is_not_there_is_refused(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *at = NULL, *dir = tmpdir_path(*state, "missing");
    assert_int_equal(mountpoint_check(dir, &at, &why), -ENOENT);
    assert_null(at);
    assert_non_null(strstr(buf_str(&why), "mkdir -p"));
}

static void a_file_is_refused(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *at = NULL, *file = tmpdir_path(*state, "file");
    close(open(file, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(mountpoint_check(file, &at, &why), -ENOTDIR);
    assert_non_null(strstr(buf_str(&why), "not a directory"));
}

static void a_directory_with_files_is_refused(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *at = NULL, *file = tmpdir_path(*state, ".hidden");
    close(open(file, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(mountpoint_check(*state, &at, &why), -ENOTEMPTY);
    assert_non_null(strstr(buf_str(&why), "not empty"));
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mount_is_found_by_its_place),
        cmocka_unit_test(the_upper_of_two_mounts_counts),
        cmocka_unit_test(a_place_inside_a_mount_is_no_mount),
        cmocka_unit_test(lines_that_are_no_mounts_are_skipped),
        cmocka_unit_test(this_process_has_a_root),
        IN_DIR(an_empty_directory_will_do),
        IN_DIR(a_symbolic_link_is_followed),
        IN_DIR(what_is_not_there_is_refused),
        IN_DIR(a_file_is_refused),
        IN_DIR(a_directory_with_files_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
