/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/deferred.h"
#include "base/log.h"
#include "tree/compare.h"
#include "tree/fault.h"
#include "tree/file_state.h"
#include "tree/local.h"
#include "tree/merge.h"
#include <inttypes.h>
#include <time.h>

int deferred_load(struct tree *t) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_HELD_COUNT, "");
    int r = db_step(s);
    t->deferred = r == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    db_reset(s);
    return MIN(r, 0);
}

/* 1 or 0; any may be NULL. saved: room for a digest, *copy is 0 where there is none. */
static int load(struct tree *t, uint64_t ino, struct record *seen, uint64_t *copy, uint8_t *saved) {
    if (!t->deferred)
        return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_HELD, "i", ino);
    int r = db_step(s);
    if (r != 1)
        return r;
    int parsed = seen ? record_parse(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0), seen) : 0;
    if (copy)
        *copy = sqlite3_column_bytes(s, 2) == DIGEST_SIZE ? (uint64_t)sqlite3_column_int64(s, 1) : 0;
    if (copy && *copy)
        memcpy(saved, sqlite3_column_blob(s, 2), DIGEST_SIZE);
    db_reset(s);
    return parsed < 0 ? parsed : 1;
}

bool deferred_is(struct tree *t, uint64_t ino) {
    return load(t, ino, NULL, NULL, NULL) == 1;
}

int deferred_seen(struct tree *t, uint64_t ino, struct record *ret) {
    return load(t, ino, ret, NULL, NULL);
}

int deferred_begin(struct tree *t, uint64_t ino, const struct record *seen) {
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX);
    record_encode(seen, &b);
    log_info("inode %" PRIu64 " was changed by another host while it is open for writing here: what is written here goes on, and is decided at its last close", ino);
    int r = b.err ? b.err : db_run(&t->db, STMT_HELD_SET, "ib", ino, b.data, b.len);
    return r < 0 ? r : deferred_load(t);
}

int deferred_end(struct tree *t, uint64_t ino) {
    int r = db_run(&t->db, STMT_HELD_DEL, "i", ino);
    return r < 0 ? r : deferred_load(t);
}

void deferred_shared(struct record *rec, const struct record *confirmed) {
    int64_t ctime = rec->ctime;
    record_take_content(rec, confirmed);
    rec->mtime = confirmed->mtime;
    rec->ctime = confirmed->ctime;
    if (!record_equal(rec, confirmed))
        rec->ctime = MAX(ctime, confirmed->ctime);
}

/* Nothing of it but its content differs from what is confirmed. */
static bool is_calm(struct tree *t, uint64_t ino, const struct record *rec) {
    CLEANUP_RECORD struct record c = {0}, shared = {0};
    if (rows_c_inode(t, ino, &c, NULL, NULL) != 1)
        return false;
    record_copy(&shared, rec);
    deferred_shared(&shared, &c);
    return record_equal(&shared, &c);
}

uint64_t deferred_since(struct tree *t, uint64_t ino, const struct record *rec, const struct row_pending *p) {
    if (row_local(p))
        return p->since;
    if (t->deferred && deferred_is(t, ino) && !p->spool && !p->snap && is_calm(t, ino, rec))
        return ROW_CALM;
    return p->since == ROW_CALM ? t->op : p->since;
}

uint64_t deferred_copy(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    uint64_t copy;
    uint8_t saved[DIGEST_SIZE];
    uint32_t nlink;
    if (load(t, ino, NULL, &copy, saved) != 1 || !copy || rows_v_inode(t, copy, &rec, &nlink, &p) != 1)
        return 0;
    bool same = nlink && !row_unhashed(&p) && !rec.foreign && rec.content && !memcmp(rec.content->id, saved, DIGEST_SIZE);
    return same && !deferred_is(t, copy) ? copy : 0;
}

struct beside {
    struct tree *tree;
    uint64_t parent;
    char name[NAME_MAX_BYTES];
    size_t n;
};

static int first_name(void *arg, uint64_t parent, const char *name, size_t n) {
    struct beside *b = arg;
    b->parent = parent;
    b->n = n;
    memcpy(b->name, name, n);
    return -EEXIST; /* enough */
}

static int is_taken(struct tree *t, const struct beside *b) {
    struct row_name row;
    int r = rows_v_name(t, b->parent, b->name, b->n, &row);
    return r == 0 ? rows_c_name(t, b->parent, b->name, b->n, &row) : r;
}

/* Where a copy may stand: a free name beside one of the inode's. */
static int find_free(struct tree *t, uint64_t ino, struct beside *b) {
    char date[16];
    time_t now = (time_t)(env_now(t->env) / NS_PER_S);
    struct tm tm;
    b->n = 0;
    int r = rows_v_names_of(t, ino, first_name, b);
    if (r != -EEXIST)
        return r < 0 ? r : -ENOENT;
    char name[NAME_MAX_BYTES];
    size_t n = b->n;
    memcpy(name, b->name, n);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &tm));
    r = 1;
    for (unsigned k = 1; r == 1; k++) {
        b->n = merge_conflict_name(name, n, t->cfg.host_label, date, k, b->name);
        r = is_taken(t, b);
    }
    return r;
}

static int new_copy(struct tree *t, uint64_t ino, const struct record *rec, struct row_pending *p, uint64_t *ret) {
    struct beside at;
    int64_t when = tree_time(t);
    int r = find_free(t, ino, &at);
    if (r == 0)
        r = tree_mint_copy(t, ret);
    if (r == 0)
        r = rows_p_put(t, *ret, rec, p);
    if (r == 0)
        r = rows_v_set_name(t, at.parent, at.name, at.n, *ret, rec->mode, false, when);
    if (r == 0)
        r = names_touched(t, at.parent, when);
    if (r == 0) {
        tree_note_entry(t, at.parent, at.name, at.n);
        tree_note_inode(t, at.parent, true);
        counter_add(t->cfg.counters, COUNTER_CONFLICT_COPIES, 1);
    }
    return r;
}

/* The copy gets what the inode has: its record, and where the bytes are that only this host has (p). They are older than an entry in flight that may bring the copy as it
 * was: `after` says so. */
static int update_copy(struct tree *t, uint64_t copy, const struct record *rec, const struct row_pending *p) {
    struct row_pending there, now = *p;
    int had = rows_p_inode(t, copy, NULL, &there);
    if (had < 0)
        return had;
    if (had && there.snap) /* of what it had before: already in the bucket, and of use to nobody */
        settle_give_up(t, copy, &there);
    if (had) {
        now.since = MIN(now.since, there.since);
        now.written = there.written ? MIN(there.written, now.written) : now.written;
        if (now.spool && !now.snap)
            now.after = now.written;
    }
    tree_note_inode(t, copy, true);
    int r = rows_p_block(t, copy, &now, now.spool != 0 || (now.snap && now.stage != SNAP_DURABLE));
    if (r == 0)
        r = rows_p_settle(t, copy, rec, &now);
    if (r == 0)
        file_changed(t, copy);
    return r;
}

/* An entry in flight may bring the copy as it was before: that is not what they wait for, so it must be newer than that. */
static void move_waits(struct tree *t, uint64_t from, uint64_t to, uint64_t before) {
    for (struct wait *w = t->waits; w; w = w->next) {
        if ((w->ino && w->ino != from) || w->op >= before)
            continue;
        if (w->ino)
            w->ino = to;
        if (t->inflight.active)
            w->op = MAX(w->op, t->op);
    }
    commit_check_waits(t);
}

/* Bytes that need no copy: the others have them, or have had them. */
static int is_known(struct tree *t, uint64_t ino, const struct record *rec) {
    CLEANUP_RECORD struct record seen = {0}, c = {0};
    int r = deferred_seen(t, ino, &seen);
    if (r != 1)
        return r < 0 ? r : 1;
    r = rows_c_inode(t, ino, &c, NULL, NULL);
    if (r != 1)
        return r;
    return record_same_content(rec, &seen) || record_same_content(rec, &c);
}

static int save(struct tree *t, uint64_t ino, const struct record *rec, const struct row_pending *p) {
    uint64_t copy = deferred_copy(t, ino), written = p->written ? p->written : t->op;
    struct row_pending row = {.op = t->op, .since = MIN(p->since, t->op), .written = written};
    if (!rec->content)
        return 0; /* nothing is in it: what is written next will be saved */
    int r = copy ? update_copy(t, copy, rec, &row) : new_copy(t, ino, rec, &row, &copy);
    if (r == 0)
        r = db_run(&t->db, STMT_HELD_SAVED, "iib", ino, copy, rec->content->id, (size_t)DIGEST_SIZE);
    if (r == 0)
        move_waits(t, ino, copy, p->after ? p->after : UINT64_MAX);
    return r;
}

int deferred_save(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = rows_p_inode(t, ino, &rec, &p);
    if (r != 1)
        return MIN(r, 0);
    if (p.snap ? p.stage != SNAP_DURABLE : p.spool || p.blocked)
        return 0;
    r = is_known(t, ino, &rec);
    if (r == 0)
        r = save(t, ino, &rec, &p);
    if (r < 0)
        return r;
    settle_keep(t, ino, &rec, &p);
    p.written = p.after;
    if (p.after && is_calm(t, ino, &rec))
        p.since = MAX(p.since, p.after);
    p.after = 0;
    r = rows_p_block(t, ino, &p, p.spool != 0);
    if (r == 0)
        r = rows_p_settle(t, ino, &rec, &p);
    commit_check_waits(t);
    return r;
}

/* The last writer has closed it: the copy takes what came after it was saved, and the inode is as its programs found it. */
static int finish_copy(struct tree *t, uint64_t ino, uint64_t copy) {
    CLEANUP_RECORD struct record rec = {0}, seen = {0};
    struct row_pending p;
    int r = rows_p_inode(t, ino, &rec, &p);
    if (r == 1)
        r = deferred_seen(t, ino, &seen);
    if (r != 1)
        return MIN(r, 0);
    if (p.spool || p.snap) {
        p.since = MIN(p.since, t->op);
        r = update_copy(t, copy, &rec, &p);
        move_waits(t, ino, copy, UINT64_MAX);
        file_split(t, ino, copy);
    } else {
        r = update_copy(t, copy, &rec, &(struct row_pending){.op = t->op, .since = t->op, .written = t->op});
    }
    if (r < 0)
        return r;
    record_take_content(&rec, &seen);
    rec.mtime = seen.mtime;
    p = (struct row_pending){.op = t->op, .since = t->op};
    r = rows_p_block(t, ino, &p, false);
    return r < 0 ? r : rows_p_put(t, ino, &rec, &p);
}

/* Is it still what makes a merge wait: open for writing, and in the shared part of the view? */
static bool waits_still(struct tree *t, uint64_t ino) {
    uint32_t nlink;
    struct row_pending p;
    return file_is_written(t, ino) && !rows_v_orphan(t, ino) && rows_v_inode(t, ino, NULL, &nlink, &p) == 1 && nlink > 0 && !row_local(&p);
}

/* In a transaction. */
static int review(struct tree *t) {
    uint64_t *list, copy;
    size_t n = 0;
    int r;
    bool any = false;
    list = xcalloc(t->deferred, sizeof *list);
    sqlite3_stmt *s = db_bind(&t->db, STMT_HELD_ALL, "");
    while ((r = db_step(s)) == 1 && n < t->deferred)
        list[n++] = (uint64_t)sqlite3_column_int64(s, 0);
    db_reset(s);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (waits_still(t, list[i]))
            continue;
        if (!any) /* before anything is changed that cannot be undone */
            r = carry_need(t);
        any = true;
        if (r == 0 && (copy = deferred_copy(t, list[i])) != 0)
            r = finish_copy(t, list[i], copy);
    }
    free(list);
    if (r == 0 && any)
        r = carry_again(t);
    if (r == 0 && any)
        r = local_sweep(t);
    if (r == 0 && any)
        file_named_again(t); /* what nobody here has seen is back at a name that was taken away */
    return MIN(r, 0);
}

static void again(void *arg, int err) {
    struct tree *t = arg;
    tree_lock(t);
    t->deferred_waits = false;
    tree_unlock(t);
    if (err == 0)
        follow_after(t);
}

void deferred_decide(struct tree *t) {
    if (!t->deferred || t->deferred_waits || t->inflight.active)
        return;
    int r = tree_begin(t);
    compare_allow(t, true);
    if (r == 0)
        r = tree_end(t, review(t));
    compare_allow(t, false);
    if (r == -EINPROGRESS) {
        t->deferred_waits = true;
        (compare_is_wanted(t) ? compare_wait_later : fault_wait_later)(t, again, t);
    } else if (r < 0) {
        log_errno(r, "what another host has changed while it was open here could not be merged; trying again");
    }
}
