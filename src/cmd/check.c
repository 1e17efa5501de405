/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs check: a deployment as this host sees it.
 */
#include "base/digest.h"
#include "base/log.h"
#include "base/loop.h"
#include "cmd/command.h"
#include "cmd/volume_areas.h"
#include "cmd/volume_args.h"
#include "fs/volume.h"
#include "store/open.h"
#include "store/probe.h"
#include "tree/tree.h"
#include <openssl/crypto.h>

struct check {
    const struct options *opt;
    const char *origin;
    bool json;
    struct loop *loop;
    struct report report;
    struct buf why;
};

/* The key opens entry 1, or nobody has made a volume there. */
static void check_volume_in(struct check *c, struct store_pair *stores) {
    struct volume v = {0};
    struct report *r = &c->report;
    uint8_t key[SEAL_KEY_SIZE];
    int err = tree_peek(loop_env(c->loop), stores->reader, c->opt->prefix, &v.plain, v.key_id, &c->why);
    if (err == -ENOENT) {
        report_add(r, "volume", FINDING_NOTE, "there is no volume there yet", "assetfs init makes one",
                   "no journal");
        return;
    }
    if (err == 0 && !v.plain)
        err = volume_load_key(&v, c->opt, key, NULL, &c->why);
    OPENSSL_cleanse(key, sizeof key);
    if (err == 0)
        report_add(r, "volume", FINDING_OK,
                   v.plain ? "it is plain: it has no key, and its names are not sealed"
                           : "this host has the volume's key",
                   NULL, "a volume");
    else
        report_add(r, "volume", FINDING_BROKEN, "this host cannot read the volume",
                   "import its key with assetfs key import, or see what it says", "%s",
                   c->why.len ? buf_str(&c->why) : strerror(-err));
}

static void check_volume(struct check *c) {
    struct store_pair stores = {0};
    if (report_worst(&c->report) == FINDING_BROKEN)
        return; /* it would only say once more what was said */
    int r = store_open(loop_env(c->loop), NULL, c->opt, STORE_OPEN_EXISTING, &stores, &c->why);
    if (r == 0)
        check_volume_in(c, &stores);
    store_pair_free(&stores);
}

static int print(struct check *c) {
    static const int statuses[] = {[FINDING_OK] = STATUS_DONE,
                                   [FINDING_NOTE] = STATUS_DONE,
                                   [FINDING_WARNING] = STATUS_WARNED,
                                   [FINDING_BROKEN] = STATUS_FAILED};
    CLEANUP_BUF struct buf out = BUF_INIT(1 << 20);
    if (c->json)
        report_json(&c->report, c->opt->volume, c->opt->url, &out);
    else
        report_text(&c->report, &out);
    fputs(buf_str(&out), stdout);
    return statuses[report_worst(&c->report)];
}

/* With the areas that a mount of the volume knows, or the default one: not for everybody, if there is something to present to the CDN. */
static int probe(struct check *c) {
    struct areas areas;
    if (volume_areas(c->opt, &areas) < 0)
        areas_put(&areas, &(struct area){.path = xstrdup(""),
                                         .access = c->opt->cdn_key_file || c->opt->cdn_header ? AREA_SIGNED : AREA_OPEN});
    struct probe_area *list = xcalloc(areas.n, sizeof *list);
    for (size_t i = 0; i < areas.n; i++)
        list[i] = (struct probe_area){.room = area_key_room(area_template(&areas.v[i]), areas.v[i].path),
                                      .open = areas.v[i].access == AREA_OPEN,
                                      .keep = area_keep(&areas.v[i], "text/plain")};
    const struct probe_config config = {
        .env = loop_env(c->loop), .opt = c->opt, .origin = c->origin, .areas = list, .n_areas = areas.n};
    int r = probe_deployment(&config, &c->report, &c->why);
    for (size_t i = 0; i < areas.n; i++) {
        free((char *)(uintptr_t)list[i].room);
        keep_unref((struct keep *)(uintptr_t)list[i].keep);
    }
    free(list);
    areas_free(&areas);
    return r;
}

static int check_deployment(struct check *c) {
    int status = STATUS_FAILED;
    int r = loop_new(2, &c->loop);
    if (r == 0)
        r = probe(c);
    if (r == 0) {
        check_volume(c);
        status = print(c);
    } else {
        log_error("%s", c->why.len ? buf_str(&c->why) : strerror(-r));
    }
    loop_free(c->loop);
    report_free(&c->report);
    buf_free(&c->why);
    return status;
}

static int run_check(int argc, char **argv) {
    struct check c = {.why = BUF_INIT(65536)};
    CLEANUP_VOLUME_ARGS struct volume_args args = {0};
    c.json = volume_args_take_flag(&argc, argv, "--json");
    if (!volume_args_take_value(&argc, argv, "--origin", &c.origin))
        return command_usage_error(&cmd_check, "--origin needs an origin, as in https://www.example.com");
    int status = volume_args_parse(&cmd_check, argc, argv, "", 0, &args);
    if (status != STATUS_DONE)
        return status;
    if (c.origin && !probe_origin_ok(c.origin))
        return command_usage_error(
            &cmd_check, "\"%s\" is no origin: write scheme and host, as in https://www.example.com",
            c.origin);
    c.opt = &args.opt;
    return check_deployment(&c);
}

const struct command cmd_check = {
    .name = "check",
    .usage = "[-c FILE] [-o OPTION,...] [--json] [--origin URL] VOLUME",
    .summary = "look at a volume's bucket and CDN, and say what is wrong",
    .help = "  -c FILE          read this configuration file instead of the default ones\n"
            "  -o OPTION,...    options, see below\n"
            "  --json           one JSON object\n"
            "  --origin URL     may scripts of web pages of this origin read the volume (CORS)?\n",
    .takes_options = true,
    .run = run_check,
};
