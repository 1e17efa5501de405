/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * flock(2), fcntl(2) locks of a process and of an open file description, leases.
 */
#include "posix.h"
#include <signal.h>
#include <sys/file.h>

static struct flock range(short type, off_t start, off_t len) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

CASE(flock_between_descriptions) {
    put("f", "");
    int a = (int)MUST(open("f", O_RDWR)), b = (int)MUST(open("f", O_RDONLY)), c = dup(a);
    SEE(flock(a, LOCK_EX));
    SEE(flock(b, LOCK_EX | LOCK_NB));
    SEE(flock(b, LOCK_SH | LOCK_NB));
    SEE(flock(c, LOCK_EX | LOCK_NB));
    SEE(flock(a, LOCK_SH));
    SEE(flock(b, LOCK_SH | LOCK_NB));
    SEE(flock(a, LOCK_EX | LOCK_NB));
    SEE(flock(b, LOCK_UN));
    SEE(flock(a, LOCK_EX | LOCK_NB));
    MUST(close(a));
    SEE(flock(b, LOCK_EX | LOCK_NB));
    MUST(close(c));
    SEE(flock(b, LOCK_EX | LOCK_NB));
    SEE(flock(b, 77));
}

CASE(flock_between_processes) {
    put("f", "");
    int fd = (int)MUST(open("f", O_RDWR));
    SEE(flock(fd, LOCK_EX));
    IN_CHILD {
        int own = (int)MUST(open("f", O_RDWR));
        SEE(flock(own, LOCK_EX | LOCK_NB));
        SEE(flock(fd, LOCK_EX | LOCK_NB)); /* inherited: the same description */
    }
    SEE(flock(fd, LOCK_UN));
    IN_CHILD {
        int own = (int)MUST(open("f", O_RDWR));
        SEE(flock(own, LOCK_EX | LOCK_NB));
    }
    SEE(flock(fd, LOCK_SH | LOCK_NB)); /* the child's went with it */
    MUST(mkdir("d", 0755));
    SEE(flock((int)MUST(open("d", O_RDONLY)), LOCK_EX | LOCK_NB));
}

CASE(ranges) {
    put("f", "0123456789");
    int fd = (int)MUST(open("f", O_RDWR));
    struct flock l = range(F_WRLCK, 2, 4), r = range(F_RDLCK, 8, 0);
    SEE(fcntl(fd, F_SETLK, &l));
    SEE(fcntl(fd, F_SETLK, &r));
    IN_CHILD {
        int own = (int)MUST(open("f", O_RDWR));
        struct flock t = range(F_WRLCK, 0, 0);
        SEE(fcntl(own, F_GETLK, &t));
        CHECK(t.l_pid == getppid());
        SEE(t.l_type);
        SEE(t.l_start);
        SEE(t.l_len);
        t = range(F_WRLCK, 6, 2);
        SEE(fcntl(own, F_GETLK, &t));
        CHECK(t.l_type == F_UNLCK);
        SEE(fcntl(own, F_SETLK, &t) == 0);
        t = range(F_RDLCK, 9, 1);
        SEE(fcntl(own, F_SETLK, &t));
        t = range(F_WRLCK, 9, 1);
        SEE(fcntl(own, F_SETLK, &t));
        t = range(F_RDLCK, 5, 1);
        SEE(fcntl(own, F_SETLK, &t));
    }
    l = range(F_UNLCK, 3, 1);
    SEE(fcntl(fd, F_SETLK, &l));
    IN_CHILD {
        int own = (int)MUST(open("f", O_RDWR));
        struct flock t = range(F_WRLCK, 3, 1);
        SEE(fcntl(own, F_SETLK, &t));
        t = range(F_WRLCK, 2, 1);
        SEE(fcntl(own, F_SETLK, &t));
    }
    l = range(F_WRLCK, 0, 0);
    l.l_type = 42;
    SEE(fcntl(fd, F_SETLK, &l));
    int ro = (int)MUST(open("f", O_RDONLY));
    l = range(F_WRLCK, 0, 1);
    SEE(fcntl(ro, F_SETLK, &l));
}

/* A process loses its locks when it closes any descriptor of the file. */
CASE(lost_by_any_close) {
    put("f", "");
    int a = (int)MUST(open("f", O_RDWR)), b = (int)MUST(open("f", O_RDONLY));
    struct flock l = range(F_WRLCK, 0, 0);
    SEE(fcntl(a, F_SETLK, &l));
    MUST(close(b));
    IN_CHILD {
        struct flock t = range(F_WRLCK, 0, 0);
        SEE(fcntl((int)MUST(open("f", O_RDWR)), F_SETLK, &t));
    }
}

CASE(not_inherited) {
    put("f", "");
    int fd = (int)MUST(open("f", O_RDWR));
    struct flock l = range(F_WRLCK, 0, 0);
    SEE(fcntl(fd, F_SETLK, &l));
    IN_CHILD {
        struct flock t = range(F_WRLCK, 0, 0);
        SEE(fcntl(fd, F_SETLK, &t));
    }
}

CASE(of_descriptions) {
    put("f", "");
    int a = (int)MUST(open("f", O_RDWR)), b = (int)MUST(open("f", O_RDWR));
    struct flock l = range(F_WRLCK, 0, 10);
    SEE(fcntl(a, F_OFD_SETLK, &l));
    SEE(fcntl(b, F_OFD_SETLK, &l));
    SEE(fcntl(b, F_OFD_GETLK, &l));
    SEE(l.l_pid);
    SEE(l.l_type);
    l = range(F_WRLCK, 10, 10);
    SEE(fcntl(b, F_OFD_SETLK, &l));
    MUST(close((int)MUST(open("f", O_RDWR))));
    l = range(F_RDLCK, 0, 1);
    SEE(fcntl(b, F_OFD_SETLK, &l));
    IN_CHILD {
        struct flock t = range(F_WRLCK, 0, 1);
        SEE(fcntl(a, F_OFD_SETLK, &t)); /* inherited */
        SEE(fcntl(a, F_SETLK, &t));
    }
    MUST(close(a));
    l = range(F_WRLCK, 0, 1);
    SEE(fcntl(b, F_OFD_SETLK, &l));
}

/* The one that waits gets it when the other lets go. */
CASE(waits) {
    put("f", "");
    int fd = (int)MUST(open("f", O_RDWR)), p[2];
    struct flock l = range(F_WRLCK, 0, 0);
    MUST(pipe(p));
    SEE(fcntl(fd, F_SETLK, &l));
    SEE(flock(fd, LOCK_EX));
    fflush(stdout);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        int own = (int)MUST(open("f", O_RDWR));
        struct flock t = range(F_WRLCK, 0, 0);
        MUST(write(p[1], "s", 1));
        MUST(fcntl(own, F_SETLKW, &t));
        MUST(flock(own, LOCK_EX));
        MUST(write(own, "child", 5));
        _exit(0);
    }
    char c;
    MUST(read(p[0], &c, 1));
    tick();
    SEE_FILE("f"); /* closes a descriptor: the child may go on, to flock() */
    MUST(pwrite(fd, "parent", 6, 5));
    SEE(flock(fd, LOCK_UN));
    int status;
    MUST(waitpid(pid, &status, 0));
    SEE(status);
    SEE_FILE("f");
}

CASE(deadlock) {
    put("f", "");
    int fd = (int)MUST(open("f", O_RDWR)), to_child[2], to_parent[2];
    char c;
    struct flock a = range(F_WRLCK, 0, 1), b = range(F_WRLCK, 1, 1);
    MUST(pipe(to_child));
    MUST(pipe(to_parent));
    MUST(fcntl(fd, F_SETLK, &a));
    fflush(stdout);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        int own = (int)MUST(open("f", O_RDWR));
        MUST(fcntl(own, F_SETLK, &b));
        MUST(write(to_parent[1], "x", 1));
        int r = fcntl(own, F_SETLKW, &a);
        _exit(r == 0 || errno == EDEADLK ? 0 : 1);
    }
    MUST(read(to_parent[0], &c, 1));
    /* One of the two is told. Until the child waits, a lock that waits here is no deadlock yet: whoever comes
     * second gets EDEADLK. */
    int r = fcntl(fd, F_SETLKW, &b);
    CHECK(r == 0 || errno == EDEADLK);
    MUST(close(fd));
    int status;
    MUST(waitpid(pid, &status, 0));
    SEE(status);
}

CASE(lease) {
    put("f", "");
    int fd = (int)MUST(open("f", O_RDONLY));
    SEE(fcntl(fd, F_SETLEASE, F_RDLCK));
    SEE(fcntl(fd, F_GETLEASE));
    SEE(fcntl(fd, F_SETLEASE, F_UNLCK));
}

CASE(of_an_unlinked_file) {
    put("f", "");
    int a = (int)MUST(open("f", O_RDWR)), b = (int)MUST(open("f", O_RDWR));
    MUST(unlink("f"));
    put("f", "");
    int other = (int)MUST(open("f", O_RDWR));
    SEE(flock(a, LOCK_EX | LOCK_NB));
    SEE(flock(b, LOCK_EX | LOCK_NB));
    SEE(flock(other, LOCK_EX | LOCK_NB));
}
