/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Open files: what a program reads and writes, whether the bytes are in the bucket (through the reader) or on this host alone (in the spool).
 *
 * One `struct file` an inode, shared by its handles, made by the first open and freed with the last reference. The first write copies up lazily (data/spool.h). While a snapshot of it
 * is being uploaded, a write starts a new version and leaves the snapshot as it is.
 *
 * Completions run in the caller's thread before return where nothing has to be waited for, else on the loop. No lock is held during them.
 */
#ifndef ASSETFS_FILE_TREE_H
#define ASSETFS_FILE_TREE_H

#include "data/reader.h"
#include "tree/tree.h"

struct file;

typedef void (*file_done)(void *arg, int err);
typedef void (*file_written)(void *arg, int err, size_t n);

/* flags: O_ACCMODE, O_TRUNC. -EISDIR, -EROFS, -ESTALE, -EINVAL (not a regular file). writable handles are counted: settle waits for the last to be closed. */
int file_open(struct tree *, uint64_t ino, int flags, struct file **ret) ATTR_WARN_UNUSED;
/* flags as at file_open(). Never fails and never waits. */
void file_close(struct file *, int flags);
/* durability=close: done when all that was written is durable, or after fsync_timeout (-EIO). */
void file_flush(struct file *, file_done done, void *arg);

/* As reader_read(): data valid during the call; short only at the end of the file. */
void file_read(struct file *, uint64_t off, size_t len, struct read_stream *, reader_done done, void *arg);
/* append: off is ignored, the write goes to the end (O_APPEND). -EFBIG, -ENOSPC, -EROFS, -EIO */
void file_write(struct file *, const void *p, size_t len, uint64_t off, bool append, file_written done, void *arg);
/* By inode number: ftruncate and truncate look alike. ret attributes are read again by the caller. */
void file_truncate(struct tree *, uint64_t ino, uint64_t size, file_done done, void *arg);
void file_fallocate(struct file *, int mode, uint64_t off, uint64_t len, file_done done, void *arg);
int64_t file_seek(struct file *, uint64_t off, int whence); /* SEEK_DATA, SEEK_HOLE; -ENXIO */

/* fsync: done(0) when the inode and its content at the time of the call are durable (durability=local: on this disk); -EIO after fsync_timeout or when
 * the upload was refused. The handle tells nothing about the wait: cancel by the returned wait (may be NULL when done already ran). */
struct tree_wait *file_fsync(struct file *, file_done done, void *arg);
/* fsync of a directory: everything pending below its own record and names. */
struct tree_wait *file_fsync_inode(struct tree *, uint64_t ino, file_done done, void *arg);

/* Whole-file copy inside the volume: makes `to` share the content of `from` when off_in = off_out = 0 and the range covers all of `from`, `to` is
 * empty, and `from` has settled content; -EXDEV when it cannot (the kernel then copies by reading and writing). n: bytes that were copied. */
void file_share_range(struct file *from, uint64_t off_in, struct file *to, uint64_t off_out, size_t len, file_written done, void *arg);

#endif
