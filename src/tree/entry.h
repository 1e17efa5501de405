/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A journal entry: a group of changes (assetfs-format(5), "Entry"). In memory a struct entry that owns its arrays; in the bucket deterministic CBOR, sealed under
 * its object key. Pure: no I/O. Parsing checks form; whether a change fits the tree is apply's business.
 */
#ifndef ASSETFS_ENTRY_H
#define ASSETFS_ENTRY_H

#include "base/seal.h"
#include "store/store.h"
#include "tree/checkpoint_ref.h"
#include "tree/record.h"

#define ENTRY_MAX (4u << 20) /* bytes of an entry's object in the bucket */
#define BATCH_MAX ((size_t)STORE_WHOLE_MAX) /* bytes of a batch's object */
#define ENTRY_FORMAT 1
#define NONCE_SIZE 16
#define VOLUME_ID_SIZE 16
#define LABEL_MAX 255

/* Feature bits this version knows. */
#define FEATURE_AREAS 1u                   /* the volume has areas: what is put goes by their rules */
#define FEATURES_RO_COMPAT FEATURE_AREAS /* others: mount read-only */
#define FEATURES_INCOMPAT 0u  /* others: stop before this entry */

struct name_edit {
    uint64_t parent;
    char *name; /* n bytes, not NUL-terminated */
    size_t n;
    uint64_t was, now; /* 0: none */
    int64_t when;      /* ns */
};

enum was_kind { WAS_NEW, WAS_BACK, WAS_PLAIN, WAS_CONTENT, WAS_ETAG };
struct inode_edit {
    uint64_t ino;
    enum was_kind was;
    uint8_t was_id[DIGEST_SIZE]; /* WAS_CONTENT */
    char *was_etag;              /* WAS_ETAG */
    struct record rec;
};

struct state_edit {
    char *key;               /* NUL-terminated text */
    uint8_t *was, *now;      /* encoded CBOR items, NULL: none */
    size_t was_len, now_len;
};

/* The atom: all of it fits and is applied, or none. */
struct change {
    struct name_edit *names;
    size_t n_names;
    struct inode_edit *inodes;
    size_t n_inodes;
    struct state_edit *states;
    size_t n_states;
};

/* Changes that do not fit the entry: an object <prefix>/batch/<digest>. */
struct batch_ref {
    uint8_t digest[DIGEST_SIZE]; /* of the object */
    uint64_t size;               /* of it; 0: none */
};

struct entry {
    uint64_t sequence;
    bool has_previous;
    uint8_t previous[DIGEST_SIZE]; /* SHA-256 of the object of the last authentic entry before */
    uint64_t compat, ro_compat, incompat;
    uint8_t tree[DIGEST_SIZE];     /* digest of the tree this entry was built on */
    uint64_t session;              /* 0: this entry claims session `sequence` */
    uint8_t nonce[NONCE_SIZE];
    char *host, *user;             /* labels, UTF-8 */
    int64_t time;                  /* ns */
    struct checkpoint_ref checkpoint; /* the latest that the writer knows; seq 0: none */
    char *message;                 /* or NULL */
    struct change *changes;
    size_t n_changes;
    size_t size;                   /* bytes in the bucket, without its batch; set by entry_open() */
    struct batch_ref batch;        /* more of them follow there */
    bool has_volume;               /* entry 1 */
    uint8_t volume_id[VOLUME_ID_SIZE];
    struct record root;            /* entry 1 */
};

void change_free(struct change *);
void entry_free(struct entry *); /* what it owns; the struct becomes zero */
#define CLEANUP_ENTRY __attribute__((cleanup(entry_free)))

/* Appends the CBOR of an entry / of one change (to measure it). */
void entry_encode(const struct entry *, struct buf *);
void change_encode(const struct change *, struct buf *);
/* The array of an entry's changes alone, as it stands in a batch; and adds those of a batch's plaintext. */
void entry_encode_changes(const struct entry *, struct buf *);
int entry_add_changes(struct entry *, const void *p, size_t n) ATTR_WARN_UNUSED;
/* -EBADMSG: no entry of this format. -EPROTONOSUPPORT: a newer format version or an unknown incompatible feature. */
int entry_parse(const void *p, size_t n, struct entry *ret) ATTR_WARN_UNUSED;

/* "<prefix>/journal/<16 digits>", malloc'd */
char *entry_key(const char *prefix, uint64_t sequence);
/* Encodes and seals. -EFBIG above ENTRY_MAX. */
int entry_seal(const struct entry *, const struct keyring *, const char *prefix, const uint8_t salt[SEAL_SALT_SIZE], struct buf *ret)
    ATTR_WARN_UNUSED;
/* Unseals and parses the object of number `sequence`; also checks that it says that number. Errors of unseal() and entry_parse(). */
int entry_open(const void *p, size_t n, const struct keyring *, const char *prefix, uint64_t sequence, struct entry *ret) ATTR_WARN_UNUSED;

#endif
