/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Faults: a host that began from a checkpoint (checkpoint.h) has the rows of C only of the directories that somebody has asked for. The others stand in the base; the first
 * call that needs one fails with -EINPROGRESS, changes nothing, and is made again when the directory is here.
 *
 *  - A directory of C is here wholly or not at all. c_here lists those that are (with no base: all are, and the table is empty). While a large one is being fetched, its first rows are in
 *    c_name and c_inode already; they are true, but what needs the directory itself asks c_here first and does not see them. Nothing can change a row of it before it is here, so
 *    after a crash it is simply fetched once more.
 *  - A directory that was made after the base is here from the beginning; so is one whose number the base cannot have.
 *  - A directory that is here has all the directories above it here, and its own row.
 *  - So where a directory is here, the rows of the local database are the whole truth, and the base is never asked. Nothing is ever deleted by way of the base: a directory that was
 *    removed stays in c_here.
 *  - A number: its row is in c_inode, or the base is asked for the directories it has a name in; if these are here, it is gone. c_absent keeps the numbers for which the base need not be
 *    asked again. nlink is always that of the whole C: whether all names of a file are here is told by their count.
 *  - Whatever a pending row (P) touches is here: its directory, and C's row of its inode. A base may replace C only where P is empty.
 *
 * A call that has met a fault is undone even if somebody in between has taken the error for something else: `missed` in the tree says so from fault_need_…() on, tree_end() then rolls back, and
 * calls that only read end with tree_missed(). It is forgotten by tree_lock() and tree_begin(). What a call does to memory must therefore come after the last row it needs.
 *
 * Fetching is single flight, by directory, on the loop and its workers (directories that are likely to be needed next come along: fault_ahead.h); the tree lock is held only while rows are written, some thousands at a time. An error is told to who waits,
 * and forgotten: the next call tries again.
 */
#ifndef ASSETFS_FAULT_H
#define ASSETFS_FAULT_H

#include "tree/base.h"
#include "tree/state.h"

/* Where the rows come from: base_children() and base_parents(), on a worker, one call at a time, without the lock; and after -EINPROGRESS, on the loop, wait: ready(arg, 0) on the loop as soon
 * as asking again may help, or why it will not (the fault fails with that). ready() may come after tree_close(), when it does nothing. */
struct fault_source {
    int (*children)(void *arg, uint64_t dir, const char *after, size_t after_n, bool (*each)(void *, const struct base_row *), void *each_arg,
                    bool *ret_more);
    int (*parents)(void *arg, uint64_t ino, void (*each)(void *, uint64_t dir), void *each_arg);
    void (*wait)(void *arg, void (*ready)(void *, int err), void *ready_arg);
    void *arg;
    /* For reading ahead; may be NULL. The directory in dir whose name comes next after name (n 0: the first): 1, and name is that; 0 none; else as children(). */
    int (*next_dir)(void *arg, uint64_t dir, char name[NAME_MAX_BYTES], size_t *n, uint64_t *ret);
    /* A program goes through all of the tree, or does so no more. */
    void (*scan)(void *arg, bool on);
    void (*lost)(void *arg, int err); /* may be NULL; on the loop: a question ended with -EBADMSG or -ENOENT, and so will others. Who waits goes on waiting until fault_replace(), fault_end() or fault_give_up() */
};

/* In the transaction that puts a base's root record, states and sessions (with `last`) in the place of C: nothing is here any more. Rows of C that are left are the caller's mistake. */
int fault_begin(struct tree *) ATTR_WARN_UNUSED;
/* After that transaction, and at every start with such a database (fault_is_lazy()): from now on faults are answered from there; those noted before wait for it. Takes the lock. */
void fault_attach(struct tree *, const struct fault_source *);
/* Whether rows may be elsewhere: a base is in use. */
bool fault_is_lazy(const struct tree *);
bool fault_is_attached(const struct tree *);

/* Under the tree lock, from rows.c: 0 if the directory is here (or the base has nothing more of the number), -EINPROGRESS and noted if not. Without a base: 0 at once. */
int fault_need_dir(struct tree *, uint64_t dir) ATTR_WARN_UNUSED;
int fault_need_inode(struct tree *, uint64_t ino) ATTR_WARN_UNUSED;
/* The first number of a session that the base does not have: from here on it need not be asked. */
uint64_t fault_first_unknown(struct tree *, uint64_t session);
/* Whether it is here, without asking for it. */
int fault_is_here(struct tree *, uint64_t dir) ATTR_WARN_UNUSED;

/* A program has opened a file with this content (NULL: none): its object is in the bucket, which rows out of a base do not say (fault_rows.c), and what is read may well be written elsewhere. Under the
 * lock, not in a transaction. */
void fault_note_object(struct tree *, const struct content *);

/* After a call has returned -EINPROGRESS, on the same thread, without the lock: ready(arg, 0) on the loop when what it noted last is here: make the call again, it may need more;
 * or why it cannot be had: the call fails with that (-EINTR: the tree is being closed). tree_close() waits until ready() has returned. */
void fault_wait(struct tree *, void (*ready)(void *arg, int err), void *arg);
/* The same for everything that anybody has noted until now, on any thread. */
void fault_wait_all(struct tree *, void (*ready)(void *arg, int err), void *arg);
/* The same, under the lock. */
void fault_wait_later(struct tree *, void (*ready)(void *arg, int err), void *arg);
/* For a thread that may block: fault_wait_all(), and waits for it. Not on the loop. */
int fault_wait_here(struct tree *) ATTR_WARN_UNUSED;

/* rebuild.c, under the lock, on the loop: another source, or none, takes the place of this one, in the transaction that replaces the rows of C. */
/* The source is asked nothing new from now on. True: it is asked nothing at all. */
bool fault_pause(struct tree *);
void fault_resume(struct tree *);
/* What is asked for just now. */
void fault_wanted(struct tree *, void (*each)(void *arg, uint64_t ino, bool is_dir), void *arg);
/* When it is paused: everything is asked for anew, there. */
void fault_replace(struct tree *, const struct fault_source *);
/* When it is paused: the whole of C is in the database; everybody is told to go on. t->fault is NULL already, and *f is freed. */
void fault_end(struct tree *, struct fault *f);
/* What the lost source was asked before that time (mono) fails. */
void fault_give_up(struct tree *, int64_t before, int err);

/* tree.c: on the loop when the tree is being closed, under the lock; after it, without. */
void fault_close(struct tree *);
struct fault *fault_free(struct fault *);
/* tree.c: at open, after what is pending has been recovered (which needs nothing that is not here). */
void fault_open(struct tree *);

#endif
