/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/credential.h"
#include "base/env.h"
#include "base/secret.h"
#include "base/units.h"
#include <ctype.h>
#include <jansson.h>

void credential_free(struct credential *k) {
    secret_free(k->access_key);
    secret_free(k->secret_key);
    secret_free(k->session_token);
    *k = (struct credential){0};
}

static char *copy(const char *s) {
    return s ? xstrdup(s) : NULL;
}

void credential_copy(const struct credential *k, struct credential *ret) {
    *ret = *k;
    ret->access_key = copy(k->access_key);
    ret->secret_key = copy(k->secret_key);
    ret->session_token = copy(k->session_token);
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool credential_same(const struct credential *a, const struct credential *b) {
    return same(a->access_key, b->access_key) && same(a->secret_key, b->secret_key) &&
           same(a->session_token, b->session_token);
}

/* They are sent in headers, where neither white space nor control characters can be in them. */
static bool is_usable(const char *s) {
    for (; *s; s++)
        if (!isascii((unsigned char)*s) || !isgraph((unsigned char)*s))
            return false;
    return true;
}

int credential_take(const char *const value[3], const char *const name[3], const char *where,
                    struct credential *ret, struct buf *why) {
    if (!value[0] || !value[1]) {
        buf_printf(why, "%s%s is set, but %s is not: set both", where, name[value[0] ? 0 : 1],
                   name[value[0] ? 1 : 0]);
        return -EINVAL;
    }
    for (size_t i = 0; i < 3; i++)
        if (value[i] && !is_usable(value[i])) {
            buf_printf(why, "%s%s has a character that cannot be in one: copy it again", where, name[i]);
            return -EINVAL;
        }
    ret->access_key = xstrdup(value[0]);
    ret->secret_key = xstrdup(value[1]);
    ret->session_token = copy(value[2]);
    return 0;
}

/* "+01:30" in seconds; false: it is none. */
static bool parse_offset(const char *s, int64_t *ret) {
    unsigned hours, minutes;
    int end = 0;
    if ((*s != '+' && *s != '-') || strlen(s) != 6 || !isdigit((unsigned char)s[1]) ||
        !isdigit((unsigned char)s[4]) || sscanf(s + 1, "%2u:%2u%n", &hours, &minutes, &end) != 2 ||
        end != 5 || hours > 23 || minutes > 59)
        return false;
    *ret = (*s == '-' ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
    return true;
}

int credential_time(const char *text, int64_t *ret) {
    char utc[sizeof "2026-11-22T02:29:36Z"];
    size_t n = sizeof utc - 2;
    int64_t offset = 0, ns;
    if (strnlen(text, n + 1) <= n || strnlen(text, 64) == 64)
        return -EINVAL;
    memcpy(utc, text, n);
    memcpy(utc + n, "Z", 2);
    const char *rest = text + n;
    if (*rest == '.') {
        size_t digits = strspn(rest + 1, "0123456789");
        rest += 1 + digits;
        if (digits == 0)
            return -EINVAL;
    }
    if (strcmp(rest, "Z") != 0 && !parse_offset(rest, &offset))
        return -EINVAL;
    if (time_parse(utc, &ns) < 0)
        return -EINVAL;
    *ret = ns / NS_PER_S - offset;
    return 0;
}

char *credential_words(const char *text, size_t n) {
    CLEANUP_BUF struct buf b = BUF_INIT(CREDENTIAL_WORDS_MAX + 3);
    bool gap = false;
    for (size_t i = 0; i < n && b.len < CREDENTIAL_WORDS_MAX; i++) {
        unsigned char c = (unsigned char)text[i];
        if (isascii(c) && isgraph(c)) {
            if (gap && b.len > 0)
                buf_append_byte(&b, ' ');
            buf_append_byte(&b, c);
        }
        gap = isspace(c) || (gap && !(isascii(c) && isgraph(c)));
    }
    return (char *)buf_take(&b, NULL);
}

/* ---- JSON */

static void wipe_what_jansson_frees(void) {
    json_set_alloc_funcs(malloc, secret_release);
}

static void say_refusal(const json_t *o, struct buf *why) {
    const char *code = json_string_value(json_object_get(o, "Code"));
    const char *message = json_string_value(json_object_get(o, "Message"));
    if (!message)
        message = json_string_value(json_object_get(o, "message"));
    CLEANUP_FREE char *c = credential_words(code ? code : "", code ? strlen(code) : 0);
    CLEANUP_FREE char *m = credential_words(message ? message : "", message ? strlen(message) : 0);
    buf_printf(why, "it says %s%s%s%s%s", c, code && message ? " " : "", message ? "\"" : "", m,
               message ? "\"" : "");
}

/* A string, or nothing; -EINVAL: something else, or an empty one. */
static int take_string(const json_t *o, const char *name, const char **ret, struct buf *why) {
    const json_t *value = json_object_get(o, name);
    *ret = NULL;
    if (!value || json_is_null(value))
        return 0;
    *ret = json_string_value(value);
    if (*ret && **ret)
        return 0;
    buf_printf(why, "its %s is %s", name, *ret ? "empty" : "not a string");
    return -EINVAL;
}

static int check_version(const json_t *o, struct buf *why) {
    const json_t *version = json_object_get(o, "Version");
    if (json_is_integer(version) && json_integer_value(version) == 1)
        return 0;
    buf_append_str(why, version ? "its Version is not 1, the only one there is" : "it has no \"Version\": 1");
    return -EINVAL;
}

static int read_object(const json_t *o, enum credential_form form, struct credential *ret, struct buf *why) {
    const char *const names[] = {"AccessKeyId", "SecretAccessKey",
                                 form == CREDENTIAL_PROCESS ? "SessionToken" : "Token", "Expiration"};
    const char *value[4];
    for (size_t i = 0; i < ARRAY_SIZE(value); i++) {
        if (take_string(o, names[i], &value[i], why) < 0)
            return -EINVAL;
        if (!value[i] && i < 2) {
            buf_printf(why, "it has no %s", names[i]);
            return -EINVAL;
        }
    }
    if (value[3] && credential_time(value[3], &ret->expires) < 0) {
        buf_append_str(why, "its Expiration is not a time like 2026-11-22T02:29:36Z");
        return -EINVAL;
    }
    return credential_take(value, names, "its ", ret, why);
}

int credential_parse(enum credential_form form, const void *p, size_t n, struct credential *ret,
                     struct buf *why) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    json_error_t error;
    pthread_once(&once, wipe_what_jansson_frees);
    *ret = (struct credential){0};
    json_t *o = n <= CREDENTIAL_JSON_MAX ? json_loadb(p, n, 0, &error) : NULL;
    int r = -EINVAL;
    if (n > CREDENTIAL_JSON_MAX)
        buf_append_str(why, "it is larger than a set of keys can be");
    else if (!o) /* jansson's own words may quote what it read */
        buf_printf(why, "it is not JSON (line %d, column %d)", error.line, error.column);
    else if (!json_is_object(o))
        buf_append_str(why, "it is JSON, but not an object {...}");
    else if (form == CREDENTIAL_ENDPOINT && !json_object_get(o, "AccessKeyId") && json_object_get(o, "Code"))
        say_refusal(o, why);
    else
        r = form == CREDENTIAL_PROCESS ? check_version(o, why) : 0;
    if (r == 0)
        r = read_object(o, form, ret, why);
    json_decref(o);
    explicit_bzero(&error, sizeof error);
    if (r < 0)
        credential_free(ret);
    return r;
}
