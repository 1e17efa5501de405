/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/tree.h"
#include "base/log.h"
#include "tree/checkpoint.h"
#include "tree/compare.h"
#include "tree/area_set.h"
#include "tree/deferred.h"
#include "tree/dispute.h"
#include "tree/fault.h"
#include "tree/hold.h"
#include "tree/key_set.h"
#include "tree/claim.h"
#include "tree/local.h"
#include "tree/rebuild.h"
#include <inttypes.h>
#include <stdarg.h>

/* Numbers are reserved in the database by so many at a time. */
#define RESERVE 4096

/* The kernel's caches */

static struct inval *new_inval(struct tree *t) {
    if (t->n_invals == t->cap_invals) {
        t->cap_invals = MAX(32, 2 * t->cap_invals);
        t->invals = xrealloc(t->invals, t->cap_invals * sizeof *t->invals);
    }
    return &t->invals[t->n_invals++];
}

void tree_note_entry(struct tree *t, uint64_t parent, const char *name, size_t n) {
    *new_inval(t) = (struct inval){.parent = parent, .name = xmemdup(name, n), .n = n};
}

void tree_note_inode(struct tree *t, uint64_t ino, bool data) {
    *new_inval(t) = (struct inval){.ino = ino, .data = data};
}

void tree_note_equal(struct tree *t, uint64_t parent_or_ino, const char *name, size_t n) {
    if (t->n_equals == t->cap_equals) {
        t->cap_equals = MAX(32, 2 * t->cap_equals);
        t->equals = xrealloc(t->equals, t->cap_equals * sizeof *t->equals);
    }
    t->equals[t->n_equals++] = (struct inval){
        .parent = name ? parent_or_ino : 0, .ino = name ? 0 : parent_or_ino, .name = name ? xmemdup(name, n) : NULL, .n = n};
}

void tree_unlock(struct tree *t) {
    struct inval *list = t->invals;
    size_t n = t->n_invals;
    t->invals = NULL;
    t->n_invals = t->cap_invals = 0;
    pthread_mutex_unlock(&t->lock);
    const struct tree_hooks *h = &t->cfg.hooks;
    for (size_t i = 0; i < n; i++) {
        if (list[i].name && h->inval_entry)
            h->inval_entry(h->arg, list[i].parent, list[i].name, list[i].n);
        else if (!list[i].name && h->inval_inode)
            h->inval_inode(h->arg, list[i].ino, list[i].data);
        free(list[i].name);
    }
    free(list);
}

/* Operations under way */

void tree_hold(struct tree *t) {
    t->idle_refs++;
}

void tree_release(struct tree *t) {
    if (--t->idle_refs == 0)
        pthread_cond_broadcast(&t->idle_cond);
}

/* Being read-only, being offline */

ATTR_PRINTF(2, 0) static void freeze(struct tree *t, const char *fmt, va_list ap) {
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    if (!t->read_only || !t->reason || strcmp(t->reason, text))
        log_error("%s", text);
    free(t->reason);
    t->reason = xstrdup(text);
    t->read_only = true;
    claim_ended(t);
}

void tree_freeze(struct tree *t, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    freeze(t, fmt, ap);
    va_end(ap);
}

void tree_stop(struct tree *t, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    freeze(t, fmt, ap);
    va_end(ap);
    t->stopped = true;
}

void tree_offline(struct tree *t, bool offline, const char *why) {
    if (offline != t->offline && offline)
        log_warning("the bucket does not answer: %s; going on with local state", why);
    else if (offline != t->offline)
        log_info("the bucket answers again");
    if (!t->read_only && (offline || t->offline)) {
        free(t->reason);
        t->reason = offline ? xstrdup(why) : NULL;
    }
    if (offline != t->offline) {
        t->put_while_offline = false;
        t->commit_armed &= offline; /* what waits for its next try need not any longer */
    }
    t->offline = offline;
}

/* Numbers and time */

uint64_t tree_resolve(struct tree *t, uint64_t ino) {
    struct alias *a;
    while (t->aliases) {
        HASH_FIND(hh, t->aliases, &ino, sizeof ino, a);
        if (!a)
            break;
        ino = a->to;
    }
    return ino;
}

int tree_end_aliases(struct tree *t) {
    struct alias *a, *next;
    int r = 0;
    HASH_ITER(hh, t->aliases, a, next) {
        if (r < 0 || rows_c_inode(t, a->from, NULL, NULL, NULL) != 1) /* what is applied is here */
            continue;
        r = db_run(&t->db, STMT_ALIAS_DEL, "i", a->from);
        tree_note_inode(t, a->from, true);
        HASH_DEL(t->aliases, a);
        free(a);
    }
    return r;
}

struct orphan *tree_orphan(struct tree *t, uint64_t ino) {
    struct orphan *o;
    HASH_FIND(hh, t->orphans, &ino, sizeof ino, o);
    return o;
}

int tree_mint(struct tree *t, uint64_t *ret) {
    if (!t->session || t->counter >= COUNTER_MAX)
        return -EROFS;
    t->counter++;
    if (t->counter > t->counter_reserved) {
        t->counter_reserved = MIN(t->counter + RESERVE, COUNTER_MAX);
        int r = db_meta_set_int(&t->db, "counter", (int64_t)t->counter_reserved);
        if (r < 0)
            return r;
    }
    *ret = t->session << SESSION_SHIFT | t->counter;
    return 0;
}

int tree_drop_session(struct tree *t) {
    int r = db_meta_set_int(&t->db, "old_session", (int64_t)t->session);
    t->old_session = t->session;
    t->session = 0;
    return r < 0 ? r : db_meta_set_int(&t->db, "session", 0);
}

int tree_mint_copy(struct tree *t, uint64_t *ret) {
    int r = tree_mint(t, ret);
    if (r != -EROFS || !t->old_session)
        return r;
    uint64_t first = (t->old_session << SESSION_SHIFT) + COUNTER_MAX / 2 + 1, end = (t->old_session + 1) << SESSION_SHIFT;
    first = MAX(first, fault_first_unknown(t, t->old_session)); /* nobody has to be asked for these */
    for (int tries = 0; tries < 100 && first < end; tries++) {
        uint32_t random;
        env_random(t->env, &random, sizeof random);
        *ret = first + random % (end - first);
        r = rows_v_inode(t, *ret, NULL, NULL, NULL);
        if (r == 0)
            r = rows_c_inode(t, *ret, NULL, NULL, NULL);
        if (r <= 0)
            return r;
    }
    return -EAGAIN;
}

uint64_t tree_spool_id(struct tree *t) {
    t->spool_next++;
    if (t->spool_next > t->spool_reserved) {
        t->spool_reserved = t->spool_next + RESERVE;
        if (db_meta_set_int(&t->db, "spool", (int64_t)t->spool_reserved) < 0)
            log_error("tree.db cannot be written");
    }
    return t->spool_next;
}

int64_t tree_time(struct tree *t) {
    t->last_time = MAX(env_now(t->env), t->last_time + 1);
    return t->last_time;
}

int tree_begin(struct tree *t) {
    int r = db_begin(&t->db);
    t->op++;
    t->missed = false;
    t->pending_rows_before = t->pending_rows;
    return r;
}

/* Two passes beside the work of others, which leave little to do, then one under the lock: only when nobody writes meanwhile does the log begin anew, and it
 * must, or a long import would fill the disk with it. */
static void checkpoint_run(void *arg) {
    struct tree *t = arg;
    int r = db_checkpoint(&t->db);
    if (r == 0)
        r = db_checkpoint(&t->db);
    if (r == 0) {
        tree_lock(t);
        r = db_checkpoint(&t->db);
        tree_unlock(t);
    }
    if (r < 0 && r != -EBUSY)
        log_errno(r, "%s cannot be written", t->db.path);
}

static void checkpoint_done(void *arg) {
    struct tree *t = arg;
    tree_lock(t);
    t->checkpointing = false;
    tree_release(t);
    tree_unlock(t);
}

static void checkpoint_if_due(struct tree *t) {
    if (t->db.wal_pages < DB_WAL_PAGES || t->checkpointing || t->closing)
        return;
    t->checkpointing = true;
    tree_hold(t);
    env_work(t->env, checkpoint_run, checkpoint_done, t);
}

int tree_end(struct tree *t, int r) {
    r = tree_missed(t, r);
    if (r >= 0) {
        int c = db_commit(&t->db);
        if (c == 0)
            checkpoint_if_due(t);
        if (c == 0)
            return r;
        r = c;
    } else {
        db_rollback(&t->db);
    }
    t->pending_rows = t->pending_rows_before;
    area_set_changed(t, NULL);
    t->counter_reserved = MIN(t->counter_reserved, t->counter); /* what was reserved may be undone: reserve again */
    t->spool_reserved = MIN(t->spool_reserved, t->spool_next);
    if (deferred_load(t) < 0)
        log_error("%s cannot be read", t->db.path);
    return r;
}

/* Opening */

static int load_meta(struct tree *t) {
    CLEANUP_BUF struct buf b = BUF_INIT(1024);
    t->seq = (uint64_t)db_meta_int(&t->db, "seq", 0);
    t->head = t->seq;
    t->anchor = (uint64_t)db_meta_int(&t->db, "anchor", 0);
    t->session = (uint64_t)db_meta_int(&t->db, "session", 0);
    t->old_session = (uint64_t)db_meta_int(&t->db, "old_session", 0);
    t->dispute.own_seen = (uint64_t)db_meta_int(&t->db, "own_seen", 0);
    t->counter = t->counter_reserved = (uint64_t)db_meta_int(&t->db, "counter", 0);
    t->spool_next = t->spool_reserved = (uint64_t)db_meta_int(&t->db, "spool", 0);
    t->total_files = (uint64_t)db_meta_int(&t->db, "total_files", 0);
    t->total_bytes = (uint64_t)db_meta_int(&t->db, "total_bytes", 0);
    if (t->seq == 0)
        return 0;
    if (db_meta_bytes(&t->db, "head_hash", &b) < 0 || b.len != DIGEST_SIZE)
        return -EBADMSG;
    memcpy(t->head_hash, b.data, DIGEST_SIZE);
    buf_reset(&b);
    if (db_meta_bytes(&t->db, "set", &b) < 0 || b.len != SET_DIGEST_SIZE)
        return -EBADMSG;
    set_digest_load(&t->set, b.data);
    buf_reset(&b);
    if (db_meta_bytes(&t->db, "volume", &b) < 0 || b.len != VOLUME_ID_SIZE)
        return -EBADMSG;
    memcpy(t->volume_id, b.data, VOLUME_ID_SIZE);
    t->has_volume = true;
    return 0;
}

static int load_pending(struct tree *t) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_COUNT, "");
    if (db_step(s) == 1)
        t->pending_rows = sqlite3_column_int64(s, 0) + sqlite3_column_int64(s, 1);
    db_reset(s);
    s = db_bind(&t->db, STMT_P_MAX_OP, "");
    if (db_step(s) == 1)
        t->op = (uint64_t)sqlite3_column_int64(s, 0);
    db_reset(s);
    s = db_bind(&t->db, STMT_ALIASES, "");
    int r;
    while ((r = db_step(s)) == 1) {
        struct alias *a = xcalloc(1, sizeof *a);
        a->from = (uint64_t)sqlite3_column_int64(s, 0);
        a->to = (uint64_t)sqlite3_column_int64(s, 1);
        HASH_ADD(hh, t->aliases, from, sizeof a->from, a);
    }
    return r;
}

/* With an entry in flight at the last end, any pending row may be one that tree_note_equal() had noted. */
static int note_all_equal(struct tree *t) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_ALL_NAMES, "");
    int r;
    while ((r = db_step(s)) == 1)
        tree_note_equal(t, (uint64_t)sqlite3_column_int64(s, 0), sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    if (r < 0)
        return r;
    s = db_bind(&t->db, STMT_P_ALL_INODES, "");
    while ((r = db_step(s)) == 1)
        tree_note_equal(t, (uint64_t)sqlite3_column_int64(s, 0), NULL, 0);
    return r;
}

/* A state directory that was copied to another machine, or to another place, must not give out the same numbers. */
static int check_machine(struct tree *t) {
    CLEANUP_BUF struct buf b = BUF_INIT(4096);
    const char *now = t->cfg.machine_id ? t->cfg.machine_id : "";
    bool known = db_meta_bytes(&t->db, "machine", &b) == 0;
    if (known && b.len == strlen(now) && !memcmp(b.data, now, b.len))
        return 0;
    if (known && t->session) {
        log_warning("the local state comes from another machine or directory: a new session will be taken");
        int r = tree_drop_session(t);
        if (r < 0)
            return r;
    }
    int r = db_meta_set_int(&t->db, "session", (int64_t)t->session);
    return r < 0 ? r : db_meta_set_bytes(&t->db, "machine", now, strlen(now));
}

static void copy_config(struct tree *t, const struct tree_config *cfg) {
    t->cfg = *cfg;
    t->cfg.prefix = xstrdup(cfg->prefix);
    t->cfg.dir = xstrdup(cfg->dir);
    t->cfg.host_label = xstrdup(cfg->host_label);
    t->cfg.user_label = xstrdup(cfg->user_label);
    t->cfg.machine_id = cfg->machine_id ? xstrdup(cfg->machine_id) : NULL;
}

static bool trust_object(void *arg, const uint8_t id[DIGEST_SIZE], const char *key) {
    struct tree *t = arg;
    tree_lock(t);
    bool known = rows_object_known(t, id, key) == 1;
    tree_unlock(t);
    return known;
}

static struct tree *tree_new(const struct tree_config *cfg) {
    struct tree *t = xcalloc(1, sizeof *t);
    pthread_condattr_t attr;
    copy_config(t, cfg);
    t->env = cfg->env;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->session_cond, &attr);
    pthread_cond_init(&t->idle_cond, &attr);
    pthread_condattr_destroy(&attr);
    t->used_at = env_mono(t->env);
    t->foreign_at = INT64_MIN / 2;
    t->commit_not_before = INT64_MIN / 2;
    checkpoint_init(t);
    commit_init(t);
    follow_init(t);
    settle_init(t);
    struct uploader_config up = {.env = cfg->env,
                                 .counters = cfg->counters,
                                 .writer = cfg->writer,
                                 .reader = cfg->reader,
                                 .digests_keeper = cfg->block_reader,
                                 .keys = cfg->keys,
                                 .prefix = t->cfg.prefix,
                                 .trust = trust_object,
                                 .arg = t};
    t->uploader = uploader_new(&up);
    return t;
}

static void tree_free(struct tree *t) {
    checkpoint_free(t);
    struct alias *a, *a2;
    struct orphan *o, *o2;
    uploader_free(t->uploader);
    HASH_ITER(hh, t->aliases, a, a2) {
        HASH_DEL(t->aliases, a);
        free(a);
    }
    HASH_ITER(hh, t->orphans, o, o2) {
        HASH_DEL(t->orphans, o);
        record_free(&o->rec);
        free(o);
    }
    t->fault = fault_free(t->fault);
    db_close(&t->db);
    areas_free(&t->areas);
    buf_free(&t->inflight.bytes);
    buf_free(&t->inflight.batch);
    buf_free(&t->batch.bytes);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->session_cond);
    pthread_cond_destroy(&t->idle_cond);
    free((char *)t->cfg.prefix);
    free((char *)t->cfg.dir);
    free((char *)t->cfg.host_label);
    free((char *)t->cfg.user_label);
    free((char *)t->cfg.machine_id);
    free(t->reason);
    free(t->stuck_reason);
    dispute_free(t);
    compare_clear(t);
    for (size_t i = 0; i < t->n_equals; i++)
        free(t->equals[i].name);
    free(t->equals);
    free(t->invals);
    free(t);
}

int tree_open(const struct tree_config *cfg, struct tree **ret, struct buf *why) {
    struct tree *t = tree_new(cfg);
    CLEANUP_FREE char *path = xasprintf("%s/tree.db", cfg->dir);
    int r = db_open(&t->db, path);
    if (r == 0)
        r = load_meta(t);
    if (r == 0)
        r = load_pending(t);
    if (r == 0)
        r = checkpoint_load(t);
    if (r == 0)
        r = check_machine(t);
    if (r < 0) {
        if (r == -EBADMSG)
            buf_printf(why, "%s is damaged or of a newer assetfs; what was not uploaded yet is in %s/spool: copy that away, then remove %s",
                       path, cfg->dir, cfg->dir);
        else
            buf_printf(why, "%s: %s", path, strerror(-r));
    } else {
        commit_resume(t);
        r = t->inflight.active ? note_all_equal(t) : 0;
        if (r == 0)
            r = hold_recover(t);
        if (r == 0)
            r = deferred_load(t);
        if (r == 0)
            r = settle_recover(t, why);
        if (r == 0)
            fault_open(t);
        if (r == 0)
            key_set_load(t);
        if (r == 0)
            deferred_decide(t); /* no handle has survived the restart */
    }
    if (r < 0) {
        tree_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

/* Closing: what is under way ends first; what is pending stays. */

static void close_on_loop(void *arg) {
    struct tree *t = arg;
    struct wait *w;
    tree_lock(t);
    env_timer_cancel(t->env, &t->poll_timer);
    env_timer_cancel(t->env, &t->commit_timer);
    env_timer_cancel(t->env, &t->settle_timer);
    for (w = t->waits; w; w = w->next)
        w->err = -EINTR;
    commit_check_waits(t);
    uploader_cancel_all(t->uploader);
    checkpoint_stop(t);
    fault_close(t);
    rebuild_close(t);
    file_end_lingering(t);
    tree_release(t);
    tree_unlock(t);
}

struct tree *tree_close(struct tree *t) {
    if (!t)
        return NULL;
    tree_lock(t);
    t->closing = true;
    claim_ended(t);
    tree_hold(t);
    env_post(t->env, close_on_loop, t);
    while (t->idle_refs)
        pthread_cond_wait(&t->idle_cond, &t->lock);
    tree_unlock(t);
    settle_hand_over(t);
    tree_lock(t); /* whoever released last has let go of the lock */
    tree_unlock(t);
    tree_free(t);
    return NULL;
}

void tree_status(struct tree *t, struct tree_status *ret) {
    *ret = (struct tree_status){0};
    tree_lock(t);
    hex_encode(t->volume_id, VOLUME_ID_SIZE, ret->volume);
    ret->sequence = t->seq;
    ret->head = MAX(t->head, t->seq);
    ret->head_seen_ns = t->head_seen;
    ret->head_unproven_ns = t->unproven_since;
    if (t->pending_rows) {
        sqlite3_stmt *s = db_bind(&t->db, STMT_P_QUEUE, "");
        if (db_step(s) == 1)
            ret->local_files = (uint64_t)sqlite3_column_int64(s, 0);
        db_reset(s);
    }
    ret->uploading_files = t->settling;
    ret->uploading_bytes = t->uploading_bytes;
    ret->local_files -= MIN(ret->local_files, ret->uploading_files);
    uint64_t local_rows, spooled = spool_bytes(t->cfg.spool);
    local_count(t, &ret->local_only_files, &ret->local_only_bytes, &local_rows);
    spooled -= MIN(spooled, ret->local_only_bytes);
    ret->local_bytes = ret->local_files ? spooled - MIN(spooled, ret->uploading_bytes) : 0;
    ret->stuck_files = t->stuck;
    ret->writing_files = file_count_writing(t);
    ret->pending_changes = (uint64_t)t->pending_rows - local_rows;
    ret->held_removals = t->pending_rows ? t->held_removals : 0;
    ret->read_only = t->read_only || t->cfg.read_only;
    ret->offline = t->offline;
    ret->past = t->cfg.at.kind != PAST_NONE;
    ret->reason = t->reason ? xstrdup(t->reason) : NULL;
    ret->stuck_reason = t->stuck && t->stuck_reason ? xstrdup(t->stuck_reason) : NULL;
    ret->damaged = t->dispute.sentence ? xstrdup(t->dispute.sentence) : NULL;
    ret->damaged_entries = (uint64_t)db_meta_int(&t->db, DISPUTE_ENTRIES, 0);
    ret->damaged_last = (uint64_t)db_meta_int(&t->db, DISPUTE_LAST, 0);
    tree_unlock(t);
}

bool tree_can_drain(struct tree *t) {
    tree_lock(t);
    bool can = (!t->offline || t->put_while_offline) && !t->read_only;
    if (can && !settle_drains(t))
        hold_make_room(t);
    can = can && settle_drains(t);
    tree_unlock(t);
    return can;
}

void tree_status_free(struct tree_status *s) {
    free(s->reason);
    free(s->stuck_reason);
    free(s->damaged);
    *s = (struct tree_status){0};
}
