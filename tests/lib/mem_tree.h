/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A small tree in memory: name rows sorted by (parent, name) and inode records sorted by number; and three of
 * them as the source of a merge. For tests: everything is a linear or binary search. A tree owns its rows and
 * records.
 */
#ifndef TESTS_MEM_TREE_H
#define TESTS_MEM_TREE_H

#include "tree/merge.h"

struct mem_inode {
    uint64_t ino;
    struct record rec;
};

struct mem_tree {
    struct merge_row *names; /* sorted; name is owned, NUL-terminated */
    size_t n_names;
    struct mem_inode *inodes; /* sorted */
    size_t n_inodes;
};

void mem_tree_free(struct mem_tree *);
void mem_tree_copy(struct mem_tree *to, const struct mem_tree *from); /* to: uninitialised */
uint64_t mem_tree_name(const struct mem_tree *, uint64_t parent, const char *name, size_t n); /* 0: none */
void mem_tree_set_name(struct mem_tree *, uint64_t parent, const char *name, size_t n,
                       uint64_t ino);                                            /* 0 removes */
struct record *mem_tree_inode(const struct mem_tree *, uint64_t ino);            /* or NULL */
void mem_tree_set_inode(struct mem_tree *, uint64_t ino, const struct record *); /* copies; NULL removes */
const struct merge_row *mem_tree_row_of(const struct mem_tree *, uint64_t ino);  /* the first, or NULL */
/* Removes inodes without a name, again and again; the root stays. */
void mem_tree_prune(struct mem_tree *);
/* Why this is no tree (a name that leads nowhere, a directory with two names, a loop, ...), or NULL. */
const char *mem_tree_wrong(const struct mem_tree *);

/* A record for tests: mode with type; text: of files the content ("" is empty, NULL is the content no file
 * has), of symlinks the target. Times, owner and xattrs are zero. */
void mem_record(struct record *ret, uint32_t mode, const char *text);

/* Three trees, what is open, and what is held. */
struct mem_merge {
    struct mem_tree tree[3]; /* by enum merge_tree */
    struct mem_tree held;    /* inodes only */
    uint64_t *open;
    size_t n_open;
    uint64_t next_ino; /* what mint() gives next */
    const char *host, *date;
};

void mem_merge_free(struct mem_merge *);
void mem_merge_open(struct mem_merge *, uint64_t ino);
struct merge_source mem_merge_source(struct mem_merge *); /* valid as long as the argument */
/* The view after the merge: N with the result's rows and records; inodes only this host keeps are C's. */
void mem_merge_view(const struct mem_merge *, const struct merge_result *, struct mem_tree *ret);

#endif
