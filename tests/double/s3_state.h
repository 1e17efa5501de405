/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of S3 share.
 */
#ifndef DOUBLE_S3_STATE_H
#define DOUBLE_S3_STATE_H

#include "s3.h"
#include "sigv4_check.h"

struct s3_operation {
    const char *name;
    unsigned op;
    bool writer, reader; /* who may, besides the owner */
    unsigned more;       /* enum more: a writer who is allowed that, too */
    bool anybody;        /* nobody has to sign */
    void (*begin)(struct request *);
    void (*finish)(struct request *);
};

/* A request's own. */
struct s3_call {
    const struct s3_operation *operation;
    const char *bucket_end; /* of the path: where the key begins; NULL: the request names another bucket */
    struct sigv4_found who;
    struct s3_error err;
    struct upload *upload;
    unsigned part;
};

static inline struct s3_call *s3_call(struct request *r) {
    return r->own;
}
static inline struct site *s3_site(const struct request *r) {
    return server_arg(r->server);
}

/* Answers with call->err, which must be set; returns false. */
bool s3_refused(struct request *);
/* The same, with a code. */
bool s3_refuse(struct request *, const char *code);
void s3_violation(struct request *, const char *what);
/* The headers every answer has. */
void s3_decorate(struct request *);

/* Before the body: lengths, digests, condition, and what a writer must not ask for. False: answered. */
bool s3_check_put_headers(struct request *);
bool s3_check_condition(struct request *);
/* s3_keep.c: tags, storage class, metadata, encryption; and of a part, what the upload was begun with. */
bool s3_check_keep(struct request *);
bool s3_check_kms_part(struct request *, const char *headers);
/* After it: what was received against what was promised, and its digest. False: answered. */
bool s3_check_body(struct request *, unsigned char digest[BUCKET_DIGEST]);
/* What is kept with the object; malloc'd lines. */
char *s3_kept_headers(const struct request *, const char *etag, const char *checksum);
/* Puts the draft at the key, with the request's condition. False: answered. */
bool s3_commit(struct request *, struct draft *, const char *headers);

extern const struct s3_operation s3_list_objects, s3_options_object;
extern const struct s3_operation s3_put_object, s3_create_upload, s3_upload_part, s3_complete_upload, s3_get_object, s3_head_object,
    s3_delete_object;

#endif
