/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/seal.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdatomic.h>
#include <utlist.h>

#define NONCE_SIZE 12

/* The newest key first. A key never changes and stays until the ring goes: who reads the list needs no lock, and sees those that were there. */
struct keyring {
    struct ring_key {
        struct ring_key *next;
        uint8_t key[SEAL_KEY_SIZE], id[SEAL_KEY_ID_SIZE];
    } *_Atomic keys;
};

/* Fetched once for the process, never freed. */
static EVP_KDF *hkdf;
static EVP_CIPHER *aes_gcm;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void) {
    hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

/* HKDF-SHA256; without salt it is HKDF-Expand alone. */
static int derive(const uint8_t key[SEAL_KEY_SIZE], const uint8_t *salt, const void *info, size_t n_info,
                  void *ret, size_t n) {
    pthread_once(&fetched, fetch);
    EVP_KDF_CTX *ctx = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
    int mode = salt ? EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND : EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[6], *p = params;
    *p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, SEAL_KEY_SIZE);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, n_info);
    if (salt)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, SEAL_SALT_SIZE);
    *p = OSSL_PARAM_construct_end();
    int ok = ctx && EVP_KDF_derive(ctx, ret, n, params) == 1;
    EVP_KDF_CTX_free(ctx);
    return ok ? 0 : -EIO;
}

void seal_key_id(const uint8_t key[SEAL_KEY_SIZE], uint8_t ret[SEAL_KEY_ID_SIZE]) {
    static const char info[] = "assetfs key id";
    if (derive(key, NULL, info, sizeof info - 1, ret, SEAL_KEY_ID_SIZE) < 0) {
        fputs("assetfs: HKDF of OpenSSL failed\n", stderr);
        abort();
    }
}

/* The AES key of one object. The NUL that ends the label keeps label and context apart. */
static int object_key(const struct ring_key *k, const uint8_t *salt, const char *context,
                      uint8_t ret[SEAL_KEY_SIZE]) {
    static const char label[] = "assetfs seal v1";
    size_t n = sizeof label + strlen(context);
    CLEANUP_FREE char *info = xmalloc(n);
    memcpy(info, label, sizeof label);
    memcpy(info + sizeof label, context, n - sizeof label);
    return derive(k->key, salt, info, n, ret, SEAL_KEY_SIZE);
}

int seal_object_key(const struct keyring *ring, const uint8_t *id, const uint8_t salt[SEAL_SALT_SIZE], const char *context,
                    uint8_t ret[SEAL_KEY_SIZE], uint8_t ret_id[SEAL_KEY_ID_SIZE]) {
    const struct ring_key *k;
    LL_FOREACH (ring->keys, k)
        if (!id || memcmp(k->id, id, SEAL_KEY_ID_SIZE) == 0)
            break;
    if (!k)
        return -ENOKEY;
    memmove(ret_id, k->id, SEAL_KEY_ID_SIZE);
    return object_key(k, salt, context, ret);
}

struct keyring *keyring_new(void) {
    return xcalloc(1, sizeof(struct keyring));
}

struct keyring *keyring_free(struct keyring *ring) {
    if (!ring)
        return NULL;
    struct ring_key *k, *next;
    LL_FOREACH_SAFE (ring->keys, k, next) {
        OPENSSL_cleanse(k, sizeof *k);
        free(k);
    }
    free(ring);
    return NULL;
}

void keyring_add(struct keyring *ring, const uint8_t key[SEAL_KEY_SIZE]) {
    struct ring_key *k = xcalloc(1, sizeof *k);
    memcpy(k->key, key, SEAL_KEY_SIZE);
    seal_key_id(key, k->id);
    k->next = atomic_load(&ring->keys);
    while (!atomic_compare_exchange_weak(&ring->keys, &k->next, k))
        ;
}

static const struct ring_key *find_key(const struct keyring *ring, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    const struct ring_key *k;
    LL_FOREACH (ring->keys, k)
        if (memcmp(k->id, id, SEAL_KEY_ID_SIZE) == 0)
            return k;
    return NULL;
}

bool keyring_has(const struct keyring *ring, const uint8_t id[SEAL_KEY_ID_SIZE]) {
    return find_key(ring, id) != NULL;
}

bool keyring_empty(const struct keyring *ring) {
    return ring->keys == NULL;
}

/* AES-256-GCM with the header as additional data, from p to out, n bytes. The nonce is zero: every object has
 * its own key, by its salt. OpenSSL counts in int, so it goes in pieces. */
static bool run_gcm(EVP_CIPHER_CTX *ctx, bool encrypt, const uint8_t key[SEAL_KEY_SIZE],
                    const uint8_t *header, const uint8_t *p, size_t n, uint8_t *out) {
    static const uint8_t nonce[NONCE_SIZE];
    int len;
    if (!EVP_CipherInit_ex2(ctx, aes_gcm, key, nonce, encrypt, NULL) ||
        !EVP_CipherUpdate(ctx, NULL, &len, header, SEAL_HEADER_SIZE))
        return false;
    while (n > 0) {
        int now = (int)MIN(n, (size_t)1 << 30);
        if (!EVP_CipherUpdate(ctx, out, &len, p, now) || len != now)
            return false;
        p += now;
        out += now;
        n -= (size_t)now;
    }
    return true;
}

static int encrypt_object(const uint8_t key[SEAL_KEY_SIZE], const uint8_t *p, size_t n, uint8_t *out) {
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *text = out + SEAL_HEADER_SIZE, *tag = text + n;
    int len;
    bool ok = ctx && aes_gcm && run_gcm(ctx, true, key, out, p, n, text) &&
              EVP_EncryptFinal_ex(ctx, tag, &len) &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, tag);
    EVP_CIPHER_CTX_free(ctx);
    return ok ? 0 : -EIO;
}

static int decrypt_object(const uint8_t key[SEAL_KEY_SIZE], const uint8_t *p, size_t n, uint8_t *out) {
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const uint8_t *text = p + SEAL_HEADER_SIZE, *tag = text + n;
    uint8_t none[EVP_MAX_BLOCK_LENGTH];
    int len, r = -EIO;
    if (ctx && aes_gcm && run_gcm(ctx, false, key, p, text, n, out) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, (void *)tag))
        r = EVP_DecryptFinal_ex(ctx, none, &len) == 1 ? 0 : -EBADMSG;
    EVP_CIPHER_CTX_free(ctx);
    if (r < 0)
        OPENSSL_cleanse(out, n); /* not authentic, so nobody's to see */
    return r;
}

static int append_plain(const void *p, size_t n, struct buf *ret) {
    int r = buf_reserve(ret, n < SIZE_MAX ? n + 1 : n);
    if (r < 0)
        return r;
    buf_append_byte(ret, SEAL_FORMAT_PLAIN);
    return buf_append(ret, p, n);
}

int seal(const struct keyring *ring, const uint8_t salt[SEAL_SALT_SIZE], const char *context, const void *p,
         size_t n, struct buf *ret) {
    const struct ring_key *k = ring->keys;
    if (!k)
        return append_plain(p, n, ret);
    int r = n > SIZE_MAX - SEAL_OVERHEAD ? -EFBIG : buf_reserve(ret, n + SEAL_OVERHEAD);
    if (r < 0)
        return r;
    uint8_t key[SEAL_KEY_SIZE], *out = ret->data + ret->len;
    out[0] = SEAL_FORMAT_SEALED;
    memcpy(out + 1, k->id, SEAL_KEY_ID_SIZE);
    memcpy(out + 1 + SEAL_KEY_ID_SIZE, salt, SEAL_SALT_SIZE);
    r = object_key(k, salt, context, key);
    if (r == 0)
        r = encrypt_object(key, p, n, out);
    OPENSSL_cleanse(key, sizeof key);
    if (r == 0)
        ret->len += n + SEAL_OVERHEAD;
    return r;
}

int seal_peek(const void *p, size_t n, int *ret_format, uint8_t ret_id[SEAL_KEY_ID_SIZE]) {
    const uint8_t *b = p;
    if (n < 1 || (b[0] != SEAL_FORMAT_PLAIN && b[0] != SEAL_FORMAT_SEALED))
        return -EBADMSG;
    if (b[0] == SEAL_FORMAT_SEALED && n < SEAL_HEADER_SIZE)
        return -EBADMSG;
    *ret_format = b[0];
    if (b[0] == SEAL_FORMAT_SEALED)
        memcpy(ret_id, b + 1, SEAL_KEY_ID_SIZE);
    return 0;
}

static int unseal_sealed(const struct ring_key *k, const char *context, const uint8_t *p, size_t n,
                         struct buf *ret) {
    size_t n_text = n - SEAL_OVERHEAD;
    int r = buf_reserve(ret, n_text);
    if (r < 0)
        return r;
    uint8_t key[SEAL_KEY_SIZE];
    r = object_key(k, p + 1 + SEAL_KEY_ID_SIZE, context, key);
    if (r == 0)
        r = decrypt_object(key, p, n_text, ret->data + ret->len);
    OPENSSL_cleanse(key, sizeof key);
    if (r == 0)
        ret->len += n_text;
    return r;
}

int unseal(const struct keyring *ring, const char *context, const void *p, size_t n, struct buf *ret) {
    int format;
    uint8_t id[SEAL_KEY_ID_SIZE];
    int r = seal_peek(p, n, &format, id);
    if (r < 0)
        return r;
    if ((format == SEAL_FORMAT_PLAIN) != keyring_empty(ring))
        return -EBADMSG;
    if (format == SEAL_FORMAT_PLAIN)
        return buf_append(ret, (const uint8_t *)p + 1, n - 1);
    if (n < SEAL_OVERHEAD)
        return -EBADMSG;
    const struct ring_key *k = find_key(ring, id);
    return k ? unseal_sealed(k, context, p, n, ret) : -ENOKEY;
}
