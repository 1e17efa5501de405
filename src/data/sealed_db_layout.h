/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the pages of a sealed database are in its object (sealed_db.h): the hot ones first, ascending, then the others, ascending, four to a block. The table at the end of the object
 * says how long each block is there and which pages are hot. Pure. Integers are big-endian.
 *
 *     object: header (41) | blocks | table, sealed as block n | offset of the table (8) | n (4)
 *     table:  n stored lengths (4 each) | number of runs (4) | runs of hot pages: first page, how many (4 + 4), ascending; page 1 is the first page
 */
#ifndef ASSETFS_SEALED_DB_LAYOUT_H
#define ASSETFS_SEALED_DB_LAYOUT_H

#include "base/buf.h"
#include "data/sealed_db.h"

#define SEALED_DB_TRAILER 12
#define SEALED_DB_PAGES_A_BLOCK (SEALED_DB_BLOCK / SEALED_DB_PAGE)
#define SEALED_DB_FORMAT_SEALED 3
#define SEALED_DB_FORMAT_PLAIN 4
/* No block is longer in the object: zstd may add a little to what it cannot compress. */
#define SEALED_DB_STORED_MAX (SEALED_DB_BLOCK + 512)
#define SEALED_DB_FILE_MAX ((uint64_t)1 << 40)

struct page_run {
    uint32_t first, n;
    uint32_t before; /* hot pages of the runs before */
};

struct sealed_db_layout {
    uint64_t *offset; /* of each block in the object, and of the table after the last: n_blocks + 1 */
    uint32_t n_blocks;
    struct page_run *runs;
    size_t n_runs;
    uint32_t n_hot;   /* pages */
};

/* Bytes of block i once it is open; the last one may be shorter. */
static inline size_t sealed_db_block_len(const struct sealed_db_ref *ref, uint32_t i) {
    uint64_t left = ref->file_size - (uint64_t)i * SEALED_DB_BLOCK;
    return left < SEALED_DB_BLOCK ? (size_t)left : SEALED_DB_BLOCK;
}

/* p, n: the opened table. -EBADMSG: it does not fit the reference. */
int sealed_db_layout_parse(const struct sealed_db_ref *, const void *p, size_t n, struct sealed_db_layout *ret) ATTR_WARN_UNUSED;
void sealed_db_layout_free(struct sealed_db_layout *);
/* The place of page `page` (from 1) among all pages as the object has them, from 0. */
uint32_t sealed_db_layout_place(const struct sealed_db_layout *, uint32_t page);

#endif
