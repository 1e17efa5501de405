/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Lambda@Edge function that looks at each read before the CDN does: it wants one header with one value of a few, or says 401. Threads: any; one mutex inside.
 */
#ifndef DOUBLE_AUTHORISER_H
#define DOUBLE_AUTHORISER_H

#include "mem.h"

struct authoriser;
struct authoriser *authoriser_new(void); /* lets everybody in */
void authoriser_free(struct authoriser *);
/* "Name: value|other value"; "": everybody. False: neither. */
bool authoriser_want(struct authoriser *, const char *line);
/* The name that is wanted, malloc'd; NULL: none. */
char *authoriser_name(struct authoriser *);
/* value: of that header in the request, NULL where it has none. */
bool authoriser_lets_in(struct authoriser *, const char *value);

#endif
