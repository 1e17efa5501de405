/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define EMPTY_HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC_HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void assert_digest(const uint8_t d[DIGEST_SIZE], const char *hex) {
    char got[DIGEST_HEX_SIZE];
    digest_hex(d, got);
    assert_string_equal(got, hex);
}

static void published_vectors(void **state) {
    (void)state;
    uint8_t d[DIGEST_SIZE];
    digest_of("", 0, d);
    assert_digest(d, EMPTY_HEX);
    digest_of("abc", 3, d);
    assert_digest(d, ABC_HEX);
}

static void parse_takes_either_case(void **state) {
    (void)state;
    uint8_t want[DIGEST_SIZE], d[DIGEST_SIZE];
    digest_of("abc", 3, want);
    assert_int_equal(digest_parse("BA7816BF8F01CFEA414140DE5DAE2223b00361a396177a9cb410ff61f20015ad", d), 0);
    assert_memory_equal(d, want, DIGEST_SIZE);
}

static void parse_refuses_other_lengths_and_letters(void **state) {
    (void)state;
    uint8_t d[DIGEST_SIZE] = {7}, before[DIGEST_SIZE] = {7};
    assert_int_equal(digest_parse("", d), -EINVAL);
    assert_int_equal(digest_parse(ABC_HEX "0", d), -EINVAL);
    assert_int_equal(digest_parse(&ABC_HEX[1], d), -EINVAL);
    assert_int_equal(digest_parse("ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", d),
                     -EINVAL);
    assert_int_equal(digest_parse("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a ", d),
                     -EINVAL);
    assert_memory_equal(d, before, DIGEST_SIZE);
}

static void hex_goes_there_and_back(void **state) {
    (void)state;
    const uint8_t bytes[] = {0x00, 0x0f, 0xf0, 0xff};
    uint8_t back[4];
    char hex[9];
    hex_encode(bytes, 4, hex);
    assert_string_equal(hex, "000ff0ff");
    assert_int_equal(hex_decode(hex, back, 4), 0);
    assert_memory_equal(back, bytes, 4);
    assert_int_equal(hex_decode("", back, 0), 0);
}

/* A file whose blocks differ from one another. */
static uint8_t *make_file(size_t n) {
    uint8_t *p = xmalloc(n);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + i / BLOCK_SIZE);
    return p;
}

/* Streams a file of n bytes in the given steps; compares with hashing it, and every block, whole. */
static void check_stream(size_t n, size_t step) {
    CLEANUP_FREE uint8_t *p = make_file(n);
    uint8_t want[DIGEST_SIZE], got[DIGEST_SIZE], *blocks;
    size_t n_blocks;
    struct digest_stream *s = digest_stream_new();
    for (size_t at = 0; at < n; at += step)
        digest_stream_update(s, p + at, MIN(step, n - at));
    assert_int_equal(digest_stream_bytes(s), n);
    digest_stream_final(s, got, &blocks, &n_blocks);
    digest_of(p, n, want);
    assert_memory_equal(got, want, DIGEST_SIZE);
    assert_int_equal(n_blocks, BLOCK_COUNT(n));
    for (size_t i = 0; i < n_blocks; i++) {
        digest_of(p + i * BLOCK_SIZE, MIN(n - i * BLOCK_SIZE, BLOCK_SIZE), want);
        assert_memory_equal(blocks + i * DIGEST_SIZE, want, DIGEST_SIZE);
    }
    free(blocks);
    digest_stream_free(s);
}

static void stream_of_an_empty_file(void **state) {
    (void)state;
    uint8_t d[DIGEST_SIZE], *blocks = d;
    size_t n = 1;
    struct digest_stream *s = digest_stream_new();
    digest_stream_final(s, d, &blocks, &n);
    assert_digest(d, EMPTY_HEX);
    assert_null(blocks);
    assert_int_equal(n, 0);
    assert_null(digest_stream_free(s));
}

static void stream_ends_at_and_around_block_borders(void **state) {
    (void)state;
    const size_t block = BLOCK_SIZE;
    const size_t sizes[] = {1, block - 1, block, block + 1, 2 * block, 2 * block + 1, 10 * block + 5};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        check_stream(sizes[i], sizes[i]);
}

static void stream_takes_any_pieces(void **state) {
    (void)state;
    const size_t steps[] = {1000, 4096, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        check_stream(3 * BLOCK_SIZE + 5, steps[i]);
}

/* Parts of so many blocks: every one is what hashing it by itself gives. */
static void check_parts(size_t n, size_t step, size_t part) {
    CLEANUP_FREE uint8_t *p = make_file(n);
    CLEANUP_FREE uint8_t *blocks = NULL, *parts = NULL;
    uint8_t want[DIGEST_SIZE], got[DIGEST_SIZE];
    size_t n_blocks;
    struct digest_stream *s = digest_stream_new();
    digest_stream_in_parts(s, part);
    for (size_t at = 0; at < n; at += step)
        digest_stream_update(s, p + at, MIN(step, n - at));
    digest_stream_final(s, got, &blocks, &n_blocks);
    assert_int_equal(digest_stream_take_parts(s, &parts), (n + part - 1) / part);
    for (size_t i = 0; i < (n + part - 1) / part; i++) {
        digest_of(p + i * part, MIN(n - i * part, part), want);
        assert_memory_equal(parts + i * DIGEST_SIZE, want, DIGEST_SIZE);
    }
    for (size_t i = 0; i < n_blocks; i++) {
        digest_of(p + i * BLOCK_SIZE, MIN(n - i * BLOCK_SIZE, BLOCK_SIZE), want);
        assert_memory_equal(blocks + i * DIGEST_SIZE, want, DIGEST_SIZE);
    }
    digest_of(p, n, want);
    assert_memory_equal(got, want, DIGEST_SIZE);
    digest_stream_free(s);
}

static void parts_end_at_and_around_borders(void **state) {
    (void)state;
    const size_t block = BLOCK_SIZE, part = 3 * block;
    const size_t sizes[] = {0,
                            1,
                            block,
                            block + 1,
                            part - 1,
                            part,
                            part + 1,
                            part + block - 1,
                            part + block,
                            part + block + 1,
                            2 * part - 1,
                            2 * part,
                            2 * part + 1,
                            3 * part + block,
                            3 * part + 2 * block + 7};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        check_parts(sizes[i], MAX(sizes[i], 1), part);
    check_parts(7 * block + 3, 65521, 2 * block);
}

static void parts_that_are_no_parts(void **state) {
    (void)state;
    const uint64_t sizes[] = {0, 1, BLOCK_SIZE, BLOCK_SIZE + 1, 5 * BLOCK_SIZE / 2};
    CLEANUP_FREE uint8_t *p = make_file(3 * BLOCK_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint8_t id[DIGEST_SIZE], *blocks, *parts;
        size_t n;
        struct digest_stream *s = digest_stream_new();
        digest_stream_in_parts(s, sizes[i]);
        digest_stream_update(s, p, 3 * BLOCK_SIZE);
        digest_stream_final(s, id, &blocks, &n);
        assert_int_equal(digest_stream_take_parts(s, &parts), 0);
        assert_null(parts);
        free(blocks);
        digest_stream_free(s);
    }
}

static void stream_given_up_early_is_freed(void **state) {
    (void)state;
    CLEANUP_FREE uint8_t *p = make_file(2 * BLOCK_SIZE);
    struct digest_stream *s = digest_stream_new();
    digest_stream_update(s, p, 2 * BLOCK_SIZE);
    assert_null(digest_stream_free(s));
    assert_null(digest_stream_free(NULL));
}

static void assert_set(const struct set_digest *s, const char *hex) {
    uint8_t d[DIGEST_SIZE];
    set_digest_value(s, d);
    assert_digest(d, hex);
}

#define EMPTY_SET_HEX "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"

static void set_of_nothing(void **state) {
    (void)state;
    struct set_digest s = {0};
    assert_set(&s, EMPTY_SET_HEX); /* SHA-256 of 64 zero bytes */
}

/* Computed with Python's integers: (a + b + b) mod 2^512, each the SHA-512 read little-endian. */
static void set_known_value_in_any_order(void **state) {
    (void)state;
    const char *hex = "543bfc44c181e6cb379735476924646eb27d056052ba11d3e58786434732c814";
    struct set_digest s = {0}, t = {0};
    set_digest_add(&s, "a", 1);
    set_digest_add(&s, "b", 1);
    set_digest_add(&s, "b", 1);
    assert_set(&s, hex);
    set_digest_add(&t, "b", 1);
    set_digest_add(&t, "a", 1);
    set_digest_add(&t, "b", 1);
    assert_set(&t, hex);
}

static void set_counts_repeated_elements(void **state) {
    (void)state;
    struct set_digest once = {0}, twice = {0};
    set_digest_add(&once, "b", 1);
    set_digest_add(&twice, "b", 1);
    set_digest_add(&twice, "b", 1);
    assert_memory_not_equal(&once, &twice, sizeof once);
}

static void set_remove_undoes_add(void **state) {
    (void)state;
    struct set_digest s = {0};
    char name[16];
    for (int i = 0; i < 200; i++)
        set_digest_add(&s, name, (size_t)snprintf(name, sizeof name, "%d", i));
    for (int i = 199; i >= 0; i--)
        set_digest_remove(&s, name, (size_t)snprintf(name, sizeof name, "%d", i));
    assert_set(&s, EMPTY_SET_HEX);
}

static void set_below_zero_comes_back(void **state) {
    (void)state;
    struct set_digest s = {0};
    set_digest_remove(&s, "x", 1);
    set_digest_add(&s, "x", 1);
    assert_set(&s, EMPTY_SET_HEX);
}

/* A carry through all the words: 2^512 - 1, plus x, minus x, is 2^512 - 1 again. */
static void set_carries_through(void **state) {
    (void)state;
    struct set_digest s, full;
    memset(&full, 0xff, sizeof full);
    s = full;
    set_digest_add(&s, "x", 1);
    assert_memory_not_equal(&s, &full, sizeof s);
    set_digest_remove(&s, "x", 1);
    assert_memory_equal(&s, &full, sizeof s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(parse_takes_either_case),
        cmocka_unit_test(parse_refuses_other_lengths_and_letters),
        cmocka_unit_test(hex_goes_there_and_back),
        cmocka_unit_test(stream_of_an_empty_file),
        cmocka_unit_test(stream_ends_at_and_around_block_borders),
        cmocka_unit_test(stream_takes_any_pieces),
        cmocka_unit_test(parts_end_at_and_around_borders),
        cmocka_unit_test(parts_that_are_no_parts),
        cmocka_unit_test(stream_given_up_early_is_freed),
        cmocka_unit_test(set_of_nothing),
        cmocka_unit_test(set_known_value_in_any_order),
        cmocka_unit_test(set_counts_repeated_elements),
        cmocka_unit_test(set_remove_undoes_add),
        cmocka_unit_test(set_below_zero_comes_back),
        cmocka_unit_test(set_carries_through),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
