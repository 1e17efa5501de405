/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two to six hosts over one bucket, the real tree with uploader, spool, reader and cache, in virtual time, under a network that loses and delays, with random programs, kills,
 * restarts, times offline, garbage in the journal, and local states that are older than what their host has done (a restored backup), or those of another host (a
 * clone). One seed is one schedule; each of its steps draws its random numbers from its own number, so that the others stay what they are when one is left out. What must hold:
 *
 *   at every entry   all hosts have the same digest at the same sequence number, no change is void, nobody stops following; nothing leaves the shared tree but what somebody
 *                    who had it in view removed or overwrote
 *   always           the database of each host is sound (tree_box_wrong)
 *   fsync, sync      what was answered is in the confirmed tree
 *   at the end       when all is quiet, every view is the confirmed tree, the same on each host and on one that starts afresh, and everything acknowledged is there
 *
 *     hosts-sim [--schedules N] [--seed N] [--hosts N] [--steps N] [--only LIST] [--lazy] [-v]
 *
 * A failure prints its seed, is made as short as it gets by leaving out steps, and printed again; --only runs such a list of steps, -v tells what happens.
 */
#include "base/file.h"
#include "base/log.h"
#include "sim_store.h"
#include "sim_tokens.h"
#include "tmpdir.h"
#include "tree/file_state.h"
#include "tree/local.h"
#include "tree/name_kind.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#define HOSTS_MAX 6
#define STEPS_MAX 1000
#define HANDLES 6
#define SEQ_MAX 4096
#define SCHEDULES 500 /* in make check */
#define FILE_SIZE_MAX (3 * BLOCK_SIZE)

struct world;
struct life;

/* A program's open file, with at most one call under way. */
struct handle {
    struct life *life;
    struct file *file;
    int flags;
    bool busy, opened;
    struct token_list waits; /* of an fsync: what must be durable when it is answered */
    bool has_token;
    size_t token;
};

/* A host from one start to the next kill. */
struct life {
    struct world *world;
    struct host *host;
    struct tree_box *box;
    struct handle handles[HANDLES];
    bool killed;
    bool syncing;
    struct token_list synced; /* of a sync under way */
    struct life *next;        /* of those that were killed */
};

struct host {
    unsigned index;
    struct sim_net net;
    struct life *life; /* NULL: down */
    char *dir;         /* while down */
    char label[16];
    char *backup; /* an older state of it; NULL: none */
    uint64_t seen; /* sequence number whose digest was compared */
};

struct world {
    uint64_t seed;
    struct sim *sim;
    struct name_rules *rules; /* ".tmp…" is temporary, "l…" stays on its host; NULL: every name is final */
    struct mem_bucket *bucket;
    struct host hosts[HOSTS_MAX];
    unsigned n_hosts;
    const bool *left_out; /* steps; NULL: none */
    struct life *dead;
    struct tokens tokens;
    uint8_t digests[SEQ_MAX][DIGEST_SIZE];
    uint64_t head; /* the newest whose digest is known */
    bool one_machine; /* clones are not told by the name of their machine */
    unsigned faults, clones, step; /* clones: per mille of the starts */
    unsigned long calls, kills, conflicts, entries;
    /* a kill in the middle of something: at the n-th call into the environment from now on */
    struct host *victim;
    uint64_t fuse;
};

static bool verbose;

static void failed(struct world *w, const char *fmt, ...) ATTR_PRINTF(2, 3);
static void failed(struct world *w, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "hosts-sim: seed %" PRIu64 ", step %u: ", w->seed, w->step);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    exit(1);
}

static void say(struct world *w, struct host *h, const char *fmt, ...) ATTR_PRINTF(3, 4);
static void say(struct world *w, struct host *h, const char *fmt, ...) {
    va_list ap;
    if (!verbose)
        return;
    va_start(ap, fmt);
    printf("%4u %8.3f %s: ", w->step, (double)(sim_mono(w->sim) - SIM_MONO) / 1e9, h ? h->label : "-");
    vprintf(fmt, ap);
    printf("\n");
    fflush(stdout);
    va_end(ap);
}

static uint64_t below(struct world *w, uint64_t n) {
    return sim_below(w->sim, n);
}

static bool chance(struct world *w, unsigned per_mille) {
    return sim_chance(w->sim, per_mille);
}

/* The disk's clock: files would carry the time of the machine, and no schedule would be the same twice. It is that of the host that runs. */

static struct env *disk_env;
static bool is_stamping;

static void stamp(int fd) {
    if (!disk_env || is_stamping)
        return;
    is_stamping = true; /* to look at the clock is a call into the environment */
    int64_t now = env_now(disk_env);
    struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = now / NS_PER_S, .tv_nsec = now % NS_PER_S}};
    futimens(fd, ts);
    is_stamping = false;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off) {
    ssize_t r = syscall(SYS_pwrite64, fd, p, n, off);
    stamp(fd);
    return r;
}

int ftruncate(int fd, off_t size) {
    int r = (int)syscall(SYS_ftruncate, fd, size);
    stamp(fd);
    return r;
}

/* Tokens */

static void token_name(size_t number, char ret[32]) {
    snprintf(ret, 32, "T%zu", number);
}

static void mark_gone(struct world *w, const struct token_list *l) {
    for (size_t i = 0; i < l->n; i++)
        w->tokens.v[l->v[i]].gone = true;
}

static void mark_loose(struct world *w, const struct token_list *l) {
    for (size_t i = 0; i < l->n; i++)
        w->tokens.v[l->v[i]].loose = true;
}

/* All of the list, but those that are gone, are among `there`. */
static void must_contain(struct world *w, struct host *h, const struct token_list *there, const struct token_list *list, const char *what) {
    unsigned mark = ++w->tokens.mark;
    for (size_t i = 0; i < there->n; i++)
        w->tokens.v[there->v[i]].mark = mark;
    for (size_t i = 0; i < list->n; i++) {
        struct token *t = &w->tokens.v[list->v[i]];
        if (!t->gone && t->mark != mark)
            failed(w, "%s: T%zu, %s, is not in the confirmed tree", h->label, list->v[i], what);
    }
}

/* A sync waits for what it found: not for a copy that was made since, when what it was made of is removed. */
static void forget_synced(struct life *l, const struct token_list *removed) {
    size_t n = 0;
    unsigned mark = ++l->world->tokens.mark;
    for (size_t i = 0; i < removed->n; i++)
        l->world->tokens.v[removed->v[i]].mark = mark;
    for (size_t i = 0; i < l->synced.n; i++)
        if (l->world->tokens.v[l->synced.v[i]].mark != mark)
            l->synced.v[n++] = l->synced.v[i];
    l->synced.n = n;
}

/* What a call takes away, if the view has no other copy of it. Call before and after. */
static void note_removed(struct life *l, const struct token_list *before) {
    struct world *w = l->world;
    CLEANUP_TOKENS struct token_list left = {0};
    bool copies = false;
    forget_synced(l, before);
    for (size_t i = 0; i < before->n; i++)
        copies |= w->tokens.v[before->v[i]].copied;
    if (copies)
        tokens_of_whole_view(&w->tokens, l->box, &left);
    unsigned mark = ++w->tokens.mark;
    for (size_t i = 0; i < left.n; i++)
        w->tokens.v[left.v[i]].mark = mark;
    for (size_t i = 0; i < before->n; i++) {
        struct token *t = &w->tokens.v[before->v[i]];
        t->removers |= 1u << l->host->index;
        /* Two hosts, each of which removed one of two copies, have together removed both. */
        if (t->mark != mark || (t->removers & (t->removers - 1)))
            t->gone = true;
    }
}

/* Invariants */

static void check_shared(struct world *w, struct host *h) {
    CLEANUP_TOKENS struct token_list now = {0};
    tokens_of_confirmed(&w->tokens, h->life->box, &now);
    unsigned mark = ++w->tokens.mark;
    for (size_t i = 0; i < now.n; i++) {
        w->tokens.v[now.v[i]].mark = mark;
        w->tokens.v[now.v[i]].shared = true;
    }
    for (size_t i = 0; i < w->tokens.n; i++) {
        struct token *t = &w->tokens.v[i];
        if (t->shared && !t->gone && !t->loose && t->mark != mark)
            failed(w, "T%zu of %s was in the shared tree and is missing at entry %" PRIu64 ", nobody removed it", i, w->hosts[t->host].label,
                   h->life->box->tree->seq);
    }
}

/* For -v: both layers of a host. */
static void tell_layers(struct world *w, struct host *h) {
    static const char query[] = "SELECT group_concat(x, ' ') FROM (SELECT printf('%x/%s=%x', parent, name, ino) AS x FROM c_name UNION ALL SELECT '|' UNION ALL "
                                "SELECT printf('%x/%s=%x', parent, name, ino) FROM p_name UNION ALL SELECT printf('(%x spool %d snap %d.%d due %d work %d blocked %d)', ino, spool, snap, stage, due, work, blocked) FROM p_inode)";
    sqlite3_stmt *s;
    if (!verbose || sqlite3_prepare_v2(h->life->box->tree->db.sql, query, -1, &s, NULL) != SQLITE_OK)
        return;
    if (sqlite3_step(s) == SQLITE_ROW)
        say(w, h, "entry %" PRIu64 ": %s", h->life->box->tree->seq, (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
}

static void check_entry(struct world *w, struct host *h) {
    struct tree *t = h->life->box->tree;
    uint8_t digest[DIGEST_SIZE];
    if (t->seq <= h->seen || t->seq >= SEQ_MAX)
        return;
    h->seen = t->seq;
    tell_layers(w, h);
    if (t->stopped || t->read_only)
        failed(w, "%s has stopped: %s", h->label, t->reason);
    if (counter_get(&h->life->box->counters, COUNTER_CHANGES_VOID))
        failed(w, "%s met a void change", h->label);
    set_digest_value(&t->set, digest);
    static const uint8_t none[DIGEST_SIZE];
    if (memcmp(w->digests[t->seq], none, DIGEST_SIZE) && memcmp(w->digests[t->seq], digest, DIGEST_SIZE))
        failed(w, "%s has another tree at entry %" PRIu64, h->label, t->seq);
    memcpy(w->digests[t->seq], digest, DIGEST_SIZE);
    if (t->seq <= w->head)
        return;
    w->head = t->seq;
    if (!fault_is_lazy(t)) /* else not all of it can be seen before the end */
        check_shared(w, h);
}

static void check_sound(struct world *w, struct host *h) {
    CLEANUP_FREE char *wrong = tree_box_wrong(h->life->box);
    if (wrong)
        tell_layers(w, h);
    if (wrong)
        failed(w, "%s: %s", h->label, wrong);
}

/* Killing */

/* The state directory as it is just now: what a killed process leaves behind. */
static void copy_dir(const char *from, const char *to) {
    pid_t pid = vfork();
    if (pid == 0) {
        execlp("cp", "cp", "-rpT", "--sparse=always", from, to, (char *)NULL);
        _exit(127);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        abort();
}

static void take_down(struct host *h) {
    struct life *l = h->life;
    struct world *w = l->world;
    h->dir = tmpdir_new();
    copy_dir(l->box->dir, h->dir);
    if (w->clones && !h->backup && chance(w, 500)) {
        h->backup = tmpdir_new();
        copy_dir(l->box->dir, h->backup);
    }
    l->killed = true;
    sim_store_kill(l->box->store);
    sim_env_freeze(l->box->env);
}

static void bury(struct host *h) {
    struct life *l = h->life;
    l->next = l->world->dead;
    l->world->dead = l;
    h->life = NULL;
    l->world->kills++;
}

static void probe(void *arg, struct env *env) {
    struct world *w = arg;
    struct host *h = w->victim;
    if (is_stamping)
        return;
    disk_env = env;
    if (!h || !h->life || h->life->box->env != env || h->life->killed || --w->fuse)
        return;
    say(w, h, "killed in the middle");
    w->victim = NULL;
    take_down(h);
}

/* Starting */

static struct life *life_new(struct host *h, struct world *w) {
    struct life *l = xcalloc(1, sizeof *l);
    int r;
    l->world = w;
    l->host = h;
    for (size_t i = 0; i < HANDLES; i++)
        l->handles[i].life = l;
    struct env *env = sim_env_new(w->sim, (int64_t)below(w, 20) * NS_PER_S - 10 * NS_PER_S);
    struct tree_box_config c = {.sim = w->sim,
                                .bucket = w->bucket,
                                .env = env,
                                .store = sim_store_new(w->sim, env, w->bucket, NULL, &h->net),
                                .label = h->label,
                                .names = w->rules,
                                .dir = h->dir,
                                .machine_id = w->one_machine ? "machine" : h->label};
    h->dir = NULL;
    l->box = tree_box_open(&c, &r);
    if (r < 0)
        failed(w, "%s does not start: %s: %s", h->label, strerror(-r), buf_str(&l->box->why));
    h->life = l;
    return l;
}

static void start(struct world *w, struct host *h) {
    say(w, h, "starts%s", h->net.offline ? ", offline" : "");
    life_new(h, w);
    tell_layers(w, h);
    check_sound(w, h);
    if (h->life->box->tree->seq < h->seen)
        failed(w, "%s was at entry %" PRIu64 " and is at %" PRIu64 " after a restart", h->label, h->seen, h->life->box->tree->seq);
}

/* Handles */

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
        l->world->tokens.v[c->token].acked = true;
        say(l->world, l->host, "T%zu acknowledged, inode %" PRIx64, c->token, c->file->ino);
    } else if (c->has_token) {
        say(l->world, l->host, "T%zu: %s", c->token, err < 0 ? strerror(-err) : "of a file without a name");
    }
    c->has_token = false;
}

static void truncate_done(void *arg, int err) {
    call_done(arg, err, 0);
}

static void fsync_done(void *arg, int err) {
    struct handle *c = arg;
    struct life *l = c->life;
    c->busy = false;
    if (!l->killed && err == 0 && !c->file->unnamed) {
        CLEANUP_TOKENS struct token_list there = {0};
        tokens_of_confirmed(&l->world->tokens, l->box, &there);
        must_contain(l->world, l->host, &there, &c->waits, "which fsync said is durable");
    }
    if (!l->killed)
        say(l->world, l->host, "fsync: %s", err < 0 ? strerror(-err) : "done");
    token_list_free(&c->waits);
}

static void close_handle(struct handle *c) {
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
    char name[16];
    uint64_t ino; /* 0: nothing there */
    uint32_t mode, nlink;
};

struct pick {
    struct world *w;
    uint64_t ino, n;
    bool directories;
    char name[300];
};

static bool pick_one(void *arg, const struct names_entry *e) {
    struct pick *p = arg;
    if (p->directories && !S_ISDIR(e->type))
        return true;
    if (e->n < sizeof ((struct place *)0)->name && below(p->w, ++p->n) == 0) {
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

/* Some name: mostly one of few, that may be there or not; at times whatever is there (a conflicted copy, too). */
static struct place pick_place(struct life *l) {
    static const char *const names[] = {"a", "b", "c.x", "d", "e.txt"};
    struct place p = {.dir = pick_dir(l)};
    uint64_t up;
    struct pick any = {.w = l->world};
    strcpy(p.name, names[below(l->world, ARRAY_SIZE(names))]);
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
    if (r == -EROFS && !l->box->tree->session)
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

/* Begins a write of one new token to an open file. */
static void begin_token(struct handle *c, bool append, uint64_t off) {
    struct life *l = c->life;
    char text[TOKEN_SIZE], name[32];
    c->token = token_new(&l->world->tokens, l->host->index, text);
    c->has_token = c->busy = true;
    if (is_local(l, c->file->ino)) /* goes with its directory, whoever removes that */
        l->world->tokens.v[c->token].gone = true;
    token_name(c->token, name);
    say(l->world, l->host, "writes %s to inode %" PRIx64 "%s", name, c->file->ino, append ? ", appending" : "");
    file_write(c->file, text, TOKEN_SIZE, off, append, call_done, c);
}

static struct handle *open_place(struct life *l, const struct place *p, int flags) {
    struct handle *c = free_handle(l);
    if (!c || file_open(l->box->tree, p->ino, flags, &c->file) < 0)
        return NULL;
    c->flags = flags;
    c->opened = true;
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
    c->busy = true;
    say(l->world, l->host, "truncates inode %" PRIx64, p.ino);
    file_truncate(l->box->tree, p.ino, below(l->world, 3) * TOKEN_SIZE, truncate_done, c);
}

static void do_close(struct life *l) {
    struct handle *c = idle_handle(l);
    if (c)
        close_handle(c);
}

static void do_fsync(struct life *l) {
    struct handle *c = idle_handle(l);
    if (!c || c->file->unnamed)
        return;
    tokens_of_view(&l->world->tokens, l->box, c->file->ino, &c->waits);
    c->busy = true;
    say(l->world, l->host, "fsync of inode %" PRIx64 " begins", c->file->ino);
    file_fsync(c->file, fsync_done, c);
}

static void sync_done(void *arg, int err) {
    struct life *l = arg;
    l->syncing = false;
    if (!l->killed && err == 0) {
        CLEANUP_TOKENS struct token_list there = {0};
        tokens_of_confirmed(&l->world->tokens, l->box, &there);
        must_contain(l->world, l->host, &there, &l->synced, "which sync said is durable");
    }
    if (!l->killed)
        say(l->world, l->host, "sync: %s", err < 0 ? strerror(-err) : "done");
    token_list_free(&l->synced);
}

static void do_sync(struct life *l) {
    if (l->syncing)
        return;
    tokens_of_whole_view(&l->world->tokens, l->box, &l->synced);
    l->syncing = true;
    say(l->world, l->host, "sync begins");
    tree_sync(l->box->tree, sync_done, l);
}

static void do_unlink(struct life *l) {
    struct place p = pick_existing(l);
    CLEANUP_TOKENS struct token_list had = {0};
    if (!p.ino)
        return;
    if (S_ISREG(p.mode) && p.nlink == 1)
        tokens_of_view(&l->world->tokens, l->box, p.ino, &had);
    int r = names_unlink(l->box->tree, p.dir, p.name, strlen(p.name));
    expect(l, "unlink", &p, r, S_ISDIR(p.mode) ? -EISDIR : 0);
    if (r == 0)
        note_removed(l, &had);
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
    expect(l, "rmdir", &p, names_rmdir(l->box->tree, p.dir, p.name, strlen(p.name)), want);
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
    int r = names_rename(l->box->tree, from->dir, from->name, strlen(from->name), to->dir, to->name, strlen(to->name), flags);
    expect(l, "  to", to, r, want);
    if (r == 0 && replaces && to->nlink == 1)
        note_removed(l, &had);
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
static void do_save(struct life *l) {
    struct place to = pick_place(l), tmp = {.dir = to.dir};
    if (to.ino && !S_ISREG(to.mode))
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
        rename_place(l, &tmp, &to, 0);
    }
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

static const struct {
    unsigned weight;
    void (*call)(struct life *);
} programs[] = {
    {12, do_make},   {14, do_write}, {6, do_write_open}, {4, do_open}, {3, do_truncate}, {14, do_close}, {4, do_fsync}, {1, do_sync}, {10, do_unlink},
    {4, do_rmdir},   {12, do_rename}, {4, do_link},      {4, do_chmod}, {2, do_xattr},   {6, do_save},  {4, do_copy},  {3, do_same},
};

static void one_call(struct life *l) {
    unsigned sum = 0;
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
        sum += programs[i].weight;
    unsigned at = (unsigned)below(l->world, sum);
    size_t i = 0;
    while (at >= programs[i].weight)
        at -= programs[i++].weight;
    programs[i].call(l);
}

/* The schedule */

/* Time passes; every entry is looked at. */
static void pass(struct world *w, int64_t ns) {
    int64_t end = sim_mono(w->sim) + ns;
    while (sim_mono(w->sim) < end) {
        sim_run_one(w->sim, end);
        for (size_t i = 0; i < w->n_hosts; i++) {
            struct host *h = &w->hosts[i];
            if (h->life && h->life->killed)
                bury(h);
            else if (h->life)
                check_entry(w, h);
        }
    }
}

static void change_network(struct world *w, struct host *h) {
    struct sim_net *n = &h->net;
    if (n->offline || n->refused) {
        n->offline = n->refused = false;
    } else if (chance(w, 700)) {
        n->offline = true;
    } else {
        n->refused = true;
    }
    say(w, h, "is %s", n->offline ? "offline" : n->refused ? "refused" : "online");
}

/* Somebody who may write to the bucket, but has no key, takes the next number: noise, nothing at all, or an entry that was good at another number. */
static void put_garbage(struct world *w) {
    unsigned char noise[64];
    uint64_t next = mem_bucket_count(w->bucket, ".assetfs/journal/") + 1;
    CLEANUP_FREE char *key = entry_key(".assetfs", next);
    CLEANUP_FREE char *old = entry_key(".assetfs", 1 + below(w, next - 1));
    const void *bytes = noise;
    size_t n = 0;
    unsigned kind = (unsigned)below(w, 3);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)below(w, 256);
    if (kind == 0)
        n = sizeof noise;
    else if (kind == 1)
        bytes = mem_bucket_get(w->bucket, old, &n);
    say(w, NULL, "garbage at journal number %" PRIu64 ", kind %u", next, kind);
    CLEANUP_FREE void *copy = xmemdup(bytes, n);
    mem_bucket_set(w->bucket, key, copy, n);
}

/* The state that a host starts with is mostly its own; or its backup; or, with the machine's name, that of another host. What was written since on the host whose state is lost is lost with it,
 * unless it was committed. */
static void start_some_state(struct world *w, struct host *h) {
    struct host *other = &w->hosts[below(w, w->n_hosts)];
    const char *from = NULL;
    if (chance(w, w->clones) && h->backup)
        from = h->backup;
    else if (chance(w, w->clones) && other != h && !other->life)
        from = other->dir;
    if (from) {
        say(w, h, "gets %s state", from == h->backup ? "an older" : "another host's");
        char *dir = tmpdir_new();
        copy_dir(from, dir);
        tmpdir_free(h->dir);
        h->dir = dir;
        h->seen = 0;
        for (size_t i = 0; i < w->tokens.n; i++)
            if (w->tokens.v[i].host == h->index && !w->tokens.v[i].shared)
                w->tokens.v[i].gone = true;
    }
    start(w, h);
}

static void one_step(struct world *w) {
    sim_reseed(w->sim, (w->seed << 12) + w->step);
    struct host *h = &w->hosts[below(w, w->n_hosts)];
    if (chance(w, 6)) {
        put_garbage(w);
    } else if (!h->life) {
        if (chance(w, 300))
            start_some_state(w, h);
    } else if (chance(w, 12)) {
        say(w, h, "killed");
        take_down(h);
        bury(h);
    } else if (chance(w, 8)) {
        w->victim = h;
        w->fuse = 1 + below(w, 60);
    } else if (lazy_is_on() && chance(w, 100)) {
        say(w, h, "forgets%s", box_forget(h->life->box) ? "" : " nothing");
    } else if (chance(w, 15)) {
        change_network(w, h);
    } else if (chance(w, 5)) {
        say(w, h, "is mounted again");
        for (size_t i = 0; i < HANDLES; i++)
            if (h->life->handles[i].opened && h->life->handles[i].busy)
                return;
        w->victim = NULL; /* nothing is killed on the way */
        for (size_t i = 0; i < HANDLES; i++)
            if (h->life->handles[i].opened)
                close_handle(&h->life->handles[i]);
        tree_box_reopen(h->life->box);
    } else {
        tree_used(h->life->box->tree);
        one_call(h->life);
    }
    if (h->life && h->life->killed)
        bury(h);
    if (h->life && chance(w, 250))
        check_sound(w, h);
    static const int64_t pauses[] = {0, 0, 0, NS_PER_MS, 50 * NS_PER_MS, NS_PER_S, 3 * NS_PER_S, 8 * NS_PER_S};
    pass(w, pauses[below(w, ARRAY_SIZE(pauses))]);
}

static bool is_quiet(struct world *w) {
    uint64_t n = mem_bucket_count(w->bucket, ".assetfs/journal/");
    for (size_t i = 0; i < w->n_hosts; i++) {
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

static void quiesce(struct world *w) {
    w->victim = NULL;
    for (size_t i = 0; i < w->n_hosts; i++) {
        w->hosts[i].net = (struct sim_net){.latency_ns = 20 * NS_PER_MS};
        if (!w->hosts[i].life)
            start(w, &w->hosts[i]);
    }
    for (size_t i = 0; i < w->n_hosts; i++)
        end_calls(w, w->hosts[i].life);
    for (size_t i = 0; i < w->n_hosts; i++) /* lets temporary names go */
        tree_sync(w->hosts[i].life->box->tree, synced_at_end, NULL);
    for (int k = 0; k < 300 && !is_quiet(w); k++) {
        for (size_t i = 0; i < w->n_hosts; i++)
            tree_used(w->hosts[i].life->box->tree);
        pass(w, 2 * NS_PER_S);
    }
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

struct below {
    struct tree_box *box;
    const char *path;
    struct names_entry *v;
    size_t n;
};

static bool keep_entry(void *arg, const struct names_entry *e) {
    struct below *l = arg;
    l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n] = *e;
    l->v[l->n++].name = xstrndup(e->name, e->n);
    return true;
}

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
    struct below l = {0};
    uint64_t up;
    names_list(b->tree, dir, keep_entry, &l, &up);
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

static void check_same(struct world *w, struct tree_box *a, struct tree_box *b) {
    CLEANUP_BUF struct buf x = BUF_INIT(1 << 20), y = BUF_INIT(1 << 20);
    describe_one(a, ROOT_INO, "", &x);
    describe_one(b, ROOT_INO, "", &y);
    if (strcmp(buf_str(&x), buf_str(&y)))
        failed(w, "%s sees\n%s%s sees\n%s", a->label, buf_str(&x), b->label, buf_str(&y));
    if (strstr(buf_str(&x), "read -"))
        failed(w, "a file cannot be read:\n%s", buf_str(&x));
    if (verbose)
        printf("%s", buf_str(&x));
}

static void check_end(struct world *w) {
    CLEANUP_TOKENS struct token_list there = {0}, want = {0};
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
    for (size_t i = 1; i < w->n_hosts; i++)
        check_same(w, w->hosts[0].life->box, w->hosts[i].life->box);
    check_same(w, w->hosts[0].life->box, fresh.life->box);
    if (memcmp(&fresh.life->box->tree->set, &w->hosts[0].life->box->tree->set, sizeof(struct set_digest)))
        failed(w, "a fresh host has another digest");
    for (size_t i = 0; i < w->n_hosts; i++)
        w->conflicts += counter_get(&w->hosts[i].life->box->counters, COUNTER_CONFLICT_COPIES);
    w->entries = w->hosts[0].life->box->tree->seq;
    tree_box_free(fresh.life->box);
    free(fresh.life);
}

static void life_free(struct life *l) {
    for (size_t i = 0; i < HANDLES; i++) {
        if (l->handles[i].opened)
            close_handle(&l->handles[i]);
        token_list_free(&l->handles[i].waits);
    }
    tree_box_free(l->box);
    token_list_free(&l->synced);
    free(l);
}

/* Whoever was killed: its memory, now that nobody is left whom it could disturb. */
static void free_dead(struct world *w) {
    for (struct life *l = w->dead, *next; l; l = next) {
        next = l->next;
        sim_env_thaw(l->box->env);
        sim_run(w->sim, 120 * NS_PER_S);
        life_free(l);
    }
}

/* A schedule takes a fraction of a second of the processor's time, however busy the machine is with other things; this one does not end. */
#define SCHEDULE_MAX_S 120
static uint64_t running, *at_seed = &running;

static void on_alarm(int sig) {
    char text[96];
    (void)sig;
    int n = snprintf(text, sizeof text, "hosts-sim: seed %" PRIu64 " does not come to an end\n", running);
    if (write(2, text, (size_t)n) == n)
        abort();
    _exit(1);
}

struct how {
    unsigned hosts, steps;  /* 0: by the seed */
    const bool *left_out;   /* steps; NULL: none */
};

static unsigned steps_of(uint64_t seed, const struct how *how) {
    static const unsigned usual[] = {15, 15, 15, 30, 30, 30, 30, 60, 60, 120};
    return how->steps ? how->steps : usual[seed % ARRAY_SIZE(usual)];
}

static void run_schedule(uint64_t seed, const struct how *how, struct world *totals) {
    struct world *w = xcalloc(1, sizeof *w);
    unsigned steps = steps_of(seed, how);
    w->seed = running = *at_seed = seed;
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = SCHEDULE_MAX_S}, NULL);
    w->sim = sim_new(seed);
    w->bucket = mem_bucket_new();
    sim_set_probe(w->sim, probe, w);
    tree_box_init(w->sim, w->bucket);
    sim_delays(w->sim, NS_PER_MS, 5 * NS_PER_MS);
    w->faults = (unsigned)below(w, 3);
    w->clones = chance(w, 300) ? 300 : 0;
    w->rules = chance(w, 300) ? name_rules_new(".tmp*", "l:l.*") : NULL;
    w->one_machine = w->clones && chance(w, 500);
    w->n_hosts = (unsigned)below(w, 10);
    w->n_hosts = how->hosts ? how->hosts : w->n_hosts < 6 ? 2 : w->n_hosts - 3;
    for (unsigned i = 0; i < w->n_hosts; i++) {
        struct host *h = &w->hosts[i];
        h->index = i;
        snprintf(h->label, sizeof h->label, "%c", 'A' + (int)i);
        start(w, h);
    }
    for (unsigned i = 0; i < w->n_hosts; i++) {
        w->hosts[i].net = (struct sim_net){.lost = 30 * w->faults,
                                           .unanswered = 30 * w->faults,
                                           .squatted = w->faults ? 10 : 0,
                                           .latency_ns = (w->faults ? 300 : 20) * NS_PER_MS};
        if (box_claim(w->hosts[i].life->box) < 0 && !w->faults)
            failed(w, "no session");
    }
    for (w->step = 0; w->step < steps; w->step++)
        if (!how->left_out || !how->left_out[w->step])
            one_step(w);
    sim_reseed(w->sim, (seed << 12) + STEPS_MAX);
    check_end(w);
    totals->calls += w->calls;
    totals->kills += w->kills;
    totals->conflicts += w->conflicts;
    totals->entries += w->entries;
    for (unsigned i = 0; i < w->n_hosts; i++) {
        life_free(w->hosts[i].life);
        tmpdir_free(w->hosts[i].backup);
    }
    free_dead(w);
    sim_run(w->sim, NS_PER_S); /* what was posted while they closed */
    tokens_free(&w->tokens);
    disk_env = NULL;
    sim_free(w->sim);
    mem_bucket_free(w->bucket);
    name_rules_free(w->rules);
    free(w);
}

/* Each schedule that may fail runs in a process of its own when it is made shorter. */
static bool fails(uint64_t seed, const struct how *how) {
    pid_t pid = fork();
    if (pid == 0) {
        struct world totals = {0};
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        run_schedule(seed, how, &totals);
        _exit(0);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return false;
    return status != 0;
}

/* Leaves out steps, half of them, a quarter, ... one, as long as it still fails; then says which are left, and shows the failure. */
static void make_short(uint64_t seed, const struct how *given) {
    bool out[STEPS_MAX] = {0};
    struct how how = {.hosts = given->hosts, .steps = steps_of(seed, given), .left_out = out};
    if (given->left_out)
        memcpy(out, given->left_out, sizeof out);
    for (unsigned size = MAX(1, how.steps / 2); size; size /= 2)
        for (unsigned at = 0; at < how.steps; at += size) {
            bool before[STEPS_MAX];
            memcpy(before, out, sizeof out);
            memset(out + at, true, MIN(size, how.steps - at));
            if (!memcmp(before, out, sizeof out) || !fails(seed, &how))
                memcpy(out, before, sizeof out);
        }
    fprintf(stderr, "the same, shorter: hosts-sim --seed %" PRIu64 " --steps %u --only ", seed, how.steps);
    for (unsigned i = 0, n = 0; i < how.steps; i++)
        if (!out[i])
            fprintf(stderr, "%s%u", n++ ? "," : "", i);
    fprintf(stderr, " -v\n");
    struct world totals = {0};
    run_schedule(seed, &how, &totals);
}

static void parse_only(const char *text, bool out[STEPS_MAX]) {
    memset(out, true, STEPS_MAX);
    for (char *end; *text; text = *end ? end + 1 : end) {
        unsigned long i = strtoul(text, &end, 10);
        if (end == text)
            break;
        if (i < STEPS_MAX)
            out[i] = false;
    }
}

/* Runs [first, first + n) in a process, so that a failure can be made shorter by another one. */
static bool run_all(uint64_t first, uint64_t n, const struct how *how, struct world *totals) {
    for (uint64_t i = 0; i < n; i++)
        run_schedule(first + i, how, totals);
    return true;
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"seed", required_argument, NULL, 's'}, {"steps", required_argument, NULL, 'n'}, {"schedules", required_argument, NULL, 'c'},
                                            {"lazy", no_argument, NULL, 'l'}, {"hosts", required_argument, NULL, 'h'}, {"only", required_argument, NULL, 'o'}, {0}};
    uint64_t seed = 1, schedules = 0;
    bool out[STEPS_MAX];
    struct how how = {0};
    for (int o; (o = getopt_long(argc, argv, "v", options, NULL)) != -1;) {
        if (o == 's')
            seed = strtoull(optarg, NULL, 10), schedules = MAX(schedules, 1);
        else if (o == 'n')
            how.steps = (unsigned)MIN(strtoul(optarg, NULL, 10), STEPS_MAX);
        else if (o == 'c')
            schedules = strtoull(optarg, NULL, 10);
        else if (o == 'h')
            how.hosts = (unsigned)MIN(MAX(strtoul(optarg, NULL, 10), 2), HOSTS_MAX);
        else if (o == 'o')
            parse_only(optarg, out), how.left_out = out;
        else if (o == 'l')
            lazy_turn_on();
        else if (o == 'v')
            verbose = true;
        else
            return 2;
    }
    struct world totals = {0};
    signal(SIGPROF, on_alarm);
    log_set_level(verbose ? LOG_LEVEL_DEBUG : 0);
    if (!schedules)
        schedules = SCHEDULES;
    running = seed;
    if (verbose)
        return !run_all(seed, schedules, &how, &totals);
    struct shared {
        uint64_t seed;
        struct world totals;
    } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    at_seed = &shared->seed;
    pid_t pid = fork();
    if (pid == 0) {
        run_all(seed, schedules, &how, &shared->totals);
        _exit(0);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return 1;
    if (status != 0) {
        make_short(shared->seed, &how);
        return 1;
    }
    totals = shared->totals;
    printf("%" PRIu64 " schedules, %lu calls, %lu entries, %lu conflicts, %lu kills: all well\n", schedules, totals.calls, totals.entries,
           totals.conflicts, totals.kills);
    return 0;
}
