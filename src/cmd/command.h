/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A subcommand, as `assetfs NAME ...` runs it and `assetfs help NAME` prints it. The table of them is in
 * main.c.
 */
#ifndef ASSETFS_COMMAND_H
#define ASSETFS_COMMAND_H

#include "base/base.h"

/* What every command ends with; kept stable (assetfs(1), EXIT STATUS). */
enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_NOT_DURABLE = 3, STATUS_WARNED = 3 };

struct command {
    const char *name;
    const char *usage;   /* what follows the name: "[-c FILE] [-f] [-o OPTION,...] VOLUME MOUNTPOINT" */
    const char *summary; /* one line without a full stop */
    const char *help;    /* more lines, each ended, for `assetfs help NAME`; may be NULL */
    bool takes_options;  /* help lists the options of -o, too */
    /* argv[0] is for messages ("assetfs sync"); returns one of the numbers above. getopt() is in its initial
     * state. */
    int (*run)(int argc, char **argv);
};

/* mount.assetfs, as mount(8) calls it. */
int mount_helper(int argc, char **argv);

extern const struct command cmd_init, cmd_mount, cmd_umount, cmd_sync, cmd_status, cmd_url, cmd_key, cmd_log, cmd_check, cmd_policy, cmd_verify, cmd_invite, cmd_join, cmd_area, cmd_checkpoint;

/* Says what is wrong (getopt_long() has said so itself when fmt is NULL) and how the command is used.
 * STATUS_USAGE. */
int command_usage_error(const struct command *, const char *fmt, ...) ATTR_PRINTF(2, 3);

/* The control socket of the mount that `path` lies in (malloc'd). A negative errno after having said what is
 * wrong. */
int command_find_mount(const char *path, char **ret_socket) ATTR_WARN_UNUSED;
/* What control_ask() or progress_wait() returned, in words. STATUS_FAILED. */
int command_ask_error(const char *path, int err, const char *why);

#endif
