/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <inttypes.h>

void token_name(size_t number, char ret[32]) {
    snprintf(ret, 32, "T%zu", number);
}

void mark_gone(struct world *w, const struct token_list *l) {
    for (size_t i = 0; i < l->n; i++)
        w->tokens.v[l->v[i]].gone = true;
}

void mark_loose(struct world *w, const struct token_list *l) {
    for (size_t i = 0; i < l->n; i++)
        w->tokens.v[l->v[i]].loose = true;
}

/* All of the list, but those that are gone, are among `there`. */
void must_contain(struct world *w, struct host *h, const struct token_list *there, const struct token_list *list, const char *what) {
    unsigned mark = ++w->tokens.mark;
    for (size_t i = 0; i < there->n; i++)
        w->tokens.v[there->v[i]].mark = mark;
    for (size_t i = 0; i < list->n; i++) {
        struct token *t = &w->tokens.v[list->v[i]];
        if (!t->gone && t->mark != mark)
            failed(w, "%s: T%zu, %s, is not in the confirmed tree", h->label, list->v[i], what);
    }
}

/* What the host was told to be durable is in the shared tree, as far as it knows that. */
void must_be_durable(struct world *w, struct host *h, const struct token_list *list, const char *what) {
    CLEANUP_TOKENS struct token_list there = {0};
    struct tree *t = h->life->box->tree;
    if (!fault_is_lazy(t)) {
        tokens_of_confirmed(&w->tokens, h->life->box, &there);
        must_contain(w, h, &there, list, what);
        return;
    }
    check_journal(w, t->seq); /* it has forgotten most of it */
    for (size_t i = 0; i < list->n; i++) {
        const struct token *k = &w->tokens.v[list->v[i]];
        if (!k->gone && (!k->shared || k->shared_at > t->seq))
            failed(w, "%s: T%zu, %s, was in no entry up to %" PRIu64, h->label, list->v[i], what, t->seq);
    }
}

/* A sync waits for what it found: not for a copy that was made since, when what it was made of is removed. */
static void forget_synced(struct life *l, const struct token_list *removed) {
    size_t n = 0;
    unsigned mark = ++l->world->tokens.mark;
    for (size_t i = 0; i < removed->n; i++)
        l->world->tokens.v[removed->v[i]].mark = mark;
    for (size_t i = 0; i < l->synced.n; i++)
        if (l->world->tokens.v[l->synced.v[i]].mark != mark)
            l->synced.v[n++] = l->synced.v[i];
    l->synced.n = n;
}

/* What a call takes away, if the view has no other copy of it. Call before and after. */
void note_removed(struct life *l, const struct token_list *before) {
    struct world *w = l->world;
    CLEANUP_TOKENS struct token_list left = {0};
    bool copies = false;
    forget_synced(l, before);
    for (size_t i = 0; i < before->n; i++)
        copies |= w->tokens.v[before->v[i]].copied;
    if (copies)
        tokens_of_whole_view(&w->tokens, l->box, &left);
    unsigned mark = ++w->tokens.mark;
    for (size_t i = 0; i < left.n; i++)
        w->tokens.v[left.v[i]].mark = mark;
    for (size_t i = 0; i < before->n; i++) {
        struct token *t = &w->tokens.v[before->v[i]];
        t->removers |= 1u << l->host->index;
        /* Two hosts, each of which removed one of two copies, have together removed both. */
        if (t->mark != mark || (t->removers & (t->removers - 1)))
            t->gone = true;
    }
}

static void check_shared(struct world *w, struct host *h) {
    CLEANUP_TOKENS struct token_list now = {0};
    tokens_of_confirmed(&w->tokens, h->life->box, &now);
    unsigned mark = ++w->tokens.mark;
    for (size_t i = 0; i < now.n; i++) {
        w->tokens.v[now.v[i]].mark = mark;
        w->tokens.v[now.v[i]].shared = true;
    }
    for (size_t i = 0; i < w->tokens.n; i++) {
        struct token *t = &w->tokens.v[i];
        if (t->shared && !t->gone && !t->loose && t->mark != mark)
            failed(w, "T%zu of %s was in the shared tree and is missing at entry %" PRIu64 ", nobody removed it", i, w->hosts[t->host].label,
                   h->life->box->tree->seq);
    }
}

/* For -v: both layers of a host. */
void tell_layers(struct world *w, struct host *h) {
    static const char query[] = "SELECT group_concat(x, ' ') FROM (SELECT printf('%x/%s=%x', parent, name, ino) AS x FROM c_name UNION ALL SELECT '|' UNION ALL "
                                "SELECT printf('%x/%s=%x', parent, name, ino) FROM p_name UNION ALL SELECT printf('(%x spool %d snap %d.%d due %d work %d blocked %d)', ino, spool, snap, stage, due, work, blocked) FROM p_inode)";
    sqlite3_stmt *s;
    if (!verbose || sqlite3_prepare_v2(h->life->box->tree->db.sql, query, -1, &s, NULL) != SQLITE_OK)
        return;
    if (sqlite3_step(s) == SQLITE_ROW)
        say(w, h, "entry %" PRIu64 ": %s", h->life->box->tree->seq, (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
}

void check_entry(struct world *w, struct host *h) {
    struct tree *t = h->life->box->tree;
    uint8_t digest[DIGEST_SIZE];
    if (t->seq <= h->seen || t->seq >= SEQ_MAX)
        return;
    h->seen = t->seq;
    tell_layers(w, h);
    if (t->stopped || t->read_only)
        failed(w, "%s has stopped: %s", h->label, t->reason);
    if (h->damaged)
        return;
    if (!w->damages && counter_get(&h->life->box->counters, COUNTER_CHANGES_VOID))
        failed(w, "%s met a void change", h->label);
    set_digest_value(&t->set, digest);
    static const uint8_t none[DIGEST_SIZE];
    if (memcmp(w->digests[t->seq], none, DIGEST_SIZE) && memcmp(w->digests[t->seq], digest, DIGEST_SIZE))
        failed(w, "%s has another tree at entry %" PRIu64, h->label, t->seq);
    memcpy(w->digests[t->seq], digest, DIGEST_SIZE);
    if (t->seq <= w->head)
        return;
    w->head = t->seq;
    if (!w->damages) /* what a damaged host writes may be void */
        check_journal(w, t->seq);
    if (!fault_is_lazy(t)) /* else not all of it can be seen before the end */
        check_shared(w, h);
}

/* Whoever looks while it is being replaced finds the one or the other. */
static void check_kept(struct world *w, struct host *h) {
    struct tree *t = h->life->box->tree;
    struct row_name row;
    tree_lock(t);
    bool lost = rows_c_name(t, ROOT_INO, KEPT_NAME, strlen(KEPT_NAME), &row) == 1 && rows_v_name(t, ROOT_INO, KEPT_NAME, strlen(KEPT_NAME), &row) == 0;
    tree_unlock(t);
    if (lost)
        failed(w, "%s does not see /%s, which is only ever replaced", h->label, KEPT_NAME);
}

void check_sound(struct world *w, struct host *h) {
    check_kept(w, h);
    CLEANUP_FREE char *wrong = tree_box_wrong(h->life->box);
    if (wrong)
        tell_layers(w, h);
    if (wrong)
        failed(w, "%s: %s", h->label, wrong);
}
