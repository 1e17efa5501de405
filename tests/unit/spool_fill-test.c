/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "base/loop.h"
#include "spool_box.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define MIB ((size_t)1 << 20)
/* The base is BASE bytes of pattern 1; what is written is pattern 2. */
#define BASE (4 * MIB + MIB / 2)

struct based {
    struct spool_box *box;
    struct content *base;
    struct spool_file *f;
};

static int setup(void **state) {
    struct based *t = xcalloc(1, sizeof *t);
    t->box = spool_box_new();
    t->base = spool_box_content(t->box, 1, BASE);
    assert_int_equal(spool_create(t->box->spool, 1, t->base, &t->f), 0);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct based *t = *state;
    fake_env_run(t->box->fake);
    spool_unref(t->f);
    content_unref(t->base);
    spool_box_free(t->box);
    free(t);
    return 0;
}

static size_t gets(struct based *t) {
    return store_fault_gets(t->box->store, NULL);
}

static bool has_map(struct based *t) {
    CLEANUP_FREE char *path = spool_box_path(t->box, 1, ".map");
    return access(path, F_OK) == 0;
}

static uint64_t allocated(struct based *t) {
    uint64_t n;
    spool_stat(t->f, NULL, NULL, &n);
    return n;
}

/* As after a kill -9: nothing is closed before. */
static void kill_and_reopen(struct based *t) {
    struct spool *s = spool_box_again(t->box);
    struct spool_file *f;
    assert_int_equal(spool_reopen(s, 1, t->base, false, &f), 0);
    spool_unref(t->f);
    spool_close(t->box->spool);
    t->box->spool = s;
    t->f = f;
}

/* Who opens it so only wants to remove it, or to look whether it is there. */
static void test_opened_without_its_base_it_keeps_its_map(void **state) {
    struct based *t = *state;
    struct spool_file *f;
    do_write(t->box, t->f, 2, 0, 100);
    spool_unref(t->f);
    assert_int_equal(spool_reopen(t->box->spool, 1, NULL, false, &f), 0);
    spool_unref(f);
    assert_int_equal(spool_reopen(t->box->spool, 1, t->base, false, &t->f), 0);
    assert_true(has_map(t));
    assert_bytes(t->box, t->f, 2, 0, 100);
}

static void test_size_is_the_base_s(void **state) {
    struct based *t = *state;
    assert_int_equal(file_size(t->f), BASE);
    assert_true(has_map(t));
}

static void test_read_goes_to_the_base_and_copies_nothing(void **state) {
    struct based *t = *state;
    assert_bytes(t->box, t->f, 1, 0, BASE);
    assert_int_equal(allocated(t), 0);
}

static void test_write_to_a_part_copies_that_block_up(void **state) {
    struct based *t = *state;
    do_write(t->box, t->f, 2, MIB + 100, 50);
    assert_bytes(t->box, t->f, 1, 0, MIB + 100);
    assert_bytes(t->box, t->f, 2, MIB + 100, 50);
    assert_bytes(t->box, t->f, 1, MIB + 150, BASE - MIB - 150);
    assert_int_equal(allocated(t), MIB);
}

static void test_write_across_blocks_copies_up_its_ends_only(void **state) {
    struct based *t = *state;
    do_write(t->box, t->f, 2, MIB - 1, 2 * MIB + 2);
    assert_bytes(t->box, t->f, 1, 0, MIB - 1);
    assert_bytes(t->box, t->f, 2, MIB - 1, 2 * MIB + 2);
    assert_bytes(t->box, t->f, 1, 3 * MIB + 1, BASE - 3 * MIB - 1);
}

static void test_write_of_whole_blocks_fetches_nothing(void **state) {
    struct based *t = *state;
    do_write(t->box, t->f, 2, MIB, 2 * MIB);
    do_write(t->box, t->f, 2, 4 * MIB, MIB / 2); /* all there is of the last one */
    assert_int_equal(gets(t), 0);
    assert_bytes(t->box, t->f, 1, 0, MIB);
    assert_bytes(t->box, t->f, 2, MIB, 2 * MIB);
    assert_bytes(t->box, t->f, 1, 3 * MIB, MIB);
    assert_bytes(t->box, t->f, 2, 4 * MIB, MIB / 2);
}

static void test_append_fetches_nothing(void **state) {
    struct based *t = *state;
    do_write(t->box, t->f, 2, BASE, 100);
    do_write(t->box, t->f, 2, 5 * MIB + 7, 10);
    assert_int_equal(gets(t), 0);
    assert_bytes(t->box, t->f, 1, 0, BASE);
    assert_bytes(t->box, t->f, 2, BASE, 100);
    assert_bytes(t->box, t->f, 0, BASE + 100, 5 * MIB + 7 - BASE - 100);
    assert_bytes(t->box, t->f, 2, 5 * MIB + 7, 10);
}

static void test_truncated_bytes_do_not_come_back(void **state) {
    struct based *t = *state;
    do_truncate(t->box, t->f, MIB + 10);
    assert_int_equal(gets(t), 0);
    do_truncate(t->box, t->f, BASE);
    assert_bytes(t->box, t->f, 1, 0, MIB + 10);
    assert_bytes(t->box, t->f, 0, MIB + 10, BASE - MIB - 10);
    kill_and_reopen(t);
    assert_bytes(t->box, t->f, 0, MIB + 10, BASE - MIB - 10);
    do_fill(t->box, t->f);
    assert_bytes(t->box, t->f, 1, 0, MIB + 10);
    assert_bytes(t->box, t->f, 0, MIB + 10, BASE - MIB - 10);
}

static void test_killed_between_cut_and_map(void **state) {
    struct based *t = *state;
    assert_int_equal(ftruncate(spool_fd(t->f), MIB + 10), 0); /* and no more */
    kill_and_reopen(t);
    do_truncate(t->box, t->f, BASE);
    assert_bytes(t->box, t->f, 1, 0, MIB + 10);
    assert_bytes(t->box, t->f, 0, MIB + 10, BASE - MIB - 10);
}

static void test_truncating_to_nothing_needs_the_base_no_more(void **state) {
    struct based *t = *state;
    do_truncate(t->box, t->f, 0);
    assert_false(has_map(t));
    do_write(t->box, t->f, 2, 0, 10);
    assert_int_equal(gets(t), 0);
    kill_and_reopen(t);
    assert_int_equal(file_size(t->f), 10);
    assert_bytes(t->box, t->f, 2, 0, 10);
}

static void test_fill_copies_everything_and_drops_the_map(void **state) {
    struct based *t = *state;
    struct stat st;
    do_write(t->box, t->f, 2, 2 * MIB, 10);
    do_fill(t->box, t->f);
    assert_false(has_map(t));
    assert_int_equal(fstat(spool_fd(t->f), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    store_fault_vanish(t->box->store);
    block_cache_shrink(t->box->cache, UINT64_MAX);
    assert_bytes(t->box, t->f, 1, 0, 2 * MIB);
    assert_bytes(t->box, t->f, 2, 2 * MIB, 10);
    assert_bytes(t->box, t->f, 1, 2 * MIB + 10, BASE - 2 * MIB - 10);
}

static void test_fill_of_a_filled_file_is_done_at_once(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    do_fill(t->box, t->f);
    begin_fill(&r, t->f);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
}

static void test_everybody_who_asks_for_a_fill_is_told(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result one = {0}, two = {0};
    begin_fill(&one, t->f);
    begin_fill(&two, t->f);
    fake_env_run(t->box->fake);
    assert_int_equal(one.done, 1);
    assert_int_equal(two.done, 1);
}

static void test_copying_up_keeps_the_mtime(void **state) {
    struct based *t = *state;
    int64_t m;
    assert_int_equal(spool_set_mtime(t->f, 12345), 0);
    do_fill(t->box, t->f);
    spool_stat(t->f, NULL, &m, NULL);
    assert_int_equal(m, 12345);
    kill_and_reopen(t);
    spool_stat(t->f, NULL, &m, NULL);
    assert_int_equal(m, 12345);
}

static void test_mtime_is_right_when_killed_while_copying_up(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    int64_t m;
    assert_int_equal(spool_set_mtime(t->f, 12345), 0);
    begin_read(&r, t->f, 0, 1);
    assert_int_equal(pwrite(spool_fd(t->f), "x", 1, 0), 1); /* as a fill that did not come to its end */
    kill_and_reopen(t);
    spool_stat(t->f, NULL, &m, NULL);
    assert_int_equal(m, 12345);
    assert_bytes(t->box, t->f, 1, 0, BASE);
}

static void test_a_write_sets_the_mtime(void **state) {
    struct based *t = *state;
    int64_t m;
    assert_int_equal(spool_set_mtime(t->f, 12345), 0);
    do_write(t->box, t->f, 2, 0, 5);
    spool_stat(t->f, NULL, &m, NULL);
    assert_true(m > 12345);
}

static void test_failed_fetch_fails_the_write_and_can_be_tried_again(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    unsigned rule = store_fault_refuse_gets(t->box->store);
    begin_write(&r, t->f, "x", 1, 100);
    fake_env_run(t->box->fake);
    fake_env_advance(t->box->fake, 2 * 3600 * NS_PER_S); /* the reader may try for long */
    assert_int_equal(r.done, 1);
    assert_true(r.err < 0);
    store_fault_remove(t->box->store, rule);
    do_write(t->box, t->f, 2, 100, 1);
    assert_bytes(t->box, t->f, 1, 0, 100);
}

static void test_failed_fill_is_told_and_can_be_tried_again(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    unsigned rule = store_fault_refuse_gets(t->box->store);
    begin_fill(&r, t->f);
    fake_env_advance(t->box->fake, 2 * 3600 * NS_PER_S);
    assert_int_equal(r.done, 1);
    assert_true(r.err < 0);
    assert_true(has_map(t));
    store_fault_remove(t->box->store, rule);
    do_fill(t->box, t->f);
    assert_bytes(t->box, t->f, 1, 0, BASE);
}

static void test_write_waits_for_a_fill_and_wins(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result fill = {0}, part = {0}, whole = {0};
    CLEANUP_FREE unsigned char *p = xmalloc(MIB);
    pattern_fill(2, MIB, p, MIB);
    store_fault_hold(t->box->store, FAULT_GET, NULL);
    begin_fill(&fill, t->f);
    fake_env_run(t->box->fake);
    begin_write(&part, t->f, p, 10, 5);
    begin_write(&whole, t->f, p, MIB, MIB);
    memset(p, 0, MIB); /* they were copied */
    fake_env_run(t->box->fake);
    assert_int_equal(part.done + whole.done, 0);
    store_fault_release(t->box->store);
    fake_env_run(t->box->fake);
    assert_int_equal(fill.done, 1);
    assert_int_equal(part.done, 1);
    assert_int_equal(whole.done, 1);
    assert_bytes(t->box, t->f, 2, MIB, MIB);
    assert_bytes(t->box, t->f, 1, 2 * MIB, BASE - 2 * MIB);
    assert_bytes(t->box, t->f, 1, 0, 5);
}

static void test_two_writes_to_one_block_fetch_it_once(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result one = {0}, two = {0};
    store_fault_hold(t->box->store, FAULT_GET, NULL);
    begin_write(&one, t->f, "a", 1, 5);
    begin_write(&two, t->f, "b", 1, 6);
    fake_env_run(t->box->fake);
    assert_int_equal(gets(t), 1);
    store_fault_release(t->box->store);
    fake_env_run(t->box->fake);
    assert_int_equal(one.done + two.done, 2);
    CLEANUP_RESULT struct spool_result r = {0};
    begin_read(&r, t->f, 5, 2);
    assert_memory_equal(r.data, "ab", 2);
}

static void test_truncation_waits_for_a_fill_beyond_it(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result fill = {0}, cut = {0};
    store_fault_hold(t->box->store, FAULT_GET, NULL);
    begin_fill(&fill, t->f);
    fake_env_run(t->box->fake);
    begin_truncate(&cut, t->f, 10);
    fake_env_run(t->box->fake);
    assert_int_equal(cut.done, 0);
    store_fault_release(t->box->store);
    fake_env_run(t->box->fake);
    assert_int_equal(cut.done, 1);
    assert_int_equal(cut.err, 0);
    assert_int_equal(file_size(t->f), 10);
    assert_bytes(t->box, t->f, 1, 0, 10);
}

static void test_read_waits_without_copying_up(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    do_write(t->box, t->f, 2, MIB, MIB);
    store_fault_hold(t->box->store, FAULT_GET, NULL);
    begin_read(&r, t->f, MIB - 10, MIB + 20); /* base, file, base */
    fake_env_run(t->box->fake);
    assert_int_equal(r.done, 0);
    store_fault_release(t->box->store);
    fake_env_run(t->box->fake);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.len, MIB + 20);
    for (size_t i = 0; i < r.len; i++)
        assert_int_equal(r.data[i], pattern_byte(i >= 10 && i < MIB + 10 ? 2 : 1, MIB - 10 + i));
}

static void test_punching_whole_blocks_fetches_nothing(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    begin_fallocate(&r, t->f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, 2 * MIB);
    assert_int_equal(r.done, 1);
    assert_int_equal(gets(t), 0);
    assert_bytes(t->box, t->f, 1, 0, MIB);
    assert_bytes(t->box, t->f, 0, MIB, 2 * MIB);
    assert_bytes(t->box, t->f, 1, 3 * MIB, BASE - 3 * MIB);
}

static void test_punching_a_part_copies_up(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    begin_fallocate(&r, t->f, FALLOC_FL_ZERO_RANGE, 10, MIB);
    fake_env_run(t->box->fake);
    assert_int_equal(r.done, 1);
    assert_bytes(t->box, t->f, 1, 0, 10);
    assert_bytes(t->box, t->f, 0, 10, MIB);
    assert_bytes(t->box, t->f, 1, MIB + 10, BASE - MIB - 10);
}

static void test_reserving_keeps_the_base(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    begin_fallocate(&r, t->f, 0, 0, 6 * MIB);
    assert_int_equal(r.err, 0);
    assert_bytes(t->box, t->f, 1, 0, BASE);
    assert_bytes(t->box, t->f, 0, BASE, 6 * MIB - BASE);
}

static void test_seek_counts_what_is_not_here_as_data(void **state) {
    struct based *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    assert_int_equal(spool_seek(t->f, 100, SEEK_DATA), 100);
    assert_int_equal(spool_seek(t->f, 100, SEEK_HOLE), BASE);
    begin_fallocate(&r, t->f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, MIB);
    assert_int_equal(spool_seek(t->f, 100, SEEK_HOLE), MIB);
    assert_int_equal(spool_seek(t->f, MIB, SEEK_DATA), 2 * MIB);
    assert_int_equal(spool_seek(t->f, 2 * MIB, SEEK_HOLE), BASE);
}

static void test_killed_file_goes_on(void **state) {
    struct based *t = *state;
    do_write(t->box, t->f, 2, MIB + 1, 3);
    do_write(t->box, t->f, 2, 3 * MIB, MIB);
    kill_and_reopen(t);
    assert_bytes(t->box, t->f, 1, 0, MIB + 1);
    assert_bytes(t->box, t->f, 2, MIB + 1, 3);
    assert_bytes(t->box, t->f, 2, 3 * MIB, MIB);
    do_fill(t->box, t->f);
    assert_bytes(t->box, t->f, 2, MIB + 1, 3);
    assert_bytes(t->box, t->f, 1, 4 * MIB, MIB / 2);
}

static void test_lost_map_proves_nothing(void **state) {
    struct based *t = *state;
    CLEANUP_FREE char *map = spool_box_path(t->box, 1, ".map");
    do_write(t->box, t->f, 2, MIB, MIB);
    assert_int_equal(unlink(map), 0);
    kill_and_reopen(t);
    assert_bytes(t->box, t->f, 1, 0, BASE);
}

static void test_power_loss_keeps_what_was_synced(void **state) {
    struct based *t = *state;
    CLEANUP_FREE char *map = spool_box_path(t->box, 1, ".map");
    CLEANUP_RESULT struct spool_result r = {0};
    do_write(t->box, t->f, 2, MIB, MIB);
    begin_sync(&r, t->f);
    fake_env_run(t->box->fake);
    assert_int_equal(r.err, 0);
    do_write(t->box, t->f, 2, 2 * MIB, MIB);
    int fd = open(map, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "another boot id!", 16, 32), 16);
    close(fd);
    kill_and_reopen(t);
    assert_bytes(t->box, t->f, 2, MIB, MIB);
    assert_bytes(t->box, t->f, 1, 2 * MIB, MIB);
}

static void test_new_version_reads_its_predecessor(void **state) {
    struct based *t = *state;
    struct spool_file *v1, *v2;
    assert_int_equal(spool_create(t->box->spool, 2, NULL, &v1), 0);
    do_write(t->box, v1, 3, 0, BASE);
    spool_seal(v1);
    struct content *c = spool_box_content(t->box, 3, BASE);
    assert_true(mem_bucket_delete(t->box->bucket, c->key)); /* it has not been uploaded yet */
    assert_int_equal(spool_new_version(t->box->spool, 3, v1, c, &v2), 0);
    assert_bytes(t->box, v2, 3, 0, BASE);
    do_write(t->box, v2, 2, 10, 10);
    assert_bytes(t->box, v1, 3, 0, BASE);
    spool_remove(v1);
    spool_unref(v1);
    assert_bytes(t->box, v2, 3, 20, BASE - 20);
    do_fill(t->box, v2);
    assert_bytes(t->box, v2, 3, 20, BASE - 20);
    assert_bytes(t->box, v2, 2, 10, 10);
    assert_int_equal(gets(t), 0);
    spool_unref(v2);
    content_unref(c);
}

static void test_predecessor_given_to_the_cache_is_not_read_any_more(void **state) {
    struct based *t = *state;
    struct spool_file *v1, *v2;
    assert_int_equal(spool_create(t->box->spool, 2, NULL, &v1), 0);
    do_write(t->box, v1, 3, 0, BASE);
    spool_seal(v1);
    struct content *c = spool_box_content(t->box, 3, BASE);
    assert_int_equal(spool_new_version(t->box->spool, 3, v1, c, &v2), 0);
    spool_to_cache(v1, c);
    /* The cache evicts by punching holes into what was v1's file. */
    assert_int_equal(fallocate(spool_fd(v1), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BASE), 0);
    assert_bytes(t->box, v2, 3, 0, BASE);
    do_fill(t->box, v2);
    assert_bytes(t->box, v2, 3, 0, BASE);
    spool_unref(v1);
    spool_unref(v2);
    content_unref(c);
}

static void test_predecessor_is_given_again_after_a_restart(void **state) {
    struct based *t = *state;
    struct spool_file *v1, *v2;
    assert_int_equal(spool_create(t->box->spool, 2, NULL, &v1), 0);
    do_write(t->box, v1, 3, 0, BASE);
    spool_seal(v1);
    struct content *c = spool_box_content(t->box, 3, BASE);
    assert_true(mem_bucket_delete(t->box->bucket, c->key));
    assert_int_equal(spool_new_version(t->box->spool, 3, v1, c, &v2), 0);
    spool_unref(v2);
    spool_unref(v1);
    assert_int_equal(spool_reopen(t->box->spool, 2, NULL, true, &v1), 0);
    assert_int_equal(spool_reopen(t->box->spool, 3, c, false, &v2), 0);
    spool_set_prev(v2, v1);
    assert_bytes(t->box, v2, 3, 0, BASE);
    spool_unref(v1);
    do_fill(t->box, v2);
    spool_unref(v2);
    content_unref(c);
}

static void test_unsealed_predecessor_is_refused(void **state) {
    struct based *t = *state;
    struct spool_file *v2;
    assert_int_equal(spool_new_version(t->box->spool, 3, t->f, t->base, &v2), -EINVAL);
}

/* With threads: three writers whose pieces share every block, and a fill, on a real loop and workers. */
#define THREADS 3
#define PIECE (100 * 1024)
#define MANY_BLOCKS (12 * MIB)

struct writer {
    pthread_t thread;
    struct spool_file *f;
    unsigned n;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done; /* guarded by lock */
    int err;   /* guarded by lock */
};

static void writer_done(void *arg, int err) {
    struct writer *w = arg;
    SCOPE_LOCK(&w->lock);
    w->done = true;
    w->err = w->err ? w->err : err;
    pthread_cond_signal(&w->cond);
}

static void writer_wait(struct writer *w) {
    SCOPE_LOCK(&w->lock);
    while (!w->done)
        pthread_cond_wait(&w->cond, &w->lock);
    w->done = false;
}

static void *writer_run(void *arg) {
    struct writer *w = arg;
    CLEANUP_FREE unsigned char *p = xmalloc(PIECE);
    for (uint64_t off = w->n * PIECE; off + PIECE <= MANY_BLOCKS; off += 2 * THREADS * PIECE) {
        pattern_fill(2, off, p, PIECE);
        spool_write(w->f, p, PIECE, off, writer_done, w);
        memset(p, 0, PIECE);
        writer_wait(w);
    }
    return NULL;
}

static void writer_init(struct writer *w, struct spool_file *f, unsigned n) {
    *w = (struct writer){.f = f, .n = n};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->cond, NULL);
}

static void write_with_threads(struct spool_file *f) {
    struct writer w[THREADS], fill;
    writer_init(&fill, f, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        writer_init(&w[i], f, i);
        assert_int_equal(pthread_create(&w[i].thread, NULL, writer_run, &w[i]), 0);
    }
    spool_fill(f, writer_done, &fill);
    writer_wait(&fill);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].err, 0);
    }
    assert_int_equal(fill.err, 0);
}

static void test_with_threads(void **state) {
    struct based *t = *state;
    struct loop *loop;
    struct content *c = spool_box_content(t->box, 1, MANY_BLOCKS);
    assert_int_equal(loop_new(3, &loop), 0);
    struct store *store = store_mem_new(t->box->bucket, loop_env(loop), NULL);
    struct reader_config reader = {.env = loop_env(loop),
                                   .store = store,
                                   .cache = t->box->cache,
                                   .keys = t->box->keys,
                                   .prefix = ".assetfs",
                                   .dir = t->box->dir,
                                   .timeout_ns = 3600 * NS_PER_S};
    struct spool_config cfg = t->box->cfg;
    struct spool *s;
    struct spool_file *f;
    assert_int_equal(reader_new(&reader, &cfg.reader), 0);
    cfg.env = loop_env(loop);
    assert_int_equal(spool_open(&cfg, &s), 0);
    assert_int_equal(spool_create(s, 50, c, &f), 0);
    write_with_threads(f);
    CLEANUP_FREE unsigned char *p = xmalloc(MANY_BLOCKS);
    assert_int_equal(pread(spool_fd(f), p, MANY_BLOCKS, 0), MANY_BLOCKS);
    for (size_t i = 0; i < MANY_BLOCKS; i++) {
        bool written = i / PIECE % (2 * THREADS) < THREADS && (i / PIECE + 1) * PIECE <= MANY_BLOCKS;
        if (p[i] != pattern_byte(written ? 2 : 1, i))
            fail_msg("byte %zu differs", i);
    }
    spool_unref(f);
    spool_close(s);
    reader_free(cfg.reader);
    loop_free(loop);
    store_free(store);
    content_unref(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_size_is_the_base_s),
        TEST(test_opened_without_its_base_it_keeps_its_map),
        TEST(test_read_goes_to_the_base_and_copies_nothing),
        TEST(test_write_to_a_part_copies_that_block_up),
        TEST(test_write_across_blocks_copies_up_its_ends_only),
        TEST(test_write_of_whole_blocks_fetches_nothing),
        TEST(test_append_fetches_nothing),
        TEST(test_truncated_bytes_do_not_come_back),
        TEST(test_killed_between_cut_and_map),
        TEST(test_truncating_to_nothing_needs_the_base_no_more),
        TEST(test_fill_copies_everything_and_drops_the_map),
        TEST(test_fill_of_a_filled_file_is_done_at_once),
        TEST(test_everybody_who_asks_for_a_fill_is_told),
        TEST(test_copying_up_keeps_the_mtime),
        TEST(test_mtime_is_right_when_killed_while_copying_up),
        TEST(test_a_write_sets_the_mtime),
        TEST(test_failed_fetch_fails_the_write_and_can_be_tried_again),
        TEST(test_failed_fill_is_told_and_can_be_tried_again),
        TEST(test_write_waits_for_a_fill_and_wins),
        TEST(test_two_writes_to_one_block_fetch_it_once),
        TEST(test_truncation_waits_for_a_fill_beyond_it),
        TEST(test_read_waits_without_copying_up),
        TEST(test_punching_whole_blocks_fetches_nothing),
        TEST(test_punching_a_part_copies_up),
        TEST(test_reserving_keeps_the_base),
        TEST(test_seek_counts_what_is_not_here_as_data),
        TEST(test_killed_file_goes_on),
        TEST(test_lost_map_proves_nothing),
        TEST(test_power_loss_keeps_what_was_synced),
        TEST(test_new_version_reads_its_predecessor),
        TEST(test_predecessor_given_to_the_cache_is_not_read_any_more),
        TEST(test_predecessor_is_given_again_after_a_restart),
        TEST(test_unsealed_predecessor_is_refused),
        TEST(test_with_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
