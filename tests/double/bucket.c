/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bucket.h"
#include "object_path.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define XATTR "user.assetfs-double"
#define HEADERS_MAX 8192

struct bucket {
    char *objects, *work;
    atomic_ulong names;
};

struct draft {
    int fd;
    char *path; /* NULL: it is an object now */
    uint64_t size;
    EVP_MD_CTX *sha256;
};

/* ---- the directories ---- */

/* mkdir -p */
static int make_dirs(const char *path) {
    CLEANUP_FREE char *copy = xstrdup(path);
    for (char *slash = copy; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(copy, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Links, and extended attributes: without them nothing here works. */
static int try_out(struct bucket *b) {
    struct draft *d = draft_new(b);
    if (!d)
        return -errno;
    CLEANUP_FREE char *to = xasprintf("%s/.tmp/double", b->objects);
    int r = fsetxattr(d->fd, XATTR, "", 0, 0) < 0 || link(d->path, to) < 0 ? -errno : 0;
    unlink(to);
    draft_free(d);
    return r;
}

struct bucket *bucket_new(const char *objects, const char *work) {
    struct bucket *b = xcalloc(1, sizeof *b);
    b->objects = xstrdup(objects);
    b->work = xstrdup(work);
    CLEANUP_FREE char *mark = xasprintf("%s/.tmp", objects);
    int r = make_dirs(mark);
    if (r == 0)
        r = make_dirs(work);
    if (r == 0)
        r = try_out(b);
    if (r < 0) {
        fprintf(stderr,
                "assetfs-double: %s and %s must be on one file system that has hard links and extended "
                "attributes: %s\n",
                objects, work, strerror(-r));
        bucket_free(b);
        return NULL;
    }
    return b;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void bucket_free(struct bucket *b) {
    if (!b)
        return;
    nftw(b->work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(b->objects);
    free(b->work);
    free(b);
}

char *bucket_work_name(struct bucket *b, const char *kind) {
    return xasprintf("%s/%s-%lu", b->work, kind, atomic_fetch_add(&b->names, 1));
}

/* ---- drafts ---- */

struct draft *draft_new(struct bucket *b) {
    CLEANUP_FREE char *path = bucket_work_name(b, "draft");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return NULL;
    struct draft *d = xcalloc(1, sizeof *d);
    d->fd = fd;
    d->path = mem_steal(&path);
    d->sha256 = mem_check(EVP_MD_CTX_new());
    EVP_DigestInit_ex(d->sha256, EVP_sha256(), NULL);
    return d;
}

int draft_write(struct draft *d, const void *p, size_t n) {
    const char *from = p;
    EVP_DigestUpdate(d->sha256, p, n);
    while (n) {
        ssize_t w = pwrite(d->fd, from, n, (off_t)d->size);
        if (w < 0)
            return -errno;
        from += w;
        n -= (size_t)w;
        d->size += (uint64_t)w;
    }
    return 0;
}

int draft_append(struct draft *d, const struct draft *part) {
    off_t from = 0;
    while ((uint64_t)from < part->size) {
        off_t to = (off_t)d->size;
        ssize_t n = copy_file_range(part->fd, &from, d->fd, &to, part->size - (uint64_t)from, 0);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        d->size += (uint64_t)n;
    }
    return 0;
}

uint64_t draft_size(const struct draft *d) {
    return d->size;
}

void draft_digest(struct draft *d, unsigned char ret[BUCKET_DIGEST]) {
    EVP_DigestFinal_ex(d->sha256, ret, NULL);
}

int draft_md5(const struct draft *d, unsigned char ret[16]) {
    EVP_MD_CTX *md5 = mem_check(EVP_MD_CTX_new());
    EVP_DigestInit_ex(md5, EVP_md5(), NULL);
    char block[65536];
    ssize_t n;
    for (off_t off = 0; (n = pread(d->fd, block, sizeof block, off)) > 0; off += n)
        EVP_DigestUpdate(md5, block, (size_t)n);
    EVP_DigestFinal_ex(md5, ret, NULL);
    EVP_MD_CTX_free(md5);
    return n < 0 ? -EIO : 0;
}

void draft_free(struct draft *d) {
    if (!d)
        return;
    if (d->path)
        unlink(d->path);
    close(d->fd);
    EVP_MD_CTX_free(d->sha256);
    free(d->path);
    free(d);
}

/* ---- objects ---- */

static char *path_of(struct bucket *b, const char *key) {
    CLEANUP_FREE char *rel = object_path(key);
    return rel ? xasprintf("%s/%s", b->objects, rel) : NULL;
}

static int place(struct draft *d, const char *path, bool only_if_absent) {
    if (only_if_absent)
        return link(d->path, path) < 0 ? -errno : 0;
    if (rename(d->path, path) < 0)
        return -errno;
    free(d->path);
    d->path = NULL;
    return 0;
}

int bucket_commit(struct bucket *b, struct draft *d, const char *key, const char *headers,
                  bool only_if_absent) {
    CLEANUP_FREE char *path = path_of(b, key);
    if (!path)
        return -ENAMETOOLONG;
    if (fsetxattr(d->fd, XATTR, headers, strlen(headers), 0) < 0)
        return errno == ENOSPC || errno == ERANGE ? -E2BIG : -errno;
    int r = place(d, path, only_if_absent);
    if (r == -ENOENT) {
        CLEANUP_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
        r = make_dirs(parent);
        if (r == 0)
            r = place(d, path, only_if_absent);
    }
    return r;
}

static char *headers_of(int fd, const struct stat *st) {
    char *headers = xcalloc(1, HEADERS_MAX + 1);
    ssize_t n = fgetxattr(fd, XATTR, headers, HEADERS_MAX);
    if (n <= 0)
        snprintf(headers, HEADERS_MAX, "ETag: \"%llx-%llx-%llx\"\nContent-Type: binary/octet-stream\n",
                 (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
                 (unsigned long long)st->st_mtim.tv_sec);
    return headers;
}

int bucket_open(struct bucket *b, const char *key, struct object *ret) {
    CLEANUP_FREE char *path = path_of(b, key);
    if (!path)
        return -ENAMETOOLONG;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return errno == ENOTDIR ? -ENOENT : -errno;
    if (!S_ISREG(st.st_mode))
        return -ENOENT;
    *ret = (struct object){.fd = fd, .size = (uint64_t)st.st_size, .modified = st.st_mtim.tv_sec};
    ret->headers = headers_of(fd, &st);
    ret->path = mem_steal(&path);
    fd = -1;
    return 0;
}

bool bucket_has(struct bucket *b, const char *key) {
    CLEANUP_FREE char *path = path_of(b, key);
    struct stat st;
    return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int bucket_remove(struct bucket *b, const char *key) {
    CLEANUP_FREE char *path = path_of(b, key);
    return !path ? -ENAMETOOLONG : unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* ---- listing ---- */

struct keys {
    char **list;
    size_t n;
};

/* Of one directory and what is in it; at: its path below the bucket, "" or "files/". */
static int collect(struct bucket *b, const char *at, const char *prefix, struct keys *keys) {
    CLEANUP_FREE char *path = xasprintf("%s/%s", b->objects, at);
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        CLEANUP_FREE char *name = xasprintf("%s%s", at, e->d_name);
        CLEANUP_FREE char *key = text_uri_decode(name, false);
        bool own = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(name, ".tmp");
        if (own || fstatat(dirfd(dir), e->d_name, &st, 0) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            CLEANUP_FREE char *below = xasprintf("%s/", name);
            collect(b, below, prefix, keys);
        } else if (key && text_begins(key, prefix)) {
            keys->list = xrealloc(keys->list, (keys->n + 1) * sizeof *keys->list);
            keys->list[keys->n++] = mem_steal(&key);
        }
    }
    closedir(dir);
    return 0;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int bucket_list(struct bucket *b, const char *prefix, unsigned max, void (*fn)(void *arg, const char *key),
                void *arg) {
    struct keys keys = {0};
    int r = collect(b, "", prefix, &keys);
    if (keys.n)
        qsort(keys.list, keys.n, sizeof *keys.list, by_bytes);
    for (size_t i = 0; i < keys.n; i++) {
        if (i < max)
            fn(arg, keys.list[i]);
        free(keys.list[i]);
    }
    free(keys.list);
    return r;
}

void object_close(struct object *o) {
    if (o->fd >= 0)
        close(o->fd);
    free(o->path);
    free(o->headers);
    *o = (struct object){.fd = -1};
}
