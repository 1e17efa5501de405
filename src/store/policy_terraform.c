/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/policy_parts.h"

static const char head[] =
    "variable \"project\" {\n"
    "  type = string\n"
    "}\n\n"
    "variable \"environment\" {\n"
    "  description = \"prod, staging, ...: each has a bucket of its own\"\n"
    "  type        = string\n"
    "}\n\n"
    "variable \"origins\" {\n"
    "  description = \"origins of web pages whose scripts read files, as in https://www.example.com\"\n"
    "  type        = list(string)\n"
    "  default     = []\n"
    "}\n\n"
    "variable \"versioning\" {\n"
    "  description = \"Enabled keeps what an administrator overwrites or deletes; then Suspended, never "
    "Disabled again\"\n"
    "  type        = string\n"
    "  default     = \"Disabled\"\n"
    "}\n\n"
    "locals {\n"
    "  bucket = \"${var.project}-assets-${var.environment}\"\n"
    "}\n\n"
    "resource \"aws_s3_bucket\" \"assets\" {\n"
    "  bucket        = local.bucket\n"
    "  force_destroy = var.environment != \"prod\"\n"
    "}\n\n"
    "resource \"aws_s3_bucket_public_access_block\" \"assets\" {\n"
    "  bucket                  = aws_s3_bucket.assets.id\n"
    "  block_public_acls       = true\n"
    "  ignore_public_acls      = true\n"
    "  block_public_policy     = true\n"
    "  restrict_public_buckets = true\n"
    "}\n\n"
    "resource \"aws_s3_bucket_ownership_controls\" \"assets\" {\n"
    "  bucket = aws_s3_bucket.assets.id\n"
    "  rule {\n"
    "    object_ownership = \"BucketOwnerEnforced\"\n"
    "  }\n"
    "}\n\n"
    "resource \"aws_s3_bucket_versioning\" \"assets\" {\n"
    "  bucket = aws_s3_bucket.assets.id\n"
    "  versioning_configuration {\n"
    "    status = var.versioning\n"
    "  }\n"
    "}\n\n"
    "resource \"aws_s3_bucket_cors_configuration\" \"assets\" {\n"
    "  count  = signum(length(var.origins))\n"
    "  bucket = aws_s3_bucket.assets.id\n"
    "  cors_rule {\n"
    "    allowed_origins = var.origins\n"
    "    allowed_methods = [\"GET\", \"HEAD\"]\n"
    "    allowed_headers = [\"Range\"]\n"
    "    expose_headers  = [\"Content-Length\", \"Content-Range\", \"ETag\"]\n"
    "    max_age_seconds = 3600\n"
    "  }\n"
    "}\n\n";

/* A quoted string; ${ and %{ would begin a template. */
static void quote(struct buf *b, const char *s) {
    buf_append_byte(b, '"');
    for (; *s; s++) {
        if ((*s == '$' || *s == '%') && s[1] == '{')
            buf_append_byte(b, (unsigned char)*s);
        if (*s == '"' || *s == '\\')
            buf_append_byte(b, '\\');
        buf_append_byte(b, (unsigned char)*s);
    }
    buf_append_byte(b, '"');
}

/* "  policy = <<EOT" and a document, without what would end it. */
static void document(struct buf *b, const char *name,
                     void (*print)(struct json *, const char *, const struct policy_terms *),
                     const struct policy_terms *t) {
    struct json j = {.out = b};
    buf_printf(b, "  %s = <<EOT\n", name);
    print(&j, NULL, t);
    buf_append_str(b, "\nEOT\n");
}

static void writer(struct buf *b, const struct policy_terms *t) {
    buf_append_str(b, "# Attach it to the user or the role that puts.\n"
                      "resource \"aws_iam_policy\" \"assetfs_writer\" {\n"
                      "  name   = \"${local.bucket}-assetfs-writer\"\n");
    document(b, "policy", policy_writer, t);
    buf_append_str(b, "}\n\n");
}

static void bucket_policy(struct buf *b, const struct policy_terms *t) {
    buf_append_str(b, "# A bucket has one policy: merge others' statements into this one.\n"
                      "resource \"aws_s3_bucket_policy\" \"assets\" {\n"
                      "  bucket = aws_s3_bucket.assets.id\n");
    document(b, "policy", policy_bucket, t);
    buf_append_str(b, "}\n\n");
}

static void lifecycle(struct buf *b, const struct policy *p) {
    size_t n;
    char **prefixes = policy_prefixes(p, &n);
    buf_append_str(b, "# Never expire or archive current objects by age: a file keeps its object, and the "
                      "journal is needed from "
                      "its first entry on.\n"
                      "resource \"aws_s3_bucket_lifecycle_configuration\" \"assets\" {\n"
                      "  bucket = aws_s3_bucket.assets.id\n");
    for (size_t i = 0; i < n; i++) {
        buf_printf(b,
                   "  rule {\n    id     = \"assetfs-unfinished-uploads-%zu\"\n    status = \"Enabled\"\n    "
                   "filter {\n"
                   "      prefix = ",
                   i + 1);
        quote(b, prefixes[i]);
        buf_printf(b,
                   "\n    }\n    abort_incomplete_multipart_upload {\n      days_after_initiation = %d\n    "
                   "}\n  }\n",
                   POLICY_UNFINISHED_DAYS);
    }
    buf_append_str(b, "}\n\n");
    policy_prefixes_free(prefixes, n);
}

/* ---- the CDN */

static const char methods[] =
    "variable \"methods\" {\n"
    "  description = \"with origins: [\\\"GET\\\", \\\"HEAD\\\", \\\"OPTIONS\\\"]\"\n"
    "  type        = list(string)\n"
    "  default     = [\"GET\", \"HEAD\"]\n"
    "}\n\n";

static void behaviour(struct buf *b, const struct policy_behaviour *x) {
    buf_append_str(b, x->pattern ? "  ordered_cache_behavior {\n    path_pattern             = "
                                 : "  default_cache_behavior {\n");
    if (x->pattern) {
        quote(b, x->pattern);
        buf_append_byte(b, '\n');
    }
    buf_printf(b,
               "    target_origin_id         = \"assets\"\n"
               "    allowed_methods          = var.methods\n"
               "    cached_methods           = [\"GET\", \"HEAD\"]\n"
               "    cache_policy_id          = \"%s\"\n"
               "    origin_request_policy_id = \"%s\"\n"
               "    viewer_protocol_policy   = \"https-only\"\n"
               "    compress                 = false\n",
               x->cached ? POLICY_CACHING_OPTIMIZED_UNCOMPRESSED : POLICY_CACHING_DISABLED,
               POLICY_CORS_S3_ORIGIN);
    if (x->is_signed)
        buf_append_str(b, "    trusted_key_groups       = [aws_cloudfront_key_group.assets.id]\n");
    buf_append_str(b, "  }\n");
}

static void signers(struct buf *b) {
    buf_append_str(b, "variable \"public_key\" {\n"
                      "  description = \"PEM: the public half of cdn_key_file=\"\n"
                      "  type        = string\n"
                      "}\n\n"
                      "resource \"aws_cloudfront_public_key\" \"assets\" {\n"
                      "  name        = local.bucket\n"
                      "  encoded_key = var.public_key\n"
                      "}\n\n"
                      "resource \"aws_cloudfront_key_group\" \"assets\" {\n"
                      "  name  = local.bucket\n"
                      "  items = [aws_cloudfront_public_key.assets.id]\n"
                      "}\n\n");
}

static void distribution(struct buf *b, const struct policy *p) {
    size_t n;
    struct policy_behaviour *list = policy_behaviours(p, &n);
    if (policy_signs(p))
        signers(b);
    buf_append_str(b, methods);
    buf_append_str(b, "resource \"aws_cloudfront_origin_access_control\" \"assets\" {\n"
                      "  name                              = local.bucket\n"
                      "  origin_access_control_origin_type = \"s3\"\n"
                      "  signing_behavior                  = \"always\"\n"
                      "  signing_protocol                  = \"sigv4\"\n"
                      "}\n\n"
                      "resource \"aws_cloudfront_distribution\" \"assets\" {\n"
                      "  enabled = true\n"
                      "  comment = local.bucket\n"
                      "  origin {\n"
                      "    domain_name              = aws_s3_bucket.assets.bucket_regional_domain_name\n"
                      "    origin_id                = \"assets\"\n"
                      "    origin_access_control_id = aws_cloudfront_origin_access_control.assets.id\n"
                      "  }\n");
    for (size_t i = 0; i < n; i++)
        behaviour(b, &list[i]);
    for (int status = 403; status <= 404; status++)
        buf_printf(
            b,
            "  custom_error_response {\n    error_code            = %d\n    error_caching_min_ttl = 0\n  }\n",
            status);
    buf_append_str(
        b,
        "  restrictions {\n    geo_restriction {\n      restriction_type = \"none\"\n    }\n  }\n"
        "  # With a name of your own: its certificate, and minimum_protocol_version = \"TLSv1.2_2021\".\n"
        "  viewer_certificate {\n    cloudfront_default_certificate = true\n  }\n}\n\n"
        "output \"cdn\" {\n  value = \"https://${aws_cloudfront_distribution.assets.domain_name}\"\n}\n\n");
    policy_behaviours_free(list, n);
}

/* ---- KMS: the key is somebody else's */

static void kms(struct buf *b, const struct policy_terms *t) {
    buf_append_str(b, "variable \"kms_key_arn\" {\n"
                      "  description = \"the key that the bucket encrypts with\"\n"
                      "  type        = string\n"
                      "}\n\n"
                      "variable \"writer_arn\" {\n"
                      "  description = \"the user or the role that puts\"\n"
                      "  type        = string\n"
                      "}\n\n");
    if (t->policy->cdn_path) {
        buf_append_str(b, "# To be merged into the policy of the key.\noutput \"kms_statement_cdn\" {\n");
        document(b, "value", policy_kms_cdn, t);
        buf_append_str(b, "}\n\n");
    }
    buf_append_str(b, "# To be merged into the policy of the key.\noutput \"kms_statement_writer\" {\n");
    document(b, "value", policy_kms_writer, t);
    buf_append_str(b, "}\n\n");
}

void policy_terraform(const struct policy *p, struct buf *b) {
    const struct policy_terms t = {.policy = p,
                                   .bucket_arn = "${aws_s3_bucket.assets.arn}",
                                   .distribution_arn = "${aws_cloudfront_distribution.assets.arn}",
                                   .kms_arn = "${var.kms_key_arn}",
                                   .writer_arn = "${var.writer_arn}",
                                   .terraform = true};
    buf_append_str(
        b, "# What a volume of assetfs needs: a bucket in each environment, and what may be done with it.\n");
    if (!p->knows_areas)
        buf_append_str(
            b, "# The volume is not mounted here: its areas are not known, this is for files/ alone.\n");
    if (p->cdn_path && p->has_header)
        buf_append_str(b, "# " POLICY_HEADER_NOTE "\n");
    for (size_t i = 0; i < p->n_areas; i++) {
        CLEANUP_FREE char *note = policy_pattern_note(p, &p->areas[i]);
        if (note)
            buf_printf(b, "# %s\n", note);
    }
    buf_append_byte(b, '\n');
    buf_append_str(b, head);
    writer(b, &t);
    bucket_policy(b, &t);
    lifecycle(b, p);
    if (p->cdn_path)
        distribution(b, p);
    if (policy_uses_kms(p))
        kms(b, &t);
    buf_append_str(b, "output \"volume\" {\n  value = \"s3://${local.bucket}");
    if (*p->place) {
        CLEANUP_BUF struct buf place = BUF_INIT(4096);
        buf_append_byte(&place, '/');
        buf_append(&place, p->place, strlen(p->place) - 1);
        CLEANUP_BUF struct buf quoted = BUF_INIT(16384);
        quote(&quoted, buf_str(&place));
        buf_append(b, quoted.data + 1, quoted.len - 2);
    }
    buf_append_str(b, "\"\n}\n");
}
