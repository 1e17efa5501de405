/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/area_key.h"
#include "base/digest.h"
#include "base/env.h"
#include <time.h>

#define DATE_SIZE 11
#define TIMESTAMP_SIZE 17
#define EXTENSION_MAX (AREA_EXTENSION_SIZE - 2)
/* In a pattern: stands for any digit. No template has this byte. */
#define ANY_DIGIT '\1'

enum word { WORD_TEXT, WORD_AREA, WORD_SHA256, WORD_EXT, WORD_DATE, WORD_TIMESTAMP, WORD_END, WORD_BAD };

struct piece {
    enum word word;
    const char *text; /* as it stands in the template */
    size_t n;
    unsigned digits; /* WORD_SHA256 */
};

static bool is_word(const struct piece *p, const char *word) {
    size_t n = strlen(word);
    return p->n == n + 2 && !memcmp(p->text + 1, word, n);
}

/* "{sha256}" or "{sha256:N}" */
static unsigned digits_of(const struct piece *p) {
    unsigned n = 0;
    if (is_word(p, "sha256"))
        return 2 * DIGEST_SIZE;
    if (p->n < 10 || p->n > 11 || memcmp(p->text, "{sha256:", 8) != 0 || p->text[8] == '0')
        return 0;
    for (size_t i = 8; i + 1 < p->n; i++) {
        if (p->text[i] < '0' || p->text[i] > '9')
            return 0;
        n = 10 * n + (unsigned)(p->text[i] - '0');
    }
    return n <= 2 * DIGEST_SIZE ? n : 0;
}

static enum word which(struct piece *p) {
    static const struct {
        const char *name;
        enum word word;
    } words[] = {{"area", WORD_AREA}, {"ext", WORD_EXT}, {"date", WORD_DATE}, {"timestamp", WORD_TIMESTAMP}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (is_word(p, words[i].name))
            return words[i].word;
    p->digits = digits_of(p);
    return p->digits ? WORD_SHA256 : WORD_BAD;
}

/* Takes the next piece off *at. */
static struct piece next(const char **at) {
    struct piece p = {.word = WORD_END, .text = *at};
    if (!**at)
        return p;
    p.n = strcspn(*at, "{}");
    if (p.n) {
        p.word = WORD_TEXT;
    } else {
        const char *end = **at == '{' ? strchr(*at, '}') : NULL;
        p.n = end ? (size_t)(end - *at) + 1 : strlen(*at);
        p.word = end ? which(&p) : WORD_BAD;
    }
    *at += p.n;
    return p;
}

static const char *area_name(const char *path) {
    return *path ? path : AREA_DEFAULT;
}

static void append_word(const struct piece *p, const char *path, const char *hex, const char *ext, const char *date,
                        const char *timestamp, struct buf *b) {
    switch (p->word) {
    case WORD_TEXT:
        buf_append(b, p->text, p->n);
        break;
    case WORD_AREA:
        buf_append_str(b, area_name(path));
        break;
    case WORD_SHA256:
        buf_append(b, hex, p->digits);
        break;
    case WORD_EXT:
        buf_append_str(b, ext);
        break;
    case WORD_DATE:
        buf_append_str(b, date);
        break;
    case WORD_TIMESTAMP:
        buf_append_str(b, timestamp);
        break;
    case WORD_END:
    case WORD_BAD:
        break;
    }
}

static char *expand(const char *tmpl, const char *path, const char *hex, const char *ext, const char *date, const char *timestamp) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    for (struct piece p = next(&tmpl); p.word != WORD_END; p = next(&tmpl))
        append_word(&p, path, hex, ext, date, timestamp, &b);
    return (char *)buf_take(&b, &(size_t){0});
}

char *area_key_make(const char *tmpl, const char *path, const uint8_t id[DIGEST_SIZE], const char *ext, int64_t now) {
    char hex[DIGEST_HEX_SIZE], date[DATE_SIZE] = "1970-01-01", timestamp[TIMESTAMP_SIZE] = "19700101T000000Z";
    struct tm tm;
    digest_hex(id, hex);
    if (now >= 0 && now / NS_PER_S < INT64_C(253402300800) && gmtime_r(&(time_t){now / NS_PER_S}, &tm)) { /* to the year 9999 */
        strftime(date, sizeof date, "%Y-%m-%d", &tm);
        strftime(timestamp, sizeof timestamp, "%Y%m%dT%H%M%SZ", &tm);
    }
    return expand(tmpl, path, hex, ext, date, timestamp);
}

static bool matches(const char *pattern, const char *key) {
    for (; *pattern && *key; pattern++, key++)
        if (*pattern == ANY_DIGIT ? *key < '0' || *key > '9' : *pattern != *key)
            return false;
    return *pattern == *key;
}

/* "a/b-3.jpg" -> "a/b.jpg", malloc'd; NULL: it is no alternative. */
static char *without_alternative(const char *key) {
    const char *slash = strrchr(key, '/'), *dot = strrchr(key, '.');
    const char *end = dot && (!slash || dot > slash + 1) ? dot : key + strlen(key), *at = end;
    while (at > key && at[-1] >= '0' && at[-1] <= '9')
        at--;
    if (at == end || at == key || *at == '0' || at[-1] != '-')
        return NULL;
    return xasprintf("%.*s%s", (int)(at - 1 - key), key, end);
}

bool area_key_fits(const char *tmpl, const char *path, const char *key, const uint8_t id[DIGEST_SIZE], const char *ext) {
    char hex[DIGEST_HEX_SIZE];
    digest_hex(id, hex);
    CLEANUP_FREE char *pattern = expand(tmpl, path, hex, ext, "\1\1\1\1-\1\1-\1\1", "\1\1\1\1\1\1\1\1T\1\1\1\1\1\1Z");
    if (!pattern || matches(pattern, key))
        return pattern != NULL;
    CLEANUP_FREE char *first = without_alternative(key);
    return first && matches(pattern, first);
}

char *area_key_room(const char *tmpl, const char *path) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    for (struct piece p = next(&tmpl); p.word == WORD_TEXT || p.word == WORD_AREA; p = next(&tmpl))
        append_word(&p, path, "", "", "", "", &b);
    return (char *)buf_take(&b, &(size_t){0});
}

/* Checking */

static int bad(struct buf *why, const char *tmpl, const char *what) {
    buf_printf(why, "the key template \"%s\" %s", tmpl, what);
    return -EINVAL;
}

static int check_words(const char *tmpl, struct buf *why) {
    unsigned digits = 0;
    bool time = false;
    const char *at = tmpl;
    for (struct piece p = next(&at); p.word != WORD_END; p = next(&at)) {
        if (p.word == WORD_BAD) {
            buf_printf(why, "the key template \"%s\" has %.*s in it, which means nothing: there are {area}, {sha256}, {sha256:N} with N from 1 to 64, {ext}, {date} and "
                            "{timestamp}",
                       tmpl, (int)MIN(p.n, 40), p.text);
            return -EINVAL;
        }
        if (p.word == WORD_EXT && !digits)
            return bad(why, tmpl, "has {ext} before any {sha256}: what a key begins with must not depend on the file");
        digits = MAX(digits, p.digits);
        time |= p.word == WORD_DATE || p.word == WORD_TIMESTAMP;
    }
    if (!digits)
        return bad(why, tmpl,
                   time ? "would give two contents of one moment the same key: a time is no name for a content, add {sha256}"
                        : "would give every content the same key: add {sha256}");
    if (digits < AREA_DIGITS_MIN)
        return bad(why, tmpl, "has too little of the hash to tell contents apart: write {sha256}, or {sha256:32} at least");
    return 0;
}

/* As a key with nothing but text in it: what is wrong here is wrong in every key. */
static int check_form(const char *tmpl, const char *key, struct buf *why) {
    for (const char *p = tmpl; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\')
            return bad(why, tmpl, "has a control character or a backslash in it");
    for (const char *p = key;; p++) {
        size_t n = strcspn(p, "/");
        if (n == 0)
            return bad(why, tmpl, "makes keys that begin or end with a slash, or have two in a row");
        if (strspn(p, ".") >= n)
            return bad(why, tmpl, "makes keys with a part \".\" or \"..\"");
        p += n;
        if (!*p)
            return 0;
    }
}

/* The extension of the longest key. */
#define LONGEST ".abcdefghijklmno"

size_t area_key_longest(const char *tmpl, const char *path) {
    static const uint8_t id[DIGEST_SIZE];
    CLEANUP_FREE char *key = area_key_make(tmpl, path, id, LONGEST, 0);
    return strlen(key) + strlen("-99");
}

int area_key_check(const char *tmpl, const char *path, const char *prefix, struct buf *why) {
    static const uint8_t id[DIGEST_SIZE];
    int r = check_words(tmpl, why);
    if (r < 0)
        return r;
    CLEANUP_FREE char *key = area_key_make(tmpl, path, id, LONGEST, 0);
    CLEANUP_FREE char *shortest = area_key_make(tmpl, path, id, "", 0);
    r = check_form(tmpl, key, why);
    if (r == 0)
        r = check_form(tmpl, shortest, why);
    if (r < 0)
        return r;
    if (area_key_longest(tmpl, path) > AREA_KEY_MAX) {
        buf_printf(why, "the key template makes keys of up to %zu bytes for this area, and a key has at most %d: make template or path shorter", area_key_longest(tmpl, path), AREA_KEY_MAX);
        return -EINVAL;
    }
    size_t n = strlen(prefix);
    CLEANUP_FREE char *room = area_key_room(tmpl, path);
    if (!strncmp(room, prefix, n) && (room[n] == '/' || !room[n])) {
        buf_printf(why, "the key template \"%s\" makes keys below %s/, where the volume keeps its journal: choose another beginning", tmpl, prefix);
        return -EINVAL;
    }
    return 0;
}

void area_extension(const char *name, size_t n, char ret[AREA_EXTENSION_SIZE]) {
    size_t dot = n;
    ret[0] = 0;
    while (dot > 0 && name[dot - 1] != '.')
        dot--;
    size_t len = n - dot;
    if (dot < 2 || len < 1 || len > EXTENSION_MAX)
        return;
    for (size_t i = 0; i < len; i++) {
        char c = name[dot + i];
        bool small = c >= 'a' && c <= 'z', capital = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
        if (!small && !capital && !digit)
            return;
    }
    for (size_t i = 0; i < len; i++) {
        char c = name[dot + i];
        ret[i + 1] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    ret[0] = '.';
    ret[len + 1] = 0;
}
