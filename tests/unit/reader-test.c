/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/reader.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "fake_env.h"
#include "sample.h"
#include "store_fault.h"
#include "store_mem.h"
#include "tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define MIB BLOCK_SIZE
#define KIB ((uint64_t)1024)

struct box {
    char *dir;
    struct fake_env *fake;
    struct counters counters;
    struct mem_bucket *bucket;
    struct store *store; /* a fault wrapper */
    struct block_cache *cache;
    struct keyring *keys;
    struct reader *reader;
    uint64_t cache_limit, max_ahead;
};

/* One read and what came back. */
struct got {
    bool done;
    int err;
    uint8_t *data;
    size_t len;
};

static void on_read(void *arg, int err, const void *data, size_t len) {
    struct got *g = arg;
    assert_false(g->done);
    g->done = true;
    g->err = err;
    g->data = len ? xmemdup(data, len) : NULL;
    g->len = len;
}

static void got_reset(struct got *g) {
    free(g->data);
    *g = (struct got){0};
}
#define CLEANUP_GOT __attribute__((cleanup(got_reset)))

static void box_open(struct box *b, struct env *env) {
    struct block_cache_config cache = {
        .env = env, .counters = &b->counters, .dir = b->dir, .limit = b->cache_limit};
    assert_int_equal(block_cache_open(&cache, &b->cache), 0);
    b->store = store_fault_new(store_mem_new(b->bucket, env, &b->counters));
    struct reader_config config = {.env = env,
                                   .counters = &b->counters,
                                   .store = b->store,
                                   .cache = b->cache,
                                   .keys = b->keys,
                                   .prefix = ".assetfs",
                                   .dir = b->dir,
                                   .max_ahead = b->max_ahead,
                                   .timeout_ns = 60 * NS_PER_S};
    assert_int_equal(reader_new(&config, &b->reader), 0);
}

/* Nobody runs the fake loop while reader_free() waits: so it must have nothing to wait for. */
static void box_close(struct box *b) {
    assert_true(fake_env_run_until(b->fake, NULL, 1000 * NS_PER_S));
    b->reader = reader_free(b->reader);
    b->store = store_free(b->store);
    b->cache = block_cache_close(b->cache);
}

static void box_reopen(struct box *b) {
    box_close(b);
    box_open(b, fake_env(b->fake));
}

static int setup(void **state) {
    static const uint8_t key[SEAL_KEY_SIZE] = {1, 2, 3};
    struct box *b = xcalloc(1, sizeof *b);
    b->dir = tmpdir_new();
    b->fake = fake_env_new();
    b->bucket = mem_bucket_new();
    b->keys = keyring_new();
    keyring_add(b->keys, key);
    b->cache_limit = 256 * MIB;
    box_open(b, fake_env(b->fake));
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct box *b = *state;
    box_close(b);
    mem_bucket_free(b->bucket);
    keyring_free(b->keys);
    fake_env_free(b->fake);
    tmpdir_free(b->dir);
    free(b);
    log_to_fd(-1);
    return 0;
}

static void upload(struct box *b, const struct sample *s) {
    mem_bucket_set(b->bucket, s->content->key, s->data, s->size);
}

static struct sample *uploaded(struct box *b, unsigned seed, uint64_t size) {
    struct sample *s = sample_new(seed, size);
    upload(b, s);
    return s;
}

static void start(struct box *b, const struct sample *s, uint64_t off, size_t len, struct got *g) {
    reader_read(b->reader, s->content, off, len, NULL, on_read, g);
}

static void assert_right(const struct sample *s, uint64_t off, size_t len, const struct got *g) {
    assert_true(g->done);
    assert_int_equal(g->err, 0);
    assert_int_equal(g->len, off >= s->size ? 0 : MIN(len, s->size - off));
    if (g->len)
        assert_memory_equal(g->data, s->data + off, g->len);
}

static void check(struct box *b, const struct sample *s, uint64_t off, size_t len) {
    CLEANUP_GOT struct got g = {0};
    start(b, s, off, len, &g);
    fake_env_run(b->fake);
    assert_right(s, off, len, &g);
}

static int error_of(struct box *b, const struct sample *s) {
    CLEANUP_GOT struct got g = {0};
    start(b, s, 0, 10, &g);
    assert_true(fake_env_run_until(b->fake, &g.done, 1000 * NS_PER_S));
    assert_true(g.done);
    return g.err;
}

static size_t gets(struct box *b) {
    return store_fault_gets(b->store, NULL);
}

/* ---- plain reads */

static void reads_what_is_in_the_bucket(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 3 * MIB + 77);
    check(b, s, 0, 10);
    check(b, s, MIB - 5, 10);
    check(b, s, 0, 4 * MIB);
    check(b, s, 3 * MIB, 500);
    check(b, s, 3 * MIB + 76, 1);
    sample_free(s);
}

static void a_small_file_needs_no_digests(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 1);
    check(b, s, 0, 100);
    sample_free(s);
}

static void nothing_is_beyond_the_end(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 100);
    CLEANUP_GOT struct got g = {0}, h = {0};
    start(b, s, 100, 10, &g);
    assert_right(s, 100, 10, &g);
    start(b, s, 5, 0, &h);
    assert_right(s, 5, 0, &h);
    assert_int_equal(gets(b), 0);
    sample_free(s);
}

static void what_is_cached_is_answered_at_once(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 3 * MIB);
    CLEANUP_GOT struct got g = {0};
    check(b, s, 0, 3 * MIB);
    size_t n = gets(b);
    start(b, s, MIB - 10, MIB, &g);
    assert_right(s, MIB - 10, MIB, &g); /* before anything ran */
    assert_int_equal(gets(b), n);
    assert_int_equal(counter_get(&b->counters, COUNTER_CACHE_MISSES), 3);
    sample_free(s);
}

static void one_unchecked_block_is_hashed_here_several_on_a_worker(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 4 * MIB);
    check(b, s, 0, 4 * MIB);
    size_t n = counter_get(&b->counters, COUNTER_STORE_GETS);
    box_reopen(b);
    CLEANUP_GOT struct got one = {0}, two = {0};
    start(b, s, 10, 10, &one);
    assert_right(s, 10, 10, &one);
    start(b, s, 2 * MIB, 2 * MIB, &two);
    assert_false(two.done);
    fake_env_run(b->fake);
    assert_right(s, 2 * MIB, 2 * MIB, &two);
    assert_int_equal(counter_get(&b->counters, COUNTER_STORE_GETS), n);
    sample_free(s);
}

static void a_rotten_cached_block_is_fetched_again(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 2 * MIB);
    char hex[DIGEST_HEX_SIZE];
    digest_hex(s->content->id, hex);
    check(b, s, 0, 2 * MIB);
    box_reopen(b);
    CLEANUP_FREE char *path = xasprintf("%s/blocks/%.2s/%s", b->dir, hex, hex);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(file_pwrite_all(fd, "rotten", 6, MIB + 3), 0);
    close(fd);
    check(b, s, 0, 2 * MIB);
    assert_int_equal(gets(b), 1);
    assert_int_equal(counter_get(&b->counters, COUNTER_CACHE_DROPPED), 1);
    sample_free(s);
}

static void without_room_in_the_cache_it_reads_all_the_same(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 2 * MIB);
    b->cache_limit = 0;
    box_reopen(b);
    check(b, s, 0, 2 * MIB);
    check(b, s, 0, 2 * MIB);
    sample_free(s);
}

/* ---- how often it asks */

static void a_block_that_many_miss_is_fetched_once(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, MIB);
    struct got g[20] = {{0}};
    for (unsigned i = 0; i < 20; i++)
        start(b, s, i * 1000, 1000, &g[i]);
    fake_env_run(b->fake);
    for (unsigned i = 0; i < 20; i++) {
        assert_right(s, i * 1000, 1000, &g[i]);
        got_reset(&g[i]);
    }
    assert_int_equal(gets(b), 1);
    assert_int_equal(counter_get(&b->counters, COUNTER_CACHE_MISSES), 1);
    sample_free(s);
}

static void neighbours_are_fetched_together(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 20 * MIB);
    check(b, s, 0, 20 * MIB);
    assert_int_equal(gets(b), 3); /* 8 + 8 + 4: the store's get_size is 8 MiB */
    sample_free(s);
}

static void only_what_is_missing_is_fetched(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 5 * MIB);
    check(b, s, 2 * MIB, 10);
    uint64_t before = counter_get(&b->counters, COUNTER_BYTES_FETCHED);
    assert_int_equal(before, MIB);
    check(b, s, 0, 5 * MIB);
    assert_int_equal(counter_get(&b->counters, COUNTER_BYTES_FETCHED) - before, 4 * MIB);
    assert_int_equal(gets(b), 3);
    sample_free(s);
}

static void two_objects_of_one_content_do_not_wait_for_each_other(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 100);
    struct content *other = content_new(s->content->id, 100, "files/gone.png", NULL, NULL);
    CLEANUP_GOT struct got good = {0}, bad = {0};
    reader_read(b->reader, other, 0, 10, NULL, on_read, &bad);
    start(b, s, 0, 10, &good);
    fake_env_run(b->fake);
    assert_right(s, 0, 10, &good);
    assert_int_equal(bad.err, -ENOENT);
    content_unref(other);
    sample_free(s);
}

/* As if they were few enough for that. */
static void digests_inline(struct sample *s) {
    s->content->digests = xmemdup(s->digests, BLOCK_COUNT(s->size) * DIGEST_SIZE);
}

static void gets_are_bounded(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 120 * MIB);
    digests_inline(s);
    CLEANUP_GOT struct got g = {0};
    store_fault_hold(b->store, FAULT_GET, NULL);
    start(b, s, 0, 120 * MIB, &g);
    fake_env_run(b->fake);
    assert_int_equal(store_fault_held(b->store), 8); /* 64 MiB in memory, and the store's parallel_gets */
    store_fault_release(b->store);
    fake_env_run(b->fake);
    assert_right(s, 0, 120 * MIB, &g);
    sample_free(s);
}

/* ---- read-ahead */

static void sequential_reads_are_read_ahead(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 32 * MIB);
    struct read_stream stream = {0};
    unsigned waited = 0;
    b->max_ahead = 8 * MIB;
    box_reopen(b);
    for (uint64_t off = 0; off < s->size; off += 128 * KIB) {
        CLEANUP_GOT struct got g = {0};
        reader_read(b->reader, s->content, off, 128 * KIB, &stream, on_read, &g);
        waited += !g.done;
        fake_env_run(b->fake);
        assert_right(s, off, 128 * KIB, &g);
    }
    assert_int_equal(waited, 1); /* for the very first block */
    assert_true(gets(b) <= 32); /* pieces of a sixteenth of the window, a block at least */
    assert_int_equal(counter_get(&b->counters, COUNTER_BYTES_FETCHED), s->size);
    sample_free(s);
}

/* One connection alone may be slow: the window is fetched by several at once, and a new get begins with each
 * that is used up. */
static void one_reader_keeps_many_gets_going(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 96 * MIB);
    digests_inline(s);
    struct read_stream stream = {0};
    uint64_t off = 0;
    b->max_ahead = 32 * MIB; /* pieces of 2 MiB */
    box_reopen(b);
    for (; off < 24 * MIB; off += MIB) {
        CLEANUP_GOT struct got g = {0};
        reader_read(b->reader, s->content, off, MIB, &stream, on_read, &g);
        fake_env_run(b->fake);
        assert_right(s, off, MIB, &g);
    }
    store_fault_hold(b->store, FAULT_GET, NULL);
    for (uint64_t end = stream.ahead; off < end; off += MIB) { /* all of it is here: nobody waits */
        CLEANUP_GOT struct got g = {0};
        reader_read(b->reader, s->content, off, MIB, &stream, on_read, &g);
        assert_right(s, off, MIB, &g);
    }
    assert_int_equal(store_fault_held(b->store), 8);
    store_fault_release(b->store);
    fake_env_run(b->fake);
    sample_free(s);
}

static void the_window_grows_up_to_its_limit(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 40 * MIB);
    struct read_stream stream = {0};
    b->max_ahead = 4 * MIB;
    box_reopen(b);
    const uint64_t expected[] = {512 * KIB, MIB, 2 * MIB, 2 * MIB, 4 * MIB};
    for (unsigned i = 0; i < 320; i++) {
        CLEANUP_GOT struct got g = {0};
        reader_read(b->reader, s->content, i * 128 * KIB, 128 * KIB, &stream, on_read, &g);
        fake_env_run(b->fake);
        if (i < ARRAY_SIZE(expected))
            assert_int_equal(stream.window, expected[i]);
        assert_true(stream.ahead <= stream.next + 5 * MIB);
    }
    assert_int_equal(stream.window, 4 * MIB);
    sample_free(s);
}

/* n reads, each of another block, none beside the one before. */
static void jump_about(struct box *b, const struct sample *s, unsigned n) {
    struct read_stream stream = {0};
    for (uint64_t i = 1; i <= n; i++) {
        CLEANUP_GOT struct got g = {0};
        uint64_t off = i * 7 % BLOCK_COUNT(s->size) * MIB;
        reader_read(b->reader, s->content, off, 4096, &stream, on_read, &g);
        fake_env_run(b->fake);
        assert_right(s, off, 4096, &g);
    }
}

static void random_reads_fetch_only_their_blocks(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, READER_WHOLE_MAX + MIB);
    digests_inline(s);
    b->max_ahead = 8 * MIB;
    box_reopen(b);
    jump_about(b, s, 20);
    assert_int_equal(counter_get(&b->counters, COUNTER_BYTES_FETCHED), 20 * MIB);
    sample_free(s);
}

static void what_is_small_comes_whole_after_some_jumps(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, READER_WHOLE_MAX);
    b->max_ahead = 8 * MIB;
    box_reopen(b);
    jump_about(b, s, 3);
    assert_int_equal(counter_get(&b->counters, COUNTER_BYTES_FETCHED), 3 * MIB);
    jump_about(b, s, 4);
    assert_int_equal(counter_get(&b->counters, COUNTER_BYTES_FETCHED), READER_WHOLE_MAX);
    sample_free(s);
}

static void jumps_fetch_nothing_ahead_where_that_is_off(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 16 * MIB);
    box_reopen(b); /* max_ahead 0 */
    jump_about(b, s, 10);
    assert_int_equal(counter_get(&b->counters, COUNTER_BYTES_FETCHED), 10 * MIB);
    sample_free(s);
}

static void read_ahead_that_fails_disturbs_nobody(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 16 * MIB);
    struct read_stream stream = {0};
    b->max_ahead = 8 * MIB;
    box_reopen(b);
    store_fault_fail(b->store, FAULT_GET, NULL, 2, 1, -EIO);
    for (uint64_t off = 0; off < s->size; off += MIB) {
        CLEANUP_GOT struct got g = {0};
        reader_read(b->reader, s->content, off, MIB, &stream, on_read, &g);
        assert_true(fake_env_run_until(b->fake, &g.done, 60 * NS_PER_S));
        assert_right(s, off, MIB, &g);
    }
    sample_free(s);
}

/* How many round trips a reader of 64 MiB waits for that is as fast as what it reads. */
static void read_ahead_is_quick_to_begin(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 64 * MIB);
    struct read_stream stream = {0};
    unsigned waited = 0;
    b->max_ahead = 32 * MIB;
    box_reopen(b);
    for (uint64_t off = 0; off < s->size; off += MIB) {
        CLEANUP_GOT struct got g = {0};
        reader_read(b->reader, s->content, off, MIB, &stream, on_read, &g);
        waited += !g.done;
        if (!g.done) /* everything that was asked for until now comes */
            fake_env_run(b->fake);
        assert_right(s, off, MIB, &g);
    }
    assert_true(waited <= 4);
    sample_free(s);
}

/* A read of the same block from inside the answer to the first, which comes before the block's flight has
 * ended. */
struct chain {
    struct box *b;
    const struct sample *s;
    struct got first, second;
};

static void on_first(void *arg, int err, const void *data, size_t len) {
    struct chain *c = arg;
    on_read(&c->first, err, data, len);
    reader_read(c->b->reader, c->s->content, 4096, 4096, NULL, on_read, &c->second);
}

static void who_asks_from_inside_an_answer_is_answered(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 3 * MIB);
    struct chain c = {.b = b, .s = s};
    reader_read(b->reader, s->content, 0, 4096, NULL, on_first, &c);
    fake_env_run(b->fake);
    assert_right(s, 0, 4096, &c.first);
    assert_right(s, 4096, 4096, &c.second);
    assert_int_equal(gets(b), 1);
    assert_int_equal(counter_get(&b->counters, COUNTER_CACHE_MISSES), 1);
    got_reset(&c.first);
    got_reset(&c.second);
    sample_free(s);
}

/* ---- wrong bytes */

/* What is logged while a test runs. */
static int log_file(struct box *b) {
    CLEANUP_FREE char *path = tmpdir_path(b->dir, "log");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    log_to_fd(fd);
    return fd;
}

static unsigned lines_with(int fd, const char *word) {
    char text[4096] = "";
    unsigned n = 0;
    assert_true(pread(fd, text, sizeof text - 1, 0) >= 0);
    for (char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

static void a_bad_block_is_fetched_once_more_past_the_caches(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 3 * MIB);
    store_fault_add(b->store,
                    &(struct fault_rule){
                        .kind = FAULT_CORRUPT, .ops = FAULT_GET, .nth = 1, .count = 1, .value = MIB + 500});
    check(b, s, 0, 3 * MIB);
    assert_int_equal(gets(b), 2);
    assert_int_equal(counter_get(&b->counters, COUNTER_BYTES_FETCHED), 4 * MIB); /* only that block again */
    sample_free(s);
}

static void twice_bad_is_an_error_and_one_line(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 3 * MIB);
    CLEANUP_CLOSE int fd = log_file(b);
    CLEANUP_GOT struct got g = {0};
    mem_bucket_corrupt(b->bucket, s->content->key, MIB + 5);
    start(b, s, MIB, MIB, &g);
    fake_env_run(b->fake);
    assert_int_equal(g.err, -EIO);
    assert_int_equal(g.len, 0);
    assert_int_equal(gets(b), 2);
    assert_int_equal(lines_with(fd, "files/1"), 1);
    assert_false(block_cache_has(b->cache, s->content, 1));
    check(b, s, 2 * MIB, MIB); /* the others are good */
    upload(b, s);
    check(b, s, MIB, MIB); /* and so is this one, later */
    sample_free(s);
}

static void a_short_answer_is_wrong(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 2 * MIB);
    store_fault_cut(b->store, NULL, 1, 1, MIB + 3);
    check(b, s, 0, 2 * MIB);
    assert_int_equal(gets(b), 2);
    sample_free(s);
}

static void an_object_of_another_size_is_wrong(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 2 * MIB);
    CLEANUP_CLOSE int fd = log_file(b);
    mem_bucket_set(b->bucket, s->content->key, s->data, MIB + 500);
    assert_int_equal(error_of(b, s), -EIO);
    mem_bucket_set(b->bucket, s->content->key, "", 0);
    assert_int_equal(error_of(b, s), -EIO);
    assert_int_equal(lines_with(fd, "files/1"), 2);
    sample_free(s);
}

/* ---- trouble */

static void trouble_is_tried_again(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, MIB);
    CLEANUP_GOT struct got g = {0};
    store_fault_fail(b->store, FAULT_GET, NULL, 1, 5, -ETIMEDOUT);
    start(b, s, 0, 10, &g);
    assert_true(fake_env_run_until(b->fake, &g.done, 59 * NS_PER_S));
    assert_right(s, 0, 10, &g);
    assert_int_equal(gets(b), 6);
    sample_free(s);
}

static void lasting_trouble_ends_at_the_timeout(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, MIB);
    CLEANUP_GOT struct got g = {0};
    int64_t before = env_mono(fake_env(b->fake));
    store_fault_vanish(b->store);
    start(b, s, 0, 10, &g);
    assert_true(fake_env_run_until(b->fake, &g.done, 100 * NS_PER_S));
    assert_int_equal(g.err, -ETIMEDOUT);
    assert_int_equal(env_mono(fake_env(b->fake)) - before, 60 * NS_PER_S);
    assert_true(fake_env_run_until(b->fake, NULL, 100 * NS_PER_S)); /* nobody tries any more */
    store_fault_clear(b->store);
    check(b, s, 0, 10);
    sample_free(s);
}

/* The wait between two tries has grown to its most by the time the first reader gives up: the next one is not to sit through the rest of it. */
static void who_comes_after_trouble_does_not_wait_for_it(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, MIB);
    CLEANUP_GOT struct got late = {0}, early = {0};
    store_fault_vanish(b->store);
    start(b, s, 0, 10, &early);
    assert_true(fake_env_run_until(b->fake, &early.done, 100 * NS_PER_S));
    assert_int_equal(early.err, -ETIMEDOUT);
    store_fault_clear(b->store);
    int64_t before = env_mono(fake_env(b->fake));
    start(b, s, 0, 10, &late);
    assert_true(fake_env_run_until(b->fake, &late.done, 100 * NS_PER_S));
    assert_right(s, 0, 10, &late);
    assert_int_equal(env_mono(fake_env(b->fake)) - before, 0);
    sample_free(s);
}

static void an_answer_that_never_comes_ends_at_the_timeout(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 2 * MIB);
    CLEANUP_GOT struct got early = {0}, late = {0};
    store_fault_hold(b->store, FAULT_GET, NULL);
    start(b, s, 0, 10, &early);
    fake_env_advance(b->fake, 40 * NS_PER_S);
    start(b, s, 0, 2 * MIB, &late);
    fake_env_advance(b->fake, 30 * NS_PER_S);
    assert_int_equal(early.err, -ETIMEDOUT);
    assert_false(late.done);
    store_fault_release(b->store);
    fake_env_run(b->fake);
    assert_right(s, 0, 2 * MIB, &late);
    sample_free(s);
}

static void absence_and_refusal_are_asked_twice(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, MIB);
    assert_int_equal(error_of(b, s), -ENOENT);
    assert_int_equal(gets(b), 2);
    store_fault_refuse_gets(b->store);
    assert_int_equal(error_of(b, s), -EACCES);
    assert_int_equal(gets(b), 4);
    store_fault_clear(b->store);
    store_fault_fail(b->store, FAULT_GET, NULL, 1, 1, -ENOENT);
    upload(b, s);
    check(b, s, 0, 10);
    sample_free(s);
}

static void a_read_of_several_blocks_fails_once(void **state) {
    struct box *b = *state;
    struct sample *s = sample_new(1, 20 * MIB);
    CLEANUP_GOT struct got g = {0};
    start(b, s, 0, 20 * MIB, &g);
    fake_env_run(b->fake);
    assert_int_equal(g.err, -ENOENT);
    sample_free(s);
}

/* ---- digests of large files */

static char *upload_digests(struct box *b, const struct sample *s, struct buf *sealed) {
    static const uint8_t salt[SEAL_SALT_SIZE] = {9};
    CLEANUP_BUF struct buf plain = BUF_INIT(1 << 20);
    char *key = digests_key(".assetfs", s->content->id);
    assert_int_equal(digests_build(s->content->id, s->size, s->digests, BLOCK_COUNT(s->size), &plain), 0);
    assert_int_equal(seal(b->keys, salt, key, plain.data, plain.len, sealed), 0);
    mem_bucket_set(b->bucket, key, sealed->data, sealed->len);
    return key;
}

static void a_large_file_is_read_by_its_digests_object(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 66 * MIB + 5);
    CLEANUP_BUF struct buf sealed = BUF_INIT(1 << 20);
    CLEANUP_FREE char *key = upload_digests(b, s, &sealed);
    struct got g[3] = {{0}};
    for (unsigned i = 0; i < 3; i++)
        start(b, s, i * 30 * MIB, 100, &g[i]);
    fake_env_run(b->fake);
    for (unsigned i = 0; i < 3; i++) {
        assert_right(s, i * 30 * MIB, 100, &g[i]);
        got_reset(&g[i]);
    }
    assert_int_equal(store_fault_gets(b->store, key), 1);
    start(b, s, 50, 100, &g[0]); /* digests and block are at hand */
    assert_right(s, 50, 100, &g[0]);
    got_reset(&g[0]);
    sample_free(s);
}

static void digests_are_kept_for_reading_offline(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 66 * MIB);
    CLEANUP_BUF struct buf sealed = BUF_INIT(1 << 20);
    CLEANUP_FREE char *key ATTR_UNUSED = upload_digests(b, s, &sealed);
    check(b, s, 65 * MIB, 10);
    box_reopen(b);
    store_fault_vanish(b->store);
    check(b, s, 65 * MIB, 10);
    assert_int_equal(gets(b), 0);
    sample_free(s);
}

static void digests_made_here_are_not_fetched(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 66 * MIB);
    CLEANUP_BUF struct buf sealed = BUF_INIT(1 << 20);
    CLEANUP_FREE char *key = upload_digests(b, s, &sealed);
    mem_bucket_delete(b->bucket, key);
    assert_int_equal(reader_keep_digests(b->reader, s->content->id, sealed.data, sealed.len), 0);
    check(b, s, MIB, 10);
    assert_int_equal(store_fault_gets(b->store, key), 0);
    sample_free(s);
}

static void kept_digests_that_rot_are_fetched(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 66 * MIB);
    CLEANUP_BUF struct buf sealed = BUF_INIT(1 << 20);
    CLEANUP_FREE char *key = upload_digests(b, s, &sealed);
    assert_int_equal(reader_keep_digests(b->reader, s->content->id, "rotten", 6), 0);
    check(b, s, MIB, 10);
    assert_int_equal(store_fault_gets(b->store, key), 1);
    sample_free(s);
}

static void bad_digests_are_asked_twice_and_then_an_error(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 66 * MIB);
    CLEANUP_CLOSE int fd = log_file(b);
    CLEANUP_BUF struct buf sealed = BUF_INIT(1 << 20);
    CLEANUP_FREE char *key = upload_digests(b, s, &sealed);
    store_fault_corrupt(b->store, ".assetfs/digests/", 1, 1);
    check(b, s, MIB, 10);
    box_reopen(b);
    CLEANUP_FREE char *kept = xasprintf("%s/%s", b->dir, strstr(key, "digests/"));
    assert_int_equal(unlink(kept), 0);
    mem_bucket_corrupt(b->bucket, key, 100);
    assert_int_equal(error_of(b, s), -EIO);
    assert_int_equal(gets(b), 2);
    assert_int_equal(lines_with(fd, key), 1);
    sample_free(s);
}

static void a_missing_digests_object_is_an_error(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 66 * MIB);
    assert_int_equal(error_of(b, s), -ENOENT);
    sample_free(s);
}

static void waiting_for_digests_ends_at_the_timeout(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 66 * MIB);
    store_fault_vanish(b->store);
    assert_int_equal(error_of(b, s), -ETIMEDOUT);
    assert_true(fake_env_run_until(b->fake, NULL, 100 * NS_PER_S));
    sample_free(s);
}

/* ---- the end, and threads */

static void *run_fake(void *arg) {
    struct box *b = arg;
    while (fake_env_queued(b->fake) == 0)
        sched_yield();
    fake_env_run(b->fake);
    return NULL;
}

static void freeing_answers_what_still_waits(void **state) {
    struct box *b = *state;
    struct sample *s = uploaded(b, 1, 30 * MIB), *large = uploaded(b, 2, 66 * MIB);
    CLEANUP_GOT struct got g = {0}, h = {0};
    pthread_t thread;
    store_fault_vanish(b->store);
    start(b, s, 0, 30 * MIB, &g);
    start(b, large, 0, 10, &h);
    fake_env_run(b->fake); /* all wait for their next try */
    assert_false(g.done || h.done);
    assert_int_equal(pthread_create(&thread, NULL, run_fake, b), 0);
    b->reader = reader_free(b->reader);
    pthread_join(thread, NULL);
    assert_int_equal(g.err, -EINTR);
    assert_int_equal(h.err, -EINTR);
    assert_int_equal(fake_env_next_timer(b->fake), -1);
    sample_free(s);
    sample_free(large);
}

enum { CROWD = 4, CROWD_READS = 150, CROWD_SAMPLES = 3 };

struct crowd {
    struct box *b;
    struct sample *s[CROWD_SAMPLES];
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned open;
    bool wrong;
};

struct crowd_read {
    struct crowd *crowd;
    struct sample *s;
    uint64_t off;
    size_t len;
};

static void crowd_done(void *arg, int err, const void *data, size_t len) {
    struct crowd_read *r = arg;
    struct crowd *c = r->crowd;
    bool right =
        err == 0 && len == MIN(r->len, r->s->size - r->off) && memcmp(data, r->s->data + r->off, len) == 0;
    SCOPE_LOCK(&c->lock);
    c->wrong = c->wrong || !right;
    c->open--;
    pthread_cond_broadcast(&c->cond);
    free(r);
}

static void *crowd_run(void *arg) {
    struct crowd *c = arg;
    struct read_stream stream = {0};
    uint32_t x = (uint32_t)(uintptr_t)&stream;
    for (unsigned i = 0; i < CROWD_READS; i++) {
        x = x * 1664525u + 1013904223u;
        struct crowd_read *r = xmalloc(sizeof *r);
        struct sample *s = c->s[(x >> 8) % CROWD_SAMPLES];
        *r = (struct crowd_read){c, s, (x >> 4) % s->size, (x >> 10) % (2 * MIB) + 1};
        {
            SCOPE_LOCK(&c->lock);
            while (c->open > 16)
                pthread_cond_wait(&c->cond, &c->lock);
            c->open++;
        }
        reader_read(c->b->reader, s->content, r->off, r->len, i % 2 ? &stream : NULL, crowd_done, r);
    }
    return NULL;
}

static void many_threads_get_the_right_bytes(void **state) {
    struct box *b = *state;
    struct crowd c = {.b = b, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    pthread_t threads[CROWD];
    struct loop *loop;
    box_close(b);
    b->cache_limit = 6 * MIB;
    b->max_ahead = 2 * MIB;
    assert_int_equal(loop_new(3, &loop), 0);
    box_open(b, loop_env(loop));
    store_fault_fail(b->store, FAULT_GET, NULL, 10, 3, -EIO);
    store_fault_corrupt(b->store, NULL, 20, 1);
    for (unsigned i = 0; i < CROWD_SAMPLES; i++)
        c.s[i] = uploaded(b, i, 5 * MIB + i);
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &c), 0);
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&c.lock);
    while (c.open > 0)
        pthread_cond_wait(&c.cond, &c.lock);
    pthread_mutex_unlock(&c.lock);
    assert_false(c.wrong);
    box_close(b);
    loop_free(loop);
    box_open(b, fake_env(b->fake));
    for (unsigned i = 0; i < CROWD_SAMPLES; i++)
        sample_free(c.s[i]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(reads_what_is_in_the_bucket),
        T(a_small_file_needs_no_digests),
        T(nothing_is_beyond_the_end),
        T(what_is_cached_is_answered_at_once),
        T(one_unchecked_block_is_hashed_here_several_on_a_worker),
        T(a_rotten_cached_block_is_fetched_again),
        T(without_room_in_the_cache_it_reads_all_the_same),
        T(a_block_that_many_miss_is_fetched_once),
        T(neighbours_are_fetched_together),
        T(only_what_is_missing_is_fetched),
        T(two_objects_of_one_content_do_not_wait_for_each_other),
        T(gets_are_bounded),
        T(sequential_reads_are_read_ahead),
        T(one_reader_keeps_many_gets_going),
        T(the_window_grows_up_to_its_limit),
        T(read_ahead_is_quick_to_begin),
        T(random_reads_fetch_only_their_blocks),
        T(what_is_small_comes_whole_after_some_jumps),
        T(jumps_fetch_nothing_ahead_where_that_is_off),
        T(who_asks_from_inside_an_answer_is_answered),
        T(read_ahead_that_fails_disturbs_nobody),
        T(a_bad_block_is_fetched_once_more_past_the_caches),
        T(twice_bad_is_an_error_and_one_line),
        T(a_short_answer_is_wrong),
        T(an_object_of_another_size_is_wrong),
        T(trouble_is_tried_again),
        T(lasting_trouble_ends_at_the_timeout),
        T(who_comes_after_trouble_does_not_wait_for_it),
        T(an_answer_that_never_comes_ends_at_the_timeout),
        T(absence_and_refusal_are_asked_twice),
        T(a_read_of_several_blocks_fails_once),
        T(a_large_file_is_read_by_its_digests_object),
        T(digests_are_kept_for_reading_offline),
        T(digests_made_here_are_not_fetched),
        T(kept_digests_that_rot_are_fetched),
        T(bad_digests_are_asked_twice_and_then_an_error),
        T(a_missing_digests_object_is_an_error),
        T(waiting_for_digests_ends_at_the_timeout),
        T(freeing_answers_what_still_waits),
        T(many_threads_get_the_right_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
