/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the entries of the journal do, one after another, seen from outside: whatever the hosts say of themselves, rules §6 must hold of these.
 */
#include "world.h"
#include "tree/entry.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <uthash.h>

/* An inode of the shared tree, and by how many names it is known there. */
struct shared_inode {
    uint64_t ino;
    int64_t names;
    UT_hash_handle hh;
};

/* A program took a name away, and the file or directory left the view of its host. */
struct removal {
    unsigned host;
    uint64_t ino, number; /* of the call */
    bool undone;          /* the host has lost what it knew of it */
    char place[48];
};

struct journal {
    uint64_t seq; /* entries looked at */
    struct shared_inode *inodes;
    struct removal *removals;
    size_t n_removals;
    uint64_t *linked; /* inodes that programs gave another name */
    size_t n_linked;
    uint64_t calls; /* counts removals */
    bool kept;      /* KEPT_NAME stands in the root */
};

struct journal *journal_new(void) {
    return xcalloc(1, sizeof(struct journal));
}

void journal_free(struct journal *j) {
    struct shared_inode *i, *next;
    HASH_ITER (hh, j->inodes, i, next) {
        HASH_DEL(j->inodes, i);
        free(i);
    }
    free(j->removals);
    free(j->linked);
    free(j);
}

/* What programs do */

uint64_t journal_call(struct world *w) {
    return ++w->journal->calls;
}

void note_acked(struct world *w, size_t token) {
    w->tokens.v[token].acked = true;
    w->tokens.v[token].acked_at = w->journal->calls;
}

void note_removal(struct life *l, uint64_t ino, uint64_t number, uint64_t dir, const char *name) {
    struct journal *j = l->world->journal;
    if ((j->n_removals & (j->n_removals - 1)) == 0)
        j->removals = xrealloc(j->removals, MAX(1, 2 * j->n_removals) * sizeof *j->removals);
    struct removal *r = &j->removals[j->n_removals++];
    *r = (struct removal){.host = l->host->index, .ino = ino, .number = number};
    snprintf(r->place, sizeof r->place, "%" PRIx64 "/%s", dir, name);
}

void note_linked(struct world *w, uint64_t ino) {
    struct journal *j = w->journal;
    if ((j->n_linked & (j->n_linked - 1)) == 0)
        j->linked = xrealloc(j->linked, MAX(1, 2 * j->n_linked) * sizeof *j->linked);
    j->linked[j->n_linked++] = ino;
}

void forget_removals(struct world *w, const struct host *h) {
    for (size_t i = 0; i < w->journal->n_removals; i++)
        w->journal->removals[i].undone |= w->journal->removals[i].host == h->index;
}

/* What entries say */

static struct shared_inode *shared_inode(struct journal *j, uint64_t ino) {
    struct shared_inode *i;
    HASH_FIND(hh, j->inodes, &ino, sizeof ino, i);
    if (!i) {
        i = xcalloc(1, sizeof *i);
        i->ino = ino;
        HASH_ADD(hh, j->inodes, ino, sizeof i->ino, i);
    }
    return i;
}

static void take_change(struct world *w, const struct change *c, uint64_t seq) {
    struct journal *j = w->journal;
    for (size_t i = 0; i < c->n_names; i++) {
        const struct name_edit *e = &c->names[i];
        shared_inode(j, e->was)->names--;
        shared_inode(j, e->now)->names++;
        if (e->parent == ROOT_INO && e->n == strlen(KEPT_NAME) && !memcmp(e->name, KEPT_NAME, e->n))
            j->kept = e->now != 0;
    }
    for (size_t i = 0; i < c->n_inodes; i++) {
        CLEANUP_TOKENS struct token_list had = {0};
        tokens_of_content(&w->tokens, w->bucket, c->inodes[i].rec.content, &had);
        for (size_t k = 0; k < had.n; k++) {
            struct token *t = &w->tokens.v[had.v[k]];
            if (!t->shared)
                t->shared_at = seq;
            t->shared = true;
        }
    }
}

/* When this host's programs took it away for the last time; 0: they did not. */
static const struct removal *removal_of(const struct journal *j, unsigned host, uint64_t ino) {
    for (size_t i = j->n_removals; i-- > 0;)
        if (j->removals[i].host == host && j->removals[i].ino == ino && !j->removals[i].undone)
            return &j->removals[i];
    return NULL;
}

/* Nothing leaves the shared tree before all that its host wrote earlier is in it, in the same entry or before. What was overwritten or removed since need not be there; and what was copied
 * counts as written with the copy, if that is all that is left. */
static void check_order(struct world *w, unsigned host, const struct name_edit *e, uint64_t seq) {
    const struct removal *r = e->was && !e->now && shared_inode(w->journal, e->was)->names == 0 ? removal_of(w->journal, host, e->was) : NULL;
    for (size_t i = 0; r && i < w->tokens.n; i++) {
        const struct token *t = &w->tokens.v[i];
        if (t->host == host && t->acked && t->acked_at < r->number && !t->shared && !t->gone && !t->loose && !(t->copied && t->removers))
            failed(w, "%s took away %s (inode %" PRIx64 ") after T%zu was written there, but in the shared tree it went in entry %" PRIu64 ", which comes before T%zu", w->hosts[host].label,
                   r->place, e->was, i, seq, i);
    }
}

/* Under this number, or under one that became it on the host where that was. */
static bool is_linked(struct world *w, uint64_t ino) {
    bool found = false;
    for (size_t i = 0; i < w->journal->n_linked && !found; i++) {
        found = w->journal->linked[i] == ino;
        for (unsigned host = 0; host < w->n_hosts && !found; host++)
            found = !w->hosts[host].life || tree_resolve(w->hosts[host].life->box->tree, w->journal->linked[i]) == ino;
    }
    return found;
}

/* Two moves of one inode leave one name. */
static void check_names(struct world *w, const struct name_edit *e, uint64_t seq) {
    if (e->now && shared_inode(w->journal, e->now)->names > 1 && !is_linked(w, e->now))
        failed(w, "inode %" PRIx64 " has %" PRId64 " names in entry %" PRIu64 ", and nobody has linked it", e->now, shared_inode(w->journal, e->now)->names, seq);
}

static void look_at(struct world *w, const struct entry *e) {
    bool kept = w->journal->kept;
    for (size_t i = 0; i < e->n_changes; i++)
        take_change(w, &e->changes[i], e->sequence);
    if (kept && !w->journal->kept)
        failed(w, "/%s, which is only ever replaced, is missing after entry %" PRIu64, KEPT_NAME, e->sequence);
    for (size_t i = 0; i < e->n_changes; i++)
        for (size_t k = 0; k < e->changes[i].n_names; k++)
            check_names(w, &e->changes[i].names[k], e->sequence);
    for (unsigned host = 0; host < w->n_hosts; host++)
        for (size_t i = 0; i < e->n_changes && !strcmp(e->host, w->hosts[host].label); i++)
            for (size_t k = 0; k < e->changes[i].n_names; k++)
                check_order(w, host, &e->changes[i].names[k], e->sequence);
}

void check_journal(struct world *w, uint64_t seq) {
    while (w->journal->seq < seq) {
        CLEANUP_ENTRY struct entry e = {0};
        CLEANUP_FREE char *key = entry_key(".assetfs", ++w->journal->seq);
        size_t n = 0;
        const void *p = mem_bucket_get(w->bucket, key, &n);
        if (p && entry_open(p, n, w->keys, ".assetfs", w->journal->seq, &e) == 0)
            look_at(w, &e);
    }
}
