/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recorded merges as text: three trees, what is open and held, and what must come out. One case:
 *
 *     case NAME
 *     host LABEL
 *     next INO                       the first number that mint() gives
 *     C inode INO TYPE MODE TEXT     TYPE f, d or l; MODE octal; TEXT content or target: "-" none or empty,
 *                                    "?" the content no file has
 *     C name PARENT INO NAME         NAME to the end of the line
 *     V inode ..., V name ...        only where V differs from C; TYPE x, or a name's INO 0: not there
 *     N inode ..., N name ...        likewise
 *     open INO
 *     held INO TYPE MODE TEXT        what its handles were opened on
 *     want name PARENT INO NAME      rows over N
 *     want inode INO TYPE MODE TEXT  records over N
 *     want alias FROM TO
 *     want copy FROM TO
 *     want held INO TYPE MODE TEXT   all that is held afterwards
 *     end
 *
 * The date in conflict names is the word DATE. Lines that are empty or begin with # are left out.
 */
#ifndef TESTS_MERGE_CASE_H
#define TESTS_MERGE_CASE_H

#include "mem_tree.h"

struct merge_case {
    char name[64];
    char host[64];
    struct mem_merge m;
    struct buf want; /* the lines after "want ", sorted as the result is printed */
};

/* The next case: 1 read, 0 end of file, -EBADMSG (the line is printed to stderr). */
int merge_case_read(FILE *, struct merge_case *ret) ATTR_WARN_UNUSED;
void merge_case_free(struct merge_case *);
/* Runs it; 0, or -EBADMSG where something else came out or what came out is no tree; got then says what
 * (lines as after "want "). */
int merge_case_run(struct merge_case *, struct buf *got) ATTR_WARN_UNUSED;

#endif
