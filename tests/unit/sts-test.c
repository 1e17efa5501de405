/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct sts_role role = {.arn = (char *)"arn:aws:iam::1:role/a b",
                                     .session_name = (char *)"me@host",
                                     .external_id = (char *)"x&y",
                                     .duration = 900};
static const struct credential keys = {
    .access_key = (char *)"AKIA", .secret_key = (char *)"hush", .session_token = (char *)"hush-token"};

static const char *header(const struct sts_request *r, const char *name) {
    for (size_t i = 0; i < r->n_headers; i++)
        if (strncasecmp(r->headers[i], name, strlen(name)) == 0)
            return r->headers[i] + strlen(name) + 2;
    return NULL;
}

static void endpoints(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"eu-central-1", "https://sts.eu-central-1.amazonaws.com"},
                                           {"cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"},
                                           {"aws-global", "https://sts.amazonaws.com"},
                                           {NULL, "https://sts.amazonaws.com"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *url = sts_endpoint(cases[i][0]);
        assert_string_equal(url, cases[i][1]);
    }
}

/* The signature is what botocore makes of the same request at the same time. */
static void assume_role(void **state) {
    (void)state;
    struct sts_request r;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(sts_request("https://sts.eu-central-1.amazonaws.com", "eu-central-1", &role, &keys, NULL,
                                 1700000000, &r, &why),
                     0);
    assert_string_equal(r.url, "https://sts.eu-central-1.amazonaws.com/");
    assert_string_equal(buf_str(&r.body),
                        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b&"
                        "RoleSessionName=me%40host&ExternalId=x%26y&DurationSeconds=900");
    assert_string_equal(header(&r, "x-amz-security-token"), "hush-token");
    const char *authorization = header(&r, "Authorization");
    assert_non_null(strstr(authorization, "Credential=AKIA/20231114/eu-central-1/sts/aws4_request"));
    assert_non_null(
        strstr(authorization, "Signature=eab25cc2e7204112fa015f9a266a35cf545e9311112ebb3de1055e4607e4f978"));
    sts_request_free(&r);
    assert_null(r.url);
}

static void assume_role_with_web_identity(void **state) {
    (void)state;
    struct sts_request r;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(
        sts_request("http://127.0.0.1:1/sts", NULL, &role, NULL, "hush.token", 1700000000, &r, &why), 0);
    assert_string_equal(r.url, "http://127.0.0.1:1/sts");
    assert_non_null(strstr(buf_str(&r.body), "Action=AssumeRoleWithWebIdentity&"));
    assert_non_null(strstr(buf_str(&r.body), "&WebIdentityToken=hush.token"));
    assert_null(strstr(buf_str(&r.body), "ExternalId"));
    assert_null(header(&r, "Authorization"));
    sts_request_free(&r);
}

static void requests_that_cannot_be_made(void **state) {
    (void)state;
    struct sts_request r;
    CLEANUP_BUF struct buf why = BUF_INIT(4096), more = BUF_INIT(4096);
    CLEANUP_FREE char *token = xcalloc(1, 200001);
    assert_int_equal(sts_request("ftp://x", "r", &role, &keys, NULL, 0, &r, &why), -EINVAL);
    assert_true(why.len > 0);
    memset(token, '%', 200000);
    assert_int_equal(sts_request("https://x", "r", &role, NULL, token, 0, &r, &more), -EINVAL);
    assert_non_null(strstr(buf_str(&more), "longer than STS takes"));
}

static int read_answer(int status, const char *text, bool web, struct credential *ret, struct buf *why) {
    const struct http_response response = {.status = status, .body = text, .len = strlen(text)};
    return sts_read(&role, web, "https://sts", &response, ret, why);
}

#define KEYS(what, expiration)                                                                               \
    "<" what "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" what                           \
    "Result><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>hush</SecretAccessKey>"                \
    "<SessionToken>hush-t\n</SessionToken><Expiration>" expiration "</Expiration></Credentials></" what      \
    "Result></" what "Response>"

static void answers(void **state) {
    (void)state;
    for (int web = 0; web < 2; web++) {
        struct credential k;
        CLEANUP_BUF struct buf why = BUF_INIT(4096);
        assert_int_equal(read_answer(200,
                                     web ? KEYS("AssumeRoleWithWebIdentity", "2026-11-22T02:29:36Z")
                                         : KEYS("AssumeRole", "2026-11-22T02:29:36Z"),
                                     web, &k, &why),
                         0);
        assert_string_equal(k.access_key, "A");
        assert_string_equal(k.session_token, "hush-t");
        assert_int_equal(k.expires, 1795314576);
        credential_free(&k);
    }
}

#define ERROR(code, message)                                                                                 \
    "<ErrorResponse "                                                                                        \
    "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>" code              \
    "</Code><Message>" message "</Message></Error><RequestId>r</RequestId></ErrorResponse>"

static void refusals(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *text;
        int err;
        const char *says;
    } cases[] = {
        {403, ERROR("AccessDenied", "User: x is not\nauthorized"), -EACCES,
         "refuses the role arn:aws:iam::1:role/a b: 403 AccessDenied (\"User: x is not authorized\"): the "
         "role's "
         "trust policy"},
        {403, ERROR("InvalidClientTokenId", "m"), -EACCES, "does not know the access key"},
        {403, ERROR("ExpiredToken", "m"), -EACCES, "renew it"},
        {400, ERROR("InvalidIdentityToken", "m"), -EACCES, "identity provider in IAM"},
        {400, ERROR("IDPCommunicationError", "m"), -EIO, "cannot reach the identity provider"},
        {400, ERROR("Throttling", "m"), -EIO, "fewer requests"},
        {400, ERROR("SomethingNew", "m"), -EACCES, "SomethingNew (\"m\"): look up this code"},
        {500, ERROR("InternalFailure", "m"), -EIO, "tried again"},
        {503, "<html>busy</html>", -EIO, "503: it is tried again"},
        {404, "not here", -EACCES, "this is not an answer of STS"},
        {200, "<html>hush</html>", -EACCES, "it holds no keys"},
        {200, "hush", -EACCES, "this is not an answer of STS"},
        {200, KEYS("AssumeRoleWithWebIdentity", "2026-11-22T02:29:36Z"), -EACCES, "it holds no keys"},
        {200, KEYS("AssumeRole", "hush"), -EACCES, "Expiration is missing or wrong"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credential k;
        CLEANUP_BUF struct buf why = BUF_INIT(4096);
        assert_int_equal(read_answer(cases[i].status, cases[i].text, false, &k, &why), cases[i].err);
        assert_null(k.access_key);
        if (!strstr(buf_str(&why), cases[i].says) || strstr(buf_str(&why), "hush"))
            fail_msg("\"%s\" does not say \"%s\"", buf_str(&why), cases[i].says);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints),
        cmocka_unit_test(assume_role),
        cmocka_unit_test(assume_role_with_web_identity),
        cmocka_unit_test(requests_that_cannot_be_made),
        cmocka_unit_test(answers),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
