/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a volume needs of AWS: the policies of its writer and of its bucket, the behaviours of the CDN before it, and the rest of the bucket's configuration, as JSON to be merged
 * into what is there (policy_json), or as Terraform for a bucket of its own in each environment (policy_terraform). Pure.
 *
 * Whatever it prints concerns the volume's own prefixes only: what else lives in the bucket must not notice.
 *
 * Facts: "Actions, resources, and condition keys for Amazon S3", "Enforce conditional writes on Amazon S3 buckets", "Restrict access to an Amazon S3 origin", "Using the
 * managed cache policies", "IAM JSON policy elements: Variables and tags" (how * ? $ are written in a resource), Terraform's "Strings and Templates".
 */
#ifndef ASSETFS_POLICY_H
#define ASSETFS_POLICY_H

#include "base/base.h"
#include "base/buf.h"

/* Objects that are put, and read, by the same rule. */
struct policy_area {
    char *room;    /* what their keys begin with, behind the volume's place in the bucket: "files/", "" */
    bool open;     /* whoever knows the link may read, also where others need a signature */
    bool tags;     /* they are put with tags */
    bool kms;      /* they are put with SSE-KMS */
    char *kms_key; /* its key; NULL: the bucket's */
};

struct policy {
    const char *volume;  /* as the user named it */
    const char *bucket;
    const char *place;   /* before every key: "" or "team/" */
    const char *journal; /* prefix=: ".assetfs" */
    const char *region;  /* NULL: nobody says */
    const char *cdn_path; /* what stands before a key in an address of the CDN: "", "/some"; NULL: there is no CDN */
    bool amazon;         /* the server is Amazon's */
    bool signs;          /* reads are signed */
    bool has_header;     /* reads present headers of the deployment's own */
    bool knows_areas;    /* `areas` is all there are; false: only the default one is known */
    const struct policy_area *areas;
    size_t n_areas;
};

void policy_json(const struct policy *, struct buf *);
void policy_terraform(const struct policy *, struct buf *);

#endif
