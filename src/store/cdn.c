/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/cdn.h"
#include "net/url.h"
#include "store/brake.h"
#include "store/got.h"
#include "store/refusal.h"
#include <utlist.h>

#define CONNECTIONS_DEFAULT 64
#define GET_SIZE (8 * BLOCK_SIZE)
#define URL_MAX ((size_t)16 << 10)
#define WHY_MAX ((size_t)8 << 10)
#define KEY_MAX 1024
/* Files may be replaced again while a request waits for its turn. */
#define AGAIN_MAX 3

struct cdn_get;

struct cdn_store {
    struct store base;
    struct http *http;
    struct cdn_access *access; /* NULL: reads present nothing */
    char *url, *prefix;        /* immutable */
    int64_t timeout_ns;
    struct brake *brake;   /* the loop's, as what follows */
    char *refused;         /* what the CDN said last to a request that it refused by itself */
    bool stopping;
    struct cdn_get *calls; /* under way */
};

struct cdn_get {
    struct cdn_store *cdn;
    char *key; /* whole; NULL: no such key */
    uint64_t off, len;
    unsigned flags;
    store_get_done done;
    void *arg;
    struct brake_wait wait;
    struct http_call *http;
    struct cdn_pass pass;
    /* The worker's, then the loop's: what is to be said if there is nothing (more) to send. */
    int err;
    struct buf why;
    /* A refusal: when the CDN's clock said `date`, ours said `received_at`. */
    int64_t date, received_at;
    unsigned again; /* how often another pass was tried */
    bool braked;    /* brake_end() is due */
    struct cdn_get *prev, *next;
};

static struct cdn_store *cdn_store(struct store *s) {
    return container_of(s, struct cdn_store, base);
}

static char *whole_key(const struct cdn_store *cdn, const char *key) {
    CLEANUP_FREE char *whole = xasprintf("%s%s", cdn->prefix, key);
    return *key && *key != '/' && strlen(whole) <= KEY_MAX ? STEAL_PTR(&whole) : NULL;
}

static char *address_of(const struct cdn_store *cdn, const char *key) {
    struct buf b = BUF_INIT(URL_MAX);
    buf_printf(&b, "%s/", cdn->url);
    url_encode(&b, key, strlen(key), true);
    return (char *)buf_take(&b, NULL);
}

/* ---- get */

static void get_end(struct cdn_get *g, const struct store_got *got) {
    g->done(g->arg, got);
    cdn_pass_free(&g->pass);
    buf_free(&g->why);
    free(g->key);
    free(g);
}

static void get_give_up(struct cdn_get *g, int err, const char *why) {
    get_end(g, &(struct store_got){.err = err, .why = why});
}

static void get_start(void *arg);

/* On a worker: files are looked at, and something is signed. */
static void get_prepare(void *arg) {
    struct cdn_get *g = arg;
    CLEANUP_FREE char *url = address_of(g->cdn, g->key);
    g->err = cdn_access_pass(g->cdn->access, url, &g->pass, &g->why);
}

/* On a worker: would another pass fare better? */
static void get_prepare_again(void *arg) {
    struct cdn_get *g = arg;
    g->again++;
    if (!cdn_access_refused(g->cdn->access, &g->pass, g->date, g->received_at))
        return; /* with the error it has */
    cdn_pass_free(&g->pass);
    buf_reset(&g->why);
    get_prepare(g);
}

/* What was presented was not enough, or too much was asked, so says the CDN or something before it. */
static bool is_refusal_of_cdn(const struct http_response *response) {
    if (response->err < 0 || (response->status != 401 && response->status != 403))
        return false;
    struct refusal refusal;
    refusal_read(response, REFUSAL_GET, &refusal);
    bool s3 = refusal.by == BY_S3;
    refusal_free(&refusal);
    return !s3;
}

static void note_end(struct cdn_get *g, enum brake_end how, const char *why) {
    struct cdn_store *cdn = g->cdn;
    if (how == BRAKE_REFUSED && why) {
        free(cdn->refused);
        cdn->refused = xstrdup(why);
    }
    g->braked = false;
    brake_end(cdn->brake, how);
}

static void get_try_again(struct cdn_get *g, const struct http_response *response,
                          const struct store_got *got) {
    const char *date = http_header(response, "date");
    g->err = got->err;
    buf_append_str(&g->why, got->why ? got->why : "");
    g->date = date ? http_date(date) : -1;
    g->received_at = response->received_at / NS_PER_S;
    env_work(g->cdn->base.env, get_prepare_again, get_start, g);
}

static void get_answered(void *arg, const struct http_response *response) {
    struct cdn_get *g = arg;
    struct store_got got;
    CLEANUP_BUF struct buf why = BUF_INIT(WHY_MAX);
    DL_DELETE(g->cdn->calls, g);
    bool refused = is_refusal_of_cdn(response);
    got_read(response, g->key, g->off, g->len, &got, &why);
    if (got.err ==
        -EACCES) /* of the CDN's own dealings with the bucket: nothing that this host could present helps */
        got.err = -EIO;
    if (g->cdn->access && g->again < AGAIN_MAX && refused) {
        get_try_again(g, response, &got);
        return;
    }
    note_end(g, refused ? BRAKE_REFUSED : response->err < 0 ? BRAKE_NOTHING : BRAKE_ANSWERED, got.why);
    if (got.err == 0)
        counter_add(g->cdn->base.counters, COUNTER_BYTES_FETCHED, got.len);
    get_end(g, &got);
}

static void get_send(struct cdn_get *g) {
    struct cdn_store *cdn = g->cdn;
    const char *headers[2 + ARRAY_SIZE(g->pass.headers)] = {"Accept-Encoding: identity",
                                                            "Cache-Control: no-cache"};
    bool fresh = g->flags & STORE_FRESH;
    size_t n = fresh ? 2 : 1;
    CLEANUP_FREE char *plain = g->pass.url ? NULL : address_of(cdn, g->key);
    for (size_t i = 0; i < g->pass.n_headers; i++)
        headers[n++] = g->pass.headers[i];
    struct http_request request = {.method = "GET",
                                   .url = plain ? plain : g->pass.url,
                                   .headers = headers,
                                   .n_headers = n,
                                   .fd = -1,
                                   .range_off = g->off,
                                   .range_len = g->len,
                                   .max_response = g->len ? g->len : STORE_WHOLE_MAX,
                                   .timeout_ns = cdn->timeout_ns,
                                   .flags = fresh ? HTTP_URGENT : 0};
    DL_APPEND(cdn->calls, g);
    g->http = http_submit(cdn->http, &request, get_answered, g);
}

/* On the loop. Who may wait no longer learns of it by itself, not inside of what the brake does for all. */
static void get_released(void *arg, int err) {
    struct cdn_get *g = arg;
    if (err == 0) {
        g->braked = true;
        get_send(g);
        return;
    }
    g->err = err;
    buf_reset(&g->why);
    buf_printf(&g->why, "not asked for within %.1f s, because the CDN has refused other requests: %s", (double)g->cdn->timeout_ns / 1e9,
               g->cdn->refused ? g->cdn->refused : "without a word");
    env_post(g->cdn->base.env, get_start, g);
}

static void get_wait(struct cdn_get *g) {
    int64_t now = env_mono(g->cdn->base.env);
    g->wait = (struct brake_wait){.go = get_released, .arg = g, .urgent = g->flags & STORE_FRESH, .deadline = INT64_MAX};
    if (g->cdn->timeout_ns > 0)
        g->wait.deadline = now + g->cdn->timeout_ns;
    brake_ask(g->cdn->brake, &g->wait);
}

static void get_start(void *arg) {
    struct cdn_get *g = arg;
    if (g->braked) /* it was refused, and another pass was looked for */
        note_end(g, g->err < 0 ? BRAKE_REFUSED : BRAKE_NOTHING, g->err < 0 ? buf_str(&g->why) : NULL);
    if (!g->key)
        get_give_up(g, -EINVAL, "the key is empty, begins with a slash, or is longer than 1,024 bytes");
    else if (g->cdn->stopping)
        get_give_up(g, -EIO, "the volume is being unmounted");
    else if (g->err < 0)
        get_give_up(g, g->err, buf_str(&g->why));
    else
        get_wait(g);
}

static void cdn_get_range(struct store *s, const char *key, uint64_t off, uint64_t len, unsigned flags,
                          store_get_done done, void *arg) {
    struct cdn_get *g = xcalloc(1, sizeof *g);
    *g = (struct cdn_get){.cdn = cdn_store(s),
                          .off = off,
                          .len = len,
                          .flags = flags,
                          .done = done,
                          .arg = arg,
                          .why = BUF_INIT(WHY_MAX)};
    g->key = whole_key(g->cdn, key);
    counter_add(s->counters, COUNTER_STORE_GETS, 1);
    if (g->key && g->cdn->access)
        env_work(s->env, get_prepare, get_start, g);
    else
        env_post(s->env, get_start, g);
}

/* ---- put: never */

struct cdn_put {
    store_put_done done;
    void *arg;
};

static void put_refused(void *arg) {
    struct cdn_put *p = arg;
    p->done(p->arg, -EACCES, "this store only reads");
    free(p);
}

static void cdn_put_if_absent(struct store *s, const struct store_put *put ATTR_UNUSED, store_put_done done,
                              void *arg) {
    struct cdn_put *p = xmalloc(sizeof *p);
    *p = (struct cdn_put){done, arg};
    counter_add(s->counters, COUNTER_STORE_PUTS, 1);
    env_post(s->env, put_refused, p);
}

/* ---- the store */

static char *cdn_url(struct store *s, const char *key) {
    CLEANUP_FREE char *whole = whole_key(cdn_store(s), key);
    return whole ? address_of(cdn_store(s), whole) : NULL;
}

static void stop_on_loop(void *arg) {
    struct cdn_store *cdn = arg;
    struct cdn_get *g;
    cdn->stopping = true;
    DL_FOREACH (cdn->calls, g) {
        http_cancel(cdn->http, g->http);
    }
    brake_stop(cdn->brake);
}

static void cdn_stop(struct store *s) {
    env_post(s->env, stop_on_loop, cdn_store(s));
}

static void cdn_free(struct store *s) {
    struct cdn_store *cdn = cdn_store(s);
    brake_free(cdn->brake);
    free(cdn->refused);
    free(cdn->url);
    free(cdn->prefix);
    free(s->address);
    free(cdn);
}

static const struct store_ops cdn_ops = {
    .put_if_absent = cdn_put_if_absent,
    .get_range = cdn_get_range,
    .url = cdn_url,
    .stop = cdn_stop,
    .free = cdn_free,
};

int store_cdn_open(struct env *env, struct counters *counters, const struct cdn_config *c, struct store **ret,
                   struct buf *why) {
    struct url url;
    int r = url_parse(c->url, &url, why);
    if (r < 0)
        return r;
    unsigned connections = c->connections ? c->connections : CONNECTIONS_DEFAULT;
    struct cdn_store *cdn = xcalloc(1, sizeof *cdn);
    cdn->http = c->http;
    cdn->access = c->access;
    cdn->url = url_text(&url);
    cdn->prefix = xstrdup(c->prefix);
    cdn->timeout_ns = c->timeout_ns;
    cdn->brake = brake_new(env);
    cdn->base = (struct store){
        .ops = &cdn_ops,
        .env = env,
        .counters = counters,
        .address = xasprintf("%s%s%s", cdn->url, *c->prefix ? "/" : "", c->prefix),
        .parallel_puts = 1,
        .parallel_gets = MAX(connections - connections / 8, 1),
        .get_size = GET_SIZE,
        .absence_ns = STORE_ABSENCE_NS,
    };
    size_t n = strlen(cdn->base.address);
    if (cdn->base.address[n - 1] == '/')
        cdn->base.address[n - 1] = '\0';
    url_free(&url);
    *ret = &cdn->base;
    return 0;
}
