/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signs what it reads, for tests/sh/cloudfront-botocore.sh: cloudfront-print KEY.pem KEYID. A question is a
 * line of
 *
 *     canned|custom sha1|sha256 UNTIL FROM SOURCE_IP RESOURCE URL      0 and - where there is none
 *
 * Its answer is three lines: the signed URL, the value of the header Cookie, the policy's text; or three
 * times "error: " and the sentence.
 */
#include "base/file.h"
#include "net/cloudfront.h"

static void die(const char *what) {
    fprintf(stderr, "cloudfront-print: %s\n", what);
    exit(2);
}

static char *next_word(char **rest) {
    char *word = strsep(rest, " ");
    if (!word || !*word)
        die("a word is missing");
    return word;
}

static void read_question(char *line, struct cloudfront_grant *g, const char **ret_url) {
    *g = (struct cloudfront_grant){0};
    g->policy = !strcmp(next_word(&line), "custom") ? CLOUDFRONT_CUSTOM : CLOUDFRONT_CANNED;
    g->hash = !strcmp(next_word(&line), "sha256") ? CLOUDFRONT_SHA256 : CLOUDFRONT_SHA1;
    g->until = atoll(next_word(&line));
    g->from = atoll(next_word(&line));
    g->source_ip = next_word(&line);
    if (!strcmp(g->source_ip, "-"))
        g->source_ip = NULL;
    g->resource = next_word(&line);
    *ret_url = next_word(&line);
}

static void answer(const struct cloudfront_key *key, const struct cloudfront_grant *g, const char *url) {
    CLEANUP_BUF struct buf cookie = BUF_INIT(1 << 16), text = BUF_INIT(1 << 16), why = BUF_INIT(4096);
    CLEANUP_FREE char *signed_url = NULL;
    if (cloudfront_sign_url(key, g, url, &signed_url, &why) < 0) {
        for (int i = 0; i < 3; i++)
            printf("error: %s\n", buf_str(&why));
        return;
    }
    if (cloudfront_sign_cookie(key, g, &cookie, &why) < 0 || cloudfront_policy_text(g, &text, &why) < 0)
        die(buf_str(&why));
    printf("%s\n%s\n%s\n", signed_url, buf_str(&cookie), buf_str(&text));
}

int main(int argc, char **argv) {
    CLEANUP_BUF struct buf pem = BUF_INIT(1 << 20), why = BUF_INIT(4096);
    struct cloudfront_key *key = NULL;
    CLEANUP_FREE char *line = NULL;
    size_t size = 0;
    if (argc != 3 || file_load(argv[1], &pem) < 0)
        die("use: cloudfront-print KEY.pem KEYID");
    if (cloudfront_key_parse(pem.data, pem.len, argv[2], &key, &why) < 0)
        die(buf_str(&why));
    for (ssize_t n; (n = getline(&line, &size, stdin)) > 0;) {
        struct cloudfront_grant g;
        const char *url;
        line[n - (line[n - 1] == '\n')] = '\0';
        read_question(line, &g, &url);
        answer(key, &g, url);
    }
    cloudfront_key_free(key);
    return 0;
}
