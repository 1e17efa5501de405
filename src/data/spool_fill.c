/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/spool.h"
#include "base/file.h"
#include "data/spool_parts.h"
#include <sys/stat.h>
#include <time.h>
#include <utlist.h>

/* spool_fill() copies in runs of so many blocks, so many runs at once. */
#define RUN_BLOCKS 8
#define RUNS_AT_ONCE 2

struct fill_wait {
    struct fill_wait *next;
    struct spool_file *file;
    spool_done done;
    void *arg;
    int err;
};

/* One copying up. Freed by whoever is the second to be through with it: fill_start() or the end of the work.
 */
struct fill {
    struct spool_file *file;
    struct claim *claim;
    uint64_t off, len;
    bool pump;
    struct room_wait room;
    int err;
    _Atomic int through;
};

/* The kernel stamps the file itself by a clock that is up to 10 ms behind: what was made and then written would be older than it was. */
void file_touch(struct spool_file *f) {
    int64_t now = env_now(f->spool->cfg.env);
    atomic_store(&f->mtime, now);
    if (atomic_load(&f->map_state) != MAP_NONE)
        spool_map_set_mtime(f->map, now);
}

struct claim *claim_find(struct spool_file *f, uint64_t first, uint64_t end) {
    struct claim *c;
    DL_FOREACH (f->claims, c) {
        if (c->first < end && first < c->end)
            return c;
    }
    return NULL;
}

void claim_add(struct spool_file *f, struct claim *c) {
    DL_APPEND(f->claims, c);
}

static void op_again(void *arg) {
    file_op_run(arg);
}

static void pump(void *arg);

/* Lock held. Returns whether the caller must queue the pump when it has let go of the lock. */
static bool want_pump(struct spool_file *f) {
    if (!f->fillers || f->pump_queued)
        return false;
    f->pump_queued = true;
    return true;
}

static void queue_pump(struct spool_file *f) {
    env_work(f->spool->cfg.env, pump, NULL, spool_ref(f));
}

void claim_end(struct spool_file *f, struct claim *c, bool here, int err) {
    bool run_pump;
    {
        SCOPE_LOCK(&f->lock);
        if (here)
            spool_map_set(f->map, c->first, c->end - c->first);
        DL_DELETE(f->claims, c);
        run_pump = want_pump(f);
    }
    for (struct file_op *op = c->waiters, *next; op; op = next) {
        next = op->next;
        op->next = NULL;
        if (c->fill && op->wants_fill)
            op->err = err;
        op->wants_fill = false;
        env_post(f->spool->cfg.env, op_again, op);
    }
    c->waiters = NULL;
    if (run_pump)
        queue_pump(f);
}

static void filler_tell(void *arg) {
    struct fill_wait *w = arg;
    w->done(w->arg, w->err);
    spool_unref(w->file);
    free(w);
}

static void fillers_tell(struct spool_file *f, struct fill_wait *list, int err) {
    for (struct fill_wait *w = list, *next; w; w = next) {
        next = w->next;
        w->err = err;
        env_post(f->spool->cfg.env, filler_tell, w);
    }
}

/* The file keeps its own mtime from now on. A write that runs beside this stamps the map before it writes:
 * either it is seen here, or the kernel stamps the file after us. */
static int hand_over_mtime(struct spool_file *f) {
    int64_t t;
    do {
        t = spool_map_mtime(f->map);
        int64_t s = t / NS_PER_S - (t % NS_PER_S < 0);
        struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = s, .tv_nsec = t - s * NS_PER_S}};
        if (futimens(f->fd, ts) < 0)
            return -errno;
    } while (spool_map_mtime(f->map) != t);
    return 0;
}

/* On a worker: the map has nothing more to say. The bytes go to the disk before it goes, or power loss would
 * leave a file with holes and nothing that tells. */
static void retire_map(void *arg) {
    struct spool_file *f = arg;
    CLEANUP_FREE uint64_t *here = spool_map_sync_begin(f->map);
    if (fsync(f->fd) == 0 && spool_map_sync_end(f->map, here) == 0 && hand_over_mtime(f) == 0 &&
        fchmod(f->fd, 0600) == 0) {
        unlink(f->map_path);
        SCOPE_LOCK(&f->lock);
        atomic_store(&f->map_state, MAP_NONE);
    }
}

static void retire_done(void *arg) {
    spool_unref(arg);
}

void file_check_complete(struct spool_file *f) {
    struct content *base;
    struct spool_file *prev;
    struct fill_wait *fillers;
    {
        SCOPE_LOCK(&f->lock);
        if (atomic_load(&f->map_state) != MAP_PARTIAL || spool_map_absent(f->map) > 0)
            return;
        atomic_store(&f->map_state, MAP_COMPLETE);
        if (atomic_load(&f->high) < spool_map_limit(f->map))
            atomic_store(&f->high, spool_map_limit(f->map));
        base = STEAL_PTR(&f->base);
        prev = STEAL_PTR(&f->prev);
        fillers = STEAL_PTR(&f->fillers);
    }
    spool_file_recount(f);
    content_unref(base);
    spool_unref(prev);
    fillers_tell(f, fillers, 0);
    env_work(f->spool->cfg.env, retire_map, retire_done, spool_ref(f));
}

static void fill_through(struct fill *l) {
    if (atomic_fetch_add(&l->through, 1) == 0)
        return;
    spool_unref(l->file);
    free(l);
}

static void fill_end(struct fill *l, int err) {
    struct spool_file *f = l->file;
    struct fill_wait *fillers = NULL;
    if (err == 0)
        room_add(f, l->len);
    if (l->pump) {
        SCOPE_LOCK(&f->lock);
        f->fills_running--;
        if (err < 0)
            fillers = STEAL_PTR(&f->fillers);
    }
    claim_end(f, l->claim, err == 0, err);
    free(l->claim);
    fillers_tell(f, fillers, err);
    file_check_complete(f);
    l->err = err;
    fill_through(l);
}

static void fill_fetch(struct fill *);

/* The bytes were written, or not. A disk that turned out to be full is waited for like one that was known to
 * be. */
static void fill_wrote(struct fill *l, int err) {
    if (err != -ENOSPC && err != -EDQUOT) {
        fill_end(l, err);
        return;
    }
    int r = room_get(l->file->spool, &l->room, true);
    if (r == 0)
        fill_fetch(l);
    else if (r != -EINPROGRESS)
        fill_end(l, r);
}

static void fill_got(void *arg, int err, const void *data, size_t len) {
    struct fill *l = arg;
    if (err == 0 && len < l->len)
        err = -EIO;
    if (err < 0)
        fill_end(l, err);
    else
        fill_wrote(l, file_pwrite_all(l->file->fd, data, (size_t)l->len, l->off));
}

/* From the predecessor's file, while that is its own. Looks twice, because it may be given away meanwhile. */
static int copy_from_prev(struct spool_file *f, struct spool_file *prev, uint64_t off, uint64_t len) {
    if (!prev || atomic_load(&prev->given) || atomic_load(&prev->map_state) == MAP_PARTIAL)
        return -ENOENT;
    int r = file_copy_range(prev->fd, off, f->fd, off, len);
    return r == 0 && atomic_load(&prev->given) ? -ENOENT : r;
}

static void fill_fetch(struct fill *l) {
    struct spool_file *f = l->file, *prev;
    struct content *base;
    {
        SCOPE_LOCK(&f->lock);
        prev = spool_ref(f->prev);
        base = content_ref(f->base);
    }
    int r = copy_from_prev(f, prev, l->off, l->len);
    spool_unref(prev);
    if (r == -ENOENT && base)
        reader_read(f->spool->cfg.reader, base, l->off, (size_t)l->len, NULL, fill_got, l);
    else
        fill_wrote(l, r == -ENOENT ? -EIO : r);
    content_unref(base);
}

static void fill_room(struct room_wait *w, int err) {
    struct fill *l = container_of(w, struct fill, room);
    if (err < 0)
        fill_end(l, err);
    else
        fill_fetch(l);
}

static int fill_start(struct spool_file *f, struct claim *c, bool pumped) {
    struct fill *l = xcalloc(1, sizeof *l);
    l->file = spool_ref(f);
    l->claim = c;
    l->pump = pumped;
    l->off = c->first * BLOCK_SIZE;
    {
        SCOPE_LOCK(&f->lock);
        l->len = MIN(c->end * BLOCK_SIZE, spool_map_limit(f->map)) - l->off;
    }
    l->room.need = l->len;
    l->room.fn = fill_room;
    int r = room_take(f->spool, l->len) ? 0 : room_get(f->spool, &l->room, false);
    if (r == 0)
        fill_fetch(l);
    else if (r != -EINPROGRESS)
        fill_end(l, r);
    bool ended = atomic_load(&l->through) == 1;
    r = ended ? l->err : -EINPROGRESS;
    fill_through(l);
    return r;
}

int fill_block(struct spool_file *f, struct claim *c) {
    return fill_start(f, c, false);
}

/* Lock held. The next run that nobody works on; claims it. */
static struct claim *next_run(struct spool_file *f) {
    struct claim *other;
    uint64_t b = 0;
    for (;;) {
        b = spool_map_next_absent(f->map, b);
        if (b == SPOOL_MAP_NONE)
            return NULL;
        if (!(other = claim_find(f, b, b + 1)))
            break;
        if (other->end == UINT64_MAX)
            return NULL;
        b = other->end;
    }
    struct claim *c = xcalloc(1, sizeof *c);
    c->fill = true;
    c->first = b;
    c->end = MIN(spool_map_next_here(f->map, b), b + RUN_BLOCKS);
    while ((other = claim_find(f, c->first, c->end)))
        c->end = other->first;
    claim_add(f, c);
    f->fills_running++;
    return c;
}

/* On a worker. Begins runs until enough are under way; each run's end queues it again. */
static void pump(void *arg) {
    struct spool_file *f = arg;
    for (;;) {
        struct claim *c = NULL;
        {
            SCOPE_LOCK(&f->lock);
            f->pump_queued = false;
            if (f->fillers && atomic_load(&f->map_state) == MAP_PARTIAL && f->fills_running < RUNS_AT_ONCE)
                c = next_run(f);
        }
        if (!c)
            break;
        int r = fill_start(f, c, true);
        if (r < 0 && r != -EINPROGRESS)
            break;
    }
    spool_unref(f);
}

void spool_fill(struct spool_file *f, spool_done done, void *arg) {
    struct fill_wait *w = xcalloc(1, sizeof *w);
    bool run_pump = false, partial;
    *w = (struct fill_wait){.file = f, .done = done, .arg = arg};
    {
        SCOPE_LOCK(&f->lock);
        partial = atomic_load(&f->map_state) == MAP_PARTIAL;
        if (partial) {
            spool_ref(f);
            LL_APPEND(f->fillers, w);
            run_pump = want_pump(f);
        }
    }
    if (run_pump)
        queue_pump(f);
    if (partial)
        return;
    free(w);
    done(arg, 0);
}
