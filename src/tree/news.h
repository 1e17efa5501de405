/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What has become of each path, entry by entry: for programs that keep links to files and want to follow their replacements (assetfs log --follow).
 *
 *     added      a file with content stands at a path where none stood
 *     replaced   the file at a path has another object than before, by a write, a rename over it, or because its name's extension was changed
 *     moved      the same file stood at `from` before, with the object `was`; or a directory has moved with all that is in it (no keys then)
 *     removed    no file stands there any more
 *
 * Kept in tree.db, in the transaction that applies the entry: of the newest NEWS_MAX changes, from the entry on at which this host's local state begins. Paths are those of the
 * confirmed tree; of a directory that was moved in the same entry, the new ones. Of further names (hard links) in directories that are not here yet (fault.h) nothing is told.
 * Whoever puts another tree in the place of C without its entries (a checkpoint) calls news_begin().
 * Under the tree lock but for tree_news().
 */
#ifndef ASSETFS_NEWS_H
#define ASSETFS_NEWS_H

#include "tree/tree.h"

#define NEWS_MAX 100000

struct before;

/* The confirmed tree begins here (first mount, a checkpoint): what was before is not known. Writes. */
int news_begin(struct tree *) ATTR_WARN_UNUSED;
/* The tree has started: the same, if nothing has been kept before. In no transaction. */
void news_start(struct tree *);
/* The entry was just applied. Writes. */
int news_note(struct tree *, uint64_t seq, int64_t time, const struct before *) ATTR_WARN_UNUSED;

/* Paths begin with '/', strings are NUL-terminated and may hold any other byte; NULL where there is none. */
struct news {
    uint64_t number; /* ascending */
    uint64_t sequence;
    int64_t time; /* ns: of the entry */
    const char *change, *path, *from;
    const char *was, *now; /* object keys */
};

/* Where a reader is: begin with {.since = n}, the entries after which it wants. */
struct news_cursor {
    uint64_t since;
    uint64_t number, sequence; /* of the last one that was given; 0: none yet */
};
/* The next changes, at most a few hundred. Takes the lock; each() runs without it, in the caller's thread. Returns how many, or
 * -ESTALE: there were more that are not known here (any more); *ret_floor is the first entry that could be asked for. -EIO. */
int tree_news(struct tree *, struct news_cursor *, uint64_t *ret_floor, void (*each)(void *arg, const struct news *), void *arg);
/* The newest entry that is applied here. */
uint64_t tree_sequence(struct tree *);

#endif
