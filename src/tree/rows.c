/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/rows.h"
#include "tree/deferred.h"
#include "base/cbor.h"
#include "tree/fault.h"
#include "tree/hold.h"

/* Elements of the tree digest (assetfs-format(5), "Tree digest"): one CBOR array a row of C. */

static void digest_name(struct tree *t, bool add, uint64_t parent, const char *name, size_t n, uint64_t ino) {
    CLEANUP_BUF struct buf b = BUF_INIT(1024);
    cborw_array(&b, 4);
    cborw_text(&b, "n", 1);
    cborw_uint(&b, parent);
    cborw_bytes(&b, name, n);
    cborw_uint(&b, ino);
    (add ? set_digest_add : set_digest_remove)(&t->set, b.data, b.len);
}

static void digest_inode(struct tree *t, bool add, uint64_t ino, const void *rec, size_t n) {
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX + 64);
    cborw_array(&b, 3);
    cborw_text(&b, "i", 1);
    cborw_uint(&b, ino);
    buf_append(&b, rec, n);
    (add ? set_digest_add : set_digest_remove)(&t->set, b.data, b.len);
}

static void digest_state(struct tree *t, bool add, const char *key, const void *item, size_t n) {
    CLEANUP_BUF struct buf b = BUF_INIT(ENTRY_MAX);
    cborw_array(&b, 3);
    cborw_text(&b, "v", 1);
    cborw_text(&b, key, strlen(key));
    buf_append(&b, item, n);
    (add ? set_digest_add : set_digest_remove)(&t->set, b.data, b.len);
}

static int decode_column(sqlite3_stmt *s, int column, struct record *ret) {
    if (!ret)
        return 0;
    return record_parse(sqlite3_column_blob(s, column), (size_t)sqlite3_column_bytes(s, column), ret);
}

/* C */

int rows_c_name(struct tree *t, uint64_t parent, const char *name, size_t n, struct row_name *ret) {
    *ret = (struct row_name){0};
    int r = fault_need_dir(t, parent);
    if (r < 0)
        return r;
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_NAME, "ib", parent, name, n);
    r = db_step(s);
    if (r == 1) {
        ret->ino = (uint64_t)sqlite3_column_int64(s, 0);
        ret->type = (uint32_t)sqlite3_column_int(s, 1);
        db_reset(s);
    }
    return r;
}

int rows_c_inode(struct tree *t, uint64_t ino, struct record *ret, uint32_t *nlink, uint64_t *seq) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_INODE, "i", ino);
    int r = db_step(s);
    if (r != 1)
        return r < 0 ? r : fault_need_inode(t, ino);
    int d = decode_column(s, 0, ret);
    if (nlink)
        *nlink = (uint32_t)sqlite3_column_int64(s, 1);
    if (seq)
        *seq = (uint64_t)sqlite3_column_int64(s, 2);
    db_reset(s);
    return d < 0 ? d : 1;
}

static int link_add(struct tree *t, enum statement which, uint64_t ino, int64_t d) {
    return d ? db_run(&t->db, which, "ii", ino, d) : 0;
}

/* What a row contributes to link counts: a file's name to the file, a subdirectory to its parent. */
static uint64_t counts_for(uint64_t parent, const struct row_name *row) {
    return !row->ino ? 0 : S_ISDIR(row->type) ? parent : row->ino;
}

/* Moves a contribution from one inode to another in C's counts or in the pending differences. */
static int move_count(struct tree *t, enum statement which, uint64_t from, uint64_t to) {
    if (from == to)
        return 0;
    int r = from ? link_add(t, which, from, -1) : 0;
    if (r == 0 && to)
        r = link_add(t, which, to, 1);
    if (r == 0 && which == STMT_P_LINK_ADD) {
        r = from ? db_run(&t->db, STMT_P_LINK_DEL, "i", from) : 0;
        if (r == 0 && to)
            r = db_run(&t->db, STMT_P_LINK_DEL, "i", to);
    }
    return r;
}

int rows_c_set_name(struct tree *t, uint64_t parent, const char *name, size_t n, uint64_t ino, uint32_t type) {
    struct row_name old, new = {ino, type & S_IFMT};
    struct row_pending_name p;
    int r = rows_c_name(t, parent, name, n, &old);
    if (r < 0 || (old.ino == new.ino && old.type == new.type))
        return r < 0 ? r : 0;
    if (old.ino)
        digest_name(t, false, parent, name, n, old.ino);
    if (ino) {
        digest_name(t, true, parent, name, n, ino);
        r = db_run(&t->db, STMT_C_NAME_SET, "ibii", parent, name, n, ino, (int64_t)new.type);
    } else {
        r = db_run(&t->db, STMT_C_NAME_DEL, "ib", parent, name, n);
    }
    uint64_t from = counts_for(parent, &old), to = counts_for(parent, &new);
    if (r == 0)
        r = move_count(t, STMT_C_LINK, from, to);
    if (r < 0 || t->pending_rows == 0)
        return r;
    r = rows_p_name(t, parent, name, n, &p);
    if (r == 1) /* V's row stays what it is: the difference moves the other way */
        r = move_count(t, STMT_P_LINK_ADD, to, from);
    return r;
}

int rows_c_set_inode(struct tree *t, uint64_t ino, const struct record *rec, uint64_t seq) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_INODE, "i", ino);
    int r = db_step(s), was = r;
    if (r == 0)
        r = fault_need_inode(t, ino);
    if (r < 0)
        return r;
    if (r == 1) {
        CLEANUP_RECORD struct record old = {0};
        digest_inode(t, false, ino, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        r = decode_column(s, 0, &old);
        db_reset(s);
        if (r < 0)
            return r;
        t->total_files--;
        t->total_bytes -= old.size;
    }
    t->total_files += rec != NULL;
    t->total_bytes += rec ? rec->size : 0;
    if (t->fault && was != (rec != NULL) && (!rec || S_ISDIR(rec->mode))) /* the base says nothing of it any more */
        r = db_run(&t->db, rec ? STMT_C_HERE : STMT_C_ABSENT, "i", ino);
    if (r < 0 || !rec)
        return r < 0 ? r : db_run(&t->db, STMT_C_INODE_DEL, "i", ino);
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX);
    record_encode(rec, &b);
    if (b.err)
        return b.err;
    digest_inode(t, true, ino, b.data, b.len);
    return db_run(&t->db, STMT_C_INODE_SET, "ibii", ino, b.data, b.len, (int64_t)(S_ISDIR(rec->mode) ? 2 : 0), seq);
}

int rows_c_state(struct tree *t, const char *key, struct buf *ret) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_STATE, "t", key);
    int r = db_step(s);
    if (r == 1) {
        int e = buf_append(ret, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        db_reset(s);
        return e < 0 ? e : 1;
    }
    return r;
}

int rows_c_set_state(struct tree *t, const char *key, const void *item, size_t n) {
    CLEANUP_BUF struct buf old = BUF_INIT(ENTRY_MAX);
    int r = rows_c_state(t, key, &old);
    if (r < 0)
        return r;
    t->areas_known = false;
    if (r == 1)
        digest_state(t, false, key, old.data, old.len);
    if (!item)
        return db_run(&t->db, STMT_C_STATE_DEL, "t", key);
    digest_state(t, true, key, item, n);
    return db_run(&t->db, STMT_C_STATE_SET, "tb", key, item, n);
}

int rows_c_add_session(struct tree *t, uint64_t number, const char *label, const uint8_t nonce[NONCE_SIZE]) {
    CLEANUP_BUF struct buf b = BUF_INIT(1024);
    cborw_array(&b, 4);
    cborw_text(&b, "s", 1);
    cborw_uint(&b, number);
    cborw_text(&b, label, strlen(label));
    cborw_bytes(&b, nonce, NONCE_SIZE);
    set_digest_add(&t->set, b.data, b.len);
    return db_run(&t->db, STMT_C_SESSION_SET, "itb", number, label, nonce, (size_t)NONCE_SIZE);
}

static int has_row(struct tree *t, enum statement which, uint64_t arg) {
    sqlite3_stmt *s = db_bind(&t->db, which, "i", arg);
    int r = db_step(s);
    db_reset(s);
    return r;
}

int rows_c_has_child(struct tree *t, uint64_t dir) {
    int r = fault_need_dir(t, dir);
    return r < 0 ? r : has_row(t, STMT_C_CHILD, dir);
}

/* Names of C that are here, at most `max`. */
static int count_here(struct tree *t, uint64_t ino, uint32_t max) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_NAMES_OF, "i", ino);
    uint32_t n = 0;
    int r = 0;
    while (n < max && (r = db_step(s)) == 1)
        n++;
    db_reset(s);
    return r < 0 ? r : (int)n;
}

/* A file's are counted in its row, wherever they are; a directory's row is here with its name. */
int rows_c_count_names(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    uint32_t nlink = 0;
    int r = rows_c_inode(t, ino, &rec, &nlink, NULL);
    if (r == 1 && !S_ISDIR(rec.mode))
        return (int)MIN(nlink, 2u);
    return r < 0 ? r : count_here(t, ino, 2);
}

/* 1: there may be more names of it than are here. */
static int has_more_names(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    if (!t->fault || ino == ROOT_INO)
        return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_INODE, "i", ino);
    int r = db_step(s);
    if (r != 1)
        return r < 0 ? r : 1;
    uint32_t nlink = (uint32_t)sqlite3_column_int64(s, 1);
    r = decode_column(s, 0, &rec);
    db_reset(s);
    if (r < 0 || S_ISDIR(rec.mode))
        return r;
    int n = count_here(t, ino, nlink);
    return n < 0 ? n : (uint32_t)n < nlink;
}

int rows_c_names_here(struct tree *t, uint64_t ino) {
    int more = has_more_names(t, ino);
    return more == 1 ? fault_need_inode(t, ino) : more;
}

/* P */

int rows_p_name(struct tree *t, uint64_t parent, const char *name, size_t n, struct row_pending_name *ret) {
    *ret = (struct row_pending_name){0};
    if (t->pending_rows == 0)
        return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_NAME, "ib", parent, name, n);
    int r = db_step(s);
    if (r != 1)
        return r;
    ret->to.ino = (uint64_t)sqlite3_column_int64(s, 0);
    ret->to.type = (uint32_t)sqlite3_column_int(s, 1);
    ret->op = (uint64_t)sqlite3_column_int64(s, 2);
    ret->since = (uint64_t)sqlite3_column_int64(s, 3);
    ret->removed = (uint64_t)sqlite3_column_int64(s, 4);
    ret->time = sqlite3_column_int64(s, 5);
    ret->ready = sqlite3_column_int(s, 6);
    ret->held = sqlite3_column_int64(s, 7);
    db_reset(s);
    return 1;
}

int rows_p_inode(struct tree *t, uint64_t ino, struct record *ret, struct row_pending *p) {
    if (p)
        *p = (struct row_pending){0};
    if (t->pending_rows == 0)
        return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_INODE, "i", ino);
    int r = db_step(s);
    if (r != 1)
        return r;
    r = decode_column(s, 0, ret);
    if (p) {
        p->op = (uint64_t)sqlite3_column_int64(s, 1);
        p->since = (uint64_t)sqlite3_column_int64(s, 2);
        p->written = (uint64_t)sqlite3_column_int64(s, 3);
        p->after = (uint64_t)sqlite3_column_int64(s, 4);
        p->blocked = sqlite3_column_int(s, 5);
        p->spool = (uint64_t)sqlite3_column_int64(s, 6);
        p->snap = (uint64_t)sqlite3_column_int64(s, 7);
        p->stage = (enum snap_stage)sqlite3_column_int(s, 8);
        p->due = sqlite3_column_int64(s, 9);
        p->size = (uint64_t)sqlite3_column_int64(s, 10);
        p->mtime = sqlite3_column_int64(s, 11);
    }
    db_reset(s);
    return r < 0 ? r : 1;
}

/* A snapshot whose digest was asked for gets it still: a write waits for that. */
static struct row_pending local_row(const struct row_pending *p) {
    struct row_pending l = *p;
    l.written = l.after = 0;
    l.blocked = true;
    if (!l.snap || l.stage != SNAP_SEALED)
        l.due = INT64_MAX;
    return l;
}

int rows_p_put(struct tree *t, uint64_t ino, const struct record *rec, const struct row_pending *given) {
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX);
    struct row_pending put = row_local(given) ? local_row(given) : *given;
    const struct row_pending *p = &put;
    put.since = deferred_since(t, ino, rec, given);
    record_encode(rec, &b);
    if (b.err)
        return b.err;
    int had = rows_p_inode(t, ino, NULL, NULL);
    if (had < 0)
        return had;
    t->pending_rows += !had;
    return db_run(&t->db, STMT_P_INODE_SET, "ibiiiiiiiiiii", ino, b.data, b.len, p->op, p->since, p->written, p->after,
                  (int64_t)p->blocked, p->spool, p->snap, (int64_t)p->stage, p->due, p->size, p->mtime);
}

int rows_p_drop(struct tree *t, uint64_t ino) {
    int had = rows_p_inode(t, ino, NULL, NULL);
    if (had != 1)
        return had;
    t->pending_rows--;
    return db_run(&t->db, STMT_P_INODE_DEL, "i", ino);
}

int rows_p_settle(struct tree *t, uint64_t ino, const struct record *rec, const struct row_pending *p) {
    CLEANUP_RECORD struct record c = {0};
    int r = p->spool || p->snap || p->blocked || row_local(p) ? 0 : rows_c_inode(t, ino, &c, NULL, NULL);
    if (r < 0)
        return r;
    bool equal = r == 1 && record_equal(&c, rec);
    if (equal && t->inflight.active)
        tree_note_equal(t, ino, NULL, 0);
    else if (equal)
        return rows_p_drop(t, ino);
    return rows_p_put(t, ino, rec, p);
}

int rows_p_block(struct tree *t, uint64_t ino, struct row_pending *p, bool blocked) {
    p->blocked = blocked || row_local(p);
    return db_run(&t->db, STMT_P_READY_OF, "ii", ino, (int64_t)!p->blocked);
}

/* V */

int rows_v_name(struct tree *t, uint64_t parent, const char *name, size_t n, struct row_name *ret) {
    struct row_pending_name p;
    int r = rows_p_name(t, parent, name, n, &p);
    if (r == 0)
        return rows_c_name(t, parent, name, n, ret);
    *ret = p.to;
    return r < 0 ? r : p.to.ino != 0;
}

static int link_difference(struct tree *t, uint64_t ino, int64_t *ret) {
    *ret = 0;
    if (t->pending_rows == 0)
        return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_LINK, "i", ino);
    int r = db_step(s);
    if (r == 1) {
        *ret = sqlite3_column_int64(s, 0);
        db_reset(s);
    }
    return r < 0 ? r : 0;
}

int rows_v_inode(struct tree *t, uint64_t ino, struct record *ret, uint32_t *nlink, struct row_pending *p) {
    CLEANUP_RECORD struct record mine = {0}, theirs = {0};
    uint32_t links = 0;
    int64_t d = 0;
    int pending = rows_p_inode(t, ino, &mine, p);
    if (pending < 0)
        return pending;
    int confirmed = pending && !nlink ? 0 : rows_c_inode(t, ino, pending ? NULL : &theirs, &links, NULL);
    if (confirmed < 0)
        return confirmed;
    if (!pending && !confirmed)
        return 0;
    struct record *found = pending ? &mine : &theirs;
    if (nlink) {
        if (!confirmed)
            links = S_ISDIR(found->mode) ? 2 : 0;
        int r = link_difference(t, ino, &d);
        if (r < 0)
            return r;
        *nlink = (uint32_t)((int64_t)links + d);
    }
    if (ret) {
        *ret = *found;
        memset(found, 0, sizeof *found);
    }
    return 1;
}

struct orphan *rows_v_orphan(struct tree *t, uint64_t ino) {
    uint32_t nlink = 0;
    struct orphan *o = t->orphans ? tree_orphan(t, ino) : NULL;
    return o && (rows_v_inode(t, ino, NULL, &nlink, NULL) != 1 || nlink == 0) ? o : NULL;
}

int rows_v_set_name(struct tree *t, uint64_t parent, const char *name, size_t n, uint64_t ino, uint32_t type,
                    bool removed, int64_t now) {
    struct row_name c, new = {ino, type & S_IFMT};
    struct row_pending_name p;
    struct row_pending inode;
    int r = rows_c_name(t, parent, name, n, &c);
    int had = r < 0 ? r : rows_p_name(t, parent, name, n, &p);
    if (had < 0)
        return had;
    const struct row_name *old = had ? &p.to : &c;
    r = move_count(t, STMT_P_LINK_ADD, counts_for(parent, old), counts_for(parent, &new));
    if (r < 0)
        return r;
    if (new.ino == c.ino && t->inflight.active) /* C is about to change: the row must say what V is, even as C is now */
        tree_note_equal(t, parent, name, n);
    else if (new.ino == c.ino) {
        t->pending_rows -= had;
        return had ? db_run(&t->db, STMT_P_NAME_DEL, "ib", parent, name, n) : 0;
    }
    r = ino ? rows_p_inode(t, ino, NULL, &inode) : 0;
    if (r < 0)
        return r;
    bool local = r == 1 && row_local(&inode);
    int64_t held = !ino || local ? 0 : had && p.to.ino == ino ? p.held : hold_until(t, parent, name, n);
    t->pending_rows += !had;
    return db_run(&t->db, STMT_P_NAME_SET, "ibiiiiiiii", parent, name, n, ino, (int64_t)new.type, t->op,
                  local ? ROW_LOCAL : had && p.since != ROW_LOCAL ? p.since : t->op, removed ? t->op : p.removed, now,
                  (int64_t)!(r == 1 && inode.blocked), held);
}

int rows_p_prune_name(struct tree *t, uint64_t parent, const char *name, size_t n, uint64_t op) {
    struct row_name c;
    struct row_pending_name p;
    int had = rows_p_name(t, parent, name, n, &p);
    int r = had != 1 ? had : rows_c_name(t, parent, name, n, &c);
    if (had != 1 || r < 0)
        return r;
    if (p.to.ino == c.ino) {
        t->pending_rows--;
        return db_run(&t->db, STMT_P_NAME_DEL, "ib", parent, name, n);
    }
    return db_run(&t->db, STMT_P_NAME_SINCE, "ibi", parent, name, n, MAX(p.since, op + 1));
}

int rows_v_has_child(struct tree *t, uint64_t dir) {
    int r = fault_need_dir(t, dir);
    return r < 0 ? r : has_row(t, STMT_LIST, dir);
}

/* Names of an inode, copied out of a statement that may be needed again while somebody looks at them. */
struct name_copy {
    uint64_t parent;
    char *name;
    size_t n;
};

/* So many at a time: who wants one does not read all that a file with a hundred thousand links has. */
#define NAMES_PAGE 32

struct name_page {
    struct name_copy v[NAMES_PAGE];
    size_t n;
};

static void page_free(struct name_page *p) {
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i].name);
    p->n = 0;
}

/* The names behind the last one of the page, in its place. which: C_NAMES_AFTER or P_NAMES_AFTER. */
static int page_next(struct tree *t, enum statement which, uint64_t ino, struct name_page *p) {
    struct name_copy last = {.parent = 0};
    if (p->n)
        last = p->v[--p->n]; /* ours now */
    page_free(p);
    sqlite3_stmt *s = db_bind(&t->db, which, "iibi", ino, last.parent, last.name, last.n, (int64_t)NAMES_PAGE);
    int r;
    while ((r = db_step(s)) == 1) {
        size_t n = (size_t)sqlite3_column_bytes(s, 1);
        p->v[p->n++] = (struct name_copy){(uint64_t)sqlite3_column_int64(s, 0), xmemdup(sqlite3_column_blob(s, 1), n), n};
    }
    free(last.name);
    return r;
}

/* Those of one table that are in V: a pending row stands over a confirmed one. */
static int each_name(struct tree *t, enum statement which, uint64_t ino,
                     int (*each)(void *arg, uint64_t parent, const char *name, size_t n), void *arg) {
    struct name_page page = {.n = 0};
    bool more = true;
    int r = 0;
    while (r == 0 && more) {
        r = page_next(t, which, ino, &page);
        more = page.n == NAMES_PAGE;
        for (size_t i = 0; i < page.n && r == 0; i++) {
            const struct name_copy *c = &page.v[i];
            struct row_pending_name p;
            int covered = which == STMT_C_NAMES_AFTER ? rows_p_name(t, c->parent, c->name, c->n, &p) : 0;
            r = covered ? MIN(covered, 0) : each(arg, c->parent, c->name, c->n);
        }
    }
    page_free(&page);
    return r;
}

int rows_v_names_of(struct tree *t, uint64_t ino, int (*each)(void *arg, uint64_t parent, const char *name, size_t n),
                    void *arg) {
    int r = each_name(t, STMT_C_NAMES_AFTER, ino, each, arg);
    if (r == 0)
        r = each_name(t, STMT_P_NAMES_AFTER, ino, each, arg);
    return r == 0 ? rows_c_names_here(t, ino) : r; /* more are asked for only if these were not enough */
}

static int first_parent(void *arg, uint64_t parent, const char *name, size_t n) {
    (void)name;
    (void)n;
    *(uint64_t *)arg = parent;
    return -EEXIST; /* enough */
}

int rows_v_parent(struct tree *t, uint64_t dir, uint64_t *ret) {
    *ret = 0;
    int r = rows_v_names_of(t, dir, first_parent, ret);
    return r == -EEXIST ? 1 : r;
}

int rows_c_parent(struct tree *t, uint64_t dir, uint64_t *ret) {
    *ret = 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_NAMES_OF, "i", dir);
    int r = db_step(s);
    if (r == 1) {
        *ret = (uint64_t)sqlite3_column_int64(s, 0);
        db_reset(s);
    }
    return r != 0 ? r : MIN(rows_c_inode(t, dir, NULL, NULL, NULL), 0);
}

int rows_object_known(struct tree *t, const uint8_t id[DIGEST_SIZE], const char *key) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_OBJECT, "b", id, (size_t)DIGEST_SIZE);
    int r;
    while ((r = db_step(s)) == 1)
        if (!key || !strcmp((const char *)sqlite3_column_text(s, 0), key)) {
            db_reset(s);
            return 1;
        }
    return r;
}

int rows_object_add(struct tree *t, const uint8_t id[DIGEST_SIZE], const char *key) {
    return db_run(&t->db, STMT_OBJECT_SET, "bt", id, (size_t)DIGEST_SIZE, key);
}
