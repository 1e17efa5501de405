/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file.h"
#include <fcntl.h>
#include <sys/stat.h>

int file_pread_all(int fd, void *p, size_t n, uint64_t off) {
    char *at = p;
    while (n > 0) {
        ssize_t r = pread(fd, at, n, (off_t)off);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            return -ENODATA;
        at += r;
        off += (uint64_t)r;
        n -= (size_t)r;
    }
    return 0;
}

int file_pwrite_all(int fd, const void *p, size_t n, uint64_t off) {
    const char *at = p;
    while (n > 0) {
        ssize_t r = pwrite(fd, at, n, (off_t)off);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            return -EIO;
        at += r;
        off += (uint64_t)r;
        n -= (size_t)r;
    }
    return 0;
}

/* One read(2) behind what is in the buffer: 0 at the end, else the number of bytes. */
static ssize_t read_some(int fd, struct buf *b, size_t n) {
    int e = buf_reserve(b, n);
    if (e < 0)
        return e;
    ssize_t r;
    do
        r = read(fd, b->data + b->len, n);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    b->len += (size_t)r;
    return r;
}

/* A full buffer is no error yet: the file may end just there. */
static ssize_t read_past_end(int fd, struct buf *b) {
    char probe;
    ssize_t r;
    do
        r = read(fd, &probe, 1);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    return r == 0 ? 0 : (b->err = -EFBIG);
}

int file_load(const char *path, struct buf *ret) {
    if (ret->err)
        return ret->err;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode) && st.st_size > 0) {
        int e = buf_reserve(ret, (size_t)st.st_size); /* in one piece; the size is only a hint */
        if (e < 0)
            return e;
    }
    size_t start = ret->len;
    ssize_t r;
    do {
        size_t room = ret->max - ret->len;
        r = room > 0 ? read_some(fd, ret, MIN(room, 65536)) : read_past_end(fd, ret);
    } while (r > 0);
    if (r < 0)
        ret->len = start;
    return (int)r;
}

char *file_parent(const char *path) {
    const char *end = path + strlen(path);
    while (end > path + 1 && end[-1] == '/')
        end--;
    while (end > path && end[-1] != '/')
        end--;
    while (end > path + 1 && end[-1] == '/')
        end--;
    return end == path ? xstrdup(".") : xstrndup(path, (size_t)(end - path));
}

/* Some network filesystems answer that directories have nothing to sync. */
int file_sync_dir(const char *path) {
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP ? -errno : 0;
}

static int sync_parent(const char *path) {
    CLEANUP_FREE char *parent = file_parent(path);
    return file_sync_dir(parent);
}

/* A file of that name left over from a crash, or a link planted there, is removed rather than written to. */
static int write_new(const char *path, const void *p, size_t n, unsigned mode) {
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int r = file_pwrite_all(fd, p, n, 0);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(steal_fd(&fd)) < 0 && r == 0)
        r = -errno;
    return r;
}

int file_write_atomic(const char *path, const void *p, size_t n, unsigned mode) {
    CLEANUP_FREE char *tmp = xasprintf("%s.tmp", path);
    int r = write_new(tmp, p, n, mode);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        return r;
    }
    return sync_parent(path);
}

/* 1: made. 0: was there. */
static int make_dir(const char *path, unsigned mode) {
    struct stat st;
    if (mkdir(path, mode) == 0)
        return 1;
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* A new directory's name is as durable as what will stand in it: its parent is synced. */
int file_make_dirs(const char *path, unsigned mode) {
    int r = make_dir(path, mode);
    if (r == 0)
        return 0;
    if (r == -ENOENT && *path) {
        CLEANUP_FREE char *parent = file_parent(path);
        if (strcmp(parent, path) == 0 || strcmp(parent, ".") == 0)
            return r;
        r = file_make_dirs(parent, mode);
        if (r < 0)
            return r;
        r = make_dir(path, mode);
    }
    return r == 1 ? sync_parent(path) : r;
}

static int copy_by_hand(int from, uint64_t from_off, int to, uint64_t to_off, uint64_t n) {
    size_t size = (size_t)MIN(n, (uint64_t)1 << 18);
    CLEANUP_FREE char *chunk = xmalloc(size);
    while (n > 0) {
        size_t now = (size_t)MIN(n, (uint64_t)size);
        int r = file_pread_all(from, chunk, now, from_off);
        if (r == 0)
            r = file_pwrite_all(to, chunk, now, to_off);
        if (r < 0)
            return r;
        from_off += now;
        to_off += now;
        n -= now;
    }
    return 0;
}

/* copy_file_range(2) makes reflinks by itself where the filesystem has them. Whatever it refuses, or where it
 * moves nothing (some kernels do so for files without a size), is left to read and write, which tell the
 * truth. */
int file_copy_range(int from, uint64_t from_off, int to, uint64_t to_off, uint64_t n) {
    while (n > 0) {
        off64_t in = (off64_t)from_off, out = (off64_t)to_off;
        ssize_t r = copy_file_range(from, &in, to, &out, (size_t)MIN(n, (uint64_t)1 << 30), 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG))
            return -errno;
        if (r <= 0)
            return copy_by_hand(from, from_off, to, to_off, n);
        from_off += (uint64_t)r;
        to_off += (uint64_t)r;
        n -= (uint64_t)r;
    }
    return 0;
}
