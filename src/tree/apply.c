/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/apply.h"
#include "base/log.h"

/* Deeper than any path a program can make; a walk this long is a loop. */
#define DEPTH_MAX 100000

void before_free(struct before *b) {
    struct before_name *n, *n2;
    struct before_inode *i, *i2;
    HASH_ITER(hh, b->names, n, n2) {
        HASH_DEL(b->names, n);
        free(n);
    }
    HASH_ITER(hh, b->inodes, i, i2) {
        HASH_DEL(b->inodes, i);
        record_free(&i->rec);
        free(i);
    }
}

static size_t row_key(char *key, uint64_t parent, const char *name, size_t n) {
    memcpy(key, &parent, sizeof parent);
    memcpy(key + sizeof parent, name, n);
    return sizeof parent + n;
}

const struct before_name *before_find_name(const struct before *b, uint64_t parent, const char *name, size_t n) {
    char key[sizeof parent + NAME_MAX_BYTES];
    struct before_name *found;
    if (n > NAME_MAX_BYTES)
        return NULL;
    size_t len = row_key(key, parent, name, n);
    HASH_FIND(hh, b->names, key, len, found);
    return found;
}

const struct before_inode *before_find_inode(const struct before *b, uint64_t ino) {
    struct before_inode *found;
    HASH_FIND(hh, b->inodes, &ino, sizeof ino, found);
    return found;
}

void before_keep_name(struct before *b, uint64_t parent, const char *name, size_t len, const struct row_name *row) {
    if (!b || before_find_name(b, parent, name, len))
        return;
    struct before_name *n = xcalloc(1, sizeof *n + sizeof n->parent + len);
    size_t key = row_key(n->key, parent, name, len);
    n->parent = parent;
    n->name = n->key + sizeof n->parent;
    n->n = len;
    n->row = *row;
    HASH_ADD_KEYPTR(hh, b->names, n->key, key, n);
}

void before_keep_inode(struct before *b, uint64_t ino, bool present, const struct record *rec) {
    if (!b || before_find_inode(b, ino))
        return;
    struct before_inode *i = xcalloc(1, sizeof *i);
    i->ino = ino;
    i->present = present;
    if (present)
        record_copy(&i->rec, rec);
    HASH_ADD(hh, b->inodes, ino, sizeof i->ino, i);
}

bool apply_name_valid(const char *name, size_t n) {
    return n >= 1 && n <= NAME_MAX_BYTES && !memchr(name, '/', n) && !memchr(name, 0, n) &&
           !(n == 1 && name[0] == '.') && !(n == 2 && name[0] == '.' && name[1] == '.');
}

/* Checks: each answers 1 fits, 0 void, negative errno. */

static int check_name(struct tree *t, const struct name_edit *e, struct before *b) {
    struct row_name row;
    if (!apply_name_valid(e->name, e->n) || e->now == ROOT_INO)
        return 0;
    int r = rows_c_name(t, e->parent, e->name, e->n, &row);
    if (r < 0 || row.ino != e->was)
        return MIN(r, 0);
    before_keep_name(b, e->parent, e->name, e->n, &row);
    return 1;
}

static bool content_was(const struct inode_edit *e, const struct record *cur) {
    switch (e->was) {
    case WAS_PLAIN:
        return !cur->content;
    case WAS_CONTENT:
        return cur->content && !cur->foreign && !memcmp(cur->content->id, e->was_id, DIGEST_SIZE);
    case WAS_ETAG:
        return cur->foreign && !strcmp(cur->etag, e->was_etag);
    default:
        return false;
    }
}

static int check_key(struct tree *t, const struct record *rec) {
    if (!rec->content)
        return 1;
    CLEANUP_FREE char *key = xasprintf("condemned/%s", rec->content->key);
    CLEANUP_BUF struct buf v = BUF_INIT(ENTRY_MAX);
    int r = rows_c_state(t, key, &v);
    return r < 0 ? r : !r;
}

static int check_inode(struct tree *t, const struct inode_edit *e, uint64_t session, uint64_t seq, struct before *b) {
    CLEANUP_RECORD struct record cur = {0};
    uint64_t of = e->ino >> SESSION_SHIFT, counter = e->ino & COUNTER_MAX;
    int r = rows_c_inode(t, e->ino, &cur, NULL, NULL);
    if (r < 0)
        return r;
    bool present = r == 1;
    if (e->ino != ROOT_INO && (of == 0 || of > seq || counter == 0))
        return 0;
    if (e->was == WAS_NEW ? present || of != session : e->was == WAS_BACK ? present : !present)
        return 0;
    if (present && (!content_was(e, &cur) || (cur.mode & S_IFMT) != (e->rec.mode & S_IFMT)))
        return 0;
    if (S_ISREG(e->rec.mode) && (e->rec.size != 0) != (e->rec.content != NULL))
        return 0;
    before_keep_inode(b, e->ino, present, &cur);
    return check_key(t, &e->rec);
}

static int check_state(struct tree *t, const struct state_edit *e) {
    CLEANUP_BUF struct buf cur = BUF_INIT(ENTRY_MAX);
    int r = rows_c_state(t, e->key, &cur);
    if (r < 0)
        return r;
    return e->was ? r == 1 && cur.len == e->was_len && !memcmp(cur.data, e->was, cur.len) : r == 0;
}

static int compare_rows(const void *x, const void *y) {
    const struct name_edit *a = *(const struct name_edit *const *)x, *b = *(const struct name_edit *const *)y;
    if (a->parent != b->parent)
        return a->parent < b->parent ? -1 : 1;
    int r = memcmp(a->name, b->name, MIN(a->n, b->n));
    return r ? r : a->n < b->n ? -1 : a->n > b->n;
}

static int compare_inodes(const void *x, const void *y) {
    uint64_t a = (*(const struct inode_edit *const *)x)->ino, b = (*(const struct inode_edit *const *)y)->ino;
    return a < b ? -1 : a > b;
}

static int compare_states(const void *x, const void *y) {
    return strcmp((*(const struct state_edit *const *)x)->key, (*(const struct state_edit *const *)y)->key);
}

/* Whether something stands in a list twice: each time it would be compared with what was there before the change. */
static bool has_twice(const void *list, size_t n, size_t size, int (*compare)(const void *, const void *)) {
    if (n < 2)
        return false;
    const void **sorted = xcalloc(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (const char *)list + i * size;
    qsort(sorted, n, sizeof *sorted, compare);
    bool twice = false;
    for (size_t i = 1; i < n && !twice; i++)
        twice = compare(&sorted[i - 1], &sorted[i]) == 0;
    free(sorted);
    return twice;
}

static int check_before(struct tree *t, const struct change *c, uint64_t session, uint64_t seq, struct before *b) {
    int r = !has_twice(c->names, c->n_names, sizeof *c->names, compare_rows) &&
            !has_twice(c->inodes, c->n_inodes, sizeof *c->inodes, compare_inodes) &&
            !has_twice(c->states, c->n_states, sizeof *c->states, compare_states);
    for (size_t i = 0; i < c->n_names && r == 1; i++)
        r = check_name(t, &c->names[i], b);
    for (size_t i = 0; i < c->n_inodes && r == 1; i++)
        r = check_inode(t, &c->inodes[i], session, seq, b);
    for (size_t i = 0; i < c->n_states && r == 1; i++)
        r = check_state(t, &c->states[i]);
    return r;
}

static int write_inode(struct tree *t, const struct inode_edit *e, uint64_t seq) {
    int r = rows_c_set_inode(t, e->ino, &e->rec, seq);
    if (r == 0 && e->rec.content && !e->rec.foreign)
        r = rows_object_add(t, e->rec.content->id, e->rec.content->key);
    return r;
}

static int write_name(struct tree *t, const struct name_edit *e) {
    uint32_t type = 0;
    if (e->now) {
        CLEANUP_RECORD struct record rec = {0};
        int r = rows_c_inode(t, e->now, &rec, NULL, NULL);
        if (r != 1)
            return r;
        type = rec.mode & S_IFMT;
    }
    int r = rows_c_set_name(t, e->parent, e->name, e->n, e->now, type);
    return r < 0 ? r : 1;
}

static int write_rows(struct tree *t, const struct change *c, uint64_t seq) {
    int r = 0;
    for (size_t i = 0; i < c->n_inodes && r == 0; i++)
        r = write_inode(t, &c->inodes[i], seq);
    if (r == 0)
        r = 1;
    for (size_t i = 0; i < c->n_names && r == 1; i++)
        r = write_name(t, &c->names[i]);
    for (size_t i = 0; i < c->n_states && r == 1; i++) {
        const struct state_edit *e = &c->states[i];
        int s = rows_c_set_state(t, e->key, e->now, e->now_len);
        r = s < 0 ? s : 1;
    }
    return r;
}

/* An inode goes with its last name; a directory only when nothing is in it. */
static int drop_unnamed(struct tree *t, uint64_t ino, struct before *b) {
    CLEANUP_RECORD struct record rec = {0};
    int n = rows_c_count_names(t, ino);
    if (n != 0)
        return n < 0 ? n : 1;
    int r = rows_c_inode(t, ino, &rec, NULL, NULL);
    if (r <= 0)
        return r < 0 ? r : 1;
    n = S_ISDIR(rec.mode) ? rows_c_has_child(t, ino) : 0;
    if (n != 0)
        return MIN(n, 0);
    before_keep_inode(b, ino, true, &rec);
    r = rows_c_set_inode(t, ino, NULL, 0);
    return r < 0 ? r : 1;
}

static int is_directory(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    int r = rows_c_inode(t, ino, &rec, NULL, NULL);
    return r == 1 ? S_ISDIR(rec.mode) : r;
}

/* From a directory up to the root without coming back to it. */
static int reaches_root(struct tree *t, uint64_t dir) {
    uint64_t at = dir;
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        int r = rows_c_parent(t, at, &at);
        if (r < 0 || at == ROOT_INO)
            return r < 0 ? r : 1;
        if (at == 0 || at == dir)
            return 0;
    }
    return 0;
}

static int check_after(struct tree *t, const struct change *c) {
    int r = 1;
    for (size_t i = 0; i < c->n_names && r == 1; i++) {
        const struct name_edit *e = &c->names[i];
        if (!e->now)
            continue;
        r = is_directory(t, e->parent);
        if (r != 1)
            break;
        r = is_directory(t, e->now);
        if (r == 0) {
            r = 1;
            continue;
        }
        if (r == 1)
            r = rows_c_count_names(t, e->now) == 1 ? reaches_root(t, e->now) : 0;
    }
    for (size_t i = 0; i < c->n_inodes && r == 1; i++)
        if (c->inodes[i].ino != ROOT_INO) {
            int n = rows_c_count_names(t, c->inodes[i].ino);
            r = n < 0 ? n : n > 0;
        }
    return r;
}

/* A directory's times are those of the last change of its names, unless somebody has set them since: ctime says which was later. */
static int touch(struct tree *t, uint64_t ino, int64_t when, bool directory, uint64_t seq, struct before *b) {
    CLEANUP_RECORD struct record rec = {0};
    uint64_t was_seq;
    int r = rows_c_inode(t, ino, &rec, NULL, &was_seq);
    if (r != 1 || when <= rec.ctime)
        return MIN(r, 0);
    before_keep_inode(b, ino, true, &rec);
    if (directory)
        rec.mtime = when;
    rec.ctime = when;
    return rows_c_set_inode(t, ino, &rec, directory ? was_seq : seq);
}

static int touch_times(struct tree *t, const struct change *c, uint64_t seq, struct before *b) {
    int r = 0;
    for (size_t i = 0; i < c->n_names && r == 0; i++) {
        const struct name_edit *e = &c->names[i];
        r = touch(t, e->parent, e->when, true, seq, b);
        if (r == 0 && e->now)
            r = touch(t, e->now, e->when, false, seq, b);
        if (r == 0 && e->was)
            r = touch(t, e->was, e->when, false, seq, b);
    }
    return r < 0 ? r : 1;
}

static int try_change(struct tree *t, const struct change *c, uint64_t session, uint64_t seq, struct before *b) {
    t->void_why = "what it changes is not what stands there, or it may not stand there";
    int r = check_before(t, c, session, seq, b);
    if (r != 1)
        return r;
    t->void_why = "it would leave what is no tree";
    r = write_rows(t, c, seq);
    for (size_t i = 0; i < c->n_names && r == 1; i++)
        if (c->names[i].was)
            r = drop_unnamed(t, c->names[i].was, b);
    if (r == 1)
        r = check_after(t, c);
    return r == 1 ? touch_times(t, c, seq, b) : r;
}

int apply_change(struct tree *t, const struct change *c, uint64_t session, uint64_t seq, struct before *b) {
    struct set_digest set = t->set;
    uint64_t files = t->total_files, bytes = t->total_bytes;
    int r = db_save(&t->db);
    if (r < 0)
        return r;
    r = try_change(t, c, session, seq, b);
    if (r == 1)
        return db_release(&t->db) < 0 ? -EIO : 1;
    db_back(&t->db);
    t->set = set;
    t->total_files = files;
    t->total_bytes = bytes;
    return r;
}

static int apply_volume(struct tree *t, const struct entry *e, struct before *b) {
    before_keep_inode(b, ROOT_INO, false, NULL);
    memcpy(t->volume_id, e->volume_id, VOLUME_ID_SIZE);
    t->has_volume = true;
    int r = db_meta_set_bytes(&t->db, "volume", e->volume_id, VOLUME_ID_SIZE);
    return r < 0 ? r : rows_c_set_inode(t, ROOT_INO, &e->root, 1);
}

int apply_entry(struct tree *t, const struct entry *e, struct before *b, size_t *ret_void, bool *ret_which) {
    uint64_t session = e->session ? e->session : e->sequence;
    int r = 0;
    *ret_void = 0;
    if (e->has_volume)
        r = apply_volume(t, e, b);
    else if (!e->session)
        r = rows_c_add_session(t, e->sequence, e->host, e->nonce);
    for (size_t i = 0; i < e->n_changes && r >= 0; i++) {
        r = apply_change(t, &e->changes[i], session, e->sequence, b);
        *ret_void += r == 0;
        if (ret_which)
            ret_which[i] = r == 0;
    }
    return r < 0 ? r : 0;
}
