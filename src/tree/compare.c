/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/compare.h"
#include "tree/file_state.h"

/* Following stands still meanwhile. */
#define SIZE_MAX_HASHED ((uint64_t)8 << 30)

enum state {
    WANTED,
    KNOWN,
    USELESS, /* equal to nothing, for this entry */
};

struct compared {
    uint64_t ino;
    uint64_t bytes; /* the spool file */
    enum state state;
    uint64_t size;
    uint8_t id[DIGEST_SIZE];
    UT_hash_handle hh;
};

static uint64_t bytes_of(const struct row_pending *p) {
    return p->spool ? p->spool : p->snap;
}

static struct compared *find(const struct tree *t, uint64_t ino) {
    struct compared *c;
    HASH_FIND(hh, t->compare.table, &ino, sizeof ino, c);
    return c;
}

void compare_allow(struct tree *t, bool allow) {
    t->compare.allowed = allow;
}

bool compare_is_allowed(const struct tree *t) {
    return t->compare.allowed;
}

void compare_note(struct tree *t, uint64_t ino, const struct record *with) {
    struct row_pending p;
    if (!t->compare.allowed || !S_ISREG(with->mode) || with->foreign || with->size > SIZE_MAX_HASHED || find(t, ino))
        return;
    if (rows_p_inode(t, ino, NULL, &p) != 1 || row_local(&p) || !row_unhashed(&p) || p.size != with->size || file_is_written(t, ino))
        return;
    struct compared *c = xcalloc(1, sizeof *c);
    *c = (struct compared){.ino = ino, .bytes = bytes_of(&p), .state = WANTED};
    HASH_ADD(hh, t->compare.table, ino, sizeof c->ino, c);
    t->compare.wanted++;
}

bool compare_is_wanted(const struct tree *t) {
    return t->compare.wanted > 0;
}

bool compare_known(struct tree *t, uint64_t ino, const struct row_pending *p, uint64_t *ret_size, uint8_t ret_id[DIGEST_SIZE]) {
    const struct compared *c = t->compare.table ? find(t, ino) : NULL;
    if (!c || c->state != KNOWN || !row_unhashed(p) || c->bytes != bytes_of(p) || file_is_written(t, ino))
        return false;
    *ret_size = c->size;
    memcpy(ret_id, c->id, DIGEST_SIZE);
    return true;
}

static void set_state(struct tree *t, struct compared *c, enum state state) {
    t->compare.wanted -= c->state == WANTED;
    c->state = state;
}

void compare_forget(struct tree *t, uint64_t ino) {
    struct compared *c = t->compare.table ? find(t, ino) : NULL;
    if (c)
        set_state(t, c, USELESS);
}

void compare_clear(struct tree *t) {
    struct compared *c, *next;
    HASH_ITER(hh, t->compare.table, c, next) {
        HASH_DEL(t->compare.table, c);
        free(c);
    }
    t->compare.wanted = 0;
}

/* What is hashed at a time. */
struct hashing {
    struct tree *tree;
    void (*ready)(void *, int);
    void *arg;
    struct compared *v; /* copies */
    size_t n;
};

/* Under the lock. */
static void collect(struct tree *t, struct hashing *h) {
    struct compared *c, *next;
    *h = (struct hashing){.tree = t, .v = xcalloc(t->compare.wanted + 1, sizeof *h->v)};
    HASH_ITER(hh, t->compare.table, c, next) {
        if (c->state == WANTED)
            h->v[h->n++] = *c;
    }
}

static void hash_all(void *arg) {
    struct hashing *h = arg;
    for (size_t i = 0; i < h->n; i++) {
        struct compared *c = &h->v[i];
        c->state = spool_hash(h->tree->cfg.spool, c->bytes, &c->size, c->id) == 0 ? KNOWN : USELESS;
    }
}

/* Under the lock: but for what was written to meanwhile. */
static void note_hashed(struct hashing *h) {
    for (size_t i = 0; i < h->n; i++) {
        struct compared *c = find(h->tree, h->v[i].ino);
        if (!c || c->state != WANTED || c->bytes != h->v[i].bytes)
            continue;
        set_state(h->tree, c, h->v[i].state);
        c->size = h->v[i].size;
        memcpy(c->id, h->v[i].id, DIGEST_SIZE);
    }
    free(h->v);
}

static void hashed(void *arg) {
    struct hashing *h = arg;
    struct tree *t = h->tree;
    tree_lock(t);
    note_hashed(h);
    tree_unlock(t);
    h->ready(h->arg, 0);
    tree_lock(t);
    tree_release(t);
    tree_unlock(t);
    free(h);
}

void compare_wait_later(struct tree *t, void (*ready)(void *arg, int err), void *arg) {
    struct hashing *h = xmalloc(sizeof *h);
    collect(t, h);
    h->ready = ready;
    h->arg = arg;
    tree_hold(t);
    env_work(t->env, hash_all, hashed, h);
}

void compare_wait(struct tree *t, void (*ready)(void *arg, int err), void *arg) {
    tree_lock(t);
    compare_wait_later(t, ready, arg);
    tree_unlock(t);
}

int compare_here(struct tree *t) {
    struct hashing h;
    tree_lock(t);
    collect(t, &h);
    tree_unlock(t);
    hash_all(&h);
    tree_lock(t);
    note_hashed(&h);
    tree_unlock(t);
    return 0;
}
