/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * lseek(2), SEEK_DATA and SEEK_HOLE among its ways; files with holes; very large offsets.
 */
#include "posix.h"

#define MIB ((off_t)1 << 20)

CASE(set_cur_end) {
    put("f", "0123456789");
    int fd = (int)MUST(open("f", O_RDWR));
    SEE(lseek(fd, 3, SEEK_SET));
    SEE(lseek(fd, 2, SEEK_CUR));
    SEE(lseek(fd, -1, SEEK_END));
    SEE(lseek(fd, 100, SEEK_END));
    SEE(lseek(fd, -1, SEEK_SET));
    SEE(lseek(fd, -1000, SEEK_CUR));
    SEE(lseek(fd, 0, SEEK_CUR));
    SEE(lseek(fd, 0, 42));
    SEE(write(fd, "x", 1));
    SEE_FILE("f");
}

CASE(end_as_others_move_it) {
    put("f", "0123456789");
    int fd = (int)MUST(open("f", O_RDWR)), other = (int)MUST(open("f", O_RDWR));
    SEE(pwrite(other, "x", 1, 99));
    SEE(lseek(fd, 0, SEEK_END));
    SEE(ftruncate(other, 5));
    SEE(lseek(fd, 0, SEEK_END));
}

CASE(data_without_holes) {
    put_bytes("f", noise(100000, 1), 100000);
    int fd = (int)MUST(open("f", O_RDONLY));
    SEE(lseek(fd, 0, SEEK_DATA));
    SEE(lseek(fd, 0, SEEK_HOLE));
    SEE(lseek(fd, 50000, SEEK_DATA));
    SEE(lseek(fd, 50000, SEEK_HOLE));
    SEE(lseek(fd, 99999, SEEK_DATA));
    SEE(lseek(fd, 100000, SEEK_DATA));
    SEE(lseek(fd, 100000, SEEK_HOLE));
    SEE(lseek(fd, 100001, SEEK_HOLE));
    SEE(lseek(fd, -1, SEEK_DATA));
    put("empty", "");
    fd = (int)MUST(open("empty", O_RDONLY));
    SEE(lseek(fd, 0, SEEK_DATA));
    SEE(lseek(fd, 0, SEEK_HOLE));
}

CASE(holes) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    unsigned char *p = noise((size_t)MIB, 2);
    MUST(pwrite(fd, p, (size_t)MIB, 2 * MIB));
    MUST(pwrite(fd, p, (size_t)MIB, 6 * MIB));
    MUST(ftruncate(fd, 9 * MIB));
    SEE(lseek(fd, 0, SEEK_DATA));
    SEE(lseek(fd, 0, SEEK_HOLE));
    SEE(lseek(fd, 2 * MIB + 5, SEEK_DATA));
    SEE(lseek(fd, 2 * MIB + 5, SEEK_HOLE));
    SEE(lseek(fd, 3 * MIB, SEEK_DATA));
    SEE(lseek(fd, 6 * MIB, SEEK_HOLE));
    SEE(lseek(fd, 7 * MIB, SEEK_DATA));
    SEE(lseek(fd, 8 * MIB, SEEK_HOLE));
    SEE_FSTAT(fd);
    SEE_FILE("f");
    CHECK(stat_of("f").st_blocks >= 2 * MIB / 512 && stat_of("f").st_blocks <= 3 * MIB / 512);
}

CASE(punched_holes) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    MUST(pwrite(fd, noise(4 << 20, 2), 4 << 20, 0));
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, MIB));
    SEE(lseek(fd, 0, SEEK_HOLE));
    SEE(lseek(fd, MIB, SEEK_DATA));
    SEE(lseek(fd, 2 * MIB, SEEK_HOLE));
}

/* Whatever is told of holes: outside of what is called data there are only zeros, also once the file is
 * durable. */
CASE(holes_after_fsync) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    MUST(pwrite(fd, "data", 4, 3 * MIB));
    MUST(ftruncate(fd, 5 * MIB));
    SEE(fsync(fd));
    off_t data = lseek(fd, 0, SEEK_DATA), hole = lseek(fd, data, SEEK_HOLE);
    CHECK(data >= 0 && data <= 3 * MIB);
    CHECK(hole >= 3 * MIB + 4 && hole <= 5 * MIB);
    SEE_FILE("f");
}

CASE(large_offsets) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    static const off_t at[] = {((off_t)1 << 31) - 1, (off_t)1 << 32, ((off_t)1 << 39) + 12345,
                               ((off_t)1 << 40) - 4};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        char p[8] = "";
        SEE(pwrite(fd, "far", 3, at[i]));
        SEE(pread(fd, p, 3, at[i]));
        SEE_BYTES(p, 3);
        SEE_FSTAT(fd);
        SEE(lseek(fd, 0, SEEK_END));
    }
    SEE(lseek(fd, (off_t)1 << 33, SEEK_DATA) == at[2] / 4096 * 4096);
    CHECK(stat_of("f").st_blocks < 1000);
    char p[100];
    SEE(pread(fd, p, 100, (off_t)1 << 35));
    SEE_BYTES(p, 100);
    SEE(ftruncate(fd, ((off_t)1 << 40) - 1));
    SEE(pwrite(fd, "x", 1, INT64_MAX - 1));
    SEE(pwrite(fd, "x", 1, INT64_MAX));
    SEE(ftruncate(fd, INT64_MAX));
    SEE(ftruncate(fd, 0)); /* before it is closed: nobody shall hash this */
    SEE_FSTAT(fd);
}

CASE(directories_and_pipes) {
    MUST(mkdir("d", 0755));
    int d = (int)MUST(open("d", O_RDONLY)), p[2];
    MUST(pipe(p));
    SEE(lseek(d, 0, SEEK_SET));
    SEE(lseek(p[0], 0, SEEK_SET));
    SEE(lseek(d, -1, SEEK_SET));
}
