/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block cache's rows (DIR/blocks.db, SQLite): which blocks of which content are there and when they were
 * last used. One row a *span* of 64 blocks (64 MiB), so that a small file is one row and a huge one needs no
 * long bitmap:
 *
 *     id, span      which content, which 64 blocks of it
 *     size          of the whole content (says how long the last block is)
 *     here          bitmap: the block is in the file
 *     protected     bitmap, part of `here`: used again a while after its first use
 *     used          when a block on probation was added, or a block demoted to it; orders eviction from
 * probation used_protected  when a protected block was last noted as used; orders eviction of those
 *
 * Times are milliseconds that never go back (see block_cache.c). `bytes` and `protected_bytes`, the sums over
 * all rows, are kept in the same transactions that change the rows. A block counts as whole pages of 4 KiB.
 *
 * Not thread-safe: block_cache's db_lock guards it. Errors: negative errno; -EBADMSG a damaged file; -EBUSY
 * another process has kept it locked for seconds.
 */
#ifndef ASSETFS_CACHE_INDEX_H
#define ASSETFS_CACHE_INDEX_H

#include "base/base.h"

#define SPAN_BLOCKS 64

struct cache_span {
    uint8_t id[DIGEST_SIZE];
    uint64_t span; /* block / SPAN_BLOCKS */
    uint64_t size;
    uint64_t here, protected;
    int64_t used, used_protected;
};

/* Bytes on disk of the blocks in mask. */
uint64_t cache_span_bytes(const struct cache_span *, uint64_t mask);
uint64_t cache_block_bytes(uint64_t size, uint64_t block);

struct cache_index;

int cache_index_open(const char *path, struct cache_index **ret) ATTR_WARN_UNUSED;
struct cache_index *cache_index_close(struct cache_index *); /* NULL-safe; rolls back */
/* A write transaction; everything but get and each runs inside one. */
int cache_index_begin(struct cache_index *) ATTR_WARN_UNUSED;
int cache_index_commit(struct cache_index *) ATTR_WARN_UNUSED;
void cache_index_rollback(struct cache_index *);
/* -ENOENT */
int cache_index_get(struct cache_index *, const uint8_t id[DIGEST_SIZE], uint64_t span,
                    struct cache_span *ret) ATTR_WARN_UNUSED;
/* Writes the row (deletes it when `here` is empty). old: what stood there, NULL for nothing; keeps the sums.
 */
int cache_index_put(struct cache_index *, const struct cache_span *old,
                    const struct cache_span *new) ATTR_WARN_UNUSED;
/* The row whose probation (or protected) blocks were used longest ago. -ENOENT: none. */
int cache_index_oldest(struct cache_index *, bool of_protected, struct cache_span *ret) ATTR_WARN_UNUSED;
/* All rows from (id, 0) to (last, any), in order, into a malloc'd array. */
int cache_index_range(struct cache_index *, const uint8_t id[DIGEST_SIZE], const uint8_t last[DIGEST_SIZE],
                      struct cache_span **ret, size_t *ret_n) ATTR_WARN_UNUSED;
bool cache_index_any(struct cache_index *, const uint8_t id[DIGEST_SIZE]); /* any row of this content */

struct cache_sums {
    uint64_t bytes, protected_bytes;
    int64_t last_used; /* no row's time is later */
};
/* As of the running, else the last transaction. */
int cache_index_sums(struct cache_index *, struct cache_sums *ret) ATTR_WARN_UNUSED;
/* Whether the last user closed it in order; and says so for the next. */
int cache_index_clean(struct cache_index *, bool *ret) ATTR_WARN_UNUSED;
int cache_index_set_clean(struct cache_index *, bool clean) ATTR_WARN_UNUSED;

#endif
