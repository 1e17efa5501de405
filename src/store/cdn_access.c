/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/cdn_access.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/secret_file.h"
#include <openssl/crypto.h>
#include <stdatomic.h>

#define TRIES 3
#define KEY_FILE_MAX ((size_t)64 << 10)
#define ID_FILE_MAX ((size_t)1 << 10)
#define PASS_MAX ((size_t)64 << 10)
#define WHY_MAX ((size_t)4 << 10)
/* Less than this is the network's doing, and no wrong clock. */
#define SKEW_MIN 30

enum { FILE_KEY, FILE_ID, FILE_HEADER, FILES };

/* What the files had in them: immutable. */
struct secrets {
    atomic_uint refs;
    uint64_t generation;
    uint8_t digest[DIGEST_SIZE]; /* of all their bytes */
    struct cloudfront_key *key;
    struct header_lines headers;
};

struct cdn_access {
    struct env *env;
    char *path[FILES]; /* NULL: no such file; immutable, as is all down to the mutex */
    char *id;          /* where no file has it */
    bool cookies;
    enum cloudfront_policy policy;
    enum cloudfront_hash hash;
    int64_t lifetime;
    char *pattern;
    _Atomic int64_t skew; /* seconds: the CDN's clock less ours */

    pthread_mutex_t lock;
    /* guarded by it: */
    struct secrets *now;
    struct secret_mark marks[FILES];
    char *complaint; /* the last one that was logged; NULL: all is well */
    char *proof;     /* of a custom policy */
    int64_t proof_until;
    uint64_t proof_generation;
};

static const char *const options[FILES] = {
    [FILE_KEY] = "cdn_key_file", [FILE_ID] = "cdn_key_id", [FILE_HEADER] = "cdn_header"};

static void wipe(char *s) {
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    free(s);
}

/* ---- secrets */

static struct secrets *secrets_unref(struct secrets *s) {
    if (s && atomic_fetch_sub(&s->refs, 1) == 1) {
        cloudfront_key_free(s->key);
        header_lines_free(&s->headers);
        free(s);
    }
    return NULL;
}

static struct secrets *secrets_get(struct cdn_access *a) {
    SCOPE_LOCK(&a->lock);
    atomic_fetch_add(&a->now->refs, 1);
    return a->now;
}

static int cannot_read(const struct cdn_access *a, int file, int err, struct buf *why) {
    buf_printf(why, "%s=%s: %s", options[file], a->path[file],
               err == -EINVAL   ? "not a regular file"
               : err == -EFBIG  ? "too large for what it should be"
               : err == -EAGAIN ? "it changes all the time"
                                : strerror(-err));
    return -EINVAL;
}

static bool any_changed(const struct cdn_access *a, const struct secret_mark marks[FILES]) {
    for (int i = 0; i < FILES; i++)
        if (a->path[i] && secret_file_changed(a->path[i], &marks[i]))
            return true;
    return false;
}

static bool any_moved(const struct cdn_access *a, struct secret_mark marks[FILES]) {
    for (int i = 0; i < FILES; i++) {
        struct secret_mark mark = marks[i];
        mark.settled = true;
        if (a->path[i] && secret_file_changed(a->path[i], &mark))
            return true;
    }
    return false;
}

/* All files at one moment: a key and its id must be of one set. */
static int read_files(const struct cdn_access *a, struct secret_text text[FILES],
                      struct secret_mark marks[FILES], struct buf *why) {
    static const size_t max[FILES] = {KEY_FILE_MAX, ID_FILE_MAX, HEADER_FILE_MAX};
    for (int tries = 0; tries < TRIES; tries++) {
        for (int i = 0; i < FILES; i++) {
            secret_text_free(&text[i]);
            int r =
                a->path[i] ? secret_file_read(a->path[i], max[i], env_now(a->env), &text[i], &marks[i]) : 0;
            if (r < 0)
                return cannot_read(a, i, r, why);
        }
        if (!any_moved(a, marks))
            return 0;
    }
    return cannot_read(a, a->path[FILE_KEY] ? FILE_KEY : FILE_HEADER, -EAGAIN, why);
}

/* An id between white space, as a file has it; malloc'd. */
static char *trimmed(const char *s) {
    size_t n;
    s += strspn(s, " \t\r\n");
    for (n = strlen(s); n > 0 && strchr(" \t\r\n", s[n - 1]); n--)
        ;
    return xstrndup(s, n);
}

static int parse_key(const struct cdn_access *a, const struct secret_text text[FILES], struct secrets *s,
                     struct buf *why) {
    CLEANUP_BUF struct buf said = BUF_INIT(WHY_MAX);
    CLEANUP_FREE char *id = a->path[FILE_ID] ? trimmed(text[FILE_ID].p) : xstrdup(a->id);
    if (!cloudfront_key_id_valid(id)) {
        buf_printf(why,
                   "cdn_key_id=%s: %s must be what CloudFront calls the key, letters and digits such as "
                   "K2JCJMDEHXQW5F, or the absolute path of a "
                   "file that holds it",
                   a->path[FILE_ID] ? a->path[FILE_ID] : id,
                   a->path[FILE_ID] ? "what the file has in it" : "this");
        return -EINVAL;
    }
    int r = cloudfront_key_parse(text[FILE_KEY].p, text[FILE_KEY].len, id, &s->key, &said);
    if (r < 0)
        buf_printf(why, "cdn_key_file=%s: %s", a->path[FILE_KEY], buf_str(&said));
    return r;
}

static int parse_headers(const struct cdn_access *a, const struct secret_text *text, struct secrets *s,
                         struct buf *why) {
    CLEANUP_BUF struct buf said = BUF_INIT(WHY_MAX);
    int r = header_file_parse(text->p, text->len, &s->headers, &said);
    if (r < 0) {
        buf_printf(why, "cdn_header=%s: %s", a->path[FILE_HEADER], buf_str(&said));
    } else if (a->path[FILE_KEY] && a->cookies && header_lines_have(&s->headers, "Cookie")) {
        buf_printf(why,
                   "cdn_header=%s: it sets Cookie, and so does cdn_sign=cookie: sign URLs (cdn_sign=url)",
                   a->path[FILE_HEADER]);
        r = -EINVAL;
    }
    return r;
}

static void digest_all(const struct secret_text text[FILES], uint8_t ret[DIGEST_SIZE]) {
    uint8_t each[FILES][DIGEST_SIZE];
    for (int i = 0; i < FILES; i++)
        digest_of(text[i].p ? text[i].p : "", text[i].len, each[i]);
    digest_of(each, sizeof each, ret);
}

/* -EINVAL with a sentence; *ret_marks is filled in any case. */
static int secrets_read(const struct cdn_access *a, struct secrets **ret, struct secret_mark ret_marks[FILES],
                        struct buf *why) {
    struct secret_text text[FILES] = {0};
    struct secrets *s = xcalloc(1, sizeof *s);
    atomic_init(&s->refs, 1);
    int r = read_files(a, text, ret_marks, why);
    if (r == 0 && a->path[FILE_KEY])
        r = parse_key(a, text, s, why);
    if (r == 0 && a->path[FILE_HEADER])
        r = parse_headers(a, &text[FILE_HEADER], s, why);
    if (r == 0)
        digest_all(text, s->digest);
    for (int i = 0; i < FILES; i++)
        secret_text_free(&text[i]);
    if (r < 0)
        secrets_unref(s);
    else
        *ret = s;
    return r;
}

static void take(struct cdn_access *a, struct secrets *s, const struct secret_mark marks[FILES]) {
    SCOPE_LOCK(&a->lock);
    memcpy(a->marks, marks, sizeof a->marks);
    free(a->complaint);
    a->complaint = NULL;
    if (!memcmp(a->now->digest, s->digest, DIGEST_SIZE)) {
        secrets_unref(s);
        return;
    }
    s->generation = a->now->generation + 1;
    secrets_unref(a->now);
    a->now = s;
}

/* True: it has not been said yet. */
static bool is_news(struct cdn_access *a, const char *complaint) {
    SCOPE_LOCK(&a->lock);
    if (a->complaint && !strcmp(a->complaint, complaint))
        return false;
    free(a->complaint);
    a->complaint = xstrdup(complaint);
    return true;
}

static void refresh(struct cdn_access *a) {
    CLEANUP_BUF struct buf why = BUF_INIT(WHY_MAX);
    struct secret_mark marks[FILES];
    struct secrets *s = NULL;
    {
        SCOPE_LOCK(&a->lock);
        memcpy(marks, a->marks, sizeof marks);
    }
    if (!any_changed(a, marks))
        return;
    if (secrets_read(a, &s, marks, &why) == 0)
        take(a, s, marks);
    else if (is_news(a, buf_str(&why)))
        log_warning("%s; what was read before stays in use", buf_str(&why));
}

/* ---- passes */

static int64_t clock_of(const struct cdn_access *a) {
    return env_now(a->env) / NS_PER_S + atomic_load(&a->skew);
}

static int64_t end_of(int64_t now, int64_t lifetime) {
    return MIN(now + lifetime, CLOUDFRONT_UNTIL_MAX);
}

static int sign(const struct cdn_access *a, const struct secrets *s, const char *resource, int64_t until,
                struct buf *ret, struct buf *why) {
    const struct cloudfront_grant g = {
        .policy = a->policy, .hash = a->hash, .resource = resource, .until = until};
    return a->cookies ? cloudfront_sign_cookie(s->key, &g, ret, why)
                      : cloudfront_sign_query(s->key, &g, ret, why);
}

/* The proof that is at hand, if it lasts for a while. */
static bool find_proof(struct cdn_access *a, uint64_t generation, int64_t now, struct buf *ret,
                       int64_t *ret_until) {
    SCOPE_LOCK(&a->lock);
    int64_t left = a->proof_until - now;
    if (!a->proof || a->proof_generation != generation || left > a->lifetime || left <= a->lifetime / 2)
        return false;
    buf_append_str(ret, a->proof);
    *ret_until = a->proof_until;
    return true;
}

static void keep_proof(struct cdn_access *a, uint64_t generation, const char *proof, int64_t until) {
    SCOPE_LOCK(&a->lock);
    wipe(a->proof);
    a->proof = xstrdup(proof);
    a->proof_until = until;
    a->proof_generation = generation;
}

static int prove(struct cdn_access *a, const struct secrets *s, const char *url, int64_t now, struct buf *ret,
                 int64_t *ret_until, struct buf *why) {
    bool custom = a->policy == CLOUDFRONT_CUSTOM;
    if (custom && find_proof(a, s->generation, now, ret, ret_until))
        return 0;
    *ret_until = end_of(now, a->lifetime);
    int r = sign(a, s, custom ? a->pattern : url, *ret_until, ret, why);
    if (r == 0 && custom)
        keep_proof(a, s->generation, buf_str(ret), *ret_until);
    return r;
}

int cdn_access_pass(struct cdn_access *a, const char *url, struct cdn_pass *ret, struct buf *why) {
    struct buf proof = BUF_SECRET(PASS_MAX);
    refresh(a);
    struct secrets *s = secrets_get(a);
    *ret = (struct cdn_pass){.generation = s->generation, .skew = atomic_load(&a->skew)};
    int r = s->key ? prove(a, s, url, env_now(a->env) / NS_PER_S + ret->skew, &proof, &ret->until, why) : 0;
    if (r == 0) {
        bool in_url = s->key && !a->cookies;
        ret->url = in_url ? xasprintf("%s?%s", url, buf_str(&proof)) : xstrdup(url);
        for (; ret->n_headers < s->headers.n; ret->n_headers++)
            ret->headers[ret->n_headers] = xstrdup(s->headers.lines[ret->n_headers]);
        if (s->key && a->cookies)
            ret->headers[ret->n_headers++] = xasprintf("Cookie: %s", buf_str(&proof));
    }
    secrets_unref(s);
    buf_wipe(&proof);
    return r < 0 ? -EIO : 0;
}

void cdn_pass_free(struct cdn_pass *p) {
    wipe(p->url);
    for (size_t i = 0; i < p->n_headers; i++)
        wipe(p->headers[i]);
    *p = (struct cdn_pass){0};
}

bool cdn_access_refused(struct cdn_access *a, const struct cdn_pass *p, int64_t date, int64_t received_at) {
    int64_t skew = date - received_at;
    if (date >= 0 && p->until)
        atomic_store(&a->skew, llabs(skew) < SKEW_MIN ? 0 : skew);
    refresh(a);
    struct secrets *s = secrets_get(a);
    bool other = s->generation != p->generation;
    secrets_unref(s);
    if (!p->until)
        return other;
    return other || llabs(atomic_load(&a->skew) - p->skew) >= SKEW_MIN || p->until <= clock_of(a);
}

int cdn_access_link(struct cdn_access *a, const char *url, int64_t lifetime, char **ret, int64_t *ret_until,
                    struct buf *why) {
    refresh(a);
    struct secrets *s = secrets_get(a);
    int64_t until = end_of(clock_of(a), lifetime);
    struct cloudfront_grant g = {.policy = a->policy, .hash = a->hash, .resource = url, .until = until};
    int r = cloudfront_sign_url(s->key, &g, url, ret, why);
    secrets_unref(s);
    if (r == 0)
        *ret_until = until;
    return r;
}

/* ---- the whole */

static void warn_exposed(const struct cdn_access *a) {
    for (int i = 0; i < FILES; i++)
        if (i != FILE_ID && a->path[i] && a->marks[i].exposed)
            log_warning("%s=%s: everybody on this machine may read it: chmod 600 is better", options[i],
                        a->path[i]);
}

static char *copy_of(const char *s) {
    return s ? xstrdup(s) : NULL;
}

int cdn_access_new(struct env *env, const struct cdn_access_config *c, struct cdn_access **ret,
                   struct buf *why) {
    struct cdn_access *a = xcalloc(1, sizeof *a);
    bool id_is_path = c->key_id && *c->key_id == '/';
    *a = (struct cdn_access){
        .env = env,
        .path = {copy_of(c->key_file), id_is_path ? copy_of(c->key_id) : NULL, copy_of(c->header_file)},
        .id = id_is_path ? NULL : copy_of(c->key_id),
        .cookies = c->cookies,
        .policy = c->policy,
        .hash = c->hash,
        .lifetime = c->lifetime_s,
        .pattern = copy_of(c->pattern)};
    pthread_mutex_init(&a->lock, NULL);
    int r = secrets_read(a, &a->now, a->marks, why);
    if (r == 0 && a->path[FILE_KEY]) {
        struct buf proof = BUF_SECRET(PASS_MAX);
        int64_t until; /* not every OpenSSL signs with SHA-1: better said now */
        r = prove(a, a->now, "http://localhost/", clock_of(a), &proof, &until, why);
        buf_wipe(&proof);
    }
    if (r < 0) {
        cdn_access_free(a);
        return -EINVAL;
    }
    warn_exposed(a);
    *ret = a;
    return 0;
}

struct cdn_access *cdn_access_free(struct cdn_access *a) {
    if (!a)
        return NULL;
    secrets_unref(a->now);
    for (int i = 0; i < FILES; i++)
        free(a->path[i]);
    free(a->id);
    free(a->pattern);
    free(a->complaint);
    wipe(a->proof);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}

bool cdn_access_signs(const struct cdn_access *a) {
    return a && a->path[FILE_KEY];
}
