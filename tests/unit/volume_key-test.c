/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/volume_key.h"
#include "base/file.h"
#include "tmpdir.h"
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint8_t KEY[SEAL_KEY_SIZE] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                           16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
static const uint8_t OTHER_KEY[SEAL_KEY_SIZE] = {42};

/* KEY's code, computed with Python's integers. */
#define CODE "assetfs1-000G4-0R40M-30E20-9185G-R38E1-W8124-GK2GA-HC5RR-34D1P-70X3R-FP63E-D55K0"

static void assert_key(const char *code) {
    uint8_t key[SEAL_KEY_SIZE];
    assert_int_equal(volume_key_parse(code, key), 0);
    assert_memory_equal(key, KEY, sizeof key);
}

static void assert_no_key(const char *code, int err) {
    uint8_t key[SEAL_KEY_SIZE] = {7}, before[SEAL_KEY_SIZE] = {7};
    assert_int_equal(volume_key_parse(code, key), err);
    assert_memory_equal(key, before, sizeof key);
}

static void known_codes(void **state) {
    (void)state;
    uint8_t ones[SEAL_KEY_SIZE];
    char code[VOLUME_KEY_CODE_SIZE];
    volume_key_code(KEY, code);
    assert_string_equal(code, CODE);
    assert_int_equal(strlen(code), VOLUME_KEY_CODE_SIZE - 1);
    memset(ones, 0xff, sizeof ones);
    volume_key_code(ones, code);
    assert_string_equal(code,
                        "assetfs1-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZTZ5G-KER7G");
}

static void code_is_read_back(void **state) {
    (void)state;
    assert_key(CODE);
}

static void code_is_read_as_people_write_it(void **state) {
    (void)state;
    assert_key("ASSETFS1-000g4-0r40m-30e20-9185g-r38e1-w8124-gk2ga-hc5rr-34d1p-70x3r-fp63e-d55k0");
    assert_key("  assetfs1 000G40R40M30E209185GR38E1W8124GK2GAHC5RR34D1P70X3RFP63ED55K0 \n");
    assert_key("assetfsl-OooG4-oR4OM-3OE2O-9I85G-R38EL-W8i24-GK2GA-HC5RR-34DlP-7OX3R-FP63E-D55KO");
}

static void typing_error_is_noticed(void **state) {
    (void)state;
    static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    for (size_t i = 9; i < sizeof CODE - 1; i++) {
        char code[] = CODE;
        if (code[i] == '-')
            continue;
        code[i] = letters[((size_t)(strchr(letters, code[i]) - letters) + 1) % 32];
        assert_no_key(code, -EBADMSG);
    }
}

static void neighbours_swapped_are_noticed(void **state) {
    (void)state;
    char code[] = CODE;
    code[12] = '4', code[13] = 'G';
    assert_no_key(code, -EBADMSG);
}

static void other_texts_are_no_codes(void **state) {
    (void)state;
    assert_no_key("", -EINVAL);
    assert_no_key("assetfs1-", -EINVAL);
    assert_no_key("assetfs2-000G4-0R40M-30E20-9185G-R38E1-W8124-GK2GA-HC5RR-34D1P-70X3R-FP63E-D55K0",
                  -EINVAL);
    assert_no_key("000G4-0R40M-30E20-9185G-R38E1-W8124-GK2GA-HC5RR-34D1P-70X3R-FP63E-D55K0", -EINVAL);
    assert_no_key("assetfs1-000G4-0R40M-30E20-9185G-R38E1-W8124-GK2GA-HC5RR-34D1P-70X3R-FP63E-D55K", -EINVAL);
    assert_no_key(CODE "0", -EINVAL);
    assert_no_key("assetfs1-U00G4-0R40M-30E20-9185G-R38E1-W8124-GK2GA-HC5RR-34D1P-70X3R-FP63E-D55K0",
                  -EINVAL);
    assert_no_key("assetfs1-000G4_0R40M-30E20-9185G-R38E1-W8124-GK2GA-HC5RR-34D1P-70X3R-FP63E-D55K0",
                  -EINVAL);
}

static unsigned mode_of(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void saved_key_is_loaded(void **state) {
    uint8_t key[SEAL_KEY_SIZE];
    CLEANUP_FREE char *path = tmpdir_path(*state, "a/b/key"), *dir = tmpdir_path(*state, "a");
    assert_int_equal(volume_key_save(path, KEY), 0);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(dir), 0700);
    assert_int_equal(volume_key_load(path, key), 0);
    assert_memory_equal(key, KEY, sizeof key);
}

static void saved_file_is_the_code_and_a_newline(void **state) {
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    CLEANUP_FREE char *path = tmpdir_path(*state, "key");
    assert_int_equal(volume_key_save(path, KEY), 0);
    assert_int_equal(file_load(path, &b), 0);
    assert_string_equal(buf_str(&b), CODE "\n");
}

static void save_never_replaces(void **state) {
    uint8_t key[SEAL_KEY_SIZE], id[SEAL_KEY_ID_SIZE];
    CLEANUP_FREE char *path = tmpdir_path(*state, "key");
    assert_int_equal(volume_key_save(path, KEY), 0);
    assert_int_equal(volume_key_save(path, OTHER_KEY), -EEXIST);
    assert_int_equal(volume_key_load(path, key), 0);
    assert_memory_equal(key, KEY, sizeof key);
    seal_key_id(OTHER_KEY, id); /* nor is it left behind under another name */
    assert_int_equal(volume_key_find(*state, id, key, NULL), -ENOENT);
}

static void load_refuses_what_others_can_read(void **state) {
    uint8_t key[SEAL_KEY_SIZE];
    CLEANUP_FREE char *path = tmpdir_path(*state, "key");
    assert_int_equal(volume_key_save(path, KEY), 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(volume_key_load(path, key), -EPERM);
    assert_int_equal(chmod(path, 0604), 0);
    assert_int_equal(volume_key_load(path, key), -EPERM);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(volume_key_load(path, key), 0);
}

static int load_text(void **state, const void *text, size_t n) {
    uint8_t key[SEAL_KEY_SIZE];
    CLEANUP_FREE char *path = tmpdir_path(*state, "key");
    assert_int_equal(file_write_atomic(path, text, n, 0600), 0);
    return volume_key_load(path, key);
}

/* After a rotation. */
static void a_file_may_hold_several_keys(void **state) {
    uint8_t first[SEAL_KEY_SIZE], second[SEAL_KEY_SIZE], got[SEAL_KEY_SIZE], id[SEAL_KEY_ID_SIZE];
    char code[VOLUME_KEY_CODE_SIZE];
    assert_int_equal(volume_key_parse(CODE, first), 0);
    memset(second, 7, sizeof second);
    volume_key_code(second, code);
    CLEANUP_FREE char *path = tmpdir_path(*state, "keys"), *text = xasprintf("%s\n\n%s\n", CODE, code);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
    assert_int_equal(volume_key_load(path, got), 0);
    assert_memory_equal(got, first, sizeof got);
    seal_key_id(second, id);
    assert_int_equal(volume_key_load_id(path, id, got), 0);
    assert_memory_equal(got, second, sizeof got);
    seal_key_id(first, id);
    assert_int_equal(volume_key_load_id(path, id, got), 0);
    assert_memory_equal(got, first, sizeof got);
    id[0] ^= 1;
    assert_int_equal(volume_key_load_id(path, id, got), -ENOKEY);
}

static void load_tells_what_is_wrong(void **state) {
    uint8_t key[SEAL_KEY_SIZE];
    char long_text[16384];
    memset(long_text, ' ', sizeof long_text);
    memcpy(long_text, CODE, sizeof CODE - 1);
    CLEANUP_FREE char *missing = tmpdir_path(*state, "missing");
    assert_int_equal(volume_key_load(missing, key), -ENOENT);
    assert_int_equal(load_text(state, "", 0), -EINVAL);
    assert_int_equal(load_text(state, "assetfs", 7), -EINVAL);
    assert_int_equal(load_text(state, long_text, sizeof long_text), -EINVAL);
    assert_int_equal(load_text(state, CODE "\0x", sizeof CODE + 1), -EINVAL);
    CLEANUP_FREE char *wrong = xstrdup(CODE);
    wrong[9] = '1';
    assert_int_equal(load_text(state, wrong, strlen(wrong)), -EBADMSG);
    assert_int_equal(load_text(state, CODE, sizeof CODE - 1), 0);
}

static void find_by_id(void **state) {
    uint8_t id[SEAL_KEY_ID_SIZE], key[SEAL_KEY_SIZE];
    char *found = NULL;
    CLEANUP_FREE char *one = tmpdir_path(*state, "01"), *two = tmpdir_path(*state, "02");
    CLEANUP_FREE char *junk = tmpdir_path(*state, "junk"), *dir = tmpdir_path(*state, "dir");
    assert_int_equal(file_write_atomic(junk, "junk", 4, 0600), 0);
    assert_int_equal(file_make_dirs(dir, 0700), 0);
    assert_int_equal(volume_key_save(one, KEY), 0);
    assert_int_equal(volume_key_save(two, OTHER_KEY), 0);
    seal_key_id(OTHER_KEY, id);
    assert_int_equal(volume_key_find(*state, id, key, &found), 0);
    assert_memory_equal(key, OTHER_KEY, sizeof key);
    assert_string_equal(found, two);
    free(found);
    assert_int_equal(volume_key_find(*state, id, key, NULL), 0);
    id[0] ^= 1;
    assert_int_equal(volume_key_find(*state, id, key, NULL), -ENOENT);
}

static void find_skips_keys_that_others_can_read(void **state) {
    uint8_t id[SEAL_KEY_ID_SIZE], key[SEAL_KEY_SIZE];
    CLEANUP_FREE char *path = tmpdir_path(*state, "01");
    assert_int_equal(volume_key_save(path, KEY), 0);
    assert_int_equal(chmod(path, 0644), 0);
    seal_key_id(KEY, id);
    assert_int_equal(volume_key_find(*state, id, key, NULL), -ENOENT);
}

static void find_in_no_directory(void **state) {
    uint8_t id[SEAL_KEY_ID_SIZE] = {0}, key[SEAL_KEY_SIZE];
    CLEANUP_FREE char *dir = tmpdir_path(*state, "missing");
    assert_int_equal(volume_key_find(dir, id, key, NULL), -ENOENT);
}

static void assert_dir(const char *config, const char *home, const char *want) {
    config ? setenv("XDG_CONFIG_HOME", config, 1) : unsetenv("XDG_CONFIG_HOME");
    home ? setenv("HOME", home, 1) : unsetenv("HOME");
    CLEANUP_FREE char *dir = volume_key_dir();
    if (want)
        assert_string_equal(dir, want);
    else
        assert_null(dir);
}

static void directory_by_the_xdg_rules(void **state) {
    (void)state;
    assert_dir("/c", "/h", "/c/assetfs/keys");
    assert_dir("", "/h", "/h/.config/assetfs/keys");
    assert_dir("relative", "/h", "/h/.config/assetfs/keys");
    assert_dir(NULL, "/h", "/h/.config/assetfs/keys");
    assert_dir(NULL, "", NULL);
    assert_dir(NULL, NULL, NULL);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_codes),
        cmocka_unit_test(code_is_read_back),
        cmocka_unit_test(code_is_read_as_people_write_it),
        cmocka_unit_test(typing_error_is_noticed),
        cmocka_unit_test(neighbours_swapped_are_noticed),
        cmocka_unit_test(other_texts_are_no_codes),
        WITH_DIR(saved_key_is_loaded),
        WITH_DIR(saved_file_is_the_code_and_a_newline),
        WITH_DIR(save_never_replaces),
        WITH_DIR(load_refuses_what_others_can_read),
        WITH_DIR(a_file_may_hold_several_keys),
        WITH_DIR(load_tells_what_is_wrong),
        WITH_DIR(find_by_id),
        WITH_DIR(find_skips_keys_that_others_can_read),
        WITH_DIR(find_in_no_directory),
        cmocka_unit_test(directory_by_the_xdg_rules),
    };
    return cmocka_run_group_tests_name("volume_key", tests, NULL, NULL);
}
