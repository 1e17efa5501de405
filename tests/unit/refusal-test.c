/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/refusal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HEADERS_MAX 8

struct answer {
    int status;
    const char *headers[HEADERS_MAX];
    const char *body;
};

static struct refusal refusal;
static struct buf text;

static int setup(void **state) {
    (void)state;
    text = BUF_INIT(1 << 20);
    refusal = (struct refusal){0};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    refusal_free(&refusal);
    buf_free(&text);
    return 0;
}

static int read_answer(const struct answer *a, enum refusal_op op) {
    struct http_headers headers = {.lines = a->headers};
    const char *body = a->body ? a->body : "";
    while (headers.n < HEADERS_MAX && a->headers[headers.n])
        headers.n++;
    struct http_response r = {.status = a->status, .body = body, .len = strlen(body), .headers = &headers};
    refusal_free(&refusal);
    refusal_read(&r, op, &refusal);
    buf_reset(&text);
    refusal_explain(&refusal, "files/x", &text);
    return refusal_errno(&refusal);
}

static int s3_says(int status, const char *code, const char *message, enum refusal_op op) {
    CLEANUP_FREE char *body = xasprintf(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>",
        code, message);
    return read_answer(&(struct answer){.status = status,
                                        .headers = {"Server: AmazonS3", "x-amz-request-id: R1"},
                                        .body = body},
                       op);
}

static void assert_explains(const char *part) {
    if (!strstr(buf_str(&text), part))
        fail_msg("\"%s\" is not in: %s", part, buf_str(&text));
}

/* ---- who it was */

static void s3_is_known_by_its_xml(void **state) {
    (void)state;
    s3_says(403, "AccessDenied", "Access Denied", REFUSAL_PUT);
    assert_int_equal(refusal.by, BY_S3);
    assert_string_equal(refusal.code, "AccessDenied");
    assert_string_equal(refusal.message, "Access Denied");
    assert_string_equal(refusal.request_id, "R1");
}

static void s3_without_a_body_is_known_by_its_request_id(void **state) {
    (void)state;
    assert_int_equal(
        read_answer(&(struct answer){.status = 412, .headers = {"x-amz-request-id: R1"}}, REFUSAL_PUT),
        -EEXIST);
    assert_int_equal(refusal.by, BY_S3);
    assert_int_equal(
        read_answer(&(struct answer){.status = 503, .headers = {"x-amz-request-id: R1"}}, REFUSAL_GET), -EIO);
}

static void xml_of_cloudfront_is_not_s3(void **state) {
    (void)state;
    struct answer a = {
        .status = 403,
        .headers = {"Server: CloudFront", "X-Cache: Error from cloudfront", "x-amz-cf-id: CF1"},
        .body = "<?xml version=\"1.0\"?><Error><Code>MissingKey</Code><Message>Missing "
                "Key-Pair-Id</Message></Error>"};
    assert_int_equal(read_answer(&a, REFUSAL_GET), -EIO);
    assert_int_equal(refusal.by, BY_CDN);
    assert_explains("by the CDN");
    assert_explains("x-amz-cf-id CF1");
}

static void html_of_cloudfront_is_trouble(void **state) {
    (void)state;
    struct answer a = {.status = 403,
                       .headers = {"Server: CloudFront", "Content-Type: text/html"},
                       .body =
                           "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 "
                           "Transitional//EN\"><HTML><BODY><H1>403 ERROR</H1>Request blocked.</BODY></HTML>"};
    assert_int_equal(read_answer(&a, REFUSAL_GET), -EIO);
    assert_explains("WAF");
}

static void s3_through_cloudfront_is_s3(void **state) {
    (void)state;
    struct answer a = {.status = 403,
                       .headers = {"Server: AmazonS3", "X-Cache: Error from cloudfront",
                                   "x-amz-request-id: R1", "x-amz-cf-id: CF1"},
                       .body = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access "
                               "Denied</Message></Error>"};
    assert_int_equal(read_answer(&a, REFUSAL_GET), -ENOENT);
    assert_int_equal(refusal.by, BY_S3);
    assert_explains("x-amz-request-id R1");
    assert_explains("x-amz-cf-id CF1");
}

static void a_custom_error_page_is_the_cdns(void **state) {
    (void)state;
    struct answer a = {.status = 403,
                       .headers = {"Server: AmazonS3", "X-Cache: Error from cloudfront"},
                       .body = "<html>oops</html>"};
    assert_int_equal(read_answer(&a, REFUSAL_GET), -EIO);
    assert_int_equal(refusal.by, BY_CDN);
    a.status = 404;
    assert_int_equal(read_answer(&a, REFUSAL_GET), -EIO);
}

static void what_stands_between_is_neither(void **state) {
    (void)state;
    const struct answer others[] = {
        {403, {"Server: squid"}, "<html><body>denied</body></html>"},
        {404, {"Server: nginx"}, "<html><body>404 Not Found</body></html>"},
        {302, {"Location: http://login.hotel.example/"}, ""},
        {511, {NULL}, "log in"},
        {404, {NULL}, "{\"error\":\"not found\"}"},
        {403, {NULL}, "<Error><Code>AccessDenied"}, /* cut off */
        {500, {NULL}, ""},
        {404, {NULL}, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_int_equal(read_answer(&others[i], REFUSAL_GET), -EIO);
        assert_int_equal(refusal.by, BY_OTHER);
        assert_explains("not S3");
    }
}

static void a_proxy_that_wants_a_password_says_so(void **state) {
    (void)state;
    assert_int_equal(read_answer(&(struct answer){.status = 407, .body = "<html></html>"}, REFUSAL_PUT),
                     -EACCES);
    assert_explains("proxy=");
}

/* ---- what it means */

struct row {
    enum refusal_op op;
    int status;
    const char *code, *message;
    int err;
    const char *part;
};

static const struct row rows[] = {
    {REFUSAL_PUT, 412, "PreconditionFailed", "m", -EEXIST, "already"},
    {REFUSAL_MULTIPART, 200, "PreconditionFailed", "m", -EEXIST, "already"},
    {REFUSAL_PUT, 409, "ConditionalRequestConflict", "m", -EIO, "tried again"},
    {REFUSAL_PUT, 409, "OperationAborted", "m", -EIO, "tried again"},
    {REFUSAL_PUT, 404, "NoSuchBucket", "m", -EACCES, "no such bucket"},
    {REFUSAL_GET, 404, "NoSuchBucket", "m", -EACCES, "no such bucket"},
    {REFUSAL_MULTIPART, 404, "NoSuchUpload", "m", -EIO, "begun anew"},
    {REFUSAL_GET, 404, "NoSuchKey", "m", -ENOENT, "no such object"},
    {REFUSAL_GET, 416, "InvalidRange", "m", -ERANGE, "ends before"},
    {REFUSAL_GET, 403, "InvalidObjectState", "m", -EACCES, "archived"},
    {REFUSAL_PUT, 403, "RequestTimeTooSkewed", "m", -EACCES, "clock"},
    {REFUSAL_PUT, 403, "RequestExpired", "m", -EACCES, "clock"},
    {REFUSAL_PUT, 400, "ExpiredToken", "m", -EACCES, "expired"},
    {REFUSAL_PUT, 400, "InvalidToken", "m", -EACCES, "of one set"},
    {REFUSAL_PUT, 400, "TokenRefreshRequired", "m", -EACCES, "renewed"},
    {REFUSAL_PUT, 403, "InvalidAccessKeyId", "m", -EACCES, "profile="},
    {REFUSAL_GET, 403, "SignatureDoesNotMatch", "m", -EACCES, "secret key"},
    {REFUSAL_PUT, 400, "AuthorizationHeaderMalformed", "m", -EACCES, "region="},
    {REFUSAL_PUT, 301, "PermanentRedirect", "m", -EACCES, "region="},
    {REFUSAL_PUT, 307, "TemporaryRedirect", "m", -EIO, "elsewhere for now"},
    {REFUSAL_PUT, 403, "AccessDenied", "not authorized to perform: kms:GenerateDataKey on resource", -EACCES,
     "KMS"},
    {REFUSAL_PUT, 403, "AccessDenied", "explicit deny in a VPC endpoint policy", -EACCES, "VPC endpoint"},
    {REFUSAL_PUT, 403, "AccessDenied", "with an explicit deny in a resource-based policy", -EACCES,
     "Deny statements"},
    {REFUSAL_PUT, 403, "AccessDenied", "Access Denied", -EACCES, "s3:PutObject"},
    {REFUSAL_GET, 403, "AccessDenied", "not authorized to perform: kms:Decrypt", -EACCES, "kms:Decrypt"},
    {REFUSAL_GET, 403, "AccessDenied", "Request has expired", -EACCES, "signed address"},
    {REFUSAL_GET, 403, "AccessDenied", "Access Denied", -ENOENT, "s3:GetObject"},
    {REFUSAL_GET, 400, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.", -EACCES,
     "without it"},
    {REFUSAL_GET, 400, "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.", -EACCES, "without it"},
    {REFUSAL_GET, 400, "InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.", -EACCES, "another customer key"},
    {REFUSAL_PUT, 400, "KMS.DisabledException", "m", -EACCES, "disabled"},
    {REFUSAL_PUT, 403, "AllAccessDisabled", "m", -EACCES, "disabled"},
    {REFUSAL_PUT, 403, "AccountProblem", "m", -EACCES, "account"},
    {REFUSAL_PUT, 403, "UserSuspended", "m", -EACCES, "suspended"},
    {REFUSAL_PUT, 400, "AccessControlListNotSupported", "m", -EACCES, "ACL"},
    {REFUSAL_PUT, 405, "MethodNotAllowed", "m", -EACCES, "path_style"},
    {REFUSAL_PUT, 501, "NotImplemented", "m", -EACCES, "If-None-Match"},
    {REFUSAL_PUT, 400, "InvalidStorageClass", "m", -EACCES, "storage class"},
    {REFUSAL_PUT, 403, "QuotaExceeded", "m", -ENOSPC, "quota"},
    {REFUSAL_PUT, 507, "XMinioStorageFull", "m", -ENOSPC, "full"},
    {REFUSAL_PUT, 400, "EntityTooLarge", "m", -EINVAL, "size"},
    {REFUSAL_MULTIPART, 400, "EntityTooSmall", "m", -EINVAL, "larger parts"},
    {REFUSAL_PUT, 400, "KeyTooLongError", "m", -EINVAL, "1,024"},
    {REFUSAL_PUT, 400, "MetadataTooLarge", "m", -EINVAL, "headers"},
    {REFUSAL_PUT, 400, "BadDigest", "m", -EIO, "not those that were sent"},
    {REFUSAL_PUT, 400, "XAmzContentSHA256Mismatch", "m", -EIO, "not those"},
    {REFUSAL_MULTIPART, 400, "InvalidPart", "m", -EIO, "lost a part"},
    {REFUSAL_MULTIPART, 400, "InvalidPartOrder", "m", -EIO, "lost a part"},
    {REFUSAL_PUT, 400, "RequestTimeout", "m", -EIO, "stood still"},
    {REFUSAL_PUT, 400, "IncompleteBody", "m", -EIO, "broke off"},
    {REFUSAL_PUT, 503, "SlowDown", "m", -EIO, "fewer"},
    {REFUSAL_MULTIPART, 200, "SlowDown", "m", -EIO, "fewer"},
    {REFUSAL_PUT, 500, "InternalError", "m", -EIO, "failure of its own"},
    {REFUSAL_MULTIPART, 200, "InternalError", "m", -EIO, "failure of its own"},
    {REFUSAL_GET, 429, "TooManyRequests", "m", -EIO, "fewer"},
    {REFUSAL_PUT, 503, "ServiceUnavailable", "m", -EIO, "busy"},
    {REFUSAL_PUT, 502, "Whatever", "m", -EIO, "failure"},
    {REFUSAL_PUT, 400, "InvalidRequest", "m", -EACCES, "as it is"},
    {REFUSAL_PUT, 403, "SomethingNew", "m", -EACCES, "refuses"},
    {REFUSAL_GET, 403, "SomethingNew", "m", -EACCES, "refuses"},
    {REFUSAL_GET, 401, "SomethingNew", "m", -EACCES, "credentials"},
    {REFUSAL_GET, 404, "SomethingNew", "m", -ENOENT, "no such object"},
    {REFUSAL_MULTIPART, 200, "SomethingNew", "m", -EIO, "not expected"},
};

static void every_code_has_its_errno_and_its_sentence(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        int err = s3_says(r->status, r->code, r->message, r->op);
        if (err != r->err)
            fail_msg("%d %s (\"%s\"): %d, but %d was expected", r->status, r->code, r->message, err, r->err);
        assert_explains(r->part);
        assert_explains(r->code);
        assert_explains("R1");
        assert_explains("files/x");
    }
}

static void what_the_cdn_says_by_itself(void **state) {
    (void)state;
    const struct {
        enum refusal_op op;
        int status, err;
        const char *part;
    } cases[] = {
        {REFUSAL_GET, 403, -EIO, "the CDN itself refuses"},
        {REFUSAL_PUT, 403, -EACCES, "allow PUT"},
        {REFUSAL_GET, 404, -EIO, "cdn="},
        {REFUSAL_GET, 502, -EIO, "origin"},
        {REFUSAL_GET, 504, -EIO, "in time"},
        {REFUSAL_GET, 503, -EIO, "too often"},
        {REFUSAL_GET, 400, -EIO, "cdn="},
        {REFUSAL_GET, 416, -ERANGE, "ends before"},
        {REFUSAL_PUT, 413, -EINVAL, "size"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct answer a = {
            .status = cases[i].status, .headers = {"Server: CloudFront"}, .body = "<html></html>"};
        assert_int_equal(read_answer(&a, cases[i].op), cases[i].err);
        assert_explains(cases[i].part);
    }
}

static void every_row_can_be_printed(void **state) {
    (void)state;
    CLEANUP_BUF struct buf when = BUF_INIT(4096);
    const char *sentence, *step;
    size_t n = 0;
    for (; refusal_row(n, &when, &sentence, &step); n++) {
        assert_true(when.len > 0);
        assert_true(strlen(sentence) > 20 && !strchr(sentence, '\n'));
        assert_true(!step || (strlen(step) > 10 && !strchr(step, '\n')));
        buf_reset(&when);
    }
    assert_true(n > 50);
    assert_false(refusal_row(n, &when, &sentence, &step));
}

/* Whoever is refused for good must be told what to do. */
static void every_lasting_refusal_has_a_next_step(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        int err = s3_says(r->status, r->code, r->message, r->op);
        if ((err == -EACCES || err == -ENOSPC || err == -EINVAL) && !refusal_step(&refusal))
            fail_msg("%d %s: nobody is told what to do", r->status, r->code);
        if (refusal_step(&refusal))
            assert_explains(refusal_step(&refusal));
        assert_explains(refusal_sentence(&refusal));
    }
}

static void the_manual_has_an_item_for_each_row(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20), when = BUF_INIT(4096);
    const char *sentence, *step;
    size_t items = 0, n = 0;
    refusal_mdoc(&b);
    for (const char *p = buf_str(&b); (p = strstr(p, ".It ")); p++)
        items++;
    while (refusal_row(n, &when, &sentence, &step))
        n++;
    assert_int_equal(items, n);
    assert_non_null(strstr(buf_str(&b), ".It 403 AccessDenied by S3, to a get\n"));
}

/* ---- where to go, and what to keep out */

static void regions_and_endpoints_are_taken_out(void **state) {
    (void)state;
    struct answer a = {.status = 301,
                       .headers = {"x-amz-bucket-region: eu-west-3"},
                       .body = "<Error><Code>PermanentRedirect</"
                               "Code><Endpoint>assets.s3.eu-west-3.amazonaws.com</Endpoint></Error>"};
    read_answer(&a, REFUSAL_PUT);
    assert_string_equal(refusal.region, "eu-west-3");
    assert_string_equal(refusal.endpoint, "assets.s3.eu-west-3.amazonaws.com");
    a = (struct answer){
        .status = 400,
        .headers = {NULL},
        .body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"};
    read_answer(&a, REFUSAL_PUT);
    assert_string_equal(refusal.region, "eu-west-1");
    a = (struct answer){
        .status = 307, .headers = {"Location: https://assets.s3.eu-west-3.amazonaws.com/x"}, .body = NULL};
    read_answer(&a, REFUSAL_PUT);
    assert_string_equal(refusal.endpoint, "https://assets.s3.eu-west-3.amazonaws.com/x");
}

static void an_explanation_is_one_line(void **state) {
    (void)state;
    s3_says(403, "AccessDenied", "two\nlines\x1b[31m", REFUSAL_PUT);
    assert_null(strchr(buf_str(&text), '\n'));
    buf_reset(&text);
    refusal_explain(&refusal, "files/a\nb", &text);
    assert_null(strchr(buf_str(&text), '\n'));
    assert_non_null(strstr(buf_str(&text), "files/a b"));
}

static void long_texts_are_cut(void **state) {
    (void)state;
    CLEANUP_FREE char *message = xcalloc(1, 60001);
    memset(message, 'm', 60000);
    s3_says(403, "AccessDenied", message, REFUSAL_PUT);
    assert_true(text.len < 2000);
}

static void white_space_may_come_before_the_document(void **state) {
    (void)state;
    struct answer a = {.status = 200,
                       .headers = {NULL},
                       .body = " \n \r\n<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>"};
    assert_int_equal(read_answer(&a, REFUSAL_MULTIPART), -EIO);
    assert_string_equal(refusal.code, "InternalError");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(s3_is_known_by_its_xml),
        T(s3_without_a_body_is_known_by_its_request_id),
        T(xml_of_cloudfront_is_not_s3),
        T(html_of_cloudfront_is_trouble),
        T(s3_through_cloudfront_is_s3),
        T(a_custom_error_page_is_the_cdns),
        T(what_stands_between_is_neither),
        T(a_proxy_that_wants_a_password_says_so),
        T(every_code_has_its_errno_and_its_sentence),
        T(what_the_cdn_says_by_itself),
        T(every_row_can_be_printed),
        T(every_lasting_refusal_has_a_next_step),
        T(the_manual_has_an_item_for_each_row),
        T(regions_and_endpoints_are_taken_out),
        T(an_explanation_is_one_line),
        T(long_texts_are_cut),
        T(white_space_may_come_before_the_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
