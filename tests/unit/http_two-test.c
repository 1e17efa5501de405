/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * HTTP/2: requests that share connections, and what becomes of them when one of those is retired, refuses, breaks, stalls or ends.
 */
#include "http_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#ifndef HAVE_NGHTTP2

int main(void) {
    puts("SKIP: no libnghttp2-dev here when this was configured");
    return 77;
}

#else

#include "h2_peer.h"
#include "tmpdir.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

/* As in http_host-test.c. */
static _Atomic int64_t slept_ns;

int clock_gettime(clockid_t id, struct timespec *ret) {
    int r = (int)syscall(SYS_clock_gettime, id, ret);
    if (id == CLOCK_BOOTTIME) {
        int64_t ns = ret->tv_nsec + atomic_load(&slept_ns);
        ret->tv_sec += ns / NS_PER_S;
        ret->tv_nsec = ns % NS_PER_S;
    }
    return r;
}

#define OBJECT_SIZE ((size_t)300000)
static unsigned char object[OBJECT_SIZE];

/* An engine that offers HTTP/2, and who takes it. */
struct two {
    struct http_box *box;
    struct h2_peer *peer;
    char *dir, *ca_path;
};

static void plain(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 200, "", "plain", 5);
}

static void two_new(struct two *t, h2_fn fn, void *arg, const struct http_config *config) {
    struct tls_ca *ca = tls_ca_new();
    struct tls_cert *cert = tls_cert_new(ca, "DNS:localhost", 30);
    struct http_config c = config ? *config : (struct http_config){0};
    t->dir = tmpdir_new();
    t->ca_path = tmpdir_path(t->dir, "ca.pem");
    tls_ca_write(ca, t->ca_path);
    c.ca_file = t->ca_path;
    c.http2 = true;
    t->box = http_box_new(plain, NULL, &c);
    t->peer = h2_peer_new(cert, fn, arg);
    tls_cert_free(cert);
    tls_ca_free(ca);
}

static void two_free(struct two *t) {
    http_box_free(t->box);
    h2_peer_free(t->peer);
    free(t->ca_path);
    tmpdir_free(t->dir);
}

static struct box_call *start(struct two *t, const char *path, struct http_request req) {
    CLEANUP_FREE char *url = h2_peer_url(t->peer, path);
    req.url = url;
    return box_start(t->box, &req);
}

static struct box_call *get(struct two *t, const char *path) {
    return start(t, path, (struct http_request){0});
}

/* The answer is 200 with this text. */
static void is_text(struct box_call *k, const char *text) {
    box_wait(k);
    if (k->err)
        fprintf(stderr, "err %d: %s\n", k->err, k->why);
    assert_int_equal(k->err, 0);
    assert_int_equal(k->status, 200);
    assert_string_equal((char *)k->body, text);
    box_call_free(k);
}

static void is_object(struct box_call *k) {
    box_wait(k);
    if (k->err)
        fprintf(stderr, "err %d: %s\n", k->err, k->why);
    assert_int_equal(k->err, 0);
    assert_int_equal(k->status, 200);
    if (strcmp((char *)k->body, "one") != 0) { /* who was broken off again and again was answered by HTTP/1.1 */
        assert_int_equal(k->len, OBJECT_SIZE);
        assert_memory_equal(k->body, object, OBJECT_SIZE);
    }
    box_call_free(k);
}

static void say_path(void *arg ATTR_UNUSED, const struct h2_request *q) {
    h2_answer(q, 200, q->path, strlen(q->path));
}

static void say_object(void *arg ATTR_UNUSED, const struct h2_request *q) {
    h2_answer(q, 200, object, OBJECT_SIZE);
}

static void hold(void *arg ATTR_UNUSED, const struct h2_request *q) {
    h2_hold(q);
}

static void a_connection_is_kept(void **state) {
    (void)state;
    struct two t;
    two_new(&t, say_path, NULL, NULL);
    for (int i = 0; i < 20; i++)
        is_text(get(&t, "/x"), "/x");
    assert_int_equal(h2_peer_requests(t.peer), 20);
    assert_int_equal(h2_peer_connections(t.peer), 1);
    two_free(&t);
}

static void a_range_and_a_head(void **state) {
    (void)state;
    struct two t;
    two_new(&t, say_object, NULL, NULL);
    struct box_call *k = box_wait(start(&t, "/o", (struct http_request){.range_off = 70000, .range_len = 200000}));
    assert_int_equal(k->err, 0);
    assert_int_equal(k->status, 206);
    assert_true(k->ranged);
    assert_int_equal(k->total, OBJECT_SIZE);
    assert_int_equal(k->len, 200000);
    assert_memory_equal(k->body, object + 70000, 200000);
    box_call_free(k);
    k = box_wait(start(&t, "/o", (struct http_request){.method = "HEAD"}));
    assert_int_equal(k->status, 200);
    assert_int_equal(k->total, OBJECT_SIZE);
    box_call_free(k);
    assert_int_equal(h2_peer_requests(t.peer), 2);
    two_free(&t);
}

static void many_share_a_connection_and_more_make_another(void **state) {
    (void)state;
    struct two t;
    struct box_call *k[3 * HTTP_STREAMS];
    two_new(&t, hold, NULL, &(struct http_config){.max_connections = 64});
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = get(&t, "/");
    h2_peer_await(t.peer, ARRAY_SIZE(k));
    assert_int_equal(h2_peer_connections(t.peer), 3);
    assert_int_equal(h2_peer_most_on_a_connection(t.peer), HTTP_STREAMS);
    h2_peer_open(t.peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        is_text(k[i], "x");
    two_free(&t);
}

static void no_more_at_once_than_max_connections(void **state) {
    (void)state;
    struct two t;
    struct box_call *k[20];
    two_new(&t, hold, NULL, &(struct http_config){.max_connections = 5});
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = get(&t, "/");
    h2_peer_await(t.peer, 5);
    h2_peer_open(t.peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        is_text(k[i], "x");
    assert_int_equal(h2_peer_most_at_once(t.peer), 5);
    assert_int_equal(h2_peer_connections(t.peer), 1);
    two_free(&t);
}

static void urgent_requests_go_first(void **state) {
    (void)state;
    struct two t;
    two_new(&t, hold, NULL, &(struct http_config){.max_connections = 1});
    struct box_call *k[4] = {get(&t, "/held")};
    h2_peer_await(t.peer, 1);
    k[1] = get(&t, "/a");
    k[2] = start(&t, "/U", (struct http_request){.flags = HTTP_URGENT});
    k[3] = start(&t, "/V", (struct http_request){.flags = HTTP_URGENT});
    h2_peer_open(t.peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        is_text(k[i], "x");
    CLEANUP_FREE char *paths = h2_peer_paths(t.peer);
    assert_string_equal(paths, "/held /U /V /a");
    two_free(&t);
}

/* What goes wrong on the way, again and again, and all are answered, with the right bytes. */
static void all_get_the_object(h2_fn fn, size_t n) {
    struct two t;
    struct box_call *k[400];
    two_new(&t, fn, NULL, &(struct http_config){.max_connections = 40});
    for (size_t i = 0; i < n; i++)
        k[i] = get(&t, "/o");
    for (size_t i = 0; i < n; i++)
        is_object(k[i]);
    assert_true(h2_peer_requests(t.peer) >= n);
    assert_true(h2_peer_requests_by_one(t.peer) < n / 4);
    assert_true(h2_peer_connections(t.peer) > 1);
    two_free(&t);
}

/* As nginx does after each keepalive_requests. */
static void retire(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (q->nth == 7)
        h2_answer_and_retire(q, object, OBJECT_SIZE);
    else
        h2_answer(q, 200, object, OBJECT_SIZE);
}

static void connections_are_retired_all_the_time(void **state) {
    (void)state;
    all_get_the_object(retire, 400);
}

static void refuse_some(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (q->number % 7 == 3)
        h2_refuse(q);
    else
        h2_answer(q, 200, object, OBJECT_SIZE);
}

static void streams_are_refused(void **state) {
    (void)state;
    all_get_the_object(refuse_some, 200);
}

static void break_some(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (q->number % 9 == 5)
        h2_break(q);
    else
        h2_answer(q, 200, object, OBJECT_SIZE);
}

static void streams_are_broken(void **state) {
    (void)state;
    struct two t;
    struct box_call *k[100];
    two_new(&t, break_some, NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = get(&t, "/o");
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        is_object(k[i]);
    two_free(&t);
}

static void cut_some(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (q->nth == 9)
        h2_cut(q);
    else
        h2_answer(q, 200, object, OBJECT_SIZE);
}

/* Each cut hits the streams of a connection: few enough for each of them to get through. */
static void connections_are_cut(void **state) {
    (void)state;
    struct two t;
    two_new(&t, cut_some, NULL, &(struct http_config){.max_connections = 4});
    for (int round = 0; round < 25; round++) {
        struct box_call *k[4];
        for (size_t i = 0; i < ARRAY_SIZE(k); i++)
            k[i] = get(&t, "/o");
        for (size_t i = 0; i < ARRAY_SIZE(k); i++)
            is_object(k[i]);
    }
    assert_true(h2_peer_connections(t.peer) > 5);
    two_free(&t);
}

static void cut_the_first_two(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (q->connection_number <= 2)
        h2_cut(q);
    else
        h2_answer(q, 200, q->path, strlen(q->path));
}

static void a_new_connection_that_is_cut(void **state) {
    (void)state;
    struct two t;
    two_new(&t, cut_the_first_two, NULL, NULL);
    is_text(get(&t, "/x"), "/x");
    assert_int_equal(h2_peer_requests(t.peer), 3);
    assert_int_equal(h2_peer_connections(t.peer), 3);
    two_free(&t);
}

static void always_break(void *arg ATTR_UNUSED, const struct h2_request *q) {
    h2_break(q);
}

static void at_last_by_http1(void **state) {
    (void)state;
    struct two t;
    two_new(&t, always_break, NULL, NULL);
    is_text(get(&t, "/"), "one");
    assert_int_equal(h2_peer_requests(t.peer), 3);
    assert_int_equal(h2_peer_requests_by_one(t.peer), 1);
    two_free(&t);
}

static void unsized(void *arg ATTR_UNUSED, const struct h2_request *q) {
    h2_answer_unsized(q, object, OBJECT_SIZE);
}

/* Where it ends cannot be told for sure. */
static void a_body_without_a_length_is_asked_for_by_http1(void **state) {
    (void)state;
    struct two t;
    two_new(&t, unsized, NULL, NULL);
    is_text(start(&t, "/", (struct http_request){.max_response = 1 << 20}), "one");
    assert_int_equal(h2_peer_requests(t.peer), 1); /* it would be the same again */
    assert_int_equal(h2_peer_requests_by_one(t.peer), 1);
    two_free(&t);
}

static void puts_go_by_http1(void **state) {
    (void)state;
    struct two t;
    two_new(&t, say_path, NULL, NULL);
    is_text(get(&t, "/g"), "/g");
    is_text(start(&t, "/p", (struct http_request){.method = "PUT", .bytes = "body", .size = 4}), "one");
    is_text(start(&t, "/p", (struct http_request){.method = "PUT", .bytes = object, .size = OBJECT_SIZE}), "one");
    is_text(get(&t, "/g"), "/g");
    assert_int_equal(h2_peer_requests(t.peer), 2);
    assert_int_equal(h2_peer_requests_by_one(t.peer), 2);
    two_free(&t);
}

static void a_limit_of_downloads_means_http1(void **state) {
    (void)state;
    struct two t;
    two_new(&t, say_path, NULL, &(struct http_config){.download_limit = 10 << 20});
    is_text(get(&t, "/g"), "one");
    assert_int_equal(h2_peer_requests(t.peer), 0);
    two_free(&t);
}

static void pass_and_answer(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_pass(q);
    peer_answer(q, 200, "", q->target, strlen(q->target));
}

static void a_server_without_it(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(pass_and_answer, NULL, &(struct http_config){.http2 = true}, "DNS:localhost", 30, true);
    struct box_call *k[10];
    http_peer_open(b->peer);
    assert_true(box_gets(b, "/first", 200));
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = box_start(b, &(struct http_request){.url = "/x"});
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        is_text(k[i], "/x");
    assert_int_equal(http_peer_requests(b->peer), 11);
    http_box_free(b);
}

/* Once that is known, nobody waits for another's connection. */
static void a_server_without_it_gets_many_connections(void **state) {
    (void)state;
    struct http_box *b = http_box_new_tls(pass_and_answer, NULL, &(struct http_config){.http2 = true}, "DNS:localhost", 30, true);
    struct box_call *k[10];
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = box_start(b, &(struct http_request){.url = "/x"});
    http_peer_await(b->peer, ARRAY_SIZE(k));
    http_peer_open(b->peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        is_text(k[i], "/x");
    assert_int_equal(http_peer_connections(b->peer), ARRAY_SIZE(k));
    http_box_free(b);
}

static void without_tls_it_is_not_offered(void **state) {
    (void)state;
    struct two t;
    two_new(&t, say_path, NULL, NULL);
    is_text(box_get(t.box, "/"), "plain");
    two_free(&t);
}

static void cancelling_one_leaves_the_others(void **state) {
    (void)state;
    struct two t;
    two_new(&t, hold, NULL, NULL);
    struct box_call *k[5];
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = get(&t, "/");
    h2_peer_await(t.peer, ARRAY_SIZE(k));
    http_cancel(t.box->http, k[2]->call);
    assert_int_equal(box_wait(k[2])->err, -ECANCELED);
    h2_peer_open(t.peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        if (i != 2)
            is_text(k[i], "x");
    box_call_free(k[2]);
    assert_int_equal(h2_peer_connections(t.peer), 1);
    assert_int_equal(h2_peer_requests(t.peer), ARRAY_SIZE(k));
    two_free(&t);
}

static void cancelling_what_waits_for_a_connection(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct two t;
        two_new(&t, hold, NULL, NULL);
        struct box_call *k[3] = {get(&t, "/a"), get(&t, "/b"), get(&t, "/c")};
        http_cancel(t.box->http, k[0]->call); /* at whatever stage it is */
        assert_int_equal(box_wait(k[0])->err, -ECANCELED);
        box_call_free(k[0]);
        h2_peer_open(t.peer);
        is_text(k[1], "x");
        is_text(k[2], "x");
        two_free(&t);
    }
}

static void ending_with_requests_under_way(void **state) {
    (void)state;
    struct two t;
    struct box_call *k[40];
    two_new(&t, hold, NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = get(&t, "/");
    h2_peer_await(t.peer, 1);
    t.box->http = http_free(t.box->http);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        assert_int_equal(box_wait(k[i])->err, -ECANCELED);
        box_call_free(k[i]);
    }
    two_free(&t);
}

static void stall_some(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (strcmp(q->path, "/stalls") == 0)
        h2_answer_part(q, object, OBJECT_SIZE, 1000);
    else
        h2_answer(q, 200, object, OBJECT_SIZE);
}

static void a_stream_that_stalls_times_out_alone(void **state) {
    (void)state;
    struct two t;
    two_new(&t, stall_some, NULL, &(struct http_config){.stall_timeout_ns = 2 * NS_PER_S});
    struct box_call *stalls = get(&t, "/stalls");
    for (int i = 0; i < 20; i++)
        is_object(get(&t, "/o"));
    assert_int_equal(box_wait(stalls)->err, -ETIMEDOUT);
    assert_non_null(strstr(stalls->why, "nothing has moved"));
    box_call_free(stalls);
    is_object(get(&t, "/o"));
    two_free(&t);
}

static void a_deadline_ends_one(void **state) {
    (void)state;
    struct two t;
    two_new(&t, hold, NULL, NULL);
    struct box_call *other = get(&t, "/"), *k = start(&t, "/", (struct http_request){.timeout_ns = 150 * NS_PER_MS});
    assert_int_equal(box_wait(k)->err, -ETIMEDOUT);
    box_call_free(k);
    h2_peer_open(t.peer);
    is_text(other, "x");
    two_free(&t);
}

static void freeze_the_first(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (q->connection_number == 1)
        h2_freeze(q);
    else
        h2_answer(q, 200, q->path, strlen(q->path));
}

/* The first to notice says it for all: what came later on that connection does not wait for as long. */
static void a_connection_that_is_dead_is_left(void **state) {
    (void)state;
    struct two t;
    two_new(&t, freeze_the_first, NULL, &(struct http_config){.stall_timeout_ns = NS_PER_S});
    struct box_call *first = get(&t, "/first");
    h2_peer_await(t.peer, 1);
    usleep(600000); /* more than the engine takes to see that the first has been sent */
    struct box_call *later = get(&t, "/later"), *too = get(&t, "/too");
    assert_int_equal(box_wait(first)->err, -ETIMEDOUT);
    is_text(later, "/later");
    is_text(too, "/too");
    box_call_free(first);
    is_text(get(&t, "/after"), "/after");
    two_free(&t);
}

/* Nobody has told the engine that its connections died while the machine slept. */
static void after_a_sleep_all_is_sent_again(void **state) {
    (void)state;
    struct two t;
    struct box_call *k[5];
    two_new(&t, freeze_the_first, NULL, NULL);
    k[0] = get(&t, "/0");
    h2_peer_await(t.peer, 1);
    for (size_t i = 1; i < ARRAY_SIZE(k); i++)
        k[i] = get(&t, "/n");
    atomic_fetch_add(&slept_ns, 60 * NS_PER_S);
    is_text(get(&t, "/wakes"), "/wakes");
    is_text(k[0], "/0");
    for (size_t i = 1; i < ARRAY_SIZE(k); i++)
        is_text(k[i], "/n");
    two_free(&t);
}

static void busy_at_first(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (q->number <= 8)
        h2_answer(q, q->number % 2 ? 503 : 429, "busy", 4);
    else
        h2_answer(q, 200, q->path, strlen(q->path));
}

/* An answer like any other: who asked decides. */
static void a_busy_server_is_an_answer(void **state) {
    (void)state;
    struct two t;
    two_new(&t, busy_at_first, NULL, &(struct http_config){.max_connections = 8});
    struct box_call *k[8];
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = get(&t, "/");
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        assert_int_equal(box_wait(k[i])->err, 0);
        assert_true(k[i]->status == 503 || k[i]->status == 429);
        assert_string_equal((char *)k[i]->body, "busy");
        box_call_free(k[i]);
    }
    for (int i = 0; i < 30; i++)
        is_text(get(&t, "/x"), "/x");
    two_free(&t);
}

static void say_whole(void *arg ATTR_UNUSED, const struct h2_request *q) {
    h2_answer_whole(q, object, OBJECT_SIZE);
}

/* The rest of it is not waited for, and the connection is used further. */
static void of_the_whole_object_the_range_is_kept(void **state) {
    (void)state;
    struct two t;
    two_new(&t, say_whole, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        struct box_call *k = box_wait(start(&t, "/o", (struct http_request){.range_off = 1000, .range_len = 50000}));
        assert_int_equal(k->err, 0);
        assert_false(k->ranged);
        assert_int_equal(k->len, 50000);
        assert_memory_equal(k->body, object + 1000, 50000);
        box_call_free(k);
    }
    assert_int_equal(h2_peer_connections(t.peer), 1);
    two_free(&t);
}

static void too_much_is_too_much(void **state) {
    (void)state;
    struct two t;
    two_new(&t, say_object, NULL, NULL);
    struct box_call *k = box_wait(start(&t, "/o", (struct http_request){.max_response = 1000}));
    assert_int_equal(k->err, -EMSGSIZE);
    box_call_free(k);
    is_object(get(&t, "/o"));
    two_free(&t);
}

/* It takes connections and says nothing at all. */
static void a_connection_that_does_not_come(void **state) {
    (void)state;
    struct two t;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 64) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    two_new(&t, say_path, NULL, &(struct http_config){.connect_timeout_ns = 2 * NS_PER_S});
    CLEANUP_FREE char *url = xasprintf("https://localhost:%u/", ntohs(at.sin_port));
    struct box_call *k[20];
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = box_start(t.box, &(struct http_request){.url = url});
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        assert_int_equal(box_wait(k[i])->err, -ETIMEDOUT);
        assert_non_null(strstr(k[i]->why, "no connection within"));
        box_call_free(k[i]);
    }
    is_text(get(&t, "/other"), "/other");
    two_free(&t);
}

static void nobody_listens(void **state) {
    (void)state;
    struct two t;
    two_new(&t, say_path, NULL, NULL);
    struct box_call *k[20];
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = box_start(t.box, &(struct http_request){.url = "https://localhost:1/"});
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        assert_int_equal(box_wait(k[i])->err, -ECONNREFUSED);
        box_call_free(k[i]);
    }
    two_free(&t);
}

static void retire_small(void *arg ATTR_UNUSED, const struct h2_request *q) {
    if (q->nth == 20)
        h2_answer_and_retire(q, q->path, strlen(q->path));
    else
        h2_answer(q, 200, q->path, strlen(q->path));
}

struct crowd {
    struct two *two;
    unsigned good;
};

static void *crowd_main(void *arg) {
    struct crowd *c = arg;
    for (int i = 0; i < 200; i++) {
        struct box_call *k = box_wait(get(c->two, "/x"));
        c->good += k->err == 0 && k->status == 200;
        box_call_free(k);
    }
    return NULL;
}

static void four_threads_and_retired_connections(void **state) {
    (void)state;
    struct two t;
    struct crowd crowd[4];
    pthread_t threads[4];
    two_new(&t, retire_small, NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(crowd); i++) {
        crowd[i] = (struct crowd){.two = &t};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowd[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(crowd); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowd[i].good, 200);
    }
    two_free(&t);
}

int main(void) {
    for (size_t i = 0; i < OBJECT_SIZE; i++)
        object[i] = (unsigned char)(i * 2654435761u >> 13);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept),
        cmocka_unit_test(a_range_and_a_head),
        cmocka_unit_test(many_share_a_connection_and_more_make_another),
        cmocka_unit_test(no_more_at_once_than_max_connections),
        cmocka_unit_test(urgent_requests_go_first),
        cmocka_unit_test(connections_are_retired_all_the_time),
        cmocka_unit_test(streams_are_refused),
        cmocka_unit_test(streams_are_broken),
        cmocka_unit_test(connections_are_cut),
        cmocka_unit_test(a_new_connection_that_is_cut),
        cmocka_unit_test(at_last_by_http1),
        cmocka_unit_test(a_body_without_a_length_is_asked_for_by_http1),
        cmocka_unit_test(puts_go_by_http1),
        cmocka_unit_test(a_limit_of_downloads_means_http1),
        cmocka_unit_test(a_server_without_it),
        cmocka_unit_test(a_server_without_it_gets_many_connections),
        cmocka_unit_test(without_tls_it_is_not_offered),
        cmocka_unit_test(cancelling_one_leaves_the_others),
        cmocka_unit_test(cancelling_what_waits_for_a_connection),
        cmocka_unit_test(ending_with_requests_under_way),
        cmocka_unit_test(a_stream_that_stalls_times_out_alone),
        cmocka_unit_test(a_deadline_ends_one),
        cmocka_unit_test(a_connection_that_is_dead_is_left),
        cmocka_unit_test(after_a_sleep_all_is_sent_again),
        cmocka_unit_test(a_busy_server_is_an_answer),
        cmocka_unit_test(of_the_whole_object_the_range_is_kept),
        cmocka_unit_test(too_much_is_too_much),
        cmocka_unit_test(a_connection_that_does_not_come),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(four_threads_and_retired_connections),
    };
    alarm(300); /* a hang ends */
    return cmocka_run_group_tests_name("http_two", tests, NULL, NULL);
}

#endif
