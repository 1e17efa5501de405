/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/merge.h"
#include "base/utf8.h"

#define HOST_MAX 64 /* bytes of a host label that a name gets */

/* The largest n <= max that does not cut a UTF-8 character of s in two; names that are not UTF-8 are cut
 * anywhere. */
static size_t cut_at_character(const char *s, size_t n, size_t max) {
    if (n <= max)
        return n;
    for (size_t back = 1; back <= 3 && back <= max; back++)
        if (utf8_char(s + max - back, n - (max - back)) > back)
            return max - back;
    return max;
}

/* Where the extension begins, its dot included; n where there is none. A leading dot begins no extension. */
static size_t extension(const char *name, size_t n) {
    const char *dot = memrchr(name, '.', n);
    return dot && dot != name ? (size_t)(dot - name) : n;
}

/* Writes the part that tells copies apart. A label is anybody's text, but a name has no slash. */
static size_t conflict_mark(char *ret, size_t size, const char *host, const char *date, unsigned k) {
    char label[HOST_MAX + 1], number[16] = "";
    size_t n = cut_at_character(host, strlen(host), HOST_MAX);
    for (size_t i = 0; i < n; i++)
        label[i] = host[i] == '/' ? '-' : host[i];
    label[n] = '\0';
    if (k > 1)
        snprintf(number, sizeof number, " %u", k);
    int len = snprintf(ret, size, " (conflicted copy, %s %.10s)%s", label, date, number);
    return MIN((size_t)len, size - 1);
}

size_t merge_conflict_name(const char *name, size_t n, const char *host, const char *date, unsigned k,
                           char ret[NAME_MAX_BYTES]) {
    char mark[NAME_MAX_BYTES / 2];
    size_t mark_n = conflict_mark(mark, sizeof mark, host, date, k);
    size_t stem = extension(name, n), ext = n - stem;
    if (mark_n + ext >= NAME_MAX_BYTES) { /* no room for a stem: what looks like an extension is none */
        stem = n;
        ext = 0;
    }
    size_t kept = cut_at_character(name, stem, NAME_MAX_BYTES - mark_n - ext);
    memcpy(ret, name, kept);
    memcpy(ret + kept, mark, mark_n);
    memcpy(ret + kept + mark_n, name + stem, ext);
    return kept + mark_n + ext;
}
