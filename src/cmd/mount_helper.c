/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mount.assetfs: what mount(8) runs for an fstab line of type assetfs,
 *
 *     mount.assetfs VOLUME MOUNTPOINT [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPTION,...]
 *
 * turned into `assetfs mount`. The letters are mount(8)'s, so -f is its "fake": everything but the mount.
 */
#include "cmd/command.h"
#include "base/log.h"
#include "base/options.h"
#include <getopt.h>

static int usage_error(const char *what) {
    if (what)
        log_error("%s", what);
    fprintf(stderr, "Usage: mount.assetfs VOLUME MOUNTPOINT [-o OPTION,...]\n");
    return STATUS_USAGE;
}

/* Whether `assetfs mount` would take these options and know this volume. */
static int check_only(char *const *lists, size_t n, const char *volume) {
    struct options o;
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 16);
    options_init(&o);
    int r = options_load(&o, NULL, volume, &why);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = options_set_list(&o, lists[i], &why);
    if (r == 0)
        r = options_check(&o, &why);
    options_free(&o);
    if (r == 0)
        return STATUS_DONE;
    log_error("%s", buf_str(&why));
    return STATUS_FAILED;
}

static int call_mount(char **lists, size_t n, char *volume, char *mountpoint) {
    CLEANUP_FREE char **argv = xcalloc(2 * n + 5, sizeof *argv);
    int argc = 0;
    argv[argc++] = (char *)"mount.assetfs";
    for (size_t i = 0; i < n; i++) {
        argv[argc++] = (char *)"-o";
        argv[argc++] = lists[i];
    }
    argv[argc++] = (char *)"--";
    argv[argc++] = volume;
    argv[argc++] = mountpoint;
    optind = 0; /* glibc: begin anew */
    return cmd_mount.run(argc, argv);
}

int mount_helper(int argc, char **argv) {
    CLEANUP_FREE char **lists = xcalloc((size_t)argc, sizeof *lists);
    size_t n = 0;
    bool fake = false;
    log_set_program("mount.assetfs");
    for (int c; (c = getopt(argc, argv, "sfnvN:t:o:")) != -1;) {
        switch (c) {
        case 's': /* sloppy: an option nobody knows is an error all the same */
        case 'n': /* there is no mtab */
        case 'v':
        case 't':
            break;
        case 'f':
            fake = true;
            break;
        case 'o':
            lists[n++] = optarg;
            break;
        case 'N':
            return usage_error("mounting in another namespace (-N) is not possible; use nsenter(1)");
        default:
            return usage_error(NULL);
        }
    }
    if (argc - optind != 2)
        return usage_error("expected VOLUME and MOUNTPOINT");
    if (fake)
        return check_only(lists, n, argv[optind]);
    return call_mount(lists, n, argv[optind], argv[optind + 1]);
}
