/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mmap(2), msync(2): memory that is a file.
 */
#include "posix.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define PAGE 4096u

static char *map(int fd, size_t n, int prot, int flags) {
    char *p = mmap(NULL, n, prot, flags, fd, 0);
    MUST(p == MAP_FAILED ? -1 : 0);
    return p;
}

static int pages(const char *path, size_t n) {
    int fd = (int)MUST(open(path, O_RDWR | O_CREAT, 0644));
    MUST(ftruncate(fd, (off_t)(n * PAGE)));
    return fd;
}

CASE(shared) {
    int fd = pages("f", 3);
    char *p = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), q[8] = "";
    memcpy(p, "first", 5);
    memcpy(p + 2 * PAGE - 2, "edge", 4);
    SEE(pread(fd, q, 5, 0));
    SEE_BYTES(q, 5);
    SEE(pwrite(fd, "written", 7, PAGE));
    SEE_BYTES(p + PAGE, 7);
    SEE(msync(p, 3 * PAGE, MS_SYNC));
    IN_CHILD {
        SEE_FILE("f");
    }
    SEE(munmap(p, 3 * PAGE));
    SEE_FILE("f");
}

CASE(private) {
    put_bytes("f", noise(2 * PAGE, 1), 2 * PAGE);
    int fd = (int)MUST(open("f", O_RDONLY));
    char *p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    CHECK(memcmp(p, noise(2 * PAGE, 1), 2 * PAGE) == 0);
    memset(p, 'x', PAGE);
    SEE(msync(p, PAGE, MS_SYNC));
    SEE_FILE("f");
}

CASE(protection) {
    put("f", "abc");
    int ro = (int)MUST(open("f", O_RDONLY)), wo = (int)MUST(open("f", O_WRONLY)),
        rw = (int)MUST(open("f", O_RDWR));
    SEE(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED ? -1 : 0);
    SEE(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0) == MAP_FAILED ? -1 : 0);
    SEE(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0) == MAP_FAILED ? -1 : 0);
    SEE(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0) == MAP_FAILED ? -1 : 0);
    SEE(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, ro, 0) == MAP_FAILED ? -1 : 0);
    SEE(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 1) == MAP_FAILED ? -1 : 0);
    SEE(mmap(NULL, 0, PROT_READ, MAP_SHARED, ro, 0) == MAP_FAILED ? -1 : 0);
    MUST(mkdir("d", 0755));
    SEE(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, (int)MUST(open("d", O_RDONLY)), 0) == MAP_FAILED ? -1 : 0);
}

/* After the end of the file there are zeros to the end of the page, and what is written there is not the
 * file's. */
CASE(the_last_page) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR));
    char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    SEE_BYTES(p, PAGE);
    memcpy(p, "ABCDE", 5);
    SEE(msync(p, PAGE, MS_SYNC));
    SEE_FILE("f");
    SEE_STAT("f");
    SEE(munmap(p, PAGE));
    SEE(ftruncate(fd, 10));
    SEE_FILE("f");
}

static sigjmp_buf out;
static void on_bus(int sig) {
    (void)sig;
    siglongjmp(out, 1);
}

static bool touch_faults(volatile char *p) {
    if (sigsetjmp(out, 1))
        return true;
    (void)*p;
    return false;
}

CASE(beyond_the_end) {
    struct sigaction sa = {.sa_handler = on_bus};
    sigaction(SIGBUS, &sa, NULL);
    int fd = pages("f", 2);
    char *p = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    SEE(touch_faults(p + PAGE));
    SEE(touch_faults(p + 2 * PAGE));
    SEE(ftruncate(fd, PAGE));
    SEE(touch_faults(p));
    SEE(touch_faults(p + PAGE));
    SEE(ftruncate(fd, 4 * PAGE));
    SEE(touch_faults(p + 3 * PAGE));
}

CASE(cut_and_extended_while_mapped) {
    put_bytes("f", noise(3 * PAGE, 1), 3 * PAGE);
    int fd = (int)MUST(open("f", O_RDWR));
    char *p = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    p[2 * PAGE] = 'x';
    SEE(ftruncate(fd, PAGE + 10));
    SEE(ftruncate(fd, 3 * PAGE));
    SEE_BYTES(p + PAGE + 10, 2 * PAGE - 10);
    SEE_FILE("f");
}

CASE(holes) {
    int fd = pages("f", 600);
    char *p = map(fd, 600 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    p[300 * PAGE] = 'x';
    SEE(msync(p, 600 * PAGE, MS_SYNC));
    SEE_BYTES(p, 600 * PAGE);
    SEE_FILE("f");
}

CASE(moves_mtime) {
    put_bytes("f", noise(PAGE, 1), PAGE);
    int fd = (int)MUST(open("f", O_RDWR));
    char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    struct seen f = look("f");
    p[0] = 'x';
    SEE(msync(p, PAGE, MS_SYNC));
    struct stat st = stat_of("f");
    CHECK(!same_ns(st.st_mtim, f.st.st_mtim));
    CHECK(!same_ns(st.st_ctim, f.st.st_ctim));
}

CASE(after_close_and_unlink) {
    int fd = pages("f", 2);
    char *p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    MUST(link("f", "g"));
    MUST(close(fd));
    memcpy(p, "after close", 11);
    SEE(unlink("f"));
    memcpy(p + PAGE, "after unlink", 12);
    SEE(munmap(p, 2 * PAGE));
    SEE_FILE("g");
    fd = pages("h", 1);
    p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    MUST(close(fd));
    MUST(unlink("h"));
    memcpy(p, "nobody", 6);
    SEE(msync(p, PAGE, MS_SYNC));
    SEE_BYTES(p, 6);
}

CASE(between_processes) {
    int fd = pages("f", 1);
    char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    IN_CHILD {
        int own = (int)MUST(open("f", O_RDWR));
        memcpy(map(own, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), "from the child", 14);
    }
    SEE_BYTES(p, 14);
    IN_CHILD {
        int own = (int)MUST(open("f", O_RDWR));
        SEE(pwrite(own, "FROM", 4, 0));
    }
    SEE_BYTES(p, 14);
}

CASE(what_other_calls_change) {
    put_bytes("f", noise(2 * PAGE, 1), 2 * PAGE);
    put_bytes("g", noise(2 * PAGE, 2), 2 * PAGE);
    int fd = (int)MUST(open("f", O_RDWR)), g = (int)MUST(open("g", O_RDONLY));
    char *p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    SEE_BYTES(p, 2 * PAGE);
    SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
    SEE_BYTES(p, 2 * PAGE);
    SEE(copy_file_range(g, &(off_t){0}, fd, &(off_t){100}, PAGE, 0));
    SEE_BYTES(p, 2 * PAGE);
    SEE(fallocate(fd, FALLOC_FL_ZERO_RANGE, PAGE, PAGE));
    SEE_BYTES(p, 2 * PAGE);
    p[0] = 'm';
    SEE_FILE("f");
}

CASE(large) {
    size_t n = 9u << 20;
    unsigned char *want = noise(n, 4);
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    MUST(ftruncate(fd, (off_t)n));
    char *p = map(fd, n, PROT_READ | PROT_WRITE, MAP_SHARED);
    memcpy(p, want, n);
    SEE(munmap(p, n));
    MUST(close(fd));
    put_bytes("same", want, n);
    SEE_FILE("f");
    SEE_FILE("same");
}
