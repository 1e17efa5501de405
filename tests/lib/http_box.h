/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A real loop, an HTTP engine on it, and a scripted server (http_peer.h) to talk to. A call keeps a copy of
 * what its done was given.
 */
#ifndef ASSETFS_TESTS_HTTP_BOX_H
#define ASSETFS_TESTS_HTTP_BOX_H

#include "base/loop.h"
#include "http_peer.h"
#include "net/http.h"

struct http_box {
    struct loop *loop;
    struct http *http;
    struct http_peer *peer;
    struct counters counters;
    char *dir, *ca_path;   /* with a certificate */
    pthread_mutex_t mutex; /* guards the calls and n_done */
    pthread_cond_t changed;
    unsigned n_done;
};

struct box_call {
    struct http_box *box;
    struct http_call *call;
    char *url;
    unsigned times_done; /* must be 1 */
    unsigned place;      /* 1 for the first call of the box that was done */
    int err, status;
    const char *tls;     /* the version; NULL: without */
    char *why;           /* "" without */
    unsigned char *body; /* NUL after it */
    size_t len;
    bool ranged, on_loop;
    uint64_t total;
    int64_t received_at;
    char *etag, *many; /* the headers ETag and X-Many, as http_header() gave them; NULL */
};

/* config: env, counters are filled in; NULL: all defaults. The peer's own certificate authority, if it has a
 * certificate, is trusted unless config has a ca_file. */
struct http_box *http_box_new(peer_fn fn, void *arg, const struct http_config *config);
struct http_box *http_box_new_tls(peer_fn fn, void *arg, const struct http_config *config, const char *names,
                                  int days, bool trusted);
/* Fails the test when a call was done twice. NULL-safe; returns NULL. */
struct http_box *http_box_free(struct http_box *);

/* A url that begins with '/' is the peer's. method NULL: GET. max_response 0: 1 MiB. */
struct box_call *box_start(struct http_box *, const struct http_request *);
struct box_call *box_wait(struct box_call *);
/* Starts and waits. */
struct box_call *box_run(struct http_box *, const struct http_request *);
struct box_call *box_get(struct http_box *, const char *path);
struct box_call *box_call_free(struct box_call *); /* waits first; NULL-safe; returns NULL */
/* Gets, and is true when that was answered with this status. */
bool box_gets(struct http_box *, const char *path, int status);

#endif
