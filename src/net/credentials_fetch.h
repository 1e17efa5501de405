/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Asks whoever a plan names for keys: programs, STS, the endpoints of containers ("Container credential provider") and instances (IMDSv2, "Use the Instance Metadata Service"; version 1, which a
 * confused server can be made to read, is not spoken). Blocks, so it is for a worker, one at a time for each fetcher; its requests' completions need the loop to run meanwhile.
 *
 * Trouble that passes (no answer, 5xx, 429) is met with three tries, IMDS as AWS_METADATA_SERVICE_NUM_ATTEMPTS says. Files of tokens are opened by path each time. The clock of STS is learnt from
 * its answers, and used in signatures from then on.
 */
#ifndef ASSETFS_CREDENTIALS_FETCH_H
#define ASSETFS_CREDENTIALS_FETCH_H

#include "net/credentials_plan.h"

struct fetcher {
    struct env *env;
    struct http *http;         /* must live until fetcher_stop() */
    int stop_fd;               /* readable once it is stopped; -1: there was none to be had, and programs are waited for */
    int64_t skew;              /* seconds that the servers' clocks are ahead of ours; the fetching worker's */

    pthread_mutex_t mutex;     /* guards what follows; http_submit() and http_cancel() are called with it */
    pthread_cond_t changed;
    bool stopped;
    struct http_call *call;    /* under way */
    bool answered;
};

void fetcher_init(struct fetcher *, struct env *, struct http *);
/* What is under way ends soon with -ECANCELED, and nothing is asked any more: the engine may go then. From any thread, any number of times. */
void fetcher_stop(struct fetcher *);
void fetcher_destroy(struct fetcher *); /* when nothing is under way */

/* 0: keys, with their end. -EACCES: refused, or set up wrongly; -EIO: trouble that passes; -ECANCELED. `why`: one sentence, with what to do. */
int credentials_fetch(struct fetcher *, const struct credentials_plan *, struct credential *ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
