/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How S3 is told how to keep an object, and the customer's own key (SSE-C).
 *
 * Facts: "PutObject", "Protecting data with server-side encryption using customer-provided keys (SSE-C)" (Amazon S3 API Reference and User Guide).
 */
#include "store/s3_parts.h"
#include <uthash.h>

#define TAGGING_MAX ((size_t)16 << 10)

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

void s3_keep_pairs(const struct keep *k, struct keep_pair **list, size_t *n) {
    struct headers h = {*list, *n};
    add_keep(&h, k);
    *list = h.v;
    *n = h.n;
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
static int check_customer(const struct s3_store *s, const struct store_put *put, struct buf *why) {
    const struct keep *k = put->keep;
    if (k->encryption > KEEP_CUSTOMER)
        buf_append_str(why, "its area wants an encryption that this version does not know: install a newer assetfs");
    else if (k->encryption == KEEP_CUSTOMER && !s->customer_keys)
        buf_printf(why, "its area is encrypted with a customer key (SSE-C), and there is none here: %s", s->base.no_customer_key);
    else if (k->encryption == KEEP_CUSTOMER && !s3_customer_of(s, put))
        buf_printf(why, "its area is encrypted with the customer key %s, and this host has %s: give the right sse_c_key_file=", k->customer_key,
                   customer_keys_find(s->customer_keys, NULL)->fingerprint);
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
        r = check_customer(s, put, why);
    if (r < 0) {
        keep_pairs_free(h.v, h.n);
        return r;
    }
    *ret = h.v;
    *ret_n = h.n;
    return 0;
}

/* The customer's keys */

const struct customer_key *s3_customer_of(const struct s3_store *s, const struct store_put *put) {
    if (!s->customer_keys || !put->keep || put->keep->encryption != KEEP_CUSTOMER)
        return NULL;
    return customer_keys_find(s->customer_keys, put->keep->customer_key);
}

size_t s3_customer_headers(const struct customer_key *key, struct sigv4_pair *ret) {
    if (!key)
        return 0;
    ret[0] = (struct sigv4_pair){"x-amz-server-side-encryption-customer-algorithm", "AES256"};
    ret[1] = (struct sigv4_pair){"x-amz-server-side-encryption-customer-key", key->base64};
    ret[2] = (struct sigv4_pair){"x-amz-server-side-encryption-customer-key-MD5", key->md5};
    return S3_CUSTOMER_HEADERS;
}

/* Rooms: objects' keys by their first part */

struct s3_room {
    unsigned customer; /* number of the customer key; 0: none */
    UT_hash_handle hh;
    char name[];
};

static struct s3_room *find_room(const struct s3_store *s, const char *key) {
    struct s3_room *room;
    HASH_FIND(hh, s->rooms, key, strcspn(key, "/"), room);
    return room;
}

unsigned s3_customer_guess(const struct s3_store *s, const char *key) {
    struct s3_room *room = s->customer_keys && s->place.endpoint.https ? find_room(s, key) : NULL;
    return room ? room->customer : 0;
}

void s3_customer_learn(struct s3_store *s, const char *key, unsigned number) {
    struct s3_room *room = find_room(s, key);
    size_t n = strcspn(key, "/");
    if (!room) {
        room = xcalloc(1, sizeof *room + n + 1);
        memcpy(room->name, key, n);
        HASH_ADD_KEYPTR(hh, s->rooms, room->name, n, room);
    }
    room->customer = number;
}

void s3_rooms_free(struct s3_store *s) {
    struct s3_room *room, *next;
    HASH_ITER(hh, s->rooms, room, next) {
        HASH_DEL(s->rooms, room);
        free(room);
    }
}
