/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who may read the bucket itself, list it, and write to it without credentials.
 */
#include "store/probe_parts.h"

#define STEP_PUBLIC                                                                                          \
    "turn on Block Public Access, and take statements for Principal \"*\" out of the bucket's policy"

static void check_own_read(struct probe *p, const struct probe_answer *a) {
    if (probe_is_the_object(a))
        report_add(p->report, "get", FINDING_OK, "the volume is read from the bucket itself, and can be",
                   NULL, "%d for %s", a->res.status, p->key);
    else if (probe_is_good(a))
        report_add(p->report, "get", FINDING_BROKEN, "these are other bytes than those that were put there",
                   "look at what stands between: a proxy, a cache, an object that somebody else put",
                   "%d for %s", a->res.status, p->key);
    else
        probe_report_refusal(p, "get", FINDING_BROKEN, a);
}

static void check_get(struct probe *p) {
    const struct probe_ask ask = {.method = "GET", .key = p->key};
    CLEANUP_ANSWER struct probe_answer a;
    probe_ask_s3(p, &ask, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (!p->cdn_url)
        check_own_read(p, &a);
    else if (probe_is_good(&a))
        report_add(p->report, "get", FINDING_WARNING,
                   "whoever has the writer's credentials can read the bucket past the CDN, private areas too",
                   "take s3:GetObject away from the writer", "%s for %s", said, p->key);
    else if (probe_is_denied(&a))
        report_add(p->report, "get", FINDING_OK, "the writer cannot read the bucket itself", NULL,
                   "%s for %s", said, p->key);
    else
        probe_report_refusal(p, "get", FINDING_NOTE, &a);
    probe_details(p, &a);
}

static void check_list(struct probe *p) {
    const struct sigv4_pair query[] = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", p->key}};
    const struct probe_ask ask = {.method = "GET", .key = "", .query = query, .n_query = ARRAY_SIZE(query)};
    CLEANUP_ANSWER struct probe_answer a;
    probe_ask_s3(p, &ask, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (probe_is_good(&a))
        report_add(p->report, "list", FINDING_WARNING,
                   "whoever has the writer's credentials can see which objects there are",
                   "take s3:ListBucket away from the writer", "%s for a listing", said);
    else if (probe_is_denied(&a))
        report_add(p->report, "list", FINDING_OK, "the writer cannot list the bucket", NULL,
                   "%s for a listing", said);
    else
        probe_report_refusal(p, "list", FINDING_NOTE, &a);
    probe_details(p, &a);
}

static void check_public_get(struct probe *p) {
    const struct probe_ask ask = {.method = "GET", .key = p->key, .anonymous = true};
    CLEANUP_ANSWER struct probe_answer a;
    probe_ask_s3(p, &ask, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (probe_is_good(&a))
        report_add(p->report, "public-get", FINDING_BROKEN,
                   "everybody can read the bucket past the CDN, without any signature", STEP_PUBLIC,
                   "%s for %s", said, p->key);
    else if (probe_is_denied(&a))
        report_add(p->report, "public-get", FINDING_OK, "nobody reads the bucket without credentials", NULL,
                   "%s for %s", said, p->key);
    else
        probe_report_refusal(p, "public-get", FINDING_NOTE, &a);
    probe_details(p, &a);
}

/* The same bytes, under the condition that there are none: it changes nothing even where it is allowed. */
static void check_public_put(struct probe *p) {
    const struct sigv4_pair headers[] = {{"If-None-Match", "*"}, {"Content-Type", "text/plain"}};
    const struct probe_ask ask = {.method = "PUT",
                                  .key = p->key,
                                  .headers = headers,
                                  .n_headers = ARRAY_SIZE(headers),
                                  .body = PROBE_TEXT,
                                  .anonymous = true};
    CLEANUP_ANSWER struct probe_answer a;
    probe_ask_s3(p, &ask, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (probe_did_or_would(&a))
        report_add(p->report, "public-put", FINDING_BROKEN, "everybody can put objects into the bucket",
                   STEP_PUBLIC, "%s for a put without credentials", said);
    else if (probe_is_denied(&a))
        report_add(p->report, "public-put", FINDING_OK, "nobody puts without credentials", NULL,
                   "%s for a put without credentials", said);
    else
        probe_report_refusal(p, "public-put", FINDING_NOTE, &a);
    probe_details(p, &a);
}

void probe_gets(struct probe *p) {
    if (p->exists) {
        check_get(p);
        check_public_get(p);
        check_public_put(p);
    }
    check_list(p);
}
