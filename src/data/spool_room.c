/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "data/spool_parts.h"
#include <sys/statvfs.h>

/* At most so much is written between two looks at the disk; near the limit less, and at the limit every write
 * looks. Others write to the same disk meanwhile, so never more than 1/8 of what is left. */
#define CREDIT_MAX ((uint64_t)32 << 20)
/* The cache is asked for more than is missing, so that it is not asked for every write. */
#define SHRINK_MIN ((uint64_t)64 << 20)
/* Room may also come from outside (somebody deletes something): so often it is looked for while somebody
 * waits. */
#define LOOK_AGAIN_NS NS_PER_S

/* What may be written before free space falls below min_free; negative: how much is missing. */
static int64_t disk_room(struct spool *s) {
    struct statvfs v;
    if (fstatvfs(s->dir_fd, &v) < 0)
        return INT64_MAX; /* cannot be told: let the write itself find out */
    uint64_t avail = MIN((uint64_t)v.f_bavail, (uint64_t)INT64_MAX / v.f_frsize) * v.f_frsize;
    return (int64_t)avail - (int64_t)MIN(s->cfg.min_free, (uint64_t)INT64_MAX);
}

static bool look(struct spool *s, uint64_t need) {
    int64_t room = disk_room(s);
    if (room < 0 || (uint64_t)room < need)
        return false;
    atomic_store(&s->credit, (int64_t)MIN(CREDIT_MAX, ((uint64_t)room - need) / 8));
    return true;
}

static uint64_t shrink_cache(struct spool *s, uint64_t need, bool full) {
    if (!s->cfg.cache)
        return 0;
    int64_t room = full ? 0 : disk_room(s);
    uint64_t missing = room < 0 ? need + (uint64_t)-room : need - MIN(need, (uint64_t)room);
    return block_cache_shrink(s->cfg.cache, MAX(missing, SHRINK_MIN));
}

/* Bytes that no file of the spool needs any more and that the disk still holds: a removed file that somebody
 * has open, blocks that another thread is just taking out of the cache. */
static bool some_are_leaving(struct spool *s) {
    return atomic_load(&s->leaving) > 0 || (s->cfg.cache && block_cache_bytes(s->cfg.cache) > 0);
}

static bool can_drain(struct spool *s) {
    return s->cfg.can_drain && s->cfg.can_drain(s->cfg.arg);
}

/* Looks, and asks the cache for what is missing. 0; -EAGAIN: there may be room later; -ENOSPC.
 *
 * Bytes on their way out pass from what can drain to a descriptor and the cache, and from there to the disk.
 * They are asked for in this order, the disk last: what is in none of the places before is found on it. */
static int find_room(struct spool *s, uint64_t need, bool full) {
    if (!full && look(s, need))
        return 0;
    bool later = can_drain(s);
    uint64_t freed = shrink_cache(s, need, full);
    later |= some_are_leaving(s);
    if ((!full || freed) && look(s, need))
        return 0;
    return later ? -EAGAIN : -ENOSPC;
}

/* lock held, queue not empty */
static void arm(struct spool *s) {
    int64_t next = env_mono(s->cfg.env) + LOOK_AGAIN_NS;
    env_timer_set(s->cfg.env, &s->timer, MIN(next, s->head->deadline));
}

static struct room_wait *first(struct spool *s) {
    SCOPE_LOCK(&s->lock);
    return s->head;
}

static void pop(struct spool *s) {
    SCOPE_LOCK(&s->lock);
    s->head = s->head->next;
    if (!s->head)
        s->tail = &s->head;
    atomic_fetch_sub(&s->waiting, 1);
}

/* Lets go whom there is room for. Runs on the loop only, so the head stays where it is meanwhile. */
static void serve(void *arg) {
    struct spool *s = spool_ref_dir(arg); /* a waiter may hold the last file */
    for (struct room_wait *w; (w = first(s));) {
        int err = find_room(s, w->need, false);
        if (err == -EAGAIN) {
            if (env_mono(s->cfg.env) < w->deadline)
                break;
            err = -ENOSPC;
        }
        pop(s);
        w->fn(w, err);
        if (first(s) == w) /* the disk was full all the same, and it is back: not again before the timer */
            break;
    }
    {
        SCOPE_LOCK(&s->lock);
        if (s->head)
            arm(s);
        else
            env_timer_cancel(s->cfg.env, &s->timer);
    }
    spool_unref_dir(s);
}

static void serve_posted(void *arg) {
    struct spool *s = arg;
    {
        SCOPE_LOCK(&s->lock);
        s->wake_posted = false;
    }
    serve(s);
    spool_unref_dir(s);
}

void spool_wake(struct spool *s) {
    if (atomic_load(&s->waiting) == 0)
        return;
    {
        SCOPE_LOCK(&s->lock);
        if (s->wake_posted)
            return;
        s->wake_posted = true;
    }
    env_post(s->cfg.env, serve_posted, spool_ref_dir(s));
}

/* lock held. Who comes again (its deadline is set) goes to the head. */
static void enqueue(struct spool *s, struct room_wait *w) {
    bool again = w->deadline != 0;
    if (!again)
        w->deadline = env_mono(s->cfg.env) + s->cfg.timeout_ns;
    w->next = again ? s->head : NULL;
    if (again)
        s->head = w;
    else
        *s->tail = w;
    if (!w->next)
        s->tail = &w->next;
    atomic_fetch_add(&s->waiting, 1);
}

int room_get(struct spool *s, struct room_wait *w, bool full) {
    bool queue = atomic_load(&s->waiting) > 0 && can_drain(s);
    int r = queue ? -EAGAIN : find_room(s, w->need, full);
    if (r == 0)
        return 0;
    if (r == -ENOSPC || (w->deadline && env_mono(s->cfg.env) >= w->deadline))
        return -ENOSPC;
    SCOPE_LOCK(&s->lock);
    enqueue(s, w);
    s->timer.fn = serve;
    s->timer.arg = s;
    arm(s);
    return -EINPROGRESS;
}

void room_add(struct spool_file *f, uint64_t bytes) {
    atomic_fetch_add_explicit(&f->allocated, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&f->spool->bytes, bytes, memory_order_relaxed);
}
