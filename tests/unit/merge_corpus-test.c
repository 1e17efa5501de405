/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recorded merges (tests/lib/merge_case.h), a file for each rule that fired in them. They come from random
 * schedules of a model of the rules, which shares no code with this program.
 */
#include "merge_case.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define TEXT_SIZE (1u << 20)

static void replay(const char *name) {
    const char *srcdir = getenv("srcdir");
    CLEANUP_FREE char *path = xasprintf("%s/tests/data/merge/%s", srcdir ? srcdir : ".", name);
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("%s: %s", path, strerror(errno));
    struct merge_case c;
    unsigned ran = 0;
    int r;
    while ((r = merge_case_read(f, &c)) == 1) {
        CLEANUP_BUF struct buf got = BUF_INIT(TEXT_SIZE);
        if (merge_case_run(&c, &got))
            fail_msg("%s: case %s: wanted\n%sgot\n%s", path, c.name, buf_str(&c.want), buf_str(&got));
        merge_case_free(&c);
        ran++;
    }
    merge_case_free(&c);
    fclose(f);
    assert_int_equal(r, 0);
    assert_true(ran > 0);
}

static void recorded_quiet(void **state) {
    (void)state;
    replay("quiet.txt");
}

static void recorded_conflict_name(void **state) {
    (void)state;
    replay("conflict-name.txt");
}

static void recorded_joined(void **state) {
    (void)state;
    replay("joined.txt");
}

static void recorded_both_wrote(void **state) {
    (void)state;
    replay("both-wrote.txt");
}

static void recorded_held(void **state) {
    (void)state;
    replay("held.txt");
}

static void recorded_removed_there(void **state) {
    (void)state;
    replay("removed-there.txt");
}

static void recorded_removed_here(void **state) {
    (void)state;
    replay("removed-here.txt");
}

static void recorded_moved_by_both(void **state) {
    (void)state;
    replay("moved-by-both.txt");
}

static void recorded_loop(void **state) {
    (void)state;
    replay("loop.txt");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_quiet),        cmocka_unit_test(recorded_conflict_name),
        cmocka_unit_test(recorded_joined),       cmocka_unit_test(recorded_both_wrote),
        cmocka_unit_test(recorded_held),         cmocka_unit_test(recorded_removed_there),
        cmocka_unit_test(recorded_removed_here), cmocka_unit_test(recorded_moved_by_both),
        cmocka_unit_test(recorded_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
