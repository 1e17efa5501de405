/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/options.h"
#include "base/env.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* One `struct options` and the sentence of the last error. */
struct fixture {
    struct options o;
    struct buf why;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    options_init(&f->o);
    f->why = BUF_INIT(4096);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    options_free(&f->o);
    buf_free(&f->why);
    free(f);
    return 0;
}

static void assert_set(struct fixture *f, const char *assignment) {
    assert_int_equal(options_set(&f->o, assignment, &f->why), 0);
    assert_int_equal(f->why.len, 0);
}

/* Refused, with a sentence that contains `part`. */
static void assert_refused(struct fixture *f, const char *assignment, const char *part) {
    buf_reset(&f->why);
    assert_int_equal(options_set(&f->o, assignment, &f->why), -EINVAL);
    assert_non_null(strstr(buf_str(&f->why), part));
}

static void defaults_are_those_of_the_table(void **state) {
    struct options *o = &((struct fixture *)*state)->o;
    assert_int_equal(o->cache_size, (uint64_t)20 << 30);
    assert_int_equal(o->min_free, (uint64_t)1 << 30);
    assert_int_equal(o->max_file_size, (uint64_t)1 << 40);
    assert_int_equal(o->durability, DURABILITY_BUCKET);
    assert_int_equal(o->fsync_timeout, 60 * NS_PER_S);
    assert_int_equal(o->drain_timeout, 30 * NS_PER_S);
    assert_int_equal(o->settle, 500 * NS_PER_MS);
    assert_int_equal(o->poll, 5 * NS_PER_S);
    assert_string_equal(o->prefix, ".assetfs");
    assert_null(o->cache_dir);
    assert_int_equal(o->uid, -1);
    assert_int_equal(o->umask, -1);
    assert_false(o->ro);
}

static void defaults_pass_the_check(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_check(&f->o, &f->why), 0);
}

/* A value of each type, so that a new row is tested without a new line here. */
#define SAMPLE_PATH(def) "=/x"
#define SAMPLE_STRING(def) "=name"
#define SAMPLE_WORD(def) "=" def
#define SAMPLE_PATTERNS(def) "=*.x:y"
#define SAMPLE_SIZE(def) "=2M"
#define SAMPLE_COUNT(def) "=7"
#define SAMPLE_NUMBER(def) "=70000"
#define SAMPLE_DURATION(def) "=2s"
#define SAMPLE_DURABILITY(def) "=close"
#define SAMPLE_ID(def) "=7"
#define SAMPLE_OCTAL(def) "=027"
#define SAMPLE_FLAG(def) ""

static void every_option_of_the_table_is_accepted(void **state) {
    struct fixture *f = *state;
#define X(field, type, name, def, arg, help) assert_set(f, name SAMPLE_##type(def));
    OPTIONS(X)
#undef X
    assert_string_equal(f->o.key_file, "/x");
    assert_string_equal(f->o.host_label, "name");
    assert_int_equal(f->o.read_ahead, 2 << 20);
    assert_int_equal(f->o.timeout, 2 * NS_PER_S);
    assert_int_equal(f->o.durability, DURABILITY_CLOSE);
    assert_int_equal(f->o.gid, 7);
    assert_int_equal(f->o.umask, 027);
    assert_true(f->o.allow_other);
    assert_true(f->o.noexec);
}

static void patterns_stand_between_colons(void **state) {
    struct fixture *f = *state;
    assert_non_null(strstr(f->o.local_only, ".DS_Store:"));
    assert_null(f->o.temporary);
    assert_set(f, "local_only=none");
    assert_string_equal(f->o.local_only, "none");
    assert_set(f, "temporary=*.tmp1:draft-*");
    assert_string_equal(f->o.temporary, "*.tmp1:draft-*");
    assert_refused(f, "temporary=", "between colons");
    assert_refused(f, "temporary=a::b", "between colons");
    assert_refused(f, "temporary=a:", "between colons");
    assert_refused(f, "temporary=:a", "between colons");
    assert_refused(f, "temporary=dir/name", "between colons");
    assert_string_equal(f->o.temporary, "*.tmp1:draft-*");
}

static void the_last_value_counts(void **state) {
    struct fixture *f = *state;
    assert_set(f, "cache_size=1G");
    assert_set(f, "cache_size=3G");
    assert_set(f, "cache_dir=/a");
    assert_set(f, "cache_dir=/b");
    assert_int_equal(f->o.cache_size, (uint64_t)3 << 30);
    assert_string_equal(f->o.cache_dir, "/b");
}

static void flags_take_yes_and_no(void **state) {
    struct fixture *f = *state;
    assert_set(f, "ro=yes");
    assert_true(f->o.ro);
    assert_set(f, "ro=no");
    assert_false(f->o.ro);
    assert_set(f, "ro=on");
    assert_true(f->o.ro);
    assert_refused(f, "ro=maybe", "yes or no");
    assert_true(f->o.ro);
}

static void durability_has_three_values(void **state) {
    struct fixture *f = *state;
    assert_set(f, "durability=local");
    assert_int_equal(f->o.durability, DURABILITY_LOCAL);
    assert_set(f, "durability=bucket");
    assert_int_equal(f->o.durability, DURABILITY_BUCKET);
    assert_refused(f, "durability=disk", "bucket, close or local");
}

static void a_word_is_one_of_those_named(void **state) {
    struct fixture *f = *state;
    assert_string_equal(f->o.cdn_sign, "url");
    assert_set(f, "cdn_sign=cookie");
    assert_string_equal(f->o.cdn_sign, "cookie");
    assert_refused(f, "cdn_sign=cook", "one of url|cookie");
    assert_refused(f, "cdn_sign=url|cookie", "one of url|cookie");
    assert_refused(f, "cdn_sign=", "one of url|cookie");
    assert_refused(f, "cdn_hash=md5", "one of sha1|sha256");
    assert_string_equal(f->o.cdn_sign, "cookie");
}

static void a_relative_path_becomes_absolute(void **state) {
    struct fixture *f = *state;
    CLEANUP_FREE char *cwd = getcwd(NULL, 0);
    CLEANUP_FREE char *expected = xasprintf("%s/state", cwd);
    assert_set(f, "cache_dir=state");
    assert_string_equal(f->o.cache_dir, expected);
}

static void a_path_may_begin_with_the_home_directory(void **state) {
    struct fixture *f = *state;
    setenv("HOME", "/home/anna", 1);
    assert_set(f, "key_file=~/keys/one");
    assert_string_equal(f->o.key_file, "/home/anna/keys/one");
    assert_refused(f, "key_file=~bert/keys", "not a path");
    assert_string_equal(f->o.key_file, "/home/anna/keys/one");
}

static void a_bad_value_leaves_the_old_one(void **state) {
    struct fixture *f = *state;
    assert_refused(f, "cache_size=much", "not a size");
    assert_int_equal(f->o.cache_size, (uint64_t)20 << 30);
    assert_refused(f, "poll=soon", "not a time");
    assert_int_equal(f->o.poll, 5 * NS_PER_S);
    assert_refused(f, "prefix=", "not a name");
    assert_string_equal(f->o.prefix, ".assetfs");
}

static void ids_are_numbers_that_chown_takes(void **state) {
    struct fixture *f = *state;
    assert_set(f, "uid=0");
    assert_int_equal(f->o.uid, 0);
    assert_set(f, "uid=4294967294");
    assert_refused(f, "uid=4294967295", "a number");
    assert_refused(f, "uid=-1", "a number");
    assert_refused(f, "gid=+1", "a number");
    assert_refused(f, "gid= 1", "a number");
    assert_refused(f, "gid=1x", "a number");
    assert_refused(f, "gid=", "a number");
}

static void umask_is_octal(void **state) {
    struct fixture *f = *state;
    assert_set(f, "umask=22");
    assert_int_equal(f->o.umask, 022);
    assert_refused(f, "umask=8", "octal");
    assert_refused(f, "umask=1777", "octal");
}

static void a_missing_value_is_told_with_its_form(void **state) {
    assert_refused(*state, "cache_size", "cache_size=SIZE");
}

static void an_unknown_option_names_the_nearest(void **state) {
    struct fixture *f = *state;
    assert_refused(f, "cachesize=1G", "did you mean cache_size?");
    assert_refused(f, "durabilty=close", "did you mean durability?");
    assert_refused(f, "quantum", "unknown option \"quantum\"");
    assert_null(strstr(buf_str(&f->why), "did you mean"));
    assert_refused(f, "=x", "unknown option");
    assert_refused(f, "cachesize,with,a,name,that,is,longer,than,any=1", "unknown option");
}

static void words_of_fstab_are_accepted(void **state) {
    static const char *const words[] = {"rw",
                                        "defaults",
                                        "_netdev",
                                        "auto",
                                        "noauto",
                                        "nofail",
                                        "user",
                                        "users",
                                        "nosuid",
                                        "nodev",
                                        "noatime",
                                        "relatime",
                                        "x-systemd.automount",
                                        "x-gvfs-name=Assets",
                                        "comment=text",
                                        "user=anna",
                                        "exec"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        assert_set(*state, words[i]);
}

static void words_that_promise_what_is_not_there_are_refused(void **state) {
    assert_refused(*state, "suid", "nosuid");
    assert_refused(*state, "dev", "nodev");
    assert_refused(*state, "sync", "durability=close");
}

static void rw_and_exec_take_back(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_set_list(&f->o, "ro,noexec", &f->why), 0);
    assert_true(f->o.ro && f->o.noexec);
    assert_int_equal(options_set_list(&f->o, "rw,exec", &f->why), 0);
    assert_false(f->o.ro || f->o.noexec);
}

static void a_list_is_split_at_commas(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_set_list(&f->o, "ro,cache_size=1G,poll=1s", &f->why), 0);
    assert_true(f->o.ro);
    assert_int_equal(f->o.cache_size, (uint64_t)1 << 30);
    assert_int_equal(f->o.poll, NS_PER_S);
}

static void a_comma_can_be_escaped(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_set_list(&f->o, "cache_dir=/a\\,b\\c,ro", &f->why), 0);
    assert_string_equal(f->o.cache_dir, "/a,b\\c");
    assert_true(f->o.ro);
}

static void empty_items_are_skipped(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_set_list(&f->o, "", &f->why), 0);
    assert_int_equal(options_set_list(&f->o, ",,ro,", &f->why), 0);
    assert_true(f->o.ro);
}

static void the_first_error_ends_a_list(void **state) {
    struct fixture *f = *state;
    assert_int_equal(options_set_list(&f->o, "poll=1s,nonsense,ro", &f->why), -EINVAL);
    assert_non_null(strstr(buf_str(&f->why), "nonsense"));
    assert_false(f->o.ro);
}

static void contradictions_are_refused(void **state) {
    static const char *const wrong[] = {
        "cache_size=1K", "max_file_size=0", "timeout=0",        "fsync_timeout=0", "poll=0",
        "prefix=/abs",   "prefix=a//b",     "prefix=a/",        "prefix=a/../b",   "prefix=.",
        "prefix=a\tb",   "host_label=a/b",  "host_label=a\nb",  "cdn_key_id=K1",   "cdn_key_file=/k",
        "cdn_header=/h", "cdn_expires=1s",  "cdn_expires=367d",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        options_free(&f->o);
        options_init(&f->o);
        buf_reset(&f->why);
        assert_set(f, wrong[i]);
        if (options_check(&f->o, &f->why) != -EINVAL)
            fail_msg("%s passes", wrong[i]);
        assert_true(f->why.len > 0);
    }
}

static void what_does_not_contradict_passes(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        options_set_list(&f->o,
                         "durability=local,fsync_timeout=0,prefix=team/.assetfs,host_label=studio 3,"
                         "drain_timeout=0,settle=0,cache_size=1M,min_free=0,read_ahead=0,"
                         "cdn=https://c,cdn_key_file=/k,cdn_key_id=K1,cdn_header=/h,cdn_expires=2s",
                         &f->why),
        0);
    assert_int_equal(options_check(&f->o, &f->why), 0);
}

static void help_and_manual_have_every_option(void **state) {
    (void)state;
    CLEANUP_BUF struct buf help = BUF_INIT(1 << 20), mdoc = BUF_INIT(1 << 20);
    buf_append_byte(&help, '\n');
    options_help(&help);
    options_mdoc(&mdoc);
#define X(field, type, name, def, arg, text)                                                                 \
    assert_non_null(strstr(buf_str(&help), "\n  " name));                                                    \
    assert_non_null(strstr(buf_str(&mdoc), ".It Cm " name));
    OPTIONS(X)
#undef X
    assert_non_null(strstr(buf_str(&help), "(default: 20G)"));
    assert_non_null(strstr(buf_str(&mdoc),
                           ".It Cm cache_size Ns = Ns Ar SIZE\nLargest size of the block cache.\n"
                           "The default is 20G.\n"));
}

static void paths_are_told_from_other_options(void **state) {
    (void)state;
    assert_true(options_is_path("key_file"));
    assert_false(options_is_path("prefix"));
    assert_false(options_is_path("nonsense"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_table),
        TEST(defaults_pass_the_check),
        TEST(every_option_of_the_table_is_accepted),
        TEST(patterns_stand_between_colons),
        TEST(the_last_value_counts),
        TEST(flags_take_yes_and_no),
        TEST(durability_has_three_values),
        TEST(a_word_is_one_of_those_named),
        TEST(a_relative_path_becomes_absolute),
        TEST(a_path_may_begin_with_the_home_directory),
        TEST(a_bad_value_leaves_the_old_one),
        TEST(ids_are_numbers_that_chown_takes),
        TEST(umask_is_octal),
        TEST(a_missing_value_is_told_with_its_form),
        TEST(an_unknown_option_names_the_nearest),
        TEST(words_of_fstab_are_accepted),
        TEST(words_that_promise_what_is_not_there_are_refused),
        TEST(rw_and_exec_take_back),
        TEST(a_list_is_split_at_commas),
        TEST(a_comma_can_be_escaped),
        TEST(empty_items_are_skipped),
        TEST(the_first_error_ends_a_list),
        TEST(contradictions_are_refused),
        TEST(what_does_not_contradict_passes),
        TEST(help_and_manual_have_every_option),
        TEST(paths_are_told_from_other_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
