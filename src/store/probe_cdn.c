/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the CDN gives, and keeps.
 */
#include "store/probe_parts.h"
#include <inttypes.h>

static bool is_cached(const struct probe_answer *a) {
    const char *cache = probe_header(a, "x-cache"), *age = probe_header(a, "age");
    return (cache && strcasestr(cache, "hit")) || (age && strtol(age, NULL, 10) > 0);
}

static char *journal_key(const struct probe *p, uint64_t number) {
    return xasprintf("%s%s/journal/%016" PRIu64, p->site.prefix, p->opt->prefix, number);
}

static void get(struct probe *p, const char *key, struct probe_answer *ret) {
    probe_ask_cdn(p, &(struct probe_ask){.method = "GET", .key = key}, ret);
}

/* ---- the object that was put */

static void report_denied_read(struct probe *p, const struct probe_answer *a) {
    CLEANUP_FREE char *said = probe_said(a);
    if (a->refusal.message && strcasestr(a->refusal.message, "kms"))
        report_add(p->report, "cdn-kms", FINDING_BROKEN, "the CDN may not decrypt with the bucket's KMS key",
                   "merge the statement for the CDN that assetfs policy prints into the key's own policy",
                   "%s", said);
    report_add(
        p->report, "cdn", FINDING_BROKEN, "the CDN may not read the bucket",
        "give the distribution an origin access control, and merge the statement for the CDN that assetfs "
        "policy prints into the bucket's policy",
        "%s for %s, which is there", said, p->key);
    probe_details(p, a);
}

static bool report_read(struct probe *p, const struct probe_answer *a) {
    CLEANUP_FREE char *said = probe_said(a);
    if (probe_is_the_object(a)) {
        report_add(p->report, "cdn", FINDING_OK, "what was put can be read through the CDN", NULL,
                   "%s for %s%s", said, p->key, is_cached(a) ? ", out of its cache" : "");
        return true;
    }
    if (probe_is_denied(a))
        report_denied_read(p, a);
    else if (!a->err && a->res.status < 300)
        report_add(
            p->report, "cdn", FINDING_BROKEN,
            "the CDN serves something else than the bucket's object: a page of its own, or another bucket",
            "look at cdn=, at the distribution's origin and origin path, and at its custom error responses",
            "%s with %zu bytes of %s for %s", said, a->res.len,
            probe_header(a, "content-type") ? probe_header(a, "content-type") : "an unknown type", p->key);
    else
        probe_report_refusal(p, "cdn", FINDING_BROKEN, a);
    p->cdn_trouble = !a->refusal.code; /* else a signature is missing, or the bucket refuses */
    return false;
}

/* False: there is no sense in asking on. */
static bool check_read(struct probe *p) {
    CLEANUP_ANSWER struct probe_answer a;
    get(p, p->key, &a);
    probe_report_tls(p, "cdn-tls", "the CDN", &a);
    return report_read(p, &a);
}

/* ---- the journal's path */

static void check_journal(struct probe *p) {
    CLEANUP_ANSWER struct probe_answer first, second;
    CLEANUP_FREE char *key = journal_key(p, 1);
    get(p, key, &first);
    get(p, key, &second);
    CLEANUP_FREE char *said = probe_said(&first);
    if (probe_is_good(&first) && (is_cached(&first) || is_cached(&second)))
        report_add(p->report, "journal", FINDING_WARNING,
                   "the journal comes out of the CDN's cache: what other hosts wrote is seen late, and "
                   "nothing that is "
                   "missing is believed to be",
                   "give the journal's path a behaviour with the policy CachingDisabled, before the others",
                   "%s for %s, from a cache", said, key);
    else if (probe_is_good(&first))
        report_add(p->report, "journal", FINDING_OK, "the journal is read past the CDN's cache", NULL,
                   "%s for %s", said, key);
    else if (probe_is_denied(&first) || first.res.status == 404)
        report_add(p->report, "journal", FINDING_NOTE, "there is no volume there yet",
                   "assetfs init makes one", "%s for %s", said, key);
    else
        probe_report_refusal(p, "journal", FINDING_BROKEN, &first);
    probe_details(p, &first);
}

#define STEP_ERRORS                                                                                          \
    "set ErrorCachingMinTTL to 0 for 403 and 404, and give the journal's path a behaviour with the policy "  \
    "CachingDisabled"

static void report_error_caching(struct probe *p, const struct probe_answer *first,
                                 const struct probe_answer *second) {
    const char *id1 = first->refusal.request_id, *id2 = second->refusal.request_id,
               *age = probe_header(second, "age");
    if (second->err)
        probe_report_refusal(p, "error-caching", FINDING_NOTE, second);
    else if (age || (id1 && id2 && !strcmp(id1, id2)))
        report_add(p->report, "error-caching", FINDING_WARNING,
                   "the CDN remembers that a journal entry is missing: after a race of two hosts, the loser "
                   "waits that "
                   "long for what the winner wrote",
                   STEP_ERRORS, "the second answer for a missing entry is the first one again%s%s",
                   age ? ", of age " : "", age ? age : "");
    else
        report_add(p->report, "error-caching", FINDING_OK,
                   "the CDN forgets errors on the journal's path at once", NULL,
                   "two answers of the bucket for a missing entry");
}

/* What is missing must be told in S3's words. */
static bool report_missing(struct probe *p, const struct probe_answer *a) {
    CLEANUP_FREE char *said = probe_said(a);
    if (probe_is_denied(a)) {
        report_add(p->report, "missing", FINDING_OK, "a missing entry is told in S3's words", NULL,
                   "%s for a missing entry", said);
    } else if (!a->err && a->refusal.by == BY_S3 && a->res.status == 404) {
        report_add(p->report, "missing", FINDING_WARNING,
                   "the CDN may list the bucket: a 404 is kept by the CDN longer than a 403, and a listing "
                   "may be open "
                   "to everybody",
                   "take s3:ListBucket out of the bucket's policy", "%s for a missing entry", said);
    } else if (!a->err && (a->res.status < 500 || a->refusal.by != BY_S3)) {
        report_add(
            p->report, "missing", FINDING_BROKEN,
            "the CDN hides the bucket's answer behind one of its own: a host cannot tell that an entry is "
            "missing, and so never write one",
            "take the custom error responses for 403 and 404 out of the distribution, and look at its "
            "firewall",
            "%s for a missing entry", said);
        return false;
    } else {
        probe_report_refusal(p, "missing", FINDING_BROKEN, a);
        return false;
    }
    return true;
}

static void check_missing(struct probe *p) {
    CLEANUP_ANSWER struct probe_answer first, second = {0};
    uint64_t random;
    env_random(p->env, &random, sizeof random);
    CLEANUP_FREE char *key = journal_key(p, UINT64_C(9000000000000000) + random % UINT64_C(999999999999999));
    get(p, key, &first);
    if (report_missing(p, &first)) {
        get(p, key, &second);
        report_error_caching(p, &first, &second);
    } else {
        p->cdn_trouble = true;
    }
}

/* ---- what it should keep from the bucket */

static void check_list(struct probe *p) {
    CLEANUP_ANSWER struct probe_answer a;
    get(p, "", &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (!a.err && strstr(a.res.body, "<ListBucketResult"))
        report_add(p->report, "cdn-list", FINDING_BROKEN,
                   "everybody can list the bucket through the CDN, with the keys of private areas",
                   "take s3:ListBucket out of the bucket's policy", "%s with a listing at %s/", said,
                   p->cdn_url);
    else
        report_add(p->report, "cdn-list", FINDING_OK, "the CDN gives nobody a listing", NULL, "%s at %s/",
                   said, p->cdn_url);
    probe_details(p, &a);
}

void probe_cdn(struct probe *p) {
    if (!p->exists) {
        report_add(p->report, "cdn", FINDING_NOTE,
                   "a key is not asked of the CDN before it is known to exist: the CDN would remember that "
                   "it is not",
                   "mend what the lines above say, then check again", "not looked at");
        return;
    }
    if (check_read(p)) {
        check_journal(p);
        check_missing(p);
        check_list(p);
    }
    probe_changes(p);
}
