/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "posix.h"
#include <ctype.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>

/* A case that hangs is a failure. */
#define CASE_SECONDS 60

static struct posix_case *cases;
static const struct posix_case *current;
static char family[64];
static bool durable;

void posix_register(struct posix_case *c) {
    c->next = cases;
    cases = c;
}

static void family_of(const struct posix_case *c, char *ret, size_t size) {
    const char *name = strrchr(c->file, '/');
    name = name ? name + 1 : c->file;
    snprintf(ret, size, "%.*s", (int)strcspn(name, "."), name);
}

static int by_name(const void *a, const void *b) {
    const struct posix_case *const *x = a, *const *y = b;
    int r = strcmp((*x)->file, (*y)->file);
    return r ? r : strcmp((*x)->name, (*y)->name);
}

/* Printing: whole lines at a time, so that those of other processes do not come between. */

__attribute__((format(printf, 2, 3))) static void say(const char *text, const char *fmt, ...) {
    char result[8192];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(result, sizeof result, fmt, ap);
    va_end(ap);
    printf("%s/%s: %s = %s\n", family, current->name, text, result);
    fflush(stdout);
}

static const char *error_name(void) {
    const char *name = strerrorname_np(errno);
    return name ? name : "an unknown error";
}

long long posix_see(const char *text, long long result) {
    int err = errno;
    if (result == -1)
        say(text, "%s", error_name());
    else
        say(text, "%lld", result);
    errno = err;
    return result;
}

int posix_see_fd(const char *text, int fd) {
    int err = errno;
    say(text, "%s", fd < 0 ? error_name() : "a descriptor");
    errno = err;
    return fd;
}

void posix_check(const char *text, bool holds) {
    say(text, "%s", holds ? "true" : "FALSE");
}

long long posix_must(const char *text, const char *file, int line, long long result) {
    if (result != -1)
        return result;
    say(text, "FAILED (%s), at line %d of %s", error_name(), line,
        strrchr(file, '/') ? strrchr(file, '/') + 1 : file);
    exit(1);
}

/* A byte as C writes it. */
static size_t put_byte(char *out, unsigned char c) {
    if (c == '\\' || c == '"')
        return (size_t)sprintf(out, "\\%c", c);
    return (size_t)(isprint(c) ? sprintf(out, "%c", c) : sprintf(out, "\\x%02x", c));
}

/* FNV-1a: enough to tell two contents apart in a diff. */
static uint64_t sum_of(const unsigned char *p, size_t n) {
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3;
    return h;
}

void posix_see_bytes(const char *text, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    char out[2048] = "";
    size_t used = 0;
    for (size_t i = 0, run; i < n && used < sizeof out - 64; i += run) {
        for (run = 1; i + run < n && p[i + run] == p[i]; run++)
            ;
        char one[8] = "";
        put_byte(one, p[i]);
        if (run > 8)
            used += (size_t)sprintf(out + used, "<%zu of %s>", run, one);
        else
            for (size_t k = 0; k < run; k++)
                used += (size_t)sprintf(out + used, "%s", one);
        if (used > 200 && n > 400) {
            say(text, "%zu bytes with sum %016llx", n, (unsigned long long)sum_of(p, n));
            return;
        }
    }
    say(text, "\"%s\"", out);
}

void posix_see_file(const char *text, const char *path) {
    char label[300];
    snprintf(label, sizeof label, "content of %s", text);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        say(label, "%s", error_name());
        return;
    }
    size_t room = (size_t)st.st_size + 4096, n = 0;
    unsigned char *p = malloc(room);
    ssize_t r = 0;
    while (n < room && (r = read(fd, p + n, room - n)) > 0)
        n += (size_t)r;
    if (r < 0)
        say(label, "%s after %zu bytes", error_name(), n);
    else
        posix_see_bytes(label, p, n);
    free(p);
    close(fd);
}

static const char *type_name(mode_t mode) {
    return S_ISREG(mode)    ? "file"
           : S_ISDIR(mode)  ? "directory"
           : S_ISLNK(mode)  ? "symlink"
           : S_ISFIFO(mode) ? "fifo"
           : S_ISSOCK(mode) ? "socket"
           : S_ISCHR(mode)  ? "character device"
           : S_ISBLK(mode)  ? "block device"
                            : "nothing known";
}

static void say_stat(const char *text, const struct stat *st) {
    char label[300], size[64] = "";
    snprintf(label, sizeof label, "stat of %s", text);
    if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))
        snprintf(size, sizeof size, " size %lld", (long long)st->st_size);
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        snprintf(size, sizeof size, " rdev %llx", (unsigned long long)st->st_rdev);
    say(label, "%s %04o uid %lld gid %lld nlink %lld%s", type_name(st->st_mode), st->st_mode & 07777,
        (long long)st->st_uid, (long long)st->st_gid, (long long)st->st_nlink, size);
}

void posix_see_stat(const char *text, const char *path) {
    struct stat st;
    if (lstat(path, &st) < 0) {
        char label[300];
        snprintf(label, sizeof label, "stat of %s", text);
        say(label, "%s", error_name());
        return;
    }
    say_stat(text, &st);
}

void posix_see_fstat(const char *text, int fd) {
    struct stat st;
    MUST(fstat(fd, &st));
    say_stat(text, &st);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void posix_see_names(const char *text, const char *path) {
    char label[300], out[6000] = "";
    char *lines[1000];
    size_t n = 0, used = 0;
    snprintf(label, sizeof label, "names in %s", text);
    DIR *d = opendir(path);
    if (!d) {
        say(label, "%s", error_name());
        return;
    }
    for (struct dirent *e; n < 1000 && (e = readdir(d));) {
        char one[2000];
        size_t at = 0;
        for (const char *c = e->d_name; *c; c++)
            at += put_byte(one + at, (unsigned char)*c);
        snprintf(one + at, sizeof one - at, " %s", type_name(DTTOIF(e->d_type)));
        lines[n++] = strdup(one);
    }
    closedir(d);
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n && used < sizeof out - 2100; i++)
        used += (size_t)sprintf(out + used, "%s%s", i ? ", " : "", lines[i]);
    say(label, "%s", out);
}

/* Times */

bool same_ns(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

void tick(void) {
    struct timespec from, now;
    clock_gettime(CLOCK_REALTIME_COARSE, &from);
    do {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (same_ns(from, now));
}

struct seen look(const char *path) {
    struct seen s = {.path = path, .fd = -1, .st = stat_of(path)};
    tick();
    return s;
}

struct seen look_fd(int fd) {
    struct seen s = {.fd = fd};
    MUST(fstat(fd, &s.st));
    tick();
    return s;
}

static const char *moved(struct timespec a, struct timespec b) {
    if (same_ns(a, b))
        return "";
    return b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec > a.tv_nsec) ? "+" : "-";
}

void posix_see_moved(const char *text, struct seen before) {
    struct stat st;
    if (before.path)
        st = stat_of(before.path);
    else
        MUST(fstat(before.fd, &st));
    const char *a = moved(before.st.st_atim, st.st_atim), *m = moved(before.st.st_mtim, st.st_mtim),
               *c = moved(before.st.st_ctim, st.st_ctim);
    char label[300];
    snprintf(label, sizeof label, "times of %s", text);
    say(label, "%s%s%s%s%s%s%s", *a ? "atime" : "", a, *m ? " mtime" : "", m, *c ? " ctime" : "", c,
        !*a && !*m && !*c ? "unmoved" : "");
}

/* Files */

void put_bytes(const char *path, const void *p, size_t n) {
    int fd = (int)MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    for (size_t at = 0; at < n;)
        at += (size_t)MUST(write(fd, (const char *)p + at, n - at));
    if (durable)
        MUST(fsync(fd));
    MUST(close(fd));
}

void put(const char *path, const char *text) {
    put_bytes(path, text, strlen(text));
}

unsigned char *noise(size_t n, unsigned seed) {
    unsigned char *p = malloc(n + 8);
    uint64_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < n; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(p + i, &x, 8);
    }
    return p;
}

struct stat stat_of(const char *path) {
    struct stat st = {0};
    MUST(lstat(path, &st));
    return st;
}

/* Processes */

bool posix_child(void) {
    fflush(stdout);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(CASE_SECONDS);
        return true;
    }
    int status = 0;
    MUST(waitpid(pid, &status, 0));
    if (status != 0) {
        say("another process", "FAILED: status %x", status);
        exit(1);
    }
    return false;
}

bool posix_become(uid_t uid, gid_t gid) {
    MUST(setgroups(0, NULL));
    MUST(setresgid(gid, gid, gid));
    MUST(setresuid(uid, uid, uid));
    return true;
}

bool posix_leave(void) {
    fflush(stdout);
    _exit(0);
}

static void run_case(const char *dir, const struct posix_case *c) {
    char path[PATH_MAX];
    current = c;
    family_of(c, family, sizeof family);
    if (c->root && geteuid() != 0) {
        printf("%s/%s: needs root\n", family, c->name);
        return;
    }
    fflush(stdout);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(CASE_SECONDS);
        umask(022);
        snprintf(path, sizeof path, "%s/%s", dir, family);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            MUST(-1);
        snprintf(path, sizeof path, "%s/%s/%s", dir, family, c->name);
        MUST(mkdir(path, 0755));
        MUST(chdir(path));
        c->run();
        exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    if (WIFSIGNALED(status))
        say("the case", "FAILED: ended by signal %d", WTERMSIG(status));
}

static int usage(void) {
    fprintf(stderr, "usage: posix-check [--durable] DIRECTORY [FAMILY[/CASE]...]\n"
                    "DIRECTORY must be empty, and others must get through to it.\n");
    return 2;
}

static bool wanted(const struct posix_case *c, char **names) {
    char full[256], fam[64];
    family_of(c, fam, sizeof fam);
    snprintf(full, sizeof full, "%s/%s", fam, c->name);
    for (char **n = names; *n; n++)
        if (!strcmp(*n, fam) || !strcmp(*n, full))
            return true;
    return !*names;
}

int main(int argc, char **argv) {
    struct posix_case *sorted[2000];
    size_t n = 0, ran = 0;
    if (argc > 1 && !strcmp(argv[1], "--durable")) {
        durable = true;
        argv++, argc--;
    }
    if (argc < 2 || argv[1][0] == '-')
        return usage();
    signal(SIGPIPE, SIG_IGN);
    for (struct posix_case *c = cases; c && n < 2000; c = c->next)
        sorted[n++] = c;
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++)
        if (wanted(sorted[i], argv + 2)) {
            run_case(argv[1], sorted[i]);
            ran++;
        }
    fprintf(stderr, "%zu cases\n", ran);
    return ran ? 0 : usage();
}
