/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rename(2), renameat2(2).
 */
#include "posix.h"

CASE(to_a_free_name) {
    put("a", "A");
    struct seen a = look("a"), dir = look(".");
    ino_t ino = a.st.st_ino;
    SEE(rename("a", "b"));
    SEE_MOVED(dir);
    a.path = "b";
    SEE_MOVED(a);
    SEE_NAMES(".");
    SEE_FILE("b");
    CHECK(stat_of("b").st_ino == ino);
    SEE_FD(open("a", O_RDONLY));
}

CASE(onto_a_file) {
    put("a", "A");
    put("b", "B");
    ino_t ino = stat_of("a").st_ino;
    SEE(rename("a", "b"));
    SEE_NAMES(".");
    SEE_FILE("b");
    CHECK(stat_of("b").st_ino == ino);
}

CASE(onto_an_open_file) {
    put("a", "new");
    put("b", "old");
    int fd = (int)MUST(open("b", O_RDWR)), from = (int)MUST(open("a", O_RDWR));
    struct seen old = look_fd(fd);
    SEE(rename("a", "b"));
    SEE_FSTAT(fd);
    SEE_MOVED(old);
    char p[8] = "";
    SEE(pread(fd, p, 8, 0));
    SEE_BYTES(p, 3);
    SEE(pwrite(fd, "still ", 6, 0));
    SEE(pwrite(from, "!", 1, 3));
    SEE_FILE("b");
    SEE(pread(fd, p, 8, 0));
    SEE_BYTES(p, 6);
}

CASE(onto_one_of_several_names) {
    put("a", "A");
    put("b", "B");
    MUST(link("b", "c"));
    struct seen c = look("c");
    SEE(rename("a", "b"));
    SEE_STAT("c");
    SEE_MOVED(c);
    SEE_FILE("b");
    SEE_FILE("c");
}

/* Nothing happens, and both stay. */
CASE(two_names_of_one_file) {
    put("a", "A");
    MUST(link("a", "b"));
    struct seen a = look("a"), dir = look(".");
    SEE(rename("a", "b"));
    SEE(rename("a", "a"));
    SEE_MOVED(a);
    SEE_MOVED(dir);
    SEE_NAMES(".");
}

CASE(between_directories) {
    MUST(mkdir("from", 0755));
    MUST(mkdir("to", 0755));
    MUST(mkdir("other", 0755));
    put("from/f", "F");
    struct seen from = look("from"), to = look("to"), other = look("other"), here = look(".");
    SEE(rename("from/f", "to/g"));
    SEE_MOVED(from);
    SEE_MOVED(to);
    SEE_MOVED(other);
    SEE_MOVED(here);
    SEE_NAMES("from");
    SEE_NAMES("to");
}

CASE(directories) {
    MUST(mkdir("d", 0755));
    MUST(mkdir("d/sub", 0755));
    put("d/f", "F");
    MUST(mkdir("up", 0755));
    struct seen d = look("d"), sub = look("d/sub");
    SEE(rename("d", "up/e"));
    SEE_STAT(".");
    SEE_STAT("up");
    SEE_STAT("up/e");
    d.path = "up/e", sub.path = "up/e/sub";
    SEE_MOVED(d);
    SEE_MOVED(sub);
    SEE_FILE("up/e/f");
    SEE_NAMES("up/e");
    CHECK(stat_of("up/e/..").st_ino == stat_of("up").st_ino);
    CHECK(stat_of("up/e/sub/..").st_ino == stat_of("up/e").st_ino);
}

CASE(onto_a_directory) {
    MUST(mkdir("d", 0755));
    put("d/f", "");
    MUST(mkdir("empty", 0700));
    MUST(mkdir("full", 0755));
    put("full/x", "");
    put("file", "");
    SEE(rename("d", "full"));
    SEE(rename("d", "file"));
    SEE(rename("file", "empty"));
    SEE(rename("file", "full"));
    SEE(rename("d", "empty"));
    SEE_NAMES(".");
    SEE_NAMES("empty");
    SEE_STAT("empty");
    SEE_STAT(".");
}

CASE(into_itself) {
    MUST(mkdir("d", 0755));
    MUST(mkdir("d/e", 0755));
    SEE(rename("d", "d/x"));
    SEE(rename("d", "d/e"));
    SEE(rename("d", "d/e/x"));
    SEE(rename("d/e", "d"));
    SEE(rename("d", "d"));
    SEE(rename("d/.", "x"));
    SEE(rename("d/..", "x"));
    SEE(rename("d", "d/."));
    SEE(rename(".", "x"));
    SEE_NAMES("d");
}

CASE(noreplace) {
    put("a", "A");
    put("b", "B");
    MUST(mkdir("d", 0755));
    MUST(symlink("nowhere", "dangling"));
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "a", RENAME_NOREPLACE));
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_NOREPLACE));
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "dangling", RENAME_NOREPLACE));
    SEE(renameat2(AT_FDCWD, "none", AT_FDCWD, "b", RENAME_NOREPLACE));
    SEE_FILE("b");
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
    SEE(renameat2(AT_FDCWD, "d", AT_FDCWD, "e", RENAME_NOREPLACE));
    SEE_NAMES(".");
}

CASE(exchange) {
    put("a", "A");
    put("b", "BB");
    struct seen a = look("a"), b = look("b"), dir = look(".");
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
    a.path = "b", b.path = "a";
    SEE_MOVED(a);
    SEE_MOVED(b);
    SEE_MOVED(dir);
    CHECK(stat_of("a").st_ino == b.st.st_ino);
    CHECK(stat_of("b").st_ino == a.st.st_ino);
    SEE_FILE("a");
    SEE_FILE("b");
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "none", RENAME_EXCHANGE));
    SEE(renameat2(AT_FDCWD, "none", AT_FDCWD, "a", RENAME_EXCHANGE));
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "a", RENAME_EXCHANGE));
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE | RENAME_NOREPLACE));
    SEE(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", 128));
}

CASE(exchange_with_a_directory) {
    MUST(mkdir("up", 0755));
    MUST(mkdir("up/d", 0755));
    put("up/d/inside", "I");
    put("f", "F");
    MUST(symlink("f", "link"));
    SEE(renameat2(AT_FDCWD, "f", AT_FDCWD, "up/d", RENAME_EXCHANGE));
    SEE_NAMES(".");
    SEE_NAMES("up");
    SEE_STAT(".");
    SEE_STAT("up");
    SEE_FILE("f/inside");
    SEE(renameat2(AT_FDCWD, "f", AT_FDCWD, "link", RENAME_EXCHANGE));
    SEE_NAMES(".");
    SEE(renameat2(AT_FDCWD, "up", AT_FDCWD, "up/d", RENAME_EXCHANGE));
    CHECK(stat_of("link/..").st_ino == stat_of(".").st_ino);
}

CASE(paths) {
    put("f", "");
    MUST(mkdir("d", 0755));
    SEE(rename("none", "x"));
    SEE(rename("f", "none/x"));
    SEE(rename("f", "f/x"));
    SEE(rename("f/x", "y"));
    SEE(rename("", "x"));
    SEE(rename("f", ""));
    SEE(rename("f", "x/"));
    SEE(rename("f/", "x"));
    SEE(rename("d/", "e/"));
    SEE(rename("d", "e"));
    SEE_NAMES(".");
}

CASE(other_types) {
    MUST(symlink("nowhere", "link"));
    MUST(mkfifo("fifo", 0644));
    put("f", "F");
    SEE(rename("link", "link2"));
    SEE_STAT("link2");
    SEE(rename("fifo", "link2"));
    SEE(rename("f", "link2"));
    SEE_NAMES(".");
    SEE_FILE("link2");
}

CASE(a_directory_in_use) {
    MUST(mkdir("d", 0755));
    put("d/f", "F");
    int fd = (int)MUST(open("d", O_RDONLY));
    MUST(chdir("d"));
    SEE(rename("../d", "../e"));
    SEE_NAMES(".");
    SEE_FD(open("f", O_RDONLY));
    SEE_FD(openat(fd, "g", O_WRONLY | O_CREAT, 0644));
    SEE_NAMES("../e");
    char cwd[PATH_MAX];
    MUST(getcwd(cwd, sizeof cwd) ? 0 : -1);
    SEE_BYTES(strrchr(cwd, '/'), 2);
}

/* While it is written: the handle goes on, the name is another. */
CASE(a_file_in_use) {
    int fd = (int)MUST(open("a", O_RDWR | O_CREAT, 0644));
    SEE(write(fd, "one ", 4));
    SEE(rename("a", "b"));
    SEE(write(fd, "two ", 4));
    SEE(fsync(fd));
    SEE(rename("b", "c"));
    SEE(write(fd, "three", 5));
    MUST(close(fd));
    SEE_FILE("c");
    SEE_NAMES(".");
}

CASE(keeps_attributes) {
    put("a", "A");
    MUST(chmod("a", 0461));
    MUST(utimensat(AT_FDCWD, "a", (struct timespec[]){{1, 2}, {3, 4}}, 0));
    SEE(rename("a", "b"));
    SEE_STAT("b");
    struct stat st = stat_of("b");
    CHECK(st.st_mtim.tv_sec == 3 && st.st_mtim.tv_nsec == 4 && st.st_atim.tv_sec == 1 &&
          st.st_atim.tv_nsec == 2);
}

/* Several processes rename over one name: it is there at every moment, and whole. */
CASE(from_several_processes) {
    enum { PROCESSES = 4, TIMES = 40 };
    pid_t pids[PROCESSES];
    put("name", "0");
    for (int k = 0; k < PROCESSES; k++)
        if ((pids[k] = (pid_t)MUST(fork())) == 0) {
            char tmp[16], text[64];
            memset(text, 'a' + k, sizeof text);
            snprintf(tmp, sizeof tmp, "tmp%d", k);
            for (int i = 0; i < TIMES; i++) {
                int fd = (int)MUST(open(tmp, O_WRONLY | O_CREAT | O_EXCL, 0644));
                MUST(write(fd, text, sizeof text));
                MUST(close(fd));
                MUST(rename(tmp, "name"));
            }
            _exit(0);
        }
    int wrong = 0;
    for (int i = 0; i < 200; i++) {
        char p[100];
        int fd = (int)MUST(open("name", O_RDONLY));
        ssize_t n = read(fd, p, sizeof p);
        wrong += !(n == 1 || (n == 64 && p[0] == p[63]));
        MUST(close(fd));
    }
    SEE(wrong);
    for (int k = 0; k < PROCESSES; k++) {
        int status;
        MUST(waitpid(pids[k], &status, 0));
        CHECK(status == 0);
    }
    SEE_NAMES(".");
    SEE_STAT("name");
}

ROOT_CASE(permissions) {
    MUST(mkdir("closed", 0755));
    MUST(mkdir("open", 0777));
    MUST(mkdir("open/theirs", 0755));
    MUST(chown("open/theirs", BOB, GROUP));
    put("closed/f", "");
    put("open/f", "");
    AS_USER(ANN, GROUP) {
        SEE(rename("closed/f", "open/g"));
        SEE(rename("open/f", "closed/g"));
        SEE(rename("open/f", "open/g"));
        SEE(rename("open/g", "closed/f"));
        SEE(rename("open/theirs", "open/mine")); /* ".." does not change */
        SEE(mkdir("open/new", 0755));
        SEE(rename("open/mine", "open/new/x")); /* ".." changes, of a directory that ann may not write */
    }
    SEE_NAMES("open");
}
