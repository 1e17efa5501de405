/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fsync(2), fdatasync(2), syncfs(2), sync_file_range(2), posix_fadvise(2).
 */
#include "posix.h"

CASE(files) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    SEE(fsync(fd));
    SEE(write(fd, "abc", 3));
    struct seen f = look("f");
    SEE(fsync(fd));
    SEE_MOVED(f);
    SEE(write(fd, "def", 3));
    SEE(fdatasync(fd));
    SEE(write(fd, "ghi", 3));
    SEE_FILE("f");
    int ro = (int)MUST(open("f", O_RDONLY));
    SEE(fsync(ro));
    SEE_FILE("f");
    SEE(fsync(fd));
}

CASE(directories) {
    MUST(mkdir("d", 0755));
    put("d/f", "F");
    int d = (int)MUST(open("d", O_RDONLY)), here = (int)MUST(open(".", O_RDONLY | O_DIRECTORY));
    SEE(fsync(d));
    SEE(fdatasync(here));
    SEE(rename("d/f", "d/g"));
    SEE(fsync(d));
    SEE_NAMES("d");
}

CASE(without_a_name) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR));
    MUST(unlink("f"));
    SEE(fsync(fd));
    SEE(write(fd, "x", 1));
    SEE(fsync(fd));
    SEE(fdatasync(fd));
}

CASE(the_whole_filesystem) {
    put("f", "abc");
    int fd = (int)MUST(open("f", O_RDWR));
    SEE(syncfs(fd));
    SEE(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    SEE(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    SEE(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    SEE(readahead(fd, 0, 100));
    SEE_FILE("f");
}

CASE(what_cannot_be_synced) {
    int p[2];
    MUST(pipe(p));
    MUST(mkfifo("fifo", 0644));
    SEE(fsync(p[0]));
    SEE(fsync((int)MUST(open("fifo", O_RDONLY | O_NONBLOCK))));
    SEE(fsync(-1));
}

/* Between the parts of a file that is synced while it is written. */
CASE(again_and_again) {
    int fd = (int)MUST(open("f", O_RDWR | O_CREAT, 0644));
    for (int i = 0; i < 10; i++) {
        char line[32];
        int n = snprintf(line, sizeof line, "line %d\n", i);
        MUST(write(fd, line, (size_t)n));
        MUST(fsync(fd));
        MUST(pwrite(fd, "L", 1, i * 7));
    }
    SEE_FILE("f");
    MUST(close(fd));
    SEE_FILE("f");
}
