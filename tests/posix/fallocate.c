/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fallocate(2): room, holes, zeros.
 */
#include "posix.h"

#define MIB (1 << 20)

static int patterned(void) {
    put_bytes("f", noise(3 * MIB, 5), 3 * MIB);
    return (int)MUST(open("f", O_RDWR));
}

/* Whether [off, off+n) is zeros, and the rest of the 3 MiB is as it was. */
static bool zeros_only_at(int fd, size_t off, size_t n) {
    unsigned char *want = noise(3 * MIB, 5), *got = malloc(3 * MIB);
    memset(want + off, 0, n);
    return pread(fd, got, 3 * MIB, 0) == 3 * MIB && memcmp(want, got, 3 * MIB) == 0;
}

CASE(extends) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(fallocate(fd, 0, 0, 10000));
    SEE_FILE("f");
    SEE(fallocate(fd, 0, 5000, 5000));
    SEE_FSTAT(fd);
    SEE(fallocate(fd, 0, 20000, 1));
    SEE_FILE("f");
    CHECK(stat_of("f").st_blocks > 0);
}

CASE(keeps_the_size) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR));
    struct seen f = look("f");
    SEE(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, MIB));
    SEE_FSTAT(fd);
    SEE_MOVED(f);
    SEE_FILE("f");
    SEE(write(fd, "xyz", 3));
    SEE(pwrite(fd, "end", 3, 1000));
    SEE_FILE("f");
}

CASE(moves_times) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR));
    struct seen f = look("f");
    SEE(fallocate(fd, 0, 0, 10000));
    SEE_MOVED(f);
    f = look("f");
    SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    SEE_MOVED(f);
    f = look("f");
    SEE(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096));
    SEE_MOVED(f);
    f = look("f");
    SEE(fallocate(fd, 0, 0, 5000));
    SEE_MOVED(f);
}

CASE(posix_fallocate_is_the_same) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR));
    SEE(posix_fallocate(fd, 0, 5000));
    SEE(posix_fallocate(fd, 0, 0));
    SEE(posix_fallocate(fd, -1, 1));
    SEE_FILE("f");
}

CASE(punches) {
    int fd = patterned();
    SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, MIB));
    CHECK(zeros_only_at(fd, MIB, MIB));
    SEE_FSTAT(fd);
    CHECK(stat_of("f").st_blocks <= 2 * MIB / 512 + 64);
    fd = patterned();
    SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 2000001));
    CHECK(zeros_only_at(fd, 1000, 2000001));
    fd = patterned();
    SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * MIB, 100 * (off_t)MIB));
    CHECK(zeros_only_at(fd, 2 * MIB, MIB));
    SEE_FSTAT(fd);
    SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 50 * MIB, MIB));
    SEE_FSTAT(fd);
    SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, MIB));
}

CASE(zeroes) {
    int fd = patterned();
    SEE(fallocate(fd, FALLOC_FL_ZERO_RANGE, 12345, MIB));
    CHECK(zeros_only_at(fd, 12345, MIB));
    SEE(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 3 * MIB - 10, 1000));
    SEE_FSTAT(fd);
    SEE(fallocate(fd, FALLOC_FL_ZERO_RANGE, 3 * MIB - 10, 1000));
    SEE_FSTAT(fd);
    char p[1200];
    SEE(pread(fd, p, sizeof p, 3 * MIB - 10));
    SEE_BYTES(p, 1000);
}

CASE(what_cannot_be_done) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR)), ro = (int)MUST(open("f", O_RDONLY)), p[2];
    MUST(mkdir("d", 0755));
    MUST(pipe(p));
    SEE(fallocate(fd, 0, 0, 0));
    SEE(fallocate(fd, 0, -1, 10));
    SEE(fallocate(fd, 0, 0, -1));
    SEE(fallocate(fd, 0, INT64_MAX, 10));
    SEE(fallocate(ro, 0, 0, 10));
    SEE(fallocate(p[1], 0, 0, 10));
    SEE(fallocate((int)MUST(open("d", O_RDONLY)), 0, 0, 10));
    SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 10));
    SEE(fallocate(fd, 0x4000, 0, 10));
    SEE_FILE("f");
}

CASE(collapses_and_inserts) {
    int fd = patterned();
    SEE(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, MIB));
    SEE(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, MIB));
    SEE_FSTAT(fd);
}

ROOT_CASE(clears_setuid) {
    put("f", "abc");
    MUST(chown("f", ANN, GROUP));
    MUST(chmod("f", 06755));
    AS_USER(ANN, GROUP) {
        int fd = (int)MUST(open("f", O_RDWR));
        SEE(fallocate(fd, 0, 0, 100));
        SEE_STAT("f");
    }
}
