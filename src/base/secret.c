/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/secret.h"
#include <fcntl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

void secret_free(char *s) {
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    free(s);
}

void secret_release(void *p) {
    if (p)
        OPENSSL_cleanse(p, malloc_usable_size(p));
    free(p);
}

void *secret_realloc(void *p, size_t n) {
    void *ret = malloc(n);
    if (ret && p) {
        memcpy(ret, p, MIN(n, malloc_usable_size(p)));
        secret_release(p);
    }
    return ret;
}

/* Up to the end of the file, whatever its size was said to be. */
static int read_all(int fd, char *p, size_t max, size_t *ret_len) {
    size_t len = 0;
    while (len <= max) {
        ssize_t n = read(fd, p + len, max + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_len = len;
    return len > max ? -EFBIG : 0;
}

int secret_load(const char *path, size_t max, bool trim, char **ret, size_t *ret_len) {
    struct stat st;
    size_t len = 0;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    char *p = xmalloc(max + 2);
    int r = read_all(fd, p, max, &len);
    while (r == 0 && trim && len > 0 && strchr(" \t\r\n", p[len - 1]) && p[len - 1])
        len--;
    if (r == 0 && len == 0)
        r = -ENODATA;
    if (r < 0) {
        secret_release(p);
        return r;
    }
    p[len] = '\0';
    *ret = p;
    *ret_len = len;
    return 0;
}
