/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/uploader.h"
#include "net/retry.h"
#include <utlist.h>

/* When one job fails, the others probably would, too. So after a failure nothing new begins until the gate
 * opens (exponential in the failures since the last success), and then one job at a time until something
 * succeeds. Urgent jobs pass the gate. What is only one object's fault (-EINVAL, -EBADMSG), or one that
 * is there and cannot be read yet (-ENOENT), shuts no gate. */
#define ALTERNATIVES 16
/* An object that a put was told of and that cannot be read yet (a CDN remembers that it was not there) is
 * looked for so often before it is put again. */
#define CHECKS 8
/* How much of an object is fetched at once to be hashed: small, for it is hashed on the loop. */
#define VERIFY_SIZE (2 * BLOCK_SIZE)
#define DIGESTS_OBJECT_MAX ((size_t)1 << 30)
#define REASON_MAX 1024

enum upload_state { QUEUED, RUNNING, WAITING, CANCELLED };
enum upload_phase { PUT_DIGESTS, CHECK_DIGESTS, PUT_OBJECT, CHECK_OBJECT };

/* In the list of its state; only RUNNING and what it does is the loop's alone. */
struct upload {
    struct upload *prev, *next;
    struct uploader *uploader;
    enum upload_state state;   /* guarded by lock */
    bool urgent, cancelled;    /* guarded by lock */
    struct upload_request req; /* strings and digests are ours */
    struct env_timer timer;    /* the end of WAITING */

    /* The loop's. */
    enum upload_phase phase;
    unsigned alternative;
    unsigned failures;
    unsigned checks; /* in vain, since the last put */
    char *key;
    char *digests_key;
    struct buf sealed; /* the digests object */
    struct store_put put;
    struct digest_stream *check;
    int stuck_err; /* what was reported */
    char *stuck;   /* its reason; NULL: not stuck */
};

struct uploader {
    struct uploader_config cfg;
    unsigned parallel;
    _Atomic unsigned refs; /* the caller's, one a posted kick, one while it works on the loop */

    pthread_mutex_t lock;
    /* guarded by lock */
    struct upload *lists[CANCELLED + 1]; /* by state; QUEUED: urgent ones first */
    unsigned running;
    unsigned failures; /* since the last success */
    int64_t gate;      /* mono; nothing that is not urgent begins before */
    bool kicked, closed;
    bool cancels; /* whatever is submitted, too */
    struct env_timer gate_timer;
};

static void kick(struct uploader *);
static void step(struct upload *);

static void uploader_unref(struct uploader *u) {
    if (atomic_fetch_sub(&u->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&u->lock);
    free((char *)u->cfg.prefix);
    free(u);
}

/* Lock held. An urgent job goes behind the urgent ones. */
static void move_to(struct upload *j, enum upload_state state) {
    struct uploader *u = j->uploader;
    DL_DELETE(u->lists[j->state], j);
    u->running -= j->state == RUNNING;
    u->running += state == RUNNING;
    j->state = state;
    struct upload *after = NULL;
    if (state == QUEUED && j->urgent)
        DL_FOREACH (u->lists[QUEUED], after) {
            if (!after->urgent)
                break;
        }
    if (after)
        DL_PREPEND_ELEM(u->lists[QUEUED], after, j);
    else
        DL_APPEND(u->lists[state], j);
}

static void upload_free(struct upload *j) {
    spool_unref(j->req.file);
    free((uint8_t *)j->req.digests);
    free((char *)j->req.key);
    free((char *)j->req.content_type);
    keep_unref(j->req.keep);
    free(j->key);
    free(j->digests_key);
    buf_free(&j->sealed);
    digest_stream_free(j->check);
    free(j->stuck);
    free(j);
}

static void tell_stuck(struct upload *j, int err, const char *reason) {
    if (reason ? j->stuck && err == j->stuck_err && strcmp(j->stuck, reason) == 0 : !j->stuck)
        return;
    free(j->stuck);
    j->stuck_err = err;
    j->stuck = reason ? xstrndup(reason, REASON_MAX) : NULL;
    if (j->req.stuck)
        j->req.stuck(j->req.arg, err, j->stuck);
}

/* On the loop. The end of a job. Who learns of it may free the uploader at once, in another thread. */
static void finish(struct upload *j, int err) {
    struct uploader *u = j->uploader;
    atomic_fetch_add(&u->refs, 1);
    {
        SCOPE_LOCK(&u->lock);
        u->running -= j->state == RUNNING;
        DL_DELETE(u->lists[j->state], j);
        if (err == 0) {
            u->failures = 0;
            u->gate = 0;
        }
    }
    env_timer_cancel(u->cfg.env, &j->timer);
    if (err == 0)
        tell_stuck(j, 0, NULL);
    j->req.done(j->req.arg, err, j->key);
    upload_free(j);
    kick(u);
    uploader_unref(u);
}

/* On the loop, when an operation of j's has come back: whether j is still wanted. */
static bool wanted(struct upload *j) {
    bool cancelled;
    {
        SCOPE_LOCK(&j->uploader->lock);
        cancelled = j->cancelled;
    }
    if (cancelled)
        finish(j, -ECANCELED);
    return !cancelled;
}

static void waited(void *arg) {
    struct upload *j = arg;
    {
        SCOPE_LOCK(&j->uploader->lock);
        if (j->state == WAITING)
            move_to(j, QUEUED);
    }
    kick(j->uploader);
}

/* j failed and is tried again, from `phase` on. why: one sentence, or NULL. */
static void try_again(struct upload *j, enum upload_phase phase, int err, const char *why) {
    struct uploader *u = j->uploader;
    uint64_t random[2];
    int64_t now = env_mono(u->cfg.env);
    env_random(u->cfg.env, random, sizeof random);
    bool changed =
        err == -EBADMSG; /* it may be the memory that was wrong; so it is tried again, but not soon */
    if (changed || retry_classify(err) == RETRY_REFUSED)
        tell_stuck(j, changed ? -EIO : err, why ? why : strerror(-err));
    j->phase = phase;
    j->failures++;
    {
        SCOPE_LOCK(&u->lock);
        if (err != -EINVAL && err != -EBADMSG && err != -ENOENT) {
            u->failures++;
            u->gate = now + retry_wait(&retry_upload, -EIO, u->failures, random[0]);
        }
        move_to(j, j->cancelled ? CANCELLED : WAITING);
        j->timer.fn = waited;
        j->timer.arg = j;
        if (j->state == WAITING)
            env_timer_set(u->cfg.env, &j->timer,
                          now + retry_wait(&retry_upload, changed ? -EINVAL : err, j->failures, random[1]));
    }
    kick(u);
}

/* The store has answered as it should, -EEXIST included; the job may still be as stuck as before. */
static void go_on(struct upload *j, enum upload_phase phase) {
    struct uploader *u = j->uploader;
    {
        SCOPE_LOCK(&u->lock);
        u->failures = 0;
        u->gate = 0;
    }
    j->phase = phase;
    step(j);
}

/* "a/b.jpg", 2 -> "a/b-2.jpg". A dot that begins the name begins no extension. */
static char *alternative_key(const char *key, unsigned n) {
    const char *name = strrchr(key, '/');
    name = name ? name + 1 : key;
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name)
        dot = key + strlen(key);
    return xasprintf("%.*s-%u%s", (int)(dot - key), key, n, dot);
}

/* The key is somebody else's: the next one. */
static void next_key(struct upload *j) {
    free(j->key);
    if (j->alternative == ALTERNATIVES) {
        j->alternative = 0;
        j->key = xstrdup(j->req.key);
        try_again(j, PUT_OBJECT, -EACCES,
                  "other objects stand at this file's key and at all its alternatives");
        return;
    }
    j->key = alternative_key(j->req.key, ++j->alternative);
    go_on(j, PUT_OBJECT);
}

/* The answer to a range of the object that stands at the key. */
static void object_got(void *arg, const struct store_got *got) {
    struct upload *j = arg;
    if (!wanted(j))
        return;
    if (got->err < 0 && got->err != -ERANGE) {
        try_again(j, ++j->checks < CHECKS ? CHECK_OBJECT : PUT_OBJECT, got->err, got->why);
        return;
    }
    uint64_t have = digest_stream_bytes(j->check), left = j->req.size - have;
    if (got->err == -ERANGE || got->total != j->req.size || got->len > left) {
        next_key(j);
        return;
    }
    if (got->len == 0) {
        try_again(j, PUT_OBJECT, -EIO, NULL);
        return;
    }
    digest_stream_update(j->check, got->data, got->len);
    if (got->len < left) {
        step(j);
        return;
    }
    uint8_t id[DIGEST_SIZE], *blocks;
    size_t n;
    digest_stream_final(j->check, id, &blocks, &n);
    free(blocks);
    j->check = digest_stream_free(j->check);
    if (memcmp(id, j->req.id, sizeof id) == 0)
        finish(j, 0);
    else
        next_key(j);
}

static void check_object(struct upload *j) {
    struct store *s = j->uploader->cfg.reader;
    if (!j->check)
        j->check = digest_stream_new();
    uint64_t have = digest_stream_bytes(j->check), left = j->req.size - have;
    uint64_t len = MIN(MIN(left, VERIFY_SIZE), s->get_size ? s->get_size : VERIFY_SIZE);
    store_get_range(s, j->key, have, len, STORE_FRESH, object_got, j);
}

static void object_put(void *arg, int err, const char *why) {
    struct upload *j = arg;
    struct uploader_config *cfg = &j->uploader->cfg;
    if (!wanted(j))
        return;
    if (err == 0 || (err == -EEXIST && cfg->trust && cfg->trust(cfg->arg, j->req.id, j->key)))
        finish(j, 0);
    else if (err == -EEXIST)
        go_on(j, CHECK_OBJECT);
    else
        try_again(j, PUT_OBJECT, err, why);
}

static void put_object(struct upload *j) {
    j->check = digest_stream_free(j->check);
    j->checks = 0;
    j->put = (struct store_put){.key = j->key,
                                .fd = spool_fd(j->req.file),
                                .size = j->req.size,
                                .content_type = j->req.content_type,
                                .keep = j->req.keep};
    memcpy(j->put.sha256, j->req.id, sizeof j->put.sha256);
    j->put.n_parts = spool_part_digests(j->req.file, &j->put.parts, &j->put.part_size);
    store_put_if_absent(j->uploader->cfg.writer, &j->put, object_put, j);
}

static void keep_digests(struct upload *j, const void *sealed, size_t n) {
    struct reader *keeper = j->uploader->cfg.digests_keeper;
    if (keeper)
        reader_keep_digests(keeper, j->req.id, sealed, n); /* where it cannot be kept it will be fetched */
    buf_free(&j->sealed);
    j->failures = 0;
    tell_stuck(j, 0, NULL);
    go_on(j, PUT_OBJECT);
}

/* What stands at the digests object's key: 0 if it says what ours would. */
static int compare_digests(struct upload *j, const void *p, size_t n) {
    CLEANUP_BUF struct buf plain = BUF_INIT(DIGESTS_OBJECT_MAX);
    uint8_t sum[DIGEST_SIZE], *blocks = NULL;
    digest_of(j->req.digests, j->req.n_digests * DIGEST_SIZE, sum);
    struct content *c = content_new(j->req.id, j->req.size, j->key, NULL, sum);
    int r = unseal(j->uploader->cfg.keys, j->digests_key, p, n, &plain);
    if (r == 0)
        r = digests_parse(c, plain.data, plain.len, &blocks);
    free(blocks);
    content_unref(c);
    return r;
}

static void digests_got(void *arg, const struct store_got *got) {
    struct upload *j = arg;
    if (!wanted(j))
        return;
    if (got->err < 0) {
        try_again(j, PUT_DIGESTS, got->err, got->why);
        return;
    }
    int r = got->len == got->total ? compare_digests(j, got->data, got->len) : -EIO;
    if (r == 0)
        keep_digests(j, got->data, got->len);
    else if (r == -EIO)
        try_again(j, PUT_DIGESTS, r, NULL);
    else
        try_again(
            j, PUT_DIGESTS, -EACCES,
            r == -ENOKEY
                ? "the block digests of this content are sealed under a key that this host does not have"
                : "an object that is not this volume's stands where the block digests of this content "
                  "belong");
}

static void digests_put(void *arg, int err, const char *why) {
    struct upload *j = arg;
    if (!wanted(j))
        return;
    if (err == 0)
        keep_digests(j, j->sealed.data, j->sealed.len);
    else if (err == -EEXIST)
        go_on(j, CHECK_DIGESTS);
    else
        try_again(j, PUT_DIGESTS, err, why);
}

static int seal_digests(struct upload *j) {
    CLEANUP_BUF struct buf plain = BUF_INIT(DIGESTS_OBJECT_MAX);
    uint8_t salt[SEAL_SALT_SIZE];
    env_random(j->uploader->cfg.env, salt, sizeof salt);
    int r = digests_build(j->req.id, j->req.size, j->req.digests, j->req.n_digests, &plain);
    buf_free(&j->sealed);
    j->sealed = BUF_INIT(DIGESTS_OBJECT_MAX);
    return r < 0 ? r : seal(j->uploader->cfg.keys, salt, j->digests_key, plain.data, plain.len, &j->sealed);
}

static void put_digests(struct upload *j) {
    if (!j->digests_key)
        j->digests_key = digests_key(j->uploader->cfg.prefix, j->req.id);
    int r = j->sealed.len ? 0 : seal_digests(j);
    if (r < 0) {
        try_again(j, PUT_DIGESTS, -EINVAL, "the block digests could not be sealed");
        return;
    }
    j->put =
        (struct store_put){.key = j->digests_key, .bytes = j->sealed.data, .fd = -1, .size = j->sealed.len};
    digest_of(j->sealed.data, j->sealed.len, j->put.sha256);
    store_put_if_absent(j->uploader->cfg.writer, &j->put, digests_put, j);
}

static void step(struct upload *j) {
    switch (j->phase) {
    case PUT_DIGESTS:
        put_digests(j);
        break;
    case CHECK_DIGESTS:
        store_get_range(j->uploader->cfg.reader, j->digests_key, 0, 0, STORE_FRESH, digests_got, j);
        break;
    case PUT_OBJECT:
        put_object(j);
        break;
    case CHECK_OBJECT:
        check_object(j);
        break;
    }
}

/* The next job that may begin now, or that was cancelled; NULL: none. */
static struct upload *take(struct uploader *u) {
    SCOPE_LOCK(&u->lock);
    struct upload *j = u->lists[CANCELLED];
    if (j || u->closed)
        return u->closed ? NULL : j;
    j = u->lists[QUEUED];
    if (!j || u->running >= (u->failures && !j->urgent ? 1 : u->parallel))
        return NULL;
    if (!j->urgent && u->gate > env_mono(u->cfg.env)) {
        env_timer_set(u->cfg.env, &u->gate_timer, u->gate);
        return NULL;
    }
    move_to(j, RUNNING);
    return j;
}

/* On the loop. */
static void run(struct uploader *u) {
    for (struct upload *j; (j = take(u));) {
        if (j->state == CANCELLED)
            finish(j, -ECANCELED);
        else
            step(j);
    }
}

static void kicked(void *arg) {
    struct uploader *u = arg;
    {
        SCOPE_LOCK(&u->lock);
        u->kicked = false;
    }
    run(u);
    uploader_unref(u);
}

static void gate_open(void *arg) {
    struct uploader *u = arg;
    atomic_fetch_add(&u->refs, 1);
    run(u);
    uploader_unref(u);
}

static void kick(struct uploader *u) {
    {
        SCOPE_LOCK(&u->lock);
        if (u->kicked || u->closed || (!u->lists[QUEUED] && !u->lists[CANCELLED]))
            return;
        u->kicked = true;
    }
    atomic_fetch_add(&u->refs, 1);
    env_post(u->cfg.env, kicked, u);
}

struct uploader *uploader_new(const struct uploader_config *cfg) {
    struct uploader *u = xcalloc(1, sizeof *u);
    u->cfg = *cfg;
    u->cfg.prefix = xstrdup(cfg->prefix);
    u->parallel = cfg->parallel ? cfg->parallel : MAX(cfg->writer->parallel_puts, 1);
    u->gate_timer.fn = gate_open;
    u->gate_timer.arg = u;
    atomic_init(&u->refs, 1);
    pthread_mutex_init(&u->lock, NULL);
    return u;
}

/* The environment may be gone already; then no timer is armed. */
static void disarm(struct uploader *u, struct env_timer *t) {
    if (t->armed)
        env_timer_cancel(u->cfg.env, t);
}

struct uploader *uploader_free(struct uploader *u) {
    if (!u)
        return NULL;
    struct upload *all = NULL;
    {
        SCOPE_LOCK(&u->lock);
        u->closed = true;
        for (int i = 0; i <= CANCELLED; i++)
            DL_CONCAT(all, u->lists[i]);
        memset(u->lists, 0, sizeof u->lists);
    }
    disarm(u, &u->gate_timer);
    for (struct upload *j = all, *next; j; j = next) {
        next = j->next;
        disarm(u, &j->timer);
        j->req.done(j->req.arg, -ECANCELED, j->key);
        upload_free(j);
    }
    uploader_unref(u);
    return NULL;
}

struct upload *uploader_submit(struct uploader *u, const struct upload_request *req) {
    struct upload *j = xcalloc(1, sizeof *j);
    bool digests = req->n_digests > CONTENT_INLINE_BLOCKS;
    j->uploader = u;
    j->req = *req;
    j->req.file = spool_ref(req->file);
    j->req.digests = digests ? xmemdup(req->digests, req->n_digests * DIGEST_SIZE) : NULL;
    j->req.key = xstrdup(req->key);
    j->req.content_type = req->content_type ? xstrdup(req->content_type) : NULL;
    j->req.keep = keep_ref(req->keep);
    j->key = xstrdup(req->key);
    j->urgent = req->urgent;
    j->phase = digests ? PUT_DIGESTS : PUT_OBJECT;
    {
        SCOPE_LOCK(&u->lock);
        j->state = QUEUED;
        DL_APPEND(u->lists[QUEUED], j);
        j->cancelled = u->cancels;
        if (j->cancelled)
            move_to(j, CANCELLED);
        else if (j->urgent)
            move_to(j, QUEUED);
    }
    kick(u);
    return j;
}

void uploader_cancel(struct uploader *u, struct upload *j) {
    {
        SCOPE_LOCK(&u->lock);
        j->cancelled = true;
        if (j->state != RUNNING)
            move_to(j, CANCELLED);
    }
    kick(u);
}

void uploader_cancel_all(struct uploader *u) {
    {
        SCOPE_LOCK(&u->lock);
        struct upload *j, *next;
        u->cancels = true;
        for (int i = 0; i < CANCELLED; i++) {
            DL_FOREACH_SAFE (u->lists[i], j, next) {
                j->cancelled = true;
                if (j->state != RUNNING)
                    move_to(j, CANCELLED);
            }
        }
    }
    kick(u);
}

void uploader_hurry(struct uploader *u, struct upload *j) {
    {
        SCOPE_LOCK(&u->lock);
        j->urgent = true;
        if (j->state == QUEUED || j->state == WAITING)
            move_to(j, QUEUED);
    }
    kick(u);
}

void uploader_retry_now(struct uploader *u) {
    {
        SCOPE_LOCK(&u->lock);
        u->failures = 0;
        u->gate = 0;
        struct upload *j, *next;
        DL_FOREACH_SAFE (u->lists[WAITING], j, next) {
            move_to(j, QUEUED);
        }
    }
    kick(u);
}
