/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The S3 store as a whole, and its requests: what an answer changes about the next one (region, clock,
 * credentials).
 */
#include "store/s3.h"
#include "store/got.h"
#include "store/s3_parts.h"
#include <utlist.h>

#define MOVES_MAX 3
#define CONNECTIONS_DEFAULT 64
#define GET_SIZE (8 * BLOCK_SIZE)
/* A server's clock this near to ours is right: requests take time. S3 accepts 15 minutes. */
#define SKEW_MIN 60
/* The slowest line on which a body still goes through, bytes a second. */
#define SLOWEST 4096

char *s3_whole_key(const struct s3_store *s, const char *key) {
    CLEANUP_FREE char *whole = xasprintf("%s%s", s->prefix, key);
    return *key && *key != '/' && strlen(whole) <= S3_KEY_MAX ? STEAL_PTR(&whole) : NULL;
}

int64_t s3_time_for(const struct s3_store *s, uint64_t size) {
    return s->timeout_ns + (int64_t)(size / SLOWEST) * NS_PER_S;
}

/* ---- requests */

static void call_end(struct s3_call *c, int err, const struct http_response *response) {
    DL_DELETE(c->store->calls, c);
    struct refusal refusal = c->refusal; /* the call may be gone, or started again, after done */
    CLEANUP_BUF struct buf why = c->why;
    c->why = (struct buf){0};
    c->done(c, err, response, err < 0 ? buf_str(&why) : NULL);
    refusal_free(&refusal);
}

static void call_never_sent(void *arg) {
    struct s3_call *c = arg;
    call_end(c, c->early_err, NULL);
}

static void call_answered(void *arg, const struct http_response *response);

static void call_fail(struct s3_call *c, int err) {
    c->early_err = err;
    env_post(c->store->base.env, call_never_sent, c);
}

/* ---- keys */

static void stop_waiting(struct s3_call *c) {
    credentials_unwait(c->store->credentials, &c->keys);
    env_timer_cancel(c->store->base.env, &c->keys_timer);
}

static void waited_too_long(void *arg) {
    struct s3_call *c = arg;
    stop_waiting(c);
    buf_reset(&c->why);
    buf_append_str(&c->why, "the AWS keys were asked for in vain until this request's time was over");
    call_end(c, -ETIMEDOUT, NULL);
}

static void wait_for_keys(struct s3_call *c, env_fn fn) {
    struct s3_store *s = c->store;
    c->keys = (struct credentials_wait){.fn = fn, .arg = c};
    c->keys_timer = (struct env_timer){.fn = waited_too_long, .arg = c};
    if (c->timeout_ns > 0)
        env_timer_set(s->base.env, &c->keys_timer, env_mono(s->base.env) + c->timeout_ns);
    credentials_wait(s->credentials, &c->keys);
}

static void call_submit(struct s3_call *c, struct credential *credential) {
    struct s3_store *s = c->store;
    struct s3_signed ready;
    c->generation = credential->generation;
    c->skew = s->skew;
    c->moves_seen = s->moves;
    s3_sign(&s->place, credential, &c->request, env_now(s->base.env) / NS_PER_S + s->skew, &ready);
    credential_free(credential);
    struct http_request request = {.method = c->request.method,
                                   .url = ready.url,
                                   .headers = (const char *const *)ready.headers,
                                   .n_headers = ready.n_headers,
                                   .bytes = c->bytes,
                                   .fd = c->fd,
                                   .fd_off = c->fd_off,
                                   .size = c->size,
                                   .range_off = c->range_off,
                                   .range_len = c->range_len,
                                   .max_response = c->max_response,
                                   .timeout_ns = c->timeout_ns,
                                   .flags = c->flags};
    c->http = http_submit(s->http, &request, call_answered, c);
    s3_signed_free(&ready);
}

static void call_send_after_wait(void *arg);

static void call_send(struct s3_call *c, bool waited) {
    struct s3_store *s = c->store;
    struct credential credential = {0};
    if (s->stopping) {
        buf_append_str(&c->why, "the volume is being unmounted");
        call_fail(c, -EIO);
        return;
    }
    int r = credentials_get(s->credentials, waited, &credential, &c->why);
    if (r == -EAGAIN) {
        buf_reset(&c->why);
        wait_for_keys(c, call_send_after_wait);
    } else if (r < 0) {
        call_fail(c, r);
    } else {
        call_submit(c, &credential);
    }
}

static void call_send_after_wait(void *arg) {
    struct s3_call *c = arg;
    env_timer_cancel(c->store->base.env, &c->keys_timer);
    call_send(c, true);
}

/* The keys were refused, and their source has been asked again. */
static void call_again_with_keys(void *arg) {
    struct s3_call *c = arg;
    struct credential credential = {0};
    CLEANUP_BUF struct buf why = BUF_INIT(S3_WHY_MAX);
    env_timer_cancel(c->store->base.env, &c->keys_timer);
    bool others = !c->store->stopping &&
                  credentials_get(c->store->credentials, true, &credential, &why) == 0 &&
                  credential.generation != c->generation;
    if (others) {
        refusal_free(&c->refusal);
        call_submit(c, &credential);
        return;
    }
    credential_free(&credential);
    refusal_explain(&c->refusal, c->request.key, &c->why);
    call_end(c, refusal_errno(&c->refusal), NULL);
}

void s3_call_start(struct s3_call *c) {
    c->why = BUF_INIT(S3_WHY_MAX);
    c->refusal = (struct refusal){0};
    c->moves = 0;
    c->new_clock = c->new_keys = false;
    c->keys = (struct credentials_wait){0};
    c->keys_timer = (struct env_timer){0};
    DL_APPEND(c->store->calls, c);
    call_send(c, false);
}

void s3_call_cancel(struct s3_call *c) {
    if (c->http) {
        http_cancel(c->store->http, c->http);
    } else if (c->keys.waiting) {
        stop_waiting(c);
        buf_reset(&c->why);
        buf_append_str(&c->why, "the request was given up");
        call_fail(c, -EIO);
    }
}

/* Only S3 itself is asked for the time. */
static void learn_clock(struct s3_store *s, const struct http_response *response) {
    const char *date = http_header(response, "date");
    int64_t then = date ? http_date(date) : -1;
    int64_t skew = then - response->received_at / NS_PER_S;
    if (then >= 0)
        s->skew = llabs(skew) < SKEW_MIN ? 0 : skew;
}

/* True: the bucket is not where this request went. Of many under way, the first to come back moves the store.
 */
static bool learn_place(struct s3_call *c) {
    const struct refusal *r = &c->refusal;
    struct s3_store *s = c->store;
    bool redirect = r->status >= 300 && r->status < 400;
    bool other_region = r->code && !strcmp(r->code, "AuthorizationHeaderMalformed");
    if (!redirect && !other_region)
        return false;
    if (c->moves_seen == s->moves && (r->by == BY_S3 || (redirect && r->region))) {
        SCOPE_LOCK(&s->lock);
        s->moves += s3_place_move(&s->place, r->region, redirect ? r->endpoint : NULL);
    }
    return c->moves_seen != s->moves;
}

enum about_keys { NOT_ABOUT_KEYS, PERHAPS_ABOUT_KEYS, ABOUT_KEYS };

static enum about_keys about_keys(const struct refusal *r) {
    static const char *const codes[] = {"ExpiredToken",       "InvalidToken",          "TokenRefreshRequired",
                                        "InvalidAccessKeyId", "SignatureDoesNotMatch", "UserSuspended"};
    for (size_t i = 0; r->code && i < ARRAY_SIZE(codes); i++)
        if (!strcmp(r->code, codes[i]))
            return ABOUT_KEYS;
    return r->code && r->op != REFUSAL_GET && !strcmp(r->code, "AccessDenied") ? PERHAPS_ABOUT_KEYS
                                                                               : NOT_ABOUT_KEYS;
}

/* Whether the same request, signed anew, may fare better: 0: now; -EAGAIN: when the keys' source has been
 * asked; -EACCES: never. */
static int worth_another(struct s3_call *c, const struct http_response *response) {
    const struct refusal *r = &c->refusal;
    if (r->by == BY_S3)
        learn_clock(c->store, response);
    if (r->code && !strcmp(r->code, "RequestTimeTooSkewed")) {
        bool again = !c->new_clock && llabs(c->store->skew - c->skew) >= SKEW_MIN;
        c->new_clock = true;
        return again ? 0 : -EACCES;
    }
    if (c->moves < MOVES_MAX && learn_place(c)) {
        c->moves++;
        return 0;
    }
    if (r->by == BY_S3 && !c->new_keys && about_keys(r)) {
        c->new_keys = true;
        return credentials_refused(c->store->credentials, c->generation, about_keys(r) == ABOUT_KEYS);
    }
    return -EACCES;
}

static void call_answered(void *arg, const struct http_response *response) {
    struct s3_call *c = arg;
    c->http = NULL;
    if (response->err < 0) {
        buf_append_str(&c->why, response->why ? response->why : strerror(-response->err));
        call_end(c, got_no_answer(response->err), response);
        return;
    }
    bool may_hide_error = !strcmp(c->request.method, "POST");
    if (response->status < 300 && !may_hide_error) {
        if (http_header(response, "x-amz-request-id"))
            learn_clock(c->store, response);
        call_end(c, 0, response);
        return;
    }
    refusal_read(response, c->op, &c->refusal);
    if (response->status < 300 && !c->refusal.code) {
        call_end(c, 0, response);
        return;
    }
    int again = c->store->stopping ? -EACCES : worth_another(c, response);
    if (again == 0) {
        refusal_free(&c->refusal);
        call_send(c, false);
    } else if (again == -EAGAIN) {
        wait_for_keys(c, call_again_with_keys);
    } else {
        refusal_explain(&c->refusal, c->request.key, &c->why);
        call_end(c, refusal_errno(&c->refusal), response);
    }
}

/* ---- the store */

static char *s3_url(struct store *base, const char *key) {
    struct s3_store *s = s3_store(base);
    CLEANUP_FREE char *whole = s3_whole_key(s, key);
    SCOPE_LOCK(&s->lock);
    return whole ? s3_place_url(&s->place, whole) : NULL;
}

static void stop_on_loop(void *arg) {
    struct s3_store *s = arg;
    struct s3_call *c;
    s->stopping = true;
    DL_FOREACH (s->calls, c) {
        s3_call_cancel(c);
    }
    s3_uploads_stop(s);
}

static void s3_stop(struct store *base) {
    env_post(base->env, stop_on_loop, s3_store(base));
}

static void s3_free(struct store *base) {
    struct s3_store *s = s3_store(base);
    s3_rooms_free(s);
    s3_place_free(&s->place);
    pthread_mutex_destroy(&s->lock);
    free(s->prefix);
    free(base->address);
    free(s);
}

static const char *s3_customer_key(struct store *base, const char *named) {
    struct customer_keys *keys = s3_store(base)->customer_keys;
    const struct customer_key *key = keys && named ? customer_keys_find(keys, named) : NULL;
    if (keys && !key)
        key = customer_keys_find(keys, NULL);
    return key ? key->fingerprint : NULL;
}

static const struct store_ops s3_ops = {
    .customer_key = s3_customer_key,
    .put_if_absent = s3_put_if_absent,
    .get_range = s3_get_range,
    .url = s3_url,
    .stop = s3_stop,
    .free = s3_free,
};

int store_s3_open(struct env *env, struct counters *counters, const struct s3_config *c, struct store **ret,
                  struct buf *why) {
    struct s3_place place;
    int r = s3_place_init(&place, c, why);
    if (r < 0)
        return r;
    unsigned connections = c->connections ? c->connections : CONNECTIONS_DEFAULT;
    struct s3_store *s = xcalloc(1, sizeof *s);
    s->http = c->http;
    s->credentials = c->credentials;
    s->customer_keys = c->customer_keys;
    s->prefix = xstrdup(c->prefix);
    s->multipart_from = c->multipart_from ? c->multipart_from : S3_MULTIPART_FROM;
    s->part_size = c->part_size ? c->part_size : S3_PART_MIN;
    s->timeout_ns = c->timeout_ns;
    s->parts_max = MAX(connections / 4, 1);
    s->place = place;
    pthread_mutex_init(&s->lock, NULL);
    s->base = (struct store){
        .ops = &s3_ops,
        .env = env,
        .counters = counters,
        .address = xasprintf("s3://%s%s%.*s", c->bucket, *c->prefix ? "/" : "",
                             (int)strlen(c->prefix) - (*c->prefix != '\0'), c->prefix),
        .parallel_puts = MAX(connections / 2, 1),
        .parallel_gets = MAX(connections * 3 / 4, 1),
        .parts_from = s->multipart_from,
        .part_size = s->part_size,
        .key_max = S3_KEY_MAX - MIN(strlen(c->prefix), S3_KEY_MAX - 1),
        .get_size = GET_SIZE,
        .absence_ns = STORE_ABSENCE_NS,
        .no_customer_key = "give sse_c_key_file=",
    };
    *ret = &s->base;
    return 0;
}
