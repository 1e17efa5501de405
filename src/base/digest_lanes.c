/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest_lanes.h"
#include <openssl/evp.h>

#define CHUNK SHA_NI_CHUNK

static EVP_MD *sha256; /* never freed */
static bool own_works;
static pthread_once_t started = PTHREAD_ONCE_INIT;

/* As in digest.c: a wrong digest must never get out. */
static void must(bool ok) {
    if (!ok) {
        fputs("assetfs: SHA-256 failed\n", stderr);
        abort();
    }
}

/* ---- by own instructions */

static void own_begin(struct lane *l) {
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(l->value, first, sizeof first);
    l->chunks = 0;
}

static void own_chunks(struct lanes *l, const uint8_t *p, size_t chunks) {
    uint32_t *values[LANES];
    unsigned n = 0;
    for (unsigned i = 0; i < LANES; i++)
        if (l->lane[i].runs) {
            values[n++] = l->lane[i].value;
            l->lane[i].chunks += chunks;
        }
    if (n > 0 && chunks > 0)
        sha_ni_chunks(values, n, p, chunks);
}

static void own_update(struct lanes *l, const uint8_t *p, size_t n) {
    if (l->n_rest > 0) {
        size_t more = MIN(CHUNK - l->n_rest, n);
        memcpy(l->rest + l->n_rest, p, more);
        l->n_rest += more;
        p += more;
        n -= more;
        if (l->n_rest < CHUNK)
            return;
        own_chunks(l, l->rest, 1);
    }
    own_chunks(l, p, n / CHUNK);
    l->n_rest = n % CHUNK;
    if (l->n_rest > 0)
        memcpy(l->rest, p + n - l->n_rest, l->n_rest);
}

/* FIPS 180-4, 5.1.1: a one, zeros, and how many bits there were. */
static void own_end(const struct lanes *l, struct lane *lane, uint8_t ret[DIGEST_SIZE]) {
    uint8_t last[2 * CHUNK] = {0};
    size_t chunks = l->n_rest + 9 > CHUNK ? 2 : 1;
    uint64_t bits = 8 * (lane->chunks * CHUNK + l->n_rest);
    uint32_t *value = lane->value;
    memcpy(last, l->rest, l->n_rest);
    last[l->n_rest] = 0x80;
    for (size_t i = 0; i < 8; i++)
        last[chunks * CHUNK - 1 - i] = (uint8_t)(bits >> (8 * i));
    sha_ni_chunks(&value, 1, last, chunks);
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        ret[i] = (uint8_t)(value[i / 4] >> (24 - 8 * (i % 4)));
}

/* Each number of lanes that may run together, over more than one chunk. */
static bool own_is_right(void) {
    uint8_t bytes[5 * CHUNK + 7], want[DIGEST_SIZE], got[DIGEST_SIZE];
    bool right = true;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 151 + i / 3);
    must(EVP_Digest(bytes, sizeof bytes, want, NULL, sha256, NULL) == 1);
    for (unsigned n = 1; n <= LANES; n++) {
        struct lanes l = {.own = true};
        for (unsigned i = 0; i < n; i++) {
            l.lane[i].runs = true;
            own_begin(&l.lane[i]);
        }
        own_update(&l, bytes, sizeof bytes);
        for (unsigned i = 0; i < n; i++) {
            own_end(&l, &l.lane[i], got);
            right = right && memcmp(got, want, sizeof want) == 0;
        }
    }
    return right;
}

static void start(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(sha256);
    own_works = sha_ni_here() && own_is_right();
}

/* ---- either way */

void lanes_init(struct lanes *l, enum lanes_how how) {
    pthread_once(&started, start);
    *l = (struct lanes){.own = own_works && how == LANES_FASTEST};
}

void lanes_free(struct lanes *l) {
    for (unsigned i = 0; i < LANES; i++)
        EVP_MD_CTX_free(l->lane[i].evp);
}

static EVP_MD_CTX *evp(struct lane *l) {
    if (!l->evp)
        l->evp = EVP_MD_CTX_new();
    must(l->evp);
    return l->evp;
}

void lane_begin(struct lanes *l, unsigned which) {
    struct lane *lane = &l->lane[which];
    must(l->n_rest == 0);
    if (l->own)
        own_begin(lane);
    else
        must(EVP_DigestInit_ex2(evp(lane), sha256, NULL) == 1);
    lane->runs = true;
}

void lane_copy(struct lanes *l, unsigned to, unsigned from) {
    struct lane *target = &l->lane[to], *source = &l->lane[from];
    must(source->runs);
    if (l->own)
        *target = *source;
    else
        must(EVP_MD_CTX_copy_ex(evp(target), source->evp) == 1);
    target->runs = true;
}

void lanes_update(struct lanes *l, const void *p, size_t n) {
    if (l->own) {
        own_update(l, p, n);
        return;
    }
    for (unsigned i = 0; i < LANES; i++)
        if (l->lane[i].runs)
            must(EVP_DigestUpdate(l->lane[i].evp, p, n) == 1);
}

void lane_end(struct lanes *l, unsigned which, uint8_t ret[DIGEST_SIZE]) {
    struct lane *lane = &l->lane[which];
    must(lane->runs);
    if (l->own)
        own_end(l, lane, ret);
    else
        must(EVP_DigestFinal_ex(lane->evp, ret, NULL) == 1);
    lane->runs = false;
    if (!lane_runs(l, 0) && !lane_runs(l, 1) && !lane_runs(l, 2))
        l->n_rest = 0;
}
