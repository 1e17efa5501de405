/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What reads present to a CDN, and the store that presents it (store/cdn.h), over a fake engine. That
 * CloudFront's rules are kept is shown elsewhere (cloudfront-test, tests/sh/cloudfront-botocore.sh,
 * tests/net/signed-*.sh).
 */
#include "store/cdn_access.h"
#include "base/file.h"
#include "fake_env.h"
#include "fake_http_engine.h"
#include "signing_key.h"
#include "store/cdn.h"
#include "store/links.h"
#include "store_call.h"
#include "tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOW (FAKE_ENV_NOW / NS_PER_S)
#define URL "https://d111.cloudfront.net/files/x"
#define REFUSED                                                                                              \
    .status = 403, .headers = {"Server: CloudFront"}, .body = "<Error><Code>AccessDenied</Code></Error>"
#define HELLO .status = 206, .body = "hello", .ranged = true, .total = 5

static struct fake_env *fake;
static struct http *http;
static struct store *store;
static struct cdn_access *access_;
static struct counters counters;
static char *key_path, *id_path, *header_path;

static int setup(void **state) {
    tmpdir_setup(state);
    fake = fake_env_new();
    http = fake_http_new(fake_env(fake), NULL, NULL);
    key_path = tmpdir_path(*state, "key.pem");
    id_path = tmpdir_path(*state, "key-id");
    header_path = tmpdir_path(*state, "headers");
    signing_key_write(key_path);
    return 0;
}

static int teardown(void **state) {
    store = store_free(store);
    access_ = cdn_access_free(access_);
    http_free(http);
    fake_env_free(fake);
    free(key_path);
    free(id_path);
    free(header_path);
    return tmpdir_teardown(state);
}

static void put(const char *path, const char *text) {
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
}

static struct cdn_access_config signing(void) {
    return (struct cdn_access_config){
        .key_file = key_path, .key_id = "K1", .lifetime_s = 600, .pattern = "https://d111.cloudfront.net/*"};
}

static void open_with(const struct cdn_access_config *c) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    if (cdn_access_new(fake_env(fake), c, &access_, &why) < 0)
        fail_msg("%s", buf_str(&why));
    struct cdn_config cdn = {.http = http,
                             .access = access_,
                             .url = "https://d111.cloudfront.net",
                             .prefix = "",
                             .timeout_ns = 60 * NS_PER_S};
    assert_int_equal(store_cdn_open(fake_env(fake), &counters, &cdn, &store, &why), 0);
}

static void say(const struct fake_answer *a) {
    fake_http_say(http, a);
}

struct got {
    int err;
    char why[512];
    unsigned done;
};

static void note(void *arg, const struct store_got *got) {
    struct got *g = arg;
    g->err = got->err;
    g->done++;
    snprintf(g->why, sizeof g->why, "%s", got->why ? got->why : "");
}

static struct got ask(void) {
    struct got g = {0};
    store_get_range(store, "files/x", 0, 5, 0, note, &g);
    assert_int_equal(g.done, 0);
    fake_env_run(fake);
    assert_int_equal(g.done, 1);
    return g;
}

static const struct fake_request *sent(size_t i) {
    return fake_http_request(http, i);
}

/* The value behind "name=" in an address or a Cookie, malloc'd. */
static char *value(const char *text, const char *name) {
    CLEANUP_FREE char *with = xasprintf("%s=", name);
    const char *at = text ? strstr(text, with) : NULL;
    if (!at)
        fail_msg("no %s in %s", name, text ? text : "nothing");
    at += strlen(with);
    return xstrndup(at, strcspn(at, "&;"));
}

static void assert_value(const char *text, const char *name, const char *want) {
    CLEANUP_FREE char *got = value(text, name);
    assert_string_equal(got, want);
}

static int64_t expires(size_t i) {
    CLEANUP_FREE char *text = value(sent(i)->url, "Expires");
    return atoll(text);
}

/* ---- what is presented */

static void each_read_is_signed_for_its_own_address(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    open_with(&c);
    say(&(struct fake_answer){HELLO});
    assert_int_equal(ask().err, 0);
    assert_int_equal(strncmp(sent(0)->url, URL "?Expires=", strlen(URL "?Expires=")), 0);
    assert_int_equal(expires(0), NOW + 600);
    assert_value(sent(0)->url, "Key-Pair-Id", "K1");
    assert_null(fake_request_header(sent(0), "Cookie"));
    assert_string_equal(fake_request_header(sent(0), "Accept-Encoding"), "identity");
}

static void cookies_leave_the_address_alone(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    c.cookies = true;
    c.hash = CLOUDFRONT_SHA256;
    open_with(&c);
    say(&(struct fake_answer){HELLO});
    ask();
    assert_string_equal(sent(0)->url, URL);
    CLEANUP_FREE char *until = xasprintf("%lld", (long long)(NOW + 600));
    assert_value(fake_request_header(sent(0), "Cookie"), "CloudFront-Expires", until);
    assert_value(fake_request_header(sent(0), "Cookie"), "CloudFront-Hash-Algorithm", "SHA256");
}

static void a_custom_policy_is_signed_once_and_again_at_half_time(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    c.policy = CLOUDFRONT_CUSTOM;
    open_with(&c);
    for (int i = 0; i < 4; i++) {
        say(&(struct fake_answer){HELLO});
        ask();
        fake_env_skip(fake, i == 1 ? 200 * NS_PER_S : 100 * NS_PER_S); /* 0, 100, 300, 400 */
    }
    assert_string_equal(sent(0)->url, sent(1)->url);
    assert_string_not_equal(sent(1)->url, sent(2)->url);
    assert_string_equal(sent(2)->url, sent(3)->url);
}

static void a_clock_that_jumps_back_signs_anew(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    c.policy = CLOUDFRONT_CUSTOM;
    open_with(&c);
    say(&(struct fake_answer){HELLO});
    say(&(struct fake_answer){HELLO});
    ask();
    fake_env_skip(fake, -5000 * NS_PER_S);
    ask();
    assert_string_not_equal(sent(0)->url, sent(1)->url);
}

static void headers_are_sent_with_or_without_a_signature(void **state) {
    (void)state;
    put(header_path, "X-Token: one\nAuthorization: Bearer two\n");
    struct cdn_access_config c = {.header_file = header_path, .pattern = "*"};
    open_with(&c);
    assert_false(cdn_access_signs(access_));
    say(&(struct fake_answer){HELLO});
    ask();
    assert_string_equal(sent(0)->url, URL);
    assert_string_equal(fake_request_header(sent(0), "X-Token"), "one");
    assert_string_equal(fake_request_header(sent(0), "Authorization"), "Bearer two");
}

/* ---- replaced files */

static void replaced_headers_are_sent_from_then_on(void **state) {
    (void)state;
    put(header_path, "X-Token: one\n");
    struct cdn_access_config c = {.header_file = header_path, .pattern = "*"};
    open_with(&c);
    for (int i = 0; i < 2; i++) {
        say(&(struct fake_answer){HELLO});
        ask();
        put(header_path, "X-Token: two\n");
    }
    assert_string_equal(fake_request_header(sent(0), "X-Token"), "one");
    assert_string_equal(fake_request_header(sent(1), "X-Token"), "two");
}

static void key_and_id_are_replaced_together(void **state) {
    (void)state;
    put(id_path, "K1\n");
    struct cdn_access_config c = signing();
    c.key_id = id_path;
    c.policy = CLOUDFRONT_CUSTOM;
    open_with(&c);
    say(&(struct fake_answer){HELLO});
    say(&(struct fake_answer){HELLO});
    ask();
    signing_key_write(key_path);
    put(id_path, " K2 ");
    ask();
    assert_value(sent(0)->url, "Key-Pair-Id", "K1");
    assert_value(sent(1)->url, "Key-Pair-Id", "K2");
}

static void while_files_are_bad_the_old_ones_count(void **state) {
    (void)state;
    put(id_path, "K1");
    put(header_path, "X-Token: one\n");
    struct cdn_access_config c = signing();
    c.key_id = id_path;
    c.header_file = header_path;
    open_with(&c);
    const char *const paths[] = {key_path, id_path, header_path};
    for (size_t i = 0; i < 3; i++) {
        put(paths[i], "half a line without a co");
        say(&(struct fake_answer){HELLO});
        assert_int_equal(ask().err, 0);
        unlink(paths[i]);
        say(&(struct fake_answer){HELLO});
        assert_int_equal(ask().err, 0);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_value(sent(i)->url, "Key-Pair-Id", "K1");
        assert_string_equal(fake_request_header(sent(i), "X-Token"), "one");
    }
}

/* ---- refusals */

static void a_refusal_is_trouble_with_a_sentence(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    open_with(&c);
    say(&(struct fake_answer){REFUSED});
    struct got g = ask();
    assert_int_equal(g.err, -EIO);
    assert_non_null(strstr(g.why, "does not take the signature"));
    assert_non_null(strstr(g.why, "cdn_key_file="));
    assert_int_equal(fake_http_count(http), 1);
}

static void a_new_key_is_tried_at_once(void **state) {
    (void)state;
    put(id_path, "K1");
    struct cdn_access_config c = signing();
    c.key_id = id_path;
    open_with(&c);
    struct got g = {0};
    say(&(struct fake_answer){REFUSED});
    say(&(struct fake_answer){HELLO});
    store_get_range(store, "files/x", 0, 5, 0, note, &g);
    while (fake_http_count(http) == 0) /* it is under way with the old one */
        assert_true(fake_env_run_one(fake));
    put(id_path, "K2");
    fake_env_run(fake);
    assert_int_equal(g.done, 1);
    assert_int_equal(g.err, 0);
    assert_value(sent(0)->url, "Key-Pair-Id", "K1");
    assert_value(sent(1)->url, "Key-Pair-Id", "K2");
}

static void the_cdns_clock_counts_when_ours_is_wrong(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    open_with(&c);
    /* FAKE_ENV_NOW is Tue, 14 Nov 2023 22:13:20 GMT */
    say(&(struct fake_answer){.status = 403,
                              .headers = {"Server: CloudFront", "Date: Wed, 15 Nov 2023 22:13:20 GMT"},
                              .body = "<Error><Code>AccessDenied</Code></Error>"});
    say(&(struct fake_answer){HELLO});
    say(&(struct fake_answer){HELLO});
    assert_int_equal(ask().err, 0);
    assert_int_equal(ask().err, 0);
    assert_int_equal(fake_http_count(http), 3);
    assert_int_equal(expires(0), NOW + 600);
    assert_int_equal(expires(1), NOW + 86400 + 600);
    assert_int_equal(expires(2), NOW + 86400 + 600);
}

static void a_second_refusal_is_the_last(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    open_with(&c);
    for (int i = 0; i < 2; i++)
        say(&(struct fake_answer){.status = 403,
                                  .headers = {"Server: CloudFront", "Date: Wed, 15 Nov 2023 22:13:20 GMT"},
                                  .body = "<Error><Code>AccessDenied</Code></Error>"});
    assert_int_equal(ask().err, -EIO);
    assert_int_equal(fake_http_count(http), 2);
}

static void what_the_bucket_says_is_not_asked_again(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    open_with(&c);
    say(&(struct fake_answer){.status = 403,
                              .headers = {"Server: AmazonS3", "X-Cache: Error from cloudfront",
                                          "Date: Wed, 15 Nov 2023 22:13:20 GMT"},
                              .body = "<Error><Code>AccessDenied</Code></Error>"});
    assert_int_equal(ask().err, -ENOENT);
    assert_int_equal(fake_http_count(http), 1);
}

static void stopping_ends_what_is_on_a_worker(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    struct got g = {0};
    open_with(&c);
    store_get_range(store, "files/x", 0, 5, 0, note, &g);
    store_stop(store);
    fake_env_run(fake);
    assert_int_equal(g.done, 1);
    assert_int_equal(g.err, -EIO);
}

/* ---- links */

static struct links *links_at(const char *base) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct links *l = NULL;
    assert_int_equal(links_new(base, "some/place/", store, access_, &l, &why), 0);
    return l;
}

static void links_begin_where_they_are_told(void **state) {
    (void)state;
    struct cdn_access_config c = signing();
    open_with(&c);
    struct links *l = links_at("https://Assets.example.org/pub/"), *same = links_at(NULL);
    CLEANUP_FREE char *there = links_url(l, "files/a b"), *here = links_url(same, "files/a b");
    assert_string_equal(there, "https://assets.example.org/pub/some/place/files/a%20b");
    assert_string_equal(here, "https://d111.cloudfront.net/files/a%20b");
    assert_null(links_url(l, ""));
    links_free(l);
    links_free(same);
}

static void a_signed_link_is_for_one_object_whatever_the_policy(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct cdn_access_config c = signing();
    c.policy = CLOUDFRONT_CUSTOM;
    c.cookies = true;
    open_with(&c);
    struct links *l = links_at("https://assets.example.org");
    CLEANUP_FREE char *url = NULL;
    int64_t until;
    assert_int_equal(links_sign(l, "files/x", 60, &url, &until, &why), 0);
    assert_int_equal(until, NOW + 60);
    assert_int_equal(strncmp(url, "https://assets.example.org/some/place/files/x?Policy=", 53), 0);
    CLEANUP_FREE char *policy = value(url, "Policy");
    /* {"Statement":[{"Resource":"https://assets.example.org/some/place/files/x", */
    assert_non_null(strstr(policy, "c29tZS9wbGFjZS9maWxlcy94IiwiQ29u"));
    links_free(l);
}

static void without_a_key_nothing_is_signed(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct links *l = NULL;
    CLEANUP_FREE char *url = NULL;
    int64_t until;
    assert_int_equal(links_new("https://x", "", NULL, NULL, &l, &why), 0);
    assert_int_equal(links_sign(l, "files/x", 60, &url, &until, &why), -ENOKEY);
    assert_non_null(strstr(buf_str(&why), "cdn_key_file="));
    links_free(l);
}

/* ---- files that cannot be used at the beginning */

static void assert_refused(const struct cdn_access_config *c, const char *says) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct cdn_access *none = NULL;
    assert_int_equal(cdn_access_new(fake_env(fake), c, &none, &why), -EINVAL);
    assert_null(none);
    if (!strstr(buf_str(&why), says))
        fail_msg("nothing about '%s' in: %s", says, buf_str(&why));
}

static void what_cannot_be_used_is_refused_at_the_mount(void **state) {
    struct cdn_access_config c = signing();
    CLEANUP_FREE char *none = tmpdir_path(*state, "none");
    c.key_id = id_path;
    assert_refused(&c, "No such file");
    put(id_path, "K 1");
    assert_refused(&c, "what the file has in it");
    c.key_id = "relative/path";
    assert_refused(&c, "absolute path");
    c = signing();
    c.key_file = none;
    assert_refused(&c, "No such file");
    c.key_file = *state;
    assert_refused(&c, "not a regular file");
    put(id_path, "hello");
    c.key_file = id_path;
    assert_refused(&c, "no PEM");
    c = signing();
    c.header_file = header_path;
    put(header_path, "A: geheim\nnothing\n");
    assert_refused(&c, "line 2");
    put(header_path, "cookie: a=b\n");
    c.cookies = true;
    assert_refused(&c, "cdn_sign=cookie");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(each_read_is_signed_for_its_own_address),
        T(cookies_leave_the_address_alone),
        T(a_custom_policy_is_signed_once_and_again_at_half_time),
        T(a_clock_that_jumps_back_signs_anew),
        T(headers_are_sent_with_or_without_a_signature),
        T(replaced_headers_are_sent_from_then_on),
        T(key_and_id_are_replaced_together),
        T(while_files_are_bad_the_old_ones_count),
        T(a_refusal_is_trouble_with_a_sentence),
        T(a_new_key_is_tried_at_once),
        T(the_cdns_clock_counts_when_ours_is_wrong),
        T(a_second_refusal_is_the_last),
        T(what_the_bucket_says_is_not_asked_again),
        T(stopping_ends_what_is_on_a_worker),
        T(links_begin_where_they_are_told),
        T(a_signed_link_is_for_one_object_whatever_the_policy),
        T(without_a_key_nothing_is_signed),
        T(what_cannot_be_used_is_refused_at_the_mount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
