/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/open.h"
#include "fake_env.h"
#include "store_call.h"
#include "tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

static struct fake_env *fake;
static struct store_pair pair;
static struct buf why;

static int setup(void **state) {
    fake = fake_env_new();
    pair = (struct store_pair){0};
    why = BUF_INIT(4096);
    return tmpdir_setup(state);
}

static int teardown(void **state) {
    store_pair_free(&pair);
    buf_free(&why);
    fake = fake_env_free(fake);
    return tmpdir_teardown(state);
}

static int open_url(const char *url, bool create) {
    struct options opt;
    options_init(&opt);
    opt.url = xstrdup(url);
    int r = store_open(fake_env(fake), NULL, &opt, create, &pair, &why);
    options_free(&opt);
    return r;
}

static bool explained(const char *part) {
    const char *text = buf_str(&why);
    return text && strstr(text, part);
}

static void opens_a_directory(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s/bucket", (char *)*state);
    assert_int_equal(open_url(url, true), 0);
    assert_ptr_equal(pair.reader, pair.writer);
    assert_string_equal(pair.writer->address, url);
    assert_int_equal(why.len, 0);
    CLEANUP_CALL struct call p = {0}, g = {0};
    call_put(&p, pair.writer, "a", "x", 1);
    fake_env_run(fake);
    call_get(&g, pair.reader, "a", 0, 0);
    fake_env_run(fake);
    assert_string_equal((char *)g.data, "x");
}

static void decodes_percent(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s/my%%20bucket%%25", (char *)*state);
    CLEANUP_FREE char *dir = tmpdir_path(*state, "my bucket%");
    assert_int_equal(open_url(url, true), 0);
    assert_int_equal(access(dir, F_OK), 0);
    assert_string_equal(pair.writer->address, url);
}

static void takes_spaces_and_utf8_as_they_are(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s/Bücher und mehr?#1", (char *)*state);
    CLEANUP_FREE char *dir = tmpdir_path(*state, "Bücher und mehr?#1");
    assert_int_equal(open_url(url, true), 0);
    assert_int_equal(access(dir, F_OK), 0);
}

static void slashes_at_the_end_do_not_matter(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s/bucket//", (char *)*state);
    CLEANUP_FREE char *want = xasprintf("file://%s/bucket", (char *)*state);
    assert_int_equal(open_url(url, true), 0);
    assert_string_equal(pair.writer->address, want);
}

static void bad_percent_is_explained(void **state) {
    (void)state;
    const char *const bad[] = {"file:///srv/%", "file:///srv/%4", "file:///srv/%zz", "file:///srv/%00"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        buf_reset(&why);
        assert_int_equal(open_url(bad[i], true), -EINVAL);
        assert_true(explained("hexadecimal"));
    }
}

static void relative_path_is_explained(void **state) {
    (void)state;
    assert_int_equal(open_url("file://relative", true), -EINVAL);
    assert_true(explained("file:///srv/bucket"));
    assert_int_equal(open_url("file://", true), -EINVAL);
}

static void other_schemes_are_explained(void **state) {
    (void)state;
    const char *const others[] = {"s3://bucket", "/srv/bucket", "marketing", "", "file:/srv/bucket"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        buf_reset(&why);
        assert_int_equal(open_url(others[i], true), -EINVAL);
        assert_true(explained("this build can open file:///absolute/path only"));
    }
}

static void missing_directory_is_explained(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s/none", (char *)*state);
    assert_int_equal(open_url(url, false), -ENOENT);
    assert_true(explained("is not there"));
    assert_null(pair.writer);
}

static void directory_that_is_no_bucket_is_explained(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s", (char *)*state);
    assert_int_equal(open_url(url, false), -ENODATA);
    assert_true(explained("is not a bucket"));
}

static void existing_bucket_opens_without_create(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s/bucket", (char *)*state);
    assert_int_equal(open_url(url, true), 0);
    store_pair_free(&pair);
    assert_int_equal(open_url(url, false), 0);
}

static void freeing_twice_is_harmless(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s/bucket", (char *)*state);
    assert_int_equal(open_url(url, true), 0);
    store_pair_free(&pair);
    store_pair_free(&pair);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(opens_a_directory),
        T(decodes_percent),
        T(takes_spaces_and_utf8_as_they_are),
        T(slashes_at_the_end_do_not_matter),
        T(bad_percent_is_explained),
        T(relative_path_is_explained),
        T(other_schemes_are_explained),
        T(missing_directory_is_explained),
        T(directory_that_is_no_bucket_is_explained),
        T(existing_bucket_opens_without_create),
        T(freeing_twice_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
