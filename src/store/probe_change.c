/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What may be changed through the CDN: nothing, by nobody. A behaviour of CloudFront is for a pattern of paths, so each area is tried by itself.
 *
 * Nothing changes where it is allowed after all. At <prefix>/check the put brings the bytes that are there, under the condition that there are none. In an area it is for a key that nobody
 * puts, under the condition that it exists with an ETag nobody has, and announces the MD5 of other bytes: either is enough for S3 to refuse it, once it has been let through. Deletions are of
 * keys that nobody puts, under the condition that they exist.
 */
#include "store/probe_parts.h"

/* Of no bytes at all. */
#define MD5_OF_NOTHING "1B2M2Y8AsgTpgAmY7PhCfg=="

#define STEP_METHODS                                                                                         \
    "let the distribution's behaviours allow GET and HEAD (and OPTIONS for CORS) only, and keep "            \
    "s3:PutObject and "                                                                                      \
    "s3:DeleteObject out of what the bucket's policy gives the CDN"

/* Who tries what, and where. */
struct change {
    const char *method; /* "PUT" or "DELETE" */
    const char *key;    /* whole */
    const char *room;   /* of an area; NULL: <prefix> */
    bool by_link;       /* with a signature, as a link has one; else without */
};

/* S3 has seen it, and would have done it if something had (not) been there, or the bytes had been right. */
static bool was_allowed(const struct probe_answer *a) {
    return probe_did_or_would(a) || (!a->err && a->refusal.by == BY_S3 && probe_is_wrong_digest(a));
}

static bool is_no(const struct probe_answer *a) {
    int status = a->res.status;
    return !a->err && (status == 401 || status == 403 || status == 405 || status == 501);
}

static void report_change(struct probe *p, const struct change *c, const struct probe_answer *a) {
    const char *who = c->by_link ? "who has a signed link" : "everybody", *what = strcmp(c->method, "PUT") ? "delete" : "put";
    CLEANUP_FREE char *check = xasprintf("%s-%s%s%s", c->by_link ? "signed" : "cdn", what, c->room ? ":" : "", c->room ? c->room : "");
    CLEANUP_FREE char *answer = probe_said(a);
    CLEANUP_FREE char *said = c->room ? xasprintf("%s for a %s of %s", answer, c->method, c->key) : xstrdup(answer);
    CLEANUP_FREE char *open = xasprintf("%s can %s through the CDN", who, what);
    CLEANUP_FREE char *passed = xasprintf("the CDN passes it on, and only the bucket's policy stands between %s and a %s", who, what);
    if (was_allowed(a))
        report_add(p->report, check, FINDING_BROKEN, open, STEP_METHODS, "%s", said);
    else if (is_no(a) && a->refusal.by == BY_S3)
        report_add(p->report, check, FINDING_WARNING, passed, STEP_METHODS, "%s", said);
    else if (is_no(a))
        report_add(p->report, check, FINDING_OK, c->by_link ? "a signed link is good for reading only" : "the CDN lets nobody change anything", NULL, "%s", said);
    else
        probe_report_refusal(p, check, FINDING_NOTE, a);
    probe_details(p, a);
}

static void try(struct probe *p, const struct change *c) {
    static const struct sigv4_pair absent[] = {{"If-None-Match", "*"}, {"Content-Type", "text/plain"}}, exists[] = {{"If-Match", "*"}},
                                   nobodys[] = {{"If-Match", "\"assetfs-check\""}, {"Content-MD5", MD5_OF_NOTHING}, {"Content-Type", "text/plain"}};
    bool put = !strcmp(c->method, "PUT");
    const struct probe_ask ask = {.method = c->method,
                                  .key = c->key,
                                  .headers = !put ? exists : c->room ? nobodys : absent,
                                  .n_headers = !put ? ARRAY_SIZE(exists) : c->room ? ARRAY_SIZE(nobodys) : ARRAY_SIZE(absent),
                                  .body = put ? PROBE_TEXT : NULL,
                                  .anonymous = !c->by_link};
    CLEANUP_ANSWER struct probe_answer a;
    probe_ask_cdn(p, &ask, &a);
    report_change(p, c, &a);
}

static void try_both(struct probe *p, const char *put_key, const char *delete_key, const char *room, bool by_link) {
    if (put_key)
        try(p, &(struct change){.method = "PUT", .key = put_key, .room = room, .by_link = by_link});
    try(p, &(struct change){.method = "DELETE", .key = delete_key, .room = room, .by_link = by_link});
}

/* A put only where the server has been seen to look at bytes. */
static void check_area(struct probe *p, const struct probe_area *x) {
    CLEANUP_FREE char *key = xasprintf("%s%scheck-absent", p->site.prefix, x->room);
    const char *put_key = p->careful ? key : NULL;
    try_both(p, put_key, key, x->room, false);
    if (!x->open && cdn_access_signs(p->access))
        try_both(p, put_key, key, x->room, true);
}

void probe_changes(struct probe *p) {
    try_both(p, p->key, p->absent, NULL, false);
    if (cdn_access_signs(p->access))
        try_both(p, p->key, p->absent, NULL, true);
    for (size_t i = 0; i < p->n_areas && !p->cdn_trouble; i++)
        check_area(p, &p->areas[i]);
}
