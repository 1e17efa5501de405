/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/refusal.h"
#include <ctype.h>
#include <strings.h>

/* Of what a server says, no more than this is kept. */
#define TEXT_MAX 512

#define PUTS (1u << REFUSAL_PUT | 1u << REFUSAL_MULTIPART)
#define GETS (1u << REFUSAL_GET)
#define BOTH (PUTS | GETS)
#define S3 (1u << BY_S3)
#define CDN (1u << BY_CDN)
#define OTHER (1u << BY_OTHER)
#define ANYBODY (S3 | CDN | OTHER)

struct row {
    unsigned ops, by;
    int status;       /* 0: any; 5: every 5xx */
    const char *code; /* NULL: any; "KMS.*": each that begins so */
    const char *says; /* a part of the message, without case; NULL: any */
    int err;
    const char *sentence; /* what it means here */
    const char *step;     /* what to do; NULL: nothing, or assetfs does it by itself */
};

/* The first row that fits counts. */
static const struct row rows[] = {
    /* What is there, and what is not */
    {PUTS, ANYBODY, 412, NULL, NULL, -EEXIST,
     "an object is there already, and a put with If-None-Match never replaces one", NULL},
    {PUTS, S3, 0, "PreconditionFailed", NULL, -EEXIST,
     "an object is there already, and a put with If-None-Match never replaces one", NULL},
    {PUTS, S3, 409, NULL, NULL, -EIO,
     "another request for this key was under way at the same time; it is tried again", NULL},
    {BOTH, S3, 0, "NoSuchBucket", NULL, -EACCES, "there is no such bucket at this endpoint",
     "look at the volume's URL, endpoint= and region="},
    {PUTS, S3, 0, "NoSuchUpload", NULL, -EIO,
     "the server does not know this multipart upload any more (completed, aborted or expired); it is begun "
     "anew",
     NULL},
    {GETS, S3, 0, "NoSuchKey", NULL, -ENOENT, "there is no such object", NULL},
    {GETS, ANYBODY, 416, NULL, NULL, -ERANGE, "the object ends before the range that was asked for", NULL},
    {GETS, S3, 0, "InvalidObjectState", NULL, -EACCES,
     "the object is archived (Glacier) and has to be restored first",
     "keep lifecycle rules with archive classes away from this volume"},

    /* Keys, clocks, places */
    {BOTH, S3, 0, "RequestTimeTooSkewed", NULL, -EACCES,
     "this host's clock differs from the server's by more than 15 minutes, and the server's time did not "
     "help",
     "set the clock"},
    {BOTH, S3, 0, "RequestExpired", NULL, -EACCES, "the request came too late", "look at this host's clock"},
    {BOTH, S3, 0, "ExpiredToken", NULL, -EACCES,
     "the credentials' session token has expired and no newer one was found",
     "renew it where the credentials come from"},
    {BOTH, S3, 0, "InvalidToken", NULL, -EACCES, "the credentials' session token is not valid",
     "token, access key and secret key must be of one set"},
    {BOTH, S3, 0, "TokenRefreshRequired", NULL, -EACCES, "the credentials' session token must be renewed",
     "renew it where the credentials come from"},
    {BOTH, S3, 0, "InvalidAccessKeyId", NULL, -EACCES,
     "the server does not know this access key (deleted, deactivated, or of another provider)",
     "look at the credentials and profile="},
    {BOTH, S3, 0, "SignatureDoesNotMatch", NULL, -EACCES,
     "the signature is wrong: the secret key does not belong to the access key, or something on the way "
     "changes requests",
     "look at the credentials, then at proxies on the way"},
    {BOTH, S3, 0, "AuthorizationHeaderMalformed", NULL, -EACCES,
     "the request was signed for another region than the bucket's", "set region="},
    {BOTH, S3, 0, "PermanentRedirect", NULL, -EACCES,
     "the bucket is in another region or at another endpoint", "set region= or endpoint="},
    {BOTH, S3, 3, NULL, NULL, -EIO,
     "the bucket is elsewhere for now (a new bucket, or one in another region)",
     "set region= or endpoint= if it stays so"},

    /* Permission */
    {PUTS, S3, 0, "AccessDenied", "PutObjectTagging", -EACCES,
     "the writer may not tag objects",
     "allow it s3:PutObjectTagging, or take the tags from the area (assetfs area)"},
    {PUTS, S3, 0, "AccessDenied", "kms", -EACCES, "the writer may not use the bucket's KMS key",
     "allow it kms:GenerateDataKey, and kms:Decrypt for multipart uploads"},
    {PUTS, S3, 0, "AccessDenied", "vpc endpoint", -EACCES,
     "the policy of the VPC endpoint does not let this put through",
     "allow s3:PutObject on the volume's prefixes in the endpoint's policy"},
    {PUTS, S3, 0, "AccessDenied", "explicit deny", -EACCES, "a policy denies this put",
     "look at the Deny statements of the bucket, the user and the organization"},
    {PUTS, S3, 0, "AccessDenied", NULL, -EACCES,
     "the writer's policy does not allow s3:PutObject on this key, or the bucket's policy denies it; a KMS "
     "key or a VPC endpoint may be the reason as well",
     "compare both policies with what assetfs policy prints"},
    {GETS, S3, 0, "AccessDenied", "kms:", -EACCES, "the reader may not use the bucket's KMS key",
     "allow it kms:Decrypt (for a CDN: in the key's own policy)"},
    {GETS, S3, 0, "AccessDenied", "request has expired", -EACCES, "the signed address has expired",
     "ask for a new one"},
    {GETS, S3, 403, "AccessDenied", NULL, -ENOENT,
     "there is no such object, or the reader's policy does not allow s3:GetObject on it: without "
     "s3:ListBucket S3 says the same of both",
     "assetfs check tells which"},
    {GETS, S3, 400, NULL, "hash of the key did not match", -EACCES,
     "the object is under another customer key (SSE-C) than the one it was read with",
     "give the right sse_c_key_file="},
    {GETS, S3, 400, NULL, "server side encryption", -EACCES,
     "the object is under a customer key (SSE-C), and was read without it",
     "mount with sse_c_key_file= and without cdn=, over https"},
    {BOTH, S3, 0, "KMS.*", NULL, -EACCES, "the bucket's KMS key cannot be used: it is disabled or deleted",
     "enable it, or give the bucket another one"},
    {BOTH, S3, 0, "AllAccessDisabled", NULL, -EACCES, "all access to this bucket has been disabled",
     "ask the account's owner, or the provider"},
    {BOTH, S3, 0, "AccountProblem", NULL, -EACCES, "there is a problem with the AWS account",
     "ask the account's owner"},
    {BOTH, S3, 0, "UserSuspended", NULL, -EACCES, "the server has suspended this user",
     "ask who runs the server"},
    {PUTS, S3, 0, "AccessControlListNotSupported", NULL, -EACCES, "the bucket takes no ACL header",
     "take it out of the area's headers"},
    {PUTS, S3, 0, "MethodNotAllowed", NULL, -EACCES, "the server does not allow this operation here",
     "look at endpoint= and path_style"},
    {PUTS, S3, 0, "NotImplemented", NULL, -EACCES,
     "the server does not know a header of this put, If-None-Match perhaps: then it cannot hold a volume",
     "run assetfs check, and use a server that knows conditional puts"},
    {PUTS, S3, 0, "InvalidTag", NULL, -EACCES, "the bucket does not take the area's tags",
     "give the area others"},
    {PUTS, S3, 0, "InvalidStorageClass", NULL, -EACCES, "the bucket does not have the area's storage class",
     "give the area another one"},

    /* Room, size, form */
    {PUTS, S3, 0, "QuotaExceeded", NULL, -ENOSPC, "the bucket's or the user's quota is used up",
     "raise it, or make room"},
    {PUTS, S3, 0, "XMinioStorageFull", NULL, -ENOSPC, "the server's storage is full", "make room there"},
    {PUTS, ANYBODY, 507, NULL, NULL, -ENOSPC, "the server's storage is full", "make room there"},
    {PUTS, S3, 0, "EntityTooLarge", NULL, -EINVAL, "the server takes no object or part of this size",
     "look at the limits of the server and of a proxy before it"},
    {PUTS, S3, 0, "EntityTooSmall", NULL, -EINVAL, "the server wants larger parts in a multipart upload",
     "report it: assetfs sends parts of 16 MiB and more"},
    {PUTS, ANYBODY, 413, NULL, NULL, -EINVAL, "the server, or a proxy before it, takes no body of this size",
     "raise the proxy's limit (client_max_body_size, for nginx)"},
    {BOTH, S3, 0, "KeyTooLongError", NULL, -EINVAL,
     "the key is too long: keys have at most 1,024 bytes with the volume's prefix", "take a shorter prefix"},
    {PUTS, S3, 0, "MetadataTooLarge", NULL, -EINVAL, "the area's headers are too long",
     "shorten its metadata: 2 KB at most"},

    /* On the way */
    {PUTS, S3, 0, "BadDigest", NULL, -EIO, "the bytes that arrived are not those that were sent", NULL},
    {PUTS, S3, 0, "XAmzContentSHA256Mismatch", NULL, -EIO,
     "the bytes that arrived are not those that were to be sent", NULL},
    {PUTS, S3, 0, "InvalidPart*", NULL, -EIO, "the server has lost a part of this multipart upload", NULL},
    {BOTH, S3, 0, "RequestTimeout", NULL, -EIO, "the request stood still for too long on its way", NULL},
    {PUTS, S3, 0, "IncompleteBody", NULL, -EIO, "the request broke off on its way", NULL},
    {BOTH, S3, 0, "SlowDown", NULL, -EIO, "the server asks for fewer requests; it gets fewer", NULL},
    {BOTH, S3, 0, "InternalError", NULL, -EIO, "the server had a failure of its own", NULL},
    {BOTH, ANYBODY, 429, NULL, NULL, -EIO, "the server asks for fewer requests; it gets fewer", NULL},
    {BOTH, S3, 503, NULL, NULL, -EIO, "the server is busy or away; it is asked less", NULL},
    {BOTH, S3, 5, NULL, NULL, -EIO, "the server had a failure of its own", NULL},
    {BOTH, CDN, 504, NULL, NULL, -EIO, "the CDN did not get an answer from the bucket in time", NULL},
    {BOTH, CDN, 502, NULL, NULL, -EIO, "the CDN cannot talk to the bucket",
     "look at the distribution's origin and its certificate"},
    {BOTH, CDN, 5, NULL, NULL, -EIO, "the CDN had a failure, or is asked too often", NULL},
    {GETS, CDN, 403, "MissingKey", NULL, -EIO,
     "the CDN gives this to signed addresses only, and this one was not signed",
     "set cdn_key_file= and cdn_key_id="},
    {GETS, CDN, 403, "InvalidKey", NULL, -EIO, "the CDN does not know the key id of the signature",
     "look at cdn_key_id=, and at the key group of the distribution's behaviour for this path"},
    {GETS, CDN, 403, "MalformedPolicy", NULL, -EIO, "the CDN cannot use the policy that was signed",
     "look at what changes addresses or cookies on the way"},
    {GETS, CDN, 403, "AccessDenied", NULL, -EIO,
     "the CDN does not take the signature: it was made with another key than that of its id, at a wrong "
     "time, or for another "
     "address",
     "look at cdn_key_file= and cdn_key_id=, at this host's clock, at cdn_hash=, and whether cdn= is the "
     "address that the "
     "distribution is asked at"},
    {GETS, CDN, 401, NULL, NULL, -EIO,
     "an authoriser at the CDN wants something that did not come, or is no longer good",
     "look at the file of cdn_header="},
    {GETS, CDN, 403, NULL, NULL, -EIO,
     "the CDN itself refuses, not the bucket: a missing or expired signature, the firewall (WAF), a country "
     "rule or the request rate",
     "look at the distribution's behaviour for this path, at its firewall's log, and at this volume's "
     "signing key"},
    {PUTS, CDN, 403, NULL, NULL, -EACCES, "the CDN itself refuses this put",
     "let its behaviour for this path allow PUT and pass the request on, or write to S3 itself"},
    {BOTH, CDN, 0, NULL, NULL, -EIO, "the CDN answered by itself, not the bucket",
     "look at cdn= and at the distribution's custom error pages"},
    {BOTH, OTHER, 407, NULL, NULL, -EACCES, "the proxy wants a user name and a password", "look at proxy="},
    {BOTH, OTHER, 511, NULL, NULL, -EIO, "the network wants somebody to log in first",
     "open a web page in a browser"},
    {BOTH, OTHER, 3, NULL, NULL, -EIO,
     "something that is not S3 sends us elsewhere: a network that wants a log-in, or a wrong endpoint= or "
     "cdn=",
     "open a web page in a browser, then look at endpoint= and cdn="},
    {PUTS, OTHER, 4, NULL, NULL, -EACCES,
     "this was not said by S3 but by something before it, or endpoint= is no S3 server",
     "look at endpoint= and proxy="},
    {GETS, S3, 404, NULL, NULL, -ENOENT, "there is no such object", NULL},
    {PUTS, S3, 400, NULL, NULL, -EACCES, "the server does not take this request as it is",
     "report it, with the server's name and version"},
    {PUTS, S3, 4, NULL, NULL, -EACCES, "the server refuses this put",
     "look at what it says, and compare the policies with what assetfs policy prints"},
    {GETS, S3, 401, NULL, NULL, -EACCES, "the server wants other credentials",
     "look at the credentials and profile="},
    {GETS, S3, 403, NULL, NULL, -EACCES, "the server refuses this read",
     "look at what it says, and at the reader's permissions"},
    {BOTH, S3, 0, NULL, NULL, -EIO, "the server gave an answer that is not expected here",
     "look at what it says; if it stays so, report it"},
    {BOTH, OTHER, 0, NULL, NULL, -EIO,
     "this is not an answer of S3: a log-in page of the network, a proxy's error, or a wrong endpoint= or "
     "cdn=",
     "open a web page in a browser, then look at endpoint=, cdn= and proxy="},
};

/* One line of at most TEXT_MAX bytes, malloc'd; NULL: nothing in it. */
static char *one_line(const char *s) {
    if (!s || !*s)
        return NULL;
    char *line = xstrndup(s, TEXT_MAX);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    return line;
}

static char *header(const struct http_response *r, const char *name) {
    return one_line(http_header(r, name));
}

static char *element(const struct xml *x, const char *path) {
    CLEANUP_FREE char *text = xml_text(x, path);
    return one_line(text);
}

static bool from_cloudfront(const struct http_response *r) {
    const char *server = http_header(r, "server"), *cache = http_header(r, "x-cache");
    return (server && !strcasecmp(server, "CloudFront")) || (cache && strcasestr(cache, "cloudfront"));
}

static void read_error(const struct xml *x, struct refusal *ret) {
    ret->code = element(x, "Code");
    ret->message = element(x, "Message");
    ret->region = element(x, "Region");
    ret->endpoint = element(x, "Endpoint");
}

int refusal_document(const struct http_response *r, struct xml **ret) {
    const char *p = r->body;
    size_t n = r->len;
    for (; n > 0 && strchr(" \t\r\n", *p) && *p; p++)
        n--;
    return xml_parse(p, n, ret);
}

void refusal_read(const struct http_response *r, enum refusal_op op, struct refusal *ret) {
    *ret = (struct refusal){.op = op, .by = BY_OTHER, .status = r->status};
    const char *server = http_header(r, "server");
    struct xml *x = NULL;
    if (r->len && refusal_document(r, &x) == 0 && !strcmp(xml_root(x), "Error"))
        read_error(x, ret);
    bool is_s3 = ret->code || (r->status >= 300 && r->len == 0 && http_header(r, "x-amz-request-id"));
    x = xml_free(x);
    if (is_s3 && (!server || strcasecmp(server, "CloudFront")))
        ret->by = BY_S3;
    else if (from_cloudfront(r))
        ret->by = BY_CDN;
    if (!ret->region)
        ret->region = header(r, "x-amz-bucket-region");
    if (!ret->endpoint && r->status >= 300 && r->status < 400)
        ret->endpoint = header(r, "location");
    ret->request_id = header(r, "x-amz-request-id");
    ret->id_2 = header(r, "x-amz-id-2");
    ret->cf_id = header(r, "x-amz-cf-id");
}

void refusal_free(struct refusal *r) {
    free(r->code);
    free(r->message);
    free(r->region);
    free(r->endpoint);
    free(r->request_id);
    free(r->id_2);
    free(r->cf_id);
    *r = (struct refusal){0};
}

static bool code_fits(const char *want, const char *code) {
    if (!want)
        return true;
    size_t n = strlen(want);
    if (!code)
        return false;
    return want[n - 1] == '*' ? !strncmp(want, code, n - 1) : !strcmp(want, code);
}

static bool row_fits(const struct row *row, const struct refusal *r) {
    return (row->ops & 1u << r->op) && (row->by & 1u << r->by) &&
           (row->status == 0 || row->status == (row->status < 10 ? r->status / 100 : r->status)) &&
           code_fits(row->code, r->code) && (!row->says || (r->message && strcasestr(r->message, row->says)));
}

static const struct row *find_row(const struct refusal *r) {
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (row_fits(&rows[i], r))
            return &rows[i];
    return &rows[ARRAY_SIZE(rows) - 1];
}

int refusal_errno(const struct refusal *r) {
    return find_row(r)->err;
}

static const char *op_name(enum refusal_op op) {
    return op == REFUSAL_GET ? "GetObject" : op == REFUSAL_PUT ? "PutObject" : "a multipart upload";
}

static const char *by_name(enum refusal_by by) {
    return by == BY_S3 ? "S3" : by == BY_CDN ? "the CDN" : "something that is not S3";
}

static void append_id(struct buf *b, size_t start, const char *name, const char *value) {
    if (value)
        buf_printf(b, "%s%s %s", b->len > start ? ", " : "", name, value);
}

void refusal_name(const struct refusal *r, struct buf *b) {
    buf_printf(b, "%d%s%s by %s", r->status, r->code ? " " : "", r->code ? r->code : "", by_name(r->by));
}

void refusal_details(const struct refusal *r, struct buf *b) {
    size_t start = b->len;
    if (r->message)
        buf_printf(b, "\"%s\"", r->message);
    append_id(b, start, "x-amz-request-id", r->request_id);
    append_id(b, start, "x-amz-id-2", r->id_2);
    append_id(b, start, "x-amz-cf-id", r->cf_id);
}

void refusal_explain(const struct refusal *r, const char *key, struct buf *b) {
    CLEANUP_FREE char *shown = one_line(key);
    CLEANUP_BUF struct buf details = BUF_INIT(8 * TEXT_MAX);
    const struct row *row = find_row(r);
    refusal_details(r, &details);
    refusal_name(r, b);
    buf_printf(b, " for %s of %s: %s%s%s", op_name(r->op), shown ? shown : "?", row->sentence,
               row->step ? "; " : "", row->step ? row->step : "");
    if (details.len)
        buf_printf(b, " (%s)", buf_str(&details));
}

const char *refusal_sentence(const struct refusal *r) {
    return find_row(r)->sentence;
}

const char *refusal_step(const struct refusal *r) {
    return find_row(r)->step;
}

/* ---- the manual page */

static void print_when(const struct row *row, struct buf *when) {
    if (row->status >= 10)
        buf_printf(when, "%d ", row->status);
    else if (row->status)
        buf_printf(when, "%dxx ", row->status);
    if (row->code)
        buf_printf(when, "%s ", row->code);
    if (row->says)
        buf_printf(when, "(\"%s\") ", row->says);
    if (!row->status && !row->code)
        buf_append_str(when, "anything else ");
    buf_printf(when, "%s%s",
               row->by == ANYBODY ? "by anybody"
               : row->by == S3    ? "by S3"
               : row->by == CDN   ? "by the CDN"
                                  : "by something else",
               row->ops == BOTH   ? ""
               : row->ops == PUTS ? ", to a put"
                                  : ", to a get");
}

bool refusal_row(size_t i, struct buf *when, const char **ret_sentence, const char **ret_step) {
    if (i >= ARRAY_SIZE(rows))
        return false;
    print_when(&rows[i], when);
    *ret_sentence = rows[i].sentence;
    *ret_step = rows[i].step;
    return true;
}

/* A sentence of running text: with a capital letter and a full stop. */
static void print_sentence(struct buf *b, const char *text) {
    buf_printf(b, "%c%s.\n", toupper((unsigned char)text[0]), text + 1);
}

void refusal_mdoc(struct buf *b) {
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        buf_append_str(b, ".It ");
        print_when(&rows[i], b);
        buf_append_byte(b, '\n');
        print_sentence(b, rows[i].sentence);
        if (rows[i].step)
            print_sentence(b, rows[i].step);
    }
}
