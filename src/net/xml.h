/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Small XML answers of S3 and STS, read by libxml2 with limits: no DTD, no entities, no network, UTF-8 only, at most XML_MAX bytes and 32 elements deep. Whatever a server,
 * a proxy or a captive portal may send instead (HTML, JSON, half a document) is -EBADMSG, never a crash.
 * Memory of the parser and of documents is zeroed before it is given back; texts that are secrets are the caller's to zero (base/secret.h).
 */
#ifndef ASSETFS_XML_H
#define ASSETFS_XML_H

#include "base/base.h"
#include "base/buf.h"

#define XML_MAX ((size_t)1 << 20)

struct xml; /* a parsed document */

/* -EBADMSG: not well-formed, too large, too deep, or with a DTD. One thread at a time per document. */
int xml_parse(const void *p, size_t n, struct xml **ret) ATTR_WARN_UNUSED;
struct xml *xml_free(struct xml *); /* NULL-safe; returns NULL */
/* The root element's local name; valid as long as the document is. */
const char *xml_root(const struct xml *);
/* The text of the first element at that path of local names below the root ("Credentials/AccessKeyId"; "" is the root itself), whatever its name space, without that of elements in it;
 * malloc'd, white space around it taken off; NULL: there is none. */
char *xml_text(const struct xml *, const char *path);

/* Appends text with & < > " ' and control characters escaped, for documents we write. What XML 1.0 cannot carry (other control characters, bytes that are no
 * UTF-8) becomes U+FFFD. */
void xml_escape(struct buf *, const char *text);

#endif
