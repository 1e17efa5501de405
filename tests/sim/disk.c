/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state_dir.h"
#include "base/base.h"
#include "tmpdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The clock of files is that of the host that runs. */

static struct env *disk_env;
static bool is_stamping;

void disk_clock_of(struct env *env) {
    disk_env = env;
}

bool disk_clock_is_read(void) {
    return is_stamping;
}

static void stamp(int fd) {
    if (!disk_env || is_stamping)
        return;
    is_stamping = true; /* to look at the clock is a call into the environment */
    int64_t now = env_now(disk_env);
    struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = now / NS_PER_S, .tv_nsec = now % NS_PER_S}};
    futimens(fd, ts);
    is_stamping = false;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off) {
    ssize_t r = syscall(SYS_pwrite64, fd, p, n, off);
    stamp(fd);
    return r;
}

int ftruncate(int fd, off_t size) {
    int r = (int)syscall(SYS_ftruncate, fd, size);
    stamp(fd);
    return r;
}

/* What is killed here is a process, not the machine. */

int fsync(int fd) {
    (void)fd;
    return 0;
}

int fdatasync(int fd) {
    (void)fd;
    return 0;
}

/* SQLite locks out other processes, of which there are none, with two calls a transaction; connections of one process it tells apart by itself. */
static int fcntl_without_locks(int fd, int cmd, ...) {
    va_list ap;
    va_start(ap, cmd);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    if (cmd == F_GETLK)
        ((struct flock *)arg)->l_type = F_UNLCK;
    if (cmd == F_GETLK || cmd == F_SETLK || cmd == F_SETLKW)
        return 0;
    return fcntl(fd, cmd, arg);
}

void disk_without_locks(void) {
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    sqlite3_syscall_ptr fn;
    __typeof__(&fcntl_without_locks) ours = fcntl_without_locks;
    memcpy(&fn, &ours, sizeof fn);
    if (!vfs || vfs->xSetSystemCall(vfs, "fcntl", fn) != SQLITE_OK)
        abort();
}

/* Copies */

static void must(const char *what, bool done) {
    if (!done) {
        perror(what);
        abort();
    }
}

/* Holes stay holes, times and modes what they are: both are told from the files by those who read them. */
static void copy_file(int from, int to, const struct stat *st) {
    char room[65536];
    must("ftruncate", syscall(SYS_ftruncate, to, st->st_size) == 0);
    for (off_t at = 0, end; (at = lseek(from, at, SEEK_DATA)) >= 0; at = end) {
        end = lseek(from, at, SEEK_HOLE);
        for (off_t i = at; i < end;) {
            ssize_t n = pread(from, room, MIN(sizeof room, (size_t)(end - i)), i);
            must("copy", n > 0 && syscall(SYS_pwrite64, to, room, (size_t)n, i) == n);
            i += n;
        }
    }
}

static void copy_into(int from, int to) {
    DIR *dir = fdopendir(from);
    must("opendir", dir != NULL);
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        must(e->d_name, fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        must(e->d_name, S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
        int flags = S_ISDIR(st.st_mode) ? O_RDONLY | O_DIRECTORY : O_WRONLY | O_CREAT | O_EXCL;
        if (S_ISDIR(st.st_mode))
            must(e->d_name, mkdirat(to, e->d_name, 0700) == 0);
        int in = openat(from, e->d_name, O_RDONLY | O_CLOEXEC), out = openat(to, e->d_name, flags | O_CLOEXEC, 0600);
        must(e->d_name, in >= 0 && out >= 0);
        if (S_ISDIR(st.st_mode))
            copy_into(dup(in), out);
        else
            copy_file(in, out, &st);
        must(e->d_name, fchmod(out, st.st_mode & 07777) == 0 && futimens(out, (struct timespec[2]){st.st_atim, st.st_mtim}) == 0);
        close(in);
        close(out);
    }
    closedir(dir);
}

char *state_dir_copy(const char *from) {
    char *ret = state_dir_new(false);
    int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out = open(ret, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(from, in >= 0 && out >= 0);
    copy_into(in, out);
    close(out);
    return ret;
}
