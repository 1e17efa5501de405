/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * (content, offset, length) -> bytes: from the block cache, else fetched from the bucket, checked against the block's digest, cached, and
 * given. Nothing unverified is ever given. Single flight: however many readers miss a block at once, it is fetched once.
 * Sequential readers get read-ahead that doubles up to `max_ahead`; neighbouring missing blocks are fetched in one ranged request
 * (store->get_size). Who jumps about in a content of no more than READER_WHOLE_MAX has all of it fetched ahead, once he has jumped as often as it
 * has 16 blocks (but for max_ahead 0). A bad digest is fetched once more past the caches (STORE_FRESH), then reported as -EIO.
 *
 * Nobody waits on the network: a read completes by callback. It runs in the caller's thread, before reader_read() returns, when all of it is
 * cached (or could be read at once), else later on the loop.
 *
 * Threads: any thread may call; one mutex inside, never held across a callback.
 */
#ifndef ASSETFS_READER_H
#define ASSETFS_READER_H

#include "base/seal.h"
#include "data/block_cache.h"
#include "store/store.h"

struct reader;

#define READER_WHOLE_MAX ((uint64_t)64 << 20)

struct reader_config {
    struct env *env;
    struct counters *counters;
    struct store *store;
    struct block_cache *cache;
    const struct keyring *keys;
    const char *prefix;    /* ".assetfs": where digests/ is */
    const char *dir;       /* state directory: DIR/digests/ keeps digest objects (sealed, as fetched), so that offline reads can verify */
    uint64_t max_ahead;    /* bytes; 0: no read-ahead */
    int64_t timeout_ns;    /* a read that got no answer by then is -EIO (-ETIMEDOUT inside), never a hang */
};

/* data is valid during the call only; len is less than asked only at the content's end. err: 0 or negative errno (-EIO: trouble or
 * a digest that does not fit; -ETIMEDOUT; -EACCES; -ENOENT: the object is not in the bucket). */
typedef void (*reader_done)(void *arg, int err, const void *data, size_t len);

/* One a handle: remembers where the last read ended. Zero-initialised; guarded by the reader's mutex. */
struct read_stream {
    uint64_t start;  /* where the sequential run began */
    uint64_t next;   /* offset after the last read */
    uint64_t window; /* bytes to read ahead, 0 while not sequential */
    uint64_t ahead;  /* offset up to which read-ahead was asked for */
    unsigned jumps;  /* reads that did not go on where one had ended */
};

int reader_new(const struct reader_config *, struct reader **ret) ATTR_WARN_UNUSED;
/* Reads not yet answered are answered -EINTR, on the loop, and what is under way is waited for (with nothing under way it
 * returns at once and needs no loop). Not on the loop. */
struct reader *reader_free(struct reader *);

/* stream may be NULL (no read-ahead). Keeps its own reference to c. off >= size completes with 0 bytes. */
void reader_read(struct reader *, struct content *c, uint64_t off, size_t len, struct read_stream *stream, reader_done done,
                 void *arg);

/* Fetches the first `bytes` of it ahead of whoever may read it soon; what is cached or under way already is left alone. Of a content whose digests are
 * not at hand, nothing. Keeps its own reference to c. */
void reader_ahead(struct reader *, struct content *c, uint64_t bytes);

/* Keeps a digests object that this host itself made (sealed bytes), so that it need not be fetched. */
int reader_keep_digests(struct reader *, const uint8_t id[DIGEST_SIZE], const void *sealed, size_t n);

/* Codec of a digests object's plaintext (assetfs-format(5), "Digests"): appended to ret / checked against c (size, count, digests_digest);
 * digests_parse gives BLOCK_COUNT(size) × 32 malloc'd bytes. -EBADMSG. */
int digests_build(const uint8_t id[DIGEST_SIZE], uint64_t size, const uint8_t *digests, size_t n, struct buf *ret);
int digests_parse(const struct content *c, const void *p, size_t n, uint8_t **ret) ATTR_WARN_UNUSED;
/* "<prefix>/digests/<content id>", malloc'd. */
char *digests_key(const char *prefix, const uint8_t id[DIGEST_SIZE]);

#endif
