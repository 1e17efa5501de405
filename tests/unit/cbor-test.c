/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cbor.h"
#include "base/digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_written(struct buf *b, const char *hex) {
    char got[200];
    assert_int_equal(b->err, 0);
    hex_encode(b->data, b->len, got);
    assert_string_equal(got, hex);
    buf_reset(b);
}

/* Vectors of RFC 8949, appendix A. */
static void written_integers(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(100);
    const struct {
        uint64_t v;
        const char *hex;
    } cases[] = {{0, "00"},
                 {23, "17"},
                 {24, "1818"},
                 {100, "1864"},
                 {255, "18ff"},
                 {256, "190100"},
                 {1000, "1903e8"},
                 {1000000, "1a000f4240"},
                 {1000000000000, "1b000000e8d4a51000"},
                 {UINT64_MAX, "1bffffffffffffffff"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cborw_uint(&b, cases[i].v);
        assert_written(&b, cases[i].hex);
    }
}

static void written_negative_integers(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(100);
    cborw_int(&b, 10);
    assert_written(&b, "0a");
    cborw_int(&b, -1);
    assert_written(&b, "20");
    cborw_int(&b, -1000);
    assert_written(&b, "3903e7");
    cborw_int(&b, INT64_MIN);
    assert_written(&b, "3b7fffffffffffffff");
}

static void written_strings_and_containers(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(100);
    cborw_bytes(&b, "\1\2\3\4", 4);
    assert_written(&b, "4401020304");
    cborw_bytes(&b, NULL, 0);
    assert_written(&b, "40");
    cborw_text(&b, "IETF", 4);
    assert_written(&b, "6449455446");
    cborw_array(&b, 25);
    assert_written(&b, "9819");
    cborw_map(&b, 2);
    assert_written(&b, "a2");
    cborw_bool(&b, false);
    cborw_bool(&b, true);
    cborw_null(&b);
    assert_written(&b, "f4f5f6");
}

static void write_error_sticks(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(3);
    cborw_text(&b, "IETF", 4);
    cborw_null(&b);
    assert_int_equal(b.err, -EFBIG);
}

struct input {
    struct cbor_in in;
    uint8_t *bytes; /* exactly as long as needed, so that a sanitizer sees a read behind them */
};

static struct input from_hex(const char *hex) {
    size_t n = strlen(hex) / 2;
    struct input i = {.bytes = xmalloc(n)};
    assert_int_equal(hex_decode(hex, i.bytes, n), 0);
    i.in = (struct cbor_in){i.bytes, i.bytes + n};
    return i;
}

static void read_integers(void **state) {
    (void)state;
    uint64_t u;
    int64_t v;
    struct input i = from_hex(
        "0017181818641903e81a000f42401bffffffffffffffff203903e73b7fffffffffffffff1b7fffffffffffffff");
    const uint64_t want[] = {0, 23, 24, 100, 1000, 1000000, UINT64_MAX};
    for (size_t k = 0; k < ARRAY_SIZE(want); k++) {
        assert_int_equal(cborr_peek(&i.in), CBOR_KIND_UINT);
        assert_int_equal(cborr_uint(&i.in, &u), 0);
        assert_int_equal(u, want[k]);
    }
    const int64_t want_signed[] = {-1, -1000, INT64_MIN, INT64_MAX};
    for (size_t k = 0; k < ARRAY_SIZE(want_signed); k++) {
        assert_int_equal(cborr_int(&i.in, &v), 0);
        assert_int_equal(v, want_signed[k]);
    }
    assert_ptr_equal(i.in.p, i.in.end);
    free(i.bytes);
}

static void integer_out_of_range(void **state) {
    (void)state;
    const char *const bad[] = {"1b8000000000000000", "3b8000000000000000", "3bffffffffffffffff"};
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
        int64_t v = 7;
        struct input i = from_hex(bad[k]);
        assert_int_equal(cborr_int(&i.in, &v), -EBADMSG);
        assert_int_equal(v, 7);
        assert_ptr_equal(i.in.p, i.bytes);
        free(i.bytes);
    }
}

static void read_strings_without_copying(void **state) {
    (void)state;
    struct input i = from_hex("440102030464494554464060");
    const uint8_t *p;
    const char *s;
    size_t n;
    assert_int_equal(cborr_peek(&i.in), CBOR_KIND_BYTES);
    assert_int_equal(cborr_bytes(&i.in, &p, &n), 0);
    assert_ptr_equal(p, i.bytes + 1);
    assert_int_equal(n, 4);
    assert_int_equal(cborr_peek(&i.in), CBOR_KIND_TEXT);
    assert_int_equal(cborr_text(&i.in, &s, &n), 0);
    assert_ptr_equal(s, i.bytes + 6);
    assert_int_equal(n, 4);
    assert_int_equal(cborr_bytes(&i.in, &p, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cborr_text(&i.in, &s, &n), 0);
    assert_int_equal(n, 0);
    free(i.bytes);
}

static void read_containers_and_constants(void **state) {
    (void)state;
    struct input i = from_hex("82f5f4a101f6");
    size_t n;
    bool b;
    uint64_t u;
    assert_int_equal(cborr_peek(&i.in), CBOR_KIND_ARRAY);
    assert_int_equal(cborr_array(&i.in, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(cborr_peek(&i.in), CBOR_KIND_BOOL);
    assert_int_equal(cborr_bool(&i.in, &b), 0);
    assert_true(b);
    assert_int_equal(cborr_bool(&i.in, &b), 0);
    assert_false(b);
    assert_int_equal(cborr_peek(&i.in), CBOR_KIND_MAP);
    assert_int_equal(cborr_map(&i.in, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(cborr_uint(&i.in, &u), 0);
    assert_int_equal(cborr_peek(&i.in), CBOR_KIND_NULL);
    assert_int_equal(cborr_null(&i.in), 0);
    assert_ptr_equal(i.in.p, i.in.end);
    free(i.bytes);
}

static void wrong_type_moves_nothing(void **state) {
    (void)state;
    struct input i = from_hex("182a");
    const uint8_t *p = NULL;
    size_t n = 7;
    bool b;
    uint64_t u;
    assert_int_equal(cborr_bytes(&i.in, &p, &n), -EBADMSG);
    assert_int_equal(cborr_array(&i.in, &n), -EBADMSG);
    assert_int_equal(cborr_map(&i.in, &n), -EBADMSG);
    assert_int_equal(cborr_bool(&i.in, &b), -EBADMSG);
    assert_int_equal(cborr_null(&i.in), -EBADMSG);
    assert_null(p);
    assert_int_equal(n, 7);
    assert_int_equal(cborr_uint(&i.in, &u), 0);
    assert_int_equal(u, 42);
    free(i.bytes);
}

static void assert_bad(const char *hex) {
    struct input i = from_hex(hex);
    if (cborr_peek(&i.in) != CBOR_KIND_BAD || cborr_skip(&i.in, NULL, NULL) != -EBADMSG)
        fail_msg("%s was accepted", hex);
    assert_ptr_equal(i.in.p, i.bytes);
    free(i.bytes);
}

static void heads_longer_than_needed(void **state) {
    (void)state;
    const char *const bad[] = {
        "1817",   "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "3900ff", "580101", "5900020101",
        "780161", "9800",   "b800",       "9b0000000000000000", "f814", "f815"};
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
        assert_bad(bad[k]);
}

static void what_deterministic_cbor_has_not(void **state) {
    (void)state;
    const char *const bad[] = {
        "5f4101ff", "7f6161ff",   "9f01ff",
        "bf0102ff",                                     /* indefinite lengths */
        "c001",     "d82a01",                           /* tags */
        "f90000",   "fa00000000", "fb0000000000000000", /* floats */
        "f7",       "f0",         "f820",
        "ff",       "1c",         "1f", /* undefined, simple, break, reserved */
    };
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
        assert_bad(bad[k]);
}

static void cut_off(void **state) {
    (void)state;
    const char *const bad[] = {"",   "18",     "1900", "1a000000",   "1b00000000000000",
                               "41", "440102", "6261", "5a00010000", "5bffffffffffffffff"};
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
        assert_bad(bad[k]);
}

static void counts_that_cannot_be(void **state) {
    (void)state;
    const char *const bad[] = {"81",
                               "8201",
                               "830101",
                               "a1",
                               "a101",
                               "a2010203",
                               "9bffffffffffffffff",
                               "bb8000000000000001",
                               "bbffffffffffffffff0102"};
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
        assert_bad(bad[k]);
}

static void text_must_be_utf8(void **state) {
    (void)state;
    const char *const bad[] = {"61ff", "61c3", "62c080", "63eda080", "64f4908080", "61e2"};
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
        assert_bad(bad[k]);
    struct input i = from_hex("66c3bce282ac61");
    const char *s;
    size_t n;
    assert_int_equal(cborr_text(&i.in, &s, &n), 0);
    assert_int_equal(n, 6);
    free(i.bytes);
}

static void skip_takes_one_whole_item(void **state) {
    (void)state;
    struct input i = from_hex("a201820203026161" /* {1: [2, 3], 2: "a"} */ "182a");
    const uint8_t *p;
    size_t n;
    uint64_t u;
    assert_int_equal(cborr_skip(&i.in, &p, &n), 0);
    assert_ptr_equal(p, i.bytes);
    assert_int_equal(n, 8);
    assert_int_equal(cborr_uint(&i.in, &u), 0);
    assert_int_equal(u, 42);
    free(i.bytes);
}

static void skip_of_empty_containers(void **state) {
    (void)state;
    struct input i = from_hex("8280a0");
    assert_int_equal(cborr_skip(&i.in, NULL, NULL), 0);
    assert_ptr_equal(i.in.p, i.in.end);
    free(i.bytes);
}

static void skip_sees_faults_inside(void **state) {
    (void)state;
    const char *const bad[] = {"820118", "8261ff01", "81c001", "a1011817", "8182", "82818101"};
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
        struct input i = from_hex(bad[k]);
        assert_int_equal(cborr_skip(&i.in, NULL, NULL), -EBADMSG);
        assert_ptr_equal(i.in.p, i.bytes);
        free(i.bytes);
    }
}

static int skip_nested(size_t depth) {
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    for (size_t k = 0; k < depth; k++)
        cborw_array(&b, 1);
    cborw_null(&b);
    struct cbor_in in = {b.data, b.data + b.len};
    return cborr_skip(&in, NULL, NULL);
}

static void skip_goes_sixteen_deep(void **state) {
    (void)state;
    assert_int_equal(skip_nested(0), 0);
    assert_int_equal(skip_nested(16), 0);
    assert_int_equal(skip_nested(17), -EBADMSG);
    assert_int_equal(skip_nested(900), -EBADMSG);
}

/* Every head with every short tail: no crash, and what is accepted is what the writer would have written. */
static void any_two_bytes(void **state) {
    (void)state;
    for (unsigned v = 0; v < 0x10000; v++) {
        uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};
        struct cbor_in in = {bytes, bytes + 2};
        CLEANUP_BUF struct buf b = BUF_INIT(10);
        int64_t n;
        if (cborr_int(&in, &n) < 0)
            continue;
        cborw_int(&b, n);
        assert_int_equal(b.len, in.p - bytes);
        assert_memory_equal(b.data, bytes, b.len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_integers),
        cmocka_unit_test(written_negative_integers),
        cmocka_unit_test(written_strings_and_containers),
        cmocka_unit_test(write_error_sticks),
        cmocka_unit_test(read_integers),
        cmocka_unit_test(integer_out_of_range),
        cmocka_unit_test(read_strings_without_copying),
        cmocka_unit_test(read_containers_and_constants),
        cmocka_unit_test(wrong_type_moves_nothing),
        cmocka_unit_test(heads_longer_than_needed),
        cmocka_unit_test(what_deterministic_cbor_has_not),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(counts_that_cannot_be),
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(skip_takes_one_whole_item),
        cmocka_unit_test(skip_of_empty_containers),
        cmocka_unit_test(skip_sees_faults_inside),
        cmocka_unit_test(skip_goes_sixteen_deep),
        cmocka_unit_test(any_two_bytes),
    };
    return cmocka_run_group_tests_name("cbor", tests, NULL, NULL);
}
