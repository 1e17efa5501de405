/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside of the S3 store, shared by s3.c (opening, requests with what is tried again at once), s3_put.c, s3_multipart.c and s3_get.c. Nobody else includes this.
 *
 *     operation (s3_put, s3_upload, s3_get) ─ one for each call of the store; begins with a post to the loop
 *      └─ s3_call ─ one request; sent again at once with another region, clock or credential if that is what the server wants
 *          └─ http_call ─ one attempt
 *
 * Everything here is the loop's alone, but for what says otherwise.
 */
#ifndef ASSETFS_STORE_S3_PARTS_H
#define ASSETFS_STORE_S3_PARTS_H

#include "store/refusal.h"
#include "store/s3.h"
#include "store/s3_request.h"
#include <openssl/types.h>

#define S3_WHY_MAX ((size_t)8 << 10)
#define S3_KEY_MAX 1024
/* Parts under way at once: of one object, and of all together; the rest of the connections stays free for small objects. */
#define S3_PARTS_EACH 8
#define S3_PART_SIZE_MAX ((uint64_t)5 << 30)

struct s3_call;
struct s3_upload;
struct s3_room;

struct s3_store {
    struct store base;
    struct http *http;
    struct credentials *credentials;
    char *prefix;
    uint64_t multipart_from, part_size;
    int64_t timeout_ns;
    unsigned parts_max; /* of all uploads together */

    bool stopping;
    int64_t skew; /* seconds that the server's clock is ahead of ours */
    struct s3_call *calls;
    struct s3_upload *uploads;
    unsigned parts; /* of uploads, being hashed or put */
    unsigned moves; /* how often the place has changed */
    struct s3_room *rooms; /* objects' keys by their first part: under which customer key? */
    struct customer_keys *customer_keys; /* immutable; NULL: there are none */

    pthread_mutex_t lock;
    struct s3_place place; /* written on the loop, with the lock; read there without it, elsewhere with it */
};

static inline struct s3_store *s3_store(struct store *s) {
    return container_of(s, struct s3_store, base);
}

/* One request. The owner embeds it, zeroed, fills in the first part, which must stay until done, and starts it on the loop. */
struct s3_call {
    struct s3_store *store;
    enum refusal_op op;
    struct s3_request request; /* strings are the owner's */
    const void *bytes;         /* the body: as struct http_request has it */
    int fd;
    uint64_t fd_off, size;
    uint64_t range_off, range_len, max_response;
    int64_t timeout_ns;
    unsigned flags; /* enum http_flags */
    /* On the loop, never inside s3_call_start(). err 0: an answer below 300 that holds no <Error>; else one of store.h, and `why`. response: NULL if nothing
     * was sent. */
    void (*done)(struct s3_call *, int err, const struct http_response *response, const char *why);

    struct refusal refusal; /* of an answer that was one: valid during done */
    struct http_call *http;
    unsigned moves;         /* how often it went elsewhere */
    bool new_clock, new_keys;
    /* It waits for keys, and for how long. */
    struct credentials_wait keys;
    struct env_timer keys_timer;
    /* What it was signed with. */
    unsigned generation, moves_seen;
    int64_t skew;
    int early_err;       /* it was never sent */
    struct buf why;
    struct s3_call *prev, *next; /* store->calls, while it is under way */
};

void s3_call_start(struct s3_call *);
/* done follows soon, unless it has been called already. */
void s3_call_cancel(struct s3_call *);

/* The key with the volume's prefix, malloc'd; NULL: empty, or too long. From any thread. */
char *s3_whole_key(const struct s3_store *, const char *key);
/* How long a body of that size may take: connections that stand still are ended much earlier. */
int64_t s3_time_for(const struct s3_store *, uint64_t size);
/* s3_keep.c */
/* The headers of the put that say what and how to keep: Content-Type, and all of put->keep. Malloc'd pairs; keep_pairs_free(). 0; -EINVAL with a sentence: a header that cannot be
 * sent; -EACCES: a customer key that is not here, or cannot be sent. */
int s3_keep_headers(const struct s3_store *, const struct store_put *, struct keep_pair **ret, size_t *ret_n, struct buf *why) ATTR_WARN_UNUSED;
/* The customer key that the put is to be under; NULL: none, or it is not here (then s3_keep_headers() refuses). Lives as long as the store. */
const struct customer_key *s3_customer_of(const struct s3_store *, const struct store_put *);
/* Appends the three headers of a customer key; none for NULL. Their values are the key's. */
#define S3_CUSTOMER_HEADERS 3
size_t s3_customer_headers(const struct customer_key *, struct sigv4_pair *ret);
/* Under which key what is there probably is: its number (store/customer_keys.h), 0 for none. On the loop, as the next one. */
unsigned s3_customer_guess(const struct s3_store *, const char *key);
/* Under which it is. */
void s3_customer_learn(struct s3_store *, const char *key, unsigned number);
void s3_rooms_free(struct s3_store *);

/* The operations. */
void s3_put_if_absent(struct store *, const struct store_put *, store_put_done done, void *arg);
void s3_get_range(struct store *, const char *key, uint64_t off, uint64_t len, unsigned flags, store_get_done done, void *arg);

/* s3_multipart.c: on the loop. key: whole, taken over. */
void s3_upload_start(struct s3_store *, const struct store_put *, char *key, store_put_done done, void *arg);
void s3_uploads_stop(struct s3_store *); /* those that only wait for a timer end now */
/* SHA-256 of n of the put's bytes, from off on; `whole`, unless NULL, runs along. On a worker. -ENODATA: the
 * file is shorter. */
int s3_hash(const struct store_put *, uint64_t off, uint64_t n, EVP_MD_CTX *whole,
            uint8_t ret[DIGEST_SIZE]) ATTR_WARN_UNUSED;
/* S3 says that other bytes have come than those that were promised: the way, or this disk? */
bool s3_says_other_bytes(const struct s3_call *);
/* What is said if it was the disk. Malloc'd. */
char *s3_changed_why(const struct store_put *);
/* The size of the parts of an object: at least `least`, and so that S3_PARTS_MAX of them are enough; 0: too large for S3. */
uint64_t s3_part_size(uint64_t size, uint64_t least);

#endif
