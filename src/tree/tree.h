/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The namespace of one mounted volume, from the local database up to the journal in the bucket. This header opens, closes and steers it;
 * names.h has the calls of a filesystem on names and inodes, file.h those on open files.
 *
 *     view V     what programs here see: pending rows over the confirmed tree          tree/view.h, tree/names.c
 *     pending P  what this host has not committed: the row difference V - C            tree/rows.h
 *     confirmed C  what the journal says, up to a sequence number                       tree/rows.h, tree/apply.c
 *
 *     names.c, file.c -> P          settle.c -> uploader -> content durable
 *     build.c: P -> entry           commit.c: entry -> bucket      follow.c: bucket -> apply.c -> C, merge.c: P
 *
 * Threads and lock: one mutex, the tree lock (struct tree, tree/state.h), guards everything here including the SQLite connection. Every function below takes it
 * itself; none is held across a callback or a wait. Callbacks run on the loop (base/env.h) unless said otherwise.
 */
#ifndef ASSETFS_TREE_H
#define ASSETFS_TREE_H

#include "base/buf.h"
#include "base/counters.h"
#include "base/env.h"
#include "base/options.h"
#include "base/past.h"
#include "base/seal.h"
#include "data/spool.h"
#include "data/uploader.h"
#include "store/store.h"
#include "tree/attr.h"

struct tree;
struct name_rules;
struct mime;

/* The kernel must forget what it has cached. Called on the loop or a caller's thread, without locks; must not block: queue and return. */
struct tree_hooks {
    void (*inval_entry)(void *arg, uint64_t parent, const char *name, size_t n);
    /* data: cached pages too, else attributes only */
    void (*inval_inode)(void *arg, uint64_t ino, bool data);
    void *arg;
};

struct tree_config {
    struct env *env;
    struct counters *counters;
    struct store *writer, *reader;
    const struct keyring *keys;
    const char *prefix;       /* ".assetfs" */
    const char *dir;          /* state directory, exists, 0700, locked by the caller */
    const char *host_label, *user_label;
    const char *machine_id;   /* identifies this machine; a state directory that comes from another one takes a new session */
    struct reader *block_reader;
    struct spool *spool;
    enum durability durability;
    int64_t settle_ns, poll_ns, fsync_timeout_ns, timeout_ns;
    bool read_only;
    bool from_entry_1;        /* no checkpoint is begun from: the whole journal is read */
    struct past at;           /* not PAST_NONE: the tree as of then, with read_only and a directory of its own (tree/past.h) */
    uint64_t min_free;        /* bytes to leave free on the disk of dir */
    uint64_t checkpoint_entries, checkpoint_changes; /* when this host makes a checkpoint (checkpoint.h); either 0: never by itself */
    const struct name_rules *names; /* tree/name_kind.h; NULL: no name means anything */
    /* A rotation has taken the volume key with this id into use: looks for it, and adds it to `keys` as the one that seals; false: this host does not have it. has_key only looks. Both
     * may read small local files. NULL: `keys` has all there are. */
    bool (*take_key)(void *arg, const uint8_t id[SEAL_KEY_ID_SIZE]);
    bool (*has_key)(void *arg, const uint8_t id[SEAL_KEY_ID_SIZE]);
    void *key_arg;
    const struct mime *mime;        /* base/mime.h; NULL: no types are known */
    struct tree_hooks hooks;
};

/* Opens or makes DIR/tree.db and recovers it (spool files, an entry in flight). No network.
 * -EBADMSG: the database is of another volume or damaged (why says what to do). */
int tree_open(const struct tree_config *, struct tree **ret, struct buf *why) ATTR_WARN_UNUSED;
/* Brings it up to the head of the journal: reads the superblock if there is no local state, finds the head, applies what is missing. Blocks (not on the loop), at most
 * timeout_ns without progress. Where there is local state and the bucket is in trouble: 0, offline (tree_status says since when). Where journal entries come out of a cache only, there is
 * no local state, and nothing proves the head: a read-write mount proves it by committing an empty entry, a read-only one is -EIO. Never a tree emptier than it is.
 * -ENOENT: no volume there; -EMEDIUMTYPE: not a volume / newer format; -ENOKEY: the key does not fit; -EIO, -ETIMEDOUT, -EACCES: trouble and nothing local. */
int tree_start(struct tree *, struct buf *why) ATTR_WARN_UNUSED;
/* Ends following and committing; what is pending stays in tree.db. The loop must still run. Open files must have been closed. */
struct tree *tree_close(struct tree *);

struct tree_status {
    char volume[33];          /* volume id, hexadecimal */
    uint64_t sequence;        /* applied here */
    uint64_t head;            /* the newest known to exist */
    int64_t head_seen_ns;     /* wall clock when the bucket last answered; 0 never */
    int64_t head_unproven_ns; /* wall clock since when the head cannot be told, because entries come out of a cache; 0: it can */
    uint64_t local_files, local_bytes;         /* written here, not yet being uploaded */
    uint64_t uploading_files, uploading_bytes; /* being uploaded, or waiting for a place */
    uint64_t writing_files;   /* of the local ones: open for writing just now, so that nothing of them can leave the spool */
    uint64_t stuck_files;
    uint64_t pending_changes; /* rows that differ from the confirmed tree */
    uint64_t held_removals;   /* removals that wait for an earlier write */
    uint64_t local_only_files, local_only_bytes; /* that stay on this host (tree/local.h): in none of the other numbers */
    bool read_only, offline;
    bool past;                /* the state of a time: it does not change */
    char *reason;             /* why read-only or offline, one sentence, malloc'd; or NULL */
    char *stuck_reason;       /* the first stuck file and its reason, malloc'd; or NULL */
    char *damaged;            /* another host's local state is damaged, as its newest entry shows: one sentence, malloc'd; or NULL */
    uint64_t damaged_entries, damaged_last; /* how many entries this local state has met of such hosts, and the last one's number */
};
void tree_status(struct tree *, struct tree_status *ret);
/* For the spool (spool_config.can_drain): whether bytes will leave it without anybody's doing. Not those of files that are being written this moment, of uploads
 * that are refused, or of anything while the bucket is away. */
bool tree_can_drain(struct tree *);
void tree_status_free(struct tree_status *);

/* done(0) when everything that was changed before this call is durable (and applied). Never fails by itself; the caller gives up by
 * tree_sync_cancel. Everything is settled at once. done runs on the loop. */
struct tree_wait;
struct tree_wait *tree_sync(struct tree *, void (*done)(void *arg, int err), void *arg);
/* After it returns, done will not run (unless it already has or is running on the loop just now: call it on the loop to be sure). */
void tree_sync_cancel(struct tree *, struct tree_wait *);

/* Somebody uses the mount: polls every poll_ns instead of every minute. Cheap. */
void tree_used(struct tree *);
/* Look at once whether other hosts wrote something. */
void tree_poll_now(struct tree *);

/* Makes a checkpoint now, unless nothing has changed since the newest: *ret_round is for tree_checkpoint_look(). -EROFS: a read-only mount; -EAGAIN: not while the bucket is away. */
struct tree_checkpoint {
    bool done;
    int err;           /* once done: why there is none, and in words */
    char why[256];
    uint64_t sequence; /* of the newest this host knows; 0: none */
    uint64_t bytes;    /* of its object */
    char digest[65];
};
int tree_checkpoint_begin(struct tree *, uint64_t *ret_round) ATTR_WARN_UNUSED;
/* How far it is. From any thread. */
void tree_checkpoint_look(struct tree *, uint64_t round, struct tree_checkpoint *ret);

/* The newest n entries as JSON lines, newest first (assetfs log). each() runs in the caller's thread. Blocks on the network. */
int tree_log(struct tree *, unsigned n, void (*each)(void *arg, const char *json), void *arg);

/* Makes a new volume: puts entry 1. Blocks (not on the loop). keys: empty for --plain. open: what lies in no other area may be read by everybody who has its link (area.h).
 * -EEXIST: there is a volume already. */
int tree_init(struct env *, struct store *writer, const struct keyring *, const char *prefix, const uint8_t volume_id[16],
              const char *host_label, const char *user_label, uint32_t root_uid, uint32_t root_gid, bool open, struct buf *why)
    ATTR_WARN_UNUSED;
/* Reads only the header of entry 1 (unsealed part): which key id; *ret_plain. Blocks. -ENOENT: no volume there, -EMEDIUMTYPE: something else. */
int tree_peek(struct env *, struct store *reader, const char *prefix, bool *ret_plain, uint8_t ret_key_id[SEAL_KEY_ID_SIZE],
              struct buf *why) ATTR_WARN_UNUSED;
/* The volume id, from entry 1. Blocks. Errors as tree_start(). */
int tree_identify(struct env *, struct store *reader, const struct keyring *, const char *prefix, uint8_t ret_volume_id[16],
                  struct buf *why) ATTR_WARN_UNUSED;

#endif
