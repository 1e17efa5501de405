/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/merge.h"
#include "merge_story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

/* The repair is not given up while there is something to mend. */
static void thousands_of_repairs_come_to_an_end(void **state) {
    struct story *s = *state;
    enum { FILES = 3000 };
    mem_path_mkdir(start(s), "d", 10);
    for (unsigned i = 0; i < FILES; i++) {
        CLEANUP_FREE char *path = xasprintf("d/%04u", i);
        mem_path_create(start(s), path, 1000 + i, "0");
    }
    part(s);
    for (unsigned i = 0; i < FILES; i++) {
        CLEANUP_FREE char *path = xasprintf("d/%04u", i);
        mem_path_write(s->a, path, "p");
    }
    mem_tree_free(s->b);
    struct record root = {.mode = S_IFDIR | MEM_DIR_MODE};
    mem_tree_set_inode(s->b, ROOT_INO, &root); /* rm -r d */
    merge(s);
    assert_nothing_pending(s);
    assert_int_equal(s->view.n_names, FILES + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(thousands_of_repairs_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
