/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of the HTTP engine (net/http.h) share; nobody else includes it.
 *
 *     http.c           submit, cancel, done: the threads of the callers
 *     http_thread.c    the thread: what it waits for, deadlines, a clock that jumped
 *     http_host.c      a host's queue, how much it gets at once, pauses, fresh connections
 *     http_transfer.c  one request as curl wants it, and what comes of it
 *     http_two.c       HTTP/2: who gets it, and what is sent again
 *     http_error.c     what curl's errors mean
 *     http_limit.c     bytes a second over all transfers
 *     http_head.c      the head of an answer, line by line
 *     http_room.c      memory for large bodies, used again
 *     http_date.c      dates
 *
 * All but what stands under `mutex` belongs to the thread: no lock guards it, and only http.c is called by others.
 *
 *     inbox ── the thread takes it ──▶ queued ── its host's turn ──▶ running ──▶ finished ── done on the loop ──▶ freed
 *       └──────────── cancel, deadline, http_free() ────┴───────────────┴──────────▲
 */
#ifndef ASSETFS_HTTP_PARTS_H
#define ASSETFS_HTTP_PARTS_H

#include "base/buf.h"
#include "net/http.h"

#include <curl/curl.h>
#include <stdatomic.h>
#define uthash_malloc(n) xmalloc(n)
#include <uthash.h>
#include <utlist.h>

/* A head larger than this is not one. */
#define HTTP_HEAD_MAX ((size_t)256 << 10)
/* Bodies up to this size are sent in one piece with their head. */
#define HTTP_SMALL_BODY ((uint64_t)64 << 10)

/* What becomes of the bytes of a body beyond `keep`. */
enum http_rest {
    HTTP_REST_IS_TOO_MUCH, /* -EMSGSIZE */
    HTTP_REST_IS_DROPPED,  /* read, and forgotten */
    HTTP_REST_IS_CUT,      /* all that was asked for is there: the transfer is ended */
};

/* A bucket of tokens, one a byte: filled with `rate` a second up to `burst`; whoever finds it above 0 may take more than there is, and the debt
 * is waited for. rate 0: no limit. */
struct http_limit {
    uint64_t rate;
    int64_t burst, tokens, at; /* tokens as of `at`, monotonic */
};

/* A server: scheme, name and port. Never freed before the engine: there are as many as the configuration names. */
struct http_host {
    char *name; /* "https://bucket.s3.eu-central-1.amazonaws.com" */
    struct http_call *urgent, *waiting;
    unsigned running;
    double window;     /* how many may run at once: 1 to max_connections */
    int64_t not_before; /* Retry-After, monotonic; 0: none */
    bool fresh;        /* the next attempt makes a connection of its own, and looks the name up */
    int64_t good_from; /* connections made before are not used again (a resume, a stall), monotonic; 0: all are good */
    bool no_expect;    /* lets 100-continue pass in silence: not asked any more */
    bool only_one;     /* has answered an offer of HTTP/2 by HTTP/1.1 */
    struct http_call *opening; /* offered HTTP/2 and has no connection yet: the next ones wait, to share it */
    bool unwell;       /* what offered HTTP/2 failed, and nothing was answered since: nobody waits for another's connection */
    int64_t doubted_at; /* a stream has stalled: those begun before that got nothing lately are sent again, monotonic */
    UT_hash_handle hh;
};

/* Memory for a large body. */
struct http_room {
    void *p;
    size_t size;
};
#define HTTP_ROOMS 32
/* Bodies smaller than this are malloc's business: new pages for each large one cost a sixth of all time at 1 GB/s. */
#define HTTP_ROOM_MIN ((size_t)256 << 10)
#define HTTP_ROOMS_MAX ((size_t)64 << 20)

struct http_call {
    struct http *http;
    struct http_call *prev, *next; /* in the inbox, in a queue of its host, among those that run, among those whose done is due */
    struct http_call *cancel_prev, *cancel_next; /* in http.cancels */
    bool cancelled, finished;  /* under http.mutex; cancelled: in http.cancels */
    http_done done;
    void *arg;

    /* The request. */
    struct http_request req;   /* method, url are owned; headers are in `lines` */
    struct curl_slist *lines;
    int64_t deadline;          /* monotonic; INT64_MAX: none */

    /* From its queue on. */
    struct http_host *host;
    bool queued;               /* in a queue of its host */
    CURL *easy;                /* NULL: not running */
    uint64_t sent;             /* of the body, as far as curl has taken it */
    void *small_body;          /* read at once from fd */
    bool send_paused, receive_paused;
    bool asked_continue, got_continue;
    bool two;                  /* HTTP/2 was offered */
    unsigned again;            /* how often it was sent again because HTTP/2 broke it */
    int64_t started_at;        /* monotonic */
    int64_t moved_at;          /* when `moved` was last seen to change */
    int64_t stall_ns;          /* without a byte until then: stalled */
    uint64_t moved;
    char curl_said[CURL_ERROR_SIZE];

    /* The answer. */
    struct buf head;           /* lines, NUL after each */
    size_t n_lines;
    bool head_complete;
    int status;
    uint64_t length;           /* Content-Length; UINT64_MAX: none */
    uint64_t expected;         /* bytes of a 206 after its Content-Range */
    uint64_t skip, keep;       /* of the body: first so much is dropped, then so much is kept */
    uint64_t came;             /* of the body, all of it */
    enum http_rest rest;
    unsigned char *body;
    size_t len, cap;
    bool cut;                  /* ended by us, with everything in hand */
    int failed;                /* ended by us: this is why */
    struct http_headers headers;
    struct http_response res;
    char *why;
};

struct http {
    struct env *env;
    struct counters *counters;
    char *user_agent, *proxy, *ca_file;
    const char *ca_path;       /* NULL: none */
    unsigned max_connections;
    bool two;                  /* HTTP/2 is offered */
    int64_t connect_timeout_ns, stall_timeout_ns;
    pthread_t thread;
    _Atomic unsigned refs;     /* the owner's, and one a call: memory outlives http_free() until the last done */
    _Atomic size_t active;

    pthread_mutex_t mutex;     /* guards what follows up to the blank line; held for a few instructions */
    struct http_call *inbox, *cancels;
    struct http_call *ended;   /* their done is due: one posted function runs all there are */
    bool waiting;              /* the thread sleeps, or is about to: who brings something wakes it */
    bool stopping, stopped;
    struct http_room rooms[HTTP_ROOMS]; /* memory of bodies, kept while requests follow each other */
    size_t n_rooms, rooms_size;

    CURLM *multi;
    CURLSH *share;             /* TLS sessions */
    struct http_host *hosts;
    struct http_call *running;
    unsigned n_running, n_queued, n_send_paused, n_receive_paused;
    CURL **idle;               /* easy handles for later */
    size_t n_idle;
    struct http_limit up, down;
    int64_t next_check;        /* no deadline or stall is before this */
    int64_t slept_ns;          /* CLOCK_BOOTTIME less CLOCK_MONOTONIC */
    int64_t expected_by;       /* the thread should look at the clock before this */
};

int64_t http_mono(void);

/* http.c: the end of a call, on the thread: `why` is owned from now on (NULL with err 0). done is posted. */
void http_finish(struct http_call *, int err, char *why);
/* Memory of at least *size bytes, perhaps more; and the way back. */
void *http_room_take(struct http *, size_t *size);
void http_room_give(struct http *, void *p, size_t size);
/* Gives all that is kept back to the system. */
void http_room_drop(struct http *);

/* http_thread.c */
void *http_thread(void *http);

/* http_host.c */
struct http_host *http_host_of(struct http *, const char *url);
void http_host_queue(struct http_call *);
/* Before all others of its urgency. */
void http_host_queue_first(struct http_call *);
void http_host_unqueue(struct http_call *);
/* Starts what may start now. */
void http_host_pump(struct http *, int64_t now);
/* What an attempt shows about its host: called before http_finish(). */
void http_host_learn(struct http_call *, int err, int64_t now);
/* When a host's pause ends while requests wait for it; INT64_MAX: none. */
int64_t http_host_next(const struct http *, int64_t now);

/* http_transfer.c: the thread takes a call out of its queue, runs it, and hears from curl what came of it. */
void http_transfer_start(struct http_call *, bool fresh, int64_t now);
void http_transfer_end(struct http_call *, CURLcode);
/* Stops a call that runs. */
void http_transfer_abort(struct http_call *, int err, char *why);
/* Stops it, and puts it into its queue again: nobody hears of this attempt. */
void http_transfer_again(struct http_call *);
/* Is there an answer? */
bool http_transfer_answered(const struct http_call *, CURLcode);
/* Lets curl go on with transfers that wait for a limit. */
void http_transfer_unpause(struct http *, int64_t now);
/* "https://host: text"; malloc'd. */
char *http_why(const struct http_call *, const char *fmt, ...) ATTR_PRINTF(2, 3);

/* http_two.c: sets call->two, when a call is about to start, and how curl is told. */
void http_two_offer(struct http_call *);
void http_two_set(struct http_call *);
/* The head is there. */
void http_two_learn(struct http_call *);
/* A transfer has ended so: true when it must be sent again, which is counted. */
bool http_two_broke(struct http_call *, CURLcode);
/* May it not start yet? */
bool http_two_waits(const struct http_call *);
/* True when a connection has become ready that others may share. */
bool http_two_opened(struct http *);
/* Has it no connection yet? */
bool http_two_connects(const struct http_call *);
/* A stream has stalled. */
void http_two_doubt(struct http_call *, int64_t now);
/* True when a call is not to be waited for any longer on the connection it has. */
bool http_two_is_doubted(const struct http_call *, int64_t now);

/* http_error.c: an error of http_response; code may be CURLE_OK where curl is content and there is no answer all the same. */
int http_error(const struct http_call *, CURLcode code);

/* http_limit.c */
void http_limit_init(struct http_limit *, uint64_t rate, int64_t now);
/* True when something may be taken. */
bool http_limit_ready(struct http_limit *, int64_t now);
void http_limit_take(struct http_limit *, uint64_t n);
/* When it will be ready. */
int64_t http_limit_at(const struct http_limit *);

/* http_head.c: a line of the head as curl hands it over. False: too much, or not a number where one must be. */
bool http_head_line(struct http_call *, const char *p, size_t n);
/* The whole head is there: what is to be done with the body. False: call->failed. */
bool http_head_end(struct http_call *);
/* "bytes FIRST-LAST/TOTAL"; total UINT64_MAX for '*'. */
bool http_content_range(const char *value, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total);

#endif
