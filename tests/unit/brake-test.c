/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/brake.h"
#include "fake_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define N 200

struct asker {
    struct brake_wait wait;
    unsigned called;
    int err;
};

static struct fake_env *fake;
static struct brake *brake;
static struct asker askers[N];
static unsigned n_asked, n_gone;

static int setup(void **state) {
    (void)state;
    fake = fake_env_new();
    brake = brake_new(fake_env(fake));
    memset(askers, 0, sizeof askers);
    n_asked = n_gone = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    brake_free(brake);
    fake_env_free(fake);
    return 0;
}

static void go(void *arg, int err) {
    struct asker *a = arg;
    a->called++;
    a->err = err;
    n_gone += err == 0;
}

static struct asker *ask_until(bool urgent, int64_t deadline) {
    struct asker *a = &askers[n_asked++];
    assert_true(n_asked <= N);
    a->wait = (struct brake_wait){.go = go, .arg = a, .urgent = urgent, .deadline = deadline};
    brake_ask(brake, &a->wait);
    return a;
}

static struct asker *ask(void) {
    return ask_until(false, INT64_MAX);
}

static void ask_many(unsigned n) {
    while (n--)
        ask();
}

static void wait_for_a_pause(void) {
    fake_env_advance(fake, 5 * NS_PER_S);
}

static void nobody_waits_as_long_as_nothing_is_refused(void **state) {
    (void)state;
    ask_many(100);
    assert_int_equal(n_gone, 100);
    for (unsigned i = 0; i < 100; i++)
        brake_end(brake, i % 2 ? BRAKE_ANSWERED : BRAKE_NOTHING);
    ask();
    assert_int_equal(n_gone, 101);
}

static void after_a_refusal_one_goes_at_a_time_and_not_at_once(void **state) {
    (void)state;
    ask();
    brake_end(brake, BRAKE_REFUSED);
    ask_many(50);
    assert_int_equal(n_gone, 1);
    fake_env_advance(fake, 125 * NS_PER_MS);
    assert_int_equal(n_gone, 2);
    fake_env_advance(fake, 60 * NS_PER_S);
    assert_int_equal(n_gone, 2);
}

static void pauses_grow_to_seconds(void **state) {
    (void)state;
    ask_many(40);
    for (unsigned i = 0; i < 40; i++) /* they were under way */
        brake_end(brake, BRAKE_REFUSED);
    ask_many(150);
    n_gone = 0;
    for (unsigned i = 0; i < 600; i++) { /* a minute */
        unsigned before = n_gone;
        fake_env_advance(fake, 100 * NS_PER_MS);
        if (n_gone > before)
            brake_end(brake, BRAKE_REFUSED);
    }
    assert_in_range(n_gone, 60 / 5, 60 / 2.5 + 6);
}

static void answers_open_it_again(void **state) {
    (void)state;
    ask();
    brake_end(brake, BRAKE_REFUSED);
    ask_many(150);
    wait_for_a_pause();
    assert_int_equal(n_gone, 2);
    for (unsigned ended = 1; ended < 151; ended++)
        brake_end(brake, BRAKE_ANSWERED);
    assert_int_equal(n_gone, 151);
    n_gone = 0;
    ask_many(40);
    assert_int_equal(n_gone, 40);
}

/* A journal that may be read beside files that may not. */
static void where_both_answers_come_few_are_refused(void **state) {
    (void)state;
    unsigned refused = 0;
    ask();
    brake_end(brake, BRAKE_REFUSED);
    ask_many(150);
    for (unsigned i = 0; i < 60; i++) {
        unsigned before = n_gone;
        struct asker *journal = ask_until(true, INT64_MAX);
        wait_for_a_pause();
        while (before < n_gone) {
            bool good = journal->called == 1;
            journal->called += good;
            brake_end(brake, good ? BRAKE_ANSWERED : BRAKE_REFUSED);
            refused += !good;
            before++;
        }
        if (n_asked == N)
            break;
    }
    assert_in_range(refused, 1, 3 * 60);
}

static void urgent_ones_go_first(void **state) {
    (void)state;
    ask();
    brake_end(brake, BRAKE_REFUSED);
    ask_many(3);
    struct asker *urgent = ask_until(true, INT64_MAX);
    wait_for_a_pause();
    assert_int_equal(urgent->called, 1);
    assert_int_equal(n_gone, 2);
}

static void a_deadline_holds_also_in_a_pause(void **state) {
    (void)state;
    ask();
    brake_end(brake, BRAKE_REFUSED);
    struct asker *first = ask(); /* goes, and never comes back */
    struct asker *second = ask_until(false, env_mono(fake_env(fake)) + NS_PER_S);
    fake_env_advance(fake, NS_PER_S - 1);
    assert_int_equal(first->called, 1);
    assert_int_equal(second->called, 0);
    fake_env_advance(fake, 1);
    assert_int_equal(second->called, 1);
    assert_int_equal(second->err, -ETIMEDOUT);
}

static void no_answer_changes_nothing(void **state) {
    (void)state;
    ask();
    brake_end(brake, BRAKE_REFUSED);
    ask_many(2);
    wait_for_a_pause();
    assert_int_equal(n_gone, 2);
    brake_end(brake, BRAKE_NOTHING);
    assert_int_equal(n_gone, 3);
}

static void stopping_ends_all_who_wait(void **state) {
    (void)state;
    ask();
    brake_end(brake, BRAKE_REFUSED);
    struct asker *one = ask(), *urgent = ask_until(true, INT64_MAX);
    brake_stop(brake);
    struct asker *late = ask();
    assert_int_equal(one->err, -ECANCELED);
    assert_int_equal(urgent->err, -ECANCELED);
    assert_int_equal(late->err, -ECANCELED);
    assert_int_equal(one->called + urgent->called + late->called, 3);
    assert_int_equal(fake_env_next_timer(fake), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(nobody_waits_as_long_as_nothing_is_refused),
        T(after_a_refusal_one_goes_at_a_time_and_not_at_once),
        T(pauses_grow_to_seconds),
        T(answers_open_it_again),
        T(where_both_answers_come_few_are_refused),
        T(urgent_ones_go_first),
        T(a_deadline_holds_also_in_a_pause),
        T(no_answer_changes_nothing),
        T(stopping_ends_all_who_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
