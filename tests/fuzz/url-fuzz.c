/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * URLs that people write, percent-encoding, and signatures of any key.
 */
#include "fuzz_main.h"
#include "net/sigv4.h"
#include "net/url.h"

/* What is taken reads the same when it is written and read again; what is not is explained, in one line. */
static void fuzz_parse(const char *text) {
    struct url u, again;
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 20);
    if (url_parse(text, &u, &why) < 0) {
        MUST(why.len > 0 && !memchr(why.data, '\n', why.len));
        return;
    }
    CLEANUP_FREE char *written = url_text(&u);
    MUST(*u.host && u.port >= 1 && u.port <= 65535);
    MUST(*u.path == '\0' || *u.path == '/');
    MUST(url_parse(written, &again, &why) == 0);
    CLEANUP_FREE char *twice = url_text(&again);
    MUST(strcmp(written, twice) == 0 && u.port == again.port && strcmp(u.host, again.host) == 0);
    MUST(url_is_loopback(&u) == url_is_loopback(&again));
    url_free(&u);
    url_free(&again);
}

static void fuzz_encoding(const char *text) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 22);
    url_encode(&b, text, strlen(text), false);
    CLEANUP_FREE char *back = url_decode(buf_str(&b)), *decoded = url_decode(text);
    MUST(back && strcmp(back, text) == 0);
    MUST(strspn(buf_str(&b), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%") == b.len);
    MUST(!decoded || strlen(decoded) <= strlen(text));
}

/* No line of a signed request ends before its end, whatever the parameters are. */
static void fuzz_signature(const char *text) {
    CLEANUP_BUF struct buf headers = BUF_INIT(1 << 22), query = BUF_INIT(1 << 22);
    const struct sigv4_key key = {.access_key = "AKIA", .secret_key = "s", .region = "r", .service = "s3"};
    const struct sigv4_pair pairs[] = {{"Host", "h"}, {"x-amz-meta-a", text}},
                            parameters[] = {{text, text}, {"a", NULL}};
    const struct sigv4_request r = {.method = "GET",
                                    .path = "/",
                                    .query = parameters,
                                    .n_query = 2,
                                    .headers = pairs,
                                    .n_headers = 2,
                                    .payload = SIGV4_UNSIGNED_PAYLOAD,
                                    .time = (int64_t)strlen(text)};
    sigv4_sign(&key, &r, &headers);
    sigv4_presign(&key, &r, 60, &query);
    MUST(headers.err || !memchr(headers.data, '\n', headers.len));
    MUST(query.err || (!memchr(query.data, '\n', query.len) && !memchr(query.data, ' ', query.len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_FREE char *text = xstrndup((const char *)p, n);
    fuzz_parse(text);
    fuzz_encoding(text);
    fuzz_signature(text);
    return 0;
}
