/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes that somebody keeps beyond the call that gave them: from one owner to the next without a copy. Whoever has the pointer owns it and calls bytes_free() once,
 * from any thread.
 */
#ifndef ASSETFS_BYTES_H
#define ASSETFS_BYTES_H

#include "base/base.h"

struct bytes {
    const void *data;
    size_t len;
    void (*free)(struct bytes *);
};

struct bytes *bytes_copy(const void *data, size_t len);
static inline void bytes_free(struct bytes *b) { /* NULL-safe */
    if (b)
        b->free(b);
}

#endif
