/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/customer_keys.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/secret_file.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define FILE_MAX ((size_t)4096)
#define WHY_MAX ((size_t)4 << 10)
#define BASE64_SIZE 44

struct customer_keys {
    struct env *env;
    char *path;
    pthread_mutex_t lock;
    /* guarded by it: */
    struct customer_key *v[CUSTOMER_KEYS_MAX]; /* those that are there stay */
    unsigned n, first;                         /* first: of the file */
    uint32_t in_file, told;                    /* bits: it is in the file as it was read last; it is not, and that has been said */
    struct secret_mark mark;
    char *complaint; /* the last one that was logged; NULL: all is well */
};

/* What a file had in it. */
struct found {
    struct customer_key *v[CUSTOMER_KEYS_MAX];
    unsigned n;
};

static void key_free(struct customer_key *k) {
    if (!k)
        return;
    OPENSSL_cleanse(k->base64, strlen(k->base64));
    free(k->base64);
    free(k->md5);
    free(k);
}

static void found_free(struct found *f) {
    for (unsigned i = 0; i < f->n; i++)
        key_free(f->v[i]);
    f->n = 0;
}

static char *base64(const uint8_t *p, int n) {
    char *text = xmalloc((size_t)(4 * ((n + 2) / 3) + 1));
    EVP_EncodeBlock((unsigned char *)text, p, n);
    return text;
}

static int add_key(struct found *f, const uint8_t key[CUSTOMER_KEY_BYTES]) {
    uint8_t digest[DIGEST_SIZE], md5[EVP_MAX_MD_SIZE];
    unsigned n;
    if (f->n == CUSTOMER_KEYS_MAX)
        return -E2BIG;
    if (!EVP_Digest(key, CUSTOMER_KEY_BYTES, md5, &n, EVP_md5(), NULL))
        return -ENOSYS;
    struct customer_key *k = xcalloc(1, sizeof *k);
    digest_of(key, CUSTOMER_KEY_BYTES, digest);
    hex_encode(digest, (CUSTOMER_FINGERPRINT_SIZE - 1) / 2, k->fingerprint);
    k->base64 = base64(key, CUSTOMER_KEY_BYTES);
    k->md5 = base64(md5, (int)n);
    f->v[f->n++] = k;
    return 0;
}

/* A line without its end. */
static int add_line(struct found *f, const char *line, size_t n) {
    unsigned char out[BASE64_SIZE];
    while (n > 0 && strchr("\r\t ", line[n - 1]))
        n--;
    if (n == 0)
        return 0;
    bool ok = n == BASE64_SIZE && line[n - 1] == '=' && line[n - 2] != '=' && EVP_DecodeBlock(out, (const unsigned char *)line, BASE64_SIZE) == CUSTOMER_KEY_BYTES + 1;
    int r = ok ? add_key(f, out) : -EINVAL;
    OPENSSL_cleanse(out, sizeof out);
    return r;
}

/* -EINVAL: these are no keys; -E2BIG: too many; -ENOSYS. */
static int parse(const struct secret_text *t, struct found *f) {
    int r = 0;
    if (t->len == CUSTOMER_KEY_BYTES)
        return add_key(f, (const uint8_t *)t->p);
    if (memchr(t->p, '\0', t->len))
        return -EINVAL;
    for (const char *p = t->p, *end = t->p + t->len; p < end && r == 0; p++) {
        size_t n = strcspn(p, "\n");
        r = add_line(f, p, n);
        p += n;
    }
    return r < 0 ? r : f->n ? 0 : -EINVAL;
}

static void explain(const struct customer_keys *k, int err, struct buf *why) {
    if (err == -EPERM)
        buf_printf(why, "sse_c_key_file=%s can be read by everybody on this machine: run chmod 600 %s", k->path, k->path);
    else if (err == -E2BIG)
        buf_printf(why, "sse_c_key_file=%s has more than %d keys in it: take out those that nothing is under", k->path, CUSTOMER_KEYS_MAX);
    else if (err == -ENOSYS)
        buf_printf(why, "sse_c_key_file=%s: MD5 cannot be computed here, and S3 wants it", k->path);
    else
        buf_printf(why,
                   "sse_c_key_file=%s does not hold a customer key: 32 bytes, or their base64 on one line, as openssl rand -base64 32 prints it (several keys: a line each, the one for new rules "
                   "first)",
                   k->path);
}

static int read_file(const struct customer_keys *k, struct found *f, struct secret_mark *ret_mark, struct buf *why) {
    CLEANUP_SECRET_TEXT struct secret_text text = {0};
    int r = secret_file_read(k->path, FILE_MAX, env_now(k->env), &text, ret_mark);
    if (r < 0) {
        buf_printf(why, "sse_c_key_file=%s cannot be read: %s", k->path, r == -EINVAL ? "not a regular file" : strerror(-r));
        return r;
    }
    r = ret_mark->exposed ? -EPERM : parse(&text, f);
    if (r < 0) {
        explain(k, r, why);
        found_free(f);
    }
    return r;
}

static const struct customer_key *find(const struct customer_keys *k, const char *fingerprint, unsigned *ret_index) {
    for (unsigned i = 0; i < k->n; i++) {
        if (strcmp(k->v[i]->fingerprint, fingerprint) != 0)
            continue;
        *ret_index = i;
        return k->v[i];
    }
    return NULL;
}

/* True: it has not been said yet. With the lock. */
static bool is_news(struct customer_keys *k, const char *complaint) {
    if (k->complaint && !strcmp(k->complaint, complaint))
        return false;
    free(k->complaint);
    k->complaint = xstrdup(complaint);
    return true;
}

/* Those that are new are taken over, with the lock. False: one has no room. */
static bool take(struct customer_keys *k, struct found *f, const struct secret_mark *mark) {
    bool fits = true;
    unsigned at = 0;
    k->mark = *mark;
    k->in_file = 0;
    for (unsigned i = 0; i < f->n; i++) {
        if (!find(k, f->v[i]->fingerprint, &at)) {
            if (k->n == CUSTOMER_KEYS_MAX) {
                fits = false;
                continue;
            }
            at = k->n++;
            k->v[at] = STEAL_PTR(&f->v[i]);
        }
        k->in_file |= UINT32_C(1) << at;
        if (i == 0)
            k->first = at;
    }
    k->told &= ~k->in_file;
    return fits;
}

static const struct customer_key *nth(struct customer_keys *k, unsigned number) {
    SCOPE_LOCK(&k->lock);
    return number && number <= k->n ? k->v[number - 1] : NULL;
}

/* What a file that was read has to say: 0, or an error with its sentence. With the lock. True: it has not been said yet. */
static bool settle(struct customer_keys *k, int r, struct found *f, const struct secret_mark *mark, struct buf *why) {
    if (r == 0 && !take(k, f, mark)) {
        buf_printf(why, "sse_c_key_file=%s has had more than %d keys in it since this mount began: mount anew", k->path, CUSTOMER_KEYS_MAX);
        return is_news(k, buf_str(why));
    }
    if (r < 0)
        return is_news(k, buf_str(why));
    free(k->complaint);
    k->complaint = NULL;
    return false;
}

static void refresh(struct customer_keys *k) {
    CLEANUP_BUF struct buf why = BUF_INIT(WHY_MAX);
    struct found f = {0};
    struct secret_mark mark;
    unsigned before, after;
    bool news;
    {
        SCOPE_LOCK(&k->lock);
        mark = k->mark;
    }
    if (!secret_file_changed(k->path, &mark))
        return;
    int r = read_file(k, &f, &mark, &why);
    {
        SCOPE_LOCK(&k->lock);
        before = k->n;
        news = settle(k, r, &f, &mark, &why);
        after = k->n;
    }
    found_free(&f);
    if (news)
        log_warning("%s; what was read before stays in use", buf_str(&why));
    for (; before < after; before++)
        log_info("sse_c_key_file=%s has the customer key %s now", k->path, nth(k, before + 1)->fingerprint);
}

/* What is asked for by its name is still wanted. True: it is not in the file, and that has not been said yet. With the lock. */
static bool is_lost(struct customer_keys *k, unsigned at) {
    uint32_t bit = UINT32_C(1) << at;
    bool lost = !((k->in_file | k->told) & bit);
    k->told |= lost ? bit : 0;
    return lost;
}

/* True: it is not in the file any more. */
static bool find_here(struct customer_keys *k, const char *fingerprint, const struct customer_key **ret) {
    unsigned at = 0;
    SCOPE_LOCK(&k->lock);
    *ret = fingerprint ? find(k, fingerprint, &at) : k->v[k->first];
    return fingerprint && *ret && is_lost(k, at);
}

const struct customer_key *customer_keys_find(struct customer_keys *k, const char *fingerprint) {
    const struct customer_key *key;
    refresh(k);
    if (find_here(k, fingerprint, &key))
        log_warning("sse_c_key_file=%s does not have the customer key %s any more, which an area of this volume names: it stays in use until this mount ends, and the next one is refused; "
                    "put it back, on a line behind the new one",
                    k->path, fingerprint);
    return key;
}

const struct customer_key *customer_keys_nth(struct customer_keys *k, unsigned number) {
    const struct customer_key *key = nth(k, number);
    if (key)
        return key;
    refresh(k);
    return nth(k, number);
}

int customer_keys_new(struct env *env, const char *path, struct customer_keys **ret, struct buf *why) {
    struct customer_keys *k = xcalloc(1, sizeof *k);
    struct secret_mark mark;
    struct found f = {0};
    k->env = env;
    k->path = xstrdup(path);
    pthread_mutex_init(&k->lock, NULL);
    int r = read_file(k, &f, &mark, why);
    if (r < 0) {
        customer_keys_free(k);
        return r;
    }
    {
        SCOPE_LOCK(&k->lock);
        (void)take(k, &f, &mark); /* a file has no more than fit */
    }
    found_free(&f);
    *ret = k;
    return 0;
}

struct customer_keys *customer_keys_free(struct customer_keys *k) {
    if (!k)
        return NULL;
    for (unsigned i = 0; i < k->n; i++)
        key_free(k->v[i]);
    pthread_mutex_destroy(&k->lock);
    free(k->complaint);
    free(k->path);
    free(k);
    return NULL;
}
