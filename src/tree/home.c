/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/home.h"
#include "base/mime.h"
#include "tree/apply.h"
#include "tree/fault.h"
#include "tree/name_kind.h"

#define EXTENSION_MAX 15
#define EXTENSION_SIZE (EXTENSION_MAX + 2)

/* ".jpg" of "Photo.JPG"; "" where a name has none, or one that is not of letters and digits. */
static void extension_of(const char *name, size_t n, char ret[EXTENSION_SIZE]) {
    size_t dot = n;
    ret[0] = 0;
    while (dot > 0 && name[dot - 1] != '.')
        dot--;
    size_t len = n - dot;
    if (dot < 2 || len < 1 || len > EXTENSION_MAX)
        return;
    for (size_t i = 0; i < len; i++) {
        char c = name[dot + i];
        bool small = c >= 'a' && c <= 'z', capital = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
        if (!small && !capital && !digit)
            return;
    }
    for (size_t i = 0; i < len; i++) {
        char c = name[dot + i];
        ret[i + 1] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    ret[0] = '.';
    ret[len + 1] = 0;
}

/* A walk over the names of an inode. */
struct naming {
    struct tree *tree;
    const char *key; /* does a name fit it? */
    bool fits;
    enum name_kind kind; /* of the name that was found; valid with n */
    char name[NAME_MAX_BYTES];
    size_t n;
};

/* "files/<hash>-1.jpg" has the extension ".jpg". */
static bool has_extension(const char *key, const char *extension) {
    char has[EXTENSION_SIZE];
    const char *slash = strrchr(key, '/'), *name = slash ? slash + 1 : key;
    extension_of(name, strlen(name), has);
    return !strcmp(has, extension);
}

static int look_at_name(void *arg, uint64_t parent, const char *name, size_t n) {
    struct naming *w = arg;
    enum name_kind kind = name_kind(w->tree->cfg.names, name, n);
    const char *meant;
    size_t meant_n;
    (void)parent;
    name_meant(w->tree->cfg.names, name, n, &meant, &meant_n);
    if (w->key) {
        char extension[EXTENSION_SIZE];
        extension_of(meant, meant_n, extension);
        w->fits |= has_extension(w->key, extension);
    }
    if (w->n && (w->kind == NAME_FINAL || kind != NAME_FINAL))
        return 0;
    memcpy(w->name, meant, meant_n);
    w->n = meant_n;
    w->kind = kind;
    return 0;
}

static struct home home_at(struct tree *t, const struct naming *w, const uint8_t id[DIGEST_SIZE]) {
    char hex[DIGEST_HEX_SIZE], extension[EXTENSION_SIZE];
    digest_hex(id, hex);
    extension_of(w->name, w->n, extension);
    return (struct home){xasprintf("files/%s%s", hex, extension), mime_type(t->cfg.mime, w->name, w->n)};
}

struct home home_of(struct tree *t, uint64_t ino, const uint8_t id[DIGEST_SIZE]) {
    struct naming w = {.tree = t};
    rows_v_names_of(t, ino, look_at_name, &w);
    return home_at(t, &w, id);
}

static void set_key(struct record *rec, const char *key) {
    struct content *old = rec->content;
    rec->content = content_new(old->id, old->size, key, old->digests, old->digests_digest);
    content_unref(old);
}

/* Nothing more to wait for. */
static int unblock(struct tree *t, uint64_t ino, const struct record *rec, struct row_pending *p) {
    int r = rows_p_block(t, ino, p, false);
    return r < 0 ? r : rows_p_settle(t, ino, rec, p);
}

/* The object at the new key is there already, or has to be made: by the snapshot's upload, or from the bucket. */
static int move_home(struct tree *t, uint64_t ino, struct record *rec, struct row_pending *p, const char *key) {
    int known = rows_object_known(t, rec->content->id, key);
    if (known < 0)
        return known;
    if (!p->op)
        p->since = t->op;
    p->op = t->op;
    if (known) {
        set_key(rec, key);
        return p->snap ? rows_p_put(t, ino, rec, p) : unblock(t, ino, rec, p);
    }
    if (p->snap) {
        set_key(rec, key);
        if (p->stage == SNAP_DURABLE)
            p->due = env_mono(t->env);
        p->stage = SNAP_HASHED;
    } else {
        p->due = env_mono(t->env);
    }
    int r = rows_p_block(t, ino, p, true);
    if (r == 0)
        r = rows_p_put(t, ino, rec, p);
    if (r == 0)
        settle_kick(t);
    return r;
}

int home_check(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p = {0};
    int r = rows_v_inode(t, ino, &rec, NULL, &p);
    if (r != 1 || row_local(&p) || row_unhashed(&p))
        return MIN(r, 0);
    if (!rec.content || rec.foreign)
        return home_is_wanted(&p) ? unblock(t, ino, &rec, &p) : 0;
    struct naming w = {.tree = t, .key = rec.content->key};
    r = rows_v_names_of(t, ino, look_at_name, &w);
    if (r < 0 || w.n == 0)
        return MIN(r, 0);
    if (w.fits)
        return home_is_wanted(&p) ? unblock(t, ino, &rec, &p) : 0;
    struct home h = home_at(t, &w, rec.content->id);
    r = move_home(t, ino, &rec, &p, h.key);
    free(h.key);
    return r;
}

/* For every file that an entry touched and that has pending names. */
static int for_renamed(struct tree *t, const struct before *b, int (*each)(struct tree *, uint64_t ino)) {
    struct before_inode *i, *next;
    int r = 0;
    HASH_ITER(hh, b->inodes, i, next) {
        if (!i->present || !S_ISREG(i->rec.mode))
            continue;
        sqlite3_stmt *s = db_bind(&t->db, STMT_P_NAMES_OF, "i", i->ino);
        bool named = db_step(s) == 1;
        db_reset(s);
        if (named)
            r = each(t, i->ino);
        if (r < 0)
            break;
    }
    return r;
}

int home_follow(struct tree *t, const struct before *b) {
    return for_renamed(t, b, home_check);
}

int home_need(struct tree *t, const struct before *b) {
    return fault_is_lazy(t) ? for_renamed(t, b, rows_c_names_here) : 0;
}

int home_arrived(struct tree *t, uint64_t ino, const uint8_t id[DIGEST_SIZE], const char *key) {
    CLEANUP_RECORD struct record rec = {0};
    struct row_pending p;
    int r = rows_object_add(t, id, key);
    if (r == 0)
        r = rows_p_inode(t, ino, &rec, &p);
    if (r != 1 || !home_is_wanted(&p) || !rec.content || memcmp(rec.content->id, id, DIGEST_SIZE))
        return MIN(r, 0);
    set_key(&rec, key);
    r = unblock(t, ino, &rec, &p);
    return r < 0 ? r : home_check(t, ino); /* it may have been renamed once more */
}
