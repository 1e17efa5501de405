/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/loop.h"
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* What the functions on the loop write down, and what the test waits for. */
struct notes {
    struct loop *loop;
    struct env *env;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t n;         /* guarded by mutex */
    char text[10000]; /* one letter a call; guarded by mutex */
    bool open;        /* a gate for workers; guarded by mutex */
    bool off_loop;    /* something ran on the wrong thread; guarded by mutex */
};

static int setup(void **state) {
    struct notes *s = xcalloc(1, sizeof *s);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    assert_int_equal(loop_new(3, &s->loop), 0);
    s->env = loop_env(s->loop);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    struct notes *s = *state;
    s->loop = loop_free(s->loop);
    assert_null(s->loop);
    assert_false(s->off_loop);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return 0;
}

static void note(struct notes *s, char c) {
    SCOPE_LOCK(&s->mutex);
    s->off_loop |= !loop_is_current(s->loop);
    s->text[s->n++] = c;
    pthread_cond_broadcast(&s->changed);
}

static void wait_for(struct notes *s, size_t n) {
    SCOPE_LOCK(&s->mutex);
    while (s->n < n)
        pthread_cond_wait(&s->changed, &s->mutex);
}

static void pass_gate(struct notes *s) {
    SCOPE_LOCK(&s->mutex);
    while (!s->open)
        pthread_cond_wait(&s->changed, &s->mutex);
}

static void open_gate(struct notes *s) {
    SCOPE_LOCK(&s->mutex);
    s->open = true;
    pthread_cond_broadcast(&s->changed);
}

static void note_p(void *arg) {
    note(arg, 'p');
}

/* A letter and where to write it. */
struct call {
    struct notes *notes;
    struct env_timer timer, *other;
    char c;
};

static void note_call(void *arg) {
    struct call *k = arg;
    note(k->notes, k->c);
}

static void clocks_run(void **state) {
    struct notes *s = *state;
    int64_t a = env_mono(s->env), b = env_mono(s->env);
    assert_true(b >= a);
    assert_true(env_now(s->env) > INT64_C(1600000000) * NS_PER_S);
}

static void random_bytes_differ(void **state) {
    struct notes *s = *state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    env_random(s->env, a, sizeof a);
    env_random(s->env, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 500, b, 500);
    env_random(s->env, NULL, 0);
}

static void posted_in_order(void **state) {
    struct notes *s = *state;
    struct call calls[26];
    for (int i = 0; i < 26; i++) {
        calls[i] = (struct call){.notes = s, .c = (char)('a' + i)};
        env_post(s->env, note_call, &calls[i]);
    }
    wait_for(s, 26);
    assert_memory_equal(s->text, "abcdefghijklmnopqrstuvwxyz", 26);
}

static void post_three_more(void *arg) {
    struct notes *s = arg;
    note(s, '1');
    for (int i = 0; i < 3; i++)
        env_post(s->env, note_p, s);
    note(s, '2');
}

static void post_on_the_loop_runs_later(void **state) {
    struct notes *s = *state;
    env_post(s->env, post_three_more, s);
    wait_for(s, 5);
    assert_memory_equal(s->text, "12ppp", 5);
}

static void test_thread_is_not_the_loop(void **state) {
    struct notes *s = *state;
    assert_false(loop_is_current(s->loop));
}

static void *post_many(void *arg) {
    struct notes *s = arg;
    for (int i = 0; i < 2000; i++)
        env_post(s->env, note_p, s);
    return NULL;
}

static void posts_from_many_threads(void **state) {
    struct notes *s = *state;
    pthread_t t[4];
    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, post_many, s), 0);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        pthread_join(t[i], NULL);
    wait_for(s, 8000);
}

/* Sets all timers on the loop, so that none fires before the last is set. */
struct alarm_list {
    struct notes *notes;
    struct call *calls;
    const int64_t *at;
    size_t n;
};

static void set_alarms(void *arg) {
    struct alarm_list *a = arg;
    for (size_t i = 0; i < a->n; i++) {
        a->calls[i] = (struct call){.notes = a->notes, .c = (char)('a' + i)};
        a->calls[i].timer = (struct env_timer){.fn = note_call, .arg = &a->calls[i]};
        env_timer_set(a->notes->env, &a->calls[i].timer, a->at[i]);
    }
}

static void timers_fire_in_order_of_time(void **state) {
    struct notes *s = *state;
    const int64_t at[] = {50, 10, 40, -5, 30, 20, 60, INT64_MIN, 0};
    struct call calls[ARRAY_SIZE(at)];
    struct alarm_list alarms = {s, calls, at, ARRAY_SIZE(at)};
    env_post(s->env, set_alarms, &alarms);
    wait_for(s, ARRAY_SIZE(at));
    assert_memory_equal(s->text, "hdibfecag", 9);
}

static void timer_in_the_future_fires_not_before(void **state) {
    struct notes *s = *state;
    struct call k = {.notes = s, .c = 't'};
    k.timer = (struct env_timer){.fn = note_call, .arg = &k};
    int64_t at = env_mono(s->env) + 20 * NS_PER_MS;
    env_timer_set(s->env, &k.timer, at);
    wait_for(s, 1);
    assert_true(env_mono(s->env) >= at);
}

static void earlier_timer_wakes_a_waiting_loop(void **state) {
    struct notes *s = *state;
    struct call late = {.notes = s, .c = 'l'}, soon = {.notes = s, .c = 's'};
    late.timer = (struct env_timer){.fn = note_call, .arg = &late};
    soon.timer = (struct env_timer){.fn = note_call, .arg = &soon};
    env_timer_set(s->env, &late.timer, env_mono(s->env) + 3600 * NS_PER_S);
    env_timer_set(s->env, &soon.timer, env_mono(s->env));
    wait_for(s, 1);
    assert_int_equal(s->text[0], 's');
    env_timer_cancel(s->env, &late.timer);
}

static void timer_can_be_moved(void **state) {
    struct notes *s = *state;
    struct call k = {.notes = s, .c = 't'};
    k.timer = (struct env_timer){.fn = note_call, .arg = &k};
    env_timer_set(s->env, &k.timer, env_mono(s->env) + 3600 * NS_PER_S);
    env_timer_set(s->env, &k.timer, 0);
    wait_for(s, 1);
}

static void cancel_other(void *arg) {
    struct call *k = arg;
    env_timer_cancel(k->notes->env, k->other);
    note(k->notes, k->c);
}

static void set_two(void *arg) {
    struct call *k = arg;
    env_timer_set(k[0].notes->env, &k[0].timer, 1);
    env_timer_set(k[1].notes->env, &k[1].timer, 2);
}

/* Both are due; the first cancels the second, which therefore must not run. */
static void cancel_on_the_loop_is_final(void **state) {
    struct notes *s = *state;
    struct call k[2] = {{.notes = s, .c = '1'}, {.notes = s, .c = '2'}};
    k[0].timer = (struct env_timer){.fn = cancel_other, .arg = &k[0]};
    k[0].other = &k[1].timer;
    k[1].timer = (struct env_timer){.fn = note_call, .arg = &k[1]};
    env_post(s->env, set_two, k);
    wait_for(s, 1);
    env_post(s->env, note_p, s);
    wait_for(s, 2);
    assert_memory_equal(s->text, "1p", 2);
}

static void cancel_of_an_unarmed_timer(void **state) {
    struct notes *s = *state;
    struct env_timer t = {0};
    env_timer_cancel(s->env, &t);
    assert_false(t.armed);
}

static void timer_freed_by_itself_noted(void *arg) {
    struct call *k = arg;
    struct notes *s = k->notes;
    free(k);
    note(s, 'f');
}

static void timer_may_free_itself(void **state) {
    struct notes *s = *state;
    struct call *k = xcalloc(1, sizeof *k);
    k->notes = s;
    k->timer = (struct env_timer){.fn = timer_freed_by_itself_noted, .arg = k};
    env_timer_set(s->env, &k->timer, 0);
    wait_for(s, 1);
}

static void set_again(void *arg) {
    struct call *k = arg;
    note(k->notes, k->c);
    env_timer_set(k->notes->env, &k->timer, 0);
}

static void set_and_post_stop(void *arg) {
    struct call *k = arg;
    env_timer_set(k[0].notes->env, &k[0].timer, 0);
    env_post(k[0].notes->env, cancel_other, &k[1]);
}

/* A timer that is always due must not keep the loop from what is posted. */
static void restless_timer_starves_nobody(void **state) {
    struct notes *s = *state;
    struct call k[2] = {{.notes = s, .c = 't'}, {.notes = s, .c = 'x', .other = &k[0].timer}};
    k[0].timer = (struct env_timer){.fn = set_again, .arg = &k[0]};
    env_post(s->env, set_and_post_stop, k);
    wait_for(s, 2);
    env_post(s->env, note_p, s);
    wait_for(s, 3);
    assert_memory_equal(s->text, "txp", 3);
}

#define N_HEAP 300

static void collect(void *arg) {
    struct call *k = arg;
    note(k->notes, (char)(k->timer.at & 0x7f)); /* times below are 0..127 */
}

struct heap_test {
    struct notes *notes;
    struct call calls[N_HEAP];
};

/* Many timers, a third moved, a third cancelled: those left fire in order. */
static void set_many(void *arg) {
    struct heap_test *h = arg;
    unsigned seed = 1;
    for (size_t i = 0; i < N_HEAP; i++) {
        h->calls[i] = (struct call){.notes = h->notes};
        h->calls[i].timer = (struct env_timer){.fn = collect, .arg = &h->calls[i]};
        seed = seed * 1103515245 + 12345;
        env_timer_set(h->notes->env, &h->calls[i].timer, seed >> 16 & 0x7f);
    }
    for (size_t i = 0; i < N_HEAP; i += 3) {
        seed = seed * 1103515245 + 12345;
        env_timer_set(h->notes->env, &h->calls[i].timer, seed >> 16 & 0x7f);
        env_timer_cancel(h->notes->env, &h->calls[i + 1].timer);
    }
}

static void heap_keeps_order(void **state) {
    struct notes *s = *state;
    struct heap_test *h = xcalloc(1, sizeof *h);
    h->notes = s;
    env_post(s->env, set_many, h);
    wait_for(s, N_HEAP * 2 / 3);
    env_post(s->env, note_p, s);
    wait_for(s, N_HEAP * 2 / 3 + 1);
    for (size_t i = 1; i < N_HEAP * 2 / 3; i++)
        assert_true(s->text[i - 1] <= s->text[i]);
    for (size_t i = 1; i < N_HEAP; i += 3)
        assert_false(h->calls[i].timer.armed);
    free(h);
}

struct job {
    struct notes *notes;
    bool on_loop, ran; /* written by the worker, read on the loop afterwards */
};

static void job_run(void *arg) {
    struct job *j = arg;
    j->on_loop = loop_is_current(j->notes->loop);
    j->ran = true;
}

static void job_done(void *arg) {
    struct job *j = arg;
    note(j->notes, j->ran && !j->on_loop ? 'd' : '!');
}

static void work_then_done_on_the_loop(void **state) {
    struct notes *s = *state;
    struct job j = {.notes = s};
    env_work(s->env, job_run, job_done, &j);
    wait_for(s, 1);
    assert_int_equal(s->text[0], 'd');
}

static void job_post(void *arg) {
    struct job *j = arg;
    env_post(j->notes->env, note_p, j->notes);
}

static void work_without_done(void **state) {
    struct notes *s = *state;
    struct job j = {.notes = s};
    env_work(s->env, job_post, NULL, &j);
    wait_for(s, 1);
}

static void job_wait(void *arg) {
    pass_gate(arg);
}

/* All workers are blocked; the loop runs on. */
static void blocked_workers_do_not_block_the_loop(void **state) {
    struct notes *s = *state;
    for (int i = 0; i < 10; i++)
        env_work(s->env, job_wait, note_p, s);
    struct call k = {.notes = s, .c = 'l'};
    env_post(s->env, note_call, &k);
    wait_for(s, 1);
    assert_int_equal(s->text[0], 'l');
    open_gate(s);
    wait_for(s, 11);
}

static void done_starts_work(void *arg) {
    struct job *j = arg;
    note(j->notes, '1');
    env_work(j->notes->env, job_run, job_done, j);
}

/* loop_free() comes while work is queued: all of it runs, and what it starts, too. */
static void free_finishes_the_work(void **state) {
    struct notes *s = *state;
    struct job jobs[20];
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        jobs[i] = (struct job){.notes = s};
        env_work(s->env, job_run, done_starts_work, &jobs[i]);
    }
    s->loop = loop_free(s->loop);
    assert_int_equal(s->n, 40);
}

static void free_runs_what_was_posted(void **state) {
    struct notes *s = *state;
    for (int i = 0; i < 1000; i++)
        env_post(s->env, note_p, s);
    s->loop = loop_free(s->loop);
    assert_int_equal(s->n, 1000);
}

static void free_drops_timers(void **state) {
    struct notes *s = *state;
    struct call k = {.notes = s, .c = 't'};
    k.timer = (struct env_timer){.fn = note_call, .arg = &k};
    env_timer_set(s->env, &k.timer, env_mono(s->env) + 3600 * NS_PER_S);
    s->loop = loop_free(s->loop);
    assert_int_equal(s->n, 0);
    assert_false(k.timer.armed);
}

static void bounds_of_workers(void **state) {
    (void)state;
    struct loop *l = NULL;
    assert_int_equal(loop_new(0, &l), -EINVAL);
    assert_int_equal(loop_new(65, &l), -EINVAL);
    assert_null(l);
    assert_int_equal(loop_new(64, &l), 0);
    assert_null(loop_free(l));
    assert_null(loop_free(NULL));
}

static void look_at_signals(void *arg) {
    struct call *k = arg;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    note(k->notes, sigismember(&blocked, SIGTERM) ? 'b' : '!');
}

static void signals_stay_with_the_main_thread(void **state) {
    struct notes *s = *state;
    struct call k = {.notes = s};
    sigset_t blocked;
    env_post(s->env, look_at_signals, &k);
    wait_for(s, 1);
    assert_int_equal(s->text[0], 'b');
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGTERM));
}

#define WITH_LOOP(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_LOOP(clocks_run),
        WITH_LOOP(random_bytes_differ),
        WITH_LOOP(posted_in_order),
        WITH_LOOP(post_on_the_loop_runs_later),
        WITH_LOOP(test_thread_is_not_the_loop),
        WITH_LOOP(posts_from_many_threads),
        WITH_LOOP(timers_fire_in_order_of_time),
        WITH_LOOP(timer_in_the_future_fires_not_before),
        WITH_LOOP(earlier_timer_wakes_a_waiting_loop),
        WITH_LOOP(timer_can_be_moved),
        WITH_LOOP(cancel_on_the_loop_is_final),
        WITH_LOOP(cancel_of_an_unarmed_timer),
        WITH_LOOP(timer_may_free_itself),
        WITH_LOOP(restless_timer_starves_nobody),
        WITH_LOOP(heap_keeps_order),
        WITH_LOOP(work_then_done_on_the_loop),
        WITH_LOOP(work_without_done),
        WITH_LOOP(blocked_workers_do_not_block_the_loop),
        WITH_LOOP(free_finishes_the_work),
        WITH_LOOP(free_runs_what_was_posted),
        WITH_LOOP(free_drops_timers),
        cmocka_unit_test(bounds_of_workers),
        WITH_LOOP(signals_stay_with_the_main_thread),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
