/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

/* "https://host:port" of a URL. */
static size_t origin_length(const char *url) {
    const char *p = strstr(url, "://");
    p = p ? p + 3 : url;
    return (size_t)(p - url) + strcspn(p, "/?#");
}

struct http_host *http_host_of(struct http *h, const char *url) {
    size_t n = origin_length(url);
    struct http_host *host;
    HASH_FIND(hh, h->hosts, url, n, host);
    if (host)
        return host;
    host = xcalloc(1, sizeof *host);
    host->name = xstrndup(url, n);
    host->window = h->max_connections;
    HASH_ADD_KEYPTR(hh, h->hosts, host->name, n, host);
    return host;
}

static struct http_call **queue_of(struct http_call *c) {
    return c->req.flags & HTTP_URGENT ? &c->host->urgent : &c->host->waiting;
}

void http_host_queue(struct http_call *c) {
    c->host = http_host_of(c->http, c->req.url);
    c->queued = true;
    c->http->n_queued++;
    c->http->next_check = MIN(c->http->next_check, c->deadline);
    struct http_call **queue = queue_of(c);
    DL_APPEND(*queue, c);
}

void http_host_queue_first(struct http_call *c) {
    http_host_queue(c);
    struct http_call **queue = queue_of(c);
    DL_DELETE(*queue, c);
    DL_PREPEND(*queue, c);
}

void http_host_unqueue(struct http_call *c) {
    struct http_call **queue = queue_of(c);
    DL_DELETE(*queue, c);
    c->queued = false;
    c->http->n_queued--;
}

static void pump(struct http_host *host, int64_t now) {
    if (now < host->not_before)
        return;
    for (struct http_call *c;
         (c = host->urgent ? host->urgent : host->waiting) && host->running < (unsigned)host->window;) {
        http_two_offer(c);
        if (http_two_waits(c))
            return;
        bool fresh = host->fresh || (c->req.flags & HTTP_FRESH_CONNECTION) || c->again > 1 || (c->two && host->unwell);
        host->fresh = false;
        http_host_unqueue(c);
        http_transfer_start(c, fresh, now);
    }
}

void http_host_pump(struct http *h, int64_t now) {
    struct http_host *host, *next;
    if (h->n_queued > 0)
        HASH_ITER (hh, h->hosts, host, next)
            pump(host, now);
}

int64_t http_host_next(const struct http *h, int64_t now) {
    int64_t at = INT64_MAX;
    for (const struct http_host *host = h->hosts; host; host = host->hh.next)
        if ((host->urgent || host->waiting) && host->not_before > now)
            at = MIN(at, host->not_before);
    return at;
}

/* How long Retry-After asks to wait. A date is compared with the server's own clock where it says the time.
 */
static int64_t retry_after(const struct http_call *c) {
    const char *value = http_header(&c->res, "Retry-After"), *date = http_header(&c->res, "Date");
    const int64_t most = HTTP_PAUSE_MAX_NS / NS_PER_S;
    int64_t seconds = 0;
    if (!value)
        return 0;
    if (value[0] && strspn(value, "0123456789") == strlen(value)) {
        seconds = strlen(value) > 9 ? most : strtol(value, NULL, 10);
    } else {
        int64_t until = http_date(value), from = date ? http_date(date) : -1;
        seconds = until < 0 ? 0 : until - (from < 0 ? c->res.received_at / NS_PER_S : from);
    }
    return MAX(MIN(seconds, most), 0) * NS_PER_S;
}

static bool breaks_connection(int err) {
    return err == -ETIMEDOUT || err == -ECONNRESET || err == -ECONNREFUSED || err == -EHOSTUNREACH;
}

void http_host_learn(struct http_call *c, int err, int64_t now) {
    struct http_host *host = c->host;
    if (err < 0) {
        host->fresh |= breaks_connection(err);
        host->unwell |= c->two && breaks_connection(err);
        return;
    }
    host->unwell = false;
    host->fresh |= c->status >= 500;
    if (c->status == 429 || c->status == 503) {
        host->window = MAX(host->window / 2, 1);
        int64_t pause = retry_after(c);
        if (pause > 0)
            host->not_before = MAX(host->not_before, now + pause);
    } else if (c->status < 500) {
        host->window = MIN(host->window + 1 / host->window, (double)c->http->max_connections);
    }
    if (c->asked_continue && !c->got_continue && c->status < 300)
        host->no_expect = true;
}
