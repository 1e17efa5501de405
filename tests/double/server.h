/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An HTTP server on a loopback port (libmicrohttpd, a thread a connection: what has to wait, waits there), and the life of a request, with what faults do to
 * it on the way. What a request means is a service's: s3.h, cdn.h, control.h.
 *
 *   headers are there   service.classify()  says what it is (op, key)
 *                       faults: plan, clock, delay, hang, reset
 *                       service.begin()     may answer at once, or opens a draft for the body
 *   body                into the draft, into memory, or away if there is an answer already (to `Expect: 100-continue` that answer is sent before it)
 *   all is there        service.finish()    carries it out and answers
 *                       faults: late, lose, spa, damage; the answer is sent
 *   in any case         service.release()   lets go what it holds for the request
 *
 * Threads: a request is its connection's thread's. offline and online may be called from any thread that is not the server's own.
 */
#ifndef DOUBLE_SERVER_H
#define DOUBLE_SERVER_H

#include "answer.h"
#include "bucket.h"
#include "faults.h"
#include "tally.h"

#include <stdatomic.h>

struct MHD_Connection;
struct server;

struct request {
    struct server *server;
    const char *method; /* "GET" */
    char *target;       /* as it came, with the query */
    char *path;         /* decoded; NULL: it cannot be */
    struct pair *query; /* decoded; NULL: it cannot be */
    size_t n_query;
    struct pair *headers;
    size_t n_headers;
    uint64_t body_size; /* Content-Length; UINT64_MAX: none was sent */
    time_t now;         /* by the server's clock, when the headers were there */
    char id[17];        /* x-amz-request-id */

    /* set by classify */
    unsigned op;           /* enum op; 0: faults do not look at it */
    const char *operation; /* for counting: "PutObject" */
    char *key;             /* malloc'd; NULL: none */

    /* the body: in the draft if begin() made one, else in memory if it is small enough, else dropped */
    struct draft *draft; /* freed with the request */
    char *body;          /* NUL-terminated */
    size_t body_len, body_max; /* begin() sets body_max to have it kept */
    uint64_t received;
    int body_err; /* the draft could not be written */

    struct plan plan;
    struct answer answer;
    void *own; /* the service's */

    /* the server's */
    struct MHD_Connection *connection;
    int socket;
    bool begun, sending, sent, recorded;
    char *code;    /* of S3's error, for the log */
    uint64_t sent_bytes;
};

struct service {
    const char *name; /* "s3", "cdn"; "control" is not counted, logged, or hit by faults */
    void *arg;
    void (*classify)(struct request *);
    void (*begin)(struct request *);
    void (*finish)(struct request *);
    void (*release)(struct request *);
    /* Answers as a fault wants it (FAULT_FAIL, _HTML, _ERROR200). */
    void (*fail)(struct request *);
};

struct server_config {
    const struct service *service; /* must outlive the server */
    struct faults *faults;
    struct tally *tally;
    const char *cert, *key; /* PEM; NULL: no TLS */
    const char *priorities; /* of GnuTLS: which versions; NULL: as it thinks best */
    const atomic_int *latency; /* ms before each request begins; NULL: none */
};

/* Listens on 127.0.0.1; port 0: any. NULL with a sentence on standard error. */
struct server *server_new(const struct server_config *, unsigned port);
unsigned server_port(const struct server *);
/* "http://127.0.0.1:1234", malloc'd. */
char *server_url(const struct server *);
const char *server_scheme(const struct server *);
void *server_arg(const struct server *);
struct tally *server_tally(const struct server *);
/* Resets all connections and refuses new ones; the port stays ours. */
void server_offline(struct server *);
void server_online(struct server *);
void server_free(struct server *);

/* First of that name, or NULL. */
const char *request_header(const struct request *, const char *name);
const char *request_parameter(const struct request *, const char *name);
/* Waits, for a fault or a limit; false: the client has gone or the server ends, so that an answer makes no sense. */
bool request_pause(struct request *, int64_t ms);

#endif
