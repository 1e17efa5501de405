/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cbor.h"
#include "base/utf8.h"
#include <cbor.h>

#define HEAD_MAX 9
#define MAX_DEPTH 16

/* libcbor's encoders take the shortest form by themselves. */
typedef size_t (*encode_fn)(uint64_t v, unsigned char *p, size_t n);

static void put_head(struct buf *b, encode_fn encode, uint64_t v) {
    unsigned char head[HEAD_MAX];
    buf_append(b, head, encode(v, head, sizeof head));
}

void cborw_uint(struct buf *b, uint64_t v) {
    put_head(b, cbor_encode_uint, v);
}

void cborw_int(struct buf *b, int64_t v) {
    if (v >= 0)
        put_head(b, cbor_encode_uint, (uint64_t)v);
    else
        put_head(b, cbor_encode_negint, (uint64_t)(-1 - v));
}

void cborw_bytes(struct buf *b, const void *p, size_t n) {
    put_head(b, cbor_encode_bytestring_start, n);
    buf_append(b, p, n);
}

void cborw_text(struct buf *b, const char *s, size_t n) {
    put_head(b, cbor_encode_string_start, n);
    buf_append(b, s, n);
}

void cborw_array(struct buf *b, size_t n) {
    put_head(b, cbor_encode_array_start, n);
}

void cborw_map(struct buf *b, size_t n_pairs) {
    put_head(b, cbor_encode_map_start, n_pairs);
}

void cborw_bool(struct buf *b, bool v) {
    unsigned char head[HEAD_MAX];
    buf_append(b, head, cbor_encode_bool(v, head, sizeof head));
}

void cborw_null(struct buf *b) {
    unsigned char head[HEAD_MAX];
    buf_append(b, head, cbor_encode_null(head, sizeof head));
}

/* One item as libcbor's decoder reports it: a value, or a length, or a count. */
struct item {
    enum cbor_kind kind;
    uint64_t v;
    const uint8_t *data; /* strings */
    const uint8_t *next; /* behind the item; of arrays and maps, behind the head */
};

static void set(void *ctx, enum cbor_kind kind, uint64_t v) {
    struct item *it = ctx;
    it->kind = kind;
    it->v = v;
}

#define ON_INT(name, type, kind)                                                                             \
    static void name(void *ctx, type v) {                                                                    \
        set(ctx, kind, v);                                                                                   \
    }
ON_INT(on_uint8, uint8_t, CBOR_KIND_UINT)
ON_INT(on_uint16, uint16_t, CBOR_KIND_UINT)
ON_INT(on_uint32, uint32_t, CBOR_KIND_UINT)
ON_INT(on_uint64, uint64_t, CBOR_KIND_UINT)
ON_INT(on_negint8, uint8_t, CBOR_KIND_NEGINT)
ON_INT(on_negint16, uint16_t, CBOR_KIND_NEGINT)
ON_INT(on_negint32, uint32_t, CBOR_KIND_NEGINT)
ON_INT(on_negint64, uint64_t, CBOR_KIND_NEGINT)
ON_INT(on_array, size_t, CBOR_KIND_ARRAY)
ON_INT(on_map, size_t, CBOR_KIND_MAP)
ON_INT(on_bool, bool, CBOR_KIND_BOOL)

static void on_null(void *ctx) {
    set(ctx, CBOR_KIND_NULL, 0);
}

static void on_bytes(void *ctx, cbor_data p, size_t n) {
    set(ctx, CBOR_KIND_BYTES, n);
    ((struct item *)ctx)->data = p;
}

static void on_text(void *ctx, cbor_data p, size_t n) {
    set(ctx, CBOR_KIND_TEXT, n);
    ((struct item *)ctx)->data = p;
}

static void ignore(void *ctx ATTR_UNUSED) {
}

static void ignore_float(void *ctx ATTR_UNUSED, float v ATTR_UNUSED) {
}

static void ignore_double(void *ctx ATTR_UNUSED, double v ATTR_UNUSED) {
}

static void ignore_tag(void *ctx ATTR_UNUSED, uint64_t v ATTR_UNUSED) {
}

/* What is ignored leaves the item's kind at CBOR_KIND_BAD. */
static const struct cbor_callbacks CALLBACKS = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negint8,
    .negint16 = on_negint16,
    .negint32 = on_negint32,
    .negint64 = on_negint64,
    .byte_string = on_bytes,
    .string = on_text,
    .array_start = on_array,
    .map_start = on_map,
    .boolean = on_bool,
    .null = on_null,
    .byte_string_start = ignore,
    .string_start = ignore,
    .indef_array_start = ignore,
    .indef_map_start = ignore,
    .undefined = ignore,
    .indef_break = ignore,
    .tag = ignore_tag,
    .float2 = ignore_float,
    .float4 = ignore_float,
    .float8 = ignore_double,
};

static size_t shortest_head(uint64_t v) {
    return v < 24 ? 1 : v <= UINT8_MAX ? 2 : v <= UINT16_MAX ? 3 : v <= UINT32_MAX ? 5 : 9;
}

static bool is_string(const struct item *it) {
    return it->kind == CBOR_KIND_BYTES || it->kind == CBOR_KIND_TEXT;
}

/* libcbor accepts longer heads than needed and any count; neither gets past here. */
static int decode(const struct cbor_in *in, struct item *ret) {
    *ret = (struct item){.kind = CBOR_KIND_BAD};
    if (in->p >= in->end)
        return -EBADMSG;
    struct cbor_decoder_result r = cbor_stream_decode(in->p, (size_t)(in->end - in->p), &CALLBACKS, ret);
    if (r.status != CBOR_DECODER_FINISHED || ret->kind == CBOR_KIND_BAD)
        return -EBADMSG;
    size_t head = r.read - (is_string(ret) ? (size_t)ret->v : 0), left = (size_t)(in->end - in->p) - r.read;
    if (head != shortest_head(ret->kind == CBOR_KIND_BOOL || ret->kind == CBOR_KIND_NULL ? 0 : ret->v))
        return -EBADMSG;
    if ((ret->kind == CBOR_KIND_ARRAY && ret->v > left) || (ret->kind == CBOR_KIND_MAP && ret->v > left / 2))
        return -EBADMSG;
    if (ret->kind == CBOR_KIND_TEXT && !utf8_valid(ret->data, (size_t)ret->v))
        return -EBADMSG;
    ret->next = in->p + r.read;
    return 0;
}

static int take(struct cbor_in *in, enum cbor_kind kind, struct item *ret) {
    if (decode(in, ret) < 0 || ret->kind != kind)
        return -EBADMSG;
    in->p = ret->next;
    return 0;
}

enum cbor_kind cborr_peek(const struct cbor_in *in) {
    struct item it;
    return decode(in, &it) < 0 ? CBOR_KIND_BAD : it.kind;
}

int cborr_uint(struct cbor_in *in, uint64_t *ret) {
    struct item it;
    int r = take(in, CBOR_KIND_UINT, &it);
    if (r == 0)
        *ret = it.v;
    return r;
}

int cborr_int(struct cbor_in *in, int64_t *ret) {
    struct item it;
    if (decode(in, &it) < 0 || it.v > INT64_MAX)
        return -EBADMSG;
    if (it.kind != CBOR_KIND_UINT && it.kind != CBOR_KIND_NEGINT)
        return -EBADMSG;
    *ret = it.kind == CBOR_KIND_UINT ? (int64_t)it.v : -1 - (int64_t)it.v;
    in->p = it.next;
    return 0;
}

int cborr_bytes(struct cbor_in *in, const uint8_t **ret, size_t *ret_n) {
    struct item it;
    int r = take(in, CBOR_KIND_BYTES, &it);
    if (r == 0) {
        *ret = it.data;
        *ret_n = (size_t)it.v;
    }
    return r;
}

int cborr_fixed(struct cbor_in *in, uint8_t *ret, size_t want) {
    struct cbor_in next = *in;
    const uint8_t *p;
    size_t n;
    if (cborr_bytes(&next, &p, &n) < 0 || n != want)
        return -EBADMSG;
    memcpy(ret, p, n);
    *in = next;
    return 0;
}

int cborr_text(struct cbor_in *in, const char **ret, size_t *ret_n) {
    struct item it;
    int r = take(in, CBOR_KIND_TEXT, &it);
    if (r == 0) {
        *ret = (const char *)it.data;
        *ret_n = (size_t)it.v;
    }
    return r;
}

int cborr_array(struct cbor_in *in, size_t *ret_n) {
    struct item it;
    int r = take(in, CBOR_KIND_ARRAY, &it);
    if (r == 0)
        *ret_n = (size_t)it.v;
    return r;
}

int cborr_map(struct cbor_in *in, size_t *ret_pairs) {
    struct item it;
    int r = take(in, CBOR_KIND_MAP, &it);
    if (r == 0)
        *ret_pairs = (size_t)it.v;
    return r;
}

int cborr_bool(struct cbor_in *in, bool *ret) {
    struct item it;
    int r = take(in, CBOR_KIND_BOOL, &it);
    if (r == 0)
        *ret = it.v;
    return r;
}

int cborr_null(struct cbor_in *in) {
    struct item it;
    return take(in, CBOR_KIND_NULL, &it);
}

/* left[d]: items still to come in the container at depth d; left[0] counts the item asked for. */
int cborr_skip(struct cbor_in *in, const uint8_t **ret, size_t *ret_n) {
    struct cbor_in at = *in;
    uint64_t left[MAX_DEPTH + 1] = {1};
    for (size_t depth = 0;;) {
        struct item it;
        if (decode(&at, &it) < 0)
            return -EBADMSG;
        at.p = it.next;
        left[depth]--;
        if (it.kind == CBOR_KIND_ARRAY || it.kind == CBOR_KIND_MAP) {
            if (++depth > MAX_DEPTH)
                return -EBADMSG;
            left[depth] = it.kind == CBOR_KIND_MAP ? 2 * it.v : it.v;
        }
        while (depth > 0 && left[depth] == 0)
            depth--;
        if (depth == 0)
            break;
    }
    if (ret) {
        *ret = in->p;
        *ret_n = (size_t)(at.p - in->p);
    }
    in->p = at.p;
    return 0;
}
