/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/s3_request.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <strings.h>

#define REGION_DEFAULT "us-east-1"
#define URL_MAX ((size_t)16 << 10)
#define HEADERS_SIZE_MAX ((size_t)64 << 10)

/* ---- names */

static bool is_ipv4(const char *s) {
    struct in_addr a;
    return inet_pton(AF_INET, s, &a) == 1;
}

bool s3_bucket_name_ok(const char *name) {
    size_t n = strlen(name);
    if (n < 3 || n > 255 || strstr(name, "..") || is_ipv4(name))
        return false;
    for (const char *p = name; *p; p++)
        if (!isascii(*p) || (!isalnum((unsigned char)*p) && !strchr(".-_", *p)))
            return false;
    return isalnum((unsigned char)name[0]) && isalnum((unsigned char)name[n - 1]);
}

/* It becomes part of a host name, and of what is signed. */
static bool region_name_ok(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n;
}

/* May it be the first label of a host name, under a certificate for *.endpoint? */
static bool bucket_fits_host(const char *bucket) {
    return strlen(bucket) <= 63 && strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(bucket);
}

static bool host_takes_labels(const char *host) {
    return strchr(host, '.') && !is_ipv4(host) && !strchr(host, ':');
}

/* ---- the place */

static char *amazon_endpoint(const char *region) {
    return xasprintf("https://s3.%s.amazonaws.com%s", region, strncmp(region, "cn-", 3) ? "" : ".cn");
}

int s3_place_init(struct s3_place *p, const struct s3_config *c, struct buf *why) {
    const char *region = c->region ? c->region : REGION_DEFAULT;
    *p = (struct s3_place){.amazon = !c->endpoint};
    if (!s3_bucket_name_ok(c->bucket)) {
        buf_printf(why,
                   "\"%s\" is not the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
                   c->bucket);
        return -EINVAL;
    }
    if (!region_name_ok(region)) {
        buf_printf(why,
                   "\"%s\" is not the name of a region, such as eu-central-1: look at region= and AWS_REGION",
                   region);
        return -EINVAL;
    }
    CLEANUP_FREE char *endpoint = c->endpoint ? xstrdup(c->endpoint) : amazon_endpoint(region);
    int r = url_parse(endpoint, &p->endpoint, why);
    if (r < 0)
        return r;
    p->region = xstrdup(region);
    p->bucket = xstrdup(c->bucket);
    p->loopback = url_is_loopback(&p->endpoint);
    p->path_style = c->path_style || !bucket_fits_host(c->bucket) || !host_takes_labels(p->endpoint.host);
    return 0;
}

void s3_place_free(struct s3_place *p) {
    if (p->region)
        url_free(&p->endpoint);
    free(p->region);
    free(p->bucket);
    *p = (struct s3_place){0};
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n > m && !strcasecmp(s + n - m, end);
}

static bool is_amazons(const char *host) {
    return ends_with(host, ".amazonaws.com") || ends_with(host, ".amazonaws.com.cn");
}

/* Where a redirect leads, as an endpoint: without the bucket, whichever way it is named in it. */
static bool parse_target(const struct s3_place *p, const char *text, struct url *ret) {
    CLEANUP_BUF struct buf ignored = BUF_INIT(URL_MAX);
    CLEANUP_FREE char *dotted = xasprintf("%s.", p->bucket);
    const char *scheme = p->endpoint.https ? "https://" : "http://";
    CLEANUP_FREE char *whole = strstr(text, "://") ? xstrdup(text) : xasprintf("%s%s", scheme, text);
    char *start = strstr(whole, "://") + 3;
    char *rest = start + strcspn(start, "/?#");
    *rest = '\0'; /* what follows is the key, perhaps after the bucket */
    if (!strncasecmp(start, dotted, strlen(dotted)))
        memmove(start, start + strlen(dotted), strlen(start + strlen(dotted)) + 1);
    return url_parse(whole, ret, &ignored) == 0;
}

static bool may_go(const struct s3_place *p, const struct url *to) {
    if (p->endpoint.https)
        return to->https && (!is_amazons(p->endpoint.host) || is_amazons(to->host));
    return to->https || url_is_loopback(to) == p->loopback;
}

static bool move_to_endpoint(struct s3_place *p, const char *text) {
    struct url to;
    if (!parse_target(p, text, &to))
        return false;
    if (!may_go(p, &to) || (!strcmp(to.authority, p->endpoint.authority) && to.https == p->endpoint.https)) {
        url_free(&to);
        return false;
    }
    url_free(&p->endpoint);
    p->endpoint = to;
    p->path_style = p->path_style || !host_takes_labels(to.host);
    return true;
}

static bool move_to_region(struct s3_place *p, const char *region) {
    if (!region_name_ok(region) || !strcmp(region, p->region))
        return false;
    free(p->region);
    p->region = xstrdup(region);
    if (!p->amazon)
        return true;
    CLEANUP_BUF struct buf ignored = BUF_INIT(URL_MAX);
    CLEANUP_FREE char *endpoint = amazon_endpoint(region);
    struct url to;
    if (url_parse(endpoint, &to, &ignored) == 0) {
        url_free(&p->endpoint);
        p->endpoint = to;
    }
    return true;
}

bool s3_place_move(struct s3_place *p, const char *region, const char *endpoint) {
    bool moved = region && move_to_region(p, region);
    if (endpoint && !(moved && p->amazon))
        moved = move_to_endpoint(p, endpoint) || moved;
    return moved;
}

/* The path as it is sent and signed. */
static void append_path(const struct s3_place *p, const char *key, struct buf *b) {
    buf_append_str(b, p->endpoint.path);
    if (p->path_style) {
        buf_append_byte(b, '/');
        url_encode(b, p->bucket, strlen(p->bucket), false);
    }
    buf_append_byte(b, '/');
    url_encode(b, key, strlen(key), true);
}

static char *host_of(const struct s3_place *p) {
    return p->path_style ? xstrdup(p->endpoint.authority)
                         : xasprintf("%s.%s", p->bucket, p->endpoint.authority);
}

char *s3_place_url(const struct s3_place *p, const char *key) {
    CLEANUP_FREE char *host = host_of(p);
    struct buf b = BUF_INIT(URL_MAX);
    buf_printf(&b, "%s://%s", p->endpoint.https ? "https" : "http", host);
    append_path(p, key, &b);
    return (char *)buf_take(&b, NULL);
}

/* ---- the request */

/* `all` is what sigv4_sign() gives: strings one after another. */
static void take_headers(const struct s3_request *r, const struct buf *all, struct s3_signed *ret) {
    size_t n = r->n_headers;
    for (size_t i = 0; i < all->len; i++)
        n += all->data[i] == '\0';
    ret->headers = xcalloc(n, sizeof *ret->headers);
    for (size_t i = 0; i < r->n_headers; i++)
        ret->headers[ret->n_headers++] = xasprintf("%s: %s", r->headers[i].name, r->headers[i].value);
    for (size_t at = 0; at < all->len; at += strlen((char *)all->data + at) + 1)
        ret->headers[ret->n_headers++] = xstrdup((char *)all->data + at);
}

void s3_sign(const struct s3_place *p, const struct credential *c, const struct s3_request *r, int64_t now,
             struct s3_signed *ret) {
    CLEANUP_FREE char *host = host_of(p);
    struct sigv4_pair headers[S3_HEADERS_MAX + 1] = {{"Host", host}};
    CLEANUP_BUF struct buf path = BUF_INIT(URL_MAX), added = BUF_SECRET(HEADERS_SIZE_MAX),
                           query = BUF_INIT(URL_MAX);
    size_t n = 1;
    *ret = (struct s3_signed){0};
    for (size_t i = 0; i < r->n_headers && n < ARRAY_SIZE(headers); i++)
        headers[n++] = r->headers[i];
    append_path(p, r->key, &path);
    struct sigv4_key key = {.access_key = c->access_key,
                            .secret_key = c->secret_key,
                            .session_token = c->session_token,
                            .region = p->region,
                            .service = "s3"};
    struct sigv4_request request = {.method = r->method,
                                    .path = buf_str(&path),
                                    .query = r->query,
                                    .n_query = r->n_query,
                                    .headers = headers,
                                    .n_headers = n,
                                    .payload = r->payload,
                                    .time = now};
    sigv4_sign(&key, &request, &added);
    take_headers(r, &added, ret);
    buf_wipe(&added);
    if (r->n_query) {
        sigv4_query(r->query, r->n_query, &query);
        CLEANUP_FREE char *plain = s3_place_url(p, r->key);
        ret->url = xasprintf("%s?%s", plain, buf_str(&query));
    } else {
        ret->url = s3_place_url(p, r->key);
    }
}

void s3_signed_free(struct s3_signed *s) {
    for (size_t i = 0; i < s->n_headers; i++) {
        OPENSSL_cleanse(s->headers[i], strlen(s->headers[i])); /* a customer's key may be among them */
        free(s->headers[i]);
    }
    free(s->headers);
    free(s->url);
    *s = (struct s3_signed){0};
}

char *s3_checksum(const uint8_t digest[DIGEST_SIZE]) {
    char *text = xmalloc(4 * ((DIGEST_SIZE + 2) / 3) + 1);
    EVP_EncodeBlock((unsigned char *)text, digest, DIGEST_SIZE);
    return text;
}
