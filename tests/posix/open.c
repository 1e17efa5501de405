/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * open(2), creat(2): flags, errors, what is made.
 */
#include "posix.h"
#include <sys/wait.h>

CASE(creates) {
    SEE_FD(open("f", O_WRONLY | O_CREAT, 0666));
    SEE_STAT("f");
    SEE_FILE("f");
    SEE_FD(creat("g", 0604));
    SEE_STAT("g");
    SEE_NAMES(".");
}

CASE(moves_times_of_the_directory) {
    struct seen dir = look(".");
    SEE_FD(open("f", O_WRONLY | O_CREAT, 0644));
    SEE_MOVED(dir);
    dir = look(".");
    struct seen f = look("f");
    SEE_FD(open("f", O_WRONLY | O_CREAT, 0600));
    SEE_MOVED(dir);
    SEE_MOVED(f);
    SEE_STAT("f");
}

CASE(umask_takes_bits_away) {
    umask(027);
    SEE_FD(open("a", O_WRONLY | O_CREAT, 0777));
    SEE_STAT("a");
    umask(0);
    SEE_FD(open("b", O_WRONLY | O_CREAT, 07777));
    SEE_STAT("b");
    umask(0777);
    SEE_FD(open("c", O_WRONLY | O_CREAT, 0777));
    SEE_STAT("c");
}

/* The mode is for later opens; this descriptor may do what it asked for. */
CASE(mode_binds_later_opens_only) {
    int fd = SEE_FD(open("f", O_RDWR | O_CREAT, 0));
    SEE(write(fd, "abc", 3));
    char p[3] = "";
    SEE(pread(fd, p, 3, 0));
    SEE_BYTES(p, 3);
    SEE_STAT("f");
}

CASE(exclusive) {
    put("f", "here");
    MUST(mkdir("d", 0755));
    MUST(symlink("nowhere", "dangling"));
    SEE_FD(open("new", O_WRONLY | O_CREAT | O_EXCL, 0644));
    SEE_FD(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644));
    SEE_FD(open("d", O_WRONLY | O_CREAT | O_EXCL, 0644));
    SEE_FD(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0644));
    SEE_FILE("f");
}

CASE(through_symlinks) {
    MUST(symlink("target", "dangling"));
    MUST(symlink("loop2", "loop1"));
    MUST(symlink("loop1", "loop2"));
    SEE_FD(open("dangling", O_RDONLY));
    SEE_FD(open("dangling", O_WRONLY | O_CREAT, 0640));
    SEE_STAT("target");
    SEE_FD(open("dangling", O_RDONLY));
    SEE_FD(open("dangling", O_RDONLY | O_NOFOLLOW));
    SEE_FD(open("dangling", O_PATH | O_NOFOLLOW));
    SEE_FD(open("loop1", O_RDONLY));
    SEE_FD(open("loop1", O_WRONLY | O_CREAT, 0644));
}

CASE(truncates) {
    put("f", "some bytes");
    struct seen f = look("f");
    SEE_FD(open("f", O_WRONLY | O_TRUNC));
    SEE_MOVED(f);
    SEE_STAT("f");
    put("g", "some bytes");
    SEE_FD(open("g", O_RDONLY | O_TRUNC));
    SEE_STAT("g");
    put("h", "some bytes");
    SEE_FD(open("h", O_WRONLY | O_CREAT | O_TRUNC, 0600));
    SEE_STAT("h");
    SEE_FILE("h");
}

CASE(truncates_what_is_empty) {
    put("f", "");
    struct seen f = look("f");
    SEE_FD(open("f", O_WRONLY | O_TRUNC));
    SEE_MOVED(f);
}

CASE(truncates_while_another_has_it_open) {
    put("f", "some bytes");
    int fd = (int)MUST(open("f", O_RDWR));
    SEE_FD(open("f", O_WRONLY | O_TRUNC));
    SEE_FSTAT(fd);
    char c;
    SEE(pread(fd, &c, 1, 0));
    SEE(pwrite(fd, "x", 1, 3));
    SEE_FILE("f");
}

CASE(directories) {
    put("f", "");
    MUST(mkdir("d", 0755));
    SEE_FD(open("d", O_RDONLY));
    SEE_FD(open("d", O_RDONLY | O_DIRECTORY));
    SEE_FD(open("f", O_RDONLY | O_DIRECTORY));
    SEE_FD(open("d", O_WRONLY));
    SEE_FD(open("d", O_RDWR));
    SEE_FD(open("d", O_RDONLY | O_TRUNC));
    SEE_FD(open("d", O_RDONLY | O_CREAT, 0644));
    SEE_FD(open("d", O_WRONLY | O_CREAT, 0644));
    SEE_FD(open("new", O_RDONLY | O_CREAT | O_DIRECTORY, 0644));
    char c;
    int fd = (int)MUST(open("d", O_RDONLY));
    SEE(read(fd, &c, 1));
    SEE(write(fd, &c, 1));
    SEE(ftruncate(fd, 0));
}

CASE(paths_that_lead_nowhere) {
    put("f", "");
    SEE_FD(open("", O_RDONLY));
    SEE_FD(open("none", O_RDONLY));
    SEE_FD(open("none/f", O_RDONLY));
    SEE_FD(open("none/f", O_WRONLY | O_CREAT, 0644));
    SEE_FD(open("f/", O_RDONLY));
    SEE_FD(open("f/x", O_RDONLY));
    SEE_FD(open("f/x", O_WRONLY | O_CREAT, 0644));
    SEE_FD(open("new/", O_WRONLY | O_CREAT, 0644));
    SEE_NAMES(".");
}

CASE(read_only_and_write_only) {
    put("f", "abc");
    char c = 'x';
    int r = SEE_FD(open("f", O_RDONLY)), w = SEE_FD(open("f", O_WRONLY));
    SEE(write(r, &c, 1));
    SEE(read(w, &c, 1));
    SEE(ftruncate(r, 0));
    SEE(fchmod(r, 0600));
    SEE_STAT("f");
}

CASE(path_only) {
    put("f", "abc");
    char c;
    int fd = SEE_FD(open("f", O_PATH));
    SEE(read(fd, &c, 1));
    SEE(fchmod(fd, 0600));
    SEE(fsync(fd));
    SEE_FSTAT(fd);
    MUST(rename("f", "g"));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = SEE_FD(open(path, O_RDWR));
    SEE(read(again, &c, 1));
    SEE_FSTAT(again);
}

CASE(fifo_and_socket) {
    MUST(mkfifo("fifo", 0644));
    MUST(mknod("socket", S_IFSOCK | 0644, 0));
    SEE_FD(open("fifo", O_WRONLY | O_NONBLOCK));
    int r = SEE_FD(open("fifo", O_RDONLY | O_NONBLOCK));
    int w = SEE_FD(open("fifo", O_WRONLY | O_NONBLOCK));
    SEE(write(w, "through", 7));
    char p[8] = "";
    SEE(read(r, p, 8));
    SEE_BYTES(p, 7);
    SEE_FD(open("socket", O_RDWR));
    SEE_FD(open("socket", O_PATH));
}

/* The mount is nodev: a device of it is a name that nobody can open. */
ROOT_CASE(devices) {
    MUST(mknod("null", S_IFCHR | 0666, 0x103));
    SEE_FD(open("null", O_RDWR));
    SEE_FD(open("null", O_PATH));
}

CASE(unnamed) {
    int fd = SEE_FD(open(".", O_TMPFILE | O_RDWR, 0640));
    if (fd < 0)
        return;
    SEE(write(fd, "abc", 3));
    SEE_FSTAT(fd);
    SEE_NAMES(".");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SEE(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    SEE_STAT("named");
    SEE_FILE("named");
    SEE_FD(open(".", O_TMPFILE | O_RDONLY, 0640));
}

CASE(flags_changed_later) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR));
    CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    SEE(fcntl(fd, F_SETFL, O_APPEND));
    CHECK(fcntl(fd, F_GETFL) & O_APPEND);
    SEE(write(fd, "d", 1));
    SEE(fcntl(fd, F_SETFL, 0));
    SEE(lseek(fd, 0, SEEK_SET));
    SEE(write(fd, "A", 1));
    SEE_FILE("f");
}

/* A program that runs cannot be written, and one that is written cannot be run. */
CASE(text_busy) {
    static const char script[] = "/bin/true";
    int from = (int)MUST(open(script, O_RDONLY)), to = (int)MUST(open("program", O_WRONLY | O_CREAT, 0755));
    static char p[65536];
    for (ssize_t n; (n = MUST(read(from, p, sizeof p))) > 0;)
        MUST(write(to, p, (size_t)n));
    char *argv[] = {(char *)"program", NULL};
    IN_CHILD {
        SEE(execv("./program", argv));
    }
    MUST(close(to));
    fflush(stdout);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        execv("./program", argv);
        _exit(99);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

CASE(many_descriptors) {
    put("f", "abc");
    int last = -1;
    for (int i = 0; i < 500; i++)
        last = (int)MUST(open("f", i % 2 ? O_RDONLY : O_RDWR));
    char c;
    SEE(read(last, &c, 1));
    SEE_STAT("f");
}

/* Found, not opened yet, and replaced: it still is what it was. */
CASE(unlinked_before_it_is_opened) {
    put("f", "old");
    int fd = (int)MUST(open("f", O_PATH));
    put("g", "new");
    MUST(rename("g", "f"));
    char path[64], p[8] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = SEE_FD(open(path, O_RDWR));
    SEE(read(again, p, sizeof p));
    SEE_BYTES(p, 3);
    SEE(write(again, "er", 2));
    MUST(close(again));
    again = SEE_FD(open(path, O_RDONLY));
    SEE(read(again, p, sizeof p));
    SEE_BYTES(p, 5);
    SEE_FSTAT(again);
    SEE_FILE("f");
}

/* What another process has opened is the same file; a descriptor inherited has the same offset. */
CASE(shared_with_a_child) {
    put("f", "abcdef");
    int fd = (int)MUST(open("f", O_RDWR));
    IN_CHILD {
        char c;
        SEE(read(fd, &c, 1));
        SEE(lseek(fd, 2, SEEK_CUR));
    }
    SEE(lseek(fd, 0, SEEK_CUR));
    SEE(write(fd, "X", 1));
    IN_CHILD {
        SEE_FILE("f");
    }
}
