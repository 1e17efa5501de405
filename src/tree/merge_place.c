/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/merge_private.h"

void merge_enqueue(struct merge *m, struct row *row, uint64_t ino) {
    struct placing *p = xcalloc(1, sizeof *p);
    p->row = row;
    p->ino = ino;
    row->queued++;
    if (m->queue)
        m->queue_last->next = p;
    else
        m->queue = p;
    m->queue_last = p;
}

void merge_place_queued(struct merge *m) {
    while (m->queue) {
        struct placing *p = m->queue;
        m->queue = p->next;
        p->row->queued--;
        merge_place(m, p->row, p->ino);
        free(p);
    }
}

/* A name is free if no layer has it and nothing waits to be placed there. One that N has and we take away is
 * not: the reader of the journal would see a copy where something else has just been. */
static bool is_free(struct merge *m, const struct row *row, struct row *at) {
    return at != row && !at->queued && !(at->ours && at->ino) && !merge_row_in(m, at, MERGE_N) &&
           !merge_row_in(m, at, MERGE_V) && !merge_row_in(m, at, MERGE_C);
}

static struct row *free_row(struct merge *m, const struct row *row) {
    char name[NAME_MAX_BYTES];
    for (unsigned k = 1;; k++) {
        size_t n = merge_conflict_name(row->name, row->n, m->src->host_label, m->src->date, k, name);
        struct row *at = merge_row_get(m, row->parent, name, n);
        if (is_free(m, row, at))
            return at;
    }
}

static bool same_value(const struct xattr *a, const struct xattr *b) {
    return a && b && a->n == b->n && memcmp(a->value, b->value, a->n) == 0;
}

/* Name by name: what o added, changed or removed since base. base NULL: all of o's are added. */
static void take_xattrs(struct record *to, const struct record *base, const struct record *o) {
    for (size_t i = 0; i < o->n_xattrs; i++) {
        const struct xattr *x = &o->xattrs[i];
        if (!base || !same_value(x, record_xattr(base, x->name)))
            record_set_xattr(to, x->name, x->value, x->n);
    }
    for (size_t i = 0; base && i < base->n_xattrs; i++)
        if (!record_xattr(o, base->xattrs[i].name))
            record_set_xattr(to, base->xattrs[i].name, NULL, 0);
}

static void take_mode(struct record *to, const struct record *o) {
    to->mode = (to->mode & S_IFMT) | (o->mode & ~(uint32_t)S_IFMT);
}

void merge_attributes(struct record *to, const struct record *base, const struct record *o) {
    if ((o->mode ^ base->mode) & ~(uint32_t)S_IFMT)
        take_mode(to, o);
    if (o->uid != base->uid)
        to->uid = o->uid;
    if (o->gid != base->gid)
        to->gid = o->gid;
    if (o->atime != base->atime)
        to->atime = o->atime;
    if (o->ctime != base->ctime)
        to->ctime = MAX(o->ctime, to->ctime);
    take_xattrs(to, base, o);
}

/* Whether a, which becomes b, brings other attributes. When each was made is none: two hosts that copied the
 * same files would commit every one of them again. A directory's mtime says when it was made or filled. */
static bool brings_attributes(const struct record *a, const struct record *b) {
    if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid)
        return true;
    if (a->mtime != b->mtime && !S_ISDIR(a->mode))
        return true;
    for (size_t i = 0; i < a->n_xattrs; i++)
        if (!same_value(&a->xattrs[i], record_xattr(b, a->xattrs[i].name)))
            return true;
    return false;
}

/* other's record with the attributes of a, which are the later ones. */
static struct record *joined(const struct record *a, const struct record *other) {
    struct record *rec = xmalloc(sizeof *rec);
    record_copy(rec, other);
    take_mode(rec, a);
    rec->uid = a->uid;
    rec->gid = a->gid;
    rec->atime = a->atime;
    if (!S_ISDIR(a->mode) || a->ctime >= other->ctime)
        rec->mtime = a->mtime;
    rec->ctime = MAX(a->ctime, other->ctime);
    take_xattrs(rec, NULL, a);
    return rec;
}

/* ino was never in the shared tree (or has left it): all that is ours about it goes to other. What lies in it
 * is placed again, so children may collide in turn. */
static void become(struct merge *m, uint64_t ino, uint64_t other) {
    const struct record *a = merge_rec(m, ino), *b = merge_rec(m, other);
    if (brings_attributes(a, b))
        merge_set_rec(m, other, joined(a, b));
    struct node *node = merge_node_get(m, ino);
    node->became = other;
    size_t n;
    CLEANUP_FREE struct row **rows = merge_rows_sorted(node->named, node->inside, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t value = rows[i]->ino;
        merge_drop(m, rows[i]);
        merge_enqueue(m, rows[i], value);
    }
}

void merge_compares(struct merge *m, uint64_t ino, const struct record *with) {
    if (m->src->compares)
        m->src->compares(m->src->arg, ino, with);
}

static bool is_open(struct merge *m, uint64_t ino) {
    const struct node *node = merge_node_find(m, ino);
    return (node && node->held) || m->src->open_for_writing(m->src->arg, ino);
}

void merge_collide(struct merge *m, struct row *row, uint64_t ino, uint64_t other) {
    if (ino == other) {
        merge_set(m, row, ino);
        return;
    }
    const struct record *a = merge_rec(m, ino), *b = merge_rec(m, other);
    bool new = !merge_inode(m, MERGE_N, ino); /* nobody else has it: it may become the other */
    bool dirs = a && b && S_ISDIR(a->mode) && S_ISDIR(b->mode);
    bool comparable = a && b && new && !dirs && !is_open(m, ino) && !is_open(m, other);
    if (comparable)
        merge_compares(m, ino, b);
    if (a && b && new && (dirs || (comparable && record_same_content(a, b)))) {
        become(m, ino, other);
        return;
    }
    m->conflicts++;
    merge_set(m, free_row(m, row), ino);
}

void merge_place(struct merge *m, struct row *row, uint64_t ino) {
    row = merge_row_get(m, merge_resolve(m, row->parent), row->name, row->n);
    ino = merge_resolve(m, ino);
    uint64_t theirs = merge_row_in(m, row, MERGE_N), mine = row->ours ? row->ino : 0;
    if (ino == theirs) {
        merge_drop(m, row);
        if (mine && mine != ino) /* two directories became one: what we had put there makes room */
            merge_collide(m, row, mine, theirs);
        return;
    }
    if (mine && mine != ino) {
        merge_collide(m, row, ino, mine);
        return;
    }
    bool replaced = theirs && theirs == merge_row_in(m, row, MERGE_C) &&
                    merge_resolve(m, merge_row_in(m, row, MERGE_V)) == ino; /* what we had seen there */
    if (!theirs || replaced)
        merge_set(m, row, ino);
    else
        merge_collide(m, row, ino, theirs);
}
