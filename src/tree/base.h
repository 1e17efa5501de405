/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The rows of a base: the whole confirmed tree at one sequence number, a SQLite database (assetfs-format(5), "Checkpoint"), on an open connection, wherever its file
 * lies. base_build.h makes one.
 *
 * Directories are known by number and by rank, their place in depth-first order, by which the rows of all files lie next to those of their neighbours. Everything here is by number.
 *
 * Threads: one at a time. Each function may return -EINPROGRESS where a page is not here yet (data/sealed_db.h): ask again. Rows that base_children() has given by then
 * are right: go on after the last one. The others call each() only when all is here.
 */
#ifndef ASSETFS_TREE_BASE_H
#define ASSETFS_TREE_BASE_H

#include "base/buf.h"
#include "tree/record.h"
#include <sqlite3.h>

struct base;

/* error: what an error of SQLite means (sealed_db_error, with arg); NULL for a plain file. Checks schema version and that it is of `seq`. -EBADMSG: not a base. The connection stays the caller's. */
int base_open(sqlite3 *, uint64_t seq, int (*error)(void *arg, sqlite3 *), void *arg, struct base **ret) ATTR_WARN_UNUSED;
struct base *base_close(struct base *);

/* Totals of the tree, for statfs. */
int base_totals(struct base *, uint64_t *ret_inodes, uint64_t *ret_bytes) ATTR_WARN_UNUSED;

/* One name of a directory with the inode it names. Valid during the call. */
struct base_row {
    const char *name;
    size_t n;
    uint64_t ino;
    uint32_t type;       /* S_IFMT bits */
    const void *rec;     /* the inode record's CBOR */
    size_t rec_len;
    uint32_t nlink;      /* names; of a directory 2 and its subdirectories */
    uint64_t seq;        /* of the entry that last brought the record */
};
/* The rows of a directory in byte order of the names, those after `after` (NULL: from the first), until each() returns false or there are no more.
 * *ret_more: each() has ended it. -ENOENT: no such directory in this base. */
int base_children(struct base *, uint64_t dir, const char *after, size_t after_n, bool (*each)(void *arg, const struct base_row *), void *arg,
                  bool *ret_more) ATTR_WARN_UNUSED;
/* The directory in `dir` whose name comes next after name (n 0: the first): 1, and name is that; 0: none. -ENOENT: no such directory. */
int base_next_dir(struct base *, uint64_t dir, char name[NAME_MAX_BYTES], size_t *n, uint64_t *ret) ATTR_WARN_UNUSED;
/* The directories in which the inode has names: each() once for each of these, in no order. 1 found, 0 no such number here. The root has none: 1. A number that is not here but lies
 * between others of a small directory may give that directory: only its rows tell. */
int base_parents(struct base *, uint64_t ino, void (*each)(void *arg, uint64_t dir), void *arg) ATTR_WARN_UNUSED;
/* The root's own record (it has no name). */
int base_root(struct base *, struct base_row *ret) ATTR_WARN_UNUSED;
/* Volume state and sessions, all of them. `last`: the largest number in the session that this base has. */
int base_states(struct base *, void (*each)(void *arg, const char *key, const void *item, size_t n), void *arg) ATTR_WARN_UNUSED;
int base_sessions(struct base *, void (*each)(void *arg, uint64_t number, const char *label, const void *nonce, uint64_t last), void *arg) ATTR_WARN_UNUSED;

#endif
