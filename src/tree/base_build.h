/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Makes a base (base.h) of the confirmed tree of a local database as it stands in one read transaction: of the directories that are here from the local rows, of the others (fault.h)
 * from the base they have not been fetched from yet, row by row. Memory: some hundred bytes a directory, nothing a file. Blocks on disk and, with a base, on the network: step by
 * step, so that a worker need not wait.
 */
#ifndef ASSETFS_BASE_BUILD_H
#define ASSETFS_BASE_BUILD_H

#include "tree/base.h"

struct base_build;

/* db: a connection of the builder's own to tree.db (read only), in a read transaction it has begun; from: the base below it, or NULL. Writes the file `path`, which must not exist. */
int base_build_new(sqlite3 *db, struct base *from, const char *path, struct base_build **ret) ATTR_WARN_UNUSED;
/* Goes on for about `rows` rows. 1 there is more to do, 0 done: the file is whole and on disk; -EINPROGRESS as base.h; else failed. */
int base_build_step(struct base_build *, unsigned rows) ATTR_WARN_UNUSED;
/* Removes the file unless it is whole. */
struct base_build *base_build_free(struct base_build *);

#endif
