/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "tree/apply.h"
#include "tree/batch.h"
#include "tree/dispute.h"
#include "tree/rebuild_parts.h"
#include <inttypes.h>
#include <unistd.h>

#define AGAIN_NS (2 * NS_PER_S)
#define LOOK_NS (10 * NS_PER_MS)
/* When neither a checkpoint nor the journal could be used: so long nobody is kept waiting for that once more. */
#define HOPELESS_NS (600 * NS_PER_S)
/* Directories asked for at once. */
#define DIRS 256

static void remove_files(const char *path) {
    static const char *const kinds[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP_FREE char *file = xasprintf("%s%s", path, kinds[i]);
        unlink(file);
    }
}

static void forget_pieces(struct rebuild *b) {
    for (size_t i = 0; i < REBUILD_WINDOW; i++) {
        buf_free(&b->pieces[i].data);
        b->pieces[i].there = false;
    }
    b->n = b->at = 0;
}

/* The fresh tree */

static int open_fresh(struct rebuild *b) {
    struct tree *u = &b->fresh, *t = b->tree;
    remove_files(b->path);
    *u = (struct tree){.cfg = t->cfg, .env = t->env, .has_volume = t->has_volume};
    u->cfg.hooks = (struct tree_hooks){0};
    memcpy(u->volume_id, t->volume_id, VOLUME_ID_SIZE);
    pthread_mutex_init(&u->lock, NULL);
    pthread_cond_init(&u->idle_cond, NULL);
    pthread_cond_init(&u->session_cond, NULL);
    b->is_open = true;
    b->last_here = -1;
    b->all_here = b->known_is_right = false;
    own_voids_clear(&b->own_voids);
    fault_resume(t); /* it takes a while: meanwhile programs go on with what there is */
    forget_pieces(b);
    int r = db_open(&u->db, b->path);
    if (r == 0 && sqlite3_exec(u->db.sql, "PRAGMA synchronous=OFF", NULL, NULL, NULL) != SQLITE_OK)
        r = db_errno(&u->db);
    return r;
}

static void free_fresh(struct rebuild *b) {
    struct tree *u = &b->fresh;
    u->fault = fault_free(u->fault);
    if (u->db.sql)
        db_close(&u->db);
    areas_free(&u->areas);
    buf_free(&u->batch.bytes);
    free(u->reason);
    free(u->invals);
    pthread_mutex_destroy(&u->lock);
    pthread_cond_destroy(&u->idle_cond);
    pthread_cond_destroy(&u->session_cond);
    remove_files(b->path);
    b->is_open = false;
}

static void set_timer(struct rebuild *b, int64_t wait, void (*fn)(void *)) {
    b->timer = (struct env_timer){.fn = fn, .arg = b};
    env_timer_set(b->tree->env, &b->timer, env_mono(b->tree->env) + wait);
}

/* Under the tree lock: nothing of it is under way. */
static void closed(struct rebuild *b) {
    struct tree *t = b->tree;
    checkpoint_base_retire(t, b->base);
    b->base = NULL;
    if (b->is_open)
        free_fresh(b);
    b->next(b);
}

static void look_closed(void *arg) {
    struct rebuild *b = arg;
    struct tree *t = b->tree, *u = &b->fresh;
    tree_lock(t);
    tree_lock(u);
    bool idle = u->idle_refs == 0;
    tree_unlock(u);
    if (idle && b->busy == 0)
        closed(b);
    else
        set_timer(b, LOOK_NS, look_closed);
    tree_unlock(t);
}

/* Under the tree lock: closes the fresh tree, then goes on with next(), under it too. */
static void close_fresh(struct rebuild *b, void (*next)(struct rebuild *)) {
    env_timer_cancel(b->tree->env, &b->timer);
    b->next = next;
    b->ending = true;
    forget_pieces(b);
    if (b->is_open) {
        tree_lock(&b->fresh);
        b->fresh.closing = true;
        fault_close(&b->fresh);
        tree_unlock(&b->fresh);
    }
    set_timer(b, 0, look_closed);
}

static void ended(struct rebuild *b) {
    struct tree *t = b->tree;
    fault_give_up(t, INT64_MAX, -EIO); /* if the base is still lost, the next who asks begins another */
    fault_resume(t);
    t->rebuild = NULL;
    own_voids_clear(&b->own_voids);
    buf_free(&b->entry);
    free(b->path);
    free(b->host);
    free(b);
    if (!t->closing) {
        t->checkpoint.stop = false;
        commit_kick(t);
        settle_kick(t);
    }
    tree_release(t);
}

/* Under the tree lock. */
static void end(struct rebuild *b) {
    close_fresh(b, ended);
}

/* Every callback begins with it. Under the tree lock: it goes no further. */
static bool is_over(struct rebuild *b) {
    if (!b->ending && (b->tree->closing || b->tree->stopped))
        end(b);
    return b->ending;
}

static bool came_back(struct rebuild *b) {
    struct tree *t = b->tree;
    tree_lock(t);
    b->busy--;
    bool over = is_over(b);
    tree_unlock(t);
    return !over;
}

/* The bucket does not answer, or something here does not: the same once more, later. Nobody waits longer than for any other request. */
static void later(struct rebuild *b, void (*fn)(void *)) {
    struct tree *t = b->tree;
    tree_lock(t);
    if (!is_over(b)) {
        fault_give_up(t, env_mono(t->env) - MAX(t->cfg.timeout_ns, AGAIN_NS), -EIO);
        fault_resume(t);
        b->all_here = false;
        set_timer(b, AGAIN_NS, fn);
    }
    tree_unlock(t);
}

/* Where to begin */

static void begin_there(struct rebuild *b);

/* One that was lost since the start, or is in use: what it may have wrong would show the same once more. */
static bool is_out_of_use(const struct rebuild *b) {
    const struct checkpoint_state *c = &b->tree->checkpoint;
    const struct checkpoint_base *own = c->base;
    if (own && (own->lost || b->why != REBUILD_REFUSED) && !memcmp(own->ref.object.digest, b->ref.object.digest, DIGEST_SIZE))
        return true;
    for (own = c->retired; own; own = own->next)
        if (own->lost && !memcmp(own->ref.object.digest, b->ref.object.digest, DIGEST_SIZE))
            return true;
    return false;
}

static void find_older(void *arg);

/* Under the tree lock: b->ref, or the first one before it that may be of use. */
static void choose(struct rebuild *b) {
    bool known = b->ref.seq && b->ref.seq <= b->tree->seq && b->ref.announced <= b->tree->seq;
    if (known && !is_out_of_use(b))
        begin_there(b);
    else if (b->ref.before && b->ref.before <= b->tree->seq)
        set_timer(b, 0, find_older);
    else {
        b->ref = (struct checkpoint_ref){0};
        begin_there(b);
    }
}

static void got_older(void *arg, const struct store_got *g) {
    struct rebuild *b = arg;
    struct tree *t = b->tree;
    uint64_t at = b->ref.before;
    struct checkpoint_ref older = {0};
    if (!came_back(b))
        return;
    if (g->err < 0) {
        later(b, find_older);
        return;
    }
    if (!checkpoint_ref_of(t, at, g->data, g->len, &older) || older.seq >= at || older.before >= at)
        older = (struct checkpoint_ref){0};
    tree_lock(t);
    b->ref = older;
    choose(b);
    tree_unlock(t);
}

/* The one before: of the entry that announced it. */
static void find_older(void *arg) {
    struct rebuild *b = arg;
    CLEANUP_FREE char *key = entry_key(b->tree->cfg.prefix, b->ref.before);
    b->busy++;
    store_get_range(b->tree->cfg.reader, key, 0, 0, 0, got_older, b);
}

static void choose_older(struct rebuild *b) {
    struct checkpoint_ref ref = {.before = b->ref.before};
    b->ending = false;
    b->ref = ref;
    if (is_over(b))
        return;
    choose(b);
}

/* Under the lock: the tree is what it should be, so others are wrong, and hear of it. proven: from entry 1, or this is all that can be known. */
static void finish_well(struct rebuild *b, bool proven) {
    struct tree *t = b->tree;
    t->well_at = env_mono(t->env);
    if (proven)
        dispute_proven(t);
    if (b->why == REBUILD_SUSPECT && !b->ours)
        dispute_object(t);
    else if (b->ours)
        tree_stop(t, "changes of this host in journal entry %" PRIu64 " did not apply; this is a bug in assetfs. Nothing is lost: what was written is in %s/spool", t->seq, t->cfg.dir);
}

/* Nothing comes of what was begun. Without the lock. */
static void give_up_beginning(struct rebuild *b, int err, const char *why) {
    struct tree *t = b->tree;
    uint64_t at = b->fresh.seq + 1;
    if (!why)
        why = err == -EBADMSG ? "it is damaged, or not what the journal says" : err == -ENOENT ? "it is not in the bucket" : strerror(-err);
    tree_lock(t);
    if (b->ref.seq) {
        log_warning("the checkpoint of journal entry %" PRIu64 " is of no use: %s; looking for the one before", b->ref.seq, why);
        close_fresh(b, choose_older);
    } else if (b->why == REBUILD_LOST) {
        log_error("no other checkpoint can be used, and the journal cannot be applied instead: entry %" PRIu64 ": %s. What was not looked at yet cannot be read; it is tried again later",
                  at, why);
        t->checkpoint.lost_for_good_at = env_mono(t->env);
        end(b);
    } else if (b->as_here || (b->why == REBUILD_SUSPECT && !b->ours && !b->unreadable)) { /* as sure as one can be */
        log_warning("the journal cannot be applied from entry 1 to see whether this host is wrong: entry %" PRIu64 ": %s; it goes on with the tree it has", at, why);
        finish_well(b, b->as_here);
        end(b);
    } else {
        tree_stop(t, "journal entry %" PRIu64 " %s, and the journal cannot be applied anew to see why: entry %" PRIu64 ": %s", b->why == REBUILD_REFUSED ? t->seq + 1 : t->seq,
                  b->why == REBUILD_REFUSED ? "was built on another tree than this host has" : "does not fit the tree that this host has", at, why);
        end(b);
    }
    tree_unlock(t);
}

static bool is_trouble(int err) {
    return err == -EIO || err == -ETIMEDOUT || err == -EACCES || err == -ENOSPC || err == -ENOMEM || err == -EINTR;
}

/* What was waited for has come, or will not: the callback of a wait, after which it goes on with next(). */
static void waited(struct rebuild *b, int err, void (*next)(void *)) {
    if (!came_back(b))
        return;
    if (err == 0)
        next(b);
    else if (is_trouble(err))
        later(b, next);
    else
        give_up_beginning(b, err, NULL);
}

static void ask(void *arg);
static void adopt(void *arg);
static void apply_on(void *arg);
static void begin_again(void *arg);

/* Does the journal come to what the newest checkpoint that is known says? */
static void look_at_known(struct rebuild *b) {
    uint8_t now[DIGEST_SIZE], known[DIGEST_SIZE];
    if (b->fresh.seq != b->known.seq)
        return;
    set_digest_value(&b->fresh.set, now);
    set_digest_value(&b->known.set, known);
    b->known_is_right = !memcmp(now, known, DIGEST_SIZE) && !memcmp(b->fresh.head_hash, b->known.head_hash, DIGEST_SIZE);
}

static void adopt_waited(void *arg, int err) {
    waited(arg, err, adopt);
}

static void adopt_work(void *arg) {
    struct rebuild *b = arg;
    b->err = checkpoint_adopt(b->base);
}

static void adopted(void *arg) {
    struct rebuild *b = arg;
    if (!came_back(b))
        return;
    if (b->err == -EINPROGRESS) {
        b->busy++;
        sealed_db_wait(b->base->object, b->base->sql, adopt_waited, b);
    } else if (is_trouble(b->err)) {
        later(b, adopt);
    } else if (b->err < 0) {
        give_up_beginning(b, b->err, NULL);
    } else {
        checkpoint_base_attach(b->base);
        look_at_known(b);
        ask(b);
    }
}

static void adopt(void *arg) {
    struct rebuild *b = arg;
    b->busy++;
    env_work(b->tree->env, adopt_work, adopted, b);
}

/* Under the tree lock. */
static void begin_there(struct rebuild *b) {
    struct tree *t = b->tree;
    int r = open_fresh(b);
    if (r == 0 && b->ref.seq)
        r = checkpoint_base_open(&b->fresh, &b->ref, &b->base);
    if (r == 0) {
        set_timer(b, 0, b->ref.seq ? adopt : ask);
    } else if (b->ref.seq) {
        log_warning("the checkpoint of journal entry %" PRIu64 " cannot be opened: %s; looking for the one before", b->ref.seq, strerror(-r));
        close_fresh(b, choose_older);
    } else if (b->why == REBUILD_REFUSED) {
        tree_stop(t, "journal entry %" PRIu64 " by %s was built on another tree than this host has, and %s cannot be made: %s", t->seq + 1, b->host, b->path, strerror(-r));
        end(b);
    } else {
        log_errno(r, "%s cannot be made", b->path);
        free_fresh(b);
        set_timer(b, AGAIN_NS, begin_again);
    }
}

static void begin_again(void *arg) {
    struct rebuild *b = arg;
    tree_lock(b->tree);
    if (!is_over(b))
        begin_there(b);
    tree_unlock(b->tree);
}

/* The end */

/* Under the lock. -EINPROGRESS: more rows are needed; else it is done, or this host stops. */
static int take_place(struct rebuild *b) {
    struct tree *t = b->tree;
    int r = rebuild_take_place(b);
    if (r < 0 && r != -EINPROGRESS)
        tree_stop(t, "the local state in %s is damaged (it showed at journal entry %" PRIu64 "), and cannot be set right: %s", t->cfg.dir, t->seq + 1, strerror(-r));
    if (r == 0 && !b->ref.seq)
        dispute_proven(t);
    return r;
}

static bool is_as_here(const struct rebuild *b) {
    uint8_t fresh[DIGEST_SIZE], here[DIGEST_SIZE];
    set_digest_value(&b->fresh.set, fresh);
    set_digest_value(&b->tree->set, here);
    return !memcmp(fresh, here, DIGEST_SIZE) && !memcmp(b->fresh.head_hash, b->tree->head_hash, DIGEST_SIZE);
}

/* Under the lock, both at the same entry: 0 and done, -EINPROGRESS: more rows are needed. */
static int finish_refused(struct rebuild *b) {
    struct tree *t = b->tree;
    uint8_t now[DIGEST_SIZE];
    set_digest_value(&b->fresh.set, now);
    bool same_journal = !memcmp(b->fresh.head_hash, t->head_hash, DIGEST_SIZE);
    bool agrees = same_journal && !memcmp(now, b->want, DIGEST_SIZE);
    if (!agrees && b->ref.seq) {
        b->as_here |= is_as_here(b);
        log_warning("the checkpoint of journal entry %" PRIu64 " does not agree with journal entry %" PRIu64 ": looking for the one before", b->ref.seq, t->seq + 1);
        close_fresh(b, choose_older);
        return -EAGAIN;
    }
    if (!same_journal) {
        tree_stop(t, "the journal up to entry %" PRIu64 " is not what this host has read before: somebody has changed entries. This host stops before journal entry %" PRIu64 " by %s; what it has "
                     "not committed stays queued",
                  t->seq, t->seq + 1, b->host);
    } else if (!agrees && is_as_here(b)) {
        finish_well(b, true);
    } else {
        int r = take_place(b);
        return r == -EINPROGRESS ? r : 0;
    }
    return 0;
}

/* What the journal makes of it is right. */
static int finish_other(struct rebuild *b) {
    struct tree *t = b->tree;
    bool well = b->why == REBUILD_SUSPECT && !b->unreadable && is_as_here(b);
    int r = 0;
    if (well)
        finish_well(b, !b->ref.seq);
    else
        r = take_place(b);
    if (r == 0 && b->unreadable)
        t->mended_at = env_mono(t->env); /* if it cannot be read still, that is not because of the rows */
    if (r == 0 && b->why == REBUILD_LOST && b->ref.seq)
        log_warning("this host goes on with the checkpoint of journal entry %" PRIu64 " and the entries after it; nothing was lost", b->ref.seq);
    else if (r == 0 && b->why == REBUILD_LOST)
        log_warning("this host has read the whole journal instead of the checkpoint; nothing was lost");
    return r == -EINPROGRESS ? r : 0;
}

static void here_came(void *arg, int err);
static void fetch_here(void *arg);

/* All that was here before is here in the fresh tree, and nothing is asked for. On the loop, without the lock. */
static void finish(struct rebuild *b) {
    struct tree *t = b->tree;
    tree_lock(t);
    bool idle = fault_pause(t);
    if (is_over(b)) {
        tree_unlock(t);
        return;
    }
    t->checkpoint.stop |= t->checkpoint.making; /* it reads from the base that goes */
    int r = b->fresh.seq != t->seq || !idle || t->checkpoint.making ? -EBUSY : b->why == REBUILD_REFUSED ? finish_refused(b) : finish_other(b);
    if (r == 0)
        end(b);
    else if (r == -EBUSY)
        set_timer(b, LOOK_NS, ask);
    if (r == -EINPROGRESS) {
        fault_resume(t); /* what it has just asked for is fetched there too, unless that is lost */
        b->all_here = false;
        b->busy++;
    }
    tree_unlock(t);
    if (r == -EINPROGRESS)
        fault_wait_all(&b->fresh, here_came, b);
    else if (r == 0)
        follow_now(t);
}

/* Directories that are here in the old tree, after the last one. Under the tree lock. */
static size_t list_here(struct rebuild *b, uint64_t *ret) {
    struct tree *t = b->tree;
    sqlite3_stmt *s = NULL;
    size_t n = 0;
    if (sqlite3_prepare_v2(t->db.sql, "SELECT dir FROM c_here WHERE dir > ?1 ORDER BY dir LIMIT ?2", -1, &s, NULL) != SQLITE_OK)
        return 0;
    sqlite3_bind_int64(s, 1, b->last_here);
    sqlite3_bind_int64(s, 2, DIRS);
    while (n < DIRS && sqlite3_step(s) == SQLITE_ROW)
        ret[n++] = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static void here_came(void *arg, int err) {
    waited(arg, err, fetch_here);
}

/* True: nothing new is here in the old tree from now on, and nothing on its way. */
static bool stand_still(struct rebuild *b) {
    tree_lock(b->tree);
    b->all_here = fault_pause(b->tree);
    tree_unlock(b->tree);
    b->last_here = -1;
    return b->all_here;
}

/* Twice: the second time with nothing new coming meanwhile. */
static void fetch_here(void *arg) {
    struct rebuild *b = arg;
    struct tree *t = b->tree, *u = &b->fresh;
    uint64_t dirs[DIRS];
    int r = 0;
    for (size_t n = 1; fault_is_lazy(u) && r == 0 && n;) {
        tree_lock(t);
        n = list_here(b, dirs);
        tree_unlock(t);
        tree_lock(u);
        for (size_t i = 0; i < n && (r == 0 || r == -EINPROGRESS); i++)
            r = MIN(r, fault_need_dir(u, dirs[i]));
        tree_unlock(u);
        if (r == 0 && n)
            b->last_here = (int64_t)dirs[n - 1];
        if (r == 0 && n == 0 && !b->all_here) {
            if (!stand_still(b)) {
                tree_lock(t);
                set_timer(b, LOOK_NS, fetch_here);
                tree_unlock(t);
                return;
            }
            n = 1;
        }
    }
    if (r == 0) {
        b->last_here = -1; /* if it comes here again */
        finish(b);
        return;
    }
    b->busy++;
    fault_wait_all(u, here_came, b);
}

/* Applying */

static bool is_own(const struct rebuild *b, const struct entry *e) {
    uint64_t session = e->session ? e->session : e->sequence;
    return session == b->own[0] || session == b->own[1];
}

/* Later entries say what the tree was: a checkpoint that they do not bear out is wrong. From entry 1 on there is no choice. */
static int check_piece(struct rebuild *b, const struct entry *e) {
    struct tree *u = &b->fresh;
    uint8_t tree[DIGEST_SIZE];
    if (e->sequence == 1)
        return 0;
    if (memcmp(e->previous, u->head_hash, DIGEST_SIZE))
        return -EBADE;
    set_digest_value(&u->set, tree);
    bool own = b->why == REBUILD_REFUSED && is_own(b, e); /* what this host said is what it doubts */
    return b->ref.seq && !own && memcmp(e->tree, tree, DIGEST_SIZE) ? -EBADE : 0;
}

static int apply_here(struct rebuild *b, struct entry *e, const struct piece *p) {
    struct tree *u = &b->fresh;
    struct follow_head before;
    size_t n_void;
    CLEANUP_FREE bool *which = xcalloc(e->n_changes + 1, sizeof *which);
    follow_keep(u, &before);
    int r = tree_begin(u);
    if (r < 0)
        return r;
    r = follow_need(u, e);
    if (r == 0)
        r = apply_entry(u, e, NULL, &n_void, which);
    r = tree_end(u, r);
    if (r < 0) {
        follow_back(u, &before);
        return r;
    }
    digest_of(p->data.data, p->data.len, u->head_hash);
    u->seq = e->sequence;
    buf_free(&u->batch.bytes);
    for (size_t i = 0; i < e->n_changes && is_own(b, e) && e->sequence > b->tree->dispute.own_seen; i++)
        if (which[i])
            own_voids_add(&b->own_voids, u, &e->changes[i]);
    look_at_known(b);
    return 0;
}

/* Under the lock of the fresh tree. 0; -EINPROGRESS: follow_wait(); else the journal cannot be what this host has applied once. */
static int apply_piece(struct rebuild *b, const struct piece *p) {
    CLEANUP_ENTRY struct entry e = {0};
    struct tree *u = &b->fresh;
    uint64_t seq = u->seq + 1;
    int r = follow_open(u, seq, p->data.data, p->data.len, &e);
    if (r == -EBADMSG && seq > 1) { /* void */
        u->seq = seq;
        look_at_known(b);
        return 0;
    }
    if (r == 0)
        r = check_piece(b, &e);
    if (r == 0)
        r = batch_open(u, &e);
    return r < 0 ? r : apply_here(b, &e, p);
}

static void rows_came(void *arg, int err) {
    waited(arg, err, apply_on);
}

static void apply_on(void *arg) {
    struct rebuild *b = arg;
    struct tree *u = &b->fresh;
    int r = 0;
    tree_lock(u);
    while (b->at < b->n && r == 0) {
        r = apply_piece(b, &b->pieces[b->at]);
        b->at += r == 0;
    }
    bool entry_1 = !b->ref.seq;
    CLEANUP_FREE char *why = u->reason ? xstrdup(u->reason) : NULL;
    tree_unlock(u);
    if (r == 0) {
        ask(b);
    } else if (r == -EINPROGRESS) {
        b->busy++;
        follow_wait(u, rows_came, b);
    } else if (r == -EBADE && !entry_1) {
        give_up_beginning(b, r, "the journal does not go on from it");
    } else if (r == -EIO || r == -ENOSPC || r == -ENOMEM) {
        later(b, apply_on);
    } else {
        give_up_beginning(b, r, why);
    }
}

static void all_here(struct rebuild *b) {
    bool missing = false;
    for (unsigned i = 0; i < b->n; i++)
        missing |= !b->pieces[i].there;
    if (missing)
        later(b, ask);
    else
        apply_on(b);
}

static void got(void *arg, const struct store_got *g) {
    struct piece *p = arg;
    struct rebuild *b = p->rebuild;
    bool goes_on = came_back(b);
    if (goes_on && g->err == 0 && buf_append(&p->data, g->data, g->len) == 0)
        p->there = true;
    if (--b->waiting == 0 && goes_on)
        all_here(b);
}

/* The next window, or what is missing of this one. On the loop. */
static void ask(void *arg) {
    struct rebuild *b = arg;
    struct tree *t = b->tree;
    tree_lock(t);
    uint64_t head = t->seq;
    b->own[0] = t->session;
    b->own[1] = t->old_session;
    bool over = is_over(b);
    tree_unlock(t);
    if (over)
        return;
    if (b->at == b->n) {
        forget_pieces(b);
        b->first = b->fresh.seq + 1;
        b->n = (unsigned)MIN(REBUILD_WINDOW, head - b->fresh.seq);
    }
    if (b->n == 0) {
        fetch_here(b);
        return;
    }
    b->waiting = 1; /* answers may come at once */
    for (unsigned i = 0; i < b->n; i++) {
        if (b->pieces[i].there)
            continue;
        CLEANUP_FREE char *key = entry_key(t->cfg.prefix, b->first + i);
        buf_free(&b->pieces[i].data);
        b->pieces[i] = (struct piece){.rebuild = b, .data = BUF_INIT(ENTRY_MAX + 1)};
        b->waiting++;
        b->busy++;
        store_get_range(t->cfg.reader, key, 0, 0, 0, got, &b->pieces[i]);
    }
    if (--b->waiting == 0)
        all_here(b);
}

/* Beginning */

/* Under the lock. */
static struct rebuild *begin(struct tree *t, enum rebuild_why why, const struct entry *e) {
    struct rebuild *b = xcalloc(1, sizeof *b);
    b->tree = t;
    b->why = why;
    b->known = t->checkpoint.known.ref;
    b->path = xasprintf("%s/rebuild.db", t->cfg.dir);
    b->host = xstrdup(e ? e->host : "");
    if (e)
        memcpy(b->want, e->tree, DIGEST_SIZE);
    if (fault_is_lazy(t))
        b->ref = t->checkpoint.known.ref;
    tree_hold(t);
    t->rebuild = b;
    choose(b);
    return b;
}

void rebuild_begin(struct tree *t, const struct entry *e) {
    if (t->stopped || t->closing)
        return;
    if (t->cfg.at.kind != PAST_NONE) { /* it does not follow, and nothing is pending */
        t->dispute.begin_anew = true;
        return;
    }
    if (t->rebuild) {
        t->rebuild->doubted = true; /* it begins again when this one has ended, if it has to */
        return;
    }
    log_warning("journal entry %" PRIu64 " by %s was built on another tree than this host has: the journal is applied anew to see whether this host is wrong", e->sequence,
                e->host);
    begin(t, REBUILD_REFUSED, e);
}

static bool is_lately(const struct tree *t, int64_t at) {
    return at && env_mono(t->env) - at < TRUSTED_NS;
}

void rebuild_suspect(struct tree *t, const struct entry *e, bool ours) {
    if (t->rebuild || t->stopped || t->closing || t->cfg.at.kind != PAST_NONE)
        return;
    if (!ours && (t->made_here || is_lately(t, t->well_at))) {
        dispute_object(t);
        return;
    }
    log_warning("journal entry %" PRIu64 " by %s has changes that do not fit here: the journal is applied anew to see whether this host is wrong", e->sequence, e->host);
    begin(t, REBUILD_SUSPECT, e)->ours = ours;
}

void rebuild_unreadable(struct tree *t, const struct entry *e) {
    if (t->rebuild || t->stopped || t->closing || t->cfg.at.kind != PAST_NONE || is_lately(t, t->mended_at))
        return;
    log_warning("the local state in %s is damaged: journal entry %" PRIu64 " cannot be applied to it. The journal is applied anew to set it right", t->cfg.dir, e->sequence);
    begin(t, REBUILD_SUSPECT, e)->unreadable = true;
}

static void begin_lost(struct tree *t, int err) {
    log_warning("the checkpoint of journal entry %" PRIu64 " that this host began from %s: it looks for another beginning, and whoever needs what was not looked at yet waits. "
                "`assetfs checkpoint` makes a new one for other hosts",
                t->checkpoint.base ? t->checkpoint.base->ref.seq : 0, err == -ENOENT ? "is not in the bucket any more" : "is damaged");
    begin(t, REBUILD_LOST, NULL);
}

void rebuild_lost(struct tree *t, int err) {
    int64_t tried = t->checkpoint.lost_for_good_at;
    if (t->checkpoint.base)
        t->checkpoint.base->lost = true;
    if (t->stopped || (tried && env_mono(t->env) - tried < HOPELESS_NS))
        fault_give_up(t, INT64_MAX, -EIO);
    else if (!t->rebuild && !t->closing)
        begin_lost(t, err);
}

bool rebuild_bars_commits(const struct tree *t) {
    return t->rebuild && (t->rebuild->why != REBUILD_LOST || t->rebuild->doubted);
}

void rebuild_close(struct tree *t) {
    struct rebuild *b = t->rebuild;
    if (b && !b->ending)
        end(b);
}
