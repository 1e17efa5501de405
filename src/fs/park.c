/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/park.h"
#include "base/log.h"
#include "fs/reply.h"
#include "fs/session.h"
#include "fs/wire.h"
#include "tree/fault.h"
#include <utlist.h>

/* One call of a handler, with all it may be given. */
struct call {
    fuse_req_t req;
    void (*run)(struct call *);
    fuse_ino_t ino, to_ino;
    const char *name, *to_name; /* to_name: a symlink's target, too */
    const char *value;          /* size bytes */
    size_t size;
    off_t off, to_off;
    int flags;
    mode_t mode;
    dev_t rdev;
    struct stat *st;
    struct fuse_file_info *fi, *to_fi;
    bool kills;    /* wire_kills_privs() */
    int64_t until; /* mono; 0: not parked yet */
};

/* The loop decides what becomes of it: the rows have come, its time is over, it was interrupted, the mount ends. Who sets `over` does it. */
struct parked {
    struct call call; /* all that it points to is owned */
    struct session *session;
    struct env_timer timer;
    bool over;        /* guarded by parking.mutex */
    _Atomic int refs; /* one for the rows, one for each interrupt on its way */
    struct parked *prev, *next;
};

struct parking {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t none;
    struct parked *list; /* not over */
    unsigned alive;      /* those, and those whose handler runs again */
    bool closing, said;
};

static struct fuse_lowlevel_ops handlers; /* set once, before the first request */
static _Thread_local struct call *current;

struct parking *parking_new(struct session *s ATTR_UNUSED) {
    struct parking *k = xcalloc(1, sizeof *k);
    pthread_mutex_init(&k->mutex, NULL);
    pthread_cond_init(&k->none, NULL);
    return k;
}

struct parking *parking_free(struct parking *k) {
    if (!k)
        return NULL;
    pthread_mutex_destroy(&k->mutex);
    pthread_cond_destroy(&k->none);
    free(k);
    return NULL;
}

static void *copy(const void *p, size_t n) {
    return p ? xmemdup(p, n) : NULL;
}

static char *copy_text(const char *text) {
    return text ? xstrdup(text) : NULL;
}

static struct parked *parked_new(struct session *s, const struct call *c) {
    struct parked *p = xcalloc(1, sizeof *p);
    p->session = s;
    p->call = *c;
    p->call.name = copy_text(c->name);
    p->call.to_name = copy_text(c->to_name);
    p->call.value = copy(c->value, c->size);
    p->call.st = copy(c->st, sizeof *c->st);
    p->call.fi = copy(c->fi, sizeof *c->fi);
    p->call.to_fi = copy(c->to_fi, sizeof *c->to_fi);
    p->call.kills = wire_kills_privs();
    p->refs = 1;
    return p;
}

static void unref(struct parked *p) {
    if (atomic_fetch_sub(&p->refs, 1) > 1)
        return;
    free((char *)p->call.name);
    free((char *)p->call.to_name);
    free((char *)p->call.value);
    free(p->call.st);
    free(p->call.fi);
    free(p->call.to_fi);
    free(p);
}

static void run(struct call *c) {
    struct call *before = current;
    current = c;
    c->run(c);
    current = before;
}

/* On the loop. True: the request is the caller's. No interrupt comes any more, and none is still using it. */
static bool claim(struct parked *p) {
    struct parking *k = p->session->parking;
    pthread_mutex_lock(&k->mutex);
    bool mine = !p->over;
    p->over = true;
    if (mine)
        DL_DELETE(k->list, p);
    pthread_mutex_unlock(&k->mutex);
    if (mine) {
        env_timer_cancel(p->session->env, &p->timer);
        fuse_req_interrupt_func(p->call.req, NULL, NULL);
    }
    return mine;
}

static void one_less(struct parking *k) {
    SCOPE_LOCK(&k->mutex);
    if (--k->alive == 0)
        pthread_cond_broadcast(&k->none);
}

static void answer(struct parked *p, int err) {
    struct parking *k = p->session->parking;
    if (!claim(p))
        return;
    reply_err(p->call.req, err);
    one_less(k);
}

static void time_over(void *arg) {
    answer(arg, -EIO);
}

static void give_up(void *arg) {
    answer(arg, -EINTR);
    unref(arg);
}

/* On any thread; libfuse may still hold the request: it must not be replied here. */
static void on_interrupt(fuse_req_t req ATTR_UNUSED, void *arg) {
    struct parked *p = arg;
    atomic_fetch_add(&p->refs, 1);
    env_post(p->session->env, give_up, p);
}

/* On a worker. */
static void run_again(void *arg) {
    struct parked *p = arg;
    bool kills = wire_kills_privs();
    wire_set_kills(p->call.kills);
    run(&p->call);
    wire_set_kills(kills);
    one_less(p->session->parking);
}

static void ran_again(void *arg) {
    unref(arg);
}

static void rows_came(void *arg, int err) {
    struct parked *p = arg;
    if (err < 0) {
        answer(p, err);
        unref(p);
    } else if (claim(p)) {
        env_work(p->session->env, run_again, ran_again, p);
    } else {
        unref(p);
    }
}

/* False: there is no room, or no mount any more. */
static bool add(struct parking *k, struct parked *p) {
    SCOPE_LOCK(&k->mutex);
    if (k->closing || k->alive >= PARKED_MAX) {
        if (!k->closing && !k->said)
            log_warning("more than %u requests wait for parts of the tree to be fetched: others fail", PARKED_MAX);
        k->said = true;
        return false;
    }
    k->alive++;
    DL_APPEND(k->list, p);
    fuse_req_interrupt_func(p->call.req, on_interrupt, p); /* is over before the loop can answer */
    env_timer_set(p->session->env, &p->timer, p->call.until);
    return true;
}

bool park_request(fuse_req_t req) {
    if (!current || current->req != req)
        return false;
    struct session *s = fuse_req_userdata(req);
    int64_t now = env_mono(s->env);
    if (current->until && now >= current->until)
        return false;
    struct parked *p = parked_new(s, current);
    if (!p->call.until)
        p->call.until = now + s->opt->timeout;
    p->timer = (struct env_timer){.fn = time_over, .arg = p};
    if (!add(s->parking, p)) {
        unref(p);
        return false;
    }
    fault_wait(s->tree, rows_came, p);
    return true;
}

void parking_end(struct parking *k) {
    struct parked *p;
    pthread_mutex_lock(&k->mutex);
    k->closing = true;
    DL_FOREACH(k->list, p) {
        atomic_fetch_add(&p->refs, 1);
        env_post(p->session->env, give_up, p);
    }
    while (k->alive)
        pthread_cond_wait(&k->none, &k->mutex);
    pthread_mutex_unlock(&k->mutex);
}

/* The handlers: each is called from the table's function of its name, and again from what was kept. */

#define HANDLER(op, arguments, call_again, ...)                                                              \
    static void run_##op(struct call *c) {                                                                   \
        handlers.op call_again;                                                                              \
    }                                                                                                        \
    static void begin_##op arguments {                                                                       \
        run(&(struct call){.req = req, .run = run_##op, __VA_ARGS__});                                       \
    }

HANDLER(lookup, (fuse_req_t req, fuse_ino_t ino, const char *name), (c->req, c->ino, c->name), .ino = ino, .name = name)
HANDLER(getattr, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (c->req, c->ino, c->fi), .ino = ino, .fi = fi)
HANDLER(setattr, (fuse_req_t req, fuse_ino_t ino, struct stat *st, int what, struct fuse_file_info *fi), (c->req, c->ino, c->st, c->flags, c->fi),
        .ino = ino, .st = st, .flags = what, .fi = fi)
HANDLER(readlink, (fuse_req_t req, fuse_ino_t ino), (c->req, c->ino), .ino = ino)
HANDLER(mknod, (fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode, dev_t rdev), (c->req, c->ino, c->name, c->mode, c->rdev),
        .ino = ino, .name = name, .mode = mode, .rdev = rdev)
HANDLER(mkdir, (fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode), (c->req, c->ino, c->name, c->mode), .ino = ino, .name = name,
        .mode = mode)
HANDLER(symlink, (fuse_req_t req, const char *target, fuse_ino_t ino, const char *name), (c->req, c->to_name, c->ino, c->name),
        .to_name = target, .ino = ino, .name = name)
HANDLER(unlink, (fuse_req_t req, fuse_ino_t ino, const char *name), (c->req, c->ino, c->name), .ino = ino, .name = name)
HANDLER(rmdir, (fuse_req_t req, fuse_ino_t ino, const char *name), (c->req, c->ino, c->name), .ino = ino, .name = name)
HANDLER(rename, (fuse_req_t req, fuse_ino_t ino, const char *name, fuse_ino_t to_ino, const char *to_name, unsigned flags),
        (c->req, c->ino, c->name, c->to_ino, c->to_name, (unsigned)c->flags), .ino = ino, .name = name, .to_ino = to_ino, .to_name = to_name,
        .flags = (int)flags)
HANDLER(link, (fuse_req_t req, fuse_ino_t ino, fuse_ino_t to_ino, const char *name), (c->req, c->ino, c->to_ino, c->name), .ino = ino,
        .to_ino = to_ino, .name = name)
HANDLER(open, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (c->req, c->ino, c->fi), .ino = ino, .fi = fi)
HANDLER(create, (fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode, struct fuse_file_info *fi),
        (c->req, c->ino, c->name, c->mode, c->fi), .ino = ino, .name = name, .mode = mode, .fi = fi)
HANDLER(readdir, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi), (c->req, c->ino, c->size, c->off, c->fi),
        .ino = ino, .size = size, .off = off, .fi = fi)
HANDLER(readdirplus, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),
        (c->req, c->ino, c->size, c->off, c->fi), .ino = ino, .size = size, .off = off, .fi = fi)
HANDLER(fsync, (fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi), (c->req, c->ino, c->flags, c->fi), .ino = ino,
        .flags = datasync, .fi = fi)
HANDLER(fsyncdir, (fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi), (c->req, c->ino, c->flags, c->fi), .ino = ino,
        .flags = datasync, .fi = fi)
HANDLER(getxattr, (fuse_req_t req, fuse_ino_t ino, const char *name, size_t size), (c->req, c->ino, c->name, c->size), .ino = ino,
        .name = name, .size = size)
HANDLER(listxattr, (fuse_req_t req, fuse_ino_t ino, size_t size), (c->req, c->ino, c->size), .ino = ino, .size = size)
HANDLER(setxattr, (fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags),
        (c->req, c->ino, c->name, c->value, c->size, c->flags), .ino = ino, .name = name, .value = value, .size = size, .flags = flags)
HANDLER(removexattr, (fuse_req_t req, fuse_ino_t ino, const char *name), (c->req, c->ino, c->name), .ino = ino, .name = name)
HANDLER(copy_file_range,
        (fuse_req_t req, fuse_ino_t ino, off_t off, struct fuse_file_info *fi, fuse_ino_t to_ino, off_t to_off, struct fuse_file_info *to_fi,
         size_t len, int flags),
        (c->req, c->ino, c->off, c->fi, c->to_ino, c->to_off, c->to_fi, c->size, c->flags), .ino = ino, .off = off, .fi = fi,
        .to_ino = to_ino, .to_off = to_off, .to_fi = to_fi, .size = len, .flags = flags)

void park_fill(struct fuse_lowlevel_ops *ops) {
    handlers = *ops;
#define FILL(op) ops->op = ops->op ? begin_##op : NULL
    FILL(lookup);
    FILL(getattr);
    FILL(setattr);
    FILL(readlink);
    FILL(mknod);
    FILL(mkdir);
    FILL(symlink);
    FILL(unlink);
    FILL(rmdir);
    FILL(rename);
    FILL(link);
    FILL(open);
    FILL(create);
    FILL(readdir);
    FILL(readdirplus);
    FILL(fsync);
    FILL(fsyncdir);
    FILL(getxattr);
    FILL(listxattr);
    FILL(setxattr);
    FILL(removexattr);
    FILL(copy_file_range);
#undef FILL
}
