/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faults.h"
#include "fault_rule.h"
#include "text.h"

#include <utlist.h>

struct rule {
    struct rule *prev, *next;
    struct fault_rule is;
    char *text;
    unsigned id, seen, hits;
    uint64_t random; /* state of its choices */
};

struct faults {
    pthread_mutex_t lock;
    /* guarded by lock */
    struct rule *rules;
    unsigned last_id, generation;
};

struct faults *faults_new(void) {
    struct faults *f = xcalloc(1, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

static void rule_free(struct rule *r) {
    fault_rule_clear(&r->is);
    free(r->text);
    free(r);
}

void faults_free(struct faults *f) {
    if (!f)
        return;
    faults_remove(f, 0);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static struct rule *parse_one(const char *text) {
    CLEANUP_FREE char *copy = xstrdup(text);
    struct rule *r = xcalloc(1, sizeof *r);
    r->text = xstrdup(text);
    r->text[strcspn(r->text, "\r\n")] = '\0';
    if (fault_rule_parse(copy, &r->is)) {
        r->random = r->is.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        return r;
    }
    rule_free(r);
    return NULL;
}

/* Rules are divided by ';' or by lines. NULL list and false: one of them is wrong. */
static bool parse_all(const char *spec, struct rule **ret, FILE *out) {
    CLEANUP_FREE char *copy = xstrdup(spec);
    struct rule *list = NULL, *r, *next;
    char *rest = copy;
    for (char *text; (text = strsep(&rest, ";\n"));) {
        text += strspn(text, " \t\r");
        if (!*text)
            continue;
        r = parse_one(text);
        if (!r) {
            fprintf(out, "not a rule: '%s' (tests/double/faults.h has the grammar)\n", text);
            DL_FOREACH_SAFE (list, r, next) {
                DL_DELETE(list, r);
                rule_free(r);
            }
            return false;
        }
        DL_APPEND(list, r);
    }
    *ret = list;
    return true;
}

bool faults_add(struct faults *f, const char *spec, FILE *out) {
    struct rule *list = NULL, *r, *next;
    if (!parse_all(spec, &list, out))
        return false;
    SCOPE_LOCK(&f->lock);
    DL_FOREACH_SAFE (list, r, next) {
        DL_DELETE(list, r);
        r->id = ++f->last_id;
        DL_APPEND(f->rules, r);
        fprintf(out, "%u\n", r->id);
    }
    return true;
}

bool faults_remove(struct faults *f, unsigned id) {
    SCOPE_LOCK(&f->lock);
    struct rule *r, *next;
    bool any = id == 0;
    DL_FOREACH_SAFE (f->rules, r, next) {
        if (id == 0 || r->id == id) {
            DL_DELETE(f->rules, r);
            rule_free(r);
            any = true;
        }
    }
    f->generation++;
    return any;
}

void faults_list(struct faults *f, FILE *out) {
    SCOPE_LOCK(&f->lock);
    struct rule *r;
    fputc('{', out);
    DL_FOREACH (f->rules, r) {
        fprintf(out, "%s\"%u\":{\"rule\":", r == f->rules ? "" : ",", r->id);
        text_json(out, r->text);
        fprintf(out, ",\"seen\":%u,\"hits\":%u}", r->seen, r->hits);
    }
    fputs("}\n", out);
}

long faults_hits(struct faults *f, unsigned id) {
    SCOPE_LOCK(&f->lock);
    struct rule *r;
    DL_FOREACH (f->rules, r) {
        if (r->id == id)
            return (long)r->hits;
    }
    return -1;
}

unsigned faults_generation(struct faults *f) {
    SCOPE_LOCK(&f->lock);
    return f->generation;
}

/* ---- what hits a request ---- */

static bool sees(const struct fault_rule *r, unsigned op, const char *key) {
    if (!(r->ops & op))
        return false;
    if (!r->prefix)
        return true;
    return key && (r->whole_key ? !strcmp(key, r->prefix) : text_begins(key, r->prefix));
}

/* xorshift64*, as 53 bits in [0, 1). */
static double draw(struct rule *r) {
    r->random ^= r->random >> 12;
    r->random ^= r->random << 25;
    r->random ^= r->random >> 27;
    return (double)(r->random * UINT64_C(2685821657736338717) >> 11) / (double)(UINT64_C(1) << 53);
}

static bool hits(struct rule *r) {
    r->seen++;
    if (r->seen < r->is.nth || (r->is.count && r->seen >= r->is.nth + r->is.count))
        return false;
    if (r->is.probability < 1 && draw(r) >= r->is.probability)
        return false;
    r->hits++;
    return true;
}

static bool answers(enum fault_kind k) {
    return k == FAULT_FAIL || k == FAULT_HTML || k == FAULT_ERROR200;
}

static void plan_add(struct plan *p, const struct fault_rule *r) {
    bool answered = plan_has(p, FAULT_FAIL) || plan_has(p, FAULT_HTML) || plan_has(p, FAULT_ERROR200);
    if (answers(r->kind) && answered)
        return;
    if (r->kind == FAULT_DELAY || r->kind == FAULT_LATE || r->kind == FAULT_CLOCK)
        p->value[r->kind] += r->value;
    else if (!plan_has(p, r->kind))
        p->value[r->kind] = r->value;
    p->kinds |= 1u << r->kind;
    if (answers(r->kind)) {
        strcpy(p->code, r->code);
        strcpy(p->retry_after, r->retry_after);
        strcpy(p->to, r->to);
        strcpy(p->region, r->region);
        strcpy(p->message, r->message);
    }
}

struct plan faults_plan(struct faults *f, unsigned op, const char *key) {
    struct plan p = {0};
    SCOPE_LOCK(&f->lock);
    struct rule *r;
    DL_FOREACH (f->rules, r) {
        if (sees(&r->is, op, key) && hits(r))
            plan_add(&p, &r->is);
    }
    return p;
}
