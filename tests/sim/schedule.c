/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"
#include "tree/name_kind.h"

#include <inttypes.h>

static void one_step(struct world *w) {
    sim_reseed(w->sim, (w->seed << 12) + w->step);
    struct host *h = &w->hosts[below(w, w->n_hosts)];
    if (w->damages && h->index && h->life && chance(w, 60)) {
        damage_state(w, h);
    } else if (chance(w, 6)) {
        put_garbage(w);
    } else if (!h->life) {
        if (chance(w, 300))
            start_some_state(w, h);
    } else if (chance(w, 12)) {
        say(w, h, "killed");
        take_down(h);
        bury(h);
    } else if (chance(w, 8)) {
        w->victim = h;
        w->fuse = 1 + below(w, 60);
    } else if (lazy_is_on() && chance(w, 100)) {
        bool forgets = box_forget(h->life->box), spoilt = forgets && chance(w, 250);
        say(w, h, "forgets%s", !forgets ? " nothing" : spoilt ? ", and what it had it from goes bad" : "");
        h->life->spoilt |= spoilt;
        if (spoilt)
            lazy_spoil(h->life->box->lazy);
    } else if (chance(w, 15)) {
        change_network(w, h);
    } else if (chance(w, 5)) {
        say(w, h, "is mounted again");
        for (size_t i = 0; i < HANDLES; i++)
            if (h->life->handles[i].opened && h->life->handles[i].busy)
                return;
        w->victim = NULL; /* nothing is killed on the way */
        for (size_t i = 0; i < HANDLES; i++)
            if (h->life->handles[i].opened)
                close_handle(&h->life->handles[i]);
        tree_box_reopen(h->life->box);
    } else {
        tree_used(h->life->box->tree);
        one_call(h->life);
    }
    if (h->life && h->life->killed)
        bury(h);
    if (h->life && !h->damaged && chance(w, 250))
        check_sound(w, h);
    static const int64_t pauses[] = {0, 0, 0, NS_PER_MS, 50 * NS_PER_MS, NS_PER_S, 3 * NS_PER_S, 8 * NS_PER_S};
    pass(w, pauses[below(w, ARRAY_SIZE(pauses))]);
}

/* Most faults show in a few steps of two hosts, and many of those are run in the time of one long schedule; some need more of both. */
#define LONG 12

unsigned steps_of(uint64_t seed, const struct how *how) {
    unsigned at = (unsigned)(seed % 400);
    if (how->steps)
        return how->steps;
    return at == 0 ? 120 : at < 3 ? 60 : at < 7 ? 30 : at < 27 ? LONG : 3 + at % 2;
}

static unsigned hosts_of(struct world *w, const struct how *how, unsigned steps) {
    unsigned at = (unsigned)below(w, 10);
    if (how->hosts)
        return how->hosts;
    if (steps < LONG)
        return at < 8 ? 2 : 3;
    return at < 6 ? 2 : at - 3;
}

void run_schedule(uint64_t seed, const struct how *how, struct world *totals) {
    struct world *w = xcalloc(1, sizeof *w);
    unsigned steps = steps_of(seed, how);
    w->seed = seed;
    w->sim = sim_new(seed);
    w->bucket = mem_bucket_new();
    sim_set_probe(w->sim, probe, w);
    tree_box_init(w->sim, w->bucket);
    sim_delays(w->sim, NS_PER_MS, 5 * NS_PER_MS);
    w->faults = (unsigned)below(w, 3);
    w->clones = chance(w, 300) ? 300 : 0;
    w->rules = chance(w, 300) ? name_rules_new(".tmp*", "l:l.*") : NULL;
    w->one_machine = w->clones && chance(w, 500);
    w->damages = seed % 20 == 4 && !w->clones && !lazy_is_on();
    w->n_hosts = hosts_of(w, how, steps);
    for (unsigned i = 0; i < w->n_hosts; i++) {
        struct host *h = &w->hosts[i];
        h->index = i;
        snprintf(h->label, sizeof h->label, "%c", 'A' + (int)i);
        start(w, h);
    }
    for (unsigned i = 0; i < w->n_hosts; i++) {
        w->hosts[i].net = (struct sim_net){.lost = 30 * w->faults,
                                           .unanswered = 30 * w->faults,
                                           .squatted = w->faults ? 10 : 0,
                                           .latency_ns = (w->faults ? 300 : 20) * NS_PER_MS};
        if (box_claim(w->hosts[i].life->box) < 0 && !w->faults)
            failed(w, "no session");
    }
    for (w->step = 0; w->step < steps; w->step++)
        if (!how->left_out || !how->left_out[w->step])
            one_step(w);
    sim_reseed(w->sim, (seed << 12) + STEPS_MAX);
    check_end(w);
    totals->calls += w->calls;
    totals->kills += w->kills;
    totals->conflicts += w->conflicts;
    totals->entries += w->entries;
    for (unsigned i = 0; i < w->n_hosts; i++) {
        life_free(w->hosts[i].life);
        state_dir_free(w->hosts[i].backup);
    }
    free_dead(w);
    sim_run(w->sim, NS_PER_S); /* what was posted while they closed */
    tokens_free(&w->tokens);
    disk_clock_of(NULL);
    sim_free(w->sim);
    mem_bucket_free(w->bucket);
    name_rules_free(w->rules);
    free(w);
}
