/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/area_set.h"
#include "base/log.h"
#include "tree/home.h"
#include "tree/volume_state.h"

/* More directories above one another than any program can make. */
#define DEPTH_MAX 65536

static int add_rule(void *arg, const char *key, const void *item, size_t n) {
    struct areas *s = arg;
    struct area a;
    if (area_decode(key + strlen(AREA_STATE), item, n, &a) == 0)
        areas_put(s, &a);
    else
        log_warning("%s of the volume state is no rule that this version can read: it is passed over", key);
    return 0;
}

const struct areas *area_set(struct tree *t) {
    if (t->areas_known)
        return &t->areas;
    areas_free(&t->areas);
    int r = volume_state_each(t, AREA_STATE, add_rule, &t->areas);
    if (r < 0)
        log_errno(r, "tree.db: the rules of the volume's areas cannot be read");
    t->areas_known = r == 0;
    return &t->areas;
}

void area_set_changed(struct tree *t, const char *key) {
    if (!key || !strncmp(key, AREA_STATE, strlen(AREA_STATE)))
        t->areas_known = false;
}

/* Paths */

struct above {
    uint64_t parent;
    char name[NAME_MAX_BYTES];
    size_t n;
};

static int take_name(void *arg, uint64_t parent, const char *name, size_t n) {
    struct above *a = arg;
    a->parent = parent;
    memcpy(a->name, name, n);
    a->n = n;
    return -EEXIST; /* a directory has but one */
}

static void put_before(char **path, const char *name, size_t n) {
    char *longer = xasprintf("%.*s%s%s", (int)n, name, **path ? "/" : "", *path);
    free(*path);
    *path = longer;
}

/* "a/b/name", malloc'd; NULL: it does not lead up to the root. */
static char *path_of(struct tree *t, uint64_t parent, const char *name, size_t n) {
    CLEANUP_FREE char *path = xstrndup(name, n);
    for (int depth = 0; parent != ROOT_INO; depth++) {
        struct above a;
        if (depth == DEPTH_MAX || rows_v_names_of(t, parent, take_name, &a) != -EEXIST)
            return NULL;
        put_before(&path, a.name, a.n);
        parent = a.parent;
    }
    return STEAL_PTR(&path);
}

const struct area *area_of_name(struct tree *t, uint64_t parent, const char *name, size_t n) {
    const struct areas *s = area_set(t);
    if (s->n == 0 || (s->n == 1 && !*s->v[0].path)) /* one rule for all of it */
        return areas_find(s, "");
    CLEANUP_FREE char *path = path_of(t, parent, name, n);
    return areas_find(s, path ? path : "");
}

bool area_divides(struct tree *t, uint64_t parent, const char *name, size_t n, uint64_t to_parent, const char *to_name, size_t to_n) {
    const struct areas *s = area_set(t);
    if (s->n == 0)
        return false;
    CLEANUP_FREE char *from = path_of(t, parent, name, n), *to = path_of(t, to_parent, to_name, to_n);
    if (!from || !to)
        return false;
    return areas_find(s, from) != areas_find(s, to) || areas_below(s, from) || areas_below(s, to);
}

/* Setting */

/* With what stands before every key of the volume. */
static int check_length(const struct store *w, const struct area *a, struct buf *why) {
    size_t longest = area_key_longest(area_template(a), a->path);
    if (!w->key_max || longest <= w->key_max)
        return 0;
    buf_printf(why, "the key template makes keys of up to %zu bytes for this area, and beside the volume's place in the bucket, %s, there is room for %zu: make template or path shorter", longest,
               w->address, w->key_max);
    return -EINVAL;
}

int area_usable(struct tree *t, const struct area *a, struct buf *why) {
    struct store *w = t->cfg.writer;
    const char *customer_key = a->encryption == KEEP_CUSTOMER ? store_customer_key(w, a->key_id) : NULL;
    int r = area_check(a, t->cfg.prefix, customer_key, w->no_customer_key ? w->no_customer_key : "the volume's store has no customer keys", why);
    return r < 0 ? r : check_length(w, a, why);
}

/* The rules as they would be. */
static void copy_set(const struct areas *from, struct areas *to) {
    for (size_t i = 0; i < from->n; i++) {
        struct area a;
        area_copy(&a, &from->v[i]);
        areas_put(to, &a);
    }
}

static int check_all(const struct areas *s, struct buf *why) {
    int r = 0;
    for (size_t i = 0; i < s->n && r == 0; i++)
        r = areas_check(s, &s->v[i], why);
    return r;
}

static int write_rule(struct tree *t, const char *path, const struct area *a) {
    CLEANUP_FREE char *key = xasprintf("%s%s", AREA_STATE, path);
    CLEANUP_BUF struct buf item = BUF_INIT(1 << 20);
    if (a)
        area_encode(a, &item);
    int r = item.err ? item.err : tree_begin(t);
    if (r == 0)
        r = tree_end(t, volume_state_set(t, key, a ? item.data : NULL, item.len));
    if (r == 0)
        commit_kick(t);
    return r;
}

/* What is under another customer key than what comes. */
static char *note_key(const struct area *was, const struct area *now) {
    if (was->encryption != KEEP_CUSTOMER || !was->key_id || (now->key_id && !strcmp(was->key_id, now->key_id)))
        return NULL;
    return xasprintf("what was put until now stays under the customer key %s, and every host needs that one to read it: leave it in sse_c_key_file=, on a line behind the new one", was->key_id);
}

/* Under one key there is one object: what has been put keeps what it was put with. */
static char *note_kept(const struct area *was, const struct area *now) {
    CLEANUP_FREE char *x = area_key_room(area_template(was), was->path), *y = area_key_room(area_template(now), now->path);
    struct area a = *was, b = *now;
    a.access = b.access;
    a.path = b.path;
    if (strcmp(x, y) != 0 || strcmp(area_template(was), area_template(now)) != 0 || area_equal(&a, &b))
        return NULL;
    return xstrdup("objects that are in the bucket already keep what they were put with, and so does a new file of the same content, for their keys stay: to put them anew, give the area "
                   "another key template and run assetfs area apply");
}

static int set_rule(struct tree *t, const char *path, const char *words, char **ret_note, struct buf *why) {
    CLEANUP_AREA struct area a = {0}, was = {0};
    const struct areas *s = area_set(t);
    int r = area_parse(path, words, &a, why);
    if (r == 0)
        r = area_usable(t, &a, why);
    if (r == 0)
        r = areas_check(s, &a, why);
    if (r < 0)
        return r;
    if (a.encryption == KEEP_CUSTOMER && !a.key_id)
        a.key_id = xstrdup(store_customer_key(t->cfg.writer, NULL)); /* it was there just now */
    area_copy(&was, areas_find(s, path));
    r = write_rule(t, path, &a);
    if (r == 0) {
        CLEANUP_FREE char *kept = note_kept(&was, &a), *key = note_key(&was, &a);
        *ret_note = kept && key ? xasprintf("%s; %s", key, kept) : kept ? STEAL_PTR(&kept) : STEAL_PTR(&key);
    }
    return r;
}

static int remove_rule(struct tree *t, const char *path, struct buf *why) {
    struct areas left = {0};
    const struct areas *s = area_set(t);
    if (!areas_at(s, path)) {
        buf_printf(why, "there is no rule for %s%s", *path ? "" : "the volume as a whole", path);
        return -ENOENT;
    }
    copy_set(s, &left);
    areas_remove(&left, path);
    int r = check_all(&left, why);
    areas_free(&left);
    return r < 0 ? r : write_rule(t, path, NULL);
}

int tree_area_set(struct tree *t, const char *text, const char *words, char **ret_note, struct buf *why) {
    CLEANUP_FREE char *path = area_path(text, why);
    *ret_note = NULL;
    if (!path)
        return -EINVAL;
    tree_lock(t);
    int r = tree_writable(t);
    if (r < 0)
        buf_printf(why, "the volume cannot be changed from here: %s", t->reason ? t->reason : strerror(-r));
    else
        r = words ? set_rule(t, path, words, ret_note, why) : remove_rule(t, path, why);
    tree_unlock(t);
    if (r < 0 && !why->len)
        buf_printf(why, "the rule cannot be kept: %s", strerror(-r));
    return r;
}

bool tree_area_is(struct tree *t, const char *text, const char *words) {
    CLEANUP_BUF struct buf why = BUF_INIT(16384);
    CLEANUP_FREE char *path = area_path(text, &why);
    CLEANUP_AREA struct area a = {0};
    if (!path || (words && area_parse(path, words, &a, &why) < 0))
        return false;
    tree_lock(t);
    const struct area *is = areas_at(area_set(t), path);
    if (words && is && a.encryption == KEEP_CUSTOMER && is->encryption == KEEP_CUSTOMER && is->key_id)
        a.key_id = xstrdup(is->key_id); /* whichever it was */
    bool same = words ? is && area_equal(is, &a) : !is;
    tree_unlock(t);
    return same;
}

struct tree_wait *tree_state_sync(struct tree *t, void (*done)(void *arg, int err), void *arg) {
    tree_lock(t);
    struct tree_wait *w = commit_wait(t, WAIT_STATE, t->op, 0, false, done, arg);
    tree_unlock(t);
    return w;
}

void tree_area_list(struct tree *t, void (*each)(void *arg, const struct area *), void *arg) {
    tree_lock(t);
    const struct areas *s = area_set(t);
    if (!areas_at(s, ""))
        each(arg, area_default());
    for (size_t i = 0; i < s->n; i++)
        each(arg, &s->v[i]);
    tree_unlock(t);
}

int tree_area_check(struct tree *t, struct buf *why) {
    CLEANUP_BUF struct buf said = BUF_INIT(16384);
    int r = 0;
    tree_lock(t);
    const struct areas *s = area_set(t);
    for (size_t i = 0; i < s->n && r == 0; i++) {
        if (s->v[i].encryption != KEEP_CUSTOMER) /* else, what cannot be put is refused when it is put */
            continue;
        r = area_usable(t, &s->v[i], &said);
        if (r < 0)
            buf_printf(why, "the area %s of the volume cannot be used: %s", s->v[i].path, buf_str(&said));
    }
    tree_unlock(t);
    return r;
}

/* In a transaction: 1, it has to move, or has been told of its new place. */
static int bring_home(struct tree *t, uint64_t ino) {
    CLEANUP_RECORD struct record before = {0}, after = {0};
    struct row_pending p = {0};
    int r = rows_v_inode(t, ino, &before, NULL, NULL);
    if (r == 1)
        r = home_check(t, ino);
    if (r == 0 && before.content)
        r = rows_v_inode(t, ino, &after, NULL, &p);
    if (r != 1)
        return MIN(r, 0);
    return home_is_wanted(&p) || (after.content && strcmp(before.content->key, after.content->key) != 0);
}

int tree_area_apply(struct tree *t, uint64_t ino, void (*done)(void *arg, int err), void *arg, struct tree_wait **ret) {
    *ret = NULL;
    tree_lock(t);
    ino = tree_resolve(t, ino);
    int r = tree_writable(t);
    if (r == 0)
        r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, bring_home(t, ino));
    if (r == 1) {
        commit_kick(t);
        *ret = commit_wait(t, ino, t->op, 0, false, done, arg);
    }
    tree_unlock(t);
    return r;
}
