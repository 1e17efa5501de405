/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Objects as they come from the bucket: sealed and plain ones, and the block digests of a large content.
 */
#include "base/digest.h"
#include "data/reader.h"
#include "fuzz_main.h"

#define SIZE 70000000u

/* Takes the input as the digests object of the content that it itself names: a match is what leads furthest. */
static void fuzz_digests(const uint8_t *p, size_t n) {
    size_t digests_len = BLOCK_COUNT(SIZE) * DIGEST_SIZE;
    uint8_t *digests, all[DIGEST_SIZE];
    if (n < 4 + DIGEST_SIZE + digests_len)
        return;
    digest_of(p + n - digests_len, digests_len, all);
    struct content *c = content_new(p + 4, SIZE, "files/x", NULL, all);
    if (digests_parse(c, p, n, &digests) == 0)
        free(digests);
    content_unref(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint8_t key[SEAL_KEY_SIZE] = "a volume key for fuzzing only!!";
    struct keyring *none = keyring_new(), *one = keyring_new();
    CLEANUP_BUF struct buf plain = BUF_INIT(1 << 20), opened = BUF_INIT(1 << 20);
    uint8_t key_id[SEAL_KEY_ID_SIZE];
    int format;
    keyring_add(one, key);
    if (seal_peek(p, n, &format, key_id) == 0)
        MUST(format == SEAL_FORMAT_SEALED || format == SEAL_FORMAT_PLAIN);
    /* Nobody without the key can make one. */
    MUST(unseal(one, "context", p, n, &opened) < 0);
    if (unseal(none, "context", p, n, &plain) == 0)
        MUST(n >= 1 && p[0] == SEAL_FORMAT_PLAIN && plain.len == n - 1);
    fuzz_digests(p, n);
    keyring_free(none);
    keyring_free(one);
    return 0;
}
