/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bodies that are sent (PUT, POST): from memory, from a file, with 100-continue, refused early. Ranges that
 * are fetched.
 */
#include "http_box.h"
#include "net/http_parts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <time.h>
#include <cmocka.h>

#define LARGE ((size_t)3 << 20)

static unsigned char byte_at(uint64_t off) {
    return (unsigned char)(off * 2654435761u >> 13);
}

static unsigned char *pattern(uint64_t off, size_t n) {
    unsigned char *p = xmalloc(n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = byte_at(off + i);
    return p;
}

/* A file of n pattern bytes. */
static int pattern_file(size_t n) {
    CLEANUP_FREE unsigned char *p = pattern(0, n);
    int fd = memfd_create("http-test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    return fd;
}

/* What the server got: "METHOD length type expect", and whether the bytes are the pattern from 1000 on. */
static void tell_what_came(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE char *expect = peer_header(q, "Expect"), *type = peer_header(q, "Content-Type");
    if (expect)
        peer_say(q, "HTTP/1.1 100 Continue\r\n\r\n");
    if (!peer_read_body(q, UINT64_MAX))
        return;
    CLEANUP_FREE unsigned char *want = pattern(1000, q->length);
    CLEANUP_FREE char *text =
        xasprintf("%s %zu %s %s %s", q->method, (size_t)q->length, type ? type : "-", expect ? expect : "-",
                  memcmp(want, q->body, q->length) == 0 ? "good" : "bad");
    peer_answer(q, 200, "", text, strlen(text));
}

static void sends(struct http_box *b, const char *method, size_t n, bool from_file, const char *want) {
    CLEANUP_FREE unsigned char *body = pattern(1000, n);
    CLEANUP_CLOSE int fd = pattern_file(n + 2000);
    assert_int_equal(lseek(fd, 17, SEEK_SET), 17);
    struct http_request req = {.url = "/put",
                               .method = method,
                               .size = n,
                               .bytes = from_file ? NULL : body,
                               .fd = fd,
                               .fd_off = 1000};
    struct box_call *k = box_run(b, &req);
    assert_int_equal(k->err, 0);
    assert_string_equal((char *)k->body, want);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 17);
    box_call_free(k);
}

static void small_bodies(void **state) {
    (void)state;
    struct http_box *b = http_box_new(tell_what_came, NULL, NULL);
    for (int from_file = 0; from_file < 2; from_file++) {
        sends(b, "PUT", 0, from_file, "PUT 0 - - good");
        sends(b, "PUT", 1, from_file, "PUT 1 - - good");
        sends(b, "PUT", HTTP_SMALL_BODY, from_file, "PUT 65536 - - good");
        sends(b, "POST", 5000, from_file, "POST 5000 - - good");
        sends(b, "POST", 0, from_file, "POST 0 - - good");
    }
    assert_int_equal(http_peer_connections(b->peer), 1);
    http_box_free(b);
}

static void middling_bodies_expect_nothing(void **state) {
    (void)state;
    struct http_box *b = http_box_new(tell_what_came, NULL, NULL);
    for (int from_file = 0; from_file < 2; from_file++) {
        sends(b, "PUT", HTTP_SMALL_BODY + 1, from_file, "PUT 65537 - - good");
        sends(b, "PUT", 1 << 20, from_file, "PUT 1048576 - - good");
        sends(b, "POST", 1 << 20, from_file, "POST 1048576 - - good");
    }
    http_box_free(b);
}

static void large_bodies_ask_first(void **state) {
    (void)state;
    struct http_box *b = http_box_new(tell_what_came, NULL, NULL);
    for (int from_file = 0; from_file < 2; from_file++) {
        sends(b, "PUT", LARGE, from_file, "PUT 3145728 - 100-continue good");
        sends(b, "POST", LARGE, from_file, "POST 3145728 - 100-continue good");
    }
    assert_int_equal(http_peer_connections(b->peer), 1);
    http_box_free(b);
}

static void a_content_type_is_kept(void **state) {
    (void)state;
    struct http_box *b = http_box_new(tell_what_came, NULL, NULL);
    const char *const headers[] = {"content-type: image/png"};
    struct http_request req = {.url = "/", .method = "PUT", .bytes = "", .headers = headers, .n_headers = 1};
    struct box_call *k = box_run(b, &req);
    assert_string_equal((char *)k->body, "PUT 0 image/png - good");
    box_call_free(k);
    http_box_free(b);
}

static void swallow(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE char *expect = peer_header(q, "Expect");
    if (expect)
        peer_say(q, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_swallow(q);
}

static void file_fails(int fd, size_t size, const char *why) {
    struct http_box *b = http_box_new(swallow, NULL, NULL);
    struct box_call *k = box_run(
        b, &(struct http_request){.url = "/", .method = "PUT", .fd = fd, .fd_off = 1000, .size = size});
    assert_int_equal(k->err, -EIO);
    assert_non_null(strstr(k->why, why));
    box_call_free(k);
    http_box_free(b);
}

static void a_file_that_is_too_short(void **state) {
    (void)state;
    CLEANUP_CLOSE int small = pattern_file(1500), large = pattern_file(1000 + LARGE - 1),
                      empty = pattern_file(0);
    file_fails(small, 501, "ends after 500 of 501 bytes");
    file_fails(large, LARGE, "ends after 3145727 of 3145728 bytes");
    file_fails(empty, LARGE, "ends after 0 of 3145728 bytes");
}

static void a_file_that_cannot_be_read(void **state) {
    (void)state;
    CLEANUP_CLOSE int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    file_fails(dir, 10, "cannot be read: Is a directory");
    file_fails(dir, LARGE, "cannot be read: Is a directory");
    file_fails(-1, 10, "cannot be read: Bad file descriptor");
}

static void refuse_at_once(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 412, "Connection: close\r\nETag: there\r\n", "<Error/>", 8);
    peer_close(q, false);
}

static void a_412_instead_of_100_saves_the_body(void **state) {
    (void)state;
    struct http_box *b = http_box_new(refuse_at_once, NULL, NULL);
    /* A file that cannot be read would be noticed. */
    struct box_call *k =
        box_run(b, &(struct http_request){.url = "/", .method = "PUT", .fd = -1, .size = LARGE});
    assert_int_equal(k->err, 0);
    assert_int_equal(k->status, 412);
    assert_string_equal((char *)k->body, "<Error/>");
    assert_string_equal(k->etag, "there");
    box_call_free(k);
    http_box_free(b);
}

/* Lets the body come, reads some of it, refuses, and goes on swallowing. */
static void refuse_midway(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_say(q, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_read_body(q, 1 << 20);
    peer_answer(q, 412, "", "<Error/>", 8);
    peer_swallow(q);
}

static void a_412_in_the_middle_of_the_body_ends_it(void **state) {
    (void)state;
    struct http_box *b = http_box_new(refuse_midway, NULL, NULL);
    const size_t size = (size_t)64 << 20;
    CLEANUP_FREE unsigned char *body = xcalloc(1, size);
    struct box_call *k =
        box_run(b, &(struct http_request){.url = "/", .method = "PUT", .bytes = body, .size = size});
    assert_int_equal(k->err, 0);
    assert_int_equal(k->status, 412);
    http_peer_await_closed(b->peer, 1); /* it cannot be used for anything else */
    box_call_free(k);
    http_box_free(b);
}

/* Refuses what it has not read, and closes: the client's bytes meet a reset. */
static void refuse_unread(void *arg ATTR_UNUSED, struct peer_request *q) {
    peer_answer(q, 412, "Connection: close\r\n", "<Error/>", 8);
    peer_close(q, false);
}

static void a_412_and_a_closed_door(void **state) {
    (void)state;
    struct http_box *b = http_box_new(refuse_unread, NULL, NULL);
    CLEANUP_FREE unsigned char *body = xcalloc(1, 1 << 20);
    for (int i = 0; i < 20; i++) {
        struct box_call *k =
            box_run(b, &(struct http_request){
                           .url = "/", .method = "PUT", .bytes = body, .size = i % 2 ? 1 << 20 : 1 << 10});
        assert_true(k->err == 0 ? k->status == 412
                                : k->err == -ECONNRESET); /* the reset may overtake the answer */
        assert_int_equal(k->len, k->err == 0 ? 8 : 0);
        box_call_free(k);
    }
    http_box_free(b);
}

static void answer_without_100(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE char *expect = peer_header(q, "Expect");
    peer_read_body(q, UINT64_MAX);
    peer_answer(q, 200, "", expect ? "asked" : "not asked", expect ? 5 : 9);
}

static void a_server_that_ignores_expect_is_not_asked_again(void **state) {
    (void)state;
    struct http_box *b = http_box_new(answer_without_100, NULL, NULL);
    CLEANUP_FREE unsigned char *body = xcalloc(1, LARGE);
    const struct http_request req = {.url = "/", .method = "PUT", .bytes = body, .size = LARGE};
    struct box_call *first = box_run(b, &req), *second = box_run(b, &req);
    assert_string_equal((char *)first->body, "asked");
    assert_string_equal((char *)second->body, "not asked");
    box_call_free(first);
    box_call_free(second);
    http_box_free(b);
}

/* The first request is answered; in the second the kept connection turns out to be dead: after its head, or
 * after its body. */
static void die_in_the_second(void *arg, struct peer_request *q) {
    if (q->number != 2) {
        tell_what_came(NULL, q);
        return;
    }
    if (arg)
        peer_read_body(q, UINT64_MAX);
    peer_close(q, !arg);
}

static void a_body_is_sent_again_when_the_kept_connection_was_dead(void **state) {
    (void)state;
    struct http_box *b = http_box_new(die_in_the_second, NULL, NULL);
    sends(b, "PUT", 10, false, "PUT 10 - - good");
    sends(b, "PUT", LARGE, true, "PUT 3145728 - 100-continue good");
    assert_int_equal(http_peer_connections(b->peer), 2);
    assert_int_equal(http_peer_requests(b->peer), 3);
    http_box_free(b);
}

static void a_body_is_sent_again_from_its_beginning(void **state) {
    (void)state;
    for (int from_file = 0; from_file < 2; from_file++) {
        struct http_box *b = http_box_new(die_in_the_second, state, NULL);
        sends(b, "PUT", 10, false, "PUT 10 - - good");
        sends(b, "PUT", 1 << 20, from_file, "PUT 1048576 - - good");
        assert_int_equal(http_peer_requests(b->peer), 3);
        http_box_free(b);
    }
}

static void an_upload_limit_holds_for_all_together(void **state) {
    (void)state;
    struct http_box *b = http_box_new(tell_what_came, NULL, &(struct http_config){.upload_limit = 4 << 20});
    CLEANUP_FREE unsigned char *body = pattern(1000, 1 << 20);
    struct box_call *k[4];
    int64_t start = http_mono();
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] =
            box_start(b, &(struct http_request){
                             .url = "/", .method = "PUT", .bytes = body, .size = i < 2 ? 1 << 20 : 1 << 16});
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        assert_non_null(strstr((char *)box_wait(k[i])->body, "good"));
        box_call_free(k[i]);
    }
    /* 2.125 MiB at 4 MiB a second, less the 50 ms that may be used up at once and what the last transfer took
     * ahead. */
    assert_true(http_mono() - start >= 400 * NS_PER_MS);
    http_box_free(b);
}

static void say_megabyte(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE unsigned char *body = pattern(0, 1 << 20);
    peer_answer(q, 200, "", body, 1 << 20);
}

static void a_download_limit_holds_for_all_together(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_megabyte, NULL, &(struct http_config){.download_limit = 4 << 20});
    CLEANUP_FREE unsigned char *want = pattern(0, 1 << 20);
    struct box_call *k[2];
    int64_t start = http_mono();
    for (size_t i = 0; i < ARRAY_SIZE(k); i++)
        k[i] = box_start(b, &(struct http_request){.url = "/"});
    for (size_t i = 0; i < ARRAY_SIZE(k); i++) {
        box_wait(k[i]);
        assert_int_equal(k[i]->len, 1 << 20);
        assert_memory_equal(k[i]->body, want, 1 << 20);
        box_call_free(k[i]);
    }
    assert_true(http_mono() - start >= 400 * NS_PER_MS);
    http_box_free(b);
}

static void say_48k(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE unsigned char *body = pattern(0, 48 << 10);
    peer_answer(q, 200, "", body, 48 << 10);
}

static void say_megabyte_whole(void *arg ATTR_UNUSED, struct peer_request *q) {
    say_megabyte(NULL, q);
    peer_swallow(q);
}

/* The end is found when what was held back is handed on. */
static void a_limit_and_a_range_of_the_whole_object(void **state) {
    (void)state;
    struct http_box *b =
        http_box_new(say_megabyte_whole, NULL, &(struct http_config){.download_limit = 1 << 20});
    for (size_t n = 16 << 10; n <= 128 << 10; n += 5000) {
        CLEANUP_FREE unsigned char *want = pattern(0, n);
        struct box_call *k = box_run(b, &(struct http_request){.url = "/", .range_len = n});
        assert_int_equal(k->err, 0);
        assert_int_equal(k->len, n);
        assert_memory_equal(k->body, want, n);
        box_call_free(k);
    }
    struct box_call *much =
        box_run(b, &(struct http_request){.url = "/", .method = "POST", .max_response = 1 << 19});
    assert_int_equal(much->err, -EMSGSIZE);
    box_call_free(much);
    http_box_free(b);
}

/* What a limit has held back, and is complete when it is let through, makes room for the next one at once. */
static void who_waits_behind_a_limit_goes_on(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_megabyte_whole, NULL,
                                      &(struct http_config){.download_limit = 1 << 20, .max_connections = 1, .stall_timeout_ns = 200 * NS_PER_S});
    for (size_t n = 16 << 10; n <= 128 << 10; n += 9000) {
        struct http_request range = {.url = "/", .range_len = n, .timeout_ns = 20 * NS_PER_S};
        struct box_call *first = box_start(b, &range), *next = box_start(b, &range);
        assert_int_equal(box_wait(first)->err, 0);
        assert_int_equal(box_wait(next)->err, 0);
        assert_int_equal(next->len, n);
        box_call_free(first);
        box_call_free(next);
    }
    http_box_free(b);
}

/* Held back by the limit for longer than the stall timeout, and no processor time is used up meanwhile. */
static void a_limit_is_no_stall_and_costs_nothing(void **state) {
    (void)state;
    struct http_box *b =
        http_box_new(say_48k, NULL,
                     &(struct http_config){.download_limit = 16 << 10, .stall_timeout_ns = 500 * NS_PER_MS});
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    struct box_call *k = box_get(b, "/");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_int_equal(k->err, 0);
    assert_int_equal(k->len, 48 << 10);
    assert_true((after.tv_sec - before.tv_sec) * NS_PER_S + after.tv_nsec - before.tv_nsec < 500 * NS_PER_MS);
    box_call_free(k);
    http_box_free(b);
}

static void a_bucket_of_tokens(void **state) {
    (void)state;
    struct http_limit l;
    http_limit_init(&l, 1000, 0); /* 50 at once */
    assert_true(http_limit_ready(&l, 0));
    http_limit_take(&l, 150);
    assert_false(http_limit_ready(&l, 0));
    assert_int_equal(http_limit_at(&l), 101 * NS_PER_MS);
    assert_false(http_limit_ready(&l, 100 * NS_PER_MS));
    assert_true(http_limit_ready(&l, 101 * NS_PER_MS));
    http_limit_take(&l, 1);
    assert_false(http_limit_ready(&l, 101 * NS_PER_MS));
    assert_true(http_limit_ready(&l, 3600 * NS_PER_S));
    http_limit_take(&l, 50);
    assert_false(http_limit_ready(&l, 3600 * NS_PER_S)); /* not more than the burst has gathered */
}

static void a_slow_bucket_loses_nothing_to_rounding(void **state) {
    (void)state;
    struct http_limit l;
    uint64_t taken = 0;
    http_limit_init(&l, 3, 0);
    for (int64_t now = 0; now <= 100 * NS_PER_S; now += 7 * NS_PER_MS)
        while (http_limit_ready(&l, now)) {
            http_limit_take(&l, 1);
            taken++;
        }
    assert_int_equal(taken, 1 + 299); /* the last look is at 99.995 s */
}

static void no_limit(void **state) {
    (void)state;
    struct http_limit l;
    http_limit_init(&l, 0, 0);
    http_limit_take(&l, UINT32_MAX);
    assert_true(http_limit_ready(&l, 0));
}

struct object {
    uint64_t size;
    const char *content_range; /* instead of the right one */
    bool whole;                /* answers 200 */
    uint64_t short_by;         /* so many bytes less than Content-Range says */
};

static void serve(void *arg, struct peer_request *q) {
    const struct object *o = arg;
    CLEANUP_FREE char *range = peer_header(q, "Range"), *headers = NULL;
    uint64_t first = 0, last = o->size - 1;
    assert_non_null(range);
    assert_int_equal(sscanf(range, "bytes=%" SCNu64 "-%" SCNu64, &first, &last), 2);
    last = MIN(last, o->size - 1);
    if (o->whole) {
        first = 0;
        last = o->size - 1;
    } else if (first >= o->size) {
        CLEANUP_FREE char *h = xasprintf("Content-Range: bytes */%" PRIu64 "\r\n", o->size);
        peer_answer(q, 416, h, "", 0);
        return;
    }
    size_t n = last - first + 1 - o->short_by;
    CLEANUP_FREE unsigned char *body = pattern(first, n);
    if (o->content_range)
        headers = xasprintf("Content-Range: %s\r\n", o->content_range);
    else
        headers = o->whole ? xstrdup("")
                           : xasprintf("Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", first,
                                       last, o->size);
    peer_answer(q, o->whole ? 200 : 206, headers, body, n);
}

static struct box_call *fetch(struct http_box *b, uint64_t off, uint64_t len) {
    struct box_call *k = box_run(
        b, &(struct http_request){.url = "/o", .range_off = off, .range_len = len, .max_response = 1});
    assert_int_equal(k->err, 0);
    return k;
}

static bool holds(const struct box_call *k, uint64_t off, size_t n) {
    CLEANUP_FREE unsigned char *want = pattern(off, n);
    return k->len == n && memcmp(k->body, want, n) == 0;
}

static void a_range_is_a_range(void **state) {
    (void)state;
    struct object o = {.size = 5000000};
    struct http_box *b = http_box_new(serve, &o, NULL);
    struct box_call *k = fetch(b, 1000000, 2000000);
    assert_int_equal(k->status, 206);
    assert_true(k->ranged);
    assert_int_equal(k->total, 5000000);
    assert_true(holds(k, 1000000, 2000000));
    box_call_free(k);
    http_box_free(b);
}

static void a_range_ends_where_the_object_does(void **state) {
    (void)state;
    struct object o = {.size = 1000};
    struct http_box *b = http_box_new(serve, &o, NULL);
    struct box_call *k = fetch(b, 900, 200);
    assert_true(k->ranged);
    assert_int_equal(k->total, 1000);
    assert_true(holds(k, 900, 100));
    box_call_free(k);
    http_box_free(b);
}

static void a_range_behind_the_end_is_416(void **state) {
    (void)state;
    struct object o = {.size = 1000};
    struct http_box *b = http_box_new(serve, &o, NULL);
    struct box_call *k = fetch(b, 1000, 1);
    assert_int_equal(k->status, 416);
    assert_false(k->ranged);
    assert_int_equal(k->total, 1000);
    box_call_free(k);
    http_box_free(b);
}

static void of_the_whole_object_the_range_is_kept(void **state) {
    (void)state;
    struct object o = {.size = 5000000, .whole = true};
    struct http_box *b = http_box_new(serve, &o, NULL);
    struct box_call *k = fetch(b, 1000, 2000);
    assert_int_equal(k->status, 200);
    assert_false(k->ranged);
    assert_int_equal(k->total, 5000000);
    assert_true(holds(k, 1000, 2000));
    http_peer_await_closed(b->peer, 1); /* the other bytes are not waited for */
    box_call_free(k);
    http_box_free(b);
}

static void the_end_of_the_whole_object_keeps_the_connection(void **state) {
    (void)state;
    struct object o = {.size = 5000, .whole = true};
    struct http_box *b = http_box_new(serve, &o, NULL);
    struct box_call *k = fetch(b, 1000, 4000), *beyond = fetch(b, 4000, 4000), *behind = fetch(b, 6000, 10);
    assert_true(holds(k, 1000, 4000));
    assert_true(holds(beyond, 4000, 1000));
    assert_int_equal(behind->len, 0);
    assert_int_equal(behind->total, 5000);
    assert_int_equal(http_peer_connections(b->peer), 1);
    box_call_free(k);
    box_call_free(beyond);
    box_call_free(behind);
    http_box_free(b);
}

/* 206 with another range than was asked for is told, never passed as the right one. */
static void a_wrong_content_range_is_not_ranged(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "bytes 0-99/1000",
        "bytes 101-200/1000",
        "bytes 100-198/1000",
        "bytes 100-200/1000",
        "bytes 100-199/50",
        "bytes 100-199",
        "items 100-199/1000",
        "bytes 100-199/x",
        "bytes 199-100/1000",
        "bytes */1000",
        "",
        "bytes 100-150/151",
        "bytes -100-199/1000",
        "bytes 100-199/1000 x",
        "100-199/1000",
        "bytes 100-150/*",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct object o = {.size = 1000, .content_range = wrong[i]};
        struct http_box *b = http_box_new(serve, &o, NULL);
        struct box_call *k = fetch(b, 100, 100);
        assert_int_equal(k->status, 206);
        assert_false(k->ranged);
        box_call_free(k);
        http_box_free(b);
    }
}

/* Everything about it fits together, only it begins elsewhere. */
static void a_range_that_begins_later_is_not_ranged(void **state) {
    (void)state;
    struct object o = {.size = 1000, .content_range = "bytes 101-199/1000", .short_by = 1};
    struct http_box *b = http_box_new(serve, &o, NULL);
    struct box_call *k = fetch(b, 100, 100);
    assert_int_equal(k->len, 99);
    assert_false(k->ranged);
    box_call_free(k);
    http_box_free(b);
}

static void a_range_of_unknown_total(void **state) {
    (void)state;
    struct object o = {.size = 1000, .content_range = "bytes 100-199/*"};
    struct http_box *b = http_box_new(serve, &o, NULL);
    struct box_call *k = fetch(b, 100, 100);
    assert_true(k->ranged);
    assert_int_equal(k->total, UINT64_MAX);
    box_call_free(k);
    http_box_free(b);
}

static void fewer_bytes_than_content_range_says(void **state) {
    (void)state;
    struct object o = {.size = 1000, .short_by = 1};
    struct http_box *b = http_box_new(serve, &o, NULL);
    struct box_call *k = fetch(b, 100, 100);
    assert_int_equal(k->len, 99);
    assert_false(k->ranged);
    box_call_free(k);
    http_box_free(b);
}

/* A server that sends more than the range. */
static void say_too_much(void *arg ATTR_UNUSED, struct peer_request *q) {
    CLEANUP_FREE unsigned char *body = pattern(0, 101);
    peer_answer(q, 206, "Content-Range: bytes 0-99/1000\r\n", body, 101);
}

static void more_bytes_than_the_range(void **state) {
    (void)state;
    struct http_box *b = http_box_new(say_too_much, NULL, NULL);
    struct box_call *k =
        box_run(b, &(struct http_request){.url = "/o", .range_len = 100, .max_response = 100});
    assert_int_equal(k->err, -EMSGSIZE);
    box_call_free(k);
    http_box_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_bodies),
        cmocka_unit_test(middling_bodies_expect_nothing),
        cmocka_unit_test(large_bodies_ask_first),
        cmocka_unit_test(a_content_type_is_kept),
        cmocka_unit_test(a_file_that_is_too_short),
        cmocka_unit_test(a_file_that_cannot_be_read),
        cmocka_unit_test(a_412_instead_of_100_saves_the_body),
        cmocka_unit_test(a_412_in_the_middle_of_the_body_ends_it),
        cmocka_unit_test(a_412_and_a_closed_door),
        cmocka_unit_test(a_server_that_ignores_expect_is_not_asked_again),
        cmocka_unit_test(a_body_is_sent_again_when_the_kept_connection_was_dead),
        cmocka_unit_test(a_body_is_sent_again_from_its_beginning),
        cmocka_unit_test(an_upload_limit_holds_for_all_together),
        cmocka_unit_test(a_download_limit_holds_for_all_together),
        cmocka_unit_test(a_limit_and_a_range_of_the_whole_object),
        cmocka_unit_test(who_waits_behind_a_limit_goes_on),
        cmocka_unit_test(a_limit_is_no_stall_and_costs_nothing),
        cmocka_unit_test(a_bucket_of_tokens),
        cmocka_unit_test(a_slow_bucket_loses_nothing_to_rounding),
        cmocka_unit_test(no_limit),
        cmocka_unit_test(a_range_is_a_range),
        cmocka_unit_test(a_range_ends_where_the_object_does),
        cmocka_unit_test(a_range_behind_the_end_is_416),
        cmocka_unit_test(of_the_whole_object_the_range_is_kept),
        cmocka_unit_test(the_end_of_the_whole_object_keeps_the_connection),
        cmocka_unit_test(a_wrong_content_range_is_not_ranged),
        cmocka_unit_test(a_range_that_begins_later_is_not_ranged),
        cmocka_unit_test(a_range_of_unknown_total),
        cmocka_unit_test(fewer_bytes_than_content_range_says),
        cmocka_unit_test(more_bytes_than_the_range),
    };
    alarm(300); /* a hang ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
