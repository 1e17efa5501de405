/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/area.h"
#include "base/cbor.h"
#include "base/digest.h"
#include <strings.h>

enum { A_TEMPLATE = 1, A_ACCESS, A_CLASS, A_HEADERS, A_TAGS, A_ENCRYPTION, A_INLINE };
enum { E_METHOD = 1, E_KEY, E_BUCKET_KEY };

#define META "x-amz-meta-"
#define CACHE_CONTROL "cache-control"
#define DISPOSITION "content-disposition"

void area_free(struct area *a) {
    free(a->path);
    free(a->tmpl);
    free(a->storage_class);
    free(a->cache_control);
    free(a->disposition);
    free(a->key_id);
    keep_pairs_free(a->metadata, a->n_metadata);
    keep_pairs_free(a->tags, a->n_tags);
    *a = (struct area){0};
}

static char *copy(const char *s) {
    return s ? xstrdup(s) : NULL;
}

static void copy_pairs(struct keep_pair **to, size_t *n, const struct keep_pair *from, size_t m) {
    *to = NULL;
    *n = 0;
    for (size_t i = 0; i < m; i++)
        keep_add(to, n, from[i].name, from[i].value);
}

void area_copy(struct area *to, const struct area *from) {
    *to = *from;
    to->path = copy(from->path);
    to->tmpl = copy(from->tmpl);
    to->storage_class = copy(from->storage_class);
    to->cache_control = copy(from->cache_control);
    to->disposition = copy(from->disposition);
    to->key_id = copy(from->key_id);
    copy_pairs(&to->metadata, &to->n_metadata, from->metadata, from->n_metadata);
    copy_pairs(&to->tags, &to->n_tags, from->tags, from->n_tags);
}

bool area_equal(const struct area *a, const struct area *b) {
    CLEANUP_BUF struct buf x = BUF_INIT(1 << 20), y = BUF_INIT(1 << 20);
    area_encode(a, &x);
    area_encode(b, &y);
    return !strcmp(a->path, b->path) && x.len == y.len && !memcmp(x.data, y.data, x.len);
}

const struct area *area_default(void) {
    static const struct area rule = {.path = (char *)"", .access = AREA_SIGNED};
    return &rule;
}

/* Writing */

static void put_text(struct buf *b, const char *s) {
    cborw_text(b, s, strlen(s));
}

static void put_pairs(struct buf *b, const char *before, const struct keep_pair *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        CLEANUP_FREE char *name = xasprintf("%s%s", before, list[i].name);
        put_text(b, name);
        put_text(b, list[i].value);
    }
}

static void put_encryption(const struct area *a, struct buf *b) {
    cborw_uint(b, A_ENCRYPTION);
    cborw_map(b, 1 + (a->key_id != NULL) + a->bucket_key);
    cborw_uint(b, E_METHOD);
    cborw_uint(b, a->encryption);
    if (a->key_id) {
        cborw_uint(b, E_KEY);
        put_text(b, a->key_id);
    }
    if (a->bucket_key) {
        cborw_uint(b, E_BUCKET_KEY);
        cborw_bool(b, true);
    }
}

void area_encode(const struct area *a, struct buf *b) {
    size_t headers = (a->cache_control != NULL) + (a->disposition != NULL) + a->n_metadata;
    cborw_map(b, 1 + (a->tmpl != NULL) + (a->storage_class != NULL) + (headers > 0) + (a->n_tags > 0) + (a->encryption != KEEP_BUCKET) +
                     a->active_inline);
    if (a->tmpl) {
        cborw_uint(b, A_TEMPLATE);
        put_text(b, a->tmpl);
    }
    cborw_uint(b, A_ACCESS);
    cborw_uint(b, a->access);
    if (a->storage_class) {
        cborw_uint(b, A_CLASS);
        put_text(b, a->storage_class);
    }
    if (headers) {
        cborw_uint(b, A_HEADERS);
        cborw_map(b, headers);
        if (a->cache_control)
            put_pairs(b, "", &(struct keep_pair){(char *)CACHE_CONTROL, a->cache_control}, 1);
        if (a->disposition)
            put_pairs(b, "", &(struct keep_pair){(char *)DISPOSITION, a->disposition}, 1);
        put_pairs(b, META, a->metadata, a->n_metadata);
    }
    if (a->n_tags) {
        cborw_uint(b, A_TAGS);
        cborw_map(b, a->n_tags);
        put_pairs(b, "", a->tags, a->n_tags);
    }
    if (a->encryption != KEEP_BUCKET)
        put_encryption(a, b);
    if (a->active_inline) {
        cborw_uint(b, A_INLINE);
        cborw_bool(b, true);
    }
}

/* Reading */

/* What says the default has one form: nothing. */
static void drop_if(char **field, const char *value) {
    if (*field && !strcmp(*field, value)) {
        free(*field);
        *field = NULL;
    }
}

void area_tidy(struct area *a) {
    drop_if(&a->tmpl, AREA_TEMPLATE);
    drop_if(&a->cache_control, AREA_CACHE_CONTROL);
}

static char *take_text(struct cbor_in *in) {
    const char *s;
    size_t n;
    return cborr_text(in, &s, &n) < 0 || memchr(s, 0, n) ? NULL : xstrndup(s, n);
}

static int take_new_text(struct cbor_in *in, char **ret) {
    *ret = take_text(in);
    return *ret ? 0 : -EBADMSG;
}

/* Names must ascend: one rule has one form. */
static int take_pairs(struct cbor_in *in, struct keep_pair **ret, size_t *ret_n) {
    size_t n;
    if (cborr_map(in, &n) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        CLEANUP_FREE char *name = take_text(in);
        CLEANUP_FREE char *value = name ? take_text(in) : NULL;
        if (!value || (i && strcmp((*ret)[i - 1].name, name) >= 0))
            return -EBADMSG;
        keep_add(ret, ret_n, name, value);
    }
    return 0;
}

/* Headers of names that this version does not know are left out. */
static int take_headers(struct cbor_in *in, struct area *a) {
    struct keep_pair *list = NULL;
    size_t n = 0;
    int r = take_pairs(in, &list, &n);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (!strcmp(list[i].name, CACHE_CONTROL))
            a->cache_control = xstrdup(list[i].value);
        else if (!strcmp(list[i].name, DISPOSITION))
            a->disposition = xstrdup(list[i].value);
        else if (!strncmp(list[i].name, META, strlen(META)))
            keep_add(&a->metadata, &a->n_metadata, list[i].name + strlen(META), list[i].value);
    }
    keep_pairs_free(list, n);
    return r;
}

static int take_encryption(struct cbor_in *in, struct area *a) {
    size_t n;
    uint64_t key, last = 0, v;
    int r = cborr_map(in, &n);
    for (size_t i = 0; i < n && r == 0; i++) {
        r = cborr_uint(in, &key);
        if (r < 0 || key <= last)
            return -EBADMSG;
        last = key;
        if (key == E_METHOD) {
            r = cborr_uint(in, &v);
            a->encryption = r == 0 ? (unsigned)MIN(v, 1000) : 0;
        } else if (key == E_KEY) {
            r = take_new_text(in, &a->key_id);
        } else if (key == E_BUCKET_KEY) {
            r = cborr_bool(in, &a->bucket_key);
        } else {
            r = cborr_skip(in, NULL, NULL);
        }
    }
    return r == 0 && a->encryption == KEEP_BUCKET ? -EBADMSG : r;
}

static int take_field(struct cbor_in *in, uint64_t key, struct area *a) {
    uint64_t v;
    int r;
    switch (key) {
    case A_TEMPLATE:
        return take_new_text(in, &a->tmpl);
    case A_ACCESS: /* one that is not known here is not open */
        r = cborr_uint(in, &v);
        a->access = r == 0 && v == AREA_OPEN ? AREA_OPEN : AREA_SIGNED;
        return r;
    case A_CLASS:
        return take_new_text(in, &a->storage_class);
    case A_HEADERS:
        return take_headers(in, a);
    case A_TAGS:
        return take_pairs(in, &a->tags, &a->n_tags);
    case A_ENCRYPTION:
        return take_encryption(in, a);
    case A_INLINE:
        return cborr_bool(in, &a->active_inline);
    default:
        return cborr_skip(in, NULL, NULL);
    }
}

int area_decode(const char *path, const void *p, size_t n, struct area *ret) {
    struct cbor_in in = {p, (const uint8_t *)p + n};
    size_t pairs = 0;
    uint64_t key, last = 0;
    *ret = (struct area){.path = xstrdup(path), .access = AREA_SIGNED};
    int r = n > AREA_RULE_MAX ? -EBADMSG : cborr_map(&in, &pairs);
    for (size_t i = 0; i < pairs && r == 0; i++) {
        r = cborr_uint(&in, &key);
        if (r == 0 && key <= last)
            r = -EBADMSG;
        last = key;
        if (r == 0)
            r = take_field(&in, key, ret);
    }
    if (r == 0 && in.p != in.end)
        r = -EBADMSG;
    area_tidy(ret);
    if (r < 0)
        area_free(ret);
    return r;
}

/* How objects are kept */

bool area_is_active(const char *type) {
    static const char *const types[] = {"text/html",       "application/xhtml+xml",  "image/svg+xml",
                                        "text/xml",        "application/xml",        "text/xsl",
                                        "message/rfc822",  "application/x-mimearchive", "multipart/related",
                                        "image/svg+xml-compressed", "application/x-shockwave-flash", "application/vnd.wap.xhtml+xml"};
    size_t n = type ? strlen(type) : 0;
    for (size_t i = 0; i < ARRAY_SIZE(types) && n; i++)
        if (!strcasecmp(type, types[i]))
            return true;
    return n > 4 && !strcasecmp(type + n - 4, "+xml");
}

/* "attachment" for what is to be saved and not shown; what the rule says may add a file name. */
static const char *disposition_of(const struct area *a, const char *type) {
    bool attaches = a->disposition && !strncasecmp(a->disposition, "attachment", 10);
    bool must = a->access == AREA_OPEN && !a->active_inline && area_is_active(type);
    return must && !attaches ? "attachment" : a->disposition;
}

struct keep *area_keep(const struct area *a, const char *type) {
    struct keep *k = keep_new();
    k->cache_control = xstrdup(a->cache_control ? a->cache_control : AREA_CACHE_CONTROL);
    k->content_disposition = copy(disposition_of(a, type));
    k->storage_class = copy(a->storage_class);
    copy_pairs(&k->metadata, &k->n_metadata, a->metadata, a->n_metadata);
    copy_pairs(&k->tags, &k->n_tags, a->tags, a->n_tags);
    k->encryption = (enum keep_encryption)a->encryption;
    k->kms_key = a->encryption == KEEP_SSE_KMS ? copy(a->key_id) : NULL;
    k->customer_key = a->encryption == KEEP_CUSTOMER ? copy(a->key_id) : NULL;
    k->bucket_key = a->bucket_key;
    return k;
}

/* Sets */

void areas_free(struct areas *s) {
    for (size_t i = 0; i < s->n; i++)
        area_free(&s->v[i]);
    free(s->v);
    *s = (struct areas){0};
}

static size_t place_of(const struct areas *s, const char *path) {
    size_t i = 0;
    while (i < s->n && strcmp(s->v[i].path, path) < 0)
        i++;
    return i;
}

const struct area *areas_at(const struct areas *s, const char *path) {
    size_t i = place_of(s, path);
    return i < s->n && !strcmp(s->v[i].path, path) ? &s->v[i] : NULL;
}

void areas_remove(struct areas *s, const char *path) {
    size_t i = place_of(s, path);
    if (i == s->n || strcmp(s->v[i].path, path) != 0)
        return;
    area_free(&s->v[i]);
    memmove(&s->v[i], &s->v[i + 1], (--s->n - i) * sizeof *s->v);
}

void areas_put(struct areas *s, struct area *a) {
    areas_remove(s, a->path);
    size_t i = place_of(s, a->path);
    s->v = xrealloc(s->v, (s->n + 1) * sizeof *s->v);
    memmove(&s->v[i + 1], &s->v[i], (s->n++ - i) * sizeof *s->v);
    s->v[i] = *a;
    *a = (struct area){0};
}

/* `path` is the directory, or lies in it. */
static bool is_within(const char *path, const char *directory) {
    size_t n = strlen(directory);
    return n == 0 || (!strncmp(path, directory, n) && (path[n] == '/' || !path[n]));
}

const struct area *areas_find(const struct areas *s, const char *path) {
    const struct area *found = NULL;
    for (size_t i = 0; i < s->n; i++)
        if (is_within(path, s->v[i].path) && (!found || strlen(s->v[i].path) >= strlen(found->path)))
            found = &s->v[i];
    return found ? found : area_default();
}

bool areas_below(const struct areas *s, const char *path) {
    for (size_t i = 0; i < s->n; i++)
        if (*s->v[i].path && is_within(s->v[i].path, path))
            return true;
    return false;
}

static const char *show(const struct area *a) {
    return *a->path ? a->path : "the volume as a whole";
}

static int check_pair(const struct area *a, const struct area *b, struct buf *why) {
    CLEANUP_FREE char *x = area_key_room(area_template(a), a->path), *y = area_key_room(area_template(b), b->path);
    size_t n = MIN(strlen(x), strlen(y));
    if (!strcmp(x, y)) {
        buf_printf(why, "the keys of %s and of %s would both begin with \"%s\", and one key has one rule: give one of them another key template", show(a), show(b), x);
        return -EINVAL;
    }
    if (a->access == b->access || memcmp(x, y, n) != 0)
        return 0;
    const struct area *inner = is_within(a->path, b->path) ? a : b, *outer = inner == a ? b : a;
    bool inside = *outer->path && is_within(inner->path, outer->path);
    buf_printf(why, "%s is %s and %s%s%s is %s, but the keys of one (\"%s...\") lie among those of the other (\"%s...\"), and a CDN tells them apart by how a key begins: "
                    "give one of them a key template that begins otherwise, or both the same access",
               show(inner), inner->access == AREA_OPEN ? "open" : "signed", inside ? "the area around it, " : "", show(outer), inside ? "," : "",
               outer->access == AREA_OPEN ? "open" : "signed", inner == a ? x : y, inner == a ? y : x);
    return -EINVAL;
}

int areas_check(const struct areas *s, const struct area *a, struct buf *why) {
    bool root = !*a->path || areas_at(s, "");
    int r = root ? 0 : check_pair(a, area_default(), why);
    for (size_t i = 0; i < s->n && r == 0; i++)
        if (strcmp(s->v[i].path, a->path) != 0)
            r = check_pair(a, &s->v[i], why);
    return r;
}
