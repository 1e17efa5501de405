/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What Amazon has published: the examples of "Signature Calculations for the Authorization Header:
 * Transferring Payload in a Single Chunk" and of "Authenticating Requests: Using Query Parameters" (Amazon S3
 * API Reference), and of the aws4 test suite ("Signature Version 4 test suite", AWS General Reference) what
 * S3 does as well: its cases for normalised paths are the other services'. Against botocore, with random
 * requests: tests/sh/sigv4-botocore.sh.
 */
#include "net/sigv4.h"
#include "net/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define PAIR(name, value) ((struct sigv4_pair){name, value})

/* Amazon S3 API Reference: its credentials, its bucket, Fri, 24 May 2013 00:00:00 GMT. */
static const struct sigv4_key s3_key = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                                        .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                        .region = "us-east-1",
                                        .service = "s3"};
#define S3_TIME 1369353600
#define S3_HOST PAIR("Host", "examplebucket.s3.amazonaws.com")

/* The test suite: 20150830T123600Z. */
static const struct sigv4_key suite_key = {.access_key = "AKIDEXAMPLE",
                                           .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                           .region = "us-east-1",
                                           .service = "service"};
#define SUITE_TIME 1440938160
#define SUITE_HOST PAIR("Host", "example.amazonaws.com")
#define SUITE_DATE PAIR("X-Amz-Date", "20150830T123600Z")

/* The header of that name among what sigv4_sign() made, without "Name: ", or NULL. */
static const char *header(const struct buf *b, const char *name) {
    size_t n = strlen(name);
    for (size_t at = 0; at < b->len; at += strlen((const char *)b->data + at) + 1) {
        const char *line = (const char *)b->data + at;
        if (strncmp(line, name, n) == 0 && strncmp(line + n, ": ", 2) == 0)
            return line + n + 2;
    }
    return NULL;
}

/* Signs it and compares Authorization, which ends in the signature. */
static void assert_signed(const struct sigv4_key *key, const struct sigv4_request *r, const char *names,
                          const char *signature) {
    CLEANUP_BUF struct buf b = BUF_INIT(8192);
    sigv4_sign(key, r, &b);
    assert_int_equal(b.err, 0);
    CLEANUP_FREE char *want =
        xasprintf("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                  "SignedHeaders=%s, Signature=%s",
                  names, signature);
    assert_string_equal(header(&b, "Authorization"), want);
}

static void get_object_example(void **state) {
    (void)state;
    struct sigv4_pair headers[] = {S3_HOST, PAIR("Range", "bytes=0-9")};
    struct sigv4_request r = {.method = "GET",
                              .path = "/test.txt",
                              .headers = headers,
                              .n_headers = 2,
                              .payload = SIGV4_EMPTY_PAYLOAD,
                              .time = S3_TIME};
    assert_signed(&s3_key, &r, "host;range;x-amz-content-sha256;x-amz-date",
                  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void put_object_example(void **state) {
    (void)state;
    uint8_t digest[DIGEST_SIZE];
    char payload[DIGEST_HEX_SIZE];
    digest_of("Welcome to Amazon S3.", 21, digest);
    digest_hex(digest, payload);
    struct sigv4_pair headers[] = {S3_HOST, PAIR("Date", "Fri, 24 May 2013 00:00:00 GMT"),
                                   PAIR("x-amz-storage-class", "REDUCED_REDUNDANCY")};
    struct sigv4_request r = {.method = "PUT",
                              .path = "/test%24file.text",
                              .headers = headers,
                              .n_headers = 3,
                              .payload = payload,
                              .time = S3_TIME};
    assert_signed(&s3_key, &r, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                  "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void get_bucket_lifecycle_example(void **state) {
    (void)state;
    struct sigv4_pair query[] = {PAIR("lifecycle", NULL)}, headers[] = {S3_HOST};
    struct sigv4_request r = {.method = "GET",
                              .path = "/",
                              .query = query,
                              .n_query = 1,
                              .headers = headers,
                              .n_headers = 1,
                              .payload = SIGV4_EMPTY_PAYLOAD,
                              .time = S3_TIME};
    assert_signed(&s3_key, &r, "host;x-amz-content-sha256;x-amz-date",
                  "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void list_objects_example(void **state) {
    (void)state;
    struct sigv4_pair query[] = {PAIR("prefix", "J"), PAIR("max-keys", "2")}, headers[] = {S3_HOST};
    struct sigv4_request r = {.method = "GET",
                              .path = "/",
                              .query = query,
                              .n_query = 2,
                              .headers = headers,
                              .n_headers = 1,
                              .payload = SIGV4_EMPTY_PAYLOAD,
                              .time = S3_TIME};
    assert_signed(&s3_key, &r, "host;x-amz-content-sha256;x-amz-date",
                  "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void presigned_get_example(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(8192);
    struct sigv4_pair headers[] = {S3_HOST};
    struct sigv4_request r = {.method = "GET",
                              .path = "/test.txt",
                              .headers = headers,
                              .n_headers = 1,
                              .payload = SIGV4_UNSIGNED_PAYLOAD,
                              .time = S3_TIME};
    sigv4_presign(&s3_key, &r, 86400, &b);
    assert_string_equal(
        buf_str(&b),
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%"
        "2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static void published_canonical_request_and_string_to_sign(void **state) {
    (void)state;
    CLEANUP_BUF struct buf canonical = BUF_INIT(8192), text = BUF_INIT(8192);
    struct sigv4_pair headers[] = {PAIR("x-amz-date", "20130524T000000Z"), PAIR("Range", "bytes=0-9"),
                                   PAIR("x-amz-content-sha256", SIGV4_EMPTY_PAYLOAD), S3_HOST};
    struct sigv4_request r = {.method = "GET",
                              .path = "/test.txt",
                              .headers = headers,
                              .n_headers = 4,
                              .payload = SIGV4_EMPTY_PAYLOAD,
                              .time = S3_TIME};
    sigv4_canonical_request(&r, &canonical);
    assert_string_equal(buf_str(&canonical), "GET\n"
                                             "/test.txt\n"
                                             "\n"
                                             "host:examplebucket.s3.amazonaws.com\n"
                                             "range:bytes=0-9\n"
                                             "x-amz-content-sha256:" SIGV4_EMPTY_PAYLOAD "\n"
                                             "x-amz-date:20130524T000000Z\n"
                                             "\n"
                                             "host;range;x-amz-content-sha256;x-amz-date\n" //
                        SIGV4_EMPTY_PAYLOAD);
    sigv4_string_to_sign(&s3_key, &r, &text);
    assert_string_equal(buf_str(&text), "AWS4-HMAC-SHA256\n"
                                        "20130524T000000Z\n"
                                        "20130524/us-east-1/s3/aws4_request\n"
                                        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
}

/* One case of the test suite; a header without a name ends them. */
static void assert_suite(const char *method, const char *path, const struct sigv4_pair *query, size_t n_query,
                         const struct sigv4_pair *headers, const char *payload, const char *want) {
    char signature[DIGEST_HEX_SIZE];
    size_t n = 0;
    while (headers[n].name)
        n++;
    struct sigv4_request r = {.method = method,
                              .path = path,
                              .query = query,
                              .n_query = n_query,
                              .headers = headers,
                              .n_headers = n,
                              .payload = payload,
                              .time = SUITE_TIME};
    assert_int_equal(sigv4_signature(&suite_key, &r, signature), 0);
    assert_string_equal(signature, want);
}

static const struct sigv4_pair plain[] = {SUITE_HOST, SUITE_DATE, {0}};

static void suite_get_vanilla(void **state) {
    (void)state;
    assert_suite("GET", "/", NULL, 0, plain, SIGV4_EMPTY_PAYLOAD,
                 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

static void suite_post_vanilla(void **state) {
    (void)state;
    assert_suite("POST", "/", NULL, 0, plain, SIGV4_EMPTY_PAYLOAD,
                 "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

static void suite_get_vanilla_query_order_key_case(void **state) {
    (void)state;
    struct sigv4_pair query[] = {PAIR("Param2", "value2"), PAIR("Param1", "value1")};
    assert_suite("GET", "/", query, 2, plain, SIGV4_EMPTY_PAYLOAD,
                 "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

static void suite_get_vanilla_empty_query_key(void **state) {
    (void)state;
    struct sigv4_pair query[] = {PAIR("Param1", "value1")};
    assert_suite("GET", "/", query, 1, plain, SIGV4_EMPTY_PAYLOAD,
                 "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb");
}

#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static void suite_get_vanilla_query_unreserved(void **state) {
    (void)state;
    struct sigv4_pair query[] = {PAIR(UNRESERVED, UNRESERVED)};
    assert_suite("GET", "/", query, 1, plain, SIGV4_EMPTY_PAYLOAD,
                 "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197");
}

static void suite_get_unreserved(void **state) {
    (void)state;
    assert_suite("GET", "/" UNRESERVED, NULL, 0, plain, SIGV4_EMPTY_PAYLOAD,
                 "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f");
}

static void suite_get_utf8(void **state) {
    (void)state;
    CLEANUP_BUF struct buf path = BUF_INIT(100);
    url_encode(&path, "/\u1234", strlen("/\u1234"), true);
    assert_suite("GET", buf_str(&path), NULL, 0, plain, SIGV4_EMPTY_PAYLOAD,
                 "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
}

static void suite_get_header_key_duplicate(void **state) {
    (void)state;
    struct sigv4_pair headers[] = {SUITE_HOST,
                                   PAIR("My-Header1", "value2"),
                                   PAIR("My-Header1", "value2"),
                                   PAIR("My-Header1", "value1"),
                                   SUITE_DATE,
                                   {0}};
    assert_suite("GET", "/", NULL, 0, headers, SIGV4_EMPTY_PAYLOAD,
                 "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");
}

static void suite_get_header_value_trim(void **state) {
    (void)state;
    struct sigv4_pair headers[] = {
        SUITE_HOST, PAIR("My-Header1", " value1"), PAIR("My-Header2", " \"a   b   c\""), SUITE_DATE, {0}};
    assert_suite("GET", "/", NULL, 0, headers, SIGV4_EMPTY_PAYLOAD,
                 "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

static void suite_post_x_www_form_urlencoded(void **state) {
    (void)state;
    uint8_t digest[DIGEST_SIZE];
    char payload[DIGEST_HEX_SIZE];
    digest_of("Param1=value1", 13, digest);
    digest_hex(digest, payload);
    struct sigv4_pair headers[] = {
        PAIR("Content-Type", "application/x-www-form-urlencoded"), SUITE_HOST, SUITE_DATE, {0}};
    assert_suite("POST", "/", NULL, 0, headers, payload,
                 "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

static void suite_post_sts_header_before(void **state) {
    (void)state;
    struct sigv4_pair headers[] = {
        SUITE_HOST,
        SUITE_DATE,
        PAIR("X-Amz-Security-Token",
             "AQoDYXdzEPT//////////"
             "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoI"
             "YRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"
             "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVX"
             "Ak"
             "iY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"
             "scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj"
             "2ICCR/oLxBA=="),
        {0}};
    assert_suite("POST", "/", NULL, 0, headers, SIGV4_EMPTY_PAYLOAD,
                 "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}

/* "a-" sorts behind "a", though "a-=1" sorts before "a=1"; equal names sort by value, in the encoded form. */
static void the_query_is_sorted_by_name_then_value(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    struct sigv4_pair query[] = {PAIR("a-", "1"), PAIR("a", "z"), PAIR("a", " "), PAIR("B", NULL)};
    sigv4_query(query, 4, &b);
    assert_string_equal(buf_str(&b), "B=&a=%20&a=z&a-=1");
}

static void a_query_is_encoded(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    struct sigv4_pair query[] = {PAIR("uploadId", "a/b+c=&d"), PAIR("partNumber", "10")};
    sigv4_query(query, 2, &b);
    assert_string_equal(buf_str(&b), "partNumber=10&uploadId=a%2Fb%2Bc%3D%26d");
}

static void no_query_is_empty(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    sigv4_query(NULL, 0, &b);
    assert_string_equal(buf_str(&b), "");
}

/* Header names whose order changes with what follows them. */
static void headers_are_sorted_by_name(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    struct sigv4_pair headers[] = {PAIR("x-amz-meta-a-b", "1"), PAIR("X-Amz-Meta-A", "\t a \t b "),
                                   PAIR("HOST", "h"), PAIR("x-amz-meta-empty", "")};
    struct sigv4_request r = {
        .method = "GET", .path = "/", .headers = headers, .n_headers = 4, .payload = "p"};
    sigv4_canonical_request(&r, &b);
    assert_string_equal(buf_str(&b),
                        "GET\n/\n\nhost:h\nx-amz-meta-a:a b\nx-amz-meta-a-b:1\nx-amz-meta-empty:\n"
                        "\nhost;x-amz-meta-a;x-amz-meta-a-b;x-amz-meta-empty\np");
}

static const struct sigv4_pair host_only[] = {S3_HOST};
static const struct sigv4_request get = {.method = "GET",
                                         .path = "/test.txt",
                                         .headers = host_only,
                                         .n_headers = 1,
                                         .payload = SIGV4_EMPTY_PAYLOAD,
                                         .time = S3_TIME};

static void what_is_to_be_sent_is_returned(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(8192);
    sigv4_sign(&s3_key, &get, &b);
    assert_string_equal(header(&b, "x-amz-date"), "20130524T000000Z");
    assert_string_equal(header(&b, "x-amz-content-sha256"), SIGV4_EMPTY_PAYLOAD);
    assert_non_null(header(&b, "Authorization"));
    assert_null(header(&b, "x-amz-security-token"));
    assert_null(header(&b, "Host"));
    assert_int_equal(b.data[b.len - 1], '\0');
}

static void a_session_token_is_sent_and_signed(void **state) {
    (void)state;
    CLEANUP_BUF struct buf with = BUF_INIT(8192);
    struct sigv4_key key = s3_key;
    key.session_token = "token";
    sigv4_sign(&key, &get, &with);
    assert_string_equal(header(&with, "x-amz-security-token"), "token");
    assert_non_null(strstr(header(&with, "Authorization"),
                           "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
}

static void a_session_token_is_in_the_presigned_query(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(8192);
    struct sigv4_key key = s3_key;
    struct sigv4_request r = get;
    struct sigv4_pair query[] = {PAIR("versionId", "null")};
    key.session_token = "to/ken=";
    r.query = query;
    r.n_query = 1;
    r.payload = SIGV4_UNSIGNED_PAYLOAD;
    sigv4_presign(&key, &r, 60, &b);
    assert_non_null(strstr(buf_str(&b), "&X-Amz-Security-Token=to%2Fken%3D&"));
    assert_non_null(strstr(buf_str(&b), "&versionId=null&X-Amz-Signature="));
}

static void a_presigned_url_lives_for_at_most_seven_days(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(8192);
    sigv4_presign(&s3_key, &get, SIGV4_EXPIRES_MAX + 1, &b);
    assert_non_null(strstr(buf_str(&b), "&X-Amz-Expires=604800&"));
    buf_reset(&b);
    sigv4_presign(&s3_key, &get, 0, &b);
    assert_non_null(strstr(buf_str(&b), "&X-Amz-Expires=1&"));
}

static void times_beyond_four_digits_of_a_year_are_clamped(void **state) {
    (void)state;
    static const struct {
        int64_t time;
        const char *want;
    } cases[] = {{INT64_MIN, "19700101T000000Z"}, {INT64_MAX, "99991231T235959Z"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_BUF struct buf b = BUF_INIT(8192);
        struct sigv4_request r = get;
        r.time = cases[i].time;
        sigv4_sign(&s3_key, &r, &b);
        assert_string_equal(header(&b, "x-amz-date"), cases[i].want);
    }
}

/* A signature must never be made of half a request. */
static void too_large_a_request_is_an_error(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT((size_t)8 << 20), query = BUF_INIT((size_t)8 << 20);
    CLEANUP_FREE char *large = xmalloc(((size_t)2 << 20) + 1);
    memset(large, 'x', (size_t)2 << 20);
    large[(size_t)2 << 20] = '\0';
    struct sigv4_pair pairs[] = {S3_HOST, PAIR("x-amz-meta-large", large)};
    struct sigv4_request r = get;
    r.headers = pairs;
    r.n_headers = 2;
    sigv4_sign(&s3_key, &r, &b);
    assert_int_equal(b.err, -EFBIG);
    assert_int_equal(b.len, 0);
    b.err = 0;
    sigv4_presign(&s3_key, &r, 60, &b);
    assert_int_equal(b.err, -EFBIG);
    assert_int_equal(b.len, 0);
    sigv4_query(pairs, 2, &query);
    assert_int_equal(query.err, -EFBIG);
}

static void the_secret_key_is_in_no_output(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    sigv4_sign(&s3_key, &get, &b);
    sigv4_presign(&s3_key, &get, 60, &b);
    sigv4_canonical_request(&get, &b);
    sigv4_string_to_sign(&s3_key, &get, &b);
    assert_null(memmem(b.data, b.len, "wJalr", 5));
    assert_null(memmem(b.data, b.len, "EXAMPLEKEY", 10));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_object_example),
        cmocka_unit_test(put_object_example),
        cmocka_unit_test(get_bucket_lifecycle_example),
        cmocka_unit_test(list_objects_example),
        cmocka_unit_test(presigned_get_example),
        cmocka_unit_test(published_canonical_request_and_string_to_sign),
        cmocka_unit_test(suite_get_vanilla),
        cmocka_unit_test(suite_post_vanilla),
        cmocka_unit_test(suite_get_vanilla_query_order_key_case),
        cmocka_unit_test(suite_get_vanilla_empty_query_key),
        cmocka_unit_test(suite_get_vanilla_query_unreserved),
        cmocka_unit_test(suite_get_unreserved),
        cmocka_unit_test(suite_get_utf8),
        cmocka_unit_test(suite_get_header_key_duplicate),
        cmocka_unit_test(suite_get_header_value_trim),
        cmocka_unit_test(suite_post_x_www_form_urlencoded),
        cmocka_unit_test(suite_post_sts_header_before),
        cmocka_unit_test(the_query_is_sorted_by_name_then_value),
        cmocka_unit_test(a_query_is_encoded),
        cmocka_unit_test(no_query_is_empty),
        cmocka_unit_test(headers_are_sorted_by_name),
        cmocka_unit_test(what_is_to_be_sent_is_returned),
        cmocka_unit_test(a_session_token_is_sent_and_signed),
        cmocka_unit_test(a_session_token_is_in_the_presigned_query),
        cmocka_unit_test(a_presigned_url_lives_for_at_most_seven_days),
        cmocka_unit_test(times_beyond_four_digits_of_a_year_are_clamped),
        cmocka_unit_test(too_large_a_request_is_an_error),
        cmocka_unit_test(the_secret_key_is_in_no_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
