/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/fault.h"
#include "base/log.h"
#include "tree/claim.h"
#include "tree/fault_ahead.h"
#include "tree/fault_rows.h"
#include "tree/rows.h"
#include <inttypes.h>
#include <utlist.h>

/* Deeper than any path a program can make. */
#define DEPTH_MAX 100000

struct job_key {
    uint64_t ino;
    uint64_t is_dir; /* else: the directories it has names in */
};

/* One directory, or number, that somebody needs. Belongs to the worker while it is `running`, else to the lock. */
struct job {
    struct job_key key;
    struct tree *tree; /* NULL: the tree is gone, and this is freed when the source has done with it */
    uint64_t number;
    int err;
    bool asked, any;   /* its parents are known; one of them was not here */
    uint64_t *todo;    /* directories to fetch, the last one first: what lies above comes before */
    size_t n, cap;
    uint64_t last_parent;
    char after[NAME_MAX_BYTES]; /* of the last of `todo`: how far it is */
    size_t after_n;
    bool begun;
    bool stalled;      /* the source is lost: it waits for another one */
    int64_t stalled_at;
    struct job *prev, *next; /* in the queue */
    UT_hash_handle hh;
};

struct waiter {
    struct tree *tree;
    uint64_t number; /* of its job; of several: the largest */
    size_t left;     /* of several: how many are not done; 0: one job */
    int err;
    void (*ready)(void *, int);
    void *arg;
    struct waiter *prev, *next;
};

/* The tree lock guards all of it. */
struct fault {
    struct tree *tree;
    struct fault_source source;
    bool attached, busy, closing; /* busy: a worker asks the source */
    bool paused;
    uint64_t number;
    struct job *jobs;  /* all */
    struct job *queue; /* those that can go on */
    struct job *running;
    struct waiter *waiters;
    struct fault_ahead *ahead; /* of the worker that is at a job */
};

/* What this thread has noted last, for fault_wait(). */
static _Thread_local struct {
    const struct fault *fault;
    uint64_t number;
} noted;

bool fault_is_lazy(const struct tree *t) {
    return t->fault != NULL;
}

bool fault_is_attached(const struct tree *t) {
    return t->fault && t->fault->attached;
}

static int has_row(struct tree *t, enum statement which, uint64_t arg) {
    sqlite3_stmt *s = db_bind(&t->db, which, "i", arg);
    int r = db_step(s);
    if (r == 1)
        db_reset(s);
    return r;
}

static void kick(struct fault *f);

static struct job *job_new(struct tree *t, const struct job_key *key, uint64_t number) {
    struct job *j = xcalloc(1, sizeof *j);
    *j = (struct job){.key = *key, .tree = t, .number = number};
    if (key->is_dir) {
        j->todo = xmalloc(sizeof *j->todo);
        j->todo[0] = key->ino;
        j->n = j->cap = 1;
        j->asked = true;
    }
    return j;
}

static int note(struct tree *t, uint64_t ino, bool is_dir) {
    struct fault *f = t->fault;
    struct job_key key = {ino, is_dir};
    struct job *j;
    t->missed = true;
    HASH_FIND(hh, f->jobs, &key, sizeof key, j);
    if (!j && !f->closing) {
        j = job_new(t, &key, ++f->number);
        HASH_ADD(hh, f->jobs, key, sizeof j->key, j);
        DL_APPEND(f->queue, j);
        kick(f);
    }
    (void)claim_is_noted(t); /* this is the last one now */
    noted.fault = f;
    noted.number = j ? j->number : 0;
    return -EINPROGRESS;
}

/* The largest number of a session that the base has; 0: it does not know the session. */
static int last_of(struct tree *t, uint64_t session, uint64_t *ret) {
    *ret = 0;
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_SESSION_LAST, "i", session);
    int r = db_step(s);
    if (r == 1) {
        *ret = (uint64_t)sqlite3_column_int64(s, 0);
        db_reset(s);
    }
    return MIN(r, 0);
}

static int may_be_in_base(struct tree *t, uint64_t ino) {
    uint64_t last;
    int r = last_of(t, ino >> SESSION_SHIFT, &last);
    return r < 0 ? r : ino == ROOT_INO || ino <= last;
}

uint64_t fault_first_unknown(struct tree *t, uint64_t session) {
    uint64_t last;
    return t->fault && last_of(t, session, &last) == 0 ? last + 1 : 0;
}

int fault_is_here(struct tree *t, uint64_t dir) {
    if (!t->fault)
        return 1;
    int r = has_row(t, STMT_C_IS_HERE, dir);
    if (r == 0 && (r = may_be_in_base(t, dir)) >= 0)
        r = !r;
    return r;
}

int fault_need_dir(struct tree *t, uint64_t dir) {
    if (!t->fault)
        return 0;
    int r = fault_is_here(t, dir);
    return r == 1 ? 0 : r < 0 ? r : note(t, dir, true);
}

int fault_need_inode(struct tree *t, uint64_t ino) {
    if (!t->fault || ino == ROOT_INO)
        return 0;
    int r = may_be_in_base(t, ino);
    if (r == 1 && (r = has_row(t, STMT_C_IS_ABSENT, ino)) == 0)
        return note(t, ino, false);
    return MIN(r, 0);
}

/* On a worker: a job goes on until it has to wait */

/* last: the directory is here with them. */
static int write_piece(struct tree *t, uint64_t dir, const struct fault_rows *p, bool last) {
    tree_lock(t);
    int r = tree_begin(t);
    if (r == 0) {
        r = fault_rows_write(t, dir, p, 0, p->n);
        if (r == 0 && last)
            r = db_run(&t->db, STMT_C_HERE, "i", dir);
        r = tree_end(t, r);
    }
    tree_unlock(t);
    return r;
}

static void push(struct job *j, uint64_t dir) {
    if (j->n == j->cap) {
        j->cap = MAX(16, 2 * j->cap);
        j->todo = xrealloc(j->todo, j->cap * sizeof *j->todo);
    }
    j->todo[j->n++] = dir;
    j->begun = false;
}

static void pop(struct job *j) {
    j->n--;
    j->begun = false;
}

static int run_once(struct tree *t, enum statement which, uint64_t arg) {
    tree_lock(t);
    int r = tree_begin(t);
    if (r == 0)
        r = tree_end(t, db_run(&t->db, which, "i", arg));
    tree_unlock(t);
    return r;
}

static int is_here(struct tree *t, uint64_t dir) {
    tree_lock(t);
    int r = fault_is_here(t, dir);
    tree_unlock(t);
    return r;
}

/* As the rows say that are here: 1, 0 unknown. */
static int known_parent(struct tree *t, uint64_t dir, uint64_t *ret) {
    tree_lock(t);
    sqlite3_stmt *s = db_bind(&t->db, STMT_C_NAMES_OF, "i", dir);
    int r = db_step(s);
    if (r == 1) {
        *ret = (uint64_t)sqlite3_column_int64(s, 0);
        db_reset(s);
    }
    tree_unlock(t);
    return r;
}

static void found_parent(void *arg, uint64_t dir) {
    ((struct job *)arg)->last_parent = dir;
}

/* The directory above, by its row if that is here, else as the base has it; 0: none. */
static int parent_of(struct job *j, uint64_t dir, uint64_t *ret) {
    struct fault *f = j->tree->fault;
    int r = known_parent(j->tree, dir, ret);
    if (r != 0)
        return MIN(r, 0);
    j->last_parent = 0;
    r = f->source.parents(f->source.arg, dir, found_parent, j);
    *ret = r == 1 ? j->last_parent : 0;
    return MIN(r, 0);
}

/* Before the first piece: what lies above comes first. 1: fetch it; 0: something else has to be done, or nothing. */
static int begin_dir(struct job *j, uint64_t dir) {
    struct tree *t = j->tree;
    uint64_t parent = 0, again = 0;
    int r = is_here(t, dir);
    if (r != 0 || dir == ROOT_INO) {
        if (r == 1)
            pop(j);
        return r < 0 ? r : r == 0;
    }
    r = parent_of(j, dir, &parent);
    if (r == 0 && parent)
        r = is_here(t, parent);
    if (r < 0)
        return r;
    if (parent && r == 0) {
        if (j->n > DEPTH_MAX)
            return -EBADMSG;
        push(j, parent);
        return 0;
    }
    r = parent ? known_parent(t, dir, &again) : 0;
    if (r != 0)
        return r;
    pop(j); /* no such directory in the base, or any more */
    return run_once(t, STMT_C_HERE, dir);
}

/* What has come before a page that is not there is kept. */
static int fetch_piece(struct job *j, uint64_t dir) {
    struct fault *f = j->tree->fault;
    struct fault_rows *p = fault_rows_new();
    bool more = false;
    int r = f->source.children(f->source.arg, dir, j->after_n ? j->after : NULL, j->after_n, fault_rows_add, p, &more);
    bool last = r == -ENOENT || (r == 0 && !more), waits = r == -EINPROGRESS;
    if (r == -ENOENT || (waits && p->n))
        r = 0;
    if (r == 0)
        r = write_piece(j->tree, dir, p, last);
    if (r == 0 && last) {
        pop(j);
    } else if (r == 0) {
        const char *name = fault_rows_name(p, p->n - 1, &j->after_n);
        memcpy(j->after, name, j->after_n);
    }
    fault_rows_free(p);
    return r == 0 && waits ? -EINPROGRESS : r;
}

static int fetch(struct job *j) {
    int r = 0;
    while (j->n && r == 0) {
        uint64_t dir = j->todo[j->n - 1];
        r = j->begun ? 1 : begin_dir(j, dir);
        if (r == 1) {
            if (!j->begun)
                j->after_n = 0;
            j->begun = true;
            r = fetch_piece(j, dir);
        }
    }
    return r;
}

static void note_parent(void *arg, uint64_t dir) {
    struct job *j = arg;
    push(j, dir);
}

static int ask_parents(struct job *j) {
    struct fault *f = j->tree->fault;
    j->n = 0;
    int r = f->source.parents(f->source.arg, j->key.ino, note_parent, j);
    if (r < 0)
        return r;
    size_t n = 0;
    for (size_t i = 0; i < j->n; i++) {
        r = is_here(j->tree, j->todo[i]);
        if (r < 0)
            return r;
        if (r == 0)
            j->todo[n++] = j->todo[i];
    }
    j->n = n;
    j->any = n > 0;
    j->asked = true;
    return 0;
}

/* All that the base has of it is here already. */
static int note_absent(struct tree *t, uint64_t ino) {
    tree_lock(t);
    int r = has_row(t, STMT_C_INODE, ino); /* it has come along with something else */
    tree_unlock(t);
    return r == 0 ? run_once(t, STMT_C_ABSENT, ino) : MIN(r, 0);
}

/* What else may be fetched, now that we are at it. */
static void fetch_more(struct fault *f, uint64_t dir) {
    struct fault_wish wishes[FAULT_WISHES];
    const struct job *j;
    size_t n = 0;
    tree_lock(f->tree);
    DL_FOREACH(f->queue, j) {
        if (n == FAULT_WISHES)
            break;
        wishes[n++] = (struct fault_wish){j->key.ino, j->key.is_dir};
    }
    tree_unlock(f->tree);
    fault_ahead_run(f->ahead, f->tree, &f->source, dir, wishes, n);
}

static void run_job(void *arg) {
    struct fault *f = arg;
    struct job *j = f->running; /* nobody else changes it while `busy` */
    bool walks = j->key.is_dir && is_here(f->tree, j->key.ino) == 0; /* else it has come along with others, since somebody asked */
    int r = j->asked ? 0 : ask_parents(j);
    if (r == 0)
        r = fetch(j);
    if (r == 0 && !j->key.is_dir && !j->any)
        r = note_absent(f->tree, j->key.ino);
    j->err = r;
    if (r == 0 && (walks || j->any))
        fetch_more(f, walks ? j->key.ino : 0);
}

/* On the loop */

static void call_waiters(struct tree *t, struct waiter *ended) {
    struct waiter *w, *next;
    DL_FOREACH_SAFE(ended, w, next) {
        DL_DELETE(ended, w);
        w->ready(w->arg, w->err);
        free(w);
        tree_lock(t);
        tree_release(t);
        tree_unlock(t);
    }
}

static void job_free(struct job *j) {
    free(j->todo);
    free(j);
}

static void end_job(struct fault *f, struct job *j, int err, struct waiter **ended) {
    struct waiter *w, *next;
    DL_FOREACH_SAFE(f->waiters, w, next) {
        bool several = w->left > 0;
        if (several ? j->number > w->number : j->number != w->number)
            continue;
        if (several && --w->left && err == 0)
            continue;
        w->err = err;
        DL_DELETE(f->waiters, w);
        DL_APPEND(*ended, w);
    }
    HASH_DEL(f->jobs, j);
    job_free(j);
}

/* Nothing can be had from the source any more; there may be another one soon. */
static bool stall(struct fault *f, struct job *j, int err) {
    if (!f->source.lost || f->closing || (err != -EBADMSG && err != -ENOENT))
        return false;
    j->stalled = true;
    j->stalled_at = env_mono(f->tree->env);
    return true;
}

static void job_ready(void *arg, int err) {
    struct job *j = arg;
    struct tree *t = j->tree;
    struct waiter *ended = NULL;
    if (!t) {
        job_free(j);
        return;
    }
    tree_lock(t);
    struct fault *f = t->fault;
    struct fault_source source = f->source;
    bool lost = stall(f, j, err);
    tree_hold(t);
    if (err == 0) {
        DL_APPEND(f->queue, j);
        kick(f);
    } else if (!lost) {
        end_job(f, j, err, &ended);
    }
    tree_unlock(t);
    if (lost)
        source.lost(source.arg, err);
    call_waiters(t, ended);
    tree_lock(t);
    tree_release(t);
    tree_unlock(t);
}

static void job_ran(void *arg) {
    struct fault *f = arg;
    struct tree *t = f->tree;
    struct waiter *ended = NULL;
    tree_lock(t);
    struct job *j = f->running;
    f->running = NULL;
    f->busy = false;
    int err = j->err;
    bool waits = err == -EINPROGRESS && !f->closing, lost = stall(f, j, err);
    if (!waits && !lost)
        end_job(f, j, f->closing ? -EINTR : err, &ended);
    kick(f);
    struct fault_source source = f->source;
    tree_unlock(t);
    if (waits)
        source.wait(source.arg, job_ready, j);
    else if (lost)
        source.lost(source.arg, err);
    call_waiters(t, ended);
    tree_lock(t);
    tree_release(t);
    tree_unlock(t);
}

/* Under the lock. */
static void kick(struct fault *f) {
    if (f->busy || f->paused || !f->attached || !f->queue || f->closing)
        return;
    f->busy = true;
    f->running = f->queue;
    DL_DELETE(f->queue, f->running);
    tree_hold(f->tree);
    env_work(f->tree->env, run_job, job_ran, f);
}

/* Waiting */

static void ready_at_once(void *arg) {
    struct waiter *w = arg;
    struct waiter *ended = NULL;
    DL_APPEND(ended, w);
    call_waiters(w->tree, ended);
}

static struct waiter *waiter_new(struct tree *t, void (*ready)(void *, int), void *arg) {
    struct waiter *w = xcalloc(1, sizeof *w);
    *w = (struct waiter){.tree = t, .ready = ready, .arg = arg};
    tree_hold(t);
    return w;
}

static void add_waiter(struct tree *t, struct waiter *w, bool waits) {
    if (waits) {
        DL_APPEND(t->fault->waiters, w);
        return;
    }
    w->err = t->closing ? -EINTR : 0;
    env_post(t->env, ready_at_once, w);
}

void fault_wait(struct tree *t, void (*ready)(void *arg, int err), void *arg) {
    struct job *j, *next;
    bool found = false;
    tree_lock(t);
    if (claim_is_noted(t)) {
        claim_wait(t, 0, ready, arg);
        tree_unlock(t);
        return;
    }
    struct waiter *w = waiter_new(t, ready, arg);
    w->number = t->fault && noted.fault == t->fault ? noted.number : 0;
    if (t->fault && !t->fault->closing)
        HASH_ITER(hh, t->fault->jobs, j, next) {
            found |= j->number == w->number;
        }
    add_waiter(t, w, found);
    tree_unlock(t);
}

void fault_wait_later(struct tree *t, void (*ready)(void *arg, int err), void *arg) {
    struct waiter *w = waiter_new(t, ready, arg);
    if (t->fault && !t->fault->closing) {
        w->number = t->fault->number;
        w->left = HASH_COUNT(t->fault->jobs);
    }
    add_waiter(t, w, w->left > 0);
}

void fault_wait_all(struct tree *t, void (*ready)(void *arg, int err), void *arg) {
    tree_lock(t);
    fault_wait_later(t, ready, arg);
    tree_unlock(t);
}

struct blocked {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
    int err;
};

static void unblock(void *arg, int err) {
    struct blocked *b = arg;
    SCOPE_LOCK(&b->mutex);
    b->err = err;
    b->done = true;
    pthread_cond_signal(&b->cond);
}

int fault_wait_here(struct tree *t) {
    struct blocked b = {.done = false};
    pthread_mutex_init(&b.mutex, NULL);
    pthread_cond_init(&b.cond, NULL);
    fault_wait_all(t, unblock, &b);
    pthread_mutex_lock(&b.mutex);
    while (!b.done)
        pthread_cond_wait(&b.cond, &b.mutex);
    pthread_mutex_unlock(&b.mutex);
    pthread_mutex_destroy(&b.mutex);
    pthread_cond_destroy(&b.cond);
    return b.err;
}

/* Beginning and ending */

static void fault_make(struct tree *t) {
    if (t->fault)
        return;
    t->fault = xcalloc(1, sizeof *t->fault);
    t->fault->tree = t;
    t->fault->ahead = fault_ahead_new();
}

void fault_open(struct tree *t) {
    if (db_meta_int(&t->db, "base", 0))
        fault_make(t);
}

int fault_begin(struct tree *t) {
    int r = db_run(&t->db, STMT_C_HERE_CLEAR, "");
    if (r == 0)
        r = db_run(&t->db, STMT_C_ABSENT_CLEAR, "");
    return r < 0 ? r : db_meta_set_int(&t->db, "base", 1);
}

void fault_attach(struct tree *t, const struct fault_source *source) {
    tree_lock(t);
    fault_make(t);
    t->fault->source = *source;
    t->fault->attached = true;
    kick(t->fault);
    tree_unlock(t);
}

static void call_ended(void *arg) {
    struct waiter *w = arg;
    call_waiters(w->tree, w);
}

/* One that the source was asked to wait for is its own master from now on. */
static void forget_job(struct fault *f, struct job *j) {
    struct job *queued;
    HASH_DEL(f->jobs, j);
    DL_SEARCH_SCALAR(f->queue, queued, number, j->number);
    if (queued)
        DL_DELETE(f->queue, j);
    if (queued || j->stalled)
        job_free(j);
    else
        j->tree = NULL;
}

/* A job that a worker is at ends when it comes back. */
static void forget_all(struct fault *f, int err) {
    struct job *j, *next;
    struct waiter *w;
    HASH_ITER(hh, f->jobs, j, next) {
        if (j != f->running)
            forget_job(f, j);
    }
    DL_FOREACH(f->waiters, w) {
        w->err = err;
    }
    if (f->waiters)
        env_post(f->tree->env, call_ended, f->waiters);
    f->waiters = NULL;
}

void fault_close(struct tree *t) {
    if (!t->fault)
        return;
    t->fault->closing = true;
    forget_all(t->fault, -EINTR);
}

/* Another source */

bool fault_pause(struct tree *t) {
    if (!t->fault)
        return true;
    t->fault->paused = true;
    return !t->fault->busy;
}

void fault_resume(struct tree *t) {
    if (!t->fault)
        return;
    t->fault->paused = false;
    kick(t->fault);
}

void fault_wanted(struct tree *t, void (*each)(void *arg, uint64_t ino, bool is_dir), void *arg) {
    struct job *j, *next;
    if (t->fault)
        HASH_ITER(hh, t->fault->jobs, j, next) {
            each(arg, j->key.ino, j->key.is_dir);
        }
}

void fault_replace(struct tree *t, const struct fault_source *source) {
    struct fault *f = t->fault;
    struct job *j, *next, *again = NULL;
    HASH_ITER(hh, f->jobs, j, next) {
        struct job *new = job_new(t, &j->key, j->number);
        forget_job(f, j);
        DL_APPEND(again, new);
    }
    DL_FOREACH_SAFE(again, j, next) {
        DL_DELETE(again, j);
        HASH_ADD(hh, f->jobs, key, sizeof j->key, j);
        DL_APPEND(f->queue, j);
    }
    fault_ahead_free(f->ahead); /* what it knows of the old one */
    f->ahead = fault_ahead_new();
    f->source = *source;
    f->attached = true;
    f->paused = false;
    kick(f);
}

void fault_end(struct tree *t, struct fault *f) {
    forget_all(f, t->closing ? -EINTR : 0);
    fault_free(f);
}

void fault_give_up(struct tree *t, int64_t before, int err) {
    struct waiter *ended = NULL;
    struct job *j, *next;
    if (!t->fault)
        return;
    HASH_ITER(hh, t->fault->jobs, j, next) {
        if (j->stalled && j->stalled_at <= before)
            end_job(t->fault, j, err, &ended);
    }
    if (ended)
        env_post(t->env, call_ended, ended);
}

struct fault *fault_free(struct fault *f) {
    if (f)
        fault_ahead_free(f->ahead);
    free(f);
    return NULL;
}
