/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/seal_blocks.h"
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define NONCE_SIZE 12
#define AD_SIZE (SEAL_VOLUME_ID_SIZE + SEAL_SALT_SIZE + 16)

int seal_blocks_init(struct seal_blocks *b, const struct keyring *ring, const uint8_t *id, const uint8_t salt[SEAL_SALT_SIZE],
                     const char *context, const uint8_t volume_id[SEAL_VOLUME_ID_SIZE], uint64_t n_blocks) {
    *b = (struct seal_blocks){.plain = keyring_empty(ring), .n = n_blocks};
    memcpy(b->what, volume_id, SEAL_VOLUME_ID_SIZE);
    memcpy(b->what + SEAL_VOLUME_ID_SIZE, salt, SEAL_SALT_SIZE);
    return b->plain ? 0 : seal_object_key(ring, id, salt, context, b->key, b->key_id);
}

void seal_blocks_wipe(struct seal_blocks *b) {
    OPENSSL_cleanse(b, sizeof *b);
}

static void put_be64(uint8_t *p, uint64_t v) {
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static void associated_data(const struct seal_blocks *b, uint64_t i, uint8_t ret[AD_SIZE]) {
    memcpy(ret, b->what, sizeof b->what);
    put_be64(ret + sizeof b->what, i);
    put_be64(ret + sizeof b->what + 8, b->n);
}

/* The tag of a plain block. */
static int sum(const uint8_t ad[AD_SIZE], const void *p, size_t n, uint8_t ret[SEAL_TAG_SIZE]) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) && EVP_DigestUpdate(ctx, ad, AD_SIZE) && EVP_DigestUpdate(ctx, p, n) &&
              EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    if (ok)
        memcpy(ret, digest, SEAL_TAG_SIZE);
    return ok ? 0 : -EIO;
}

static bool begin(EVP_CIPHER_CTX *ctx, const struct seal_blocks *b, uint64_t i, bool encrypt, const uint8_t ad[AD_SIZE]) {
    uint8_t nonce[NONCE_SIZE] = {0};
    int len;
    put_be64(nonce + 4, i);
    return ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, b->key, nonce, encrypt) && EVP_CipherUpdate(ctx, NULL, &len, ad, AD_SIZE);
}

int seal_block(const struct seal_blocks *b, uint64_t i, const void *p, size_t n, void *out) {
    uint8_t ad[AD_SIZE], *tag = (uint8_t *)out + n;
    associated_data(b, i, ad);
    if (b->plain) {
        memcpy(out, p, n);
        return sum(ad, p, n, tag);
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len;
    bool ok = n <= INT_MAX && begin(ctx, b, i, true, ad) && EVP_CipherUpdate(ctx, out, &len, p, (int)n) && EVP_EncryptFinal_ex(ctx, tag, &len) &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, tag);
    EVP_CIPHER_CTX_free(ctx);
    return ok ? 0 : -EIO;
}

int unseal_block(const struct seal_blocks *b, uint64_t i, const void *p, size_t n, void *out) {
    uint8_t ad[AD_SIZE], tag[SEAL_TAG_SIZE], none[EVP_MAX_BLOCK_LENGTH];
    if (n < SEAL_TAG_SIZE || n > INT_MAX)
        return -EBADMSG;
    n -= SEAL_TAG_SIZE;
    associated_data(b, i, ad);
    if (b->plain) {
        int r = sum(ad, p, n, tag);
        if (r == 0 && memcmp(tag, (const uint8_t *)p + n, SEAL_TAG_SIZE))
            r = -EBADMSG;
        if (r == 0)
            memcpy(out, p, n);
        return r;
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len, r = -EIO;
    memcpy(tag, (const uint8_t *)p + n, SEAL_TAG_SIZE);
    if (begin(ctx, b, i, false, ad) && EVP_CipherUpdate(ctx, out, &len, p, (int)n) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, tag))
        r = EVP_DecryptFinal_ex(ctx, none, &len) == 1 ? 0 : -EBADMSG;
    EVP_CIPHER_CTX_free(ctx);
    if (r < 0)
        OPENSSL_cleanse(out, n); /* not authentic, so nobody's to see */
    return r;
}
