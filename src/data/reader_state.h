/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside of the reader, shared by reader.c (reads, the cache, read-ahead), reader_fetch.c (blocks being
 * fetched) and reader_digests.c (digests of large contents). Nobody else includes this.
 *
 *     read ─ one for each reader_read() that cannot be answered at once
 *      └─ waiter ─ one for each of its blocks that has to come
 *          └─ flight ─ one block being fetched, found by everybody who wants it (single flight)
 *              └─ batch ─ one get for neighbouring flights: queued -> under way -> its blocks checked, one
 * work each
 *
 * A read is answered when its last waiter has its bytes, at the first failed flight, or when its time is
 * over; then it leaves all its flights. The answer does not wait until the cache has the block; the flight
 * does. A flight goes on without waiters (its block is cached), but is not tried again.
 *
 * `lock` guards everything here but what says otherwise. It is never held across a callback, a store or the
 * cache.
 */
#ifndef ASSETFS_READER_STATE_H
#define ASSETFS_READER_STATE_H

#include "data/fetch.h"
#include "data/reader.h"
#include <stdatomic.h>
#include <uthash.h>

#define FETCH_MEMORY ((uint64_t)96 << 20) /* fetched blocks in memory, and gets under way */
#define AHEAD_MEMORY ((uint64_t)64 << 20) /* of that, and of what is queued: read-ahead begins nothing more */
#define LANDED_BUCKETS 256
#define BUF_POOL 16

struct waiter {
    struct read *read;
    struct flight *flight; /* NULL: has its bytes, or does not wait yet */
    bool got;
    struct waiter *prev, *next;
};

struct flight {
    struct flight_key {
        uint8_t id[DIGEST_SIZE];
        uint8_t digest[DIGEST_SIZE];
        uint64_t block;
        uint64_t object; /* hash of the object's key */
    } key;
    struct batch *batch;
    unsigned index; /* in the batch */
    bool ok;        /* written by the worker, read by the loop after it */
    struct waiter *waiters;
    UT_hash_handle hh;
};

enum batch_queue { QUEUE_DEMAND, QUEUE_AHEAD, QUEUE_COUNT };

struct batch {
    struct reader *reader;
    struct content *content;
    uint64_t first;   /* block */
    unsigned n, left; /* flights, and those not yet done */
    struct flight **flights;
    uint64_t len;  /* bytes */
    struct bytes *bytes; /* not guarded: written on the loop before, read by workers after */
    bool under_way;
    bool failing; /* a try has failed, and the next one waits */
    bool revived; /* while it did, and nobody wanted it any more, somebody came */
    enum batch_queue queue;
    struct fetch fetch;
    struct batch *prev, *next; /* queue, or list of those under way */
};

/* Digests of a large content, by their digest; shared by reads, kept while there is room. */
struct digest_table {
    uint8_t key[DIGEST_SIZE];
    uint8_t *digests;
    size_t bytes;
    unsigned refs;
    UT_hash_handle hh;
    struct digest_table *prev, *next; /* LRU, newest first */
};

struct read {
    struct reader *reader;
    struct content *content;
    uint64_t off;
    size_t len;
    reader_done done;
    void *arg;
    int64_t deadline;
    struct digest_table *table; /* or NULL */
    uint8_t *buf;               /* not guarded while `working` */
    uint64_t first;             /* block */
    unsigned n, missing;
    bool listed;     /* in reader->reads: the loop may answer it */
    bool working;    /* a worker has it; changes hands by the loop only */
    bool answered;   /* only waits for the worker */
    unsigned landed; /* sum of the counters of its blocks, before the cache was looked at */
    unsigned passes;
    struct digest_load *load; /* that it waits for */
    struct read *load_prev, *load_next;
    struct read *prev, *next; /* all reads, by deadline */
    struct waiter waiters[];
};

struct reader {
    struct reader_config cfg;
    char *prefix, *dir;
    pthread_mutex_t lock;
    pthread_cond_t idle; /* busy became 0 */
    struct flight *flights;
    struct read *reads;
    struct batch *queues[QUEUE_COUNT], *under_way;
    unsigned n_under_way;
    uint64_t memory;                 /* bytes of the batches under way */
    uint64_t queued;                 /* bytes of those that are not */
    unsigned landed[LANDED_BUCKETS]; /* flights that have ended well: whoever missed the cache before looks
                                        again */
    struct env_timer deadline;
    bool deadline_set;
    unsigned busy; /* batches, works, loads: what reader_free() waits for */
    bool closing;
    bool reviving; /* flights_revive() is on its way to the loop */
    struct digest_table *tables, *tables_lru;
    size_t table_bytes;
    struct digest_load *loads;
    void *bufs[BUF_POOL];
    unsigned n_bufs;
};

/* ---- reader.c */

/* The digests are there: goes on. On the loop, no lock held. */
void read_resume(struct read *);
/* Takes it out of everything; the caller then calls its done and read_free(), without the lock. On the loop,
 * lock held. */
void read_detach(struct read *);
void read_fail(struct read *, int err); /* answers and frees a detached one; no lock held */
void read_free(struct read *);          /* detached; no lock held */
/* From now on the loop may answer it. lock held. */
void read_list(struct read *);
/* No more reads: the deadline timer need not fire. On the loop, lock held. */
void reader_settle(struct reader *);
void reader_done_one(
    struct reader *); /* one of `busy` has ended; no lock held; the reader may be gone afterwards */

static inline size_t block_bytes(const struct content *c, uint64_t block) {
    return (size_t)MIN(BLOCK_SIZE, c->size - block * BLOCK_SIZE);
}

/* ---- reader_fetch.c */

void flight_key_of(const struct content *, const uint8_t *digest, uint64_t block, struct flight_key *ret);
unsigned *landed_of(struct reader *, const uint8_t id[DIGEST_SIZE], uint64_t block); /* lock held */
/* Attaches the read's missing blocks to flights, making and queueing those there are not. lock held. */
void flights_join(struct read *);
/* Queues fetches of these blocks that are not in flight (missing[i]: block first + i is wanted). lock held.
 */
void flights_ahead(struct reader *, struct content *, const struct digest_table *, uint64_t first, unsigned n,
                   const bool *missing);
/* Starts what may be started. No lock held. */
void reader_pump(struct reader *);
/* On the loop, no lock held: ends waits between tries, drops what is queued. */
void flights_abandon(struct reader *);

/* ---- reader_digests.c */

bool digests_known(const struct content *); /* without a table */
const uint8_t *digest_at(const struct content *, const struct digest_table *, uint64_t block);
/* The table, referenced, or NULL. lock held. */
struct digest_table *table_find(struct reader *, const struct content *);
void table_unref(struct reader *, struct digest_table *); /* NULL-safe; lock held */
/* Lets the read wait for its digests, loading them if nobody does. No lock held. */
void digests_want(struct read *);
void load_leave(struct read *); /* lock held */
void loads_abandon(struct reader *);
void tables_free(struct reader *);

#endif
