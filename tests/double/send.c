/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server_state.h"

/* Larger pieces than this are not read at once from a damaged or throttled answer. */
#define PIECE ((size_t)128 << 10)

/* A body that libmicrohttpd cannot send by itself (sendfile, or from memory), because something is wrong with
 * it. */
struct damaged {
    struct server *server;
    char *text; /* NULL: from the file */
    int fd;
    uint64_t off, len;
    uint64_t cut; /* the connection is closed there */
    int64_t throttle;
    uint64_t flips[ANSWER_FLIPS];
    size_t n_flips;
};

static void damaged_free(void *cls) {
    struct damaged *d = cls;
    if (d->fd >= 0)
        close(d->fd);
    free(d->text);
    free(d);
}

/* At most a tenth of a second's bytes. */
static bool throttled(struct damaged *d, size_t *n) {
    if (!d->throttle)
        return true;
    *n = MIN(*n, MAX((size_t)1, (size_t)d->throttle / 10));
    struct timespec ts = {.tv_nsec = (long)MIN(NS_PER_S - 1, (int64_t)*n * NS_PER_S / d->throttle)};
    nanosleep(&ts, NULL);
    return !atomic_load(&d->server->stopping);
}

static ssize_t damaged_read(void *cls, uint64_t pos, char *buf, size_t max) {
    struct damaged *d = cls;
    if (pos >= d->cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (pos >= d->len)
        return MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = (size_t)MIN(MIN(d->len, d->cut) - pos, MIN(max, PIECE));
    if (!throttled(d, &n))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (d->text) {
        memcpy(buf, d->text + pos, n);
        return (ssize_t)n;
    }
    ssize_t got = pread(d->fd, buf, n, (off_t)(d->off + pos));
    if (got <= 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    for (size_t i = 0; i < d->n_flips; i++) {
        if (d->flips[i] >= d->off + pos && d->flips[i] < d->off + pos + (uint64_t)got)
            buf[d->flips[i] - d->off - pos] ^= 1;
    }
    return got;
}

static struct MHD_Response *damaged_response(struct request *r) {
    struct answer *a = &r->answer;
    const struct plan *p = &r->plan;
    struct damaged *d = xcalloc(1, sizeof *d);
    d->server = r->server;
    d->text = mem_steal(&a->text);
    d->fd = a->fd;
    a->fd = -1;
    d->off = a->off;
    d->len = a->len;
    d->cut = plan_has(p, FAULT_CUT) ? (uint64_t)p->value[FAULT_CUT] : UINT64_MAX;
    d->throttle = p->value[FAULT_THROTTLE];
    memcpy(d->flips, a->flips, sizeof d->flips);
    d->n_flips = a->n_flips;
    uint64_t size = plan_has(p, FAULT_CHUNKED) ? MHD_SIZE_UNKNOWN : d->len;
    return mem_check(MHD_create_response_from_callback(size, PIECE, damaged_read, d, damaged_free));
}

static struct MHD_Response *whole_response(struct answer *a) {
    if (a->fd >= 0 && !a->text) {
        int fd = a->fd;
        a->fd = -1;
        return mem_check(MHD_create_response_from_fd_at_offset64(a->len, fd, a->off));
    }
    return mem_check(MHD_create_response_from_buffer(a->len, a->text, MHD_RESPMEM_MUST_COPY));
}

/* ---- what the plan does to an answer ---- */

static const char spa_page[] =
    "<!DOCTYPE html>\n<html><head><title>Our shop</title></head><body><div id=\"app\"></div></body></html>\n";

static void make_wrong_range(struct answer *a) {
    unsigned long long first, last, size;
    const char *value = answer_find(a, "Content-Range");
    if (a->status == 206 && value && sscanf(value, "bytes %llu-%llu/%llu", &first, &last, &size) == 3)
        answer_header(a, "Content-Range", "bytes %llu-%llu/%llu", first + 1, last + 1, size + 1);
}

static void corrupt(struct answer *a, uint64_t at) {
    if (a->fd < 0 || a->len == 0)
        return;
    answer_flip(a, at >= a->off && at < a->off + a->len ? at : a->off + at % a->len);
}

static void apply(struct request *r) {
    struct answer *a = &r->answer;
    const struct plan *p = &r->plan;
    if (plan_has(p, FAULT_SPA) && a->status >= 400)
        answer_text(a, 200, "text/html", xstrdup(spa_page));
    if (plan_has(p, FAULT_WRONG_RANGE))
        make_wrong_range(a);
    if (plan_has(p, FAULT_CORRUPT))
        corrupt(a, (uint64_t)p->value[FAULT_CORRUPT]);
    if (plan_has(p, FAULT_TRUNCATE))
        a->len = MIN(a->len, (uint64_t)p->value[FAULT_TRUNCATE]);
    if (plan_has(p, FAULT_CLOSE))
        answer_header(a, "Connection", "close");
}

enum MHD_Result send_answer(struct request *r) {
    struct answer *a = &r->answer;
    char date[40];
    apply(r);
    text_http_date(time(NULL) + r->plan.value[FAULT_CLOCK], date);
    answer_header(a, "Date", "%s", date);
    r->sent_bytes = strcmp(r->method, "HEAD") ? a->len : 0;
    if (plan_has(&r->plan, FAULT_CUT))
        r->sent_bytes = MIN(r->sent_bytes, (uint64_t)r->plan.value[FAULT_CUT]);
    bool damaged = a->n_flips || plan_has(&r->plan, FAULT_CUT) || plan_has(&r->plan, FAULT_THROTTLE) ||
                   plan_has(&r->plan, FAULT_CHUNKED);
    struct MHD_Response *response = damaged ? damaged_response(r) : whole_response(a);
    for (size_t i = 0; i < a->n_headers; i++)
        MHD_add_response_header(response, a->headers[i].name, a->headers[i].value);
    r->sending = true;
    request_record(r);
    enum MHD_Result ret = MHD_queue_response(r->connection, (unsigned)a->status, response);
    MHD_destroy_response(response);
    r->sent = ret == MHD_YES;
    return ret;
}
