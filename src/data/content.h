/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What identifies the bytes of a file in the bucket: content id, size, object key, and the digests of its blocks.
 * Immutable once made, shared by reference count; content_ref/unref may be called from any thread.
 *
 * Block digests: a file of one block needs none (its digest is the content id); up to CONTENT_INLINE_BLOCKS blocks they are here;
 * a larger file has only `digests_digest`, the SHA-256 of all its block digests one after another, and the digests themselves are in the sealed
 * object <prefix>/digests/<content id> (assetfs-format(5)).
 */
#ifndef ASSETFS_CONTENT_H
#define ASSETFS_CONTENT_H

#include "base/base.h"
#include "base/digest.h"

#define CONTENT_INLINE_BLOCKS 64

struct content {
    uint8_t id[DIGEST_SIZE];
    uint64_t size;                       /* > 0: an empty file has no content */
    char *key;                           /* where the object is, relative to the volume's place in the bucket */
    uint8_t *digests;                    /* BLOCK_COUNT(size) × DIGEST_SIZE, or NULL */
    uint8_t digests_digest[DIGEST_SIZE]; /* when digests is NULL and there is more than one block */
    _Atomic unsigned refs;
};

/* Copies what it is given. digests: as above, or NULL; digests_digest: or NULL. Returns a content with one reference. */
struct content *content_new(const uint8_t id[DIGEST_SIZE], uint64_t size, const char *key, const uint8_t *digests,
                            const uint8_t *digests_digest) ATTR_WARN_UNUSED;
struct content *content_ref(struct content *); /* returns it; NULL-safe */
void content_unref(struct content *);          /* NULL-safe */
bool content_same(const struct content *, const struct content *); /* by id; NULL equals NULL only */

#endif
