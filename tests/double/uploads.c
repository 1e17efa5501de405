/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "uploads.h"
#include "text.h"

#include <openssl/evp.h>
#include <sys/random.h>
#include <uthash.h>

struct part {
    struct draft *draft; /* NULL: there is none */
    unsigned char digest[BUCKET_DIGEST];
};

/* What is behind a struct upload. */
struct held {
    struct upload is;
    UT_hash_handle hh; /* in uploads.table, by is.id */
    unsigned refs;     /* guarded by uploads.lock; the table has one */
    bool finished;     /* guarded by uploads.lock */
    pthread_mutex_t lock;
    struct part parts[UPLOADS_PARTS_MAX + 1]; /* guarded by lock */
};

struct uploads {
    struct bucket *bucket;
    pthread_mutex_t lock;
    struct held *table; /* guarded by lock */
};

static struct held *held(struct upload *u) {
    return (struct held *)u; /* its first member */
}

static void held_free(struct held *h) {
    for (size_t i = 0; i <= UPLOADS_PARTS_MAX; i++)
        draft_free(h->parts[i].draft);
    pthread_mutex_destroy(&h->lock);
    free(h->is.id);
    free(h->is.key);
    free(h->is.headers);
    free(h);
}

struct uploads *uploads_new(struct bucket *b) {
    struct uploads *u = xcalloc(1, sizeof *u);
    u->bucket = b;
    pthread_mutex_init(&u->lock, NULL);
    return u;
}

void uploads_free(struct uploads *u) {
    struct held *h, *next;
    if (!u)
        return;
    HASH_ITER (hh, u->table, h, next) {
        HASH_DEL(u->table, h);
        held_free(h);
    }
    pthread_mutex_destroy(&u->lock);
    free(u);
}

/* Long, opaque, and with bytes that have to be encoded in a query, as S3's are. */
static char *new_id(void) {
    unsigned char b[48];
    while (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        continue;
    CLEANUP_FREE char *text = text_base64(b, sizeof b);
    return xasprintf("%s+/=.", text);
}

struct upload *uploads_create(struct uploads *u, const char *key, char *headers, bool sha256) {
    struct held *h = xcalloc(1, sizeof *h);
    h->is = (struct upload){.id = new_id(), .key = xstrdup(key), .headers = headers, .sha256 = sha256};
    h->refs = 2;
    pthread_mutex_init(&h->lock, NULL);
    SCOPE_LOCK(&u->lock);
    HASH_ADD_KEYPTR(hh, u->table, h->is.id, strlen(h->is.id), h);
    return &h->is;
}

struct upload *uploads_find(struct uploads *u, const char *id, const char *key) {
    SCOPE_LOCK(&u->lock);
    struct held *h;
    HASH_FIND_STR(u->table, id, h);
    if (!h || strcmp(h->is.key, key) != 0)
        return NULL;
    h->refs++;
    return &h->is;
}

static void drop(struct uploads *u, struct held *h) {
    pthread_mutex_lock(&u->lock);
    bool last = --h->refs == 0;
    pthread_mutex_unlock(&u->lock);
    if (last)
        held_free(h);
}

void uploads_release(struct uploads *u, struct upload *up) {
    if (up)
        drop(u, held(up));
}

void uploads_finish(struct uploads *u, struct upload *up) {
    struct held *h = held(up);
    pthread_mutex_lock(&u->lock);
    bool first = !h->finished;
    h->finished = true;
    if (first)
        HASH_DEL(u->table, h);
    pthread_mutex_unlock(&u->lock);
    if (first)
        drop(u, h);
}

void uploads_put_part(struct uploads *u, struct upload *up, unsigned number, struct draft *d,
                      const unsigned char digest[BUCKET_DIGEST]) {
    struct held *h = held(up);
    (void)u;
    pthread_mutex_lock(&h->lock);
    struct draft *old = h->parts[number].draft;
    h->parts[number].draft = d;
    memcpy(h->parts[number].digest, digest, BUCKET_DIGEST);
    pthread_mutex_unlock(&h->lock);
    draft_free(old);
}

/* ---- making one of many ---- */

static bool check_size(const struct held *h, const struct listed_part *l, struct s3_error *err) {
    char number[16];
    snprintf(number, sizeof number, "%u", l->number);
    if (draft_size(h->parts[l->number].draft) >= UPLOADS_PART_MIN)
        return true;
    s3_error_set(err, "EntityTooSmall");
    s3_error_add(err, "PartNumber", number);
    return false;
}

static bool check_part(const struct held *h, const struct listed_part *l, struct s3_error *err) {
    const struct part *p = &h->parts[l->number];
    char etag[2 * BUCKET_DIGEST + 1], number[16];
    text_hex(p->digest, BUCKET_DIGEST, etag);
    snprintf(number, sizeof number, "%u", l->number);
    CLEANUP_FREE char *checksum = text_base64(p->digest, BUCKET_DIGEST);
    if (!p->draft || strcmp(l->etag, etag) != 0 || (l->checksum[0] && strcmp(l->checksum, checksum) != 0)) {
        s3_error_set(err, "InvalidPart");
        s3_error_add(err, "PartNumber", number);
    } else if (h->is.sha256 && !l->checksum[0]) {
        s3_error_say(err, "InvalidRequest",
                     "The upload was created using a sha256 checksum. The complete request must include the "
                     "checksum for each part. It was "
                     "missing for part %u in the request.",
                     l->number);
    } else {
        return true;
    }
    return false;
}

static bool check_list(const struct held *h, const struct listed_part *l, size_t n, bool small_parts,
                       struct s3_error *err) {
    if (n == 0) {
        s3_error_set(err, "MalformedXML");
        return false;
    }
    for (size_t i = 1; i < n; i++) {
        if (l[i].number <= l[i - 1].number) {
            s3_error_set(err, "InvalidPartOrder");
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!check_part(h, &l[i], err))
            return false;
    }
    for (size_t i = 0; i + 1 < n && !small_parts; i++) {
        if (!check_size(h, &l[i], err))
            return false;
    }
    return true;
}

/* The checksum of the parts' checksums. */
static char *composite(const struct held *h, const struct listed_part *l, size_t n) {
    EVP_MD_CTX *sha256 = mem_check(EVP_MD_CTX_new());
    unsigned char digest[BUCKET_DIGEST];
    EVP_DigestInit_ex(sha256, EVP_sha256(), NULL);
    for (size_t i = 0; i < n; i++)
        EVP_DigestUpdate(sha256, h->parts[l[i].number].digest, BUCKET_DIGEST);
    EVP_DigestFinal_ex(sha256, digest, NULL);
    EVP_MD_CTX_free(sha256);
    CLEANUP_FREE char *text = text_base64(digest, BUCKET_DIGEST);
    return xasprintf("%s-%zu", text, n);
}

struct draft *uploads_assemble(struct uploads *u, struct upload *up, const struct listed_part *l, size_t n,
                               bool small_parts, char **ret_checksum, struct s3_error *err) {
    struct held *h = held(up);
    SCOPE_LOCK(&h->lock);
    if (!check_list(h, l, n, small_parts, err))
        return NULL;
    struct draft *d = draft_new(u->bucket);
    int e = d ? 0 : -errno;
    for (size_t i = 0; i < n && e == 0; i++)
        e = draft_append(d, h->parts[l[i].number].draft);
    if (e < 0) {
        fprintf(stderr, "assetfs-double: cannot keep %s: %s\n", up->key, strerror(-e));
        s3_error_set(err, "InternalError");
        draft_free(d);
        return NULL;
    }
    *ret_checksum = composite(h, l, n);
    return d;
}
