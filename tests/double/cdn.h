/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A CDN like CloudFront in front of the bucket: GET and HEAD only (403 else), a thing of its own that reads the bucket as nobody else may.
 *
 *   object   cached by key, piece by piece as asked for; X-Cache: Hit or Miss from cloudfront, Age with a hit; the query counts for nothing
 *   range    one "bytes=a-b" or "bytes=a-"; of others, suffixes included, the whole object as 200
 *   missing  403 in S3's XML (AccessDenied), `Server: AmazonS3`, X-Cache: Error from cloudfront; kept for error_ttl seconds, with Age then
 *   itself   403 as HTML with `Server: CloudFront`: other methods, the fault html
 *   OPTIONS  as the bucket's CORS rule says (site.h: cors); PUT and DELETE are passed on where the site (cdn-writes) or a fault (writes) says so
 * Keys of the site's private patterns are given to signed URLs and cookies only (signed_url.h), otherwise 403 as XML with `Server: CloudFront`.
 * Below the site's uncached patterns nothing is kept. A request's Cache-Control is ignored. Concurrent misses of one key are not collapsed.
 *
 * Facts: "How CloudFront processes partial requests for an object", "Request and response behavior for Amazon S3 origins", "How CloudFront processes HTTP 4xx and
 * 5xx status codes from your origin" (Amazon CloudFront Developer Guide).
 */
#ifndef DOUBLE_CDN_H
#define DOUBLE_CDN_H

#include "server.h"
#include "site.h"

struct service cdn_service(struct site *);

#endif
