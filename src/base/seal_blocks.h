/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An object that is sealed in blocks, so that each can be opened alone (assetfs-format(5), "Checkpoint"): AES-256-GCM, one key for the object (seal_object_key()),
 * the number of the block as nonce, and as associated data what it is a block of: volume id, salt, number, count.
 * In a plain volume nothing is secret or authentic; there the tag is the first 16 bytes of the SHA-256 of the associated data and the bytes, which tells what is damaged.
 *
 * Read-only once made: any thread, any number at once.
 */
#ifndef ASSETFS_SEAL_BLOCKS_H
#define ASSETFS_SEAL_BLOCKS_H

#include "base/seal.h"

#define SEAL_VOLUME_ID_SIZE 16

struct seal_blocks {
    bool plain;
    uint8_t key[SEAL_KEY_SIZE], key_id[SEAL_KEY_ID_SIZE]; /* zero if plain */
    uint8_t what[SEAL_VOLUME_ID_SIZE + SEAL_SALT_SIZE];
    uint64_t n;
};

/* id: of the key that sealed it, NULL to seal with the newest one. -ENOKEY. */
int seal_blocks_init(struct seal_blocks *, const struct keyring *, const uint8_t *id, const uint8_t salt[SEAL_SALT_SIZE], const char *context,
                     const uint8_t volume_id[SEAL_VOLUME_ID_SIZE], uint64_t n_blocks) ATTR_WARN_UNUSED;
void seal_blocks_wipe(struct seal_blocks *);

/* n bytes to n + SEAL_TAG_SIZE; out may not overlap p. -EIO: OpenSSL. */
int seal_block(const struct seal_blocks *, uint64_t i, const void *p, size_t n, void *out) ATTR_WARN_UNUSED;
/* n bytes, tag included, to n - SEAL_TAG_SIZE. -EBADMSG: not this block of this object. */
int unseal_block(const struct seal_blocks *, uint64_t i, const void *p, size_t n, void *out) ATTR_WARN_UNUSED;

#endif
