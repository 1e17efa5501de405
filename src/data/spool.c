/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "base/file.h"
#include "data/spool_parts.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

/* Names in DIR/spool. "<id>" is a spool file; its owner's x bit says that it needs its map, so that a lost
 * map is not taken for one that is not needed any more. "<id>.new" is one that has not its size yet. The
 * order of making is map, file; the order of ending is bytes to disk, x bit, map: at every moment a file
 * without a map, or without the bit, is whole. */
#define MODE_WHOLE 0600
#define MODE_MAPPED 0700

char *spool_file_name(struct spool *s, uint64_t id, const char *suffix) {
    return xasprintf("%s/%" PRIu64 "%s", s->files_dir, id, suffix);
}

int spool_open(const struct spool_config *cfg, struct spool **ret) {
    CLEANUP_FREE char *files = xasprintf("%s/spool", cfg->dir);
    int r = file_make_dirs(files, 0700);
    if (r < 0)
        return r;
    int fd = open(files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct spool *s = xcalloc(1, sizeof *s);
    s->cfg = *cfg;
    s->cfg.dir = xstrdup(cfg->dir);
    s->files_dir = STEAL_PTR(&files);
    s->dir_fd = fd;
    atomic_init(&s->refs, 1);
    s->tail = &s->head;
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return 0;
}

struct spool *spool_ref_dir(struct spool *s) {
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void spool_unref_dir(struct spool *s) {
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    kept_digests_free(s);
    close(s->dir_fd);
    pthread_mutex_destroy(&s->lock);
    free((char *)s->cfg.dir);
    free(s->files_dir);
    free(s);
}

struct spool *spool_close(struct spool *s) {
    if (s)
        spool_unref_dir(s);
    return NULL;
}

uint64_t spool_bytes(struct spool *s) {
    return atomic_load(&s->bytes);
}

uint64_t spool_files(struct spool *s) {
    return atomic_load(&s->files);
}

static struct spool_file *file_new(struct spool *s, uint64_t id) {
    struct spool_file *f = xcalloc(1, sizeof *f);
    f->spool = spool_ref_dir(s);
    f->id = id;
    f->path = spool_file_name(s, id, "");
    f->map_path = spool_file_name(s, id, ".map");
    f->fd = -1;
    atomic_init(&f->refs, 1);
    pthread_mutex_init(&f->lock, NULL);
    file_digest_init(&f->digest);
    atomic_fetch_add(&s->files, 1);
    return f;
}

/* Bytes that leave make room. */
void spool_leave_books(struct spool_file *f, bool files, bool bytes) {
    struct spool *s = f->spool;
    if (files)
        atomic_fetch_sub(&s->files, 1);
    if (bytes) {
        atomic_fetch_sub(&s->bytes, atomic_exchange(&f->allocated, 0));
        spool_wake(s);
    }
}

/* A file that has come to be can be found by its number while it is open. */
static void list(struct spool_file *f) {
    struct spool *s = f->spool;
    struct spool_file *other;
    SCOPE_LOCK(&s->lock);
    HASH_FIND(hh, s->open, &f->id, sizeof f->id, other);
    f->listed = !other; /* another one is just being closed */
    if (f->listed)
        HASH_ADD(hh, s->open, id, sizeof f->id, f);
}

static void unlist(struct spool_file *f) {
    struct spool *s = f->spool;
    SCOPE_LOCK(&s->lock);
    if (f->listed)
        HASH_DEL(s->open, f);
}

/* Closed by its owner, a file may still be open here: while a job hashes it, say. A reference, or NULL. */
static struct spool_file *find_open(struct spool *s, uint64_t id, bool sealed) {
    struct spool_file *f;
    SCOPE_LOCK(&s->lock);
    HASH_FIND(hh, s->open, &id, sizeof id, f);
    if (!f || atomic_load(&f->removed) || (atomic_load(&f->sealed) && !sealed))
        return NULL;
    for (unsigned refs = atomic_load(&f->refs); refs > 0;)
        if (atomic_compare_exchange_weak(&f->refs, &refs, refs + 1))
            return f;
    return NULL;
}

struct spool_file *spool_ref(struct spool_file *f) {
    if (f)
        atomic_fetch_add(&f->refs, 1);
    return f;
}

void spool_unref(struct spool_file *f) {
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
        return;
    struct spool *s = f->spool;
    unlist(f);
    file_digest_keep(f);
    if (f->fd >= 0)
        close(f->fd);
    if (atomic_load(&f->leaving))
        atomic_fetch_sub(&s->leaving, 1);
    spool_leave_books(f, !atomic_load(&f->removed), true);
    spool_map_close(f->map);
    content_unref(f->base);
    spool_unref(f->prev);
    file_digest_destroy(&f->digest);
    pthread_mutex_destroy(&f->lock);
    free(f->path);
    free(f->map_path);
    free(f);
    spool_unref_dir(s);
}

uint64_t spool_id(const struct spool_file *f) {
    return f->id;
}

const char *spool_path(const struct spool_file *f) {
    return f->path;
}

int spool_fd(const struct spool_file *f) {
    return f->fd;
}

/* With `given` the bytes are not counted: they are somebody else's by now. */
void spool_file_recount(struct spool_file *f) {
    struct stat st;
    if (atomic_load(&f->given) || fstat(f->fd, &st) < 0)
        return;
    uint64_t now = (uint64_t)st.st_blocks * 512, old = atomic_exchange(&f->allocated, now);
    atomic_fetch_add(&f->spool->bytes, now - old);
}

static int64_t mtime_of(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

static int make_empty(struct spool_file *f) {
    f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, MODE_WHOLE);
    return f->fd < 0 ? -errno : 0;
}

/* The file appears under its name with its size, and after its map: a killed process leaves nothing that
 * reads as truncated, or as whole. */
static int make_based(struct spool_file *f, struct content *base) {
    CLEANUP_FREE char *fresh = spool_file_name(f->spool, f->id, ".new");
    struct stat st;
    if (lstat(f->path, &st) == 0)
        return -EEXIST;
    int r = spool_map_create(f->map_path, base->size, 0, &f->map);
    if (r < 0)
        return r;
    f->fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, MODE_MAPPED);
    if (f->fd < 0 || fchmod(f->fd, MODE_MAPPED) < 0 || ftruncate(f->fd, (off_t)base->size) < 0 ||
        fstat(f->fd, &st) < 0 || rename(fresh, f->path) < 0) {
        r = -errno;
        unlink(fresh);
        unlink(f->map_path);
        return r;
    }
    spool_map_set_mtime(f->map, mtime_of(&st));
    f->base = content_ref(base);
    atomic_store(&f->map_state, MAP_PARTIAL);
    return 0;
}

/* As spool_unref of the only reference, of a file that never came to be. */
static int give_up(struct spool_file *f, int err) {
    spool_unref(f);
    return err;
}

int spool_create(struct spool *s, uint64_t id, struct content *base, struct spool_file **ret) {
    struct spool_file *f = file_new(s, id);
    int r = base && base->size > 0 ? make_based(f, base) : make_empty(f);
    if (r < 0)
        return give_up(f, r);
    list(f);
    *ret = f;
    return 0;
}

int spool_new_version(struct spool *s, uint64_t id, struct spool_file *prev, struct content *base,
                      struct spool_file **ret) {
    if (!atomic_load(&prev->sealed) || atomic_load(&prev->map_state) == MAP_PARTIAL)
        return -EINVAL;
    int r = spool_create(s, id, base, ret);
    if (r == 0)
        spool_set_prev(*ret, prev);
    return r;
}

void spool_set_prev(struct spool_file *f, struct spool_file *prev) {
    struct spool_file *old;
    {
        SCOPE_LOCK(&f->lock);
        if (atomic_load(&f->map_state) != MAP_PARTIAL)
            return;
        old = f->prev;
        f->prev = spool_ref(prev);
    }
    spool_unref(old);
}

/* A map that is lost proves nothing: nothing is here. A file shorter than its base was truncated. */
static int reopen_map(struct spool_file *f, struct content *base, const struct stat *st) {
    int r = spool_map_open(f->map_path, base->size, &f->map);
    if (r == -ENOENT || r == -EBADMSG)
        r = spool_map_create(f->map_path, base->size, mtime_of(st), &f->map);
    if (r < 0)
        return r;
    spool_map_cut(f->map, (uint64_t)st->st_size);
    f->base = content_ref(base);
    atomic_store(&f->map_state, MAP_PARTIAL);
    return 0;
}

int spool_reopen(struct spool *s, uint64_t id, struct content *base, bool sealed, struct spool_file **ret) {
    struct spool_file *f = find_open(s, id, sealed);
    if (f) {
        if (sealed)
            spool_seal(f);
        *ret = f;
        return 0;
    }
    f = file_new(s, id);
    struct stat st;
    f->fd = open(f->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (f->fd < 0 || fstat(f->fd, &st) < 0)
        return give_up(f, -errno);
    if (!S_ISREG(st.st_mode))
        return give_up(f, -EIO);
    atomic_store(&f->high, (uint64_t)st.st_size);
    atomic_store(&f->sparse, st.st_blocks * 512 < st.st_size);
    atomic_store(&f->sealed, sealed);
    spool_file_recount(f);
    file_digest_recall(f, &st);
    if (base && st.st_mode & S_IXUSR) {
        int r = reopen_map(f, base, &st);
        if (r < 0)
            return give_up(f, r);
        file_check_complete(f);
    } else if (!(st.st_mode & S_IXUSR)) {
        unlink(f->map_path);
    } /* else: who does not say what it stands on does not want its bytes, but the next one may */
    list(f);
    *ret = f;
    return 0;
}

void spool_stat(struct spool_file *f, uint64_t *ret_size, int64_t *ret_mtime_ns, uint64_t *ret_allocated) {
    struct stat st = {0};
    bool mapped = atomic_load(&f->map_state) != MAP_NONE;
    fstat(f->fd, &st);
    if (ret_size)
        *ret_size = (uint64_t)st.st_size;
    if (ret_mtime_ns) {
        int64_t mtime = atomic_load(&f->mtime);
        *ret_mtime_ns = mtime ? mtime : mapped ? spool_map_mtime(f->map) : mtime_of(&st);
    }
    if (ret_allocated)
        *ret_allocated = (uint64_t)st.st_blocks * 512;
}

int spool_set_mtime(struct spool_file *f, int64_t mtime_ns) {
    int64_t s = mtime_ns / NS_PER_S - (mtime_ns % NS_PER_S < 0);
    struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = s, .tv_nsec = mtime_ns - s * NS_PER_S}};
    if (atomic_load(&f->map_state) != MAP_NONE)
        spool_map_set_mtime(f->map, mtime_ns);
    atomic_store(&f->mtime, mtime_ns);
    return futimens(f->fd, ts) < 0 ? -errno : 0;
}

void spool_seal(struct spool_file *f) {
    if (!atomic_exchange(&f->sealed, true))
        spool_file_recount(f);
}

void spool_unseal(struct spool_file *f) {
    atomic_store(&f->sealed, false);
}

struct sync_job {
    struct spool_file *file;
    spool_done done;
    void *arg;
    int err;
};

/* Bytes before bits: what the map says after power loss is then true. */
static int sync_file(struct spool_file *f) {
    uint64_t *bits = NULL;
    bool dir;
    {
        SCOPE_LOCK(&f->lock);
        if (atomic_load(&f->map_state) != MAP_NONE)
            bits = spool_map_sync_begin(f->map);
        dir = !f->dir_synced;
    }
    int r = fsync(f->fd) < 0 ? -errno : 0;
    if (r == 0 && bits)
        r = spool_map_sync_end(f->map, bits);
    free(bits);
    if (r == 0 && dir && fsync(f->spool->dir_fd) < 0)
        r = -errno;
    SCOPE_LOCK(&f->lock);
    f->dir_synced |= r == 0;
    return r;
}

static void sync_run(void *arg) {
    struct sync_job *j = arg;
    j->err = sync_file(j->file);
}

static void sync_done(void *arg) {
    struct sync_job *j = arg;
    j->done(j->arg, j->err);
    spool_unref(j->file);
    free(j);
}

void spool_sync(struct spool_file *f, spool_done done, void *arg) {
    struct sync_job *j = xmalloc(sizeof *j);
    *j = (struct sync_job){.file = spool_ref(f), .done = done, .arg = arg};
    env_work(f->spool->cfg.env, sync_run, sync_done, j);
}

/* Its bytes may go before the last reference does: until then there is room to come. */
static bool begin_leaving(struct spool_file *f) {
    if (atomic_exchange(&f->removed, true))
        return false;
    atomic_fetch_add(&f->spool->leaving, 1);
    atomic_store(&f->leaving, true);
    return true;
}

void spool_to_cache(struct spool_file *f, const struct content *c) {
    if (!begin_leaving(f))
        return;
    bool verified = file_digest_is(f, c->id);
    atomic_store(&f->given, true); /* before the cache may punch holes into it */
    fchmod(f->fd, MODE_WHOLE);
    unlink(f->map_path);
    if (f->spool->cfg.cache)
        block_cache_adopt(f->spool->cfg.cache, c, f->path, verified);
    else
        unlink(f->path);
    spool_leave_books(f, true, true);
}

void spool_remove(struct spool_file *f) {
    if (!begin_leaving(f))
        return;
    unlink(f->path);
    unlink(f->map_path);
    spool_leave_books(f, true, false);
}
