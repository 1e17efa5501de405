/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

void ok(int r) {
    assert_int_equal(r, 0);
}

int pair_setup(void **st) {
    struct pair *p = xcalloc(1, sizeof *p);
    p->a = tree_box_new();
    p->b = tree_box_join(p->a, "other");
    *st = p;
    return 0;
}

int pair_teardown(void **st) {
    struct pair *p = *st;
    tree_box_free(p->b);
    tree_box_free(p->a);
    free(p);
    return 0;
}

void share(struct pair *p) {
    box_commit(p->a);
    box_follow(p->b);
}

void part_ways(struct pair *p) {
    p->away = store_fault_vanish(p->b->store);
}

void meet(struct pair *p) {
    box_commit(p->a);
    store_fault_remove(p->b->store, p->away);
    tree_poll_now(p->b->tree);
}

void same(struct pair *p, const char *want) {
    box_commit(p->b);
    box_follow(p->a);
    box_commit(p->a);
    box_follow(p->b);
    assert_view(p->b, want);
    assert_view(p->a, want);
    struct tree_box *const both[] = {p->a, p->b};
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_FREE char *wrong = tree_box_wrong(both[i]);
        if (wrong)
            fail_msg("%s", wrong);
        assert_int_equal(both[i]->tree->pending_rows, 0);
        assert_int_equal(counter_get(&both[i]->counters, COUNTER_CHANGES_VOID), 0);
    }
    assert_memory_equal(&p->a->tree->set, &p->b->tree->set, sizeof p->a->tree->set);
}

static void write_answer(void *arg, int err, size_t n) {
    (void)n;
    *(int *)arg = err;
}

void answer(void *arg, int err) {
    *(int *)arg = err;
}

void write_now(struct file *f, const char *text) {
    int r = 1;
    file_write(f, text, strlen(text), 0, false, write_answer, &r);
    assert_int_equal(r, 0);
}
