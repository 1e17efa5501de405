/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * May web pages of an origin read what the volume has? A script's fetch(), a canvas and a font need it; <img>
 * and <video> do not ("Fetch", WHATWG).
 */
#include "store/probe_parts.h"
#include <strings.h>

bool probe_origin_ok(const char *origin) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct url url;
    if (url_parse(origin, &url, &why) < 0)
        return false;
    CLEANUP_FREE char *text = url_text(&url);
    bool ok = !*url.path && !strcasecmp(text, origin);
    url_free(&url);
    return ok;
}

static bool is_let_in(const struct probe *p, const struct probe_answer *a) {
    const char *allowed = probe_header(a, "access-control-allow-origin");
    return allowed && (!strcmp(allowed, "*") || !strcasecmp(allowed, p->origin));
}

static bool allows_get(const struct probe_answer *a) {
    const char *methods = probe_header(a, "access-control-allow-methods");
    return methods && strstr(methods, "GET");
}

static void ask(struct probe *p, const struct probe_ask *what, struct probe_answer *ret) {
    if (p->cdn_url)
        probe_ask_cdn(p, what, ret);
    else
        probe_ask_s3(p, what, ret);
}

static void check_preflight(struct probe *p) {
    const struct sigv4_pair headers[] = {{"Origin", p->origin},
                                         {"Access-Control-Request-Method", "GET"},
                                         {"Access-Control-Request-Headers", "range"}};
    CLEANUP_ANSWER struct probe_answer a;
    ask(p,
        &(struct probe_ask){.method = "OPTIONS",
                            .key = p->key,
                            .headers = headers,
                            .n_headers = ARRAY_SIZE(headers),
                            .anonymous = !p->cdn_url},
        &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (a.err)
        probe_report_refusal(p, "cors-preflight", FINDING_WARNING, &a);
    else if (probe_is_good(&a) && is_let_in(p, &a) && allows_get(&a))
        report_add(p->report, "cors-preflight", FINDING_OK, "scripts of that origin may ask for ranges", NULL,
                   "%s for OPTIONS with Origin: %s", said, p->origin);
    else
        report_add(
            p->report, "cors-preflight", FINDING_WARNING,
            "scripts of that origin (a sub-domain is another one) cannot ask for ranges or send headers of "
            "their own",
            "give the bucket the CORS rule that assetfs policy prints, and let the CDN's behaviours allow "
            "OPTIONS and pass Origin on",
            "%s for OPTIONS with Origin: %s%s", said, p->origin,
            probe_is_good(&a) ? ", without Access-Control-Allow-Origin for it" : "");
    probe_details(p, &a);
}

/* Through the CDN only: an answer without the header may have been kept for those that want it. */
static void check_read(struct probe *p) {
    const struct sigv4_pair headers[] = {{"Origin", p->origin}};
    CLEANUP_ANSWER struct probe_answer a;
    ask(p, &(struct probe_ask){.method = "GET", .key = p->key, .headers = headers, .n_headers = 1}, &a);
    CLEANUP_FREE char *said = probe_said(&a);
    if (probe_is_good(&a) && is_let_in(p, &a))
        report_add(p->report, "cors", FINDING_OK, "scripts of that origin may read", NULL,
                   "%s with Origin: %s", said, p->origin);
    else if (probe_is_good(&a))
        report_add(
            p->report, "cors", FINDING_WARNING,
            "scripts of that origin (a sub-domain is another one) cannot read files; pictures on pages can "
            "be "
            "shown all the same",
            "give the bucket the CORS rule that assetfs policy prints, or the behaviours a response headers "
            "policy with that origin",
            "%s without Access-Control-Allow-Origin for Origin: %s", said, p->origin);
    else
        probe_report_refusal(p, "cors", FINDING_WARNING, &a);
    probe_details(p, &a);
}

void probe_cors(struct probe *p) {
    if (!p->origin)
        return;
    check_preflight(p);
    if (p->cdn_url && p->exists)
        check_read(p);
}
