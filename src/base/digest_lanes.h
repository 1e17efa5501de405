/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SHA-256 (FIPS 180-4) of up to LANES messages at once, whose next bytes are the same: a file, the block of
 * it that goes on just now, and the part. Where the processor has instructions for SHA-256 all lanes take the
 * bytes together (sha_ni.h), and three cost little more than one; elsewhere, and if those instructions give
 * anything else than OpenSSL does, each is hashed by OpenSSL.
 *
 * One thread at a time. The struct is the caller's: lanes_init() before, lanes_free() after.
 */
#ifndef ASSETFS_DIGEST_LANES_H
#define ASSETFS_DIGEST_LANES_H

#include "base/sha_ni.h"
#include <openssl/types.h>

#define LANES SHA_NI_MOST

enum lanes_how {
    LANES_FASTEST,
    LANES_BY_OPENSSL, /* for tests: even where there is something faster */
};

struct lane {
    bool runs;
    uint32_t value[8]; /* of what is hashed, where lanes.own */
    uint64_t chunks;   /* so much that is, likewise */
    EVP_MD_CTX *evp;   /* elsewhere; kept for the next message */
};

struct lanes {
    bool own; /* by sha_ni_chunks() */
    struct lane lane[LANES];
    uint8_t rest[SHA_NI_CHUNK]; /* the bytes after the last whole chunk, of each lane that runs */
    size_t n_rest;
};

void lanes_init(struct lanes *, enum lanes_how) ATTR_NONNULL;
void lanes_free(struct lanes *) ATTR_NONNULL;
static inline bool lane_runs(const struct lanes *l, unsigned which) {
    return l->lane[which].runs;
}
/* The lane begins a message. Only where the others have taken whole chunks (SHA_NI_CHUNK bytes). */
void lane_begin(struct lanes *, unsigned which) ATTR_NONNULL;
/* Lane `to` goes on from where `from` is. */
void lane_copy(struct lanes *, unsigned to, unsigned from) ATTR_NONNULL;
/* The next bytes, of all lanes that run. */
void lanes_update(struct lanes *, const void *p, size_t n) ATTR_NONNULL;
/* The lane's message ends. */
void lane_end(struct lanes *, unsigned which, uint8_t ret[DIGEST_SIZE]) ATTR_NONNULL;

#endif
