/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "s3_state.h"

#include <libxml/parser.h>
#include <openssl/evp.h>
#include <strings.h>

/* 10,000 parts with tag and checksum. */
#define COMPLETE_MAX ((size_t)4 << 20)

static bool find_upload(struct request *r) {
    struct s3_call *call = s3_call(r);
    call->upload = uploads_find(s3_site(r)->uploads, request_parameter(r, "uploadId"), r->key);
    return call->upload || s3_refuse(r, "NoSuchUpload");
}

static void answer_xml(struct request *r, const char *root, const struct pair *elements, size_t n) {
    char *text;
    size_t size;
    FILE *f = xmemstream(&text, &size);
    fprintf(
        f,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
        root);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "<%s>", elements[i].name);
        text_xml(f, elements[i].value);
        fprintf(f, "</%s>", elements[i].name);
    }
    fprintf(f, "</%s>", root);
    fclose(f);
    answer_text(&r->answer, 200, "application/xml", text);
    s3_decorate(r);
}

static struct pair element(const char *name, const char *value) {
    return (struct pair){(char *)(uintptr_t)name, (char *)(uintptr_t)value};
}

/* ---- CreateMultipartUpload ---- */

static void create_begin(struct request *r) {
    const char *algorithm = request_header(r, "x-amz-checksum-algorithm");
    r->body_max = 0;
    if (algorithm && strcasecmp(algorithm, "SHA256") != 0) {
        s3_error_say(&s3_call(r)->err, "NotImplemented",
                     "The double knows no other checksum than SHA-256: %s", algorithm);
        s3_refused(r);
        return;
    }
    if (r->body_size == UINT64_MAX)
        r->body_size = 0; /* a POST without a body may leave it out */
    s3_check_put_headers(r);
}

static void create_finish(struct request *r) {
    struct s3_call *call = s3_call(r);
    struct site *site = s3_site(r);
    bool sha256 = request_header(r, "x-amz-checksum-algorithm") != NULL;
    call->upload = uploads_create(site->uploads, r->key, s3_kept_headers(r, NULL, NULL), sha256);
    if (sha256)
        answer_header(&r->answer, "x-amz-checksum-algorithm", "SHA256");
    const struct pair elements[] = {element("Bucket", site->bucket_name), element("Key", r->key),
                                    element("UploadId", call->upload->id)};
    answer_xml(r, "InitiateMultipartUploadResult", elements, ARRAY_SIZE(elements));
}

/* ---- UploadPart ---- */

static void part_begin(struct request *r) {
    struct s3_call *call = s3_call(r);
    uint64_t number;
    const char *text = request_parameter(r, "partNumber");
    if (!text || !text_number(text, &number) || number < 1 || number > UPLOADS_PARTS_MAX) {
        s3_error_say(&call->err, "InvalidArgument",
                     "Part number must be an integer between 1 and 10000, inclusive");
        s3_refused(r);
        return;
    }
    call->part = (unsigned)number;
    if (!s3_check_put_headers(r) || !find_upload(r) || !s3_check_kms_part(r, call->upload->headers))
        return;
    if (call->upload->sha256 && !request_header(r, "x-amz-checksum-sha256")) {
        s3_error_say(
            &call->err, "InvalidRequest",
            "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null");
        s3_refused(r);
        return;
    }
    r->draft = draft_new(s3_site(r)->bucket);
    if (!r->draft)
        s3_refuse(r, "InternalError");
}

static void part_finish(struct request *r) {
    struct s3_call *call = s3_call(r);
    unsigned char digest[BUCKET_DIGEST];
    char etag[2 * BUCKET_DIGEST + 1];
    if (!s3_check_body(r, digest))
        return;
    uploads_put_part(s3_site(r)->uploads, call->upload, call->part, r->draft, digest);
    r->draft = NULL;
    text_hex(digest, BUCKET_DIGEST, etag);
    r->answer.status = 200;
    r->answer.text = xstrdup("");
    answer_header(&r->answer, "ETag", "\"%s\"", etag);
    const char *checksum = request_header(r, "x-amz-checksum-sha256");
    if (checksum)
        answer_header(&r->answer, "x-amz-checksum-sha256", "%s", checksum);
    s3_decorate(r);
}

/* ---- CompleteMultipartUpload ---- */

static void complete_begin(struct request *r) {
    r->body_max = COMPLETE_MAX;
    if (s3_check_put_headers(r) && s3_check_condition(r))
        find_upload(r);
}

static void copy_text(xmlNode *node, char *to, size_t size) {
    xmlChar *text = xmlNodeGetContent(node);
    const char *from = text ? (const char *)text : "";
    size_t n = strlen(from);
    if (n >= 2 && from[0] == '"' && from[n - 1] == '"')
        snprintf(to, size, "%.*s", (int)n - 2, from + 1);
    else
        snprintf(to, size, "%s", from);
    xmlFree(text);
}

static bool read_part(xmlNode *part, struct listed_part *ret) {
    char number[16] = "";
    *ret = (struct listed_part){0};
    for (xmlNode *n = part->children; n; n = n->next) {
        if (n->type != XML_ELEMENT_NODE)
            continue;
        if (!strcmp((const char *)n->name, "PartNumber"))
            copy_text(n, number, sizeof number);
        else if (!strcmp((const char *)n->name, "ETag"))
            copy_text(n, ret->etag, sizeof ret->etag);
        else if (!strcmp((const char *)n->name, "ChecksumSHA256"))
            copy_text(n, ret->checksum, sizeof ret->checksum);
    }
    uint64_t value;
    if (!text_number(number, &value) || value < 1 || value > UPLOADS_PARTS_MAX || !ret->etag[0])
        return false;
    ret->number = (unsigned)value;
    return true;
}

/* Malloc'd; NULL: it is not what it should be. */
static struct listed_part *read_list(const struct request *r, size_t *ret_n) {
    xmlDoc *doc = r->body ? xmlReadMemory(r->body, (int)r->body_len, NULL, NULL,
                                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
                          : NULL;
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    struct listed_part *list = NULL;
    bool good = root && !strcmp((const char *)root->name, "CompleteMultipartUpload");
    size_t n = 0;
    for (xmlNode *part = good ? root->children : NULL; part && good; part = part->next) {
        if (part->type != XML_ELEMENT_NODE)
            continue;
        list = xrealloc(list, (n + 1) * sizeof *list);
        good =
            !strcmp((const char *)part->name, "Part") && n < UPLOADS_PARTS_MAX && read_part(part, &list[n]);
        n++;
    }
    xmlFreeDoc(doc);
    if (!good || n == 0) {
        free(list);
        return NULL;
    }
    *ret_n = n;
    return list;
}

/* The XML is a body like others: its digest was signed. */
static bool check_xml_digest(struct request *r) {
    const char *signed_digest = s3_call(r)->who.payload;
    unsigned char digest[BUCKET_DIGEST];
    char hex[2 * BUCKET_DIGEST + 1];
    if (r->received > COMPLETE_MAX)
        return s3_refuse(r, "MalformedXML");
    EVP_Digest(r->body ? r->body : "", r->body_len, digest, NULL, EVP_sha256(), NULL);
    text_hex(digest, BUCKET_DIGEST, hex);
    return !signed_digest[0] || !strcasecmp(signed_digest, hex) || s3_refuse(r, "XAmzContentSHA256Mismatch");
}

/* The checksum of the whole, if one is given, is the composite one, with or without its "-N". */
static bool check_composite(struct request *r, const char *checksum) {
    const char *given = request_header(r, "x-amz-checksum-sha256");
    if (!given || !strcmp(given, checksum) ||
        (!strchr(given, '-') && !strncmp(given, checksum, strcspn(checksum, "-")) &&
         strlen(given) == strcspn(checksum, "-")))
        return true;
    return s3_refuse(r, "BadDigest");
}

static void completed(struct request *r, const char *etag, const char *checksum) {
    struct site *site = s3_site(r);
    CLEANUP_FREE char *location =
        xasprintf("%s://%s/%s", server_scheme(r->server), request_header(r, "Host"), r->key);
    CLEANUP_FREE char *quoted = xasprintf("\"%s\"", etag);
    const struct pair elements[] = {element("Location", location), element("Bucket", site->bucket_name),
                                    element("Key", r->key), element("ETag", quoted),
                                    element("ChecksumSHA256", checksum)};
    answer_xml(r, "CompleteMultipartUploadResult", elements, ARRAY_SIZE(elements) - !checksum);
}

static void complete_finish(struct request *r) {
    struct s3_call *call = s3_call(r);
    struct site *site = s3_site(r);
    size_t n = 0;
    if (!check_xml_digest(r))
        return;
    CLEANUP_FREE struct listed_part *list = read_list(r, &n);
    if (!list) {
        s3_refuse(r, "MalformedXML");
        return;
    }
    CLEANUP_FREE char *checksum = NULL;
    r->draft = uploads_assemble(site->uploads, call->upload, list, n, atomic_load(&site->small_parts),
                                &checksum, &call->err);
    if (!r->draft) {
        s3_refused(r);
        return;
    }
    if (!check_composite(r, checksum))
        return;
    const char *kept = call->upload->sha256 ? checksum : NULL;
    CLEANUP_FREE char *etag = xasprintf("%.32s-%zu", list[0].etag, n);
    CLEANUP_FREE char *headers =
        xasprintf("ETag: \"%s\"\n%s%s%s%s", etag, kept ? "x-amz-checksum-sha256: " : "", kept ? kept : "",
                  kept ? "\n" : "", call->upload->headers);
    if (!s3_commit(r, r->draft, headers))
        return;
    uploads_finish(site->uploads, call->upload);
    completed(r, etag, kept);
}

const struct s3_operation s3_create_upload = {"CreateMultipartUpload", OP_CREATE, .writer = true,
                                              .begin = create_begin, .finish = create_finish};
const struct s3_operation s3_upload_part = {"UploadPart", OP_PART, .writer = true, .begin = part_begin,
                                            .finish = part_finish};
const struct s3_operation s3_complete_upload = {"CompleteMultipartUpload", OP_COMPLETE, .writer = true,
                                                .begin = complete_begin, .finish = complete_finish};
