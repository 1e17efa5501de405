/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs checkpoint: makes one now, and says which.
 */
#include "cmd/command.h"
#include "base/log.h"
#include "fs/control.h"
#include <getopt.h>

static void print_text(void *arg, const char *line) {
    (void)arg;
    if (!strncmp(line, "text ", 5))
        puts(line + 5);
}

static int run_checkpoint(int argc, char **argv) {
    static const struct option options[] = {{0}};
    if (getopt_long(argc, argv, "", options, NULL) != -1)
        return command_usage_error(&cmd_checkpoint, NULL);
    if (argc - optind != 1)
        return command_usage_error(&cmd_checkpoint, "expected one MOUNTPOINT");
    const char *path = argv[optind];
    CLEANUP_FREE char *socket = NULL;
    CLEANUP_BUF struct buf last = BUF_INIT(65536);
    if (command_find_mount(path, &socket) < 0)
        return STATUS_FAILED;
    int r = control_ask(socket, "checkpoint", print_text, NULL, &last);
    if (r < 0)
        return command_ask_error(path, r, "");
    if (strncmp(buf_str(&last), "error ", 6))
        return STATUS_DONE;
    log_error("%s: %s", path, buf_str(&last) + 6);
    return STATUS_FAILED;
}

const struct command cmd_checkpoint = {
    .name = "checkpoint",
    .usage = "MOUNTPOINT",
    .summary = "keep the whole tree as it is now in the bucket, so that other hosts begin from it",
    .help = "Hosts do this by themselves from time to time (see checkpoint_entries= in assetfs(1)).\n",
    .run = run_checkpoint,
};
