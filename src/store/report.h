/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What `assetfs check` has found: a list of findings, in the order in which they were made, printed as text for people or as JSON for scripts. A finding says what was
 * seen, what it means, and what to do about it. Texts are copied, and kept to one line each: what a server says must not move a terminal's cursor. One thread.
 */
#ifndef ASSETFS_REPORT_H
#define ASSETFS_REPORT_H

#include "base/base.h"
#include "base/buf.h"

/* From good to bad. */
enum finding {
    FINDING_OK,
    FINDING_NOTE,    /* nothing is wrong, but there is something to know; or it could not be looked at */
    FINDING_WARNING, /* it works; somebody may do more than needed, or it will go wrong some day */
    FINDING_BROKEN,  /* a volume cannot, or must not, be used like this */
};

struct report_line {
    char *check; /* "overwrite": stable, for scripts */
    enum finding finding;
    char *found, *means;
    char *step;    /* NULL: nothing has to be done */
    char *details; /* what whoever looks after the servers will want to know; NULL: nothing */
};

struct report {
    struct report_line *lines;
    size_t n;
};

/* found: a format. means, step: sentences without a capital letter and a full stop; step may be NULL. */
void report_add(struct report *, const char *check, enum finding, const char *means, const char *step, const char *found, ...)
    ATTR_PRINTF(6, 7);
/* To the last finding, unless it is FINDING_OK: what the server said. "" is nothing. */
void report_details(struct report *, const char *details);
/* The worst one; FINDING_OK of an empty report. */
enum finding report_worst(const struct report *);
/* The last one of that name, or NULL. */
const struct report_line *report_find(const struct report *, const char *check);
/* "warning", ... */
const char *finding_name(enum finding);
/* A line each, and a last one that counts them. */
void report_text(const struct report *, struct buf *);
/* {"volume":...,"url":...,"result":"warning","checks":[{"check":"put","result":"ok","found":...,"means":...,"do":null,"details":null},...]}, a line. */
void report_json(const struct report *, const char *volume, const char *url, struct buf *);
void report_free(struct report *);

#endif
