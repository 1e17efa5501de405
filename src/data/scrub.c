/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/scrub.h"
#include "data/fetch.h"
#include "data/reader.h"

#define PIECE ((uint64_t)8 << 20)

struct scrub {
    const struct scrub_config *cfg;
    struct content *content;
    char *digests_key;
    uint64_t off;
    int64_t until; /* mono: for the piece under way */
    bool second;   /* all of it once more, past the caches */
    struct fetch fetch;
    struct bytes *piece;
    struct digest_stream *stream;
    scrub_done done;
    void *arg;
};

static void next_piece(struct scrub *s);

static void end(struct scrub *s, int err, const char *why) {
    s->done(s->arg, err, why);
    digest_stream_free(s->stream);
    content_unref(s->content);
    free(s->digests_key);
    free(s);
}

static void begin(struct scrub *s) {
    s->off = 0;
    digest_stream_free(s->stream);
    s->stream = digest_stream_new();
    next_piece(s);
}

/* A cache on the way may be what is wrong. */
static void wrong(struct scrub *s, const char *why) {
    if (s->second) {
        end(s, -EBADMSG, why);
        return;
    }
    s->second = true;
    begin(s);
}

static bool wanted(struct fetch *f) {
    struct scrub *s = container_of(f, struct scrub, fetch);
    return env_mono(s->cfg->env) < s->until;
}

static void fetch(struct scrub *s, const char *key, uint64_t off, uint64_t len, void (*got)(struct fetch *, const struct store_got *)) {
    s->until = env_mono(s->cfg->env) + s->cfg->timeout_ns;
    s->fetch = (struct fetch){.store = s->cfg->store, .key = key, .off = off, .len = len, .flags = s->second ? STORE_FRESH : 0, .wanted = wanted, .done = got};
    fetch_start(&s->fetch);
}

/* Of an error nobody can do anything about here. */
static void failed(struct scrub *s, const struct store_got *got) {
    if (got->err == -ERANGE || got->err == -EINVAL)
        wrong(s, "it has another size than is recorded");
    else
        end(s, got->err, got->why);
}

/* The digests object */

static void digests_got(struct fetch *f, const struct store_got *got) {
    struct scrub *s = container_of(f, struct scrub, fetch);
    CLEANUP_BUF struct buf plain = BUF_INIT(STORE_WHOLE_MAX);
    CLEANUP_FREE uint8_t *digests = NULL;
    if (got->err < 0) {
        CLEANUP_FREE char *why = xasprintf("its digests object %s cannot be read: %s", s->digests_key, got->why ? got->why : strerror(-got->err));
        end(s, got->err, why);
    } else if (unseal(s->cfg->keys, s->digests_key, got->data, got->len, &plain) < 0 || digests_parse(s->content, plain.data, plain.len, &digests) < 0) {
        CLEANUP_FREE char *why = xasprintf("its digests object %s is not what it should be", s->digests_key);
        wrong(s, why);
    } else {
        end(s, 0, NULL);
    }
}

/* The content */

static void finish(struct scrub *s) {
    const struct content *c = s->content;
    uint8_t id[DIGEST_SIZE], all[DIGEST_SIZE];
    uint8_t *blocks;
    size_t n;
    digest_stream_final(s->stream, id, &blocks, &n);
    digest_of(blocks, n * DIGEST_SIZE, all);
    bool same = !memcmp(id, c->id, DIGEST_SIZE);
    bool blocks_same = n < 2 || (c->digests ? !memcmp(blocks, c->digests, n * DIGEST_SIZE) : !memcmp(all, c->digests_digest, DIGEST_SIZE));
    free(blocks);
    if (!same)
        wrong(s, "its bytes are not those that its digest says");
    else if (!blocks_same)
        wrong(s, "its bytes are right, but the recorded digests of its blocks are not: it cannot be read through a mount");
    else if (n > CONTENT_INLINE_BLOCKS)
        fetch(s, s->digests_key, 0, 0, digests_got);
    else
        end(s, 0, NULL);
}

static void hash(void *arg) {
    struct scrub *s = arg;
    digest_stream_update(s->stream, s->piece->data, s->piece->len);
}

static void hashed(void *arg) {
    struct scrub *s = arg;
    s->off += s->piece->len;
    bytes_free(s->piece);
    s->piece = NULL;
    if (s->off < s->content->size)
        next_piece(s);
    else
        finish(s);
}

static void piece_got(struct fetch *f, const struct store_got *got) {
    struct scrub *s = container_of(f, struct scrub, fetch);
    if (got->err < 0) {
        failed(s, got);
    } else if (got->total != s->content->size || got->len != f->len) {
        wrong(s, "it has another size than is recorded");
    } else {
        s->piece = store_got_keep(got);
        env_work(s->cfg->env, hash, hashed, s);
    }
}

static void next_piece(struct scrub *s) {
    fetch(s, s->content->key, s->off, MIN(PIECE, s->content->size - s->off), piece_got);
}

static void begin_on_loop(void *arg) {
    begin(arg);
}

void scrub_content(const struct scrub_config *config, struct content *c, scrub_done done, void *arg) {
    struct scrub *s = xcalloc(1, sizeof *s);
    *s = (struct scrub){.cfg = config, .content = content_ref(c), .digests_key = digests_key(config->prefix, c->id), .done = done, .arg = arg};
    env_post(config->env, begin_on_loop, s);
}
