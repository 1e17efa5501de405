/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * PutObject with If-None-Match.
 */
#include "base/file.h"
#include "store/s3_parts.h"
#include <openssl/evp.h>

#define PIECE ((size_t)256 << 10)

struct s3_put {
    struct s3_call call;
    const struct store_put *put;
    char *key; /* whole */
    char *checksum;
    char payload[DIGEST_HEX_SIZE];
    struct keep_pair *kept;
    size_t n_kept;
    struct sigv4_pair headers[S3_HEADERS_MAX];
    store_put_done done;
    void *arg;
    int err;       /* of hashing */
    char *refusal; /* what S3 said before it */
};

int s3_hash(const struct store_put *put, uint64_t off, uint64_t n, EVP_MD_CTX *whole,
            uint8_t ret[DIGEST_SIZE]) {
    CLEANUP_FREE uint8_t *piece = put->bytes ? NULL : xmalloc(PIECE);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    int r = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) ? 0 : -EIO;
    while (n > 0 && r == 0) {
        size_t now = (size_t)MIN(n, PIECE);
        const uint8_t *bytes = put->bytes ? (const uint8_t *)put->bytes + off : piece;
        r = put->bytes ? 0 : file_pread_all(put->fd, piece, now, off);
        if (r == 0 &&
            !(EVP_DigestUpdate(hash, bytes, now) && (!whole || EVP_DigestUpdate(whole, bytes, now))))
            r = -EIO;
        off += now;
        n -= now;
    }
    if (r == 0 && !EVP_DigestFinal_ex(hash, ret, NULL))
        r = -EIO;
    EVP_MD_CTX_free(hash);
    return r;
}

bool s3_says_other_bytes(const struct s3_call *c) {
    const char *code = c->refusal.code;
    return code && (!strcmp(code, "BadDigest") || !strcmp(code, "XAmzContentSHA256Mismatch"));
}

char *s3_changed_why(const struct store_put *put) {
    return xasprintf("%s: the bytes that were to be uploaded are not those that were hashed: they have "
                     "changed on the local disk",
                     put->key);
}

static void put_end(struct s3_put *p, int err, const char *why) {
    p->done(p->arg, err, why);
    keep_pairs_free(p->kept, p->n_kept);
    free(p->key);
    free(p->checksum);
    free(p->refusal);
    free(p);
}

static void compare_work(void *arg) {
    struct s3_put *p = arg;
    uint8_t now[DIGEST_SIZE];
    p->err = s3_hash(p->put, 0, p->put->size, NULL, now);
    if (p->err == 0 && memcmp(now, p->put->sha256, sizeof now))
        p->err = -EBADMSG;
}

static void compare_done(void *arg) {
    struct s3_put *p = arg;
    bool changed = p->err == -EBADMSG || p->err == -ENODATA;
    CLEANUP_FREE char *why = changed ? s3_changed_why(p->put) : NULL;
    put_end(p, changed ? -EBADMSG : -EIO, why ? why : p->refusal);
}

/* S3 gives an ETag with every object it has made; a log-in page of a network gives none. */
static void put_answered(struct s3_call *c, int err, const struct http_response *response, const char *why) {
    struct s3_put *p = container_of(c, struct s3_put, call);
    if (err == 0 && !http_header(response, "etag")) {
        put_end(p, -EIO,
                "what answered the put is not S3 (it gave no ETag): look at endpoint= and the network");
        return;
    }
    if (err == 0)
        counter_add(c->store->base.counters, COUNTER_BYTES_UPLOADED, p->put->size);
    if (err == -EIO && s3_says_other_bytes(c)) {
        p->refusal = why ? xstrdup(why) : NULL;
        env_work(c->store->base.env, compare_work, compare_done, p);
        return;
    }
    put_end(p, err, why);
}

static void put_small(struct s3_put *p) {
    const struct store_put *put = p->put;
    struct s3_call *c = &p->call;
    size_t n = 0;
    digest_hex(put->sha256, p->payload);
    p->checksum = s3_checksum(put->sha256);
    p->headers[n++] = (struct sigv4_pair){"If-None-Match", "*"};
    p->headers[n++] = (struct sigv4_pair){"x-amz-checksum-sha256", p->checksum};
    for (size_t i = 0; i < p->n_kept; i++)
        p->headers[n++] = (struct sigv4_pair){p->kept[i].name, p->kept[i].value};
    n += s3_customer_headers(s3_customer_of(c->store, put), &p->headers[n]);
    c->op = REFUSAL_PUT;
    c->request = (struct s3_request){
        .method = "PUT", .key = p->key, .headers = p->headers, .n_headers = n, .payload = p->payload};
    c->bytes = put->bytes;
    c->fd = put->fd;
    c->size = put->size;
    c->max_response = HTTP_ERROR_BODY_MAX;
    c->timeout_ns = s3_time_for(c->store, put->size);
    c->flags = put->bytes ? HTTP_URGENT : 0; /* what comes from memory is the journal's */
    c->done = put_answered;
    s3_call_start(c);
}

static void put_start(void *arg) {
    struct s3_put *p = arg;
    struct s3_store *s = p->call.store;
    CLEANUP_BUF struct buf why = BUF_INIT(S3_WHY_MAX);
    int r = s3_keep_headers(s, p->put, &p->kept, &p->n_kept, &why);
    if (!p->key) {
        put_end(
            p, -EINVAL,
            "the key is empty, begins with a slash, or is longer than 1,024 bytes with the volume's prefix");
    } else if (r < 0) {
        put_end(p, r, buf_str(&why));
    } else if (p->put->size >= s->multipart_from) {
        s3_upload_start(s, p->put, STEAL_PTR(&p->key), p->done, p->arg);
        keep_pairs_free(p->kept, p->n_kept);
        free(p);
    } else {
        put_small(p);
    }
}

void s3_put_if_absent(struct store *base, const struct store_put *put, store_put_done done, void *arg) {
    struct s3_put *p = xcalloc(1, sizeof *p);
    p->call.store = s3_store(base);
    p->put = put;
    p->key = s3_whole_key(p->call.store, put->key);
    p->done = done;
    p->arg = arg;
    counter_add(base->counters, COUNTER_STORE_PUTS, 1);
    env_post(base->env, put_start, p);
}
