/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside of the block cache: its state, shared by block_cache.c (read, put, adopt), cache_room.c (limits,
 * eviction, dropping) and cache_scan.c (putting a cache in order after a crash). Nobody else includes this.
 *
 * How a block gets in: reserve room -> pwrite -> verified set and a *note* of the row -> notes are written to
 * blocks.db together, some of them at a time. How one gets out: its row goes (committed) -> out of the
 * verified set -> its bytes go.
 *
 * Why a hit may trust the verified set without asking the database: every removal of bytes, by any process,
 * is announced in a shared array of counters (DIR/blocks.gen, mapped): one *generation* a shard, low half
 * counted up before bytes go, high half after. A hit is good if the shard's generation was quiet, and the one
 * this process has seen, before and after its pread. Bytes are entered as verified only if the generation
 * taken before they were looked at is quiet and has not moved since; otherwise they count as unverified and
 * are hashed at their next use.
 *
 * Lock order: db_lock, then lock. `lock` is held for memory only; db_lock also for SQLite.
 */
#ifndef ASSETFS_CACHE_STATE_H
#define ASSETFS_CACHE_STATE_H

#include "data/block_cache.h"
#include "data/cache_files.h"
#include "data/cache_index.h"
#include "data/cache_verified.h"
#include <stdatomic.h>

#define PROTECT_AFTER_S 10                   /* a second use counts when it comes this long after the first */
#define NOTES_MAX 256                        /* rows written together */
#define NOTES_MAX_HITS 4096                  /* a hit only leaves recency behind: that can wait longer */
#define NOTES_MAX_BYTES ((uint64_t)16 << 20) /* what a crash can leave behind without rows */
#define NOTES_MAX_AGE (100 * NS_PER_MS)
#define CACHE_FDS 128

/* What a row has to learn. */
struct cache_note {
    struct cache_note_key {
        uint8_t id[DIGEST_SIZE];
        uint64_t span;
    } key;
    uint64_t size;
    uint64_t here, protected;     /* bits to set */
    int64_t used, used_protected; /* 0: as it was */
    uint64_t reserved;            /* bytes reserved for `here`, until the row is committed */
    UT_hash_handle hh;
};

struct block_cache {
    struct env *env;
    struct counters *counters;
    char *dir, *db_path;
    uint64_t limit, min_free;
    int64_t mono_start;     /* clock at open */
    int64_t tick_start;     /* milliseconds; later than every time in the rows */
    int gen_fd;             /* DIR/blocks.gen; holds a shared flock while the cache is open */
    _Atomic uint64_t *gens; /* VERIFIED_SHARDS, shared with other processes */
    atomic_bool no_punch;   /* the file system cannot punch holes: contents are evicted whole */

    pthread_mutex_t db_lock;
    /* guarded by db_lock */
    struct cache_index *index;   /* NULL once it has turned out to be damaged */
    bool unclean;                /* rows were lost: the next open has to scan */
    unsigned scan_next;          /* directory 00..ff to be scanned next; 256: done */
    struct timespec scan_before; /* files changed later than this are not leftovers */

    pthread_mutex_t lock;
    /* guarded by lock */
    struct verified_set verified;
    uint64_t seen[VERIFIED_SHARDS]; /* generation that the shard's entries belong to */
    struct cache_files files;
    struct cache_note *notes;
    unsigned n_notes;
    int64_t first_note;   /* mono_ns */
    uint64_t noted_bytes; /* reserved by notes */
    uint64_t db_bytes;    /* sum of the committed rows */
    uint64_t reserved;    /* bytes on disk, or about to be, that no committed row counts */
    uint64_t writing;     /* of these: not written yet */
};

/* Blocks to remove: part of one span. */
struct cache_victim {
    uint8_t id[DIGEST_SIZE];
    uint64_t span, mask, bytes;
    bool whole; /* no other block of the content is left: the file goes, whatever is in it */
};

static inline bool gen_busy(uint64_t gen) {
    return (uint32_t)gen != (uint32_t)(gen >> 32);
}
static inline uint64_t gen_of(struct block_cache *c, const uint8_t id[DIGEST_SIZE]) {
    return atomic_load(&c->gens[verified_shard_of(id)]);
}
static inline int64_t cache_tick(struct block_cache *c) {
    return c->tick_start + (env_mono(c->env) - c->mono_start) / NS_PER_MS;
}
static inline uint32_t cache_seconds(struct block_cache *c) {
    return (uint32_t)((env_mono(c->env) - c->mono_start) / NS_PER_S);
}

/* ---- lock held */

/* Empties the shard if another process removed bytes since it was last looked at. False: bytes are being
 * removed right now, nothing is certain. */
bool cache_shard_sync(struct block_cache *, unsigned shard);
struct cache_note *cache_note(struct block_cache *, const struct content *, uint64_t span);

/* ---- db_lock held, lock not */

/* Writes all notes. Negative errno: they are lost, which costs fetches (and a scan at the next open). */
int cache_flush(struct block_cache *);
/* The row, with what is noted for it. -ENOENT */
int cache_lookup(struct block_cache *, const uint8_t id[DIGEST_SIZE], uint64_t span, struct cache_span *ret);
/* Takes over what a transaction has changed. */
void cache_take_sums(struct block_cache *);
/* Call with every error of the index: a damaged one is set aside. Returns err. */
int cache_index_failed(struct block_cache *, int err);
/* Looks through one more directory. Only while scan_next < 256. */
void cache_scan_step(struct block_cache *);

/* ---- no lock held */

/* Reserves bytes, evicting if need be. False: there is no room. */
bool cache_reserve(struct block_cache *, uint64_t bytes, bool on_new_disk_space);
void cache_unreserve(struct block_cache *, uint64_t bytes);
void cache_flush_if_due(struct block_cache *);
/* Announces that bytes of this content go / have gone; between the two their removal. */
void cache_removal_begin(struct block_cache *, const struct cache_victim *);
void cache_removal_end(struct block_cache *, const struct cache_victim *);
/* One block whose bytes are not what the row says. */
void cache_drop_block(struct block_cache *, const struct content *, uint64_t block);

#endif
