/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Areas: the rules by which a volume's objects are put, each for a path and all below it (assetfs-format(5), "VOLUME STATE", area/PATH). Of several that fit a path the longest
 * counts. What no rule fits is put by the default one, area_default(): files/<sha-256>.jpg, signed.
 *
 * A path is the names of directories with slashes between them, UTF-8, without one at either end; "" is the whole volume. A rule goes by the path, not by what stands
 * there now.
 *
 * This header is pure: rules as data, as bytes, as text, and sets of them. tree/area_set.h knows those of a volume. A rule owns its strings.
 */
#ifndef ASSETFS_AREA_H
#define ASSETFS_AREA_H

#include "base/buf.h"
#include "store/keep.h"
#include "tree/area_key.h"

#define AREA_CACHE_CONTROL "public, max-age=31536000, immutable"
#define AREA_STATE "area/" /* what the keys of the volume state begin with */
#define AREA_PATH_MAX 768
#define AREA_METADATA_MAX 2048 /* names and values, as S3 counts them */
#define AREA_METADATA_COUNT 24
#define AREA_TAGS_MAX 10
#define AREA_RULE_MAX ((size_t)16 << 10) /* encoded */

enum area_access {
    AREA_OPEN,   /* whoever knows the link may read */
    AREA_SIGNED, /* whoever has a signed link */
};

struct area {
    char *path;
    char *tmpl;          /* key template (area_key.h); NULL: AREA_TEMPLATE */
    enum area_access access;
    char *storage_class; /* NULL: the bucket's */
    char *cache_control; /* NULL: AREA_CACHE_CONTROL */
    char *disposition;   /* NULL: none */
    struct keep_pair *metadata; /* ascending by name, as the tags */
    size_t n_metadata;
    struct keep_pair *tags;
    size_t n_tags;
    unsigned encryption; /* enum keep_encryption; a number that is not one of them: of a newer version, nothing can be put here */
    char *key_id;        /* KEEP_SSE_KMS: the key, NULL: the bucket's; KEEP_CUSTOMER: the fingerprint of the key */
    bool bucket_key;
    bool active_inline;  /* types that a browser runs are shown by it: no Content-Disposition of ours */
};

void area_free(struct area *); /* what it owns; the struct becomes zero */
#define CLEANUP_AREA __attribute__((cleanup(area_free)))
void area_copy(struct area *to, const struct area *from);
static inline const char *area_template(const struct area *a) {
    return a->tmpl ? a->tmpl : AREA_TEMPLATE;
}
bool area_equal(const struct area *, const struct area *);
void area_tidy(struct area *); /* text that says the default goes */
/* The rule of what no rule fits; never freed. */
const struct area *area_default(void);

/* Bytes (the value of area/PATH; the path is not in them). Parsing checks form, area_check() the rest: a rule that another host has set is taken as it is. -EBADMSG. */
void area_encode(const struct area *, struct buf *);
int area_decode(const char *path, const void *p, size_t n, struct area *ret) ATTR_WARN_UNUSED;

/* Text: NAME=VALUE words with a space between, in which a byte of 0x20 and below, 0x7f and '%' stands as %XX. What is not given is the default.
 *   key=TEMPLATE  access=open|signed  class=NAME  cache-control=TEXT  disposition=TEXT  active=attachment|inline  meta.NAME=TEXT  tag.NAME=TEXT
 *   encryption=bucket|sse-s3|sse-kms|sse-c  kms-key=ID  bucket-key=yes|no
 * -EINVAL with the sentence that says what is wrong. */
int area_parse(const char *path, const char *words, struct area *ret, struct buf *why) ATTR_WARN_UNUSED;
/* One word so that area_parse() reads it; appended. */
void area_quote(const char *word, struct buf *);
/* What area_parse() reads, only what is not the default. */
void area_words(const struct area *, struct buf *);
void area_json(const struct area *, struct buf *); /* an object on one line, everything in it */

/* Makes the path of what a person writes: slashes at its ends and double ones go. malloc'd; NULL with a sentence: "..", a name over 255 bytes, no UTF-8, ... */
char *area_path(const char *text, struct buf *why);
/* The rule by itself. prefix: of the volume's journal. customer_key: fingerprint of the key this host's store has for SSE-C, or NULL; no_customer_key: then, why not. */
int area_check(const struct area *, const char *prefix, const char *customer_key, const char *no_customer_key, struct buf *why) ATTR_WARN_UNUSED;

/* Whether a browser runs what has this content type. */
bool area_is_active(const char *content_type);
/* How an object of that type is kept; a new reference. */
struct keep *area_keep(const struct area *, const char *content_type) ATTR_WARN_UNUSED;

/* A set of rules, ascending by path. */
struct areas {
    struct area *v;
    size_t n;
};
void areas_free(struct areas *);
/* Takes what the area owns over; one of that path is replaced. */
void areas_put(struct areas *, struct area *);
void areas_remove(struct areas *, const char *path);
const struct area *areas_at(const struct areas *, const char *path); /* of exactly that path, or NULL */
/* Of a path of the tree, NUL-terminated bytes: never NULL. */
const struct area *areas_find(const struct areas *, const char *path);
/* Whether rules begin at the path or below it: what is moved there, or away, may change areas. */
bool areas_below(const struct areas *, const char *path);
/* May the rule stand among the others? Two areas do not put into one room; and where one is open and the other signed, neither lies in the other's room, for a CDN tells
 * them apart by how a key begins. So an area inside another needs the same access, or a room elsewhere. */
int areas_check(const struct areas *, const struct area *, struct buf *why) ATTR_WARN_UNUSED;

#endif
