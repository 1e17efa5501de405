/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs sync: waits until everything that was written before it is durable.
 */
#include "cmd/command.h"
#include "base/log.h"
#include "base/units.h"
#include "cmd/progress.h"
#include <getopt.h>

static int run_sync(int argc, char **argv) {
    static const struct option options[] = {{"timeout", required_argument, NULL, 't'}, {0}};
    int64_t timeout = -1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 't')
            return command_usage_error(&cmd_sync, NULL);
        if (duration_parse(optarg, &timeout) < 0)
            return command_usage_error(&cmd_sync, "--timeout %s: not a time such as 90s or 10m", optarg);
    }
    if (argc - optind != 1)
        return command_usage_error(&cmd_sync, "expected one MOUNTPOINT");

    const char *path = argv[optind];
    CLEANUP_FREE char *socket = NULL;
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 16);
    struct progress_left left;
    if (command_find_mount(path, &socket) < 0)
        return STATUS_FAILED;
    int r = progress_wait(socket, "sync", timeout, &left, &why);
    if (r < 0)
        return command_ask_error(path, r, buf_str(&why));
    if (r == 0)
        return STATUS_DONE;
    CLEANUP_FREE char *what = progress_describe(&left);
    free(left.sentence);
    log_error("%s: %s", path, what);
    return STATUS_NOT_DURABLE;
}

const struct command cmd_sync = {
    .name = "sync",
    .usage = "[--timeout TIME] MOUNTPOINT",
    .summary = "wait until everything written so far is in the bucket",
    .help = "  --timeout TIME   give up after this time, with exit status 3 (default: never)\n",
    .run = run_sync,
};
