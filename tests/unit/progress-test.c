/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/progress.h"
#include "base/env.h"
#include "fs/control.h"
#include "tmpdir.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

static char *bar(uint64_t files, uint64_t done, uint64_t total, int64_t elapsed_ns, unsigned width) {
    struct buf b = BUF_INIT(1024);
    progress_bar(&b, files, done, total, elapsed_ns, width);
    return (char *)buf_take(&b, NULL);
}

static void the_bar_has_bytes_rate_time_and_files(void **state) {
    (void)state;
    CLEANUP_FREE char *s = bar(3, 25 * MIB, 100 * MIB, 5 * NS_PER_S, 120);
    assert_non_null(strstr(s, "[#######.......................]  25%"));
    assert_non_null(strstr(s, "25.0 MiB of 100.0 MiB, 5.0 MiB/s, 16s left, 3 files"));
}

static void the_bar_is_full_at_the_end(void **state) {
    (void)state;
    CLEANUP_FREE char *s = bar(1, 5 * MIB, 5 * MIB, NS_PER_S, 120);
    assert_non_null(strstr(s, "[##############################] 100%"));
    assert_null(strstr(s, "left"));
    assert_non_null(strstr(s, ", 1 file"));
    assert_null(strstr(s, "files"));
}

static void the_bar_begins_without_a_rate(void **state) {
    (void)state;
    CLEANUP_FREE char *s = bar(2, 0, MIB, 0, 120);
    assert_non_null(strstr(s, "  0%  0 B of 1.0 MiB, 2 files"));
    assert_null(strstr(s, "/s"));
}

static void the_bar_fits_every_width(void **state) {
    (void)state;
    for (unsigned width = 8; width < 200; width++) {
        CLEANUP_FREE char *s = bar(123456, 999 * MIB, 123456 * MIB, NS_PER_S, width);
        assert_in_range(strlen(s), 1, width - 1);
    }
}

static void more_done_than_there_is_does_no_harm(void **state) {
    (void)state;
    CLEANUP_FREE char *s = bar(1, 9 * MIB, 5 * MIB, NS_PER_S, 120);
    assert_non_null(strstr(s, "100%"));
}

static void nothing_to_upload_is_no_percentage(void **state) {
    (void)state;
    CLEANUP_FREE char *s = bar(1, 0, 0, NS_PER_S, 120);
    assert_null(strstr(s, "%"));
}

static void what_is_left_is_said_in_words(void **state) {
    (void)state;
    CLEANUP_FREE char *one = progress_describe(&(struct progress_left){.files = 1, .bytes = 512});
    CLEANUP_FREE char *more = progress_describe(
        &(struct progress_left){.files = 2, .bytes = MIB, .sentence = (char *)"the store is full"});
    CLEANUP_FREE char *none = progress_describe(&(struct progress_left){0});
    assert_string_equal(one, "1 file (512 B) is not in the bucket yet");
    assert_string_equal(more, "2 files (1.0 MiB) are not in the bucket yet: the store is full");
    assert_string_equal(none, "changes of names or attributes are not in the bucket yet");
}

/* A daemon that answers with the text it was given, whatever is asked, and keeps the request. */
struct daemon {
    char *dir, *path;
    pthread_mutex_t mutex;
    const char *says; /* guarded by mutex */
    char asked[64];   /* guarded by mutex */
    struct control *control;
};

static void answer(void *arg, const char *request, struct control_reply *reply) {
    struct daemon *d = arg;
    SCOPE_LOCK(&d->mutex);
    snprintf(d->asked, sizeof d->asked, "%s", request);
    control_say(reply, "progress 2 0 100");
    if (*d->says)
        control_say(reply, "%s", d->says);
}

static int setup(void **state) {
    struct daemon *d = xcalloc(1, sizeof *d);
    pthread_mutex_init(&d->mutex, NULL);
    d->dir = tmpdir_new();
    d->path = tmpdir_path(d->dir, "control");
    *state = d;
    return control_listen(d->path, answer, d, &d->control);
}

static int teardown(void **state) {
    struct daemon *d = *state;
    control_free(d->control);
    free(d->path);
    tmpdir_free(d->dir);
    free(d);
    return 0;
}

static int wait_for(struct daemon *d, const char *says, int64_t timeout_ns, struct progress_left *ret,
                    struct buf *why) {
    pthread_mutex_lock(&d->mutex);
    d->says = says;
    pthread_mutex_unlock(&d->mutex);
    return progress_wait(d->path, "sync", timeout_ns, ret, why);
}

static void assert_asked(struct daemon *d, const char *request) {
    SCOPE_LOCK(&d->mutex);
    assert_string_equal(d->asked, request);
}

static void done_is_durable(void **state) {
    struct progress_left left;
    CLEANUP_BUF struct buf why = BUF_INIT(1024);
    assert_int_equal(wait_for(*state, "done", -1, &left, &why), 0);
    assert_asked(*state, "sync -");
}

static void the_timeout_is_sent_in_milliseconds(void **state) {
    struct progress_left left;
    CLEANUP_BUF struct buf why = BUF_INIT(1024);
    assert_int_equal(wait_for(*state, "done", 90 * NS_PER_S, &left, &why), 0);
    assert_asked(*state, "sync 90000");
}

static void left_is_taken_apart(void **state) {
    struct progress_left left;
    CLEANUP_BUF struct buf why = BUF_INIT(1024);
    assert_int_equal(wait_for(*state, "left 3 4096 a/b.jpg: access denied", 0, &left, &why), 1);
    assert_int_equal(left.files, 3);
    assert_int_equal(left.bytes, 4096);
    assert_string_equal(left.sentence, "a/b.jpg: access denied");
    free(left.sentence);
}

static void left_needs_no_sentence(void **state) {
    struct progress_left left;
    CLEANUP_BUF struct buf why = BUF_INIT(1024);
    assert_int_equal(wait_for(*state, "left 3 4096", 0, &left, &why), 1);
    assert_int_equal(left.files, 3);
    assert_null(left.sentence);
}

static void a_broken_answer_is_not_taken_for_durable(void **state) {
    struct progress_left left;
    CLEANUP_BUF struct buf why = BUF_INIT(1024);
    assert_int_equal(wait_for(*state, "left some", 0, &left, &why), -EPROTO);
    assert_int_equal(wait_for(*state, "", 0, &left, &why), -EPIPE);
}

static void an_error_comes_with_its_sentence(void **state) {
    struct progress_left left;
    CLEANUP_BUF struct buf why = BUF_INIT(1024);
    assert_int_equal(wait_for(*state, "error no such request", 0, &left, &why), -EREMOTEIO);
    assert_string_equal(buf_str(&why), "no such request");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bar_has_bytes_rate_time_and_files),
        cmocka_unit_test(the_bar_is_full_at_the_end),
        cmocka_unit_test(the_bar_begins_without_a_rate),
        cmocka_unit_test(the_bar_fits_every_width),
        cmocka_unit_test(more_done_than_there_is_does_no_harm),
        cmocka_unit_test(nothing_to_upload_is_no_percentage),
        cmocka_unit_test(what_is_left_is_said_in_words),
        TEST(done_is_durable),
        TEST(the_timeout_is_sent_in_milliseconds),
        TEST(left_is_taken_apart),
        TEST(left_needs_no_sentence),
        TEST(a_broken_answer_is_not_taken_for_durable),
        TEST(an_error_comes_with_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
