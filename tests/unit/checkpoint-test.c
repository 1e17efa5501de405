/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Checkpoints made by one host and begun from by another, in virtual time.
 */
#include "tree/checkpoint.h"
#include "base/file.h"
#include "tree/fault.h"
#include "log_lines.h"
#include "checkpoint_box.h"
#include <dirent.h>
#include <inttypes.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define JOURNAL ".assetfs/journal/"

static struct tree_box *box;

static int setup(void **state) {
    (void)state;
    box = tree_box_new();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    box = tree_box_free(box);
    return 0;
}

/* As a host that was closed and opened again, with these limits. */
static void set_limits(struct tree_box *b, uint64_t entries, uint64_t changes) {
    b->tree->cfg.checkpoint_entries = entries;
    b->tree->cfg.checkpoint_changes = changes;
}

static bool lazy(struct tree_box *b) {
    return fault_is_lazy(b->tree);
}

static size_t gets(struct tree_box *b, const char *prefix) {
    return store_fault_gets(b->store, prefix);
}

/* The key of the n-th checkpoint, in no particular order; malloc'd. */
static char *object(size_t n) {
    char *key = mem_bucket_key(box->bucket, CHECKPOINT_PREFIX, n);
    assert_non_null(key);
    return key;
}

/* Making */

static void one_is_made_put_and_announced(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 3);
    uint64_t before = box->tree->seq;
    struct tree_checkpoint c = checkpoint_make(box);
    assert_int_equal(c.err, 0);
    assert_int_equal(c.sequence, before);
    assert_int_equal(box->tree->seq, before + 1);
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 1);
    CLEANUP_FREE char *key = object(0);
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    size_t n;
    const void *p = mem_bucket_get(box->bucket, key, &n);
    digest_of(p, n, digest);
    digest_hex(digest, hex);
    assert_string_equal(key + strlen(CHECKPOINT_PREFIX), hex);
    assert_string_equal(c.digest, hex);
    assert_int_equal(c.bytes, n);
}

static void the_entry_that_announces_it_is_no_change(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 2);
    checkpoint_made(box);
    checkpoint_made(box); /* nothing to do */
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 1);
    struct tree_box *other = tree_box_join(box, "other");
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void every_later_entry_repeats_it(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 2);
    checkpoint_made(box);
    checkpoint_fill_dir(box, "e", 2);
    CLEANUP_FREE char *key = entry_key(".assetfs", box->tree->seq);
    CLEANUP_ENTRY struct entry e = {0};
    size_t n;
    const void *p = mem_bucket_get(box->bucket, key, &n);
    assert_int_equal(entry_open(p, n, box->keys, ".assetfs", box->tree->seq, &e), 0);
    assert_memory_equal(&e.checkpoint, &box->tree->checkpoint.known.ref, sizeof e.checkpoint);
    assert_true(e.checkpoint.announced > e.checkpoint.seq && e.checkpoint.announced < e.sequence);
}

static void the_second_names_the_first(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 2);
    checkpoint_made(box);
    uint64_t first = box->tree->checkpoint.known.ref.announced;
    checkpoint_fill_dir(box, "e", 2);
    checkpoint_made(box);
    assert_int_equal(box->tree->checkpoint.known.ref.before, first);
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 2);
}

static void it_is_made_beside_the_work_of_others(void **state) {
    (void)state;
    uint64_t round;
    struct tree_checkpoint c;
    checkpoint_fill_dir(box, "d", 3);
    sim_delays(box->sim, 0, NS_PER_S);
    assert_int_equal(tree_checkpoint_begin(box->tree, &round), 0);
    checkpoint_fill_dir(box, "e", 3); /* meanwhile */
    for (int i = 0; i < 600 && !checkpoint_finished(box, round, &c); i++)
        sim_run(box->sim, NS_PER_S / 10);
    assert_int_equal(c.err, 0);
    sim_delays(box->sim, 0, 0);
    struct tree_box *other = tree_box_join(box, "other");
    assert_true(lazy(other));
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void no_temporary_files_are_left(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 3);
    checkpoint_made(box);
    CLEANUP_FREE char *dir = xasprintf("%s/checkpoint", box->dir);
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        assert_true(e->d_name[0] == '.');
    closedir(d);
}

static void what_a_killed_making_left_is_removed(void **state) {
    (void)state;
    CLEANUP_FREE char *dir = xasprintf("%s/checkpoint", box->dir), *path = xasprintf("%s/build.db", dir);
    checkpoint_fill_dir(box, "d", 3);
    assert_int_equal(file_make_dirs(dir, 0700), 0);
    assert_int_equal(file_write_atomic(path, "rest", 4, 0600), 0);
    tree_box_reopen(box);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(file_write_atomic(path, "rest", 4, 0600), 0);
    checkpoint_made(box);
}

static void closing_ends_a_making(void **state) {
    (void)state;
    uint64_t round;
    checkpoint_fill_dir(box, "d", 3);
    for (int i = 0; i < 8; i++) { /* at different points of it */
        assert_int_equal(tree_checkpoint_begin(box->tree, &round), 0);
        for (int k = 0; k < i; k++)
            sim_step(box->sim);
        tree_box_reopen(box);
    }
    checkpoint_made(box);
}

static void a_failed_put_is_tried_again_and_harms_nothing(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 3);
    set_limits(box, 2, 2);
    unsigned rule = store_fault_fail(box->store, FAULT_PUT, CHECKPOINT_PREFIX, 1, 2, -EIO);
    assert_int_equal(checkpoint_make(box).err, -EIO);
    checkpoint_fill_dir(box, "e", 3); /* commits go on */
    sim_run(box->sim, 3600 * NS_PER_S);
    assert_int_equal(store_fault_hits(box->store, rule), 2);
    assert_true(box->tree->checkpoint.known.ref.seq > 0);
}

static void without_space_on_disk_none_is_made(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 3);
    box->tree->cfg.min_free = (uint64_t)1 << 60;
    assert_int_equal(checkpoint_make(box).err, -ENOSPC);
    box->tree->cfg.min_free = 0;
    checkpoint_made(box);
}

static void a_read_only_mount_makes_none(void **state) {
    (void)state;
    uint64_t round;
    box->tree->cfg.read_only = true;
    assert_int_equal(tree_checkpoint_begin(box->tree, &round), -EROFS);
    box->tree->cfg.read_only = false;
}

/* When */

static void enough_entries_make_one_due(void **state) {
    (void)state;
    set_limits(box, 10, 1000000);
    checkpoint_fill_dir(box, "d", 6);
    sim_run(box->sim, 2000 * NS_PER_S);
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 0);
    checkpoint_fill_dir(box, "e", 6);
    sim_run(box->sim, 2000 * NS_PER_S);
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 1);
    sim_run(box->sim, 20000 * NS_PER_S); /* and no other while nothing is written */
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 1);
}

static void enough_changes_make_one_due(void **state) {
    (void)state;
    set_limits(box, 1000, 20);
    checkpoint_fill_dir(box, "d", 5);
    sim_run(box->sim, 2000 * NS_PER_S);
    assert_int_equal(box->tree->checkpoint.known.ref.seq, 0);
    checkpoint_fill_dir(box, "e", 20);
    sim_run(box->sim, 2000 * NS_PER_S);
    assert_true(box->tree->checkpoint.known.ref.seq > 0);
}

static void enough_bytes_make_one_due(void **state) {
    (void)state;
    uint8_t value[60000];
    set_limits(box, 1000, 50);
    checkpoint_fill_dir(box, "d", 5);
    sim_run(box->sim, 2000 * NS_PER_S);
    assert_int_equal(box->tree->checkpoint.known.ref.seq, 0);
    env_random(box->tree->env, value, sizeof value);
    assert_int_equal(names_setxattr(box->tree, box_ino(box, "d"), "user.long", value, sizeof value, 0), 0);
    sim_run(box->sim, 2000 * NS_PER_S);
    assert_true(box->tree->checkpoint.known.ref.seq > 0);
}

static void nobody_hurries(void **state) {
    (void)state;
    set_limits(box, 5, 5);
    checkpoint_fill_dir(box, "d", 6);
    sim_run(box->sim, 20 * NS_PER_S);
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 0);
    sim_run(box->sim, 700 * NS_PER_S);
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 1);
}

static void a_mount_in_use_is_waited_for_but_not_for_ever(void **state) {
    (void)state;
    set_limits(box, 5, 5);
    checkpoint_fill_dir(box, "d", 6);
    for (int i = 0; i < 3000; i++) {
        tree_used(box->tree);
        sim_run(box->sim, NS_PER_S);
    }
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 0);
    for (int i = 0; i < 1500; i++) {
        tree_used(box->tree);
        sim_run(box->sim, NS_PER_S);
    }
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 1);
}

static void of_two_hosts_one_makes_it(void **state) {
    (void)state;
    struct tree_box *other = tree_box_join(box, "other");
    assert_int_equal(box_claim(other), 0);
    checkpoint_fill_dir(box, "d", 12);
    set_limits(box, 5, 5);
    set_limits(other, 5, 5);
    box_follow(other);
    assert_int_equal(box_put(box, "last", "x"), 0);
    box_commit(box);
    sim_run(box->sim, 2000 * NS_PER_S);
    assert_int_equal(mem_bucket_count(box->bucket, CHECKPOINT_PREFIX), 1);
    box_follow(other);
    assert_memory_equal(&box->tree->checkpoint.known.ref, &other->tree->checkpoint.known.ref, sizeof(struct checkpoint_ref));
    tree_box_free(other);
}

/* Beginning from one */

static void a_new_host_reads_the_checkpoint_and_not_the_journal(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 40);
    checkpoint_made(box);
    struct tree_box *other = tree_box_join(box, "other");
    assert_true(lazy(other));
    assert_int_equal(gets(other, CHECKPOINT_PREFIX), 1);
    assert_in_range(gets(other, JOURNAL), 1, 40); /* finding the head, and the one entry after it */
    checkpoint_same_view(box, other);
    assert_int_equal(gets(other, CHECKPOINT_PREFIX), 1);
    tree_box_free(other);
}

static void and_replays_what_came_after(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 10);
    checkpoint_made(box);
    checkpoint_fill_dir(box, "e", 3);
    assert_int_equal(box_rename(box, "d", "f", 0), 0);
    assert_int_equal(box_unlink(box, "f/3"), 0);
    assert_int_equal(box_put(box, "f/4", "changed"), 0);
    box_commit(box);
    struct tree_box *other = tree_box_join(box, "other");
    assert_true(lazy(other));
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void what_it_then_writes_everybody_sees(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 10);
    checkpoint_made(box);
    struct tree_box *other = tree_box_join(box, "other");
    checkpoint_visit(other, ROOT_INO);
    assert_int_equal(box_claim(other), 0);
    assert_int_equal(box_put(other, "d/3", "from there"), 0);
    assert_int_equal(box_unlink(other, "d/5"), 0);
    box_commit(other);
    box_follow(box);
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void it_goes_on_after_a_restart(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 10);
    checkpoint_made(box);
    struct tree_box *other = tree_box_join(box, "other");
    checkpoint_fill_dir(box, "e", 2);
    tree_box_reopen(other);
    assert_true(lazy(other));
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void it_makes_the_next_one(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 10);
    checkpoint_made(box);
    struct tree_box *second = tree_box_join(box, "second");
    assert_int_equal(box_claim(second), 0);
    free(checkpoint_list(second, ROOT_INO).v);
    assert_int_equal(box_mkdir(second, "new"), 0);
    box_commit(second);
    checkpoint_made(second); /* `d` has never been asked for: its rows go from one base into the other */
    struct tree_box *third = tree_box_join(box, "third");
    assert_true(third->tree->checkpoint.base->ref.seq == second->tree->checkpoint.known.ref.seq);
    box_follow(box);
    checkpoint_same_view(box, third);
    tree_box_free(third);
    tree_box_free(second);
}

static void who_was_away_for_long_takes_it(void **state) {
    (void)state;
    struct tree_box *other = tree_box_join(box, "other");
    assert_int_equal(box_claim(other), 0);
    assert_int_equal(box_put(other, "mine", "x"), 0);
    box_commit(other);
    box_follow(box);
    uint64_t session = other->tree->session;
    tree_box_close(other);
    checkpoint_fill_dir(box, "d", 1010);
    checkpoint_made(box);
    tree_box_reopen(other);
    assert_true(lazy(other));
    assert_int_equal(other->tree->session, session);
    assert_in_range(gets(other, JOURNAL), 1, 60);
    checkpoint_same_view(box, other);
    assert_int_equal(box_put(other, "mine2", "y"), 0); /* with numbers nobody has */
    box_commit(other);
    box_follow(box);
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void who_was_away_with_work_of_its_own_replays(void **state) {
    (void)state;
    struct tree_box *other = tree_box_join(box, "other");
    assert_int_equal(box_claim(other), 0);
    store_fault_refuse_puts(other->store);
    assert_int_equal(box_put(other, "mine", "x"), 0);
    tree_box_close(other);
    checkpoint_fill_dir(box, "d", 1010);
    checkpoint_made(box);
    store_fault_clear(other->store);
    tree_box_reopen(other);
    assert_false(lazy(other));
    box_commit(other);
    box_follow(box);
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

/* Bad ones */

/* A host that comes anew says which one it cannot use, and why. */
static struct tree_box *joined_in_spite_of(uint64_t seq, const char *why) {
    log_lines_begin();
    struct tree_box *other = tree_box_join(box, "other");
    CLEANUP_FREE char *log = log_lines_end();
    CLEANUP_FREE char *want = xasprintf("the checkpoint of journal entry %" PRIu64 " cannot be used: ", seq);
    const char *said = strstr(log, want);
    if (!said || !strstr(said, why))
        fail_msg("'%s' and '%s' are not in: %s", want, why, log);
    return other;
}

static void joined_by_replay(const char *why) {
    struct tree_box *other = joined_in_spite_of(box->tree->checkpoint.known.ref.seq, why);
    assert_false(lazy(other));
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void one_that_is_damaged_is_as_if_it_were_not_there(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 5);
    checkpoint_made(box);
    CLEANUP_FREE char *key = object(0);
    assert_true(mem_bucket_corrupt(box->bucket, key, 500));
    joined_by_replay("it is damaged");
}

static void so_is_one_that_was_lost(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 5);
    checkpoint_made(box);
    CLEANUP_FREE char *key = object(0);
    mem_bucket_delete(box->bucket, key);
    joined_by_replay("it is not in the bucket");
}

static void and_one_that_was_cut_off(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 5);
    checkpoint_made(box);
    CLEANUP_FREE char *key = object(0);
    size_t n;
    const void *p = mem_bucket_get(box->bucket, key, &n);
    CLEANUP_FREE void *copy = xmemdup(p, n);
    mem_bucket_set(box->bucket, key, copy, n - 20);
    joined_by_replay("it is damaged");
}

static void the_one_before_is_taken_then(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 5);
    checkpoint_made(box);
    uint64_t first = box->tree->checkpoint.known.ref.seq;
    checkpoint_fill_dir(box, "e", 5);
    checkpoint_made(box);
    CLEANUP_FREE char *key = checkpoint_key(box);
    assert_true(mem_bucket_corrupt(box->bucket, key, 500));
    struct tree_box *other = joined_in_spite_of(box->tree->checkpoint.known.ref.seq, "it is damaged");
    assert_true(lazy(other));
    assert_int_equal(other->tree->checkpoint.base->ref.seq, first);
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void when_all_are_bad_the_journal_is_read(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        CLEANUP_FREE char *dir = xasprintf("d%u", i);
        checkpoint_fill_dir(box, dir, 3);
        checkpoint_made(box);
        CLEANUP_FREE char *key = checkpoint_key(box);
        assert_true(mem_bucket_corrupt(box->bucket, key, 100));
    }
    joined_by_replay("it is damaged");
}

/* The next entry, by somebody who has the volume key. */
static void forge(const struct checkpoint_ref *ref) {
    struct tree *t = box->tree;
    CLEANUP_BUF struct buf b = BUF_INIT(ENTRY_MAX);
    CLEANUP_FREE char *key = entry_key(".assetfs", t->seq + 1);
    uint8_t salt[SEAL_SALT_SIZE] = {7};
    struct entry e = {.sequence = t->seq + 1, .has_previous = true, .session = t->session, .host = (char *)"forger", .user = (char *)"x", .checkpoint = *ref};
    memcpy(e.previous, t->head_hash, DIGEST_SIZE);
    set_digest_value(&t->set, e.tree);
    e.nonce[0] = 1;
    assert_int_equal(entry_seal(&e, box->keys, ".assetfs", salt, &b), 0);
    mem_bucket_set(box->bucket, key, b.data, b.len);
    box_follow(box);
    assert_int_equal(t->seq, e.sequence);
}

static void a_reference_that_the_journal_does_not_bear_out(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 5);
    checkpoint_made(box);
    struct checkpoint_ref ref = box->tree->checkpoint.known.ref;
    const uint64_t good = ref.seq;
    checkpoint_fill_dir(box, "e", 3);
    ref.seq = box->tree->seq; /* the old tree as that of today */
    ref.before = ref.announced;
    ref.announced = box->tree->seq + 1;
    forge(&ref);
    struct tree_box *other = joined_in_spite_of(ref.seq, "does not go on from it");
    assert_true(lazy(other));
    assert_int_equal(other->tree->checkpoint.base->ref.seq, good);
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

static void the_object_of_another_sequence_number(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 5);
    checkpoint_made(box);
    struct checkpoint_ref ref = box->tree->checkpoint.known.ref;
    checkpoint_fill_dir(box, "e", 3);
    ref.seq = box->tree->seq; /* and with the right digests */
    ref.set = box->tree->set;
    memcpy(ref.head_hash, box->tree->head_hash, DIGEST_SIZE);
    ref.before = ref.announced;
    ref.announced = box->tree->seq + 1;
    forge(&ref);
    struct tree_box *other = joined_in_spite_of(ref.seq, "not what the journal says");
    assert_int_equal(other->tree->checkpoint.base->ref.seq, ref.before - 1);
    checkpoint_same_view(box, other);
    tree_box_free(other);
}

/* Sealed with this volume's key, but for another one. */
static void the_checkpoint_of_another_volume(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 5);
    box->tree->volume_id[0] ^= 1;
    checkpoint_made(box);
    box->tree->volume_id[0] ^= 1;
    joined_by_replay("not what the journal says");
}

static void references_that_make_no_end(void **state) {
    (void)state;
    checkpoint_fill_dir(box, "d", 5);
    checkpoint_made(box);
    CLEANUP_FREE char *key = object(0);
    mem_bucket_delete(box->bucket, key);
    struct checkpoint_ref ref = box->tree->checkpoint.known.ref;
    for (int i = 0; i < 5; i++) { /* each names the one before, none has an object */
        ref.before = ref.announced;
        ref.seq = box->tree->seq;
        ref.announced = box->tree->seq + 1;
        forge(&ref);
    }
    joined_by_replay("does not go on from it");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(one_is_made_put_and_announced),
        T(the_entry_that_announces_it_is_no_change),
        T(every_later_entry_repeats_it),
        T(the_second_names_the_first),
        T(it_is_made_beside_the_work_of_others),
        T(no_temporary_files_are_left),
        T(what_a_killed_making_left_is_removed),
        T(closing_ends_a_making),
        T(a_failed_put_is_tried_again_and_harms_nothing),
        T(without_space_on_disk_none_is_made),
        T(a_read_only_mount_makes_none),
        T(enough_entries_make_one_due),
        T(enough_changes_make_one_due),
        T(enough_bytes_make_one_due),
        T(nobody_hurries),
        T(a_mount_in_use_is_waited_for_but_not_for_ever),
        T(of_two_hosts_one_makes_it),
        T(a_new_host_reads_the_checkpoint_and_not_the_journal),
        T(and_replays_what_came_after),
        T(what_it_then_writes_everybody_sees),
        T(it_goes_on_after_a_restart),
        T(it_makes_the_next_one),
        T(who_was_away_for_long_takes_it),
        T(who_was_away_with_work_of_its_own_replays),
        T(one_that_is_damaged_is_as_if_it_were_not_there),
        T(so_is_one_that_was_lost),
        T(and_one_that_was_cut_off),
        T(the_one_before_is_taken_then),
        T(when_all_are_bad_the_journal_is_read),
        T(a_reference_that_the_journal_does_not_bear_out),
        T(the_object_of_another_sequence_number),
        T(the_checkpoint_of_another_volume),
        T(references_that_make_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
