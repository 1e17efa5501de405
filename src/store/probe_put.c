/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the writer may do, and must not be able to. The order matters: the server is first seen to refuse
 * bytes that are not those announced, at the key that is ours.
 */
#include "store/probe_parts.h"

#define MOVES_MAX 3
/* Bytes that are announced and never sent. */
#define NEVER_SENT "assetfs never sends these bytes\n"

enum put_how { IF_ABSENT = 1, AS_ANNOUNCED = 2 };

/* keep: what more is asked for; may be NULL. */
static void ask_put_as(struct probe *p, const char *key, unsigned how, const struct keep *keep, struct probe_answer *ret) {
    const char *announced = how & AS_ANNOUNCED ? PROBE_TEXT : NEVER_SENT;
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    digest_of(announced, strlen(announced), digest);
    digest_hex(digest, hex);
    CLEANUP_FREE char *checksum = s3_checksum(digest);
    struct sigv4_pair headers[S3_HEADERS_MAX / 2] = {{"Content-Type", "text/plain"}, {"x-amz-checksum-sha256", checksum}, {"If-None-Match", "*"}};
    struct keep_pair *kept = NULL;
    size_t n = how & IF_ABSENT ? 3 : 2, n_kept = 0;
    if (keep)
        s3_keep_pairs(keep, &kept, &n_kept);
    for (size_t i = 0; i < n_kept && n < ARRAY_SIZE(headers); i++)
        headers[n++] = (struct sigv4_pair){kept[i].name, kept[i].value};
    const struct probe_ask ask = {.method = "PUT", .key = key, .headers = headers, .n_headers = n, .body = PROBE_TEXT, .payload = hex};
    probe_ask_s3(p, &ask, ret);
    keep_pairs_free(kept, n_kept);
}

static void ask_put(struct probe *p, const char *key, unsigned how, struct probe_answer *ret) {
    ask_put_as(p, key, how, NULL, ret);
}

/* ---- the first answer: who is there, where, at what time */

static bool is_elsewhere(const struct probe_answer *a) {
    int status = a->res.status;
    return !a->err && ((status >= 300 && status < 400) ||
                       (a->refusal.code && !strcmp(a->refusal.code, "AuthorizationHeaderMalformed")));
}

/* True: the bucket is elsewhere, and that is where we ask now. */
static bool follow(struct probe *p, const struct probe_answer *a) {
    CLEANUP_FREE char *before = xstrdup(p->place.region);
    bool redirect = a->res.status < 400;
    if (!is_elsewhere(a) || (a->refusal.by != BY_S3 && !(redirect && a->refusal.region)))
        return false;
    if (!s3_place_move(&p->place, a->refusal.region, redirect ? a->refusal.endpoint : NULL))
        return false;
    CLEANUP_FREE char *step =
        xasprintf("set region=%s, and endpoint= if the server is not Amazon's", p->place.region);
    report_add(p->report, "region", FINDING_WARNING,
               "the bucket is elsewhere: each start of a mount asks in vain before it finds it", step,
               "%s is what this host takes for the bucket's region, %s is what the server says", before,
               p->place.region);
    return true;
}

/* True: the clock was wrong, and we know better now. */
static bool learn_clock(struct probe *p, const struct probe_answer *a) {
    const char *date = probe_header(a, "date");
    int64_t then = date ? http_date(date) : -1;
    bool refused = !a->err && a->refusal.code && !strcmp(a->refusal.code, "RequestTimeTooSkewed");
    if (then < 0 || (a->refusal.by != BY_S3 && !probe_header(a, "x-amz-request-id")) ||
        report_find(p->report, "clock"))
        return false;
    int64_t skew = then - a->res.received_at / NS_PER_S;
    if (llabs(skew) < PROBE_SKEW_MIN) {
        report_add(p->report, "clock", FINDING_OK, "this host's clock is the server's", NULL, "%lld s apart",
                   (long long)skew);
        return false;
    }
    p->skew = skew;
    report_add(
        p->report, "clock", FINDING_WARNING,
        "assetfs corrects its signatures by that, but times of files are this host's, and signed addresses "
        "end sooner or later than they should",
        "set this host's clock, and let it be kept (NTP)", "this host's clock is %lld s %s the server's",
        (long long)llabs(skew), skew > 0 ? "behind" : "ahead of");
    return refused;
}

/* Whose they are; an access key is no secret. */
static void report_credentials(struct probe *p) {
    CLEANUP_BUF struct buf why = BUF_INIT(8192);
    struct credential c = {0};
    if (credentials_get_sync(p->credentials, &c, &why) == 0) {
        CLEANUP_FREE char *from = credentials_from(p->credentials);
        report_add(p->report, "credentials", FINDING_OK, "this host has credentials for S3", NULL,
                   "access key %s%s, from %s", c.access_key, c.session_token ? " with a session token" : "",
                   from ? from : "?");
    }
    credential_free(&c);
}

/* Something that is S3 has to answer, or there is nothing more to ask. */
static bool report_endpoint(struct probe *p, const struct probe_answer *a) {
    CLEANUP_FREE char *at = url_text(&p->place.endpoint);
    const char *server = probe_header(a, "server");
    if (a->err == -EACCES) {
        probe_report_refusal(p, "credentials", FINDING_BROKEN, a);
        return false;
    }
    report_credentials(p);
    bool is_s3 = !a->err && (a->refusal.by == BY_S3 || (a->res.status < 300 && probe_header(a, "etag")));
    if (!is_s3) {
        probe_report_refusal(p, "endpoint", FINDING_BROKEN, a);
        return false;
    }
    report_add(p->report, "endpoint", FINDING_OK, "it answers as S3 does", NULL, "%s%s%s", at,
               server ? ", " : "", server ? server : "");
    return true;
}

static bool report_place(struct probe *p, const struct probe_answer *a) {
    if (is_elsewhere(a)) {
        probe_report_refusal(p, "region", FINDING_BROKEN, a);
        return false;
    }
    if (!report_find(p->report, "region"))
        report_add(p->report, "region", FINDING_OK, "requests are signed for the region the server wants",
                   NULL, "%s", p->place.region);
    return true;
}

/* The first put: it announces other bytes than it brings. */
static bool contact(struct probe *p, struct probe_answer *a) {
    ask_put(p, p->key, IF_ABSENT, a);
    for (int i = 0; i < MOVES_MAX; i++) {
        bool moved = follow(p, a), clock = learn_clock(p, a);
        if (!moved && !clock)
            break;
        probe_answer_free(a);
        ask_put(p, p->key, IF_ABSENT, a);
    }
    if (!report_endpoint(p, a))
        return false;
    probe_report_tls(p, "tls", "S3", a);
    return report_place(p, a);
}

static void report_digest(struct probe *p, const struct probe_answer *a) {
    CLEANUP_FREE char *said = probe_said(a);
    p->careful = probe_is_wrong_digest(a);
    if (p->careful)
        report_add(p->report, "digest", FINDING_OK, "bytes that were damaged on their way are not kept", NULL,
                   "%s for a put whose bytes are not those it announces", said);
    else if (probe_is_good(a)) {
        p->exists = p->careless = true;
        report_add(
            p->report, "digest", FINDING_BROKEN,
            "the server does not look whether it got the bytes that were sent: damage on the way stays in "
            "the "
            "bucket",
            "use a server that verifies x-amz-content-sha256, or take away what stands before it and changes "
            "requests",
            "%s for a put whose bytes are not those it announces", said);
    }
    probe_details(p, a);
}

/* ---- put, and put again */

static bool speaks_of_kms(const struct refusal *r) {
    return (r->code && strcasestr(r->code, "kms")) || (r->message && strcasestr(r->message, "kms"));
}

/* Of an object that was made just now: the answer has it. */
static void report_encryption(struct probe *p, const struct probe_answer *a) {
    const char *how = probe_header(a, "x-amz-server-side-encryption"),
               *key = probe_header(a, "x-amz-server-side-encryption-aws-kms-key-id");
    if (how && !strncmp(how, "aws:kms", 7))
        report_add(
            p->report, "kms", FINDING_NOTE,
            "the writer may use the key (kms:GenerateDataKey); files of 32 MiB and more need kms:Decrypt as "
            "well, which cannot be tried without leaving an unfinished upload",
            "compare the writer's policy with what assetfs policy prints", "%s %s", how, key ? key : "");
    else if (how)
        report_add(p->report, "kms", FINDING_OK, "no KMS key is needed", NULL, "%s", how);
}

static bool report_put(struct probe *p, const struct probe_answer *a) {
    CLEANUP_FREE char *said = probe_said(a);
    bool there = !a->err && a->res.status == 412;
    if (!there && !probe_is_good(a)) {
        if (speaks_of_kms(&a->refusal))
            probe_report_refusal(p, "kms", FINDING_BROKEN, a);
        probe_report_refusal(p, "put", FINDING_BROKEN, a);
        return false;
    }
    p->exists = true;
    report_add(p->report, "put", FINDING_OK, "the writer may put objects there", NULL, "%s for %s%s", said,
               p->key, there ? ", which is there already" : "");
    if (!there)
        report_encryption(p, a);
    return true;
}

static void check_condition(struct probe *p) {
    CLEANUP_ANSWER struct probe_answer a;
    ask_put(p, p->key, IF_ABSENT | AS_ANNOUNCED, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (!a.err && a.res.status == 412)
        report_add(p->report, "condition", FINDING_OK, "of several hosts that put the same key, one wins",
                   NULL, "%s for a second put with If-None-Match", said);
    else if (probe_is_good(&a))
        report_add(
            p->report, "condition", FINDING_BROKEN,
            "the server replaces an object in spite of If-None-Match: hosts would overwrite each other's "
            "changes, so it cannot hold a volume",
            "use a server that knows conditional puts, and take away what stands before it and drops headers",
            "%s for a second put with If-None-Match", said);
    else
        probe_report_refusal(p, "condition", FINDING_BROKEN, &a);
    probe_details(p, &a);
}

/* ---- what a writer should not be able to do */

#define STEP_DENY "merge the Deny statement that assetfs policy prints into the bucket's policy"

static void check_overwrite(struct probe *p) {
    CLEANUP_ANSWER struct probe_answer a;
    ask_put(p, p->key, 0, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    bool wrong = probe_is_wrong_digest(&a);
    if (wrong || probe_is_good(&a))
        report_add(p->report, "overwrite", FINDING_WARNING,
                   "whoever has the writer's credentials can replace objects: assetfs never does", STEP_DENY,
                   "a put without If-None-Match is allowed: %s", said);
    else if (probe_is_denied(&a))
        report_add(p->report, "overwrite", FINDING_OK, "nobody can replace an object by a plain put", NULL,
                   "%s for a put without If-None-Match", said);
    else
        probe_report_refusal(p, "overwrite", FINDING_NOTE, &a);
    /* Amazon knows the condition before it looks at the bytes, and is known to look. */
    const char *server = probe_header(&a, "server");
    bool amazon = server && !strcmp(server, "AmazonS3");
    p->careful = p->careful || wrong || (!p->careless && amazon && probe_is_denied(&a));
    probe_details(p, &a);
}

/* Whether the writer might put there. Nothing is: the server refuses the bytes, or the writer. */
static void ask_may_put(struct probe *p, const char *key, const struct keep *keep, struct probe_answer *ret) {
    ask_put_as(p, key, IF_ABSENT, keep, ret);
}

static bool may_put(const struct probe_answer *a) {
    return probe_is_good(a) || probe_is_wrong_digest(a) || (!a->err && a->res.status == 412);
}

/* Of one area: room is what its keys begin with. With its tags, its KMS key and all else its objects are put with. */
static void check_content(struct probe *p, const char *check, const char *room, const struct keep *keep) {
    CLEANUP_ANSWER struct probe_answer a;
    CLEANUP_FREE char *key = xasprintf("%s%scheck-absent", p->site.prefix, room);
    ask_may_put(p, key, keep, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (may_put(&a))
        report_add(p->report, check, FINDING_OK, "the writer may put files' contents there", NULL,
                   "%s for a put below %s%s that cannot succeed", said, p->site.prefix, room);
    else
        probe_report_refusal(p, check, FINDING_BROKEN, &a);
    probe_details(p, &a);
}

/* The writer's policy names each prefix, and the ones of areas that were made later are forgotten easily. */
static void check_contents(struct probe *p) {
    const struct keep *keep = NULL;
    for (size_t i = 0; i < p->n_areas; i++)
        if (!strcmp(p->areas[i].room, "files/"))
            keep = p->areas[i].keep;
    check_content(p, "content", "files/", keep);
    for (size_t i = 0; i < p->n_areas; i++) {
        CLEANUP_FREE char *check = xasprintf("content:%s", p->areas[i].room);
        if (strcmp(p->areas[i].room, "files/") != 0)
            check_content(p, check, p->areas[i].room, p->areas[i].keep);
    }
}

static void check_elsewhere(struct probe *p) {
    CLEANUP_ANSWER struct probe_answer a;
    ask_may_put(p, "assetfs-check-elsewhere", NULL, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (may_put(&a))
        report_add(p->report, "elsewhere", FINDING_WARNING,
                   "the writer may put outside of the volume's prefixes: its credentials reach what else "
                   "lives in the "
                   "bucket",
                   "give the writer the policy that assetfs policy prints, and no other",
                   "%s for a put of assetfs-check-elsewhere that cannot succeed", said);
    else if (probe_is_denied(&a))
        report_add(p->report, "elsewhere", FINDING_OK, "the writer may put within the volume's prefixes only",
                   NULL, "%s for a put of assetfs-check-elsewhere", said);
    else
        probe_report_refusal(p, "elsewhere", FINDING_NOTE, &a);
    probe_details(p, &a);
}

static void check_delete(struct probe *p) {
    const struct sigv4_pair headers[] = {{"If-Match", "*"}};
    const struct probe_ask ask = {.method = "DELETE", .key = p->absent, .headers = headers, .n_headers = 1};
    CLEANUP_ANSWER struct probe_answer a;
    probe_ask_s3(p, &ask, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (probe_is_denied(&a))
        report_add(p->report, "delete", FINDING_OK, "the writer cannot delete", NULL, "%s for %s", said,
                   p->absent);
    else if (probe_did_or_would(&a))
        report_add(p->report, "delete", FINDING_WARNING,
                   "whoever has the writer's credentials can delete what others wrote: assetfs never does",
                   "take s3:DeleteObject away from the writer",
                   "%s for the deletion of %s, which is not there", said, p->absent);
    else
        probe_report_refusal(p, "delete", FINDING_NOTE, &a);
    probe_details(p, &a);
}

bool probe_puts(struct probe *p) {
    CLEANUP_ANSWER struct probe_answer first = {0}, second = {0};
    if (!contact(p, &first))
        return false;
    report_digest(p, &first);
    ask_put(p, p->key, IF_ABSENT | AS_ANNOUNCED, &second);
    if (report_put(p, &second)) {
        check_condition(p);
        check_overwrite(p);
        if (p->careful) {
            check_contents(p);
            check_elsewhere(p);
        }
    }
    check_delete(p);
    return true;
}
