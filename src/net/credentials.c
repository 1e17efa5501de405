/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One look at a time:
 *
 *     credentials_get(), _refused() ── kick() ──▶ look() on a worker ──▶ look_done() on the loop: waits are
 * woken ▲              files, plan, keys        │ └──── somebody wanted another one ──────┘
 */
#include "net/credentials.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/units.h"
#include "net/credentials_fetch.h"
#include "net/retry.h"
#include <utlist.h>

#define WHY_MAX 8192
/* Keys are renewed so many seconds before their end, or when a quarter of their life is left. */
#define RENEW_S 900
/* What still holds for so long is good for a request. */
#define MARGIN_S 5
/* The same keys again, or some that will not last: not asked for more often. */
#define AGAIN_NS (30 * NS_PER_S)
/* A refusal that may have nothing to do with the keys does not make new ones of those that are younger. */
#define YOUNG_NS (60 * NS_PER_S)
#define YOUNGEST_NS (200 * NS_PER_MS)
/* Trouble that has not passed by then is for a person to mend, and shown. */
#define TROUBLES_MAX 3

static const struct retry_policy retry_source = {
    .base_ns = NS_PER_S, .cap_ns = 60 * NS_PER_S, .refused_ns = 10 * NS_PER_S};

struct credentials {
    /* Set once. */
    struct env *env;
    struct aws_environment environment;
    char *fallback_region;
    bool insecure_http;
    struct fetcher fetcher;

    /* The look's. */
    bool loaded, planned;
    struct secret_mark marks[AWS_FILES];
    struct credentials_plan plan;
    char *warned; /* the last warning, so that the same one is not repeated at each look */
    bool exposed_warned[AWS_FILES];

    pthread_mutex_t mutex; /* guards what follows */
    unsigned refs;         /* the owner's and the look's */
    bool stopping;
    bool looking, again;  /* again: another one afterwards */
    bool forced, refetch; /* what that is for: files are read in any case, keys asked for in any case */
    unsigned refused;     /* the generation that this is about: where there are others by then, nobody is asked */
    struct credentials_wait *waits;
    uint64_t n_waits; /* ever */

    struct credential keys; /* access_key NULL: none. expires and generation belong to them */
    char *from;             /* where they came from */
    uint8_t plan_of_keys[DIGEST_SIZE];
    bool remote, stale; /* the keys run out; they had when they were given */
    int64_t renew_s;    /* so many seconds before their end */
    int64_t fetched_at; /* monotonic */
    int err;            /* why there are none, or none that hold */
    char *why;
    unsigned failures;  /* of the source, one after another */
    int64_t not_before; /* monotonic: the source is not asked earlier */
    uint8_t plan_tried[DIGEST_SIZE];
    int64_t skew;
};

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* ---- words */

/* Says it, unless it was the last thing that was said. */
static void warn(struct credentials *c, const char *text) {
    if (same(c->warned, text))
        return;
    free(c->warned);
    c->warned = xstrdup(text);
    log_warning("%s", text);
}

/* One that everybody may read, and which the keys are from. */
static void warn_exposed(struct credentials *c, const struct aws_profile *p) {
    for (enum aws_file i = AWS_CREDENTIALS; i < AWS_FILES; i++) {
        const struct aws_file_profile *f = &p->file[i];
        bool is = f->exposed && (f->value[AWS_ACCESS_KEY_ID] || f->value[AWS_SECRET_ACCESS_KEY]) &&
                  c->plan.of_file[i];
        if (is && !c->exposed_warned[i])
            log_warning("%s holds secrets and can be read by everybody on this machine: chmod 600 %s",
                        c->environment.path[i], c->environment.path[i]);
        c->exposed_warned[i] = is;
    }
}

/* With keys of its own the environment can do without the files, but somebody should know. */
static void warn_unreadable(struct credentials *c, const struct aws_profile *p) {
    CLEANUP_BUF struct buf why = BUF_INIT(WHY_MAX), text = BUF_INIT(WHY_MAX);
    for (enum aws_file i = AWS_CREDENTIALS; i < AWS_FILES && why.len == 0; i++)
        credentials_plan_explain_file(&c->environment, p, i, &why);
    if (why.len == 0) {
        free(c->warned);
        c->warned = NULL;
        return;
    }
    buf_printf(&text, "%s. Region and endpoint of the profile are not known", buf_str(&why));
    warn(c, buf_str(&text));
}

/* ---- what is in use */

static int64_t server_now(struct credentials *c) {
    return env_now(c->env) / NS_PER_S + c->skew;
}

/* With the mutex: how many seconds they still hold. */
static int64_t time_left(struct credentials *c) {
    return !c->remote || c->keys.expires == 0 || c->stale ? INT64_MAX : c->keys.expires - server_now(c);
}

static bool hold(struct credentials *c) {
    return c->keys.access_key && time_left(c) > MARGIN_S;
}

/* With the mutex. The keys' generation goes up when they are others. */
static void use_keys(struct credentials *c, struct credential *keys) {
    keys->generation = c->keys.generation + !credential_same(&c->keys, keys);
    credential_free(&c->keys);
    c->keys = *keys;
    *keys = (struct credential){0};
    free(c->from);
    c->from = c->plan.n_roles > 0
                  ? xasprintf("the role %s, by %s", c->plan.roles[c->plan.n_roles - 1].arn, c->plan.from)
                  : xstrdup(c->plan.from);
    c->remote = credentials_plan_is_remote(&c->plan);
    if (c->remote)
        credentials_plan_digest(&c->plan, c->plan_of_keys);
    else
        memset(c->plan_of_keys, 0, sizeof c->plan_of_keys);
    free(c->why);
    c->why = NULL;
    c->err = 0;
    c->failures = 0;
}

/* A source is of no use: old keys stay, with a warning, or the reason is kept for who asks. */
static void use_reason(struct credentials *c, int err, struct buf *why) {
    CLEANUP_BUF struct buf text = BUF_INIT(WHY_MAX);
    bool keys, ran_out;
    {
        SCOPE_LOCK(&c->mutex);
        keys = c->keys.access_key;
        ran_out = keys && !hold(c);
        c->err = err;
        free(c->why);
        c->why = xstrdup(buf_str(why));
    }
    if (!keys || err == -ECANCELED)
        return;
    buf_printf(&text, "%s. The keys that were read before %s", buf_str(why),
               ran_out ? "have run out" : "stay in use");
    warn(c, buf_str(&text));
}

/* ---- a look */

/* With the mutex: is it time to ask the plan's source? */
static bool want_fetch(struct credentials *c, bool refetch) {
    uint8_t digest[DIGEST_SIZE];
    int64_t now = env_mono(c->env);
    credentials_plan_digest(&c->plan, digest);
    if (c->stopping)
        return false;
    if (memcmp(digest, c->plan_tried, sizeof digest) != 0)
        return true;
    if (now < c->not_before && !(refetch && c->failures == 0))
        return false;
    return refetch || !c->keys.access_key || memcmp(digest, c->plan_of_keys, sizeof digest) != 0 ||
           (c->keys.expires && c->keys.expires - server_now(c) <= c->renew_s);
}

/* With the mutex: when they are asked for next. */
static void plan_renewal(struct credentials *c, int64_t life) {
    int64_t now = env_mono(c->env);
    c->stale = c->keys.expires && life <= MARGIN_S;
    c->renew_s = MIN(RENEW_S, MAX(life / 4, 0));
    c->fetched_at = now;
    c->not_before = now + (c->stale ? AGAIN_NS : MIN(AGAIN_NS, life * NS_PER_S / 8));
    if (c->keys.expires == 0)
        c->not_before = now;
}

static void fetch(struct credentials *c) {
    struct credential keys;
    CLEANUP_BUF struct buf why = BUF_INIT(WHY_MAX);
    int r = credentials_fetch(&c->fetcher, &c->plan, &keys, &why);
    uint64_t random;
    env_random(c->env, &random, sizeof random);
    {
        SCOPE_LOCK(&c->mutex);
        c->skew = c->fetcher.skew;
        credentials_plan_digest(&c->plan, c->plan_tried);
        if (r == 0) {
            use_keys(c, &keys);
            plan_renewal(c, c->keys.expires ? c->keys.expires - server_now(c) : INT64_MAX / NS_PER_S);
        } else {
            c->failures++;
            if (c->failures >= TROUBLES_MAX && r != -ECANCELED)
                r = -EACCES;
            c->not_before = env_mono(c->env) + retry_wait(&retry_source, r, c->failures, random);
        }
    }
    if (r < 0) {
        use_reason(c, r, &why);
        return;
    }
    free(c->warned);
    c->warned = NULL;
    if (c->stale)
        warn(c, "the AWS keys that were just given have run out already, by this host's clock: look at it, "
                "and at "
                "their source");
}

/* The plan's keys are there, or are fetched when it is time. */
static void carry_out(struct credentials *c, bool refetch) {
    bool remote = credentials_plan_is_remote(&c->plan), want = false;
    {
        SCOPE_LOCK(&c->mutex);
        if (!remote && c->plan.keys.access_key) /* they are not kept twice */
            use_keys(c, &c->plan.keys);
        else if (remote)
            want = want_fetch(c, refetch);
    }
    if (want)
        fetch(c);
}

/* The plan as files say it now. */
static void load(struct credentials *c) {
    const char *const path[AWS_FILES] = {c->environment.path[AWS_CREDENTIALS],
                                         c->environment.path[AWS_CONFIG]};
    CLEANUP_BUF struct buf why = BUF_INIT(WHY_MAX);
    struct credentials_plan plan;
    int64_t now = env_now(c->env);
    struct aws_profile *p = aws_profile_load(path, c->environment.profile, now);
    if (c->planned)
        credentials_plan_free(&c->plan);
    c->planned = false;
    c->loaded = true;
    for (size_t i = 0; i < AWS_FILES; i++)
        c->marks[i] = p->file[i].mark;
    int r = credentials_plan_make(&c->environment, p, c->fallback_region, c->insecure_http, now, &plan, &why);
    if (r == 0) {
        c->plan = plan;
        c->planned = true;
        if (!credentials_plan_is_remote(&plan))
            warn_unreadable(c, p);
        warn_exposed(c, p);
    } else {
        use_reason(c, r, &why);
    }
    aws_profile_free(p);
}

/* On a worker. */
static void look(void *arg) {
    struct credentials *c = arg;
    const char *const path[AWS_FILES] = {c->environment.path[AWS_CREDENTIALS],
                                         c->environment.path[AWS_CONFIG]};
    bool forced, refetch;
    {
        SCOPE_LOCK(&c->mutex);
        forced = c->forced;
        refetch = c->refetch && c->refused == c->keys.generation;
        c->forced = c->refetch = false;
    }
    if (!c->loaded || forced || aws_files_changed(path, c->marks))
        load(c);
    if (c->planned)
        carry_out(c, refetch);
}

static void unref(struct credentials *c) {
    bool last;
    {
        SCOPE_LOCK(&c->mutex);
        last = --c->refs == 0;
    }
    if (!last)
        return;
    if (c->planned)
        credentials_plan_free(&c->plan);
    fetcher_destroy(&c->fetcher);
    aws_environment_free(&c->environment);
    credential_free(&c->keys);
    free(c->fallback_region);
    free(c->from);
    free(c->why);
    free(c->warned);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

static void look_done(void *arg);

/* With the mutex. */
static void kick(struct credentials *c) {
    if (c->looking || c->stopping)
        return;
    c->looking = true;
    c->refs++;
    env_work(c->env, look, look_done, c);
}

/* One of those that began to wait before the bound; NULL: there is none. */
static struct credentials_wait *next_wait(struct credentials *c, uint64_t bound) {
    SCOPE_LOCK(&c->mutex);
    struct credentials_wait *w = c->waits;
    if (!w || w->number >= bound)
        return NULL;
    DL_DELETE(c->waits, w);
    w->waiting = false;
    return w;
}

/* Who begins to wait meanwhile, waits for the next look. */
static void wake(void *arg) {
    struct credentials *c = arg;
    uint64_t bound;
    {
        SCOPE_LOCK(&c->mutex);
        bound = c->n_waits;
    }
    for (struct credentials_wait *w; (w = next_wait(c, bound));)
        w->fn(w->arg);
    unref(c);
}

static void look_done(void *arg) {
    struct credentials *c = arg;
    bool again;
    {
        SCOPE_LOCK(&c->mutex);
        c->looking = false;
        again = c->again && !c->stopping;
        c->again = false;
        if (again)
            kick(c);
    }
    if (again)
        unref(c);
    else
        wake(c);
}

/* ---- for all */

struct credentials *credentials_new(struct env *env, const struct credentials_config *config) {
    struct credentials *c = xcalloc(1, sizeof *c);
    c->env = env;
    c->refs = 1;
    aws_environment_read(&c->environment, config->profile);
    c->fallback_region = config->region ? xstrdup(config->region) : NULL;
    c->insecure_http = config->insecure_http;
    fetcher_init(&c->fetcher, env, config->http);
    pthread_mutex_init(&c->mutex, NULL);
    return c;
}

void credentials_stop(struct credentials *c) {
    if (!c)
        return;
    {
        SCOPE_LOCK(&c->mutex);
        c->stopping = true;
        c->again = false;
    }
    fetcher_stop(&c->fetcher);
}

struct credentials *credentials_free(struct credentials *c) {
    if (!c)
        return NULL;
    credentials_stop(c);
    unref(c);
    return NULL;
}

int credentials_get(struct credentials *c, bool waited, struct credential *ret, struct buf *why) {
    SCOPE_LOCK(&c->mutex);
    bool looking = c->looking;
    kick(c);
    if (hold(c)) {
        credential_copy(&c->keys, ret);
        return 0;
    }
    bool paused = c->err < 0 && env_mono(c->env) < c->not_before;
    if (!waited && !c->stopping && (looking || !paused)) {
        buf_append_str(why, "the AWS keys are being asked for");
        return -EAGAIN;
    }
    buf_append_str(why, c->why        ? c->why
                        : c->stopping ? "the volume is being unmounted"
                                      : "the AWS keys have run out, and are being asked for");
    return c->err == -EACCES ? -EACCES : -EIO;
}

struct sync {
    struct credentials_wait wait;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done;
};

static void sync_done(void *arg) {
    struct sync *s = arg;
    SCOPE_LOCK(&s->mutex);
    s->done = true;
    pthread_cond_signal(&s->changed);
}

int credentials_get_sync(struct credentials *c, struct credential *ret, struct buf *why) {
    int r = credentials_get(c, false, ret, why);
    if (r != -EAGAIN)
        return r;
    struct sync s = {.wait = {.fn = sync_done, .arg = &s},
                     .mutex = PTHREAD_MUTEX_INITIALIZER,
                     .changed = PTHREAD_COND_INITIALIZER};
    credentials_wait(c, &s.wait);
    pthread_mutex_lock(&s.mutex);
    while (!s.done)
        pthread_cond_wait(&s.changed, &s.mutex);
    pthread_mutex_unlock(&s.mutex);
    buf_reset(why);
    return credentials_get(c, true, ret, why);
}

char *credentials_from(struct credentials *c) {
    SCOPE_LOCK(&c->mutex);
    return c->keys.access_key && c->from ? xstrdup(c->from) : NULL;
}

int credentials_refused(struct credentials *c, unsigned generation, bool certain) {
    SCOPE_LOCK(&c->mutex);
    if (c->keys.access_key && c->keys.generation != generation)
        return 0;
    int64_t age = env_mono(c->env) - c->fetched_at;
    c->forced = true;
    c->refused = generation;
    c->refetch = c->refetch || (c->remote && age >= (certain ? YOUNGEST_NS : YOUNG_NS));
    c->again = c->again || c->looking;
    kick(c);
    return -EAGAIN;
}

void credentials_wait(struct credentials *c, struct credentials_wait *w) {
    SCOPE_LOCK(&c->mutex);
    w->waiting = true;
    w->number = c->n_waits++;
    DL_APPEND(c->waits, w);
    if (!c->looking) {
        c->refs++;
        env_post(c->env, wake, c);
    }
}

void credentials_unwait(struct credentials *c, struct credentials_wait *w) {
    SCOPE_LOCK(&c->mutex);
    if (w->waiting)
        DL_DELETE(c->waits, w);
    w->waiting = false;
}

/* ---- region and endpoint */

static struct aws_profile *load_settings(struct credentials *c) {
    const char *const path[AWS_FILES] = {c->environment.path[AWS_CREDENTIALS],
                                         c->environment.path[AWS_CONFIG]};
    struct aws_profile *p = aws_profile_load(path, c->environment.profile, env_now(c->env));
    for (size_t i = 0; i < AWS_FILES; i++)
        if (p->file[i].err != 0 && p->file[i].err != -ENOENT)
            return aws_profile_free(p);
    return p;
}

static char *copy(const char *s) {
    return s ? xstrdup(s) : NULL;
}

char *credentials_region(struct credentials *c) {
    for (enum aws_variable v = ENV_REGION; v <= ENV_DEFAULT_REGION; v++)
        if (c->environment.value[v])
            return xstrdup(c->environment.value[v]);
    struct aws_profile *p = load_settings(c);
    char *ret = p ? copy(aws_profile_value(p, AWS_REGION, NULL)) : NULL;
    aws_profile_free(p);
    return ret;
}

char *credentials_endpoint(struct credentials *c) {
    static const enum aws_variable names[] = {ENV_ENDPOINT_URL_S3, ENV_ENDPOINT_URL};
    if (aws_is_true(c->environment.value[ENV_IGNORE_CONFIGURED_ENDPOINT_URLS]))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (c->environment.value[names[i]])
            return xstrdup(c->environment.value[names[i]]);
    struct aws_profile *p = load_settings(c);
    char *ret = p ? copy(aws_profile_endpoint(p, AWS_S3)) : NULL;
    aws_profile_free(p);
    return ret;
}
