/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large object in parts: CreateMultipartUpload, UploadPart many times at once, CompleteMultipartUpload with
 * If-None-Match.
 *
 *     create ─▶ pump: the next part ─▶ put it ─▶ ... ─▶ complete ─▶ done
 *                                      └── fails: again after a wait
 *
 * What a part is to be is known before it is put: whoever put the object knows the parts' digests
 * (store_put.parts), or they are hashed here, one after another by a worker, together with the whole, which
 * shows whether these are the right bytes. Then S3 takes exactly these bytes and no others, for the digest is
 * signed. If it says that others came, the part is hashed (once more): was it the way, or have the bytes
 * changed here?
 *
 * What fails for good cancels the parts under way; the operation ends when nothing of it is under way any
 * more.
 */
#include "base/digest.h"
#include "net/retry.h"
#include "net/xml.h"
#include "store/got.h"
#include "store/s3_parts.h"
#include <openssl/evp.h>
#include <utlist.h>

/* A part that does not get through is worth more patience than a whole object: the other parts are there
 * already. About eight minutes of a network that is away. */
#define PART_TRIES 40
/* Begin and completion. */
#define ENDS_TRIES 6
/* S3 may work for minutes on a completion, and sends white space meanwhile. */
#define COMPLETE_NS (600 * NS_PER_S)
#define COMPLETE_MAX ((size_t)4 << 20)

struct part { /* what is kept of each for the completion */
    char *etag;
    uint8_t digest[DIGEST_SIZE];
};

/* A part being hashed or put. */
struct part_put {
    struct s3_upload *upload;
    unsigned index;
    unsigned tries;
    char number[12];
    char *checksum;
    char payload[DIGEST_HEX_SIZE];
    struct sigv4_pair query[2], headers[1 + S3_CUSTOMER_HEADERS];
    struct s3_call call;
    struct env_timer timer;
    uint8_t now[DIGEST_SIZE]; /* what its bytes have for a digest now */
    int err;                  /* of hashing */
    struct part_put *prev, *next;
};

struct s3_upload {
    struct s3_store *store;
    const struct store_put *put;
    char *key; /* whole */
    store_put_done done;
    void *arg;

    uint64_t part_size;
    unsigned n_parts, next_part, n_there;
    struct part *parts;
    struct part_put *active;
    bool known;        /* the parts' digests, from the beginning */
    bool hashing;      /* one part at a time: then a worker's, with its part_put */
    EVP_MD_CTX *whole; /* likewise */

    char *id;
    struct keep_pair *kept;
    size_t n_kept;
    const struct customer_key *customer; /* all of it is under this one; NULL: none */
    struct sigv4_pair query[1], headers[S3_HEADERS_MAX];
    struct s3_call call; /* create, complete */
    bool calling;
    unsigned tries;
    struct env_timer timer;
    bool lost_answer; /* a completion may have happened */
    struct buf document;
    char payload[DIGEST_HEX_SIZE];

    int err; /* the first failure */
    char *why;
    struct s3_upload *prev, *next;
};

uint64_t s3_part_size(uint64_t size, uint64_t least) {
    uint64_t needed = size / S3_PARTS_MAX + (size % S3_PARTS_MAX != 0);
    if (needed > S3_PART_SIZE_MAX)
        return 0;
    return needed <= least ? least : (needed + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
}

static void pump_all(struct s3_store *);

/* ---- the end */

static void upload_free(struct s3_upload *u) {
    for (unsigned i = 0; i < u->n_parts; i++)
        free(u->parts[i].etag);
    free(u->parts);
    EVP_MD_CTX_free(u->whole);
    keep_pairs_free(u->kept, u->n_kept);
    free(u->key);
    free(u->id);
    buf_free(&u->document);
    free(u->why);
    free(u);
}

/* Nothing is touched after done(): whoever learns of the end may free the store at once. */
static void upload_end(struct s3_upload *u, int err, const char *why) {
    struct s3_store *s = u->store;
    store_put_done done = u->done;
    void *arg = u->arg;
    CLEANUP_FREE char *own_why = STEAL_PTR(&u->why);
    DL_DELETE(s->uploads, u);
    if (err == 0)
        counter_add(s->base.counters, COUNTER_BYTES_UPLOADED, u->put->size);
    upload_free(u);
    pump_all(s);
    done(arg, err, why ? why : own_why);
}

static void end_if_idle(struct s3_upload *u) {
    if (!u->active && !u->calling)
        upload_end(u, u->err, NULL);
}

static void part_free(struct part_put *p) {
    struct s3_upload *u = p->upload;
    DL_DELETE(u->active, p);
    u->store->parts--;
    free(p->checksum);
    free(p);
}

/* Parts under way come back cancelled; those that wait are dropped. */
static void upload_fail(struct s3_upload *u, int err, const char *why) {
    struct part_put *p, *next;
    if (u->err == 0) {
        u->err = err;
        u->why = why ? xstrdup(why) : NULL;
    }
    DL_FOREACH_SAFE (u->active, p, next) {
        if (p->timer.armed) {
            env_timer_cancel(u->store->base.env, &p->timer);
            part_free(p);
        } else {
            s3_call_cancel(&p->call);
        }
    }
    end_if_idle(u);
}

static int64_t wait_for(struct s3_store *s, int err, unsigned tries) {
    uint64_t random;
    env_random(s->base.env, &random, sizeof random);
    return env_mono(s->base.env) + retry_wait(&retry_upload, err, tries, random);
}

static bool code_is(const struct s3_call *c, const char *code) {
    return c->refusal.code && !strcmp(c->refusal.code, code);
}

/* Trouble that passes; what is said of this upload itself does not. */
static bool passes(const struct s3_call *c, int err) {
    return retry_classify(err) == RETRY_SOON && !c->store->stopping && !code_is(c, "NoSuchUpload") &&
           strncmp(c->refusal.code ? c->refusal.code : "", "InvalidPart", 11) && c->refusal.status != 409;
}

/* ---- completing */

static void complete(struct s3_upload *);

static void complete_again(void *arg) {
    complete(arg);
}

/* The result's root element tells: this answer begins with 200 before S3 knows how it ends. An <Error> has
 * been taken out by s3_call. */
static bool is_result(const struct http_response *response) {
    struct xml *x;
    if (refusal_document(response, &x) < 0)
        return false;
    bool ok = !strcmp(xml_root(x), "CompleteMultipartUploadResult");
    xml_free(x);
    return ok;
}

static void completed(struct s3_call *c, int err, const struct http_response *response, const char *why) {
    struct s3_upload *u = container_of(c, struct s3_upload, call);
    u->calling = false;
    if (err == 0 && !is_result(response)) {
        err = -EIO;
        why =
            "what answered the completion of a multipart upload is not S3: look at endpoint= and the network";
    }
    if (err == 0 || err == -EEXIST) {
        upload_end(u, err, why);
    } else if (code_is(c, "NoSuchUpload") && u->lost_answer) {
        /* An earlier completion of ours, or somebody's, has taken the upload: whoever put this looks at what
         * is there. */
        upload_end(u, -EEXIST, why);
    } else if (passes(c, err) && ++u->tries < ENDS_TRIES) {
        u->lost_answer = true;
        u->timer = (struct env_timer){.fn = complete_again, .arg = u};
        env_timer_set(c->store->base.env, &u->timer, wait_for(c->store, err, u->tries));
    } else {
        upload_end(u, err, why);
    }
}

static void build_document(struct s3_upload *u) {
    uint8_t digest[DIGEST_SIZE];
    struct buf *b = &u->document;
    *b = BUF_INIT(COMPLETE_MAX);
    buf_append_str(b, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (unsigned i = 0; i < u->n_parts; i++) {
        CLEANUP_FREE char *checksum = s3_checksum(u->parts[i].digest);
        buf_printf(b, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
        xml_escape(b, u->parts[i].etag);
        buf_printf(b, "</ETag><ChecksumSHA256>%s</ChecksumSHA256></Part>", checksum);
    }
    buf_append_str(b, "</CompleteMultipartUpload>");
    digest_of(b->data, b->len, digest);
    digest_hex(digest, u->payload);
}

static void complete(struct s3_upload *u) {
    struct s3_call *c = &u->call;
    u->headers[0] = (struct sigv4_pair){"Content-Type", "application/xml"};
    u->headers[1] = (struct sigv4_pair){"If-None-Match", "*"};
    size_t n = 2;
    n += s3_customer_headers(u->customer, &u->headers[n]); /* wanted with checksums */
    u->query[0] = (struct sigv4_pair){"uploadId", u->id};
    if (!u->document.len)
        build_document(u);
    c->request = (struct s3_request){.method = "POST",
                                     .key = u->key,
                                     .query = u->query,
                                     .n_query = 1,
                                     .headers = u->headers,
                                     .n_headers = n,
                                     .payload = u->payload};
    c->bytes = u->document.data;
    c->size = u->document.len;
    c->timeout_ns = COMPLETE_NS;
    c->done = completed;
    u->calling = true;
    s3_call_start(c);
}

/* ---- parts */

static void pump(struct s3_upload *);
static void part_send(struct part_put *);
static void compare_work(void *);
static void compare_done(void *);

static void part_again(void *arg) {
    part_send(arg);
}

static void part_wait(struct part_put *p, int err) {
    struct s3_store *s = p->upload->store;
    p->timer = (struct env_timer){.fn = part_again, .arg = p};
    env_timer_set(s->base.env, &p->timer, wait_for(s, err, p->tries));
}

static void part_there(struct part_put *p, const char *etag) {
    struct s3_upload *u = p->upload;
    struct s3_store *s = u->store;
    u->parts[p->index].etag = xstrdup(etag);
    u->n_there++;
    part_free(p);
    pump_all(s);
    if (u->err < 0)
        end_if_idle(u);
    else if (u->n_there == u->n_parts)
        complete(u);
}

static void part_failed(struct part_put *p, int err, const char *why) {
    struct s3_upload *u = p->upload;
    part_free(p);
    upload_fail(u, err, why);
}

static void part_answered(struct s3_call *c, int err, const struct http_response *response, const char *why) {
    struct part_put *p = container_of(c, struct part_put, call);
    struct s3_upload *u = p->upload;
    const char *etag = err == 0 ? http_header(response, "etag") : NULL;
    if (err == 0 && !etag) {
        err = -EIO;
        why = "what answered a part of a multipart upload is not S3 (it gave no ETag): look at endpoint= and "
              "the network";
    }
    if (err == 0) {
        part_there(p, etag);
    } else if (u->err == 0 && passes(c, err) && ++p->tries < PART_TRIES) {
        if (s3_says_other_bytes(c))
            env_work(c->store->base.env, compare_work, compare_done, p);
        else
            part_wait(p, err);
    } else {
        part_failed(p, err == -EEXIST ? -EIO : err, why);
    }
}

static uint64_t part_offset(const struct s3_upload *u, unsigned index) {
    return index * u->part_size;
}

static uint64_t part_bytes(const struct s3_upload *u, unsigned index) {
    return MIN(u->part_size, u->put->size - part_offset(u, index));
}

static void part_send(struct part_put *p) {
    struct s3_upload *u = p->upload;
    const struct store_put *put = u->put;
    uint64_t off = part_offset(u, p->index), size = part_bytes(u, p->index);
    p->query[0] = (struct sigv4_pair){"partNumber", p->number};
    p->query[1] = (struct sigv4_pair){"uploadId", u->id};
    p->headers[0] = (struct sigv4_pair){"x-amz-checksum-sha256", p->checksum};
    size_t n = 1;
    n += s3_customer_headers(u->customer, &p->headers[n]);
    p->call.store = u->store;
    p->call.op = REFUSAL_MULTIPART;
    p->call.request = (struct s3_request){.method = "PUT",
                                          .key = u->key,
                                          .query = p->query,
                                          .n_query = 2,
                                          .headers = p->headers,
                                          .n_headers = n,
                                          .payload = p->payload};
    p->call.bytes = put->bytes ? (const uint8_t *)put->bytes + off : NULL;
    p->call.fd = put->fd;
    p->call.fd_off = off;
    p->call.size = size;
    p->call.max_response = HTTP_ERROR_BODY_MAX;
    p->call.timeout_ns = s3_time_for(u->store, size);
    p->call.done = part_answered;
    s3_call_start(&p->call);
}

/* ---- hashing; on a worker */

static int hash_part(struct s3_upload *u, unsigned index, EVP_MD_CTX *whole, uint8_t ret[DIGEST_SIZE]) {
    return s3_hash(u->put, part_offset(u, index), part_bytes(u, index), whole, ret);
}

/* The parts' own digests guard the bytes on their way; that they are the right ones only the whole digest
 * shows. */
static int check_whole(struct s3_upload *u) {
    uint8_t digest[DIGEST_SIZE];
    if (!EVP_DigestFinal_ex(u->whole, digest, NULL))
        return -EIO;
    return memcmp(digest, u->put->sha256, DIGEST_SIZE) ? -EBADMSG : 0;
}

static void hash_work(void *arg) {
    struct part_put *p = arg;
    struct s3_upload *u = p->upload;
    p->err = hash_part(u, p->index, u->whole, u->parts[p->index].digest);
    if (p->err == 0 && p->index + 1 == u->n_parts)
        p->err = check_whole(u);
}

static void compare_work(void *arg) {
    struct part_put *p = arg;
    struct s3_upload *u = p->upload;
    p->err = hash_part(u, p->index, NULL, p->now);
    if (p->err == 0 && memcmp(p->now, u->parts[p->index].digest, DIGEST_SIZE))
        p->err = -EBADMSG;
}

/* On the loop, when a worker has hashed a part. False: it is over. */
static bool part_hashed(struct part_put *p) {
    struct s3_upload *u = p->upload;
    if (u->err < 0) {
        part_free(p);
        end_if_idle(u);
        return false;
    }
    if (p->err == 0)
        return true;
    bool changed = p->err == -EBADMSG || p->err == -ENODATA;
    CLEANUP_FREE char *why =
        changed ? s3_changed_why(u->put) : xasprintf("%s: %s", u->put->key, strerror(-p->err));
    part_failed(p, changed ? -EBADMSG : -EIO, why);
    return false;
}

static void compare_done(void *arg) {
    struct part_put *p = arg;
    if (part_hashed(p))
        part_wait(p, -EIO);
}

static void part_begin(struct part_put *p) {
    p->checksum = s3_checksum(p->upload->parts[p->index].digest);
    digest_hex(p->upload->parts[p->index].digest, p->payload);
    part_send(p);
}

static void hash_done(void *arg) {
    struct part_put *p = arg;
    struct s3_upload *u = p->upload;
    u->hashing = false;
    if (!part_hashed(p))
        return;
    part_begin(p);
    pump(u);
}

static bool may_begin_part(const struct s3_upload *u) {
    const struct part_put *p;
    unsigned n;
    DL_COUNT(u->active, p, n);
    return u->err == 0 && u->id && !u->hashing && u->next_part < u->n_parts && n < S3_PARTS_EACH &&
           u->store->parts < u->store->parts_max;
}

/* Begins as many parts as may be under way. */
static void pump(struct s3_upload *u) {
    while (may_begin_part(u)) {
        struct part_put *p = xcalloc(1, sizeof *p);
        p->upload = u;
        p->index = u->next_part++;
        snprintf(p->number, sizeof p->number, "%u", p->index + 1);
        DL_APPEND(u->active, p);
        u->store->parts++;
        if (u->known) {
            part_begin(p);
            continue;
        }
        u->hashing = true;
        env_work(u->store->base.env, hash_work, hash_done, p);
    }
}

static void pump_all(struct s3_store *s) {
    struct s3_upload *u;
    DL_FOREACH (s->uploads, u) {
        pump(u);
    }
}

/* ---- beginning */

static void create(struct s3_upload *);

static void create_again(void *arg) {
    create(arg);
}

static char *read_id(const struct http_response *response) {
    struct xml *x;
    if (refusal_document(response, &x) < 0)
        return NULL;
    char *id = strcmp(xml_root(x), "InitiateMultipartUploadResult") ? NULL : xml_text(x, "UploadId");
    xml_free(x);
    return id;
}

static void created(struct s3_call *c, int err, const struct http_response *response, const char *why) {
    struct s3_upload *u = container_of(c, struct s3_upload, call);
    u->calling = false;
    if (err == 0 && !(u->id = read_id(response))) {
        err = -EIO;
        why =
            "what answered the beginning of a multipart upload is not S3: look at endpoint= and the network";
    }
    if (err == 0) {
        u->tries = 0;
        pump(u);
    } else if (passes(c, err) && ++u->tries < ENDS_TRIES) {
        u->timer = (struct env_timer){.fn = create_again, .arg = u};
        env_timer_set(c->store->base.env, &u->timer, wait_for(c->store, err, u->tries));
    } else {
        upload_end(u, err == -EEXIST ? -EIO : err, why); /* nothing was put: whatever was said of it */
    }
}

static void create(struct s3_upload *u) {
    struct s3_call *c = &u->call;
    size_t n = 0;
    u->headers[n++] = (struct sigv4_pair){"x-amz-checksum-algorithm", "SHA256"};
    for (size_t i = 0; i < u->n_kept; i++)
        u->headers[n++] = (struct sigv4_pair){u->kept[i].name, u->kept[i].value};
    n += s3_customer_headers(u->customer, &u->headers[n]);
    u->query[0] = (struct sigv4_pair){"uploads", ""};
    c->store = u->store;
    c->op = REFUSAL_MULTIPART;
    c->request = (struct s3_request){.method = "POST",
                                     .key = u->key,
                                     .query = u->query,
                                     .n_query = 1,
                                     .headers = u->headers,
                                     .n_headers = n,
                                     .payload = SIGV4_EMPTY_PAYLOAD};
    c->fd = -1;
    c->bytes = "";
    c->max_response = XML_MAX;
    c->timeout_ns = u->store->timeout_ns;
    c->done = created;
    u->calling = true;
    s3_call_start(c);
}

void s3_upload_start(struct s3_store *s, const struct store_put *put, char *key, store_put_done done,
                     void *arg) {
    struct s3_upload *u = xcalloc(1, sizeof *u);
    *u = (struct s3_upload){.store = s, .put = put, .key = key, .done = done, .arg = arg};
    DL_APPEND(s->uploads, u);
    CLEANUP_BUF struct buf why = BUF_INIT(S3_WHY_MAX);
    int r = s3_keep_headers(s, put, &u->kept, &u->n_kept, &why);
    if (r < 0) {
        upload_end(u, r, buf_str(&why));
        return;
    }
    u->customer = s3_customer_of(s, put);
    u->part_size = s3_part_size(put->size, s->part_size);
    if (u->part_size == 0) {
        upload_end(u, -EINVAL, "the file is too large for S3: an object has at most 48.8 TiB");
        return;
    }
    u->n_parts = (unsigned)((put->size + u->part_size - 1) / u->part_size);
    u->parts = xcalloc(u->n_parts, sizeof *u->parts);
    u->known = put->parts && put->part_size == u->part_size && put->n_parts == u->n_parts;
    for (unsigned i = 0; i < u->n_parts && u->known; i++)
        memcpy(u->parts[i].digest, put->parts + (size_t)i * DIGEST_SIZE, DIGEST_SIZE);
    u->whole = EVP_MD_CTX_new();
    if (!u->whole || !EVP_DigestInit_ex(u->whole, EVP_sha256(), NULL))
        upload_end(u, -EIO, "SHA-256 cannot be computed");
    else
        create(u);
}

void s3_uploads_stop(struct s3_store *s) {
    struct s3_upload *u, *next;
    DL_FOREACH_SAFE (s->uploads, u, next) {
        if (u->timer.armed) {
            env_timer_cancel(s->base.env, &u->timer);
            u->calling = false;
        }
        upload_fail(u, -EIO, "the volume is being unmounted");
    }
}
