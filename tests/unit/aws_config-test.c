/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/aws_config.h"
#include "base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* "[section] name=value;" and "[section] name/sub=value;" */
static void note(void *arg, const struct aws_setting *s) {
    struct buf *b = arg;
    buf_printf(b, "[%.*s]", (int)s->section.len, s->section.p);
    if (s->name.p)
        buf_printf(b, " %.*s", (int)s->name.len, s->name.p);
    if (s->sub.p)
        buf_printf(b, "/%.*s", (int)s->sub.len, s->sub.p);
    if (s->name.p)
        buf_printf(b, "=%.*s", (int)s->value.len, s->value.p);
    buf_append_str(b, ";");
}

static void assert_parsed_n(const char *text, size_t n, const char *want) {
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    unsigned line = 99;
    assert_int_equal(aws_config_parse(text, n, note, &b, &line), 0);
    assert_string_equal(buf_str(&b), want);
    assert_int_equal(line, 99);
}

static void assert_parsed(const char *text, const char *want) {
    assert_parsed_n(text, strlen(text), want);
}

static void assert_bad(const char *text, size_t n, unsigned want_line) {
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    unsigned line = 0;
    assert_int_equal(aws_config_parse(text, n, note, &b, &line), -EBADMSG);
    assert_int_equal(line, want_line);
}

static void settings_of_sections(void **state) {
    (void)state;
    assert_parsed("[default]\naws_access_key_id = A\naws_secret_access_key=B/c+=\n\n[x]\nregion: eu\n",
                  "[default];[default] aws_access_key_id=A;[default] aws_secret_access_key=B/c+=;[x];[x] "
                  "region=eu;");
}

static void nothing(void **state) {
    (void)state;
    assert_parsed("", "");
    assert_parsed("\n \n\t\n# a\n  ; b\n", "");
    assert_parsed("[x]", "[x];");
}

static void the_last_line_needs_no_line_feed(void **state) {
    (void)state;
    assert_parsed("[x]\na = b", "[x];[x] a=b;");
}

static void line_ends_of_windows(void **state) {
    (void)state;
    assert_parsed("\xef\xbb\xbf[x]\r\na = b\r\n", "[x];[x] a=b;");
}

static void white_space_around_everything(void **state) {
    (void)state;
    assert_parsed("[  profile   x ]  \n \ta \t=\t b c \t\n", "[profile   x];[profile   x] a=b c;");
}

static void comments(void **state) {
    (void)state;
    assert_parsed("# [no]\n[x] # a section\n;a = b\n#a = b\nc = d # really\ne = f\t; g\nh = i#j;k\n",
                  "[x];[x] c=d;[x] e=f;[x] h=i#j;k;");
    assert_parsed("[x]\na = # nothing\nb =\n", "[x];[x] a=;[x] b=;");
}

static void the_first_separator_counts(void **state) {
    (void)state;
    assert_parsed("[x]\nendpoint_url = http://h:80/?a=b\n", "[x];[x] endpoint_url=http://h:80/?a=b;");
}

static void what_is_indented_belongs_to_the_setting_above(void **state) {
    (void)state;
    assert_parsed("[x]\ns3 =\n  addressing_style = path\n\n  # comment\n\tmax = 3\nregion = eu\n",
                  "[x];[x] s3=;[x] s3/addressing_style=path;[x] s3/max=3;[x] region=eu;");
    assert_parsed("[x]\na = b\n  c\n  [y]\nd = e\n", "[x];[x] a=b;[x] a/=c;[x] a/=[y];[x] d=e;");
}

/* As configparser sees it: indented more than the setting before, not just indented. */
static void a_section_that_is_indented_as_a_whole(void **state) {
    (void)state;
    assert_parsed("[x]\n  a = b\n  c = d\n    e = f\n g = h\n", "[x];[x] a=b;[x] c=d;[x] c/e=f;[x] g=h;");
    assert_parsed("  [x]\n  a = b\n[y]\n    c = d\n", "[x];[x] a=b;[y];[y] c=d;");
}

static void what_cannot_be_understood(void **state) {
    (void)state;
    assert_bad("a = b\n", 6, 1);
    assert_bad("[x]\na\n", 6, 2);
    assert_bad("[x]\n= b\n", 8, 2);
    assert_bad("[x\na = b\n", 9, 1);
    assert_bad("[]\n", 3, 1);
    assert_bad("[ ]\n", 4, 1);
    assert_bad("[x]\n\na = b\naws_secr", 19, 4);
    assert_bad("[x]\na = b\0c\n", 12, 2);
    assert_bad("[x]\n#\0\n", 7, 2);
    assert_bad("\0\0\0\0", 4, 1);
}

/* One section, and whether [type name] is what it is. */
struct question {
    const char *type, *name;
    bool yes;
};

static void ask(void *arg, const struct aws_setting *s) {
    struct question *q = arg;
    q->yes = aws_config_in_section(s, q->type, q->name);
}

static bool in_section(const char *text, const char *type, const char *name) {
    struct question q = {type, name, false};
    unsigned line;
    assert_int_equal(aws_config_parse(text, strlen(text), ask, &q, &line), 0);
    return q.yes;
}

static void names_of_sections(void **state) {
    (void)state;
    assert_true(in_section("[default]", NULL, "default"));
    assert_true(in_section("[ default ]", NULL, "default"));
    assert_false(in_section("[Default]", NULL, "default"));
    assert_false(in_section("[defaults]", NULL, "default"));
    assert_true(in_section("[profile x]", "profile", "x"));
    assert_true(in_section("[profile \t x]", "profile", "x"));
    assert_true(in_section("[profile \"a b\"]", "profile", "a b"));
    assert_true(in_section("[profile 'a b']", "profile", "a b"));
    assert_true(in_section("[profile a b]", "profile", "a b"));
    assert_false(in_section("[profile x]", NULL, "x"));
    assert_false(in_section("[profilex]", "profile", "x"));
    assert_false(in_section("[profile]", "profile", ""));
    assert_false(in_section("[profile xy]", "profile", "x"));
    assert_false(in_section("[services x]", "profile", "x"));
    assert_false(in_section("[profile \"x]", "profile", "x"));
}

static void names_compare_without_case(void **state) {
    (void)state;
    assert_true(aws_slice_is((struct aws_slice){"AWS_Access", 10}, "aws_access"));
    assert_false(aws_slice_is((struct aws_slice){"AWS_Access", 9}, "aws_access"));
    assert_false(aws_slice_is((struct aws_slice){"a", 1}, "ab"));
    assert_false(aws_slice_is((struct aws_slice){NULL, 0}, ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_of_sections),
        cmocka_unit_test(nothing),
        cmocka_unit_test(the_last_line_needs_no_line_feed),
        cmocka_unit_test(line_ends_of_windows),
        cmocka_unit_test(white_space_around_everything),
        cmocka_unit_test(comments),
        cmocka_unit_test(the_first_separator_counts),
        cmocka_unit_test(what_is_indented_belongs_to_the_setting_above),
        cmocka_unit_test(a_section_that_is_indented_as_a_whole),
        cmocka_unit_test(what_cannot_be_understood),
        cmocka_unit_test(names_of_sections),
        cmocka_unit_test(names_compare_without_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
