/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two requests of AWS's Security Token Service and their answers: AssumeRole, signed with keys one has, and AssumeRoleWithWebIdentity, which needs none but a token of an identity provider
 * (AWS Security Token Service API Reference, version 2011-06-15). POST with a form, so that no token is in an address. Pure.
 */
#ifndef ASSETFS_STS_H
#define ASSETFS_STS_H

#include "net/credential.h"
#include "net/http.h"

struct sts_role {
    char *arn;
    char *session_name; /* shown in CloudTrail */
    char *external_id;  /* NULL: none */
    unsigned duration;  /* seconds; 0: STS's own, an hour */
};
void sts_role_free(struct sts_role *);

struct sts_request {
    char *url;
    struct buf body;
    char *headers[8];
    size_t n_headers;
};

/* "https://sts.eu-central-1.amazonaws.com", malloc'd. NULL or "aws-global": the one that is nowhere, in us-east-1. */
char *sts_endpoint(const char *region);
/* For http_submit(). endpoint: "https://host", "http://host:port". region: for the signature. token: of a web identity, or NULL; then keys sign. now: seconds since 1970. -EINVAL with a sentence: not an
 * endpoint. */
int sts_request(const char *endpoint, const char *region, const struct sts_role *, const struct credential *keys, const char *token, int64_t now, struct sts_request *ret,
                struct buf *why) ATTR_WARN_UNUSED;
void sts_request_free(struct sts_request *); /* zeroes the body and the headers */

/* What an answer says. 0: keys. -EACCES: refused; -EIO: trouble that passes. `why`: who refuses what of which role, and what to do. */
int sts_read(const struct sts_role *, bool web_identity, const char *endpoint, const struct http_response *, struct credential *ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
