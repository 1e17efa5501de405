/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/block_cache.h"
#include "base/file.h"
#include "fake_env.h"
#include "sample.h"
#include "tmpdir.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

#define MIB BLOCK_SIZE

/* These stand before the libraries': a file system that cannot punch holes; and counting SQLite's steps. */
static bool no_holes;
static _Atomic unsigned n_steps;

int fallocate(int fd, int mode, off_t off, off_t len) {
    if (no_holes) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, off, len);
}

int sqlite3_step(sqlite3_stmt *s) {
    static int (*real)(sqlite3_stmt *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_step");
    n_steps++;
    return real(s);
}

struct box {
    char *dir;
    struct fake_env *fake;
    struct counters counters;
    struct block_cache *cache;
    uint64_t limit, min_free;
};

static void box_open(struct box *b) {
    struct block_cache_config config = {.env = fake_env(b->fake),
                                        .counters = &b->counters,
                                        .dir = b->dir,
                                        .limit = b->limit,
                                        .min_free = b->min_free};
    assert_int_equal(block_cache_open(&config, &b->cache), 0);
}

static void box_reopen(struct box *b) {
    b->cache = block_cache_close(b->cache);
    box_open(b);
}

static int setup(void **state) {
    struct box *b = xcalloc(1, sizeof *b);
    b->dir = tmpdir_new();
    b->fake = fake_env_new();
    b->limit = 64 * MIB;
    box_open(b);
    *state = b;
    no_holes = false;
    return 0;
}

static int teardown(void **state) {
    struct box *b = *state;
    block_cache_close(b->cache);
    fake_env_free(b->fake);
    tmpdir_free(b->dir);
    free(b);
    return 0;
}

static void set_limit(struct box *b, uint64_t limit) {
    b->limit = limit;
    box_reopen(b);
}

static uint64_t count(struct box *b, enum counter k) {
    return counter_get(&b->counters, k);
}

static int put(struct box *b, const struct sample *s, uint64_t block) {
    size_t len;
    const uint8_t *p = sample_block(s, block, &len);
    return block_cache_put(b->cache, s->content, block, sample_digest(s, block), p, len);
}

static void put_all(struct box *b, const struct sample *s) {
    for (uint64_t i = 0; i < BLOCK_COUNT(s->size); i++)
        assert_int_equal(put(b, s, i), 0);
}

/* Reads a whole block: 0 only with the right bytes. */
static int get(struct box *b, const struct sample *s, uint64_t block) {
    static uint8_t buf[BLOCK_SIZE];
    size_t len;
    const uint8_t *p = sample_block(s, block, &len);
    int r = block_cache_read(b->cache, s->content, block, sample_digest(s, block), 0, len, buf);
    if (r == 0)
        assert_memory_equal(buf, p, len);
    return r;
}

static char *file_of(struct box *b, const struct sample *s) {
    char hex[DIGEST_HEX_SIZE];
    digest_hex(s->content->id, hex);
    return xasprintf("%s/blocks/%.2s/%s", b->dir, hex, hex);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static void spoil(struct box *b, const struct sample *s, uint64_t off) {
    CLEANUP_FREE char *path = file_of(b, s);
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = (uint8_t)~s->data[off];
    assert_true(fd >= 0);
    assert_int_equal(file_pwrite_all(fd, &byte, 1, off), 0);
}

/* What the files below blocks/ really take. */
static uint64_t disk_bytes(struct box *b) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < 256; i++) {
        CLEANUP_FREE char *path = xasprintf("%s/blocks/%02x", b->dir, i);
        DIR *d = opendir(path);
        struct stat st;
        for (struct dirent *e; d && (e = readdir(d));)
            if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0)
                sum += (uint64_t)st.st_blocks * 512;
        if (d)
            closedir(d);
    }
    return sum;
}

/* ---- reading and writing */

static void what_was_not_put_is_not_there(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 1000);
    assert_int_equal(get(b, s, 0), -ENOENT);
    assert_false(block_cache_has(b->cache, s->content, 0));
    assert_int_equal(count(b, COUNTER_CACHE_HITS), 0);
    sample_free(s);
}

static void what_was_put_is_read(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB + 100);
    uint8_t part[50];
    put_all(b, s);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(get(b, s, i), 0);
    assert_int_equal(block_cache_read(b->cache, s->content, 1, sample_digest(s, 1), 777, sizeof part, part),
                     0);
    assert_memory_equal(part, s->data + MIB + 777, sizeof part);
    assert_int_equal(count(b, COUNTER_CACHE_HITS), 4);
    assert_int_equal(block_cache_bytes(b->cache), 2 * MIB + 4096);
    sample_free(s);
}

static void a_range_outside_the_block_is_refused(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 1000);
    uint8_t buf[10];
    put_all(b, s);
    assert_int_equal(block_cache_read(b->cache, s->content, 0, s->content->id, 991, 10, buf), -EINVAL);
    assert_int_equal(block_cache_read(b->cache, s->content, 1, s->content->id, 0, 1, buf), -EINVAL);
    assert_int_equal(block_cache_put(b->cache, s->content, 0, s->content->id, s->data, 999), -EINVAL);
    sample_free(s);
}

static void a_warm_read_does_not_touch_the_database(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    put_all(b, s);
    n_steps = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(get(b, s, i % 2), 0);
        fake_env_skip(b->fake, NS_PER_S);
    }
    assert_int_equal(n_steps, 0);
    sample_free(s);
}

static void putting_twice_counts_once(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 100);
    put_all(b, s);
    put_all(b, s);
    box_reopen(b);
    put_all(b, s); /* unverified now: written again */
    box_reopen(b);
    assert_int_equal(block_cache_bytes(b->cache), 4096);
    sample_free(s);
}

static void many_descriptors_are_not_kept(void **state) {
    struct box *b = *state;
    struct sample *s[300];
    for (unsigned i = 0; i < 300; i++) {
        s[i] = sample_new(i, 10);
        put_all(b, s[i]);
    }
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    closedir(d);
    assert_true(n < 200);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(get(b, s[i], 0), 0);
        sample_free(s[i]);
    }
}

/* ---- verification */

static void survives_a_restart_and_is_checked_once(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    put_all(b, s);
    box_reopen(b);
    assert_true(block_cache_has(b->cache, s->content, 1));
    assert_false(block_cache_verified(b->cache, s->content, 1, NULL));
    assert_int_equal(get(b, s, 1), 0);
    assert_true(block_cache_verified(b->cache, s->content, 1, sample_digest(s, 1)));
    assert_false(block_cache_verified(b->cache, s->content, 0, NULL));
    assert_int_equal(block_cache_bytes(b->cache), 2 * MIB);
    sample_free(s);
}

static void wrong_bytes_are_dropped(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    put_all(b, s);
    box_reopen(b);
    spoil(b, s, MIB + 5);
    uint8_t byte; /* far from the wrong one: the whole block is checked all the same */
    assert_int_equal(block_cache_read(b->cache, s->content, 1, sample_digest(s, 1), 900000, 1, &byte),
                     -ENOENT);
    assert_int_equal(count(b, COUNTER_CACHE_DROPPED), 1);
    assert_false(block_cache_has(b->cache, s->content, 1));
    assert_int_equal(block_cache_bytes(b->cache), MIB);
    assert_int_equal(get(b, s, 0), 0);
    assert_int_equal(put(b, s, 1), 0);
    assert_int_equal(get(b, s, 1), 0);
    sample_free(s);
}

static void a_row_without_its_file_is_dropped(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 100);
    CLEANUP_FREE char *path = file_of(b, s);
    put_all(b, s);
    b->cache = block_cache_close(b->cache);
    assert_int_equal(unlink(path), 0);
    box_open(b);
    assert_int_equal(get(b, s, 0), -ENOENT);
    assert_int_equal(count(b, COUNTER_CACHE_DROPPED), 1);
    assert_int_equal(block_cache_bytes(b->cache), 0);
    sample_free(s);
}

static void a_truncated_file_is_dropped(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, MIB + 100);
    CLEANUP_FREE char *path = file_of(b, s);
    put_all(b, s);
    box_reopen(b);
    assert_int_equal(truncate(path, MIB + 50), 0);
    assert_int_equal(get(b, s, 1), -ENOENT);
    assert_int_equal(get(b, s, 0), 0);
    sample_free(s);
}

/* A record that pairs a content id with other digests gets nothing that was verified for the honest one. */
static void another_digest_is_another_matter(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB), *other = sample_new(2, 2 * MIB);
    uint8_t byte;
    put_all(b, s);
    assert_int_equal(block_cache_read(b->cache, s->content, 1, sample_digest(other, 1), 0, 1, &byte),
                     -ENOENT);
    assert_int_equal(count(b, COUNTER_CACHE_DROPPED), 1);
    assert_int_equal(get(b, s, 0), 0);
    sample_free(s);
    sample_free(other);
}

static void another_size_is_another_matter(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, MIB + 100);
    struct content *liar = content_new(s->content->id, MIB + 50, "k", s->digests, NULL);
    uint8_t byte;
    put_all(b, s);
    box_reopen(b);
    assert_false(block_cache_has(b->cache, liar, 0));
    assert_int_equal(block_cache_read(b->cache, liar, 1, sample_digest(s, 1), 0, 1, &byte), -ENOENT);
    content_unref(liar);
    sample_free(s);
}

static void a_damaged_database_is_set_aside(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, MIB);
    CLEANUP_FREE char *db = tmpdir_path(b->dir, "blocks.db"), *bad = tmpdir_path(b->dir, "blocks.db.bad");
    put_all(b, s);
    b->cache = block_cache_close(b->cache);
    assert_int_equal(truncate(db, 0), 0);
    assert_int_equal(
        file_write_atomic(db, "this is no database, and it is long enough to be seen as one", 60, 0600), 0);
    box_open(b);
    assert_true(exists(bad));
    assert_int_equal(get(b, s, 0), -ENOENT);
    assert_int_equal(disk_bytes(b), 0);
    put_all(b, s);
    box_reopen(b);
    assert_int_equal(get(b, s, 0), 0);
    sample_free(s);
}

/* ---- room */

static void the_limit_holds_at_every_write(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 30 * MIB);
    set_limit(b, 8 * MIB);
    for (uint64_t i = 0; i < 30; i++) {
        assert_int_equal(put(b, s, i), 0);
        assert_true(block_cache_bytes(b->cache) <= b->limit);
        assert_true(disk_bytes(b) <= b->limit + 65536);
        assert_int_equal(get(b, s, i), 0);
    }
    assert_int_equal(get(b, s, 0), -ENOENT);
    assert_true(count(b, COUNTER_CACHE_EVICTED) >= 22);
    assert_true(block_cache_bytes(b->cache) >= 6 * MIB);
    sample_free(s);
}

static void small_files_are_evicted_whole(void **state) {
    struct box *b = *state;
    struct sample *s[100];
    set_limit(b, 40 * 4096);
    for (unsigned i = 0; i < 100; i++) {
        s[i] = sample_new(i, 3000);
        put_all(b, s[i]);
        fake_env_skip(b->fake, 10 * NS_PER_MS);
        assert_true(disk_bytes(b) <= b->limit);
    }
    CLEANUP_FREE char *first = file_of(b, s[0]), *last = file_of(b, s[99]);
    assert_false(exists(first));
    assert_true(exists(last));
    assert_int_equal(get(b, s[80], 0), 0);
    for (unsigned i = 0; i < 100; i++)
        sample_free(s[i]);
}

static void what_is_larger_than_the_limit_is_not_cached(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, MIB);
    set_limit(b, MIB - 1);
    assert_int_equal(put(b, s, 0), 0);
    assert_int_equal(get(b, s, 0), -ENOENT);
    assert_int_equal(block_cache_bytes(b->cache), 0);
    sample_free(s);
}

static void min_free_is_left_free(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, MIB);
    put_all(b, s);
    b->min_free = (uint64_t)1 << 60;
    box_reopen(b);
    struct sample *t = sample_new(2, MIB);
    assert_int_equal(put(b, t, 0), 0);
    assert_int_equal(get(b, t, 0), -ENOENT);
    assert_int_equal(disk_bytes(b), 0); /* all that could be given was given */
    sample_free(s);
    sample_free(t);
}

static void shrinking_frees(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 10 * MIB);
    put_all(b, s);
    assert_int_equal(block_cache_shrink(b->cache, 3 * MIB), 3 * MIB);
    assert_int_equal(block_cache_bytes(b->cache), 7 * MIB);
    assert_true(disk_bytes(b) <= 7 * MIB + 65536);
    assert_int_equal(get(b, s, 0), -ENOENT);
    assert_int_equal(get(b, s, 9), 0);
    assert_int_equal(block_cache_shrink(b->cache, 100 * MIB), 7 * MIB);
    assert_int_equal(disk_bytes(b), 0);
    assert_int_equal(block_cache_shrink(b->cache, 1), 0);
    sample_free(s);
}

static void without_holes_contents_go_whole(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 70 * MIB), *t = sample_new(2, MIB);
    set_limit(b, 100 * MIB);
    put_all(b, s);
    fake_env_skip(b->fake, NS_PER_S);
    put_all(b, t);
    no_holes = true;
    assert_true(block_cache_shrink(b->cache, MIB) >= MIB);
    assert_int_equal(block_cache_bytes(b->cache), MIB);
    assert_int_equal(disk_bytes(b), MIB);
    assert_int_equal(get(b, s, 69), -ENOENT);
    assert_int_equal(get(b, t, 0), 0);
    put_all(b, s); /* and again, now that it is known */
    assert_int_equal(block_cache_shrink(b->cache, 2 * MIB), 71 * MIB);
    assert_int_equal(disk_bytes(b), 0);
    sample_free(s);
    sample_free(t);
}

static void dropping_forgets_one_content(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 3 * MIB), *t = sample_new(2, MIB);
    CLEANUP_FREE char *path = file_of(b, s);
    put_all(b, s);
    put_all(b, t);
    block_cache_drop(b->cache, s->content);
    assert_int_equal(get(b, s, 1), -ENOENT);
    assert_false(exists(path));
    assert_int_equal(count(b, COUNTER_CACHE_DROPPED), 3);
    assert_int_equal(get(b, t, 0), 0);
    assert_int_equal(block_cache_bytes(b->cache), MIB);
    sample_free(s);
    sample_free(t);
}

/* ---- which goes first */

static void use_again_after(struct box *b, const struct sample *s, int64_t ns) {
    fake_env_skip(b->fake, ns);
    for (uint64_t i = 0; i < BLOCK_COUNT(s->size); i++)
        assert_int_equal(get(b, s, i), 0);
}

/* One pass over three times the cache. */
static void scan(struct box *b) {
    struct sample *s = sample_new(99, 3 * b->limit);
    for (uint64_t i = 0; i < BLOCK_COUNT(s->size); i++) {
        assert_int_equal(put(b, s, i), 0);
        assert_int_equal(get(b, s, i), 0);
        fake_env_skip(b->fake, 200 * NS_PER_MS);
    }
    sample_free(s);
}

static unsigned still_there(struct box *b, const struct sample *s) {
    unsigned n = 0;
    for (uint64_t i = 0; i < BLOCK_COUNT(s->size); i++)
        n += get(b, s, i) == 0;
    return n;
}

static void a_scan_does_not_evict_what_is_used_again(void **state) {
    struct box *b = *state;
    struct sample *hot = sample_new(1, 4 * MIB), *cold = sample_new(2, 2 * MIB);
    set_limit(b, 8 * MIB);
    put_all(b, hot);
    put_all(b, cold);
    use_again_after(b, hot, 11 * NS_PER_S);
    scan(b);
    assert_int_equal(still_there(b, hot), 4);
    assert_int_equal(still_there(b, cold), 0);
    sample_free(hot);
    sample_free(cold);
}

static void a_second_use_at_once_protects_nothing(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    set_limit(b, 8 * MIB);
    put_all(b, s);
    use_again_after(b, s, NS_PER_S);
    use_again_after(b, s, NS_PER_S);
    scan(b);
    assert_int_equal(still_there(b, s), 0);
    sample_free(s);
}

static void protection_survives_a_restart(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    set_limit(b, 8 * MIB);
    put_all(b, s);
    use_again_after(b, s, 11 * NS_PER_S);
    box_reopen(b);
    scan(b);
    assert_int_equal(still_there(b, s), 2);
    sample_free(s);
}

static void first_use_after_a_restart_can_be_the_second(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    set_limit(b, 8 * MIB);
    put_all(b, s);
    b->cache = block_cache_close(b->cache);
    fake_env_skip(b->fake, 3600 * NS_PER_S);
    box_open(b);
    use_again_after(b, s, 0);
    scan(b);
    assert_int_equal(still_there(b, s), 2);
    sample_free(s);
}

static void protected_blocks_leave_a_fifth(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 10 * MIB);
    set_limit(b, 10 * MIB);
    put_all(b, s);
    use_again_after(b, s, 11 * NS_PER_S);
    scan(b);
    assert_int_equal(still_there(b, s), 8);
    sample_free(s);
}

static void a_clock_that_jumped_back_does_no_harm(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    put_all(b, s);
    fake_env_set_now(b->fake, NS_PER_S);
    box_reopen(b);
    use_again_after(b, s, 0);
    use_again_after(b, s, 11 * NS_PER_S);
    set_limit(b, 8 * MIB);
    scan(b);
    assert_int_equal(still_there(b, s), 2);
    sample_free(s);
}

/* ---- adopting */

static char *spool_file(struct box *b, const struct sample *s) {
    char *path = tmpdir_path(b->dir, "spooled");
    sample_write(s, path);
    return path;
}

static void adopt(struct box *b, const struct sample *s, bool verified) {
    CLEANUP_FREE char *path = spool_file(b, s);
    block_cache_adopt(b->cache, s->content, path, verified);
    assert_false(exists(path));
}

static void an_adopted_file_is_the_cache_file(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB + 10);
    CLEANUP_FREE char *path = spool_file(b, s), *to = file_of(b, s);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    block_cache_adopt(b->cache, s->content, path, true);
    assert_int_equal(stat(to, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_false(exists(path));
    assert_true(block_cache_verified(b->cache, s->content, 2, sample_digest(s, 2)));
    assert_int_equal(block_cache_bytes(b->cache), 2 * MIB + 4096);
    box_reopen(b);
    assert_int_equal(still_there(b, s), 3);
    sample_free(s);
}

static void an_adopted_large_file_has_all_its_blocks(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 130 * MIB + 10); /* three spans, no digests at hand */
    set_limit(b, 200 * MIB);
    adopt(b, s, true);
    assert_false(block_cache_verified(b->cache, s->content, 7, NULL));
    assert_int_equal(still_there(b, s), 131);
    assert_int_equal(block_cache_bytes(b->cache), 130 * MIB + 4096);
    box_reopen(b);
    assert_int_equal(still_there(b, s), 131);
    sample_free(s);
}

static void an_adopted_file_is_checked_unless_it_was_hashed(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, MIB);
    CLEANUP_FREE char *path = spool_file(b, s);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(file_pwrite_all(fd, "x", 1, 99), 0);
    block_cache_adopt(b->cache, s->content, path, false);
    assert_int_equal(get(b, s, 0), -ENOENT);
    assert_int_equal(count(b, COUNTER_CACHE_DROPPED), 1);
    sample_free(s);
}

static void a_file_of_another_size_is_not_adopted(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, MIB), *shorter = sample_new(1, MIB - 1);
    CLEANUP_FREE char *path = spool_file(b, shorter);
    block_cache_adopt(b->cache, s->content, path, true);
    assert_false(exists(path));
    assert_false(block_cache_has(b->cache, s->content, 0));
    assert_int_equal(block_cache_bytes(b->cache), 0);
    sample_free(s);
    sample_free(shorter);
}

static void adopting_over_a_part_completes_it(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 3 * MIB);
    assert_int_equal(put(b, s, 1), 0);
    adopt(b, s, true);
    assert_int_equal(still_there(b, s), 3);
    box_reopen(b);
    assert_int_equal(still_there(b, s), 3);
    assert_int_equal(block_cache_bytes(b->cache), 3 * MIB);
    sample_free(s);
}

static void adopting_over_the_whole_keeps_it(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    CLEANUP_FREE char *to = file_of(b, s);
    struct stat before, after;
    put_all(b, s);
    assert_int_equal(stat(to, &before), 0);
    adopt(b, s, true);
    assert_int_equal(stat(to, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(still_there(b, s), 2);
    assert_int_equal(block_cache_bytes(b->cache), 2 * MIB);
    sample_free(s);
}

static void adopting_makes_room_first(void **state) {
    struct box *b = *state;
    struct sample *old = sample_new(1, 6 * MIB), *s = sample_new(2, 5 * MIB), *huge = sample_new(3, 9 * MIB);
    set_limit(b, 8 * MIB);
    put_all(b, old);
    adopt(b, s, true);
    assert_int_equal(still_there(b, s), 5);
    assert_true(block_cache_bytes(b->cache) <= b->limit);
    assert_true(disk_bytes(b) <= b->limit + 65536);
    adopt(b, huge, true); /* fits never */
    assert_int_equal(still_there(b, huge), 0);
    sample_free(old);
    sample_free(s);
    sample_free(huge);
}

static void adopting_many_small_files_is_few_transactions(void **state) {
    struct box *b = *state;
    struct sample *s[1000];
    for (unsigned i = 0; i < 1000; i++)
        s[i] = sample_new(i, 10);
    n_steps = 0;
    for (unsigned i = 0; i < 1000; i++)
        adopt(b, s[i], true);
    assert_true(n_steps < 1000 * 4);
    box_reopen(b);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(get(b, s[i], 0), 0);
        sample_free(s[i]);
    }
}

/* ---- crashes, and other processes */

/* Runs fn in a process of its own that ends without closing anything. */
static void in_a_crash(struct box *b, void (*fn)(struct box *)) {
    b->cache = block_cache_close(b->cache);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        box_open(b);
        fn(b);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void put_three_unwritten(struct box *b) {
    struct sample *s = sample_new(1, 3 * MIB), *t = sample_new(2, 100);
    put_all(b, s);
    put_all(b, t);
}

static void bytes_without_rows_are_removed(void **state) {
    struct box *b = *state;
    in_a_crash(b, put_three_unwritten);
    assert_true(disk_bytes(b) >= 3 * MIB);
    usleep(20000); /* not for readiness: file times go in steps of 4 ms */
    box_open(b);
    assert_int_equal(disk_bytes(b), 0);
    assert_int_equal(block_cache_bytes(b->cache), 0);
}

static void put_more_unwritten(struct box *b) {
    struct sample *s = sample_new(1, 100 * MIB);
    for (uint64_t i = 10; i < 13; i++)
        if (put(b, s, i) < 0)
            _exit(1);
    if (put(b, s, 99) < 0)
        _exit(1);
}

static void blocks_without_bits_are_punched(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 100 * MIB);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(put(b, s, i), 0);
    in_a_crash(b, put_more_unwritten);
    assert_true(disk_bytes(b) >= 7 * MIB);
    usleep(20000);
    box_open(b);
    assert_true(disk_bytes(b) <= 3 * MIB + 65536);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(get(b, s, i), 0);
    assert_int_equal(get(b, s, 10), -ENOENT);
    sample_free(s);
}

static void remove_a_file(struct box *b) {
    struct sample *s = sample_new(1, 2 * MIB);
    char *path = file_of(b, s);
    if (unlink(path) < 0)
        _exit(1);
}

static void rows_without_files_are_removed(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB), *t = sample_new(2, MIB);
    put_all(b, s);
    put_all(b, t);
    in_a_crash(b, remove_a_file);
    box_open(b);
    assert_int_equal(block_cache_bytes(b->cache), MIB);
    assert_int_equal(get(b, t, 0), 0);
    sample_free(s);
    sample_free(t);
}

static void what_was_written_long_ago_survives_a_crash(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    put_all(b, s);
    in_a_crash(b, put_three_unwritten); /* the same blocks, and more */
    usleep(20000);
    box_open(b);
    assert_int_equal(still_there(b, s), 2);
    assert_true(disk_bytes(b) <= 3 * MIB + 65536);
    sample_free(s);
}

/* Two mounts share one cache: what one evicts the other must not read as zeros. */
static void eviction_by_another_mount_is_seen(void **state) {
    struct box *b = *state;
    struct box other = *b;
    struct sample *s = sample_new(1, 4 * MIB);
    put_all(b, s);
    assert_int_equal(still_there(b, s), 4);
    box_open(&other);
    fake_env_skip(b->fake, NS_PER_S);
    struct sample *t = sample_new(2, 10);
    put_all(b, t); /* the rows get written */
    assert_int_equal(still_there(&other, s), 4);
    assert_int_equal(block_cache_shrink(other.cache, 2 * MIB), 2 * MIB);
    assert_int_equal(still_there(b, s), 2);
    assert_int_equal(block_cache_shrink(other.cache, 100 * MIB), 2 * MIB + 4096);
    assert_int_equal(still_there(b, s), 0);
    put_all(b, s);
    assert_int_equal(still_there(b, s), 4);
    block_cache_close(other.cache);
    sample_free(s);
    sample_free(t);
}

/* ---- threads */

enum { CROWD = 4, CROWD_SAMPLES = 6 };

struct crowd {
    struct box *b;
    struct sample *s[CROWD_SAMPLES];
    unsigned seed;
    _Atomic bool wrong;
};

struct crowd_member {
    struct crowd *crowd;
    unsigned seed;
};

static void crowd_act(struct crowd *c, uint32_t x, uint8_t *buf) {
    struct block_cache *cache = c->b->cache;
    const struct sample *s = c->s[(x >> 8) % CROWD_SAMPLES];
    uint64_t block = (x >> 16) % BLOCK_COUNT(s->size);
    size_t len;
    const uint8_t *p = sample_block(s, block, &len);
    if (x % 64 == 0)
        block_cache_shrink(cache, MIB);
    else if (x % 97 == 0)
        block_cache_drop(cache, s->content);
    else if (x % 3 == 0 && block_cache_put(cache, s->content, block, sample_digest(s, block), p, len) < 0)
        c->wrong = true;
    else if (block_cache_read(cache, s->content, block, sample_digest(s, block), 0, len, buf) == 0 &&
             memcmp(buf, p, len) != 0)
        c->wrong = true;
}

static void *crowd_run(void *arg) {
    struct crowd_member *m = arg;
    uint8_t *buf = xmalloc(BLOCK_SIZE);
    uint32_t x = m->seed;
    for (unsigned i = 0; i < 400; i++) {
        x = x * 1664525u + 1013904223u;
        crowd_act(m->crowd, x >> 4, buf);
    }
    free(buf);
    return NULL;
}

static void many_threads_never_see_a_wrong_byte(void **state) {
    struct box *b = *state;
    struct crowd crowd = {.b = b};
    struct crowd_member members[CROWD];
    pthread_t threads[CROWD];
    set_limit(b, 3 * MIB);
    for (unsigned i = 0; i < CROWD_SAMPLES; i++) /* of two and a bit blocks, and small ones */
        crowd.s[i] = sample_new(i, i % 2 ? 2 * MIB + 5 : 60000);
    for (unsigned i = 0; i < CROWD; i++) {
        members[i] = (struct crowd_member){&crowd, i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &members[i]), 0);
    }
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    assert_false(crowd.wrong);
    assert_true(count(b, COUNTER_CACHE_HITS) > 0);
    assert_true(count(b, COUNTER_CACHE_EVICTED) > 0);
    assert_true(block_cache_bytes(b->cache) <= b->limit);
    block_cache_shrink(b->cache, b->limit);
    assert_int_equal(block_cache_bytes(b->cache), 0);
    assert_true(disk_bytes(b) == 0);
    for (unsigned i = 0; i < CROWD_SAMPLES; i++)
        sample_free(crowd.s[i]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(what_was_not_put_is_not_there),
        T(what_was_put_is_read),
        T(a_range_outside_the_block_is_refused),
        T(a_warm_read_does_not_touch_the_database),
        T(putting_twice_counts_once),
        T(many_descriptors_are_not_kept),
        T(survives_a_restart_and_is_checked_once),
        T(wrong_bytes_are_dropped),
        T(a_row_without_its_file_is_dropped),
        T(a_truncated_file_is_dropped),
        T(another_digest_is_another_matter),
        T(another_size_is_another_matter),
        T(a_damaged_database_is_set_aside),
        T(the_limit_holds_at_every_write),
        T(small_files_are_evicted_whole),
        T(what_is_larger_than_the_limit_is_not_cached),
        T(min_free_is_left_free),
        T(shrinking_frees),
        T(without_holes_contents_go_whole),
        T(dropping_forgets_one_content),
        T(a_scan_does_not_evict_what_is_used_again),
        T(a_second_use_at_once_protects_nothing),
        T(protection_survives_a_restart),
        T(first_use_after_a_restart_can_be_the_second),
        T(protected_blocks_leave_a_fifth),
        T(a_clock_that_jumped_back_does_no_harm),
        T(an_adopted_file_is_the_cache_file),
        T(an_adopted_large_file_has_all_its_blocks),
        T(an_adopted_file_is_checked_unless_it_was_hashed),
        T(a_file_of_another_size_is_not_adopted),
        T(adopting_over_a_part_completes_it),
        T(adopting_over_the_whole_keeps_it),
        T(adopting_makes_room_first),
        T(adopting_many_small_files_is_few_transactions),
        T(bytes_without_rows_are_removed),
        T(blocks_without_bits_are_punched),
        T(rows_without_files_are_removed),
        T(what_was_written_long_ago_survives_a_crash),
        T(eviction_by_another_mount_is_seen),
        T(many_threads_never_see_a_wrong_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
