/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/policy_parts.h"

/* "arn:aws-cn" in China: policies are written with the partition of the region. */
static const char *partition(const char *region) {
    static const struct {
        const char *begins, *partition;
    } others[] = {{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"eusc-", "aws-eusc"}};
    for (size_t i = 0; region && i < ARRAY_SIZE(others); i++)
        if (!strncmp(region, others[i].begins, strlen(others[i].begins)))
            return others[i].partition;
    return "aws";
}

static void notes(struct json *j, const struct policy *p) {
    json_array(j, "notes");
    json_text(j, NULL,
              "These are statements to merge into what is there, not documents to replace it with: they "
              "concern this "
              "volume's prefixes only.");
    json_text(
        j, NULL,
        "Never let a lifecycle rule delete or archive current objects below these prefixes by age: a file "
        "keeps "
        "its object for as long as it has its name, and the journal is needed from its first entry on.");
    if (!p->knows_areas)
        json_text(j, NULL,
                  "The volume is not mounted here, so that its areas are not known: this is for files/, "
                  "where files "
                  "without an area are put. Mount it, and print this again.");
    if (!p->amazon)
        json_text(j, NULL,
                  "endpoint= is another server than Amazon's: it may not know all of this, the condition "
                  "s3:if-none-match least of all. assetfs check tells what holds.");
    if (!p->cdn_path)
        json_text(j, NULL, "Without cdn= the volume is read from the bucket itself, by the writer.");
    if (p->cdn_path && p->has_header)
        json_text(j, NULL, POLICY_HEADER_NOTE);
    if (p->cdn_path && !policy_signs(p) && !p->has_header)
        json_text(j, NULL,
                  "Reads are not signed (there is no cdn_key_file=): whoever knows the address of a file can "
                  "read it.");
    for (size_t i = 0; i < p->n_areas; i++) {
        CLEANUP_FREE char *note = policy_pattern_note(p, &p->areas[i]);
        if (note)
            json_text(j, NULL, note);
    }
    json_text(j, NULL, "When all of it is in place, assetfs check tells whether it works.");
    json_end(j);
}

static void placeholders(struct json *j, const struct policy *p) {
    json_object(j, "replace");
    json_text(j, "ACCOUNT_ID", "the number of the AWS account");
    if (p->cdn_path)
        json_text(j, "DISTRIBUTION_ID", "the id of the CloudFront distribution that reads the bucket");
    if (p->cdn_path && policy_signs(p))
        json_text(j, "KEY_GROUP_ID", "the id of the key group with the public half of cdn_key_file=");
    json_text(j, "KMS_KEY_ID", "the id of the KMS key, if the bucket encrypts with one");
    json_text(j, "WRITER", "the name of the IAM user, or the role, that puts");
    json_end(j);
}

static void public_access(struct json *j) {
    json_object(j, "public_access_block");
    json_bool(j, "BlockPublicAcls", true);
    json_bool(j, "IgnorePublicAcls", true);
    json_bool(j, "BlockPublicPolicy", true);
    json_bool(j, "RestrictPublicBuckets", true);
    json_end(j);
    json_text(j, "object_ownership", "BucketOwnerEnforced");
}

static void kms(struct json *j, const struct policy_terms *t) {
    json_object(j, "kms");
    json_text(
        j, "note",
        policy_uses_kms(t->policy)
            ? "The statements for the policy of the key itself. The writer's own policy above has its part."
            : "Only if the bucket encrypts with a KMS key by itself: the statements for the policy of that "
              "key.");
    if (t->policy->cdn_path)
        policy_kms_cdn(j, "cdn", t);
    policy_kms_writer(j, "writer", t);
    json_end(j);
}

static void behaviour(struct json *j, const struct policy_behaviour *b) {
    json_object(j, NULL);
    json_text(j, "PathPattern", b->pattern ? b->pattern : "Default (*)");
    json_texts(j, "AllowedMethods", (const char *const[]){"GET", "HEAD"}, 2);
    json_text(j, "CachePolicyId",
              b->cached ? POLICY_CACHING_OPTIMIZED_UNCOMPRESSED : POLICY_CACHING_DISABLED);
    json_bool(j, "Compress", false);
    json_text(j, "ViewerProtocolPolicy", "https-only");
    json_texts(j, "TrustedKeyGroups", (const char *const[]){"KEY_GROUP_ID"}, b->is_signed);
    json_end(j);
}

static void no_error_caching(struct json *j, int status) {
    json_object(j, NULL);
    json_number(j, "ErrorCode", status);
    json_number(j, "ErrorCachingMinTTL", 0);
    json_end(j);
}

static void cloudfront(struct json *j, const struct policy *p) {
    size_t n;
    struct policy_behaviour *list = policy_behaviours(p, &n);
    json_object(j, "cloudfront");
    json_text(j, "origin_access_control", "S3, signing behaviour always, SigV4");
    json_text(j, "minimum_protocol_version", "TLSv1.2_2021");
    json_array(j, "behaviours");
    for (size_t i = 0; i < n; i++)
        behaviour(j, &list[i]);
    json_end(j);
    json_array(j, "custom_error_responses");
    no_error_caching(j, 403);
    no_error_caching(j, 404);
    json_end(j);
    json_end(j);
    policy_behaviours_free(list, n);
}

static void lifecycle(struct json *j, const struct policy *p) {
    size_t n;
    char **prefixes = policy_prefixes(p, &n);
    json_object(j, "lifecycle");
    json_array(j, "Rules");
    for (size_t i = 0; i < n; i++) {
        CLEANUP_FREE char *id = xasprintf("assetfs-unfinished-uploads-%zu", i + 1);
        json_object(j, NULL);
        json_text(j, "ID", id);
        json_text(j, "Status", "Enabled");
        json_object(j, "Filter");
        json_text(j, "Prefix", prefixes[i]);
        json_end(j);
        json_object(j, "AbortIncompleteMultipartUpload");
        json_number(j, "DaysAfterInitiation", POLICY_UNFINISHED_DAYS);
        json_end(j);
        json_end(j);
    }
    json_end(j);
    json_end(j);
    policy_prefixes_free(prefixes, n);
}

static void versioning(struct json *j, const struct policy *p) {
    CLEANUP_FREE char *note = xasprintf(
        "Optional, and for the whole bucket: it keeps what an administrator overwrites or deletes below "
        "%s%s/. assetfs itself never does either, so that it costs nothing by itself.",
        p->place, p->journal);
    json_object(j, "versioning");
    json_text(j, "note", note);
    json_text(j, "Status", "Enabled");
    json_end(j);
}

static void cors(struct json *j, const struct policy *p) {
    json_object(j, "cors");
    json_text(j, "note",
              "Only if scripts of web pages read files: each origin, a sub-domain is another one, in the "
              "place of this "
              "example. Then the CDN's behaviours allow OPTIONS as well, and have the origin request policy "
              "below.");
    if (p->cdn_path)
        json_text(j, "OriginRequestPolicyId", POLICY_CORS_S3_ORIGIN);
    json_array(j, "CORSRules");
    json_object(j, NULL);
    json_texts(j, "AllowedOrigins", (const char *const[]){"https://www.example.com"}, 1);
    json_texts(j, "AllowedMethods", (const char *const[]){"GET", "HEAD"}, 2);
    json_texts(j, "AllowedHeaders", (const char *const[]){"Range"}, 1);
    json_texts(j, "ExposeHeaders", (const char *const[]){"Content-Length", "Content-Range", "ETag"}, 3);
    json_number(j, "MaxAgeSeconds", 3600);
    json_end(j);
    json_end(j);
    json_end(j);
}

void policy_json(const struct policy *p, struct buf *out) {
    const char *part = partition(p->region), *region = p->region ? p->region : "us-east-1";
    CLEANUP_FREE char *bucket = xasprintf("arn:%s:s3:::%s", part, p->bucket);
    CLEANUP_FREE char *distribution =
        xasprintf("arn:%s:cloudfront::ACCOUNT_ID:distribution/DISTRIBUTION_ID", part);
    CLEANUP_FREE char *key = xasprintf("arn:%s:kms:%s:ACCOUNT_ID:key/KMS_KEY_ID", part, region);
    CLEANUP_FREE char *writer = xasprintf("arn:%s:iam::ACCOUNT_ID:user/WRITER", part);
    const struct policy_terms t = {.policy = p,
                                   .bucket_arn = bucket,
                                   .distribution_arn = distribution,
                                   .kms_arn = key,
                                   .writer_arn = writer};
    struct json j = {.out = out};
    json_object(&j, NULL);
    json_text(&j, "volume", p->volume);
    json_text(&j, "bucket", p->bucket);
    notes(&j, p);
    placeholders(&j, p);
    policy_writer(&j, "writer_policy", &t);
    policy_bucket(&j, "bucket_policy", &t);
    public_access(&j);
    kms(&j, &t);
    if (p->cdn_path)
        cloudfront(&j, p);
    lifecycle(&j, p);
    versioning(&j, p);
    cors(&j, p);
    json_end(&j);
    buf_append_byte(out, '\n');
}
