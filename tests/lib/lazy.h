/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A tree that has begun from a checkpoint, for tests: lazy_forget() puts all that is confirmed into a base and leaves the tree as one that has fetched nothing of it yet. Asking the base
 * is slow: most questions are answered -EINPROGRESS first, listings break off after some rows, and waits take virtual time.
 *
 * Tests call names_lookup() and the like as ever: tree_box.h makes lazy_names_lookup() of it, which asks again until the rows are here, as fs/park.c does for programs. A test program
 * that calls lazy_turn_on() first has all its boxes forget whenever nothing is pending.
 */
#ifndef ASSETFS_TESTS_LAZY_H
#define ASSETFS_TESTS_LAZY_H

#include "tree/fault.h"
#include "tree/file.h"
#include "tree/names.h"
#include "tree/walk.h"

struct lazy;

void lazy_turn_on(void);
bool lazy_is_on(void);
/* Bases that are opened from now on can be walked: who goes through the tree gets directories that he has not asked for yet (tree/fault_ahead.h). These
 * bases answer at once. Those of lazy_turn_on() can be walked too. */
void lazy_go_ahead(bool on);

/* NULL: something is pending or open, and nothing was done. from: what the tree began from last, or NULL; it is freed. dir: where the file is made, lazy.db. */
struct lazy *lazy_forget(struct tree *, struct lazy *from, const char *dir);
/* After tree_open(), before tree_start(), of a tree that had forgotten: with DIR/lazy.db. NULL: it had not. */
struct lazy *lazy_again(struct tree *, const char *dir);
/* The next so many questions fail with that. */
void lazy_fail(struct lazy *, unsigned n, int err);
/* Every question shows that the base is damaged, for good: the tree is rebuilt by the first that is asked. NULL-safe. */
void lazy_spoil(struct lazy *);
/* After so many more rows nothing is answered any more, until it is freed. */
void lazy_brake(struct lazy *, unsigned rows);
/* A fault_wait(): *(int *)arg becomes what it is told. */
void lazy_note(void *arg, int err);
/* How often the base was asked, and has answered, for rows of a directory. */
unsigned lazy_listings(const struct lazy *);
/* After tree_close(). NULL-safe; returns NULL. */
struct lazy *lazy_free(struct lazy *);

/* After -EINPROGRESS, with events running meanwhile: 0, or why not; -EINTR: it was killed. */
int lazy_wait(struct tree *);
/* Fetches everything. */
void lazy_fetch_all(struct tree *);

int lazy_names_lookup(struct tree *, uint64_t parent, const char *name, size_t n, struct attr *ret);
int lazy_names_getattr(struct tree *, uint64_t ino, struct attr *ret);
int lazy_names_list(struct tree *, uint64_t dir, bool (*each)(void *arg, const struct names_entry *), void *arg, uint64_t *ret_parent);
int lazy_names_readlink(struct tree *, uint64_t ino, struct buf *ret);
int lazy_names_make(struct tree *, uint64_t parent, const char *name, size_t n, const struct make *, struct attr *ret);
int lazy_names_link(struct tree *, uint64_t ino, uint64_t parent, const char *name, size_t n, struct attr *ret);
int lazy_names_unlink(struct tree *, uint64_t parent, const char *name, size_t n);
int lazy_names_rmdir(struct tree *, uint64_t parent, const char *name, size_t n);
int lazy_names_rename(struct tree *, uint64_t parent, const char *name, size_t n, uint64_t to_parent, const char *to_name, size_t to_n,
                      unsigned flags);
int lazy_names_setattr(struct tree *, uint64_t ino, const struct setattr *, struct attr *ret);
int lazy_names_setxattr(struct tree *, uint64_t ino, const char *name, const void *value, size_t n, int flags);
int lazy_names_removexattr(struct tree *, uint64_t ino, const char *name);
int lazy_names_getxattr(struct tree *, uint64_t ino, const char *name, struct buf *ret);
int lazy_names_listxattr(struct tree *, uint64_t ino, struct buf *ret);
int lazy_names_truth(struct tree *, uint64_t ino, struct truth *ret);
int lazy_file_open(struct tree *, uint64_t ino, int flags, struct file **ret);
void lazy_file_truncate(struct tree *, uint64_t ino, uint64_t size, file_done done, void *arg);
int lazy_walk_to(struct tree *, uint64_t ino, struct walk *ret);

#ifndef LAZY_ITSELF
#define names_lookup lazy_names_lookup
#define names_getattr lazy_names_getattr
#define names_list lazy_names_list
#define names_readlink lazy_names_readlink
#define names_make lazy_names_make
#define names_link lazy_names_link
#define names_unlink lazy_names_unlink
#define names_rmdir lazy_names_rmdir
#define names_rename lazy_names_rename
#define names_setattr lazy_names_setattr
#define names_setxattr lazy_names_setxattr
#define names_removexattr lazy_names_removexattr
#define names_getxattr lazy_names_getxattr
#define names_listxattr lazy_names_listxattr
#define names_truth lazy_names_truth
#define file_open lazy_file_open
#define file_truncate lazy_file_truncate
#define walk_to lazy_walk_to
#endif

#endif
