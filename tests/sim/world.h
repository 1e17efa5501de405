/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two to six hosts over one bucket, the real tree with uploader, spool, reader and cache, in virtual time, under a network that loses and delays, with random programs, kills,
 * restarts, times offline, garbage in the journal, and local states that are older than what their host has done (a restored backup), or those of another host (a
 * clone), databases that are damaged. One seed is one schedule; each of its steps draws its random numbers from its own number, so that the others stay what they are when one is left out. What must hold:
 *
 *   at every entry   all hosts have the same digest at the same sequence number, no change is void, nobody stops following; nothing leaves the shared tree but what somebody
 *                    who had it in view removed or overwrote, and nothing before all that the host which removed it had written earlier; a name that is only ever replaced
 *                    is never missing
 *   always           the database of each host is sound (tree_box_wrong)
 *   fsync, sync      what was answered is in the confirmed tree
 *   damage           where a row of a host's database goes bad without a word, the others agree and go on whatever that host writes, and it is set right once it has read
 *                    what one of them has written
 *   at the end       when all is quiet, every view is the confirmed tree, the same on each host and on one that starts afresh, and everything acknowledged is there
 *
 *     hosts-sim [--schedules N] [--seed N] [--hosts N] [--steps N] [--only LIST] [--lazy] [-v]
 *
 * A failure prints its seed, is made as short as it gets by leaving out steps, and printed again; --only runs such a list of steps, -v tells what happens.
 */
#ifndef ASSETFS_TESTS_WORLD_H
#define ASSETFS_TESTS_WORLD_H

#include "sim_store.h"
#include "sim_tokens.h"
#include "state_dir.h"

#define HOSTS_MAX 6
#define STEPS_MAX 1000
#define HANDLES 6
#define SEQ_MAX 4096
#define FILE_SIZE_MAX (3 * BLOCK_SIZE)

/* In the root: programs replace it, and do nothing else to it. */
#define KEPT_NAME "keep"

struct world;
struct life;
struct journal;

/* A program's open file, with at most one call under way. */
struct handle {
    struct life *life;
    struct file *file;
    int flags;
    bool busy, opened;
    struct token_list waits; /* of an fsync: what must be durable when it is answered */
    bool has_token;
    size_t token;
    bool cuts; /* a truncation is under way */
};

/* A host from one start to the next kill. */
struct life {
    struct world *world;
    struct host *host;
    struct tree_box *box;
    struct handle handles[HANDLES];
    bool killed;
    bool syncing;
    struct token_list synced; /* of a sync under way */
    struct life *next;        /* of those that were killed */
    bool spoilt; /* what it began from went bad: rows may be missing until the bucket answers, and calls that want them then end with EIO */
};

struct host {
    unsigned index;
    struct sim_net net;
    struct life *life; /* NULL: down */
    char *dir;         /* while down */
    char label[16];
    char *backup; /* an older state of it; NULL: none */
    uint64_t seen; /* sequence number whose digest was compared */
    bool damaged;  /* its tree.db was, and may be still: what it has at an entry says nothing */
};

/* What programs mostly do. */
enum mix { MIX_ALL, MIX_FILES, MIX_DIRS, MIX_LINKS, MIX_OPEN, N_MIXES, MIX_BUILD = N_MIXES };

struct world {
    uint64_t seed;
    struct sim *sim;
    struct name_rules *rules; /* ".tmp…" is temporary, "l…" stays on its host; NULL: every name is final */
    struct mem_bucket *bucket;
    struct keyring *keys;
    struct journal *journal;
    struct host hosts[HOSTS_MAX];
    unsigned n_hosts;
    const bool *left_out; /* steps; NULL: none */
    struct life *dead;
    struct tokens tokens;
    uint8_t digests[SEQ_MAX][DIGEST_SIZE];
    uint64_t head; /* the newest whose digest is known */
    bool damages;     /* local states go bad; the first host's never does */
    bool one_machine; /* clones are not told by the name of their machine */
    unsigned faults, clones, step; /* clones: per mille of the starts */
    enum mix mix;
    unsigned n_names; /* that programs think of: with few of them they get in each other's way */
    unsigned long calls, kills, conflicts, entries;
    /* a kill in the middle of something: at the n-th call into the environment from now on */
    struct host *victim;
    uint64_t fuse;
};


extern bool verbose;

struct how {
    unsigned hosts, steps; /* 0: by the seed */
    const bool *left_out;  /* steps; NULL: none */
};

/* world.c */
void failed(struct world *, const char *fmt, ...) ATTR_PRINTF(2, 3) __attribute__((noreturn));
void say(struct world *, struct host *, const char *fmt, ...) ATTR_PRINTF(3, 4); /* -v. host: NULL for none */
uint64_t below(struct world *, uint64_t n);
bool chance(struct world *, unsigned per_mille);
void pass(struct world *, int64_t ns); /* time; every entry is looked at */
void change_network(struct world *, struct host *);
void put_garbage(struct world *);
void damage_state(struct world *, struct host *); /* silently: a row of its confirmed tree, or the digest */

/* host.c */
void start(struct world *, struct host *);            /* with its state, or afresh */
void start_some_state(struct world *, struct host *); /* mostly its own */
void take_down(struct host *);                        /* killed, just now, maybe in the middle of something; its memory stays */
void bury(struct host *);                             /* after that, when nothing of it is on the stack */
void bury_killed(struct world *);                      /* whoever was, while another one's call waited */
void probe(void *arg, struct env *);                  /* arg: the world */
void life_free(struct life *);
void free_dead(struct world *);

/* programs.c */
void one_call(struct life *, enum mix);
void close_handle(struct handle *);

/* invariants.c */
void token_name(size_t number, char ret[32]);
void mark_gone(struct world *, const struct token_list *);
void mark_loose(struct world *, const struct token_list *);
void note_removed(struct life *, const struct token_list *before);
void must_contain(struct world *, struct host *, const struct token_list *there, const struct token_list *list, const char *what);
void must_be_durable(struct world *, struct host *, const struct token_list *list, const char *what);
void tell_layers(struct world *, struct host *);
void check_entry(struct world *, struct host *);
void check_sound(struct world *, struct host *);

/* journal.c */
struct journal *journal_new(void);
void journal_free(struct journal *);
void check_journal(struct world *, uint64_t seq); /* the entries up to that one */
uint64_t journal_call(struct world *);            /* a number for a call that may remove something: before it */
void note_acked(struct world *, size_t token);
void note_removal(struct life *, uint64_t ino, uint64_t number, uint64_t dir, const char *name);
void note_linked(struct world *, uint64_t ino);
void forget_removals(struct world *, const struct host *); /* it has an older state, or another host's */

/* quiet.c */
void check_end(struct world *); /* lets the world become quiet first */
void settle(struct world *);    /* the hosts that are up close what they have open, and mostly come to see the same */

/* schedule.c */
unsigned steps_of(uint64_t seed, const struct how *);
void run_schedule(uint64_t seed, const struct how *, struct world *totals);

/* sim_main.c: the program. Without --seed and --schedules: those. */
int sim_main(int argc, char **argv, uint64_t first, uint64_t schedules);

#endif
