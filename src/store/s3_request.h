/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One request to S3 as it is sent: address, headers, signature. And the place where the bucket is: what the configuration says, and what servers have answered since ("Making
 * requests using the REST API", "Virtual hosting of general purpose buckets", "Request redirection and the REST API" in the Amazon S3 documentation).
 * Pure; nothing here is guarded by a lock of its own.
 */
#ifndef ASSETFS_STORE_S3_REQUEST_H
#define ASSETFS_STORE_S3_REQUEST_H

#include "net/sigv4.h"
#include "net/url.h"
#include "store/s3.h"

struct s3_place {
    struct url endpoint;
    char *region;
    char *bucket;
    bool path_style;
    bool amazon;     /* no endpoint was given: it follows from the region */
    bool loopback;   /* the endpoint as configured is this machine */
};

/* -EINVAL with a sentence: not an endpoint, a region or a bucket name. */
int s3_place_init(struct s3_place *, const struct s3_config *, struct buf *why) ATTR_WARN_UNUSED;
void s3_place_free(struct s3_place *);
/* A server says that the bucket is in this region, or at this endpoint (a host name, or a URL as Location has it); either may be NULL. True: the place is another one now. Never
 * believed: a host that is not Amazon's after one that is, plain http after https, and plain http to another machine after an endpoint on this one. */
bool s3_place_move(struct s3_place *, const char *region, const char *endpoint);
/* The address of a whole key ("prefix/files/x"), malloc'd. */
char *s3_place_url(const struct s3_place *, const char *key);

#define S3_HEADERS_MAX 64

struct s3_request {
    const char *method;
    const char *key;  /* whole, with the volume's prefix */
    const struct sigv4_pair *query;
    size_t n_query;
    /* Sent and signed, besides Host and those of the signature. */
    const struct sigv4_pair *headers;
    size_t n_headers;
    const char *payload; /* hex SHA-256 of the body */
};

/* What http_submit() wants. */
struct s3_signed {
    char *url;
    char **headers; /* "Name: value" */
    size_t n_headers;
};

void s3_sign(const struct s3_place *, const struct credential *, const struct s3_request *, int64_t now, struct s3_signed *ret);
void s3_signed_free(struct s3_signed *);

/* What S3 is told of how an object is to be kept, but for a customer's key: appended, for keep_pairs_free(). */
void s3_keep_pairs(const struct keep *, struct keep_pair **list, size_t *n);
/* "3q2+7w==", malloc'd: x-amz-checksum-sha256 is not hexadecimal. */
char *s3_checksum(const uint8_t digest[DIGEST_SIZE]);
/* 3 to 63 of a-z 0-9 . - (buckets from before 2018: up to 255, A-Z and _ as well), beginning and ending with a letter or digit, no "..", no IPv4 address. */
bool s3_bucket_name_ok(const char *);

#endif
