/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * unlink(2), unlinkat(2), and files that live on without a name.
 */
#include "posix.h"
#include <sys/xattr.h>

CASE(takes_the_name) {
    put("f", "F");
    struct seen dir = look(".");
    SEE(unlink("f"));
    SEE_MOVED(dir);
    SEE_NAMES(".");
    SEE(unlink("f"));
    SEE_FD(open("f", O_RDONLY));
}

CASE(what_cannot_be_unlinked) {
    put("f", "");
    MUST(mkdir("d", 0755));
    SEE(unlink("d"));
    SEE(unlink("d/"));
    SEE(unlink("f/"));
    SEE(unlink("f/x"));
    SEE(unlink("none"));
    SEE(unlink("none/x"));
    SEE(unlink(""));
    SEE(unlink("."));
    SEE(unlink(".."));
    SEE(unlinkat(AT_FDCWD, "d", 0));
    SEE(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR));
    SEE(unlinkat(AT_FDCWD, "f", 4242));
    SEE(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
    SEE_NAMES(".");
}

CASE(other_types) {
    MUST(symlink("nowhere", "link"));
    MUST(mkfifo("fifo", 0644));
    MUST(mknod("socket", S_IFSOCK | 0644, 0));
    SEE(unlink("link"));
    SEE(unlink("fifo"));
    SEE(unlink("socket"));
    SEE_NAMES(".");
}

CASE(one_of_two_names) {
    put("a", "A");
    MUST(link("a", "b"));
    struct seen b = look("b");
    SEE(unlink("a"));
    SEE_STAT("b");
    SEE_MOVED(b);
    SEE_FILE("b");
}

CASE(while_open) {
    put("f", "still here");
    int fd = (int)MUST(open("f", O_RDWR));
    struct seen f = look_fd(fd);
    SEE(unlink("f"));
    SEE_FSTAT(fd);
    SEE_MOVED(f);
    char p[32] = "";
    SEE(read(fd, p, sizeof p));
    SEE(write(fd, ", and more", 10));
    SEE(fsync(fd));
    SEE(pread(fd, p, sizeof p, 0));
    SEE_BYTES(p, 20);
    SEE_FSTAT(fd);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = SEE_FD(open(path, O_RDWR));
    SEE(pread(again, p, sizeof p, 5));
}

CASE(attributes_while_open) {
    put("f", "F");
    int fd = (int)MUST(open("f", O_RDWR));
    MUST(unlink("f"));
    SEE(fchmod(fd, 0600));
    SEE(futimens(fd, (struct timespec[]){{1, 2}, {3, 4}}));
    SEE_FSTAT(fd);
    struct stat st;
    MUST(fstat(fd, &st));
    CHECK(st.st_mtim.tv_sec == 3 && st.st_mtim.tv_nsec == 4);
    SEE(fsetxattr(fd, "user.x", "value", 5, 0));
    char p[8] = "";
    SEE(fgetxattr(fd, "user.x", p, 8));
    SEE_BYTES(p, 5);
    SEE(fremovexattr(fd, "user.x"));
    SEE(fgetxattr(fd, "user.x", p, 8));
    SEE(ftruncate(fd, 100));
    SEE_FSTAT(fd);
}

/* A new file of the name is another file. */
CASE(and_made_anew) {
    put("f", "old");
    int fd = (int)MUST(open("f", O_RDWR));
    struct stat old, new;
    MUST(fstat(fd, &old));
    MUST(unlink("f"));
    put("f", "new one");
    new = stat_of("f");
    CHECK(old.st_ino != new.st_ino);
    char p[8] = "";
    SEE(pread(fd, p, 8, 0));
    SEE_BYTES(p, 3);
    SEE_FILE("f");
    SEE(pwrite(fd, "OLD", 3, 0));
    SEE_FILE("f");
}

CASE(made_and_unlinked_at_once) {
    int fd = SEE_FD(open("tmp", O_RDWR | O_CREAT | O_EXCL, 0600));
    SEE(unlink("tmp"));
    unsigned char *p = noise(2000000, 3), *q = malloc(2000000);
    SEE(write(fd, p, 2000000));
    SEE(pread(fd, q, 2000000, 0));
    CHECK(memcmp(p, q, 2000000) == 0);
    SEE_NAMES(".");
}

ROOT_CASE(permissions) {
    MUST(mkdir("closed", 0755));
    MUST(mkdir("open", 0777));
    put("closed/f", "");
    put("open/f", "");
    MUST(chmod("open/f", 0));
    MUST(chown("closed/f", ANN, GROUP));
    AS_USER(ANN, GROUP) {
        SEE(unlink("closed/f"));
        SEE(unlink("closed/none"));
        SEE(unlink("open/f"));
    }
    SEE_NAMES("open");
}
