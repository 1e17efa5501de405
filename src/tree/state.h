/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * struct tree, for the files of this folder. One lock, `lock` (the tree lock), guards every field that does not say otherwise, and the database.
 * It is never held across a callback, a store operation, spool or cache I/O of file data, or a wait other than `session_cond`.
 */
#ifndef ASSETFS_TREE_STATE_H
#define ASSETFS_TREE_STATE_H

#include "base/digest.h"
#include "tree/area.h"
#include "tree/checkpoint_ref.h"
#include "tree/db.h"
#include "tree/entry.h"
#include "tree/tree.h"
#include <uthash.h>

#define SESSION_SHIFT 24
#define COUNTER_MAX ((1u << SESSION_SHIFT) - 1)
#define COUNTER_SPARE 16 /* for merges: programs get no more of the last ones, but a new session */
#define POLL_IDLE_NS (60 * NS_PER_S)
#define IDLE_AFTER_NS (60 * NS_PER_S)

/* An inode without a name that is still open or known to the kernel: private to this host, gone with the process. */
struct orphan {
    uint64_t ino;
    struct record rec;
    bool forgotten; /* the kernel has let go; freed when the last handle is closed */
    struct file *file; /* a reference to what is in the spool, until then; may be NULL */
    UT_hash_handle hh;
};

/* A number -> what it became here (rules M6), as long as the shared tree does not have it. Also in the database. */
struct alias {
    uint64_t from, to;
    UT_hash_handle hh;
};

/* Something the kernel must forget; delivered after the lock is released. */
struct inval {
    uint64_t parent; /* entry: directory and name */
    char *name;
    size_t n;
    uint64_t ino; /* inode, when name is NULL */
    bool data;
};

#define WAIT_STATE UINT64_MAX

/* Somebody waits for something to be durable. Programs hold its number, cast to a pointer: it stays harmless when the wait has ended. */
struct wait {
    struct tree *tree;
    struct wait *prev, *next;
    uint64_t number;
    uint64_t ino; /* 0: everything; WAIT_STATE: the volume state */
    uint64_t op;  /* satisfied when nothing since an operation <= this one is pending */
    void (*done)(void *arg, int err);
    void *arg;
    int err;
    bool fsync;             /* an upload that is refused ends the wait with -EIO */
    struct env_timer timer; /* fsync_timeout */
};

/* The one entry on its way into the bucket; also in the database until its fate is known (rules §6). */
struct inflight {
    bool active;
    bool putting; /* a put or a read back is under way now */
    uint64_t seq;
    uint8_t nonce[NONCE_SIZE];
    struct buf bytes;
    struct buf batch;  /* sealed changes that did not fit it; empty: none */
    bool batch_put;    /* the bucket has that */
    uint64_t op; /* number of the last call when it was built */
    unsigned attempts;
};

/* The newest checkpoint this host knows of (ref.seq 0: none), and how many changes were applied since it was announced. */
struct checkpoint_known {
    struct checkpoint_ref ref;
    uint64_t changes;
};

struct claim_waiter;
struct checkpoint_base;
/* checkpoint.c */
struct checkpoint_state {
    struct checkpoint_known known;
    struct checkpoint_ref ready;  /* in the bucket, but no entry says so yet; seq 0: none */
    struct checkpoint_base *base; /* the one that fault.c asks; set while no other thread is about, and by rebuild.c while no checkpoint is made */
    struct checkpoint_base *retired; /* those it asks no more */
    int64_t lost_for_good_at;     /* mono: when neither another one nor the journal could take its place; 0: it has not been so */
    bool making;
    _Atomic bool stop;            /* not guarded by the lock: a worker looks at it */
    struct env_timer timer;
    bool armed;
    int64_t due_since;            /* mono */
    unsigned failures;
    uint64_t rounds;              /* makings that have ended */
    int err;                      /* how the last one did */
    char *why;
};

/* What apply and adopting a checkpoint change outside the database, for the case that their transaction fails. */
struct follow_head {
    uint64_t seq, files, bytes;
    uint64_t session, old_session, counter, counter_reserved;
    uint8_t hash[DIGEST_SIZE];
    struct set_digest set;
    struct checkpoint_known checkpoint;
};

/* batch.c: the batch of the entry that is next. */
struct batch_want {
    struct batch_ref ref;
    uint64_t seq;          /* of the entry */
    bool wanted;           /* it is not here yet */
    struct buf bytes;      /* the object */
    int64_t failing_since; /* mono: since when it is missing or not what it should be; 0: it is not */
};

/* compare.c */
struct compared;
struct compare_state {
    struct compared *table;
    unsigned wanted; /* of these, not hashed yet */
    bool allowed;
};

/* dispute.c */
#define DAMAGED_WRITERS 8
struct damaged_writer {
    uint64_t session; /* 0: none */
    int64_t at;       /* mono: when this host was sure of itself */
};
struct dispute {
    struct damaged_writer writers[DAMAGED_WRITERS];
    uint64_t proven;      /* the number of the last entry when the journal, read from entry 1, made this very tree; 0: it has not */
    int64_t proven_at;    /* mono; 0: never */
    bool wants_objection;
    int64_t objected_at;  /* mono; 0: never */
    uint64_t of;          /* session of the last that wrote such an entry and none since that agrees; 0: none */
    char *sentence;       /* what is to be said of it */
    bool begin_anew;      /* a past state met one: it is read from entry 1 (start.c) */
    uint64_t own_seen;    /* changes of this host up to this entry were looked at by a rebuild: own_void.h. Also in the database */
};

struct file;
struct row_pending;

struct tree {
    struct tree_config cfg; /* strings owned; immutable after tree_open() */
    struct env *env;        /* immutable */
    pthread_mutex_t lock;
    struct db db;

    struct fault *fault;            /* NULL: the whole of C is in the database */
    bool missed;                    /* a row that is not here was needed since tree_lock() or tree_begin(): fault.h */

    /* The confirmed tree C. */
    uint64_t seq;                   /* entries applied */
    uint8_t head_hash[DIGEST_SIZE]; /* of the last authentic entry */
    struct set_digest set;          /* of all records of C */
    const char *void_why;           /* of the last change that was void */
    uint64_t total_files, total_bytes; /* inodes of C and the bytes of their contents, for statfs */
    struct areas areas;             /* the view's rules (area_set.h), if areas_known */
    bool areas_known;
    bool has_volume;
    uint8_t volume_id[VOLUME_ID_SIZE];

    /* This host. */
    uint64_t session;          /* 0: none yet */
    uint64_t old_session;      /* the one before, given up because somebody else writes in it */
    uint64_t counter;          /* last inode counter given out in it */
    uint64_t counter_reserved; /* what the database says: a restart begins above it */
    uint64_t op;               /* number of the last call that changed something */
    uint64_t spool_next, spool_reserved;
    bool session_wanted;
    struct claim_waiter *claims; /* calls that wait for one: claim.h */
    unsigned claims_standing;
    int64_t session_failed_at; /* mono: when the bucket refused an entry; changes are refused quickly for a while instead of waiting again */
    pthread_cond_t session_cond;

    int64_t pending_rows;      /* rows in p_name and p_inode, kept in step */
    int64_t pending_rows_before; /* as of tree_begin() */
    int64_t last_time;
    bool checkpointing;        /* a worker writes the log of tree.db back */
    struct alias *aliases;
    struct orphan *orphans;
    struct file *files;        /* open inodes, by number: file.c */
    bool deferred_waits;       /* for rows that are fetched */
    uint64_t deferred;         /* merges that wait for a close: deferred.h */
    unsigned lingering;        /* of these, closed ones that wait for their settling */

    /* Pending rows that equal their confirmed row, kept because an entry in flight may change that: looked at again when its fate is known. */
    struct inval *equals;
    size_t n_equals, cap_equals;

    struct inval *invals;
    size_t n_invals, cap_invals;

    struct checkpoint_state checkpoint;

    /* settle.c */
    struct uploader *uploader;
    struct handover *handovers; /* what settle_hand_over() has to do */
    unsigned handing_over;     /* of these, and those it is at */
    unsigned settling;         /* snapshots being filled, hashed or uploaded */
    unsigned stuck;            /* of these, refused */
    uint64_t uploading_bytes;  /* of these */
    char *stuck_reason;        /* the last one that was told, and its error */
    int stuck_err;
    uint64_t force_op;         /* what was written up to this operation settles now */
    struct env_timer settle_timer;

    /* commit.c */
    struct inflight inflight;
    struct batch_want batch;
    struct env_timer commit_timer;
    bool commit_armed;
    bool commit_waits;         /* armed for the case only that the journal cannot be read */
    bool put_while_offline;    /* the last entry was put although the journal could not be read: what is written here leaves it */
    int64_t commit_at;         /* mono: when the armed timer fires */
    int64_t commit_not_before; /* mono: after a win over others, they go first */
    int64_t foreign_at;        /* mono: when another host's entry was last applied */
    uint64_t held_removals;    /* as of the last build */
    uint64_t supersede;        /* likewise: an inode whose durable snapshot waits with a removal for what was written after it, 0: none. The newer bytes become the snapshot, or
                                * each would wait for the other */
    struct wait *waits;
    uint64_t wait_number;

    /* follow.c */
    struct env_timer poll_timer;
    bool started, closing, reading; /* reading: a get of seq+1 is under way */
    bool poll_again;
    bool stopped;              /* following has ended, for `reason` */
    uint64_t reading_seq;      /* the number that is being read */
    int64_t reading_since;     /* mono: when it was first asked for in this round */
    uint64_t second_look;      /* this number opened under no key once: another look decides */
    uint8_t doubted[DIGEST_SIZE]; /* what was read of it then */
    int64_t doubted_at, looked_at; /* mono: when that was read first, and the last time */
    uint64_t witness;          /* the entry that is being asked for beside an absent number */
    uint64_t anchor;           /* the newest entry before those that came since a witness was last seen; 0: none came */
    bool anchor_is_gone;       /* it read as absent when it was last asked for */
    int64_t absent_since;      /* mono: since when the newest entry, or the anchor, reads as absent; 0: it does not */
    int64_t unproven_since;    /* wall: since when the head has no proof, for every witness comes out of a cache; 0: it has */
    bool unproven_said;        /* in the log: once is enough */
    _Atomic int64_t used_at;   /* mono: last use by a program; not guarded by the lock, every request stores it */
    int64_t head_seen;         /* wall: when the bucket last answered */
    uint64_t head;             /* newest number known to exist */
    unsigned read_failures;
    bool made_here;            /* the tree was made from entry 1 in this start: it is what the journal says */
    int64_t well_at;           /* mono: when this host last looked at itself and was well; 0: it has not */
    int64_t mended_at;         /* mono: when rows that could not be used were last put right; 0: never */
    size_t n_void;             /* changes of the last entry that did not fit */
    struct dispute dispute;
    struct compare_state compare;
    struct rebuild *rebuild;   /* under way (rebuild.h); NULL: not */
    int64_t witness_at;        /* mono: when the newest entry was last seen in the bucket, or all that could be seen of it was a cache's: then a commit is the proof */
    bool read_only;            /* by configuration, or for `reason` */
    bool offline;
    bool key_is_missing;       /* key_set.c: read-only until it is here */
    uint8_t key_missing[SEAL_KEY_ID_SIZE];
    char *reason;
    unsigned idle_refs;        /* operations under way that tree_close() waits for */
    pthread_cond_t idle_cond;
};

/* tree.c */
/* Read-only from now on, for a reason that only a person can mend; logged once. */
void tree_freeze(struct tree *, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* The same, and following ends. */
void tree_stop(struct tree *, const char *fmt, ...) ATTR_PRINTF(2, 3);
void tree_offline(struct tree *, bool offline, const char *why);
void tree_hold(struct tree *);    /* an operation that tree_close() must wait for */
void tree_release(struct tree *);
void tree_note_entry(struct tree *, uint64_t parent, const char *name, size_t n);
void tree_note_inode(struct tree *, uint64_t ino, bool data);
void tree_note_equal(struct tree *, uint64_t parent_or_ino, const char *name, size_t n); /* name NULL: an inode's row */
/* Releases the lock and tells the kernel what was noted. */
void tree_unlock(struct tree *);
static inline void tree_lock(struct tree *t) {
    pthread_mutex_lock(&t->lock);
    t->missed = false;
}
/* The result of a call that only reads: -EINPROGRESS if a row that is not here was needed (fault.h). */
static inline int tree_missed(const struct tree *t, int r) {
    return t->missed ? -EINPROGRESS : r;
}
/* claim.c: claim_need(), but stands and waits, which may release the lock. -EIO: no session has come in time, or too many wait for one already. */
int tree_writable(struct tree *) ATTR_WARN_UNUSED;
uint64_t tree_resolve(struct tree *, uint64_t ino); /* through the aliases */
/* In the transaction that applied another host's entry: a number that became another here may be back as itself. */
int tree_end_aliases(struct tree *) ATTR_WARN_UNUSED;
int tree_mint(struct tree *, uint64_t *ret) ATTR_WARN_UNUSED;
/* For a conflicted copy, which cannot wait for a session: without one, a number from the upper half of the session this host has had, at random, because whoever shares that
 * session with it counts from below. The entry brings it as one that comes back (assetfs-format(5)). */
int tree_mint_copy(struct tree *, uint64_t *ret) ATTR_WARN_UNUSED;
/* Somebody else writes in this host's session: the next change claims another. */
int tree_drop_session(struct tree *) ATTR_WARN_UNUSED;
uint64_t tree_spool_id(struct tree *);
/* Begins a transaction of a program's call: a new operation number. tree_end() commits it, or rolls it back if r is negative, and returns how it ended. One that needed rows which are not
 * here (fault.h) is rolled back whatever r is: -EINPROGRESS. */
int tree_begin(struct tree *) ATTR_WARN_UNUSED;
int tree_end(struct tree *, int r) ATTR_WARN_UNUSED;
/* The time of a change: the wall clock, but later than that of the change before. */
int64_t tree_time(struct tree *);
struct orphan *tree_orphan(struct tree *, uint64_t ino);

/* commit.c */
void commit_kick(struct tree *);           /* something may be ready: commits soon */
void commit_init(struct tree *);
void commit_resume(struct tree *);         /* after a restart: an entry may be in flight */
int commit_prune(struct tree *) ATTR_WARN_UNUSED; /* in the transaction that resolves it */
void commit_resolved(struct tree *);       /* the fate of the entry in flight is known */
void commit_check_waits(struct tree *);
struct tree_wait *commit_wait(struct tree *, uint64_t ino, uint64_t op, int64_t timeout_ns, bool fsync,
                              void (*done)(void *, int), void *arg);
void commit_fail_waits(struct tree *, uint64_t ino, int err);
/* In the transaction that applied the entry in flight: what it brought is pending no more. */
int commit_applied(struct tree *, const struct entry *) ATTR_WARN_UNUSED;
bool commit_is_ours(struct tree *, const struct entry *);

/* carry.c */
struct before;
/* In the transaction that applied a foreign entry: carries this host's pending rows over to the new confirmed tree (rules §4). */
int carry_over(struct tree *, const struct before *) ATTR_WARN_UNUSED;
/* -EBADMSG: a file that was written here is in C, and has no name there: C is damaged (a lost row), and a merge would take that for a removal (rebuild_unreadable()). */
int carry_check(struct tree *) ATTR_WARN_UNUSED;
/* Merges once more with what is confirmed already: what waited (deferred.h) need not any longer. In a transaction, with no entry in flight. */
int carry_again(struct tree *) ATTR_WARN_UNUSED;
/* Whether the rows that takes are here: 0, -EINPROGRESS. Changes nothing. */
int carry_need(struct tree *) ATTR_WARN_UNUSED;

/* follow.c */
void follow_keep(const struct tree *, struct follow_head *ret);
void follow_back(struct tree *, const struct follow_head *);
int follow_save(struct tree *) ATTR_WARN_UNUSED; /* into the meta table, in a transaction */
void follow_init(struct tree *);
void follow_now(struct tree *);            /* reads the next number now */
/* Under the lock: nobody can tell whether the newest entry we know is the head. What is here stays as it is. */
void follow_unproven(struct tree *);
/* The key of a number that is never reached, for a get that must not find anything: malloc'd. */
char *follow_control_key(struct tree *);
extern const char follow_rewrites[]; /* what it means if it does */
/* Applies one object of the journal, own or foreign, if it is the next. Under the lock. 0; -EINPROGRESS: follow_wait(), then again; -EBADMSG: it opens under no key (void, if it does so again); else following
 * has stopped, with the reason in the tree. */
int follow_take(struct tree *, uint64_t seq, const void *p, size_t n) ATTR_WARN_UNUSED;
/* 0, and the entry; -EBADMSG: no key that was ever announced opens it: void, if that stays so; else why nobody can go on here. */
int follow_open(struct tree *, uint64_t seq, const void *p, size_t n, struct entry *ret) ATTR_WARN_UNUSED;
/* C becomes what a rebuild made of the same entries (digest and totals from `fresh`); what is pending is merged over it. write() does it, in the transaction, and keeps what was there.
 * -EINPROGRESS: the merge needs rows that are not here (fault_wanted()). */
int follow_replace(struct tree *, const struct tree *fresh, int (*write)(void *arg, struct before *), void *arg) ATTR_WARN_UNUSED;
/* The rows that applying the entry asks for first, all at once: 0, -EINPROGRESS. */
int follow_need(struct tree *, const struct entry *) ATTR_WARN_UNUSED;
/* The number is used up and has no effect. */
int follow_void(struct tree *, uint64_t seq) ATTR_WARN_UNUSED;
/* After follow_take() has returned -EINPROGRESS, without the lock: ready() on the loop when what it needs is here (rows, fault_wait_all(); or a batch), or why it cannot be had. */
void follow_wait(struct tree *, void (*ready)(void *arg, int err), void *arg);
/* After follow_take(), without the lock: hands over spool files, answers waits. */
void follow_after(struct tree *);

/* settle.c */
/* Snapshots that an own entry has just committed: their spool files become the cache's. Without the lock. */
void settle_hand_over(struct tree *);
void settle_init(struct tree *);
void settle_kick(struct tree *);
bool settle_drains(struct tree *);   /* as tree_can_drain(), under the lock */
int settle_recover(struct tree *, struct buf *why);
/* The row's snapshot, if it has one, is durable and needed no more: it becomes the cache's, with the settle_hand_over() that follows. *p loses it; the caller puts the row. */
void settle_keep(struct tree *, uint64_t ino, const struct record *, struct row_pending *p);
/* The same, but nobody will want it: it goes. */
void settle_give_up(struct tree *, uint64_t ino, struct row_pending *p);
/* A job is at this file's snapshot; it goes on for another file. */
bool settle_is_at_bytes(const struct file *);
void settle_follow(struct file *from, struct file *to);

/* names.c */
/* A name of the directory has changed at this time. In a transaction. */
int names_touched(struct tree *, uint64_t dir, int64_t when) ATTR_WARN_UNUSED;
/* The view has taken a name from this inode: with the last one it leaves the view. pending: the name was a pending row. In a transaction. */
int names_lost(struct tree *, uint64_t ino, uint32_t type, bool pending, int64_t now) ATTR_WARN_UNUSED;

/* file.c */
/* What an open file with bytes in the spool knows better than its record. Under the lock; false: nothing. */
bool file_live(struct tree *, uint64_t ino, uint64_t *size, int64_t *mtime, uint64_t *allocated);
void file_set_mtime(struct tree *, uint64_t ino, int64_t mtime); /* under the lock */
bool file_is_open(struct tree *, uint64_t ino);                  /* any handle, under the lock */
bool file_is_written(struct tree *, uint64_t ino);               /* a writable handle, or a change under way; under the lock */
bool file_is_stuck(struct tree *, uint64_t ino);
uint64_t file_count_writing(struct tree *);
/* Of the files with bytes in the spool: how many keep them for now, because they are being written this moment or refused; and whether one without a name is
 * being closed. Under the lock. */
void file_count_busy(struct tree *, uint64_t *ret_busy, bool *ret_closing);
void file_end_lingering(struct tree *); /* before closing: under the lock */
void file_forgotten(struct tree *, struct orphan *); /* by the kernel: under the lock */
/* After another host's entry: a number that had lost its last name here may have one again. What was private stays with the handles that are open. Under the lock. */
void file_named_again(struct tree *);
/* The inode has lost its last name, its row goes: what is in the spool belongs to the open file alone, or to nobody. Under the lock. */
void file_unnamed(struct tree *, uint64_t ino, const struct row_pending *p);
/* Nobody will commit what is in the spool: open handles read what the shared tree has, once the caller has told them (file_changed). Under the lock. */
void file_drop_bytes(struct tree *, uint64_t ino, const struct row_pending *p);
void file_committed(struct tree *, uint64_t ino); /* an own entry brought its record: under the lock */
/* Numbers of all that are: malloc'd. Under the lock. */
size_t file_list_written(struct tree *, uint64_t **ret);
/* What is in the spool of one becomes another's, and the handles read what the view has of theirs (file_changed()). Its rows are the caller's to change. Under the lock. */
void file_split(struct tree *, uint64_t from, uint64_t to);
void file_changed(struct tree *, uint64_t ino);   /* another host's entry did: handles read what the view has now */

#endif
