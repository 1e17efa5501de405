/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

#include <openssl/crypto.h>
#include <openssl/x509_vfy.h>
#include <signal.h>

#define MAX_CONNECTIONS 32
#define CONNECT_TIMEOUT_NS (10 * NS_PER_S)
#define STALL_TIMEOUT_NS (30 * NS_PER_S)

static void unref(struct http *h) {
    if (atomic_fetch_sub(&h->refs, 1) > 1)
        return;
    http_room_drop(h);
    pthread_mutex_destroy(&h->mutex);
    free(h->user_agent);
    free(h->proxy);
    free(h->ca_file);
    free(h);
}

/* A body that was taken out of its call. */
struct kept {
    struct bytes bytes;
    struct http *http;
    void *room;
    size_t cap;
};

static void kept_free(struct bytes *b) {
    struct kept *k = container_of(b, struct kept, bytes);
    http_room_give(k->http, k->room, k->cap);
    unref(k->http);
    free(k);
}

struct bytes *http_keep_body(const struct http_response *r) {
    struct http_call *c = container_of(r, struct http_call, res);
    struct kept *k = xmalloc(sizeof *k);
    *k = (struct kept){{r->body, r->len, kept_free}, c->http, c->body, c->cap};
    atomic_fetch_add(&c->http->refs, 1);
    c->body = NULL;
    return &k->bytes;
}

/* Headers and addresses have tokens and signatures in them. */
static void wipe(char *s) {
    OPENSSL_cleanse(s, strlen(s));
}

static void call_free(struct http_call *c) {
    for (struct curl_slist *l = c->lines; l; l = l->next)
        wipe(l->data);
    wipe((char *)c->req.url);
    if (c->body && (c->req.flags & HTTP_SECRET))
        OPENSSL_cleanse(c->body, c->cap);
    curl_slist_free_all(c->lines);
    free((char *)c->req.method);
    free((char *)c->req.url);
    buf_free(&c->head);
    free((void *)c->headers.lines);
    free(c->small_body);
    http_room_give(c->http, c->body, c->cap);
    free(c->why);
    free(c);
}

/* On the loop: all that have ended so far, one after another. Those calls hold the engine. */
static void run_dones(void *arg) {
    struct http *h = arg;
    pthread_mutex_lock(&h->mutex);
    struct http_call *ended = h->ended, *c;
    h->ended = NULL;
    pthread_mutex_unlock(&h->mutex);
    while ((c = ended)) {
        DL_DELETE(ended, c);
        c->done(c->arg, &c->res);
        atomic_fetch_sub(&h->active, 1);
        call_free(c);
        unref(h);
    }
}

void http_finish(struct http_call *c, int err, char *why) {
    struct http *h = c->http;
    if (err < 0)
        c->res = (struct http_response){.total = UINT64_MAX};
    free(c->why);
    c->why = why;
    c->res.err = err;
    c->res.why = why;
    if (err == 0) {
        c->res.status = c->status;
        c->res.body = c->body ? (const void *)c->body : "";
        c->res.len = c->len;
    }
    pthread_mutex_lock(&h->mutex);
    c->finished = true;
    if (c->cancelled)
        DL_DELETE2(h->cancels, c, cancel_prev, cancel_next);
    bool first = !h->ended;
    DL_APPEND(h->ended, c);
    pthread_mutex_unlock(&h->mutex);
    if (first)
        env_post(h->env, run_dones, h);
}

/* With the mutex held. */
static void wake(struct http *h) {
    if (h->waiting)
        curl_multi_wakeup(h->multi);
    h->waiting = false;
}

static struct curl_slist *copy_headers(const struct http_request *req) {
    struct curl_slist *lines = NULL, *next;
    for (size_t i = 0; i < req->n_headers; i++) {
        if (!(next = curl_slist_append(lines, req->headers[i])))
            abort(); /* no memory: as xmalloc() */
        lines = next;
    }
    return lines;
}

struct http_call *http_submit(struct http *h, const struct http_request *req, http_done done, void *arg) {
    struct http_call *c = xcalloc(1, sizeof *c);
    c->http = h;
    c->done = done;
    c->arg = arg;
    c->req = *req;
    c->req.method = xstrdup(req->method);
    c->req.url = xstrdup(req->url);
    c->req.headers = NULL;
    c->lines = copy_headers(req);
    c->head = BUF_INIT(HTTP_HEAD_MAX);
    c->deadline = INT64_MAX;
    if (req->timeout_ns > 0 && __builtin_add_overflow(http_mono(), req->timeout_ns, &c->deadline))
        c->deadline = INT64_MAX;
    atomic_fetch_add(&h->refs, 1);
    atomic_fetch_add(&h->active, 1);

    pthread_mutex_lock(&h->mutex);
    bool stopped = h->stopped;
    if (!stopped) {
        DL_APPEND(h->inbox, c);
        wake(h);
    }
    pthread_mutex_unlock(&h->mutex);
    if (stopped)
        http_finish(c, -ECANCELED, http_why(c, "the program is ending"));
    return c;
}

void http_cancel(struct http *h, struct http_call *c) {
    SCOPE_LOCK(&h->mutex);
    if (c->finished || c->cancelled)
        return;
    c->cancelled = true;
    DL_APPEND2(h->cancels, c, cancel_prev, cancel_next);
    wake(h);
}

size_t http_active(struct http *h) {
    return atomic_load(&h->active);
}

static int check_proxy(const char *proxy, struct buf *why) {
    CURLU *u = curl_url();
    CURLUcode r = curl_url_set(u, CURLUPART_URL, proxy, CURLU_GUESS_SCHEME);
    char *scheme = NULL, *host = NULL;
    if (r == CURLUE_OK)
        r = curl_url_get(u, CURLUPART_SCHEME, &scheme, CURLU_DEFAULT_SCHEME);
    if (r == CURLUE_OK)
        r = curl_url_get(u, CURLUPART_HOST, &host, 0);
    bool fits = r == CURLUE_OK && (strncmp(scheme, "http", 4) == 0 || strncmp(scheme, "socks", 5) == 0);
    if (!fits) /* the text itself may hold a password */
        buf_printf(why, "the proxy is not a URL like http://proxy.example:3128 (%s)",
                   r == CURLUE_OK ? "neither http, https nor socks" : curl_url_strerror(r));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return fits ? 0 : -EINVAL;
}

static int check_ca_file(const char *file, struct buf *why) {
    X509_STORE *store = X509_STORE_new();
    bool fits = access(file, R_OK) == 0;
    if (!fits)
        buf_printf(why, "the CA file %s cannot be read: %s", file, strerror(errno));
    else if (!(fits = X509_STORE_load_file(store, file) == 1))
        buf_printf(why, "the CA file %s holds no certificate in PEM form", file);
    X509_STORE_free(store);
    return fits ? 0 : -EINVAL;
}

static void start_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Which certificates count: the given ones alone, or the system's. curl keeps them parsed between connections
 * only while no directory of them is to be searched as well, so that is given up where the one large file is
 * there. */
static void choose_ca(struct http *h, const struct http_config *config) {
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (config->ca_file)
        h->ca_file = xstrdup(config->ca_file);
    else if (info->cainfo && access(info->cainfo, R_OK) == 0)
        h->ca_file = xstrdup(info->cainfo);
    else
        h->ca_path = info->capath;
}

static struct http *engine_new(const struct http_config *config) {
    struct http *h = xcalloc(1, sizeof *h);
    int64_t now = http_mono();
    h->env = config->env;
    h->counters = config->counters;
    h->user_agent = config->user_agent ? xstrdup(config->user_agent) : NULL;
    h->proxy = config->proxy ? xstrdup(config->proxy) : NULL;
    h->max_connections = config->max_connections ? config->max_connections : MAX_CONNECTIONS;
    h->connect_timeout_ns = config->connect_timeout_ns ? config->connect_timeout_ns : CONNECT_TIMEOUT_NS;
    h->stall_timeout_ns = config->stall_timeout_ns ? config->stall_timeout_ns : STALL_TIMEOUT_NS;
    h->two = config->http2 && !config->download_limit;
    h->next_check = INT64_MAX;
    choose_ca(h, config);
    http_limit_init(&h->up, config->upload_limit, now);
    http_limit_init(&h->down, config->download_limit, now);
    pthread_mutex_init(&h->mutex, NULL);
    atomic_init(&h->refs, 1);
    atomic_init(&h->active, 0);

    h->multi = curl_multi_init();
    h->share = curl_share_init();
    if (!h->multi || !h->share)
        abort(); /* no memory */
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    /* Two servers, usually; a connection beyond is closed when its transfer ends. */
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)(4 * h->max_connections));
    curl_multi_setopt(h->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)HTTP_STREAMS);
    return h;
}

static void engine_close(struct http *h) {
    struct http_host *host, *next;
    for (size_t i = 0; i < h->n_idle; i++)
        curl_easy_cleanup(h->idle[i]);
    free(h->idle);
    curl_multi_cleanup(h->multi);
    curl_share_cleanup(h->share);
    HASH_ITER (hh, h->hosts, host, next) {
        HASH_DEL(h->hosts, host);
        free(host->name);
        free(host);
    }
    unref(h);
}

int http_new(const struct http_config *config, struct http **ret, struct buf *why) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
    if (config->proxy && check_proxy(config->proxy, why) < 0)
        return -EINVAL;
    if (config->ca_file && check_ca_file(config->ca_file, why) < 0)
        return -EINVAL;
    if (config->http2 && !(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2)) {
        buf_append_str(why, "this libcurl has no HTTP/2: take http2 away");
        return -EINVAL;
    }
    struct http *h = engine_new(config);
    sigset_t all, saved; /* signals are for the main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    int r = pthread_create(&h->thread, NULL, http_thread, h);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    if (r != 0) {
        buf_printf(why, "no thread for the network: %s", strerror(r));
        engine_close(h);
        return -EAGAIN;
    }
    *ret = h;
    return 0;
}

struct http *http_free(struct http *h) {
    if (!h)
        return NULL;
    pthread_mutex_lock(&h->mutex);
    h->stopping = true;
    wake(h);
    pthread_mutex_unlock(&h->mutex);
    pthread_join(h->thread, NULL);
    engine_close(h);
    return NULL;
}
