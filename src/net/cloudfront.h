/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CloudFront's signed URLs and signed cookies: a policy says what may be read until when, and is signed with the private key of a key pair whose public half stands in a
 * key group of the distribution. Pure: no clock, no I/O; OpenSSL does the cryptography.
 *
 *     canned   one URL and an end; only the end is sent along, CloudFront makes the policy again from the URL that is asked for
 *     custom   a URL or a pattern (* any bytes, ? one byte), an end, perhaps a beginning and an IPv4 range; it is sent along
 *
 * RSA with PKCS #1 v1.5 padding or ECDSA P-256 (DER), over SHA-1, or over SHA-256 if `Hash-Algorithm=SHA256` is sent along. Base64 with - for +, _ for = and ~ for /.
 * Whether a pattern covers a URL, CloudFront looks at the start of each request: a long answer may outlive its signature, the next request may not.
 *
 * Sources: "Create a signed URL using a canned policy", "Create a signed URL using a custom policy", "Set signed cookies using a canned policy", "... using a custom
 * policy", "Specify signers that can create signed URLs and signed cookies" (Amazon CloudFront Developer Guide).
 *
 * Threads: a key is immutable and may be used by any number at once.
 */
#ifndef ASSETFS_CLOUDFRONT_H
#define ASSETFS_CLOUDFRONT_H

#include "base/base.h"
#include "base/buf.h"

/* Seconds since 1970: the last end that CloudFront takes (2038-01-19). */
#define CLOUDFRONT_UNTIL_MAX INT32_MAX

enum cloudfront_policy { CLOUDFRONT_CANNED, CLOUDFRONT_CUSTOM };
enum cloudfront_hash { CLOUDFRONT_SHA1, CLOUDFRONT_SHA256 };

struct cloudfront_key;

/* The private key and the id CloudFront has given to its public half ("K2JCJMDEHXQW5F"). -EINVAL with a sentence that does not name the file: no PEM, a public key, a passphrase,
 * OpenSSH's own format, neither RSA of 2048 bits nor ECDSA P-256, an id that cannot be one. The caller wipes the text. */
int cloudfront_key_parse(const void *pem, size_t n, const char *id, struct cloudfront_key **ret, struct buf *why) ATTR_WARN_UNUSED;
struct cloudfront_key *cloudfront_key_free(struct cloudfront_key *); /* wipes; NULL-safe; returns NULL */
/* An id: letters and digits, at most 128. */
bool cloudfront_key_id_valid(const char *id);

struct cloudfront_grant {
    enum cloudfront_policy policy;
    enum cloudfront_hash hash;
    const char *resource;  /* percent-encoded: the URL as it will be asked for, with a query of its own if it has one. Custom: perhaps a pattern; a ? of a query stands for
                              any one byte then, itself among them */
    int64_t until;         /* seconds since 1970, up to CLOUDFRONT_UNTIL_MAX */
    int64_t from;          /* custom only; 0: no beginning */
    const char *source_ip; /* custom only: "192.0.2.0/24"; NULL: from anywhere */
};

/* Appends what the URL gets behind its '?' (or behind '&' where it has a query): "Expires=..&Signature=..&Key-Pair-Id=.." or "Policy=..&Signature=..&Key-Pair-Id=..".
 * -EINVAL with a sentence: a grant that cannot be; -EIO: OpenSSL does not sign (a system that allows no SHA-1). */
int cloudfront_sign_query(const struct cloudfront_key *, const struct cloudfront_grant *, struct buf *ret, struct buf *why) ATTR_WARN_UNUSED;
/* The same as the value of a header Cookie: "CloudFront-Policy=..; CloudFront-Signature=..; CloudFront-Key-Pair-Id=..". */
int cloudfront_sign_cookie(const struct cloudfront_key *, const struct cloudfront_grant *, struct buf *ret, struct buf *why) ATTR_WARN_UNUSED;
/* url with what cloudfront_sign_query() gives for it; the grant's resource may be a pattern that covers it. malloc'd. */
int cloudfront_sign_url(const struct cloudfront_key *, const struct cloudfront_grant *, const char *url, char **ret, struct buf *why) ATTR_WARN_UNUSED;

/* The policy's bytes that are signed, for tests. Errors as above. */
int cloudfront_policy_text(const struct cloudfront_grant *, struct buf *ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
