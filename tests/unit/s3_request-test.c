/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/s3_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct s3_place place;
static struct buf why;

static int setup(void **state) {
    (void)state;
    why = BUF_INIT(4096);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    s3_place_free(&place);
    buf_free(&why);
    return 0;
}

static int init(const char *endpoint, const char *region, const char *bucket) {
    return s3_place_init(
        &place, &(struct s3_config){.endpoint = endpoint, .region = region, .bucket = bucket, .prefix = ""},
        &why);
}

static void check_url(const char *key, const char *want) {
    CLEANUP_FREE char *url = s3_place_url(&place, key);
    assert_string_equal(url, want);
}

/* ---- where a bucket is */

static void amazon_is_addressed_by_virtual_host(void **state) {
    (void)state;
    assert_int_equal(init(NULL, "eu-central-1", "assets"), 0);
    check_url("files/x.jpg", "https://assets.s3.eu-central-1.amazonaws.com/files/x.jpg");
}

static void without_a_region_it_is_the_first_one(void **state) {
    (void)state;
    assert_int_equal(init(NULL, NULL, "assets"), 0);
    check_url("x", "https://assets.s3.us-east-1.amazonaws.com/x");
}

static void china_has_its_own_domain(void **state) {
    (void)state;
    assert_int_equal(init(NULL, "cn-north-1", "assets"), 0);
    check_url("x", "https://assets.s3.cn-north-1.amazonaws.com.cn/x");
}

static void dots_in_the_bucket_name_force_path_style(void **state) {
    (void)state;
    assert_int_equal(init(NULL, "eu-central-1", "assets.example.com"), 0);
    check_url("x", "https://s3.eu-central-1.amazonaws.com/assets.example.com/x");
}

static void capitals_in_the_bucket_name_force_path_style(void **state) {
    (void)state;
    assert_int_equal(init(NULL, "us-east-1", "Old_Bucket"), 0);
    check_url("x", "https://s3.us-east-1.amazonaws.com/Old_Bucket/x");
}

static void addresses_and_short_names_force_path_style(void **state) {
    (void)state;
    const char *const endpoints[] = {"http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000",
                                     "http://minio:9000"};
    for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
        CLEANUP_FREE char *want = xasprintf("%s/assets/x", endpoints[i]);
        assert_int_equal(init(endpoints[i], NULL, "assets"), 0);
        check_url("x", want);
        s3_place_free(&place);
    }
}

static void an_endpoint_with_a_domain_gets_the_bucket_before_it(void **state) {
    (void)state;
    assert_int_equal(init("https://s3.example.org:8443", NULL, "assets"), 0);
    check_url("x", "https://assets.s3.example.org:8443/x");
}

static void path_style_where_it_is_asked_for(void **state) {
    (void)state;
    struct s3_config c = {
        .endpoint = "https://s3.example.org", .bucket = "assets", .prefix = "", .path_style = true};
    assert_int_equal(s3_place_init(&place, &c, &why), 0);
    check_url("x", "https://s3.example.org/assets/x");
}

static void an_endpoint_may_have_a_path(void **state) {
    (void)state;
    assert_int_equal(init("http://127.0.0.1:9000/storage/s3/", NULL, "assets"), 0);
    check_url("x", "http://127.0.0.1:9000/storage/s3/assets/x");
}

static void every_byte_of_a_key_is_encoded_once(void **state) {
    (void)state;
    assert_int_equal(init("http://127.0.0.1:9000", NULL, "assets"), 0);
    check_url("a/b c+d%20e&f=g?h#i~j", "http://127.0.0.1:9000/assets/a/b%20c%2Bd%2520e%26f%3Dg%3Fh%23i~j");
    check_url("\x01\x7f\xff\xc3\xa4", "http://127.0.0.1:9000/assets/%01%7F%FF%C3%A4");
    check_url("../x/./y//z", "http://127.0.0.1:9000/assets/../x/./y//z");
}

static void bad_names_are_explained(void **state) {
    (void)state;
    const char *const bad[] = {"",
                               "ab",
                               "a b",
                               "-ab",
                               "ab-",
                               "a..b",
                               "192.168.1.1",
                               "b/c",
                               "b\xc3\xbcs"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        buf_reset(&why);
        assert_int_equal(init(NULL, NULL, bad[i]), -EINVAL);
        assert_non_null(strstr(buf_str(&why), "bucket"));
    }
    const char *const regions[] = {"", "eu central", "eu/central", "x.evil.example"};
    for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
        buf_reset(&why);
        assert_int_equal(init(NULL, regions[i], "assets"), -EINVAL);
        assert_non_null(strstr(buf_str(&why), "region"));
    }
    assert_int_equal(init("ftp://example.org", NULL, "assets"), -EINVAL);
}

/* ---- where a server says that it is */

static void another_region_moves_amazons_endpoint(void **state) {
    (void)state;
    assert_int_equal(init(NULL, "us-east-1", "assets"), 0);
    assert_true(s3_place_move(&place, "eu-west-3", "assets.s3.eu-west-3.amazonaws.com"));
    check_url("x", "https://assets.s3.eu-west-3.amazonaws.com/x");
    assert_string_equal(place.region, "eu-west-3");
}

static void another_region_leaves_a_given_endpoint(void **state) {
    (void)state;
    assert_int_equal(init("https://s3.example.org", "us-east-1", "assets"), 0);
    assert_true(s3_place_move(&place, "default", NULL));
    check_url("x", "https://assets.s3.example.org/x");
}

static void the_same_region_is_no_move(void **state) {
    (void)state;
    assert_int_equal(init(NULL, "us-east-1", "assets"), 0);
    assert_false(s3_place_move(&place, "us-east-1", NULL));
    assert_false(s3_place_move(&place, NULL, NULL));
    assert_false(s3_place_move(&place, "us-east-1", "https://assets.s3.us-east-1.amazonaws.com/x"));
}

static void a_location_moves_by_its_host(void **state) {
    (void)state;
    assert_int_equal(init(NULL, "us-east-1", "assets"), 0);
    assert_true(
        s3_place_move(&place, NULL, "https://assets.s3-us-west-2.amazonaws.com/files/x?partNumber=1"));
    check_url("x", "https://assets.s3-us-west-2.amazonaws.com/x");
}

static void a_location_in_path_style_moves_too(void **state) {
    (void)state;
    assert_int_equal(init("http://127.0.0.1:9000", NULL, "assets"), 0);
    assert_true(s3_place_move(&place, NULL, "http://127.0.0.1:9001/assets/x"));
    check_url("x", "http://127.0.0.1:9001/assets/x");
}

static void nobody_leads_us_to_a_strangers_host(void **state) {
    (void)state;
    assert_int_equal(init(NULL, "us-east-1", "assets"), 0);
    assert_false(s3_place_move(&place, NULL, "https://evil.example/x"));
    assert_false(s3_place_move(&place, NULL, "https://amazonaws.com.evil.example/x"));
    assert_false(s3_place_move(&place, NULL, "http://assets.s3.us-west-2.amazonaws.com/x"));
    assert_false(s3_place_move(&place, NULL, "https://user@s3.us-west-2.amazonaws.com/x"));
    assert_false(s3_place_move(&place, "evil.example/", NULL));
    check_url("x", "https://assets.s3.us-east-1.amazonaws.com/x");
}

static void plain_http_stays_on_this_machine(void **state) {
    (void)state;
    assert_int_equal(init("http://127.0.0.1:9000", NULL, "assets"), 0);
    assert_false(s3_place_move(&place, NULL, "http://10.0.0.1:9000/assets/x"));
    assert_true(s3_place_move(&place, NULL, "https://s3.example.org/x"));
    assert_false(s3_place_move(&place, NULL, "http://127.0.0.1:9000/assets/x"));
}

/* ---- what is sent */

static const struct credential keys = {.access_key = (char *)"AKIAIOSFODNN7EXAMPLE",
                                       .secret_key = (char *)"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};

static const char *sent(const struct s3_signed *s, const char *name) {
    for (size_t i = 0; i < s->n_headers; i++)
        if (!strncasecmp(s->headers[i], name, strlen(name)) && s->headers[i][strlen(name)] == ':')
            return s->headers[i] + strlen(name) + 2;
    return NULL;
}

static void every_header_that_is_sent_is_signed(void **state) {
    (void)state;
    struct s3_signed s;
    const struct sigv4_pair headers[] = {
        {"Content-Type", "image/jpeg"}, {"If-None-Match", "*"}, {"x-amz-checksum-sha256", "abc="}};
    struct s3_request r = {.method = "PUT",
                           .key = "files/x",
                           .headers = headers,
                           .n_headers = 3,
                           .payload = SIGV4_EMPTY_PAYLOAD};
    assert_int_equal(init(NULL, "eu-central-1", "assets"), 0);
    s3_sign(&place, &keys, &r, 1700000000, &s);
    assert_string_equal(s.url, "https://assets.s3.eu-central-1.amazonaws.com/files/x");
    assert_string_equal(sent(&s, "If-None-Match"), "*");
    assert_string_equal(sent(&s, "Content-Type"), "image/jpeg");
    assert_string_equal(sent(&s, "x-amz-checksum-sha256"), "abc=");
    assert_string_equal(sent(&s, "x-amz-content-sha256"), SIGV4_EMPTY_PAYLOAD);
    assert_string_equal(sent(&s, "x-amz-date"), "20231114T221320Z");
    assert_null(sent(&s, "x-amz-security-token"));
    assert_non_null(strstr(sent(&s, "Authorization"),
                           "Credential=AKIAIOSFODNN7EXAMPLE/20231114/eu-central-1/s3/aws4_request"));
    assert_non_null(
        strstr(sent(&s, "Authorization"),
               "content-type;host;if-none-match;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date,"));
    s3_signed_free(&s);
}

static void the_signature_is_over_what_is_sent(void **state) {
    (void)state;
    struct s3_signed s;
    struct buf added = BUF_INIT(65536);
    struct s3_request r = {.method = "GET", .key = "a b", .payload = SIGV4_EMPTY_PAYLOAD};
    const struct sigv4_pair host = {"Host", "s3.example.org:8443"};
    struct sigv4_key key = {
        .access_key = keys.access_key, .secret_key = keys.secret_key, .region = "us-east-1", .service = "s3"};
    struct sigv4_request plain = {.method = "GET",
                                  .path = "/as.sets/a%20b",
                                  .headers = &host,
                                  .n_headers = 1,
                                  .payload = SIGV4_EMPTY_PAYLOAD,
                                  .time = 1700000000};
    assert_int_equal(init("https://s3.example.org:8443", NULL, "as.sets"), 0);
    s3_sign(&place, &keys, &r, 1700000000, &s);
    sigv4_sign(&key, &plain, &added);
    char *want = NULL;
    for (size_t at = 0; at < added.len; at += strlen((char *)added.data + at) + 1)
        if (!strncmp((char *)added.data + at, "Authorization: ", 15))
            want = (char *)added.data + at + 15;
    assert_non_null(want);
    assert_string_equal(sent(&s, "Authorization"), want);
    s3_signed_free(&s);
    buf_free(&added);
}

static void a_query_is_sent_as_it_is_signed(void **state) {
    (void)state;
    struct s3_signed s;
    const struct sigv4_pair query[] = {{"uploadId", "a+b/c=="}, {"partNumber", "7"}};
    struct s3_request r = {
        .method = "PUT", .key = "x", .query = query, .n_query = 2, .payload = SIGV4_EMPTY_PAYLOAD};
    assert_int_equal(init("http://127.0.0.1:9000", NULL, "assets"), 0);
    s3_sign(&place, &keys, &r, 1700000000, &s);
    assert_string_equal(s.url, "http://127.0.0.1:9000/assets/x?partNumber=7&uploadId=a%2Bb%2Fc%3D%3D");
    s3_signed_free(&s);
}

static void a_session_token_goes_along(void **state) {
    (void)state;
    struct s3_signed s;
    struct credential with = keys;
    with.session_token = (char *)"token";
    struct s3_request r = {.method = "GET", .key = "x", .payload = SIGV4_EMPTY_PAYLOAD};
    assert_int_equal(init(NULL, NULL, "assets"), 0);
    s3_sign(&place, &with, &r, 1700000000, &s);
    assert_string_equal(sent(&s, "x-amz-security-token"), "token");
    assert_non_null(strstr(sent(&s, "Authorization"), "x-amz-security-token"));
    s3_signed_free(&s);
}

static void a_checksum_is_base64(void **state) {
    (void)state;
    uint8_t digest[DIGEST_SIZE];
    digest_of("", 0, digest);
    CLEANUP_FREE char *text = s3_checksum(digest);
    assert_string_equal(text, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(amazon_is_addressed_by_virtual_host),
        T(without_a_region_it_is_the_first_one),
        T(china_has_its_own_domain),
        T(dots_in_the_bucket_name_force_path_style),
        T(capitals_in_the_bucket_name_force_path_style),
        T(addresses_and_short_names_force_path_style),
        T(an_endpoint_with_a_domain_gets_the_bucket_before_it),
        T(path_style_where_it_is_asked_for),
        T(an_endpoint_may_have_a_path),
        T(every_byte_of_a_key_is_encoded_once),
        T(bad_names_are_explained),
        T(another_region_moves_amazons_endpoint),
        T(another_region_leaves_a_given_endpoint),
        T(the_same_region_is_no_move),
        T(a_location_moves_by_its_host),
        T(a_location_in_path_style_moves_too),
        T(nobody_leads_us_to_a_strangers_host),
        T(plain_http_stays_on_this_machine),
        T(every_header_that_is_sent_is_signed),
        T(the_signature_is_over_what_is_sent),
        T(a_query_is_sent_as_it_is_signed),
        T(a_session_token_goes_along),
        T(a_checksum_is_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
