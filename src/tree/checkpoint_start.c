/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Beginning from a checkpoint instead of replaying the journal. A reference counts only if the journal bears it out: the first authentic entry after its sequence number must continue
 * its head, and have been built on a tree of its digest.
 */
#include "base/log.h"
#include "tree/area_set.h"
#include "tree/base.h"
#include "tree/checkpoint.h"
#include "tree/dispute.h"
#include "tree/fault.h"
#include "tree/news.h"
#include "tree/object.h"
#include "tree/rows.h"
#include <inttypes.h>

/* Where local state exists: so many entries are replayed rather than everything else be forgotten. */
#define FAR_BEHIND 1000
/* Writers of a release without checkpoints do not repeat the reference: it is looked for at the head and 1, 2, 4, ... entries before it. */
#define PROBES 12
/* Entries looked at for the first authentic one after a checkpoint. */
#define NEXT_MAX 16

/* Waiting */

struct waiting {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
    int err;
};

static void wait_over(void *arg, int err) {
    struct waiting *w = arg;
    pthread_mutex_lock(&w->mutex);
    w->done = true;
    w->err = err;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

static int wait_here(struct checkpoint_base *b) {
    struct waiting w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    sealed_db_wait(b->object, b->sql, wait_over, &w);
    pthread_mutex_lock(&w.mutex);
    while (!w.done)
        pthread_cond_wait(&w.cond, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.mutex);
    return w.err;
}

/* call(b, arg) again and again until it does not have to wait. */
static int patiently(struct checkpoint_base *b, int (*call)(struct checkpoint_base *, void *), void *arg) {
    for (;;) {
        int r = call(b, arg);
        if (r == -EINPROGRESS)
            r = wait_here(b);
        else
            return r;
        if (r < 0)
            return r;
    }
}

/* Reading */

struct session_row {
    uint64_t number, last;
    char *label;
    uint8_t nonce[NONCE_SIZE];
};

struct state_row {
    char *key;
    uint8_t *item;
    size_t n;
};

/* What replaces C, but for the rows that are fetched when somebody asks. */
struct beginning {
    uint64_t inodes, bytes;
    struct buf root;
    uint32_t root_nlink;
    uint64_t root_seq;
    struct session_row *sessions;
    size_t n_sessions;
    struct state_row *states;
    size_t n_states;
};

static void forget_rows(struct beginning *g) {
    for (size_t i = 0; i < g->n_sessions; i++)
        free(g->sessions[i].label);
    for (size_t i = 0; i < g->n_states; i++) {
        free(g->states[i].key);
        free(g->states[i].item);
    }
    free(g->sessions);
    free(g->states);
    buf_free(&g->root);
    *g = (struct beginning){0};
}

static void add_session(void *arg, uint64_t number, const char *label, const void *nonce, uint64_t last) {
    struct beginning *g = arg;
    g->sessions = xrealloc(g->sessions, (g->n_sessions + 1) * sizeof *g->sessions);
    struct session_row *s = &g->sessions[g->n_sessions++];
    *s = (struct session_row){.number = number, .last = last, .label = xstrdup(label)};
    memcpy(s->nonce, nonce, NONCE_SIZE);
}

static void add_state(void *arg, const char *key, const void *item, size_t n) {
    struct beginning *g = arg;
    g->states = xrealloc(g->states, (g->n_states + 1) * sizeof *g->states);
    g->states[g->n_states++] = (struct state_row){xstrdup(key), xmemdup(item, n), n};
}

static int read_beginning(struct checkpoint_base *b, void *arg) {
    struct beginning *g = arg;
    struct base_row root;
    forget_rows(g);
    g->root = BUF_INIT(RECORD_MAX);
    int r = checkpoint_base_connect(b, &b->sql, &b->base);
    if (r == 0)
        r = base_totals(b->base, &g->inodes, &g->bytes);
    if (r == 0)
        r = base_root(b->base, &root);
    if (r == 0) {
        g->root_nlink = root.nlink;
        g->root_seq = root.seq;
        r = buf_append(&g->root, root.rec, root.rec_len);
    }
    if (r == 0)
        r = base_states(b->base, add_state, g);
    return r < 0 ? r : base_sessions(b->base, add_session, g);
}

/* Adopting */

static int exec(struct tree *t, const char *sql) {
    return sql_errno(sqlite3_exec(t->db.sql, sql, NULL, NULL, NULL));
}

static int clear_rows(struct tree *t) {
    int r = exec(t, "DELETE FROM c_name; DELETE FROM c_inode; DELETE FROM c_session; DELETE FROM c_state; DELETE FROM meta WHERE key = '" CHECKPOINT_BAD "'");
    return r < 0 ? r : fault_begin(t);
}

static int put_rows(struct tree *t, const struct beginning *g) {
    int r = clear_rows(t);
    if (r == 0)
        r = db_run(&t->db, STMT_C_INODE_SET, "ibii", (uint64_t)ROOT_INO, g->root.data, g->root.len, (uint64_t)g->root_nlink, g->root_seq);
    for (size_t i = 0; i < g->n_states && r == 0; i++)
        r = db_run(&t->db, STMT_C_STATE_SET, "tb", g->states[i].key, g->states[i].item, g->states[i].n);
    for (size_t i = 0; i < g->n_sessions && r == 0; i++)
        r = db_run(&t->db, STMT_C_SESSION_BASE, "itbi", g->sessions[i].number, g->sessions[i].label, g->sessions[i].nonce, (size_t)NONCE_SIZE,
                   g->sessions[i].last);
    return r;
}

/* The session this host remembers must be in the tree, and nobody else may have gone on in it. */
static int check_session(struct tree *t, const struct beginning *g) {
    for (size_t i = 0; i < g->n_sessions; i++)
        if (g->sessions[i].number == t->session && (g->sessions[i].last & COUNTER_MAX) <= t->counter)
            return 0;
    if (!t->session)
        return 0;
    log_warning("this host's session %" PRIu64 " is not as the checkpoint has it (a copied or restored local state): a new session will be taken", t->session);
    return tree_drop_session(t);
}

static int save_base(struct tree *t, const struct checkpoint_ref *ref) {
    CLEANUP_BUF struct buf b = BUF_INIT(CHECKPOINT_REF_MAX);
    checkpoint_ref_encode(ref, &b);
    return b.err ? b.err : db_meta_set_bytes(&t->db, "base_ref", b.data, b.len);
}

static int adopt(struct tree *t, const struct checkpoint_ref *ref, const struct beginning *g) {
    struct follow_head before;
    follow_keep(t, &before);
    int r = tree_begin(t);
    if (r < 0)
        return r;
    t->seq = ref->seq;
    t->set = ref->set;
    t->total_files = g->inodes;
    t->total_bytes = g->bytes;
    memcpy(t->head_hash, ref->head_hash, DIGEST_SIZE);
    t->checkpoint.known = (struct checkpoint_known){.ref = *ref};
    r = put_rows(t, g);
    if (r == 0)
        r = check_session(t, g);
    if (r == 0)
        r = save_base(t, ref);
    if (r == 0)
        r = checkpoint_save(t);
    if (r == 0)
        r = news_begin(t);
    if (r == 0)
        r = follow_save(t);
    if (r == 0)
        r = news_begin(t);
    r = tree_end(t, r);
    if (r < 0)
        follow_back(t, &before);
    t->areas_known = false;
    return r;
}

int checkpoint_adopt(struct checkpoint_base *b) {
    struct beginning g = {0};
    int r = read_beginning(b, &g);
    if (r == 0) {
        tree_lock(b->tree);
        r = adopt(b->tree, &b->ref, &g);
        tree_unlock(b->tree);
    }
    forget_rows(&g);
    return r;
}

int checkpoint_forget(struct tree *t) {
    tree_lock(t);
    int r = tree_begin(t);
    if (r == 0) {
        t->seq = t->total_files = t->total_bytes = 0;
        t->set = (struct set_digest){0};
        t->checkpoint.known = (struct checkpoint_known){0};
        memset(t->head_hash, 0, DIGEST_SIZE);
        r = clear_rows(t);
        if (r == 0)
            r = db_meta_set_int(&t->db, "base", 0);
        if (r == 0)
            r = db_meta_set_int(&t->db, DISPUTE_ENTRIES, 0);
        if (r == 0 && t->session)
            r = tree_drop_session(t);
        if (r == 0)
            r = checkpoint_save(t);
        if (r == 0)
            r = follow_save(t);
        r = tree_end(t, r);
    }
    if (r == 0)
        t->fault = fault_free(t->fault);
    t->areas_known = false;
    tree_unlock(t);
    if (r == 0)
        t->checkpoint.base = checkpoint_base_free(t->checkpoint.base);
    return r;
}

/* Finding */

bool checkpoint_ref_of(struct tree *t, uint64_t seq, const void *p, size_t n, struct checkpoint_ref *ret) {
    CLEANUP_ENTRY struct entry e = {0};
    if (entry_open(p, n, t->cfg.keys, t->cfg.prefix, seq, &e) < 0)
        return false;
    *ret = e.checkpoint;
    return ret->seq || ret->before;
}

static bool ref_of(struct tree *t, uint64_t seq, const struct object_get *f, struct checkpoint_ref *ret) {
    return f->err == 0 && checkpoint_ref_of(t, seq, f->data.data, f->data.len, ret);
}

/* Of the newest entry that has one, and from how far back. */
static bool find_newest(struct tree *t, uint64_t head, struct checkpoint_ref *ret) {
    struct object_get f[PROBES] = {0};
    uint64_t number[PROBES];
    size_t n = 0;
    bool found = false;
    f[0].key = entry_key(t->cfg.prefix, head);
    object_get_all(t->cfg.reader, f, 1, false);
    found = ref_of(t, head, &f[0], ret);
    object_gets_free(f, 1);
    for (uint64_t back = 1; !found && n < PROBES && back < head; back *= 2) {
        number[n] = head - back;
        f[n] = (struct object_get){.key = entry_key(t->cfg.prefix, number[n])};
        n++;
    }
    if (n)
        object_get_all(t->cfg.reader, f, n, false);
    for (size_t i = 0; i < n && !found; i++)
        found = ref_of(t, number[i], &f[i], ret);
    object_gets_free(f, n);
    return found;
}

/* The one before: of the entry that announced it. */
static bool find_before(struct tree *t, struct checkpoint_ref *ref) {
    struct object_get f = {.key = entry_key(t->cfg.prefix, ref->before)};
    struct checkpoint_ref older;
    object_get_all(t->cfg.reader, &f, 1, false);
    bool found = ref_of(t, ref->before, &f, &older) && (!older.seq || older.seq < ref->before) && older.before < ref->before;
    object_gets_free(&f, 1);
    if (found)
        *ref = older;
    return found;
}

/* Whether the journal goes on from there. */
static int check_next(struct tree *t, const struct checkpoint_ref *ref, struct buf *why) {
    struct object_get f[NEXT_MAX] = {0};
    size_t n = (size_t)MIN(NEXT_MAX, ref->announced - ref->seq);
    uint8_t tree[DIGEST_SIZE];
    int r = -EBADMSG;
    set_digest_value(&ref->set, tree);
    for (size_t i = 0; i < n; i++)
        f[i].key = entry_key(t->cfg.prefix, ref->seq + 1 + i);
    object_get_all(t->cfg.reader, f, 1, false);
    for (size_t i = 0; i < n; i++) {
        CLEANUP_ENTRY struct entry e = {0};
        if (i == 1)
            object_get_all(t->cfg.reader, f + 1, n - 1, false);
        if (f[i].err < 0 || entry_open(f[i].data.data, f[i].data.len, t->cfg.keys, t->cfg.prefix, ref->seq + 1 + i, &e) < 0)
            continue;
        r = memcmp(e.previous, ref->head_hash, DIGEST_SIZE) || memcmp(e.tree, tree, DIGEST_SIZE) ? -EBADMSG : 0;
        break;
    }
    object_gets_free(f, n);
    if (r < 0)
        buf_printf(why, "journal entry %" PRIu64 " does not go on from it", ref->seq + 1);
    return r;
}

static const char *describe(int err) {
    switch (err) {
    case -ENOENT:
        return "it is not in the bucket";
    case -EBADMSG:
        return "it is damaged, or not what the journal says";
    case -ENOKEY:
        return "it is sealed under a volume key this host does not have";
    case -EPROTONOSUPPORT:
        return "it is of a newer format";
    default:
        return strerror(-err);
    }
}

static int try_one(struct tree *t, const struct checkpoint_ref *ref, struct buf *why) {
    struct checkpoint_base *b = NULL;
    struct beginning g = {0};
    int r = check_next(t, ref, why);
    if (r == 0)
        r = checkpoint_base_open(t, ref, &b);
    if (r == 0)
        r = patiently(b, read_beginning, &g);
    if (r == 0) {
        tree_lock(t);
        r = adopt(t, ref, &g);
        tree_unlock(t);
    }
    if (r == 0) {
        log_info("beginning from the checkpoint of journal entry %" PRIu64 " (%" PRIu64 " files)", ref->seq, g.inodes);
        struct checkpoint_base *old = t->checkpoint.base;
        t->checkpoint.base = b;
        checkpoint_base_attach(b);
        checkpoint_base_free(old);
    } else {
        checkpoint_base_free(b);
    }
    forget_rows(&g);
    if (r < 0 && !why->len)
        buf_append_str(why, describe(r));
    return r;
}

/* The digest of the base if it has turned out bad. */
static bool is_bad(struct tree *t, struct buf *ret) {
    SCOPE_LOCK(&t->lock);
    return fault_is_lazy(t) && db_meta_bytes(&t->db, CHECKPOINT_BAD, ret) == 0 && ret->len == DIGEST_SIZE;
}

/* From the newest on, until one can be used. seq: those up to there are of no use. */
static bool try_all(struct tree *t, struct checkpoint_ref *ref, uint64_t head, uint64_t seq, const struct buf *bad) {
    for (;;) {
        CLEANUP_BUF struct buf why = BUF_INIT(4096);
        bool known = ref->seq && ref->announced <= head; /* else of a later version, or nonsense */
        if (known && ref->seq <= seq)
            return false;
        int r = !known ? -EPROTONOSUPPORT : bad->len && !memcmp(bad->data, ref->object.digest, DIGEST_SIZE) ? -EBADMSG : try_one(t, ref, &why);
        if (r == 0)
            return true;
        log_warning("the checkpoint of journal entry %" PRIu64 " cannot be used: %s; looking for the one before", ref->seq, why.len ? buf_str(&why) : describe(r));
        if (!ref->before || !find_before(t, ref))
            break;
    }
    return false;
}

/* What this host has committed on a damaged tree shows at the next entry: then that must be met (rebuild.h), and not passed over. */
static bool is_borne_out(struct tree *t, uint64_t head) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096);
    struct checkpoint_ref here = {.seq = t->seq, .announced = head, .set = t->set};
    memcpy(here.head_hash, t->head_hash, DIGEST_SIZE);
    return check_next(t, &here, &why) == 0;
}

int checkpoint_start(struct tree *t, uint64_t head) {
    CLEANUP_BUF struct buf bad = BUF_INIT(DIGEST_SIZE);
    struct checkpoint_ref ref;
    uint64_t seq = t->seq, useful = t->seq + (t->seq > 1 ? FAR_BEHIND : 1) - 1; /* entry 1 is read in any case */
    if (t->pending_rows || t->inflight.active)
        return 0;
    if (is_bad(t, &bad))
        useful = 1;
    else if (head <= useful || (seq > 1 && !is_borne_out(t, head)))
        return 0;
    if (find_newest(t, head, &ref)) {
        if (try_all(t, &ref, head, useful, &bad))
            return 0;
        if (ref.seq <= useful && ref.seq > 1 && !bad.len)
            return 0;
        log_warning("no checkpoint can be used: the journal is read from entry %" PRIu64 " on", bad.len ? 1 : seq + 1);
    }
    return bad.len ? checkpoint_forget(t) : 0;
}

int checkpoint_attach(struct tree *t, struct buf *why) {
    CLEANUP_BUF struct buf b = BUF_INIT(CHECKPOINT_REF_MAX);
    struct checkpoint_ref ref;
    if (!fault_is_lazy(t) || fault_is_attached(t))
        return 0;
    tree_lock(t);
    int r = db_meta_bytes(&t->db, "base_ref", &b);
    tree_unlock(t);
    if (r == -ENOENT) /* it did not come from a checkpoint: who made it so attaches its source */
        return 0;
    struct cbor_in in = {b.data, b.data + b.len};
    if (r == 0)
        r = checkpoint_ref_decode(&in, &ref);
    if (r == 0 && !ref.seq)
        r = -EBADMSG;
    if (r == 0)
        r = checkpoint_base_open(t, &ref, &t->checkpoint.base);
    if (r == 0)
        checkpoint_base_attach(t->checkpoint.base);
    else
        buf_printf(why, "the checkpoint that the local state %s began from cannot be opened: %s", t->cfg.dir, describe(r));
    return r;
}
