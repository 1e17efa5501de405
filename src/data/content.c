/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/content.h"
#include <stdatomic.h>

struct content *content_new(const uint8_t id[DIGEST_SIZE], uint64_t size, const char *key,
                            const uint8_t *digests, const uint8_t *digests_digest) {
    struct content *c = xcalloc(1, sizeof *c);
    memcpy(c->id, id, DIGEST_SIZE);
    c->size = size;
    c->key = xstrdup(key);
    if (digests)
        c->digests = xmemdup(digests, BLOCK_COUNT(size) * DIGEST_SIZE);
    if (digests_digest)
        memcpy(c->digests_digest, digests_digest, DIGEST_SIZE);
    atomic_init(&c->refs, 1);
    return c;
}

struct content *content_ref(struct content *c) {
    if (c)
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void content_unref(struct content *c) {
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(c->key);
    free(c->digests);
    free(c);
}

bool content_same(const struct content *a, const struct content *b) {
    if (!a || !b)
        return a == b;
    return memcmp(a->id, b->id, DIGEST_SIZE) == 0;
}
