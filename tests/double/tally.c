/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tally.h"
#include "text.h"

#include <time.h>
#include <uthash.h>

struct count {
    UT_hash_handle hh;
    uint64_t n;
    char name[]; /* "status/200" */
};

struct side {
    const char *name;
    uint64_t now, max;
};

struct tally {
    pthread_mutex_t lock;
    FILE *log;
    /* guarded by lock */
    struct count *counts;
    struct side sides[2];
    uint64_t requests, in, out;
};

struct tally *tally_new(const char *log) {
    FILE *f = log ? fopen(log, "ae") : NULL;
    if (log && !f)
        return NULL;
    struct tally *t = xcalloc(1, sizeof *t);
    t->log = f;
    t->sides[0].name = "s3";
    t->sides[1].name = "cdn";
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void tally_free(struct tally *t) {
    if (!t)
        return;
    tally_reset(t);
    if (t->log)
        fclose(t->log);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void tally_count(struct tally *t, const char *group, const char *name) {
    char full[160];
    snprintf(full, sizeof full, "%s/%s", group, name);
    SCOPE_LOCK(&t->lock);
    struct count *c;
    HASH_FIND_STR(t->counts, full, c);
    if (!c) {
        c = xcalloc(1, sizeof *c + strlen(full) + 1);
        strcpy(c->name, full);
        HASH_ADD_STR(t->counts, name, c);
    }
    c->n++;
}

static struct side *side(struct tally *t, const char *name) {
    return &t->sides[!strcmp(name, t->sides[1].name)];
}

void tally_begin(struct tally *t, const char *server) {
    SCOPE_LOCK(&t->lock);
    struct side *s = side(t, server);
    t->requests++;
    s->now++;
    s->max = MAX(s->max, s->now);
}

void tally_end(struct tally *t, const char *server) {
    SCOPE_LOCK(&t->lock);
    side(t, server)->now--;
}

void tally_bytes(struct tally *t, uint64_t in, uint64_t out) {
    SCOPE_LOCK(&t->lock);
    t->in += in;
    t->out += out;
}

void tally_log(struct tally *t, const char *fmt, ...) {
    if (!t->log)
        return;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    va_list ap;
    va_start(ap, fmt);
    CLEANUP_FREE char *line = xvasprintf(fmt, ap);
    va_end(ap);
    SCOPE_LOCK(&t->lock);
    fprintf(t->log, "%lld.%03ld %s\n", (long long)ts.tv_sec, ts.tv_nsec / 1000000, line);
    fflush(t->log);
}

static int by_name(struct count *a, struct count *b) {
    return strcmp(a->name, b->name);
}

static void write_group(struct tally *t, const char *group, FILE *out) {
    size_t n = strlen(group);
    const char *comma = "";
    fprintf(out, ",\"%s\":{", group);
    for (struct count *c = t->counts; c; c = c->hh.next) {
        if (strncmp(c->name, group, n) != 0 || c->name[n] != '/')
            continue;
        fputs(comma, out);
        text_json(out, c->name + n + 1);
        fprintf(out, ":%llu", (unsigned long long)c->n);
        comma = ",";
    }
    fputc('}', out);
}

void tally_write(struct tally *t, FILE *out) {
    static const char *const groups[] = {"server", "method",    "operation", "status",
                                         "code",   "violation", "cache"};
    SCOPE_LOCK(&t->lock);
    HASH_SORT(t->counts, by_name);
    fprintf(out,
            "{\"requests\":%llu,\"in_flight\":%llu,\"in_flight_max\":{\"s3\":%llu,\"cdn\":%llu},\"bytes\":{"
            "\"in\":%llu,\"out\":%llu}",
            (unsigned long long)t->requests, (unsigned long long)(t->sides[0].now + t->sides[1].now),
            (unsigned long long)t->sides[0].max, (unsigned long long)t->sides[1].max,
            (unsigned long long)t->in, (unsigned long long)t->out);
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        write_group(t, groups[i], out);
    fputs("}\n", out);
}

void tally_reset(struct tally *t) {
    SCOPE_LOCK(&t->lock);
    struct count *c, *next;
    HASH_ITER (hh, t->counts, c, next) {
        HASH_DEL(t->counts, c);
        free(c);
    }
    for (size_t i = 0; i < ARRAY_SIZE(t->sides); i++)
        t->sides[i].max = t->sides[i].now;
    t->requests = t->in = t->out = 0;
}
