/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "checkpoint_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

bool checkpoint_finished(struct tree_box *b, uint64_t round, struct tree_checkpoint *c) {
    tree_checkpoint_look(b->tree, round, c);
    return c->done;
}

struct tree_checkpoint checkpoint_make(struct tree_box *b) {
    struct tree_checkpoint c;
    uint64_t round;
    assert_int_equal(tree_checkpoint_begin(b->tree, &round), 0);
    for (int i = 0; i < 600 && !checkpoint_finished(b, round, &c); i++)
        sim_run(b->sim, NS_PER_S / 10);
    assert_true(c.done);
    return c;
}

void checkpoint_made(struct tree_box *b) {
    struct tree_checkpoint c = checkpoint_make(b);
    if (c.err)
        fail_msg("%s", c.why);
    assert_true(c.sequence > 0);
}

static bool list_one(void *arg, const struct names_entry *e) {
    struct checkpoint_listed *l = arg;
    l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n++] = *e;
    return true;
}

struct checkpoint_listed checkpoint_list(struct tree_box *b, uint64_t dir) {
    struct checkpoint_listed l = {0};
    uint64_t up;
    int r;
    while ((r = names_list(b->tree, dir, list_one, &l, &up)) == -EINPROGRESS) {
        assert_int_equal(fault_wait_here(b->tree), 0);
        l.n = 0;
    }
    assert_int_equal(r, 0);
    return l;
}

/* Everything below is asked for, so that box_print() meets no fault. */
void checkpoint_visit(struct tree_box *b, uint64_t dir) {
    struct checkpoint_listed l = checkpoint_list(b, dir);
    for (size_t i = 0; i < l.n; i++)
        if (S_ISDIR(l.v[i].type))
            checkpoint_visit(b, l.v[i].ino);
    free(l.v);
}

void checkpoint_same_view(struct tree_box *a, struct tree_box *b) {
    checkpoint_visit(b, ROOT_INO);
    checkpoint_visit(a, ROOT_INO);
    CLEANUP_FREE char *one = box_print(a), *two = box_print(b), *wrong = tree_box_wrong(b);
    assert_string_equal(one, two);
    if (wrong)
        fail_msg("%s", wrong);
}

/* So many entries with a file each, in a directory of their own. */
void checkpoint_fill_dir(struct tree_box *b, const char *dir, unsigned n) {
    assert_int_equal(box_mkdir(b, dir), 0);
    for (unsigned i = 0; i < n; i++) {
        CLEANUP_FREE char *path = xasprintf("%s/%u", dir, i);
        assert_int_equal(box_put(b, path, path), 0);
        box_commit(b);
    }
}

/* Many files with long names in one directory, in few entries: more than one block. */
void checkpoint_fill_wide(struct tree_box *b, const char *dir) {
    assert_int_equal(box_mkdir(b, dir), 0);
    for (unsigned i = 0; i < 1200; i++) {
        CLEANUP_FREE char *path = xasprintf("%s/%0200u", dir, i);
        assert_int_equal(box_create(b, path), 0);
    }
    box_commit(b);
}

char *checkpoint_key(struct tree_box *b) {
    return checkpoint_ref_key(".assetfs", &b->tree->checkpoint.known.ref);
}
