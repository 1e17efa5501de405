/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "base/file.h"
#include "spool_box.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static struct spool_file *make(struct spool_box *b, uint64_t id) {
    struct spool_file *f;
    assert_int_equal(spool_create(b->spool, id, NULL, &f), 0);
    return f;
}

static bool is_there(struct spool_box *b, uint64_t id, const char *suffix) {
    CLEANUP_FREE char *path = spool_box_path(b, id, suffix);
    return access(path, F_OK) == 0;
}

static void put_file(struct spool_box *b, uint64_t id, const char *suffix, const char *text) {
    CLEANUP_FREE char *path = spool_box_path(b, id, suffix);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
}

static void test_directory_is_private(void **state) {
    struct spool_box *b = *state;
    CLEANUP_FREE char *path = xasprintf("%s/spool", b->dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_books(void **state) {
    struct spool_box *b = *state;
    struct spool_file *one = make(b, 1), *two = make(b, 2);
    do_write(b, one, 1, 0, MIB);
    do_write(b, two, 1, 0, 2 * MIB);
    do_write(b, two, 2, 0, 2 * MIB); /* again: nothing more */
    assert_int_equal(spool_files(b->spool), 2);
    assert_int_equal(spool_bytes(b->spool), 3 * MIB);
    spool_seal(two);
    assert_int_equal(spool_bytes(b->spool), 3 * MIB);
    spool_unref(one);
    spool_remove(two);
    assert_int_equal(spool_files(b->spool), 0);
    assert_int_equal(spool_bytes(b->spool), 2 * MIB); /* its room is given back at the last unref */
    spool_unref(two);
    assert_int_equal(spool_bytes(b->spool), 0);
}

static void test_sparse_file_counts_what_it_takes_when_sealed(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b, 1);
    do_write(b, f, 1, 100 * MIB, 4096);
    do_write(b, f, 1, 0, 4096);
    spool_seal(f);
    assert_true(spool_bytes(b->spool) >= 2 * 4096);
    assert_true(spool_bytes(b->spool) < MIB);
    spool_unref(f);
}

static void test_a_number_is_used_once(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b, 1), *g;
    struct content *c = spool_box_content(b, 1, 10);
    assert_int_equal(spool_create(b->spool, 1, NULL, &g), -EEXIST);
    assert_int_equal(spool_create(b->spool, 1, c, &g), -EEXIST);
    assert_int_equal(spool_files(b->spool), 1);
    spool_unref(f);
    content_unref(c);
}

static void test_killed_file_is_opened_again(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b, 7), *again;
    int64_t before, after;
    do_write(b, f, 1, 0, 3 * MIB + 1);
    assert_int_equal(spool_set_mtime(f, 42), 0);
    spool_stat(f, NULL, &before, NULL);
    struct spool *s = spool_box_again(b);
    assert_int_equal(spool_reopen(s, 7, NULL, false, &again), 0);
    spool_stat(again, NULL, &after, NULL);
    assert_int_equal(file_size(again), 3 * MIB + 1);
    assert_int_equal(before, after);
    assert_int_equal(spool_bytes(s), spool_bytes(b->spool) - (3 * MIB + 1) + (3 * MIB + 4096));
    assert_bytes(b, again, 1, 0, 3 * MIB + 1);
    spool_unref(again);
    spool_close(s);
    spool_unref(f);
}

static void test_opened_again_as_sealed(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    struct spool_file *f = make(b, 7);
    spool_unref(f);
    assert_int_equal(spool_reopen(b->spool, 7, NULL, true, &f), 0);
    begin_write(&r, f, "x", 1, 0);
    assert_int_equal(r.err, -EPERM);
    spool_unref(f);
}

static void test_what_is_not_there_is_not_opened(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f;
    assert_int_equal(spool_reopen(b->spool, 7, NULL, false, &f), -ENOENT);
    assert_int_equal(spool_files(b->spool), 0);
}

static void test_file_stays_when_released(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b, 1);
    assert_string_equal(strrchr(spool_path(f), '/'), "/1");
    assert_int_equal(spool_id(f), 1);
    spool_unref(f);
    assert_true(is_there(b, 1, ""));
}

static void test_removed_file_reads_until_released(void **state) {
    struct spool_box *b = *state;
    struct spool_file *f = make(b, 1);
    do_write(b, f, 1, 0, 100);
    spool_remove(f);
    spool_remove(f);
    assert_false(is_there(b, 1, ""));
    assert_bytes(b, f, 1, 0, 100);
    spool_unref(f);
}

static void test_becomes_the_cache_s_file(void **state) {
    struct spool_box *b = *state;
    CLEANUP_RESULT struct spool_result r = {0};
    b->cfg.cache = b->cache;
    struct spool *s = spool_box_again(b);
    struct spool_file *f;
    struct content *c = spool_box_content(b, 3, 2 * MIB);
    unsigned char byte;
    assert_int_equal(spool_create(s, 1, NULL, &f), 0);
    do_write(b, f, 3, 0, 2 * MIB);
    spool_seal(f);
    begin_digest(&r, f);
    fake_env_run(b->fake);
    assert_memory_equal(r.id, c->id, sizeof r.id);
    spool_to_cache(f, c);
    assert_false(is_there(b, 1, ""));
    assert_int_equal(spool_files(s), 0);
    assert_int_equal(spool_bytes(s), 0);
    assert_true(block_cache_has(b->cache, c, 1));
    assert_int_equal(block_cache_read(b->cache, c, 1, c->digests + DIGEST_SIZE, 5, 1, &byte), 0);
    assert_int_equal(byte, pattern_byte(3, MIB + 5));
    spool_unref(f);
    spool_close(s);
    content_unref(c);
}

/* Sweeping. */
struct swept {
    uint64_t keep[4];
    unsigned n_lost;
    uint64_t lost_id;
    char *lost_path;
};

static bool keep(void *arg, uint64_t id) {
    struct swept *w = arg;
    for (size_t i = 0; i < ARRAY_SIZE(w->keep); i++)
        if (w->keep[i] == id)
            return true;
    return false;
}

static void lost(void *arg, uint64_t id, const char *path) {
    struct swept *w = arg;
    w->n_lost++;
    w->lost_id = id;
    w->lost_path = xstrdup(path);
}

static void test_sweep_keeps_what_is_wanted(void **state) {
    struct spool_box *b = *state;
    struct swept w = {.keep = {1, 3}};
    put_file(b, 1, "", "one");
    put_file(b, 2, "", "two");
    put_file(b, 2, ".map", "map");
    put_file(b, 3, "", "three");
    put_file(b, 3, ".map", "map");
    assert_int_equal(spool_sweep(b->spool, keep, lost, &w), 0);
    assert_true(is_there(b, 1, ""));
    assert_false(is_there(b, 2, ""));
    assert_false(is_there(b, 2, ".map"));
    assert_true(is_there(b, 3, ""));
    assert_true(is_there(b, 3, ".map"));
    assert_int_equal(w.n_lost, 0);
}

static void test_sweep_removes_what_never_came_to_be(void **state) {
    struct spool_box *b = *state;
    struct swept w = {.keep = {1}};
    put_file(b, 1, ".new", "x");
    put_file(b, 1, ".map", "x");
    assert_int_equal(spool_sweep(b->spool, keep, lost, &w), 0);
    assert_false(is_there(b, 1, ".new"));
    assert_false(is_there(b, 1, ".map"));
}

static void test_sweep_leaves_what_it_does_not_know(void **state) {
    struct spool_box *b = *state;
    struct swept w = {0};
    CLEANUP_FREE char *path = xasprintf("%s/spool/notes.txt", b->dir);
    assert_int_equal(file_write_atomic(path, "x", 1, 0600), 0);
    put_file(b, 5, "x", "x");
    assert_int_equal(spool_sweep(b->spool, keep, lost, &w), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_true(is_there(b, 5, "x"));
}

static void test_sweep_sets_the_unreadable_aside(void **state) {
    struct spool_box *b = *state;
    struct swept w = {.keep = {4}};
    CLEANUP_FREE char *path = spool_box_path(b, 4, "");
    CLEANUP_FREE char *want = xasprintf("%s/lost/4", b->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(spool_sweep(b->spool, keep, lost, &w), 0);
    assert_int_equal(w.n_lost, 1);
    assert_int_equal(w.lost_id, 4);
    assert_string_equal(w.lost_path, want);
    assert_int_equal(access(want, F_OK), 0);
    assert_false(is_there(b, 4, ""));
    free(w.lost_path);
}

static void test_set_aside(void **state) {
    struct spool_box *b = *state;
    CLEANUP_FREE char *want = xasprintf("%s/lost/1-a_b.jpg", b->dir), *got = NULL;
    CLEANUP_BUF struct buf text = BUF_INIT(100);
    struct spool_file *f = make(b, 1);
    CLEANUP_RESULT struct spool_result r = {0};
    begin_write(&r, f, "hello", 5, 0);
    assert_int_equal(spool_set_aside(f, "a/b.jpg", &got), 0);
    assert_string_equal(got, want);
    assert_int_equal(file_load(got, &text), 0);
    assert_memory_equal(text.data, "hello", 5);
    assert_false(is_there(b, 1, ""));
    assert_int_equal(spool_files(b->spool), 0);
    assert_int_equal(spool_bytes(b->spool), 0);
    spool_unref(f);
    assert_int_equal(access(want, F_OK), 0);
}

static void test_set_aside_replaces_nothing(void **state) {
    struct spool_box *b = *state;
    CLEANUP_FREE char *one = NULL, *two = NULL;
    struct spool_file *f = make(b, 1);
    assert_int_equal(spool_set_aside(f, "x", &one), 0);
    spool_unref(f);
    f = make(b, 1);
    assert_int_equal(spool_set_aside(f, "x", &two), 0);
    spool_unref(f);
    assert_string_not_equal(one, two);
    assert_int_equal(access(one, F_OK), 0);
}

/* kill -9. A child changes a file with a base as fast as it can, and says in shared memory what it begins and
 * what was acknowledged; it is killed somewhere. Every acknowledged change must be there, and nothing else
 * but perhaps the one that was under way. */
#define KILL_BASE (5 * MIB + 12345)
#define KILL_SPACE (7 * MIB)
#define KILL_CHANGES 4096
#define KILL_ROUNDS 12

struct change {
    enum { CHANGE_WRITE, CHANGE_CUT, CHANGE_PUNCH } what;
    uint64_t off, len;
    unsigned seed;
};

struct shared {
    _Atomic unsigned begun, acknowledged;
    struct change changes[KILL_CHANGES];
};

static struct change draw(struct spool_box *b, unsigned i) {
    uint64_t x[3];
    env_random(b->env, x, sizeof x);
    struct change c = {
        .what = CHANGE_WRITE, .seed = 2 + i % 50, .off = x[0] % (6 * MIB), .len = 1 + x[1] % 5000};
    if (x[2] % 10 < 2)
        c.off = c.off / MIB * MIB, c.len = MIB; /* whole blocks */
    if (x[2] % 10 == 8)
        c.what = CHANGE_PUNCH;
    if (x[2] % 30 == 9)
        c.what = CHANGE_CUT;
    return c;
}

static void begin_change(struct spool_result *r, struct spool_file *f, const struct change *c,
                         unsigned char *p) {
    if (c->what == CHANGE_CUT) {
        begin_truncate(r, f, c->off);
    } else if (c->what == CHANGE_PUNCH) {
        begin_fallocate(r, f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, c->off, c->len);
    } else {
        pattern_fill(c->seed, c->off, p, (size_t)c->len);
        begin_write(r, f, p, (size_t)c->len, c->off);
    }
}

/* Databases must not be taken over a fork: the child has a box of its own, but for the spool's directory. */
static _Noreturn void run_child(const char *dir, uint64_t id, unsigned seed, struct shared *sh) {
    setenv("TMPDIR", dir, 1);
    struct spool_box *b = spool_box_new();
    struct content *base = spool_box_content(b, 1, KILL_BASE);
    struct spool *s;
    struct spool_file *f;
    struct spool_result r = {0};
    unsigned char *p = xmalloc(MIB);
    b->cfg.dir = dir;
    fake_env_seed(b->fake, seed);
    if (spool_open(&b->cfg, &s) < 0 || spool_create(s, id, base, &f) < 0)
        _exit(1);
    atomic_store(&sh->begun, 1);
    for (unsigned i = 0; i < KILL_CHANGES; i++) {
        sh->changes[i] = draw(b, i);
        atomic_store(&sh->begun, i + 2);
        begin_change(&r, f, &sh->changes[i], p);
        while (!r.done)
            if (!fake_env_run_one(b->fake))
                _exit(2);
        if (r.err < 0)
            _exit(3);
        atomic_store(&sh->acknowledged, i + 1);
    }
    for (;;)
        pause();
}

/* The file as it must be after a change. */
static void model(unsigned char *m, uint64_t *size, const struct change *c) {
    uint64_t end = c->off + c->len;
    if (c->what == CHANGE_CUT) {
        if (c->off < *size)
            memset(m + c->off, 0, (size_t)(*size - c->off));
        *size = c->off;
    } else if (c->what == CHANGE_PUNCH) {
        if (c->off < *size)
            memset(m + c->off, 0, (size_t)(MIN(end, *size) - c->off));
    } else {
        pattern_fill(c->seed, c->off, m + c->off, (size_t)c->len);
        *size = MAX(*size, end);
    }
}

static size_t first_difference(const unsigned char *a, const unsigned char *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return i;
    return n;
}

/* What is there equals `m` (after k changes), but for the bytes of `open`, which may be as before or after.
 */
static void check_killed(struct spool_box *b, struct spool_file *f, unsigned char *m, uint64_t size,
                         const struct change *open) {
    CLEANUP_RESULT struct spool_result r = {0};
    CLEANUP_FREE unsigned char *after = xmemdup(m, KILL_SPACE);
    uint64_t size_after = size;
    if (open)
        model(after, &size_after, open);
    begin_read(&r, f, 0, KILL_SPACE);
    fake_env_run(b->fake);
    assert_int_equal(r.err, 0);
    /* A write that was cut off may have grown the file by a part. */
    assert_true(r.len >= MIN(size, size_after) && r.len <= MAX(size, size_after));
    for (size_t i = 0; i < r.len; i++)
        if (r.data[i] != m[i] && r.data[i] != after[i])
            fail_msg("byte %zu is %02x, not %02x", i, r.data[i], m[i]);
    if (!open)
        assert_int_equal(first_difference(r.data, m, r.len), r.len);
}

static void kill_once(struct spool_box *b, unsigned round, struct content *base, struct shared *sh) {
    memset(sh, 0, sizeof *sh);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        run_child(b->dir, 100 + round, round, sh);
    unsigned until = 2 + round * round * 7 % 400;
    int status;
    while (atomic_load(&sh->begun) < until)
        if (waitpid(pid, &status, WNOHANG) == pid)
            fail_msg("the child ended by itself: %x", (unsigned)status);
        else
            sched_yield();
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));

    CLEANUP_FREE unsigned char *m = xcalloc(1, KILL_SPACE);
    uint64_t size = KILL_BASE;
    unsigned acknowledged = atomic_load(&sh->acknowledged), begun = atomic_load(&sh->begun) - 1;
    pattern_fill(1, 0, m, KILL_BASE);
    for (unsigned i = 0; i < acknowledged; i++)
        model(m, &size, &sh->changes[i]);
    struct spool_file *f;
    assert_int_equal(spool_reopen(b->spool, 100 + round, base, false, &f), 0);
    check_killed(b, f, m, size, begun > acknowledged ? &sh->changes[acknowledged] : NULL);
    do_fill(b, f);
    check_killed(b, f, m, size, begun > acknowledged ? &sh->changes[acknowledged] : NULL);
    spool_remove(f);
    spool_unref(f);
}

static void test_killed_anywhere(void **state) {
    struct spool_box *b = *state;
    struct content *base = spool_box_content(b, 1, KILL_BASE);
    struct shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(sh != MAP_FAILED);
    for (unsigned round = 0; round < KILL_ROUNDS; round++)
        kill_once(b, round, base, sh);
    munmap(sh, sizeof *sh);
    content_unref(base);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, spool_box_setup, spool_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_directory_is_private),
        TEST(test_books),
        TEST(test_sparse_file_counts_what_it_takes_when_sealed),
        TEST(test_a_number_is_used_once),
        TEST(test_killed_file_is_opened_again),
        TEST(test_opened_again_as_sealed),
        TEST(test_what_is_not_there_is_not_opened),
        TEST(test_file_stays_when_released),
        TEST(test_removed_file_reads_until_released),
        TEST(test_becomes_the_cache_s_file),
        TEST(test_sweep_keeps_what_is_wanted),
        TEST(test_sweep_removes_what_never_came_to_be),
        TEST(test_sweep_leaves_what_it_does_not_know),
        TEST(test_sweep_sets_the_unreadable_aside),
        TEST(test_set_aside),
        TEST(test_set_aside_replaces_nothing),
        TEST(test_killed_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
