/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/cloudfront.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define ID_MAX 128
#define PEM_MAX ((size_t)64 << 10)
#define RSA_BITS 2048
/* CloudFront takes URLs of up to 8,192 bytes; keys are not longer than that either. */
#define RESOURCE_MAX 8192
#define POLICY_MAX ((size_t)16 << 10)

struct cloudfront_key {
    EVP_PKEY *pkey;
    char *id;
};

/* ---- keys */

static bool has(const char *p, size_t n, const char *text) {
    return memmem(p, n, text, strlen(text));
}

/* A key with a passphrase: nobody is there to type it. */
static int no_passphrase(char *room ATTR_UNUSED, int size ATTR_UNUSED, int writing ATTR_UNUSED, void *asked) {
    *(bool *)asked = true;
    return -1;
}

static const char *why_no_key(const char *p, size_t n, bool asked) {
    if (asked || has(p, n, "-----BEGIN ENCRYPTED PRIVATE KEY-----"))
        return "the key has a passphrase: take it off with \"openssl pkey -in FILE -out NEWFILE\", and keep "
               "that "
               "file to yourself (mode 0600)";
    if (has(p, n, "-----BEGIN OPENSSH PRIVATE KEY-----"))
        return "the key is in OpenSSH's own format: make it PEM with \"ssh-keygen -p -m PEM -f FILE\"";
    if (has(p, n, "-----BEGIN PUBLIC KEY-----") || has(p, n, "-----BEGIN RSA PUBLIC KEY-----"))
        return "this is the public key, which CloudFront has: the private one is needed here";
    if (has(p, n, "-----BEGIN CERTIFICATE-----"))
        return "this is a certificate: a private key is needed here";
    if (!has(p, n, "-----BEGIN "))
        return "this is no PEM file: a private key begins with a line -----BEGIN PRIVATE KEY-----";
    return "the private key in the PEM file is damaged or cut off";
}

static int refuse(struct buf *why, const char *sentence) {
    buf_append_str(why, sentence);
    return -EINVAL;
}

static int check_kind(EVP_PKEY *key, struct buf *why) {
    char group[64] = "";
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA")) {
        if (bits == RSA_BITS)
            return 0;
        buf_printf(
            why,
            "the RSA key has %d bits, CloudFront takes %d: make one with \"openssl genrsa -out FILE %d\"",
            bits, RSA_BITS, RSA_BITS);
        return -EINVAL;
    }
    if (EVP_PKEY_is_a(key, "EC")) {
        (void)!EVP_PKEY_get_group_name(key, group, sizeof group, NULL);
        if (OBJ_txt2nid(group) == NID_X9_62_prime256v1)
            return 0;
        buf_printf(why, "the ECDSA key is on the curve %s, CloudFront takes P-256 (prime256v1)",
                   *group ? group : "?");
        return -EINVAL;
    }
    const char *name = EVP_PKEY_get0_type_name(key);
    buf_printf(why, "this is a key for %s: CloudFront takes RSA of %d bits and ECDSA P-256",
               name ? name : "something else", RSA_BITS);
    return -EINVAL;
}

static EVP_PKEY *read_pem(const void *pem, size_t n, bool *ret_asked) {
    BIO *bio = BIO_new_mem_buf(pem, (int)n);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, ret_asked) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

bool cloudfront_key_id_valid(const char *id) {
    size_t n = 0;
    while (n <= ID_MAX && isalnum((unsigned char)id[n]) && (unsigned char)id[n] < 0x80)
        n++;
    return n > 0 && n <= ID_MAX && !id[n];
}

int cloudfront_key_parse(const void *pem, size_t n, const char *id, struct cloudfront_key **ret,
                         struct buf *why) {
    bool asked = false;
    if (!cloudfront_key_id_valid(id))
        return refuse(
            why, "the key's id must be what CloudFront calls it: letters and digits, such as K2JCJMDEHXQW5F");
    if (n > PEM_MAX)
        return refuse(why, "the file is too large for a private key");
    EVP_PKEY *pkey = has(pem, n, "-----BEGIN ") ? read_pem(pem, n, &asked) : NULL;
    if (!pkey)
        return refuse(why, why_no_key(pem, n, asked));
    int r = check_kind(pkey, why);
    if (r < 0) {
        EVP_PKEY_free(pkey);
        return r;
    }
    *ret = xmalloc(sizeof **ret);
    **ret = (struct cloudfront_key){.pkey = pkey, .id = xstrdup(id)};
    return 0;
}

struct cloudfront_key *cloudfront_key_free(struct cloudfront_key *key) {
    if (key) {
        EVP_PKEY_free(key->pkey); /* wipes the private numbers */
        free(key->id);
        free(key);
    }
    return NULL;
}

/* ---- policies */

/* What stands in a policy must not be able to end its string, and must be what is sent. */
static bool resource_valid(const char *s) {
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= 0x20 || (unsigned char)s[i] >= 0x7f || strchr("\"\\<>#", s[i]))
            return false;
    return n > 0 && n <= RESOURCE_MAX;
}

/* "192.0.2.0/24" or "192.0.2.1" */
static bool range_valid(const char *range) {
    char address[INET_ADDRSTRLEN] = "";
    struct in_addr in;
    const char *slash = strchr(range, '/');
    size_t n = slash ? (size_t)(slash - range) : strlen(range);
    if (n >= sizeof address)
        return false;
    memcpy(address, range, n);
    if (inet_pton(AF_INET, address, &in) != 1)
        return false;
    if (!slash)
        return true;
    size_t digits = strspn(slash + 1, "0123456789");
    return digits >= 1 && digits <= 2 && !slash[1 + digits] && atoi(slash + 1) <= 32;
}

static int check_grant(const struct cloudfront_grant *g, struct buf *why) {
    if (!resource_valid(g->resource))
        return refuse(why, "what is to be signed is no percent-encoded address of at most 8192 bytes");
    if (g->until < 1 || g->until > CLOUDFRONT_UNTIL_MAX)
        return refuse(why, "a signature must end between 1970 and 2038-01-19: CloudFront takes no other end");
    if (g->policy == CLOUDFRONT_CANNED && (g->from || g->source_ip || strchr(g->resource, '*')))
        return refuse(why, "a canned policy is for one address and an end: patterns, beginnings and address "
                           "ranges need a custom "
                           "policy");
    if (g->from < 0 || g->from > CLOUDFRONT_UNTIL_MAX || (g->from && g->from >= g->until))
        return refuse(why, "a signature must begin before it ends");
    if (g->source_ip && !range_valid(g->source_ip))
        return refuse(why,
                      "the addresses that may read must be an IPv4 address or range such as 192.0.2.0/24");
    return 0;
}

int cloudfront_policy_text(const struct cloudfront_grant *g, struct buf *ret, struct buf *why) {
    int r = check_grant(g, why);
    if (r < 0)
        return r;
    /* A canned one must be these bytes, in this order, for CloudFront makes it again. */
    buf_printf(
        ret,
        "{\"Statement\":[{\"Resource\":\"%s\",\"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":%" PRId64
        "}",
        g->resource, g->until);
    if (g->source_ip)
        buf_printf(ret, ",\"IpAddress\":{\"AWS:SourceIp\":\"%s%s\"}", g->source_ip,
                   strchr(g->source_ip, '/') ? "" : "/32");
    if (g->from)
        buf_printf(ret, ",\"DateGreaterThan\":{\"AWS:EpochTime\":%" PRId64 "}", g->from);
    return buf_append_str(ret, "}}]}");
}

/* ---- signing */

static void append_base64(struct buf *b, const void *p, size_t n) {
    unsigned char *text = xmalloc((n + 2) / 3 * 4 + 1);
    int len = EVP_EncodeBlock(text, p, (int)n);
    for (int i = 0; i < len; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '=' ? '_' : text[i] == '/' ? '~' : text[i];
    buf_append(b, text, (size_t)len);
    free(text);
}

static int sign(const struct cloudfront_key *key, enum cloudfront_hash hash, const struct buf *policy,
                struct buf *ret, struct buf *why) {
    unsigned char signature[512];
    size_t n = sizeof signature;
    const EVP_MD *md = hash == CLOUDFRONT_SHA256 ? EVP_sha256() : EVP_sha1();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestSignInit(ctx, NULL, md, NULL, key->pkey) == 1 &&
                EVP_DigestSign(ctx, signature, &n, policy->data, policy->len) == 1;
    EVP_MD_CTX_free(ctx);
    if (good) {
        append_base64(ret, signature, n);
        return 0;
    }
    ERR_clear_error();
    buf_append_str(why, hash == CLOUDFRONT_SHA1 ? "OpenSSL does not sign with this key and SHA-1 (a rule of "
                                                  "this system, perhaps): try cdn_hash=sha256"
                                                : "OpenSSL does not sign with this key");
    return -EIO;
}

/* Each part with `before` in front of its name, and `between` behind it unless it is the last. */
static int sign_parts(const struct cloudfront_key *key, const struct cloudfront_grant *g, const char *before,
                      const char *between, struct buf *ret, struct buf *why) {
    CLEANUP_BUF struct buf policy = BUF_SECRET(POLICY_MAX), signature = BUF_SECRET(4096);
    int r = cloudfront_policy_text(g, &policy, why);
    if (r == 0)
        r = sign(key, g->hash, &policy, &signature, why);
    if (r < 0)
        return r;
    if (g->policy == CLOUDFRONT_CANNED) {
        buf_printf(ret, "%sExpires=%" PRId64, before, g->until);
    } else {
        buf_printf(ret, "%sPolicy=", before);
        append_base64(ret, policy.data, policy.len);
    }
    buf_printf(ret, "%s%sSignature=%s%s%sKey-Pair-Id=%s", between, before, buf_str(&signature), between,
               before, key->id);
    if (g->hash == CLOUDFRONT_SHA256)
        buf_printf(ret, "%s%sHash-Algorithm=SHA256", between, before);
    return ret->err;
}

int cloudfront_sign_query(const struct cloudfront_key *key, const struct cloudfront_grant *g, struct buf *ret,
                          struct buf *why) {
    return sign_parts(key, g, "", "&", ret, why);
}

int cloudfront_sign_cookie(const struct cloudfront_key *key, const struct cloudfront_grant *g,
                           struct buf *ret, struct buf *why) {
    return sign_parts(key, g, "CloudFront-", "; ", ret, why);
}

int cloudfront_sign_url(const struct cloudfront_key *key, const struct cloudfront_grant *g, const char *url,
                        char **ret, struct buf *why) {
    CLEANUP_BUF struct buf b = BUF_SECRET(strlen(url) + 2 * POLICY_MAX);
    buf_printf(&b, "%s%c", url, strchr(url, '?') ? '&' : '?');
    int r = cloudfront_sign_query(key, g, &b, why);
    if (r == 0)
        *ret = (char *)buf_take(&b, NULL);
    return r;
}
