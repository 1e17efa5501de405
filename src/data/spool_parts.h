/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the spool's own files share; nobody else includes it.
 *
 *     spool.c         the directory: making, opening, removing
 *     spool_sweep.c   what a crash left behind, and what is set aside
 *     spool_room.c    room on the disk, and who waits for it
 *     spool_file.c    changing one file: write, truncate, fallocate
 *     spool_read.c    reading it: read, seek
 *     spool_fill.c    copying up: from the base into the file
 *     spool_digest.c  hashing behind the writer
 *
 * How the bytes of a file with a map are found: below the map's limit, in blocks that are not here, they are
 * the base's; everything else is the file's. So a truncation or a write beyond the limit needs nothing copied
 * up.
 *
 * Claims order what touches blocks that are not here. A claim is a range of blocks one piece of work is about
 * to make "here": a fill (copies from the base), a write that covers its blocks whole, or a truncation.
 * Claims of one file never overlap in blocks that are not here; what runs into one waits in its list and is
 * begun anew, on the loop, when the claim ends. Bits are set while the claim is held, after the bytes are in
 * the file. Blocks that are here need no claims: their writes go straight to the file.
 *
 * Lock order: spool_file.lock, then spool_file.digest.lock or spool.lock. No lock is held while waiting for
 * disk or network or in a callback.
 */
#ifndef ASSETFS_SPOOL_PARTS_H
#define ASSETFS_SPOOL_PARTS_H

#include "data/spool.h"
#include "data/spool_map.h"
#include <stdatomic.h>
#include <sys/stat.h>
#include <uthash.h>

/* Somebody who waits for room. Owned by the waiter, who is told once, on the loop. */
struct room_wait {
    struct room_wait *next;
    uint64_t need;
    int64_t deadline; /* mono */
    void (*fn)(struct room_wait *, int err);
};

struct spool {
    struct spool_config cfg; /* dir is owned */
    char *files_dir;         /* DIR/spool */
    int dir_fd;              /* of files_dir: statvfs, fsync */
    _Atomic unsigned refs;   /* the caller's, one a file, one a posted wake */

    _Atomic uint64_t bytes, files;
    _Atomic unsigned leaving; /* files without a name here whose descriptor is still open: it holds their bytes */
    _Atomic int64_t credit;   /* bytes that may be written before the disk is asked again */
    _Atomic unsigned waiting; /* length of the queue below */

    pthread_mutex_t lock;
    struct room_wait *head, **tail; /* guarded by lock; first come, first served */
    struct env_timer timer;         /* set under lock while the queue is not empty */
    bool wake_posted;               /* guarded by lock */
    struct kept_digest *kept;       /* guarded by lock; a hash table, oldest first */
    struct spool_file *open;        /* guarded by lock; a hash table, by id */
};

struct file_op;

struct claim {
    struct claim *prev, *next;
    uint64_t first, end; /* blocks */
    bool fill;
    struct file_op *waiters; /* in the order they came */
};

/* How far the file is hashed. stream: NULL until hashing behind the writer begins. */
struct file_digest {
    pthread_mutex_t lock;
    /* guarded by lock */
    uint64_t end;     /* [0, end) was written in order */
    uint64_t claimed; /* [0, claimed) is hashed or being hashed; <= end unless hashing the whole */
    struct digest_stream *stream;
    bool running; /* a job has the stream */
    bool stale;   /* something below `claimed` changed: the stream is worth nothing, and is not begun again */
    bool final;   /* the results below hold */
    uint8_t id[DIGEST_SIZE];
    uint8_t *digests, *parts; /* of blocks; of parts, or NULL */
    size_t n_digests, n_parts;
    struct digest_wait *waiters;
};

/* How far a file was hashed that has just been closed: it is about to be opened again, to be hashed to its
 * end and uploaded. */
struct kept_digest {
    uint64_t id;    /* of the file */
    struct stat st; /* when it was closed */
    uint64_t end, claimed;
    struct digest_stream *stream;
    UT_hash_handle hh;
};

enum map_state {
    MAP_NONE,     /* every byte is the file's */
    MAP_PARTIAL,  /* some blocks are the base's */
    MAP_COMPLETE, /* every block is here; the map still keeps the mtime and is about to go */
};

struct spool_file {
    struct spool *spool;
    uint64_t id;
    char *path, *map_path;
    int fd;
    _Atomic unsigned refs;
    _Atomic bool sealed;
    _Atomic bool removed; /* its name is gone: unlinked, given away, or set aside */
    _Atomic bool leaving; /* counted in spool.leaving */
    _Atomic bool given; /* behind the descriptor is now somebody else's file (the cache punches holes): not to
                           be read */
    _Atomic uint64_t high;      /* end of the furthest write: growth beyond it takes room */
    _Atomic bool sparse;        /* has holes below `high`: every write may take room */
    _Atomic uint64_t allocated; /* what spool.bytes holds for this file */
    _Atomic int map_state;      /* enum map_state; changes under lock */
    _Atomic int64_t mtime;      /* ns, of the last change since it was opened here; 0: the file's or the map's */

    pthread_mutex_t lock;
    struct spool_map *map;     /* mapped until the file is closed; bits and limit guarded by lock */
    struct content *base;      /* guarded by lock; NULL once complete */
    struct spool_file *prev;   /* guarded by lock; NULL once complete */
    struct claim *claims;      /* guarded by lock */
    struct fill_wait *fillers; /* guarded by lock: who waits for the whole file to be here */
    unsigned fills_running;    /* guarded by lock: those that the pump began */
    bool pump_queued;          /* guarded by lock */
    bool dir_synced;           /* guarded by lock */
    bool listed;               /* in spool.open; guarded by spool.lock */
    UT_hash_handle hh;

    struct file_digest digest;
};

/* A write, a zeroing or a truncation that may have to wait. On the heap; freed when done has been called. */
enum op_kind { OP_WRITE, OP_ZERO, OP_TRUNCATE, OP_RESERVE };
struct file_op {
    struct file_op *next; /* in a claim's waiters */
    struct spool_file *file;
    enum op_kind kind;
    uint64_t off, len; /* OP_TRUNCATE: off is the new size */
    const void *data;  /* the caller's until `copy` is set */
    void *copy;
    int mode;        /* OP_ZERO, OP_RESERVE: for fallocate */
    bool wants_fill; /* waits for a fill that it cannot do without */
    bool claimed, has_room;
    bool disk_full; /* a write has said so */
    int err;        /* of the fill it waited for */
    struct claim claim;
    struct room_wait room;
    spool_done done;
    void *arg;
};

/* spool.c */
struct spool *spool_ref_dir(struct spool *);
void spool_unref_dir(struct spool *);
/* Takes `allocated` from the disk's own account. */
void spool_file_recount(struct spool_file *);

/* DIR/spool/<id><suffix>, malloc'd. */
char *spool_file_name(struct spool *, uint64_t id, const char *suffix);
/* The file is not counted any more; its bytes are not. */
void spool_leave_books(struct spool_file *, bool file, bool bytes);

/* spool_room.c */
/* True if `need` bytes may be written now, without asking anybody: the fast path. */
static inline bool room_take(struct spool *s, uint64_t need) {
    if (need == 0)
        return true;
    if (atomic_load_explicit(&s->waiting, memory_order_relaxed) > 0)
        return false;
    if (atomic_fetch_sub_explicit(&s->credit, (int64_t)need, memory_order_relaxed) >= (int64_t)need)
        return true;
    atomic_fetch_add_explicit(&s->credit, (int64_t)need, memory_order_relaxed);
    return false;
}
/* 0: there is room. -EINPROGRESS: w->fn will be called on the loop with 0 or -ENOSPC. -ENOSPC: nothing can
 * drain. `full`: the disk has just said so itself, whatever statvfs says. */
int room_get(struct spool *, struct room_wait *w, bool full) ATTR_WARN_UNUSED;
void room_add(struct spool_file *, uint64_t bytes); /* was written */

/* spool_file.c */
/* Begins an operation, or begins it anew after a wait; calls done and frees it in the end. */
void file_op_run(struct file_op *);

/* spool_fill.c */
struct claim *claim_find(struct spool_file *, uint64_t first, uint64_t end); /* lock held */
void claim_add(struct spool_file *, struct claim *);                         /* lock held */
/* Marks `here` blocks (may be none), ends the claim, and lets what waited go on. err: of a fill. */
void claim_end(struct spool_file *, struct claim *, bool here, int err);
/* Copies up one block, which the caller has just claimed with `fill` set (the claim is malloc'd, and freed
 * here). 0: it is here; -EINPROGRESS: later; else it failed. */
int fill_block(struct spool_file *, struct claim *) ATTR_WARN_UNUSED;
/* A map whose last block has just come: to be called without locks after bits were set or the limit was
 * lowered. */
void file_check_complete(struct spool_file *);
/* The mtime is now "now". To be called before the file's bytes change. */
void file_touch(struct spool_file *);

/* spool_digest.c */
void file_digest_init(struct file_digest *);
void file_digest_destroy(struct file_digest *);
/* At the last reference: what is hashed is kept for when the file is opened again. */
void file_digest_keep(struct spool_file *);
/* A file that has just been opened again, and is as it was when it was closed, goes on from there. */
void file_digest_recall(struct spool_file *, const struct stat *);
void kept_digests_free(struct spool *);
/* [off, off+len) has just been written (before it is acknowledged). */
void file_digest_wrote(struct spool_file *, uint64_t off, uint64_t len);
/* Bytes at or beyond off have just changed, by something that is no write in order. */
void file_digest_changed(struct spool_file *, uint64_t off);
/* The file has just been cut to size. */
void file_digest_cut(struct spool_file *, uint64_t size);
/* True if the file was hashed in this mount and is this content. */
bool file_digest_is(struct spool_file *, const uint8_t id[DIGEST_SIZE]);

#endif
