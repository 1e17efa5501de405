/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An inode record: everything about an inode but its number and its names (assetfs-format(5), "Inode record"). In memory a struct
 * record that owns what it points to; in the journal and in tree.db its deterministic CBOR map. Two records are equal
 * exactly when their encodings are. Fields of later versions are kept as they came and written back.
 */
#ifndef ASSETFS_RECORD_H
#define ASSETFS_RECORD_H

#include "base/buf.h"
#include "base/cbor.h"
#include "data/content.h"
#include "tree/attr.h"

#define RECORD_MAX (2u << 20) /* bytes of an encoded record: 1 MiB of xattrs, 64 digests, a target, and what later versions add */
#define XATTRS_MAX (1u << 20) /* names and values of one inode together */
#define XATTR_VALUE_MAX (64u << 10)
#define TARGET_MAX 4095

struct xattr {
    char *name; /* NUL-terminated */
    uint8_t *value;
    size_t n;
};

struct record {
    uint32_t mode; /* S_IFMT and permission bits */
    uint32_t uid, gid;
    int64_t atime, mtime, ctime, btime;
    uint64_t size;           /* regular files */
    struct content *content; /* a reference; NULL: no content (empty file, or not a file) */
    char *etag;              /* foreign object: content->id is zero, `foreign` is set */
    bool foreign;
    char *target;            /* symlinks: NUL-terminated */
    uint32_t rdev_major, rdev_minor;
    struct xattr *xattrs;    /* sorted by name */
    size_t n_xattrs;
    uint8_t *unknown;        /* encoded key-value pairs of fields this version does not know, ascending */
    size_t unknown_len, unknown_pairs;
};

void record_free(struct record *);                        /* what it owns; the struct becomes zero */
void record_copy(struct record *to, const struct record *from); /* to: uninitialised */
/* Appends the encoding. */
void record_encode(const struct record *, struct buf *);
/* Takes one map from the cursor. -EBADMSG: not deterministic, impossible values (unknown type, size without content, too long, ...). */
int record_decode(struct cbor_in *, struct record *ret) ATTR_WARN_UNUSED;
/* Of exactly these bytes. */
int record_parse(const void *p, size_t n, struct record *ret) ATTR_WARN_UNUSED;
/* Only mode and size of an encoded record: cheap. -EBADMSG: it does not begin like one. */
int record_peek(const void *p, size_t n, uint32_t *ret_mode, uint64_t *ret_size) ATTR_WARN_UNUSED;
bool record_equal(const struct record *, const struct record *);

/* Content as merging compares it: by content id (foreign: by ETag) for files, target for symlinks, rdev for devices. Types must be equal. */
bool record_same_content(const struct record *, const struct record *);
/* Replaces the content fields (size, content, etag, foreign; not mtime) by those of `from`. */
void record_take_content(struct record *to, const struct record *from);

const struct xattr *record_xattr(const struct record *, const char *name);
/* value NULL removes. */
void record_set_xattr(struct record *, const char *name, const void *value, size_t n);
size_t record_xattr_bytes(const struct record *);

#define CLEANUP_RECORD __attribute__((cleanup(record_free)))

#endif
