/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "base/file.h"
#include "data/spool_parts.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <utlist.h>

static bool partial(struct spool_file *f) {
    return atomic_load_explicit(&f->map_state, memory_order_acquire) == MAP_PARTIAL;
}

/* How much room a change of [off, off+len) may take: what lies beyond everything written before. */
static uint64_t growth(struct spool_file *f, uint64_t off, uint64_t len) {
    uint64_t high = atomic_load_explicit(&f->high, memory_order_relaxed), end = off + len;
    if (atomic_load_explicit(&f->sparse, memory_order_relaxed))
        return len;
    return end > high ? end - MAX(high, off) : 0;
}

static void raise_high(struct spool_file *f, uint64_t off, uint64_t end) {
    uint64_t high = atomic_load_explicit(&f->high, memory_order_relaxed);
    if (off > high)
        atomic_store_explicit(&f->sparse, true, memory_order_relaxed);
    while (end > high && !atomic_compare_exchange_weak_explicit(&f->high, &high, end, memory_order_relaxed,
                                                                memory_order_relaxed))
        ;
}

/* Of a change that would end at off+len. */
static int check_change(struct spool_file *f, uint64_t off, uint64_t len) {
    if (atomic_load(&f->sealed))
        return -EPERM;
    uint64_t end;
    if (__builtin_add_overflow(off, len, &end) || end > f->spool->cfg.max_file_size || end > INT64_MAX)
        return -EFBIG;
    return 0;
}

static bool is_full(int err) {
    return err == -ENOSPC || err == -EDQUOT;
}

/* The whole cost of an ordinary write. -EAGAIN: it is not known that there is room. */
static int write_now(struct spool_file *f, const void *p, size_t len, uint64_t off) {
    uint64_t need = growth(f, off, len);
    if (!room_take(f->spool, need))
        return -EAGAIN;
    file_touch(f);
    int r = file_pwrite_all(f->fd, p, len, off);
    if (r < 0)
        return r;
    if (need)
        room_add(f, need);
    raise_high(f, off, off + len);
    file_digest_wrote(f, off, len);
    return 0;
}

static void op_room_done(struct room_wait *w, int err) {
    struct file_op *op = container_of(w, struct file_op, room);
    op->err = err;
    op->has_room = true;
    file_op_run(op);
}

static struct file_op *op_new(struct spool_file *f, enum op_kind kind, uint64_t off, uint64_t len,
                              spool_done done, void *arg) {
    struct file_op *op = xcalloc(1, sizeof *op);
    op->file = spool_ref(f);
    op->kind = kind;
    op->off = off;
    op->len = len;
    op->done = done;
    op->arg = arg;
    op->room.fn = op_room_done;
    return op;
}

/* Before it waits: the caller's bytes are gone when the call returns. */
static void op_copy(struct file_op *op) {
    if (op->kind != OP_WRITE || op->copy)
        return;
    op->copy = xmemdup(op->data, (size_t)op->len);
    op->data = op->copy;
}

/* What op needs before it can run; filled by op_scan(). */
struct needs {
    struct claim *conflict; /* to wait for */
    struct claim *
        fills[2]; /* blocks it touches in part, claimed and to be copied up: the first and the last at most */
    size_t n_fills;
};

static void scan_block(struct file_op *op, uint64_t b, uint64_t limit, struct needs *n) {
    struct spool_file *f = op->file;
    uint64_t start = b * BLOCK_SIZE, end = MIN(start + BLOCK_SIZE, limit);
    bool part = start < op->off || end > op->off + op->len;
    if (spool_map_here(f->map, b))
        return;
    struct claim *c = claim_find(f, b, b + 1);
    if (c) {
        n->conflict = n->conflict ? n->conflict : c;
        op->wants_fill |= part && n->conflict == c;
    } else if (part) {
        c = xcalloc(1, sizeof *c);
        *c = (struct claim){.first = b, .end = b + 1, .fill = true};
        claim_add(f, c);
        n->fills[n->n_fills++] = c;
    } else {
        if (op->claim.end == 0)
            op->claim.first = b;
        op->claim.end = b + 1;
    }
}

/* Lock held. Leaves in op->claim what it will make "here". */
static void op_scan(struct file_op *op, struct needs *n) {
    struct spool_file *f = op->file;
    uint64_t limit = spool_map_limit(f->map);
    *n = (struct needs){0};
    op->claim = (struct claim){0};
    op->wants_fill = false;
    if (op->kind == OP_TRUNCATE) {
        if (op->off >= limit)
            return;
        op->claim = (struct claim){.first = op->off / BLOCK_SIZE, .end = UINT64_MAX};
        n->conflict = claim_find(f, op->claim.first, op->claim.end);
        return;
    }
    uint64_t end = op->off < limit ? MIN(op->off + op->len, limit) : 0;
    for (uint64_t b = op->off / BLOCK_SIZE; b * BLOCK_SIZE < end; b++)
        scan_block(op, b, limit, n);
}

static int start_fills(struct file_op *op, struct needs *n) {
    int err = 0;
    for (size_t i = 0; i < n->n_fills; i++) {
        int r = fill_block(op->file, n->fills[i]);
        if (r < 0 && r != -EINPROGRESS)
            err = r;
    }
    return err;
}

/* 0: op holds its claim, if it needs one. -EINPROGRESS: it waits for another's. */
static int op_claim(struct file_op *op) {
    struct spool_file *f = op->file;
    while (!op->claimed && op->kind != OP_RESERVE && partial(f)) {
        struct needs n;
        {
            SCOPE_LOCK(&f->lock);
            op_scan(op, &n);
            bool waits = n.conflict && n.n_fills == 0;
            if (waits && (op->copy || op->kind != OP_WRITE)) {
                LL_APPEND(n.conflict->waiters, op);
                return -EINPROGRESS;
            }
            if (!n.conflict && n.n_fills == 0) {
                op->claimed = op->claim.end > 0;
                if (op->claimed)
                    claim_add(f, &op->claim);
                return 0;
            }
        }
        int r = start_fills(op, &n);
        if (r < 0)
            return r;
        if (n.conflict)
            op_copy(op);
    }
    return 0;
}

static bool takes_room(const struct file_op *op) {
    return op->kind != OP_TRUNCATE && !(op->kind == OP_ZERO && op->mode & FALLOC_FL_PUNCH_HOLE);
}

static int op_room(struct file_op *op) {
    struct spool_file *f = op->file;
    if (op->has_room || !takes_room(op))
        return 0;
    op->room.need = partial(f) ? op->len : growth(f, op->off, op->len);
    if (!op->disk_full && room_take(f->spool, op->room.need))
        return 0;
    op_copy(op);
    return room_get(f->spool, &op->room, op->disk_full);
}

/* File systems without ZERO_RANGE can punch. */
static int zero_range(struct file_op *op) {
    int fd = op->file->fd;
    if (fallocate(fd, op->mode, (off_t)op->off, (off_t)op->len) == 0)
        return 0;
    if (errno != EOPNOTSUPP || !(op->mode & FALLOC_FL_ZERO_RANGE))
        return -errno;
    struct stat st;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)op->off, (off_t)op->len) < 0 ||
        fstat(fd, &st) < 0)
        return -errno;
    uint64_t end = op->off + op->len;
    if (!(op->mode & FALLOC_FL_KEEP_SIZE) && end > (uint64_t)st.st_size && ftruncate(fd, (off_t)end) < 0)
        return -errno;
    return 0;
}

static int op_change(struct file_op *op) {
    int fd = op->file->fd;
    switch (op->kind) {
    case OP_WRITE:
        return file_pwrite_all(fd, op->data, (size_t)op->len, op->off);
    case OP_ZERO:
        return zero_range(op);
    case OP_RESERVE:
        return fallocate(fd, op->mode, (off_t)op->off, (off_t)op->len) < 0 ? -errno : 0;
    case OP_TRUNCATE:
        return ftruncate(fd, (off_t)op->off) < 0 ? -errno : 0;
    }
    return -EINVAL;
}

/* The books, once the bytes have changed. */
static void op_changed(struct file_op *op) {
    struct spool_file *f = op->file;
    if (op->kind == OP_TRUNCATE) {
        {
            SCOPE_LOCK(&f->lock);
            if (f->map)
                spool_map_cut(f->map, op->off);
        }
        file_digest_cut(f, op->off);
        if (op->off < atomic_load(&f->high))
            atomic_store(&f->high, op->off);
        spool_file_recount(f);
        spool_wake(f->spool);
        return;
    }
    if (op->kind == OP_WRITE)
        file_digest_wrote(f, op->off, op->len);
    else if (op->kind == OP_ZERO)
        file_digest_changed(f, op->off);
    if (!takes_room(op)) {
        atomic_store(&f->sparse, true);
        spool_file_recount(f);
        spool_wake(f->spool);
        return;
    }
    room_add(f, op->room.need);
    raise_high(f, op->off, op->off + op->len);
}

static int op_execute(struct file_op *op) {
    file_touch(op->file);
    int r = op_change(op);
    while (is_full(r) && takes_room(op)) {
        op->has_room = false;
        op->disk_full = true;
        r = op_room(op);
        if (r < 0)
            break;
        r = op_change(op);
    }
    if (r == 0)
        op_changed(op);
    return r;
}

static void op_end(struct file_op *op, int err) {
    struct spool_file *f = op->file;
    if (op->claimed) {
        claim_end(f, &op->claim, err == 0 && op->kind != OP_TRUNCATE, 0);
        file_check_complete(f);
    }
    op->done(op->arg, err);
    free(op->copy);
    free(op);
    spool_unref(f);
}

void file_op_run(struct file_op *op) {
    int r = op->err;
    if (r == 0)
        r = op_claim(op);
    if (r == 0)
        r = op_room(op);
    if (r == 0)
        r = op_execute(op);
    if (r != -EINPROGRESS)
        op_end(op, r);
}

void spool_write(struct spool_file *f, const void *p, size_t len, uint64_t off, spool_done done, void *arg) {
    int r = check_change(f, off, len);
    bool slow = r == 0 && len > 0 && partial(f);
    if (r == 0 && len > 0 && !slow) {
        r = write_now(f, p, len, off);
        slow = r == -EAGAIN || is_full(r);
    }
    if (!slow) {
        done(arg, r);
        return;
    }
    struct file_op *op = op_new(f, OP_WRITE, off, len, done, arg);
    op->data = p;
    op->disk_full = is_full(r);
    file_op_run(op);
}

void spool_truncate(struct spool_file *f, uint64_t size, spool_done done, void *arg) {
    int r = check_change(f, size, 0);
    if (r < 0)
        done(arg, r);
    else
        file_op_run(op_new(f, OP_TRUNCATE, size, 0, done, arg));
}

static int fallocate_kind(int mode, enum op_kind *ret) {
    switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
        *ret = OP_RESERVE;
        return 0;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
        *ret = OP_ZERO;
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}

void spool_fallocate(struct spool_file *f, int mode, uint64_t off, uint64_t len, spool_done done, void *arg) {
    enum op_kind kind;
    int r = fallocate_kind(mode, &kind);
    if (r == 0 && len == 0)
        r = -EINVAL;
    if (r == 0)
        r = check_change(f, off, mode & FALLOC_FL_PUNCH_HOLE ? 0 : len);
    if (r < 0) {
        done(arg, r);
        return;
    }
    if (mode & FALLOC_FL_PUNCH_HOLE) /* "to the end", as programs say it, is more than file systems take */
        len = MIN(len, MAX(f->spool->cfg.max_file_size - off, 1));
    struct file_op *op = op_new(f, kind, off, len, done, arg);
    op->mode = mode;
    file_op_run(op);
}
