/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/credentials_fetch.h"
#include "base/log.h"
#include "base/secret.h"
#include "net/credential_process.h"
#include <ctype.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WHY_MAX 8192
#define TRIES 3
#define PAUSE_NS (200 * NS_PER_MS)
#define STS_TIMEOUT_NS (10 * NS_PER_S)
#define CONTAINER_TIMEOUT_NS (2 * NS_PER_S)
#define PROCESS_TIMEOUT_NS (60 * NS_PER_S)
#define TOKEN_MAX ((size_t)32 << 10)
/* A server's clock this near to ours is right. */
#define SKEW_MIN 60
#define TOKEN_TTL "21600"

void fetcher_init(struct fetcher *f, struct env *env, struct http *http) {
    *f = (struct fetcher){.env = env, .http = http, .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&f->mutex, NULL);
}

void fetcher_stop(struct fetcher *f) {
    SCOPE_LOCK(&f->mutex);
    f->stopped = true;
    if (f->call)
        http_cancel(f->http, f->call);
    (void)!eventfd_write(f->stop_fd, 1);
    pthread_cond_broadcast(&f->changed);
}

void fetcher_destroy(struct fetcher *f) {
    if (f->stop_fd >= 0)
        close(f->stop_fd);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->mutex);
}

/* ---- one request */

struct answer {
    struct fetcher *fetcher;
    int err;
    char *why;
    int status;
    char *body; /* NUL behind it */
    size_t len;
    int64_t date; /* by its head; -1: not said */
    int64_t received_at;
};

static void answer_free(struct answer *a) {
    free(a->why);
    secret_release(a->body);
    *a = (struct answer){0};
}

/* On the loop. */
static void take_answer(void *arg, const struct http_response *r) {
    struct answer *a = arg;
    struct fetcher *f = a->fetcher;
    a->err = r->err;
    a->date = -1;
    if (r->err < 0) {
        a->why = xstrdup(r->why ? r->why : strerror(-r->err));
    } else {
        const char *date = http_header(r, "date");
        a->status = r->status;
        a->body = xmalloc(r->len + 1);
        memcpy(a->body, r->body, r->len);
        a->body[r->len] = '\0';
        a->len = r->len;
        a->date = date ? http_date(date) : -1;
        a->received_at = r->received_at;
    }
    SCOPE_LOCK(&f->mutex);
    f->call = NULL;
    f->answered = true;
    pthread_cond_broadcast(&f->changed);
}

static void ask(struct fetcher *f, const struct http_request *request, struct answer *ret) {
    *ret = (struct answer){.fetcher = f, .err = -ECANCELED};
    SCOPE_LOCK(&f->mutex);
    if (f->stopped) {
        ret->why = xstrdup("the volume is being unmounted");
        return;
    }
    f->answered = false;
    f->call = http_submit(f->http, request, take_answer, ret);
    while (!f->answered)
        pthread_cond_wait(&f->changed, &f->mutex);
}

static bool passes(const struct answer *a) {
    if (a->err < 0)
        return a->err != -ECANCELED && a->err != -EPROTO && a->err != -EMSGSIZE;
    return a->status >= 500 || a->status == 429;
}

/* False: it was stopped meanwhile. */
static bool pause_before_again(struct fetcher *f, unsigned tries) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t at = (int64_t)until.tv_sec * NS_PER_S + until.tv_nsec + (PAUSE_NS << (tries - 1));
    until = (struct timespec){.tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S};
    SCOPE_LOCK(&f->mutex);
    while (!f->stopped)
        if (pthread_cond_timedwait(&f->changed, &f->mutex, &until) == ETIMEDOUT)
            break;
    return !f->stopped;
}

/* As often as it makes sense. */
static void ask_again(struct fetcher *f, const struct http_request *request, unsigned tries,
                      struct answer *ret) {
    for (unsigned i = 1;; i++) {
        ask(f, request, ret);
        if (!passes(ret) || i >= tries || !pause_before_again(f, i))
            return;
        answer_free(ret);
    }
}

static int err_of(const struct answer *a) {
    if (a->err == -ECANCELED)
        return -ECANCELED;
    return passes(a) ? -EIO : -EACCES;
}

static const char *words_of(const struct answer *a, char **ret) {
    *ret = credential_words(a->body, a->len);
    return *ret;
}

/* ---- STS */

/* True: the server's clock is not what the request was signed with. */
static bool learn_clock(struct fetcher *f, const struct answer *a) {
    if (a->err < 0 || a->date < 0)
        return false;
    int64_t before = f->skew, skew = a->date - a->received_at / NS_PER_S;
    f->skew = llabs(skew) < SKEW_MIN ? 0 : skew;
    return llabs(f->skew - before) >= SKEW_MIN;
}

static int ask_sts(struct fetcher *f, const struct credentials_plan *p, const struct sts_role *role,
                   const struct credential *keys, const char *token, struct answer *ret, struct buf *why) {
    struct sts_request r;
    CLEANUP_BUF struct buf clause = BUF_INIT(WHY_MAX);
    if (sts_request(p->sts_endpoint, p->sts_region, role, keys, token, env_now(f->env) / NS_PER_S + f->skew,
                    &r, &clause) < 0) {
        buf_printf(why, "the role %s cannot be asked for: %s", role->arn, buf_str(&clause));
        return -EACCES;
    }
    ask_again(f,
              &(struct http_request){.method = "POST",
                                     .url = r.url,
                                     .headers = (const char *const *)r.headers,
                                     .n_headers = r.n_headers,
                                     .bytes = r.body.data,
                                     .size = r.body.len,
                                     .max_response = CREDENTIAL_JSON_MAX,
                                     .timeout_ns = STS_TIMEOUT_NS,
                                     .flags = HTTP_SECRET},
              TRIES, ret);
    sts_request_free(&r);
    return 0;
}

static int assume(struct fetcher *f, const struct credentials_plan *p, const struct sts_role *role,
                  const struct credential *keys, const char *token, struct credential *ret, struct buf *why) {
    struct answer a = {0};
    int r = ask_sts(f, p, role, keys, token, &a, why);
    if (r < 0)
        return r;
    if (learn_clock(f, &a) && a.status >= 400 && a.status < 500 && !token) {
        answer_free(&a);
        r = ask_sts(f, p, role, keys, token, &a, why);
        if (r < 0)
            return r;
    }
    if (a.err < 0) {
        buf_printf(why, "STS at %s cannot be asked for the role %s: %s", p->sts_endpoint, role->arn, a.why);
        r = err_of(&a);
    } else {
        const struct http_response response = {.status = a.status, .body = a.body, .len = a.len};
        r = sts_read(role, token, p->sts_endpoint, &response, ret, why);
    }
    answer_free(&a);
    return r;
}

/* ---- tokens in files */

/* One line of printable ASCII. -EACCES or -EIO with a sentence. */
static int load_token(const char *path, const char *what, char **ret, struct buf *why) {
    size_t len = 0;
    int r = secret_load(path, TOKEN_MAX, true, ret, &len);
    bool fits = r == 0;
    for (size_t i = 0; fits && i < len; i++)
        fits = isascii((unsigned char)(*ret)[i]) && isprint((unsigned char)(*ret)[i]);
    if (fits)
        return 0;
    buf_printf(why, "%s in %s cannot be used: %s", what, path,
               r == 0          ? "it has a line break or a character that cannot be in one"
               : r == -ENODATA ? "the file is empty"
               : r == -EINVAL  ? "that is not a regular file"
               : r == -EFBIG   ? "the file is larger than a token can be"
                               : strerror(-r));
    if (r == 0)
        secret_release(STEAL_PTR(ret));
    return r == -ENOENT || r == -ENODATA ? -EIO : -EACCES; /* it may be on its way */
}

static int fetch_web_identity(struct fetcher *f, const struct credentials_plan *p, struct credential *ret,
                              struct buf *why) {
    char *token = NULL;
    int r = load_token(p->token_file, "the token of the web identity", &token, why);
    if (r == 0)
        r = assume(f, p, &p->web, NULL, token, ret, why);
    secret_release(token);
    return r;
}

/* ---- containers */

static int read_container(const struct credentials_plan *p, const struct answer *a, struct credential *ret,
                          struct buf *why) {
    CLEANUP_FREE char *words = NULL;
    CLEANUP_BUF struct buf clause = BUF_INIT(WHY_MAX);
    if (a->err < 0) {
        buf_printf(why, "%s does not answer: %s", p->from, a->why);
        return err_of(a);
    }
    if (a->status != 200) {
        buf_printf(
            why, "%s says %d \"%s\": %s", p->from, a->status, words_of(a, &words),
            a->status == 401 || a->status == 403
                ? "look at AWS_CONTAINER_AUTHORIZATION_TOKEN and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
            : a->status >= 500 || a->status == 429 ? "it is tried again"
                                                   : "look at the role of the task, and at "
                                                     "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI");
        return err_of(a);
    }
    if (credential_parse(CREDENTIAL_ENDPOINT, a->body, a->len, ret, &clause) < 0) {
        buf_printf(why, "what %s says cannot be used: %s", p->from, buf_str(&clause));
        return -EACCES;
    }
    return 0;
}

static int fetch_container(struct fetcher *f, const struct credentials_plan *p, struct credential *ret,
                           struct buf *why) {
    char *token = NULL;
    struct answer a = {0};
    int r =
        p->token_file ? load_token(p->token_file, "the token for the container's endpoint", &token, why) : 0;
    if (r < 0)
        return r;
    const char *authorization = token ? token : p->authorization;
    if (authorization && strpbrk(authorization, "\r\n")) {
        buf_append_str(why, "AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break in it");
        return -EACCES;
    }
    char *header = authorization ? xasprintf("Authorization: %s", authorization) : NULL;
    const char *const headers[] = {"Accept: application/json", header};
    ask_again(f,
              &(struct http_request){.method = "GET",
                                     .url = p->url,
                                     .headers = headers,
                                     .n_headers = header ? 2 : 1,
                                     .max_response = CREDENTIAL_JSON_MAX,
                                     .timeout_ns = CONTAINER_TIMEOUT_NS,
                                     .flags = HTTP_SECRET | HTTP_DIRECT},
              TRIES, &a);
    r = read_container(p, &a, ret, why);
    answer_free(&a);
    secret_free(header);
    secret_release(token);
    return r;
}

/* ---- instances */

#define ROLE_PATH "latest/meta-data/iam/security-credentials/"

static void ask_instance(struct fetcher *f, const struct credentials_plan *p, const char *method,
                         const char *path, const char *header, struct answer *ret) {
    CLEANUP_FREE char *url = xasprintf("%s/%s", p->url, path);
    ask_again(f,
              &(struct http_request){.method = method,
                                     .url = url,
                                     .headers = &header,
                                     .n_headers = 1,
                                     .bytes = "",
                                     .max_response = CREDENTIAL_JSON_MAX,
                                     .timeout_ns = p->timeout_ns,
                                     .flags = HTTP_SECRET | HTTP_DIRECT},
              p->attempts, ret);
}

/* Where nobody has set it up, an instance that does not answer is just none. */
static int no_instance(const struct credentials_plan *p, const struct answer *a, struct buf *why) {
    if (a->err == -ECANCELED) {
        buf_append_str(why, a->why);
        return -ECANCELED;
    }
    if (p->looked) {
        buf_printf(why,
                   "there are no AWS credentials: %s, and %s does not answer (%s); %s (and "
                   "AWS_EC2_METADATA_DISABLED=true where this is no EC2 instance)",
                   p->looked, p->from, a->why, PLAN_HOW_TO_GO_ON);
        return -EACCES;
    }
    buf_printf(why,
               "%s does not answer: %s; in a container on an instance, its hop limit must be 2 "
               "(HttpPutResponseHopLimit)",
               p->from, a->why);
    return err_of(a);
}

static int refuse_instance(const struct credentials_plan *p, const struct answer *a, const char *what,
                           const char *next, struct buf *why) {
    CLEANUP_FREE char *words = NULL;
    if (a->err < 0)
        return no_instance(p, a, why);
    buf_printf(why, "%s says %d \"%s\" when asked for %s: %s", p->from, a->status, words_of(a, &words), what,
               a->status >= 500 || a->status == 429 ? "it is tried again" : next);
    return err_of(a);
}

/* One line of visible characters, for a header or an address. */
static bool is_word(const struct answer *a) {
    for (size_t i = 0; i < a->len; i++)
        if (!isascii((unsigned char)a->body[i]) || !isgraph((unsigned char)a->body[i]))
            return false;
    return a->len > 0;
}

static void trim(struct answer *a) {
    while (a->len > 0 && isspace((unsigned char)a->body[a->len - 1]))
        a->body[--a->len] = '\0';
}

static int session_of_instance(struct fetcher *f, const struct credentials_plan *p, char **ret,
                               struct buf *why) {
    struct answer a;
    int r = 0;
    ask_instance(f, p, "PUT", "latest/api/token", "x-aws-ec2-metadata-token-ttl-seconds: " TOKEN_TTL, &a);
    if (a.err == 0)
        trim(&a);
    if (a.err < 0 || a.status != 200)
        r = refuse_instance(p, &a, "a session (IMDSv2)",
                            "IMDSv2 must be enabled for the instance (HttpEndpoint), version 1 is not spoken",
                            why);
    else if (!is_word(&a)) {
        buf_printf(why, "%s gives a session that cannot be one: look at AWS_EC2_METADATA_SERVICE_ENDPOINT",
                   p->from);
        r = -EACCES;
    } else
        *ret = xasprintf("x-aws-ec2-metadata-token: %s", a.body);
    answer_free(&a);
    return r;
}

static int role_of_instance(struct fetcher *f, const struct credentials_plan *p, const char *session,
                            char **ret, struct buf *why) {
    struct answer a;
    int r = 0;
    ask_instance(f, p, "GET", ROLE_PATH, session, &a);
    if (a.err == 0)
        a.body[strcspn(a.body, "\r\n")] = '\0', a.len = strlen(a.body);
    if (a.err < 0 || a.status != 200)
        r = refuse_instance(p, &a, "its role", "the instance needs an instance profile with a role", why);
    else if (!is_word(&a) || strpbrk(a.body, "/?#%")) {
        buf_printf(why, "%s names no role: the instance needs an instance profile with a role", p->from);
        r = -EACCES;
    } else
        *ret = xasprintf(ROLE_PATH "%s", a.body);
    answer_free(&a);
    return r;
}

static int keys_of_instance(struct fetcher *f, const struct credentials_plan *p, const char *session,
                            const char *path, struct credential *ret, struct buf *why) {
    struct answer a;
    int r = 0;
    CLEANUP_BUF struct buf clause = BUF_INIT(WHY_MAX);
    ask_instance(f, p, "GET", path, session, &a);
    if (a.err < 0 || a.status != 200)
        r = refuse_instance(p, &a, "keys", "look at the instance's role", why);
    else if (credential_parse(CREDENTIAL_ENDPOINT, a.body, a.len, ret, &clause) < 0) {
        buf_printf(why, "what %s says cannot be used: %s; look at the instance's role", p->from,
                   buf_str(&clause));
        r = -EACCES;
    }
    answer_free(&a);
    return r;
}

static int fetch_instance(struct fetcher *f, const struct credentials_plan *p, struct credential *ret,
                          struct buf *why) {
    char *session = NULL, *path = NULL;
    int r = session_of_instance(f, p, &session, why);
    if (r == 0)
        r = role_of_instance(f, p, session, &path, why);
    if (r == 0)
        r = keys_of_instance(f, p, session, path, ret, why);
    secret_free(session);
    free(path);
    return r;
}

/* ---- all */

static int fetch_process(struct fetcher *f, const struct credentials_plan *p, struct credential *ret,
                         struct buf *why) {
    CLEANUP_BUF struct buf clause = BUF_INIT(WHY_MAX);
    int r = credential_process_run(p->process, PROCESS_TIMEOUT_NS, f->stop_fd, ret, &clause);
    if (r < 0)
        buf_printf(why, "%s: %s", p->from, buf_str(&clause));
    return r == -ETIMEDOUT ? -EIO : r;
}

static int fetch_source(struct fetcher *f, const struct credentials_plan *p, struct credential *ret,
                        struct buf *why) {
    switch (p->kind) {
    case PLAN_KEYS:
        credential_copy(&p->keys, ret);
        return 0;
    case PLAN_WEB_IDENTITY:
        return fetch_web_identity(f, p, ret, why);
    case PLAN_PROCESS:
        return fetch_process(f, p, ret, why);
    case PLAN_CONTAINER:
        return fetch_container(f, p, ret, why);
    case PLAN_INSTANCE:
        return fetch_instance(f, p, ret, why);
    }
    return -EINVAL;
}

int credentials_fetch(struct fetcher *f, const struct credentials_plan *p, struct credential *ret,
                      struct buf *why) {
    struct credential keys = {0};
    *ret = (struct credential){0};
    log_debug("asking for AWS keys: %s%s%s", p->from, p->n_roles > 0 ? ", role " : "",
              p->n_roles > 0 ? p->roles[p->n_roles - 1].arn : "");
    int r = fetch_source(f, p, &keys, why);
    for (size_t i = 0; r == 0 && i < p->n_roles; i++) {
        struct credential next = {0};
        r = assume(f, p, &p->roles[i], &keys, NULL, &next, why);
        credential_free(&keys);
        if (r == 0)
            keys = next;
    }
    if (r == 0)
        *ret = keys;
    else
        credential_free(&keys);
    return r;
}
