/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A request that is to be signed is first completed: what this module adds becomes part of its headers (or of
 * its query); the steps then work on that alone.
 *
 *     canonical request -> string to sign (its digest, time, scope) -> signature (HMAC under a key derived
 * from day, region and service)
 */
#include "net/sigv4.h"
#include "base/digest.h"
#include "net/url.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <strings.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
/* "20130524T000000Z" */
#define TIME_SIZE 17
#define DAY_LEN 8
/* The end of the year 9999: the last one with four digits. */
#define TIME_MAX INT64_C(253402300799)
/* Above what any server takes in a request line and headers. */
#define CANONICAL_MAX ((size_t)1 << 20)
/* Headers, or parameters, that this module adds. */
#define ADDED_MAX 6

static void format_time(int64_t seconds, char ret[TIME_SIZE]) {
    time_t t = (time_t)MAX(MIN(seconds, TIME_MAX), 0);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(ret, TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* "20130524/us-east-1/s3/aws4_request" */
static char *scope_of(const struct sigv4_key *key, int64_t seconds) {
    char when[TIME_SIZE];
    format_time(seconds, when);
    return xasprintf("%.*s/%s/%s/aws4_request", DAY_LEN, when, key->region, key->service);
}

/* Query */

struct encoded {
    char *name, *value;
};

/* malloc'd; NULL: too large. */
static char *encode(const char *s) {
    struct buf b = BUF_INIT(CANONICAL_MAX);
    url_encode(&b, s ? s : "", s ? strlen(s) : 0, false);
    char *ret = (char *)buf_take(&b, NULL);
    buf_free(&b);
    return ret;
}

/* Names first, values among equal names: "a=" and "a-=" would change places if the whole texts were compared.
 */
static int by_name_and_value(const void *a, const void *b) {
    const struct encoded *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c ? c : strcmp(x->value, y->value);
}

void sigv4_query(const struct sigv4_pair *pairs, size_t n, struct buf *ret) {
    struct encoded *list = xcalloc(n + 1, sizeof *list);
    bool whole = true;
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct encoded){.name = encode(pairs[i].name), .value = encode(pairs[i].value)};
        whole = whole && list[i].name && list[i].value;
    }
    if (whole)
        qsort(list, n, sizeof *list, by_name_and_value);
    else
        ret->err = -EFBIG;
    for (size_t i = 0; i < n; i++) {
        if (whole)
            buf_printf(ret, "%s%s=%s", i > 0 ? "&" : "", list[i].name, list[i].value);
        free(list[i].name);
        free(list[i].value);
    }
    free(list);
}

/* Headers */

/* By name without case; those of one name stay in their order, so addresses decide between them: they are
 * elements of one array. */
static int by_header_name(const void *a, const void *b) {
    const struct sigv4_pair *const *x = a, *const *y = b;
    int c = strcasecmp((*x)->name, (*y)->name);
    return c ? c : (*x > *y) - (*x < *y);
}

/* n_headers pointers, malloc'd. */
static const struct sigv4_pair **sorted_headers(const struct sigv4_request *r) {
    const struct sigv4_pair **list = xcalloc(r->n_headers + 1, sizeof *list);
    for (size_t i = 0; i < r->n_headers; i++)
        list[i] = &r->headers[i];
    qsort(list, r->n_headers, sizeof *list, by_header_name);
    return list;
}

static void append_lower(struct buf *b, const char *s) {
    for (; *s; s++)
        buf_append_byte(b, (unsigned char)(*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s));
}

/* Without white space around it; each run of it inside becomes one space. */
static void append_trimmed(struct buf *b, const char *s) {
    for (const char *gap = ""; *(s += strspn(s, " \t")); gap = " ") {
        size_t word = strcspn(s, " \t");
        buf_append_str(b, gap);
        buf_append(b, s, word);
        s += word;
    }
}

/* "name:value\n", and "name:first,second\n" where a name comes more than once. */
static void append_headers(struct buf *b, const struct sigv4_request *r) {
    const struct sigv4_pair **list = sorted_headers(r);
    for (size_t i = 0; i < r->n_headers; i++) {
        bool again = i > 0 && strcasecmp(list[i - 1]->name, list[i]->name) == 0;
        if (!again)
            append_lower(b, list[i]->name);
        buf_append_byte(b, again ? ',' : ':');
        append_trimmed(b, list[i]->value ? list[i]->value : "");
        if (i + 1 == r->n_headers || strcasecmp(list[i + 1]->name, list[i]->name) != 0)
            buf_append_byte(b, '\n');
    }
    free(list);
}

/* "host;x-amz-date" */
static void append_signed_names(struct buf *b, const struct sigv4_request *r) {
    const struct sigv4_pair **list = sorted_headers(r);
    for (size_t i = 0; i < r->n_headers; i++) {
        if (i > 0 && strcasecmp(list[i - 1]->name, list[i]->name) == 0)
            continue;
        buf_append_str(b, i > 0 ? ";" : "");
        append_lower(b, list[i]->name);
    }
    free(list);
}

/* The steps */

void sigv4_canonical_request(const struct sigv4_request *r, struct buf *ret) {
    buf_printf(ret, "%s\n%s\n", r->method, r->path);
    sigv4_query(r->query, r->n_query, ret);
    buf_append_byte(ret, '\n');
    append_headers(ret, r);
    buf_append_byte(ret, '\n');
    append_signed_names(ret, r);
    buf_printf(ret, "\n%s", r->payload);
}

void sigv4_string_to_sign(const struct sigv4_key *key, const struct sigv4_request *r, struct buf *ret) {
    struct buf canonical = BUF_SECRET(CANONICAL_MAX);
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE], when[TIME_SIZE];
    CLEANUP_FREE char *scope = scope_of(key, r->time);
    sigv4_canonical_request(r, &canonical);
    digest_of(canonical.data, canonical.len, digest);
    digest_hex(digest, hex);
    format_time(r->time, when);
    buf_printf(ret, "%s\n%s\n%s\n%s", ALGORITHM, when, scope, hex);
    if (canonical.err)
        ret->err = canonical.err;
    buf_wipe(&canonical);
}

/* HMAC-SHA-256 (RFC 2104) has no way to fail but a broken OpenSSL or no memory. ret may be the key. */
static void hmac(const void *key, size_t key_len, const char *text, size_t n, uint8_t ret[DIGEST_SIZE]) {
    uint8_t mac[DIGEST_SIZE];
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, n, mac, NULL)) {
        fputs("assetfs: HMAC of OpenSSL failed\n", stderr);
        abort();
    }
    memcpy(ret, mac, DIGEST_SIZE);
    OPENSSL_cleanse(mac, sizeof mac);
}

/* The key of one day, region and service. */
static void signing_key(const struct sigv4_key *key, int64_t seconds, uint8_t ret[DIGEST_SIZE]) {
    char when[TIME_SIZE];
    char *secret = xasprintf("AWS4%s", key->secret_key);
    size_t n = strlen(secret);
    format_time(seconds, when);
    hmac(secret, n, when, DAY_LEN, ret);
    OPENSSL_cleanse(secret, n);
    free(secret);
    hmac(ret, DIGEST_SIZE, key->region, strlen(key->region), ret);
    hmac(ret, DIGEST_SIZE, key->service, strlen(key->service), ret);
    hmac(ret, DIGEST_SIZE, "aws4_request", strlen("aws4_request"), ret);
}

int sigv4_signature(const struct sigv4_key *key, const struct sigv4_request *r, char ret[DIGEST_HEX_SIZE]) {
    CLEANUP_BUF struct buf text = BUF_INIT(CANONICAL_MAX);
    uint8_t mac[DIGEST_SIZE];
    sigv4_string_to_sign(key, r, &text);
    if (text.err)
        return text.err;
    signing_key(key, r->time, mac);
    hmac(mac, sizeof mac, (const char *)text.data, text.len, mac);
    digest_hex(mac, ret);
    return 0;
}

/* Requests */

/* r's own pairs and those that are added behind them, malloc'd. */
static struct sigv4_pair *with_room(const struct sigv4_pair *pairs, size_t n) {
    struct sigv4_pair *ret = xcalloc(n + ADDED_MAX, sizeof *ret);
    if (n > 0)
        memcpy(ret, pairs, n * sizeof *ret);
    return ret;
}

void sigv4_sign(const struct sigv4_key *key, const struct sigv4_request *request, struct buf *ret) {
    struct sigv4_request r = *request;
    CLEANUP_FREE struct sigv4_pair *headers = with_room(r.headers, r.n_headers);
    CLEANUP_FREE char *scope = scope_of(key, r.time);
    CLEANUP_BUF struct buf names = BUF_INIT(CANONICAL_MAX);
    char when[TIME_SIZE], signature[DIGEST_HEX_SIZE];
    format_time(r.time, when);
    r.headers = headers;
    headers[r.n_headers++] = (struct sigv4_pair){"x-amz-date", when};
    headers[r.n_headers++] = (struct sigv4_pair){"x-amz-content-sha256", r.payload};
    if (key->session_token)
        headers[r.n_headers++] = (struct sigv4_pair){"x-amz-security-token", key->session_token};
    int e = sigv4_signature(key, &r, signature);
    if (e < 0) {
        ret->err = e;
        return;
    }
    append_signed_names(&names, &r);
    for (size_t i = request->n_headers; i < r.n_headers; i++) {
        buf_printf(ret, "%s: %s", headers[i].name, headers[i].value);
        buf_append_byte(ret, '\0');
    }
    buf_printf(ret, "Authorization: %s Credential=%s/%s, SignedHeaders=%s, Signature=%s", ALGORITHM,
               key->access_key, scope, buf_str(&names), signature);
    buf_append_byte(ret, '\0');
}

void sigv4_presign(const struct sigv4_key *key, const struct sigv4_request *request, unsigned expires,
                   struct buf *ret) {
    struct sigv4_request r = *request;
    CLEANUP_FREE struct sigv4_pair *query = with_room(r.query, r.n_query);
    CLEANUP_FREE char *scope = scope_of(key, r.time);
    CLEANUP_FREE char *credential = xasprintf("%s/%s", key->access_key, scope);
    CLEANUP_BUF struct buf names = BUF_INIT(CANONICAL_MAX);
    char when[TIME_SIZE], seconds[16], signature[DIGEST_HEX_SIZE];
    format_time(r.time, when);
    snprintf(seconds, sizeof seconds, "%u", MAX(MIN(expires, SIGV4_EXPIRES_MAX), 1u));
    append_signed_names(&names, &r);
    if (!buf_str(&names)) {
        ret->err = names.err;
        return;
    }
    r.query = query;
    query[r.n_query++] = (struct sigv4_pair){"X-Amz-Algorithm", ALGORITHM};
    query[r.n_query++] = (struct sigv4_pair){"X-Amz-Credential", credential};
    query[r.n_query++] = (struct sigv4_pair){"X-Amz-Date", when};
    query[r.n_query++] = (struct sigv4_pair){"X-Amz-Expires", seconds};
    query[r.n_query++] = (struct sigv4_pair){"X-Amz-SignedHeaders", buf_str(&names)};
    if (key->session_token)
        query[r.n_query++] = (struct sigv4_pair){"X-Amz-Security-Token", key->session_token};
    int e = sigv4_signature(key, &r, signature);
    if (e < 0) {
        ret->err = e;
        return;
    }
    sigv4_query(r.query, r.n_query, ret);
    buf_printf(ret, "&X-Amz-Signature=%s", signature);
}
