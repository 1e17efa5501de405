/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * M7 and M8: one violation of R = N + W found and mended at a time, until none is left; the first kind first,
 * and of one kind the smallest inode first. A violation can only be where a row of W has changed, so each
 * kind has a heap of the touched inodes it has not looked at yet.
 */
#include "tree/merge_private.h"

#define REPAIRS_MIN                                                                                          \
    1000 /* with this many, and some more for each row that was met, the repair is taken to go round in      \
            circles */
#define REPAIRS_PER_ROW 8

enum kind { KEEP, REVIVE, ONE_NAME, N_KINDS };

struct repair {
    struct merge *m;
    struct ino_list heap[N_KINDS]; /* smallest first; node->waiting has a bit for each it is in */
    struct ino_list moved;         /* touched since there was last no loop */
    unsigned walks;
};

static void heap_push(struct repair *r, enum kind kind, uint64_t ino) {
    struct node *node = merge_node_get(r->m, ino);
    if (node->waiting & 1u << kind)
        return;
    node->waiting |= 1u << kind;
    struct ino_list *heap = &r->heap[kind];
    ino_list_add(heap, ino);
    size_t i = heap->n - 1;
    for (; i > 0 && heap->v[(i - 1) / 2] > ino; i = (i - 1) / 2)
        heap->v[i] = heap->v[(i - 1) / 2];
    heap->v[i] = ino;
}

/* 0: empty */
static uint64_t heap_pop(struct repair *r, enum kind kind) {
    struct ino_list *heap = &r->heap[kind];
    if (heap->n == 0)
        return 0;
    uint64_t ino = heap->v[0], last = heap->v[--heap->n];
    size_t i = 0;
    for (size_t child = 1; child < heap->n; child = 2 * i + 1) {
        if (child + 1 < heap->n && heap->v[child + 1] < heap->v[child])
            child++;
        if (heap->v[child] >= last)
            break;
        heap->v[i] = heap->v[child];
        i = child;
    }
    heap->v[i] = last;
    merge_node_get(r->m, ino)->waiting &= ~(1u << kind);
    return ino;
}

static void take_touched(struct repair *r) {
    struct ino_list *touched = &r->m->touched;
    for (size_t i = 0; i < touched->n; i++) {
        merge_node_get(r->m, touched->v[i])->touched = false;
        for (enum kind kind = 0; kind < N_KINDS; kind++)
            heap_push(r, kind, touched->v[i]);
        ino_list_add(&r->moved, touched->v[i]);
    }
    touched->n = 0;
}

/* Gives N's row back; what of ours was to stand there makes room. */
static void restore(struct merge *m, struct row *row, uint64_t ino) {
    uint64_t mine = row->ours ? row->ino : 0;
    merge_drop(m, row);
    if (mine)
        merge_collide(m, row, mine, ino);
}

struct find_child {
    struct merge *m;
    bool found;
};

static bool find_child(void *ctx, const struct merge_row *at) {
    struct find_child *find = ctx;
    const struct row *row = merge_row_find(find->m, at->parent, at->name, at->n);
    find->found = !row || !row->ours;
    return !find->found;
}

/* Whether R has a name in the directory. */
static bool has_names(struct merge *m, uint64_t dir) {
    const struct node *node = merge_node_find(m, dir);
    if (node && node->inside)
        return true;
    struct find_child find = {.m = m};
    m->src->children(m->src->arg, MERGE_N, dir, find_child, &find);
    return find.found;
}

/* Whether N's inode, which R does not name, holds what this host has not agreed to lose: names, content it
 * never saw, or a name that only here was still kept (each side left another). */
static bool is_lost(struct merge *m, uint64_t ino, const struct record *t) {
    if (S_ISDIR(t->mode))
        return has_names(m, ino);
    const struct record *b = m->src->held(m->src->arg, ino);
    if (!b)
        b = merge_inode(m, MERGE_C, ino);
    return !b || !record_same_content(t, b) || merge_inode(m, MERGE_V, ino);
}

/* M7 a: removed here, changed there. */
static bool keep(struct repair *r) {
    uint64_t ino;
    while ((ino = heap_pop(r, KEEP))) {
        const struct record *t = merge_inode(r->m, MERGE_N, ino);
        if (!t || merge_live(r->m, ino) || !is_lost(r->m, ino, t))
            continue;
        struct row *row = merge_first_row(r->m, MERGE_N, ino);
        if (!row)
            continue;
        restore(r->m, row, ino);
        return true;
    }
    return false;
}

/* M7 b: a directory removed there, written into here: it comes back at the name it has in our view. */
static bool revive(struct repair *r) {
    uint64_t dir;
    while ((dir = heap_pop(r, REVIVE))) {
        const struct node *node = merge_node_find(r->m, dir);
        if (!node || !node->inside || merge_live(r->m, dir))
            continue;
        struct row *at = merge_first_row(r->m, MERGE_V, dir);
        if (!at)
            at = merge_first_row(r->m, MERGE_C, dir);
        if (!at)
            continue;
        merge_touch(r->m, dir);
        merge_place(r->m, at, dir);
        return true;
    }
    return false;
}

/* A file with two names that had one at most in each of C, V and N, none of them C's: moved by both. */
static bool moved_by_both(struct merge *m, uint64_t ino, struct row **ours, size_t n_ours,
                          struct row **theirs, size_t n_theirs) {
    for (enum merge_tree tree = MERGE_C; tree <= MERGE_N; tree++) {
        size_t n;
        CLEANUP_FREE struct row **rows ATTR_UNUSED = merge_rows_of(m, tree, ino, &n);
        if (n > 1)
            return false;
    }
    for (size_t i = 0; i < n_ours + n_theirs; i++)
        if (merge_row_in(m, i < n_ours ? ours[i] : theirs[i - n_ours], MERGE_C) == ino)
            return false;
    return true;
}

/* Of an inode with more names than it may have, takes one away that is not our first; false where there is
 * none. */
static bool take_name(struct merge *m, uint64_t ino, struct row *named) {
    size_t n_ours, n_theirs, n_names;
    CLEANUP_FREE struct row **ours = merge_rows_sorted(named, NULL, &n_ours);
    CLEANUP_FREE struct row **theirs = merge_rows_of(m, MERGE_N, ino, &n_theirs);
    n_names = n_ours;
    for (size_t i = 0; i < n_theirs; i++)
        n_names += !theirs[i]->ours;
    const struct record *rec = merge_rec(m, ino);
    if (n_names < 2 || !rec)
        return false;
    if (!S_ISDIR(rec->mode) && !moved_by_both(m, ino, ours, n_ours, theirs, n_theirs))
        return false;
    for (size_t i = 0; i < n_theirs + n_ours - 1; i++) {
        struct row *row = i < n_theirs ? theirs[i] : ours[i - n_theirs + 1];
        if (row != ours[0] && (!row->ours || row->ino == ino)) {
            merge_set(m, row, 0);
            return true;
        }
    }
    return false;
}

/* M8 a: one name for a directory, and for a file both sides moved: ours, the later. */
static bool one_name(struct repair *r) {
    uint64_t ino;
    while ((ino = heap_pop(r, ONE_NAME))) {
        const struct node *node = merge_node_find(r->m, ino);
        if (node && node->named && take_name(r->m, ino, node->named)) {
            merge_touch(r->m, ino);
            return true;
        }
    }
    return false;
}

/* The directory that R has this one in; 0: not live. */
static uint64_t above(struct merge *m, uint64_t ino) {
    const struct node *node = merge_node_find(m, ino);
    if (node && node->named)
        return node->named->parent;
    size_t n;
    CLEANUP_FREE struct row **rows = merge_rows_of(m, MERGE_N, ino, &n);
    for (size_t i = 0; i < n; i++)
        if (!rows[i]->ours)
            return rows[i]->parent;
    return 0;
}

/* Whether going up from dir leads back to it. */
static bool on_ring(struct repair *r, uint64_t dir) {
    unsigned walk = ++r->walks;
    for (uint64_t at = above(r->m, dir); at && at != ROOT_INO; at = above(r->m, at)) {
        if (at == dir)
            return true;
        struct node *node = merge_node_get(r->m, at);
        if (node->walk == walk) /* a ring further up; its own members find it */
            return false;
        node->walk = walk;
    }
    return false;
}

/* The smallest directory of the ring that N has and we moved; 0: none. */
static uint64_t moved_on_ring(struct merge *m, uint64_t dir) {
    uint64_t best = 0, at = dir;
    do {
        const struct node *node = merge_node_find(m, at);
        if (node && node->named && (!best || at < best) && merge_inode(m, MERGE_N, at))
            best = at;
        at = above(m, at);
    } while (at != dir);
    return best;
}

/* Our move of the directory is void: it stands where N has it. Where N's inode at our row was placed
 * elsewhere by us, it stays there. */
static void undo_move(struct merge *m, uint64_t dir) {
    size_t n;
    CLEANUP_FREE struct row **mine = merge_rows_sorted(merge_node_get(m, dir)->named, NULL, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t theirs = merge_row_in(m, mine[i], MERGE_N);
        const struct node *there = theirs ? merge_node_find(m, theirs) : NULL;
        merge_drop(m, mine[i]);
        if (there && there->named)
            merge_set(m, mine[i], 0);
    }
    struct row *row = merge_first_row(m, MERGE_N, dir);
    if (row)
        restore(m, row, dir);
}

/* M8 b. 1: a loop was opened, 0: there is none, -ELOOP: one without a move of ours. */
static int open_loop(struct repair *r) {
    uint64_t best = 0;
    for (size_t i = 0; i < r->moved.n; i++) {
        uint64_t dir = r->moved.v[i];
        const struct record *rec = merge_rec(r->m, dir);
        if (!rec || !S_ISDIR(rec->mode) || !on_ring(r, dir))
            continue;
        uint64_t one = moved_on_ring(r->m, dir);
        if (!one)
            return -ELOOP;
        best = best ? MIN(best, one) : one;
    }
    if (!best) {
        r->moved.n = 0;
        return 0;
    }
    undo_move(r->m, best);
    return 1;
}

int merge_repair(struct merge *m) {
    struct repair r = {.m = m};
    int err = 0;
    for (size_t n = 0;; n++) {
        take_touched(&r);
        if (!keep(&r) && !revive(&r) && !one_name(&r)) {
            err = open_loop(&r);
            if (err <= 0)
                break;
        }
        merge_place_queued(m);
        if (n > REPAIRS_MIN + REPAIRS_PER_ROW * (size_t)HASH_COUNT(m->rows)) {
            err = -ELOOP;
            break;
        }
    }
    for (enum kind kind = 0; kind < N_KINDS; kind++)
        free(r.heap[kind].v);
    free(r.moved.v);
    return err;
}
