/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Checks objects as they are in the bucket: fetches a content whole, past the block cache, and compares size, digest and block digests with what is recorded; of a large one its
 * digests object, too. What is not right is fetched once more past the caches on the way, and then told.
 *
 * Threads: scrub_content() from any thread; `done` on the loop. Memory: a piece of at most 8 MiB for each content under way.
 */
#ifndef ASSETFS_SCRUB_H
#define ASSETFS_SCRUB_H

#include "base/seal.h"
#include "data/content.h"
#include "store/store.h"

struct scrub_config {
    struct env *env;
    struct store *store;
    const struct keyring *keys;
    const char *prefix;  /* ".assetfs" */
    int64_t timeout_ns;  /* for each piece, tries included */
};

/* err: 0; -EBADMSG: it is there, and is not what is recorded; -ENOENT: it is not there; -EACCES, -EIO, -ETIMEDOUT: trouble, nobody can tell. why: one sentence, valid during the call,
 * or NULL. */
typedef void (*scrub_done)(void *arg, int err, const char *why);

/* config must stay; c is referenced. */
void scrub_content(const struct scrub_config *config, struct content *c, scrub_done done, void *arg);

#endif
