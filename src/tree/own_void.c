/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/own_void.h"
#include "tree/volume_state.h"

/* Room for one more in a list that grows by doubling. */
#define GROW(list, n) ((n) & ((n) - 1) ? (list) : xrealloc((list), MAX(1, 2 * (n)) * sizeof *(list)))

void own_voids_add(struct own_voids *l, struct tree *fresh, struct change *c) {
    l->v = GROW(l->v, l->n);
    struct own_void *o = &l->v[l->n++];
    *o = (struct own_void){.change = *c, .right = xcalloc(c->n_inodes + 1, sizeof *o->right)};
    *c = (struct change){0};
    for (size_t i = 0; i < o->change.n_inodes; i++)
        if (rows_c_inode(fresh, o->change.inodes[i].ino, &o->right[i], NULL, NULL) != 1)
            o->right[i] = (struct record){0};
}

void own_voids_clear(struct own_voids *l) {
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->v[i].change.n_inodes; k++)
            record_free(&l->v[i].right[k]);
        free(l->v[i].right);
        change_free(&l->v[i].change);
    }
    free(l->v);
    *l = (struct own_voids){0};
}

void own_kept_free(struct own_kept *k) {
    for (size_t i = 0; i < k->n_inodes; i++)
        record_free(&k->inodes[i].rec);
    for (size_t i = 0; i < k->n_states; i++)
        free(k->states[i].item);
    free(k->names);
    free(k->inodes);
    free(k->states);
    *k = (struct own_kept){0};
}

/* The base of the merge: attributes as the right tree had them, content as the change says that it was. Of that only the content id is known, and it is only compared. */
static void base_of(const struct inode_edit *e, const struct record *right, struct record *ret) {
    struct record content = {0};
    bool same_type = right->mode && (right->mode & S_IFMT) == (e->rec.mode & S_IFMT);
    record_copy(ret, same_type ? right : &e->rec);
    if (!S_ISREG(ret->mode))
        return;
    if (e->was == WAS_CONTENT) {
        content.content = content_new(e->was_id, 1, "was", NULL, NULL);
        content.size = 1;
    } else if (e->was == WAS_ETAG) {
        static const uint8_t none[DIGEST_SIZE];
        content = (struct record){.foreign = true, .etag = e->was_etag, .size = 1};
        content.content = content_new(none, 1, right->foreign ? right->content->key : "was", NULL, NULL);
    }
    if (e->was != WAS_CONTENT || !ret->content || ret->foreign || memcmp(ret->content->id, e->was_id, DIGEST_SIZE))
        record_take_content(ret, &content);
    content_unref(content.content);
}

/* 1: the right tree has the same row, as a query of two numbers or a number and a name says. */
static int is_same(struct tree *t, const char *query, uint64_t first, const struct name_edit *name, uint64_t ino) {
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(t->db.sql, query, -1, &s, NULL) != SQLITE_OK)
        return db_errno(&t->db);
    sqlite3_bind_int64(s, 1, (sqlite3_int64)first);
    if (name)
        sqlite3_bind_blob(s, 2, name->name, (int)name->n, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    uint64_t found = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? found == ino : db_errno(&t->db);
}

static int is_same_name(struct tree *t, const struct name_edit *e, uint64_t ino) {
    return is_same(t, "SELECT ino FROM fresh.c_name WHERE parent = ?1 AND name = ?2", e->parent, e, ino);
}

static int is_same_inode(struct tree *t, uint64_t ino) {
    return is_same(t, "SELECT f.ino FROM fresh.c_inode f JOIN main.c_inode c ON c.ino = f.ino AND c.rec = f.rec WHERE f.ino = ?1", ino, NULL, ino);
}

static int keep_inode(struct tree *t, const struct inode_edit *e, const struct record *right, struct before *b, struct own_kept *ret) {
    CLEANUP_RECORD struct record view = {0}, base = {0};
    if (before_find_inode(b, e->ino))
        return 0; /* an earlier change has it: its base counts */
    int r = rows_c_inode(t, e->ino, &view, NULL, NULL), pending = rows_p_inode(t, e->ino, NULL, NULL);
    if (r < 0 || pending < 0 || (r == 0 && pending == 0))
        return MIN(MIN(r, pending), 0); /* it has gone since */
    r = is_same_inode(t, e->ino);
    if (r != 0)
        return MIN(r, 0);
    if (e->was == WAS_NEW || e->was == WAS_BACK) {
        before_keep_inode(b, e->ino, false, NULL);
    } else {
        base_of(e, right, &base);
        before_keep_inode(b, e->ino, true, &base);
    }
    if (pending)
        return 0;
    ret->inodes = GROW(ret->inodes, ret->n_inodes);
    ret->inodes[ret->n_inodes++] = (struct kept_inode){e->ino, view};
    view = (struct record){0};
    return 0;
}

static int keep_name(struct tree *t, const struct name_edit *e, struct before *b, struct own_kept *ret) {
    struct row_name row, was = {.ino = e->was};
    struct row_pending_name p;
    CLEANUP_RECORD struct record rec = {0};
    if (before_find_name(b, e->parent, e->name, e->n))
        return 0;
    int r = rows_c_name(t, e->parent, e->name, e->n, &row), pending = rows_p_name(t, e->parent, e->name, e->n, &p);
    if (r < 0 || pending < 0)
        return MIN(r, pending);
    r = is_same_name(t, e, row.ino);
    if (r != 0)
        return MIN(r, 0);
    if (row.ino && !pending && (r = rows_c_inode(t, row.ino, NULL, NULL, NULL)) != 1)
        return MIN(r, 0); /* a name of nothing */
    r = was.ino ? rows_c_inode(t, was.ino, &rec, NULL, NULL) : 0;
    if (r < 0)
        return r;
    was.type = r == 1 ? rec.mode & S_IFMT : was.ino ? S_IFREG : 0;
    before_keep_name(b, e->parent, e->name, e->n, &was);
    if (pending)
        return 0;
    ret->names = GROW(ret->names, ret->n_names);
    ret->names[ret->n_names++] = (struct kept_name){e->parent, e, row};
    return 0;
}

static int keep_state(struct tree *t, const struct state_edit *e, struct own_kept *ret) {
    CLEANUP_BUF struct buf item = BUF_INIT(ENTRY_MAX);
    for (size_t i = 0; i < ret->n_states; i++)
        if (!strcmp(ret->states[i].key, e->key))
            return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_STATE, "t", e->key);
    int pending = db_step(s);
    db_reset(s);
    int r = pending ? MIN(pending, 0) : rows_c_state(t, e->key, &item);
    if (r < 0 || pending)
        return r;
    ret->states = GROW(ret->states, ret->n_states);
    ret->states[ret->n_states++] = (struct kept_state){e->key, r ? xmemdup(item.data, item.len) : NULL, r ? item.len : 0};
    return 0;
}

int own_voids_keep(const struct own_voids *l, struct tree *t, struct before *b, struct own_kept *ret) {
    int r = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct own_void *o = &l->v[i];
        for (size_t k = 0; k < o->change.n_inodes && r == 0; k++)
            r = keep_inode(t, &o->change.inodes[k], &o->right[k], b, ret);
        for (size_t k = 0; k < o->change.n_names && r == 0; k++)
            r = keep_name(t, &o->change.names[k], b, ret);
        for (size_t k = 0; k < o->change.n_states && r == 0; k++)
            r = keep_state(t, &o->change.states[k], ret);
    }
    return r;
}

static int pend_state(struct tree *t, const struct kept_state *k) {
    CLEANUP_BUF struct buf now = BUF_INIT(ENTRY_MAX);
    int r = volume_state_get(t, k->key, &now);
    if (r < 0 || (k->item ? r == 1 && now.len == k->n && !memcmp(now.data, k->item, k->n) : r == 0))
        return MIN(r, 0);
    return volume_state_set(t, k->key, k->item, k->n);
}

int own_voids_pend(struct tree *t, const struct own_kept *k) {
    int r = 0;
    for (size_t i = 0; i < k->n_inodes && r == 0; i++) {
        const struct record *rec = &k->inodes[i].rec;
        struct row_pending p = {.op = t->op, .since = t->op, .written = rec->content ? t->op : 0};
        if (rec->content && !rec->foreign)
            r = rows_object_add(t, rec->content->id, rec->content->key);
        if (r == 0)
            r = rows_p_put(t, k->inodes[i].ino, rec, &p);
    }
    for (size_t i = 0; i < k->n_names && r == 0; i++) {
        const struct kept_name *n = &k->names[i];
        r = rows_v_set_name(t, n->parent, n->edit->name, n->edit->n, n->row.ino, n->row.type, !n->row.ino, n->edit->when);
    }
    for (size_t i = 0; i < k->n_states && r == 0; i++)
        r = pend_state(t, &k->states[i]);
    return r;
}
