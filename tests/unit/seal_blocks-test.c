/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/seal_blocks.h"
#include "base/digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint8_t KEY[SEAL_KEY_SIZE] = {1, 2, 3}, OTHER_KEY[SEAL_KEY_SIZE] = {4};
static const uint8_t SALT[SEAL_SALT_SIZE] = {5}, OTHER_SALT[SEAL_SALT_SIZE] = {6};
static const uint8_t VOLUME[SEAL_VOLUME_ID_SIZE] = {7}, OTHER_VOLUME[SEAL_VOLUME_ID_SIZE] = {8};
#define TEXT "sixteen bytes or"
#define N (sizeof TEXT - 1)

static struct seal_blocks make(const uint8_t *key, const uint8_t *salt, const uint8_t *volume, uint64_t n) {
    struct keyring *ring = keyring_new();
    struct seal_blocks b;
    if (key)
        keyring_add(ring, key);
    assert_int_equal(seal_blocks_init(&b, ring, NULL, salt, "checkpoint", volume, n), 0);
    keyring_free(ring);
    return b;
}

static void a_block_opens_where_it_belongs_and_nowhere_else(void **state) {
    (void)state;
    const uint8_t *keys[] = {KEY, NULL};
    for (size_t k = 0; k < 2; k++) {
        uint8_t sealed[N + SEAL_TAG_SIZE], text[N];
        struct seal_blocks b = make(keys[k], SALT, VOLUME, 9), salt = make(keys[k], OTHER_SALT, VOLUME, 9),
                           volume = make(keys[k], SALT, OTHER_VOLUME, 9), count = make(keys[k], SALT, VOLUME, 10);
        assert_int_equal(seal_block(&b, 3, TEXT, N, sealed), 0);
        assert_int_equal(unseal_block(&b, 3, sealed, sizeof sealed, text), 0);
        assert_memory_equal(text, TEXT, N);
        assert_int_equal(unseal_block(&b, 4, sealed, sizeof sealed, text), -EBADMSG);
        assert_int_equal(unseal_block(&salt, 3, sealed, sizeof sealed, text), -EBADMSG);
        assert_int_equal(unseal_block(&volume, 3, sealed, sizeof sealed, text), -EBADMSG);
        assert_int_equal(unseal_block(&count, 3, sealed, sizeof sealed, text), -EBADMSG);
        assert_int_equal(unseal_block(&b, 3, sealed, sizeof sealed - 1, text), -EBADMSG);
        assert_int_equal(unseal_block(&b, 3, sealed, SEAL_TAG_SIZE - 1, text), -EBADMSG);
        sealed[5] ^= 1;
        assert_int_equal(unseal_block(&b, 3, sealed, sizeof sealed, text), -EBADMSG);
    }
}

static void another_key_opens_nothing(void **state) {
    (void)state;
    uint8_t sealed[N + SEAL_TAG_SIZE], text[N];
    struct seal_blocks b = make(KEY, SALT, VOLUME, 9), other = make(OTHER_KEY, SALT, VOLUME, 9);
    assert_int_equal(seal_block(&b, 0, TEXT, N, sealed), 0);
    assert_int_equal(unseal_block(&other, 0, sealed, sizeof sealed, text), -EBADMSG);
}

static void a_key_is_found_by_its_id(void **state) {
    (void)state;
    struct keyring *ring = keyring_new();
    struct seal_blocks first, second;
    const uint8_t none[SEAL_KEY_ID_SIZE] = {0};
    keyring_add(ring, KEY);
    assert_int_equal(seal_blocks_init(&first, ring, NULL, SALT, "checkpoint", VOLUME, 1), 0);
    keyring_add(ring, OTHER_KEY);
    assert_int_equal(seal_blocks_init(&second, ring, first.key_id, SALT, "checkpoint", VOLUME, 1), 0);
    assert_memory_equal(first.key, second.key, SEAL_KEY_SIZE);
    assert_int_equal(seal_blocks_init(&second, ring, none, SALT, "checkpoint", VOLUME, 1), -ENOKEY);
    keyring_free(ring);
}

/* Computed without this code: Python's hmac for HKDF, `cryptography`'s AESGCM. */
static void known_vector(void **state) {
    (void)state;
    uint8_t key[SEAL_KEY_SIZE], salt[SEAL_SALT_SIZE], volume[SEAL_VOLUME_ID_SIZE], sealed[N + SEAL_TAG_SIZE];
    char hex[2 * sizeof sealed + 1];
    for (size_t i = 0; i < 32; i++) {
        key[i] = (uint8_t)i;
        salt[i] = (uint8_t)(0x80 + i);
    }
    for (size_t i = 0; i < sizeof volume; i++)
        volume[i] = (uint8_t)(0x40 + i);
    struct seal_blocks b = make(key, salt, volume, 5);
    assert_int_equal(seal_block(&b, 2, TEXT, N, sealed), 0);
    hex_encode(sealed, sizeof sealed, hex);
    assert_string_equal(hex, "4640aef05aec356c21c52750f8cfbf8e26274690e8cad7233682a6a69daa3dd6");
    b = make(NULL, salt, volume, 5);
    assert_int_equal(seal_block(&b, 2, TEXT, N, sealed), 0);
    hex_encode(sealed, sizeof sealed, hex);
    assert_string_equal(hex, "7369787465656e206279746573206f72d1c0a4d1eb23170af7d4490427060c06");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_opens_where_it_belongs_and_nowhere_else),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(a_key_is_found_by_its_id),
        cmocka_unit_test(known_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
