/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_http.h"
#include "base/file.h"

#include <strings.h>
#include <time.h>

#define ANSWERS_MAX 256
#define BODY_MAX ((size_t)256 << 20)

struct http_call {
    struct http *http;
    struct fake_request *request;
    struct fake_answer answer;
    http_done done;
    void *arg;
    bool posted;
    struct http_call *next;
};

struct http {
    struct env *env;
    fake_http_handler handler;
    void *arg;
    struct fake_answer said[ANSWERS_MAX];
    size_t n_said, n_given;
    struct fake_request **requests;
    size_t n_requests;
    struct http_call *calls;
};

struct http *fake_http_new(struct env *env, fake_http_handler handler, void *arg) {
    struct http *h = xcalloc(1, sizeof *h);
    h->env = env;
    h->handler = handler;
    h->arg = arg;
    return h;
}

static void request_free(struct fake_request *r) {
    for (size_t i = 0; i < r->n_headers; i++)
        free(r->headers[i]);
    free(r->headers);
    free(r->method);
    free(r->url);
    buf_free(&r->body);
    free(r);
}

struct http *fake_http_free(struct http *h) {
    if (!h)
        return NULL;
    for (struct http_call *c = h->calls, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    for (size_t i = 0; i < h->n_requests; i++)
        request_free(h->requests[i]);
    free(h->requests);
    free(h);
    return NULL;
}

void fake_http_say(struct http *h, const struct fake_answer *a) {
    if (h->n_said == ANSWERS_MAX)
        abort();
    h->said[h->n_said++] = *a;
}

size_t fake_http_count(struct http *h) {
    return h->n_requests;
}

const struct fake_request *fake_http_request(struct http *h, size_t i) {
    return i < h->n_requests ? h->requests[i] : NULL;
}

static const char *value_of(const char *line, const char *name) {
    size_t n = strlen(name);
    if (strncasecmp(line, name, n) || line[n] != ':')
        return NULL;
    return line + n + 1 + strspn(line + n + 1, " ");
}

const char *fake_request_header(const struct fake_request *r, const char *name) {
    const char *value = NULL;
    for (size_t i = 0; i < r->n_headers && !value; i++)
        value = value_of(r->headers[i], name);
    return value;
}

struct bytes *fake_http_keep_body(const struct http_response *r) {
    return bytes_copy(r->body, r->len);
}

const char *fake_http_header(const struct http_response *r, const char *name) {
    const char *value = NULL;
    for (size_t i = 0; r->headers && i < r->headers->n; i++)
        if (value_of(r->headers->lines[i], name))
            value = value_of(r->headers->lines[i], name);
    return value;
}

int64_t fake_http_date(const char *value) {
    struct tm tm = {0};
    const char *end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return end && !*end ? (int64_t)timegm(&tm) : -1;
}

/* ---- calls */

static void call_unlink(struct http_call *call) {
    struct http_call **at = &call->http->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
}

static void deliver(void *arg) {
    struct http_call *c = arg;
    const struct fake_answer *a = &c->answer;
    struct http_headers headers = {.lines = a->headers};
    while (headers.n < FAKE_HEADERS_MAX && a->headers[headers.n])
        headers.n++;
    struct http_response r = {.err = a->err,
                              .why = a->err ? (a->why ? a->why : "the fake engine was told to fail") : NULL,
                              .status = a->status,
                              .body = a->body ? a->body : "",
                              .len = a->len || !a->body ? a->len : strlen(a->body),
                              .ranged = a->ranged,
                              .received_at = env_now(c->http->env),
                              .headers = &headers};
    r.total = a->total ? a->total : r.len;
    call_unlink(c);
    c->done(c->arg, &r);
    free(c);
}

static struct fake_request *keep(struct http *h, const struct http_request *q) {
    struct fake_request *r = xcalloc(1, sizeof *r);
    r->method = xstrdup(q->method);
    r->url = xstrdup(q->url);
    r->headers = xcalloc(q->n_headers + 1, sizeof *r->headers);
    for (; r->n_headers < q->n_headers; r->n_headers++)
        r->headers[r->n_headers] = xstrdup(q->headers[r->n_headers]);
    r->body = BUF_INIT(BODY_MAX);
    if (q->bytes) {
        buf_append(&r->body, q->bytes, q->size);
    } else if (q->size) {
        buf_reserve(&r->body, q->size);
        if (file_pread_all(q->fd, r->body.data, q->size, q->fd_off) == 0)
            r->body.len = q->size;
    }
    r->range_off = q->range_off;
    r->range_len = q->range_len;
    r->max_response = q->max_response;
    r->timeout_ns = q->timeout_ns;
    r->flags = q->flags;
    h->requests = xrealloc(h->requests, (h->n_requests + 1) * sizeof(struct fake_request *));
    h->requests[h->n_requests++] = r;
    return r;
}

struct http_call *fake_http_submit(struct http *h, const struct http_request *q, http_done done, void *arg) {
    struct http_call *c = xcalloc(1, sizeof *c);
    *c = (struct http_call){.http = h, .request = keep(h, q), .done = done, .arg = arg, .next = h->calls};
    h->calls = c;
    if (h->n_given < h->n_said)
        c->answer = h->said[h->n_given++];
    else if (h->handler)
        h->handler(h->arg, c->request, &c->answer);
    else
        c->answer.hold = true;
    c->posted = !c->answer.hold;
    if (c->posted)
        env_post(h->env, deliver, c);
    return c;
}

void fake_http_cancel(struct http *h, struct http_call *c) {
    c->request->cancelled = true;
    if (c->posted)
        return;
    c->answer = (struct fake_answer){.err = -ECANCELED, .why = "it was cancelled"};
    c->posted = true;
    env_post(h->env, deliver, c);
}

size_t fake_http_active(struct http *h) {
    size_t n = 0;
    for (struct http_call *c = h->calls; c; c = c->next)
        n++;
    return n;
}
