/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs mount: makes a volume appear as a directory.
 */
#include "fs/mount.h"
#include "cmd/command.h"
#include "cmd/volume_args.h"

static int run_mount(int argc, char **argv) {
    CLEANUP_VOLUME_ARGS struct volume_args args;
    int status = volume_args_parse(&cmd_mount, argc, argv, "f", 1, &args);
    if (status != STATUS_DONE)
        return status;
    return mount_run(
        &(struct mount_request){.opt = &args.opt, .mountpoint = args.rest[0], .foreground = args.flags & 1});
}

const struct command cmd_mount = {
    .name = "mount",
    .usage = "[-c FILE] [-f] [-o OPTION,...] VOLUME MOUNTPOINT",
    .summary = "mount a volume; returns as soon as the mount answers",
    .help = "  -c FILE          read this configuration file instead of the default ones\n"
            "  -f               stay in the foreground; exit status 3 when something is left to upload\n"
            "  -o OPTION,...    options, see below\n",
    .takes_options = true,
    .run = run_mount,
};
