/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a written file to content in the bucket. A spool file that has rested (closed for `settle`, open and quiet for a while, or somebody waits) is sealed: that is
 * the snapshot. It is filled, hashed, uploaded; then its inode may be committed, and after that its file becomes the block cache's.
 *
 *     p_inode.spool --seal--> snap SEALED --hash--> HASHED --upload--> DURABLE --commit--> block cache
 *
 * Content that only needs another key (home.h) takes the same way as a spool file that no row knows.
 *
 * Each arrow is one transaction; after a restart the row says where to go on.
 */
#include "base/log.h"
#include "tree/deferred.h"
#include "tree/file_state.h"
#include "tree/hold.h"
#include "tree/home.h"
#include <inttypes.h>

/* Snapshots on their way at once; each holds a descriptor. */
#define SETTLING_MAX 64
#define FORCED_AGE_NS (60 * NS_PER_S)
#define QUIET_NS (5 * NS_PER_S)
#define RETRY_NS (2 * NS_PER_S)
#define SOON_NS (50 * NS_PER_MS)

struct settle {
    struct tree *tree;
    struct file *file; /* a reference; under the lock: it changes when its bytes become another inode's */
    struct spool_file *snap;
    uint64_t snap_id;
    uint8_t id[DIGEST_SIZE];
    bool expected; /* `id` was recorded before a restart: the bytes must still say so */
    uint64_t size;
    char *key;
    const char *type;      /* Content-Type */
    struct keep *keep;
    struct content *moves; /* to another key: what the snapshot is a copy of; NULL: it is a snapshot */
    bool urgent, stuck;
};

struct handover {
    struct spool_file *snap;
    struct content *content;
    struct handover *next;
};

static void settle_end(struct settle *s) {
    struct tree *t = s->tree;
    if (s->stuck) {
        t->stuck--;
        s->file->stuck = false;
    }
    t->settling--;
    t->uploading_bytes -= s->size;
    s->file->settling = false;
    s->file->job = NULL;
    file_put(s->file);
    if (s->moves)
        spool_remove(s->snap);
    spool_unref(s->snap);
    content_unref(s->moves);
    keep_unref(s->keep);
    free(s->key);
    free(s);
    tree_release(t);
}

/* Ends a job that cannot go on now; its row is tried again later. */
static void settle_later(struct settle *s, int err, const char *what) {
    struct tree *t = s->tree;
    tree_lock(t);
    if (!t->closing)
        log_errno(err, "inode %" PRIu64 ": %s; trying again", s->file->ino, what);
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = tree_begin(t);
    if (r == 0) {
        r = rows_p_inode(t, s->file->ino, &rec, &p);
        if (r == 1) {
            p.due = env_mono(t->env) + RETRY_NS;
            r = rows_p_put(t, s->file->ino, &rec, &p);
        }
        r = tree_end(t, r);
    }
    if (s->file->unnamed)
        file_wake(s->file); /* it is not tried again */
    settle_end(s);
    settle_kick(t);
    tree_unlock(t);
}

/* The row of a job's inode, if the job still is what it waits for. */
static int job_row(struct settle *s, struct record *rec, struct row_pending *p) {
    int r = rows_p_inode(s->tree, s->file->ino, rec, p);
    return r == 1 ? p->snap == s->snap_id : r;
}

/* In a transaction: a snapshot that turned out to be what everybody has already needs no entry. */
static int drop_if_equal(struct tree *t, uint64_t ino, const struct record *rec) {
    CLEANUP_RECORD struct record c = {0};
    int r = rows_c_inode(t, ino, &c, NULL, NULL);
    if (r == 1 && record_equal(rec, &c)) {
        file_committed(t, ino);
        commit_check_waits(t);
    }
    return MIN(r, 0);
}

/* In a transaction: may be committed now; or goes into a copy, if others have changed the file meanwhile (deferred.h). */
static int put_durable(struct tree *t, uint64_t ino, const struct record *rec, struct row_pending *p) {
    int r = rows_p_block(t, ino, p, false);
    if (r == 0)
        r = rows_p_put(t, ino, rec, p);
    if (r < 0)
        return r;
    return deferred_is(t, ino) ? deferred_save(t, ino) : drop_if_equal(t, ino, rec);
}

/* In a transaction. */
static int set_durable(struct settle *s, const char *key) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    struct tree *t = s->tree;
    if (s->moves)
        return home_arrived(t, s->file->ino, s->id, key);
    int r = job_row(s, &rec, &p);
    if (r != 1)
        return r;
    if (rec.content && strcmp(rec.content->key, s->key)) { /* renamed meanwhile: once more, under the key that it wants now */
        p.due = env_mono(t->env);
        r = rows_object_add(t, rec.content->id, key);
        return r < 0 ? r : rows_p_put(t, s->file->ino, &rec, &p);
    }
    if (rec.content && strcmp(rec.content->key, key)) {
        const struct content *c = rec.content;
        struct content *moved = content_new(c->id, c->size, key, c->digests, c->digests_digest);
        content_unref(rec.content);
        rec.content = moved;
    }
    p.stage = SNAP_DURABLE;
    r = rec.content ? rows_object_add(t, rec.content->id, key) : 0;
    return r < 0 ? r : put_durable(t, s->file->ino, &rec, &p);
}

static void upload_done(void *arg, int err, const char *key) {
    struct settle *s = arg;
    struct tree *t = s->tree;
    if (err < 0) {
        if (err == -ECANCELED) {
            tree_lock(t);
            settle_end(s);
            tree_unlock(t);
        } else {
            settle_later(s, err, "its content could not be uploaded");
        }
        return;
    }
    tree_lock(t);
    int r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, set_durable(s, key));
    if (r < 0) {
        tree_unlock(t);
        settle_later(s, r, "tree.db cannot be written");
        return;
    }
    tree_unlock(t);
    settle_hand_over(t);
    tree_lock(t);
    settle_end(s);
    commit_kick(t);
    settle_kick(t);
    tree_unlock(t);
}

static void upload_stuck(void *arg, int err, const char *reason) {
    struct settle *s = arg;
    struct tree *t = s->tree;
    tree_lock(t);
    bool now = reason != NULL;
    /* Once, not for each file and each try: a reason names both. */
    if (now && (t->stuck == 0 || t->stuck_err != err))
        log_error("an upload is refused: %s (it stays queued and is tried again)", reason);
    if (now != s->stuck) {
        s->stuck = s->file->stuck = now;
        t->stuck += now ? 1 : (unsigned)-1;
    }
    if (reason) {
        t->stuck_err = err;
        free(t->stuck_reason);
        t->stuck_reason = xstrdup(reason);
        commit_fail_waits(t, s->file->ino, err);
    }
    tree_unlock(t);
}

static void start_upload(struct settle *s, const uint8_t *digests, size_t n) {
    struct upload_request q = {.file = s->snap,
                               .digests = digests,
                               .n_digests = n,
                               .size = s->size,
                               .key = s->key,
                               .content_type = s->type,
                               .keep = s->keep,
                               .urgent = s->urgent,
                               .done = upload_done,
                               .stuck = upload_stuck,
                               .arg = s};
    memcpy(q.id, s->id, DIGEST_SIZE);
    struct upload *job = uploader_submit(s->tree->uploader, &q);
    (void)job;
}

/* Somebody wants it durable now. */
static bool waited_for(struct tree *t, uint64_t ino, const struct row_pending *p) {
    if (p->since <= t->force_op)
        return true;
    for (struct wait *w = t->waits; w; w = w->next)
        if (w->ino == ino)
            return true;
    return false;
}

/* What was written after the snapshot settles in its turn. */
static void snap_done(struct tree *t, uint64_t ino, struct row_pending *p) {
    p->snap = 0;
    p->stage = SNAP_SEALED;
    if (p->spool && p->due == INT64_MAX)
        p->due = waited_for(t, ino, p) ? 0 : env_mono(t->env) + t->cfg.settle_ns;
}

/* The bytes are not what was recorded before the restart: they are set aside, the inode goes back to what everybody knows. */
static int set_aside(struct settle *s, struct record *rec) {
    struct tree *t = s->tree;
    CLEANUP_RECORD struct record c = {0};
    CLEANUP_FREE char *path = NULL;
    struct row_pending p;
    char hint[32];
    snprintf(hint, sizeof hint, "inode-%" PRIu64, s->file->ino);
    spool_set_aside(s->snap, hint, &path);
    log_error("inode %" PRIu64 ": the local copy of what was written is damaged; it is kept as %s and not uploaded", s->file->ino,
              path ? path : "(nowhere)");
    int r = rows_c_inode(t, s->file->ino, &c, NULL, NULL);
    if (r < 0 || (r = rows_p_inode(t, s->file->ino, NULL, &p)) != 1)
        return MIN(r, 0);
    record_take_content(rec, &c); /* nothing, for a new file: it stays at its name, empty */
    snap_done(t, s->file->ino, &p);
    p.op = t->op;
    r = rows_p_block(t, s->file->ino, &p, p.spool != 0);
    return r < 0 ? r : rows_p_settle(t, s->file->ino, rec, &p);
}

/* In a transaction. 1: upload it; 0: nothing to upload. */
static int note_digest(struct settle *s, const uint8_t id[DIGEST_SIZE], const uint8_t *digests, size_t n) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    struct tree *t = s->tree;
    struct home home = home_of(t, s->file->ino, id);
    free(s->key);
    keep_unref(s->keep);
    s->key = home.key;
    s->type = home.type;
    s->keep = home.keep;
    if (s->moves)
        return memcmp(id, s->moves->id, DIGEST_SIZE) ? -EIO : (memcpy(s->id, id, DIGEST_SIZE), 1);
    int r = job_row(s, &rec, &p);
    if (r != 1)
        return r;
    if (s->expected && memcmp(id, s->id, DIGEST_SIZE))
        return set_aside(s, &rec);
    memcpy(s->id, id, DIGEST_SIZE);
    if (!s->expected) {
        uint8_t all[DIGEST_SIZE];
        if (n > 1)
            digest_of(digests, n * DIGEST_SIZE, all);
        content_unref(rec.content);
        rec.size = s->size;
        rec.mtime = p.mtime;
        rec.content = s->size == 0 ? NULL
                                   : content_new(id, s->size, s->key, n > 1 && n <= CONTENT_INLINE_BLOCKS ? digests : NULL,
                                                 n > 1 ? all : NULL);
    } else {
        free(s->key);
        s->key = xstrdup(rec.content->key);
    }
    int known = s->size ? rows_object_known(t, id, s->key) : 1;
    if (known < 0)
        return known;
    p.stage = known ? SNAP_DURABLE : SNAP_HASHED;
    r = known ? put_durable(t, s->file->ino, &rec, &p) : rows_p_put(t, s->file->ino, &rec, &p);
    return r < 0 ? r : !known && !row_local(&p);
}

static void digest_done(void *arg, int err, const uint8_t id[DIGEST_SIZE], const uint8_t *digests, size_t n) {
    struct settle *s = arg;
    struct tree *t = s->tree;
    if (err < 0) {
        settle_later(s, err, "what was written cannot be read back from the spool");
        return;
    }
    tree_lock(t);
    int r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, note_digest(s, id, digests, n));
    struct file *f = s->file;
    f->refs++;
    tree_hold(t); /* the job may end here, and its hold with it */
    tree_unlock(t);
    if (r < 0) {
        settle_later(s, r, "tree.db cannot be written");
    } else if (r == 1) {
        start_upload(s, digests, n);
    } else {
        tree_lock(t);
        settle_end(s);
        commit_kick(t);
        settle_kick(t);
        tree_unlock(t);
    }
    settle_hand_over(t);
    file_unpark(f);
    tree_lock(t);
    file_put(f);
    tree_release(t);
    tree_unlock(t);
}

static void fill_done(void *arg, int err) {
    struct settle *s = arg;
    if (err < 0) {
        settle_later(s, err, "the rest of it cannot be fetched from the bucket");
        return;
    }
    spool_digest(s->snap, digest_done, s);
}

/* In a transaction: the spool file is the snapshot from now on. */
static int seal_row(struct file *f, struct record *rec, struct row_pending *p) {
    struct tree *t = f->tree;
    spool_stat(f->spool, &p->size, &p->mtime, NULL);
    rec->ctime = row_written_ctime(rec->ctime, p->mtime, env_now(t->env));
    p->snap = p->spool;
    p->spool = 0;
    p->stage = SNAP_SEALED;
    p->after = 0;
    p->due = INT64_MAX;
    int r = p->blocked ? 0 : rows_p_block(t, f->ino, p, true);
    return r < 0 ? r : rows_p_put(t, f->ino, rec, p);
}

static void job_begun(struct settle *s) {
    struct tree *t = s->tree;
    s->file->settling = true;
    s->file->job = s;
    file_linger_no_more(s->file); /* the job has a reference of its own */
    t->settling++;
    t->uploading_bytes += s->size;
    tree_hold(t);
}

/* In a transaction. 1: it needs another key still; *ret_copy: a spool file that no row knows, of that content. */
static int copy_content(struct tree *t, uint64_t ino, struct record *rec, struct spool_file **ret_copy) {
    struct row_pending p;
    int r = home_check(t, ino);
    if (r == 0)
        r = rows_p_inode(t, ino, rec, &p);
    if (r != 1 || !home_is_wanted(&p))
        return MIN(r, 0);
    p.due = INT64_MAX; /* until the job ends */
    r = rows_p_put(t, ino, rec, &p);
    if (r == 0)
        r = spool_create(t->cfg.spool, tree_spool_id(t), rec->content, ret_copy);
    return r < 0 ? r : 1;
}

/* Content that needs another key; the file goes on with what it has until the object is there. Takes the reference over; as settle_begin(). */
static int begin_move(struct file *f, bool urgent, struct settle **ret) {
    CLEANUP_RECORD struct record rec = {0};
    struct tree *t = f->tree;
    struct spool_file *copy = NULL;
    int r = f->settling ? 0 : tree_begin(t);
    if (r == 0 && !f->settling)
        r = tree_end(t, copy_content(t, f->ino, &rec, &copy));
    if (r != 1) {
        if (copy)
            spool_remove(copy);
        spool_unref(copy);
        file_put(f);
        commit_kick(t);
        return r;
    }
    spool_seal(copy);
    struct settle *s = xcalloc(1, sizeof *s);
    *s = (struct settle){.tree = t, .file = f, .snap = copy, .size = rec.size, .moves = content_ref(rec.content), .urgent = urgent};
    job_begun(s);
    *ret = s;
    return 1;
}

/* 1: a job was begun; 0: not now. Under the lock. */
static int settle_begin(struct tree *t, uint64_t ino, bool urgent, struct settle **ret) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    struct file *f;
    int r = file_get(t, ino, &f);
    if (r < 0)
        return r;
    r = rows_p_inode(t, ino, &rec, &p);
    if (r == 1 && home_is_wanted(&p))
        return begin_move(f, urgent, ret);
    bool resume = r == 1 && p.snap && p.stage != SNAP_DURABLE;
    bool supersede = r == 1 && p.snap && !resume && ino == t->supersede && !t->inflight.active;
    if (r != 1 || f->settling || f->changing || (p.snap && !resume && !supersede) || (!resume && !f->spool)) {
        file_put(f);
        return MIN(r, 0);
    }
    uint64_t size;
    struct settle *s = xcalloc(1, sizeof *s);
    r = tree_begin(t);
    if (r == 0 && resume) {
        p.due = INT64_MAX; /* until snap_done() */
        r = tree_end(t, rows_p_put(t, ino, &rec, &p));
    } else if (r == 0) {
        spool_seal(f->spool);
        r = tree_end(t, seal_row(f, &rec, &p));
        if (r == 0) {
            if (f->snap)
                spool_remove(f->snap);
            spool_unref(f->snap);
            f->snap = f->spool;
            f->spool = NULL;
        }
    }
    if (r < 0) {
        free(s);
        file_put(f);
        return r;
    }
    spool_stat(f->snap, &size, NULL, NULL);
    *s = (struct settle){.tree = t, .file = f, .snap = spool_ref(f->snap), .snap_id = p.snap, .size = size, .urgent = urgent};
    s->expected = p.stage == SNAP_HASHED && rec.content;
    if (s->expected)
        memcpy(s->id, rec.content->id, DIGEST_SIZE);
    job_begun(s);
    *ret = s;
    return 1;
}

/* An open file that is being written rests a little, but not for ever. */
static bool too_early(struct tree *t, uint64_t ino, int64_t now) {
    struct file *f = file_find(t, ino);
    return f && f->writers && now - f->last_write < QUIET_NS && now - f->dirty_since < FORCED_AGE_NS;
}

static int postpone(struct tree *t, uint64_t ino, int64_t due) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = tree_begin(t);
    if (r < 0)
        return r;
    r = rows_p_inode(t, ino, &rec, &p);
    if (r == 1) {
        p.due = due;
        r = rows_p_put(t, ino, &rec, &p);
    }
    return tree_end(t, r);
}

/* The next inode whose spool file is due. *ret_at: when to look again, if none is. */
static uint64_t next_due(struct tree *t, int64_t now, bool *ret_forced, int64_t *ret_at) {
    uint64_t ino = 0;
    int64_t due = INT64_MAX;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_DUE, "i", (int64_t)1);
    if (db_step(s) == 1) {
        ino = (uint64_t)sqlite3_column_int64(s, 0);
        due = sqlite3_column_int64(s, 1);
    }
    db_reset(s);
    *ret_forced = ino && due == 0;
    *ret_at = due;
    return due <= now ? ino : 0;
}

static void settle_tick(void *arg) {
    struct tree *t = arg;
    int64_t at = INT64_MAX, let_go;
    tree_lock(t);
    let_go = hold_expire(t, env_mono(t->env));
    while (!t->closing && t->pending_rows && t->settling < SETTLING_MAX) {
        struct settle *s = NULL;
        int64_t now = env_mono(t->env);
        bool forced;
        uint64_t ino = next_due(t, now, &forced, &at);
        if (!ino)
            break;
        struct row_pending p;
        int r = rows_p_inode(t, ino, NULL, &p), here = rows_c_names_here(t, ino);
        if (here < 0) { /* all its names are needed to tell whether and where it goes */
            if (postpone(t, ino, now + (here == -EINPROGRESS ? SOON_NS : RETRY_NS)) == 0)
                continue;
            at = now + RETRY_NS;
            break;
        }
        bool urgent = r == 1 && waited_for(t, ino, &p);
        int64_t held = r == 1 && p.spool && !forced && !urgent ? hold_of(t, ino) : 0;
        if (r == 1 && held > now)
            r = postpone(t, ino, held);
        else if (r == 1 && !forced && !urgent && too_early(t, ino, now))
            r = postpone(t, ino, now + QUIET_NS);
        else if (r == 1 && (r = settle_begin(t, ino, urgent, &s)) == 0)
            r = postpone(t, ino, p.snap ? INT64_MAX : now + SOON_NS); /* after the snapshot; or after the write that goes on just now */
        if (r < 0) {
            log_errno(r, "inode %" PRIu64 " cannot be uploaded now", ino);
            if (postpone(t, ino, now + RETRY_NS) < 0) {
                at = now + RETRY_NS;
                break;
            }
        }
        if (s) {
            tree_unlock(t);
            spool_fill(s->snap, fill_done, s);
            tree_lock(t);
        }
    }
    at = MIN(at, let_go);
    if (!t->closing && at != INT64_MAX && t->settling < SETTLING_MAX)
        env_timer_set(t->env, &t->settle_timer, MAX(at, env_mono(t->env)));
    tree_unlock(t);
}

void settle_init(struct tree *t) {
    t->settle_timer = (struct env_timer){.fn = settle_tick, .arg = t};
}

void settle_kick(struct tree *t) {
    bool forced;
    int64_t at;
    if (t->closing || !t->pending_rows || t->settling >= SETTLING_MAX)
        return;
    next_due(t, INT64_MIN, &forced, &at);
    at = MIN(at, hold_next(t));
    if (at != INT64_MAX)
        env_timer_set(t->env, &t->settle_timer, at);
}

static uint64_t count_rows(struct tree *t, enum statement which) {
    sqlite3_stmt *s = db_bind(&t->db, which, "");
    uint64_t n = db_step(s) == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    db_reset(s);
    return n;
}

/* From a closed file to the handing over: every stage begins before the one before it ends. */
bool settle_drains(struct tree *t) {
    uint64_t busy;
    bool closing;
    file_count_busy(t, &busy, &closing);
    if (closing || t->handing_over || t->settling > t->stuck)
        return true;
    return t->pending_rows && (count_rows(t, STMT_P_QUEUE) > busy + hold_count(t) || count_rows(t, STMT_P_DURABLE) > 0);
}

/* The snapshot is durable, and everything about it said: its file becomes the cache's. */
static void release_snap(struct tree *t, uint64_t ino, struct file *f, struct content *content, struct row_pending *p) {
    struct spool_file *snap = NULL;
    if (f && f->snap) {
        snap = f->snap;
        f->snap = NULL;
    } else if (spool_reopen(t->cfg.spool, p->snap, NULL, true, &snap) < 0) {
        snap = NULL;
    }
    snap_done(t, ino, p);
    if (!snap)
        return;
    struct handover *h = xmalloc(sizeof *h);
    *h = (struct handover){snap, content_ref(content), t->handovers};
    t->handovers = h;
    t->handing_over++;
}

static void take_content(struct file *f, const struct record *rec) {
    if (!f || f->spool)
        return;
    content_unref(f->content);
    f->content = content_ref(rec->content);
    f->size = rec->size;
}

void settle_keep(struct tree *t, uint64_t ino, const struct record *rec, struct row_pending *p) {
    struct file *f = file_find(t, ino);
    if (p->snap)
        release_snap(t, ino, f, rec->content, p);
    take_content(f, rec);
}

void settle_give_up(struct tree *t, uint64_t ino, struct row_pending *p) {
    release_snap(t, ino, file_find(t, ino), NULL, p);
}

void settle_follow(struct file *from, struct file *to) {
    struct settle *s = from->job;
    to->refs++;
    to->settling = true;
    to->stuck = from->stuck;
    to->job = s;
    s->file = to;
    from->settling = from->stuck = false;
    from->job = NULL;
    file_put(from);
}

bool settle_is_at_bytes(const struct file *f) {
    return f->job && !f->job->moves;
}

/* An own entry brought the inode's record; in its transaction. */
void file_committed(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0}, c = {0};
    struct row_pending p;
    if (rows_p_inode(t, ino, &rec, &p) != 1 || rows_c_inode(t, ino, &c, NULL, NULL) != 1)
        return;
    if (deferred_is(t, ino)) { /* it brought attributes */
        if (rows_p_settle(t, ino, &rec, &p) < 0)
            log_error("tree.db: inode %" PRIu64 " after its commit", ino);
        return;
    }
    bool done = p.snap && p.stage == SNAP_DURABLE && record_same_content(&rec, &c);
    if (p.snap && !done)
        return;
    struct file *f = file_find(t, ino);
    if (done)
        release_snap(t, ino, f, c.content, &p);
    take_content(f, &c);
    p.since = MAX(p.since, p.after ? p.after : t->inflight.op + 1);
    p.written = p.after ? p.after : p.spool ? t->inflight.op + 1 : 0; /* what is dirty now was written after the entry was built */
    p.after = 0;
    int r = p.spool ? rows_p_block(t, ino, &p, true) : 0;
    if (r == 0)
        r = rows_p_settle(t, ino, &rec, &p);
    if (r < 0)
        log_errno(r, "tree.db: inode %" PRIu64 " after its commit", ino);
}

void settle_hand_over(struct tree *t) {
    unsigned n = 0;
    tree_lock(t);
    struct handover *h = t->handovers, *next;
    t->handovers = NULL;
    tree_unlock(t);
    for (; h; h = next, n++) {
        next = h->next;
        if (h->content)
            spool_to_cache(h->snap, h->content);
        else
            spool_remove(h->snap);
        spool_unref(h->snap);
        content_unref(h->content);
        free(h);
    }
    if (n == 0)
        return;
    tree_lock(t);
    t->handing_over -= n;
    tree_unlock(t);
}

/* After a restart */

struct kept {
    uint64_t *ids;
    size_t n, cap;
};

static void keep_id(struct kept *k, uint64_t id) {
    if (!id)
        return;
    if (k->n == k->cap) {
        k->cap = MAX(64, 2 * k->cap);
        k->ids = xrealloc(k->ids, k->cap * sizeof *k->ids);
    }
    k->ids[k->n++] = id;
}

static int compare_ids(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_kept(void *arg, uint64_t id) {
    struct kept *k = arg;
    return k->n && bsearch(&id, k->ids, k->n, sizeof *k->ids, compare_ids);
}

static void report_lost(void *arg, uint64_t id, const char *path) {
    (void)arg;
    log_error("spool file %" PRIu64 " cannot be read; it is kept as %s and not uploaded", id, path);
}

/* The size and time of what was being written when the daemon ended are those of its spool file. */
static int recover_row(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    struct spool_file *spool = NULL;
    int r = rows_p_inode(t, ino, &rec, &p);
    if (r != 1)
        return MIN(r, 0);
    p.due = 0;
    if (p.spool) {
        r = spool_reopen(t->cfg.spool, p.spool, rec.content, false, &spool);
        if (r == 0) {
            spool_stat(spool, &p.size, &p.mtime, NULL);
            rec.ctime = row_written_ctime(rec.ctime, p.mtime, env_now(t->env));
            spool_unref(spool);
        } else {
            log_error("inode %" PRIu64 ": what was written last is lost: spool file %" PRIu64 ": %s", ino, p.spool,
                      strerror(-r));
            p.spool = 0;
            r = rows_p_block(t, ino, &p, p.snap != 0);
            if (r < 0)
                return r;
        }
    }
    if (p.snap) {
        r = spool_reopen(t->cfg.spool, p.snap, p.stage == SNAP_SEALED ? rec.content : NULL, true, &spool);
        if (r == 0) {
            spool_unref(spool);
        } else if (p.stage != SNAP_DURABLE) {
            CLEANUP_RECORD struct record c = {0};
            log_error("inode %" PRIu64 ": what was written is lost: spool file %" PRIu64 ": %s", ino, p.snap, strerror(-r));
            (void)rows_c_inode(t, ino, &c, NULL, NULL);
            record_take_content(&rec, &c);
            p.snap = 0;
            r = rows_p_block(t, ino, &p, p.spool != 0);
            if (r < 0)
                return r;
        }
    }
    return rows_p_settle(t, ino, &rec, &p);
}

int settle_recover(struct tree *t, struct buf *why) {
    struct kept spools = {0}, inodes = {0};
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_SPOOLED, "");
    int r;
    while ((r = db_step(s)) == 1) {
        keep_id(&inodes, (uint64_t)sqlite3_column_int64(s, 0));
        keep_id(&spools, (uint64_t)sqlite3_column_int64(s, 1));
        keep_id(&spools, (uint64_t)sqlite3_column_int64(s, 2));
    }
    if (spools.n)
        qsort(spools.ids, spools.n, sizeof *spools.ids, compare_ids);
    if (r == 0)
        r = spool_sweep(t->cfg.spool, is_kept, report_lost, &spools);
    if (r == 0)
        r = tree_begin(t);
    if (r == 0)
        r = db_run(&t->db, STMT_P_HOMELESS, "");
    if (r == 0) {
        for (size_t i = 0; i < inodes.n && r == 0; i++)
            r = recover_row(t, inodes.ids[i]);
        r = tree_end(t, r);
    }
    free(spools.ids);
    free(inodes.ids);
    if (r < 0)
        buf_printf(why, "the spool in %s cannot be recovered: %s", t->cfg.dir, strerror(-r));
    return r;
}
