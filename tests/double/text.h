/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The text forms of HTTP and of AWS: percent-encoding, hexadecimal, base64, dates, XML and JSON escapes. Pure; results are malloc'd unless said
 * otherwise.
 */
#ifndef DOUBLE_TEXT_H
#define DOUBLE_TEXT_H

#include "mem.h"

#include <time.h>

struct pair {
    char *name, *value;
};
void pairs_free(struct pair *, size_t n);

/* AWS's UriEncode: all but A-Z a-z 0-9 - _ . ~ as %XX; slashes too unless keep_slash. */
char *text_uri_encode(const char *s, bool keep_slash);
/* NULL: a broken escape, or one of NUL. plus: '+' is a space, as in queries. */
char *text_uri_decode(const char *s, bool plus);
/* "a=1&b": decoded, in the order given; *n of them. NULL (and *n = 0): a broken escape. Never NULL for a good query, an empty one included. */
struct pair *text_query(const char *query, size_t *n);

void text_hex(const unsigned char *p, size_t n, char *ret /* 2n + 1 */);
char *text_base64(const unsigned char *p, size_t n);
/* The number of bytes, at most max; -1: it is not base64, or it is longer. */
int text_unbase64(const char *s, unsigned char *ret, size_t max);

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
void text_http_date(time_t t, char ret[40]);
/* "1994-11-06T08:49:37.000Z" */
void text_iso_date(time_t t, char ret[40]);
/* "19941106T084937Z"; -1: it is no such date. */
time_t text_amz_date(const char *s);
/* As above from an HTTP date. */
time_t text_parse_http_date(const char *s);

void text_xml(FILE *, const char *s);
void text_json(FILE *, const char *s);

/* Decimal digits and nothing else. */
bool text_number(const char *s, uint64_t *ret);
bool text_begins(const char *s, const char *prefix);

#endif
