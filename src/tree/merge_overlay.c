/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/merge_private.h"

int merge_row_order(const struct row *a, const struct row *b) {
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    int r = memcmp(a->name, b->name, MIN(a->n, b->n));
    return r ? r : (a->n > b->n) - (a->n < b->n);
}

static int by_row(const void *a, const void *b) {
    return merge_row_order(*(struct row *const *)a, *(struct row *const *)b);
}

/* A key on the stack: names have at most NAME_MAX_BYTES; a longer one (a broken source) is nowhere. */
struct row_key {
    unsigned char bytes[sizeof(uint64_t) + NAME_MAX_BYTES];
    size_t n;
};

static void make_key(struct row_key *key, uint64_t parent, const char *name, size_t n) {
    n = MIN(n, NAME_MAX_BYTES);
    memcpy(key->bytes, &parent, sizeof parent);
    memcpy(key->bytes + sizeof parent, name, n);
    key->n = sizeof parent + n;
}

struct row *merge_row_find(struct merge *m, uint64_t parent, const char *name, size_t n) {
    struct row_key key;
    struct row *row;
    make_key(&key, parent, name, n);
    HASH_FIND(hh, m->rows, key.bytes, key.n, row);
    return row;
}

struct row *merge_row_get(struct merge *m, uint64_t parent, const char *name, size_t n) {
    struct row *row = merge_row_find(m, parent, name, n);
    if (row)
        return row;
    struct row_key key;
    make_key(&key, parent, name, n);
    row = xcalloc(1, sizeof *row + key.n);
    memcpy(row->key, key.bytes, key.n);
    row->parent = parent;
    row->name = (const char *)row->key + sizeof parent;
    row->n = key.n - sizeof parent;
    HASH_ADD_KEYPTR(hh, m->rows, row->key, key.n, row);
    return row;
}

struct node *merge_node_find(struct merge *m, uint64_t ino) {
    struct node *node;
    HASH_FIND(hh, m->nodes, &ino, sizeof ino, node);
    return node;
}

struct node *merge_node_get(struct merge *m, uint64_t ino) {
    struct node *node = merge_node_find(m, ino);
    if (!node) {
        node = xcalloc(1, sizeof *node);
        node->ino = ino;
        HASH_ADD(hh, m->nodes, ino, sizeof node->ino, node);
    }
    return node;
}

uint64_t merge_row_in(struct merge *m, struct row *row, enum merge_tree tree) {
    if (!(row->known & 1u << tree)) {
        row->in[tree] = m->src->name(m->src->arg, tree, row->parent, row->name, row->n);
        row->known |= 1u << tree;
    }
    return row->in[tree];
}

const struct record *merge_inode(struct merge *m, enum merge_tree tree, uint64_t ino) {
    return m->src->inode(m->src->arg, tree, ino);
}

const struct record *merge_rec(struct merge *m, uint64_t ino) {
    const struct node *node = merge_node_find(m, ino);
    const struct record *rec = node ? node->ours : NULL;
    if (!rec)
        rec = merge_inode(m, MERGE_N, ino);
    if (!rec)
        rec = merge_inode(m, MERGE_V, ino);
    return rec ? rec : merge_inode(m, MERGE_C, ino);
}

void merge_set_rec(struct merge *m, uint64_t ino, struct record *rec) {
    struct node *node = merge_node_get(m, ino);
    if (node->merged) {
        record_free(node->merged);
        free(node->merged);
    }
    node->ours = node->merged = rec;
}

uint64_t merge_resolve(struct merge *m, uint64_t ino) {
    const struct node *node;
    while ((node = merge_node_find(m, ino)) && node->became)
        ino = node->became;
    return ino;
}

void ino_list_add(struct ino_list *list, uint64_t ino) {
    if (list->n == list->cap) {
        list->cap = MAX(2 * list->cap, 64);
        list->v = xrealloc(list->v, list->cap * sizeof *list->v);
    }
    list->v[list->n++] = ino;
}

void merge_touch(struct merge *m, uint64_t ino) {
    if (ino == 0 || ino == ROOT_INO)
        return;
    struct node *node = merge_node_get(m, ino);
    if (!node->touched)
        ino_list_add(&m->touched, ino);
    node->touched = true;
}

void merge_drop(struct merge *m, struct row *row) {
    if (!row->ours)
        return;
    if (row->ino) {
        struct node *node = merge_node_get(m, row->ino), *parent = merge_node_get(m, row->parent);
        DL_DELETE2(node->named, row, named_prev, named_next);
        DL_DELETE2(parent->inside, row, inside_prev, inside_next);
    }
    merge_touch(m, row->ino);
    merge_touch(m, row->parent);
    merge_touch(m, merge_row_in(m, row, MERGE_N));
    row->ours = false;
    row->ino = 0;
}

void merge_set(struct merge *m, struct row *row, uint64_t ino) {
    merge_drop(m, row);
    row->ours = true;
    row->ino = ino;
    if (ino) {
        struct node *node = merge_node_get(m, ino), *parent = merge_node_get(m, row->parent);
        DL_APPEND2(node->named, row, named_prev, named_next);
        DL_APPEND2(parent->inside, row, inside_prev, inside_next);
    }
    merge_touch(m, ino);
    merge_touch(m, row->parent);
    merge_touch(m, merge_row_in(m, row, MERGE_N));
}

struct row **merge_rows_sorted(struct row *named, struct row *inside, size_t *ret_n) {
    struct row *row;
    size_t n_named, n_inside, n = 0;
    DL_COUNT2(named, row, n_named, named_next);
    DL_COUNT2(inside, row, n_inside, inside_next);
    struct row **list = xcalloc(n_named + n_inside, sizeof *list);
    DL_FOREACH2(named, row, named_next)
    list[n++] = row;
    DL_FOREACH2(inside, row, inside_next)
    list[n++] = row;
    qsort(list, n, sizeof *list, by_row);
    *ret_n = n;
    return list;
}

struct row_list {
    struct merge *m;
    struct row **v;
    size_t n, cap;
};

static void collect(void *ctx, const struct merge_row *at) {
    struct row_list *list = ctx;
    if (list->n == list->cap) {
        list->cap = MAX(2 * list->cap, 4);
        list->v = xrealloc(list->v, list->cap * sizeof(struct row *));
    }
    list->v[list->n++] = merge_row_get(list->m, at->parent, at->name, at->n);
}

struct row **merge_rows_of(struct merge *m, enum merge_tree tree, uint64_t ino, size_t *ret_n) {
    struct row_list list = {.m = m};
    m->src->rows_of(m->src->arg, tree, ino, collect, &list);
    *ret_n = list.n;
    return list.v;
}

struct row *merge_first_row(struct merge *m, enum merge_tree tree, uint64_t ino) {
    size_t n;
    CLEANUP_FREE struct row **rows = merge_rows_of(m, tree, ino, &n);
    return n > 0 ? rows[0] : NULL;
}

bool merge_live(struct merge *m, uint64_t ino) {
    if (ino == ROOT_INO)
        return true;
    const struct node *node = merge_node_find(m, ino);
    if (node && node->named)
        return true;
    size_t n;
    CLEANUP_FREE struct row **rows = merge_rows_of(m, MERGE_N, ino, &n);
    for (size_t i = 0; i < n; i++)
        if (!rows[i]->ours)
            return true;
    return false;
}

static void node_free(struct node *node) {
    struct record *owned[] = {node->merged, node->base};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        if (owned[i]) {
            record_free(owned[i]);
            free(owned[i]);
        }
    free(node);
}

void merge_free(struct merge *m) {
    struct placing *placing, *next_placing;
    LL_FOREACH_SAFE (m->queue, placing, next_placing)
        free(placing);
    struct row *row, *next_row;
    struct node *node, *next_node;
    HASH_ITER (hh, m->rows, row, next_row) {
        HASH_DEL(m->rows, row);
        free(row);
    }
    HASH_ITER (hh, m->nodes, node, next_node) {
        HASH_DEL(m->nodes, node);
        node_free(node);
    }
    free(m->touched.v);
}
