/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Asking less where a CDN itself refuses (a firewall, a request rate, a key it does not know): a storm of requests would be refused as well, and a rate limit counts them. The first refusal
 * makes a pause, from 125 ms on, twice as long with each refusal after a pause up to 5 s, at random between half of that and all of it; then one request goes to see how things stand. With each
 * answer that is no refusal twice as many may be under way, until there is no limit any more. Where answers of both kinds come (one area is open, another refused) a few requests
 * at once go on, and no more.
 *
 * While nobody is refused this costs a comparison a request.
 *
 *     brake_ask(b, &w, urgent, deadline) ──▶ go(arg, 0) ──▶ ... ──▶ brake_end(b, how)
 *                                      └───▶ go(arg, err), and no brake_end()
 *
 * The wait is its caller's, zero-initialised, and must stay until go was called. Everything on the loop; nothing locks.
 */
#ifndef ASSETFS_STORE_BRAKE_H
#define ASSETFS_STORE_BRAKE_H

#include "base/env.h"

struct brake;

struct brake_wait {
    /* err: 0; -ETIMEDOUT: the deadline has come first; -ECANCELED: brake_stop(). */
    void (*go)(void *arg, int err);
    void *arg;
    bool urgent; /* before those that are not */
    int64_t deadline; /* mono_ns */
    struct brake_wait *prev, *next;
};

enum brake_end {
    BRAKE_ANSWERED, /* with anything but such a refusal */
    BRAKE_REFUSED,
    BRAKE_NOTHING,  /* no answer: nothing is known */
};

struct brake *brake_new(struct env *);
/* Nothing waits and nothing is under way any more. NULL-safe; returns NULL. */
struct brake *brake_free(struct brake *);
/* go is called now, or later. */
void brake_ask(struct brake *, struct brake_wait *);
void brake_end(struct brake *, enum brake_end);
/* All that wait end, and all that ask from now on. */
void brake_stop(struct brake *);

#endif
