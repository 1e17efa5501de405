/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One mount from its options to its end: puts the layers together bottom-up, serves, drains, and takes them
 * apart in reverse.
 */
#ifndef ASSETFS_MOUNT_H
#define ASSETFS_MOUNT_H

#include "base/options.h"

struct mount_request {
    const struct options *opt; /* checked; paths absolute */
    const char *mountpoint;
    bool foreground;
};

/* Must be called before any thread. Returns the exit status: 0; 1 with a message: it could not be mounted; 3:
 * unmounted, and something is still queued. Without foreground, the process that called ends as soon as the
 * mount answers, and only the daemon returns. */
int mount_run(const struct mount_request *);

#endif
