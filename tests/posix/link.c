/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * link(2), linkat(2).
 */
#include "posix.h"

CASE(one_file) {
    put("a", "A");
    struct seen a = look("a"), dir = look(".");
    SEE(link("a", "b"));
    SEE_STAT("a");
    SEE_STAT("b");
    CHECK(stat_of("a").st_ino == stat_of("b").st_ino);
    SEE_MOVED(a);
    SEE_MOVED(dir);
    int fd = (int)MUST(open("b", O_RDWR | O_APPEND));
    SEE(write(fd, "!", 1));
    SEE_FILE("a");
    SEE(chmod("b", 0600));
    SEE_STAT("a");
    SEE(unlink("a"));
    SEE_STAT("b");
    SEE_FILE("b");
}

CASE(across_directories) {
    MUST(mkdir("d", 0755));
    put("f", "F");
    struct seen d = look("d"), here = look(".");
    SEE(link("f", "d/g"));
    SEE_MOVED(d);
    SEE_MOVED(here);
    SEE(rename("f", "d/h"));
    SEE_NAMES("d");
    SEE_STAT("d/g");
}

CASE(many) {
    put("f", "F");
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "link%d", i);
        MUST(link("f", name));
    }
    SEE_STAT("f");
    MUST(unlink("f"));
    SEE_STAT("link77");
}

CASE(what_cannot_be_linked) {
    put("f", "F");
    put("g", "G");
    MUST(mkdir("d", 0755));
    MUST(symlink("nowhere", "dangling"));
    SEE(link("d", "e"));
    SEE(link("f", "g"));
    SEE(link("f", "f"));
    SEE(link("f", "d"));
    SEE(link("f", "dangling"));
    SEE(link("none", "x"));
    SEE(link("f", "none/x"));
    SEE(link("f/x", "y"));
    SEE(link("f", "g/x"));
    SEE(link("f", ""));
    SEE(link("f", "x/"));
    SEE_NAMES(".");
}

CASE(other_types) {
    MUST(symlink("nowhere", "link"));
    MUST(mkfifo("fifo", 0640));
    MUST(mknod("socket", S_IFSOCK | 0600, 0));
    SEE(link("link", "link2"));
    SEE_STAT("link2");
    SEE(link("fifo", "fifo2"));
    SEE_STAT("fifo2");
    SEE(link("socket", "socket2"));
    SEE_STAT("socket2");
}

CASE(through_a_symlink) {
    put("f", "F");
    MUST(symlink("f", "link"));
    SEE(linkat(AT_FDCWD, "link", AT_FDCWD, "a", 0));
    SEE_STAT("a");
    SEE(linkat(AT_FDCWD, "link", AT_FDCWD, "b", AT_SYMLINK_FOLLOW));
    SEE_STAT("b");
    SEE(linkat(AT_FDCWD, "link", AT_FDCWD, "c", 4242));
}

CASE(of_a_descriptor) {
    put("f", "F");
    int fd = (int)MUST(open("f", O_RDONLY));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SEE(linkat(AT_FDCWD, path, AT_FDCWD, "a", AT_SYMLINK_FOLLOW));
    SEE_STAT("a");
    MUST(unlink("f"));
    MUST(unlink("a"));
    SEE_FSTAT(fd);
    SEE(linkat(AT_FDCWD, path, AT_FDCWD, "b", AT_SYMLINK_FOLLOW)); /* without a name there is no way back */
    SEE_NAMES(".");
}

ROOT_CASE(permissions) {
    MUST(mkdir("closed", 0755));
    MUST(mkdir("open", 0777));
    put("open/f", "");
    MUST(chown("open/f", ANN, GROUP));
    put("open/theirs", "");
    MUST(chmod("open/theirs", 0600));
    AS_USER(ANN, GROUP) {
        SEE(link("open/f", "closed/g"));
        SEE(link("open/f", "open/g"));
        SEE(link("open/theirs", "open/h")); /* protected_hardlinks */
    }
    SEE_NAMES("open");
}
