/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_mem.h"
#include "base/digest.h"
#include "fake_env.h"
#include "store_call.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct fake_env *fake;
static struct mem_bucket *bucket;
static struct counters counters;
static struct store *s;

static int setup(void **state) {
    (void)state;
    fake = fake_env_new();
    bucket = mem_bucket_new();
    counters = (struct counters){0};
    s = store_mem_new(bucket, fake_env(fake), &counters);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    s = store_free(s);
    bucket = mem_bucket_free(bucket);
    fake = fake_env_free(fake);
    return 0;
}

static int put(const char *key, const char *text) {
    CLEANUP_CALL struct call c = {0};
    call_put(&c, s, key, text, strlen(text));
    fake_env_run(fake);
    assert_int_equal(c.done, 1);
    return c.err;
}

static void get(struct call *c, const char *key, uint64_t off, uint64_t len) {
    call_get(c, s, key, off, len);
    fake_env_run(fake);
    assert_int_equal(c->done, 1);
}

static void put_then_get(void **state) {
    (void)state;
    assert_int_equal(put("files/a", "hello"), 0);
    CLEANUP_CALL struct call c = {0};
    get(&c, "files/a", 0, 0);
    assert_int_equal(c.err, 0);
    assert_string_equal((char *)c.data, "hello");
    assert_int_equal(c.total, 5);
}

static void completion_is_never_inside_the_call(void **state) {
    (void)state;
    CLEANUP_CALL struct call p = {0}, g = {0};
    call_put(&p, s, "a", "x", 1);
    call_get(&g, s, "a", 0, 0);
    assert_int_equal(p.done + g.done, 0);
    fake_env_run(fake);
    assert_int_equal(p.done, 1);
    assert_int_equal(g.done, 1);
}

static void second_put_is_eexist_and_changes_nothing(void **state) {
    (void)state;
    assert_int_equal(put("a", "one"), 0);
    assert_int_equal(put("a", "two"), -EEXIST);
    assert_memory_equal(mem_bucket_get(bucket, "a", NULL), "one", 3);
}

static void wrong_digest_makes_nothing(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    const uint8_t wrong[DIGEST_SIZE] = {1};
    c.put.bytes = "hello";
    call_put_fd(&c, s, "a", -1, 5, wrong);
    fake_env_run(fake);
    assert_int_equal(c.err, -EIO);
    assert_false(mem_bucket_has(bucket, "a"));
}

static void puts_from_a_file_descriptor(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    CLEANUP_CLOSE int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    uint8_t sha256[DIGEST_SIZE];
    digest_of("\0\0\0\0", 4, sha256);
    call_put_fd(&c, s, "zero", fd, 4, sha256);
    fake_env_run(fake);
    assert_int_equal(c.err, 0);
    assert_memory_equal(mem_bucket_get(bucket, "zero", NULL), "\0\0\0\0", 4);
}

static void missing_object_is_enoent(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    get(&c, "nothing", 0, 0);
    assert_int_equal(c.err, -ENOENT);
    assert_non_null(c.why);
}

static void range_is_cut_at_the_end(void **state) {
    (void)state;
    put("a", "0123456789");
    CLEANUP_CALL struct call c = {0};
    get(&c, "a", 7, 100);
    assert_string_equal((char *)c.data, "789");
    assert_int_equal(c.total, 10);
}

static void range_beyond_the_end_is_erange(void **state) {
    (void)state;
    put("a", "0123456789");
    CLEANUP_CALL struct call c = {0};
    get(&c, "a", 10, 1);
    assert_int_equal(c.err, -ERANGE);
}

static void empty_object_can_be_read_whole(void **state) {
    (void)state;
    assert_int_equal(put("a", ""), 0);
    CLEANUP_CALL struct call whole = {0}, range = {0};
    get(&whole, "a", 0, 0);
    assert_int_equal(whole.err, 0);
    assert_int_equal(whole.len, 0);
    get(&range, "a", 0, 1);
    assert_int_equal(range.err, -ERANGE);
}

static void bad_keys_are_einval(void **state) {
    (void)state;
    assert_int_equal(put("", "x"), -EINVAL);
    assert_int_equal(put("/a", "x"), -EINVAL);
}

static void lists_by_prefix(void **state) {
    (void)state;
    put("a/1", "x");
    put("b/1", "yy");
    CLEANUP_CALL struct call c = {0};
    call_list(&c, s, "b/");
    fake_env_run(fake);
    assert_int_equal(c.done, 1);
    assert_string_equal((char *)c.data, "b/1\n");
    assert_int_equal(c.total, 2);
}

static void counts_what_it_did(void **state) {
    (void)state;
    put("a", "hello");
    put("a", "hello");
    CLEANUP_CALL struct call c = {0};
    get(&c, "a", 0, 2);
    assert_int_equal(counter_get(&counters, COUNTER_STORE_PUTS), 2);
    assert_int_equal(counter_get(&counters, COUNTER_STORE_GETS), 1);
    assert_int_equal(counter_get(&counters, COUNTER_BYTES_UPLOADED), 5);
    assert_int_equal(counter_get(&counters, COUNTER_BYTES_FETCHED), 2);
}

static void type_and_headers_are_kept(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    const struct keep keep = {.refs = 1, .cache_control = (char *)"max-age=60"};
    c.put.content_type = "image/png";
    c.put.keep = &keep;
    call_put(&c, s, "a", "x", 1);
    fake_env_run(fake);
    assert_string_equal(mem_bucket_content_type(bucket, "a"), "image/png");
    assert_string_equal(mem_bucket_header(bucket, "a", "cache-control"), "max-age=60");
    assert_null(mem_bucket_header(bucket, "a", "other"));
}

static void two_stores_share_a_bucket(void **state) {
    (void)state;
    struct store *other = store_mem_new(bucket, fake_env(fake), NULL);
    put("a", "x");
    CLEANUP_CALL struct call c = {0};
    call_put(&c, other, "a", "y", 1);
    fake_env_run(fake);
    assert_int_equal(c.err, -EEXIST);
    store_free(other);
}

static void bucket_can_be_looked_into(void **state) {
    (void)state;
    put("b", "x");
    put("a/2", "x");
    put("a/1", "x");
    assert_int_equal(mem_bucket_count(bucket, ""), 3);
    assert_int_equal(mem_bucket_count(bucket, "a/"), 2);
    CLEANUP_FREE char *first = mem_bucket_key(bucket, "a/", 0), *second = mem_bucket_key(bucket, "a/", 1),
                      *none = mem_bucket_key(bucket, "a/", 2);
    assert_string_equal(first, "a/1");
    assert_string_equal(second, "a/2");
    assert_null(none);
}

static void bucket_can_be_spoiled(void **state) {
    (void)state;
    put("a", "abc");
    assert_true(mem_bucket_corrupt(bucket, "a", 1));
    assert_memory_equal(mem_bucket_get(bucket, "a", NULL), "acc", 3);
    assert_false(mem_bucket_corrupt(bucket, "a", 3));
    mem_bucket_set(bucket, "a", "zz", 2);
    size_t n = 0;
    assert_memory_equal(mem_bucket_get(bucket, "a", &n), "zz", 2);
    assert_int_equal(n, 2);
    assert_true(mem_bucket_delete(bucket, "a"));
    assert_false(mem_bucket_delete(bucket, "a"));
}

static void bucket_can_go_back(void **state) {
    (void)state;
    put("a", "1");
    struct mem_bucket *before = mem_bucket_copy(bucket);
    put("b", "2");
    mem_bucket_set(bucket, "a", "changed", 7);
    mem_bucket_restore(bucket, before);
    mem_bucket_free(before);
    assert_int_equal(mem_bucket_count(bucket, ""), 1);
    assert_memory_equal(mem_bucket_get(bucket, "a", NULL), "1", 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(put_then_get),
        T(completion_is_never_inside_the_call),
        T(second_put_is_eexist_and_changes_nothing),
        T(wrong_digest_makes_nothing),
        T(puts_from_a_file_descriptor),
        T(missing_object_is_enoent),
        T(range_is_cut_at_the_end),
        T(range_beyond_the_end_is_erange),
        T(empty_object_can_be_read_whole),
        T(bad_keys_are_einval),
        T(lists_by_prefix),
        T(counts_what_it_did),
        T(type_and_headers_are_kept),
        T(two_stores_share_a_bucket),
        T(bucket_can_be_looked_into),
        T(bucket_can_be_spoiled),
        T(bucket_can_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
