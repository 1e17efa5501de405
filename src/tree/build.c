/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/build.h"
#include "base/log.h"
#include "tree/apply.h"
#include "tree/deferred.h"
#include "tree/hold.h"
#include <inttypes.h>

/* Rows looked at for one entry, oldest first: bounds the time the lock is held. */
#define ROWS_MAX 2000
/* Encoded changes of one entry; what an entry has besides them and its seal fits in the rest. */
#define CHANGES_BYTES_MAX (ENTRY_MAX - (64u << 10))
/* The same for a batch, which one change has for itself. */
#define BATCH_BYTES_MAX (BATCH_MAX - (64u << 10))
#define NEVER UINT64_MAX

/* A component: inodes joined by every name row's `was` and `now`; one atomic change. */
struct component {
    struct change change;
    uint64_t op;      /* of its oldest row: the order in which programs did it */
    uint64_t written; /* oldest write in it, NEVER: none */
    uint64_t removed; /* newest removal in it, 0: none */
    size_t bytes;     /* encoded */
    uint64_t rewritten; /* an inode of it that was written on after its snapshot, 0: none */
    bool blocked, out, done;
};

struct visited {
    uint64_t ino;
    UT_hash_handle hh;
};

struct build {
    struct tree *tree;
    struct component *list;
    size_t n, cap;
    struct visited *visited;
    uint64_t *queue;
    size_t head, tail, queue_cap;
    uint64_t held_back; /* an inode whose snapshot is held back with a removal, but was written on since */
    uint64_t unseen; /* oldest write among rows that were not looked at */
};

static bool visit(struct build *b, uint64_t ino) {
    struct visited *v;
    HASH_FIND(hh, b->visited, &ino, sizeof ino, v);
    if (v)
        return false;
    v = xcalloc(1, sizeof *v);
    v->ino = ino;
    HASH_ADD(hh, b->visited, ino, sizeof v->ino, v);
    if (b->tail == b->queue_cap) {
        b->queue_cap = MAX(64, 2 * b->queue_cap);
        b->queue = xrealloc(b->queue, b->queue_cap * sizeof *b->queue);
    }
    b->queue[b->tail++] = ino;
    return true;
}

/* Rows of a statement (parent, name), copied so that others may run meanwhile. */
struct row_list {
    struct name_edit *v;
    size_t n;
};

static int list_rows(struct tree *t, enum statement which, uint64_t arg, struct row_list *l) {
    sqlite3_stmt *s = db_bind(&t->db, which, "i", arg);
    int r;
    while ((r = db_step(s)) == 1) {
        if ((l->n & (l->n - 1)) == 0)
            l->v = xrealloc(l->v, MAX(1, 2 * l->n) * sizeof *l->v);
        size_t n = (size_t)sqlite3_column_bytes(s, 1);
        l->v[l->n++] = (struct name_edit){.parent = (uint64_t)sqlite3_column_int64(s, 0),
                                          .name = xmemdup(sqlite3_column_blob(s, 1), n),
                                          .n = n};
    }
    return r;
}

static void free_rows(struct row_list *l) {
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].name);
    free(l->v);
}

static void add_name(struct component *c, struct name_edit *e, const struct row_pending_name *p, uint64_t was) {
    struct change *ch = &c->change;
    if ((ch->n_names & (ch->n_names - 1)) == 0)
        ch->names = xrealloc(ch->names, MAX(1, 2 * ch->n_names) * sizeof *ch->names);
    ch->names[ch->n_names++] =
        (struct name_edit){.parent = e->parent, .name = e->name, .n = e->n, .was = was, .now = p->to.ino, .when = p->time};
    e->name = NULL; /* moved */
    c->op = MIN(c->op, p->since);
    if (!p->to.ino)
        c->removed = MAX(c->removed, p->removed);
}

/* Pending rows that name ino now: each brings in what stood there before. */
static int rows_to(struct build *b, struct component *c, uint64_t ino) {
    struct tree *t = b->tree;
    struct row_list l = {0};
    int r = list_rows(t, STMT_P_NAMES_OF, ino, &l);
    for (size_t i = 0; i < l.n && r == 0; i++) {
        struct row_pending_name p;
        struct row_name was;
        r = rows_p_name(t, l.v[i].parent, l.v[i].name, l.v[i].n, &p);
        if (r == 1 && (p.held || p.since == ROW_LOCAL)) {
            r = 0;
            continue; /* for the others it does not stand there */
        }
        if (r == 1)
            r = MIN(0, rows_c_name(t, l.v[i].parent, l.v[i].name, l.v[i].n, &was));
        if (r < 0)
            break;
        if (was.ino)
            visit(b, was.ino);
        add_name(c, &l.v[i], &p, was.ino);
    }
    free_rows(&l);
    return r;
}

/* Confirmed rows of ino that are pending to become something else: that joins; becoming nothing is noted here. */
static int rows_from(struct build *b, struct component *c, uint64_t ino) {
    struct tree *t = b->tree;
    struct row_list l = {0};
    int r = list_rows(t, STMT_C_NAMES_OF, ino, &l);
    for (size_t i = 0; i < l.n && r == 0; i++) {
        struct row_pending_name p;
        r = rows_p_name(t, l.v[i].parent, l.v[i].name, l.v[i].n, &p);
        if (r == 1 && (p.held || p.since == ROW_LOCAL))
            r = 0; /* for the others it stands there still */
        else if (r == 1 && p.to.ino)
            visit(b, p.to.ino);
        else if (r == 1)
            add_name(c, &l.v[i], &p, ino);
        r = MIN(r, 0);
    }
    free_rows(&l);
    return r;
}

static int64_t newest_row(const struct change *c, uint64_t ino) {
    int64_t when = INT64_MIN;
    for (size_t i = 0; i < c->n_names; i++)
        if (c->names[i].was == ino || c->names[i].now == ino)
            when = MAX(when, c->names[i].when);
    return when;
}

static int has_row(struct tree *t, enum statement which, uint64_t ino) {
    sqlite3_stmt *s = db_bind(&t->db, which, "i", ino);
    int r = db_step(s);
    db_reset(s);
    return r;
}

static bool is_waited_for(struct tree *t, uint64_t ino, uint64_t since) {
    for (const struct wait *w = t->waits; w; w = w->next)
        if (w->ino == ino || (!w->ino && since <= w->op))
            return true;
    return false;
}

/* Whether the record must go into the change, or follows from its name rows, or from those still to come. */
static int needs_record(struct tree *t, const struct change *c, uint64_t ino, const struct record *rec,
                        const struct record *confirmed, uint64_t since) {
    CLEANUP_RECORD struct record same = {0};
    record_copy(&same, rec);
    same.ctime = confirmed->ctime;
    if (record_equal(&same, confirmed) && (rec->ctime == confirmed->ctime || newest_row(c, ino) == rec->ctime))
        return 0;
    if (!S_ISDIR(rec->mode))
        return 1;
    same.mtime = confirmed->mtime;
    if (!record_equal(&same, confirmed))
        return 1;
    int r = has_row(t, STMT_P_HAS_CHILD, ino);
    if (r == 1 && is_waited_for(t, ino, since)) /* not for names that are held back */
        r = has_row(t, STMT_P_HAS_CHILD_NOW, ino);
    return r < 0 ? r : r == 0;
}

static void add_inode(struct component *c, uint64_t ino, struct record *rec, int present, const struct record *was) {
    struct change *ch = &c->change;
    if ((ch->n_inodes & (ch->n_inodes - 1)) == 0)
        ch->inodes = xrealloc(ch->inodes, MAX(1, 2 * ch->n_inodes) * sizeof *ch->inodes);
    struct inode_edit *e = &ch->inodes[ch->n_inodes++];
    *e = (struct inode_edit){.ino = ino, .rec = *rec};
    memset(rec, 0, sizeof *rec);
    if (!present) {
        e->was = WAS_NEW; /* or back: decided by the session when it is known */
    } else if (was->foreign) {
        e->was = WAS_ETAG;
        e->was_etag = xstrdup(was->etag);
    } else if (was->content) {
        e->was = WAS_CONTENT;
        memcpy(e->was_id, was->content->id, DIGEST_SIZE);
    } else {
        e->was = WAS_PLAIN;
    }
}

/* Whether the change only takes a name of it away, and puts nothing in its place. */
static bool is_removed(const struct change *c, uint64_t ino) {
    for (size_t i = 0; i < c->n_names; i++)
        if (c->names[i].was == ino && !c->names[i].now)
            return true;
    return false;
}

static int found_name(void *arg, uint64_t parent, const char *name, size_t n) {
    (void)arg;
    (void)parent;
    (void)name;
    (void)n;
    return -EEXIST;
}

/* All names it has in the view are held back, or stay on this host (or it has none). A new one is not told yet. One that the others know goes from their tree where something takes its
 * place (a file was saved, and its old version was renamed to a backup); then our row must hold its record. Else all of it waits, with the old name. */
static int leave_out(struct tree *t, struct component *c, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = rows_p_inode(t, ino, NULL, &p), confirmed = rows_c_inode(t, ino, &rec, NULL, NULL);
    if (r < 0 || confirmed != 1 || (r == 1 && row_local(&p)))
        return MIN(MIN(r, confirmed), 0);
    int any = rows_v_names_of(t, ino, found_name, NULL);
    if (any != -EEXIST)
        return any;
    if (deferred_is(t, ino)) { /* what the others have was not seen here: it leaves their tree when that is decided, and until then they learn where it has gone */
        c->blocked = true;
        commit_kick(t);
        return hold_release(t, ino);
    }
    if (is_removed(&c->change, ino) || S_ISDIR(rec.mode))
        c->blocked = true;
    if (r == 1)
        return 0;
    tree_note_equal(t, ino, NULL, 0);
    return rows_p_put(t, ino, &rec, &(struct row_pending){.op = t->op, .since = t->op});
}

static int take_inode(struct build *b, struct component *c, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0}, confirmed = {0};
    struct row_pending p;
    struct tree *t = b->tree;
    int r = rows_p_inode(t, ino, &rec, &p);
    int named = r < 0 ? r : t->cfg.names ? hold_is_named(t, ino) : 1;
    if (named == 0)
        return leave_out(t, c, ino);
    if (r != 1 || named < 0)
        return MIN(MIN(r, named), 0);
    c->blocked |= p.blocked;
    if (p.after && !p.blocked)
        c->rewritten = ino;
    if (p.written)
        c->written = MIN(c->written, p.written);
    int present = rows_c_inode(t, ino, &confirmed, NULL, NULL);
    if (present < 0)
        return present;
    if (present && deferred_is(t, ino))
        deferred_shared(&rec, &confirmed);
    r = present ? needs_record(t, &c->change, ino, &rec, &confirmed, p.since) : 1;
    if (r == 1) {
        c->op = MIN(c->op, p.since);
        add_inode(c, ino, &rec, present, &confirmed);
        if (!present && ino >> SESSION_SHIFT != t->session)
            c->change.inodes[c->change.n_inodes - 1].was = WAS_BACK;
    }
    return MIN(r, 0);
}

/* Everything that hangs together with ino. */
static int gather(struct build *b, uint64_t ino) {
    if (!visit(b, ino))
        return 0;
    if (b->n == b->cap) {
        b->cap = MAX(64, 2 * b->cap);
        b->list = xrealloc(b->list, b->cap * sizeof *b->list);
    }
    struct component *c = &b->list[b->n++];
    *c = (struct component){.op = NEVER, .written = NEVER};
    size_t first = b->head;
    int r = 0;
    while (b->head < b->tail && r == 0) {
        uint64_t at = b->queue[b->head++];
        r = rows_to(b, c, at);
        if (r == 0)
            r = rows_from(b, c, at);
    }
    for (size_t i = first; i < b->tail && r == 0; i++)
        r = take_inode(b, c, b->queue[i]);
    if (r == 0 && !c->change.n_names && !c->change.n_inodes) { /* nothing but times that others will bring */
        b->n--;
        change_free(&c->change);
    }
    return r;
}

struct seed {
    uint64_t parent, ino;
    char *name;
    size_t n;
};

static int load_names(struct build *b) {
    struct tree *t = b->tree;
    struct seed *seeds = xcalloc(ROWS_MAX, sizeof *seeds);
    size_t n = 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_READY_NAMES, "i", (int64_t)ROWS_MAX);
    int r;
    while ((r = db_step(s)) == 1) {
        size_t len = (size_t)sqlite3_column_bytes(s, 1);
        seeds[n++] = (struct seed){(uint64_t)sqlite3_column_int64(s, 0), (uint64_t)sqlite3_column_int64(s, 2),
                                   xmemdup(sqlite3_column_blob(s, 1), len), len};
    }
    for (size_t i = 0; i < n; i++) {
        struct row_name was;
        if (r == 0 && seeds[i].ino)
            r = gather(b, seeds[i].ino);
        else if (r == 0 && (r = rows_c_name(t, seeds[i].parent, seeds[i].name, seeds[i].n, &was)) == 1)
            r = gather(b, was.ino);
        free(seeds[i].name);
    }
    free(seeds);
    return MIN(r, 0);
}

static int load_inodes(struct build *b) {
    struct tree *t = b->tree;
    uint64_t *inos = xcalloc(ROWS_MAX, sizeof *inos);
    size_t n = 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_READY_INODES, "i", (int64_t)ROWS_MAX);
    int r;
    while ((r = db_step(s)) == 1)
        inos[n++] = (uint64_t)sqlite3_column_int64(s, 0);
    struct row_pending last;
    if (n == ROWS_MAX && rows_p_inode(t, inos[n - 1], NULL, &last) == 1) { /* every write has its inode's row */
        s = db_bind(&t->db, STMT_P_MIN_WRITTEN, "i", last.op);
        if (db_step(s) == 1 && sqlite3_column_type(s, 0) != SQLITE_NULL)
            b->unseen = (uint64_t)sqlite3_column_int64(s, 0);
        db_reset(s);
    }
    for (size_t i = 0; i < n && r == 0; i++)
        r = gather(b, inos[i]);
    free(inos);
    return r;
}

static uint64_t smallest(struct tree *t, enum statement which) {
    sqlite3_stmt *s = db_bind(&t->db, which, "");
    uint64_t v = db_step(s) == 1 && sqlite3_column_type(s, 0) != SQLITE_NULL ? (uint64_t)sqlite3_column_int64(s, 0) : NEVER;
    db_reset(s);
    return v;
}

/* The oldest write that is in no component: removals after it wait. */
static uint64_t oldest_outside(struct build *b) {
    uint64_t bar = MIN(MIN(smallest(b->tree, STMT_P_MIN_BLOCKED), smallest(b->tree, STMT_P_MIN_AFTER)), b->unseen);
    bool any = false;
    for (size_t i = 0; i < b->n; i++)
        any |= b->list[i].removed != 0;
    if (any && b->tree->cfg.names) /* its bytes are in the bucket, but nobody knows a name of them */
        bar = MIN(bar, smallest(b->tree, STMT_P_MIN_HELD));
    return bar;
}

/* A removal waits for everything this host wrote before it. Returns how many components are left out for that. */
static uint64_t hold_removals(struct build *b) {
    uint64_t bar = oldest_outside(b), held = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->list[i].out)
            bar = MIN(bar, b->list[i].written);
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < b->n; i++) {
            struct component *c = &b->list[i];
            if (c->out || !c->removed || c->removed < bar)
                continue;
            c->out = true;
            held++;
            if (c->rewritten)
                b->held_back = c->rewritten;
            again |= c->written < bar;
            bar = MIN(bar, c->written);
        }
    }
    return held;
}

static int by_op(const void *a, const void *b) {
    const struct component *x = a, *y = b;
    return x->op < y->op ? -1 : x->op > y->op;
}

/* Applies what applies, over and over; `order` gets it in that order. */
static int order_changes(struct build *b, size_t *order, size_t *n_order) {
    struct tree *t = b->tree;
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < b->n; i++) {
            struct component *c = &b->list[i];
            if (c->out || c->done)
                continue;
            int r = apply_change(t, &c->change, t->session, t->seq + 1, NULL);
            if (r < 0)
                return r;
            if (r == 1) {
                c->done = again = true;
                order[(*n_order)++] = i;
            }
        }
    }
    return 0;
}

static void *join(void *a, size_t n, const void *b, size_t m, size_t size) {
    if (!m)
        return a;
    a = xrealloc(a, (n + m) * size);
    memcpy((char *)a + n * size, b, m * size);
    return a;
}

/* What is left needs one another (an exchange of directories, say): as one change it may apply. */
static int join_rest(struct build *b, size_t *order, size_t *n_order) {
    struct component *into = NULL;
    size_t at = 0, count = 0;
    for (size_t i = 0; i < b->n; i++)
        count += !b->list[i].out && !b->list[i].done;
    if (count < 2)
        return 0;
    struct change all = {0};
    size_t bytes = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct component *c = &b->list[i];
        if (c->out || c->done)
            continue;
        if (!into)
            into = c, at = i;
        all.names = join(all.names, all.n_names, c->change.names, c->change.n_names, sizeof *all.names);
        all.n_names += c->change.n_names;
        all.inodes = join(all.inodes, all.n_inodes, c->change.inodes, c->change.n_inodes, sizeof *all.inodes);
        all.n_inodes += c->change.n_inodes;
        bytes += c->bytes;
    }
    int r = apply_change(b->tree, &all, b->tree->session, b->tree->seq + 1, NULL);
    if (r != 1) {
        free(all.names);
        free(all.inodes);
        return r;
    }
    for (size_t i = 0; i < b->n; i++) { /* their rows have moved into `all` */
        struct component *c = &b->list[i];
        if (c->out || c->done)
            continue;
        free(c->change.names);
        free(c->change.inodes);
        c->change = (struct change){0};
        c->out = true;
    }
    into->change = all;
    into->bytes = bytes;
    into->out = false;
    into->done = true;
    order[(*n_order)++] = at;
    return 0;
}

/* Puts aside what does not fit any more. True if something was. */
static bool cut(struct build *b, const size_t *order, size_t n_order) {
    size_t bytes = 0;
    bool any = false;
    for (size_t i = 0; i < n_order; i++) {
        struct component *c = &b->list[order[i]];
        bytes += c->bytes;
        bool alone = bytes == c->bytes && bytes <= BATCH_BYTES_MAX; /* one that no entry can hold goes into a batch */
        if (bytes > CHANGES_BYTES_MAX && !alone && !c->out) {
            if (c->bytes > BATCH_BYTES_MAX)
                log_warning("a change of %zu bytes does not even fit a batch and waits", c->bytes);
            c->out = any = true;
        }
    }
    return any;
}

static int select_changes(struct build *b, size_t *order, size_t *n_order, uint64_t *held) {
    struct tree *t = b->tree;
    for (;;) {
        struct set_digest set = t->set;
        uint64_t files = t->total_files, bytes = t->total_bytes;
        *held += hold_removals(b);
        *n_order = 0;
        for (size_t i = 0; i < b->n; i++)
            b->list[i].done = false;
        int r = db_save(&t->db);
        if (r < 0)
            return r;
        r = order_changes(b, order, n_order);
        if (r == 0)
            r = join_rest(b, order, n_order);
        db_back(&t->db);
        t->set = set;
        t->total_files = files;
        t->total_bytes = bytes;
        if (r < 0 || !cut(b, order, *n_order))
            return r;
    }
}

static void build_free(struct build *b) {
    struct visited *v, *next;
    for (size_t i = 0; i < b->n; i++)
        change_free(&b->list[i].change);
    HASH_ITER(hh, b->visited, v, next) {
        HASH_DEL(b->visited, v);
        free(v);
    }
    free(b->list);
    free(b->queue);
}

/* Of those that stay here while removals wait, one that has been written on since its snapshot: the removal may wait for these bytes, and it for the removal (of what is in a
 * directory that it replaces). */
static uint64_t find_rewritten(const struct build *b) {
    for (size_t i = 0; i < b->n; i++) {
        const struct component *c = &b->list[i];
        bool goes = c->done || c->change.n_names + c->change.n_inodes == 0; /* with another */
        if (c->rewritten && !c->blocked && !goes)
            return c->rewritten;
    }
    return 0;
}

int build_changes(struct tree *t, struct change **ret, size_t *ret_n, uint64_t *ret_held) {
    struct build b = {.tree = t, .unseen = NEVER};
    size_t *order = NULL, n_order = 0;
    int r = load_names(&b);
    *ret_held = 0;
    if (r == 0)
        r = load_inodes(&b);
    for (size_t i = 0; i < b.n && r == 0; i++) {
        CLEANUP_BUF struct buf e = BUF_INIT(SIZE_MAX);
        change_encode(&b.list[i].change, &e);
        b.list[i].bytes = e.len;
        b.list[i].out = b.list[i].blocked;
    }
    if (r == 0 && b.n) {
        qsort(b.list, b.n, sizeof *b.list, by_op);
        order = xcalloc(b.n, sizeof *order);
        r = select_changes(&b, order, &n_order, ret_held);
    }
    if (r == 0 && *ret_held && !b.held_back)
        b.held_back = find_rewritten(&b);
    t->supersede = b.held_back;
    *ret = NULL;
    *ret_n = 0;
    if (r == 0 && n_order) {
        *ret = xcalloc(n_order, sizeof **ret);
        for (; *ret_n < n_order; (*ret_n)++) {
            (*ret)[*ret_n] = b.list[order[*ret_n]].change;
            b.list[order[*ret_n]].change = (struct change){0};
        }
    }
    build_free(&b);
    free(order);
    return r;
}
