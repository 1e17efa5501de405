/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"
#include "base/env.h"
#include <inttypes.h>
#include <strings.h>
#include <time.h>

/* A decimal number times a unit, in whole numbers: strtod() knows locales, and no bytes above 2^53. */
struct decimal {
    uint64_t whole, part, part_of; /* whole + part / part_of */
};

#define PART_DIGITS 9 /* further ones are read and dropped */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int parse_decimal(const char **s, struct decimal *ret) {
    const char *p = *s;
    *ret = (struct decimal){.part_of = 1};
    if (!is_digit(*p))
        return -EINVAL;
    for (; is_digit(*p); p++)
        if (__builtin_mul_overflow(ret->whole, 10, &ret->whole) ||
            __builtin_add_overflow(ret->whole, (uint64_t)(*p - '0'), &ret->whole))
            return -ERANGE;
    if (*p == '.') {
        if (!is_digit(*++p))
            return -EINVAL;
        for (int i = 0; is_digit(*p); p++, i++)
            if (i < PART_DIGITS) {
                ret->part = 10 * ret->part + (uint64_t)(*p - '0');
                ret->part_of *= 10;
            }
    }
    *s = p;
    return 0;
}

static int multiply(const struct decimal *d, uint64_t unit, uint64_t *ret) {
    unsigned __int128 v = (unsigned __int128)d->whole * unit + (unsigned __int128)d->part * unit / d->part_of;
    if (v > UINT64_MAX)
        return -ERANGE;
    *ret = (uint64_t)v;
    return 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define TIB ((uint64_t)1 << 40)

static const struct unit SIZES[] = {
    {"", 1},      {"B", 1},   {"K", KIB},  {"KB", KIB},  {"KiB", KIB}, {"M", MIB},  {"MB", MIB},
    {"MiB", MIB}, {"G", GIB}, {"GB", GIB}, {"GiB", GIB}, {"T", TIB},   {"TB", TIB}, {"TiB", TIB},
};

static const struct unit TIMES[] = {
    {"", NS_PER_S},       {"ms", NS_PER_MS},      {"s", NS_PER_S},
    {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {"d", 86400 * NS_PER_S},
};

typedef int (*compare_fn)(const char *, const char *);

static int parse(const char *s, const struct unit *units, size_t n, compare_fn compare, uint64_t *ret) {
    struct decimal d;
    int r = parse_decimal(&s, &d);
    if (r < 0)
        return r;
    if (*s == ' ' && s[1] != '\0')
        s++;
    for (size_t i = 0; i < n; i++)
        if (compare(s, units[i].name) == 0)
            return multiply(&d, units[i].factor, ret);
    return -EINVAL;
}

int size_parse(const char *s, uint64_t *ret_bytes) {
    return parse(s, SIZES, ARRAY_SIZE(SIZES), strcasecmp, ret_bytes);
}

int duration_parse(const char *s, int64_t *ret_ns) {
    uint64_t ns;
    int r = parse(s, TIMES, ARRAY_SIZE(TIMES), strcmp, &ns);
    if (r < 0)
        return r;
    if (ns > INT64_MAX)
        return -ERANGE;
    *ret_ns = (int64_t)ns;
    return 0;
}

/* One decimal, rounded; what rounds up to 1024.0 is 1.0 of the next unit. */
char *size_format(uint64_t bytes, char ret[UNITS_SIZE]) {
    static const char names[] = "KMGTPE";
    if (bytes < 1024) {
        snprintf(ret, UNITS_SIZE, "%" PRIu64 " B", bytes);
        return ret;
    }
    unsigned i = 0;
    uint64_t tenths;
    do {
        unsigned shift = 10 * (i + 1);
        tenths = (uint64_t)(((unsigned __int128)bytes * 10 + (UINT64_C(1) << (shift - 1))) >> shift);
    } while (tenths >= 10240 && names[++i]);
    snprintf(ret, UNITS_SIZE, "%" PRIu64 ".%" PRIu64 " %ciB", tenths / 10, tenths % 10, names[i]);
    return ret;
}

/* The two largest units, cut off, not rounded: a wait is over when it says so. */
char *duration_format(int64_t ns, char ret[UNITS_SIZE]) {
    static const struct {
        uint64_t seconds;
        char name[2];
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    uint64_t v = ns < 0 ? (uint64_t) - (ns + 1) + 1 : (uint64_t)ns, s = v / (uint64_t)NS_PER_S;
    const char *sign = ns < 0 ? "-" : "";
    if (s == 0) {
        snprintf(ret, UNITS_SIZE, "%s%" PRIu64 " ms", v >= (uint64_t)NS_PER_MS ? sign : "",
                 v / (uint64_t)NS_PER_MS);
        return ret;
    }
    size_t i = 0;
    while (s < units[i].seconds)
        i++;
    uint64_t rest = i + 1 < ARRAY_SIZE(units) ? s % units[i].seconds / units[i + 1].seconds : 0;
    int n = snprintf(ret, UNITS_SIZE, "%s%" PRIu64 "%s", sign, s / units[i].seconds, units[i].name);
    if (rest > 0)
        snprintf(ret + n, UNITS_SIZE - (size_t)n, " %" PRIu64 "%s", rest, units[i + 1].name);
    return ret;
}

#define RFC3339 "%Y-%m-%dT%H:%M:%SZ"

char *time_format(int64_t ns_since_epoch, char ret[UNITS_SIZE]) {
    time_t t = ns_since_epoch / NS_PER_S - (ns_since_epoch % NS_PER_S < 0);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(ret, UNITS_SIZE, RFC3339, &tm);
    return ret;
}

static int seconds_to_ns(int64_t s, int64_t *ret_ns) {
    return __builtin_mul_overflow(s, NS_PER_S, ret_ns) ? -ERANGE : 0;
}

static int parse_at_seconds(const char *s, int64_t *ret_ns) {
    if (!is_digit(s[*s == '-']))
        return -EINVAL;
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (*end)
        return -EINVAL;
    int64_t ns;
    if (errno == ERANGE || seconds_to_ns(v, &ns) < 0)
        return -ERANGE;
    *ret_ns = ns;
    return 0;
}

/* strptime() is generous and timegm() makes a March of the 30th of February: what was read must print the
 * same. */
int time_parse(const char *s, int64_t *ret_ns) {
    if (*s == '@')
        return parse_at_seconds(s + 1, ret_ns);
    struct tm tm = {0}, again;
    const char *end = strptime(s, RFC3339, &tm);
    if (!end || *end)
        return -EINVAL;
    time_t t = timegm(&tm);
    char same[UNITS_SIZE];
    gmtime_r(&t, &again);
    if (strftime(same, sizeof same, RFC3339, &again) == 0 || strcmp(s, same) != 0)
        return -EINVAL;
    int64_t ns;
    int r = seconds_to_ns(t, &ns);
    if (r == 0)
        *ret_ns = ns;
    return r;
}
