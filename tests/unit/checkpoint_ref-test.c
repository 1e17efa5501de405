/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/checkpoint_ref.h"
#include "tree/entry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct checkpoint_ref sample(bool sealed, uint64_t before) {
    struct checkpoint_ref r = {.seq = 1000, .announced = 1003, .before = before};
    r.object = (struct sealed_db_ref){.object_size = 41 + 3 * 1000 + 4 * 3 + 4 + 8 + 16 + 12,
                                      .table_offset = 41 + 3 * 1000,
                                      .file_size = 9 * SEALED_DB_PAGE,
                                      .block_size = SEALED_DB_BLOCK,
                                      .n_blocks = 3,
                                      .compression = SEALED_DB_ZSTD,
                                      .hot_blocks = 1,
                                      .sealed = sealed};
    memset(r.object.digest, 1, DIGEST_SIZE);
    memset(r.object.salt, 2, SEAL_SALT_SIZE);
    if (sealed)
        memset(r.object.key_id, 3, SEAL_KEY_ID_SIZE);
    memset(r.head_hash, 4, DIGEST_SIZE);
    for (size_t i = 0; i < 8; i++)
        r.set.w[i] = UINT64_C(0x0102030405060708) * (i + 1);
    return r;
}

static struct checkpoint_ref decoded(const struct buf *b) {
    struct checkpoint_ref r;
    struct cbor_in in = {b->data, b->data + b->len};
    assert_int_equal(checkpoint_ref_decode(&in, &r), 0);
    assert_ptr_equal(in.p, in.end);
    return r;
}

static void what_is_written_is_read(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        CLEANUP_BUF struct buf b = BUF_INIT(CHECKPOINT_REF_MAX);
        struct checkpoint_ref r = sample(i & 1, i & 2 ? 17 : 0);
        checkpoint_ref_encode(&r, &b);
        assert_int_equal(b.err, 0);
        struct checkpoint_ref again = decoded(&b);
        assert_memory_equal(&r, &again, sizeof r);
    }
}

static void it_is_named_by_its_digest(void **state) {
    (void)state;
    struct checkpoint_ref r = sample(true, 0);
    CLEANUP_FREE char *key = checkpoint_ref_key(".assetfs", &r);
    assert_string_equal(key, ".assetfs/checkpoint/0101010101010101010101010101010101010101010101010101010101010101");
}

/* As it stands in an entry with one change: then the reference must be none, and say at most what came before. */
static void none(struct checkpoint_ref r, uint64_t before) {
    CLEANUP_BUF struct buf b = BUF_INIT(CHECKPOINT_REF_MAX);
    checkpoint_ref_encode(&r, &b);
    r = decoded(&b);
    assert_int_equal(r.seq, 0);
    assert_int_equal(r.before, before);
}

static void what_cannot_be_is_no_reference(void **state) {
    (void)state;
    const struct checkpoint_ref good = sample(true, 17);
    struct checkpoint_ref r;
#define BAD(change, before)                                                                                   \
    r = good;                                                                                                \
    change;                                                                                                  \
    none(r, before)
    BAD(r.seq = 0, 17);
    BAD(r.seq = r.announced, 17);
    BAD(r.announced = 0, 17);
    BAD(r.before = r.announced, 1003);
    BAD(r.object.block_size = 4096, 17);
    BAD(r.object.compression = 9, 17); /* of a later version: still says where to look next */
    BAD(r.object.n_blocks = 4, 17);
    BAD(r.object.file_size = 0, 17);
    BAD(r.object.file_size = UINT64_MAX, 17);
    BAD(r.object.object_size = 100, 17);
    BAD(r.object.table_offset = 3, 17);
    BAD(r.object.hot_blocks = 5, 17);
#undef BAD
}

static void each_field_is_needed(void **state) {
    (void)state;
    struct checkpoint_ref good = sample(true, 17), r;
    CLEANUP_BUF struct buf whole = BUF_INIT(CHECKPOINT_REF_MAX);
    checkpoint_ref_encode(&good, &whole);
    for (size_t left_out = 0; left_out < 16; left_out++) {
        CLEANUP_BUF struct buf b = BUF_INIT(CHECKPOINT_REF_MAX);
        struct cbor_in in = {whole.data, whole.data + whole.len};
        uint64_t field;
        size_t pairs, missing = 0;
        assert_int_equal(cborr_map(&in, &pairs), 0);
        assert_int_equal(pairs, 16);
        cborw_map(&b, pairs - 1);
        for (size_t i = 0; i < pairs; i++) {
            const uint8_t *item;
            size_t n;
            assert_int_equal(cborr_uint(&in, &field), 0);
            assert_int_equal(cborr_skip(&in, &item, &n), 0);
            if (i == left_out) {
                missing = field;
                continue;
            }
            cborw_uint(&b, field);
            buf_append(&b, item, n);
        }
        r = decoded(&b);
        assert_int_equal(r.seq, missing == 15 || missing == 18 ? good.seq : 0);
    }
}

static void another_kind_says_only_what_came_before(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(100);
    cborw_map(&b, 3);
    cborw_uint(&b, 1);
    cborw_uint(&b, 1);
    cborw_uint(&b, 2);
    cborw_text(&b, "what they will be", 17);
    cborw_uint(&b, 18);
    cborw_uint(&b, 55);
    struct checkpoint_ref r = decoded(&b);
    assert_int_equal(r.seq, 0);
    assert_int_equal(r.before, 55);
}

static void unknown_fields_are_skipped(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(CHECKPOINT_REF_MAX), longer = BUF_INIT(CHECKPOINT_REF_MAX);
    struct checkpoint_ref good = sample(false, 0), r;
    checkpoint_ref_encode(&good, &b);
    cborw_map(&longer, 15);
    buf_append(&longer, b.data + 1, b.len - 1);
    cborw_uint(&longer, 99);
    cborw_text(&longer, "new", 3);
    r = decoded(&longer);
    assert_memory_equal(&r, &good, sizeof r);
}

static void what_is_not_cbor_is_an_error(void **state) {
    (void)state;
    struct checkpoint_ref r;
    struct cbor_in in = {(const uint8_t *)"\xa1\x01", (const uint8_t *)"\xa1\x01" + 2};
    assert_int_equal(checkpoint_ref_decode(&in, &r), -EBADMSG);
}

static void an_entry_with_a_bad_reference_is_an_entry(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    CLEANUP_ENTRY struct entry e = {0};
    struct entry out = {.sequence = 7, .has_previous = true, .session = 3, .host = (char *)"h", .user = (char *)"u", .checkpoint = sample(true, 5)};
    out.checkpoint.object.n_blocks = 77;
    entry_encode(&out, &b);
    assert_int_equal(entry_parse(b.data, b.len, &e), 0);
    assert_int_equal(e.checkpoint.seq, 0);
    assert_int_equal(e.checkpoint.before, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(it_is_named_by_its_digest),
        cmocka_unit_test(what_cannot_be_is_no_reference),
        cmocka_unit_test(each_field_is_needed),
        cmocka_unit_test(another_kind_says_only_what_came_before),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(what_is_not_cbor_is_an_error),
        cmocka_unit_test(an_entry_with_a_bad_reference_is_an_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
