/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest.h"
#include "base/digest_lanes.h"
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

struct list {
    uint8_t *digests;
    size_t n, cap;
};

static uint8_t *next_digest(struct list *l) {
    if (l->n == l->cap) {
        l->cap = MAX(2 * l->cap, 8);
        l->digests = xrealloc(l->digests, l->cap * DIGEST_SIZE);
    }
    return l->digests + DIGEST_SIZE * l->n++;
}

/* What begins at the same byte has the same hash as long as it goes on: it is computed once, and copied where
 * the ways part.
 *
 *     bytes                                    file      block     part
 *     0 .. BLOCK_SIZE                          runs      -         - (as the file)
 *     .. part_size                             runs      runs      - (as the file)
 *     the first block of each later part       runs      runs      - (as the block)
 *     beyond                                   runs      runs      runs
 *
 * The digest of a block or a part is taken when the byte behind it arrives, or at the end. */
enum { FILE_LANE, BLOCK_LANE, PART_LANE };

struct digest_stream {
    struct lanes lanes;
    uint64_t bytes;
    uint64_t part_size;        /* 0: no parts */
    struct list blocks, parts; /* of those that are complete and have a successor */
};

struct digest_stream *digest_stream_new(void) {
    struct digest_stream *s = xcalloc(1, sizeof *s);
    lanes_init(&s->lanes, LANES_FASTEST);
    lane_begin(&s->lanes, FILE_LANE);
    return s;
}

void digest_stream_in_parts(struct digest_stream *s, uint64_t part_size) {
    s->part_size = part_size % BLOCK_SIZE == 0 && part_size > BLOCK_SIZE ? part_size : 0;
}

struct digest_stream *digest_stream_free(struct digest_stream *s) {
    if (!s)
        return NULL;
    lanes_free(&s->lanes);
    free(s->blocks.digests);
    free(s->parts.digests);
    free(s);
    return NULL;
}

/* The block's hash is still running: a part ends with it, or leaves it. */
static void end_block_of_part(struct digest_stream *s) {
    uint64_t in_part = s->bytes % s->part_size;
    if (in_part == 0) {
        if (!lane_runs(&s->lanes, PART_LANE))
            lane_copy(&s->lanes, PART_LANE, FILE_LANE);
        lane_end(&s->lanes, PART_LANE, next_digest(&s->parts));
    } else if (in_part == BLOCK_SIZE && s->bytes > s->part_size) {
        lane_copy(&s->lanes, PART_LANE, BLOCK_LANE);
    }
}

/* A byte of the next block is here. */
static void end_block(struct digest_stream *s) {
    if (!lane_runs(&s->lanes, BLOCK_LANE))
        lane_copy(&s->lanes, BLOCK_LANE, FILE_LANE);
    if (s->part_size)
        end_block_of_part(s);
    lane_end(&s->lanes, BLOCK_LANE, next_digest(&s->blocks));
    lane_begin(&s->lanes, BLOCK_LANE);
}

void digest_stream_update(struct digest_stream *s, const void *p, size_t n) {
    const uint8_t *at = p;
    while (n > 0) {
        uint64_t in_block = s->bytes % BLOCK_SIZE;
        if (in_block == 0 && s->bytes > 0)
            end_block(s);
        size_t now = (size_t)MIN(BLOCK_SIZE - in_block, (uint64_t)n);
        lanes_update(&s->lanes, at, now);
        at += now;
        n -= now;
        s->bytes += now;
    }
}

uint64_t digest_stream_bytes(const struct digest_stream *s) {
    return s->bytes;
}

static void end_last_part(struct digest_stream *s, const uint8_t file[DIGEST_SIZE]) {
    const uint8_t *same =
        s->bytes <= s->part_size ? file : s->blocks.digests + DIGEST_SIZE * (s->blocks.n - 1);
    uint8_t *ret = next_digest(&s->parts);
    if (lane_runs(&s->lanes, PART_LANE))
        lane_end(&s->lanes, PART_LANE, ret);
    else
        memcpy(ret, same, DIGEST_SIZE);
}

void digest_stream_final(struct digest_stream *s, uint8_t ret[DIGEST_SIZE], uint8_t **ret_blocks,
                         size_t *ret_n) {
    lane_end(&s->lanes, FILE_LANE, ret);
    if (lane_runs(&s->lanes, BLOCK_LANE))
        lane_end(&s->lanes, BLOCK_LANE, next_digest(&s->blocks));
    else if (s->bytes > 0)
        memcpy(next_digest(&s->blocks), ret, DIGEST_SIZE);
    if (s->part_size && s->bytes > 0)
        end_last_part(s, ret);
    *ret_n = s->blocks.n;
    *ret_blocks = STEAL_PTR(&s->blocks.digests);
}

size_t digest_stream_take_parts(struct digest_stream *s, uint8_t **ret) {
    *ret = STEAL_PTR(&s->parts.digests);
    return *ret ? s->parts.n : 0;
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
