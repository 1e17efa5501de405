/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * copy_file_range(2), and the clone ioctls of FICLONE.
 */
#include "posix.h"
#include <linux/fs.h>
#include <sys/ioctl.h>

static size_t copy_all(int in, off_t at_in, int out, off_t at_out, size_t n) {
    size_t done = 0;
    while (done < n) {
        ssize_t r = copy_file_range(in, &at_in, out, &at_out, n - done, 0);
        if (r <= 0)
            break;
        done += (size_t)r;
    }
    return done;
}

CASE(whole) {
    put_bytes("f", noise(3000000, 1), 3000000);
    int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR | O_CREAT, 0644));
    SEE(copy_all(in, 0, out, 0, 3000000));
    SEE_FILE("f");
    SEE_FILE("g");
    SEE_STAT("g");
    SEE(pwrite(out, "X", 1, 1500000));
    SEE_FILE("f");
    SEE_FILE("g");
}

CASE(ranges) {
    put_bytes("f", noise(300000, 1), 300000);
    put_bytes("g", noise(300000, 2), 300000);
    int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR));
    SEE(copy_all(in, 12345, out, 4321, 100000));
    SEE_FILE("g");
    SEE(copy_all(in, 100000, out, 290000, 50000));
    SEE_FILE("g");
    SEE(copy_all(in, 290000, out, 400000, 50000));
    SEE_FILE("g");
    SEE(copy_all(in, 0, out, 0, 10));
    SEE_STAT("g");
}

CASE(by_position) {
    put("f", "0123456789");
    int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR | O_CREAT, 0644));
    SEE(lseek(in, 2, SEEK_SET));
    SEE(copy_file_range(in, NULL, out, NULL, 4, 0));
    SEE(lseek(in, 0, SEEK_CUR));
    SEE(lseek(out, 0, SEEK_CUR));
    SEE(copy_file_range(in, NULL, out, NULL, 1000, 0));
    SEE(copy_file_range(in, NULL, out, NULL, 1000, 0));
    SEE_FILE("g");
}

CASE(within_a_file) {
    put("f", "0123456789");
    int fd = (int)MUST(open("f", O_RDWR));
    SEE(copy_file_range(fd, &(off_t){0}, fd, &(off_t){7}, 3, 0));
    SEE_FILE("f");
    SEE(copy_file_range(fd, &(off_t){0}, fd, &(off_t){2}, 5, 0));
    SEE(copy_file_range(fd, &(off_t){0}, fd, &(off_t){20}, 5, 0));
    SEE_FILE("f");
}

CASE(what_was_just_written) {
    int in = (int)MUST(open("f", O_RDWR | O_CREAT, 0644)), out = (int)MUST(open("g", O_RDWR | O_CREAT, 0644));
    MUST(write(in, "first", 5));
    SEE(copy_all(in, 0, out, 0, 5));
    MUST(pwrite(in, "F", 1, 0));
    SEE(copy_all(in, 0, out, 5, 5));
    SEE_FILE("g");
    MUST(fsync(in));
    int third = (int)MUST(open("h", O_RDWR | O_CREAT, 0644));
    SEE(copy_all(in, 0, third, 0, 5));
    SEE_FILE("h");
}

CASE(moves_times) {
    put("f", "0123456789");
    put("g", "");
    int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR));
    struct seen f = look("f"), g = look("g");
    SEE(copy_all(in, 0, out, 0, 10));
    SEE_MOVED(g);
    struct stat st = stat_of("f");
    CHECK(same_ns(f.st.st_mtim, st.st_mtim) && same_ns(f.st.st_ctim, st.st_ctim));
}

/* The times that were set before stay, those that are set after win. */
CASE(times_set_after) {
    put("f", "0123456789");
    int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR | O_CREAT, 0644));
    SEE(copy_all(in, 0, out, 0, 10));
    SEE(futimens(out, (struct timespec[]){{1, 2}, {3, 4}}));
    MUST(close(out));
    struct stat st = stat_of("g");
    CHECK(st.st_mtim.tv_sec == 3 && st.st_mtim.tv_nsec == 4 && st.st_size == 10);
}

CASE(onto_what_is_longer) {
    put("f", "0123");
    put("g", "abcdefgh");
    int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR));
    SEE(copy_all(in, 0, out, 0, 4));
    SEE_FILE("g");
}

CASE(nothing_to_copy) {
    put("f", "0123456789");
    put("g", "");
    int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR));
    SEE(copy_file_range(in, NULL, out, NULL, 0, 0));
    SEE(copy_file_range(in, &(off_t){10}, out, NULL, 5, 0));
    SEE(copy_file_range(in, &(off_t){1000}, out, NULL, 5, 0));
    SEE_STAT("g");
    int empty = (int)MUST(open("e", O_RDWR | O_CREAT, 0644));
    SEE(copy_file_range(empty, NULL, out, NULL, 100, 0));
    SEE_STAT("g");
}

CASE(what_cannot_be_done) {
    put("f", "0123456789");
    put("g", "");
    MUST(mkdir("d", 0755));
    int in = (int)MUST(open("f", O_RDONLY)), wo = (int)MUST(open("f", O_WRONLY)),
        out = (int)MUST(open("g", O_RDWR));
    int ap = (int)MUST(open("g", O_WRONLY | O_APPEND)), d = (int)MUST(open("d", O_RDONLY)), p[2];
    MUST(pipe(p));
    SEE(copy_file_range(in, NULL, out, NULL, 5, 1));
    SEE(copy_file_range(wo, NULL, out, NULL, 5, 0));
    SEE(copy_file_range(out, NULL, in, NULL, 5, 0));
    SEE(copy_file_range(in, NULL, ap, NULL, 5, 0));
    SEE(copy_file_range(d, NULL, out, NULL, 5, 0));
    SEE(copy_file_range(in, NULL, p[1], NULL, 5, 0));
    SEE(copy_file_range(in, &(off_t){-1}, out, NULL, 5, 0));
    SEE_STAT("g");
}

CASE(clone) {
    put("f", "0123456789");
    int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR | O_CREAT, 0644));
    SEE(ioctl(out, FICLONE, in));
    SEE_STAT("g");
}

ROOT_CASE(clears_setuid) {
    put("f", "0123456789");
    put("g", "");
    MUST(chown("g", ANN, GROUP));
    MUST(chmod("g", 06777));
    AS_USER(ANN, GROUP) {
        int in = (int)MUST(open("f", O_RDONLY)), out = (int)MUST(open("g", O_RDWR));
        SEE(copy_all(in, 0, out, 0, 10));
        SEE_STAT("g");
    }
}
