/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What others may put at the next number of the journal: each is void for everybody, is applied as far as it fits, or
 * stops the host before it, as its kind says, and is reported with its number. Nothing of it gets into the tree. (A batch that is
 * missing: batch-test. Checkpoints: checkpoint-test. Entries of a newer format on a mount: newer-format.sh.)
 */
#include "log_lines.h"
#include "sample_entry.h"
#include "tree_box.h"

#include <inttypes.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct tree_box *a, *b; /* a has written; b follows */

static int setup(void **state) {
    (void)state;
    a = tree_box_new();
    assert_int_equal(box_put(a, "f", "one"), 0);
    box_commit(a);
    b = tree_box_join(a, "b");
    box_follow(a);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tree_box_free(b);
    tree_box_free(a);
    return 0;
}

static void put_at(uint64_t seq, const void *p, size_t n) {
    CLEANUP_FREE char *key = entry_key(".assetfs", seq);
    CLEANUP_FREE void *copy = xmemdup(p, n); /* of the same bucket, maybe */
    mem_bucket_set(a->bucket, key, copy, n);
}

static const void *entry_at(uint64_t seq, size_t *ret_n) {
    CLEANUP_FREE char *key = entry_key(".assetfs", seq);
    return mem_bucket_get(a->bucket, key, ret_n);
}

static void says(const char *text, const char *what, uint64_t seq) {
    CLEANUP_FREE char *number = xasprintf("journal %s %" PRIu64 " ", what, seq);
    if (!strstr(text, number))
        fail_msg("'%s' is not in: %s", number, text);
}

/* b goes past the number, and says which; then a's next entry, for a has not looked, comes after it. */
static void is_void(uint64_t seq) {
    log_lines_begin();
    box_follow(b);
    CLEANUP_FREE char *log = log_lines_end();
    assert_int_equal(b->tree->seq, seq);
    says(log, "number", seq);
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_VOID), 1);
    assert_view(b, "f=one");
    assert_int_equal(box_put(a, "g", "two"), 0);
    box_commit(a);
    box_follow(b);
    assert_view(b, "f=one g=two");
    struct tree_box *late = tree_box_join(a, "late");
    assert_view(late, "f=one g=two");
    tree_box_free(late);
}

/* b stays before the number, read-only, and says why. */
static void is_stopped_before(uint64_t seq, const char *why) {
    struct tree_status st;
    box_follow(b);
    assert_int_equal(b->tree->seq, seq - 1);
    tree_status(b->tree, &st);
    assert_true(st.read_only);
    assert_non_null(st.reason);
    says(st.reason, "entry", seq);
    if (!strstr(st.reason, why))
        fail_msg("%s", st.reason);
    tree_status_free(&st);
    assert_view(b, "f=one");
    assert_int_equal(box_create(b, "x"), -EROFS);
}

/* The next entry, as somebody with the key could write it. */
static void next_entry(struct entry *ret) {
    struct tree *t = a->tree;
    *ret = (struct entry){.sequence = t->seq + 1,
                          .has_previous = true,
                          .session = t->session,
                          .host = (char *)"forger",
                          .user = (char *)"x"};
    memcpy(ret->previous, t->head_hash, DIGEST_SIZE);
    set_digest_value(&t->set, ret->tree);
    ret->nonce[0] = 1;
}

static void put_sealed(const struct entry *e, const struct keyring *keys) {
    static const uint8_t salt[SEAL_SALT_SIZE] = {7};
    CLEANUP_BUF struct buf sealed = BUF_INIT(ENTRY_MAX);
    assert_int_equal(entry_seal(e, keys, ".assetfs", salt, &sealed), 0);
    put_at(e->sequence, sealed.data, sealed.len);
}

/* The way the others are made is right: this one is taken. */
static void a_good_one_is_taken(void **state) {
    (void)state;
    struct entry e;
    next_entry(&e);
    put_sealed(&e, a->keys);
    box_follow(b);
    assert_int_equal(b->tree->seq, e.sequence);
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_VOID), 0);
}

static void forged_under_another_key(void **state) {
    (void)state;
    static const uint8_t key[SEAL_KEY_SIZE] = {1};
    struct keyring *keys = keyring_new();
    struct entry e;
    keyring_add(keys, key);
    next_entry(&e);
    put_sealed(&e, keys);
    keyring_free(keys);
    is_void(e.sequence);
}

static void forged_by_changing_a_bit(void **state) {
    (void)state;
    struct entry e;
    next_entry(&e);
    put_sealed(&e, a->keys);
    CLEANUP_FREE char *key = entry_key(".assetfs", e.sequence);
    assert_true(mem_bucket_corrupt(a->bucket, key, 40));
    is_void(e.sequence);
}

static void replayed(void **state) {
    (void)state;
    uint64_t next = a->tree->seq + 1;
    size_t n;
    const void *p = entry_at(next - 1, &n);
    put_at(next, p, n);
    is_void(next);
}

/* One that comes two numbers too early, before a has written its own there. */
static void reordered(void **state) {
    (void)state;
    uint64_t next = a->tree->seq + 1;
    struct entry e;
    next_entry(&e);
    e.sequence += 2;
    put_sealed(&e, a->keys);
    size_t n;
    CLEANUP_FREE char *key = entry_key(".assetfs", e.sequence);
    const void *p = entry_at(e.sequence, &n);
    put_at(next, p, n);
    assert_true(mem_bucket_delete(a->bucket, key));
    is_void(next);
}

/* Two of a's own, in one another's place: they are void for who has not seen them, and what a writes next
 * does not continue what he has. */
static void exchanged(void **state) {
    (void)state;
    uint64_t first = a->tree->seq + 1;
    size_t n1, n2;
    assert_int_equal(box_put(a, "g", "two"), 0);
    box_commit(a);
    assert_int_equal(box_put(a, "h", "three"), 0);
    box_commit(a);
    assert_int_equal(a->tree->seq, first + 1);
    const void *p1 = entry_at(first, &n1), *p2 = entry_at(first + 1, &n2);
    CLEANUP_FREE void *one = xmemdup(p1, n1), *two = xmemdup(p2, n2);
    put_at(first, two, n2);
    put_at(first + 1, one, n1);
    assert_int_equal(box_put(a, "i", "four"), 0);
    box_commit(a);
    log_lines_begin();
    is_stopped_before(first + 2, "does not continue the entry before it");
    CLEANUP_FREE char *log = log_lines_end();
    says(log, "number", first);
    says(log, "number", first + 1);
}

static void oversized(void **state) {
    (void)state;
    uint64_t next = a->tree->seq + 1;
    struct entry e;
    next_entry(&e);
    put_sealed(&e, a->keys);
    size_t n;
    const void *p = entry_at(next, &n);
    CLEANUP_FREE char *large = xcalloc(1, ENTRY_MAX + 1); /* a good one, and zeros behind it */
    memcpy(large, p, n);
    put_at(next, large, ENTRY_MAX + 1);
    is_void(next);
}

static void empty(void **state) {
    (void)state;
    uint64_t next = a->tree->seq + 1;
    put_at(next, "", 0);
    is_void(next);
}

static void out_of_place_by_somebody_with_the_key(void **state) {
    (void)state;
    struct entry e;
    next_entry(&e);
    e.previous[0] ^= 1;
    put_sealed(&e, a->keys);
    is_stopped_before(e.sequence, "does not continue the entry before it");
}

static void of_another_tree(void **state) {
    (void)state;
    struct entry e;
    next_entry(&e);
    e.tree[0] ^= 1;
    put_sealed(&e, a->keys);
    log_lines_begin();
    box_follow(b);
    sim_run(b->sim, 60 * NS_PER_S);
    CLEANUP_FREE char *log = log_lines_end();
    assert_true(b->tree->seq >= e.sequence); /* and maybe one more, which says so */
    says(log, "entry", e.sequence);
    assert_int_equal(counter_get(&b->counters, COUNTER_ENTRIES_DAMAGED), 1);
    assert_int_equal(box_put(b, "g", "two"), 0);
    box_commit(b);
    box_follow(a);
    assert_view(a, "f=one g=two");
    assert_view(b, "f=one g=two");
}

static void with_a_feature_that_nobody_knows(void **state) {
    (void)state;
    struct entry e;
    next_entry(&e);
    e.incompat = UINT64_C(1) << 60;
    put_sealed(&e, a->keys);
    is_stopped_before(e.sequence, "newer");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_good_one_is_taken),
        T(forged_under_another_key),
        T(forged_by_changing_a_bit),
        T(replayed),
        T(reordered),
        T(exchanged),
        T(oversized),
        T(empty),
        T(out_of_place_by_somebody_with_the_key),
        T(of_another_tree),
        T(with_a_feature_that_nobody_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
