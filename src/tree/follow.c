/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the journal into the confirmed tree: reads the next number, applies it, merges; and tells absence from trouble. A number that is not there is believed to be absent only beside a witness: the
 * newest entry this host knows, read on the same path just then.
 *
 * A witness out of a cache proves nothing: then older entries are asked for, one at a poll, which the cache may not hold; until one comes from the bucket itself the head is unproven. A newest entry that
 * reads as absent may be a cache's memory of the time before it was put: the bucket has gone backwards only if that outlasts what caches remember (store.absence_ns).
 *
 * Entries that were put since then, by this host or others, may stand on a gap: the bucket was restored to an older state, and who wrote did not see it (commit.c). So the newest entry of before, the anchor, is
 * asked for once, too, when the end of the journal is reached again.
 */
#include "base/log.h"
#include "net/retry.h"
#include "tree/apply.h"
#include "tree/area_set.h"
#include "tree/batch.h"
#include "tree/checkpoint.h"
#include "tree/compare.h"
#include "tree/deferred.h"
#include "tree/dispute.h"
#include "tree/fault.h"
#include "tree/home.h"
#include "tree/key_set.h"
#include "tree/local.h"
#include "tree/news.h"
#include "tree/rebuild.h"
#include "tree/volume_state.h"
#include <inttypes.h>

int follow_save(struct tree *t) {
    uint8_t set[SET_DIGEST_SIZE];
    set_digest_store(&t->set, set);
    int r = db_meta_set_int(&t->db, "seq", (int64_t)t->seq);
    if (r == 0)
        r = db_meta_set_bytes(&t->db, "head_hash", t->head_hash, DIGEST_SIZE);
    if (r == 0)
        r = db_meta_set_bytes(&t->db, "set", set, sizeof set);
    if (r == 0)
        r = db_meta_set_int(&t->db, "total_files", (int64_t)t->total_files);
    if (r == 0)
        r = db_meta_set_int(&t->db, "total_bytes", (int64_t)t->total_bytes);
    if (r == 0)
        r = db_meta_set_int(&t->db, "anchor", (int64_t)t->anchor);
    return r;
}

void follow_keep(const struct tree *t, struct follow_head *ret) {
    *ret = (struct follow_head){.seq = t->seq,
                                .files = t->total_files,
                                .bytes = t->total_bytes,
                                .session = t->session,
                                .old_session = t->old_session,
                                .counter = t->counter,
                                .counter_reserved = t->counter_reserved,
                                .set = t->set,
                                .checkpoint = t->checkpoint.known};
    memcpy(ret->hash, t->head_hash, DIGEST_SIZE);
}

void follow_back(struct tree *t, const struct follow_head *h) {
    t->seq = h->seq;
    t->total_files = h->files;
    t->total_bytes = h->bytes;
    t->set = h->set;
    t->checkpoint.known = h->checkpoint;
    memcpy(t->head_hash, h->hash, DIGEST_SIZE);
    if (t->session != h->session) {
        t->session = h->session;
        t->old_session = h->old_session;
        t->counter = h->counter;
        t->counter_reserved = h->counter_reserved;
    }
}

/* What is found out of an entry before it is applied. */
struct finding {
    bool ours;
    bool damaged; /* its writer's tree was */
};

/* May this entry be applied? Form, chain, and that its writer saw the tree we see, or is known to be the one that does not. */
static int check_entry(struct tree *t, const struct entry *e, struct finding *ret) {
    uint8_t tree[DIGEST_SIZE];
    if (e->sequence > 1 && memcmp(e->previous, t->head_hash, DIGEST_SIZE)) {
        tree_stop(t, "journal entry %" PRIu64 " does not continue the entry before it; somebody with the volume key wrote it "
                     "out of place. This host stops following before it",
                  e->sequence);
        return -EBADE;
    }
    set_digest_value(&t->set, tree);
    ret->damaged = e->sequence > 1 && memcmp(e->tree, tree, DIGEST_SIZE);
    if (ret->damaged && !dispute_is_theirs(t, e)) {
        rebuild_begin(t, e);
        return -EBADE;
    }
    if (e->ro_compat & ~(uint64_t)FEATURES_RO_COMPAT)
        tree_freeze(t, "journal entry %" PRIu64 " uses features this version may read but not write; install a newer assetfs",
                  e->sequence);
    return 0;
}

/* Entries in our session that we have not sent: this local state was copied, or is older than what it has done. */
static void notice_clone(struct tree *t, const struct entry *e) {
    if (!t->session || e->session != t->session)
        return;
    log_warning("journal entry %" PRIu64 " was written in this host's session %" PRIu64 " by somebody else (a copied or restored "
                "local state): a new session will be taken",
                e->sequence, t->session);
    if (tree_drop_session(t) < 0)
        log_error("tree.db cannot be written");
}

/* What the kernel may have cached of the rows an entry touched. */
static void note_changes(struct tree *t, const struct before *b) {
    struct before_name *n, *n2;
    struct before_inode *i, *i2;
    HASH_ITER(hh, b->names, n, n2) {
        tree_note_entry(t, n->parent, n->name, n->n);
        tree_note_inode(t, n->parent, true);
    }
    HASH_ITER(hh, b->inodes, i, i2) {
        CLEANUP_RECORD struct record now = {0};
        bool there = rows_c_inode(t, i->ino, &now, NULL, NULL) == 1;
        tree_note_inode(t, i->ino, !i->present || !there || !record_same_content(&i->rec, &now));
        file_changed(t, i->ino);
    }
}

/* The fate of the entry in flight is known. */
static int resolve(struct tree *t) {
    int r = commit_prune(t);
    if (r == 0 && t->inflight.batch.len)
        r = db_meta_set_bytes(&t->db, "inflight_batch", "", 0);
    return r < 0 ? r : db_run(&t->db, STMT_INFLIGHT_DEL, "");
}

int follow_need(struct tree *t, const struct entry *e) {
    int r = 0;
    if (!fault_is_lazy(t))
        return 0;
    for (size_t i = 0; i < e->n_changes; i++) {
        const struct change *c = &e->changes[i];
        for (size_t k = 0; k < c->n_names && (r >= 0 || r == -EINPROGRESS); k++)
            r = fault_need_dir(t, c->names[k].parent);
        for (size_t k = 0; k < c->n_inodes && (r >= 0 || r == -EINPROGRESS); k++)
            r = rows_c_inode(t, c->inodes[k].ino, NULL, NULL, NULL);
    }
    return tree_missed(t, MIN(r, 0));
}

/* In a transaction in which others' rows have come into C: what this host alone had made of a number or a name may be the shared tree's again. */
static int end_what_is_shared(struct tree *t, struct before *b) {
    int r = tree_end_aliases(t);
    if (r == 0 && t->pending_rows)
        r = local_sweep(t);
    if (r == 0 && t->pending_rows)
        r = home_follow(t, b);
    return r;
}

/* In a transaction. */
static int apply_parsed(struct tree *t, const struct entry *e, const struct finding *f, struct before *b) {
    const bool ours = f->ours;
    size_t n_void;
    int r = follow_need(t, e);
    if (r == 0)
        r = apply_entry(t, e, b, &n_void, NULL);
    if (r == 0 && !ours && n_void)
        r = carry_check(t);
    if (r == 0 && !ours && t->pending_rows)
        r = home_need(t, b);
    if (r < 0)
        return r;
    if (!t->anchor && t->started)
        t->anchor = t->seq;
    t->seq = e->sequence;
    r = news_note(t, e->sequence, e->time, b);
    if (r < 0)
        return r;
    if (!ours) {
        notice_clone(t, e);
        if (t->started) /* what was missed is no rival's */
            t->foreign_at = env_mono(t->env);
        r = t->pending_rows || t->files || t->deferred ? carry_over(t, b) : 0;
        if (r < 0)
            return r;
    }
    t->n_void = n_void;
    if (n_void) {
        counter_add(t->cfg.counters, COUNTER_CHANGES_VOID, n_void);
        log_warning("journal entry %" PRIu64 " by %s: %zu of %zu changes do not fit the tree and are void (%s)", e->sequence, e->host,
                    n_void, e->n_changes, t->void_why);
    }
    r = volume_state_applied(t, e, ours, t->inflight.op);
    if (r < 0)
        return r;
    if (ours) {
        r = commit_applied(t, e);
    } else {
        r = end_what_is_shared(t, b);
    }
    if (r == 0 && t->inflight.active && t->inflight.seq <= e->sequence)
        r = resolve(t);
    if (r == 0 && f->damaged)
        r = dispute_note(t, e);
    if (r == 0)
        r = checkpoint_applied(t, e, f->damaged);
    return r == 0 ? follow_save(t) : r;
}

/* A key that was taken into use is announced by an entry under the one before. An id that nobody has announced is garbage that looks like an entry: void, or one
 * PUT would stop everybody. */
static bool is_announced(struct tree *t, const void *p, size_t n) {
    uint8_t id[SEAL_KEY_ID_SIZE];
    char hex[2 * SEAL_KEY_ID_SIZE + 1], key[sizeof hex + 4];
    CLEANUP_BUF struct buf item = BUF_INIT(ENTRY_MAX);
    int format;
    if (seal_peek(p, n, &format, id) < 0)
        return false;
    hex_encode(id, sizeof id, hex);
    snprintf(key, sizeof key, "key/%s", hex);
    return rows_c_state(t, key, &item) != 0;
}

int follow_open(struct tree *t, uint64_t seq, const void *p, size_t n, struct entry *ret) {
    int r = entry_open(p, n, t->cfg.keys, t->cfg.prefix, seq, ret);
    return r == -ENOKEY && seq > 1 && !is_announced(t, p, n) ? -EBADMSG : r;
}

static int refuse(struct tree *t, uint64_t seq, int r, const void *p, size_t n) {
    uint8_t id[SEAL_KEY_ID_SIZE];
    int format;
    if (r == -ENOKEY && seal_peek(p, n, &format, id) == 0)
        key_set_missing(t, id);
    else if (r == -EPROTONOSUPPORT)
        tree_stop(t, "journal entry %" PRIu64 " is of a newer format; install a newer assetfs", seq);
    return r;
}

/* An entry has been applied. */
static void taken(struct tree *t, const struct entry *e, const struct finding *f, const struct before *b) {
    if (t->inflight.active && t->inflight.seq <= e->sequence)
        commit_resolved(t);
    if (!f->ours) {
        file_named_again(t);
        note_changes(t, b);
    }
    if (f->damaged)
        dispute_noted(t, e);
    else
        dispute_agreed(t, e, f->ours);
    if (t->n_void && !f->damaged)
        rebuild_suspect(t, e, f->ours);
    key_set_applied(t, e);
    counter_add(t->cfg.counters, COUNTER_ENTRIES_APPLIED, 1);
    compare_clear(t);
    t->head = MAX(t->head, e->sequence);
    buf_free(&t->batch.bytes);
}

int follow_take(struct tree *t, uint64_t seq, const void *p, size_t n) {
    CLEANUP_ENTRY struct entry e = {0};
    struct before b = {0};
    struct finding f = {0};
    if (seq != t->seq + 1)
        return 0;
    int r = follow_open(t, seq, p, n, &e);
    if (r == 0)
        r = check_entry(t, &e, &f);
    if (r < 0)
        return refuse(t, seq, r, p, n);
    r = batch_open(t, &e);
    if (r < 0)
        return r;
    f.ours = commit_is_ours(t, &e);
    struct follow_head before;
    follow_keep(t, &before);
    r = tree_begin(t);
    if (r < 0)
        return r;
    digest_of(p, n, t->head_hash);
    compare_allow(t, true);
    r = tree_end(t, apply_parsed(t, &e, &f, &b));
    compare_allow(t, false);
    if (r == -EBADMSG) { /* a row here: of the entry that would mean that it is void */
        r = -EUCLEAN;
        rebuild_unreadable(t, &e);
    }
    if (r < 0) {
        follow_back(t, &before);
        if (r != -EINPROGRESS)
            log_errno(r, "journal entry %" PRIu64 " could not be applied", seq);
    } else {
        taken(t, &e, &f, &b);
    }
    before_free(&b);
    return r;
}

static int replace(struct tree *t, const struct tree *fresh, int (*write)(void *arg, struct before *), void *arg, struct before *b, bool *ret_resolved) {
    uint8_t was[DIGEST_SIZE], now[DIGEST_SIZE];
    set_digest_value(&t->set, was);
    set_digest_value(&fresh->set, now);
    int r = write(arg, b);
    t->set = fresh->set;
    t->total_files = fresh->total_files;
    t->total_bytes = fresh->total_bytes;
    area_set_changed(t, NULL);
    if (r == 0)
        r = carry_over(t, b);
    if (r == 0)
        r = end_what_is_shared(t, b);
    if (r == 0)
        r = news_begin(t);
    if (r == 0 && t->inflight.active && memcmp(was, now, DIGEST_SIZE)) { /* built on what was never there: its number is another's, that entry showed the damage, or it comes back as somebody else's */
        r = resolve(t);
        *ret_resolved = true;
    }
    return r == 0 ? follow_save(t) : r;
}

int follow_replace(struct tree *t, const struct tree *fresh, int (*write)(void *arg, struct before *), void *arg) {
    struct before b = {0};
    struct follow_head before;
    follow_keep(t, &before);
    int r = tree_begin(t);
    if (r < 0)
        return r;
    bool resolved = false;
    r = tree_end(t, replace(t, fresh, write, arg, &b, &resolved));
    if (r < 0) {
        follow_back(t, &before);
    } else {
        if (resolved)
            commit_resolved(t);
        file_named_again(t);
        note_changes(t, &b);
    }
    before_free(&b);
    return r;
}

int follow_void(struct tree *t, uint64_t seq) {
    if (seq != t->seq + 1)
        return 0;
    if (seq == 1) {
        tree_stop(t, "entry 1 of the journal is not one of assetfs");
        return -EMEDIUMTYPE;
    }
    struct follow_head before;
    follow_keep(t, &before);
    int r = tree_begin(t);
    if (r < 0)
        return r;
    t->seq = seq;
    r = follow_save(t);
    if (r == 0 && t->inflight.active && t->inflight.seq <= seq)
        r = resolve(t);
    r = tree_end(t, r);
    if (r < 0) {
        follow_back(t, &before);
        return r;
    }
    if (t->inflight.active && t->inflight.seq <= seq)
        commit_resolved(t);
    counter_add(t->cfg.counters, COUNTER_ENTRIES_VOID, 1);
    log_warning("journal number %" PRIu64 " holds no readable entry: it is void, the journal goes on after it", seq);
    t->head = MAX(t->head, seq);
    return 0;
}

void follow_after(struct tree *t) {
    settle_hand_over(t);
    tree_lock(t);
    if (!t->closing)
        deferred_decide(t); /* what could not be while an entry was in flight */
    checkpoint_kick(t);
    commit_check_waits(t);
    commit_kick(t);
    settle_kick(t);
    tree_unlock(t);
}

/* Polling */

static int64_t poll_interval(struct tree *t) {
    bool idle = env_mono(t->env) - t->used_at > IDLE_AFTER_NS;
    return idle ? MAX(POLL_IDLE_NS, t->cfg.poll_ns) : t->cfg.poll_ns;
}

static void read_next(struct tree *t);

/* Under the lock: this round of reading is over. */
static void round_over(struct tree *t, int64_t again_in) {
    t->reading = false;
    if (!t->closing && !(t->read_only && t->stopped))
        env_timer_set(t->env, &t->poll_timer, env_mono(t->env) + (t->poll_again ? 0 : again_in));
    t->poll_again = false;
    tree_release(t);
}

static void trouble(struct tree *t, int err, const char *why) {
    uint64_t random;
    env_random(t->env, &random, sizeof random);
    tree_offline(t, true, why ? why : strerror(-err));
    round_over(t, MAX(retry_wait(&retry_fetch, err, ++t->read_failures, random), NS_PER_S / 4));
}

static void all_is_well(struct tree *t) {
    t->witness_at = env_mono(t->env);
    t->head_seen = env_now(t->env);
    t->read_failures = 0;
    t->absent_since = t->anchor_is_gone ? t->absent_since : 0;
    t->unproven_since = 0;
    tree_offline(t, false, NULL);
}

static int64_t absence(const struct tree *t) {
    return t->cfg.reader->absence_ns;
}

void follow_unproven(struct tree *t) {
    if (!t->unproven_since) {
        t->unproven_since = env_now(t->env);
        if (!t->unproven_said)
            log_warning("journal entries come out of a cache on the way: whether %" PRIu64 " is the newest one cannot be told", t->seq);
        t->unproven_said = true;
    }
    t->read_failures = 0;
    tree_offline(t, false, NULL);
}

static void first_done(void *arg, const struct store_got *got) {
    struct tree *t = arg;
    tree_lock(t);
    bool there = got->err == 0 || got->err == -ERANGE;
    if (there && got->cached) {
        follow_unproven(t);
        round_over(t, poll_interval(t));
    } else if (there) {
        tree_stop(t, "the bucket went backwards: journal entry %" PRIu64 " was there and is gone. This host keeps what it has and writes nothing; "
                     "restore the bucket, or move %s away to see the bucket as it is",
                  t->witness, t->cfg.dir);
        round_over(t, POLL_IDLE_NS);
    } else {
        trouble(t, -EIO, "the volume's journal is not there any more; this host goes on with what it has");
    }
    tree_unlock(t);
}

/* The newest entry that we know, the anchor, or an older one. Under the lock. */
static void witness_absent(struct tree *t) {
    int64_t now = env_mono(t->env);
    if (!t->absent_since)
        t->absent_since = now;
    if (now - t->absent_since < absence(t)) {
        round_over(t, MIN(poll_interval(t), absence(t) / 8));
        return;
    }
    CLEANUP_FREE char *key = entry_key(t->cfg.prefix, 1);
    store_get_range(t->cfg.reader, key, 0, 1, STORE_FRESH, first_done, t);
}

static void ask_witness(struct tree *t);

static void witness_done(void *arg, const struct store_got *got) {
    struct tree *t = arg;
    tree_lock(t);
    bool there = got->err == 0 || got->err == -ERANGE; /* a void number may hold an empty object */
    bool anchor = t->witness == t->anchor, was_gone = t->anchor_is_gone;
    t->anchor_is_gone = anchor && got->err == -ENOENT;
    if (there && t->closing) {
        round_over(t, 0);
    } else if (there && anchor) {
        t->anchor = 0;
        t->absent_since = was_gone ? 0 : t->absent_since;
        ask_witness(t);
    } else if (there && got->cached) {
        t->absent_since = 0;
        follow_unproven(t);
        t->witness_at = env_mono(t->env);
        round_over(t, poll_interval(t));
    } else if (there) {
        all_is_well(t);
        t->head = t->seq;
        round_over(t, poll_interval(t));
    } else if (got->err == -ENOENT) {
        witness_absent(t);
    } else {
        trouble(t, got->err, got->why);
    }
    tree_unlock(t);
    follow_after(t);
}

static void ask_witness(struct tree *t) {
    uint64_t newest = t->reading_seq - 1, random;
    t->witness = newest;
    if (t->unproven_since && !t->absent_since) {
        env_random(t->env, &random, sizeof random);
        t->witness = 1 + random % newest;
    } else if (t->anchor && t->anchor < newest) {
        t->witness = t->anchor;
    }
    CLEANUP_FREE char *key = entry_key(t->cfg.prefix, t->witness);
    store_get_range(t->cfg.reader, key, 0, 1, STORE_FRESH, witness_done, t);
}

/* Bytes that open under no key use their number up, for everybody: so it must be sure that they are what the bucket holds, and not a page that the CDN puts in the place of an error. The same
 * bytes, and nothing else, are read for longer than caches remember errors, and each time a number that nobody has must read as absent. */

const char follow_rewrites[] = "the CDN answers with a page of its own for journal entries that are not there: it must pass the bucket's answer on "
                               "(CloudFront: no custom error responses for 403 and 404)";

char *follow_control_key(struct tree *t) {
    uint64_t random;
    env_random(t->env, &random, sizeof random);
    return entry_key(t->cfg.prefix, UINT64_C(9000000000000000) + random % UINT64_C(999999999999999));
}

static void control_done(void *arg, const struct store_got *got) {
    struct tree *t = arg;
    tree_lock(t);
    if (t->closing) {
        round_over(t, 0);
    } else if (got->err == -ENOENT && t->looked_at - t->doubted_at < absence(t)) {
        round_over(t, absence(t) / 4);
    } else if (got->err == -ENOENT) {
        int r = follow_void(t, t->reading_seq);
        if (r == 0)
            read_next(t);
        else
            round_over(t, poll_interval(t));
    } else {
        t->second_look = 0;
        trouble(t, -EIO, got->err == 0 || got->err == -ERANGE ? follow_rewrites : got->why);
    }
    tree_unlock(t);
    follow_after(t);
}

/* Under the lock. */
static void unreadable(struct tree *t, const void *p, size_t n) {
    uint8_t digest[DIGEST_SIZE];
    int64_t now = env_mono(t->env);
    digest_of(p, n, digest);
    if (t->second_look != t->reading_seq || memcmp(digest, t->doubted, DIGEST_SIZE)) {
        t->second_look = t->reading_seq;
        t->doubted_at = now;
        memcpy(t->doubted, digest, DIGEST_SIZE);
    }
    t->looked_at = now;
    CLEANUP_FREE char *key = follow_control_key(t);
    store_get_range(t->cfg.reader, key, 0, 1, STORE_FRESH, control_done, t);
}

void follow_wait(struct tree *t, void (*ready)(void *arg, int err), void *arg) {
    tree_lock(t);
    void (*wait)(struct tree *, void (*)(void *, int), void *) = batch_is_wanted(t) ? batch_wait : compare_is_wanted(t) ? compare_wait : fault_wait_all;
    tree_unlock(t);
    wait(t, ready, arg);
}

/* An entry that was read, and whether it came out of a cache. */
struct taking {
    struct tree *tree;
    void *bytes;
    size_t n;
    bool cached;
};

/* Under the lock. -EINPROGRESS: again, when the rows it needs are here; the round goes on. */
static int take(struct tree *t, const void *p, size_t n, bool cached) {
    int r = follow_take(t, t->reading_seq, p, n);
    if (r == -EINPROGRESS)
        return r;
    if (r == -EBADMSG && absence(t)) {
        unreadable(t, p, n);
        return 0;
    }
    if (r == -EBADMSG && t->second_look == t->reading_seq)
        r = follow_void(t, t->reading_seq);
    else if (r == -EBADMSG)
        t->second_look = t->reading_seq, r = 0;
    int64_t since = cached ? t->unproven_since : 0;
    if (r == 0) {
        all_is_well(t);
        t->unproven_since = since;
        read_next(t);
    } else {
        round_over(t, poll_interval(t));
    }
    return 0;
}

static void take_again(void *arg, int err) {
    struct taking *k = arg;
    struct tree *t = k->tree;
    int r = 0;
    tree_lock(t);
    if (t->closing || t->stopped)
        round_over(t, 0);
    else if (err < 0)
        trouble(t, err, batch_is_wanted(t) ? "the batch of the next journal entry cannot be read" : "the checkpoint this host began from cannot be read");
    else
        r = take(t, k->bytes, k->n, k->cached);
    tree_unlock(t);
    if (r == -EINPROGRESS) {
        follow_wait(t, take_again, k);
        return;
    }
    free(k->bytes);
    free(k);
    follow_after(t);
}

static void take_later(struct tree *t, const struct store_got *got) {
    struct taking *k = xmalloc(sizeof *k);
    *k = (struct taking){t, xmemdup(got->data, got->len), got->len, got->cached};
    follow_wait(t, take_again, k);
}

static void next_done(void *arg, const struct store_got *got) {
    struct tree *t = arg;
    int r = 0;
    tree_lock(t);
    if (t->closing) {
        round_over(t, 0);
    } else if (got->err == -ENOENT && t->reading_seq > 1) {
        t->second_look = 0;
        ask_witness(t);
    } else if (got->err < 0) {
        trouble(t, got->err, got->why);
    } else {
        r = take(t, got->data, got->len, got->cached);
    }
    tree_unlock(t);
    if (r == -EINPROGRESS)
        take_later(t, got);
    else
        follow_after(t);
}

/* Under the lock, with `reading` set. */
static void read_next(struct tree *t) {
    CLEANUP_FREE char *key = entry_key(t->cfg.prefix, t->seq + 1);
    t->reading_seq = t->seq + 1;
    t->reading_since = env_mono(t->env);
    key_set_retry(t);
    store_get_range(t->cfg.reader, key, 0, 0, STORE_FRESH, next_done, t);
}

void follow_now(struct tree *t) {
    tree_lock(t);
    if (t->reading) {
        t->poll_again = true;
    } else if (t->started && !t->closing && !t->stopped && t->cfg.at.kind == PAST_NONE) {
        t->reading = true;
        tree_hold(t);
        read_next(t);
    }
    tree_unlock(t);
}

static void poll_tick(void *arg) {
    follow_now(arg);
}

void follow_init(struct tree *t) {
    t->poll_timer = (struct env_timer){.fn = poll_tick, .arg = t};
}

void tree_poll_now(struct tree *t) {
    follow_now(t);
}

void tree_used(struct tree *t) {
    int64_t now = env_mono(t->env), before = atomic_load_explicit(&t->used_at, memory_order_relaxed);
    atomic_store_explicit(&t->used_at, now, memory_order_relaxed);
    if (now - before > IDLE_AFTER_NS)
        follow_now(t);
}
