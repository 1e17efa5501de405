/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/volume_state.h"
#include "base/log.h"
#include "tree/area_set.h"
#include "tree/rows.h"

/* Encoded edits of one entry: what is beyond waits for the next one. */
#define EDITS_BYTES_MAX ((size_t)32 << 10)

struct pending {
    bool there;
    uint64_t op, since;
};

/* 1: there is a pending row; its value is appended (nothing, for a removal: *ret_gone). */
static int pending_get(struct tree *t, const char *key, struct pending *p, struct buf *ret, bool *ret_gone) {
    *p = (struct pending){0};
    if (t->pending_rows == 0)
        return 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_P_STATE, "t", key);
    int r = db_step(s);
    if (r == 1) {
        *p = (struct pending){true, (uint64_t)sqlite3_column_int64(s, 1), (uint64_t)sqlite3_column_int64(s, 2)};
        *ret_gone = sqlite3_column_type(s, 0) == SQLITE_NULL;
        int e = *ret_gone ? 0 : buf_append(ret, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        db_reset(s);
        r = e < 0 ? e : 1;
    }
    return r;
}

static int pending_drop(struct tree *t, const char *key) {
    t->pending_rows--;
    return db_run(&t->db, STMT_P_STATE_DEL, "t", key);
}

int volume_state_set(struct tree *t, const char *key, const void *item, size_t n) {
    CLEANUP_BUF struct buf ignored = BUF_INIT(ENTRY_MAX);
    struct pending p;
    bool gone;
    int r = pending_get(t, key, &p, &ignored, &gone);
    if (r < 0)
        return r;
    area_set_changed(t, key);
    t->pending_rows += !p.there;
    uint64_t since = p.there ? p.since : t->op;
    return item ? db_run(&t->db, STMT_P_STATE_SET, "tbii", key, item, n, t->op, since) : db_run(&t->db, STMT_P_STATE_SET, "tnii", key, t->op, since);
}

int volume_state_get(struct tree *t, const char *key, struct buf *ret) {
    struct pending p;
    bool gone = false;
    int r = pending_get(t, key, &p, ret, &gone);
    return r < 0 ? r : r == 1 ? !gone : rows_c_state(t, key, ret);
}

/* Keys, copied out of a statement. */
struct keys {
    char **v;
    size_t n;
};

static void keys_free(struct keys *k) {
    for (size_t i = 0; i < k->n; i++)
        free(k->v[i]);
    free(k->v);
}

static int list_keys(sqlite3_stmt *s, struct keys *k) {
    int r;
    while ((r = db_step(s)) == 1) {
        k->v = xrealloc(k->v, (k->n + 1) * sizeof *k->v);
        k->v[k->n++] = xstrdup((const char *)sqlite3_column_text(s, 0));
    }
    return r;
}

int volume_state_each(struct tree *t, const char *begins, int (*each)(void *arg, const char *key, const void *item, size_t n), void *arg) {
    CLEANUP_FREE char *end = xstrdup(begins); /* the first that does not begin so: prefixes end in '/' */
    struct keys k = {0};
    end[strlen(end) - 1]++;
    int r = list_keys(db_bind(&t->db, STMT_STATES, "tt", begins, end), &k);
    for (size_t i = 0; i < k.n && r == 0; i++) {
        CLEANUP_BUF struct buf item = BUF_INIT(ENTRY_MAX);
        r = volume_state_get(t, k.v[i], &item);
        if (r == 1)
            r = each(arg, k.v[i], item.data, item.len);
    }
    keys_free(&k);
    return r;
}

/* Commit */

/* What the row says is what C says. */
static int same_as_confirmed(struct tree *t, const char *key, const struct buf *item, bool gone, struct buf *was, bool *ret_was) {
    int r = rows_c_state(t, key, was);
    if (r < 0)
        return r;
    *ret_was = r == 1;
    return gone ? !*ret_was : *ret_was && was->len == item->len && !memcmp(was->data, item->data, item->len);
}

static int build_edit(struct tree *t, const char *key, struct change *ret) {
    CLEANUP_BUF struct buf item = BUF_INIT(ENTRY_MAX), was = BUF_INIT(ENTRY_MAX);
    struct pending p;
    bool gone = false, had;
    int r = pending_get(t, key, &p, &item, &gone);
    if (r != 1)
        return r;
    r = same_as_confirmed(t, key, &item, gone, &was, &had);
    if (r != 0)
        return r == 1 ? pending_drop(t, key) : r;
    struct state_edit *e = xcalloc(1, sizeof *e);
    *e = (struct state_edit){.key = xstrdup(key)};
    if (had) {
        e->was = xmemdup(was.data, was.len);
        e->was_len = was.len;
    }
    if (!gone) {
        e->now = xmemdup(item.data, item.len);
        e->now_len = item.len;
    }
    *ret = (struct change){.states = e, .n_states = 1};
    return 1;
}

int volume_state_build(struct tree *t, struct change **list, size_t *n) {
    struct keys k = {0};
    size_t bytes = 0;
    int r = t->pending_rows ? list_keys(db_bind(&t->db, STMT_P_STATES, ""), &k) : 0;
    for (size_t i = 0; i < k.n && r >= 0 && bytes < EDITS_BYTES_MAX; i++) {
        struct change c;
        r = build_edit(t, k.v[i], &c);
        if (r != 1)
            continue;
        *list = xrealloc(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = c;
        bytes += c.states->was_len + c.states->now_len;
    }
    keys_free(&k);
    return MIN(r, 0);
}

static int settle(struct tree *t, const char *key, bool ours, uint64_t op) {
    CLEANUP_BUF struct buf item = BUF_INIT(ENTRY_MAX), was = BUF_INIT(ENTRY_MAX);
    struct pending p;
    bool gone = false, had;
    int r = pending_get(t, key, &p, &item, &gone);
    if (r == 1)
        r = same_as_confirmed(t, key, &item, gone, &was, &had);
    if (r < 0 || !p.there)
        return r;
    if (r == 1)
        return pending_drop(t, key);
    if (!ours) {
        log_info("another host has changed %s as well: this host's change comes after it, and counts", key);
        return 0;
    }
    return db_run(&t->db, STMT_P_STATE_SINCE, "ti", key, MAX(p.since, op + 1)); /* set once more meanwhile */
}

/* Two hosts have set rules that do not go together: the one that is in the journal stays. */
static int take_back(struct tree *t) {
    struct keys k = {0};
    int r = t->pending_rows ? list_keys(db_bind(&t->db, STMT_P_STATES, ""), &k) : 0;
    for (size_t i = 0; i < k.n && r == 0; i++) {
        CLEANUP_BUF struct buf why = BUF_INIT(16384);
        const struct areas *s = area_set(t);
        const struct area *a = strncmp(k.v[i], AREA_STATE, strlen(AREA_STATE)) ? NULL : areas_at(s, k.v[i] + strlen(AREA_STATE));
        if (!a || areas_check(s, a, &why) == 0)
            continue;
        log_error("the rule that was set for %s is taken back, for another host has set one that it contradicts: %s", *a->path ? a->path : "the volume as a whole", buf_str(&why));
        area_set_changed(t, k.v[i]);
        r = pending_drop(t, k.v[i]);
    }
    keys_free(&k);
    return r;
}

int volume_state_applied(struct tree *t, const struct entry *e, bool ours, uint64_t op) {
    int r = 0;
    for (size_t i = 0; i < e->n_changes && r >= 0; i++)
        for (size_t k = 0; k < e->changes[i].n_states && r >= 0; k++) {
            area_set_changed(t, e->changes[i].states[k].key);
            r = settle(t, e->changes[i].states[k].key, ours, op);
        }
    return r < 0 || ours || t->areas_known ? MIN(r, 0) : take_back(t);
}
