/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/dispute.h"
#include "base/log.h"
#include "tree/fault.h"
#include <inttypes.h>

/* After a look at itself a host rests, whoever else disagrees: each could make it read the whole journal. */
#define REST_NS (60 * NS_PER_S)

static uint64_t session_of(const struct entry *e) {
    return e->session ? e->session : e->sequence;
}

static bool is_lately(const struct tree *t, int64_t at, int64_t ns) {
    return at && env_mono(t->env) - at < ns;
}

static const struct damaged_writer *find(const struct tree *t, uint64_t session) {
    for (size_t i = 0; i < DAMAGED_WRITERS; i++)
        if (t->dispute.writers[i].session == session)
            return &t->dispute.writers[i];
    return NULL;
}

static bool is_known(const struct tree *t, uint64_t session) {
    const struct damaged_writer *w = find(t, session);
    return w && is_lately(t, w->at, TRUSTED_NS);
}

static void add(struct tree *t, uint64_t session) {
    struct damaged_writer *list = t->dispute.writers;
    size_t at = 0;
    for (size_t i = 1; i < DAMAGED_WRITERS; i++)
        if (list[at].session != session && (list[i].session == session || list[i].at < list[at].at))
            at = i;
    list[at] = (struct damaged_writer){session, env_mono(t->env)};
}

static void forget(struct tree *t, uint64_t session) {
    for (size_t i = 0; i < DAMAGED_WRITERS; i++)
        if (t->dispute.writers[i].session == session)
            t->dispute.writers[i] = (struct damaged_writer){0};
}

/* This very tree was made from entry 1: lately, or entry by entry since the start. seq: of the entry it stands at. */
static bool is_proven(const struct tree *t, uint64_t seq) {
    return (t->dispute.proven && t->dispute.proven == seq) || (!t->started && t->made_here && !fault_is_lazy(t));
}

bool dispute_is_theirs(const struct tree *t, const struct entry *e) {
    return is_proven(t, t->seq) || is_known(t, session_of(e)) || is_lately(t, t->dispute.proven_at, REST_NS);
}

int dispute_note(struct tree *t, const struct entry *e) {
    int r = db_meta_set_int(&t->db, DISPUTE_ENTRIES, db_meta_int(&t->db, DISPUTE_ENTRIES, 0) + 1);
    return r < 0 ? r : db_meta_set_int(&t->db, DISPUTE_LAST, (int64_t)e->sequence);
}

void dispute_noted(struct tree *t, const struct entry *e) {
    struct dispute *d = &t->dispute;
    uint64_t session = session_of(e);
    bool told = is_known(t, session) && !t->cfg.from_entry_1;
    if (is_proven(t, e->sequence - 1) && !is_known(t, session))
        add(t, session);
    counter_add(t->cfg.counters, COUNTER_ENTRIES_DAMAGED, 1);
    free(d->sentence);
    d->of = session;
    d->sentence = xasprintf("journal entry %" PRIu64 " by %s (session %" PRIu64 ") was built on another tree than the journal before it makes: the local state of that host is damaged. "
                            "What it changed counts where it fits; it sets itself right, and brings back the rest, when it reads an entry of another host",
                            e->sequence, e->host, session);
    if (!told)
        log_warning("%s. If this comes again, look at its disk and memory", d->sentence);
    dispute_object(t);
}

static void clear(struct tree *t) {
    t->dispute.sentence = (free(t->dispute.sentence), NULL);
    t->dispute.of = 0;
}

void dispute_agreed(struct tree *t, const struct entry *e, bool ours) {
    struct dispute *d = &t->dispute;
    uint64_t session = session_of(e);
    if (ours && d->wants_objection)
        d->objected_at = env_mono(t->env);
    d->wants_objection = false; /* it is said: every entry says on which tree it was built */
    if (ours)
        return;
    forget(t, session);
    if (d->of == session)
        clear(t);
}

void dispute_free(struct tree *t) {
    clear(t);
}

void dispute_proven(struct tree *t) {
    t->dispute.proven = t->seq;
    t->dispute.proven_at = env_mono(t->env);
}

void dispute_own(struct tree *t) {
    if (t->session)
        add(t, t->session);
}

void dispute_object(struct tree *t) {
    t->dispute.wants_objection = true;
}

bool dispute_wants_entry(const struct tree *t) {
    return t->dispute.wants_objection && !is_lately(t, t->dispute.objected_at, TRUSTED_NS);
}
