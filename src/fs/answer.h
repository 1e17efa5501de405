/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A request that is answered later and may be interrupted meanwhile (fsync, close). The interrupt abandons
 * the wait, never what is waited for.
 *
 * Used like this, on the thread of the request:
 *
 *     struct answer *a = answer_new(session, req);
 *     answer_started(a, file_fsync(file, answer_done, a));
 *
 * Only for calls that may fail with EINTR without harm: not for reads and writes, which programs do not
 * expect to be interrupted by any signal.
 */
#ifndef ASSETFS_ANSWER_H
#define ASSETFS_ANSWER_H

#include "fs/session.h"

struct answer;

struct answer *answer_new(struct session *, fuse_req_t);
/* A file_done: replies err. */
void answer_done(void *answer, int err);
/* wait: what an interrupt cancels, or NULL. The caller must not use `a` afterwards. */
void answer_started(struct answer *a, struct tree_wait *wait);

#endif
