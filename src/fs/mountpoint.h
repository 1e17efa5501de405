/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Is this a place to mount on? Every refusal is one sentence that says what to do.
 */
#ifndef ASSETFS_MOUNTPOINT_H
#define ASSETFS_MOUNTPOINT_H

#include "base/base.h"
#include "base/buf.h"

/* One line of /proc/self/mountinfo, the last one (which hides the others) at this place. */
struct mounted {
    unsigned major, minor;
    char *type, *source; /* "fuse.assetfs", "file:///srv/bucket"; malloc'd */
};
void mounted_free(struct mounted *);
/* Looks for the absolute path `at` in the text of mountinfo. -ENOENT: nothing is mounted there. */
int mountinfo_find(const char *mountinfo, const char *at, struct mounted *ret) ATTR_WARN_UNUSED;
/* The same in this process' own. */
int mountpoint_find(const char *at, struct mounted *ret) ATTR_WARN_UNUSED;
/* An assetfs is mounted at this absolute path, whether its daemon lives or not. */
bool mountpoint_is_assetfs(const char *at);

/* The absolute path, without symbolic links, of a place that may be a dead mount. malloc'd. */
int mountpoint_resolve(const char *path, char **ret) ATTR_WARN_UNUSED;
/* Checks, and takes a mount that a killed daemon left behind away; *ret_at: the absolute path.
 * -ENOENT, -ENOTDIR, -ENOTEMPTY, -EBUSY (an assetfs is mounted there), -EACCES, or what looking failed with.
 */
int mountpoint_check(const char *path, char **ret_at, struct buf *why) ATTR_WARN_UNUSED;
/* Can this process mount a FUSE filesystem at all? -ENODEV, -EACCES, -ENOENT (no fusermount3). */
int mountpoint_check_fuse(struct buf *why) ATTR_WARN_UNUSED;

#endif
