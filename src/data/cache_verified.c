/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/cache_verified.h"

_Static_assert(sizeof(struct verified) == 24, "a slot has grown");

static uint64_t head_of(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t digest_head(const uint8_t *digest) {
    uint64_t v = head_of(digest);
    return v ? v : 1;
}

/* Ids are SHA-256, uniform by themselves; only the block number has to be spread. */
static uint32_t home_of(uint64_t id, uint32_t block, uint32_t cap) {
    return (uint32_t)((id + block * 0x9e3779b97f4a7c15u) >> 32) & (cap - 1);
}

static struct verified *find_slot(const struct verified_shard *s, uint64_t id, uint32_t block) {
    if (s->n == 0)
        return NULL;
    for (uint32_t i = home_of(id, block, s->cap);; i = (i + 1) & (s->cap - 1)) {
        struct verified *v = &s->slots[i];
        if (!v->digest)
            return NULL;
        if (v->id == id && v->block == block)
            return v;
    }
}

struct verified *verified_find(struct verified_set *set, const uint8_t id[DIGEST_SIZE], uint64_t block,
                               const uint8_t *digest) {
    struct verified *v = find_slot(&set->shards[verified_shard_of(id)], head_of(id), (uint32_t)block);
    return v && (!digest || v->digest == digest_head(digest)) ? v : NULL;
}

static void insert(struct verified_shard *s, const struct verified *v) {
    uint32_t i = home_of(v->id, v->block, s->cap);
    while (s->slots[i].digest)
        i = (i + 1) & (s->cap - 1);
    s->slots[i] = *v;
    s->n++;
}

static void grow(struct verified_shard *s) {
    struct verified_shard old = *s;
    s->cap = old.cap ? 2 * old.cap : 8;
    s->slots = xcalloc(s->cap, sizeof *s->slots);
    s->n = 0;
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i].digest)
            insert(s, &old.slots[i]);
    free(old.slots);
}

void verified_add(struct verified_set *set, const uint8_t id[DIGEST_SIZE], uint64_t block,
                  const uint8_t digest[DIGEST_SIZE], uint32_t used, bool is_protected) {
    struct verified_shard *s = &set->shards[verified_shard_of(id)];
    struct verified new = {.id = head_of(id),
                           .digest = digest_head(digest),
                           .block = (uint32_t)block,
                           .used = used & 0x7fffffff,
                           .is_protected = is_protected};
    struct verified *v = find_slot(s, new.id, new.block);
    if (v) {
        *v = new;
        return;
    }
    if (4 * (s->n + 1) > 3 * s->cap)
        grow(s);
    insert(s, &new);
}

/* Knuth's algorithm R: what follows the hole moves back into it unless that were before its own home. */
static void close_hole(struct verified_shard *s, uint32_t hole) {
    uint32_t mask = s->cap - 1;
    for (uint32_t i = (hole + 1) & mask; s->slots[i].digest; i = (i + 1) & mask) {
        uint32_t home = home_of(s->slots[i].id, s->slots[i].block, s->cap);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->slots[hole] = s->slots[i];
        hole = i;
    }
    s->slots[hole].digest = 0;
}

void verified_remove(struct verified_set *set, const uint8_t id[DIGEST_SIZE], uint64_t block) {
    struct verified_shard *s = &set->shards[verified_shard_of(id)];
    struct verified *v = find_slot(s, head_of(id), (uint32_t)block);
    if (!v)
        return;
    close_hole(s, (uint32_t)(v - s->slots));
    s->n--;
}

void verified_remove_content(struct verified_set *set, const uint8_t id[DIGEST_SIZE]) {
    struct verified_shard *s = &set->shards[verified_shard_of(id)];
    uint64_t head = head_of(id);
    for (uint32_t i = 0; i < s->cap; i++)
        while (s->slots[i].digest && s->slots[i].id == head) { /* something else may have moved here */
            close_hole(s, i);
            s->n--;
        }
}

void verified_clear_shard(struct verified_set *set, unsigned shard) {
    free(set->shards[shard].slots);
    set->shards[shard] = (struct verified_shard){0};
}

void verified_clear(struct verified_set *set) {
    for (unsigned i = 0; i < VERIFIED_SHARDS; i++)
        verified_clear_shard(set, i);
}
