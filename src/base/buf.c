/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"
#include "base/utf8.h"

void buf_free(struct buf *b) {
    if (b->secret && b->data)
        explicit_bzero(b->data, b->cap);
    free(b->data);
    *b = (struct buf){0};
}

void buf_wipe(struct buf *b) {
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

void buf_reset(struct buf *b) {
    b->len = 0;
    b->err = 0;
}

static void grow(struct buf *b, size_t cap) {
    if (!b->secret) {
        b->data = xrealloc(b->data, cap);
        b->cap = cap;
        return;
    }
    unsigned char *data = xmalloc(cap);
    if (b->len)
        memcpy(data, b->data, b->len);
    if (b->data)
        explicit_bzero(b->data, b->cap);
    free(b->data);
    b->data = data;
    b->cap = cap;
}

/* One byte more than asked for is always there, so that buf_str() can end the string at the ceiling, too. */
int buf_reserve(struct buf *b, size_t more) {
    if (b->err)
        return b->err;
    if (more > b->max - b->len)
        return b->err = -EFBIG;
    size_t need = b->len + more;
    if (need == SIZE_MAX)
        return b->err = -EFBIG;
    if (need < b->cap)
        return 0;
    size_t cap = need + 1;
    if (b->cap <= SIZE_MAX / 2 && cap < 2 * b->cap)
        cap = b->max >= 2 * b->cap ? 2 * b->cap : b->max + 1;
    cap = MAX(cap, 32);
    grow(b, cap);
    return 0;
}

int buf_append(struct buf *b, const void *p, size_t n) {
    int r = buf_reserve(b, n);
    if (r < 0)
        return r;
    if (n > 0)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    return 0;
}

int buf_append_str(struct buf *b, const char *s) {
    return buf_append(b, s, strlen(s));
}

int buf_append_byte(struct buf *b, unsigned char c) {
    return buf_append(b, &c, 1);
}

ATTR_PRINTF(2, 0) static int append_va(struct buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    int r = n < 0 ? (b->err = -EINVAL) : buf_reserve(b, (size_t)n);
    if (r == 0) {
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return r;
}

int buf_printf(struct buf *b, const char *fmt, ...) {
    if (b->err)
        return b->err;
    va_list ap;
    va_start(ap, fmt);
    int r = append_va(b, fmt, ap);
    va_end(ap);
    return r;
}

static void append_json_ascii(struct buf *b, unsigned char c) {
    static const char short_form[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    if (c < sizeof short_form && short_form[c]) {
        buf_append_byte(b, '\\');
        buf_append_byte(b, (unsigned char)short_form[c]);
    } else if (c < 0x20 || c >= 0x7f) {
        buf_printf(b, "\\u%04x", c);
    } else {
        buf_append_byte(b, c);
    }
}

int buf_append_json(struct buf *b, const char *s, size_t n) {
    buf_append_byte(b, '"');
    while (n > 0) {
        size_t len = utf8_char(s, n);
        if (len > 1) {
            buf_append(b, s, len);
        } else {
            append_json_ascii(b, (unsigned char)*s);
            len = 1;
        }
        s += len;
        n -= len;
    }
    return buf_append_byte(b, '"');
}

const char *buf_str(struct buf *b) {
    if (buf_reserve(b, 0) < 0)
        return NULL;
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

unsigned char *buf_take(struct buf *b, size_t *ret_len) {
    if (!buf_str(b))
        return NULL;
    unsigned char *data = b->data;
    if (ret_len)
        *ret_len = b->len;
    b->data = NULL;
    b->len = b->cap = 0;
    return data;
}
