/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/notify.h"
#include "base/buf.h"
#include "base/env.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A kernel that writes down what it is told, and can be held up. */
struct kernel {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct buf told; /* "e1/name " and "i2d " or "i2a " */
    unsigned calls;  /* how many of them */
    bool held;       /* a call does not return while this is set */
    unsigned everything;
    unsigned missing; /* so many calls answer -ENOENT first */
    bool unknown;     /* knows nothing */
    struct notify *q;
};

static int take(struct kernel *k, bool answers_missing) {
    k->calls++;
    pthread_cond_broadcast(&k->changed);
    while (k->held)
        pthread_cond_wait(&k->changed, &k->mutex);
    if (answers_missing && k->missing > 0) {
        k->missing--;
        return -ENOENT;
    }
    return 0;
}

static int inval_entry(void *arg, uint64_t parent, const char *name, size_t n) {
    struct kernel *k = arg;
    SCOPE_LOCK(&k->mutex);
    buf_printf(&k->told, "e%d/%.*s ", (int)parent, (int)n, name);
    return take(k, false);
}

static int inval_inode(void *arg, uint64_t ino, bool data) {
    struct kernel *k = arg;
    SCOPE_LOCK(&k->mutex);
    buf_printf(&k->told, "i%d%c ", (int)ino, data ? 'd' : 'a');
    return take(k, true);
}

static bool known(void *arg, uint64_t ino ATTR_UNUSED) {
    struct kernel *k = arg;
    SCOPE_LOCK(&k->mutex);
    return !k->unknown;
}

static void everything(void *arg) {
    struct kernel *k = arg;
    SCOPE_LOCK(&k->mutex);
    k->everything++;
    pthread_cond_broadcast(&k->changed);
}

static struct kernel *start(size_t max) {
    struct kernel *k = xcalloc(1, sizeof *k);
    pthread_mutex_init(&k->mutex, NULL);
    pthread_cond_init(&k->changed, NULL);
    k->told = BUF_INIT(1 << 20);
    struct notify_target target = {inval_entry, inval_inode, known, everything, k};
    assert_int_equal(notify_new(&target, max, &k->q), 0);
    return k;
}

static void finish(struct kernel *k) {
    assert_int_equal(notify_stop(k->q, 60 * NS_PER_S), 0);
    notify_free(k->q);
    buf_free(&k->told);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->mutex);
    free(k);
}

static void wait_for_calls(struct kernel *k, unsigned calls) {
    SCOPE_LOCK(&k->mutex);
    while (k->calls < calls)
        pthread_cond_wait(&k->changed, &k->mutex);
}

static void hold(struct kernel *k, bool held) {
    SCOPE_LOCK(&k->mutex);
    k->held = held;
    pthread_cond_broadcast(&k->changed);
}

/* Brings the thread into a call that does not return. */
static void stall(struct kernel *k) {
    hold(k, true);
    notify_inode(k->q, 99, false);
    wait_for_calls(k, 1);
}

static void assert_told(struct kernel *k, const char *expected) {
    SCOPE_LOCK(&k->mutex);
    assert_string_equal(buf_str(&k->told), expected);
}

static void an_inode_is_told_with_and_without_data(void **state) {
    (void)state;
    struct kernel *k = start(100);
    notify_inode(k->q, 5, true);
    notify_inode(k->q, 6, false);
    wait_for_calls(k, 2);
    assert_told(k, "i5d i6a ");
    finish(k);
}

static void an_entry_takes_the_listing_of_its_directory_along(void **state) {
    (void)state;
    struct kernel *k = start(100);
    notify_entry(k->q, 1, "a", 1);
    wait_for_calls(k, 2);
    assert_told(k, "e1/a i1d ");
    finish(k);
}

static void equal_items_are_sent_once(void **state) {
    (void)state;
    struct kernel *k = start(100);
    stall(k);
    for (int i = 0; i < 10; i++) {
        notify_entry(k->q, 1, "a", 1);
        notify_entry(k->q, 1, "b", 1);
    }
    hold(k, false);
    wait_for_calls(k, 4);
    assert_told(k, "i99a e1/a i1d e1/b ");
    finish(k);
}

static void data_wins_when_items_meet(void **state) {
    (void)state;
    struct kernel *k = start(100);
    stall(k);
    notify_inode(k->q, 5, false);
    notify_inode(k->q, 5, true);
    notify_inode(k->q, 5, false);
    hold(k, false);
    wait_for_calls(k, 2);
    assert_told(k, "i99a i5d ");
    finish(k);
}

static void an_item_that_comes_while_it_is_being_sent_is_sent_again(void **state) {
    (void)state;
    struct kernel *k = start(100);
    stall(k);
    notify_inode(k->q, 99, false);
    hold(k, false);
    wait_for_calls(k, 2);
    assert_told(k, "i99a i99a ");
    finish(k);
}

static void names_of_an_inode_and_of_another_are_different(void **state) {
    (void)state;
    struct kernel *k = start(100);
    stall(k);
    notify_entry(k->q, 1, "a", 1);
    notify_entry(k->q, 2, "a", 1);
    notify_entry(k->q, 1, "ab", 2);
    hold(k, false);
    wait_for_calls(k, 6);
    assert_told(k, "i99a e1/a i1d e2/a i2d e1/ab ");
    finish(k);
}

static void what_the_kernel_does_not_know_is_not_told(void **state) {
    (void)state;
    struct kernel *k = start(100);
    k->unknown = true;
    notify_entry(k->q, 7, "a", 1);
    notify_inode(k->q, 7, true);
    assert_int_equal(notify_stop(k->q, 60 * NS_PER_S), 0);
    assert_int_equal(k->calls, 0);
    finish(k);
}

static void a_known_inode_that_is_missing_is_told_again(void **state) {
    (void)state;
    struct kernel *k = start(100);
    k->missing = 2;
    notify_inode(k->q, 5, true);
    wait_for_calls(k, 3);
    assert_told(k, "i5d i5d i5d ");
    finish(k);
}

static void a_known_inode_that_stays_missing_is_given_up(void **state) {
    (void)state;
    struct kernel *k = start(100);
    k->missing = 7;
    notify_inode(k->q, 5, false);
    notify_entry(k->q, 1, "next", 4);
    wait_for_calls(k, 9);
    assert_told(k, "i5a i5a i5a i5a i5a i5a i5a e1/next i1d ");
    finish(k);
}

static void a_full_queue_ends_in_everything(void **state) {
    (void)state;
    struct kernel *k = start(3);
    stall(k);
    for (int i = 0; i < 10; i++)
        notify_inode(k->q, (uint64_t)(10 + i), false);
    hold(k, false);
    pthread_mutex_lock(&k->mutex);
    while (k->everything == 0)
        pthread_cond_wait(&k->changed, &k->mutex);
    assert_string_equal(buf_str(&k->told), "i99a i10a i11a i12a ");
    pthread_mutex_unlock(&k->mutex);
    finish(k);
}

static void a_thread_stuck_in_the_kernel_is_reported(void **state) {
    (void)state;
    struct kernel *k = start(100);
    stall(k);
    assert_int_equal(notify_stop(k->q, NS_PER_MS), -ETIMEDOUT);
    hold(k, false);
    finish(k);
}

static void items_after_the_end_are_ignored(void **state) {
    (void)state;
    struct kernel *k = start(100);
    assert_int_equal(notify_stop(k->q, 60 * NS_PER_S), 0);
    notify_entry(k->q, 1, "a", 1);
    notify_inode(k->q, 1, true);
    assert_int_equal(k->calls, 0);
    finish(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_inode_is_told_with_and_without_data),
        cmocka_unit_test(an_entry_takes_the_listing_of_its_directory_along),
        cmocka_unit_test(equal_items_are_sent_once),
        cmocka_unit_test(data_wins_when_items_meet),
        cmocka_unit_test(an_item_that_comes_while_it_is_being_sent_is_sent_again),
        cmocka_unit_test(names_of_an_inode_and_of_another_are_different),
        cmocka_unit_test(what_the_kernel_does_not_know_is_not_told),
        cmocka_unit_test(a_known_inode_that_is_missing_is_told_again),
        cmocka_unit_test(a_known_inode_that_stays_missing_is_given_up),
        cmocka_unit_test(a_full_queue_ends_in_everything),
        cmocka_unit_test(a_thread_stuck_in_the_kernel_is_reported),
        cmocka_unit_test(items_after_the_end_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
