/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A host whose confirmed tree is not what the journal says: it shows at an entry, the host applies the journal anew, keeps what is pending, and goes on.
 */
#include "pair.h"
#include "tree/names.h"
#include "tree/rebuild.h"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void damage(struct tree_box *b, const char *sql) {
    assert_int_equal(sqlite3_exec(b->tree->db.sql, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_not_equal(sqlite3_changes(b->tree->db.sql), 0);
}

/* Two entries of a: the first touches what is damaged, the second was built on a tree that b has not. */
static void show(struct pair *p) {
    ok(box_put(p->a, "f", "new"));
    box_commit(p->a);
    ok(box_put(p->a, "shows", "it"));
    box_commit(p->a);
}

static void prepare(struct pair *p) {
    ok(box_mkdir(p->a, "d"));
    ok(box_put(p->a, "d/g", "g"));
    ok(box_put(p->a, "f", "old"));
    ok(box_put(p->a, "k", "kept"));
    share(p);
}

static void heals(struct pair *p) {
    box_follow(p->b);
    sim_run(p->b->sim, 60 * NS_PER_S);
    assert_null(p->b->tree->rebuild);
    assert_false(p->b->tree->stopped);
    assert_false(p->b->tree->offline);
    CLEANUP_FREE char *left = xasprintf("%s/rebuild.db", p->b->dir);
    assert_int_equal(access(left, F_OK), -1);
}

static void same_but_void(struct pair *p, const char *want) {
    p->b->counters = (struct counters){0}; /* an entry that did not fit the damaged tree was counted as void */
    same(p, want);
}

static void a_damaged_record_is_set_right(void **st) {
    struct pair *p = *st;
    prepare(p);
    damage(p->b, "UPDATE c_inode SET rec = (SELECT rec FROM c_inode i JOIN c_name n ON n.ino = i.ino WHERE n.name = CAST('k' AS BLOB)) "
                 "WHERE ino = (SELECT ino FROM c_name WHERE name = CAST('f' AS BLOB))");
    show(p);
    heals(p);
    same_but_void(p, "d/ d/g=g f=new k=kept shows=it");
}

/* What it committed before it was set right would stop everybody else. */
static void a_host_looks_at_itself_before_it_commits(void **st) {
    struct pair *p = *st;
    prepare(p);
    p->b->tree->made_here = false; /* as after a restart */
    damage(p->b, "UPDATE c_inode SET rec = (SELECT rec FROM c_inode i JOIN c_name n ON n.ino = i.ino WHERE n.name = CAST('k' AS BLOB)) "
                 "WHERE ino = (SELECT ino FROM c_name WHERE name = CAST('f' AS BLOB))");
    part_ways(p);
    ok(box_put(p->b, "mine", "queued"));
    ok(box_put(p->a, "f", "new"));
    box_commit(p->a);
    meet(p);
    heals(p);
    assert_false(p->a->tree->stopped);
    same_but_void(p, "d/ d/g=g f=new k=kept mine=queued");
}

static void a_record_that_is_no_record_is_set_right(void **st) {
    struct pair *p = *st;
    prepare(p);
    damage(p->b, "UPDATE c_inode SET rec = x'00' WHERE ino = (SELECT ino FROM c_name WHERE name = CAST('k' AS BLOB))");
    p->b->tree->set.w[0] ^= 1;
    show(p);
    heals(p);
    same_but_void(p, "d/ d/g=g f=new k=kept shows=it");
}

static void a_lost_name_is_set_right(void **st) {
    struct pair *p = *st;
    prepare(p);
    damage(p->b, "DELETE FROM c_name WHERE name = CAST('f' AS BLOB)");
    show(p);
    ok(box_unlink(p->a, "f"));
    box_commit(p->a);
    ok(box_put(p->a, "shows", "it too"));
    box_commit(p->a);
    heals(p);
    same_but_void(p, "d/ d/g=g k=kept shows=it too");
}

/* What was written to a file whose name is lost, and is not committed yet, has no other copy. */
static void written_and_lost(struct pair *p) {
    prepare(p);
    part_ways(p);
    ok(box_put(p->b, "f", "mine"));
    ok(box_mkdir(p->b, "n"));
    damage(p->b, "DELETE FROM c_name WHERE name = CAST('f' AS BLOB)");
}

static void what_is_written_to_a_file_with_a_lost_name_stays(void **st) {
    struct pair *p = *st;
    written_and_lost(p);
    ok(box_mkdir(p->a, "n")); /* what is pending is merged, and f has nothing to do with that */
    meet(p);
    heals(p);
    same_but_void(p, "d/ d/g=g f=mine k=kept n/");
}

static void others_wrote_to_a_file_with_a_lost_name(void **st) {
    struct pair *p = *st;
    written_and_lost(p);
    ok(box_put(p->a, "f", "theirs"));
    meet(p);
    heals(p);
    same_but_void(p, "d/ d/g=g f=theirs f (conflicted copy, other 2023-11-14)=mine k=kept n/");
}

static void others_removed_a_file_with_a_lost_name(void **st) {
    struct pair *p = *st;
    written_and_lost(p);
    ok(box_unlink(p->a, "f"));
    meet(p);
    heals(p);
    same_but_void(p, "d/ d/g=g f=mine k=kept n/");
}

static void a_name_too_many_goes(void **st) {
    struct pair *p = *st;
    prepare(p);
    damage(p->b, "INSERT INTO c_name SELECT parent, CAST('shows' AS BLOB), ino, type FROM c_name WHERE name = CAST('k' AS BLOB)");
    show(p);
    ok(box_put(p->a, "again", "it"));
    box_commit(p->a);
    heals(p);
    same_but_void(p, "again=it d/ d/g=g f=new k=kept shows=it");
}

static void what_is_pending_stays(void **st) {
    struct pair *p = *st;
    struct file *f;
    prepare(p);
    damage(p->b, "UPDATE c_name SET ino = (SELECT ino FROM c_name WHERE name = CAST('k' AS BLOB)) WHERE name = CAST('g' AS BLOB)");
    p->b->tree->set.w[3] ^= 1;
    part_ways(p);
    ok(box_put(p->b, "mine", "not committed"));
    ok(box_rename(p->b, "k", "d/k", 0));
    ok(file_open(p->b->tree, box_ino(p->b, "f"), O_RDWR, &f));
    write_now(f, "open");
    show(p);
    meet(p);
    heals(p);
    assert_view(p->b, "d/ d/g=g d/k=kept f=open f (conflicted copy, other 2023-11-14)=open mine=not committed shows=it"); /* saved meanwhile */
    file_close(f, O_RDWR);
    same_but_void(p, "d/ d/g=g d/k=kept f=new f (conflicted copy, other 2023-11-14)=open mine=not committed shows=it");
}

static void a_mount_that_finds_it_heals(void **st) {
    struct pair *p = *st;
    prepare(p);
    p->b->tree->set.w[1] ^= 1;
    part_ways(p);
    ok(box_put(p->b, "mine", "not committed"));
    ok(tree_begin(p->b->tree));
    uint8_t set[sizeof p->b->tree->set.w] = {1, 2, 3};
    ok(tree_end(p->b->tree, db_meta_set_bytes(&p->b->tree->db, "set", set, sizeof set)));
    show(p);
    store_fault_remove(p->b->store, p->away);
    tree_box_reopen(p->b);
    heals(p);
    same_but_void(p, "d/ d/g=g f=new k=kept mine=not committed shows=it");
}

/* The journal makes what b has: the writer is the one that is wrong (dispute-test), and b goes on. */
static void damage_elsewhere_stops_nobody(void **st) {
    struct pair *p = *st;
    prepare(p);
    p->a->tree->set.w[2] ^= 1;
    ok(box_put(p->a, "f", "new"));
    box_commit(p->a);
    uint64_t seq = p->a->tree->seq;
    heals(p);
    assert_true(p->b->tree->seq >= seq);
    assert_view(p->b, "d/ d/g=g f=new k=kept");
    ok(box_put(p->b, "x", "x"));
    same(p, "d/ d/g=g f=new k=kept x=x");
}

static void the_bucket_may_be_away_meanwhile(void **st) {
    struct pair *p = *st;
    prepare(p);
    p->b->tree->set.w[2] ^= 1;
    show(p);
    unsigned lost = store_fault_hold(p->b->store, FAULT_GET, ".assetfs/journal/0000000000000001");
    sim_run(p->b->sim, 30 * NS_PER_S);
    assert_non_null(p->b->tree->rebuild);
    assert_int_equal(store_fault_hits(p->b->store, lost), 1);
    ok(box_put(p->b, "meanwhile", "written"));
    sim_run(p->b->sim, 30 * NS_PER_S);
    store_fault_release(p->b->store);
    heals(p);
    same_but_void(p, "d/ d/g=g f=new k=kept meanwhile=written shows=it");
}

static void closing_in_the_middle_is_no_harm(void **st) {
    struct pair *p = *st;
    prepare(p);
    ok(tree_begin(p->b->tree));
    uint8_t set[sizeof p->b->tree->set.w] = {1, 2, 3};
    p->b->tree->set.w[0] ^= 1;
    ok(tree_end(p->b->tree, db_meta_set_bytes(&p->b->tree->db, "set", set, sizeof set)));
    store_fault_delay(p->b->store, FAULT_GET, ".assetfs/journal/0000000000000001", 60000);
    show(p);
    sim_run(p->b->sim, 20 * NS_PER_S);
    assert_non_null(p->b->tree->rebuild);
    tree_box_reopen(p->b);
    heals(p);
    same_but_void(p, "d/ d/g=g f=new k=kept shows=it");
}

#define T(f) PAIR_TEST(f)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_damaged_record_is_set_right),
        T(a_host_looks_at_itself_before_it_commits),
        T(a_record_that_is_no_record_is_set_right),
        T(a_lost_name_is_set_right),
        T(what_is_written_to_a_file_with_a_lost_name_stays),
        T(others_wrote_to_a_file_with_a_lost_name),
        T(others_removed_a_file_with_a_lost_name),
        T(a_name_too_many_goes),
        T(what_is_pending_stays),
        T(a_mount_that_finds_it_heals),
        T(damage_elsewhere_stops_nobody),
        T(the_bucket_may_be_away_meanwhile),
        T(closing_in_the_middle_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
