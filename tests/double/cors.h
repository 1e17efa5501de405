/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bucket's CORS rule (site.h: cors): GET and HEAD, all request headers, for every origin or for one.
 * Source: "Using cross-origin resource sharing (CORS)", Amazon S3 User Guide.
 */
#ifndef DOUBLE_CORS_H
#define DOUBLE_CORS_H

#include "server.h"
#include "site.h"

/* Answers OPTIONS: 200 with what is allowed, 403 AccessForbidden in S3's XML. */
void cors_answer(struct request *, struct site *);
/* Adds to an answer what a browser wants to see there, where Origin is allowed. */
void cors_decorate(struct request *, struct site *);

#endif
