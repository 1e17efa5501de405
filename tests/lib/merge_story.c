/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "merge_story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define TEXT_SIZE (1u << 20)

int merge_story_setup(void **state) {
    struct story *s = xcalloc(1, sizeof *s);
    struct record root = {.mode = S_IFDIR | MEM_DIR_MODE};
    mem_tree_set_inode(&s->m.tree[MERGE_C], ROOT_INO, &root);
    s->m.host = "B";
    s->m.date = "2026-01-02";
    s->m.next_ino = 300;
    s->a = &s->m.tree[MERGE_N];
    s->b = &s->m.tree[MERGE_V];
    s->next_a = 100;
    s->next_b = 200;
    *state = s;
    return 0;
}

int merge_story_teardown(void **state) {
    struct story *s = *state;
    mem_merge_free(&s->m);
    merge_result_free(&s->result);
    mem_tree_free(&s->view);
    free(s);
    return 0;
}

struct mem_tree *start(struct story *s) {
    return &s->m.tree[MERGE_C];
}

void part(struct story *s) {
    mem_tree_copy(s->a, start(s));
    mem_tree_copy(s->b, start(s));
}

void start_with_f(struct story *s) {
    mem_path_create(start(s), "f", 10, "0");
    part(s);
}

void start_with_f_and_g(struct story *s) {
    mem_path_create(start(s), "f", 10, "0");
    mem_path_create(start(s), "g", 11, "1");
    part(s);
}

void start_with_d(struct story *s) {
    mem_path_mkdir(start(s), "d", 10);
    part(s);
}

void merge(struct story *s) {
    struct merge_source src = mem_merge_source(&s->m);
    assert_int_equal(merge_run(&src, &s->result), 0);
    mem_merge_view(&s->m, &s->result, &s->view);
    const char *wrong = mem_tree_wrong(&s->view);
    if (wrong)
        fail_msg("%s", wrong);
}

static void assert_view(struct story *s, const char *want) {
    CLEANUP_BUF struct buf b = BUF_INIT(TEXT_SIZE);
    mem_path_print(&s->view, &b);
    assert_string_equal(buf_str(&b), want);
}

void merges_to(struct story *s, const char *want) {
    merge(s);
    assert_view(s, want);
}

void assert_nothing_pending(const struct story *s) {
    assert_int_equal(s->result.n_names, 0);
    assert_int_equal(s->result.n_inodes, 0);
}
