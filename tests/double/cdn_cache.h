/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the CDN keeps, by key alone: pieces of objects that have been asked for, and errors for a while. The bytes are the object's own file, hard-linked, so
 * that they stay when the object is removed or replaced in the bucket; with them go the offsets at which this copy is broken (the fault `rot`).
 *
 * Threads: any; one mutex inside, held for memory, link(2) and unlink(2) only.
 */
#ifndef DOUBLE_CDN_CACHE_H
#define DOUBLE_CDN_CACHE_H

#include "answer.h"
#include "bucket.h"

struct cdn_cache;
struct cdn_cache *cdn_cache_new(struct bucket *);
void cdn_cache_free(struct cdn_cache *);
void cdn_cache_clear(struct cdn_cache *);

/* The object of which something is kept, and its age in seconds. False: nothing. */
bool cdn_cache_find(struct cdn_cache *, const char *key, struct object *ret, long *age);
/* All of [off, off+len) is kept. What is broken of it is marked in the answer. */
bool cdn_cache_has(struct cdn_cache *, const char *key, uint64_t off, uint64_t len, struct answer *);
/* The object that was just read of the origin, of which [off, off+len) goes to a client. Another object at that key replaces what was there. */
void cdn_cache_keep(struct cdn_cache *, const char *key, const struct object *, uint64_t off, uint64_t len);
/* From now on this byte is wrong in the copy that is kept. */
void cdn_cache_rot(struct cdn_cache *, const char *key, uint64_t offset);

/* An error of the origin, for ttl seconds. The body is copied. */
void cdn_cache_keep_error(struct cdn_cache *, const char *key, int status, const char *body, int ttl);
/* The body is malloc'd; false: none that still holds. */
bool cdn_cache_find_error(struct cdn_cache *, const char *key, int *status, char **body, long *age);

#endif
