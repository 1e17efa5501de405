/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/state_dir.h"
#include "base/digest.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "fs/mountpoint.h"
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* Losing its new directory to another mount's sweep() twice is bad luck, more often is something else. */
#define PAST_TRIES 5

char *state_dir_root(void) {
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && *xdg == '/')
        return xasprintf("%s/assetfs", xdg);
    if (home && *home == '/')
        return xasprintf("%s/.cache/assetfs", home);
    return geteuid() == 0 ? xstrdup("/var/cache/assetfs") : NULL;
}

/* A machine that was cloned with its disk keeps /etc/machine-id if nobody took care, but then its directory
 * is the same one, too: that case shows in the journal instead. A copied directory has another inode number.
 */
static int identify(const char *path, char ret[65]) {
    CLEANUP_BUF struct buf text = BUF_INIT(4096);
    struct stat st;
    uint8_t digest[DIGEST_SIZE];
    if (stat(path, &st) < 0)
        return -errno;
    if (file_load("/etc/machine-id", &text) < 0) {
        char host[HOST_NAME_MAX + 1] = "";
        gethostname(host, sizeof host - 1);
        buf_printf(&text, "host %s", host);
    }
    buf_printf(&text, "\n%llu %llu\n", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    digest_of(text.data, text.len, digest);
    digest_hex(digest, ret);
    return 0;
}

/* The lines of DIR/lock. -ENOENT: the holder has not written them yet. */
static int read_holder(int fd, long *ret_pid, char ret_mountpoint[PATH_MAX]) {
    char text[PATH_MAX + 32];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return -ENOENT;
    text[n] = '\0';
    char *end, *line = strchr(text, '\n');
    *ret_pid = strtol(text, &end, 10);
    if (!line || end != line)
        return -ENOENT;
    line++;
    line[strcspn(line, "\n")] = '\0';
    snprintf(ret_mountpoint, PATH_MAX, "%s", line);
    return 0;
}

static int write_holder(int fd, const char *mountpoint) {
    CLEANUP_FREE char *text = xasprintf("%ld\n%s\n", (long)getpid(), mountpoint);
    if (ftruncate(fd, 0) < 0)
        return -errno;
    return file_pwrite_all(fd, text, strlen(text), 0);
}

static int64_t mono_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int take_lock(int fd, const char *path, int64_t wait_ns, struct buf *why) {
    int64_t until = mono_now() + wait_ns;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        char at[PATH_MAX] = "";
        long pid = 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        bool mounted = read_holder(fd, &pid, at) == 0 && mountpoint_is_assetfs(at),
             late = mono_now() >= until;
        if (mounted)
            buf_printf(why,
                       "the local state %s is in use: the volume is mounted at %s (process %ld); to mount it "
                       "twice, give "
                       "another cache_dir=",
                       path, at, pid);
        else if (late)
            buf_printf(why,
                       "the local state %s is in use by process %ld, which is still saving what was written "
                       "at %s: try "
                       "again later",
                       path, pid, at);
        if (mounted || late)
            return -EBUSY;
        nanosleep(&(struct timespec){.tv_nsec = 20 * NS_PER_MS}, NULL);
    }
    return 0;
}

static int make_private(const char *path, struct buf *why) {
    struct stat st;
    int r = file_make_dirs(path, 0700);
    if (r == 0 && (stat(path, &st) < 0 || ((st.st_mode & 077) && chmod(path, 0700) < 0)))
        r = -errno;
    if (r < 0)
        buf_printf(why, "the directory %s for local state cannot be made: %s", path, strerror(-r));
    return r;
}

int state_dir_open(const char *path, const char *mountpoint, int64_t wait_ns, struct state_dir *ret,
                   struct buf *why) {
    char resolved[PATH_MAX];
    int r = make_private(path, why);
    if (r < 0)
        return r;
    if (!realpath(path, resolved))
        return -errno;
    CLEANUP_FREE char *lock = xasprintf("%s/lock", resolved);
    CLEANUP_CLOSE int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    r = fd < 0 ? -errno : take_lock(fd, resolved, wait_ns, why);
    if (r == 0)
        r = write_holder(fd, mountpoint);
    if (r == 0)
        r = identify(resolved, ret->machine_id);
    if (r == 0) {
        ret->path = xstrdup(resolved);
        ret->shared = xstrdup(resolved);
        ret->lock_fd = steal_fd(&fd);
    } else if (why->len == 0) {
        buf_printf(why, "%s cannot be used: %s", lock, strerror(-r));
    }
    return r;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static void remove_tree(const char *path) {
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0)
        log_errno(-errno, "%s cannot be removed", path);
}

/* Directories of past states whose mounts have ended without removing them: nobody holds their locks. */
static void sweep(const char *at) {
    struct dirent *e;
    DIR *d = opendir(at);
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        CLEANUP_FREE char *path = xasprintf("%s/%s", at, e->d_name), *lock = xasprintf("%s/lock", path);
        CLEANUP_CLOSE int fd = open(lock, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            rmdir(path); /* empty: made and not used, or about to be, and then made again */
        else if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            remove_tree(path);
    }
    if (d)
        closedir(d);
}

/* Between making and locking it somebody's sweep() may have taken it for left behind. */
static bool is_still_there(const struct state_dir *d) {
    CLEANUP_FREE char *lock = xasprintf("%s/lock", d->path);
    struct stat mine, there;
    return fstat(d->lock_fd, &mine) == 0 && stat(lock, &there) == 0 && mine.st_ino == there.st_ino;
}

int state_dir_open_past(const char *path, const char *mountpoint, struct state_dir *ret, struct buf *why) {
    char resolved[PATH_MAX];
    CLEANUP_FREE char *at = xasprintf("%s/at", path);
    int r = make_private(path, why);
    if (r == 0)
        r = make_private(at, why);
    if (r == 0 && !realpath(path, resolved))
        r = -errno;
    for (int tries = 0; r == 0 && tries < PAST_TRIES; tries++) {
        CLEANUP_FREE char *own = xasprintf("%s/at/XXXXXX", resolved);
        sweep(at);
        if (!mkdtemp(own))
            return -errno;
        r = state_dir_open(own, mountpoint, 0, ret, why);
        if (r < 0)
            return r;
        free(ret->shared);
        ret->shared = xstrdup(resolved);
        if (is_still_there(ret))
            return 0;
        close(ret->lock_fd);
        free(ret->path);
        free(ret->shared);
        *ret = (struct state_dir){.lock_fd = -1};
    }
    return r < 0 ? r : -EBUSY;
}

void state_dir_close(struct state_dir *d) {
    if (d->path && strcmp(d->path, d->shared))
        remove_tree(d->path);
    if (d->path)
        close(d->lock_fd);
    free(d->path);
    free(d->shared);
    *d = (struct state_dir){.lock_fd = -1};
}

int state_dir_open_log(const struct state_dir *d) {
    CLEANUP_FREE char *path = xasprintf("%s/log", d->path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    state_dir_trim_log(fd);
    return fd;
}

void state_dir_trim_log(int fd) {
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > STATE_DIR_LOG_MAX && ftruncate(fd, 0) < 0)
        return; /* a log that cannot be cut grows on */
}
