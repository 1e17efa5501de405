/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/log_text.h"
#include "base/units.h"

/* A span of the line. */
struct span {
    const char *p, *end;
};

/* Past a string that begins at p; NULL if it does not end. */
static const char *skip_string(const char *p) {
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : NULL;
}

/* Past any value; strings inside are skipped whole, so their brackets do not count. */
static const char *skip_value(const char *p) {
    int depth = 0;
    while (p && *p) {
        if (*p == '"')
            p = skip_string(p);
        else if (*p == '{' || *p == '[')
            depth++, p++;
        else if (depth > 0 && (*p == '}' || *p == ']'))
            depth--, p++;
        else if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
            return p;
        else
            p++;
    }
    return p && depth == 0 ? p : NULL;
}

/* One member or element after another: *p stands on the first character of one. False at the end. */
static bool next(const char **p, bool named, struct span *ret_name, struct span *ret_value) {
    if (**p == ',')
        (*p)++;
    if (named) {
        const char *end = **p == '"' ? skip_string(*p) : NULL;
        if (!end || *end != ':')
            return false;
        *ret_name = (struct span){*p, end};
        *p = end + 1;
    }
    const char *end = skip_value(*p);
    if (!end || end == *p)
        return false;
    *ret_value = (struct span){*p, end};
    *p = end;
    return true;
}

/* Control characters come as \u00XX and stay so: they must not reach a terminal. */
static void append(struct buf *b, struct span s) {
    if (*s.p != '"') {
        buf_append(b, s.p, (size_t)(s.end - s.p));
        return;
    }
    for (const char *p = s.p + 1; p < s.end - 1; p++) {
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\' || p[1] == '/'))
            p++;
        buf_append_byte(b, (unsigned char)*p);
    }
}

static bool is(struct span name, const char *word) {
    size_t n = strlen(word);
    return (size_t)(name.end - name.p) == n + 2 && !memcmp(name.p + 1, word, n);
}

/* The member `word` of the object at json. */
static bool find(const char *json, const char *word, struct span *ret) {
    struct span name;
    if (*json == '{')
        for (const char *p = json + 1; next(&p, true, &name, ret);)
            if (is(name, word))
                return strncmp(ret->p, "null", 4) != 0;
    return false;
}

static void append_time(struct buf *b, struct span ns) {
    char when[UNITS_SIZE];
    buf_printf(b, "  %s", time_format(strtoll(ns.p, NULL, 10), when));
}

static void append_head(const char *json, struct buf *b) {
    struct span s;
    if (find(json, "sequence", &s))
        append(b, s);
    if (find(json, "time", &s))
        append_time(b, s);
    if (find(json, "user", &s)) {
        buf_append_str(b, "  ");
        append(b, s);
    }
    if (find(json, "host", &s)) {
        buf_append_byte(b, '@');
        append(b, s);
    }
    if (find(json, "message", &s)) {
        buf_append_str(b, "  ");
        append(b, s);
    }
    buf_append_byte(b, '\n');
}

/* The next element of a list, which must be an object. */
static bool next_object(const char **p, struct span *ret) {
    return next(p, false, NULL, ret) && *ret->p == '{';
}

/* "+ name" is new, "- name" is gone, "* name" leads to another file than before. */
static void append_names(struct span list, struct buf *b) {
    struct span object, name, was, now;
    for (const char *p = list.p + 1; next_object(&p, &object);) {
        if (!find(object.p, "name", &name) || !find(object.p, "was", &was) || !find(object.p, "now", &now))
            continue;
        buf_printf(b, "    %c ", *was.p == '0' ? '+' : *now.p == '0' ? '-' : '*');
        append(b, name);
        buf_append_byte(b, '\n');
    }
}

/* An inode whose names stay: "~ 33554433 files/....jpg" */
static void append_inodes(struct span list, struct buf *b) {
    struct span object, s;
    for (const char *p = list.p + 1; next_object(&p, &object);) {
        if (!find(object.p, "ino", &s))
            continue;
        buf_append_str(b, "    ~ ");
        append(b, s);
        if (find(object.p, "key", &s)) {
            buf_append_byte(b, ' ');
            append(b, s);
        }
        buf_append_byte(b, '\n');
    }
}

static void append_change(struct span change, struct buf *b) {
    struct span list;
    size_t before = b->len;
    if (find(change.p, "names", &list) && *list.p == '[')
        append_names(list, b);
    if (b->len == before && find(change.p, "inodes", &list) && *list.p == '[')
        append_inodes(list, b);
}

void log_text(const char *json, struct buf *ret) {
    struct span s, change;
    if (*json != '{') {
        buf_printf(ret, "%s\n", json);
        return;
    }
    append_head(json, ret);
    if (find(json, "void", &s))
        buf_append_str(ret, "    void: nobody can read it, it has no effect\n");
    if (find(json, "volume", &s) && *s.p == 't')
        buf_append_str(ret, "    the volume was made\n");
    if (find(json, "changes", &s) && *s.p == '[')
        for (const char *p = s.p + 1; next_object(&p, &change);)
            append_change(change, ret);
}
