/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/fetch.h"
#include "net/retry.h"

static bool is_answer(int err) {
    return err == -ENOENT || err == -EACCES || err == -EINVAL || err == -ERANGE;
}

static void try_again(void *arg) {
    fetch_start(arg);
}

static void on_got(void *arg, const struct store_got *got) {
    struct fetch *f = arg;
    if (got->err == 0 || (is_answer(got->err) && (f->flags & STORE_FRESH)) || !f->wanted(f)) {
        f->done(f, got);
        return;
    }
    if (is_answer(got->err)) {
        f->flags |= STORE_FRESH;
        fetch_start(f);
        return;
    }
    struct env *env = f->store->env;
    uint64_t random;
    env_random(env, &random, sizeof random);
    f->timer.fn = try_again;
    f->timer.arg = f;
    env_timer_set(env, &f->timer, env_mono(env) + retry_wait(&retry_fetch, got->err, ++f->failures, random));
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
