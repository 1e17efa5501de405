/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Allocation that does not fail, scope cleanup and scope locks, for the double: it shares no code with the program it judges, so it has its own.
 */
#ifndef DOUBLE_MEM_H
#define DOUBLE_MEM_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define NS_PER_S INT64_C(1000000000)

#define CLEANUP_FREE __attribute__((cleanup(mem_cleanup_free)))
#define CLEANUP_CLOSE __attribute__((cleanup(mem_cleanup_close)))
#define SCOPE_LOCK(m) __attribute__((cleanup(mem_cleanup_unlock), unused)) pthread_mutex_t *scope_lock_ = mem_lock(m)

static inline void *mem_check(void *p) {
    if (!p) {
        fputs("assetfs-double: out of memory\n", stderr);
        abort();
    }
    return p;
}
static inline void *xcalloc(size_t n, size_t size) {
    return mem_check(calloc(n ? n : 1, size ? size : 1));
}
static inline void *xrealloc(void *p, size_t size) {
    return mem_check(realloc(p, size ? size : 1));
}
static inline char *xstrdup(const char *s) {
    return mem_check(strdup(s));
}
static inline char *xstrndup(const char *s, size_t n) {
    return mem_check(strndup(s, n));
}
__attribute__((format(printf, 1, 0))) static inline char *xvasprintf(const char *fmt, va_list ap) {
    char *s = NULL;
    return vasprintf(&s, fmt, ap) < 0 ? mem_check(NULL) : s;
}
__attribute__((format(printf, 1, 2))) static inline char *xasprintf(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *s = xvasprintf(fmt, ap);
    va_end(ap);
    return s;
}
/* A stream into memory: *p and *n are good after fclose(). */
static inline FILE *xmemstream(char **p, size_t *n) {
    return mem_check(open_memstream(p, n));
}

static inline void mem_cleanup_free(void *pp) {
    void *p;
    memcpy(&p, pp, sizeof p);
    free(p);
}
static inline void mem_cleanup_close(const int *fd) {
    if (*fd >= 0)
        close(*fd);
}
static inline pthread_mutex_t *mem_lock(pthread_mutex_t *m) {
    pthread_mutex_lock(m);
    return m;
}
static inline void mem_cleanup_unlock(pthread_mutex_t **m) {
    pthread_mutex_unlock(*m);
}
static inline char *mem_steal(char **p) {
    char *s = *p;
    *p = NULL;
    return s;
}

#endif
