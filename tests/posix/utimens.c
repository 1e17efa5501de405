/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * utimensat(2), futimens(3).
 */
#include "posix.h"

#define AT(a, b, c, d) ((struct timespec[]){{a, b}, {c, d}})

static bool has(const char *path, time_t atime, long ans, time_t mtime, long mns) {
    struct stat st = stat_of(path);
    return st.st_atim.tv_sec == atime && st.st_atim.tv_nsec == ans && st.st_mtim.tv_sec == mtime &&
           st.st_mtim.tv_nsec == mns;
}

CASE(to_the_nanosecond) {
    put("f", "F");
    SEE(utimensat(AT_FDCWD, "f", AT(1234567890, 123456789, 987654321, 1), 0));
    CHECK(has("f", 1234567890, 123456789, 987654321, 1));
    SEE(utimensat(AT_FDCWD, "f", AT(0, 0, 0, 999999999), 0));
    CHECK(has("f", 0, 0, 0, 999999999));
    SEE(utimensat(AT_FDCWD, "f", AT(-1, 5, -14182940, 250000000), 0));
    CHECK(has("f", -1, 5, -14182940, 250000000));
    SEE(utimensat(AT_FDCWD, "f", AT(4294967296, 7, 9000000000, 8), 0));
    CHECK(has("f", 4294967296, 7, 9000000000, 8));
    SEE_FILE("f");
}

CASE(now_and_omit) {
    put("f", "F");
    MUST(utimensat(AT_FDCWD, "f", AT(1, 2, 3, 4), 0));
    struct seen f = look("f");
    SEE(utimensat(AT_FDCWD, "f", AT(5, UTIME_OMIT, 6, 7), 0));
    CHECK(has("f", 1, 2, 6, 7));
    SEE(utimensat(AT_FDCWD, "f", AT(8, 9, 10, UTIME_OMIT), 0));
    CHECK(has("f", 8, 9, 6, 7));
    SEE_MOVED(f);
    f = look("f");
    SEE(utimensat(AT_FDCWD, "f", AT(0, UTIME_OMIT, 0, UTIME_OMIT), 0));
    SEE_MOVED(f);
    SEE(utimensat(AT_FDCWD, "f", AT(0, UTIME_OMIT, 0, UTIME_NOW), 0));
    SEE_MOVED(f);
    SEE(utimensat(AT_FDCWD, "f", AT(0, UTIME_NOW, 0, UTIME_OMIT), 0));
    SEE_MOVED(f);
    f = look("f");
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME_COARSE, &before);
    SEE(utimensat(AT_FDCWD, "f", NULL, 0));
    clock_gettime(CLOCK_REALTIME, &after);
    SEE_MOVED(f);
    struct stat st = stat_of("f");
    CHECK(same_ns(st.st_atim, st.st_mtim));
    CHECK(st.st_mtim.tv_sec >= before.tv_sec && st.st_mtim.tv_sec <= after.tv_sec);
}

CASE(moves_ctime) {
    put("f", "F");
    MUST(mkdir("d", 0755));
    struct seen f = look("f"), d = look("d"), dir = look(".");
    struct timespec same[] = {f.st.st_atim, f.st.st_mtim};
    SEE(utimensat(AT_FDCWD, "f", same, 0));
    SEE_MOVED(f);
    SEE(utimensat(AT_FDCWD, "d", AT(1, 2, 3, 4), 0));
    SEE_MOVED(d);
    SEE_MOVED(dir);
}

CASE(what_cannot_be_set) {
    put("f", "F");
    MUST(symlink("nowhere", "dangling"));
    SEE(utimensat(AT_FDCWD, "none", NULL, 0));
    SEE(utimensat(AT_FDCWD, "dangling", NULL, 0));
    SEE(utimensat(AT_FDCWD, "f/x", NULL, 0));
    SEE(utimensat(AT_FDCWD, "f", AT(1, 1000000000, 1, 1), 0));
    SEE(utimensat(AT_FDCWD, "f", AT(1, 1, 1, -1), 0));
    SEE(utimensat(AT_FDCWD, "f", NULL, 4242));
}

/* rsync and cp set times through the descriptor, then close it: closing, reading and syncing must leave them.
 */
CASE(stay_after_writing) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(write(fd, "content", 7));
    SEE(futimens(fd, AT(1, 2, 3, 4)));
    CHECK(has("f", 1, 2, 3, 4));
    MUST(close(fd));
    CHECK(has("f", 1, 2, 3, 4));
    fd = (int)MUST(open("f", O_RDWR));
    CHECK(has("f", 1, 2, 3, 4));
    SEE(fsync(fd));
    CHECK(has("f", 1, 2, 3, 4));
    SEE(fchmod(fd, 0600));
    SEE(rename("f", "g"));
    CHECK(has("g", 1, 2, 3, 4));
    struct seen g = look("g");
    SEE(write(fd, "C", 1));
    SEE_MOVED(g);
    SEE(futimens(fd, AT(5, 6, 7, 8)));
    SEE(fsync(fd));
    CHECK(has("g", 5, 6, 7, 8));
    SEE_FILE("g");
}

CASE(before_writing) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(futimens(fd, AT(1, 2, 3, 4)));
    SEE(write(fd, "content", 7));
    CHECK(!has("f", 1, 2, 3, 4));
    CHECK(stat_of("f").st_atim.tv_sec == 1);
    SEE(ftruncate(fd, 0));
    SEE(futimens(fd, AT(1, 2, 3, 4)));
    MUST(close(fd));
    CHECK(has("f", 1, 2, 3, 4));
}

CASE(in_the_future) {
    put("f", "F");
    SEE(utimensat(AT_FDCWD, "f", AT(4000000000, 0, 4000000000, 1), 0));
    struct seen f = look("f");
    SEE(truncate("f", 0));
    SEE_MOVED(f);
    f = look("f");
    SEE(chmod("f", 0600));
    SEE_MOVED(f);
    MUST(mkdir("d", 0755));
    SEE(utimensat(AT_FDCWD, "d", AT(4000000000, 0, 4000000000, 1), 0));
    struct seen d = look("d");
    put("d/f", "");
    SEE_MOVED(d);
}

CASE(by_descriptor) {
    put("f", "F");
    int fd = (int)MUST(open("f", O_RDONLY));
    SEE(futimens(fd, AT(1, 2, 3, 4)));
    CHECK(has("f", 1, 2, 3, 4));
    MUST(unlink("f"));
    SEE(futimens(fd, AT(5, 6, 7, 8)));
    struct stat st;
    MUST(fstat(fd, &st));
    CHECK(st.st_mtim.tv_sec == 7 && st.st_mtim.tv_nsec == 8);
}

CASE(other_types) {
    MUST(mkfifo("fifo", 0644));
    SEE(utimensat(AT_FDCWD, "fifo", AT(1, 2, 3, 4), 0));
    CHECK(has("fifo", 1, 2, 3, 4));
    MUST(mkdir("d", 0755));
    SEE(utimensat(AT_FDCWD, "d", AT(1, 2, 3, 4), 0));
    CHECK(has("d", 1, 2, 3, 4));
    put("d/f", "");
    CHECK(!has("d", 1, 2, 3, 4));
}

/* A local disk notes that a file was read (at most once a day, relatime). */
CASE(atime_of_reading) {
    put("f", "F");
    MUST(mkdir("d", 0755));
    MUST(utimensat(AT_FDCWD, "f", AT(1, 2, 3, 4), 0));
    struct seen f = look("f");
    SEE_FILE("f");
    SEE_MOVED(f);
}

ROOT_CASE(by_others) {
    put("mine", "");
    put("writable", "");
    put("readable", "");
    MUST(chown("mine", ANN, GROUP));
    MUST(chmod("mine", 0444));
    MUST(chmod("writable", 0666));
    AS_USER(ANN, GROUP) {
        SEE(utimensat(AT_FDCWD, "mine", AT(1, 2, 3, 4), 0));
        SEE(utimensat(AT_FDCWD, "mine", NULL, 0));
        SEE(utimensat(AT_FDCWD, "writable", AT(1, 2, 3, 4), 0));
        SEE(utimensat(AT_FDCWD, "writable", NULL, 0));
        SEE(utimensat(AT_FDCWD, "writable", AT(0, UTIME_NOW, 0, UTIME_NOW), 0));
        SEE(utimensat(AT_FDCWD, "writable", AT(0, UTIME_OMIT, 0, UTIME_NOW), 0));
        SEE(utimensat(AT_FDCWD, "writable", AT(0, UTIME_OMIT, 0, UTIME_OMIT), 0));
        SEE(utimensat(AT_FDCWD, "readable", AT(1, 2, 3, 4), 0));
        SEE(utimensat(AT_FDCWD, "readable", NULL, 0));
        SEE(utimensat(AT_FDCWD, "readable", AT(0, UTIME_OMIT, 0, UTIME_OMIT), 0));
    }
}
