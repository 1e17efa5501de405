/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool_map.h"
#include "base/file.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAGIC "assetsm1"
#define BOOT_ID_SIZE 16

/* The file as it is mapped. A word pair covers 64 blocks; lowest bit first. */
struct words {
    _Atomic uint64_t here, synced;
};

struct image {
    char magic[8];
    uint64_t base_size;
    _Atomic uint64_t limit;
    _Atomic int64_t mtime_ns;
    uint8_t boot[BOOT_ID_SIZE];
    uint8_t unused[16];
    struct words words[];
};
_Static_assert(sizeof(struct image) == 64, "the header is part of the format");

struct spool_map {
    struct image *image;
    size_t n_words;
    size_t bytes;    /* mapped */
    uint64_t absent; /* blocks below the limit whose bit is clear */
};

/* Changes whenever the machine starts. All zeros where the kernel does not tell: then a map is believed,
 * because a killed process is far more frequent than a power loss. */
static void read_boot_id(uint8_t ret[BOOT_ID_SIZE]) {
    CLEANUP_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    char text[37] = "";
    memset(ret, 0, BOOT_ID_SIZE);
    if (fd < 0 || read(fd, text, 36) != 36)
        return;
    size_t n = 0;
    for (const char *p = text; *p && n < BOOT_ID_SIZE; p++) {
        unsigned byte;
        if (*p == '-')
            continue;
        if (sscanf(p, "%2x", &byte) != 1)
            return;
        ret[n++] = (uint8_t)byte;
        p++;
    }
}

static size_t words_for(uint64_t base_size) {
    return (size_t)((BLOCK_COUNT(base_size) + 63) / 64);
}

static size_t bytes_for(uint64_t base_size) {
    return sizeof(struct image) + words_for(base_size) * sizeof(struct words);
}

static uint64_t here_word(const struct spool_map *m, size_t i) {
    return atomic_load_explicit(&m->image->words[i].here, memory_order_relaxed);
}

/* The bits of word i that stand for blocks below the limit. */
static uint64_t counted(const struct spool_map *m, size_t i) {
    uint64_t blocks = BLOCK_COUNT(spool_map_limit(m)), first = (uint64_t)i * 64;
    if (blocks >= first + 64)
        return UINT64_MAX;
    return blocks <= first ? 0 : ((uint64_t)1 << (blocks - first)) - 1;
}

static uint64_t absent_word(const struct spool_map *m, size_t i) {
    return ~here_word(m, i) & counted(m, i);
}

static void count_absent(struct spool_map *m) {
    m->absent = 0;
    for (size_t i = 0; i < m->n_words; i++)
        m->absent += (uint64_t)__builtin_popcountll(absent_word(m, i));
}

static int map_file(int fd, uint64_t base_size, struct spool_map **ret) {
    size_t bytes = bytes_for(base_size);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    struct spool_map *m = xmalloc(sizeof *m);
    *m = (struct spool_map){.image = p, .n_words = words_for(base_size), .bytes = bytes};
    *ret = m;
    return 0;
}

/* Written, not left a hole: a store into a mapped hole of a full disk would be SIGBUS. */
static int write_zeros(int fd, uint64_t from, uint64_t to) {
    static const char zeros[4096];
    while (from < to) {
        size_t n = (size_t)MIN(to - from, sizeof zeros);
        int r = file_pwrite_all(fd, zeros, n, from);
        if (r < 0)
            return r;
        from += n;
    }
    return 0;
}

int spool_map_create(const char *path, uint64_t base_size, int64_t mtime_ns, struct spool_map **ret) {
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    struct image head = {.magic = MAGIC, .base_size = base_size};
    atomic_init(&head.limit, base_size);
    atomic_init(&head.mtime_ns, mtime_ns);
    read_boot_id(head.boot);
    int r = file_pwrite_all(fd, &head, sizeof head, 0);
    if (r == 0)
        r = write_zeros(fd, sizeof head, bytes_for(base_size));
    if (r == 0)
        r = map_file(fd, base_size, ret);
    if (r < 0) {
        unlink(path);
        return r;
    }
    count_absent(*ret);
    return 0;
}

/* After a reboot only what was synced is believed. */
static void check_boot(struct spool_map *m) {
    uint8_t now[BOOT_ID_SIZE];
    read_boot_id(now);
    if (memcmp(now, m->image->boot, sizeof now) == 0)
        return;
    for (size_t i = 0; i < m->n_words; i++)
        m->image->words[i].here &= m->image->words[i].synced;
    memcpy(m->image->boot, now, sizeof now);
}

int spool_map_open(const char *path, uint64_t base_size, struct spool_map **ret) {
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    struct image head;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (file_pread_all(fd, &head, sizeof head, 0) < 0 || memcmp(head.magic, MAGIC, sizeof head.magic) != 0 ||
        head.base_size != base_size || atomic_load(&head.limit) > base_size)
        return -EBADMSG;
    int r = write_zeros(fd, (uint64_t)st.st_size, bytes_for(base_size));
    if (r == 0)
        r = map_file(fd, base_size, ret);
    if (r < 0)
        return r;
    check_boot(*ret);
    count_absent(*ret);
    return 0;
}

struct spool_map *spool_map_close(struct spool_map *m) {
    if (!m)
        return NULL;
    munmap(m->image, m->bytes);
    free(m);
    return NULL;
}

bool spool_map_here(const struct spool_map *m, uint64_t block) {
    if (block >= BLOCK_COUNT(spool_map_limit(m)))
        return true;
    return here_word(m, (size_t)(block / 64)) >> (block % 64) & 1;
}

void spool_map_set(struct spool_map *m, uint64_t first, uint64_t count) {
    uint64_t end = MIN(first + count, BLOCK_COUNT(spool_map_limit(m)));
    for (uint64_t b = first; b < end; b++) {
        uint64_t bit = (uint64_t)1 << (b % 64);
        uint64_t old = atomic_fetch_or_explicit(&m->image->words[b / 64].here, bit, memory_order_release);
        m->absent -= !(old & bit);
    }
}

uint64_t spool_map_absent(const struct spool_map *m) {
    return m->absent;
}

uint64_t spool_map_next_absent(const struct spool_map *m, uint64_t from) {
    for (size_t i = (size_t)(from / 64); i < m->n_words; i++) {
        uint64_t w = absent_word(m, i);
        if (i == from / 64)
            w &= UINT64_MAX << (from % 64);
        if (w)
            return (uint64_t)i * 64 + (uint64_t)__builtin_ctzll(w);
    }
    return SPOOL_MAP_NONE;
}

uint64_t spool_map_next_here(const struct spool_map *m, uint64_t from) {
    while (!spool_map_here(m, from))
        from++;
    return from;
}

uint64_t spool_map_limit(const struct spool_map *m) {
    return atomic_load_explicit(&m->image->limit, memory_order_relaxed);
}

void spool_map_cut(struct spool_map *m, uint64_t limit) {
    if (limit >= spool_map_limit(m))
        return;
    atomic_store(&m->image->limit, limit);
    count_absent(m);
}

int64_t spool_map_mtime(const struct spool_map *m) {
    return atomic_load(&m->image->mtime_ns);
}

void spool_map_set_mtime(struct spool_map *m, int64_t mtime_ns) {
    atomic_store(&m->image->mtime_ns, mtime_ns);
}

uint64_t *spool_map_sync_begin(const struct spool_map *m) {
    uint64_t *here = xmalloc(MAX(m->n_words, 1) * sizeof *here);
    for (size_t i = 0; i < m->n_words; i++)
        here[i] = here_word(m, i);
    return here;
}

int spool_map_sync_end(struct spool_map *m, const uint64_t *here) {
    for (size_t i = 0; i < m->n_words; i++)
        atomic_fetch_or(&m->image->words[i].synced, here[i]);
    return msync(m->image, m->bytes, MS_SYNC) < 0 ? -errno : 0;
}
