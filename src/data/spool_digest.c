/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "data/spool_parts.h"
#include <fcntl.h>
#include <utlist.h>

/* Hashing behind the writer begins, and goes on, when so much is there; a smaller file is hashed once, when
 * it is asked for. */
#define BEHIND_MIN ((uint64_t)8 << 20)
#define CHUNK ((size_t)256 << 10)
/* Files closed and not yet opened again whose hashing is remembered: about 1 kB each, and 32 bytes a MiB. */
#define KEPT_MAX 4096

struct digest_wait {
    struct digest_wait *next;
    struct spool_file *file;
    spool_digest_done done;
    void *arg;
    int err;
};

void file_digest_init(struct file_digest *d) {
    pthread_mutex_init(&d->lock, NULL);
}

void file_digest_destroy(struct file_digest *d) {
    digest_stream_free(d->stream);
    free(d->digests);
    free(d->parts);
    pthread_mutex_destroy(&d->lock);
}

/* spool.lock held, but at the end. */
static void drop_kept(struct spool *s, struct kept_digest *k) {
    HASH_DEL(s->kept, k);
    digest_stream_free(k->stream);
    free(k);
}

void kept_digests_free(struct spool *s) {
    while (s->kept)
        drop_kept(s, s->kept);
}

void file_digest_keep(struct spool_file *f) {
    struct file_digest *d = &f->digest;
    struct spool *s = f->spool;
    struct stat st;
    if (!d->stream || d->stale || atomic_load(&f->removed) || fstat(f->fd, &st) < 0)
        return;
    struct kept_digest *k = xmalloc(sizeof *k);
    *k = (struct kept_digest){
        .id = f->id, .st = st, .end = d->end, .claimed = d->claimed, .stream = STEAL_PTR(&d->stream)};
    SCOPE_LOCK(&s->lock);
    HASH_ADD(hh, s->kept, id, sizeof k->id, k);
    if (HASH_COUNT(s->kept) > KEPT_MAX)
        drop_kept(s, s->kept);
}

static bool unchanged(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void file_digest_recall(struct spool_file *f, const struct stat *st) {
    struct file_digest *d = &f->digest;
    struct spool *s = f->spool;
    struct kept_digest *k;
    SCOPE_LOCK(&s->lock);
    HASH_FIND(hh, s->kept, &f->id, sizeof f->id, k);
    if (!k)
        return;
    if (unchanged(&k->st, st)) {
        d->end = k->end;
        d->claimed = k->claimed;
        d->stream = STEAL_PTR(&k->stream);
    }
    drop_kept(s, k);
}

/* Feeds [from, to) of the file to the stream; to may be UINT64_MAX: the file's end. -ENODATA: it ends before.
 */
static int feed(int fd, struct digest_stream *stream, uint64_t from, uint64_t to) {
    CLEANUP_FREE unsigned char *buf = xmalloc(CHUNK);
    while (from < to) {
        ssize_t n = pread(fd, buf, (size_t)MIN(CHUNK, to - from), (off_t)from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return to == UINT64_MAX ? 0 : -ENODATA;
        digest_stream_update(stream, buf, (size_t)n);
        from += (uint64_t)n;
    }
    return 0;
}

/* Lock held; nobody has the stream. */
static void throw_away(struct file_digest *d) {
    d->stream = digest_stream_free(d->stream);
    d->claimed = 0;
}

/* Most files that are hashed behind their writer become large enough for parts, and the first part costs
 * nothing. */
static struct digest_stream *stream_new(const struct spool_file *f) {
    struct digest_stream *stream = digest_stream_new();
    digest_stream_in_parts(stream, f->spool->cfg.part_size);
    return stream;
}

static void behind_job(void *arg) {
    struct spool_file *f = arg;
    struct file_digest *d = &f->digest;
    uint64_t to;
    {
        SCOPE_LOCK(&d->lock);
        to = d->claimed;
    }
    int r = feed(f->fd, d->stream, digest_stream_bytes(d->stream), to);
    if (r < 0) {
        SCOPE_LOCK(&d->lock);
        d->stale = true;
    }
}

static void final_begin(struct spool_file *);
static void behind_begin(struct spool_file *);

static bool behind_due(const struct file_digest *d) {
    return !d->stale && !d->final && !d->running && d->end >= d->claimed + BEHIND_MIN;
}

static void behind_done(void *arg) {
    struct spool_file *f = arg;
    struct file_digest *d = &f->digest;
    bool more, wanted;
    {
        SCOPE_LOCK(&d->lock);
        d->running = false;
        if (d->stale)
            throw_away(d);
        wanted = d->waiters != NULL;
        more = !wanted && behind_due(d);
        d->running = wanted || more;
        if (more)
            d->claimed = d->end;
    }
    if (wanted)
        final_begin(f);
    else if (more)
        behind_begin(f);
    spool_unref(f);
}

/* `running` has been set: the stream is ours. */
static void behind_begin(struct spool_file *f) {
    if (!f->digest.stream)
        f->digest.stream = stream_new(f);
    env_work(f->spool->cfg.env, behind_job, behind_done, spool_ref(f));
}

/* The look comes after the write: a job that began before it has either claimed these bytes, then its stream
 * is stale, or reads the new ones. */
void file_digest_wrote(struct spool_file *f, uint64_t off, uint64_t len) {
    struct file_digest *d = &f->digest;
    bool due;
    {
        SCOPE_LOCK(&d->lock);
        if (off < d->claimed)
            d->stale = true;
        if (off <= d->end && off + len > d->end)
            d->end = off + len;
        due = behind_due(d);
        if (due) {
            d->running = true;
            d->claimed = d->end;
        }
    }
    if (due)
        behind_begin(f);
}

void file_digest_changed(struct spool_file *f, uint64_t off) {
    struct file_digest *d = &f->digest;
    SCOPE_LOCK(&d->lock);
    if (off < d->claimed)
        d->stale = true;
}

void file_digest_cut(struct spool_file *f, uint64_t size) {
    struct file_digest *d = &f->digest;
    file_digest_changed(f, size);
    SCOPE_LOCK(&d->lock);
    d->end = MIN(d->end, size);
}

/* On a worker: the rest, or all of it where the stream was of no use. */
static void final_job(void *arg) {
    struct spool_file *f = arg;
    struct file_digest *d = &f->digest;
    struct stat st;
    bool in_parts = fstat(f->fd, &st) == 0 && (uint64_t)st.st_size >= f->spool->cfg.parts_from;
    if (!d->stream)
        d->stream = in_parts ? stream_new(f) : digest_stream_new();
    int r = feed(f->fd, d->stream, digest_stream_bytes(d->stream), UINT64_MAX);
    uint8_t id[DIGEST_SIZE];
    uint8_t *digests = NULL, *parts = NULL;
    size_t n = 0, n_parts = 0;
    if (r == 0)
        digest_stream_final(d->stream, id, &digests, &n);
    if (r == 0 && in_parts)
        n_parts = digest_stream_take_parts(d->stream, &parts);
    SCOPE_LOCK(&d->lock);
    throw_away(d);
    struct digest_wait *w;
    LL_FOREACH (d->waiters, w) {
        w->err = r;
    }
    if (r < 0)
        return;
    memcpy(d->id, id, sizeof d->id);
    d->digests = digests;
    d->n_digests = n;
    d->parts = parts;
    d->n_parts = n_parts;
    d->final = true;
}

static void final_done(void *arg) {
    struct spool_file *f = arg;
    struct file_digest *d = &f->digest;
    struct digest_wait *list;
    {
        SCOPE_LOCK(&d->lock);
        d->running = false;
        list = STEAL_PTR(&d->waiters);
    }
    for (struct digest_wait *w = list, *next; w; w = next) {
        next = w->next;
        if (!d->final && w->err == 0)
            w->err = -EIO;
        w->done(w->arg, w->err, d->id, d->digests, d->n_digests);
        spool_unref(w->file);
        free(w);
    }
    spool_unref(f);
}

/* `running` has been set. */
static void final_begin(struct spool_file *f) {
    env_work(f->spool->cfg.env, final_job, final_done, spool_ref(f));
}

void spool_digest(struct spool_file *f, spool_digest_done done, void *arg) {
    struct file_digest *d = &f->digest;
    bool begin = false, final;
    if (!atomic_load(&f->sealed) || atomic_load(&f->map_state) == MAP_PARTIAL) {
        done(arg, -EINVAL, NULL, NULL, 0);
        return;
    }
    {
        SCOPE_LOCK(&d->lock);
        final = d->final;
        if (!final) {
            struct digest_wait *w = xcalloc(1, sizeof *w);
            *w = (struct digest_wait){.file = spool_ref(f), .done = done, .arg = arg};
            LL_APPEND(d->waiters, w);
            begin = !d->running;
            d->running = true;
            if (begin && d->stale)
                throw_away(d);
        }
    }
    if (begin)
        final_begin(f);
    if (final)
        done(arg, 0, d->id, d->digests, d->n_digests);
}

/* A file that nobody has open here says by its x bit whether it needs its map. */
static bool is_whole(struct spool *s, uint64_t id, const struct stat *st) {
    struct spool_file *f;
    SCOPE_LOCK(&s->lock);
    HASH_FIND(hh, s->open, &id, sizeof id, f);
    return f ? atomic_load(&f->map_state) != MAP_PARTIAL : !(st->st_mode & S_IXUSR);
}

static int hash_fd(int fd, uint64_t *ret_size, uint8_t ret[DIGEST_SIZE]) {
    struct digest_stream *stream = digest_stream_new();
    uint8_t *blocks = NULL;
    size_t n;
    int r = feed(fd, stream, 0, UINT64_MAX);
    *ret_size = digest_stream_bytes(stream);
    if (r == 0)
        digest_stream_final(stream, ret, &blocks, &n);
    free(blocks);
    digest_stream_free(stream);
    return r;
}

int spool_hash(struct spool *s, uint64_t id, uint64_t *ret_size, uint8_t ret[DIGEST_SIZE]) {
    CLEANUP_FREE char *path = spool_file_name(s, id, "");
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : is_whole(s, id, &st) ? hash_fd(fd, ret_size, ret) : -EBUSY;
    if (fd >= 0)
        close(fd);
    return r;
}

size_t spool_part_digests(struct spool_file *f, const uint8_t **ret, uint64_t *ret_part_size) {
    struct file_digest *d = &f->digest;
    SCOPE_LOCK(&d->lock);
    *ret = d->parts;
    *ret_part_size = f->spool->cfg.part_size;
    return d->n_parts;
}

bool file_digest_is(struct spool_file *f, const uint8_t id[DIGEST_SIZE]) {
    struct file_digest *d = &f->digest;
    SCOPE_LOCK(&d->lock);
    return d->final && memcmp(d->id, id, DIGEST_SIZE) == 0;
}
