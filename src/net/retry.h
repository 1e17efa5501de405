/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When to try again. Pure: no clock, no random numbers of its own, it never sleeps.
 * Exponential backoff with full jitter: the n-th wait (n from 0) is uniform in [0, min(cap, base << n)].
 */
#ifndef ASSETFS_RETRY_H
#define ASSETFS_RETRY_H

#include "base/base.h"

struct retry_policy {
    int64_t base_ns;  /* first ceiling */
    int64_t cap_ns;   /* largest ceiling */
    int64_t refused_ns; /* wait after a refusal (-EACCES, -EINVAL, -ENOSPC), which only somebody else can mend */
};

enum retry_class {
    RETRY_OK,      /* no error (-EEXIST is an answer as well) */
    RETRY_SOON,    /* trouble that passes: again after a backoff */
    RETRY_REFUSED, /* refused for good: shown to the user as stuck, tried again every refused_ns */
};

extern const struct retry_policy retry_upload; /* 200 ms, 30 s, 60 s */
extern const struct retry_policy retry_fetch;  /* 50 ms, 5 s, 5 s */

/* What an error of a store (store/store.h) means for trying again. */
enum retry_class retry_classify(int err);
/* ns to wait before try number `attempt`+1 (attempt counts failures, from 1). random: 64 uniform bits. */
int64_t retry_wait(const struct retry_policy *, int err, unsigned attempt, uint64_t random);

#endif
