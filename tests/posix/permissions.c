/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who may do what: modes, directories to be searched, sticky directories, what runs.
 */
#include "posix.h"
#include <sys/fsuid.h>
#include <sys/wait.h>

ROOT_CASE(files) {
    put("private", "P");
    put("public", "P");
    put("group", "G");
    MUST(chmod("private", 0600));
    MUST(chmod("public", 0666));
    MUST(chmod("group", 0640));
    MUST(chown("group", 0, GROUP));
    AS_USER(ANN, GROUP) {
        SEE_FD(open("private", O_RDONLY));
        SEE_FD(open("private", O_WRONLY));
        SEE_FD(open("private", O_WRONLY | O_TRUNC));
        SEE_FD(open("private", O_PATH));
        SEE_FD(open("public", O_RDWR));
        SEE_FD(open("group", O_RDONLY));
        SEE_FD(open("group", O_RDWR));
        SEE_FD(open("public", O_RDONLY | O_NOATIME));
        SEE_FD(open("new", O_WRONLY | O_CREAT, 0644));
        SEE_STAT("private");
    }
    AS_USER(BOB, BOB) {
        SEE_FD(open("group", O_RDONLY));
    }
    SEE_FILE("private");
}

/* The owner's bits are for the owner, even where others may more. */
ROOT_CASE(first_class_that_fits) {
    put("f", "F");
    MUST(chown("f", ANN, GROUP));
    MUST(chmod("f", 0077));
    AS_USER(ANN, GROUP) {
        SEE_FD(open("f", O_RDONLY));
    }
    AS_USER(BOB, GROUP) {
        SEE_FD(open("f", O_RDWR));
    }
    MUST(chmod("f", 0606));
    AS_USER(BOB, GROUP) {
        SEE_FD(open("f", O_RDONLY));
    }
    AS_USER(BOB, BOB) {
        SEE_FD(open("f", O_RDONLY));
    }
}

ROOT_CASE(directories) {
    MUST(mkdir("search", 0755));
    MUST(mkdir("list", 0755));
    MUST(mkdir("none", 0755));
    put("search/f", "F");
    put("list/f", "F");
    put("none/f", "F");
    MUST(chmod("search", 0711));
    MUST(chmod("list", 0744));
    MUST(chmod("none", 0700));
    AS_USER(ANN, GROUP) {
        struct stat st;
        SEE_FILE("search/f");
        SEE_NAMES("search");
        SEE(stat("search/f", &st));
        SEE(stat("list/f", &st));
        SEE_FD(open("list/f", O_RDONLY));
        DIR *d = opendir("list");
        int n = 0;
        while (d && readdir(d))
            n++;
        SEE(n);
        SEE(stat("none/f", &st));
        SEE_NAMES("none");
        SEE(chdir("list"));
        SEE(chdir("none"));
        SEE(chdir("search"));
        SEE(stat("f", &st));
    }
}

/* Who has it open reads on after the directory was closed to him; a new look is refused, cached or not. */
ROOT_CASE(closed_later) {
    MUST(mkdir("d", 0755));
    put("d/f", "F");
    int p[2], q[2];
    char c;
    MUST(pipe(p));
    MUST(pipe(q));
    fflush(stdout);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        posix_become(ANN, GROUP);
        int fd = (int)MUST(open("d/f", O_RDONLY));
        MUST(write(p[1], "x", 1));
        MUST(read(q[0], &c, 1));
        SEE(read(fd, &c, 1));
        SEE_FD(open("d/f", O_RDONLY));
        SEE(access("d/f", F_OK));
        posix_leave();
    }
    MUST(read(p[0], &c, 1));
    MUST(chmod("d", 0700));
    MUST(write(q[1], "x", 1));
    int status;
    MUST(waitpid(pid, &status, 0));
    SEE(status);
}

ROOT_CASE(sticky) {
    MUST(mkdir("tmp", 0777));
    MUST(chmod("tmp", 01777));
    put("tmp/anns", "");
    put("tmp/anns2", "");
    put("tmp/bobs", "");
    MUST(mkdir("tmp/bobsdir", 0777));
    MUST(chmod("tmp/bobs", 0666));
    MUST(chown("tmp/anns", ANN, GROUP));
    MUST(chown("tmp/anns2", ANN, GROUP));
    MUST(chown("tmp/bobs", BOB, GROUP));
    MUST(chown("tmp/bobsdir", BOB, GROUP));
    AS_USER(ANN, GROUP) {
        SEE(unlink("tmp/bobs"));
        SEE(rename("tmp/bobs", "tmp/x"));
        SEE(rename("tmp/anns", "tmp/bobs"));
        SEE(rmdir("tmp/bobsdir"));
        SEE(renameat2(AT_FDCWD, "tmp/anns", AT_FDCWD, "tmp/bobs", RENAME_EXCHANGE));
        SEE(rename("tmp/anns", "tmp/mine"));
        SEE(unlink("tmp/anns2"));
        SEE_FD(open("tmp/new", O_WRONLY | O_CREAT, 0600));
        SEE_FD(open("tmp/bobs", O_WRONLY));
        SEE_FD(open("tmp/bobs", O_WRONLY | O_CREAT, 0600)); /* protected_regular */
    }
    SEE_NAMES("tmp");
    MUST(chown("tmp", ANN, GROUP));
    AS_USER(ANN, GROUP) {
        SEE(unlink("tmp/bobs"));
        SEE(rmdir("tmp/bobsdir"));
    }
    SEE_NAMES("tmp");
}

ROOT_CASE(symlinks_in_sticky_directories) {
    MUST(mkdir("tmp", 0777));
    MUST(chmod("tmp", 01777));
    put("f", "F");
    MUST(symlink("../f", "tmp/link"));
    MUST(lchown("tmp/link", BOB, GROUP));
    AS_USER(ANN, GROUP) {
        SEE_FD(open("tmp/link", O_RDONLY)); /* protected_symlinks */
    }
}

ROOT_CASE(filesystem_identity) {
    put("f", "F");
    MUST(chmod("f", 0600));
    MUST(chmod(".", 0777));
    setfsgid(GROUP);
    setfsuid(ANN);
    SEE_FD(open("f", O_RDONLY));
    SEE_FD(open("mine", O_WRONLY | O_CREAT, 0644));
    SEE(mkdir("dir", 0755));
    setfsuid(0);
    setfsgid(0);
    SEE_FD(open("f", O_RDONLY));
    SEE_STAT("mine");
    SEE_STAT("dir");
}

static int run(const char *path) {
    char *argv[] = {(char *)path, NULL};
    fflush(stdout);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        execv(path, argv);
        _exit(100 + errno);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

CASE(scripts_run) {
    put("script", "#!/bin/sh\nexit 7\n");
    SEE(run("./script"));
    MUST(chmod("script", 0755));
    SEE(run("./script"));
    MUST(mkdir("d", 0755));
    SEE(run("./d"));
    SEE(run("./none"));
}

/* The mount is nosuid: the bits are kept, and give nobody anything. */
ROOT_CASE(setuid_programs) {
    static char p[65536];
    int from = (int)MUST(open("/usr/bin/id", O_RDONLY)), to = (int)MUST(open("id", O_WRONLY | O_CREAT, 0755));
    for (ssize_t n; (n = MUST(read(from, p, sizeof p))) > 0;)
        MUST(write(to, p, (size_t)n));
    MUST(close(to));
    MUST(chown("id", BOB, GROUP));
    MUST(chmod("id", 04755));
    SEE_STAT("id");
    MUST(chmod(".", 0777));
    fflush(stdout);
    AS_USER(ANN, GROUP) {
        SEE(system("test \"$(./id -u)\" = 12002"));
    }
}
