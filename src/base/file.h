/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Local files done right: whole reads and writes in spite of EINTR and short counts, atomic replacement, durable
 * directories. All return 0 (or what is said) or a negative errno.
 */
#ifndef ASSETFS_FILE_H
#define ASSETFS_FILE_H

#include "base/base.h"
#include "base/buf.h"

int file_pread_all(int fd, void *p, size_t n, uint64_t off) ATTR_WARN_UNUSED; /* -ENODATA: the file ends before */
int file_pwrite_all(int fd, const void *p, size_t n, uint64_t off) ATTR_WARN_UNUSED;
/* Appends the whole file; -EFBIG when it is larger than ret may become. */
int file_load(const char *path, struct buf *ret) ATTR_WARN_UNUSED;
/* Writes path.tmp, fsyncs, renames over path, fsyncs the directory. */
int file_write_atomic(const char *path, const void *p, size_t n, unsigned mode) ATTR_WARN_UNUSED;
/* mkdir -p; mode for every directory it makes. */
int file_make_dirs(const char *path, unsigned mode) ATTR_WARN_UNUSED;
int file_sync_dir(const char *path) ATTR_WARN_UNUSED;
/* The directory that the path's last name is in ("." if it says none); malloc'd. */
char *file_parent(const char *path) ATTR_WARN_UNUSED;
/* Copies n bytes by the cheapest way the kernel has (reflink, copy_file_range, read and write). */
int file_copy_range(int from, uint64_t from_off, int to, uint64_t to_off, uint64_t n) ATTR_WARN_UNUSED;

#endif
