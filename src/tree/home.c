/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/home.h"
#include "base/log.h"
#include "base/mime.h"
#include "tree/apply.h"
#include "tree/area_set.h"
#include "tree/fault.h"
#include "tree/local.h"
#include "tree/name_kind.h"

/* A walk over the names of an inode. */
struct naming {
    struct tree *tree;
    const struct content *content; /* does a name fit where it is? */
    bool fits;
    enum name_kind kind; /* of the name that was found; valid with n */
    const struct area *area;
    char name[NAME_MAX_BYTES];
    size_t n;
};

static int look_at_name(void *arg, uint64_t parent, const char *name, size_t n) {
    struct naming *w = arg;
    enum name_kind kind = name_kind(w->tree->cfg.names, name, n);
    const char *meant;
    size_t meant_n;
    const struct area *area = area_of_name(w->tree, parent, name, n);
    name_meant(w->tree->cfg.names, name, n, &meant, &meant_n);
    if (w->content) {
        char extension[AREA_EXTENSION_SIZE];
        area_extension(meant, meant_n, extension);
        w->fits |= area_key_fits(area_template(area), area->path, w->content->key, w->content->id, extension);
    }
    if (w->n && (w->kind == NAME_FINAL || kind != NAME_FINAL))
        return 0;
    memcpy(w->name, meant, meant_n);
    w->n = meant_n;
    w->kind = kind;
    w->area = area;
    return 0;
}

/* Of the objects with this content that are known to be there, one at which it would be at home; malloc'd, or NULL. */
static char *known_key(struct tree *t, const struct area *a, const uint8_t id[DIGEST_SIZE], const char *extension) {
    char *found = NULL;
    sqlite3_stmt *s = db_bind(&t->db, STMT_OBJECT, "b", id, (size_t)DIGEST_SIZE);
    while (!found && db_step(s) == 1) {
        const char *key = (const char *)sqlite3_column_text(s, 0);
        if (area_key_fits(area_template(a), a->path, key, id, extension))
            found = xstrdup(key);
    }
    db_reset(s);
    return found;
}

static struct home home_at(struct tree *t, const struct naming *w, const uint8_t id[DIGEST_SIZE]) {
    char extension[AREA_EXTENSION_SIZE];
    const struct area *a = w->area ? w->area : area_default();
    const char *type = mime_type(t->cfg.mime, w->name, w->n);
    area_extension(w->name, w->n, extension);
    char *key = known_key(t, a, id, extension);
    return (struct home){key ? key : area_key_make(area_template(a), a->path, id, extension, env_now(t->env)), type, area_keep(a, type)};
}

void home_free(struct home *h) {
    free(h->key);
    keep_unref(h->keep);
    *h = (struct home){0};
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
    struct naming w = {.tree = t, .content = rec.content};
    r = rows_v_names_of(t, ino, look_at_name, &w);
    if (r < 0 || w.n == 0)
        return MIN(r, 0);
    if (w.fits)
        return home_is_wanted(&p) ? unblock(t, ino, &rec, &p) : 0;
    struct home h = home_at(t, &w, rec.content->id);
    r = move_home(t, ino, &rec, &p, h.key);
    home_free(&h);
    return r;
}

/* What a name says of where a content is at home: its area and its extension. */
struct address {
    const struct area *area;
    char extension[AREA_EXTENSION_SIZE];
};

static struct address address_of(struct tree *t, uint64_t parent, const char *name, size_t n) {
    const char *meant;
    size_t meant_n;
    struct address a = {.area = area_of_name(t, parent, name, n)};
    name_meant(t->cfg.names, name, n, &meant, &meant_n);
    area_extension(meant, meant_n, a.extension);
    return a;
}

static int take_address(void *arg, uint64_t parent, const char *name, size_t n) {
    struct naming *w = arg;
    w->area = area_of_name(w->tree, parent, name, n);
    return -EEXIST;
}

int home_may_link(struct tree *t, uint64_t ino, uint64_t parent, const char *name, size_t n) {
    struct naming w = {.tree = t};
    rows_v_names_of(t, ino, take_address, &w);
    return w.area && w.area != area_of_name(t, parent, name, n) ? -EXDEV : 0;
}

/* What leaves an open area has a link that somebody may have kept. */
static void tell_leaving(const struct area *a, const char *name, size_t n) {
    log_info("%.*s leaves the open area %s: whoever has its link can go on reading it there, for nothing is deleted from the bucket", (int)n, name,
             *a->path ? a->path : "of the volume as a whole");
}

int home_may_move(struct tree *t, const struct row_name *what, const struct home_name *from, const struct home_name *to) {
    uint32_t nlink = 0;
    if (S_ISDIR(what->type))
        return area_divides(t, from->parent, from->name, from->n, to->parent, to->name, to->n) ? -EXDEV : 0;
    if (!S_ISREG(what->type))
        return 0;
    const struct area *was = area_of_name(t, from->parent, from->name, from->n), *is = area_of_name(t, to->parent, to->name, to->n);
    if (was == is)
        return 0;
    if (rows_v_inode(t, what->ino, NULL, &nlink, NULL) == 1 && nlink > 1) /* its other names stay */
        return -EXDEV;
    if (was->access == AREA_OPEN && is->access != AREA_OPEN && !local_is(t, what->ino))
        tell_leaving(was, from->name, from->n);
    return 0;
}

int home_moved(struct tree *t, uint64_t ino, const struct home_name *from, const struct home_name *to) {
    struct row_pending p;
    struct address was = address_of(t, from->parent, from->name, from->n), is = address_of(t, to->parent, to->name, to->n);
    int r = rows_p_inode(t, ino, NULL, &p);
    bool same = was.area == is.area && !strcmp(was.extension, is.extension);
    return r < 0 || (same && !(r == 1 && home_is_wanted(&p))) ? MIN(r, 0) : home_check(t, ino);
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
