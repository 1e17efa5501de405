/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Small objects read and put by a caller that may wait: at mount, for init, for the log. Never on the loop, which completes them.
 */
#ifndef ASSETFS_OBJECT_H
#define ASSETFS_OBJECT_H

#include "base/buf.h"
#include "store/store.h"

/* One get of many that go on at once. */
struct object_get {
    char *key;
    size_t max; /* bytes of a larger one that are kept; 0: one more than an entry has */
    int err;
    struct buf data;
    char *why;
    bool cached; /* as in struct store_got */
};

/* Gets all n at once (whole objects; only their first byte where probe is set) and waits for all. Past caches. */
void object_get_all(struct store *, struct object_get *, size_t n, bool probe);
void object_gets_free(struct object_get *, size_t n);
/* So much time passes (or a little less). */
void object_wait(struct env *, int64_t ns);
/* One whole object appended to ret; errors as store/store.h, with `why` for people (may be NULL). */
int object_get(struct store *, const char *key, struct buf *ret, struct buf *why) ATTR_WARN_UNUSED;
/* 0, -EEXIST, ... as put_if_absent. */
int object_put(struct store *, const char *key, const void *p, size_t n, struct buf *why) ATTR_WARN_UNUSED;

#endif
