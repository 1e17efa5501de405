/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server_state.h"

#include <poll.h>
#include <strings.h>
#include <sys/random.h>

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif
/* How often who waits looks whether the server is still there. */
#define LOOK_MS 50

const char *request_header(const struct request *r, const char *name) {
    for (size_t i = 0; i < r->n_headers; i++) {
        if (!strcasecmp(r->headers[i].name, name))
            return r->headers[i].value;
    }
    return NULL;
}

const char *request_parameter(const struct request *r, const char *name) {
    for (size_t i = 0; i < r->n_query; i++) {
        if (!strcmp(r->query[i].name, name))
            return r->query[i].value;
    }
    return NULL;
}

/* ---- waiting ---- */

static int64_t mono_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static bool is_gone(const struct request *r, int wait_ms) {
    struct pollfd p = {.fd = r->socket, .events = POLLRDHUP};
    return poll(&p, 1, wait_ms) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL);
}

bool request_pause(struct request *r, int64_t ms) {
    int64_t until = mono_ms() + ms;
    for (int64_t left = ms; left > 0; left = until - mono_ms()) {
        if (is_gone(r, (int)MIN(left, LOOK_MS)) || atomic_load(&r->server->stopping))
            return false;
    }
    return true;
}

/* Until the rules change or the client has had enough. */
static void hang(struct request *r) {
    struct faults *f = r->server->is.faults;
    for (unsigned g = faults_generation(f); g == faults_generation(f);) {
        if (!request_pause(r, LOOK_MS))
            return;
    }
}

/* ---- the beginning ---- */

static bool is_control(const struct server *s) {
    return !s->is.faults;
}

static void make_id(char ret[17]) {
    unsigned char b[8];
    while (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        continue;
    text_hex(b, sizeof b, ret);
    for (char *p = ret; *p; p++)
        *p = (char)(*p >= 'a' ? *p - 'a' + 'A' : *p);
}

void *request_started(void *cls, const char *uri, struct MHD_Connection *connection) {
    struct server *s = cls;
    struct request *r = xcalloc(1, sizeof *r);
    r->server = s;
    r->connection = connection;
    r->socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    r->target = xstrdup(uri);
    r->answer = (struct answer)ANSWER_INIT;
    r->method = "";
    r->operation = "";
    make_id(r->id);
    if (!is_control(s))
        tally_begin(s->is.tally, s->is.service->name);
    return r;
}

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value) {
    struct request *r = cls;
    (void)kind;
    r->headers = xrealloc(r->headers, (r->n_headers + 1) * sizeof *r->headers);
    r->headers[r->n_headers++] = (struct pair){xstrdup(name), xstrdup(value ? value : "")};
    return MHD_YES;
}

static void read_head(struct request *r, const char *method) {
    r->method = method;
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, add_header, r);
    CLEANUP_FREE char *path = xstrdup(r->target);
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    r->path = text_uri_decode(path, false);
    r->query = text_query(query ? query : "", &r->n_query);
    const char *length = request_header(r, "Content-Length");
    if (!length || !text_number(length, &r->body_size))
        r->body_size = UINT64_MAX;
}

static bool is_answered_for(const struct plan *p) {
    return plan_has(p, FAULT_FAIL) || plan_has(p, FAULT_HTML) || plan_has(p, FAULT_ERROR200);
}

static enum MHD_Result begin(struct request *r, const char *method) {
    const struct service *service = r->server->is.service;
    struct plan *p = &r->plan;
    read_head(r, method);
    service->classify(r);
    if (r->op)
        *p = faults_plan(r->server->is.faults, r->op, r->key);
    r->now = time(NULL) + p->value[FAULT_CLOCK];
    if (plan_has(p, FAULT_RESET)) {
        server_reset_socket(r->socket);
        return MHD_NO;
    }
    const atomic_int *latency = r->server->is.latency;
    if (!request_pause(r, p->value[FAULT_DELAY] + (latency ? atomic_load(latency) : 0)))
        return MHD_NO;
    if (plan_has(p, FAULT_HANG)) {
        hang(r);
        return MHD_NO;
    }
    r->now = time(NULL) + p->value[FAULT_CLOCK];
    if (is_answered_for(p))
        service->fail(r);
    else
        service->begin(r);
    const char *expect = request_header(r, "Expect");
    bool before_body = r->answer.status && expect && !strcasecmp(expect, "100-continue") && r->body_size > 0;
    return before_body ? send_answer(r) : MHD_YES;
}

/* ---- the body ---- */

static void keep_in_memory(struct request *r, const char *data, size_t n) {
    if (r->body_len + n > r->body_max)
        return;
    r->body = xrealloc(r->body, r->body_len + n + 1);
    memcpy(r->body + r->body_len, data, n);
    r->body_len += n;
    r->body[r->body_len] = '\0';
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t n) {
    const struct plan *p = &r->plan;
    r->received += n;
    if (plan_has(p, FAULT_CUT_REQUEST) && r->received > (uint64_t)p->value[FAULT_CUT_REQUEST])
        return MHD_NO;
    if (plan_has(p, FAULT_THROTTLE) &&
        !request_pause(r, (int64_t)n * 1000 / MAX(INT64_C(1), p->value[FAULT_THROTTLE])))
        return MHD_NO;
    if (r->draft && r->body_err == 0)
        r->body_err = draft_write(r->draft, data, n);
    else if (!r->draft)
        keep_in_memory(r, data, n);
    return MHD_YES;
}

static enum MHD_Result finish(struct request *r) {
    const struct plan *p = &r->plan;
    if (!r->answer.status)
        r->server->is.service->finish(r);
    if (plan_has(p, FAULT_LOSE)) {
        request_record(r);
        return MHD_NO;
    }
    if (!request_pause(r, p->value[FAULT_LATE]))
        return MHD_NO;
    return send_answer(r);
}

enum MHD_Result request_called(void *cls, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data, size_t *size,
                               void **own) {
    struct request *r = *own;
    (void)cls, (void)connection, (void)url, (void)version;
    if (!r->begun) {
        r->begun = true;
        return begin(r, method);
    }
    if (*size) {
        size_t n = *size;
        *size = 0;
        return take_body(r, data, n);
    }
    return r->sent ? MHD_YES : finish(r);
}

/* ---- the end ---- */

void request_record(struct request *r) {
    if (r->recorded || is_control(r->server))
        return;
    r->recorded = true;
    struct tally *t = r->server->is.tally;
    char status[16] = "none";
    if (r->sending)
        snprintf(status, sizeof status, "%d", r->answer.status);
    tally_count(t, "server", r->server->is.service->name);
    tally_count(t, "method", r->method);
    tally_count(t, "operation", r->operation);
    tally_count(t, "status", status);
    if (r->code)
        tally_count(t, "code", r->code);
    tally_bytes(t, r->received, r->sent_bytes);
    const char *range = request_header(r, "Range"), *cache = answer_find(&r->answer, "X-Cache");
    tally_log(t, "%s %s %s %s %s %s in=%llu out=%llu%s%s%s%s%s", r->server->is.service->name, r->method,
              status, r->code ? r->code : "-", r->operation, r->key ? r->key : "-",
              (unsigned long long)r->received, (unsigned long long)r->sent_bytes, range ? " " : "",
              range ? range : "", cache ? " " : "", cache ? cache : "", r->plan.kinds ? " fault" : "");
}

void request_ended(void *cls, struct MHD_Connection *connection, void **own,
                   enum MHD_RequestTerminationCode how) {
    struct server *s = cls;
    struct request *r = *own;
    (void)connection, (void)how;
    if (!r)
        return;
    *own = NULL;
    if (!is_control(s)) {
        if (r->begun)
            request_record(r); /* it got no answer */
        tally_end(s->is.tally, s->is.service->name);
    }
    if (r->begun)
        s->is.service->release(r);
    draft_free(r->draft);
    answer_clear(&r->answer);
    pairs_free(r->query, r->n_query);
    pairs_free(r->headers, r->n_headers);
    free(r->body);
    free(r->path);
    free(r->key);
    free(r->code);
    free(r->target);
    free(r);
}
