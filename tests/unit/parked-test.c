/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A write that begins while the snapshot before it is hashed waits for that.
 */
#include "tree/file.h"
#include "tree/file_state.h"
#include "tree_box.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void written(void *arg, int err, size_t n) {
    (void)n;
    *(int *)arg = err;
}

/* Hashing takes a second; it has begun, and a write waits for it. */
static struct file *begin(struct tree_box *b, int *answer) {
    struct file *f;
    int r = 1;
    assert_int_equal(box_create(b, "f"), 0);
    assert_int_equal(file_open(b->tree, box_ino(b, "f"), O_WRONLY, &f), 0);
    file_write(f, "some", 4, 0, false, written, &r);
    assert_int_equal(r, 0);
    sim_delays(b->sim, 0, NS_PER_S);
    for (int i = 0; i < 10000 && !f->settling; i++)
        sim_run(b->sim, NS_PER_MS);
    assert_true(f->settling);
    *answer = 1;
    file_write(f, " more", 5, 4, false, written, answer);
    assert_int_equal(*answer, 1);
    return f;
}

static void goes_on_when_it_is_hashed(void **state) {
    struct tree_box *b = *state;
    int r;
    struct file *f = begin(b, &r);
    sim_run(b->sim, 5 * NS_PER_S);
    assert_int_equal(r, 0);
    file_close(f, O_WRONLY);
    sim_delays(b->sim, 0, 0);
    box_commit(b);
    assert_view(b, "f=some more");
}

static void is_answered_when_the_tree_closes(void **state) {
    struct tree_box *b = *state;
    int r;
    struct file *f = begin(b, &r);
    file_close(f, O_WRONLY);
    tree_box_close(b);
    assert_int_equal(r, -EROFS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(goes_on_when_it_is_hashed),
        TEST(is_answered_when_the_tree_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
