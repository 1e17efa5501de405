/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory of the C library's heap that is zeroed before it is given back: for secrets, and as the allocator of libraries that parse them (jansson, libxml2). All of it can be
 * mixed with malloc() and free(). Threads: any.
 */
#ifndef ASSETFS_SECRET_H
#define ASSETFS_SECRET_H

#include "base/base.h"

/* Zeroes a string up to its NUL and frees it. NULL-safe. */
void secret_free(char *);
#define CLEANUP_SECRET __attribute__((cleanup(secret_free_at)))
static inline void secret_free_at(char **p) {
    secret_free(*p);
}
/* Zeroes all of what malloc() gave, whatever is in it, and frees it. NULL-safe. */
void secret_release(void *);
/* As realloc(), which leaves nothing behind where it moves. */
void *secret_realloc(void *, size_t);

/* The file's bytes with a NUL behind them, in memory for secret_release(). It is opened by its path each time, so that one which is replaced, or reached through a symbolic link that is,
 * is read as it is now. -EINVAL: no regular file; -EFBIG: more than max bytes; -ENODATA: nothing in it; or as open(). White space at the end is taken off if `trim`. */
int secret_load(const char *path, size_t max, bool trim, char **ret, size_t *ret_len) ATTR_WARN_UNUSED;

#endif
