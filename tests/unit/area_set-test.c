/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The rules of a volume: set here, in the journal, on other hosts, after a restart and a lost race.
 */
#include "tree/area_set.h"
#include "tree/volume_state.h"
#include "tree_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ok(int r) {
    assert_int_equal(r, 0);
}

static int try_set(struct tree_box *b, const char *path, const char *words, struct buf *why) {
    CLEANUP_FREE char *note = NULL;
    return tree_area_set(b->tree, path, words, &note, why);
}

static void set(struct tree_box *b, const char *path, const char *words) {
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    if (try_set(b, path, words, &why) < 0)
        fail_msg("%s", buf_str(&why));
}

static void print_rule(void *arg, const struct area *a) {
    struct buf *b = arg;
    buf_printf(b, "%s[%s: ", b->len ? " " : "", a->path);
    area_words(a, b);
    buf_append_byte(b, ']');
}

static void has(struct tree_box *b, const char *want) {
    CLEANUP_BUF struct buf text = BUF_INIT(65536);
    tree_area_list(b->tree, print_rule, &text);
    assert_string_equal(buf_str(&text), want);
    CLEANUP_FREE char *wrong = tree_box_wrong(b);
    if (wrong)
        fail_msg("%s", wrong);
}

static void done(void *arg, int err) {
    ok(err);
    *(bool *)arg = true;
}

static void a_rule_is_durable_when_the_wait_ends(void **st) {
    struct tree_box *b = *st;
    bool over = false;
    set(b, "/public/", "access=open");
    assert_int_equal(b->tree->pending_rows, 1);
    has(b, "[: access=signed] [public: access=open]"); /* at once */
    assert_non_null(tree_state_sync(b->tree, done, &over));
    sim_run(b->sim, NS_PER_S);
    assert_true(over);
    assert_int_equal(b->tree->pending_rows, 0);
    assert_null(tree_state_sync(b->tree, done, &over));
    has(b, "[: access=signed] [public: access=open]");
}

static void other_hosts_see_the_same_rules(void **st) {
    struct tree_box *b = *st, *o = tree_box_join(b, "other");
    set(b, "public", "access=open key=p/{sha256}{ext} meta.a=1");
    set(b, "", "access=signed class=STANDARD_IA");
    box_commit(b);
    box_follow(o);
    has(o, "[: access=signed class=STANDARD_IA] [public: access=open key=p/{sha256}{ext} meta.a=1]");
    struct tree_box *late = tree_box_join(b, "late");
    has(late, "[: access=signed class=STANDARD_IA] [public: access=open key=p/{sha256}{ext} meta.a=1]");
    tree_box_free(late);
    tree_box_free(o);
}

static void a_rule_goes(void **st) {
    struct tree_box *b = *st, *o = tree_box_join(b, "other");
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    set(b, "public", "access=open");
    box_commit(b);
    set(b, "public", NULL);
    has(b, "[: access=signed]");
    box_commit(b);
    box_follow(o);
    has(o, "[: access=signed]");
    assert_int_equal(try_set(b, "public", NULL, &why), -ENOENT);
    assert_non_null(strstr(buf_str(&why), "there is no rule for public"));
    tree_box_free(o);
}

static void what_was_set_survives_a_restart(void **st) {
    struct tree_box *b = *st;
    store_fault_fail(b->store, FAULT_PUT, ".assetfs/journal/", 0, 0, -EIO);
    set(b, "public", "access=open");
    sim_run(b->sim, 3 * NS_PER_S);
    tree_box_reopen(b);
    has(b, "[: access=signed] [public: access=open]");
    store_fault_clear(b->store);
    box_commit(b);
    has(b, "[: access=signed] [public: access=open]");
    struct tree_box *o = tree_box_join(b, "other");
    has(o, "[: access=signed] [public: access=open]");
    tree_box_free(o);
}

static void set_twice_before_the_commit_the_later_counts(void **st) {
    struct tree_box *b = *st, *o = tree_box_join(b, "other");
    set(b, "public", "access=open");
    set(b, "public", "access=open class=STANDARD_IA");
    box_commit(b);
    set(b, "public", NULL);
    set(b, "public", "access=open class=STANDARD_IA"); /* as it was: nothing to say */
    box_commit(b);
    assert_int_equal(b->tree->pending_rows, 0);
    box_follow(o);
    has(o, "[: access=signed] [public: access=open class=STANDARD_IA]");
    tree_box_free(o);
}

/* Both set while neither knows of the other: the second to commit has read the first by then. */
static void of_two_hosts_the_later_counts(void **st) {
    struct tree_box *b = *st, *o = tree_box_join(b, "other");
    ok(box_claim(o));
    set(b, "public", "access=open");
    set(o, "public", "access=signed class=STANDARD_IA");
    set(o, "domains", "");
    box_commit(b);
    box_commit(o);
    box_follow(b);
    box_follow(o);
    assert_int_equal(o->tree->seq, b->tree->seq);
    has(o, "[: access=signed] [domains: access=signed] [public: access=signed class=STANDARD_IA]");
    has(b, "[: access=signed] [domains: access=signed] [public: access=signed class=STANDARD_IA]");
    tree_box_free(o);
}

static void of_two_that_contradict_each_other_the_first_stays(void **st) {
    struct tree_box *b = *st, *o = tree_box_join(b, "other");
    ok(box_claim(o));
    set(b, "one", "access=open key=room/{sha256}");
    box_commit(b);
    set(o, "two", "access=signed key=room/x/{sha256}"); /* o has not heard of it */
    assert_true(tree_area_is(o->tree, "two", "access=signed key=room/x/{sha256}"));
    box_commit(o);
    box_follow(o);
    assert_false(tree_area_is(o->tree, "two", "access=signed key=room/x/{sha256}"));
    has(o, "[: access=signed] [one: access=open key=room/{sha256}]");
    assert_int_equal(o->tree->pending_rows, 0);
    tree_box_free(o);
}

static void bad_rules_are_refused(void **st) {
    struct tree_box *b = *st;
    static const char *const cases[][3] = {
        {"public", "key={area}/x", "add {sha256}"},
        {"a/../b", "", "\".\" or \"..\""},
        {"files", "access=open", "would both begin with \"files/\""},
        {"public", "encryption=sse-c", "encryption=sse-c cannot be had here"},
        {".assetfs", "", "where the volume keeps its journal"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_BUF struct buf why = BUF_INIT(16384);
        assert_int_equal(try_set(b, cases[i][0], cases[i][1], &why), -EINVAL);
        if (!strstr(buf_str(&why), cases[i][2]))
            fail_msg("%s", buf_str(&why));
    }
    has(b, "[: access=signed]");
    assert_int_equal(b->tree->pending_rows, 0);
}

static void a_rule_that_others_lean_on_stays(void **st) {
    struct tree_box *b = *st;
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    set(b, "", "access=open key=all/{sha256}{ext}");
    set(b, "x", "access=open key=files/{sha256}{ext}");
    assert_int_equal(try_set(b, "", NULL, &why), -EINVAL); /* the default one would be in x's room */
    assert_non_null(strstr(buf_str(&why), "would both begin with \"files/\""));
}

static void headers_of_what_is_there_stay_and_are_spoken_of(void **st) {
    struct tree_box *b = *st;
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    CLEANUP_FREE char *none = NULL, *note = NULL, *other = NULL;
    ok(tree_area_set(b->tree, "public", "access=open", &none, &why));
    assert_null(none);
    ok(tree_area_set(b->tree, "public", "access=open cache-control=no-cache", &note, &why));
    assert_non_null(strstr(note, "keep what they were put with"));
    ok(tree_area_set(b->tree, "public", "access=open cache-control=no-cache key=v2/{sha256}", &other, &why));
    assert_null(other);
}

/* With what stands before every key of the volume: s3://bucket/some/place. */
static void a_key_has_room_beside_the_volumes_place(void **st) {
    struct tree_box *b = *st;
    CLEANUP_BUF struct buf why = BUF_INIT(16384), words = BUF_INIT(4096);
    const size_t rest = strlen("/") + 64 + 16 + strlen("-99");
    b->tree->cfg.writer->key_max = 512;
    buf_printf(&words, "key=%0*d/{sha256}{ext}", (int)(512 - rest), 0);
    set(b, "public", buf_str(&words));
    buf_reset(&words);
    buf_printf(&words, "key=%0*d/{sha256}{ext}", (int)(513 - rest), 0);
    assert_int_equal(try_set(b, "public", buf_str(&words), &why), -EINVAL);
    assert_non_null(strstr(buf_str(&why), "makes keys of up to 513 bytes"));
    assert_non_null(strstr(buf_str(&why), "there is room for 512"));
}

static void entries_say_that_there_are_areas(void **st) {
    struct tree_box *b = *st;
    set(b, "public", "access=open");
    box_commit(b);
    CLEANUP_FREE char *key = entry_key(".assetfs", b->tree->seq);
    CLEANUP_ENTRY struct entry e = {0};
    size_t n;
    const void *sealed = mem_bucket_get(b->bucket, key, &n);
    assert_non_null(sealed);
    ok(entry_open(sealed, n, b->keys, ".assetfs", b->tree->seq, &e));
    assert_int_equal(e.ro_compat, FEATURE_AREAS);
    assert_int_equal(e.n_changes, 1);
    assert_string_equal(e.changes[0].states[0].key, "area/public");
}

static void many_rules_go_in_several_entries(void **st) {
    struct tree_box *b = *st;
    CLEANUP_BUF struct buf words = BUF_INIT(65536);
    char path[32];
    buf_printf(&words, "meta.a=%01000d meta.b=%01000d", 1, 2);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "area-%02d", i);
        set(b, path, buf_str(&words));
    }
    box_commit(b);
    assert_int_equal(b->tree->pending_rows, 0);
    struct tree_box *o = tree_box_join(b, "other");
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "area-%02d", i);
        assert_true(tree_area_is(o->tree, path, buf_str(&words)));
    }
    tree_box_free(o);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_rule_is_durable_when_the_wait_ends),
        TEST(other_hosts_see_the_same_rules),
        TEST(a_rule_goes),
        TEST(what_was_set_survives_a_restart),
        TEST(set_twice_before_the_commit_the_later_counts),
        TEST(of_two_hosts_the_later_counts),
        TEST(of_two_that_contradict_each_other_the_first_stays),
        TEST(bad_rules_are_refused),
        TEST(a_rule_that_others_lean_on_stays),
        TEST(headers_of_what_is_there_stay_and_are_spoken_of),
        TEST(a_key_has_room_beside_the_volumes_place),
        TEST(entries_say_that_there_are_areas),
        TEST(many_rules_go_in_several_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
