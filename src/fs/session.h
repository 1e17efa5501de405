/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The FUSE session of one mount: what every request handler (ops_*.c) needs, and the way from mount(2) to
 * unmount.
 *
 * A handler unpacks, calls one function of tree/, and replies; handlers that have to wait return at once and
 * reply from the completion. No lock is held across a reply. Node ids are inode numbers, the generation is
 * always 1: numbers are never used twice.
 *
 * What the kernel may keep: names, attributes, pages and listings for a day, because nothing changes behind
 * its back: its own changes it knows, and everything else is announced (fs/notify.h). A reply that was
 * computed before such an announcement and arrives after it would be wrong for that day; so `changes` counts
 * announcements, and a reply during which it moved may be kept for no time at all.
 */
#ifndef ASSETFS_SESSION_H
#define ASSETFS_SESSION_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "base/options.h"
#include "fs/ahead.h"
#include "fs/lookups.h"
#include "fs/notify.h"
#include "store/links.h"
#include "tree/file.h"
#include "tree/names.h"
#include "tree/tree.h"

/* Every request we answer, with its name in `status`. */
#define FS_OPS(X)                                                                                            \
    X(LOOKUP, "lookup")                                                                                      \
    X(FORGET, "forget")                                                                                      \
    X(GETATTR, "getattr")                                                                                    \
    X(SETATTR, "setattr")                                                                                    \
    X(READLINK, "readlink")                                                                                  \
    X(MKNOD, "mknod")                                                                                        \
    X(MKDIR, "mkdir")                                                                                        \
    X(UNLINK, "unlink")                                                                                      \
    X(RMDIR, "rmdir")                                                                                        \
    X(SYMLINK, "symlink")                                                                                    \
    X(RENAME, "rename")                                                                                      \
    X(LINK, "link")                                                                                          \
    X(OPEN, "open")                                                                                          \
    X(CREATE, "create")                                                                                      \
    X(READ, "read")                                                                                          \
    X(WRITE, "write")                                                                                        \
    X(FLUSH, "flush")                                                                                        \
    X(RELEASE, "release")                                                                                    \
    X(FSYNC, "fsync")                                                                                        \
    X(FALLOCATE, "fallocate")                                                                                \
    X(COPY_FILE_RANGE, "copy_file_range")                                                                    \
    X(LSEEK, "lseek")                                                                                        \
    X(OPENDIR, "opendir")                                                                                    \
    X(READDIR, "readdir")                                                                                    \
    X(READDIRPLUS, "readdirplus")                                                                            \
    X(RELEASEDIR, "releasedir")                                                                              \
    X(FSYNCDIR, "fsyncdir")                                                                                  \
    X(STATFS, "statfs")                                                                                      \
    X(SETXATTR, "setxattr")                                                                                  \
    X(GETXATTR, "getxattr")                                                                                  \
    X(LISTXATTR, "listxattr")                                                                                \
    X(REMOVEXATTR, "removexattr")

enum fs_op {
#define X(sym, name) OP_##sym,
    FS_OPS(X)
#undef X
        OP_COUNT
};

/* An open file of the kernel (fuse_file_info.fh). */
struct handle {
    struct file *file;
    int flags;
    struct read_stream stream;  /* guarded by the reader */
    _Atomic bool is_read;       /* and not only open, as rsync -X has files to see their xattrs */
    struct handle *prev, *next; /* guarded by session.mutex */
};

struct session {
    struct env *env;
    struct counters *counters;
    const struct options *opt;
    struct links *links; /* the addresses of objects */
    struct tree *tree;   /* set before session_mount(), and so is */
    struct ahead *ahead;
    const char *mountpoint, *control_path;
    /* Runs on a thread of its own once: 0 when the mount answers. */
    void (*ready)(void *arg, int err);
    void *ready_arg;

    struct fuse_session *fuse;
    struct notify *notify;
    struct lookups *lookups;
    struct parking *parking;
    pthread_t ready_thread;
    bool ready_started;
    _Atomic bool live;            /* the kernel may have something cached */
    _Atomic uint64_t dev;         /* of the mount */
    _Atomic uint64_t changes;     /* announcements so far */
    _Atomic int64_t refuse_until; /* mono ns: until then changes are refused (drain) */
    _Atomic uint64_t ops[OP_COUNT];
    pthread_mutex_t mutex;
    struct handle *handles; /* guarded by mutex */
};

/* Copies nothing: what it is given must outlive it. */
int session_new(struct env *, struct counters *, const struct options *, struct links *,
                const char *mountpoint, const char *control_path, struct session **ret) ATTR_WARN_UNUSED;
/* To give to tree_open(). */
struct tree_hooks session_hooks(struct session *);
/* Mounts; the loop must follow. A sentence in why. */
int session_mount(struct session *, struct buf *why) ATTR_WARN_UNUSED;
/* Serves requests until it is unmounted or session_exit() was called. SIGINT, SIGTERM and SIGHUP end it; they
 * must be blocked in all threads. */
int session_loop(struct session *);
/* Unmounts if it still is mounted; no notification is sent afterwards. */
void session_unmount(struct session *);
/* Closes what programs had open: after session_unmount(). */
void session_close_files(struct session *);
/* After every completion has run. NULL-safe; returns NULL. */
struct session *session_free(struct session *);

/* Refuses changes (-EROFS) for so long; 0 ends it. */
void session_refuse_changes(struct session *, int64_t ns);
bool session_refuses(struct session *);

/* Takes suid, and sgid where the group may execute, away: after a write or a change of owner that asks for it
 * (fs/wire.h). */
void session_drop_privs(struct session *, uint64_t ino);

void session_add_handle(struct session *, struct handle *);
void session_drop_handle(struct session *, struct handle *);

/* First thing in every handler: counts the request. */
struct session *session_begin(fuse_req_t, enum fs_op);
/* The same for a request that changes something: NULL when it was refused, which has been replied. */
struct session *session_begin_change(fuse_req_t, enum fs_op);

void ops_names_fill(struct fuse_lowlevel_ops *);
void ops_files_fill(struct fuse_lowlevel_ops *);
void ops_dir_fill(struct fuse_lowlevel_ops *);
void ops_xattr_fill(struct fuse_lowlevel_ops *);

#endif
