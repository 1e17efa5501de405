/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifdef HAVE_NGHTTP2
#include "h2_peer.h"
#include "base/buf.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <utlist.h>

/* A request, and what is said to it; its stream's, freed when that closes. */
struct stream {
    struct h2_request q;
    unsigned char *body;
    size_t size, at, stop; /* nothing is sent from `stop` on */
    bool held;
    struct stream *prev, *next;
};

struct h2_connection {
    struct h2_connection *prev, *next;
    struct h2_peer *peer;
    pthread_t thread;
    unsigned number, requests;
    int fd, wake;
    SSL *ssl;
    nghttp2_session *session;
    struct stream *streams;
    unsigned at_once;
    bool cut, frozen;
};

struct h2_peer {
    h2_fn fn;
    void *arg;
    int fd;
    unsigned port;
    pthread_t thread;
    SSL_CTX *ctx;
    nghttp2_session_callbacks *callbacks;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct h2_connection *connections;
    unsigned n_connections, n_requests, n_by_one, at_once, most_at_once, most_on_one;
    bool open, stopping;
    struct buf paths;
};

static void must(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "tests/lib/h2_peer: %s: %s\n", what, strerror(errno));
    abort();
}

/* What libnghttp2 asks for */

static ssize_t on_send(nghttp2_session *s ATTR_UNUSED, const uint8_t *p, size_t n, int flags ATTR_UNUSED, void *arg) {
    struct h2_connection *c = arg;
    int r = SSL_write(c->ssl, p, (int)n);
    if (r > 0)
        return r;
    int e = SSL_get_error(c->ssl, r);
    return e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_headers(nghttp2_session *s, const nghttp2_frame *frame, void *arg) {
    struct h2_connection *c = arg;
    struct h2_peer *p = c->peer;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct stream *st = xcalloc(1, sizeof *st);
    st->q = (struct h2_request){.connection = c, .stream = frame->hd.stream_id, .connection_number = c->number, .nth = ++c->requests};
    nghttp2_session_set_stream_user_data(s, frame->hd.stream_id, st);
    DL_APPEND(c->streams, st);
    c->at_once++;
    SCOPE_LOCK(&p->mutex);
    p->at_once++;
    p->most_at_once = MAX(p->most_at_once, p->at_once);
    p->most_on_one = MAX(p->most_on_one, c->at_once);
    return 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_n, const uint8_t *value, size_t n,
                     uint8_t flags ATTR_UNUSED, void *arg ATTR_UNUSED) {
    struct stream *st = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
    CLEANUP_FREE char *key = xstrndup((const char *)name, name_n), *text = xstrndup((const char *)value, n);
    if (!st)
        return 0;
    if (strcmp(key, ":path") == 0)
        snprintf(st->q.path, sizeof st->q.path, "%s", text);
    else if (strcmp(key, ":method") == 0)
        snprintf(st->q.method, sizeof st->q.method, "%s", text);
    else if (strcmp(key, "range") == 0)
        snprintf(st->q.range, sizeof st->q.range, "%s", text);
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg) {
    struct h2_connection *c = arg;
    struct h2_peer *p = c->peer;
    struct stream *st = frame->hd.type == NGHTTP2_HEADERS ? nghttp2_session_get_stream_user_data(s, frame->hd.stream_id) : NULL;
    if (!st)
        return 0;
    pthread_mutex_lock(&p->mutex);
    st->q.number = ++p->n_requests;
    buf_printf(&p->paths, "%s%s", p->paths.len ? " " : "", st->q.path);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
    p->fn(p->arg, &st->q);
    return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t why ATTR_UNUSED, void *arg) {
    struct h2_connection *c = arg;
    struct stream *st = nghttp2_session_get_stream_user_data(s, id);
    if (!st)
        return 0;
    DL_DELETE(c->streams, st);
    c->at_once--;
    free(st->body);
    free(st);
    SCOPE_LOCK(&c->peer->mutex);
    c->peer->at_once--;
    return 0;
}

static ssize_t read_body(nghttp2_session *s ATTR_UNUSED, int32_t id ATTR_UNUSED, uint8_t *to, size_t n, uint32_t *flags, nghttp2_data_source *from,
                         void *arg ATTR_UNUSED) {
    struct stream *st = from->ptr;
    n = MIN(n, st->stop - st->at);
    memcpy(to, st->body + st->at, n);
    st->at += n;
    if (st->at == st->size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n == 0 && st->at < st->size ? NGHTTP2_ERR_DEFERRED : (ssize_t)n;
}

/* Answers */

static nghttp2_nv header(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* The first `part` of n bytes at p. length: NULL for none; content_range: NULL for none. */
static void submit(const struct h2_request *q, const char *status, const char *length, const char *content_range, const void *p, size_t n, size_t part) {
    nghttp2_session *s = q->connection->session;
    struct stream *st = nghttp2_session_get_stream_user_data(s, q->stream);
    bool head = strcmp(q->method, "HEAD") == 0;
    nghttp2_nv lines[3] = {header(":status", status)};
    size_t n_lines = 1;
    if (length)
        lines[n_lines++] = header("content-length", length);
    if (content_range)
        lines[n_lines++] = header("content-range", content_range);
    st->body = n ? xmemdup(p, n) : NULL;
    st->size = n;
    st->stop = part;
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = read_body};
    must(nghttp2_submit_response(s, q->stream, lines, n_lines, head ? NULL : &body) == 0, "nghttp2_submit_response");
}

static void answer(const struct h2_request *q, int status, const void *body, size_t n, size_t part, bool ranged) {
    size_t first = 0, last = n - 1;
    char range[96], length[32], code[16];
    ranged = ranged && status == 200 && n > 0 && sscanf(q->range, "bytes=%zu-%zu", &first, &last) == 2 && first < n;
    last = MIN(last, n - 1);
    size_t size = ranged ? last - first + 1 : n;
    snprintf(code, sizeof code, "%d", ranged ? 206 : status);
    snprintf(length, sizeof length, "%zu", size);
    snprintf(range, sizeof range, "bytes %zu-%zu/%zu", first, last, n);
    submit(q, code, length, ranged ? range : NULL, (const char *)body + (ranged ? first : 0), size, MIN(part, size));
}

void h2_answer(const struct h2_request *q, int status, const void *body, size_t n) {
    answer(q, status, body, n, n, true);
}

void h2_answer_whole(const struct h2_request *q, const void *body, size_t n) {
    answer(q, 200, body, n, n, false);
}

void h2_answer_part(const struct h2_request *q, const void *body, size_t n, size_t part) {
    answer(q, 200, body, n, part, true);
}

void h2_answer_unsized(const struct h2_request *q, const void *body, size_t n) {
    submit(q, "200", NULL, NULL, body, n, n);
}

void h2_hold(const struct h2_request *q) {
    struct stream *st = nghttp2_session_get_stream_user_data(q->connection->session, q->stream);
    st->held = true;
}

static void reset(const struct h2_request *q, uint32_t code) {
    nghttp2_submit_rst_stream(q->connection->session, NGHTTP2_FLAG_NONE, q->stream, code);
}

void h2_refuse(const struct h2_request *q) {
    reset(q, NGHTTP2_REFUSED_STREAM);
}

void h2_break(const struct h2_request *q) {
    reset(q, NGHTTP2_INTERNAL_ERROR);
}

void h2_answer_and_retire(const struct h2_request *q, const void *body, size_t n) {
    nghttp2_submit_goaway(q->connection->session, NGHTTP2_FLAG_NONE, q->stream, NGHTTP2_NO_ERROR, NULL, 0);
    h2_answer(q, 200, body, n);
}

void h2_cut(const struct h2_request *q) {
    q->connection->cut = true;
}

void h2_freeze(const struct h2_request *q) {
    q->connection->frozen = true;
}

/* Connections */

/* What is held and may go. False: the peer ends. */
static bool look(struct h2_connection *c) {
    pthread_mutex_lock(&c->peer->mutex);
    bool open = c->peer->open, stopping = c->peer->stopping;
    pthread_mutex_unlock(&c->peer->mutex);
    struct stream *st;
    DL_FOREACH (c->streams, st)
        if (open && st->held) {
            st->held = false;
            h2_answer(&st->q, 200, "x", 1);
        }
    return !stopping;
}

/* False: the connection has ended. */
static bool receive(struct h2_connection *c) {
    uint8_t room[16384];
    int n = 0;
    while (!c->cut && !c->frozen && (n = SSL_read(c->ssl, room, sizeof room)) > 0)
        if (nghttp2_session_mem_recv(c->session, room, (size_t)n) < 0)
            return false;
    return c->cut || c->frozen || SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ;
}

static void speak_http2(struct h2_connection *c) {
    const nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 128};
    must(nghttp2_session_server_new(&c->session, c->peer->callbacks, c) == 0, "nghttp2_session_server_new");
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &settings, 1);
    must(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    while (look(c) && !c->cut) {
        uint64_t n;
        struct pollfd fds[2] = {{.fd = c->wake, .events = POLLIN}, {.fd = c->frozen ? -1 : c->fd, .events = POLLIN}};
        if (!c->frozen && nghttp2_session_send(c->session) != 0)
            break;
        if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session))
            break;
        if (nghttp2_session_want_write(c->session))
            fds[1].events |= POLLOUT;
        poll(fds, 2, -1);
        if (fds[0].revents)
            (void)!read(c->wake, &n, sizeof n);
        if (!c->frozen && !receive(c))
            break;
    }
    struct stream *st, *next;
    DL_FOREACH_SAFE (c->streams, st, next)
        on_close(c->session, st->q.stream, 0, c);
    nghttp2_session_del(c->session);
}

/* A head, a body of that Content-Length, an answer; and again. */
static void speak_http1(struct h2_connection *c) {
    static const char said[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none";
    CLEANUP_BUF struct buf b = BUF_INIT(8 << 20);
    char room[16384], *end;
    int n;
    while ((n = SSL_read(c->ssl, room, sizeof room)) > 0 && buf_append(&b, room, (size_t)n) == 0) {
        const char *text = buf_str(&b);
        if (!text || !(end = strstr(text, "\r\n\r\n")))
            continue;
        const char *length = strcasestr(text, "\r\ncontent-length: ");
        size_t whole = (size_t)(end + 4 - text) + (length && length < end ? strtoul(length + 18, NULL, 10) : 0);
        if (b.len < whole)
            continue;
        buf_reset(&b);
        pthread_mutex_lock(&c->peer->mutex);
        c->peer->n_by_one++;
        pthread_mutex_unlock(&c->peer->mutex);
        if (SSL_write(c->ssl, said, sizeof said - 1) <= 0)
            return;
    }
}

static void *connection_main(void *arg) {
    struct h2_connection *c = arg;
    const unsigned char *protocol = NULL;
    unsigned n = 0;
    c->ssl = SSL_new(c->peer->ctx);
    must(c->ssl && SSL_set_fd(c->ssl, c->fd), "SSL_new");
    if (SSL_accept(c->ssl) == 1) {
        SSL_get0_alpn_selected(c->ssl, &protocol, &n);
        if (n == 2 && memcmp(protocol, "h2", 2) == 0)
            speak_http2(c);
        else
            speak_http1(c);
    }
    SSL_free(c->ssl);
    shutdown(c->fd, SHUT_RDWR); /* closed when the peer is freed, who may shut it down meanwhile */
    return NULL;
}

static void *listen_main(void *arg) {
    struct h2_peer *p = arg;
    for (int fd, one = 1; (fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        struct h2_connection *c = xcalloc(1, sizeof *c);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        SCOPE_LOCK(&p->mutex);
        *c = (struct h2_connection){.peer = p, .number = ++p->n_connections, .fd = fd, .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        must(c->wake >= 0, "eventfd");
        DL_APPEND(p->connections, c);
        must(pthread_create(&c->thread, NULL, connection_main, c) == 0, "pthread_create");
    }
    return NULL;
}

/* The peer */

static int choose_protocol(SSL *ssl ATTR_UNUSED, const unsigned char **ret, unsigned char *ret_n, const unsigned char *offered, unsigned n,
                           void *arg ATTR_UNUSED) {
    return nghttp2_select_next_protocol((unsigned char **)ret, ret_n, offered, n) < 0 ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
}

static void start_listening(struct h2_peer *p) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(p->fd >= 0 && bind(p->fd, (struct sockaddr *)&at, n) == 0 && listen(p->fd, 128) == 0, "listen");
    must(getsockname(p->fd, (struct sockaddr *)&at, &n) == 0, "getsockname");
    p->port = ntohs(at.sin_port);
}

struct h2_peer *h2_peer_new(const struct tls_cert *cert, h2_fn fn, void *arg) {
    struct h2_peer *p = xcalloc(1, sizeof *p);
    p->fn = fn;
    p->arg = arg;
    p->paths = BUF_INIT((size_t)1 << 20);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->ctx = SSL_CTX_new(TLS_server_method());
    must(p->ctx && SSL_CTX_use_certificate(p->ctx, tls_cert_x509(cert)) == 1 && SSL_CTX_use_PrivateKey(p->ctx, tls_cert_key(cert)) == 1, "SSL_CTX_new");
    SSL_CTX_set_alpn_select_cb(p->ctx, choose_protocol, NULL);
    must(nghttp2_session_callbacks_new(&p->callbacks) == 0, "nghttp2_session_callbacks_new");
    nghttp2_session_callbacks_set_send_callback(p->callbacks, on_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(p->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(p->callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(p->callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(p->callbacks, on_close);
    start_listening(p);
    sigset_t all, saved; /* no SIGPIPE from SSL_write() */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    must(pthread_create(&p->thread, NULL, listen_main, p) == 0, "pthread_create");
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    return p;
}

/* With the mutex held. */
static void wake_all(struct h2_peer *p) {
    struct h2_connection *c;
    const uint64_t one = 1;
    DL_FOREACH (p->connections, c)
        (void)!write(c->wake, &one, sizeof one);
}

struct h2_peer *h2_peer_free(struct h2_peer *p) {
    struct h2_connection *c, *next;
    if (!p)
        return NULL;
    shutdown(p->fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    wake_all(p);
    DL_FOREACH (p->connections, c)
        shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&p->mutex);
    DL_FOREACH_SAFE (p->connections, c, next) {
        pthread_join(c->thread, NULL);
        close(c->fd);
        close(c->wake);
        free(c);
    }
    close(p->fd);
    SSL_CTX_free(p->ctx);
    nghttp2_session_callbacks_del(p->callbacks);
    buf_free(&p->paths);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    free(p);
    return NULL;
}

char *h2_peer_url(const struct h2_peer *p, const char *path) {
    return xasprintf("https://localhost:%u%s", p->port, path);
}

static unsigned count(struct h2_peer *p, const unsigned *of) {
    SCOPE_LOCK(&p->mutex);
    return *of;
}

unsigned h2_peer_connections(struct h2_peer *p) {
    return count(p, &p->n_connections);
}

unsigned h2_peer_requests(struct h2_peer *p) {
    return count(p, &p->n_requests);
}

unsigned h2_peer_requests_by_one(struct h2_peer *p) {
    return count(p, &p->n_by_one);
}

unsigned h2_peer_most_at_once(struct h2_peer *p) {
    return count(p, &p->most_at_once);
}

unsigned h2_peer_most_on_a_connection(struct h2_peer *p) {
    return count(p, &p->most_on_one);
}

char *h2_peer_paths(struct h2_peer *p) {
    SCOPE_LOCK(&p->mutex);
    return xstrdup(p->paths.len ? buf_str(&p->paths) : "");
}

void h2_peer_await(struct h2_peer *p, unsigned requests) {
    SCOPE_LOCK(&p->mutex);
    while (p->n_requests < requests)
        pthread_cond_wait(&p->changed, &p->mutex);
}

void h2_peer_open(struct h2_peer *p) {
    SCOPE_LOCK(&p->mutex);
    p->open = true;
    wake_all(p);
}
#endif
