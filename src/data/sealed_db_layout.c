/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/sealed_db_layout.h"

#define TABLE_MAX ((uint64_t)64 << 20)

static uint32_t get_be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int sealed_db_ref_check(const struct sealed_db_ref *ref) {
    if (ref->block_size != SEALED_DB_BLOCK || ref->compression > SEALED_DB_ZSTD)
        return -EPROTONOSUPPORT;
    uint64_t size = ref->file_size, n = ref->n_blocks;
    if (size == 0 || size % SEALED_DB_PAGE || size > SEALED_DB_FILE_MAX || n != (size + SEALED_DB_BLOCK - 1) / SEALED_DB_BLOCK ||
        ref->hot_blocks > n)
        return -EBADMSG;
    if (ref->table_offset < SEAL_HEADER_SIZE + n * SEAL_TAG_SIZE || ref->table_offset > SEAL_HEADER_SIZE + n * SEALED_DB_STORED_MAX ||
        ref->object_size <= ref->table_offset)
        return -EBADMSG;
    uint64_t table = ref->object_size - ref->table_offset, least = 4 * n + 4 + SEAL_TAG_SIZE + SEALED_DB_TRAILER;
    return table < least || table > least + size / SEALED_DB_PAGE * 8 || table > TABLE_MAX ? -EBADMSG : 0;
}

static int parse_runs(const uint8_t *p, size_t n, uint64_t n_pages, struct sealed_db_layout *l) {
    uint64_t next = 1;
    l->n_runs = n / 8;
    l->runs = xcalloc(l->n_runs + 1, sizeof *l->runs);
    for (size_t i = 0; i < l->n_runs; i++, p += 8) {
        struct page_run run = {get_be32(p), get_be32(p + 4), l->n_hot};
        if (run.first < next || run.n == 0 || (uint64_t)run.first + run.n > n_pages + 1)
            return -EBADMSG;
        next = (uint64_t)run.first + run.n + 1; /* runs that touch are one */
        l->n_hot += run.n;
        l->runs[i] = run;
    }
    return 0;
}

int sealed_db_layout_parse(const struct sealed_db_ref *ref, const void *table, size_t n, struct sealed_db_layout *ret) {
    const uint8_t *p = table;
    uint64_t at = SEAL_HEADER_SIZE;
    *ret = (struct sealed_db_layout){.n_blocks = ref->n_blocks};
    size_t lengths = (size_t)ref->n_blocks * 4;
    if (n < lengths + 4 || (n - lengths - 4) % 8 || get_be32(p + lengths) != (n - lengths - 4) / 8)
        return -EBADMSG;
    ret->offset = xcalloc((size_t)ref->n_blocks + 1, sizeof *ret->offset);
    for (uint32_t i = 0; i < ref->n_blocks; i++, p += 4) {
        uint32_t length = get_be32(p);
        if (length < SEAL_TAG_SIZE || length > SEALED_DB_STORED_MAX)
            goto bad;
        ret->offset[i] = at;
        at += length;
    }
    ret->offset[ref->n_blocks] = at;
    if (at != ref->table_offset || parse_runs(p + 4, n - lengths - 4, ref->file_size / SEALED_DB_PAGE, ret) < 0)
        goto bad;
    return 0;
bad:
    sealed_db_layout_free(ret);
    return -EBADMSG;
}

void sealed_db_layout_free(struct sealed_db_layout *l) {
    free(l->offset);
    free(l->runs);
    *l = (struct sealed_db_layout){0};
}

uint32_t sealed_db_layout_place(const struct sealed_db_layout *l, uint32_t page) {
    size_t lo = 0, hi = l->n_runs; /* the number of runs that begin at or before the page */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->runs[mid].first <= page)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return l->n_hot + page - 1;
    const struct page_run *run = &l->runs[lo - 1];
    if (page - run->first < run->n)
        return run->before + (page - run->first);
    return l->n_hot + page - 1 - (run->before + run->n);
}
