/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_box.h"
#include "tmpdir.h"

static void must(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "tests/lib/http_box: %s\n", what);
    abort();
}

static struct http_box *box_new(const struct http_config *config, const char *ca_file) {
    struct http_box *b = xcalloc(1, sizeof *b);
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct http_config c = config ? *config : (struct http_config){.user_agent = "http-test"};
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->changed, NULL);
    must(loop_new(1, &b->loop) == 0, "loop_new");
    c.env = loop_env(b->loop);
    c.counters = &b->counters;
    if (!c.ca_file)
        c.ca_file = ca_file;
    must(http_new(&c, &b->http, &why) == 0, "http_new");
    return b;
}

struct http_box *http_box_new(peer_fn fn, void *arg, const struct http_config *config) {
    struct http_box *b = box_new(config, NULL);
    b->peer = http_peer_new(NULL, fn, arg);
    return b;
}

struct http_box *http_box_new_tls(peer_fn fn, void *arg, const struct http_config *config, const char *names,
                                  int days, bool trusted) {
    struct tls_ca *ca = tls_ca_new(), *other = tls_ca_new();
    struct tls_cert *cert = tls_cert_new(ca, names, days);
    char *dir = tmpdir_new(), *path = tmpdir_path(dir, "ca.pem");
    tls_ca_write(trusted ? ca : other, path);
    struct http_box *b = box_new(config, path);
    b->peer = http_peer_new(cert, fn, arg);
    b->dir = dir;
    b->ca_path = path;
    tls_cert_free(cert);
    tls_ca_free(ca);
    tls_ca_free(other);
    return b;
}

struct http_box *http_box_free(struct http_box *b) {
    if (!b)
        return NULL;
    http_free(b->http);
    loop_free(b->loop);
    http_peer_free(b->peer);
    free(b->ca_path);
    tmpdir_free(b->dir);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->mutex);
    free(b);
    return NULL;
}

static char *copy(const char *s) {
    return s ? xstrdup(s) : NULL;
}

static void done(void *arg, const struct http_response *r) {
    struct box_call *k = arg;
    SCOPE_LOCK(&k->box->mutex);
    must(++k->times_done == 1, "a call is done twice");
    k->place = ++k->box->n_done;
    k->on_loop = loop_is_current(k->box->loop);
    k->err = r->err;
    k->status = r->status;
    k->tls = r->tls;
    k->why = xstrdup(r->why ? r->why : "");
    k->body = xcalloc(1, r->len + 1);
    if (r->len > 0)
        memcpy(k->body, r->body, r->len);
    k->len = r->len;
    k->ranged = r->ranged;
    k->total = r->total;
    k->received_at = r->received_at;
    k->etag = copy(http_header(r, "etag"));
    k->many = copy(http_header(r, "X-Many"));
    pthread_cond_broadcast(&k->box->changed);
}

struct box_call *box_start(struct http_box *b, const struct http_request *req) {
    struct box_call *k = xcalloc(1, sizeof *k);
    struct http_request q = *req;
    k->box = b;
    k->url = q.url[0] == '/' ? http_peer_url(b->peer, q.url) : xstrdup(q.url);
    q.url = k->url;
    q.method = q.method ? q.method : "GET";
    q.max_response = q.max_response ? q.max_response : 1 << 20;
    k->call = http_submit(b->http, &q, done, k);
    return k;
}

struct box_call *box_wait(struct box_call *k) {
    SCOPE_LOCK(&k->box->mutex);
    while (k->times_done == 0)
        pthread_cond_wait(&k->box->changed, &k->box->mutex);
    return k;
}

struct box_call *box_run(struct http_box *b, const struct http_request *req) {
    return box_wait(box_start(b, req));
}

struct box_call *box_get(struct http_box *b, const char *path) {
    return box_run(b, &(struct http_request){.url = path});
}

struct box_call *box_call_free(struct box_call *k) {
    if (!k)
        return NULL;
    box_wait(k);
    free(k->url);
    free(k->why);
    free(k->body);
    free(k->etag);
    free(k->many);
    free(k);
    return NULL;
}

bool box_gets(struct http_box *b, const char *path, int status) {
    struct box_call *k = box_get(b, path);
    bool fits = k->err == 0 && k->status == status;
    if (!fits)
        fprintf(stderr, "%s: err %d, status %d, %s\n", path, k->err, k->status, k->why);
    box_call_free(k);
    return fits;
}
