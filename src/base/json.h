/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writes JSON (RFC 8259) that people read: a member a line, indented. Strings are quoted as buf_append_json() does. A name is NULL in an array and at the top, and given
 * elsewhere. One thread; the buffer is the caller's, its error tells at the end whether all of it fit.
 */
#ifndef ASSETFS_JSON_H
#define ASSETFS_JSON_H

#include "base/buf.h"

#define JSON_DEPTH_MAX 16

struct json {
    struct buf *out;
    unsigned margin; /* columns before each line but the first */
    unsigned depth;
    bool any[JSON_DEPTH_MAX + 1]; /* at that depth something stands already */
    char ends[JSON_DEPTH_MAX];
};

void json_object(struct json *, const char *name);
void json_array(struct json *, const char *name);
/* Ends the innermost object or array. */
void json_end(struct json *);
void json_text(struct json *, const char *name, const char *value); /* NULL: null */
void json_number(struct json *, const char *name, long value);
void json_bool(struct json *, const char *name, bool value);
/* An array of one line. */
void json_texts(struct json *, const char *name, const char *const *values, size_t n);

#endif
