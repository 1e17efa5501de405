/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one contract between assetfs and a place where objects are: put once, read ranges, perhaps list.
 * Implementations: store/dir.h (a local directory), store/s3.h, store/cdn.h (reads only); tests' fault wrapper is a further one.
 *
 * An object is immutable: it is put once under its key and never changes, is never overwritten, never deleted.
 *
 * Concurrency: every operation may be called from any thread, any number at once. Completions (`done`) run on the
 * environment's loop (base/env.h), one after another, exactly once for each operation, never inside the call that
 * started it. Operations on one key are ordered only by completion: what was put (0 or -EEXIST seen) can be read.
 * No operation may be started after store_free() was called; store_free() must be called when none is under way.
 *
 * Keys are byte strings without NUL, 1..1024 bytes, relative to the volume's place in the bucket (no leading '/').
 *
 * Errors, for every operation (negative errno; the completion's `why` is one sentence for people, or NULL; it is valid during
 * the call only):
 *   -EEXIST     put: an object is there already (S3's 412). Nothing was written by this put - or by an earlier try of the same
 *               put whose answer was lost.
 *   -ENOENT     get: the store says that there is no such object. Whether to believe it is the caller's to decide (a witness).
 *   -EACCES     refused: permission, read-only bucket. Trying again changes nothing until somebody changes the set-up.
 *   -EBADMSG    put: the bytes are not those of store_put.sha256 any more. There is no object of them.
 *   -ENOSPC     put: the store is full.
 *   -EINVAL     the store cannot hold such a key or object (too long, too large).
 *   -ERANGE     get: the range starts at or beyond the object's end.
 *   -ETIMEDOUT, -EIO   trouble: network, server, disk. A put with this result MAY HAVE HAPPENED. Worth trying again.
 */
#ifndef ASSETFS_STORE_H
#define ASSETFS_STORE_H

#include "base/base.h"
#include "base/bytes.h"
#include "base/counters.h"
#include "base/env.h"
#include "store/keep.h"

struct store;

/* What to put. Everything it points to is the caller's and must stay until `done`. */
struct store_put {
    const char *key;
    /* The bytes: from memory if `bytes` is set, else `size` bytes of `fd` from offset 0. The fd's file offset is not used. */
    const void *bytes;
    int fd;
    uint64_t size;
    uint8_t sha256[DIGEST_SIZE]; /* of the bytes: the store refuses (-EIO, or -EBADMSG where it is sure) to
                                    make an object with other bytes */
    /* SHA-256 of each part_size of the bytes (the last may be fewer), hashed from the very bytes that gave
     * `sha256`: where they fit how the store puts an object in parts (store.part_size), nothing is hashed
     * again, and each part is refused unless it is these bytes. NULL: the store hashes what it needs. */
    const uint8_t *parts;
    size_t n_parts;
    uint64_t part_size;
    const char *content_type;    /* NULL: application/octet-stream */
    const struct keep *keep;     /* how it is to be kept; NULL: as the bucket does by itself */
};

typedef void (*store_put_done)(void *arg, int err, const char *why);

/* A completed get. `data` (len bytes) is valid during the call only. `total` is the object's whole size. */
struct store_got {
    int err;
    const char *why;
    const void *data;
    size_t len;
    uint64_t total;
    bool cached; /* it came out of a cache on the way, and says nothing about the bucket as it is now */
    /* Takes `data` over from whoever made it; NULL: it has to be copied. For store_got_keep(). */
    struct bytes *(*keep)(const void *whose);
    const void *whose;
};
/* The bytes, to be kept for longer than the call. Once for each get. */
static inline struct bytes *store_got_keep(const struct store_got *g) {
    return g->keep ? g->keep(g->whose) : bytes_copy(g->data, g->len);
}
typedef void (*store_get_done)(void *arg, const struct store_got *got);

/* One listed key at a time, in any order; then once with key NULL (err tells how it ended). */
typedef void (*store_list_each)(void *arg, const char *key, uint64_t size, int err);

enum store_get_flags {
    STORE_FRESH = 1, /* past every cache on the way: journal probes, witnesses, a second try after a bad digest */
};

/* absence_ns of what is read over a network: CloudFront keeps errors for 10 s. */
#define STORE_ABSENCE_NS (15 * NS_PER_S)
/* Journal entries, batches and digests objects are read whole, and whoever puts an object must not decide how much memory that takes. Enough for the block
 * digests of 2 TiB. */
#define STORE_WHOLE_MAX ((uint64_t)64 << 20)

struct store_ops {
    /* Creates the object, whole or not at all, if there is none at this key; 0 only when it is durable. */
    void (*put_if_absent)(struct store *, const struct store_put *, store_put_done, void *arg);
    /* Reads [off, off+len) cut at the object's end; len 0 asks for the whole object (one of more than STORE_WHOLE_MAX bytes may be -EINVAL). */
    void (*get_range)(struct store *, const char *key, uint64_t off, uint64_t len, unsigned flags, store_get_done,
                      void *arg);
    /* Lists keys that begin with prefix; NULL where a store cannot. Nothing but tests and tools uses it. */
    void (*list)(struct store *, const char *prefix, store_list_each, void *arg);
    /* A key of the customer's own, under which objects can be kept (SSE-C): the fingerprint of the one that is named, if it is here, else of the one for new rules. It lives as long as the
     * store. Looks at the local disk. NULL, as the operation itself: there is none. */
    const char *(*customer_key)(struct store *, const char *named);
    /* The address under which a browser finds the object, malloc'd; NULL if there is none. */
    char *(*url)(struct store *, const char *key);
    /* Ends what is under way: every operation comes back soon, with -EIO where it was not done, and so does each that is started from then on. From any thread; the loop must
     * run once more before store_free(). NULL: none takes long. */
    void (*stop)(struct store *);
    void (*free)(struct store *);
};

/* How a store is opened. */
enum store_open_how {
    STORE_OPEN_EXISTING, /* the bucket must be there */
    STORE_OPEN_CREATE,   /* make it where that is possible (assetfs init) */
    STORE_OPEN_LATER,    /* it may be away just now: operations fail with -EIO until it comes back (an offline mount) */
};

/* First member of every implementation. */
struct store {
    const struct store_ops *ops;
    struct env *env;
    struct counters *counters; /* may be NULL; STORE_GETS, STORE_PUTS, BYTES_* are counted by the implementation */
    char *address;             /* for messages: "file:///srv/bucket" */
    unsigned parallel_puts;    /* how many puts at once are useful */
    unsigned parallel_gets;
    /* Objects of parts_from bytes and more are put in parts, nearly always of part_size each; 0: never. */
    uint64_t parts_from, part_size;
    size_t key_max;            /* bytes of the longest key: less than 1024 where the volume's place in the bucket stands before it; 0: 1024 */
    uint64_t get_size;         /* the largest range worth asking for in one get, a multiple of BLOCK_SIZE */
    const char *no_customer_key; /* where store_customer_key() finds none: why not, for people */
    /* For how long an absence may be untrue: a cache on the way remembers it, or a refusal looks the same. 0: what it says is so. */
    int64_t absence_ns;
};

static inline void store_put_if_absent(struct store *s, const struct store_put *p, store_put_done done, void *arg) {
    s->ops->put_if_absent(s, p, done, arg);
}
static inline void store_get_range(struct store *s, const char *key, uint64_t off, uint64_t len, unsigned flags,
                                   store_get_done done, void *arg) {
    s->ops->get_range(s, key, off, len, flags, done, arg);
}
static inline char *store_url(struct store *s, const char *key) {
    return s->ops->url ? s->ops->url(s, key) : NULL;
}
static inline const char *store_customer_key(struct store *s, const char *named) {
    return s->ops->customer_key ? s->ops->customer_key(s, named) : NULL;
}
static inline void store_stop(struct store *s) {
    if (s && s->ops->stop)
        s->ops->stop(s);
}
static inline struct store *store_free(struct store *s) {
    if (s)
        s->ops->free(s);
    return NULL;
}

#endif
