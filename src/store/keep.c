/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/keep.h"
#include <stdatomic.h>

struct keep *keep_new(void) {
    struct keep *k = xcalloc(1, sizeof *k);
    atomic_init(&k->refs, 1);
    return k;
}

void keep_add(struct keep_pair **list, size_t *n, const char *name, const char *value) {
    *list = xrealloc(*list, (*n + 1) * sizeof **list);
    (*list)[(*n)++] = (struct keep_pair){xstrdup(name), xstrdup(value)};
}

void keep_pairs_free(struct keep_pair *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(list[i].name);
        free(list[i].value);
    }
    free(list);
}

struct keep *keep_ref(struct keep *k) {
    if (k)
        atomic_fetch_add(&k->refs, 1);
    return k;
}

void keep_unref(struct keep *k) {
    if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    keep_pairs_free(k->metadata, k->n_metadata);
    keep_pairs_free(k->tags, k->n_tags);
    free(k->cache_control);
    free(k->content_disposition);
    free(k->storage_class);
    free(k->kms_key);
    free(k->customer_key);
    free(k);
}
