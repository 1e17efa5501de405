/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * chown(2), lchown(2), fchown(2).
 */
#include "posix.h"

ROOT_CASE(owner_and_group) {
    put("f", "");
    SEE(chown("f", ANN, GROUP));
    SEE_STAT("f");
    SEE(chown("f", BOB, (gid_t)-1));
    SEE_STAT("f");
    SEE(chown("f", (uid_t)-1, 0));
    SEE_STAT("f");
    SEE(chown("f", 4294967294u, 4294967294u));
    SEE_STAT("f");
    int fd = (int)MUST(open("f", O_RDONLY));
    SEE(fchown(fd, 1, 2));
    SEE_STAT("f");
    MUST(mkdir("d", 0755));
    SEE(chown("d", ANN, GROUP));
    SEE_STAT("d");
    MUST(mkfifo("fifo", 0644));
    SEE(chown("fifo", ANN, GROUP));
    SEE_STAT("fifo");
    SEE(chown("none", 1, 1));
}

ROOT_CASE(moves_ctime_only) {
    put("f", "");
    struct seen f = look("f");
    SEE(chown("f", ANN, GROUP));
    SEE_MOVED(f);
    f = look("f");
    SEE(chown("f", ANN, GROUP));
    SEE_MOVED(f);
    f = look("f");
    SEE(chown("f", (uid_t)-1, (gid_t)-1));
    SEE_MOVED(f);
}

/* setuid goes with every change; setgid where the group may execute, else it means something else.
 * Directories keep both. */
ROOT_CASE(clears_setuid) {
    static const mode_t modes[] = {04755, 02755, 06755, 06745, 07777, 06644};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%04o", modes[i]);
        put(name, "");
        MUST(chmod(name, modes[i]));
        SEE(chown(name, ANN, (gid_t)-1));
        SEE_STAT(name);
        MUST(chmod(name, modes[i]));
        SEE(chown(name, (uid_t)-1, GROUP));
        SEE_STAT(name);
        MUST(chmod(name, modes[i]));
        SEE(chown(name, (uid_t)-1, (gid_t)-1));
        SEE_STAT(name);
    }
    MUST(mkdir("d", 0755));
    MUST(chmod("d", 06755));
    SEE(chown("d", ANN, GROUP));
    SEE_STAT("d");
    MUST(mkfifo("fifo", 0644));
    MUST(chmod("fifo", 06755));
    SEE(chown("fifo", ANN, GROUP));
    SEE_STAT("fifo");
}

ROOT_CASE(by_others) {
    put("mine", "");
    put("theirs", "");
    MUST(chown("mine", ANN, GROUP));
    AS_USER(ANN, GROUP) {
        SEE(chown("theirs", ANN, GROUP));
        SEE(chown("mine", BOB, (gid_t)-1));
        SEE(chown("mine", ANN, BOB));
        SEE(chown("mine", ANN, GROUP));
        SEE(chown("mine", (uid_t)-1, GROUP));
        SEE(chmod("mine", 06755));
        SEE(chown("mine", (uid_t)-1, GROUP));
        SEE_STAT("mine");
        SEE(chmod("mine", 06755));
        SEE(chown("mine", (uid_t)-1, (gid_t)-1));
        SEE_STAT("mine");
    }
}

ROOT_CASE(keeps_content_and_mtime) {
    put("f", "content");
    MUST(utimensat(AT_FDCWD, "f", (struct timespec[]){{1, 2}, {3, 4}}, 0));
    SEE(chown("f", ANN, GROUP));
    SEE_FILE("f");
    struct stat st = stat_of("f");
    CHECK(st.st_mtim.tv_sec == 3 && st.st_mtim.tv_nsec == 4);
}
