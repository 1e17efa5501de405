/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

/* A request is sent again so often: over another connection, over a new one, by HTTP/1.1. */
#define AGAIN_MAX 3
/* When one stream has stalled, others without a byte for so long share its fate. */
#define QUIET_NS (5 * NS_PER_S)

/* What curl's own connect timeout ends it takes away under others that share it; so it gets none, and check_running() in http_thread.c ends the call. */
#define CONNECT_TIMEOUT_NONE_MS 86400000L

void http_two_offer(struct http_call *c) {
    const char *method = c->req.method;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    c->two = c->http->two && reads && !c->host->only_one && c->again < AGAIN_MAX && strncmp(c->req.url, "https:", 6) == 0;
}

void http_two_set(struct http_call *c) {
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)(c->two ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    if (c->two)
        curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_NONE_MS);
}

/* What it was answered by; false: there is no answer yet. */
static bool is_http2(const struct http_call *c) {
    long version = 0;
    curl_easy_getinfo(c->easy, CURLINFO_HTTP_VERSION, &version);
    return version == CURL_HTTP_VERSION_2_0;
}

void http_two_learn(struct http_call *c) {
    if (c->two && !is_http2(c))
        c->host->only_one = true;
}

/* The end of a body without a length is the end of its stream, and curl 7.88 takes the end of the connection for that, too. */
static bool may_be_cut(const struct http_call *c, CURLcode code) {
    return code == CURLE_OK && is_http2(c) && c->status >= 200 && c->status < 300 && c->length == UINT64_MAX &&
           strcmp(c->req.method, "HEAD") != 0;
}

/* Whether others shared the connection cannot be told where it broke before an answer: curl joins them to a new one, too, and makes one anew by itself. */
static bool is_broken(CURLcode code) {
    switch (code) {
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_OK: /* in the middle of the head */
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return true;
    default:
        return false;
    }
}

bool http_two_broke(struct http_call *c, CURLcode code) {
    if (!c->two || c->failed)
        return false;
    if (!http_transfer_answered(c, code)) {
        c->again++;
        return is_broken(code);
    }
    c->again = AGAIN_MAX; /* it would be the same again, but by HTTP/1.1 */
    return may_be_cut(c, code);
}

/* curl 7.88 lets others join a connection that is being made, without counting them, and takes it away under them when that fails: so one at a time makes one. */
bool http_two_waits(const struct http_call *c) {
    return c->two && c->host->opening && !c->host->unwell;
}

bool http_two_connects(const struct http_call *c) {
    curl_off_t us = 0;
    curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
    return c->two && us == 0;
}

bool http_two_opened(struct http *h) {
    bool opened = false;
    for (struct http_host *host = h->hosts; h->two && host; host = host->hh.next) {
        if (!host->opening || http_two_connects(host->opening))
            continue;
        /* Should curl send it again by itself, then over a connection that nobody else waits for. */
        curl_easy_setopt(host->opening->easy, CURLOPT_FRESH_CONNECT, 1L);
        host->opening = NULL;
        opened |= host->urgent || host->waiting;
    }
    return opened;
}

void http_two_doubt(struct http_call *c, int64_t now) {
    if (c->two)
        c->host->doubted_at = now;
}

static bool got_something(const struct http_call *c) {
    curl_off_t down = 0;
    long head = 0;
    curl_easy_getinfo(c->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(c->easy, CURLINFO_HEADER_SIZE, &head);
    return down > 0 || head > 0;
}

bool http_two_is_doubted(const struct http_call *c, int64_t now) {
    return c->two && c->started_at < c->host->doubted_at && (!got_something(c) || now - c->moved_at >= QUIET_NS);
}
