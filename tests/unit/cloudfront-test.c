/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Against botocore, with random addresses: tests/sh/cloudfront-botocore.sh. Here: the exact form, what
 * OpenSSL says of the signatures, and what is refused.
 */
#include "net/cloudfront.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define URL "https://d111111abcdef8.cloudfront.net/files/a%20b.jpg"
#define ID "K2JCJMDEHXQW5F"

static EVP_PKEY *rsa, *ec;
static struct cloudfront_key *rsa_key, *ec_key;

/* malloc'd PEM of the private key. */
static char *pem_of(EVP_PKEY *key, const char *passphrase) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *at;
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, passphrase ? EVP_aes_256_cbc() : NULL,
                                              (const unsigned char *)passphrase,
                                              passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
                     1);
    long n = BIO_get_mem_data(bio, &at);
    char *ret = xstrndup(at, (size_t)n);
    BIO_free(bio);
    return ret;
}

static int parse(const char *pem, const char *id, struct cloudfront_key **ret, struct buf *why) {
    return cloudfront_key_parse(pem, strlen(pem), id, ret, why);
}

static struct cloudfront_key *key_of(EVP_PKEY *pkey) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *pem = pem_of(pkey, NULL);
    struct cloudfront_key *key = NULL;
    assert_int_equal(parse(pem, ID, &key, &why), 0);
    return key;
}

static int setup(void **state) {
    (void)state;
    rsa = EVP_RSA_gen(2048);
    ec = EVP_EC_gen("P-256");
    rsa_key = key_of(rsa);
    ec_key = key_of(ec);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    cloudfront_key_free(rsa_key);
    cloudfront_key_free(ec_key);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    return 0;
}

/* ---- what is signed */

static char *query_of(const struct cloudfront_key *key, const struct cloudfront_grant *g) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 16), why = BUF_INIT(4096);
    assert_int_equal(cloudfront_sign_query(key, g, &b, &why), 0);
    return (char *)buf_take(&b, NULL);
}

/* What stands behind "name=" up to '&' or the end, malloc'd. */
static char *value(const char *query, const char *name) {
    const char *at = strstr(query, name);
    assert_non_null(at);
    at += strlen(name);
    return xstrndup(at, strcspn(at, "&;"));
}

static size_t decode(const char *text, unsigned char *ret) {
    CLEANUP_FREE char *copy = xstrdup(text);
    size_t n = strlen(text), pad = 0;
    for (char *c = copy; *c; c++) {
        assert_null(strchr("+=/", *c));
        pad += *c == '_';
        *c = *c == '-' ? '+' : *c == '_' ? '=' : *c == '~' ? '/' : *c;
    }
    assert_int_equal(EVP_DecodeBlock(ret, (const unsigned char *)copy, (int)n), n / 4 * 3);
    return n / 4 * 3 - pad;
}

static bool verifies(EVP_PKEY *key, const EVP_MD *md, const char *text, const char *signature) {
    unsigned char bytes[1024];
    size_t n = decode(signature, bytes);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
                EVP_DigestVerify(ctx, bytes, n, (const unsigned char *)text, strlen(text)) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static void a_canned_policy_is_the_exact_text_and_is_not_sent(void **state) {
    (void)state;
    CLEANUP_FREE char *query =
        query_of(rsa_key, &(struct cloudfront_grant){.resource = URL, .until = 1767290400});
    CLEANUP_FREE char *signature = value(query, "Signature=");
    CLEANUP_FREE char *want = xasprintf("Expires=1767290400&Signature=%s&Key-Pair-Id=" ID, signature);
    assert_string_equal(query, want);
    assert_true(verifies(rsa, EVP_sha1(),
                         "{\"Statement\":[{\"Resource\":\"" URL
                         "\",\"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":1767290400}}}]}",
                         signature));
}

static void a_custom_policy_is_sent_with_all_its_conditions(void **state) {
    (void)state;
    struct cloudfront_grant g = {.policy = CLOUDFRONT_CUSTOM,
                                 .resource = "https://d111111abcdef8.cloudfront.net/files/*",
                                 .until = 200,
                                 .from = 100,
                                 .source_ip = "192.0.2.0/24"};
    static const char text[] =
        "{\"Statement\":[{\"Resource\":\"https://d111111abcdef8.cloudfront.net/files/*\",\"Condition\":{"
        "\"DateLessThan\":{\"AWS:EpochTime\":200},\"IpAddress\":{\"AWS:SourceIp\":\"192.0.2.0/24\"},"
        "\"DateGreaterThan\":{\"AWS:EpochTime\":100}}}]}";
    CLEANUP_FREE char *query = query_of(rsa_key, &g);
    CLEANUP_FREE char *policy = value(query, "Policy="), *signature = value(query, "Signature=");
    unsigned char sent[1024];
    size_t n = decode(policy, sent);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(sent, text, n);
    assert_true(verifies(rsa, EVP_sha1(), text, signature));
    assert_null(strstr(query, "Expires"));
}

static void sha256_is_said(void **state) {
    (void)state;
    struct cloudfront_grant g = {.hash = CLOUDFRONT_SHA256, .resource = URL, .until = 7};
    CLEANUP_BUF struct buf text = BUF_INIT(4096), why = BUF_INIT(4096);
    CLEANUP_FREE char *query = query_of(rsa_key, &g), *signature = value(query, "Signature=");
    assert_int_equal(cloudfront_policy_text(&g, &text, &why), 0);
    assert_string_equal(strstr(query, "&Key-Pair-Id"), "&Key-Pair-Id=" ID "&Hash-Algorithm=SHA256");
    assert_true(verifies(rsa, EVP_sha256(), buf_str(&text), signature));
    assert_false(verifies(rsa, EVP_sha1(), buf_str(&text), signature));
}

static void ecdsa_signs_with_either_hash(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct cloudfront_grant g = {
            .hash = i ? CLOUDFRONT_SHA256 : CLOUDFRONT_SHA1, .resource = URL, .until = 7};
        CLEANUP_BUF struct buf text = BUF_INIT(4096), why = BUF_INIT(4096);
        CLEANUP_FREE char *query = query_of(ec_key, &g), *signature = value(query, "Signature=");
        assert_int_equal(cloudfront_policy_text(&g, &text, &why), 0);
        assert_true(verifies(ec, i ? EVP_sha256() : EVP_sha1(), buf_str(&text), signature));
    }
}

static void cookies_have_the_same_parts(void **state) {
    (void)state;
    struct cloudfront_grant g = {.hash = CLOUDFRONT_SHA256, .resource = URL, .until = 7};
    CLEANUP_BUF struct buf b = BUF_INIT(4096), why = BUF_INIT(4096);
    assert_int_equal(cloudfront_sign_cookie(rsa_key, &g, &b, &why), 0);
    CLEANUP_FREE char *query = query_of(rsa_key, &g), *signature = value(query, "Signature=");
    CLEANUP_FREE char *want =
        xasprintf("CloudFront-Expires=7; CloudFront-Signature=%s; CloudFront-Key-Pair-Id=" ID
                  "; CloudFront-Hash-Algorithm=SHA256",
                  signature);
    assert_string_equal(buf_str(&b), want);
}

static void an_own_query_stays_in_front(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *plain = NULL, *asking = NULL;
    struct cloudfront_grant g = {.resource = URL, .until = 7}, q = {.resource = URL "?a=b", .until = 7};
    assert_int_equal(cloudfront_sign_url(rsa_key, &g, URL, &plain, &why), 0);
    assert_int_equal(cloudfront_sign_url(rsa_key, &q, URL "?a=b", &asking, &why), 0);
    assert_int_equal(strncmp(plain, URL "?Expires=7&Signature=", strlen(URL "?Expires=7&Signature=")), 0);
    assert_int_equal(
        strncmp(asking, URL "?a=b&Expires=7&Signature=", strlen(URL "?a=b&Expires=7&Signature=")), 0);
}

/* ---- what is not */

static void assert_refused(const struct cloudfront_grant *g, const char *says) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 16), why = BUF_INIT(4096);
    assert_int_equal(cloudfront_sign_query(rsa_key, g, &b, &why), -EINVAL);
    assert_non_null(strstr(buf_str(&why), says));
    assert_int_equal(b.len, 0);
}

static void grants_that_cannot_be_are_refused(void **state) {
    (void)state;
    const struct cloudfront_grant wrong[] = {
        {.resource = "", .until = 7},
        {.resource = "https://x/a b", .until = 7},
        {.resource = "https://x/\"}]}", .until = 7},
        {.resource = "https://x/a\\?", .until = 7},
        {.resource = "https://x/\xc3\xa4", .until = 7},
        {.resource = "https://x/a\nb", .until = 7},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_refused(&wrong[i], "percent-encoded");
    assert_refused(&(struct cloudfront_grant){.resource = URL, .until = 0}, "2038");
    assert_refused(&(struct cloudfront_grant){.resource = URL, .until = INT64_C(2147483648)}, "2038");
    assert_refused(&(struct cloudfront_grant){.resource = URL "*", .until = 7}, "custom");
    assert_refused(&(struct cloudfront_grant){.resource = URL, .until = 7, .from = 1}, "custom");
    assert_refused(&(struct cloudfront_grant){.resource = URL, .until = 7, .source_ip = "192.0.2.1"},
                   "custom");
    assert_refused(
        &(struct cloudfront_grant){.policy = CLOUDFRONT_CUSTOM, .resource = URL, .until = 7, .from = 7},
        "begin");
    static const char *const ranges[] = {
        "", "::1", "192.0.2.0/33", "192.0.2.0/", "192.0.2/24", "192.0.2.0/24\"", "192.0.2.0/2 4"};
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        assert_refused(
            &(struct cloudfront_grant){
                .policy = CLOUDFRONT_CUSTOM, .resource = URL, .until = 7, .source_ip = ranges[i]},
            "IPv4");
}

static void assert_no_key(const char *pem, const char *id, const char *says) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct cloudfront_key *key = NULL;
    assert_int_equal(parse(pem, id, &key, &why), -EINVAL);
    assert_null(key);
    if (!strstr(buf_str(&why), says))
        fail_msg("nothing about '%s' in: %s", says, buf_str(&why));
}

static void wrong_files_are_told_apart(void **state) {
    (void)state;
    CLEANUP_FREE char *good = pem_of(rsa, NULL), *secret = pem_of(rsa, "geheim");
    CLEANUP_FREE char *cut = xstrndup(good, strlen(good) / 2);
    assert_no_key("", ID, "no PEM");
    assert_no_key("hello", ID, "no PEM");
    assert_no_key(cut, ID, "damaged");
    assert_no_key(secret, ID, "passphrase");
    assert_no_key("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ID, "public key");
    assert_no_key("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ID, "certificate");
    assert_no_key("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", ID,
                  "ssh-keygen");
}

static void assert_wrong_kind(EVP_PKEY *pkey, const char *says) {
    CLEANUP_FREE char *pem = pem_of(pkey, NULL);
    assert_no_key(pem, ID, says);
    EVP_PKEY_free(pkey);
}

static void other_kinds_of_keys_are_refused(void **state) {
    (void)state;
    assert_wrong_kind(EVP_RSA_gen(1024), "1024 bits");
    assert_wrong_kind(EVP_EC_gen("P-384"), "secp384r1");
    assert_wrong_kind(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "ED25519");
}

static void ids_that_cannot_be_are_refused(void **state) {
    (void)state;
    CLEANUP_FREE char *good = pem_of(rsa, NULL);
    static const char *const ids[] = {"", "K 1", "K&Policy=x", "K;x", "K\n", "Kä", "/etc/key-id"};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        assert_no_key(good, ids[i], "K2JCJMDEHXQW5F");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_canned_policy_is_the_exact_text_and_is_not_sent),
        cmocka_unit_test(a_custom_policy_is_sent_with_all_its_conditions),
        cmocka_unit_test(sha256_is_said),
        cmocka_unit_test(ecdsa_signs_with_either_hash),
        cmocka_unit_test(cookies_have_the_same_parts),
        cmocka_unit_test(an_own_query_stays_in_front),
        cmocka_unit_test(grants_that_cannot_be_are_refused),
        cmocka_unit_test(wrong_files_are_told_apart),
        cmocka_unit_test(other_kinds_of_keys_are_refused),
        cmocka_unit_test(ids_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
