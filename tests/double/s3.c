/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "s3_state.h"

#include <strings.h>

#define KEY_LENGTH 1024

/* ---- answers ---- */

/* x-amz-id-2 is opaque; ours says whose it is. */
static const char host_id[] = "ZG91YmxlLWRvdWJsZS1kb3VibGUtZG91YmxlLWRvdWJsZS1kb3VibGU=";

void s3_decorate(struct request *r) {
    answer_header(&r->answer, "Server", "AmazonS3");
    answer_header(&r->answer, "x-amz-request-id", "%s", r->id);
    answer_header(&r->answer, "x-amz-id-2", "%s", host_id);
}

bool s3_refused(struct request *r) {
    struct s3_error *err = &s3_call(r)->err;
    free(r->code);
    r->code = xstrdup(err->code);
    answer_clear(&r->answer);
    answer_text(&r->answer, err->status, "application/xml", s3_error_xml(err, r->path, r->id, host_id));
    if (!strcmp(err->code, "AuthorizationHeaderMalformed") || err->status == 301)
        answer_header(&r->answer, "x-amz-bucket-region", "%s", s3_site(r)->region);
    s3_decorate(r);
    return false;
}

bool s3_refuse(struct request *r, const char *code) {
    s3_error_set(&s3_call(r)->err, code);
    return s3_refused(r);
}

void s3_violation(struct request *r, const char *what) {
    tally_count(server_tally(r->server), "violation", what);
}

/* A fault answers. */
static void fail(struct request *r) {
    const struct plan *p = &r->plan;
    struct s3_error *err = &s3_call(r)->err;
    if (plan_has(p, FAULT_HTML)) {
        r->code = xstrdup("html");
        answer_text(&r->answer, (int)p->value[FAULT_HTML], "text/html",
                    xstrdup("<!DOCTYPE html>\n<html><body><h1>Welcome to the hotel network</h1><p>Please log "
                            "in.</p></body></html>\n"));
        return;
    }
    s3_error_set(err, p->code);
    if (p->message[0])
        s3_error_say(err, p->code, "%s", p->message);
    err->status = (int)p->value[plan_has(p, FAULT_FAIL) ? FAULT_FAIL : FAULT_ERROR200];
    if (p->region[0])
        s3_error_add(err, "Region", p->region);
    if (p->to[0])
        s3_error_add(err, "Endpoint", p->to);
    s3_refused(r);
    if (p->region[0])
        answer_header(&r->answer, "x-amz-bucket-region", "%s", p->region);
    if (p->to[0] && err->status == 307)
        answer_header(&r->answer, "Location", "%s://%s%s", server_scheme(r->server), p->to, r->target);
    if (p->retry_after[0])
        answer_header(&r->answer, "Retry-After", "%s", p->retry_after);
}

/* ---- what it is ---- */

/* The bucket named by the Host header: "assets" of "assets.localhost:9000". */
static bool host_names_bucket(const struct site *site, const char *host) {
    CLEANUP_FREE char *name = xstrdup(host ? host : "");
    char *port = strrchr(name, ':');
    if (port && strspn(port + 1, "0123456789") == strlen(port + 1))
        *port = '\0';
    for (size_t i = 0; site->domains[i]; i++) {
        CLEANUP_FREE char *full = xasprintf("%s.%s", site->bucket_name, site->domains[i]);
        if (!strcasecmp(name, full))
            return true;
    }
    return false;
}

/* Where the key begins in the path; NULL: not our bucket. */
static const char *find_key(const struct request *r) {
    const struct site *site = s3_site(r);
    const char *path = r->path && r->path[0] == '/' ? r->path + 1 : "";
    if (host_names_bucket(site, request_header(r, "Host")))
        return path;
    size_t n = strlen(site->bucket_name);
    if (strncmp(path, site->bucket_name, n) != 0 || (path[n] && path[n] != '/'))
        return NULL;
    return path + n + (path[n] == '/');
}

static void nothing(struct request *r) {
    (void)r;
}

/* What exists at S3 and not here: a writer is refused as S3 would refuse it. */
static void not_here(struct request *r) {
    s3_error_say(&s3_call(r)->err, "NotImplemented", "The double has no %s", s3_call(r)->operation->name);
    s3_refused(r);
}

static const struct s3_operation copy_object = {"CopyObject", OP_S3_OTHER, .begin = not_here,
                                                .finish = nothing};
static const struct s3_operation abort_upload = {"AbortMultipartUpload", OP_S3_OTHER, .begin = not_here,
                                                 .finish = nothing};
static const struct s3_operation list_parts = {"ListParts", OP_S3_OTHER, .begin = not_here,
                                               .finish = nothing};
static const struct s3_operation bucket_other = {"BucketOperation", OP_S3_OTHER, .begin = not_here,
                                                 .finish = nothing};
static const struct s3_operation unknown = {"Unknown", OP_S3_OTHER, .begin = not_here, .finish = nothing};

static const struct s3_operation *object_operation(const struct request *r) {
    bool id = request_parameter(r, "uploadId") != NULL,
         copies = request_header(r, "x-amz-copy-source") != NULL;
    if (!strcmp(r->method, "PUT"))
        return copies ? &copy_object : id ? &s3_upload_part : &s3_put_object;
    if (!strcmp(r->method, "POST"))
        return id ? &s3_complete_upload : request_parameter(r, "uploads") ? &s3_create_upload : &unknown;
    if (!strcmp(r->method, "GET"))
        return id ? &list_parts : &s3_get_object;
    if (!strcmp(r->method, "HEAD"))
        return &s3_head_object;
    if (!strcmp(r->method, "OPTIONS"))
        return &s3_options_object;
    if (!strcmp(r->method, "DELETE"))
        return id ? &abort_upload : &s3_delete_object;
    return &unknown;
}

static void classify(struct request *r) {
    struct s3_call *call = r->own = xcalloc(1, sizeof *call);
    call->bucket_end = find_key(r);
    if (!call->bucket_end || !r->query)
        call->operation = &unknown;
    else if (!*call->bucket_end)
        call->operation = !strcmp(r->method, "GET") ? &s3_list_objects : &bucket_other;
    else
        call->operation = object_operation(r);
    r->key = call->bucket_end ? xstrdup(call->bucket_end) : NULL;
    r->op = call->operation->op;
    r->operation = call->operation->name;
}

/* ---- who asks, and may they ---- */

/* Who does not sign is let in where the bucket is open. */
static bool is_open(struct request *r) {
    const struct site *site = s3_site(r);
    const struct s3_operation *o = s3_call(r)->operation;
    if (request_header(r, "Authorization") || request_parameter(r, "X-Amz-Signature"))
        return false;
    return o->anybody || (o->op == OP_S3_GET && atomic_load(&site->public_read)) ||
           (o->op == OP_PUT && atomic_load(&site->public_write));
}

static bool authenticate(struct request *r) {
    struct s3_call *call = s3_call(r);
    struct site *site = s3_site(r);
    if (is_open(r)) {
        call->who.key.role = ROLE_ANYBODY;
        return true;
    }
    struct sigv4_ask ask = {
        .method = r->method,
        .path = r->path,
        .query = r->query,
        .n_query = r->n_query,
        .headers = r->headers,
        .n_headers = r->n_headers,
        .region = site->region,
        .now = r->now,
    };
    if (sigv4_check(&ask, site->keys, &call->who, &call->err))
        return true;
    if (call->err.extra && strstr(call->err.extra, "HeadersNotSigned"))
        s3_violation(r, "unsigned-header");
    return s3_refused(r);
}

static bool authorize(struct request *r) {
    struct s3_call *call = s3_call(r);
    const struct s3_operation *o = call->operation;
    enum role role = call->who.key.role;
    bool writes = role == ROLE_WRITER && (o->writer ? keyring_in_scope(&call->who.key, r->key)
                                                    : (o->more & call->who.key.more) != 0);
    if (role == ROLE_OWNER || role == ROLE_ANYBODY || writes || (role == ROLE_READER && o->reader))
        return true;
    s3_violation(r, "not-allowed");
    s3_error_say(&call->err, "AccessDenied", "User: %s is not authorized to perform: s3:%s",
                 call->who.key.access, o->name);
    return s3_refused(r);
}

static void begin(struct request *r) {
    struct s3_call *call = s3_call(r);
    if (!r->path || !r->query)
        s3_refuse(r, "InvalidURI");
    else if (!call->bucket_end)
        s3_refuse(r, "NoSuchBucket");
    else if (strlen(r->key) > KEY_LENGTH)
        s3_refuse(r, "KeyTooLongError");
    else if (authenticate(r) && authorize(r))
        call->operation->begin(r);
}

static void finish(struct request *r) {
    s3_call(r)->operation->finish(r);
}

static void release(struct request *r) {
    struct s3_call *call = s3_call(r);
    uploads_release(s3_site(r)->uploads, call->upload);
    s3_error_clear(&call->err);
    free(call);
}

struct service s3_service(struct site *site) {
    return (struct service){.name = "s3",
                            .arg = site,
                            .classify = classify,
                            .begin = begin,
                            .finish = finish,
                            .release = release,
                            .fail = fail};
}
