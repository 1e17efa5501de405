/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Verified blocks of content on the local disk: DIR/blocks/ab/<content id> (one sparse file a content, each block at its own offset) and
 * DIR/blocks.db (SQLite: which blocks are there, how recently used). Rebuildable: deleting both loses nothing.
 *
 * Invariants
 *  1. A block is served only if its digest was checked in this mount (by block_cache_put, or on its first use after a restart).
 *  2. A block whose row or bytes do not agree is dropped (CACHE_DROPPED) and reads as absent.
 *  3. The bytes on disk never exceed `limit`, and writing never takes the disk's free space below `min_free`: room is made
 *     before a write, not by a poll; where none can be made, the block is simply not cached.
 *  4. Eviction resists scans: a block enters on probation; a second use, a while after the first, protects it; probation is evicted first,
 *     protected blocks take at most 4/5 of the limit. One pass over more than the cache does not empty it.
 *  5. A crash at any point leaves a cache that opens: a row without its bytes, or bytes without a row, cost a fetch, never a wrong byte.
 *  6. Memory: at most about 32 bytes for each block verified in this mount, and a bounded number of open descriptors (LRU).
 *
 * Threads: every function may be called from any thread; two mutexes inside (memory; SQLite), none held while hashing, reading or writing
 * file data. Functions block on local disk only.
 * Several processes (a live mount and read-only ones) may share a cache: SQLite arbitrates rows, blocks are immutable.
 */
#ifndef ASSETFS_BLOCK_CACHE_H
#define ASSETFS_BLOCK_CACHE_H

#include "base/counters.h"
#include "base/env.h"
#include "data/content.h"

struct block_cache;

struct block_cache_config {
    struct env *env;           /* clock only */
    struct counters *counters; /* may be NULL */
    const char *dir;           /* the state directory: 0700, exists */
    uint64_t limit;            /* bytes of block data on disk, each block in whole pages of 4 KiB */
    uint64_t min_free;         /* bytes to leave free on the file system */
};

/* A damaged blocks.db is set aside (blocks.db.bad) and the cache starts empty: 0 all the same. Else negative errno. */
int block_cache_open(const struct block_cache_config *, struct block_cache **ret) ATTR_WARN_UNUSED;
struct block_cache *block_cache_close(struct block_cache *); /* NULL-safe; flushes recency */

/* Reads [off, off+len) of one block (block: index; off is within the block; the range must lie inside the block) into p.
 * digest: the block's. 0, or -ENOENT when it is not (or no longer, or not rightly) there. Counts a hit; the reader counts misses. */
int block_cache_read(struct block_cache *, const struct content *, uint64_t block, const uint8_t digest[DIGEST_SIZE],
                     uint64_t off, size_t len, void *p) ATTR_WARN_UNUSED;
bool block_cache_has(struct block_cache *, const struct content *, uint64_t block);
/* Whether a read of it would be a plain pread: checked in this mount against this digest (NULL: against any). */
bool block_cache_verified(struct block_cache *, const struct content *, uint64_t block, const uint8_t *digest);

/* Stores a whole block (len is BLOCK_SIZE, or less for the last one). The caller has checked that digest is its digest. 0 also when there was no room. */
int block_cache_put(struct block_cache *, const struct content *, uint64_t block, const uint8_t digest[DIGEST_SIZE],
                    const void *p, size_t len);

/* An uploaded spool file becomes the cache file: renames `path` (a complete copy of the content on the same file system, whose bytes were
 * hashed in this mount if `verified`) into the cache. On any failure, or where there is no room, `path` is unlinked.
 * The bytes were on this disk before, so min_free does not apply, only limit. */
void block_cache_adopt(struct block_cache *, const struct content *, const char *path, bool verified);

/* Frees at least `bytes` by evicting, probation first; returns what was freed. The spool asks for it when the disk is full. */
uint64_t block_cache_shrink(struct block_cache *, uint64_t bytes);
/* Forgets one content (it turned out to be wrong). */
void block_cache_drop(struct block_cache *, const struct content *);
uint64_t block_cache_bytes(struct block_cache *);

#endif
