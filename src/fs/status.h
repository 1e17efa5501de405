/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What `assetfs status` shows of a mount: one line of JSON, and text for people.
 */
#ifndef ASSETFS_STATUS_H
#define ASSETFS_STATUS_H

#include "base/buf.h"
#include "base/counters.h"
#include "tree/tree.h"

struct fs_status {
    const char *url, *mountpoint;
    struct tree_status tree;
    uint64_t cache_bytes, spool_bytes;
    bool refuses; /* a drain is going on */
    const char *local_only; /* the option: names that stay on this host */
    const struct counters *counters;
    /* Requests by operation. */
    const char *const *op_names;
    const uint64_t *op_counts;
    size_t n_ops;
    int64_t now_ns;
};

/* One line, without a newline. */
void status_json(const struct fs_status *, struct buf *ret);
/* Lines, each with its newline. */
void status_text(const struct fs_status *, struct buf *ret);

#endif
