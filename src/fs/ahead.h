/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Read-ahead across files: when a program reads files one after another in the order of a walk over the tree (tree/walk.h), the contents of the next ones are fetched before it
 * opens them, so that reading many small files is bound by bandwidth and not by one round trip a file.
 *
 * What a program will read next is predicted by its last file: a short list of the files that follow. When a file that it reads is in that list, the run has grown, and as
 * many of the files after it are fetched as the run is long (in powers of two), within AHEAD_FILES and `bytes`. Another directory is fetched from only after the
 * program has gone from one directory to the next itself. Several programs are told apart by their lists.
 *
 * Any thread; one mutex inside, taken before the tree lock, not held while anything is fetched.
 */
#ifndef ASSETFS_AHEAD_H
#define ASSETFS_AHEAD_H

#include "data/reader.h"
#include "tree/tree.h"

struct ahead;

/* Files predicted, and fetched ahead, for one program. */
#define AHEAD_FILES 64

/* bytes: how much is fetched ahead of one program; 0: nothing. Both must outlive it. */
struct ahead *ahead_new(struct tree *, struct reader *, uint64_t bytes);
struct ahead *ahead_free(struct ahead *); /* NULL-safe; returns NULL */
/* A program has opened this file, and begins to read it. */
void ahead_reads(struct ahead *, uint64_t ino);

#endif
