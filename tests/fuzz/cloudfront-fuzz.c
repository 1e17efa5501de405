/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Key files of any bytes, and policies of any text: a key is one or the sentence says why not; no text leaves
 * its place in the JSON.
 */
#include "base/base.h"
#include "fuzz_main.h"
#include "net/cloudfront.h"

static void fuzz_key(const uint8_t *p, size_t n, const char *text) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct cloudfront_key *key = NULL;
    int r = cloudfront_key_parse(p, n, "K1", &key, &why);
    MUST((r == 0) == (key != NULL) && (r < 0) == (why.len > 0));
    cloudfront_key_free(key);
    MUST(!cloudfront_key_id_valid(text) || !strpbrk(text, "&;= \n"));
}

static size_t count(const struct buf *b, char c) {
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        n += b->data[i] == (unsigned char)c;
    return n;
}

static void fuzz_policy(const char *text) {
    const struct cloudfront_grant grants[] = {
        {.resource = text, .until = 7},
        {.policy = CLOUDFRONT_CUSTOM, .resource = text, .until = 7},
        {.policy = CLOUDFRONT_CUSTOM, .resource = "*", .until = 7, .source_ip = text},
    };
    static const size_t quotes[] = {12, 12, 18};
    for (size_t i = 0; i < ARRAY_SIZE(grants); i++) {
        CLEANUP_BUF struct buf b = BUF_INIT(1 << 20), why = BUF_INIT(4096);
        if (cloudfront_policy_text(&grants[i], &b, &why) < 0)
            MUST(why.len > 0 && b.len == 0);
        else
            MUST(count(&b, '"') == quotes[i] && count(&b, '\\') == 0 && count(&b, '\n') == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_FREE char *text = xstrndup((const char *)p, n);
    if (n % 8 == 0) /* OpenSSL takes its time over each */
        fuzz_key(p, n, text);
    fuzz_policy(text);
    return 0;
}
