/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control.h"

#define BODY_MAX ((size_t)1 << 20)

static struct control *control_of(const struct request *r) {
    return server_arg(r->server);
}

static const char *body_of(const struct request *r) {
    return r->body ? r->body : "";
}

/* Calls fn for each line, until it says no; then that line is copied, malloc'd. */
static char *each_line(const char *text, bool (*fn)(void *arg, const char *line), void *arg) {
    CLEANUP_FREE char *copy = xstrdup(text);
    char *rest = copy;
    for (char *line; (line = strsep(&rest, "\r\n;"));) {
        if (*line && !fn(arg, line))
            return xstrdup(line);
    }
    return NULL;
}

/* ---- settings ---- */

bool control_set(struct site *site, const char *line) {
    const struct {
        const char *name;
        atomic_int *at;
        int max;
    } settings[] = {
        {"demand-condition=", &site->demand_condition, 1},
        {"early-412=", &site->early_412, 1},
        {"small-parts=", &site->small_parts, 1},
        {"cache-all=", &site->cache_all, 1},
        {"ignore-condition=", &site->ignore_condition, 1},
        {"ignore-digest=", &site->ignore_digest, 1},
        {"public-read=", &site->public_read, 1},
        {"public-write=", &site->public_write, 1},
        {"cdn-writes=", &site->cdn_writes, 2},
        {"cdn-list=", &site->cdn_list, 1},
        {"kms=", &site->kms, 1},
        {"tagging=", &site->tagging, 1},
        {"kms-refuses=", &site->kms_refuses, 4},
        {"cors=", &site->cors, 2},
        {"error-ttl=", &site->error_ttl, 86400},
        {"latency=", &site->latency, 600000},
    };
    uint64_t value;
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        if (!text_begins(line, settings[i].name))
            continue;
        if (!text_number(line + strlen(settings[i].name), &value) || value > (uint64_t)settings[i].max)
            return false;
        atomic_store(settings[i].at, (int)value);
        return true;
    }
    return false;
}

/* ---- commands: each writes its answer; false is a 400 ---- */

static bool set_line(void *arg, const char *line) {
    return control_set(arg, line);
}

static bool settings(struct request *r, FILE *out) {
    CLEANUP_FREE char *wrong = each_line(body_of(r), set_line, control_of(r)->site);
    if (wrong)
        fprintf(out, "not a setting: '%s'\n", wrong);
    return !wrong;
}

static bool key_line(void *arg, const char *line) {
    return keyring_command(arg, line);
}

static bool credentials(struct request *r, FILE *out) {
    CLEANUP_FREE char *wrong = each_line(body_of(r), key_line, control_of(r)->site->keys);
    if (wrong)
        fprintf(out, "not a change of credentials, or no such key: '%s'\n", wrong);
    return !wrong;
}

static bool signer_line(void *arg, const char *line) {
    if (text_begins(line, "remove "))
        return url_keys_remove(arg, line + strlen("remove "));
    return text_begins(line, "add ") && url_keys_add(arg, line + strlen("add "));
}

static bool signers(struct request *r, FILE *out) {
    CLEANUP_FREE char *wrong = each_line(body_of(r), signer_line, control_of(r)->site->url_keys);
    if (wrong)
        fprintf(out, "neither \"add ID=PUBLIC.pem\" nor \"remove ID\", or no such key: '%s'\n", wrong);
    return !wrong;
}

static bool authoriser(struct request *r, FILE *out) {
    bool good = authoriser_want(control_of(r)->site->authoriser, body_of(r));
    if (!good)
        fprintf(out, "not \"Name: value\": '%s'\n", body_of(r));
    return good;
}

static bool add_faults(struct request *r, FILE *out) {
    return faults_add(control_of(r)->site->faults, body_of(r), out);
}

static bool list_faults(struct request *r, FILE *out) {
    faults_list(control_of(r)->site->faults, out);
    return true;
}

/* The number behind the last slash. */
static bool rule_number(const struct request *r, unsigned *ret) {
    uint64_t n;
    const char *slash = strrchr(r->path, '/');
    if (!text_number(slash + 1, &n) || n == 0 || n > UINT32_MAX)
        return false;
    *ret = (unsigned)n;
    return true;
}

static bool remove_faults(struct request *r, FILE *out) {
    unsigned id = 0;
    if (!strcmp(r->path, "/faults") || rule_number(r, &id))
        if (faults_remove(control_of(r)->site->faults, id))
            return true;
    fputs("there is no such rule\n", out);
    return false;
}

static bool hits(struct request *r, FILE *out) {
    unsigned id;
    long n = rule_number(r, &id) ? faults_hits(control_of(r)->site->faults, id) : -1;
    if (n < 0)
        fputs("there is no such rule\n", out);
    else
        fprintf(out, "%ld\n", n);
    return n >= 0;
}

static bool counters(struct request *r, FILE *out) {
    tally_write(control_of(r)->site->tally, out);
    return true;
}

static bool purge(struct request *r, FILE *out) {
    (void)out;
    cdn_cache_clear(control_of(r)->site->cache);
    return true;
}

static bool line(struct request *r, FILE *out, void (*fn)(struct server *)) {
    const char *which = body_of(r);
    bool s3 = text_begins(which, "s3"), cdn = text_begins(which, "cdn");
    if (*which && !s3 && !cdn) {
        fprintf(out, "not a server: '%s' (s3, cdn, or nothing for both)\n", which);
        return false;
    }
    if (!cdn)
        fn(control_of(r)->s3);
    if (!s3)
        fn(control_of(r)->cdn);
    return true;
}

static bool offline(struct request *r, FILE *out) {
    return line(r, out, server_offline);
}

static bool online(struct request *r, FILE *out) {
    return line(r, out, server_online);
}

static bool reset(struct request *r, FILE *out) {
    struct control *c = control_of(r);
    (void)out;
    faults_remove(c->site->faults, 0);
    keyring_restore(c->site->keys);
    cdn_cache_clear(c->site->cache);
    server_online(c->s3);
    server_online(c->cdn);
    tally_reset(c->site->tally);
    return true;
}

static const struct command {
    const char *method, *path; /* a path with a slash at its end: and what follows */
    bool (*run)(struct request *, FILE *out);
} COMMANDS[] = {
    {"POST", "/faults", add_faults},
    {"GET", "/faults", list_faults},
    {"DELETE", "/faults", remove_faults},
    {"DELETE", "/faults/", remove_faults},
    {"GET", "/hits/", hits},
    {"GET", "/counters", counters},
    {"POST", "/credentials", credentials},
    {"POST", "/settings", settings},
    {"POST", "/signers", signers},
    {"POST", "/authoriser", authoriser},
    {"POST", "/offline", offline},
    {"POST", "/online", online},
    {"POST", "/purge", purge},
    {"POST", "/reset", reset},
};

static const struct command *find(const struct request *r) {
    for (size_t i = 0; r->path && i < ARRAY_SIZE(COMMANDS); i++) {
        const char *path = COMMANDS[i].path;
        bool more = path[strlen(path) - 1] == '/';
        if (!strcmp(r->method, COMMANDS[i].method) &&
            (more ? text_begins(r->path, path) : !strcmp(r->path, path)))
            return &COMMANDS[i];
    }
    return NULL;
}

static void classify(struct request *r) {
    r->body_max = BODY_MAX;
}

static void nothing(struct request *r) {
    (void)r;
}

static void finish(struct request *r) {
    const struct command *command = find(r);
    char *text;
    size_t n;
    FILE *out = xmemstream(&text, &n);
    int status = 404;
    if (command)
        status = command->run(r, out) ? 200 : 400;
    else
        fputs("there is no such command: see tests/double/control.h\n", out);
    fclose(out);
    answer_text(&r->answer, status, "text/plain", text);
}

struct service control_service(struct control *c) {
    return (struct service){.name = "control",
                            .arg = c,
                            .classify = classify,
                            .begin = nothing,
                            .finish = finish,
                            .release = nothing,
                            .fail = nothing};
}
