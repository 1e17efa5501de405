/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * PutObject with If-None-Match.
 */
#include "store/s3_parts.h"

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
};

static void put_end(struct s3_put *p, int err, const char *why) {
    p->done(p->arg, err, why);
    keep_pairs_free(p->kept, p->n_kept);
    free(p->key);
    free(p->checksum);
    free(p);
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
    if (s3_is_customers(put))
        n += s3_customer_headers(c->store, &p->headers[n]);
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
