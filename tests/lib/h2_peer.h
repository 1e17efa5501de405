/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A small server of HTTP/2 over TLS on 127.0.0.1 in the test's own process (libnghttp2), which answers as a test says: each connection has a thread, and each request is handed to the test's function on it.
 * Who does not offer HTTP/2 by ALPN is answered by HTTP/1.1: 200 and "one", whatever was asked. Whatever waits in here ends when the peer is freed.
 *
 * Functions that take a request are for the handler, and at most one of them is called for each request; the others are for the test's thread.
 */
#ifndef ASSETFS_TESTS_H2_PEER_H
#define ASSETFS_TESTS_H2_PEER_H

#include "base/base.h"
#include "tls_ca.h"

struct h2_peer;
struct h2_connection;

struct h2_request {
    struct h2_connection *connection;
    int32_t stream;
    unsigned connection_number, number, nth; /* from 1: of the connection, of the request over the peer's life, of the request on its connection */
    char method[16], path[256], range[64];   /* range: "bytes=0-99", or "" */
};

typedef void (*h2_fn)(void *arg, const struct h2_request *);

/* Ends the process when it cannot listen. */
struct h2_peer *h2_peer_new(const struct tls_cert *cert, h2_fn fn, void *arg);
struct h2_peer *h2_peer_free(struct h2_peer *); /* NULL-safe; returns NULL */
/* "https://localhost:PORT" followed by path; malloc'd. */
char *h2_peer_url(const struct h2_peer *, const char *path);

unsigned h2_peer_connections(struct h2_peer *);       /* accepted so far */
unsigned h2_peer_requests(struct h2_peer *);          /* by HTTP/2, so far */
unsigned h2_peer_requests_by_one(struct h2_peer *);   /* by HTTP/1.1 */
unsigned h2_peer_most_at_once(struct h2_peer *);      /* streams, all connections together */
unsigned h2_peer_most_on_a_connection(struct h2_peer *);
char *h2_peer_paths(struct h2_peer *);                /* in the order they came, a space between; malloc'd */
void h2_peer_await(struct h2_peer *, unsigned requests);
/* Answers all that is held, from now on at once. */
void h2_peer_open(struct h2_peer *);

/* With its Content-Length; what the request's range says of an answer of 200, as 206. The bytes are copied. */
void h2_answer(const struct h2_request *, int status, const void *body, size_t n);
/* 200 with all of it, whatever the range. */
void h2_answer_whole(const struct h2_request *, const void *body, size_t n);
/* Says that it has n bytes, sends `part` of them, and nothing more. */
void h2_answer_part(const struct h2_request *, const void *body, size_t n, size_t part);
/* Without a Content-Length. */
void h2_answer_unsized(const struct h2_request *, const void *body, size_t n);
/* 200 "x", once the peer is open. */
void h2_hold(const struct h2_request *);
/* RST_STREAM. */
void h2_refuse(const struct h2_request *); /* REFUSED_STREAM: nothing was done */
void h2_break(const struct h2_request *);  /* INTERNAL_ERROR */
/* Answers, and takes no more requests on this connection: GOAWAY, as nginx says it. What had come is answered. */
void h2_answer_and_retire(const struct h2_request *, const void *body, size_t n);
/* Closes the connection without a word. */
void h2_cut(const struct h2_request *);
/* Nothing is read from this connection any more, and nothing sent. */
void h2_freeze(const struct h2_request *);

#endif
