/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bucket as one host of a simulation sees it: over a mem_bucket, in virtual time, with a network between that delays, loses requests and answers, and is away
 * at times. A put takes its bytes along when it begins; it reaches the bucket some time later, whatever has become of the host.
 */
#ifndef ASSETFS_TESTS_SIM_STORE_H
#define ASSETFS_TESTS_SIM_STORE_H

#include "sim_env.h"
#include "store_mem.h"

/* How a host's network is just now; the caller changes it at any time. Chances are per mille. */
struct sim_net {
    bool offline;        /* every request is lost, -EIO */
    bool refused;        /* every put is refused, -EACCES */
    unsigned lost;       /* the request does not arrive, -EIO */
    unsigned unanswered; /* it does, but its answer is lost, -EIO */
    unsigned squatted;   /* somebody puts garbage at the key just before */
    int64_t latency_ns;  /* at most, each way */
};

struct store *sim_store_new(struct sim *, struct env *, struct mem_bucket *, struct counters *, const struct sim_net *);
/* The host was killed: what is on its way may still arrive, answers do not come any more (those who wait for one get -EIO, for they must be freed). */
void sim_store_kill(struct store *);

#endif
