/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names and inodes, as a filesystem's calls see them: each call is one atomic change of the view, in one transaction, answered after it.
 * Names are byte strings of 1..255 bytes without '/' and NUL, given with their length. Every function takes the tree lock and returns 0 or a negative errno
 * (-ESTALE: no such inode; -EROFS: read-only mount, or no session yet and the bucket does not answer). Permission checks are the kernel's (default_permissions).
 */
#ifndef ASSETFS_NAMES_H
#define ASSETFS_NAMES_H

#include "tree/tree.h"

/* -ENOENT, -ENOTDIR, -ENAMETOOLONG. "." and ".." are answered too (NFS, export). */
int names_lookup(struct tree *, uint64_t parent, const char *name, size_t n, struct attr *ret);
/* Also of inodes without a name that are still open or known to the kernel. */
int names_getattr(struct tree *, uint64_t ino, struct attr *ret);

enum { SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_ATIME = 8, SET_MTIME = 16, SET_CTIME = 32 };
struct setattr {
    unsigned what;
    uint32_t mode; /* permission bits */
    uint32_t uid, gid;
    int64_t atime, mtime, ctime; /* ns */
};
/* Size is changed by file_truncate(). ctime becomes now. */
int names_setattr(struct tree *, uint64_t ino, const struct setattr *, struct attr *ret);

struct make {
    uint32_t mode; /* type and permission bits: S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK */
    uint32_t uid, gid;
    uint64_t rdev;
    const char *target; /* symlink: 1..4095 bytes */
};
/* A directory with setgid gives its gid (and setgid to directories). -EEXIST, -ENOENT (parent is gone), -EROFS. */
int names_make(struct tree *, uint64_t parent, const char *name, size_t n, const struct make *, struct attr *ret);
/* -EPERM (a directory), -EEXIST, -EMLINK */
int names_link(struct tree *, uint64_t ino, uint64_t parent, const char *name, size_t n, struct attr *ret);
int names_unlink(struct tree *, uint64_t parent, const char *name, size_t n); /* -EISDIR */
int names_rmdir(struct tree *, uint64_t parent, const char *name, size_t n);  /* -ENOTDIR, -ENOTEMPTY */
/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE (others -EINVAL). -EEXIST, -ENOTEMPTY, -EISDIR, -ENOTDIR, -EINVAL (into itself) */
int names_rename(struct tree *, uint64_t parent, const char *name, size_t n, uint64_t to_parent, const char *to_name, size_t to_n,
                 unsigned flags);
int names_readlink(struct tree *, uint64_t ino, struct buf *ret); /* -EINVAL: no symlink */

/* One entry of a listing; the struct and the name are valid during the call. Return false to stop. */
struct names_entry {
    uint64_t ino;
    uint32_t type; /* S_IFMT bits */
    const char *name;
    size_t n;
};
/* All names of a directory, in byte order, without "." and "..": a snapshot in one go. *ret_parent: the directory above (root: itself). */
int names_list(struct tree *, uint64_t dir, bool (*each)(void *arg, const struct names_entry *), void *arg, uint64_t *ret_parent);
/* Whether a listing needs nothing to be fetched (fault.h). */
bool names_are_here(struct tree *, uint64_t dir);

/* xattrs: kept are user.* and trusted.* (others -EOPNOTSUPP), values to 64 KiB; names that begin with user.assetfs. are virtual: fs/ answers them, here -EPERM.
 * flags: XATTR_CREATE, XATTR_REPLACE. -ENODATA, -EEXIST, -E2BIG (all xattrs of a file together: 1 MiB) */
int names_setxattr(struct tree *, uint64_t ino, const char *name, const void *value, size_t n, int flags);
int names_getxattr(struct tree *, uint64_t ino, const char *name, struct buf *ret);
int names_listxattr(struct tree *, uint64_t ino, struct buf *ret); /* names, each with its NUL */
int names_removexattr(struct tree *, uint64_t ino, const char *name);

/* The kernel has forgotten the inode. Frees what was kept of one without a name. */
void names_forget(struct tree *, uint64_t ino);

/* Totals for statfs. */
void names_totals(struct tree *, uint64_t *ret_files, uint64_t *ret_bytes);

/* A file's truth, for the virtual xattrs user.assetfs.*. */
enum file_state { FILE_LOCAL, FILE_UPLOADING, FILE_DURABLE, FILE_STUCK };
struct truth {
    enum file_state state;
    uint64_t sequence;  /* of the entry that last brought a record of it; 0: none yet */
    bool has_content;
    uint8_t id[DIGEST_SIZE];
    char *key;          /* malloc'd, or NULL */
    int64_t btime;
    bool ruled;         /* an area was set for where its first name is; else the default one holds */
    bool is_signed;     /* it is to be read by signed links only */
};
int names_truth(struct tree *, uint64_t ino, struct truth *ret);

#endif
