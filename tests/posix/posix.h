/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The POSIX conformance set: one file a system call or family, in it one CASE() a rule. The program is given
 * a directory and prints what it saw there; tests/sh/posix.sh runs it on a local ext4 and on a mount and
 * compares line by line.
 *
 * A case is run in a process of its own, in an empty directory of its own (which is its working directory),
 * with umask 022, as the user who runs the program. It prints a line "family/case: text = result" for every
 * SEE…() and CHECK() in it: `text` is the C of the argument, `result` what must be the same everywhere. So
 * nothing is printed that two filesystems may choose (inode numbers, times, the order of names, the size of a
 * directory): compare those with CHECK(), or see how times move with look() and SEE_MOVED().
 *
 *     CASE(onto_a_file) {
 *         put("a", "A");
 *         put("b", "B");
 *         struct seen b = look("b");
 *         SEE(rename("a", "b"));
 *         SEE_FILE("b");
 *         ...
 *     }
 *
 * Nothing has to be freed, closed or removed: the process ends, and the directories are left for the caller,
 * who compares them again after a remount.
 */
#ifndef ASSETFS_POSIX_H
#define ASSETFS_POSIX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct posix_case {
    const char *file, *name;
    bool root; /* needs root: other users, owners, device nodes, trusted.* */
    void (*run)(void);
    struct posix_case *next;
};
void posix_register(struct posix_case *);

#define POSIX_CASE(NAME, ROOT)                                                                               \
    static void NAME(void);                                                                                  \
    static void __attribute__((constructor)) register_##NAME(void) {                                         \
        static struct posix_case c = {__FILE__, #NAME, ROOT, NAME, NULL};                                    \
        posix_register(&c);                                                                                  \
    }                                                                                                        \
    static void NAME(void)
#define CASE(name) POSIX_CASE(name, false)
#define ROOT_CASE(name) POSIX_CASE(name, true)

/* What a call returned: its number, or the name of its error. */
#define SEE(call) posix_see(#call, (long long)(call))
/* The same for a call that returns a descriptor, of which only is told that it is one. Has its value. */
#define SEE_FD(call) posix_see_fd(#call, (call))
/* Must be true everywhere. */
#define CHECK(condition) posix_check(#condition, (condition))
/* What cannot fail but for a broken test or filesystem: ends the case. Has the call's value. */
#define MUST(call) posix_must(#call, __FILE__, __LINE__, (long long)(call))
/* Bytes: what a file holds, what a buffer holds. Zeros and repetitions are told short. */
#define SEE_FILE(path) posix_see_file(#path, path)
#define SEE_BYTES(p, n) posix_see_bytes(#p, p, (size_t)(n))
/* Type, mode, owner, links, and the size of what has one. */
#define SEE_STAT(path) posix_see_stat(#path, path)
#define SEE_FSTAT(fd) posix_see_fstat(#fd, fd)
/* All names of a directory, sorted, with their types. */
#define SEE_NAMES(path) posix_see_names(#path, path)

long long posix_see(const char *text, long long result);
int posix_see_fd(const char *text, int fd);
void posix_check(const char *text, bool holds);
long long posix_must(const char *text, const char *file, int line, long long result);
void posix_see_file(const char *text, const char *path);
void posix_see_bytes(const char *text, const void *p, size_t n);
void posix_see_stat(const char *text, const char *path);
void posix_see_fstat(const char *text, int fd);
void posix_see_names(const char *text, const char *path);

/* How an inode looked; SEE_MOVED() tells which of its times have gone forward ("+") or back ("-") since. The
 * clock has moved on when look() returns. */
struct seen {
    const char *path; /* NULL: fd */
    int fd;
    struct stat st;
};
struct seen look(const char *path);
struct seen look_fd(int fd);
#define SEE_MOVED(seen) posix_see_moved(#seen, seen)
void posix_see_moved(const char *text, struct seen before);
/* Waits until the kernel's coarse clock, which stamps inodes, has moved on. */
void tick(void);

/* Makes or replaces a file. With --durable it is synced: on a mount it then is in the bucket, and not in the
 * spool. */
void put(const char *path, const char *text);
void put_bytes(const char *path, const void *p, size_t n);
/* n bytes that do not repeat; the same for the same seed. */
unsigned char *noise(size_t n, unsigned seed);
struct stat stat_of(const char *path); /* lstat(2), which must succeed */
bool same_ns(struct timespec a, struct timespec b);

/* { … } in another process: for locks, and as another user, who has the group and no other. Waited for. */
#define IN_CHILD for (bool in_ = posix_child(); in_; in_ = posix_leave())
#define AS_USER(uid, gid) for (bool in_ = posix_child() && posix_become(uid, gid); in_; in_ = posix_leave())
bool posix_child(void);
bool posix_become(uid_t uid, gid_t gid);
bool posix_leave(void) __attribute__((noreturn));

/* Users that have no rights by themselves. */
#define ANN 12001
#define BOB 12002
#define GROUP 12100

#endif
