/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs umount: drains, unmounts, and says what is left.
 *
 * The order matters: writes are refused from the drain on, so that what was reported durable is all there is;
 * if the mount then turns out to be busy, they are accepted again.
 */
#include "cmd/command.h"
#include "base/env.h"
#include "base/log.h"
#include "base/units.h"
#include "cmd/mounts.h"
#include "cmd/progress.h"
#include "fs/control.h"
#include "fs/mountpoint.h"
#include <getopt.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define GONE_NS (10 * NS_PER_S) /* for the kernel to let the mount go */
#define END_NS (60 * NS_PER_S)  /* for the daemon to close its files and end */
#define LEFT_NS                                                                                              \
    (5 * NS_PER_S) /* the same when not all is durable: it may still be trying, the next mount waits for it  \
                    */

extern char **environ;

/* Whoever may ask the daemon to drain may unmount: what is left as a reason is that it is busy, and our sentence says that better. */
static int run_fusermount(const char *at, bool lazy) {
    char *argv[] = {(char *)"fusermount3", (char *)(lazy ? "-uz" : "-uq"), (char *)"--", (char *)at, NULL};
    pid_t pid;
    int status, r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (r != 0)
        return log_errno(-r, "fusermount3");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

/* EPERM: "root" of a user namespace that does not own the mount. */
static int unmount(const char *at, bool lazy) {
    if (geteuid() != 0)
        return run_fusermount(at, lazy);
    if (umount2(at, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    return errno == EPERM ? run_fusermount(at, lazy) : -errno;
}

static int unmount_dead(const char *at) {
    int r = unmount(at, true);
    if (r < 0) {
        log_errno(r, "%s: the daemon of this mount is gone, and unmounting it failed", at);
        return STATUS_FAILED;
    }
    log_warning("%s: the daemon of this mount was gone; it is unmounted, and what was still queued goes on "
                "with the next mount",
                at);
    return STATUS_DONE;
}

static int refuse_busy(const char *at, const char *socket, int err) {
    CLEANUP_BUF struct buf answer = BUF_INIT(4096);
    if (control_ask(socket, "resume", NULL, NULL, &answer) < 0 || strncmp(buf_str(&answer), "done", 4) != 0)
        log_warning("%s: the mount could not be told to accept writes again", at);
    if (err == -EBUSY)
        log_error("%s is busy: a program has files open there, or is in one of its directories (fuser -vm %s "
                  "shows them); still "
                  "mounted",
                  at, at);
    else
        log_errno(err, "%s cannot be unmounted", at);
    return STATUS_FAILED;
}

/* Until the process has ended the local state is not free for the next mount. */
static void wait_for_end(const char *at, int pidfd, bool durable) {
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    if (pidfd >= 0 && poll(&p, 1, (int)((durable ? END_NS : LEFT_NS) / NS_PER_MS)) == 0 && durable)
        log_warning("%s is unmounted, but its daemon has not ended yet", at);
}

static int report(const char *at, const struct progress_left *left) {
    CLEANUP_FREE char *what = progress_describe(left);
    log_error("%s is unmounted, but %s; this stays queued on this host, and the next mount goes on with it",
              at, what);
    return STATUS_NOT_DURABLE;
}

static int drain_and_unmount(const char *at, size_t mounted, int64_t timeout) {
    CLEANUP_FREE char *socket = NULL;
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 16);
    struct progress_left left = {0};
    if (command_find_mount(at, &socket) < 0)
        return STATUS_FAILED;
    CLEANUP_CLOSE int pidfd = control_pidfd(socket);
    int drained = progress_wait(socket, "drain", timeout, &left, &why);
    if (drained < 0)
        return command_ask_error(at, drained, buf_str(&why));
    CLEANUP_FREE char *sentence ATTR_UNUSED = left.sentence;
    int r = unmount(at, false);
    if (r == 0)
        r = mounts_wait_below(at, mounted, GONE_NS);
    if (r < 0)
        return refuse_busy(at, socket, r);
    wait_for_end(at, pidfd, drained == 0);
    return drained == 0 ? STATUS_DONE : report(at, &left);
}

static bool is_dead(const char *at) {
    CLEANUP_FREE char *socket = NULL;
    return control_find(at, &socket) == -ENOTCONN;
}

static int umount_path(const char *path, int64_t timeout) {
    CLEANUP_FREE char *at = NULL;
    CLEANUP_MOUNTS struct mount_list l = {0};
    int r = mountpoint_resolve(path, &at);
    if (r == 0)
        r = mounts_read(&l);
    if (r < 0) {
        log_errno(r, "%s", path);
        return STATUS_FAILED;
    }
    size_t mounted = mounts_at(&l, at);
    if (mounted > 0)
        return is_dead(at) ? unmount_dead(at) : drain_and_unmount(at, mounted, timeout);
    const struct mount_entry *around = mounts_around(&l, at);
    if (around)
        log_error("%s is not a mountpoint; it lies in the assetfs mount %s", path, around->target);
    else
        log_error("%s is not an assetfs mount", path);
    return STATUS_FAILED;
}

static int run_umount(int argc, char **argv) {
    static const struct option options[] = {{"timeout", required_argument, NULL, 't'}, {0}};
    int64_t timeout = -1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 't')
            return command_usage_error(&cmd_umount, NULL);
        if (duration_parse(optarg, &timeout) < 0)
            return command_usage_error(&cmd_umount, "--timeout %s: not a time such as 90s or 10m", optarg);
    }
    if (argc - optind != 1)
        return command_usage_error(&cmd_umount, "expected one MOUNTPOINT");
    return umount_path(argv[optind], timeout);
}

const struct command cmd_umount = {
    .name = "umount",
    .usage = "[--timeout TIME] MOUNTPOINT",
    .summary = "wait for the uploads, then unmount",
    .help = "  --timeout TIME   unmount after this time in any case, with exit status 3 if something is\n"
            "                   still queued (default: the mount's drain_timeout)\n",
    .run = run_umount,
};
