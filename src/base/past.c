/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/past.h"
#include "base/env.h"
#include "base/units.h"

#define SEQUENCE_DIGITS 16 /* of a journal key: assetfs-format(5) */

/* Exactly n digits. */
static bool take_digits(const char **p, int n, int *ret) {
    *ret = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        *ret = 10 * *ret + (**p - '0');
    }
    return true;
}

static bool take(const char **p, const char *word) {
    size_t n = strlen(word);
    if (strncmp(*p, word, n))
        return false;
    *p += n;
    return true;
}

/* What stands after the point of the seconds. */
static bool take_fraction(const char **p, int64_t *ret) {
    int64_t unit = NS_PER_S / 10;
    if (!take(p, ".") && !take(p, ","))
        return true;
    if (**p < '0' || **p > '9')
        return false;
    for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
        *ret += unit * (**p - '0');
    return true;
}

/* Seconds that the clock is ahead of UTC. */
static bool take_zone(const char **p, int64_t *ret) {
    int hours, minutes;
    *ret = 0;
    while (take(p, " "))
        ;
    if (!**p || take(p, "Z") || take(p, "UTC"))
        return true;
    bool behind = **p == '-';
    if (!take(p, "+") && !take(p, "-"))
        return false;
    if (!take_digits(p, 2, &hours))
        return false;
    take(p, ":");
    if (!take_digits(p, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret = (behind ? -60 : 60) * (int64_t)(60 * hours + minutes);
    return true;
}

static bool parse_time(const char *s, int64_t *ret) {
    int year, month, day, hour = 0, minute = 0, second = 0;
    int64_t fraction = 0, zone;
    if (*s == '@')
        return time_parse(s, ret) == 0;
    if (!take_digits(&s, 4, &year) || !take(&s, "-") || !take_digits(&s, 2, &month) || !take(&s, "-") ||
        !take_digits(&s, 2, &day))
        return false;
    if (take(&s, "T") || (*s == ' ' && s[1] >= '0' && s[1] <= '9' && take(&s, " "))) {
        if (!take_digits(&s, 2, &hour) || !take(&s, ":") || !take_digits(&s, 2, &minute))
            return false;
        if (take(&s, ":") && !(take_digits(&s, 2, &second) && take_fraction(&s, &fraction)))
            return false;
    }
    if (!take_zone(&s, &zone) || *s)
        return false;
    CLEANUP_FREE char *utc =
        xasprintf("%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day, hour, minute, second);
    if (time_parse(utc, ret) < 0)
        return false;
    return !__builtin_add_overflow(*ret, fraction - zone * NS_PER_S, ret);
}

int past_parse(const char *s, struct past *ret, struct buf *why) {
    size_t digits = strspn(s, "0123456789");
    *ret = (struct past){0};
    if (!strcmp(s, "now")) {
        ret->kind = PAST_NOW;
    } else if (digits && !s[digits]) {
        uint64_t sequence = digits <= SEQUENCE_DIGITS ? strtoull(s, NULL, 10) : 0;
        if (!sequence) {
            buf_printf(why, "at=%s: journal entries have the numbers from 1 to 9999999999999999", s);
            return -EINVAL;
        }
        *ret = (struct past){.kind = PAST_SEQUENCE, .sequence = sequence};
    } else if (parse_time(s, &ret->time)) {
        ret->kind = PAST_TIME;
    } else {
        buf_printf(why,
                   "at=%s: give the number of a journal entry (assetfs log shows them), a time such as "
                   "2026-11-22T09:30:00Z, "
                   "or now",
                   s);
        return -EINVAL;
    }
    return 0;
}
