/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/volume.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/volume_key.h"
#include "tmpdir.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

static const uint8_t key[SEAL_KEY_SIZE] = {1, 2, 3};

/* Options of file:///srv/bucket in a home of their own. */
static int set_up(void **state) {
    if (tmpdir_setup(state) != 0)
        return -1;
    setenv("HOME", *state, 1);
    setenv("XDG_CACHE_HOME", *state, 1);
    setenv("XDG_CONFIG_HOME", *state, 1);
    return 0;
}

static struct options options_of(const char *url) {
    struct options opt;
    options_init(&opt);
    opt.volume = xstrdup("pictures");
    opt.url = xstrdup(url);
    return opt;
}

static struct volume sample(bool plain) {
    struct volume v = {.plain = plain, .id = {0xab}};
    hex_encode(v.id, sizeof v.id, v.id_hex);
    seal_key_id(key, v.key_id);
    return v;
}

static void what_was_remembered_is_recalled(void **state) {
    struct options opt = options_of("file:///srv/bucket");
    struct volume v = sample(false), again;
    volume_remember(&v, &opt, *state);
    assert_int_equal(volume_recall(&opt, &again), 0);
    assert_string_equal(again.id_hex, v.id_hex);
    assert_memory_equal(again.key_id, v.key_id, sizeof v.key_id);
    assert_false(again.plain);
    assert_true(again.remembered);
    options_free(&opt);
}

static void a_plain_volume_is_recalled_as_plain(void **state) {
    struct options opt = options_of("file:///srv/bucket");
    struct volume v = sample(true), again;
    volume_remember(&v, &opt, *state);
    assert_int_equal(volume_recall(&opt, &again), 0);
    assert_true(again.plain);
    options_free(&opt);
}

static void another_url_or_prefix_is_another_volume(void **state) {
    struct options opt = options_of("file:///srv/bucket"), other = options_of("file:///srv/other");
    struct volume v = sample(false), again;
    volume_remember(&v, &opt, *state);
    assert_int_equal(volume_recall(&other, &again), -ENOENT);
    free(opt.prefix);
    opt.prefix = xstrdup(".other");
    assert_int_equal(volume_recall(&opt, &again), -ENOENT);
    options_free(&opt);
    options_free(&other);
}

/* One bucket's name means another bucket at another endpoint; credentials mean nothing, and are nowhere. */
static void the_same_name_elsewhere_is_another_volume(void **state) {
    struct options opt = options_of("s3://assets"), other = options_of("s3://assets");
    struct volume v = sample(false), again;
    CLEANUP_FREE char *path = tmpdir_path(*state, "volume");
    CLEANUP_BUF struct buf text = BUF_INIT(65536);
    opt.endpoint = xstrdup("https://a.example");
    other.endpoint = xstrdup("https://b.example");
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    volume_remember(&v, &opt, *state);
    assert_int_equal(volume_recall(&opt, &again), 0);
    assert_string_equal(again.id_hex, v.id_hex);
    assert_int_equal(volume_recall(&other, &again), -ENOENT);
    unsetenv("AWS_SECRET_ACCESS_KEY");
    assert_int_equal(volume_recall(&opt, &again), 0);
    assert_int_equal(file_load(path, &text), 0);
    assert_null(strstr(buf_str(&text), "hush"));
    options_free(&opt);
    options_free(&other);
}

static void cache_dir_remembers_too(void **state) {
    CLEANUP_FREE char *dir = tmpdir_path(*state, "state");
    struct options opt = options_of("file:///srv/bucket");
    struct volume v = sample(false), again;
    assert_int_equal(mkdir(dir, 0700), 0);
    opt.cache_dir = xstrdup(dir);
    volume_remember(&v, &opt, dir);
    setenv("XDG_CACHE_HOME", "/nowhere", 1);
    assert_int_equal(volume_recall(&opt, &again), 0);
    assert_string_equal(again.id_hex, v.id_hex);
    options_free(&opt);
}

static void a_damaged_memory_is_none(void **state) {
    CLEANUP_FREE char *path = tmpdir_path(*state, "volume");
    struct options opt = options_of("file:///srv/bucket");
    struct volume again;
    static const char *const texts[] = {"", "url file:///srv/bucket\nprefix .assetfs\nvolume xyz\nkey -\n",
                                        "url file:///srv/bucket\nprefix .assetfs\nkey -\n",
                                        ("url file:///srv/bucket\nprefix .assetfs\nvolume "
                                         "ab000000000000000000000000000000\nkey 12\n")};
    opt.cache_dir = xstrdup(*state);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_int_equal(file_write_atomic(path, texts[i], strlen(texts[i]), 0600), 0);
        assert_int_equal(volume_recall(&opt, &again), -ENOENT);
    }
    options_free(&opt);
}

static void the_state_is_below_the_cache_root_or_in_cache_dir(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct options opt = options_of("file:///srv/bucket");
    struct volume v = sample(false);
    CLEANUP_FREE char *expected = xasprintf("%s/assetfs/%s", (char *)*state, v.id_hex), *path = NULL;
    assert_int_equal(volume_state_path(&v, &opt, &path, &why), 0);
    assert_string_equal(path, expected);
    CLEANUP_FREE char *given = NULL;
    opt.cache_dir = xstrdup("/given");
    assert_int_equal(volume_state_path(&v, &opt, &given, &why), 0);
    assert_string_equal(given, "/given");
    options_free(&opt);
}

static void the_key_is_found_by_its_id(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *dir = volume_key_dir(), *file = xasprintf("%s/some-name", dir), *found = NULL;
    struct options opt = options_of("file:///srv/bucket");
    struct volume v = sample(false);
    uint8_t loaded[SEAL_KEY_SIZE];
    assert_int_equal(volume_key_save(file, key), 0);
    assert_int_equal(volume_load_key(&v, &opt, loaded, &found, &why), 0);
    assert_memory_equal(loaded, key, sizeof key);
    assert_string_equal(found, file);
    options_free(&opt);
}

static void a_missing_key_is_named_with_its_id(void **state) {
    (void)state;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct options opt = options_of("file:///srv/bucket");
    struct volume v = sample(false);
    uint8_t loaded[SEAL_KEY_SIZE];
    char id[17];
    hex_encode(v.key_id, sizeof v.key_id, id);
    assert_int_equal(volume_load_key(&v, &opt, loaded, NULL, &why), -ENOKEY);
    assert_non_null(strstr(buf_str(&why), id));
    assert_non_null(strstr(buf_str(&why), "assetfs key import pictures"));
    options_free(&opt);
}

static void a_key_file_with_another_key_is_refused(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    static const uint8_t other[SEAL_KEY_SIZE] = {9};
    struct options opt = options_of("file:///srv/bucket");
    struct volume v = sample(false);
    uint8_t loaded[SEAL_KEY_SIZE];
    opt.key_file = tmpdir_path(*state, "key");
    assert_int_equal(volume_key_save(opt.key_file, other), 0);
    assert_int_equal(volume_load_key(&v, &opt, loaded, NULL, &why), -ENOKEY);
    assert_non_null(strstr(buf_str(&why), "sealed under key"));
    options_free(&opt);
}

static void a_key_file_that_others_can_read_is_refused(void **state) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct options opt = options_of("file:///srv/bucket");
    struct volume v = sample(false);
    uint8_t loaded[SEAL_KEY_SIZE];
    opt.key_file = tmpdir_path(*state, "key");
    assert_int_equal(volume_key_save(opt.key_file, key), 0);
    assert_int_equal(chmod(opt.key_file, 0644), 0);
    assert_int_equal(volume_load_key(&v, &opt, loaded, NULL, &why), -ENOKEY);
    assert_non_null(strstr(buf_str(&why), "chmod 600"));
    options_free(&opt);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_remembered_is_recalled),
        TEST(a_plain_volume_is_recalled_as_plain),
        TEST(another_url_or_prefix_is_another_volume),
        TEST(the_same_name_elsewhere_is_another_volume),
        TEST(cache_dir_remembers_too),
        TEST(a_damaged_memory_is_none),
        TEST(the_state_is_below_the_cache_root_or_in_cache_dir),
        TEST(the_key_is_found_by_its_id),
        TEST(a_missing_key_is_named_with_its_id),
        TEST(a_key_file_with_another_key_is_refused),
        TEST(a_key_file_that_others_can_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
