/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "base/file.h"
#include "tmpdir.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* stderr goes into a file while a test runs. */
struct capture {
    char *dir;
    int saved, fd;
    char text[20000];
};

static int setup(void **state) {
    struct capture *c = xcalloc(1, sizeof *c);
    c->dir = tmpdir_new();
    CLEANUP_FREE char *path = tmpdir_path(c->dir, "stderr");
    c->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    c->saved = dup(STDERR_FILENO);
    assert_true(c->fd >= 0 && c->saved >= 0);
    dup2(c->fd, STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    *state = c;
    return 0;
}

static int teardown(void **state) {
    struct capture *c = *state;
    dup2(c->saved, STDERR_FILENO);
    close(c->saved);
    close(c->fd);
    log_set_level(LOG_LEVEL_INFO);
    log_set_program("assetfs");
    log_to_fd(-1);
    tmpdir_free(c->dir);
    free(c);
    return 0;
}

static const char *written(struct capture *c) {
    ssize_t n = pread(c->fd, c->text, sizeof c->text - 1, 0);
    assert_true(n >= 0);
    c->text[n] = '\0';
    return c->text;
}

static void one_line_with_the_program(void **state) {
    log_error("%d of %s", 1, "two");
    log_warning("careful");
    log_info("hello");
    assert_string_equal(written(*state), "assetfs: 1 of two\nassetfs: warning: careful\nassetfs: hello\n");
}

static void another_program(void **state) {
    log_set_program("mount.assetfs");
    log_info("hello");
    assert_string_equal(written(*state), "mount.assetfs: hello\n");
}

static void levels_drop(void **state) {
    log_debug("a");
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("b");
    log_info("c");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("d");
    assert_string_equal(written(*state), "assetfs: d\n");
}

static void errno_is_explained_and_returned(void **state) {
    assert_int_equal(log_errno(-ENOENT, "cannot open %s", "x"), -ENOENT);
    assert_int_equal(log_errno(-99999, "odd"), -99999);
    assert_string_equal(written(*state),
                        "assetfs: cannot open x: No such file or directory\nassetfs: odd: unknown error\n");
}

static void errno_survives(void **state) {
    (void)state;
    errno = EXDEV;
    log_info("hello");
    assert_int_equal(errno, EXDEV);
}

static void names_cannot_forge_lines(void **state) {
    log_info("bad name: %s", "x\nassetfs: all is well\x1b[2J\x7f");
    assert_string_equal(written(*state), "assetfs: bad name: x?assetfs: all is well?[2J?\n");
}

static void long_message_is_cut_and_says_so(void **state) {
    CLEANUP_FREE char *name = xcalloc(1, 10001);
    memset(name, 'x', 10000);
    log_info("%s", name);
    const char *s = written(*state);
    assert_true(strlen(s) < 5000);
    assert_string_equal(s + strlen(s) - 5, "x...\n");
    assert_int_equal(log_errno(-EIO, "%s", name), -EIO);
}

static void prefixes_when_stderr_is_the_journal(void **state) {
    struct capture *c = *state;
    struct stat st;
    char stream[64];
    assert_int_equal(fstat(c->fd, &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_error("e");
    log_info("i");
    assert_string_equal(written(c), "<3>assetfs: e\n<6>assetfs: i\n");
}

static void no_prefixes_when_the_journal_is_elsewhere(void **state) {
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_error("e");
    assert_string_equal(written(*state), "assetfs: e\n");
}

static void copy_goes_to_the_descriptor(void **state) {
    struct capture *c = *state;
    CLEANUP_FREE char *path = tmpdir_path(c->dir, "log");
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    log_to_fd(fd);
    log_warning("one");
    log_to_fd(-1);
    log_warning("two");
    assert_string_equal(written(c), "assetfs: warning: one\nassetfs: warning: two\n");
    assert_int_equal(file_load(path, &b), 0);
    assert_string_equal(buf_str(&b) + strlen("2026-11-22T02:29:36Z"), " warning: one\n");
}

#define WITH_STDERR(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STDERR(one_line_with_the_program),
        WITH_STDERR(another_program),
        WITH_STDERR(levels_drop),
        WITH_STDERR(errno_is_explained_and_returned),
        WITH_STDERR(errno_survives),
        WITH_STDERR(names_cannot_forge_lines),
        WITH_STDERR(long_message_is_cut_and_says_so),
        WITH_STDERR(prefixes_when_stderr_is_the_journal),
        WITH_STDERR(no_prefixes_when_the_journal_is_elsewhere),
        WITH_STDERR(copy_goes_to_the_descriptor),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
