/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/lookups.h"
#include "tree/attr.h"
#include <uthash.h>

struct known {
    uint64_t ino;
    uint64_t count;
    UT_hash_handle hh;
};

struct lookups {
    pthread_mutex_t mutex;
    struct known *table; /* guarded by mutex */
};

struct lookups *lookups_new(void) {
    struct lookups *l = xcalloc(1, sizeof *l);
    pthread_mutex_init(&l->mutex, NULL);
    return l;
}

struct lookups *lookups_free(struct lookups *l) {
    if (!l)
        return NULL;
    struct known *k, *next;
    HASH_ITER (hh, l->table, k, next) {
        HASH_DEL(l->table, k);
        free(k);
    }
    pthread_mutex_destroy(&l->mutex);
    free(l);
    return NULL;
}

static struct known *find(struct lookups *l, uint64_t ino) {
    struct known *k;
    HASH_FIND(hh, l->table, &ino, sizeof ino, k);
    return k;
}

void lookups_add(struct lookups *l, uint64_t ino) {
    if (ino == ROOT_INO)
        return;
    SCOPE_LOCK(&l->mutex);
    struct known *k = find(l, ino);
    if (!k) {
        k = xcalloc(1, sizeof *k);
        k->ino = ino;
        HASH_ADD(hh, l->table, ino, sizeof k->ino, k);
    }
    k->count++;
}

bool lookups_sub(struct lookups *l, uint64_t ino, uint64_t n) {
    if (ino == ROOT_INO)
        return false;
    SCOPE_LOCK(&l->mutex);
    struct known *k = find(l, ino);
    if (!k)
        return false;
    k->count -= MIN(n, k->count);
    if (k->count > 0)
        return false;
    HASH_DEL(l->table, k);
    free(k);
    return true;
}

bool lookups_has(struct lookups *l, uint64_t ino) {
    if (ino == ROOT_INO)
        return true;
    SCOPE_LOCK(&l->mutex);
    return find(l, ino) != NULL;
}

size_t lookups_list(struct lookups *l, uint64_t **ret) {
    SCOPE_LOCK(&l->mutex);
    size_t n = 0;
    *ret = xmalloc((1 + HASH_COUNT(l->table)) * sizeof **ret);
    (*ret)[n++] = ROOT_INO;
    struct known *k, *next;
    HASH_ITER (hh, l->table, k, next)
        (*ret)[n++] = k->ino;
    return n;
}
