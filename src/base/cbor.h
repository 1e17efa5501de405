/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deterministic CBOR (RFC 8949 §4.2.1: shortest integers, definite lengths), written straight into a buf and read
 * straight out of memory, over libcbor's item codecs. No floats, no tags, no indefinite lengths: a reader meets them
 * as -EBADMSG. A reader copies nothing and allocates nothing: byte and text strings point into the input.
 * The names are cborw_* and cborr_* because libcbor itself exports cbor_get_bool and others.
 */
#ifndef ASSETFS_CBOR_H
#define ASSETFS_CBOR_H

#include "base/base.h"
#include "base/buf.h"

/* Writing. Errors stick in the buf. Map keys must be written in ascending order by the caller. */
void cborw_uint(struct buf *, uint64_t v);
void cborw_int(struct buf *, int64_t v);
void cborw_bytes(struct buf *, const void *p, size_t n);
void cborw_text(struct buf *, const char *s, size_t n);
void cborw_array(struct buf *, size_t n);
void cborw_map(struct buf *, size_t n_pairs);
void cborw_bool(struct buf *, bool v);
void cborw_null(struct buf *);

/* Reading: a cursor over [p, end). Every cborr_* takes one item, moves on and returns 0, or returns -EBADMSG (wrong
 * type, not deterministic, cut off, out of range) and leaves cursor and results as they were. */
struct cbor_in {
    const uint8_t *p, *end;
};

enum cbor_kind { CBOR_KIND_UINT, CBOR_KIND_NEGINT, CBOR_KIND_BYTES, CBOR_KIND_TEXT, CBOR_KIND_ARRAY, CBOR_KIND_MAP,
                 CBOR_KIND_BOOL, CBOR_KIND_NULL, CBOR_KIND_BAD };

enum cbor_kind cborr_peek(const struct cbor_in *);
int cborr_uint(struct cbor_in *, uint64_t *ret) ATTR_WARN_UNUSED;
int cborr_int(struct cbor_in *, int64_t *ret) ATTR_WARN_UNUSED;
int cborr_bytes(struct cbor_in *, const uint8_t **ret, size_t *ret_n) ATTR_WARN_UNUSED;
/* A byte string of just n bytes, copied. */
int cborr_fixed(struct cbor_in *, uint8_t *ret, size_t n) ATTR_WARN_UNUSED;
/* Text must be valid UTF-8 (RFC 3629). */
int cborr_text(struct cbor_in *, const char **ret, size_t *ret_n) ATTR_WARN_UNUSED;
/* The count is never larger than the bytes that are left can hold. */
int cborr_array(struct cbor_in *, size_t *ret_n) ATTR_WARN_UNUSED;
int cborr_map(struct cbor_in *, size_t *ret_pairs) ATTR_WARN_UNUSED;
int cborr_bool(struct cbor_in *, bool *ret) ATTR_WARN_UNUSED;
int cborr_null(struct cbor_in *) ATTR_WARN_UNUSED;
/* Skips one whole item, nested ones included (at most 16 deep, else -EBADMSG); its bytes to ret (may be NULL). */
int cborr_skip(struct cbor_in *, const uint8_t **ret, size_t *ret_n) ATTR_WARN_UNUSED;

#endif
