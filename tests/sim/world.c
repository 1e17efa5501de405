/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <inttypes.h>

bool verbose;

void failed(struct world *w, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "hosts-sim: seed %" PRIu64 ", step %u: ", w->seed, w->step);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    exit(1);
}

void say(struct world *w, struct host *h, const char *fmt, ...) {
    va_list ap;
    if (!verbose)
        return;
    va_start(ap, fmt);
    printf("%4u %8.3f %s: ", w->step, (double)(sim_mono(w->sim) - SIM_MONO) / 1e9, h ? h->label : "-");
    vprintf(fmt, ap);
    printf("\n");
    fflush(stdout);
    va_end(ap);
}

uint64_t below(struct world *w, uint64_t n) {
    return sim_below(w->sim, n);
}

bool chance(struct world *w, unsigned per_mille) {
    return sim_chance(w->sim, per_mille);
}

/* Time passes; every entry is looked at. */
void pass(struct world *w, int64_t ns) {
    int64_t end = sim_mono(w->sim) + ns;
    while (sim_mono(w->sim) < end) {
        sim_run_one(w->sim, end);
        for (size_t i = 0; i < w->n_hosts; i++) {
            struct host *h = &w->hosts[i];
            if (h->life && h->life->killed)
                bury(h);
            else if (h->life)
                check_entry(w, h);
        }
    }
}

void change_network(struct world *w, struct host *h) {
    struct sim_net *n = &h->net;
    if (n->offline || n->refused) {
        n->offline = n->refused = false;
    } else if (chance(w, 700)) {
        n->offline = true;
    } else {
        n->refused = true;
    }
    say(w, h, "is %s", n->offline ? "offline" : n->refused ? "refused" : "online");
}

/* Somebody who may write to the bucket, but has no key, takes the next number: noise, nothing at all, or an entry that was good at another number. */
void put_garbage(struct world *w) {
    unsigned char noise[64];
    uint64_t next = mem_bucket_count(w->bucket, ".assetfs/journal/") + 1;
    CLEANUP_FREE char *key = entry_key(".assetfs", next);
    CLEANUP_FREE char *old = entry_key(".assetfs", 1 + below(w, next - 1));
    const void *bytes = noise;
    size_t n = 0;
    unsigned kind = (unsigned)below(w, 3);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)below(w, 256);
    if (kind == 0)
        n = sizeof noise;
    else if (kind == 1)
        bytes = mem_bucket_get(w->bucket, old, &n);
    say(w, NULL, "garbage at journal number %" PRIu64 ", kind %u", next, kind);
    CLEANUP_FREE void *copy = xmemdup(bytes, n);
    mem_bucket_set(w->bucket, key, copy, n);
}

static void run_sql(struct world *w, struct host *h, const char *sql) {
    if (sqlite3_exec(h->life->box->tree->db.sql, sql, NULL, NULL, NULL) != SQLITE_OK)
        failed(w, "%s: %s: %s", h->label, sql, sqlite3_errmsg(h->life->box->tree->db.sql));
}

/* What is pending has no other copy than the local state: names are lost only where nothing is. */
static bool has_unsaid(const struct host *h) {
    bool open = h->life->box->tree->pending_rows > 0;
    for (size_t i = 0; i < HANDLES; i++)
        open |= h->life->handles[i].opened || h->life->handles[i].busy;
    return open;
}

void damage_state(struct world *w, struct host *h) {
    struct tree *t = h->life->box->tree;
    if (chance(w, 300) || has_unsaid(h)) {
        say(w, h, "its digest goes bad");
        t->set.w[below(w, ARRAY_SIZE(t->set.w))] ^= 1;
    } else {
        CLEANUP_FREE char *sql = xasprintf("DELETE FROM c_name WHERE (parent, name) IN (SELECT c.parent, c.name FROM c_name c WHERE NOT EXISTS (SELECT 1 FROM p_name p WHERE p.parent = c.parent AND p.name = c.name) "
                                           "ORDER BY c.parent, c.name LIMIT 1 OFFSET %" PRIu64 ")",
                                           below(w, 6));
        run_sql(w, h, sql);
        say(w, h, "it loses %d names", sqlite3_changes(t->db.sql));
    }
    h->damaged = w->damages = true;
}
