/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A store that wraps another one and goes wrong as it is told: the layer for tests of everything above
 * store.h.
 *
 * What goes wrong is a list of rules. A rule names the operations it looks at (put, get, keys that begin with
 * a prefix), which of those it hits (the nth, and how many from there on) and what then happens. All rules
 * that hit an operation act on it; of two that fail it the first one counts.
 *
 *     struct store *s = store_fault_new(store_mem_new(bucket, env, NULL));
 *     store_fault_fail(s, FAULT_PUT, "files/", 3, 1, -ENOSPC);      the third put below files/ fails, once
 *     store_fault_lose_answer(s, ".assetfs/journal/", 1, 1);        put is done, the caller gets -EIO
 *
 * Threads: every function may be called from any thread; one mutex inside, never held across a call of the
 * inner store.
 */
#ifndef ASSETFS_TESTS_STORE_FAULT_H
#define ASSETFS_TESTS_STORE_FAULT_H

#include "store/store.h"

enum fault_ops { FAULT_PUT = 1, FAULT_GET = 2, FAULT_LIST = 4, FAULT_ANY = 7 };

enum fault_kind {
    FAULT_DELAY,       /* begins value ms later */
    FAULT_LATE,        /* is done at once, its answer comes value ms later */
    FAULT_FAIL,        /* is not done; answer err */
    FAULT_LOSE,        /* is done; answer err */
    FAULT_CUT,         /* get: at most value bytes of the data arrive, and no error */
    FAULT_CORRUPT,     /* get: one bit of the byte `value` (modulo the length) is flipped */
    FAULT_SQUAT,       /* put: somebody else's garbage is put at the key just before */
    FAULT_HOLD,        /* does not begin until store_fault_release() */
    FAULT_HOLD_ANSWER, /* is done at once, the answer comes after store_fault_release() */
    FAULT_CACHED,      /* get: what is there comes out of a cache */
    FAULT_PAGE,        /* get: where nothing is, a page of the CDN's own takes the place of the error; value 1: each time
                        * another one, as with a request's number in it */
};

struct fault_rule {
    enum fault_kind kind;
    unsigned ops;       /* enum fault_ops, joined; 0: FAULT_ANY */
    const char *prefix; /* of the key; NULL: every key. Copied. */
    bool whole_key;     /* prefix is a key */
    unsigned nth;       /* the first operation it hits, counted among those it looks at, from 1 (0 is 1) */
    unsigned count;     /* how many it hits; 0: all from there on */
    int err;            /* FAIL, LOSE: negative errno; 0 is -EIO */
    const char *why;    /* FAIL, LOSE: the sentence; NULL: one of its own. Copied. */
    uint64_t value;
};

/* What somebody else's garbage is. */
#define FAULT_GARBAGE "garbage that nobody asked for\n"
#define FAULT_PAGE_TEXT "<html><body>Welcome to our shop</body></html>\n"

/* Owns inner and frees it. */
struct store *store_fault_new(struct store *inner);

/* Returns a number for store_fault_remove() and _hits(), never 0. */
unsigned store_fault_add(struct store *, const struct fault_rule *);
void store_fault_remove(struct store *, unsigned rule);
/* Removes all rules; lets nothing go that is held. */
void store_fault_clear(struct store *);
/* How often the rule has hit: a test of a fault must see that it happened. */
unsigned store_fault_hits(struct store *, unsigned rule);

/* The common ones in short. prefix may be NULL; nth and count as above. */
unsigned store_fault_delay(struct store *, unsigned ops, const char *prefix, unsigned ms);
unsigned store_fault_fail(struct store *, unsigned ops, const char *prefix, unsigned nth, unsigned count,
                          int err);
unsigned store_fault_lose_answer(struct store *, const char *prefix, unsigned nth, unsigned count);
unsigned store_fault_cut(struct store *, const char *prefix, unsigned nth, unsigned count, uint64_t left);
unsigned store_fault_corrupt(struct store *, const char *prefix, unsigned nth, unsigned count);
unsigned store_fault_squat(struct store *, const char *prefix, unsigned nth, unsigned count);
unsigned store_fault_refuse_puts(struct store *); /* -EACCES, until removed */
unsigned store_fault_refuse_gets(struct store *);
unsigned store_fault_vanish(struct store *); /* everything -EIO, until removed */
/* Going backwards: gets of this key say -ENOENT, until removed. */
unsigned store_fault_hide(struct store *, const char *key);
unsigned store_fault_hold(struct store *, unsigned ops, const char *prefix);

/* How many operations are held. */
size_t store_fault_held(struct store *);
/* Blocks until at least n are held: not on the loop, and not with an environment that only runs when it is
 * told. */
void store_fault_wait_held(struct store *, size_t n);
/* Removes the hold rules and lets go what is held. */
void store_fault_release(struct store *);

/* How many were started, of keys that begin with prefix (NULL: all), whatever became of them. */
size_t store_fault_puts(struct store *, const char *prefix);
size_t store_fault_gets(struct store *, const char *prefix);

/* Adds rules from text, for a daemon built for tests: rules separated by ';', each
 * "OPS:KIND[=VALUE][,NAME=VALUE]...". OPS    put, get, list, any KIND   delay=MS  late=MS  fail[=ERRNO]
 * lose[=ERRNO]  cut=BYTES  corrupt[=OFFSET]  squat  refuse  vanish  hide NAME   nth=N  count=N  prefix=PREFIX
 * key=KEY ERRNO  EIO EACCES ENOSPC EEXIST ENOENT EINVAL ERANGE ETIMEDOUT
 * "put:fail=ENOSPC,nth=3,count=1,prefix=files/;get:delay=50;any:vanish". Nothing is added unless all of it is
 * right: -EINVAL. */
int store_fault_parse(struct store *, const char *spec) ATTR_WARN_UNUSED;

#endif
