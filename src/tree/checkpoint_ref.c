/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/checkpoint_ref.h"

/* Field numbers stay for ever. */
enum {
    R_KIND = 1,
    R_SEQUENCE = 2,
    R_DIGEST = 3,
    R_OBJECT_SIZE = 4,
    R_BLOCK_SIZE = 5,
    R_BLOCKS = 6,
    R_FILE_SIZE = 7,
    R_COMPRESSION = 8,
    R_HOT = 9,
    R_SALT = 10,
    R_SET = 11,
    R_TABLE = 14,
    R_KEY_ID = 15, /* absent: plain */
    R_HEAD_HASH = 16,
    R_ANNOUNCED = 17,
    R_BEFORE = 18, /* absent: none */
};
#define KIND_BASE 0

static void put_uint(struct buf *b, unsigned field, uint64_t v) {
    cborw_uint(b, field);
    cborw_uint(b, v);
}

static void put_bytes(struct buf *b, unsigned field, const void *p, size_t n) {
    cborw_uint(b, field);
    cborw_bytes(b, p, n);
}

void checkpoint_ref_encode(const struct checkpoint_ref *r, struct buf *b) {
    const struct sealed_db_ref *o = &r->object;
    uint8_t set[SET_DIGEST_SIZE];
    set_digest_store(&r->set, set);
    cborw_map(b, 14 + o->sealed + (r->before != 0));
    put_uint(b, R_KIND, KIND_BASE);
    put_uint(b, R_SEQUENCE, r->seq);
    put_bytes(b, R_DIGEST, o->digest, DIGEST_SIZE);
    put_uint(b, R_OBJECT_SIZE, o->object_size);
    put_uint(b, R_BLOCK_SIZE, o->block_size);
    put_uint(b, R_BLOCKS, o->n_blocks);
    put_uint(b, R_FILE_SIZE, o->file_size);
    put_uint(b, R_COMPRESSION, o->compression);
    put_uint(b, R_HOT, o->hot_blocks);
    put_bytes(b, R_SALT, o->salt, SEAL_SALT_SIZE);
    put_bytes(b, R_SET, set, sizeof set);
    put_uint(b, R_TABLE, o->table_offset);
    if (o->sealed)
        put_bytes(b, R_KEY_ID, o->key_id, SEAL_KEY_ID_SIZE);
    put_bytes(b, R_HEAD_HASH, r->head_hash, DIGEST_SIZE);
    put_uint(b, R_ANNOUNCED, r->announced);
    if (r->before)
        put_uint(b, R_BEFORE, r->before);
}

static int get_u32(struct cbor_in *in, uint32_t *ret) {
    uint64_t v;
    if (cborr_uint(in, &v) < 0 || v > UINT32_MAX)
        return -EBADMSG;
    *ret = (uint32_t)v;
    return 0;
}

static int get_set(struct cbor_in *in, struct set_digest *ret) {
    uint8_t set[SET_DIGEST_SIZE];
    if (cborr_fixed(in, set, sizeof set) < 0)
        return -EBADMSG;
    set_digest_load(ret, set);
    return 0;
}

static int get_field(uint64_t field, struct cbor_in *in, struct checkpoint_ref *r) {
    struct sealed_db_ref *o = &r->object;
    uint64_t kind;
    switch (field) {
    case R_KIND:
        return cborr_uint(in, &kind) < 0 || kind != KIND_BASE ? -EBADMSG : 0;
    case R_SEQUENCE:
        return cborr_uint(in, &r->seq);
    case R_DIGEST:
        return cborr_fixed(in, o->digest, DIGEST_SIZE);
    case R_OBJECT_SIZE:
        return cborr_uint(in, &o->object_size);
    case R_BLOCK_SIZE:
        return get_u32(in, &o->block_size);
    case R_BLOCKS:
        return get_u32(in, &o->n_blocks);
    case R_FILE_SIZE:
        return cborr_uint(in, &o->file_size);
    case R_COMPRESSION:
        return get_u32(in, &o->compression);
    case R_HOT:
        return get_u32(in, &o->hot_blocks);
    case R_SALT:
        return cborr_fixed(in, o->salt, SEAL_SALT_SIZE);
    case R_SET:
        return get_set(in, &r->set);
    case R_TABLE:
        return cborr_uint(in, &o->table_offset);
    case R_KEY_ID:
        o->sealed = true;
        return cborr_fixed(in, o->key_id, SEAL_KEY_ID_SIZE);
    case R_HEAD_HASH:
        return cborr_fixed(in, r->head_hash, DIGEST_SIZE);
    case R_ANNOUNCED:
        return cborr_uint(in, &r->announced);
    case R_BEFORE:
        return cborr_uint(in, &r->before);
    default:
        return cborr_skip(in, NULL, NULL);
    }
}

/* Every field is looked at, so that a kind of a later version still says where the one before is. */
static bool parse(struct cbor_in in, struct checkpoint_ref *r) {
    const uint64_t needed = 1u << R_KIND | 1u << R_SEQUENCE | 1u << R_DIGEST | 1u << R_OBJECT_SIZE | 1u << R_BLOCK_SIZE | 1u << R_BLOCKS |
                            1u << R_FILE_SIZE | 1u << R_COMPRESSION | 1u << R_HOT | 1u << R_SALT | 1u << R_SET | 1u << R_TABLE |
                            1u << R_HEAD_HASH | 1u << R_ANNOUNCED;
    size_t pairs;
    uint64_t field, last = 0, good = 0;
    if (cborr_map(&in, &pairs) < 0)
        return false;
    for (size_t i = 0; i < pairs; i++) {
        const uint8_t *item;
        size_t n;
        if (cborr_uint(&in, &field) < 0 || field <= last || cborr_skip(&in, &item, &n) < 0)
            return false;
        last = field;
        struct cbor_in one = {item, item + n};
        if (get_field(field, &one, r) < 0)
            r->before = field == R_BEFORE ? 0 : r->before;
        else if (field < 64)
            good |= (uint64_t)1 << field;
    }
    bool key_id_good = !r->object.sealed || good >> R_KEY_ID & 1;
    return (good & needed) == needed && key_id_good && r->seq > 0 && r->seq < r->announced && r->before < r->announced &&
           sealed_db_ref_check(&r->object) == 0;
}

int checkpoint_ref_decode(struct cbor_in *in, struct checkpoint_ref *ret) {
    const uint8_t *item;
    size_t n;
    *ret = (struct checkpoint_ref){0};
    if (cborr_skip(in, &item, &n) < 0)
        return -EBADMSG;
    if (!parse((struct cbor_in){item, item + n}, ret))
        *ret = (struct checkpoint_ref){.before = ret->before};
    return 0;
}

char *checkpoint_ref_key(const char *prefix, const struct checkpoint_ref *r) {
    char hex[DIGEST_HEX_SIZE];
    digest_hex(r->object.digest, hex);
    return xasprintf("%s/checkpoint/%s", prefix, hex);
}
