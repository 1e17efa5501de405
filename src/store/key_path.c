/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/key_path.h"
#include "base/digest.h"

#include <ctype.h>

#define KEY_MAX 1024
#define SEGMENT_MAX 255

static bool segment_is_reserved(const char *s, size_t n, bool first) {
    return n == 0 || (n == 1 && s[0] == '.') || (n == 2 && !memcmp(s, "..", 2)) ||
           (first && n == strlen(KEY_PATH_RESERVED) && !memcmp(s, KEY_PATH_RESERVED, n));
}

static int encode_segment(const char *s, size_t n, bool first, struct buf *b) {
    size_t start = b->len;
    bool reserved = segment_is_reserved(s, n, first);
    if (n == 0)
        buf_append_str(b, "%00"); /* no key has a NUL: it stands for the empty segment */
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f || c == '%' || (reserved && i == 0))
            buf_printf(b, "%%%02X", c);
        else
            buf_append_byte(b, c);
    }
    return b->err ? b->err : b->len - start > SEGMENT_MAX ? -EINVAL : 0;
}

char *key_path_encode(const char *key) {
    size_t n = strlen(key);
    if (n == 0 || n > KEY_MAX || key[0] == '/')
        return NULL;
    CLEANUP_BUF struct buf b = BUF_INIT(4 * KEY_MAX);
    for (const char *p = key;; p++) {
        const char *end = strchrnul(p, '/');
        if (encode_segment(p, (size_t)(end - p), p == key, &b) < 0)
            return NULL;
        if (!*end)
            break;
        buf_append_byte(&b, '/');
        p = end;
    }
    return (char *)buf_take(&b, NULL);
}

static bool is_empty_segment(const char *p, const char *start) {
    return !strncmp(p, "%00", 3) && (p == start || p[-1] == '/') && (p[3] == '/' || p[3] == '\0');
}

char *key_path_decode(const char *path) {
    CLEANUP_FREE char *key = xmalloc(strlen(path) + 1);
    char *out = key;
    for (const char *p = path; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (is_empty_segment(p, path)) {
            p += 2;
            continue;
        }
        if (c == '%') {
            char hex[3] = {p[1], p[1] ? p[2] : '\0', '\0'};
            if (hex_decode(hex, &c, 1) < 0 || c == '\0')
                return NULL;
            p += 2;
        }
        *out++ = (char)c;
    }
    *out = '\0';
    CLEANUP_FREE char *again = key_path_encode(key);
    return again && !strcmp(again, path) ? STEAL_PTR(&key) : NULL;
}

char *key_path_url(const char *dir, const char *path) {
    struct buf b = BUF_INIT(64 * KEY_MAX);
    buf_append_str(&b, "file://");
    for (int part = 0; part < 2; part++) {
        for (const char *p = part ? path : dir; p && *p; p++) {
            if (strchr("/-._~!$&'()*+,;=:@", *p) || ((unsigned char)*p < 0x80 && isalnum((unsigned char)*p)))
                buf_append_byte(&b, (unsigned char)*p);
            else
                buf_printf(&b, "%%%02X", (unsigned char)*p);
        }
        if (!part && path && strcmp(dir, "/"))
            buf_append_byte(&b, '/');
    }
    return (char *)buf_take(&b, NULL);
}
