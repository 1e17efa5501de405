/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base.h"
#include <stdarg.h>

/* Nothing here may allocate, and buffered output could. */
static _Noreturn void out_of_memory(void) {
    static const char message[] = "assetfs: out of memory\n";
    ssize_t r = write(STDERR_FILENO, message, sizeof message - 1);
    (void)r;
    abort();
}

static void *check(void *p) {
    if (!p)
        out_of_memory();
    return p;
}

/* Zero bytes are asked for as one: malloc(0) may answer NULL. */
void *xmalloc(size_t size) {
    return check(malloc(MAX(size, 1)));
}

void *xcalloc(size_t n, size_t size) {
    return check(calloc(MAX(n, 1), MAX(size, 1)));
}

void *xrealloc(void *p, size_t size) {
    return check(realloc(p, MAX(size, 1)));
}

char *xstrdup(const char *s) {
    return check(strdup(s));
}

char *xstrndup(const char *s, size_t n) {
    return check(strndup(s, n));
}

void *xmemdup(const void *p, size_t n) {
    void *copy = xmalloc(n);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

char *xasprintf(const char *fmt, ...) {
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    return s;
}

void cleanup_free(void *pp) {
    void *p;
    memcpy(&p, pp, sizeof p);
    free(p);
}

/* The error of the function that is being left stays in errno. */
void cleanup_close(int *fd) {
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

void cleanup_unlock(pthread_mutex_t **m) {
    pthread_mutex_unlock(*m);
}
