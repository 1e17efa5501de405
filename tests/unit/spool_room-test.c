/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "spool_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <cmocka.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define MIN_FREE (100 * MIB)

/* The disk: what it says, how often it was asked, and whether a write finds it full. */
static uint64_t disk_free;
static unsigned asked;
static int write_error;

int fstatvfs(int fd, struct statvfs *v) {
    (void)fd;
    asked++;
    *v = (struct statvfs){.f_bsize = 4096, .f_frsize = 4096, .f_bavail = disk_free / 4096};
    return 0;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off) {
    if (write_error) {
        errno = write_error;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, off);
}

struct crowded {
    struct spool_box *box;
    struct spool *spool; /* as the box's, but with min_free */
    struct spool_file *f;
};

static int setup(void **state) {
    struct crowded *t = xcalloc(1, sizeof *t);
    write_error = 0;
    asked = 0;
    disk_free = MIN_FREE;
    t->box = spool_box_new();
    t->box->cfg.min_free = MIN_FREE;
    t->box->cfg.timeout_ns = 60 * NS_PER_S;
    t->spool = spool_box_again(t->box);
    assert_int_equal(spool_create(t->spool, 1, NULL, &t->f), 0);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct crowded *t = *state;
    spool_unref(t->f);
    fake_env_run(t->box->fake);
    spool_close(t->spool);
    spool_box_free(t->box);
    free(t);
    return 0;
}

static const char block[64 * 1024];

static void begin(struct crowded *t, struct spool_result *r, size_t n, uint64_t off) {
    begin_write(r, t->f, block, n, off);
}

static void test_many_writes_ask_the_disk_once(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    disk_free = (uint64_t)10 << 30;
    for (size_t i = 0; i < 256; i++) {
        begin(t, &r, sizeof block, i * sizeof block);
        assert_int_equal(r.err, 0);
    }
    assert_int_equal(asked, 1);
    for (size_t i = 0; i < 512; i++)
        begin(t, &r, sizeof block, (256 + i) * sizeof block);
    assert_true(asked > 1); /* but not once for all */
    assert_int_equal(spool_bytes(t->spool), 768 * sizeof block);
}

static void test_near_the_limit_every_write_asks(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    disk_free = MIN_FREE + 3 * 64 * KIB;
    for (size_t i = 0; i < 3; i++) {
        begin(t, &r, sizeof block, i * sizeof block);
        assert_int_equal(r.err, 0);
        disk_free -= sizeof block;
    }
    assert_int_equal(asked, 3);
    begin(t, &r, sizeof block, 3 * sizeof block);
    assert_int_equal(r.err, -ENOSPC);
}

static void test_full_and_nothing_drains_is_enospc_at_once(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    begin(t, &r, 1, 0);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, -ENOSPC);
    assert_int_equal(file_size(t->f), 0);
}

static void test_overwriting_needs_no_room(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    disk_free = MIN_FREE + MIB;
    begin(t, &r, 10 * KIB, 0);
    disk_free = MIN_FREE;
    begin(t, &r, 10 * KIB, 0);
    assert_int_equal(r.err, 0);
}

static void test_waits_while_something_drains(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    char word[] = "hello";
    t->box->drains = true;
    begin_write(&r, t->f, word, 5, 0);
    memset(word, 'x', 5); /* it was copied */
    fake_env_advance(t->box->fake, 10 * NS_PER_S);
    assert_int_equal(r.done, 0);
    disk_free = MIN_FREE + MIB;
    spool_wake(t->spool);
    fake_env_run(t->box->fake);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
    begin_read(&r, t->f, 0, 10);
    assert_memory_equal(r.data, "hello", 5);
}

static void test_room_that_comes_from_outside_is_noticed(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    t->box->drains = true;
    begin(t, &r, 5, 0);
    disk_free = MIN_FREE + MIB;
    fake_env_advance(t->box->fake, 2 * NS_PER_S);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
}

static void test_enospc_after_the_timeout(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    t->box->drains = true;
    begin(t, &r, 5, 0);
    fake_env_advance(t->box->fake, 59 * NS_PER_S);
    assert_int_equal(r.done, 0);
    fake_env_advance(t->box->fake, 2 * NS_PER_S);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, -ENOSPC);
    assert_int_equal(fake_env_next_timer(t->box->fake), -1);
}

static void test_enospc_when_nothing_drains_any_more(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    t->box->drains = true;
    begin(t, &r, 5, 0);
    t->box->drains = false;
    spool_wake(t->spool);
    fake_env_run(t->box->fake);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, -ENOSPC);
}

static void test_first_come_first_served(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result big = {0}, small = {0};
    t->box->drains = true;
    begin(t, &big, 64 * KIB, 0);
    disk_free = MIN_FREE + 32 * KIB;
    begin(t, &small, 4 * KIB, 64 * KIB); /* would fit */
    fake_env_advance(t->box->fake, 5 * NS_PER_S);
    assert_int_equal(small.done, 0);
    disk_free = MIN_FREE + MIB;
    fake_env_advance(t->box->fake, 2 * NS_PER_S);
    assert_int_equal(big.done, 1);
    assert_int_equal(small.done, 1);
}

static void test_removed_file_makes_room(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *other;
    disk_free = MIN_FREE + sizeof block;
    assert_int_equal(spool_create(t->spool, 2, NULL, &other), 0);
    begin_write(&r, other, block, sizeof block, 0);
    disk_free = MIN_FREE;
    t->box->drains = true;
    begin(t, &r, 60 * KIB, 0);
    spool_remove(other);
    assert_int_equal(spool_bytes(t->spool), sizeof block);
    disk_free = MIN_FREE + sizeof block;
    spool_unref(other);
    assert_int_equal(spool_bytes(t->spool), 0);
    fake_env_run(t->box->fake); /* no time passes */
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
}

static void test_file_given_to_the_cache_makes_room(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *other;
    disk_free = MIN_FREE + sizeof block;
    assert_int_equal(spool_create(t->spool, 2, NULL, &other), 0);
    begin_write(&r, other, block, sizeof block, 0);
    spool_seal(other);
    struct content *c = spool_box_content(t->box, 1, sizeof block);
    disk_free = MIN_FREE;
    t->box->drains = true;
    begin(t, &r, 60 * KIB, 0);
    disk_free = MIN_FREE + sizeof block;
    spool_to_cache(other, c);
    assert_int_equal(spool_bytes(t->spool), 0);
    fake_env_run(t->box->fake);
    assert_int_equal(r.done, 1);
    spool_unref(other);
    content_unref(c);
}

/* Nothing drains any more, but the disk has not got back what has left. */
static void test_file_that_somebody_still_has_open_is_waited_for(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *other;
    disk_free = MIN_FREE + sizeof block;
    assert_int_equal(spool_create(t->spool, 2, NULL, &other), 0);
    begin_write(&r, other, block, sizeof block, 0);
    disk_free = MIN_FREE;
    spool_remove(other);
    begin(t, &r, 60 * KIB, 0);
    fake_env_advance(t->box->fake, 5 * NS_PER_S);
    assert_int_equal(r.done, 0);
    disk_free = MIN_FREE + sizeof block;
    spool_unref(other);
    fake_env_run(t->box->fake); /* no time passes */
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
    disk_free = MIN_FREE;
    begin(t, &r, 60 * KIB, 60 * KIB);
    assert_int_equal(r.err, -ENOSPC); /* and now there is nothing left to wait for */
}

static void test_disk_that_is_full_all_the_same_is_waited_for(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    disk_free = MIN_FREE + MIB;
    write_error = EDQUOT; /* statvfs knows nothing of quotas */
    t->box->drains = true;
    begin(t, &r, 100, 0);
    fake_env_advance(t->box->fake, 5 * NS_PER_S);
    assert_int_equal(r.done, 0);
    write_error = 0;
    fake_env_advance(t->box->fake, 2 * NS_PER_S);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
}

static void test_disk_that_stays_full_is_enospc(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    disk_free = MIN_FREE + MIB;
    write_error = ENOSPC;
    begin(t, &r, 100, 0);
    assert_int_equal(r.err, -ENOSPC);
    t->box->drains = true;
    begin(t, &r, 100, 0);
    fake_env_advance(t->box->fake, 62 * NS_PER_S);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, -ENOSPC);
}

static void test_other_write_errors_are_told(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    disk_free = MIN_FREE + MIB;
    write_error = EIO;
    t->box->drains = true;
    begin(t, &r, 100, 0);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, -EIO);
}

static void test_copying_up_waits_for_room(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct content *c = spool_box_content(t->box, 1, 3 * MIB);
    struct spool_file *f;
    assert_int_equal(spool_create(t->spool, 2, c, &f), 0);
    t->box->drains = true;
    begin_fill(&r, f);
    fake_env_advance(t->box->fake, 2 * NS_PER_S);
    assert_int_equal(r.done, 0);
    disk_free = MIN_FREE + 4 * MIB;
    fake_env_advance(t->box->fake, 2 * NS_PER_S);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.err, 0);
    assert_bytes(t->box, f, 1, 0, 3 * MIB);
    spool_unref(f);
    content_unref(c);
}

static void test_cache_is_shrunk_first(void **state) {
    struct crowded *t = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    t->box->cfg.cache = t->box->cache;
    struct spool *s = spool_box_again(t->box);
    struct spool_file *f;
    disk_free = (uint64_t)10 << 30;
    struct content *c = spool_box_content(t->box, 1, 3 * MIB);
    assert_int_equal(spool_create(s, 3, c, &f), 0);
    begin_read(&r, f, 0, 3 * MIB);
    fake_env_run(t->box->fake);
    uint64_t before = block_cache_bytes(t->box->cache);
    disk_free = MIN_FREE;
    begin_write(&r, f, block, 10, 10);
    fake_env_run(t->box->fake);
    assert_true(before == 0 || block_cache_bytes(t->box->cache) < before);
    assert_int_equal(r.err, -ENOSPC); /* this disk did not become emptier by it */
    spool_unref(f);
    spool_close(s);
    content_unref(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_many_writes_ask_the_disk_once),
        TEST(test_near_the_limit_every_write_asks),
        TEST(test_full_and_nothing_drains_is_enospc_at_once),
        TEST(test_overwriting_needs_no_room),
        TEST(test_waits_while_something_drains),
        TEST(test_room_that_comes_from_outside_is_noticed),
        TEST(test_enospc_after_the_timeout),
        TEST(test_enospc_when_nothing_drains_any_more),
        TEST(test_first_come_first_served),
        TEST(test_removed_file_makes_room),
        TEST(test_file_given_to_the_cache_makes_room),
        TEST(test_file_that_somebody_still_has_open_is_waited_for),
        TEST(test_disk_that_is_full_all_the_same_is_waited_for),
        TEST(test_disk_that_stays_full_is_enospc),
        TEST(test_other_write_errors_are_told),
        TEST(test_copying_up_waits_for_room),
        TEST(test_cache_is_shrunk_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
