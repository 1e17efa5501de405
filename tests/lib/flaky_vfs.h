/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A SQLite VFS "flaky" over the default one: the first read of every piece of a file fails, the next one finds it, and later some are missing again, as data/sealed_db.h lets queries fail
 * while a block is on its way. For read-only, immutable connections. One thread.
 */
#ifndef ASSETFS_TESTS_FLAKY_VFS_H
#define ASSETFS_TESTS_FLAKY_VFS_H

#include <sqlite3.h>
#include <stdint.h>

/* Opens path through it. */
sqlite3 *flaky_open(const char *path);
/* For base_open(): -EINPROGRESS for a read that failed by design. arg: unused. */
int flaky_error(void *arg, sqlite3 *);
/* How many reads have failed so far. */
uint64_t flaky_failures(void);

#endif
