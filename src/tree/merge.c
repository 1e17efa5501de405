/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Records first (M1, M3 to M5), then names (M2, M6 in merge_place.c), then what the two together have broken
 * (M7, M8 in merge_repair.c). For an inode: b is what our programs saw of it, o what we have, t what the
 * others have.
 */
#include "tree/merge.h"
#include "tree/merge_private.h"

/* A content that no file has: what was "seen" of a file that both sides brought back, so that it equals
 * neither. */
static void take_no_content(struct record *rec) {
    static const uint8_t no_id[DIGEST_SIZE];
    struct record none = {.mode = S_IFREG, .size = 1, .content = content_new(no_id, 1, "-", NULL, NULL)};
    record_take_content(rec, &none);
    content_unref(none.content);
}

/* M1: to, a copy of t, becomes the merged record. Attributes are ours where we changed them since
 * `confirmed`; a held inode has taken others' attributes since it was opened, which are not ours. Content,
 * size and mtime go together; only where nobody changed the content is mtime a field of its own. */
static void merge_record(struct record *to, const struct record *b, const struct record *confirmed,
                         const struct record *o, const struct record *t, bool our_content) {
    merge_attributes(to, confirmed, o);
    if (S_ISDIR(t->mode)) {
        bool ours = t->mtime == b->mtime || o->ctime >= t->ctime;
        if (o->mtime != b->mtime && ours)
            to->mtime = o->mtime;
    } else if (our_content) {
        record_take_content(to, o);
        to->mtime = o->mtime;
    } else if (record_same_content(t, b) && record_same_content(o, b) && o->mtime != b->mtime) {
        to->mtime = o->mtime;
    }
}

/* M3: what was changed here, or is being written, stays at the names it had; what was not lives on only if a
 * row of ours names it. */
static void gone_there(struct merge *m, uint64_t ino, const struct record *b, const struct record *o) {
    if (record_same_content(o, b) && !m->src->open_for_writing(m->src->arg, ino))
        return;
    size_t n;
    CLEANUP_FREE struct row **rows = merge_rows_of(m, MERGE_V, ino, &n);
    for (size_t i = 0; i < n; i++)
        if (merge_row_in(m, rows[i], MERGE_C) == ino)
            merge_enqueue(m, rows[i], ino);
}

/* M5: the first committed keeps the inode and its names; ours goes on in a new one beside them. */
static void split_off(struct merge *m, struct node *node, const struct record *o) {
    node->copy = m->src->mint(m->src->arg);
    if (!node->copy) {
        m->no_number = true;
        return;
    }
    merge_node_get(m, node->copy)->ours = o;
    struct row *row = merge_first_row(m, MERGE_V, node->ino);
    if (!row)
        row = merge_first_row(m, MERGE_N, node->ino);
    if (row)
        merge_enqueue(m, row, node->copy);
}

/* M4: from now on, or still, the merge of the content waits for the last close. */
static void hold(struct node *node, const struct record *b) {
    if (node->held)
        return;
    node->base = xmalloc(sizeof *node->base);
    record_copy(node->base, b);
    node->held = node->base;
}

static void changed_there(struct merge *m, struct node *node, const struct record *b, const struct record *o,
                          const struct record *t) {
    uint64_t ino = node->ino;
    const struct record *confirmed = merge_inode(m, MERGE_C, ino);
    bool our_content = !record_same_content(o, b);
    if (!record_same_content(t, b) && m->src->open_for_writing(m->src->arg, ino)) {
        hold(node, b);
        our_content = true;
    } else {
        node->held = NULL;
        if (our_content && !record_same_content(t, b))
            merge_compares(m, ino, t);
        if (our_content && !record_same_content(t, b) && !record_same_content(t, o)) {
            split_off(m, node, o);
            our_content = false;
        }
    }
    struct record *rec = xmalloc(sizeof *rec);
    record_copy(rec, t);
    merge_record(rec, b, confirmed ? confirmed : b, o, t, our_content);
    merge_set_rec(m, ino, rec);
}

static void merge_one(struct merge *m, uint64_t ino) {
    const struct record *o = merge_inode(m, MERGE_V, ino), *t = merge_inode(m, MERGE_N, ino);
    const struct record *held = m->src->held(m->src->arg, ino);
    struct node *node = merge_node_get(m, ino);
    node->was_held = held != NULL;
    if (!o) /* its last name was taken away here: nothing is left to hold */
        return;
    const struct record *b = held ? held : merge_inode(m, MERGE_C, ino);
    node->ours = o;
    node->held = held;
    if (t && b) {
        changed_there(m, node, b, o, t);
    } else if (b) {
        gone_there(m, ino, b, o);
    } else if (t) { /* both brought it back: the first committed has done it */
        struct record seen;
        record_copy(&seen, t);
        if (S_ISREG(t->mode))
            take_no_content(&seen);
        changed_there(m, node, &seen, o, t);
        record_free(&seen);
    }
}

static void collect_ino(void *ctx, uint64_t ino) {
    ino_list_add(ctx, ino);
}

static void merge_records(struct merge *m) {
    struct ino_list list = {0};
    m->src->pending_inodes(m->src->arg, collect_ino, &list);
    for (size_t i = 0; i < list.n; i++)
        merge_one(m, list.v[i]);
    free(list.v);
}

static void collect_pending(void *ctx, const struct merge_row *at) {
    struct merge *m = ctx;
    struct row *row = merge_row_get(m, at->parent, at->name, at->n);
    row->in[MERGE_V] = at->ino;
    row->known |= 1u << MERGE_V;
    if (at->ino != merge_row_in(m, row, MERGE_C)) /* else it stands there for the entry in flight alone: moved, and moved back */
        merge_enqueue(m, row, at->ino);
}

/* M2. The queue holds what the records asked for, and behind it every pending row, removals among them, in
 * order. */
static void merge_rows(struct merge *m) {
    struct placing *records_last = m->queue_last;
    m->src->pending_rows(m->src->arg, collect_pending, m);
    struct placing **link = records_last ? &records_last->next : &m->queue;
    m->queue_last = records_last;
    while (*link) {
        struct placing *p = *link;
        if (p->ino) {
            m->queue_last = p;
            link = &p->next;
            continue;
        }
        uint64_t theirs = merge_row_in(m, p->row, MERGE_N);
        if (theirs && theirs == merge_row_in(m, p->row, MERGE_C)) /* else theirs stays */
            merge_set(m, p->row, 0);
        *link = p->next;
        p->row->queued--;
        free(p);
    }
}

static int by_ino(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int by_row_hash(const struct row *a, const struct row *b) {
    return merge_row_order(a, b);
}

static int by_node_hash(const struct node *a, const struct node *b) {
    return by_ino(&a->ino, &b->ino);
}

static void give_names(struct merge *m, struct merge_result *ret) {
    struct row *row, *next;
    ret->names = xcalloc(HASH_COUNT(m->rows), sizeof *ret->names);
    HASH_SORT(m->rows, by_row_hash);
    HASH_ITER (hh, m->rows, row, next) {
        if (!row->ours || row->ino == merge_row_in(m, row, MERGE_N))
            continue;
        ret->names[ret->n_names++] = (struct merge_name){
            .parent = row->parent, .name = xmemdup(row->name, row->n), .n = row->n, .ino = row->ino};
    }
}

static void give_inode(struct merge *m, const struct node *node, struct merge_result *ret) {
    const struct record *rec = merge_rec(m, node->ino), *theirs = merge_inode(m, MERGE_N, node->ino);
    if (!rec || (!node->ours && theirs) || (theirs && record_equal(rec, theirs)))
        return;
    struct merge_inode *to = &ret->inodes[ret->n_inodes++];
    to->ino = node->ino;
    record_copy(&to->rec, rec);
}

/* An inode is held only while it is in the view and in the confirmed tree: else nobody can be in conflict
 * with it. */
static void give_held(struct merge *m, const struct node *node, bool live, struct merge_result *ret) {
    if (node->held && live && merge_inode(m, MERGE_N, node->ino)) {
        if (node->was_held)
            return;
        struct merge_inode *to = &ret->held[ret->n_held++];
        to->ino = node->ino;
        record_copy(&to->rec, node->held);
    } else if (node->was_held) {
        ret->released[ret->n_released++] = node->ino;
    }
}

static void give_inodes(struct merge *m, struct merge_result *ret) {
    struct node *node, *next;
    size_t n = HASH_COUNT(m->nodes);
    ret->inodes = xcalloc(n, sizeof *ret->inodes);
    ret->aliases = xcalloc(n, sizeof *ret->aliases);
    ret->copies = xcalloc(n, sizeof *ret->copies);
    ret->held = xcalloc(n, sizeof *ret->held);
    ret->released = xcalloc(n, sizeof *ret->released);
    HASH_SORT(m->nodes, by_node_hash);
    HASH_ITER (hh, m->nodes, node, next) {
        bool live = merge_live(m, node->ino);
        if (live)
            give_inode(m, node, ret);
        if (node->became)
            ret->aliases[ret->n_aliases++] = (struct merge_pair){node->ino, merge_resolve(m, node->ino)};
        if (node->copy)
            ret->copies[ret->n_copies++] = (struct merge_pair){node->ino, node->copy};
        if (node->held || node->was_held)
            give_held(m, node, live, ret);
    }
}

int merge_run(const struct merge_source *src, struct merge_result *ret) {
    struct merge m = {.src = src};
    *ret = (struct merge_result){0};
    merge_records(&m);
    int err = m.no_number ? -EAGAIN : 0;
    if (!err) {
        merge_rows(&m);
        merge_place_queued(&m);
        err = merge_repair(&m);
    }
    if (!err) {
        give_names(&m, ret);
        give_inodes(&m, ret);
        ret->conflicts = m.conflicts;
    }
    merge_free(&m);
    return err;
}

void merge_result_free(struct merge_result *r) {
    for (size_t i = 0; i < r->n_names; i++)
        free(r->names[i].name);
    for (size_t i = 0; i < r->n_inodes; i++)
        record_free(&r->inodes[i].rec);
    for (size_t i = 0; i < r->n_held; i++)
        record_free(&r->held[i].rec);
    free(r->names);
    free(r->inodes);
    free(r->aliases);
    free(r->copies);
    free(r->held);
    free(r->released);
    *r = (struct merge_result){0};
}
