/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sealed objects (assetfs-format(5), "Sealing"): one header, AES-256-GCM, a key made by HKDF-SHA256 (RFC 5869) from the
 * volume key, a random salt and a context (usually the object's key in the bucket).
 * Pure but for the salt, which the caller draws (base/env.h).
 *
 *     offset  size
 *     0       1     format: SEAL_FORMAT_SEALED or SEAL_FORMAT_PLAIN
 *     sealed: 1     8  key id    9  32 salt    41  n ciphertext    41+n  16 tag
 *     plain:  1     n bytes
 */
#ifndef ASSETFS_SEAL_H
#define ASSETFS_SEAL_H

#include "base/base.h"
#include "base/buf.h"

enum { SEAL_FORMAT_SEALED = 1, SEAL_FORMAT_PLAIN = 2 };
#define SEAL_KEY_SIZE 32
#define SEAL_KEY_ID_SIZE 8
#define SEAL_SALT_SIZE 32
#define SEAL_HEADER_SIZE (1 + SEAL_KEY_ID_SIZE + SEAL_SALT_SIZE)
#define SEAL_TAG_SIZE 16
#define SEAL_OVERHEAD (SEAL_HEADER_SIZE + SEAL_TAG_SIZE)

/* The volume keys a host knows; the last one added seals. Zeroed when freed. Keys may be added while others use the ring. */
struct keyring;
struct keyring *keyring_new(void);                /* empty: a plain volume */
struct keyring *keyring_free(struct keyring *);   /* NULL-safe; wipes */
void keyring_add(struct keyring *, const uint8_t key[SEAL_KEY_SIZE]) ATTR_NONNULL;
bool keyring_has(const struct keyring *, const uint8_t id[SEAL_KEY_ID_SIZE]) ATTR_NONNULL;
bool keyring_empty(const struct keyring *) ATTR_NONNULL;
/* A key's id: the first 8 bytes of HKDF-Expand(key, "assetfs key id"). */
void seal_key_id(const uint8_t key[SEAL_KEY_SIZE], uint8_t ret[SEAL_KEY_ID_SIZE]);

/* Appends the sealed (plain, if the ring is empty) form of p to ret. -EFBIG (ret's ceiling), -EIO (OpenSSL). */
int seal(const struct keyring *, const uint8_t salt[SEAL_SALT_SIZE], const char *context, const void *p, size_t n,
         struct buf *ret) ATTR_WARN_UNUSED;

/* Opens it and appends the plaintext to ret.
 *  -EBADMSG   not one of ours: too short, unknown format byte, wrong tag, plain where the ring has keys, or sealed
 *             where the volume is plain (empty ring)
 *  -ENOKEY    well-formed and sealed under a key id the (non-empty) ring does not have
 *  -EFBIG     larger than ret may become */
int unseal(const struct keyring *, const char *context, const void *p, size_t n, struct buf *ret) ATTR_WARN_UNUSED;

/* The AES key of an object that is not sealed whole (seal_blocks.h): of the ring's newest key, or that with `id`; its id to ret_id. The caller wipes it.
 * -ENOKEY: not in the ring, or the ring is empty. */
int seal_object_key(const struct keyring *, const uint8_t *id, const uint8_t salt[SEAL_SALT_SIZE], const char *context,
                    uint8_t ret[SEAL_KEY_SIZE], uint8_t ret_id[SEAL_KEY_ID_SIZE]) ATTR_WARN_UNUSED;

/* What the header says, without a key: format, and the key id if sealed. -EBADMSG if it is no such header. */
int seal_peek(const void *p, size_t n, int *ret_format, uint8_t ret_id[SEAL_KEY_ID_SIZE]) ATTR_WARN_UNUSED;

#endif
