/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which cached blocks were verified in this mount, against which digest, and when each was last noted as
 * used: open addressing, 24 bytes a slot, no pointers. 256 independent tables ("shards", by the id's last
 * byte), so that growing moves 1/256 of it, and one shard can be emptied when another process evicted
 * something of it.
 *
 * Keys are cut short: 8 bytes of the content id, the block's number, and 8 bytes of the digest it was checked
 * against. A record that pairs a content id with other digests (a co-writer can make one) therefore never
 * gets, nor spoils, what was verified for the honest record.
 *
 * Not thread-safe: block_cache's mutex guards it.
 */
#ifndef ASSETFS_CACHE_VERIFIED_H
#define ASSETFS_CACHE_VERIFIED_H

#include "base/base.h"

#define VERIFIED_SHARDS 256

struct verified {
    uint64_t id;     /* first 8 bytes of the content id */
    uint64_t digest; /* first 8 bytes of the digest; 0 marks a free slot */
    uint32_t block;
    uint32_t used : 31; /* seconds since the cache was opened */
    uint32_t is_protected : 1;
};

struct verified_shard {
    struct verified *slots; /* capacity is a power of two, or 0 */
    uint32_t cap, n;
};

struct verified_set {
    struct verified_shard shards[VERIFIED_SHARDS];
};

static inline unsigned verified_shard_of(const uint8_t id[DIGEST_SIZE]) {
    return id[DIGEST_SIZE - 1];
}
/* The entry, valid until the set next changes, or NULL. digest NULL: whatever it was verified against. */
struct verified *verified_find(struct verified_set *, const uint8_t id[DIGEST_SIZE], uint64_t block,
                               const uint8_t *digest);
/* Adds it, or replaces what was there for this block. */
void verified_add(struct verified_set *, const uint8_t id[DIGEST_SIZE], uint64_t block,
                  const uint8_t digest[DIGEST_SIZE], uint32_t used, bool is_protected);
void verified_remove(struct verified_set *, const uint8_t id[DIGEST_SIZE], uint64_t block);
void verified_remove_content(struct verified_set *,
                             const uint8_t id[DIGEST_SIZE]); /* all its blocks; looks through the shard */
void verified_clear_shard(struct verified_set *, unsigned shard);
void verified_clear(struct verified_set *); /* frees all */

#endif
