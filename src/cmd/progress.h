/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Waiting for a mount's uploads, with a bar on a terminal: what `assetfs sync` and `assetfs umount` have in
 * common.
 */
#ifndef ASSETFS_PROGRESS_H
#define ASSETFS_PROGRESS_H

#include "base/base.h"
#include "base/buf.h"

/* What is left when a wait ends before everything is durable. */
struct progress_left {
    uint64_t files, bytes;
    char *sentence; /* why, if the daemon knows; malloc'd; NULL */
};

/* Asks the daemon behind the control socket for `sync` or `drain` (fs/control.h); timeout_ns < 0: its own
 * default. Shows the bar on stderr when that is a terminal. 0: all is durable. 1: not all of it, see ret.
 * -EREMOTEIO: the daemon said "error", which is in `why`. Else as control_ask(). */
int progress_wait(const char *socket, const char *request, int64_t timeout_ns, struct progress_left *ret,
                  struct buf *why) ATTR_WARN_UNUSED;

/* "3 files (1.5 MiB) are not in the bucket yet: SENTENCE" */
char *progress_describe(const struct progress_left *) ATTR_WARN_UNUSED;

/* The line of the bar, for a terminal of `width` columns, without colours. done <= total; elapsed since the
 * wait began. */
void progress_bar(struct buf *ret, uint64_t files, uint64_t done, uint64_t total, int64_t elapsed_ns,
                  unsigned width);

#endif
