/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/reader.h"
#include "base/cbor.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define N 70u
#define SIZE (N * BLOCK_SIZE - 5)

static const uint8_t id[DIGEST_SIZE] = {0xab, 0xcd, [31] = 0xef};
static uint8_t digests[N * DIGEST_SIZE];

static struct content *content_of(uint64_t size) {
    uint8_t sum[DIGEST_SIZE];
    for (size_t i = 0; i < sizeof digests; i++)
        digests[i] = (uint8_t)(i * 7);
    digest_of(digests, sizeof digests, sum);
    return content_new(id, size, "files/x", NULL, sum);
}

static struct buf built(void) {
    struct buf b = BUF_INIT(1 << 20);
    struct content *c = content_of(SIZE);
    assert_int_equal(digests_build(id, SIZE, digests, N, &b), 0);
    content_unref(c);
    return b;
}

static int parse(uint64_t size, const void *p, size_t n, uint8_t **ret) {
    struct content *c = content_of(size);
    int r = digests_parse(c, p, n, ret);
    content_unref(c);
    return r;
}

static void what_is_built_parses(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = built();
    CLEANUP_FREE uint8_t *back = NULL;
    assert_int_equal(parse(SIZE, b.data, b.len, &back), 0);
    assert_memory_equal(back, digests, sizeof digests);
}

static void the_bytes_are_these(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = built();
    const uint8_t head[] = {0xa3, 0x01, 0x58, 0x20, 0xab, 0xcd};
    assert_memory_equal(b.data, head, sizeof head);
    const uint8_t tail[] = {0x02, 0x1a, 0x04, 0x5f, 0xff, 0xfb, 0x03, 0x59, 0x08, 0xc0};
    assert_memory_equal(b.data + 4 + DIGEST_SIZE, tail, sizeof tail);
    assert_int_equal(b.len, 4 + DIGEST_SIZE + sizeof tail + sizeof digests);
}

static void count_must_fit_the_size(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    assert_int_equal(digests_build(id, SIZE, digests, N - 1, &b), -EINVAL);
    assert_int_equal(b.len, 0);
}

static void cut_short_is_refused_everywhere(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = built();
    uint8_t *back;
    for (size_t n = 0; n < b.len; n += n < 60 ? 1 : 97)
        assert_int_equal(parse(SIZE, b.data, n, &back), -EBADMSG);
}

static void trailing_bytes_are_refused(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = built();
    uint8_t *back;
    buf_append_byte(&b, 0);
    assert_int_equal(parse(SIZE, b.data, b.len, &back), -EBADMSG);
}

static void one_bit_in_the_digests_is_refused(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = built();
    uint8_t *back;
    b.data[b.len - 1] ^= 1;
    assert_int_equal(parse(SIZE, b.data, b.len, &back), -EBADMSG);
}

static void another_contents_object_is_refused(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = built();
    uint8_t *back;
    b.data[4] ^= 1; /* the id */
    assert_int_equal(parse(SIZE, b.data, b.len, &back), -EBADMSG);
    b.data[4] ^= 1;
    assert_int_equal(parse(SIZE + 1, b.data, b.len, &back), -EBADMSG);
}

static void later_versions_may_add_pairs(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = built();
    CLEANUP_FREE uint8_t *back = NULL;
    b.data[0] = 0xa4;
    cborw_uint(&b, 9);
    cborw_text(&b, "new", 3);
    assert_int_equal(parse(SIZE, b.data, b.len, &back), 0);
    b.data[b.len - 5] = 3; /* but in ascending order */
    uint8_t *none;
    assert_int_equal(parse(SIZE, b.data, b.len, &none), -EBADMSG);
}

static void key_is_below_the_prefix(void **state) {
    (void)state;
    CLEANUP_FREE char *key = digests_key(".assetfs", id);
    assert_string_equal(key,
                        ".assetfs/digests/abcd0000000000000000000000000000000000000000000000000000000000ef");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_built_parses),
        cmocka_unit_test(the_bytes_are_these),
        cmocka_unit_test(count_must_fit_the_size),
        cmocka_unit_test(cut_short_is_refused_everywhere),
        cmocka_unit_test(trailing_bytes_are_refused),
        cmocka_unit_test(one_bit_in_the_digests_is_refused),
        cmocka_unit_test(another_contents_object_is_refused),
        cmocka_unit_test(later_versions_may_add_pairs),
        cmocka_unit_test(key_is_below_the_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
