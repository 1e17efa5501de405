/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "answer.h"

#include <strings.h>

void answer_clear(struct answer *a) {
    for (size_t i = 0; i < a->n_headers; i++) {
        free(a->headers[i].name);
        free(a->headers[i].value);
    }
    free(a->text);
    if (a->fd >= 0)
        close(a->fd);
    *a = (struct answer)ANSWER_INIT;
}

void answer_header(struct answer *a, const char *name, const char *fmt, ...) {
    if (a->n_headers == ANSWER_HEADERS)
        return;
    va_list ap;
    va_start(ap, fmt);
    answer_drop(a, name);
    a->headers[a->n_headers++] = (struct pair){xstrdup(name), xvasprintf(fmt, ap)};
    va_end(ap);
}

const char *answer_find(const struct answer *a, const char *name) {
    for (size_t i = 0; i < a->n_headers; i++) {
        if (!strcasecmp(a->headers[i].name, name))
            return a->headers[i].value;
    }
    return NULL;
}

void answer_drop(struct answer *a, const char *name) {
    for (size_t i = 0; i < a->n_headers; i++) {
        if (strcasecmp(a->headers[i].name, name) != 0)
            continue;
        free(a->headers[i].name);
        free(a->headers[i].value);
        a->headers[i--] = a->headers[--a->n_headers];
    }
}

void answer_header_lines(struct answer *a, const char *lines, const char *skip) {
    CLEANUP_FREE char *copy = xstrdup(lines);
    char *rest = copy;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *value = strstr(line, ": ");
        if (!value || (skip && !strncasecmp(line, skip, strlen(skip))))
            continue;
        *value = '\0';
        answer_header(a, line, "%s", value + 2);
    }
}

void answer_text(struct answer *a, int status, const char *type, char *text) {
    free(a->text);
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
    a->status = status;
    a->text = text;
    a->off = 0;
    a->len = strlen(text);
    a->n_flips = 0;
    answer_header(a, "Content-Type", "%s", type);
}

void answer_flip(struct answer *a, uint64_t offset) {
    if (a->n_flips < ANSWER_FLIPS)
        a->flips[a->n_flips++] = offset;
}

/* Digits up to a byte that is none. */
static bool digits(const char **s, uint64_t *ret) {
    char *end;
    if (**s < '0' || **s > '9')
        return false;
    errno = 0;
    *ret = strtoull(*s, &end, 10);
    *s = end;
    return !errno;
}

enum range answer_range(const char *header, uint64_t size, bool suffixes, uint64_t *off, uint64_t *len) {
    uint64_t first, last = UINT64_MAX;
    *off = 0;
    *len = size;
    if (!header || !text_begins(header, "bytes="))
        return RANGE_NONE;
    const char *s = header + strlen("bytes=");
    if (*s == '-') {
        s++;
        if (!suffixes || !digits(&s, &last) || *s)
            return RANGE_NONE;
        if (last == 0 || size == 0)
            return RANGE_UNSATISFIABLE;
        *len = MIN(last, size);
        *off = size - *len;
        return RANGE_PART;
    }
    if (!digits(&s, &first) || *s++ != '-' || (*s && !digits(&s, &last)) || *s || last < first)
        return RANGE_NONE;
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    *off = first;
    *len = MIN(last, size - 1) - first + 1;
    return RANGE_PART;
}
