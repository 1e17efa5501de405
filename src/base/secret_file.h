/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A small file with a secret in it, that somebody else replaces whenever he likes (a secret operator: Kubernetes swaps a symbolic link above it). It is opened by path each
 * time; whether it may have changed is seen by device, inode, size and times of what the path leads to. One that is younger than two seconds counts as changed at each
 * look: its time may stay the same for the next write.
 *
 * Bytes are read into memory of their size, which is wiped when freed. Blocks on the local disk. Threads: any; nothing is shared.
 */
#ifndef ASSETFS_SECRET_FILE_H
#define ASSETFS_SECRET_FILE_H

#include "base/base.h"
#include <sys/stat.h>

/* What a path led to. Zeroed: to nothing. */
struct secret_mark {
    bool there, settled;
    bool exposed; /* everybody on this machine may read it */
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
};

struct secret_text {
    char *p; /* len bytes, and a NUL behind them */
    size_t len;
};

/* Reads all of it; the mark is filled with errors too. now_ns: the wall clock.
 * -ENOENT; -EACCES and others of open(2); -EINVAL: no regular file; -EFBIG: more than max bytes; -EAGAIN: it changed each time it was read. */
int secret_file_read(const char *path, size_t max, int64_t now_ns, struct secret_text *ret, struct secret_mark *ret_mark) ATTR_WARN_UNUSED;
/* Whether the path leads elsewhere, or to something that has been written. */
bool secret_file_changed(const char *path, const struct secret_mark *);
/* Wipes. */
void secret_text_free(struct secret_text *);

#define CLEANUP_SECRET_TEXT __attribute__((cleanup(secret_text_free)))

#endif
