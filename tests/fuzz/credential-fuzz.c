/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What programs and endpoints hand over as keys, and the line that names a program.
 */
#include "fuzz_main.h"
#include "net/credential_process.h"
#include <ctype.h>

static void must_be_usable(const char *s) {
    for (; *s; s++)
        MUST(isascii((unsigned char)*s) && isgraph((unsigned char)*s));
}

static void fuzz_json(enum credential_form form, const uint8_t *p, size_t n) {
    struct credential k;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    if (credential_parse(form, p, n, &k, &why) < 0) {
        MUST(why.len > 0 && !why.err && !strchr(buf_str(&why), '\n'));
        MUST(!k.access_key && !k.secret_key && !k.session_token);
        return;
    }
    MUST(why.len == 0);
    must_be_usable(k.access_key);
    must_be_usable(k.secret_key);
    must_be_usable(k.session_token ? k.session_token : "");
    credential_free(&k);
}

static void fuzz_words(const char *line) {
    char **words;
    size_t n = 0, len = 0;
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    if (credential_words_of(line, &words, &why) < 0) {
        MUST(why.len > 0 && !words);
        return;
    }
    for (; words[n]; n++)
        len += strlen(words[n]);
    MUST(n > 0 && *words[0] && len <= strlen(line));
    credential_words_free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_FREE char *text = xstrndup((const char *)p, n);
    CLEANUP_FREE char *words = credential_words((const char *)p, n);
    int64_t t;
    MUST(words && strlen(words) <= CREDENTIAL_WORDS_MAX + 1);
    fuzz_json(CREDENTIAL_PROCESS, p, n);
    fuzz_json(CREDENTIAL_ENDPOINT, p, n);
    fuzz_words(text);
    (void)!credential_time(text, &t);
    return 0;
}
