/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest.h"
#include <openssl/evp.h>

/* Fetched once for the process: the implicit fetch of EVP_sha256() at every init costs more than hashing a
 * small record. Never freed. */
static EVP_MD *sha256, *sha512;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

/* SHA-2 has no way to fail but a broken OpenSSL or no memory; a wrong digest must never get out. */
static void must(int ok) {
    if (ok != 1) {
        fputs("assetfs: SHA-2 of OpenSSL failed\n", stderr);
        abort();
    }
}

static void fetch(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    must(sha256 && sha512);
}

void digest_of(const void *p, size_t n, uint8_t ret[DIGEST_SIZE]) {
    pthread_once(&fetched, fetch);
    must(EVP_Digest(p, n, ret, NULL, sha256, NULL));
}

void hex_encode(const void *p, size_t n, char *ret) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = digits[b[i] >> 4];
        ret[2 * i + 1] = digits[b[i] & 15];
    }
    ret[2 * n] = '\0';
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Two passes, so that ret is untouched by what is no hexadecimal number of this length. */
int hex_decode(const char *hex, void *ret, size_t n) {
    uint8_t *b = ret;
    for (size_t i = 0; i < 2 * n; i++)
        if (hex_digit(hex[i]) < 0)
            return -EINVAL;
    if (hex[2 * n] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    return 0;
}

void digest_hex(const uint8_t d[DIGEST_SIZE], char ret[DIGEST_HEX_SIZE]) {
    hex_encode(d, DIGEST_SIZE, ret);
}

int digest_parse(const char *hex, uint8_t ret[DIGEST_SIZE]) {
    return hex_decode(hex, ret, DIGEST_SIZE);
}

/* While the file is at most one block long its running hash is the block's, too, and nothing is hashed twice:
 *
 *     bytes               file      block
 *     0 .. BLOCK_SIZE     running   NULL
 *     beyond              running   running: of the block the next byte belongs to
 *
 * A block's digest is taken when the byte behind it arrives, or at the end. */
struct digest_stream {
    EVP_MD_CTX *file, *block;
    uint64_t bytes;
    uint8_t *blocks; /* digests of the blocks that are complete and have a successor */
    size_t n_blocks, cap_blocks;
};

static EVP_MD_CTX *running(void) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx && EVP_DigestInit_ex2(ctx, sha256, NULL));
    return ctx;
}

struct digest_stream *digest_stream_new(void) {
    pthread_once(&fetched, fetch);
    struct digest_stream *s = xcalloc(1, sizeof *s);
    s->file = running();
    return s;
}

struct digest_stream *digest_stream_free(struct digest_stream *s) {
    if (!s)
        return NULL;
    EVP_MD_CTX_free(s->file);
    EVP_MD_CTX_free(s->block);
    free(s->blocks);
    free(s);
    return NULL;
}

static uint8_t *next_block_digest(struct digest_stream *s) {
    if (s->n_blocks == s->cap_blocks) {
        s->cap_blocks = MAX(2 * s->cap_blocks, 8);
        s->blocks = xrealloc(s->blocks, s->cap_blocks * DIGEST_SIZE);
    }
    return s->blocks + DIGEST_SIZE * s->n_blocks++;
}

/* A byte of the next block is here. */
static void end_block(struct digest_stream *s) {
    uint8_t *ret = next_block_digest(s);
    if (!s->block) {
        s->block = EVP_MD_CTX_new();
        must(s->block && EVP_MD_CTX_copy_ex(s->block, s->file));
    }
    must(EVP_DigestFinal_ex(s->block, ret, NULL));
    must(EVP_DigestInit_ex2(s->block, sha256, NULL));
}

void digest_stream_update(struct digest_stream *s, const void *p, size_t n) {
    const uint8_t *at = p;
    while (n > 0) {
        uint64_t in_block = s->bytes % BLOCK_SIZE;
        if (in_block == 0 && s->bytes > 0)
            end_block(s);
        size_t now = (size_t)MIN(BLOCK_SIZE - in_block, (uint64_t)n);
        must(EVP_DigestUpdate(s->file, at, now));
        if (s->block)
            must(EVP_DigestUpdate(s->block, at, now));
        at += now;
        n -= now;
        s->bytes += now;
    }
}

uint64_t digest_stream_bytes(const struct digest_stream *s) {
    return s->bytes;
}

void digest_stream_final(struct digest_stream *s, uint8_t ret[DIGEST_SIZE], uint8_t **ret_blocks,
                         size_t *ret_n) {
    must(EVP_DigestFinal_ex(s->file, ret, NULL));
    if (s->block)
        must(EVP_DigestFinal_ex(s->block, next_block_digest(s), NULL));
    else if (s->bytes > 0)
        memcpy(next_block_digest(s), ret, DIGEST_SIZE);
    *ret_n = s->n_blocks;
    *ret_blocks = s->blocks;
    s->blocks = NULL;
}

/* The element's SHA-512 as a number, first byte least significant. */
static void element_words(const void *element, size_t n, uint64_t w[8]) {
    uint8_t d[64];
    pthread_once(&fetched, fetch);
    must(EVP_Digest(element, n, d, NULL, sha512, NULL));
    for (size_t i = 0; i < 8; i++) {
        w[i] = 0;
        for (size_t k = 0; k < 8; k++)
            w[i] |= (uint64_t)d[8 * i + k] << (8 * k);
    }
}

void set_digest_add(struct set_digest *s, const void *element, size_t n) {
    uint64_t w[8], carry = 0;
    element_words(element, n, w);
    for (size_t i = 0; i < 8; i++) {
        bool over = __builtin_add_overflow(s->w[i], w[i], &w[i]);
        over |= __builtin_add_overflow(w[i], carry, &s->w[i]);
        carry = over;
    }
}

void set_digest_remove(struct set_digest *s, const void *element, size_t n) {
    uint64_t w[8], borrow = 0;
    element_words(element, n, w);
    for (size_t i = 0; i < 8; i++) {
        bool under = __builtin_sub_overflow(s->w[i], w[i], &w[i]);
        under |= __builtin_sub_overflow(w[i], borrow, &s->w[i]);
        borrow = under;
    }
}

void set_digest_store(const struct set_digest *s, uint8_t ret[SET_DIGEST_SIZE]) {
    for (size_t i = 0; i < SET_DIGEST_SIZE; i++)
        ret[i] = (uint8_t)(s->w[i / 8] >> (8 * (i % 8)));
}

void set_digest_load(struct set_digest *s, const uint8_t bytes[SET_DIGEST_SIZE]) {
    *s = (struct set_digest){0};
    for (size_t i = 0; i < SET_DIGEST_SIZE; i++)
        s->w[i / 8] |= (uint64_t)bytes[i] << (8 * (i % 8));
}

void set_digest_value(const struct set_digest *s, uint8_t ret[DIGEST_SIZE]) {
    uint8_t bytes[SET_DIGEST_SIZE];
    set_digest_store(s, bytes);
    digest_of(bytes, sizeof bytes, ret);
}
