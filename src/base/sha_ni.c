/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sha_ni.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

#define SHA_NI __attribute__((target("sha,sse4.1,ssse3")))
#define SHA_NI_INLINE SHA_NI __attribute__((always_inline)) static inline

/* The constants of FIPS 180-4, 4.2.2. */
static const uint32_t constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

bool sha_ni_here(void) {
    unsigned a, b, c, d;
    bool sse = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1);
    return sse && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* The next four words of the message schedule, of the sixteen before. */
SHA_NI_INLINE __m128i schedule(__m128i w0, __m128i w4, __m128i w8, __m128i w12) {
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8(w12, w8, 4));
    return _mm_sha256msg2_epu32(sum, w12);
}

/* n is a constant wherever this is called, so that all values stay in registers. A value lies as the
 * instructions want it: x is a, b, e, f, y is c, d, g, h, the first one highest. */
SHA_NI_INLINE void compress(uint32_t *const values[], unsigned n, const uint8_t *p, size_t chunks) {
    const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i x[SHA_NI_MOST], y[SHA_NI_MOST], x_before[SHA_NI_MOST], y_before[SHA_NI_MOST], w[4];
    for (unsigned i = 0; i < n; i++) {
        const uint32_t *v = values[i];
        x[i] = _mm_set_epi32((int)v[0], (int)v[1], (int)v[4], (int)v[5]);
        y[i] = _mm_set_epi32((int)v[2], (int)v[3], (int)v[6], (int)v[7]);
    }
    for (; chunks > 0; chunks--, p += SHA_NI_CHUNK) {
        for (unsigned i = 0; i < n; i++) {
            x_before[i] = x[i];
            y_before[i] = y[i];
        }
#pragma GCC unroll 16
        for (unsigned t = 0; t < 16; t++) { /* four rounds each */
            __m128i *now = &w[t % 4];
            if (t < 4)
                *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * (size_t)t)), big_endian);
            else
                *now = schedule(w[t % 4], w[(t + 1) % 4], w[(t + 2) % 4], w[(t + 3) % 4]);
            __m128i k = _mm_load_si128((const __m128i *)&constants[4 * (size_t)t]);
            __m128i low = _mm_add_epi32(*now, k), high = _mm_shuffle_epi32(low, 0x0e);
            for (unsigned i = 0; i < n; i++)
                y[i] = _mm_sha256rnds2_epu32(y[i], x[i], low);
            for (unsigned i = 0; i < n; i++)
                x[i] = _mm_sha256rnds2_epu32(x[i], y[i], high);
        }
        for (unsigned i = 0; i < n; i++) {
            x[i] = _mm_add_epi32(x[i], x_before[i]);
            y[i] = _mm_add_epi32(y[i], y_before[i]);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t *v = values[i];
        v[0] = (uint32_t)_mm_extract_epi32(x[i], 3);
        v[1] = (uint32_t)_mm_extract_epi32(x[i], 2);
        v[4] = (uint32_t)_mm_extract_epi32(x[i], 1);
        v[5] = (uint32_t)_mm_extract_epi32(x[i], 0);
        v[2] = (uint32_t)_mm_extract_epi32(y[i], 3);
        v[3] = (uint32_t)_mm_extract_epi32(y[i], 2);
        v[6] = (uint32_t)_mm_extract_epi32(y[i], 1);
        v[7] = (uint32_t)_mm_extract_epi32(y[i], 0);
    }
}

SHA_NI void sha_ni_chunks(uint32_t *const values[], unsigned n, const uint8_t *p, size_t chunks) {
    switch (n) {
    case 1:
        compress(values, 1, p, chunks);
        return;
    case 2:
        compress(values, 2, p, chunks);
        return;
    case 3:
        compress(values, 3, p, chunks);
        return;
    default:
        abort();
    }
}

#else

bool sha_ni_here(void) {
    return false;
}

void sha_ni_chunks(uint32_t *const values[] ATTR_UNUSED, unsigned n ATTR_UNUSED, const uint8_t *p ATTR_UNUSED,
                   size_t chunks ATTR_UNUSED) {
    abort();
}

#endif
