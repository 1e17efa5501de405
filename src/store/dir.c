/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/dir.h"
#include "base/digest.h"
#include "base/file.h"
#include "store/key_path.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <uthash.h>

/* The directory for objects in the making, and the mark by which a bucket is known: a mount point whose disk
 * is not mounted is a directory as well, and without the mark a put would quietly begin a second, empty
 * bucket in it. */
#define TMP_DIR KEY_PATH_RESERVED
#define COPY_SIZE ((size_t)1 << 20)
/* More than this is never read into memory at once: a whole-object get must not let whoever put the object
 * decide how much memory it takes. */
#define GET_MAX ((uint64_t)256 << 20)
#define KNOWN_DIRS_MAX 4096
#define LEFTOVER_S (7 * 24 * 3600)

/* A directory of the bucket whose name in its parent is known to be on disk, so that a put needs not sync it
 * again. */
struct known_dir {
    UT_hash_handle hh;
    char path[];
};

struct dir_store {
    struct store base;
    char *path;
    _Atomic bool no_unnamed; /* O_TMPFILE, or giving such a file a name, does not work here */
    pthread_mutex_t lock;
    struct known_dir *known; /* by path relative to the bucket; guarded by lock */
};

static struct dir_store *dir_store(struct store *s) {
    return container_of(s, struct dir_store, base);
}

/* ---- operations: made by the caller, worked on by a worker, answered on the loop ---- */

struct dir_op {
    struct dir_store *dir;
    char *rel; /* NULL: no such path */
    char *key;
    int err;
    char *why;
    const struct store_put *put;
    store_put_done put_done;
    uint64_t off, len, total;
    char *data;
    store_get_done get_done;
    void *arg;
};

static struct dir_op *op_new(struct dir_store *dir, const char *key, void *arg) {
    struct dir_op *op = xcalloc(1, sizeof *op);
    op->dir = dir;
    op->key = xstrdup(key);
    op->rel = key_path_encode(key);
    op->arg = arg;
    return op;
}

static void op_free(struct dir_op *op) {
    free(op->rel);
    free(op->key);
    free(op->why);
    free(op->data);
    free(op);
}

static void op_fail(struct dir_op *op, int err, const char *fmt, ...) ATTR_PRINTF(3, 4);
static void op_fail(struct dir_op *op, int err, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    free(op->why);
    if (vasprintf(&op->why, fmt, ap) < 0)
        op->why = NULL;
    va_end(ap);
    op->err = err;
}

/* The one place where the errno of a local file becomes an error of store.h. `doing`: "write to", "read". */
static void op_fail_errno(struct dir_op *op, int e, const char *doing) {
    const char *path = op->dir->path;
    switch (e) {
    case EROFS:
    case EACCES:
    case EPERM:
        op_fail(op, -EACCES,
                "assetfs may not %s the bucket directory %s (%s): check its owner and mode, and that it is "
                "not mounted "
                "read-only",
                doing, path, strerror(e));
        break;
    case ENOSPC:
    case EDQUOT:
        op_fail(op, -ENOSPC, "the disk of the bucket directory %s is full (%s): make room on it", path,
                strerror(e));
        break;
    case ENAMETOOLONG:
    case EFBIG:
        op_fail(op, -EINVAL,
                "the bucket directory %s cannot hold %s (%s): a shorter key or a smaller file is needed",
                path, op->key ? op->key : "this object", strerror(e));
        break;
    default:
        op_fail(op, e == ETIMEDOUT ? -ETIMEDOUT : -EIO,
                "assetfs cannot %s the bucket directory %s (%s): check the disk", doing, path, strerror(e));
    }
}

static void op_fail_key(struct dir_op *op, const char *what) {
    op_fail(op, -EINVAL, "the bucket directory %s cannot hold the key \"%s\": %s", op->dir->path, op->key,
            what);
}

/* Whether the mark is there: 0, or the negative errno of why not. */
static int check_mark(int root) {
    struct stat st;
    if (fstatat(root, TMP_DIR, &st, 0) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static void op_fail_mark(struct dir_op *op, int err) {
    if (err != -ENOENT && err != -ENOTDIR)
        op_fail_errno(op, -err, "look into");
    else
        op_fail(op, -EIO, "the directory %s is there but is not a bucket, it has no %s in it (not mounted?)",
                op->dir->path, TMP_DIR);
}

/* The bucket's directory, opened anew each time: a bucket that was unmounted and comes back goes on. */
static int open_root(struct dir_op *op) {
    int root = open(op->dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0)
        return root;
    if (errno == ENOENT || errno == ENOTDIR)
        op_fail(op, -EIO, "the bucket directory %s is not there (not mounted?)", op->dir->path);
    else
        op_fail_errno(op, errno, "open");
    return -1;
}

/* ---- directories that are known to be on disk ---- */

static bool known_has(struct dir_store *dir, const char *path) {
    SCOPE_LOCK(&dir->lock);
    struct known_dir *k;
    HASH_FIND_STR(dir->known, path, k);
    return k;
}

static void known_clear(struct dir_store *dir) {
    struct known_dir *k, *next;
    HASH_ITER (hh, dir->known, k, next) {
        HASH_DEL(dir->known, k);
        free(k);
    }
}

static void known_add(struct dir_store *dir, const char *path) {
    SCOPE_LOCK(&dir->lock);
    struct known_dir *k;
    HASH_FIND_STR(dir->known, path, k);
    if (k)
        return;
    if (HASH_COUNT(dir->known) >= KNOWN_DIRS_MAX)
        known_clear(dir);
    k = xcalloc(1, sizeof *k + strlen(path) + 1);
    strcpy(k->path, path);
    HASH_ADD_STR(dir->known, path, k);
}

static void known_remove(struct dir_store *dir, const char *path) {
    SCOPE_LOCK(&dir->lock);
    struct known_dir *k;
    HASH_FIND_STR(dir->known, path, k);
    if (k) {
        HASH_DEL(dir->known, k);
        free(k);
    }
}

/* Calls fn for the directory of rel and for each above it, top down, and stops at the first that fails ("" is
 * the bucket itself and is not visited). Returns 0 or a negative errno. */
static int each_dir(struct dir_store *dir, int root, const char *rel,
                    int (*fn)(struct dir_store *, int root, char *path)) {
    CLEANUP_FREE char *path = xstrdup(rel);
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = fn(dir, root, path);
        *slash = '/';
        if (r < 0)
            return r;
    }
    return 0;
}

/* Some network file systems cannot sync a directory and say EINVAL: there the server's word has to do. */
static int sync_dir(int fd) {
    return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

static int sync_dir_at(int root, const char *path) {
    CLEANUP_CLOSE int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : sync_dir(fd);
}

/* Group-writable as the umask says; never writable for everybody, whatever umask the daemon has. */
static int make_dir(struct dir_store *dir, int root, char *path) {
    if (mkdirat(root, path, 0775) < 0)
        return errno == EEXIST ? 0 : -errno;
    known_remove(dir, path);
    return 0;
}

/* Makes the name of a directory durable: another process may have made it and not have come to its own fsync
 * yet, so what counts is not who made it but whether we have seen it synced. */
static int sync_dir_name(struct dir_store *dir, int root, char *path) {
    if (known_has(dir, path))
        return 0;
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    int r = sync_dir_at(root, slash ? path : ".");
    if (slash)
        *slash = '/';
    if (r == 0)
        known_add(dir, path);
    return r;
}

/* ---- put ---- */

struct making {
    int root, fd;
    char tmp[sizeof TMP_DIR + 1 + 32]; /* its name below root, "" while it has none */
};

static int open_unnamed(struct dir_store *dir, struct making *m) {
    if (atomic_load(&dir->no_unnamed))
        return -EOPNOTSUPP;
    m->fd = openat(m->root, TMP_DIR, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0444);
    if (m->fd >= 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOSYS)
        return -errno;
    atomic_store(&dir->no_unnamed, true);
    return -EOPNOTSUPP;
}

static int open_named(struct dir_store *dir, struct making *m) {
    uint8_t r[12];
    char hex[2 * sizeof r + 1];
    env_random(dir->base.env, r, sizeof r);
    hex_encode(r, sizeof r, hex);
    snprintf(m->tmp, sizeof m->tmp, "%s/%s", TMP_DIR, hex);
    m->fd = openat(m->root, m->tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
    if (m->fd >= 0)
        return 0;
    m->tmp[0] = '\0';
    return -errno;
}

static void making_drop(struct making *m) {
    if (m->tmp[0])
        unlinkat(m->root, m->tmp, 0);
    m->tmp[0] = '\0';
    if (m->fd >= 0)
        close(steal_fd(&m->fd));
}

/* Copies the source into the file and computes the digest of what was copied, in one pass. Source trouble and
 * file trouble must be told apart: *ret_source is set for the former. */
static int copy_fd(const struct store_put *put, int to, uint8_t sha256[DIGEST_SIZE], bool *ret_source) {
    CLEANUP_FREE char *buf = xmalloc(COPY_SIZE);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int r = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) ? 0 : -EIO;
    for (uint64_t off = 0; r == 0 && off < put->size;) {
        size_t n = MIN(COPY_SIZE, put->size - off);
        if ((r = file_pread_all(put->fd, buf, n, off)) < 0)
            *ret_source = true;
        else if (!EVP_DigestUpdate(md, buf, n))
            r = -EIO;
        else
            r = file_pwrite_all(to, buf, n, off);
        off += n;
    }
    if (r == 0 && !EVP_DigestFinal_ex(md, sha256, NULL))
        r = -EIO;
    EVP_MD_CTX_free(md);
    return r;
}

static void put_copy(struct dir_op *op, struct making *m) {
    const struct store_put *put = op->put;
    uint8_t sha256[DIGEST_SIZE];
    bool source = false;
    int r;
    if (put->bytes || put->size == 0) {
        digest_of(put->bytes, put->size, sha256);
        r = file_pwrite_all(m->fd, put->bytes, put->size, 0);
    } else {
        r = copy_fd(put, m->fd, sha256, &source);
    }
    if (r < 0 && source)
        op_fail(op, -EIO, "the local file to be put at %s cannot be read whole (%s)", op->key,
                r == -ENODATA ? "it is shorter than it should be" : strerror(-r));
    else if (r < 0)
        op_fail_errno(op, -r, "write to");
    else if (memcmp(sha256, put->sha256, DIGEST_SIZE))
        op_fail(
            op, -EIO,
            "the bytes to be put at %s are not those their SHA-256 was computed of: they changed in between",
            op->key);
    if (op->err)
        return;
    const char *type = put->content_type ? put->content_type : "application/octet-stream";
    if (fsetxattr(m->fd, "user.mime_type", type, strlen(type), 0) < 0) {
        /* Kept where the file system can; the object is as good without it. */
    }
    if (fdatasync(m->fd) < 0)
        op_fail_errno(op, errno, "write to");
}

/* What stands at the path: 0 nothing, -EEXIST an object, -EISDIR and -ENOTDIR something that keeps it from
 * being one. */
static int look_at(int root, const char *rel) {
    struct stat st;
    if (fstatat(root, rel, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    return S_ISREG(st.st_mode) || S_ISLNK(st.st_mode) ? -EEXIST : -EISDIR;
}

/* Gives the unnamed file its name. Without privileges older kernels allow that only by way of /proc.
 * -EOPNOTSUPP: neither way works here. */
static int link_unnamed(struct dir_store *dir, struct making *m, int parent, const char *name) {
    if (linkat(m->fd, "", parent, name, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOENT && errno != EPERM && errno != EINVAL)
        return -errno;
    char proc[32];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", m->fd);
    if (linkat(AT_FDCWD, proc, parent, name, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno == EEXIST || errno == ENOSPC || errno == EDQUOT || errno == EACCES || errno == EROFS ||
        errno == EIO)
        return -errno;
    atomic_store(&dir->no_unnamed, true);
    return -EOPNOTSUPP;
}

/* link(2) never replaces; where there are no hard links (FAT), rename without replacing is as good. */
static int link_named(struct making *m, int parent, const char *name) {
    if (linkat(m->root, m->tmp, parent, name, 0) == 0)
        return 0;
    int e = errno;
    struct stat st;
    /* NFS: the answer to a link that was made may be lost, and its second try sees the first. */
    if (e == EEXIST && fstat(m->fd, &st) == 0 && st.st_nlink == 2)
        return 0;
    if (e != EPERM && e != EOPNOTSUPP && e != ENOSYS && e != EMLINK)
        return -e;
    if (renameat2(m->root, m->tmp, parent, name, RENAME_NOREPLACE) < 0)
        return errno == EINVAL || errno == ENOSYS ? -e : -errno;
    m->tmp[0] = '\0';
    return 0;
}

/* The directory for rel, made if need be. A negative errno: -ENOTDIR when the key runs through an object. */
static int open_parent(struct dir_store *dir, int root, const char *rel) {
    const char *slash = strrchr(rel, '/');
    CLEANUP_FREE char *parent = slash ? xstrndup(rel, (size_t)(slash - rel)) : xstrdup(".");
    int fd = openat(root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int r = each_dir(dir, root, rel, make_dir);
        if (r < 0)
            return r;
        fd = openat(root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd < 0 ? -errno : fd;
}

/* Names the file and syncs what leads to it, also for an object that is there already: whoever put it may not
 * have come to that yet, and our caller goes on as if it were durable. -EOPNOTSUPP: try with a named file. */
static int put_link(struct dir_op *op, struct making *m) {
    struct dir_store *dir = op->dir;
    CLEANUP_CLOSE int parent = open_parent(dir, m->root, op->rel);
    if (parent < 0)
        return parent;
    const char *slash = strrchr(op->rel, '/'), *name = slash ? slash + 1 : op->rel;
    int linked = m->fd < 0   ? -EEXIST
                 : m->tmp[0] ? link_named(m, parent, name)
                             : link_unnamed(dir, m, parent, name);
    if (linked == -EEXIST && (linked = look_at(m->root, op->rel)) == 0)
        return -ESTALE; /* there a moment ago: somebody removes objects */
    if (linked < 0 && linked != -EEXIST)
        return linked;
    int r = sync_dir(parent);
    if (r == 0)
        r = each_dir(dir, m->root, op->rel, sync_dir_name);
    return r < 0 ? r : linked;
}

/* -EOPNOTSUPP: an object cannot be made this way (unnamed) here. Failures of the copying are in op->err
 * instead. */
static int put_make(struct dir_op *op, int root, bool named) {
    struct making m = {.root = root, .fd = -1};
    int r = named ? open_named(op->dir, &m) : open_unnamed(op->dir, &m);
    if (r < 0)
        return r;
    put_copy(op, &m);
    if (op->err == 0)
        r = put_link(op, &m);
    making_drop(&m);
    return r;
}

static void put_finish_work(struct dir_op *op, int r) {
    switch (r) {
    case 0:
        break;
    case -EEXIST:
        op_fail(op, -EEXIST, "there is an object at %s already", op->key);
        break;
    case -EISDIR:
        op_fail_key(op, "other objects have it as the beginning of their keys");
        break;
    case -ENOTDIR:
        op_fail_key(op, "it runs through the key of another object");
        break;
    case -EINVAL:
    case -EILSEQ:
        op_fail_key(op, "the file system takes no such name");
        break;
    default:
        op_fail_errno(op, -r, "write to");
    }
}

static void put_work(void *arg) {
    struct dir_op *op = arg;
    if (!op->rel) {
        op_fail_key(op, "it is empty, too long, or begins with a slash");
        return;
    }
    CLEANUP_CLOSE int root = open_root(op);
    if (root < 0)
        return;
    int r = check_mark(root);
    if (r < 0) {
        op_fail_mark(op, r);
        return;
    }
    r = look_at(root, op->rel);
    if (r == -EEXIST) {
        r = put_link(op, &(struct making){.root = root, .fd = -1});
    } else if (r == 0) {
        r = put_make(op, root, false);
        if (r == -EOPNOTSUPP && op->err == 0)
            r = put_make(op, root, true);
    }
    if (op->err == 0)
        put_finish_work(op, r);
}

static void put_answer(void *arg) {
    struct dir_op *op = arg;
    if (op->err == 0)
        counter_add(op->dir->base.counters, COUNTER_BYTES_UPLOADED, op->put->size);
    op->put_done(op->arg, op->err, op->why);
    op_free(op);
}

static void dir_put_if_absent(struct store *s, const struct store_put *put, store_put_done done, void *arg) {
    struct dir_op *op = op_new(dir_store(s), put->key, arg);
    op->put = put;
    op->put_done = done;
    counter_add(s->counters, COUNTER_STORE_PUTS, 1);
    env_work(s->env, put_work, put_answer, op);
}

/* ---- get ---- */

static void get_fail_open(struct dir_op *op, int root, int e) {
    int mark = e == ENOENT ? check_mark(root) : 0;
    if (mark < 0)
        op_fail_mark(op, mark);
    else if (e == ENOENT)
        op_fail(op, -ENOENT, "there is no object at %s in the bucket directory %s", op->key, op->dir->path);
    else if (e == ENOTDIR)
        op_fail_key(op, "it runs through the key of another object");
    else
        op_fail_errno(op, e, "read");
}

static void get_read(struct dir_op *op, int fd) {
    bool whole = op->len == 0;
    if (op->off >= op->total) {
        if (whole && op->off == 0)
            return; /* an empty object, read whole */
        op_fail(op, -ERANGE, "the object at %s has %llu bytes, and bytes from %llu on were asked for",
                op->key, (unsigned long long)op->total, (unsigned long long)op->off);
        return;
    }
    uint64_t n = op->total - op->off;
    if (!whole)
        n = MIN(n, op->len);
    if (n > GET_MAX) {
        op_fail(op, -EINVAL, "the object at %s is too large (%llu bytes) to be read at once", op->key,
                (unsigned long long)op->total);
        return;
    }
    op->data = xmalloc(n);
    op->len = n;
    int r = file_pread_all(fd, op->data, n, op->off);
    if (r == -ENODATA)
        op_fail(op, -EIO, "the object at %s became shorter while it was read: something else writes in %s",
                op->key, op->dir->path);
    else if (r < 0)
        op_fail_errno(op, -r, "read");
}

static void get_work(void *arg) {
    struct dir_op *op = arg;
    if (!op->rel) {
        op_fail_key(op, "it is empty, too long, or begins with a slash");
        return;
    }
    CLEANUP_CLOSE int root = open_root(op);
    if (root < 0)
        return;
    /* O_NONBLOCK: a FIFO that somebody left there must not hold up a worker. */
    CLEANUP_CLOSE int fd = openat(root, op->rel, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) {
        get_fail_open(op, root, errno);
    } else if (fstat(fd, &st) < 0) {
        op_fail_errno(op, errno, "read");
    } else if (!S_ISREG(st.st_mode)) {
        op_fail_key(op, "what stands there is not a file");
    } else {
        op->total = (uint64_t)st.st_size;
        get_read(op, fd);
    }
}

static void get_answer(void *arg) {
    struct dir_op *op = arg;
    struct store_got got = {.err = op->err, .why = op->why};
    if (op->err == 0) {
        got.data = op->data;
        got.len = op->data ? op->len : 0;
        got.total = op->total;
        counter_add(op->dir->base.counters, COUNTER_BYTES_FETCHED, got.len);
    }
    op->get_done(op->arg, &got);
    op_free(op);
}

static void dir_get_range(struct store *s, const char *key, uint64_t off, uint64_t len,
                          unsigned flags ATTR_UNUSED, store_get_done done, void *arg) {
    struct dir_op *op = op_new(dir_store(s), key, arg);
    op->off = off;
    op->len = len;
    op->get_done = done;
    counter_add(s->counters, COUNTER_STORE_GETS, 1);
    env_work(s->env, get_work, get_answer, op);
}

/* ---- list: walks everything first, so that the keys are given on the loop ---- */

struct listed {
    char *key;
    uint64_t size;
};

struct dir_list {
    struct dir_op op; /* key: the prefix */
    struct listed *items;
    size_t n, cap;
    store_list_each each;
};

static void list_add(struct dir_list *l, char *key, uint64_t size) {
    if (l->n == l->cap) {
        l->cap = MAX(64, 2 * l->cap);
        l->items = xrealloc(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->n++] = (struct listed){key, size};
}

/* Whether keys that begin with prefix can be below the directory. */
static bool list_enters(const char *prefix, const char *rel) {
    if (!strcmp(rel, TMP_DIR))
        return false;
    CLEANUP_FREE char *key = key_path_decode(rel);
    if (!key)
        return false;
    CLEANUP_FREE char *dir = xasprintf("%s/", key);
    return !strncmp(dir, prefix, MIN(strlen(dir), strlen(prefix)));
}

static void list_entry(struct dir_list *l, FTS *fts, FTSENT *e) {
    const char *rel = e->fts_path + strlen(l->op.dir->path);
    rel += strspn(rel, "/");
    if (e->fts_info == FTS_D && *rel && !list_enters(l->op.key, rel)) {
        fts_set(fts, e, FTS_SKIP);
    } else if (e->fts_info == FTS_F) {
        char *key = key_path_decode(rel);
        if (key && !strncmp(key, l->op.key, strlen(l->op.key)))
            list_add(l, key, (uint64_t)e->fts_statp->st_size);
        else
            free(key);
    } else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) {
        op_fail_errno(&l->op, e->fts_errno, "read");
    }
}

static void list_work(void *arg) {
    struct dir_list *l = arg;
    CLEANUP_CLOSE int root = open_root(&l->op);
    if (root < 0)
        return;
    int r = check_mark(root);
    if (r < 0) {
        op_fail_mark(&l->op, r);
        return;
    }
    char *const paths[] = {l->op.dir->path, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (!fts) {
        op_fail_errno(&l->op, errno, "read");
        return;
    }
    FTSENT *e;
    while ((e = fts_read(fts)))
        list_entry(l, fts, e);
    fts_close(fts);
}

static void list_answer(void *arg) {
    struct dir_list *l = arg;
    for (size_t i = 0; i < l->n; i++) {
        l->each(l->op.arg, l->items[i].key, l->items[i].size, 0);
        free(l->items[i].key);
    }
    l->each(l->op.arg, NULL, 0, l->op.err);
    free(l->items);
    free(l->op.key);
    free(l->op.why);
    free(l);
}

static void dir_list(struct store *s, const char *prefix, store_list_each each, void *arg) {
    struct dir_list *l = xcalloc(1, sizeof *l);
    l->op.dir = dir_store(s);
    l->op.key = xstrdup(prefix);
    l->op.arg = arg;
    l->each = each;
    env_work(s->env, list_work, list_answer, l);
}

/* ---- the store ---- */

static char *dir_url(struct store *s, const char *key) {
    CLEANUP_FREE char *rel = key_path_encode(key);
    return rel ? key_path_url(dir_store(s)->path, rel) : NULL;
}

static void dir_free(struct store *s) {
    struct dir_store *dir = dir_store(s);
    known_clear(dir);
    pthread_mutex_destroy(&dir->lock);
    free(dir->path);
    free(dir->base.address);
    free(dir);
}

static const struct store_ops dir_ops = {
    .put_if_absent = dir_put_if_absent,
    .get_range = dir_get_range,
    .list = dir_list,
    .url = dir_url,
    .free = dir_free,
};

/* The parents may be made as others make theirs; the bucket itself is private to its owner unless somebody
 * made it before, or opens it up: it holds private files under guessable names. */
static int create_bucket(const char *path) {
    CLEANUP_FREE char *parent = xstrdup(path);
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = '\0';
    CLEANUP_FREE char *mark = xasprintf("%s/%s", path, TMP_DIR);
    int r = file_make_dirs(parent, 0755);
    if (r < 0)
        return r;
    if (mkdir(path, 0700) == 0)
        r = file_sync_dir(parent);
    else if (errno != EEXIST)
        r = -errno;
    if (r < 0)
        return r;
    if (mkdir(mark, 0775) == 0)
        return file_sync_dir(path);
    return errno == EEXIST ? 0 : -errno;
}

/* Removes what a host that was killed left behind in the making; what another one is making now is much
 * younger. */
static void remove_leftovers(struct env *env, const char *path) {
    CLEANUP_FREE char *tmp = xasprintf("%s/%s", path, TMP_DIR);
    DIR *d = opendir(tmp);
    if (!d)
        return;
    struct dirent *e;
    struct stat st;
    while ((e = readdir(d))) {
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_mtim.tv_sec < env_now(env) / NS_PER_S - LEFTOVER_S)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

/* Is it there, and a bucket? */
static int look_at_bucket(struct env *env, const char *path) {
    CLEANUP_CLOSE int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return errno == EPERM ? -EACCES : -errno;
    int r = check_mark(root);
    if (r < 0)
        return r == -ENOENT || r == -ENOTDIR ? -ENODATA : r;
    remove_leftovers(env, path);
    return 0;
}

int store_dir_open(struct env *env, struct counters *counters, const char *path, enum store_open_how how,
                   struct store **ret) {
    if (path[0] != '/')
        return -EINVAL;
    CLEANUP_FREE char *clean = xstrdup(path);
    for (size_t n = strlen(clean); n > 1 && clean[n - 1] == '/'; n--)
        clean[n - 1] = '\0';
    int r = how == STORE_OPEN_CREATE ? create_bucket(clean) : 0;
    if (r == 0 && how != STORE_OPEN_LATER)
        r = look_at_bucket(env, clean);
    if (r < 0)
        return r;

    struct dir_store *dir = xcalloc(1, sizeof *dir);
    dir->path = STEAL_PTR(&clean);
    pthread_mutex_init(&dir->lock, NULL);
    dir->base = (struct store){
        .ops = &dir_ops,
        .env = env,
        .counters = counters,
        .address = key_path_url(dir->path, NULL),
        .no_customer_key = "a directory bucket encrypts nothing",
        .parallel_puts = 8,
        .parallel_gets = 8,
        .get_size = 8 * BLOCK_SIZE,
    };
    *ret = &dir->base;
    return 0;
}
