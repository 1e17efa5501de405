/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include <ctype.h>
#include <openssl/evp.h>

void pairs_free(struct pair *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(p[i].name);
        free(p[i].value);
    }
    free(p);
}

static bool is_unreserved(unsigned char c) {
    return (c < 0x80 && isalnum(c)) || c == '-' || c == '_' || c == '.' || c == '~';
}

char *text_uri_encode(const char *s, bool keep_slash) {
    char *ret = xcalloc(3, strlen(s) + 1), *p = ret;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (is_unreserved(c) || (c == '/' && keep_slash))
            *p++ = (char)c;
        else
            p += sprintf(p, "%%%02X", c);
    }
    return ret;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

char *text_uri_decode(const char *s, bool plus) {
    char *ret = xcalloc(1, strlen(s) + 1), *p = ret;
    for (; *s; s++) {
        if (*s == '%') {
            int hi = hex_digit(s[1]), lo = hi < 0 ? -1 : hex_digit(s[2]);
            if (lo < 0 || (hi == 0 && lo == 0)) {
                free(ret);
                return NULL;
            }
            *p++ = (char)(hi * 16 + lo);
            s += 2;
        } else {
            *p++ = plus && *s == '+' ? ' ' : *s;
        }
    }
    return ret;
}

struct pair *text_query(const char *query, size_t *n) {
    CLEANUP_FREE char *copy = xstrdup(query);
    struct pair *ret = xcalloc(strlen(query) + 1, sizeof *ret);
    char *rest = copy;
    *n = 0;
    for (char *part; (part = strsep(&rest, "&"));) {
        if (!*part)
            continue;
        char *value = strchr(part, '=');
        if (value)
            *value++ = '\0';
        struct pair *p = &ret[(*n)++];
        p->name = text_uri_decode(part, true);
        p->value = text_uri_decode(value ? value : "", true);
        if (!p->name || !p->value) {
            pairs_free(ret, *n);
            *n = 0;
            return NULL;
        }
    }
    return ret;
}

void text_hex(const unsigned char *p, size_t n, char *ret) {
    for (size_t i = 0; i < n; i++)
        sprintf(ret + 2 * i, "%02x", p[i]);
    ret[2 * n] = '\0';
}

char *text_base64(const unsigned char *p, size_t n) {
    char *ret = xcalloc(1, 4 * ((n + 2) / 3) + 1);
    EVP_EncodeBlock((unsigned char *)ret, p, (int)n);
    return ret;
}

int text_unbase64(const char *s, unsigned char *ret, size_t max) {
    size_t n = strlen(s);
    if (n == 0 || n % 4 != 0 || n > 4096)
        return -1;
    unsigned char out[3 * 1024 + 3];
    int got = EVP_DecodeBlock(out, (const unsigned char *)s, (int)n);
    if (got < 0)
        return -1;
    got -= (s[n - 1] == '=') + (s[n - 2] == '=');
    if ((size_t)got > max)
        return -1;
    memcpy(ret, out, (size_t)got);
    return got;
}

void text_http_date(time_t t, char ret[40]) {
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(ret, 40, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

void text_iso_date(time_t t, char ret[40]) {
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(ret, 40, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
}

static time_t parse_date(const char *s, const char *format) {
    struct tm tm = {0};
    const char *end = strptime(s, format, &tm);
    return end && !*end ? timegm(&tm) : -1;
}

time_t text_amz_date(const char *s) {
    return strlen(s) == strlen("19941106T084937Z") ? parse_date(s, "%Y%m%dT%H%M%SZ") : -1;
}

time_t text_parse_http_date(const char *s) {
    return parse_date(s, "%a, %d %b %Y %H:%M:%S GMT");
}

void text_xml(FILE *f, const char *s) {
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (strchr("&<>\"'", c) || c == '\r')
            fprintf(f, "&#%d;", c);
        else if (c < 0x20 && c != '\n' && c != '\t')
            fputc('?', f); /* XML 1.0 has no way to say it */
        else
            fputc(c, f);
    }
}

void text_json(FILE *f, const char *s) {
    fputc('"', f);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == '"' || c == '\\')
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

bool text_number(const char *s, uint64_t *ret) {
    char *end;
    errno = 0;
    *ret = strtoull(s, &end, 10);
    return s[0] >= '0' && s[0] <= '9' && !*end && !errno;
}

bool text_begins(const char *s, const char *prefix) {
    return !strncmp(s, prefix, strlen(prefix));
}
