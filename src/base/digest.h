/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SHA-256 (FIPS 180-4) by OpenSSL: whole, in steps, and as lowercase hexadecimal. A content id is the SHA-256
 * of a whole file. A digest_stream hashes a file and, beside it, each of its blocks (BLOCK_SIZE), and if
 * wanted larger parts.
 */
#ifndef ASSETFS_DIGEST_H
#define ASSETFS_DIGEST_H

#include "base/base.h"

#define DIGEST_HEX_SIZE (2 * DIGEST_SIZE + 1)

void digest_of(const void *p, size_t n, uint8_t ret[DIGEST_SIZE]);
void digest_hex(const uint8_t d[DIGEST_SIZE], char ret[DIGEST_HEX_SIZE]);
/* Exactly 64 hexadecimal digits, upper or lower case, else -EINVAL. */
int digest_parse(const char *hex, uint8_t ret[DIGEST_SIZE]) ATTR_WARN_UNUSED;
void hex_encode(const void *p, size_t n, char *ret /* 2n+1 */);
int hex_decode(const char *hex, void *ret, size_t n) ATTR_WARN_UNUSED; /* -EINVAL unless exactly 2n digits */

/* A running SHA-256 of a file and of its blocks; bytes come in order, in any pieces. One thread at a time. */
struct digest_stream;
struct digest_stream *digest_stream_new(void);
struct digest_stream *digest_stream_free(struct digest_stream *); /* NULL-safe */
/* Before the first byte: hash each part_size bytes of the file as well (a multiple of BLOCK_SIZE, at least
 * two of them; anything else, 0 for one: no parts). */
void digest_stream_in_parts(struct digest_stream *, uint64_t part_size) ATTR_NONNULL;
void digest_stream_update(struct digest_stream *, const void *p, size_t n) ATTR_NONNULL;
uint64_t digest_stream_bytes(const struct digest_stream *) ATTR_NONNULL;
/* Ends it: the file's digest, and its blocks' (malloc'd, *ret_n × DIGEST_SIZE; NULL and 0 for an empty file).
 * For a file of one block the block's digest is the file's. The stream can only be freed afterwards. */
void digest_stream_final(struct digest_stream *, uint8_t ret[DIGEST_SIZE], uint8_t **ret_blocks, size_t *ret_n)
    ATTR_NONNULL;
/* Afterwards, once: the digests of its parts (malloc'd, the result × DIGEST_SIZE; the last one may be
 * shorter). 0 and NULL: none were asked for, or the file is empty. */
size_t digest_stream_take_parts(struct digest_stream *, uint8_t **ret) ATTR_NONNULL;

/* The tree digest (assetfs-format(5), "Tree digest"): a multiset hash. State is a 512-bit number, the sum
 * modulo 2^512 of the SHA-512 of every element, each read as a number whose first byte is least significant. */
struct set_digest {
    uint64_t w[8]; /* least significant word first */
};
void set_digest_add(struct set_digest *, const void *element, size_t n) ATTR_NONNULL;
void set_digest_remove(struct set_digest *, const void *element, size_t n) ATTR_NONNULL;
/* The state as its 64 bytes, least significant first, and back. */
#define SET_DIGEST_SIZE 64
void set_digest_store(const struct set_digest *, uint8_t ret[SET_DIGEST_SIZE]) ATTR_NONNULL;
void set_digest_load(struct set_digest *, const uint8_t bytes[SET_DIGEST_SIZE]) ATTR_NONNULL;
/* SHA-256 of the 64 bytes of the state, least significant byte first. */
void set_digest_value(const struct set_digest *, uint8_t ret[DIGEST_SIZE]) ATTR_NONNULL;

#endif
