/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/report.h"

/* Of one text; a server may say a lot. */
#define TEXT_MAX 2048

static const char *const names[] = {"ok", "note", "warning", "broken"};

const char *finding_name(enum finding f) {
    return names[f];
}

/* Takes the malloc'd text. */
static char *one_line(char *s) {
    if (strlen(s) > TEXT_MAX)
        s[TEXT_MAX] = '\0';
    for (char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    return s;
}

void report_add(struct report *r, const char *check, enum finding f, const char *means, const char *step,
                const char *found, ...) {
    char *text = NULL;
    va_list ap;
    va_start(ap, found);
    if (vasprintf(&text, found, ap) < 0)
        abort(); /* no memory */
    va_end(ap);
    r->lines = xrealloc(r->lines, (r->n + 1) * sizeof *r->lines);
    r->lines[r->n++] = (struct report_line){.check = xstrdup(check),
                                            .finding = f,
                                            .found = one_line(text),
                                            .means = one_line(xstrdup(means)),
                                            .step = step ? one_line(xstrdup(step)) : NULL};
}

void report_details(struct report *r, const char *details) {
    struct report_line *l = r->n ? &r->lines[r->n - 1] : NULL;
    if (!l || l->finding == FINDING_OK || !*details || l->details)
        return;
    l->details = one_line(xstrdup(details));
}

enum finding report_worst(const struct report *r) {
    enum finding worst = FINDING_OK;
    for (size_t i = 0; i < r->n; i++)
        worst = MAX(worst, r->lines[i].finding);
    return worst;
}

const struct report_line *report_find(const struct report *r, const char *check) {
    for (size_t i = r->n; i-- > 0;)
        if (!strcmp(r->lines[i].check, check))
            return &r->lines[i];
    return NULL;
}

void report_text(const struct report *r, struct buf *b) {
    size_t counts[ARRAY_SIZE(names)] = {0};
    for (size_t i = 0; i < r->n; i++) {
        const struct report_line *l = &r->lines[i];
        counts[l->finding]++;
        buf_printf(b, "%-8s %-14s %s: %s", names[l->finding], l->check, l->found, l->means);
        if (l->step)
            buf_printf(b, ". To do: %s", l->step);
        if (l->details)
            buf_printf(b, " (%s)", l->details);
        buf_append_byte(b, '\n');
    }
    buf_printf(b, "%zu ok, %zu to know, %zu warnings, %zu broken\n", counts[FINDING_OK], counts[FINDING_NOTE],
               counts[FINDING_WARNING], counts[FINDING_BROKEN]);
}

static void json_member(struct buf *b, const char *name, const char *value) {
    buf_printf(b, "\"%s\":", name);
    if (value)
        buf_append_json(b, value, strlen(value));
    else
        buf_append_str(b, "null");
}

void report_json(const struct report *r, const char *volume, const char *url, struct buf *b) {
    buf_append_byte(b, '{');
    json_member(b, "volume", volume);
    buf_append_byte(b, ',');
    json_member(b, "url", url);
    buf_append_byte(b, ',');
    json_member(b, "result", names[report_worst(r)]);
    buf_append_str(b, ",\"checks\":[");
    for (size_t i = 0; i < r->n; i++) {
        const struct report_line *l = &r->lines[i];
        buf_append_str(b, i ? ",{" : "{");
        json_member(b, "check", l->check);
        buf_append_byte(b, ',');
        json_member(b, "result", names[l->finding]);
        buf_append_byte(b, ',');
        json_member(b, "found", l->found);
        buf_append_byte(b, ',');
        json_member(b, "means", l->means);
        buf_append_byte(b, ',');
        json_member(b, "do", l->step);
        buf_append_byte(b, ',');
        json_member(b, "details", l->details);
        buf_append_byte(b, '}');
    }
    buf_append_str(b, "]}\n");
}

void report_free(struct report *r) {
    for (size_t i = 0; i < r->n; i++) {
        free(r->lines[i].check);
        free(r->lines[i].found);
        free(r->lines[i].means);
        free(r->lines[i].step);
        free(r->lines[i].details);
    }
    free(r->lines);
    *r = (struct report){0};
}
