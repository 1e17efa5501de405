/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Is this request signed by a key we know? AWS Signature Version 4 as S3 checks it, in the Authorization header and in the query, written from "Authenticating
 * Requests (AWS Signature Version 4)" in the Amazon S3 API Reference and sharing no code with the signer it judges: it works from the decoded request
 * back to the canonical form. Pure but for the keyring.
 *
 * A key is encoded once and no segment is normalised. Every x-amz-* header that is sent must be signed, and Host. The clocks may differ by 15 minutes.
 */
#ifndef DOUBLE_SIGV4_CHECK_H
#define DOUBLE_SIGV4_CHECK_H

#include "keyring.h"
#include "s3_error.h"
#include "text.h"

#include <time.h>

#define SIGV4_SKEW_S 900

struct sigv4_ask {
    const char *method;
    const char *path; /* decoded, with its leading '/' */
    const struct pair *query;
    size_t n_query;
    const struct pair *headers; /* as they came */
    size_t n_headers;
    const char *region; /* where the bucket is */
    time_t now;
};

struct sigv4_found {
    struct key key;
    bool presigned;
    char payload[65]; /* hex SHA-256 of the body that was signed; "": unsigned */
};

/* True, or the error is filled. */
bool sigv4_check(const struct sigv4_ask *, struct keyring *, struct sigv4_found *ret, struct s3_error *err);

#endif
