/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/reply.h"
#include "fs/park.h"

/* What cp and others take as a good size of one read or write: each is a request, for which two processes wake each
 * other. */
#define PREFERRED_IO (256 * 1024)

int errno_of(int err) {
    switch (err) {
    case -ENOKEY:
    case -EBADMSG:
    case -EMEDIUMTYPE:
    case -ETIMEDOUT:
    case -ECANCELED:
    case -EPIPE:
    case -EINPROGRESS: /* which nobody can wait for any more */
    case -ENOSYS: /* to the kernel it means: never ask again */
        return EIO;
    default:
        return err < 0 ? -err : 0;
    }
}

void reply_err(fuse_req_t req, int err) {
    if (err == -EINPROGRESS && park_request(req))
        return;
    fuse_reply_err(req, errno_of(err));
}

static struct timespec to_timespec(int64_t ns) {
    struct timespec ts = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    if (ts.tv_nsec < 0) {
        ts.tv_sec--;
        ts.tv_nsec += NS_PER_S;
    }
    return ts;
}

void attr_to_stat(const struct options *opt, const struct attr *a, struct stat *ret) {
    memset(ret, 0, sizeof *ret);
    ret->st_ino = a->ino;
    ret->st_mode = a->mode;
    int64_t shown = S_ISREG(a->mode) ? opt->fmode : S_ISDIR(a->mode) ? opt->dmode : -1;
    if (shown >= 0)
        ret->st_mode = (a->mode & ~(mode_t)0777) | (mode_t)shown;
    if (opt->umask >= 0)
        ret->st_mode &= ~(mode_t)(opt->umask & 0777);
    ret->st_nlink = a->nlink;
    ret->st_uid = opt->uid >= 0 ? (uid_t)opt->uid : a->uid;
    ret->st_gid = opt->gid >= 0 ? (gid_t)opt->gid : a->gid;
    ret->st_rdev = a->rdev;
    ret->st_size = (off_t)a->size;
    ret->st_blocks = (blkcnt_t)a->blocks;
    ret->st_blksize = PREFERRED_IO;
    ret->st_atim = to_timespec(a->atime);
    ret->st_mtim = to_timespec(a->mtime);
    ret->st_ctim = to_timespec(a->ctime);
}

static double keep(struct session *s, uint64_t seen) {
    return atomic_load(&s->changes) == seen ? KEEP_SECONDS : 0;
}

void reply_attr(struct session *s, fuse_req_t req, const struct attr *a, uint64_t seen) {
    struct stat st;
    attr_to_stat(s->opt, a, &st);
    fuse_reply_attr(req, &st, keep(s, seen));
}

/* Counts first: from here on announcements about the inode are sent. Those that came before are in `changes`.
 */
void entry_param(struct session *s, const struct attr *a, uint64_t seen, struct fuse_entry_param *ret) {
    lookups_add(s->lookups, a->ino);
    *ret = (struct fuse_entry_param){.ino = a->ino, .generation = 1};
    attr_to_stat(s->opt, a, &ret->attr);
    ret->attr_timeout = ret->entry_timeout = keep(s, seen);
}

void reply_entry(struct session *s, fuse_req_t req, const struct attr *a, uint64_t seen) {
    struct fuse_entry_param e;
    entry_param(s, a, seen, &e);
    if (fuse_reply_entry(req, &e) < 0)
        lookups_sub(s->lookups, a->ino, 1);
}
