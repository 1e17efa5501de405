/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What gives a fuzz target (tests/fuzz/NAME-fuzz.c) a main() where libFuzzer does not: `make check`.
 *
 *     NAME-fuzz           the corpus $SRC/tests/data/fuzz/NAME, and some thousand changes of it, the same in every run
 *     NAME-fuzz FILE...   these inputs: what libFuzzer left as crash-...
 */
#include "fuzz_main.h"
#include "base/base.h"
#include "base/buf.h"
#include <dirent.h>
#include <stdlib.h>

#define INPUT_MAX ((size_t)1 << 20)
#define ROUNDS 20000
#define SEEDS_MAX 64

static uint64_t state = 0x9e3779b97f4a7c15u;

/* xorshift64* */
static uint64_t below(uint64_t n) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 2685821657736338717u >> 11) % n;
}

static struct buf load(const char *path) {
    struct buf b = BUF_INIT(INPUT_MAX);
    FILE *f = fopen(path, "re");
    if (!f) {
        perror(path);
        exit(2);
    }
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
        buf_append(&b, part, n);
    fclose(f);
    return b;
}

/* In memory of exactly that size, so that a sanitizer sees a read beyond it. */
static void run(const void *p, size_t n) {
    CLEANUP_FREE uint8_t *copy = xmalloc(MAX(n, (size_t)1));
    if (n > 0)
        memcpy(copy, p, n);
    LLVMFuzzerTestOneInput(copy, n);
}

/* Changes, removes, repeats or cuts off a few bytes. */
static void mutate(const struct buf *seed) {
    CLEANUP_FREE uint8_t *p = xmalloc(2 * seed->len + 16);
    size_t n = seed->len;
    if (n > 0)
        memcpy(p, seed->data, n);
    for (uint64_t i = below(4) + 1; i > 0; i--) {
        size_t at = below(n + 1), up_to = below(8) + 1, len = MIN(up_to, n - at);
        switch (below(5)) {
        case 0:
            if (at < n)
                p[at] ^= (uint8_t)(1u << below(8));
            break;
        case 1:
            if (at < n)
                p[at] = (uint8_t)below(256);
            break;
        case 2:
            memmove(p + at, p + at + len, n - at - len);
            n -= len;
            break;
        case 3:
            if (n + len <= 2 * seed->len + 16) {
                memmove(p + at + len, p + at, n - at);
                n += len;
            }
            break;
        default:
            if (below(8) == 0)
                n = at;
        }
    }
    run(p, n);
}

static size_t load_corpus(const char *name, struct buf *seeds) {
    const char *src = getenv("SRC");
    CLEANUP_FREE char *dir = xasprintf("%s/tests/data/fuzz/%s", src ? src : ".", name);
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort);
    size_t n_seeds = 0;
    for (int i = 0; i < n; i++) {
        if (list[i]->d_name[0] != '.' && n_seeds < SEEDS_MAX) {
            CLEANUP_FREE char *path = xasprintf("%s/%s", dir, list[i]->d_name);
            seeds[n_seeds++] = load(path);
        }
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return n_seeds;
}

int main(int argc, char **argv) {
    struct buf seeds[SEEDS_MAX];
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        CLEANUP_BUF struct buf b = load(argv[i]);
        run(b.data, b.len);
    }
    if (argc > 1)
        return 0;
    const char *slash = strrchr(argv[0], '/'), *base = slash ? slash + 1 : argv[0];
    CLEANUP_FREE char *name = xstrndup(base, strcspn(base, "-"));
    n = load_corpus(name, seeds);
    if (n == 0) {
        fprintf(stderr, "%s: no corpus in $SRC/tests/data/fuzz/%s\n", base, name);
        return 2;
    }
    for (size_t i = 0; i < n; i++)
        run(seeds[i].data, seeds[i].len);
    for (unsigned i = 0; i < ROUNDS; i++)
        mutate(&seeds[below(n)]);
    for (size_t i = 0; i < n; i++)
        buf_free(&seeds[i]);
    return 0;
}
