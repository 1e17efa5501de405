/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rows of a base on their way into tree.db, for fault.c and fault_ahead.c: copied from the base without the tree lock, written under it, so many at a time that the lock is not held
 * for long.
 */
#ifndef ASSETFS_FAULT_ROWS_H
#define ASSETFS_FAULT_ROWS_H

#include "tree/base.h"
#include "tree/state.h"

/* Rows and bytes that one transaction writes. */
#define FAULT_ROWS 2000
#define FAULT_BYTES (2u << 20)

struct fault_row {
    size_t at; /* in `bytes`: the name, then the record */
    size_t n, rec_len;
    uint64_t ino, seq;
    uint32_t type, nlink;
};

struct fault_rows {
    struct fault_row v[FAULT_ROWS];
    size_t n;
    struct buf bytes;
};

struct fault_rows *fault_rows_new(void);
void fault_rows_free(struct fault_rows *);
/* For base_children(): false when there is no room for another. */
bool fault_rows_add(void *rows, const struct base_row *);
bool fault_rows_full(const struct fault_rows *);
void fault_rows_cut(struct fault_rows *, size_t n); /* back to the first n */
const char *fault_rows_name(const struct fault_rows *, size_t i, size_t *ret_n);
/* In a transaction: the rows from..to-1, names of the directory. */
int fault_rows_write(struct tree *, uint64_t dir, const struct fault_rows *, size_t from, size_t to) ATTR_WARN_UNUSED;

#endif
