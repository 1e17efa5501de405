/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs policy: what the volume needs of AWS.
 */
#include "base/log.h"
#include "base/loop.h"
#include "cmd/command.h"
#include "cmd/volume_areas.h"
#include "cmd/volume_args.h"
#include "net/url.h"
#include "store/open.h"
#include "store/policy.h"
#include "store/s3_request.h"

#define POLICY_MAX ((size_t)16 << 20)

/* Whether the server is Amazon's: no other was named, or one of its names. */
static bool is_amazon(const struct store_site *site) {
    return !site->endpoint || strstr(site->endpoint, ".amazonaws.com");
}

/* "/some" of https://cdn.example/some: malloc'd. */
static int cdn_path(const char *cdn, char **ret, struct buf *why) {
    struct url url;
    int r = url_parse(cdn, &url, why);
    if (r < 0)
        return r;
    *ret = xstrdup(url.path);
    url_free(&url);
    return 0;
}

static int check_name(const struct store_site *site, struct buf *why) {
    if (s3_bucket_name_ok(site->bucket))
        return 0;
    buf_printf(why,
               "\"%s\" is not the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
               site->bucket);
    return -EINVAL;
}

/* As store/policy.h wants them; what the strings belong to is `areas`, but for the rooms. */
static struct policy_area *policy_areas(const struct options *opt, const struct areas *areas) {
    bool never_signs = opt->cdn_header && !opt->cdn_key_file; /* a key group would keep this volume's own reads out */
    struct policy_area *list = xcalloc(areas->n, sizeof *list);
    for (size_t i = 0; i < areas->n; i++) {
        const struct area *a = &areas->v[i];
        list[i] = (struct policy_area){.room = area_key_room(area_template(a), a->path),
                                       .open = a->access == AREA_OPEN || never_signs,
                                       .tags = a->n_tags > 0,
                                       .kms = a->encryption == KEEP_SSE_KMS,
                                       .kms_key = a->key_id};
    }
    return list;
}

static void print_for(const struct policy *policy, bool terraform) {
    CLEANUP_BUF struct buf out = BUF_INIT(POLICY_MAX);
    if (terraform)
        policy_terraform(policy, &out);
    else
        policy_json(policy, &out);
    fputs(buf_str(&out), stdout);
}

static int print(const struct options *opt, const struct store_site *site, bool terraform, struct buf *why) {
    CLEANUP_FREE char *path = NULL;
    struct areas areas;
    int r = opt->cdn ? cdn_path(opt->cdn, &path, why) : 0;
    if (r < 0)
        return r;
    bool known = volume_areas(opt, &areas) == 0;
    if (!known)
        areas_put(&areas,
                  &(struct area){.path = xstrdup(""), .access = opt->cdn_key_file ? AREA_SIGNED : AREA_OPEN});
    struct policy_area *list = policy_areas(opt, &areas);
    print_for(&(struct policy){.volume = opt->volume,
                               .bucket = site->bucket,
                               .place = site->prefix,
                               .journal = opt->prefix,
                               .region = site->region,
                               .cdn_path = path,
                               .amazon = is_amazon(site),
                               .signs = opt->cdn_key_file != NULL,
                               .has_header = opt->cdn_header != NULL,
                               .knows_areas = known,
                               .areas = list,
                               .n_areas = areas.n},
              terraform);
    for (size_t i = 0; i < areas.n; i++)
        free(list[i].room);
    free(list);
    areas_free(&areas);
    return 0;
}

static int print_policy(const struct options *opt, bool terraform) {
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    struct loop *loop = NULL;
    struct store_site site = {0};
    int r = loop_new(1, &loop);
    if (r < 0) {
        log_errno(r, "%s", opt->url);
        return STATUS_FAILED;
    }
    struct credentials *credentials = store_credentials(loop_env(loop), opt, NULL); /* nobody is asked for keys */
    r = store_site(opt, credentials, &site, &why);
    if (r == 0)
        r = check_name(&site, &why);
    if (r == 0)
        r = print(opt, &site, terraform, &why);
    if (r < 0)
        log_error("%s", why.len ? buf_str(&why) : strerror(-r));
    store_site_free(&site);
    credentials_free(credentials);
    loop_free(loop);
    return r < 0 ? STATUS_FAILED : STATUS_DONE;
}

static int run_policy(int argc, char **argv) {
    CLEANUP_VOLUME_ARGS struct volume_args args = {0};
    bool terraform = volume_args_take_flag(&argc, argv, "--terraform");
    int status = volume_args_parse(&cmd_policy, argc, argv, "", 0, &args);
    if (status != STATUS_DONE)
        return status;
    if (!store_is_s3(&args.opt)) {
        log_error("%s has no policies: owner and mode of the directory say who may write", args.opt.url);
        return STATUS_FAILED;
    }
    return print_policy(&args.opt, terraform);
}

const struct command cmd_policy = {
    .name = "policy",
    .usage = "[-c FILE] [-o OPTION,...] [--terraform] VOLUME",
    .summary = "print what a volume needs of AWS: policies, CDN, lifecycle",
    .help = "  -c FILE          read this configuration file instead of the default ones\n"
            "  -o OPTION,...    options, see below\n"
            "  --terraform      as Terraform, with a bucket for each environment, instead of JSON\n",
    .takes_options = true,
    .run = run_policy,
};
