/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What this host wrote and the bucket does not have yet: local files DIR/spool/<id>, each the newest bytes of one file, and an optional
 * DIR/spool/<id>.map beside it while part of it still has to be copied up.
 *
 * A spool file starts empty, or on a *base*: content in the bucket (or another, finished spool file's bytes, once that has a content id). Blocks (BLOCK_SIZE) are copied up from the
 * base lazily: the first write that touches part of a block fetches that block, a read of an absent block goes to the base, spool_fill() fetches the rest. The map has one bit a
 * block ("here"), set only after the block's bytes are in the file; it is a file mapped into memory, so it survives a killed process; after power loss it holds for what
 * spool_sync() had synced. When all bits are set the map is deleted. A truncation makes everything beyond it "here" (zeros).
 *
 * States of a spool file
 *   WRITABLE  bytes change; digests are computed behind the writer while it writes in order
 *   SEALED    spool_seal(): bytes never change again; its digest can be asked for, it can be uploaded; a new version of the file is a new spool file
 *             with this one as its base (spool_new_version)
 *
 * The file's own size and mtime are the truth about the inode while it is dirty: they are right after kill -9 without any
 * other record (spool_stat, and spool_set_mtime for utimens). But that the kernel stamps a file up to a tick too early: until then
 * spool_stat() knows better, and who closes the file writes that down with spool_set_mtime().
 *
 * Room: every write first reserves its bytes. When the disk would fall below min_free the block cache is shrunk; when that does not
 * help the write is parked until spool bytes are freed (an upload finished), and fails -ENOSPC only when `can_drain()` says nothing can free any
 * and none are just leaving the disk, or when `timeout_ns` has passed without room. Bytes that were acknowledged are never cut. spool bytes are never evicted.
 *
 * Threads: functions may be called from any thread. Calls that change one spool file are made one at a time by the caller except where a completion is
 * pending: spool_write/spool_read of different ranges may overlap in time and are ordered per block inside. Completions run in the caller's
 * thread before return where nothing has to be fetched or waited for, else on the loop (base/env.h). No lock is held during a completion.
 */
#ifndef ASSETFS_SPOOL_H
#define ASSETFS_SPOOL_H

#include "data/reader.h"

struct spool;
struct spool_file;

struct spool_config {
    struct env *env;
    const char *dir;   /* state directory; DIR/spool is made 0700 */
    struct reader *reader;
    struct block_cache *cache; /* shrunk when room is needed; may be NULL */
    uint64_t min_free;
    uint64_t max_file_size;    /* -EFBIG above */
    int64_t timeout_ns;        /* how long a parked write waits for room */
    /* Files of parts_from bytes and more are hashed in parts of part_size as well, for the store that gets
     * them (store.h); 0: never. */
    uint64_t parts_from, part_size;
    /* True while anything is queued or under way that will free spool bytes: until spool_to_cache() or spool_remove() has been called for them. Called without locks,
     * with the write that asks still under way. */
    bool (*can_drain)(void *arg);
    void *arg;
};

typedef void (*spool_done)(void *arg, int err);
typedef void (*spool_digest_done)(void *arg, int err, const uint8_t id[DIGEST_SIZE], const uint8_t *digests, size_t n_digests);

int spool_open(const struct spool_config *, struct spool **ret) ATTR_WARN_UNUSED;
struct spool *spool_close(struct spool *); /* every spool_file released before */
uint64_t spool_bytes(struct spool *);      /* allocated on disk */
uint64_t spool_files(struct spool *);

/* Makes spool file `id` (the caller's number, never used twice; tree/ keeps the counter). base may be NULL (empty); size: of the base. */
int spool_create(struct spool *, uint64_t id, struct content *base, struct spool_file **ret) ATTR_WARN_UNUSED;
/* Opens one again after a restart; base as it was. sealed: it had been sealed. -ENOENT. Where a map is needed (the file's owner x bit says so) but
 * is missing or short, nothing is here that it does not prove. */
int spool_reopen(struct spool *, uint64_t id, struct content *base, bool sealed, struct spool_file **ret) ATTR_WARN_UNUSED;
/* A writable successor of a SEALED file that has its content id: shares nothing on disk, reads what it lacks from `prev`'s file while that is there, else from
 * `base` (prev's content) through the reader. prev is kept referenced inside until every block is here. */
int spool_new_version(struct spool *, uint64_t id, struct spool_file *prev, struct content *base, struct spool_file **ret) ATTR_WARN_UNUSED;
/* After a restart: gives a reopened, not yet filled file its predecessor again, whose content may not be in the bucket yet. No effect on a filled one. */
void spool_set_prev(struct spool_file *, struct spool_file *prev);
struct spool_file *spool_ref(struct spool_file *); /* returns it; NULL-safe */
void spool_unref(struct spool_file *); /* NULL-safe; closes it at the last reference; the file on disk stays (or goes, after spool_remove) */
uint64_t spool_id(const struct spool_file *);
/* "DIR/spool/<id>", valid as long as the reference. */
const char *spool_path(const struct spool_file *);
int spool_fd(const struct spool_file *);

void spool_write(struct spool_file *, const void *p, size_t len, uint64_t off, spool_done done, void *arg); /* p is copied if it must wait */
/* Completes like reader_read: data valid during the call. */
void spool_read(struct spool_file *, uint64_t off, size_t len, struct read_stream *, reader_done done, void *arg);
void spool_truncate(struct spool_file *, uint64_t size, spool_done done, void *arg); /* shrinks and extends */
/* mode as fallocate(2): 0 or KEEP_SIZE (reserves), PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE (with or without KEEP_SIZE); others -EOPNOTSUPP. */
void spool_fallocate(struct spool_file *, int mode, uint64_t off, uint64_t len, spool_done done, void *arg);
/* SEEK_DATA / SEEK_HOLE; blocks not copied up count as data. -ENXIO. Never waits. */
int64_t spool_seek(struct spool_file *, uint64_t off, int whence);
void spool_stat(struct spool_file *, uint64_t *ret_size, int64_t *ret_mtime_ns, uint64_t *ret_allocated);
int spool_set_mtime(struct spool_file *, int64_t mtime_ns);
/* Every block here: fetches what the base still holds. */
void spool_fill(struct spool_file *, spool_done done, void *arg);
/* fsync of file and map, on a worker. */
void spool_sync(struct spool_file *, spool_done done, void *arg);

/* No more writes. Idempotent. The caller has seen to it that none is under way. */
void spool_seal(struct spool_file *);
/* A snapshot that nothing has been or will be made of: it is written on. The caller has seen to it that nobody fills, hashes or uploads it. */
void spool_unseal(struct spool_file *);
/* The digest of the whole file and of its blocks; of a SEALED, filled file. Hashes on a worker what was not hashed while it was written. */
void spool_digest(struct spool_file *, spool_digest_done done, void *arg);
/* The content id of the bytes that spool file `id` has just now, whether sealed or not: reads all of it, on the caller's thread, which may block. -ENOENT; -EBUSY: part of it is the
 * base's. Who writes to it meanwhile gets anything. */
int spool_hash(struct spool *, uint64_t id, uint64_t *ret_size, uint8_t ret[DIGEST_SIZE]) ATTR_WARN_UNUSED;
/* Once that has answered with 0: how many digests of parts there are; *ret: the digests, valid as long as the
 * reference. 0: none. */
size_t spool_part_digests(struct spool_file *, const uint8_t **ret, uint64_t *ret_part_size);

/* The bytes are in the bucket: the file becomes the block cache's (verified unless it was reopened), its room is given back and parked writes go on. */
void spool_to_cache(struct spool_file *, const struct content *);
/* Not wanted any more: unlinked at once, room given back at the last unref. */
void spool_remove(struct spool_file *);
/* After a restart: unlinks every file in DIR/spool for which keep(arg, id) is false; moves files that are kept but unreadable to DIR/lost/ and reports
 * them through lost(arg, id, path). */
int spool_sweep(struct spool *, bool (*keep)(void *arg, uint64_t id), void (*lost)(void *arg, uint64_t id, const char *path), void *arg);
/* Sets the file aside as DIR/lost/<id>-<name hint>, for the user to look at: its bytes are not what was recorded. */
int spool_set_aside(struct spool_file *, const char *hint, char **ret_path);
/* Wakes parked writes: something changed that may have made room. */
void spool_wake(struct spool *);

#endif
