/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a SQLite file to its object. Which pages are hot is found by walking the b-trees (SQLite's file format, https://www.sqlite.org/fileformat2.html section 1.6): the roots are in
 * sqlite_schema, all leaves of a b-tree are equally deep, and only those of hot ones have to be looked at.
 */
#include "base/digest.h"
#include "base/file.h"
#include "base/seal_blocks.h"
#include "data/sealed_db_layout.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <zstd.h>

/* Deeper b-trees than that are none: each level has hundreds of times the pages of the one above. */
#define DEPTH_MAX 20
#define ZSTD_LEVEL 1

struct writer {
    int from, to;
    uint64_t n_pages;
    uint8_t *hot; /* a bit a page, page 1 is bit 0 */
    const struct keyring *keys;
    struct seal_blocks seal;
    struct digest_stream *digest;
    uint64_t at; /* bytes of the object so far */
    ZSTD_CCtx *zstd;
    struct buf table;
};

static void put_be(uint8_t *p, uint64_t v, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static uint32_t get_be(const uint8_t *p, unsigned n) {
    uint32_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static bool is_hot(const struct writer *w, uint64_t page) {
    return w->hot[(page - 1) / 8] >> ((page - 1) % 8) & 1;
}

/* Hot pages */

static int read_page(struct writer *w, uint32_t page, uint8_t *ret) {
    if (page == 0 || page > w->n_pages)
        return -EBADMSG;
    return file_pread_all(w->from, ret, SEALED_DB_PAGE, (uint64_t)(page - 1) * SEALED_DB_PAGE);
}

/* A b-tree page's header; the file's own is before that of page 1. */
static const uint8_t *page_header(const uint8_t *p, uint32_t page) {
    return page == 1 ? p + 100 : p;
}

static bool is_interior(const uint8_t *header) {
    return header[0] == 2 || header[0] == 5;
}

/* The i-th child of an interior page, the rightmost one last. 0: there is no such page. */
static uint32_t child_of(const uint8_t *p, const uint8_t *header, unsigned i) {
    unsigned n_cells = get_be(header + 3, 2);
    if (i == n_cells)
        return get_be(header + 8, 4);
    size_t slot = (size_t)(header - p) + 12 + 2 * (size_t)i;
    uint32_t cell = slot + 2 <= SEALED_DB_PAGE ? get_be(p + slot, 2) : SEALED_DB_PAGE;
    return cell + 4 <= SEALED_DB_PAGE ? get_be(p + cell, 4) : 0;
}

/* Levels below this page: 0 for a leaf. */
static int depth_of(struct writer *w, uint32_t page, unsigned *ret) {
    CLEANUP_FREE uint8_t *p = xmalloc(SEALED_DB_PAGE);
    for (*ret = 0;; (*ret)++) {
        int r = read_page(w, page, p);
        const uint8_t *header = page_header(p, page);
        if (r < 0)
            return r;
        if (!is_interior(header))
            return header[0] == 10 || header[0] == 13 ? 0 : -EBADMSG;
        if (*ret == DEPTH_MAX)
            return -EBADMSG;
        page = child_of(p, header, 0);
    }
}

static void mark(struct writer *w, uint32_t page) {
    w->hot[(page - 1) / 8] |= (uint8_t)(1 << ((page - 1) % 8));
}

/* The interior pages below, and the leaves if `all`. A page that is met again belongs to two trees, or to itself. */
static int walk(struct writer *w, uint32_t page, unsigned depth, bool all) {
    if (page == 0 || page > w->n_pages || is_hot(w, page))
        return -EBADMSG;
    if (depth == 0) {
        if (all)
            mark(w, page);
        return 0;
    }
    CLEANUP_FREE uint8_t *p = xmalloc(SEALED_DB_PAGE);
    int r = read_page(w, page, p);
    const uint8_t *header = page_header(p, page);
    if (r == 0 && !is_interior(header))
        r = -EBADMSG;
    mark(w, page);
    for (unsigned i = 0; r == 0 && i <= get_be(header + 3, 2) && (depth > 1 || all); i++)
        r = walk(w, child_of(p, header, i), depth - 1, all);
    return r;
}

static int walk_tree(struct writer *w, uint32_t root, bool all) {
    unsigned depth;
    int r = depth_of(w, root, &depth);
    return r < 0 ? r : walk(w, root, depth, all);
}

static bool is_listed(const char *const *names, const unsigned char *name) {
    for (; names && *names; names++)
        if (name && !strcmp(*names, (const char *)name))
            return true;
    return false;
}

static int sql_error(int rc) {
    return (rc & 0xff) == SQLITE_NOMEM ? -ENOMEM : (rc & 0xff) == SQLITE_IOERR ? -EIO : -EBADMSG;
}

static int find_hot(struct writer *w, const char *path, const char *const *hot) {
    sqlite3 *sql = NULL;
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_open_v2(path, &sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    int r = walk_tree(w, 1, true);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(sql, "SELECT rootpage, name FROM sqlite_schema WHERE rootpage > 0", -1, &s, NULL);
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        sqlite3_int64 root = sqlite3_column_int64(s, 0);
        r = root > UINT32_MAX ? -EBADMSG : walk_tree(w, (uint32_t)root, is_listed(hot, sqlite3_column_text(s, 1)));
        rc = SQLITE_OK;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = sql_error(rc);
    sqlite3_finalize(s);
    sqlite3_close(sql);
    return r;
}

/* Writing */

static int put(struct writer *w, const void *p, size_t n) {
    int r = file_pwrite_all(w->to, p, n, w->at);
    digest_stream_update(w->digest, p, n);
    w->at += n;
    return r;
}

static int put_header(struct writer *w, const uint8_t *salt) {
    uint8_t header[SEAL_HEADER_SIZE] = {w->seal.plain ? SEALED_DB_FORMAT_PLAIN : SEALED_DB_FORMAT_SEALED};
    memcpy(header + 1, w->seal.key_id, SEAL_KEY_ID_SIZE);
    memcpy(header + 1 + SEAL_KEY_ID_SIZE, salt, SEAL_SALT_SIZE);
    return put(w, header, sizeof header);
}

static int put_block(struct writer *w, uint32_t i, const uint8_t *p, size_t n) {
    uint8_t packed[SEALED_DB_STORED_MAX], out[SEALED_DB_STORED_MAX + SEAL_TAG_SIZE], length[4];
    if (w->zstd) {
        n = ZSTD_compressCCtx(w->zstd, packed, SEALED_DB_STORED_MAX - SEAL_TAG_SIZE, p, n, ZSTD_LEVEL);
        if (ZSTD_isError(n))
            return -EIO;
        p = packed;
    }
    int r = seal_block(&w->seal, i, p, n, out);
    if (r < 0)
        return r;
    put_be(length, n + SEAL_TAG_SIZE, sizeof length);
    buf_append(&w->table, length, sizeof length);
    return put(w, out, n + SEAL_TAG_SIZE);
}

/* The pages of one kind, in their order, into blocks; the one that has begun goes on. */
static int put_pages(struct writer *w, bool hot, uint8_t *block, size_t *fill, uint32_t *i, const _Atomic bool *stop) {
    int r = 0;
    for (uint64_t page = 1; page <= w->n_pages && r == 0; page++) {
        if (is_hot(w, page) != hot)
            continue;
        r = stop && *stop ? -ECANCELED : read_page(w, (uint32_t)page, block + *fill);
        *fill += SEALED_DB_PAGE;
        if (r == 0 && *fill == SEALED_DB_BLOCK) {
            r = put_block(w, (*i)++, block, *fill);
            *fill = 0;
        }
    }
    return r;
}

static uint64_t put_runs(struct writer *w) {
    size_t count_at = w->table.len;
    uint32_t n_runs = 0;
    uint64_t n_hot = 0;
    uint8_t run[8] = {0};
    buf_append(&w->table, run, 4);
    for (uint64_t page = 1, end; page <= w->n_pages; page = end + 1) {
        for (end = page; end <= w->n_pages && is_hot(w, end); end++)
            ;
        if (end == page)
            continue;
        put_be(run, page, 4);
        put_be(run + 4, end - page, 4);
        buf_append(&w->table, run, sizeof run);
        n_hot += end - page;
        n_runs++;
    }
    if (!w->table.err)
        put_be(w->table.data + count_at, n_runs, 4);
    return n_hot;
}

static int put_table(struct writer *w, struct sealed_db_ref *ret) {
    uint8_t trailer[SEALED_DB_TRAILER];
    ret->hot_blocks = (uint32_t)((put_runs(w) + SEALED_DB_PAGES_A_BLOCK - 1) / SEALED_DB_PAGES_A_BLOCK);
    if (w->table.err)
        return w->table.err;
    CLEANUP_FREE uint8_t *sealed = xmalloc(w->table.len + SEAL_TAG_SIZE);
    int r = seal_block(&w->seal, ret->n_blocks, w->table.data, w->table.len, sealed);
    ret->table_offset = w->at;
    put_be(trailer, w->at, 8);
    put_be(trailer + 8, ret->n_blocks, 4);
    if (r == 0)
        r = put(w, sealed, w->table.len + SEAL_TAG_SIZE);
    return r < 0 ? r : put(w, trailer, sizeof trailer);
}

/* Is it a file that can be read page by page by somebody who takes no locks? */
static int check_file(struct writer *w, uint64_t size) {
    uint8_t head[100];
    if (size == 0 || size % SEALED_DB_PAGE || size > SEALED_DB_FILE_MAX)
        return -EINVAL;
    int r = file_pread_all(w->from, head, sizeof head, 0);
    if (r == 0 && memcmp(head, "SQLite format 3", 16))
        r = -EBADMSG;
    if (r == 0 && (get_be(head + 16, 2) != SEALED_DB_PAGE || head[18] != 1 || head[19] != 1))
        r = -EINVAL;
    return r;
}

static int write_object(struct writer *w, const char *path, const char *const *hot, const uint8_t *volume_id, const uint8_t *salt,
                        const _Atomic bool *stop, struct sealed_db_ref *ret) {
    CLEANUP_FREE uint8_t *block = xmalloc(SEALED_DB_BLOCK);
    size_t fill = 0;
    uint32_t i = 0;
    w->hot = xcalloc(1, (size_t)(w->n_pages / 8 + 1));
    int r = find_hot(w, path, hot);
    if (r == 0)
        r = seal_blocks_init(&w->seal, w->keys, NULL, salt, "checkpoint", volume_id, ret->n_blocks);
    if (r == 0)
        r = put_header(w, salt);
    if (r == 0)
        r = put_pages(w, true, block, &fill, &i, stop);
    if (r == 0)
        r = put_pages(w, false, block, &fill, &i, stop);
    if (r == 0 && fill)
        r = put_block(w, i, block, fill);
    return r < 0 ? r : put_table(w, ret);
}

int sealed_db_write(const char *from, int fd, const char *const *hot, unsigned compression, const struct keyring *keys, const uint8_t *volume_id,
                    const uint8_t salt[SEAL_SALT_SIZE], const _Atomic bool *stop, struct sealed_db_ref *ret) {
    CLEANUP_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (in < 0 || fstat(in, &st) < 0)
        return -errno;
    struct writer w = {.from = in, .to = fd, .keys = keys, .n_pages = (uint64_t)st.st_size / SEALED_DB_PAGE, .table = BUF_INIT((size_t)64 << 20)};
    int r = check_file(&w, (uint64_t)st.st_size);
    if (r < 0)
        return r;
    *ret = (struct sealed_db_ref){.file_size = (uint64_t)st.st_size,
                                  .block_size = SEALED_DB_BLOCK,
                                  .n_blocks = (uint32_t)((w.n_pages + SEALED_DB_PAGES_A_BLOCK - 1) / SEALED_DB_PAGES_A_BLOCK),
                                  .compression = compression,
                                  .sealed = !keyring_empty(keys)};
    memcpy(ret->salt, salt, SEAL_SALT_SIZE);
    w.digest = digest_stream_new();
    w.zstd = compression == SEALED_DB_ZSTD ? ZSTD_createCCtx() : NULL;
    r = write_object(&w, from, hot, volume_id, salt, stop, ret);
    if (r == 0) {
        uint8_t *blocks;
        size_t n;
        digest_stream_final(w.digest, ret->digest, &blocks, &n);
        free(blocks);
        ret->object_size = w.at;
        memcpy(ret->key_id, w.seal.key_id, SEAL_KEY_ID_SIZE);
    }
    ZSTD_freeCCtx(w.zstd);
    digest_stream_free(w.digest);
    seal_blocks_wipe(&w.seal);
    buf_free(&w.table);
    free(w.hot);
    return r;
}
