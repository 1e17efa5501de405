/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * URLs of servers (RFC 3986), and percent-encoding as Amazon's signatures want it. Pure; results are malloc'd.
 */
#ifndef ASSETFS_URL_H
#define ASSETFS_URL_H

#include "base/base.h"
#include "base/buf.h"

/* "https://d111.cloudfront.net:8443/some/base" */
struct url {
    bool https;
    char *host;      /* "d111.cloudfront.net"; an IPv6 address without its brackets; lower case; any notation of an IPv4 address as four numbers */
    unsigned port;   /* 80 or 443 where none is given */
    char *authority; /* as the Host header has it: with the port where it is not the scheme's own, IPv6 in brackets */
    char *path;      /* "" or "/some/base": no slash at the end; as given */
};

/* http:// and https:// only; no user name, query or fragment; a path in which all is encoded that must be. -EINVAL, with a sentence that names the text, but for a
 * user name, a password and what follows '?' or '#'. */
int url_parse(const char *text, struct url *ret, struct buf *why) ATTR_WARN_UNUSED;
void url_free(struct url *);
/* The host is this machine: localhost, 127.0.0.0/8, ::1. */
bool url_is_loopback(const struct url *);
/* "https://authority/path" */
char *url_text(const struct url *);

/* Appends s with every byte but A-Z a-z 0-9 - _ . ~ as %XX in capital letters (AWS: "UriEncode"); slashes stay if keep_slash. */
void url_encode(struct buf *, const void *s, size_t n, bool keep_slash);
/* The way back: %XX becomes the byte, everything else stays as people write it, spaces and UTF-8 included. NULL: a '%' without two hexadecimal digits, or one that gives NUL. */
char *url_decode(const char *s);

#endif
