/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <inttypes.h>

void take_down(struct host *h) {
    struct life *l = h->life;
    struct world *w = l->world;
    h->dir = state_dir_copy(l->box->dir);
    if (w->clones && !h->backup && chance(w, 500)) {
        h->backup = state_dir_copy(l->box->dir);
    }
    l->killed = true;
    sim_store_kill(l->box->store);
    sim_env_freeze(l->box->env);
}

void bury(struct host *h) {
    struct life *l = h->life;
    l->next = l->world->dead;
    l->world->dead = l;
    h->life = NULL;
    l->world->kills++;
}

void bury_killed(struct world *w) {
    for (size_t i = 0; i < w->n_hosts; i++)
        if (w->hosts[i].life && w->hosts[i].life->killed)
            bury(&w->hosts[i]);
}

void probe(void *arg, struct env *env) {
    struct world *w = arg;
    struct host *h = w->victim;
    if (disk_clock_is_read())
        return;
    disk_clock_of(env);
    if (!h || !h->life || h->life->box->env != env || h->life->killed || --w->fuse)
        return;
    say(w, h, "killed in the middle");
    w->victim = NULL;
    take_down(h);
}

/* Starting */

static struct life *life_new(struct host *h, struct world *w) {
    struct life *l = xcalloc(1, sizeof *l);
    int r;
    l->world = w;
    l->host = h;
    for (size_t i = 0; i < HANDLES; i++)
        l->handles[i].life = l;
    struct env *env = sim_env_new(w->sim, (int64_t)below(w, 20) * NS_PER_S - 10 * NS_PER_S);
    struct tree_box_config c = {.sim = w->sim,
                                .bucket = w->bucket,
                                .env = env,
                                .store = sim_store_new(w->sim, env, w->bucket, NULL, &h->net),
                                .label = h->label,
                                .names = w->rules,
                                .dir = h->dir ? h->dir : state_dir_new(true),
                                .machine_id = w->one_machine ? "machine" : h->label};
    h->dir = NULL;
    l->box = tree_box_open(&c, &r);
    if (r < 0)
        failed(w, "%s does not start: %s: %s", h->label, strerror(-r), buf_str(&l->box->why));
    h->life = l;
    return l;
}

void start(struct world *w, struct host *h) {
    say(w, h, "starts%s", h->net.offline ? ", offline" : "");
    life_new(h, w);
    tell_layers(w, h);
    if (!h->damaged)
        check_sound(w, h);
    if (h->life->box->tree->seq < h->seen)
        failed(w, "%s was at entry %" PRIu64 " and is at %" PRIu64 " after a restart", h->label, h->seen, h->life->box->tree->seq);
}

/* The state that a host starts with is mostly its own; or its backup; or, with the machine's name, that of another host. What was written since on the host whose state is lost is lost with it,
 * unless it was committed. */
void start_some_state(struct world *w, struct host *h) {
    struct host *other = &w->hosts[below(w, w->n_hosts)];
    const char *from = NULL;
    if (chance(w, w->clones) && h->backup)
        from = h->backup;
    else if (chance(w, w->clones) && other != h && !other->life)
        from = other->dir;
    if (from) {
        say(w, h, "gets %s state", from == h->backup ? "an older" : "another host's");
        char *dir = state_dir_copy(from);
        state_dir_free(h->dir);
        h->dir = dir;
        h->seen = 0;
        forget_removals(w, h);
        for (size_t i = 0; i < w->tokens.n; i++)
            if (w->tokens.v[i].host == h->index && !w->tokens.v[i].shared)
                w->tokens.v[i].gone = true;
    }
    start(w, h);
}

void life_free(struct life *l) {
    for (size_t i = 0; i < HANDLES; i++) {
        if (l->handles[i].opened)
            close_handle(&l->handles[i]);
        token_list_free(&l->handles[i].waits);
    }
    tree_box_close(l->box);
    char *dir = STEAL_PTR(&l->box->dir);
    tree_box_free(l->box);
    state_dir_free(dir);
    token_list_free(&l->synced);
    free(l);
}

/* Whoever was killed: its memory, now that nobody is left whom it could disturb. */
void free_dead(struct world *w) {
    for (struct life *l = w->dead, *next; l; l = next) {
        next = l->next;
        sim_env_thaw(l->box->env);
        sim_run(w->sim, 120 * NS_PER_S);
        life_free(l);
    }
}
