/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block cache's files DIR/blocks/ab/<content id>, and a bounded LRU of open descriptors on them. A file
 * in use is pinned; a pinned one is never closed, so the number of descriptors can pass `max` by the number
 * of threads at work.
 *
 * Threads: functions that take a struct cache_file, and find, add, forget, are guarded by block_cache's
 * mutex; open, unlink and punch touch only the disk and need no lock.
 */
#ifndef ASSETFS_CACHE_FILES_H
#define ASSETFS_CACHE_FILES_H

#include "base/base.h"
#include <uthash.h>

struct cache_file {
    uint8_t id[DIGEST_SIZE];
    int fd;
    unsigned pins;
    bool forgotten; /* out of the table: closed at the last unpin */
    UT_hash_handle hh;
    struct cache_file *prev, *next; /* LRU, newest first; unpinned and pinned ones alike */
};

struct cache_files {
    int dir; /* DIR/blocks */
    struct cache_file *table, *lru;
    unsigned n, max;
};

int cache_files_init(struct cache_files *, const char *blocks_dir, unsigned max) ATTR_WARN_UNUSED;
void cache_files_close(struct cache_files *); /* nothing pinned; safe on a zeroed one whose dir is -1 */

/* Pinned, or NULL when it is not open. */
struct cache_file *cache_files_find(struct cache_files *, const uint8_t id[DIGEST_SIZE]);
/* Takes over fd; pinned. When another thread has opened it meanwhile, that one is returned and fd closed. */
struct cache_file *cache_files_add(struct cache_files *, const uint8_t id[DIGEST_SIZE], int fd);
void cache_files_unpin(struct cache_files *, struct cache_file *);
/* The file on disk is gone or another one now: the next user opens it anew. */
void cache_files_forget(struct cache_files *, const uint8_t id[DIGEST_SIZE]);
/* The same for all whose id ends in this byte. */
void cache_files_forget_shard(struct cache_files *, unsigned shard);

/* "ab/<hex>", relative to dir. */
#define CACHE_NAME_SIZE (3 + 2 * DIGEST_SIZE + 1)
void cache_files_name(const uint8_t id[DIGEST_SIZE], char ret[CACHE_NAME_SIZE]);
/* Opens for reading and writing: the descriptor or negative errno. create: makes it (0600), and its
 * directory. */
int cache_files_open(const struct cache_files *, const uint8_t id[DIGEST_SIZE], bool create) ATTR_WARN_UNUSED;
int cache_files_unlink(const struct cache_files *, const uint8_t id[DIGEST_SIZE]);
/* Frees a range of the file's blocks. -EOPNOTSUPP where the file system cannot; -ENOENT. */
int cache_files_punch(const struct cache_files *, const uint8_t id[DIGEST_SIZE], uint64_t off, uint64_t len);
/* rename(2) into place. replace false: -EEXIST when there is one. */
int cache_files_take(const struct cache_files *, const uint8_t id[DIGEST_SIZE], const char *path,
                     bool replace);

#endif
