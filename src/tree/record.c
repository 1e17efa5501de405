/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/record.h"

/* Field numbers of the record's map. They stay for ever: assetfs-format(5). */
enum {
    F_MODE = 1,
    F_UID = 2,
    F_GID = 3,
    F_MTIME = 4,
    F_CTIME = 5,
    F_BTIME = 6, /* absent: as ctime */
    F_ATIME = 7, /* absent: as mtime */
    F_SIZE = 8,  /* absent: 0 */
    F_CONTENT = 9,
    F_KEY = 10,
    F_DIGESTS = 11,
    F_ETAG = 12,
    F_TARGET = 13,
    F_RDEV = 14,
    F_XATTRS = 15,
    F_LAST = F_XATTRS,
};

static const uint8_t zero_id[DIGEST_SIZE];

void record_free(struct record *r) {
    content_unref(r->content);
    free(r->etag);
    free(r->target);
    for (size_t i = 0; i < r->n_xattrs; i++) {
        free(r->xattrs[i].name);
        free(r->xattrs[i].value);
    }
    free(r->xattrs);
    free(r->unknown);
    memset(r, 0, sizeof *r);
}

void record_copy(struct record *to, const struct record *from) {
    *to = *from;
    content_ref(to->content);
    to->etag = from->etag ? xstrdup(from->etag) : NULL;
    to->target = from->target ? xstrdup(from->target) : NULL;
    to->unknown = from->unknown ? xmemdup(from->unknown, from->unknown_len) : NULL;
    to->xattrs = from->n_xattrs ? xcalloc(from->n_xattrs, sizeof *to->xattrs) : NULL;
    for (size_t i = 0; i < from->n_xattrs; i++) {
        to->xattrs[i].name = xstrdup(from->xattrs[i].name);
        to->xattrs[i].n = from->xattrs[i].n;
        to->xattrs[i].value = xmemdup(from->xattrs[i].value, from->xattrs[i].n);
    }
}

/* A key that holds its content id in hexadecimal is written as what stands before and after it: 64 bytes less for each file. */
static void encode_key(const struct content *c, struct buf *b) {
    char hex[DIGEST_HEX_SIZE];
    digest_hex(c->id, hex);
    const char *at = strstr(c->key, hex);
    if (!at) {
        cborw_text(b, c->key, strlen(c->key));
        return;
    }
    cborw_array(b, 2);
    cborw_text(b, c->key, (size_t)(at - c->key));
    at += DIGEST_HEX_SIZE - 1;
    cborw_text(b, at, strlen(at));
}

static void encode_content(const struct record *r, struct buf *b) {
    const struct content *c = r->content;
    if (c && !r->foreign) {
        cborw_uint(b, F_CONTENT);
        cborw_bytes(b, c->id, DIGEST_SIZE);
    }
    if (c) {
        cborw_uint(b, F_KEY);
        encode_key(c, b);
    }
    if (c && !r->foreign && BLOCK_COUNT(c->size) > 1) {
        cborw_uint(b, F_DIGESTS);
        if (c->digests && BLOCK_COUNT(c->size) <= CONTENT_INLINE_BLOCKS)
            cborw_bytes(b, c->digests, BLOCK_COUNT(c->size) * DIGEST_SIZE);
        else
            cborw_bytes(b, c->digests_digest, DIGEST_SIZE);
    }
    if (r->foreign) {
        cborw_uint(b, F_ETAG);
        cborw_text(b, r->etag, strlen(r->etag));
    }
}

static size_t known_pairs(const struct record *r) {
    const struct content *c = r->content;
    size_t n = 5; /* mode, uid, gid, mtime, ctime */
    n += r->btime != r->ctime;
    n += r->atime != r->mtime;
    n += r->size != 0;
    n += c && !r->foreign;
    n += c != NULL;
    n += c && !r->foreign && BLOCK_COUNT(c->size) > 1;
    n += r->foreign;
    n += r->target != NULL;
    n += r->rdev_major || r->rdev_minor;
    n += r->n_xattrs != 0;
    return n;
}

static void put_int_field(struct buf *b, unsigned field, int64_t v) {
    cborw_uint(b, field);
    cborw_int(b, v);
}

void record_encode(const struct record *r, struct buf *b) {
    cborw_map(b, known_pairs(r) + r->unknown_pairs);
    put_int_field(b, F_MODE, r->mode);
    put_int_field(b, F_UID, r->uid);
    put_int_field(b, F_GID, r->gid);
    put_int_field(b, F_MTIME, r->mtime);
    put_int_field(b, F_CTIME, r->ctime);
    if (r->btime != r->ctime)
        put_int_field(b, F_BTIME, r->btime);
    if (r->atime != r->mtime)
        put_int_field(b, F_ATIME, r->atime);
    if (r->size) {
        cborw_uint(b, F_SIZE);
        cborw_uint(b, r->size);
    }
    encode_content(r, b);
    if (r->target) {
        cborw_uint(b, F_TARGET);
        cborw_bytes(b, r->target, strlen(r->target));
    }
    if (r->rdev_major || r->rdev_minor) {
        cborw_uint(b, F_RDEV);
        cborw_array(b, 2);
        cborw_uint(b, r->rdev_major);
        cborw_uint(b, r->rdev_minor);
    }
    if (r->n_xattrs) {
        cborw_uint(b, F_XATTRS);
        cborw_map(b, r->n_xattrs);
        for (size_t i = 0; i < r->n_xattrs; i++) {
            cborw_bytes(b, r->xattrs[i].name, strlen(r->xattrs[i].name));
            cborw_bytes(b, r->xattrs[i].value, r->xattrs[i].n);
        }
    }
    buf_append(b, r->unknown, r->unknown_len);
}

/* What decoding gathers before the content can be made of it. */
struct parts {
    const uint8_t *id, *digests;
    size_t digests_len;
    char *key;
    const char *key_prefix, *key_suffix; /* the compact form, until the id is there */
    size_t key_prefix_len, key_suffix_len;
    bool has_btime, has_atime;
};

static char *text_dup(const char *p, size_t n) {
    return memchr(p, 0, n) ? NULL : xstrndup(p, n);
}

static int decode_u32(struct cbor_in *in, uint32_t *ret) {
    uint64_t v;
    int r = cborr_uint(in, &v);
    if (r < 0)
        return r;
    if (v > UINT32_MAX)
        return -EBADMSG;
    *ret = (uint32_t)v;
    return 0;
}

static int decode_key(struct cbor_in *in, struct parts *p) {
    size_t n;
    const char *s;
    if (cborr_peek(in) == CBOR_KIND_TEXT) {
        int r = cborr_text(in, &s, &n);
        if (r < 0)
            return r;
        p->key = text_dup(s, n);
        return p->key && n >= 1 && n <= 1024 ? 0 : -EBADMSG;
    }
    if (cborr_array(in, &n) < 0 || n != 2 || cborr_text(in, &p->key_prefix, &p->key_prefix_len) < 0 ||
        cborr_text(in, &p->key_suffix, &p->key_suffix_len) < 0)
        return -EBADMSG;
    if (p->key_prefix_len + p->key_suffix_len + 64 > 1024 || memchr(p->key_prefix, 0, p->key_prefix_len) ||
        memchr(p->key_suffix, 0, p->key_suffix_len))
        return -EBADMSG;
    return 0;
}

static int decode_target(struct cbor_in *in, struct record *ret) {
    const uint8_t *p;
    size_t n;
    int r = cborr_bytes(in, &p, &n);
    if (r < 0)
        return r;
    if (n == 0 || n > TARGET_MAX)
        return -EBADMSG;
    ret->target = text_dup((const char *)p, n);
    return ret->target ? 0 : -EBADMSG;
}

static int decode_xattrs(struct cbor_in *in, struct record *ret) {
    size_t pairs, total = 0;
    int r = cborr_map(in, &pairs);
    if (r < 0)
        return r;
    if (pairs == 0 || pairs > XATTRS_MAX / 2)
        return -EBADMSG;
    ret->xattrs = xcalloc(pairs, sizeof *ret->xattrs);
    for (size_t i = 0; i < pairs; i++) {
        const uint8_t *name, *value;
        size_t n, vn;
        if (cborr_bytes(in, &name, &n) < 0 || cborr_bytes(in, &value, &vn) < 0 || n == 0 || n > 255 ||
            vn > XATTR_VALUE_MAX || (total += n + vn) > XATTRS_MAX)
            return -EBADMSG;
        struct xattr *x = &ret->xattrs[i];
        x->name = text_dup((const char *)name, n);
        if (!x->name || (i && strcmp(ret->xattrs[i - 1].name, x->name) >= 0)) {
            free(x->name);
            return -EBADMSG;
        }
        x->value = xmemdup(value, vn);
        x->n = vn;
        ret->n_xattrs = i + 1;
    }
    return 0;
}

static int decode_etag(struct cbor_in *in, struct record *ret) {
    const char *s;
    size_t n;
    int r = cborr_text(in, &s, &n);
    if (r < 0)
        return r;
    ret->foreign = true;
    ret->etag = n && n <= 255 ? text_dup(s, n) : NULL;
    return ret->etag ? 0 : -EBADMSG;
}

static int decode_rdev(struct cbor_in *in, struct record *ret) {
    size_t n;
    if (cborr_array(in, &n) < 0 || n != 2 || decode_u32(in, &ret->rdev_major) < 0 ||
        decode_u32(in, &ret->rdev_minor) < 0)
        return -EBADMSG;
    return ret->rdev_major || ret->rdev_minor ? 0 : -EBADMSG;
}

static int decode_field(uint64_t field, struct cbor_in *in, struct record *ret, struct parts *p) {
    size_t n;
    int r;
    switch (field) {
    case F_MODE:
        return decode_u32(in, &ret->mode);
    case F_UID:
        return decode_u32(in, &ret->uid);
    case F_GID:
        return decode_u32(in, &ret->gid);
    case F_MTIME:
        return cborr_int(in, &ret->mtime);
    case F_CTIME:
        return cborr_int(in, &ret->ctime);
    case F_BTIME:
        p->has_btime = true;
        r = cborr_int(in, &ret->btime);
        return r < 0 || ret->btime == ret->ctime ? -EBADMSG : 0;
    case F_ATIME:
        p->has_atime = true;
        r = cborr_int(in, &ret->atime);
        return r < 0 || ret->atime == ret->mtime ? -EBADMSG : 0;
    case F_SIZE:
        r = cborr_uint(in, &ret->size);
        return r < 0 || ret->size == 0 || ret->size > INT64_MAX ? -EBADMSG : 0;
    case F_CONTENT:
        r = cborr_bytes(in, &p->id, &n);
        return r < 0 || n != DIGEST_SIZE ? -EBADMSG : 0;
    case F_KEY:
        return decode_key(in, p);
    case F_DIGESTS:
        return cborr_bytes(in, &p->digests, &p->digests_len);
    case F_ETAG:
        return decode_etag(in, ret);
    case F_TARGET:
        return decode_target(in, ret);
    case F_RDEV:
        return decode_rdev(in, ret);
    case F_XATTRS:
        return decode_xattrs(in, ret);
    default:
        return -EBADMSG;
    }
}

static int make_content(struct record *ret, struct parts *p) {
    char hex[DIGEST_HEX_SIZE] = "";
    if (p->id)
        digest_hex(p->id, hex);
    if (p->id && p->key && strstr(p->key, hex))
        return -EBADMSG; /* its short form is the one form */
    if (p->key_prefix && p->id) {
        p->key = xasprintf("%.*s%s%.*s", (int)p->key_prefix_len, p->key_prefix, hex, (int)p->key_suffix_len,
                           p->key_suffix);
        if (strstr(p->key, hex) != p->key + p->key_prefix_len)
            return -EBADMSG;
    }
    if (!p->id && !ret->foreign)
        return p->key || p->digests || ret->size ? -EBADMSG : 0;
    if (!S_ISREG(ret->mode) || !p->key || !ret->size || (ret->foreign && (p->id || p->digests)))
        return -EBADMSG;
    size_t blocks = ret->foreign ? 0 : BLOCK_COUNT(ret->size);
    bool inlined = blocks > 1 && blocks <= CONTENT_INLINE_BLOCKS;
    size_t want = inlined ? blocks * DIGEST_SIZE : blocks > 1 ? DIGEST_SIZE : 0;
    if (p->digests_len != want)
        return -EBADMSG;
    ret->content = content_new(p->id ? p->id : zero_id, ret->size, p->key, inlined ? p->digests : NULL,
                               inlined || !want ? NULL : p->digests);
    return 0;
}

static int check_types(const struct record *r) {
    if (r->mode & ~(uint32_t)(S_IFMT | 07777))
        return -EBADMSG;
    switch (r->mode & S_IFMT) {
    case S_IFREG:
        return r->target || r->rdev_major || r->rdev_minor ? -EBADMSG : 0;
    case S_IFLNK:
        return !r->target || r->size || r->rdev_major || r->rdev_minor ? -EBADMSG : 0;
    case S_IFCHR:
    case S_IFBLK:
        return r->target || r->size ? -EBADMSG : 0;
    case S_IFDIR:
    case S_IFIFO:
    case S_IFSOCK:
        return r->target || r->size || r->rdev_major || r->rdev_minor ? -EBADMSG : 0;
    default:
        return -EBADMSG;
    }
}

static int decode_unknown(struct cbor_in *in, const uint8_t *from, struct record *ret) {
    int r = cborr_skip(in, NULL, NULL);
    if (r < 0)
        return r;
    size_t n = (size_t)(in->p - from);
    ret->unknown = xrealloc(ret->unknown, ret->unknown_len + n);
    memcpy(ret->unknown + ret->unknown_len, from, n);
    ret->unknown_len += n;
    ret->unknown_pairs++;
    return 0;
}

static int decode_pairs(struct cbor_in *in, struct record *ret, struct parts *p) {
    size_t pairs;
    uint64_t last = 0, seen = 0;
    int r = cborr_map(in, &pairs);
    if (r < 0)
        return r;
    for (size_t i = 0; i < pairs; i++) {
        const uint8_t *from = in->p;
        uint64_t field;
        if (cborr_uint(in, &field) < 0 || field <= last)
            return -EBADMSG;
        last = field;
        if (field > F_LAST)
            r = decode_unknown(in, from, ret);
        else
            r = decode_field(field, in, ret, p), seen |= 1u << field;
        if (r < 0)
            return -EBADMSG;
    }
    const uint64_t needed = 1u << F_MODE | 1u << F_UID | 1u << F_GID | 1u << F_MTIME | 1u << F_CTIME;
    return (seen & needed) == needed ? 0 : -EBADMSG;
}

int record_decode(struct cbor_in *in, struct record *ret) {
    struct cbor_in at = *in;
    struct parts p = {0};
    CLEANUP_RECORD struct record rec = {0};
    int r = decode_pairs(&at, &rec, &p);
    if (r == 0) {
        if (!p.has_btime)
            rec.btime = rec.ctime;
        if (!p.has_atime)
            rec.atime = rec.mtime;
        r = make_content(&rec, &p);
    }
    free(p.key);
    if (r == 0)
        r = (size_t)(at.p - in->p) > RECORD_MAX ? -EBADMSG : check_types(&rec);
    if (r < 0)
        return r;
    *ret = rec;
    memset(&rec, 0, sizeof rec);
    *in = at;
    return 0;
}

int record_parse(const void *p, size_t n, struct record *ret) {
    struct cbor_in in = {p, (const uint8_t *)p + n};
    struct record rec;
    int r = record_decode(&in, &rec);
    if (r < 0)
        return r;
    if (in.p != in.end) {
        record_free(&rec);
        return -EBADMSG;
    }
    *ret = rec;
    return 0;
}

int record_peek(const void *p, size_t n, uint32_t *ret_mode, uint64_t *ret_size) {
    struct cbor_in in = {p, (const uint8_t *)p + n};
    size_t pairs;
    uint64_t field, mode = 0, size = 0;
    if (cborr_map(&in, &pairs) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < pairs; i++) {
        if (cborr_uint(&in, &field) < 0)
            return -EBADMSG;
        if (field > F_SIZE)
            break;
        int r = field == F_MODE ? cborr_uint(&in, &mode) : field == F_SIZE ? cborr_uint(&in, &size) : cborr_skip(&in, NULL, NULL);
        if (r < 0)
            return -EBADMSG;
    }
    if (!(mode & S_IFMT) || mode > UINT32_MAX)
        return -EBADMSG;
    *ret_mode = (uint32_t)mode;
    *ret_size = size;
    return 0;
}

bool record_equal(const struct record *a, const struct record *b) {
    CLEANUP_BUF struct buf x = BUF_INIT(RECORD_MAX), y = BUF_INIT(RECORD_MAX);
    record_encode(a, &x);
    record_encode(b, &y);
    return !x.err && !y.err && x.len == y.len && !memcmp(x.data, y.data, x.len);
}

bool record_same_content(const struct record *a, const struct record *b) {
    if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
        return false;
    switch (a->mode & S_IFMT) {
    case S_IFREG:
        if (a->foreign || b->foreign)
            return a->foreign && b->foreign && !strcmp(a->etag, b->etag) && !strcmp(a->content->key, b->content->key);
        return content_same(a->content, b->content) || (!a->content && !b->content);
    case S_IFLNK:
        return !strcmp(a->target, b->target);
    case S_IFCHR:
    case S_IFBLK:
        return a->rdev_major == b->rdev_major && a->rdev_minor == b->rdev_minor;
    default:
        return true;
    }
}

void record_take_content(struct record *to, const struct record *from) {
    struct content *c = content_ref(from->content);
    char *etag = from->etag ? xstrdup(from->etag) : NULL;
    content_unref(to->content);
    free(to->etag);
    to->content = c;
    to->etag = etag;
    to->foreign = from->foreign;
    to->size = from->size;
}

const struct xattr *record_xattr(const struct record *r, const char *name) {
    for (size_t i = 0; i < r->n_xattrs; i++)
        if (!strcmp(r->xattrs[i].name, name))
            return &r->xattrs[i];
    return NULL;
}

static void remove_xattr(struct record *r, size_t i) {
    free(r->xattrs[i].name);
    free(r->xattrs[i].value);
    memmove(&r->xattrs[i], &r->xattrs[i + 1], (r->n_xattrs - i - 1) * sizeof *r->xattrs);
    r->n_xattrs--;
}

void record_set_xattr(struct record *r, const char *name, const void *value, size_t n) {
    size_t i = 0;
    while (i < r->n_xattrs && strcmp(r->xattrs[i].name, name) < 0)
        i++;
    if (i < r->n_xattrs && !strcmp(r->xattrs[i].name, name))
        remove_xattr(r, i);
    if (!value)
        return;
    r->xattrs = xrealloc(r->xattrs, (r->n_xattrs + 1) * sizeof *r->xattrs);
    memmove(&r->xattrs[i + 1], &r->xattrs[i], (r->n_xattrs - i) * sizeof *r->xattrs);
    r->xattrs[i] = (struct xattr){.name = xstrdup(name), .value = xmemdup(value, n), .n = n};
    r->n_xattrs++;
}

size_t record_xattr_bytes(const struct record *r) {
    size_t total = 0;
    for (size_t i = 0; i < r->n_xattrs; i++)
        total += strlen(r->xattrs[i].name) + r->xattrs[i].n;
    return total;
}
