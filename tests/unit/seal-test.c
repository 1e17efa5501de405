/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/seal.h"
#include "base/digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define CONTEXT ".assetfs/journal/0000000000000001"

/* Computed without OpenSSL (HKDF by Python's hmac, AES-GCM written out): key 00..1f, salt 80..9f. */
#define VECTOR_TEXT "names are private"
#define VECTOR_ID "91bb32bde7638151"
#define VECTOR                                                                                               \
    "01" VECTOR_ID "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"                        \
    "af8cc80fa3596d4e8d6ff84ee8b867fc17cecff5562ed424b4aa0c30fa92a8d2d6"

static const uint8_t KEY[SEAL_KEY_SIZE] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                           16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
static const uint8_t OTHER_KEY[SEAL_KEY_SIZE] = {42};
static uint8_t salt[SEAL_SALT_SIZE];

static struct keyring *ring_with(const uint8_t *key) {
    struct keyring *ring = keyring_new();
    if (key)
        keyring_add(ring, key);
    return ring;
}

static struct buf sealed_by(const uint8_t *key, const char *text) {
    struct buf b = BUF_INIT(1 << 16);
    struct keyring *ring = ring_with(key);
    assert_int_equal(seal(ring, salt, CONTEXT, text, strlen(text), &b), 0);
    keyring_free(ring);
    return b;
}

/* Opens it; on success the text must be `want`, on failure nothing may have been appended. */
static int open_with(const uint8_t *key, const char *context, const struct buf *b, const char *want) {
    struct keyring *ring = ring_with(key);
    CLEANUP_BUF struct buf text = BUF_INIT(1 << 16);
    int r = unseal(ring, context, b->data, b->len, &text);
    if (r == 0)
        assert_string_equal(buf_str(&text), want);
    else
        assert_int_equal(text.len, 0);
    keyring_free(ring);
    return r;
}

static int make_salt(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)(0x80 + i);
    return 0;
}

static void known_vector(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = sealed_by(KEY, VECTOR_TEXT);
    char hex[sizeof VECTOR];
    assert_int_equal(b.len, (sizeof VECTOR - 1) / 2);
    hex_encode(b.data, b.len, hex);
    assert_string_equal(hex, VECTOR);
}

static void known_vector_opens(void **state) {
    (void)state;
    uint8_t bytes[sizeof VECTOR / 2];
    assert_int_equal(hex_decode(VECTOR, bytes, sizeof bytes), 0);
    struct buf b = {.data = bytes, .len = sizeof bytes};
    assert_int_equal(open_with(KEY, CONTEXT, &b, VECTOR_TEXT), 0);
}

static void known_key_id(void **state) {
    (void)state;
    uint8_t id[SEAL_KEY_ID_SIZE];
    char hex[2 * SEAL_KEY_ID_SIZE + 1];
    seal_key_id(KEY, id);
    hex_encode(id, sizeof id, hex);
    assert_string_equal(hex, VECTOR_ID);
}

static void empty_and_long_texts(void **state) {
    (void)state;
    const size_t sizes[] = {0, 1, 15, 16, 17, 1 << 20};
    CLEANUP_FREE char *text = xcalloc(1, 1 << 20);
    struct keyring *ring = ring_with(KEY);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        CLEANUP_BUF struct buf b = BUF_INIT(2 << 20), back = BUF_INIT(2 << 20);
        assert_int_equal(seal(ring, salt, CONTEXT, text, sizes[i], &b), 0);
        assert_int_equal(b.len, sizes[i] + SEAL_OVERHEAD);
        assert_int_equal(unseal(ring, CONTEXT, b.data, b.len, &back), 0);
        assert_int_equal(back.len, sizes[i]);
        assert_memory_equal(buf_str(&back), text, sizes[i]);
    }
    keyring_free(ring);
}

static void result_is_appended(void **state) {
    (void)state;
    struct keyring *ring = ring_with(KEY);
    CLEANUP_BUF struct buf b = BUF_INIT(1000), text = BUF_INIT(1000);
    buf_append_str(&b, "before");
    buf_append_str(&text, "<");
    assert_int_equal(seal(ring, salt, CONTEXT, "x", 1, &b), 0);
    assert_memory_equal(b.data, "before", 6);
    assert_int_equal(unseal(ring, CONTEXT, b.data + 6, b.len - 6, &text), 0);
    assert_string_equal(buf_str(&text), "<x");
    keyring_free(ring);
}

static void another_context_does_not_open_it(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = sealed_by(KEY, "text");
    assert_int_equal(open_with(KEY, ".assetfs/journal/0000000000000002", &b, NULL), -EBADMSG);
    assert_int_equal(open_with(KEY, "", &b, NULL), -EBADMSG);
}

static void every_flipped_bit_is_noticed(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = sealed_by(KEY, "text");
    for (size_t i = 0; i < b.len; i++) {
        b.data[i] ^= 4;
        int r = open_with(KEY, CONTEXT, &b, NULL);
        assert_int_equal(r, i >= 1 && i < 1 + SEAL_KEY_ID_SIZE ? -ENOKEY : -EBADMSG);
        b.data[i] ^= 4;
    }
    assert_int_equal(open_with(KEY, CONTEXT, &b, "text"), 0);
}

static void every_cut_is_noticed(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = sealed_by(KEY, "text");
    for (size_t n = b.len; n-- > 0;) {
        struct buf cut = {.data = b.data, .len = n};
        assert_int_equal(open_with(KEY, CONTEXT, &cut, NULL), -EBADMSG);
    }
}

static void unknown_key_is_not_garbage(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = sealed_by(OTHER_KEY, "text");
    assert_int_equal(open_with(KEY, CONTEXT, &b, NULL), -ENOKEY);
}

static void unknown_format(void **state) {
    (void)state;
    uint8_t bytes[100] = {0};
    struct buf b = {.data = bytes, .len = sizeof bytes};
    assert_int_equal(open_with(KEY, CONTEXT, &b, NULL), -EBADMSG);
    bytes[0] = 3;
    assert_int_equal(open_with(NULL, CONTEXT, &b, NULL), -EBADMSG);
}

static void plain_volume(void **state) {
    (void)state;
    CLEANUP_BUF struct buf b = sealed_by(NULL, "text");
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.data, "\2text", 5);
    assert_int_equal(open_with(NULL, "anything", &b, "text"), 0);
}

static void plain_and_sealed_do_not_mix(void **state) {
    (void)state;
    CLEANUP_BUF struct buf plain = sealed_by(NULL, "text"), sealed = sealed_by(KEY, "text");
    assert_int_equal(open_with(KEY, CONTEXT, &plain, NULL), -EBADMSG);
    assert_int_equal(open_with(NULL, CONTEXT, &sealed, NULL), -EBADMSG);
}

static void last_key_seals_and_every_key_opens(void **state) {
    (void)state;
    struct keyring *ring = ring_with(KEY);
    CLEANUP_BUF struct buf old = sealed_by(KEY, "old"), new = BUF_INIT(1000), text = BUF_INIT(1000);
    keyring_add(ring, OTHER_KEY);
    assert_int_equal(seal(ring, salt, CONTEXT, "new", 3, &new), 0);
    assert_int_equal(open_with(OTHER_KEY, CONTEXT, &new, "new"), 0);
    assert_int_equal(unseal(ring, CONTEXT, old.data, old.len, &text), 0);
    assert_int_equal(unseal(ring, CONTEXT, new.data, new.len, &text), 0);
    assert_string_equal(buf_str(&text), "oldnew");
    keyring_free(ring);
}

static void ring_knows_its_keys(void **state) {
    (void)state;
    uint8_t id[SEAL_KEY_ID_SIZE], other[SEAL_KEY_ID_SIZE];
    seal_key_id(KEY, id);
    seal_key_id(OTHER_KEY, other);
    struct keyring *ring = keyring_new();
    assert_true(keyring_empty(ring));
    assert_false(keyring_has(ring, id));
    keyring_add(ring, KEY);
    assert_false(keyring_empty(ring));
    assert_true(keyring_has(ring, id));
    assert_false(keyring_has(ring, other));
    assert_null(keyring_free(ring));
    assert_null(keyring_free(NULL));
}

static void ceilings_hold(void **state) {
    (void)state;
    struct keyring *ring = ring_with(KEY);
    CLEANUP_BUF struct buf exact = BUF_INIT(4 + SEAL_OVERHEAD), small = BUF_INIT(3 + SEAL_OVERHEAD),
                           text = BUF_INIT(3);
    assert_int_equal(seal(ring, salt, CONTEXT, "text", 4, &exact), 0);
    assert_int_equal(seal(ring, salt, CONTEXT, "text", 4, &small), -EFBIG);
    assert_int_equal(unseal(ring, CONTEXT, exact.data, exact.len, &text), -EFBIG);
    assert_int_equal(text.len, 0);
    keyring_free(ring);
}

static void peek_tells_format_and_key(void **state) {
    (void)state;
    CLEANUP_BUF struct buf plain = sealed_by(NULL, ""), sealed = sealed_by(KEY, "text");
    uint8_t id[SEAL_KEY_ID_SIZE] = {0}, want[SEAL_KEY_ID_SIZE];
    int format = 0;
    seal_key_id(KEY, want);
    assert_int_equal(seal_peek(plain.data, plain.len, &format, id), 0);
    assert_int_equal(format, SEAL_FORMAT_PLAIN);
    assert_int_equal(seal_peek(sealed.data, SEAL_HEADER_SIZE, &format, id), 0);
    assert_int_equal(format, SEAL_FORMAT_SEALED);
    assert_memory_equal(id, want, sizeof id);
    assert_int_equal(seal_peek(sealed.data, SEAL_HEADER_SIZE - 1, &format, id), -EBADMSG);
    assert_int_equal(seal_peek(NULL, 0, &format, id), -EBADMSG);
    assert_int_equal(seal_peek("<", 1, &format, id), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vector),
        cmocka_unit_test(known_vector_opens),
        cmocka_unit_test(known_key_id),
        cmocka_unit_test(empty_and_long_texts),
        cmocka_unit_test(result_is_appended),
        cmocka_unit_test(another_context_does_not_open_it),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(unknown_key_is_not_garbage),
        cmocka_unit_test(unknown_format),
        cmocka_unit_test(plain_volume),
        cmocka_unit_test(plain_and_sealed_do_not_mix),
        cmocka_unit_test(last_key_seals_and_every_key_opens),
        cmocka_unit_test(ring_knows_its_keys),
        cmocka_unit_test(ceilings_hold),
        cmocka_unit_test(peek_tells_format_and_key),
    };
    return cmocka_run_group_tests_name("seal", tests, make_salt, NULL);
}
