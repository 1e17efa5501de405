/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/secret_file.h"
#include "base/env.h"
#include "base/file.h"
#include "tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <cmocka.h>

#define LATER (INT64_C(4000000000) * NS_PER_S) /* every file is old */

static void put(const char *path, const char *text) {
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
}

static void read_is(const char *path, const char *text, struct secret_mark *mark) {
    CLEANUP_SECRET_TEXT struct secret_text t = {0};
    assert_int_equal(secret_file_read(path, 100, LATER, &t, mark), 0);
    assert_int_equal(t.len, strlen(text));
    assert_string_equal(t.p, text);
}

static void what_is_there_is_read(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "f"), *empty = tmpdir_path(*state, "empty");
    struct secret_mark mark;
    put(path, "geheim\n");
    put(empty, "");
    read_is(path, "geheim\n", &mark);
    assert_false(mark.exposed);
    assert_false(secret_file_changed(path, &mark));
    read_is(empty, "", &mark);
}

static void a_replaced_file_is_seen(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "f");
    struct secret_mark mark;
    put(path, "one");
    read_is(path, "one", &mark);
    put(path, "two");
    assert_true(secret_file_changed(path, &mark));
    read_is(path, "two", &mark);
    assert_false(secret_file_changed(path, &mark));
    assert_int_equal(unlink(path), 0);
    assert_true(secret_file_changed(path, &mark));
}

/* As Kubernetes does it: PATH/key -> ..data/key, ..data -> 1. */
static void a_swapped_link_is_seen(void **state) {
    CLEANUP_FREE char *one = tmpdir_path(*state, "1/key"), *two = tmpdir_path(*state, "2/key"),
                      *data = tmpdir_path(*state, "..data"), *next = tmpdir_path(*state, "..next"),
                      *path = tmpdir_path(*state, "key"), *d1 = tmpdir_path(*state, "1"),
                      *d2 = tmpdir_path(*state, "2");
    struct secret_mark mark;
    assert_int_equal(file_make_dirs(d1, 0700) | file_make_dirs(d2, 0700), 0);
    put(one, "one");
    put(two, "two");
    assert_int_equal(symlink("1", data) | symlink("..data/key", path), 0);
    read_is(path, "one", &mark);
    assert_false(secret_file_changed(path, &mark));
    assert_int_equal(symlink("2", next) | rename(next, data), 0);
    assert_true(secret_file_changed(path, &mark));
    read_is(path, "two", &mark);
}

static void a_young_file_counts_as_changed(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "f");
    CLEANUP_SECRET_TEXT struct secret_text t = {0};
    struct secret_mark mark;
    put(path, "one");
    assert_int_equal(secret_file_read(path, 100, (int64_t)time(NULL) * NS_PER_S, &t, &mark), 0);
    assert_true(secret_file_changed(path, &mark));
}

static void what_cannot_be_one_is_refused(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "f"), *none = tmpdir_path(*state, "none"),
                      *through = tmpdir_path(*state, "f/x");
    CLEANUP_SECRET_TEXT struct secret_text t = {0};
    struct secret_mark mark = {.there = true};
    put(path, "123");
    assert_int_equal(secret_file_read(none, 100, LATER, &t, &mark), -ENOENT);
    assert_false(mark.there);
    assert_false(secret_file_changed(none, &mark));
    assert_int_equal(secret_file_read(through, 100, LATER, &t, &mark), -ENOENT);
    assert_int_equal(secret_file_read(*state, 100, LATER, &t, &mark), -EINVAL);
    assert_int_equal(secret_file_read(path, 2, LATER, &t, &mark), -EFBIG);
    assert_null(t.p);
}

static void what_others_may_read_is_told(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "f");
    struct secret_mark mark;
    assert_int_equal(file_write_atomic(path, "x", 1, 0644), 0);
    read_is(path, "x", &mark);
    assert_true(mark.exposed);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_there_is_read),         TEST(a_replaced_file_is_seen),
        TEST(a_swapped_link_is_seen),        TEST(a_young_file_counts_as_changed),
        TEST(what_cannot_be_one_is_refused), TEST(what_others_may_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
