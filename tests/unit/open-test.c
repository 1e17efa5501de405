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

static void clear_environment(void);

static int setup(void **state) {
    fake = fake_env_new();
    pair = (struct store_pair){0};
    why = BUF_INIT(4096);
    clear_environment();
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
    const char *const others[] = {"http://bucket",    "/srv/bucket", "marketing", "",
                                  "file:/srv/bucket", "s3:bucket"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        buf_reset(&why);
        assert_int_equal(open_url(others[i], true), -EINVAL);
        assert_true(explained("s3://bucket/prefix or file:///absolute/path"));
    }
}

/* ---- S3 */

/* With options as after -o. */
static int open_s3(const char *url, const char *list) {
    struct options opt;
    CLEANUP_BUF struct buf said = BUF_INIT(4096);
    options_init(&opt);
    opt.url = xstrdup(url);
    opt.volume = xstrdup(url);
    assert_int_equal(options_set_list(&opt, list, &said), 0);
    buf_reset(&why);
    int r = store_open(fake_env(fake), NULL, &opt, STORE_OPEN_EXISTING, &pair, &why);
    options_free(&opt);
    return r;
}

static void clear_environment(void) {
    static const char *const names[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION",
                                        "AWS_DEFAULT_REGION", "AWS_PROFILE"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unsetenv(names[i]);
}

static void check_address(struct store *s, const char *key, const char *want) {
    CLEANUP_FREE char *url = store_url(s, key);
    assert_string_equal(url, want);
}

static void opens_s3_with_one_store_for_both(void **state) {
    (void)state;
    assert_int_equal(open_s3("s3://assets", "region=eu-central-1"), 0);
    assert_ptr_equal(pair.reader, pair.writer);
    assert_non_null(pair.http);
    assert_non_null(pair.credentials);
    check_address(pair.writer, "files/x", "https://assets.s3.eu-central-1.amazonaws.com/files/x");
    assert_string_equal(pair.writer->address, "s3://assets");
    assert_true(pair.reader->absence_ns > 0);
}

static void opens_s3_with_a_cdn_to_read_through(void **state) {
    (void)state;
    assert_int_equal(open_s3("s3://assets/some/place", "region=eu-central-1,cdn=https://d111.cloudfront.net"),
                     0);
    assert_ptr_not_equal(pair.reader, pair.writer);
    check_address(pair.writer, "x", "https://assets.s3.eu-central-1.amazonaws.com/some/place/x");
    check_address(pair.reader, "x", "https://d111.cloudfront.net/some/place/x");
    assert_true(pair.reader->absence_ns > 0);
}

static void a_slash_after_the_prefix_does_not_matter(void **state) {
    (void)state;
    assert_int_equal(open_s3("s3://assets/some/place/", "region=eu-central-1"), 0);
    check_address(pair.writer, "x", "https://assets.s3.eu-central-1.amazonaws.com/some/place/x");
    store_pair_free(&pair);
    assert_int_equal(open_s3("s3://assets/", "region=eu-central-1"), 0);
    check_address(pair.writer, "x", "https://assets.s3.eu-central-1.amazonaws.com/x");
}

static void bad_prefixes_are_explained(void **state) {
    (void)state;
    const char *const bad[] = {"s3://assets//x", "s3://assets/a//b", "s3://assets/./a", "s3://assets/a/..",
                               "s3://assets/a/../b"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(open_s3(bad[i], ""), -EINVAL);
        assert_true(explained("s3://bucket/some/place"));
        assert_null(pair.writer);
    }
    assert_int_equal(open_s3("s3://assets/a\nb", ""), -EINVAL);
    CLEANUP_FREE char *name = xcalloc(1, 514), *url = NULL;
    memset(name, 'p', 513);
    url = xasprintf("s3://assets/%s", name);
    assert_int_equal(open_s3(url, ""), -EINVAL);
    assert_true(explained("longer than"));
}

static void dots_in_names_of_a_prefix_are_names(void **state) {
    (void)state;
    assert_int_equal(open_s3("s3://assets/.hidden/..x/a.b", "region=eu-central-1"), 0);
}

static void bad_buckets_are_explained(void **state) {
    (void)state;
    const char *const bad[] = {"s3://", "s3:///x", "s3://a", "s3://user@assets", "s3://my bucket"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(open_s3(bad[i], ""), -EINVAL);
        assert_true(explained("bucket"));
    }
}

static void the_endpoint_may_come_from_the_environment(void **state) {
    (void)state;
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
    setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000", 1);
    assert_int_equal(open_s3("s3://assets", ""), 0);
    clear_environment();
    check_address(pair.writer, "x", "http://127.0.0.1:9000/assets/x");
}

static void the_option_goes_before_the_environment(void **state) {
    (void)state;
    setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000", 1);
    setenv("AWS_REGION", "eu-west-3", 1);
    assert_int_equal(open_s3("s3://assets", "endpoint=https://s3.example.org,region=eu-north-1"), 0);
    clear_environment();
    check_address(pair.writer, "x", "https://assets.s3.example.org/x");
}

static void the_region_may_come_from_the_environment(void **state) {
    (void)state;
    setenv("AWS_REGION", "eu-west-3", 1);
    assert_int_equal(open_s3("s3://assets", ""), 0);
    clear_environment();
    check_address(pair.writer, "x", "https://assets.s3.eu-west-3.amazonaws.com/x");
}

static void plain_http_beyond_this_machine_is_refused(void **state) {
    (void)state;
    assert_int_equal(open_s3("s3://assets", "endpoint=http://10.0.0.1:9000"), -EINVAL);
    assert_true(explained("endpoint="));
    assert_true(explained("insecure_http"));
    assert_int_equal(open_s3("s3://assets", "cdn=http://cdn.example.org"), -EINVAL);
    assert_true(explained("cdn="));
    setenv("AWS_ENDPOINT_URL", "http://10.0.0.1:9000", 1);
    assert_int_equal(open_s3("s3://assets", ""), -EINVAL);
    clear_environment();
    assert_true(explained("AWS_ENDPOINT_URL"));
}

static void plain_http_is_taken_on_this_machine_or_when_it_is_asked_for(void **state) {
    (void)state;
    assert_int_equal(open_s3("s3://assets", "endpoint=http://localhost:9000,cdn=http://127.0.0.1:9001"), 0);
    store_pair_free(&pair);
    assert_int_equal(
        open_s3("s3://assets", "endpoint=http://10.0.0.1:9000,cdn=http://cdn.example.org,insecure_http"), 0);
}

static void addresses_that_are_none_are_explained(void **state) {
    (void)state;
    assert_int_equal(open_s3("s3://assets", "endpoint=s3.example.org"), -EINVAL);
    assert_true(explained("endpoint="));
    assert_int_equal(open_s3("s3://assets", "cdn=d111.cloudfront.net"), -EINVAL);
    assert_true(explained("cdn="));
    assert_int_equal(open_s3("s3://assets", "cdn=https://user:secret@d111.cloudfront.net"), -EINVAL);
    assert_false(explained("secret"));
    assert_null(pair.http);
}

static void a_ca_file_that_is_not_there_is_explained(void **state) {
    (void)state;
    assert_int_not_equal(open_s3("s3://assets", "ca_file=/none/ca.pem"), 0);
    assert_true(explained("/none/ca.pem"));
    assert_null(pair.http);
}

static void a_directory_takes_no_option_of_the_network(void **state) {
    CLEANUP_FREE char *url = xasprintf("file://%s", (char *)*state);
    const char *const lists[] = {"endpoint=http://127.0.0.1:9000",
                                 "region=x",
                                 "path_style",
                                 "profile=x",
                                 "cdn=https://x.example",
                                 "proxy=http://x:1",
                                 "ca_file=/x",
                                 "insecure_http",
                                 "upload_limit=1M",
                                 "download_limit=1M"};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        CLEANUP_FREE char *name = xstrndup(lists[i], strcspn(lists[i], "="));
        assert_int_equal(open_s3(url, lists[i]), -EINVAL);
        assert_true(explained(name));
        assert_true(explained("s3://"));
    }
}

static char *place_of(const char *url, const char *list) {
    struct options opt;
    CLEANUP_BUF struct buf said = BUF_INIT(4096);
    options_init(&opt);
    opt.url = xstrdup(url);
    assert_int_equal(options_set_list(&opt, list, &said), 0);
    char *place = store_place(&opt);
    options_free(&opt);
    return place;
}

static void buckets_of_one_name_at_two_places_are_two(void **state) {
    (void)state;
    const char *const lists[] = {"", "endpoint=https://a.example", "endpoint=https://b.example",
                                 "region=eu-west-1", "profile=other"};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        for (size_t k = 0; k < i; k++) {
            CLEANUP_FREE char *one = place_of("s3://assets", lists[i]),
                              *other = place_of("s3://assets", lists[k]);
            assert_string_not_equal(one, other);
        }
    }
    CLEANUP_FREE char *with = place_of("s3://assets", "endpoint=https://a.example");
    setenv("AWS_ENDPOINT_URL", "https://a.example", 1);
    CLEANUP_FREE char *from = place_of("s3://assets", ""), *dir = place_of("file:///srv/bucket", "");
    clear_environment();
    assert_string_equal(with, from);
    assert_string_equal(dir, "");
}

static void a_place_has_no_secret(void **state) {
    (void)state;
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    CLEANUP_FREE char *place = place_of("s3://assets", "endpoint=https://a.example");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_ACCESS_KEY_ID");
    assert_null(strstr(place, "hush"));
    assert_null(strstr(place, "AKID"));
}

/* ---- a directory again */

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
        T(opens_s3_with_one_store_for_both),
        T(opens_s3_with_a_cdn_to_read_through),
        T(a_slash_after_the_prefix_does_not_matter),
        T(bad_prefixes_are_explained),
        T(dots_in_names_of_a_prefix_are_names),
        T(bad_buckets_are_explained),
        T(the_endpoint_may_come_from_the_environment),
        T(the_option_goes_before_the_environment),
        T(the_region_may_come_from_the_environment),
        T(plain_http_beyond_this_machine_is_refused),
        T(plain_http_is_taken_on_this_machine_or_when_it_is_asked_for),
        T(addresses_that_are_none_are_explained),
        T(a_ca_file_that_is_not_there_is_explained),
        T(a_directory_takes_no_option_of_the_network),
        T(buckets_of_one_name_at_two_places_are_two),
        T(a_place_has_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
