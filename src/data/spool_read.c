/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "base/file.h"
#include "data/spool_parts.h"
#include <sys/stat.h>

static bool partial(struct spool_file *f) {
    return atomic_load_explicit(&f->map_state, memory_order_acquire) == MAP_PARTIAL;
}

/* A stretch of a read that is the base's. */
struct part {
    struct read_op *op;
    uint64_t off;
    size_t len;
};

/* A read that is put together from the file and its base: first the file's bytes, then the base's over them.
 * Which are the base's is decided before either is read: so a block that comes meanwhile is read as it was,
 * never as a hole. */
struct read_op {
    struct content *base;
    struct spool_file *prev;
    uint64_t off;
    unsigned char *buf;
    size_t got;
    reader_done done;
    void *arg;
    _Atomic int err;
    _Atomic size_t pending;
    size_t n_parts;
    struct part *parts;
};

static ssize_t read_up_to(int fd, void *p, size_t len, uint64_t off) {
    size_t n = 0;
    while (n < len) {
        ssize_t r = pread(fd, (char *)p + n, len - n, (off_t)(off + n));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        n += (size_t)r;
    }
    return (ssize_t)n;
}

static void read_file(struct spool_file *f, uint64_t off, size_t len, reader_done done, void *arg) {
    CLEANUP_FREE unsigned char *buf = xmalloc(MAX(len, 1));
    ssize_t n = read_up_to(f->fd, buf, len, off);
    done(arg, n < 0 ? (int)n : 0, buf, n < 0 ? 0 : (size_t)n);
}

static void part_through(struct read_op *op, size_t n) {
    if (atomic_fetch_sub(&op->pending, n) != n)
        return;
    int err = atomic_load(&op->err);
    op->done(op->arg, err, op->buf, err < 0 ? 0 : op->got);
    content_unref(op->base);
    spool_unref(op->prev);
    free(op->parts);
    free(op->buf);
    free(op);
}

static void part_got(void *arg, int err, const void *data, size_t len) {
    struct part *p = arg;
    if (err == 0 && len < p->len)
        err = -EIO;
    if (err < 0)
        atomic_store(&p->op->err, err);
    else
        memcpy(p->op->buf + (p->off - p->op->off), data, p->len);
    part_through(p->op, 1);
}

/* From the predecessor's file, while that is its own: looked at twice, because it may be given away
 * meanwhile. */
static bool part_from_prev(struct part *p) {
    struct spool_file *prev = p->op->prev;
    if (!prev || atomic_load(&prev->given) || partial(prev))
        return false;
    int r = file_pread_all(prev->fd, p->op->buf + (p->off - p->op->off), p->len, p->off);
    return r == 0 && !atomic_load(&prev->given);
}

static void add_part(struct read_op *op, uint64_t from, uint64_t to) {
    struct part *last = op->n_parts ? &op->parts[op->n_parts - 1] : NULL;
    if (last && last->off + last->len == from) {
        last->len += (size_t)(to - from);
        return;
    }
    op->parts = xrealloc(op->parts, (op->n_parts + 1) * sizeof *op->parts);
    op->parts[op->n_parts++] = (struct part){.op = op, .off = from, .len = (size_t)(to - from)};
}

/* Notes what of [off, off+len) is the base's now. */
static void find_parts(struct read_op *op, struct spool_file *f, uint64_t off, size_t len) {
    SCOPE_LOCK(&f->lock);
    if (!partial(f))
        return;
    uint64_t end = MIN(off + len, spool_map_limit(f->map));
    for (uint64_t at = off, next; at < end; at = next) {
        next = MIN((at / BLOCK_SIZE + 1) * BLOCK_SIZE, end);
        if (!spool_map_here(f->map, at / BLOCK_SIZE))
            add_part(op, at, next);
    }
    op->base = content_ref(f->base);
    op->prev = spool_ref(f->prev);
}

static void read_parts(struct read_op *op, struct spool_file *f, size_t len, struct read_stream *stream) {
    op->buf = xmalloc(MAX(len, 1));
    ssize_t n = read_up_to(f->fd, op->buf, len, op->off);
    op->got = n < 0 ? 0 : (size_t)n;
    if (n < 0)
        atomic_store(&op->err, (int)n);
    size_t n_parts = n < 0 ? 0 : op->n_parts;
    atomic_store(&op->pending, n_parts + 1);
    for (size_t i = 0; i < n_parts; i++) {
        struct part *p = &op->parts[i];
        p->len = p->off - op->off >= op->got ? 0 : MIN(p->len, op->got - (size_t)(p->off - op->off));
        if (p->len == 0 || part_from_prev(p))
            part_through(op, 1);
        else if (op->base)
            reader_read(f->spool->cfg.reader, op->base, p->off, p->len, stream, part_got, p);
        else
            part_got(p, -EIO, NULL, 0);
    }
    part_through(op, 1);
}

void spool_read(struct spool_file *f, uint64_t off, size_t len, struct read_stream *stream, reader_done done,
                void *arg) {
    if (off > INT64_MAX - len) {
        done(arg, 0, "", 0);
        return;
    }
    if (!partial(f)) {
        read_file(f, off, len, done, arg);
        return;
    }
    struct read_op *op = xcalloc(1, sizeof *op);
    op->off = off;
    op->done = done;
    op->arg = arg;
    find_parts(op, f, off, len);
    /* All of it the base's: the reader's own buffer will do. */
    if (op->n_parts == 1 && op->parts[0].len == len && !op->prev && op->base) {
        reader_read(f->spool->cfg.reader, op->base, off, len, stream, done, arg);
        content_unref(op->base);
        free(op->parts);
        free(op);
        return;
    }
    read_parts(op, f, len, stream);
}

/* One look at a time: the file may be copied up meanwhile, which changes no answer. */
static uint64_t next_absent(struct spool_file *f, uint64_t off) {
    if (!partial(f))
        return UINT64_MAX;
    SCOPE_LOCK(&f->lock);
    uint64_t b = spool_map_next_absent(f->map, off / BLOCK_SIZE);
    return b == SPOOL_MAP_NONE ? UINT64_MAX : MAX(b * BLOCK_SIZE, off);
}

static uint64_t absent_end(struct spool_file *f, uint64_t off) {
    SCOPE_LOCK(&f->lock);
    return MIN(spool_map_next_here(f->map, off / BLOCK_SIZE) * BLOCK_SIZE, spool_map_limit(f->map));
}

static int64_t seek_data(struct spool_file *f, uint64_t off) {
    uint64_t absent = next_absent(f, off);
    off_t data = lseek(f->fd, (off_t)off, SEEK_DATA);
    if (data < 0 && errno != ENXIO)
        return -errno;
    if (data < 0 && absent == UINT64_MAX)
        return -ENXIO;
    return data < 0 ? (int64_t)absent : (int64_t)MIN((uint64_t)data, absent);
}

static int64_t seek_hole(struct spool_file *f, uint64_t off, uint64_t size) {
    while (off < size) {
        uint64_t absent = next_absent(f, off);
        if (absent > off) {
            off_t hole = lseek(f->fd, (off_t)off, SEEK_HOLE);
            if (hole < 0)
                return -errno;
            if ((uint64_t)hole < absent)
                return hole;
        }
        off = MAX(absent_end(f, absent), absent + 1);
    }
    return (int64_t)size;
}

int64_t spool_seek(struct spool_file *f, uint64_t off, int whence) {
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return -errno;
    if (off >= (uint64_t)st.st_size)
        return -ENXIO;
    if (whence == SEEK_DATA)
        return seek_data(f, off);
    return whence == SEEK_HOLE ? seek_hole(f, off, (uint64_t)st.st_size) : -EINVAL;
}
