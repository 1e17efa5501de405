/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a server's refusal means: ONE table from (operation, who answered, status, code) to an errno of store/store.h, one sentence that says what it means here, and what to do
 * next. It feeds log lines, `assetfs status`, `assetfs check` (store/probe.h) and the manual page. Pure.
 */
#ifndef ASSETFS_REFUSAL_H
#define ASSETFS_REFUSAL_H

#include "base/base.h"
#include "base/buf.h"
#include "net/http.h"
#include "net/xml.h"

enum refusal_op { REFUSAL_PUT, REFUSAL_MULTIPART, REFUSAL_GET };

enum refusal_by {
    BY_S3,    /* S3's XML */
    BY_CDN,   /* the CDN itself: Server: CloudFront, or an error page where S3's XML should be */
    BY_OTHER, /* something in between: a proxy, a captive portal, not HTTP at all */
};

/* An answer taken apart; strings are malloc'd, NULL where the answer has none. */
struct refusal {
    enum refusal_op op;
    enum refusal_by by;
    int status;
    char *code, *message;             /* of S3's <Error> */
    char *region, *endpoint;          /* where to go instead: <Region>, x-amz-bucket-region; <Endpoint>, Location */
    char *request_id, *id_2, *cf_id;  /* x-amz-request-id, x-amz-id-2, x-amz-cf-id: what AWS's support asks for */
};

/* The document that an answer is. While S3 works on a completion it sends white space, perhaps before the document's first byte. -EBADMSG as xml_parse(). */
int refusal_document(const struct http_response *, struct xml **ret) ATTR_WARN_UNUSED;
/* Reads any answer, also one below 300 with an <Error> inside (then status stays what it is, and code is set). */
void refusal_read(const struct http_response *, enum refusal_op, struct refusal *ret);
void refusal_free(struct refusal *);
/* The errno of store/store.h. */
int refusal_errno(const struct refusal *);
/* "403 AccessDenied by S3 for PutObject of files/…: the writer's policy does not allow s3:PutObject on this key; compare … (x-amz-request-id …)". One line. */
void refusal_explain(const struct refusal *, const char *key, struct buf *);
/* "403 AccessDenied by S3"; and the server's words with the ids of the request, "\"Access Denied\", x-amz-request-id …", or nothing. */
void refusal_name(const struct refusal *, struct buf *);
void refusal_details(const struct refusal *, struct buf *);
/* What it means, and what to do (NULL: nothing, or assetfs does it by itself): of the table, never freed. */
const char *refusal_sentence(const struct refusal *);
const char *refusal_step(const struct refusal *);
/* The table itself: each row in turn, "403 AccessDenied by S3, to a put". False: there is no such row. */
bool refusal_row(size_t i, struct buf *ret_when, const char **ret_sentence, const char **ret_step);
/* All of it as mdoc(7) list items for assetfs(1). */
void refusal_mdoc(struct buf *);

#endif
