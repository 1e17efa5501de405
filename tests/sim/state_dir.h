/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * State directories of simulated hosts. To make a database and to prepare its statements is most of what a short schedule would cost: so a directory that is given
 * back is emptied, rows and files, and its databases stay open for the host that gets it next. The product's code runs unchanged: this file stands in for
 * sqlite3_open_v2(), sqlite3_close(), sqlite3_exec(), sqlite3_prepare_v3() and sqlite3_finalize() of the connections it keeps. Nothing waits for a disk, nor locks one process out against others: a
 * host that is killed here leaves what it has written.
 */
#ifndef ASSETFS_TESTS_STATE_DIR_H
#define ASSETFS_TESTS_STATE_DIR_H

#include "base/env.h"

/* Before anything else: everything is made below one directory, in memory where TMPDIR says nothing else, which goes with the process. */
void state_dirs_make(void);

/* Empty. kept: may have databases that are open, or get such. malloc'd. */
char *state_dir_new(bool kept);
/* What a killed process leaves behind. */
char *state_dir_copy(const char *from);
/* When nothing in it is open any more. NULL-safe. */
void state_dir_free(char *dir);

void disk_without_locks(void); /* once */
/* Files carry the time of this host's clock: with the machine's no schedule would be the same twice. */
void disk_clock_of(struct env *);
bool disk_clock_is_read(void); /* just now, for a file */

#endif
