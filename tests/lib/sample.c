/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file.h"
#include "sample.h"
#include <fcntl.h>

static void fill(uint8_t *p, uint64_t n, uint64_t x) {
    for (uint64_t i = 0; i < n; i++) {
        if (i % 8 == 0) { /* xorshift64 */
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        p[i] = (uint8_t)(x >> (8 * (i % 8)));
    }
}

struct sample *sample_new(unsigned seed, uint64_t size) {
    struct sample *s = xcalloc(1, sizeof *s);
    uint8_t id[DIGEST_SIZE], sum[DIGEST_SIZE];
    size_t n;
    s->data = xmalloc(size);
    s->size = size;
    fill(s->data, size, 0x9e3779b97f4a7c15u * (seed + 1));
    struct digest_stream *stream = digest_stream_new();
    digest_stream_update(stream, s->data, size);
    digest_stream_final(stream, id, &s->digests, &n);
    digest_stream_free(stream);
    digest_of(s->digests, n * DIGEST_SIZE, sum);
    CLEANUP_FREE char *key = xasprintf("files/%u", seed);
    s->content = content_new(id, size, key, n > 1 && n <= CONTENT_INLINE_BLOCKS ? s->digests : NULL,
                             n > CONTENT_INLINE_BLOCKS ? sum : NULL);
    return s;
}

struct sample *sample_free(struct sample *s) {
    if (!s)
        return NULL;
    content_unref(s->content);
    free(s->digests);
    free(s->data);
    free(s);
    return NULL;
}

const uint8_t *sample_digest(const struct sample *s, uint64_t block) {
    return s->digests + block * DIGEST_SIZE;
}

const uint8_t *sample_block(const struct sample *s, uint64_t block, size_t *ret_len) {
    uint64_t off = block * BLOCK_SIZE;
    *ret_len = (size_t)MIN(BLOCK_SIZE, s->size - off);
    return s->data + off;
}

void sample_write(const struct sample *s, const char *path) {
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || file_pwrite_all(fd, s->data, s->size, 0) < 0) {
        perror(path);
        abort();
    }
}
