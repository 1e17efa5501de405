/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/mountpoint.h"
#include "base/file.h"
#include "base/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

extern char **environ;

void mounted_free(struct mounted *m) {
    free(m->type);
    free(m->source);
    *m = (struct mounted){0};
}

/* In mountinfo, space, tab, newline and backslash are \040 and so on. In place. */
static char *unescape(char *s) {
    char *out = s;
    for (const char *p = s; *p; p++) {
        unsigned v;
        if (p[0] == '\\' && sscanf(p + 1, "%3o", &v) == 1) {
            *out++ = (char)v;
            p += 3;
        } else {
            *out++ = *p;
        }
    }
    *out = '\0';
    return s;
}

/* "36 35 98:0 /root /mnt rw,noatime shared:1 - fuse.assetfs source rw": the fields before " - " vary in
 * number. In place. */
static bool parse_line(char *line, char **ret_at, struct mounted *ret) {
    char *dash = strstr(line, " - "), *save;
    if (!dash)
        return false;
    char *type = strtok_r(dash + 3, " ", &save), *source = strtok_r(NULL, " ", &save);
    *dash = '\0';
    char *field = strtok_r(line, " ", &save);
    for (int i = 0; field && i < 2; i++)
        field = strtok_r(NULL, " ", &save);
    if (!field || sscanf(field, "%u:%u", &ret->major, &ret->minor) != 2)
        return false;
    strtok_r(NULL, " ", &save); /* the root inside the filesystem */
    *ret_at = strtok_r(NULL, " ", &save);
    if (!*ret_at || !type || !source)
        return false;
    unescape(*ret_at);
    ret->type = unescape(type);
    ret->source = unescape(source);
    return true;
}

int mountinfo_find(const char *mountinfo, const char *at, struct mounted *ret) {
    CLEANUP_FREE char *text = xstrdup(mountinfo);
    char *save, *where;
    struct mounted m, found = {0};
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (parse_line(line, &where, &m) && !strcmp(where, at))
            found = m;
    if (!found.type)
        return -ENOENT;
    *ret = found;
    ret->type = xstrdup(found.type);
    ret->source = xstrdup(found.source);
    return 0;
}

int mountpoint_find(const char *at, struct mounted *ret) {
    CLEANUP_BUF struct buf text = BUF_INIT(64 << 20);
    int r = file_load("/proc/self/mountinfo", &text);
    if (r < 0)
        return r;
    const char *s = buf_str(&text);
    return s ? mountinfo_find(s, at, ret) : -EFBIG;
}

bool mountpoint_is_assetfs(const char *at) {
    struct mounted m;
    if (mountpoint_find(at, &m) < 0)
        return false;
    bool is = !strcmp(m.type, "fuse.assetfs");
    mounted_free(&m);
    return is;
}

/* realpath(3) of the parent: the last component cannot be looked at when its daemon is dead. */
static int resolve_parent(const char *path, char **ret) {
    CLEANUP_FREE char *dir_copy = xstrdup(path), *base_copy = xstrdup(path);
    char resolved[PATH_MAX];
    if (!realpath(dirname(dir_copy), resolved))
        return -errno;
    *ret = xasprintf("%s/%s", strcmp(resolved, "/") ? resolved : "", basename(base_copy));
    return 0;
}

int mountpoint_resolve(const char *path, char **ret) {
    char resolved[PATH_MAX];
    if (realpath(path, resolved)) {
        *ret = xstrdup(resolved);
        return 0;
    }
    return errno == ENOTCONN || errno == ECONNABORTED ? resolve_parent(path, ret) : -errno;
}

/* Runs fusermount3, whose messages go where ours go. */
static int run_fusermount(const char *at) {
    char *argv[] = {(char *)"fusermount3", (char *)"-u", (char *)"-z", (char *)"--", (char *)at, NULL};
    pid_t pid;
    int status, r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (r)
        return -r;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int remove_dead(const char *at, struct buf *why) {
    struct mounted m;
    if (mountpoint_find(at, &m) < 0 || strncmp(m.type, "fuse", 4) != 0) {
        buf_printf(why, "%s cannot be used: %s", at, strerror(ENOTCONN));
        return -ENOTCONN;
    }
    bool ours = !strcmp(m.type, "fuse.assetfs");
    mounted_free(&m);
    int r = !ours ? -EBUSY : umount2(at, MNT_DETACH) == 0 ? 0 : run_fusermount(at);
    if (r < 0)
        buf_printf(why, "a mount whose daemon is dead is in the way at %s: run fusermount3 -uz %s", at, at);
    else
        log_info("%s: replaced the mount that a killed daemon had left there", at);
    return r;
}

static int check_empty(const char *at, struct buf *why) {
    DIR *dir = opendir(at);
    if (!dir) {
        int err = errno;
        buf_printf(why, "the mount point %s cannot be read: %s", at, strerror(err));
        return -err;
    }
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            r = -ENOTEMPTY;
    closedir(dir);
    if (r < 0)
        buf_printf(why, "the mount point %s is not empty: its files would be hidden; give an empty directory",
                   at);
    return r;
}

static int explain(const char *path, int err, struct buf *why) {
    if (err == -ENOENT)
        buf_printf(why, "there is no directory %s to mount on: make it with mkdir -p", path);
    else
        buf_printf(why, "%s cannot be used as a mount point: %s", path, strerror(-err));
    return err;
}

static int check_kind(const char *at, struct buf *why) {
    struct stat st;
    struct mounted m;
    if (stat(at, &st) < 0)
        return explain(at, -errno, why);
    if (!S_ISDIR(st.st_mode)) {
        buf_printf(why, "%s is not a directory", at);
        return -ENOTDIR;
    }
    if (mountpoint_find(at, &m) < 0)
        return 0;
    int r = strcmp(m.type, "fuse.assetfs") ? 0 : -EBUSY;
    if (r < 0)
        buf_printf(why, "%s is mounted at %s already", m.source, at);
    mounted_free(&m);
    return r;
}

/* stat(2) does not tell: the kernel answers it from its cache, daemon or not. ECONNABORTED: it died while it
 * was asked. */
static bool is_dead(const char *at) {
    struct statvfs st;
    return statvfs(at, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

int mountpoint_check(const char *path, char **ret_at, struct buf *why) {
    CLEANUP_FREE char *at = NULL;
    int r = mountpoint_resolve(path, &at);
    if (r < 0)
        return explain(path, r, why);
    if (is_dead(at))
        r = remove_dead(at, why);
    if (r == 0)
        r = check_kind(at, why);
    if (r == 0)
        r = check_empty(at, why);
    if (r == 0)
        *ret_at = STEAL_PTR(&at);
    return r;
}

static bool in_path(const char *program) {
    CLEANUP_FREE char *path = xstrdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    char *save;
    for (char *dir = strtok_r(path, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        CLEANUP_FREE char *file = xasprintf("%s/%s", dir, program);
        if (access(file, X_OK) == 0)
            return true;
    }
    return false;
}

int mountpoint_check_fuse(struct buf *why) {
    CLEANUP_CLOSE int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    int err = errno;
    if (fd < 0 && (err == ENOENT || err == ENODEV || err == ENXIO)) {
        buf_printf(
            why,
            "/dev/fuse is missing: run modprobe fuse as root; in a container, give it the device (docker run "
            "--device /dev/fuse --cap-add SYS_ADMIN)");
        return -ENODEV;
    }
    if (fd < 0 && geteuid() == 0) {
        buf_printf(
            why,
            "/dev/fuse cannot be opened (%s): a container needs the device (docker run --device /dev/fuse "
            "--cap-add SYS_ADMIN)",
            strerror(err));
        return -EACCES;
    }
    if (geteuid() != 0 && !in_path("fusermount3")) {
        buf_printf(why,
                   "fusermount3 is missing, without which only root can mount: install the package fuse3");
        return -ENOENT;
    }
    return 0;
}
