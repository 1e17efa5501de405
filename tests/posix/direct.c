/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * O_DIRECT: past the page cache, and yet the same file.
 */
#include "posix.h"

#define ALIGNED 4096
#define N ((size_t)256 * 1024)

static char *aligned(unsigned seed) {
    void *p;
    if (posix_memalign(&p, ALIGNED, N))
        abort();
    memcpy(p, noise(N, seed), N);
    return p;
}

CASE(writes_and_reads) {
    char *p = aligned(1), *q = aligned(2);
    int fd = SEE_FD(open("f", O_RDWR | O_CREAT | O_DIRECT, 0644));
    SEE(pwrite(fd, p, N, 0));
    SEE(pread(fd, q, N, 0));
    CHECK(memcmp(p, q, N) == 0);
    SEE_FILE("f");
    SEE(pwrite(fd, p, 8192, 4096));
    SEE(pread(fd, q, N, N - 4096));
    SEE(pread(fd, q, N, N));
    SEE_STAT("f");
}

/* Beside a descriptor that goes through the cache. */
CASE(coherent_with_the_cache) {
    char *p = aligned(1), *q = aligned(2);
    int direct = (int)MUST(open("f", O_RDWR | O_CREAT | O_DIRECT, 0644)),
        cached = (int)MUST(open("f", O_RDWR));
    SEE(pwrite(cached, p, N, 0));
    SEE(pread(direct, q, N, 0));
    CHECK(memcmp(p, q, N) == 0);
    memset(p, 'x', 8192);
    SEE(pread(cached, q, N, 0));
    SEE(pwrite(direct, p, 8192, 8192));
    SEE(pread(cached, q, N, 0));
    SEE_BYTES(q + 8192, 8192);
    SEE(ftruncate(cached, 10000));
    SEE(pread(direct, q, 16384, 0));
}

CASE(appends) {
    char *p = aligned(1);
    int fd = SEE_FD(open("f", O_WRONLY | O_CREAT | O_APPEND | O_DIRECT, 0644));
    SEE(write(fd, p, 4096));
    SEE(write(fd, p, 8192));
    SEE_FILE("f");
}

CASE(switched_on_later) {
    char *p = aligned(1);
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(fcntl(fd, F_SETFL, O_DIRECT));
    SEE(pwrite(fd, p, 4096, 0));
    SEE(fcntl(fd, F_SETFL, 0));
    SEE(pwrite(fd, p, 10, 4096));
    SEE_FILE("f");
}
