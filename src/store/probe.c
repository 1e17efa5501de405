/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/probe_parts.h"

static int locate(struct probe *p, struct buf *why) {
    int r = store_http(p->env, NULL, p->opt, &p->http, why);
    if (r < 0)
        return r;
    p->credentials = store_credentials(p->env, p->opt, p->http);
    r = store_site(p->opt, p->credentials, &p->site, why);
    if (r < 0)
        return r;
    const struct s3_config config = {.endpoint = p->site.endpoint,
                                     .region = p->site.region,
                                     .bucket = p->site.bucket,
                                     .prefix = p->site.prefix,
                                     .path_style = p->opt->path_style};
    r = s3_place_init(&p->place, &config, why);
    if (r == 0 && p->opt->cdn)
        r = url_parse(p->opt->cdn, &p->cdn, why);
    if (r < 0)
        return r;
    p->cdn_url = p->opt->cdn ? url_text(&p->cdn) : NULL;
    p->key = xasprintf("%s%s/check", p->site.prefix, p->opt->prefix);
    p->absent = xasprintf("%s%s/check-absent", p->site.prefix, p->opt->prefix);
    return p->cdn_url ? store_access(p->env, p->opt, p->site.prefix, &p->access, why) : 0;
}

static void leave(struct probe *p) {
    cdn_access_free(p->access);
    credentials_free(p->credentials);
    http_free(p->http);
    s3_place_free(&p->place);
    store_site_free(&p->site);
    if (p->cdn_url)
        url_free(&p->cdn);
    free(p->cdn_url);
    free(p->key);
    free(p->absent);
}

static int probe_s3(const struct probe_config *c, struct report *report, struct buf *why) {
    struct probe p = {.env = c->env,
                      .opt = c->opt,
                      .origin = c->origin,
                      .areas = c->areas,
                      .n_areas = c->n_areas,
                      .report = report};
    int r = locate(&p, why);
    if (r == 0 && probe_puts(&p))
        probe_gets(&p);
    if (r == 0 && p.cdn_url)
        probe_cdn(&p);
    if (r == 0 && p.cdn_url && !p.cdn_trouble)
        probe_areas(&p);
    if (r == 0)
        probe_cors(&p);
    leave(&p);
    return r;
}

int probe_deployment(const struct probe_config *c, struct report *report, struct buf *why) {
    return store_is_s3(c->opt) ? probe_s3(c, report, why) : probe_directory(c, report, why);
}
