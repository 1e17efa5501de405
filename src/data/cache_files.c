/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/cache_files.h"
#include "base/digest.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <utlist.h>

int cache_files_init(struct cache_files *f, const char *blocks_dir, unsigned max) {
    *f = (struct cache_files){.dir = -1, .max = max};
    if (mkdir(blocks_dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    f->dir = open(blocks_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->dir < 0 ? -errno : 0;
}

static void take_out(struct cache_files *f, struct cache_file *file) {
    HASH_DEL(f->table, file);
    DL_DELETE(f->lru, file);
    f->n--;
    file->forgotten = true;
    if (file->pins == 0) {
        close(file->fd);
        free(file);
    }
}

void cache_files_close(struct cache_files *f) {
    struct cache_file *file, *tmp;
    HASH_ITER (hh, f->table, file, tmp) {
        take_out(f, file);
    }
    if (f->dir >= 0)
        close(f->dir);
    f->dir = -1;
}

static struct cache_file *lookup(struct cache_files *f, const uint8_t id[DIGEST_SIZE]) {
    struct cache_file *file;
    HASH_FIND(hh, f->table, id, DIGEST_SIZE, file);
    return file;
}

struct cache_file *cache_files_find(struct cache_files *f, const uint8_t id[DIGEST_SIZE]) {
    struct cache_file *file = lookup(f, id);
    if (!file)
        return NULL;
    file->pins++;
    if (file != f->lru) {
        DL_DELETE(f->lru, file);
        DL_PREPEND(f->lru, file);
    }
    return file;
}

/* Closes the least recently used ones that nobody uses. */
static void trim(struct cache_files *f) {
    struct cache_file *file = f->lru ? f->lru->prev : NULL; /* utlist: the head's prev is the tail */
    while (file && f->n > f->max) {
        struct cache_file *newer = file == f->lru ? NULL : file->prev;
        if (file->pins == 0)
            take_out(f, file);
        file = newer;
    }
}

struct cache_file *cache_files_add(struct cache_files *f, const uint8_t id[DIGEST_SIZE], int fd) {
    struct cache_file *file = cache_files_find(f, id);
    if (file) {
        close(fd);
        return file;
    }
    file = xcalloc(1, sizeof *file);
    memcpy(file->id, id, DIGEST_SIZE);
    file->fd = fd;
    file->pins = 1;
    HASH_ADD(hh, f->table, id, DIGEST_SIZE, file);
    DL_PREPEND(f->lru, file);
    f->n++;
    trim(f);
    return file;
}

void cache_files_unpin(struct cache_files *f, struct cache_file *file) {
    (void)f;
    if (--file->pins == 0 && file->forgotten) {
        close(file->fd);
        free(file);
    }
}

void cache_files_forget(struct cache_files *f, const uint8_t id[DIGEST_SIZE]) {
    struct cache_file *file = lookup(f, id);
    if (file)
        take_out(f, file);
}

void cache_files_forget_shard(struct cache_files *f, unsigned shard) {
    struct cache_file *file, *tmp;
    HASH_ITER (hh, f->table, file, tmp) {
        if (file->id[DIGEST_SIZE - 1] == shard)
            take_out(f, file);
    }
}

void cache_files_name(const uint8_t id[DIGEST_SIZE], char ret[CACHE_NAME_SIZE]) {
    digest_hex(id, ret + 3);
    memcpy(ret, ret + 3, 2);
    ret[2] = '/';
}

static int make_parent(const struct cache_files *f, const char *name) {
    char dir[3] = {name[0], name[1], '\0'};
    return mkdirat(f->dir, dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int cache_files_open(const struct cache_files *f, const uint8_t id[DIGEST_SIZE], bool create) {
    char name[CACHE_NAME_SIZE];
    cache_files_name(id, name);
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
    int fd = openat(f->dir, name, flags, 0600);
    if (fd < 0 && errno == ENOENT && create && make_parent(f, name) == 0)
        fd = openat(f->dir, name, flags, 0600);
    return fd < 0 ? -errno : fd;
}

int cache_files_unlink(const struct cache_files *f, const uint8_t id[DIGEST_SIZE]) {
    char name[CACHE_NAME_SIZE];
    cache_files_name(id, name);
    return unlinkat(f->dir, name, 0) < 0 ? -errno : 0;
}

int cache_files_punch(const struct cache_files *f, const uint8_t id[DIGEST_SIZE], uint64_t off,
                      uint64_t len) {
    CLEANUP_CLOSE int fd = cache_files_open(f, id, false);
    if (fd < 0)
        return fd;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0)
        return 0;
    return errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

int cache_files_take(const struct cache_files *f, const uint8_t id[DIGEST_SIZE], const char *path,
                     bool replace) {
    char name[CACHE_NAME_SIZE];
    cache_files_name(id, name);
    unsigned flags = replace ? 0 : RENAME_NOREPLACE;
    int r = renameat2(AT_FDCWD, path, f->dir, name, flags);
    if (r < 0 && errno == ENOENT && make_parent(f, name) == 0)
        r = renameat2(AT_FDCWD, path, f->dir, name, flags);
    if (r < 0 && errno == EINVAL && !replace) /* a file system without RENAME_NOREPLACE */
        r = faccessat(f->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? (errno = EEXIST, -1)
                                                                    : renameat(AT_FDCWD, path, f->dir, name);
    return r < 0 ? -errno : 0;
}
