/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside of store/policy.h: the statements, in the words of a plain document or of Terraform's templates. Nobody else includes this. Pure.
 */
#ifndef ASSETFS_POLICY_PARTS_H
#define ASSETFS_POLICY_PARTS_H

#include "base/json.h"
#include "store/policy.h"

/* Amazon's managed policies. */
#define POLICY_CACHING_DISABLED "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
#define POLICY_CACHING_OPTIMIZED_UNCOMPRESSED "b2884449-e4de-46a7-ac36-70bc7f1ddd6d"
#define POLICY_CORS_S3_ORIGIN "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf"
#define POLICY_HEADER_NOTE                                                                                                                                                        \
    "Reads present the headers of cdn_header=: attach the function that looks at them (Lambda@Edge or a CloudFront function, at the viewer's request) to each behaviour that is not for " \
    "everybody, the journal's among them. It is not printed here."
/* Parts of uploads that were never completed go after so many days. */
#define POLICY_UNFINISHED_DAYS 7

/* How things are called: as ARNs, or as Terraform's references. */
struct policy_terms {
    const struct policy *policy;
    const char *bucket_arn, *distribution_arn, *kms_arn, *writer_arn;
    bool terraform; /* what is not ours must not be read as a template */
};

/* "team/.assetfs/", "team/files/": the prefixes the volume puts below; malloc'd list of malloc'd strings, sorted, each once. */
char **policy_prefixes(const struct policy *, size_t *n);
void policy_prefixes_free(char **, size_t n);
bool policy_uses_kms(const struct policy *);
/* Whether some of it is read with a signature only. */
bool policy_signs(const struct policy *);

/* As a member of that name, or at the top (NULL). */
void policy_writer(struct json *, const char *name, const struct policy_terms *);
void policy_bucket(struct json *, const char *name, const struct policy_terms *);
/* Statements of a key's own policy. */
void policy_kms_cdn(struct json *, const char *name, const struct policy_terms *);
void policy_kms_writer(struct json *, const char *name, const struct policy_terms *);

/* One of the CDN's behaviours, the first that fits a path counts. */
struct policy_behaviour {
    char *pattern; /* "/team/.assetfs/journal/..."; NULL: the default one */
    bool cached, is_signed;
};
struct policy_behaviour *policy_behaviours(const struct policy *, size_t *n);
/* Why there is none for an area that should have one, malloc'd; NULL: there is, or it needs none. */
char *policy_pattern_note(const struct policy *, const struct policy_area *);
void policy_behaviours_free(struct policy_behaviour *, size_t n);

#endif
