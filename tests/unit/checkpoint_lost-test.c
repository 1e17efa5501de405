/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A host that began from a checkpoint which goes bad later, or whose tree is not what the journal says: it begins anew by itself, from another checkpoint or from the journal, keeps what
 * is pending and open, and whoever was waiting is answered.
 */
#include "checkpoint_box.h"
#include "tree/apply.h"
#include "tree/rebuild.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct tree_box *box, *other;

static int setup(void **state) {
    (void)state;
    box = tree_box_new();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    other = tree_box_free(other);
    box = tree_box_free(box);
    return 0;
}

static void ok(int r) {
    assert_int_equal(r, 0);
}

static bool lazy(void) {
    return fault_is_lazy(other->tree);
}

/* Where a byte lies that no beginning needs. */
static size_t deep(void) {
    const struct sealed_db_ref *o = &other->tree->checkpoint.base->ref.object;
    assert_true(o->n_blocks > o->hot_blocks + 1);
    return (size_t)o->table_offset * 6 / 10;
}

static void spoil_kept(const char *key, size_t at) {
    CLEANUP_FREE char *local = xasprintf("%s/checkpoint/%s", other->dir, key + strlen(CHECKPOINT_PREFIX));
    FILE *f = fopen(local, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_not_equal(fputs("spoilt", f), EOF);
    fclose(f);
}

/* In the bucket and in what the host has kept of it; memory has nothing any more. */
static void spoil_both(const char *key) {
    size_t at = deep();
    assert_true(mem_bucket_corrupt(box->bucket, key, at));
    spoil_kept(key, at);
    tree_box_reopen(other);
    assert_true(lazy());
}

static void forget_kept(const char *key) {
    CLEANUP_FREE char *local = xasprintf("%s/checkpoint/%s", other->dir, key + strlen(CHECKPOINT_PREFIX));
    assert_int_equal(unlink(local), 0);
}

static bool list_one(void *arg, const struct names_entry *e) {
    (void)e;
    ++*(unsigned *)arg;
    return true;
}

static void note_written(void *arg, int err, size_t n) {
    (void)n;
    *(int *)arg = err;
}

/* Names in a directory, or what listing it ends with. */
static int count(const char *dir) {
    uint64_t up, ino = box_ino(other, dir);
    unsigned n = 0;
    int r = names_list(other->tree, ino, list_one, &n, &up);
    return r < 0 ? r : (int)n;
}

/* `first` is small and whole, `wide` is large, and goes bad. */
static void two_checkpoints(void) {
    checkpoint_fill_dir(box, "d", 3);
    checkpoint_made(box);
    checkpoint_fill_wide(box, "wide");
    checkpoint_made(box);
    other = tree_box_join(box, "other");
    assert_true(lazy());
}

static uint64_t base_seq(void) {
    return other->tree->checkpoint.base ? other->tree->checkpoint.base->ref.seq : 0;
}

static void all_is_well(void) {
    sim_run(other->sim, 60 * NS_PER_S);
    assert_null(other->tree->rebuild);
    assert_false(other->tree->stopped);
    assert_false(other->tree->offline);
    CLEANUP_FREE char *left = xasprintf("%s/rebuild.db", other->dir);
    assert_int_equal(access(left, F_OK), -1);
    box_commit(other);
    box_follow(box);
    box_commit(box);
    box_follow(other);
    checkpoint_same_view(box, other);
    CLEANUP_FREE char *wrong = tree_box_wrong_in_all(other);
    if (wrong)
        fail_msg("%s", wrong);
    assert_memory_equal(&box->tree->set, &other->tree->set, sizeof box->tree->set);
}

/* A block of it goes bad */

static void the_one_before_takes_its_place(void **state) {
    (void)state;
    two_checkpoints();
    const uint64_t was = base_seq();
    CLEANUP_FREE char *key = checkpoint_key(box);
    spoil_both(key);
    assert_int_equal(count("wide"), 1200);
    assert_true(lazy());
    assert_in_range(base_seq(), 1, was - 1);
    all_is_well();
    CLEANUP_FREE char *kept = xasprintf("%s/checkpoint/%s", other->dir, key + strlen(CHECKPOINT_PREFIX));
    assert_int_equal(access(kept, F_OK), 0);
    tree_box_reopen(other);
    assert_int_equal(access(kept, F_OK), -1); /* nobody needs it any more */
    all_is_well();
}

static void without_another_the_journal_is_read(void **state) {
    (void)state;
    checkpoint_fill_wide(box, "wide");
    checkpoint_made(box);
    other = tree_box_join(box, "other");
    CLEANUP_FREE char *key = checkpoint_key(box);
    spoil_both(key);
    assert_int_equal(count("wide"), 1200);
    assert_false(lazy());
    all_is_well();
    tree_box_reopen(other);
    assert_false(lazy());
    all_is_well();
}

static void one_that_is_removed_is_lost_as_well(void **state) {
    (void)state;
    two_checkpoints();
    CLEANUP_FREE char *key = checkpoint_key(box);
    mem_bucket_delete(box->bucket, key);
    tree_box_close(other);
    forget_kept(key);
    tree_box_reopen(other);
    assert_int_equal(count("wide"), 1200);
    all_is_well();
}

/* Both are: the older one begins well, and fails later too. */
static void when_the_one_before_goes_bad_too_the_journal_is_read(void **state) {
    (void)state;
    checkpoint_fill_wide(box, "wide");
    checkpoint_made(box);
    CLEANUP_FREE char *first = checkpoint_key(box);
    checkpoint_fill_dir(box, "d", 3);
    checkpoint_made(box);
    other = tree_box_join(box, "other");
    CLEANUP_FREE char *key = checkpoint_key(box);
    assert_true(mem_bucket_corrupt(box->bucket, first, deep()));
    spoil_both(key);
    assert_int_equal(count("wide"), 1200);
    assert_false(lazy());
    all_is_well();
}

static void what_is_pending_and_open_stays(void **state) {
    (void)state;
    struct file *f;
    checkpoint_fill_dir(box, "e", 3);
    two_checkpoints();
    CLEANUP_FREE char *key = checkpoint_key(box);
    spoil_both(key);
    store_fault_refuse_puts(other->store);
    ok(box_put(other, "d/0", "changed"));
    ok(box_put(other, "new", "new"));
    ok(box_rename(other, "e", "d/e", 0));
    ok(box_unlink(other, "d/e/1"));
    ok(file_open(other->tree, box_ino(other, "d/1"), O_RDWR, &f));
    uint64_t ino = box_ino(other, "d/1");
    int r = 1;
    file_write(f, "open", 4, 0, false, note_written, &r);
    ok(r);
    assert_int_equal(count("wide"), 1200);
    assert_true(other->tree->pending_rows > 0);
    assert_int_equal(box_ino(other, "d/1"), ino);
    store_fault_clear(other->store);
    file_write(f, "!", 1, 4, false, note_written, &r);
    ok(r);
    file_close(f, O_RDWR);
    all_is_well();
    CLEANUP_FREE char *there = box_read(box, "d/1", NULL, NULL);
    assert_string_equal(there, "open!");
    assert_int_equal(box_ino(box, "e"), 0);
    assert_int_not_equal(box_ino(box, "d/e/2"), 0);
    assert_int_equal(box_ino(box, "d/e/1"), 0);
}

static void another_host_goes_on_meanwhile(void **state) {
    (void)state;
    two_checkpoints();
    CLEANUP_FREE char *key = checkpoint_key(box);
    spoil_both(key);
    int err = 1;
    uint64_t up, ino = box_ino(other, "wide");
    unsigned n = 0;
#undef names_list
    assert_int_equal(names_list(other->tree, ino, list_one, &n, &up), -EINPROGRESS);
#define names_list lazy_names_list
    fault_wait(other->tree, lazy_note, &err);
    ok(box_put(box, "wide/more", "more"));
    ok(box_rename(box, "d", "wide/d", 0));
    box_commit(box);
    checkpoint_fill_dir(box, "after", 20);
    sim_run(other->sim, 60 * NS_PER_S);
    assert_int_equal(err, 0);
    all_is_well();
    assert_int_equal(count("wide"), 1202);
}

/* The bucket is away */

static void nothing_is_thrown_away_without_the_bucket(void **state) {
    (void)state;
    two_checkpoints();
    CLEANUP_FREE char *key = checkpoint_key(box);
    spoil_both(key);
    ok(box_put(other, "d/0", "changed"));
    unsigned away = store_fault_fail(other->store, FAULT_ANY, ".assetfs/journal/", 1, 0, -EIO);
    assert_int_equal(count("wide"), -EIO);
    assert_true(store_fault_hits(other->store, away) > 0);
    assert_non_null(other->tree->rebuild);
    assert_true(lazy());
    CLEANUP_FREE char *still = box_read(other, "d/0", NULL, NULL);
    assert_string_equal(still, "changed");
    ok(box_put(other, "d/meanwhile", "x"));
    assert_int_equal(count("wide"), -EIO); /* nobody waits for ever */
    store_fault_remove(other->store, away);
    sim_run(other->sim, 10 * NS_PER_S);
    assert_int_equal(count("wide"), 1200);
    all_is_well();
}

static void closing_in_the_middle_is_no_harm(void **state) {
    (void)state;
    two_checkpoints();
    CLEANUP_FREE char *key = checkpoint_key(box);
    spoil_both(key);
    ok(box_put(other, "d/0", "changed"));
    uint64_t up, ino = box_ino(other, "wide");
    sim_delays(other->sim, NS_PER_S / 10, NS_PER_S / 10);
    for (int i = 0; i < 40; i++) { /* at different points of it */
        unsigned n = 0;
#undef names_list
        if (names_list(other->tree, ino, list_one, &n, &up) != -EINPROGRESS)
            break;
#define names_list lazy_names_list
        for (int k = 0; k < i * 3; k++)
            sim_step(other->sim);
        tree_box_reopen(other);
    }
    sim_delays(other->sim, 0, 0);
    assert_int_equal(count("wide"), 1200);
    all_is_well();
    CLEANUP_FREE char *there = box_read(box, "d/0", NULL, NULL);
    assert_string_equal(there, "changed");
}

/* Only what lies on the way is bad: no reason to begin anew */

static void what_is_kept_here_is_fetched_again(void **state) {
    (void)state;
    two_checkpoints();
    const uint64_t was = base_seq();
    CLEANUP_FREE char *key = checkpoint_key(box);
    spoil_kept(key, deep());
    tree_box_reopen(other);
    assert_int_equal(count("wide"), 1200);
    assert_int_equal(base_seq(), was);
    all_is_well();
}

static void what_a_cache_spoils_is_fetched_past_it(void **state) {
    (void)state;
    two_checkpoints();
    const uint64_t was = base_seq();
    CLEANUP_FREE char *key = checkpoint_key(box);
    tree_box_close(other);
    forget_kept(key);
    unsigned rule = store_fault_corrupt(other->store, CHECKPOINT_PREFIX, 1, 1);
    tree_box_reopen(other);
    assert_int_equal(count("wide"), 1200);
    assert_int_equal(store_fault_hits(other->store, rule), 1);
    assert_int_equal(base_seq(), was);
    all_is_well();
}

/* The tree is not what the journal says */

static void damage(struct tree_box *b, const char *sql) {
    assert_int_equal(sqlite3_exec(b->tree->db.sql, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_not_equal(sqlite3_changes(b->tree->db.sql), 0);
}

/* The record of d/1 as that of d/0. */
#define WRONG_RECORD                                                                                                                                                   \
    "UPDATE c_inode SET rec = (SELECT rec FROM c_inode i JOIN c_name n ON n.ino = i.ino WHERE n.name = CAST('0' AS BLOB)) "                                            \
    "WHERE ino = (SELECT ino FROM c_name WHERE name = CAST('1' AS BLOB))"

/* Two entries: one touches what is damaged, the next was built on what came of it. */
static void show(void) {
    ok(box_put(box, "d/1", "new"));
    box_commit(box);
    ok(box_put(box, "shows", "it"));
    box_commit(box);
    box_follow(other);
}

static void a_damaged_row_is_set_right(void **state) {
    (void)state;
    two_checkpoints();
    const uint64_t was = base_seq();
    checkpoint_visit(other, box_ino(other, "d"));
    other->tree->made_here = true; /* it does not look at itself for what is void */
    store_fault_refuse_puts(other->store);
    ok(box_put(other, "mine", "queued"));
    ok(box_put(other, "d/2", "queued too"));
    damage(other, WRONG_RECORD);
    show();
    store_fault_clear(other->store);
    all_is_well();
    assert_int_equal(base_seq(), was); /* it agrees with the journal */
    CLEANUP_FREE char *there = box_read(box, "d/2", NULL, NULL);
    assert_string_equal(there, "queued too");
}

static void a_host_that_suspects_itself_does_not_trust_its_checkpoint(void **state) {
    (void)state;
    two_checkpoints();
    checkpoint_visit(other, box_ino(other, "d"));
    damage(other, WRONG_RECORD);
    store_fault_refuse_puts(other->store);
    ok(box_put(other, "mine", "queued"));
    ok(box_put(box, "d/1", "new"));
    box_commit(box);
    box_follow(other);
    store_fault_clear(other->store);
    all_is_well();
    assert_false(box->tree->stopped);
}

/* Its maker was damaged when it made it: it is authentic, and wrong. */
static void a_checkpoint_that_was_made_wrong_is_passed_over(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 3);
    checkpoint_made(box);
    const uint64_t first = box->tree->checkpoint.known.ref.seq;
    checkpoint_fill_dir(box, "e", 3);
    damage(box, "CREATE TABLE kept AS SELECT * FROM c_inode;" WRONG_RECORD);
    checkpoint_made(box);
    damage(box, "DELETE FROM c_inode");
    damage(box, "INSERT INTO c_inode SELECT * FROM kept");
    other = tree_box_join(box, "other");
    assert_true(lazy());
    assert_true(base_seq() > first);
    checkpoint_visit(other, ROOT_INO);
    store_fault_refuse_puts(other->store);
    ok(box_put(other, "mine", "queued"));
    show();
    store_fault_clear(other->store);
    all_is_well();
    assert_int_equal(base_seq(), first);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(the_one_before_takes_its_place),
        T(without_another_the_journal_is_read),
        T(one_that_is_removed_is_lost_as_well),
        T(when_the_one_before_goes_bad_too_the_journal_is_read),
        T(what_is_pending_and_open_stays),
        T(another_host_goes_on_meanwhile),
        T(nothing_is_thrown_away_without_the_bucket),
        T(closing_in_the_middle_is_no_harm),
        T(what_is_kept_here_is_fetched_again),
        T(what_a_cache_spoils_is_fetched_past_it),
        T(a_damaged_row_is_set_right),
        T(a_host_that_suspects_itself_does_not_trust_its_checkpoint),
        T(a_checkpoint_that_was_made_wrong_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
