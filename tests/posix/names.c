/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a name may be, and how long a path.
 */
#include "posix.h"

CASE(every_byte) {
    int wrong = 0;
    for (int c = 1; c < 256; c++) {
        char name[] = {(char)c, '\0'};
        if (c == '/' || c == '.')
            continue;
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        wrong += fd < 0 || write(fd, name, 1) != 1;
        close(fd);
    }
    SEE(wrong);
    SEE_NAMES(".");
    for (int c = 1; c < 256; c++) {
        char name[] = {(char)c, '\0'}, got = '\0';
        if (c == '/' || c == '.')
            continue;
        int fd = open(name, O_RDONLY);
        wrong += fd < 0 || read(fd, &got, 1) != 1 || got != name[0];
        close(fd);
    }
    SEE(wrong);
}

CASE(lengths) {
    char name[300];
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    SEE_FD(open(name, O_WRONLY | O_CREAT, 0644));
    SEE_NAMES(".");
    SEE(rename(name, "short"));
    SEE(rename("short", name));
    SEE(unlink(name));
    SEE(mkdir(name, 0755));
    SEE(rmdir(name));
    SEE(symlink("x", name));
    SEE(unlink(name));
    put("f", "");
    name[255] = 'n', name[256] = '\0';
    struct stat st;
    SEE_FD(open(name, O_WRONLY | O_CREAT, 0644));
    SEE_FD(open(name, O_RDONLY));
    SEE(stat(name, &st));
    SEE(mkdir(name, 0755));
    SEE(rename("f", name));
    SEE(rename(name, "f"));
    SEE(link("f", name));
    SEE(symlink("x", name));
    SEE(unlink(name));
    SEE(rmdir(name));
    SEE(mkfifo(name, 0644));
    SEE(truncate(name, 0));
    /* 255 bytes, not letters */
    for (int i = 0; i < 85; i++)
        memcpy(name + 3 * i, "\xe2\x82\xac", 3);
    name[255] = '\0';
    SEE_FD(open(name, O_WRONLY | O_CREAT, 0644));
    SEE_NAMES(".");
}

/* Composed and decomposed are two names, and stay as they were given; so are upper and lower case. */
CASE(kept_as_given) {
    put("gr\xc3\xbcn", "composed");
    put("gru\xcc\x88n", "decomposed");
    put("GR\xc3\x9cN", "upper case");
    put("\xff\xfe", "no UTF-8");
    put("a", "a");
    put("A", "A");
    SEE_NAMES(".");
    SEE_FILE("gr\xc3\xbcn");
    SEE_FILE("gru\xcc\x88n");
    SEE(unlink("gr\xc3\xbcn"));
    SEE_FILE("gru\xcc\x88n");
    SEE_FILE("a");
    SEE_FILE("A");
}

CASE(odd_ones) {
    put("...", "three dots");
    put(" ", "a space");
    put("ends with a dot.", "");
    put("ends with a space ", "");
    put("-rf", "");
    put("new\nline", "");
    put("*?\"<>|\\:", "");
    put("CON", "");
    put(".fuse_hidden0000000100000001", "");
    put(".#lock", "");
    SEE_NAMES(".");
    SEE_FILE("...");
    SEE_FILE(" ");
    struct stat st;
    SEE(stat(".", &st));
    SEE(stat("./", &st));
    SEE(stat(".//././", &st));
    SEE(stat("...//", &st));
}

CASE(path_max) {
    char path[PATH_MAX + 10];
    struct stat st;
    memset(path, '/', sizeof path);
    path[0] = '.';
    path[PATH_MAX - 1] = '\0';
    SEE(stat(path, &st));
    path[PATH_MAX - 1] = '/', path[PATH_MAX] = '\0';
    SEE(stat(path, &st));
}

/* Deeper than any path can say: only by walking there. The case takes it away again, since few programs
 * could. */
CASE(deeper_than_path_max) {
    enum { DEPTH = 60, LENGTH = 200 };
    char name[LENGTH + 1];
    memset(name, 'd', LENGTH);
    name[LENGTH] = '\0';
    int fds[DEPTH + 1];
    fds[0] = (int)MUST(open(".", O_RDONLY | O_DIRECTORY));
    for (int i = 0; i < DEPTH; i++) {
        MUST(mkdirat(fds[i], name, 0755));
        fds[i + 1] = (int)MUST(openat(fds[i], name, O_RDONLY | O_DIRECTORY));
    }
    int f = SEE_FD(openat(fds[DEPTH], "f", O_RDWR | O_CREAT, 0644));
    SEE(write(f, "deep", 4));
    MUST(fchdir(fds[DEPTH]));
    SEE_FILE("f");
    SEE_NAMES(".");
    char cwd[PATH_MAX];
    SEE(getcwd(cwd, sizeof cwd) ? 0 : -1);
    SEE(renameat(fds[DEPTH], "f", fds[0], "up"));
    SEE(renameat(fds[0], "up", fds[DEPTH], "f"));
    SEE(linkat(fds[DEPTH], "f", fds[0], "linked", 0));
    SEE(unlinkat(fds[DEPTH], "f", 0));
    MUST(fchdir(fds[0]));
    SEE_FILE("linked");
    for (int i = DEPTH; i-- > 0;)
        MUST(unlinkat(fds[i], name, AT_REMOVEDIR));
    SEE_NAMES(".");
}
