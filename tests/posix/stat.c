/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stat(2), statx(2), statfs(2), access(2), and file handles.
 */
#include "posix.h"
#include <sys/statfs.h>
#include <sys/statvfs.h>

CASE(numbers_stay) {
    put("a", "A");
    put("b", "B");
    MUST(mkdir("d", 0755));
    ino_t a = stat_of("a").st_ino, d = stat_of("d").st_ino;
    CHECK(a != stat_of("b").st_ino && a != d && a != stat_of(".").st_ino);
    CHECK(stat_of("a").st_dev == stat_of("d").st_dev);
    CHECK(stat_of("d/.").st_ino == d);
    CHECK(stat_of("d/..").st_ino == stat_of(".").st_ino);
    MUST(rename("a", "d/c"));
    CHECK(stat_of("d/c").st_ino == a);
    put("d/c", "written again");
    CHECK(stat_of("d/c").st_ino == a);
    int fd = (int)MUST(open("d/c", O_RDWR));
    MUST(fsync(fd));
    struct stat st;
    MUST(fstat(fd, &st));
    CHECK(st.st_ino == a && stat_of("d/c").st_ino == a);
}

CASE(blocks) {
    put("empty", "");
    put_bytes("f", noise(1000000, 1), 1000000);
    CHECK(stat_of("empty").st_blocks == 0);
    CHECK(stat_of("f").st_blocks * 512 >= 1000000 && stat_of("f").st_blocks * 512 <= 1100000);
    CHECK(stat_of("f").st_blksize >= 512 && (stat_of("f").st_blksize & (stat_of("f").st_blksize - 1)) == 0);
    CHECK(stat_of(".").st_size > 0);
    int fd = (int)MUST(open("f", O_RDWR));
    MUST(fsync(fd));
    CHECK(stat_of("f").st_blocks * 512 >= 1000000 && stat_of("f").st_blocks * 512 <= 1100000);
    MUST(truncate("f", 0));
    MUST(fsync(fd));
    CHECK(stat_of("f").st_blocks == 0);
}

CASE(extended) {
    struct statx x;
    put("f", "abc");
    MUST(symlink("f", "link"));
    SEE(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
    CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    struct stat st = stat_of("f");
    CHECK(x.stx_ino == st.st_ino && x.stx_size == 3 && x.stx_mode == st.st_mode && x.stx_nlink == 1);
    CHECK(x.stx_mtime.tv_sec == st.st_mtim.tv_sec && x.stx_mtime.tv_nsec == st.st_mtim.tv_nsec);
    SEE(statx(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
    CHECK(S_ISLNK(x.stx_mode));
    SEE(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &x));
    SEE(statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &x));
    SEE(statx((int)MUST(open("f", O_RDONLY)), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x));
    SEE(statx(AT_FDCWD, "none", 0, STATX_BASIC_STATS, &x));
    SEE(statx(AT_FDCWD, "f", 0, 0x80000000u, &x));
}

CASE(birth) {
    struct statx x, later;
    put("f", "abc");
    tick();
    SEE(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
    CHECK(x.stx_mask & STATX_BTIME);
    put("f", "something else");
    MUST(rename("f", "g"));
    MUST(utimensat(AT_FDCWD, "g", (struct timespec[]){{1, 2}, {3, 4}}, 0));
    SEE(statx(AT_FDCWD, "g", 0, STATX_BASIC_STATS | STATX_BTIME, &later));
    CHECK(x.stx_btime.tv_sec == later.stx_btime.tv_sec && x.stx_btime.tv_nsec == later.stx_btime.tv_nsec);
}

CASE(of_the_filesystem) {
    struct statvfs v, w;
    put("f", "abc");
    SEE(statvfs("f", &v));
    SEE(fstatvfs((int)MUST(open(".", O_RDONLY)), &w));
    CHECK(v.f_namemax == 255);
    CHECK(v.f_bsize >= 512 && v.f_frsize >= 512);
    CHECK(v.f_blocks > 0 && v.f_bfree <= v.f_blocks && v.f_bavail <= v.f_bfree && v.f_bavail > 0);
    CHECK(v.f_files > 0 && v.f_ffree <= v.f_files && v.f_ffree > 0);
    CHECK(v.f_blocks == w.f_blocks && v.f_files == w.f_files);
    CHECK(v.f_blocks < UINT64_MAX / v.f_frsize); /* Finder and others multiply */
    SEE(pathconf(".", _PC_NAME_MAX));
    SEE(pathconf(".", _PC_PATH_MAX));
    SEE(statvfs("none", &v));
}

ROOT_CASE(access_of_others) {
    static const mode_t modes[] = {0, 0400, 0200, 0100, 0040, 0020, 0010, 0004, 0002, 0001, 0750, 0705, 0077};
    static const uid_t owners[] = {ANN, 0};
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
            put("f", "abc");
            MUST(chown("f", owners[o], GROUP));
            MUST(chmod("f", modes[i]));
            char who[64];
            snprintf(who, sizeof who, "owner %lld, mode %04o", (long long)owners[o], modes[i]);
            AS_USER(ANN, GROUP) {
                posix_see(who, (access("f", R_OK) == 0) * 4 + (access("f", W_OK) == 0) * 2 +
                                   (access("f", X_OK) == 0));
            }
            AS_USER(ANN, BOB) {
                posix_see(who, (access("f", R_OK) == 0) * 4 + (access("f", W_OK) == 0) * 2 +
                                   (access("f", X_OK) == 0));
            }
            MUST(unlink("f"));
        }
}

ROOT_CASE(access_of_root) {
    put("f", "");
    MUST(chmod("f", 0));
    MUST(mkdir("d", 0));
    SEE(access("f", F_OK));
    SEE(access("f", R_OK | W_OK));
    SEE(access("f", X_OK));
    SEE(access("d", R_OK | W_OK | X_OK));
    MUST(chmod("f", 0001));
    SEE(access("f", X_OK));
    SEE(access("none", F_OK));
    SEE(access("f/x", F_OK));
}

/* A handle is good for as long as the file is there, whatever its name. */
ROOT_CASE(handles) {
    struct {
        struct file_handle h;
        unsigned char room[MAX_HANDLE_SZ];
    } h = {.h.handle_bytes = MAX_HANDLE_SZ}, d = {.h.handle_bytes = MAX_HANDLE_SZ};
    int mount;
    put("f", "content");
    MUST(mkdir("dir", 0755));
    int here = (int)MUST(open(".", O_RDONLY));
    SEE(name_to_handle_at(AT_FDCWD, "f", &h.h, &mount, 0));
    SEE(name_to_handle_at(AT_FDCWD, "dir", &d.h, &mount, 0));
    MUST(rename("f", "dir/g"));
    int fd = SEE_FD(open_by_handle_at(here, &h.h, O_RDWR));
    char p[8] = "";
    SEE(read(fd, p, 8));
    SEE_BYTES(p, 7);
    int dir = SEE_FD(open_by_handle_at(here, &d.h, O_RDONLY | O_DIRECTORY));
    struct stat st;
    SEE(fstatat(dir, "g", &st, 0));
    SEE(fstatat(dir, "..", &st, 0));
    CHECK(st.st_ino == stat_of(".").st_ino);
    MUST(close(fd));
    MUST(unlink("dir/g"));
    for (int i = 0; i < 500 && (fd = open_by_handle_at(here, &h.h, O_RDONLY)) >= 0; i++) {
        close(fd); /* a mount hears of a close(2) a moment later: until then the file is open */
        tick();
    }
    SEE_FD(open_by_handle_at(here, &h.h, O_RDONLY));
}
