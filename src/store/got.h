/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the answer to a GET to what a store hands on: status, range, lengths and total are checked here for every store that reads by HTTP. Whose bytes they are only the
 * caller's digest can tell. Pure.
 */
#ifndef ASSETFS_STORE_GOT_H
#define ASSETFS_STORE_GOT_H

#include "net/http.h"
#include "store/store.h"

/* The answer to a GET of [off, off+len), or of everything (len 0). ret->data points into the response; ret->why into `why`, which is filled with errors. */
void got_read(const struct http_response *, const char *key, uint64_t off, uint64_t len, struct store_got *ret, struct buf *why);
/* Whether it came out of a cache on the way: X-Cache says hit, or Age is above 0 (RFC 9111, 5.1). */
bool got_cached(const struct http_response *);
/* What an attempt without an answer means in a store's words: -ETIMEDOUT, or -EIO. */
int got_no_answer(int http_err);

#endif
