/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/status.h"
#include "base/env.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct counters counters;
static const char *const ops[] = {"lookup", "read", "write"};
static const uint64_t counts[] = {3, 0, 7};

static struct fs_status sample(void) {
    return (struct fs_status){
        .url = "file:///srv/\"b\"",
        .mountpoint = "/mnt",
        .tree = {.volume = "0123456789abcdef0123456789abcdef",
                 .sequence = 7,
                 .head = 9,
                 .head_seen_ns = 100 * NS_PER_S},
        .cache_bytes = 4096,
        .spool_bytes = 10,
        .counters = &counters,
        .op_names = ops,
        .op_counts = counts,
        .n_ops = 3,
        .now_ns = 105 * NS_PER_S,
    };
}

static char *json_of(const struct fs_status *s) {
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    status_json(s, &b);
    return xstrdup(buf_str(&b));
}

static char *text_of(const struct fs_status *s) {
    CLEANUP_BUF struct buf b = BUF_INIT(65536);
    status_text(s, &b);
    return xstrdup(buf_str(&b));
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("no %s in %s", part, text);
}

static void json_has_what_scripts_rely_on(void **state) {
    (void)state;
    static const char *const names[] = {
        "volume",          "sequence",        "head",          "local_files",     "local_bytes",
        "uploading_files", "uploading_bytes", "stuck_files",   "held_removals",   "cache_bytes",
        "cache_hits",      "cache_misses",    "http_requests", "pending_changes", "spool_bytes",
        "read_only",       "offline",         "reason"};
    struct fs_status s = sample();
    CLEANUP_FREE char *json = json_of(&s);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *member = xasprintf("\"%s\":", names[i]);
        assert_has(json, member);
    }
}

static void json_is_one_line_and_well_formed_at_its_ends(void **state) {
    (void)state;
    struct fs_status s = sample();
    CLEANUP_FREE char *json = json_of(&s);
    assert_null(strchr(json, '\n'));
    assert_int_equal(json[0], '{');
    assert_has(json, "\"fuse_ops\":{\"lookup\":3,\"write\":7}}");
    assert_null(strstr(json, ",,"));
    assert_null(strstr(json, ",}"));
}

static void json_escapes_texts(void **state) {
    (void)state;
    struct fs_status s = sample();
    s.tree.reason = (char *)"said \"no\"\n";
    CLEANUP_FREE char *json = json_of(&s);
    assert_has(json, "\"url\":\"file:///srv/\\\"b\\\"\"");
    assert_has(json, "\"reason\":\"said \\\"no\\\"");
    assert_null(strchr(json, '\n'));
}

static void json_has_null_where_nothing_is_known(void **state) {
    (void)state;
    struct fs_status s = sample();
    s.tree.head_seen_ns = 0;
    CLEANUP_FREE char *json = json_of(&s);
    assert_has(json, "\"reason\":null");
    assert_has(json, "\"head_seen\":null");
}

static void text_says_that_all_is_durable(void **state) {
    (void)state;
    struct fs_status s = sample();
    CLEANUP_FREE char *text = text_of(&s);
    assert_has(text, "everything written here is durable");
    assert_has(text, "7 of 9, the bucket answered 5s ago");
}

static void text_counts_what_is_left(void **state) {
    (void)state;
    struct fs_status s = sample();
    s.tree.local_files = 1;
    s.tree.local_bytes = 2048;
    s.tree.pending_changes = 3;
    s.tree.stuck_files = 1;
    s.tree.stuck_reason = (char *)"a.txt: refused";
    CLEANUP_FREE char *text = text_of(&s);
    assert_null(strstr(text, "durable"));
    assert_has(text, "1 file, 2");
    assert_has(text, "3 changes not committed yet");
    assert_has(text, "a.txt: refused");
}

static void another_hosts_damage_is_told(void **state) {
    (void)state;
    struct fs_status s = sample();
    CLEANUP_FREE char *before = json_of(&s);
    assert_has(before, "\"damaged_writer\":null");
    s.tree.damaged = (char *)"journal entry 5 by anna";
    CLEANUP_FREE char *json = json_of(&s), *text = text_of(&s);
    assert_has(json, "\"damaged_writer\":\"journal entry 5 by anna\"");
    assert_has(text, "DAMAGED      journal entry 5 by anna");
}

static void text_says_offline_with_its_reason(void **state) {
    (void)state;
    struct fs_status s = sample();
    s.tree.offline = true;
    s.tree.reason = (char *)"the bucket is away";
    CLEANUP_FREE char *text = text_of(&s);
    assert_has(text, "OFFLINE");
    assert_has(text, "the bucket is away");
}

static void text_says_why_entries_are_refused(void **state) {
    (void)state;
    struct fs_status s = sample();
    s.tree.reason = (char *)"the bucket refuses journal entries: no";
    CLEANUP_FREE char *text = text_of(&s);
    assert_has(text, "REFUSED");
    assert_has(text, "the bucket refuses journal entries: no");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_says_why_entries_are_refused),
        cmocka_unit_test(json_has_what_scripts_rely_on),
        cmocka_unit_test(json_is_one_line_and_well_formed_at_its_ends),
        cmocka_unit_test(json_escapes_texts),
        cmocka_unit_test(json_has_null_where_nothing_is_known),
        cmocka_unit_test(text_says_that_all_is_durable),
        cmocka_unit_test(text_counts_what_is_left),
        cmocka_unit_test(another_hosts_damage_is_told),
        cmocka_unit_test(text_says_offline_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
