/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/utf8.h"

/* The well-formed sequences, RFC 3629 section 4: range of the lead byte, and of the byte after it. All
 * further bytes are 80..BF. */
static const struct utf8_form {
    uint8_t lead_min, lead_max, next_min, next_max, len;
} FORMS[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool matches(const struct utf8_form *f, const uint8_t *p, size_t n) {
    if (p[0] < f->lead_min || p[0] > f->lead_max || n < f->len)
        return false;
    if (f->len > 1 && (p[1] < f->next_min || p[1] > f->next_max))
        return false;
    for (size_t i = 2; i < f->len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return false;
    return true;
}

size_t utf8_char(const void *p, size_t n) {
    for (size_t i = 0; n > 0 && i < ARRAY_SIZE(FORMS); i++)
        if (matches(&FORMS[i], p, n))
            return FORMS[i].len;
    return 0;
}

bool utf8_valid(const void *p, size_t n) {
    const uint8_t *s = p;
    while (n > 0) {
        size_t len = utf8_char(s, n);
        if (len == 0)
            return false;
        s += len;
        n -= len;
    }
    return true;
}
