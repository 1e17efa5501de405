/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/block_cache.h"
#include "base/file.h"
#include "base/log.h"
#include "data/cache_state.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define GEN_BYTES (VERIFIED_SHARDS * sizeof(uint64_t))
#define SCAN_AT_OPEN (200 * NS_PER_MS) /* the rest of a scan is done beside the first writes */

static uint64_t block_len(const struct content *content, uint64_t block) {
    uint64_t off = block * BLOCK_SIZE;
    return off < content->size ? MIN(BLOCK_SIZE, content->size - off) : 0;
}

/* NULL: not known without the digests object. */
static const uint8_t *block_digest(const struct content *content, uint64_t block) {
    if (content->size <= BLOCK_SIZE)
        return content->id;
    return content->digests ? content->digests + block * DIGEST_SIZE : NULL;
}

/* ---- opening and closing */

static void set_aside(const char *db_path) {
    CLEANUP_FREE char *bad = xasprintf("%s.bad", db_path);
    CLEANUP_FREE char *wal = xasprintf("%s-wal", db_path);
    CLEANUP_FREE char *shm = xasprintf("%s-shm", db_path);
    (void)rename(db_path, bad);
    (void)unlink(wal);
    (void)unlink(shm);
}

int cache_index_failed(struct block_cache *c, int err) {
    if (err == -EBADMSG && c->index) {
        log_warning("block cache: %s is damaged; set aside as %s.bad, what it knew is fetched again",
                    c->db_path, c->db_path);
        c->index = cache_index_close(c->index);
        set_aside(c->db_path);
    }
    c->unclean = true;
    return err;
}

static int open_index(struct block_cache *c, bool *ret_fresh) {
    *ret_fresh = false;
    int r = cache_index_open(c->db_path, &c->index);
    if (r != -EBADMSG)
        return r;
    log_warning("block cache: %s cannot be read; set aside as %s.bad, the cache starts empty", c->db_path,
                c->db_path);
    set_aside(c->db_path);
    *ret_fresh = true;
    return cache_index_open(c->db_path, &c->index);
}

/* Maps the generations. *ret_alone: no other process has this cache open, and none can open it until the
 * caller downgrades the lock. */
static int open_gens(struct block_cache *c, bool *ret_alone) {
    CLEANUP_FREE char *path = xasprintf("%s/blocks.gen", c->dir);
    static const char zeros[GEN_BYTES];
    struct stat st;
    c->gen_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->gen_fd < 0)
        return -errno;
    *ret_alone = flock(c->gen_fd, LOCK_EX | LOCK_NB) == 0;
    if (!*ret_alone && flock(c->gen_fd, LOCK_SH) < 0) /* waits for an opener beside us */
        return -errno;
    int r = *ret_alone ? file_pwrite_all(c->gen_fd, zeros, sizeof zeros, 0) : 0;
    if (r < 0)
        return r;
    if (fstat(c->gen_fd, &st) < 0)
        return -errno;
    if ((size_t)st.st_size < GEN_BYTES)
        return -EIO;
    c->scan_before = st.st_mtim; /* the file system's clock, just now if we are alone */
    void *map = mmap(NULL, GEN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, c->gen_fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    c->gens = map;
    for (unsigned i = 0; i < VERIFIED_SHARDS; i++)
        c->seen[i] = atomic_load(&c->gens[i]);
    return 0;
}

/* After a crash there may be bytes without rows. A fresh database knows none of the files, so that scan must
 * be complete before anything is added. */
static int begin_scan(struct block_cache *c, bool alone, bool fresh) {
    bool clean = false;
    int r = cache_index_clean(c->index, &clean);
    if (r < 0 || !alone)
        return r;
    r = cache_index_set_clean(c->index, false);
    c->scan_next = clean && !fresh ? 256 : 0;
    int64_t start = env_mono(c->env);
    while (c->scan_next < 256 && (fresh || env_mono(c->env) - start < SCAN_AT_OPEN))
        cache_scan_step(c);
    return r;
}

static int set_up(struct block_cache *c) {
    CLEANUP_FREE char *blocks = xasprintf("%s/blocks", c->dir);
    struct cache_sums sums;
    bool fresh = false, alone = false;
    int r = cache_files_init(&c->files, blocks, CACHE_FDS);
    if (r == 0)
        r = open_gens(c, &alone);
    if (r == 0)
        r = open_index(c, &fresh);
    if (r == 0)
        r = cache_index_sums(c->index, &sums);
    if (r < 0)
        return r;
    c->tick_start = MAX(env_now(c->env) / NS_PER_MS, sums.last_used + 1);
    c->db_bytes = sums.bytes;
    r = begin_scan(c, alone, fresh);
    if (flock(c->gen_fd, LOCK_SH) < 0 && r == 0)
        r = -errno;
    return r;
}

int block_cache_open(const struct block_cache_config *config, struct block_cache **ret) {
    struct block_cache *c = xcalloc(1, sizeof *c);
    c->env = config->env;
    c->counters = config->counters;
    c->limit = config->limit;
    c->min_free = config->min_free;
    c->dir = xstrdup(config->dir);
    c->db_path = xasprintf("%s/blocks.db", c->dir);
    c->gen_fd = c->files.dir = -1;
    c->scan_next = 256;
    c->mono_start = env_mono(c->env);
    pthread_mutex_init(&c->db_lock, NULL);
    pthread_mutex_init(&c->lock, NULL);
    int r = set_up(c);
    if (r < 0) {
        c->unclean = true;
        block_cache_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

struct block_cache *block_cache_close(struct block_cache *c) {
    if (!c)
        return NULL;
    pthread_mutex_lock(&c->db_lock);
    if (c->index && cache_flush(c) == 0 && !c->unclean && c->scan_next == 256 &&
        flock(c->gen_fd, LOCK_EX | LOCK_NB) == 0 && cache_index_set_clean(c->index, true) < 0)
        log_debug("block cache: %s is not marked clean, the next open scans it", c->db_path);
    c->index = cache_index_close(c->index);
    pthread_mutex_unlock(&c->db_lock);
    struct cache_note *n, *tmp;
    HASH_ITER (hh, c->notes, n, tmp) {
        HASH_DEL(c->notes, n);
        free(n);
    }
    cache_files_close(&c->files);
    verified_clear(&c->verified);
    if (c->gens)
        munmap((void *)c->gens, GEN_BYTES);
    if (c->gen_fd >= 0)
        close(c->gen_fd);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->db_lock);
    free(c->db_path);
    free(c->dir);
    free(c);
    return NULL;
}

/* ---- rows and notes */

struct cache_note *cache_note(struct block_cache *c, const struct content *content, uint64_t span) {
    struct cache_note_key key = {.span = span};
    struct cache_note *n;
    memcpy(key.id, content->id, DIGEST_SIZE);
    HASH_FIND(hh, c->notes, &key, sizeof key, n);
    if (n)
        return n;
    n = xcalloc(1, sizeof *n);
    n->key = key;
    n->size = content->size;
    HASH_ADD(hh, c->notes, key, sizeof n->key, n);
    if (c->n_notes++ == 0)
        c->first_note = env_mono(c->env);
    return n;
}

int cache_lookup(struct block_cache *c, const uint8_t id[DIGEST_SIZE], uint64_t span,
                 struct cache_span *ret) {
    struct cache_note_key key = {.span = span};
    struct cache_note *n;
    int r = c->index ? cache_index_get(c->index, id, span, ret) : -ENOENT;
    if (r < 0 && r != -ENOENT)
        return cache_index_failed(c, r);
    memcpy(key.id, id, DIGEST_SIZE);
    SCOPE_LOCK(&c->lock);
    HASH_FIND(hh, c->notes, &key, sizeof key, n);
    if (!n || !n->here)
        return r;
    if (r == -ENOENT) {
        *ret = (struct cache_span){.span = span, .size = n->size, .used = n->used};
        memcpy(ret->id, id, DIGEST_SIZE);
    }
    ret->here |= n->here;
    ret->protected |= n->protected & ret->here;
    return 0;
}

static int write_note(struct block_cache *c, const struct cache_note *n) {
    struct cache_span old, new;
    int r = cache_index_get(c->index, n->key.id, n->key.span, &old);
    if (r < 0 && r != -ENOENT)
        return r;
    bool had = r == 0;
    if (had && old.size == n->size) {
        new = old;
    } else { /* an impossible size: one of the two records lies, and rows are cheap */
        new = (struct cache_span){.span = n->key.span, .size = n->size};
        memcpy(new.id, n->key.id, DIGEST_SIZE);
    }
    new.here |= n->here;
    new.protected |= n->protected &new.here;
    if (n->used)
        new.used = n->used;
    if (n->used_protected)
        new.used_protected = n->used_protected;
    return new.here || had ? cache_index_put(c->index, had ? &old : NULL, &new) : 0;
}

/* Keeps protected blocks below 4/5 of the limit: those used longest ago go back on probation. */
static int demote(struct block_cache *c) {
    uint64_t most = c->limit / 5 * 4;
    for (;;) {
        struct cache_sums sums;
        struct cache_span old, new;
        int r = cache_index_sums(c->index, &sums);
        if (r < 0 || sums.protected_bytes <= most)
            return r;
        r = cache_index_oldest(c->index, true, &old);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        uint64_t over = sums.protected_bytes - most;
        new = old;
        while (new.protected &&cache_span_bytes(&old, old.protected & ~new.protected) < over)
            new.protected &= new.protected - 1;
        new.used = cache_tick(c);
        r = cache_index_put(c->index, &old, &new);
        if (r < 0)
            return r;
    }
}

static int write_notes(struct block_cache *c, struct cache_note *notes) {
    int r = c->index ? cache_index_begin(c->index) : -EBADMSG;
    if (r < 0)
        return r;
    for (struct cache_note *n = notes; n && r == 0; n = n->hh.next)
        r = write_note(c, n);
    if (r == 0)
        r = demote(c);
    if (r == 0)
        return cache_index_commit(c->index);
    cache_index_rollback(c->index);
    return r;
}

void cache_take_sums(struct block_cache *c) {
    struct cache_sums sums;
    if (!c->index || cache_index_sums(c->index, &sums) < 0)
        return;
    SCOPE_LOCK(&c->lock);
    c->db_bytes = sums.bytes;
}

int cache_flush(struct block_cache *c) {
    struct cache_note *notes, *n, *tmp;
    uint64_t bytes;
    {
        SCOPE_LOCK(&c->lock);
        notes = c->notes;
        bytes = c->noted_bytes;
        c->notes = NULL;
        c->n_notes = 0;
        c->noted_bytes = 0;
    }
    if (!notes)
        return 0;
    int r = write_notes(c, notes);
    if (r <
        0) /* their bytes stay reserved: they are on the disk, and no row will ever free them in this mount */
        cache_index_failed(c, r);
    HASH_ITER (hh, notes, n, tmp) {
        HASH_DEL(notes, n);
        free(n);
    }
    if (r < 0)
        return r;
    cache_take_sums(c);
    SCOPE_LOCK(&c->lock);
    c->reserved -= bytes;
    return 0;
}

void cache_flush_if_due(struct block_cache *c) {
    bool due;
    {
        SCOPE_LOCK(&c->lock);
        due = c->n_notes >= NOTES_MAX || c->noted_bytes >= NOTES_MAX_BYTES ||
              (c->n_notes > 0 && env_mono(c->env) - c->first_note >= NOTES_MAX_AGE);
    }
    if (!due)
        return;
    SCOPE_LOCK(&c->db_lock);
    (void)cache_flush(c);
    if (c->scan_next < 256 && c->index)
        cache_scan_step(c);
}

/* ---- reading */

bool cache_shard_sync(struct block_cache *c, unsigned shard) {
    uint64_t gen = atomic_load(&c->gens[shard]);
    if (gen != c->seen[shard]) {
        verified_clear_shard(&c->verified, shard);
        cache_files_forget_shard(&c->files, shard);
        c->seen[shard] = gen;
    }
    return !gen_busy(gen);
}

/* Notes a use of a verified block, seldom enough to cost nothing. lock held. */
static void use(struct block_cache *c, const struct content *content, uint64_t block, struct verified *v) {
    uint32_t now = cache_seconds(c);
    if (now - v->used < PROTECT_AFTER_S)
        return;
    struct cache_note *n = cache_note(c, content, block / SPAN_BLOCKS);
    n->protected |= 1ull << (block % SPAN_BLOCKS);
    n->used_protected = cache_tick(c);
    v->used = now & 0x7fffffff;
    v->is_protected = 1;
}

/* The content's file, pinned, opened if need be; NULL and *ret_err. */
static struct cache_file *pin_file(struct block_cache *c, const struct content *content, bool create,
                                   int *ret_err) {
    {
        SCOPE_LOCK(&c->lock);
        struct cache_file *f = cache_files_find(&c->files, content->id);
        if (f)
            return f;
    }
    int fd = cache_files_open(&c->files, content->id, create);
    if (fd < 0) {
        *ret_err = fd;
        return NULL;
    }
    SCOPE_LOCK(&c->lock);
    return cache_files_add(&c->files, content->id, fd);
}

static void unpin_file(struct block_cache *c, struct cache_file *f) {
    SCOPE_LOCK(&c->lock);
    cache_files_unpin(&c->files, f);
}

enum hit { HIT, NO_HIT, TRY_AGAIN };

/* One try at a block that was verified before: a look at memory, a pread, another look whether bytes were
 * removed meanwhile. */
static enum hit read_verified(struct block_cache *c, const struct content *content, uint64_t block,
                              const uint8_t digest[DIGEST_SIZE], uint64_t off, size_t len, void *p) {
    unsigned shard = verified_shard_of(content->id);
    struct cache_file *f;
    uint64_t gen;
    bool many_notes;
    int r;
    {
        SCOPE_LOCK(&c->lock);
        struct verified *v =
            cache_shard_sync(c, shard) ? verified_find(&c->verified, content->id, block, digest) : NULL;
        if (!v)
            return NO_HIT;
        gen = c->seen[shard];
        use(c, content, block, v);
        many_notes = c->n_notes >= NOTES_MAX_HITS;
        f = cache_files_find(&c->files, content->id);
    }
    if (many_notes)
        cache_flush_if_due(c);
    if (!f && !(f = pin_file(c, content, false, &r)))
        return NO_HIT;
    r = file_pread_all(f->fd, p, len, block * BLOCK_SIZE + off);
    SCOPE_LOCK(&c->lock);
    cache_files_unpin(&c->files, f);
    if (r < 0)
        verified_remove(&c->verified, content->id, block);
    return r < 0 ? NO_HIT : atomic_load(&c->gens[shard]) == gen ? HIT : TRY_AGAIN;
}

/* Enters a block whose bytes were right at generation `gen`. lock held. */
static void enter(struct block_cache *c, const struct content *content, uint64_t block, const uint8_t *digest,
                  uint64_t gen, bool is_protected) {
    unsigned shard = verified_shard_of(content->id);
    if (cache_shard_sync(c, shard) && c->seen[shard] == gen)
        verified_add(&c->verified, content->id, block, digest, cache_seconds(c), is_protected);
}

/* A block's bytes were checked on their first use in this mount. */
static void first_use(struct block_cache *c, const struct content *content, uint64_t block,
                      const uint8_t *digest, uint64_t gen, const struct cache_span *row) {
    uint64_t bit = 1ull << (block % SPAN_BLOCKS);
    int64_t now = cache_tick(c);
    bool protect = (row->protected & bit) || now - row->used >= PROTECT_AFTER_S * 1000;
    {
        SCOPE_LOCK(&c->lock);
        enter(c, content, block, digest, gen, protect);
        if (protect) {
            struct cache_note *n = cache_note(c, content, block / SPAN_BLOCKS);
            n->protected |= bit;
            n->used_protected = now;
        }
    }
    cache_flush_if_due(c);
}

/* Reads the whole block and compares. 0, or -ENOENT (no file), -EBADMSG (other bytes), other errors of
 * reading. */
static int read_and_check(struct block_cache *c, const struct content *content, uint64_t block,
                          const uint8_t digest[DIGEST_SIZE], void *whole) {
    uint8_t sum[DIGEST_SIZE];
    size_t len = block_len(content, block);
    int r = 0;
    struct cache_file *f = pin_file(c, content, false, &r);
    if (!f)
        return r;
    r = file_pread_all(f->fd, whole, len, block * BLOCK_SIZE);
    unpin_file(c, f);
    if (r < 0)
        return r;
    digest_of(whole, len, sum);
    return memcmp(sum, digest, DIGEST_SIZE) == 0 ? 0 : -EBADMSG;
}

static int read_unverified(struct block_cache *c, const struct content *content, uint64_t block,
                           const uint8_t digest[DIGEST_SIZE], uint64_t off, size_t len, void *p) {
    CLEANUP_FREE void *own = NULL;
    void *whole = p;
    for (int attempt = 0; attempt < 3; attempt++) {
        struct cache_span row;
        uint64_t gen = gen_of(c, content->id); /* before the row: see cache_state.h */
        pthread_mutex_lock(&c->db_lock);
        int r = cache_lookup(c, content->id, block / SPAN_BLOCKS, &row);
        pthread_mutex_unlock(&c->db_lock);
        if (r < 0 || !(row.here >> (block % SPAN_BLOCKS) & 1))
            return -ENOENT;
        if (row.size != content->size) {
            block_cache_drop(c, content);
            return -ENOENT;
        }
        if (!own && len != block_len(content, block))
            whole = own = xmalloc(block_len(content, block));
        r = read_and_check(c, content, block, digest, whole);
        if (r == 0) {
            first_use(c, content, block, digest, gen, &row);
            if (own)
                memcpy(p, (char *)own + off, len);
            return 0;
        }
        if (gen_of(c, content->id) == gen) {
            cache_drop_block(c, content, block);
            return -ENOENT;
        }
    }
    return -ENOENT;
}

int block_cache_read(struct block_cache *c, const struct content *content, uint64_t block,
                     const uint8_t digest[DIGEST_SIZE], uint64_t off, size_t len, void *p) {
    if (off > block_len(content, block) || len > block_len(content, block) - off)
        return -EINVAL;
    enum hit hit = TRY_AGAIN;
    for (int attempt = 0; attempt < 3 && hit == TRY_AGAIN; attempt++)
        hit = read_verified(c, content, block, digest, off, len, p);
    int r = hit == HIT ? 0 : read_unverified(c, content, block, digest, off, len, p);
    if (r == 0)
        counter_add(c->counters, COUNTER_CACHE_HITS, 1);
    return r;
}

bool block_cache_verified(struct block_cache *c, const struct content *content, uint64_t block,
                          const uint8_t *digest) {
    SCOPE_LOCK(&c->lock);
    return cache_shard_sync(c, verified_shard_of(content->id)) &&
           verified_find(&c->verified, content->id, block, digest);
}

bool block_cache_has(struct block_cache *c, const struct content *content, uint64_t block) {
    struct cache_span row;
    if (block_cache_verified(c, content, block, NULL))
        return true;
    SCOPE_LOCK(&c->db_lock);
    return cache_lookup(c, content->id, block / SPAN_BLOCKS, &row) == 0 && row.size == content->size &&
           (row.here >> (block % SPAN_BLOCKS) & 1);
}

/* ---- adding */

/* Notes blocks whose bytes are in the file, `bytes` reserved for them. lock held. */
static void note_here(struct block_cache *c, const struct content *content, uint64_t span, uint64_t mask,
                      uint64_t bytes) {
    struct cache_note *n = cache_note(c, content, span);
    n->here |= mask;
    n->used = cache_tick(c);
    n->reserved += bytes;
    c->noted_bytes += bytes;
}

int block_cache_put(struct block_cache *c, const struct content *content, uint64_t block,
                    const uint8_t digest[DIGEST_SIZE], const void *p, size_t len) {
    if (len == 0 || len != block_len(content, block))
        return -EINVAL;
    if (block_cache_verified(c, content, block, digest))
        return 0;
    uint64_t bytes = cache_block_bytes(content->size, block);
    if (!cache_reserve(c, bytes, true))
        return 0;
    uint64_t gen = gen_of(c, content->id);
    int r;
    struct cache_file *f = pin_file(c, content, true, &r);
    if (f) {
        r = file_pwrite_all(f->fd, p, len, block * BLOCK_SIZE);
        unpin_file(c, f);
        if (r < 0) /* part of it may be on the disk */
            cache_drop_block(c, content, block);
    }
    if (r < 0) {
        cache_unreserve(c, bytes);
        return r == -ENOSPC || r == -EDQUOT ? 0 : r;
    }
    {
        SCOPE_LOCK(&c->lock);
        c->writing -= bytes;
        enter(c, content, block, digest, gen, false);
        note_here(c, content, block / SPAN_BLOCKS, 1ull << (block % SPAN_BLOCKS), bytes);
    }
    cache_flush_if_due(c);
    return 0;
}

static uint64_t content_bytes(const struct content *content) {
    uint64_t last = BLOCK_COUNT(content->size) - 1;
    return last * BLOCK_SIZE + cache_block_bytes(content->size, last);
}

/* All bits that the span of this content has. */
static uint64_t full_mask(const struct content *content, uint64_t span) {
    uint64_t blocks = BLOCK_COUNT(content->size) - span * SPAN_BLOCKS;
    return blocks >= SPAN_BLOCKS ? ~0ull : (1ull << blocks) - 1;
}

static uint64_t span_count(const struct content *content) {
    return (BLOCK_COUNT(content->size) + SPAN_BLOCKS - 1) / SPAN_BLOCKS;
}

static bool is_complete(struct block_cache *c, const struct content *content) {
    struct cache_span row;
    SCOPE_LOCK(&c->db_lock);
    for (uint64_t s = 0; s < span_count(content); s++)
        if (cache_lookup(c, content->id, s, &row) < 0 || row.size != content->size ||
            row.here != full_mask(content, s))
            return false;
    return true;
}

/* Puts the file in place of an incomplete one (or of a file nobody has a row for). */
static int replace_file(struct block_cache *c, const struct content *content, const char *path) {
    struct cache_victim v = {.whole = true};
    memcpy(v.id, content->id, DIGEST_SIZE);
    cache_removal_begin(c, &v);
    int r = cache_files_take(&c->files, content->id, path, true);
    cache_removal_end(c, &v);
    return r;
}

static int take_file(struct block_cache *c, const struct content *content, const char *path) {
    int r = cache_files_take(&c->files, content->id, path, false);
    if (r != -EEXIST)
        return r;
    return is_complete(c, content) ? -EEXIST : replace_file(c, content, path);
}

/* Enters all blocks of a file that has just been taken, and notes its rows. */
static void note_file(struct block_cache *c, const struct content *content, bool verified, uint64_t gen) {
    SCOPE_LOCK(&c->lock);
    cache_files_forget(&c->files, content->id);
    for (uint64_t b = 0; b < BLOCK_COUNT(content->size); b++) {
        const uint8_t *digest = verified ? block_digest(content, b) : NULL;
        verified_remove(&c->verified, content->id, b);
        if (digest)
            enter(c, content, b, digest, gen, false);
    }
    for (uint64_t s = 0; s < span_count(content); s++) {
        struct cache_span all = {.span = s, .size = content->size};
        uint64_t mask = full_mask(content, s);
        note_here(c, content, s, mask, cache_span_bytes(&all, mask));
    }
}

void block_cache_adopt(struct block_cache *c, const struct content *content, const char *path,
                       bool verified) {
    struct stat st;
    bool fits = lstat(path, &st) == 0 && S_ISREG(st.st_mode) && content->size > 0 &&
                (uint64_t)st.st_size == content->size;
    uint64_t bytes = fits ? content_bytes(content) : 0;
    if (!fits || !cache_reserve(c, bytes, false)) {
        (void)unlink(path);
        return;
    }
    int r = take_file(c, content, path);
    if (r < 0) {
        (void)unlink(path);
        cache_unreserve(c, bytes);
        return;
    }
    note_file(c, content, verified, gen_of(c, content->id));
    {
        SCOPE_LOCK(&c->lock);
        c->writing -= bytes;
    }
    cache_flush_if_due(c);
}

uint64_t block_cache_bytes(struct block_cache *c) {
    SCOPE_LOCK(&c->lock);
    return c->db_bytes + c->reserved;
}
