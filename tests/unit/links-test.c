/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An inode with very many names, a directory with very many removals: what each call does in the database must not grow with what was done before. SQLite counts the steps; twice
 * the names may take twice of them, and some more for deeper B-trees.
 */
#include "tree/hold.h"
#include "tree/name_kind.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define FEW 150

static struct name_rules *rules;

static void ok(int r) {
    assert_int_equal(r, 0);
}

static struct tree_box *box_new(void) {
    struct tree_box *b = tree_box_new();
    b->cfg.names = rules;
    tree_box_reopen(b);
    return b;
}

/* Of the virtual machine, in all statements so far. */
static uint64_t steps(struct tree_box *b) {
    uint64_t sum = 0;
    for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(b->tree->db.sql, s));)
        sum += (uint64_t)sqlite3_stmt_status(s, SQLITE_STMTSTATUS_VM_STEP, 0);
    return sum;
}

typedef void (*work)(struct tree_box *, int n);

static uint64_t cost(work prepare, work act, int n) {
    struct tree_box *b = box_new();
    prepare(b, n);
    uint64_t before = steps(b);
    act(b, n);
    uint64_t after = steps(b);
    tree_box_free(b);
    return after - before;
}

static void grows_evenly(work prepare, work act) {
    uint64_t few = cost(prepare, act, FEW), many = cost(prepare, act, 4 * FEW);
    if (many > 6 * few)
        fail_msg("%d names take %ju steps, %d take %ju", FEW, (uintmax_t)few, 4 * FEW, (uintmax_t)many);
}

static void one_file(struct tree_box *b, int n) {
    (void)n;
    ok(box_put(b, "file", "text"));
    ok(box_mkdir(b, "d"));
    ok(box_mkdir(b, ".d.jpg.x1Y2z3")); /* a temporary name */
}

static void link_in(struct tree_box *b, const char *dir, int n) {
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *name = xasprintf("%s/l%d", dir, i);
        ok(box_link(b, "file", name));
    }
}

static void link_all(struct tree_box *b, int n) {
    link_in(b, "d", n);
}

static void link_temporary(struct tree_box *b, int n) {
    link_in(b, ".d.jpg.x1Y2z3", n);
}

static void links_pending(struct tree_box *b, int n) {
    one_file(b, n);
    link_all(b, n);
}

static void links_committed(struct tree_box *b, int n) {
    links_pending(b, n);
    box_commit(b);
}

static void files_committed(struct tree_box *b, int n) {
    one_file(b, n);
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *name = xasprintf("d/l%d", i);
        ok(box_create(b, name));
    }
    box_commit(b);
}

static void links_moved(struct tree_box *b, int n) {
    links_committed(b, n);
    ok(box_rename(b, "d/l0", "d/moved", 0));
}

static void commit(struct tree_box *b, int n) {
    (void)n;
    box_commit(b);
}

static void unlink_all(struct tree_box *b, int n) {
    for (int i = n - 1; i > 0; i--) {
        CLEANUP_FREE char *name = xasprintf("d/l%d", i);
        ok(box_unlink(b, name));
    }
}

static void rename_all(struct tree_box *b, int n) {
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *from = xasprintf("d/l%d", i), *to = xasprintf("d/m%d", i);
        ok(box_rename(b, from, to, 0));
    }
}

static void replace_all(struct tree_box *b, int n) {
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *name = xasprintf("d/l%d", i);
        ok(box_create(b, "new"));
        ok(box_rename(b, "new", name, 0));
    }
}

static void look_at_all(struct tree_box *b, int n) {
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *name = xasprintf("d/l%d", i);
        struct truth truth;
        ok(names_truth(b->tree, box_ino(b, name), &truth));
        free(truth.key);
    }
}

static void links_forgotten(struct tree_box *b, int n) {
    links_committed(b, n);
    assert_true(box_forget(b));
}

static void link_more(struct tree_box *b, int n) {
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *name = xasprintf("d/k%d", i);
        ok(box_link(b, "file", name));
    }
}

static void links_are_made(void **st) {
    (void)st;
    grows_evenly(one_file, link_all);
}

static void links_are_made_of_a_committed_file(void **st) {
    (void)st;
    grows_evenly(links_committed, link_more);
}

static void links_are_made_of_a_file_that_is_not_here(void **st) {
    (void)st;
    grows_evenly(links_forgotten, link_more);
}

static void links_are_made_under_temporary_names(void **st) {
    (void)st;
    grows_evenly(one_file, link_temporary);
}

static void pending_links_are_moved(void **st) {
    (void)st;
    grows_evenly(links_pending, rename_all);
}

static void committed_links_are_moved(void **st) {
    (void)st;
    grows_evenly(links_committed, rename_all);
}

static void links_are_committed(void **st) {
    (void)st;
    grows_evenly(links_pending, commit);
}

static void pending_links_are_removed(void **st) {
    (void)st;
    grows_evenly(links_pending, unlink_all);
}

static void committed_links_are_removed(void **st) {
    (void)st;
    grows_evenly(links_committed, unlink_all);
}

static void links_are_removed_when_one_has_moved(void **st) {
    (void)st;
    grows_evenly(links_moved, unlink_all);
}

static void links_are_replaced(void **st) {
    (void)st;
    grows_evenly(links_committed, replace_all);
}

static void links_are_looked_at(void **st) {
    (void)st;
    grows_evenly(links_committed, look_at_all);
}

static void files_of_a_directory_are_removed(void **st) {
    (void)st;
    grows_evenly(files_committed, unlink_all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_made),
        cmocka_unit_test(links_are_made_of_a_committed_file),
        cmocka_unit_test(links_are_made_of_a_file_that_is_not_here),
        cmocka_unit_test(links_are_made_under_temporary_names),
        cmocka_unit_test(pending_links_are_moved),
        cmocka_unit_test(committed_links_are_moved),
        cmocka_unit_test(links_are_committed),
        cmocka_unit_test(pending_links_are_removed),
        cmocka_unit_test(committed_links_are_removed),
        cmocka_unit_test(links_are_removed_when_one_has_moved),
        cmocka_unit_test(links_are_replaced),
        cmocka_unit_test(links_are_looked_at),
        cmocka_unit_test(files_of_a_directory_are_removed),
    };
    rules = name_rules_new(NULL, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    name_rules_free(rules);
    return failed;
}
