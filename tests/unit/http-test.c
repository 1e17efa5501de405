/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an answer is, and what is none: GET and HEAD against a server that says exactly what the test wants.
 */
#include "http_box.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

static void say_hello(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 200, "ETag:  \"abc\" \t\r\nX-Many: first\r\nx-many: last\r\n", "hello", 5);
}

static void get_gives_status_body_and_headers(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_hello, NULL, NULL);
    struct box_call *k = box_get(b, "/x");
    assert_int_equal(k->err, 0);
    assert_int_equal(k->status, 200);
    assert_string_equal((char *)k->body, "hello");
    assert_int_equal(k->total, 5);
    assert_string_equal(k->etag, "\"abc\"");
    assert_string_equal(k->many, "last");
    assert_true(k->on_loop);
    assert_false(k->ranged);
    assert_true(k->received_at > INT64_C(1700000000) * NS_PER_S);
    assert_string_equal(k->why, "");
    assert_int_equal(counter_get(&b->counters, COUNTER_HTTP_REQUESTS), 1);
    box_call_free(k);
    http_box_free(b);
}

static void a_header_that_is_not_there_is_null(void **state) {
    (void)state;
    static const char *const lines[] = {"Etagere: no", "X-Empty:", "broken line"};
    const struct http_headers headers = {.lines = lines, .n = ARRAY_SIZE(lines)};
    const struct http_response r = {.headers = &headers}, none = {0};
    assert_null(http_header(&r, "ETag"));
    assert_null(http_header(&r, "Etager"));
    assert_string_equal(http_header(&r, "x-empty"), "");
    assert_string_equal(http_header(&r, "ETAGERE"), "no");
    assert_null(http_header(&none, "ETag"));
}

static void head_has_no_body_but_a_size(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_hello, NULL, NULL);
    struct box_call *k = box_run(b, &(struct http_request){.url = "/x", .method = "HEAD"});
    assert_int_equal(k->err, 0);
    assert_int_equal(k->len, 0);
    assert_int_equal(k->total, 5);
    box_call_free(k);
    http_box_free(b);
}

static void say_head(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 200, "", q->head, strlen(q->head));
}

static void the_request_is_what_was_asked_and_no_more(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_head, NULL, NULL);
    const char *const headers[] = {"X-One: 1", "Accept-Encoding: identity"};
    struct box_call *k = box_run(
        b, &(struct http_request){.url = "/a/../b/./c//d%2F?x=%20", .headers = headers, .n_headers = 2});
    CLEANUP_FREE char *want = xasprintf("GET /a/../b/./c//d%%2F?x=%%20 HTTP/1.1\r\nHost: "
                                        "127.0.0.1:%u\r\nUser-Agent: http-test\r\nAccept: */*\r\n"
                                        "X-One: 1\r\nAccept-Encoding: identity\r\n\r\n",
                                        http_peer_port(b->peer));
    assert_string_equal((char *)k->body, want);
    box_call_free(k);
    http_box_free(b);
}

static void no_accept_encoding_of_its_own(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_head, NULL, NULL);
    struct box_call *k = box_get(b, "/");
    assert_null(strcasestr((char *)k->body, "Accept-Encoding"));
    box_call_free(k);
    http_box_free(b);
}

static void redirect(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 307, "Location: /elsewhere\r\nSet-Cookie: a=b\r\nETag: e\r\n", "gone", 4);
}

static void a_redirect_is_an_answer_and_a_cookie_is_not_kept(void **state) {
    (void)state;
    struct http_box *b = http_box_new(redirect, NULL, NULL);
    assert_true(box_gets(b, "/a", 307));
    assert_true(box_gets(b, "/b", 307));
    CLEANUP_FREE char *targets = http_peer_targets(b->peer);
    assert_string_equal(targets, "/a /b");
    http_box_free(b);
}

static void expect_no_cookie(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE char *cookie = peer_header(q, "Cookie"), *authorization = peer_header(q, "Authorization");
    peer_answer(q, cookie || authorization ? 400 : 200, "Set-Cookie: a=b\r\n", "", 0);
}

static void no_cookie_is_ever_sent(void **state) {
    (void)state;
    struct http_box *b = http_box_new(expect_no_cookie, NULL, NULL);
    assert_true(box_gets(b, "/", 200));
    assert_true(box_gets(b, "/", 200));
    http_box_free(b);
}

static void say_chunked(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_say(q, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n "
                "world\r\n0\r\nETag: trailer\r\n\r\n");
}

static void a_chunked_answer_has_no_size_and_no_trailers(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_chunked, NULL, NULL);
    struct box_call *k = box_get(b, "/");
    assert_int_equal(k->err, 0);
    assert_string_equal((char *)k->body, "hello world");
    assert_int_equal(k->total, UINT64_MAX);
    assert_null(k->etag);
    box_call_free(k);
    http_box_free(b);
}

static void say_early_hints(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_say(q, "HTTP/1.1 103 Early Hints\r\nETag: early\r\nX-Many: early\r\n\r\n");
    peer_answer(q, 200, "ETag: final\r\n", "x", 1);
}

static void only_the_final_head_counts(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_early_hints, NULL, NULL);
    struct box_call *k = box_get(b, "/");
    assert_int_equal(k->status, 200);
    assert_string_equal(k->etag, "final");
    assert_null(k->many);
    box_call_free(k);
    http_box_free(b);
}

/* "/N": N bytes, with their length, or without one if the target ends in "-". */
static void say_bytes(void *arg ATTR_UNUSED, struct peer_request *q) {
    size_t n = strtoul(q->target + 1, NULL, 10);
    CLEANUP_FREE unsigned char *body = xmalloc(n + 1);
    for (size_t i = 0; i < n; i++)
        body[i] = (unsigned char)(i % 251);
    if (!strchr(q->target, '-')) {
        peer_answer(q, strchr(q->target, 'e') ? 403 : 200, "", body, n);
        return;
    }
    peer_say(q, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    peer_send(q, body, n);
    peer_close(q, false);
}

static bool is_pattern(const struct box_call *k, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (k->body[i] != i % 251)
            return false;
    return k->len == n;
}

static void a_large_body_arrives_whole(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_bytes, NULL, NULL);
    const char *const urls[] = {"/3000000", "/3000000-", "/1", "/1-"};
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct box_call *k = box_run(b, &(struct http_request){.url = urls[i], .max_response = 3000000});
        assert_int_equal(k->err, 0);
        assert_true(is_pattern(k, strtoul(urls[i] + 1, NULL, 10)));
        box_call_free(k);
    }
    http_box_free(b);
}

static void one_byte_too_much_is_emsgsize(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_bytes, NULL, NULL);
    const char *const urls[] = {"/1001", "/1001-", "/900000", "/900000-"};
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct box_call *k = box_run(b, &(struct http_request){.url = urls[i], .max_response = 1000});
        assert_int_equal(k->err, -EMSGSIZE);
        assert_int_equal(k->len, 0);
        assert_non_null(strstr(k->why, "1000 bytes"));
        box_call_free(k);
    }
    http_box_free(b);
}

static void of_an_error_only_the_beginning_is_kept(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_bytes, NULL, NULL);
    struct box_call *k = box_run(b, &(struct http_request){.url = "/200000e", .max_response = 10});
    assert_int_equal(k->err, 0);
    assert_int_equal(k->status, 403);
    assert_true(is_pattern(k, HTTP_ERROR_BODY_MAX));
    assert_true(box_gets(b, "/5", 200));
    assert_int_equal(http_peer_connections(b->peer), 1); /* the rest was read */
    box_call_free(k);
    http_box_free(b);
}

static void say_error_without_end(void *arg ATTR_UNUSED, struct peer_request *q) {
    char room[65536] = "";
    peer_say(q, "HTTP/1.1 500 Oh\r\n\r\n");
    while (peer_send(q, room, sizeof room))
        ;
}

static void an_error_without_end_ends(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_error_without_end, NULL, NULL);
    struct box_call *k = box_get(b, "/");
    assert_int_equal(k->err, 0);
    assert_int_equal(k->status, 500);
    assert_int_equal(k->len, HTTP_ERROR_BODY_MAX);
    box_call_free(k);
    http_box_free(b);
}

static void cut_after(void *arg, struct peer_request *q) {
    peer_say(q, "%s", (const char *)arg);
    peer_close(q, false);
}

static void reset_after(void *arg, struct peer_request *q) {
    peer_say(q, "%s", (const char *)arg);
    peer_close(q, true);
}

static void fails(peer_fn fn, const char *text, int err) {
    struct http_box *b = http_box_new(fn, (void *)text, NULL);
    struct box_call *k = box_get(b, "/path?X-Amz-Signature=secret");
    assert_int_equal(k->err, err);
    assert_int_equal(k->status, 0);
    assert_int_equal(k->total, UINT64_MAX);
    assert_int_equal(k->len, 0);
    assert_non_null(strstr(k->why, "127.0.0.1")); /* who */
    assert_true(strlen(k->why) > strlen("127.0.0.1:12345: "));
    assert_null(strchr(k->why, '?'));
    assert_null(strstr(k->why, "secret"));
    assert_null(strchr(k->why, '\n'));
    box_call_free(k);
    http_box_free(b);
}

static void a_connection_that_is_cut(void **state) {
    (void)state;
    fails(cut_after, "", -ECONNRESET);
    fails(reset_after, "", -ECONNRESET);
    fails(cut_after, "HTTP/1.1 200 OK\r\nContent-Le", -ECONNRESET);
}

static void an_answer_shorter_than_it_says(void **state) {
    (void)state;
    fails(cut_after, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", -ECONNRESET);
    fails(cut_after, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", -ECONNRESET);
    fails(cut_after, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", -ECONNRESET);
    fails(cut_after, "HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\n12345", -ECONNRESET);
}

static void what_is_not_http(void **state) {
    (void)state;
    fails(cut_after, "SSH-2.0-OpenSSH_9.2\r\n", -EPROTO);
    fails(cut_after, "<html>Please log in</html>", -EPROTO);
}

static void say_endless_head(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_say(q, "HTTP/1.1 200 OK\r\n");
    while (peer_say(q, "X-More: %0900d\r\n", 1))
        ;
}

static void a_head_without_end(void **state) {
    (void)state;
    fails(say_endless_head, "", -EPROTO);
}

static void nobody_listens(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_hello, NULL, NULL);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, but it does not listen */
    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%u/", ntohs(at.sin_port));
    struct box_call *k = box_run(b, &(struct http_request){.url = url});
    assert_int_equal(k->err, -ECONNREFUSED);
    assert_int_equal(counter_get(&b->counters, COUNTER_HTTP_REQUESTS), 0);
    box_call_free(k);
    http_box_free(b);
}

static void no_such_name(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_hello, NULL, NULL);
    struct box_call *k = box_run(b, &(struct http_request){.url = "http://no-such-host.invalid/"});
    assert_int_equal(k->err, -EHOSTUNREACH);
    assert_non_null(strstr(k->why, "no-such-host.invalid"));
    box_call_free(k);
    http_box_free(b);
}

static void only_http_and_https(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_hello, NULL, NULL);
    const char *const urls[] = {"file:///etc/passwd",
                                "ftp://127.0.0.1/",
                                "gopher://127.0.0.1/",
                                "http://user:secret@127.0.0.1/",
                                "http://",
                                "http://[::1"};
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct box_call *k = box_run(b, &(struct http_request){.url = urls[i]});
        assert_int_equal(k->err, -EPROTO);
        assert_null(strstr(k->why, "secret"));
        box_call_free(k);
    }
    http_box_free(b);
}

static void hold(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_swallow(q);
}

static void a_server_that_never_answers_stalls(void **state) {
    (void)state;
    struct http_box *b = http_box_new(hold, NULL, &(struct http_config){.stall_timeout_ns = 200 * NS_PER_MS});
    struct box_call *k = box_get(b, "/");
    assert_int_equal(k->err, -ETIMEDOUT);
    assert_non_null(strstr(k->why, "nothing has moved"));
    http_peer_await_closed(b->peer, 1);
    box_call_free(k);
    http_box_free(b);
}

static void hold_body(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_say(q, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
    peer_swallow(q);
}

static void a_body_that_stops_coming_stalls(void **state) {
    (void)state;
    struct http_box *b =
        http_box_new(hold_body, NULL, &(struct http_config){.stall_timeout_ns = 200 * NS_PER_MS});
    struct box_call *k = box_get(b, "/");
    assert_int_equal(k->err, -ETIMEDOUT);
    assert_int_equal(k->len, 0);
    box_call_free(k);
    http_box_free(b);
}

/* A byte each 50 ms, for longer than the stall timeout. */
static void drip(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_say(q, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        usleep(50000);
        peer_say(q, "x");
    }
}

static void a_slow_body_does_not_stall(void **state) {
    (void)state;
    struct http_box *b = http_box_new(drip, NULL, &(struct http_config){.stall_timeout_ns = 600 * NS_PER_MS});
    struct box_call *k = box_get(b, "/");
    assert_int_equal(k->err, 0);
    assert_int_equal(k->len, 20);
    box_call_free(k);
    http_box_free(b);
}

static void a_deadline_ends_a_request_under_way(void **state) {
    (void)state;
    struct http_box *b = http_box_new(hold, NULL, NULL);
    struct box_call *k = box_run(b, &(struct http_request){.url = "/", .timeout_ns = 150 * NS_PER_MS});
    assert_int_equal(k->err, -ETIMEDOUT);
    assert_non_null(strstr(k->why, "no complete answer within 0.1"));
    box_call_free(k);
    http_box_free(b);
}

static void a_proxy_that_is_none_is_refused(void **state) {
    (void)state;
    struct http *h = NULL;
    const char *const proxies[] = {"", "http://", "ftp://user:secret@proxy",
                                   "http://user:secret@proxy:99999999"};
    for (size_t i = 0; i < ARRAY_SIZE(proxies); i++) {
        CLEANUP_BUF struct buf why = BUF_INIT(1000);
        assert_int_equal(http_new(&(struct http_config){.proxy = proxies[i]}, &h, &why), -EINVAL);
        assert_non_null(strstr(buf_str(&why), "proxy"));
        assert_null(strstr(buf_str(&why), "secret"));
    }
    assert_null(h);
}

static void a_ca_file_that_is_none_is_refused(void **state) {
    (void)state;
    struct http *h = NULL;
    const char *const files[] = {"/no/such/file", "/dev/null", "/etc/passwd", "/"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        CLEANUP_BUF struct buf why = BUF_INIT(1000);
        assert_int_equal(http_new(&(struct http_config){.ca_file = files[i]}, &h, &why), -EINVAL);
        assert_non_null(strstr(buf_str(&why), files[i]));
    }
    assert_null(h);
}

static void connections_are_kept(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_hello, NULL, NULL);
    for (int i = 0; i < 20; i++)
        assert_true(box_gets(b, "/", 200));
    assert_int_equal(http_peer_connections(b->peer), 1);
    http_box_free(b);
}

/* Answers, and closes the kept connection: in good order or not. */
static void answer_and_close(void *arg, struct peer_request *q) {
    peer_answer(q, 200, "", "x", 1);
    peer_close(q, arg != NULL);
}

static void a_kept_connection_that_died_is_replaced(void **state) {
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        struct http_box *b = http_box_new(answer_and_close, reset ? (void *)"yes" : NULL, NULL);
        for (unsigned i = 1; i <= 5; i++) {
            struct box_call *k = box_get(b, "/");
            assert_true(k->err == 0 ||
                        (reset && k->err == -ECONNRESET)); /* a reset may overtake the answer */
            box_call_free(k);
            http_peer_await_closed(b->peer, i);
        }
        assert_int_equal(http_peer_connections(b->peer), 5);
        http_box_free(b);
    }
}

struct crowd {
    struct http_box *box;
    unsigned good;
};

static void *crowd_main(void *arg) {
    struct crowd *c = arg;
    for (int i = 0; i < 250; i++)
        c->good += box_gets(c->box, "/x", 200);
    return NULL;
}

static void a_thousand_requests_from_four_threads(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_hello, NULL, NULL);
    struct crowd crowd[4];
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_SIZE(crowd); i++) {
        crowd[i] = (struct crowd){.box = b};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowd[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(crowd); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowd[i].good, 250);
    }
    assert_int_equal(http_peer_requests(b->peer), 1000);
    assert_true(http_peer_connections(b->peer) <= 4);
    http_box_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_gives_status_body_and_headers),
        cmocka_unit_test(a_header_that_is_not_there_is_null),
        cmocka_unit_test(head_has_no_body_but_a_size),
        cmocka_unit_test(the_request_is_what_was_asked_and_no_more),
        cmocka_unit_test(no_accept_encoding_of_its_own),
        cmocka_unit_test(a_redirect_is_an_answer_and_a_cookie_is_not_kept),
        cmocka_unit_test(no_cookie_is_ever_sent),
        cmocka_unit_test(a_chunked_answer_has_no_size_and_no_trailers),
        cmocka_unit_test(only_the_final_head_counts),
        cmocka_unit_test(a_large_body_arrives_whole),
        cmocka_unit_test(one_byte_too_much_is_emsgsize),
        cmocka_unit_test(of_an_error_only_the_beginning_is_kept),
        cmocka_unit_test(an_error_without_end_ends),
        cmocka_unit_test(a_connection_that_is_cut),
        cmocka_unit_test(an_answer_shorter_than_it_says),
        cmocka_unit_test(what_is_not_http),
        cmocka_unit_test(a_head_without_end),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(no_such_name),
        cmocka_unit_test(only_http_and_https),
        cmocka_unit_test(a_server_that_never_answers_stalls),
        cmocka_unit_test(a_body_that_stops_coming_stalls),
        cmocka_unit_test(a_slow_body_does_not_stall),
        cmocka_unit_test(a_deadline_ends_a_request_under_way),
        cmocka_unit_test(a_proxy_that_is_none_is_refused),
        cmocka_unit_test(a_ca_file_that_is_none_is_refused),
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(a_kept_connection_that_died_is_replaced),
        cmocka_unit_test(a_thousand_requests_from_four_threads),
    };
    alarm(300); /* a hang ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
