/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rules as people write and read them.
 */
#include "base/digest.h"
#include "base/utf8.h"
#include "tree/area.h"
#include <ctype.h>

#define WORD_MAX 4096

void area_quote(const char *word, struct buf *b) {
    for (; *word; word++) {
        unsigned char c = (unsigned char)*word;
        if (c <= 0x20 || c == 0x7f || c == '%')
            buf_printf(b, "%%%02X", c);
        else
            buf_append_byte(b, c);
    }
}

/* Takes the next word off *at, malloc'd. NULL: there is none, or *bad. */
static char *next_word(const char **at, bool *bad) {
    while (**at == ' ')
        (*at)++;
    size_t n = strcspn(*at, " ");
    if (n == 0)
        return NULL;
    CLEANUP_FREE char *word = xstrndup(*at, n);
    char *out = word;
    *at += n;
    for (const char *p = word; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '%') {
            char hex[3] = {p[1], p[1] ? p[2] : '\0', '\0'};
            if (hex_decode(hex, &c, 1) < 0 || !c) {
                *bad = true;
                return NULL;
            }
            p += 2;
        }
        *out++ = (char)c;
    }
    *out = '\0';
    return STEAL_PTR(&word);
}

struct choice {
    const char *name;
    unsigned value;
};

static const struct choice accesses[] = {{"open", AREA_OPEN}, {"signed", AREA_SIGNED}, {0}};
static const struct choice actives[] = {{"attachment", false}, {"inline", true}, {0}};
static const struct choice answers[] = {{"no", false}, {"yes", true}, {0}};
static const struct choice encryptions[] = {
    {"bucket", KEEP_BUCKET}, {"sse-s3", KEEP_SSE_S3}, {"sse-kms", KEEP_SSE_KMS}, {"sse-c", KEEP_CUSTOMER}, {0}};

static int choose(const char *name, const char *value, const struct choice *list, unsigned *ret, struct buf *why) {
    for (const struct choice *c = list; c->name; c++)
        if (!strcmp(c->name, value)) {
            *ret = c->value;
            return 0;
        }
    buf_printf(why, "%s=%s means nothing: it is", name, value);
    for (const struct choice *c = list; c->name; c++)
        buf_printf(why, "%s %s", c == list ? "" : c[1].name ? "," : " or", c->name);
    return -EINVAL;
}

static const char *name_of(const struct choice *list, unsigned value) {
    for (; list->name; list++)
        if (list->value == value)
            return list->name;
    return "unknown";
}

static int set_text(const char *name, const char *value, char **field, struct buf *why) {
    if (!*value) {
        buf_printf(why, "%s= has nothing after it: leave it out for the default", name);
        return -EINVAL;
    }
    free(*field);
    *field = xstrdup(value);
    return 0;
}

/* Keeps the list ascending by name; a name given twice is a mistake. */
static int add_pair(const char *what, const char *name, const char *value, struct keep_pair **list, size_t *n, struct buf *why) {
    size_t i = 0;
    while (i < *n && strcmp((*list)[i].name, name) < 0)
        i++;
    if (!*name || (i < *n && !strcmp((*list)[i].name, name))) {
        buf_printf(why, *name ? "%s.%s is given twice" : "%s.%s needs a name after the dot", what, name);
        return -EINVAL;
    }
    keep_add(list, n, name, value);
    struct keep_pair last = (*list)[*n - 1];
    memmove(&(*list)[i + 1], &(*list)[i], (*n - 1 - i) * sizeof **list);
    (*list)[i] = last;
    return 0;
}

static void to_lower(char *s) {
    for (; *s; s++)
        *s = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
}

static int set(struct area *a, char *name, const char *value, struct buf *why) {
    unsigned v = 0;
    int r;
    if (!strcmp(name, "key"))
        return set_text(name, value, &a->tmpl, why);
    if (!strcmp(name, "class"))
        return set_text(name, value, &a->storage_class, why);
    if (!strcmp(name, "cache-control"))
        return set_text(name, value, &a->cache_control, why);
    if (!strcmp(name, "disposition"))
        return set_text(name, value, &a->disposition, why);
    if (!strcmp(name, "kms-key"))
        return set_text(name, value, &a->key_id, why);
    if (!strncmp(name, "meta.", 5)) {
        to_lower(name);
        return add_pair("meta", name + 5, value, &a->metadata, &a->n_metadata, why);
    }
    if (!strncmp(name, "tag.", 4))
        return add_pair("tag", name + 4, value, &a->tags, &a->n_tags, why);
    if (!strcmp(name, "access")) {
        r = choose(name, value, accesses, &v, why);
        a->access = (enum area_access)v;
    } else if (!strcmp(name, "active")) {
        r = choose(name, value, actives, &v, why);
        a->active_inline = v;
    } else if (!strcmp(name, "bucket-key")) {
        r = choose(name, value, answers, &v, why);
        a->bucket_key = v;
    } else if (!strcmp(name, "encryption")) {
        r = choose(name, value, encryptions, &a->encryption, why);
    } else {
        buf_printf(why, "a rule has no \"%s\": there are key, access, class, cache-control, disposition, active, meta.NAME, tag.NAME, encryption, kms-key and bucket-key",
                   name);
        r = -EINVAL;
    }
    return r;
}

/* seen: the names there were, a space on both sides of each. Those with a dot are looked at where they are kept. */
static int check_twice(const char *name, struct buf *seen, struct buf *why) {
    CLEANUP_FREE char *mark = xasprintf(" %s ", name);
    if (!strchr(name, '.') && seen->len && strstr(buf_str(seen), mark)) {
        buf_printf(why, "%s= is given twice", name);
        return -EINVAL;
    }
    buf_append_str(seen, mark);
    return 0;
}

static int set_word(struct area *a, char *word, struct buf *seen, struct buf *why) {
    char *equals = strchr(word, '=');
    if (!utf8_valid(word, strlen(word)) || strlen(word) > WORD_MAX) {
        buf_append_str(why, "a word of the rule is no UTF-8, or is too long");
        return -EINVAL;
    }
    if (!equals || equals == word) {
        buf_printf(why, "\"%s\" is no part of a rule: write NAME=VALUE, as in access=open", word);
        return -EINVAL;
    }
    *equals = '\0';
    int r = check_twice(word, seen, why);
    return r < 0 ? r : set(a, word, equals + 1, why);
}

/* What is said of an encryption that is not there is a mistake. */
static int settle(struct area *a, struct buf *why) {
    area_tidy(a);
    if (a->encryption != KEEP_SSE_KMS && (a->key_id || a->bucket_key)) {
        buf_printf(why, "%s= is for encryption=sse-kms only", a->key_id ? "kms-key" : "bucket-key");
        return -EINVAL;
    }
    return 0;
}

int area_parse(const char *path, const char *words, struct area *ret, struct buf *why) {
    CLEANUP_BUF struct buf seen = BUF_INIT(1 << 20);
    bool bad = false;
    int r = 0;
    *ret = (struct area){.path = xstrdup(path), .access = AREA_SIGNED};
    for (char *word; r == 0 && (word = next_word(&words, &bad));) {
        r = set_word(ret, word, &seen, why);
        free(word);
    }
    if (bad) {
        buf_append_str(why, "a % in a rule is followed by two hexadecimal digits that are not 00");
        r = -EINVAL;
    }
    if (r == 0)
        r = settle(ret, why);
    if (r < 0)
        area_free(ret);
    return r;
}

/* Printing */

static void put_word(struct buf *b, const char *name, const char *more, const char *value) {
    if (!value)
        return;
    buf_append_str(b, b->len ? " " : "");
    area_quote(name, b);
    area_quote(more, b);
    buf_append_byte(b, '=');
    area_quote(value, b);
}

void area_words(const struct area *a, struct buf *ret) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    put_word(&b, "access", "", name_of(accesses, a->access));
    put_word(&b, "key", "", a->tmpl);
    put_word(&b, "class", "", a->storage_class);
    put_word(&b, "cache-control", "", a->cache_control);
    put_word(&b, "disposition", "", a->disposition);
    put_word(&b, "active", "", a->active_inline ? "inline" : NULL);
    for (size_t i = 0; i < a->n_metadata; i++)
        put_word(&b, "meta.", a->metadata[i].name, a->metadata[i].value);
    for (size_t i = 0; i < a->n_tags; i++)
        put_word(&b, "tag.", a->tags[i].name, a->tags[i].value);
    put_word(&b, "encryption", "", a->encryption == KEEP_BUCKET ? NULL : name_of(encryptions, a->encryption));
    put_word(&b, "kms-key", "", a->encryption == KEEP_SSE_KMS ? a->key_id : NULL);
    put_word(&b, "bucket-key", "", a->bucket_key ? "yes" : NULL);
    buf_append(ret, b.data, b.len);
}

static void put_json(struct buf *b, const char *name, const char *value) {
    buf_printf(b, ",\"%s\":", name);
    if (value)
        buf_append_json(b, value, strlen(value));
    else
        buf_append_str(b, "null");
}

static void put_json_pairs(struct buf *b, const char *name, const struct keep_pair *list, size_t n) {
    buf_printf(b, ",\"%s\":{", name);
    for (size_t i = 0; i < n; i++) {
        buf_append_str(b, i ? "," : "");
        buf_append_json(b, list[i].name, strlen(list[i].name));
        buf_append_byte(b, ':');
        buf_append_json(b, list[i].value, strlen(list[i].value));
    }
    buf_append_byte(b, '}');
}

void area_json(const struct area *a, struct buf *b) {
    CLEANUP_FREE char *room = area_key_room(area_template(a), a->path);
    buf_append_str(b, "{\"path\":");
    buf_append_json(b, a->path, strlen(a->path));
    put_json(b, "access", name_of(accesses, a->access));
    put_json(b, "key", area_template(a));
    put_json(b, "keys_begin", room);
    put_json(b, "class", a->storage_class);
    put_json(b, "cache_control", a->cache_control ? a->cache_control : AREA_CACHE_CONTROL);
    put_json(b, "disposition", a->disposition);
    put_json(b, "active", name_of(actives, a->active_inline));
    put_json_pairs(b, "metadata", a->metadata, a->n_metadata);
    put_json_pairs(b, "tags", a->tags, a->n_tags);
    put_json(b, "encryption", name_of(encryptions, a->encryption));
    put_json(b, "key_id", a->key_id);
    buf_printf(b, ",\"bucket_key\":%s}", a->bucket_key ? "true" : "false");
}

/* Paths */

static const char *wrong_with_name(const char *name, size_t n) {
    if (n > 255)
        return "has a name of more than 255 bytes in it";
    return strspn(name, ".") >= n && n <= 2 ? "has a part \".\" or \"..\" in it" : NULL;
}

static const char *wrong_with_path(const char *text) {
    if (!utf8_valid(text, strlen(text)))
        return "is not UTF-8, which keys are made of";
    if (strlen(text) > AREA_PATH_MAX)
        return "is too long: an area's path has at most 768 bytes";
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\' || *p == '{' || *p == '}')
            return "has a control character, a backslash or a brace in it, which do not belong into keys";
    return NULL;
}

char *area_path(const char *text, struct buf *why) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    const char *wrong = wrong_with_path(text);
    for (const char *p = text; *p && !wrong;) {
        size_t n = strcspn(p, "/");
        if (n) {
            wrong = wrong_with_name(p, n);
            buf_append_str(&b, b.len ? "/" : "");
            buf_append(&b, p, n);
        }
        p += n + (p[n] == '/');
    }
    if (wrong) {
        buf_printf(why, "the path %s", wrong);
        return NULL;
    }
    return (char *)buf_take(&b, &(size_t){0});
}
