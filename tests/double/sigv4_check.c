/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sigv4_check.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <strings.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DIGEST 32

/* What the request says about its signature. The strings are malloc'd. */
struct claim {
    char *access, *day, *region, *service, *terminator; /* of the credential */
    char *signed_headers, *signature, *date, *token, *payload;
    uint64_t expires;
    bool presigned;
};

static void claim_free(struct claim *c) {
    char *const all[] = {c->access,         c->day,       c->region, c->service, c->terminator,
                         c->signed_headers, c->signature, c->date,   c->token,   c->payload};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        free(all[i]);
}

static const char *header(const struct sigv4_ask *ask, const char *name) {
    for (size_t i = 0; i < ask->n_headers; i++) {
        if (!strcasecmp(ask->headers[i].name, name))
            return ask->headers[i].value;
    }
    return NULL;
}

static const char *parameter(const struct sigv4_ask *ask, const char *name) {
    for (size_t i = 0; i < ask->n_query; i++) {
        if (!strcmp(ask->query[i].name, name))
            return ask->query[i].value;
    }
    return NULL;
}

static char *dup_or_null(const char *s) {
    return s ? xstrdup(s) : NULL;
}

/* ---- what is claimed ---- */

static bool parse_credential(const char *text, struct claim *c) {
    CLEANUP_FREE char *copy = xstrdup(text);
    char **const parts[] = {&c->access, &c->day, &c->region, &c->service, &c->terminator};
    char *rest = copy;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        char *part = strsep(&rest, "/");
        if (!part || !*part)
            return false;
        *parts[i] = xstrdup(part);
    }
    return !rest && !strcmp(c->terminator, "aws4_request");
}

/* "Credential=..., SignedHeaders=..., Signature=..." */
static bool parse_authorization(const char *text, struct claim *c) {
    CLEANUP_FREE char *copy = xstrdup(text);
    char *rest = copy;
    bool credential = false;
    for (char *part; (part = strsep(&rest, ","));) {
        part += strspn(part, " ");
        char *value = strchr(part, '=');
        if (!value)
            return false;
        *value++ = '\0';
        value[strcspn(value, " ")] = '\0';
        if (!strcmp(part, "Credential") && !credential)
            credential = parse_credential(value, c);
        else if (!strcmp(part, "SignedHeaders") && !c->signed_headers)
            c->signed_headers = xstrdup(value);
        else if (!strcmp(part, "Signature") && !c->signature)
            c->signature = xstrdup(value);
        else
            return false;
    }
    return credential && c->signed_headers && c->signature;
}

static bool claim_of_header(const struct sigv4_ask *ask, const char *authorization, struct claim *c,
                            struct s3_error *err) {
    if (!text_begins(authorization, ALGORITHM " ")) {
        s3_error_say(
            err, "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
        return false;
    }
    if (!parse_authorization(authorization + strlen(ALGORITHM " "), c)) {
        s3_error_set(err, "AuthorizationHeaderMalformed");
        return false;
    }
    c->date = dup_or_null(header(ask, "x-amz-date"));
    const char *date = header(ask, "date");
    if (!c->date && date) {
        time_t t = text_parse_http_date(date);
        struct tm tm;
        c->date = xcalloc(1, 40);
        if (t >= 0 && gmtime_r(&t, &tm))
            strftime(c->date, 40, "%Y%m%dT%H%M%SZ", &tm);
    }
    c->token = dup_or_null(header(ask, "x-amz-security-token"));
    c->payload = dup_or_null(header(ask, "x-amz-content-sha256"));
    if (!c->payload) {
        s3_error_say(err, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
        return false;
    }
    return true;
}

static bool claim_of_query(const struct sigv4_ask *ask, struct claim *c, struct s3_error *err) {
    const char *algorithm = parameter(ask, "X-Amz-Algorithm"),
               *credential = parameter(ask, "X-Amz-Credential");
    const char *expires = parameter(ask, "X-Amz-Expires"), *payload = header(ask, "x-amz-content-sha256");
    c->presigned = true;
    c->date = dup_or_null(parameter(ask, "X-Amz-Date"));
    c->signed_headers = dup_or_null(parameter(ask, "X-Amz-SignedHeaders"));
    c->signature = dup_or_null(parameter(ask, "X-Amz-Signature"));
    c->token = dup_or_null(parameter(ask, "X-Amz-Security-Token"));
    c->payload = xstrdup(payload ? payload : "UNSIGNED-PAYLOAD");
    if (!algorithm || strcmp(algorithm, ALGORITHM) != 0 || !credential || !parse_credential(credential, c) ||
        !c->date || !c->signed_headers || !c->signature || !expires) {
        s3_error_set(err, "AuthorizationQueryParametersError");
        return false;
    }
    if (!text_number(expires, &c->expires) || c->expires < 1 || c->expires > 604800) {
        s3_error_say(err, "AuthorizationQueryParametersError",
                     "X-Amz-Expires must be between 1 and 604800 seconds");
        return false;
    }
    return true;
}

static bool claim_read(const struct sigv4_ask *ask, struct claim *c, struct s3_error *err) {
    const char *authorization = header(ask, "authorization");
    bool in_query = parameter(ask, "X-Amz-Signature") || parameter(ask, "X-Amz-Algorithm");
    if (authorization && in_query) {
        s3_error_say(
            err, "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
            "string parameter or the Authorization header should be specified");
        return false;
    }
    if (authorization)
        return claim_of_header(ask, authorization, c, err);
    if (in_query)
        return claim_of_query(ask, c, err);
    s3_error_set(err, "AccessDenied"); /* nobody */
    return false;
}

/* ---- what must hold before the signature counts ---- */

static bool check_scope(const struct sigv4_ask *ask, const struct claim *c, struct s3_error *err) {
    const char *code = c->presigned ? "AuthorizationQueryParametersError" : "AuthorizationHeaderMalformed";
    if (strcmp(c->service, "s3") != 0) {
        s3_error_say(
            err, code,
            "The credential is malformed; incorrect service \"%s\". This endpoint belongs to \"s3\".",
            c->service);
        return false;
    }
    if (strcmp(c->region, ask->region) != 0) {
        s3_error_say(err, code, "The credential is malformed; the region '%s' is wrong; expecting '%s'",
                     c->region, ask->region);
        s3_error_add(err, "Region", ask->region);
        return false;
    }
    if (c->date && strncmp(c->date, c->day, 8) != 0) {
        s3_error_say(err, code,
                     "The credential is malformed; invalid credential date \"%s\". This date is not the same "
                     "as X-Amz-Date: \"%.8s\".",
                     c->day, c->date);
        return false;
    }
    return true;
}

static bool check_presigned_time(const struct sigv4_ask *ask, const struct claim *c, time_t date,
                                 struct s3_error *err) {
    char text[40];
    if (date - ask->now > SIGV4_SKEW_S) {
        s3_error_say(err, "AccessDenied", "Request is not valid yet");
    } else if (ask->now > date + (time_t)c->expires) {
        s3_error_say(err, "AccessDenied", "Request has expired");
        text_iso_date(date + (time_t)c->expires, text);
        s3_error_add(err, "Expires", text);
    } else {
        return true;
    }
    text_iso_date(ask->now, text);
    s3_error_add(err, "ServerTime", text);
    return false;
}

static bool check_time(const struct sigv4_ask *ask, const struct claim *c, struct s3_error *err) {
    time_t date = c->date ? text_amz_date(c->date) : -1;
    if (date < 0) {
        s3_error_say(err, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
        return false;
    }
    if (c->presigned)
        return check_presigned_time(ask, c, date, err);
    if (labs((long)(date - ask->now)) <= SIGV4_SKEW_S)
        return true;
    char text[40];
    s3_error_set(err, "RequestTimeTooSkewed");
    s3_error_add(err, "RequestTime", c->date);
    text_iso_date(ask->now, text);
    s3_error_add(err, "ServerTime", text);
    s3_error_add(err, "MaxAllowedSkewMilliseconds", "900000");
    return false;
}

/* A name in a list like "host;x-amz-date". */
static bool is_signed(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; *p; p += strcspn(p, ";"), p += *p == ';') {
        if (strcspn(p, ";") == n && !strncasecmp(p, name, n))
            return true;
    }
    return false;
}

static bool check_signed_headers(const struct sigv4_ask *ask, const struct claim *c, struct s3_error *err) {
    for (size_t i = 0; i < ask->n_headers; i++) {
        const char *name = ask->headers[i].name;
        if (strncasecmp(name, "x-amz-", 6) != 0 && strcasecmp(name, "host") != 0)
            continue;
        if (is_signed(c->signed_headers, name))
            continue;
        s3_error_say(err, "AccessDenied", "There were headers present in the request which were not signed");
        s3_error_add(err, "HeadersNotSigned", name);
        return false;
    }
    return true;
}

static bool check_payload(const struct claim *c, struct sigv4_found *ret, struct s3_error *err) {
    if (!strcmp(c->payload, "UNSIGNED-PAYLOAD"))
        return true;
    if (text_begins(c->payload, "STREAMING-")) {
        s3_error_say(err, "NotImplemented", "The double does not read bodies that are signed chunk by chunk");
        return false;
    }
    if (strlen(c->payload) != 64 || strspn(c->payload, "0123456789abcdefABCDEF") != 64) {
        s3_error_say(err, "InvalidArgument",
                     "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                     "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.");
        return false;
    }
    strcpy(ret->payload, c->payload);
    return true;
}

static bool check_key(const struct claim *c, struct keyring *keys, struct key *ret, struct s3_error *err) {
    if (!keyring_find(keys, c->access, ret) || ret->standing == STANDING_REVOKED ||
        (ret->token[0] && !c->token)) {
        s3_error_set(err, "InvalidAccessKeyId");
        s3_error_add(err, "AWSAccessKeyId", c->access);
    } else if (ret->standing == STANDING_EXPIRED) {
        s3_error_set(err, "ExpiredToken");
        s3_error_add(err, "Token-0", c->token ? c->token : "");
    } else if (c->token && strcmp(c->token, ret->token) != 0) {
        s3_error_set(err, "InvalidToken");
        s3_error_add(err, "Token-0", c->token);
    } else {
        return true;
    }
    return false;
}

/* ---- the signature ---- */

static int by_name_and_value(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    int r = strcmp(x->name, y->name);
    return r ? r : strcmp(x->value, y->value);
}

/* Sorted by the encoded names. */
static void put_query(FILE *f, const struct sigv4_ask *ask) {
    struct pair *q = xcalloc(ask->n_query, sizeof *q);
    size_t n = 0;
    for (size_t i = 0; i < ask->n_query; i++) {
        if (strcmp(ask->query[i].name, "X-Amz-Signature") != 0)
            q[n++] = (struct pair){text_uri_encode(ask->query[i].name, false),
                                   text_uri_encode(ask->query[i].value, false)};
    }
    qsort(q, n, sizeof *q, by_name_and_value);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%s=%s", i ? "&" : "", q[i].name, q[i].value);
    pairs_free(q, n);
}

/* Without white space around it, runs of it as one space. */
static void put_trimmed(FILE *f, const char *value) {
    bool gap = false, any = false;
    for (; *value; value++) {
        if (isspace((unsigned char)*value)) {
            gap = any;
            continue;
        }
        if (gap)
            fputc(' ', f);
        gap = false;
        any = true;
        fputc(*value, f);
    }
}

static void put_header(FILE *f, const struct sigv4_ask *ask, const char *name) {
    bool first = true;
    for (const char *p = name; *p; p++)
        fputc(tolower((unsigned char)*p), f);
    fputc(':', f);
    for (size_t i = 0; i < ask->n_headers; i++) {
        if (strcasecmp(ask->headers[i].name, name) != 0)
            continue;
        if (!first)
            fputc(',', f);
        first = false;
        put_trimmed(f, ask->headers[i].value);
    }
    fputc('\n', f);
}

static char *canonical_request(const struct sigv4_ask *ask, const struct claim *c) {
    char *text;
    size_t n;
    FILE *f = xmemstream(&text, &n);
    CLEANUP_FREE char *path = text_uri_encode(ask->path, true);
    CLEANUP_FREE char *names = xstrdup(c->signed_headers);
    fprintf(f, "%s\n%s\n", ask->method, path);
    put_query(f, ask);
    fputc('\n', f);
    char *rest = names;
    for (char *name; (name = strsep(&rest, ";"));)
        put_header(f, ask, name);
    fprintf(f, "\n%s\n%s", c->signed_headers, c->payload);
    fclose(f);
    return text;
}

static char *string_to_sign(const struct claim *c, const char *canonical) {
    unsigned char digest[DIGEST];
    char hex[2 * DIGEST + 1];
    EVP_Digest(canonical, strlen(canonical), digest, NULL, EVP_sha256(), NULL);
    text_hex(digest, DIGEST, hex);
    return xasprintf(ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", c->date, c->day, c->region, c->service,
                     hex);
}

static void hmac(unsigned char key[DIGEST], const char *text) {
    unsigned char out[DIGEST];
    HMAC(EVP_sha256(), key, DIGEST, (const unsigned char *)text, strlen(text), out, NULL);
    memcpy(key, out, DIGEST);
}

static void signature_of(const struct claim *c, const char *secret, const char *to_sign,
                         char ret[2 * DIGEST + 1]) {
    unsigned char k[DIGEST];
    CLEANUP_FREE char *first = xasprintf("AWS4%s", secret);
    HMAC(EVP_sha256(), first, (int)strlen(first), (const unsigned char *)c->day, strlen(c->day), k, NULL);
    hmac(k, c->region);
    hmac(k, c->service);
    hmac(k, "aws4_request");
    hmac(k, to_sign);
    text_hex(k, DIGEST, ret);
}

static bool check_signature(const struct sigv4_ask *ask, const struct claim *c, const struct key *key,
                            struct s3_error *err) {
    CLEANUP_FREE char *canonical = canonical_request(ask, c);
    CLEANUP_FREE char *to_sign = string_to_sign(c, canonical);
    char right[2 * DIGEST + 1];
    signature_of(c, key->secret, to_sign, right);
    if (!strcmp(right, c->signature))
        return true;
    s3_error_set(err, "SignatureDoesNotMatch");
    s3_error_add(err, "AWSAccessKeyId", c->access);
    s3_error_add(err, "StringToSign", to_sign);
    s3_error_add(err, "SignatureProvided", c->signature);
    s3_error_add(err, "CanonicalRequest", canonical);
    return false;
}

bool sigv4_check(const struct sigv4_ask *ask, struct keyring *keys, struct sigv4_found *ret,
                 struct s3_error *err) {
    struct claim c = {0};
    struct sigv4_found found = {0};
    bool good = claim_read(ask, &c, err);
    found.presigned = c.presigned;
    good = good && check_scope(ask, &c, err) && check_key(&c, keys, &found.key, err) &&
           check_time(ask, &c, err) && check_signed_headers(ask, &c, err) && check_payload(&c, &found, err) &&
           check_signature(ask, &c, &found.key, err);
    if (good)
        *ret = found;
    claim_free(&c);
    return good;
}
