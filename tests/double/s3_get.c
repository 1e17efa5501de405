/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "journal_key.h"
#include "s3_state.h"

static void missing(struct request *r) {
    if (s3_call(r)->who.key.role != ROLE_OWNER) {
        s3_refuse(r, "AccessDenied");
        return;
    }
    s3_error_set(&s3_call(r)->err, "NoSuchKey");
    s3_error_add(&s3_call(r)->err, "Key", r->key);
    s3_refused(r);
}

static void unsatisfiable(struct request *r, uint64_t size) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)size);
    s3_error_set(&s3_call(r)->err, "InvalidRange");
    s3_error_add(&s3_call(r)->err, "RangeRequested", request_header(r, "Range"));
    s3_error_add(&s3_call(r)->err, "ActualObjectSize", text);
    s3_refused(r);
    answer_header(&r->answer, "Content-Range", "bytes */%s", text);
}

static void send_object(struct request *r, struct object *o) {
    struct answer *a = &r->answer;
    char date[40];
    enum range range = answer_range(plan_has(&r->plan, FAULT_WHOLE) ? NULL : request_header(r, "Range"),
                                    o->size, true, &a->off, &a->len);
    if (range == RANGE_UNSATISFIABLE) {
        unsatisfiable(r, o->size);
        return;
    }
    a->status = range == RANGE_PART ? 206 : 200;
    if (range == RANGE_PART)
        answer_header(a, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)a->off,
                      (unsigned long long)(a->off + a->len - 1), (unsigned long long)o->size);
    const char *mode = request_header(r, "x-amz-checksum-mode");
    answer_header_lines(a, o->headers, mode && !strcmp(mode, "ENABLED") ? NULL : "x-amz-checksum-");
    text_http_date(o->modified, date);
    answer_header(a, "Last-Modified", "%s", date);
    answer_header(a, "Accept-Ranges", "bytes");
    if (plan_has(&r->plan, FAULT_ROT))
        answer_flip(a, (uint64_t)r->plan.value[FAULT_ROT] % MAX(UINT64_C(1), o->size));
    a->fd = o->fd;
    o->fd = -1;
    s3_decorate(r);
}

static void get_begin(struct request *r) {
    (void)r;
}

static void get_finish(struct request *r) {
    struct object o;
    int e = -ENOENT;
    if (!plan_has(&r->plan, FAULT_BACKWARDS) ||
        !journal_key_from(r->key, (uint64_t)r->plan.value[FAULT_BACKWARDS]))
        e = bucket_open(s3_site(r)->bucket, r->key, &o);
    if (e == 0) {
        send_object(r, &o);
        object_close(&o);
    } else if (e == -ENOENT || e == -ENAMETOOLONG) {
        missing(r);
    } else {
        s3_refuse(r, "InternalError");
    }
}

static void delete_finish(struct request *r) {
    const char *match = request_header(r, "If-Match");
    if (match && !strcmp(match, "*") && !bucket_has(s3_site(r)->bucket, r->key)) {
        s3_refuse(r, "PreconditionFailed");
        return;
    }
    if (bucket_remove(s3_site(r)->bucket, r->key) < 0) {
        s3_refuse(r, "InternalError");
        return;
    }
    r->answer.status = 204;
    r->answer.text = xstrdup("");
    s3_decorate(r);
}

const struct s3_operation s3_get_object = {"GetObject",     OP_S3_GET,          .reader = true,
                                           .more = MAY_GET, .begin = get_begin, .finish = get_finish};
const struct s3_operation s3_head_object = {"HeadObject",    OP_S3_GET,          .reader = true,
                                            .more = MAY_GET, .begin = get_begin, .finish = get_finish};
const struct s3_operation s3_delete_object = {"DeleteObject", OP_S3_OTHER, .more = MAY_DELETE,
                                              .begin = get_begin, .finish = delete_finish};
