/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/cdn.h"
#include "fake_env.h"
#include "fake_http_engine.h"
#include "store_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct fake_env *fake;
static struct http *http;
static struct store *store;
static struct counters counters;

static void open_at(const char *url, const char *prefix) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct cdn_config c = {.http = http, .url = url, .prefix = prefix, .timeout_ns = 60 * NS_PER_S};
    store = store_free(store);
    assert_int_equal(store_cdn_open(fake_env(fake), &counters, &c, &store, &why), 0);
}

static int setup(void **state) {
    (void)state;
    fake = fake_env_new();
    http = fake_http_new(fake_env(fake), NULL, NULL);
    counters = (struct counters){0};
    open_at("https://d111.cloudfront.net", "");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    store = store_free(store);
    http_free(http);
    fake_env_free(fake);
    return 0;
}

static void say(const struct fake_answer *a) {
    fake_http_say(http, a);
}

/* What a get gave, cached too, which struct call does not keep. */
struct got {
    int err;
    bool cached;
    unsigned done;
};

static void note(void *arg, const struct store_got *got) {
    struct got *g = arg;
    *g = (struct got){got->err, got->cached, g->done + 1};
}

static struct got ask(uint64_t off, uint64_t len, unsigned flags) {
    struct got g = {0};
    store_get_range(store, "files/x", off, len, flags, note, &g);
    assert_int_equal(g.done, 0);
    fake_env_run(fake);
    assert_int_equal(g.done, 1);
    return g;
}

static struct got say_and_ask(const struct fake_answer *a) {
    say(a);
    return ask(0, 5, 0);
}

#define HELLO .status = 206, .body = "hello", .ranged = true, .total = 5
#define DENIED                                                                                               \
    "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

/* ---- what is sent */

static void a_range_is_asked_for_unsigned(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(&(struct fake_answer){.status = 206, .body = "ell", .ranged = true, .total = 5});
    call_get(&c, store, "files/a b+c", 1, 3);
    fake_env_run(fake);
    assert_int_equal(c.err, 0);
    assert_string_equal((char *)c.data, "ell");
    const struct fake_request *r = fake_http_request(http, 0);
    assert_string_equal(r->method, "GET");
    assert_string_equal(r->url, "https://d111.cloudfront.net/files/a%20b%2Bc");
    assert_int_equal(r->range_off, 1);
    assert_int_equal(r->range_len, 3);
    assert_string_equal(fake_request_header(r, "Accept-Encoding"), "identity");
    assert_null(fake_request_header(r, "Authorization"));
    assert_null(fake_request_header(r, "Cache-Control"));
    assert_int_equal(counter_get(&counters, COUNTER_BYTES_FETCHED), 3);
}

static void fresh_ones_say_so_and_go_first(void **state) {
    (void)state;
    say(&(struct fake_answer){HELLO});
    say(&(struct fake_answer){HELLO});
    ask(0, 5, 0);
    ask(0, 5, STORE_FRESH);
    assert_int_equal(fake_http_request(http, 0)->flags, 0);
    assert_int_equal(fake_http_request(http, 1)->flags, HTTP_URGENT);
    assert_string_equal(fake_request_header(fake_http_request(http, 1), "Cache-Control"), "no-cache");
}

static void path_and_prefix_stand_before_the_key(void **state) {
    (void)state;
    open_at("https://cdn.example.org:8443/assets/", "some/place/");
    say(&(struct fake_answer){HELLO});
    ask(0, 5, 0);
    assert_string_equal(fake_http_request(http, 0)->url,
                        "https://cdn.example.org:8443/assets/some/place/files/x");
    CLEANUP_FREE char *url = store_url(store, "files/ä");
    assert_string_equal(url, "https://cdn.example.org:8443/assets/some/place/files/%C3%A4");
    assert_string_equal(store->address, "https://cdn.example.org:8443/assets/some/place");
}

static void it_cannot_put(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    call_put(&c, store, "files/x", "x", 1);
    assert_int_equal(c.done, 0);
    fake_env_run(fake);
    assert_int_equal(c.err, -EACCES);
    assert_int_equal(fake_http_count(http), 0);
}

static void a_bad_address_is_explained(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct store *none = NULL;
    struct cdn_config c = {.http = http, .url = "d111.cloudfront.net", .prefix = ""};
    assert_int_equal(store_cdn_open(fake_env(fake), NULL, &c, &none, &why), -EINVAL);
    assert_true(why.len > 0);
}

/* ---- absence and trouble */

static void s3s_own_words_through_the_cdn_are_an_absence(void **state) {
    (void)state;
    struct fake_answer a = {
        .status = 403,
        .headers = {"Server: AmazonS3", "X-Cache: Error from cloudfront", "x-amz-request-id: R1"},
        .body = DENIED};
    assert_int_equal(say_and_ask(&a).err, -ENOENT);
    a.status = 404;
    a.body = "<Error><Code>NoSuchKey</Code></Error>";
    assert_int_equal(say_and_ask(&a).err, -ENOENT);
}

static void the_cdns_own_words_are_trouble(void **state) {
    (void)state;
    const struct fake_answer troubles[] = {
        {.status = 403, .headers = {"Server: CloudFront"}, .body = DENIED},
        {.status = 403, .headers = {"Server: CloudFront"}, .body = "<html>blocked</html>"},
        {.status = 404, .headers = {"Server: nginx"}, .body = "<html>404</html>"},
        {.status = 502, .headers = {"Server: CloudFront"}, .body = "<html>502</html>"},
        {.status = 500, .body = "<Error><Code>InternalError</Code></Error>"},
        {.status = 307,
         .headers = {"Location: https://elsewhere.example/"},
         .body = "<Error><Code>TemporaryRedirect</Code></Error>"},
        {.status = 403,
         .body =
             "<Error><Code>AllAccessDisabled</Code></Error>"}, /* -EACCES is for what this host can mend */
        {.err = -ECONNRESET},
        {.err = -EPROTO},
    };
    for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
        open_at("https://d111.cloudfront.net", ""); /* one that has refused nothing yet */
        assert_int_equal(say_and_ask(&troubles[i]).err, -EIO);
    }
    assert_int_equal(say_and_ask(&(struct fake_answer){.err = -ETIMEDOUT}).err, -ETIMEDOUT);
}

static void a_cdn_that_refuses_by_itself_is_asked_less(void **state) {
    (void)state;
    CLEANUP_CALL struct call first = {0}, second = {0}, third = {0};
    say(&(struct fake_answer){.status = 403, .headers = {"Server: CloudFront"}, .body = "<html>blocked</html>"});
    call_get(&first, store, "files/x", 0, 5);
    fake_env_run(fake);
    assert_int_equal(first.err, -EIO);
    call_get(&second, store, "files/x", 0, 5);
    call_get(&third, store, "files/x", 0, 5);
    fake_env_run(fake);
    assert_int_equal(fake_http_count(http), 1);
    say(&(struct fake_answer){HELLO});
    say(&(struct fake_answer){HELLO});
    fake_env_advance(fake, NS_PER_S);
    assert_int_equal(second.err, 0);
    assert_int_equal(third.err, 0);
}

static void what_waits_for_it_has_its_time(void **state) {
    (void)state;
    CLEANUP_CALL struct call held = {0}, second = {0};
    assert_int_equal(say_and_ask(&(struct fake_answer){.status = 403, .headers = {"Server: CloudFront"}, .body = "<html>blocked</html>"}).err, -EIO);
    say(&(struct fake_answer){.hold = true});
    call_get(&held, store, "files/x", 0, 5);
    call_get(&second, store, "files/x", 0, 5);
    fake_env_advance(fake, 61 * NS_PER_S);
    assert_int_equal(second.done, 1);
    assert_int_equal(second.err, -ETIMEDOUT);
    assert_non_null(strstr(second.why, "because the CDN has refused other requests: 403 by the CDN"));
    store_stop(store);
    fake_env_run(fake);
    assert_int_equal(held.done, 1);
}

static void a_page_is_given_as_it_is_for_the_digest_to_judge(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    say(&(struct fake_answer){.status = 200, .body = "<html>welcome</html>"});
    call_get(&c, store, "files/x", 0, 0);
    fake_env_run(fake);
    assert_int_equal(c.err, 0);
    assert_string_equal((char *)c.data, "<html>welcome</html>");
}

static void the_whole_object_for_a_range_is_cut(void **state) {
    (void)state;
    struct fake_answer a = {.status = 200, .body = "hello", .total = 500};
    assert_int_equal(say_and_ask(&a).err, 0); /* the engine has cut it */
    a.total = UINT64_MAX;
    assert_int_equal(say_and_ask(&a).err, -EIO);
}

/* ---- caches */

static void a_hit_is_cached(void **state) {
    (void)state;
    const char *const hits[] = {"X-Cache: Hit from cloudfront", "X-Cache: RefreshHit from cloudfront",
                                "x-cache: HIT", "Age: 1", "age: 86400"};
    for (size_t i = 0; i < ARRAY_SIZE(hits); i++)
        assert_true(say_and_ask(&(struct fake_answer){HELLO, .headers = {hits[i]}}).cached);
}

static void a_miss_is_not(void **state) {
    (void)state;
    const char *const misses[] = {"X-Cache: Miss from cloudfront", "X-Cache: Error from cloudfront",
                                  "X-Cache: MISS", "Age: 0", "Via: 1.1 x"};
    for (size_t i = 0; i < ARRAY_SIZE(misses); i++)
        assert_false(say_and_ask(&(struct fake_answer){HELLO, .headers = {misses[i]}}).cached);
    assert_false(say_and_ask(&(struct fake_answer){HELLO}).cached);
}

static void an_error_can_be_cached_too(void **state) {
    (void)state;
    struct fake_answer a = {.status = 403, .headers = {"Age: 4"}, .body = DENIED};
    struct got g = say_and_ask(&a);
    assert_int_equal(g.err, -ENOENT);
    assert_true(g.cached);
}

static void stopping_ends_what_is_under_way(void **state) {
    (void)state;
    struct got g = {0};
    store_get_range(store, "files/x", 0, 5, 0, note, &g);
    fake_env_run(fake);
    assert_int_equal(g.done, 0);
    store_stop(store);
    fake_env_run(fake);
    assert_int_equal(g.done, 1);
    assert_int_equal(g.err, -EIO);
    assert_int_equal(ask(0, 5, 0).err, -EIO);
    assert_int_equal(fake_http_count(http), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_range_is_asked_for_unsigned),
        T(fresh_ones_say_so_and_go_first),
        T(path_and_prefix_stand_before_the_key),
        T(it_cannot_put),
        T(a_bad_address_is_explained),
        T(s3s_own_words_through_the_cdn_are_an_absence),
        T(the_cdns_own_words_are_trouble),
        T(a_cdn_that_refuses_by_itself_is_asked_less),
        T(what_waits_for_it_has_its_time),
        T(a_page_is_given_as_it_is_for_the_digest_to_judge),
        T(the_whole_object_for_a_range_is_cut),
        T(a_hit_is_cached),
        T(a_miss_is_not),
        T(an_error_can_be_cached_too),
        T(stopping_ends_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
