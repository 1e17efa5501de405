/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http.h"

#include <strings.h>
#include <time.h>

/* The three forms of RFC 9110, 5.6.7: %a letters, %d a day of one or two digits, %b a month, %Y a year of four
 * digits, %y of two, %T a time. The name of the day is not compared with the date: servers get it wrong. */
static const char *const forms[] = {
    "%a, %d %b %Y %T GMT", /* Sun, 06 Nov 1994 08:49:37 GMT */
    "%a, %d-%b-%y %T GMT", /* Sunday, 06-Nov-94 08:49:37 GMT */
    "%a %b %d %T %Y",      /* Sun Nov  6 08:49:37 1994 */
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Exactly n digits. */
static bool take_number(const char **p, int n, int *ret) {
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (!is_digit((*p)[i]))
            return false;
        v = 10 * v + ((*p)[i] - '0');
    }
    *p += n;
    *ret = v;
    return true;
}

static bool take_day(const char **p, struct tm *t) {
    if (**p == ' ')
        ++*p;
    return take_number(p, is_digit(**p) && is_digit((*p)[1]) ? 2 : 1, &t->tm_mday) && t->tm_mday >= 1 &&
           t->tm_mday <= 31;
}

static bool take_month(const char **p, struct tm *t) {
    static const char names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (t->tm_mon = 0; t->tm_mon < 12; t->tm_mon++)
        if (strncasecmp(*p, names[t->tm_mon], 3) == 0) {
            *p += 3;
            return true;
        }
    return false;
}

/* A leap second is the next one's beginning. */
static bool take_time(const char **p, struct tm *t) {
    if (!take_number(p, 2, &t->tm_hour) || *(*p)++ != ':')
        return false;
    if (!take_number(p, 2, &t->tm_min) || *(*p)++ != ':')
        return false;
    return take_number(p, 2, &t->tm_sec) && t->tm_hour <= 23 && t->tm_min <= 59 && t->tm_sec <= 60;
}

static bool take_letters(const char **p) {
    const char *begin = *p;
    while (is_letter(**p))
        ++*p;
    return *p > begin;
}

static bool take_year(const char **p, int digits, struct tm *t) {
    int year;
    if (!take_number(p, digits, &year))
        return false;
    if (digits == 2) /* nobody has written two digits since long before 1970 + 100 */
        year += year < 70 ? 2000 : 1900;
    t->tm_year = year - 1900;
    return year >= 1970;
}

static bool take(const char **p, char what, struct tm *t) {
    switch (what) {
    case 'a':
        return take_letters(p);
    case 'd':
        return take_day(p, t);
    case 'b':
        return take_month(p, t);
    case 'Y':
        return take_year(p, 4, t);
    case 'y':
        return take_year(p, 2, t);
    default:
        return take_time(p, t);
    }
}

static bool matches(const char *p, const char *form, struct tm *t) {
    for (; *form; form++) {
        if (*form == '%') {
            if (!take(&p, *++form, t))
                return false;
        } else if (*p++ != *form) {
            return false;
        }
    }
    return *p == 0;
}

int64_t http_date(const char *value) {
    for (size_t i = 0; value && i < ARRAY_SIZE(forms); i++) {
        struct tm t = {0};
        if (!matches(value, forms[i], &t))
            continue;
        int day = t.tm_mday, second = t.tm_sec;
        t.tm_sec = 0;
        int64_t minute = timegm(&t);
        return t.tm_mday == day ? minute + second : -1; /* 31 February has become another day */
    }
    return -1;
}
