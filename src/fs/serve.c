/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/serve.h"
#include "base/units.h"
#include "fs/drain.h"
#include "fs/log_text.h"
#include "fs/serve_links.h"
#include "fs/serve_area.h"
#include "fs/status.h"
#include "tree/key_set.h"
#include <inttypes.h>

/* A drain is followed by an unmount. Where none follows and nobody says "resume", changes are accepted again
 * after this. */
#define AFTER_DRAIN_NS (15 * NS_PER_S)

static const char *const op_names[] = {
#define X(sym, name) name,
    FS_OPS(X)
#undef X
};

static void collect(struct serve *v, struct fs_status *ret, uint64_t counts[OP_COUNT]) {
    struct session *s = v->session;
    for (size_t i = 0; i < OP_COUNT; i++)
        counts[i] = atomic_load_explicit(&s->ops[i], memory_order_relaxed);
    *ret = (struct fs_status){
        .url = s->opt->url,
        .mountpoint = s->mountpoint,
        .cache_bytes = block_cache_bytes(v->cache),
        .spool_bytes = spool_bytes(v->spool),
        .refuses = session_refuses(s),
        .local_only = s->opt->local_only,
        .counters = s->counters,
        .op_names = op_names,
        .op_counts = counts,
        .n_ops = OP_COUNT,
        .now_ns = env_now(s->env),
    };
    tree_status(s->tree, &ret->tree);
}

/* Each line of text as "text LINE". */
static void say_lines(struct control_reply *reply, char *text) {
    char *save;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        control_say(reply, "text %s", line);
}

static void serve_status(struct serve *v, const char *how, struct control_reply *reply) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    uint64_t counts[OP_COUNT];
    struct fs_status st;
    collect(v, &st, counts);
    bool text = !strcmp(how, "text");
    if (text)
        status_text(&st, &b);
    else
        status_json(&st, &b);
    tree_status_free(&st.tree);
    if (!buf_str(&b))
        control_say(reply, "error the status does not fit");
    else if (text)
        say_lines(reply, (char *)b.data);
    else
        control_say(reply, "%s", (char *)b.data);
    if (!b.err)
        control_say(reply, "done");
}

static uint64_t bytes_left(const struct tree_status *st) {
    return st->local_bytes + st->uploading_bytes;
}

/* Changes without content count as one file, so that "nothing left" is said only when nothing is. */
static uint64_t files_left(const struct tree_status *st) {
    uint64_t files = st->local_files + st->uploading_files;
    return files ? files : st->pending_changes > 0;
}

struct progress {
    struct control_reply *reply;
    uint64_t total;
};

static bool say_progress(void *arg, const struct tree_status *st) {
    struct progress *p = arg;
    uint64_t left = bytes_left(st);
    p->total = MAX(p->total, left);
    return control_say(p->reply, "progress %" PRIu64 " %" PRIu64 " %" PRIu64, files_left(st), p->total - left,
                       p->total);
}

static void say_left(struct serve *v, struct control_reply *reply) {
    struct tree_status st;
    tree_status(v->session->tree, &st);
    const char *why = st.stuck_reason ? st.stuck_reason : st.reason;
    control_say(reply, "left %" PRIu64 " %" PRIu64 "%s%s", files_left(&st), bytes_left(&st), why ? " " : "",
                why ? why : "");
    tree_status_free(&st);
}

/* "-": the default. False: not a number. */
static bool parse_timeout(const char *text, int64_t by_default, int64_t *ret_ns) {
    char *end;
    if (!strcmp(text, "-") || !*text) {
        *ret_ns = by_default;
        return true;
    }
    errno = 0;
    long long ms = strtoll(text, &end, 10);
    if (errno || *end || ms < 0 || ms > INT64_MAX / NS_PER_MS)
        return false;
    *ret_ns = ms * NS_PER_MS;
    return true;
}

static void serve_sync(struct serve *v, const char *timeout, bool drain, struct control_reply *reply) {
    struct session *s = v->session;
    struct progress p = {.reply = reply};
    int64_t ns;
    if (!parse_timeout(timeout, drain ? s->opt->drain_timeout : -1, &ns)) {
        control_say(reply, "error a time in milliseconds was expected, not %s", timeout);
        return;
    }
    if (drain)
        session_refuse_changes(s, ns < 0 ? INT64_MAX / 4 : ns + AFTER_DRAIN_NS);
    int r = drain_wait(s->tree, s->env, ns, say_progress, &p);
    if (drain)
        session_refuse_changes(s, r == 0 || r == -ETIMEDOUT ? AFTER_DRAIN_NS : 0);
    if (r == 0)
        control_say(reply, "done");
    else
        say_left(v, reply);
}

static void say_json(void *arg, const char *json) {
    control_say(arg, "%s", json);
}

static void say_text(void *arg, const char *json) {
    CLEANUP_BUF struct buf b = BUF_INIT(1 << 20);
    log_text(json, &b);
    if (buf_str(&b))
        say_lines(arg, (char *)b.data);
}

static void serve_log(struct serve *v, const char *args, struct control_reply *reply) {
    bool text = !strncmp(args, "text ", 5);
    char *end;
    unsigned long n = strtoul(text ? args + 5 : args, &end, 10);
    if (*end || n > 1000000) {
        control_say(reply, "error a number of entries was expected, not %s", args);
        return;
    }
    int r = tree_log(v->session->tree, (unsigned)n, text ? say_text : say_json, reply);
    if (r < 0)
        control_say(reply, "error the journal cannot be read: %s", strerror(-r));
    else
        control_say(reply, "done");
}

static void serve_rotate(struct serve *v, const char *hex, struct control_reply *reply) {
    struct session *s = v->session;
    CLEANUP_BUF struct buf why = BUF_INIT(65536);
    uint8_t id[SEAL_KEY_ID_SIZE];
    if (hex_decode(hex, id, sizeof id) < 0)
        control_say(reply, "error the id of a key was expected, not %.100s", hex);
    else if (tree_key_rotate(s->tree, id, &why) < 0)
        control_say(reply, "error %s", buf_str(&why));
    else if (drain_wait_state(s->tree, s->env, s->opt->fsync_timeout) < 0)
        control_say(reply, "left 0 0 it is announced as soon as the bucket answers");
    else
        control_say(reply, "done");
}

/* The mount ends while somebody waits: control_free() lets control_say() fail. */
static void serve_checkpoint(struct serve *v, struct control_reply *reply) {
    struct tree *t = v->session->tree;
    struct tree_checkpoint c;
    char size[UNITS_SIZE];
    uint64_t round;
    int r = tree_checkpoint_begin(t, &round);
    if (r < 0) {
        control_say(reply, "error %s", r == -EROFS ? "a read-only mount makes no checkpoints" : "no checkpoint can be made while the bucket does not answer");
        return;
    }
    for (unsigned i = 0; tree_checkpoint_look(t, round, &c), !c.done; i++) {
        if (i % 20 == 19 && !control_say(reply, "making"))
            return;
        usleep(50000);
    }
    if (c.err < 0) {
        control_say(reply, "error no checkpoint could be made: %s", c.why);
        return;
    }
    control_say(reply, "text the tree as of journal entry %" PRIu64 " is checkpoint %s (%s)", c.sequence, c.digest, size_format(c.bytes, size));
    control_say(reply, "done");
}

void serve_request(void *arg, const char *request, struct control_reply *reply) {
    struct serve *v = arg;
    const char *space = strchr(request, ' '), *rest = space ? space + 1 : "";
    size_t n = space ? (size_t)(space - request) : strlen(request);
    if (n == 6 && !memcmp(request, "status", n))
        serve_status(v, rest, reply);
    else if (n == 4 && !memcmp(request, "sync", n))
        serve_sync(v, rest, false, reply);
    else if (n == 5 && !memcmp(request, "drain", n))
        serve_sync(v, rest, true, reply);
    else if (n == 3 && !memcmp(request, "log", n))
        serve_log(v, rest, reply);
    else if (n == 3 && !memcmp(request, "url", n))
        serve_url(v->session, rest, reply);
    else if (n == 7 && !memcmp(request, "changes", n))
        serve_changes(v->session, rest, reply);
    else if (n == 4 && !memcmp(request, "area", n))
        serve_area(v, rest, reply);
    else if (n == 6 && !memcmp(request, "rotate", n))
        serve_rotate(v, rest, reply);
    else if (n == 10 && !memcmp(request, "checkpoint", n))
        serve_checkpoint(v, reply);
    else if (n == 6 && !memcmp(request, "resume", n)) {
        session_refuse_changes(v->session, 0);
        control_say(reply, "done");
    } else
        control_say(reply, "error unknown request: %.100s", request);
}
