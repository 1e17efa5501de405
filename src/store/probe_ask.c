/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/probe_parts.h"
#include <openssl/crypto.h>

#define TRIES 3
#define ANSWER_MAX ((size_t)1 << 20)
#define TIMEOUT_NS (20 * NS_PER_S)
#define HEADERS_MAX 16

struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done;                /* guarded by mutex */
    struct probe_answer *ret; /* the loop's until done */
    struct http_headers headers;
};

/* A copy of what is valid during the completion only. */
static void copy_response(const struct http_response *from, struct probe_answer *ret) {
    char **lines = xcalloc(from->headers ? from->headers->n + 1 : 1, sizeof *lines);
    struct http_headers *headers = xcalloc(1, sizeof *headers);
    char *body = xcalloc(1, from->len + 1);
    for (size_t i = 0; from->headers && i < from->headers->n; i++)
        lines[headers->n++] = xstrdup(from->headers->lines[i]);
    headers->lines = (const char *const *)lines;
    if (from->len)
        memcpy(body, from->body, from->len);
    ret->res = *from;
    ret->res.why = NULL;
    ret->res.headers = headers;
    ret->res.body = body;
}

static void answered(void *arg, const struct http_response *response) {
    struct wait *w = arg;
    SCOPE_LOCK(&w->mutex);
    w->ret->err = response->err;
    w->ret->why = response->why ? xstrdup(response->why) : NULL;
    copy_response(response, w->ret);
    w->done = true;
    pthread_cond_signal(&w->changed);
}

void probe_answer_free(struct probe_answer *a) {
    if (a->res.headers) {
        for (size_t i = 0; i < a->res.headers->n; i++)
            free((void *)(uintptr_t)a->res.headers->lines[i]);
        free((void *)(uintptr_t)a->res.headers->lines);
        free((void *)(uintptr_t)a->res.headers);
    }
    free((void *)(uintptr_t)a->res.body);
    free(a->why);
    refusal_free(&a->refusal);
    *a = (struct probe_answer){0};
}

static void ask_once(struct probe *p, const struct probe_ask *ask, const char *url,
                     const char *const *headers, size_t n_headers, struct probe_answer *ret) {
    struct wait w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .ret = ret};
    struct http_request request = {.method = ask->method,
                                   .url = url,
                                   .headers = headers,
                                   .n_headers = n_headers,
                                   .bytes = ask->body ? ask->body : "",
                                   .fd = -1,
                                   .size = ask->body ? strlen(ask->body) : 0,
                                   .max_response = ANSWER_MAX,
                                   .timeout_ns = MIN(p->opt->timeout, TIMEOUT_NS)};
    *ret = (struct probe_answer){0};
    http_submit(p->http, &request, answered, &w);
    pthread_mutex_lock(&w.mutex);
    while (!w.done)
        pthread_cond_wait(&w.changed, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    if (!ret->err)
        refusal_read(&ret->res, strcmp(ask->method, "GET") ? REFUSAL_PUT : REFUSAL_GET, &ret->refusal);
}

static bool worth_another(const struct probe_answer *a) {
    int status = a->res.status;
    return a->err ? a->err == -ECONNRESET : status >= 500 || status == 409 || status == 429;
}

static void ask(struct probe *p, const struct probe_ask *what, const char *url, const char *const *headers,
                size_t n_headers, struct probe_answer *ret) {
    ask_once(p, what, url, headers, n_headers, ret);
    for (int i = 1; i < TRIES && worth_another(ret); i++) {
        probe_answer_free(ret);
        ask_once(p, what, url, headers, n_headers, ret);
    }
}

/* With the headers of the request, and those of the pass (NULL: none). */
static void ask_unsigned(struct probe *p, const struct probe_ask *what, const char *url,
                         const struct cdn_pass *pass, struct probe_answer *ret) {
    char *lines[HEADERS_MAX + HEADER_LINES_MAX + 1] = {0};
    size_t n = 0;
    for (; n < what->n_headers && n < HEADERS_MAX; n++)
        lines[n] = xasprintf("%s: %s", what->headers[n].name, what->headers[n].value);
    for (size_t i = 0; pass && i < pass->n_headers; i++)
        lines[n++] = xstrdup(pass->headers[i]);
    ask(p, what, url, (const char *const *)lines, n, ret);
    while (n > 0) {
        OPENSSL_cleanse(lines[n - 1], strlen(lines[n - 1]));
        free(lines[--n]);
    }
}

/* "?a=b", or "" */
static char *query_text(const struct probe_ask *what) {
    CLEANUP_BUF struct buf query = BUF_INIT(4096);
    if (what->n_query)
        sigv4_query(what->query, what->n_query, &query);
    return xasprintf("%s%s", query.len ? "?" : "", query.len ? buf_str(&query) : "");
}

void probe_ask_s3(struct probe *p, const struct probe_ask *what, struct probe_answer *ret) {
    struct credential credential = {0};
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    char hex[DIGEST_HEX_SIZE];
    uint8_t digest[DIGEST_SIZE];
    if (what->anonymous) {
        CLEANUP_FREE char *plain = s3_place_url(&p->place, what->key), *query = query_text(what);
        CLEANUP_FREE char *url = xasprintf("%s%s", plain, query);
        ask_unsigned(p, what, url, NULL, ret);
        return;
    }
    *ret = (struct probe_answer){0};
    if (credentials_get_sync(p->credentials, &credential, &why) < 0) {
        ret->err = -EACCES;
        ret->why = xstrdup(why.len ? buf_str(&why) : "there are no credentials");
        return;
    }
    digest_of(what->body ? what->body : "", what->body ? strlen(what->body) : 0, digest);
    digest_hex(digest, hex);
    struct s3_signed ready;
    struct s3_request request = {.method = what->method,
                                 .key = what->key,
                                 .query = what->query,
                                 .n_query = what->n_query,
                                 .headers = what->headers,
                                 .n_headers = what->n_headers,
                                 .payload = what->payload ? what->payload : hex};
    s3_sign(&p->place, &credential, &request, env_now(p->env) / NS_PER_S + p->skew, &ready);
    credential_free(&credential);
    ask(p, what, ready.url, (const char *const *)ready.headers, ready.n_headers, ret);
    s3_signed_free(&ready);
}

/* As a mount's read does. */
static void ask_with_pass(struct probe *p, const struct probe_ask *what, const char *url,
                          struct probe_answer *ret) {
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    struct cdn_pass pass = {0};
    *ret = (struct probe_answer){0};
    ret->err = cdn_access_pass(p->access, url, &pass, &why);
    if (ret->err == 0)
        ask_unsigned(p, what, pass.url, &pass, ret);
    else
        ret->why = xstrdup(why.len ? buf_str(&why) : strerror(-ret->err));
    cdn_pass_free(&pass);
}

void probe_ask_cdn(struct probe *p, const struct probe_ask *what, struct probe_answer *ret) {
    CLEANUP_BUF struct buf url = BUF_INIT((size_t)16 << 10);
    CLEANUP_FREE char *query = query_text(what);
    buf_printf(&url, "%s/", p->cdn_url);
    url_encode(&url, what->key, strlen(what->key), true);
    buf_append_str(&url, query);
    if (p->access && !what->anonymous)
        ask_with_pass(p, what, buf_str(&url), ret);
    else
        ask_unsigned(p, what, buf_str(&url), NULL, ret);
}

/* ---- what an answer is */

bool probe_is_good(const struct probe_answer *a) {
    return !a->err && a->res.status < 300 && !a->refusal.code;
}

bool probe_is_the_object(const struct probe_answer *a) {
    return !a->err && a->res.status == 200 && a->res.len == strlen(PROBE_TEXT) &&
           !memcmp(a->res.body, PROBE_TEXT, a->res.len);
}

bool probe_is_denied(const struct probe_answer *a) {
    return !a->err && a->refusal.by == BY_S3 && (a->res.status == 403 || a->res.status == 401);
}

bool probe_did_or_would(const struct probe_answer *a) {
    int status = a->res.status;
    if (a->err)
        return false;
    if (status < 300)
        return !a->refusal.code &&
               (status == 204 || probe_header(a, "etag") || probe_header(a, "x-amz-request-id"));
    return a->refusal.by == BY_S3 &&
           (status == 412 || (a->refusal.code && !strcmp(a->refusal.code, "NoSuchKey")));
}

bool probe_is_wrong_digest(const struct probe_answer *a) {
    static const char *const codes[] = {"XAmzContentSHA256Mismatch", "BadDigest", "InvalidDigest",
                                        "XAmzContentChecksumMismatch"};
    for (size_t i = 0; !a->err && a->refusal.code && i < ARRAY_SIZE(codes); i++)
        if (!strcmp(a->refusal.code, codes[i]))
            return true;
    return false;
}

/* ---- reports */

char *probe_said(const struct probe_answer *a) {
    struct buf b = BUF_INIT(8192);
    if (a->err) {
        buf_printf(&b, "%s", a->why ? a->why : strerror(-a->err));
    } else if (a->res.status < 300 && !a->refusal.code) {
        buf_printf(&b, "%d", a->res.status);
    } else {
        refusal_name(&a->refusal, &b);
    }
    return (char *)buf_take(&b, NULL);
}

void probe_details(struct probe *p, const struct probe_answer *a) {
    CLEANUP_BUF struct buf b = BUF_INIT(8192);
    if (!a->err && !probe_is_good(a))
        refusal_details(&a->refusal, &b);
    if (b.len)
        report_details(p->report, buf_str(&b));
}

void probe_report_refusal(struct probe *p, const char *check, enum finding f, const struct probe_answer *a) {
    CLEANUP_FREE char *said = probe_said(a);
    if (a->err == -EPROTO)
        report_add(
            p->report, check, f,
            "no connection that can be trusted: certificate, host name, TLS version, or no HTTP at all",
            "look at the address, at ca_file= if the certificate is your own authority's, and at the "
            "clock; the server must speak TLS 1.2 or later",
            "%s", said);
    else if (a->err == -EACCES)
        report_add(p->report, check, f, "this host has no credentials for S3",
                   "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with profile=", "%s",
                   said);
    else if (a->err)
        report_add(p->report, check, f, "nobody answers there",
                   "look at the address (endpoint=, region=, cdn=), at firewalls, and at proxy=", "%s", said);
    else
        report_add(p->report, check, f, refusal_sentence(&a->refusal), refusal_step(&a->refusal), "%s", said);
    probe_details(p, a);
}

void probe_report_tls(struct probe *p, const char *check, const char *where, const struct probe_answer *a) {
    if (a->err)
        return; /* said already */
    if (a->res.tls)
        report_add(p->report, check, FINDING_OK, "encrypted, and the certificate was verified", NULL,
                   "%s with %s", a->res.tls, where);
    else
        report_add(p->report, check, p->opt->insecure_http ? FINDING_WARNING : FINDING_NOTE,
                   p->opt->insecure_http ? "whoever is on the way can read and change what is transferred"
                                         : "nothing leaves this machine unencrypted",
                   p->opt->insecure_http ? "use https:// and take insecure_http away" : NULL,
                   "no TLS with %s", where);
}
