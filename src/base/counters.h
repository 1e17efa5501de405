/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counters of one mount: what `assetfs status` prints and tests compare. One table makes the enum, the names and the JSON.
 * Any thread may add at any time.
 */
#ifndef ASSETFS_COUNTERS_H
#define ASSETFS_COUNTERS_H

#include "base/base.h"
#include "base/buf.h"
#include <stdatomic.h>

/*        symbol             JSON name            what it counts */
#define COUNTERS(X)                                                                                          \
    X(FUSE_REQUESTS, "fuse_requests", "requests from the kernel")                                            \
    X(CACHE_HITS, "cache_hits", "blocks served from the block cache")                                        \
    X(CACHE_MISSES, "cache_misses", "blocks that had to be fetched")                                         \
    X(CACHE_DROPPED, "cache_dropped", "cached blocks dropped because their bytes did not match")             \
    X(CACHE_EVICTED, "cache_evicted", "blocks evicted to make room")                                         \
    X(BYTES_FETCHED, "bytes_fetched", "bytes read from the bucket")                                          \
    X(BYTES_UPLOADED, "bytes_uploaded", "bytes put into the bucket")                                         \
    X(STORE_GETS, "store_gets", "get requests to the bucket")                                                \
    X(STORE_PUTS, "store_puts", "put requests to the bucket")                                                \
    X(HTTP_REQUESTS, "http_requests", "HTTP requests, of either kind")                                       \
    X(ENTRIES_WRITTEN, "entries_written", "journal entries this mount has committed")                        \
    X(ENTRIES_APPLIED, "entries_applied", "journal entries applied")                                         \
    X(ENTRIES_VOID, "entries_void", "journal numbers that hold no readable entry")                           \
    X(CHANGES_VOID, "changes_void", "changes that did not fit the tree")                                     \
    X(ENTRIES_DAMAGED, "entries_damaged", "journal entries of a writer whose local state was damaged")       \
    X(RACES_LOST, "races_lost", "journal numbers lost to another host")                                      \
    X(CONFLICT_COPIES, "conflict_copies", "conflicted copies made here")

enum counter {
#define X(sym, name, help) COUNTER_##sym,
    COUNTERS(X)
#undef X
        COUNTER_COUNT
};

struct counters {
    _Atomic uint64_t v[COUNTER_COUNT];
};

static inline void counter_add(struct counters *c, enum counter k, uint64_t n) {
    if (c)
        atomic_fetch_add_explicit(&c->v[k], n, memory_order_relaxed);
}
static inline uint64_t counter_get(const struct counters *c, enum counter k) {
    return c ? atomic_load_explicit(&((struct counters *)c)->v[k], memory_order_relaxed) : 0;
}
const char *counter_name(enum counter k);
/* Appends `"name":value` pairs, comma-separated, no braces. */
void counters_json(const struct counters *, struct buf *);

#endif
