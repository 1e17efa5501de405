/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_peer.h"
#include "base/buf.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/socket.h>
#include <utlist.h>

#define HEAD_MAX ((size_t)64 << 10)

struct peer_connection {
    struct peer_connection *prev, *next;
    struct http_peer *peer;
    pthread_t thread;
    unsigned number;
    int fd; /* -1 once closed; guarded by peer->mutex */
    SSL *ssl;
    bool over;         /* nothing more to read or say */
    struct buf unread; /* beyond the head that was read */
};

struct http_peer {
    peer_fn fn;
    void *arg;
    int fd;
    unsigned port;
    pthread_t thread;
    SSL_CTX *ctx;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct peer_connection *connections;
    unsigned n_connections, n_closed, n_requests, at_once, most_at_once;
    bool open, stopping;
    struct buf targets;
};

static void must(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "tests/lib/http_peer: %s: %s\n", what, strerror(errno));
    abort();
}

static ssize_t receive(struct peer_connection *c, void *p, size_t n) {
    if (c->unread.len > 0) {
        n = MIN(n, c->unread.len);
        memcpy(p, c->unread.data, n);
        memmove(c->unread.data, c->unread.data + n, c->unread.len - n);
        c->unread.len -= n;
        return (ssize_t)n;
    }
    ssize_t r = c->ssl ? SSL_read(c->ssl, p, (int)MIN(n, 1 << 20)) : recv(c->fd, p, n, 0);
    c->over |= r <= 0;
    return r;
}

bool peer_send(struct peer_request *q, const void *p, size_t n) {
    struct peer_connection *c = q->connection;
    for (size_t done = 0; done < n && !c->over;) {
        const char *from = (const char *)p + done;
        ssize_t r = c->ssl ? SSL_write(c->ssl, from, (int)MIN(n - done, 1 << 20))
                           : send(c->fd, from, n - done, MSG_NOSIGNAL);
        if (r <= 0)
            c->over = true;
        else
            done += (size_t)r;
    }
    return !c->over;
}

bool peer_say(struct peer_request *q, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    CLEANUP_FREE char *text = NULL;
    must(vasprintf(&text, fmt, ap) >= 0, "vasprintf");
    va_end(ap);
    return peer_send(q, text, strlen(text));
}

/* Head and body in one piece: a client must not see a small answer in two. */
bool peer_answer(struct peer_request *q, int status, const char *headers, const void *body, size_t n) {
    CLEANUP_BUF struct buf b = BUF_INIT((size_t)1 << 30);
    buf_printf(&b, "HTTP/1.1 %d Said So\r\nContent-Length: %zu\r\n%s\r\n", status, n, headers);
    if (n > 0 && strcmp(q->method, "HEAD") != 0)
        buf_append(&b, body, n);
    return peer_send(q, b.data, b.len);
}

char *peer_header(const struct peer_request *q, const char *name) {
    size_t n = strlen(name);
    for (const char *line = strstr(q->head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':') {
            const char *value = line + 3 + n;
            value += strspn(value, " ");
            return xstrndup(value, strcspn(value, "\r"));
        }
    return NULL;
}

bool peer_read_body(struct peer_request *q, uint64_t most) {
    uint64_t want = MIN(most, q->length);
    q->body = xrealloc(q->body, MAX(want, 1));
    while (q->body_len < want) {
        ssize_t r = receive(q->connection, q->body + q->body_len, want - q->body_len);
        if (r <= 0)
            return false;
        q->body_len += (uint64_t)r;
    }
    return true;
}

void peer_pass(struct peer_request *q) {
    SCOPE_LOCK(&q->peer->mutex);
    while (!q->peer->open && !q->peer->stopping)
        pthread_cond_wait(&q->peer->changed, &q->peer->mutex);
}

void peer_swallow(struct peer_request *q) {
    char room[4096];
    while (receive(q->connection, room, sizeof room) > 0)
        ;
}

static void close_connection(struct peer_connection *c) {
    SCOPE_LOCK(&c->peer->mutex);
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    c->over = true;
    c->peer->n_closed++;
    pthread_cond_broadcast(&c->peer->changed);
}

void peer_close(struct peer_request *q, bool reset) {
    struct linger at_once = {.l_onoff = 1};
    if (reset)
        setsockopt(q->connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    else if (q->connection->ssl)
        SSL_shutdown(q->connection->ssl);
    close_connection(q->connection);
}

/* False: no more requests. */
static bool read_head(struct peer_connection *c, struct peer_request *q) {
    CLEANUP_BUF struct buf b = BUF_INIT(HEAD_MAX);
    char room[4096], *end;
    for (;;) {
        ssize_t r = receive(c, room, sizeof room);
        if (r <= 0 || buf_append(&b, room, (size_t)r) < 0)
            return false;
        const char *text = buf_str(&b);
        if (text && (text[0] < 'A' || text[0] > 'Z')) { /* TLS, perhaps: what nginx does */
            peer_say(q, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            return false;
        }
        if (text && (end = strstr(text, "\r\n\r\n")))
            break;
    }
    size_t n = (size_t)(end + 4 - (char *)b.data);
    q->head = xstrndup((char *)b.data, n);
    buf_append(&c->unread, b.data + n, b.len - n);
    if (sscanf(q->head, "%15s %4095s", q->method, q->target) != 2)
        return false;
    CLEANUP_FREE char *length = peer_header(q, "Content-Length");
    q->length = length ? strtoull(length, NULL, 10) : 0;
    return true;
}

static void note_request(struct peer_request *q) {
    struct http_peer *p = q->peer;
    SCOPE_LOCK(&p->mutex);
    q->number = ++p->n_requests;
    p->at_once++;
    p->most_at_once = MAX(p->most_at_once, p->at_once);
    buf_printf(&p->targets, "%s%s", p->targets.len ? " " : "", q->target);
    pthread_cond_broadcast(&p->changed);
}

static void handle(struct peer_connection *c, struct peer_request *q) {
    struct http_peer *p = c->peer;
    note_request(q);
    p->fn(p->arg, q);
    SCOPE_LOCK(&p->mutex);
    p->at_once--;
    c->over |= q->body_len < q->length; /* what is left of it would look like a request */
}

static void *connection_main(void *arg) {
    struct peer_connection *c = arg;
    struct http_peer *p = c->peer;
    if (p->ctx) {
        c->ssl = SSL_new(p->ctx);
        must(c->ssl && SSL_set_fd(c->ssl, c->fd), "SSL_new");
        c->over = SSL_accept(c->ssl) != 1;
    }
    while (!c->over) {
        struct peer_request q = {.connection = c, .peer = p, .connection_number = c->number};
        if (read_head(c, &q))
            handle(c, &q);
        else
            c->over = true;
        free(q.head);
        free(q.body);
    }
    close_connection(c);
    SSL_free(c->ssl);
    buf_free(&c->unread);
    return NULL;
}

static void *listen_main(void *arg) {
    struct http_peer *p = arg;
    for (int fd, one = 1; (fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        struct peer_connection *c = xcalloc(1, sizeof *c);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        SCOPE_LOCK(&p->mutex);
        *c = (struct peer_connection){
            .peer = p, .number = ++p->n_connections, .fd = fd, .unread = BUF_INIT(HEAD_MAX)};
        DL_APPEND(p->connections, c);
        must(pthread_create(&c->thread, NULL, connection_main, c) == 0, "pthread_create");
        pthread_cond_broadcast(&p->changed);
    }
    return NULL;
}

static void start_listening(struct http_peer *p) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(p->fd >= 0 && bind(p->fd, (struct sockaddr *)&at, n) == 0 && listen(p->fd, 128) == 0, "listen");
    must(getsockname(p->fd, (struct sockaddr *)&at, &n) == 0, "getsockname");
    p->port = ntohs(at.sin_port);
}

struct http_peer *http_peer_new(const struct tls_cert *cert, peer_fn fn, void *arg) {
    struct http_peer *p = xcalloc(1, sizeof *p);
    p->fn = fn;
    p->arg = arg;
    p->targets = BUF_INIT((size_t)1 << 20);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (cert) {
        p->ctx = SSL_CTX_new(TLS_server_method());
        must(p->ctx && SSL_CTX_use_certificate(p->ctx, tls_cert_x509(cert)) == 1 &&
                 SSL_CTX_use_PrivateKey(p->ctx, tls_cert_key(cert)) == 1,
             "SSL_CTX_use_certificate");
    }
    start_listening(p);
    sigset_t all, saved; /* no SIGPIPE from SSL_write() */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    must(pthread_create(&p->thread, NULL, listen_main, p) == 0, "pthread_create");
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    return p;
}

struct http_peer *http_peer_free(struct http_peer *p) {
    struct peer_connection *c, *next;
    if (!p)
        return NULL;
    shutdown(p->fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    pthread_cond_broadcast(&p->changed);
    DL_FOREACH (p->connections, c)
        if (c->fd >= 0)
            shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&p->mutex);
    DL_FOREACH_SAFE (p->connections, c, next) {
        pthread_join(c->thread, NULL);
        free(c);
    }
    close(p->fd);
    SSL_CTX_free(p->ctx);
    buf_free(&p->targets);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    free(p);
    return NULL;
}

unsigned http_peer_port(const struct http_peer *p) {
    return p->port;
}

char *http_peer_url(const struct http_peer *p, const char *path) {
    return xasprintf("%s:%u%s", p->ctx ? "https://localhost" : "http://127.0.0.1", p->port, path);
}

unsigned http_peer_connections(struct http_peer *p) {
    SCOPE_LOCK(&p->mutex);
    return p->n_connections;
}

unsigned http_peer_requests(struct http_peer *p) {
    SCOPE_LOCK(&p->mutex);
    return p->n_requests;
}

unsigned http_peer_most_at_once(struct http_peer *p) {
    SCOPE_LOCK(&p->mutex);
    return p->most_at_once;
}

char *http_peer_targets(struct http_peer *p) {
    SCOPE_LOCK(&p->mutex);
    return xstrdup(p->targets.len ? buf_str(&p->targets) : "");
}

void http_peer_await(struct http_peer *p, unsigned requests) {
    SCOPE_LOCK(&p->mutex);
    while (p->n_requests < requests)
        pthread_cond_wait(&p->changed, &p->mutex);
}

void http_peer_await_closed(struct http_peer *p, unsigned connections) {
    SCOPE_LOCK(&p->mutex);
    while (p->n_closed < connections)
        pthread_cond_wait(&p->changed, &p->mutex);
}

void http_peer_open(struct http_peer *p) {
    SCOPE_LOCK(&p->mutex);
    p->open = true;
    pthread_cond_broadcast(&p->changed);
}
