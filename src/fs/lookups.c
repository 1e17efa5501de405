/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/lookups.h"
#include "tree/attr.h"

#define SLOTS_MIN 1024 /* a power of two, as every size of the table */

/* A million inodes are known after a find over as many names: an open hash table (linear probing) with nothing but the numbers, for each further pointer costs megabytes. An empty slot has
 * ino 0, which no inode has. */
struct slot {
    uint64_t ino, count;
};

struct lookups {
    pthread_mutex_t mutex;
    struct slot *slots; /* guarded by mutex, as what follows */
    size_t size, used;  /* at most half are used */
};

struct lookups *lookups_new(void) {
    struct lookups *l = xcalloc(1, sizeof *l);
    pthread_mutex_init(&l->mutex, NULL);
    l->size = SLOTS_MIN;
    l->slots = xcalloc(l->size, sizeof *l->slots);
    return l;
}

struct lookups *lookups_free(struct lookups *l) {
    if (!l)
        return NULL;
    pthread_mutex_destroy(&l->mutex);
    free(l->slots);
    free(l);
    return NULL;
}

/* Numbers of one session follow one another: multiplied, they do not pile up (Fibonacci hashing). */
static size_t home_of(const struct lookups *l, uint64_t ino) {
    return (size_t)(ino * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (l->size - 1);
}

/* Where it is, or the empty slot where it would be. */
static size_t find(const struct lookups *l, uint64_t ino) {
    size_t i = home_of(l, ino);
    while (l->slots[i].ino && l->slots[i].ino != ino)
        i = (i + 1) & (l->size - 1);
    return i;
}

static void resize(struct lookups *l, size_t size) {
    struct slot *old = l->slots;
    size_t n = l->size;
    l->size = size;
    l->slots = xcalloc(size, sizeof *l->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].ino)
            l->slots[find(l, old[i].ino)] = old[i];
    free(old);
}

/* Closes the gap: what stands behind it and could stand in it moves up, so that no search ends too early. */
static void take_out(struct lookups *l, size_t gap) {
    size_t mask = l->size - 1;
    for (size_t i = (gap + 1) & mask; l->slots[i].ino; i = (i + 1) & mask) {
        size_t home = home_of(l, l->slots[i].ino);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        l->slots[gap] = l->slots[i];
        gap = i;
    }
    l->slots[gap] = (struct slot){0};
    l->used--;
    if (l->size > SLOTS_MIN && l->used < l->size / 8)
        resize(l, l->size / 2);
}

void lookups_add(struct lookups *l, uint64_t ino) {
    if (ino == ROOT_INO)
        return;
    SCOPE_LOCK(&l->mutex);
    size_t i = find(l, ino);
    if (!l->slots[i].ino) {
        if (++l->used > l->size / 2) {
            resize(l, 2 * l->size);
            i = find(l, ino);
        }
        l->slots[i].ino = ino;
    }
    l->slots[i].count++;
}

bool lookups_sub(struct lookups *l, uint64_t ino, uint64_t n) {
    if (ino == ROOT_INO)
        return false;
    SCOPE_LOCK(&l->mutex);
    size_t i = find(l, ino);
    if (!l->slots[i].ino)
        return false;
    l->slots[i].count -= MIN(n, l->slots[i].count);
    if (l->slots[i].count > 0)
        return false;
    take_out(l, i);
    return true;
}

bool lookups_has(struct lookups *l, uint64_t ino) {
    if (ino == ROOT_INO)
        return true;
    SCOPE_LOCK(&l->mutex);
    return l->slots[find(l, ino)].ino != 0;
}

size_t lookups_list(struct lookups *l, uint64_t **ret) {
    SCOPE_LOCK(&l->mutex);
    size_t n = 0;
    *ret = xmalloc((1 + l->used) * sizeof **ret);
    (*ret)[n++] = ROOT_INO;
    for (size_t i = 0; i < l->size; i++)
        if (l->slots[i].ino)
            (*ret)[n++] = l->slots[i].ino;
    return n;
}
