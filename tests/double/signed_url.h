/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CloudFront's signed URLs and signed cookies: may this request read this? Checked with a public key (RSA or ECDSA; SHA-1, or SHA-256 where the request says so),
 * over a canned policy, which is made again from the URL, or a custom one, which comes along: its Resource (wildcards * and ?), DateLessThan,
 * DateGreaterThan and AWS:SourceIp (an IPv4 address with its prefix length) must hold. If both query and cookies are there, the query counts.
 *
 * Sources: "Use signed URLs", "Use signed cookies", "Create a signature for a signed URL that uses a canned policy" (Amazon CloudFront Developer Guide).
 */
#ifndef DOUBLE_SIGNED_URL_H
#define DOUBLE_SIGNED_URL_H

#include "text.h"

#include <time.h>

/* The public keys that count, by their ids. Threads: any; one mutex inside. */
struct url_keys;
struct url_keys *url_keys_new(void);
void url_keys_free(struct url_keys *);
/* "KEYID=PUBLIC.pem" adds or replaces one; false: no such key, or too many. */
bool url_keys_add(struct url_keys *, const char *text);
/* False: there is none of that id. */
bool url_keys_remove(struct url_keys *, const char *id);

struct signed_ask {
    const char *url;    /* as the client has asked for it, without what follows '?' */
    const char *query;  /* as it came; NULL: none */
    const char *cookie; /* the header; NULL: none */
    const char *address; /* the client's, "127.0.0.1" */
    time_t now;
};

/* NULL: it may. Otherwise CloudFront's code: "MissingKey", "AccessDenied", "MalformedPolicy", "InvalidKey". */
const char *signed_url_check(const struct signed_ask *, struct url_keys *);

#endif
