/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * TLS: with a private authority made for each test.
 */
#include "http_box.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

static void answer(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 200, "", q->target, strlen(q->target));
}

static void fails(const char *names, int days, bool trusted, int err, const char *why) {
    struct http_box *b = http_box_new_tls(answer, NULL, NULL, names, days, trusted);
    struct box_call *k = box_get(b, "/path?secret");
    assert_int_equal(k->err, err);
    assert_non_null(strstr(k->why, "localhost"));
    assert_non_null(strcasestr(k->why, why));
    assert_null(strstr(k->why, "secret"));
    assert_int_equal(http_peer_requests(b->peer), 0);
    box_call_free(k);
    http_box_free(b);
}

static void an_authority_of_ones_own(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(answer, NULL, NULL, "DNS:localhost", 30, true);
    for (int i = 0; i < 3; i++)
        assert_true(box_gets(b, "/x", 200));
    assert_int_equal(http_peer_connections(b->peer), 1);
    http_box_free(b);
}

static void an_answer_tells_its_version(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(answer, NULL, NULL, "DNS:localhost", 30, true),
                    *plain = http_box_new(answer, NULL, NULL);
    for (int i = 0; i < 2; i++) { /* the second one on the same connection */
        struct box_call *k = box_get(b, "/");
        assert_string_equal(k->tls, "TLSv1.3");
        box_call_free(k);
    }
    struct box_call *k = box_get(plain, "/");
    assert_null(k->tls);
    box_call_free(k);
    http_box_free(plain);
    http_box_free(b);
}

static void an_unknown_authority_is_refused(void **state) {
    (void)state;
    fails("DNS:localhost", 30, false, -EPROTO, "certificate");
}

static void another_name_is_refused(void **state) {
    (void)state;
    fails("DNS:bucket.example,IP:127.0.0.1", 30, true, -EPROTO, "localhost");
}

static void an_expired_certificate_is_refused(void **state) {
    (void)state;
    fails("DNS:localhost", -1, true, -EPROTO, "certificate");
}

/* The system's authorities do not count beside ca_file, and without it a private one does not. */
static void without_ca_file_a_private_authority_is_unknown(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(answer, NULL, NULL, "DNS:localhost", 30, true),
                    *plain = http_box_new(answer, NULL, NULL);
    CLEANUP_FREE char *url = http_peer_url(b->peer, "/");
    struct box_call *k = box_run(plain, &(struct http_request){.url = url});
    assert_int_equal(k->err, -EPROTO);
    box_call_free(k);
    http_box_free(plain);
    http_box_free(b);
}

/* Not TLS at all on that port. */
static void https_to_a_plain_server(void **state) {
    (void)state;
    struct http_box *b = http_box_new(answer, NULL, NULL);
    CLEANUP_FREE char *url = xasprintf("https://127.0.0.1:%u/", http_peer_port(b->peer));
    struct box_call *k = box_run(b, &(struct http_request){.url = url});
    assert_int_equal(k->err, -EPROTO);
    assert_int_equal(http_peer_requests(b->peer), 0);
    box_call_free(k);
    http_box_free(b);
}

static void bodies_both_ways(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE char *expect = peer_header(q, "Expect");
    if (expect)
        peer_say(q, "HTTP/1.1 100 Continue\r\n\r\n");
    if (peer_read_body(q, UINT64_MAX))
        peer_answer(q, 200, "", q->body, q->length);
}

static void large_bodies_over_tls(void **state) {
    (void)state;
    const size_t size = 3 << 20;
    struct http_box *b = http_box_new_tls(bodies_both_ways, NULL, NULL, "DNS:localhost", 30, true);
    CLEANUP_FREE unsigned char *body = xmalloc(size);
    for (size_t i = 0; i < size; i++)
        body[i] = (unsigned char)(i * 2654435761u >> 11);
    struct box_call *k[4];
    const struct http_request req = {
        .url = "/", .method = "PUT", .bytes = body, .size = size, .max_response = size};
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = box_start(b, &req);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        box_wait(k[i]);
        assert_int_equal(k[i]->err, 0);
        assert_int_equal(k[i]->len, size);
        assert_memory_equal(k[i]->body, body, size);
        box_call_free(k[i]);
    }
    http_box_free(b);
}

struct hanger_up {
    int fd;
    size_t reads; /* of the client's first message; less than all of it makes a reset */
};

static void *hang_up(void *arg) {
    const struct hanger_up *h = arg;
    char room[4096];
    CLEANUP_CLOSE int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC);
    return recv(fd, room, h->reads, 0) > 0 ? arg : NULL;
}

/* That is trouble on the way, which passes, not a set-up that does not fit. */
static void a_handshake_that_is_cut(void **state) {
    (void)state;
    static const size_t reads[] = {1, 4096};
    struct http_box *b = http_box_new(answer, NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof at;
        CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct hanger_up h = {.fd = fd, .reads = reads[i]};
        pthread_t thread;
        assert_true(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 1) == 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
        assert_int_equal(pthread_create(&thread, NULL, hang_up, &h), 0);
        CLEANUP_FREE char *url = xasprintf("https://127.0.0.1:%u/", ntohs(at.sin_port));
        struct box_call *k = box_run(b, &(struct http_request){.url = url});
        assert_int_equal(k->err, -ECONNRESET);
        box_call_free(k);
        void *read_something;
        pthread_join(thread, &read_something);
        assert_non_null(read_something);
    }
    http_box_free(b);
}

static void cut(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_say(q, "HTTP/1.1 200 OK\r\n\r\nhalf a page");
    peer_close(q, true);
}

/* Without Content-Length only TLS itself tells that the end is the end. */
static void a_cut_without_a_farewell_is_no_end(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(cut, NULL, NULL, "DNS:localhost", 30, true);
    struct box_call *k = box_get(b, "/");
    assert_int_equal(k->err, -ECONNRESET);
    box_call_free(k);
    http_box_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_authority_of_ones_own),
        cmocka_unit_test(an_answer_tells_its_version),
        cmocka_unit_test(an_unknown_authority_is_refused),
        cmocka_unit_test(another_name_is_refused),
        cmocka_unit_test(an_expired_certificate_is_refused),
        cmocka_unit_test(without_ca_file_a_private_authority_is_unknown),
        cmocka_unit_test(https_to_a_plain_server),
        cmocka_unit_test(large_bodies_over_tls),
        cmocka_unit_test(a_handshake_that_is_cut),
        cmocka_unit_test(a_cut_without_a_farewell_is_no_end),
    };
    alarm(300); /* a hang ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
