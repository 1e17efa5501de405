/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "base/file.h"
#include "data/spool_parts.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

/* DIR/lost/<name>, or with ".1", ".2"... where that is taken; never replaces. */
static int move_to_lost(struct spool *s, const char *path, const char *name, char **ret) {
    CLEANUP_FREE char *dir = xasprintf("%s/lost", s->cfg.dir);
    int r = file_make_dirs(dir, 0700);
    if (r < 0)
        return r;
    for (unsigned n = 0; n < 1000; n++) {
        CLEANUP_FREE char *to = n ? xasprintf("%s/%s.%u", dir, name, n) : xasprintf("%s/%s", dir, name);
        if (renameat2(AT_FDCWD, path, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
            int synced = file_sync_dir(dir); /* it is there all the same */
            (void)synced;
            *ret = STEAL_PTR(&to);
            return 0;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

int spool_set_aside(struct spool_file *f, const char *hint, char **ret_path) {
    if (atomic_load(&f->removed))
        return -ENOENT;
    CLEANUP_FREE char *name = xasprintf("%" PRIu64 "-%.150s", f->id, hint ? hint : "");
    for (char *p = name; *p; p++)
        if (*p == '/' || (unsigned char)*p < ' ')
            *p = '_';
    CLEANUP_FREE char *to = NULL;
    int r = move_to_lost(f->spool, f->path, name, &to);
    if (r < 0)
        return r;
    fchmod(f->fd, 0600);
    unlink(f->map_path);
    atomic_store(&f->removed, true);
    atomic_store(&f->given, true);
    spool_leave_books(f, true, true);
    if (ret_path)
        *ret_path = STEAL_PTR(&to);
    return 0;
}

/* "<id><suffix>": false for any other name. */
static bool parse_name(const char *name, uint64_t *ret_id, const char **ret_suffix) {
    uint64_t id = 0;
    const char *p = name;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(id, 10, &id) || __builtin_add_overflow(id, (uint64_t)(*p - '0'), &id))
            return false;
    *ret_id = id;
    *ret_suffix = p;
    return p > name;
}

/* A regular file whose two ends can be read. More would be reading the whole spool. */
static bool readable(const char *path) {
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    char byte;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    return st.st_size == 0 || (pread(fd, &byte, 1, 0) == 1 && pread(fd, &byte, 1, st.st_size - 1) == 1);
}

struct sweep {
    struct spool *spool;
    bool (*keep)(void *arg, uint64_t id);
    void (*lost)(void *arg, uint64_t id, const char *path);
    void *arg;
};

static int sweep_file(struct sweep *w, uint64_t id, const char *path) {
    CLEANUP_FREE char *map = spool_file_name(w->spool, id, ".map");
    if (!w->keep(w->arg, id)) {
        unlink(map);
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    }
    if (readable(path))
        return 0;
    CLEANUP_FREE char *name = xasprintf("%" PRIu64, id);
    CLEANUP_FREE char *to = NULL;
    int r = move_to_lost(w->spool, path, name, &to);
    if (r < 0)
        return r;
    unlink(map);
    if (w->lost)
        w->lost(w->arg, id, to);
    return 0;
}

static int sweep_name(struct sweep *w, const char *name) {
    uint64_t id;
    const char *suffix;
    if (!parse_name(name, &id, &suffix))
        return 0;
    CLEANUP_FREE char *path = spool_file_name(w->spool, id, suffix);
    if (!*suffix)
        return sweep_file(w, id, path);
    if (strcmp(suffix, ".new") == 0)
        unlink(path);
    if (strcmp(suffix, ".map") == 0) {
        CLEANUP_FREE char *file = spool_file_name(w->spool, id, "");
        struct stat st;
        if (lstat(file, &st) < 0 && errno == ENOENT)
            unlink(path);
    }
    return 0;
}

int spool_sweep(struct spool *s, bool (*keep)(void *arg, uint64_t id),
                void (*lost)(void *arg, uint64_t id, const char *path), void *arg) {
    struct sweep w = {s, keep, lost, arg};
    DIR *d = opendir(s->files_dir);
    if (!d)
        return -errno;
    int err = 0;
    for (struct dirent *e; (e = readdir(d));) {
        int r = sweep_name(&w, e->d_name);
        err = err ? err : r;
    }
    closedir(d);
    return err;
}
