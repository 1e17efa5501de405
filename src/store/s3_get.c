/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * GetObject, for servers without a CDN.
 */
#include "store/got.h"
#include "store/s3_parts.h"

struct s3_get {
    struct s3_call call;
    char *key, *short_key; /* with the volume's prefix, and without */
    struct sigv4_pair headers[S3_CUSTOMER_HEADERS];
    unsigned first, with, next; /* customer keys by number, 0: none. The one it was begun with, the one it is asked with now, the one to be tried then */
    uint64_t off, len;
    unsigned flags;
    store_get_done done;
    void *arg;
};

static void get_end(struct s3_get *g, const struct store_got *got) {
    g->done(g->arg, got);
    free(g->key);
    free(g->short_key);
    free(g);
}

static void get_send(struct s3_get *g);

/* S3 answers 400 InvalidRequest to a read of an object under a customer key without it, and of another one with it: "The object was stored using a form of Server Side Encryption.
 * The correct parameters must be provided", "The encryption parameters are not applicable to this object". Ceph answers InvalidArgument to the first, and to another key than the
 * object's; Amazon may answer that with a 403. */
static bool about_encryption(const struct refusal *r, bool with_key) {
    if (r->by == BY_S3 && r->status == 403)
        return with_key;
    return r->status == 400 && r->code && (!strcmp(r->code, "InvalidRequest") || !strcmp(r->code, "InvalidArgument"));
}

static bool try_otherwise(struct s3_get *g, int err) {
    struct s3_store *s = g->call.store;
    bool may = s->customer_keys && s->place.endpoint.https && !s->stopping;
    if (err == 0 || !may || !about_encryption(&g->call.refusal, g->with))
        return false;
    g->next += g->next == g->first;
    if (g->next && !customer_keys_nth(s->customer_keys, g->next))
        return false;
    g->with = g->next++;
    return true;
}

static void get_answered(struct s3_call *c, int err, const struct http_response *response, const char *text) {
    struct s3_get *g = container_of(c, struct s3_get, call);
    CLEANUP_BUF struct buf why = BUF_INIT(S3_WHY_MAX);
    struct store_got got = {.err = err, .why = text};
    if (try_otherwise(g, err)) {
        get_send(g);
        return;
    }
    if (err == 0 && g->with != g->first)
        s3_customer_learn(c->store, g->short_key, g->with);
    if (response && (err == 0 || response->err < 0))
        got_read(response, g->key, g->off, g->len, &got, &why);
    else if (response)
        got.cached = got_cached(response);
    if (got.err == 0)
        counter_add(c->store->base.counters, COUNTER_BYTES_FETCHED, got.len);
    get_end(g, &got);
}

static void get_start(void *arg) {
    struct s3_get *g = arg;
    if (!g->key) {
        get_end(g, &(struct store_got){
                       .err = -EINVAL,
                       .why = "the key is empty, begins with a slash, or is longer than 1,024 bytes"});
        return;
    }
    g->first = g->with = s3_customer_guess(g->call.store, g->short_key);
    get_send(g);
}

static void get_send(struct s3_get *g) {
    const struct customer_key *key = g->with ? customer_keys_nth(g->call.store->customer_keys, g->with) : NULL;
    g->call.op = REFUSAL_GET;
    g->call.request = (struct s3_request){.method = "GET",
                                          .key = g->key,
                                          .headers = g->headers,
                                          .n_headers = s3_customer_headers(key, g->headers),
                                          .payload = SIGV4_EMPTY_PAYLOAD};
    g->call.fd = -1;
    g->call.range_off = g->off;
    g->call.range_len = g->len;
    g->call.max_response = g->len ? g->len : STORE_WHOLE_MAX;
    g->call.timeout_ns = g->call.store->timeout_ns;
    g->call.flags = g->flags & STORE_FRESH ? HTTP_URGENT : 0;
    g->call.done = get_answered;
    s3_call_start(&g->call);
}

void s3_get_range(struct store *base, const char *key, uint64_t off, uint64_t len, unsigned flags,
                  store_get_done done, void *arg) {
    struct s3_get *g = xcalloc(1, sizeof *g);
    g->call.store = s3_store(base);
    g->key = s3_whole_key(g->call.store, key);
    g->short_key = xstrdup(key);
    g->off = off;
    g->len = len;
    g->flags = flags;
    g->done = done;
    g->arg = arg;
    counter_add(base->counters, COUNTER_STORE_GETS, 1);
    env_post(base->env, get_start, g);
}
