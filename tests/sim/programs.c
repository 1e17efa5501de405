/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"
#include "tree/file_state.h"
#include "tree/local.h"
#include "tree/merge.h"
#include "tree/name_kind.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <time.h>

static void call_done(void *arg, int err, size_t n) {
    struct handle *c = arg;
    struct life *l = c->life;
    (void)n;
    c->busy = false;
    if (l->killed)
        return;
    if (err == -EINVAL || err == -EPERM) /* -ESTALE: another host has removed it */
        failed(l->world, "%s: a change of inode %" PRIx64 ": %s", l->host->label, c->file->ino, strerror(-err));
    if (c->has_token && err == 0 && !c->file->unnamed) {
        note_acked(l->world, c->token);
        say(l->world, l->host, "T%zu acknowledged, inode %" PRIx64, c->token, c->file->ino);
    } else if (c->has_token) {
        say(l->world, l->host, "T%zu: %s", c->token, err < 0 ? strerror(-err) : "of a file without a name");
    }
    c->has_token = false;
}

static void truncate_done(void *arg, int err) {
    struct handle *c = arg;
    c->cuts = false;
    call_done(arg, err, 0);
}

static void fsync_done(void *arg, int err) {
    struct handle *c = arg;
    struct life *l = c->life;
    c->busy = false;
    if (!l->killed && err == 0 && !c->file->unnamed)
        must_be_durable(l->world, l->host, &c->waits, "which fsync said is durable");
    if (!l->killed)
        say(l->world, l->host, "fsync: %s", err < 0 ? strerror(-err) : "done");
    token_list_free(&c->waits);
}

void close_handle(struct handle *c) {
    file_close(c->file, c->flags);
    c->opened = false;
    c->file = NULL;
}

static struct handle *free_handle(struct life *l) {
    for (size_t i = 0; i < HANDLES; i++)
        if (!l->handles[i].opened)
            return &l->handles[i];
    return NULL;
}

static struct handle *idle_handle(struct life *l) {
    size_t first = (size_t)below(l->world, HANDLES);
    for (size_t i = 0; i < HANDLES; i++) {
        struct handle *c = &l->handles[(first + i) % HANDLES];
        if (c->opened && !c->busy)
            return c;
    }
    return NULL;
}

/* What the programs do. Each picks its place in the view by itself. */

struct place {
    uint64_t dir;
    char name[64];
    uint64_t ino; /* 0: nothing there */
    uint32_t mode, nlink;
};

struct pick {
    struct world *w;
    uint64_t ino, n;
    bool directories;
    char name[64];
};

static bool pick_one(void *arg, const struct names_entry *e) {
    struct pick *p = arg;
    if (p->directories && !S_ISDIR(e->type))
        return true;
    if (e->n == strlen(KEPT_NAME) && !memcmp(e->name, KEPT_NAME, e->n))
        return true;
    if (e->n < sizeof p->name && below(p->w, ++p->n) == 0) {
        p->ino = e->ino;
        memcpy(p->name, e->name, e->n);
        p->name[e->n] = 0;
    }
    return true;
}

static uint64_t pick_dir(struct life *l) {
    uint64_t dir = ROOT_INO, up;
    for (int depth = 0; depth < 5 && chance(l->world, 500); depth++) {
        struct pick p = {.w = l->world, .directories = true};
        if (names_list(l->box->tree, dir, pick_one, &p, &up) < 0 || !p.ino)
            break;
        dir = p.ino;
    }
    return dir;
}

static void fill_place(struct life *l, struct place *p) {
    struct attr a;
    p->ino = 0;
    if (names_lookup(l->box->tree, p->dir, p->name, strlen(p->name), &a) == 0) {
        p->ino = a.ino;
        p->mode = a.mode;
        p->nlink = a.nlink;
    }
}

/* What a copy of this name will be called, if there is to be one. */
static void become_copy_name(struct life *l, struct place *p) {
    char date[16], name[NAME_MAX_BYTES];
    time_t now = (time_t)(SIM_NOW / NS_PER_S);
    struct tm tm;
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &tm));
    size_t n = merge_conflict_name(p->name, strlen(p->name), l->world->hosts[below(l->world, l->world->n_hosts)].label, date, 1, name);
    snprintf(p->name, sizeof p->name, "%.*s", (int)n, name);
}

/* Some name: mostly one of few, that may be there or not; at times whatever is there (a conflicted copy, too). */
static struct place pick_place(struct life *l) {
    static const char *const names[] = {"a", "b", "c.x", "d", "e.txt"};
    struct place p = {.dir = pick_dir(l)};
    uint64_t up;
    struct pick any = {.w = l->world};
    strcpy(p.name, names[below(l->world, MIN(l->world->n_names, ARRAY_SIZE(names)))]);
    if (chance(l->world, 20))
        become_copy_name(l, &p);
    if (l->world->rules && chance(l->world, 150))
        strcpy(p.name, chance(l->world, 500) ? "l" : "l.d");
    if (chance(l->world, 300) && names_list(l->box->tree, p.dir, pick_one, &any, &up) == 0 && any.ino)
        strcpy(p.name, any.name);
    fill_place(l, &p);
    return p;
}

static struct place pick_existing(struct life *l) {
    struct place p = {0};
    for (int i = 0; i < 4 && !p.ino; i++)
        p = pick_place(l);
    return p;
}

static struct place pick_file(struct life *l) {
    struct place p = {0};
    for (int i = 0; i < 6; i++) {
        p = pick_place(l);
        if (p.ino && S_ISREG(p.mode))
            return p;
    }
    p.ino = 0;
    return p;
}

/* A call must answer what the view says that it must. */
/* Something will stand at this name: what the confirmed tree has there counts as replaced, not as removed, and may be missing before a copy of it is durable. */
static void will_place(struct life *l, const struct place *p) {
    struct world *w = l->world;
    struct tree *t = l->box->tree;
    struct row_name row;
    for (size_t i = 0; t->inflight.active && i < w->tokens.n; i++) /* or what it will have in a moment */
        w->tokens.v[i].loose |= w->tokens.v[i].copied;
    if (rows_c_name(t, p->dir, p->name, strlen(p->name), &row) == 1) {
        CLEANUP_TOKENS struct token_list had = {0};
        tokens_of_inode(&w->tokens, l->box, row.ino, &had);
        mark_loose(w, &had);
    }
}

static void expect(struct life *l, const char *call, const struct place *p, int r, int want) {
    struct world *w = l->world;
    say(w, l->host, "%s %" PRIx64 "/%s: %s", call, p->dir, p->name, r < 0 ? strerror(-r) : "ok");
    w->calls++;
    if ((r == -EIO || r == -EROFS) && !l->box->tree->session) /* nobody waits for one here; or it is refused */
        return;
    if (r == -EIO && l->spoilt)
        return;
    if (r == -EXDEV && w->rules) /* what is shared and what is not do not mix */
        return;
    if (!l->killed && r != want)
        failed(w, "%s: %s %" PRIx64 "/%s answered %s, not %s", l->host->label, call, p->dir, p->name, strerror(-r), strerror(-want));
}

static int make(struct life *l, struct place *p, uint32_t mode, const char *target) {
    struct make m = {.mode = mode, .target = target};
    struct attr a = {0};
    will_place(l, p);
    int r = names_make(l->box->tree, p->dir, p->name, strlen(p->name), &m, &a);
    if (r == 0)
        p->ino = a.ino;
    return r;
}

static void do_make(struct life *l) {
    struct place p = pick_place(l);
    uint64_t was = p.ino;
    switch (below(l->world, 4)) {
    case 0:
        expect(l, "symlink", &p, make(l, &p, S_IFLNK | 0777, chance(l->world, 500) ? "one" : "two"), was ? -EEXIST : 0);
        break;
    case 1:
        expect(l, "create", &p, make(l, &p, S_IFREG | 0644, NULL), was ? -EEXIST : 0);
        break;
    default:
        expect(l, "mkdir", &p, make(l, &p, S_IFDIR | 0755, NULL), was ? -EEXIST : 0);
    }
}

static bool is_local(struct life *l, uint64_t ino) {
    bool local;
    tree_lock(l->box->tree);
    local = local_is(l->box->tree, ino);
    tree_unlock(l->box->tree);
    return local;
}

static bool is_local_place(struct life *l, const struct place *p) {
    return name_kind(l->world->rules, p->name, strlen(p->name)) == NAME_LOCAL || is_local(l, p->dir);
}

static bool is_being_cut(const struct life *l, uint64_t ino) {
    for (size_t i = 0; i < HANDLES; i++)
        if (l->handles[i].opened && l->handles[i].cuts && l->handles[i].file->ino == ino)
            return true;
    return false;
}

/* Begins a write of one new token to an open file. */
static void begin_token(struct handle *c, bool append, uint64_t off) {
    struct life *l = c->life;
    char text[TOKEN_SIZE], name[32];
    c->token = token_new(&l->world->tokens, l->host->index, text);
    c->has_token = c->busy = true;
    if (is_local(l, c->file->ino) || is_being_cut(l, c->file->ino)) /* goes with its directory, whoever removes that; or is cut, if it comes first */
        l->world->tokens.v[c->token].gone = true;
    token_name(c->token, name);
    l->world->calls++;
    say(l->world, l->host, "writes %s to inode %" PRIx64 "%s", name, c->file->ino, append ? ", appending" : "");
    file_write(c->file, text, TOKEN_SIZE, off, append, call_done, c);
}

static struct handle *open_place(struct life *l, const struct place *p, int flags) {
    struct handle *c = free_handle(l);
    if (!c || file_open(l->box->tree, p->ino, flags, &c->file) < 0)
        return NULL;
    c->flags = flags;
    c->opened = true;
    l->world->calls++;
    return c;
}

static void lose_content(struct life *l, uint64_t ino) {
    CLEANUP_TOKENS struct token_list had = {0};
    tokens_of_view(&l->world->tokens, l->box, ino, &had);
    mark_gone(l->world, &had);
    mark_loose(l->world, &had);
    for (size_t i = 0; i < HANDLES; i++) { /* what is being written just now may come before or after */
        struct handle *c = &l->handles[i];
        if (c->opened && c->has_token && c->file->ino == ino)
            l->world->tokens.v[c->token].gone = true;
    }
}

static void do_write(struct life *l) {
    struct world *w = l->world;
    struct place p = pick_place(l);
    int flags = O_WRONLY;
    if (p.ino && !S_ISREG(p.mode))
        return;
    if (!p.ino) {
        int r = make(l, &p, S_IFREG | 0644, NULL);
        expect(l, "create", &p, r, 0);
        if (r < 0 || l->killed)
            return;
    }
    bool append = chance(w, 500), truncate = !append && chance(w, 700);
    if (!append)
        lose_content(l, p.ino);
    if (truncate)
        flags |= O_TRUNC;
    struct handle *c = open_place(l, &p, flags);
    if (c)
        begin_token(c, append, chance(w, 20) ? below(w, FILE_SIZE_MAX / TOKEN_SIZE) * TOKEN_SIZE : 0);
}

static void do_write_open(struct life *l) {
    struct handle *c = idle_handle(l);
    if (!c || (c->flags & O_ACCMODE) == O_RDONLY)
        return;
    bool append = chance(l->world, 600);
    if (!append)
        lose_content(l, c->file->ino);
    begin_token(c, append, 0);
}

static void do_open(struct life *l) {
    struct place p = pick_file(l);
    if (p.ino)
        open_place(l, &p, chance(l->world, 500) ? O_RDONLY : O_WRONLY);
}

static void do_truncate(struct life *l) {
    struct place p = pick_file(l);
    struct handle *c = p.ino ? open_place(l, &p, O_WRONLY) : NULL;
    if (!c)
        return;
    lose_content(l, p.ino);
    c->busy = c->cuts = true;
    say(l->world, l->host, "truncates inode %" PRIx64, p.ino);
    file_truncate(l->box->tree, p.ino, below(l->world, 3) * TOKEN_SIZE, truncate_done, c);
}

static void do_close(struct life *l) {
    struct handle *c = idle_handle(l);
    if (!c)
        return;
    l->world->calls++;
    close_handle(c);
}

static void do_fsync(struct life *l) {
    struct handle *c = idle_handle(l);
    if (!c || c->file->unnamed)
        return;
    tokens_of_view(&l->world->tokens, l->box, c->file->ino, &c->waits);
    c->busy = true;
    l->world->calls++;
    say(l->world, l->host, "fsync of inode %" PRIx64 " begins", c->file->ino);
    file_fsync(c->file, fsync_done, c);
}

static void sync_done(void *arg, int err) {
    struct life *l = arg;
    l->syncing = false;
    if (!l->killed && err == 0)
        must_be_durable(l->world, l->host, &l->synced, "which sync said is durable");
    if (!l->killed)
        say(l->world, l->host, "sync: %s", err < 0 ? strerror(-err) : "done");
    token_list_free(&l->synced);
}

static void do_sync(struct life *l) {
    if (l->syncing)
        return;
    tokens_of_whole_view(&l->world->tokens, l->box, &l->synced);
    l->syncing = true;
    l->world->calls++;
    say(l->world, l->host, "sync begins");
    tree_sync(l->box->tree, sync_done, l);
}

/* What has a name on its host alone has left the shared tree before. */
static void left(struct life *l, const struct place *p, uint64_t number) {
    if (!is_local_place(l, p))
        note_removal(l, p->ino, number, p->dir, p->name);
}

static void do_unlink(struct life *l) {
    struct place p = pick_existing(l);
    CLEANUP_TOKENS struct token_list had = {0};
    if (!p.ino)
        return;
    if (S_ISREG(p.mode) && p.nlink == 1)
        tokens_of_view(&l->world->tokens, l->box, p.ino, &had);
    uint64_t number = journal_call(l->world);
    int r = names_unlink(l->box->tree, p.dir, p.name, strlen(p.name));
    expect(l, "unlink", &p, r, S_ISDIR(p.mode) ? -EISDIR : 0);
    if (r == 0)
        note_removed(l, &had);
    if (r == 0 && p.nlink == 1)
        left(l, &p, number);
}

static bool stop_at_first(void *arg, const struct names_entry *e) {
    (void)e;
    *(bool *)arg = true;
    return false;
}

static bool is_empty(struct life *l, uint64_t dir) {
    bool any = false;
    uint64_t up;
    names_list(l->box->tree, dir, stop_at_first, &any, &up);
    return !any;
}

static void do_rmdir(struct life *l) {
    struct place p = pick_existing(l);
    if (!p.ino)
        return;
    int want = !S_ISDIR(p.mode) ? -ENOTDIR : is_empty(l, p.ino) ? 0 : -ENOTEMPTY;
    uint64_t number = journal_call(l->world);
    int r = names_rmdir(l->box->tree, p.dir, p.name, strlen(p.name));
    expect(l, "rmdir", &p, r, want);
    if (r == 0)
        left(l, &p, number);
}

/* Whether dir is `above` or lies below it. */
static bool lies_in(struct life *l, uint64_t dir, uint64_t above) {
    struct attr a;
    while (dir != above && dir != ROOT_INO && names_lookup(l->box->tree, dir, "..", 2, &a) == 0)
        dir = a.ino;
    return dir == above;
}

static int rename_answers(struct life *l, const struct place *from, const struct place *to, unsigned flags) {
    bool from_dir = S_ISDIR(from->mode), to_dir = to->ino && S_ISDIR(to->mode);
    if ((flags & RENAME_EXCHANGE) && !to->ino)
        return -ENOENT;
    if (from_dir && lies_in(l, to->dir, from->ino))
        return -EINVAL;
    if (flags & RENAME_EXCHANGE)
        return to_dir && lies_in(l, from->dir, to->ino) ? -EINVAL : 0;
    if (!to->ino || to->ino == from->ino)
        return 0;
    if (to_dir && !from_dir)
        return -EISDIR;
    if (!to_dir && from_dir)
        return -ENOTDIR;
    return to_dir && !is_empty(l, to->ino) ? -ENOTEMPTY : 0;
}

static void rename_place(struct life *l, const struct place *from, const struct place *to, unsigned flags) {
    CLEANUP_TOKENS struct token_list had = {0};
    int want = rename_answers(l, from, to, flags);
    bool leaves = is_local_place(l, to) && !is_local_place(l, from), comes = is_local_place(l, from) && !is_local_place(l, to);
    if ((leaves && !S_ISREG(from->mode)) || (flags && (leaves || comes)))
        return;
    if (leaves) {
        lose_content(l, from->ino);
        flags = 0;
    }
    say(l->world, l->host, "rename %" PRIx64 "/%s%s", from->dir, from->name, flags ? " (exchange)" : "");
    bool replaces = !flags && to->ino && to->ino != from->ino && S_ISREG(to->mode);
    if (replaces) {
        tokens_of_view(&l->world->tokens, l->box, to->ino, &had);
        mark_loose(l->world, &had);
    }
    will_place(l, to);
    if (flags)
        will_place(l, from);
    uint64_t number = journal_call(l->world);
    int r = names_rename(l->box->tree, from->dir, from->name, strlen(from->name), to->dir, to->name, strlen(to->name), flags);
    expect(l, "  to", to, r, want);
    if (r == 0 && replaces && to->nlink == 1)
        note_removed(l, &had);
    if (r == 0 && !flags && to->ino && to->ino != from->ino && (S_ISDIR(to->mode) || to->nlink == 1))
        left(l, to, number);
    if (r == 0 && leaves && from->nlink == 1)
        note_removal(l, from->ino, number, from->dir, from->name);
}

static void do_rename(struct life *l) {
    struct place from = pick_existing(l), to = pick_place(l);
    if (from.ino)
        rename_place(l, &from, &to, chance(l->world, 200) ? RENAME_EXCHANGE : 0);
}

static void do_link(struct life *l) {
    struct place from = pick_existing(l), to = pick_place(l);
    struct attr a;
    if (!from.ino)
        return;
    will_place(l, &to);
    int r = names_link(l->box->tree, from.ino, to.dir, to.name, strlen(to.name), &a);
    expect(l, "link to", &to, r, S_ISDIR(from.mode) ? -EPERM : to.ino ? -EEXIST : 0);
    if (r == 0)
        note_linked(l->world, from.ino);
}

static void do_chmod(struct life *l) {
    struct place p = pick_existing(l);
    struct setattr s = {.what = SET_MODE, .mode = 0600 + (uint32_t)below(l->world, 64)};
    struct attr a;
    if (chance(l->world, 300))
        s = (struct setattr){.what = SET_MTIME | SET_ATIME, .mtime = (int64_t)below(l->world, 5), .atime = 3};
    if (p.ino)
        expect(l, "setattr", &p, names_setattr(l->box->tree, p.ino, &s, &a), 0);
}

static void do_xattr(struct life *l) {
    struct place p = pick_existing(l);
    const char *name = chance(l->world, 500) ? "user.a" : "user.b";
    char value[] = {(char)('0' + below(l->world, 3))};
    if (p.ino)
        expect(l, "setxattr", &p, names_setxattr(l->box->tree, p.ino, name, value, 1, 0), 0);
}

/* An editor or rsync: a temporary file beside it, renamed over it. The new content is there before the rename. */
static void save_to(struct life *l, const struct place *to) {
    struct place tmp = {.dir = to->dir};
    if (to->ino && !S_ISREG(to->mode))
        return;
    snprintf(tmp.name, sizeof tmp.name, ".tmp%u", (unsigned)below(l->world, 3));
    fill_place(l, &tmp);
    if (tmp.ino)
        return;
    int r = make(l, &tmp, S_IFREG | 0600, NULL);
    expect(l, "create", &tmp, r, 0);
    struct handle *c = r == 0 && !l->killed ? open_place(l, &tmp, O_WRONLY) : NULL;
    if (!c)
        return;
    begin_token(c, false, 0);
    if (!c->busy && !l->killed) {
        close_handle(c);
        tmp.mode = S_IFREG;
        rename_place(l, &tmp, to, 0);
    }
}

static void do_save(struct life *l) {
    struct place to = pick_place(l);
    save_to(l, &to);
}

static void do_keep(struct life *l) {
    struct place to = {.dir = ROOT_INO, .name = KEPT_NAME};
    fill_place(l, &to);
    save_to(l, &to);
}

/* cp: all tokens of a file into a new one. */
static void do_copy(struct life *l) {
    struct place from = pick_file(l), to = pick_place(l);
    CLEANUP_TOKENS struct token_list had = {0};
    CLEANUP_BUF struct buf text = BUF_INIT(1 << 20);
    if (!from.ino || to.ino || is_local_place(l, &to))
        return;
    tokens_of_view(&l->world->tokens, l->box, from.ino, &had);
    int r = make(l, &to, S_IFREG | 0644, NULL);
    expect(l, "create", &to, r, 0);
    struct handle *c = r == 0 && !l->killed ? open_place(l, &to, O_WRONLY) : NULL;
    if (!c)
        return;
    for (size_t i = 0; i < had.n; i++) {
        l->world->tokens.v[had.v[i]].copied = true;
        buf_printf(&text, "T%014zu\n", had.v[i]);
    }
    c->busy = true;
    say(l->world, l->host, "copies inode %" PRIx64, from.ino);
    file_write(c->file, text.len ? (void *)text.data : "", text.len, 0, false, call_done, c);
}

/* What two hosts may well write alike. */
static void do_same(struct life *l) {
    struct place p = pick_place(l);
    char text[TOKEN_SIZE + 1] = "the same 0     \n";
    text[9] = (char)('0' + below(l->world, 3));
    if (p.ino)
        return;
    int r = make(l, &p, S_IFREG | 0644, NULL);
    expect(l, "create", &p, r, 0);
    struct handle *c = r == 0 && !l->killed ? open_place(l, &p, O_WRONLY) : NULL;
    if (!c)
        return;
    c->busy = true;
    file_write(c->file, text, strlen(text), 0, false, call_done, c);
}

static void do_mkdir(struct life *l) {
    struct place p = pick_place(l);
    uint64_t was = p.ino;
    expect(l, "mkdir", &p, make(l, &p, S_IFDIR | 0755, NULL), was ? -EEXIST : 0);
}

/* Into another one, most of the time. */
static void do_move_dir(struct life *l) {
    struct place from = pick_existing(l), to = pick_place(l);
    for (int i = 0; i < 8 && !(from.ino && S_ISDIR(from.mode)); i++)
        from = pick_existing(l);
    for (int i = 0; i < 8 && (to.dir == from.dir || to.dir == from.ino); i++)
        to = pick_place(l);
    if (from.ino && S_ISDIR(from.mode))
        rename_place(l, &from, &to, chance(l->world, 100) ? RENAME_EXCHANGE : 0);
}

static const struct {
    void (*call)(struct life *);
    uint8_t weights[N_MIXES + 1]; /* by the mix; the last is for what comes before: something to quarrel about */
} programs[] = {
    /*                all files dirs links open  build */
    {do_make,       {12,  8, 12, 10,  8, 10}},
    {do_mkdir,      { 0,  0, 10,  0,  0, 10}},
    {do_write,      {14, 24,  6, 14, 20, 10}},
    {do_write_open, { 6,  8,  2,  6, 14,  0}},
    {do_open,       { 4,  4,  2,  4, 12,  0}},
    {do_truncate,   { 3,  4,  1,  3,  4,  0}},
    {do_close,      {14, 14,  8, 12, 10,  0}},
    {do_fsync,      { 4,  4,  2,  4,  8,  0}},
    {do_sync,       { 1,  1,  1,  1,  1,  0}},
    {do_unlink,     {10, 14,  8, 20,  8,  0}},
    {do_rmdir,      { 4,  2, 10,  2,  2,  0}},
    {do_rename,     {12, 14, 14, 14,  8,  0}},
    {do_move_dir,   { 2,  0, 24,  0,  0,  0}},
    {do_link,       { 4,  4,  3, 20,  4,  2}},
    {do_chmod,      { 4,  3,  4,  4,  3,  0}},
    {do_xattr,      { 2,  2,  2,  2,  2,  0}},
    {do_save,       { 6, 12,  3,  5,  6,  2}},
    {do_keep,       { 2,  3,  1,  1,  2,  1}},
    {do_copy,       { 4,  5,  2,  4,  4,  0}},
    {do_same,       { 3,  5,  3,  3,  3,  2}},
};

/* One of them; those that find nothing to do are asked again, a few times. */
void one_call(struct life *l, enum mix mix) {
    unsigned sum = 0;
    unsigned long before = l->world->calls;
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
        sum += programs[i].weights[mix];
    for (int k = 0; k < 4 && l->world->calls == before && !l->killed; k++) {
        unsigned at = (unsigned)below(l->world, sum);
        size_t i = 0;
        while (at >= programs[i].weights[mix])
            at -= programs[i++].weights[mix];
        programs[i].call(l);
    }
}
