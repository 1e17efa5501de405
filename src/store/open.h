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
#include "store/store.h"

struct store_pair {
    struct store *writer; /* put_if_absent */
    struct store *reader; /* get_range; the same store where there is no CDN, then freed once */
    struct http *http;    /* NULL for a directory */
    struct credentials *credentials;
};

/* By opt->url: "file:///absolute/path", or "s3://bucket[/prefix]" with endpoint=, region=, path_style, profile=, cdn= and the options of the network. How the URL and the
 * options contradict each other (http:// beyond loopback without insecure_http, ...) is refused here. On failure `why` (one sentence with what to do) is filled.
 * -EINVAL: not a URL this build can open; else as the store's own open. */
int store_open(struct env *, struct counters *, const struct options *opt, enum store_open_how, struct store_pair *ret,
               struct buf *why) ATTR_WARN_UNUSED;
void store_pair_free(struct store_pair *);

#endif
