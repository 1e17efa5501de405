/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a volume's URL to its stores: where it writes and where it reads.
 */
#ifndef ASSETFS_STORE_OPEN_H
#define ASSETFS_STORE_OPEN_H

#include "base/buf.h"
#include "base/options.h"
#include "net/credentials.h"
#include "net/http.h"
#include "store/cdn_access.h"
#include "store/links.h"
#include "store/store.h"

/* The pair owns all of it. */
struct store_pair {
    struct store *writer; /* put_if_absent */
    struct store *reader; /* get_range; the same store where there is no CDN, then freed once */
    struct http *http;    /* NULL for a directory */
    struct credentials *credentials;
    struct cdn_access *access; /* what reads through the CDN present; NULL: nothing */
    struct customer_keys *customer_keys; /* sse_c_key_file=; NULL: none */
    struct links *links;       /* the addresses of objects, for others */
};

/* Where an S3 volume is, as its URL, its options, the environment and the profile say together: for who asks the servers past a store (store/probe.h). Strings are malloc'd. */
struct store_site {
    char *bucket;
    char *prefix;   /* before every key: "" or "some/place/" */
    char *endpoint; /* NULL: Amazon's, by the region */
    char *region;   /* NULL: nobody says */
};

/* -EINVAL with a sentence: as store_open(). */
int store_site(const struct options *opt, struct credentials *, struct store_site *ret, struct buf *why) ATTR_WARN_UNUSED;
void store_site_free(struct store_site *);
/* The HTTP engine as these options want it. Errors as http_new(), always with a sentence. */
int store_http(struct env *, struct counters *, const struct options *opt, struct http **ret, struct buf *why) ATTR_WARN_UNUSED;
/* What reads through the CDN present (store/cdn_access.h); NULL: nothing. prefix: the volume's place in the bucket. -EINVAL with a sentence. */
int store_access(struct env *, const struct options *opt, const char *prefix, struct cdn_access **ret, struct buf *why) ATTR_WARN_UNUSED;
/* Whose keys sign, as these options want it: credentials_new(). http: NULL where nobody is asked for keys. */
struct credentials *store_credentials(struct env *, const struct options *opt, struct http *);
bool store_is_s3(const struct options *opt);

/* By opt->url: "file:///absolute/path", or "s3://bucket[/prefix]" with endpoint=, region=, path_style, profile=, cdn= and the options of the network. The prefix stands before
 * every key, with a slash behind it; it is taken byte for byte. How the URL and the options contradict each other (http:// beyond loopback without insecure_http, a
 * region for a directory, ...) is refused here. No server is asked: of an S3 volume everything is opened as with STORE_OPEN_LATER. Starts the HTTP engine's thread.
 * On failure `why` (one sentence with what to do) is filled. -EINVAL: not a URL this build can open; else as the store's own open, credentials_new(), http_new(). */
int store_open(struct env *, struct counters *, const struct options *opt, enum store_open_how, struct store_pair *ret,
               struct buf *why) ATTR_WARN_UNUSED;
/* Ends what is under way in both stores: store_stop(). Safe on a zeroed pair. */
void store_pair_stop(struct store_pair *);
/* When no operation is under way: links, stores, then the credentials, then the engine. Safe on a zeroed pair. */
void store_pair_free(struct store_pair *);
/* What tells this bucket from another of the same URL: the endpoint and region that options and environment name, and the profile that may name them, as one line of text, malloc'd; ""
 * where there is nothing to tell. Never a secret. */
char *store_place(const struct options *opt);

#endif
