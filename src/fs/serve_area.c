/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/serve_area.h"
#include "base/digest.h"
#include "store/open.h"
#include "tree/area_set.h"
#include "tree/area_trial.h"
#include "tree/fault.h"
#include "tree/names.h"
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <utlist.h>

/* Files on their way at once: enough to keep the uploader busy, few enough to be seen through when somebody stops. */
#define MOVING_MAX 64
#define STEP_NS (200 * NS_PER_MS)
/* So long without a file that arrives, while uploads are refused, and it is said. */
#define STUCK_NS (10 * NS_PER_S)

/* What is waited for, each by itself. */
struct one {
    struct waiting *all;
    struct tree_wait *wait;
    bool done; /* guarded by mutex */
    struct one *prev, *next;
};

struct waiting {
    struct serve *serve;
    struct one *list; /* the connection's thread alone, but for `done` */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t left;         /* guarded by mutex: not done */
    uint64_t arrived;    /* guarded by mutex */
    bool cancelled;      /* guarded by mutex */
    int64_t last;        /* when one arrived, or was begun */
};

static void waiting_init(struct waiting *w, struct serve *v) {
    pthread_condattr_t attr;
    *w = (struct waiting){.serve = v, .last = env_mono(v->session->env)};
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&w->mutex, NULL);
}

static void one_done(void *arg, int err) {
    struct one *o = arg;
    SCOPE_LOCK(&o->all->mutex);
    o->done = true;
    o->all->left--;
    o->all->arrived += err == 0;
    pthread_cond_signal(&o->all->changed);
}

static struct one *one_new(struct waiting *w) {
    struct one *o = xcalloc(1, sizeof *o);
    o->all = w;
    DL_APPEND(w->list, o);
    SCOPE_LOCK(&w->mutex);
    w->left++;
    return o;
}

/* It was not to be waited for. */
static void one_drop(struct waiting *w, struct one *o) {
    DL_DELETE(w->list, o);
    free(o);
    SCOPE_LOCK(&w->mutex);
    w->left--;
}

static void sweep(struct waiting *w) {
    struct one *o, *next;
    DL_FOREACH_SAFE (w->list, o, next) {
        pthread_mutex_lock(&w->mutex);
        bool done = o->done;
        pthread_mutex_unlock(&w->mutex);
        if (!done)
            continue;
        w->last = env_mono(w->serve->session->env);
        DL_DELETE(w->list, o);
        free(o);
    }
}

/* Waits a moment, or until no more than n are left. */
static size_t wait_step(struct waiting *w, size_t n) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t sum = until.tv_nsec + STEP_NS;
    until.tv_sec += sum / NS_PER_S;
    until.tv_nsec = sum % NS_PER_S;
    SCOPE_LOCK(&w->mutex);
    if (w->left > n)
        pthread_cond_timedwait(&w->changed, &w->mutex, &until);
    return w->left;
}

/* On the loop, where waits end: those that have not yet will not. */
static void cancel(void *arg) {
    struct waiting *w = arg;
    struct one *o;
    DL_FOREACH (w->list, o) {
        pthread_mutex_lock(&w->mutex);
        bool done = o->done;
        pthread_mutex_unlock(&w->mutex);
        if (!done && o->wait)
            tree_sync_cancel(w->serve->session->tree, o->wait);
    }
    SCOPE_LOCK(&w->mutex);
    w->cancelled = true;
    pthread_cond_signal(&w->changed);
}

static void waiting_end(struct waiting *w) {
    struct one *o, *next;
    if (w->list) {
        env_post(w->serve->session->env, cancel, w);
        SCOPE_LOCK(&w->mutex);
        while (!w->cancelled)
            pthread_cond_wait(&w->changed, &w->mutex);
    }
    DL_FOREACH_SAFE (w->list, o, next) {
        DL_DELETE(w->list, o);
        free(o);
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
}

/* Why something does not get into the bucket, malloc'd, or NULL. */
static char *reason_of(struct serve *v) {
    struct tree_status st;
    tree_status(v->session->tree, &st);
    const char *why = st.stuck_reason ? st.stuck_reason : st.reason;
    char *copy = why ? xstrdup(why) : NULL;
    tree_status_free(&st);
    return copy;
}

/* A word as area_quote() writes it, off *at; malloc'd, NULL: it is none. */
static char *take_word(const char **at) {
    size_t n = strcspn(*at, " ");
    CLEANUP_FREE char *word = xstrndup(*at, n);
    char *out = word;
    for (const char *p = word; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '%') {
            char hex[3] = {p[1], p[1] ? p[2] : '\0', '\0'};
            if (hex_decode(hex, &c, 1) < 0 || !c)
                return NULL;
            p += 2;
        }
        *out++ = (char)c;
    }
    *out = '\0';
    *at += n + ((*at)[n] == ' ');
    return STEAL_PTR(&word);
}

/* Setting */

static void wait_durable(struct serve *v, struct waiting *w, struct control_reply *reply, bool *ret_gone) {
    int64_t until = env_mono(v->session->env) + v->session->opt->fsync_timeout;
    while (wait_step(w, 0) > 0 && env_mono(v->session->env) < until && !*ret_gone)
        *ret_gone = !control_say(reply, "progress 0 0");
}

/* An object is put by the rule that was set. Who comes second, the answer or the connection that does not wait for it any more, frees this. */
struct trial {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool answered, left; /* guarded by mutex, as the rest */
    int err;
    char *why;
};

static void trial_free(struct trial *x) {
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->mutex);
    free(x->why);
    free(x);
}

static void trial_answered(void *arg, int err, const char *why) {
    struct trial *x = arg;
    pthread_mutex_lock(&x->mutex);
    bool left = x->left;
    x->answered = true;
    x->err = err;
    x->why = why ? xstrdup(why) : NULL;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->mutex);
    if (left)
        trial_free(x);
}

/* A moment. */
static bool trial_wait(struct trial *x) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t sum = until.tv_nsec + STEP_NS;
    until.tv_sec += sum / NS_PER_S;
    until.tv_nsec = sum % NS_PER_S;
    SCOPE_LOCK(&x->mutex);
    if (!x->answered)
        pthread_cond_timedwait(&x->changed, &x->mutex, &until);
    return x->answered;
}

/* Why what is put by the rule is refused, malloc'd; NULL: it is not, or nobody can say just now. */
static char *try_rule(struct serve *v, const char *path, struct control_reply *reply) {
    struct trial *x = xcalloc(1, sizeof *x);
    pthread_mutex_init(&x->mutex, NULL);
    pthread_cond_init(&x->changed, NULL);
    if (tree_area_try(v->session->tree, path, trial_answered, x) < 0) {
        trial_free(x);
        return NULL;
    }
    while (!trial_wait(x))
        if (!control_say(reply, "progress 0 0")) {
            pthread_mutex_lock(&x->mutex);
            bool answered = x->answered;
            x->left = true;
            pthread_mutex_unlock(&x->mutex);
            if (answered)
                trial_free(x);
            return NULL;
        }
    bool trouble = x->err == 0 || x->err == -EIO || x->err == -ETIMEDOUT;
    char *why = trouble ? NULL : xstrdup(x->why ? x->why : strerror(-x->err));
    trial_free(x);
    return why;
}

/* It is in the bucket. */
static void tell_set(struct serve *v, const char *path, const char *note, bool try, struct control_reply *reply) {
    CLEANUP_FREE char *refused = try && store_is_s3(v->session->opt) ? try_rule(v, path, reply) : NULL;
    if (refused)
        control_say(reply, "left 0 0 the rule holds from now on, but an object put by it was refused, and files wait until that is mended: %s%s%s", refused, note ? "; " : "", note ? note : "");
    else
        control_say(reply, "done%s%s", note ? " " : "", note ? note : "");
}

static void serve_set(struct serve *v, const char *args, bool remove, struct control_reply *reply) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    CLEANUP_FREE char *path = take_word(&args), *note = NULL;
    struct tree *t = v->session->tree;
    struct waiting w;
    bool gone = false;
    if (!path) {
        control_say(reply, "error that is not a path");
        return;
    }
    int r = tree_area_set(t, path, remove ? NULL : args, &note, &why);
    if (r < 0) {
        control_say(reply, "error %s", buf_str(&why));
        return;
    }
    waiting_init(&w, v);
    struct one *o = one_new(&w);
    if (!(o->wait = tree_state_sync(t, one_done, o)))
        one_drop(&w, o);
    wait_durable(v, &w, reply, &gone);
    sweep(&w);
    bool durable = !w.list;
    waiting_end(&w);
    CLEANUP_FREE char *reason = durable ? NULL : reason_of(v);
    if (!durable)
        control_say(reply, "left 0 0 the rule holds here, and is not in the bucket yet%s%s", reason ? ": " : "", reason ? reason : "");
    else if (!tree_area_is(t, path, remove ? NULL : args))
        control_say(reply, "error another host has set a rule at the same time that this one contradicts: see assetfs area list, and the log");
    else
        tell_set(v, path, note, !remove, reply);
}

/* Listing */

struct listing {
    struct buf text; /* a line a rule: it is made under the lock, and sent after it */
    bool json;
};

static void list_one(void *arg, const struct area *a) {
    struct listing *l = arg;
    if (l->json) {
        area_json(a, &l->text);
    } else {
        area_quote(*a->path ? a->path : "/", &l->text);
        buf_append_byte(&l->text, ' ');
        area_words(a, &l->text);
    }
    buf_append_byte(&l->text, '\n');
}

static void serve_list(struct serve *v, bool json, struct control_reply *reply) {
    struct listing l = {.text = BUF_INIT((size_t)64 << 20), .json = json};
    tree_area_list(v->session->tree, list_one, &l);
    char *save = NULL, *text = (char *)buf_take(&l.text, &(size_t){0});
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
        control_say(reply, json ? "%s" : "text %s", line);
    control_say(reply, text ? "done" : "error the rules do not fit");
    free(text);
}

/* Applying */

struct apply {
    struct waiting w;
    struct control_reply *reply;
    uint64_t seen, moved;
    int err;
    char *why; /* malloc'd */
};

/* Says how far it is, and finds out whether it goes on. */
static bool go_on(struct apply *a) {
    struct env *env = a->w.serve->session->env;
    struct tree_status st;
    sweep(&a->w);
    if (!control_say(a->reply, "progress %" PRIu64 " %" PRIu64, a->seen, a->moved)) {
        a->err = -EPIPE;
        return false;
    }
    if (!a->w.list || env_mono(env) - a->w.last < STUCK_NS)
        return true;
    tree_status(a->w.serve->session->tree, &st);
    if (st.stuck_files || st.offline || st.read_only) {
        const char *why = st.stuck_reason ? st.stuck_reason : st.reason;
        a->why = xstrdup(why ? why : "nothing gets into the bucket");
        a->err = -EIO;
    }
    tree_status_free(&st);
    return !a->err;
}

static bool wait_for_room(struct apply *a, size_t n) {
    while (wait_step(&a->w, n) > n)
        if (!go_on(a))
            return false;
    return go_on(a);
}

/* Rows that are not here yet are fetched, and the call is made again. */
#define HERE(t, r, call)                                                                                                           \
    do {                                                                                                                           \
        (r) = (call);                                                                                                              \
    } while ((r) == -EINPROGRESS && ((r) = fault_wait_here(t)) == 0)

static void apply_one(struct apply *a, uint64_t ino) {
    struct tree *t = a->w.serve->session->tree;
    struct one *o = one_new(&a->w);
    int r;
    HERE(t, r, tree_area_apply(t, ino, one_done, o, &o->wait));
    a->seen++;
    a->moved += r == 1;
    a->w.last = r == 1 ? env_mono(a->w.serve->session->env) : a->w.last;
    if (!o->wait)
        one_drop(&a->w, o);
    if (r < 0)
        a->err = r;
}

/* Inodes still to be looked at; of a directory what is in it. */
struct todo {
    uint64_t *v;
    size_t n, cap;
};

static void push(struct todo *l, uint64_t ino) {
    if (l->n == l->cap) {
        l->cap = MAX(64, 2 * l->cap);
        l->v = xrealloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = ino;
}

struct lists {
    struct todo dirs, files;
};

static bool take_entry(void *arg, const struct names_entry *e) {
    struct lists *l = arg;
    if (S_ISDIR(e->type))
        push(&l->dirs, e->ino);
    else if (S_ISREG(e->type))
        push(&l->files, e->ino);
    return true;
}

static int look_into(struct tree *t, uint64_t dir, struct lists *l) {
    size_t dirs = l->dirs.n;
    uint64_t above;
    int r;
    do {
        l->dirs.n = dirs;
        l->files.n = 0;
        r = names_list(t, dir, take_entry, l, &above);
    } while (r == -EINPROGRESS && (r = fault_wait_here(t)) == 0);
    return r == -ESTALE || r == -ENOENT ? 0 : r; /* removed meanwhile */
}

static void apply_all(struct apply *a, uint64_t dir) {
    struct lists l = {0};
    push(&l.dirs, dir);
    while (l.dirs.n && !a->err) {
        a->err = look_into(a->w.serve->session->tree, l.dirs.v[--l.dirs.n], &l);
        for (size_t i = 0; i < l.files.n && !a->err; i++)
            if (wait_for_room(a, MOVING_MAX - 1))
                apply_one(a, l.files.v[i]);
    }
    free(l.dirs.v);
    free(l.files.v);
    if (!a->err)
        wait_for_room(a, 0);
}

/* The directory or file at a path of the mount. */
static int find_path(struct tree *t, const char *path, struct attr *ret) {
    int r = names_getattr(t, 1, ret);
    while (r == 0 && *path) {
        size_t n = strcspn(path, "/");
        if (n)
            HERE(t, r, names_lookup(t, ret->ino, path, n, ret));
        path += n + (path[n] == '/');
    }
    return r;
}

static void serve_apply(struct serve *v, const char *args, struct control_reply *reply) {
    CLEANUP_FREE char *path = take_word(&args);
    struct attr at;
    struct apply a = {.reply = reply};
    int r = path ? find_path(v->session->tree, path, &at) : -EINVAL;
    if (r < 0) {
        control_say(reply, "error %s: %s", path ? path : "that is not a path", strerror(-r));
        return;
    }
    waiting_init(&a.w, v);
    if (S_ISDIR(at.mode))
        apply_all(&a, at.ino);
    else if ((apply_one(&a, at.ino), !a.err))
        wait_for_room(&a, 0);
    waiting_end(&a.w);
    if (a.err == -EROFS)
        control_say(reply, "error the volume cannot be changed from here: %s", strerror(EROFS));
    else if (a.err)
        control_say(reply, "error %" PRIu64 " of %" PRIu64 " files were to be moved when it ended: %s; what was begun goes on by itself, and the same command goes on with the rest", a.moved,
                    a.seen, a.why ? a.why : strerror(-a.err));
    else
        control_say(reply, "done %" PRIu64 " %" PRIu64, a.seen, a.moved);
    free(a.why);
}

void serve_area(struct serve *v, const char *args, struct control_reply *reply) {
    if (!strcmp(args, "list") || !strcmp(args, "list json"))
        serve_list(v, strlen(args) > 4, reply);
    else if (!strncmp(args, "set ", 4))
        serve_set(v, args + 4, false, reply);
    else if (!strncmp(args, "remove ", 7))
        serve_set(v, args + 7, true, reply);
    else if (!strncmp(args, "apply ", 6))
        serve_apply(v, args + 6, reply);
    else
        control_say(reply, "error unknown request: area %.100s", args);
}
