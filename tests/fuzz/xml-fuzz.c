/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a server answers, and text that is put into a document of ours.
 */
#include "base/utf8.h"
#include "fuzz_main.h"
#include "net/xml.h"

static void fuzz_parse(const uint8_t *p, size_t n) {
    static const char *const paths[] = {
        "",  "Code", "Message", "Region", "UploadId", "a/b", "AssumeRoleResult/Credentials/AccessKeyId",
        "/", "//",   "a/"};
    struct xml *x;
    int r = xml_parse(p, n, &x);
    MUST(r == 0 || r == -EBADMSG);
    if (r < 0)
        return;
    MUST(xml_root(x) && *xml_root(x));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        CLEANUP_FREE char *text = xml_text(x, paths[i]);
        MUST(!text || utf8_valid(text, strlen(text)));
    }
    xml_free(x);
}

/* Whatever the text is, the document is one, and the same text comes back once it is one that XML can carry.
 */
static void fuzz_escape(const char *text) {
    CLEANUP_BUF struct buf once = BUF_INIT(XML_MAX), twice = BUF_INIT(XML_MAX);
    struct xml *x;
    buf_append_str(&once, "<a>");
    xml_escape(&once, text);
    buf_append_str(&once, "</a>");
    if (once.err)
        return;
    MUST(xml_parse(once.data, once.len, &x) == 0);
    CLEANUP_FREE char *back = xml_text(x, "");
    MUST(back);
    xml_free(x);
    buf_append_str(&twice, "<a>");
    xml_escape(&twice, back);
    buf_append_str(&twice, "</a>");
    MUST(xml_parse(twice.data, twice.len, &x) == 0);
    CLEANUP_FREE char *again = xml_text(x, "");
    MUST(strcmp(back, again) == 0);
    xml_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_FREE char *text = xstrndup((const char *)p, n);
    fuzz_parse(p, n);
    fuzz_escape(text);
    return 0;
}
