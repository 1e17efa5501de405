/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/options.h"
#include "base/past.h"
#include "base/env.h"
#include "base/units.h"
#include "base/utf8.h"
#include <ctype.h>
#include <limits.h>

enum option_type {
    TYPE_PATH,
    TYPE_STRING,
    TYPE_WORD,
    TYPE_PATTERNS,
    TYPE_SIZE,
    TYPE_COUNT,
    TYPE_NUMBER,
    TYPE_DURATION,
    TYPE_DURABILITY,
    TYPE_ID,
    TYPE_OCTAL,
    TYPE_FLAG
};

/* One row of OPTIONS, and where its value is in struct options. */
struct option_row {
    const char *name, *def, *arg, *help;
    enum option_type type;
    size_t offset;
};

static const struct option_row rows[] = {
#define X(field_, type_, name_, def_, arg_, help_)                                                           \
    {.name = (name_),                                                                                        \
     .def = (def_),                                                                                          \
     .arg = (arg_),                                                                                          \
     .help = (help_),                                                                                        \
     .type = TYPE_##type_,                                                                                   \
     .offset = offsetof(struct options, field_)},
    OPTIONS(X)
#undef X
};

/* Words of fstab(5), mount(8) and systemd.mount(5) that need nothing done: they are for mount(8) itself, or
 * they are so in any case (every assetfs mount is nosuid and nodev, and reading does not change access
 * times). */
static const char *const foreign_ignored[] = {
    "defaults", "auto",       "noauto", "nofail",     "_netdev",       "user",       "nouser",
    "users",    "owner",      "group",  "nosuid",     "nodev",         "async",      "noatime",
    "relatime", "nodiratime", "silent", "norelatime", "nostrictatime", "nolazytime", "default_permissions",
    "comment",
};

/* Words that promise something which is not there: better an error than a promise not kept. */
static const struct foreign_refused {
    const char *name, *why;
} foreign_refused[] = {
    {"suid", "an assetfs mount is always nosuid"},
    {"dev", "an assetfs mount is always nodev"},
    {"sync", "use durability=close, which makes every close wait for the bucket"},
    {"dirsync", "use durability=close, which makes every close wait for the bucket"},
};

static void *field_of(struct options *o, const struct option_row *row) {
    return (char *)o + row->offset;
}

static const struct option_row *find_row(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* A number in `base` without sign or space, at most `max`. */
static int parse_number(const char *value, int base, uint64_t max, int64_t *ret) {
    if (!isdigit((unsigned char)*value))
        return -EINVAL;
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, base);
    if (*end || errno || n > max)
        return -EINVAL;
    *ret = (int64_t)n;
    return 0;
}

static int parse_flag(const char *value, bool *ret) {
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *ret = strcmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_durability(const char *value, enum durability *ret) {
    static const char *const names[] = {
        [DURABILITY_BUCKET] = "bucket", [DURABILITY_CLOSE] = "close", [DURABILITY_LOCAL] = "local"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            *ret = (enum durability)i;
            return 0;
        }
    }
    return -EINVAL;
}

static void replace_string(char **field, char *value) {
    free(*field);
    *field = value;
}

/* The daemon's working directory is "/", so a path is made absolute where it is read. */
static int parse_path(const char *value, char **field) {
    if (*value == '/') {
        replace_string(field, xstrdup(value));
        return 0;
    }
    if (value[0] == '~' && value[1] == '/') {
        const char *home = getenv("HOME");
        if (!home || *home != '/')
            return -EINVAL;
        replace_string(field, xasprintf("%s%s", home, value + 1));
        return 0;
    }
    CLEANUP_FREE char *cwd = getcwd(NULL, 0);
    if (!*value || *value == '~' || !cwd)
        return -EINVAL;
    replace_string(field, xasprintf("%s/%s", cwd, value));
    return 0;
}

static int parse_string(const char *value, char **field) {
    if (!*value || !utf8_valid(value, strlen(value)))
        return -EINVAL;
    replace_string(field, xstrdup(value));
    return 0;
}

/* One of words, "url|cookie". */
static int parse_word(const char *value, const char *words, char **field) {
    size_t n = strlen(value);
    for (const char *p = words; *p; p += strcspn(p, "|"), p += *p == '|') {
        if (strcspn(p, "|") == n && !strncmp(p, value, n)) {
            replace_string(field, xstrdup(value));
            return 0;
        }
    }
    return -EINVAL;
}

/* Names, or patterns of names, between colons. */
static int parse_patterns(const char *value, char **field) {
    for (const char *p = value; *p;) {
        size_t n = strcspn(p, ":");
        if (n == 0 || n > 255 || memchr(p, '/', n) || (p[n] == ':' && !p[n + 1]))
            return -EINVAL;
        p += n + (p[n] == ':');
    }
    return parse_string(value, field);
}

/* Leaves the field as it was when the value is not one. */
static int parse_value(struct options *o, const struct option_row *row, const char *value) {
    void *field = field_of(o, row);
    switch (row->type) {
    case TYPE_PATH:
        return parse_path(value, field);
    case TYPE_STRING:
        return parse_string(value, field);
    case TYPE_WORD:
        return parse_word(value, row->arg, field);
    case TYPE_PATTERNS:
        return parse_patterns(value, field);
    case TYPE_SIZE:
        return size_parse(value, field);
    case TYPE_COUNT:
        return parse_number(value, 10, 1024, field);
    case TYPE_NUMBER:
        return parse_number(value, 10, UINT64_C(1000000000000), field);
    case TYPE_DURATION:
        return duration_parse(value, field);
    case TYPE_DURABILITY:
        return parse_durability(value, field);
    case TYPE_ID: /* the largest one means "none" to chown(2) */
        return parse_number(value, 10, UINT32_MAX - 1, field);
    case TYPE_OCTAL:
        return parse_number(value, 8, 0777, field);
    case TYPE_FLAG:
        return parse_flag(value, field);
    }
    return -EINVAL;
}

static const char *expected(const struct option_row *row) {
    switch (row->type) {
    case TYPE_PATH:
        return "a path";
    case TYPE_STRING:
        return "a name";
    case TYPE_WORD:
        return row->arg;
    case TYPE_PATTERNS:
        return "none, or patterns of names such as *.tmp:core between colons";
    case TYPE_SIZE:
        return "a size such as 500M or 20G";
    case TYPE_DURATION:
        return "a time such as 500ms, 30s or 5m";
    case TYPE_DURABILITY:
        return "bucket, close or local";
    case TYPE_COUNT:
        return "a number up to 1024";
    case TYPE_NUMBER:
        return "a whole number";
    case TYPE_ID:
        return "a number";
    case TYPE_OCTAL:
        return "octal permission bits such as 022";
    case TYPE_FLAG:
        return "yes or no";
    }
    return "something else";
}

bool options_is_path(const char *name) {
    const struct option_row *row = find_row(name);
    return row && row->type == TYPE_PATH;
}

void options_init(struct options *o) {
    *o = (struct options){0};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].type == TYPE_ID || rows[i].type == TYPE_OCTAL)
            *(int64_t *)field_of(o, &rows[i]) = -1;
        if (rows[i].def && parse_value(o, &rows[i], rows[i].def) < 0)
            abort(); /* a wrong default in the table; the unit test would not pass either */
    }
}

void options_free(struct options *o) {
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].type == TYPE_PATH || rows[i].type == TYPE_STRING || rows[i].type == TYPE_WORD ||
            rows[i].type == TYPE_PATTERNS)
            free(*(char **)field_of(o, &rows[i]));
    free(o->volume);
    free(o->url);
    *o = (struct options){0};
}

/* How many single-character edits lie between two names (Levenshtein), for names shorter than 32. */
static unsigned edit_distance(const char *a, const char *b) {
    unsigned row[33];
    size_t n = strlen(b);
    if (strlen(a) > 32 || n > 32)
        return UINT_MAX;
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

static const char *nearest_name(const char *name) {
    const char *best = NULL;
    unsigned least = 4;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned d = edit_distance(name, rows[i].name);
        if (d < least && d < strlen(name)) {
            least = d;
            best = rows[i].name;
        }
    }
    return best;
}

static int unknown_option(const char *name, struct buf *why) {
    const char *nearest = nearest_name(name);
    buf_printf(why, "unknown option \"%s\"", name);
    if (nearest)
        buf_printf(why, "; did you mean %s?", nearest);
    return -EINVAL;
}

/* 1: dealt with, 0: none of these, -EINVAL. */
static int set_foreign(struct options *o, const char *name, struct buf *why) {
    if (strncmp(name, "x-", 2) == 0)
        return 1;
    if (strcmp(name, "rw") == 0) {
        o->ro = false;
        return 1;
    }
    if (strcmp(name, "exec") == 0) {
        o->noexec = false;
        return 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(foreign_ignored); i++)
        if (strcmp(name, foreign_ignored[i]) == 0)
            return 1;
    for (size_t i = 0; i < ARRAY_SIZE(foreign_refused); i++) {
        if (strcmp(name, foreign_refused[i].name) == 0) {
            buf_printf(why, "option %s is not possible: %s", name, foreign_refused[i].why);
            return -EINVAL;
        }
    }
    return 0;
}

int options_set(struct options *o, const char *assignment, struct buf *why) {
    const char *equals = strchr(assignment, '=');
    CLEANUP_FREE char *name =
        equals ? xstrndup(assignment, (size_t)(equals - assignment)) : xstrdup(assignment);
    const struct option_row *row = find_row(name);
    if (!row) {
        int r = set_foreign(o, name, why);
        return r == 0 ? unknown_option(name, why) : MIN(r, 0);
    }
    if (!equals && row->type != TYPE_FLAG) {
        buf_printf(why, "option %s needs a value: %s=%s", name, name, row->arg);
        return -EINVAL;
    }
    const char *value = equals ? equals + 1 : "yes";
    if (parse_value(o, row, value) < 0) {
        buf_printf(why, "%s=%s: not %s%s", name, value, row->type == TYPE_WORD ? "one of " : "",
                   expected(row));
        return -EINVAL;
    }
    return 0;
}

int options_set_list(struct options *o, const char *list, struct buf *why) {
    CLEANUP_FREE char *item = xmalloc(strlen(list) + 1);
    for (const char *p = list; *p;) {
        size_t n = 0;
        while (*p && *p != ',') {
            if (p[0] == '\\' && p[1] == ',')
                p++;
            item[n++] = *p++;
        }
        if (*p == ',')
            p++;
        item[n] = '\0';
        int r = n > 0 ? options_set(o, item, why) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* One or more segments, so that every key below it is the plain one that people see in the bucket. */
static bool valid_prefix(const char *prefix) {
    if (strlen(prefix) > 200)
        return false;
    for (const char *p = prefix;;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (!p[n])
            break;
        p += n + 1;
    }
    for (const char *p = prefix; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

/* It becomes part of a file's name (a conflicted copy). */
static bool valid_label(const char *label) {
    for (const char *p = label; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '/')
            return false;
    return strlen(label) <= 64;
}

int options_check(const struct options *o, struct buf *why) {
    struct past at;
    if (o->at && past_parse(o->at, &at, why) < 0)
        return -EINVAL;
    const struct {
        bool wrong;
        const char *sentence;
    } rules[] = {
        {o->cache_size < BLOCK_SIZE, "cache_size must be 1M or more: the cache holds at least one block"},
        {o->max_file_size < 1 || o->max_file_size > INT64_MAX,
         "max_file_size must be at least 1 byte and less than 8388608T"},
        {o->timeout <= 0, "timeout must be more than 0: every read would fail"},
        {o->fsync_timeout <= 0 && o->durability != DURABILITY_LOCAL,
         "fsync_timeout must be more than 0: every fsync would fail (durability=local makes it wait for "
         "nothing)"},
        {o->allow_other && o->allow_root,
         "allow_other and allow_root contradict each other: with allow_other root may use the mount, too"},
        {o->connections < 1, "connections must be at least 1"},
        {o->poll < 10000000, "poll must be 10ms or more"},
        {o->cdn_key_file && !o->cdn_key_id, "cdn_key_file needs cdn_key_id= as well: what CloudFront calls "
                                            "the key (K2JCJMDEHXQW5F), or the absolute path of "
                                            "a file that holds it"},
        {o->cdn_key_id && !o->cdn_key_file,
         "cdn_key_id needs cdn_key_file= as well: the file of the private key"},
        {o->cdn_key_file && !o->cdn && !o->link_base,
         "cdn_key_file signs what is read through a CDN, and links to it: give cdn= or link_base= as well"},
        {o->sse_c_key_file && o->cdn, "sse_c_key_file and cdn= do not go together: a CDN cannot have the customer key, so that nothing could be read; take "
                                      "one of them away"},
        {o->cdn_header && !o->cdn, "cdn_header is for reads through a CDN: give cdn= as well"},
        {o->cdn_expires < 2 * NS_PER_S || o->cdn_expires > 366 * 86400 * NS_PER_S,
         "cdn_expires must be from 2s to 366d"},
        {!valid_prefix(o->prefix),
         "prefix must be a relative path such as .assetfs, without empty, \".\" and \"..\" parts"},
        {o->host_label && !valid_label(o->host_label),
         "host_label must be at most 64 bytes, without slashes and control characters"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].wrong) {
            buf_append_str(why, rules[i].sentence);
            return -EINVAL;
        }
    }
    return 0;
}

void options_help(struct buf *b) {
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct option_row *row = &rows[i];
        CLEANUP_FREE char *left =
            xasprintf("%s%s%s", row->name, row->arg ? "=" : "", row->arg ? row->arg : "");
        if (strlen(left) <= 22)
            buf_printf(b, "  %-22s %s", left, row->help);
        else
            buf_printf(b, "  %s\n  %22s %s", left, "", row->help);
        if (row->def)
            buf_printf(b, " (default: %s)", row->def);
        buf_append_byte(b, '\n');
    }
}

void options_mdoc(struct buf *b) {
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct option_row *row = &rows[i];
        buf_printf(b, ".It Cm %s", row->name);
        if (row->arg)
            buf_printf(b, " Ns = Ns Ar %s", row->arg);
        buf_printf(b, "\n%c%s.\n", toupper((unsigned char)row->help[0]), row->help + 1);
        if (row->def)
            buf_printf(b, "The default is %s.\n", row->def);
    }
}
