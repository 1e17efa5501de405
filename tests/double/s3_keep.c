/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a put says of how the object is to be kept: checked as S3 does, with the permissions that it needs.
 *
 * Facts: "PutObject" and "Error responses" (Amazon S3 API Reference), "Object tagging", "Using server-side encryption with AWS KMS keys" (Amazon S3 User Guide).
 */
#include "s3_state.h"

#include <ctype.h>
#include <strings.h>

#define TAGS_MAX 10
#define METADATA_MAX 2048
#define ENCRYPTION "x-amz-server-side-encryption"

static bool say(struct request *r, const char *code, const char *message) {
    s3_error_say(&s3_call(r)->err, code, "%s", message);
    return s3_refused(r);
}

/* ---- tags */

/* Characters, where %XX is one byte of them. */
static size_t tag_length(const char *p, size_t n, bool *ret_ok) {
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)p[i];
        if (c == '%') {
            if (i + 2 >= n || !isxdigit((unsigned char)p[i + 1]) || !isxdigit((unsigned char)p[i + 2])) {
                *ret_ok = false;
                break;
            }
            char hex[3] = {p[i + 1], p[i + 2], '\0'};
            c = (unsigned)strtoul(hex, NULL, 16);
            i += 2;
        }
        length += (c & 0xc0) != 0x80;
        if (c < 0x80 && !isalnum((int)c) && !strchr(" +-=._:/@", (int)c))
            *ret_ok = false;
    }
    return length;
}

static bool tags_ok(const char *text, unsigned *ret_n) {
    bool ok = true;
    for (*ret_n = 0; *text; (*ret_n)++) {
        size_t n = strcspn(text, "&"), name = strcspn(text, "=&");
        size_t value = name < n ? n - name - 1 : 0;
        ok = ok && name > 0 && strncmp(text, "aws%3A", 6) != 0 && strncmp(text, "aws:", 4) != 0;
        ok = ok && tag_length(text, name, &ok) <= 128 && tag_length(text + n - value, value, &ok) <= 256 && ok;
        text += n + (text[n] == '&');
    }
    return ok && *ret_n <= TAGS_MAX;
}

static bool check_tags(struct request *r) {
    const char *text = request_header(r, "x-amz-tagging");
    unsigned n;
    if (!text)
        return true;
    if (s3_call(r)->who.key.role == ROLE_WRITER && !atomic_load(&s3_site(r)->tagging)) {
        s3_violation(r, "not-allowed");
        s3_error_say(&s3_call(r)->err, "AccessDenied", "User: %s is not authorized to perform: s3:PutObjectTagging on resource: \"%s\" because no "
                                                       "identity-based policy allows the s3:PutObjectTagging action",
                     s3_call(r)->who.key.access, r->key);
        return s3_refused(r);
    }
    if (!tags_ok(text, &n))
        return n > TAGS_MAX ? say(r, "BadRequest", "Object tags cannot be greater than 10") : say(r, "InvalidTag", "The TagValue you have provided is invalid");
    return true;
}

/* ---- storage class, metadata */

static bool check_class(struct request *r) {
    static const char *const classes[] = {"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE", "REDUCED_REDUNDANCY"};
    const char *class = request_header(r, "x-amz-storage-class");
    for (size_t i = 0; class && i < ARRAY_SIZE(classes); i++)
        if (!strcmp(class, classes[i]))
            return true;
    return !class || say(r, "InvalidStorageClass", "The storage class you specified is not valid");
}

static bool check_metadata(struct request *r) {
    size_t bytes = 0;
    for (size_t i = 0; i < r->n_headers; i++)
        if (!strncasecmp(r->headers[i].name, "x-amz-meta-", 11))
            bytes += strlen(r->headers[i].name) - 11 + strlen(r->headers[i].value);
    return bytes <= METADATA_MAX || s3_refuse(r, "MetadataTooLarge");
}

/* ---- encryption */

/* The KMS key as it was set to be: what S3 passes on of KMS. */
static bool check_kms(struct request *r, const char *key) {
    struct s3_error *err = &s3_call(r)->err;
    switch (atomic_load(&s3_site(r)->kms_refuses)) {
    case 1:
        s3_error_say(err, "AccessDenied", "User: %s is not authorized to perform: kms:GenerateDataKey on resource: %s because no identity-based policy allows the "
                                          "kms:GenerateDataKey action",
                     s3_call(r)->who.key.access, key ? key : "the default key");
        return s3_refused(r);
    case 2:
        return say(r, "KMS.DisabledException", "The request was rejected because the specified KMS key is not enabled.");
    case 3:
        return say(r, "KMS.NotFoundException", "Invalid keyId");
    default:
        return true;
    }
}

static bool check_encryption(struct request *r) {
    const char *method = request_header(r, ENCRYPTION), *key = request_header(r, ENCRYPTION "-aws-kms-key-id"),
               *bucket_key = request_header(r, ENCRYPTION "-bucket-key-enabled");
    bool kms = method && (!strcmp(method, "aws:kms") || !strcmp(method, "aws:kms:dsse"));
    for (size_t i = 0; i < r->n_headers; i++)
        if (!strncasecmp(r->headers[i].name, ENCRYPTION "-customer-", 38)) /* the double speaks http only */
            return say(r, "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.");
    if (method && !kms && strcmp(method, "AES256") != 0)
        return say(r, "InvalidArgument", "The encryption method specified is not supported");
    if (!kms && (key || bucket_key))
        return say(r, "InvalidArgument", "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms");
    if (bucket_key && strcasecmp(bucket_key, "true") != 0 && strcasecmp(bucket_key, "false") != 0)
        return say(r, "InvalidArgument", "The bucket key setting is not valid");
    return !kms || check_kms(r, key);
}

bool s3_check_keep(struct request *r) {
    return check_tags(r) && check_class(r) && check_metadata(r) && check_encryption(r);
}

bool s3_check_kms_part(struct request *r, const char *headers) {
    if (!strstr(headers, ENCRYPTION ": aws:kms") || atomic_load(&s3_site(r)->kms_refuses) != 4)
        return true;
    s3_error_say(&s3_call(r)->err, "AccessDenied", "User: %s is not authorized to perform: kms:Decrypt on this resource because the resource does not exist in this Region, no "
                                                   "resource-based policies allow access, or a resource-based policy explicitly denies access",
                 s3_call(r)->who.key.access);
    return s3_refused(r);
}
