/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"
#include "tree/file_state.h"
#include "tree/local.h"

#include <inttypes.h>
#include <sys/stat.h>

static bool is_quiet(struct world *w) {
    uint64_t n = mem_bucket_count(w->bucket, ".assetfs/journal/");
    for (size_t i = 0; i < w->n_hosts; i++) {
        if (!w->hosts[i].life) /* not at the end */
            continue;
        struct tree *t = w->hosts[i].life->box->tree;
        struct tree_status status;
        tree_status(t, &status);
        uint64_t pending = status.pending_changes;
        tree_status_free(&status);
        if (pending || t->inflight.active || t->seq != n || t->settling)
            return false;
    }
    return true;
}

void settle(struct world *w) {
    for (size_t i = 0; i < w->n_hosts; i++) {
        struct life *l = w->hosts[i].life;
        for (size_t k = 0; l && k < HANDLES; k++)
            if (l->handles[k].opened && !l->handles[k].busy)
                close_handle(&l->handles[k]);
    }
    for (int k = 0; k < 10 && !is_quiet(w); k++) {
        for (size_t i = 0; i < w->n_hosts; i++)
            if (w->hosts[i].life)
                tree_used(w->hosts[i].life->box->tree);
        pass(w, 2 * NS_PER_S);
    }
    say(w, NULL, "has %sbecome quiet", is_quiet(w) ? "" : "not ");
}

static void end_calls(struct world *w, struct life *l) {
    for (size_t i = 0; i < HANDLES; i++) {
        struct handle *c = &l->handles[i];
        for (int k = 0; k < 1000 && c->busy; k++)
            pass(w, NS_PER_S);
        if (c->busy)
            failed(w, "%s: a call on inode %" PRIx64 " is not answered", l->host->label, c->file->ino);
        if (c->opened)
            close_handle(c);
    }
    for (int k = 0; k < 1000 && l->syncing; k++)
        pass(w, NS_PER_S);
    if (l->syncing)
        failed(w, "%s: sync is not answered", l->host->label);
}

static void synced_at_end(void *arg, int err) {
    (void)arg;
    (void)err;
}

static void until_quiet(struct world *w) {
    for (int k = 0; k < 360 && !is_quiet(w); k++) { /* temporary names are held for ten minutes of them */
        for (size_t i = 0; i < w->n_hosts; i++)
            tree_used(w->hosts[i].life->box->tree);
        pass(w, 2 * NS_PER_S);
    }
}

/* Damage that nobody has met yet stays: it shows now, at an entry of the host that is well; past the time for which a host that has just looked at itself rests. */
static void heal(struct world *w) {
    for (size_t i = 0; i < w->n_hosts; i++)
        if (w->hosts[i].damaged)
            w->hosts[i].life->box->tree->set.w[0] ^= 2;
    pass(w, 90 * NS_PER_S);
    int r = box_create(w->hosts[0].life->box, "heals");
    if (r < 0)
        failed(w, "%s cannot make a file: %s", w->hosts[0].label, strerror(-r));
    box_commit(w->hosts[0].life->box);
    pass(w, 90 * NS_PER_S);
    until_quiet(w);
}

static void quiesce(struct world *w) {
    w->victim = NULL;
    bury_killed(w);
    for (size_t i = 0; i < w->n_hosts; i++) {
        w->hosts[i].net = (struct sim_net){.latency_ns = 20 * NS_PER_MS};
        if (!w->hosts[i].life)
            start(w, &w->hosts[i]);
    }
    for (size_t i = 0; i < w->n_hosts; i++)
        end_calls(w, w->hosts[i].life);
    for (size_t i = 0; i < w->n_hosts; i++) /* lets temporary names go */
        tree_sync(w->hosts[i].life->box->tree, synced_at_end, NULL);
    until_quiet(w);
    bool damaged = false;
    for (size_t i = 0; i < w->n_hosts; i++)
        damaged |= w->hosts[i].damaged;
    if (damaged && is_quiet(w))
        heal(w);
    for (size_t i = 0; i < w->n_hosts && !is_quiet(w); i++) {
        struct tree *t = w->hosts[i].life->box->tree;
        fprintf(stderr, "%s: entry %" PRIu64 " of %zu, %" PRId64 " rows pending, %u settling, session %" PRIu64 ", %s\n", w->hosts[i].label, t->seq,
                mem_bucket_count(w->bucket, ".assetfs/journal/"), t->pending_rows, t->settling, t->session, t->reason ? t->reason : "");
        tell_layers(w, &w->hosts[i]);
    }
    if (!is_quiet(w))
        failed(w, "it does not become quiet");
}

/* Everything about everything: names, numbers, attributes, contents. */
static void describe(struct tree_box *b, uint64_t dir, const char *path, struct buf *out);

static void describe_one(struct tree_box *b, uint64_t ino, const char *path, struct buf *out) {
    struct attr a;
    CLEANUP_BUF struct buf data = BUF_INIT(16u << 20);
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    int r = names_getattr(b->tree, ino, &a);
    if (S_ISDIR(a.mode) && b->cfg.names)
        a.nlink = 0; /* directories that stay here count, too */
    buf_printf(out, "%s inode %" PRIx64 " (%d) mode %o nlink %u size %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, path, ino, r, a.mode,
               a.nlink, a.size, a.atime, a.mtime, a.ctime, a.btime);
    if (S_ISREG(a.mode)) {
        r = box_read_ino(b, ino, &data);
        digest_of(data.data, data.len, digest);
        digest_hex(digest, hex);
        buf_printf(out, " read %d, %zu %s", r, data.len, hex);
    } else if (S_ISLNK(a.mode)) {
        names_readlink(b->tree, ino, &data);
        buf_printf(out, " -> %s", buf_str(&data));
    }
    buf_reset(&data);
    names_listxattr(b->tree, ino, &data);
    buf_printf(out, " xattrs %zu\n", data.len);
    if (S_ISDIR(a.mode))
        describe(b, ino, path, out);
}

static void describe(struct tree_box *b, uint64_t dir, const char *path, struct buf *out) {
    struct box_listed l = {0};
    uint64_t up;
    names_list(b->tree, dir, box_list_one, &l, &up);
    for (size_t i = 0; i < l.n; i++) {
        CLEANUP_FREE char *at = xasprintf("%s/%s", path, l.v[i].name);
        tree_lock(b->tree);
        bool local = local_is(b->tree, l.v[i].ino);
        tree_unlock(b->tree);
        if (!local)
            describe_one(b, l.v[i].ino, at, out);
        free((char *)l.v[i].name);
    }
    free(l.v);
}

static void check_same(struct world *w, struct tree_box *b, const char *first) {
    CLEANUP_BUF struct buf text = BUF_INIT(1 << 20);
    describe_one(b, ROOT_INO, "", &text);
    if (strcmp(buf_str(&text), first))
        failed(w, "%s sees\n%s%s sees\n%s", w->hosts[0].label, first, b->label, buf_str(&text));
}

void check_end(struct world *w) {
    CLEANUP_TOKENS struct token_list there = {0}, want = {0};
    CLEANUP_BUF struct buf first = BUF_INIT(1 << 20);
    struct host fresh = {.index = w->n_hosts, .label = "fresh"};
    quiesce(w);
    for (size_t i = 0; i < w->n_hosts; i++) {
        lazy_fetch_all(w->hosts[i].life->box->tree);
        check_sound(w, &w->hosts[i]);
    }
    tokens_of_confirmed(&w->tokens, w->hosts[0].life->box, &there);
    for (size_t i = 0; i < w->tokens.n; i++)
        if (w->tokens.v[i].acked) {
            want.v = xrealloc(want.v, (want.n + 1) * sizeof *want.v);
            want.v[want.n++] = i;
        }
    must_contain(w, &w->hosts[0], &there, &want, "which was acknowledged");
    fresh.seen = w->head;
    start(w, &fresh);
    describe_one(w->hosts[0].life->box, ROOT_INO, "", &first);
    if (strstr(buf_str(&first), "read -"))
        failed(w, "a file cannot be read:\n%s", buf_str(&first));
    if (verbose)
        printf("%s", buf_str(&first));
    for (size_t i = 1; i < w->n_hosts; i++)
        check_same(w, w->hosts[i].life->box, buf_str(&first));
    check_same(w, fresh.life->box, buf_str(&first));
    if (memcmp(&fresh.life->box->tree->set, &w->hosts[0].life->box->tree->set, sizeof(struct set_digest)))
        failed(w, "a fresh host has another digest");
    for (size_t i = 0; i < w->n_hosts; i++)
        w->conflicts += counter_get(&w->hosts[i].life->box->counters, COUNTER_CONFLICT_COPIES);
    w->entries = w->hosts[0].life->box->tree->seq;
    life_free(fresh.life);
}
