/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same random calls on two directories: a local one, which is right, and one on a mount. Results, errors, bytes, sizes, modes, links, attributes and times are compared as it
 * goes; the mount is taken away and comes back now and then, also killed, also on a host that knows nothing any more.
 *
 *     random-ops [--seed N] [--ops N] [--every N] [--remount COMMAND] LOCAL MOUNTED
 *
 * COMMAND is run with "clean", "kill" or "lose" behind it, every N calls (500). A difference prints the calls that led to it and ends with 1. The calls depend on the seed alone, so
 * --ops N repeats a run up to where it went wrong.
 */
#include "sides.h"

#include <getopt.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#define NAMES 8
#define HANDLES 6
#define FILE_SIZE 3000000
#define WRITE_SIZE 1500000

static const char *const dirs[] = {"", "d1/", "d2/", "d1/s/"};

struct handle {
    int fd[2];
    int flags;
};

struct world {
    struct sides sides;
    uint64_t random;
    uint64_t done;
    struct handle handles[HANDLES];
    size_t n_handles;
    char *bytes; /* room for a write */
    const char *remount;
};

/* splitmix64: the whole run follows from the seed. */
static uint64_t draw(struct world *w) {
    uint64_t z = w->random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t below(struct world *w, uint64_t n) {
    return draw(w) % n;
}

static void draw_path(struct world *w, char ret[PATH_SIZE]) {
    const char *dir = dirs[below(w, 4)];
    snprintf(ret, PATH_SIZE, "%sf%u", dir, (unsigned)below(w, NAMES));
}

/* Mostly small, sometimes several blocks. */
static size_t draw_length(struct world *w) {
    switch (below(w, 8)) {
    case 0:
        return 1 + below(w, WRITE_SIZE);
    case 1:
        return (size_t)1 << (12 + below(w, 9));
    default:
        return 1 + below(w, 20000);
    }
}

static off_t draw_offset(struct world *w) {
    return below(w, 3) == 0 ? 0 : (off_t)below(w, FILE_SIZE);
}

static const void *draw_bytes(struct world *w, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = draw(w);
        memcpy(w->bytes + i, &v, 8);
    }
    return w->bytes;
}

/* One call on a path that is opened for it. */

struct on_fd {
    int flags;
    int64_t (*call)(const struct on_fd *, int fd, char *room);
    const void *bytes;
    size_t n;
    off_t off;
    int mode;
};

static int64_t call_write(const struct on_fd *c, int fd, char *room) {
    (void)room;
    return pwrite(fd, c->bytes, c->n, c->off);
}

static int64_t call_read(const struct on_fd *c, int fd, char *room) {
    return pread(fd, room, c->n, c->off);
}

static int64_t call_append(const struct on_fd *c, int fd, char *room) {
    (void)room;
    return write(fd, c->bytes, c->n);
}

static int64_t call_fsync(const struct on_fd *c, int fd, char *room) {
    (void)room;
    return c->mode ? fdatasync(fd) : fsync(fd);
}

static int64_t call_fallocate(const struct on_fd *c, int fd, char *room) {
    (void)room;
    return fallocate(fd, c->mode, c->off, (off_t)c->n);
}

/* Writes through a shared mapping; a private one must not change the file. */
static int64_t call_map(const struct on_fd *c, int fd, char *room) {
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size == 0)
        return -1;
    size_t size = (size_t)st.st_size, at = (size_t)c->off % size, n = MIN(c->n, size - at);
    char *m = mmap(NULL, size, PROT_READ | PROT_WRITE, c->mode ? MAP_PRIVATE : MAP_SHARED, fd, 0);
    if (m == MAP_FAILED)
        return -1;
    memcpy(m + at, c->bytes, n);
    int r = msync(m, size, MS_SYNC);
    memcpy(room, m, MIN(size, WRITE_SIZE));
    munmap(m, size);
    return r < 0 ? -1 : (int64_t)MIN(size, WRITE_SIZE);
}

static void on_path(struct world *w, const char *what, const char *path, const struct on_fd *c) {
    sides_begin(&w->sides, "%s %s off %lld n %zu mode %d", what, path, (long long)c->off, c->n, c->mode);
    for (int i = 0; i < 2; i++) {
        int fd = openat(w->sides.root[i], path, c->flags | O_CLOEXEC, 0644);
        int64_t r = fd < 0 ? -1 : c->call(c, fd, w->sides.room[i]);
        sides_result(&w->sides, i, r, c->call == call_read || c->call == call_map);
        if (fd >= 0)
            close(fd);
    }
    sides_end(&w->sides);
}

static void op_write(struct world *w) {
    char path[PATH_SIZE];
    struct on_fd c = {.flags = O_RDWR | O_CREAT, .call = call_write};
    draw_path(w, path);
    c.off = draw_offset(w);
    c.n = draw_length(w);
    c.flags |= below(w, 4) == 0 ? O_TRUNC : 0;
    c.bytes = draw_bytes(w, c.n);
    on_path(w, "write", path, &c);
}

static void op_read(struct world *w) {
    char path[PATH_SIZE];
    struct on_fd c = {.flags = O_RDONLY, .call = call_read};
    draw_path(w, path);
    c.off = draw_offset(w);
    c.n = draw_length(w);
    on_path(w, "read", path, &c);
}

static void op_append(struct world *w) {
    char path[PATH_SIZE];
    struct on_fd c = {.flags = O_WRONLY | O_APPEND, .call = call_append};
    draw_path(w, path);
    c.n = 1 + below(w, 100000);
    c.bytes = draw_bytes(w, c.n);
    on_path(w, "append", path, &c);
}

static void op_fsync(struct world *w) {
    char path[PATH_SIZE];
    struct on_fd c = {.flags = O_RDWR, .call = call_fsync};
    draw_path(w, path);
    c.mode = below(w, 2) == 0;
    on_path(w, "fsync", path, &c);
}

static void op_fallocate(struct world *w) {
    static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    char path[PATH_SIZE];
    struct on_fd c = {.flags = O_RDWR, .call = call_fallocate};
    draw_path(w, path);
    c.mode = modes[below(w, ARRAY_SIZE(modes))];
    c.off = draw_offset(w);
    c.n = draw_length(w);
    on_path(w, "fallocate", path, &c);
}

static void op_map(struct world *w) {
    char path[PATH_SIZE];
    struct on_fd c = {.flags = O_RDWR, .call = call_map};
    draw_path(w, path);
    c.mode = below(w, 4) == 0;
    c.off = draw_offset(w);
    c.n = 1 + below(w, 50000);
    c.bytes = draw_bytes(w, c.n);
    on_path(w, "map", path, &c);
}

/* Calls on names. */

static void op_truncate(struct world *w) {
    char path[PATH_SIZE];
    draw_path(w, path);
    off_t size = draw_offset(w);
    sides_begin(&w->sides, "truncate %s %lld", path, (long long)size);
    for (int i = 0; i < 2; i++) {
        char full[2 * PATH_MAX];
        snprintf(full, sizeof full, "%s/%s", w->sides.path[i], path);
        sides_result(&w->sides, i, truncate(full, size), false);
    }
    sides_end(&w->sides);
}

static void op_rename(struct world *w) {
    static const unsigned flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
    char from[PATH_SIZE], to[PATH_SIZE];
    draw_path(w, from);
    draw_path(w, to);
    unsigned flag = flags[below(w, ARRAY_SIZE(flags))];
    if (below(w, 10) == 0) {
        snprintf(from, sizeof from, "d2");
        snprintf(to, sizeof to, below(w, 2) ? "d1/s/moved" : "moved");
    } else if (below(w, 10) == 0) {
        snprintf(to, sizeof to, "d2");
        snprintf(from, sizeof from, below(w, 2) ? "d1/s/moved" : "moved");
    }
    sides_begin(&w->sides, "rename %s %s flags %u", from, to, flag);
    for (int i = 0; i < 2; i++)
        sides_result(&w->sides, i, renameat2(w->sides.root[i], from, w->sides.root[i], to, flag), false);
    sides_end(&w->sides);
}

static void op_link(struct world *w) {
    char from[PATH_SIZE], to[PATH_SIZE];
    draw_path(w, from);
    draw_path(w, to);
    bool symbolic = below(w, 3) == 0;
    sides_begin(&w->sides, "%s %s %s", symbolic ? "symlink" : "link", from, to);
    for (int i = 0; i < 2; i++)
        sides_result(&w->sides, i,
                     symbolic ? symlinkat(from, w->sides.root[i], to) : linkat(w->sides.root[i], from, w->sides.root[i], to, 0), false);
    sides_end(&w->sides);
}

static void op_unlink(struct world *w) {
    char path[PATH_SIZE];
    draw_path(w, path);
    sides_begin(&w->sides, "unlink %s", path);
    for (int i = 0; i < 2; i++)
        sides_result(&w->sides, i, unlinkat(w->sides.root[i], path, 0), false);
    sides_end(&w->sides);
}

static void op_directory(struct world *w) {
    static const char *const names[] = {"d1", "d2", "d1/s", "d2/e", "d1/s/moved", "moved"};
    const char *name = names[below(w, ARRAY_SIZE(names))];
    bool make = below(w, 2);
    sides_begin(&w->sides, "%s %s", make ? "mkdir" : "rmdir", name);
    for (int i = 0; i < 2; i++)
        sides_result(&w->sides, i, make ? mkdirat(w->sides.root[i], name, 0755) : unlinkat(w->sides.root[i], name, AT_REMOVEDIR), false);
    sides_end(&w->sides);
}

static void op_attributes(struct world *w) {
    static const mode_t modes[] = {0600, 0644, 0755, 0444, 04711};
    char path[PATH_SIZE];
    draw_path(w, path);
    bool times = below(w, 2);
    mode_t mode = modes[below(w, ARRAY_SIZE(modes))];
    /* before MARKED_UNTIL: where such a time stands, it was set, and must be what was set */
    struct timespec ts[2] = {{(time_t)below(w, MARKED_UNTIL), (long)below(w, 1000000000)}, {(time_t)below(w, MARKED_UNTIL), (long)below(w, 1000000000)}};
    if (times)
        sides_begin(&w->sides, "utimens %s %lld.%09ld", path, (long long)ts[1].tv_sec, ts[1].tv_nsec);
    else
        sides_begin(&w->sides, "chmod %s %o", path, mode);
    for (int i = 0; i < 2; i++)
        sides_result(&w->sides, i, times ? utimensat(w->sides.root[i], path, ts, AT_SYMLINK_NOFOLLOW) : fchmodat(w->sides.root[i], path, mode, 0), false);
    sides_end(&w->sides);
}

static void op_xattr(struct world *w) {
    char path[PATH_SIZE], name[32], value[1000];
    draw_path(w, path);
    snprintf(name, sizeof name, "user.a%u", (unsigned)below(w, 3));
    size_t n = below(w, 4) ? below(w, 100) : below(w, sizeof value);
    memset(value, (int)below(w, 256), sizeof value);
    bool set = below(w, 3) != 0;
    int flags = (int)below(w, 3); /* none, create, replace */
    sides_begin(&w->sides, "%s %s %s n %zu flags %d", set ? "setxattr" : "removexattr", path, name, n, flags);
    for (int i = 0; i < 2; i++) {
        char full[2 * PATH_MAX];
        snprintf(full, sizeof full, "%s/%s", w->sides.path[i], path);
        sides_result(&w->sides, i, set ? lsetxattr(full, name, value, n, flags) : lremovexattr(full, name), false);
    }
    sides_end(&w->sides);
}

static void op_copy_range(struct world *w) {
    char from[PATH_SIZE], to[PATH_SIZE];
    draw_path(w, from);
    draw_path(w, to);
    bool whole = below(w, 3) == 0;
    off_t off = whole ? 0 : draw_offset(w), to_off = whole ? 0 : draw_offset(w);
    size_t n = whole ? FILE_SIZE * 2 : draw_length(w);
    sides_begin(&w->sides, "copy_file_range %s+%lld %s+%lld n %zu", from, (long long)off, to, (long long)to_off, n);
    for (int i = 0; i < 2; i++) {
        int in = openat(w->sides.root[i], from, O_RDONLY | O_CLOEXEC);
        int out = in < 0 ? -1 : openat(w->sides.root[i], to, O_RDWR | O_CREAT | (whole ? O_TRUNC : 0) | O_CLOEXEC, 0644);
        int64_t r = -1, sum = 0;
        off_t a = off, b = to_off;
        while (out >= 0 && (size_t)sum < n && (r = copy_file_range(in, &a, out, &b, n - (size_t)sum, 0)) > 0)
            sum += r; /* how much at once is the kernel's choice */
        sides_result(&w->sides, i, out < 0 || r < 0 ? -1 : sum, false);
        if (in >= 0)
            close(in);
        if (out >= 0)
            close(out);
    }
    sides_end(&w->sides);
}

/* Files that stay open. */

static void op_open(struct world *w) {
    static const int flags[] = {O_RDWR, O_RDWR | O_APPEND, O_RDONLY, O_RDWR | O_CREAT, O_RDWR | O_TRUNC};
    char path[PATH_SIZE];
    draw_path(w, path);
    struct handle h = {.flags = flags[below(w, ARRAY_SIZE(flags))]};
    if (w->n_handles == HANDLES)
        return;
    sides_begin(&w->sides, "open %s flags %o", path, (unsigned)h.flags);
    for (int i = 0; i < 2; i++) {
        h.fd[i] = openat(w->sides.root[i], path, h.flags | O_CLOEXEC, 0644);
        sides_result(&w->sides, i, h.fd[i] < 0 ? -1 : 0, false);
    }
    sides_end(&w->sides);
    if (h.fd[0] >= 0)
        w->handles[w->n_handles++] = h;
}

static void close_handle(struct world *w, size_t at) {
    close(w->handles[at].fd[0]);
    close(w->handles[at].fd[1]);
    w->handles[at] = w->handles[--w->n_handles];
}

static int64_t call_handle(int which, int fd, const struct on_fd *c, char *room) {
    struct stat st;
    switch (which) {
    case 0:
    case 1:
        return call_write(c, fd, room);
    case 2:
        return ftruncate(fd, c->off);
    case 3:
        return fstat(fd, &st) < 0 ? -1 : (int64_t)st.st_size;
    case 4:
        return fstat(fd, &st) < 0 ? -1 : (int64_t)st.st_nlink;
    default:
        return call_read(c, fd, room);
    }
}

static void op_handle(struct world *w) {
    static const char *const what[] = {"write", "write", "ftruncate", "size", "links", "read", "read"};
    size_t at = below(w, HANDLES);
    struct on_fd c = {.off = draw_offset(w), .n = draw_length(w)};
    int which = (int)below(w, ARRAY_SIZE(what));
    c.bytes = draw_bytes(w, c.n);
    if (at >= w->n_handles)
        return;
    if (below(w, 4) == 0) {
        sides_begin(&w->sides, "close handle %zu", at);
        close_handle(w, at);
        return;
    }
    sides_begin(&w->sides, "handle %zu %s off %lld n %zu", at, what[which], (long long)c.off, c.n);
    for (int i = 0; i < 2; i++)
        sides_result(&w->sides, i, call_handle(which, w->handles[at].fd[i], &c, w->sides.room[i]), which >= 5);
    sides_end(&w->sides);
}

/* Remounts. */

static void op_remount(struct world *w) {
    static const char *const how[] = {"clean", "kill", "lose"};
    const char *kind = how[below(w, 3)];
    char command[4 * PATH_MAX];
    while (w->n_handles)
        close_handle(w, 0);
    sides_begin(&w->sides, "remount %s", kind);
    sides_compare(&w->sides);
    struct memory before = sides_remember(&w->sides);
    close(w->sides.root[1]);
    snprintf(command, sizeof command, "%s %s", w->remount, kind);
    if (system(command) != 0)
        sides_fail(&w->sides, "the command '%s' failed", command);
    sides_open(&w->sides, 1);
    sides_compare(&w->sides);
    sides_recall(&w->sides, &before);
}

static void run(struct world *w, uint64_t ops, uint64_t every) {
    static void (*const all[])(struct world *) = {
        op_write,  op_write,  op_write,     op_read,       op_read,  op_append,     op_append, op_fallocate, op_map,    op_truncate, op_rename,
        op_rename, op_rename, op_link,      op_link,       op_unlink, op_unlink,    op_directory, op_attributes, op_attributes, op_xattr,
        op_copy_range, op_open, op_handle,  op_handle,     op_handle, op_handle};
    for (w->done = 0; w->done < ops; w->done++) {
        w->sides.number = w->done;
        if (w->remount && w->done % every == every - 1)
            op_remount(w);
        else if (below(w, 200) == 0)
            op_fsync(w); /* rare: on the mount it waits for the bucket */
        else
            all[below(w, ARRAY_SIZE(all))](w);
        if (w->done % 97 == 96)
            sides_compare(&w->sides);
    }
    while (w->n_handles)
        close_handle(w, 0);
    sides_compare(&w->sides);
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'}, {"ops", required_argument, NULL, 'n'}, {"every", required_argument, NULL, 'e'}, {"remount", required_argument, NULL, 'r'}, {0}};
    uint64_t seed = 1, ops = 1000, every = 500;
    struct world w = {.bytes = malloc(WRITE_SIZE + (1 << 21))};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (c == 'n')
            ops = strtoull(optarg, NULL, 10);
        else if (c == 'e')
            every = strtoull(optarg, NULL, 10);
        else if (c == 'r')
            w.remount = optarg;
        else
            return 2;
    }
    if (argc - optind != 2 || !w.bytes || !every) {
        fprintf(stderr, "usage: random-ops [--seed N] [--ops N] [--every N] [--remount COMMAND] LOCAL MOUNTED\n");
        return 2;
    }
    umask(022);
    w.random = seed;
    sides_init(&w.sides, argv[optind], argv[optind + 1], seed, WRITE_SIZE + (1 << 21));
    for (int i = 0; i < 2; i++)
        for (size_t d = 1; d < ARRAY_SIZE(dirs); d++)
            if (mkdirat(w.sides.root[i], dirs[d], 0755) < 0)
                sides_fail(&w.sides, "%s/%s cannot be made", w.sides.path[i], dirs[d]);
    run(&w, ops, every);
    printf("seed %" PRIu64 ": %" PRIu64 " calls, no difference\n", seed, w.done);
    sides_free(&w.sides);
    free(w.bytes);
    return 0;
}
