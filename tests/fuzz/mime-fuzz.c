/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Databases of content types, in both formats: whatever is in them, a name gets one type that can stand in a header.
 */
#include "base/mime.h"
#include "fuzz_main.h"

static void must_be_type(const char *type) {
    MUST(type && *type && strlen(type) <= MIME_TYPE_MAX);
    MUST(strchr(type, '/') && strchr(type, '/') == strrchr(type, '/'));
    for (const char *p = type; *p; p++)
        MUST(*p > ' ' && *p < 0x7f && !strchr("\"(),:;<=>?@[\\]{}", *p));
}

static void ask(const struct mime *m, const char *name, size_t n) {
    must_be_type(mime_type(m, name, n));
}

/* Names that many databases know, and pieces of this one. */
static void ask_all(const struct mime *m, const char *text, size_t n) {
    static const char *const names[] = {"a.jpg", "A.JPG", "b.tar.gz", "Makefile", "x.C", "README", "noextension", ".", "~"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        ask(m, names[i], strlen(names[i]));
    for (size_t at = 0; at < n; at += 7)
        ask(m, text + at, MIN(n - at, 1 + at % 300));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    const char *text = (const char *)p;
    struct mime *m = mime_new();
    mime_add_globs2(m, text, n);
    ask_all(m, text, n);
    mime_add_types(m, text, n);
    ask_all(m, text, n);
    size_t rows = mime_count(m);
    mime_add_globs2(m, text, n); /* nothing new */
    mime_add_types(m, text, n);
    MUST(mime_count(m) == rows);
    mime_free(m);
    return 0;
}
