/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/aws_config.h"
#include <strings.h>

struct parser {
    const char *at, *end;
    unsigned line;
    struct aws_slice section; /* p NULL: none yet */
    struct aws_slice
        setting;   /* the last one that was not indented under another; p NULL: none in this section */
    size_t indent; /* of that one */
};

static bool is_white(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct aws_slice trim(const char *from, const char *to) {
    while (from < to && is_white(*from))
        from++;
    while (to > from && is_white(to[-1]))
        to--;
    return (struct aws_slice){from, (size_t)(to - from)};
}

/* The next line without its line feed; false at the end. */
static bool next_line(struct parser *p, struct aws_slice *ret) {
    if (p->at == p->end)
        return false;
    const char *feed = memchr(p->at, '\n', (size_t)(p->end - p->at)), *to = feed ? feed : p->end;
    *ret = (struct aws_slice){p->at, (size_t)(to - p->at)};
    p->at = feed ? feed + 1 : p->end;
    p->line++;
    return true;
}

/* Up to a comment, which white space stands before. */
static struct aws_slice without_comment(struct aws_slice s) {
    for (size_t i = 1; i < s.len; i++)
        if ((s.p[i] == '#' || s.p[i] == ';') && is_white(s.p[i - 1]))
            return trim(s.p, s.p + i);
    return s;
}

/* False: it has no name. */
static bool split(struct aws_slice s, struct aws_slice *ret_name, struct aws_slice *ret_value) {
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] == '=' || s.p[i] == ':') {
            *ret_name = trim(s.p, s.p + i);
            struct aws_slice value = {s.p + i + 1, s.len - i - 1};
            value = without_comment(value);
            *ret_value = trim(value.p, value.p + value.len);
            return ret_name->len > 0;
        }
    return false;
}

/* "[...]"; what is behind the bracket is a comment. */
static bool take_section(struct parser *p, struct aws_slice text, struct aws_setting *ret) {
    const char *close = memchr(text.p, ']', text.len);
    if (!close)
        return false;
    p->section = trim(text.p + 1, close);
    p->setting = (struct aws_slice){0};
    *ret = (struct aws_setting){.section = p->section, .line = p->line};
    return p->section.len > 0;
}

static bool take_setting(struct parser *p, struct aws_slice text, size_t indent, struct aws_setting *ret) {
    *ret = (struct aws_setting){.section = p->section, .line = p->line};
    if (p->setting.p && indent > p->indent) {
        ret->name = p->setting;
        if (!split(text, &ret->sub, &ret->value)) {
            ret->sub = (struct aws_slice){"", 0};
            ret->value = text;
        }
        return true;
    }
    if (!p->section.p || !split(text, &ret->name, &ret->value))
        return false;
    p->setting = ret->name;
    p->indent = indent;
    return true;
}

int aws_config_parse(const char *text, size_t n, void (*fn)(void *, const struct aws_setting *), void *arg,
                     unsigned *ret_line) {
    struct parser p = {.at = text, .end = text + n};
    struct aws_slice line;
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* what editors of Windows put there */
        p.at += 3;
    while (next_line(&p, &line)) {
        struct aws_slice content = trim(line.p, line.p + line.len);
        struct aws_setting setting;
        bool ok = !memchr(line.p, '\0', line.len);
        if (ok && (content.len == 0 || *content.p == '#' || *content.p == ';'))
            continue;
        size_t indent = (size_t)(content.p - line.p);
        /* An indented "[" below a setting is part of its value. */
        if (ok && *content.p == '[' && !(p.setting.p && indent > p.indent))
            ok = take_section(&p, content, &setting);
        else if (ok)
            ok = take_setting(&p, content, indent, &setting);
        if (!ok) {
            *ret_line = p.line;
            return -EBADMSG;
        }
        fn(arg, &setting);
    }
    return 0;
}

static struct aws_slice without_quotes(struct aws_slice s) {
    if (s.len >= 2 && (*s.p == '"' || *s.p == '\'') && s.p[s.len - 1] == *s.p)
        return (struct aws_slice){s.p + 1, s.len - 2};
    return s;
}

static bool is_exactly(struct aws_slice s, const char *text) {
    return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

bool aws_config_in_section(const struct aws_setting *s, const char *type, const char *name) {
    struct aws_slice rest = s->section;
    if (!type)
        return is_exactly(rest, name);
    size_t n = strlen(type);
    if (rest.len <= n || memcmp(rest.p, type, n) != 0 || !is_white(rest.p[n]))
        return false;
    return is_exactly(without_quotes(trim(rest.p + n, rest.p + rest.len)), name);
}

bool aws_slice_is(struct aws_slice s, const char *name) {
    return s.p && s.len == strlen(name) && strncasecmp(s.p, name, s.len) == 0;
}
