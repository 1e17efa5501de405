/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How S3 is told how to keep an object, and the customer's own key (SSE-C).
 *
 * Facts: "PutObject", "Protecting data with server-side encryption using customer-provided keys (SSE-C)" (Amazon S3 API Reference and User Guide).
 */
#include "base/digest.h"
#include "store/s3_parts.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <uthash.h>

#define TAGGING_MAX ((size_t)16 << 10)
#define FINGERPRINT 8

static bool is_token(const char *s) {
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *p))
            return false;
    return *s;
}

static bool is_value(const char *s) {
    for (; *s; s++)
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

struct headers {
    struct keep_pair *v;
    size_t n;
};

static void add(struct headers *h, const char *name, const char *value) {
    if (value)
        keep_add(&h->v, &h->n, name, value);
}

static void add_tags(struct headers *h, const struct keep *k) {
    CLEANUP_BUF struct buf b = BUF_INIT(TAGGING_MAX);
    struct sigv4_pair pairs[16] = {0};
    size_t n = MIN(k->n_tags, ARRAY_SIZE(pairs));
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct sigv4_pair){k->tags[i].name, k->tags[i].value};
    sigv4_query(pairs, n, &b);
    if (n)
        add(h, "x-amz-tagging", buf_str(&b));
}

static void add_encryption(struct headers *h, const struct keep *k) {
    if (k->encryption == KEEP_SSE_S3)
        add(h, "x-amz-server-side-encryption", "AES256");
    if (k->encryption != KEEP_SSE_KMS)
        return;
    add(h, "x-amz-server-side-encryption", "aws:kms");
    add(h, "x-amz-server-side-encryption-aws-kms-key-id", k->kms_key);
    add(h, "x-amz-server-side-encryption-bucket-key-enabled", k->bucket_key ? "true" : NULL);
}

static void add_keep(struct headers *h, const struct keep *k) {
    add(h, "Cache-Control", k->cache_control);
    add(h, "Content-Disposition", k->content_disposition);
    add(h, "x-amz-storage-class", k->storage_class);
    for (size_t i = 0; i < k->n_metadata; i++) {
        CLEANUP_FREE char *name = xasprintf("x-amz-meta-%s", k->metadata[i].name);
        add(h, name, k->metadata[i].value);
    }
    add_tags(h, k);
    add_encryption(h, k);
}

static int check_headers(const struct headers *h, const char *key, struct buf *why) {
    if (h->n > S3_HEADERS_MAX / 2) {
        buf_printf(why, "more than %d headers cannot be kept with an object", S3_HEADERS_MAX / 2);
        return -EINVAL;
    }
    for (size_t i = 0; i < h->n; i++) {
        if (!is_token(h->v[i].name) || !is_value(h->v[i].value)) {
            buf_printf(why, "header %zu of %s has a character that no HTTP header can have", i + 1, key);
            return -EINVAL;
        }
    }
    return 0;
}

/* On the loop: the place may move. */
static int check_customer(const struct s3_store *s, const struct keep *k, struct buf *why) {
    if (k->encryption > KEEP_CUSTOMER)
        buf_append_str(why, "its area wants an encryption that this version does not know: install a newer assetfs");
    else if (k->encryption == KEEP_CUSTOMER && !s->customer_key)
        buf_printf(why, "its area is encrypted with a customer key (SSE-C), and there is none here: %s", s->base.no_customer_key);
    else if (k->encryption == KEEP_CUSTOMER && k->customer_key && strcmp(k->customer_key, s->base.customer_key) != 0)
        buf_printf(why, "its area is encrypted with the customer key %s, and this host has %s: give the right sse_c_key_file=", k->customer_key, s->base.customer_key);
    else if (k->encryption == KEEP_CUSTOMER && !s->place.endpoint.https)
        buf_append_str(why, "a customer key (SSE-C) goes over https only: look at endpoint=");
    else
        return 0;
    return -EACCES;
}

int s3_keep_headers(const struct s3_store *s, const struct store_put *put, struct keep_pair **ret, size_t *ret_n, struct buf *why) {
    struct headers h = {0};
    add(&h, "Content-Type", put->content_type ? put->content_type : "application/octet-stream");
    if (put->keep)
        add_keep(&h, put->keep);
    int r = check_headers(&h, put->key, why);
    if (r == 0 && put->keep)
        r = check_customer(s, put->keep, why);
    if (r < 0) {
        keep_pairs_free(h.v, h.n);
        return r;
    }
    *ret = h.v;
    *ret_n = h.n;
    return 0;
}

/* The customer's key */

bool s3_is_customers(const struct store_put *put) {
    return put->keep && put->keep->encryption == KEEP_CUSTOMER;
}

size_t s3_customer_headers(const struct s3_store *s, struct sigv4_pair *ret) {
    ret[0] = (struct sigv4_pair){"x-amz-server-side-encryption-customer-algorithm", "AES256"};
    ret[1] = (struct sigv4_pair){"x-amz-server-side-encryption-customer-key", s->customer_key};
    ret[2] = (struct sigv4_pair){"x-amz-server-side-encryption-customer-key-MD5", s->customer_md5};
    return S3_CUSTOMER_HEADERS;
}

static char *base64(const uint8_t *p, int n) {
    char *text = xmalloc((size_t)(4 * ((n + 2) / 3) + 1));
    EVP_EncodeBlock((unsigned char *)text, p, n);
    return text;
}

void s3_customer_init(struct s3_store *s, const uint8_t *key) {
    uint8_t digest[DIGEST_SIZE], md5[EVP_MAX_MD_SIZE];
    unsigned n;
    char hex[2 * FINGERPRINT + 1];
    if (!key || !EVP_Digest(key, S3_CUSTOMER_KEY, md5, &n, EVP_md5(), NULL)) {
        s->base.no_customer_key = key ? "MD5 cannot be computed here, and S3 wants it" : "give sse_c_key_file=";
        return;
    }
    digest_of(key, S3_CUSTOMER_KEY, digest);
    hex_encode(digest, FINGERPRINT, hex);
    s->customer_key = base64(key, S3_CUSTOMER_KEY);
    s->customer_md5 = base64(md5, (int)n);
    s->base.customer_key = xstrdup(hex);
    OPENSSL_cleanse(digest, sizeof digest);
}

/* Rooms: keys by their first part */

struct s3_room {
    bool customers;
    UT_hash_handle hh;
    char name[];
};

static struct s3_room *find_room(const struct s3_store *s, const char *key) {
    struct s3_room *room;
    HASH_FIND(hh, s->rooms, key, strcspn(key, "/"), room);
    return room;
}

bool s3_customer_guess(const struct s3_store *s, const char *key) {
    struct s3_room *room = s->customer_key ? find_room(s, key) : NULL;
    return room && room->customers && s->place.endpoint.https;
}

void s3_customer_learn(struct s3_store *s, const char *key, bool is) {
    struct s3_room *room = find_room(s, key);
    size_t n = strcspn(key, "/");
    if (!room) {
        room = xcalloc(1, sizeof *room + n + 1);
        memcpy(room->name, key, n);
        HASH_ADD_KEYPTR(hh, s->rooms, room->name, n, room);
    }
    room->customers = is;
}

void s3_customer_free(struct s3_store *s) {
    struct s3_room *room, *next;
    HASH_ITER(hh, s->rooms, room, next) {
        HASH_DEL(s->rooms, room);
        free(room);
    }
    if (s->customer_key)
        OPENSSL_cleanse(s->customer_key, strlen(s->customer_key));
    free(s->customer_key);
    free(s->customer_md5);
    free(s->base.customer_key);
}
