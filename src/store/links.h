/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The addresses of objects as people and other programs are given them: at link_base= where the public host name is another than the one that is read from, else where the
 * reader itself reads; signed on request (store/cdn_access.h).
 *
 * Threads: any; immutable. Outlives nothing it was made of.
 */
#ifndef ASSETFS_LINKS_H
#define ASSETFS_LINKS_H

#include "store/cdn_access.h"
#include "store/store.h"

struct links;

/* base: "https://assets.example.org/path", or NULL; prefix: before every key, as the reader has it. access: NULL where nothing can be signed. -EINVAL with a sentence. */
int links_new(const char *base, const char *prefix, struct store *reader, struct cdn_access *access, struct links **ret, struct buf *why) ATTR_WARN_UNUSED;
struct links *links_free(struct links *); /* NULL-safe; returns NULL */

/* This host has a key to sign with. */
bool links_can_sign(const struct links *);
/* malloc'd; NULL: objects of this bucket have no address, or no object can be at this key. */
char *links_url(const struct links *, const char *key);
/* Good for `lifetime_s` seconds from now on, at most until 2038-01-19; *ret_until in seconds since 1970. Signs: not on the loop.
 * -ENOKEY: this mount has no key to sign with; -ENODATA: there is no address; -EINVAL, -EIO; each with a sentence. */
int links_sign(const struct links *, const char *key, int64_t lifetime_s, char **ret, int64_t *ret_until, struct buf *why) ATTR_WARN_UNUSED;

#endif
