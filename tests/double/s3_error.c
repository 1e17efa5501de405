/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "s3_error.h"
#include "text.h"

/* The first of a status is the one a bare status means. */
static const struct {
    int status;
    const char *code, *message;
} TABLE[] = {
    {301, "PermanentRedirect",
     "The bucket you are attempting to access must be addressed using the specified endpoint. Please send "
     "all future requests to this endpoint."},
    {307, "TemporaryRedirect",
     "Please re-send this request to the specified temporary endpoint. Continue to use the original request "
     "endpoint for future requests."},
    {400, "InvalidRequest", "Invalid Request"},
    {400, "AuthorizationHeaderMalformed", "The authorization header is malformed."},
    {400, "AuthorizationQueryParametersError",
     "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
     "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."},
    {400, "AccessControlListNotSupported", "The bucket does not allow ACLs"},
    {400, "BadDigest", "The SHA256 you specified did not match the calculated checksum."},
    {400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"},
    {400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"},
    {400, "ExpiredToken", "The provided token has expired."},
    {400, "IncompleteBody",
     "You did not provide the number of bytes specified by the Content-Length HTTP header"},
    {400, "InvalidArgument", "Invalid Argument"},
    {400, "InvalidDigest", "The Content-MD5 you specified was invalid."},
    {400, "InvalidPart",
     "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
     "specified entity tag may not match the part's entity tag."},
    {400, "InvalidPartOrder",
     "The list of parts was not in ascending order. Parts must be ordered by part number."},
    {400, "InvalidToken", "The provided token is malformed or otherwise invalid."},
    {400, "InvalidStorageClass", "The storage class you specified is not valid"},
    {400, "InvalidTag", "The tag provided was not a valid tag."},
    {400, "InvalidURI", "Couldn't parse the specified URI."},
    {400, "KMS.DisabledException", "The request was rejected because the specified KMS key is not enabled."},
    {400, "KMS.NotFoundException", "Invalid keyId"},
    {400, "KeyTooLongError", "Your key is too long"},
    {400, "MalformedXML",
     "The XML you provided was not well-formed or did not validate against our published schema"},
    {400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size"},
    {400, "RequestTimeout",
     "Your socket connection to the server was not read from or written to within the timeout period. Idle "
     "connections will be closed."},
    {400, "XAmzContentSHA256Mismatch",
     "The provided 'x-amz-content-sha256' header does not match what was computed."},
    {403, "AccessDenied", "Access Denied"},
    {403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
    {403, "RequestTimeTooSkewed",
     "The difference between the request time and the current time is too large."},
    {403, "SignatureDoesNotMatch",
     "The request signature we calculated does not match the signature you provided. Check your key and "
     "signing method."},
    {404, "NoSuchKey", "The specified key does not exist."},
    {404, "NoSuchBucket", "The specified bucket does not exist"},
    {404, "NoSuchUpload",
     "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
     "or completed."},
    {405, "MethodNotAllowed", "The specified method is not allowed against this resource."},
    {409, "ConditionalRequestConflict",
     "The conditional request cannot succeed due to a conflicting operation against this resource."},
    {411, "MissingContentLength", "You must provide the Content-Length HTTP header."},
    {412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"},
    {416, "InvalidRange", "The requested range is not satisfiable"},
    {429, "TooManyRequests", "Please reduce your request rate."},
    {500, "InternalError", "We encountered an internal error. Please try again."},
    {501, "NotImplemented", "A header you provided implies functionality that is not implemented"},
    {502, "BadGateway", "Bad Gateway"},
    {503, "SlowDown", "Please reduce your request rate."},
    {503, "ServiceUnavailable", "Service is unable to handle request."},
    {504, "GatewayTimeout", "Gateway Timeout"},
};

static size_t find(const char *code) {
    size_t i = 0;
    while (i < ARRAY_SIZE(TABLE) && strcmp(TABLE[i].code, code))
        i++;
    return i;
}

const char *s3_error_code(int status) {
    for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
        if (TABLE[i].status == status)
            return status == 403 ? "AccessDenied" : TABLE[i].code;
    }
    return status < 500 ? "InvalidRequest" : "InternalError";
}

int s3_error_status(const char *code) {
    size_t i = find(code);
    return i < ARRAY_SIZE(TABLE) ? TABLE[i].status : 400;
}

void s3_error_clear(struct s3_error *e) {
    free(e->message);
    free(e->extra);
    *e = (struct s3_error){0};
}

void s3_error_set(struct s3_error *e, const char *code) {
    size_t i = find(code);
    s3_error_clear(e);
    e->status = s3_error_status(code);
    snprintf(e->code, sizeof e->code, "%s", code);
    e->message = xstrdup(i < ARRAY_SIZE(TABLE) ? TABLE[i].message : code);
}

void s3_error_say(struct s3_error *e, const char *code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    CLEANUP_FREE char *message = xvasprintf(fmt, ap);
    va_end(ap);
    s3_error_set(e, code);
    free(e->message);
    e->message = mem_steal(&message);
}

void s3_error_add(struct s3_error *e, const char *element, const char *value) {
    char *text;
    size_t n;
    FILE *f = xmemstream(&text, &n);
    fprintf(f, "%s<%s>", e->extra ? e->extra : "", element);
    text_xml(f, value);
    fprintf(f, "</%s>", element);
    fclose(f);
    free(e->extra);
    e->extra = text;
}

char *s3_error_xml(const struct s3_error *e, const char *resource, const char *request_id,
                   const char *host_id) {
    char *text;
    size_t n;
    FILE *f = xmemstream(&text, &n);
    fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>", e->code);
    text_xml(f, e->message ? e->message : "");
    fprintf(f, "</Message>%s", e->extra ? e->extra : "");
    if (resource) {
        fputs("<Resource>", f);
        text_xml(f, resource);
        fputs("</Resource>", f);
    }
    fprintf(f, "<RequestId>%s</RequestId><HostId>%s</HostId></Error>", request_id, host_id);
    fclose(f);
    return text;
}
