/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Key templates: what they make, what fits them, and which are refused with which sentence.
 */
#include "tree/area_key.h"
#include "base/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NOW (INT64_C(1795339881) * NS_PER_S) /* 2026-11-22 09:31:21 */

static uint8_t id[DIGEST_SIZE];

static int setup(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)i;
    return 0;
}

static void makes(const char *tmpl, const char *path, const char *ext, const char *want) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(area_key_check(tmpl, path, ".assetfs", &why), 0);
    CLEANUP_FREE char *key = area_key_make(tmpl, path, id, ext, NOW);
    assert_string_equal(key, want);
    assert_true(area_key_fits(tmpl, path, key, id, ext));
}

static void every_word_has_its_meaning(void **state) {
    (void)state;
    makes(AREA_TEMPLATE, "", ".jpg", "files/" HEX ".jpg");
    makes(AREA_TEMPLATE, "public", "", "public/" HEX);
    makes("img/{sha256:2}/{sha256}{ext}", "a/b", ".png", "img/00/" HEX ".png");
    makes("{area}/{sha256:32}{ext}", "x", ".a", "x/000102030405060708090a0b0c0d0e0f.a");
    makes("{date}/{sha256}", "x", ".a", "2026-11-22/" HEX);
    makes("v2/{timestamp}-{sha256}{ext}", "x", ".a", "v2/20261122T093121Z-" HEX ".a");
}

static void a_time_after_the_calendar_is_no_time(void **state) {
    (void)state;
    CLEANUP_FREE char *key = area_key_make("{date}/{sha256}", "", id, "", -5);
    assert_string_equal(key, "1970-01-01/" HEX);
}

static bool fits(const char *tmpl, const char *key, const char *ext) {
    return area_key_fits(tmpl, "public", key, id, ext);
}

static void keys_of_another_time_and_alternatives_fit(void **state) {
    (void)state;
    assert_true(fits("{date}/{sha256}{ext}", "1999-01-02/" HEX ".jpg", ".jpg"));
    assert_false(fits("{date}/{sha256}{ext}", "1999-1-02/" HEX ".jpg", ".jpg"));
    assert_false(fits("{date}/{sha256}{ext}", "abcd-ef-gh/" HEX ".jpg", ".jpg"));
    assert_true(fits("{sha256}/{timestamp}", HEX "/20200101T000000Z", ""));
    assert_true(fits(AREA_TEMPLATE, "public/" HEX "-1.jpg", ".jpg"));
    assert_true(fits(AREA_TEMPLATE, "public/" HEX "-12", ""));
    assert_false(fits(AREA_TEMPLATE, "public/" HEX "-0.jpg", ".jpg"));
    assert_false(fits(AREA_TEMPLATE, "public/" HEX "-.jpg", ".jpg"));
    assert_false(fits(AREA_TEMPLATE, "public/" HEX ".jpg", ".png"));
    assert_false(fits(AREA_TEMPLATE, "files/" HEX ".jpg", ".jpg"));
    assert_false(fits(AREA_TEMPLATE, "public/" HEX ".jpg.jpg", ".jpg"));
    assert_false(fits(AREA_TEMPLATE, "", ""));
}

static void a_room_is_what_all_keys_begin_with(void **state) {
    (void)state;
    static const struct {
        const char *tmpl, *path, *room;
    } cases[] = {{AREA_TEMPLATE, "", "files/"},
                 {AREA_TEMPLATE, "a/b", "a/b/"},
                 {"x/{area}-{sha256}", "p", "x/p-"},
                 {"{sha256:2}/{sha256}", "p", ""},
                 {"{date}/{sha256}", "p", ""}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *room = area_key_room(cases[i].tmpl, cases[i].path);
        assert_string_equal(room, cases[i].room);
    }
}

static void bad_templates_are_refused_with_their_sentence(void **state) {
    (void)state;
    static const struct {
        const char *tmpl, *path, *says;
    } cases[] = {
        {"{area}/x", "p", "the same key: add {sha256}"},
        {"", "p", "the same key: add {sha256}"},
        {"{area}/{date}/{timestamp}{ext}", "p", "has {ext} before any {sha256}"},
        {"{area}/{timestamp}", "p", "a time is no name for a content"},
        {"{area}/{date}", "p", "a time is no name for a content"},
        {"{area}/{sha256:31}", "p", "too little of the hash"},
        {"{area}/{timestamp}-{sha256:8}", "p", "too little of the hash"},
        {"{sha256:0}", "p", "has {sha256:0} in it, which means nothing"},
        {"{sha256:65}", "p", "means nothing"},
        {"{sha256:032}", "p", "means nothing"},
        {"{sha256:}", "p", "means nothing"},
        {"{sha256:1x}", "p", "means nothing"},
        {"{sha1}/{sha256}", "p", "has {sha1} in it, which means nothing"},
        {"{sha256", "p", "means nothing"},
        {"{sha256}}", "p", "means nothing"},
        {"{ext}/{sha256}", "p", "has {ext} before any {sha256}"},
        {"/{sha256}", "p", "begin or end with a slash"},
        {"{sha256}/", "p", "begin or end with a slash"},
        {"{sha256}/{ext}", "p", "begin or end with a slash"},
        {"a//{sha256}", "p", "two in a row"},
        {"../{sha256}", "p", "\".\" or \"..\""},
        {"a/./{sha256}", "p", "\".\" or \"..\""},
        {"a\nb{sha256}", "p", "control character"},
        {"a\\b{sha256}", "p", "backslash"},
        {".assetfs/{sha256}", "p", "where the volume keeps its journal"},
        {".assetfs/journal/{sha256}", "p", "where the volume keeps its journal"},
        {"{area}/{sha256}", ".assetfs", "where the volume keeps its journal"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_BUF struct buf why = BUF_INIT(4096);
        assert_int_equal(area_key_check(cases[i].tmpl, cases[i].path, ".assetfs", &why), -EINVAL);
        if (!why.len || !strstr(buf_str(&why), cases[i].says))
            fail_msg("%s: %s", cases[i].tmpl, why.len ? buf_str(&why) : "(nothing)");
    }
}

static void a_key_has_1024_bytes(void **state) {
    (void)state;
    char tmpl[2048];
    const size_t rest = strlen("/") + 64 + 16 + strlen("-99"), fill = 1024 - rest;
    memset(tmpl, 'k', sizeof tmpl);
    strcpy(tmpl + fill, "/{sha256}{ext}");
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(area_key_check(tmpl, "p", ".assetfs", &why), 0);
    memset(tmpl, 'k', sizeof tmpl);
    strcpy(tmpl + fill + 1, "/{sha256}{ext}");
    assert_int_equal(area_key_check(tmpl, "p", ".assetfs", &why), -EINVAL);
    assert_non_null(strstr(buf_str(&why), "a key has at most 1024"));
}

static void names_have_extensions(void **state) {
    (void)state;
    static const char *const names[][2] = {{"Photo.JPG", ".jpg"}, {"a.tar.gz", ".gz"}, {"Makefile", ""},   {".hidden", ""},
                                           {"odd.x y", ""},       {"a.", ""},          {"a.mp4", ".mp4"}, {"a.0123456789abcdef", ""}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char ext[AREA_EXTENSION_SIZE];
        area_extension(names[i][0], strlen(names[i][0]), ext);
        assert_string_equal(ext, names[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_has_its_meaning),
        cmocka_unit_test(a_time_after_the_calendar_is_no_time),
        cmocka_unit_test(keys_of_another_time_and_alternatives_fit),
        cmocka_unit_test(a_room_is_what_all_keys_begin_with),
        cmocka_unit_test(bad_templates_are_refused_with_their_sentence),
        cmocka_unit_test(a_key_has_1024_bytes),
        cmocka_unit_test(names_have_extensions),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
