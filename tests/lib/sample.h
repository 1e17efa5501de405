/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Content for tests: bytes made from a seed, and the struct content that describes them.
 */
#ifndef ASSETFS_TESTS_SAMPLE_H
#define ASSETFS_TESTS_SAMPLE_H

#include "data/content.h"

struct sample {
    uint8_t *data;
    uint64_t size;
    uint8_t *digests; /* of all blocks */
    struct content
        *content; /* key "files/<seed>"; without digests when there are more than CONTENT_INLINE_BLOCKS */
};

/* Equal seeds and sizes give equal bytes. Ends the process when memory is gone. */
struct sample *sample_new(unsigned seed, uint64_t size);
struct sample *sample_free(struct sample *); /* NULL-safe; returns NULL */
const uint8_t *sample_digest(const struct sample *, uint64_t block);
const uint8_t *sample_block(const struct sample *, uint64_t block, size_t *ret_len);
/* Writes the bytes to a new file. */
void sample_write(const struct sample *, const char *path);

#endif
