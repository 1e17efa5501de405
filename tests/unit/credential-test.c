/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/credential.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int parse(enum credential_form form, const char *text, struct credential *ret, struct buf *why) {
    return credential_parse(form, text, strlen(text), ret, why);
}

/* It is refused, with these words, and no secret in them. */
static void assert_refused(enum credential_form form, const char *text, const char *says) {
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(parse(form, text, &k, &why), -EINVAL);
    assert_null(k.access_key);
    assert_null(k.secret_key);
    if (!strstr(buf_str(&why), says) || strstr(buf_str(&why), "hush"))
        fail_msg("\"%s\" is not \"%s\"", buf_str(&why), says);
}

static void what_a_process_prints(void **state) {
    (void)state;
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(
        parse(CREDENTIAL_PROCESS,
              "{\"Version\": 1, \"AccessKeyId\": \"AKIA\", \"SecretAccessKey\": \"hush\","
              "\"SessionToken\": \"t\", \"Expiration\": \"2026-11-22T02:29:36Z\", \"AccountId\": \"1\"}\n",
              &k, &why),
        0);
    assert_string_equal(k.access_key, "AKIA");
    assert_string_equal(k.secret_key, "hush");
    assert_string_equal(k.session_token, "t");
    assert_int_equal(k.expires, 1795314576);
    credential_free(&k);
    assert_int_equal(
        parse(CREDENTIAL_PROCESS,
              "{\"SecretAccessKey\":\"hush\",\"AccessKeyId\":\"A\",\"Version\":1,\"SessionToken\":null}", &k,
              &why),
        0);
    assert_null(k.session_token);
    assert_int_equal(k.expires, 0);
    credential_free(&k);
}

static void what_an_endpoint_says(void **state) {
    (void)state;
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(
        parse(CREDENTIAL_ENDPOINT,
              "{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\",\"Token\":\"t\","
              "\"Expiration\":\"2026-11-22T02:29:36Z\"}",
              &k, &why),
        0);
    assert_string_equal(k.session_token, "t");
    credential_free(&k);
    assert_refused(CREDENTIAL_ENDPOINT,
                   "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot\\nassume it\"}",
                   "it says AssumeRoleUnauthorizedAccess \"EC2 cannot assume it\"");
}

static void what_is_no_set_of_keys(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "not JSON"},
        {"hush", "not JSON (line 1"},
        {"<html>hush</html>", "not JSON"},
        {"[\"hush\"]", "not an object"},
        {"{\"Version\": 1, \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"hush\"} hush", "not JSON"},
        {"{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"hush\"}", "it has no \"Version\": 1"},
        {"{\"Version\": 2, \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"hush\"}", "Version is not 1"},
        {"{\"Version\": \"1\", \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"hush\"}", "Version is not 1"},
        {"{\"Version\": 1, \"SecretAccessKey\": \"hush\"}", "it has no AccessKeyId"},
        {"{\"Version\": 1, \"AccessKeyId\": \"A\"}", "it has no SecretAccessKey"},
        {"{\"Version\": 1, \"AccessKeyId\": 7, \"SecretAccessKey\": \"hush\"}",
         "AccessKeyId is not a string"},
        {"{\"Version\": 1, \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"\"}", "SecretAccessKey is empty"},
        {"{\"Version\": 1, \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"hu\\nsh\"}",
         "SecretAccessKey has a character"},
        {"{\"Version\": 1, \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"hush\", \"Expiration\": \"soon\"}",
         "Expiration is not a time"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(CREDENTIAL_PROCESS, cases[i].text, cases[i].says);
}

static void too_much_of_it(void **state) {
    (void)state;
    CLEANUP_FREE char *text = xcalloc(1, CREDENTIAL_JSON_MAX + 2);
    memset(text, ' ', CREDENTIAL_JSON_MAX + 1);
    assert_refused(CREDENTIAL_PROCESS, text, "larger than");
}

static void times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* -1: it is none */
    } cases[] = {
        {"2026-11-22T02:29:36Z", 1795314576},
        {"2026-11-22T02:29:36+00:00", 1795314576},
        {"2026-11-22T03:59:36+01:30", 1795314576},
        {"2026-11-21T21:29:36-05:00", 1795314576},
        {"2026-11-22T02:29:36.999Z", 1795314576},
        {"2026-11-22T02:29:36.5+00:00", 1795314576},
        {"2026-11-22T02:29:36", -1},
        {"2026-11-22 02:29:36Z", -1},
        {"2026-11-22T02:29:36.Z", -1},
        {"2026-11-22T02:29:36+1:00", -1},
        {"2026-11-22T02:29:36+24:00", -1},
        {"2026-02-30T02:29:36Z", -1},
        {"2026-11-22T02:29:36Zx", -1},
        {"", -1},
        {"@1795314576@1795314576", -1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t t = -1;
        int r = credential_time(cases[i].text, &t);
        if (r != (cases[i].seconds < 0 ? -EINVAL : 0) || t != cases[i].seconds)
            fail_msg("%s: %d", cases[i].text, r);
    }
}

static void words_are_one_line(void **state) {
    (void)state;
    static const char text[] = "  one\r\n\ttwo\x1b[31m \xc3\xa4 three ";
    CLEANUP_FREE char *words = credential_words(text, sizeof text - 1);
    assert_string_equal(words, "one two[31m three");
    char many[1000];
    memset(many, 'x', sizeof many);
    CLEANUP_FREE char *cut = credential_words(many, sizeof many);
    assert_int_equal(strlen(cut), CREDENTIAL_WORDS_MAX);
    CLEANUP_FREE char *none = credential_words("", 0);
    assert_string_equal(none, "");
}

static void which_are_the_same(void **state) {
    (void)state;
    struct credential a = {.access_key = (char *)"A", .secret_key = (char *)"B"}, b = a, c;
    b.expires = 7;
    assert_true(credential_same(&a, &b));
    b.session_token = (char *)"t";
    assert_false(credential_same(&a, &b));
    credential_copy(&b, &c);
    assert_true(credential_same(&b, &c));
    credential_free(&c);
    assert_null(c.session_token);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_process_prints),
        cmocka_unit_test(what_an_endpoint_says),
        cmocka_unit_test(what_is_no_set_of_keys),
        cmocka_unit_test(too_much_of_it),
        cmocka_unit_test(times),
        cmocka_unit_test(words_are_one_line),
        cmocka_unit_test(which_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
