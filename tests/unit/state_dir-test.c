/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/state_dir.h"
#include "base/env.h"
#include "base/file.h"
#include "tmpdir.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

/* A place where nothing is mounted. */
#define NOWHERE "/nowhere/mnt"

static int open_it(const char *path, struct state_dir *ret) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    return state_dir_open(path, NOWHERE, 0, ret, &why);
}

static void it_is_made_private(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "a/b");
    struct state_dir d;
    struct stat st;
    assert_int_equal(open_it(path, &d), 0);
    assert_string_equal(d.path, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    state_dir_close(&d);
}

static void one_that_is_open_to_others_is_closed(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "a");
    struct state_dir d;
    struct stat st;
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(open_it(path, &d), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    state_dir_close(&d);
}

static void the_lock_names_process_and_mount_point(void **state) {
    CLEANUP_FREE char *lock = tmpdir_path(*state, "lock"),
                      *expected = xasprintf("%ld\n" NOWHERE "\n", (long)getpid());
    CLEANUP_BUF struct buf text = BUF_INIT(4096);
    struct state_dir d;
    assert_int_equal(open_it(*state, &d), 0);
    assert_int_equal(file_load(lock, &text), 0);
    assert_string_equal(buf_str(&text), expected);
    state_dir_close(&d);
}

static void a_second_one_is_refused(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct state_dir d, second;
    assert_int_equal(open_it(*state, &d), 0);
    assert_int_equal(state_dir_open(*state, "/other", 0, &second, &why), -EBUSY);
    assert_non_null(strstr(buf_str(&why), NOWHERE));
    state_dir_close(&d);
}

static void it_can_be_opened_again_after_closing(void **state) {
    struct state_dir d;
    assert_int_equal(open_it(*state, &d), 0);
    state_dir_close(&d);
    assert_int_equal(open_it(*state, &d), 0);
    state_dir_close(&d);
}

/* The holder ends only after we have begun to wait: it waits for us to tell it, and it does not know when we
 * are inside. Either way we get it. */
static void a_holder_on_its_way_out_is_waited_for(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct state_dir d;
        bool ok = open_it(*state, &d) == 0;
        ok = write(ready[1], "x", 1) == 1 && ok;
        usleep(30000);
        _exit(ok ? 0 : 1);
    }
    char byte;
    int status;
    struct state_dir d;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(state_dir_open(*state, NOWHERE, 60 * NS_PER_S, &d, &why), 0);
    state_dir_close(&d);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
}

static void the_machine_id_stays(void **state) {
    struct state_dir d, again;
    assert_int_equal(open_it(*state, &d), 0);
    CLEANUP_FREE char *before = xstrdup(d.machine_id);
    state_dir_close(&d);
    assert_int_equal(open_it(*state, &again), 0);
    assert_int_equal(strlen(again.machine_id), 64);
    assert_string_equal(before, again.machine_id);
    state_dir_close(&again);
}

static void a_copied_directory_is_another_machine(void **state) {
    CLEANUP_FREE char *a = tmpdir_path(*state, "a"), *b = tmpdir_path(*state, "b");
    struct state_dir first, second;
    assert_int_equal(open_it(a, &first), 0);
    assert_int_equal(open_it(b, &second), 0);
    assert_string_not_equal(first.machine_id, second.machine_id);
    state_dir_close(&first);
    state_dir_close(&second);
}

static void the_log_is_begun_anew_when_it_is_too_long(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "log");
    struct state_dir d;
    struct stat st;
    assert_int_equal(open_it(*state, &d), 0);
    int fd = state_dir_open_log(&d);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "one\n", 4), 4);
    state_dir_trim_log(fd);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 4);
    assert_int_equal(truncate(path, STATE_DIR_LOG_MAX + 1), 0);
    state_dir_trim_log(fd);
    assert_int_equal(write(fd, "two\n", 4), 4);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 4);
    close(fd);
    state_dir_close(&d);
}

static void the_root_follows_the_environment(void **state) {
    (void)state;
    setenv("HOME", "/home/alice", 1);
    setenv("XDG_CACHE_HOME", "/var/tmp/c", 1);
    CLEANUP_FREE char *xdg = state_dir_root();
    assert_string_equal(xdg, "/var/tmp/c/assetfs");
    unsetenv("XDG_CACHE_HOME");
    CLEANUP_FREE char *home = state_dir_root();
    assert_string_equal(home, "/home/alice/.cache/assetfs");
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(it_is_made_private),
        IN_DIR(one_that_is_open_to_others_is_closed),
        IN_DIR(the_lock_names_process_and_mount_point),
        IN_DIR(a_second_one_is_refused),
        IN_DIR(it_can_be_opened_again_after_closing),
        IN_DIR(a_holder_on_its_way_out_is_waited_for),
        IN_DIR(the_machine_id_stays),
        IN_DIR(a_copied_directory_is_another_machine),
        IN_DIR(the_log_is_begun_anew_when_it_is_too_long),
        cmocka_unit_test(the_root_follows_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
