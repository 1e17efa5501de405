/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An HTTP engine (net/http.h) without a network, for unit tests of what stands above it: it takes the real
 * one's place in a program of which one file includes fake_http_engine.h. Every request is kept as it was
 * submitted and answered as the test says, through the environment.
 *
 *     struct http *http = fake_http_new(fake_env(fake), NULL, NULL);
 *     fake_http_say(http, &(struct fake_answer){.status = 503, .body = "busy"});    for the next request
 *     fake_http_say(http, &(struct fake_answer){.status = 200, .headers = {"ETag: \"1\""}});
 *     ...
 *     assert_string_equal(fake_http_request(http, 0)->url, "https://...");
 *     http_free(http);
 *
 * What has no answer left is given to the handler; without one it is held until http_cancel(). One thread.
 */
#ifndef ASSETFS_TESTS_FAKE_HTTP_H
#define ASSETFS_TESTS_FAKE_HTTP_H

#include "base/buf.h"
#include "net/http.h"

struct fake_request {
    char *method, *url;
    char **headers;
    size_t n_headers;
    struct buf body; /* read at submit */
    uint64_t range_off, range_len, max_response;
    int64_t timeout_ns;
    unsigned flags;
    bool cancelled;
};

#define FAKE_HEADERS_MAX 8

struct fake_answer {
    int err;
    const char *why;
    int status;
    const char *headers[FAKE_HEADERS_MAX]; /* "Name: value" */
    const void *body;
    size_t len; /* 0: body is a string */
    bool ranged;
    uint64_t total; /* 0: the body's length; UINT64_MAX: not said */
    bool hold;      /* no answer until http_cancel() */
};

/* What body, headers and why point to must stay until the answer was delivered. */
typedef void (*fake_http_handler)(void *arg, const struct fake_request *, struct fake_answer *ret);

struct http *fake_http_new(struct env *, fake_http_handler, void *arg);
void fake_http_say(struct http *, const struct fake_answer *); /* copied, but not what it points to */
size_t fake_http_count(struct http *);
const struct fake_request *fake_http_request(struct http *,
                                             size_t i); /* from 0, in the order of submission */
/* The value of a header as it was sent, or NULL. */
const char *fake_request_header(const struct fake_request *, const char *name);

/* What fake_http_engine.h gives their names of net/http.h. */
struct http_call *fake_http_submit(struct http *, const struct http_request *, http_done done, void *arg);
void fake_http_cancel(struct http *, struct http_call *);
struct bytes *fake_http_keep_body(const struct http_response *);
size_t fake_http_active(struct http *);
struct http *fake_http_free(struct http *);
const char *fake_http_header(const struct http_response *, const char *name);
int64_t fake_http_date(const char *value);

#endif
