/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests on open files. Replies come from completions: on this thread where nothing has to be waited for,
 * else on the loop.
 */
#include "fs/answer.h"
#include "fs/reply.h"
#include "fs/session.h"
#include "fs/wire.h"
#include <fcntl.h>

/* The kernel takes a count of 32 bits back from copy_file_range. */
#define COPY_MAX ((size_t)0xfffff000)

static struct handle *handle_of(const struct fuse_file_info *fi) {
    return (struct handle *)(uintptr_t)fi->fh;
}

/* Cut by us, not by file_open(): the answer waits for it. */
static int open_handle(struct session *s, uint64_t ino, struct fuse_file_info *fi) {
    struct file *file;
    int r = file_open(s->tree, ino, fi->flags & O_ACCMODE, &file);
    if (r < 0)
        return r;
    struct handle *h = xcalloc(1, sizeof *h);
    h->file = file;
    h->flags = fi->flags & O_ACCMODE;
    session_add_handle(s, h);
    if (wire_kills_privs())
        session_drop_privs(s, ino);
    fi->fh = (uintptr_t)h;
    fi->keep_cache = 1; /* what changes elsewhere is announced */
    return 0;
}

static void close_handle(struct session *s, struct handle *h) {
    session_drop_handle(s, h);
    file_close(h->file, h->flags);
    free(h);
}

/* An open that has its handle, and is to be answered. */
struct open_call {
    struct session *s;
    fuse_req_t req;
    struct fuse_file_info fi;
    uint64_t seen;
    bool creates;
    struct attr attr; /* where it creates */
};

/* What the kernel did not get it will not release. */
static void reply_opened(struct open_call *c) {
    struct session *s = c->s;
    struct fuse_entry_param e;
    if (!c->creates) {
        if (fuse_reply_open(c->req, &c->fi) < 0)
            close_handle(s, handle_of(&c->fi));
        return;
    }
    entry_param(s, &c->attr, c->seen, &e);
    if (fuse_reply_create(c->req, &e, &c->fi) < 0) {
        lookups_sub(s->lookups, c->attr.ino, 1);
        close_handle(s, handle_of(&c->fi));
    }
}

static void was_cut(void *arg, int err) {
    struct open_call *c = arg;
    int r = err;
    if (r == 0 && c->creates)
        r = names_getattr(c->s->tree, c->attr.ino, &c->attr);
    if (r == 0) {
        reply_opened(c);
    } else {
        close_handle(c->s, handle_of(&c->fi));
        reply_err(c->req, r);
    }
    free(c);
}

/* With O_TRUNC when it is cut, which a snapshot that is being hashed may hold up: nobody shall see the old
 * bytes through the new descriptor. O_RDONLY | O_TRUNC cuts too. */
static void finish_open(struct open_call *c, uint64_t ino) {
    if (!(c->fi.flags & O_TRUNC))
        reply_opened(c);
    else
        file_truncate(c->s->tree, ino, 0, was_cut, xmemdup(c, sizeof *c));
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    bool change = (fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC);
    struct session *s = change ? session_begin_change(req, OP_OPEN) : session_begin(req, OP_OPEN);
    if (!s)
        return;
    int r = open_handle(s, ino, fi);
    if (r < 0) {
        reply_err(req, r);
        return;
    }
    finish_open(&(struct open_call){.s = s, .req = req, .fi = *fi}, ino);
}

/* Makes the file, in which case there is nothing to be cut, or takes the one that another host made before
 * the kernel heard of it. */
static int make_or_find(struct session *s, fuse_req_t req, uint64_t parent, const char *name, mode_t mode,
                        int *flags, struct attr *ret) {
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    struct make m = {.mode = S_IFREG | (mode & 07777), .uid = ctx->uid, .gid = ctx->gid};
    int r = names_make(s->tree, parent, name, strlen(name), &m, ret);
    if (r == 0)
        *flags &= ~O_TRUNC;
    if (r != -EEXIST || (*flags & O_EXCL))
        return r;
    r = names_lookup(s->tree, parent, name, strlen(name), ret);
    return r < 0 ? r : S_ISREG(ret->mode) ? 0 : S_ISDIR(ret->mode) ? -EISDIR : -ESTALE;
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi) {
    struct session *s = session_begin_change(req, OP_CREATE);
    if (!s)
        return;
    struct open_call c = {.s = s, .req = req, .seen = atomic_load(&s->changes), .creates = true};
    int r = make_or_find(s, req, parent, name, mode, &fi->flags, &c.attr);
    if (r == 0)
        r = open_handle(s, c.attr.ino, fi);
    if (r < 0) {
        reply_err(req, r);
        return;
    }
    c.fi = *fi;
    finish_open(&c, c.attr.ino);
}

static void op_release(fuse_req_t req, fuse_ino_t ino ATTR_UNUSED, struct fuse_file_info *fi) {
    struct session *s = session_begin(req, OP_RELEASE);
    close_handle(s, handle_of(fi));
    reply_err(req, 0);
}

static void read_done(void *arg, int err, const void *data, size_t len) {
    fuse_req_t req = arg;
    if (err < 0)
        reply_err(req, err);
    else
        fuse_reply_buf(req, data, len);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
    struct session *s = session_begin(req, OP_READ);
    struct handle *h = handle_of(fi);
    bool first = !atomic_exchange(&h->is_read, true) && (h->flags & O_ACCMODE) == O_RDONLY;
    file_read(h->file, (uint64_t)off, size, &h->stream, read_done, req);
    if (first) /* h may be gone */
        ahead_reads(s->ahead, ino);
}

static void write_done(void *arg, int err, size_t n) {
    fuse_req_t req = arg;
    if (err < 0)
        reply_err(req, err);
    else
        fuse_reply_write(req, n);
}

/* Pages that the kernel writes back for mmap come under any handle, at their own offset. */
static void op_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t size, off_t off,
                     struct fuse_file_info *fi) {
    struct session *s = session_begin_change(req, OP_WRITE);
    if (!s)
        return;
    if (wire_kills_privs())
        session_drop_privs(s, ino);
    bool append = (fi->flags & O_APPEND) && !fi->writepage;
    file_write(handle_of(fi)->file, p, size, (uint64_t)off, append, write_done, req);
}

/* ENOSYS is remembered by the kernel as success: it never asks again. */
static void op_flush(fuse_req_t req, fuse_ino_t ino ATTR_UNUSED, struct fuse_file_info *fi) {
    struct session *s = session_begin(req, OP_FLUSH);
    if (s->opt->durability != DURABILITY_CLOSE) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    if ((handle_of(fi)->flags & O_ACCMODE) == O_RDONLY) {
        reply_err(req, 0);
        return;
    }
    struct answer *a = answer_new(s, req);
    file_flush(handle_of(fi)->file, answer_done, a);
    answer_started(a, NULL);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino ATTR_UNUSED, int datasync ATTR_UNUSED,
                     struct fuse_file_info *fi) {
    struct session *s = session_begin(req, OP_FSYNC);
    struct answer *a = answer_new(s, req);
    answer_started(a, file_fsync(handle_of(fi)->file, answer_done, a));
}

static void done_err(void *arg, int err) {
    reply_err(arg, err);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino ATTR_UNUSED, int mode, off_t off, off_t len,
                         struct fuse_file_info *fi) {
    struct session *s = session_begin_change(req, OP_FALLOCATE);
    if (s)
        file_fallocate(handle_of(fi)->file, mode, (uint64_t)off, (uint64_t)len, done_err, req);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in ATTR_UNUSED, off_t off_in,
                               struct fuse_file_info *fi_in, fuse_ino_t ino_out ATTR_UNUSED, off_t off_out,
                               struct fuse_file_info *fi_out, size_t len, int flags) {
    struct session *s = session_begin_change(req, OP_COPY_FILE_RANGE);
    if (!s)
        return;
    if (flags || len > COPY_MAX)
        reply_err(req, flags ? -EINVAL : -EXDEV);
    else
        file_share_range(handle_of(fi_in)->file, (uint64_t)off_in, handle_of(fi_out)->file, (uint64_t)off_out,
                         len, write_done, req);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino ATTR_UNUSED, off_t off, int whence,
                     struct fuse_file_info *fi) {
    session_begin(req, OP_LSEEK);
    int64_t r = file_seek(handle_of(fi)->file, (uint64_t)off, whence);
    if (r < 0)
        reply_err(req, (int)r);
    else
        fuse_reply_lseek(req, r);
}

void ops_files_fill(struct fuse_lowlevel_ops *ops) {
    ops->open = op_open;
    ops->create = op_create;
    ops->release = op_release;
    ops->read = op_read;
    ops->write = op_write;
    ops->flush = op_flush;
    ops->fsync = op_fsync;
    ops->fallocate = op_fallocate;
    ops->copy_file_range = op_copy_file_range;
    ops->lseek = op_lseek;
}
