/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One operation of a store, and what came back, for tests:
 *
 *     CLEANUP_CALL struct call c = {0};
 *     call_put(&c, store, "files/x", "hello", 5);
 *     fake_env_run(fake);
 *     assert_int_equal(c.err, 0);
 *
 * The fields are written on the loop: with a real loop, look at them only when something else says that it is
 * done.
 */
#ifndef ASSETFS_TESTS_STORE_CALL_H
#define ASSETFS_TESTS_STORE_CALL_H

#include "store/store.h"

struct call {
    unsigned done; /* how often it was answered: 0 or 1 */
    int err;
    char *why;
    unsigned char *data; /* what a get gave, with a NUL behind it; after a list its keys, each with a newline,
                            unordered */
    size_t len;
    uint64_t total;
    struct store_put put;
    char *key;
    void (*then)(struct call *); /* called when all is set; may be NULL */
};

/* Before each use the call must be zeroed or call_reset(). bytes must stay until it is done; sha256 is
 * computed. */
void call_put(struct call *, struct store *, const char *key, const void *bytes, size_t n);
/* Of fd; sha256 is the caller's. */
void call_put_fd(struct call *, struct store *, const char *key, int fd, uint64_t n,
                 const uint8_t sha256[DIGEST_SIZE]);
void call_get(struct call *, struct store *, const char *key, uint64_t off, uint64_t len);
void call_list(struct call *, struct store *, const char *prefix);
void call_reset(struct call *);

#define CLEANUP_CALL __attribute__((cleanup(call_reset)))

#endif
