/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * write(2), pwrite(2), writev(2), read(2): offsets, ends, appending, limits.
 */
#include "posix.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

CASE(at_offsets) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(write(fd, "abcdef", 6));
    SEE(pwrite(fd, "XY", 2, 1));
    SEE(lseek(fd, 0, SEEK_CUR));
    SEE(write(fd, "g", 1));
    SEE(pwrite(fd, "Z", 1, 20));
    SEE_FILE("f");
    SEE_STAT("f");
    SEE(pwrite(fd, "Z", 1, -1));
}

CASE(over_what_is_there) {
    put("f", "0123456789");
    int fd = (int)MUST(open("f", O_WRONLY));
    SEE(write(fd, "abc", 3));
    SEE_FILE("f");
    SEE(pwrite(fd, "XYZ", 3, 8));
    SEE_FILE("f");
}

CASE(moves_times) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR));
    struct seen f = look("f"), dir = look(".");
    SEE(pwrite(fd, "x", 1, 0));
    SEE_MOVED(f);
    SEE_MOVED(dir);
    f = look("f");
    MUST(close(fd));
    SEE_MOVED(f);
    fd = (int)MUST(open("f", O_RDWR));
    SEE_MOVED(f);
    SEE(pwrite(fd, "x", 0, 0));
    SEE_MOVED(f);
}

CASE(nothing) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(write(fd, "", 0));
    SEE(pwrite(fd, "", 0, 100));
    SEE_STAT("f");
    int ro = (int)MUST(open("f", O_RDONLY));
    SEE(write(ro, "", 0));
}

CASE(reads_end_at_the_end) {
    put("f", "abcdef");
    int fd = (int)MUST(open("f", O_RDONLY));
    char p[100] = "";
    SEE(read(fd, p, 100));
    SEE(read(fd, p, 100));
    SEE(pread(fd, p, 100, 4));
    SEE_BYTES(p, 2);
    SEE(pread(fd, p, 100, 6));
    SEE(pread(fd, p, 100, 1000000));
    SEE(pread(fd, p, 100, -1));
    SEE(pread(fd, p, 0, 0));
}

CASE(vectors) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    struct iovec w[] = {{(void *)"one ", 4}, {(void *)"", 0}, {(void *)"two", 3}};
    char a[2], b[10];
    struct iovec r[] = {{a, 2}, {b, 10}};
    SEE(writev(fd, w, 3));
    SEE(pwritev(fd, w, 1, 7));
    SEE(preadv(fd, r, 2, 1));
    SEE_BYTES(a, 2);
    SEE_BYTES(b, 8);
    SEE(pwritev2(fd, w, 1, 0, RWF_APPEND));
    SEE_FILE("f");
}

CASE(appends) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR | O_APPEND)), other = (int)MUST(open("f", O_WRONLY));
    SEE(write(fd, "d", 1));
    SEE(lseek(fd, 0, SEEK_CUR));
    SEE(lseek(fd, 0, SEEK_SET));
    SEE(write(fd, "e", 1));
    SEE(pwrite(other, "0123456789", 10, 0));
    SEE(write(fd, "f", 1));
    SEE(pwrite(fd, "g", 1, 0)); /* Linux appends all the same */
    SEE_FILE("f");
    SEE(ftruncate(fd, 2));
    SEE(write(fd, "h", 1));
    SEE_FILE("f");
}

/* Every line of every process is there once, in one piece, and those of one process are in their order. */
CASE(appends_from_several_processes) {
    enum { PROCESSES = 6, LINES = 100, WIDTH = 40 };
    pid_t pids[PROCESSES];
    put("log", "");
    for (int k = 0; k < PROCESSES; k++)
        if ((pids[k] = (pid_t)MUST(fork())) == 0) {
            int fd = (int)MUST(open("log", O_WRONLY | O_APPEND));
            for (int i = 0; i < LINES; i++) {
                char line[2 * WIDTH];
                snprintf(line, sizeof line, "%d %-*d\n", k, WIDTH - 3, i);
                MUST(write(fd, line, WIDTH));
            }
            _exit(0);
        }
    for (int k = 0; k < PROCESSES; k++) {
        int status;
        MUST(waitpid(pids[k], &status, 0));
        CHECK(status == 0);
    }
    SEE_STAT("log");
    int next[PROCESSES] = {0}, wrong = 0;
    FILE *f = fopen("log", "r");
    for (int k, i; fscanf(f, "%d %d", &k, &i) == 2;)
        if (k < 0 || k >= PROCESSES || next[k]++ != i)
            wrong++;
    SEE(wrong);
    for (int k = 0; k < PROCESSES; k++)
        CHECK(next[k] == LINES);
}

CASE(large) {
    size_t n = 5u << 20;
    unsigned char *p = noise(n, 1), *q = malloc(n);
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(write(fd, p, n));
    SEE(pread(fd, q, n, 0));
    CHECK(memcmp(p, q, n) == 0);
    SEE(pwrite(fd, p, 3000001, 1234567));
    memcpy(p + 1234567, noise(n, 1), 3000001);
    SEE(pread(fd, q, n, 0));
    CHECK(memcmp(p, q, n) == 0);
    SEE_STAT("f");
}

/* Each at the same place as another handle's. */
CASE(seen_by_other_descriptors_at_once) {
    put("f", "");
    int a = (int)MUST(open("f", O_RDWR)), b = (int)MUST(open("f", O_RDWR)),
        r = (int)MUST(open("f", O_RDONLY));
    char p[8] = "";
    SEE(write(a, "aaa", 3));
    SEE(pread(r, p, 8, 0));
    SEE(write(b, "b", 1));
    SEE(pread(r, p, 8, 0));
    SEE_BYTES(p, 3);
    SEE(ftruncate(b, 2));
    SEE(pread(a, p, 8, 0));
    SEE_FSTAT(r);
}

CASE(limit_of_the_process) {
    signal(SIGXFSZ, SIG_IGN);
    MUST(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, 1000}));
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(pwrite(fd, "x", 1, 998));
    SEE(pwrite(fd, "xyz", 3, 999));
    SEE(pwrite(fd, "x", 1, 1000));
    SEE(ftruncate(fd, 1001));
    SEE_STAT("f");
}

CASE(synchronous) {
    int fd = SEE_FD(open("f", O_WRONLY | O_CREAT | O_SYNC, 0644));
    SEE(write(fd, "abc", 3));
    int dsync = SEE_FD(open("f", O_WRONLY | O_DSYNC));
    SEE(pwrite(dsync, "X", 1, 1));
    SEE_FILE("f");
}

CASE(splice_and_sendfile) {
    put("from", "through a pipe");
    int from = (int)MUST(open("from", O_RDONLY)), to = (int)MUST(open("to", O_RDWR | O_CREAT, 0644)), p[2];
    MUST(pipe(p));
    SEE(splice(from, NULL, p[1], NULL, 100, 0));
    SEE(splice(p[0], NULL, to, NULL, 14, 0));
    SEE_FILE("to");
    off_t at = 8;
    SEE(sendfile(to, from, &at, 100));
    SEE_FILE("to");
}

CASE(read_moves_no_mtime) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDONLY));
    struct seen f = look("f");
    char c;
    SEE(read(fd, &c, 1));
    struct stat st = stat_of("f");
    CHECK(same_ns(st.st_mtim, f.st.st_mtim));
    CHECK(same_ns(st.st_ctim, f.st.st_ctim));
}

/* Whoever may not set suid loses it by writing; root keeps it. */
ROOT_CASE(clears_setuid) {
    put("f", "abc");
    put("g", "abc");
    put("h", "abc");
    for (const char *f = "fgh"; *f; f++) {
        char path[] = {*f, '\0'};
        MUST(chown(path, ANN, GROUP));
        MUST(chmod(path, *f == 'h' ? 06745 : 06755));
    }
    AS_USER(ANN, GROUP) {
        int fd = (int)MUST(open("f", O_RDWR));
        SEE_STAT("f");
        SEE(pwrite(fd, "x", 1, 0));
        SEE_STAT("f");
        fd = (int)MUST(open("h", O_RDWR));
        SEE(pwrite(fd, "x", 1, 0));
    }
    SEE_STAT("f");
    SEE_STAT("h");
    int fd = (int)MUST(open("g", O_RDWR));
    SEE(pwrite(fd, "x", 1, 0));
    SEE_STAT("g");
}
