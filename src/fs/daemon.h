/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Going into the background only when the work has begun: the command that the user typed ends with the
 * daemon's verdict, and whatever went wrong until then is on the user's terminal.
 */
#ifndef ASSETFS_DAEMON_H
#define ASSETFS_DAEMON_H

#include "base/base.h"

/* Forks; must come before any thread. The parent does not return: it exits with the status that the child
 * gives to daemon_ready(), or with 1 when the child ends without. In the child: a descriptor for
 * daemon_ready(), or a negative errno where nothing was forked. */
int daemon_fork(void) ATTR_WARN_UNUSED;
/* Tells the parent, and lets go of the terminal: stdin, stdout and stderr become /dev/null, the working
 * directory "/". */
void daemon_ready(int fd, int status);

#endif
