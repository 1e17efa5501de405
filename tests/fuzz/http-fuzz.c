/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a server says before the body: heads, line by line as curl hands them over, Content-Range, dates.
 */
#include "fake_env.h"
#include "fuzz_main.h"
#include "net/http_parts.h"

#include <time.h>

/* There is one form that says the same as any other. */
static void fuzz_date(const char *text) {
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    int64_t at = http_date(text);
    MUST(at >= -1);
    if (at < 0)
        return;
    char again[96], rest[64];
    time_t t = (time_t)at;
    struct tm tm;
    MUST(gmtime_r(&t, &tm));
    strftime(rest, sizeof rest, "%d %b %Y %H:%M:%S GMT", &tm);
    snprintf(again, sizeof again, "%s, %s", days[at / 86400 % 7], rest);
    MUST(http_date(again) == at);
}

static void fuzz_range(const char *text) {
    uint64_t first, last, total;
    if (http_content_range(text, &first, &last, &total))
        MUST(first <= last && last < total);
}

static void fuzz_head(struct env *env, const char *text, size_t n, bool range) {
    struct http h = {.env = env};
    struct http_call c = {.http = &h,
                          .req = {.method = "GET", .url = "http://fuzz/", .max_response = 1000},
                          .head = BUF_INIT(HTTP_HEAD_MAX)};
    if (range) {
        c.req.range_off = 100;
        c.req.range_len = 100;
    }
    bool good = true;
    for (const char *p = text, *end = text + n; good && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t line = newline ? (size_t)(newline + 1 - p) : (size_t)(end - p);
        good = http_head_line(&c, p, line);
        p += line;
    }
    MUST(good || c.failed < 0);
    MUST(c.status >= 0 && c.status <= 999);
    if (c.head_complete) {
        for (size_t i = 0; i < c.headers.n; i++)
            MUST(strlen(c.headers.lines[i]) > 0);
        const char *length = http_header(&c.res, "Content-Length");
        MUST(length || c.length == UINT64_MAX);
        MUST(!c.res.ranged || (range && c.status == 206 && c.expected >= 1 && c.expected <= 100));
        MUST(c.keep <= HTTP_ERROR_BODY_MAX);
    }
    buf_free(&c.head);
    free((void *)c.headers.lines);
    free(c.why);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_FREE char *text = xstrndup((const char *)p, n);
    struct fake_env *fake = fake_env_new();
    fuzz_date(text);
    fuzz_range(text);
    fuzz_head(fake_env(fake), (const char *)p, n, false);
    fuzz_head(fake_env(fake), (const char *)p, n, true);
    fake_env_free(fake);
    return 0;
}
