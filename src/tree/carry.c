/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A foreign entry has turned C into N: this host's pending rows are carried over. Most entries touch nothing of ours, and then nothing happens here; else the merge (merge.h) reads the
 * three trees through the rows and `before`, and its outcome becomes the new pending rows.
 */
#include "base/log.h"
#include "tree/apply.h"
#include "tree/compare.h"
#include "tree/deferred.h"
#include "tree/fault.h"
#include "tree/file_state.h"
#include "tree/home.h"
#include "tree/local.h"
#include "tree/merge.h"
#include <inttypes.h>
#include <time.h>

/* A record the merge has looked at; kept until it has ended. */
struct seen {
    struct {
        uint64_t ino;
        uint64_t tree;
    } key;
    bool present;
    struct record rec;
    UT_hash_handle hh;
};

struct name_kept {
    char *name;
    struct name_kept *next;
};

/* The rows of `before` by a number they have, in order. */
struct touched {
    const struct before_name **v;
    size_t n;
    uint64_t (*key)(const struct before_name *);
};

struct carry {
    struct tree *tree;
    const struct before *before;
    struct touched by_ino, by_parent;
    struct seen *seen;
    struct name_kept *names;
    int err;
};

static uint64_t ino_of(const struct before_name *b) {
    return b->row.ino;
}

static uint64_t parent_of(const struct before_name *b) {
    return b->parent;
}

static int by_ino(const void *x, const void *y) {
    uint64_t a = ino_of(*(const struct before_name *const *)x), b = ino_of(*(const struct before_name *const *)y);
    return (a > b) - (a < b);
}

static int by_parent(const void *x, const void *y) {
    uint64_t a = parent_of(*(const struct before_name *const *)x), b = parent_of(*(const struct before_name *const *)y);
    return (a > b) - (a < b);
}

static struct touched touched_by(const struct before *b, uint64_t (*key)(const struct before_name *), int (*order)(const void *, const void *)) {
    struct touched a = {.v = xcalloc(HASH_COUNT(b->names) + 1, sizeof *a.v), .key = key};
    struct before_name *n, *next;
    HASH_ITER(hh, b->names, n, next)
        a.v[a.n++] = n;
    qsort(a.v, a.n, sizeof *a.v, order);
    return a;
}

/* Where the rows with this number begin. */
static size_t touched_at(const struct touched *a, uint64_t number) {
    size_t low = 0, high = a->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (a->key(a->v[mid]) < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Bytes that were not hashed yet are equal to nothing, nor are those of a new file that is open for writing: a stand-in content says so. */
static struct content *unsettled_content(uint64_t ino) {
    uint8_t id[DIGEST_SIZE];
    CLEANUP_FREE char *what = xasprintf("unsettled %" PRIu64, ino);
    digest_of(what, strlen(what), id);
    return content_new(id, 1, what, NULL, NULL);
}

static bool is_new_and_open(struct carry *c, uint64_t ino) {
    const struct before_inode *b = before_find_inode(c->before, ino);
    return file_is_written(c->tree, ino) && !(b && b->present) && rows_c_inode(c->tree, ino, NULL, NULL, NULL) == 0;
}

/* What was hashed for this merge (compare.h); of a content only the id is compared. */
static void take_known(struct record *rec, const struct row_pending *p, uint64_t size, const uint8_t id[DIGEST_SIZE]) {
    content_unref(rec->content);
    rec->content = size ? content_new(id, size, "hashed", NULL, NULL) : NULL;
    rec->size = size;
    rec->mtime = p->mtime;
}

static int load_record(struct carry *c, enum merge_tree which, uint64_t ino, struct record *ret) {
    struct tree *t = c->tree;
    const struct before_inode *b = which == MERGE_N ? NULL : before_find_inode(c->before, ino);
    struct row_pending p;
    if (which == MERGE_V) {
        int r = rows_p_inode(t, ino, ret, &p);
        if (r == 1 && row_local(&p)) { /* not of the view that is merged */
            record_free(ret);
            r = 0;
        }
        uint64_t size;
        uint8_t id[DIGEST_SIZE];
        if (r == 1 && compare_known(t, ino, &p, &size, id)) {
            take_known(ret, &p, size, id);
        } else if (r == 1 && (row_unhashed(&p) || is_new_and_open(c, ino))) {
            content_unref(ret->content);
            ret->content = unsettled_content(ino);
            ret->size = 1;
        }
        if (r != 0)
            return r;
    }
    if (b) {
        if (b->present)
            record_copy(ret, &b->rec);
        return b->present;
    }
    return rows_c_inode(t, ino, ret, NULL, NULL);
}

/* V holds an inode while it has a name there: a record of C whose names V has taken away is not in V. */
static int view_names(struct carry *c, uint64_t ino, void (*each)(void *, const struct merge_row *), void *ctx);

static void count_one(void *ctx, const struct merge_row *row) {
    (void)row;
    ++*(size_t *)ctx;
}

#define SEEN_HELD 3 /* beside enum merge_tree */

static struct seen *find_seen(struct carry *c, uint64_t ino, uint64_t which) {
    struct seen *s, probe;
    memset(&probe.key, 0, sizeof probe.key);
    probe.key.ino = ino;
    probe.key.tree = which;
    HASH_FIND(hh, c->seen, &probe.key, sizeof probe.key, s);
    return s;
}

static struct seen *add_seen(struct carry *c, uint64_t ino, uint64_t which) {
    struct seen *s = xcalloc(1, sizeof *s);
    s->key.ino = ino;
    s->key.tree = which;
    HASH_ADD(hh, c->seen, key, sizeof s->key, s);
    return s;
}

static const struct record *source_inode(void *arg, enum merge_tree which, uint64_t ino) {
    struct carry *c = arg;
    struct seen *s = find_seen(c, ino, which);
    if (!s) {
        s = add_seen(c, ino, which);
        int r = load_record(c, which, ino, &s->rec);
        size_t names = 0;
        if (r == 1 && which == MERGE_V && ino != ROOT_INO)
            view_names(c, ino, count_one, &names);
        s->present = r == 1 && (which != MERGE_V || ino == ROOT_INO || names > 0);
        c->err = MIN(c->err, MIN(r, 0));
    }
    return s->present ? &s->rec : NULL;
}

static uint64_t source_name(void *arg, enum merge_tree which, uint64_t parent, const char *name, size_t n) {
    struct carry *c = arg;
    struct row_name row = {0};
    struct row_pending_name p;
    if (which == MERGE_V) {
        int r = rows_p_name(c->tree, parent, name, n, &p);
        if (r != 0 && p.since != ROW_LOCAL)
            return r < 0 ? 0 : p.to.ino;
    }
    const struct before_name *b = which == MERGE_N ? NULL : before_find_name(c->before, parent, name, n);
    if (b)
        return b->row.ino;
    c->err = MIN(c->err, MIN(rows_c_name(c->tree, parent, name, n, &row), 0));
    return row.ino;
}

static const char *keep_name(struct carry *c, const void *name, size_t n) {
    struct name_kept *k = xmalloc(sizeof *k);
    k->name = xmemdup(name, n);
    k->next = c->names;
    c->names = k;
    return k->name;
}

struct row_array {
    struct merge_row *v;
    size_t n;
};

static void add_row(struct carry *c, struct row_array *a, uint64_t parent, const void *name, size_t n, uint64_t ino) {
    if ((a->n & (a->n - 1)) == 0)
        a->v = xrealloc(a->v, MAX(1, 2 * a->n) * sizeof *a->v);
    a->v[a->n++] = (struct merge_row){parent, keep_name(c, name, n), n, ino};
}

static int compare_rows(const void *x, const void *y) {
    const struct merge_row *a = x, *b = y;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    int r = memcmp(a->name, b->name, MIN(a->n, b->n));
    return r ? r : a->n < b->n ? -1 : a->n > b->n;
}

/* Rows a statement gives as (parent, name), of which `which` still says `ino`. */
static void add_if(struct carry *c, struct row_array *a, enum merge_tree which, uint64_t parent, const void *name,
                   size_t n, uint64_t ino) {
    if (source_name(c, which, parent, name, n) == ino)
        add_row(c, a, parent, name, n, ino);
}

static void gather(struct carry *c, enum statement stmt, uint64_t ino, struct row_array *a) {
    if (stmt == STMT_C_NAMES_OF)
        c->err = MIN(c->err, rows_c_names_here(c->tree, ino));
    sqlite3_stmt *s = db_bind(&c->tree->db, stmt, "i", ino);
    int r;
    while ((r = db_step(s)) == 1)
        add_row(c, a, (uint64_t)sqlite3_column_int64(s, 0), sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), ino);
    c->err = MIN(c->err, r);
}

/* Candidates from N, from the rows the entry touched, and from P; each once, if the tree asked for has it. */
static void rows_in(struct carry *c, enum merge_tree which, uint64_t ino, struct row_array *ret) {
    struct row_array all = {0};
    const struct touched *old = &c->by_ino;
    gather(c, STMT_C_NAMES_OF, ino, &all);
    if (which == MERGE_V)
        gather(c, STMT_P_NAMES_OF, ino, &all);
    if (which != MERGE_N)
        for (size_t i = touched_at(old, ino); i < old->n && old->v[i]->row.ino == ino; i++)
            add_row(c, &all, old->v[i]->parent, old->v[i]->name, old->v[i]->n, ino);
    if (all.n)
        qsort(all.v, all.n, sizeof *all.v, compare_rows);
    for (size_t i = 0; i < all.n; i++)
        if (i == 0 || compare_rows(&all.v[i - 1], &all.v[i]))
            add_if(c, ret, which, all.v[i].parent, all.v[i].name, all.v[i].n, ino);
    free(all.v);
}

static int view_names(struct carry *c, uint64_t ino, void (*each)(void *, const struct merge_row *), void *ctx) {
    struct row_array rows = {0};
    rows_in(c, MERGE_V, ino, &rows);
    for (size_t i = 0; i < rows.n; i++)
        each(ctx, &rows.v[i]);
    free(rows.v);
    return 0;
}

static void source_rows_of(void *arg, enum merge_tree which, uint64_t ino, void (*each)(void *, const struct merge_row *),
                           void *ctx) {
    struct row_array rows = {0};
    rows_in(arg, which, ino, &rows);
    for (size_t i = 0; i < rows.n; i++)
        each(ctx, &rows.v[i]);
    free(rows.v);
}

static void gather_children(struct carry *c, enum statement stmt, uint64_t dir, struct row_array *a) {
    if (stmt == STMT_C_CHILD)
        c->err = MIN(c->err, fault_need_dir(c->tree, dir));
    sqlite3_stmt *s = db_bind(&c->tree->db, stmt, "i", dir);
    int r;
    while ((r = db_step(s)) == 1)
        add_row(c, a, dir, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0), (uint64_t)sqlite3_column_int64(s, 1));
    c->err = MIN(c->err, r);
}

static void source_children(void *arg, enum merge_tree which, uint64_t dir, bool (*each)(void *, const struct merge_row *),
                            void *ctx) {
    struct carry *c = arg;
    struct row_array all = {0};
    const struct touched *old = &c->by_parent;
    gather_children(c, STMT_C_CHILD, dir, &all);
    if (which == MERGE_V)
        gather_children(c, STMT_P_CHILD, dir, &all);
    if (which != MERGE_N)
        for (size_t i = touched_at(old, dir); i < old->n && old->v[i]->parent == dir; i++)
            add_row(c, &all, dir, old->v[i]->name, old->v[i]->n, old->v[i]->row.ino);
    if (all.n)
        qsort(all.v, all.n, sizeof *all.v, compare_rows);
    for (size_t i = 0; i < all.n; i++) {
        struct merge_row *row = &all.v[i];
        if (i && !compare_rows(row - 1, row))
            continue;
        row->ino = source_name(c, which, dir, row->name, row->n);
        if (row->ino && !each(ctx, row))
            break;
    }
    free(all.v);
}

static void pending_rows_of(struct carry *c, struct row_array *a) {
    sqlite3_stmt *s = db_bind(&c->tree->db, STMT_P_ALL_NAMES, "");
    int r;
    while ((r = db_step(s)) == 1)
        add_row(c, a, (uint64_t)sqlite3_column_int64(s, 0), sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1),
                (uint64_t)sqlite3_column_int64(s, 2));
    c->err = MIN(c->err, r);
}

static void source_pending_rows(void *arg, void (*each)(void *, const struct merge_row *), void *ctx) {
    struct row_array all = {0};
    pending_rows_of(arg, &all);
    for (size_t i = 0; i < all.n; i++)
        each(ctx, &all.v[i]);
    free(all.v);
}

static size_t list_inodes(struct carry *c, enum statement which, uint64_t **ret) {
    sqlite3_stmt *s = db_bind(&c->tree->db, which, "");
    size_t n = 0;
    int r;
    while ((r = db_step(s)) == 1) {
        if ((n & (n - 1)) == 0)
            *ret = xrealloc(*ret, MAX(1, 2 * n) * sizeof **ret);
        (*ret)[n++] = (uint64_t)sqlite3_column_int64(s, 0);
    }
    c->err = MIN(c->err, r);
    return n;
}

static size_t pending_inodes_of(struct carry *c, uint64_t **ret) {
    return list_inodes(c, STMT_P_ALL_INODES, ret);
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void source_pending_inodes(void *arg, void (*each)(void *, uint64_t), void *ctx) {
    struct carry *c = arg;
    uint64_t *part[3] = {0}, *all;
    size_t n[3] = {pending_inodes_of(c, &part[0]), list_inodes(c, STMT_HELD_ALL, &part[1]), file_list_written(c->tree, &part[2])}, sum = 0;
    all = xcalloc(n[0] + n[1] + n[2] + 1, sizeof *all);
    for (size_t k = 0; k < ARRAY_SIZE(part); k++) {
        if (n[k])
            memcpy(all + sum, part[k], n[k] * sizeof *all);
        sum += n[k];
        free(part[k]);
    }
    qsort(all, sum, sizeof *all, by_number);
    for (size_t i = 0; i < sum; i++)
        if (i == 0 || all[i] != all[i - 1])
            each(ctx, all[i]);
    free(all);
}

static const struct record *source_held(void *arg, uint64_t ino) {
    struct carry *c = arg;
    struct seen *s = find_seen(c, ino, SEEN_HELD);
    if (!s) {
        s = add_seen(c, ino, SEEN_HELD);
        int r = deferred_seen(c->tree, ino, &s->rec);
        s->present = r == 1;
        c->err = MIN(c->err, MIN(r, 0));
    }
    return s->present ? &s->rec : NULL;
}

static bool source_open(void *arg, uint64_t ino) {
    return file_is_written(((struct carry *)arg)->tree, ino);
}

static void source_compares(void *arg, uint64_t ino, const struct record *with) {
    compare_note(((struct carry *)arg)->tree, ino, with);
}

static uint64_t source_mint(void *arg) {
    struct carry *c = arg;
    uint64_t ino = 0;
    return tree_mint_copy(c->tree, &ino) == 0 ? ino : 0;
}

/* Does the entry touch anything this host has changed, or what it leads to? */

static bool touches_inode(struct tree *t, uint64_t ino) {
    struct row_pending p;
    sqlite3_stmt *s;
    if (!ino)
        return false;
    if (rows_p_inode(t, ino, NULL, &p) != 0 || file_is_written(t, ino) || deferred_is(t, ino))
        return true;
    s = db_bind(&t->db, STMT_P_NAMES_OF, "i", ino);
    bool named = db_step(s) != 0;
    db_reset(s);
    s = db_bind(&t->db, STMT_P_OVER, "i", ino);
    named |= db_step(s) != 0; /* we took a name from it */
    db_reset(s);
    s = db_bind(&t->db, STMT_P_HAS_CHILD, "i", ino);
    bool children = db_step(s) != 0;
    db_reset(s);
    return named || (children && rows_c_inode(t, ino, NULL, NULL, NULL) != 1);
}

static bool touches_name(struct tree *t, const struct before_name *b) {
    struct row_pending_name p;
    struct row_name now;
    if (rows_p_name(t, b->parent, b->name, b->n, &p) != 0)
        return true;
    uint64_t above;
    if (rows_v_inode(t, b->parent, NULL, NULL, NULL) == 0 || (b->parent != ROOT_INO && rows_v_parent(t, b->parent, &above) == 0))
        return true; /* into a directory that we have removed */
    if (rows_c_name(t, b->parent, b->name, b->n, &now) < 0)
        return true;
    if (touches_inode(t, b->row.ino) || touches_inode(t, now.ino))
        return true;
    return S_ISDIR(b->row.type) || (now.ino && S_ISDIR(now.type)); /* a directory moved: loops, and what lies in it */
}

static bool is_touched(struct tree *t, const struct before *b) {
    struct before_name *n, *n2;
    struct before_inode *i, *i2;
    HASH_ITER(hh, b->names, n, n2) {
        if (touches_name(t, n))
            return true;
    }
    HASH_ITER(hh, b->inodes, i, i2) {
        if (touches_inode(t, i->ino))
            return true;
    }
    return false;
}

/* Writing the outcome */

static int set_row(struct carry *c, uint64_t parent, const char *name, size_t n, uint64_t ino) {
    struct tree *t = c->tree;
    struct row_pending_name p;
    CLEANUP_RECORD struct record rec = {0};
    uint32_t type = 0;
    if (rows_p_name(t, parent, name, n, &p) < 0)
        return -EIO;
    if (ino) {
        int r = rows_v_inode(t, ino, &rec, NULL, NULL);
        if (r != 1)
            return r < 0 ? r : -EUCLEAN;
        type = rec.mode;
    }
    tree_note_entry(t, parent, name, n);
    tree_note_inode(t, parent, true);
    int64_t when = p.time ? p.time : tree_time(t);
    int r = rows_v_set_name(t, parent, name, n, ino, type, p.removed > 0, when);
    return r == 0 && ino ? names_touched(t, parent, when) : r;
}

static int compare_outcome(const void *x, const void *y) {
    const struct merge_row *a = x;
    const struct merge_name *b = y;
    return compare_rows(a, &(struct merge_row){b->parent, b->name, b->n, b->ino});
}

/* Whether the outcome has the row; it is in the order of rows. */
static bool has_outcome(const struct merge_result *m, const struct merge_row *row) {
    return m->n_names && bsearch(row, m->names, m->n_names, sizeof *m->names, compare_outcome);
}

static int write_names(struct carry *c, const struct merge_result *m) {
    struct row_array old = {0};
    int r = 0;
    pending_rows_of(c, &old);
    for (size_t i = 0; i < old.n && r == 0; i++) {
        if (has_outcome(m, &old.v[i]))
            continue;
        struct row_name theirs;
        r = MIN(0, rows_c_name(c->tree, old.v[i].parent, old.v[i].name, old.v[i].n, &theirs));
        if (r == 0)
            r = rows_v_set_name(c->tree, old.v[i].parent, old.v[i].name, old.v[i].n, theirs.ino, theirs.type, false, 0);
        tree_note_entry(c->tree, old.v[i].parent, old.v[i].name, old.v[i].n);
    }
    for (size_t i = 0; i < m->n_names && r == 0; i++)
        r = set_row(c, m->names[i].parent, m->names[i].name, m->names[i].n, m->names[i].ino);
    free(old.v);
    return r;
}

static const struct merge_pair *find_pair(const struct merge_pair *list, size_t n, uint64_t from) {
    for (size_t i = 0; i < n; i++)
        if (list[i].from == from)
            return &list[i];
    return NULL;
}

static uint64_t copied_from(const struct merge_result *m, uint64_t ino) {
    for (size_t i = 0; i < m->n_copies; i++)
        if (m->copies[i].to == ino)
            return m->copies[i].from;
    return ino;
}

static int compare_inode(const void *x, const void *y) {
    uint64_t a = *(const uint64_t *)x, b = ((const struct merge_inode *)y)->ino;
    return (a > b) - (a < b);
}

static bool has_inode(const struct merge_result *m, uint64_t ino) {
    return m->n_inodes && bsearch(&ino, m->inodes, m->n_inodes, sizeof *m->inodes, compare_inode);
}

static bool has_content(const struct record *rec, uint64_t size, const uint8_t id[DIGEST_SIZE]) {
    return !rec->foreign && (size ? rec->content && !memcmp(rec->content->id, id, DIGEST_SIZE) : !rec->content);
}

/* What was hashed for this merge has the record's content: others' is that, with its key and digests, if they have the same in this inode; else it stays this host's bytes. */
static int known_record(struct tree *t, uint64_t ino, const struct record *mine, const struct row_pending *p, uint64_t size, const uint8_t id[DIGEST_SIZE],
                        struct record *rec) {
    CLEANUP_RECORD struct record theirs = {0};
    int r = rows_c_inode(t, ino, &theirs, NULL, NULL);
    if (r < 0)
        return r;
    bool same = r == 1 && has_content(&theirs, size, id);
    record_take_content(rec, same ? &theirs : mine);
    if (!same && rec->mtime == p->mtime)
        rec->mtime = mine->mtime;
    return 0;
}

/* The merged record with this host's real content where a stand-in was compared. */
static int real_record(struct tree *t, uint64_t source, const struct record *mine, const struct row_pending *p, const struct merge_inode *i, struct record *ret) {
    struct content *stand_in = unsettled_content(source);
    uint64_t size;
    uint8_t id[DIGEST_SIZE];
    int r = 0;
    record_copy(ret, &i->rec);
    if (content_same(ret->content, stand_in))
        record_take_content(ret, mine);
    else if (compare_known(t, source, p, &size, id) && has_content(ret, size, id))
        r = known_record(t, i->ino, mine, p, size, id, ret);
    content_unref(stand_in);
    return r;
}

/* What was written here is not the inode's content any more: it went to a copy, or equals what the others have. */
static int forget_bytes(struct tree *t, uint64_t ino, struct row_pending *p) {
    *p = (struct row_pending){.op = p->op, .since = p->since};
    return rows_p_block(t, ino, p, false);
}

static int write_inode(struct carry *c, const struct merge_result *m, const struct merge_inode *i) {
    struct tree *t = c->tree;
    CLEANUP_RECORD struct record mine = {0}, rec = {0};
    struct row_pending p = {0};
    uint64_t source = copied_from(m, i->ino);
    const struct merge_pair *split = find_pair(m->copies, m->n_copies, i->ino);
    int r = rows_p_inode(t, source, &mine, &p);
    if (r < 0)
        return r;
    if (r == 0) {
        p = (struct row_pending){.op = t->op, .since = t->op, .written = t->op};
        record_copy(&rec, &i->rec);
    } else {
        r = real_record(t, source, &mine, &p, i, &rec);
    }
    if (r < 0)
        return r;
    if (split) { /* its bytes are in the copy's row already */
        file_split(t, i->ino, split->to);
        r = forget_bytes(t, i->ino, &p);
    } else if ((p.spool || p.snap) && !record_same_content(&rec, &mine)) {
        file_drop_bytes(t, i->ino, &p);
        r = forget_bytes(t, i->ino, &p);
    }
    if (r < 0)
        return r;
    if (rows_c_inode(t, i->ino, NULL, NULL, NULL) != 1 && !p.written)
        p.written = t->op; /* it comes back, or is new: a removal waits for it */
    tree_note_inode(t, i->ino, true);
    return rows_p_settle(t, i->ino, &rec, &p);
}

/* What is pending no more: it equals N, became another, or is gone. */
static int drop_inode(struct carry *c, const struct merge_result *m, uint64_t ino) {
    struct tree *t = c->tree;
    struct row_pending p;
    const struct merge_pair *copy = find_pair(m->copies, m->n_copies, ino);
    int r = rows_p_inode(t, ino, NULL, &p);
    if (r != 1)
        return MIN(r, 0);
    tree_note_inode(t, ino, true);
    if (copy) {
        file_split(t, ino, copy->to);
        return rows_p_drop(t, ino);
    }
    bool there = rows_c_inode(t, ino, NULL, NULL, NULL) == 1;
    if (there && (p.spool || p.snap))
        file_drop_bytes(t, ino, &p); /* equal to what is there now */
    else if (p.spool || p.snap)
        file_unnamed(t, ino, &p);
    int dropped = rows_p_drop(t, ino);
    if (there)
        file_changed(t, ino);
    return dropped;
}

static int add_alias(struct tree *t, const struct merge_pair *pair) {
    struct alias *a = xcalloc(1, sizeof *a);
    a->from = pair->from;
    a->to = pair->to;
    HASH_ADD(hh, t->aliases, from, sizeof a->from, a);
    tree_note_inode(t, pair->from, true);
    int r = db_run(&t->db, STMT_ALIAS_SET, "ii", pair->from, pair->to);
    return r < 0 ? r : local_move_names(t, pair->from, pair->to);
}

/* Who was waiting for another key: the content, or the names that asked for it, may have changed. */
static int look_after_homes(struct tree *t, const struct merge_result *m) {
    int r = 0;
    for (size_t i = 0; i < m->n_inodes && r == 0; i++) {
        struct row_pending p;
        r = rows_p_inode(t, m->inodes[i].ino, NULL, &p);
        if (r == 1)
            r = home_is_wanted(&p) ? home_check(t, m->inodes[i].ino) : 0;
    }
    return r;
}

static int note_deferred(struct tree *t, const struct merge_result *m) {
    int r = 0;
    for (size_t i = 0; i < m->n_held && r == 0; i++)
        r = deferred_begin(t, m->held[i].ino, &m->held[i].rec);
    for (size_t i = 0; i < m->n_released && r == 0; i++)
        r = deferred_end(t, m->released[i]);
    return r;
}

static int write_outcome(struct carry *c, const struct merge_result *m) {
    struct tree *t = c->tree;
    uint64_t *mine = NULL;
    size_t n = pending_inodes_of(c, &mine);
    int r = c->err < 0 ? c->err : note_deferred(t, m);
    for (int copies = 1; copies >= 0; copies--) /* first, from the rows of what they were */
        for (size_t i = 0; i < m->n_inodes && r == 0; i++)
            if ((copied_from(m, m->inodes[i].ino) != m->inodes[i].ino) == copies)
                r = write_inode(c, m, &m->inodes[i]);
    for (size_t i = 0; i < m->n_aliases && r == 0; i++)
        r = add_alias(t, &m->aliases[i]);
    for (size_t i = 0; i < n && r == 0; i++)
        if (!has_inode(m, mine[i]))
            r = drop_inode(c, m, mine[i]);
    if (r == 0)
        r = write_names(c, m);
    if (r == 0)
        r = look_after_homes(t, m);
    for (size_t i = 0; i < m->n_held && r == 0; i++) /* what was about to be committed goes into a copy at once */
        r = deferred_save(t, m->held[i].ino);
    for (size_t i = 0; i < m->n_copies; i++)
        file_changed(t, m->copies[i].from);
    for (size_t i = 0; i < m->n_inodes; i++)
        file_changed(t, m->inodes[i].ino);
    free(mine);
    counter_add(t->cfg.counters, COUNTER_CONFLICT_COPIES, m->conflicts);
    return r;
}

/* write_outcome() changes more than rows: what it reads must be here before. */
static int need_for_outcome(struct carry *c, const struct merge_result *m) {
    struct tree *t = c->tree;
    struct row_array old = {0};
    struct row_name row;
    int r = 0;
    pending_rows_of(c, &old);
    for (size_t i = 0; i < old.n && r >= 0; i++)
        r = rows_c_name(t, old.v[i].parent, old.v[i].name, old.v[i].n, &row);
    free(old.v);
    for (size_t i = 0; i < m->n_names && r >= 0; i++) {
        uint64_t above;
        r = rows_c_name(t, m->names[i].parent, m->names[i].name, m->names[i].n, &row);
        if (r >= 0)
            r = rows_v_parent(t, m->names[i].parent, &above);
        if (r >= 0 && m->names[i].ino)
            r = rows_c_names_here(t, m->names[i].ino);
    }
    for (size_t i = 0; i < m->n_aliases && r >= 0; i++)
        r = fault_need_dir(t, m->aliases[i].to);
    for (size_t i = 0; i < m->n_inodes && r >= 0; i++) {
        r = rows_c_inode(t, m->inodes[i].ino, NULL, NULL, NULL);
        if (r >= 0)
            r = rows_c_names_here(t, m->inodes[i].ino);
    }
    return MIN(r, 0);
}

static void carry_free(struct carry *c) {
    struct seen *s, *next;
    free(c->by_ino.v);
    free(c->by_parent.v);
    HASH_ITER(hh, c->seen, s, next) {
        HASH_DEL(c->seen, s);
        record_free(&s->rec);
        free(s);
    }
    for (struct name_kept *k = c->names, *after; k; k = after) {
        after = k->next;
        free(k->name);
        free(k);
    }
}

int carry_check(struct tree *t) {
    if (fault_is_lazy(t) || !t->pending_rows)
        return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_NAMELESS, "");
    int r = db_step(s);
    db_reset(s);
    return r == 1 ? -EBADMSG : r;
}

/* write: else only what the merge needs is asked for. */
static int merge_all(struct tree *t, const struct before *b, bool write) {
    struct carry c = {.tree = t, .before = b, .by_ino = touched_by(b, ino_of, by_ino), .by_parent = touched_by(b, parent_of, by_parent)};
    struct merge_result m = {0};
    char date[16];
    time_t now = (time_t)(env_now(t->env) / NS_PER_S);
    struct tm tm;
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &tm));
    struct merge_source source = {.name = source_name,
                                  .inode = source_inode,
                                  .rows_of = source_rows_of,
                                  .children = source_children,
                                  .pending_rows = source_pending_rows,
                                  .pending_inodes = source_pending_inodes,
                                  .held = source_held,
                                  .open_for_writing = source_open,
                                  .compares = source_compares,
                                  .mint = source_mint,
                                  .host_label = t->cfg.host_label,
                                  .date = date,
                                  .arg = &c};
    int r = write ? carry_check(t) : 0;
    if (r == 0)
        r = merge_run(&source, &m);
    if (r == 0)
        r = c.err;
    if (r == 0 && fault_is_lazy(t))
        r = need_for_outcome(&c, &m);
    r = tree_missed(t, r);
    if (r == 0 && compare_is_allowed(t) && compare_is_wanted(t))
        r = -EINPROGRESS;
    if (r == 0 && write)
        r = write_outcome(&c, &m);
    merge_result_free(&m);
    carry_free(&c);
    return r;
}

int carry_over(struct tree *t, const struct before *b) {
    return is_touched(t, b) ? merge_all(t, b, true) : tree_missed(t, 0);
}

int carry_again(struct tree *t) {
    return merge_all(t, &(struct before){0}, true);
}

int carry_need(struct tree *t) {
    return fault_is_lazy(t) || compare_is_allowed(t) ? merge_all(t, &(struct before){0}, false) : 0;
}
