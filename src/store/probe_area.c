/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who may read the areas' objects through the CDN. Nothing is there to be read: it is enough to see who
 * refuses what is not there, S3 behind the CDN or the CDN itself.
 */
#include "store/probe_parts.h"

static void get(struct probe *p, const char *key, bool anonymous, struct probe_answer *ret) {
    probe_ask_cdn(p, &(struct probe_ask){.method = "GET", .key = key, .anonymous = anonymous}, ret);
}

/* S3 was asked: it says that there is no such object, in whichever words. */
static bool was_passed_on(const struct probe_answer *a) {
    return probe_is_denied(a) || (!a->err && a->refusal.by == BY_S3 && a->res.status == 404);
}

/* The CDN refuses by itself, as it does without a signature, or a header of the deployment's own authoriser.
 */
static bool was_stopped(const struct probe_answer *a) {
    return !a->err && a->refusal.by != BY_S3 && (a->res.status == 403 || a->res.status == 401);
}

static void check_signature(struct probe *p, const char *check, const char *key) {
    CLEANUP_ANSWER struct probe_answer a;
    get(p, key, false, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (was_passed_on(&a) && !cdn_access_signs(p->access))
        report_add(p->report, check, FINDING_OK, "only who has the headers of cdn_header= reads there, and this host's are good", NULL, "%s for %s with them, not without", said, key);
    else if (was_passed_on(&a))
        report_add(p->report, check, FINDING_OK,
                   "only who has a signature reads there, and this host's is good", NULL,
                   "%s for %s with a signature, 403 without", said, key);
    else if (was_stopped(&a) && !cdn_access_signs(p->access))
        report_add(p->report, check, FINDING_BROKEN, "the CDN does not take this host's headers, or wants a signature beside them",
                   "look at the file of cdn_header=, and at the function that looks at them; set cdn_key_file= and cdn_key_id= where the behaviour has a key group", "%s for %s with them", said, key);
    else if (was_stopped(&a))
        report_add(p->report, check, FINDING_BROKEN, "the CDN does not take this host's signatures",
                   "look whether the public half of cdn_key_file= is in the key group of the behaviour, "
                   "whether cdn_key_id= is its id, and at this host's clock",
                   "%s for %s with a signature", said, key);
    else
        probe_report_refusal(p, check, FINDING_BROKEN, &a);
    probe_details(p, &a);
}

static void check_private(struct probe *p, const char *check, const char *key, const struct probe_answer *a) {
    CLEANUP_FREE char *said = probe_said(a);
    if (was_passed_on(a))
        report_add(p->report, check, FINDING_BROKEN,
                   "these files should be read with a signature only, and whoever knows their address can "
                   "read them without",
                   "give the behaviour of these paths the key group (\"restrict viewer access\"), or say "
                   "that the area is open",
                   "%s for %s without a signature", said, key);
    else if (was_stopped(a) && !p->access)
        report_add(p->report, check, FINDING_BROKEN, "the CDN wants a signature that this host cannot make",
                   "set cdn_key_file= and cdn_key_id=", "%s for %s without a signature", said, key);
    else if (was_stopped(a))
        check_signature(p, check, key);
    else
        probe_report_refusal(p, check, FINDING_BROKEN, a);
    probe_details(p, a);
}

static void check_open(struct probe *p, const char *check, const char *key, const struct probe_answer *a) {
    CLEANUP_FREE char *said = probe_said(a);
    if (was_passed_on(a))
        report_add(p->report, check, FINDING_OK, "whoever has a link may read", NULL,
                   "%s for %s without a signature", said, key);
    else if (was_stopped(a))
        report_add(p->report, check, FINDING_BROKEN,
                   "links to these files do not work: the CDN wants more than a link",
                   "take the key group from the behaviour of these paths, or set cdn_key_file= and say that "
                   "the area is signed",
                   "%s for %s without a signature", said, key);
    else
        probe_report_refusal(p, check, FINDING_BROKEN, a);
    probe_details(p, a);
}

void probe_areas(struct probe *p) {
    for (size_t i = 0; i < p->n_areas; i++) {
        const struct probe_area *x = &p->areas[i];
        CLEANUP_FREE char *key = xasprintf("%s%scheck-absent", p->site.prefix, x->room);
        CLEANUP_FREE char *check = xasprintf("%s:%s", x->open ? "open" : "private", x->room);
        CLEANUP_ANSWER struct probe_answer a;
        get(p, key, true, &a);
        (x->open ? check_open : check_private)(p, check, key, &a);
    }
}
