/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The vocabulary every other file uses: attributes, scope cleanup, scope locks, and two or three macros.
 * Nothing here allocates except xmalloc() and friends, which end the process when memory is gone: a
 * filesystem that cannot allocate a hundred bytes cannot keep a promise either, and everything it
 * promised is already on disk (see data/spool.h, tree/db.h).
 */
#ifndef ASSETFS_BASE_H
#define ASSETFS_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* copy_file_range, renameat2, asprintf; every .c reaches this line first */
#endif

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ATTR_NONNULL __attribute__((nonnull))
#define ATTR_WARN_UNUSED __attribute__((warn_unused_result))
#define ATTR_UNUSED __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* Content is verified, fetched, cached and copied up in blocks of this many bytes (assetfs-format(5)). */
#define BLOCK_SIZE ((uint64_t)1 << 20)
#define BLOCK_COUNT(size) (((uint64_t)(size) + BLOCK_SIZE - 1) / BLOCK_SIZE)

/* A content id, and every other SHA-256. */
#define DIGEST_SIZE 32

/* Allocation that does not fail: ends the process with a message instead. */
void *xmalloc(size_t size) ATTR_WARN_UNUSED;
void *xcalloc(size_t n, size_t size) ATTR_WARN_UNUSED;
void *xrealloc(void *p, size_t size) ATTR_WARN_UNUSED;
char *xstrdup(const char *s) ATTR_WARN_UNUSED;
char *xstrndup(const char *s, size_t n) ATTR_WARN_UNUSED;
void *xmemdup(const void *p, size_t n) ATTR_WARN_UNUSED;
char *xasprintf(const char *fmt, ...) ATTR_PRINTF(1, 2) ATTR_WARN_UNUSED;

/* Scope cleanup: CLEANUP_FREE char *s = ...; CLEANUP_CLOSE int fd = -1; */
void cleanup_free(void *pp);
void cleanup_close(int *fd);
#define CLEANUP_FREE __attribute__((cleanup(cleanup_free)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close)))

/* Hands the pointer over and leaves NULL behind, so that a scope cleanup does not free it. */
static inline void *steal_ptr_(void *pp) {
    void *p;
    memcpy(&p, pp, sizeof p);
    memset(pp, 0, sizeof p);
    return p;
}
#define STEAL_PTR(pp) (0 ? *(pp) : steal_ptr_(pp))
static inline int steal_fd(int *fd) {
    int f = *fd;
    *fd = -1;
    return f;
}

/* Scope lock: the mutex is released when the enclosing block ends, by whatever way. */
void cleanup_unlock(pthread_mutex_t **m);
static inline pthread_mutex_t *lock_mutex(pthread_mutex_t *m) {
    pthread_mutex_lock(m);
    return m;
}
#define SCOPE_LOCK_NAME2(line) scope_lock_##line
#define SCOPE_LOCK_NAME(line) SCOPE_LOCK_NAME2(line)
#define SCOPE_LOCK(m)                                                                                        \
    __attribute__((cleanup(cleanup_unlock), unused)) pthread_mutex_t *SCOPE_LOCK_NAME(__LINE__) = lock_mutex(m)

#endif
