/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The corpus of entries in tests/data/entries: bytes as they may stand in a bucket, good-* and bad-*. They are kept as files because a later version must read what this one wrote; what
 * each must give is in sample_entry.c, which made them: `entry_corpus-test DIR` writes those that are not there.
 */
#include "base/file.h"
#include "sample_entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char *path_of(const char *dir, const char *name) {
    return xasprintf("%s/%s", dir, name);
}

static char *data_dir(void) {
    const char *src = getenv("srcdir");
    return xasprintf("%s/tests/data/entries", src ? src : ".");
}

struct count {
    size_t good, bad;
};

static void check_file(void *arg, const struct sample_case *c, const void *p, size_t n) {
    struct count *count = arg;
    CLEANUP_FREE char *dir = data_dir(), *path = path_of(dir, c->name);
    CLEANUP_BUF struct buf b = BUF_INIT(8u << 20);
    struct keyring *keys = c->sealed ? sample_entry_keys() : keyring_new();
    CLEANUP_ENTRY struct entry e = {0};
    if (file_load(path, &b) < 0)
        fail_msg("%s is not there", path);
    int r = entry_open(b.data ? (void *)b.data : "", b.len, keys, SAMPLE_PREFIX, c->sequence, &e);
    if (r != c->err)
        fail_msg("%s: %d, not %d", c->name, r, c->err);
    if (!strncmp(c->name, "good-", 5) != (r == 0))
        fail_msg("%s is named wrongly", c->name);
    if (b.len != n || (n && memcmp(b.data, p, n)))
        fail_msg("%s is not what is written today: the format has changed", c->name);
    keyring_free(keys);
    count->good += r == 0;
    count->bad += r != 0;
}

static void every_file_gives_what_it_must(void **st) {
    struct count count = {0};
    (void)st;
    sample_corpus(check_file, &count);
    assert_true(count.good >= 8);
    assert_true(count.bad >= 40);
}

/* What is good is written as it was read. */
static void check_again(void *arg, const struct sample_case *c, const void *p, size_t n) {
    struct keyring *keys = keyring_new();
    CLEANUP_ENTRY struct entry e = {0};
    CLEANUP_BUF struct buf b = BUF_INIT(8u << 20);
    (void)arg;
    if (!c->sealed && c->err == 0 && !strstr(c->name, "later") && !strstr(c->name, "unknown")) {
        assert_int_equal(entry_open(p, n, keys, SAMPLE_PREFIX, c->sequence, &e), 0);
        entry_encode(&e, &b);
        assert_int_equal(b.len, n - 1);
        assert_memory_equal(b.data, (const char *)p + 1, n - 1);
    }
    keyring_free(keys);
}

static void good_ones_are_written_as_they_were_read(void **st) {
    (void)st;
    sample_corpus(check_again, NULL);
}

static void write_file(void *arg, const struct sample_case *c, const void *p, size_t n) {
    CLEANUP_FREE char *path = path_of(arg, c->name);
    if (access(path, F_OK) != 0 && file_write_atomic(path, p, n, 0644) < 0)
        perror(path);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_gives_what_it_must),
        cmocka_unit_test(good_ones_are_written_as_they_were_read),
    };
    if (argc > 1) {
        sample_corpus(write_file, argv[1]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
