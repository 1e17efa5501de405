/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From pending rows to an entry in the bucket (rules §6, "commit"). One entry is on its way at a time: its bytes are in the database before the first put, and nothing else is put at its number
 * before its fate is known.
 *
 *     idle --timer--> build --transaction--> PUT --200--> applied, idle
 *                                            PUT --anything else--> read the number back: ours -> applied; another's -> lost, merged, idle;
 *                                                                                          not there -> PUT the same bytes again
 *
 * Before a put the newest entry must have been seen lately, for a bucket may have been restored to an older state. Where nobody can read the journal just now this is relaxed (may_go_blind()), and an answer
 * that did not come is not looked for there: the same bytes are put again, and only a number that is taken has to be read.
 */
#include "base/log.h"
#include "net/retry.h"
#include "tree/apply.h"
#include "tree/area_set.h"
#include "tree/batch.h"
#include "tree/build.h"
#include "tree/checkpoint.h"
#include "tree/claim.h"
#include "tree/dispute.h"
#include "tree/fault.h"
#include "tree/hold.h"
#include "tree/local.h"
#include "tree/rebuild.h"
#include "tree/volume_state.h"
#include <inttypes.h>
#include <utlist.h>

#define FOREIGN_LATELY_NS (10 * NS_PER_S)
#define YIELD_NS (500 * NS_PER_MS)
/* A witness this old does not allow a commit: the bucket might have gone backwards meanwhile. */
#define WITNESS_AGE(t) (2 * (t)->cfg.poll_ns + NS_PER_S)
/* But where the journal cannot be read just now, and the bucket takes puts, one of this age is enough: If-None-Match tells by itself whether the number is free, and only who finds it
 * taken has to read. Each own entry is a new witness. That a bucket is restored to an older state while nobody can read it is found out later: follow.c asks for the entry before those (the anchor), and this host stops
 * there, with what it has. Hosts that come anew to the restored bucket would stop before such entries, for they do not chain. */
#define BLIND_AGE_NS (3600 * NS_PER_S)
/* An answer that takes longer is not waited for. */
#define READ_PATIENCE_NS (2 * NS_PER_S)
/* The longest wait between two tries to claim a session, while programs stand and wait for it. */
#define CLAIM_WAIT_NS NS_PER_S

/* Waits */

static void call_waits(struct tree *t, struct wait *ended) {
    struct wait *w, *next;
    (void)t;
    DL_FOREACH_SAFE(ended, w, next) {
        DL_DELETE(ended, w);
        w->done(w->arg, w->err);
        free(w);
    }
}

static void end_wait(struct tree *t, struct wait *w, int err, struct wait **ended) {
    DL_DELETE(t->waits, w);
    env_timer_cancel(t->env, &w->timer);
    w->err = err;
    DL_APPEND(*ended, w);
}

/* Rows of operations up to op that are still pending: of one inode, or any. */
static bool is_pending(struct tree *t, uint64_t ino, uint64_t op) {
    if (t->pending_rows == 0)
        return false;
    sqlite3_stmt *s = ino == WAIT_STATE ? db_bind(&t->db, STMT_P_SINCE_STATE, "i", op)
                      : ino             ? db_bind(&t->db, STMT_P_SINCE_INO, "ii", ino, op)
                                        : db_bind(&t->db, STMT_P_SINCE, "i", op);
    bool pending = db_step(s) != 1 || sqlite3_column_int(s, 0);
    db_reset(s);
    return pending;
}

static void waits_on_loop(void *arg) {
    struct tree *t = arg;
    struct wait *w, *next, *ended = NULL;
    tree_lock(t);
    DL_FOREACH_SAFE(t->waits, w, next) {
        if (w->err)
            end_wait(t, w, w->err, &ended);
        else if (!is_pending(t, tree_resolve(t, w->ino), w->op))
            end_wait(t, w, 0, &ended);
    }
    tree_release(t);
    tree_unlock(t);
    call_waits(t, ended);
}

void commit_check_waits(struct tree *t) {
    if (!t->waits)
        return;
    tree_hold(t);
    env_post(t->env, waits_on_loop, t);
}

static void wait_expired(void *arg) {
    struct wait *w = arg;
    struct tree *t = w->tree;
    struct wait *ended = NULL;
    tree_lock(t);
    end_wait(t, w, -EIO, &ended);
    tree_unlock(t);
    call_waits(t, ended);
}

void commit_fail_waits(struct tree *t, uint64_t ino, int err) {
    struct wait *w;
    (void)err;
    DL_FOREACH(t->waits, w) {
        if (w->fsync && w->ino == ino)
            w->err = -EIO;
    }
    commit_check_waits(t);
}

struct tree_wait *commit_wait(struct tree *t, uint64_t ino, uint64_t op, int64_t timeout_ns, bool fsync,
                              void (*done)(void *, int), void *arg) {
    if (!is_pending(t, ino, op))
        return NULL;
    struct wait *w = xcalloc(1, sizeof *w);
    *w = (struct wait){.tree = t, .number = ++t->wait_number, .ino = ino, .op = op, .done = done, .arg = arg, .fsync = fsync};
    w->timer = (struct env_timer){.fn = wait_expired, .arg = w};
    DL_APPEND(t->waits, w);
    if (timeout_ns > 0)
        env_timer_set(t->env, &w->timer, env_mono(t->env) + timeout_ns);
    settle_kick(t);
    commit_kick(t);
    return (struct tree_wait *)(uintptr_t)w->number;
}

static void ignore(void *arg, int err) {
    (void)arg;
    (void)err;
}

/* The wait itself ends on the loop, where its timer cannot be firing. */
void tree_sync_cancel(struct tree *t, struct tree_wait *handle) {
    struct wait *w;
    tree_lock(t);
    DL_FOREACH(t->waits, w) {
        if (w->number == (uint64_t)(uintptr_t)handle) {
            w->done = ignore;
            w->err = -EINTR;
            commit_check_waits(t);
        }
    }
    tree_unlock(t);
}

static void sync_at_once(void *arg) {
    struct wait *w = arg;
    w->done(w->arg, 0);
    free(w);
}

struct tree_wait *tree_sync(struct tree *t, void (*done)(void *arg, int err), void *arg) {
    tree_lock(t);
    t->op++;
    t->force_op = t->op;
    int r = t->pending_rows ? db_run(&t->db, STMT_P_HURRY, "") : 0;
    if (r == 0)
        r = hold_release_all(t);
    if (r < 0)
        log_errno(r, "tree.db cannot be written");
    uploader_retry_now(t->uploader);
    if (t->inflight.active && !t->inflight.putting && t->started)
        env_timer_set(t->env, &t->commit_timer, env_mono(t->env));
    struct tree_wait *handle = commit_wait(t, 0, t->op, 0, false, done, arg);
    tree_unlock(t);
    if (!handle) {
        struct wait *w = xcalloc(1, sizeof *w);
        *w = (struct wait){.done = done, .arg = arg};
        env_post(t->env, sync_at_once, w);
    }
    return handle;
}

/* May it be put without a look at the journal? */

static bool is_reading_in_trouble(const struct tree *t) {
    return t->offline || (t->reading && env_mono(t->env) - t->reading_since >= READ_PATIENCE_NS);
}

/* Never with others' entries known of, nor where the newest one that is known reads as absent. */
static bool is_witness_enough(const struct tree *t, int64_t age) {
    return env_mono(t->env) - t->witness_at <= age && t->head <= t->seq && !t->absent_since;
}

static bool may_go_blind(const struct tree *t) {
    return is_reading_in_trouble(t) && is_witness_enough(t, BLIND_AGE_NS);
}

/* Building */

static void save_inflight(struct tree *t) {
    struct inflight *f = &t->inflight;
    int r = f->batch.len ? db_meta_set_bytes(&t->db, "inflight_batch", f->batch.data, f->batch.len) : 0;
    if (r == 0)
        r = db_run(&t->db, STMT_INFLIGHT_SET, "ibbi", f->seq, f->nonce, (size_t)NONCE_SIZE, f->bytes.data, f->bytes.len,
                   f->op);
    f->active = r == 0;
}

static bool needs_session(const struct tree *t) {
    return !t->session || t->counter + COUNTER_SPARE >= COUNTER_MAX;
}

static int seal_entry(struct tree *t, struct change *changes, size_t n, bool claim) {
    uint8_t salt[SEAL_SALT_SIZE];
    struct inflight *f = &t->inflight;
    struct entry e = {.sequence = t->seq + 1, .has_previous = true, .session = claim ? 0 : t->session};
    e.host = (char *)t->cfg.host_label;
    e.user = (char *)t->cfg.user_label;
    e.time = env_now(t->env);
    e.changes = changes;
    e.n_changes = n;
    e.ro_compat = area_set(t)->n ? FEATURE_AREAS : 0; /* who does not know the rules would put where they forbid it */
    memcpy(e.previous, t->head_hash, DIGEST_SIZE);
    checkpoint_fill(t, &e);
    set_digest_value(&t->set, e.tree);
    env_random(t->env, f->nonce, NONCE_SIZE);
    env_random(t->env, salt, sizeof salt);
    memcpy(e.nonce, f->nonce, NONCE_SIZE);
    f->seq = e.sequence;
    f->op = t->op;
    f->attempts = 0;
    buf_free(&f->bytes);
    f->bytes = BUF_INIT(ENTRY_MAX);
    buf_free(&f->batch);
    f->batch_put = false;
    int r = entry_seal(&e, t->cfg.keys, t->cfg.prefix, salt, &f->bytes);
    if (r != -EFBIG)
        return r;
    buf_free(&f->bytes);
    f->bytes = BUF_INIT(ENTRY_MAX);
    r = batch_seal(t, &e);
    return r < 0 ? r : entry_seal(&e, t->cfg.keys, t->cfg.prefix, salt, &f->bytes);
}

/* In a transaction: the next entry into t->inflight, if there is anything to say. */
static int build_entry(struct tree *t) {
    struct change *changes = NULL;
    size_t n = 0;
    bool announce = checkpoint_wants_entry(t) || dispute_wants_entry(t);
    bool claim = needs_session(t) && (t->session_wanted || !t->session); /* without one nothing can be said, not even what is pending */
    int r = claim || !t->session ? 0 : build_changes(t, &changes, &n, &t->held_removals);
    if (r == 0 && !claim && t->session)
        r = volume_state_build(t, &changes, &n);
    if (r == 0 && t->supersede)
        r = db_run(&t->db, STMT_P_DUE_NOW, "i", t->supersede);
    if (r == 0 && (n || claim || announce)) {
        r = seal_entry(t, changes, n, claim);
        if (r == 0)
            save_inflight(t);
    }
    for (size_t i = 0; i < n; i++)
        change_free(&changes[i]);
    free(changes);
    return r;
}

/* Putting, and finding out */

static void put_entry(struct tree *t);

static void put_again(struct tree *t, int err) {
    uint64_t random;
    env_random(t->env, &random, sizeof random);
    int64_t wait = retry_wait(&retry_upload, err, ++t->inflight.attempts, random);
    if (claim_is_waited_for(t) && retry_classify(err) == RETRY_SOON)
        wait = MIN(wait, CLAIM_WAIT_NS);
    t->commit_at = env_mono(t->env) + wait;
    t->commit_armed = true;
    env_timer_set(t->env, &t->commit_timer, t->commit_at);
}

struct entry_read {
    struct tree *tree;
    uint64_t seq;
};

static void read_back(struct tree *t);

/* Rows that the entry needs are here now, or cannot be had. */
static void rows_came(void *arg, int err) {
    struct entry_read *q = arg;
    struct tree *t = q->tree;
    tree_lock(t);
    if (t->inflight.active && t->inflight.seq == q->seq && !t->closing) {
        if (err < 0) {
            t->inflight.putting = false;
            put_again(t, err);
        } else {
            read_back(t);
        }
    }
    tree_unlock(t);
    free(q);
}

/* It cannot be applied before more of the tree is here; until then putting goes on. */
static void read_back_later(struct tree *t, uint64_t seq) {
    struct entry_read *q = xmalloc(sizeof *q);
    *q = (struct entry_read){t, seq};
    follow_wait(t, rows_came, q);
}

/* Another host has the number, or we: either way the entry in flight is resolved by applying what is there. */
static void read_back_done(void *arg, const struct store_got *got) {
    struct entry_read *q = arg;
    struct tree *t = q->tree;
    uint64_t seq = q->seq;
    free(q);
    tree_lock(t);
    if (!t->inflight.active || t->inflight.seq != seq || seq != t->seq + 1 || t->closing) {
        tree_release(t);
        tree_unlock(t);
        return;
    }
    int r = 0;
    t->inflight.putting = false;
    if (got->err == 0) {
        r = follow_take(t, seq, got->data, got->len);
        t->inflight.putting = r == -EINPROGRESS;
        if (r == -EBADMSG && !t->cfg.reader->absence_ns && t->inflight.attempts++ > 0)
            r = follow_void(t, seq);
        else if (r == -EBADMSG && !t->reading) /* follow.c finds out what stands there */
            env_timer_set(t->env, &t->poll_timer, env_mono(t->env));
        if (r < 0 && r != -EINPROGRESS)
            put_again(t, r);
    } else {
        put_again(t, got->err == -ENOENT ? -EIO : got->err);
    }
    if (r == -EINPROGRESS) {
        tree_unlock(t);
        read_back_later(t, seq);
        tree_lock(t);
    }
    tree_release(t);
    tree_unlock(t);
    follow_after(t);
}

static void read_back(struct tree *t) {
    CLEANUP_FREE char *key = entry_key(t->cfg.prefix, t->inflight.seq);
    struct entry_read *q = xmalloc(sizeof *q);
    *q = (struct entry_read){t, t->inflight.seq};
    tree_hold(t);
    store_get_range(t->cfg.reader, key, 0, 0, STORE_FRESH, read_back_done, q);
}

struct entry_put {
    struct tree *tree;
    uint64_t seq;
    char *key;
    struct buf bytes;
    struct store_put put;
};

static void put_refused(struct tree *t, int err, const char *why) {
    t->session_failed_at = env_mono(t->env);
    claim_ended(t);
    if (!t->reason)
        log_error("the bucket refuses journal entries: %s; changes stay on this host until it accepts them", why ? why : strerror(-err));
    free(t->reason);
    t->reason = xasprintf("the bucket refuses journal entries: %s", why ? why : strerror(-err));
    put_again(t, err);
}

static void put_done(void *arg, int err, const char *why) {
    struct entry_put *p = arg;
    struct tree *t = p->tree;
    int r = 0;
    tree_lock(t);
    struct inflight *f = &t->inflight;
    bool ours = f->active && f->bytes.len == p->bytes.len && !memcmp(f->bytes.data, p->bytes.data, p->bytes.len);
    if (!ours || f->seq != t->seq + 1 || t->closing) { /* somebody has read it already */
        f->putting = f->putting && !(ours && f->seq == p->seq);
    } else if (err == 0) {
        f->putting = false;
        if (!t->offline) { /* that reason stands */
            free(t->reason);
            t->reason = NULL;
        }
        t->witness_at = env_mono(t->env);
        t->unproven_since = 0; /* the number was free: what we know was the head */
        t->put_while_offline = t->offline;
        r = follow_take(t, f->seq, p->bytes.data, p->bytes.len);
        f->putting = r == -EINPROGRESS;
        if (r < 0 && r != -EINPROGRESS)
            put_again(t, r);
    } else if (err == -EACCES || err == -EINVAL || err == -ENOSPC || err == -EROFS) {
        f->putting = false;
        put_refused(t, err, why);
    } else if (err != -EEXIST && is_reading_in_trouble(t)) { /* its fate shows when it is put again: taken now, or there already */
        f->putting = t->put_while_offline = false;
        put_again(t, err);
    } else {
        if (err == -EEXIST)
            counter_add(t->cfg.counters, COUNTER_RACES_LOST, 1);
        else
            log_debug("entry %" PRIu64 ": %s; reading it back", f->seq, why ? why : strerror(-err));
        read_back(t); /* putting goes on */
    }
    if (r == -EINPROGRESS) {
        tree_unlock(t);
        read_back_later(t, p->seq);
        tree_lock(t);
    }
    tree_release(t);
    tree_unlock(t);
    follow_after(t);
    buf_free(&p->bytes);
    free(p->key);
    free(p);
}

/* It is named by its digest, and sealed under a salt of its own: whatever stands there is it, put before. */
static void batch_put_done(void *arg, int err, const char *why) {
    struct entry_put *p = arg;
    struct tree *t = p->tree;
    tree_lock(t);
    struct inflight *f = &t->inflight;
    if (f->active && f->seq == p->seq && !t->closing) {
        f->putting = false;
        f->batch_put = err == 0 || err == -EEXIST;
        if (f->batch_put)
            put_entry(t);
        else if (err == -EACCES || err == -EINVAL || err == -ENOSPC || err == -EROFS)
            put_refused(t, err, why);
        else
            put_again(t, err);
    }
    tree_release(t);
    tree_unlock(t);
    buf_free(&p->bytes);
    free(p->key);
    free(p);
}

static void put_batch(struct tree *t) {
    struct inflight *f = &t->inflight;
    struct entry_put *p = xcalloc(1, sizeof *p);
    f->putting = true;
    p->tree = t;
    p->seq = f->seq;
    p->bytes = BUF_INIT(BATCH_MAX);
    buf_append(&p->bytes, f->batch.data, f->batch.len);
    digest_of(p->bytes.data, p->bytes.len, p->put.sha256);
    p->key = batch_key(t->cfg.prefix, p->put.sha256);
    p->put.key = p->key;
    p->put.bytes = p->bytes.data;
    p->put.size = p->bytes.len;
    tree_hold(t);
    store_put_if_absent(t->cfg.writer, &p->put, batch_put_done, p);
}

/* Under the lock. What it refers to goes first. */
static void put_entry(struct tree *t) {
    struct inflight *f = &t->inflight;
    if (f->batch.len && !f->batch_put) {
        put_batch(t);
        return;
    }
    struct entry_put *p = xcalloc(1, sizeof *p);
    f->putting = true;
    p->tree = t;
    p->seq = f->seq;
    p->key = entry_key(t->cfg.prefix, f->seq);
    p->bytes = BUF_INIT(ENTRY_MAX);
    buf_append(&p->bytes, f->bytes.data, f->bytes.len);
    p->put = (struct store_put){.key = p->key, .bytes = p->bytes.data, .size = p->bytes.len};
    digest_of(p->bytes.data, p->bytes.len, p->put.sha256);
    tree_hold(t);
    store_put_if_absent(t->cfg.writer, &p->put, put_done, p);
}

/* When */

static bool somebody_waits(const struct tree *t) {
    return t->waits || (t->session_wanted && needs_session(t));
}

void commit_kick(struct tree *t) {
    if (!t->started || t->closing || t->read_only || t->cfg.read_only || (t->offline && !may_go_blind(t)) || rebuild_bars_commits(t))
        return;
    if (t->inflight.active) { /* an outage, or a restart, has interrupted it */
        if (!t->inflight.putting && (!t->commit_armed || t->commit_waits)) {
            t->commit_waits = false;
            t->commit_armed = true;
            t->commit_at = env_mono(t->env);
            env_timer_set(t->env, &t->commit_timer, t->commit_at);
        }
        return;
    }
    if (!t->pending_rows && !(t->session_wanted && needs_session(t)) && !checkpoint_wants_entry(t) && !dispute_wants_entry(t))
        return;
    int64_t now = env_mono(t->env);
    int64_t at = MAX(now + (somebody_waits(t) ? 0 : t->cfg.settle_ns), t->commit_not_before);
    if (t->commit_armed && t->commit_at <= at)
        return;
    t->commit_armed = true;
    t->commit_at = at;
    env_timer_set(t->env, &t->commit_timer, at);
}

static void build_again(void *arg, int err) {
    struct tree *t = arg;
    tree_lock(t);
    if (err < 0 && !t->closing && !t->inflight.active)
        put_again(t, err);
    else
        commit_kick(t);
    tree_unlock(t);
}

/* It calls commit_kick() when it has seen the head; and if it does not come to that for too long, perhaps it need not be seen. */
static void look_first(struct tree *t) {
    tree_unlock(t);
    follow_now(t);
    tree_lock(t);
    if (t->reading && !t->commit_armed && !t->closing && is_witness_enough(t, BLIND_AGE_NS)) {
        t->commit_armed = t->commit_waits = true;
        t->commit_at = MAX(t->reading_since + READ_PATIENCE_NS, env_mono(t->env));
        env_timer_set(t->env, &t->commit_timer, t->commit_at);
    }
}

static void commit_tick(void *arg) {
    struct tree *t = arg;
    tree_lock(t);
    t->commit_armed = t->commit_waits = false;
    if (t->closing || t->read_only || t->cfg.read_only || !t->started || t->inflight.putting || rebuild_bars_commits(t)) {
        tree_unlock(t);
        return;
    }
    if (!is_witness_enough(t, WITNESS_AGE(t)) && !may_go_blind(t)) {
        look_first(t);
        tree_unlock(t);
        return;
    }
    if (!t->inflight.active) {
        int r = db_begin(&t->db);
        t->pending_rows_before = t->pending_rows;
        t->missed = false;
        if (r == 0)
            r = tree_end(t, build_entry(t));
        if (r == -EINPROGRESS) {
            t->inflight.active = false;
            tree_unlock(t);
            fault_wait_all(t, build_again, t);
            return;
        }
        if (r < 0) {
            t->inflight.active = false;
            log_errno(r, "no journal entry could be made");
            put_again(t, -EIO);
        }
    }
    if (t->inflight.active)
        put_entry(t);
    tree_unlock(t); /* nothing ready: whoever makes something ready kicks again */
}

void commit_init(struct tree *t) {
    t->commit_timer = (struct env_timer){.fn = commit_tick, .arg = t};
    t->inflight.bytes = BUF_INIT(ENTRY_MAX);
    t->inflight.batch = BUF_INIT(BATCH_MAX);
    t->witness_at = INT64_MIN / 2;
}

void commit_resume(struct tree *t) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_INFLIGHT, "");
    struct inflight *f = &t->inflight;
    if (db_step(s) == 1 && sqlite3_column_bytes(s, 1) == NONCE_SIZE) {
        f->active = true;
        f->seq = (uint64_t)sqlite3_column_int64(s, 0);
        memcpy(f->nonce, sqlite3_column_blob(s, 1), NONCE_SIZE);
        buf_append(&f->bytes, sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2));
        f->op = (uint64_t)sqlite3_column_int64(s, 3);
    }
    db_reset(s);
    if (f->active && db_meta_bytes(&t->db, "inflight_batch", &f->batch) == -EFBIG)
        log_error("tree.db: the batch of the entry in flight is too large");
}

/* After */

bool commit_is_ours(struct tree *t, const struct entry *e) {
    return t->inflight.active && t->inflight.seq == e->sequence && !memcmp(t->inflight.nonce, e->nonce, NONCE_SIZE);
}

static int resettle(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = ino ? rows_p_inode(t, ino, &rec, &p) : 0;
    return r == 1 ? rows_p_settle(t, ino, &rec, &p) : r;
}

/* An inode whose names an own entry brought, and whose record it did not have to bring: bytes written here are then what C has already. */
static int resettle_named(struct tree *t, uint64_t ino) {
    struct row_pending p;
    int r = ino ? rows_p_inode(t, ino, NULL, &p) : 0;
    if (r != 1 || !p.snap)
        return r == 1 ? resettle(t, ino) : r;
    file_committed(t, ino);
    return 0;
}

/* What the entry brought here was moved on meanwhile, and has lost its last name: so that row takes it away, which nobody could note when C did not have it. It waits for all that was written
 * until now. */
static int note_lost(struct tree *t, const struct name_edit *e) {
    struct row_pending_name p;
    uint32_t nlink = 0;
    int r = e->now ? rows_p_name(t, e->parent, e->name, e->n, &p) : 0;
    if (r != 1 || p.removed)
        return MIN(r, 0);
    r = rows_v_inode(t, e->now, NULL, &nlink, NULL);
    return r < 0 || nlink > 0 ? MIN(r, 0) : db_run(&t->db, STMT_P_REMOVED, "ii", e->now, t->op);
}

static int claimed(struct tree *t, uint64_t session) {
    t->session = session;
    t->counter = t->counter_reserved = 0;
    t->session_wanted = false;
    claim_ended(t);
    int r = db_meta_set_int(&t->db, "session", (int64_t)session);
    return r < 0 ? r : db_meta_set_int(&t->db, "counter", 0);
}

int commit_applied(struct tree *t, const struct entry *e) {
    uint64_t op = t->inflight.op;
    int r = e->session ? 0 : claimed(t, e->sequence);
    t->inflight.active = false; /* rows that equal C may go now; restored below, until the transaction has ended */
    for (size_t i = 0; i < e->n_changes && r == 0; i++) {
        const struct change *c = &e->changes[i];
        for (size_t k = 0; k < c->n_names && r == 0; k++)
            r = rows_p_prune_name(t, c->names[k].parent, c->names[k].name, c->names[k].n, op);
        for (size_t k = 0; k < c->n_names && r == 0; k++)
            r = note_lost(t, &c->names[k]);
        for (size_t k = 0; k < c->n_inodes; k++)
            file_committed(t, c->inodes[k].ino);
        for (size_t k = 0; k < c->n_names && r == 0; k++) {
            r = resettle_named(t, c->names[k].now);
            if (r == 0)
                r = resettle_named(t, c->names[k].was);
            if (r == 0)
                r = resettle(t, c->names[k].parent);
        }
    }
    t->inflight.active = true;
    counter_add(t->cfg.counters, COUNTER_ENTRIES_WRITTEN, 1);
    if (env_mono(t->env) - t->foreign_at < FOREIGN_LATELY_NS) {
        uint16_t jitter;
        env_random(t->env, &jitter, sizeof jitter);
        t->commit_not_before = env_mono(t->env) + YIELD_NS / 2 + YIELD_NS * jitter / UINT16_MAX;
    }
    return r;
}

/* In the transaction that resolves the entry in flight. The memory of what to look at goes with commit_resolved(). */
int commit_prune(struct tree *t) {
    bool active = t->inflight.active;
    int r = 0;
    t->inflight.active = false; /* rows that equal C may go now */
    for (size_t i = 0; i < t->n_equals && r == 0; i++) {
        const struct inval *e = &t->equals[i];
        r = e->name ? rows_p_prune_name(t, e->parent, e->name, e->n, 0) : resettle(t, e->ino);
    }
    if (r == 0 && t->pending_rows) /* a local file may have been brought back by a row that only the entry in flight still covered */
        r = local_sweep(t);
    t->inflight.active = active;
    return r;
}

void commit_resolved(struct tree *t) {
    t->inflight.putting = false; /* a put that has not come back yet finds another entry, or none */
    for (size_t i = 0; i < t->n_equals; i++)
        free(t->equals[i].name);
    t->n_equals = 0;
    t->inflight.active = false;
    t->inflight.attempts = 0;
    buf_reset(&t->inflight.bytes);
    buf_free(&t->inflight.batch);
}
