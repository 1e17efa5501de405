/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/file.h"
#include "base/log.h"
#include "tree/claim.h"
#include "tree/compare.h"
#include "tree/deferred.h"
#include "tree/fault.h"
#include "tree/file_state.h"
#include "tree/hold.h"
#include "tree/local.h"
#include <fcntl.h>

/* An open file settles when it has not been written for so long, or at the latest so long after its first write. */
#define QUIET_NS (5 * NS_PER_S)
/* The kernel tells of a close(2) twice: of every one while the program waits (flush), of the last one some time later (release). So long that is awaited. */
#define CLOSING_NS (5 * NS_PER_S)
/* Closed files that keep their descriptor until they settle. */
#define LINGERING_MAX 256

struct file *file_find(struct tree *t, uint64_t ino) {
    struct file *f;
    HASH_FIND(hh, t->files, &ino, sizeof ino, f);
    return f;
}

/* After a restart the bytes may be in spool files that nobody has opened yet. */
static int open_spooled(struct file *f, const struct record *rec, const struct row_pending *p) {
    struct tree *t = f->tree;
    int r = 0;
    if (p->snap)
        r = spool_reopen(t->cfg.spool, p->snap, p->stage == SNAP_SEALED ? rec->content : NULL, true, &f->snap);
    if (r == 0 && p->spool)
        r = spool_reopen(t->cfg.spool, p->spool, rec->content, false, &f->spool);
    if (r == 0 && f->spool && f->snap)
        spool_set_prev(f->spool, f->snap);
    return r;
}

static int file_make(struct tree *t, uint64_t ino, const struct record *rec, const struct row_pending *p, bool unnamed,
                     struct file **ret) {
    struct file *f = xcalloc(1, sizeof *f);
    *f = (struct file){.tree = t, .ino = ino, .refs = 1, .unnamed = unnamed, .foreign = rec->foreign};
    f->parked_tail = &f->parked;
    f->content = content_ref(rec->content);
    f->size = rec->size;
    int r = open_spooled(f, rec, p);
    if (r < 0) {
        log_error("spool file %llu of inode %llu cannot be opened: %s", (unsigned long long)(p->spool ? p->spool : p->snap),
                  (unsigned long long)ino, strerror(-r));
        spool_unref(f->snap);
        content_unref(f->content);
        free(f);
        return -EIO;
    }
    HASH_ADD(hh, t->files, ino, sizeof f->ino, f);
    *ret = f;
    return 0;
}

int file_get(struct tree *t, uint64_t ino, struct file **ret) {
    struct file *f = file_find(t, ino);
    if (f) {
        f->refs++;
        *ret = f;
        return 0;
    }
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p = {0};
    struct orphan *o = rows_v_orphan(t, ino);
    int r = 1;
    if (o)
        record_copy(&rec, &o->rec);
    else
        r = rows_v_inode(t, ino, &rec, NULL, &p);
    if (r <= 0)
        return r < 0 ? r : -ESTALE;
    return S_ISREG(rec.mode) ? file_make(t, ino, &rec, &p, o != NULL, ret) : -EINVAL;
}

static void orphan_free(struct tree *t, struct orphan *o) {
    HASH_DEL(t->orphans, o);
    record_free(&o->rec);
    free(o);
}

void file_put(struct file *f) {
    if (--f->refs)
        return;
    if (!f->apart)
        HASH_DEL(f->tree->files, f);
    if (f->unnamed && f->spool)
        spool_remove(f->spool);
    if (f->unnamed && f->snap)
        spool_remove(f->snap);
    spool_unref(f->spool);
    spool_unref(f->snap);
    content_unref(f->content);
    struct orphan *o = f->unnamed && !f->apart ? tree_orphan(f->tree, f->ino) : NULL;
    if (o && o->forgotten)
        orphan_free(f->tree, o);
    free(f);
}

bool file_live(struct tree *t, uint64_t ino, uint64_t *size, int64_t *mtime, uint64_t *allocated) {
    struct file *f = t->files ? file_find(t, ino) : NULL;
    if (!f || !f->spool)
        return false;
    spool_stat(f->spool, size, mtime, allocated);
    return true;
}

void file_set_mtime(struct tree *t, uint64_t ino, int64_t mtime) {
    struct file *f = file_find(t, ino);
    if (f && f->spool) {
        spool_set_mtime(f->spool, mtime);
        return;
    }
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    struct spool_file *spool;
    if (f || rows_p_inode(t, ino, &rec, &p) != 1 || !p.spool)
        return;
    if (spool_reopen(t->cfg.spool, p.spool, rec.content, false, &spool) == 0) { /* closed, not settled yet */
        spool_set_mtime(spool, mtime);
        spool_unref(spool);
    }
}

bool file_is_open(struct tree *t, uint64_t ino) {
    struct file *f = file_find(t, ino);
    return f && f->refs;
}

bool file_is_written(struct tree *t, uint64_t ino) {
    struct file *f = file_find(t, ino);
    return f && !f->unnamed && (f->writers || f->changing);
}

size_t file_list_written(struct tree *t, uint64_t **ret) {
    struct file *f, *next;
    size_t n = 0;
    HASH_ITER(hh, t->files, f, next) {
        if (f->unnamed || !(f->writers || f->changing))
            continue;
        if ((n & (n - 1)) == 0)
            *ret = xrealloc(*ret, MAX(1, 2 * n) * sizeof **ret);
        (*ret)[n++] = f->ino;
    }
    return n;
}

static void give_bytes(struct file *f, struct file *to) {
    to->spool = f->spool;
    to->snap = f->snap;
    to->dirty_since = f->dirty_since;
    to->last_write = f->last_write;
    if (settle_is_at_bytes(f))
        settle_follow(f, to);
}

/* Without a job, and if nobody has the other one open, its row alone knows where the bytes are. */
void file_split(struct tree *t, uint64_t from, uint64_t to) {
    struct file *f = file_find(t, from), *other = file_find(t, to);
    for (struct wait *w = t->waits; w; w = w->next)
        if (w->ino == from)
            w->ino = to;
    if (!f)
        return;
    file_wake(f);
    f->refs++;
    if (!other && settle_is_at_bytes(f)) {
        other = xcalloc(1, sizeof *other);
        *other = (struct file){.tree = t, .ino = to, .content = content_ref(f->content), .size = f->size};
        other->parked_tail = &other->parked;
        HASH_ADD(hh, t->files, ino, sizeof other->ino, other);
    }
    if (other) {
        give_bytes(f, other);
    } else {
        spool_unref(f->spool);
        spool_unref(f->snap);
    }
    f->spool = f->snap = NULL;
    file_linger_no_more(f);
    file_put(f);
}

bool file_is_stuck(struct tree *t, uint64_t ino) {
    struct file *f = file_find(t, ino);
    return f && f->stuck;
}

void file_changed(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct file *f = file_find(t, ino);
    if (!f || f->spool || f->snap || f->unnamed || rows_v_inode(t, ino, &rec, NULL, NULL) != 1)
        return;
    content_unref(f->content);
    f->content = content_ref(rec.content);
    f->size = rec.size;
    f->foreign = rec.foreign;
}

uint64_t file_count_writing(struct tree *t) {
    struct file *f, *next;
    uint64_t n = 0;
    HASH_ITER(hh, t->files, f, next) {
        n += f->spool && f->writers && !f->unnamed && !local_is(t, f->ino);
    }
    return n;
}

void file_count_busy(struct tree *t, uint64_t *ret_busy, bool *ret_closing) {
    struct file *f, *next;
    int64_t now = env_mono(t->env);
    *ret_busy = 0;
    *ret_closing = false;
    HASH_ITER(hh, t->files, f, next) {
        if (f->unnamed)
            *ret_closing |= f->spool && !f->changing && f->flushed_at && now - f->flushed_at < CLOSING_NS;
        else
            *ret_busy += (f->stuck || (f->spool && f->changing)) && !local_is(t, f->ino);
    }
}

static void remove_spooled(struct tree *t, uint64_t id) {
    struct spool_file *s;
    if (!id || spool_reopen(t->cfg.spool, id, NULL, true, &s) < 0)
        return;
    spool_remove(s);
    spool_unref(s);
}

static void wake_on_loop(void *arg) {
    struct file *f = arg;
    struct tree *t = f->tree;
    file_unpark(f);
    tree_lock(t);
    file_put(f);
    tree_release(t);
    tree_unlock(t);
}

void file_wake(struct file *f) {
    if (!f->parked)
        return;
    f->refs++;
    tree_hold(f->tree);
    env_post(f->tree->env, wake_on_loop, f);
}

/* A program that has found the name may be about to open it: the bytes stay until the kernel has let go of the inode. */
static struct file *keep_unnamed(struct tree *t, struct orphan *o, struct file *f, const struct row_pending *p) {
    if (f) {
        f->refs++;
    } else if (p->spool || p->snap) {
        if (file_make(t, o->ino, &o->rec, p, true, &f) < 0)
            return NULL;
        f->flushed_at = env_mono(t->env);
    }
    o->file = f;
    return f;
}

void file_unnamed(struct tree *t, uint64_t ino, const struct row_pending *p) {
    struct orphan *o = tree_orphan(t, ino);
    struct file *f = file_find(t, ino);
    if (o && S_ISREG(o->rec.mode))
        f = keep_unnamed(t, o, f, p);
    if (f) {
        f->unnamed = true;
        f->hashed = o && p->snap && p->stage != SNAP_SEALED;
        if (f->hashed) {
            content_unref(f->content);
            f->content = content_ref(o->rec.content);
        }
        file_wake(f);
        file_linger_no_more(f);
        return;
    }
    remove_spooled(t, p->spool);
    remove_spooled(t, p->snap);
}

void file_drop_bytes(struct tree *t, uint64_t ino, const struct row_pending *p) {
    file_unnamed(t, ino, p);
    struct file *f = file_find(t, ino); /* one that only lingered has gone with its spool files */
    if (!f)
        return;
    f->unnamed = false;
    if (f->snap)
        spool_remove(f->snap);
    if (f->spool)
        spool_remove(f->spool);
    spool_unref(f->snap);
    spool_unref(f->spool);
    f->snap = f->spool = NULL;
}

void file_forgotten(struct tree *t, struct orphan *o) {
    struct file *f = o->file;
    o->forgotten = true;
    o->file = NULL;
    if (f)
        file_put(f);
    else if (!file_is_open(t, o->ino))
        orphan_free(t, o);
}

void file_named_again(struct tree *t) {
    struct orphan *o, *next;
    HASH_ITER(hh, t->orphans, o, next) {
        if (rows_v_orphan(t, o->ino))
            continue;
        struct file *f = file_find(t, o->ino), *kept = o->file;
        if (f && f->unnamed) {
            HASH_DEL(t->files, f);
            f->apart = true;
        }
        tree_note_inode(t, o->ino, true);
        orphan_free(t, o);
        if (kept)
            file_put(kept);
    }
}

/* Making it writable */

/* In a transaction: the inode's row says from now on which spool file has its bytes. */
static int begin_version(struct file *f, const struct record *rec, struct row_pending *p) {
    struct tree *t = f->tree;
    struct spool_file *spool;
    uint64_t id = tree_spool_id(t);
    int r = f->snap && rec->content ? spool_new_version(t->cfg.spool, id, f->snap, rec->content, &spool)
                                    : spool_create(t->cfg.spool, id, rec->content, &spool);
    if (r < 0)
        return r;
    if (!p->op)
        p->since = t->op;
    p->op = t->op;
    p->spool = id;
    if (p->snap)
        p->after = t->op;
    else if (!p->written)
        p->written = t->op;
    p->due = env_mono(t->env) + QUIET_NS;
    if (!p->snap)
        r = rows_p_block(t, f->ino, p, true);
    if (r == 0)
        r = rows_p_put(t, f->ino, rec, p);
    if (r < 0) {
        spool_remove(spool);
        spool_unref(spool);
        return r;
    }
    f->spool = spool;
    return 0;
}

/* Its snapshot goes nowhere: it is written on, unless it is just being hashed (-EALREADY) or uploaded. */
static int begin_unnamed(struct file *f) {
    struct tree *t = f->tree;
    if (f->snap && !f->settling) {
        spool_unseal(f->snap);
        f->spool = STEAL_PTR(&f->snap);
        return 0;
    }
    if (f->snap && !f->hashed)
        return -EALREADY;
    int r = tree_begin(t);
    if (r < 0)
        return r;
    uint64_t id = tree_spool_id(t);
    if (f->snap && f->content)
        r = spool_new_version(t->cfg.spool, id, f->snap, f->content, &f->spool);
    else
        r = spool_create(t->cfg.spool, id, f->content, &f->spool);
    struct orphan *o = f->apart ? NULL : tree_orphan(t, f->ino);
    if (r == 0 && o && !o->file) {
        o->file = f;
        f->refs++;
    }
    return tree_end(t, r);
}

/* 0; -EALREADY: park it, the snapshot has no content id yet; -EINPROGRESS: no session yet; else an error. Under the lock. */
static int make_writable(struct file *f) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    struct tree *t = f->tree;
    if (f->spool)
        return 0;
    int r = claim_need(t);
    if (r < 0)
        return r;
    if (f->foreign)
        return -EIO;
    if (f->unnamed)
        return begin_unnamed(f);
    r = rows_v_inode(t, f->ino, &rec, NULL, &p);
    if (r <= 0)
        return r < 0 ? r : -ESTALE;
    if (p.snap && p.stage == SNAP_SEALED)
        return -EALREADY;
    r = tree_begin(t);
    if (r < 0)
        return r;
    r = tree_end(t, begin_version(f, &rec, &p));
    if (r < 0) {
        if (f->spool)
            spool_remove(f->spool);
        spool_unref(f->spool);
        f->spool = NULL;
        return r;
    }
    f->dirty_since = env_mono(t->env);
    settle_kick(t);
    return 0;
}

static void park(struct file *f, void (*run)(void *), void *arg) {
    struct parked *p = xmalloc(sizeof *p);
    *p = (struct parked){run, arg, NULL};
    *f->parked_tail = p;
    f->parked_tail = &p->next;
}

void file_unpark(struct file *f) {
    tree_lock(f->tree);
    struct parked *p = f->parked, *next;
    f->parked = NULL;
    f->parked_tail = &f->parked;
    tree_unlock(f->tree);
    for (; p; p = next) {
        next = p->next;
        p->run(p->arg);
        free(p);
    }
}

/* The record takes over what the spool file knows, for the time when nobody has it open; it settles soon. */
static int note_closed(struct file *f) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    struct tree *t = f->tree;
    int r = rows_p_inode(t, f->ino, &rec, &p);
    if (r != 1)
        return MIN(r, 0);
    spool_stat(f->spool, &p.size, &p.mtime, NULL);
    spool_set_mtime(f->spool, p.mtime); /* the file's own is a tick behind */
    rec.ctime = row_written_ctime(rec.ctime, p.mtime, env_now(t->env));
    p.due = env_mono(t->env) + t->cfg.settle_ns;
    return rows_p_put(t, f->ino, &rec, &p);
}

void file_linger_no_more(struct file *f) {
    if (!f->lingers)
        return;
    f->lingers = false;
    f->tree->lingering--;
    file_put(f);
}

void file_end_lingering(struct tree *t) {
    struct file *f, *next;
    struct orphan *o, *next_o;
    HASH_ITER(hh, t->files, f, next) {
        file_wake(f); /* writes that wait for a snapshot's digest: there will be none */
        file_linger_no_more(f);
    }
    HASH_ITER(hh, t->orphans, o, next_o) {
        file_forgotten(t, o);
    }
}

/* The last writer has gone. */
static void close_writes(struct file *f) {
    struct tree *t = f->tree;
    if (!f->lingers && t->lingering < LINGERING_MAX && !t->closing) {
        f->lingers = true;
        f->refs++;
        t->lingering++;
    }
    int r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, note_closed(f));
    if (r < 0)
        log_errno(r, "a closed file could not be noted in tree.db; its bytes are in %s", spool_path(f->spool));
    settle_kick(t);
}

/* What another host's change had to wait for may be over: the last writer has gone. */
static void decide(struct file *f) {
    struct tree *t = f->tree;
    if (!t->deferred || f->apart || f->writers || f->changing)
        return;
    deferred_decide(t);
    commit_kick(t);
}

/* One change of the bytes on its way: what file_write(), file_truncate() and file_fallocate() share. */
enum change_kind { CHANGE_WRITE, CHANGE_TRUNCATE, CHANGE_ALLOCATE };
struct file_change {
    struct file *file;
    struct spool_file *spool;
    enum change_kind kind;
    int mode;
    bool append;
    const void *data;
    void *copy; /* owned, when it was parked */
    uint64_t off, len;
    file_done done;
    file_written written;
    void *arg;
};

static void change_done(void *arg, int err) {
    struct file_change *c = arg;
    struct file *f = c->file;
    struct tree *t = f->tree;
    tree_lock(t);
    if (c->spool) {
        f->changing--;
        f->last_write = env_mono(t->env);
        if (f->writers == 0 && f->spool && !f->unnamed) /* truncate(2) has no handle to close */
            close_writes(f);
        decide(f);
    }
    file_put(f);
    tree_unlock(t);
    if (c->written)
        c->written(c->arg, err, err < 0 ? 0 : (size_t)c->len);
    else
        c->done(c->arg, err);
    spool_unref(c->spool);
    free(c->copy);
    free(c);
}

static void change_run(void *arg);

static void change_claimed(void *arg, int err) {
    err < 0 ? change_done(arg, err) : change_run(arg);
}

static void change_run(void *arg) {
    struct file_change *c = arg;
    struct file *f = c->file;
    struct tree *t = f->tree;
    tree_lock(t);
    int r = make_writable(f);
    bool claims = r == -EINPROGRESS && claim_is_noted(t);
    if (r == -EALREADY || claims) {
        if (c->kind == CHANGE_WRITE && !c->copy)
            c->data = c->copy = xmemdup(c->data, c->len);
        if (claims)
            claim_wait(t, t->cfg.timeout_ns, change_claimed, c);
        else
            park(f, change_run, c);
        tree_unlock(t);
        return;
    }
    if (r == 0) {
        f->changing++;
        compare_forget(t, f->ino);
        f->flushed_at = 0;
        c->spool = spool_ref(f->spool);
        if (c->append)
            spool_stat(c->spool, &c->off, NULL, NULL);
    }
    tree_unlock(t);
    if (r < 0)
        change_done(c, r);
    else if (c->kind == CHANGE_WRITE)
        spool_write(c->spool, c->data, (size_t)c->len, c->off, change_done, c);
    else if (c->kind == CHANGE_TRUNCATE)
        spool_truncate(c->spool, c->len, change_done, c);
    else
        spool_fallocate(c->spool, c->mode, c->off, c->len, change_done, c);
}

static struct file_change *change_new(struct file *f, enum change_kind kind, uint64_t off, uint64_t len, void *arg) {
    struct file_change *c = xcalloc(1, sizeof *c);
    *c = (struct file_change){.file = f, .kind = kind, .off = off, .len = len, .arg = arg};
    return c;
}

static struct file *file_again(struct file *f) {
    tree_lock(f->tree);
    f->refs++;
    tree_unlock(f->tree);
    return f;
}

void file_write(struct file *f, const void *p, size_t len, uint64_t off, bool append, file_written done, void *arg) {
    struct file_change *c = change_new(file_again(f), CHANGE_WRITE, off, len, arg);
    c->data = p;
    c->append = append;
    c->written = done;
    change_run(c);
}

void file_truncate(struct tree *t, uint64_t ino, uint64_t size, file_done done, void *arg) {
    struct file *f;
    tree_lock(t);
    int r = file_get(t, tree_resolve(t, ino), &f);
    tree_unlock(t);
    if (r < 0) {
        done(arg, r);
        return;
    }
    struct file_change *c = change_new(f, CHANGE_TRUNCATE, 0, size, arg);
    c->done = done;
    change_run(c);
}

void file_fallocate(struct file *f, int mode, uint64_t off, uint64_t len, file_done done, void *arg) {
    struct file_change *c = change_new(file_again(f), CHANGE_ALLOCATE, off, len, arg);
    c->mode = mode;
    c->done = done;
    change_run(c);
}

/* Opening and closing */

static void nothing(void *arg, int err) {
    (void)arg;
    (void)err;
}

int file_open(struct tree *t, uint64_t ino, int flags, struct file **ret) {
    struct file *f;
    bool writable = (flags & O_ACCMODE) != O_RDONLY, cuts = flags & O_TRUNC; /* O_RDONLY | O_TRUNC cuts too */
    tree_lock(t);
    int r = (writable || cuts) && (t->read_only || t->cfg.read_only) ? -EROFS : file_get(t, tree_resolve(t, ino), &f);
    if (r == 0) {
        f->handles++;
        f->writers += writable;
        fault_note_object(t, f->foreign ? NULL : f->content);
    }
    tree_unlock(t);
    if (r < 0)
        return r;
    if (cuts)
        file_truncate(t, f->ino, 0, nothing, NULL);
    *ret = f;
    return 0;
}

void file_close(struct file *f, int flags) {
    struct tree *t = f->tree;
    tree_lock(t);
    bool writable = (flags & O_ACCMODE) != O_RDONLY;
    f->handles--;
    f->writers -= writable;
    if (writable && f->writers == 0 && f->spool && !f->unnamed)
        close_writes(f);
    if (writable)
        decide(f);
    file_put(f);
    tree_unlock(t);
}

void file_flush(struct file *f, file_done done, void *arg) {
    tree_lock(f->tree);
    f->flushed_at = env_mono(f->tree->env);
    tree_unlock(f->tree);
    if (f->tree->cfg.durability == DURABILITY_CLOSE)
        file_fsync(f, done, arg);
    else
        done(arg, 0);
}

/* Reading */

void file_read(struct file *f, uint64_t off, size_t len, struct read_stream *stream, reader_done done, void *arg) {
    struct tree *t = f->tree;
    tree_lock(t);
    struct spool_file *spool = spool_ref(f->spool ? f->spool : f->snap);
    struct content *content = spool ? NULL : content_ref(f->content);
    bool foreign = f->foreign;
    tree_unlock(t);
    if (spool)
        spool_read(spool, off, len, stream, done, arg);
    else if (foreign)
        done(arg, -EIO, NULL, 0);
    else if (content)
        reader_read(t->cfg.block_reader, content, off, len, stream, done, arg);
    else
        done(arg, 0, NULL, 0);
    spool_unref(spool);
    content_unref(content);
}

int64_t file_seek(struct file *f, uint64_t off, int whence) {
    struct tree *t = f->tree;
    tree_lock(t);
    struct spool_file *spool = spool_ref(f->spool ? f->spool : f->snap);
    uint64_t size = f->size;
    tree_unlock(t);
    int64_t r;
    if (spool)
        r = spool_seek(spool, off, whence);
    else if (off >= size)
        r = -ENXIO;
    else
        r = (int64_t)(whence == SEEK_DATA ? off : size);
    spool_unref(spool);
    return r;
}
