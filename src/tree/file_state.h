/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * struct file, for file.c and settle.c: an inode whose bytes somebody uses just now. All fields are guarded by the tree lock; the objects they refer to have locks of
 * their own, and are used without the tree lock through a reference taken under it.
 *
 * Where its bytes are, the first that is there:
 *     spool    being written (WRITABLE)
 *     snap     the snapshot that is being hashed, uploaded or committed (SEALED)
 *     content  in the bucket; NULL: empty
 */
#ifndef ASSETFS_FILE_STATE_H
#define ASSETFS_FILE_STATE_H

#include "tree/file.h"
#include "tree/rows.h"

/* A change that cannot begin before the snapshot has its content id. */
struct parked {
    void (*run)(void *arg);
    void *arg;
    struct parked *next;
};

struct file {
    struct tree *tree;
    uint64_t ino;
    unsigned refs;     /* handles, calls and jobs */
    unsigned handles, writers;
    unsigned changing; /* writes and truncations under way on `spool` */
    struct spool_file *spool, *snap;
    struct content *content;
    uint64_t size;     /* of content */
    bool unnamed;      /* without a name: nothing of it goes to the database */
    bool hashed;       /* unnamed: `content` is that of `snap` */
    bool apart;        /* unnamed, and its number has a name again: others find another file by it; this one is its handles' alone */
    bool settling;     /* a job of settle.c runs: */
    struct settle *job;
    bool lingers;      /* a reference is kept from the last close to the settling, for the descriptor and what was hashed behind the writer */
    bool foreign;      /* content that this version cannot verify */
    bool stuck;
    int64_t dirty_since, last_write; /* mono */
    int64_t flushed_at; /* mono: a close(2) since the last write; 0: none */
    struct parked *parked, **parked_tail;
    UT_hash_handle hh;
};

/* Finds or makes it, with a reference. 0, -ESTALE, -EINVAL (no regular file), or what the spool says. Under the lock. */
int file_get(struct tree *, uint64_t ino, struct file **ret) ATTR_WARN_UNUSED;
struct file *file_find(struct tree *, uint64_t ino);
void file_put(struct file *); /* under the lock */
void file_linger_no_more(struct file *);
/* Runs what was parked. Without the lock. */
void file_unpark(struct file *);
/* What it waited for will not come: it runs soon. Under the lock. */
void file_wake(struct file *);

#endif
