/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sample_entry.h"
#include "base/cbor.h"
#include "base/digest.h"

#define INO(counter) ((uint64_t)5 << 24 | (counter))

struct keyring *sample_entry_keys(void) {
    uint8_t key[SEAL_KEY_SIZE];
    struct keyring *k = keyring_new();
    memset(key, 'k', sizeof key);
    keyring_add(k, key);
    return k;
}

static void fill_common(struct entry *e, uint64_t sequence) {
    *e = (struct entry){.sequence = sequence, .time = 1700000000000000000};
    e->host = xstrdup("host");
    e->user = xstrdup("user");
    memset(e->tree, 0x11, sizeof e->tree);
    memset(e->nonce, 0x22, sizeof e->nonce);
    if (sequence > 1) {
        e->has_previous = true;
        memset(e->previous, 0x33, sizeof e->previous);
    }
}

void sample_first_entry(struct entry *e) {
    fill_common(e, 1);
    e->session = 1;
    e->has_volume = true;
    memset(e->volume_id, 0x44, sizeof e->volume_id);
    e->root = (struct record){.mode = S_IFDIR | 0755, .mtime = 1, .ctime = 1, .atime = 1, .btime = 1};
}

static struct change *add_change(struct entry *e) {
    e->changes = xrealloc(e->changes, (e->n_changes + 1) * sizeof *e->changes);
    struct change *c = &e->changes[e->n_changes++];
    *c = (struct change){0};
    return c;
}

static void add_name(struct change *c, uint64_t parent, const char *name, uint64_t was, uint64_t now) {
    c->names = xrealloc(c->names, (c->n_names + 1) * sizeof *c->names);
    c->names[c->n_names++] =
        (struct name_edit){.parent = parent, .name = xmemdup(name, strlen(name)), .n = strlen(name), .was = was, .now = now, .when = 5};
}

static struct record *add_inode(struct change *c, uint64_t ino, enum was_kind was, uint32_t mode) {
    c->inodes = xrealloc(c->inodes, (c->n_inodes + 1) * sizeof *c->inodes);
    struct inode_edit *i = &c->inodes[c->n_inodes++];
    *i = (struct inode_edit){.ino = ino, .was = was, .rec = {.mode = mode, .mtime = 3, .ctime = 4, .atime = 3, .btime = 4}};
    return &i->rec;
}

static void give_content(struct record *r, const char *text) {
    uint8_t id[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    digest_of(text, strlen(text), id);
    digest_hex(id, hex);
    CLEANUP_FREE char *key = xasprintf("files/%s.txt", hex);
    r->size = strlen(text);
    r->content = content_new(id, r->size, key, NULL, NULL);
}

void sample_entry(struct entry *e) {
    fill_common(e, SAMPLE_SEQUENCE);
    e->session = 5;
    e->message = xstrdup("restored by hand");
    struct change *c = add_change(e);
    add_name(c, 1, "new.txt", 0, INO(1));
    give_content(add_inode(c, INO(1), WAS_NEW, S_IFREG | 0644), "hello\n");
    record_set_xattr(&c->inodes[0].rec, "user.a", "1", 1);
    c = add_change(e);
    add_name(c, 1, "old", INO(2), 0);
    add_name(c, 1, "d", 0, INO(3));
    add_name(c, INO(3), "moved", 0, INO(4));
    add_inode(c, INO(3), WAS_BACK, S_IFDIR | 0755);
    give_content(add_inode(c, INO(4), WAS_CONTENT, S_IFREG | 0600), "more\n");
    memset(c->inodes[1].was_id, 0x55, DIGEST_SIZE);
    add_inode(c, INO(5), WAS_PLAIN, S_IFLNK | 0777)->target = xstrdup("elsewhere");
    add_inode(c, INO(6), WAS_ETAG, S_IFREG | 0600);
    c->inodes[3].was_etag = xstrdup("\"etag\"");
    c = add_change(e);
    c->states = xcalloc(1, sizeof *c->states);
    c->n_states = 1;
    c->states[0] = (struct state_edit){.key = xstrdup("condemned/files/x"), .now = xmemdup("\x05", 1), .now_len = 1};
}

/* The corpus */

struct corpus {
    struct keyring *keys, *none;
    void (*each)(void *arg, const struct sample_case *, const void *p, size_t n);
    void *arg;
};

static void give(struct corpus *c, const char *name, uint64_t sequence, bool sealed, int err, const void *p, size_t n) {
    struct sample_case at = {.name = name, .sequence = sequence, .sealed = sealed, .err = err};
    c->each(c->arg, &at, p, n);
}

/* Any bytes as the plain text of entry 7, plain. */
static void give_plain(struct corpus *c, const char *name, int err, const struct buf *text) {
    CLEANUP_BUF struct buf b = BUF_INIT(8u << 20);
    buf_append_byte(&b, SEAL_FORMAT_PLAIN);
    buf_append(&b, text->data, text->len);
    give(c, name, SAMPLE_SEQUENCE, false, err, b.data, b.len);
}

static void give_entry(struct corpus *c, const char *name, int err, struct entry *e) {
    CLEANUP_BUF struct buf text = BUF_INIT(8u << 20);
    entry_encode(e, &text);
    give_plain(c, name, err, &text);
    entry_free(e);
}

static void sealed_ones(struct corpus *c) {
    static const uint8_t salt[SEAL_SALT_SIZE] = "salt of the sample, 32 bytes....";
    CLEANUP_BUF struct buf b = BUF_INIT(8u << 20), plain = BUF_INIT(8u << 20);
    CLEANUP_ENTRY struct entry e = {0};
    sample_entry(&e);
    if (entry_seal(&e, c->keys, SAMPLE_PREFIX, salt, &b) < 0 || entry_seal(&e, c->none, SAMPLE_PREFIX, salt, &plain) < 0)
        abort();
    give(c, "good-sealed", SAMPLE_SEQUENCE, true, 0, b.data, b.len);
    give(c, "bad-another-number", SAMPLE_SEQUENCE + 1, true, -EBADMSG, b.data, b.len);
    give(c, "bad-cut-tag", SAMPLE_SEQUENCE, true, -EBADMSG, b.data, b.len - 1);
    give(c, "bad-cut-header", SAMPLE_SEQUENCE, true, -EBADMSG, b.data, SEAL_HEADER_SIZE - 1);
    give(c, "bad-empty", SAMPLE_SEQUENCE, true, -EBADMSG, b.data, 0);
    give(c, "bad-plain-in-a-sealed-volume", SAMPLE_SEQUENCE, true, -EBADMSG, plain.data, plain.len);
    give(c, "bad-sealed-in-a-plain-volume", SAMPLE_SEQUENCE, false, -EBADMSG, b.data, b.len);
    b.data[b.len / 2] ^= 1;
    give(c, "bad-one-bit", SAMPLE_SEQUENCE, true, -EBADMSG, b.data, b.len);
    b.data[b.len / 2] ^= 1;
    b.data[12] ^= 1;
    give(c, "bad-salt", SAMPLE_SEQUENCE, true, -EBADMSG, b.data, b.len);
    b.data[12] ^= 1;
    b.data[3] ^= 1;
    give(c, "bad-key-id", SAMPLE_SEQUENCE, true, -ENOKEY, b.data, b.len);
    b.data[3] ^= 1;
    b.data[0] = 9;
    give(c, "bad-seal-format", SAMPLE_SEQUENCE, true, -EBADMSG, b.data, b.len);
    give(c, "bad-text", SAMPLE_SEQUENCE, true, -EBADMSG, "Access Denied\n", 14);
    give(c, "bad-html", SAMPLE_SEQUENCE, false, -EBADMSG, "<html>403 Forbidden</html>", 26);
    give(c, "good-plain", SAMPLE_SEQUENCE, false, 0, plain.data, plain.len);
    buf_append_byte(&plain, 0);
    give(c, "bad-trailing-byte", SAMPLE_SEQUENCE, false, -EBADMSG, plain.data, plain.len);
    give(c, "bad-cut", SAMPLE_SEQUENCE, false, -EBADMSG, plain.data, plain.len / 2);
}

/* The fields every entry has but for what is named, so that each may be left out or spoilt. */
static void put_fields(struct buf *b, size_t pairs, unsigned without, uint64_t format) {
    static const uint8_t bytes[DIGEST_SIZE];
    cborw_map(b, pairs);
    for (unsigned field = 1; field <= 10; field++) {
        if (field == without || field == 4 || field == 6)
            continue;
        cborw_uint(b, field);
        if (field == 1)
            cborw_uint(b, format);
        else if (field == 2)
            cborw_uint(b, SAMPLE_SEQUENCE);
        else if (field == 3 || field == 5)
            cborw_bytes(b, bytes, DIGEST_SIZE);
        else if (field == 7)
            cborw_bytes(b, bytes, NONCE_SIZE);
        else if (field == 10)
            cborw_uint(b, 1);
        else
            cborw_text(b, "label", 5);
    }
}

static void put_batch(struct buf *b, uint64_t size) {
    static const uint8_t digest[DIGEST_SIZE] = {1, 2, 3};
    put_fields(b, 9, 0, ENTRY_FORMAT);
    cborw_uint(b, 14);
    cborw_map(b, 2);
    cborw_uint(b, 1);
    cborw_bytes(b, digest, DIGEST_SIZE);
    cborw_uint(b, 2);
    cborw_uint(b, size);
}

static void forms(struct corpus *c) {
    static const char *const without[] = {NULL,           "bad-no-format", "bad-no-sequence", "bad-no-previous", NULL, "bad-no-tree", NULL,
                                          "bad-no-nonce", "bad-no-host",   "bad-no-user",     "bad-no-time"};
    for (unsigned field = 1; field <= 10; field++) {
        CLEANUP_BUF struct buf b = BUF_INIT(4096);
        put_fields(&b, 7, field, ENTRY_FORMAT);
        if (without[field])
            give_plain(c, without[field], -EBADMSG, &b);
    }
    CLEANUP_BUF struct buf least = BUF_INIT(4096), newer = BUF_INIT(4096), later = BUF_INIT(4096), batch = BUF_INIT(4096), order = BUF_INIT(4096),
                           twice = BUF_INIT(4096), more = BUF_INIT(4096), list = BUF_INIT(4096);
    put_fields(&least, 8, 0, ENTRY_FORMAT);
    give_plain(c, "good-claim-of-a-session", 0, &least);
    put_fields(&newer, 8, 0, ENTRY_FORMAT + 1);
    give_plain(c, "bad-newer-format", -EPROTONOSUPPORT, &newer);
    put_fields(&later, 9, 0, ENTRY_FORMAT);
    cborw_uint(&later, 99);
    cborw_text(&later, "of a later version", 18);
    give_plain(c, "good-unknown-field", 0, &later);
    put_fields(&batch, 9, 0, ENTRY_FORMAT);
    cborw_uint(&batch, 14);
    cborw_null(&batch);
    give_plain(c, "bad-batch", -EPROTONOSUPPORT, &batch);
    buf_reset(&batch);
    put_batch(&batch, 1 << 20);
    give_plain(c, "good-batch", 0, &batch);
    buf_reset(&batch);
    put_batch(&batch, BATCH_MAX + 1);
    give_plain(c, "bad-batch-too-large", -EPROTONOSUPPORT, &batch);
    put_fields(&order, 9, 0, ENTRY_FORMAT);
    cborw_uint(&order, 4);
    cborw_null(&order);
    give_plain(c, "bad-field-order", -EBADMSG, &order);
    put_fields(&twice, 9, 0, ENTRY_FORMAT);
    cborw_uint(&twice, 10);
    cborw_uint(&twice, 1);
    give_plain(c, "bad-field-twice", -EBADMSG, &twice);
    put_fields(&more, 9, 0, ENTRY_FORMAT);
    give_plain(c, "bad-fewer-fields-than-said", -EBADMSG, &more);
    cborw_array(&list, 0);
    give_plain(c, "bad-array", -EBADMSG, &list);
}

/* Of entry 7 with changes that are raw bytes. */
static void give_changes(struct corpus *c, const char *name, int err, const char *bytes, size_t n) {
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    put_fields(&b, 9, 0, ENTRY_FORMAT);
    cborw_uint(&b, 13);
    buf_append(&b, bytes, n);
    give_plain(c, name, err, &b);
}

#define BYTES(s) s, sizeof s - 1

static void changes(struct corpus *c) {
    give_changes(c, "good-empty-change", 0, BYTES("\x81\x82\x80\x80"));
    give_changes(c, "good-change-with-a-later-part", 0, BYTES("\x81\x84\x80\x80\x80\x05"));
    give_changes(c, "bad-change-of-one-part", -EBADMSG, BYTES("\x81\x81\x80"));
    give_changes(c, "bad-huge-array", -EBADMSG, BYTES("\x9b\x00\x00\x00\x00\xff\xff\xff\xff"));
    give_changes(c, "bad-array-longer-than-the-entry", -EBADMSG, BYTES("\x81\x82\x98\x64\x80"));
    give_changes(c, "bad-indefinite-array", -EBADMSG, BYTES("\x9f\xff"));
    give_changes(c, "bad-name-row-of-four", -EBADMSG, BYTES("\x81\x82\x81\x84\x01\x41x\xf6\xf6\x80"));
    give_changes(c, "bad-name-that-is-text", -EBADMSG, BYTES("\x81\x82\x81\x85\x01\x61x\xf6\xf6\x00\x80"));
    give_changes(c, "bad-number-0", -EBADMSG, BYTES("\x81\x82\x81\x85\x01\x41x\x00\xf6\x00\x80"));
    give_changes(c, "bad-number-of-64-bits", -EBADMSG, BYTES("\x81\x82\x81\x85\x01\x41x\xf6\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x00\x80"));
    give_changes(c, "bad-long-integer", -EBADMSG, BYTES("\x81\x82\x81\x85\x18\x01\x41x\xf6\xf6\x00\x80"));
    give_changes(c, "bad-float", -EBADMSG, BYTES("\x81\x82\x81\x85\xf9\x3c\x00\x41x\xf6\xf6\x00\x80"));
    give_changes(c, "bad-tag", -EBADMSG, BYTES("\xc1\x81\x82\x80\x80"));
    give_changes(c, "bad-inode-without-a-record", -EBADMSG, BYTES("\x81\x82\x80\x81\x83\x05\xf6\x80"));
    give_changes(c, "bad-inode-null", -EBADMSG, BYTES("\x81\x82\x80\x81\x83\xf6\xf6\xa5\x01\x19\x41\xed\x02\x00\x03\x00\x04\x00\x05\x00"));
    give_changes(c, "good-inode-alone", 0, BYTES("\x81\x82\x80\x81\x83\x05\xf6\xa5\x01\x19\x41\xed\x02\x00\x03\x00\x04\x00\x05\x00"));
    give_changes(c, "bad-was-of-31-bytes", -EBADMSG,
                 BYTES("\x81\x82\x80\x81\x83\x05\x58\x1f" "0123456789012345678901234567890" "\xa5\x01\x19\x41\xed\x02\x00\x03\x00\x04\x00\x05\x00"));
    give_changes(c, "bad-state-key-with-nul", -EBADMSG, BYTES("\x81\x83\x80\x80\x81\x83\x62" "a\0" "\xf6\xf6"));
}

static void values(struct corpus *c) {
    struct entry e;
    sample_entry(&e);
    e.incompat = 1;
    give_entry(c, "bad-incompatible-feature", -EPROTONOSUPPORT, &e);
    sample_entry(&e);
    e.compat = e.ro_compat = UINT64_MAX;
    give_entry(c, "good-compatible-features", 0, &e);
    sample_entry(&e);
    e.session = (uint64_t)1 << 39;
    give_entry(c, "bad-session-number", -EBADMSG, &e);
    sample_entry(&e);
    e.has_previous = false;
    give_entry(c, "bad-first-of-a-later-number", -EBADMSG, &e);
    sample_entry(&e);
    free(e.host);
    e.host = xstrdup("\xff\xfe");
    give_entry(c, "bad-host-not-utf8", -EBADMSG, &e);
    sample_entry(&e);
    free(e.host);
    e.host = xcalloc(1, 300);
    memset(e.host, 'x', 299);
    give_entry(c, "bad-host-too-long", -EBADMSG, &e);
    sample_entry(&e);
    e.has_volume = true;
    e.root = (struct record){.mode = S_IFDIR | 0755};
    give_entry(c, "bad-volume-in-a-later-entry", -EBADMSG, &e);
    sample_entry(&e);
    e.changes[0].inodes[0].rec.mode = 0;
    give_entry(c, "bad-type-of-an-inode", -EBADMSG, &e);
}

static void first_entries(struct corpus *c) {
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    static const uint8_t salt[SEAL_SALT_SIZE];
    struct entry e;
    sample_first_entry(&e);
    if (entry_seal(&e, c->none, SAMPLE_PREFIX, salt, &b) < 0)
        abort();
    give(c, "good-first", 1, false, 0, b.data, b.len);
    give(c, "bad-first-read-as-second", 2, false, -EBADMSG, b.data, b.len);
    buf_reset(&b);
    e.root.mode = S_IFREG | 0644;
    if (entry_seal(&e, c->none, SAMPLE_PREFIX, salt, &b) < 0)
        abort();
    give(c, "bad-root-is-a-file", 1, false, -EBADMSG, b.data, b.len);
    entry_free(&e);
}

void sample_corpus(void (*each)(void *arg, const struct sample_case *, const void *p, size_t n), void *arg) {
    struct corpus c = {.keys = sample_entry_keys(), .none = keyring_new(), .each = each, .arg = arg};
    sealed_ones(&c);
    forms(&c);
    changes(&c);
    values(&c);
    first_entries(&c);
    keyring_free(c.keys);
    keyring_free(c.none);
}
