/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AWS Signature Version 4 for S3, in headers and in the query ("Authenticating Requests: Using the Authorization Header" and "... Using Query
 * Parameters", Amazon S3 API Reference). Pure: no clock, no I/O. S3's form: each byte of the key is encoded once, no segment is normalised.
 * A request that is larger than any server takes (1 MiB) leaves -EFBIG in the buffer, and no signature of half of it.
 */
#ifndef ASSETFS_SIGV4_H
#define ASSETFS_SIGV4_H

#include "base/base.h"
#include "base/buf.h"
#include "base/digest.h"

struct sigv4_key {
    const char *access_key, *secret_key;
    const char *session_token; /* NULL: none */
    const char *region;        /* "eu-central-1" */
    const char *service;       /* "s3", "sts" */
};

struct sigv4_pair {
    const char *name, *value; /* a header (name in any case) or a query parameter (not encoded; value NULL: as empty) */
};

struct sigv4_request {
    const char *method;
    const char *path;                /* percent-encoded as it is sent (net/url.h), with its leading '/' */
    const struct sigv4_pair *query;  /* in any order */
    size_t n_query;
    const struct sigv4_pair *headers; /* to be signed: must have Host; every x-amz-* that is sent except those this module adds */
    size_t n_headers;
    /* Hex SHA-256 of the body, or SIGV4_UNSIGNED_PAYLOAD; always the latter in a presigned URL, unless x-amz-content-sha256 is among the headers. */
    const char *payload;
    int64_t time;                    /* seconds since 1970 */
};

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY_PAYLOAD "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* A presigned URL is good for 1 second to seven days. */
#define SIGV4_EXPIRES_MAX 604800

/* What is to be sent besides the request's own headers: appended as "Name: value\0" each:
 * x-amz-date, x-amz-content-sha256, x-amz-security-token (if any), Authorization. */
void sigv4_sign(const struct sigv4_key *, const struct sigv4_request *, struct buf *ret_headers);
/* The query string (without '?') of a presigned URL, own parameters included. expires: seconds. */
void sigv4_presign(const struct sigv4_key *, const struct sigv4_request *, unsigned expires, struct buf *ret_query);
/* The query string in canonical form, as it has to be sent ("partNumber=1&uploadId=..."). */
void sigv4_query(const struct sigv4_pair *, size_t n, struct buf *ret);

/* The steps, for tests against published examples: of exactly the headers and the query that are given, nothing is added. */
void sigv4_canonical_request(const struct sigv4_request *, struct buf *ret);
void sigv4_string_to_sign(const struct sigv4_key *, const struct sigv4_request *, struct buf *ret);
int sigv4_signature(const struct sigv4_key *, const struct sigv4_request *, char ret[DIGEST_HEX_SIZE]) ATTR_WARN_UNUSED;

#endif
