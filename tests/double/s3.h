/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * S3, as far as assetfs and its tests meet it: PutObject, the three calls of a multipart upload, GetObject and HeadObject; for the owner DeleteObject, too. Path
 * style, and virtual-host style for the site's domains.
 *
 * In this order: the signature (sigv4_check.h), what the key may do (a writer PutObject and nothing else: reading, listing, deleting, copying and aborting
 * are 403 AccessDenied, unless it is allowed more: keyring.h), Content-Length (411), the policy that demands If-None-Match, the body's digests, and at last, by the link into place, the condition.
 * A reader's missing key is 403, as for everybody without ListBucket; the owner's is 404.
 *
 * Unlike AWS: an ETag is the SHA-256, not the MD5; of checksums only SHA-256 (and Content-MD5) is known, others are 501, as are bodies signed chunk by chunk;
 * nothing is kept of tags but their number, nothing of ACLs and versions; encryption headers are checked and given back, and KMS says what it is set to (site.h).
 *
 * Facts: "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObject" (Amazon S3 API Reference), "How to prevent object overwrites with
 * conditional writes" (Amazon S3 User Guide).
 */
#ifndef DOUBLE_S3_H
#define DOUBLE_S3_H

#include "server.h"
#include "site.h"

struct service s3_service(struct site *);

#endif
