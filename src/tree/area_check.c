/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a bucket would not take, said when the rule is set.
 *
 * Facts: "Working with object metadata" (2 KB), "Categorizing your storage using tags" (10 tags, 128 and 256 characters), "Understanding and managing Amazon S3 storage classes"
 * (Amazon S3 User Guide).
 */
#include "base/utf8.h"
#include "tree/area.h"

#define TAG_NAME_MAX 128
#define TAG_VALUE_MAX 256
#define VALUE_MAX 1024

static bool is_printable(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
            return false;
    return true;
}

/* Of the characters that may stand in an HTTP header's name (RFC 9110, "token"), those that everybody on the way leaves alone. */
static bool is_meta_name(const char *s) {
    return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(s);
}

static int check_header(const char *name, const char *value, struct buf *why) {
    if (!value)
        return 0;
    size_t n = strlen(value);
    if (n == 0 || !is_printable(value) || value[0] == ' ' || value[n - 1] == ' ') {
        buf_printf(why, "%s has a character in it that an HTTP header cannot have: printable ASCII only, no space at the ends", name);
        return -EINVAL;
    }
    if (n > VALUE_MAX) {
        buf_printf(why, "%s is %zu bytes long, and may have %d", name, n, VALUE_MAX);
        return -EINVAL;
    }
    return 0;
}

static int check_disposition(const char *value, struct buf *why) {
    static const char *const kinds[] = {"attachment", "inline"};
    if (!value)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t n = strlen(kinds[i]);
        if (!strncmp(value, kinds[i], n) && (!value[n] || value[n] == ';'))
            return 0;
    }
    buf_printf(why, "disposition=%s begins neither with attachment nor with inline (RFC 6266)", value);
    return -EINVAL;
}

static int check_class(const char *class, struct buf *why) {
    static const char *const archives[] = {"GLACIER", "DEEP_ARCHIVE"};
    if (!class)
        return 0;
    if (strspn(class, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(class) || strlen(class) > 64) {
        buf_printf(why, "class=%s is not the name of a storage class, such as STANDARD_IA or INTELLIGENT_TIERING", class);
        return -EINVAL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(archives); i++)
        if (!strcmp(class, archives[i])) {
            buf_printf(why, "objects of the storage class %s cannot be read before somebody restores them: choose GLACIER_IR or STANDARD_IA", class);
            return -EINVAL;
        }
    static const char *const known[] = {"STANDARD", "STANDARD_IA",        "ONEZONE_IA",  "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY",
                                        "OUTPOSTS", "EXPRESS_ONEZONE", "SNOW", "FSX_OPENZFS",         "FSX_ONTAP"};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (!strcmp(class, known[i]))
            return 0;
    buf_printf(why, "%s is not a storage class of S3: there are STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING, GLACIER_IR and REDUCED_REDUNDANCY", class);
    return -EINVAL;
}

static int check_metadata(const struct area *a, struct buf *why) {
    size_t bytes = 0;
    for (size_t i = 0; i < a->n_metadata; i++) {
        const struct keep_pair *m = &a->metadata[i];
        CLEANUP_FREE char *name = xasprintf("meta.%s", m->name);
        if (!is_meta_name(m->name)) {
            buf_printf(why, "meta.%s is no name of metadata: a to z, 0 to 9, '-', '_' and '.' only", m->name);
            return -EINVAL;
        }
        if (!*m->value) {
            buf_printf(why, "%s= has nothing after it: metadata has a value", name);
            return -EINVAL;
        }
        bytes += strlen(m->name) + strlen(m->value);
    }
    if (bytes > AREA_METADATA_MAX) {
        buf_printf(why, "the metadata is %zu bytes long, names and values together, and S3 takes at most %d (2 KB)", bytes, AREA_METADATA_MAX);
        return -EINVAL;
    }
    if (a->n_metadata > AREA_METADATA_COUNT) {
        buf_printf(why, "there are %zu names of metadata, and an area has at most %d", a->n_metadata, AREA_METADATA_COUNT);
        return -EINVAL;
    }
    int r = 0;
    for (size_t i = 0; i < a->n_metadata && r == 0; i++) {
        CLEANUP_FREE char *name = xasprintf("meta.%s", a->metadata[i].name);
        r = check_header(name, a->metadata[i].value, why);
    }
    return r;
}

/* Letters, digits and spaces in any script, and these. */
static bool is_tag_text(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x80 && !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 +-=._:/@", *s))
            return false;
    return true;
}

static size_t characters(const char *s) {
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static int check_tags(const struct area *a, struct buf *why) {
    if (a->n_tags > AREA_TAGS_MAX) {
        buf_printf(why, "there are %zu tags, and an object has at most %d", a->n_tags, AREA_TAGS_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < a->n_tags; i++) {
        const struct keep_pair *t = &a->tags[i];
        if (!strncmp(t->name, "aws:", 4)) {
            buf_printf(why, "tag.%s: names that begin with aws: are Amazon's own", t->name);
            return -EINVAL;
        }
        if (characters(t->name) > TAG_NAME_MAX || characters(t->value) > TAG_VALUE_MAX) {
            buf_printf(why, "tag.%.40s is too long: a tag's name has at most %d characters, its value %d", t->name, TAG_NAME_MAX, TAG_VALUE_MAX);
            return -EINVAL;
        }
        if (!is_tag_text(t->name) || !is_tag_text(t->value)) {
            buf_printf(why, "tag.%s has a character in it that a tag cannot have: letters, digits, spaces and + - = . _ : / @ only", t->name);
            return -EINVAL;
        }
    }
    return 0;
}

static int check_encryption(const struct area *a, const char *customer_key, const char *no_customer_key, struct buf *why) {
    if (a->encryption == KEEP_SSE_KMS && a->key_id && (!is_printable(a->key_id) || strchr(a->key_id, ' ') || strlen(a->key_id) > 2048)) {
        buf_printf(why, "kms-key= is the id, the ARN or the alias of a KMS key, without spaces");
        return -EINVAL;
    }
    if (a->encryption > KEEP_CUSTOMER) {
        buf_append_str(why, "the encryption is one of a newer assetfs: install it");
        return -EINVAL;
    }
    if ((a->encryption < KEEP_SSE_KMS && a->key_id) || (a->encryption != KEEP_SSE_KMS && a->bucket_key)) {
        buf_append_str(why, "a key is named for an encryption that has none");
        return -EINVAL;
    }
    if (a->encryption != KEEP_CUSTOMER)
        return 0;
    if (!customer_key) {
        buf_printf(why, "encryption=sse-c cannot be had here: %s", no_customer_key);
        return -EINVAL;
    }
    if (a->access == AREA_OPEN) {
        buf_append_str(why, "encryption=sse-c and access=open contradict each other: what only the holder of a key can read has no link for everybody");
        return -EINVAL;
    }
    if (a->key_id && strcmp(a->key_id, customer_key) != 0) {
        buf_printf(why, "encryption=sse-c of this area is under the customer key %s, and this host has %s: give the right sse_c_key_file=", a->key_id, customer_key);
        return -EINVAL;
    }
    return 0;
}

int area_check(const struct area *a, const char *prefix, const char *customer_key, const char *no_customer_key, struct buf *why) {
    CLEANUP_BUF struct buf encoded = BUF_INIT(1 << 20);
    int r = area_key_check(area_template(a), a->path, prefix, why);
    if (r == 0)
        r = check_header("cache-control", a->cache_control, why);
    if (r == 0)
        r = check_header("disposition", a->disposition, why);
    if (r == 0)
        r = check_disposition(a->disposition, why);
    if (r == 0)
        r = check_class(a->storage_class, why);
    if (r == 0)
        r = check_metadata(a, why);
    if (r == 0)
        r = check_tags(a, why);
    if (r == 0)
        r = check_encryption(a, customer_key, no_customer_key, why);
    area_encode(a, &encoded);
    if (r == 0 && encoded.len > AREA_RULE_MAX) {
        buf_printf(why, "the rule is %zu bytes long, and may have %zu", encoded.len, AREA_RULE_MAX);
        r = -EINVAL;
    }
    return r;
}
