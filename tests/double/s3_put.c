/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "s3_state.h"

#include <strings.h>

#define PUT_MAX ((uint64_t)5 << 30)

/* ---- before the body ---- */

static bool check_length(struct request *r) {
    if (request_header(r, "Transfer-Encoding") || r->body_size == UINT64_MAX)
        return s3_refuse(r, "MissingContentLength");
    return r->body_size <= PUT_MAX || s3_refuse(r, "EntityTooLarge");
}

/* A digest that is none is refused before it could be wrong. */
static bool check_digest_headers(struct request *r) {
    struct s3_error *err = &s3_call(r)->err;
    unsigned char digest[BUCKET_DIGEST];
    for (size_t i = 0; i < r->n_headers; i++) {
        const char *name = r->headers[i].name, *value = r->headers[i].value;
        if (!strcasecmp(name, "x-amz-checksum-sha256")) {
            if (!strchr(value, '-') && text_unbase64(value, digest, sizeof digest) != BUCKET_DIGEST) {
                s3_error_say(err, "InvalidRequest", "Value for x-amz-checksum-sha256 header is invalid.");
                return s3_refused(r);
            }
        } else if (!strncasecmp(name, "x-amz-checksum-", 15) &&
                   strcasecmp(name, "x-amz-checksum-algorithm") != 0 &&
                   strcasecmp(name, "x-amz-checksum-type") != 0 &&
                   strcasecmp(name, "x-amz-checksum-mode") != 0) {
            s3_error_say(err, "NotImplemented", "The double knows no other checksum than SHA-256: %s", name);
            return s3_refused(r);
        } else if (!strcasecmp(name, "Content-MD5") && text_unbase64(value, digest, 16) != 16) {
            return s3_refuse(r, "InvalidDigest");
        } else if (!strcasecmp(name, "x-amz-sdk-checksum-algorithm") &&
                   !request_header(r, "x-amz-checksum-sha256")) {
            s3_error_say(err, "InvalidRequest",
                         "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                         "x-amz-trailer "
                         "headers were found.");
            return s3_refused(r);
        }
    }
    return true;
}

/* What needs a permission of its own, or cannot be here. */
static bool check_other_headers(struct request *r) {
    bool writer = s3_call(r)->who.key.role == ROLE_WRITER;
    for (size_t i = 0; i < r->n_headers; i++) {
        const char *name = r->headers[i].name, *value = r->headers[i].value;
        bool acl = !strcasecmp(name, "x-amz-acl") && strcmp(value, "bucket-owner-full-control") != 0;
        if (acl || !strncasecmp(name, "x-amz-grant-", 12))
            return s3_refuse(r, "AccessControlListNotSupported");
        bool special = !strncasecmp(name, "x-amz-object-lock-", 18);
        if (special && writer) {
            s3_violation(r, "not-allowed");
            return s3_refuse(r, "AccessDenied");
        }
        if (special) {
            s3_error_say(&s3_call(r)->err, "NotImplemented", "The double knows nothing of %s", name);
            return s3_refused(r);
        }
    }
    return true;
}

bool s3_check_put_headers(struct request *r) {
    return check_length(r) && check_digest_headers(r) && check_other_headers(r) && s3_check_keep(r);
}

bool s3_check_condition(struct request *r) {
    struct s3_error *err = &s3_call(r)->err;
    const char *none_match = request_header(r, "If-None-Match"), *match = request_header(r, "If-Match");
    if (match && s3_call(r)->who.key.role == ROLE_WRITER) { /* that needs s3:GetObject */
        s3_violation(r, "not-allowed");
        return s3_refuse(r, "AccessDenied");
    }
    if (match || (none_match && strcmp(none_match, "*") != 0)) {
        s3_error_set(err, "NotImplemented");
        s3_error_add(err, "Header", match ? "If-Match" : "If-None-Match");
        return s3_refused(r);
    }
    if (!none_match) {
        s3_violation(r, "no-condition");
        if (atomic_load(&s3_site(r)->demand_condition)) {
            s3_error_say(err, "AccessDenied",
                         "User: %s is not authorized to perform: s3:PutObject on resource: \"%s\" with an "
                         "explicit deny in a "
                         "resource-based policy",
                         s3_call(r)->who.key.access, r->key);
            return s3_refused(r);
        }
    }
    return true;
}

/* ---- after it ---- */

static bool check_md5(struct request *r) {
    const char *value = request_header(r, "Content-MD5");
    unsigned char given[16], got[16];
    if (!value || !r->draft)
        return true;
    if (text_unbase64(value, given, sizeof given) == 16 && draft_md5(r->draft, got) == 0 &&
        !memcmp(given, got, 16))
        return true;
    s3_error_say(&s3_call(r)->err, "BadDigest",
                 "The Content-MD5 you specified did not match what we received.");
    return s3_refused(r);
}

bool s3_check_body(struct request *r, unsigned char digest[BUCKET_DIGEST]) {
    struct s3_call *call = s3_call(r);
    char hex[2 * BUCKET_DIGEST + 1];
    unsigned char given[BUCKET_DIGEST];
    if (r->body_err) {
        fprintf(stderr, "assetfs-double: cannot keep %s: %s\n", r->key, strerror(-r->body_err));
        return s3_refuse(r, "InternalError");
    }
    draft_digest(r->draft, digest);
    text_hex(digest, BUCKET_DIGEST, hex);
    if (r->received != r->body_size || draft_size(r->draft) != r->body_size)
        return s3_refuse(r, "IncompleteBody");
    if (atomic_load(&s3_site(r)->ignore_digest))
        return true;
    if (call->who.payload[0] && strcasecmp(call->who.payload, hex) != 0) {
        s3_error_set(&call->err, "XAmzContentSHA256Mismatch");
        s3_error_add(&call->err, "ClientComputedContentSHA256", call->who.payload);
        s3_error_add(&call->err, "S3ComputedContentSHA256", hex);
        return s3_refused(r);
    }
    const char *checksum = request_header(r, "x-amz-checksum-sha256");
    if (checksum && (text_unbase64(checksum, given, sizeof given) != BUCKET_DIGEST ||
                     memcmp(given, digest, BUCKET_DIGEST) != 0))
        return s3_refuse(r, "BadDigest");
    return check_md5(r);
}

static bool is_kept(const char *name) {
    static const char *const names[] = {"Cache-Control",    "Content-Disposition",
                                        "Content-Encoding", "Content-Language",
                                        "Expires",          "Content-Type"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcasecmp(name, names[i]))
            return true;
    }
    return !strncasecmp(name, "x-amz-meta-", 11) || !strcasecmp(name, "x-amz-storage-class") ||
           !strncasecmp(name, "x-amz-server-side-encryption", 28);
}

char *s3_kept_headers(const struct request *r, const char *etag, const char *checksum) {
    char *text;
    size_t n;
    FILE *f = xmemstream(&text, &n);
    if (etag)
        fprintf(f, "ETag: \"%s\"\n", etag);
    if (checksum)
        fprintf(f, "x-amz-checksum-sha256: %s\n", checksum);
    if (!request_header(r, "Content-Type"))
        fputs("Content-Type: binary/octet-stream\n", f);
    if (!request_header(r, "x-amz-server-side-encryption"))
        fputs("x-amz-server-side-encryption: AES256\n", f);
    const char *tags = request_header(r, "x-amz-tagging");
    if (tags && *tags) {
        unsigned count = 1;
        for (const char *p = tags; *p; p++)
            count += *p == '&';
        fprintf(f, "x-amz-tagging-count: %u\n", count);
    }
    for (size_t i = 0; i < r->n_headers; i++) {
        if (is_kept(r->headers[i].name))
            fprintf(f, "%s: %s\n", r->headers[i].name, r->headers[i].value);
    }
    fclose(f);
    return text;
}

/* The fault: somebody else was a moment faster. */
static void squat(struct request *r) {
    struct bucket *b = s3_site(r)->bucket;
    struct draft *d = draft_new(b);
    if (d && draft_write(d, FAULT_GARBAGE_BYTES, strlen(FAULT_GARBAGE_BYTES)) == 0 &&
        bucket_commit(b, d, r->key, "ETag: \"garbage\"\nContent-Type: text/plain\n", true) < 0)
        fprintf(stderr, "assetfs-double: %s could not be squatted: there is an object\n", r->key);
    draft_free(d);
}

bool s3_commit(struct request *r, struct draft *d, const char *headers) {
    struct s3_error *err = &s3_call(r)->err;
    bool only_if_absent = request_header(r, "If-None-Match") && !atomic_load(&s3_site(r)->ignore_condition);
    if (plan_has(&r->plan, FAULT_GARBAGE))
        squat(r);
    int e = bucket_commit(s3_site(r)->bucket, d, r->key, headers, only_if_absent);
    switch (e) {
    case 0:
        return true;
    case -EEXIST:
        s3_error_set(err, "PreconditionFailed");
        s3_error_add(err, "Condition", "If-None-Match");
        return s3_refused(r);
    case -E2BIG:
        return s3_refuse(r, "MetadataTooLarge");
    default:
        fprintf(stderr, "assetfs-double: cannot keep %s: %s\n", r->key, strerror(-e));
        return s3_refuse(r, "InternalError");
    }
}

/* ---- PutObject ---- */

static void put_begin(struct request *r) {
    struct site *site = s3_site(r);
    if (!s3_check_put_headers(r) || !s3_check_condition(r))
        return;
    if (atomic_load(&site->early_412) && request_header(r, "If-None-Match") &&
        bucket_has(site->bucket, r->key)) {
        s3_error_set(&s3_call(r)->err, "PreconditionFailed");
        s3_error_add(&s3_call(r)->err, "Condition", "If-None-Match");
        s3_refused(r);
        return;
    }
    r->draft = draft_new(site->bucket);
    if (!r->draft)
        s3_refuse(r, "InternalError");
}

static void put_finish(struct request *r) {
    unsigned char digest[BUCKET_DIGEST];
    char etag[2 * BUCKET_DIGEST + 1];
    if (!s3_check_body(r, digest))
        return;
    text_hex(digest, BUCKET_DIGEST, etag);
    CLEANUP_FREE char *checksum = text_base64(digest, BUCKET_DIGEST);
    CLEANUP_FREE char *headers =
        s3_kept_headers(r, etag, request_header(r, "x-amz-checksum-sha256") ? checksum : NULL);
    if (!s3_commit(r, r->draft, headers))
        return;
    r->answer.status = 200;
    r->answer.text = xstrdup("");
    answer_header(&r->answer, "ETag", "\"%s\"", etag);
    const char *method = request_header(r, "x-amz-server-side-encryption");
    bool kms = !method && atomic_load(&s3_site(r)->kms);
    answer_header(&r->answer, "x-amz-server-side-encryption", "%s", method ? method : kms ? "aws:kms" : "AES256");
    if (kms)
        answer_header(&r->answer, "x-amz-server-side-encryption-aws-kms-key-id",
                      "arn:aws:kms:us-east-1:111122223333:key/double");
    if (request_header(r, "x-amz-checksum-sha256"))
        answer_header(&r->answer, "x-amz-checksum-sha256", "%s", checksum);
    s3_decorate(r);
}

const struct s3_operation s3_put_object = {"PutObject", OP_PUT, .writer = true, .begin = put_begin,
                                           .finish = put_finish};
