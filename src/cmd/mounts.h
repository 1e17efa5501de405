/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The assetfs mounts that this process can see, as the kernel lists them. Nothing here touches a mount, so
 * none of it can hang on one. (What is mounted at one place, see fs/mountpoint.h.)
 */
#ifndef ASSETFS_MOUNTS_H
#define ASSETFS_MOUNTS_H

#include "base/base.h"

struct mount_entry {
    char *source; /* the volume, as mount(8) prints it */
    char *target; /* the mountpoint, absolute */
};

/* In the order in which they were mounted: a mountpoint that is mounted over appears twice, the last one is
 * on top. */
struct mount_list {
    struct mount_entry *entries;
    size_t n;
};

int mounts_read(struct mount_list *ret) ATTR_WARN_UNUSED;
void mounts_free(struct mount_list *);
#define CLEANUP_MOUNTS __attribute__((cleanup(mounts_free)))

/* How many are mounted at exactly this path. */
size_t mounts_at(const struct mount_list *, const char *target);
/* The one that an absolute path without symbolic links lies in; NULL: none. */
const struct mount_entry *mounts_around(const struct mount_list *, const char *path);

/* Waits until fewer than n are mounted at target. -ETIMEDOUT. */
int mounts_wait_below(const char *target, size_t n, int64_t timeout_ns) ATTR_WARN_UNUSED;

#endif
