/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Through an HTTP proxy: plain requests are its own to make, TLS goes through it by CONNECT.
 */
#include "base/buf.h"
#include "http_box.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

/* A proxy that takes one connection: it lets a CONNECT through to a port of this machine, or says something else. */
struct tunnel {
    int fd;
    unsigned port, to;  /* to: 0 refuses */
    const char *answer; /* then */
    struct buf head;    /* what it was asked */
    uint64_t bytes;     /* from the client, through the tunnel */
    bool plain;         /* one of these was the secret */
    pthread_t thread;
};

static int listen_here(unsigned *ret_port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* False: one of them has closed. */
static bool relay(struct tunnel *t, int from, int to, bool counts) {
    char bytes[16384];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    if (n <= 0)
        return false;
    if (counts) {
        t->bytes += (uint64_t)n;
        t->plain |= memmem(bytes, (size_t)n, "GET /secret", strlen("GET /secret")) != NULL;
    }
    return send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *run_tunnel(void *arg) {
    struct tunnel *t = arg;
    int fd = accept4(t->fd, NULL, NULL, SOCK_CLOEXEC);
    char c;
    while (!strstr(buf_str(&t->head), "\r\n\r\n") && recv(fd, &c, 1, 0) == 1)
        buf_append(&t->head, &c, 1);
    if (!t->to) {
        (void)!send(fd, t->answer, strlen(t->answer), MSG_NOSIGNAL);
        close(fd);
        return NULL;
    }
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)t->to)};
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    bool open = connect(far, (struct sockaddr *)&at, sizeof at) == 0 && send(fd, yes, sizeof yes - 1, MSG_NOSIGNAL) > 0;
    while (open) {
        struct pollfd p[2] = {{fd, POLLIN, 0}, {far, POLLIN, 0}};
        if (poll(p, 2, -1) < 0)
            break;
        open = (!p[0].revents || relay(t, fd, far, true)) && (!p[1].revents || relay(t, far, fd, false));
    }
    close(far);
    close(fd);
    return NULL;
}

static struct tunnel *tunnel_new(unsigned to, const char *said) {
    struct tunnel *t = xcalloc(1, sizeof *t);
    t->fd = listen_here(&t->port);
    t->to = to;
    t->answer = said;
    t->head = BUF_INIT(65536);
    assert_int_equal(pthread_create(&t->thread, NULL, run_tunnel, t), 0);
    return t;
}

/* Waits until it has done its work. */
static void tunnel_end(struct tunnel *t) {
    pthread_join(t->thread, NULL);
    close(t->fd);
}

static void tunnel_free(struct tunnel *t) {
    buf_free(&t->head);
    free(t);
}

static void answer(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE char *to_proxy = peer_header(q, "Proxy-Authorization");
    peer_answer(q, to_proxy ? 500 : 200, "", q->target, strlen(q->target));
}

/* What was asked of the tunnel first, and of whom. */
static void asked_for(const struct tunnel *t, unsigned port) {
    CLEANUP_FREE char *line = xasprintf("CONNECT localhost:%u HTTP/1.1\r\n", port);
    assert_memory_equal(t->head.data, line, strlen(line));
}

static void tls_goes_through_a_tunnel(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(answer, NULL, NULL, "DNS:localhost", 30, true);
    struct tunnel *t = tunnel_new(http_peer_port(b->peer), NULL);
    CLEANUP_FREE char *proxy = xasprintf("http://127.0.0.1:%u", t->port);
    struct http_box *through = http_box_new(answer, NULL, &(struct http_config){.proxy = proxy, .ca_file = b->ca_path});
    CLEANUP_FREE char *url = http_peer_url(b->peer, "/secret");
    for (int i = 0; i < 3; i++) { /* the tunnel is kept */
        struct box_call *k = box_run(through, &(struct http_request){.url = url});
        assert_int_equal(k->err, 0);
        assert_int_equal(k->status, 200);
        assert_string_equal((char *)k->body, "/secret");
        assert_string_equal(k->tls, "TLSv1.3");
        box_call_free(k);
    }
    assert_int_equal(http_peer_connections(b->peer), 1);
    http_box_free(through);
    tunnel_end(t);
    asked_for(t, http_peer_port(b->peer));
    assert_null(strcasestr(buf_str(&t->head), "authorization"));
    assert_true(t->bytes > 0 && !t->plain);
    tunnel_free(t);
    http_box_free(b);
}

/* user:p@ss; only the proxy sees it. */
static void a_user_is_told_to_the_proxy_alone(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(answer, NULL, NULL, "DNS:localhost", 30, true);
    struct tunnel *t = tunnel_new(http_peer_port(b->peer), NULL);
    CLEANUP_FREE char *proxy = xasprintf("http://user:p%%40ss@127.0.0.1:%u", t->port);
    struct http_box *through = http_box_new(answer, NULL, &(struct http_config){.proxy = proxy, .ca_file = b->ca_path});
    CLEANUP_FREE char *url = http_peer_url(b->peer, "/secret");
    struct box_call *k = box_run(through, &(struct http_request){.url = url});
    assert_int_equal(k->status, 200);
    box_call_free(k);
    http_box_free(through);
    tunnel_end(t);
    assert_non_null(strstr(buf_str(&t->head), "\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n"));
    tunnel_free(t);
    http_box_free(b);
}

/* The certificate is the server's, also when a proxy is between. */
static void a_tunnel_to_somebody_else_is_refused(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(answer, NULL, NULL, "DNS:bucket.example", 30, true);
    struct tunnel *t = tunnel_new(http_peer_port(b->peer), NULL);
    CLEANUP_FREE char *proxy = xasprintf("http://127.0.0.1:%u", t->port);
    struct http_box *through = http_box_new(answer, NULL, &(struct http_config){.proxy = proxy, .ca_file = b->ca_path});
    CLEANUP_FREE char *url = http_peer_url(b->peer, "/secret");
    struct box_call *k = box_run(through, &(struct http_request){.url = url});
    assert_int_equal(k->err, -EPROTO);
    assert_int_equal(http_peer_requests(b->peer), 0);
    box_call_free(k);
    http_box_free(through);
    tunnel_end(t);
    tunnel_free(t);
    http_box_free(b);
}

static void refused_with(const char *said) {
    struct tunnel *t = tunnel_new(0, said);
    CLEANUP_FREE char *proxy = xasprintf("http://user:hunter2@127.0.0.1:%u", t->port);
    struct http_box *through = http_box_new(answer, NULL, &(struct http_config){.proxy = proxy});
    struct box_call *k = box_run(through, &(struct http_request){.url = "https://bucket.example/secret"});
    assert_true(k->err < 0); /* never an answer of the server's */
    assert_int_equal(k->len, 0);
    assert_true(strlen(k->why) > 0);
    assert_null(strstr(k->why, "hunter2"));
    assert_null(strstr(k->why, "secret"));
    box_call_free(k);
    http_box_free(through);
    tunnel_end(t);
    tunnel_free(t);
}

static void a_proxy_that_wants_a_password(void **state) {
    (void)state;
    refused_with("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n"
                 "Connection: close\r\n\r\nno");
}

static void a_proxy_that_lets_nobody_there(void **state) {
    (void)state;
    refused_with("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
}

static void a_proxy_that_hangs_up(void **state) {
    (void)state;
    refused_with("");
}

static void see_user(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE char *user = peer_header(q, "Proxy-Authorization");
    peer_answer(q, 200, "", user ? user : "nobody", strlen(user ? user : "nobody"));
}

static void a_plain_request_with_a_user(void **state) {
    (void)state;
    struct http_peer *p = http_peer_new(NULL, see_user, NULL);
    CLEANUP_FREE char *proxy = xasprintf("http://user:p%%40ss@127.0.0.1:%u", http_peer_port(p));
    struct http_box *b = http_box_new(answer, NULL, &(struct http_config){.proxy = proxy});
    struct box_call *k = box_run(b, &(struct http_request){.url = "http://bucket.example/key"});
    assert_int_equal(k->err, 0);
    assert_string_equal((char *)k->body, "Basic dXNlcjpwQHNz");
    box_call_free(k);
    http_box_free(b);
    http_peer_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_goes_through_a_tunnel),
        cmocka_unit_test(a_user_is_told_to_the_proxy_alone),
        cmocka_unit_test(a_tunnel_to_somebody_else_is_refused),
        cmocka_unit_test(a_proxy_that_wants_a_password),
        cmocka_unit_test(a_proxy_that_lets_nobody_there),
        cmocka_unit_test(a_proxy_that_hangs_up),
        cmocka_unit_test(a_plain_request_with_a_user),
    };
    alarm(120); /* a hang ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
