/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A spool with all that it needs, for unit tests: a manual clock, a bucket in memory behind a store that can
 * go wrong, a reader, a block cache and a directory of its own.
 */
#ifndef ASSETFS_TESTS_SPOOL_BOX_H
#define ASSETFS_TESTS_SPOOL_BOX_H

#include "data/spool.h"
#include "fake_env.h"
#include "store_fault.h"
#include "store_mem.h"

struct spool_box {
    char *dir;
    struct fake_env *fake;
    struct env *env;
    struct mem_bucket *bucket;
    struct store *store; /* store_fault over store_mem */
    struct keyring *keys;
    struct block_cache *cache;
    struct reader *reader;
    struct spool_config cfg;
    struct spool *spool;
    bool drains; /* what can_drain says */
};

/* What a completion said. */
struct spool_result {
    unsigned done;
    int err;
    unsigned char *data; /* of a read; malloc'd */
    size_t len;
    uint8_t id[DIGEST_SIZE];
    size_t n_digests;
};

struct spool_box *spool_box_new(void);
struct spool_box *spool_box_free(struct spool_box *); /* every file released before */
/* For cmocka: *state becomes the box. */
int spool_box_setup(void **state);
int spool_box_teardown(void **state);
/* Another spool on the same directory, as after a kill -9. The caller closes it. */
struct spool *spool_box_again(struct spool_box *);
/* "DIR/spool/<id><suffix>", malloc'd. */
char *spool_box_path(struct spool_box *, uint64_t id, const char *suffix);

/* The byte at off of the pattern `seed`; never zero. */
unsigned char pattern_byte(unsigned seed, uint64_t off);
void pattern_fill(unsigned seed, uint64_t off, void *p, size_t n);
/* Puts `size` bytes of the pattern into the bucket. */
struct content *spool_box_content(struct spool_box *, unsigned seed, uint64_t size);

/* Each begins the call with a completion that fills r, which it resets; none runs the loop. */
void begin_write(struct spool_result *, struct spool_file *, const void *p, size_t n, uint64_t off);
void begin_read(struct spool_result *, struct spool_file *, uint64_t off, size_t n);
void begin_truncate(struct spool_result *, struct spool_file *, uint64_t size);
void begin_fallocate(struct spool_result *, struct spool_file *, int mode, uint64_t off, uint64_t len);
void begin_fill(struct spool_result *, struct spool_file *);
void begin_sync(struct spool_result *, struct spool_file *);
void begin_digest(struct spool_result *, struct spool_file *);
void spool_result_free(struct spool_result *);

/* Each runs what can run, and fails the test unless it then has succeeded. */
void do_write(struct spool_box *, struct spool_file *, unsigned seed, uint64_t off,
              size_t n); /* pattern bytes */
void do_truncate(struct spool_box *, struct spool_file *, uint64_t size);
void do_fill(struct spool_box *, struct spool_file *);
/* The bytes of the file at [off, off+n) are those of the pattern; seed 0: zeros. */
void assert_bytes(struct spool_box *, struct spool_file *, unsigned seed, uint64_t off, size_t n);
uint64_t file_size(struct spool_file *);

#define CLEANUP_RESULT __attribute__((cleanup(spool_result_free)))

#endif
