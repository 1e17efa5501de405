/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fsync: until what was written is in the bucket, or on this host's disk.
 */
#include "tree/deferred.h"
#include "tree/file.h"
#include "tree/file_state.h"
#include "tree/hold.h"
#include "tree/local.h"

struct local_sync {
    struct tree *tree;
    struct spool_file *spool;
    file_done done;
    void *arg;
    int err;
};

static void sync_db(void *arg) {
    struct local_sync *s = arg;
    int r = db_checkpoint(&s->tree->db);
    s->err = s->err < 0 ? s->err : r == -EBUSY ? 0 : r;
}

static void sync_finish(void *arg) {
    struct local_sync *s = arg;
    s->done(s->arg, s->err);
    spool_unref(s->spool);
    tree_lock(s->tree);
    tree_release(s->tree);
    tree_unlock(s->tree);
    free(s);
}

static void sync_bytes_done(void *arg, int err) {
    struct local_sync *s = arg;
    s->err = err;
    env_work(s->tree->env, sync_db, sync_finish, s);
}

static void sync_local(struct tree *t, struct file *f, file_done done, void *arg) {
    struct local_sync *s = xcalloc(1, sizeof *s);
    *s = (struct local_sync){.tree = t, .done = done, .arg = arg};
    tree_lock(t);
    tree_hold(t);
    s->spool = f ? spool_ref(f->spool ? f->spool : f->snap) : NULL;
    tree_unlock(t);
    if (s->spool)
        spool_sync(s->spool, sync_bytes_done, s);
    else
        env_work(t->env, sync_db, sync_finish, s);
}

/* Its bytes settle now, not later. */
static int hurry(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = hold_release(t, ino);
    if (r == 0)
        r = rows_p_inode(t, ino, &rec, &p);
    if (r != 1 || !p.spool)
        return MIN(r, 0);
    struct file *f = file_find(t, ino);
    if (f && f->spool)
        spool_stat(f->spool, &p.size, &p.mtime, NULL);
    p.due = 0;
    return rows_p_put(t, ino, &rec, &p);
}

struct tree_wait *file_fsync_inode(struct tree *t, uint64_t ino, file_done done, void *arg) {
    struct tree_wait *w = NULL;
    int r = 0;
    tree_lock(t);
    ino = tree_resolve(t, ino);
    struct file *f = file_find(t, ino);
    if (t->cfg.durability == DURABILITY_LOCAL || t->cfg.read_only || (f && f->unnamed) || local_is(t, ino)) {
        if (f)
            f->refs++;
        tree_unlock(t);
        sync_local(t, f, done, arg);
        tree_lock(t);
        if (f)
            file_put(f);
        tree_unlock(t);
        return NULL;
    }
    if (t->pending_rows) {
        r = tree_begin(t);
        if (r == 0)
            r = tree_end(t, hurry(t, ino));
    }
    uint64_t copy = t->deferred ? deferred_copy(t, ino) : 0;
    struct row_pending p;
    if (r == 0 && copy && rows_p_inode(t, ino, NULL, &p) == 1 && !p.spool && !p.snap)
        ino = copy; /* what it has been written to */
    if (r == 0 && file_is_stuck(t, ino))
        r = -EIO; /* as for who waited when it was refused; it is tried again all the time */
    if (r == 0)
        w = commit_wait(t, ino, t->op, t->cfg.fsync_timeout_ns, true, done, arg);
    tree_unlock(t);
    if (!w)
        done(arg, r);
    return w;
}

struct tree_wait *file_fsync(struct file *f, file_done done, void *arg) {
    tree_lock(f->tree);
    bool apart = f->apart;
    tree_unlock(f->tree);
    if (apart) {
        sync_local(f->tree, f, done, arg);
        return NULL;
    }
    return file_fsync_inode(f->tree, f->ino, done, arg);
}
