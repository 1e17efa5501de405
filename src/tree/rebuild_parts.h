/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * struct rebuild, for rebuild.c (what is read and applied, and when) and rebuild_rows.c (rows of one tree into the other). The loop owns it.
 */
#ifndef ASSETFS_REBUILD_PARTS_H
#define ASSETFS_REBUILD_PARTS_H

#include "tree/checkpoint.h"
#include "tree/fault.h"
#include "tree/own_void.h"
#include "tree/rebuild.h"

/* Entries asked for at once. */
#define REBUILD_WINDOW 16

enum rebuild_why {
    REBUILD_REFUSED, /* the next entry was built on another tree: this host stands still before it */
    REBUILD_SUSPECT, /* changes did not fit, or a row cannot be read: it goes on, and the trees are compared when both stand at the same entry */
    REBUILD_LOST,    /* the checkpoint it began from is lost: likewise */
};

struct piece {
    struct rebuild *rebuild;
    struct buf data;
    bool there;
};

struct rebuild {
    struct tree *tree;
    enum rebuild_why why;
    char *path;
    char *host;                  /* who wrote the entry that does not fit */
    uint8_t want[DIGEST_SIZE];   /* what it says this tree is */
    bool ours;                   /* what did not fit was this host's own entry */
    bool unreadable;             /* a row is not a record: equal digests say nothing */
    bool as_here;                /* a checkpoint has given the same tree as this host's */
    uint64_t own[2];             /* this host's sessions */
    struct checkpoint_ref known; /* the newest this host knows; and whether the journal bears it out */
    bool known_is_right;
    struct own_voids own_voids;  /* changes of this host that are void in the fresh tree */

    struct tree fresh;           /* no more of it than apply and faults need: the database, the digest and the totals, a lock */
    bool is_open;                /* that is */
    struct checkpoint_ref ref;   /* what it begins from; seq 0: entry 1 */
    struct checkpoint_base *base;
    struct buf entry;            /* an object that was read */
    int err;                     /* of a worker */

    uint64_t first;              /* the number of pieces[0] */
    struct piece pieces[REBUILD_WINDOW];
    unsigned n, at, waiting;     /* at: those before it are applied */

    int64_t last_here;           /* directories of the old tree up to there are here in the fresh one */
    bool all_here;               /* and so are the rest, but for what came since: C is asked for nothing new meanwhile */
    unsigned busy;               /* callbacks that will come, without the timer */
    struct env_timer timer;
    void (*next)(struct rebuild *); /* after the fresh tree has been closed */
    bool ending;
    bool doubted;                /* an entry was met meanwhile that does not fit either */
};

/* rebuild_rows.c */
/* Under the lock: the rows of the fresh tree, and what goes with them, in the place of C; what this host wrote, and is void in the fresh tree, is pending again. -EINPROGRESS: rebuild_want() has
 * asked the fresh tree for what is still needed. */
int rebuild_take_place(struct rebuild *) ATTR_WARN_UNUSED;

#endif
