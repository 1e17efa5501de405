/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The three-way merge of this host's pending work with a foreign entry: merge(C, V, N), rules M1 to M8. C is the confirmed tree before the entry, N after it, V the
 * view before it; the result is what of ours still differs from N. Pure: it reads the three trees through callbacks and returns a list of edits; the caller
 * (tree/follow.c) writes them in the transaction that applied the entry.
 *
 * Rows are (parent, name); an inode number 0 means none. Work is proportional to the pending rows, not to the tree.
 */
#ifndef ASSETFS_MERGE_H
#define ASSETFS_MERGE_H

#include "tree/record.h"

enum merge_tree { MERGE_C, MERGE_V, MERGE_N };

struct merge_row {
    uint64_t parent;
    const char *name; /* n bytes, valid as long as the merge runs */
    size_t n;
    uint64_t ino;
};

/* The trees, given by the caller. Everything returned stays valid until merge_run() returns. arg is passed through. */
struct merge_source {
    uint64_t (*name)(void *arg, enum merge_tree, uint64_t parent, const char *name, size_t n);
    const struct record *(*inode)(void *arg, enum merge_tree, uint64_t ino); /* NULL: not there */
    /* All rows that name ino, in (parent, name byte order): calls each(). */
    void (*rows_of)(void *arg, enum merge_tree, uint64_t ino, void (*each)(void *ctx, const struct merge_row *), void *ctx);
    /* All rows of a directory, any order; each() returns false to stop. */
    void (*children)(void *arg, enum merge_tree, uint64_t dir, bool (*each)(void *ctx, const struct merge_row *), void *ctx);
    /* Rows where V differs from C (row->ino is V's), ordered by (parent, name); inodes of V whose record differs from C's or is absent in C or that are
     * open for writing, and all that are held (also those V has no more), ascending. */
    void (*pending_rows)(void *arg, void (*each)(void *ctx, const struct merge_row *), void *ctx);
    void (*pending_inodes)(void *arg, void (*each)(void *ctx, uint64_t ino), void *ctx);
    /* The record its open handles were opened on (held), or NULL. */
    const struct record *(*held)(void *arg, uint64_t ino);
    bool (*open_for_writing)(void *arg, uint64_t ino);
    /* The content that our inode has in V is about to be compared with this record's; may be NULL. */
    void (*compares)(void *arg, uint64_t ino, const struct record *with);
    uint64_t (*mint)(void *arg); /* a new inode number of this host's session; 0: none left */
    const char *host_label;
    const char *date; /* "2026-11-22": for conflict names */
    void *arg;
};

struct merge_name {
    uint64_t parent;
    char *name;
    size_t n;
    uint64_t ino; /* 0: none */
};
struct merge_inode {
    uint64_t ino;
    struct record rec;
};
struct merge_pair {
    uint64_t from, to;
};

struct merge_result {
    struct merge_name *names;   /* W: our rows over N (rows that equal N's are left out), by (parent, name byte order) */
    size_t n_names;
    struct merge_inode *inodes; /* I: our records over N, of live inodes only (those that equal N's are left out), by number */
    size_t n_inodes;
    struct merge_pair *aliases; /* M6 "became": number of ours -> what it became */
    size_t n_aliases;
    struct merge_pair *copies;  /* M5: inode -> the new inode that has our content (spool file, upload and `written` go there) */
    size_t n_copies;
    struct merge_inode *held;   /* M4: newly held, with the record b */
    size_t n_held;
    uint64_t *released;         /* no longer held: decided, or gone from the view or from N */
    size_t n_released;
    size_t conflicts;           /* conflict names given */
};

/* 0; -EAGAIN: mint() had no number for a copy, nothing is decided (claim another session, merge again); or -ELOOP if repair does not come to an end (a bug: the caller stops following, read-only, and says so). */
int merge_run(const struct merge_source *, struct merge_result *ret) ATTR_WARN_UNUSED;
void merge_result_free(struct merge_result *);

/* `stem (conflicted copy, HOST DATE).ext`, k > 1: ` 2`, ` 3`, ...; the stem cut at a UTF-8 character to fit 255 bytes. Writes at most 255 bytes; returns the length. */
size_t merge_conflict_name(const char *name, size_t n, const char *host, const char *date, unsigned k, char ret[NAME_MAX_BYTES]);

#endif
