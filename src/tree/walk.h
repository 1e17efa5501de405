/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files that follow one in the order in which programs read a tree: names of a directory in the order of listings, and depth first. Two orders of that kind are in use:
 * a directory's entries one after another, entering subdirectories where they stand (tar, restic, find), and all files of a directory before its subdirectories
 * (rsync). A walk keeps a position and nothing else, so whatever changes in the tree meanwhile, it goes on from there.
 *
 * Any thread; the tree lock is held for a bounded number of rows at a time.
 */
#ifndef ASSETFS_WALK_H
#define ASSETFS_WALK_H

#include "data/content.h"
#include "tree/tree.h"

/* After which entry of which directory it goes on. */
struct walk {
    uint64_t parent;
    char name[NAME_MAX_BYTES];
    size_t n;
    bool files_first; /* the order: all files of a directory before its subdirectories */
    bool in_dirs;     /* in that order: among the subdirectories by now */
};

struct walk_file {
    uint64_t ino, parent;
    struct content *content; /* the caller's reference; NULL: empty, or not in the bucket yet */
};

/* To the first name of an inode. -ENOENT: it has none. */
int walk_to(struct tree *, uint64_t ino, struct walk *ret) ATTR_WARN_UNUSED;
/* The next files, at most max, and moves past them. Fewer: the end of the tree, or a part of it without files that is long to cross (*ret_end tells which). */
size_t walk_next(struct tree *, struct walk *, struct walk_file *ret, size_t max, bool *ret_end);

#endif
