/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "tree/apply.h"
#include "tree/dispute.h"
#include "tree/rebuild_parts.h"
#include <inttypes.h>

/* What differs, as rows of the damaged tree (before) and of the fresh one. */

struct difference {
    uint64_t parent, ino; /* parent 0: an inode */
    char *name;
    size_t n;
    struct row_name was, now;
};

struct differences {
    struct difference *v;
    size_t n;
};

static struct difference *add(struct differences *d) {
    if ((d->n & (d->n - 1)) == 0)
        d->v = xrealloc(d->v, MAX(1, 2 * d->n) * sizeof *d->v);
    d->v[d->n] = (struct difference){0};
    return &d->v[d->n++];
}

static void free_differences(struct differences *d) {
    for (size_t i = 0; i < d->n; i++)
        free(d->v[i].name);
    free(d->v);
}

static struct row_name row_at(sqlite3_stmt *s, int column) {
    return (struct row_name){(uint64_t)sqlite3_column_int64(s, column), (uint32_t)sqlite3_column_int(s, column + 1)};
}

/* HERE restricts either side to directories that are here in the old tree: of the others nothing was known, and nothing differs. */
#define NAMES_QUERY(HERE_N, HERE_F)                                                                                                                                    \
    "SELECT n.parent, n.name, n.ino, n.type, coalesce(f.ino, 0), coalesce(f.type, 0) FROM main.c_name n LEFT JOIN fresh.c_name f "                                     \
    "ON f.parent = n.parent AND f.name = n.name WHERE (f.ino IS NOT n.ino OR f.type IS NOT n.type)" HERE_N " UNION ALL "                                               \
    "SELECT f.parent, f.name, 0, 0, f.ino, f.type FROM fresh.c_name f WHERE NOT EXISTS "                                                                               \
    "(SELECT 1 FROM main.c_name n WHERE n.parent = f.parent AND n.name = f.name)" HERE_F

static const char names_query[] = NAMES_QUERY("", "");
static const char names_query_lazy[] =
    NAMES_QUERY(" AND n.parent IN (SELECT dir FROM main.c_here)", " AND f.parent IN (SELECT dir FROM main.c_here)");

/* A name that was lost here, and nothing of ours stands there: nobody here has taken it away, for both trees are of the same entry. So it counts as if it had been there, and what is pending of its
 * inode stays. */
static bool is_lost(struct tree *t, const struct difference *x) {
    struct row_pending_name p;
    return !x->was.ino && rows_p_name(t, x->parent, x->name, x->n, &p) == 0;
}

static int find_names(struct tree *t, const char *query, struct differences *d, struct before *b) {
    sqlite3_stmt *s;
    int r;
    if (sqlite3_prepare_v2(t->db.sql, query, -1, &s, NULL) != SQLITE_OK)
        return db_errno(&t->db);
    while ((r = sqlite3_step(s)) == SQLITE_ROW) {
        struct difference *x = add(d);
        x->parent = (uint64_t)sqlite3_column_int64(s, 0);
        x->n = MIN((size_t)sqlite3_column_bytes(s, 1), NAME_MAX_BYTES);
        x->name = xmemdup(sqlite3_column_blob(s, 1), x->n);
        x->was = row_at(s, 2);
        x->now = row_at(s, 4);
        if (is_lost(t, x))
            tree_note_entry(t, x->parent, x->name, x->n);
        else
            before_keep_name(b, x->parent, x->name, x->n, &x->was);
    }
    sqlite3_finalize(s);
    return r == SQLITE_DONE ? 0 : db_errno(&t->db);
}

#define INODES_QUERY(HERE_F)                                                                                                                                           \
    "SELECT i.ino, i.rec FROM main.c_inode i LEFT JOIN fresh.c_inode f ON f.ino = i.ino WHERE f.rec IS NOT i.rec UNION ALL "                                           \
    "SELECT f.ino, NULL FROM fresh.c_inode f WHERE NOT EXISTS (SELECT 1 FROM main.c_inode i WHERE i.ino = f.ino)" HERE_F

static const char inodes_query[] = INODES_QUERY("");
static const char inodes_query_lazy[] =
    INODES_QUERY(" AND EXISTS (SELECT 1 FROM fresh.c_name n WHERE n.ino = f.ino AND n.parent IN (SELECT dir FROM main.c_here))");

/* A record that cannot even be read is none. */
static int find_inodes(struct tree *t, const char *query, struct differences *d, struct before *b) {
    sqlite3_stmt *s;
    int r;
    if (sqlite3_prepare_v2(t->db.sql, query, -1, &s, NULL) != SQLITE_OK)
        return db_errno(&t->db);
    while ((r = sqlite3_step(s)) == SQLITE_ROW) {
        CLEANUP_RECORD struct record was = {0};
        struct difference *x = add(d);
        x->ino = (uint64_t)sqlite3_column_int64(s, 0);
        bool readable = sqlite3_column_type(s, 1) != SQLITE_NULL &&
                        record_parse(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), &was) == 0;
        before_keep_inode(b, x->ino, readable, &was);
    }
    sqlite3_finalize(s);
    return r == SQLITE_DONE ? 0 : db_errno(&t->db);
}

static int run(struct tree *t, const char *sql) {
    return sqlite3_exec(t->db.sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_errno(&t->db);
}

struct writing {
    struct rebuild *rebuild;
    bool lazy;            /* the old tree had only a part of the rows */
    size_t names, inodes; /* that differed */
    bool damaged;         /* anything did */
    size_t again;         /* names and inodes that are pending again */
};

/* Rows of directories that are not here wholly are not rows of the old tree yet. */
static const char forget_parts[] = "DELETE FROM main.c_name WHERE parent NOT IN (SELECT dir FROM main.c_here);"
                                   "DELETE FROM main.c_inode WHERE ino <> 1 AND NOT EXISTS (SELECT 1 FROM main.c_name n WHERE n.ino = main.c_inode.ino);";

/* What is not a row of C itself. meta: base, base_ref; nothing else of it, for the rest is this host's. */
static const char copy_rest[] =
    "INSERT OR IGNORE INTO main.c_name SELECT * FROM fresh.c_name;"
    "INSERT OR IGNORE INTO main.c_inode SELECT * FROM fresh.c_inode;"
    "UPDATE main.c_inode SET nlink = f.nlink, seq = f.seq FROM fresh.c_inode f WHERE f.ino = main.c_inode.ino "
    "AND (f.nlink <> main.c_inode.nlink OR f.seq <> main.c_inode.seq);"
    "DELETE FROM main.c_session; INSERT INTO main.c_session SELECT * FROM fresh.c_session;"
    "DELETE FROM main.c_state; INSERT INTO main.c_state SELECT * FROM fresh.c_state;"
    "DELETE FROM main.c_here; INSERT INTO main.c_here SELECT * FROM fresh.c_here;"
    "DELETE FROM main.c_absent; INSERT INTO main.c_absent SELECT * FROM fresh.c_absent;"
    "DELETE FROM main.meta WHERE key IN ('base', 'base_ref', '" CHECKPOINT_BAD "');"
    "INSERT INTO main.meta SELECT * FROM fresh.meta WHERE key IN ('base', 'base_ref');"
    "INSERT OR IGNORE INTO main.object SELECT * FROM fresh.object;";

/* The checkpoint that is known may have been made of the damaged tree, by this host. */
static int forget_wrong_checkpoint(struct rebuild *b) {
    struct checkpoint_known *k = &b->tree->checkpoint.known;
    bool right = b->known_is_right && k->ref.seq == b->known.seq && !memcmp(k->ref.object.digest, b->known.object.digest, DIGEST_SIZE);
    b->tree->checkpoint.ready = (struct checkpoint_ref){0};
    if (!k->ref.seq || right)
        return 0;
    *k = (struct checkpoint_known){.ref = b->ref};
    return checkpoint_save(b->tree);
}

/* Names through rows_c_set_name(), which keeps the links of the view; the rest as it is. */
static int write_rows(struct writing *w, struct tree *t, const struct differences *names, const struct differences *inodes) {
    int r = 0;
    for (size_t i = 0; i < names->n && r == 0; i++) {
        const struct difference *x = &names->v[i];
        r = rows_c_set_name(t, x->parent, x->name, x->n, x->now.ino, x->now.type);
    }
    for (size_t i = 0; i < inodes->n && r == 0; i++) {
        CLEANUP_FREE char *sql = xasprintf("DELETE FROM main.c_inode WHERE ino = %" PRId64 "; INSERT INTO main.c_inode SELECT * FROM fresh.c_inode WHERE ino = %" PRId64,
                                           (int64_t)inodes->v[i].ino, (int64_t)inodes->v[i].ino);
        r = run(t, sql);
    }
    w->names = names->n;
    w->inodes = inodes->n;
    return r < 0 ? r : run(t, copy_rest);
}

static int write_fresh(void *arg, struct before *b) {
    struct writing *w = arg;
    struct tree *t = w->rebuild->tree;
    struct differences names = {0}, inodes = {0};
    struct own_kept kept = {0};
    bool damaged = memcmp(&t->set, &w->rebuild->fresh.set, sizeof t->set);
    int r = own_voids_keep(&w->rebuild->own_voids, t, b, &kept);
    if (r == 0 && w->lazy)
        r = run(t, forget_parts);
    if (r == 0)
        r = find_names(t, w->lazy ? names_query_lazy : names_query, &names, b);
    if (r == 0)
        r = find_inodes(t, w->lazy ? inodes_query_lazy : inodes_query, &inodes, b);
    if (r == 0)
        r = write_rows(w, t, &names, &inodes);
    if (r == 0)
        r = own_voids_pend(t, &kept);
    if (r == 0 && (damaged || w->names + w->inodes))
        r = forget_wrong_checkpoint(w->rebuild);
    if (r == 0)
        r = db_meta_set_int(&t->db, "own_seen", (int64_t)t->seq);
    w->damaged = damaged || w->names + w->inodes;
    w->again = kept.n_names + kept.n_inodes + kept.n_states;
    own_kept_free(&kept);
    free_differences(&names);
    free_differences(&inodes);
    return r;
}

static void want_in_fresh(void *arg, uint64_t ino, bool is_dir) {
    struct rebuild *b = arg;
    int r = is_dir ? fault_need_dir(&b->fresh, ino) : fault_need_inode(&b->fresh, ino);
    if (r < 0 && r != -EINPROGRESS)
        log_errno(r, "%s cannot be read", b->path);
}

/* The base that the fresh tree has been asking is this one's from now on. */
static void change_source(struct rebuild *b, struct fault *old) {
    struct tree *t = b->tree;
    checkpoint_base_retire(t, t->checkpoint.base);
    t->checkpoint.base = NULL;
    if (b->fresh.fault) {
        struct checkpoint_base *base = t->checkpoint.base = b->base;
        b->base = NULL;
        base->tree = t;
        struct fault_source s = checkpoint_base_source(base);
        fault_replace(t, &s);
    } else if (old) {
        fault_end(t, old);
    }
}

int rebuild_take_place(struct rebuild *b) {
    struct tree *t = b->tree;
    struct fault *old = t->fault;
    struct writing w = {.rebuild = b, .lazy = old != NULL};
    char *sql = sqlite3_mprintf("ATTACH %Q AS fresh", b->path);
    int r = run(t, sql);
    sqlite3_free(sql);
    if (r < 0)
        return r;
    if (!b->fresh.fault) /* all rows will be here */
        t->fault = NULL;
    r = follow_replace(t, &b->fresh, write_fresh, &w);
    if (r < 0)
        t->fault = old;
    int detached = run(t, "DETACH fresh");
    if (r == -EINPROGRESS && old) {
        tree_lock(&b->fresh);
        fault_wanted(t, want_in_fresh, b);
        tree_unlock(&b->fresh);
    }
    if (r < 0)
        return r;
    t->dispute.own_seen = t->seq;
    if (w.damaged) {
        log_warning("the local state in %s was damaged: %zu names and %zu inodes of it were not what the journal says, and are set right", t->cfg.dir, w.names, w.inodes);
        dispute_own(t);
    }
    if (w.again)
        log_warning("%zu changes that this host committed before were built on the damage and are void: they are made once more, as conflicted copies where they do not fit", w.again);
    change_source(b, old);
    return detached;
}
