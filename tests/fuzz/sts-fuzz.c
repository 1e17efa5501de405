/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What STS, or something else in its place, answers.
 */
#include "fuzz_main.h"
#include "net/sts.h"

static void fuzz_answer(int status, bool web_identity, const uint8_t *p, size_t n) {
    static const struct sts_role role = {.arn = (char *)"arn:aws:iam::1:role/x"};
    const struct http_response response = {.status = status, .body = p, .len = n};
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    int r = sts_read(&role, web_identity, "https://sts", &response, &k, &why);
    MUST(r == 0 || r == -EACCES || r == -EIO);
    MUST((r == 0) == (k.access_key && k.secret_key && k.session_token));
    MUST((r == 0) == (why.len == 0) && !why.err);
    MUST(r == 0 || !strchr(buf_str(&why), '\n'));
    MUST(r < 0 || status == 200);
    credential_free(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    fuzz_answer(200, false, p, n);
    fuzz_answer(200, true, p, n);
    fuzz_answer(400, false, p, n);
    fuzz_answer(500, true, p, n);
    return 0;
}
