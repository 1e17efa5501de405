/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A SQLite database that lies in the bucket as one object, sealed in blocks (assetfs-format(5), "Checkpoint"), and is read page by page where it lies: only the blocks that a
 * query touches are fetched. sealed_db_write() makes such an object of a database file.
 *
 * Fetched blocks are kept as they came, sealed, in one sparse file DIR/checkpoint/<digest>; what is used is in memory, opened, in at most `memory` bytes. A block counts
 * only if it opens under its key: a hole in the file, or bytes that are not the object's, are fetched again.
 *
 * SQLite reads synchronously, and no thread here waits for the network. So a query that needs a block that is not there fails, with sealed_db_error() -EINPROGRESS; the block is on
 * its way; who asked resets the statement and asks again after sealed_db_wait(). The block that a query was told to wait for stays in memory until it has been asked again.
 *
 * Requests: an object of up to 1 MiB is fetched whole by sealed_db_open(), in one; of a larger one the table of lengths, then the hot zone, 4 MiB a request. After that one request a
 * missing block, twice as many blocks each time where a connection reads on (up to 4 MiB), or 1 MiB ahead eight times in scan mode. A lazy one fetches the hot zone only when somebody says that it will be needed.
 *
 * Threads: a connection is used by one thread at a time; any number of connections. One mutex inside, never held across a callback, SQLite, or disk reads.
 */
#ifndef ASSETFS_SEALED_DB_H
#define ASSETFS_SEALED_DB_H

#include "base/counters.h"
#include "base/env.h"
#include "base/seal.h"
#include "store/store.h"
#include <sqlite3.h>

#define SEALED_DB_BLOCK 65536
#define SEALED_DB_PAGE 16384

/* What the entry that announces the object says of it: opening it needs no request for that. */
struct sealed_db_ref {
    uint8_t digest[DIGEST_SIZE]; /* of the object */
    uint64_t object_size;
    uint64_t table_offset;       /* where the table of lengths begins */
    uint64_t file_size;          /* of the SQLite file, a multiple of SEALED_DB_PAGE */
    uint32_t block_size, n_blocks;
    unsigned compression;        /* 0 none, 1 zstd */
    uint32_t hot_blocks;         /* the first ones: interior pages, directories */
    bool sealed;                 /* false: of a plain volume */
    uint8_t key_id[SEAL_KEY_ID_SIZE];
    uint8_t salt[SEAL_SALT_SIZE];
};
enum { SEALED_DB_RAW = 0, SEALED_DB_ZSTD = 1 };

/* 0; -EBADMSG: no object is like that; -EPROTONOSUPPORT: block size or compression of a later version. */
int sealed_db_ref_check(const struct sealed_db_ref *) ATTR_WARN_UNUSED;

struct sealed_db;

struct sealed_db_config {
    struct env *env;
    struct counters *counters;
    struct store *store;
    const struct keyring *keys;
    const uint8_t *volume_id;    /* 16 bytes, copied */
    const char *key;             /* of the object, copied */
    const char *dir;             /* state directory, copied; DIR/checkpoint is made */
    uint64_t min_free;           /* with less than so many bytes free there, fetched blocks are kept in memory alone */
    uint64_t memory;             /* bytes of opened blocks; the hot zone's first 32 MiB are kept besides, and 16 MiB of what a scan has fetched ahead */
    int64_t timeout_ns;          /* a block that has not come by then fails those who wait for it: -ETIMEDOUT */
    bool lazy;                   /* the hot zone, but for its first blocks, is not fetched before sealed_db_warm() */
};

/* Makes the object of the SQLite file `from` (pages of SEALED_DB_PAGE, not in WAL mode; else -EINVAL), writing it to fd. hot: names of the tables and indices of which every page
 * belongs to the hot zone, not only the interior ones; NULL at the end, or no list at all. compression: SEALED_DB_RAW or _ZSTD. A plain volume (empty keyring) gets format 4. Memory: a
 * few blocks, and a bit a page. Blocks; from a worker. -EBADMSG: no database. -ECANCELED: *stop (may be NULL) became true. */
int sealed_db_write(const char *from, int fd, const char *const *hot, unsigned compression, const struct keyring *, const uint8_t *volume_id,
                    const uint8_t salt[SEAL_SALT_SIZE], const _Atomic bool *stop, struct sealed_db_ref *ret) ATTR_WARN_UNUSED;

/* No network: begins to fetch the table of lengths and the hot zone (of a large one the first 32 MiB). -ENOKEY; errors of sealed_db_ref_check(). */
int sealed_db_open(const struct sealed_db_config *, const struct sealed_db_ref *, struct sealed_db **ret) ATTR_WARN_UNUSED;
/* Waiters are answered -EINTR. Connections must have been closed. The loop must run; not on the loop. NULL-safe. */
struct sealed_db *sealed_db_close(struct sealed_db *);

/* More than a few rows will be read: the rest of the hot zone is fetched. Cheap when it has been said already. */
void sealed_db_warm(struct sealed_db *);

/* A connection of its own, which has read its schema; closed by sqlite3_close(). -EINPROGRESS: wait (with NULL for the connection) and try again. */
int sealed_db_connect(struct sealed_db *, sqlite3 **ret) ATTR_WARN_UNUSED;
/* What the last error of SQLite on this connection means: -EINPROGRESS (wait, ask again); -EBADMSG: what came is no such database; else as it is (-ENOMEM, -EINTR, -EIO). 0: no error. */
int sealed_db_error(struct sealed_db *, sqlite3 *);
/* ready(arg, 0) on the loop as soon as a block has landed since the caller's query failed (perhaps one of another query: ask again, wait again); or why none will: -EBADMSG: the object
 * is not what it should be; -ENOENT: it is not in the bucket; -EACCES, -EIO, -ETIMEDOUT: trouble; -EINTR: it is being closed. Who asks again after an error starts another try. */
void sealed_db_wait(struct sealed_db *, sqlite3 *, void (*ready)(void *arg, int err), void *arg);
/* A scan comes: the following blocks are fetched ahead, 8 requests of 1 MiB in flight, and do not push others out of memory. */
void sealed_db_scan(struct sealed_db *, sqlite3 *, bool on);
/* Bytes of opened blocks in memory just now. */
uint64_t sealed_db_memory(struct sealed_db *);

#endif
