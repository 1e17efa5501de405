/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The HTTP engine: one thread owns curl's multi handle and is the only one that touches curl. Everybody else submits a request and gets a
 * completion on the environment's loop (base/env.h). One request is one attempt: who asked decides whether to ask again (net/retry.h).
 *
 * HTTP/1.1 over kept connections, at most `max_connections` requests a host at a time; what is beyond waits its turn, urgent requests first. TLS 1.2 or later, always verified. After a 5xx, a timeout, a broken connection
 * or a resume from sleep (the clock has jumped while the thread was not running) the next attempt to that host uses a fresh connection, and a fresh look-up of
 * its name; after a resume all older connections are dropped.
 *
 * HTTP/2 (RFC 9113), where `http2` asks for it and the server agrees by ALPN: for GET and HEAD over TLS, HTTP_STREAMS requests to a connection, and a further connection when those there are have so
 * many. PUT and POST go by HTTP/1.1 all the same, beside it: S3 has nothing else, and what became of a put must not depend on other requests' connection. It is an option because it is hardly
 * faster (measured on loopback, it saves handshakes in the first thousands of small requests, and nothing afterwards or for large ranges), and because libcurl 7.88 fails requests that are under way when a server
 * retires their connection (GOAWAY), as nginx does after each 1,000. Those are sent again at once, by the engine itself, at last by HTTP/1.1: nobody but a counter notices (RFC 9110, 9.2.2: both methods are
 * idempotent). With a download_limit HTTP/1.1 is used: a stream that is held back holds up others on its connection.
 *
 * A host that says 429 or 503 is asked less: each one halves how many requests it gets at once, each success raises it by one in so many, and
 * nothing is sent to it before Retry-After (RFC 9110, 10.2.3; seconds or a date; at most HTTP_PAUSE_MAX_NS) has passed. A request that waits for that
 * is still bounded by its own deadline.
 *
 * Threads: every function may be called from any thread. Completions run on the loop, one after another, exactly once for each submit, never inside
 * http_submit(). No lock is held across them.
 */
#ifndef ASSETFS_HTTP_H
#define ASSETFS_HTTP_H

#include "base/base.h"
#include "base/bytes.h"
#include "base/counters.h"
#include "base/env.h"

struct http;
struct http_call; /* a request under way; valid until its done has returned */

#define HTTP_PAUSE_MAX_NS (60 * NS_PER_S)
/* Requests that share a connection of HTTP/2 (a server may allow fewer). */
#define HTTP_STREAMS 16
/* Of an answer with a status from 300 on, no more than this much of the body is kept; the rest is read and dropped. */
#define HTTP_ERROR_BODY_MAX ((size_t)64 << 10)

struct http_config {
    struct env *env;
    struct counters *counters;  /* may be NULL; HTTP_REQUESTS counts attempts that were sent */
    const char *user_agent;     /* copied, as the others are */
    const char *proxy;          /* "http://proxy.example:3128"; NULL: http_proxy and no_proxy of the environment count, as for curl */
    const char *ca_file;        /* PEM; NULL: the system's */
    uint64_t upload_limit;      /* bytes a second, all requests together; 0: none */
    uint64_t download_limit;
    unsigned max_connections;   /* to one host, or requests at a time where many share one; 0: 32 */
    bool http2;                 /* offer it; -EINVAL where libcurl was built without */
    int64_t connect_timeout_ns; /* 0: 10 s */
    int64_t stall_timeout_ns;   /* no byte in either direction for so long: -ETIMEDOUT; 0: 30 s */
};

enum http_flags {
    HTTP_URGENT = 1, /* before those that are not, while waiting for a connection */
    HTTP_FRESH_CONNECTION = 2,
    HTTP_DIRECT = 4, /* past every proxy: for addresses that mean something to this machine only */
    HTTP_SECRET = 8, /* address, headers and the answer's body are zeroed before their memory is given back (what libcurl and OpenSSL have of them in buffers of their own is not) */
};

struct http_request {
    const char *method;         /* "GET", "HEAD", "PUT", "POST" */
    const char *url;            /* http:// or https://, percent-encoded; sent byte for byte (no dot segments are squashed) */
    const char *const *headers; /* "Name: value", n_headers of them */
    size_t n_headers;
    /* The body of PUT and POST: from memory if `bytes` is set, else `size` bytes of `fd` from `fd_off` on. Both must stay until done, the fd's file
     * offset is not used. A file that is shorter than that fails the request with -EIO. */
    const void *bytes;
    int fd;
    uint64_t fd_off, size;
    /* A GET of [range_off, range_off + range_len): Range is sent, and an answer 200 with the whole object is cut to that (the transfer is ended as
     * soon as it is there). range_len 0: no Range. */
    uint64_t range_off, range_len;
    uint64_t max_response;      /* of an answer below 300: more body than this (or range_len, if that is more) is -EMSGSIZE, and the transfer is ended */
    int64_t timeout_ns;         /* from submit to done, waiting for a connection included; 0: none but the stall timeout */
    unsigned flags;             /* enum http_flags */
};

/* The head of the final answer: "Name: value" each, without white space at the end. For http_header(); tests may make their own. */
struct http_headers {
    const char *const *lines;
    size_t n;
};

/* Valid during done only. */
struct http_response {
    /* 0: there is an answer, whatever its status. Else there is none, and a PUT or POST may have happened all the same:
     *   -ETIMEDOUT     deadline, connection or stall
     *   -ECONNREFUSED, -EHOSTUNREACH (no route, no such name), -ECONNRESET (cut, or an answer shorter than its Content-Length)
     *   -EPROTO        TLS (certificate, host name, version) or not HTTP: trying again changes nothing until somebody changes the set-up
     *   -EMSGSIZE      more than max_response
     *   -EIO           the body could not be read from its file
     *   -ECANCELED     http_cancel(), http_free() */
    int err;
    const char *why;     /* with err: one sentence for people, with host and what curl said; never a URL's query */
    int status;          /* 200, 206, 403, ... */
    const void *body;    /* of a range request: what begins at range_off; never NULL without err */
    size_t len;
    bool ranged;         /* 206, and Content-Range is what was asked for (or its beginning, at the object's end) */
    uint64_t total;      /* the object's whole size, from Content-Range or Content-Length; UINT64_MAX: not said */
    const char *tls;     /* "TLSv1.3"; NULL: without TLS; never freed */
    int64_t received_at; /* env_now() when the headers were there, for the server's clock (Date) */
    const struct http_headers *headers;
};
/* Takes the body out of an answer without an error, inside its done: it may be kept longer than the answer, and the engine. What the response says of it stays
 * right until done returns. Once an answer. */
struct bytes *http_keep_body(const struct http_response *);
/* A response header's value (the last one of that name, without white space around it), or NULL. Names compare without case. */
const char *http_header(const struct http_response *, const char *name);
/* A date as in Date, Last-Modified, Retry-After (RFC 9110, 5.6.7), in seconds since 1970; -1: none. */
int64_t http_date(const char *value);

typedef void (*http_done)(void *arg, const struct http_response *);

/* Starts the thread. -EAGAIN: no thread; -EINVAL with a sentence: a proxy or CA file that cannot be used, http2 without a libcurl that has it. */
int http_new(const struct http_config *, struct http **ret, struct buf *why) ATTR_WARN_UNUSED;
/* Cancels what is under way, joins the thread. The dones have been posted then; they run when the loop runs. Not on the loop... of a real environment:
 * call it before the loop ends. NULL-safe; returns NULL. */
struct http *http_free(struct http *);
/* Everything but body bytes and fd is copied. */
struct http_call *http_submit(struct http *, const struct http_request *, http_done done, void *arg);
/* done follows with -ECANCELED, unless the answer was there first. */
void http_cancel(struct http *, struct http_call *);
/* Tests and status: requests submitted and not done. */
size_t http_active(struct http *);

#endif
