/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/entry.h"
#include "base/digest.h"

/* Field numbers of the entry's map. They stay for ever: assetfs-format(5). */
enum {
    E_FORMAT = 1,
    E_SEQUENCE = 2,
    E_PREVIOUS = 3,
    E_FEATURES = 4, /* absent: none */
    E_TREE = 5,
    E_SESSION = 6, /* absent: this entry claims the session of its own number */
    E_NONCE = 7,
    E_HOST = 8,
    E_USER = 9,
    E_TIME = 10,
    E_CHECKPOINT = 11,
    E_MESSAGE = 12,
    E_CHANGES = 13,
    E_BATCH = 14,
    E_VOLUME = 15,
};

enum { V_ID = 1, V_BLOCK_SIZE = 2, V_HASH = 3, V_ROOT = 4, V_TEMPLATE = 5 };
enum { B_DIGEST = 1, B_SIZE = 2 };
#define HASH_SHA256 1
#define DEFAULT_TEMPLATE "{area}/{sha256}{ext}"

#define LABEL_TEXT_MAX 4096

void change_free(struct change *c) {
    for (size_t i = 0; i < c->n_names; i++)
        free(c->names[i].name);
    for (size_t i = 0; i < c->n_inodes; i++) {
        free(c->inodes[i].was_etag);
        record_free(&c->inodes[i].rec);
    }
    for (size_t i = 0; i < c->n_states; i++) {
        free(c->states[i].key);
        free(c->states[i].was);
        free(c->states[i].now);
    }
    free(c->names);
    free(c->inodes);
    free(c->states);
    memset(c, 0, sizeof *c);
}

void entry_free(struct entry *e) {
    for (size_t i = 0; i < e->n_changes; i++)
        change_free(&e->changes[i]);
    free(e->changes);
    free(e->host);
    free(e->user);
    free(e->message);
    record_free(&e->root);
    memset(e, 0, sizeof *e);
}

/* Encoding */

static void put_ino(struct buf *b, uint64_t ino) {
    if (ino)
        cborw_uint(b, ino);
    else
        cborw_null(b);
}

static void put_was(struct buf *b, const struct inode_edit *i) {
    switch (i->was) {
    case WAS_NEW:
        cborw_null(b);
        break;
    case WAS_BACK:
        cborw_bool(b, false);
        break;
    case WAS_PLAIN:
        cborw_bool(b, true);
        break;
    case WAS_CONTENT:
        cborw_bytes(b, i->was_id, DIGEST_SIZE);
        break;
    case WAS_ETAG:
        cborw_text(b, i->was_etag, strlen(i->was_etag));
        break;
    }
}

static void put_item(struct buf *b, const uint8_t *item, size_t n) {
    if (item)
        buf_append(b, item, n);
    else
        cborw_null(b);
}

void change_encode(const struct change *c, struct buf *b) {
    cborw_array(b, c->n_states ? 3 : 2);
    cborw_array(b, c->n_names);
    for (size_t i = 0; i < c->n_names; i++) {
        const struct name_edit *n = &c->names[i];
        cborw_array(b, 5);
        cborw_uint(b, n->parent);
        cborw_bytes(b, n->name, n->n);
        put_ino(b, n->was);
        put_ino(b, n->now);
        cborw_int(b, n->when);
    }
    cborw_array(b, c->n_inodes);
    for (size_t i = 0; i < c->n_inodes; i++) {
        cborw_array(b, 3);
        cborw_uint(b, c->inodes[i].ino);
        put_was(b, &c->inodes[i]);
        record_encode(&c->inodes[i].rec, b);
    }
    if (!c->n_states)
        return;
    cborw_array(b, c->n_states);
    for (size_t i = 0; i < c->n_states; i++) {
        cborw_array(b, 3);
        cborw_text(b, c->states[i].key, strlen(c->states[i].key));
        put_item(b, c->states[i].was, c->states[i].was_len);
        put_item(b, c->states[i].now, c->states[i].now_len);
    }
}

static void put_text_field(struct buf *b, unsigned field, const char *s) {
    cborw_uint(b, field);
    cborw_text(b, s, strlen(s));
}

static void put_bytes_field(struct buf *b, unsigned field, const void *p, size_t n) {
    cborw_uint(b, field);
    cborw_bytes(b, p, n);
}

static void put_uint_field(struct buf *b, unsigned field, uint64_t v) {
    cborw_uint(b, field);
    cborw_uint(b, v);
}

static void encode_volume(const struct entry *e, struct buf *b) {
    cborw_uint(b, E_VOLUME);
    cborw_map(b, 5);
    put_bytes_field(b, V_ID, e->volume_id, VOLUME_ID_SIZE);
    put_uint_field(b, V_BLOCK_SIZE, BLOCK_SIZE);
    put_uint_field(b, V_HASH, HASH_SHA256);
    cborw_uint(b, V_ROOT);
    record_encode(&e->root, b);
    put_text_field(b, V_TEMPLATE, DEFAULT_TEMPLATE);
}

void entry_encode_changes(const struct entry *e, struct buf *b) {
    cborw_array(b, e->n_changes);
    for (size_t i = 0; i < e->n_changes; i++)
        change_encode(&e->changes[i], b);
}

void entry_encode(const struct entry *e, struct buf *b) {
    bool features = e->compat || e->ro_compat || e->incompat;
    cborw_map(b, 7 + e->has_previous + features + (e->session != 0) + (e->checkpoint.seq != 0) + (e->message != NULL) + (e->n_changes != 0) + (e->batch.size != 0) +
                     e->has_volume);
    put_uint_field(b, E_FORMAT, ENTRY_FORMAT);
    put_uint_field(b, E_SEQUENCE, e->sequence);
    if (e->has_previous)
        put_bytes_field(b, E_PREVIOUS, e->previous, DIGEST_SIZE);
    if (features) {
        cborw_uint(b, E_FEATURES);
        cborw_array(b, 3);
        cborw_uint(b, e->compat);
        cborw_uint(b, e->ro_compat);
        cborw_uint(b, e->incompat);
    }
    put_bytes_field(b, E_TREE, e->tree, DIGEST_SIZE);
    if (e->session)
        put_uint_field(b, E_SESSION, e->session);
    put_bytes_field(b, E_NONCE, e->nonce, NONCE_SIZE);
    put_text_field(b, E_HOST, e->host);
    put_text_field(b, E_USER, e->user);
    cborw_uint(b, E_TIME);
    cborw_int(b, e->time);
    if (e->checkpoint.seq) {
        cborw_uint(b, E_CHECKPOINT);
        checkpoint_ref_encode(&e->checkpoint, b);
    }
    if (e->message)
        put_text_field(b, E_MESSAGE, e->message);
    if (e->n_changes) {
        cborw_uint(b, E_CHANGES);
        entry_encode_changes(e, b);
    }
    if (e->batch.size) {
        cborw_uint(b, E_BATCH);
        cborw_map(b, 2);
        put_bytes_field(b, B_DIGEST, e->batch.digest, DIGEST_SIZE);
        put_uint_field(b, B_SIZE, e->batch.size);
    }
    if (e->has_volume)
        encode_volume(e, b);
}

/* Parsing */

static int get_ino(struct cbor_in *in, uint64_t *ret) {
    if (cborr_peek(in) == CBOR_KIND_NULL) {
        *ret = 0;
        return cborr_null(in);
    }
    int r = cborr_uint(in, ret);
    return r < 0 ? r : *ret == 0 || *ret > INT64_MAX ? -EBADMSG : 0;
}

static int get_label(struct cbor_in *in, size_t max, char **ret) {
    const char *s;
    size_t n;
    if (cborr_text(in, &s, &n) < 0 || n > max || memchr(s, 0, n))
        return -EBADMSG;
    free(*ret);
    *ret = xstrndup(s, n);
    return 0;
}

static int parse_name_edit(struct cbor_in *in, struct name_edit *e) {
    size_t n;
    const uint8_t *name;
    if (cborr_array(in, &n) < 0 || n != 5 || get_ino(in, &e->parent) < 0 || cborr_bytes(in, &name, &e->n) < 0 ||
        e->n > 4096)
        return -EBADMSG;
    e->name = xmemdup(name, e->n);
    if (get_ino(in, &e->was) < 0 || get_ino(in, &e->now) < 0 || cborr_int(in, &e->when) < 0)
        return -EBADMSG;
    return 0;
}

static int parse_was(struct cbor_in *in, struct inode_edit *e) {
    bool present;
    switch (cborr_peek(in)) {
    case CBOR_KIND_NULL:
        e->was = WAS_NEW;
        return cborr_null(in);
    case CBOR_KIND_BOOL:
        if (cborr_bool(in, &present) < 0)
            return -EBADMSG;
        e->was = present ? WAS_PLAIN : WAS_BACK;
        return 0;
    case CBOR_KIND_BYTES:
        e->was = WAS_CONTENT;
        return cborr_fixed(in, e->was_id, DIGEST_SIZE);
    case CBOR_KIND_TEXT:
        e->was = WAS_ETAG;
        return get_label(in, LABEL_MAX, &e->was_etag);
    default:
        return -EBADMSG;
    }
}

static int parse_inode_edit(struct cbor_in *in, struct inode_edit *e) {
    size_t n;
    if (cborr_array(in, &n) < 0 || n != 3 || get_ino(in, &e->ino) < 0 || e->ino == 0 || parse_was(in, e) < 0)
        return -EBADMSG;
    return record_decode(in, &e->rec);
}

static int parse_item(struct cbor_in *in, uint8_t **ret, size_t *ret_n) {
    const uint8_t *p;
    if (cborr_peek(in) == CBOR_KIND_NULL)
        return cborr_null(in);
    if (cborr_skip(in, &p, ret_n) < 0)
        return -EBADMSG;
    *ret = xmemdup(p, *ret_n);
    return 0;
}

static int parse_state_edit(struct cbor_in *in, struct state_edit *e) {
    size_t n;
    if (cborr_array(in, &n) < 0 || n != 3 || get_label(in, LABEL_TEXT_MAX, &e->key) < 0)
        return -EBADMSG;
    if (parse_item(in, &e->was, &e->was_len) < 0 || parse_item(in, &e->now, &e->now_len) < 0)
        return -EBADMSG;
    return 0;
}

/* Arrays are allocated by what was announced, so that must be bounded by what can follow: each item takes at least so many bytes. */
static int get_count(struct cbor_in *in, size_t item_bytes, size_t *ret) {
    return cborr_array(in, ret) < 0 || *ret > (size_t)(in->end - in->p) / item_bytes ? -EBADMSG : 0;
}

static int parse_change(struct cbor_in *in, struct change *c) {
    size_t parts, n;
    if (cborr_array(in, &parts) < 0 || parts < 2)
        return -EBADMSG;
    if (get_count(in, 6, &n) < 0)
        return -EBADMSG;
    c->names = n ? xcalloc(n, sizeof *c->names) : NULL;
    for (c->n_names = 0; c->n_names < n;)
        if (parse_name_edit(in, &c->names[c->n_names++]) < 0)
            return -EBADMSG;
    if (get_count(in, 14, &n) < 0)
        return -EBADMSG;
    c->inodes = n ? xcalloc(n, sizeof *c->inodes) : NULL;
    for (c->n_inodes = 0; c->n_inodes < n;)
        if (parse_inode_edit(in, &c->inodes[c->n_inodes++]) < 0)
            return -EBADMSG;
    if (parts > 2) {
        if (get_count(in, 4, &n) < 0)
            return -EBADMSG;
        c->states = n ? xcalloc(n, sizeof *c->states) : NULL;
        for (c->n_states = 0; c->n_states < n;)
            if (parse_state_edit(in, &c->states[c->n_states++]) < 0)
                return -EBADMSG;
    }
    for (size_t i = 3; i < parts; i++) /* of a later, compatible version */
        if (cborr_skip(in, NULL, NULL) < 0)
            return -EBADMSG;
    return 0;
}

/* Adds them to those there are. */
static int parse_changes(struct cbor_in *in, struct entry *e) {
    size_t n;
    if (get_count(in, 3, &n) < 0)
        return -EBADMSG;
    if (n) {
        e->changes = xrealloc(e->changes, (e->n_changes + n) * sizeof *e->changes);
        memset(&e->changes[e->n_changes], 0, n * sizeof *e->changes);
    }
    for (n += e->n_changes; e->n_changes < n;)
        if (parse_change(in, &e->changes[e->n_changes++]) < 0)
            return -EBADMSG;
    return 0;
}

int entry_add_changes(struct entry *e, const void *p, size_t n) {
    struct cbor_in in = {p, (const uint8_t *)p + n};
    int r = parse_changes(&in, e);
    return r < 0 ? r : in.p == in.end ? 0 : -EBADMSG;
}

static int parse_batch(struct cbor_in *in, struct entry *e) {
    size_t pairs;
    uint64_t field, last = 0;
    bool has_digest = false;
    if (cborr_map(in, &pairs) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < pairs; i++) {
        if (cborr_uint(in, &field) < 0 || field <= last)
            return -EBADMSG;
        last = field;
        int r = field == B_DIGEST ? cborr_fixed(in, e->batch.digest, DIGEST_SIZE)
                : field == B_SIZE ? cborr_uint(in, &e->batch.size)
                                  : cborr_skip(in, NULL, NULL);
        if (r < 0)
            return -EBADMSG;
        has_digest |= field == B_DIGEST;
    }
    if (!has_digest || !e->batch.size)
        return -EBADMSG;
    return e->batch.size > BATCH_MAX ? -EBADMSG : 0;
}

static int parse_features(struct cbor_in *in, struct entry *e) {
    size_t n;
    if (cborr_array(in, &n) < 0 || n != 3 || cborr_uint(in, &e->compat) < 0 || cborr_uint(in, &e->ro_compat) < 0 ||
        cborr_uint(in, &e->incompat) < 0)
        return -EBADMSG;
    return e->incompat & ~(uint64_t)FEATURES_INCOMPAT ? -EPROTONOSUPPORT : 0;
}

static int parse_volume_field(uint64_t field, struct cbor_in *in, struct entry *e) {
    uint64_t v;
    switch (field) {
    case V_ID:
        return cborr_fixed(in, e->volume_id, VOLUME_ID_SIZE);
    case V_BLOCK_SIZE:
        return cborr_uint(in, &v) < 0 ? -EBADMSG : v != BLOCK_SIZE ? -EPROTONOSUPPORT : 0;
    case V_HASH:
        return cborr_uint(in, &v) < 0 ? -EBADMSG : v != HASH_SHA256 ? -EPROTONOSUPPORT : 0;
    case V_ROOT:
        return record_decode(in, &e->root);
    default:
        return cborr_skip(in, NULL, NULL);
    }
}

static int parse_volume(struct cbor_in *in, struct entry *e) {
    size_t pairs;
    uint64_t field, last = 0, seen = 0;
    if (cborr_map(in, &pairs) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < pairs; i++) {
        if (cborr_uint(in, &field) < 0 || field <= last)
            return -EBADMSG;
        last = field;
        int r = parse_volume_field(field, in, e);
        if (r < 0)
            return r;
        seen |= field < 64 ? (uint64_t)1 << field : 0;
    }
    const uint64_t needed = 1u << V_ID | 1u << V_BLOCK_SIZE | 1u << V_HASH | 1u << V_ROOT;
    e->has_volume = true;
    return (seen & needed) == needed && S_ISDIR(e->root.mode) ? 0 : -EBADMSG;
}

static int parse_field(uint64_t field, struct cbor_in *in, struct entry *e) {
    uint64_t v;
    switch (field) {
    case E_FORMAT:
        return cborr_uint(in, &v) < 0 ? -EBADMSG : v != ENTRY_FORMAT ? -EPROTONOSUPPORT : 0;
    case E_SEQUENCE:
        return cborr_uint(in, &e->sequence);
    case E_PREVIOUS:
        e->has_previous = true;
        return cborr_fixed(in, e->previous, DIGEST_SIZE);
    case E_FEATURES:
        return parse_features(in, e);
    case E_TREE:
        return cborr_fixed(in, e->tree, DIGEST_SIZE);
    case E_SESSION:
        return cborr_uint(in, &e->session) < 0 || !e->session || e->session >= (uint64_t)1 << 39 ? -EBADMSG : 0;
    case E_NONCE:
        return cborr_fixed(in, e->nonce, NONCE_SIZE);
    case E_HOST:
        return get_label(in, LABEL_MAX, &e->host);
    case E_USER:
        return get_label(in, LABEL_MAX, &e->user);
    case E_TIME:
        return cborr_int(in, &e->time);
    case E_CHECKPOINT:
        return checkpoint_ref_decode(in, &e->checkpoint);
    case E_MESSAGE:
        return get_label(in, LABEL_TEXT_MAX, &e->message);
    case E_CHANGES:
        return parse_changes(in, e);
    case E_BATCH: /* of a form this version does not know: applying the rest would be wrong */
        return parse_batch(in, e) < 0 ? -EPROTONOSUPPORT : 0;
    case E_VOLUME:
        return parse_volume(in, e);
    default: /* fields of later, compatible versions */
        return cborr_skip(in, NULL, NULL);
    }
}

static int parse_entry(struct cbor_in *in, struct entry *e) {
    size_t pairs;
    uint64_t field, last = 0, seen = 0;
    if (cborr_map(in, &pairs) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < pairs; i++) {
        if (cborr_uint(in, &field) < 0 || field <= last)
            return -EBADMSG;
        if (i == 0 && field != E_FORMAT)
            return -EBADMSG;
        last = field;
        int r = parse_field(field, in, e);
        if (r < 0)
            return r;
        seen |= field < 64 ? (uint64_t)1 << field : 0;
    }
    const uint64_t needed = 1u << E_FORMAT | 1u << E_SEQUENCE | 1u << E_TREE | 1u << E_NONCE | 1u << E_HOST |
                            1u << E_USER | 1u << E_TIME;
    if ((seen & needed) != needed || in->p != in->end)
        return -EBADMSG;
    return e->has_previous == (e->sequence > 1) && e->has_volume == (e->sequence == 1) ? 0 : -EBADMSG;
}

int entry_parse(const void *p, size_t n, struct entry *ret) {
    struct cbor_in in = {p, (const uint8_t *)p + n};
    CLEANUP_ENTRY struct entry e = {0};
    int r = parse_entry(&in, &e);
    if (r < 0)
        return r;
    *ret = e;
    memset(&e, 0, sizeof e);
    return 0;
}

char *entry_key(const char *prefix, uint64_t sequence) {
    return xasprintf("%s/journal/%016llu", prefix, (unsigned long long)sequence);
}

int entry_seal(const struct entry *e, const struct keyring *keys, const char *prefix,
               const uint8_t salt[SEAL_SALT_SIZE], struct buf *ret) {
    CLEANUP_BUF struct buf plain = BUF_INIT(ENTRY_MAX - SEAL_OVERHEAD);
    CLEANUP_FREE char *key = entry_key(prefix, e->sequence);
    entry_encode(e, &plain);
    if (plain.err)
        return plain.err;
    return seal(keys, salt, key, plain.data, plain.len, ret);
}

int entry_open(const void *p, size_t n, const struct keyring *keys, const char *prefix, uint64_t sequence,
               struct entry *ret) {
    if (n > ENTRY_MAX)
        return -EBADMSG;
    CLEANUP_BUF struct buf plain = BUF_INIT(ENTRY_MAX);
    CLEANUP_FREE char *key = entry_key(prefix, sequence);
    int r = unseal(keys, key, p, n, &plain);
    if (r < 0)
        return r;
    CLEANUP_ENTRY struct entry e = {0};
    r = entry_parse(plain.data, plain.len, &e);
    if (r < 0)
        return r;
    if (e.sequence != sequence)
        return -EBADMSG;
    e.size = n;
    *ret = e;
    memset(&e, 0, sizeof e);
    return 0;
}
