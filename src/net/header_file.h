/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Headers that a deployment wants to see on its reads (what a Lambda@Edge authoriser asks for), as a file gives them:
 *
 *     # a comment
 *     X-Deployment-Token: 4f1c...
 *
 * One "Name: value" a line (RFC 9110, 5); empty lines, and lines that begin with '#', do not count; a line may end with CR LF. Refused: a line that is no header or goes on in the
 * next one, an empty value, control characters, and the headers that assetfs or HTTP itself sends (Host, Range, Accept-Encoding, Cache-Control, Content-*,
 * Transfer-Encoding, Connection, Expect, TE, Trailer, Upgrade, User-Agent).
 * Values are secrets: no error has one in it. Pure.
 */
#ifndef ASSETFS_HEADER_FILE_H
#define ASSETFS_HEADER_FILE_H

#include "base/base.h"
#include "base/buf.h"

/* CloudFront takes 20,480 bytes of request line and headers together. */
#define HEADER_FILE_MAX ((size_t)12 << 10)
#define HEADER_LINES_MAX 32

/* lines[i]: "Name: value", without white space around the value. */
struct header_lines {
    char *lines[HEADER_LINES_MAX];
    size_t n;
};

/* -EINVAL with a sentence that names the line. ret is untouched then. */
int header_file_parse(const char *p, size_t n, struct header_lines *ret, struct buf *why) ATTR_WARN_UNUSED;
/* Wipes. */
void header_lines_free(struct header_lines *);
/* Has one of that name, in any case of letters. */
bool header_lines_have(const struct header_lines *, const char *name);

#endif
