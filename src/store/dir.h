/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bucket in a local directory: file:///srv/bucket. For trying assetfs without an account, for tests, for a NAS.
 *
 * An object is a file below the directory, made under a name in `.tmp/` (or unnamed), fsynced, and linked to its final name
 * without ever replacing one (EEXIST is the 412 of S3); its directories are fsynced as well. Several hosts and processes may share it.
 * Keys become paths one segment at a time; segments that a file system cannot hold as they are ("", ".", "..", control
 * characters, '%') or that would be `.tmp` are percent-encoded (an empty segment is "%00"), a segment that would be longer than 255 bytes
 * is -EINVAL, and so is a key that runs through an object ("a/b" where "a" is an object) or that other keys run through ("a" then).
 * One get gives at most 256 MiB: more is -EINVAL. The content type is kept in the xattr user.mime_type where the file system can.
 * How an object is to be kept otherwise (store/keep.h) a directory does not keep. "Vanished": when the bucket's directory itself is not there (not mounted), gets and puts return -EIO, never -ENOENT. A mount point
 * without its disk is a directory, too: a bucket is known by the directory `.tmp` in it, and without that the same is answered.
 */
#ifndef ASSETFS_STORE_DIR_H
#define ASSETFS_STORE_DIR_H

#include "store/store.h"

/* path: absolute. STORE_OPEN_CREATE: make the directory and its mark `.tmp` if they are not there (assetfs init). The directory is opened at each operation, so
 * that a bucket that is unmounted and comes back goes on.
 * Returns 0; -ENOENT (no such directory), -ENODATA (a directory without the mark), -ENOTDIR, -EACCES, -EINVAL (path not absolute), or
 * what making it failed with. */
int store_dir_open(struct env *, struct counters *, const char *path, enum store_open_how, struct store **ret) ATTR_WARN_UNUSED;

#endif
