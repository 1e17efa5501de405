/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests on names and inodes.
 */
#include "fs/session.h"
#include "fs/reply.h"
#include "fs/wire.h"

/* statfs: a bucket has no size. Large enough for everybody, the same every time, and small enough for
 * programs that count in 64 bits of bytes; it doubles rather than ever being nearly full. */
#define STATFS_BLOCK 4096
#define STATFS_LEAST_BYTES ((uint64_t)1 << 50)
#define STATFS_LEAST_FILES ((uint64_t)1 << 40)

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
    struct session *s = session_begin(req, OP_LOOKUP);
    uint64_t seen = atomic_load(&s->changes);
    struct attr a;
    int r = names_lookup(s->tree, parent, name, strlen(name), &a);
    if (r == -ENOENT)
        fuse_reply_entry(req, &(struct fuse_entry_param){.entry_timeout = KEEP_SECONDS});
    else if (r < 0)
        reply_err(req, r);
    else
        reply_entry(s, req, &a, seen);
}

static void forget(struct session *s, uint64_t ino, uint64_t n) {
    if (lookups_sub(s->lookups, ino, n))
        names_forget(s->tree, ino);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n) {
    forget(session_begin(req, OP_FORGET), ino, n);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets) {
    struct session *s = session_begin(req, OP_FORGET);
    for (size_t i = 0; i < count; i++)
        forget(s, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi ATTR_UNUSED) {
    struct session *s = session_begin(req, OP_GETATTR);
    uint64_t seen = atomic_load(&s->changes);
    struct attr a;
    int r = names_getattr(s->tree, ino, &a);
    if (r < 0)
        reply_err(req, r);
    else
        reply_attr(s, req, &a, seen);
}

static int64_t time_of(int64_t now, bool is_now, struct timespec ts) {
    return is_now ? now : ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static struct setattr to_setattr(struct session *s, const struct stat *st, int what) {
    int64_t now = env_now(s->env);
    struct setattr sa = {.mode = st->st_mode & 07777, .uid = st->st_uid, .gid = st->st_gid};
    sa.what = (what & FUSE_SET_ATTR_MODE ? SET_MODE : 0) | (what & FUSE_SET_ATTR_UID ? SET_UID : 0) |
              (what & FUSE_SET_ATTR_GID ? SET_GID : 0) | (what & FUSE_SET_ATTR_ATIME ? SET_ATIME : 0) |
              (what & FUSE_SET_ATTR_MTIME ? SET_MTIME : 0) | (what & FUSE_SET_ATTR_CTIME ? SET_CTIME : 0);
    sa.atime = time_of(now, what & FUSE_SET_ATTR_ATIME_NOW, st->st_atim);
    sa.mtime = time_of(now, what & FUSE_SET_ATTR_MTIME_NOW, st->st_mtim);
    sa.ctime = time_of(now, false, st->st_ctim);
    return sa;
}

struct setattr_call {
    struct session *s;
    fuse_req_t req;
    uint64_t ino;
    bool sets; /* more than the size */
    struct setattr sa;
};

static void setattr_rest(void *arg, int err) {
    struct setattr_call *c = arg;
    uint64_t seen = atomic_load(&c->s->changes);
    struct attr a;
    int r = err;
    if (r == 0)
        r = c->sets ? names_setattr(c->s->tree, c->ino, &c->sa, &a) : names_getattr(c->s->tree, c->ino, &a);
    if (r < 0)
        reply_err(c->req, r);
    else
        reply_attr(c->s, c->req, &a, seen);
    free(c);
}

/* A request that sets nothing is a chown(-1, -1) or comes before fallocate(2): it moves ctime, and takes suid
 * and sgid away as a change of owner does. */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int what,
                       struct fuse_file_info *fi ATTR_UNUSED) {
    struct session *s = session_begin_change(req, OP_SETATTR);
    if (!s)
        return;
    struct setattr_call *c = xcalloc(1, sizeof *c);
    *c = (struct setattr_call){.s = s, .req = req, .ino = ino, .sa = to_setattr(s, st, what)};
    bool truncate = what & FUSE_SET_ATTR_SIZE, owner = what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID);
    c->sets = c->sa.what || !truncate;
    if (wire_kills_privs() || (wire_has_killpriv() && (owner || what == 0)))
        session_drop_privs(s, ino);
    if (truncate)
        file_truncate(s->tree, ino, (uint64_t)st->st_size, setattr_rest, c);
    else
        setattr_rest(c, 0);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino) {
    struct session *s = session_begin(req, OP_READLINK);
    CLEANUP_BUF struct buf target = BUF_INIT(4097);
    int r = names_readlink(s->tree, ino, &target);
    if (r == 0 && !buf_str(&target))
        r = -EIO;
    if (r < 0)
        reply_err(req, r);
    else
        fuse_reply_readlink(req, buf_str(&target));
}

static void make(fuse_req_t req, enum fs_op op, fuse_ino_t parent, const char *name, struct make *m) {
    struct session *s = session_begin_change(req, op);
    if (!s)
        return;
    uint64_t seen = atomic_load(&s->changes);
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    m->uid = ctx->uid;
    m->gid = ctx->gid;
    struct attr a;
    int r = names_make(s->tree, parent, name, strlen(name), m, &a);
    if (r < 0)
        reply_err(req, r);
    else
        reply_entry(s, req, &a, seen);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev) {
    make(req, OP_MKNOD, parent, name, &(struct make){.mode = mode, .rdev = rdev});
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
    make(req, OP_MKDIR, parent, name, &(struct make){.mode = S_IFDIR | (mode & 07777)});
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name) {
    make(req, OP_SYMLINK, parent, name, &(struct make){.mode = S_IFLNK | 0777, .target = target});
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name) {
    struct session *s = session_begin_change(req, OP_UNLINK);
    if (s)
        reply_err(req, names_unlink(s->tree, parent, name, strlen(name)));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name) {
    struct session *s = session_begin_change(req, OP_RMDIR);
    if (s)
        reply_err(req, names_rmdir(s->tree, parent, name, strlen(name)));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
                      const char *to_name, unsigned flags) {
    struct session *s = session_begin_change(req, OP_RENAME);
    if (s)
        reply_err(req, names_rename(s->tree, parent, name, strlen(name), to_parent, to_name, strlen(to_name),
                                    flags));
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name) {
    struct session *s = session_begin_change(req, OP_LINK);
    if (!s)
        return;
    uint64_t seen = atomic_load(&s->changes);
    struct attr a;
    int r = names_link(s->tree, ino, parent, name, strlen(name), &a);
    if (r < 0)
        reply_err(req, r);
    else
        reply_entry(s, req, &a, seen);
}

static uint64_t stable_total(uint64_t used, uint64_t least) {
    uint64_t total = least;
    while (total / 2 < used && total < (uint64_t)1 << 62)
        total *= 2;
    return total;
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino ATTR_UNUSED) {
    struct session *s = session_begin(req, OP_STATFS);
    uint64_t files = 0, bytes = 0;
    names_totals(s->tree, &files, &bytes);
    uint64_t total = stable_total(bytes, STATFS_LEAST_BYTES),
             inodes = stable_total(files, STATFS_LEAST_FILES);
    struct statvfs st = {.f_bsize = STATFS_BLOCK, .f_frsize = STATFS_BLOCK, .f_namemax = NAME_MAX_BYTES};
    st.f_blocks = total / STATFS_BLOCK;
    st.f_bfree = st.f_bavail = (total - bytes) / STATFS_BLOCK;
    st.f_files = inodes;
    st.f_ffree = st.f_favail = inodes - files;
    fuse_reply_statfs(req, &st);
}

void ops_names_fill(struct fuse_lowlevel_ops *ops) {
    ops->lookup = op_lookup;
    ops->forget = op_forget;
    ops->forget_multi = op_forget_multi;
    ops->getattr = op_getattr;
    ops->setattr = op_setattr;
    ops->readlink = op_readlink;
    ops->mknod = op_mknod;
    ops->mkdir = op_mkdir;
    ops->unlink = op_unlink;
    ops->rmdir = op_rmdir;
    ops->symlink = op_symlink;
    ops->rename = op_rename;
    ops->link = op_link;
    ops->statfs = op_statfs;
}
