/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libcurl takes URLs apart, so that host and port are those that its transfers will use; it forgives much,
 * though, so what it is given is checked first.
 */
#include "net/url.h"
#include "base/digest.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <strings.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define UNRESERVED LETTERS DIGITS "-._~"
/* What may stand in a path besides %XX (RFC 3986, 3.3). */
#define PATH_BYTES UNRESERVED "!$&'()*+,;=:@/"
/* Host, port and the brackets of IPv6; no user name, no zone, nothing that would have to be decoded. */
#define AUTHORITY_BYTES LETTERS DIGITS "-._:[]"

static const char *after_scheme(const char *text, bool *ret_https) {
    *ret_https = strncasecmp(text, "https://", 8) == 0;
    if (*ret_https)
        return text + 8;
    return strncasecmp(text, "http://", 7) == 0 ? text + 7 : NULL;
}

/* The first byte of a path that cannot be sent as it is, or NULL. */
static const char *bad_path_byte(const char *path) {
    for (const char *s = path + strspn(path, PATH_BYTES); *s; s += strspn(s, PATH_BYTES)) {
        if (*s != '%' || strspn(s + 1, DIGITS "abcdefABCDEF") < 2)
            return s;
        s += 3;
    }
    return NULL;
}

/* A name or a password before '@', and what follows '?', may be secrets: the sentence leaves them out. Line
 * feeds would forge a line. */
static void name_text(struct buf *why, const char *text) {
    size_t end = strcspn(text, "?#");
    const char *authority = strstr(text, "://"), *at = NULL;
    authority = authority ? authority + 3 : text;
    for (const char *s = authority; s < text + end && *s != '/'; s++)
        if (*s == '@')
            at = s;
    buf_append_byte(why, '"');
    for (const char *s = text; s < text + end; s++) {
        if (at && s == authority) {
            buf_append_str(why, "...");
            s = at;
        }
        buf_append_byte(why, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : (unsigned char)*s);
    }
    buf_append_str(why, text[end] ? "...\"" : "\"");
}

static int refuse(struct buf *why, const char *text, const char *what) {
    name_text(why, text);
    buf_printf(why, ": %s", what);
    return -EINVAL;
}

/* What libcurl would forgive, or take to mean something else. */
static int check(const char *text, struct buf *why) {
    bool https;
    const char *authority = after_scheme(text, &https);
    if (!authority)
        return refuse(why, text, "a URL must begin with https:// or http://");
    size_t len = strcspn(authority, "/?#");
    if (memchr(authority, '@', len))
        return refuse(why, text, "a URL with a user name or password cannot be used here");
    if (authority[strcspn(authority, "?#")])
        return refuse(why, text, "a URL with a query or a fragment (? or #) cannot be used here");
    if (len == 0 || *authority == ':')
        return refuse(why, text, "the URL has no host name");
    size_t good = strspn(authority, AUTHORITY_BYTES);
    if (good < len)
        return refuse(why, text,
                      (unsigned char)authority[good] >= 0x80
                          ? "the host name must be written in ASCII (xn--...)"
                          : "the host name has a character that cannot be in one");
    const char *bad = bad_path_byte(authority + len);
    if (bad && *bad == '%')
        return refuse(why, text, "a % must be followed by two hexadecimal digits; write a % itself as %25");
    if (bad) {
        name_text(why, text);
        buf_printf(why, ": the byte 0x%02x in the path must be written as %%%02X", (unsigned char)*bad,
                   (unsigned char)*bad);
        return -EINVAL;
    }
    return 0;
}

/* malloc'd by us; NULL: the URL has no such part. */
static char *part(CURLU *u, CURLUPart what, unsigned flags) {
    char *value = NULL;
    if (curl_url_get(u, what, &value, flags) != CURLUE_OK)
        return NULL;
    char *ret = xstrdup(value);
    curl_free(value);
    return ret;
}

static unsigned port_of(CURLU *u) {
    CLEANUP_FREE char *port = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    return port ? (unsigned)strtoul(port, NULL, 10) : 0;
}

static char *authority_of(const char *host, unsigned port, bool https) {
    bool v6 = strchr(host, ':');
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    if (port == (https ? 443u : 80u))
        return xasprintf("%s%s%s", open, host, close);
    return xasprintf("%s%s%s:%u", open, host, close, port);
}

/* host as libcurl gives it: an IPv4 address in whatever notation as four numbers, IPv6 in brackets. */
static void fill(const char *text, char *host, unsigned port, struct url *ret) {
    bool https;
    const char *authority = after_scheme(text, &https), *path = authority + strcspn(authority, "/");
    size_t n = strlen(path), skip = *host == '[';
    while (n > 0 && path[n - 1] == '/')
        n--;
    for (char *s = host; *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s - 'A' + 'a');
    ret->https = https;
    ret->host = xstrndup(host + skip, strlen(host) - 2 * skip);
    ret->port = port;
    ret->authority = authority_of(ret->host, port, https);
    ret->path = xstrndup(path, n);
}

int url_parse(const char *text, struct url *ret, struct buf *why) {
    int r = check(text, why);
    if (r < 0)
        return r;
    CURLU *u = curl_url();
    if (!u) {
        fputs("assetfs: out of memory\n", stderr);
        abort();
    }
    CURLUcode code = curl_url_set(u, CURLUPART_URL, text, CURLU_PATH_AS_IS);
    CLEANUP_FREE char *host = code == CURLUE_OK ? part(u, CURLUPART_HOST, 0) : NULL;
    unsigned port = port_of(u);
    curl_url_cleanup(u);
    if (code == CURLUE_BAD_PORT_NUMBER || (host && (port == 0 || port > 65535)))
        return refuse(why, text, "the port must be a number from 1 to 65535");
    if (!host || !*host)
        return refuse(why, text, "the host name cannot be one");
    fill(text, host, port, ret);
    return 0;
}

void url_free(struct url *u) {
    free(u->host);
    free(u->authority);
    free(u->path);
    *u = (struct url){0};
}

bool url_is_loopback(const struct url *u) {
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, u->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, u->host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcmp(u->host, "localhost") == 0;
}

char *url_text(const struct url *u) {
    return xasprintf("%s://%s%s", u->https ? "https" : "http", u->authority, u->path);
}

static bool unreserved(unsigned char c) {
    return c != '\0' && strchr(UNRESERVED, c);
}

void url_encode(struct buf *b, const void *s, size_t n, bool keep_slash) {
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *p = s;
    for (size_t i = 0; i < n; i++) {
        if (unreserved(p[i]) || (p[i] == '/' && keep_slash))
            buf_append_byte(b, p[i]);
        else
            buf_append(b, (char[3]){'%', digits[p[i] >> 4], digits[p[i] & 15]}, 3);
    }
}

char *url_decode(const char *s) {
    CLEANUP_FREE char *ret = xmalloc(strlen(s) + 1);
    char *out = ret;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '%') {
            char hex[3] = {s[1], s[1] ? s[2] : '\0', '\0'};
            if (hex_decode(hex, &c, 1) < 0 || c == '\0')
                return NULL;
            s += 2;
        }
        *out++ = (char)c;
    }
    *out = '\0';
    return STEAL_PTR(&ret);
}
