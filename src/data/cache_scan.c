/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * After a crash: files without rows, blocks without a bit, and rows without files are removed, one of the 256
 * directories at a time. Only files that have not been changed since the cache was opened are looked at: the
 * others are in use.
 */
#include "data/block_cache.h"
#include "base/digest.h"
#include "data/cache_state.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SLACK (128u << 10) /* a file's extent blocks count in st_blocks as well */

struct scan {
    struct block_cache *c;
    unsigned dir; /* 0..255 */
    struct cache_span *rows;
    size_t n_rows;
    bool *found; /* row i has its file */
};

static bool is_leftover(const struct scan *s, const struct stat *st) {
    const struct timespec *open = &s->c->scan_before;
    return st->st_ctim.tv_sec < open->tv_sec ||
           (st->st_ctim.tv_sec == open->tv_sec && st->st_ctim.tv_nsec <= open->tv_nsec);
}

/* The first row of this content, s->n_rows if there is none. */
static size_t first_row(const struct scan *s, const uint8_t id[DIGEST_SIZE]) {
    size_t lo = 0, hi = s->n_rows;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (memcmp(s->rows[mid].id, id, DIGEST_SIZE) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n_rows && memcmp(s->rows[lo].id, id, DIGEST_SIZE) == 0 ? lo : s->n_rows;
}

/* Punches what no row claims. `row` is the content's first. */
static void punch_unclaimed(struct scan *s, size_t row, const struct stat *st) {
    const uint8_t *id = s->rows[row].id;
    uint64_t spans = (BLOCK_COUNT(st->st_size) + SPAN_BLOCKS - 1) / SPAN_BLOCKS;
    for (uint64_t span = 0; span < spans; span++) {
        bool has_row =
            row < s->n_rows && memcmp(s->rows[row].id, id, DIGEST_SIZE) == 0 && s->rows[row].span == span;
        uint64_t claimed = has_row ? s->rows[row++].here : 0;
        for (unsigned b = 0; b < SPAN_BLOCKS && claimed != ~0ull; b++)
            if (!(claimed >> b & 1))
                (void)cache_files_punch(&s->c->files, id, (span * SPAN_BLOCKS + b) * BLOCK_SIZE, BLOCK_SIZE);
    }
}

static void trim_file(struct scan *s, size_t row, const struct stat *st) {
    struct cache_victim v = {.whole = true}; /* whoever is just adding a block: it counts as unverified */
    struct stat now;
    char name[CACHE_NAME_SIZE];
    uint64_t claimed = 0;
    for (size_t i = row; i < s->n_rows && memcmp(s->rows[i].id, s->rows[row].id, DIGEST_SIZE) == 0; i++)
        claimed += cache_span_bytes(&s->rows[i], s->rows[i].here);
    if ((uint64_t)st->st_blocks * 512 <= claimed + SLACK)
        return;
    memcpy(v.id, s->rows[row].id, DIGEST_SIZE);
    cache_removal_begin(s->c, &v);
    cache_files_name(v.id, name);
    if (fstatat(s->c->files.dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && is_leftover(s, &now))
        punch_unclaimed(s, row, st);
    cache_removal_end(s->c, &v);
}

static void scan_file(struct scan *s, int dir, const char *name) {
    uint8_t id[DIGEST_SIZE];
    struct stat st;
    bool ours = digest_parse(name, id) == 0 && id[0] == s->dir;
    size_t row = ours ? first_row(s, id) : s->n_rows;
    for (size_t i = row; i < s->n_rows && memcmp(s->rows[i].id, id, DIGEST_SIZE) == 0; i++)
        s->found[i] = true;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_leftover(s, &st))
        return;
    if (row == s->n_rows)
        (void)unlinkat(dir, name, 0);
    else
        trim_file(s, row, &st);
}

static bool has_lost_rows(const struct scan *s) {
    for (size_t i = 0; i < s->n_rows; i++)
        if (!s->found[i])
            return true;
    return false;
}

static int remove_lost_rows(struct scan *s) {
    struct cache_index *x = s->c->index;
    if (!has_lost_rows(s)) /* as most: no transaction for each of 256 directories */
        return 0;
    int r = cache_index_begin(x);
    if (r < 0)
        return r;
    for (size_t i = 0; i < s->n_rows && r == 0; i++) {
        struct cache_span none = s->rows[i];
        none.here = none.protected = 0;
        if (!s->found[i])
            r = cache_index_put(x, &s->rows[i], &none);
    }
    if (r == 0)
        r = cache_index_commit(x);
    else
        cache_index_rollback(x);
    if (r == 0)
        cache_take_sums(s->c);
    return r;
}

static int scan_dir(struct scan *s) {
    char name[3];
    snprintf(name, sizeof name, "%02x", s->dir);
    int fd = openat(s->c->files.dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int err = errno;
        if (fd >= 0)
            close(fd);
        return err == ENOENT ? 0 : -err;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            scan_file(s, fd, e->d_name);
    closedir(dir);
    return 0;
}

void cache_scan_step(struct block_cache *c) {
    struct scan s = {.c = c, .dir = c->scan_next++};
    uint8_t first[DIGEST_SIZE] = {0}, last[DIGEST_SIZE];
    memset(last, 0xff, sizeof last);
    first[0] = last[0] = (uint8_t)s.dir;
    if (cache_flush(c) < 0 || !c->index)
        return;
    int r = cache_index_range(c->index, first, last, &s.rows, &s.n_rows);
    if (r == 0) {
        s.found = xcalloc(s.n_rows + 1, sizeof *s.found);
        r = scan_dir(&s);
    }
    if (r == 0)
        r = remove_lost_rows(&s);
    if (r < 0)
        cache_index_failed(c, r);
    free(s.found);
    free(s.rows);
}
