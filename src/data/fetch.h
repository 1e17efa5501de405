/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One ranged get from the store, tried again as net/retry.h says (retry_fetch) until it succeeds, fails for
 * good, or nobody wants it any more.
 *
 * What is fetched is known to exist: an entry of the journal names it, or a put was told that it is there. So an
 * absence or a refusal is trouble (a bucket that refuses its CDN, a CDN that remembers an error from before): it
 * is asked for again, past the caches, for as long as the store's absences may be untrue (absence_ns), and only
 * then believed. -EINVAL and -ERANGE are asked once more, past the caches.
 *
 * The owner embeds a struct fetch, zeroed, fills in the first part and calls fetch_start() from any thread;
 * everything after that happens on the loop. `done` is called exactly once for each start; the fetch may be
 * started again, or freed, inside it.
 */
#ifndef ASSETFS_FETCH_H
#define ASSETFS_FETCH_H

#include "store/store.h"

struct fetch {
    struct store *store;
    const char *key;                /* must stay until done */
    uint64_t off, len;              /* as store_get_range() */
    unsigned flags;                 /* enum store_get_flags; STORE_FRESH is added by a try past the caches */
    bool (*wanted)(struct fetch *); /* asked before another wait */
    /* got->err 0 and the bytes, or the last error. */
    void (*done)(struct fetch *, const struct store_got *got);

    unsigned failures;
    int64_t refused_at; /* mono: when it was first absent or refused; 0: it was not */
    struct env_timer timer;
};

void fetch_start(struct fetch *);
/* On the loop: ends a wait between two tries, `done` follows with -EINTR; a get under way is left alone. */
void fetch_hurry_up(struct fetch *);
/* On the loop: a wait between two tries ends now, and what failed before counts no more: somebody new asks. */
void fetch_anew(struct fetch *);

#endif
