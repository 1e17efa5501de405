/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tells the kernel what to forget, because another host (or a merge) changed it.
 *
 * The kernel takes inode locks for such a message and may have to wait for programs that wait for us. So the
 * messages are sent by one thread of their own, which holds no lock and serves no request; everybody else
 * puts into its queue and returns.
 *
 * The queue coalesces: one item a name, one an inode. What the kernel does not know is not queued at all. It
 * is bounded: when it overflows, items are dropped and the target's `everything` is called instead, once the
 * queue has been worked off.
 *
 * A name that changed also makes the cached listing of its directory wrong, and the kernel drops that only
 * when it happens to know the name. So every entry is followed by an invalidation of its directory's pages,
 * where the listing is.
 */
#ifndef ASSETFS_NOTIFY_H
#define ASSETFS_NOTIFY_H

#include "base/base.h"

struct notify;

struct notify_target {
    /* Both may block; 0, -ENOENT (the kernel does not have it), or another error, which ends nothing. */
    int (*inval_entry)(void *arg, uint64_t parent, const char *name, size_t n);
    int (*inval_inode)(void *arg, uint64_t ino, bool data);
    /* False: the kernel cannot have anything cached about the inode. Cheap, from any thread. */
    bool (*known)(void *arg, uint64_t ino);
    /* Forget whatever you have. */
    void (*everything)(void *arg);
    void *arg;
};

/* max: items in the queue. Starts the thread. */
int notify_new(const struct notify_target *, size_t max, struct notify **ret) ATTR_WARN_UNUSED;
/* From any thread, never blocks. */
void notify_entry(struct notify *, uint64_t parent, const char *name, size_t n);
void notify_inode(struct notify *, uint64_t ino, bool data);
/* Ends the thread, what is queued is dropped; later items are ignored. -ETIMEDOUT when the thread is still
 * inside the kernel after timeout_ns: may be called again. */
int notify_stop(struct notify *, int64_t timeout_ns) ATTR_WARN_UNUSED;
/* After notify_stop() returned 0. NULL-safe; returns NULL. */
struct notify *notify_free(struct notify *);

#endif
