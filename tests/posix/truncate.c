/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * truncate(2), ftruncate(2).
 */
#include "posix.h"

CASE(shorter_and_longer) {
    put("f", "0123456789");
    SEE(truncate("f", 4));
    SEE_FILE("f");
    SEE(truncate("f", 12));
    SEE_FILE("f");
    SEE(truncate("f", 0));
    SEE_STAT("f");
    SEE(truncate("f", 5));
    SEE_FILE("f");
    int fd = (int)MUST(open("f", O_RDWR));
    SEE(pwrite(fd, "ab", 2, 0));
    SEE(ftruncate(fd, 1));
    SEE_FSTAT(fd);
    SEE(ftruncate(fd, 3));
    SEE_FILE("f");
}

/* What was cut off does not come back. */
CASE(across_blocks) {
    size_t n = 3000000;
    unsigned char *p = noise(n, 7);
    put_bytes("f", p, n);
    SEE(truncate("f", 1048577));
    SEE(truncate("f", 2500000));
    memset(p + 1048577, 0, n - 1048577);
    put_bytes("same", p, 2500000);
    SEE_FILE("f");
    SEE_FILE("same");
    SEE(truncate("f", 1048576));
    SEE(truncate("f", 1048580));
    SEE_FILE("f");
}

CASE(moves_times) {
    put("f", "abc");
    struct seen f = look("f"), dir = look(".");
    SEE(truncate("f", 1));
    SEE_MOVED(f);
    SEE_MOVED(dir);
    f = look("f");
    SEE(truncate("f", 10));
    SEE_MOVED(f);
}

CASE(to_the_same_size) {
    put("f", "abc");
    struct seen f = look("f");
    SEE(truncate("f", 3));
    SEE_MOVED(f);
    f = look("f");
    int fd = (int)MUST(open("f", O_RDWR));
    SEE(ftruncate(fd, 3));
    SEE_MOVED(f);
}

CASE(what_cannot_be_cut) {
    put("f", "abc");
    MUST(mkdir("d", 0755));
    MUST(mkfifo("fifo", 0644));
    MUST(symlink("f", "link"));
    MUST(symlink("nowhere", "dangling"));
    SEE(truncate("d", 0));
    SEE(truncate("fifo", 0));
    SEE(truncate("none", 0));
    SEE(truncate("f/x", 0));
    SEE(truncate("", 0));
    SEE(truncate("f", -1));
    SEE(truncate("link", 1));
    SEE(truncate("dangling", 1));
    SEE_FILE("f");
    int fd = (int)MUST(open("f", O_RDONLY));
    SEE(ftruncate(fd, 0));
    SEE(ftruncate(fd, -1));
    SEE_FILE("f");
}

CASE(unlinked) {
    put("f", "0123456789");
    int fd = (int)MUST(open("f", O_RDWR));
    MUST(unlink("f"));
    SEE(ftruncate(fd, 5));
    SEE(ftruncate(fd, 7));
    char p[8];
    SEE(pread(fd, p, 8, 0));
    SEE_BYTES(p, 7);
}

CASE(while_open_elsewhere) {
    put("f", "0123456789");
    int fd = (int)MUST(open("f", O_RDWR));
    char p[16];
    SEE(read(fd, p, 4));
    SEE(truncate("f", 2));
    SEE(read(fd, p, 4));
    SEE(write(fd, "x", 1));
    SEE_FILE("f");
}

ROOT_CASE(permissions) {
    put("f", "abc");
    put("g", "abc");
    MUST(chown("f", ANN, GROUP));
    MUST(chmod("f", 0400));
    MUST(chmod("g", 0666));
    AS_USER(ANN, GROUP) {
        SEE(truncate("f", 0));
        SEE(truncate("g", 1));
    }
    AS_USER(BOB, GROUP) {
        SEE(truncate("f", 0));
    }
    SEE_FILE("f");
    SEE_FILE("g");
}

ROOT_CASE(clears_setuid) {
    put("f", "abc");
    put("g", "abc");
    put("h", "abc");
    MUST(chown("f", ANN, GROUP));
    MUST(chown("h", ANN, GROUP));
    MUST(chmod("f", 06755));
    MUST(chmod("g", 06755));
    MUST(chmod("h", 06755));
    AS_USER(ANN, GROUP) {
        SEE(truncate("f", 1));
        SEE_STAT("f");
        SEE_FD(open("h", O_WRONLY | O_TRUNC));
        SEE_STAT("h");
    }
    SEE(truncate("g", 1));
    SEE_STAT("g");
}
