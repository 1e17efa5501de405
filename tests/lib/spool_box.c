/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spool_box.h"
#include "tmpdir.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool can_drain(void *arg) {
    return ((struct spool_box *)arg)->drains;
}

struct spool_box *spool_box_new(void) {
    struct spool_box *b = xcalloc(1, sizeof *b);
    b->dir = tmpdir_new();
    b->fake = fake_env_new();
    b->env = fake_env(b->fake);
    b->bucket = mem_bucket_new();
    b->store = store_fault_new(store_mem_new(b->bucket, b->env, NULL));
    b->keys = keyring_new();
    struct block_cache_config cache = {.env = b->env, .dir = b->dir, .limit = (uint64_t)256 << 20};
    assert_int_equal(block_cache_open(&cache, &b->cache), 0);
    struct reader_config reader = {.env = b->env,
                                   .store = b->store,
                                   .cache = b->cache,
                                   .keys = b->keys,
                                   .prefix = ".assetfs",
                                   .dir = b->dir,
                                   .timeout_ns = 3600 * NS_PER_S};
    assert_int_equal(reader_new(&reader, &b->reader), 0);
    b->cfg = (struct spool_config){.env = b->env,
                                   .dir = b->dir,
                                   .reader = b->reader,
                                   .max_file_size = (uint64_t)1 << 40,
                                   .timeout_ns = 60 * NS_PER_S,
                                   .can_drain = can_drain,
                                   .arg = b};
    assert_int_equal(spool_open(&b->cfg, &b->spool), 0);
    return b;
}

struct spool_box *spool_box_free(struct spool_box *b) {
    fake_env_run(b->fake);
    spool_close(b->spool);
    reader_free(b->reader);
    block_cache_close(b->cache);
    keyring_free(b->keys);
    store_free(b->store);
    mem_bucket_free(b->bucket);
    fake_env_free(b->fake);
    tmpdir_free(b->dir);
    free(b);
    return NULL;
}

int spool_box_setup(void **state) {
    *state = spool_box_new();
    return 0;
}

int spool_box_teardown(void **state) {
    *state = spool_box_free(*state);
    return 0;
}

struct spool *spool_box_again(struct spool_box *b) {
    struct spool *s;
    assert_int_equal(spool_open(&b->cfg, &s), 0);
    return s;
}

char *spool_box_path(struct spool_box *b, uint64_t id, const char *suffix) {
    return xasprintf("%s/spool/%" PRIu64 "%s", b->dir, id, suffix);
}

unsigned char pattern_byte(unsigned seed, uint64_t off) {
    return (unsigned char)(1 + (seed * 31 + off + off / 251 + off / BLOCK_SIZE * 7) % 255);
}

void pattern_fill(unsigned seed, uint64_t off, void *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)p)[i] = pattern_byte(seed, off + i);
}

struct content *spool_box_content(struct spool_box *b, unsigned seed, uint64_t size) {
    CLEANUP_FREE unsigned char *p = xmalloc((size_t)size);
    pattern_fill(seed, 0, p, (size_t)size);
    struct digest_stream *d = digest_stream_new();
    digest_stream_update(d, p, (size_t)size);
    uint8_t id[DIGEST_SIZE];
    uint8_t *blocks;
    size_t n;
    digest_stream_final(d, id, &blocks, &n);
    digest_stream_free(d);
    char hex[DIGEST_HEX_SIZE];
    digest_hex(id, hex);
    CLEANUP_FREE char *key = xasprintf("files/%s", hex);
    mem_bucket_set(b->bucket, key, p, (size_t)size);
    struct content *c = content_new(id, size, key, n > 1 ? blocks : NULL, NULL);
    free(blocks);
    return c;
}

static void result_reset(struct spool_result *r) {
    free(r->data);
    *r = (struct spool_result){0};
}

void spool_result_free(struct spool_result *r) {
    free(r->data);
}

static void on_done(void *arg, int err) {
    struct spool_result *r = arg;
    r->done++;
    r->err = err;
}

static void on_read(void *arg, int err, const void *data, size_t len) {
    struct spool_result *r = arg;
    r->data = len ? xmemdup(data, len) : NULL;
    r->len = len;
    on_done(arg, err);
}

static void on_digest(void *arg, int err, const uint8_t id[DIGEST_SIZE], const uint8_t *digests, size_t n) {
    struct spool_result *r = arg;
    if (err == 0)
        memcpy(r->id, id, sizeof r->id);
    r->data = n ? xmemdup(digests, n * DIGEST_SIZE) : NULL;
    r->n_digests = n;
    on_done(arg, err);
}

void begin_write(struct spool_result *r, struct spool_file *f, const void *p, size_t n, uint64_t off) {
    result_reset(r);
    spool_write(f, p, n, off, on_done, r);
}

void begin_read(struct spool_result *r, struct spool_file *f, uint64_t off, size_t n) {
    result_reset(r);
    spool_read(f, off, n, NULL, on_read, r);
}

void begin_truncate(struct spool_result *r, struct spool_file *f, uint64_t size) {
    result_reset(r);
    spool_truncate(f, size, on_done, r);
}

void begin_fallocate(struct spool_result *r, struct spool_file *f, int mode, uint64_t off, uint64_t len) {
    result_reset(r);
    spool_fallocate(f, mode, off, len, on_done, r);
}

void begin_fill(struct spool_result *r, struct spool_file *f) {
    result_reset(r);
    spool_fill(f, on_done, r);
}

void begin_sync(struct spool_result *r, struct spool_file *f) {
    result_reset(r);
    spool_sync(f, on_done, r);
}

void begin_digest(struct spool_result *r, struct spool_file *f) {
    result_reset(r);
    spool_digest(f, on_digest, r);
}

static void assert_succeeds(struct spool_box *b, struct spool_result *r) {
    fake_env_run(b->fake);
    assert_int_equal(r->done, 1);
    assert_int_equal(r->err, 0);
}

void do_write(struct spool_box *b, struct spool_file *f, unsigned seed, uint64_t off, size_t n) {
    CLEANUP_FREE unsigned char *p = xmalloc(n);
    CLEANUP_RESULT struct spool_result r = {0};
    pattern_fill(seed, off, p, n);
    begin_write(&r, f, p, n, off);
    assert_succeeds(b, &r);
}

void do_truncate(struct spool_box *b, struct spool_file *f, uint64_t size) {
    CLEANUP_RESULT struct spool_result r = {0};
    begin_truncate(&r, f, size);
    assert_succeeds(b, &r);
}

void do_fill(struct spool_box *b, struct spool_file *f) {
    CLEANUP_RESULT struct spool_result r = {0};
    begin_fill(&r, f);
    assert_succeeds(b, &r);
}

void assert_bytes(struct spool_box *b, struct spool_file *f, unsigned seed, uint64_t off, size_t n) {
    CLEANUP_FREE unsigned char *want = xcalloc(n, 1);
    CLEANUP_RESULT struct spool_result r = {0};
    if (seed)
        pattern_fill(seed, off, want, n);
    begin_read(&r, f, off, n);
    assert_succeeds(b, &r);
    assert_int_equal(r.len, n);
    for (size_t i = 0; i < n; i++)
        if (r.data[i] != want[i])
            fail_msg("byte %" PRIu64 " is %02x, not %02x", off + i, r.data[i], want[i]);
}

uint64_t file_size(struct spool_file *f) {
    uint64_t size;
    spool_stat(f, &size, NULL, NULL);
    return size;
}
