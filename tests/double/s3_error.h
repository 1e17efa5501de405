/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * S3's refusals: a code, its status and its words ("Error responses", Amazon S3 API Reference), and the XML they come in.
 */
#ifndef DOUBLE_S3_ERROR_H
#define DOUBLE_S3_ERROR_H

#include "mem.h"

struct s3_error {
    int status;    /* 0: no error */
    char code[64]; /* "AccessDenied" */
    char *message;
    char *extra; /* further elements, as XML; NULL: none */
};

/* Status and words from the table; a code that is not in it is a 400. Frees what was there. */
void s3_error_set(struct s3_error *, const char *code);
/* With words of its own. */
void s3_error_say(struct s3_error *, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* One more element. */
void s3_error_add(struct s3_error *, const char *element, const char *value);
void s3_error_clear(struct s3_error *);
/* The code that goes with a bare status: "SlowDown" for 503. */
const char *s3_error_code(int status);
/* The status of a code; 400 where it is not known. */
int s3_error_status(const char *code);
/* The document, malloc'd. */
char *s3_error_xml(const struct s3_error *, const char *resource, const char *request_id, const char *host_id);

#endif
