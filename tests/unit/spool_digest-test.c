/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "base/loop.h"
#include "spool_box.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <cmocka.h>

#define MIB ((size_t)1 << 20)

/* Counts what the hashing reads; an errno makes it fail. */
static _Atomic uint64_t bytes_read;
static int read_error;

ssize_t pread(int fd, void *p, size_t n, off_t off) {
    if (read_error) {
        errno = read_error;
        return -1;
    }
    ssize_t r = syscall(SYS_pread64, fd, p, n, off);
    if (r > 0)
        bytes_read += (uint64_t)r;
    return r;
}

static struct spool_file *make(struct spool_box *b) {
    struct spool_file *f;
    assert_int_equal(spool_create(b->spool, 1, NULL, &f), 0);
    bytes_read = 0;
    read_error = 0;
    return f;
}

/* The digests of the file's bytes, the straight way. */
static void assert_digest(struct spool_file *f, const struct spool_result *r) {
    size_t size = (size_t)file_size(f), n;
    CLEANUP_FREE unsigned char *p = xmalloc(size + 1);
    assert_int_equal(syscall(SYS_pread64, spool_fd(f), p, size, 0), size);
    uint8_t id[DIGEST_SIZE];
    CLEANUP_FREE uint8_t *blocks = NULL;
    struct digest_stream *d = digest_stream_new();
    digest_stream_update(d, p, size);
    digest_stream_final(d, id, &blocks, &n);
    digest_stream_free(d);
    assert_int_equal(r->err, 0);
    assert_memory_equal(r->id, id, sizeof id);
    assert_int_equal(r->n_digests, n);
    if (n)
        assert_memory_equal(r->data, blocks, n * DIGEST_SIZE);
}

static void seal_and_check(struct spool_box *b, struct spool_file *f) {
    CLEANUP_RESULT struct spool_result r = {0};
    spool_seal(f);
    begin_digest(&r, f);
    fake_env_run(b->fake);
    assert_int_equal(r.done, 1);
    assert_digest(f, &r);
}

static void test_empty_file(void **state) {
    struct spool_file *f = make(*state);
    seal_and_check(*state, f);
    spool_unref(f);
}

static void test_small_file_is_hashed_once_when_asked(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 3 * MIB + 5);
    assert_int_equal(bytes_read, 0);
    seal_and_check(b, f);
    assert_int_equal(bytes_read, 3 * MIB + 5);
    spool_unref(f);
}

static void test_second_question_is_answered_at_once(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 100);
    seal_and_check(b, f);
    begin_digest(&r, f);
    assert_int_equal(r.done, 1);
    assert_digest(f, &r);
    spool_unref(f);
}

static void test_both_who_ask_meanwhile_are_answered(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result one = {0}, two = {0};
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 100);
    spool_seal(f);
    begin_digest(&one, f);
    begin_digest(&two, f);
    assert_int_equal(one.done + two.done, 0);
    fake_env_run(b->fake);
    assert_digest(f, &one);
    assert_digest(f, &two);
    assert_int_equal(bytes_read, 100);
    spool_unref(f);
}

static void test_hashes_behind_a_writer_in_order(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    for (unsigned i = 0; i < 20; i++)
        do_write(b, f, 1, i * MIB, MIB);
    assert_int_equal(bytes_read, 16 * MIB);
    seal_and_check(b, f);
    assert_int_equal(bytes_read, 20 * MIB);
    spool_unref(f);
}

static struct spool_file *close_and_reopen(struct spool_box *b, struct spool_file *f) {
    uint64_t id = spool_id(f);
    spool_unref(f);
    assert_int_equal(spool_reopen(b->spool, id, NULL, false, &f), 0);
    return f;
}

static void test_hashing_goes_on_after_a_close(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 9 * MIB);
    do_write(b, f, 1, 9 * MIB, MIB);
    assert_int_equal(bytes_read, 9 * MIB);
    f = close_and_reopen(b, f);
    do_write(b, f, 1, 10 * MIB, MIB);
    f = close_and_reopen(b, f);
    seal_and_check(b, f);
    assert_int_equal(bytes_read, 11 * MIB);
    spool_unref(f);
}

static void test_opened_again_while_it_is_hashed(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    CLEANUP_FREE char *p = xcalloc(1, 9 * MIB);
    struct spool_file *f = make(b);
    begin_write(&r, f, p, 9 * MIB, 0);
    f = close_and_reopen(b, f);
    assert_int_equal(bytes_read, 0); /* the job has not run */
    seal_and_check(b, f);
    assert_int_equal(bytes_read, 9 * MIB);
    spool_unref(f);
}

static void test_rewriting_after_a_close_hashes_afresh(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 9 * MIB);
    f = close_and_reopen(b, f);
    do_write(b, f, 2, 4 * MIB, 10);
    f = close_and_reopen(b, f);
    seal_and_check(b, f);
    spool_unref(f);
}

static void test_a_change_behind_our_back_hashes_afresh(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 9 * MIB);
    CLEANUP_FREE char *path = xstrdup(spool_path(f));
    spool_unref(f);
    assert_int_equal(truncate(path, 10 * MIB), 0);
    assert_int_equal(spool_reopen(b->spool, 1, NULL, false, &f), 0);
    bytes_read = 0;
    seal_and_check(b, f);
    assert_int_equal(bytes_read, 10 * MIB);
    spool_unref(f);
}

static void test_one_job_at_a_time(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    CLEANUP_FREE char *p = xcalloc(1, MIB);
    struct spool_file *f = make(b);
    for (unsigned i = 0; i < 40; i++)
        begin_write(&r, f, p, MIB, i * MIB);
    assert_int_equal(fake_env_queued(b->fake), 1);
    fake_env_run(b->fake);
    assert_int_equal(bytes_read, 40 * MIB);
    spool_unref(f);
}

static void test_rewriting_hashed_bytes_hashes_afresh(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    for (unsigned i = 0; i < 10; i++)
        do_write(b, f, 1, i * MIB, MIB);
    do_write(b, f, 2, 4 * MIB, 10);
    uint64_t before = bytes_read;
    do_write(b, f, 1, 10 * MIB, 9 * MIB);
    assert_int_equal(bytes_read, before); /* not begun again behind the writer */
    seal_and_check(b, f);
    assert_int_equal(bytes_read, before + 19 * MIB);
    spool_unref(f);
}

static void test_rewriting_while_the_job_waits_hashes_afresh(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    CLEANUP_FREE char *p = xcalloc(1, 8 * MIB);
    struct spool_file *f = make(b);
    begin_write(&r, f, p, 8 * MIB, 0);
    fake_env_run_one(b->fake); /* the hashing; its end has not been seen */
    begin_write(&r, f, "x", 1, 8 * MIB - 1);
    seal_and_check(b, f);
    spool_unref(f);
}

static void test_rewriting_unhashed_bytes_costs_nothing(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 9 * MIB);
    do_write(b, f, 1, 9 * MIB, MIB);
    do_write(b, f, 2, 9 * MIB, 10);
    seal_and_check(b, f);
    assert_int_equal(bytes_read, 10 * MIB);
    spool_unref(f);
}

static void test_out_of_order_is_hashed_when_asked(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    for (unsigned i = 20; i-- > 0;)
        do_write(b, f, 1, i * MIB, MIB);
    assert_int_equal(bytes_read, 0);
    seal_and_check(b, f);
    spool_unref(f);
}

static void test_cutting_hashed_bytes_hashes_afresh(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 9 * MIB);
    do_truncate(b, f, 5 * MIB);
    do_truncate(b, f, 9 * MIB);
    seal_and_check(b, f);
    spool_unref(f);
}

static void test_cutting_unhashed_bytes(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 8 * MIB);
    do_write(b, f, 1, 8 * MIB, 4 * MIB);
    do_truncate(b, f, 9 * MIB);
    do_truncate(b, f, 11 * MIB);
    seal_and_check(b, f);
    spool_unref(f);
}

static void test_punching_hashed_bytes_hashes_afresh(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 9 * MIB);
    begin_fallocate(&r, f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096);
    assert_int_equal(r.err, 0);
    seal_and_check(b, f);
    spool_unref(f);
}

static void test_not_sealed_is_refused(void **state) {
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(*state);
    begin_digest(&r, f);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, -EINVAL);
    spool_unref(f);
}

static void test_not_filled_is_refused(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct content *c = spool_box_content(b, 1, 2 * MIB);
    struct spool_file *f;
    assert_int_equal(spool_create(b->spool, 1, c, &f), 0);
    spool_seal(f);
    begin_digest(&r, f);
    assert_int_equal(r.err, -EINVAL);
    spool_unref(f);
    content_unref(c);
}

static void test_read_error_is_told_and_asked_again(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 100);
    spool_seal(f);
    read_error = EIO;
    begin_digest(&r, f);
    fake_env_run(b->fake);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, -EIO);
    read_error = 0;
    seal_and_check(b, f);
    spool_unref(f);
}

static void test_read_error_behind_the_writer_is_only_a_delay(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    read_error = EIO;
    do_write(b, f, 1, 0, 9 * MIB);
    read_error = 0;
    seal_and_check(b, f);
    spool_unref(f);
}

/* As a store wants them that puts large files in parts. */
static struct spool_box *in_parts(struct spool_box *b) {
    b->spool = spool_close(b->spool);
    b->cfg.parts_from = 12 * MIB;
    b->cfg.part_size = 5 * MIB;
    assert_int_equal(spool_open(&b->cfg, &b->spool), 0);
    return b;
}

static void assert_parts(struct spool_file *f, size_t want) {
    const uint8_t *parts;
    uint64_t part_size, size = file_size(f);
    size_t n = spool_part_digests(f, &parts, &part_size);
    CLEANUP_FREE unsigned char *p = xmalloc(5 * MIB);
    assert_int_equal(n, want);
    for (size_t i = 0; i < n; i++) {
        uint8_t sum[DIGEST_SIZE];
        uint64_t off = i * part_size, len = MIN(part_size, size - off);
        assert_int_equal(part_size, 5 * MIB);
        assert_int_equal(syscall(SYS_pread64, spool_fd(f), p, len, off), len);
        digest_of(p, len, sum);
        assert_memory_equal(parts + i * DIGEST_SIZE, sum, DIGEST_SIZE);
    }
}

static void test_parts_of_a_file_hashed_behind_its_writer(void **state) {
    struct spool_box *b = in_parts(*state);
    struct spool_file *f = make(b);
    for (unsigned i = 0; i < 13; i++)
        do_write(b, f, 1, i * MIB, MIB);
    seal_and_check(b, f);
    assert_parts(f, 3);
    assert_int_equal(bytes_read, 13 * MIB);
    spool_unref(f);
}

static void test_parts_of_a_file_hashed_when_asked(void **state) {
    struct spool_box *b = in_parts(*state);
    struct spool_file *f = make(b);
    for (unsigned i = 12; i-- > 0;)
        do_write(b, f, 1, i * MIB, MIB);
    seal_and_check(b, f);
    assert_parts(f, 3);
    assert_int_equal(bytes_read, 12 * MIB);
    spool_unref(f);
}

static void test_parts_of_a_file_rewritten(void **state) {
    struct spool_box *b = in_parts(*state);
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 9 * MIB);
    do_write(b, f, 1, 9 * MIB, 9 * MIB);
    do_write(b, f, 2, 4 * MIB, 10);
    seal_and_check(b, f);
    assert_parts(f, 4);
    spool_unref(f);
}

static void test_no_parts_of_a_file_that_is_put_whole(void **state) {
    struct spool_box *b = in_parts(*state);
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 12 * MIB - 1);
    seal_and_check(b, f);
    assert_parts(f, 0);
    spool_unref(f);
}

static void test_no_parts_for_a_store_without(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b);
    do_write(b, f, 1, 0, 13 * MIB);
    seal_and_check(b, f);
    assert_parts(f, 0);
    spool_unref(f);
}

/* With threads: a writer, the worker and the loop at once. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool answered; /* guarded by lock */
static uint8_t answer[DIGEST_SIZE];

static void on_answer(void *arg, int err, const uint8_t id[DIGEST_SIZE], const uint8_t *digests, size_t n) {
    (void)arg, (void)digests, (void)n;
    assert_int_equal(err, 0);
    SCOPE_LOCK(&lock);
    memcpy(answer, id, sizeof answer);
    answered = true;
    pthread_cond_signal(&cond);
}

static void ignore(void *arg, int err) {
    (void)arg, (void)err;
}

static void test_with_threads(void **state) {
    struct spool_box *b = *state;
    struct loop *loop;
    struct spool *s;
    struct spool_file *f;
    struct spool_config cfg = b->cfg;
    CLEANUP_FREE unsigned char *all = xmalloc(24 * MIB);
    assert_int_equal(loop_new(2, &loop), 0);
    cfg.env = loop_env(loop);
    assert_int_equal(spool_open(&cfg, &s), 0);
    assert_int_equal(spool_create(s, 9, NULL, &f), 0);
    pattern_fill(3, 0, all, 24 * MIB);
    for (size_t at = 0; at < 24 * MIB; at += MIB / 8)
        spool_write(f, all + at, MIB / 8, at, ignore, NULL);
    spool_seal(f);
    answered = false;
    spool_digest(f, on_answer, NULL);
    pthread_mutex_lock(&lock);
    while (!answered)
        pthread_cond_wait(&cond, &lock);
    pthread_mutex_unlock(&lock);
    uint8_t want[DIGEST_SIZE];
    digest_of(all, 24 * MIB, want);
    assert_memory_equal(answer, want, sizeof want);
    spool_unref(f);
    spool_close(s);
    loop_free(loop);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, spool_box_setup, spool_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_empty_file),
        TEST(test_small_file_is_hashed_once_when_asked),
        TEST(test_second_question_is_answered_at_once),
        TEST(test_both_who_ask_meanwhile_are_answered),
        TEST(test_hashes_behind_a_writer_in_order),
        TEST(test_hashing_goes_on_after_a_close),
        TEST(test_opened_again_while_it_is_hashed),
        TEST(test_rewriting_after_a_close_hashes_afresh),
        TEST(test_a_change_behind_our_back_hashes_afresh),
        TEST(test_one_job_at_a_time),
        TEST(test_rewriting_hashed_bytes_hashes_afresh),
        TEST(test_rewriting_while_the_job_waits_hashes_afresh),
        TEST(test_rewriting_unhashed_bytes_costs_nothing),
        TEST(test_out_of_order_is_hashed_when_asked),
        TEST(test_cutting_hashed_bytes_hashes_afresh),
        TEST(test_cutting_unhashed_bytes),
        TEST(test_punching_hashed_bytes_hashes_afresh),
        TEST(test_parts_of_a_file_hashed_behind_its_writer),
        TEST(test_parts_of_a_file_hashed_when_asked),
        TEST(test_parts_of_a_file_rewritten),
        TEST(test_no_parts_of_a_file_that_is_put_whole),
        TEST(test_no_parts_for_a_store_without),
        TEST(test_not_sealed_is_refused),
        TEST(test_not_filled_is_refused),
        TEST(test_read_error_is_told_and_asked_again),
        TEST(test_read_error_behind_the_writer_is_only_a_delay),
        TEST(test_with_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
