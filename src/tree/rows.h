/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The rows of the local database, and the layers they make. All under the tree lock, inside a transaction where they write.
 *
 *   C  confirmed: what the journal says. Kept here with each inode: nlink, and the sequence of the entry that last brought it.
 *   P  pending: rows where this host's view differs from C. A name row with ino 0 says: not there. A P row that equals its C row does not exist, but for
 *      inodes whose bytes are still in the spool.
 *   V  the view: P over C.
 *
 * nlink in V is C's plus p_link.d, which both setters keep: d(ino) is the sum over P rows of what V's row contributes less what C's row does (a file: its names; a directory: 2, and one for each
 * subdirectory).
 *
 * Results: 1 found, 0 not there, negative errno; -EINPROGRESS: that cannot be told yet, and it has been noted that somebody needs it (fault.h).
 */
#ifndef ASSETFS_ROWS_H
#define ASSETFS_ROWS_H

#include "tree/state.h"

struct row_name {
    uint64_t ino;  /* 0: none */
    uint32_t type; /* S_IFMT bits */
};

struct row_pending_name {
    struct row_name to;
    uint64_t op;      /* of the last call that changed it */
    uint64_t since;   /* of the oldest call not yet committed */
    uint64_t removed; /* of the last call that took a name from C's inode of this row: an unlink, an rmdir, a replacement; 0: none. Counts when `to` is none */
    int64_t time;     /* ns: of the last change */
    bool ready;       /* its inode is not blocked */
    int64_t held;     /* mono: a temporary name that is not committed before (hold.h); 0: nothing holds it */
};

/* `since` of rows that are never committed, names and inodes: they live on this host alone (local.h). */
#define ROW_LOCAL ((uint64_t)INT64_MAX)

/* Stored in tree.db: p_inode.stage. */
enum snap_stage {
    SNAP_SEALED,  /* the record has still the content before */
    SNAP_HASHED,  /* the record has its content id */
    SNAP_DURABLE, /* it is in the bucket */
};

struct row_pending {
    uint64_t op, since;
    uint64_t written; /* the oldest write not committed; 0: attributes only */
    uint64_t after;   /* the first write after the snapshot; 0: none */
    bool blocked;     /* its content is not durable: its component cannot be committed. With neither spool nor snap: its object needs another key (home.h) */
    uint64_t spool;   /* spool file being written, 0: none */
    uint64_t snap;    /* sealed spool file of the snapshot, 0: none */
    enum snap_stage stage; /* how far the snapshot is */
    int64_t due;      /* mono: when the spool file settles */
    uint64_t size;    /* of bytes without a content id yet (row_unhashed), as of their last close: the record's are those of its content */
    int64_t mtime;
};

/* The ctime of a file whose bytes were written at mtime. One in the future was set by somebody, with its ctime in the record. */
static inline int64_t row_written_ctime(int64_t ctime, int64_t mtime, int64_t now) {
    return mtime <= now ? MAX(ctime, mtime) : ctime;
}

/* The view's bytes have no content id yet. */
static inline bool row_unhashed(const struct row_pending *p) {
    return p->spool || (p->snap && p->stage == SNAP_SEALED);
}

static inline bool row_local(const struct row_pending *p) {
    return p->since == ROW_LOCAL;
}

int rows_c_name(struct tree *, uint64_t parent, const char *name, size_t n, struct row_name *ret);
int rows_c_inode(struct tree *, uint64_t ino, struct record *ret, uint32_t *nlink, uint64_t *seq); /* any may be NULL */
/* ino 0 deletes. Keeps nlink, p_link and the tree digest. */
int rows_c_set_name(struct tree *, uint64_t parent, const char *name, size_t n, uint64_t ino, uint32_t type) ATTR_WARN_UNUSED;
/* rec NULL deletes. */
int rows_c_set_inode(struct tree *, uint64_t ino, const struct record *rec, uint64_t seq) ATTR_WARN_UNUSED;
/* item NULL deletes. */
int rows_c_set_state(struct tree *, const char *key, const void *item, size_t n) ATTR_WARN_UNUSED;
int rows_c_state(struct tree *, const char *key, struct buf *ret);
int rows_c_add_session(struct tree *, uint64_t number, const char *label, const uint8_t nonce[NONCE_SIZE]) ATTR_WARN_UNUSED;
int rows_c_has_child(struct tree *, uint64_t dir) ATTR_WARN_UNUSED;
/* How many names it has in C: 0, 1, or more. */
int rows_c_count_names(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;
/* 0 if the rows of all its names are here. */
int rows_c_names_here(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;

int rows_p_name(struct tree *, uint64_t parent, const char *name, size_t n, struct row_pending_name *ret);
int rows_p_inode(struct tree *, uint64_t ino, struct record *ret, struct row_pending *p); /* either may be NULL */
/* Puts the row whatever C says. One that is local is always blocked, never due, and holds back no removal, whatever p says. */
int rows_p_put(struct tree *, uint64_t ino, const struct record *rec, const struct row_pending *p) ATTR_WARN_UNUSED;
int rows_p_drop(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;
/* Puts the row, or drops it if it equals C's and nothing is left to do for it. */
int rows_p_settle(struct tree *, uint64_t ino, const struct record *rec, const struct row_pending *p) ATTR_WARN_UNUSED;
/* The inode's content became durable, or stopped being: its row and its names' readiness. */
int rows_p_block(struct tree *, uint64_t ino, struct row_pending *p, bool blocked) ATTR_WARN_UNUSED;

int rows_v_name(struct tree *, uint64_t parent, const char *name, size_t n, struct row_name *ret);
int rows_v_inode(struct tree *, uint64_t ino, struct record *ret, uint32_t *nlink, struct row_pending *p);
/* NULL unless it has no name in V and programs may still have it: then the orphan's record is the true one, whatever C has until the removal is committed. */
struct orphan *rows_v_orphan(struct tree *, uint64_t ino);
/* Changes V's row: writes, changes or drops the P row. ino 0: none; removed: what stood there loses a name by the current operation (it does not move). */
int rows_v_set_name(struct tree *, uint64_t parent, const char *name, size_t n, uint64_t ino, uint32_t type, bool removed,
                    int64_t now) ATTR_WARN_UNUSED;
/* Drops the P row if it equals C's by now; else its `since` becomes at least op + 1. */
int rows_p_prune_name(struct tree *, uint64_t parent, const char *name, size_t n, uint64_t op) ATTR_WARN_UNUSED;
int rows_v_has_child(struct tree *, uint64_t dir) ATTR_WARN_UNUSED;
/* Calls each for every row of V that names ino, until it does not return 0; it may use any statement, but change no names. It costs as much as the names that are looked at: an inode may have a
 * million. -EINPROGRESS comes after those that are here. */
int rows_v_names_of(struct tree *, uint64_t ino, int (*each)(void *arg, uint64_t parent, const char *name, size_t n), void *arg);
/* The directory above; *ret 0: none. */
int rows_v_parent(struct tree *, uint64_t dir, uint64_t *ret) ATTR_WARN_UNUSED;
int rows_c_parent(struct tree *, uint64_t dir, uint64_t *ret) ATTR_WARN_UNUSED;

int rows_object_known(struct tree *, const uint8_t id[DIGEST_SIZE], const char *key);
int rows_object_add(struct tree *, const uint8_t id[DIGEST_SIZE], const char *key) ATTR_WARN_UNUSED;

#endif
