/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a read presents to a CDN that does not let everybody in: a signed URL or signed cookies (net/cloudfront.h), and headers of the deployment's own (net/header_file.h).
 *
 * The files it takes them from are looked at by path before each read, and read again when they have changed (base/secret_file.h); while they cannot be used - half
 * written, gone, a key without its id -, what was read before stays in use, and the log says so once. A pass that was made before goes on to be good for as long as the CDN
 * knows its key, so that nothing is lost when an operator adds the new key to the key group, replaces the files, and takes the old key away.
 *
 * A canned policy is for one object, and signed for each read. A custom one is for all the volume's objects ("https://host/prefix*"): it is signed once, and again when
 * half of its time is over.
 *
 * Secrets are zeroed when freed, and are in no log line and no error. Blocks on the local disk, and for a signature: call it on a worker.
 * Threads: any. One mutex inside, not held while files are read or something is signed.
 */
#ifndef ASSETFS_CDN_ACCESS_H
#define ASSETFS_CDN_ACCESS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/env.h"
#include "net/cloudfront.h"
#include "net/header_file.h"

struct cdn_access;

struct cdn_access_config {
    const char *key_file;    /* PEM; NULL: nothing is signed */
    const char *key_id;      /* with key_file: the id, or the absolute path of a file that holds it */
    const char *header_file; /* NULL: no headers */
    bool cookies;            /* signed cookies, not URLs */
    enum cloudfront_policy policy;
    enum cloudfront_hash hash;
    int64_t lifetime_s;      /* how long a signature of a read is good */
    const char *pattern;     /* what a custom policy is for */
};

/* Reads the files. -EINVAL with a sentence: one is missing, or cannot be used, or both ask for the header Cookie. */
int cdn_access_new(struct env *, const struct cdn_access_config *, struct cdn_access **ret, struct buf *why) ATTR_WARN_UNUSED;
struct cdn_access *cdn_access_free(struct cdn_access *); /* NULL-safe; returns NULL */
bool cdn_access_signs(const struct cdn_access *);        /* false for NULL */

/* For one request. */
struct cdn_pass {
    char *url;
    char *headers[HEADER_LINES_MAX + 1]; /* "Name: value" */
    size_t n_headers;
    int64_t until;       /* seconds since 1970; 0: not signed */
    int64_t skew;        /* of the clock it was made by */
    uint64_t generation; /* of the files */
};
/* Wipes. */
void cdn_pass_free(struct cdn_pass *);

/* To read this URL now. -EIO with a sentence: OpenSSL does not sign. */
int cdn_access_pass(struct cdn_access *, const char *url, struct cdn_pass *ret, struct buf *why) ATTR_WARN_UNUSED;
/* The CDN did not take this pass; its clock said `date` when this host's said `received_at` (seconds; date -1: it did not say). True: another pass would differ, because there are
 * other files by now, or this host's clock is wrong, or the pass has run out on its way. */
bool cdn_access_refused(struct cdn_access *, const struct cdn_pass *, int64_t date, int64_t received_at);

/* A signed address for others, good for `lifetime_s`; with a custom policy for this one URL, too. *ret_until in seconds since 1970. -EINVAL with a sentence. */
int cdn_access_link(struct cdn_access *, const char *url, int64_t lifetime_s, char **ret, int64_t *ret_until, struct buf *why) ATTR_WARN_UNUSED;

#endif
