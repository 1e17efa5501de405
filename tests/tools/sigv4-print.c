/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signs what it reads, for tests/sh/sigv4-botocore.sh. A request is lines of a word and its values in
 * hexadecimal (so that they may hold any byte but NUL), and ends with an empty line:
 *
 *     method, region, access_key, secret_key, session_token, payload, time, expires      one value, once
 *     key                                                                                the path, not yet
 * encoded query, header                                                                      name and value,
 * as often as wanted
 *
 * The answer: "path: " and the encoded path; then the headers to be sent, or, where there was `expires`,
 * "query: " and the presigned query; then an empty line.
 */
#include "base/digest.h"
#include "net/sigv4.h"
#include "net/url.h"

#define PAIRS_MAX 64

enum field { METHOD, REGION, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, PAYLOAD, TIME, EXPIRES, KEY, N_FIELDS };
static const char *const names[N_FIELDS] = {"method",  "region", "access_key", "secret_key", "session_token",
                                            "payload", "time",   "expires",    "key"};

struct pairs {
    struct sigv4_pair at[PAIRS_MAX];
    size_t n;
};

struct request {
    char *field[N_FIELDS];
    struct pairs query, headers;
};

static void die(const char *what) {
    fprintf(stderr, "sigv4-print: %s\n", what);
    exit(2);
}

static char *value_of(const char *hex) {
    if (!hex)
        die("a value is missing");
    size_t n = strlen(hex) / 2;
    char *ret = xmalloc(n + 1);
    if (hex_decode(hex, ret, n) < 0)
        die("a value is not hexadecimal");
    ret[n] = '\0';
    return ret;
}

static void add_pair(struct pairs *p, const char *name, const char *value) {
    if (p->n == PAIRS_MAX)
        die("too many pairs");
    p->at[p->n++] = (struct sigv4_pair){value_of(name), value_of(value)};
}

static void free_pairs(struct pairs *p) {
    for (size_t i = 0; i < p->n; i++) {
        free((char *)(uintptr_t)p->at[i].name);
        free((char *)(uintptr_t)p->at[i].value);
    }
    p->n = 0;
}

static void read_line(struct request *q, char *line) {
    char *save, *word = strtok_r(line, " ", &save), *first = strtok_r(NULL, " ", &save);
    char *second = strtok_r(NULL, " ", &save);
    if (strcmp(word, "query") == 0 || strcmp(word, "header") == 0) {
        add_pair(*word == 'q' ? &q->query : &q->headers, first, second ? second : "");
        return;
    }
    for (size_t i = 0; i < N_FIELDS; i++)
        if (strcmp(word, names[i]) == 0) {
            q->field[i] = value_of(first ? first : "");
            return;
        }
    die("an unknown word");
}

static void answer(struct request *q) {
    CLEANUP_BUF struct buf path = BUF_INIT(65536), ret = BUF_INIT(1 << 20);
    for (size_t i = 0; i < N_FIELDS; i++)
        if (!q->field[i] && i != SESSION_TOKEN && i != EXPIRES)
            die("a field is missing");
    url_encode(&path, q->field[KEY], strlen(q->field[KEY]), true);
    struct sigv4_key key = {.access_key = q->field[ACCESS_KEY],
                            .secret_key = q->field[SECRET_KEY],
                            .session_token = q->field[SESSION_TOKEN],
                            .region = q->field[REGION],
                            .service = "s3"};
    struct sigv4_request r = {.method = q->field[METHOD],
                              .path = buf_str(&path),
                              .query = q->query.at,
                              .n_query = q->query.n,
                              .headers = q->headers.at,
                              .n_headers = q->headers.n,
                              .payload = q->field[PAYLOAD],
                              .time = strtoll(q->field[TIME], NULL, 10)};
    printf("path: %s\n", r.path);
    if (q->field[EXPIRES]) {
        sigv4_presign(&key, &r, (unsigned)strtoul(q->field[EXPIRES], NULL, 10), &ret);
        printf("query: %s\n", buf_str(&ret));
    } else {
        sigv4_sign(&key, &r, &ret);
        for (size_t at = 0; at < ret.len; at += strlen((char *)ret.data + at) + 1)
            printf("%s\n", (char *)ret.data + at);
    }
    printf("\n");
    if (ret.err)
        die("the request is too large");
}

static void reset(struct request *q) {
    for (size_t i = 0; i < N_FIELDS; i++)
        free(q->field[i]);
    free_pairs(&q->query);
    free_pairs(&q->headers);
    *q = (struct request){0};
}

int main(void) {
    static struct request q;
    CLEANUP_FREE char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        line[strcspn(line, "\n")] = '\0';
        if (*line) {
            read_line(&q, line);
            continue;
        }
        answer(&q);
        reset(&q);
    }
    return 0;
}
