/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A growing byte buffer with a ceiling set at birth, so that no input decides how much memory is used.
 * Errors are sticky: after a failed append `err` is -EFBIG, later appends do nothing, and whoever takes the
 * result checks once. One thread at a time.
 */
#ifndef ASSETFS_BUF_H
#define ASSETFS_BUF_H

#include "base/base.h"
#include <stdarg.h>

struct buf {
    unsigned char *data; /* not NUL-terminated except by buf_str() */
    size_t len, cap, max;
    int err;
    bool secret; /* no byte stays in memory that is given back */
};

#define BUF_INIT(max_) ((struct buf){.max = (max_)})
#define BUF_SECRET(max_) ((struct buf){.max = (max_), .secret = true})

void buf_free(struct buf *b);  /* also wipes the struct; safe on a zeroed one */
void buf_wipe(struct buf *b);  /* zeroes the bytes first, in any case */
void buf_reset(struct buf *b); /* keeps the memory */
int buf_reserve(struct buf *b, size_t more);
int buf_append(struct buf *b, const void *p, size_t n);
int buf_append_str(struct buf *b, const char *s);
int buf_append_byte(struct buf *b, unsigned char c);
int buf_printf(struct buf *b, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* Appends s as a JSON string with its quotes; bytes that are not UTF-8 become \u00XX (assetfs status --json says so). */
int buf_append_json(struct buf *b, const char *s, size_t n);
/* NUL-terminated view; valid until the next change. NULL after an error. */
const char *buf_str(struct buf *b);
/* Hands the memory over (NUL-terminated), the buffer is empty afterwards. NULL after an error. */
unsigned char *buf_take(struct buf *b, size_t *ret_len);

#define CLEANUP_BUF __attribute__((cleanup(buf_free)))

#endif
