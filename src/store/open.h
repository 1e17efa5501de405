/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a volume's URL to its stores: where it writes and where it reads.
 */
#ifndef ASSETFS_STORE_OPEN_H
#define ASSETFS_STORE_OPEN_H

#include "base/buf.h"
#include "store/store.h"

struct store_pair {
    struct store *writer; /* put_if_absent */
    struct store *reader; /* get_range; the same store where there is no CDN, then freed once */
};

/* url: "file:///absolute/path". On failure `why` (UNITS: one sentence with what to do) is filled.
 * -EINVAL: not a URL this build can open; else as the store's own open. */
int store_open(struct env *, struct counters *, const char *url, enum store_open_how, struct store_pair *ret, struct buf *why)
    ATTR_WARN_UNUSED;
void store_pair_free(struct store_pair *);

#endif
