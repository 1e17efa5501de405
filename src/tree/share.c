/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sharing content: a whole file copied inside the volume is one more record, and no bytes.
 */
#include "tree/deferred.h"
#include "tree/file_state.h"
#include "tree/home.h"

/* In a transaction: `to` becomes a file with the content of `from`: one record, no bytes. */
static int share(struct tree *t, struct file *from, struct file *to) {
    CLEANUP_RECORD struct record a = {0}, b = {0};
    struct row_pending p;
    int r = rows_v_inode(t, from->ino, &a, NULL, NULL);
    if (r == 1)
        r = rows_v_inode(t, to->ino, &b, NULL, &p);
    if (r != 1)
        return r < 0 ? r : -ESTALE;
    record_take_content(&b, &a);
    b.mtime = b.ctime = MAX(b.ctime + 1, tree_time(t));
    if (!p.op)
        p.since = t->op;
    p.op = t->op;
    if (!p.written)
        p.written = t->op;
    r = rows_p_settle(t, to->ino, &b, &p);
    if (r == 0)
        r = home_check(t, to->ino); /* in another area, or with another extension, it is another object */
    if (r == 0) {
        to->content = content_ref(b.content);
        to->size = b.size;
    }
    return r;
}

static int try_share(struct file *from, uint64_t off_in, struct file *to, uint64_t off_out, size_t len) {
    struct tree *t = from->tree;
    bool settled = !from->spool && !from->snap && from->content && !from->foreign && !from->unnamed;
    bool empty = !to->spool && !to->snap && !to->content && !to->unnamed && to != from && !deferred_is(t, to->ino);
    if (!settled || !empty || off_in || off_out || len < from->size)
        return -EXDEV;
    int r = tree_writable(t);
    if (r < 0)
        return r;
    if (to->spool || from->spool)
        return -EXDEV;
    r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, share(t, from, to));
    if (r == 0)
        commit_kick(t);
    return r;
}

void file_share_range(struct file *from, uint64_t off_in, struct file *to, uint64_t off_out, size_t len,
                     file_written done, void *arg) {
    struct tree *t = from->tree;
    tree_lock(t);
    int r = try_share(from, off_in, to, off_out, len);
    size_t n = r == 0 ? (size_t)from->size : 0;
    tree_unlock(t);
    done(arg, r, n);
}
