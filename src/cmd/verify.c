/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs verify: is what is in the bucket what the journal says?
 */
#include "base/buf.h"
#include "base/log.h"
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/volume_args.h"
#include "fs/verify.h"
#include <getopt.h>
#include <inttypes.h>

/* What is wrong is listed up to here; the rest is counted. */
#define LISTED_MAX 1000

struct report {
    bool json, terminal, shown;
    uint64_t listed;
    struct buf wrong; /* JSON objects with commas between them */
};

static void clear_line(struct report *r) {
    if (r->shown)
        fprintf(stderr, "\r\033[K");
    r->shown = false;
}

static void on_progress(void *arg, enum verify_stage stage, uint64_t done, uint64_t total, uint64_t bytes) {
    struct report *r = arg;
    char size[UNITS_SIZE];
    if (!r->terminal)
        return;
    fprintf(stderr, "\r%s %3u%%  %" PRIu64 " of %" PRIu64 ", %s\033[K", stage == VERIFY_JOURNAL ? "journal" : "contents",
            total ? (unsigned)(100.0 * (double)MIN(done, total) / (double)total) : 0, done, total, size_format(bytes, size));
    fflush(stderr);
    r->shown = true;
}

static void on_wrong(void *arg, const char *key, const char *why) {
    struct report *r = arg;
    if (r->listed++ >= LISTED_MAX)
        return;
    clear_line(r);
    if (!r->json) {
        printf("%s%s%s\n", key ? key : "journal", ": ", why);
        return;
    }
    buf_append_str(&r->wrong, r->wrong.len ? ",{\"key\":" : "{\"key\":");
    if (key)
        buf_append_json(&r->wrong, key, strlen(key));
    else
        buf_append_str(&r->wrong, "null");
    buf_append_str(&r->wrong, ",\"why\":");
    buf_append_json(&r->wrong, why, strlen(why));
    buf_append_byte(&r->wrong, '}');
}

static bool is_well(const struct verify_result *v) {
    return !v->journal_wrong && !v->damaged_entries && !v->missing && !v->damaged && !v->unreadable;
}

static void print_json(const struct verify_result *v, const struct report *r, bool content) {
    printf("{\"ok\":%s,\"sequence\":%" PRIu64 ",\"head\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"void_entries\":%" PRIu64 ",\"void_changes\":%" PRIu64
           ",\"damaged_entries\":%" PRIu64 ",\"inodes\":%" PRIu64,
           is_well(v) ? "true" : "false", v->sequence, v->head, v->entries, v->void_entries, v->void_changes, v->damaged_entries, v->inodes);
    if (content)
        printf(",\"contents\":%" PRIu64 ",\"contents_before\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"damaged\":%" PRIu64
               ",\"unreadable\":%" PRIu64,
               v->contents, v->contents_before, v->bytes, v->missing, v->damaged, v->unreadable);
    printf(",\"wrong\":[%s]}\n", r->wrong.len ? (const char *)r->wrong.data : "");
}

static void print_text(const struct verify_result *v, const struct report *r, bool content) {
    char size[UNITS_SIZE];
    printf("journal: %" PRIu64 " entries read, up to %" PRIu64 " of %" PRIu64 "%s\n", v->entries, v->sequence, v->head,
           v->journal_wrong ? "" : v->damaged_entries ? "; the chain agrees" : "; chain and tree digests agree");
    if (v->damaged_entries)
        printf("built on another tree than the journal makes, by hosts whose local state was damaged: %" PRIu64 " entries, the last is %" PRIu64 "; what they changed counts where it fits\n",
               v->damaged_entries, v->damaged_last);
    if (v->void_entries || v->void_changes)
        printf("without effect, for everybody: %" PRIu64 " numbers that hold no entry, %" PRIu64 " changes that do not fit\n", v->void_entries, v->void_changes);
    if (content)
        printf("contents: %" PRIu64 " checked (%s), %" PRIu64 " by earlier runs; %" PRIu64 " missing, %" PRIu64 " damaged, %" PRIu64 " not readable now\n", v->contents,
               size_format(v->bytes, size), v->contents_before, v->missing, v->damaged, v->unreadable);
    if (r->listed > LISTED_MAX)
        printf("only the first %d of %" PRIu64 " are listed\n", LISTED_MAX, r->listed);
}

static int verify(struct verify_request *request, bool json) {
    struct report report = {.json = json, .terminal = isatty(STDERR_FILENO), .wrong = BUF_INIT((size_t)16 << 20)};
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    struct verify_result result;
    request->progress = on_progress;
    request->wrong = on_wrong;
    request->arg = &report;
    int r = verify_run(request, &result, &why);
    clear_line(&report);
    buf_append_byte(&report.wrong, '\0');
    if (r < 0)
        log_error("%s", why.len ? buf_str(&why) : strerror(-r));
    else if (json)
        print_json(&result, &report, request->content);
    else
        print_text(&result, &report, request->content);
    int status = r < 0 || !is_well(&result) ? STATUS_FAILED : STATUS_DONE;
    buf_free(&report.wrong);
    verify_result_free(&result);
    return status;
}

static bool parse_share(const char *text, double *ret) {
    char *end;
    double n = strtod(text, &end);
    if (end == text || strcmp(end, "%") != 0 || !(n > 0 && n <= 100))
        return false;
    *ret = n / 100;
    return true;
}

/* The long options, taken out before those that all commands have. STATUS_DONE, or STATUS_USAGE after saying so. */
static int take_long(int *argc, char **argv, struct verify_request *request, bool *json) {
    int n = 1;
    for (int i = 1; i < *argc; i++) {
        if (!strcmp(argv[i], "--content")) {
            request->content = true;
        } else if (!strcmp(argv[i], "--restart")) {
            request->restart = true;
        } else if (!strcmp(argv[i], "--json")) {
            *json = true;
        } else if (!strncmp(argv[i], "--sample=", 9)) {
            request->content = true;
            if (!parse_share(argv[i] + 9, &request->share))
                return command_usage_error(&cmd_verify, "%s: a share such as 5%% was expected", argv[i]);
        } else {
            argv[n++] = argv[i];
        }
    }
    argv[n] = NULL;
    *argc = n;
    return STATUS_DONE;
}

static int run_verify(int argc, char **argv) {
    struct verify_request request = {.share = 1};
    bool json = false;
    int status = take_long(&argc, argv, &request, &json);
    if (status != STATUS_DONE)
        return status;
    CLEANUP_VOLUME_ARGS struct volume_args args;
    status = volume_args_parse(&cmd_verify, argc, argv, "", 0, &args);
    request.opt = &args.opt;
    return status == STATUS_DONE ? verify(&request, json) : status;
}

const struct command cmd_verify = {
    .name = "verify",
    .usage = "[-c FILE] [-o OPTION,...] [--content | --sample=N%] [--restart] [--json] VOLUME",
    .summary = "check the journal, and the contents, as they are in the bucket",
    .help = "  --content        fetch every object as well, and check its digests\n"
            "  --sample=N%      only so much of them, the same ones each time\n"
            "  --restart        begin anew, instead of going on where the last run ended\n"
            "  --json           one JSON object\n"
            "  -c FILE          read this configuration file instead of the default ones\n"
            "  -o OPTION,...    options, see below\n",
    .takes_options = true,
    .run = run_verify,
};
