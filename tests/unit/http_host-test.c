/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whose turn it is: connections, urgent requests, hosts that want to be left alone, deadlines in the queue,
 * cancelling, ending, fresh connections.
 */
#include "http_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <cmocka.h>

/* How long the machine has slept, as far as this process can tell: the C library's function, with that added.
 */
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

/* Passes the gate first, so that a test can arrange things while it is closed. */
static void pass_and_answer(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_pass(q);
    peer_answer(q, 200, "", "x", 1);
}

static void answer(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 200, "", "x", 1);
}

static struct box_call *start(struct http_box *b, const char *path, unsigned flags, int64_t timeout_ns) {
    return box_start(b, &(struct http_request){.url = path, .flags = flags, .timeout_ns = timeout_ns});
}

static void no_more_than_max_connections(void **state) {
    (void)state;
    struct http_box *b = http_box_new(pass_and_answer, NULL, &(struct http_config){.max_connections = 3});
    struct box_call *k[20];
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = start(b, "/", 0, 0);
    http_peer_await(b->peer, 3);
    assert_int_equal(http_active(b->http), 20);
    http_peer_open(b->peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        assert_int_equal(box_wait(k[i])->err, 0);
        box_call_free(k[i]);
    }
    assert_int_equal(http_peer_most_at_once(b->peer), 3);
    assert_int_equal(http_peer_connections(b->peer), 3);
    http_box_free(b);
}

static void two_hosts_do_not_share_places(void **state) {
    (void)state;
    const struct http_config config = {.max_connections = 1};
    struct http_box *a = http_box_new(pass_and_answer, NULL, &config),
                    *b = http_box_new(answer, NULL, &config);
    struct box_call *held = start(a, "/", 0, 0);
    http_peer_await(a->peer, 1);
    CLEANUP_FREE char *other = http_peer_url(b->peer, "/");
    struct box_call *k = start(a, other, 0, 0);
    assert_int_equal(box_wait(k)->err, 0); /* while the first is held */
    http_peer_open(a->peer);
    box_call_free(held);
    box_call_free(k);
    http_box_free(a);
    http_box_free(b);
}

static void urgent_requests_go_first(void **state) {
    (void)state;
    struct http_box *b = http_box_new(pass_and_answer, NULL, &(struct http_config){.max_connections = 1});
    struct box_call *k[5] = {start(b, "/held", 0, 0)};
    http_peer_await(b->peer, 1);
    k[1] = start(b, "/a", 0, 0);
    k[2] = start(b, "/b", 0, 0);
    k[3] = start(b, "/U", HTTP_URGENT, 0);
    k[4] = start(b, "/V", HTTP_URGENT, 0);
    http_peer_open(b->peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        box_call_free(k[i]);
    CLEANUP_FREE char *targets = http_peer_targets(b->peer);
    assert_string_equal(targets, "/held /U /V /a /b");
    http_box_free(b);
}

static void a_deadline_ends_a_request_in_the_queue(void **state) {
    (void)state;
    struct http_box *b = http_box_new(pass_and_answer, NULL, &(struct http_config){.max_connections = 1});
    struct box_call *held = start(b, "/held", 0, 0), *late = start(b, "/late", 0, 100 * NS_PER_MS);
    box_wait(late);
    assert_int_equal(late->err, -ETIMEDOUT);
    assert_non_null(strstr(late->why, "all connections were busy"));
    http_peer_open(b->peer);
    assert_int_equal(box_wait(held)->err, 0);
    box_call_free(held);
    box_call_free(late);
    CLEANUP_FREE char *targets = http_peer_targets(b->peer);
    assert_string_equal(targets, "/held");
    http_box_free(b);
}

static void the_next_in_the_queue_follows_a_deadline(void **state) {
    (void)state;
    struct http_box *b = http_box_new(pass_and_answer, NULL, &(struct http_config){.max_connections = 1});
    struct box_call *held = start(b, "/held", 0, 100 * NS_PER_MS);
    http_peer_await(b->peer, 1);
    struct box_call *next = start(b, "/next", 0, 0);
    http_peer_await(b->peer, 2);
    http_peer_open(b->peer);
    assert_int_equal(box_wait(held)->err, -ETIMEDOUT);
    assert_int_equal(box_wait(next)->err, 0);
    box_call_free(held);
    box_call_free(next);
    http_box_free(b);
}

static void cancel_in_the_queue(void **state) {
    (void)state;
    struct http_box *b = http_box_new(pass_and_answer, NULL, &(struct http_config){.max_connections = 1});
    struct box_call *held = start(b, "/held", 0, 0), *k = start(b, "/never", 0, 0);
    http_cancel(b->http, k->call);
    assert_int_equal(box_wait(k)->err, -ECANCELED);
    assert_true(k->why[0]);
    http_peer_open(b->peer);
    box_call_free(held);
    box_call_free(k);
    CLEANUP_FREE char *targets = http_peer_targets(b->peer);
    assert_string_equal(targets, "/held");
    http_box_free(b);
}

static void cancel_under_way(void **state) {
    (void)state;
    struct http_box *b = http_box_new(pass_and_answer, NULL, NULL);
    struct box_call *k = start(b, "/", 0, 0);
    http_peer_await(b->peer, 1);
    http_cancel(b->http, k->call);
    http_cancel(b->http, k->call);
    assert_int_equal(box_wait(k)->err, -ECANCELED);
    assert_int_equal(counter_get(&b->counters, COUNTER_HTTP_REQUESTS), 1);
    http_peer_open(b->peer);
    assert_true(box_gets(b, "/", 200));
    box_call_free(k);
    http_box_free(b);
}

/* A call is valid until its done has returned: here it cancels itself in it. */
struct self {
    struct http_box *box;
    struct http_call *call;
    _Atomic int err, times;
    pthread_mutex_t mutex; /* held until `call` is set */
};

static void cancel_in_done(void *arg, const struct http_response *r) {
    struct self *s = arg;
    SCOPE_LOCK(&s->mutex);
    http_cancel(s->box->http, s->call);
    s->err = r->err;
    s->times++;
}

static void cancel_when_the_answer_is_there_changes_nothing(void **state) {
    (void)state;
    struct http_box *b = http_box_new(answer, NULL, &(struct http_config){.max_connections = 1});
    struct self s = {.box = b, .err = 1, .mutex = PTHREAD_MUTEX_INITIALIZER};
    CLEANUP_FREE char *url = http_peer_url(b->peer, "/");
    pthread_mutex_lock(&s.mutex);
    s.call = http_submit(b->http, &(struct http_request){.method = "GET", .url = url, .max_response = 10},
                         cancel_in_done, &s);
    pthread_mutex_unlock(&s.mutex);
    assert_true(box_gets(b, "/", 200)); /* after the first */
    http_box_free(b);
    assert_int_equal(s.err, 0);
    assert_int_equal(s.times, 1);
}

static void cancel_in_a_storm(void **state) {
    (void)state;
    struct http_box *b = http_box_new(answer, NULL, &(struct http_config){.max_connections = 4});
    for (int round = 0; round < 20; round++) {
        struct box_call *k[40];
        for (size_t i = 0; i < ARRAY_SIZE(k); i++)
            k[i] = start(b, "/", i % 3 ? 0 : HTTP_URGENT, 0);
        pthread_mutex_lock(&b->mutex); /* no done can return: so each call is valid */
        for (size_t i = 0; i < ARRAY_SIZE(k); i += 2)
            if (!k[i]->times_done)
                http_cancel(b->http, k[i]->call);
        pthread_mutex_unlock(&b->mutex);
        for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
            box_wait(k[i]);
            assert_true(k[i]->err == 0 || (i % 2 == 0 && k[i]->err == -ECANCELED));
            box_call_free(k[i]);
        }
    }
    assert_true(box_gets(b, "/", 200));
    http_box_free(b);
}

static void free_cancels_what_is_under_way(void **state) {
    (void)state;
    struct http_box *b = http_box_new(pass_and_answer, NULL, &(struct http_config){.max_connections = 2});
    struct box_call *k[6];
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = start(b, "/", 0, 0);
    http_peer_await(b->peer, 2);
    b->http = http_free(b->http);
    assert_null(b->http);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        assert_int_equal(box_wait(k[i])->err, -ECANCELED);
        assert_true(k[i]->on_loop);
        box_call_free(k[i]);
    }
    http_box_free(b);
}

static void free_without_any_request(void **state) {
    (void)state;
    http_box_free(http_box_new(answer, NULL, NULL));
    assert_null(http_free(NULL));
}

struct refusal {
    unsigned times; /* the first so many requests are refused */
    const char *headers;
    int status;
};

static void refuse_at_first(void *arg, struct peer_request *q) {
    const struct refusal *r = arg;
    if (q->number <= r->times)
        peer_answer(q, r->status, r->headers, "slow down", 9);
    else if (strcmp(q->target, "/held") == 0)
        pass_and_answer(NULL, q);
    else
        answer(NULL, q);
}

static void get_one_by_one(struct http_box *b, unsigned n, int status) {
    while (n-- > 0)
        assert_true(box_gets(b, "/", status));
}

/* How many requests the engine sends at once now: that many come, although more are asked for. */
static void comes_at_once(struct http_box *b, unsigned n) {
    struct box_call *k[64];
    unsigned before = http_peer_requests(b->peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = start(b, "/held", 0, 0);
    http_peer_await(b->peer, before + n);
    http_peer_open(b->peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        box_call_free(k[i]);
}

static void a_503_halves_what_a_host_gets_at_once(void **state) {
    (void)state;
    static const int statuses[] = {503, 429};
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        struct refusal r = {.times = 2, .status = statuses[i], .headers = ""};
        struct http_box *b = http_box_new(refuse_at_first, &r, &(struct http_config){.max_connections = 8});
        get_one_by_one(b, 2, statuses[i]);
        struct box_call *k[8];
        for (size_t j = 0; j < ARRAY_SIZE(k); j++)
            k[j] = start(b, "/held", 0, 0);
        http_peer_await(b->peer, 2 + 2); /* 8 / 2 / 2 */
        struct box_call *last = start(b, "/held", 0, 300 * NS_PER_MS);
        assert_int_equal(box_wait(last)->err, -ETIMEDOUT);
        assert_int_equal(http_peer_requests(b->peer), 4); /* no more than two were sent all that time */
        http_peer_open(b->peer);
        for (size_t j = 0; j < ARRAY_SIZE(k); j++)
            box_call_free(k[j]);
        box_call_free(last);
        http_box_free(b);
    }
}

static void it_recovers_with_each_success(void **state) {
    (void)state;
    struct refusal r = {.times = 10, .status = 503, .headers = ""};
    struct http_box *b = http_box_new(refuse_at_first, &r, &(struct http_config){.max_connections = 4});
    get_one_by_one(b, 10, 503); /* down to 1, and not below */
    get_one_by_one(b, 30, 200);
    comes_at_once(b, 4);
    http_box_free(b);
}

static void other_errors_do_not_slow_down(void **state) {
    (void)state;
    struct refusal r = {.times = 5, .status = 500, .headers = ""};
    struct http_box *b = http_box_new(refuse_at_first, &r, &(struct http_config){.max_connections = 4});
    get_one_by_one(b, 5, 500);
    comes_at_once(b, 4);
    http_box_free(b);
}

static void pauses(const char *headers) {
    struct refusal r = {.times = 1, .status = 503, .headers = headers};
    struct http_box *b = http_box_new(refuse_at_first, &r, NULL);
    assert_true(box_gets(b, "/", 503));
    struct box_call *late = start(b, "/late", 0, 200 * NS_PER_MS);
    assert_int_equal(box_wait(late)->err, -ETIMEDOUT);
    assert_non_null(strstr(late->why, "asked for a pause"));
    assert_int_equal(http_peer_requests(b->peer), 1);
    box_call_free(late);
    http_box_free(b);
}

static void retry_after_in_seconds(void **state) {
    (void)state;
    pauses("Retry-After: 30\r\n");
    pauses("Retry-After: 99999999999999999999999\r\n");
}

static void retry_after_as_a_date(void **state) {
    (void)state;
    pauses(
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n"); /* by the
                                                                                                     server's
                                                                                                     clock */
    pauses("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n");
}

static void after_the_pause_it_goes_on(void **state) {
    (void)state;
    struct refusal r = {.times = 1, .status = 503, .headers = "Retry-After: 1\r\n"};
    struct http_box *b = http_box_new(refuse_at_first, &r, NULL);
    struct timespec before, after;
    assert_true(box_gets(b, "/", 503));
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_true(box_gets(b, "/", 200));
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true((after.tv_sec - before.tv_sec) * NS_PER_S + after.tv_nsec - before.tv_nsec >=
                900 * NS_PER_MS);
    http_box_free(b);
}

static void no_pause(const char *headers) {
    struct refusal r = {.times = 1, .status = 503, .headers = headers};
    struct http_box *b = http_box_new(refuse_at_first, &r, NULL);
    assert_true(box_gets(b, "/", 503));
    struct box_call *k = start(b, "/", 0, 20 * NS_PER_S);
    assert_int_equal(box_wait(k)->err, 0);
    box_call_free(k);
    http_box_free(b);
}

static void a_retry_after_that_is_none(void **state) {
    (void)state;
    no_pause("Retry-After: soon\r\n");
    no_pause("Retry-After: -30\r\n");
    no_pause("Retry-After:\r\n");
    no_pause("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

static void after_a_5xx_the_connection_is_not_used_again(void **state) {
    (void)state;
    struct refusal r = {.times = 1, .status = 500, .headers = ""};
    struct http_box *b = http_box_new(refuse_at_first, &r, NULL);
    assert_true(box_gets(b, "/", 500));
    http_peer_await_closed(b->peer, 1);
    get_one_by_one(b, 3, 200);
    assert_int_equal(http_peer_connections(b->peer), 2);
    http_box_free(b);
}

static void fail_on_request(void *arg ATTR_UNUSED, struct peer_request *q) {
    if (strcmp(q->target, "/held") == 0)
        peer_pass(q);
    peer_answer(q, strcmp(q->target, "/bad") == 0 ? 500 : 200, "", "x", 1);
}

/* Two kept connections, one meets a 500: the next attempt does not use the other. */
static void after_a_5xx_the_next_attempt_is_fresh(void **state) {
    (void)state;
    struct http_box *b = http_box_new(fail_on_request, NULL, NULL);
    struct box_call *k = start(b, "/held", 0, 0);
    http_peer_await(b->peer, 1);
    assert_true(box_gets(b, "/", 200));
    http_peer_open(b->peer);
    box_call_free(k);
    assert_true(box_gets(b, "/bad", 500));
    assert_int_equal(http_peer_connections(b->peer), 2);
    assert_true(box_gets(b, "/", 200));
    assert_int_equal(http_peer_connections(b->peer), 3);
    http_box_free(b);
}

static void a_404_keeps_the_connection(void **state) {
    (void)state;
    struct refusal r = {.times = 3, .status = 404, .headers = ""};
    struct http_box *b = http_box_new(refuse_at_first, &r, NULL);
    get_one_by_one(b, 3, 404);
    get_one_by_one(b, 3, 200);
    assert_int_equal(http_peer_connections(b->peer), 1);
    http_box_free(b);
}

static void answer_hold(void *arg ATTR_UNUSED, struct peer_request *q) {
    if (strcmp(q->target, "/hold") == 0)
        peer_pass(q);
    peer_answer(q, 200, "", "x", 1);
}

/* Two kept connections; one of them times out: the next attempt does not use the other. */
static void after_a_timeout_the_next_attempt_is_fresh(void **state) {
    (void)state;
    struct http_box *b = http_box_new(answer_hold, NULL, NULL);
    struct box_call *first = start(b, "/hold", 0, 300 * NS_PER_MS);
    http_peer_await(b->peer, 1);
    assert_true(box_gets(b, "/", 200));
    assert_int_equal(http_peer_connections(b->peer), 2);
    assert_int_equal(box_wait(first)->err, -ETIMEDOUT);
    assert_true(box_gets(b, "/", 200));
    assert_int_equal(http_peer_connections(b->peer), 3);
    assert_true(box_gets(b, "/", 200));
    assert_int_equal(http_peer_connections(b->peer), 3);
    http_peer_open(b->peer);
    box_call_free(first);
    http_box_free(b);
}

/* Which connection it was. */
static void tell_connection(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE char *text = xasprintf("%u", q->connection_number);
    if (strcmp(q->target, "/stall") == 0)
        peer_swallow(q);
    else if (strcmp(q->target, "/pass") == 0)
        peer_pass(q);
    peer_answer(q, 200, "", text, strlen(text));
}

static void after_a_stall_no_other_old_connection_is_used(void **state) {
    (void)state;
    struct http_box *b =
        http_box_new(tell_connection, NULL, &(struct http_config){.stall_timeout_ns = NS_PER_S});
    struct box_call *k[4];
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = start(b, "/pass", 0, 0);
    http_peer_await(b->peer, 4);
    http_peer_open(b->peer);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        box_call_free(k[i]);
    struct box_call *stalled = start(b, "/stall", 0, 0);
    assert_int_equal(box_wait(stalled)->err, -ETIMEDOUT);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = start(b, "/", 0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        assert_int_equal(box_wait(k[i])->err, 0);
        assert_true(atoi((char *)k[i]->body) > 4);
        box_call_free(k[i]);
    }
    box_call_free(stalled);
    http_box_free(b);
}

static void a_fresh_connection_on_request(void **state) {
    (void)state;
    struct http_box *b = http_box_new(answer, NULL, NULL);
    get_one_by_one(b, 2, 200);
    assert_int_equal(http_peer_connections(b->peer), 1);
    box_call_free(start(b, "/", HTTP_FRESH_CONNECTION, 0));
    assert_int_equal(http_peer_connections(b->peer), 2);
    http_box_free(b);
}

static void after_a_sleep_old_connections_are_not_used(void **state) {
    (void)state;
    struct http_box *b = http_box_new(answer, NULL, NULL);
    get_one_by_one(b, 3, 200);
    assert_int_equal(http_peer_connections(b->peer), 1);
    atomic_fetch_add(&slept_ns, 100 * NS_PER_S);
    assert_true(box_gets(b, "/", 200));
    assert_int_equal(http_peer_connections(b->peer), 2);
    http_box_free(b);
}

static void a_request_under_way_survives_a_sleep(void **state) {
    (void)state;
    struct http_box *b = http_box_new(answer_hold, NULL, NULL);
    struct box_call *k = start(b, "/hold", 0, 0);
    http_peer_await(b->peer, 1);
    atomic_fetch_add(&slept_ns, 100 * NS_PER_S);
    assert_true(box_gets(b, "/", 200)); /* the thread has looked at the clock */
    http_peer_open(b->peer);
    assert_int_equal(box_wait(k)->err, 0);
    http_peer_await_closed(b->peer, 1); /* but nothing else is sent on its connection */
    box_call_free(k);
    http_box_free(b);
}

/* Answers for whoever is asked for. */
static void proxy(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 200, "", q->target, strlen(q->target));
}

static void a_proxy_is_asked_for_everything(void **state) {
    (void)state;
    struct http_peer *p = http_peer_new(NULL, proxy, NULL);
    CLEANUP_FREE char *url = http_peer_url(p, "");
    struct http_box *b = http_box_new(answer, NULL, &(struct http_config){.proxy = url});
    struct box_call *k = start(b, "http://bucket.example/key%2Fx?q=1", 0, 0);
    assert_int_equal(box_wait(k)->err, 0);
    assert_string_equal((char *)k->body, "http://bucket.example/key%2Fx?q=1");
    box_call_free(k);
    http_box_free(b);
    http_peer_free(p);
}

static void a_proxy_that_is_not_there(void **state) {
    (void)state;
    struct http_peer *p = http_peer_new(NULL, proxy, NULL);
    CLEANUP_FREE char *url = http_peer_url(p, "");
    http_peer_free(p);
    struct http_box *b = http_box_new(answer, NULL, &(struct http_config){.proxy = url});
    struct box_call *k = start(b, "http://bucket.example/", 0, 0);
    assert_int_equal(box_wait(k)->err, -ECONNREFUSED);
    box_call_free(k);
    http_box_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_max_connections),
        cmocka_unit_test(two_hosts_do_not_share_places),
        cmocka_unit_test(urgent_requests_go_first),
        cmocka_unit_test(a_deadline_ends_a_request_in_the_queue),
        cmocka_unit_test(the_next_in_the_queue_follows_a_deadline),
        cmocka_unit_test(cancel_in_the_queue),
        cmocka_unit_test(cancel_under_way),
        cmocka_unit_test(cancel_when_the_answer_is_there_changes_nothing),
        cmocka_unit_test(cancel_in_a_storm),
        cmocka_unit_test(free_cancels_what_is_under_way),
        cmocka_unit_test(free_without_any_request),
        cmocka_unit_test(a_503_halves_what_a_host_gets_at_once),
        cmocka_unit_test(it_recovers_with_each_success),
        cmocka_unit_test(other_errors_do_not_slow_down),
        cmocka_unit_test(retry_after_in_seconds),
        cmocka_unit_test(retry_after_as_a_date),
        cmocka_unit_test(after_the_pause_it_goes_on),
        cmocka_unit_test(a_retry_after_that_is_none),
        cmocka_unit_test(after_a_5xx_the_connection_is_not_used_again),
        cmocka_unit_test(after_a_5xx_the_next_attempt_is_fresh),
        cmocka_unit_test(a_404_keeps_the_connection),
        cmocka_unit_test(after_a_timeout_the_next_attempt_is_fresh),
        cmocka_unit_test(after_a_stall_no_other_old_connection_is_used),
        cmocka_unit_test(a_fresh_connection_on_request),
        cmocka_unit_test(after_a_sleep_old_connections_are_not_used),
        cmocka_unit_test(a_request_under_way_survives_a_sleep),
        cmocka_unit_test(a_proxy_is_asked_for_everything),
        cmocka_unit_test(a_proxy_that_is_not_there),
    };
    alarm(300); /* a hang ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
