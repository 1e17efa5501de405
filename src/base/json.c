/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#define INDENT 2

static void new_line(struct json *j) {
    buf_printf(j->out, "\n%*s", (int)(j->margin + INDENT * j->depth), "");
}

/* What stands before a value. */
static void begin_value(struct json *j, const char *name) {
    if (j->any[j->depth])
        buf_append_byte(j->out, ',');
    if (j->depth > 0)
        new_line(j);
    j->any[j->depth] = true;
    if (!name)
        return;
    buf_append_json(j->out, name, strlen(name));
    buf_append_str(j->out, ": ");
}

static void begin(struct json *j, const char *name, char start, char end) {
    begin_value(j, name);
    buf_append_byte(j->out, (unsigned char)start);
    if (j->depth == JSON_DEPTH_MAX)
        abort(); /* nothing of ours is that deep */
    j->ends[j->depth++] = end;
    j->any[j->depth] = false;
}

void json_object(struct json *j, const char *name) {
    begin(j, name, '{', '}');
}

void json_array(struct json *j, const char *name) {
    begin(j, name, '[', ']');
}

void json_end(struct json *j) {
    bool any = j->any[j->depth--];
    if (any)
        new_line(j);
    buf_append_byte(j->out, (unsigned char)j->ends[j->depth]);
}

void json_text(struct json *j, const char *name, const char *value) {
    begin_value(j, name);
    if (value)
        buf_append_json(j->out, value, strlen(value));
    else
        buf_append_str(j->out, "null");
}

void json_number(struct json *j, const char *name, long value) {
    begin_value(j, name);
    buf_printf(j->out, "%ld", value);
}

void json_bool(struct json *j, const char *name, bool value) {
    begin_value(j, name);
    buf_append_str(j->out, value ? "true" : "false");
}

void json_texts(struct json *j, const char *name, const char *const *values, size_t n) {
    begin_value(j, name);
    buf_append_byte(j->out, '[');
    for (size_t i = 0; i < n; i++) {
        buf_append_str(j->out, i ? ", " : "");
        buf_append_json(j->out, values[i], strlen(values[i]));
    }
    buf_append_byte(j->out, ']');
}
