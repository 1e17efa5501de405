/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A file of headers: what is taken can be sent, a line each, and nothing of it is in an error.
 */
#include "base/base.h"
#include "fuzz_main.h"
#include "net/header_file.h"

static void check_line(const char *line) {
    const char *colon = strchr(line, ':');
    MUST(colon && colon > line && colon[1] == ' ' && colon[2]);
    MUST(!strpbrk(line, "\r\n"));
    MUST(strncasecmp(line, "host:", 5) != 0 && strncasecmp(line, "content-length:", 15) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096), again = BUF_INIT(1 << 20);
    struct header_lines h = {0}, same = {0};
    if (header_file_parse((const char *)p, n, &h, &why) < 0) {
        MUST(why.len > 0 && why.len < 200 && !memchr(why.data, '\n', why.len) && h.n == 0);
        return 0;
    }
    for (size_t i = 0; i < h.n; i++) {
        check_line(h.lines[i]);
        buf_printf(&again, "%s\n", h.lines[i]);
    }
    if (again.len <= HEADER_FILE_MAX) {
        MUST(header_file_parse((const char *)again.data, again.len, &same, &why) == 0 && same.n == h.n);
        for (size_t i = 0; i < h.n; i++)
            MUST(strcmp(h.lines[i], same.lines[i]) == 0);
    }
    header_lines_free(&same);
    header_lines_free(&h);
    return 0;
}
