/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers of S3, CDNs, proxies and log-in pages: the input is a status and an operation ("403 get"), header
 * lines, an empty line, a body.
 */
#include "fuzz_main.h"
#include "base/buf.h"
#include "store/got.h"
#include "store/refusal.h"

#define LINES_MAX 32

/* Cuts the next line off; NULL: the head is over. */
static char *next_line(char **at) {
    char *line = *at, *end = strchr(line, '\n');
    if (!*line || *line == '\n') {
        *at += *line == '\n';
        return NULL;
    }
    *at = end ? end + 1 : line + strlen(line);
    if (end)
        *end = '\0';
    return line;
}

static void check_text(struct buf *text, const struct refusal *r) {
    MUST(text->err == 0 && text->len > 0);
    for (size_t i = 0; i < text->len; i++)
        MUST(text->data[i] >= 0x20 && text->data[i] != 0x7f);
    MUST(!r->request_id || strstr(buf_str(text), "x-amz-request-id"));
}

static void check_refusal(const struct http_response *response, enum refusal_op op) {
    struct refusal r;
    CLEANUP_BUF struct buf text = BUF_INIT(16384);
    refusal_read(response, op, &r);
    int err = refusal_errno(&r);
    MUST(err == -EEXIST || err == -ENOENT || err == -EACCES || err == -ENOSPC || err == -EINVAL ||
         err == -ERANGE || err == -EIO);
    MUST(op == REFUSAL_GET || (err != -ENOENT && err != -ERANGE));
    MUST(op != REFUSAL_GET || err != -EEXIST);
    MUST(err != -ENOENT || r.by == BY_S3); /* nobody else is believed that something is absent */
    refusal_explain(&r, "files/x", &text);
    check_text(&text, &r);
    refusal_free(&r);
}

static void check_got(const struct http_response *response, uint64_t off, uint64_t len) {
    struct store_got got;
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    got_read(response, "files/x", off, len, &got, &why);
    MUST((got.err == 0) == (got.why == NULL));
    if (got.err == 0) {
        MUST(response->status == 200 || (response->status == 206 && response->ranged));
        MUST(len == 0 ? got.len == got.total : off < got.total && got.len == MIN(len, got.total - off));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_FREE char *input = xmalloc(n + 1);
    const char *lines[LINES_MAX];
    struct http_headers headers = {.lines = lines};
    if (n)
        memcpy(input, p, n);
    input[n] = '\0';
    char *at = input, *first = next_line(&at), *line;
    if (!first)
        return 0;
    while ((line = next_line(&at)))
        if (headers.n < LINES_MAX)
            lines[headers.n++] = line;
    enum refusal_op op = strstr(first, "get")         ? REFUSAL_GET
                         : strstr(first, "multipart") ? REFUSAL_MULTIPART
                                                      : REFUSAL_PUT;
    struct http_response response = {.status = abs(atoi(first)) % 1000,
                                     .body = at,
                                     .len = (size_t)(input + n - at),
                                     .ranged = strstr(first, "ranged") != NULL,
                                     .headers = &headers};
    response.total = strstr(first, "unknown") ? UINT64_MAX : response.len;
    check_refusal(&response, op);
    check_got(&response, 0, 0);
    check_got(&response, 0, 1 + n % 64);
    check_got(&response, n % 7, response.len);
    (void)got_cached(&response);
    return 0;
}
