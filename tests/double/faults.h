/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What goes wrong, as it is told: a list of rules, added and removed while the double runs (control.h). A rule names the requests it looks at and which of
 * them it hits; all rules that hit a request act on it, of several that answer it in place of S3 or the CDN the first one counts.
 *
 *     RULE[;RULE]...        RULE: TARGET:KIND[=VALUE][,NAME=VALUE]...        "put:fail=503,count=3,prefix=files/;cdn:delay=50"
 *
 * TARGET  put       PutObject                          get       GET and HEAD of an object, at the CDN or at S3
 *         create, part, complete: the calls of a multipart upload
 *         s3        everything at S3                   cdn       everything at the CDN
 *         origin    what the CDN asks S3 (only delay, late, fail, refuse, rot, backwards mean something there)
 *         any       all of them but origin
 *
 * KIND, before anything is done:
 *   delay=MS        begins later                       hang      is read and never answered, until the rules are cleared
 *   reset           the connection is reset            clock=SECONDS  the server's clock is that much ahead, for Date and signatures
 *   cut-request=N   closed after N bytes of the body   throttle=BYTES  a second, both ways, each request by itself
 * in place of the real answer (nothing is carried out):
 *   fail=STATUS[:CODE]  S3's error; retry-after=VALUE adds the header; to=HOST:PORT is where 301 and 307 send one; region=NAME comes along with 301, 400
 *                   and 403 (x-amz-bucket-region, <Region>)
 *                   message=TEXT is what S3 says to it
 *   refuse          fail=403:AccessDenied              html[=STATUS]  the CDN's own page, `Server: CloudFront` (403; 200 is a captive portal's)
 *   error200[=CODE] 200 with an <Error> inside, for complete; nothing is completed (InternalError)
 * around a real answer (the request is carried out):
 *   late=MS         answered later                     lose      the connection is closed instead of an answer
 *   garbage         somebody else's object is put at the key just before
 *   spa             an answer from 400 on becomes 200 with an HTML page ("custom error response")
 *   cut=N           closed after N bytes of the body   truncate=N  ends after N bytes, as if that were all of it
 *   corrupt[=OFFSET]  one bit of that byte of the object is flipped in this answer (0; an offset beyond what is sent counts modulo its length)
 *   rot[=OFFSET]    the same, and the CDN's cache keeps it so
 *   whole           200 with everything, to a range    wrong-range  Content-Range says something else than what is sent
 *   chunked         without Content-Length             close     `Connection: close`
 *   backwards=SEQ   reading: journal entries from that number on are missing
 *   writes=N        the CDN passes PUT and DELETE on, as the setting cdn-writes=N does everywhere (site.h)
 *
 * NAME  nth=N         the first request it hits, counted among those it looks at, from 1
 *       count=N       how many it hits (all from there on)
 *       prefix=TEXT   of the key; key=TEXT the whole key
 *       probability=P, seed=N  of those, hits each with probability P (0 to 1); the same seed makes the same choices in the same order
 *
 * Threads: any; one mutex inside. A plan is the request's own.
 */
#ifndef DOUBLE_FAULTS_H
#define DOUBLE_FAULTS_H

#include "mem.h"

/* What a request is, one bit each. */
enum op {
    OP_PUT = 1,
    OP_CREATE = 2,
    OP_PART = 4,
    OP_COMPLETE = 8,
    OP_S3_GET = 16,
    OP_S3_OTHER = 32,
    OP_CDN_GET = 64,
    OP_CDN_OTHER = 128,
    OP_ORIGIN = 256,
    OPS_S3 = OP_PUT | OP_CREATE | OP_PART | OP_COMPLETE | OP_S3_GET | OP_S3_OTHER,
    OPS_CDN = OP_CDN_GET | OP_CDN_OTHER,
};

enum fault_kind {
    FAULT_DELAY,
    FAULT_HANG,
    FAULT_RESET,
    FAULT_CLOCK,
    FAULT_CUT_REQUEST,
    FAULT_THROTTLE,
    FAULT_FAIL,
    FAULT_HTML,
    FAULT_ERROR200,
    FAULT_LATE,
    FAULT_LOSE,
    FAULT_GARBAGE,
    FAULT_SPA,
    FAULT_CUT,
    FAULT_TRUNCATE,
    FAULT_CORRUPT,
    FAULT_ROT,
    FAULT_WHOLE,
    FAULT_WRONG_RANGE,
    FAULT_CHUNKED,
    FAULT_CLOSE,
    FAULT_BACKWARDS,
    FAULT_WRITES,
    FAULT_KINDS,
};

/* What the rules that hit a request do to it, together. */
struct plan {
    unsigned kinds; /* bits 1u << enum fault_kind */
    int64_t value[FAULT_KINDS];
    char code[64];        /* FAIL, ERROR200 */
    char retry_after[64]; /* "": none */
    char to[128], region[64], message[160];
};
static inline bool plan_has(const struct plan *p, enum fault_kind k) {
    return p->kinds & 1u << k;
}

#define FAULT_GARBAGE_BYTES "garbage that nobody asked for\n"

struct faults;
struct faults *faults_new(void);
void faults_free(struct faults *);
/* Adds the rules and writes the number of each, a line each. False, and nothing is added, unless all of it is right; then a sentence is written. */
bool faults_add(struct faults *, const char *spec, FILE *out);
/* 0: all of them. False: there is no such rule. */
bool faults_remove(struct faults *, unsigned id);
/* {"1":{"rule":"put:fail=503","seen":4,"hits":3},...} */
void faults_list(struct faults *, FILE *out);
/* -1: there is no such rule. */
long faults_hits(struct faults *, unsigned id);
struct plan faults_plan(struct faults *, unsigned op, const char *key);
/* Another number after each removal: who hangs lets go. */
unsigned faults_generation(struct faults *);

#endif
