/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every case is run twice: with what is fastest here (on a processor with instructions for SHA-256:
 * src/base/sha_ni.c), and with OpenSSL in each lane. What must come out is what digest_of() gives for each
 * message alone.
 */
#include "base/digest_lanes.h"
#include "base/digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const enum lanes_how HOW[] = {LANES_FASTEST, LANES_BY_OPENSSL};

/* Bytes that do not repeat with any length of interest. */
static uint8_t *make_bytes(size_t n) {
    uint8_t *p = xmalloc(n + 1);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = (uint8_t)(x >> 24);
    }
    return p;
}

static void assert_is(const uint8_t got[DIGEST_SIZE], const void *p, size_t n) {
    uint8_t want[DIGEST_SIZE];
    digest_of(p, n, want);
    assert_memory_equal(got, want, DIGEST_SIZE);
}

static void published_vectors(void **state) {
    (void)state;
    /* FIPS 180-4's examples, as NIST gives them: one chunk, two chunks. */
    static const char *const messages[] = {"abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"};
    static const char *const digests[] = {"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                                          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"};
    for (size_t how = 0; how < ARRAY_SIZE(HOW); how++)
        for (unsigned i = 0; i < LANES * ARRAY_SIZE(messages); i++) {
            const char *message = messages[i / LANES];
            uint8_t got[DIGEST_SIZE];
            char hex[DIGEST_HEX_SIZE];
            struct lanes l;
            lanes_init(&l, HOW[how]);
            lane_begin(&l, i % LANES);
            lanes_update(&l, message, strlen(message));
            lane_end(&l, i % LANES, got);
            digest_hex(got, hex);
            assert_string_equal(hex, digests[i / LANES]);
            lanes_free(&l);
        }
}

/* Around every place where the padding takes another chunk. */
static void every_short_length(void **state) {
    (void)state;
    CLEANUP_FREE uint8_t *p = make_bytes(300);
    for (size_t how = 0; how < ARRAY_SIZE(HOW); how++)
        for (size_t n = 0; n <= 300; n++) {
            uint8_t got[DIGEST_SIZE];
            struct lanes l;
            lanes_init(&l, HOW[how]);
            for (unsigned i = 0; i < LANES; i++)
                lane_begin(&l, i);
            lanes_update(&l, p, n);
            for (unsigned i = 0; i < LANES; i++) {
                lane_end(&l, i, got);
                assert_is(got, p, n);
            }
            lanes_free(&l);
        }
}

static void a_copy_goes_its_own_way(void **state) {
    (void)state;
    CLEANUP_FREE uint8_t *p = make_bytes(1000);
    for (size_t how = 0; how < ARRAY_SIZE(HOW); how++) {
        uint8_t got[DIGEST_SIZE];
        struct lanes l;
        lanes_init(&l, HOW[how]);
        lane_begin(&l, 0);
        lanes_update(&l, p, 333); /* between chunks */
        lane_copy(&l, 2, 0);
        assert_true(lane_runs(&l, 2));
        lane_end(&l, 2, got);
        assert_false(lane_runs(&l, 2));
        assert_is(got, p, 333);
        lanes_update(&l, p + 333, 667);
        lane_end(&l, 0, got);
        assert_is(got, p, 1000);
        lanes_free(&l);
    }
}

/* A lane that has ended takes nothing more, and can begin again. */
static void a_lane_begins_again(void **state) {
    (void)state;
    CLEANUP_FREE uint8_t *p = make_bytes(640);
    for (size_t how = 0; how < ARRAY_SIZE(HOW); how++) {
        uint8_t got[DIGEST_SIZE];
        struct lanes l;
        lanes_init(&l, HOW[how]);
        lane_begin(&l, 0);
        lane_begin(&l, 1);
        lanes_update(&l, p, 320);
        lane_end(&l, 1, got);
        assert_is(got, p, 320);
        lane_begin(&l, 1);
        lanes_update(&l, p + 320, 320);
        lane_end(&l, 1, got);
        assert_is(got, p + 320, 320);
        lane_end(&l, 0, got);
        assert_is(got, p, 640);
        /* A new message after one that ended between chunks. */
        lane_begin(&l, 1);
        lanes_update(&l, p, 5);
        lane_end(&l, 1, got);
        lane_begin(&l, 2);
        lanes_update(&l, p, 70);
        lane_end(&l, 2, got);
        assert_is(got, p, 70);
        lanes_free(&l);
    }
}

/* from: where each lane's message began in the bytes; SIZE_MAX: it does not run. first: where the chunks
 * began. */
static void any_order_of(enum lanes_how how, unsigned seed, const uint8_t *p, size_t size) {
    size_t from[LANES] = {SIZE_MAX, SIZE_MAX, SIZE_MAX}, at = 0, first = 0;
    struct lanes l;
    uint8_t got[DIGEST_SIZE];
    lanes_init(&l, how);
    for (;;) {
        unsigned which = (unsigned)rand_r(&seed) % LANES, other = (which + 1) % LANES;
        bool any = from[0] != SIZE_MAX || from[1] != SIZE_MAX || from[2] != SIZE_MAX;
        unsigned what = (unsigned)rand_r(&seed) % 6;
        if (what == 0 && (!any || (at - first) % SHA_NI_CHUNK == 0)) {
            first = any ? first : at;
            lane_begin(&l, which);
            from[which] = at;
        } else if (what == 1 && from[other] != SIZE_MAX) {
            lane_copy(&l, which, other);
            from[which] = from[other];
        } else if (what == 2 && from[which] != SIZE_MAX) {
            lane_end(&l, which, got);
            assert_is(got, p + from[which], at - from[which]);
            from[which] = SIZE_MAX;
        } else if (what > 2 && any) {
            size_t n = (size_t)rand_r(&seed) % (what == 3 ? 1000 : 40) * (what == 5 ? 1 : SHA_NI_CHUNK / 4);
            if (at + n > size)
                break;
            lanes_update(&l, p + at, n);
            at += n;
        }
    }
    lanes_free(&l);
}

static void any_order(void **state) {
    (void)state;
    const size_t size = 300000;
    CLEANUP_FREE uint8_t *p = make_bytes(size);
    for (size_t how = 0; how < ARRAY_SIZE(HOW); how++)
        for (unsigned seed = 1; seed <= 20; seed++)
            any_order_of(HOW[how], seed, p, size);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(every_short_length),
        cmocka_unit_test(a_copy_goes_its_own_way),
        cmocka_unit_test(a_lane_begins_again),
        cmocka_unit_test(any_order),
    };
    print_message("SHA-256 by instructions of this processor: %s\n",
                  sha_ni_here() ? "yes" : "no, by OpenSSL alone");
    return cmocka_run_group_tests_name("digest_lanes", tests, NULL, NULL);
}
