/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a file's content is at home in the bucket: the object's key and its Content-Type, which the file's name decides (assetfs-format(5), "Content"), and moving
 * there when the name has got another extension.
 *
 *     files/<sha-256>.jpg, image/jpeg
 *
 * Of several names the first that is final counts (name_kind.h); where none is, the one that the first seems to mean.
 *
 * An object cannot be renamed in the bucket. A file that was renamed to another extension gets a new object, from the block cache or, what is not there, by way of the bucket; until
 * that is durable, the others keep the old name. A row that waits for it is blocked and has neither spool file nor snapshot; settle.c does the work, and after a restart again.
 *
 * All under the tree lock; what returns int and is said to write does so in a transaction. 0 or a negative errno.
 */
#ifndef ASSETFS_HOME_H
#define ASSETFS_HOME_H

#include "tree/rows.h"

struct home {
    char *key;        /* malloc'd */
    const char *type; /* valid as long as the tree is */
};

/* For content with this id in this inode. */
struct home home_of(struct tree *, uint64_t ino, const uint8_t id[DIGEST_SIZE]);
/* The inode's names have changed. Writes: if its object has to be another one, its row waits for that (and settle is kicked). */
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
