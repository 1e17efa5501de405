/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The compression function of SHA-256 (FIPS 180-4, 6.2.2) by the processor's own instructions, for one to
 * three hash values that take the same chunks: OpenSSL, which has one message at a time, can neither share
 * the message schedule nor use the time in which the rounds of one wait for each other. For digest_lanes.c.
 *
 * Intel SHA extensions: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, SHA256RNDS2,
 * SHA256MSG1, SHA256MSG2.
 */
#ifndef ASSETFS_SHA_NI_H
#define ASSETFS_SHA_NI_H

#include "base/base.h"

#define SHA_NI_CHUNK ((size_t)64)
#define SHA_NI_MOST 3

/* False on another processor: then sha_ni_chunks() must not be called. */
bool sha_ni_here(void);
/* `chunks` chunks at p into each of n values, 1 to SHA_NI_MOST; a value is a to h. */
void sha_ni_chunks(uint32_t *const values[], unsigned n, const uint8_t *p, size_t chunks) ATTR_NONNULL;

#endif
