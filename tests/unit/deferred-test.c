/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files that are open for writing on one host while another changes them (rules M4): programs go on with what they opened, the merge waits for the last close.
 */
#include "pair.h"
#include "tree/deferred.h"
#include "tree/names.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define COPY "f (conflicted copy, other 2023-11-14)"

static struct file *open_file(struct tree_box *b, const char *path, int flags) {
    struct file *f;
    ok(file_open(b->tree, box_ino(b, path), flags, &f));
    return f;
}

/* b has "f" open, which a has changed from "base" to "theirs" meanwhile; b knows of it. */
static struct file *open_then_changed(struct pair *p, int flags) {
    ok(box_put(p->a, "f", "base"));
    share(p);
    struct file *f = open_file(p->b, "f", flags);
    ok(box_put(p->a, "f", "theirs"));
    box_commit(p->a);
    box_follow(p->b);
    return f;
}

static bool waits(struct tree_box *b, const char *path) {
    return deferred_is(b->tree, box_ino(b, path));
}

static void read_answer(void *arg, int err, const void *data, size_t n) {
    assert_int_equal(err, 0);
    ok(buf_append(arg, data, n));
}

static void reads(struct tree_box *b, struct file *f, const char *want) {
    CLEANUP_BUF struct buf got = BUF_INIT(1024);
    struct read_stream stream = {0};
    file_read(f, 0, 1024, &stream, read_answer, &got);
    sim_run(b->sim, 10 * NS_PER_S);
    assert_string_equal(buf_str(&got), want);
}

static void what_was_opened_is_read_until_the_close(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    assert_true(waits(p->b, "f"));
    assert_view(p->b, "f=base");
    reads(p->b, f, "base");
    file_close(f, O_RDWR);
    assert_view(p->b, "f=theirs");
    same(p, "f=theirs");
}

static void nobody_waits_for_what_was_not_written(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    int synced = 1, fsynced = 1;
    tree_sync(p->b->tree, answer, &synced);
    file_fsync(f, answer, &fsynced);
    sim_run(p->b->sim, NS_PER_S);
    ok(synced);
    ok(fsynced);
    file_close(f, O_RDWR);
    same(p, "f=theirs");
}

static void what_is_written_then_goes_beside_it_at_the_close(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    assert_view(p->b, "f=mine");
    file_close(f, O_RDWR);
    assert_view(p->b, "f=theirs " COPY "=mine");
    same(p, "f=theirs " COPY "=mine");
}

static void what_was_written_before_goes_beside_it_at_the_close(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "base"));
    share(p);
    struct file *f = open_file(p->b, "f", O_WRONLY);
    write_now(f, "mine");
    ok(box_put(p->a, "f", "theirs"));
    box_commit(p->a);
    box_follow(p->b);
    assert_true(waits(p->b, "f"));
    assert_view(p->b, "f=mine");
    file_close(f, O_WRONLY);
    same(p, "f=theirs " COPY "=mine");
}

static void the_same_bytes_make_no_copy(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "theirs");
    sim_run(p->b->sim, 30 * NS_PER_S); /* hashed: only then it is known to be the same */
    file_close(f, O_RDWR);
    same(p, "f=theirs");
}

static void fsync_writes_the_copy(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    int r = 1;
    write_now(f, "mine");
    file_fsync(f, answer, &r);
    sim_run(p->b->sim, 10 * NS_PER_S);
    ok(r);
    assert_true(waits(p->b, "f"));
    assert_view(p->b, "f=mine " COPY "=mine");
    box_follow(p->a);
    assert_view(p->a, "f=theirs " COPY "=mine");
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=mine");
}

static void fsync_waits_for_the_copy(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    int r = 1;
    store_fault_hold(p->b->store, FAULT_PUT, "files/");
    write_now(f, "mine");
    file_fsync(f, answer, &r);
    sim_run(p->b->sim, 10 * NS_PER_S);
    assert_int_equal(r, 1);
    assert_view(p->b, "f=mine");
    store_fault_release(p->b->store);
    store_fault_hold(p->b->store, FAULT_PUT, ".assetfs/journal/");
    sim_run(p->b->sim, 10 * NS_PER_S);
    assert_int_equal(r, 1);
    store_fault_release(p->b->store);
    sim_run(p->b->sim, 10 * NS_PER_S);
    ok(r);
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=mine");
}

static void sync_waits_for_the_copy(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    int r = 1;
    write_now(f, "mine");
    tree_sync(p->b->tree, answer, &r);
    sim_run(p->b->sim, 10 * NS_PER_S);
    ok(r);
    box_follow(p->a);
    assert_view(p->a, "f=theirs " COPY "=mine");
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=mine");
}

static void the_close_brings_the_copy_up_to_date(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    int r = 1;
    write_now(f, "mine");
    file_fsync(f, answer, &r);
    sim_run(p->b->sim, 10 * NS_PER_S);
    ok(r);
    write_now(f, "mine, later");
    file_close(f, O_RDWR);
    assert_view(p->b, "f=theirs " COPY "=mine, later");
    same(p, "f=theirs " COPY "=mine, later");
}

static void every_fsync_writes_the_same_copy(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    const char *const texts[] = {"first", "second", "third one"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int r = 1;
        write_now(f, texts[i]);
        file_fsync(f, answer, &r);
        sim_run(p->b->sim, 10 * NS_PER_S);
        ok(r);
    }
    box_follow(p->a);
    assert_view(p->a, "f=theirs " COPY "=third one");
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=third one");
}

/* What somebody has written into the copy is not ours to replace. */
static void a_copy_that_others_have_written_stays(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    int r = 1;
    write_now(f, "mine");
    file_fsync(f, answer, &r);
    sim_run(p->b->sim, 10 * NS_PER_S);
    box_follow(p->a);
    ok(box_put(p->a, COPY, "sorted out"));
    box_commit(p->a);
    box_follow(p->b);
    write_now(f, "mine, later");
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=sorted out " COPY " 2=mine, later");
}

static void a_writer_that_rests_is_saved_by_the_settle_timer(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    sim_run(p->b->sim, 120 * NS_PER_S);
    box_follow(p->a);
    assert_view(p->a, "f=theirs " COPY "=mine");
    assert_view(p->b, "f=mine " COPY "=mine");
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=mine");
}

static void the_last_of_two_writers_decides(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR), *g = open_file(p->b, "f", O_WRONLY);
    write_now(f, "mine");
    file_close(f, O_RDWR);
    assert_view(p->b, "f=mine");
    write_now(g, "yours");
    file_close(g, O_WRONLY);
    same(p, "f=theirs " COPY "=yours");
}

/* A reader's handle is the kernel's inode, whose pages all share: it reads what the name leads to. */
static void a_reader_that_is_left_reads_theirs(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR), *reader = open_file(p->b, "f", O_RDONLY);
    write_now(f, "mine");
    reads(p->b, reader, "mine");
    box_commit(p->b);
    file_close(f, O_RDWR);
    reads(p->b, reader, "theirs");
    file_close(reader, O_RDONLY);
    same(p, "f=theirs " COPY "=mine");
}

static void a_name_taken_away_decides(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    ok(box_unlink(p->b, "f"));
    assert_view(p->b, "f=theirs"); /* which nobody here has seen */
    file_close(f, O_RDWR);
    same(p, "f=theirs");
}

static void a_save_over_it_stands_beside_what_nobody_has_seen(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    ok(box_put(p->b, "tmp", "saved"));
    ok(box_rename(p->b, "tmp", "f", 0));
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=saved");
}

static void one_of_two_names_taken_away_decides_nothing(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "base"));
    ok(box_link(p->a, "f", "g"));
    share(p);
    struct file *f = open_file(p->b, "f", O_RDWR);
    ok(box_put(p->a, "f", "theirs"));
    box_commit(p->a);
    box_follow(p->b);
    ok(box_unlink(p->b, "g"));
    assert_true(waits(p->b, "f"));
    write_now(f, "mine");
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=mine");
}

static void names_and_attributes_do_not_wait(void **st) {
    struct pair *p = *st;
    struct attr at;
    struct file *f = open_then_changed(p, O_RDWR);
    ok(box_chmod(p->b, "f", 0600));
    ok(box_rename(p->b, "f", "g", 0));
    box_commit(p->b);
    box_follow(p->a);
    assert_view(p->a, "g=theirs");
    ok(box_stat(p->a, "g", &at));
    assert_int_equal(at.mode, S_IFREG | 0600);
    assert_view(p->b, "g=base");
    file_close(f, O_RDWR);
    same(p, "g=theirs");
}

static void what_they_change_twice_is_decided_once(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    ok(box_put(p->a, "f", "theirs again"));
    box_commit(p->a);
    box_follow(p->b);
    assert_view(p->b, "f=mine");
    file_close(f, O_RDWR);
    same(p, "f=theirs again " COPY "=mine");
}

static void what_they_take_back_is_no_conflict(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    ok(box_put(p->a, "f", "base"));
    box_commit(p->a);
    box_follow(p->b);
    assert_false(waits(p->b, "f"));
    file_close(f, O_RDWR);
    same(p, "f=mine");
}

static void what_they_remove_stays_where_it_is_written(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    ok(box_unlink(p->a, "f"));
    box_commit(p->a);
    box_follow(p->b);
    file_close(f, O_RDWR);
    same(p, "f=mine");
}

static void a_restart_decides(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    file_close(f, O_RDWR);
    /* as if it had been killed before the close */
    ok(tree_begin(p->b->tree));
    struct record seen = {.mode = S_IFREG | 0644};
    ok(tree_end(p->b->tree, deferred_begin(p->b->tree, box_ino(p->b, "f"), &seen)));
    tree_box_reopen(p->b);
    assert_int_equal(p->b->tree->deferred, 0);
    same(p, "f=theirs " COPY "=mine");
}

/* An entry in flight may change what is confirmed: the close is decided when its fate is known. */
static void a_close_while_an_entry_is_in_flight(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    store_fault_hold(p->b->store, FAULT_PUT, ".assetfs/journal/");
    ok(box_create(p->b, "x"));
    sim_run(p->b->sim, 3 * NS_PER_S);
    assert_true(p->b->tree->inflight.active);
    ok(box_unlink(p->b, "x"));
    file_close(f, O_RDWR);
    assert_true(waits(p->b, "f"));
    store_fault_release(p->b->store);
    sim_run(p->b->sim, 10 * NS_PER_S);
    assert_false(waits(p->b, "f"));
    same(p, "f=theirs " COPY "=mine");
}

/* A snapshot on its way when the other's entry came in: the copy gets it, and what was written after it. */
static void an_upload_under_way_becomes_the_copy(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "base"));
    share(p);
    struct file *f = open_file(p->b, "f", O_RDWR);
    store_fault_hold(p->b->store, FAULT_PUT, "files/");
    write_now(f, "mine");
    sim_run(p->b->sim, 60 * NS_PER_S);
    write_now(f, "mine, later");
    ok(box_put(p->a, "f", "theirs"));
    box_commit(p->a);
    box_follow(p->b);
    assert_view(p->b, "f=mine, later");
    store_fault_release(p->b->store);
    sim_run(p->b->sim, NS_PER_S);
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=mine, later");
}

/* The same, closed before the upload has ended: the job goes on for the copy. */
static void an_upload_goes_on_for_the_copy(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "f", "base"));
    share(p);
    struct file *f = open_file(p->b, "f", O_RDWR);
    unsigned held = store_fault_hold(p->b->store, FAULT_PUT, "files/");
    write_now(f, "mine");
    sim_run(p->b->sim, 60 * NS_PER_S);
    ok(box_put(p->a, "f", "theirs"));
    box_commit(p->a);
    box_follow(p->b);
    file_close(f, O_RDWR);
    assert_view(p->b, "f=theirs " COPY "=mine");
    assert_int_equal(store_fault_hits(p->b->store, held), 1);
    store_fault_release(p->b->store);
    same(p, "f=theirs " COPY "=mine");
}

/* Removals wait for all that was written before them, what goes into a copy included. */
static void a_removal_waits_for_the_copy(void **st) {
    struct pair *p = *st;
    ok(box_put(p->a, "old", "text"));
    struct file *f = open_then_changed(p, O_RDWR);
    write_now(f, "mine");
    ok(box_unlink(p->b, "old"));
    sim_run(p->b->sim, 2 * NS_PER_S);
    box_follow(p->a);
    assert_view(p->a, "f=theirs old=text");
    file_close(f, O_RDWR);
    same(p, "f=theirs " COPY "=mine");
}

/* Of a file that goes on being written; the other's two versions come as they are. */
static void appends_all_end_in_one_copy(void **st) {
    struct pair *p = *st;
    struct file *f = open_then_changed(p, O_RDWR);
    for (int i = 0; i < 5; i++) {
        CLEANUP_FREE char *text = xasprintf("mine %d", i);
        write_now(f, text);
        sim_run(p->b->sim, 20 * NS_PER_S);
        ok(box_append(p->a, "f", "+"));
        box_commit(p->a);
        box_follow(p->b);
    }
    file_close(f, O_RDWR);
    same(p, "f=theirs+++++ " COPY "=mine 4");
}

#define T(f) PAIR_TEST(f)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(what_was_opened_is_read_until_the_close),
        T(nobody_waits_for_what_was_not_written),
        T(what_is_written_then_goes_beside_it_at_the_close),
        T(what_was_written_before_goes_beside_it_at_the_close),
        T(the_same_bytes_make_no_copy),
        T(fsync_writes_the_copy),
        T(fsync_waits_for_the_copy),
        T(sync_waits_for_the_copy),
        T(the_close_brings_the_copy_up_to_date),
        T(every_fsync_writes_the_same_copy),
        T(a_copy_that_others_have_written_stays),
        T(a_writer_that_rests_is_saved_by_the_settle_timer),
        T(the_last_of_two_writers_decides),
        T(a_reader_that_is_left_reads_theirs),
        T(a_name_taken_away_decides),
        T(a_save_over_it_stands_beside_what_nobody_has_seen),
        T(one_of_two_names_taken_away_decides_nothing),
        T(names_and_attributes_do_not_wait),
        T(what_they_change_twice_is_decided_once),
        T(what_they_take_back_is_no_conflict),
        T(what_they_remove_stays_where_it_is_written),
        T(a_restart_decides),
        T(a_close_while_an_entry_is_in_flight),
        T(an_upload_under_way_becomes_the_copy),
        T(an_upload_goes_on_for_the_copy),
        T(a_removal_waits_for_the_copy),
        T(appends_all_end_in_one_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
