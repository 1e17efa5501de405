/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The working state of one merge, shared by merge.c (records, M1 to M5), merge_place.c (placing names, M6),
 * merge_repair.c (M7, M8) and merge_overlay.c, which keeps what all of them work on: our rows W and our
 * records I over N.
 *
 *     R = N + W   what the names will be; an inode is *live* if R names it (or it is the root)
 *     row         one (parent, name) that was met: W's value if W has it, and what C, V and N have there
 *     node        one inode that was met: our record, what it became, which rows of W name it or lie in it
 *
 * Whenever a row of W changes, the inodes whose standing that may change are noted as touched: what it named,
 * what it names, what N has there, and its parent. The repair looks at touched inodes only, so its work
 * follows our pending rows and not the tree.
 */
#ifndef ASSETFS_MERGE_PRIVATE_H
#define ASSETFS_MERGE_PRIVATE_H

#include "tree/merge.h"

#include <sys/stat.h>
#define uthash_malloc(n) xmalloc(n)
#include <uthash.h>
#include <utlist.h>

struct row {
    uint64_t parent;
    const char *name; /* n bytes, in key */
    size_t n;
    uint64_t in[3]; /* what C, V and N have here, where known has the tree's bit */
    unsigned known;
    bool ours;                             /* W has this row; then */
    uint64_t ino;                          /* ... its value, 0: none */
    unsigned queued;                       /* how often it waits in the queue */
    struct row *named_prev, *named_next;   /* rows of W that name the same inode */
    struct row *inside_prev, *inside_next; /* rows of W that name something in the same parent */
    UT_hash_handle hh;
    unsigned char key[]; /* parent, then the name */
};

struct node {
    uint64_t ino;
    const struct record *ours; /* I: our record; NULL: N's, or else V's or C's */
    struct record *merged;     /* what ours points to, if it was made here */
    uint64_t became;           /* M6: the inode this one became, 0: none */
    uint64_t copy;             /* M5: the inode that has our content, 0: none */
    const struct record *held; /* M4: the record its open handles were opened on */
    struct record *base;       /* what held points to, if it was made here */
    bool was_held;             /* before this merge */
    struct row *named, *inside;
    bool touched;
    unsigned waiting; /* merge_repair.c: a bit for each heap it is in */
    unsigned walk;    /* merge_repair.c: the last walk that met it */
    UT_hash_handle hh;
};

/* What is still to be placed, first in first out. */
struct placing {
    struct row *row;
    uint64_t ino;
    struct placing *next;
};

struct ino_list {
    uint64_t *v;
    size_t n, cap;
};

struct merge {
    const struct merge_source *src;
    struct row *rows;   /* hash, by key */
    struct node *nodes; /* hash, by number */
    struct placing *queue, *queue_last;
    struct ino_list touched;
    size_t conflicts;
    bool no_number; /* a copy got none: the merge must not be used */
};

/* --- merge_overlay.c */
struct row *merge_row_get(struct merge *, uint64_t parent, const char *name, size_t n);  /* makes it */
struct row *merge_row_find(struct merge *, uint64_t parent, const char *name, size_t n); /* or NULL */
struct node *merge_node_get(struct merge *, uint64_t ino);                               /* makes it */
struct node *merge_node_find(struct merge *, uint64_t ino);                              /* or NULL */
uint64_t merge_row_in(struct merge *, struct row *, enum merge_tree);
const struct record *merge_inode(struct merge *, enum merge_tree, uint64_t ino);
/* The record an inode has as things stand: ours, else N's, else V's, else C's; NULL for one nobody knows. */
const struct record *merge_rec(struct merge *, uint64_t ino);
/* Our record of it is from now on this one, which the node takes over. */
void merge_set_rec(struct merge *, uint64_t ino, struct record *);
uint64_t merge_resolve(struct merge *, uint64_t ino); /* through what inodes became */
bool merge_live(struct merge *, uint64_t ino);
void merge_set(struct merge *, struct row *, uint64_t ino); /* W[row] = ino, or none (0) */
void merge_drop(struct merge *, struct row *);              /* W has nothing to say about the row */
void merge_touch(struct merge *, uint64_t ino);
int merge_row_order(const struct row *, const struct row *); /* (parent, name) */
/* Of two chains of rows, as an array in (parent, name) order, to be freed. */
struct row **merge_rows_sorted(struct row *named, struct row *inside, size_t *ret_n);
/* All rows a tree has for an inode, in order, to be freed. */
struct row **merge_rows_of(struct merge *, enum merge_tree, uint64_t ino, size_t *ret_n);
struct row *merge_first_row(struct merge *, enum merge_tree, uint64_t ino); /* or NULL */
void ino_list_add(struct ino_list *, uint64_t ino);
void merge_free(struct merge *);

/* --- merge_place.c */
void merge_enqueue(struct merge *, struct row *, uint64_t ino);
void merge_place(struct merge *, struct row *, uint64_t ino);
void merge_collide(struct merge *, struct row *, uint64_t ino, uint64_t other);
void merge_place_queued(struct merge *);
/* Tells the source which content is compared next. */
void merge_compares(struct merge *, uint64_t ino, const struct record *with);
/* `to`, a copy of the base's successor t, takes what o changed since base: everything but content, times of
 * content, and type. */
void merge_attributes(struct record *to, const struct record *base, const struct record *o);

/* --- merge_repair.c */
int merge_repair(struct merge *);

#endif
