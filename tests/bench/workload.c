/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the benchmark cannot do with programs that are there anyway: contents that are the same in every run
 * and neither compress nor deduplicate, files made without a process each, and pages dropped from the cache
 * without being root. The same seed gives the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_PER_DIR 50
#define CHUNK (1u << 20)
/* 2024-01-01, and a minute more each file. */
#define FIRST_MTIME 1704067200

static uint64_t random_state;

/* xorshift64* */
static uint64_t random_next(void) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717u;
}

static void random_seed(uint64_t seed, uint64_t stream) {
    random_state = (seed + 1) * 0x9e3779b97f4a7c15u ^ (stream + 1) * 0xbf58476d1ce4e5b9u;
    for (int i = 0; i < 8; i++)
        random_next();
}

static void fail(const char *path) {
    fprintf(stderr, "workload: %s: %s\n", path, strerror(errno));
    exit(1);
}

static uint64_t number(const char *text) {
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    if (!*text || *end) {
        fprintf(stderr, "workload: %s is not a number\n", text);
        exit(2);
    }
    return n;
}

/* Contents from the random stream as it stands. */
static void write_file(const char *path, uint64_t bytes) {
    static uint64_t chunk[CHUNK / sizeof(uint64_t)];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        fail(path);
    while (bytes > 0) {
        size_t n = bytes < CHUNK ? (size_t)bytes : CHUNK;
        for (size_t i = 0; i < (n + 7) / 8; i++)
            chunk[i] = random_next();
        if (write(fd, chunk, n) != (ssize_t)n)
            fail(path);
        bytes -= n;
    }
    if (close(fd) < 0)
        fail(path);
}

static void make_dir(const char *path) {
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        fail(path);
}

/* Photos and documents: as many between 1 and 2 KiB as between 50 and 100, and one in fifty of 200 to 700.
 * About 34.5 kB on the average. */
static uint64_t tree_size(void) {
    uint64_t r = random_next() >> 8;
    if (r % 50 == 0)
        return (200u << 10) + random_next() % (500u << 10);
    uint64_t low = (uint64_t)1024 << random_next() % 7; /* 1 to 64 KiB */
    uint64_t high = low == 64u << 10 ? 100u << 10 : 2 * low;
    return low + random_next() % (high - low);
}

static void set_mtime(const char *path, time_t t) {
    struct timespec times[2] = {{.tv_sec = t}, {.tv_sec = t}};
    if (utimensat(AT_FDCWD, path, times, 0) < 0)
        fail(path);
}

static int set_dir_mtime(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)ftw;
    if (type == FTW_DP)
        set_mtime(path, FIRST_MTIME);
    return 0;
}

static void make_tree(const char *dir, uint64_t count, uint64_t seed) {
    static const char *const extensions[] = {"jpg", "jpg", "jpg", "pdf", "txt", "docx", "html"};
    char path[4096];
    for (uint64_t i = 0; i < count; i++) {
        uint64_t event = i / FILES_PER_DIR;
        random_seed(seed, i);
        make_dir(dir);
        snprintf(path, sizeof path, "%s/%u", dir, 2015 + (unsigned)(event % 10));
        make_dir(path);
        snprintf(path, sizeof path, "%s/%u/event %02u", dir, 2015 + (unsigned)(event % 10),
                 (unsigned)(event / 10));
        make_dir(path);
        snprintf(path, sizeof path, "%s/%u/event %02u/IMG_%05u.%s", dir, 2015 + (unsigned)(event % 10),
                 (unsigned)(event / 10), (unsigned)i, extensions[random_next() % 7]);
        write_file(path, tree_size());
        set_mtime(path, FIRST_MTIME + (time_t)i * 60);
    }
    if (nftw(dir, set_dir_mtime, 64, FTW_PHYS | FTW_DEPTH) < 0)
        fail(dir);
}

/* open, write if there is anything to write, close: no more calls than that. */
static void make_files(const char *dir, uint64_t count, uint64_t bytes, uint64_t seed) {
    char path[4096];
    make_dir(dir);
    for (uint64_t i = 0; i < count; i++) {
        random_seed(seed, i);
        snprintf(path, sizeof path, "%s/file-%05u", dir, (unsigned)i);
        write_file(path, bytes);
    }
}

/* Reads 4 KiB at random places, one after another, and prints which. */
static void read_random(const char *path, uint64_t count, uint64_t seed) {
    char page[4096];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        fail(path);
    random_seed(seed, 0);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t off = (random_next() >> 8) % ((uint64_t)st.st_size / sizeof page) * sizeof page;
        if (pread(fd, page, sizeof page, (off_t)off) != (ssize_t)sizeof page)
            fail(path);
        printf("%llu\n", (unsigned long long)off);
    }
    close(fd);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)ftw;
    if (type != FTW_F)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0; /* gone meanwhile */
    /* Only what is clean can be dropped. */
    if (fdatasync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        fprintf(stderr, "workload: %s stays in the page cache\n", path);
    close(fd);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    if (!strcmp(what, "tree") && argc == 5) {
        make_tree(argv[2], number(argv[3]), number(argv[4]));
    } else if (!strcmp(what, "file") && argc == 5) {
        random_seed(number(argv[4]), 0);
        write_file(argv[2], number(argv[3]));
    } else if (!strcmp(what, "files") && argc == 6) {
        make_files(argv[2], number(argv[3]), number(argv[4]), number(argv[5]));
    } else if (!strcmp(what, "random") && argc == 5) {
        read_random(argv[2], number(argv[3]), number(argv[4]));
    } else if (!strcmp(what, "drop")) {
        for (int i = 2; i < argc; i++)
            if (nftw(argv[i], drop, 64, FTW_PHYS) < 0)
                fail(argv[i]);
    } else {
        fprintf(stderr,
                "Usage: workload tree DIR COUNT SEED        a tree of photos and documents\n"
                "       workload file PATH BYTES SEED       one file\n"
                "       workload files DIR COUNT BYTES SEED files of one size in one directory\n"
                "       workload random PATH COUNT SEED     reads pages at random, and prints their offsets\n"
                "       workload drop PATH...               writes to disk, and drops from the page cache\n");
        return 2;
    }
    return 0;
}
