/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/names.h"
#include "tree/apply.h"
#include "tree/area_set.h"
#include "tree/claim.h"
#include "tree/deferred.h"
#include "tree/fault.h"
#include "tree/hold.h"
#include "tree/home.h"
#include "tree/local.h"
#include <linux/fs.h>
#include <linux/limits.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define LINKS_MAX 1000000u

/* Reading the view */

/* The record of an inode with or without a name: 0 or -ESTALE. */
static int view_record(struct tree *t, uint64_t ino, struct record *ret, uint32_t *nlink, struct row_pending *p) {
    struct orphan *o = rows_v_orphan(t, ino);
    if (!o) {
        int r = rows_v_inode(t, ino, ret, nlink, p);
        return r == 0 ? -ESTALE : MIN(r, 0);
    }
    record_copy(ret, &o->rec);
    if (nlink)
        *nlink = 0;
    if (p)
        *p = (struct row_pending){0};
    return 0;
}

static void fill_attr(struct tree *t, uint64_t ino, const struct record *rec, uint32_t nlink,
                      const struct row_pending *p, struct attr *ret) {
    uint64_t allocated = UINT64_MAX;
    *ret = (struct attr){.ino = ino,
                         .mode = rec->mode,
                         .nlink = nlink,
                         .uid = rec->uid,
                         .gid = rec->gid,
                         .rdev = makedev(rec->rdev_major, rec->rdev_minor),
                         .size = rec->size,
                         .atime = rec->atime,
                         .mtime = rec->mtime,
                         .ctime = rec->ctime,
                         .btime = rec->btime};
    if (rec->target)
        ret->size = strlen(rec->target);
    else if (S_ISDIR(rec->mode))
        ret->size = 4096;
    bool live = S_ISREG(rec->mode) && file_live(t, ino, &ret->size, &ret->mtime, &allocated);
    if (!live && p && row_unhashed(p)) {
        ret->size = p->size;
        ret->mtime = p->mtime;
        live = true;
    }
    ret->blocks = (MIN(allocated, ret->size) + 511) / 512;
    if (live) {
        ret->ctime = row_written_ctime(ret->ctime, ret->mtime, env_now(t->env));
    }
}

static int get_attr(struct tree *t, uint64_t ino, struct attr *ret) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p = {0};
    uint32_t nlink;
    int r = view_record(t, ino, &rec, &nlink, &p);
    if (r == 0)
        fill_attr(t, ino, &rec, nlink, &p, ret);
    return r;
}

/* A directory of the view that names can be looked up in, or changed. */
static int view_directory(struct tree *t, uint64_t *dir, struct record *ret) {
    *dir = tree_resolve(t, *dir);
    if (rows_v_orphan(t, *dir))
        return -ENOENT;
    int r = rows_v_inode(t, *dir, ret, NULL, NULL);
    return r == 0 ? -ESTALE : r < 0 ? r : S_ISDIR(ret->mode) ? 0 : -ENOTDIR;
}

static int dot_dot_lookup(struct tree *t, uint64_t dir, struct attr *ret) {
    uint64_t ino = dir;
    int r = dir == ROOT_INO ? 1 : rows_v_parent(t, dir, &ino);
    return r < 0 ? r : r == 1 ? get_attr(t, ino, ret) : -ENOENT;
}

int names_lookup(struct tree *t, uint64_t parent, const char *name, size_t n, struct attr *ret) {
    CLEANUP_RECORD struct record dir = {0};
    struct row_name row;
    if (n > NAME_MAX_BYTES)
        return -ENAMETOOLONG;
    tree_lock(t);
    int r;
    if (n == 1 && *name == '.') {
        r = get_attr(t, tree_resolve(t, parent), ret); /* of any inode: the kernel opens a file handle */
    } else if ((r = view_directory(t, &parent, &dir)) == 0 && n == 2 && !memcmp(name, "..", n)) {
        r = dot_dot_lookup(t, parent, ret);
    } else if (r == 0) {
        r = rows_v_name(t, parent, name, n, &row);
        r = r < 0 ? r : r == 0 ? -ENOENT : get_attr(t, row.ino, ret);
    }
    r = tree_missed(t, r);
    tree_unlock(t);
    return r;
}

int names_getattr(struct tree *t, uint64_t ino, struct attr *ret) {
    tree_lock(t);
    ino = tree_resolve(t, ino);
    int r = tree_missed(t, get_attr(t, ino, ret));
    tree_unlock(t);
    return r;
}

int names_list(struct tree *t, uint64_t dir, bool (*each)(void *arg, const struct names_entry *), void *arg,
               uint64_t *ret_parent) {
    CLEANUP_RECORD struct record rec = {0};
    uint64_t up = 0;
    tree_lock(t);
    int r = view_directory(t, &dir, &rec);
    if (r == 0)
        r = fault_need_dir(t, dir);
    if (r == 0 && dir != ROOT_INO)
        r = MIN(rows_v_parent(t, dir, &up), 0);
    if (r == -ENOENT) /* removed, still open: empty */
        r = 0;
    if (r == 0) {
        sqlite3_stmt *s = db_bind(&t->db, t->pending_rows ? STMT_LIST : STMT_LIST_C, "i", dir);
        while ((r = db_step(s)) == 1) {
            struct names_entry e = {.name = sqlite3_column_blob(s, 0),
                                    .n = (size_t)sqlite3_column_bytes(s, 0),
                                    .ino = (uint64_t)sqlite3_column_int64(s, 1),
                                    .type = (uint32_t)sqlite3_column_int(s, 2)};
            if (!each(arg, &e)) {
                r = 0;
                break;
            }
        }
        db_reset(s);
        *ret_parent = up ? up : dir;
    }
    r = tree_missed(t, r);
    tree_unlock(t);
    return r;
}

bool names_are_here(struct tree *t, uint64_t dir) {
    tree_lock(t);
    bool here = fault_is_here(t, tree_resolve(t, dir)) == 1;
    tree_unlock(t);
    return here;
}

int names_readlink(struct tree *t, uint64_t ino, struct buf *ret) {
    CLEANUP_RECORD struct record rec = {0};
    tree_lock(t);
    int r = tree_missed(t, view_record(t, tree_resolve(t, ino), &rec, NULL, NULL));
    tree_unlock(t);
    if (r == 0)
        r = rec.target ? buf_append_str(ret, rec.target) : -EINVAL;
    return r;
}

/* Changing the view */

/* The inode's new record; its row becomes part of the difference, or leaves it. */
static int put_record(struct tree *t, uint64_t ino, const struct record *rec) {
    struct row_pending p;
    struct orphan *o = rows_v_orphan(t, ino);
    if (o) {
        record_free(&o->rec);
        record_copy(&o->rec, rec);
        return 0;
    }
    int had = rows_p_inode(t, ino, NULL, &p);
    if (had < 0)
        return had;
    if (!had)
        p = (struct row_pending){.since = t->op};
    p.op = t->op;
    return rows_p_settle(t, ino, rec, &p);
}

/* As apply does it: a directory's times are those of the last change of its names. */
int names_touched(struct tree *t, uint64_t dir, int64_t now) {
    CLEANUP_RECORD struct record rec = {0};
    int r = rows_v_inode(t, dir, &rec, NULL, NULL);
    if (r != 1 || now <= rec.ctime)
        return MIN(r, 0);
    rec.mtime = rec.ctime = now;
    return put_record(t, dir, &rec);
}

/* The directory in which a name has come or gone; one that stays on this host leaves a shared directory as it is. */
static int touch_parent(struct tree *t, uint64_t dir, bool local_name, int64_t now) {
    return local_name && !local_is(t, dir) ? 0 : names_touched(t, dir, now);
}

static int touch_inode(struct tree *t, uint64_t ino, int64_t now) {
    CLEANUP_RECORD struct record rec = {0};
    int r = rows_v_inode(t, ino, &rec, NULL, NULL);
    if (r != 1 || now <= rec.ctime)
        return MIN(r, 0);
    rec.ctime = now;
    return put_record(t, ino, &rec);
}

/* The inode had come here from names it has in C: what takes it away from here takes it from there, and waits like any removal; where another inode
 * has that name by now, once it moves on. */
static int mark_removed(struct tree *t, uint64_t ino) {
    return db_run(&t->db, STMT_P_REMOVED, "ii", ino, t->op);
}

/* A link that came and went, or a name that went and came back, leaves the inode as it was where another host's clock is ahead, and its times with it: nothing would ever commit that row. */
static int drop_if_equal(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = rows_p_inode(t, ino, &rec, &p);
    if (r != 1)
        return MIN(r, 0);
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_NAMES_OF, "i", ino);
    int named = db_step(s); /* by a row that is to follow it */
    db_reset(s);
    return named ? MIN(named, 0) : rows_p_settle(t, ino, &rec, &p);
}

int names_lost(struct tree *t, uint64_t ino, uint32_t type, bool pending, int64_t now) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    uint32_t nlink;
    int r = pending ? mark_removed(t, ino) : 0; /* a name of C has been taken from no other */
    if (r == 0)
        r = rows_v_inode(t, ino, &rec, &nlink, &p);
    if (r != 1)
        return MIN(r, 0);
    if (!S_ISDIR(type) && nlink > 0) {
        r = touch_inode(t, ino, now);
        return r < 0 ? r : drop_if_equal(t, ino);
    }
    r = rows_p_drop(t, ino);
    if (r < 0)
        return r;
    struct orphan *o = xcalloc(1, sizeof *o);
    o->ino = ino;
    o->rec = rec;
    o->rec.ctime = MAX(now, rec.ctime);
    if (row_unhashed(&p)) { /* the row knew what the record does not say yet */
        o->rec.size = p.size;
        o->rec.mtime = p.mtime;
    }
    memset(&rec, 0, sizeof rec);
    HASH_ADD(hh, t->orphans, ino, sizeof o->ino, o);
    file_unnamed(t, ino, &p);
    return 0;
}

static bool is_pending_name(struct tree *t, uint64_t parent, const char *name, size_t n) {
    struct row_pending_name p;
    return rows_p_name(t, parent, name, n, &p) != 0;
}

static int check_new_name(const char *name, size_t n) {
    if (n > NAME_MAX_BYTES)
        return -ENAMETOOLONG;
    return apply_name_valid(name, n) ? 0 : -EINVAL;
}

static int do_make(struct tree *t, uint64_t parent, const char *name, size_t n, const struct make *m,
                   struct attr *ret) {
    CLEANUP_RECORD struct record dir = {0}, rec = {0};
    struct row_name row;
    uint64_t ino;
    int64_t now = tree_time(t);
    int r = view_directory(t, &parent, &dir);
    if (r == 0)
        r = rows_v_name(t, parent, name, n, &row);
    if (r != 0)
        return r < 0 ? r : -EEXIST;
    r = tree_mint(t, &ino);
    if (r < 0)
        return r;
    rec = (struct record){.mode = m->mode, .uid = m->uid, .gid = m->gid};
    rec.atime = rec.mtime = rec.ctime = rec.btime = now;
    rec.target = m->target ? xstrdup(m->target) : NULL;
    if (S_ISCHR(m->mode) || S_ISBLK(m->mode)) {
        rec.rdev_major = major(m->rdev);
        rec.rdev_minor = minor(m->rdev);
    }
    if (dir.mode & S_ISGID) {
        rec.gid = dir.gid;
        rec.mode |= S_ISDIR(m->mode) ? S_ISGID : 0;
    }
    bool local = local_is_name(t, parent, name, n);
    struct row_pending p = {.op = t->op, .since = local ? ROW_LOCAL : t->op, .written = t->op};
    r = rows_p_put(t, ino, &rec, &p);
    if (r == 0)
        r = rows_v_set_name(t, parent, name, n, ino, rec.mode, false, now);
    if (r == 0)
        r = touch_parent(t, parent, local, now);
    if (r == 0)
        fill_attr(t, ino, &rec, S_ISDIR(rec.mode) ? 2 : 1, NULL, ret);
    return r;
}

/* Every changing call has this shape: may it, begin, do, end, and somebody commits it. Expects `r` and t; `call` is evaluated in the transaction. */
#define CHANGE(t, r, call)                                                                                   \
    do {                                                                                                     \
        tree_lock(t);                                                                                        \
        if ((r) == 0)                                                                                        \
            (r) = claim_need(t);                                                                             \
        if ((r) == 0)                                                                                        \
            (r) = tree_begin(t);                                                                             \
        if ((r) == 0) {                                                                                      \
            (r) = tree_end(t, (call));                                                                       \
            if ((r) >= 0)                                                                                    \
                deferred_decide(t);                                                                          \
            if ((r) >= 0)                                                                                    \
                commit_kick(t);                                                                              \
        }                                                                                                    \
        tree_unlock(t);                                                                                      \
    } while (0)

int names_make(struct tree *t, uint64_t parent, const char *name, size_t n, const struct make *m, struct attr *ret) {
    int r = check_new_name(name, n);
    if (r == 0 && S_ISLNK(m->mode) && (!m->target || !*m->target || strlen(m->target) > TARGET_MAX))
        r = m->target && *m->target ? -ENAMETOOLONG : -ENOENT;
    CHANGE(t, r, do_make(t, parent, name, n, m, ret));
    return r;
}

static int do_link(struct tree *t, uint64_t ino, uint64_t parent, const char *name, size_t n, struct attr *ret) {
    CLEANUP_RECORD struct record dir = {0}, rec = {0};
    struct row_name row;
    struct row_pending p;
    uint32_t nlink;
    int64_t now = tree_time(t);
    int r = view_directory(t, &parent, &dir);
    if (r < 0)
        return r;
    ino = tree_resolve(t, ino);
    r = rows_v_inode(t, ino, &rec, &nlink, &p);
    if (r <= 0)
        return r < 0 ? r : tree_orphan(t, ino) ? -ENOENT : -ESTALE;
    if (S_ISDIR(rec.mode))
        return -EPERM;
    if (nlink == 0)
        return -ENOENT;
    if (nlink >= LINKS_MAX)
        return -EMLINK;
    r = rows_v_name(t, parent, name, n, &row);
    if (r != 0)
        return r < 0 ? r : -EEXIST;
    bool local = local_is_name(t, parent, name, n);
    if (local != (p.op && row_local(&p)))
        return -EXDEV;
    r = S_ISREG(rec.mode) ? home_may_link(t, ino, parent, name, n) : 0;
    if (r < 0)
        return r;
    if (p.op == 0)
        p.since = t->op;
    p.op = t->op;
    if (!p.written)
        p.written = t->op;
    rec.ctime = MAX(rec.ctime, now);
    r = rows_p_put(t, ino, &rec, &p);
    if (r == 0)
        r = rows_v_set_name(t, parent, name, n, ino, rec.mode, false, now);
    if (r == 0)
        r = touch_parent(t, parent, local, now);
    if (r == 0)
        r = hold_named(t, ino, rec.mode, parent, name, n);
    if (r == 0)
        r = drop_if_equal(t, ino);
    return r == 0 ? get_attr(t, ino, ret) : r;
}

int names_link(struct tree *t, uint64_t ino, uint64_t parent, const char *name, size_t n, struct attr *ret) {
    int r = check_new_name(name, n);
    CHANGE(t, r, do_link(t, ino, parent, name, n, ret));
    return r;
}

static int do_remove(struct tree *t, uint64_t parent, const char *name, size_t n, bool directory) {
    CLEANUP_RECORD struct record dir = {0};
    struct row_name row;
    int64_t now = tree_time(t);
    int r = view_directory(t, &parent, &dir);
    if (r == 0)
        r = rows_v_name(t, parent, name, n, &row);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    if (S_ISDIR(row.type) != directory)
        return directory ? -ENOTDIR : -EISDIR;
    r = directory ? rows_v_has_child(t, row.ino) : 0;
    if (r != 0)
        return r < 0 ? r : -ENOTEMPTY;
    bool local = local_is(t, row.ino), pending = is_pending_name(t, parent, name, n);
    r = rows_v_set_name(t, parent, name, n, 0, 0, true, now);
    if (r == 0)
        r = touch_parent(t, parent, local, now);
    return r == 0 ? names_lost(t, row.ino, row.type, pending, now) : r; /* at last: it changes more than rows */
}

int names_unlink(struct tree *t, uint64_t parent, const char *name, size_t n) {
    int r = n > NAME_MAX_BYTES ? -ENAMETOOLONG : 0;
    CHANGE(t, r, do_remove(t, parent, name, n, false));
    return r;
}

int names_rmdir(struct tree *t, uint64_t parent, const char *name, size_t n) {
    int r = n > NAME_MAX_BYTES ? -ENAMETOOLONG : 0;
    CHANGE(t, r, do_remove(t, parent, name, n, true));
    return r;
}

/* A place in the tree: a row of the view. */
struct place {
    uint64_t parent;
    const char *name;
    size_t n;
    struct row_name row;
};

/* -EINVAL when `dir` lies above or at `below`: it cannot move into itself. */
static int check_no_loop(struct tree *t, uint64_t dir, uint64_t below) {
    int r = 1;
    for (uint64_t at = below; r == 1 && at != ROOT_INO; r = rows_v_parent(t, at, &at))
        if (at == dir)
            return -EINVAL;
    return MIN(r, 0);
}

static int check_replaced(struct tree *t, const struct place *from, const struct place *to) {
    if (S_ISDIR(to->row.type) && !S_ISDIR(from->row.type))
        return -EISDIR;
    if (!S_ISDIR(to->row.type) && S_ISDIR(from->row.type))
        return -ENOTDIR;
    int r = S_ISDIR(to->row.type) ? rows_v_has_child(t, to->row.ino) : 0;
    return r == 1 ? -ENOTEMPTY : r;
}

#define home_name(place) ((struct home_name){(place)->parent, (place)->name, (place)->n})

static int check_rename(struct tree *t, const struct place *from, const struct place *to, unsigned flags) {
    int r = 0;
    if (!from->row.ino || ((flags & RENAME_EXCHANGE) && !to->row.ino))
        return -ENOENT;
    if ((flags & RENAME_NOREPLACE) && to->row.ino)
        return -EEXIST;
    if (S_ISDIR(from->row.type))
        r = check_no_loop(t, from->row.ino, to->parent);
    if (r == 0 && (flags & RENAME_EXCHANGE) && S_ISDIR(to->row.type))
        r = check_no_loop(t, to->row.ino, from->parent);
    if (r == 0 && to->row.ino && to->row.ino != from->row.ino && !(flags & RENAME_EXCHANGE))
        r = check_replaced(t, from, to);
    if (r == 0 && to->row.ino != from->row.ino)
        r = home_may_move(t, &from->row, &home_name(from), &home_name(to));
    if (r == 0 && (flags & RENAME_EXCHANGE))
        r = home_may_move(t, &to->row, &home_name(to), &home_name(from));
    return r;
}

static int find_place(struct tree *t, struct place *p) {
    CLEANUP_RECORD struct record dir = {0};
    int r = view_directory(t, &p->parent, &dir);
    if (r == 0)
        r = rows_v_name(t, p->parent, p->name, p->n, &p->row);
    return MIN(r, 0);
}

static bool is_local_place(struct tree *t, const struct place *p) {
    return local_is_name(t, p->parent, p->name, p->n);
}

/* What goes from one place to another becomes what its new name says: shared, or of this host alone. */
static int turn(struct tree *t, const struct row_name *what, const struct place *at) {
    bool local = is_local_place(t, at);
    int r = local_check(t, what->ino, what->type, local);
    return r < 0 ? r : local_turn(t, what->ino, what->type, local);
}

/* It has its new name: the bytes may have waited for it, or must get another key. */
static int arrived(struct tree *t, const struct row_name *what, const struct place *from, const struct place *to) {
    int r = hold_named(t, what->ino, what->type, to->parent, to->name, to->n);
    if (r == 0 && S_ISREG(what->type))
        r = home_moved(t, what->ino, &home_name(from), &home_name(to));
    return r == 0 && !S_ISDIR(what->type) ? drop_if_equal(t, what->ino) : r;
}

static int move_times(struct tree *t, const struct place *from, const struct place *to, bool was_local, int64_t now) {
    int r = touch_inode(t, from->row.ino, now);
    if (r == 0)
        r = touch_parent(t, from->parent, was_local, now);
    return r == 0 ? touch_parent(t, to->parent, local_is(t, from->row.ino), now) : r;
}

static int move(struct tree *t, const struct place *from, const struct place *to, unsigned flags, int64_t now) {
    bool exchange = flags & RENAME_EXCHANGE, was_local = local_is(t, from->row.ino);
    bool pending = is_pending_name(t, to->parent, to->name, to->n);
    const struct row_name back = exchange ? to->row : (struct row_name){0};
    int r = turn(t, &from->row, to);
    if (r == 0 && exchange)
        r = turn(t, &to->row, from);
    if (r < 0)
        return r;
    bool leaves = !was_local && local_is(t, from->row.ino); /* the shared tree */
    r = rows_v_set_name(t, from->parent, from->name, from->n, back.ino, back.type, leaves, now);
    if (r == 0)
        r = rows_v_set_name(t, to->parent, to->name, to->n, from->row.ino, from->row.type, to->row.ino && !exchange, now);
    if (r == 0 && exchange)
        r = touch_inode(t, to->row.ino, now);
    if (r == 0)
        r = move_times(t, from, to, was_local, now);
    if (r == 0)
        r = arrived(t, &from->row, from, to);
    if (r == 0 && exchange)
        r = arrived(t, &to->row, to, from);
    if (r == 0 && to->row.ino && !exchange) /* at last: it changes more than rows */
        r = names_lost(t, to->row.ino, to->row.type, pending, now);
    return r;
}

static int do_rename(struct tree *t, struct place *from, struct place *to, unsigned flags) {
    int64_t now = tree_time(t);
    int r = find_place(t, from);
    if (r == 0)
        r = find_place(t, to);
    if (r == 0)
        r = check_rename(t, from, to, flags);
    if (r < 0 || from->row.ino == to->row.ino) /* two names of one inode: POSIX says that nothing happens */
        return r;
    return move(t, from, to, flags, now);
}

int names_rename(struct tree *t, uint64_t parent, const char *name, size_t n, uint64_t to_parent, const char *to_name,
                 size_t to_n, unsigned flags) {
    struct place from = {parent, name, n, {0}}, to = {to_parent, to_name, to_n, {0}};
    int r = check_new_name(to_name, to_n);
    if (r == 0 && n > NAME_MAX_BYTES)
        r = -ENAMETOOLONG;
    if (r == 0 && ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
                   flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)))
        r = -EINVAL;
    CHANGE(t, r, do_rename(t, &from, &to, flags));
    return r;
}

/* Bytes that have no content id yet keep their time beside the record. */
static int set_unhashed_mtime(struct tree *t, uint64_t ino, int64_t mtime) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = rows_p_inode(t, ino, &rec, &p);
    file_set_mtime(t, ino, mtime);
    if (r != 1 || !row_unhashed(&p))
        return MIN(r, 0);
    p.mtime = mtime;
    return rows_p_put(t, ino, &rec, &p);
}

static int do_setattr(struct tree *t, uint64_t ino, const struct setattr *s, struct attr *ret) {
    CLEANUP_RECORD struct record rec = {0};
    int64_t now = tree_time(t);
    int r = view_record(t, ino, &rec, NULL, NULL);
    if (r < 0)
        return r;
    if (s->what & SET_MODE)
        rec.mode = (rec.mode & S_IFMT) | (s->mode & 07777);
    if (s->what & SET_UID)
        rec.uid = s->uid;
    if (s->what & SET_GID)
        rec.gid = s->gid;
    if (s->what & SET_ATIME)
        rec.atime = s->atime;
    if (s->what & SET_MTIME) {
        rec.mtime = s->mtime;
        r = set_unhashed_mtime(t, ino, s->mtime);
        if (r < 0)
            return r;
    }
    rec.ctime = MAX(rec.ctime, s->what & SET_CTIME ? s->ctime : now);
    r = put_record(t, ino, &rec);
    return r == 0 ? get_attr(t, ino, ret) : r;
}

int names_setattr(struct tree *t, uint64_t ino, const struct setattr *s, struct attr *ret) {
    int r = 0;
    CHANGE(t, r, do_setattr(t, tree_resolve(t, ino), s, ret));
    return r;
}

/* Extended attributes */

static int check_xattr_name(const char *name) {
    if (strlen(name) > XATTR_NAME_MAX)
        return -ERANGE;
    if (!strncmp(name, "user.assetfs.", 13))
        return -EPERM;
    if (strncmp(name, "user.", 5) != 0 && strncmp(name, "trusted.", 8) != 0)
        return -EOPNOTSUPP;
    return strchr(name, '.')[1] ? 0 : -EINVAL;
}

static int do_setxattr(struct tree *t, uint64_t ino, const char *name, const void *value, size_t n, int flags) {
    CLEANUP_RECORD struct record rec = {0};
    int r = view_record(t, ino, &rec, NULL, NULL);
    if (r < 0)
        return r;
    const struct xattr *old = record_xattr(&rec, name);
    if (old && (flags & XATTR_CREATE))
        return -EEXIST;
    if (!old && (!value || (flags & XATTR_REPLACE)))
        return -ENODATA;
    record_set_xattr(&rec, name, value, n);
    if (record_xattr_bytes(&rec) > XATTRS_MAX)
        return -ENOSPC;
    rec.ctime = MAX(rec.ctime, tree_time(t));
    return put_record(t, ino, &rec);
}

int names_setxattr(struct tree *t, uint64_t ino, const char *name, const void *value, size_t n, int flags) {
    int r = check_xattr_name(name);
    if (r == 0 && n > XATTR_VALUE_MAX)
        r = -E2BIG;
    CHANGE(t, r, do_setxattr(t, tree_resolve(t, ino), name, value ? value : "", n, flags));
    return r;
}

int names_removexattr(struct tree *t, uint64_t ino, const char *name) {
    int r = check_xattr_name(name);
    CHANGE(t, r, do_setxattr(t, tree_resolve(t, ino), name, NULL, 0, 0));
    return r;
}

int names_getxattr(struct tree *t, uint64_t ino, const char *name, struct buf *ret) {
    CLEANUP_RECORD struct record rec = {0};
    tree_lock(t);
    int r = tree_missed(t, view_record(t, tree_resolve(t, ino), &rec, NULL, NULL));
    tree_unlock(t);
    if (r < 0)
        return r;
    const struct xattr *x = record_xattr(&rec, name);
    return x ? buf_append(ret, x->value, x->n) : -ENODATA;
}

int names_listxattr(struct tree *t, uint64_t ino, struct buf *ret) {
    CLEANUP_RECORD struct record rec = {0};
    tree_lock(t);
    int r = tree_missed(t, view_record(t, tree_resolve(t, ino), &rec, NULL, NULL));
    tree_unlock(t);
    for (size_t i = 0; i < rec.n_xattrs && r == 0; i++)
        r = buf_append(ret, rec.xattrs[i].name, strlen(rec.xattrs[i].name) + 1);
    return r;
}

/* The rest */

void names_forget(struct tree *t, uint64_t ino) {
    tree_lock(t);
    struct orphan *o = t->orphans ? tree_orphan(t, ino) : NULL;
    if (o)
        file_forgotten(t, o);
    tree_unlock(t);
}

static bool has_pending_name(struct tree *t, uint64_t ino) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_NAMES_OF, "i", ino);
    int r = db_step(s);
    db_reset(s);
    return r == 1;
}

struct ask_area {
    struct tree *tree;
    struct truth *truth;
};

/* The first name decides. */
static int note_area(void *arg, uint64_t parent, const char *name, size_t n) {
    struct ask_area *a = arg;
    const struct area *area = area_of_name(a->tree, parent, name, n);
    a->truth->ruled = area != area_default();
    a->truth->is_signed = area->access == AREA_SIGNED;
    return -EBUSY;
}

int names_truth(struct tree *t, uint64_t ino, struct truth *ret) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    uint64_t seq = 0;
    *ret = (struct truth){0};
    tree_lock(t);
    ino = tree_resolve(t, ino);
    int r = view_record(t, ino, &rec, NULL, &p);
    if (r == 0) {
        *ret = (struct truth){.btime = rec.btime};
        (void)rows_c_inode(t, ino, NULL, NULL, &seq);
        ret->sequence = seq;
        bool named = has_pending_name(t, ino);
        (void)rows_v_names_of(t, ino, note_area, &(struct ask_area){t, ret});
        ret->state = file_is_stuck(t, ino)            ? FILE_STUCK
                     : p.spool || row_local(&p)       ? FILE_LOCAL
                     : p.snap || p.op || named || !seq ? FILE_UPLOADING
                                                      : FILE_DURABLE;
        if (rec.content && !p.spool && !(p.snap && p.stage == SNAP_SEALED)) {
            ret->has_content = !rec.foreign;
            memcpy(ret->id, rec.content->id, DIGEST_SIZE);
            ret->key = xstrdup(rec.content->key);
        }
    }
    r = tree_missed(t, r);
    if (r < 0) {
        free(ret->key);
        *ret = (struct truth){0};
    }
    tree_unlock(t);
    return r;
}

void names_totals(struct tree *t, uint64_t *ret_files, uint64_t *ret_bytes) {
    tree_lock(t);
    *ret_files = t->total_files;
    *ret_bytes = t->total_bytes;
    tree_unlock(t);
}
