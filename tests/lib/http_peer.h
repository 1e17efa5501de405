/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A small server on 127.0.0.1 in the test's own process, which does byte for byte what a test says: each
 * connection has a thread, and each request's head is handed to the test's function on it. That function says
 * what it likes, or nothing, or ends the connection; afterwards the next request on the same connection is
 * read. It counts, and keeps what it was asked.
 *
 * Functions that take a request are for the handler, the others for the test's thread. Whatever waits in here
 * ends when the peer is freed.
 */
#ifndef ASSETFS_TESTS_HTTP_PEER_H
#define ASSETFS_TESTS_HTTP_PEER_H

#include "base/base.h"
#include "tls_ca.h"

struct http_peer;
struct peer_connection;

struct peer_request {
    struct peer_connection *connection;
    struct http_peer *peer;
    unsigned connection_number, number; /* both from 1, over the peer's life */
    char *head;                         /* all of it, with "\r\n" */
    char method[16];
    char target[4096];
    uint64_t length;     /* Content-Length */
    unsigned char *body; /* after peer_read_body() */
    uint64_t body_len;
};

typedef void (*peer_fn)(void *arg, struct peer_request *);

/* cert: NULL for plain HTTP. Ends the process when it cannot listen. */
struct http_peer *http_peer_new(const struct tls_cert *cert, peer_fn fn, void *arg);
struct http_peer *http_peer_free(struct http_peer *); /* NULL-safe; returns NULL */
unsigned http_peer_port(const struct http_peer *);
/* "http://127.0.0.1:PORT" followed by path; "https://localhost:PORT" with a certificate. malloc'd. */
char *http_peer_url(const struct http_peer *, const char *path);

unsigned http_peer_connections(struct http_peer *);  /* accepted so far */
unsigned http_peer_requests(struct http_peer *);     /* heads received so far */
unsigned http_peer_most_at_once(struct http_peer *); /* requests in the handler at the same time */
/* The targets in the order they came, a space between; malloc'd. */
char *http_peer_targets(struct http_peer *);
/* Waits until so many heads have come. */
void http_peer_await(struct http_peer *, unsigned requests);
/* Waits until so many connections have been closed by the client or the peer. */
void http_peer_await_closed(struct http_peer *, unsigned connections);
/* Lets everybody through peer_pass(), from now on. */
void http_peer_open(struct http_peer *);

/* False: the connection is gone. */
bool peer_send(struct peer_request *, const void *p, size_t n);
bool peer_say(struct peer_request *, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* A complete answer with its Content-Length; headers: lines with "\r\n" each, or "". */
bool peer_answer(struct peer_request *, int status, const char *headers, const void *body, size_t n);
/* Value of a request header, malloc'd; NULL: not there. */
char *peer_header(const struct peer_request *, const char *name);
/* Reads the body, at most `most` bytes of it. */
bool peer_read_body(struct peer_request *, uint64_t most);
/* Waits for http_peer_open(). */
void peer_pass(struct peer_request *);
/* Waits until the client closes, swallowing what it sends. */
void peer_swallow(struct peer_request *);
/* Ends the connection; reset: with RST, else in good order. */
void peer_close(struct peer_request *, bool reset);

#endif
