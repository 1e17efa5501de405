/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bucket of Amazon S3, or of a server that speaks its API, with SigV4: objects are put with PutObject and `If-None-Match: *` (it needs s3:PutObject and nothing else);
 * large ones with a multipart upload, in parallel parts, completed under the same condition. It can also read (GetObject), for servers without a CDN.
 *
 *   request   PUT with x-amz-content-sha256 and x-amz-checksum-sha256, both the SHA-256 the caller has; Content-Type; Cache-Control and other headers as given
 *   answers   2xx 0 · 412 -EEXIST · 409 -EIO (try again) · 403 -EACCES, or after an expired token, a skewed clock, replaced credentials: once more, at once · 307 and 301
 *             to another region or endpoint: followed, signed anew, remembered · 5xx, 429, 400 RequestTimeout -EIO · others as store/refusal.h has them
 * Multipart: from S3_MULTIPART_FROM on. Parts of S3_PART_MIN and more, so that S3_PARTS_MAX (10,000) are enough for the object; each hashed by a worker (unless whoever puts the object knows the parts' digests, as the spool does), put in
 * parallel, tried again by itself (net/retry.h) within `part_tries`; then CompleteMultipartUpload, whose answer 200 may hold an <Error>. A failed upload is
 * not aborted (that needs a permission of its own): the bucket's lifecycle rule clears it.
 * What a put says of how the object is to be kept (store/keep.h) goes along as headers, and with the beginning of a multipart upload. Objects under a customer key (SSE-C) are read with it:
 * which they are, and under which of several, S3 tells by its 400, remembered by the first part of the object's key; none is ever sent but over https.
 * The clock's skew is learnt from the answers' Date and used in signatures from then on.
 *
 * Facts: "PutObject", "CompleteMultipartUpload", "Conditional writes", "Amazon S3 multipart upload limits" (Amazon S3 User Guide and API Reference).
 */
#ifndef ASSETFS_STORE_S3_H
#define ASSETFS_STORE_S3_H

#include "net/credentials.h"
#include "net/http.h"
#include "store/customer_keys.h"
#include "store/store.h"

#define S3_MULTIPART_FROM ((uint64_t)32 << 20)
#define S3_PART_MIN ((uint64_t)16 << 20)
#define S3_PARTS_MAX 10000

/* Everything is copied; http, credentials and customer_keys must outlive the store. */
struct s3_config {
    struct http *http;
    struct credentials *credentials;
    const char *endpoint;  /* "http://127.0.0.1:9000"; NULL: https://s3.REGION.amazonaws.com */
    const char *region;    /* NULL: us-east-1, and what the server answers */
    const char *bucket;
    const char *prefix;    /* before every key: "" or "some/place/" */
    bool path_style;       /* endpoint/bucket/key instead of bucket.endpoint/key; forced by a bucket name that is no
                            * single label (dots, capitals), or an endpoint that is an IP address or a name without dots */
    uint64_t multipart_from, part_size; /* 0: as above; tests take smaller ones */
    struct customer_keys *customer_keys; /* objects can be put under them (SSE-C), and those that were are read with them; over https only. NULL: none */
    unsigned connections;  /* to the server: puts take half of them, parts a quarter, gets three quarters; 0: 64 */
    int64_t timeout_ns;    /* of one request of a small object; a large one gets longer, by its size */
};

/* Checks the names; does not ask the server. -EINVAL with a sentence. */
int store_s3_open(struct env *, struct counters *, const struct s3_config *, struct store **ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
