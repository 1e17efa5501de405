/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From pending rows to changes: what hangs together, what waits, and in which order.
 */
#include "tree/build.h"
#include "tree/apply.h"
#include "tree_box.h"

#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fixture {
    struct tree_box *b;
    uint64_t held;
    size_t n;
};

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One change: its names in byte order, each with + (new), - (gone) or * (another inode); and @ for each record without a new name. */
static void print_change(const struct change *c, struct buf *out) {
    char **words = xcalloc(c->n_names + 1, sizeof *words);
    size_t records = c->n_inodes;
    for (size_t i = 0; i < c->n_names; i++) {
        const struct name_edit *e = &c->names[i];
        words[i] = xasprintf("%c%.*s", !e->was ? '+' : !e->now ? '-' : '*', (int)e->n, e->name);
    }
    qsort(words, c->n_names, sizeof *words, by_text);
    buf_append_str(out, out->len ? " [" : "[");
    for (size_t i = 0; i < c->n_names; i++) {
        buf_printf(out, "%s%s", i ? " " : "", words[i]);
        free(words[i]);
    }
    for (size_t i = 0; i < records; i++)
        buf_append_str(out, "@");
    buf_append_byte(out, ']');
    free(words);
}

static char *build(struct fixture *f) {
    CLEANUP_BUF struct buf out = BUF_INIT(1 << 20);
    struct tree *t = f->b->tree;
    struct set_digest set;
    struct change *list;
    tree_lock(t);
    set = t->set;
    assert_int_equal(db_begin(&t->db), 0);
    assert_int_equal(build_changes(t, &list, &f->n, &f->held), 0);
    assert_memory_equal(&set, &t->set, sizeof set); /* it leaves everything as it was */
    for (size_t i = 0; i < f->n; i++) {
        print_change(&list[i], &out);
        assert_int_equal(apply_change(t, &list[i], t->session, t->seq + 1, NULL), 1);
        change_free(&list[i]);
    }
    db_rollback(&t->db);
    t->set = set;
    tree_unlock(t);
    free(list);
    return out.len ? (char *)buf_take(&out, NULL) : xstrdup("");
}

static void builds(struct fixture *f, const char *want) {
    CLEANUP_FREE char *got = build(f);
    assert_string_equal(got, want);
}

static void builds_held(struct fixture *f, const char *want, uint64_t held) {
    builds(f, want);
    assert_int_equal(f->held, held);
}

/* Contents get into the bucket, entries do not. */
static void upload(struct fixture *f) {
    sim_run(f->b->sim, 20 * NS_PER_S);
}

static int setup(void **st) {
    struct fixture *f = xcalloc(1, sizeof *f);
    f->b = tree_box_new();
    *st = f;
    return 0;
}

static int teardown(void **st) {
    struct fixture *f = *st;
    store_fault_release(f->b->store);
    tree_box_free(f->b);
    free(f);
    return 0;
}

static void stop_entries(struct fixture *f) {
    store_fault_hold(f->b->store, FAULT_PUT, ".assetfs/journal/");
}

static void ok(int r) {
    assert_int_equal(r, 0);
}

static void nothing(void **st) {
    builds(*st, "");
}

static void an_empty_file_is_ready_at_once(void **st) {
    struct fixture *f = *st;
    stop_entries(f);
    ok(box_create(f->b, "f"));
    builds(f, "[+f@]");
}

static void unrelated_files_are_changes_of_their_own_in_order(void **st) {
    struct fixture *f = *st;
    stop_entries(f);
    ok(box_create(f->b, "z"));
    ok(box_create(f->b, "a"));
    ok(box_create(f->b, "m"));
    builds(f, "[+z@] [+a@] [+m@]");
}

static void parents_come_before_children(void **st) {
    struct fixture *f = *st;
    stop_entries(f);
    ok(box_create(f->b, "x"));
    ok(box_mkdir(f->b, "d"));
    ok(box_mkdir(f->b, "d/e"));
    ok(box_rename(f->b, "x", "d/e/x", 0)); /* x is older than its directory */
    builds(f, "[+d@] [+e@] [+x@]");
}

static void created_and_removed_leaves_nothing_but_the_time(void **st) {
    struct fixture *f = *st;
    stop_entries(f);
    ok(box_create(f->b, "x"));
    ok(box_rename(f->b, "x", "y", 0));
    ok(box_unlink(f->b, "y"));
    builds(f, "[@]"); /* the root's */
    assert_int_equal(f->b->tree->pending_rows, 1);
}

static void what_is_not_uploaded_waits(void **st) {
    struct fixture *f = *st;
    stop_entries(f);
    ok(box_put(f->b, "big", "content"));
    ok(box_create(f->b, "small"));
    builds(f, "[+small@]");
    upload(f);
    builds(f, "[+big@] [+small@]");
}

static void a_directory_does_not_wait_for_what_is_in_it(void **st) {
    struct fixture *f = *st;
    stop_entries(f);
    ok(box_mkdir(f->b, "d"));
    ok(box_put(f->b, "d/big", "content"));
    builds(f, "[+d@]");
}

static void a_rename_is_one_change(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "a", "b", 0));
    builds(f, "[+b -a]");
}

static void a_replacement_is_one_change(void **st) {
    struct fixture *f = *st;
    ok(box_put(f->b, "f", "old"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, ".f.tmp", "new"));
    ok(box_rename(f->b, ".f.tmp", "f", 0));
    builds(f, "");
    upload(f);
    builds(f, "[*f@]");
}

static void an_exchange_is_one_change(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    ok(box_create(f->b, "b"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "a", "b", RENAME_EXCHANGE));
    builds(f, "[*a *b]");
}

static void a_rotation_is_one_change(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "log"));
    ok(box_create(f->b, "log.1"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "log.1", "log.2", 0));
    ok(box_rename(f->b, "log", "log.1", 0));
    ok(box_create(f->b, "log"));
    builds(f, "[*log *log.1 +log.2@@@]"); /* each was renamed before the last of the names changed */
}

static void exchanged_directories_one_in_the_other(void **st) {
    struct fixture *f = *st;
    ok(box_mkdir(f->b, "a"));
    ok(box_mkdir(f->b, "a/b"));
    ok(box_mkdir(f->b, "c"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "a/b", "b", 0)); /* b out of a, a into b: neither can be first without the other */
    ok(box_rename(f->b, "a", "b/a", 0));
    builds(f, "[+b -b] [+a -a]");
}

/* d/e becomes e/d, and both are named anew: as single changes the first would make a loop. */
static void directories_that_need_one_another(void **st) {
    struct fixture *f = *st;
    ok(box_mkdir(f->b, "d"));
    ok(box_mkdir(f->b, "d/e"));
    ok(box_mkdir(f->b, "t"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "d/e", "t/e", 0));
    ok(box_rename(f->b, "d", "t/e/d", 0));
    ok(box_rename(f->b, "t/e", "d", 0));
    builds(f, "[*d +d -e] [@]"); /* t saw it come and go */
}

static void a_hard_link_joins(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_link(f->b, "a", "b"));
    ok(box_link(f->b, "a", "c"));
    CLEANUP_FREE char *got = build(f);
    assert_int_equal(f->n, 1);
    assert_non_null(strstr(got, "+b +c"));
}

/* Removals */

static void a_removal_waits_for_what_was_written_before(void **st) {
    struct fixture *f = *st;
    ok(box_put(f->b, "old", "old"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, "copy", "old and more"));
    ok(box_unlink(f->b, "old"));
    builds_held(f, "", 1);
    upload(f);
    builds_held(f, "[+copy@] [-old]", 0);
}

static void a_removal_does_not_wait_for_what_is_written_later(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "old"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_unlink(f->b, "old"));
    ok(box_put(f->b, "later", "content"));
    builds_held(f, "[-old]", 0);
}

static void a_rename_does_not_wait_for_a_strangers_upload(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    ok(box_create(f->b, "victim"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, "big", "content"));
    ok(box_rename(f->b, "a", "victim", 0));
    ok(box_chmod(f->b, "victim", 0600));
    builds_held(f, "[*victim -a@]", 0);
}

static void a_name_removed_and_made_again_counts_as_replaced(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "f"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, "big", "content"));
    ok(box_unlink(f->b, "f"));
    ok(box_create(f->b, "f"));
    builds_held(f, "[*f@]", 0);
}

static void a_removed_tree_goes_from_below(void **st) {
    struct fixture *f = *st;
    ok(box_mkdir(f->b, "d"));
    ok(box_mkdir(f->b, "d/e"));
    ok(box_create(f->b, "d/e/x"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_unlink(f->b, "d/e/x"));
    ok(box_rmdir(f->b, "d/e"));
    ok(box_rmdir(f->b, "d"));
    builds(f, "[-x] [-e] [-d]");
}

static void a_held_removal_holds_the_directory_it_is_in(void **st) {
    struct fixture *f = *st;
    ok(box_mkdir(f->b, "d"));
    ok(box_create(f->b, "d/x"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, "big", "content"));
    ok(box_unlink(f->b, "d/x"));
    ok(box_rmdir(f->b, "d"));
    builds_held(f, "", 2);
}

/* What is held back with a removal counts as not written, too: the next removal waits for it. */
static void a_held_write_holds_the_next_removal(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    ok(box_create(f->b, "z"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, "big", "content"));     /* 1: not durable */
    ok(box_link(f->b, "a", "b"));            /* 2: joins a's removal */
    ok(box_unlink(f->b, "a"));               /* 3: waits for 1 */
    ok(box_unlink(f->b, "z"));               /* 4: waits for 1 and 2 */
    builds_held(f, "", 2);
}

static void a_link_made_before_a_removal_goes_with_it(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_link(f->b, "a", "b"));
    ok(box_unlink(f->b, "a"));
    CLEANUP_FREE char *got = build(f);
    assert_int_equal(f->n, 1);
    assert_non_null(strstr(got, "+b -a"));
}

static void a_renamed_file_that_is_removed_waits(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "a", "b", 0));
    ok(box_put(f->b, "big", "content"));
    ok(box_unlink(f->b, "b"));
    builds_held(f, "", 1);
    upload(f);
    builds_held(f, "[-a] [+big@]", 0); /* in one entry */
}

static void a_renamed_file_that_is_replaced_waits(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "a", "b", 0));
    ok(box_put(f->b, "c", "content"));
    ok(box_rename(f->b, "c", "b", 0));
    builds_held(f, "", 1);
    upload(f);
    builds_held(f, "[-a] [+b@]", 0);
}

static void a_removal_is_not_forgotten_when_the_name_is_used_and_moved(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, "big", "content"));
    ok(box_unlink(f->b, "a"));
    ok(box_create(f->b, "a"));
    ok(box_rename(f->b, "a", "b", 0));
    builds_held(f, "[+b@]", 1);
}

/* The successor has moved on: what it replaced waits for it all the same. */
static void a_replacement_that_moves_on(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, "new", "content"));
    ok(box_rename(f->b, "new", "a", 0));
    ok(box_rename(f->b, "a", "b", 0));
    builds_held(f, "", 1);
    upload(f);
    builds_held(f, "[+b@] [-a]", 0);
}

static void a_second_name_that_was_moved_and_removed_waits(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    ok(box_link(f->b, "a", "b"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "b", "c", 0));
    ok(box_put(f->b, "big", "content"));
    ok(box_unlink(f->b, "c"));
    builds_held(f, "", 1);
}

/* The name it had has another inode when it goes, which then moves on. */
static void what_was_exchanged_and_removed_waits(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "a"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_put(f->b, "big", "content"));
    ok(box_create(f->b, "x"));
    ok(box_rename(f->b, "x", "a", RENAME_EXCHANGE));
    ok(box_unlink(f->b, "x"));
    ok(box_rename(f->b, "a", "b", 0));
    builds_held(f, "[+b@]", 1);
    upload(f);
    builds_held(f, "[+big@] [+b@] [-a]", 0);
}

static bool is_shared(struct fixture *f, const char *name) {
    struct row_name row;
    tree_lock(f->b->tree);
    int r = rows_c_name(f->b->tree, ROOT_INO, name, strlen(name), &row);
    tree_unlock(f->b->tree);
    return r == 1;
}

/* When it lost its last name, nobody could say which row of the confirmed tree that would be. */
static void what_moves_while_its_entry_is_in_flight_is_removed_in_order(void **st) {
    struct fixture *f = *st;
    stop_entries(f);
    ok(box_create(f->b, "a"));
    upload(f);
    assert_true(f->b->tree->inflight.active);
    store_fault_fail(f->b->store, FAULT_PUT, "files/", 1, 0, -EIO);
    ok(box_rename(f->b, "a", "b", 0));
    ok(box_put(f->b, "big", "content"));
    ok(box_unlink(f->b, "b"));
    store_fault_release(f->b->store);
    upload(f);
    assert_true(is_shared(f, "a"));
    store_fault_clear(f->b->store);
    box_commit(f->b);
    assert_false(is_shared(f, "a"));
    assert_view(f->b, "big=content");
}

/* Records */

static void times_that_follow_from_names_are_not_told(void **st) {
    struct fixture *f = *st;
    ok(box_mkdir(f->b, "d"));
    ok(box_create(f->b, "d/x"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_rename(f->b, "d/x", "d/y", 0));
    builds(f, "[+y -x]"); /* no record of x, none of d */
}

static void attributes_alone_are_a_change(void **st) {
    struct fixture *f = *st;
    ok(box_put(f->b, "f", "text"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_chmod(f->b, "f", 0600));
    builds(f, "[@]");
}

static void the_same_attributes_again_are_nothing(void **st) {
    struct fixture *f = *st;
    struct attr a;
    ok(box_create(f->b, "f"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_stat(f->b, "f", &a));
    struct setattr s = {.what = SET_MODE | SET_CTIME, .mode = 0644, .ctime = a.ctime};
    ok(names_setattr(f->b->tree, a.ino, &s, &a));
    builds(f, "");
}

/* Limits */

static void what_does_not_fit_one_entry_comes_in_the_next(void **st) {
    struct fixture *f = *st;
    CLEANUP_FREE char *value = xcalloc(1, 60000);
    struct attr a;
    stop_entries(f);
    for (int i = 0; i < 90; i++) { /* 5.4 MB */
        CLEANUP_FREE char *name = xasprintf("f%02d", i);
        ok(box_create(f->b, name));
        ok(box_stat(f->b, name, &a));
        ok(names_setxattr(f->b->tree, a.ino, "user.big", value, 60000, 0));
    }
    CLEANUP_FREE char *got = build(f);
    assert_in_range(f->n, 60, 70);
    assert_memory_equal(got, "[+f00@] [+f01@]", 15); /* oldest first */
    store_fault_release(f->b->store);
    box_commit(f->b);
    assert_int_equal(f->b->tree->pending_rows, 0);
}

static void a_removal_is_not_cut_off_from_the_write_before_it(void **st) {
    struct fixture *f = *st;
    CLEANUP_FREE char *value = xcalloc(1, 60000);
    struct attr a;
    ok(box_create(f->b, "victim"));
    box_commit(f->b);
    stop_entries(f);
    for (int i = 0; i < 90; i++) {
        CLEANUP_FREE char *name = xasprintf("f%02d", i);
        ok(box_create(f->b, name));
        ok(box_stat(f->b, name, &a));
        ok(names_setxattr(f->b->tree, a.ino, "user.big", value, 60000, 0));
    }
    ok(box_unlink(f->b, "victim"));
    CLEANUP_FREE char *got = build(f);
    assert_null(strstr(got, "-victim"));
}

static void thousands_of_files(void **st) {
    struct fixture *f = *st;
    ok(box_mkdir(f->b, "d"));
    for (int i = 0; i < 2500; i++) {
        CLEANUP_FREE char *name = xasprintf("d/%04d", i);
        ok(box_create(f->b, name));
    }
    box_commit(f->b);
    for (int i = 0; i < 2500; i++) {
        CLEANUP_FREE char *name = xasprintf("d/%04d", i);
        ok(box_unlink(f->b, name));
    }
    ok(box_rmdir(f->b, "d"));
    box_commit(f->b);
    assert_int_equal(f->b->tree->pending_rows, 0);
    assert_view(f->b, "");
    assert_int_equal(counter_get(&f->b->counters, COUNTER_CHANGES_VOID), 0);
}

/* More rows than are looked at for one entry: what was written early and touched late is not among them. */
static void a_removal_waits_for_what_was_not_looked_at(void **st) {
    struct fixture *f = *st;
    ok(box_create(f->b, "victim"));
    box_commit(f->b);
    stop_entries(f);
    ok(box_create(f->b, "early"));
    ok(box_unlink(f->b, "victim"));
    for (int i = 0; i < 2500; i++) {
        CLEANUP_FREE char *name = xasprintf("%04d", i);
        ok(box_create(f->b, name));
    }
    ok(box_rename(f->b, "early", "moved", 0));
    CLEANUP_FREE char *got = build(f);
    assert_null(strstr(got, "+moved"));
    assert_null(strstr(got, "-victim"));
    store_fault_release(f->b->store);
    box_commit(f->b);
    assert_int_equal(f->b->tree->pending_rows, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(nothing),
        T(an_empty_file_is_ready_at_once),
        T(unrelated_files_are_changes_of_their_own_in_order),
        T(parents_come_before_children),
        T(created_and_removed_leaves_nothing_but_the_time),
        T(what_is_not_uploaded_waits),
        T(a_directory_does_not_wait_for_what_is_in_it),
        T(a_rename_is_one_change),
        T(a_replacement_is_one_change),
        T(an_exchange_is_one_change),
        T(a_rotation_is_one_change),
        T(exchanged_directories_one_in_the_other),
        T(directories_that_need_one_another),
        T(a_hard_link_joins),
        T(a_removal_waits_for_what_was_written_before),
        T(a_removal_does_not_wait_for_what_is_written_later),
        T(a_rename_does_not_wait_for_a_strangers_upload),
        T(a_name_removed_and_made_again_counts_as_replaced),
        T(a_removed_tree_goes_from_below),
        T(a_held_removal_holds_the_directory_it_is_in),
        T(a_held_write_holds_the_next_removal),
        T(a_link_made_before_a_removal_goes_with_it),
        T(a_renamed_file_that_is_removed_waits),
        T(a_renamed_file_that_is_replaced_waits),
        T(a_removal_is_not_forgotten_when_the_name_is_used_and_moved),
        T(a_replacement_that_moves_on),
        T(a_second_name_that_was_moved_and_removed_waits),
        T(what_was_exchanged_and_removed_waits),
        T(what_moves_while_its_entry_is_in_flight_is_removed_in_order),
        T(times_that_follow_from_names_are_not_told),
        T(attributes_alone_are_a_change),
        T(the_same_attributes_again_are_nothing),
        T(what_does_not_fit_one_entry_comes_in_the_next),
        T(a_removal_is_not_cut_off_from_the_write_before_it),
        T(a_removal_waits_for_what_was_not_looked_at),
        T(thousands_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
