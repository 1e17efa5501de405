/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/uploader.h"
#include "base/loop.h"
#include "spool_box.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MIB ((size_t)1 << 20)

struct bench {
    struct spool_box *box;
    struct uploader_config cfg;
    struct uploader *up;
    bool trusted;
    unsigned n_asked; /* how often trust was asked */
    unsigned order;   /* of the jobs' ends */
    uint64_t next_id;
};

/* One upload and what became of it. */
struct job {
    struct bench *bench;
    struct spool_file *file;
    struct upload_request req;
    struct upload *upload;
    char name[100];
    uint8_t *digests;
    unsigned done, order;
    int err;
    char *key;
    unsigned n_stuck;
    int stuck_err;
    char *reason; /* NULL: not stuck */
};

static bool trust(void *arg, const uint8_t id[DIGEST_SIZE], const char *key) {
    struct bench *t = arg;
    (void)id, (void)key;
    t->n_asked++;
    return t->trusted;
}

static int setup(void **state) {
    struct bench *t = xcalloc(1, sizeof *t);
    t->box = spool_box_new();
    t->cfg = (struct uploader_config){.env = t->box->env,
                                      .writer = t->box->store,
                                      .reader = t->box->store,
                                      .digests_keeper = t->box->reader,
                                      .keys = t->box->keys,
                                      .prefix = ".assetfs",
                                      .parallel = 2,
                                      .trust = trust,
                                      .arg = t};
    t->up = uploader_new(&t->cfg);
    t->next_id = 1;
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct bench *t = *state;
    fake_env_run(t->box->fake);
    uploader_free(t->up);
    spool_box_free(t->box);
    free(t);
    return 0;
}

static void on_done(void *arg, int err, const char *key) {
    struct job *j = arg;
    j->done++;
    j->err = err;
    free(j->key);
    j->key = xstrdup(key);
    j->order = ++j->bench->order;
}

static void on_stuck(void *arg, int err, const char *reason) {
    struct job *j = arg;
    j->n_stuck++;
    j->stuck_err = err;
    free(j->reason);
    j->reason = reason ? xstrdup(reason) : NULL;
}

/* A sealed file of `size` bytes of pattern `seed`, and a request for it under files/<name>. */
static void prepare(struct bench *t, struct job *j, unsigned seed, size_t size, const char *name) {
    CLEANUP_RESULT struct spool_result r = {0};
    *j = (struct job){.bench = t};
    snprintf(j->name, sizeof j->name, "files/%s", name);
    assert_int_equal(spool_create(t->box->spool, t->next_id++, NULL, &j->file), 0);
    do_write(t->box, j->file, seed, 0, size);
    spool_seal(j->file);
    begin_digest(&r, j->file);
    while (!r.done && fake_env_run_one(t->box->fake))
        ;
    assert_int_equal(r.err, 0);
    j->digests = xmemdup(r.data, r.n_digests * DIGEST_SIZE);
    j->req = (struct upload_request){.file = j->file,
                                     .digests = j->digests,
                                     .n_digests = r.n_digests,
                                     .size = size,
                                     .key = j->name,
                                     .done = on_done,
                                     .stuck = on_stuck,
                                     .arg = j};
    memcpy(j->req.id, r.id, sizeof j->req.id);
}

static void submit(struct bench *t, struct job *j) {
    j->upload = uploader_submit(t->up, &j->req);
}

static void run(struct bench *t) {
    fake_env_run(t->box->fake);
}

static void job_free(struct job *j) {
    spool_unref(j->file);
    free(j->digests);
    free(j->key);
    free(j->reason);
}
#define CLEANUP_JOB __attribute__((cleanup(job_free)))

static void assert_uploaded(struct job *j, unsigned seed, const char *key) {
    size_t n;
    assert_int_equal(j->done, 1);
    assert_int_equal(j->err, 0);
    assert_string_equal(j->key, key);
    const unsigned char *p = mem_bucket_get(j->bench->box->bucket, key, &n);
    assert_non_null(p);
    assert_int_equal(n, j->req.size);
    for (size_t i = 0; i < n; i++)
        if (p[i] != pattern_byte(seed, i))
            fail_msg("byte %zu differs", i);
}

static void squat(struct bench *t, const char *key) {
    mem_bucket_set(t->box->bucket, key, "garbage", 7);
}

static void test_puts_the_object(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    struct keep *keep = keep_new();
    keep->cache_control = xstrdup("immutable");
    prepare(t, &j, 1, 1000, "a.jpg");
    j.req.content_type = "image/jpeg";
    j.req.keep = keep;
    submit(t, &j);
    assert_int_equal(j.done, 0);
    j.name[0] = '?'; /* it was copied */
    keep_unref(keep); /* the job has a reference */
    run(t);
    assert_uploaded(&j, 1, "files/a.jpg");
    assert_string_equal(mem_bucket_content_type(t->box->bucket, "files/a.jpg"), "image/jpeg");
    assert_string_equal(mem_bucket_header(t->box->bucket, "files/a.jpg", "Cache-Control"), "immutable");
    assert_int_equal(mem_bucket_count(t->box->bucket, ".assetfs/"), 0);
    assert_int_equal(j.n_stuck, 0);
}

static void test_job_keeps_the_file(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 1000, "a");
    submit(t, &j);
    spool_unref(j.file);
    j.file = NULL;
    run(t);
    assert_uploaded(&j, 1, "files/a");
}

static void test_trouble_is_tried_again_until_it_is_over(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    store_fault_fail(t->box->store, FAULT_PUT, "files/", 1, 12, -ETIMEDOUT);
    submit(t, &j);
    run(t);
    assert_int_equal(j.done, 0);
    fake_env_advance(t->box->fake, 600 * NS_PER_S);
    assert_uploaded(&j, 1, "files/a");
    assert_int_equal(store_fault_puts(t->box->store, "files/"), 13);
    assert_int_equal(j.n_stuck, 0);
}

static void test_backoff_grows(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    store_fault_vanish(t->box->store);
    submit(t, &j);
    fake_env_advance(t->box->fake, 3600 * NS_PER_S);
    size_t n = store_fault_puts(t->box->store, "files/");
    assert_true(n > 60 && n < 700); /* waits of up to 30 s */
    assert_int_equal(j.done, 0);
    uploader_cancel(t->up, j.upload);
    run(t);
}

static void test_lost_answer_is_found_out(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 5 * MIB, "a"); /* fetched in several pieces */
    store_fault_lose_answer(t->box->store, "files/", 1, 1);
    submit(t, &j);
    fake_env_advance(t->box->fake, NS_PER_S);
    assert_uploaded(&j, 1, "files/a");
    assert_int_equal(mem_bucket_count(t->box->bucket, "files/"), 1);
    assert_true(store_fault_gets(t->box->store, "files/") > 1);
}

/* A CDN may remember that nothing was there: the key is looked at more than once before it is put again. */
static void test_a_412_with_nothing_there_is_put_again(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    store_fault_fail(t->box->store, FAULT_PUT, "files/", 1, 1, -EEXIST);
    submit(t, &j);
    fake_env_advance(t->box->fake, 3600 * NS_PER_S);
    assert_uploaded(&j, 1, "files/a");
    assert_int_equal(store_fault_puts(t->box->store, "files/"), 2);
    assert_true(store_fault_gets(t->box->store, "files/") > 1);
    assert_int_equal(j.n_stuck, 0);
}

static void test_known_object_is_not_fetched(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    squat(t, "files/a");
    t->trusted = true;
    submit(t, &j);
    run(t);
    assert_int_equal(j.done, 1);
    assert_string_equal(j.key, "files/a");
    assert_int_equal(t->n_asked, 1);
    assert_int_equal(store_fault_gets(t->box->store, NULL), 0);
}

static void test_same_bytes_are_taken_over(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    unsigned char p[10];
    pattern_fill(1, 0, p, sizeof p);
    prepare(t, &j, 1, 10, "a");
    mem_bucket_set(t->box->bucket, "files/a", p, sizeof p);
    submit(t, &j);
    run(t);
    assert_uploaded(&j, 1, "files/a");
    assert_int_equal(t->n_asked, 1);
}

static void test_squatted_key_takes_the_alternative(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "v1.2/a.tar.gz");
    squat(t, "files/v1.2/a.tar.gz");
    squat(t, "files/v1.2/a.tar-1.gz");
    submit(t, &j);
    run(t);
    assert_uploaded(&j, 1, "files/v1.2/a.tar-2.gz");
    assert_int_equal(j.n_stuck, 0);
}

static void test_squatted_with_the_right_size(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 7, "a.jpg");
    squat(t, "files/a.jpg");
    submit(t, &j);
    run(t);
    assert_uploaded(&j, 1, "files/a-1.jpg");
}

static void test_alternative_without_extension(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job plain, hidden;
    prepare(t, &plain, 1, 10, "v1.2/a");
    prepare(t, &hidden, 2, 10, ".a");
    squat(t, "files/v1.2/a");
    squat(t, "files/.a");
    submit(t, &plain);
    submit(t, &hidden);
    run(t);
    assert_uploaded(&plain, 1, "files/v1.2/a-1");
    assert_uploaded(&hidden, 2, "files/.a-1");
}

static void test_too_many_squatters_is_stuck(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    squat(t, "files/a");
    for (int i = 1; i <= 16; i++) {
        CLEANUP_FREE char *key = xasprintf("files/a-%d", i);
        squat(t, key);
    }
    submit(t, &j);
    fake_env_advance(t->box->fake, 150 * NS_PER_S);
    assert_int_equal(j.done, 0);
    assert_non_null(j.reason);
    assert_int_equal(j.n_stuck, 1); /* tried again meanwhile, and still the same */
    mem_bucket_delete(t->box->bucket, "files/a-3");
    fake_env_advance(t->box->fake, 150 * NS_PER_S);
    assert_uploaded(&j, 1, "files/a-3");
    assert_null(j.reason);
}

static void test_refusal_is_told_once_and_cleared(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    unsigned rule = store_fault_refuse_puts(t->box->store);
    submit(t, &j);
    run(t);
    assert_int_equal(j.n_stuck, 1);
    assert_int_equal(j.stuck_err, -EACCES);
    assert_non_null(j.reason);
    fake_env_advance(t->box->fake, 130 * NS_PER_S);
    assert_int_equal(j.n_stuck, 1);
    assert_int_equal(store_fault_puts(t->box->store, "files/"), 3);
    store_fault_remove(t->box->store, rule);
    fake_env_advance(t->box->fake, 61 * NS_PER_S);
    assert_uploaded(&j, 1, "files/a");
    assert_int_equal(j.n_stuck, 2);
    assert_null(j.reason);
}

static void test_another_reason_is_told(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    store_fault_fail(t->box->store, FAULT_PUT, "files/", 1, 1, -EACCES);
    store_fault_fail(t->box->store, FAULT_PUT, "files/", 2, 1, -ENOSPC);
    submit(t, &j);
    fake_env_advance(t->box->fake, 200 * NS_PER_S);
    assert_uploaded(&j, 1, "files/a");
    assert_int_equal(j.n_stuck, 3);
}

static void test_retry_now_ends_the_wait(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    unsigned rule = store_fault_refuse_puts(t->box->store);
    submit(t, &j);
    run(t);
    store_fault_remove(t->box->store, rule);
    uploader_retry_now(t->up);
    run(t); /* no time passes */
    assert_uploaded(&j, 1, "files/a");
}

static void test_hurry_ends_the_wait(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    store_fault_fail(t->box->store, FAULT_PUT, NULL, 1, 1, -EACCES);
    submit(t, &j);
    run(t);
    uploader_hurry(t->up, j.upload);
    run(t);
    assert_uploaded(&j, 1, "files/a");
}

static void test_no_more_than_parallel_at_once(void **state) {
    struct bench *t = *state;
    struct job j[5];
    store_fault_hold(t->box->store, FAULT_PUT, NULL);
    for (unsigned i = 0; i < 5; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        prepare(t, &j[i], 1 + i, 10, name);
        submit(t, &j[i]);
    }
    run(t);
    assert_int_equal(store_fault_held(t->box->store), 2);
    store_fault_release(t->box->store);
    run(t);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(j[i].done, 1);
        assert_int_equal(j[i].err, 0);
        assert_int_equal(j[i].order, i + 1);
        job_free(&j[i]);
    }
}

static void test_urgent_jobs_go_first(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job a, b, c, d;
    prepare(t, &a, 1, 10, "a");
    prepare(t, &b, 2, 10, "b");
    prepare(t, &c, 3, 10, "c");
    prepare(t, &d, 4, 10, "d");
    c.req.urgent = true;
    d.req.urgent = true;
    submit(t, &a);
    submit(t, &b);
    submit(t, &c);
    submit(t, &d);
    run(t);
    assert_int_equal(c.order, 1);
    assert_int_equal(d.order, 2);
    assert_int_equal(a.order, 3);
    assert_int_equal(b.order, 4);
}

static void test_hurried_job_goes_first(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job a, b, c;
    prepare(t, &a, 1, 10, "a");
    prepare(t, &b, 2, 10, "b");
    prepare(t, &c, 3, 10, "c");
    submit(t, &a);
    submit(t, &b);
    submit(t, &c);
    uploader_hurry(t->up, c.upload);
    run(t);
    assert_int_equal(c.order, 1);
}

static void check_one_bad_object_holds_up_nobody(struct bench *t, int err, int stuck_err) {
    CLEANUP_JOB struct job bad;
    prepare(t, &bad, 1, 10, "bad");
    store_fault_add(
        t->box->store,
        &(struct fault_rule){.kind = FAULT_FAIL, .ops = FAULT_PUT, .prefix = "files/bad", .err = err});
    submit(t, &bad);
    for (unsigned i = 0; i < 10; i++) {
        CLEANUP_JOB struct job j;
        char name[2] = {(char)('a' + i), '\0'};
        prepare(t, &j, 1 + i, 10, name);
        submit(t, &j);
        run(t);
        assert_int_equal(j.done, 1);
        assert_int_equal(j.err, 0);
    }
    assert_int_equal(bad.done, 0);
    assert_int_equal(bad.n_stuck, 1);
    assert_int_equal(bad.stuck_err, stuck_err);
    uploader_cancel(t->up, bad.upload);
    run(t);
}

static void test_one_bad_object_holds_up_nobody(void **state) {
    check_one_bad_object_holds_up_nobody(*state, -EINVAL, -EINVAL);
}

static void test_bytes_that_have_changed_hold_up_nobody(void **state) {
    check_one_bad_object_holds_up_nobody(*state, -EBADMSG, -EIO);
}

static void test_outage_does_not_try_every_job_at_once(void **state) {
    struct bench *t = *state;
    struct job j[50];
    store_fault_vanish(t->box->store);
    for (unsigned i = 0; i < 50; i++) {
        char name[10];
        snprintf(name, sizeof name, "%u", i);
        prepare(t, &j[i], 1 + i, 10, name);
        submit(t, &j[i]);
    }
    fake_env_advance(t->box->fake, 3600 * NS_PER_S);
    assert_true(store_fault_puts(t->box->store, NULL) < 700);
    store_fault_clear(t->box->store);
    fake_env_advance(t->box->fake, 61 * NS_PER_S);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(j[i].done, 1);
        assert_int_equal(j[i].err, 0);
        job_free(&j[i]);
    }
}

static void test_cancelled_before_it_begins(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    submit(t, &j);
    uploader_cancel(t->up, j.upload);
    run(t);
    assert_int_equal(j.done, 1);
    assert_int_equal(j.err, -ECANCELED);
    assert_int_equal(store_fault_puts(t->box->store, NULL), 0);
}

static void test_cancelled_while_it_waits(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    store_fault_refuse_puts(t->box->store);
    submit(t, &j);
    run(t);
    uploader_cancel(t->up, j.upload);
    run(t);
    assert_int_equal(j.done, 1);
    assert_int_equal(j.err, -ECANCELED);
    assert_int_equal(fake_env_next_timer(t->box->fake), -1);
}

static void test_cancelled_put_is_finished_and_forgotten(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, 10, "a");
    store_fault_hold(t->box->store, FAULT_PUT, NULL);
    submit(t, &j);
    run(t);
    uploader_cancel(t->up, j.upload);
    run(t);
    assert_int_equal(j.done, 0);
    store_fault_release(t->box->store);
    run(t);
    assert_int_equal(j.done, 1);
    assert_int_equal(j.err, -ECANCELED);
    assert_true(mem_bucket_has(t->box->bucket, "files/a"));
}

static void test_cancel_all_cancels_what_comes_later_too(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job before, after, urgent;
    prepare(t, &before, 1, 1000, "a");
    prepare(t, &after, 2, 1000, "b");
    prepare(t, &urgent, 3, 1000, "c");
    urgent.req.urgent = true;
    store_fault_vanish(t->box->store); /* nothing of them would ever end by itself */
    submit(t, &before);
    run(t);
    assert_int_equal(before.done, 0);
    uploader_cancel_all(t->up);
    submit(t, &after);
    submit(t, &urgent);
    assert_int_equal(after.done, 0); /* on the loop */
    run(t);
    struct job *const all[] = {&before, &after, &urgent};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        assert_int_equal(all[i]->done, 1);
        assert_int_equal(all[i]->err, -ECANCELED);
    }
    assert_int_equal(store_fault_puts(t->box->store, "files/"), 1);
}

static void test_free_cancels_what_has_not_begun(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job queued, waiting;
    struct uploader *up = uploader_new(&t->cfg);
    prepare(t, &waiting, 1, 10, "a");
    prepare(t, &queued, 2, 10, "b");
    store_fault_refuse_puts(t->box->store);
    waiting.upload = uploader_submit(up, &waiting.req);
    run(t);
    queued.upload = uploader_submit(up, &queued.req);
    uploader_free(up);
    assert_int_equal(queued.err, -ECANCELED);
    assert_int_equal(waiting.err, -ECANCELED);
    run(t); /* what was posted finds nothing */
    assert_int_equal(fake_env_next_timer(t->box->fake), -1);
}

/* With threads: jobs come from two while the loop works. */
#define MANY 100

struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned ended, uploaded; /* guarded by lock */
    struct uploader *up;
    struct spool_file *file;
    struct upload_request req;
};

static void crowd_done(void *arg, int err, const char *key) {
    struct crowd *c = arg;
    (void)key;
    SCOPE_LOCK(&c->lock);
    c->ended++;
    c->uploaded += err == 0;
    pthread_cond_signal(&c->cond);
}

static void *crowd_submit(void *arg) {
    struct crowd *c = arg;
    for (unsigned i = 0; i < MANY; i++) {
        struct upload_request req = c->req;
        CLEANUP_FREE char *key = xasprintf("files/%p-%u", (void *)&req, i);
        req.key = key;
        req.urgent = i % 5 == 0;
        struct upload *u = uploader_submit(c->up, &req);
        (void)u; /* it may have ended already */
        if (i % 7 == 0)
            uploader_retry_now(c->up);
    }
    return NULL;
}

static void test_with_threads(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    struct crowd c = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct loop *loop;
    pthread_t threads[2];
    prepare(t, &j, 1, 5000, "a");
    assert_int_equal(loop_new(2, &loop), 0);
    struct store *store = store_fault_new(store_mem_new(t->box->bucket, loop_env(loop), NULL));
    store_fault_fail(store, FAULT_PUT, NULL, 3, 4, -EIO);
    t->cfg.env = loop_env(loop);
    t->cfg.writer = t->cfg.reader = store;
    c.up = uploader_new(&t->cfg);
    c.req = j.req;
    c.req.done = crowd_done;
    c.req.stuck = NULL;
    c.req.arg = &c;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_submit, &c), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&c.lock);
    while (c.ended < 2 * MANY)
        pthread_cond_wait(&c.cond, &c.lock);
    pthread_mutex_unlock(&c.lock);
    assert_int_equal(c.uploaded, 2 * MANY);
    loop_free(loop);
    uploader_free(c.up);
    store_free(store);
}

/* Files of more than 64 blocks have a digests object. */
#define BIG (64 * MIB + 1)

static char *big_digests_key(struct job *j) {
    return digests_key(".assetfs", j->req.id);
}

static void assert_digests_object(struct bench *t, struct job *j) {
    CLEANUP_FREE char *key = big_digests_key(j);
    CLEANUP_BUF struct buf plain = BUF_INIT(MIB);
    CLEANUP_FREE uint8_t *digests = NULL;
    uint8_t sum[DIGEST_SIZE];
    size_t n;
    digest_of(j->digests, j->req.n_digests * DIGEST_SIZE, sum);
    const void *p = mem_bucket_get(t->box->bucket, key, &n);
    assert_non_null(p);
    struct content *c = content_new(j->req.id, j->req.size, j->name, NULL, sum);
    assert_int_equal(unseal(t->box->keys, key, p, n, &plain), 0);
    assert_int_equal(digests_parse(c, plain.data, plain.len, &digests), 0);
    assert_memory_equal(digests, j->digests, j->req.n_digests * DIGEST_SIZE);
    content_unref(c);
}

static void use_key(struct bench *t) {
    uint8_t key[SEAL_KEY_SIZE];
    memset(key, 7, sizeof key);
    keyring_add(t->box->keys, key);
}

static void test_digests_object_comes_before_the_object(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    CLEANUP_FREE char *key = NULL;
    use_key(t);
    prepare(t, &j, 1, BIG, "big");
    key = big_digests_key(&j);
    store_fault_hold(t->box->store, FAULT_PUT, "files/");
    submit(t, &j);
    run(t);
    assert_true(mem_bucket_has(t->box->bucket, key));
    assert_int_equal(j.done, 0);
    store_fault_release(t->box->store);
    run(t);
    assert_uploaded(&j, 1, "files/big");
    assert_digests_object(t, &j);
}

static void test_digests_object_that_is_there_is_compared(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job one, two;
    use_key(t);
    prepare(t, &one, 1, BIG, "one");
    prepare(t, &two, 1, BIG, "two");
    submit(t, &one);
    run(t);
    submit(t, &two);
    run(t);
    assert_uploaded(&two, 1, "files/two");
    assert_int_equal(store_fault_gets(t->box->store, ".assetfs/digests/"), 1);
    assert_digests_object(t, &two);
}

static void test_digests_put_is_tried_again(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    prepare(t, &j, 1, BIG, "big");
    store_fault_fail(t->box->store, FAULT_PUT, ".assetfs/", 1, 3, -EIO);
    store_fault_lose_answer(t->box->store, ".assetfs/", 4, 1);
    submit(t, &j);
    fake_env_advance(t->box->fake, 60 * NS_PER_S);
    assert_uploaded(&j, 1, "files/big");
    assert_digests_object(t, &j);
}

static void test_squatted_digests_key_is_stuck(void **state) {
    struct bench *t = *state;
    CLEANUP_JOB struct job j;
    use_key(t);
    prepare(t, &j, 1, BIG, "big");
    CLEANUP_FREE char *key = big_digests_key(&j);
    squat(t, key);
    submit(t, &j);
    fake_env_advance(t->box->fake, 150 * NS_PER_S);
    assert_int_equal(j.done, 0);
    assert_int_equal(j.n_stuck, 1);
    assert_non_null(j.reason);
    assert_false(mem_bucket_has(t->box->bucket, "files/big"));
    mem_bucket_delete(t->box->bucket, key);
    fake_env_advance(t->box->fake, 61 * NS_PER_S);
    assert_uploaded(&j, 1, "files/big");
    assert_null(j.reason);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_puts_the_object),
        TEST(test_job_keeps_the_file),
        TEST(test_trouble_is_tried_again_until_it_is_over),
        TEST(test_backoff_grows),
        TEST(test_lost_answer_is_found_out),
        TEST(test_a_412_with_nothing_there_is_put_again),
        TEST(test_known_object_is_not_fetched),
        TEST(test_same_bytes_are_taken_over),
        TEST(test_squatted_key_takes_the_alternative),
        TEST(test_squatted_with_the_right_size),
        TEST(test_alternative_without_extension),
        TEST(test_too_many_squatters_is_stuck),
        TEST(test_refusal_is_told_once_and_cleared),
        TEST(test_another_reason_is_told),
        TEST(test_retry_now_ends_the_wait),
        TEST(test_hurry_ends_the_wait),
        TEST(test_no_more_than_parallel_at_once),
        TEST(test_urgent_jobs_go_first),
        TEST(test_hurried_job_goes_first),
        TEST(test_one_bad_object_holds_up_nobody),
        TEST(test_bytes_that_have_changed_hold_up_nobody),
        TEST(test_outage_does_not_try_every_job_at_once),
        TEST(test_cancelled_before_it_begins),
        TEST(test_cancelled_while_it_waits),
        TEST(test_cancelled_put_is_finished_and_forgotten),
        TEST(test_cancel_all_cancels_what_comes_later_too),
        TEST(test_free_cancels_what_has_not_begun),
        TEST(test_with_threads),
        TEST(test_digests_object_comes_before_the_object),
        TEST(test_digests_object_that_is_there_is_compared),
        TEST(test_digests_put_is_tried_again),
        TEST(test_squatted_digests_key_is_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
