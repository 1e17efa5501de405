/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which type a name has by the rows of a database: weights, lengths, case, whole names, patterns; both file formats; and that what is no row does no harm.
 */
#include "base/mime.h"
#include "tmpdir.h"

#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct mime *globs2(const char *text) {
    struct mime *m = mime_new();
    mime_add_globs2(m, text, strlen(text));
    return m;
}

static struct mime *types(const char *text) {
    struct mime *m = mime_new();
    mime_add_types(m, text, strlen(text));
    return m;
}

static void is(const struct mime *m, const char *name, const char *type) {
    assert_string_equal(mime_type(m, name, strlen(name)), type);
}

static void an_extension_is_a_suffix(void **state ATTR_UNUSED) {
    struct mime *m = globs2("# comment\n50:image/jpeg:*.jpg\n50:image/jpeg:*.jpeg\n");
    assert_int_equal(mime_count(m), 2);
    is(m, "photo.jpg", "image/jpeg");
    is(m, "a.b.jpeg", "image/jpeg");
    is(m, ".jpg", "image/jpeg");
    is(m, "photojpg", MIME_UNKNOWN);
    is(m, "photo.jpg.gz", MIME_UNKNOWN);
    is(m, "", MIME_UNKNOWN);
    mime_free(m);
}

static void case_counts_only_where_a_row_says_so(void **state ATTR_UNUSED) {
    struct mime *m = globs2("50:text/x-c++src:*.C:cs\n50:text/x-csrc:*.c:cs\n50:image/png:*.png\n50:text/x-readme:README*\n");
    is(m, "PHOTO.PNG", "image/png");
    is(m, "a.c", "text/x-csrc");
    is(m, "A.C", "text/x-c++src");
    is(m, "readme.1st", "text/x-readme");
    mime_free(m);
    m = globs2("50:a/exact:*.Q:cs\n50:a/loose:*.q\n");
    is(m, "x.Q", "a/exact"); /* of two that fit the one with its case */
    is(m, "x.q", "a/loose");
    mime_free(m);
}

static void the_heaviest_wins_then_the_longest_then_the_first(void **state ATTR_UNUSED) {
    struct mime *m = globs2("80:a/heavy:*.x\n50:a/light:*.y.x\n"
                            "50:application/gzip:*.gz\n50:application/x-compressed-tar:*.tar.gz\n"
                            "50:audio/ogg:*.ogg\n50:video/ogg:*.ogg\n10:a/least:*.ogg\n");
    is(m, "1.y.x", "a/heavy");
    is(m, "b.tar.gz", "application/x-compressed-tar");
    is(m, "b.TAR.GZ", "application/x-compressed-tar");
    is(m, "b.txt.gz", "application/gzip");
    is(m, "c.ogg", "audio/ogg");
    mime_free(m);
}

static void whole_names_and_patterns(void **state ATTR_UNUSED) {
    struct mime *m = globs2("50:text/x-makefile:makefile\n50:text/x-makefile:makefile.*\n50:application/x-core:core:cs\n"
                            "10:text/x-readme:readme*\n50:video/x-anim:*.anim[1-9j]\n50:text/x-troff:*.[1-9]\n50:text/plain:*,v\n");
    is(m, "Makefile", "text/x-makefile");
    is(m, "Makefile.am", "text/x-makefile");
    is(m, "core", "application/x-core");
    is(m, "Core", MIME_UNKNOWN);
    is(m, "README", "text/x-readme");
    is(m, "x.anim7", "video/x-anim");
    is(m, "x.anim0", MIME_UNKNOWN);
    is(m, "man.1", "text/x-troff");
    is(m, "file,v", "text/plain");
    mime_free(m);
}

static void rows_that_are_none_are_skipped(void **state ATTR_UNUSED) {
    struct mime *m = globs2("50:text/plain\n:text/plain:*.a\nx:text/plain:*.b\n101:text/plain:*.c\n50:text:*.d\n50:text/plain:\n"
                            "50:text/a b:*.e\n50:te/x/t:*.f\n50:/x:*.g\n50:x/:*.h\n50:a/b:*/x\n\n#\n50:text/html; charset=utf-8:*.i\n"
                            "50:text/good:*.ok");
    assert_int_equal(mime_count(m), 1);
    is(m, "x.ok", "text/good");
    mime_free(m);
}

static void later_files_add_and_closed_types_stay_closed(void **state ATTR_UNUSED) {
    struct mime *m = globs2("60:text/mine:*.x\n50:text/closed:__NOGLOBS__\n50:text/closed:*.own\n");
    static const char more[] = "50:text/theirs:*.x\n50:text/closed:*.theirs\n50:text/more:*.z\n50:text/mine:*.x\n";
    mime_add_globs2(m, more, strlen(more));
    is(m, "a.x", "text/mine");
    is(m, "a.own", "text/closed");
    is(m, "a.theirs", MIME_UNKNOWN);
    is(m, "a.z", "text/more");
    assert_int_equal(mime_count(m), 4);
    mime_free(m);
}

static void mime_types_has_a_type_and_extensions(void **state ATTR_UNUSED) {
    struct mime *m = types("# MIME types\r\nimage/jpeg\t\t\tjpeg jpg  jpe\r\ntext/html html htm # not this\napplication/x-none\n"
                           "not-a-type x\nvideo/mp4 mp4 b/d *.x\napplication/x-last last");
    assert_int_equal(mime_count(m), 7);
    is(m, "A.JPG", "image/jpeg");
    is(m, "i.htm", "text/html");
    is(m, "i.not", MIME_UNKNOWN);
    is(m, "v.mp4", "video/mp4");
    is(m, "v.last", "application/x-last");
    mime_free(m);
}

static void long_names_and_odd_bytes(void **state ATTR_UNUSED) {
    struct mime *m = globs2("50:image/jpeg:*.jpg\n50:text/x:*[\n50:text/y:\\\n");
    char name[256];
    memset(name, 'x', sizeof name);
    memcpy(name + 251, ".jpg", 4);
    assert_string_equal(mime_type(m, name, 255), "image/jpeg");
    assert_string_equal(mime_type(m, name, 256), MIME_UNKNOWN);
    assert_string_equal(mime_type(m, "lat\xfcn.jpg", 9), "image/jpeg");
    assert_string_equal(mime_type(NULL, "a.jpg", 5), MIME_UNKNOWN);
    mime_free(m);
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The user's rows come before the system's, and all directories count. */
static void the_directories_of_the_specification(void **state) {
    const char *dir = *state;
    static const char *const names[] = {"home", "one", "two"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *data = xasprintf("%s/%s", dir, names[i]), *mime = xasprintf("%s/mime", data),
                          *file = xasprintf("%s/globs2", mime),
                          *text = xasprintf("50:text/%s:*.x\n50:text/%s:*.%s\n", names[i], names[i], names[i]);
        assert_int_equal(mkdir(data, 0700), 0);
        assert_int_equal(mkdir(mime, 0700), 0);
        write_file(file, text);
    }
    CLEANUP_FREE char *home = xasprintf("%s/home", dir), *dirs = xasprintf("%s/one:%s/none:%s/two", dir, dir, dir);
    setenv("XDG_DATA_HOME", home, 1);
    setenv("XDG_DATA_DIRS", dirs, 1);
    struct mime *m = mime_load();
    is(m, "a.x", "text/home");
    is(m, "a.one", "text/one");
    is(m, "a.two", "text/two");
    mime_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extension_is_a_suffix),
        cmocka_unit_test(case_counts_only_where_a_row_says_so),
        cmocka_unit_test(the_heaviest_wins_then_the_longest_then_the_first),
        cmocka_unit_test(whole_names_and_patterns),
        cmocka_unit_test(rows_that_are_none_are_skipped),
        cmocka_unit_test(later_files_add_and_closed_types_stay_closed),
        cmocka_unit_test(mime_types_has_a_type_and_extensions),
        cmocka_unit_test(long_names_and_odd_bytes),
        cmocka_unit_test_setup_teardown(the_directories_of_the_specification, tmpdir_setup, tmpdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
