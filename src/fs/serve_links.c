/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/serve_links.h"
#include "base/units.h"
#include "tree/news.h"
#include <inttypes.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)
/* How soon what was applied is told. */
#define LOOK_MS 100

/* ---- url SECONDS INO */

static const char *why_no_key(const struct truth *t) {
    return t->state != FILE_DURABLE ? "it is not in the bucket yet; run \"assetfs sync\" first"
                                    : "it has no object in the bucket, and so no address";
}

void serve_url(struct session *s, const char *args, struct control_reply *reply) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    CLEANUP_FREE char *url = NULL;
    struct truth t = {0};
    uint64_t ino;
    int64_t seconds, until;
    if (sscanf(args, "%" SCNd64 " %" SCNu64, &seconds, &ino) != 2 || seconds < 1 || seconds > INT32_MAX) {
        control_say(reply, "error a number of seconds and an inode were expected, not %.100s", args);
        return;
    }
    int r = names_truth(s->tree, ino, &t);
    if (r < 0)
        control_say(reply, "error %s", strerror(-r));
    else if (!t.key)
        control_say(reply, "error %s", why_no_key(&t));
    else if (links_sign(s->links, t.key, seconds, &url, &until, &why) < 0)
        control_say(reply, "error %s", buf_str(&why));
    else if (control_say(reply, "url %" PRId64 " %s", until, url))
        control_say(reply, "done");
    free(t.key);
}

/* ---- changes [text ]SINCE|-[ follow] */

struct teller {
    struct session *session;
    struct control_reply *reply;
    bool text, gone;
};

static char *address(const struct teller *t, const char *key) {
    return key ? links_url(t->session->links, key) : NULL;
}

static void append_member(struct buf *b, const char *name, const char *value) {
    buf_printf(b, ",\"%s\":", name);
    if (value)
        buf_append_json(b, value, strlen(value));
    else
        buf_append_str(b, "null");
}

/* Control characters must not reach a terminal. */
static void append_text(struct buf *b, const char *s) {
    for (; *s; s++)
        buf_append_byte(b, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : (unsigned char)*s);
}

static void say_text(struct buf *b, const struct news *n, const char *url) {
    char when[UNITS_SIZE];
    buf_printf(b, "text %" PRIu64 "  %s  %-8s  ", n->sequence, time_format(n->time, when), n->change);
    if (n->from) {
        append_text(b, n->from);
        buf_append_str(b, " -> ");
    }
    append_text(b, n->path);
    if (url)
        buf_printf(b, "  %s", url);
}

static void say_change(void *arg, const struct news *n) {
    struct teller *t = arg;
    CLEANUP_BUF struct buf b = BUF_INIT(LINE_MAX_BYTES);
    CLEANUP_FREE char *was = address(t, n->was), *now = address(t, n->now);
    char when[UNITS_SIZE];
    if (t->gone)
        return;
    if (t->text) {
        say_text(&b, n, now);
    } else {
        buf_printf(&b, "{\"sequence\":%" PRIu64 ",\"time\":\"%s\",\"change\":\"%s\"", n->sequence,
                   time_format(n->time, when), n->change);
        append_member(&b, "path", n->path);
        append_member(&b, "from", n->from);
        append_member(&b, "old", was);
        append_member(&b, "new", now);
        buf_append_byte(&b, '}');
    }
    t->gone = !buf_str(&b) || !control_say(t->reply, "%s", buf_str(&b));
}

/* Until there is nothing more just now. False: over. */
static bool tell_all(struct teller *t, struct news_cursor *at) {
    uint64_t floor;
    int n;
    do {
        n = tree_news(t->session->tree, at, &floor, say_change, t);
    } while (n > 0 && !t->gone);
    if (n == -ESTALE)
        control_say(t->reply,
                    "error of changes before entry %" PRIu64
                    " nothing is known on this host; begin with \"assetfs url -r --json\", then follow "
                    "--since %" PRIu64,
                    floor + 1, floor);
    else if (n < 0)
        control_say(t->reply, "error the local state cannot be read: %s", strerror(-n));
    return n == 0 && !t->gone;
}

void serve_changes(struct session *s, const char *args, struct control_reply *reply) {
    struct teller t = {.session = s, .reply = reply, .text = !strncmp(args, "text ", 5)};
    const char *from = args + (t.text ? 5 : 0);
    struct news_cursor at = {.since = tree_sequence(s->tree)};
    char *end = NULL;
    if (*from != '-')
        at.since = strtoull(from, &end, 10);
    const char *rest = end ? end : from + 1;
    if (end == from || (*rest && strcmp(rest, " follow") != 0)) {
        control_say(reply, "error a sequence number was expected, not %.100s", from);
        return;
    }
    bool more = tell_all(&t, &at);
    while (more && *rest && control_wait(reply, LOOK_MS)) {
        tree_used(s->tree); /* who follows wants to know soon */
        more = tell_all(&t, &at);
    }
    if (more)
        control_say(reply, "done");
}
