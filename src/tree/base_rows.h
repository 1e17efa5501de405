/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The rows of a base (base.h) as they lie in its tables, by rank: for base_build.c, which goes through whole subtrees, and for the SQL both sides share.
 *
 *   meta      what there is one of: version, sequence, inodes, bytes
 *   dirs      a row a directory, under the rank of its parent and its name; the root under 0 and the empty name. Ranks are 1 for the root and so on in depth-first order, names ascending
 *   places    directories by number
 *   files     a row a name of everything else. An inode with several names has null for its record here, and stands in links
 *   links     those inodes, with link_dirs: the directories they have names in
 *   runs      all other inodes that are no directories: first to last number are in one directory. In one of at most BASE_RUN_BRIDGE names the run may hold numbers that nothing has
 *   states, sessions
 *
 * Written in the order meta, states, dirs, places, files, links, link_dirs, runs, sessions: one after another, rows ascending. To walk, a host needs meta, dirs and places, and
 * the interior pages of files; to begin, states and sessions.
 */
#ifndef ASSETFS_BASE_ROWS_H
#define ASSETFS_BASE_ROWS_H

#include "tree/base.h"

#define BASE_VERSION 1
#define BASE_RUN_BRIDGE 1000

/* What a base is made with, table by table. */
extern const char base_schema_dirs[], base_schema_files[], base_schema_links[], base_schema_runs[], base_schema_sessions[];

/* A directory: where it is. -ENOENT */
int base_place(struct base *, uint64_t dir, uint64_t *ret_rank) ATTR_WARN_UNUSED;
/* One directory's row; ret is valid until the next call. -ENOENT */
int base_dir(struct base *, uint64_t parent_rank, const char *name, size_t n, struct base_row *ret) ATTR_WARN_UNUSED;
/* The directories in a directory, after `after` as base_children(). */
int base_subdirs(struct base *, uint64_t rank, const char *after, size_t after_n,
                 bool (*each)(void *arg, const struct base_row *, uint64_t rank), void *arg, bool *ret_more) ATTR_WARN_UNUSED;
/* Its other names. rec is NULL for an inode with several: base_link(). */
int base_files(struct base *, uint64_t rank, const char *after, size_t after_n, bool (*each)(void *arg, const struct base_row *), void *arg,
               bool *ret_more) ATTR_WARN_UNUSED;
/* nlink, seq and record of an inode with several names; valid until the next call. -ENOENT */
int base_link(struct base *, uint64_t ino, struct base_row *ret) ATTR_WARN_UNUSED;

#endif
