/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/lookups.h"
#include "tree/attr.h"

#define SLOTS_MIN 256 /* a power of two, as every size of a table */

/* Ten million inodes are known after a find over as many names. Numbers that were made one after another stand one
 * after another: so many of them share a slot, with a byte each. What a byte cannot count is in a table of its own. */
#define GROUP 16
#define BYTE_MAX 255

struct group {
    uint64_t key; /* of its numbers / GROUP, and 1 */
    uint8_t count[GROUP];
};

struct rest {
    uint64_t key; /* the inode */
    uint64_t count;
};

/* An open hash table with linear probing. A slot begins with its key; an empty one has 0. */
struct table {
    char *slots;
    size_t slot;       /* bytes of one */
    size_t size, used; /* at most half are used */
};

struct lookups {
    pthread_mutex_t mutex;
    struct table groups, rest; /* guarded by mutex, as what follows */
    size_t known;
};

static void table_init(struct table *t, size_t slot) {
    *t = (struct table){.slot = slot, .size = SLOTS_MIN};
    t->slots = xcalloc(t->size, slot);
}

static void *slot_at(const struct table *t, size_t i) {
    return t->slots + i * t->slot;
}

static uint64_t key_at(const struct table *t, size_t i) {
    return *(const uint64_t *)slot_at(t, i);
}

/* Numbers of one session follow one another: multiplied, they do not pile up (Fibonacci hashing). */
static size_t home_of(const struct table *t, uint64_t key) {
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (t->size - 1);
}

/* Where it is, or the empty slot where it would be. */
static size_t place_of(const struct table *t, uint64_t key) {
    size_t i = home_of(t, key);
    while (key_at(t, i) && key_at(t, i) != key)
        i = (i + 1) & (t->size - 1);
    return i;
}

/* NULL: it is not there. */
static void *find(const struct table *t, uint64_t key) {
    size_t i = place_of(t, key);
    return key_at(t, i) ? slot_at(t, i) : NULL;
}

static void resize(struct table *t, size_t size) {
    struct table old = *t;
    t->size = size;
    t->slots = xcalloc(size, t->slot);
    for (size_t i = 0; i < old.size; i++)
        if (key_at(&old, i))
            memcpy(slot_at(t, place_of(t, key_at(&old, i))), slot_at(&old, i), t->slot);
    free(old.slots);
}

static void *find_or_add(struct table *t, uint64_t key) {
    void *found = find(t, key);
    if (found)
        return found;
    if (++t->used > t->size / 2)
        resize(t, 2 * t->size);
    uint64_t *slot = slot_at(t, place_of(t, key));
    *slot = key;
    return slot;
}

/* Closes the gap: what stands behind it and could stand in it moves up, so that no search ends too early. */
static void take_out(struct table *t, uint64_t key) {
    size_t mask = t->size - 1, gap = place_of(t, key);
    for (size_t i = (gap + 1) & mask; key_at(t, i); i = (i + 1) & mask) {
        size_t home = home_of(t, key_at(t, i));
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        memcpy(slot_at(t, gap), slot_at(t, i), t->slot);
        gap = i;
    }
    memset(slot_at(t, gap), 0, t->slot);
    t->used--;
    if (t->size > SLOTS_MIN && t->used < t->size / 8)
        resize(t, t->size / 2);
}

struct lookups *lookups_new(void) {
    struct lookups *l = xcalloc(1, sizeof *l);
    pthread_mutex_init(&l->mutex, NULL);
    table_init(&l->groups, sizeof(struct group));
    table_init(&l->rest, sizeof(struct rest));
    return l;
}

struct lookups *lookups_free(struct lookups *l) {
    if (!l)
        return NULL;
    pthread_mutex_destroy(&l->mutex);
    free(l->groups.slots);
    free(l->rest.slots);
    free(l);
    return NULL;
}

static uint64_t group_key(uint64_t ino) {
    return ino / GROUP + 1;
}

void lookups_add(struct lookups *l, uint64_t ino) {
    if (ino == ROOT_INO)
        return;
    SCOPE_LOCK(&l->mutex);
    struct group *g = find_or_add(&l->groups, group_key(ino));
    uint8_t *count = &g->count[ino % GROUP];
    l->known += *count == 0;
    if (*count < BYTE_MAX)
        ++*count;
    else
        ((struct rest *)find_or_add(&l->rest, ino))->count++;
}

/* Of n, what is left when the inode's rest has given what it has. */
static uint64_t take_rest(struct lookups *l, uint64_t ino, uint64_t n) {
    struct rest *r = find(&l->rest, ino);
    uint64_t taken = r ? MIN(n, r->count) : 0;
    if (r && (r->count -= taken) == 0)
        take_out(&l->rest, ino);
    return n - taken;
}

bool lookups_sub(struct lookups *l, uint64_t ino, uint64_t n) {
    static const uint8_t none[GROUP];
    if (ino == ROOT_INO)
        return false;
    SCOPE_LOCK(&l->mutex);
    struct group *g = find(&l->groups, group_key(ino));
    if (!g || !g->count[ino % GROUP])
        return false;
    uint8_t *count = &g->count[ino % GROUP];
    if (*count == BYTE_MAX)
        n = take_rest(l, ino, n);
    *count = (uint8_t)(*count - MIN(n, *count));
    if (*count > 0)
        return false;
    l->known--;
    if (!memcmp(g->count, none, GROUP))
        take_out(&l->groups, group_key(ino));
    return true;
}

bool lookups_has(struct lookups *l, uint64_t ino) {
    if (ino == ROOT_INO)
        return true;
    SCOPE_LOCK(&l->mutex);
    const struct group *g = find(&l->groups, group_key(ino));
    return g && g->count[ino % GROUP];
}

size_t lookups_list(struct lookups *l, uint64_t **ret) {
    SCOPE_LOCK(&l->mutex);
    size_t n = 0;
    *ret = xmalloc((1 + l->known) * sizeof **ret);
    (*ret)[n++] = ROOT_INO;
    for (size_t i = 0; i < l->groups.size; i++) {
        const struct group *g = slot_at(&l->groups, i);
        for (unsigned k = 0; g->key && k < GROUP; k++)
            if (g->count[k])
                (*ret)[n++] = (g->key - 1) * GROUP + k;
    }
    return n;
}
