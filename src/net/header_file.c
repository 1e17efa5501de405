/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/header_file.h"
#include <openssl/crypto.h>
#include <strings.h>

/* RFC 9110, 5.6.2. */
#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* They say what the request is; a second one would make it another, or two. */
static bool is_own(const char *name, size_t n) {
    static const char *const own[] = {
        "Host",       "Range",           "If-Range", "Accept-Encoding", "Cache-Control", "Transfer-Encoding",
        "Connection", "Expect",          "TE",       "Trailer",         "Upgrade",       "User-Agent",
        "Keep-Alive", "Proxy-Connection"};
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (strlen(own[i]) == n && !strncasecmp(own[i], name, n))
            return true;
    return n >= 8 && !strncasecmp(name, "Content-", 8);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* NULL: it can be sent. */
static const char *check_value(const char *p, size_t n) {
    if (n == 0)
        return "has no value";
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
            return "has a control character in its value";
    return NULL;
}

/* One line without its end. NULL: taken, or nothing in it. */
static const char *take_line(const char *p, size_t n, struct header_lines *to) {
    size_t name = 0;
    if (n && p[n - 1] == '\r')
        n--;
    while (n && is_blank(p[n - 1]))
        n--;
    if (n == 0 || *p == '#')
        return NULL;
    while (name < n && p[name] && strchr(TOKEN, p[name]))
        name++;
    if (name == 0 || name == n || p[name] != ':')
        return "is not \"Name: value\"";
    if (is_own(p, name))
        return "sets a header that assetfs sends itself";
    const char *value = p + name + 1, *end = p + n;
    while (value < end && is_blank(*value))
        value++;
    const char *wrong = check_value(value, (size_t)(end - value));
    if (wrong)
        return wrong;
    if (to->n == HEADER_LINES_MAX)
        return "is one header too many";
    to->lines[to->n++] = xasprintf("%.*s: %.*s", (int)name, p, (int)(end - value), value);
    return NULL;
}

int header_file_parse(const char *p, size_t n, struct header_lines *ret, struct buf *why) {
    struct header_lines all = {0};
    const char *wrong = NULL, *end = n ? p + n : p; /* an empty file may be NULL */
    unsigned line = 1;
    if (n > HEADER_FILE_MAX) {
        buf_printf(why, "the headers are longer than %zu bytes: CloudFront would refuse each request",
                   HEADER_FILE_MAX);
        return -EINVAL;
    }
    for (; p < end && !wrong; line++) {
        const char *next = memchr(p, '\n', (size_t)(end - p));
        wrong = take_line(p, (size_t)((next ? next : end) - p), &all);
        p = next ? next + 1 : end;
    }
    if (wrong) {
        buf_printf(why, "line %u %s", line - 1, wrong);
        header_lines_free(&all);
        return -EINVAL;
    }
    *ret = all;
    return 0;
}

void header_lines_free(struct header_lines *h) {
    for (size_t i = 0; i < h->n; i++) {
        OPENSSL_cleanse(h->lines[i], strlen(h->lines[i]));
        free(h->lines[i]);
    }
    *h = (struct header_lines){0};
}

bool header_lines_have(const struct header_lines *h, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < h->n; i++)
        if (!strncasecmp(h->lines[i], name, n) && h->lines[i][n] == ':')
            return true;
    return false;
}
