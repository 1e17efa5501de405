/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a request is answered: a status, headers, and a body that is text or a piece of a file.
 */
#ifndef DOUBLE_ANSWER_H
#define DOUBLE_ANSWER_H

#include "text.h"

#define ANSWER_HEADERS 64
#define ANSWER_FLIPS 16

struct answer {
    int status; /* 0: none yet */
    struct pair headers[ANSWER_HEADERS];
    size_t n_headers;
    char *text;     /* malloc'd; NULL: the body is len bytes of the file from off on */
    int fd;         /* -1: none; closed with the answer */
    uint64_t off, len;
    /* Damage to a file's body: the lowest bit of these bytes of the file is flipped. */
    uint64_t flips[ANSWER_FLIPS];
    size_t n_flips;
};
#define ANSWER_INIT {.fd = -1}

void answer_clear(struct answer *);
void answer_header(struct answer *, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
const char *answer_find(const struct answer *, const char *name);
void answer_drop(struct answer *, const char *name);
/* "Name: value" lines; those that begin with `skip` (without case) are left out. */
void answer_header_lines(struct answer *, const char *lines, const char *skip);
/* Takes the malloc'd text. Headers stay. */
void answer_text(struct answer *, int status, const char *type, char *text);
void answer_flip(struct answer *, uint64_t offset);

/* A Range header over an object of that size. */
enum range { RANGE_NONE, RANGE_PART, RANGE_UNSATISFIABLE };
/* "bytes=5-9", "bytes=5-", and "bytes=-5" if suffixes; whatever else there may be is RANGE_NONE, as if it had not been asked. */
enum range answer_range(const char *header, uint64_t size, bool suffixes, uint64_t *off, uint64_t *len);

#endif
