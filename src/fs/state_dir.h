/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The directory of a mount's local state: where it is, that one live mount owns it, and which machine it
 * belongs to.
 *
 *     DIR/lock       held (flock) while mounted; its text is the process id and the mount point, a line each
 *     DIR/volume     what is known of the volume without asking the bucket (fs/volume.h)
 *     DIR/log        messages of a daemon; begun anew above 10 MiB
 *     DIR/at/XXXXXX  the same for a mount of a past state (at=), which shares the block cache in DIR; removed when it ends, or by the next one
 *     the rest       tree/, data/
 */
#ifndef ASSETFS_STATE_DIR_H
#define ASSETFS_STATE_DIR_H

#include "base/base.h"
#include "base/buf.h"

struct state_dir {
    char *path;          /* absolute */
    char *shared;        /* the volume's: path itself, but for a past state, which has its own below it */
    char machine_id[65]; /* of this machine and this very directory: a copy or a clone has another one */
    int lock_fd;
};

/* "$XDG_CACHE_HOME/assetfs", "$HOME/.cache/assetfs", or for root without a home "/var/cache/assetfs";
 * malloc'd; NULL if none of the variables is set. */
char *state_dir_root(void);
/* Makes it (0700), and takes the lock. Where another process holds it: if that has it mounted, -EBUSY at
 * once, and why says where; else it is on its way out, and is waited for, at most wait_ns. */
int state_dir_open(const char *path, const char *mountpoint, int64_t wait_ns, struct state_dir *ret,
                   struct buf *why) ATTR_WARN_UNUSED;
/* One of its own below path, for a past state: beside a live mount, and any number of them. */
int state_dir_open_past(const char *path, const char *mountpoint, struct state_dir *ret, struct buf *why) ATTR_WARN_UNUSED;
/* Removes that of a past state. */
void state_dir_close(struct state_dir *);
/* Opens DIR/log for appending, emptied first if it is too long. A descriptor or a negative errno. */
int state_dir_open_log(const struct state_dir *) ATTR_WARN_UNUSED;
/* Empties it if it is too long meanwhile. */
void state_dir_trim_log(int fd);
#define STATE_DIR_LOG_MAX ((off_t)10 << 20)

#endif
