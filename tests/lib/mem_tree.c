/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mem_tree.h"
#include <sys/stat.h>

static int order(uint64_t parent, const char *name, size_t n, const struct merge_row *row) {
    if (parent != row->parent)
        return parent < row->parent ? -1 : 1;
    int r = memcmp(name, row->name, MIN(n, row->n));
    return r ? r : (n > row->n) - (n < row->n);
}

/* Where the row is, or would be. */
static size_t find_name(const struct mem_tree *t, uint64_t parent, const char *name, size_t n, bool *found) {
    size_t low = 0, high = t->n_names;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (order(parent, name, n, &t->names[mid]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = low < t->n_names && order(parent, name, n, &t->names[low]) == 0;
    return low;
}

static size_t find_inode(const struct mem_tree *t, uint64_t ino, bool *found) {
    size_t low = 0, high = t->n_inodes;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->inodes[mid].ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    *found = low < t->n_inodes && t->inodes[low].ino == ino;
    return low;
}

void mem_tree_free(struct mem_tree *t) {
    for (size_t i = 0; i < t->n_names; i++)
        free((char *)t->names[i].name);
    for (size_t i = 0; i < t->n_inodes; i++)
        record_free(&t->inodes[i].rec);
    free(t->names);
    free(t->inodes);
    *t = (struct mem_tree){0};
}

void mem_tree_copy(struct mem_tree *to, const struct mem_tree *from) {
    *to = (struct mem_tree){.n_names = from->n_names, .n_inodes = from->n_inodes};
    to->names = xmemdup(from->names, from->n_names * sizeof *from->names);
    to->inodes = xmemdup(from->inodes, from->n_inodes * sizeof *from->inodes);
    for (size_t i = 0; i < to->n_names; i++)
        to->names[i].name = xstrndup(from->names[i].name, from->names[i].n);
    for (size_t i = 0; i < to->n_inodes; i++)
        record_copy(&to->inodes[i].rec, &from->inodes[i].rec);
}

uint64_t mem_tree_name(const struct mem_tree *t, uint64_t parent, const char *name, size_t n) {
    bool found;
    size_t i = find_name(t, parent, name, n, &found);
    return found ? t->names[i].ino : 0;
}

void mem_tree_set_name(struct mem_tree *t, uint64_t parent, const char *name, size_t n, uint64_t ino) {
    bool found;
    size_t i = find_name(t, parent, name, n, &found);
    if (found && ino) {
        t->names[i].ino = ino;
    } else if (found) {
        free((char *)t->names[i].name);
        memmove(&t->names[i], &t->names[i + 1], (--t->n_names - i) * sizeof *t->names);
    } else if (ino) {
        t->names = xrealloc(t->names, (t->n_names + 1) * sizeof *t->names);
        memmove(&t->names[i + 1], &t->names[i], (t->n_names++ - i) * sizeof *t->names);
        t->names[i] = (struct merge_row){.parent = parent, .name = xstrndup(name, n), .n = n, .ino = ino};
    }
}

struct record *mem_tree_inode(const struct mem_tree *t, uint64_t ino) {
    bool found;
    size_t i = find_inode(t, ino, &found);
    return found ? &t->inodes[i].rec : NULL;
}

void mem_tree_set_inode(struct mem_tree *t, uint64_t ino, const struct record *rec) {
    bool found;
    size_t i = find_inode(t, ino, &found);
    struct mem_inode one = {.ino = ino};
    if (rec)
        record_copy(&one.rec, rec); /* first: it may be the one that is replaced */
    if (found) {
        record_free(&t->inodes[i].rec);
        memmove(&t->inodes[i], &t->inodes[i + 1], (--t->n_inodes - i) * sizeof *t->inodes);
    }
    if (!rec)
        return;
    t->inodes = xrealloc(t->inodes, (t->n_inodes + 1) * sizeof *t->inodes);
    memmove(&t->inodes[i + 1], &t->inodes[i], (t->n_inodes++ - i) * sizeof *t->inodes);
    t->inodes[i] = one;
}

static size_t count_names(const struct mem_tree *t, uint64_t ino) {
    size_t n = 0;
    for (size_t i = 0; i < t->n_names; i++)
        n += t->names[i].ino == ino;
    return n;
}

const struct merge_row *mem_tree_row_of(const struct mem_tree *t, uint64_t ino) {
    for (size_t i = 0; i < t->n_names; i++)
        if (t->names[i].ino == ino)
            return &t->names[i];
    return NULL;
}

void mem_tree_prune(struct mem_tree *t) {
    for (size_t i = t->n_inodes; i-- > 0;) {
        uint64_t ino = t->inodes[i].ino;
        if (ino != ROOT_INO && count_names(t, ino) == 0)
            mem_tree_set_inode(t, ino, NULL);
    }
}

static bool is_dir(const struct mem_tree *t, uint64_t ino) {
    const struct record *rec = mem_tree_inode(t, ino);
    return rec && S_ISDIR(rec->mode);
}

static bool reaches_root(const struct mem_tree *t, uint64_t dir) {
    for (size_t steps = 0; dir != ROOT_INO; steps++) {
        const struct merge_row *row = mem_tree_row_of(t, dir);
        if (!row || steps > t->n_inodes)
            return false;
        dir = row->parent;
    }
    return true;
}

const char *mem_tree_wrong(const struct mem_tree *t) {
    for (size_t i = 0; i < t->n_names; i++) {
        const struct merge_row *row = &t->names[i];
        if (!mem_tree_inode(t, row->ino))
            return "a name leads to an inode that is not there";
        if (!is_dir(t, row->parent))
            return "a name stands in what is no directory";
        if (row->ino == ROOT_INO)
            return "the root has a name";
        if (row->n == 0 || row->n > NAME_MAX_BYTES)
            return "a name is empty or too long";
    }
    for (size_t i = 0; i < t->n_inodes; i++) {
        uint64_t ino = t->inodes[i].ino;
        size_t links = count_names(t, ino);
        if (ino != ROOT_INO && links == 0)
            return "an inode has no name";
        if (is_dir(t, ino) && links > 1)
            return "a directory has two names";
        if (is_dir(t, ino) && !reaches_root(t, ino))
            return "a directory is in a loop";
    }
    return NULL;
}

void mem_record(struct record *ret, uint32_t mode, const char *text) {
    *ret = (struct record){.mode = mode};
    if (S_ISLNK(mode))
        ret->target = xstrdup(text);
    if (!S_ISREG(mode) || (text && !*text))
        return;
    uint8_t id[DIGEST_SIZE] = {0};
    if (text)
        digest_of(text, strlen(text), id);
    ret->size = text ? strlen(text) : 1;
    ret->content = content_new(id, ret->size, text ? text : "-", NULL, NULL);
}

void mem_merge_free(struct mem_merge *m) {
    for (size_t i = 0; i < ARRAY_SIZE(m->tree); i++)
        mem_tree_free(&m->tree[i]);
    mem_tree_free(&m->held);
    free(m->open);
    *m = (struct mem_merge){0};
}

void mem_merge_open(struct mem_merge *m, uint64_t ino) {
    m->open = xrealloc(m->open, (m->n_open + 1) * sizeof *m->open);
    m->open[m->n_open++] = ino;
}

static uint64_t src_name(void *arg, enum merge_tree tree, uint64_t parent, const char *name, size_t n) {
    return mem_tree_name(&((struct mem_merge *)arg)->tree[tree], parent, name, n);
}

static const struct record *src_inode(void *arg, enum merge_tree tree, uint64_t ino) {
    return mem_tree_inode(&((struct mem_merge *)arg)->tree[tree], ino);
}

static void src_rows_of(void *arg, enum merge_tree tree, uint64_t ino,
                        void (*each)(void *ctx, const struct merge_row *), void *ctx) {
    const struct mem_tree *t = &((struct mem_merge *)arg)->tree[tree];
    for (size_t i = 0; i < t->n_names; i++)
        if (t->names[i].ino == ino)
            each(ctx, &t->names[i]);
}

static void src_children(void *arg, enum merge_tree tree, uint64_t dir,
                         bool (*each)(void *ctx, const struct merge_row *), void *ctx) {
    const struct mem_tree *t = &((struct mem_merge *)arg)->tree[tree];
    for (size_t i = 0; i < t->n_names; i++)
        if (t->names[i].parent == dir && !each(ctx, &t->names[i]))
            return;
}

static void src_pending_rows(void *arg, void (*each)(void *ctx, const struct merge_row *), void *ctx) {
    const struct mem_tree *c = &((struct mem_merge *)arg)->tree[MERGE_C];
    const struct mem_tree *v = &((struct mem_merge *)arg)->tree[MERGE_V];
    for (size_t i = 0, j = 0; i < c->n_names || j < v->n_names;) {
        int r = i == c->n_names   ? 1
                : j == v->n_names ? -1
                                  : order(c->names[i].parent, c->names[i].name, c->names[i].n, &v->names[j]);
        struct merge_row row = r < 0 ? c->names[i] : v->names[j];
        if (r < 0)
            row.ino = 0;
        if (r != 0 || c->names[i].ino != v->names[j].ino)
            each(ctx, &row);
        i += r <= 0;
        j += r >= 0;
    }
}

static const struct record *src_held(void *arg, uint64_t ino) {
    return mem_tree_inode(&((struct mem_merge *)arg)->held, ino);
}

static bool src_open(void *arg, uint64_t ino) {
    const struct mem_merge *m = arg;
    for (size_t i = 0; i < m->n_open; i++)
        if (m->open[i] == ino)
            return true;
    return false;
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void src_pending_inodes(void *arg, void (*each)(void *ctx, uint64_t ino), void *ctx) {
    const struct mem_merge *m = arg;
    const struct mem_tree *v = &m->tree[MERGE_V];
    CLEANUP_FREE uint64_t *list = xcalloc(v->n_inodes + m->held.n_inodes, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < v->n_inodes; i++) {
        uint64_t ino = v->inodes[i].ino;
        const struct record *c = mem_tree_inode(&m->tree[MERGE_C], ino);
        if (!c || !record_equal(c, &v->inodes[i].rec) || src_open(arg, ino) || src_held(arg, ino))
            list[n++] = ino;
    }
    for (size_t i = 0; i < m->held.n_inodes; i++)
        if (!mem_tree_inode(v, m->held.inodes[i].ino))
            list[n++] = m->held.inodes[i].ino;
    qsort(list, n, sizeof *list, by_number);
    for (size_t i = 0; i < n; i++)
        each(ctx, list[i]);
}

static uint64_t src_mint(void *arg) {
    return ((struct mem_merge *)arg)->next_ino++;
}

struct merge_source mem_merge_source(struct mem_merge *m) {
    return (struct merge_source){.name = src_name,
                                 .inode = src_inode,
                                 .rows_of = src_rows_of,
                                 .children = src_children,
                                 .pending_rows = src_pending_rows,
                                 .pending_inodes = src_pending_inodes,
                                 .held = src_held,
                                 .open_for_writing = src_open,
                                 .mint = src_mint,
                                 .host_label = m->host,
                                 .date = m->date,
                                 .arg = m};
}

void mem_merge_view(const struct mem_merge *m, const struct merge_result *r, struct mem_tree *ret) {
    mem_tree_copy(ret, &m->tree[MERGE_N]);
    for (size_t i = 0; i < r->n_names; i++)
        mem_tree_set_name(ret, r->names[i].parent, r->names[i].name, r->names[i].n, r->names[i].ino);
    for (size_t i = 0; i < r->n_inodes; i++)
        mem_tree_set_inode(ret, r->inodes[i].ino, &r->inodes[i].rec);
    mem_tree_prune(ret);
}
