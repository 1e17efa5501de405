/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside of store/probe.h, shared by its files: probe.c (the order of things), probe_ask.c (one request), probe_put.c and probe_get.c (S3), probe_cdn.c, probe_change.c, probe_area.c,
 * probe_cors.c, probe_dir.c. Nobody else includes this. One thread; only probe_ask.c knows of the loop.
 */
#ifndef ASSETFS_PROBE_PARTS_H
#define ASSETFS_PROBE_PARTS_H

#include "base/digest.h"
#include "store/open.h"
#include "store/probe.h"
#include "store/refusal.h"
#include "store/s3_request.h"

/* What <prefix>/check holds. */
#define PROBE_TEXT "assetfs probes here\n"
/* A host whose clock is this near is right: requests take time. */
#define PROBE_SKEW_MIN 60

struct probe {
    struct env *env;
    const struct options *opt;
    const char *origin;
    struct http *http;
    struct credentials *credentials;
    struct cdn_access *access; /* what reads through the CDN present; NULL: nothing */
    const struct probe_area *areas;
    size_t n_areas;
    struct store_site site;
    struct s3_place place;
    struct url cdn; /* if opt->cdn */
    char *cdn_url;  /* without a slash at its end; NULL: there is no CDN */
    char *key;      /* whole: of the one object that is put */
    char *absent;   /* whole: of what nobody puts */
    int64_t skew;   /* seconds that S3's clock is ahead of ours */
    bool exists;    /* the object at `key` */
    bool careful;   /* the server refuses a put whose bytes are not those that were announced */
    bool cdn_trouble; /* what the CDN answers says nothing about single paths */
    bool careless;  /* it has been seen to keep them */
    struct report *report;
};

/* ---- probe_ask.c */

struct probe_ask {
    const char *method;
    const char *key; /* whole; "" the bucket, or the CDN's root */
    const struct sigv4_pair *query, *headers; /* of S3, signed; headers are sent to the CDN, too */
    size_t n_query, n_headers;
    const char *body;    /* NULL: none */
    const char *payload; /* hex digest that is announced instead of the body's own; NULL: its own */
    bool anonymous;      /* unsigned; to the CDN: without what the mount's reads present */
};

struct probe_answer {
    int err;                   /* there is none: as of struct http_response */
    char *why;                 /* with err */
    struct http_response res;  /* a copy: body and headers are the answer's own */
    struct refusal refusal;    /* the answer as one, whatever its status */
};

/* Both try again, twice, what fails on its way or is busy. */
void probe_ask_s3(struct probe *, const struct probe_ask *, struct probe_answer *ret);
void probe_ask_cdn(struct probe *, const struct probe_ask *, struct probe_answer *ret);
void probe_answer_free(struct probe_answer *);
#define CLEANUP_ANSWER __attribute__((cleanup(probe_answer_free)))

static inline const char *probe_header(const struct probe_answer *a, const char *name) {
    return a->err ? NULL : http_header(&a->res, name);
}
/* An answer below 300 that S3 gave: no <Error> in it. */
bool probe_is_good(const struct probe_answer *);
/* Status and body are those of <prefix>/check. */
bool probe_is_the_object(const struct probe_answer *);
/* 403 (or 401) in S3's words. */
bool probe_is_denied(const struct probe_answer *);
/* S3 has done it, or would have done it if something had (not) been there: 412, NoSuchKey. */
bool probe_did_or_would(const struct probe_answer *);
/* The bytes are not those that were announced. */
bool probe_is_wrong_digest(const struct probe_answer *);
/* "403 AccessDenied by S3", or why there is no answer; malloc'd. */
char *probe_said(const struct probe_answer *);
/* Adds the server's own words to the last finding, unless all is well. */
void probe_details(struct probe *, const struct probe_answer *);
/* Reports what was answered in the words of store/refusal.h, or of http.h. */
void probe_report_refusal(struct probe *, const char *check, enum finding, const struct probe_answer *);
/* Reports the TLS version of an answer; where: "S3", "the CDN". */
void probe_report_tls(struct probe *, const char *check, const char *where, const struct probe_answer *);

/* ---- what is looked at, in this order */

/* probe_put.c: credentials, endpoint, tls, region, clock, digest, put, kms, condition, overwrite, content (of the default area), content:ROOM (of the others), elsewhere, delete. False: S3 does not answer. */
bool probe_puts(struct probe *);
/* probe_get.c: get, list, public-get, public-put */
void probe_gets(struct probe *);
/* probe_cdn.c: cdn, cdn-tls, cdn-kms, journal, missing, error-caching, cdn-list */
void probe_cdn(struct probe *);
/* probe_change.c: cdn-put, cdn-delete, signed-put, signed-delete; the same with :ROOM of each area */
void probe_changes(struct probe *);
/* probe_area.c: private:ROOM or open:ROOM, of each area */
void probe_areas(struct probe *);
/* probe_cors.c */
void probe_cors(struct probe *);
/* probe_dir.c: a directory bucket */
int probe_directory(const struct probe_config *, struct report *, struct buf *why) ATTR_WARN_UNUSED;

#endif
