/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mkdir(2), rmdir(2): names, links, times.
 */
#include "posix.h"

CASE(makes) {
    struct seen dir = look(".");
    SEE(mkdir("d", 0777));
    SEE_MOVED(dir);
    SEE_STAT("d");
    SEE_STAT(".");
    SEE_NAMES("d");
    SEE_NAMES(".");
    SEE(mkdir("slash/", 0700));
    SEE(mkdir("bits", 01777));
    SEE_STAT("bits");
    umask(077);
    SEE(mkdir("masked", 0777));
    SEE_STAT("masked");
    SEE_STAT(".");
}

CASE(what_cannot_be_made) {
    put("f", "");
    MUST(symlink("nowhere", "dangling"));
    MUST(mkdir("d", 0755));
    SEE(mkdir("f", 0755));
    SEE(mkdir("d", 0755));
    SEE(mkdir("dangling", 0755));
    SEE(mkdir("dangling/", 0755));
    SEE(mkdir(".", 0755));
    SEE(mkdir("..", 0755));
    SEE(mkdir("d/.", 0755));
    SEE(mkdir("none/d", 0755));
    SEE(mkdir("f/d", 0755));
    SEE(mkdir("", 0755));
    SEE(mkdir("/", 0755));
}

CASE(links) {
    SEE_STAT(".");
    MUST(mkdir("a", 0755));
    MUST(mkdir("a/b", 0755));
    MUST(mkdir("a/c", 0755));
    put("a/f", "");
    MUST(symlink("b", "a/l"));
    SEE_STAT("a");
    SEE_STAT("a/b");
    SEE(rename("a/c", "c"));
    SEE_STAT("a");
    SEE_STAT(".");
    SEE(rmdir("a/b"));
    SEE_STAT("a");
    MUST(mkdir("e", 0755));
    SEE(rename("c", "e"));
    SEE_STAT(".");
}

CASE(removes) {
    MUST(mkdir("d", 0755));
    struct seen dir = look(".");
    SEE(rmdir("d"));
    SEE_MOVED(dir);
    SEE_NAMES(".");
    SEE(rmdir("d"));
}

CASE(what_cannot_be_removed) {
    put("f", "");
    MUST(mkdir("full", 0755));
    put("full/f", "");
    MUST(mkdir("nested", 0755));
    MUST(mkdir("nested/d", 0755));
    MUST(symlink("nested", "link"));
    SEE(rmdir("f"));
    SEE(rmdir("full"));
    SEE(rmdir("nested"));
    SEE(rmdir("nested/d/.."));
    SEE(rmdir("nested/d/."));
    SEE(rmdir("."));
    SEE(rmdir(".."));
    SEE(rmdir("link"));
    SEE(rmdir("none"));
    SEE(rmdir("f/d"));
    SEE(rmdir(""));
    SEE(unlink("full/f"));
    SEE(rmdir("full"));
    SEE(rmdir("nested/d/"));
    SEE_NAMES(".");
}

CASE(removed_while_open) {
    MUST(mkdir("d", 0755));
    int fd = (int)MUST(open("d", O_RDONLY));
    MUST(chdir("d"));
    struct seen d = look_fd(fd);
    SEE(rmdir("../d"));
    SEE_FSTAT(fd);
    SEE_MOVED(d);
    SEE_FD(open("f", O_WRONLY | O_CREAT, 0644));
    SEE_FD(openat(fd, "f", O_WRONLY | O_CREAT, 0644));
    SEE(mkdir("e", 0755));
    SEE(symlink("x", "e"));
    SEE(link("../none", "e"));
    SEE_FD(open("f", O_RDONLY));
    SEE(fchmod(fd, 0700));
    SEE_FSTAT(fd);
    char cwd[100];
    SEE(getcwd(cwd, sizeof cwd) ? 0 : -1);
    DIR *dir = fdopendir(dup(fd));
    int n = 0;
    for (; dir && readdir(dir);)
        n++;
    SEE(n);
    SEE(fsync(fd));
}

CASE(made_anew) {
    for (int i = 0; i < 20; i++) {
        MUST(mkdir("d", 0755));
        put("d/f", "");
        MUST(unlink("d/f"));
        MUST(rmdir("d"));
    }
    SEE_STAT(".");
    SEE_NAMES(".");
}

CASE(deep) {
    char path[2000] = "";
    for (int i = 0; i < 100; i++) {
        sprintf(path + strlen(path), "%sd%d", i ? "/" : "", i);
        MUST(mkdir(path, 0755));
    }
    SEE_STAT(path);
    struct stat st;
    strcat(path, "/..");
    MUST(stat(path, &st));
    SEE(st.st_nlink);
}

/* A directory with setgid gives its group, and to directories setgid itself. */
ROOT_CASE(group_is_inherited) {
    MUST(mkdir("d", 0755));
    MUST(chown("d", 0, GROUP));
    MUST(chmod("d", 02777));
    SEE_STAT("d");
    put("d/f", "");
    SEE_STAT("d/f");
    SEE(mkdir("d/e", 0755));
    SEE_STAT("d/e");
    SEE(mkdir("d/e/deeper", 0700));
    SEE_STAT("d/e/deeper");
    SEE(symlink("x", "d/link"));
    SEE_STAT("d/link");
    SEE(mkfifo("d/fifo", 0600));
    SEE_STAT("d/fifo");
    AS_USER(ANN, ANN) {
        umask(0);
        SEE_FD(open("d/anns", O_WRONLY | O_CREAT, 02777));
        SEE_STAT("d/anns");
        SEE(mkdir("d/annsdir", 0755));
        SEE_STAT("d/annsdir");
        SEE_FD(open("d/anns2", O_WRONLY | O_CREAT, 02767));
        SEE_STAT("d/anns2");
    }
}

ROOT_CASE(permissions) {
    MUST(mkdir("closed", 0755));
    MUST(mkdir("closed/d", 0777));
    MUST(mkdir("open", 0777));
    AS_USER(ANN, GROUP) {
        SEE(mkdir("closed/e", 0755));
        SEE(mkdir("closed/d", 0755));
        SEE(rmdir("closed/d"));
        SEE(mkdir("open/e", 0755));
        SEE_STAT("open/e");
        SEE(mkdir("open/e/f", 0));
        SEE(mkdir("open/e/f/g", 0755));
        SEE(rmdir("open/e/f"));
    }
}
