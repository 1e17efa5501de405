/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim_tokens.h"
#include "base/file.h"

#include <inttypes.h>

size_t token_new(struct tokens *t, unsigned host, char text[TOKEN_SIZE]) {
    char room[32];
    if ((t->n & (t->n - 1)) == 0)
        t->v = xrealloc(t->v, MAX(1, 2 * t->n) * sizeof *t->v);
    t->v[t->n] = (struct token){.host = host};
    snprintf(room, sizeof room, "T%014zu\n", t->n);
    memcpy(text, room, TOKEN_SIZE);
    return t->n++;
}

void tokens_free(struct tokens *t) {
    free(t->v);
    *t = (struct tokens){0};
}

void token_list_free(struct token_list *l) {
    free(l->v);
    *l = (struct token_list){0};
}

static void add(struct token_list *l, size_t number) {
    if ((l->n & (l->n - 1)) == 0)
        l->v = xrealloc(l->v, MAX(1, 2 * l->n) * sizeof *l->v);
    l->v[l->n++] = number;
}

void tokens_in(const struct tokens *t, const unsigned char *p, size_t n, struct token_list *ret) {
    for (size_t i = 0; i + TOKEN_SIZE <= n; i += TOKEN_SIZE) {
        char text[TOKEN_SIZE];
        if (p[i] != 'T')
            continue;
        memcpy(text, p + i + 1, TOKEN_SIZE - 1);
        text[TOKEN_SIZE - 2] = 0;
        size_t number = (size_t)strtoull(text, NULL, 10);
        if (number < t->n)
            add(ret, number);
    }
}

/* The bytes of content that is in the bucket. */
static void load_content(struct tree_box *b, const struct content *c, struct buf *ret) {
    size_t n;
    const void *p = c ? mem_bucket_get(b->bucket, c->key, &n) : NULL;
    if (p)
        buf_append(ret, p, n);
}

/* Which blocks of a spool file are still to be copied up: data/spool_map.h. */
static void overlay_base(const struct buf *map, const struct buf *base, struct buf *data) {
    uint64_t limit, word;
    if (map->len < 64)
        return;
    memcpy(&limit, map->data + 16, sizeof limit);
    for (uint64_t at = 0; at < MIN(limit, MIN(base->len, data->len)); at += BLOCK_SIZE) {
        uint64_t block = at / BLOCK_SIZE;
        memcpy(&word, map->data + 64 + 16 * (block / 64), sizeof word);
        if (!(word >> (block % 64) & 1))
            memcpy(data->data + at, base->data + at, MIN(BLOCK_SIZE, MIN(limit, MIN(base->len, data->len)) - at));
    }
}

static void load_spool(struct tree_box *b, uint64_t id, const struct buf *base, struct buf *ret) {
    CLEANUP_FREE char *path = xasprintf("%s/spool/%" PRIu64, b->dir, id);
    CLEANUP_FREE char *map_path = xasprintf("%s.map", path);
    CLEANUP_BUF struct buf map = BUF_INIT(1 << 20);
    if (file_load(path, ret) == 0 && file_load(map_path, &map) == 0)
        overlay_base(&map, base, ret);
}

static void load_view(struct tree_box *b, uint64_t ino, struct buf *ret) {
    CLEANUP_RECORD struct record rec = {0};
    CLEANUP_BUF struct buf base = BUF_INIT(16u << 20);
    struct row_pending p = {0};
    tree_lock(b->tree);
    int r = rows_v_inode(b->tree, ino, &rec, NULL, &p);
    tree_unlock(b->tree);
    if (r != 1 || !S_ISREG(rec.mode))
        return;
    if (!p.spool && !p.snap) {
        load_content(b, rec.content, ret);
        return;
    }
    if (p.snap && (p.stage != SNAP_SEALED || !p.spool)) {
        load_content(b, p.stage == SNAP_SEALED ? rec.content : NULL, &base);
        load_spool(b, p.snap, &base, p.spool ? &base : ret);
    } else {
        load_content(b, rec.content, &base);
    }
    if (p.spool) {
        buf_reset(ret);
        load_spool(b, p.spool, &base, ret);
    }
}

void tokens_of_view(const struct tokens *t, struct tree_box *b, uint64_t ino, struct token_list *ret) {
    CLEANUP_BUF struct buf data = BUF_INIT(16u << 20);
    load_view(b, ino, &data);
    tokens_in(t, data.data, data.len, ret);
}

/* Numbers of a query's rows. */
static uint64_t *query(struct tree_box *b, const char *sql, size_t *ret_n) {
    sqlite3_stmt *s;
    uint64_t *list = NULL;
    size_t n = 0;
    if (sqlite3_prepare_v3(b->tree->db.sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK)
        abort();
    while (sqlite3_step(s) == SQLITE_ROW) {
        if ((n & (n - 1)) == 0)
            list = xrealloc(list, MAX(1, 2 * n) * sizeof *list);
        list[n++] = (uint64_t)sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    *ret_n = n;
    return list;
}

void tokens_of_content(const struct tokens *t, struct mem_bucket *bucket, const struct content *c, struct token_list *ret) {
    size_t n;
    const void *p = c ? mem_bucket_get(bucket, c->key, &n) : NULL;
    if (p)
        tokens_in(t, p, n, ret);
}

void tokens_of_inode(const struct tokens *t, struct tree_box *b, uint64_t ino, struct token_list *ret) {
    CLEANUP_RECORD struct record rec = {0};
    if (rows_c_inode(b->tree, ino, &rec, NULL, NULL) == 1 && S_ISREG(rec.mode))
        tokens_of_content(t, b->bucket, rec.content, ret);
}

void tokens_of_confirmed(const struct tokens *t, struct tree_box *b, struct token_list *ret) {
    size_t n;
    CLEANUP_FREE uint64_t *list = query(b, "SELECT ino FROM c_inode", &n);
    for (size_t i = 0; i < n; i++)
        tokens_of_inode(t, b, list[i], ret);
}

void tokens_of_whole_view(const struct tokens *t, struct tree_box *b, struct token_list *ret) {
    size_t n;
    CLEANUP_FREE uint64_t *list = query(b,
                                        "SELECT DISTINCT ino FROM (SELECT ino FROM p_name WHERE ino > 0 UNION ALL SELECT ino FROM c_name c WHERE NOT EXISTS "
                                        "(SELECT 1 FROM p_name p WHERE p.parent = c.parent AND p.name = c.name))",
                                        &n);
    for (size_t i = 0; i < n; i++)
        tokens_of_view(t, b, list[i], ret);
}
