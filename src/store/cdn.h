/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading through a CDN (CloudFront, or what behaves like it) that alone may read the bucket. Ranged GETs with `Accept-Encoding: identity`; it cannot put (-EACCES).
 *
 *   206, 200   0, if length and Content-Range are what they must be; otherwise -EIO. Whose bytes they are only the caller's digest can tell: an error page may be a 200
 *   416        -ERANGE
 *   403, 404   -ENOENT only if S3 itself said so (its XML, AccessDenied or NoSuchKey, and not `Server: CloudFront`): a bucket that gives no ListBucket answers 403 for a
 *              missing key in the words of a refusal, so the caller needs a witness. From the CDN itself (HTML, WAF, signature, rate): -EIO, trouble
 *   others     -EIO
 * got->cached tells that the answer came out of a cache on the way (X-Cache: Hit, Age above 0): as a witness it proves nothing.
 * What a read has to present (store/cdn_access.h) is made anew for each one, on a worker; where the CDN refuses it and another would differ, the read is tried again at once.
 * Where the CDN itself refuses (401, 403), it is asked less for a while (store/brake.h): a request that waits for that is bounded by timeout_ns, and is -ETIMEDOUT then.
 * STORE_FRESH adds `Cache-Control: no-cache`, which CloudFront ignores: past the cache are only paths that are not cached, and ranges that nobody has asked for.
 *
 * Facts: "How CloudFront processes partial requests", "Requests and responses for Amazon S3 origins", "How CloudFront processes and caches HTTP 4xx and 5xx status codes" (Amazon
 * CloudFront Developer Guide).
 */
#ifndef ASSETFS_STORE_CDN_H
#define ASSETFS_STORE_CDN_H

#include "net/http.h"
#include "store/cdn_access.h"
#include "store/store.h"

struct cdn_config {
    struct http *http;   /* must outlive the store */
    struct cdn_access *access; /* likewise; NULL: reads present nothing */
    const char *url;     /* "https://d111111abcdef8.cloudfront.net", perhaps with a path; copied */
    const char *prefix;  /* before every key: "" or "some/place/"; copied */
    unsigned connections; /* to the CDN: gets take all but an eighth, which is for the journal; 0: 64 */
    int64_t timeout_ns;
};

/* -EINVAL with a sentence. */
int store_cdn_open(struct env *, struct counters *, const struct cdn_config *, struct store **ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
