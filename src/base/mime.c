/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mime.h"
#include "base/buf.h"
#include "base/file.h"
#include <fnmatch.h>
#include <stdlib.h>
#define uthash_malloc(n) xmalloc(n)
#include <uthash.h>

/* A row of mime.types has no weight: the default of the shared database. */
#define DEFAULT_WEIGHT 50
#define WEIGHT_MAX 100

/* One row. */
struct glob {
    char *type;
    char *pattern;      /* as it was written */
    size_t fixed;       /* where in it the text begins that a name is compared with: 1 behind a `*`, else 0 */
    unsigned weight;
    bool case_sensitive;
    struct glob *next;  /* the same key, in the order they came */
};

/* Rows under the text a name must be, or end with, in lower case. */
struct key {
    struct glob *first, *last;
    UT_hash_handle hh;
    char text[];
};

/* A type whose rows in databases of less rank do not count (`__NOGLOBS__`). */
struct closed {
    UT_hash_handle hh;
    char type[];
};

struct mime {
    struct key *literals; /* the whole name */
    struct key *suffixes; /* `*` and a text */
    struct glob *others;  /* real patterns, for fnmatch(3) */
    struct glob *others_last;
    struct closed *closed;
    size_t count;
};

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void fold(const char *text, size_t n, char *ret) {
    for (size_t i = 0; i < n; i++)
        ret[i] = lower(text[i]);
    ret[n] = 0;
}

struct mime *mime_new(void) {
    return xcalloc(1, sizeof(struct mime));
}

static void free_globs(struct glob *g) {
    for (struct glob *next; g; g = next) {
        next = g->next;
        free(g->type);
        free(g->pattern);
        free(g);
    }
}

static void free_keys(struct key **table) {
    struct key *k, *next;
    HASH_ITER(hh, *table, k, next) {
        HASH_DEL(*table, k);
        free_globs(k->first);
        free(k);
    }
}

struct mime *mime_free(struct mime *m) {
    struct closed *c, *next;
    if (!m)
        return NULL;
    free_keys(&m->literals);
    free_keys(&m->suffixes);
    free_globs(m->others);
    HASH_ITER(hh, m->closed, c, next) {
        HASH_DEL(m->closed, c);
        free(c);
    }
    free(m);
    return NULL;
}

size_t mime_count(const struct mime *m) {
    return m->count;
}

/* Adding */

/* RFC 6838, section 4.2: what may stand in a header without quoting. */
static bool is_type(const char *p, size_t n) {
    size_t slashes = 0;
    if (n > MIME_TYPE_MAX || n < 3 || p[0] == '/' || p[n - 1] == '/')
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = lower(p[i]);
        slashes += c == '/';
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c && strchr("/!#$&-^_.+", c)))
            return false;
    }
    return slashes == 1;
}

static bool is_pattern(const char *p, size_t n) {
    return n >= 1 && n <= MIME_PATTERN_MAX && !memchr(p, '/', n) && !memchr(p, 0, n);
}

static bool is_plain(const char *p, size_t n) {
    return !memchr(p, '*', n) && !memchr(p, '?', n) && !memchr(p, '[', n) && !memchr(p, '\\', n);
}

static bool is_same(const struct glob *a, const struct glob *b) {
    return !strcmp(a->type, b->type) && !strcmp(a->pattern, b->pattern) && a->case_sensitive == b->case_sensitive;
}

/* Takes g over. A row that is there already, from a database of more rank, stays as it is. */
static void append(struct mime *m, struct glob **first, struct glob **last, struct glob *g) {
    for (struct glob *other = *first; other; other = other->next) {
        if (is_same(other, g)) {
            free_globs(g);
            return;
        }
    }
    if (*last)
        (*last)->next = g;
    else
        *first = g;
    *last = g;
    m->count++;
}

static void append_key(struct mime *m, struct key **table, struct glob *g) {
    char text[MIME_PATTERN_MAX + 1];
    struct key *k;
    size_t n = strlen(g->pattern) - g->fixed;
    fold(g->pattern + g->fixed, n, text);
    HASH_FIND(hh, *table, text, n, k);
    if (!k) {
        k = xcalloc(1, sizeof *k + n + 1);
        memcpy(k->text, text, n + 1);
        HASH_ADD_KEYPTR(hh, *table, k->text, n, k);
    }
    append(m, &k->first, &k->last, g);
}

/* Takes the pattern over. */
static void add(struct mime *m, unsigned weight, const char *type, size_t type_n, char *pattern, bool case_sensitive) {
    struct glob *g = xcalloc(1, sizeof *g);
    *g = (struct glob){.type = xstrndup(type, type_n), .pattern = pattern, .weight = weight, .case_sensitive = case_sensitive};
    size_t n = strlen(pattern);
    if (is_plain(pattern, n)) {
        append_key(m, &m->literals, g);
    } else if (n > 1 && pattern[0] == '*' && is_plain(pattern + 1, n - 1)) {
        g->fixed = 1;
        append_key(m, &m->suffixes, g);
    } else {
        append(m, &m->others, &m->others_last, g);
    }
}

static bool is_closed(const struct mime *m, const char *type, size_t n) {
    struct closed *c;
    HASH_FIND(hh, m->closed, type, n, c);
    return c != NULL;
}

/* One field of a line, up to `end` or a colon; *p moves behind it. */
static const char *field(const char **p, const char *end, size_t *ret_n) {
    const char *begin = *p, *colon = memchr(begin, ':', (size_t)(end - begin));
    *ret_n = (size_t)((colon ? colon : end) - begin);
    *p = colon ? colon + 1 : end;
    return begin;
}

static bool parse_weight(const char *p, size_t n, unsigned *ret) {
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || i == 3)
            return false;
        *ret = *ret * 10 + (unsigned)(p[i] - '0');
    }
    return n > 0 && *ret <= WEIGHT_MAX;
}

static bool has_flag(const char *list, size_t n, const char *flag) {
    size_t len = strlen(flag);
    for (const char *p = list, *end = list + n; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        if ((size_t)(stop - p) == len && !memcmp(p, flag, len))
            return true;
        p = stop + 1;
    }
    return false;
}

/* `weight:type:pattern[:flags...]`; *closed is filled with types to be closed when the file has ended. */
static void globs2_line(struct mime *m, const char *p, const char *end, struct buf *closed) {
    size_t weight_n, type_n, pattern_n, flags_n;
    unsigned weight;
    const char *weight_text = field(&p, end, &weight_n);
    const char *type = field(&p, end, &type_n);
    const char *pattern = field(&p, end, &pattern_n);
    const char *flags = field(&p, end, &flags_n);
    if (!parse_weight(weight_text, weight_n, &weight) || !is_type(type, type_n) || !is_pattern(pattern, pattern_n) ||
        is_closed(m, type, type_n))
        return;
    if (pattern_n == 11 && !memcmp(pattern, "__NOGLOBS__", 11)) {
        buf_append(closed, type, type_n);
        buf_append_byte(closed, '\n');
    } else {
        add(m, weight, type, type_n, xstrndup(pattern, pattern_n), has_flag(flags, flags_n, "cs"));
    }
}

static void close_types(struct mime *m, const struct buf *list) {
    const char *p = (const char *)list->data, *end = p + list->len;
    for (const char *stop; p < end; p = stop + 1) {
        stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)(stop - p);
        if (is_closed(m, p, n))
            continue;
        struct closed *c = xcalloc(1, sizeof *c + n + 1);
        memcpy(c->type, p, n);
        HASH_ADD_KEYPTR(hh, m->closed, c->type, n, c);
    }
}

/* The next line, without its end; false when there is none. */
static bool next_line(const char **p, const char *end, const char **ret, const char **ret_end) {
    if (*p >= end)
        return false;
    const char *stop = memchr(*p, '\n', (size_t)(end - *p));
    *ret = *p;
    *ret_end = stop ? stop : end;
    *p = stop ? stop + 1 : end;
    if (*ret_end > *ret && (*ret_end)[-1] == '\r')
        (*ret_end)--;
    return true;
}

void mime_add_globs2(struct mime *m, const char *text, size_t n) {
    CLEANUP_BUF struct buf closed = BUF_INIT(MIME_FILE_MAX);
    const char *line, *stop;
    for (const char *p = text, *end = text + n; next_line(&p, end, &line, &stop);)
        if (line < stop && *line != '#')
            globs2_line(m, line, stop, &closed);
    if (closed.len && !closed.err)
        close_types(m, &closed);
}

/* The next word of a line; NULL at its end. */
static const char *word(const char **p, const char *end, size_t *ret_n) {
    while (*p < end && (**p == ' ' || **p == '\t'))
        (*p)++;
    const char *begin = *p;
    while (*p < end && **p != ' ' && **p != '\t')
        (*p)++;
    *ret_n = (size_t)(*p - begin);
    return *ret_n ? begin : NULL;
}

void mime_add_types(struct mime *m, const char *text, size_t n) {
    const char *line, *stop;
    for (const char *p = text, *end = text + n; next_line(&p, end, &line, &stop);) {
        size_t type_n, extension_n;
        const char *type = word(&line, stop, &type_n), *extension;
        if (!type || *type == '#' || !is_type(type, type_n))
            continue;
        while ((extension = word(&line, stop, &extension_n)) && *extension != '#')
            if (extension_n + 2 <= MIME_PATTERN_MAX && is_pattern(extension, extension_n) && is_plain(extension, extension_n))
                add(m, DEFAULT_WEIGHT, type, type_n, xasprintf("*.%.*s", (int)extension_n, extension), false);
    }
}

/* Looking up */

struct best {
    const struct glob *glob;
    size_t length;
    bool exact;
};

static void consider(struct best *b, const struct glob *g, bool exact) {
    size_t length = strlen(g->pattern);
    const struct glob *old = b->glob;
    if (g->case_sensitive && !exact)
        return;
    if (old && (g->weight != old->weight  ? g->weight < old->weight
                : length != b->length     ? length < b->length
                                          : b->exact || !exact))
        return;
    *b = (struct best){g, length, exact};
}

static void consider_key(struct best *b, struct key *table, const char *folded, const char *name, size_t n) {
    struct key *k;
    HASH_FIND(hh, table, folded, n, k);
    for (const struct glob *g = k ? k->first : NULL; g; g = g->next)
        consider(b, g, !memcmp(g->pattern + g->fixed, name, n));
}

const char *mime_type(const struct mime *m, const char *name, size_t n) {
    char folded[MIME_PATTERN_MAX + 1], exact[sizeof folded];
    struct best b = {0};
    if (!m || n == 0 || n > MIME_PATTERN_MAX)
        return MIME_UNKNOWN;
    fold(name, n, folded);
    memcpy(exact, name, n);
    exact[n] = 0;
    consider_key(&b, m->literals, folded, exact, n);
    for (size_t i = 0; i < n; i++)
        consider_key(&b, m->suffixes, folded + i, exact + i, n - i);
    for (const struct glob *g = m->others; g; g = g->next) {
        if (fnmatch(g->pattern, exact, 0) == 0)
            consider(&b, g, true);
        else if (!g->case_sensitive && fnmatch(g->pattern, exact, FNM_CASEFOLD) == 0)
            consider(&b, g, false);
    }
    return b.glob ? b.glob->type : MIME_UNKNOWN;
}

/* This system's */

static bool load_globs2(struct mime *m, const char *dir, size_t n) {
    CLEANUP_BUF struct buf text = BUF_INIT(MIME_FILE_MAX);
    CLEANUP_FREE char *path = xasprintf("%.*s/mime/globs2", (int)n, dir);
    if (n == 0 || *dir != '/' || file_load(path, &text) < 0 || !text.len)
        return false;
    mime_add_globs2(m, (const char *)text.data, text.len);
    return true;
}

static const char *environment(const char *name, const char *none) {
    const char *value = getenv(name);
    return value && *value ? value : none;
}

/* Is the system's database there, so that mime.types has nothing to say? The one of the user alone is an addition to either. */
static bool load_data_dirs(struct mime *m) {
    bool any = false;
    for (const char *p = environment("XDG_DATA_DIRS", "/usr/local/share:/usr/share"); *p;) {
        size_t n = strcspn(p, ":");
        any |= load_globs2(m, p, n);
        p += n + (p[n] == ':');
    }
    return any;
}

struct mime *mime_load(void) {
    struct mime *m = mime_new();
    const char *home = environment("HOME", "");
    CLEANUP_FREE char *own = xasprintf("%s/.local/share", home);
    const char *data = environment("XDG_DATA_HOME", own);
    load_globs2(m, data, strlen(data));
    if (!load_data_dirs(m)) {
        CLEANUP_BUF struct buf text = BUF_INIT(MIME_FILE_MAX);
        if (file_load("/etc/mime.types", &text) == 0)
            mime_add_types(m, (const char *)text.data, text.len);
    }
    return m;
}
