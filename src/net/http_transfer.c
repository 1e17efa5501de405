/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <strings.h>

/* What curl reads from, and writes to, a socket at once. */
#define BUFFER_LARGE (512L << 10)
#define BUFFER_SMALL (64L << 10)
/* A larger body is only sent when the server has seen the head and wants it. */
#define CONTINUE_FROM ((uint64_t)1 << 20)
/* Without an answer to 100-continue the body is sent after so long. */
#define CONTINUE_WAIT_MS 1000L
/* S3 and CloudFront close idle connections after some seconds, NAT routers forget them after a minute or so.
 */
#define CONNECTION_IDLE_MAX_S 60L
#define CONNECTION_LIFE_MAX_S 3600L
/* So long after http_host.good_from curl's clock of whole seconds cannot tell old connections from new ones.
 */
#define GOOD_FROM_NS (2 * NS_PER_S)
/* The file of certificates is read anew after so long. */
#define CA_CACHE_S 600L
/* Of a body that is only dropped: beyond so much it is not worth keeping the connection. */
#define DROP_MAX ((uint64_t)16 << 20)
/* A Content-Length up to this is believed, and the memory for it taken at once. */
#define PLAUSIBLE_LENGTH ((uint64_t)64 << 20)
#define FIRST_ROOM ((size_t)16 << 10)
#define IDLE_HANDLES_MAX 128
#define UNSENT_MAX (256U << 10)

char *http_why(const struct http_call *c, const char *fmt, ...) {
    CLEANUP_BUF struct buf b = BUF_INIT(8192);
    const char *url = c->req.url, *p = strstr(url, "://");
    p = p ? p + 3 : url;
    size_t n = strcspn(p, "/?#");
    const char *at = memrchr(p, '@', n);
    if (at) { /* a password does not belong here */
        n -= (size_t)(at + 1 - p);
        p = at + 1;
    }
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    text[strcspn(text, "?\r\n")] = 0; /* should curl ever quote a URL */
    buf_printf(&b, "%.*s: %s", (int)MIN(n, 300), p, text);
    free(text);
    return (char *)buf_take(&b, NULL);
}

/* The version that was agreed on; OpenSSL's own text for it. */
static const char *tls_version(const struct http_call *c) {
    const struct curl_tlssessioninfo *info = NULL;
    if (curl_easy_getinfo(c->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info || !info->internals ||
        info->backend != CURLSSLBACKEND_OPENSSL)
        return NULL;
    return SSL_get_version(info->internals);
}

static size_t on_head(char *p, size_t size, size_t n, void *arg) {
    struct http_call *c = arg;
    bool was_complete = c->head_complete;
    if (!http_head_line(c, p, size * n))
        return 0;
    if (c->head_complete && !was_complete && strncmp(c->req.url, "https", 5) == 0)
        c->res.tls = tls_version(c);
    if (c->head_complete && !was_complete)
        http_two_learn(c);
    if (c->head_complete && !was_complete && c->status >= 500)
        curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L);
    return size * n;
}

static void make_room(struct http_call *c, size_t more) {
    if (c->cap - c->len >= more)
        return;
    uint64_t cap = MAX(2 * (uint64_t)c->cap, MAX(c->len + more, FIRST_ROOM));
    uint64_t length = c->length == UINT64_MAX || c->length < c->skip ? 0 : c->length - c->skip;
    if (c->cap == 0 && length > 0 && length <= PLAUSIBLE_LENGTH)
        cap = MAX(length, more);
    size_t size = MAX(MIN(cap, c->keep), c->len + more);
    unsigned char *room = http_room_take(c->http, &size);
    if (c->len > 0)
        memcpy(room, c->body, c->len);
    if (c->len > 0 && (c->req.flags & HTTP_SECRET))
        explicit_bzero(c->body, c->len);
    http_room_give(c->http, c->body, c->cap);
    c->body = room;
    c->cap = size;
}

static void keep_bytes(struct http_call *c, const char *p, uint64_t n) {
    uint64_t skip = MIN(n, c->skip);
    c->skip -= skip;
    p += skip;
    n = MIN(n - skip, c->keep - c->len);
    if (n == 0)
        return;
    make_room(c, n);
    memcpy(c->body + c->len, p, n);
    c->len += n;
}

/* Is there more, or may there be? */
static bool more_to_come(const struct http_call *c) {
    return c->length == UINT64_MAX || c->came < c->length;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg) {
    struct http_call *c = arg;
    struct http *h = c->http;
    n *= size;
    if (!http_limit_ready(&h->down, http_mono())) {
        h->n_receive_paused += !c->receive_paused;
        c->receive_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    http_limit_take(&h->down, n);
    uint64_t wanted = c->skip + (c->keep - c->len);
    c->came += n;
    keep_bytes(c, p, n);
    if (n > wanted && c->rest == HTTP_REST_IS_TOO_MUCH) {
        c->failed = -EMSGSIZE;
        return 0;
    }
    c->cut = (c->rest == HTTP_REST_IS_CUT && n >= wanted && (n > wanted || more_to_come(c))) ||
             (c->rest == HTTP_REST_IS_DROPPED && c->came > DROP_MAX);
    return c->cut ? 0 : n;
}

static size_t on_send(char *p, size_t size, size_t n, void *arg) {
    struct http_call *c = arg;
    struct http *h = c->http;
    n = MIN(size * n, c->req.size - c->sent);
    if (n == 0)
        return 0;
    if (!http_limit_ready(&h->up, http_mono())) {
        h->n_send_paused += !c->send_paused;
        c->send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    if (h->up.rate)
        n = MIN(n, (size_t)h->up.burst);
    ssize_t r = (ssize_t)n;
    if (c->req.bytes)
        memcpy(p, (const char *)c->req.bytes + c->sent, n);
    else
        do
            r = pread(c->req.fd, p, n, (off_t)(c->req.fd_off + c->sent));
        while (r < 0 && errno == EINTR);
    if (r <= 0) {
        c->failed = -EIO;
        c->why = r < 0 ? http_why(c, "the file to be sent cannot be read: %s", strerror(errno))
                       : http_why(c, "the file to be sent ends after %" PRIu64 " of %" PRIu64 " bytes",
                                  c->sent, c->req.size);
        return CURL_READFUNC_ABORT;
    }
    c->sent += (uint64_t)r;
    http_limit_take(&h->up, (uint64_t)r);
    return (size_t)r;
}

/* curl sends the body again on a new connection when a kept one turns out to be dead. */
static int on_seek(void *arg, curl_off_t off, int whence) {
    struct http_call *c = arg;
    if (whence != SEEK_SET || off < 0 || (uint64_t)off > c->req.size)
        return CURL_SEEKFUNC_FAIL;
    c->sent = (uint64_t)off;
    return CURL_SEEKFUNC_OK;
}

/* What the kernel has taken and not sent counts as moved (http_thread.c): so let it not take megabytes ahead
 * of a slow line. */
static int on_socket(void *arg ATTR_UNUSED, curl_socket_t fd, curlsocktype purpose ATTR_UNUSED) {
    unsigned most = UNSENT_MAX;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
    return CURL_SOCKOPT_OK;
}

#define SET(c, option, value) curl_easy_setopt((c)->easy, CURLOPT_##option, value)

static void add_line(struct http_call *c, const char *line) {
    struct curl_slist *lines = curl_slist_append(c->lines, line);
    if (!lines)
        abort(); /* no memory */
    c->lines = lines;
}

static bool has_line(const struct http_call *c, const char *name) {
    size_t n = strlen(name);
    for (const struct curl_slist *l = c->lines; l; l = l->next)
        if (strncasecmp(l->data, name, n) == 0 && l->data[n] == ':')
            return true;
    return false;
}

/* What is the same for all requests. */
static void set_engine(struct http_call *c) {
    struct http *h = c->http;
    SET(c, NOSIGNAL, 1L);
    SET(c, PROTOCOLS_STR, "http,https");
    SET(c, PATH_AS_IS, 1L);
    SET(c, DISALLOW_USERNAME_IN_URL, 1L);
    SET(c, SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(c, SSL_VERIFYPEER, 1L);
    SET(c, SSL_VERIFYHOST, 2L);
    SET(c, CAINFO, h->ca_file);
    SET(c, CAPATH, h->ca_path);
    SET(c, CA_CACHE_TIMEOUT, CA_CACHE_S);
    SET(c, SHARE, h->share);
    SET(c, USERAGENT, h->user_agent);
    if (c->req.flags & HTTP_DIRECT)
        SET(c, PROXY, "");
    else if (h->proxy)
        SET(c, PROXY, h->proxy);
    SET(c, SUPPRESS_CONNECT_HEADERS, 1L);
    SET(c, CONNECTTIMEOUT_MS, (long)((h->connect_timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
    SET(c, EXPECT_100_TIMEOUT_MS, CONTINUE_WAIT_MS);
    SET(c, TCP_KEEPALIVE, 1L);
    SET(c, TCP_KEEPIDLE, 30L);
    SET(c, TCP_KEEPINTVL, 10L);
    SET(c, SOCKOPTFUNCTION, on_socket);
    SET(c, QUICK_EXIT, 1L); /* a slow look-up of a name is left to itself instead of being waited for */
    SET(c, ERRORBUFFER, c->curl_said);
    SET(c, PRIVATE, c);
    SET(c, HEADERFUNCTION, on_head);
    SET(c, HEADERDATA, c);
    SET(c, WRITEFUNCTION, on_body);
    SET(c, WRITEDATA, c);
    http_two_set(c);
}

static void set_connection(struct http_call *c, bool fresh, int64_t now) {
    int64_t from = c->host->good_from, since = now - from;
    long life = CONNECTION_LIFE_MAX_S;
    if (from && since <= GOOD_FROM_NS)
        fresh = true;
    else if (from && since / NS_PER_S - 1 < life)
        life = (long)(since / NS_PER_S - 1);
    SET(c, MAXAGE_CONN, CONNECTION_IDLE_MAX_S);
    SET(c, MAXLIFETIME_CONN, MAX(life, 1L));
    SET(c, FRESH_CONNECT, fresh ? 1L : 0L);
    if (fresh)
        SET(c, DNS_CACHE_TIMEOUT, 0L);
}

/* curl's buffers hold what a limit holds back: so they are small then. */
static long buffer_size(const struct http_limit *l, uint64_t bytes) {
    long size = bytes <= (uint64_t)BUFFER_SMALL ? BUFFER_SMALL : BUFFER_LARGE;
    return l->rate ? MIN(size, MAX((long)MIN(l->burst, BUFFER_LARGE), 16L << 10)) : size;
}

static void set_download(struct http_call *c) {
    uint64_t off = c->req.range_off, n = c->req.range_len;
    if (n > 0 && !has_line(c, "Range")) { /* it has one when it is sent again */
        CLEANUP_FREE char *range = xasprintf("Range: bytes=%" PRIu64 "-%" PRIu64, off, off + n - 1);
        add_line(c, range);
    }
    SET(c, BUFFERSIZE, buffer_size(&c->http->down, n ? n : c->req.max_response));
    if (strcmp(c->req.method, "HEAD") == 0)
        SET(c, NOBODY, 1L);
    else if (strcmp(c->req.method, "GET") != 0)
        SET(c, CUSTOMREQUEST, c->req.method);
}

static bool read_small_body(struct http_call *c) {
    size_t n = c->req.size, have = 0;
    c->small_body = xmalloc(MAX(n, 1));
    while (have < n) {
        ssize_t r = pread(c->req.fd, (char *)c->small_body + have, n - have, (off_t)(c->req.fd_off + have));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            c->why = http_why(c, "the file to be sent cannot be read: %s", strerror(errno));
        else if (r == 0)
            c->why = http_why(c, "the file to be sent ends after %zu of %zu bytes", have, n);
        if (r <= 0)
            return false;
        have += (size_t)r;
    }
    return true;
}

/* False: the body cannot be read. */
static bool set_upload(struct http_call *c) {
    struct http *h = c->http;
    SET(c, BUFFERSIZE, BUFFER_SMALL);
    SET(c, CUSTOMREQUEST, c->req.method);
    if (!has_line(c, "Content-Type"))
        add_line(c, "Content-Type:"); /* not curl's own */
    if (c->req.size <= HTTP_SMALL_BODY && !h->up.rate) {
        if (!c->req.bytes && !read_small_body(c))
            return false;
        SET(c, POSTFIELDSIZE_LARGE, (curl_off_t)c->req.size);
        SET(c, POSTFIELDS, c->req.bytes ? c->req.bytes : c->small_body);
        c->sent = c->req.size;
        return true;
    }
    SET(c, UPLOAD, 1L);
    SET(c, INFILESIZE_LARGE, (curl_off_t)c->req.size);
    SET(c, UPLOAD_BUFFERSIZE, buffer_size(&h->up, c->req.size));
    SET(c, READFUNCTION, on_send);
    SET(c, READDATA, c);
    SET(c, SEEKFUNCTION, on_seek);
    SET(c, SEEKDATA, c);
    c->asked_continue = c->req.size > CONTINUE_FROM && !c->host->no_expect;
    if (!c->asked_continue)
        add_line(c, "Expect:");
    return true;
}

static CURL *take_handle(struct http *h) {
    CURL *easy = h->n_idle > 0 ? h->idle[--h->n_idle] : curl_easy_init();
    if (!easy)
        abort(); /* no memory */
    return easy;
}

static void give_handle(struct http *h, CURL *easy) {
    if (h->n_idle == IDLE_HANDLES_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    if (!h->idle)
        h->idle = xcalloc(IDLE_HANDLES_MAX, sizeof *h->idle);
    curl_easy_reset(easy);
    h->idle[h->n_idle++] = easy;
}

void http_transfer_start(struct http_call *c, bool fresh, int64_t now) {
    struct http *h = c->http;
    bool upload = strcmp(c->req.method, "PUT") == 0 || strcmp(c->req.method, "POST") == 0;
    c->easy = take_handle(h);
    c->started_at = c->moved_at = now;
    c->moved = 0;
    c->stall_ns = h->stall_timeout_ns;
    DL_APPEND(h->running, c);
    h->n_running++;
    c->host->running++;
    if (c->two)
        c->host->opening = c;
    h->next_check = MIN(h->next_check, MIN(c->deadline, now + MIN(c->stall_ns / 4, c->two ? h->connect_timeout_ns : INT64_MAX)));

    set_engine(c);
    set_connection(c, fresh, now);
    SET(c, URL, c->req.url);
    if (!upload)
        set_download(c);
    else if (!set_upload(c)) {
        http_transfer_abort(c, -EIO, STEAL_PTR(&c->why));
        return;
    }
    SET(c, HTTPHEADER, c->lines);
    CURLMcode r = curl_multi_add_handle(h->multi, c->easy);
    if (r != CURLM_OK)
        http_transfer_abort(c, -EPROTO, http_why(c, "%s", curl_multi_strerror(r)));
}

/* Out of the engine, whatever stage it is in. */
static void leave(struct http_call *c) {
    struct http *h = c->http;
    if (c->queued)
        http_host_unqueue(c);
    if (!c->easy)
        return;
    long request = 0;
    curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &request);
    if (request > 0)
        counter_add(h->counters, COUNTER_HTTP_REQUESTS, 1);
    curl_multi_remove_handle(h->multi, c->easy);
    give_handle(h, c->easy);
    c->easy = NULL;
    h->n_send_paused -= c->send_paused;
    h->n_receive_paused -= c->receive_paused;
    c->send_paused = c->receive_paused = false;
    if (c->host->opening == c)
        c->host->opening = NULL;
    c->host->running--;
    h->n_running--;
    DL_DELETE(h->running, c);
}

void http_transfer_abort(struct http_call *c, int err, char *why) {
    bool ran = c->easy;
    leave(c);
    if (ran)
        http_host_learn(c, err, http_mono());
    http_finish(c, err, why);
}

/* As if nothing had come. */
static void forget_answer(struct http_call *c) {
    buf_reset(&c->head);
    c->n_lines = 0;
    c->head_complete = c->cut = false;
    c->status = 0;
    c->length = c->expected = c->skip = c->keep = c->came = 0;
    c->len = 0;
    c->curl_said[0] = 0;
    c->res = (struct http_response){0};
}

void http_transfer_again(struct http_call *c) {
    leave(c);
    forget_answer(c);
    http_host_queue_first(c);
}

void http_transfer_unpause(struct http *h, int64_t now) {
    struct http_call *c, *next, *last = h->running ? h->running->prev : NULL;
    if (h->n_send_paused + h->n_receive_paused == 0)
        return;
    for (c = h->running; c; c = next) {
        next = c == last ? NULL : c->next;
        bool send = c->send_paused && http_limit_ready(&h->up, now);
        bool receive = c->receive_paused && http_limit_ready(&h->down, now);
        if (!send && !receive)
            continue;
        h->n_send_paused -= send;
        h->n_receive_paused -= receive;
        c->send_paused &= !send;
        c->receive_paused &= !receive;
        DL_DELETE(h->running, c); /* last in turn next time */
        DL_APPEND(h->running, c);
        /* What was held back comes at once, and may be the end of it: then curl only says so here. */
        CURLcode r = curl_easy_pause(c->easy, (c->send_paused ? CURLPAUSE_SEND : 0) |
                                                  (c->receive_paused ? CURLPAUSE_RECV : 0));
        if (r != CURLE_OK)
            http_transfer_end(c, r);
    }
}

/* A refused upload may have been cut in the middle of either body: the status is what counts then. */
bool http_transfer_answered(const struct http_call *c, CURLcode code) {
    if (!c->head_complete || c->status < 200 || c->failed)
        return false;
    bool refused_upload = c->req.size > 0 && c->status >= 400 && http_error(c, code) == -ECONNRESET;
    return code == CURLE_OK || (code == CURLE_WRITE_ERROR && c->cut) || refused_upload;
}

void http_transfer_end(struct http_call *c, CURLcode code) {
    int err = 0;
    char *why = NULL;
    if (http_two_broke(c, code)) {
        http_transfer_again(c);
        return;
    }
    if (http_transfer_answered(c, code)) {
        c->res.ranged = c->res.ranged && c->len == c->expected;
    } else {
        err = c->failed ? c->failed : http_error(c, code);
        if (c->failed == -EMSGSIZE)
            why = http_why(c, "its answer is larger than %" PRIu64 " bytes", c->keep);
        else if (c->why)
            why = STEAL_PTR(&c->why);
        else if (code == CURLE_OK)
            why = http_why(c, "the connection was closed in the middle of the answer's head");
        else
            why = http_why(c, "%s", c->curl_said[0] ? c->curl_said : curl_easy_strerror(code));
    }
    leave(c);
    http_host_learn(c, err, http_mono());
    http_finish(c, err, why);
}
