/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Directories that nobody waits for yet, fetched together with one that somebody did (fault.h): those that other calls have noted meanwhile, and, for a program that goes through the
 * tree, those that follow in depth-first order, twice as many each time it asks for the very next one. Many of them are written in one transaction.
 *
 * Nothing depends on it: what cannot be had at once is left, and fetched when somebody needs it.
 *
 * Threads: on the worker that runs the job before, one at a time.
 */
#ifndef ASSETFS_FAULT_AHEAD_H
#define ASSETFS_FAULT_AHEAD_H

#include "tree/fault.h"

struct fault_ahead;

/* Somebody who waits: a directory, or a number whose directories are asked for. */
struct fault_wish {
    uint64_t ino;
    bool is_dir;
};
/* So many wishes are looked at. */
#define FAULT_WISHES 256

struct fault_ahead *fault_ahead_new(void);
struct fault_ahead *fault_ahead_free(struct fault_ahead *); /* NULL-safe; returns NULL */
/* dir has been asked for, and is here; 0: none. Without the lock. */
void fault_ahead_run(struct fault_ahead *, struct tree *, const struct fault_source *, uint64_t dir, const struct fault_wish *, size_t n);

#endif
