/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Room in the block cache: reserving it before a write, and taking blocks out.
 */
#include "data/block_cache.h"
#include "data/cache_state.h"
#include <sys/statvfs.h>

#define VICTIMS_MAX 256                /* spans in one round */
#define SLACK_MAX ((uint64_t)64 << 20) /* evicted beyond what is needed now, so that not every write evicts  \
                                        */

/* ---- taking bytes away */

void cache_removal_begin(struct block_cache *c, const struct cache_victim *v) {
    unsigned shard = verified_shard_of(v->id);
    SCOPE_LOCK(&c->lock);
    uint64_t old = atomic_fetch_add(&c->gens[shard], 1);
    if (c->seen[shard] == old) /* our own removal: the other entries of the shard stay good */
        c->seen[shard] = old + 1;
    if (v->whole) { /* also blocks that were put after it was decided that none is left */
        verified_remove_content(&c->verified, v->id);
        cache_files_forget(&c->files, v->id);
        return;
    }
    for (uint64_t m = v->mask; m; m &= m - 1)
        verified_remove(&c->verified, v->id, v->span * SPAN_BLOCKS + (unsigned)__builtin_ctzll(m));
}

void cache_removal_end(struct block_cache *c, const struct cache_victim *v) {
    unsigned shard = verified_shard_of(v->id);
    SCOPE_LOCK(&c->lock);
    uint64_t old = atomic_fetch_add(&c->gens[shard], 1ull << 32);
    if (c->seen[shard] == old)
        c->seen[shard] = old + (1ull << 32);
    if (v->whole)
        cache_files_forget(&c->files, v->id);
}

/* Punches every run of blocks in the mask. */
static int punch(struct block_cache *c, const struct cache_victim *v) {
    uint64_t mask = v->mask;
    int r = 0;
    while (mask && r == 0) {
        unsigned from = (unsigned)__builtin_ctzll(mask);
        unsigned n = ~(mask >> from) ? (unsigned)__builtin_ctzll(~(mask >> from)) : SPAN_BLOCKS;
        r = cache_files_punch(&c->files, v->id, (v->span * SPAN_BLOCKS + from) * BLOCK_SIZE, n * BLOCK_SIZE);
        mask &= from + n >= SPAN_BLOCKS ? 0 : ~0ull << (from + n);
    }
    return r;
}

static void forget_content(struct block_cache *c, const uint8_t id[DIGEST_SIZE], enum counter why);

/* Takes the victims' bytes off the disk; their rows are gone. Their sum has been reserved, so that nobody
 * takes the room before it is there. */
static void remove_victims(struct block_cache *c, const struct cache_victim *v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        cache_removal_begin(c, &v[i]);
        int r = v[i].whole ? cache_files_unlink(&c->files, v[i].id) : punch(c, &v[i]);
        cache_removal_end(c, &v[i]);
        if (r == -EOPNOTSUPP) {
            atomic_store(&c->no_punch, true);
            forget_content(c, v[i].id, COUNTER_CACHE_EVICTED);
        }
        SCOPE_LOCK(&c->lock);
        c->reserved -= v[i].bytes;
    }
}

/* ---- choosing what goes; db_lock held, inside a transaction */

/* Takes the blocks in mask out of the row and appends them to the victims. */
static int take_out(struct block_cache *c, const struct cache_span *row, uint64_t mask,
                    struct cache_victim *v) {
    struct cache_span new = *row;
    new.here &= ~mask;
    new.protected &= ~mask;
    int r = cache_index_put(c->index, row, &new);
    if (r < 0)
        return r;
    *v = (struct cache_victim){.span = row->span, .mask = mask, .bytes = cache_span_bytes(row, mask)};
    memcpy(v->id, row->id, DIGEST_SIZE);
    v->whole = !new.here && !cache_index_any(c->index, row->id);
    return 0;
}

/* As many of the candidate blocks as `want` bytes need, from the first on. */
static uint64_t enough(const struct cache_span *row, uint64_t candidates, uint64_t want) {
    uint64_t mask = 0;
    while (candidates && cache_span_bytes(row, mask) < want) {
        mask |= candidates & -candidates;
        candidates &= candidates - 1;
    }
    return mask;
}

static int choose_one(struct block_cache *c, uint64_t want, struct cache_victim *v) {
    struct cache_span row;
    bool of_protected = false;
    int r = cache_index_oldest(c->index, false, &row);
    if (r == -ENOENT) {
        of_protected = true;
        r = cache_index_oldest(c->index, true, &row);
    }
    if (r < 0)
        return r;
    if (atomic_load(&c->no_punch))
        return take_out(c, &row, row.here, v);
    return take_out(c, &row, enough(&row, of_protected ? row.protected : row.here & ~row.protected, want), v);
}

/* Where holes cannot be punched, a content of many spans goes whole. (If the array is full, its last rows
 * stay; they are found out at their next use.) */
static int take_rest(struct block_cache *c, struct cache_victim *v, size_t *n) {
    CLEANUP_FREE struct cache_span *rows = NULL;
    size_t n_rows = 0, first = *n - 1;
    if (!atomic_load(&c->no_punch) || v[first].whole)
        return 0;
    int r = cache_index_range(c->index, v[first].id, v[first].id, &rows, &n_rows);
    for (size_t i = 0; r == 0 && i < n_rows && *n < VICTIMS_MAX; i++) {
        r = take_out(c, &rows[i], rows[i].here, &v[*n]);
        *n += r == 0;
    }
    for (size_t i = first; i < *n; i++)
        v[i].whole = true;
    return r;
}

static int choose(struct block_cache *c, uint64_t want, struct cache_victim *v, size_t *ret_n,
                  uint64_t *ret_sum) {
    size_t n = 0;
    uint64_t sum = 0;
    int r = 0;
    while (n < VICTIMS_MAX && sum < want && (r = choose_one(c, want - sum, &v[n])) == 0) {
        size_t first = n++;
        r = take_rest(c, v, &n);
        if (r < 0)
            break;
        for (size_t i = first; i < n; i++)
            sum += v[i].bytes;
    }
    *ret_n = n;
    *ret_sum = sum;
    return r == -ENOENT ? 0 : r;
}

/* Ends the transaction that chose them. If it cannot be written (a full disk), the rows stay and the files go
 * whole: a row without bytes is found out at its next use, and no process is left with a hole where it
 * expects a block. */
static void commit_removal(struct block_cache *c, struct cache_victim *v, size_t n, uint64_t sum) {
    int r = cache_index_commit(c->index);
    for (size_t i = 0; r < 0 && i < n; i++)
        v[i].whole = true;
    if (r < 0)
        cache_index_failed(c, r);
    cache_take_sums(c);
    SCOPE_LOCK(&c->lock);
    c->reserved += sum;
}

/* ---- eviction */

/* One round. Returns what it freed. */
static uint64_t evict_some(struct block_cache *c, uint64_t want) {
    CLEANUP_FREE struct cache_victim *v = xmalloc(VICTIMS_MAX * sizeof *v);
    size_t n = 0;
    uint64_t sum = 0;
    {
        SCOPE_LOCK(&c->db_lock);
        (void)cache_flush(c);
        int r = c->index ? cache_index_begin(c->index) : -EBADMSG;
        if (r < 0) {
            cache_index_failed(c, r);
            return 0;
        }
        r = choose(c, want, v, &n, &sum);
        if (r < 0 || n == 0) {
            cache_index_rollback(c->index);
            if (r < 0)
                cache_index_failed(c, r);
            return 0;
        }
        commit_removal(c, v, n, sum);
    }
    remove_victims(c, v, n);
    uint64_t blocks = 0;
    for (size_t i = 0; i < n; i++)
        blocks += (uint64_t)__builtin_popcountll(v[i].mask);
    counter_add(c->counters, COUNTER_CACHE_EVICTED, blocks);
    return sum;
}

uint64_t block_cache_shrink(struct block_cache *c, uint64_t bytes) {
    uint64_t freed = 0, more;
    while (freed < bytes && (more = evict_some(c, bytes - freed)) > 0)
        freed += more;
    return freed;
}

/* ---- reserving */

static uint64_t disk_free(struct block_cache *c) {
    struct statvfs s;
    if (fstatvfs(c->files.dir, &s) < 0)
        return 0;
    return (uint64_t)s.f_bavail * s.f_frsize;
}

/* Takes the room if it is there; else *ret_short says how much has to go. */
static bool try_reserve(struct block_cache *c, uint64_t bytes, bool on_new_disk_space, uint64_t *ret_short) {
    uint64_t avail = on_new_disk_space ? disk_free(c) : UINT64_MAX;
    SCOPE_LOCK(&c->lock);
    uint64_t held = c->db_bytes + c->reserved + bytes;
    uint64_t over = held > c->limit ? held - c->limit + MIN(c->limit / 64, SLACK_MAX) : 0;
    uint64_t need = on_new_disk_space ? c->min_free + c->writing + bytes : 0;
    *ret_short = MAX(over, need > avail ? need - avail : 0);
    if (*ret_short)
        return false;
    c->reserved += bytes;
    c->writing += bytes;
    return true;
}

bool cache_reserve(struct block_cache *c, uint64_t bytes, bool on_new_disk_space) {
    uint64_t lacking;
    if (bytes > c->limit)
        return false;
    for (int attempt = 0; attempt < 4; attempt++) {
        if (try_reserve(c, bytes, on_new_disk_space, &lacking))
            return true;
        if (block_cache_shrink(c, lacking) == 0)
            return false;
    }
    return false;
}

void cache_unreserve(struct block_cache *c, uint64_t bytes) {
    SCOPE_LOCK(&c->lock);
    c->reserved -= bytes;
    c->writing -= bytes;
}

/* ---- dropping what is wrong */

/* Which blocks to remove: of one span (also if no row knows them: bytes may be there all the same), or with
 * mask 0 all of the content. Rows leave in the running transaction. Returns a malloc'd array. */
static int choose_of(struct block_cache *c, const uint8_t id[DIGEST_SIZE], uint64_t span, uint64_t mask,
                     struct cache_victim **ret, size_t *ret_n) {
    CLEANUP_FREE struct cache_span *rows = NULL;
    struct cache_span row;
    size_t n_rows = 0, n = 0;
    int r = mask ? cache_index_get(c->index, id, span, &row)
                 : cache_index_range(c->index, id, id, &rows, &n_rows);
    if (r < 0 && r != -ENOENT)
        return r;
    struct cache_victim *v = xcalloc(n_rows + 1, sizeof *v);
    if (mask && r == 0 && (row.here & mask))
        r = take_out(c, &row, row.here & mask, &v[n++]);
    for (size_t i = 0; i < n_rows && r == 0; i++) {
        r = take_out(c, &rows[i], rows[i].here, &v[n]);
        v[n++].whole = true;
    }
    if (n == 0) {
        v[n] = (struct cache_victim){.span = span, .mask = mask, .whole = !cache_index_any(c->index, id)};
        memcpy(v[n++].id, id, DIGEST_SIZE);
    }
    if (r < 0 && r != -ENOENT) {
        free(v);
        return r;
    }
    *ret = v;
    *ret_n = n;
    return 0;
}

static void remove_rows(struct block_cache *c, const uint8_t id[DIGEST_SIZE], uint64_t span, uint64_t mask,
                        enum counter why) {
    CLEANUP_FREE struct cache_victim *v = NULL;
    size_t n = 0;
    uint64_t sum = 0, blocks = 0;
    {
        SCOPE_LOCK(&c->db_lock);
        (void)cache_flush(c);
        int r = c->index ? cache_index_begin(c->index) : -EBADMSG;
        if (r == 0 && (r = choose_of(c, id, span, mask, &v, &n)) < 0)
            cache_index_rollback(c->index);
        for (size_t i = 0; i < n; i++) {
            sum += v[i].bytes;
            blocks += v[i].bytes ? (uint64_t)__builtin_popcountll(v[i].mask) : 0;
        }
        if (r == 0)
            commit_removal(c, v, n, sum);
        else
            cache_index_failed(c, r);
    }
    if (n == 0) { /* no database to ask: the file goes, its rows are found out later */
        v = xcalloc(1, sizeof *v);
        v[n++].whole = true;
        memcpy(v[0].id, id, DIGEST_SIZE);
    }
    remove_victims(c, v, n);
    counter_add(c->counters, why, blocks);
}

static void forget_content(struct block_cache *c, const uint8_t id[DIGEST_SIZE], enum counter why) {
    remove_rows(c, id, 0, 0, why);
}

void cache_drop_block(struct block_cache *c, const struct content *content, uint64_t block) {
    remove_rows(c, content->id, block / SPAN_BLOCKS, 1ull << (block % SPAN_BLOCKS), COUNTER_CACHE_DROPPED);
}

void block_cache_drop(struct block_cache *c, const struct content *content) {
    forget_content(c, content->id, COUNTER_CACHE_DROPPED);
}
