/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The daemon's answers to the commands (fs/control.h): status, sync, drain, resume, log, checkpoint; area is in serve_area.h.
 */
#ifndef ASSETFS_SERVE_H
#define ASSETFS_SERVE_H

#include "data/block_cache.h"
#include "data/spool.h"
#include "fs/control.h"
#include "fs/session.h"

/* Everything must outlive the control server. */
struct serve {
    struct session *session;
    struct block_cache *cache;
    struct spool *spool;
};

/* A control_handler; arg is a struct serve. */
void serve_request(void *arg, const char *request, struct control_reply *);

#endif
