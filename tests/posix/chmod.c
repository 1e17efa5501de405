/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * chmod(2), fchmod(2).
 */
#include "posix.h"

CASE(bits) {
    static const mode_t modes[] = {0, 0644, 0777, 01777, 02755, 04755, 07777, 0111};
    put("f", "");
    MUST(mkdir("d", 0755));
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        SEE(chmod("f", modes[i]));
        SEE_STAT("f");
        SEE(chmod("d", modes[i] | 0700));
        SEE_STAT("d");
    }
}

CASE(moves_ctime_only) {
    put("f", "");
    MUST(mkdir("d", 0755));
    struct seen f = look("f"), d = look("d"), dir = look(".");
    SEE(chmod("f", 0600));
    SEE_MOVED(f);
    SEE(chmod("d", 0700));
    SEE_MOVED(d);
    SEE_MOVED(dir);
    f = look("f");
    SEE(chmod("f", 0600));
    SEE_MOVED(f);
}

CASE(by_descriptor) {
    put("f", "");
    int fd = (int)MUST(open("f", O_RDONLY));
    SEE(fchmod(fd, 0604));
    SEE_FSTAT(fd);
    MUST(rename("f", "g"));
    SEE(fchmod(fd, 0640));
    SEE_STAT("g");
}

CASE(follows_symlinks) {
    put("f", "");
    MUST(symlink("f", "link"));
    MUST(symlink("nowhere", "dangling"));
    SEE(chmod("link", 0600));
    SEE_STAT("f");
    SEE(chmod("dangling", 0600));
    SEE(chmod("none", 0600));
    SEE(chmod("f/x", 0600));
    SEE(chmod("", 0600));
}

CASE(other_types) {
    MUST(mkfifo("fifo", 0644));
    MUST(mknod("socket", S_IFSOCK | 0644, 0));
    SEE(chmod("fifo", 0600));
    SEE_STAT("fifo");
    SEE(chmod("socket", 0777));
    SEE_STAT("socket");
}

/* A descriptor that may write still does, a new one may not. */
ROOT_CASE(after_opening) {
    put("f", "abc");
    MUST(chown("f", ANN, GROUP));
    MUST(chmod(".", 0777));
    AS_USER(ANN, GROUP) {
        int fd = (int)MUST(open("f", O_RDWR));
        SEE(chmod("f", 0400));
        SEE(write(fd, "x", 1));
        SEE_FD(open("f", O_RDWR));
        SEE_FD(open("f", O_RDONLY));
        SEE(chmod("f", 0200));
        SEE_FD(open("f", O_RDONLY));
    }
}

ROOT_CASE(by_others) {
    put("theirs", "");
    put("mine", "");
    MUST(mkdir("d", 0755));
    MUST(chown("mine", ANN, 0));
    MUST(chown("d", ANN, 0));
    AS_USER(ANN, GROUP) {
        SEE(chmod("theirs", 0777));
        SEE(chmod("mine", 0640));
        SEE(chmod("mine", 02755)); /* not in the group: no setgid */
        SEE_STAT("mine");
        SEE(chmod("mine", 04755));
        SEE_STAT("mine");
        SEE(chmod("mine", 01644));
        SEE_STAT("mine");
        SEE(chmod("d", 03755));
        SEE_STAT("d");
    }
    MUST(chown("mine", ANN, GROUP));
    AS_USER(ANN, GROUP) {
        SEE(chmod("mine", 06755));
        SEE_STAT("mine");
    }
}
