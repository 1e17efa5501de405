/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/key_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void encodes_to(const char *key, const char *path) {
    CLEANUP_FREE char *got = key_path_encode(key);
    assert_non_null(got);
    assert_string_equal(got, path);
    CLEANUP_FREE char *back = key_path_decode(path);
    assert_non_null(back);
    assert_string_equal(back, key);
}

static void cannot_encode(const char *key) {
    CLEANUP_FREE char *got = key_path_encode(key);
    assert_null(got);
}

static void is_no_key(const char *path) {
    CLEANUP_FREE char *got = key_path_decode(path);
    assert_null(got);
}

static void ordinary_keys_stay(void **state) {
    (void)state;
    encodes_to("files/ab12.jpg", "files/ab12.jpg");
    encodes_to(".assetfs/journal/0000000000000001", ".assetfs/journal/0000000000000001");
}

static void spaces_and_utf8_stay(void **state) {
    (void)state;
    encodes_to("Fotos 2026/Käse \xff.png", "Fotos 2026/Käse \xff.png");
}

static void dots_are_encoded(void **state) {
    (void)state;
    encodes_to("a/./b", "a/%2E/b");
    encodes_to("../../etc/passwd", "%2E./%2E./etc/passwd");
    encodes_to("...", "...");
}

static void empty_segments_are_encoded(void **state) {
    (void)state;
    encodes_to("a//b", "a/%00/b");
    encodes_to("a/", "a/%00");
    encodes_to("a///", "a/%00/%00/%00");
}

static void percent_and_control_characters_are_encoded(void **state) {
    (void)state;
    encodes_to("100%/\n\x7f", "100%25/%0A%7F");
    encodes_to("%00", "%2500");
}

static void reserved_name_is_encoded_as_first_segment_only(void **state) {
    (void)state;
    encodes_to(".tmp/x", "%2Etmp/x");
    encodes_to(".tmp", "%2Etmp");
    encodes_to("a/.tmp", "a/.tmp");
    encodes_to(".tmpx", ".tmpx");
}

static void segments_end_at_255_bytes(void **state) {
    (void)state;
    char key[300];
    memset(key, 'x', sizeof key);
    key[255] = '\0';
    encodes_to(key, key);
    key[255] = 'x';
    key[256] = '\0';
    cannot_encode(key);
}

static void encoding_counts_for_the_length(void **state) {
    (void)state;
    char key[100];
    memset(key, '%', sizeof key);
    key[86] = '\0';
    cannot_encode(key);
    key[85] = '\0';
    CLEANUP_FREE char *path = key_path_encode(key);
    assert_int_equal(strlen(path), 255);
}

static void keys_end_at_1024_bytes(void **state) {
    (void)state;
    char key[1100];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = i % 100 == 99 ? '/' : 'x';
    key[1024] = '\0';
    encodes_to(key, key);
    key[1024] = 'x';
    key[1025] = '\0';
    cannot_encode(key);
}

static void empty_key_and_leading_slash_are_no_keys(void **state) {
    (void)state;
    cannot_encode("");
    cannot_encode("/a");
}

static void paths_that_no_key_makes_are_no_keys(void **state) {
    (void)state;
    is_no_key("");
    is_no_key("%41"); /* A would be written A */
    is_no_key("%2e"); /* lower case */
    is_no_key("a%");  /* cut off */
    is_no_key("a%2");
    is_no_key("a%zz");
    is_no_key("x%00"); /* a NUL, not an empty segment */
    is_no_key("a/../b");
    is_no_key(".tmp/x");
    is_no_key("%00/a"); /* would have a leading slash */
}

static void url_percent_encodes_what_a_url_cannot_hold(void **state) {
    (void)state;
    CLEANUP_FREE char *url = key_path_url("/srv/my bucket", "a%25/ä#?.png");
    assert_string_equal(url, "file:///srv/my%20bucket/a%2525/%C3%A4%23%3F.png");
}

static void url_of_a_directory(void **state) {
    (void)state;
    CLEANUP_FREE char *url = key_path_url("/srv/bucket", NULL), *root = key_path_url("/", "a");
    assert_string_equal(url, "file:///srv/bucket");
    assert_string_equal(root, "file:///a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_keys_stay),
        cmocka_unit_test(spaces_and_utf8_stay),
        cmocka_unit_test(dots_are_encoded),
        cmocka_unit_test(empty_segments_are_encoded),
        cmocka_unit_test(percent_and_control_characters_are_encoded),
        cmocka_unit_test(reserved_name_is_encoded_as_first_segment_only),
        cmocka_unit_test(segments_end_at_255_bytes),
        cmocka_unit_test(encoding_counts_for_the_length),
        cmocka_unit_test(keys_end_at_1024_bytes),
        cmocka_unit_test(empty_key_and_leading_slash_are_no_keys),
        cmocka_unit_test(paths_that_no_key_makes_are_no_keys),
        cmocka_unit_test(url_percent_encodes_what_a_url_cannot_hold),
        cmocka_unit_test(url_of_a_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
