/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/secret_file.h"
#include "base/file.h"
#include <fcntl.h>
#include <openssl/crypto.h>

#define TRIES 3
#define SETTLED_NS INT64_C(2000000000)

static struct secret_mark mark_of(const struct stat *st) {
    return (struct secret_mark){.there = true,
                                .exposed = st->st_mode & S_IROTH,
                                .dev = st->st_dev,
                                .ino = st->st_ino,
                                .size = st->st_size,
                                .mtime = st->st_mtim,
                                .ctime = st->st_ctim};
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct secret_mark *a, const struct secret_mark *b) {
    return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

bool secret_file_changed(const char *path, const struct secret_mark *was) {
    struct stat st;
    struct secret_mark is = {0};
    if (stat(path, &st) == 0)
        is = mark_of(&st);
    return !same(&is, was) || (is.there && !was->settled);
}

void secret_text_free(struct secret_text *t) {
    if (t->p)
        OPENSSL_cleanse(t->p, t->len);
    free(t->p);
    *t = (struct secret_text){0};
}

/* -EAGAIN: it has changed meanwhile. */
static int read_open(int fd, size_t max, struct secret_text *ret, struct secret_mark *mark) {
    struct stat st, after;
    if (fstat(fd, &st) < 0)
        return -errno;
    *mark = mark_of(&st);
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((uint64_t)st.st_size > max)
        return -EFBIG;
    *ret = (struct secret_text){.p = xmalloc((size_t)st.st_size + 1), .len = (size_t)st.st_size};
    ret->p[ret->len] = '\0';
    int r = file_pread_all(fd, ret->p, ret->len, 0);
    if (r == -ENODATA)
        return -EAGAIN;
    if (r == 0 && fstat(fd, &after) < 0)
        return -errno;
    struct secret_mark now = mark_of(&after);
    return r < 0 ? r : same(mark, &now) ? 0 : -EAGAIN;
}

static int read_once(const char *path, size_t max, struct secret_text *ret, struct secret_mark *mark) {
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        struct stat st;
        int err = errno == ENOTDIR ? ENOENT : errno;
        *mark = stat(path, &st) == 0 ? mark_of(&st) : (struct secret_mark){0};
        return -err;
    }
    int r = read_open(fd, max, ret, mark);
    if (r < 0)
        secret_text_free(ret);
    return r;
}

int secret_file_read(const char *path, size_t max, int64_t now_ns, struct secret_text *ret,
                     struct secret_mark *mark) {
    int r = -EAGAIN;
    *mark = (struct secret_mark){0};
    for (unsigned i = 0; i < TRIES && r == -EAGAIN; i++)
        r = read_once(path, max, ret, mark);
    int64_t mtime = (int64_t)mark->mtime.tv_sec * 1000000000 + mark->mtime.tv_nsec;
    mark->settled = now_ns - mtime > SETTLED_NS;
    return r;
}
