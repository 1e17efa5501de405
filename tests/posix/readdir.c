/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * readdir(3), seekdir(3), telldir(3), rewinddir(3): everything once, also while entries come and go.
 */
#include "posix.h"
#include <sys/syscall.h>

static void make(int from, int to) {
    for (int i = from; i < to; i++) {
        char name[32];
        snprintf(name, sizeof name, "d/file-%04d", i);
        MUST(close((int)MUST(open(name, O_WRONLY | O_CREAT | O_EXCL, 0644))));
    }
}

/* Which of file-0000 … were seen how often; names that are none go to *ret_others. */
static void count(DIR *d, unsigned char *seen, int max, int limit, int *ret_others) {
    struct dirent *e;
    for (int n = 0; n != limit && (e = readdir(d)); n++) {
        int i;
        if (sscanf(e->d_name, "file-%d", &i) == 1 && i < max)
            seen[i]++;
        else
            ++*ret_others;
    }
}

static bool all_once(const unsigned char *seen, int from, int to) {
    for (int i = from; i < to; i++)
        if (seen[i] != 1)
            return false;
    return true;
}

CASE(all_of_it) {
    MUST(mkdir("d", 0755));
    SEE_NAMES("d");
    make(0, 3);
    MUST(mkdir("d/sub", 0755));
    MUST(symlink("x", "d/link"));
    MUST(mkfifo("d/fifo", 0644));
    MUST(mknod("d/socket", S_IFSOCK | 0644, 0));
    put("d/.hidden", "");
    SEE_NAMES("d");
}

CASE(numbers_and_types) {
    MUST(mkdir("d", 0755));
    make(0, 50);
    MUST(mkdir("d/sub", 0755));
    DIR *d = opendir("d");
    int wrong = 0, n = 0;
    for (struct dirent *e; (e = readdir(d)); n++) {
        struct stat st;
        MUST(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
        wrong += st.st_ino != e->d_ino || (mode_t)DTTOIF(e->d_type) != (st.st_mode & S_IFMT);
    }
    SEE(n);
    SEE(wrong);
}

CASE(many) {
    enum { N = 800 };
    MUST(mkdir("d", 0755));
    make(0, N);
    static unsigned char seen[N];
    int others = 0;
    DIR *d = opendir("d");
    count(d, seen, N, -1, &others);
    CHECK(all_once(seen, 0, N));
    SEE(others);
    CHECK(readdir(d) == NULL);
    CHECK(readdir(d) == NULL);
    rewinddir(d);
    memset(seen, 0, sizeof seen);
    others = 0;
    count(d, seen, N, -1, &others);
    CHECK(all_once(seen, 0, N));
    SEE(others);
}

/* The place that telldir told, in any order. */
CASE(places) {
    enum { N = 300 };
    MUST(mkdir("d", 0755));
    make(0, N);
    static long at[N + 3];
    static char names[N + 3][64];
    DIR *d = opendir("d");
    int n = 0, wrong = 0;
    for (struct dirent *e; at[n] = telldir(d), (e = readdir(d)) && n < N + 2; n++)
        strcpy(names[n], e->d_name);
    SEE(n);
    for (int k = 0, i = 7; k < 200; k++, i = (i * 31 + 11) % n) {
        seekdir(d, at[i]);
        wrong += telldir(d) != at[i];
        struct dirent *e = readdir(d);
        wrong += !e || strcmp(e->d_name, names[i]) != 0;
    }
    SEE(wrong);
    seekdir(d, at[n]);
    CHECK(readdir(d) == NULL);
}

/* A program that empties a directory: rm -r reads on while it removes. */
CASE(removed_while_read) {
    enum { N = 800 };
    MUST(mkdir("d", 0755));
    make(0, N);
    DIR *d = opendir("d");
    int removed = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            MUST(unlinkat(dirfd(d), e->d_name, 0));
            removed++;
        }
    SEE(removed);
    SEE_NAMES("d");
    rewinddir(d);
    int left = 0;
    while (readdir(d))
        left++;
    SEE(left);
    SEE(rmdir("d"));
}

/* What is there all the time is told once, whatever happens beside it. */
CASE(changed_while_read) {
    enum { N = 600 };
    MUST(mkdir("d", 0755));
    make(0, N);
    static unsigned char seen[N + 300];
    int others = 0;
    DIR *d = opendir("d");
    count(d, seen, N, 100, &others);
    for (int i = 0; i < N; i += 3) {
        char name[32];
        snprintf(name, sizeof name, "d/file-%04d", i);
        MUST(unlink(name));
    }
    make(N, N + 300);
    count(d, seen, N + 300, -1, &others);
    int wrong = 0, twice = 0;
    for (int i = 0; i < N; i++)
        wrong += i % 3 != 0 && seen[i] != 1;
    for (int i = 0; i < N + 300; i++)
        twice += seen[i] > 1;
    SEE(wrong);
    SEE(twice);
    SEE(others);
}

CASE(rewound_sees_what_is_new) {
    MUST(mkdir("d", 0755));
    make(0, 3);
    DIR *d = opendir("d");
    int n = 0;
    while (readdir(d))
        n++;
    SEE(n);
    make(3, 6);
    MUST(unlink("d/file-0000"));
    rewinddir(d);
    for (n = 0; readdir(d);)
        n++;
    SEE(n);
    MUST(rename("d/file-0001", "renamed"));
    SEE(lseek(dirfd(d), 0, SEEK_SET));
    rewinddir(d);
    for (n = 0; readdir(d);)
        n++;
    SEE(n);
    SEE_NAMES("d");
}

CASE(two_readers) {
    enum { N = 200 };
    MUST(mkdir("d", 0755));
    make(0, N);
    static unsigned char a[N], b[N];
    int others = 0;
    DIR *x = opendir("d"), *y = opendir("d");
    for (int i = 0; i < N + 2; i++) {
        count(x, a, N, 1, &others);
        count(y, b, N, 1, &others);
    }
    CHECK(all_once(a, 0, N) && all_once(b, 0, N));
    SEE(others);
}

/* With the smallest buffers, as the system call gives it. */
CASE(in_small_pieces) {
    enum { N = 100 };
    MUST(mkdir("d", 0755));
    make(0, N);
    int fd = (int)MUST(open("d", O_RDONLY | O_DIRECTORY)), n = 0;
    char buf[64];
    for (long got; (got = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0;)
        for (long at = 0; at < got; at += *(unsigned short *)(buf + at + 16))
            n++;
    SEE(n);
    SEE(syscall(SYS_getdents64, fd, buf, sizeof buf));
    SEE(lseek(fd, 0, SEEK_SET));
    SEE(syscall(SYS_getdents64, fd, buf, 8));
    int f = (int)MUST(open("d/file-0000", O_RDONLY));
    SEE(syscall(SYS_getdents64, f, buf, sizeof buf));
}

CASE(renamed_while_read) {
    MUST(mkdir("d", 0755));
    make(0, 20);
    DIR *d = opendir("d");
    readdir(d);
    MUST(rename("d", "e"));
    int n = 1;
    while (readdir(d))
        n++;
    SEE(n);
    SEE_NAMES("e");
}

/* What was listed is what is there, after every kind of change. */
CASE(after_changes) {
    MUST(mkdir("d", 0755));
    SEE_NAMES("d");
    put("d/a", "");
    SEE_NAMES("d");
    MUST(link("d/a", "d/b"));
    SEE_NAMES("d");
    MUST(rename("d/a", "d/c"));
    SEE_NAMES("d");
    MUST(unlink("d/b"));
    MUST(mkdir("d/e", 0755));
    SEE_NAMES("d");
    MUST(renameat2(AT_FDCWD, "d/c", AT_FDCWD, "d/e", RENAME_EXCHANGE));
    SEE_NAMES("d");
    MUST(rmdir("d/c"));
    MUST(rename("d/e", "f"));
    SEE_NAMES("d");
}
