/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looks at a deployment as this host sees it, request by request, and reports what it means (store/report.h): what `assetfs check` does. It speaks to the servers past the
 * stores, because most of what it asks for must be refused.
 *
 * What it leaves behind is one object, <prefix>/check, always of the same bytes: the one `assetfs init` puts. Everything else is asked for in a way that cannot change anything:
 *   may a put replace, or lie elsewhere?   the put announces a digest that its bytes do not have: who may put is told so (400), nobody's object changes. It is only sent to
 *                                          places other than <prefix>/check when the server has been seen to refuse such a put, or to refuse puts without a condition
 *   may somebody delete?                   a key that nobody puts, <prefix>/check-absent or check-absent in an area's room, under the condition that it exists (If-Match: *)
 *   may somebody put through the CDN?      at <prefix>/check the same bytes, under the condition that there are none; in an area's room check-absent, under the condition that it exists
 *                                          with an ETag that nobody has, and with the MD5 of other bytes; that, too, only when the server has been seen to look at bytes
 *   CORS                                   OPTIONS
 * Keys are asked of the CDN only when they are known to exist; but one beyond all journal numbers, <prefix>/check-absent and check-absent in each area's room, which nobody will ever put.
 *
 * Blocks; not on the loop. Facts: "Actions, resources, and condition keys for Amazon S3" (Service Authorization Reference), "How to prevent object overwrites with
 * conditional writes" and "Configuring cross-origin resource sharing" (Amazon S3 User Guide), "How CloudFront processes and caches HTTP 4xx and 5xx status codes"
 * (Amazon CloudFront Developer Guide).
 */
#ifndef ASSETFS_PROBE_H
#define ASSETFS_PROBE_H

#include "base/env.h"
#include "base/options.h"
#include "store/keep.h"
#include "store/report.h"

/* Objects that are read by the same rule. */
struct probe_area {
    const char *room; /* what their keys begin with, behind the volume's place in the bucket: "files/" */
    bool open;        /* whoever knows the link may read; else whoever has a signed one */
    const struct keep *keep; /* how they are kept; NULL: as the bucket does by itself */
};

struct probe_config {
    struct env *env;
    const struct options *opt;
    const char *origin; /* of web pages that read the volume, "https://www.example.com"; NULL: CORS is not looked at */
    const struct probe_area *areas;
    size_t n_areas;
};

/* True if that can be an origin: "https://host[:port]", nothing behind it (RFC 6454, 6.2). */
bool probe_origin_ok(const char *origin);
/* Adds a line for each thing it looked at. 0, or -EINVAL with a sentence: the volume's URL or options are wrong. */
int probe_deployment(const struct probe_config *, struct report *, struct buf *why) ATTR_WARN_UNUSED;

#endif
