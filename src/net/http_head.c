/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

#include <strings.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

const char *http_header(const struct http_response *r, const char *name) {
    size_t n = strlen(name);
    for (size_t i = r->headers ? r->headers->n : 0; i-- > 0;) {
        const char *line = r->headers->lines[i];
        if (strncasecmp(line, name, n) != 0 || line[n] != ':')
            continue;
        for (line += n + 1; is_space(*line); line++)
            ;
        return line;
    }
    return NULL;
}

/* "HTTP/1.1 206 Partial Content": what came before (100 Continue) is forgotten. */
static void begin(struct http_call *c, const char *p, size_t n) {
    const char *space = memchr(p, ' ', n);
    c->status = 0;
    for (size_t i = 1; space && space + i < p + n && i <= 3 && space[i] >= '0' && space[i] <= '9'; i++)
        c->status = 10 * c->status + (space[i] - '0');
    buf_reset(&c->head);
    c->n_lines = 0;
    c->head_complete = false;
}

bool http_head_line(struct http_call *c, const char *p, size_t n) {
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
        begin(c, p, n);
        return true;
    }
    while (n > 0 && is_space(p[n - 1]))
        n--;
    if (c->head_complete || (n > 0 && (is_space(p[0]) || memchr(p, 0, n))))
        return true; /* a trailer, a line folded as nobody does any more, or rubbish: not ours to read */
    if (n == 0) {
        c->got_continue |= c->status == 100;
        return c->status < 200 || http_head_end(c);
    }
    c->n_lines++;
    if (buf_append(&c->head, p, n) == 0 && buf_append_byte(&c->head, 0) == 0)
        return true;
    c->failed = -EPROTO;
    c->why = http_why(c, "the head of its answer is larger than %zu KiB", HTTP_HEAD_MAX >> 10);
    return false;
}

/* Digits, at least one, up to `end`. */
static bool take_number(const char **p, char end, uint64_t *ret) {
    const char *s = *p;
    uint64_t v = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
            return false;
    if (s == *p || *s != end)
        return false;
    *p = s + (end != 0);
    *ret = v;
    return true;
}

bool http_content_range(const char *value, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total) {
    uint64_t first, last, total = UINT64_MAX;
    if (!value || strncasecmp(value, "bytes ", 6) != 0)
        return false;
    value += 6;
    if (!take_number(&value, '-', &first) || !take_number(&value, '/', &last) || last < first)
        return false;
    if (strcmp(value, "*") != 0 && (!take_number(&value, 0, &total) || total <= last))
        return false;
    *ret_first = first;
    *ret_last = last;
    *ret_total = total;
    return true;
}

/* 416: "bytes * /TOTAL". */
static uint64_t unsatisfied_total(const char *value) {
    uint64_t total;
    if (!value || strncasecmp(value, "bytes */", 8) != 0)
        return UINT64_MAX;
    value += 8;
    return take_number(&value, 0, &total) ? total : UINT64_MAX;
}

static void make_headers(struct http_call *c) {
    const char **lines = xcalloc(c->n_lines + 1, sizeof *lines);
    const char *p = (const char *)c->head.data;
    for (size_t i = 0; i < c->n_lines; i++, p += strlen(p) + 1)
        lines[i] = p;
    free((void *)c->headers.lines);
    c->headers = (struct http_headers){.lines = lines, .n = c->n_lines};
    c->res.headers = &c->headers;
}

/* Is it the range that was asked for, or as much of it as the object has? */
static void take_range(struct http_call *c) {
    uint64_t first, last, total, end = c->req.range_off + c->req.range_len;
    if (!http_content_range(http_header(&c->res, "Content-Range"), &first, &last, &total))
        return;
    c->res.total = total;
    c->res.ranged = first == c->req.range_off && (last == end - 1 || (last < end && last == total - 1));
    c->expected = last - first + 1;
}

/* What to keep of the body, and what to do with the rest. */
static void plan_body(struct http_call *c) {
    bool range = c->req.range_len > 0;
    c->skip = c->came = 0;
    if (c->status >= 300) {
        c->keep = HTTP_ERROR_BODY_MAX;
        c->rest = HTTP_REST_IS_DROPPED;
        if (c->status == 416)
            c->res.total = unsatisfied_total(http_header(&c->res, "Content-Range"));
    } else if (range && c->status == 200) {
        c->skip = c->req.range_off;
        c->keep = c->req.range_len;
        c->rest = HTTP_REST_IS_CUT;
        c->res.total = c->length;
    } else {
        c->keep = range ? MAX(c->req.max_response, c->req.range_len) : c->req.max_response;
        c->rest = HTTP_REST_IS_TOO_MUCH;
        if (range && c->status == 206)
            take_range(c);
        else if (c->status == 200)
            c->res.total = c->length;
    }
}

bool http_head_end(struct http_call *c) {
    c->head_complete = true;
    c->res.received_at = env_now(c->http->env);
    c->res.total = c->length = UINT64_MAX;
    c->res.ranged = false;
    make_headers(c);
    const char *length = http_header(&c->res, "Content-Length");
    if (length && !http_header(&c->res, "Transfer-Encoding") && !take_number(&length, 0, &c->length))
        c->length = UINT64_MAX;
    plan_body(c);
    bool has_body = strcmp(c->req.method, "HEAD") != 0;
    if (has_body && c->rest == HTTP_REST_IS_TOO_MUCH && c->length != UINT64_MAX && c->length > c->keep) {
        c->failed = -EMSGSIZE;
        return false;
    }
    return true;
}
