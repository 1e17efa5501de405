/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/news.h"
#include "base/log.h"
#include "tree/apply.h"

#define BATCH 256
#define PATH_MAX_BYTES ((size_t)64 << 10)
#define DEPTH_MAX 100000
#define TRIM_EVERY 1000

static const char floor_name[] = "news_floor";

/* ---- paths */

/* Where inodes stood that have lost a name in this entry. */
struct left {
    uint64_t ino;
    const struct before_name *at;
    UT_hash_handle hh;
};

struct telling {
    struct tree *tree;
    const struct before *before;
    struct left *left;
    uint64_t seq;
    int64_t time;
    uint64_t last_dir; /* whose path `last` is; 0: none yet */
    struct buf last;
};

static const struct before_name *left_of(const struct telling *n, uint64_t ino) {
    struct left *l;
    HASH_FIND(hh, n->left, &ino, sizeof ino, l);
    return l ? l->at : NULL;
}

static uint64_t ino_at(struct tree *t, uint64_t parent, const char *name, size_t n) {
    struct row_name row = {0};
    return rows_c_name(t, parent, name, n, &row) == 1 ? row.ino : 0;
}

static void note_left(struct telling *n) {
    struct before_name *b, *next;
    HASH_ITER (hh, n->before->names, b, next) {
        if (!b->row.ino || left_of(n, b->row.ino) || ino_at(n->tree, b->parent, b->name, b->n) == b->row.ino)
            continue;
        struct left *l = xmalloc(sizeof *l);
        *l = (struct left){.ino = b->row.ino, .at = b};
        HASH_ADD(hh, n->left, ino, sizeof l->ino, l);
    }
}

static void telling_free(struct telling *n) {
    struct left *l, *next;
    HASH_ITER (hh, n->left, l, next) {
        HASH_DEL(n->left, l);
        free(l);
    }
    buf_free(&n->last);
}

/* A name of the directory and what it stands in, now or before this entry. False: it has none. */
static bool place_of(const struct telling *n, uint64_t dir, uint64_t *ret_parent, struct buf *ret_name) {
    sqlite3_stmt *s = db_bind(&n->tree->db, STMT_C_NAMES_OF, "i", dir);
    bool found = db_step(s) == 1;
    buf_reset(ret_name);
    if (found) {
        *ret_parent = (uint64_t)sqlite3_column_int64(s, 0);
        buf_append(ret_name, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    }
    db_reset(s);
    if (found)
        return true;
    const struct before_name *was = left_of(n, dir);
    if (!was)
        return false;
    *ret_parent = was->parent;
    buf_append(ret_name, was->name, was->n);
    return true;
}

static void prepend(struct buf *b, const struct buf *name) {
    struct buf all = BUF_INIT(PATH_MAX_BYTES);
    buf_append_byte(&all, '/');
    buf_append(&all, name->data, name->len);
    buf_append(&all, b->data, b->len);
    buf_free(b);
    *b = all;
}

/* "" for the root. False: it cannot be told. */
static bool dir_path(struct telling *n, uint64_t dir) {
    if (dir == n->last_dir)
        return true;
    CLEANUP_BUF struct buf name = BUF_INIT(NAME_MAX_BYTES + 1);
    uint64_t at = dir;
    n->last_dir = 0;
    buf_free(&n->last);
    n->last = BUF_INIT(PATH_MAX_BYTES);
    for (int depth = 0; at != ROOT_INO; depth++) {
        if (depth == DEPTH_MAX || !place_of(n, at, &at, &name))
            return false;
        prepend(&n->last, &name);
        if (n->last.err)
            return false;
    }
    n->last_dir = dir;
    return true;
}

/* malloc'd; NULL: it cannot be told. */
static char *path_of(struct telling *n, uint64_t parent, const char *name, size_t len) {
    if (!dir_path(n, parent))
        return NULL;
    struct buf b = BUF_INIT(PATH_MAX_BYTES + NAME_MAX_BYTES + 2);
    buf_append(&b, n->last.data, n->last.len);
    buf_append_byte(&b, '/');
    buf_append(&b, name, len);
    return (char *)buf_take(&b, NULL);
}

/* ---- what to tell */

static int tell(struct telling *n, const char *change, const char *path, const char *from, const char *was,
                const char *now) {
    sqlite3_stmt *s =
        db_bind(&n->tree->db, STMT_NEWS_ADD, "iitb", (int64_t)n->seq, n->time, change, path, strlen(path));
    if (from)
        sqlite3_bind_blob(s, 5, from, (int)strlen(from), SQLITE_TRANSIENT);
    if (was)
        sqlite3_bind_text(s, 6, was, -1, SQLITE_TRANSIENT);
    if (now)
        sqlite3_bind_text(s, 7, now, -1, SQLITE_TRANSIENT);
    int r = db_step(s);
    db_reset(s);
    return MIN(r, 0);
}

/* What an inode was or is, as far as it matters here. */
struct side {
    bool there, directory;
    char *key; /* malloc'd; NULL: no content */
};

static void side_free(struct side *s) {
    free(s->key);
}

static struct side side_of(const struct record *rec) {
    return (struct side){
        .there = true,
        .directory = S_ISDIR(rec->mode),
        .key = S_ISREG(rec->mode) && rec->content && rec->content->key ? xstrdup(rec->content->key) : NULL};
}

static struct side side_now(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    return ino && rows_c_inode(t, ino, &rec, NULL, NULL) == 1 ? side_of(&rec) : (struct side){0};
}

static struct side side_before(const struct telling *n, uint64_t ino) {
    const struct before_inode *b = ino ? before_find_inode(n->before, ino) : NULL;
    if (b)
        return b->present ? side_of(&b->rec) : (struct side){0};
    return side_now(n->tree, ino);
}

static bool same_key(const char *a, const char *b) {
    return a && b ? !strcmp(a, b) : a == b;
}

/* One row of names that the entry has touched. */
static int tell_name(struct telling *n, const struct before_name *b) {
    uint64_t ino = ino_at(n->tree, b->parent, b->name, b->n);
    if (ino == b->row.ino)
        return 0;
    struct side was = side_before(n, b->row.ino), now = side_now(n->tree, ino);
    const struct before_name *came = ino ? left_of(n, ino) : NULL;
    bool file_was = was.there && !was.directory && was.key, file_is = now.there && !now.directory && now.key;
    const char *change = now.directory && came                    ? "moved"
                         : file_is && was.there && !was.directory ? "replaced"
                         : file_is && came                        ? "moved"
                         : file_is                                ? "added"
                         : file_was ? now.there && !now.directory ? "replaced" : "removed"
                                    : NULL;
    int r = 0;
    if (change && !(file_was && file_is && same_key(was.key, now.key))) {
        CLEANUP_FREE char *path = path_of(n, b->parent, b->name, b->n);
        CLEANUP_FREE char *from = came ? path_of(n, came->parent, came->name, came->n) : NULL;
        struct side there = came ? side_before(n, ino) : (struct side){0};
        r = path ? tell(n, change, path, from, was.key ? was.key : there.key, now.key) : 0;
        side_free(&there);
    }
    side_free(&was);
    side_free(&now);
    return r;
}

/* Names that the entry has not touched, of an inode that has other content. */
static int tell_names_of(struct telling *n, uint64_t ino, const char *was, const char *now) {
    struct {
        uint64_t parent;
        char *name;
        size_t n;
    } *all = NULL;
    size_t count = 0, cap = 0;
    sqlite3_stmt *s = db_bind(&n->tree->db, STMT_C_NAMES_OF, "i", ino);
    int r;
    while ((r = db_step(s)) == 1) {
        if (count == cap)
            all = xrealloc(all, (cap = cap ? 2 * cap : 4) * sizeof *all);
        size_t len = (size_t)sqlite3_column_bytes(s, 1);
        all[count].parent = (uint64_t)sqlite3_column_int64(s, 0);
        all[count].name = xmemdup(sqlite3_column_blob(s, 1), len);
        all[count++].n = len;
    }
    db_reset(s);
    for (size_t i = 0; i < count; i++) {
        const struct before_name *touched = before_find_name(n->before, all[i].parent, all[i].name, all[i].n);
        if (r >= 0 && !(touched && touched->row.ino != ino)) {
            CLEANUP_FREE char *path = path_of(n, all[i].parent, all[i].name, all[i].n);
            r = path ? tell(n, "replaced", path, NULL, was, now) : 0;
        }
        free(all[i].name);
    }
    free(all);
    return MIN(r, 0);
}

static int tell_inode(struct telling *n, const struct before_inode *b) {
    if (!b->present || !S_ISREG(b->rec.mode))
        return 0;
    struct side was = side_of(&b->rec), now = side_now(n->tree, b->ino);
    int r = now.there && !same_key(was.key, now.key) ? tell_names_of(n, b->ino, was.key, now.key) : 0;
    side_free(&was);
    side_free(&now);
    return r;
}

/* ---- keeping */

int news_begin(struct tree *t) {
    int r = db_run(&t->db, STMT_NEWS_CLEAR, "");
    return r < 0 ? r : db_meta_set_int(&t->db, floor_name, (int64_t)t->seq);
}

void news_start(struct tree *t) {
    if (db_meta_int(&t->db, floor_name, -1) >= 0)
        return;
    int r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, news_begin(t));
    if (r < 0)
        log_errno(r, "changes of paths cannot be kept for assetfs log --follow");
}

/* Whole entries go, the oldest first. */
static int trim(struct tree *t) {
    sqlite3_stmt *s = db_bind(&t->db, STMT_NEWS_OLD, "i", (int64_t)NEWS_MAX);
    int r = db_step(s);
    int64_t seq = r == 1 ? sqlite3_column_int64(s, 0) : 0;
    db_reset(s);
    if (r < 0 || !seq)
        return MIN(r, 0);
    r = db_run(&t->db, STMT_NEWS_TRIM, "i", seq);
    return r < 0 ? r : db_meta_set_int(&t->db, floor_name, seq);
}

int news_note(struct tree *t, uint64_t seq, int64_t time, const struct before *before) {
    if (db_meta_int(&t->db, floor_name, -1) < 0) /* the first mount is still catching up */
        return 0;
    struct telling n = {.tree = t, .before = before, .seq = seq, .time = time};
    struct before_name *name, *next_name;
    struct before_inode *inode, *next_inode;
    int r = 0;
    note_left(&n);
    HASH_ITER (hh, before->names, name, next_name) {
        if (r == 0)
            r = tell_name(&n, name);
    }
    HASH_ITER (hh, before->inodes, inode, next_inode) {
        if (r == 0)
            r = tell_inode(&n, inode);
    }
    telling_free(&n);
    return r == 0 && seq % TRIM_EVERY == 0 ? trim(t) : r;
}

/* ---- reading */

struct kept {
    struct news news;
    char *text[5];
};

static char *text_at(sqlite3_stmt *s, int column) {
    const void *p = sqlite3_column_blob(s, column);
    return p ? xstrndup(p, (size_t)sqlite3_column_bytes(s, column))
           : sqlite3_column_type(s, column) == SQLITE_NULL ? NULL
                                                           : xstrdup("");
}

/* Under the lock. */
static int read_batch(struct tree *t, const struct news_cursor *at, struct kept *all, uint64_t *ret_floor) {
    *ret_floor = (uint64_t)db_meta_int(&t->db, floor_name, (int64_t)t->seq);
    if (MAX(at->since, at->sequence) < *ret_floor)
        return -ESTALE;
    sqlite3_stmt *s =
        db_bind(&t->db, STMT_NEWS, "iii", (int64_t)at->since, (int64_t)at->number, (int64_t)BATCH);
    int n = 0, r;
    while ((r = db_step(s)) == 1 && n < BATCH) {
        struct kept *k = &all[n++];
        for (int i = 0; i < 5; i++)
            k->text[i] = text_at(s, 3 + i);
        k->news = (struct news){.number = (uint64_t)sqlite3_column_int64(s, 0),
                                .sequence = (uint64_t)sqlite3_column_int64(s, 1),
                                .time = sqlite3_column_int64(s, 2),
                                .change = k->text[0],
                                .path = k->text[1],
                                .from = k->text[2],
                                .was = k->text[3],
                                .now = k->text[4]};
    }
    db_reset(s);
    return r < 0 ? r : n;
}

int tree_news(struct tree *t, struct news_cursor *at, uint64_t *ret_floor,
              void (*each)(void *arg, const struct news *), void *arg) {
    struct kept *all = xcalloc(BATCH, sizeof *all);
    tree_lock(t);
    int n = read_batch(t, at, all, ret_floor);
    tree_unlock(t);
    for (int i = 0; i < BATCH; i++) {
        if (i < n) {
            each(arg, &all[i].news);
            at->number = all[i].news.number;
            at->sequence = all[i].news.sequence;
        }
        for (int k = 0; k < 5; k++)
            free(all[i].text[k]);
    }
    free(all);
    return n;
}

uint64_t tree_sequence(struct tree *t) {
    tree_lock(t);
    uint64_t seq = t->seq;
    tree_unlock(t);
    return seq;
}
