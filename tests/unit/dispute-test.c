/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A host whose local state is damaged, and which commits: the others go on and tell it, it sets itself right, and what it has committed on the damage comes back. b is the damaged one. (What a
 * host does that finds the damage in itself first: rebuild-test.)
 */
#include "checkpoint_box.h"
#include "pair.h"
#include "tree/dispute.h"

#include <inttypes.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define COPY " (conflicted copy, other 2023-11-14)"
#define INO_OF(name) "(SELECT ino FROM c_name WHERE name = CAST('" name "' AS BLOB))"
#define LOSE_F "DELETE FROM c_name WHERE name = CAST('f' AS BLOB)"
#define F_LIKE_K "UPDATE c_inode SET rec = (SELECT rec FROM c_inode WHERE ino = " INO_OF("k") ") WHERE ino = " INO_OF("f")

static void damage(struct tree_box *b, const char *sql) {
    assert_int_equal(sqlite3_exec(b->tree->db.sql, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_not_equal(sqlite3_changes(b->tree->db.sql), 0);
}

static void prepare(struct pair *p) {
    ok(box_mkdir(p->a, "d"));
    ok(box_put(p->a, "d/g", "g"));
    ok(box_put(p->a, "f", "old"));
    ok(box_put(p->a, "k", "kept"));
    share(p);
}

static size_t entries(const struct pair *p) {
    return mem_bucket_count(p->a->bucket, ".assetfs/journal/");
}

static void is_well(struct tree_box *b) {
    assert_null(b->tree->rebuild);
    assert_false(b->tree->stopped);
    assert_false(b->tree->read_only);
    CLEANUP_FREE char *wrong = tree_box_wrong(b);
    if (wrong)
        fail_msg("%s: %s", b->label, wrong);
}

/* Time for both to look, to object, and to set themselves right. */
static void settle(struct pair *p) {
    for (int i = 0; i < 8; i++) {
        tree_used(p->a->tree);
        tree_used(p->b->tree);
        sim_run(p->a->sim, 15 * NS_PER_S);
    }
}

static void same_after(struct pair *p, const char *want) {
    settle(p);
    is_well(p->a);
    is_well(p->b);
    assert_view(p->b, want);
    assert_view(p->a, want);
    assert_int_equal(p->a->tree->seq, p->b->tree->seq);
    assert_int_equal(p->a->tree->pending_rows + p->b->tree->pending_rows, 0);
    assert_memory_equal(&p->a->tree->set, &p->b->tree->set, sizeof p->a->tree->set);
    struct tree_box *late = tree_box_join(p->a, "late"); /* who reads all of it comes to the same */
    sim_run(late->sim, 60 * NS_PER_S);
    assert_view(late, want);
    is_well(late);
    box_follow(p->a); /* its session */
    box_follow(p->b);
    assert_memory_equal(&p->a->tree->set, &late->tree->set, sizeof late->tree->set);
    tree_box_free(late);
}

static char *damaged_of(struct tree_box *b) {
    struct tree_status st;
    tree_status(b->tree, &st);
    char *text = st.damaged ? xstrdup(st.damaged) : NULL;
    tree_status_free(&st);
    return text;
}

/* The digest in b's entry is wrong, its change fits. */
static void the_others_go_on(void **state) {
    struct pair *p = *state;
    prepare(p);
    p->b->tree->set.w[2] ^= 1;
    ok(box_put(p->b, "f", "new"));
    box_commit(p->b);
    uint64_t seq = p->b->tree->seq;
    store_fault_vanish(p->b->store);
    box_follow(p->a);
    sim_run(p->a->sim, 60 * NS_PER_S);
    is_well(p->a);
    assert_view(p->a, "d/ d/g=g f=new k=kept");
    assert_in_range(p->a->tree->seq, seq, seq + 1);
    assert_int_equal(counter_get(&p->a->counters, COUNTER_ENTRIES_DAMAGED), 1);
    CLEANUP_FREE char *said = damaged_of(p->a), *want = xasprintf("journal entry %" PRIu64 " by other", seq);
    assert_non_null(said);
    assert_non_null(strstr(said, want));
    ok(box_put(p->a, "goes", "on"));
    box_commit(p->a);
    assert_view(p->a, "d/ d/g=g f=new goes=on k=kept");
}

/* Nobody else writes anything: it is told all the same, by one entry. */
static void it_is_told_and_sets_itself_right(void **state) {
    struct pair *p = *state;
    prepare(p);
    p->b->tree->set.w[2] ^= 1;
    ok(box_put(p->b, "f", "new"));
    box_commit(p->b);
    uint64_t seq = p->b->tree->seq;
    same_after(p, "d/ d/g=g f=new k=kept");
    assert_int_equal(p->a->tree->seq, seq + 2); /* and the session of the late one */
    assert_int_equal(counter_get(&p->b->counters, COUNTER_ENTRIES_DAMAGED), 0);
    ok(box_put(p->b, "f", "newer"));
    box_commit(p->b);
    same_after(p, "d/ d/g=g f=newer k=kept");
    assert_null(damaged_of(p->a)); /* it agrees again */
    assert_int_equal(p->a->tree->seq, seq + 4);
}

/* A name is gone on b alone, and a new file takes it. */
static void a_file_dropped_on_the_damage_is_a_copy(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, LOSE_F);
    ok(box_put(p->b, "f", "mine"));
    box_commit(p->b);
    uint64_t puts = counter_get(&p->b->counters, COUNTER_STORE_PUTS), written = counter_get(&p->b->counters, COUNTER_ENTRIES_WRITTEN);
    same_after(p, "d/ d/g=g f=old f" COPY "=mine k=kept");
    written = counter_get(&p->b->counters, COUNTER_ENTRIES_WRITTEN) - written;
    assert_int_equal(counter_get(&p->b->counters, COUNTER_STORE_PUTS) - puts, written); /* its content was there already */
}

static void a_file_saved_over_the_damage_is_a_copy(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, F_LIKE_K);
    ok(box_put(p->b, "f", "mine"));
    box_commit(p->b);
    ok(box_put(p->b, "f", "mine, saved again"));
    box_commit(p->b);
    same_after(p, "d/ d/g=g f=old f" COPY "=mine, saved again k=kept");
}

static void what_the_others_wrote_meanwhile_stays(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, F_LIKE_K);
    ok(box_put(p->b, "f", "mine"));
    box_commit(p->b);
    part_ways(p);
    box_follow(p->a);
    ok(box_put(p->a, "f", "theirs"));
    ok(box_put(p->b, "n", "pending"));
    meet(p);
    same_after(p, "d/ d/g=g f=theirs f" COPY "=mine k=kept n=pending");
}

/* A directory is gone on b alone; one of its name is made, and filled. */
static void a_directory_is_merged(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, "DELETE FROM c_name WHERE name = CAST('d' AS BLOB)");
    damage(p->b, "UPDATE c_inode SET nlink = nlink - 1 WHERE ino = 1");
    ok(box_mkdir(p->b, "d"));
    ok(box_put(p->b, "d/x", "x"));
    ok(box_put(p->b, "d/g", "mine"));
    box_commit(p->b);
    same_after(p, "d/ d/g=g d/g" COPY "=mine d/x=x f=old k=kept");
}

static void what_fitted_was_no_harm(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, LOSE_F);
    ok(box_put(p->b, "f", "mine"));
    ok(box_rename(p->b, "k", "d/k", 0));
    ok(box_put(p->b, "d/g", "g, too"));
    box_commit(p->b);
    same_after(p, "d/ d/g=g, too d/k=kept f=old f" COPY "=mine");
}

/* What it removed on the damage, and is void, is removed once more. */
static void a_removal_comes_back_too(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, "UPDATE c_name SET ino = " INO_OF("k") " WHERE name = CAST('g' AS BLOB)");
    ok(box_unlink(p->b, "d/g"));
    box_commit(p->b);
    settle(p);
    is_well(p->a);
    is_well(p->b);
    CLEANUP_FREE char *a = box_print(p->a), *b = box_print(p->b);
    assert_string_equal(a, b);
    assert_non_null(strstr(a, "k=kept")); /* that it was another file, and stays, is what rules §3 are for */
    assert_non_null(strstr(a, "f=old"));
}

static void a_restart_in_between_is_no_harm(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, LOSE_F);
    ok(box_put(p->b, "f", "mine"));
    box_commit(p->b);
    part_ways(p);
    box_follow(p->a);
    sim_run(p->a->sim, 60 * NS_PER_S);
    store_fault_remove(p->b->store, p->away);
    tree_box_reopen(p->b);
    same_after(p, "d/ d/g=g f=old f" COPY "=mine k=kept");
}

/* What has come back does not come back at the next look. */
static void it_comes_back_once(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, LOSE_F);
    ok(box_put(p->b, "f", "mine"));
    box_commit(p->b);
    same_after(p, "d/ d/g=g f=old f" COPY "=mine k=kept");
    ok(box_unlink(p->a, "f" COPY));
    box_commit(p->a);
    box_follow(p->b);
    p->b->tree->set.w[1] ^= 1;
    ok(box_put(p->a, "shows", "it"));
    box_commit(p->a);
    same_after(p, "d/ d/g=g f=old k=kept shows=it");
}

/* Its own entry was in flight when a row went bad under it. */
static void an_entry_in_flight_meets_the_damage(void **state) {
    struct pair *p = *state;
    prepare(p);
    store_fault_refuse_puts(p->b->store);
    ok(box_chmod(p->b, "f", 0600));
    sim_run(p->b->sim, 10 * NS_PER_S);
    assert_true(p->b->tree->inflight.active);
    damage(p->b, "DELETE FROM c_inode WHERE ino = " INO_OF("f"));
    store_fault_clear(p->b->store);
    same_after(p, "d/ d/g=g f=old k=kept");
}

/* A row that is no record: the entry that meets it is not taken for garbage. */
static void a_row_that_cannot_be_read(void **state) {
    struct pair *p = *state;
    prepare(p);
    damage(p->b, "UPDATE c_inode SET rec = x'00' WHERE ino = " INO_OF("f"));
    ok(box_put(p->a, "f", "new"));
    box_commit(p->a);
    same_after(p, "d/ d/g=g f=new k=kept");
    assert_int_equal(counter_get(&p->b->counters, COUNTER_ENTRIES_VOID), 0);
}

static void a_read_only_mount_goes_on_and_writes_nothing(void **state) {
    struct pair *p = *state;
    int r;
    prepare(p);
    struct tree_box *reader = tree_box_open(&(struct tree_box_config){.sim = p->a->sim, .bucket = p->a->bucket, .label = "reader", .read_only = true}, &r);
    ok(r);
    store_fault_vanish(p->a->store);
    p->b->tree->set.w[2] ^= 1;
    ok(box_put(p->b, "f", "new"));
    box_commit(p->b);
    size_t n = entries(p);
    box_follow(reader);
    sim_run(reader->sim, 120 * NS_PER_S);
    assert_false(reader->tree->stopped);
    assert_int_equal(reader->tree->seq, p->b->tree->seq);
    assert_view(reader, "d/ d/g=g f=new k=kept");
    assert_int_equal(entries(p), n);
    tree_box_free(reader);
}

/* Entries of somebody who never sets himself right. */
static void put_wrong(struct pair *p) {
    static const uint8_t salt[SEAL_SALT_SIZE] = {7};
    struct tree *t = p->a->tree;
    struct entry e = {.sequence = t->seq + 1, .has_previous = true, .session = p->b->tree->session, .host = (char *)"other", .user = (char *)"x", .tree = {1, 2, 3}};
    CLEANUP_BUF struct buf sealed = BUF_INIT(ENTRY_MAX);
    CLEANUP_FREE char *key = entry_key(".assetfs", e.sequence);
    memcpy(e.previous, t->head_hash, DIGEST_SIZE);
    e.nonce[0] = (uint8_t)e.sequence;
    ok(entry_seal(&e, p->a->keys, ".assetfs", salt, &sealed));
    mem_bucket_set(p->a->bucket, key, sealed.data, sealed.len);
    box_follow(p->a);
    sim_run(p->a->sim, 60 * NS_PER_S);
    is_well(p->a);
}

static void nobody_answers_for_ever(void **state) {
    struct pair *p = *state;
    prepare(p);
    part_ways(p);
    size_t before = entries(p);
    for (int i = 0; i < 5; i++)
        put_wrong(p);
    assert_int_equal(entries(p), before + 5 + 1); /* one objection */
    int64_t well_at = p->a->tree->well_at;
    sim_run(p->a->sim, TRUSTED_NS);
    assert_int_equal(entries(p), before + 5 + 2); /* the next was due since, and says it once more */
    assert_int_equal(p->a->tree->well_at, well_at);
    put_wrong(p);
    assert_true(p->a->tree->well_at > well_at); /* it has looked at itself again */
    sim_run(p->a->sim, 2 * TRUSTED_NS);
    assert_int_equal(entries(p), before + 6 + 3);
}

/* Of several who notice, one speaks. */
static void one_objection_is_enough(void **state) {
    struct pair *p = *state;
    prepare(p);
    struct tree_box *c = tree_box_join(p->a, "third");
    ok(box_claim(c));
    box_follow(p->a);
    box_follow(p->b);
    p->b->tree->set.w[2] ^= 1;
    ok(box_put(p->b, "f", "new"));
    box_commit(p->b);
    uint64_t seq = p->b->tree->seq;
    settle(p);
    is_well(c);
    assert_int_equal(c->tree->seq, seq + 1);
    assert_memory_equal(&c->tree->set, &p->b->tree->set, sizeof c->tree->set);
    tree_box_free(c);
}

/* A host that began from a checkpoint has its digest from who made that: it reads the journal itself before it says that another is wrong. */
static void a_host_that_began_from_a_checkpoint(void **state) {
    struct pair *p = *state;
    prepare(p);
    checkpoint_fill_wide(p->a, "wide");
    checkpoint_made(p->a);
    box_follow(p->b);
    struct tree_box *c = tree_box_join(p->a, "lazy");
    assert_true(fault_is_lazy(c->tree));
    p->b->tree->set.w[2] ^= 1;
    ok(box_put(p->b, "f", "new"));
    box_commit(p->b);
    settle(p);
    sim_run(c->sim, 120 * NS_PER_S);
    is_well(p->a);
    is_well(p->b);
    is_well(c);
    assert_int_equal(c->tree->seq, p->a->tree->seq);
    assert_memory_equal(&c->tree->set, &p->a->tree->set, sizeof c->tree->set);
    struct tree_box *late = tree_box_join(p->a, "later"); /* begins before the entry, and meets it */
    sim_run(late->sim, 120 * NS_PER_S);
    is_well(late);
    assert_int_equal(late->tree->seq, p->a->tree->seq);
    assert_memory_equal(&late->tree->set, &p->a->tree->set, sizeof late->tree->set);
    tree_box_free(late);
    tree_box_free(c);
}

/* The damaged one began from a checkpoint itself. */
static void a_damaged_host_that_began_from_a_checkpoint(void **state) {
    struct pair *p = *state;
    prepare(p);
    checkpoint_fill_wide(p->a, "wide");
    checkpoint_made(p->a);
    struct tree_box *c = tree_box_join(p->a, "lazy");
    assert_true(fault_is_lazy(c->tree));
    checkpoint_visit(c, box_ino(c, "d"));
    damage(c, "DELETE FROM c_name WHERE name = CAST('g' AS BLOB)");
    ok(box_put(c, "d/g", "mine"));
    box_commit(c);
    settle(p);
    sim_run(c->sim, 120 * NS_PER_S);
    is_well(p->a);
    is_well(c);
    assert_true(fault_is_lazy(c->tree)); /* the checkpoint and the entries after it agree with the others */
    CLEANUP_FREE char *g = box_read(p->a, "d/g", NULL, NULL);
    CLEANUP_FREE char *copy = box_read(p->a, "d/g (conflicted copy, lazy 2023-11-14)", NULL, NULL);
    assert_string_equal(g, "g");
    assert_non_null(copy);
    assert_string_equal(copy, "mine");
    assert_memory_equal(&c->tree->set, &p->a->tree->set, sizeof c->tree->set);
    tree_box_free(c);
}

/* The checkpoint of a damaged host is not passed on. */
static void its_checkpoint_is_not_believed(void **state) {
    struct pair *p = *state;
    prepare(p);
    p->b->tree->set.w[2] ^= 1;
    ok(tree_begin(p->b->tree));
    ok(tree_end(p->b->tree, follow_save(p->b->tree)));
    checkpoint_made(p->b);
    uint64_t wrong = p->b->tree->checkpoint.known.ref.seq;
    assert_int_not_equal(wrong, 0);
    same_after(p, "d/ d/g=g f=old k=kept");
    assert_int_equal(p->a->tree->checkpoint.known.ref.seq, 0);
    assert_int_equal(p->b->tree->checkpoint.known.ref.seq, 0);
    ok(box_put(p->b, "f", "new"));
    box_commit(p->b);
    same_after(p, "d/ d/g=g f=new k=kept");
    assert_int_equal(p->a->tree->checkpoint.known.ref.seq, 0);
}

/* A past state, which does not follow: read to its end all the same. */
static void a_past_state_is_whole(void **state) {
    struct pair *p = *state;
    int r;
    prepare(p);
    checkpoint_fill_wide(p->a, "wide");
    checkpoint_made(p->a);
    box_follow(p->b);
    p->b->tree->set.w[2] ^= 1;
    ok(box_put(p->b, "f", "new"));
    box_commit(p->b);
    settle(p);
    struct tree_box *past =
        tree_box_open(&(struct tree_box_config){.sim = p->a->sim, .bucket = p->a->bucket, .label = "past", .read_only = true, .at = {.kind = PAST_NOW}}, &r);
    ok(r);
    assert_int_equal(past->tree->seq, p->a->tree->seq);
    assert_memory_equal(&past->tree->set, &p->a->tree->set, sizeof past->tree->set);
    CLEANUP_FREE char *f = box_read(past, "f", NULL, NULL);
    assert_string_equal(f, "new");
    tree_box_free(past);
}

#define T(f) PAIR_TEST(f)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(the_others_go_on),
        T(it_is_told_and_sets_itself_right),
        T(a_file_dropped_on_the_damage_is_a_copy),
        T(a_file_saved_over_the_damage_is_a_copy),
        T(what_the_others_wrote_meanwhile_stays),
        T(a_directory_is_merged),
        T(what_fitted_was_no_harm),
        T(a_removal_comes_back_too),
        T(a_restart_in_between_is_no_harm),
        T(it_comes_back_once),
        T(an_entry_in_flight_meets_the_damage),
        T(a_row_that_cannot_be_read),
        T(a_read_only_mount_goes_on_and_writes_nothing),
        T(nobody_answers_for_ever),
        T(one_objection_is_enough),
        T(a_host_that_began_from_a_checkpoint),
        T(a_damaged_host_that_began_from_a_checkpoint),
        T(its_checkpoint_is_not_believed),
        T(a_past_state_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
