/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests that cannot be answered yet: what they need of the tree has to be fetched first (tree/fault.h). A handler whose call of tree/ returned -EINPROGRESS replies that, as it replies any
 * other error, and the request is parked: its arguments are kept, no thread waits, and when the rows are here the same handler is called again with the same request, on a
 * worker. That repeats until it replies something else, `timeout` has passed since the first time (EIO), or the program is interrupted (EINTR).
 *
 * A handler must therefore have done nothing yet when it replies -EINPROGRESS, or nothing that hurts to be done twice; and it must do so on the thread that called it.
 *
 * It works on what libfuse gives a handler, however the request has come (a read, a ring). Memory: the arguments; PARKED_MAX requests at most, more are answered EIO.
 */
#ifndef ASSETFS_PARK_H
#define ASSETFS_PARK_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "base/base.h"

#define PARKED_MAX 8192

struct session;
struct parking;

struct parking *parking_new(struct session *);
/* NULL-safe; returns NULL. After parking_end(). */
struct parking *parking_free(struct parking *);
/* Answers everything that is parked (EINTR), and waits for handlers that run again just now. From then on nothing is parked. Not on the loop. */
void parking_end(struct parking *);

/* The handlers of a table are called so that their requests can be parked. One table a process. */
void park_fill(struct fuse_lowlevel_ops *);
/* For reply.c: true when the request is taken over. */
bool park_request(fuse_req_t);

#endif
