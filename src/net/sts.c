/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sts.h"
#include "base/digest.h"
#include "base/secret.h"
#include "net/sigv4.h"
#include "net/url.h"
#include "net/xml.h"

#define BODY_MAX ((size_t)128 << 10) /* a token may have 20,000 bytes, three times that when encoded */
#define HEADERS_MAX ((size_t)32 << 10)

void sts_role_free(struct sts_role *r) {
    free(r->arn);
    free(r->session_name);
    free(r->external_id);
    *r = (struct sts_role){0};
}

char *sts_endpoint(const char *region) {
    if (!region || strcmp(region, "aws-global") == 0)
        return xstrdup("https://sts.amazonaws.com");
    return xasprintf("https://sts.%s.amazonaws.com%s", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

/* ---- the request */

static void append_field(struct buf *b, const char *name, const char *value) {
    buf_printf(b, "%s%s=", b->len > 0 ? "&" : "", name);
    url_encode(b, value, strlen(value), false);
}

static void append_form(struct buf *b, const struct sts_role *role, const char *token) {
    append_field(b, "Action", token ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    append_field(b, "Version", "2011-06-15");
    append_field(b, "RoleArn", role->arn);
    append_field(b, "RoleSessionName", role->session_name);
    if (role->external_id && !token)
        append_field(b, "ExternalId", role->external_id);
    if (role->duration)
        buf_printf(b, "&DurationSeconds=%u", role->duration);
    if (token)
        append_field(b, "WebIdentityToken", token);
}

#define FORM "application/x-www-form-urlencoded; charset=utf-8"

/* Those of the signature, too, unless it is not to be signed. */
static void set_headers(struct sts_request *r, const struct url *u, const char *region,
                        const struct credential *keys, int64_t now) {
    char hex[DIGEST_HEX_SIZE];
    uint8_t digest[DIGEST_SIZE];
    struct buf lines = BUF_SECRET(HEADERS_MAX);
    const struct sigv4_pair headers[] = {{"Host", u->authority}, {"Content-Type", FORM}};
    r->headers[r->n_headers++] = xstrdup("Content-Type: " FORM);
    r->headers[r->n_headers++] = xstrdup("Accept: text/xml");
    if (!keys)
        return;
    digest_of(r->body.data, r->body.len, digest);
    digest_hex(digest, hex);
    sigv4_sign(&(struct sigv4_key){.access_key = keys->access_key,
                                   .secret_key = keys->secret_key,
                                   .session_token = keys->session_token,
                                   .region = region,
                                   .service = "sts"},
               &(struct sigv4_request){.method = "POST",
                                       .path = *u->path ? u->path : "/",
                                       .headers = headers,
                                       .n_headers = ARRAY_SIZE(headers),
                                       .payload = hex,
                                       .time = now},
               &lines);
    const char *end = (const char *)lines.data + (lines.err ? 0 : lines.len);
    for (const char *p = (const char *)lines.data; p < end && r->n_headers < ARRAY_SIZE(r->headers);
         p += strlen(p) + 1)
        r->headers[r->n_headers++] = xstrdup(p);
    buf_wipe(&lines);
}

int sts_request(const char *endpoint, const char *region, const struct sts_role *role,
                const struct credential *keys, const char *token, int64_t now, struct sts_request *ret,
                struct buf *why) {
    struct url u;
    *ret = (struct sts_request){.body = BUF_INIT(BODY_MAX)};
    if (url_parse(endpoint, &u, why) < 0)
        return -EINVAL;
    CLEANUP_FREE char *base = url_text(&u);
    ret->url = xasprintf("%s%s", base, *u.path ? "" : "/");
    (void)buf_reserve(&ret->body, BODY_MAX / 2); /* at once, so that no part of a token stays where it grew */
    append_form(&ret->body, role, token);
    int r = ret->body.err;
    if (r < 0)
        buf_printf(why, "the %s is longer than STS takes", token ? "token" : "request");
    else
        set_headers(ret, &u, region && strcmp(region, "aws-global") != 0 ? region : "us-east-1",
                    token ? NULL : keys, now);
    url_free(&u);
    if (r < 0)
        sts_request_free(ret);
    return r < 0 ? -EINVAL : 0;
}

void sts_request_free(struct sts_request *r) {
    free(r->url);
    buf_wipe(&r->body);
    for (size_t i = 0; i < r->n_headers; i++)
        secret_free(r->headers[i]);
    *r = (struct sts_request){0};
}

/* ---- the answer */

static const struct {
    const char *code;
    int err;
    const char *next;
} CODES[] = {
    {"AccessDenied", -EACCES,
     "the role's trust policy must name who asks, and who asks must be allowed sts:AssumeRole on it (or the "
     "role does not exist)"},
    {"InvalidClientTokenId", -EACCES,
     "STS does not know the access key that asks: look at the source's keys"},
    {"UnrecognizedClientException", -EACCES,
     "STS does not know the access key that asks: look at the source's keys"},
    {"SignatureDoesNotMatch", -EACCES,
     "the secret key of the source does not belong to its access key, or this host's clock is wrong"},
    {"RequestExpired", -EACCES, "this host's clock is wrong: set it"},
    {"ExpiredToken", -EACCES, "the session token of the source has expired: renew it there"},
    {"ExpiredTokenException", -EACCES,
     "the token has expired: whoever writes the token's file has to renew it"},
    {"InvalidIdentityToken", -EACCES,
     "the token is not one that AWS can check: look at the identity provider in IAM, and its audience"},
    {"IDPRejectedClaim", -EACCES, "the identity provider says that the token is not valid (any more)"},
    {"IDPCommunicationError", -EIO, "AWS cannot reach the identity provider; it is tried again"},
    {"RegionDisabledException", -EACCES,
     "STS is not activated in this region for the account: set AWS_REGION"},
    {"ValidationError", -EACCES, "look at role_arn, role_session_name and duration_seconds"},
    {"OptInRequired", -EACCES, "the account has no access to this service or region"},
    {"Throttling", -EIO, "STS wants fewer requests; it is tried again"},
    {"ThrottlingException", -EIO, "STS wants fewer requests; it is tried again"},
    {"RequestLimitExceeded", -EIO, "STS wants fewer requests; it is tried again"},
    {"InternalFailure", -EIO, "it is tried again"},
    {"ServiceUnavailable", -EIO, "it is tried again"},
};

static int explain(const struct xml *x, int status, struct buf *why) {
    CLEANUP_FREE char *code = x ? xml_text(x, "Error/Code") : NULL;
    CLEANUP_FREE char *message = x ? xml_text(x, "Error/Message") : NULL;
    CLEANUP_FREE char *c = credential_words(code ? code : "", code ? strlen(code) : 0);
    CLEANUP_FREE char *m = credential_words(message ? message : "", message ? strlen(message) : 0);
    const char *next = status >= 500 || status == 429 ? "it is tried again"
                       : code                         ? "look up this code in the documentation of STS"
                                                      : "this is not an answer of STS: look at its endpoint";
    int err = status >= 500 || status == 429 ? -EIO : -EACCES;
    for (size_t i = 0; code && i < ARRAY_SIZE(CODES); i++)
        if (strcmp(code, CODES[i].code) == 0) {
            next = CODES[i].next;
            err = CODES[i].err;
        }
    buf_printf(why, "%d%s%s", status, *c ? " " : "", c);
    if (*m)
        buf_printf(why, " (\"%s\")", m);
    buf_printf(why, ": %s", next);
    return err;
}

/* The root is the response, its first element the result. */
static int take_keys(const struct xml *x, bool web_identity, struct credential *ret, struct buf *why) {
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "SessionToken"};
    char *value[3];
    const char *result = web_identity ? "AssumeRoleWithWebIdentityResult" : "AssumeRoleResult";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *path = xasprintf("%s/Credentials/%s", result, names[i]);
        value[i] = xml_text(x, path);
    }
    CLEANUP_FREE char *path = xasprintf("%s/Credentials/Expiration", result);
    CLEANUP_FREE char *expires = xml_text(x, path);
    int r = value[0] && value[1] ? 0 : -EINVAL;
    if (r < 0)
        buf_append_str(why, "it holds no keys");
    else
        r = credential_take((const char *const *)value, names, "its ", ret, why);
    if (r == 0 && (!ret->session_token || !expires || credential_time(expires, &ret->expires) < 0)) {
        buf_printf(why, "its %s is missing or wrong", ret->session_token ? "Expiration" : "SessionToken");
        credential_free(ret);
        r = -EINVAL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(value); i++)
        secret_free(value[i]);
    return r;
}

int sts_read(const struct sts_role *role, bool web_identity, const char *endpoint,
             const struct http_response *response, struct credential *ret, struct buf *why) {
    struct xml *x = NULL;
    CLEANUP_BUF struct buf clause = BUF_INIT(4096);
    *ret = (struct credential){0};
    if (xml_parse(response->body, response->len, &x) < 0)
        x = NULL;
    int r = 0;
    if (response->status != 200) {
        buf_printf(why, "STS at %s refuses the role %s: ", endpoint, role->arn);
        r = explain(x, response->status, why);
    } else if (!x || take_keys(x, web_identity, ret, &clause) < 0) {
        buf_printf(why,
                   "STS at %s gives no keys for the role %s: %s%sthis is not an answer of STS: look at its "
                   "endpoint",
                   endpoint, role->arn, clause.len > 0 ? buf_str(&clause) : "", clause.len > 0 ? "; " : "");
        r = -EACCES;
    }
    xml_free(x);
    return r;
}
