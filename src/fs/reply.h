/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From our words to the kernel's: the one errno map, and attributes in the view that uid=, gid= and umask=
 * ask for.
 */
#ifndef ASSETFS_REPLY_H
#define ASSETFS_REPLY_H

#include "fs/session.h"

/* How long the kernel may keep names and attributes, in seconds. */
#define KEEP_SECONDS 86400.0

/* What the kernel, and so a program, is told of a negative errno of ours: a positive errno. */
int errno_of(int err);
/* err: 0 or a negative errno; -EINPROGRESS parks the request (park.h). */
void reply_err(fuse_req_t, int err);
void attr_to_stat(const struct options *, const struct attr *, struct stat *ret);
/* seen: session.changes before the attributes were read. */
void reply_attr(struct session *, fuse_req_t, const struct attr *, uint64_t seen);
/* The same for a name: counts the lookup. */
void reply_entry(struct session *, fuse_req_t, const struct attr *, uint64_t seen);
void entry_param(struct session *, const struct attr *, uint64_t seen, struct fuse_entry_param *ret);

#endif
