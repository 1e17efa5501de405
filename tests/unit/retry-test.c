/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/retry.h"
#include "base/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct retry_policy policy = {.base_ns = 100, .cap_ns = 1000, .refused_ns = 7777};

static void no_error_is_ok(void **state) {
    (void)state;
    assert_int_equal(retry_classify(0), RETRY_OK);
}

static void existing_object_is_an_answer(void **state) {
    (void)state;
    assert_int_equal(retry_classify(-EEXIST), RETRY_OK);
}

static void trouble_is_tried_again_soon(void **state) {
    (void)state;
    const int errs[] = {-EIO, -ETIMEDOUT, -ENOENT, -EBADMSG, -ERANGE};
    for (size_t i = 0; i < ARRAY_SIZE(errs); i++)
        assert_int_equal(retry_classify(errs[i]), RETRY_SOON);
}

static void what_somebody_else_must_mend_is_refused(void **state) {
    (void)state;
    const int errs[] = {-EACCES, -EINVAL, -ENOSPC};
    for (size_t i = 0; i < ARRAY_SIZE(errs); i++)
        assert_int_equal(retry_classify(errs[i]), RETRY_REFUSED);
}

static void success_waits_for_nothing(void **state) {
    (void)state;
    assert_int_equal(retry_wait(&policy, 0, 5, UINT64_MAX), 0);
}

static void refusal_waits_its_own_time(void **state) {
    (void)state;
    assert_int_equal(retry_wait(&policy, -EACCES, 1, 0), 7777);
    assert_int_equal(retry_wait(&policy, -EACCES, 99, UINT64_MAX), 7777);
}

static void ceiling_doubles_from_base(void **state) {
    (void)state;
    assert_int_equal(retry_wait(&policy, -EIO, 1, UINT64_MAX), 100);
    assert_int_equal(retry_wait(&policy, -EIO, 2, UINT64_MAX), 200);
    assert_int_equal(retry_wait(&policy, -EIO, 3, UINT64_MAX), 400);
    assert_int_equal(retry_wait(&policy, -EIO, 4, UINT64_MAX), 800);
}

static void ceiling_stops_at_cap(void **state) {
    (void)state;
    assert_int_equal(retry_wait(&policy, -EIO, 5, UINT64_MAX), 1000);
    assert_int_equal(retry_wait(&policy, -EIO, 64, UINT64_MAX), 1000);
    assert_int_equal(retry_wait(&policy, -EIO, UINT32_MAX, UINT64_MAX), 1000);
}

static void no_attempt_counts_as_the_first(void **state) {
    (void)state;
    assert_int_equal(retry_wait(&policy, -EIO, 0, UINT64_MAX), 100);
}

static void jitter_is_full(void **state) {
    (void)state;
    assert_int_equal(retry_wait(&policy, -EIO, 1, 0), 0);
    assert_int_equal(retry_wait(&policy, -EIO, 1, UINT64_MAX / 2), 50);
}

static void jitter_never_leaves_its_range(void **state) {
    (void)state;
    uint64_t random = 1;
    for (unsigned attempt = 1; attempt < 200; attempt++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t ns = retry_wait(&retry_upload, -EIO, attempt, random);
        assert_true(ns >= 0 && ns <= retry_upload.cap_ns);
    }
}

static void policies_are_what_the_header_says(void **state) {
    (void)state;
    assert_int_equal(retry_wait(&retry_upload, -EIO, 1, UINT64_MAX), 200 * NS_PER_MS);
    assert_int_equal(retry_wait(&retry_upload, -EIO, 50, UINT64_MAX), 30 * NS_PER_S);
    assert_int_equal(retry_wait(&retry_upload, -EACCES, 1, 0), 60 * NS_PER_S);
    assert_int_equal(retry_wait(&retry_fetch, -EIO, 1, UINT64_MAX), 50 * NS_PER_MS);
    assert_int_equal(retry_wait(&retry_fetch, -EIO, 50, UINT64_MAX), 5 * NS_PER_S);
    assert_int_equal(retry_wait(&retry_fetch, -EACCES, 1, 0), 5 * NS_PER_S);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_error_is_ok),
        cmocka_unit_test(existing_object_is_an_answer),
        cmocka_unit_test(trouble_is_tried_again_soon),
        cmocka_unit_test(what_somebody_else_must_mend_is_refused),
        cmocka_unit_test(success_waits_for_nothing),
        cmocka_unit_test(refusal_waits_its_own_time),
        cmocka_unit_test(ceiling_doubles_from_base),
        cmocka_unit_test(ceiling_stops_at_cap),
        cmocka_unit_test(no_attempt_counts_as_the_first),
        cmocka_unit_test(jitter_is_full),
        cmocka_unit_test(jitter_never_leaves_its_range),
        cmocka_unit_test(policies_are_what_the_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
