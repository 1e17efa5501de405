/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * symlink(2), readlink(2), and what other calls do with symlinks.
 */
#include "posix.h"

CASE(holds_its_target) {
    char p[100] = "";
    struct seen dir = look(".");
    SEE(symlink("../some/where", "link"));
    SEE_MOVED(dir);
    SEE_STAT("link");
    SEE(readlink("link", p, sizeof p));
    SEE_BYTES(p, 13);
    SEE(readlink("link", p, 4));
    SEE(readlink("link", p, 0));
    SEE_FD(open("link", O_RDONLY));
    umask(077);
    SEE(symlink("\xff\xfe\n", "link2"));
    SEE_STAT("link2");
    SEE(readlink("link2", p, sizeof p));
    SEE_BYTES(p, 3);
}

CASE(lengths) {
    static const size_t lengths[] = {1, 59, 60, 255, 256, 1024, 4094, 4095, 4096};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        static char target[5000], got[5000];
        size_t n = lengths[i];
        for (size_t k = 0; k < n; k++)
            target[k] = k % 100 == 99 ? '/' : (char)('a' + k % 26);
        target[n] = '\0';
        char name[16];
        snprintf(name, sizeof name, "link%zu", n);
        if (SEE(symlink(target, name)) < 0)
            continue;
        SEE_STAT(name);
        SEE(readlink(name, got, sizeof got));
        CHECK(memcmp(target, got, n) == 0);
    }
    SEE(symlink("", "empty"));
}

CASE(what_is_none) {
    put("f", "");
    MUST(mkdir("d", 0755));
    char p[10];
    SEE(readlink("f", p, sizeof p));
    SEE(readlink("d", p, sizeof p));
    SEE(readlink("none", p, sizeof p));
    SEE(symlink("x", "f"));
    SEE(symlink("x", "d"));
    SEE(symlink("x", "none/x"));
    SEE(symlink("x", "f/x"));
    SEE(symlink("x", ""));
    SEE(symlink("x", "new/"));
}

CASE(to_directories) {
    MUST(mkdir("d", 0755));
    put("d/f", "F");
    MUST(symlink("d", "link"));
    MUST(symlink("d/", "slash"));
    SEE_FILE("link/f");
    SEE_FILE("slash/f");
    SEE_NAMES("link");
    SEE(mkdir("link/e", 0755));
    SEE(rmdir("link"));
    SEE(unlink("link/"));
    SEE(rename("link/", "x"));
    SEE(unlink("link"));
    SEE_NAMES("d");
}

CASE(loops) {
    MUST(symlink("b", "a"));
    MUST(symlink("a", "b"));
    MUST(symlink("self/x", "self"));
    struct stat st;
    SEE(stat("a", &st));
    SEE(stat("self", &st));
    SEE(chmod("a", 0644));
    char previous[16] = "end", name[16];
    put("end", "E");
    for (int i = 0; i < 41; i++) {
        snprintf(name, sizeof name, "s%d", i);
        MUST(symlink(previous, name));
        strcpy(previous, name);
    }
    SEE(stat("s39", &st));
    SEE(stat("s40", &st));
}

CASE(attributes_of_its_own) {
    put("f", "");
    MUST(symlink("f", "link"));
    struct seen f = look("f");
    SEE(utimensat(AT_FDCWD, "link", (struct timespec[]){{5, 6}, {7, 8}}, AT_SYMLINK_NOFOLLOW));
    struct stat st = stat_of("link");
    CHECK(st.st_atim.tv_sec == 5 && st.st_atim.tv_nsec == 6);
    CHECK(st.st_mtim.tv_sec == 7 && st.st_mtim.tv_nsec == 8);
    SEE_MOVED(f);
    SEE(fchmodat(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW));
    SEE_STAT("link");
    SEE_STAT("f");
}

ROOT_CASE(owner) {
    put("f", "");
    MUST(symlink("f", "link"));
    struct seen link = look("link");
    SEE(lchown("link", ANN, GROUP));
    SEE_MOVED(link);
    SEE_STAT("link");
    SEE_STAT("f");
    SEE(chown("link", BOB, GROUP));
    SEE_STAT("link");
    SEE_STAT("f");
}

CASE(replaced_while_followed) {
    put("one", "1");
    put("two", "2");
    MUST(symlink("one", "link"));
    SEE_FILE("link");
    MUST(symlink("two", "tmp"));
    SEE(rename("tmp", "link"));
    SEE_FILE("link");
    MUST(unlink("link"));
    MUST(symlink("one", "link"));
    SEE_FILE("link");
}
