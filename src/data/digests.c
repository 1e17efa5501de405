/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The digests object: a CBOR map of three (assetfs-format(5), "Digests")
 *
 *     1  bytes  content id
 *     2  uint   size of the content
 *     3  bytes  the blocks' digests, one after another
 *
 * Pairs with larger keys are of later versions and ignored. What counts is that the digests are those the
 * inode record names (digests_digest); id and size say whose they are to somebody who has only the object.
 */
#include "data/reader.h"
#include "base/cbor.h"

int digests_build(const uint8_t id[DIGEST_SIZE], uint64_t size, const uint8_t *digests, size_t n,
                  struct buf *ret) {
    if (n != BLOCK_COUNT(size))
        return -EINVAL;
    cborw_map(ret, 3);
    cborw_uint(ret, 1);
    cborw_bytes(ret, id, DIGEST_SIZE);
    cborw_uint(ret, 2);
    cborw_uint(ret, size);
    cborw_uint(ret, 3);
    cborw_bytes(ret, digests, n * DIGEST_SIZE);
    return ret->err;
}

/* Takes key `key` and then a byte string from the cursor. */
static int get_bytes(struct cbor_in *in, uint64_t key, const uint8_t **ret, size_t *ret_n) {
    uint64_t k;
    if (cborr_uint(in, &k) < 0 || k != key)
        return -EBADMSG;
    return cborr_bytes(in, ret, ret_n);
}

static int get_size(struct cbor_in *in, uint64_t *ret) {
    uint64_t k;
    if (cborr_uint(in, &k) < 0 || k != 2)
        return -EBADMSG;
    return cborr_uint(in, ret);
}

/* What later versions may have added after the three: uint keys, ascending, any values. */
static int skip_rest(struct cbor_in *in, size_t pairs) {
    uint64_t last = 3, k;
    for (; pairs > 0; pairs--, last = k)
        if (cborr_uint(in, &k) < 0 || k <= last || cborr_skip(in, NULL, NULL) < 0)
            return -EBADMSG;
    return in->p == in->end ? 0 : -EBADMSG;
}

int digests_parse(const struct content *c, const void *p, size_t n, uint8_t **ret) {
    struct cbor_in in = {p, (const uint8_t *)p + n};
    const uint8_t *id, *digests;
    size_t pairs, id_len, digests_len;
    uint64_t size;
    if (cborr_map(&in, &pairs) < 0 || pairs < 3 || get_bytes(&in, 1, &id, &id_len) < 0 ||
        get_size(&in, &size) < 0 || get_bytes(&in, 3, &digests, &digests_len) < 0 ||
        skip_rest(&in, pairs - 3) < 0)
        return -EBADMSG;
    if (id_len != DIGEST_SIZE || memcmp(id, c->id, DIGEST_SIZE) != 0 || size != c->size ||
        digests_len / DIGEST_SIZE != BLOCK_COUNT(size) || digests_len % DIGEST_SIZE != 0)
        return -EBADMSG;
    uint8_t sum[DIGEST_SIZE];
    digest_of(digests, digests_len, sum);
    if (memcmp(sum, c->digests_digest, DIGEST_SIZE) != 0)
        return -EBADMSG;
    *ret = xmemdup(digests, digests_len);
    return 0;
}

char *digests_key(const char *prefix, const uint8_t id[DIGEST_SIZE]) {
    char hex[DIGEST_HEX_SIZE];
    digest_hex(id, hex);
    return xasprintf("%s/digests/%s", prefix, hex);
}
