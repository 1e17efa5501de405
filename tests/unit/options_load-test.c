/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/options.h"
#include "base/env.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

/* A directory with a configuration file, and what was loaded from it. */
struct fixture {
    char *dir, *conf;
    struct options o;
    struct buf why;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    f->dir = xasprintf("%s/options-test-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    f->conf = xasprintf("%s/assetfs.conf", f->dir);
    options_init(&f->o);
    f->why = BUF_INIT(8192);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    options_free(&f->o);
    buf_free(&f->why);
    unlink(f->conf);
    rmdir(f->dir);
    free(f->conf);
    free(f->dir);
    free(f);
    return 0;
}

static void write_bytes(const char *path, const void *p, size_t n) {
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int load(struct fixture *f, const char *text, const char *volume) {
    write_bytes(f->conf, text, strlen(text));
    return options_load(&f->o, f->conf, volume, &f->why);
}

/* An error whose sentence contains `part`. */
static void assert_error(struct fixture *f, const char *text, int err, const char *part) {
    buf_reset(&f->why);
    assert_int_equal(load(f, text, "assets"), err);
    if (!strstr(buf_str(&f->why), part))
        fail_msg("\"%s\" does not say \"%s\"", buf_str(&f->why), part);
}

#define ASSETS "[volume assets]\nurl = file:///srv/bucket\n"

static void an_url_needs_no_file(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_load(&f->o, "/nonexistent", "file:///srv/x", &f->why), 0);
    assert_string_equal(f->o.url, "file:///srv/x");
    assert_string_equal(f->o.volume, "file:///srv/x");
}

static void a_section_gives_url_and_options(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        load(f, ASSETS "cache_size = 5G\nro\nallow_other = yes\nhost_label: studio 3\n", "assets"), 0);
    assert_string_equal(f->o.volume, "assets");
    assert_string_equal(f->o.url, "file:///srv/bucket");
    assert_int_equal(f->o.cache_size, (uint64_t)5 << 30);
    assert_true(f->o.ro);
    assert_true(f->o.allow_other);
    assert_string_equal(f->o.host_label, "studio 3");
}

static void comments_blank_lines_and_cr_are_skipped(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        load(f, "# a\n; b\n\n   \r\n[volume assets] ; c\r\nurl = file:///x\r\npoll = 2s ; d\r\n", "assets"),
        0);
    assert_string_equal(f->o.url, "file:///x");
    assert_int_equal(f->o.poll, 2 * NS_PER_S);
}

/* inih alone would take the second line for more of the URL. */
static void indented_options_are_options(void **state) {
    struct fixture *f = *state;
    assert_int_equal(load(f, "[volume assets]\n  url = file:///x\n  cache_size = 2G\n\tro\n", "assets"), 0);
    assert_string_equal(f->o.url, "file:///x");
    assert_int_equal(f->o.cache_size, (uint64_t)2 << 30);
    assert_true(f->o.ro);
}

static void other_sections_do_not_count(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        load(f, "[volume other]\nurl=file:///o\nro\n" ASSETS "[volume third]\nurl=file:///t\npoll=9s\n",
             "assets"),
        0);
    assert_string_equal(f->o.url, "file:///srv/bucket");
    assert_false(f->o.ro);
    assert_int_equal(f->o.poll, 5 * NS_PER_S);
}

static void an_error_in_another_section_does_no_harm(void **state) {
    assert_int_equal(load(*state, "[volume other]\nnonsense = 1\n" ASSETS, "assets"), 0);
}

static void an_unknown_volume_lists_those_there_are(void **state) {
    assert_error(*state, "[volume b]\nurl=file:///o\npoll=1s\n[volume ab]\nurl=file:///t\n", -ENOENT,
                 "(it has: b, ab)");
    assert_error(*state, "", -ENOENT, "it has none");
}

static void a_bare_path_gets_a_hint(void **state) {
    struct fixture *f = *state;
    assert_int_equal(load(f, ASSETS, "/srv/bucket"), -ENOENT);
    assert_non_null(strstr(buf_str(&f->why), "file:///srv/bucket"));
}

static void a_section_without_url_is_an_error(void **state) {
    assert_error(*state, "[volume assets]\nro\n", -EINVAL, "has no \"url =\"");
}

static void errors_name_file_and_line(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *place =
        xasprintf("%s:4: unknown option \"chache_size\"; did you mean cache_size?", f->conf);
    assert_error(f, "# first\n" ASSETS "chache_size = 1G\npoll = x\n", -EINVAL, place);
}

static void every_kind_of_error_is_found(void **state) {
    struct fixture *f = *state;
    assert_error(f, ASSETS "cache_size = much\n", -EINVAL, "not a size");
    assert_error(f, ASSETS "cache_size\n", -EINVAL, "needs a value");
    assert_error(f, ASSETS "cache_dir = state\n", -EINVAL, "must be absolute");
    assert_error(f, "[volume assets]\nurl = /srv/bucket\n", -EINVAL, "must be an URL");
    assert_error(f, "ro = yes\n", -EINVAL, ":1: expected a section");
    assert_error(f, "[general]\nro = yes\n", -EINVAL, "expected a section");
    assert_error(f, "[volume]\nro = yes\n", -EINVAL, "expected a section");
    assert_error(f, ASSETS "[volume assets\n", -EINVAL, ":3: neither");
    assert_error(f, ASSETS "= 5\n", -EINVAL, "unknown option \"\"");
}

static void what_would_be_cut_is_refused(void **state) {
    struct fixture *f = *state;
    char line[512] = ASSETS "key_file = /";
    memset(line + strlen(line), 'k', 200);
    assert_error(f, line, -EINVAL, ":3: the line is too long");
    assert_error(f, "[volume 0123456789012345678901234567890123456789012]\n", -EINVAL,
                 "name of the section is too long");
    assert_int_equal(load(f, "[volume 012345678901234567890123456789012345678901]\nurl=file:///x\n",
                          "012345678901234567890123456789012345678901"),
                     0);
}

static void a_nul_byte_is_refused(void **state) {
    struct fixture *f = *state;
    static const char text[] = ASSETS "ro\0 = no\n";
    write_bytes(f->conf, text, sizeof text - 1);
    assert_int_equal(options_load(&f->o, f->conf, "assets", &f->why), -EINVAL);
    assert_non_null(strstr(buf_str(&f->why), "NUL"));
}

static void the_file_given_must_be_there(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_load(&f->o, f->conf, "assets", &f->why), -EINVAL);
    assert_non_null(strstr(buf_str(&f->why), f->conf));
    assert_non_null(strstr(buf_str(&f->why), "No such file"));
}

static void a_directory_is_not_a_configuration(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_load(&f->o, f->dir, "assets", &f->why), -EINVAL);
    assert_non_null(strstr(buf_str(&f->why), f->dir));
}

static void the_users_file_is_found(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *sub = xasprintf("%s/assetfs", f->dir);
    CLEANUP_FREE char *file = xasprintf("%s/assetfs.conf", sub);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_bytes(file, ASSETS "ro\n", strlen(ASSETS "ro\n"));
    setenv("XDG_CONFIG_HOME", f->dir, 1);
    int r = options_load(&f->o, NULL, "assets", &f->why);
    unlink(file);
    rmdir(sub);
    assert_int_equal(r, 0);
    assert_true(f->o.ro);
}

static void without_any_file_there_is_no_volume(void **state) {
    struct fixture *f = *state;
    setenv("XDG_CONFIG_HOME", f->dir, 1);
    assert_int_equal(options_load(&f->o, NULL, "a volume that nobody has", &f->why), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_url_needs_no_file),
        TEST(a_section_gives_url_and_options),
        TEST(comments_blank_lines_and_cr_are_skipped),
        TEST(indented_options_are_options),
        TEST(other_sections_do_not_count),
        TEST(an_error_in_another_section_does_no_harm),
        TEST(an_unknown_volume_lists_those_there_are),
        TEST(a_bare_path_gets_a_hint),
        TEST(a_section_without_url_is_an_error),
        TEST(errors_name_file_and_line),
        TEST(every_kind_of_error_is_found),
        TEST(what_would_be_cut_is_refused),
        TEST(a_nul_byte_is_refused),
        TEST(the_file_given_must_be_there),
        TEST(a_directory_is_not_a_configuration),
        TEST(the_users_file_is_found),
        TEST(without_any_file_there_is_no_volume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
