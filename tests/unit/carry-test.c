/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two hosts, with the real rows, spool files and open files under the merge: what one has pending when the other's entry comes in. The rules themselves are merge-test's; here
 * is what surrounds them. `a` commits first; `b` was away meanwhile.
 */
#include "pair.h"
#include "tree/names.h"

#include <fcntl.h>
#include <linux/fs.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_write_beats_a_pending_unlink(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "old"));
    share(p);
    part_ways(p);
    ok(box_unlink(p->b, "f"));
    ok(box_put(p->a, "f", "new"));
    meet(p);
    same(p, "f=new");
}

/* The entry brings a row and no record: the inode's times are later already here. */
static void each_unlinks_one_of_two_names(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "text"));
    ok(box_link(p->a, "f", "g"));
    share(p);
    part_ways(p);
    sim_env_skew(p->a->env, -3600 * NS_PER_S);
    p->a->tree->last_time = 0;
    ok(box_unlink(p->b, "f"));
    ok(box_unlink(p->a, "g"));
    meet(p);
    same(p, "f=text");
}

static void the_original_keeps_nothing_of_the_copy(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "base"));
    share(p);
    part_ways(p);
    ok(box_put(p->b, "f", "mine"));
    ok(box_chmod(p->b, "f", 0600));
    ok(box_put(p->a, "f", "theirs"));
    meet(p);
    sim_run(p->b->sim, 3 * NS_PER_S);
    ok(box_put(p->a, "f", "theirs again"));
    box_commit(p->a);
    same(p, "f=theirs again f (conflicted copy, other 2023-11-14)=mine");
    struct attr at;
    ok(box_stat(p->a, "f", &at));
    assert_int_equal(at.mode, S_IFREG | 0600);
}

static void the_same_file_made_twice_is_one(void **st) {
    struct pair *p = *st;
    part_ways(p);
    ok(box_put(p->b, "f", "text"));
    ok(box_mkdir(p->b, "d"));
    ok(box_put(p->b, "d/x", "of b"));
    ok(box_put(p->a, "f", "text"));
    ok(box_mkdir(p->a, "d"));
    ok(box_put(p->a, "d/y", "of a"));
    uint64_t mine = box_ino(p->b, "f");
    sim_run(p->b->sim, 10 * NS_PER_S); /* hashed, but not uploaded */
    meet(p);
    same(p, "d/ d/x=of b d/y=of a f=text");
    struct attr at;
    ok(names_getattr(p->b->tree, mine, &at)); /* the number of old goes on */
    assert_int_equal(at.ino, box_ino(p->a, "f"));
}

/* Both are empty, but a program here is about to write. */
static void a_new_file_that_is_open_stays_what_it_is(void **st) {
    struct pair *p = *st;
    struct file *f;
    part_ways(p);
    ok(box_create(p->b, "f"));
    ok(file_open(p->b->tree, box_ino(p->b, "f"), O_WRONLY, &f));
    ok(box_create(p->a, "f"));
    meet(p);
    sim_run(p->b->sim, 10 * NS_PER_S);
    write_now(f, "mine");
    file_close(f, O_WRONLY);
    same(p, "f= f (conflicted copy, other 2023-11-14)=mine");
}

static void what_was_made_in_a_removed_directory_brings_it_back(void **st) {
    struct pair *p = *st;
    ok(box_mkdir(p->a, "d"));
    share(p);
    part_ways(p);
    ok(box_put(p->b, "d/x", "text"));
    ok(box_rmdir(p->a, "d"));
    meet(p);
    same(p, "d/ d/x=text");
}

static void a_restart_in_between_changes_nothing(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "base"));
    ok(box_put(p->a, "g", "base"));
    ok(box_mkdir(p->a, "d"));
    share(p);
    part_ways(p);
    ok(box_put(p->b, "f", "mine"));
    ok(box_rename(p->b, "g", "d/g", 0));
    ok(box_put(p->a, "f", "theirs"));
    ok(box_put(p->a, "g", "new"));
    box_commit(p->a);
    tree_box_reopen(p->b);
    store_fault_remove(p->b->store, p->away);
    tree_box_reopen(p->b);
    same(p, "d/ d/g=new f=theirs f (conflicted copy, other 2023-11-14)=mine");
}

/* Where it began is where the confirmed tree has it: no change of ours, though a row says so while the entry is in flight. */
static void a_move_there_and_back_while_an_entry_is_in_flight(void **st) {
    struct pair *p = *st;
    ok(box_create(p->a, "f"));
    share(p);
    store_fault_hold(p->b->store, FAULT_PUT, ".assetfs/journal/");
    ok(box_rename(p->b, "f", "g", 0));
    sim_run(p->b->sim, 3 * NS_PER_S);
    assert_true(p->b->tree->inflight.active);
    ok(box_rename(p->b, "g", "f", 0));
    ok(box_rename(p->a, "f", "g", 0));
    box_commit(p->a);
    store_fault_release(p->b->store);
    sim_run(p->b->sim, 10 * NS_PER_S);
    same(p, "g=");
}

/* Without a second host: the removal waits for the newer bytes, they for the snapshot, the snapshot must not wait for the removal. */
static void a_removal_and_a_file_written_again(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "one"));
    ok(box_link(p->a, "f", "g"));
    box_commit(p->a);
    store_fault_hold(p->a->store, FAULT_PUT, ".assetfs/journal/");
    ok(box_create(p->a, "x")); /* an entry on its way holds the next up */
    sim_run(p->a->sim, 3 * NS_PER_S);
    ok(box_put(p->a, "f", "two"));
    sim_run(p->a->sim, 10 * NS_PER_S);
    ok(box_put(p->a, "f", "three"));
    ok(box_unlink(p->a, "g"));
    store_fault_release(p->a->store);
    same(p, "f=three x=");
}

static void the_same_bytes_and_times_again(void **st) {
    struct pair *p = *st;
    struct attr at;
    ok(box_put(p->a, "f", "text"));
    box_commit(p->a);
    ok(box_stat(p->a, "f", &at));
    struct setattr s = {.what = SET_MTIME | SET_CTIME, .mtime = at.mtime, .ctime = at.ctime};
    ok(box_put(p->a, "f", "text"));
    ok(names_setattr(p->a->tree, at.ino, &s, &at));
    same(p, "f=text");
}

static void a_file_rewritten_while_its_snapshot_waits(void **st) {
    struct pair *p = *st;
    part_ways(p);
    ok(box_put(p->b, "f", "one"));
    sim_run(p->b->sim, 10 * NS_PER_S);
    ok(box_put(p->b, "f", "two"));
    tree_box_reopen(p->b);
    sim_run(p->b->sim, 10 * NS_PER_S);
    meet(p);
    sim_run(p->b->sim, 60 * NS_PER_S); /* nobody asks for a sync */
    assert_int_equal(p->b->tree->pending_rows, 0);
    same(p, "f=two");
}

/* b has unlinked what it has open; a's write brings the number back. What b's programs open by the name is the new content, what they had open stays theirs. */
static void a_number_that_returns_is_another_file(void **st) {
    struct pair *p = *st;
    struct file *private;
    int r = 1;
    ok(box_put(p->a, "f", "old"));
    share(p);
    part_ways(p);
    ok(file_open(p->b->tree, box_ino(p->b, "f"), O_RDWR, &private));
    write_now(private, "mine");
    ok(box_unlink(p->b, "f"));
    ok(box_put(p->a, "f", "new"));
    meet(p);
    box_follow(p->b);
    assert_view(p->b, "f=new");
    write_now(private, "still mine");
    file_fsync(private, answer, &r);
    sim_run(p->b->sim, NS_PER_S);
    ok(r);
    assert_view(p->b, "f=new");
    ok(box_append(p->b, "f", "er"));
    file_close(private, O_RDWR);
    same(p, "f=newer");
    ok(box_unlink(p->b, "f")); /* again */
    same(p, "");
    assert_int_equal(p->b->tree->pending_rows, 0);
}

/* As before, but nobody has it open any more: only the kernel remembers the number. */
static void a_number_that_returns_reads_as_what_it_is_now(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "old"));
    share(p);
    part_ways(p);
    ok(box_append(p->b, "f", " and more"));
    ok(box_unlink(p->b, "f"));
    ok(box_rename(p->a, "f", "g", 0));
    meet(p);
    same(p, "g=old");
}

/* b moves the content to the key of another extension; a, with the same name for it, has written it meanwhile. */
static void content_that_is_moved_to_another_key_is_written_there(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "old"));
    share(p);
    store_fault_hold(p->b->store, FAULT_GET, ".assetfs/journal/");
    unsigned slow = store_fault_delay(p->b->store, FAULT_PUT, "files/", 20000);
    ok(box_link(p->a, "f", "f.txt"));
    ok(box_append(p->a, "f", "er"));
    box_commit(p->a);
    ok(box_chmod(p->b, "f", 0600));
    ok(box_rename(p->b, "f", "f.txt", 0));
    sim_run(p->b->sim, 5 * NS_PER_S);
    assert_int_equal(store_fault_hits(p->b->store, slow), 1);
    store_fault_release(p->b->store);
    same(p, "f.txt=older");
}

static void a_copied_state_directory_takes_its_own_session(void **st) {
    struct pair *p = *st;
    int r;
    ok(box_put(p->a, "f", "text"));
    share(p);
    tree_box_close(p->b);
    CLEANUP_FREE char *copy = xasprintf("%s.copy", p->b->dir);
    CLEANUP_FREE char *command = xasprintf("cp -rp %s %s", p->b->dir, copy);
    assert_int_equal(system(command), 0);
    tree_box_reopen(p->b);
    struct tree_box *c = tree_box_open(
        &(struct tree_box_config){.sim = p->a->sim, .bucket = p->a->bucket, .label = "clone", .dir = xstrdup(copy), .machine_id = "machine"}, &r);
    ok(r);
    ok(box_put(p->b, "of b", "b"));
    box_commit(p->b);
    box_follow(c);
    assert_int_equal(box_create(c, "too early"), -EIO);
    ok(box_claim(c));
    assert_int_not_equal(c->tree->session, p->b->tree->session);
    ok(box_put(c, "of c", "c"));
    box_commit(c);
    same(p, "f=text of b=b of c=c");
    tree_box_free(c);
}

#define T(f) PAIR_TEST(f)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_write_beats_a_pending_unlink),
        T(each_unlinks_one_of_two_names),
        T(the_original_keeps_nothing_of_the_copy),
        T(the_same_file_made_twice_is_one),
        T(a_new_file_that_is_open_stays_what_it_is),
        T(what_was_made_in_a_removed_directory_brings_it_back),
        T(a_restart_in_between_changes_nothing),
        T(a_move_there_and_back_while_an_entry_is_in_flight),
        T(a_removal_and_a_file_written_again),
        T(the_same_bytes_and_times_again),
        T(a_file_rewritten_while_its_snapshot_waits),
        T(a_number_that_returns_is_another_file),
        T(a_number_that_returns_reads_as_what_it_is_now),
        T(content_that_is_moved_to_another_key_is_written_there),
        T(a_copied_state_directory_takes_its_own_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
