/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * setxattr(2), getxattr(2), listxattr(2), removexattr(2) and their kin.
 */
#include "posix.h"
#include <sys/xattr.h>

static void see_names(const char *path) {
    char list[4096];
    ssize_t n = SEE(listxattr(path, list, sizeof list));
    char *names[64];
    size_t count = 0;
    for (char *p = list; n > 0 && p < list + n && count < 64; p += strlen(p) + 1)
        names[count++] = p;
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count; k++)
            if (strcmp(names[k], names[i]) < 0) {
                char *t = names[i];
                names[i] = names[k];
                names[k] = t;
            }
    for (size_t i = 0; i < count; i++)
        SEE_BYTES(names[i], strlen(names[i]));
}

CASE(kept) {
    put("f", "F");
    char p[64] = "";
    SEE(setxattr("f", "user.one", "first", 5, 0));
    SEE(setxattr("f", "user.two", "\0\xff\n", 3, 0));
    SEE(setxattr("f", "user.empty", "", 0, 0));
    SEE(getxattr("f", "user.one", p, sizeof p));
    SEE_BYTES(p, 5);
    SEE(getxattr("f", "user.two", p, sizeof p));
    SEE_BYTES(p, 3);
    SEE(getxattr("f", "user.empty", p, sizeof p));
    see_names("f");
    SEE(setxattr("f", "user.one", "other", 5, 0));
    SEE(getxattr("f", "user.one", p, sizeof p));
    SEE_BYTES(p, 5);
    SEE(removexattr("f", "user.one"));
    SEE(getxattr("f", "user.one", p, sizeof p));
    see_names("f");
    SEE_FILE("f");
}

CASE(moves_ctime_only) {
    put("f", "F");
    MUST(mkdir("d", 0755));
    struct seen f = look("f"), d = look("d"), dir = look(".");
    SEE(setxattr("f", "user.x", "1", 1, 0));
    SEE_MOVED(f);
    SEE(setxattr("d", "user.x", "1", 1, 0));
    SEE_MOVED(d);
    SEE_MOVED(dir);
    f = look("f");
    SEE(removexattr("f", "user.x"));
    SEE_MOVED(f);
    f = look("f");
    SEE(removexattr("f", "user.x"));
    SEE_MOVED(f);
    SEE(getxattr("f", "user.x", NULL, 0));
    SEE_MOVED(f);
}

CASE(flags) {
    put("f", "F");
    char p[8] = "";
    SEE(setxattr("f", "user.x", "1", 1, XATTR_REPLACE));
    SEE(setxattr("f", "user.x", "2", 1, XATTR_CREATE));
    SEE(setxattr("f", "user.x", "3", 1, XATTR_CREATE));
    SEE(getxattr("f", "user.x", p, 8));
    SEE_BYTES(p, 1);
    SEE(setxattr("f", "user.x", "4", 1, XATTR_REPLACE));
    SEE(getxattr("f", "user.x", p, 8));
    SEE_BYTES(p, 1);
    SEE(setxattr("f", "user.x", "5", 1, XATTR_CREATE | XATTR_REPLACE));
    SEE(setxattr("f", "user.y", "5", 1, XATTR_CREATE | XATTR_REPLACE));
    SEE(setxattr("f", "user.y", "5", 1, 4));
    see_names("f");
}

CASE(sizes_asked_for) {
    put("f", "F");
    char p[64];
    SEE(listxattr("f", NULL, 0));
    MUST(setxattr("f", "user.x", "0123456789", 10, 0));
    SEE(getxattr("f", "user.x", NULL, 0));
    SEE(getxattr("f", "user.x", p, 10));
    SEE(getxattr("f", "user.x", p, 9));
    SEE(listxattr("f", NULL, 0));
    SEE(listxattr("f", p, 7));
    SEE(listxattr("f", p, 6));
}

CASE(names) {
    char name[300] = "user.";
    put("f", "F");
    memset(name + 5, 'n', 250);
    name[255] = '\0';
    SEE(setxattr("f", name, "long", 4, 0));
    char p[8] = "";
    SEE(getxattr("f", name, p, 8));
    name[255] = 'n', name[256] = '\0';
    SEE(setxattr("f", name, "longer", 6, 0));
    SEE(getxattr("f", name, p, 8));
    SEE(setxattr("f", "", "x", 1, 0));
    SEE(setxattr("f", "user.", "x", 1, 0));
    SEE(setxattr("f", "user.\xff\xfe \n", "odd", 3, 0));
    SEE(getxattr("f", "user.\xff\xfe \n", p, 8));
    SEE(setxattr("f", "USER.x", "x", 1, 0));
    SEE(setxattr("f", "nothing", "x", 1, 0));
    SEE(setxattr("f", "other.x", "x", 1, 0));
    SEE(getxattr("f", "other.x", p, 8));
    SEE(removexattr("f", "other.x"));
    SEE(getxattr("f", "user.none", p, 8));
    SEE(removexattr("f", "user.none"));
    SEE(getxattr("none", "user.x", p, 8));
}

CASE(sizes) {
    static const size_t sizes[] = {1, 100, 3000, 65537};
    static char got[65536];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *p = noise(sizes[i], 9);
        char file[16];
        snprintf(file, sizeof file, "f%zu", sizes[i]);
        put(file, "");
        if (SEE(setxattr(file, "user.x", p, sizes[i], 0)) < 0)
            continue;
        SEE(getxattr(file, "user.x", got, sizeof got));
        CHECK(memcmp(p, got, sizes[i]) == 0);
    }
}

/* As much as the kernel takes. */
CASE(largest) {
    static char p[65536], got[65536];
    put("f", "F");
    memset(p, 'x', sizeof p);
    SEE(setxattr("f", "user.x", p, 65536, 0));
    SEE(getxattr("f", "user.x", got, sizeof got));
    SEE(getxattr("f", "user.x", got, 65535));
    SEE(setxattr("f", "user.x", "1", 1, 0));
    SEE(getxattr("f", "user.x", got, sizeof got));
}

CASE(many) {
    put("f", "F");
    char name[32], list[8192];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "user.name%d", i);
        MUST(setxattr("f", name, name, strlen(name), 0));
    }
    SEE(listxattr("f", list, sizeof list));
    for (int i = 0; i < 40; i += 2) {
        snprintf(name, sizeof name, "user.name%d", i);
        MUST(removexattr("f", name));
    }
    see_names("f");
}

CASE(what_has_none) {
    MUST(symlink("nowhere", "link"));
    MUST(mkfifo("fifo", 0666));
    MUST(mknod("socket", S_IFSOCK | 0666, 0));
    char p[8];
    SEE(lsetxattr("link", "user.x", "1", 1, 0));
    SEE(lgetxattr("link", "user.x", p, 8));
    SEE(llistxattr("link", p, 8));
    SEE(setxattr("fifo", "user.x", "1", 1, 0));
    SEE(getxattr("fifo", "user.x", p, 8));
    SEE(setxattr("socket", "user.x", "1", 1, 0));
    SEE(setxattr("link", "user.x", "1", 1, 0));
}

CASE(through_links_and_descriptors) {
    put("f", "F");
    MUST(symlink("f", "link"));
    MUST(link("f", "hard"));
    char p[8] = "";
    SEE(setxattr("link", "user.x", "1", 1, 0));
    SEE(getxattr("hard", "user.x", p, 8));
    int fd = (int)MUST(open("f", O_RDONLY));
    SEE(fsetxattr(fd, "user.x", "22", 2, 0));
    SEE(fgetxattr(fd, "user.x", p, 8));
    SEE(rename("hard", "f2"));
    SEE(getxattr("f2", "user.x", p, 8));
    MUST(unlink("f"));
    put("f", "new");
    SEE(getxattr("f", "user.x", p, 8));
}

ROOT_CASE(trusted) {
    put("f", "F");
    MUST(chmod("f", 0666));
    MUST(symlink("nowhere", "link"));
    char p[8] = "";
    SEE(setxattr("f", "trusted.x", "secret", 6, 0));
    SEE(getxattr("f", "trusted.x", p, 8));
    SEE(lsetxattr("link", "trusted.x", "on it", 5, 0));
    SEE(lgetxattr("link", "trusted.x", p, 8));
    SEE_BYTES(p, 5);
    SEE(setxattr("f", "user.x", "1", 1, 0));
    see_names("f");
    AS_USER(ANN, GROUP) {
        SEE(getxattr("f", "trusted.x", p, 8));
        SEE(setxattr("f", "trusted.x", "1", 1, 0));
        SEE(removexattr("f", "trusted.x"));
        see_names("f");
    }
}

ROOT_CASE(security) {
    put("f", "F");
    char p[64];
    SEE(getxattr("f", "security.capability", p, sizeof p));
    SEE(getxattr("f", "security.other", p, sizeof p));
    SEE(setxattr("f", "security.other", "1", 1, 0));
    SEE(removexattr("f", "security.none"));
}

/* An empty access list is one that says what the mode says. */
CASE(access_lists) {
    static const unsigned char acl[] = {2, 0, 0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 4,   0,
                                        4, 0, 255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255};
    put("f", "F");
    char p[64];
    SEE(getxattr("f", "system.posix_acl_access", p, sizeof p));
    SEE(setxattr("f", "system.posix_acl_access", acl, sizeof acl, 0));
    SEE_STAT("f");
    SEE(getxattr("f", "system.other", p, sizeof p));
}

ROOT_CASE(permissions) {
    put("readable", "");
    put("writable", "");
    put("closed", "");
    MUST(mkdir("sticky", 01777));
    MUST(chmod("sticky", 01777));
    MUST(chmod("writable", 0666));
    MUST(chmod("closed", 0600));
    MUST(setxattr("readable", "user.x", "1", 1, 0));
    MUST(setxattr("closed", "user.x", "1", 1, 0));
    AS_USER(ANN, GROUP) {
        char p[8];
        SEE(getxattr("readable", "user.x", p, 8));
        SEE(setxattr("readable", "user.x", "2", 1, 0));
        SEE(removexattr("readable", "user.x"));
        SEE(setxattr("writable", "user.x", "2", 1, 0));
        SEE(getxattr("closed", "user.x", p, 8));
        SEE(setxattr("sticky", "user.x", "2", 1, 0));
        see_names("readable");
    }
}
