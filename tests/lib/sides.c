/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sides.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/xattr.h>

#define CHUNK ((size_t)1 << 20)
#define ENTRIES_MAX 256

void sides_fail(struct sides *s, const char *fmt, ...) {
    va_list ap;
    size_t first = s->n_trace > TRACE ? s->n_trace - TRACE : 0;
    for (size_t i = first; i < s->n_trace; i++)
        fprintf(stderr, "  %s\n", s->trace[i % TRACE]);
    fprintf(stderr, "seed %llu, call %llu: ", (unsigned long long)s->seed, (unsigned long long)s->number);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    exit(1);
}

void sides_open(struct sides *s, int side) {
    s->root[side] = open(s->path[side], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->root[side] < 0)
        sides_fail(s, "%s: %s", s->path[side], strerror(errno));
}

void sides_init(struct sides *s, const char *local, const char *mounted, uint64_t seed, size_t room) {
    *s = (struct sides){.path = {local, mounted}, .seed = seed};
    for (int i = 0; i < 2; i++) {
        sides_open(s, i);
        s->room[i] = calloc(1, room);
        if (!s->room[i])
            sides_fail(s, "no memory");
    }
}

void sides_free(struct sides *s) {
    for (int i = 0; i < 2; i++) {
        close(s->root[i]);
        free(s->room[i]);
    }
}

void sides_begin(struct sides *s, const char *fmt, ...) {
    char *line = s->trace[s->n_trace++ % TRACE];
    va_list ap;
    int n = snprintf(line, sizeof s->trace[0], "%llu: ", (unsigned long long)s->number);
    va_start(ap, fmt);
    vsnprintf(line + n, sizeof s->trace[0] - (size_t)n, fmt, ap);
    va_end(ap);
}

void sides_result(struct sides *s, int side, int64_t result, bool with_bytes) {
    s->error[side] = result < 0 ? errno : 0;
    s->result[side] = result;
    s->with_bytes = with_bytes;
}

void sides_end(struct sides *s) {
    if (s->result[0] != s->result[1] || s->error[0] != s->error[1])
        sides_fail(s, "local %lld (%s), mount %lld (%s)", (long long)s->result[0], strerror(s->error[0]), (long long)s->result[1], strerror(s->error[1]));
    if (s->with_bytes && s->result[0] > 0 && memcmp(s->room[0], s->room[1], (size_t)s->result[0]))
        sides_fail(s, "other bytes were read");
}

/* Comparing trees. */

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list(struct sides *s, int fd, char **names) {
    DIR *d = fdopendir(dup(fd));
    size_t n = 0;
    if (!d)
        sides_fail(s, "a directory cannot be listed: %s", strerror(errno));
    rewinddir(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && n < ENTRIES_MAX)
            names[n++] = strdup(e->d_name);
    closedir(d);
    qsort(names, n, sizeof *names, compare_names);
    return n;
}

static void compare_content(struct sides *s, const int dir[2], const char *name, off_t size) {
    static char a[CHUNK], b[CHUNK];
    int fd[2];
    for (int i = 0; i < 2; i++)
        fd[i] = openat(dir[i], name, O_RDONLY | O_CLOEXEC);
    if (fd[0] < 0 || fd[1] < 0)
        sides_fail(s, "%s cannot be opened: %s", name, strerror(errno));
    for (off_t off = 0; off < size; off += (off_t)CHUNK) {
        ssize_t n = pread(fd[0], a, CHUNK, off), m = pread(fd[1], b, CHUNK, off);
        if (n != m)
            sides_fail(s, "%s at %lld: %zd bytes locally, %zd on the mount (%s)", name, (long long)off, n, m, m < 0 ? strerror(errno) : "short");
        for (ssize_t i = 0; i < n; i++)
            if (a[i] != b[i])
                sides_fail(s, "%s: the byte at %lld is %d locally and %d on the mount", name, (long long)(off + i), a[i] & 255, b[i] & 255);
    }
    close(fd[0]);
    close(fd[1]);
}

static void compare_attributes(struct sides *s, const char *full[2]) {
    for (int k = 0; k < 3; k++) {
        char name[24], v[2][4096];
        ssize_t n[2];
        snprintf(name, sizeof name, "user.a%d", k);
        for (int i = 0; i < 2; i++)
            n[i] = lgetxattr(full[i], name, v[i], sizeof v[i]);
        if (n[0] != n[1] || (n[0] > 0 && memcmp(v[0], v[1], (size_t)n[0])))
            sides_fail(s, "%s: %s has %zd bytes locally, %zd on the mount, or other ones", full[1], name, n[0], n[1]);
    }
}

static void compare_time(struct sides *s, const char *name, const char *what, struct timespec a, struct timespec b) {
    bool marked = a.tv_sec < MARKED_UNTIL;
    if (marked ? a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec : b.tv_sec < MARKED_UNTIL)
        sides_fail(s, "%s: %s is %lld.%09ld locally and %lld.%09ld on the mount", name, what, (long long)a.tv_sec, a.tv_nsec, (long long)b.tv_sec, b.tv_nsec);
}

static void compare_entry(struct sides *s, const int dir[2], const char *name, const struct stat st[2]) {
    bool is_dir = S_ISDIR(st[0].st_mode);
    if (st[0].st_mode != st[1].st_mode || st[0].st_uid != st[1].st_uid || st[0].st_gid != st[1].st_gid)
        sides_fail(s, "%s: mode and owner are %o %u:%u locally, %o %u:%u on the mount", name, st[0].st_mode, st[0].st_uid, st[0].st_gid, st[1].st_mode, st[1].st_uid, st[1].st_gid);
    if (st[0].st_nlink != st[1].st_nlink)
        sides_fail(s, "%s: %lu links locally, %lu on the mount", name, (unsigned long)st[0].st_nlink, (unsigned long)st[1].st_nlink);
    if (!is_dir && st[0].st_size != st[1].st_size)
        sides_fail(s, "%s: %lld bytes locally, %lld on the mount", name, (long long)st[0].st_size, (long long)st[1].st_size);
    compare_time(s, name, "mtime", st[0].st_mtim, st[1].st_mtim);
    if (S_ISLNK(st[0].st_mode)) {
        char target[2][PATH_MAX] = {{0}};
        for (int i = 0; i < 2; i++)
            if (readlinkat(dir[i], name, target[i], sizeof target[i] - 1) < 0)
                sides_fail(s, "%s: %s", name, strerror(errno));
        if (strcmp(target[0], target[1]))
            sides_fail(s, "%s points to %s locally and to %s on the mount", name, target[0], target[1]);
    } else if (!is_dir) {
        compare_content(s, dir, name, st[0].st_size);
    }
}

static void compare_dir(struct sides *s, const int dir[2], const char *below) {
    char *names[2][ENTRIES_MAX];
    size_t n[2];
    for (int i = 0; i < 2; i++)
        n[i] = list(s, dir[i], names[i]);
    for (size_t k = 0; k < n[0] || k < n[1]; k++) {
        const char *a = k < n[0] ? names[0][k] : "(nothing)", *b = k < n[1] ? names[1][k] : "(nothing)";
        struct stat st[2];
        char full[2][2 * PATH_MAX];
        int sub[2];
        if (strcmp(a, b))
            sides_fail(s, "in %s/ there is %s locally and %s on the mount", below, a, b);
        for (int i = 0; i < 2; i++) {
            snprintf(full[i], sizeof full[i], "%s/%s/%s", s->path[i], below, a);
            if (fstatat(dir[i], a, &st[i], AT_SYMLINK_NOFOLLOW) < 0)
                sides_fail(s, "%s: %s", full[i], strerror(errno));
        }
        compare_entry(s, dir, a, st);
        compare_attributes(s, (const char *[]){full[0], full[1]});
        if (!S_ISDIR(st[0].st_mode))
            continue;
        char deeper[2 * PATH_MAX];
        snprintf(deeper, sizeof deeper, "%s/%s", below, a);
        for (int i = 0; i < 2; i++)
            sub[i] = openat(dir[i], a, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (sub[0] < 0 || sub[1] < 0)
            sides_fail(s, "%s cannot be opened", deeper);
        compare_dir(s, sub, deeper);
        close(sub[0]);
        close(sub[1]);
    }
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < n[i]; k++)
            free(names[i][k]);
}

void sides_compare(struct sides *s) {
    compare_dir(s, s->root, "");
}

/* What stays. */

static void remember_dir(struct sides *s, int dir, const char *below, FILE *f) {
    char *names[ENTRIES_MAX];
    size_t n = list(s, dir, names);
    for (size_t k = 0; k < n; k++) {
        struct stat st;
        if (fstatat(dir, names[k], &st, AT_SYMLINK_NOFOLLOW) < 0)
            sides_fail(s, "%s/%s: %s", below, names[k], strerror(errno));
        fprintf(f, "%s/%s number %llu mtime %lld.%09ld ctime %lld.%09ld\n", below, names[k], (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec,
                st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
        if (S_ISDIR(st.st_mode)) {
            char deeper[2 * PATH_MAX];
            snprintf(deeper, sizeof deeper, "%s/%s", below, names[k]);
            int sub = openat(dir, names[k], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (sub < 0)
                sides_fail(s, "%s cannot be opened", deeper);
            remember_dir(s, sub, deeper, f);
            close(sub);
        }
        free(names[k]);
    }
}

struct memory sides_remember(struct sides *s) {
    struct memory m = {0};
    size_t n;
    FILE *f = open_memstream(&m.text, &n);
    if (!f)
        sides_fail(s, "no memory");
    remember_dir(s, s->root[1], "", f);
    fclose(f);
    return m;
}

void sides_recall(struct sides *s, struct memory *before) {
    struct memory now = sides_remember(s);
    char *a = before->text, *b = now.text;
    for (char *la, *lb; a || b;) {
        la = strsep(&a, "\n");
        lb = strsep(&b, "\n");
        if (!la || !lb || strcmp(la, lb))
            sides_fail(s, "the remount has changed\n  %s\ninto\n  %s", la ? la : "(nothing)", lb ? lb : "(nothing)");
    }
    free(before->text);
    free(now.text);
}
