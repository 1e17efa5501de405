/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"
#include "tree/name_kind.h"

#include <inttypes.h>

static const int64_t pauses[] = {0, 0, 0, NS_PER_MS, 50 * NS_PER_MS, NS_PER_S, 3 * NS_PER_S, 8 * NS_PER_S};

/* Anything, on any host. */
static void any_step(struct world *w) {
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
        one_call(h->life, w->mix);
    }
    bury_killed(w);
    if (h->life && !h->damaged && chance(w, 250))
        check_sound(w, h);
    pass(w, pauses[below(w, ARRAY_SIZE(pauses))]);
}

/* A quarrel: somebody makes something, all get it, and then two hosts change it, neither knowing of the other; sometimes twice. */

enum act { ANY, BUILD, SETTLE, CALL, OTHERS_CALL, RESTART };
#define ACTS_MAX 16

static uint64_t draw(uint64_t *state, uint64_t n) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % n;
}

/* Drawn from the seed alone, for the steps of a schedule may be left out. Returns how many. */
static unsigned quarrel_of(uint64_t seed, enum act ret[ACTS_MAX]) {
    uint64_t state = seed * 0x9e3779b97f4a7c15u;
    unsigned n = 0;
    for (uint64_t i = draw(&state, 4); i > 0; i--) {
        ret[n++] = BUILD;
        if (i == 1)
            ret[n++] = SETTLE;
    }
    for (uint64_t round = draw(&state, 4) ? 1 : 2; round > 0; round--) {
        ret[n++] = CALL;
        ret[n++] = OTHERS_CALL;
        for (uint64_t i = draw(&state, 4); i > 0; i--)
            ret[n++] = draw(&state, 8) == 0 ? RESTART : draw(&state, 2) ? CALL : OTHERS_CALL;
        if (round > 1)
            ret[n++] = SETTLE;
    }
    return n;
}

static void act(struct world *w, enum act act) {
    struct host *h = &w->hosts[act == OTHERS_CALL ? 1 : act == RESTART ? below(w, 2) : 0];
    if (act == SETTLE) {
        settle(w);
        return;
    }
    if (act == RESTART && h->life) {
        say(w, h, "killed");
        take_down(h);
        bury(h);
    }
    if (!h->life)
        start(w, h);
    if (chance(w, 10)) {
        w->victim = h;
        w->fuse = 1 + below(w, 60);
    }
    tree_used(h->life->box->tree);
    one_call(h->life, act == BUILD ? MIX_BUILD : w->mix);
    bury_killed(w);
    pass(w, pauses[below(w, act == BUILD ? 3 : 6)]);
}

static void one_step(struct world *w, const enum act *acts) {
    sim_reseed(w->sim, (w->seed << 12) + w->step);
    if (acts && acts[w->step] != ANY)
        act(w, acts[w->step]);
    else
        any_step(w);
}

/* Most faults show in a few steps of two hosts, and many of those are run in the time of one long schedule; some need more of both. */
#define LONG 12

static bool is_quarrel(uint64_t seed, const struct how *how) {
    return !how->steps && seed % 400 >= 27 && seed % 2 && seed % 5 != 4;
}

unsigned steps_of(uint64_t seed, const struct how *how) {
    enum act acts[ACTS_MAX];
    unsigned at = (unsigned)(seed % 400);
    if (how->steps)
        return how->steps;
    if (is_quarrel(seed, how))
        return quarrel_of(seed, acts);
    return at == 0 ? 120 : at < 3 ? 60 : at < 7 ? 30 : at < 27 ? LONG : 3 + at / 2 % 2;
}

static unsigned hosts_of(struct world *w, const struct how *how, unsigned steps, bool quarrel) {
    unsigned at = (unsigned)below(w, 10);
    if (how->hosts)
        return how->hosts;
    if (steps < LONG || quarrel)
        return at < 8 ? 2 : 3;
    return at < 6 ? 2 : at - 3;
}

void run_schedule(uint64_t seed, const struct how *how, struct world *totals) {
    struct world *w = xcalloc(1, sizeof *w);
    unsigned steps = steps_of(seed, how);
    enum act acts[ACTS_MAX];
    bool quarrel = is_quarrel(seed, how);
    if (quarrel)
        quarrel_of(seed, acts);
    w->seed = seed;
    w->sim = sim_new(seed);
    w->bucket = mem_bucket_new();
    w->keys = tree_box_keys();
    w->journal = journal_new();
    sim_set_probe(w->sim, probe, w);
    tree_box_init(w->sim, w->bucket);
    sim_delays(w->sim, NS_PER_MS, 5 * NS_PER_MS);
    w->faults = (unsigned)below(w, 3);
    w->clones = chance(w, 300) ? 300 : 0;
    w->rules = chance(w, 300) ? name_rules_new(".tmp*", "l:l.*") : NULL;
    w->one_machine = w->clones && chance(w, 500);
    w->damages = seed % 20 == 4 && !w->clones && !lazy_is_on();
    w->n_hosts = hosts_of(w, how, steps, quarrel);
    w->mix = (enum mix)below(w, N_MIXES);
    w->n_names = 1 + (unsigned)below(w, quarrel ? 3 : 5);
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
            one_step(w, quarrel ? acts : NULL);
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
    keyring_free(w->keys);
    journal_free(w->journal);
    name_rules_free(w->rules);
    free(w);
}
