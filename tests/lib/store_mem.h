/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bucket in memory, for unit tests and simulation. The bucket outlives the stores opened on it, so that
 * several hosts, each with its own environment, can share one, and a test can look into it and spoil it.
 *
 * An operation takes effect when it is started; its completion is posted to the store's environment.
 * Threads: any (one mutex inside the bucket), except that mem_bucket_get()'s result is valid until the object
 * changes.
 */
#ifndef ASSETFS_TESTS_STORE_MEM_H
#define ASSETFS_TESTS_STORE_MEM_H

#include "store/store.h"

struct mem_bucket;

struct mem_bucket *mem_bucket_new(void);
/* NULL-safe; returns NULL. After the stores on it were freed. */
struct mem_bucket *mem_bucket_free(struct mem_bucket *);
/* parallel_puts and _gets 8, get_size 8 MiB; address "mem:", url "mem:KEY". */
struct store *store_mem_new(struct mem_bucket *, struct env *, struct counters *);

/* Looking. */
size_t mem_bucket_count(struct mem_bucket *, const char *prefix); /* objects whose keys begin with prefix */
bool mem_bucket_has(struct mem_bucket *, const char *key);
/* The bytes of an object; NULL if there is none (an empty object has a pointer, too). ret_n may be NULL. */
const void *mem_bucket_get(struct mem_bucket *, const char *key, size_t *ret_n);
/* What was put with it; NULL if there is none. */
const char *mem_bucket_content_type(struct mem_bucket *, const char *key);
const char *mem_bucket_header(struct mem_bucket *, const char *key, const char *name);
/* The n-th key that begins with prefix, in byte order, malloc'd; NULL if there are fewer. */
char *mem_bucket_key(struct mem_bucket *, const char *prefix, size_t n);

/* Spoiling: what no writer of ours can do. */
void mem_bucket_set(struct mem_bucket *, const char *key, const void *p, size_t n); /* makes or overwrites */
bool mem_bucket_corrupt(struct mem_bucket *, const char *key,
                        size_t off); /* flips one bit; false: no such byte */
bool mem_bucket_delete(struct mem_bucket *, const char *key);
/* The state of now, kept: to go back to (a bucket restored from an old copy). */
struct mem_bucket *mem_bucket_copy(struct mem_bucket *);
/* The first gets the objects of the second. */
void mem_bucket_restore(struct mem_bucket *, struct mem_bucket *from);

#endif
