/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The words are what Python's shlex.split() makes of the same lines.
 */
#include "net/credential_process.h"
#include "base/env.h"
#include <signal.h>
#include <sys/eventfd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define GOOD "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\"}"

static void words(void **state) {
    (void)state;
    static const struct {
        const char *line, *words[5];
    } cases[] = {
        {"a b  c", {"a", "b", "c"}},
        {"  a\t\r\nb ", {"a", "b"}},
        {"'a b' \"c d\"", {"a b", "c d"}},
        {"a'b'\"c\"d", {"abcd"}},
        {"a ''", {"a", ""}},
        {"a \"\" b", {"a", "", "b"}},
        {"a\\ b", {"a b"}},
        {"a \\'b", {"a", "'b"}},
        {"'a\\b'", {"a\\b"}},
        {"\"a\\b\" \"a\\\"b\" \"a\\\\b\"", {"a\\b", "a\"b", "a\\b"}},
        {"\"a'b\" 'c\"d'", {"a'b", "c\"d"}},
        {"a $HOME ~ *", {"a", "$HOME", "~", "*"}},
        {"a;b | c", {"a;b", "|", "c"}},
        {"a # b", {"a", "#", "b"}},
        {"\"C:\\dir\\x\"", {"C:\\dir\\x"}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char **w;
        CLEANUP_BUF struct buf why = BUF_INIT(4096);
        assert_int_equal(credential_words_of(cases[i].line, &w, &why), 0);
        size_t n = 0;
        for (; w[n]; n++)
            assert_string_equal(w[n], cases[i].words[n] ? cases[i].words[n] : "(no more)");
        assert_true(n == 5 || !cases[i].words[n]);
        credential_words_free(w);
    }
}

static void lines_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {{"", "names no program"},
                 {"  ", "names no program"},
                 {"''", "names no program"},
                 {"a 'b", "single quote"},
                 {"a \"b\\\"", "double quote in it does not end"},
                 {"a \\", "backslash"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char **w;
        CLEANUP_BUF struct buf why = BUF_INIT(4096);
        assert_int_equal(credential_words_of(cases[i].line, &w, &why), -EINVAL);
        assert_null(w);
        assert_non_null(strstr(buf_str(&why), cases[i].says));
    }
}

static int run(const char *line, struct credential *ret, struct buf *why) {
    return credential_process_run(line, 20 * NS_PER_S, -1, ret, why);
}

static void keys(void **state) {
    (void)state;
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(run("printf %s '" GOOD "'", &k, &why), 0);
    assert_string_equal(k.secret_key, "hush");
    credential_free(&k);
}

static void assert_fails(const char *line, int err, const char *says) {
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(run(line, &k, &why), err);
    assert_null(k.access_key);
    if (!strstr(buf_str(&why), says) || strstr(buf_str(&why), "hush"))
        fail_msg("\"%s\" does not say \"%s\"", buf_str(&why), says);
}

static void what_goes_wrong(void **state) {
    (void)state;
    assert_fails("/no/such/program", -EACCES, "/no/such/program cannot be run: No such file");
    assert_fails("sh -c 'echo one >&2; echo two words >&2; echo >&2; exit 9'", -EIO,
                 "exit status 9 (\"two words\")");
    assert_fails("sh -c 'yes x | head -c 100000 >&2; echo last >&2; exit 1'", -EIO, "(\"last\")");
    assert_fails("sh -c 'kill -9 $$'", -EIO, "ended by signal 9");
    assert_fails("true", -EACCES, "printed nothing");
    assert_fails("echo hush", -EACCES, "it is not JSON");
    assert_fails("head -c 200000 /dev/zero", -EACCES, "printed more than a set of keys");
    assert_fails("echo 'a", -EACCES, "a single quote in it does not end");
}

/* It must find no open descriptor of this process but its three, nothing to read, and signals as they are by
 * default. */
static void what_it_is_given(void **state) {
    (void)state;
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    signal(SIGPIPE, SIG_IGN);
    /* signals 32 and 33 are the C library's own */
    int r = run("sh -c '[ -z \"$(cat)\" ] && grep -q \"^SigBlk:.0*$\" /proc/self/status && grep -Eq "
                "\"^SigIgn:.0*(180000000)?$\" /proc/self/status && echo \"$0\"' '" GOOD "'",
                &k, &why);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0)
        fail_msg("%s", buf_str(&why));
    credential_free(&k);
}

static void one_that_does_not_end(void **state) {
    (void)state;
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    /* its child, too, which has the pipe */
    assert_int_equal(credential_process_run("sh -c 'sleep 1000 & sleep 1000'", 50 * NS_PER_MS, -1, &k, &why),
                     -ETIMEDOUT);
    assert_non_null(strstr(buf_str(&why), "had not ended after 50 ms"));
}

static void one_that_closes_its_output_and_goes_on(void **state) {
    (void)state;
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    assert_int_equal(
        credential_process_run("sh -c 'exec sleep 1000 >/dev/null 2>&1'", 50 * NS_PER_MS, -1, &k, &why),
        -ETIMEDOUT);
}

static void it_is_stopped(void **state) {
    (void)state;
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_CLOSE int fd = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(credential_process_run("sleep 1000", 1000 * NS_PER_S, fd, &k, &why), -ECANCELED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(lines_that_are_none),
        cmocka_unit_test(keys),
        cmocka_unit_test(what_goes_wrong),
        cmocka_unit_test(what_it_is_given),
        cmocka_unit_test(one_that_does_not_end),
        cmocka_unit_test(one_that_closes_its_output_and_goes_on),
        cmocka_unit_test(it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
