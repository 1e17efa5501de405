/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * struct sealed_db, for its files: sealed_db.c (opening, memory, the local file), sealed_db_fetch.c (what is under way, read-ahead, who waits), sealed_db_vfs.c (SQLite). `lock` guards
 * every field that does not say otherwise; each block's bytes are immutable, and valid under the lock.
 */
#ifndef ASSETFS_SEALED_DB_PARTS_H
#define ASSETFS_SEALED_DB_PARTS_H

#include "base/seal_blocks.h"
#include "data/fetch.h"
#include "data/sealed_db_layout.h"

/* Never pushed out: so many of the hot blocks. 32 MiB. */
#define HOT_KEPT 512
/* Of a lazy one, so many are fetched at once: the schema, and the roots of what was made first. */
#define HOT_FIRST 2
/* Blocks in one request: of the hot zone and of a connection that reads on, and of a scan. */
#define RUN_MAX 64
#define SCAN_RUN 16
#define SCAN_FLIGHTS 8
/* Opened blocks of scans that nobody has read yet. */
#define SCAN_KEPT (2 * SCAN_RUN * SCAN_FLIGHTS * (uint64_t)SEALED_DB_BLOCK)
/* An object that is not larger is fetched in one request. */
#define SMALL_OBJECT ((uint64_t)1 << 20)

enum queue { QUEUE_KEPT, QUEUE_USED, QUEUE_SCANNED };

struct block {
    uint32_t index;
    size_t len;
    unsigned pins;
    enum queue queue;
    struct block *prev, *next;
    uint8_t data[];
};

enum { AT_DISK = 1, IN_FLIGHT = 2 }; /* of a block, in state[] */

/* One request: n blocks, and the table: then they are all blocks, or none. */
struct flight {
    struct sealed_db *db;
    uint32_t first, n;
    bool table;
    bool hot;              /* the next part of the hot zone follows */
    struct sealed_file *scan; /* whose scan it is, or NULL */
    int64_t began;
    struct fetch fetch;
    struct env_timer deadline;
    bool late;             /* who waits has been told */
    bool second;           /* asked again past the caches, for what came was wrong */
    struct buf bytes;      /* the loop and a worker in turn, as the fields below */
    int err;
    bool kept;
    struct block *opened;
    struct sealed_db_layout layout; /* from the table */
    struct flight *prev, *next;
};

struct waiter {
    uint32_t block; /* n_blocks: the table */
    void (*ready)(void *arg, int err);
    void *arg;
    struct waiter *prev, *next;
};

/* A connection's file, allocated by SQLite; used by the connection's thread, but for what the lock guards. */
struct sealed_file {
    sqlite3_file base;
    struct sealed_db *db;
    int err;               /* of the last read that failed; the connection's thread */
    bool wants;            /* it was told to wait for `missing`, which has not landed since */
    uint32_t missing;
    struct block *pinned;  /* what it was told to wait for */
    uint32_t run_end;      /* the block after the last request's */
    uint32_t run;          /* blocks of the last request */
    bool scan;
    uint32_t scan_next;    /* the first block not asked for yet */
    unsigned scan_flights;
    struct sealed_file *prev, *next;
};

struct sealed_db {
    struct sealed_db_config cfg; /* strings owned; immutable */
    struct sealed_db_ref ref;    /* immutable */
    struct seal_blocks seal;     /* immutable */
    int fd;                      /* of the local file, -1: none; immutable */
    sqlite3_vfs vfs;             /* immutable */
    char vfs_name[48];
    uint8_t volume_id[SEAL_VOLUME_ID_SIZE];

    pthread_mutex_t lock;
    bool has_layout;             /* the table has come: layout is immutable from then on */
    struct sealed_db_layout layout;
    struct block **block;        /* by number; NULL: not in memory */
    uint8_t *state;              /* by number, the table is the last */
    struct block *queues[3];     /* newest first */
    uint64_t bytes[3];
    struct sealed_file *files;
    struct flight *flights;
    struct waiter *waiters;
    uint32_t hot_next, hot_end;  /* of the hot zone, blocks not asked for yet */
    bool warm;                   /* hot_end is that of all that is kept */
    uint32_t connect_missing;    /* what the last connection that could not be made waits for */
    bool closing;
    unsigned busy;               /* flights, and the closing itself */
    pthread_cond_t idle;
};

/* sealed_db.c */
/* Takes over the block, unless there is one already. Under the lock; what is there. */
struct block *sealed_db_insert(struct sealed_db *, struct block *, enum queue);
void sealed_db_touch(struct sealed_db *, struct block *, bool scan);
void sealed_db_pin(struct sealed_file *, struct block *); /* and lets go the one before; NULL: only that */
/* The opened form of block i's stored bytes, or NULL: they are not that block's. Without the lock. */
struct block *sealed_db_open_block(const struct sealed_db *, uint32_t i, const void *p, size_t n);
int sealed_db_open_table(const struct sealed_db *, const void *p, size_t n, struct sealed_db_layout *ret) ATTR_WARN_UNUSED;
/* From the local file, or NULL. Without the lock, but has_layout. */
struct block *sealed_db_load(struct sealed_db *, uint32_t i);
void sealed_db_keep(struct sealed_db *, const void *p, size_t n, uint64_t off); /* into the local file */

/* sealed_db_fetch.c */
/* With the lock, which it releases meanwhile: begins to fetch block i (n_blocks: the table) for the connection, and what comes after it. */
void sealed_db_want(struct sealed_db *, struct sealed_file *, uint32_t i);
void sealed_db_scan_on(struct sealed_db *, struct sealed_file *, uint32_t i); /* a scan reads block i: likewise */
void sealed_db_begin(struct sealed_db *);                                     /* what opening fetches; without the lock */
void sealed_db_hurry(void *db);                                              /* on the loop, when closing */

/* sealed_db_vfs.c */
int sealed_db_register(struct sealed_db *) ATTR_WARN_UNUSED;

#endif
