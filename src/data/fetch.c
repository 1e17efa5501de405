/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/fetch.h"
#include "net/retry.h"

static bool is_refusal(int err) {
    return err == -ENOENT || err == -EACCES;
}

/* Whether got is how it ends, as far as the store is concerned. */
static bool is_final(struct fetch *f, int err) {
    bool fresh = f->flags & STORE_FRESH;
    if (err == 0)
        return true;
    if (err == -EINVAL || err == -ERANGE)
        return fresh;
    return is_refusal(err) && fresh && env_mono(f->store->env) - f->refused_at >= f->store->absence_ns;
}

static void try_again(void *arg) {
    fetch_start(arg);
}

static void on_got(void *arg, const struct store_got *got) {
    struct fetch *f = arg;
    struct env *env = f->store->env;
    if (!is_refusal(got->err))
        f->refused_at = 0;
    else if (!f->refused_at)
        f->refused_at = env_mono(env);
    if (is_final(f, got->err) || !f->wanted(f)) {
        f->done(f, got);
        return;
    }
    bool answered = is_refusal(got->err) || got->err == -EINVAL || got->err == -ERANGE;
    if (answered && !(f->flags & STORE_FRESH)) {
        f->flags |= STORE_FRESH;
        fetch_start(f);
        return;
    }
    uint64_t random;
    env_random(env, &random, sizeof random);
    f->timer.fn = try_again;
    f->timer.arg = f;
    env_timer_set(env, &f->timer, env_mono(env) + retry_wait(&retry_fetch, -EIO, ++f->failures, random));
}

void fetch_start(struct fetch *f) {
    store_get_range(f->store, f->key, f->off, f->len, f->flags, on_got, f);
}

void fetch_hurry_up(struct fetch *f) {
    if (!f->timer.armed)
        return;
    env_timer_cancel(f->store->env, &f->timer);
    f->done(f, &(struct store_got){.err = -EINTR});
}

void fetch_anew(struct fetch *f) {
    if (!f->timer.armed)
        return;
    env_timer_cancel(f->store->env, &f->timer);
    f->failures = 0;
    f->refused_at = 0;
    fetch_start(f);
}
