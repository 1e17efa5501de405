/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/retry.h"
#include "base/env.h"

const struct retry_policy retry_upload = {
    .base_ns = 200 * NS_PER_MS,
    .cap_ns = 30 * NS_PER_S,
    .refused_ns = 60 * NS_PER_S,
};

const struct retry_policy retry_fetch = {
    .base_ns = 50 * NS_PER_MS,
    .cap_ns = 5 * NS_PER_S,
    .refused_ns = 5 * NS_PER_S,
};

enum retry_class retry_classify(int err) {
    switch (err) {
    case 0:
    case -EEXIST: /* an answer, not an error: something is there */
        return RETRY_OK;
    case -EACCES:
    case -EINVAL:
    case -ENOSPC:
        return RETRY_REFUSED;
    default:
        return RETRY_SOON;
    }
}

/* min(cap, base << n) without overflow. */
static int64_t ceiling(const struct retry_policy *p, unsigned n) {
    if (n >= 62 || p->base_ns > (p->cap_ns >> n))
        return p->cap_ns;
    return p->base_ns << n;
}

int64_t retry_wait(const struct retry_policy *p, int err, unsigned attempt, uint64_t random) {
    switch (retry_classify(err)) {
    case RETRY_OK:
        return 0;
    case RETRY_REFUSED:
        return p->refused_ns;
    case RETRY_SOON:
        break;
    }
    /* random is a fraction of 2^64: the high word of the product is uniform in [0, ceiling]. */
    uint64_t n_values = (uint64_t)ceiling(p, attempt ? attempt - 1 : 0) + 1;
    return (int64_t)(((unsigned __int128)random * n_values) >> 64);
}
