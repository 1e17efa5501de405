/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "object_path.h"
#include "mem.h"

#define NAME_LENGTH 255
#define KEY_LENGTH 1024

/* Names that must not be taken as they are: their first byte is escaped. */
static bool is_taken(const char *segment, bool first) {
    return !strcmp(segment, ".") || !strcmp(segment, "..") || (first && !strcmp(segment, ".tmp"));
}

/* Returns how many bytes it wrote, 3 for each of the segment's at most. */
static size_t put_segment(const char *segment, bool first, char *out) {
    if (!*segment)
        return (size_t)sprintf(out, "%%00");
    char *p = out;
    bool escape = is_taken(segment, first);
    for (const char *s = segment; *s; s++, escape = false) {
        unsigned char c = (unsigned char)*s;
        if (escape || c < 0x20 || c == 0x7f || c == '%')
            p += sprintf(p, "%%%02X", c);
        else
            *p++ = (char)c;
    }
    return (size_t)(p - out);
}

char *object_path(const char *key) {
    if (!*key || *key == '/' || strlen(key) > KEY_LENGTH)
        return NULL;
    CLEANUP_FREE char *copy = xstrdup(key);
    CLEANUP_FREE char *out = xcalloc(4, KEY_LENGTH + 1);
    char *rest = copy, *p = out;
    bool first = true;
    for (char *segment; (segment = strsep(&rest, "/")); first = false) {
        if (!first)
            *p++ = '/';
        size_t n = put_segment(segment, first, p);
        if (n > NAME_LENGTH)
            return NULL;
        p += n;
    }
    *p = '\0';
    return mem_steal(&out);
}
