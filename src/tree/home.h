/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a file's content is at home in the bucket: the object's key, its Content-Type, and how it is kept. The file's name decides the type, and the rule of the area that the
 * name lies in (area_set.h) the rest; it moves when the name has got another extension, or lies in another area.
 *
 *     files/<sha-256>.jpg, image/jpeg
 *
 * Of several names the first that is final counts (name_kind.h); where none is, the one that the first seems to mean. All of them lie in one area: a link across areas is -EXDEV.
 *
 * An object cannot be renamed in the bucket. A file that was renamed to another extension or area gets a new object, from the block cache or, what is not there, by way of the bucket; until
 * that is durable, the others keep the old name. A row that waits for it is blocked and has neither spool file nor snapshot; settle.c does the work, and after a restart again.
 * A directory does not move to another area at once, for it may have a million files: that is -EXDEV, and programs copy it.
 *
 * A rule holds for objects put from then on: where it changes, what is there stays there, until somebody asks for it (tree_area_apply(), area_set.h).
 *
 * All under the tree lock; what returns int and is said to write does so in a transaction. 0 or a negative errno.
 */
#ifndef ASSETFS_HOME_H
#define ASSETFS_HOME_H

#include "tree/rows.h"

struct home {
    char *key;        /* malloc'd */
    const char *type; /* valid as long as the tree is */
    struct keep *keep;
};
void home_free(struct home *);

struct home_name {
    uint64_t parent;
    const char *name;
    size_t n;
};

/* For content with this id in this inode. */
struct home home_of(struct tree *, uint64_t ino, const uint8_t id[DIGEST_SIZE]);
/* May the inode get this name as well, or go from one name to another? -EXDEV. Says so in the log when it leaves an open area. */
int home_may_link(struct tree *, uint64_t ino, uint64_t parent, const char *name, size_t n) ATTR_WARN_UNUSED;
int home_may_move(struct tree *, const struct row_name *what, const struct home_name *from, const struct home_name *to) ATTR_WARN_UNUSED;
/* It has: home_check(), if that means another place. */
int home_moved(struct tree *, uint64_t ino, const struct home_name *from, const struct home_name *to) ATTR_WARN_UNUSED;
/* Writes: if its object has to be another one, by its names and rules as they are, its row waits for that (and settle is kicked). */
int home_check(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;
static inline bool home_is_wanted(const struct row_pending *p) {
    return p->blocked && !p->spool && !p->snap && !row_local(p);
}
/* After another host's entry, with what it touched: what we have renamed, and it has written. Writes as home_check(). */
struct before;
int home_follow(struct tree *, const struct before *) ATTR_WARN_UNUSED;
/* What home_follow() will need, before anything is changed that cannot be undone. */
int home_need(struct tree *, const struct before *) ATTR_WARN_UNUSED;
/* The content is at this key now. Writes: the inode goes by that, unless it has got other content meanwhile. */
int home_arrived(struct tree *, uint64_t ino, const uint8_t id[DIGEST_SIZE], const char *key) ATTR_WARN_UNUSED;

#endif
